#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The kernel's own tests of its memory management, which know nothing of device memory: what
# passes without a storm passes in it.

# shellcheck source=tests/storm/lib.sh
. "$(dirname "$0")/lib.sh"

# Tests that came later than a kernel whose source they are built from.
later_6_1='cow gup_longterm ksm_functional_tests uffd-unit-tests pagemap_ioctl'

# upstream NAME [COMMAND...]
upstream()
{
	local name=$1 row=Z20_${1//-/_} source
	shift
	selected "$row" || return 0
	if [ "$name" = gup_longterm ] && [ ! -e /sys/kernel/debug/gup_test ]; then
		say_result ok "$row" 'the kernel has no gup_test'
		return 0
	elif [ -x "$selftests/$name" ]; then
		[ $# != 0 ] || set -- "$selftests/$name"
		row "$row" plain tap "$@"
		return 0
	fi
	source=$(cat "$selftests/source" 2>/dev/null)
	if [ "$source" = linux-source-6.1 ] && [[ " $later_6_1 " = *" $name "* ]]; then
		say_result ok "$row" "$source has none"
	else
		say_result bad "$row" "was not built from ${source:-any source of the kernel}"
	fi
}

echo 16 >/proc/sys/vm/nr_hugepages
upstream cow
upstream gup_longterm
# What is merged does not move, which is what it is about.
least=5 upstream ksm_functional_tests
upstream mremap_test
upstream uffd-unit-tests "$programs/uffd"
upstream madv_populate
upstream khugepaged
upstream pagemap_ioctl
finish
