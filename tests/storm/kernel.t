#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The kernel's own tests of its memory management, which know nothing of device memory: what
# passes without a storm passes in it.

# shellcheck source=tests/storm/lib.sh
. "$(dirname "$0")/lib.sh"

# upstream NAME ARGUMENT...
upstream()
{
	local name=$1
	shift
	[ -x "$selftests/$name" ] || {
		echo "# $name: this kernel has none, or it does not build here"
		return 0
	}
	row "Z20_${name//-/_}" plain tap "$selftests/$name" "$@"
}

echo 16 >/proc/sys/vm/nr_hugepages
upstream cow
upstream gup_longterm
upstream ksm_functional_tests
upstream mremap_test
upstream uffd-unit-tests
upstream madv_populate
upstream khugepaged
upstream pagemap_ioctl
finish
