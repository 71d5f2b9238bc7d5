// SPDX-License-Identifier: MIT
/* Advice and prefetch where memory is in huge pages: rows K1, K2, B3 and B4. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "huge.h"
#include "process.h"
#include "queue.h"

static void advise(struct mockgpu_device *dev, void *p, unsigned int attr, uint64_t value)
{
	CHECK_EQ(mockgpu_advise(dev, p, HUGE, attr, value), 0);
}

/* One touch, all of it; and one fault, all of it. */
static void K1_a_touch_of_a_huge_page(void)
{
	struct queue q = queue_new(gpu_open_huge());
	uint16_t tag = new_tag();
	char *p = huge_in_system(q.dev, tag);
	struct drm_mockgpu_counters c = gpu_counters(q.dev), now;
	struct drm_mockgpu_result result;

	advise(q.dev, p, MOCKGPU_ADVICE_PLACE, MOCKGPU_PLACE_DEVICE(0));
	advise(q.dev, p, MOCKGPU_ADVICE_GRANULARITY, 9);
	result = RUN(q, cmd_load(AT(p, 300), 8), .value = fill_word(tag, 300, 0), .done = 8,
		     .migrations = N);
	CHECK_EQ(result.faults, 1);
	now = gpu_counters(q.dev);
	CHECK_EQ(now.pages_touched - c.pages_touched, N);
	CHECK_EQ(now.huge_to_vram - c.huge_to_vram, 1);
	CHECK_RES(q.dev, p, N, RES_PLACE | RW | ORDER, IN_VRAM | RW | ORDER_9);
	CHECK_FILL(p, N, tag, 0);
	now = gpu_counters(q.dev);
	CHECK_EQ(now.pages_cpu_fault - c.pages_cpu_fault, N);
	CHECK_EQ(now.huge_to_system - c.huge_to_system, 1);
}

/* A page of it alone, where that is what was asked for: the huge page is no more. */
static void K1_a_touch_of_a_part(void)
{
	struct queue q = queue_new(gpu_open_huge());
	uint16_t tag = new_tag();
	char *p = huge_in_system(q.dev, tag);
	struct drm_mockgpu_counters c = gpu_counters(q.dev);

	advise(q.dev, p, MOCKGPU_ADVICE_PLACE, MOCKGPU_PLACE_DEVICE(0));
	advise(q.dev, p, MOCKGPU_ADVICE_GRANULARITY, 2);
	RUN(q, cmd_store(AT(p, 301), 8, fill_word(tag, 301, 0)), .done = 8, .migrations = 4);
	CHECK_EQ(gpu_counters(q.dev).huge_to_vram, c.huge_to_vram);
	CHECK_PLACE(q.dev, p, 300, IN_SYSTEM);
	CHECK_PLACE(q.dev, AT(p, 300), 4, IN_VRAM);
	CHECK_PLACE(q.dev, AT(p, 304), N - 304, IN_SYSTEM);
	CHECK_FILL(p, N, tag, 0);
}

/* The touches of a page that is mapped 2 MiB at once are those of all of it. */
static void K1_the_third_touch_of_a_huge_page(void)
{
	struct queue q = queue_new(gpu_open_huge());
	uint16_t tag = new_tag();
	char *p = huge_in_system(q.dev, tag);

	advise(q.dev, p, MOCKGPU_ADVICE_PLACE, MOCKGPU_PLACE_DEVICE(0));
	advise(q.dev, p, MOCKGPU_ADVICE_GRANULARITY, 9);
	advise(q.dev, p, MOCKGPU_ADVICE_TOUCH, 3);
	RUN(q, cmd_load(AT(p, 7), 8), .value = fill_word(tag, 7, 0), .done = 8);
	RUN(q, cmd_load(AT(p, 7), 8), .value = fill_word(tag, 7, 0), .done = 8);
	CHECK_PLACE(q.dev, p, N, IN_SYSTEM);
	RUN(q, cmd_load(AT(p, 7), 8), .value = fill_word(tag, 7, 0), .done = 8, .migrations = N);
	CHECK_RES(q.dev, p, N, RES_PLACE | ORDER, IN_VRAM | ORDER_9);
	CHECK_FILL(p, N, tag, 0);
}

static void K2_huge_pages(void)
{
	struct queue q = queue_new(gpu_open_huge());
	uint16_t tag = new_tag();
	char *p = huge_in_system(q.dev, tag), *hole = huge_hole();
	struct drm_mockgpu_counters c = gpu_counters(q.dev), now;
	struct mockgpu_prefetched got;
	struct drm_mockgpu_result result;

	for (unsigned int i = 0; i < 4; i++) {
		CHECK_EQ(mockgpu_prefetch(q.dev, p, HUGE, i % 2 ? MOCKGPU_PLACE_SYSTEM :
					  MOCKGPU_PLACE_DEVICE(0), MOCKGPU_PREFETCH_WRITE, NULL,
					  &got), 0);
		CHECK_EQ(got.moved, N);
		CHECK_EQ(got.stayed, 0);
		CHECK_EQ(got.mapped, N);
		CHECK_RES(q.dev, p, N, RES_PLACE | RW | ORDER | MOCKGPU_RES_GPU_HUGE,
			  (i % 2 ? IN_SYSTEM : IN_VRAM) | RW | ORDER_9 | MOCKGPU_RES_GPU_HUGE);
		result = RUN(q, cmd_compare(p, p, HUGE), .value = HUGE, .done = HUGE);
		CHECK_EQ(result.faults, 0);
		result = RUN(q, cmd_store(AT(p, 500), 8, fill_word(tag, 500, 0)), .done = 8);
		CHECK_EQ(result.faults, 0);
	}
	now = gpu_counters(q.dev);
	CHECK_EQ(now.huge_to_vram - c.huge_to_vram, 2);
	CHECK_EQ(now.huge_to_system - c.huge_to_system, 2);
	CHECK_FILL(p, N, tag, 0);
	/* Made there at once. */
	CHECK_EQ(mockgpu_prefetch(q.dev, hole, HUGE, MOCKGPU_PLACE_DEVICE(0), 0, NULL, &got), 0);
	CHECK_EQ(got.moved, N);
	CHECK_EQ(got.mapped, N);
	CHECK_EQ(gpu_counters(q.dev).huge_to_vram - now.huge_to_vram, 1);
	CHECK_ZERO(hole, N);
}

/* Whatever the granularity: what is mapped 2 MiB at once comes home at once. */
static void B3_a_huge_folio_comes_whole(void)
{
	struct mockgpu_device *dev = gpu_open_huge();
	struct drm_mockgpu_counters c, now;

	for (unsigned int order = 0; order <= 9; order += 3) {
		uint16_t tag = new_tag();
		char *p = huge_in_system(dev, tag);

		advise(dev, p, MOCKGPU_ADVICE_GRANULARITY, order);
		TO_VRAM(dev, p, N);
		c = gpu_counters(dev);
		CHECK_FILL(p, N, tag, 0);
		now = gpu_counters(dev);
		CHECK_EQ(now.pages_cpu_fault - c.pages_cpu_fault, N);
		CHECK_EQ(now.cpu_faults - now.cpu_faults_retried -
			 (c.cpu_faults - c.cpu_faults_retried), 1);
	}
}

#define SLICE	500
#define MS	1000000ULL

static void B4_a_huge_folio_is_held(void)
{
	struct mockgpu_device *dev = gpu_open_huge();
	uint16_t tag = new_tag();
	char *p = huge_in_system(dev, tag);
	struct drm_mockgpu_counters c = gpu_counters(dev), now;
	uint64_t start;

	advise(dev, p, MOCKGPU_ADVICE_TIME_SLICE, SLICE);
	start = now_ns();
	TO_VRAM(dev, p, N);
	CHECK_EQ(*(volatile uint64_t *)AT(p, 77), fill_word(tag, 77, 0));
	/* The kernel counts in ticks of up to 10 ms. */
	CHECK_GE(now_ns() - start, (SLICE - 10) * MS);
	CHECK_LE(now_ns() - start, 2 * NS_PER_S);
	now = gpu_counters(dev);
	CHECK_GE(now.cpu_faults_held - c.cpu_faults_held, 1);
	CHECK_EQ(now.pages_cpu_fault - c.pages_cpu_fault, N);
	/* Eviction does not wait. */
	start = now_ns();
	TO_VRAM(dev, p, N);
	CHECK_EQ(mockgpu_evict(dev, p, HUGE, NULL), 0);
	CHECK_LE(now_ns() - start, (SLICE - 20) * MS);
	CHECK_PLACE(dev, p, N, IN_SYSTEM);
	CHECK_FILL(p, N, tag, 0);
}

/* In part unmapped, it is pages with a slice each. */
static void B4_a_huge_folio_in_parts(void)
{
	struct mockgpu_device *dev = gpu_open_huge();
	uint16_t tag = new_tag();
	char *p = huge_in_system(dev, tag);
	uint64_t start;

	advise(dev, p, MOCKGPU_ADVICE_TIME_SLICE, SLICE);
	start = now_ns();
	TO_VRAM(dev, p, N);
	unmap(AT(p, 100), 10);
	CHECK_EQ(*(volatile uint64_t *)AT(p, 99), fill_word(tag, 99, 0));
	CHECK_GE(now_ns() - start, (SLICE - 10) * MS);
	CHECK_LE(now_ns() - start, 2 * NS_PER_S);
	CHECK_FILL(p, 100, tag, 0);
	CHECK_FILL(AT(p, 110), N - 110, tag, 110);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(K1_a_touch_of_a_huge_page),
	SCENARIO(K1_a_touch_of_a_part),
	SCENARIO(K1_the_third_touch_of_a_huge_page),
	SCENARIO(K2_huge_pages),
	SCENARIO(B3_a_huge_folio_comes_whole),
	SCENARIO(B4_a_huge_folio_is_held),
	SCENARIO(B4_a_huge_folio_in_parts),
	{ 0 }
};
