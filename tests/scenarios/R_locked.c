// SPDX-License-Identifier: MIT
/*
 * Who has the lock of a page that the device wants for itself: reclaim, a split, ksmd, a migration
 * of the kernel or of ours; or a second device, which wants it as well.
 *
 * Whoever takes a page out of the page tables has its lock, and tells the notifiers.  So that is
 * where he is held, and the device goes on from its wish to the conversion.  It waits for a second
 * at the most, and then says so.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "disk.h"
#include "huge.h"
#include "ksm.h"
#include "module.h"
#include "points.h"
#include "process.h"
#include "queue.h"

#define ADDED	3
#define AWHILE	(50 * slowness())	/* ms in which what does not wait would have happened */
#define PATIENCE (NS_PER_S * 9 / 10)	/* nobody is refused sooner; timers are not that exact */

static struct {
	char *p, *twin;
	size_t pages;
	uint16_t tag;
	uint64_t *word;
	void (*prepare)(void);	/* by the actor, before the device has its wish */
	void (*take)(void);	/* in a thread of the actor's: has the lock for a while */
	int stage;
	bool refused;
	struct mockgpu_device *dev;	/* the director's */
	struct actor *actor;
} t;

static void set_up(char *p, size_t pages, size_t page)
{
	t.p = p;
	t.pages = pages;
	t.tag = new_tag();
	t.word = AT(p, page);
	t.stage = gate_new();
	t.actor = actor_new();
	t.dev = gpu_open_exclusive();
}

/* What an addition that began at @start came to: it is done, or was refused late enough. */
static bool was_refused(const struct drm_mockgpu_result *result, uint64_t start)
{
	if (!result->error)
		return false;
	CHECK_EQ(result->error, -EBUSY);
	CHECK_EQ(result->done, 0);
	CHECK_GE(now_ns() - start, PATIENCE);
	return true;
}

static void *take_it(void *unused)
{
	gate_wait(t.stage);
	t.take();
	return NULL;
}

static void add_when_told(struct actor *self)
{
	struct drm_mockgpu_result result = { 0 };
	struct queue q = queue_new(gpu_open(0));
	struct drm_mockgpu_cmd add = cmd_add(t.word, 8, ADDED);
	size_t page = (size_t)((char *)t.word - t.p) / PAGE;
	uint64_t start, was;
	pthread_t thread;

	fill(t.p, t.pages, t.tag, 0);
	if (t.prepare)
		t.prepare();
	was = *t.word;
	/* The result's address is one that the device has looked at: see mockgpu-points(7). */
	CHECK_EQ(mockgpu_run(q.dev, q.id, &(struct drm_mockgpu_cmd){ .op = MOCKGPU_CMD_NOP }, 1,
			     &result), 0);
	thread = thread_start(take_it, NULL);
	cue(self);
	start = now_ns();
	CHECK_EQ(mockgpu_wait(q.dev, q.id, submit(q, &add, 1, &result), 10 * (int64_t)NS_PER_S,
			      NULL), 0);
	if (was_refused(&result, start)) {
		CHECK_LE(now_ns() - start, 5 * NS_PER_S * slowness());
		gate_open(self->done, 1);
		thread_join(thread);
		CHECK_EQ(*t.word, was);
		RUN(q, add, .value = was + ADDED - 1, .done = ADDED);
	} else {
		CHECK(!t.refused);
		CHECK_EQ(result.value, was + ADDED - 1);
		gate_open(self->done, 1);
		thread_join(thread);
	}
	CHECK_EQ(*t.word, was + ADDED);
	*t.word = was;
	CHECK_FILL(t.p, t.pages, t.tag, 0);
	CHECK_EQ(*t.word, fill_word(t.tag, page, 0));
}

/* The device wishes; somebody takes the page's lock; the device goes on, and waits for it. */
static void wanted_while_locked(void)
{
	struct arm wish, lock;

	actor_start(t.actor, add_when_told);
	wish = HOLD(t.dev, "exclusive", .pid = t.actor->pid, .count = 1);
	actor_go(t.actor);
	AWAIT_HELD(wish);
	lock = HOLD(t.dev, "notifier", .pid = t.actor->pid, .addr = (void *)((uintptr_t)t.word & -PAGE),
		    .len = PAGE, .count = 1);
	gate_open(t.stage, 1);
	AWAIT_HELD(lock);
	arm_release(wish);
	if (t.refused)
		CHECK(actor_done(t.actor, 5000 * slowness()));
	else
		CHECK(!actor_done(t.actor, AWHILE));
	arm_release(lock);
	actor_join(t.actor);
	mockgpu_close(t.dev);
}

/* Reclaim passes over a page that is in another CPU's batch for the LRU: have it in this one's. */
static void fill_on_one_cpu(void)
{
	stay_on_cpu(sched_getcpu());
	CHECK_SYS(madvise(t.p, PAGE, MADV_DONTNEED));
	fill(t.p, 1, t.tag, 0);
}

static void page_out_it(void)
{
	CHECK_SYS(madvise(t.p, PAGE, MADV_PAGEOUT));
}

static void R7_reclaim_has_it(void)
{
	disk_new(0);
	disk_swap_on(1024);
	for (unsigned int i = 0; i < 2; i++) {
		set_up(map_hole(1), 1, 0);
		t.prepare = fill_on_one_cpu;
		t.take = page_out_it;
		t.refused = i;
		wanted_while_locked();
	}
	disk_swap_off();
	disk_gone();
}

/* What is advised on a part of a huge page has it split. */
static void page_out_a_part(void)
{
	CHECK_SYS(madvise(AT(t.p, 16), 16 * PAGE, MADV_PAGEOUT));
}

static void R7_a_split_has_it(void)
{
	mockgpu_close(gpu_open_huge());
	set_up(huge_hole(), N, 17);
	t.take = page_out_a_part;
	wanted_while_locked();
}

static void make_mergeable(void)
{
	fill(t.twin, 1, t.tag, 0);
	CHECK_SYS(madvise(t.p, PAGE, MADV_MERGEABLE));
	CHECK_SYS(madvise(t.twin, PAGE, MADV_MERGEABLE));
}

static void R7_ksmd_has_it(void)
{
	set_up(map_hole(1), 1, 0);
	t.twin = map_hole(1);
	t.prepare = make_mergeable;
	t.take = ksmd_start;
	wanted_while_locked();
	ksmd_stop();
}

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif

static void take_out_of_use(void)
{
	uint64_t pfn = pagemap_of(0, t.p).pfn;

	if (madvise(t.p, PAGE, MADV_SOFT_OFFLINE))
		CHECK_EQ(errno, EBUSY);
	else
		page_back_in_use(pfn);
}

/* As compaction migrates, but this page for certain.  It may find that the device waits for it. */
static void R7_a_migration_of_the_kernel_has_it(void)
{
	if (access("/sys/devices/system/memory/soft_offline_page", W_OK))
		skip("the kernel cannot take pages out of use");
	set_up(map_hole(1), 1, 0);
	t.take = take_out_of_use;
	wanted_while_locked();
}

static void *migrate_it(void *dev)
{
	gate_wait(t.stage);
	TO_VRAM(dev, t.p, 1);
	return NULL;
}

/* Here it is locked, by our own migration, before the device has a wish. */
static void want_what_migrates(struct actor *self)
{
	struct drm_mockgpu_result result = { 0 };
	struct queue q = queue_new(gpu_open(0));
	struct drm_mockgpu_cmd add = cmd_add(t.word, 8, ADDED);
	uint64_t start, was;
	pthread_t thread;

	fill(t.p, 1, t.tag, 0);
	was = *t.word;
	thread = thread_start(migrate_it, q.dev);
	cue(self);
	start = now_ns();
	CHECK_EQ(mockgpu_wait(q.dev, q.id, submit(q, &add, 1, &result), 10 * (int64_t)NS_PER_S,
			      NULL), 0);
	gate_open(self->done, 1);
	thread_join(thread);
	if (was_refused(&result, start))
		RUN(q, add, .value = was + ADDED - 1, .done = ADDED);
	else
		CHECK_EQ(result.value, was + ADDED - 1);
	CHECK_EQ(*t.word, was + ADDED);
	RUN(q, cmd_add(t.word, 8, 1), .value = was + ADDED, .done = 1);
}

static void R7_our_own_migration_has_it(void)
{
	struct arm arm;

	set_up(map_hole(1), 1, 0);
	actor_start(t.actor, want_what_migrates);
	arm = HOLD(t.dev, "migrate-collected", .pid = t.actor->pid);
	gate_open(t.stage, 1);
	AWAIT_HELD(arm);
	actor_go(t.actor);
	CHECK(!actor_done(t.actor, AWHILE));
	arm_release(arm);
	actor_join(t.actor);
}

/* Two devices add to one word: each of the additions is there in the end, once. */
static void add_on_two(struct actor *self)
{
	struct drm_mockgpu_result results[2] = { 0 };
	struct drm_mockgpu_cmd add = cmd_add(t.word, 8, ADDED);
	struct queue q[2] = { queue_new(gpu_open(0)), queue_new(gpu_open(1)) };
	uint64_t seqno[2], was, added = 0, start;

	fill(t.p, 1, t.tag, 0);
	was = *t.word;
	cue(self);
	start = now_ns();
	seqno[0] = submit(q[0], &add, 1, &results[0]);
	gate_wait(t.stage);
	seqno[1] = submit(q[1], &add, 1, &results[1]);
	for (unsigned int i = 0; i < 2; i++)
		CHECK_EQ(mockgpu_wait(q[i].dev, q[i].id, seqno[i], 10 * (int64_t)NS_PER_S, NULL),
			 0);
	for (unsigned int i = 0; i < 2; i++)
		if (!was_refused(&results[i], start))
			added += ADDED;
	CHECK_EQ(*t.word, was + added);
	RUN(q[1], add, .value = was + added + ADDED - 1, .done = ADDED);
	RUN(q[0], add, .value = was + added + 2 * ADDED - 1, .done = ADDED);
	*t.word = was;
	CHECK_FILL(t.p, 1, t.tag, 0);
}

/* Both had their wish before either had the page. */
static void R7_two_devices_want_it(void)
{
	mockgpu_close(gpu_open_exclusive());
	module_reload(2, DEFAULT_VRAM_MB);
	for (unsigned int i = 0; i < 5; i++) {
		struct arm arm;

		set_up(map_hole(1), 1, 0);
		actor_start(t.actor, add_on_two);
		arm = HOLD(t.dev, "exclusive", .pid = t.actor->pid, .count = 2);
		gate_open(t.stage, 1);
		actor_go(t.actor);
		AWAIT_HITS(arm, 2);
		CHECK_EQ(arm_look(arm).held, 2);
		arm_release(arm);
		actor_join(t.actor);
		mockgpu_close(t.dev);
	}
	module_reload(DEFAULT_DEVICES, DEFAULT_VRAM_MB);
}

/* One has it, and the other wants it. */
static void R8_another_device_wants_it(void)
{
	struct arm arm;

	mockgpu_close(gpu_open_exclusive());
	module_reload(2, DEFAULT_VRAM_MB);
	set_up(map_hole(1), 1, 0);
	actor_start(t.actor, add_on_two);
	arm = HOLD(t.dev, "exclusive-held", .pid = t.actor->pid, .count = 1);
	actor_go(t.actor);
	AWAIT_HELD(arm);
	gate_open(t.stage, 1);
	CHECK(!actor_done(t.actor, AWHILE));
	CHECK_EQ(arm_look(arm).hits, 1);
	arm_release(arm);
	actor_join(t.actor);
	mockgpu_close(t.dev);
	module_reload(DEFAULT_DEVICES, DEFAULT_VRAM_MB);
}

#define SCENARIO(name) { #name, name, 0, 0 }
#define RELOADING(name) { #name, name, 0, RELOADS }

const struct scenario scenarios[] = {
	SCENARIO(R7_reclaim_has_it),
	SCENARIO(R7_a_split_has_it),
	SCENARIO(R7_ksmd_has_it),
	SCENARIO(R7_a_migration_of_the_kernel_has_it),
	SCENARIO(R7_our_own_migration_has_it),
	RELOADING(R7_two_devices_want_it),
	RELOADING(R8_another_device_wants_it),
	{ 0 }
};
