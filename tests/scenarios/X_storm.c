// SPDX-License-Identifier: MIT
/*
 * Storms: the memory of a process goes to VRAM and comes home all the time, and nobody notices: row
 * X1.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "module.h"
#include "points.h"
#include "storms.h"

static void X1_pages_go_and_come_home_unnoticed(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, target_works);
	pid_t pid = spawn(run_target, &t);
	struct drm_mockgpu_storm_look l;

	AWAIT(dev, l, l.to_vram[MOVED] >= 2 * MANY && l.rounds >= 1);
	if (gpu_has(dev, MOCKGPU_CAP_PRIVATE))
		AWAIT(dev, l, l.cpu_faults && l.pages_cpu_fault);
	CHECK_EQ(l.processes, 1);
	CHECK_EQ(l.over, 0);
	stop_and_join(&t, pid);
	AWAIT(dev, l, !l.processes);
	CHECK_EQ(l.followed, 1);
	CHECK_EQ(l.missed, 0);
	CHECK_EQ(l.left, 0);
	CHECK_GE(l.resident_pages, MANY);
	CHECK_LE(l.covered_pages, l.resident_pages);
	CHECK_EQ(l.to_vram[MOCKGPU_PAGE_COPY_FAILED], 0);
	is_calm(dev);
}

/* All of it moves, and each page at once where nobody is in the way. */
static void X1_a_round_covers_all_memory(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, target_idles);
	pid_t pid = spawn(run_target, &t);
	struct drm_mockgpu_storm_look l;

	gate_wait(t.ready);
	l = storm_look(dev);
	storms_on(dev, 2 * MANY);
	AWAIT(dev, l, l.rounds >= 3);
	CHECK_GE(l.resident_pages, MANY);
	CHECK_GE(l.covered_pages * 10, l.resident_pages * 9);
	gate_open(t.go, 1);
	join(pid);
}

#define HOLES	16384

/* Of a large mapping with few pages these alone move, and no others come to be. */
static void sparse(struct target *t)
{
	uint16_t tag = new_tag();
	char *p = map_hole(HOLES);

	for (size_t i = 0; i < HOLES; i += 64)
		fill(AT(p, i), 1, tag, i);
	gate_open(t->ready, 1);
	gate_wait(t->go);
	for (size_t i = 0; i < HOLES; i++) {
		struct pagemap map = pagemap_of(0, AT(p, i));

		if (i % 64 && (map.present || map.vram))
			FAIL("page %zu has come to be", i);
	}
	for (size_t i = 0; i < HOLES; i += 64)
		CHECK_FILL(AT(p, i), 1, tag, i);
}

static void X1_holes_stay_holes(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, sparse);
	uint64_t before = gpu_counters(dev).pages_hole;
	pid_t pid = spawn(run_target, &t);
	struct drm_mockgpu_storm_look l;

	gate_wait(t.ready);
	storms_on(dev, HOLES / 64);
	AWAIT(dev, l, l.rounds >= 2);
	gate_open(t.go, 1);
	join(pid);
	CHECK_EQ(gpu_counters(dev).pages_hole, before);
}

#define COUNTERS 64

/* The CPU counts, and what the device writes changes nothing. */
static void count(struct target *t)
{
	uint64_t *p = map_filled(COUNTERS, 1), n = 0;

	memset(p, 0, COUNTERS * PAGE);
	while (!atomic_load(t->stop)) {
		for (size_t i = 0; i < COUNTERS * WORDS; i++)
			__atomic_fetch_add(&p[i], 1, __ATOMIC_RELAXED);
		n++;
	}
	for (size_t i = 0; i < COUNTERS * WORDS; i++) {
		if (p[i] != n)
			FAIL("word %zu is %llu after %llu rounds", i, (unsigned long long)p[i],
			     (unsigned long long)n);
	}
}

static void X1_the_device_reads_and_writes_what_is_there(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, count);
	bool exclusive = gpu_has(dev, MOCKGPU_CAP_EXCLUSIVE);
	struct drm_mockgpu_storm_look l;
	pid_t pid;

	t.begin.flags = MOCKGPU_STORM_GPU | MOCKGPU_STORM_RANDOM |
			(exclusive ? MOCKGPU_STORM_EXCLUSIVE : 0);
	pid = spawn(run_target, &t);
	AWAIT(dev, l, l.gpu_reads >= 200 && l.gpu_writes >= 200);
	stop_and_join(&t, pid);
}

/* Begins it as soon as there is memory. */
static void run_target_at_last(void *arg)
{
	struct target *t = arg;
	int ret;

	while ((ret = mockgpu_storm_begin(t->dev, &t->begin)) == -ENOMEM)
		continue;
	CHECK_EQ(ret, 0);
	t->then(t);
}

/* More memory than VRAM: others go, and nothing is lost. */
static void fill_more_than_vram(struct target *t)
{
	size_t pages = gpu_vram_pages(t->dev) + 2048;
	uint16_t tag = new_tag();
	void *p = map_filled(pages, tag);

	gate_open(t->ready, 1);
	while (!atomic_load(t->stop)) {
		size_t at = random_below(pages - 16);

		CHECK_FILL(AT(p, at), 16, tag, at);
	}
	CHECK_FILL(p, pages, tag, 0);
}

static void X1_under_pressure_others_make_room(void)
{
	struct drm_mockgpu_storm_look l;
	struct mockgpu_device *dev;
	struct target t;
	pid_t pid;

	/* Little VRAM, as all of it has to be filled. */
	module_reload(1, 32);
	dev = gpu_open(0);
	t = target_new(dev, fill_more_than_vram);
	t.begin.flags = MOCKGPU_STORM_PRESSURE;
	pid = spawn(run_target, &t);
	gate_wait(t.ready);
	AWAIT(dev, l, l.pages_evicted);
	CHECK_EQ(l.to_system[MOVED], 0);
	stop_and_join(&t, pid);
	mockgpu_close(dev);
	tidy();
}

/* Where there is no memory for the driver's own needs, it is tried again. */
static void X1_without_memory_now_and_then(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	/* One time in eight. */
	struct arm arm = BREAK(dev, "alloc", .chance = 1 << 13, .seed = random_u64());
	struct target t = target_new(dev, target_works);
	pid_t pid = spawn(run_target_at_last, &t);

	storms_on(dev, 4 * MANY);
	CHECK_GE(arm_look(arm).acted, 1);
	arm_release(arm);
	storms_on(dev, MANY);
	stop_and_join(&t, pid);
}

/* Nor does what no CPU touches stay where it is when the device has had it exclusive. */
static void X1_what_was_exclusive_moves_again(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, target_idles);
	struct drm_mockgpu_storm_look l;
	pid_t pid;

	gpu_needs(dev, MOCKGPU_CAP_EXCLUSIVE);
	t.begin.flags = MOCKGPU_STORM_EXCLUSIVE;
	pid = spawn(run_target, &t);
	gate_wait(t.ready);
	/* A quarter of it in each round, or it would have been hard to see. */
	AWAIT(dev, l, l.rounds >= 20);
	CHECK_GE(l.gpu_writes, MANY);
	CHECK_GE(l.resident_pages, MANY);
	storms_on(dev, MANY);
	gate_open(t.go, 1);
	join(pid);
}

STORM(X1_pages_go_and_come_home_unnoticed)
STORM(X1_what_was_exclusive_moves_again)
STORM(X1_a_round_covers_all_memory)
STORM(X1_holes_stay_holes)
STORM(X1_the_device_reads_and_writes_what_is_there)
STORM(X1_without_memory_now_and_then)

const struct scenario scenarios[] = {
	SCENARIO(X1_pages_go_and_come_home_unnoticed),
	SCENARIO(X1_a_round_covers_all_memory),
	SCENARIO(X1_holes_stay_holes),
	SCENARIO(X1_what_was_exclusive_moves_again),
	SCENARIO(X1_the_device_reads_and_writes_what_is_there),
	SCENARIO(X1_without_memory_now_and_then),
	{ "X1_under_pressure_others_make_room", X1_under_pressure_others_make_room, 120, RELOADS },
	{ 0 }
};
