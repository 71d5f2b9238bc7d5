// SPDX-License-Identifier: MIT
/*
 * What meets somebody who makes room in a full VRAM and is half-way: touches of what is to go,
 * unmapping of it, the end of its owner, another one who makes room; and the maker's own end.
 *
 * No lock is held by who makes room, but the pages that are to go.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "module.h"
#include "points.h"
#include "process.h"

#define BLOCK	512UL
#define AWHILE	(50 * slowness())	/* ms in which what does not wait would have happened */

static struct {
	char *p;
	size_t pages;
	uint16_t tag;
	struct mockgpu_device *dev;	/* the director's */
	struct actor *owner, *maker, *other;
	struct drm_mockgpu_counters before;
} t;

static const char *const points[] = { "evict-collected", "evict-copied" };

/* VRAM of so many blocks. */
static void set_up(unsigned int blocks)
{
	module_reload(1, 2 * blocks);
	t.pages = blocks * BLOCK;
	t.p = map_hole(t.pages);
	t.tag = new_tag();
	t.owner = actor_new();
	t.maker = actor_new();
	t.other = actor_new();
	t.dev = gpu_open(0);
	CHECK_EQ(gpu_vram_pages(t.dev), t.pages);
}

static void tear_down(void)
{
	mockgpu_close(t.dev);
	unmap(t.p, t.pages);
}

/* Has all of VRAM. */
static void own_vram(void)
{
	struct mockgpu_device *dev = gpu_open(0);

	fill(t.p, t.pages, t.tag, 0);
	TO_VRAM(dev, t.p, t.pages);
	mockgpu_close(dev);
}

/* Wants one page of it, and has it until told to end. */
static void make_room(struct actor *self)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = map_filled(1, tag);

	cue(self);
	TO_VRAM(dev, p, 1);
	CHECK_PLACE(dev, p, 1, IN_VRAM);
	GPU_CHECK_FILL(dev, p, 1, tag, 0);
	CHECK_EQ(mockgpu_to_system(dev, p, PAGE), 0);
	CHECK_FILL(p, 1, tag, 0);
}

/* The owner and the maker are there, the maker is half-way. */
static struct arm begin(void (*owner)(struct actor *self), const char *point)
{
	struct arm arm;

	actor_start(t.owner, owner);
	actor_start(t.maker, make_room);
	t.before = gpu_counters(t.dev);
	arm = HOLD(t.dev, point, .count = 1);
	actor_go(t.maker);
	AWAIT_HELD(arm);
	return arm;
}

/* All is over, and so many pages made room for the one that came and went. */
static void check_end(size_t evicted)
{
	CHECK_COUNTED(t.dev, &t.before, .pages_to_vram = 1, .pages_to_system = 1,
		      .pages_evicted = evicted, .pages_evicted_room = evicted, .gpu_faults = 1,
		      .gpu_bytes_read = PAGE, .vram_used_bytes = -t.pages * PAGE);
}

static void touch(struct actor *self)
{
	own_vram();
	cue(self);
	CHECK_FILL(t.p, t.pages, t.tag, 0);
}

static void R4_what_makes_room_is_touched(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(points); i++) {
		struct arm arm;

		set_up(1);
		arm = begin(touch, points[i]);
		actor_go(t.owner);
		CHECK(!actor_done(t.owner, AWHILE));
		arm_release(arm);
		actor_join(t.owner);
		actor_join(t.maker);
		check_end(BLOCK);
		tear_down();
	}
}

static void unmap_half(struct actor *self)
{
	own_vram();
	cue(self);
	CHECK_SYS(munmap(AT(t.p, BLOCK / 4), BLOCK / 2 * PAGE));
	gate_open(self->done, 1);
	CHECK_FILL(t.p, BLOCK / 4, t.tag, 0);
	CHECK_FILL(AT(t.p, BLOCK / 4 * 3), BLOCK / 4, t.tag, BLOCK / 4 * 3);
	CHECK(!can_read(AT(t.p, BLOCK / 4)) && !can_read(AT(t.p, BLOCK / 4 * 3 - 1)));
}

/* It does not wait. */
static void R4_what_makes_room_is_unmapped(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(points); i++) {
		struct arm arm;

		set_up(1);
		arm = begin(unmap_half, points[i]);
		actor_go(t.owner);
		CHECK(actor_done(t.owner, 5000));
		arm_release(arm);
		join(t.owner->pid);
		actor_join(t.maker);
		check_end(BLOCK);
		tear_down();
	}
}

static void wait_for_the_end(struct actor *self)
{
	own_vram();
	cue(self);
}

static void kill_at_once(pid_t pid)
{
	uint64_t start = now_ns();

	CHECK_SYS(kill(pid, SIGKILL));
	join_killed(pid, SIGKILL);
	CHECK_LE(now_ns() - start, BOUND_NS);
}

/* Nor does the end of the owner. */
static void R4_who_has_what_makes_room_is_killed(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(points); i++) {
		struct arm arm;

		set_up(1);
		arm = begin(wait_for_the_end, points[i]);
		kill_at_once(t.owner->pid);
		arm_release(arm);
		actor_join(t.maker);
		check_end(BLOCK);
		tear_down();
	}
}

/* The maker's own does not wait for a release; what was on its way arrives. */
static void R4_who_makes_room_is_killed(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(points); i++) {
		struct arm arm;

		set_up(1);
		arm = begin(touch, points[i]);
		kill_at_once(t.maker->pid);
		arm_release(arm);
		CHECK_COUNTED(t.dev, &t.before, .pages_evicted = BLOCK,
			      .pages_evicted_room = BLOCK, .vram_used_bytes = -BLOCK * PAGE);
		actor_go(t.owner);
		actor_join(t.owner);
		CHECK_COUNTED(t.dev, &t.before);
		tear_down();
	}
}

/* Both want room in the one block that there is: the second waits for what the first makes. */
static void R4_two_make_room_in_one_block(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(points); i++) {
		struct drm_mockgpu_counters now;
		struct arm arm;

		set_up(1);
		actor_start(t.other, make_room);
		arm = begin(touch, points[i]);
		actor_go(t.other);
		CHECK(!actor_done(t.other, AWHILE));
		arm_release(arm);
		actor_join(t.maker);
		actor_join(t.other);
		now = gpu_counters(t.dev);
		CHECK_EQ(now.pages_to_vram - t.before.pages_to_vram, 2);
		/* A page at which the second looks when the first is to move it stays. */
		CHECK_GE(now.pages_evicted_room, t.before.pages_evicted_room + 1);
		CHECK_EQ((now.pages_evicted_room - t.before.pages_evicted_room) * PAGE,
			 t.before.vram_used_bytes - now.vram_used_bytes);
		CHECK_EQ(now.no_vram, t.before.no_vram);
		actor_go(t.owner);
		actor_join(t.owner);
		tear_down();
	}
}

/* Of two blocks, one is on its way: the second takes the other, at once. */
static void R4_two_make_room_in_two_blocks(void)
{
	static const char *const from[] = { "evict", "evict-collected", "evict-copied" };

	for (unsigned int i = 0; i < ARRAY_SIZE(from); i++) {
		struct drm_mockgpu_counters now;
		struct arm arm;

		set_up(2);
		actor_start(t.other, make_room);
		arm = begin(touch, from[i]);
		actor_go(t.other);
		CHECK(actor_done(t.other, 5000));
		join(t.other->pid);
		arm_release(arm);
		actor_join(t.maker);
		now = gpu_counters(t.dev);
		CHECK_EQ(now.pages_to_vram - t.before.pages_to_vram, 2);
		CHECK_EQ(now.pages_evicted_room - t.before.pages_evicted_room, 2 * BLOCK);
		CHECK_EQ(now.no_vram, t.before.no_vram);
		actor_go(t.owner);
		actor_join(t.owner);
		tear_down();
	}
}

static void use_what_comes_and_goes(void *arg)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint64_t end = now_ns() + 2 * NS_PER_S;

	while (now_ns() < end) {
		uint16_t tag = new_tag();
		void *p = map_filled(BLOCK, tag);
		int ret = mockgpu_migrate(dev, p, BLOCK * PAGE, MOCKGPU_TARGET_VRAM, 0, NULL, NULL);

		CHECK(!ret || ret == -ENOMEM);
		if (random_below(2))
			CHECK_FILL(p, BLOCK, tag, 0);
		unmap(p, BLOCK);
	}
}

/* Pages are taken, touched, freed and unmapped, all in one block that each wants for himself. */
static void R4_all_want_the_same_block(void)
{
	pid_t pids[4];

	set_up(1);
	for (unsigned int i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = spawn(use_what_comes_and_goes, NULL);
		random_u64();
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(pids); i++)
		join(pids[i]);
	CHECK_GE(gpu_counters(t.dev).pages_evicted_room, 1);
}

#define RELOADING(name) { #name, name, 0, RELOADS }

const struct scenario scenarios[] = {
	RELOADING(R4_what_makes_room_is_touched),
	RELOADING(R4_what_makes_room_is_unmapped),
	RELOADING(R4_who_has_what_makes_room_is_killed),
	RELOADING(R4_who_makes_room_is_killed),
	RELOADING(R4_two_make_room_in_one_block),
	RELOADING(R4_two_make_room_in_two_blocks),
	RELOADING(R4_all_want_the_same_block),
	{ 0 }
};
