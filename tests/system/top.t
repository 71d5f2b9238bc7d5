#!/bin/bash
# SPDX-License-Identifier: MIT
#
# mockgpu top against the real device: clients of known doings, which it and gputop show.

# shellcheck source=tests/tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"

work=$(mktemp -d)
cd "$work" || exit 1
chmod 755 .

trap 'grep -q "^mockgpu " /proc/modules || modprobe mockgpu; rm -rf "$work"' EXIT

# Whatever a test does, and whether it fails: nothing that it started goes on.
begin() { trap end EXIT; }
end()
{
	local pid
	set +e
	for pid in $(cat clients 2>/dev/null) $(jobs -p); do
		kill -KILL "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	rm -f clients ready.*
}

# client PAGES QUEUES [COPIES]: has so many pages in VRAM, so many queues that are busy, and
# its file in so many processes, twice in each; or, where PAGES is 0, has 64 pages go to VRAM,
# touches them and has what is left come home, without end.
cat >client.c <<'END_OF_C'
#include <assert.h>
#include <mockgpu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char *map(size_t pages)
{
	char *p = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert(p != MAP_FAILED);
	madvise(p, pages * 4096, MADV_NOHUGEPAGE);
	memset(p, 'c', pages * 4096);
	return p;
}

static void ready(void)
{
	puts("ready");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	size_t pages = argc > 1 ? strtoul(argv[1], NULL, 0) : 0, i;
	int queues = argc > 2 ? atoi(argv[2]) : 0, copies = argc > 3 ? atoi(argv[3]) : 1;
	struct drm_mockgpu_cmd delays[100];
	struct mockgpu_submission work = { .cmds = delays, .count = 100 };
	struct mockgpu_device *dev;
	char *p = map(pages ? pages : 64);
	uint32_t queue;

	for (i = 0; i < 100; i++)
		delays[i] = (struct drm_mockgpu_cmd){
			.op = MOCKGPU_CMD_DELAY, .value = 10000000000,
		};
	assert(!mockgpu_open(&dev, 0));
	for (; queues; queues--) {
		assert(!mockgpu_queue_create(dev, &queue));
		assert(!mockgpu_submit(dev, queue, &work));
	}
	if (pages)
		assert(!mockgpu_to_vram(dev, p, pages * 4096));
	for (; copies > 1 && fork(); copies--)
		;
	assert(dup(mockgpu_fd(dev)) >= 0);
	ready();
	while (!pages) {
		assert(!mockgpu_to_vram(dev, p, 64 * 4096));
		for (i = 0; i < 64; i++)
			*(volatile char *)(p + i * 4096) = 'd';
		assert(!mockgpu_to_system(dev, p, 64 * 4096));
	}
	for (;;)
		pause();
}
END_OF_C
# shellcheck disable=SC2046 # several words are meant
gcc -D_GNU_SOURCE -Wall -o client client.c $(pkg-config --cflags --libs libmockgpu) || exit 1

# start NAME PAGES QUEUES [COPIES]: a client that has done all this; its process is $client
start()
{
	local name=$1 tenths=0
	shift
	./client "$@" >"ready.$name" &
	client=$!
	echo $client >>clients
	while [ "$(wc -l <"ready.$name")" -lt "${3-1}" ]; do
		kill -0 $client 2>/dev/null || fail "client $* has ended"
		((++tenths < 300)) || fail "client $* does not begin"
		sleep 0.1
	done
	[ "${3-1}" = 1 ] || pgrep -P $client >>clients
}

# What earlier tests had in VRAM has gone a moment after them.
vram_is_empty()
{
	for _ in {1..100}; do
		mockgpu info --json | grep -q '"vram_used_bytes": 0,' && return
		sleep 0.1
	done
	fail 'VRAM is not empty'
}

# top ARGUMENT...: what it prints goes to out; it says nothing else
top()
{
	mockgpu top "$@" >out 2>err || fail "mockgpu top $* ended with $?: $(cat err)"
	[ ! -s err ] || fail "mockgpu top $* says: $(cat err)"
}

# json PERL: each line of out is JSON, and PERL is true of them, @j; client(PID) finds the
# client of that process in the last, and is(HAVE, WANT, WHAT) compares.
json()
{
	perl -MJSON::PP -e '
		our @j = map { decode_json($_) } <STDIN>;
		sub client { my $pid = shift; my @c = grep { $_->{pid} == $pid } @{$j[-1]{clients}};
			@c == 1 or die scalar(@c), " clients of process $pid\n"; $c[0] }
		sub is { my ($have, $want, $what) = @_; $have eq $want or
			die "$what is $have, not $want\n" }
		sub near { my ($have, $want, $what) = @_; abs($have - $want) <= 5 or
			die "$what is $have, not about $want\n" }
		exit !do { '"$1"' }' <out || fail "otherwise: $(cat out)"
}

# shellcheck disable=SC2016 # the dollars are perl's, here and below
top_shows_what_each_client_has()
{
	local one other
	begin
	vram_is_empty
	start one 100 0
	one=$client
	start other 7 0
	other=$client
	top --json --once -d 0.2
	json 'my $c = client('"$one"'); is $c->{vram_resident_bytes}, 409600, "what it has";
		is $c->{vram_total_bytes}, 409600, "all"; is $c->{processes}, 1, "processes";
		is "$c->{command} $c->{uid} $c->{device}", "client 0 0", "who";
		is $c->{busy_ns}, 0, "time"; is client('"$other"')->{vram_resident_bytes}, 28672,
			"what the other has"; 1'
	json 'is scalar(@{$j[0]{clients}}), 2, "clients";
		is $j[0]{devices}[0]{counters}{vram_used_bytes}, 107 * 4096, "what is used"; 1'
	top --once -d 0.2
	expect 'the line' "$(grep "^ *$one " out)" \
		"^ *$one root +0 +400 KiB +0\.0%  client\$"
	expect 'the device' "$(grep '^device 0' out)" 'VRAM: 428 KiB of [0-9]+ [MG]iB in use'
}

# shellcheck disable=SC2016
top_shows_how_busy_each_client_is()
{
	local idle one
	begin
	start idle 1 0
	idle=$client
	start one 1 1
	one=$client
	start three 1 3
	top --json --once -d 2
	json 'near client('"$client"')->{busy_percent}, 300, "three queues";
		near client('"$one"')->{busy_percent}, 100, "one";
		is client('"$idle"')->{busy_percent}, 0, "none";
		is join(" ", map { $_->{pid} } @{$j[0]{clients}}), "'"$client $one $idle"'", "order"; 1'
}

# shellcheck disable=SC2016
top_counts_a_client_of_several_processes_once()
{
	begin
	start shared 5 1 4
	top --json --once -d 2
	json 'is scalar(@{$j[0]{clients}}), 1, "clients"; my $c = client('"$client"');
		is $c->{processes}, 4, "processes"; is $c->{vram_resident_bytes}, 20480, "bytes";
		near $c->{busy_percent}, 100, "time"; 1'
	top --once -d 0.2
	expect 'the line' "$(grep "^ *$client " out)" '  client \(4 processes\)$'
}

# Rates and time make exactly what the counters rose by.
# shellcheck disable=SC2016
top_says_how_often_things_happen()
{
	begin
	start loop 0 0
	top --json -n 5 -d 0.3
	json 'my ($to, $home) = (0, 0);
		is scalar(@j), 5, "looks";
		for my $i (1 .. 4) {
			my ($now, $then) = map { $j[$_]{devices}[0] } $i, $i - 1;
			my $s = ($now->{time_ns} - $then->{time_ns}) / 1e9;
			for (keys %{$now->{per_second}}) {
				my $rose = $now->{counters}{$_} - $then->{counters}{$_};
				my $off = abs($now->{per_second}{$_} * $s - $rose);
				$off <= 0.001 * $s + 1e-9 * $rose or
					die "$_ rose by $rose in $s s, $now->{per_second}{$_} a second\n";
			}
			$to += $now->{per_second}{pages_to_vram};
			$home += $now->{per_second}{pages_cpu_fault} +
				$now->{per_second}{pages_to_system};
		}
		$to > 0 && $home > 0 or die "nothing happened\n"; 1'
}

# What is in fdinfo is for whoever may trace the process: by default, the same user.
# shellcheck disable=SC2016
top_shows_a_user_no_client_of_another()
{
	local nobody=(setpriv --reuid nobody --regid nogroup --clear-groups)
	local node render theirs
	begin
	node=$(find /dev/dri -name 'renderD*' | head -n 1)
	render=$(stat -c %g "$node")
	[ "$render" = 0 ] || nobody=(setpriv --reuid nobody --regid nogroup --groups "$render")
	"${nobody[@]}" mockgpu info >/dev/null || chmod o+rw "$node"
	start roots 9 1
	"${nobody[@]}" ./client 3 0 >ready.theirs &
	theirs=$!
	echo $theirs >>clients
	until [ -s ready.theirs ]; do
		kill -0 $theirs || fail 'their client has ended'
		sleep 0.1
	done
	"${nobody[@]}" mockgpu top --json --once -d 0.2 >out 2>err || fail "it failed: $(cat err)"
	[ ! -s err ] || fail "it says: $(cat err)"
	json 'is scalar(@{$j[0]{clients}}), 1, "clients of the user";
		is client('"$theirs"')->{uid}, '"$(id -u nobody)"', "user"; 1'
	# setpriv becomes the client: the number is the same
	top --json --once -d 0.2
	json 'is scalar(@{$j[0]{clients}}), 2, "clients for root";
		is client('"$client"')->{uid}, 0, "user"; 1'
	top --once -d 0.2
	expect 'the line' "$(grep "^ *$theirs " out)" "^ *$theirs nobody "
}

# Clients come and go, and so does the device.
# shellcheck disable=SC2016
top_goes_on_without_a_word()
{
	local top turn
	begin
	mockgpu top --json -n 150 -d 0.1 >out 2>err &
	top=$!
	for turn in {1..10}; do
		mockgpu map --size 64K --to-vram all >/dev/null || fail 'mockgpu map failed'
	done
	# It may have the device open just now.
	for turn in {1..100}; do
		! rmmod mockgpu 2>/dev/null || break
		sleep 0.05
	done
	! grep -q '^mockgpu ' /proc/modules || fail 'the module stays'
	turn=$(wc -l <out)
	until [ "$(wc -l <out)" -gt $((turn + 1)) ]; do
		kill -0 $top || fail "it ended: $(cat err)"
		sleep 0.05
	done
	/run/mockgpu/load || { echo 3 >/proc/sys/vm/drop_caches && /run/mockgpu/load; } ||
		fail 'the module does not come back'
	wait $top || fail "it ended with $?: $(cat err)"
	[ ! -s err ] || fail "it says: $(cat err)"
	json 'is scalar(@j), 150, "looks"; my $n = join "", map { scalar(@{$_->{devices}}) } @j;
		$n =~ /^1+0+1+$/ or die "devices: $n\n";
		my ($back) = $n =~ /^(1+0+)1/; my $d = $j[length $back]{devices}[0];
		!defined $d->{per_second}{cpu_faults} or die "a rate of a device that is new\n"; 1'
}

top_prints_lines_where_there_is_no_terminal()
{
	begin
	start some 2 0
	top -n 2 -d 0.1
	[ "$(grep -c '^mockgpu top ' out)" = 2 ] || fail 'not twice'
	! grep -q $'\033' out || fail 'it speaks to a terminal'
	# without a number, which would have it print lines anywhere
	TERM=xterm timeout -s TERM 2 mockgpu top -d 0.1 >out </dev/null || true
	[ "$(grep -c '^mockgpu top ' out)" -ge 2 ] || fail 'not again and again'
	! grep -q $'\033' out || fail 'it speaks to a terminal that is none'
}

# on_terminal ROWS COLUMNS: top on a terminal of that size, and what it shows in screen; its
# settings before and after it are in before and after.  Its process is $pid; script is $!.
on_terminal()
{
	local tenths=0
	rm -f pid screen before after tty
	# What is started so, and its children, would not hear these two.
	env --default-signal=INT,QUIT script -qfec "stty rows $1 cols $2; stty -a >before; tty >tty
		sh -c 'echo \$\$ >pid; exec mockgpu top -d 0.1'; echo \$? >status; stty -a >after" \
		screen </dev/null >/dev/null 2>&1 &
	until grep -q 'COMMAND' screen 2>/dev/null; do
		kill -0 $! || fail 'it has ended'
		((++tenths < 100)) || fail "nothing is shown: $(cat screen)"
		sleep 0.1
	done
	pid=$(cat pid)
}

# The other screen was entered once, and left at the end; the settings are what they were.
check_restored()
{
	local enter=$'\033[?1049h' leave=$'\033[?1049l'
	[ "$(grep -o -F "$enter" screen | wc -l)" = "$1" ] || fail 'the screen was entered otherwise'
	[ "$(grep -o -F "$leave" screen | wc -l)" = "$1" ] || fail 'the screen was left otherwise'
	[ "$(tail -c 300 screen | grep -c -F $'\033[?25h')" -ge 1 ] || fail 'no cursor'
	cmp before after || fail "the terminal is not what it was: $(diff before after)"
}

top_gives_the_terminal_back()
{
	local signal number start script
	begin
	for signal in INT:130 TERM:143 QUIT:131 HUP:129; do
		number=${signal#*:} signal=${signal%:*}
		TERM=xterm on_terminal 24 80
		script=$!
		start=${EPOCHREALTIME/./}
		kill -"$signal" "$pid"
		wait $script
		start=$(((${EPOCHREALTIME/./} - start) / 1000))
		echo "$signal: $start ms"
		((start < 1000 * ${MOCKGPU_SLOW:-1})) || fail "SIG$signal: $start ms"
		[ "$(cat status)" = "$number" ] || fail "SIG$signal: status $(cat status)"
		check_restored 1
	done
}

# q is typed before it is asked for, as nothing else is: a terminal keeps it.
top_ends_by_a_key()
{
	local status=0
	begin
	rm -f screen before after
	echo q | TERM=xterm timeout 20 script -qfec "stty -a >before
		mockgpu top -d 3600; echo \$? >status; stty -a >after" screen >/dev/null 2>&1 || status=$?
	[ $status = 0 ] || fail "no end: $status"
	[ "$(cat status)" = 0 ] || fail "status $(cat status)"
	check_restored 1
}

# What is drawn after the last time that the cursor went home, without what moves it.
last_picture()
{
	perl -0777 -ne '$_ = (split /\033\[H/)[-1]; s/\r|\033\[[0-9;?]*[A-Za-z]//g; print' screen
}

# picture_is LINES COLUMNS PATTERN: within a moment, so many lines are drawn, none of which is
# longer, and one is like that
picture_is()
{
	for _ in {1..100}; do
		! last_picture | perl -e '
			my ($lines, $columns, $pattern) = @ARGV;
			my @have = split /\n/, join "", <STDIN>;
			exit !(@have == $lines && !(grep { length > $columns } @have) &&
				grep { /$pattern/ } @have)' "$@" || return 0
		sleep 0.1
	done
	fail "this is not $*: $(last_picture)"
}

# A line about top, three about the device, one above the clients, and these.
top_fits_the_terminal()
{
	local script turn
	begin
	for turn in {1..8}; do
		start "$turn" 1 0
	done
	TERM=xterm on_terminal 24 80
	script=$!
	picture_is 13 80 "^ *$client root .* client\$"
	stty -F "$(cat tty)" rows 6 cols 33
	picture_is 6 33 '^    PID USER       DEV          V$'
	stty -F "$(cat tty)" rows 50 cols 200
	picture_is 13 200 '(RAM behind it|blocks in use) [0-9]+ [KMG]iB$'
	kill -TERM "$pid"
	wait $script
}

# While it is stopped the terminal is the shell's, and then it is shown again.
top_can_be_stopped()
{
	local script tenths=0
	begin
	TERM=xterm on_terminal 24 80
	script=$!
	kill -TSTP "$pid"
	until grep -q '^State:.T' "/proc/$pid/status"; do
		((++tenths < 50)) || fail 'it goes on'
		sleep 0.1
	done
	stty -F "$(cat tty)" -a >stopped
	cmp before stopped || fail 'the terminal is not as it was'
	kill -CONT "$pid"
	until [ "$(grep -o -F $'\033[?1049h' screen | wc -l)" = 2 ]; do
		((++tenths < 100)) || fail 'it does not come back'
		sleep 0.1
	done
	kill -INT "$pid"
	wait $script
	check_restored 2
}

# gputop lists every client of any driver that has used an engine, and knows nothing of ours.
# It takes the time between two looks for what it was told, so a share may be larger than it is.
# shellcheck disable=SC2016
gputop_shows_our_clients()
{
	local two
	command -v gputop >/dev/null || skip 'there is no gputop here'
	begin
	start idle 3 0
	start two 512 2
	two=$client
	start sixteen 1024 16
	TERM=xterm timeout 60 script -qec 'stty rows 40 cols 120; gputop -n 3 -d 2' screen \
		</dev/null >/dev/null || fail "gputop ended with $?: $(cat screen)"
	last_picture | perl -e '
		my ($two, $sixteen) = @ARGV;
		my @lines = <STDIN>;
		sub line { my $pid = shift; my @l = grep { /^ *$pid / } @lines;
			@l == 1 or die scalar(@l), " lines of process $pid\n"; $l[0] }
		grep { /PID .* compute .* NAME/ } @lines or die "no engine\n";
		line($two) =~ / 2M +2M +\| *([0-9.]+)%.*\| client/ && $1 >= 11 && $1 <= 20 or
			die "two of sixteen queues: ", line($two);
		line($sixteen) =~ / 4M +4M +\| *([0-9.]+)%.*\| client/ && $1 >= 90 or
			die "sixteen queues: ", line($sixteen);' "$two" "$client" ||
		fail "it shows otherwise: $(last_picture)"
}

run_tests \
	top_shows_what_each_client_has \
	top_shows_how_busy_each_client_is \
	top_counts_a_client_of_several_processes_once \
	top_says_how_often_things_happen \
	top_shows_a_user_no_client_of_another \
	top_goes_on_without_a_word \
	top_prints_lines_where_there_is_no_terminal \
	top_gives_the_terminal_back \
	top_ends_by_a_key \
	top_fits_the_terminal \
	top_can_be_stopped \
	gputop_shows_our_clients
