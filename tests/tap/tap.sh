# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# Tests written in bash: a program sources this file, defines one function for
# each test, and ends with `run_tests NAME...`.  A test fails when its function
# returns non-zero, or when one of the checks below fails in it; it runs in a
# subshell, so that it may change directory and variables, and may exit.  What
# it prints are diagnostics, shown when it fails.
#
# MOCKGPU_T selects: comma-separated prefixes of test names, as in the C tests;
# a prefix that ends in a figure does not go on with one: A1 is not A10; a letter
# alone is an area of those, and goes on with one.  Capitals do not matter.
# MOCKGPU_REPEAT=n runs each so many times; the first round that fails is the last.

fail()
{
	echo "$*"
	exit 1
}

# Ends the test, which could not be made here.
skip()
{
	echo "$*" >&3
	exit 77
}

# needs CAPABILITY: the test is for devices that have it, as `mockgpu info` names it.
needs()
{
	mockgpu info --json | grep -q "\"capabilities\": .*\"$1\"" ||
		skip "the device has not the capability $1"
}

# expect WHAT ACTUAL PATTERN: ACTUAL matches the extended regular expression
expect()
{
	[[ $2 =~ $3 ]] || fail "$1: \"$2\" does not match \"$3\""
}

selected()
{
	local name=${1,,} prefix prefixes rest
	[ -n "${MOCKGPU_T-}" ] || return 0
	IFS=, read -ra prefixes <<<"${MOCKGPU_T,,}"
	for prefix in "${prefixes[@]}"; do
		rest=${name#"$prefix"}
		if [ -z "$prefix" ] || [ "$prefix$rest" != "$name" ]; then
			continue
		fi
		[[ ${#prefix} = 1 && ! $rest =~ ^[0-9] ]] && continue
		[[ $prefix =~ [0-9]$ && $rest =~ ^[0-9] ]] || return 0
	done
	return 1
}

# run_round NAME REASON: runs a test once; its status, and why it was skipped
run_round()
{
	# not in a condition, where bash would ignore set -e
	set +e
	(
		set -e
		"$1"
	) 2>&1 3>"$2" | sed 's/^/# /'
	return "${PIPESTATUS[0]}"
}

run_tests()
{
	local name number=0 wanted=() status reason round rounds=${MOCKGPU_REPEAT:-1}
	for name; do
		if selected "$name"; then
			wanted+=("$name")
		fi
	done
	if [ ${#wanted[@]} = 0 ]; then
		echo '1..0 # SKIP nothing selected'
		return 0
	fi
	echo "1..${#wanted[@]}"
	reason=$(mktemp)
	for name in "${wanted[@]}"; do
		number=$((number + 1))
		for ((round = 1; round <= rounds; round++)); do
			run_round "$name" "$reason"
			status=$?
			[ $status = 0 ] || break
		done
		[ $status = 0 ] || [ "$rounds" = 1 ] || echo "# ended in round $round of $rounds"
		case $status in
		0) echo "ok $number - $name" ;;
		77) echo "ok $number - $name # SKIP $(cat "$reason")" ;;
		*)
			echo "not ok $number - $name"
			echo "# $name ended with $status"
			failures=yes
			;;
		esac
	done
	rm -f "$reason"
	[ -z "${failures-}" ]
}
