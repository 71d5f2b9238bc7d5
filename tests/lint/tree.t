#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The tree as a whole: scripts, licence tags, length of files.

# shellcheck source=tests/tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"

cd "$(dirname "$0")/../.." || exit 1

# Text files that people write, but for the samples of kernel output.
written()
{
	find . -name .git -prune -o -path ./LICENSES -prune -o -path ./tests/vm/splat-samples -prune \
		-o -type f ! -name '*.svg' ! -name '*.md' ! -name .gitignore ! -name COPYING -print
}

scripts()
{
	written | while IFS= read -r file; do
		case $(head -c 20 "$file" | head -n 1 | tr -d '\0') in
		'#!/bin/sh'* | '#!/bin/bash'* | '#!/bin/busybox'*) echo "$file" ;;
		esac
	done
}

lint_shellcheck()
{
	[ "$(scripts | wc -l)" -gt 10 ] || fail 'the scripts were not found'
	scripts | xargs shellcheck --external-sources
}

lint_every_file_has_its_licence()
{
	local file tag want
	while IFS= read -r file; do
		tag=$(sed -n '1,3s/.*SPDX-License-Identifier: *\(.*[^ */]\).*/\1/p' "$file")
		case $file in
		./module/* | ./Kbuild) want='GPL-2.0 OR MIT' ;;
		./debian/rules) want=MIT ;;
		./debian/*) continue ;;
		./include/uapi/*) want='(GPL-2.0 WITH Linux-syscall-note) OR MIT' ;;
		*.patterns | */packages | */modules | *.map | *.scd | *.pc.in) continue ;;
		*) want=MIT ;;
		esac
		[ "$tag" = "$want" ] || echo "$file: \"$tag\" instead of \"$want\""
	done < <(written) >"$wrong"
	[ ! -s "$wrong" ] || fail "$(cat "$wrong")"
}

lint_no_file_is_longer_than_600_lines()
{
	# The interface is one file however long its contract is: programs include it whole.
	written | grep -v '^\./include/uapi/' | xargs wc -l |
		awk '$2 != "total" && $1 > 600 { print; bad = 1 } END { exit bad }'
}

lint_version_is_the_same_everywhere()
{
	local version
	version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"$/\1/p' dkms.conf)
	expect 'PACKAGE_VERSION' "$version" '^[0-9]+\.[0-9]+\.[0-9]+$'
	grep -rn '^VERSION *:= *[0-9]' Makefile userspace/Makefile |
		grep -v "= *$version\$" && fail "is not $version"
	expect 'debian/changelog' "$(head -n 1 debian/changelog)" "\\(${version//./\\.}\\)"
	return 0
}

# The example that the README shows is the one that is compiled and run.
lint_readme_shows_the_example()
{
	awk '/^```/ { shown = $0 == "```c"; next } shown' README.md >"$wrong"
	diff "$wrong" userspace/examples/atomic.c || fail 'README.md and atomic.c differ'
}

# So are the races that the manual shows.
lint_manual_shows_the_races()
{
	awk '/^static int race/, /^}/' userspace/man/mockgpu-points.7.scd >"$wrong"
	[ "$(grep -c '^static' "$wrong")" = 2 ] || fail 'the manual does not show two races'
	cat userspace/examples/race.c userspace/examples/race_evict.c |
		awk '/^static int race/, /^}/' | diff "$wrong" - ||
		fail 'mockgpu-points.7.scd and race.c, race_evict.c differ'
}

wrong=$(mktemp)
run_tests lint_shellcheck lint_every_file_has_its_licence \
	lint_no_file_is_longer_than_600_lines lint_version_is_the_same_everywhere \
	lint_readme_shows_the_example lint_manual_shows_the_races
