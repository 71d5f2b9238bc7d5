#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The splat matcher against sample logs: every file of splat-samples/bad is one
# kind of splat and must be found; in those of splat-samples/good every line
# looks alarming and is not.  A pattern that finds no sample is dead weight or
# a typing error, and fails too.

# shellcheck source=tests/tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"

vm=$(cd "$(dirname "$0")/../vm" && pwd)
samples=$vm/splat-samples

splat_finds_every_bad_sample()
{
	local file status
	for file in "$samples"/bad/*; do
		status=0
		"$vm/splat-check" "$file" >/dev/null || status=$?
		[ $status = 1 ] || fail "not found: ${file##*/}"
	done
}

splat_finds_each_line_of_one_line_samples()
{
	local line status
	while IFS= read -r line; do
		status=0
		"$vm/splat-check" <(:) >/dev/null 2>&1 || status=$?
		[ $status = 2 ] || fail 'an empty log was accepted'
		printf '[    1.000000] harmless\n%s\n' "$line" >one
		status=0
		"$vm/splat-check" one >/dev/null || status=$?
		[ $status = 1 ] || fail "not found: $line"
	done <"$samples/bad-lines"
}

# More than fits in a pipe, before and after.
splat_finds_it_in_a_long_log()
{
	local status
	yes '[    1.000000] harmless' | head -n 10000 >long
	cat long "$samples/bad/warn" long >log
	status=0
	"$vm/splat-check" log >/dev/null || status=$?
	[ $status = 1 ] || fail "not found: status $status"
	"$vm/splat-check" long || fail 'found what is not there'
}

splat_leaves_harmless_lines_alone()
{
	local file out
	for file in "$samples"/good/*; do
		out=$("$vm/splat-check" "$file") || fail "${file##*/}: $(grep -v '^splat-check' <<<"$out" | head -n 4)"
	done
}

splat_each_pattern_finds_a_sample()
{
	local pattern
	while IFS= read -r pattern; do
		cat "$samples"/bad/* "$samples/bad-lines" | grep -a -q -E -e "$pattern" ||
			fail "no sample for: $pattern"
	done < <(grep -v -e '^#' -e '^$' "$vm/splat.patterns")
}

splat_says_where()
{
	local out
	printf 'one\r\ntwo\r\n[    3.1] kernel BUG at mm/memory.c:1!\r\nfour\r\n' >log
	out=$("$vm/splat-check" log || true)
	expect 'first line of the report' "$out" 'the first is line 3'
	expect 'what follows' "$out" 'four'
}

splat_does_not_trust_a_missing_log()
{
	local status=0
	"$vm/splat-check" /nonexistent >/dev/null 2>&1 || status=$?
	[ $status = 2 ] || fail "status $status"
}

cd "$(mktemp -d)" || exit 1
run_tests \
	splat_finds_every_bad_sample \
	splat_finds_each_line_of_one_line_samples \
	splat_finds_it_in_a_long_log \
	splat_leaves_harmless_lines_alone \
	splat_each_pattern_finds_a_sample \
	splat_says_where \
	splat_does_not_trust_a_missing_log
