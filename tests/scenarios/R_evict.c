// SPDX-License-Identifier: MIT
/*
 * What meets an eviction that is half-way: touches, migrations, changes of the mapping; and an
 * eviction that meets those.
 *
 * An eviction goes by the page and holds no mmap_lock: what does not need the page itself happens
 * at once.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "points.h"
#include "process.h"

#define N	8
#define TOUCHERS 4
#define AWHILE	(50 * slowness())	/* ms in which what does not wait would have happened */

static struct {
	char *p;
	uint16_t tag;
	struct mockgpu_device *dev;	/* the director's */
	struct actor *actor;
	struct drm_mockgpu_counters before;
} t;

static const char *const points[] = { "evict-collected", "evict-copied" };

static void set_up(void)
{
	t.p = map_hole(N);
	t.tag = new_tag();
	t.actor = actor_new();
	t.dev = gpu_open(0);
}

static void check_all(void)
{
	CHECK_FILL(t.p, N, t.tag, 0);
}

static void come_back_and_look(struct actor *self)
{
	struct mockgpu_device *dev = gpu_open(0);

	fill(t.p, N, t.tag, 0);
	TO_VRAM(dev, t.p, N);
	cue(self);
	TO_SYSTEM(dev, t.p, N);
	check_all();
}

/* Pages that are on their way are passed over, and are said to be busy. */
static void R4_evicted_while_coming_back(void)
{
	struct mockgpu_evicted result;
	struct arm arm;

	set_up();
	actor_start(t.actor, come_back_and_look);
	t.before = gpu_counters(t.dev);
	arm = HOLD(t.dev, "migrate-copied", .pid = t.actor->pid);
	actor_go(t.actor);
	AWAIT_HELD(arm);
	CHECK_EQ(mockgpu_evict_all(t.dev, &result), 0);
	CHECK_EQ(result.evicted, 0);
	CHECK_EQ(result.busy, N);
	arm_release(arm);
	actor_join(t.actor);
	CHECK_COUNTED(t.dev, &t.before, .pages_to_system = N, .vram_used_bytes = -N * PAGE);
}

static void touch_and_look(struct actor *self)
{
	struct mockgpu_device *dev = gpu_open(0);

	fill(t.p, N, t.tag, 0);
	TO_VRAM(dev, t.p, N);
	cue(self);
	check_all();
}

static void *evict_everything(void *unused)
{
	struct mockgpu_evicted result;

	CHECK_EQ(mockgpu_evict_all(t.dev, &result), 0);
	CHECK_EQ(result.busy, 0);
	return NULL;
}

static void try_to_come_back(struct actor *self)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct mockgpu_migrated result;

	fill(t.p, N, t.tag, 0);
	TO_VRAM(dev, t.p, N);
	cue(self);
	CHECK_EQ(mockgpu_migrate(dev, t.p, N * PAGE, MOCKGPU_TARGET_SYSTEM, 0, &result, NULL), 0);
	CHECK_EQ(result.count[MOCKGPU_PAGE_MOVED], 0);
	gate_open(self->done, 1);
	check_all();
}

/* An eviction that is half-way: what is touched waits, what is migrated does not move. */
static void R4_touched_and_migrated_while_evicted(void)
{
	for (unsigned int i = 0; i < 4; i++) {
		pthread_t evictor;
		struct arm arm;

		set_up();
		actor_start(t.actor, i % 2 ? touch_and_look : try_to_come_back);
		t.before = gpu_counters(t.dev);
		arm = HOLD(t.dev, points[i / 2]);
		evictor = thread_start(evict_everything, NULL);
		AWAIT_HELD(arm);
		actor_go(t.actor);
		CHECK_EQ(actor_done(t.actor, i % 2 ? AWHILE : 5000), !(i % 2));
		arm_release(arm);
		actor_join(t.actor);
		thread_join(evictor);
		CHECK_COUNTED(t.dev, &t.before, .pages_evicted = N, .vram_used_bytes = -N * PAGE);
		mockgpu_close(t.dev);
	}
}

/* The CPU's fault has the page when the eviction comes: it is the fault that brings it home. */
static void R4_evicted_while_touched(void)
{
	struct mockgpu_evicted result;
	struct arm arm;

	set_up();
	gpu_needs(t.dev, MOCKGPU_CAP_PRIVATE);
	actor_start(t.actor, touch_and_look);
	t.before = gpu_counters(t.dev);
	arm = HOLD(t.dev, "cpu-fault-copied", .pid = t.actor->pid, .count = 1);
	actor_go(t.actor);
	AWAIT_HELD(arm);
	CHECK_EQ(mockgpu_evict_all(t.dev, &result), 0);
	CHECK_EQ(result.evicted, N - 1);
	CHECK_EQ(result.busy, 1);
	arm_release(arm);
	actor_join(t.actor);
	CHECK_COUNTED(t.dev, &t.before, .pages_evicted = N - 1, .pages_cpu_fault = 1,
		      .vram_used_bytes = -N * PAGE);
}

/* What is busy for a moment only is waited for. */
static void R4_eviction_awaits_what_is_busy(void)
{
	pthread_t evictor;
	struct arm arm;

	set_up();
	actor_start(t.actor, come_back_and_look);
	t.before = gpu_counters(t.dev);
	arm = HOLD(t.dev, "migrate-copied", .pid = t.actor->pid);
	actor_go(t.actor);
	AWAIT_HELD(arm);
	evictor = thread_start(evict_everything, NULL);
	sleep_ms(AWHILE);
	arm_release(arm);
	actor_join(t.actor);
	thread_join(evictor);
	CHECK_COUNTED(t.dev, &t.before, .pages_to_system = N, .vram_used_bytes = -N * PAGE);
}

static void *touch_first(void *unused)
{
	CHECK_EQ(*(volatile uint64_t *)t.p, fill_word(t.tag, 0, 0));
	return NULL;
}

static void touch_by_threads(struct actor *self)
{
	struct mockgpu_device *dev = gpu_open(0);
	pthread_t threads[TOUCHERS];

	fill(t.p, N, t.tag, 0);
	TO_VRAM(dev, t.p, N);
	cue(self);
	for (unsigned int i = 0; i < TOUCHERS; i++)
		threads[i] = thread_start(touch_first, NULL);
	for (unsigned int i = 0; i < TOUCHERS; i++)
		thread_join(threads[i]);
	check_all();
}

/* What the threads hold of the page that they wait for does not keep it from going. */
static void R4_threads_touch_what_is_evicted(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(points); i++) {
		pthread_t evictor;
		struct arm arm;

		set_up();
		actor_start(t.actor, touch_by_threads);
		t.before = gpu_counters(t.dev);
		arm = HOLD(t.dev, points[i]);
		evictor = thread_start(evict_everything, NULL);
		AWAIT_HELD(arm);
		actor_go(t.actor);
		CHECK(!actor_done(t.actor, AWHILE));
		arm_release(arm);
		actor_join(t.actor);
		thread_join(evictor);
		CHECK_COUNTED(t.dev, &t.before, .pages_evicted = N, .vram_used_bytes = -N * PAGE);
		mockgpu_close(t.dev);
	}
}

/* Half of what is there went to VRAM, if so told, and then some of either half is unmapped. */
static bool half;

static void unmap_and_look(struct actor *self)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct arm arm = { 0 };

	fill(t.p, N, t.tag, 0);
	if (half)
		arm = BREAK(dev, "copy", .first = N / 2 + 1);
	CHECK_EQ(mockgpu_migrate(dev, t.p, N * PAGE, MOCKGPU_TARGET_VRAM, 0, NULL, NULL), 0);
	if (half)
		arm_release(arm);
	cue(self);
	CHECK_SYS(munmap(AT(t.p, N / 2 - 1), 2 * PAGE));
	gate_open(self->done, 1);
	CHECK_FILL(t.p, N / 2 - 1, t.tag, 0);
	CHECK_FILL(AT(t.p, N / 2 + 1), N / 2 - 1, t.tag, N / 2 + 1);
	CHECK(!can_read(AT(t.p, N / 2 - 1)) && !can_read(AT(t.p, N / 2)));
}

/* It does not wait, and what was unmapped is gone when the eviction is over, wherever it was. */
static void unmapped_while_evicted(bool half_of_it)
{
	half = half_of_it;
	for (unsigned int i = 0; i < ARRAY_SIZE(points); i++) {
		pthread_t evictor;
		struct arm arm;

		set_up();
		actor_start(t.actor, unmap_and_look);
		t.before = gpu_counters(t.dev);
		arm = HOLD(t.dev, points[i], .count = 1);
		evictor = thread_start(evict_everything, NULL);
		AWAIT_HELD(arm);
		actor_go(t.actor);
		CHECK(actor_done(t.actor, 5000));
		arm_release(arm);
		thread_join(evictor);
		join(t.actor->pid);
		CHECK_COUNTED(t.dev, &t.before, .pages_evicted = half ? N / 2 : N,
			      .vram_used_bytes = -(half ? N / 2 : N) * PAGE);
		mockgpu_close(t.dev);
	}
}

static void R4_part_is_unmapped_while_evicted(void)
{
	unmapped_while_evicted(false);
}

static void R4_unmap_of_what_is_half_migrated_while_evicted(void)
{
	unmapped_while_evicted(true);
}

/* Takes pages and frees them, each time for memory that is new. */
static void take_and_free(void *unused)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint64_t end = now_ns() + 2 * NS_PER_S;
	struct mockgpu_migrated result;
	uint16_t tag;
	void *p;

	for (unsigned int i = 0; now_ns() < end; i++) {
		tag = new_tag();
		p = map_filled(64, tag);
		CHECK_EQ(mockgpu_migrate(dev, p, 64 * PAGE, MOCKGPU_TARGET_VRAM, 0, &result,
					 NULL), 0);
		if (i % 4 == 0)
			CHECK_FILL(p, 64, tag, 0);
		CHECK_SYS(munmap(p, 64 * PAGE));
	}
}

/*
 * Pages change hands as they are looked at by evictions: what one has begun with is somebody
 * else's memory, or nobody's, a moment later.
 */
static void R4_pages_change_hands_while_evicted(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct mockgpu_evicted result;
	uint64_t end, evicted = 0;
	pid_t pids[3];

	for (unsigned int i = 0; i < ARRAY_SIZE(pids); i++)
		pids[i] = spawn(take_and_free, NULL);
	end = now_ns() + 2 * NS_PER_S;
	while (now_ns() < end) {
		CHECK_EQ(mockgpu_evict_all(dev, &result), 0);
		evicted += result.evicted;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(pids); i++)
		join(pids[i]);
	CHECK_GE(evicted, 1);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(R4_evicted_while_coming_back),
	SCENARIO(R4_touched_and_migrated_while_evicted),
	SCENARIO(R4_evicted_while_touched),
	SCENARIO(R4_eviction_awaits_what_is_busy),
	SCENARIO(R4_threads_touch_what_is_evicted),
	SCENARIO(R4_part_is_unmapped_while_evicted),
	SCENARIO(R4_unmap_of_what_is_half_migrated_while_evicted),
	SCENARIO(R4_pages_change_hands_while_evicted),
	{ 0 }
};
