#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The module's sources: the kernel's own style checker, the compiler's extra
# warnings, and sparse.

# shellcheck source=tests/tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"

cd "$(dirname "$0")/../.." || exit 1
kernel=/usr/lib/modules/$(cat /boot/guest/version)/build
build=/mnt/build/lint-module

# What does not fit a module outside the kernel's tree, which has no MAINTAINERS
# file, and builds on kernels older than kmalloc_obj(); and a file whose name is a
# word that its text needs (migrate).
unfit=FILE_PATH_CHANGES,ALLOC_WITH_SIZEOF,EMBEDDED_FILENAME
# Programs include this one, and have no BIT().
unfit_uapi=$unfit,BIT_MACRO

# checkpatch IGNORED FOLDER
checkpatch()
{
	find "$2" -name '*.[ch]' -print0 |
		xargs -0 perl /opt/checkpatch/checkpatch.pl --no-tree --no-summary --terse --strict \
			--show-types --max-line-length=100 --ignore="$1" --file
}

lint_checkpatch_module()
{
	checkpatch "$unfit" module && checkpatch "$unfit_uapi" include
}

fresh_tree()
{
	rm -rf "$build"
	mkdir -p "$build"
	cp -R dkms.conf Kbuild module include "$build"
}

# build LOG OPTIONS...
build()
{
	local log=$1
	shift
	fresh_tree
	make -j"$(nproc)" -C "$kernel" M="$build" "$@" modules >"$log" 2>&1 || {
		cat "$log"
		fail 'the build failed'
	}
	grep -q 'mockgpu\.ko' "$log" || fail 'nothing was built'
}

lint_module_builds_without_warnings_at_W1()
{
	local log
	log=$(mktemp)
	build "$log" W=1
	! grep -E '(warning|error|WARNING|ERROR):' "$log" || fail 'there are warnings'
}

# The distribution's sparse is older than __typeof_unqual__, and cannot compute
# the length of a string, which the kernel's macros for parameters and module
# information assert.  What it says of the kernel's headers is not ours.
lint_sparse()
{
	local log files
	log=$(mktemp)
	build "$log" C=2 CHECK='sparse -D__typeof_unqual__=__typeof__'
	# The unit tests need a kernel with KUnit, which the distribution's is not.
	files=$(find module -path module/kunit -prune -o -name '*.c' -print | wc -l)
	[ "$(grep -c '^ *CHECK ' "$log")" -ge "$files" ] || {
		grep -i sparse "$log"
		fail 'sparse has not looked at every file'
	}
	! grep -E '^module/[a-z_/]+\.[ch]:.*(warning|error):' "$log" |
		grep -v '^module/drv\.c:.*error: bad constant expression$' || fail 'sparse complains'
}

run_tests lint_checkpatch_module lint_module_builds_without_warnings_at_W1 lint_sparse
