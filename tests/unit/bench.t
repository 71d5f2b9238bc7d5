#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What make bench makes of figures: table, limits, JSON, picture.

# shellcheck source=tests/tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"

report=$(cd "$(dirname "$0")/../bench" && pwd)/report

# figures SIDE NAME UNIT SAMPLES...: a document, as the programs write them
figures()
{
	local side=$1 name=$2 unit=$3
	shift 3
	printf '{"side": "%s", "kernel": "7.0", "figures": [{"name": "%s", "unit": "%s", "samples": [%s]}]}\n' \
		"$side" "$name" "$unit" "$(IFS=, && echo "$*")"
}

# Two turns of two sides; by instructions, of which each takes 2 ns.
two_turns()
{
	figures mockgpu to-vram-4k ns/page "$1"
	figures test_hmm to-vram-4k ns/page 30000
	figures mockgpu to-vram-4k ns/page "$2"
	figures test_hmm to-vram-4k ns/page 32000
}

bench_counts_instructions_and_keeps_limits()
{
	two_turns 8000 8200 >"$dir/figures"
	"$report" icount "$dir" >"$dir/out" || true
	expect 'the table' "$(grep '^ *to-vram-4k' "$dir/out")" \
		' instructions/page +4050 +2\.5% +15500 +3\.83 x  \[3\.75, 3\.90\]$'
	expect 'a limit' "$(grep 'ok .*mockgpu/to-vram-4k' "$dir/out")" ' 4050  <= 4468$'
	expect 'another' "$(grep 'ok .*test_hmm/to-vram-4k : mockgpu' "$dir/out")" ' 3\.83  >= 1\.8$'
	expect 'the end' "$(tail -n 1 "$dir/out")" '^bench: 2 passed, 0 failed, [0-9]+ skipped$'
}

bench_fails_where_a_limit_is_not_kept()
{
	two_turns 9000 9200 >"$dir/figures"
	if "$report" icount "$dir" >"$dir/out"; then
		fail 'it did not'
	fi
	expect 'a limit' "$(grep 'FAIL .*mockgpu/to-vram-4k' "$dir/out")" ' 4550  <= 4468$'
	expect 'the end' "$(tail -n 1 "$dir/out")" '^bench: 1 passed, 1 failed, [0-9]+ skipped$'
}

bench_looks_at_the_spread()
{
	{
		figures mockgpu scale-size-1m-4k-to-vram ns/page 9000
		figures mockgpu scale-size-1g-4k-to-vram ns/page 9800
		figures mockgpu scale-size-2m-2m-to-vram ns/page 1000
		figures mockgpu scale-size-8g-2m-to-vram ns/page 1200
	} >"$dir/figures"
	"$report" icount "$dir" >"$dir/out" || true
	expect 'flat' "$(grep 'ok .*4k-to-vram' "$dir/out")" ' 1\.09  <= 1\.1$'
	expect 'not flat' "$(grep 'FAIL .*2m-to-vram' "$dir/out")" ' 1\.20  <= 1\.1$'
}

bench_writes_json_and_a_picture()
{
	{
		two_turns 8000 8200
		figures mockgpu scale-size-1m-4k-to-vram ns/page 9000
		figures mockgpu scale-size-1g-4k-to-vram ns/page 9800
	} >"$dir/figures"
	"$report" icount "$dir" >"$dir/out" || true
	# shellcheck disable=SC2016 # the dollars are for perl
	perl -MJSON::PP -0777 -e 'my $j = decode_json(<STDIN>);
		exit !($j->{kernel} eq "7.0" && @{$j->{figures}} == 3 && $j->{limits}[0]{good} &&
			$j->{figures}[0]{mockgpu}{median} == 4050)' <"$dir/bench-icount.json" ||
		fail "$(cat "$dir/bench-icount.json")"
	expect 'the picture' "$(cat "$dir/bench-icount.svg")" 'polyline.*</svg>'
	expect 'its bars' "$(cat "$dir/bench-icount.svg")" 'to-vram-4k'
}

bench_does_not_pass_without_figures()
{
	: >"$dir/figures"
	if "$report" icount "$dir" >"$dir/out" 2>&1; then
		fail 'it did'
	fi
}

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
run_tests bench_counts_instructions_and_keeps_limits bench_fails_where_a_limit_is_not_kept \
	bench_looks_at_the_spread bench_writes_json_and_a_picture bench_does_not_pass_without_figures
