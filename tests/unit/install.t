#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What the Makefile does to a user's own machine, done to the guest's root, in
# an overlay that is dropped afterwards.

# shellcheck source=tests/tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"

cd "$(dirname "$0")/../.." || exit 1
kernel=$(cat /boot/guest/version)
# DKMS compresses it as the kernel's own modules are.
installed() { find "/lib/modules/$kernel/updates/dkms" -name 'mockgpu.ko*' | grep -q .; }
MOCKGPU_CACHE=$(mktemp -d)
export MOCKGPU_CACHE

install_make_builds_module_and_userspace()
{
	make KDIR="/lib/modules/$kernel/build" all
	find "$MOCKGPU_CACHE" -name mockgpu.ko | grep -q . || fail 'no module'
	find "$MOCKGPU_CACHE" -name 'libmockgpu.so*' | grep -q . || fail 'no library'
	find "$MOCKGPU_CACHE" -name mockgpu -type f -perm /1 | grep -q . || fail 'no command'
}

install_puts_files_below_prefix()
{
	local to file
	to=$(mktemp -d)
	make install DESTDIR="$to" prefix=/opt/m
	for file in bin/mockgpu include/mockgpu.h lib/libmockgpu.so lib/pkgconfig/libmockgpu.pc \
		share/man/man1/mockgpu.1; do
		[ -e "$to/opt/m/$file" ] || fail "$file is missing"
	done
	[ "$(ls "$to" "$to/opt")" = "$(printf '%s:\nopt\n\n%s/opt:\nm' "$to" "$to")" ] ||
		fail "more than below the prefix: $(find "$to" -maxdepth 2)"
}

install_dkms_there_and_back()
{
	make dkms-install KVER="$kernel"
	expect 'dkms status' "$(dkms status -m mockgpu)" ': installed$'
	installed || fail 'no module was installed'
	# once more, over itself: as after git pull
	make dkms-install KVER="$kernel"
	expect 'dkms status' "$(dkms status -m mockgpu)" ': installed$'
	make dkms-remove
	expect 'dkms status' "$(dkms status -m mockgpu)" '^$'
	! installed || fail 'the module is still there'
	expect 'what is left in /usr/src' "$(ls -d /usr/src/mockgpu* 2>&1)" 'No such file'
	make dkms-remove
}

# DKMS builds nothing for a kernel that lacks what it needs; where it is too old to know
# of that, the build stops.
install_dkms_declines_a_kernel_without_hmm()
{
	local config status=0
	for config in /lib/modules/"$kernel"/build/{.config,include/config/auto.conf}; do
		[ ! -e "$config" ] || sed -i '/^CONFIG_HMM_MIRROR=/d' "$config"
	done
	make dkms-install KVER="$kernel" || status=$?
	[ "$status" != 0 ] || fail 'it was installed'
	! installed || fail 'it was installed, with an error'
	dkms remove -m mockgpu -v "$(sed -n 's/^PACKAGE_VERSION="\(.*\)"$/\1/p' dkms.conf)" --all || true
}

install_tells_what_is_missing_and_stops()
{
	local out status=0
	out=$(MOCKGPU_NO_INSTALL=1 make demo 2>&1) || status=$?
	[ "$status" != 0 ] || fail 'it went on'
	expect 'the list' "$out" 'qemu-system-x86'
	expect 'the list' "$out" 'mmdebstrap'
	out=$(MOCKGPU_NO_INSTALL=1 make module KVER=0.0-none 2>&1) || status=$?
	expect 'the list' "$out" 'linux-headers-0.0-none'
}

install_names_a_kernel_that_cannot_be_built_for()
{
	local out status=0
	out=$(make module KDIR=/nonexistent 2>&1) || status=$?
	[ "$status" != 0 ] || fail 'it went on'
	expect 'KDIR' "$out" 'KDIR=/nonexistent holds no kernel build'
}

# What stands before and after the guest, with a copy of the Makefile that has
# something else in the guest's place.
install_vm_run_hands_the_command_on_as_typed()
{
	local copy command out status=0
	copy=$(mktemp -d)
	mkdir -p "$copy/tests/vm"
	cp Makefile dkms.conf "$copy/"
	printf '#!/bin/bash\nprintf "<%%s>" "$@"\n' >"$copy/tests/vm/run"
	printf '#!/bin/bash\n' >"$copy/tests/vm/needs"
	chmod +x "$copy"/tests/vm/*
	# shellcheck disable=SC2016 # the guest's shell is to expand this
	command='echo $HOME $(date) "a  b" '\''q'\'' $( # 100%
second line'
	cd "$copy"
	out=$(make vm-run SHARE="/a b\$c" CMD="$command")
	[ "$out" = "<-s></a b\$c><$command>" ] || fail "handed on: $out"

	out=$(make vm-run 2>&1) || status=$?
	[ "$status" = 2 ] || fail "without CMD: status $status"
	expect 'without CMD' "$out" "usage: make vm-run CMD='"
	out=$(make vm 2>&1 </dev/null) && fail 'make vm went on without a terminal'
	expect 'without a terminal' "$out" 'make vm needs a terminal'
}

install_help_lists_every_target()
{
	local target help
	help=$(make help)
	while read -r target; do
		case $target in
		help-* | *-needs | dkms-tree) continue ;;
		esac
		grep -q "^  make $target " <<<"$help" || fail "make help does not list $target"
	done < <(sed -n '/^\.PHONY:/,/[^\\]$/p' Makefile | tr -d "\\134" | sed 's/^.PHONY://' | xargs -n 1)
}

run_tests \
	install_make_builds_module_and_userspace \
	install_puts_files_below_prefix \
	install_dkms_there_and_back \
	install_dkms_declines_a_kernel_without_hmm \
	install_tells_what_is_missing_and_stops \
	install_names_a_kernel_that_cannot_be_built_for \
	install_vm_run_hands_the_command_on_as_typed \
	install_help_lists_every_target
