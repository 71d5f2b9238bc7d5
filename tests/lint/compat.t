#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What the module knows of differences between kernels: where it may stand, and what
# becomes of a kernel that it does not know.

# shellcheck source=tests/tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"

cd "$(dirname "$0")/../.." || exit 1
kernel=$(realpath "/usr/lib/modules/$(cat /boot/guest/version)/build")
build=/mnt/build/lint-compat

# Lines of a folder's sources, but for those of compat/, that go by what a kernel has
# or by its number.
differences()
{
	grep -rnE '\<HAVE_[A-Z]|\<(LINUX_VERSION_[A-Z]+|KERNEL_VERSION|UTS_RELEASE|UTS_VERSION)\>' \
		--include='*.[ch]' --include='Kbuild' --exclude-dir=compat "$1" || true
}

lint_kernel_differences_stay_in_compat()
{
	local found
	found=$(differences module)
	[ -z "$found" ] || fail "$found"

	# one that is planted is found
	rm -rf $build/planted
	mkdir -p $build/planted/compat
	printf '#if HAVE_PAGE_PGMAP\n#endif\n' | tee $build/planted/compat/a.h >$build/planted/b.h
	printf '#if LINUX_VERSION_CODE > 1\n#endif\n' >$build/planted/c.c
	expect 'what is found' "$(differences $build/planted | sort | tr '\n' ' ')" \
		'^[^ ]*/b\.h:1:#if HAVE_[^ ]* [^ ]*/c\.c:1:#if LINUX_[^ ]* > 1 $'
}

# The floor is the one version that anything is compared with.
lint_no_version_but_the_floor()
{
	local found
	found=$(grep -rnE 'LINUX_VERSION_|KERNEL_VERSION' module/compat)
	expect 'lines' "$found" '^module/compat/probe\.sh:[0-9]+:[^:]*LINUX_VERSION_CODE < KERNEL_VERSION\([^:]*$'
}

lint_probes_are_those_that_are_used()
{
	local probed used
	probed=$(sed -n 's/^form \(HAVE_.*\)$/\1/p' module/compat/probes | sort -u)
	used=$(grep -ohE '\<HAVE_[A-Z0-9_]+' module/compat/*.h | sort -u)
	[ "$(echo "$probed" | wc -l)" -gt 9 ] || fail 'there are no probes'
	diff <(echo "$probed") <(echo "$used") || fail 'probes (<) and what is used (>) differ'
}

# The kernel's headers as folders of links, each of which can be replaced.
link_kernel()
{
	local common part fake=$build/kernel
	common=$(sed -n 's|^include \(.*\)/Makefile$|\1|p' "$kernel/Makefile")
	[ -e "$common/include/linux/mm.h" ] || fail "$kernel/Makefile is not understood"

	rm -rf $build/kernel*
	mkdir -p $fake/common $fake/objects
	for part in "$common"/*; do
		[ "${part##*/}" = include ] || ln -s "$part" $fake/common/
	done
	cp -rs "$common/include" $fake/common/
	cp -rs "$kernel/." $fake/objects/
	rm $fake/objects/Makefile
	sed "s|$common|$fake/common|; s|$kernel|$fake/objects|" "$kernel/Makefile" \
		>$fake/objects/Makefile
	touch $build/kernel-$$
}

# fake_kernel [PATH [SCRIPT]]: such headers, with a file of them edited by sed, or removed
fake_kernel()
{
	local file=$build/kernel/${1-} original
	[ -e $build/kernel-$$ ] || link_kernel
	# what the test before edited
	[ ! -e $build/kernel-edited ] ||
		ln -sfn "$(sed -n 2p $build/kernel-edited)" "$(sed -n 1p $build/kernel-edited)"
	rm -f $build/kernel-edited
	[ $# -gt 0 ] || return 0

	original=$(readlink "$file")
	if [ $# = 1 ]; then
		printf '%s\n' "$file" "$original" >$build/kernel-edited
		rm "$file"
		return
	fi
	sed -E "$2" "$original" >"$file.new"
	! cmp -s "$original" "$file.new" || fail "there was nothing to edit in $file"
	printf '%s\n' "$file" "$original" >$build/kernel-edited
	mv "$file.new" "$file"
}

# Builds the module's smallest part for that kernel.
build_for_fake_kernel()
{
	rm -rf $build/tree
	mkdir -p $build/tree
	cp -R dkms.conf Kbuild module include $build/tree
	make -C $build/kernel/objects M=$build/tree/module stats.o >$build/log 2>&1
}

# stops_with LINE: that is why, and all that the module itself says
stops_with()
{
	local said
	! build_for_fake_kernel || fail 'it was built'
	said=$(grep '^mockgpu: ' $build/log) || true
	[ "$said" = "mockgpu: kernel $(cat /boot/guest/version)$1" ] || {
		cat $build/log
		fail "instead of \"$1\""
	}
}

lint_known_kernel_is_probed_once()
{
	local header=$build/tree/module/compat_probes.h first seconds objects=$build/kernel/objects
	fake_kernel
	# of the processor, as others may use it as well
	TIMEFORMAT='%U %S'
	{ time build_for_fake_kernel || echo failed; } 2>$build/time
	seconds=$(awk '{ print int($1 + $2) }' $build/time)
	[ -e $header ] || { cat $build/log; fail 'the build failed'; }
	expect 'seconds that it took' "$seconds" '^1?[0-9]$'
	grep -q '^#define HAVE_[A-Z_]* 1$' $header || fail 'nothing is said to be there'

	first=$(stat -c %y $header)
	make -C $objects M=$build/tree/module stats.o >$build/log 2>&1
	[ "$(stat -c %y $header)" = "$first" ] || fail 'it was probed again'

	# another kernel, to judge by what it exports
	fake_kernel objects/Module.symvers 1d
	make -C $objects M=$build/tree/module stats.o >$build/log 2>&1
	[ "$(stat -c %y $header)" != "$first" ] || fail 'another kernel was not probed'
}

lint_removed_function_stops_the_build()
{
	fake_kernel common/include/linux/rmap.h 's/\<make_device_exclusive\(/unknown_&/'
	stops_with ': make_device_exclusive() has none of the known forms'
}

lint_changed_arguments_stop_the_build()
{
	fake_kernel common/include/linux/migrate.h \
		's/(\<migrate_device_pfns\(unsigned long \*[a-z_]*, unsigned long [a-z_]*)\)/\1, int how)/'
	stops_with ': migrate_device_pfns() has none of the known forms'
}

lint_removed_member_stops_the_build()
{
	fake_kernel common/include/linux/memremap.h 's/\(\*folio_free\)/(*unknown_free)/'
	stops_with ': dev_pagemap_ops.folio_free() has none of the known forms'
}

lint_unexported_function_stops_the_build()
{
	fake_kernel objects/Module.symvers '/\thmm_range_fault\t/d'
	stops_with ': hmm_range_fault() has none of the known forms'
}

lint_missing_option_stops_the_build()
{
	fake_kernel objects/include/config/auto.conf '/^CONFIG_HMM_MIRROR=/d'
	stops_with ' is built without CONFIG_HMM_MIRROR'
}

lint_missing_header_stops_the_build()
{
	fake_kernel common/include/linux/platform_device.h
	stops_with ': there is no header linux/platform_device.h'
}

# compiler_gets WORD...: what the compiler that these words call is told, which is no more
# than a name here; it says who it is, whatever else it is told
compiler_gets()
{
	local tools=$build/tools objects=$build/tools/objects name
	rm -rf $tools
	mkdir -p $objects/include/config
	sed -n 's/^config \(.*\)$/CONFIG_\1=y/p' module/compat/probes >$objects/include/config/auto.conf
	# shellcheck disable=SC2016 # for the script
	printf '#!/bin/sh\n[ "$1" != --version ] || exec echo ccache 4\nexec "$@"\n' >$tools/ccache
	for name in gcc clang; do
		cat >$tools/$name <<-END
			#!/bin/sh
			case " \$* " in
			*' --version '*) echo "$name version 20" ;;
			*) echo "\$@" >>$tools/told ;;
			esac
		END
	done
	chmod +x $tools/ccache $tools/gcc $tools/clang
	! PATH=$tools:$PATH module/compat/probe.sh module/compat/probes $tools/header 7.0 $objects \
		"$@" -O2 || fail 'a compiler that finds no errors was believed'
	cat $tools/told
}

# Each compiler has options of its own, also where another program calls it.
lint_compiler_is_known()
{
	expect 'gcc' "$(compiler_gets gcc)" '^-O2 -fmax-errors=0 '
	expect 'clang' "$(compiler_gets clang)" '^-O2 -ferror-limit=0 '
	expect 'gcc, called by ccache' "$(compiler_gets ccache gcc)" '^-O2 -fmax-errors=0 '
	expect 'clang, called by ccache' "$(compiler_gets ccache clang)" '^-O2 -ferror-limit=0 '
}

lint_old_kernel_stops_the_build()
{
	fake_kernel objects/include/generated/uapi/linux/version.h \
		's/(LINUX_VERSION_CODE) .*/\1 KERNEL_VERSION(6, 0, 255)/'
	stops_with ' is older than 6.1'
}

run_tests lint_kernel_differences_stay_in_compat lint_no_version_but_the_floor \
	lint_probes_are_those_that_are_used lint_known_kernel_is_probed_once \
	lint_removed_function_stops_the_build lint_changed_arguments_stop_the_build \
	lint_removed_member_stops_the_build lint_unexported_function_stops_the_build \
	lint_missing_option_stops_the_build lint_missing_header_stops_the_build \
	lint_compiler_is_known lint_old_kernel_stops_the_build
