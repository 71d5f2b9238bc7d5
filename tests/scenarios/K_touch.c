// SPDX-License-Identifier: MIT
/*
 * What advice does when the device touches memory: rows K1 and K3.
 *
 * A touch is an access of a command that reaches the page; results say how many pages moved for it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "module.h"
#include "process.h"
#include "queue.h"

#define HERE MOCKGPU_PLACE_DEVICE(0)

static void advise(struct queue q, void *p, size_t pages, unsigned int attr, uint64_t value)
{
	CHECK_EQ(mockgpu_advise(q.dev, p, pages * PAGE, attr, value), 0);
}

/* Pages in system memory that had better be in the device's VRAM. */
static uint64_t *wanted_here(struct queue q, size_t pages, uint16_t tag)
{
	void *p = map_filled(pages, tag);

	advise(q, p, pages, MOCKGPU_ADVICE_PLACE, HERE);
	return p;
}

/* The device reads the first word of the page, and so many pages move for it. */
static void touches(struct queue q, const uint64_t *page, uint64_t want, uint64_t moves)
{
	struct drm_mockgpu_counters before = gpu_counters(q.dev), now;

	RUN(q, cmd_load(page, 8), .value = want, .done = 8, .migrations = moves);
	now = gpu_counters(q.dev);
	CHECK_EQ(now.pages_touched - before.pages_touched, moves);
	CHECK_EQ(now.pages_to_vram - before.pages_to_vram, moves);
	CHECK_EQ(now.pages_evicted - before.pages_evicted, 0);
}

static void K1_nothing_moves_by_default(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint16_t tag = new_tag();
	uint64_t *p = map_filled(8, tag);

	for (unsigned int i = 0; i < 8; i++)
		touches(q, AT(p, i), fill_word(tag, i, 0), 0);
	CHECK_PLACE(q.dev, p, 8, IN_SYSTEM);
}

static void K1_the_first_touch_moves(void)
{
	struct queue q = queue_new(gpu_open_private());
	uint16_t tag = new_tag();
	uint64_t *p = wanted_here(q, 8, tag);

	touches(q, AT(p, 2), fill_word(tag, 2, 0), 1);
	CHECK_PLACE(q.dev, p, 2, IN_SYSTEM);
	CHECK_PLACE(q.dev, AT(p, 2), 1, IN_VRAM);
	CHECK_PLACE(q.dev, AT(p, 3), 5, IN_SYSTEM);
	touches(q, AT(p, 2), fill_word(tag, 2, 0), 0);
	/* Each kind of access is one: write, atomic operation, and all of a range. */
	RUN(q, cmd_store(AT(p, 3), 8, fill_word(tag, 3, 0)), .done = 8, .migrations = 1);
	RUN(q, cmd_add(AT(p, 4), 8, 1), .value = fill_word(tag, 4, 0), .done = 1,
	    .migrations = 1);
	RUN(q, cmd_atomic(MOCKGPU_ATOMIC_SUB, AT(p, 4), 8, 1, 1),
	    .value = fill_word(tag, 4, 0) + 1, .done = 1);
	CHECK_PLACE(q.dev, AT(p, 2), 3, IN_VRAM);
	RUN(q, cmd_compare(p, p, 8 * PAGE), .value = 8 * PAGE, .done = 8 * PAGE, .migrations = 5);
	CHECK_PLACE(q.dev, p, 8, IN_VRAM);
	CHECK_FILL(p, 8, tag, 0);
	/* The CPU took them; the device's next touch takes them again. */
	touches(q, AT(p, 2), fill_word(tag, 2, 0), 1);
}

/* By the other way to have the device access memory. */
static void K1_the_first_touch_of_a_read(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint16_t tag = new_tag();
	uint64_t *p = wanted_here(q, 8, tag);

	GPU_CHECK_FILL(q.dev, p, 8, tag, 0);
	CHECK_PLACE(q.dev, p, 8, IN_VRAM);
	CHECK_FILL(p, 8, tag, 0);
}

/* Holes: they are made in VRAM. */
static void K1_a_touch_of_nothing(void)
{
	struct queue q = queue_new(gpu_open(0));
	struct drm_mockgpu_counters before = gpu_counters(q.dev);
	uint64_t *p = map_hole(4);

	advise(q, p, 4, MOCKGPU_ADVICE_PLACE, HERE);
	touches(q, p, 0, 1);
	RUN(q, cmd_store(AT(p, 1), 8, 5), .done = 8, .migrations = 1);
	CHECK_EQ(gpu_counters(q.dev).pages_hole - before.pages_hole, 2);
	CHECK_PLACE(q.dev, p, 2, IN_VRAM);
	CHECK_PLACE(q.dev, AT(p, 2), 2, NOWHERE);
	CHECK_ZERO(p, 1);
	CHECK_EQ(p[WORDS], 5);
}

static void K1_the_nth_touch_moves(void)
{
	static const unsigned int counts[] = { 2, 3, 100 };
	struct queue q = queue_new(gpu_open(0));

	for (unsigned int c = 0; c < ARRAY_SIZE(counts); c++) {
		uint16_t tag = new_tag();
		uint64_t *p = wanted_here(q, 4, tag);

		advise(q, p, 4, MOCKGPU_ADVICE_TOUCH, counts[c]);
		for (unsigned int i = 1; i < counts[c]; i++)
			touches(q, AT(p, 1), fill_word(tag, 1, 0), 0);
		CHECK_PLACE(q.dev, p, 4, IN_SYSTEM);
		/* Each page has its own count. */
		touches(q, AT(p, 2), fill_word(tag, 2, 0), 0);
		touches(q, AT(p, 1), fill_word(tag, 1, 0), 1);
		CHECK_PLACE(q.dev, p, 1, IN_SYSTEM);
		CHECK_PLACE(q.dev, AT(p, 1), 1, IN_VRAM);
		CHECK_PLACE(q.dev, AT(p, 2), 2, IN_SYSTEM);
		CHECK_FILL(p, 4, tag, 0);
	}
}

/* Bytes that follow one another are one touch; elements and atomic operations are one each. */
static void K1_what_counts_as_a_touch(void)
{
	struct queue q = queue_new(gpu_open_exclusive());
	static uint64_t values[3], index[] = { 0, 8, 4000 };
	uint16_t tag = new_tag();
	uint64_t *p = wanted_here(q, 20, tag);

	advise(q, p, 20, MOCKGPU_ADVICE_TOUCH, 3);
	RUN(q, cmd_compare(p, AT(p, 10), 0));
	RUN(q, cmd_copy(AT(p, 8), p, 4 * PAGE), .done = 4 * PAGE);
	RUN(q, cmd_copy(AT(p, 8), p, 4 * PAGE), .done = 4 * PAGE);
	CHECK_PLACE(q.dev, p, 20, IN_SYSTEM);
	RUN(q, cmd_copy(AT(p, 8), p, 4 * PAGE), .done = 4 * PAGE, .migrations = 8);
	CHECK_PLACE(q.dev, p, 4, IN_VRAM);
	CHECK_PLACE(q.dev, AT(p, 4), 4, IN_SYSTEM);
	CHECK_PLACE(q.dev, AT(p, 8), 4, IN_VRAM);
	RUN(q, cmd_elements(MOCKGPU_CMD_GATHER, values, AT(p, 5), index, 2, 8), .done = 2);
	CHECK_PLACE(q.dev, AT(p, 5), 1, IN_SYSTEM);
	RUN(q, cmd_elements(MOCKGPU_CMD_GATHER, values, AT(p, 6), index, 3, 8), .done = 3,
	    .migrations = 1);
	CHECK_PLACE(q.dev, AT(p, 6), 1, IN_VRAM);
	RUN(q, cmd_add(AT(p, 15), 8, 2), .value = fill_word(tag, 15, 0) + 1, .done = 2);
	CHECK_PLACE(q.dev, AT(p, 14), 1, IN_SYSTEM);
	RUN(q, cmd_add(AT(p, 16), 8, 3), .value = fill_word(tag, 16, 0) + 2, .done = 3,
	    .migrations = 1);
	CHECK_PLACE(q.dev, AT(p, 16), 1, IN_VRAM);
	CHECK_EQ(*(uint64_t *)AT(p, 15), fill_word(tag, 15, 0) + 2);
	CHECK_EQ(*(uint64_t *)AT(p, 16), fill_word(tag, 16, 0) + 3);
}

/* What takes the page out of the device's page table begins the count anew. */
static void K1_the_count_begins_anew(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint16_t tag = new_tag();
	uint64_t *p = wanted_here(q, 1, tag);

	advise(q, p, 1, MOCKGPU_ADVICE_TOUCH, 3);
	for (unsigned int i = 0; i < 5; i++) {
		touches(q, p, fill_word(tag, 0, 0), 0);
		touches(q, p, fill_word(tag, 0, 0), 0);
		CHECK_SYS(mprotect(p, PAGE, PROT_READ));
		CHECK_SYS(mprotect(p, PAGE, PROT_READ | PROT_WRITE));
	}
	touches(q, p, fill_word(tag, 0, 0), 0);
	touches(q, p, fill_word(tag, 0, 0), 0);
	touches(q, p, fill_word(tag, 0, 0), 1);
	CHECK_FILL(p, 1, tag, 0);
}

static void K1_no_touch_moves(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint16_t tag = new_tag();
	uint64_t *p = wanted_here(q, 2, tag);

	advise(q, p, 2, MOCKGPU_ADVICE_TOUCH, 0);
	for (unsigned int i = 0; i < 150; i++)
		touches(q, p, fill_word(tag, 0, 0), 0);
	RUN(q, cmd_fill(p, PAGE, 8, 7), .done = PAGE);
	CHECK_PLACE(q.dev, p, 2, IN_SYSTEM);
	/* What is there already is used there. */
	TO_VRAM(q.dev, p, 2);
	touches(q, AT(p, 1), fill_word(tag, 1, 0), 0);
	CHECK_PLACE(q.dev, p, 2, IN_VRAM);
}

/* Advice that comes after the page was mapped for the device counts as well. */
static void K1_advice_for_mapped_pages(void)
{
	struct queue q = queue_new(gpu_open_private());
	uint16_t tag = new_tag();
	uint64_t *p = map_filled(2, tag);

	touches(q, p, fill_word(tag, 0, 0), 0);
	advise(q, p, 2, MOCKGPU_ADVICE_PLACE, HERE);
	CHECK_PLACE(q.dev, p, 2, IN_SYSTEM);
	touches(q, p, fill_word(tag, 0, 0), 1);
	/* And when it is taken back. */
	CHECK_FILL(p, 2, tag, 0);
	CHECK_EQ(mockgpu_advise_reset(q.dev, p, 2 * PAGE), 0);
	touches(q, p, fill_word(tag, 0, 0), 0);
	CHECK_PLACE(q.dev, p, 2, IN_SYSTEM);
}

static void K1_mostly_read(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint16_t tag = new_tag();
	uint64_t *p = wanted_here(q, 4, tag);

	advise(q, p, 4, MOCKGPU_ADVICE_READ_MOSTLY, 1);
	for (unsigned int i = 0; i < 10; i++)
		touches(q, p, fill_word(tag, 0, 0), 0);
	CHECK_PLACE(q.dev, p, 4, IN_SYSTEM);
	RUN(q, cmd_store(p, 8, 9), .done = 8, .migrations = 1);
	CHECK_PLACE(q.dev, p, 1, IN_VRAM);
	CHECK_PLACE(q.dev, AT(p, 1), 3, IN_SYSTEM);
	RUN(q, cmd_add(AT(p, 1), 8, 1), .value = fill_word(tag, 1, 0), .done = 1,
	    .migrations = 1);
	CHECK_PLACE(q.dev, AT(p, 1), 1, IN_VRAM);
	/* Reads do not count towards a later touch either. */
	advise(q, p, 4, MOCKGPU_ADVICE_TOUCH, 2);
	touches(q, AT(p, 2), fill_word(tag, 2, 0), 0);
	RUN(q, cmd_store(AT(p, 2), 8, 1), .done = 8);
	CHECK_PLACE(q.dev, AT(p, 2), 1, IN_SYSTEM);
	RUN(q, cmd_store(AT(p, 2), 8, 1), .done = 8, .migrations = 1);
	CHECK_EQ(*p, 9);
}

/* Pages that had better be elsewhere are used where they are. */
static void K1_other_places(void)
{
	static const unsigned int places[] = { MOCKGPU_PLACE_SYSTEM, MOCKGPU_PLACE_DEVICE(1) };
	struct queue q = queue_new(gpu_open(0));

	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		uint16_t tag = new_tag();
		uint64_t *p = map_filled(4, tag);

		advise(q, p, 4, MOCKGPU_ADVICE_PLACE, places[i]);
		TO_VRAM(q.dev, p, 2);
		for (unsigned int page = 0; page < 4; page++)
			touches(q, AT(p, page), fill_word(tag, page, 0), 0);
		CHECK_PLACE(q.dev, p, 2, IN_VRAM);
		CHECK_PLACE(q.dev, AT(p, 2), 2, IN_SYSTEM);
		CHECK_FILL(p, 4, tag, 0);
	}
}

/* Memory that cannot move is used where it is. */
static void K1_what_cannot_move(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint64_t *p = map_arena(2);
	uint16_t tag = new_tag();

	map_fixed(p, 2, PROT_READ | PROT_WRITE, MAP_SHARED, make_memfd(2, tag));
	advise(q, p, 2, MOCKGPU_ADVICE_PLACE, HERE);
	touches(q, p, fill_word(tag, 0, 0), 0);
	RUN(q, cmd_store(p, 8, 77), .done = 8);
	CHECK_EQ(*p, 77);
	CHECK_EQ(*(uint64_t *)AT(p, 1), fill_word(tag, 1, 0));
}

/* 2 MiB; of small pages where the kernel cannot move a part of a huge one. */
static void *huge_or_small(uint16_t tag)
{
	void *p;

	if (!kernel_is_before(6, 19))
		return map_huge(tag);
	p = map_arena(512);
	map_fixed(p, 512, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	fill(p, 512, tag, 0);
	return p;
}

/* A touch takes the aligned piece along: as far as the mapping and the same advice reach. */
static void K1_granularity_of_a_touch(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint16_t tag = new_tag();
	char *p = huge_or_small(tag);

	advise(q, p, 512, MOCKGPU_ADVICE_PLACE, HERE);
	/* Not one huge page any more; else all of it would be one. */
	CHECK_SYS(mprotect(AT(p, 40), PAGE, PROT_READ));
	for (unsigned int order = 0; order <= 5; order++) {
		size_t first = 64UL << order, n = 1UL << order;

		advise(q, p, 512, MOCKGPU_ADVICE_GRANULARITY, order);
		if (first + n > 512)
			first = 480;
		touches(q, AT(p, first + n - 1), fill_word(tag, first + n - 1, 0), n);
		CHECK_PLACE(q.dev, AT(p, first - 1), 1, IN_SYSTEM);
		CHECK_PLACE(q.dev, AT(p, first), n, IN_VRAM);
		TO_SYSTEM(q.dev, AT(p, first), n);
	}
	/* Pages 32 to 63, with an edge at 40 and one at 41. */
	touches(q, AT(p, 33), fill_word(tag, 33, 0), 8);
	CHECK_PLACE(q.dev, AT(p, 32), 8, IN_VRAM);
	CHECK_PLACE(q.dev, AT(p, 40), 24, IN_SYSTEM);
	/* Pages 96 to 127, of which 100 to 109 are advised otherwise. */
	advise(q, AT(p, 100), 10, MOCKGPU_ADVICE_TOUCH, 0);
	touches(q, AT(p, 97), fill_word(tag, 97, 0), 4);
	touches(q, AT(p, 127), fill_word(tag, 127, 0), 18);
	CHECK_PLACE(q.dev, AT(p, 96), 4, IN_VRAM);
	CHECK_PLACE(q.dev, AT(p, 100), 10, IN_SYSTEM);
	CHECK_PLACE(q.dev, AT(p, 110), 18, IN_VRAM);
	CHECK_FILL(p, 512, tag, 0);
}

/* A fault of the device maps what else is there around it. */
static void K1_faults_around(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint16_t tag = new_tag();
	char *p = map_huge(tag);
	struct drm_mockgpu_result result;

	CHECK_SYS(mprotect(AT(p, 500), PAGE, PROT_READ));
	for (unsigned int order = 0; order <= 6; order++) {
		size_t n = 1UL << order, first = 128;

		advise(q, p, 512, MOCKGPU_ADVICE_FAULT_AROUND, order);
		/* Out of the device's page table. */
		CHECK_SYS(mprotect(p, 400 * PAGE, PROT_READ));
		CHECK_SYS(mprotect(p, 400 * PAGE, PROT_READ | PROT_WRITE));
		CHECK_RES(q.dev, p, 400, MOCKGPU_RES_GPU, 0);
		result = RUN(q, cmd_load(AT(p, first + n / 2), 8),
			     .value = fill_word(tag, first + n / 2, 0), .done = 8);
		CHECK_EQ(result.faults, n);
		CHECK_RES(q.dev, AT(p, first - 1), 1, MOCKGPU_RES_GPU, 0);
		CHECK_RES(q.dev, AT(p, first), n, MOCKGPU_RES_GPU, MOCKGPU_RES_GPU);
		CHECK_RES(q.dev, AT(p, first + n), 1, MOCKGPU_RES_GPU, 0);
	}
	/* What is not there is not made, and does not hinder. */
	CHECK_SYS(madvise(AT(p, 130), 3 * PAGE, MADV_DONTNEED));
	CHECK_SYS(mprotect(p, 400 * PAGE, PROT_READ));
	CHECK_SYS(mprotect(p, 400 * PAGE, PROT_READ | PROT_WRITE));
	result = RUN(q, cmd_load(AT(p, 128), 8), .value = fill_word(tag, 128, 0), .done = 8);
	CHECK_EQ(result.faults, 61);
	CHECK_PLACE(q.dev, AT(p, 130), 3, NOWHERE);
	CHECK_RES(q.dev, AT(p, 133), 59, MOCKGPU_RES_GPU, MOCKGPU_RES_GPU);
	/* All of them are right. */
	for (unsigned int i = 133; i < 192; i++) {
		result = RUN(q, cmd_load(AT(p, i), 8), .value = fill_word(tag, i, 0), .done = 8);
		CHECK_EQ(result.faults, 0);
	}
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(K1_nothing_moves_by_default),
	SCENARIO(K1_the_first_touch_moves),
	SCENARIO(K1_the_first_touch_of_a_read),
	SCENARIO(K1_a_touch_of_nothing),
	SCENARIO(K1_the_nth_touch_moves),
	SCENARIO(K1_what_counts_as_a_touch),
	SCENARIO(K1_the_count_begins_anew),
	SCENARIO(K1_no_touch_moves),
	SCENARIO(K1_advice_for_mapped_pages),
	SCENARIO(K1_mostly_read),
	SCENARIO(K1_other_places),
	SCENARIO(K1_what_cannot_move),
	SCENARIO(K1_granularity_of_a_touch),
	SCENARIO(K1_faults_around),
	{ 0 }
};
