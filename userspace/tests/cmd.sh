# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# Tests of the command against the model of the driver, in TAP.  A program sets $under, the
# command of mockgpu that it is about if it is about one, and sources this file; its first
# argument is mockgpu-fake.  It ends with ended().
set -u
cmd=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0
failed=0

ok() { # STATUS WORDS
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		failed=1
		sed 's/^/# /' "$dir/out" "$dir/err"
	fi
}

# Runs the command, expects this exit status, then a pattern in stdout or stderr.
run() { # STATUS PATTERN WORDS ARGUMENT...
	want=$1 pattern=$2 words=$3
	shift 3
	"$cmd" ${under:+"$under"} "$@" >"$dir/out" 2>"$dir/err"
	got=$?
	[ "$got" -eq "$want" ] && cat "$dir/out" "$dir/err" | grep -Eq -- "$pattern"
	ok $? "$words: exit $want and '$pattern' (exit $got)"
}

ended() {
	echo "1..$n"
	exit $failed
}
