#!/bin/sh
# SPDX-License-Identifier: MIT
# mockgpu storm against the model of the driver: mockgpu-fake is the first argument.
# shellcheck disable=SC2016 # the dollars are for the programs that run
under=storm
# shellcheck source=userspace/tests/cmd.sh
. "$(dirname "$0")/cmd.sh"

run 0 'Usage: mockgpu storm' 'help' --help
run 125 'no program' 'no program'
run 125 'lists the options' 'unknown option' --frob true
run 125 '--rate is' 'a rate that is none' --rate x true
run 125 '--rate is' 'a rate too high' --rate 5G true
run 125 '--share is' 'no share' --share 0 true
run 125 '--share is' 'too large a share' --share 101 true
run 125 '--sizes is' 'no power of 2' --sizes 3 true
run 125 '--sizes is' 'too large' --sizes 1-1024 true
run 125 '--sizes is' 'the wrong way round' --sizes 8-4 true
run 125 '--duration is' 'no duration' --duration 0 true
run 125 '--type is' 'no type' --type frob true
run 125 '--seed is' 'no seed' --seed -1 true
run 125 'no device with coherent VRAM' 'a type that is not there' --type coherent true
run 125 'no device 7|not loaded' 'a device that is not there' -d 7 true
run 127 "cannot run '/no/such'" 'a program that is not there' /no/such
run 126 "cannot run '/etc/passwd'" 'a program that cannot be run' /etc/passwd
run 0 '^mockgpu storm: .* 3 processes, 1 device, seed 5$' 'a storm' --seed 5 true
grep -Eq 'went to VRAM +262144 pages  \(1\.00 GiB\)' "$dir/err"
ok $? 'what went'
grep -Eq 'came home +5200 pages' "$dir/err" && grep -Eq 'by CPU faults +200 .*\(210 faults\)' "$dir/err"
ok $? 'what came home'
grep -Eq 'of its memory +98\.5 %' "$dir/err"
ok $? 'how much of it'
grep -Eq 'stayed for once +8 pages' "$dir/err"
ok $? 'what stayed'
run 0 '^own$' 'its output is its own' -- sh -c 'echo own'
run 7 'went to VRAM' 'its status is its own' sh -c 'exit 7'
run 143 'went to VRAM' 'a signal' sh -c 'kill -TERM $$'
run 0 'times as slow' 'compared' --compare sh -c 'sleep 0.1'
grep -q 'both runs ended with status 0' "$dir/err"
ok $? 'compared: the same'
run 125 'THE RUNS DIFFER: status 1 in the storm, 0 without' 'compared: not the same' --compare \
	sh -c '[ ! -e "$0" ] && : >"$0"' "$dir/once"
grep -q 'not measured' "$dir/err"
[ $? = 1 ]
ok $? 'compared: so it is measured'
printf 'what it reads\n' >"$dir/input"
input=$dir/input
run 0 '^2 what it reads$' 'compared: both read the same' --compare sh -c \
	'cat >>"$0"; sort "$0" | uniq -c | tr -s " " | sed "s/^ //"' "$dir/read"
input=/dev/null
: | "$cmd" storm --compare true >"$dir/out" 2>"$dir/err"
[ $? = 125 ] && grep -q 'cannot be read twice' "$dir/err"
ok $? 'compared: a pipe is not read twice'
run 0 '^own$' 'for programs, in a file' -j -o "$dir/json" --seed 9 echo own
[ ! -s "$dir/err" ] && perl -MJSON::PP -0777 -e 'my $j = decode_json(<STDIN>);
	exit !($j->{pages_to_vram} == 262144 && $j->{pages_home} == 5200 && $j->{seed} == 9 &&
		$j->{status} == 0 && $j->{to_vram}{busy} == 7)' <"$dir/json"
ok $? 'for programs: a parser agrees'
FAKE_BREAK=no-storm
export FAKE_BREAK
run 125 'too many storms' 'the driver refuses' true
unset FAKE_BREAK
"$cmd" storm sh -c 'trap "exit 9" TERM; sleep 10 & wait' >"$dir/out" 2>"$dir/err" &
pid=$!
sleep 1
kill -TERM $pid
wait $pid
[ $? = 9 ] && grep -q 'went to VRAM' "$dir/err"
ok $? 'SIGTERM goes to the program, and the summary is printed'

"$cmd" storm sh -c 'trap "exit 9" USR1; sleep 10 & wait' >"$dir/out" 2>"$dir/err" &
pid=$!
sleep 1
kill -USR1 $pid
wait $pid
[ $? = 9 ]
ok $? 'SIGUSR1 goes to the program'
run 0 'not measured: --compare' 'a child that has ended is not left running' sh -c '(exit 0) & sleep 0.2'
grep -q 'left running' "$dir/err"
[ $? = 1 ]
ok $? 'so nothing is said of it'

ended
