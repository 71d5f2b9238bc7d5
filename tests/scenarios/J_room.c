// SPDX-License-Identifier: MIT
/*
 * VRAM that is full: whose pages make room, whose do not, and what comes of it where there is none.
 * Row J1; working sets that are larger than VRAM are in J_working_set.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "events.h"
#include "huge.h"
#include "module.h"
#include "points.h"
#include "process.h"
#include "queue.h"

#define BLOCK		512UL	/* pages that go together */
#define VRAM		MOCKGPU_TARGET_VRAM
#define ALL_OR_NOTHING	MOCKGPU_MIGRATE_ALL_OR_NOTHING
#define NO_EVICT	MOCKGPU_MIGRATE_NO_EVICT

/* VRAM of so many blocks, all of it free. */
static struct mockgpu_device *reload(unsigned int blocks)
{
	struct mockgpu_device *dev;

	module_reload(1, 2 * blocks);
	dev = gpu_open(0);
	CHECK_EQ(gpu_vram_pages(dev), blocks * BLOCK);
	CHECK_EQ(gpu_counters(dev).vram_used_bytes, 0);
	return dev;
}

/* Pages in VRAM, which had room for them: behind those before, which may end within a block. */
static void *bring(struct mockgpu_device *dev, size_t pages, uint16_t tag)
{
	void *p = map_filled(pages, tag);
	struct drm_mockgpu_counters c = gpu_counters(dev);

	TO_VRAM(dev, p, pages);
	CHECK_COUNTED(dev, &c, .pages_to_vram = pages, .vram_used_bytes = pages * PAGE);
	return p;
}

/* The oldest goes; but not if the device has used it since its last turn. */
static void J1_the_least_recently_used_makes_room(void)
{
	enum { A, B, C, D, E, F };
	static const bool here[] = { [B] = true, [D] = true, [E] = true, [F] = true };
	static const size_t pages[] = { BLOCK, BLOCK, BLOCK, BLOCK, 1, BLOCK };
	struct mockgpu_device *dev = reload(4);
	struct drm_mockgpu_counters c;
	uint16_t tag[ARRAY_SIZE(pages)];
	void *p[ARRAY_SIZE(pages)];

	for (unsigned int i = A; i <= F; i++)
		tag[i] = new_tag();
	for (unsigned int i = A; i <= D; i++)
		p[i] = bring(dev, pages[i], tag[i]);
	p[E] = map_filled(pages[E], tag[E]);
	p[F] = map_filled(pages[F], tag[F]);
	c = gpu_counters(dev);
	TO_VRAM(dev, p[E], pages[E]);
	CHECK_PLACE(dev, p[A], BLOCK, IN_SYSTEM);
	CHECK_COUNTED(dev, &c, .pages_to_vram = 1, .pages_evicted = BLOCK,
		      .pages_evicted_room = BLOCK, .vram_used_bytes = -(BLOCK - 1) * PAGE);
	GPU_CHECK_FILL(dev, p[B], 1, tag[B], 0);
	c = gpu_counters(dev);
	TO_VRAM(dev, p[F], pages[F]);
	for (unsigned int i = A; i <= F; i++)
		CHECK_PLACE(dev, p[i], pages[i], here[i] ? IN_VRAM : IN_SYSTEM);
	CHECK_EQ(gpu_counters(dev).pages_evicted_room - c.pages_evicted_room, BLOCK);
	CHECK_EQ(gpu_counters(dev).vram_used_bytes, (3 * BLOCK + 1) * PAGE);
	for (unsigned int i = A; i <= F; i++) {
		GPU_CHECK_FILL(dev, p[i], pages[i], tag[i], 0);
		CHECK_FILL(p[i], pages[i], tag[i], 0);
	}
}

/* What a call has just brought goes last. */
static void J1_a_call_does_not_evict_what_it_brought(void)
{
	struct mockgpu_device *dev = reload(2);
	uint16_t old = new_tag(), tag = new_tag();
	struct drm_mockgpu_counters c;
	void *other, *p;

	other = bring(dev, 2 * BLOCK, old);
	p = map_filled(BLOCK + 100, tag);
	c = gpu_counters(dev);
	TO_VRAM(dev, p, BLOCK + 100);
	CHECK_PLACE(dev, p, BLOCK + 100, IN_VRAM);
	CHECK_PLACE(dev, other, 2 * BLOCK, IN_SYSTEM);
	CHECK_COUNTED(dev, &c, .pages_to_vram = BLOCK + 100, .pages_evicted = 2 * BLOCK,
		      .pages_evicted_room = 2 * BLOCK,
		      .vram_used_bytes = -(BLOCK - 100) * PAGE);
	CHECK_FILL(other, 2 * BLOCK, old, 0);
	CHECK_FILL(p, BLOCK + 100, tag, 0);
}

/* Half of the range is there already, in a block that others share, and is the oldest. */
static void J1_all_or_nothing_spares_its_own(void)
{
	struct mockgpu_device *dev = reload(2);
	uint16_t tag = new_tag(), first = new_tag(), second = new_tag();
	struct drm_mockgpu_counters c;
	void *p, *rest, *other;
	uint8_t want[600];

	p = map_filled(600, tag);
	TO_VRAM(dev, p, 300);
	rest = bring(dev, BLOCK - 300, first);
	other = bring(dev, BLOCK, second);
	memset(want, MOCKGPU_PAGE_ALREADY, 300);
	memset(want + 300, MOCKGPU_PAGE_MOVED, 300);
	c = gpu_counters(dev);
	CHECK_MIGRATE(dev, p, 600, VRAM, ALL_OR_NOTHING, 0, want);
	CHECK_COUNTED(dev, &c, .pages_to_vram = 300, .pages_evicted = 2 * BLOCK - 300,
		      .pages_evicted_room = 2 * BLOCK - 300,
		      .vram_used_bytes = -(2 * BLOCK - 600) * PAGE);
	CHECK_PLACE(dev, p, 600, IN_VRAM);
	CHECK_PLACE(dev, rest, BLOCK - 300, IN_SYSTEM);
	CHECK_PLACE(dev, other, BLOCK, IN_SYSTEM);
	CHECK_FILL(p, 600, tag, 0);
	CHECK_FILL(rest, BLOCK - 300, first, 0);
	CHECK_FILL(other, BLOCK, second, 0);
}

/* The same where a part of the range is a part of a huge folio, which would go whole. */
static void J1_all_or_nothing_spares_its_own_huge_page(void)
{
	struct mockgpu_device *dev = reload(2);
	uint16_t tag = new_tag(), old = new_tag();
	struct drm_mockgpu_counters c;
	uint8_t want[110];
	char *p, *other;

	gpu_needs(dev, MOCKGPU_CAP_HUGE);
	/* The huge page, and what follows it. */
	p = map_hole(4 * BLOCK);
	p = (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	CHECK_SYS(madvise(p, HUGE, MADV_HUGEPAGE));
	fill(p, BLOCK + 100, tag, 0);
	if (MOCKGPU_RES_ORDER(gpu_res(dev, p)) < 9)
		skip("no huge page to be had");
	TO_VRAM(dev, p, BLOCK);
	CHECK_RES(dev, p, BLOCK, RES_PLACE | ORDER, IN_VRAM | ORDER_9);
	other = bring(dev, BLOCK, old);
	memset(want, MOCKGPU_PAGE_ALREADY, 10);
	memset(want + 10, MOCKGPU_PAGE_MOVED, 100);
	c = gpu_counters(dev);
	CHECK_MIGRATE(dev, AT(p, BLOCK - 10), 110, VRAM, ALL_OR_NOTHING, 0, want);
	CHECK_COUNTED(dev, &c, .pages_to_vram = 100, .pages_evicted = BLOCK,
		      .pages_evicted_room = BLOCK, .vram_used_bytes = -(BLOCK - 100) * PAGE);
	CHECK_PLACE(dev, p, BLOCK + 100, IN_VRAM);
	CHECK_FILL(other, BLOCK, old, 0);
	CHECK_FILL(p, BLOCK + 100, tag, 0);
}

/* All of VRAM for one range; and nobody leaves for one that has no room in the end. */
static void J1_all_or_nothing_of_the_size_of_vram(void)
{
	struct mockgpu_device *dev = reload(2);
	uint16_t tag = new_tag(), old = new_tag();
	struct drm_mockgpu_counters c;
	struct mockgpu_migrated result;
	void *p, *other;

	other = bring(dev, 2 * BLOCK, old);
	p = map_filled(2 * BLOCK + 1, tag);
	c = gpu_counters(dev);
	CHECK_EQ(mockgpu_migrate(dev, p, (2 * BLOCK + 1) * PAGE, VRAM, ALL_OR_NOTHING, &result,
				 NULL), -ENOMEM);
	CHECK_PLACE(dev, other, 2 * BLOCK, IN_VRAM);
	CHECK_EQ(gpu_counters(dev).pages_evicted, c.pages_evicted);
	c = gpu_counters(dev);
	CHECK_MIGRATE(dev, p, 2 * BLOCK, VRAM, ALL_OR_NOTHING, 0, NULL);
	CHECK_COUNTED(dev, &c, .pages_to_vram = 2 * BLOCK, .pages_evicted = 2 * BLOCK,
		      .pages_evicted_room = 2 * BLOCK);
	CHECK_PLACE(dev, p, 2 * BLOCK, IN_VRAM);
	CHECK_FILL(other, 2 * BLOCK, old, 0);
	CHECK_FILL(p, 2 * BLOCK + 1, tag, 0);
}

static void J1_a_call_that_evicts_nothing(void)
{
	struct mockgpu_device *dev = reload(1);
	uint16_t tag = new_tag(), old = new_tag();
	struct drm_mockgpu_counters c;
	uint8_t want[8];
	void *p, *other;

	other = bring(dev, BLOCK, old);
	p = map_filled(8, tag);
	memset(want, MOCKGPU_PAGE_NO_VRAM, sizeof(want));
	c = gpu_counters(dev);
	CHECK_MIGRATE(dev, p, 8, VRAM, NO_EVICT, -ENOMEM, want);
	CHECK_COUNTED(dev, &c, .no_vram = 8);
	CHECK_PLACE(dev, p, 8, IN_SYSTEM);
	CHECK_PLACE(dev, other, BLOCK, IN_VRAM);
	/* It is a flag of the call. */
	TO_VRAM(dev, p, 8);
	CHECK_PLACE(dev, p, 8, IN_VRAM);
	CHECK_FILL(other, BLOCK, old, 0);
	CHECK_FILL(p, 8, tag, 0);
}

struct holder {
	int ready, go;
	uint16_t tag;
};

static void hold_vram(void *arg)
{
	struct holder *holder = arg;
	struct mockgpu_device *dev = gpu_open(0);
	void *p = bring(dev, BLOCK, holder->tag);

	gate_open(holder->ready, 1);
	gate_wait(holder->go);
	CHECK_PLACE(dev, p, BLOCK, IN_SYSTEM);
	GPU_CHECK_FILL(dev, p, BLOCK, holder->tag, 0);
	CHECK_FILL(p, BLOCK, holder->tag, 0);
}

/* Pages that went so many, by the log. */
static void check_log(struct log *log, size_t pages)
{
	struct drm_mockgpu_event e;

	while (pages) {
		e = log_next(log);
		CHECK_EQ(e.kind, MOCKGPU_EVENT_EVICT);
		CHECK_EQ(e.cause, MOCKGPU_EVICTED_ROOM);
		CHECK_EQ(e.addr, 0);
		CHECK_LE(e.len / PAGE, pages);
		pages -= e.len / PAGE;
	}
	CHECK_QUIET(log);
}

/* Another process has all of VRAM; a touch, a wish, a fetch and an atomic want some. */
static void J1_another_process_makes_room(void)
{
	for (unsigned int i = 0; i < 4; i++) {
		struct mockgpu_device *dev = reload(1);
		struct holder holder = { gate_new(), gate_new(), new_tag() };
		pid_t pid = spawn(hold_vram, &holder);
		struct queue q = queue_new(dev);
		struct log log = log_new(dev, MOCKGPU_LOG_ALL, KIND(EVICT), 0);
		struct drm_mockgpu_counters c;
		struct mockgpu_prefetched done;
		uint16_t tag = new_tag();
		void *p = map_filled(1, tag);

		gate_wait(holder.ready);
		c = gpu_counters(dev);
		switch (i) {
		case 0:
			CHECK_EQ(mockgpu_advise(dev, p, PAGE, MOCKGPU_ADVICE_MUST_VRAM, 1), 0);
			RUN(q, cmd_load(p, 8), .value = fill_word(tag, 0, 0), .done = 8,
			    .migrations = 1);
			break;
		case 1:
			CHECK_EQ(mockgpu_advise(dev, p, PAGE, MOCKGPU_ADVICE_PLACE,
						MOCKGPU_PLACE_DEVICE(0)), 0);
			RUN(q, cmd_store(p, 8, fill_word(tag, 0, 0)), .done = 8, .migrations = 1);
			break;
		case 2:
			CHECK_EQ(mockgpu_prefetch(dev, p, PAGE, MOCKGPU_PLACE_DEVICE(0), 0, NULL,
						  &done), 0);
			CHECK_EQ(done.moved, 1);
			CHECK_EQ(done.mapped, 1);
			break;
		default:
			CHECK_EQ(mockgpu_advise(dev, p, PAGE, MOCKGPU_ADVICE_ATOMIC,
						MOCKGPU_ATOMICS_MIGRATE), 0);
			RUN(q, cmd_atomic(MOCKGPU_ATOMIC_OR, p, 8, 0, 1), .done = 1,
			    .value = fill_word(tag, 0, 0), .migrations = 1);
		}
		CHECK_PLACE(dev, p, 1, IN_VRAM);
		CHECK_EQ(gpu_counters(dev).pages_evicted_room - c.pages_evicted_room, BLOCK);
		CHECK_EQ(gpu_counters(dev).pages_to_vram - c.pages_to_vram, 1);
		check_log(&log, BLOCK);
		log_close(&log);
		gate_open(holder.go, 1);
		join(pid);
		TO_SYSTEM(dev, p, 1);
		CHECK_FILL(p, 1, tag, 0);
		queue_destroy(q);
		mockgpu_close(dev);
	}
}

/* Pipes that hold all pages of a block, as direct I/O would. */
static void pin_block(void *p, int pipes[2][2])
{
	for (unsigned int i = 0; i < 2; i++) {
		struct iovec part = { AT(p, i * BLOCK / 2), BLOCK / 2 * PAGE };

		CHECK_SYS(pipe2(pipes[i], O_CLOEXEC));
		CHECK_GE(fcntl(pipes[i][1], F_SETPIPE_SZ, BLOCK / 2 * PAGE), BLOCK / 2 * PAGE);
		CHECK_EQ(vmsplice(pipes[i][1], &part, 1, 0), BLOCK / 2 * PAGE);
	}
}

/* Pages that are pinned where they are: coherent ones. */
static void J1_no_room_beside_pinned_pages(void)
{
	struct mockgpu_device *dev = reload(1);
	uint16_t tag = new_tag(), old = new_tag();
	struct drm_mockgpu_counters c;
	struct queue q = queue_new(dev);
	int pipes[2][2];
	uint64_t start;
	uint8_t want[8];
	void *p, *pinned;

	gpu_needs(dev, MOCKGPU_CAP_COHERENT);
	pinned = bring(dev, BLOCK, old);
	pin_block(pinned, pipes);
	p = map_filled(8, tag);
	memset(want, MOCKGPU_PAGE_NO_VRAM, sizeof(want));
	c = gpu_counters(dev);
	start = now_ns();
	CHECK_MIGRATE(dev, p, 8, VRAM, 0, -ENOMEM, want);
	/* Once it is spared, as it is in use, and once tried; then it is tried twice. */
	CHECK_COUNTED(dev, &c, .no_vram = 8, .evict_passed_over = BLOCK);
	CHECK_MIGRATE(dev, p, 8, VRAM, ALL_OR_NOTHING, -ENOMEM, want);
	CHECK_COUNTED(dev, &c, .no_vram = 8, .evict_passed_over = 2 * BLOCK);
	CHECK_EQ(mockgpu_advise(dev, p, PAGE, MOCKGPU_ADVICE_MUST_VRAM, 1), 0);
	RUN(q, cmd_load(p, 8), .error = -ENOMEM, .fault_addr = addr_of(p),
	    .access = MOCKGPU_ACCESS_READ);
	CHECK_LE(now_ns() - start, 3 * BOUND_NS);
	CHECK_PLACE(dev, pinned, BLOCK, IN_VRAM);
	CHECK_PLACE(dev, p, 8, IN_SYSTEM);
	for (unsigned int i = 0; i < 2; i++) {
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
	RUN(q, cmd_load(p, 8), .value = fill_word(tag, 0, 0), .done = 8, .migrations = 1);
	CHECK_PLACE(dev, pinned, BLOCK, IN_SYSTEM);
	CHECK_FILL(pinned, BLOCK, old, 0);
	CHECK_FILL(p, 8, tag, 0);
}

#define RELOADING(name) { #name, name, 0, RELOADS }

const struct scenario scenarios[] = {
	RELOADING(J1_the_least_recently_used_makes_room),
	RELOADING(J1_a_call_does_not_evict_what_it_brought),
	RELOADING(J1_all_or_nothing_spares_its_own),
	RELOADING(J1_all_or_nothing_spares_its_own_huge_page),
	RELOADING(J1_all_or_nothing_of_the_size_of_vram),
	RELOADING(J1_a_call_that_evicts_nothing),
	RELOADING(J1_another_process_makes_room),
	RELOADING(J1_no_room_beside_pinned_pages),
	{ 0 }
};
