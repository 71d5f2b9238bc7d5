#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What make check-upstream reports of what the kernel's own tests say: a test that fails
# for want of something that the kernel has not is a skip, and no other is.

# shellcheck source=tests/tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"

report=$(dirname "$0")/../upstream/report

# says RESULT NAME [CAPABILITY...]: what becomes of a test with this result
says()
{
	local result=$1 name=$2
	shift 2
	printf '%s\n' 'TAP version 13' '1..1' "#  RUN           $name ..." 'benchmark: 3 ms' \
		"# hmm-tests.c:1:Expected 0 (0) == ret (-5)" "#          FAIL  $name" "$result" |
		"$report" "$@" | grep ok
}

upstream_what_a_kernel_has_not_is_a_skip()
{
	expect private "$(says 'not ok 7 x' hmm.hmm_device_private.migrate)" \
		'^ok 7 - hmm\.hmm_device_private\.migrate # SKIP needs device-private'
	expect hmm2 "$(says 'not ok 7 x' hmm2.hmm2_device_private.snapshot exclusive)" '^ok 7 .* # SKIP '
	expect exclusive "$(says 'not ok 7 x' hmm.hmm_device_coherent.exclusive_cow private)" \
		'^ok 7 .* # SKIP needs device-exclusive'
	expect child "$(says 'not ok 7 x' hmm.hmm_device_coherent.anon_write_child_shared)" \
		'^ok 7 .* # SKIP its child opens /dev/hmm_dmirror0'
}

upstream_all_else_that_fails_has_failed()
{
	local name
	for name in hmm.hmm_device_private.migrate hmm.hmm_device_coherent.exclusive \
		hmm.hmm_device_coherent.anon_write_child; do
		expect "$name" "$(says 'not ok 7 x' $name private exclusive)" "^not ok 7 - $name$"
	done
	for name in migrate anon_write anon_write_huge snapshot; do
		expect "$name" "$(says "not ok 7 hmm.$name" hmm.hmm_device_coherent.$name)" \
			"^not ok 7 - hmm.hmm_device_coherent.$name$"
	done
}

upstream_skips_of_its_own_keep_their_reason()
{
	expect skip "$(says 'ok 3 # SKIP no gup_test' hmm.x.hmm_gup_test private exclusive)" \
		'^ok 3 - hmm\.x\.hmm_gup_test # SKIP no gup_test$'
	expect pass "$(says 'ok 3 hmm.x.read' hmm.x.read private exclusive)" '^ok 3 - hmm\.x\.read$'
}

upstream_status_says_whether_one_failed()
{
	says 'ok 1 hmm.x.y' hmm.x.y >/dev/null
	printf '%s\n' 1..1 'ok 1 x' | "$report" >/dev/null || fail 'all passed'
	printf '%s\n' 1..1 'not ok 1 x' | "$report" >/dev/null && fail 'one failed'
	printf '%s\n' 'no such file' | "$report" >/dev/null && fail 'nothing was run'
	printf '%s\n' 1..2 'ok 1 x' | "$report" >/dev/null && fail 'it ended too early'
	return 0
}

run_tests \
	upstream_what_a_kernel_has_not_is_a_skip \
	upstream_all_else_that_fails_has_failed \
	upstream_skips_of_its_own_keep_their_reason \
	upstream_status_says_whether_one_failed
