#!/bin/sh
# SPDX-License-Identifier: MIT
# mockgpu top against the model of the driver, mockgpu-fake, which is the first argument, and
# a folder that looks like /proc.  The model's one device is the node behind /dev/zero.
# shellcheck disable=SC2016 # the dollars are for perl
under=top
# shellcheck source=userspace/tests/cmd.sh
. "$(dirname "$0")/cmd.sh"
FAKE_PROC=$dir/proc
export FAKE_PROC

# json WORDS PERL: each line that the last run printed is JSON, and PERL is true of them, @j
json() {
	perl -MJSON::PP -e 'my @j = map { decode_json($_) } <STDIN>; exit !do { '"$2"' }' \
		<"$dir/out" 2>"$dir/err"
	ok $? "$1"
}

# client PID FD ID KIB [NODE]: a process has the device open
client() {
	mkdir -p "$FAKE_PROC/$1/fd" "$FAKE_PROC/$1/fdinfo"
	echo "program $1" >"$FAKE_PROC/$1/comm"
	ln -s "${5-/dev/zero}" "$FAKE_PROC/$1/fd/$2"
	printf 'pos:\t0\ndrm-driver:\tmockgpu\ndrm-client-id:\t%s\ndrm-resident-vram:\t%s KiB\n' \
		"$3" "$4" >"$FAKE_PROC/$1/fdinfo/$2"
}

mkdir "$FAKE_PROC"
client 41 3 1 64
client 42 3 2 4
client 42 4 2 4
client 43 5 2 4
client 44 3 3 4 /dev/null

run 2 'mockgpu top: .*frob' 'an option that is none' --frob
run 2 "no argument 'x'" 'an argument' x
run 2 'from 0.1 to 3600' 'no delay' -d 0
run 2 'from 0.1 to 3600' 'a delay without a number' -d 1s
run 2 'from 0.1 to 3600' 'a delay that is none' -d nan
run 2 'from 0.1 to 3600' 'a delay without end' --delay inf
run 2 'at least 1' 'no look' -n 0
run 2 'at least 1' 'less than none' --count -1
run 0 'SECONDS' 'help' --help
FAKE_BREAK=no-device
export FAKE_BREAK
run 3 'no device|not loaded' 'without a device' --once
unset FAKE_BREAK
FAKE_PROC=/nonexistent
run 1 'cannot read the processes: No such file' 'without /proc' --once
FAKE_PROC=$dir/proc

run 0 '^ +41 [^ ]+ +0 +64 KiB +0.0%  program 41$' 'a client' --once -d 0.1
run 0 '^ +42 .* 4 KiB .* program 42 \(2 processes\)$' 'a client of two processes' --once -d 0.1
status=1
[ "$(grep -c program "$dir/out")" -ne 2 ] || status=0
ok $status 'each client once, and of other devices none'
run 0 '1 device, 2 clients$' 'how many' --once -d 0.1
status=1
[ -s "$dir/err" ] || status=0
ok $status 'no other word'
! grep -q "$(printf '\033')" "$dir/out"
ok $? 'no word to a terminal'
run 0 '^mockgpu top ' 'twice' -n 2 -d 0.1
[ "$(grep -c '^mockgpu top ' "$dir/out")" -eq 2 ]
ok $? 'twice indeed'

run 0 '^{' 'JSON' --json -n 3 -d 0.1
json 'JSON: a parser agrees' '@j == 3 && @{$j[2]{devices}} == 1 && @{$j[2]{clients}} == 2'
json 'JSON: the device' 'my $d = $j[0]{devices}[0]; $d->{node} eq "/dev/dri/renderD129" &&
	$d->{vram_bytes} == 268435456 && keys %{$d->{counters}} == keys(%{$d->{per_second}}) + 4 &&
	$d->{per_second}{cpu_faults} == 0'
json 'JSON: the clients' 'join(" ", map { "$_->{pid}:$_->{vram_resident_bytes}" }
	@{$j[1]{clients}}) eq "41:65536 42:4096" && $j[0]{clients}[1]{busy_percent} == 0'
# A tenth of a second lies between two looks, of which each takes its own time first.
json 'JSON: time goes on' '$j[1]{devices}[0]{time_ns} - $j[0]{devices}[0]{time_ns} >= 5e7 &&
	$j[2]{clients}[0]{time_ns} - $j[1]{clients}[0]{time_ns} >= 5e7'

status=0
"$cmd" top --once -d 0.1 >/dev/full 2>"$dir/err" || status=$?
[ $status -eq 1 ] && [ "$(grep -c 'cannot write the output' "$dir/err")" -eq 1 ]
ok $? 'output that is lost is a failure'
status=0
"$cmd" top --json --once -d 0.1 >/dev/full 2>"$dir/err" || status=$?
[ $status -eq 1 ] && grep -q 'cannot write the output: No space' "$dir/err"
ok $? 'JSON that is lost is a failure'
timeout -s TERM 1 "$cmd" top -d 0.1 >"$dir/out" 2>"$dir/err"
[ $? -eq 124 ] && grep -q 'program 41' "$dir/out"
ok $? 'without an end, it is ended by a signal'
ended
