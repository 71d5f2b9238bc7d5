#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Library, command and test programs: gcc's analyzer, the style checker, and
# the man pages.

# shellcheck source=tests/tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"

cd "$(dirname "$0")/../.." || exit 1
build=/mnt/build/lint-userspace
flags='-O2 -g -Wall -Wextra -Werror -fanalyzer'

# What holds for the kernel only: its types, its helpers, its rules for macros.
unfit=FILE_PATH_CHANGES,PREFER_KERNEL_TYPES,NEW_TYPEDEFS,SPLIT_STRING,ENOSYS,VOLATILE
unfit=$unfit,AVOID_EXTERNS,MACRO_ARG_REUSE,CONST_STRUCT,PREFER_DEFINED_ATTRIBUTE_MACRO
unfit=$unfit,ARRAY_SIZE,STATIC_CONST_CHAR_ARRAY,USLEEP_RANGE,MSLEEP,STRCPY,STRNCPY,SSCANF_TO_KSTRTO,CAMELCASE

lint_checkpatch_userspace()
{
	find userspace tests -name '*.[ch]' -print0 |
		xargs -0 perl /opt/checkpatch/checkpatch.pl --no-tree --no-summary --terse \
			--show-types --max-line-length=100 --ignore="$unfit" --file
}

lint_analyzer_userspace()
{
	make -s -j"$(nproc)" -C userspace OUT=$build CFLAGS="$flags" all
}

# Without the analyzer: a test ends at a failed check, of which it knows nothing.
lint_scenarios_build_without_warnings()
{
	make -s -j"$(nproc)" -C userspace OUT=$build CFLAGS="$flags" all
	make -s -j"$(nproc)" -C tests/scenarios OUT=$build-scenarios US_OUT=$build \
		CFLAGS='-O2 -g -Werror' all
}

lint_benchmarks_build_without_warnings()
{
	make -s -j"$(nproc)" -C userspace OUT=$build CFLAGS="$flags" all
	make -s -j"$(nproc)" -C tests/bench OUT=$build-bench US_OUT=$build \
		CFLAGS='-O2 -g -Werror' all
}

lint_man_pages()
{
	local pages=() complaints
	make -s -C userspace OUT=$build CFLAGS="$flags" all
	mapfile -t pages < <(find $build/man -name '*.[1-9]')
	[ ${#pages[@]} -gt 0 ] || fail 'there are none'
	# scdoc puts a paragraph macro where none is needed; nobody sees it.
	complaints=$(mandoc -T lint -W warning "${pages[@]}" |
		grep -v 'skipping paragraph macro' || true)
	[ -z "$complaints" ] || fail "$complaints"
}

run_tests lint_checkpatch_userspace lint_analyzer_userspace \
	lint_scenarios_build_without_warnings lint_benchmarks_build_without_warnings lint_man_pages
