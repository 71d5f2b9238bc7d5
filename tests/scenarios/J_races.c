// SPDX-License-Identifier: MIT
/*
 * What meets pages half-way from one device's VRAM to another's, and two who pull at them: row J4.
 *
 * A process that is held on its way has its mmap_lock, so the director is another.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "huge.h"
#include "pair.h"
#include "points.h"
#include "process.h"

#define PAGES	8
#define VRAM	MOCKGPU_TARGET_VRAM
#define MOVED	MOCKGPU_PAGE_MOVED
#define AWHILE	(50 * slowness())	/* ms in which what does not wait would have happened */
#define BOUND	BOUND_NS

static struct {
	char *p;
	uint16_t tag;
	struct actor *mover, *other;
	struct drm_mockgpu_counters before[2];
} t;

static const char *const steps[] = { "migrate-collected", "migrate-copied", "migrate-moved" };

static void set_up(size_t pages)
{
	t.p = map_hole(pages);
	t.tag = new_tag();
	t.mover = actor_new();
	t.other = actor_new();
}

/* The actor's files, and its pages on device 0. */
static void begin_on_0(void)
{
	pair_open();
	fill(t.p, PAGES, t.tag, 0);
	TO_VRAM(pair[0], t.p, PAGES);
}

static void check_all(void)
{
	CHECK_FILL(t.p, PAGES, t.tag, 0);
}

/*
 * Starts the mover; it is held at this step of its way to device 1 when this returns, by way of
 * the file @dev.
 */
static struct arm hold_mover(struct mockgpu_device *dev, void (*mover)(struct actor *self),
			     const char *step)
{
	struct arm arm;

	actor_start(t.mover, mover);
	for (unsigned int i = 0; i < 2; i++)
		t.before[i] = gpu_counters(pair[i]);
	arm = HOLD(dev, step, .pid = t.mover->pid, .count = 1, .time_ns = 60 * NS_PER_S);
	actor_go(t.mover);
	AWAIT_HELD(arm);
	return arm;
}

/* A second thread of the mover's process does something, when it is told to. */
static void *(*meanwhile)(void *);

static void move_and_look(struct actor *self)
{
	pthread_t thread;

	begin_on_0();
	cue(self);
	thread = thread_start(meanwhile, NULL);
	TO_VRAM(pair[1], t.p, PAGES);
	thread_join(thread);
}

/* What the second thread does has to wait at each step, and is right afterwards. */
static void has_to_wait(void *(*fn)(void *))
{
	meanwhile = fn;
	for (unsigned int i = 0; i < ARRAY_SIZE(steps); i++) {
		struct arm arm;

		set_up(PAGES);
		arm = hold_mover(pair[1], move_and_look, steps[i]);
		actor_go(t.other);
		CHECK(!actor_done(t.other, AWHILE));
		arm_release(arm);
		CHECK(actor_done(t.other, 5000));
		actor_join(t.mover);
		PAIR_USES(0, 0);
	}
}

static void *pull_back(void *unused)
{
	gate_wait(t.other->go);
	TO_VRAM(pair[0], t.p, PAGES);
	gate_open(t.other->done, 1);
	CHECK_ON(t.p, PAGES, 0);
	check_all();
	return NULL;
}

static void J4_pulled_back_half_way(void)
{
	const struct drm_mockgpu_counters *before = t.before;
	struct drm_mockgpu_counters now[2];

	pair_load(16);
	has_to_wait(pull_back);
	for (unsigned int i = 0; i < 2; i++)
		now[i] = gpu_counters(pair[i]);
	CHECK_EQ(now[0].pages_to_peer - before[0].pages_to_peer, PAGES);
	CHECK_EQ(now[1].pages_from_peer - before[1].pages_from_peer, PAGES);
	/* See contest_judge(). */
	CHECK_EQ(now[1].pages_to_peer - before[1].pages_to_peer +
		 now[1].pages_cpu_fault - before[1].pages_cpu_fault, PAGES);
}

static void *touch(void *unused)
{
	gate_wait(t.other->go);
	check_all();
	gate_open(t.other->done, 1);
	CHECK_PLACE(pair[1], t.p, PAGES, TOUCHED(pair[1]));
	return NULL;
}

/* The CPU's fault finds them where they went, and has them come home from there. */
static void J4_touched_half_way(void)
{
	pair_load(16);
	has_to_wait(touch);
}

static void *unmap_some(void *unused)
{
	gate_wait(t.other->go);
	CHECK_SYS(munmap(AT(t.p, 2), 2 * PAGE));
	gate_open(t.other->done, 1);
	CHECK(!can_read(AT(t.p, 2)) && !can_read(AT(t.p, 3)));
	PAIR_USES(0, PAGES - 2);
	CHECK_ON(t.p, 2, 1);
	CHECK_ON(AT(t.p, 4), PAGES - 4, 1);
	CHECK_FILL(t.p, 2, t.tag, 0);
	CHECK_FILL(AT(t.p, 4), PAGES - 4, t.tag, 4);
	return NULL;
}

static void J4_unmapped_half_way(void)
{
	pair_load(16);
	has_to_wait(unmap_some);
}

static void move(struct actor *self)
{
	begin_on_0();
	cue(self);
	TO_VRAM(pair[1], t.p, PAGES);
}

/* Their owner is killed: nothing is left of them on either device. */
static void J4_killed_half_way(void)
{
	uint64_t start;
	struct arm arm;

	pair_load(16);
	for (unsigned int i = 0; i < ARRAY_SIZE(steps); i++) {
		set_up(PAGES);
		arm = hold_mover(pair[1], move, steps[i]);
		start = now_ns();
		CHECK_SYS(kill(t.mover->pid, SIGKILL));
		join_killed(t.mover->pid, SIGKILL);
		CHECK_LE(now_ns() - start, BOUND);
		arm_release(arm);
		PAIR_USES(0, 0);
	}
}

static void move_and_check(struct actor *self)
{
	move(self);
	gate_open(t.other->done, 1);
	gate_wait(t.other->go);
	check_all();
}

/* An eviction of either device passes them over on their way; afterwards they are on one alone. */
static void J4_evicted_half_way(void)
{
	struct mockgpu_evicted result;
	struct arm arm;

	pair_load(16);
	for (unsigned int i = 0; i < ARRAY_SIZE(steps); i++) {
		set_up(PAGES);
		arm = hold_mover(pair[1], move_and_check, steps[i]);
		CHECK_EQ(mockgpu_evict_all(pair[0], &result), 0);
		CHECK_EQ(result.evicted, 0);
		CHECK_EQ(result.busy, PAGES);
		CHECK_EQ(mockgpu_evict_all(pair[1], &result), 0);
		CHECK_EQ(result.evicted, 0);
		arm_release(arm);
		CHECK(actor_done(t.other, 5000));
		PAIR_USES(0, PAGES);
		for (unsigned int d = 0; d < 2; d++) {
			CHECK_EQ(mockgpu_evict_all(pair[d], &result), 0);
			CHECK_EQ(result.evicted, d ? PAGES : 0);
			CHECK_EQ(result.busy, 0);
		}
		actor_go(t.other);
		actor_join(t.mover);
		CHECK_COUNTED(pair[0], &t.before[0], .pages_to_peer = PAGES,
			      .vram_used_bytes = -PAGES * PAGE);
		CHECK_COUNTED(pair[1], &t.before[1], .pages_to_vram = PAGES,
			      .pages_from_peer = PAGES, .pages_evicted = PAGES);
	}
}

#define DRIVER "/sys/bus/platform/drivers/mockgpu/"

static void *unbind(void *name)
{
	CHECK_EQ(write_text(DRIVER "unbind", name), 0);
	return NULL;
}

/* The device that they come from, or go to, leaves: it waits for them, and loses none. */
static void leaves_half_way(unsigned int which)
{
	static char *const names[] = { "mockgpu0", "mockgpu1" };
	pthread_t thread;
	struct arm arm;

	pair_load(16);
	set_up(PAGES);
	/* A device that leaves lets nobody go. */
	arm = hold_mover(pair[!which], move_and_check, "migrate-copied");
	thread = thread_start(unbind, names[which]);
	CHECK(!actor_done(t.other, AWHILE));
	arm_release(arm);
	thread_join(thread);
	CHECK(actor_done(t.other, 5000));
	actor_go(t.other);
	actor_join(t.mover);
}

static void J4_source_leaves_half_way(void)
{
	leaves_half_way(0);
}

static void J4_target_leaves_half_way(void)
{
	leaves_half_way(1);
}

/* Fills a hole of the range, so that it is refused when all others have moved. */
static void *fill_the_hole(void *unused)
{
	gate_wait(t.other->go);
	fill(AT(t.p, PAGES), 1, t.tag, PAGES);
	gate_open(t.other->done, 1);
	return NULL;
}

static void take_all(struct actor *self)
{
	pthread_t thread;

	begin_on_0();
	cue(self);
	thread = thread_start(fill_the_hole, NULL);
	CHECK_MIGRATE(pair[1], t.p, PAGES + 1, VRAM, MOCKGPU_MIGRATE_ALL_OR_NOTHING, 0, NULL);
	thread_join(thread);
	CHECK_ON(t.p, PAGES + 1, 1);
	CHECK_FILL(t.p, PAGES + 1, t.tag, 0);
}

/* All or nothing, refused at the end: they are taken back to system memory, and go again. */
static void J4_all_or_nothing_is_taken_back(void)
{
	struct arm arm;

	pair_load(16);
	set_up(PAGES + 1);
	arm = hold_mover(pair[1], take_all, "migrate-copied");
	actor_go(t.other);
	CHECK(actor_done(t.other, 5000));
	arm_release(arm);
	actor_join(t.mover);
	PAIR_USES(0, 0);
	CHECK_EQ(gpu_counters(pair[0]).pages_to_peer - t.before[0].pages_to_peer, PAGES);
	CHECK_EQ(gpu_counters(pair[1]).pages_from_peer - t.before[1].pages_from_peer, PAGES);
	CHECK_EQ(gpu_counters(pair[1]).pages_to_system - t.before[1].pages_to_system, PAGES);
	CHECK_EQ(gpu_counters(pair[1]).pages_to_vram - t.before[1].pages_to_vram, 2 * PAGES + 1);
}

/* Two who pull at one range, each to its device; threads or processes. */
static struct contest {
	char *p;
	size_t pages;
	int start[2], done;
	unsigned int rounds;
	struct {
		uint64_t moved, stayed;
	} *sum;		/* of each; shared */
} contest;

static void pull(unsigned int to)
{
	struct mockgpu_migrated result;
	uint64_t begun, moved;

	for (unsigned int i = 0; i < contest.rounds; i++) {
		gate_wait(contest.start[to]);
		begun = now_ns();
		CHECK_EQ(mockgpu_migrate(pair[to], contest.p, contest.pages * PAGE, VRAM, 0,
					 &result, NULL), 0);
		CHECK_LE(now_ns() - begun, BOUND);
		moved = result.count[MOVED];
		CHECK_EQ(moved + result.count[MOCKGPU_PAGE_ALREADY] +
			 result.count[MOCKGPU_PAGE_BUSY], contest.pages);
		contest.sum[to].moved += moved;
		contest.sum[to].stayed += contest.pages - moved;
		gate_open(contest.done, 1);
	}
}

static void *pull_here(void *unused)
{
	pull(0);
	return NULL;
}

static void *pull_there(void *unused)
{
	pull(1);
	return NULL;
}

static void pull_there_in_a_child(void *unused)
{
	pair_open();
	pull(1);
}

static void contest_begin(void *p, size_t pages, unsigned int rounds)
{
	contest = (struct contest){
		.p = p, .pages = pages, .rounds = rounds, .done = gate_new(),
		.start = { gate_new(), gate_new() }, .sum = map_shared(1),
	};
}

/* Both are let go at once, time and again; nothing of the pages is ever wrong, or twice there. */
static void contest_judge(uint16_t tag)
{
	struct drm_mockgpu_counters before[2], now[2];
	uint64_t home = 0, moved = 0, from_peer = 0;
	size_t here = 0;

	for (unsigned int d = 0; d < 2; d++)
		before[d] = gpu_counters(pair[d]);
	for (unsigned int i = 0; i < contest.rounds; i++) {
		gate_open(contest.start[i % 2], 1);
		gate_open(contest.start[!(i % 2)], 1);
		gate_wait(contest.done);
		gate_wait(contest.done);
		here += CHECK_SHARED_OUT(contest.p, contest.pages);
		GPU_CHECK_FILL(pair[i % 2], contest.p, contest.pages, tag, 0);
	}
	for (unsigned int d = 0; d < 2; d++)
		now[d] = gpu_counters(pair[d]);
	for (unsigned int d = 0; d < 2; d++) {
		CHECK_EQ(now[d].pages_to_vram - before[d].pages_to_vram, contest.sum[d].moved);
		CHECK_EQ(now[d].pages_from_peer - before[d].pages_from_peer,
			 now[!d].pages_to_peer - before[!d].pages_to_peer);
		CHECK_EQ(now[d].pages_to_system - before[d].pages_to_system, 0);
		moved += contest.sum[d].moved;
		from_peer += now[d].pages_from_peer - before[d].pages_from_peer;
		home += now[d].pages_cpu_fault - before[d].pages_cpu_fault;
	}
	/*
	 * Who waits for a page that is on its way waits as a CPU would, and may be so late that
	 * it brings it home.
	 */
	CHECK_EQ(moved, from_peer + home);
	CHECK_GE(from_peer, 1);
	note("device 0 won %llu pages, device 1 %llu, %llu by way of system memory; at the end of "
	     "a round %zu of %zu were on 0", (unsigned long long)contest.sum[0].moved,
	     (unsigned long long)contest.sum[1].moved, (unsigned long long)home,
	     here / contest.rounds, contest.pages);
}

static void two_threads_pull(void *p, size_t pages, unsigned int rounds, uint16_t tag)
{
	pthread_t threads[2];

	contest_begin(p, pages, rounds);
	threads[0] = thread_start(pull_here, NULL);
	threads[1] = thread_start(pull_there, NULL);
	contest_judge(tag);
	for (unsigned int i = 0; i < 2; i++)
		thread_join(threads[i]);
	CHECK_FILL(p, pages, tag, 0);
}

static void pull_at_pages(void)
{
	uint16_t tag = new_tag();
	void *p = map_filled(64, tag);

	TO_VRAM(pair[0], p, 64);
	two_threads_pull(p, 64, 200, tag);
}

static void J4_two_pull(void)
{
	pair_load(16);
	pull_at_pages();
}

static void J4_two_types_pull(void)
{
	pair_load_mixed(16);
	pull_at_pages();
}

static void J4_two_pull_at_a_huge_folio(void)
{
	uint16_t tag = new_tag();

	pair_load(16);
	gpu_needs(pair[0], MOCKGPU_CAP_HUGE);
	two_threads_pull(huge_in_vram(pair[0], tag), N, 40, tag);
}

/* The pages are shared after fork(): parent and child pull at the same, from other addresses. */
static void J4_two_processes_pull(void)
{
	uint16_t tag = new_tag();
	pthread_t thread;
	pid_t pid;
	void *p;

	pair_load(16);
	p = map_filled(64, tag);
	TO_VRAM(pair[0], p, 64);
	contest_begin(p, 64, 100);
	pid = spawn(pull_there_in_a_child, NULL);
	thread = thread_start(pull_here, NULL);
	contest_judge(tag);
	thread_join(thread);
	join(pid);
	CHECK_FILL(p, 64, tag, 0);
}

/* Everybody at once: two devices, evictions of both, and a CPU that reads. */
static struct {
	char *p;
	uint16_t tag;
	int start[4], done;
} all;

enum { ALL_PAGES = 48, ALL_ROUNDS = 40 };

static void do_part(unsigned int part)
{
	const unsigned int dev = part % 2;

	switch (part) {
	case 0:
	case 1:
		CHECK_EQ(mockgpu_migrate(pair[dev], all.p, ALL_PAGES * PAGE, VRAM, 0, NULL, NULL),
			 0);
		break;
	case 2:
		CHECK_EQ(mockgpu_evict(pair[random_below(2)], all.p, ALL_PAGES * PAGE / 2, NULL),
			 0);
		break;
	default:
		CHECK_FILL(AT(all.p, ALL_PAGES / 4), ALL_PAGES / 2, all.tag, ALL_PAGES / 4);
	}
}

static void *take_part(void *arg)
{
	unsigned int part = (unsigned int)(uintptr_t)arg;

	for (unsigned int i = 0; i < ALL_ROUNDS; i++) {
		gate_wait(all.start[part]);
		do_part(part);
		gate_open(all.done, 1);
	}
	return NULL;
}

static void everybody_at_once(void)
{
	pthread_t threads[4];

	all.p = map_filled(ALL_PAGES, new_tag());
	all.done = gate_new();
	for (unsigned int i = 0; i < 4; i++) {
		all.start[i] = gate_new();
		threads[i] = thread_start(take_part, (void *)(uintptr_t)i);
	}
	for (unsigned int round = 0; round < ALL_ROUNDS; round++) {
		uint64_t begun;

		/* New contents, by whichever device, wherever the pages are: old ones would show. */
		all.tag = new_tag();
		gpu_fill(pair[round % 2], all.p, ALL_PAGES, all.tag, 0);
		begun = now_ns();
		for (unsigned int i = 0; i < 4; i++)
			gate_open(all.start[(round + i) % 4], 1);
		for (unsigned int i = 0; i < 4; i++)
			gate_wait(all.done);
		CHECK_LE(now_ns() - begun, 2 * BOUND);
		GPU_CHECK_FILL(pair[!(round % 2)], all.p, ALL_PAGES, all.tag, 0);
	}
	for (unsigned int i = 0; i < 4; i++)
		thread_join(threads[i]);
	CHECK_FILL(all.p, ALL_PAGES, all.tag, 0);
	CHECK_EQ(mockgpu_to_system(pair[0], all.p, ALL_PAGES * PAGE), 0);
	PAIR_USES(0, 0);
}

static void J4_everybody_at_once(void)
{
	pair_load(16);
	everybody_at_once();
}

static void J4_everybody_at_once_with_two_types(void)
{
	pair_load_mixed(16);
	everybody_at_once();
}

#define RELOADING(name) { #name, name, 120, RELOADS }

const struct scenario scenarios[] = {
	RELOADING(J4_pulled_back_half_way),
	RELOADING(J4_touched_half_way),
	RELOADING(J4_unmapped_half_way),
	RELOADING(J4_killed_half_way),
	RELOADING(J4_evicted_half_way),
	RELOADING(J4_source_leaves_half_way),
	RELOADING(J4_target_leaves_half_way),
	RELOADING(J4_all_or_nothing_is_taken_back),
	RELOADING(J4_two_pull),
	RELOADING(J4_two_types_pull),
	RELOADING(J4_two_pull_at_a_huge_folio),
	RELOADING(J4_two_processes_pull),
	RELOADING(J4_everybody_at_once),
	RELOADING(J4_everybody_at_once_with_two_types),
	{ 0 }
};
