#!/bin/bash
# SPDX-License-Identifier: MIT
#
# mockgpu trace against the real device: what a program of known doings leaves in a trace,
# which perl's JSON parser reads.

# shellcheck source=tests/tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"

work=$(mktemp -d)
cd "$work" || exit 1

# Whatever a test did, the next program finds the module as modprobe loads it.
reload()
{
	rmmod mockgpu 2>/dev/null
	modprobe mockgpu "$@"
}
trap 'reload; rm -rf "$work"' EXIT

# A program that says what it did: 16 pages go to VRAM, a queue fills the first, a thread
# touches the second, and a grandchild, when it is an orphan, the third.
cat >doings.c <<'END'
#include <assert.h>
#include <mockgpu.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES 16

static volatile char *mem;

static void *touch(void *unused)
{
	prctl(PR_SET_NAME, "to\"ucher");
	printf("thread %d\n", gettid());
	mem[4096] = 1;
	return unused;
}

static void grandchild(void)
{
	int ends[2];
	char end;

	assert(!pipe(ends));
	if (!fork()) {
		pid_t child = getpid();

		if (fork())
			_exit(0);
		while (getppid() == child)
			usleep(1000);
		mem[2 * 4096] = 1;
		printf("grandchild %d\n", getpid());
		fflush(stdout);
		_exit(0);
	}
	close(ends[1]);
	wait(NULL);
	assert(!read(ends[0], &end, 1));	/* both are gone */
}

int main(void)
{
	struct mockgpu_point point = {
		.name = "migrate-start", .action = MOCKGPU_POINT_DELAY, .time_ns = 1000000,
	};
	struct drm_mockgpu_cmd fill = { .op = MOCKGPU_CMD_FILL, .len = 4096, .size = 1 };
	struct mockgpu_device *dev;
	pthread_t thread;
	uint32_t queue;
	uint64_t id;

	setlinebuf(stdout);
	mem = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert(mem != MAP_FAILED && !mockgpu_open(&dev, 0));
	madvise((void *)mem, PAGES * 4096, MADV_NOHUGEPAGE);
	memset((void *)mem, 'd', PAGES * 4096);
	printf("mem 0x%lx\nprocess %d\n", (long)mem, getpid());
	if (!geteuid())
		assert(!mockgpu_point_arm(dev, &point, &id));
	assert(!mockgpu_to_vram(dev, (void *)mem, PAGES * 4096));
	fill.addr = (uintptr_t)mem;
	assert(!mockgpu_queue_create(dev, &queue) && !mockgpu_run(dev, queue, &fill, 1, NULL));
	assert(!pthread_create(&thread, NULL, touch, NULL) && !pthread_join(thread, NULL));
	grandchild();
	mockgpu_close(dev);
	return 42;
}
END
# shellcheck disable=SC2046 # several words are meant
gcc -D_GNU_SOURCE -Wall -o doings doings.c $(pkg-config --cflags --libs libmockgpu) -lpthread || exit 1

# Many CPU faults, one straight after the other.
cat >faults.c <<'END'
#include <mockgpu.h>
#include <sys/mman.h>

int main(void)
{
	struct mockgpu_device *dev;
	size_t i, len = 512 * 4096;
	volatile char *mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	madvise((void *)mem, len, MADV_NOHUGEPAGE);
	if (mockgpu_open(&dev, 0) || mockgpu_to_vram(dev, (void *)mem, len))
		return 1;
	for (i = 0; i < len; i += 4096)
		mem[i] = 1;
	return 0;
}
END
# shellcheck disable=SC2046
gcc -Wall -o faults faults.c $(pkg-config --cflags --libs libmockgpu) || exit 1

# 4096 commands as often as told, as fast as a queue is.
cat >commands.c <<'END'
#include <mockgpu.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	static struct drm_mockgpu_cmd nops[4096];
	struct mockgpu_device *dev;
	uint32_t queue;
	int i;

	if (mockgpu_open(&dev, 0) || mockgpu_queue_create(dev, &queue))
		return 1;
	for (i = 0; argc > 1 && i < atoi(argv[1]); i++) {
		if (mockgpu_run(dev, queue, nops, 4096, NULL))
			return 1;
	}
	return 0;
}
END
# shellcheck disable=SC2046
gcc -Wall -o commands commands.c $(pkg-config --cflags --libs libmockgpu) || exit 1

# trace STATUS ARGUMENT...: mockgpu trace, which must end with that; its words are in err
trace()
{
	local want=$1 status=0
	shift
	mockgpu trace "$@" >out 2>err || status=$?
	cat err out
	[ "$status" = "$want" ] || fail "mockgpu trace $* ended with $status, not $want"
}

# said WORD: what the program said of it
said() { sed -n "s/^$1 //p" out; }

# json PERL: the trace is JSON, and PERL is true of it.  It finds the events as @e, those of
# a name by named("kind cause"), the name of a thread by thread(tid); and %said.
json()
{
	perl -MJSON::PP -e '
		local $/;
		open my $f, "<", "trace.json" or die;
		our $j = decode_json(<$f>);
		our @e = @{$j->{traceEvents}};
		open $f, "<", "out" or die;
		our %said = <$f> =~ /^(\w+) (\w+)$/mg;
		sub named { my $name = shift; grep { $_->{name} eq $name } @e }
		sub thread {
			my $tid = shift;
			my @m = grep { $_->{tid} == $tid } named("thread_name");
			@m ? $m[-1]{args}{name} : "nobody"
		}
		sub at { sprintf "0x%x", hex($said{mem}) + 4096 * shift }
		sub is { my ($have, $want) = @_; $have eq $want or die "$have is not $want\n" }
		exit !do { '"$1"' }' || fail 'the trace has it otherwise'
}

# shellcheck disable=SC2016 # the dollars are perl's, here and below
trace_has_a_track_for_each_thread_and_queue()
{
	trace 42 -o trace.json ./doings
	json 'my ($c) = named("command fill"); is $c->{pid}, $said{process};
		is thread($c->{tid}), "queue 1"; is $c->{args}{address}, at(0);
		my ($f) = named("fence"); is $f->{tid}, $c->{tid}; $c->{dur} > 0'
	json 'is thread($said{thread}), "to\"ucher"; is thread($said{process}), "doings"'
	json 'my ($p) = grep { $_->{pid} == $said{process} } named("process_name");
		is $p->{args}{name}, "doings"'
}

# shellcheck disable=SC2016
trace_has_faults_at_the_right_addresses()
{
	needs private
	trace 42 -o trace.json ./doings
	json 'my ($v) = named("to-vram migrate"); is $v->{args}{address}, at(0);
		my $n = 0; $n += $_->{args}{bytes} for named("to-vram migrate");
		is $n, 16 * 4096; is "$v->{ph} $v->{pid}", "X $said{process}"'
	json 'my ($g) = named("gpu-fault write"); is $g->{args}{address}, at(0);
		my ($c) = named("command fill"); is $g->{tid}, $c->{tid};
		$g->{ts} >= $c->{ts} && $g->{ts} + $g->{dur} <= $c->{ts} + $c->{dur}'
	json 'my ($t) = grep { $_->{tid} == $said{thread} } named("cpu-fault moved");
		is "$t->{ph} $t->{pid} $t->{args}{address} $t->{args}{pages}",
			"X $said{process} " . at(1) . " 1"'
}

# An orphan stays a descendant: the tracer becomes its parent.
# shellcheck disable=SC2016
trace_sees_a_grandchild()
{
	needs private
	trace 42 -o trace.json ./doings
	json 'my ($t) = grep { $_->{pid} == $said{grandchild} } named("cpu-fault moved");
		is "$t->{args}{address} $t->{args}{owner}", at(2) . " $said{grandchild}"'
}

# shellcheck disable=SC2016
trace_names_points_and_shows_frames_to_root()
{
	trace 42 -o trace.json ./doings
	json 'my @p = named("point migrate-start"); $p[0]{args}{arm} > 0 &&
		$p[0]{dur} >= 1000'
	json 'my ($v) = named("to-vram migrate"); hex($v->{args}{pfn}) > 0'
}

# shellcheck disable=SC2016
trace_takes_no_root_but_shows_no_frames()
{
	needs private
	local nobody=(setpriv --reuid nobody --regid nogroup --clear-groups)
	local node render
	node=$(find /dev/dri -name 'renderD*' | head -n 1)
	render=$(stat -c %g "$node")
	[ "$render" = 0 ] || nobody=(setpriv --reuid nobody --regid nogroup --groups "$render")
	chmod o+rx . doings
	if ! "${nobody[@]}" mockgpu info >/dev/null; then
		chmod o+rw "$node"
	fi
	"${nobody[@]}" mockgpu trace -o - ./doings >trace.json 2>out || [ $? = 42 ] ||
		fail 'it failed'
	cat out
	json 'is scalar(named("cpu-fault moved")), 2; !grep { exists $_->{args}{pfn} } @e'
	"${nobody[@]}" mockgpu trace --all -o /dev/null true 2>err && fail '--all went on'
	expect '--all' "$(cat err)" 'takes root'
}

# Nothing is lost without being told: every number is there, or among the lost ones.
# shellcheck disable=SC2016
trace_warns_of_lost_events()
{
	needs private
	trace 0 -o trace.json --buffer 1 ./faults
	expect 'the warning' "$(cat err)" 'mockgpu: [0-9]+ events were lost'
	json 'my @n = grep { $_->{ph} =~ /[Xi]/ } @e; my $next = 1;
		for (@n) { is $_->{args}{seqno}, $next;
			$next += $_->{name} eq "lost" ? $_->{args}{events} : 1 }
		$next > 512'
	trace 0 -o trace.json ./faults
	grep lost err && fail 'events are lost in a large buffer'
	json 'is scalar(named("cpu-fault moved")), 512'
}

# What the log holds when the program ends counts, and what it lost until then.
trace_accounts_for_every_event()
{
	local entries written lost
	for entries in 4K 64K; do
		trace 0 --summary -o trace.json --kinds command --buffer $entries ./commands 50
		written=$(sed -n 's/^mockgpu: \([0-9]*\) events in .*/\1/p' err)
		lost=$(sed -n 's/^mockgpu: \([0-9]*\) events were lost.*/\1/p' err)
		[ $((written + ${lost:-0})) = 204800 ] ||
			fail "$written events written and ${lost:-0} lost make no 204800"
	done
}

# Events that come faster than they can be written, from a process that goes on: who reads
# the trace takes so little at a time that the log is never empty.
trace_ends_with_the_program_though_others_go_on()
{
	local flood status
	timeout -s KILL 40 mockgpu trace -o - --kinds command --buffer 4K \
		sh -c './commands 1000000 & echo "flood $!"; sleep 1' 2>err |
		perl -e 'select undef, undef, undef, 0.05 while sysread STDIN, $_, 65536'
	status=${PIPESTATUS[0]}
	[ "$status" = 0 ] || fail "it ended with $status"
	flood=$(sed -n 's/^flood //p' err)
	kill -KILL "$flood" || fail 'it does not go on'
	while grep -q 'State:.[^Z]' "/proc/$flood/status" 2>/dev/null; do
		sleep 0.1
	done
	expect 'what it says' "$(cat err)" 'left running was traced up to here'
	expect 'what it says' "$(cat err)" 'mockgpu: [0-9]{4,} events in standard output'
	expect 'what it says' "$(cat err)" 'events were lost'
}

# field KEY: a number of `mockgpu info --json`
field() { sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p" "$2"; }

# Rows of the summary, a column of each (2: events, 3: pages), and the counter that counts
# the same, which was noted in before.
compare_sums()
{
	local row column key rose summed
	mockgpu info --json >after
	while read -r row column key; do
		rose=$(($(field "$key" after) - $(field "$key" before)))
		summed=$(awk -v row="^$row " -v column="$column" '$0 ~ row { print $column }' err)
		echo "$key rose by $rose, $row says ${summed:-nothing}"
		[ "${summed:-0}" = "$rose" ] || fail "$key is not $row"
		[ "$rose" != 0 ] || fail "$key did not rise"
	done
}

trace_summary_equals_the_counters()
{
	needs private
	mockgpu info --json >before
	trace 0 --summary ./faults
	compare_sums <<-END
		to-vram 3 pages_to_vram
		cpu-fault 2 cpu_faults
		cpu-fault 3 pages_cpu_fault
		to-system 3 pages_cpu_fault
	END
	mockgpu info --json >before
	trace 0 --summary mockgpu map --size 64K --cpu-write all --to-vram all \
		--gpu-write all --evict 0+16K --to-system all
	compare_sums <<-END
		evict 3 pages_evicted
		to-system 3 pages_to_system
		invalidate 2 invalidations
		invalidate 3 invalidated_pages
	END
	[ ! -e mockgpu-trace.json ] || fail 'it wrote a file'
}

# shellcheck disable=SC2016
trace_has_all_devices()
{
	reload devices=2
	trace 42 -o trace.json sh -c './doings; status=$?; mockgpu map -d 1 >&2; exit $status'
	json 'my %d; $d{$_->{cat}}++ for named("to-vram migrate");
		is join(" ", sort keys %d), "device0 device1"'
	# Once for each attempt at the pages, and none of them where nothing was armed.
	json 'my %d; $d{$_->{cat}}++ for named("point migrate-start");
		is join(" ", keys %d), "device0"'
	trace 42 -d 1 -o trace.json sh -c './doings; status=$?; mockgpu map -d 1 >&2; exit $status'
	json 'my %d; $d{$_->{cat}}++ for grep { $_->{ph} ne "M" } @e;
		is join(" ", sort keys %d), "device1"'
	reload
}

# shellcheck disable=SC2016
trace_goes_on_when_the_device_goes()
{
	needs private
	trace 3 -o trace.json sh -c './doings
		echo mockgpu0 >/sys/bus/platform/drivers/mockgpu/unbind; exit 3'
	json 'is scalar(named("cpu-fault moved")), 2'
	reload
}

run_tests \
	trace_has_a_track_for_each_thread_and_queue \
	trace_has_faults_at_the_right_addresses \
	trace_sees_a_grandchild \
	trace_names_points_and_shows_frames_to_root \
	trace_takes_no_root_but_shows_no_frames \
	trace_warns_of_lost_events \
	trace_accounts_for_every_event \
	trace_ends_with_the_program_though_others_go_on \
	trace_summary_equals_the_counters \
	trace_has_all_devices \
	trace_goes_on_when_the_device_goes
