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

# The first two devices of each type of VRAM have one, and no other.
nodes_have_the_numbers_that_the_tests_expect()
{
	local major type first devices n node
	major=$(sed -n 's/^ *\([0-9]*\) HMM_DMIRROR$/\1/p' /proc/devices)
	expect 'major number' "$major" '^[0-9]+$'
	ls -l /dev/hmm_dmirror*
	while read -r type first; do
		devices=$(mockgpu info --json | grep -c "\"vram_type\": \"$type\"" || true)
		echo "$devices devices with $type VRAM"
		for n in 0 1; do
			node=/dev/hmm_dmirror$((first + n))
			if [ "$n" -lt "$devices" ]; then
				expect "$node" "$(stat -c '%t:%T' $node)" \
					"^$(printf '%x:%x' "$major" $((first + n)))$"
			elif [ -e $node ]; then
				fail "there is $node"
			fi
		done
	done <<-END
		private 0
		coherent 2
	END
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
	! grep -q '^1\.\.0 # SKIP' "$out/1" || skip "$(sed -n 's/^1\.\.0 # SKIP //p' "$out/1")"
	for copy in 1 2; do
		echo "copy $copy: $(grep -c '^ok [^#]*$' "$out/$copy") passed"
		grep -h -B 12 -e '^not ok' -e '^# it ended after' "$out/$copy" || true
	done
	[ $bad = 0 ] || fail 'one failed'
}

run_tests nodes_have_the_numbers_that_the_tests_expect two_copies_pass_at_once
