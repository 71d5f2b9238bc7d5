#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Debian's packages, in the root where they were installed and a newer kernel after them:
# what apt takes away again, on this machine's kernel.

# shellcheck source=tests/tap/tap.sh
. "$(dirname "$0")/../../tap/tap.sh"

export DEBIAN_FRONTEND=noninteractive
old=$(cat /boot/guest/version) new=$(cat /boot/newer/version)

built() { dkms status -m mockgpu -k "$1"; }

deb_module_is_there_for_both_kernels()
{
	expect "dkms status for $old" "$(built "$old")" ': installed$'
	expect "dkms status for $new" "$(built "$new")" ': installed$'
	modinfo -k "$old" mockgpu || fail "no module for $old"
	modinfo -k "$new" mockgpu || fail "no module for $new"
}

deb_module_goes_with_its_kernel()
{
	apt-get purge --yes "linux-headers-$old" "linux-image-$old"
	expect "dkms status for $old" "$(built "$old")" '^mockgpu/[^,]*: added$'
	expect "dkms status for $new" "$(built "$new")" ': installed$'
	expect 'what is left of it' "$(find "/lib/modules/$old" -name '*mockgpu*' 2>&1)" \
		'^$|No such file'
}

deb_module_is_built_anew_when_it_is_installed_again()
{
	apt-get remove --yes mockgpu-dkms
	expect 'dkms status' "$(dkms status -m mockgpu)" '^$'
	[ -e /usr/bin/mockgpu ] || fail 'the tools went with it'
	apt-get install --yes --no-install-recommends /usr/lib/mockgpu/deb/mockgpu-dkms_*.deb
	expect "dkms status for $new" "$(built "$new")" ': installed$'
}

deb_purge_leaves_nothing()
{
	local left
	apt-get purge --yes mockgpu-dkms mockgpu-tools libmockgpu-dev libmockgpu0
	expect 'dkms status' "$(dkms status)" '^$'
	left=$(find / -xdev \( -path /mnt -o -path /proc -o -path /dev -o -path /tmp -o \
		-path /usr/lib/mockgpu -o -path '/var/lib/dpkg/info/mockgpu-guest-*' \) -prune \
		-o -name '*mockgpu*' -print)
	[ -z "$left" ] || fail "left: $left"
	! grep -l mockgpu /lib/modules/*/modules.* || fail 'modules.* still name it'
	expect 'what dpkg knows' "$(dpkg-query --show --showformat '${Package}\n' '*mockgpu*')" \
		'^mockgpu-guest-initramfs$'
}

run_tests \
	deb_module_is_there_for_both_kernels \
	deb_module_goes_with_its_kernel \
	deb_module_is_built_anew_when_it_is_installed_again \
	deb_purge_leaves_nothing
