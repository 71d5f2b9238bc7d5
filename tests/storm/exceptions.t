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
	count=$(cut -d '|' -f 3 <<<"$list" | sort -u | grep -c . || true)
	[ "$count" -le 5 ] || fail "there are $count"
	! grep -Ev '^Z[0-9]+_[a-z0-9_]+\|[^|]+\|[a-z0-9-]+\.c\|[^|]+\.[ch]: [a-z0-9_]+\(\)\|.+$' <<<"$list" |
		grep . || fail 'lines of another form'
}

# Some need swap space, which the guest has not.
begin_swap()
{
	modprobe zram num_devices=1 && echo 64M >/sys/block/zram0/disksize &&
		mkswap /dev/zram0 && swapon /dev/zram0
}

end_swap()
{
	swapoff /dev/zram0
	echo 1 >/sys/block/zram0/reset
	modprobe -r zram
}

Z30_each_fails_without_a_storm()
{
	local row kernel program place line status dir type=coherent
	[[ $(mockgpu info --device 0 --json) != *'"vram_type": "private"'* ]] || type=private
	[ -n "$list" ] || return 0
	dir=$(mktemp -d)
	begin_swap || fail 'there is no swap space'
	while IFS='|' read -r row kernel program place line; do
		[ -n "$row" ] || continue
		[ "$(wc -l <"$here/$program")" -le 50 ] || fail "$program has more than 50 lines"
		# shellcheck disable=SC2053 # a pattern
		[[ "$(uname -r) $type" = $kernel ]] || continue
		gcc -O2 -Wall -D_GNU_SOURCE "$here/$program" -o "$dir/program" -lpthread -lmockgpu ||
			fail "$program does not build"
		status=0
		timeout 60 "$dir/program" || status=$?
		[ $status = 1 ] || fail "$program ends with $status: is $row: $line the kernel's doing ($place)?"
	done <<<"$list"
	end_swap
	rm -rf "$dir"
}

run_tests Z30_no_more_than_five_exceptions Z30_each_fails_without_a_storm
