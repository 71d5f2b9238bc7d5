// SPDX-License-Identifier: MIT
/* Moving pages between system memory and VRAM: rows A1, A2 and A6. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "gpu.h"

#define MOVED		MOCKGPU_PAGE_MOVED
#define ALREADY		MOCKGPU_PAGE_ALREADY
#define ABSENT		MOCKGPU_PAGE_ABSENT
#define VRAM		MOCKGPU_TARGET_VRAM
#define SYSTEM		MOCKGPU_TARGET_SYSTEM
#define ALL_OR_NOTHING	MOCKGPU_MIGRATE_ALL_OR_NOTHING
#define NO_EVICT	MOCKGPU_MIGRATE_NO_EVICT

/* N pages that span several batches and 2 MiB blocks, and are aligned to neither. */
#define N 1100

static void A1_cpu_touch_brings_back(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);
	struct drm_mockgpu_counters c = gpu_counters(dev);

	CHECK_PLACE(dev, p, N, IN_SYSTEM);
	TO_VRAM(dev, p, N);
	CHECK_PLACE(dev, p, N, IN_VRAM);
	CHECK_EQ(rss_of(p), N);
	CHECK_COUNTED(dev, &c, .pages_to_vram = N, .vram_used_bytes = N * PAGE);

	GPU_CHECK_FILL(dev, p, N, tag, 0);
	CHECK_PLACE(dev, p, N, IN_VRAM);
	CHECK_COUNTED(dev, &c, .gpu_faults = N, .gpu_bytes_read = N * PAGE);

	/* One page comes back for each that is touched, and no other. */
	CHECK_FILL(AT(p, 7), 1, tag, 7);
	CHECK_PLACE(dev, p, 7, IN_VRAM);
	CHECK_PLACE(dev, AT(p, 7), 1, TOUCHED(dev));
	CHECK_PLACE(dev, AT(p, 8), N - 8, IN_VRAM);
	CHECK_COUNTED(dev, &c, .pages_cpu_fault = 1, .vram_used_bytes = -PAGE);

	CHECK_FILL(p, N, tag, 0);
	CHECK_PLACE(dev, p, N, TOUCHED(dev));
	CHECK_EQ(rss_of(p), N);
	CHECK_COUNTED(dev, &c, .pages_cpu_fault = N - 1, .vram_used_bytes = -(N - 1) * PAGE);
}

static void A1_device_writes_come_back(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t old = new_tag(), new = new_tag();
	void *p = map_filled(N, old);
	struct drm_mockgpu_counters c;

	TO_VRAM(dev, p, N);
	c = gpu_counters(dev);
	gpu_fill(dev, p, N / 2, new, 0);
	CHECK_PLACE(dev, p, N, IN_VRAM);
	CHECK_COUNTED(dev, &c, .gpu_faults = N / 2, .gpu_bytes_written = N / 2 * PAGE);
	CHECK_FILL(p, N / 2, new, 0);
	CHECK_FILL(AT(p, N / 2), N - N / 2, old, N / 2);
	CHECK_COUNTED(dev, &c, .pages_cpu_fault = N, .vram_used_bytes = -N * PAGE);
}

static void A1_migrate_back(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);
	struct drm_mockgpu_counters c = gpu_counters(dev);

	for (unsigned int round = 0; round < 5; round++) {
		TO_VRAM(dev, p, N);
		CHECK_PLACE(dev, p, N, IN_VRAM);
		CHECK_COUNTED(dev, &c, .pages_to_vram = N, .vram_used_bytes = N * PAGE);
		TO_SYSTEM(dev, p, N);
		CHECK_PLACE(dev, p, N, IN_SYSTEM);
		CHECK_COUNTED(dev, &c, .pages_to_system = N, .vram_used_bytes = -N * PAGE);
	}
	CHECK_FILL(p, N, tag, 0);
	CHECK_COUNTED(dev, &c);
}

static void A1_evict(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);
	struct mockgpu_evicted evicted;
	struct drm_mockgpu_counters c;

	TO_VRAM(dev, p, N);
	c = gpu_counters(dev);
	CHECK_EQ(mockgpu_evict(dev, AT(p, 100), 50 * PAGE, &evicted), 0);
	CHECK_EQ(evicted.evicted, 50);
	CHECK_EQ(evicted.busy, 0);
	CHECK_PLACE(dev, p, 100, IN_VRAM);
	CHECK_PLACE(dev, AT(p, 100), 50, IN_SYSTEM);
	CHECK_PLACE(dev, AT(p, 150), N - 150, IN_VRAM);
	CHECK_COUNTED(dev, &c, .pages_evicted = 50, .vram_used_bytes = -50 * PAGE);

	CHECK_EQ(mockgpu_evict_all(dev, &evicted), 0);
	CHECK_EQ(evicted.evicted, N - 50);
	CHECK_EQ(evicted.busy, 0);
	CHECK_PLACE(dev, p, N, IN_SYSTEM);
	CHECK_COUNTED(dev, &c, .pages_evicted = N - 50, .vram_used_bytes = -(N - 50) * PAGE);
	CHECK_FILL(p, N, tag, 0);
	CHECK_COUNTED(dev, &c);
}

static void A1_there_already(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = map_hole(6);
	uint8_t want[6];
	struct drm_mockgpu_counters c = gpu_counters(dev);

	fill(p, 4, tag, 0);
	memset(want, ALREADY, sizeof(want));
	want[4] = want[5] = ABSENT;
	CHECK_MIGRATE(dev, p, 6, SYSTEM, 0, 0, want);
	CHECK_MIGRATE(dev, p, 6, SYSTEM, ALL_OR_NOTHING, 0, want);
	CHECK_COUNTED(dev, &c);
	TO_VRAM(dev, p, 6);
	CHECK_COUNTED(dev, &c, .pages_to_vram = 6, .pages_hole = 2, .vram_used_bytes = 6 * PAGE);
	memset(want, ALREADY, sizeof(want));
	CHECK_MIGRATE(dev, p, 6, VRAM, 0, 0, want);
	CHECK_MIGRATE(dev, p, 6, VRAM, ALL_OR_NOTHING, 0, want);
	CHECK_COUNTED(dev, &c);
	CHECK_FILL(p, 4, tag, 0);
	CHECK_ZERO(AT(p, 4), 2);
}

/* Transparent huge pages are what a program has by default. */
static void A1_huge_page(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	char *p = map_huge(tag);
	struct drm_mockgpu_counters c;

	if (MOCKGPU_RES_ORDER(gpu_res(dev, p)) < 9)
		skip("no huge page to be had");
	c = gpu_counters(dev);
	TO_VRAM(dev, p, 512);
	CHECK_PLACE(dev, p, 512, IN_VRAM);
	CHECK_EQ(gpu_counters(dev).pages_to_vram - c.pages_to_vram, 512);
	c = gpu_counters(dev);
	GPU_CHECK_FILL(dev, p, 512, tag, 0);
	CHECK_FILL(p, 512, tag, 0);
	CHECK_PLACE(dev, p, 512, TOUCHED(dev));
	if (gpu_has(dev, MOCKGPU_CAP_PRIVATE))
		CHECK_EQ(gpu_counters(dev).vram_used_bytes, c.vram_used_bytes - HUGE);
}

static void A2_hole(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	void *p = map_hole(N);
	struct drm_mockgpu_counters c = gpu_counters(dev);
	size_t total;

	CHECK_EQ(rss_of(p), 0);
	CHECK_PLACE(dev, p, N, NOWHERE);
	total = rss_total();
	TO_VRAM(dev, p, N);
	CHECK_EQ(rss_of(p), N);
	CHECK_GE(rss_total(), total + N);
	CHECK_PLACE(dev, p, N, IN_VRAM);
	CHECK_RES(dev, p, N, RW, RW);
	CHECK_COUNTED(dev, &c, .pages_to_vram = N, .pages_hole = N, .vram_used_bytes = N * PAGE);
	GPU_CHECK_ZERO(dev, p, N);
	CHECK_COUNTED(dev, &c, .gpu_faults = N, .gpu_bytes_read = N * PAGE);
	CHECK_ZERO(p, N);
	CHECK_EQ(rss_of(p), N);
	CHECK_COUNTED(dev, &c, .pages_cpu_fault = N, .vram_used_bytes = -N * PAGE);
}

static void A2_zero_page(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = map_hole(N);
	struct drm_mockgpu_counters c = gpu_counters(dev);

	CHECK_ZERO(p, N);
	CHECK_PLACE(dev, p, N, IN_SYSTEM | MOCKGPU_RES_ZERO);
	CHECK_EQ(rss_of(p), 0);
	TO_VRAM(dev, p, N);
	CHECK_EQ(rss_of(p), N);
	CHECK_PLACE(dev, p, N, IN_VRAM);
	CHECK_COUNTED(dev, &c, .pages_to_vram = N, .pages_hole = N, .vram_used_bytes = N * PAGE);
	GPU_CHECK_ZERO(dev, p, N);
	/* Each is a page of its own now, not the shared one. */
	gpu_fill(dev, AT(p, 3), 1, tag, 3);
	CHECK_ZERO(p, 3);
	CHECK_FILL(AT(p, 3), 1, tag, 3);
	CHECK_ZERO(AT(p, 4), N - 4);
	CHECK_EQ(rss_of(p), N);
}

static void A2_hole_filled_in_vram_read_only(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	void *p = map_hole(8);
	uint64_t word = 1;

	CHECK_SYS(mprotect(p, 8 * PAGE, PROT_READ));
	TO_VRAM(dev, p, 8);
	CHECK_PLACE(dev, p, 8, IN_VRAM);
	CHECK_RES(dev, p, 8, RW, MOCKGPU_RES_READ);
	CHECK_WRITE(dev, p, &word, 8, -EPERM, .fault_addr = (uintptr_t)p);
	GPU_CHECK_ZERO(dev, p, 8);
	CHECK_ZERO(p, 8);
}

static void A6_larger_than_vram(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	size_t room = gpu_vram_pages(dev), pages = room + 777;
	uint8_t *status = malloc(pages);
	uint16_t tag = new_tag();
	void *p = map_filled(pages, tag);
	struct mockgpu_migrated result;
	struct drm_mockgpu_counters c = gpu_counters(dev);

	CHECK_EQ(c.vram_used_bytes, 0);
	CHECK_EQ(mockgpu_migrate(dev, p, pages * PAGE, VRAM, NO_EVICT, &result, status), -ENOMEM);
	CHECK_EQ(result.count[MOVED], room);
	CHECK_EQ(result.count[MOCKGPU_PAGE_NO_VRAM], 777);
	CHECK_COUNTED(dev, &c, .pages_to_vram = room, .no_vram = 777,
		      .vram_used_bytes = room * PAGE);
	for (size_t i = 0; i < pages; i++) {
		size_t n = i;

		while (n < pages && status[n] == status[i])
			n++;
		CHECK(status[i] == MOVED || status[i] == MOCKGPU_PAGE_NO_VRAM);
		CHECK_PLACE(dev, AT(p, i), n - i, status[i] == MOVED ? IN_VRAM : IN_SYSTEM);
		i = n - 1;
	}
	GPU_CHECK_FILL(dev, p, pages, tag, 0);
	/* Where there is room again, the rest goes too. */
	TO_SYSTEM(dev, p, 1000);
	TO_VRAM(dev, AT(p, room), 777);
	CHECK_FILL(p, pages, tag, 0);
	CHECK_EQ(gpu_counters(dev).vram_used_bytes, 0);
}

static void A6_batches_and_alignment(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	enum { PAGES = 3 * 512 + 17 };
	uint16_t tag = new_tag();
	void *p = map_hole(PAGES + 512);
	uint8_t want[PAGES];
	unsigned int holes = 0, already = 0;
	struct drm_mockgpu_counters c;

	/* To an address that is one page past a multiple of 2 MiB. */
	p = AT((void *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1)), 1);
	for (unsigned int i = 0; i < PAGES; i++) {
		want[i] = i % 11 ? MOVED : ALREADY;
		if (i % 7)
			fill(AT(p, i), 1, tag, i);
		if (want[i] == ALREADY)
			TO_VRAM(dev, AT(p, i), 1);
		already += want[i] == ALREADY;
		holes += want[i] == MOVED && i % 7 == 0;
	}
	c = gpu_counters(dev);
	CHECK_MIGRATE(dev, p, PAGES, VRAM, 0, 0, want);
	CHECK_PLACE(dev, p, PAGES, IN_VRAM);
	CHECK_COUNTED(dev, &c, .pages_to_vram = PAGES - already, .pages_hole = holes,
		      .vram_used_bytes = (PAGES - already) * PAGE);
	TO_SYSTEM(dev, p, PAGES);
	CHECK_COUNTED(dev, &c, .pages_to_system = PAGES, .vram_used_bytes = -PAGES * PAGE);
	for (unsigned int i = 0; i < PAGES; i++)
		if (i % 7)
			CHECK_FILL(AT(p, i), 1, tag, i);
		else
			CHECK_ZERO(AT(p, i), 1);
}

/* All that the process has, its stack too, and the room between. */
static void A6_whole_address_space(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	size_t len = (1UL << 47) - PAGE;
	uint16_t tag = new_tag();
	void *p = map_filled(100, tag);
	struct mockgpu_migrated result;
	uint64_t sum = 0;

	CHECK_EQ(mockgpu_migrate(dev, NULL, len, VRAM, 0, &result, NULL), 0);
	for (unsigned int i = 0; i < MOCKGPU_PAGE_STATUS_MAX; i++)
		sum += result.count[i];
	CHECK_EQ(sum, len / PAGE);
	CHECK_GE(result.count[MOVED], 100);
	CHECK_GE(result.count[MOCKGPU_PAGE_UNMAPPED], len / PAGE / 2);
	CHECK_PLACE(dev, p, 100, IN_VRAM);
	CHECK_FILL(p, 100, tag, 0);
	/* Some of it is shared with the harness, which would keep it there. */
	CHECK_EQ(mockgpu_evict_all(dev, NULL), 0);
	CHECK_EQ(gpu_counters(dev).vram_used_bytes, 0);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(A1_cpu_touch_brings_back),
	SCENARIO(A1_device_writes_come_back),
	SCENARIO(A1_migrate_back),
	SCENARIO(A1_evict),
	SCENARIO(A1_there_already),
	SCENARIO(A1_huge_page),
	SCENARIO(A2_hole),
	SCENARIO(A2_zero_page),
	SCENARIO(A2_hole_filled_in_vram_read_only),
	SCENARIO(A6_larger_than_vram),
	SCENARIO(A6_batches_and_alignment),
	SCENARIO(A6_whole_address_space),
	{ 0 }
};
