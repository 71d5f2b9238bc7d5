// SPDX-License-Identifier: MIT
/*
 * Two devices and one memory: what is in the VRAM of the one goes straight to that of the other.
 * Rows J4 and L6; what meets it half-way is in J_races.c, where pages are used in J_places.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "events.h"
#include "huge.h"
#include "pair.h"
#include "points.h"
#include "process.h"
#include "queue.h"

#define MANY	600	/* more than goes in one step */
#define VRAM	MOCKGPU_TARGET_VRAM
#define ALL_OR_NOTHING	MOCKGPU_MIGRATE_ALL_OR_NOTHING
#define MOVED	MOCKGPU_PAGE_MOVED
#define ALREADY	MOCKGPU_PAGE_ALREADY

/* From the one to the other and back: each page once, with no page of system memory between. */
static void goes_straight(void)
{
	uint16_t tag = new_tag();
	void *p = map_filled(MANY, tag);
	struct drm_mockgpu_counters c[2];
	struct arm ram;

	TO_VRAM(pair[0], p, MANY);
	CHECK_ON(p, MANY, 0);
	for (unsigned int i = 0; i < 2; i++)
		c[i] = gpu_counters(pair[i]);
	ram = TALLY(pair[0], "alloc-ram");
	for (unsigned int i = 0; i < 4; i++) {
		unsigned int from = i % 2, to = !from;

		TO_VRAM(pair[to], p, MANY);
		CHECK_ON(p, MANY, to);
		CHECK_COUNTED(pair[from], &c[from], .pages_to_peer = MANY,
			      .vram_used_bytes = -MANY * PAGE);
		CHECK_COUNTED(pair[to], &c[to], .pages_to_vram = MANY, .pages_from_peer = MANY,
			      .vram_used_bytes = MANY * PAGE);
		CHECK_EQ(c[to].client_used_bytes, MANY * PAGE);
		CHECK_EQ(c[from].client_used_bytes, 0);
		/* Either reads them there, and so leaves them. */
		GPU_CHECK_FILL(pair[from], p, MANY, tag, 0);
		GPU_CHECK_FILL(pair[to], p, MANY, tag, 0);
		CHECK_ON(p, MANY, to);
		/* What the next move is to carry. */
		tag = new_tag();
		gpu_fill(pair[i / 2], p, MANY, tag, 0);
		for (unsigned int d = 0; d < 2; d++)
			c[d] = gpu_counters(pair[d]);
	}
	CHECK_EQ(arm_look(ram).hits, 0);
	arm_release(ram);
	CHECK_FILL(p, MANY, tag, 0);
}

static void J4_goes_straight_to_another_device(void)
{
	pair_load(16);
	goes_straight();
}

static void J4_goes_straight_to_another_type(void)
{
	pair_load_mixed(16);
	goes_straight();
}

/* All that a range can have: each page gets there, or says why not, and nothing else is moved. */
static void J4_some_from_here_and_some_from_there(void)
{
	enum { PAGES = 60 };
	uint16_t tag = new_tag();
	struct drm_mockgpu_counters c[2];
	uint8_t want[PAGES];
	char *p;

	pair_load(16);
	p = map_hole(PAGES);
	fill(p, 40, tag, 0);
	TO_VRAM(pair[0], AT(p, 10), 10);
	TO_VRAM(pair[1], AT(p, 20), 10);
	map_fixed(AT(p, 50), 10, PROT_READ | PROT_WRITE, MAP_SHARED, make_memfd(10, tag));
	CHECK_FILL(AT(p, 50), 10, tag, 0);
	for (unsigned int i = 0; i < 2; i++)
		c[i] = gpu_counters(pair[i]);
	memset(want, MOVED, PAGES);
	memset(want + 20, ALREADY, 10);
	memset(want + 50, MOCKGPU_PAGE_FILE, 10);
	CHECK_MIGRATE(pair[1], p, PAGES, VRAM, 0, 0, want);
	CHECK_ON(p, 50, 1);
	CHECK_COUNTED(pair[0], &c[0], .pages_to_peer = 10, .vram_used_bytes = -10 * PAGE);
	CHECK_COUNTED(pair[1], &c[1], .pages_to_vram = 40, .pages_from_peer = 10, .pages_hole = 10,
		      .vram_used_bytes = 40 * PAGE);
	CHECK_FILL(p, 40, tag, 0);
	CHECK_ZERO(AT(p, 40), 10);
}

/* The log of the device that they come to says where they were: at last, what another one had. */
static void J4_the_log_says_from_where(void)
{
	void *p = map_filled(30, new_tag());
	struct log log[2];

	pair_load(16);
	TO_VRAM(pair[0], AT(p, 10), 10);
	for (unsigned int i = 0; i < 2; i++)
		log[i] = log_new(pair[i], 0, KIND(TO_VRAM) | KIND(TO_SYSTEM), 0);
	TO_VRAM(pair[1], p, 30);
	CHECK_RUNS(&log[1], MOCKGPU_EVENT_TO_VRAM, MOCKGPU_CAUSE_MIGRATE, p, 10, 0);
	CHECK_RUNS(&log[1], MOCKGPU_EVENT_TO_VRAM, MOCKGPU_CAUSE_MIGRATE, AT(p, 20), 10, 0);
	CHECK_RUNS(&log[1], MOCKGPU_EVENT_TO_VRAM, MOCKGPU_CAUSE_MIGRATE, AT(p, 10), 10,
		   MOCKGPU_PLACE_DEVICE(0));
	CHECK_QUIET(&log[1]);
	CHECK_QUIET(&log[0]);
	TO_VRAM(pair[0], p, 30);
	CHECK_RUNS(&log[0], MOCKGPU_EVENT_TO_VRAM, MOCKGPU_CAUSE_MIGRATE, p, 30,
		   MOCKGPU_PLACE_DEVICE(1));
	CHECK_QUIET(&log[0]);
	CHECK_QUIET(&log[1]);
}

/* A folio of 2 MiB stays one where there is a place for it, and else comes as single pages. */
static void J4_huge_folio(void)
{
	struct drm_mockgpu_counters c[2];
	uint16_t tag = new_tag();
	struct arm arm;
	char *p;

	pair_load(16);
	gpu_needs(pair[0], MOCKGPU_CAP_HUGE);
	p = huge_in_vram(pair[0], tag);
	for (unsigned int i = 0; i < 2; i++)
		c[i] = gpu_counters(pair[i]);
	TO_VRAM(pair[1], p, N);
	CHECK_ON(p, N, 1);
	CHECK_RES(pair[1], p, N, RW | ORDER, RW | ORDER_9);
	CHECK_COUNTED(pair[0], &c[0], .pages_to_peer = N, .vram_used_bytes = -HUGE);
	CHECK_COUNTED(pair[1], &c[1], .pages_to_vram = N, .pages_from_peer = N,
		      .huge_to_vram = 1, .vram_used_bytes = HUGE);

	/* One page that cannot be copied keeps all of it where it was. */
	arm = BREAK(pair[0], "copy", .first = 300, .count = 1);
	CHECK_MIGRATE(pair[0], p, N, VRAM, 0, 0,
		      ((const uint8_t []){ [0 ... N - 1] = MOCKGPU_PAGE_COPY_FAILED }));
	arm_release(arm);
	CHECK_ON(p, N, 1);
	CHECK_RES(pair[1], p, N, ORDER, ORDER_9);
	CHECK_COUNTED(pair[0], &c[0], .copy_failures = N);

	arm = BREAK(pair[0], "alloc-vram", .count = 1);
	TO_VRAM(pair[0], p, N);
	arm_release(arm);
	CHECK_ON(p, N, 0);
	CHECK_RES(pair[0], p, N, ORDER, 0);
	CHECK_COUNTED(pair[1], &c[1], .pages_to_peer = N, .vram_used_bytes = -HUGE);
	CHECK_COUNTED(pair[0], &c[0], .pages_to_vram = N, .pages_from_peer = N,
		      .vram_used_bytes = HUGE);
	CHECK_FILL(p, N, tag, 0);
}

/* Of a folio of 2 MiB a part is wanted: the rest stays. */
static void J4_part_of_a_huge_folio(void)
{
	uint16_t tag = new_tag();
	char *p;

	pair_load(16);
	gpu_needs(pair[0], MOCKGPU_CAP_HUGE);
	p = huge_in_vram(pair[0], tag);
	TO_VRAM(pair[1], AT(p, 100), 200);
	CHECK_ON(p, 100, 0);
	CHECK_ON(AT(p, 100), 200, 1);
	CHECK_ON(AT(p, 300), 212, 0);
	CHECK_EQ(CHECK_SHARED_OUT(p, N), 312);
	GPU_CHECK_FILL(pair[1], p, N, tag, 0);
	CHECK_EQ(mockgpu_to_vram(pair[1], p, HUGE), 0);
	CHECK_ON(p, N, 1);
	/* Single pages, to where there is room for them in one piece. */
	TO_VRAM(pair[0], p, N);
	CHECK_ON(p, N, 0);
	CHECK_RES(pair[0], p, N, ORDER, 0);
	CHECK_FILL(p, N, tag, 0);
}

/* What could not be copied stays where it was, with what it was, and can go later. */
static void copy_fails(void)
{
	enum { PAGES = 40, HALF = PAGES / 2 };
	uint16_t tag = new_tag();
	struct drm_mockgpu_counters c[2];
	void *p = map_filled(PAGES, tag);
	uint8_t want[PAGES];
	struct arm arm;

	TO_VRAM(pair[0], p, PAGES);
	for (unsigned int i = 0; i < 2; i++)
		c[i] = gpu_counters(pair[i]);
	arm = BREAK(pair[0], "copy", .first = HALF + 1);
	memset(want, MOVED, HALF);
	memset(want + HALF, MOCKGPU_PAGE_COPY_FAILED, HALF);
	CHECK_MIGRATE(pair[1], p, PAGES, VRAM, 0, 0, want);
	arm_release(arm);
	CHECK_ON(p, HALF, 1);
	CHECK_ON(AT(p, HALF), HALF, 0);
	CHECK_COUNTED(pair[0], &c[0], .pages_to_peer = HALF, .vram_used_bytes = -HALF * PAGE);
	CHECK_COUNTED(pair[1], &c[1], .pages_to_vram = HALF, .pages_from_peer = HALF,
		      .copy_failures = HALF, .vram_used_bytes = HALF * PAGE);

	/* All or nothing: it is the last one of those that would have to go. */
	arm = BREAK(pair[0], "copy", .first = HALF);
	memset(want, ALREADY, HALF);
	memset(want + HALF, MOCKGPU_PAGE_NOT_TRIED, HALF - 1);
	want[PAGES - 1] = MOCKGPU_PAGE_COPY_FAILED;
	CHECK_MIGRATE(pair[1], p, PAGES, VRAM, ALL_OR_NOTHING, -EBUSY, want);
	arm_release(arm);
	CHECK_ON(p, HALF, 1);
	CHECK_ON(AT(p, HALF), HALF, 0);
	CHECK_COUNTED(pair[0], &c[0]);
	CHECK_COUNTED(pair[1], &c[1], .copy_failures = 1);

	memset(want + HALF, MOVED, HALF);
	CHECK_MIGRATE(pair[1], p, PAGES, VRAM, ALL_OR_NOTHING, 0, want);
	CHECK_ON(p, PAGES, 1);
	CHECK_COUNTED(pair[0], &c[0], .pages_to_peer = HALF, .vram_used_bytes = -HALF * PAGE);
	CHECK_COUNTED(pair[1], &c[1], .pages_to_vram = HALF, .pages_from_peer = HALF,
		      .vram_used_bytes = HALF * PAGE);
	CHECK_FILL(p, PAGES, tag, 0);
}

static void J4_copy_fails(void)
{
	pair_load(16);
	copy_fails();
}

static void J4_copy_to_another_type_fails(void)
{
	pair_load_mixed(16);
	copy_fails();
}

/* No room: they stay on the device where they are. */
static void J4_no_room(void)
{
	uint16_t tag = new_tag();
	struct drm_mockgpu_counters c[2];
	struct arm arm;
	void *p;

	pair_load(16);
	p = map_filled(20, tag);
	TO_VRAM(pair[0], p, 20);
	for (unsigned int i = 0; i < 2; i++)
		c[i] = gpu_counters(pair[i]);
	arm = BREAK(pair[0], "alloc-vram");
	CHECK_MIGRATE(pair[1], p, 20, VRAM, 0, -ENOMEM,
		      ((const uint8_t []){ [0 ... 19] = MOCKGPU_PAGE_NO_VRAM }));
	arm_release(arm);
	CHECK_ON(p, 20, 0);
	CHECK_COUNTED(pair[0], &c[0]);
	CHECK_COUNTED(pair[1], &c[1], .no_vram = 20);
	TO_VRAM(pair[1], p, 20);
	CHECK_ON(p, 20, 1);
	CHECK_FILL(p, 20, tag, 0);
}

/* Somebody has a page by its frame: it stays, and with all or nothing so do the others. */
static void J4_somebody_holds_a_page(void)
{
	enum { PAGES = 8 };
	uint16_t tag = new_tag();
	struct drm_mockgpu_counters c[2];
	uint8_t want[PAGES];
	uint64_t got[WORDS];
	struct iovec part;
	int fds[2];
	char *p;

	pair_load(16);
	gpu_needs(pair[0], MOCKGPU_CAP_COHERENT);
	p = map_filled(PAGES, tag);
	TO_VRAM(pair[0], p, PAGES);
	CHECK_SYS(pipe(fds));
	part = (struct iovec){ AT(p, 5), PAGE };
	CHECK_EQ(vmsplice(fds[1], &part, 1, 0), PAGE);
	for (unsigned int i = 0; i < 2; i++)
		c[i] = gpu_counters(pair[i]);
	memset(want, MOCKGPU_PAGE_NOT_TRIED, PAGES);
	want[5] = MOCKGPU_PAGE_BUSY;
	CHECK_MIGRATE(pair[1], p, PAGES, VRAM, ALL_OR_NOTHING, -EBUSY, want);
	CHECK_ON(p, PAGES, 0);
	CHECK_COUNTED(pair[0], &c[0]);
	CHECK_COUNTED(pair[1], &c[1]);
	memset(want, MOVED, PAGES);
	want[5] = MOCKGPU_PAGE_BUSY;
	CHECK_MIGRATE(pair[1], p, PAGES, VRAM, 0, 0, want);
	CHECK_ON(AT(p, 5), 1, 0);
	CHECK_EQ(CHECK_SHARED_OUT(p, PAGES), 1);
	CHECK_EQ(read(fds[0], got, PAGE), PAGE);
	CHECK_FILL(got, 1, tag, 5);
	memset(want, ALREADY, PAGES);
	want[5] = MOVED;
	CHECK_MIGRATE(pair[1], p, PAGES, VRAM, ALL_OR_NOTHING, 0, want);
	CHECK_ON(p, PAGES, 1);
	CHECK_FILL(p, PAGES, tag, 0);
}

/* Parent and child share them: they go as one, both find them, and who writes has its own. */
static void J4_shared_after_fork(void)
{
	uint16_t tag = new_tag();
	int go = gate_new();
	pid_t pid;
	void *p;

	pair_load(16);
	p = map_filled(20, tag);
	TO_VRAM(pair[0], p, 20);
	pid = (pid_t)CHECK_SYS(fork());
	if (!pid) {
		gate_wait(go);
		CHECK_FILL(p, 20, tag, 0);
		_exit(0);
	}
	TO_VRAM(pair[1], p, 20);
	CHECK_ON(p, 20, 1);
	CHECK_EQ(CHECK_SHARED_OUT(p, 20), 0);
	gpu_fill(pair[0], p, 20, tag + 1, 0);
	gate_open(go, 1);
	join(pid);
	CHECK_FILL(p, 20, tag + 1, 0);
}

#define PAGES_OF_VRAM	512

/*
 * What was there before is in every byte of the VRAM that pages come to, and they come from VRAM
 * that is used anew at once: nothing of either is to be seen, whatever fails on the way.
 */
static void no_stale_byte(void)
{
	enum { PAGES = 200, ROUNDS = 20 };
	uint16_t canary = new_tag(), tag;
	void *p = map_hole(PAGES), *rest;
	uint64_t failed = 0;

	for (unsigned int round = 0; round < ROUNDS; round++) {
		unsigned int from = round % 2, to = !from;
		struct mockgpu_migrated result;
		struct arm arm;

		rest = map_filled(PAGES_OF_VRAM, canary);
		TO_VRAM(pair[to], rest, PAGES_OF_VRAM);
		CHECK_ON(rest, PAGES_OF_VRAM, to);
		unmap(rest, PAGES_OF_VRAM);
		PAIR_USES(0, 0);

		tag = new_tag();
		fill(p, PAGES, tag, 0);
		TO_VRAM(pair[from], p, PAGES);
		arm = BREAK(pair[from], "copy", .chance = 0x4000, .seed = random_u64());
		CHECK_EQ(mockgpu_migrate(pair[to], p, PAGES * PAGE, VRAM, 0, &result, NULL), 0);
		arm_release(arm);
		CHECK_EQ(result.count[MOVED] + result.count[MOCKGPU_PAGE_COPY_FAILED], PAGES);
		failed += result.count[MOCKGPU_PAGE_COPY_FAILED];
		CHECK_EQ(CHECK_SHARED_OUT(p, PAGES),
			 result.count[from ? MOVED : MOCKGPU_PAGE_COPY_FAILED]);
		/* The source's VRAM, for holes; those that it still has are not in it. */
		rest = map_hole(PAGES_OF_VRAM - PAGES);
		TO_VRAM(pair[from], rest, PAGES_OF_VRAM - PAGES);
		GPU_CHECK_ZERO(pair[to], rest, PAGES_OF_VRAM - PAGES);
		GPU_CHECK_FILL(pair[from], p, PAGES, tag, 0);
		GPU_CHECK_FILL(pair[to], p, PAGES, tag, 0);
		CHECK_ZERO(rest, PAGES_OF_VRAM - PAGES);
		unmap(rest, PAGES_OF_VRAM - PAGES);
		CHECK_FILL(p, PAGES, tag, 0);
		CHECK_EQ(mockgpu_to_system(pair[0], p, PAGES * PAGE), 0);
		PAIR_USES(0, 0);
	}
	CHECK_GE(failed, 1);
}

static void L6_no_stale_byte_from_a_peer(void)
{
	pair_load(2);
	no_stale_byte();
}

static void L6_no_stale_byte_from_another_type(void)
{
	pair_load_mixed(2);
	no_stale_byte();
}

#define RELOADING(name) { #name, name, 120, RELOADS }

const struct scenario scenarios[] = {
	RELOADING(J4_goes_straight_to_another_device),
	RELOADING(J4_goes_straight_to_another_type),
	RELOADING(J4_some_from_here_and_some_from_there),
	RELOADING(J4_the_log_says_from_where),
	RELOADING(J4_huge_folio),
	RELOADING(J4_part_of_a_huge_folio),
	RELOADING(J4_copy_fails),
	RELOADING(J4_copy_to_another_type_fails),
	RELOADING(J4_no_room),
	RELOADING(J4_somebody_holds_a_page),
	RELOADING(J4_shared_after_fork),
	RELOADING(L6_no_stale_byte_from_a_peer),
	RELOADING(L6_no_stale_byte_from_another_type),
	{ 0 }
};
