#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Two copies of them at once, and the nodes that they open.

# shellcheck source=tests/upstream/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# What it selects is not the tests of this file.
chosen=${MOCKGPU_T-}
unset MOCKGPU_T

nodes_have_the_numbers_that_the_tests_expect()
{
	local major n
	major=$(sed -n 's/^ *\([0-9]*\) HMM_DMIRROR$/\1/p' /proc/devices)
	expect 'major number' "$major" '^[0-9]+$'
	ls -l /dev/hmm_dmirror*
	for n in 0 1 2 3; do
		[ ! -e /dev/hmm_dmirror$n ] ||
			expect "node $n" "$(stat -c '%t:%T' /dev/hmm_dmirror$n)" \
				"^$(printf '%x:%x' "$major" $n)$"
	done
	for n in 0 2; do
		[ -e /dev/hmm_dmirror$n ] || continue
		[ -e /dev/hmm_dmirror$((n + 1)) ] || fail "there is no node $((n + 1))"
	done
}

two_copies_pass_at_once()
{
	local copy bad=0 job jobs=() out
	out=$(mktemp -d)
	for copy in 1 2; do
		MOCKGPU_T=$chosen hmm_tests >"$out/$copy" &
		jobs+=($!)
	done
	for job in "${jobs[@]}"; do
		wait "$job" || bad=1
	done
	for copy in 1 2; do
		echo "copy $copy: $(grep -c '^ok [^#]*$' "$out/$copy") passed"
		grep -h -B 12 '^not ok' "$out/$copy" || true
	done
	[ $bad = 0 ] || fail 'one failed'
}

run_tests nodes_have_the_numbers_that_the_tests_expect two_copies_pass_at_once
