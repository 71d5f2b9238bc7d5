// SPDX-License-Identifier: MIT
/*
 * What meets a page that the device wants for itself: between the wish and the conversion, and
 * while it has it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "huge.h"
#include "ksm.h"
#include "points.h"
#include "process.h"
#include "queue.h"
#include "uring.h"

#define ADDED	3
#define AWHILE	(50 * slowness())	/* ms in which what does not wait would have happened */

static struct {
	struct queue q;
	uint64_t *word;
	uint64_t was;
	struct drm_mockgpu_result result;
} t;

static uint64_t add_on_device(void)
{
	struct drm_mockgpu_cmd cmd = cmd_add(t.word, 8, ADDED);

	return submit(t.q, &cmd, 1, &t.result);
}

/* What is left of the device's second once it goes on; less, and it may not try again. */
#define ENOUGH_NS	(NS_PER_S / 2)

/*
 * The device asks; something happens to the page; the device goes on, and counts right.  Where
 * that something took too long, it is done once more.
 */
static void change_meanwhile(uint64_t *word, void (*change)(void))
{
	unsigned int tries = 3;
	uint64_t seqno, start;
	struct arm arm;
	int error = 0;
	bool late;

	t.word = word;
	do {
		t.was = *word;
		arm = HOLD(t.q.dev, "exclusive", .addr = word, .len = 8, .count = 1);
		start = now_ns();
		seqno = add_on_device();
		AWAIT_HELD(arm);
		change();
		late = now_ns() - start > NS_PER_S - ENOUGH_NS;
		arm_release(arm);
		CHECK_EQ(mockgpu_wait(t.q.dev, t.q.id, seqno, 15 * (int64_t)BOUND_NS, &error), 0);
	} while (late && error == -EBUSY && --tries);
	CHECK_EQ(error, 0);
	CHECK_EQ(t.result.value, t.was + ADDED - 1);
	CHECK_EQ(*word, t.was + ADDED);
}

static void migrate_it(void)
{
	TO_VRAM(t.q.dev, (void *)((uintptr_t)t.word & ~(PAGE - 1)), 1);
}

static void R7_migrated_before(void)
{
	uint64_t *p = map_filled(1, new_tag());

	t.q = queue_new(gpu_open_exclusive());
	change_meanwhile(p, migrate_it);
}

static void *twin;

static void merge_it(void)
{
	ksmd_start();
	wait_for_merge(t.word, twin, 1);
}

static void R7_merged_before(void)
{
	uint16_t tag = new_tag();
	void *p = map_filled(1, tag);

	twin = map_filled(1, tag);
	t.q = queue_new(gpu_open_exclusive());
	CHECK_SYS(madvise(p, PAGE, MADV_MERGEABLE));
	CHECK_SYS(madvise(twin, PAGE, MADV_MERGEABLE));
	change_meanwhile(p, merge_it);
	ksmd_stop();
	CHECK_FILL(twin, 1, tag, 0);
}

static struct uring ring;

static void pin_it(void)
{
	uring_pin(&ring, (void *)((uintptr_t)t.word & ~(PAGE - 1)), PAGE);
}

static void R7_pinned_before(void)
{
	uint64_t *p = map_filled(1, new_tag());

	ring = uring_new();
	t.q = queue_new(gpu_open_exclusive());
	change_meanwhile(p, pin_it);
	uring_unpin(&ring);
	uring_close(&ring);
}

static void split_it(void)
{
	CHECK_SYS(munmap((char *)((uintptr_t)t.word & ~(HUGE - 1)) + HUGE - PAGE, PAGE));
}

static void R7_split_before(void)
{
	uint16_t tag = new_tag();
	char *p = map_huge(tag);

	t.q = queue_new(gpu_open_exclusive());
	change_meanwhile((uint64_t *)AT(p, 17) + 3, split_it);
	CHECK_FILL(p, 17, tag, 0);
	CHECK_FILL(AT(p, 18), 511 - 18, tag, 18);
}

static void compact_it(void)
{
	write_number("/proc/sys/vm/compact_memory", 1);
}

static void R7_compacted_before(void)
{
	uint64_t *p = map_filled(1, new_tag());

	t.q = queue_new(gpu_open_exclusive());
	if (access("/proc/sys/vm/compact_memory", W_OK))
		skip("the kernel does not compact on request");
	change_meanwhile(p, compact_it);
}

static void reclaim_it(void)
{
	CHECK_SYS(madvise((void *)((uintptr_t)t.word & ~(PAGE - 1)), PAGE, MADV_PAGEOUT));
}

static void R7_reclaimed_before(void)
{
	uint64_t *p = map_filled(1, new_tag());

	t.q = queue_new(gpu_open_exclusive());
	change_meanwhile(p, reclaim_it);
}

static void drop_it(void)
{
	CHECK_SYS(madvise(t.word, PAGE, MADV_DONTNEED));
	t.was = 0;
}

static void R7_dropped_before(void)
{
	uint64_t *p = map_filled(1, new_tag());

	t.q = queue_new(gpu_open_exclusive());
	change_meanwhile(p, drop_it);
}

static struct actor *actor;
static struct mockgpu_device *director;

/* The holder's process: its queue adds, and a thread does something meanwhile. */
static void (*meanwhile)(void);
static int stage;

static void *do_meanwhile(void *unused)
{
	gate_wait(stage);
	meanwhile();
	gate_open(actor->done, 1);
	return NULL;
}

/* The device adds to the word, and beside it happens what is to happen meanwhile. */
static void add_meanwhile(struct actor *self)
{
	pthread_t thread;
	uint64_t seqno;

	t.q = queue_new(gpu_open(0));
	*t.word = t.was;
	thread = thread_start(do_meanwhile, NULL);
	cue(self);
	seqno = add_on_device();
	thread_join(thread);
	CHECK_EQ(mockgpu_wait(t.q.dev, t.q.id, seqno, 10 * (int64_t)NS_PER_S, NULL), 0);
}

static void add_and_meet(struct actor *self)
{
	add_meanwhile(self);
	CHECK_EQ(t.result.error, 0);
	CHECK_EQ(t.result.value, t.was + ADDED - 1);
}

/*
 * The page is the device's, and locked: who wants it waits, and so does who changes the mapping.
 * Then it gets what the device made of it.
 */
static void meet_the_holder(void (*what)(void))
{
	struct arm arm;

	meanwhile = what;
	t.was = 1000;
	t.word = map_hole(1);
	stage = gate_new();
	actor = actor_new();
	director = gpu_open_exclusive();
	actor_start(actor, add_and_meet);
	arm = HOLD(director, "exclusive-held", .pid = actor->pid);
	actor_go(actor);
	CHECK_EQ(AWAIT_HELD(arm).addr, addr_of(t.word));
	gate_open(stage, 1);
	CHECK(!actor_done(actor, AWHILE));
	arm_release(arm);
	CHECK(actor_done(actor, 5000));
	actor_join(actor);
}

static void read_by_cpu(void)
{
	uint64_t seen = __atomic_load_n(t.word, __ATOMIC_RELAXED);

	CHECK_GE(seen, t.was + 1);
	CHECK_LE(seen, t.was + ADDED);
}

static void R8_read_by_the_cpu(void)
{
	meet_the_holder(read_by_cpu);
}

static void add_by_cpu(void)
{
	__atomic_fetch_add(t.word, 1000000, __ATOMIC_RELAXED);
}

static void R8_added_to_by_the_cpu(void)
{
	t.was = 0;
	meet_the_holder(read_by_cpu);
	meet_the_holder(add_by_cpu);
}

static void fork_it(void)
{
	pid_t pid = (pid_t)CHECK_SYS(fork());

	if (!pid) {
		read_by_cpu();
		_exit(0);
	}
	join(pid);
}

static void R8_process_forks(void)
{
	meet_the_holder(fork_it);
}

/* GUP, for a pipe: the page is not the device's any more when the pipe has it. */
static void gup_it(void)
{
	struct iovec part = { t.word, 8 };
	uint64_t seen;
	int fds[2];

	CHECK_SYS(pipe2(fds, O_CLOEXEC));
	CHECK_EQ(vmsplice(fds[1], &part, 1, 0), 8);
	CHECK_EQ(read(fds[0], &seen, 8), 8);
	CHECK_GE(seen, t.was + 1);
	CHECK_LE(seen, t.was + ADDED);
}

static void R8_page_is_pinned(void)
{
	meet_the_holder(gup_it);
}

static void unmap_it(void)
{
	CHECK_SYS(munmap(t.word, PAGE));
}

/* One operation at least was done; the others find nothing. */
static void add_and_lose(struct actor *self)
{
	add_meanwhile(self);
	CHECK(!t.result.error || t.result.error == -EFAULT);
	CHECK(!can_read(t.word));
}

static void R8_unmapped(void)
{
	struct arm arm;

	meanwhile = unmap_it;
	t.was = 1000;
	t.word = map_hole(1);
	stage = gate_new();
	actor = actor_new();
	director = gpu_open_exclusive();
	actor_start(actor, add_and_lose);
	arm = HOLD(director, "exclusive-held", .pid = actor->pid);
	actor_go(actor);
	AWAIT_HELD(arm);
	gate_open(stage, 1);
	CHECK(!actor_done(actor, AWHILE));
	arm_release(arm);
	actor_join(actor);
}

static void drop_page(void)
{
	CHECK_SYS(madvise(t.word, PAGE, MADV_DONTNEED));
}

static void add_and_drop(struct actor *self)
{
	pthread_t thread;
	uint64_t seqno;

	t.q = queue_new(gpu_open(0));
	*t.word = t.was;
	thread = thread_start(do_meanwhile, NULL);
	cue(self);
	seqno = add_on_device();
	thread_join(thread);
	FINISHES(t.q, seqno, 0);
	CHECK_EQ(t.result.value, ADDED - 1);
	CHECK_EQ(*t.word, ADDED);
}

/* That needs neither lock, and so does not wait: the device must not count on what is gone. */
static void R8_dropped(void)
{
	struct arm arm;

	meanwhile = drop_page;
	t.was = 1000;
	t.word = map_hole(1);
	stage = gate_new();
	actor = actor_new();
	director = gpu_open_exclusive();
	actor_start(actor, add_and_drop);
	arm = HOLD(director, "exclusive-held", .pid = actor->pid, .count = 1);
	actor_go(actor);
	AWAIT_HELD(arm);
	gate_open(stage, 1);
	CHECK(actor_done(actor, 5000));
	arm_release(arm);
	join(actor->pid);
}

static void add_and_exit(struct actor *self)
{
	t.q = queue_new(gpu_open(0));
	*t.word = t.was;
	cue(self);
	add_on_device();
	gate_wait(stage);
}

/* exit() lets go of what its own queue holds; nobody has to be killed for it. */
static void R8_process_exits(void)
{
	uint64_t start;
	struct arm arm;

	t.word = map_hole(1);
	stage = gate_new();
	actor = actor_new();
	director = gpu_open_exclusive();
	actor_start(actor, add_and_exit);
	arm = HOLD(director, "exclusive-held", .pid = actor->pid, .time_ns = 60 * NS_PER_S);
	actor_go(actor);
	AWAIT_HELD(arm);
	start = now_ns();
	gate_open(stage, 1);
	actor_join(actor);
	CHECK_LE(now_ns() - start, BOUND_NS);
	CHECK_EQ(arm_look(arm).held, 0);
}

/* Somebody takes it away again each time, and then not. */
static void R7_refused_for_a_while(void)
{
	uint64_t *p = map_filled(1, new_tag()), start;
	struct arm arm;

	t.q = queue_new(gpu_open_exclusive());
	arm = BREAK(t.q.dev, "exclusive", .count = 5);
	RUN(t.q, cmd_add(p, 8, ADDED), .value = *p + ADDED - 1, .done = ADDED);
	CHECK_EQ(arm_look(arm).acted, 5);
	arm_release(arm);
	*p = 1;
	arm = BREAK(t.q.dev, "exclusive");
	start = now_ns();
	RUN(t.q, cmd_add(p, 8, 1), .error = -EBUSY, .access = MOCKGPU_ACCESS_ATOMIC,
	    .fault_addr = addr_of(p));
	CHECK_LE(now_ns() - start, BOUND_NS);
	arm_release(arm);
	RUN(t.q, cmd_add(p, 8, 1), .value = 1, .done = 1);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(R7_migrated_before),
	SCENARIO(R7_merged_before),
	SCENARIO(R7_pinned_before),
	SCENARIO(R7_split_before),
	SCENARIO(R7_compacted_before),
	SCENARIO(R7_reclaimed_before),
	SCENARIO(R7_dropped_before),
	SCENARIO(R7_refused_for_a_while),
	SCENARIO(R8_read_by_the_cpu),
	SCENARIO(R8_added_to_by_the_cpu),
	SCENARIO(R8_process_forks),
	SCENARIO(R8_page_is_pinned),
	SCENARIO(R8_unmapped),
	SCENARIO(R8_dropped),
	SCENARIO(R8_process_exits),
	{ 0 }
};
