#!/bin/sh
# SPDX-License-Identifier: MIT
# mockgpu trace against the model of the driver: mockgpu-fake is the first argument.
# What it writes is read by a parser, perl's.
# shellcheck disable=SC2016 # the dollars are for perl, and for the programs traced
under=trace
# shellcheck source=userspace/tests/cmd.sh
. "$(dirname "$0")/cmd.sh"
json=$dir/trace.json

# json WORDS PERL: the trace is JSON, and PERL is true of it.  It finds the document as $j,
# its events as @e, and some of them by named("kind cause").
json() {
	perl -MJSON::PP -0777 -e '
		our $j = decode_json(<STDIN>);
		our @e = @{$j->{traceEvents}};
		sub named { my $name = shift; grep { $_->{name} eq $name } @e }
		sub is { my ($have, $want) = @_; $have eq $want or die "$have is not $want\n" }
		exit !do { '"$2"' }' <"${3-$json}" 2>>"$dir/err"
	ok $? "$1"
}

FAKE_LOG=kinds
export FAKE_LOG

run 125 'no program to run' 'without a program'
run 125 "unrecognized option '--frob'" 'an option that is none' --frob true
run 0 'Perfetto|perfetto' 'help' --help
run 125 "no 'cpu'" 'a kind that is none' --kinds gpu-fault,cpu true
run 125 "no ''" 'an empty kind' --kinds gpu-fault, true
run 125 ' gpu-fault .* point$' 'the kinds that there are' --kinds lost true
run 125 'up to 1048576' 'a buffer that is none' --buffer 0 true
run 125 'up to 1048576' 'a buffer that is too large' --buffer 2M true
run 125 'no device 7|not loaded' 'a device that is not there' -d 7 true
run 125 '--all takes root' 'everybody without the right to' --all true
FAKE_LOG='' run 0 'events in' 'a story without a name' -o "$json" true
(unset FAKE_LOG && run 125 'too old' 'a driver without logs' true; exit $failed)
failed=$((failed | $?)) n=$((n + 1))
run 125 'cannot write /nonexistent/x' 'a file that cannot be made' -o /nonexistent/x true
run 125 'cannot write /dev/full: No space' 'a file that cannot be written' -o /dev/full true

run 0 '^mockgpu: 14 events in .*json; open it at https://ui.perfetto.dev' 'the words' \
	-o "$json" true
run 7 '^mockgpu: 14 events' "the program's status" -o "$json" sh -c 'exit 7'
run 143 '^mockgpu: 14 events' 'a program that was killed' -o "$json" -- sh -c 'kill $$'
run 127 "cannot run '/nonexistent'" 'a program that is not there' -o "$json" /nonexistent
json 'a program that is not there: a trace without events' '!@e'
run 126 "cannot run '/'" 'a program that is none' -o "$json" /
run 0 '^a -o b$' "the program's own options" -o "$json" echo a -o b
json 'the command' '"@{$j->{otherData}{command}}" eq "echo a -o b"'
run 0 '.' 'a command of other letters' -o "$json" true "$(printf 'q"\\\n\t\303\251\377x')"
json 'a command of other letters, quoted' \
	'is $j->{otherData}{command}[1], "q\"\\\n\t\x{e9}\x{fffd}x"'
run 0 'left running was traced' 'who is left running' -o "$json" sh -c 'sleep 2 & :'

cd "$dir" || exit 1
run 0 ' in mockgpu-trace.json;' 'without -o' true
json 'without -o: a file' '@e > 14' mockgpu-trace.json
rm mockgpu-trace.json

"$cmd" trace -o "$json" true 2>"$dir/err"
json 'every element has what the format wants' '!grep {
	!defined $_->{name} || !defined $_->{pid} || !defined $_->{tid} ||
	$_->{ph} !~ /^[XiM]$/ || ($_->{ph} ne "M") != defined $_->{ts} ||
	($_->{ph} eq "X") != defined $_->{dur} || ($_->{ph} eq "i") != defined $_->{s} } @e'
grep -Eo '"(ts|dur)":[^,}]*' "$json" | grep -Ev ':[0-9]+\.[0-9]{3}$' >"$dir/out"
[ "$(grep -c '"ts":[0-9]' "$json")" -eq 14 ] ||
	echo "not 14 of them" >>"$dir/out"
! grep . "$dir/out"
ok $? 'times are microseconds, to the nanosecond'
json 'a slice' 'my ($a) = named "to-vram migrate"; is "@$a{qw(ph cat pid tid dur)}",
	"X device0 4190001 4190001 2000.001"; is "@{$a->{args}}{qw(address bytes pfn cause owner)}",
	"0x7f0000200000 12288 0x123 migrate 4190001"'
json 'pages of another device' 'my ($a) = named "to-vram prefetch";
	is $a->{args}{from_device}, 1; !exists $a->{args}{created}'
json 'its time is when it began' 'my ($a) = named "to-vram migrate";
	my ($b) = named "command fill"; is sprintf("%.0f", 1e3 * ($b->{ts} - $a->{ts})),
	12995001'
json 'a thread' 'my ($a) = named "cpu-fault moved"; is "@$a{qw(ph pid tid)}",
	"X 4190001 4190002"; is $a->{args}{pages}, 2'
json 'its name, quoted' 'my ($m) = grep { $_->{tid} == 4190002 } named "thread_name";
	is $m->{args}{name}, "a\"b\\c\x01\x{fffd}\x{e9}"'
json 'the name of a process' 'is join(" ", map { "$_->{pid}=$_->{args}{name}" }
	named "process_name"), "4190001=app 4190004=other"'
json 'a queue is in the process that it works for' 'my ($a) = named "gpu-fault write";
	is "@$a{qw(pid tid)}", "4190001 4190003"; my ($m) = grep { $_->{tid} == 4190003 }
	named "thread_name"; is "$m->{pid} $m->{args}{name}", "4190001 mockgpu/4190001"'
json 'a queue: its number, from its first command on' 'my ($a) = named "command fill";
	is "@$a{qw(pid tid)}", "4190001 4190003"; my @m = grep { $_->{tid} == 4190003 }
	named "thread_name"; is "$m[1]{pid} $m[1]{args}{name}", "4190001 queue 3"'
json 'an instant, with an error' 'my ($a) = named "fence"; is "@$a{qw(ph s)}", "i t";
	is "@{$a->{args}}{qw(error submission)}", "EFAULT 9"'
json 'what takes no time, or failed, is an instant' 'my ($x, $i) = named "exclusive";
	is "$x->{ph}$i->{ph} $i->{args}{error}", "Xi EBUSY"'
json "a point, by the driver's name" 'my ($a) = named "point copy"; is $a->{args}{arm}, 21'
json 'threads are named once' 'is scalar(named "thread_name"), 5'

run 0 '^mockgpu: 3 events' 'some kinds' -o "$json" --kinds exclusive,to-system true
json 'some kinds: those' '!grep { $_->{ph} ne "M" && $_->{name} !~ /^(exclusive$|to-sys)/ } @e'

"$cmd" trace -o - sh -c 'echo own' >"$json" 2>"$dir/err"
json 'standard output: the trace alone' '@e > 14'
grep -q '^own$' "$dir/err"
ok $? "standard output: the program's own goes elsewhere"
"$cmd" trace -o - true 2>"$dir/err" | cat >"$json"
json 'standard output: a pipe' '@e > 14'
: >"$json"
"$cmd" trace -o - true 2>"$dir/err" >>"$json"
json 'standard output: a file to append to' '@e > 14'
{
	"$cmd" trace -o - sh -c 'sleep 1; touch "$0"' "$dir/done" 2>"$dir/err"
	echo $? >"$dir/status"
} | head -c 1 >"$dir/out"
grep -q 'cannot write -: Broken pipe' "$dir/err" && [ "$(cat "$dir/status")" -eq 125 ]
ok $? 'standard output: nobody reads it'
ls "$dir/done" >"$dir/out" 2>&1
ok $? 'standard output: nobody reads it, and the program goes on'

FAKE_LOG=lost run 0 '^mockgpu: 65536 events were lost' 'lost events' -o "$json" true
json 'lost events: an instant for everybody' 'my ($a) = named "lost";
	is "@$a{qw(ph s)} $a->{args}{events}", "i g 65536"'
FAKE_LOG=lost run 0 '^mockgpu: 8 events were lost.* than 8 ' 'a small buffer, a power of 2' \
	-o "$json" --buffer 5 true
FAKE_LOG=lost run 0 '^mockgpu: 1048576 events were lost' 'the largest buffer' \
	-o "$json" --buffer 1M true
FAKE_LOG=many run 0 '^mockgpu: 30014 events' 'many events, and the device goes' \
	-o "$json" sleep 0.3
json 'many events: all there, each once' 'my @a = grep { $_->{args}{seqno} > 14 }
	named "cpu-fault moved"; my $i = 15; is scalar(@a), 30000;
	!grep { $_->{args}{seqno} != $i++ } @a'

# Waits until the trace has its events, which takes half a second.
written() {
	i=0
	while [ "$(wc -c <"$json")" -lt 1000 ] && [ $i -lt 100 ]; do
		sleep 0.1
		i=$((i + 1))
	done
}

# A trace that is still written, or was killed, is whole up to there.
# (The shell has what it leaves in the background ignore SIGINT.)
: >"$json"
"$cmd" trace -o "$json" perl -e '$SIG{INT} = "DEFAULT"; sleep 30' 2>"$dir/err" &
pid=$!
written
json 'a trace that is still written' '@e > 14'
kill -INT $pid
wait $pid
ok $(($? != 130)) 'SIGINT goes to the program, whose status it is'
grep -q '^mockgpu: 14 events' "$dir/err"
ok $? 'SIGINT: the trace is written'
json 'SIGINT: a trace' '@e > 14'
: >"$json"
"$cmd" trace -o "$json" sh -c 'trap "exit 9" TERM; sleep 10 & wait' 2>"$dir/err" &
pid=$!
written
kill -TERM $pid
wait $pid
ok $(($? != 9)) 'SIGTERM: a program may have its own way with it'
: >"$json"
FAKE_LOG=many "$cmd" trace -o "$json" sleep 3 2>"$dir/err" &
pid=$!
written
sleep 1
kill -KILL $pid
wait $pid 2>/dev/null
json 'SIGKILL: a trace' '@e > 30000'

run 0 '^to-vram +2 +4 +2\.001 +2\.000 +0$' 'summary: a kind' --summary true
[ ! -e mockgpu-trace.json ] && ! grep -q ' events in ' "$dir/err"
ok $? 'summary: no file'
grep -Eq '^cpu-fault +2 +2 +0\.002 +0\.001 +0$' "$dir/err" &&
	grep -Eq '^  moved +1 +2 +0\.001 +0\.001 +0$' "$dir/err" &&
	grep -Eq '^  retried +1 +0 ' "$dir/err" && grep -Eq '^split +1 +512 ' "$dir/err" &&
	grep -Eq '^fence +1 +0 .* 1$' "$dir/err" && grep -Eq '^  copy +1 .* 1$' "$dir/err"
ok $? 'summary: sums by kind and cause'
grep -Eq '^  0x7f0000200000 +1 +1  4190001 a"b.c[?]{4}$' "$dir/err" &&
	grep -Eq '^  0x7f0000200000 +0 +1  4190004 other$' "$dir/err"
ok $? 'summary: ranges of each process'
FAKE_LOG=ranges run 0 '^  and 2 more$' 'summary: ranges' --summary true
grep '^  0x' "$dir/err" | awk '{ print $2 + $3 }' | tr '\n' ' ' |
	grep -q '^12 11 10 9 8 7 6 5 4 3 $'
ok $? 'summary: most faults first'
grep -Eq '^cpu-fault +30 +30 +240\.000 +12\.000 +0$' "$dir/err" &&
	grep -Eq '^  moved +30 +30 +240\.000 +12\.000 +0$' "$dir/err"
ok $? 'summary: total and longest'
FAKE_LOG=lost run 0 '^lost +65536$' 'summary: lost events' --summary true
run 0 '14 events in' 'summary and trace' --summary -o "$json" true
json 'summary and trace: both' '@e > 14'
ended
