#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The installed examples, built as a user builds them, against the real device.

# shellcheck source=tests/tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"

examples=/usr/share/doc/mockgpu/examples

# build_and_run NAME: what it prints
build_and_run()
{
	local program
	program=$(mktemp)
	# shellcheck disable=SC2046 # several words are meant
	gcc -Wall -Wextra -Werror -o "$program" "$examples/$1.c" \
		$(pkg-config --cflags --libs libmockgpu)
	"$program" || fail "$1 ended with $?"
	rm -f "$program"
}

examples_pingpong()
{
	local out
	needs private
	out=$(build_and_run pingpong)
	expect pingpong "$out" 'after the migration, 16 pages are in VRAM'
	expect pingpong "$out" 'after the CPU.s read, 15'
}

# The README shows it, so it has to stay short.
examples_atomic()
{
	needs exclusive
	expect atomic "$(build_and_run atomic)" '^101000$'
	[ "$(wc -l <"$examples/atomic.c")" -lt 30 ] || fail 'atomic.c has 30 lines or more'
}

# The manual shows their hearts: mockgpu-points(7).
examples_race()
{
	expect race "$(build_and_run race)" '^killed half-way, and no byte was lost$'
}

examples_race_evict()
{
	expect race_evict "$(build_and_run race_evict)" \
		'^touched while it was evicted, and no byte was lost$'
}

run_tests examples_pingpong examples_atomic examples_race examples_race_evict
