// SPDX-License-Identifier: MIT
/*
 * What changes between hmm_range_fault()'s answer and the notifier's lock: the device must not use
 * what it was told, for no reference is held on any of it.
 *
 * No lock is held there that a change needs, so one process is all of the cast.  Pages are in VRAM
 * and in system memory by turns.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "points.h"
#include "process.h"

#define N	8
#define CANARY	0xcace
#define SPREAD	64	/* pages that whatever was given back is used for */

static struct {
	struct mockgpu_device *dev;
	char *p, *canary;
	uint16_t tag, new_tag;
	uint64_t buffer[N * WORDS];
	int ret;
} t;

static void set_up(void)
{
	t.dev = gpu_open(0);
	t.tag = new_tag();
	t.new_tag = new_tag();
	t.p = map_filled(N, t.tag);
	t.canary = map_hole(SPREAD);
	for (unsigned int i = 0; i < N; i += 2)
		TO_VRAM(t.dev, AT(t.p, i), 1);
	/* Addresses that the device never looked at cannot be watched while it is held. */
	CHECK_RES(t.dev, t.p, N, 0, 0);
	CHECK_PLACE(t.dev, t.canary, SPREAD, NOWHERE);
}

/* Who is given the pages now fills them: stale ones are noticed, and so is a write to them. */
static void use_what_is_free(void)
{
	fill(t.canary, SPREAD, CANARY, 0);
	TO_VRAM(t.dev, t.canary, SPREAD / 2);
}

static void *device_reads(void *unused)
{
	t.ret = mockgpu_read(t.dev, t.buffer, t.p, N * PAGE, NULL);
	return NULL;
}

static void *device_writes(void *unused)
{
	fill(t.buffer, N, t.new_tag, 0);
	t.ret = mockgpu_write(t.dev, t.p, t.buffer, N * PAGE, NULL);
	return NULL;
}

/* Has the device ask, does something, and lets the device go on. */
static void change_meanwhile(void *(*device)(void *), void (*change)(void))
{
	struct drm_mockgpu_counters before, after;
	struct arm arm;
	pthread_t thread;

	set_up();
	before = gpu_counters(t.dev);
	arm = HOLD(t.dev, "gpu-fault-asked", .count = 1);
	thread = thread_start(device, NULL);
	CHECK_EQ(AWAIT_HELD(arm).addr, (uintptr_t)t.p);
	change();
	arm_release(arm);
	thread_join(thread);
	/* It noticed, and asked again. */
	after = gpu_counters(t.dev);
	CHECK_GE(after.gpu_fault_retries - before.gpu_fault_retries, 1);
}

static void after_the_device(uint16_t tag)
{
	CHECK_EQ(t.ret, 0);
	CHECK_FILL(t.buffer, N, tag, 0);
	CHECK_FILL(t.p, N, tag, 0);
	CHECK_FILL(t.canary, SPREAD, CANARY, 0);
}

static void map_anew(void)
{
	CHECK_SYS(munmap(t.p, N * PAGE));
	use_what_is_free();
	map_fixed(t.p, N, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	fill(t.p, N, t.new_tag, 0);
}

static void R6_mapped_anew_before_a_read(void)
{
	change_meanwhile(device_reads, map_anew);
	after_the_device(t.new_tag);
}

static void R6_mapped_anew_before_a_write(void)
{
	change_meanwhile(device_writes, map_anew);
	after_the_device(t.new_tag);
}

static void unmap_all(void)
{
	CHECK_SYS(munmap(t.p, N * PAGE));
	use_what_is_free();
}

static void R6_unmapped_before_a_read(void)
{
	change_meanwhile(device_reads, unmap_all);
	CHECK_EQ(t.ret, -EFAULT);
	CHECK_ZERO(t.buffer, N);
	CHECK_FILL(t.canary, SPREAD, CANARY, 0);
}

static void R6_unmapped_before_a_write(void)
{
	change_meanwhile(device_writes, unmap_all);
	CHECK_EQ(t.ret, -EFAULT);
	CHECK_FILL(t.canary, SPREAD, CANARY, 0);
}

static void drop_all(void)
{
	CHECK_SYS(madvise(t.p, N * PAGE, MADV_DONTNEED));
	use_what_is_free();
}

static void R6_dropped_before_a_read(void)
{
	change_meanwhile(device_reads, drop_all);
	CHECK_EQ(t.ret, 0);
	CHECK_ZERO(t.buffer, N);
	CHECK_ZERO(t.p, N);
	CHECK_FILL(t.canary, SPREAD, CANARY, 0);
}

static void R6_dropped_before_a_write(void)
{
	change_meanwhile(device_writes, drop_all);
	after_the_device(t.new_tag);
}

/* Each page changes places. */
static void swap_places(void)
{
	for (unsigned int i = 0; i < N; i += 2)
		TO_SYSTEM(t.dev, AT(t.p, i), 1);
	for (unsigned int i = 1; i < N; i += 2)
		TO_VRAM(t.dev, AT(t.p, i), 1);
	use_what_is_free();
}

static void check_places(void)
{
	for (unsigned int i = 0; i < N; i++)
		CHECK_PLACE(t.dev, AT(t.p, i), 1, i % 2 ? IN_VRAM : IN_SYSTEM);
}

static void R6_migrated_before_a_read(void)
{
	change_meanwhile(device_reads, swap_places);
	check_places();
	after_the_device(t.tag);
}

static void R6_migrated_before_a_write(void)
{
	change_meanwhile(device_writes, swap_places);
	check_places();
	after_the_device(t.new_tag);
}

static void protect_all(void)
{
	CHECK_SYS(mprotect(t.p, N * PAGE, PROT_READ));
}

static void R6_made_read_only_before_a_write(void)
{
	change_meanwhile(device_writes, protect_all);
	CHECK_EQ(t.ret, -EPERM);
	CHECK_FILL(t.p, N, t.tag, 0);
}

/* The sharing that the device was not told of is broken before it writes. */
static pid_t child;
static int look;

static void look_when_told(void *unused)
{
	gate_wait(look);
	CHECK_FILL(t.p, N, t.tag, 0);
}

static void fork_now(void)
{
	child = spawn(look_when_told, NULL);
}

static void R6_forked_before_a_write(void)
{
	look = gate_new();
	change_meanwhile(device_writes, fork_now);
	CHECK_EQ(t.ret, 0);
	CHECK_FILL(t.p, N, t.new_tag, 0);
	gate_open(look, 1);
	join(child);
}

static void *look_up(void *unused)
{
	static uint32_t res[N];

	t.ret = mockgpu_residency(t.dev, t.p, N * PAGE, res);
	for (unsigned int i = 0; i < N; i++)
		CHECK_EQ(res[i] & RES_PLACE, i % 2 ? IN_VRAM : IN_SYSTEM);
	return NULL;
}

/* The same for who asks where pages are. */
static void R6_migrated_before_a_look(void)
{
	struct arm arm;
	pthread_t thread;

	set_up();
	arm = HOLD(t.dev, "look-asked", .addr = t.p, .len = PAGE, .count = 1);
	thread = thread_start(look_up, NULL);
	AWAIT_HELD(arm);
	swap_places();
	arm_release(arm);
	thread_join(thread);
	CHECK_EQ(t.ret, 0);
}

/* It gives up in the end where something changes each time, and is right the next time. */
static void R6_changed_each_time(void)
{
	struct arm arm;
	uint64_t start;

	set_up();
	arm = BREAK(t.dev, "gpu-fault-asked");
	start = now_ns();
	CHECK_EQ(mockgpu_read(t.dev, t.buffer, t.p, N * PAGE, NULL), -EBUSY);
	CHECK_LE(now_ns() - start, BOUND_NS);
	arm_release(arm);
	BREAK(t.dev, "gpu-fault-asked", .count = 3);
	GPU_CHECK_FILL(t.dev, t.p, N, t.tag, 0);
	CHECK_FILL(t.p, N, t.tag, 0);
}

static void *drop_in_thread(void *unused)
{
	CHECK_SYS(madvise(t.p, N * PAGE, MADV_DONTNEED));
	return NULL;
}

/*
 * Before the notifier has the lock the device reads what was there, as the CPU may; then it waits,
 * and sees what was made of it.  Who drops the pages is held with his mmap_lock, so another process
 * directs.
 */
static bool too_late;

static void drop_and_read(struct actor *self)
{
	pthread_t thread;

	t.dev = gpu_open(0);
	fill(t.p, N, t.tag, 0);
	GPU_CHECK_FILL(t.dev, t.p, N, t.tag, 0);
	cue(self);
	thread = thread_start(drop_in_thread, NULL);
	gate_wait(look);
	if (too_late)
		GPU_CHECK_ZERO(t.dev, t.p, N);
	else
		GPU_CHECK_FILL(t.dev, t.p, N, t.tag, 0);
	gate_open(self->done, 1);
	thread_join(thread);
	GPU_CHECK_ZERO(t.dev, t.p, N);
}

static void R6_read_while_a_notifier_runs(void)
{
	static const char *const points[] = { "notifier", "notifier-held" };

	for (unsigned int i = 0; i < ARRAY_SIZE(points); i++) {
		struct mockgpu_device *dev = gpu_open(0);
		struct actor *actor = actor_new();
		struct arm arm;

		t.p = map_hole(N);
		t.tag = new_tag();
		look = gate_new();
		too_late = i;
		actor_start(actor, drop_and_read);
		arm = HOLD(dev, points[i], .pid = actor->pid, .addr = t.p, .len = N * PAGE,
			   .count = 1);
		actor_go(actor);
		AWAIT_HELD(arm);
		gate_open(look, 1);
		CHECK_EQ(actor_done(actor, too_late ? 200 : 5000), !too_late);
		arm_release(arm);
		actor_join(actor);
	}
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(R6_mapped_anew_before_a_read),
	SCENARIO(R6_mapped_anew_before_a_write),
	SCENARIO(R6_unmapped_before_a_read),
	SCENARIO(R6_unmapped_before_a_write),
	SCENARIO(R6_dropped_before_a_read),
	SCENARIO(R6_dropped_before_a_write),
	SCENARIO(R6_migrated_before_a_read),
	SCENARIO(R6_migrated_before_a_write),
	SCENARIO(R6_made_read_only_before_a_write),
	SCENARIO(R6_forked_before_a_write),
	SCENARIO(R6_migrated_before_a_look),
	SCENARIO(R6_changed_each_time),
	SCENARIO(R6_read_while_a_notifier_runs),
	{ 0 }
};
