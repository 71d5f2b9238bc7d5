#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What CI runs, with a Makefile of which each target ends at once: what is added up, and
# what a signal ends.

# shellcheck source=tests/tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"

top=$(cd "$(dirname "$0")/../.." && pwd)

# tree CHECK: a tree of which `make check` is that
tree()
{
	cd "$(mktemp -d)"
	mkdir .ci
	cp "$top/.ci/run" .ci/
	printf '%s:\n\t@%s\n' check "$1" lint 'echo lint: 2 passed, 0 failed, 1 skipped' \
		check-debug 'echo check-debug: 3 passed, 0 failed, 0 skipped' >Makefile
}

ci_adds_up()
{
	tree 'echo check: 1 passed, 0 failed, 0 skipped'
	.ci/run >log || fail "ended with $?: $(cat log)"
	expect 'the last line' "$(tail -n 1 log)" '^mockgpu: 6 passed, 0 failed, 1 skipped$'
}

ci_fails_where_a_step_fails()
{
	local status=0
	tree 'echo check: 1 passed, 0 failed, 0 skipped; exit 3'
	.ci/run >log || status=$?
	expect 'its status' "$status" '^1$'
	expect 'the last line' "$(tail -n 1 log)" '^mockgpu: 6 passed, 1 failed, 1 skipped$'
	grep -q '^  FAILED  check: 1 passed' log || fail "$(cat log)"
}

ci_fails_where_a_step_says_nothing()
{
	tree 'kill -KILL $$$$'
	! .ci/run >log || fail 'ended well'
	grep -q '^  FAILED  check: ended without a result' log || fail "$(cat log)"
}

# ends_with SIGNAL STATUS: that is what comes of one
ends_with()
{
	local run status=0
	tree 'echo $$$$ >pid; sleep 60 & echo $$! >>pid; wait'
	# What is started so ignores Ctrl-C, unless that is undone.
	env --default-signal=INT .ci/run >log 2>&1 &
	run=$!
	while [ "$(wc -l 2>/dev/null <pid)" != 2 ]; do
		sleep 0.1
	done
	SECONDS=0
	kill "-$1" $run
	wait $run || status=$?
	expect 'its status' "$status" "^$2\$"
	[ $SECONDS -lt 20 ] || fail "it took $SECONDS s"
	! grep -q '^== make lint' log || fail 'it went on with the next step'
	# one that has ended and that nobody has asked about is Z
	! ps -o stat= -p "$(paste -sd, pid)" | grep -v '^Z' || fail 'what it had started goes on'
}

ci_ends_on_ctrl_c() { ends_with INT 130; }
ci_ends_on_sigterm() { ends_with TERM 143; }

run_tests \
	ci_adds_up \
	ci_fails_where_a_step_fails \
	ci_fails_where_a_step_says_nothing \
	ci_ends_on_ctrl_c \
	ci_ends_on_sigterm
