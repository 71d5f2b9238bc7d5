#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Each exception of the campaign is the kernel's own doing: a short program fails without a storm.

# shellcheck source=tests/tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"

here=$(cd "$(dirname "$0")" && pwd)/exceptions
list=$(grep -v '^#' "$here/list" || true)

Z30_no_more_than_five_exceptions()
{
	local count
	count=$(grep -c . <<<"$list" || true)
	[ "$count" -le 5 ] || fail "there are $count"
	! grep -Ev '^Z[0-9]+_[a-z0-9_]+\|[^|]+\|[a-z0-9-]+\.c\|[^|]+\.[ch]: [a-z0-9_]+\(\)\|.+$' <<<"$list" |
		grep . || fail 'lines of another form'
}

Z30_each_fails_without_a_storm()
{
	local row kernel program place line status dir
	dir=$(mktemp -d)
	while IFS='|' read -r row kernel program place line; do
		[ -n "$row" ] || continue
		[ "$(wc -l <"$here/$program")" -le 50 ] || fail "$program has more than 50 lines"
		gcc -O2 -Wall -D_GNU_SOURCE "$here/$program" -o "$dir/program" -lpthread ||
			fail "$program does not build"
		# shellcheck disable=SC2053 # a pattern
		[[ $(uname -r) = $kernel ]] || continue
		status=0
		timeout 60 "$dir/program" || status=$?
		[ $status = 1 ] || fail "$program ends with $status: is $row: $line the kernel's doing ($place)?"
	done <<<"$list"
	rm -rf "$dir"
}

run_tests Z30_no_more_than_five_exceptions Z30_each_fails_without_a_storm
