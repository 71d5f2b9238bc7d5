// SPDX-License-Identifier: MIT
/* Where the device says a page is, against what the kernel says: row A5. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "gpu.h"

/* All that a page table entry decides. */
#define ENTRY (RES_PLACE | RW)
#define READ MOCKGPU_RES_READ

enum { HOLE, ZERO, SYSTEM_RW, SYSTEM_RO, VRAM_RW, VRAM_RO, SHARED, SHARED_HOLE, NONE, GAP, KINDS };

/* One page of each kind, and what is to be said of it. */
static const uint32_t expected[KINDS] = {
	[HOLE]		= NOWHERE,
	[ZERO]		= IN_SYSTEM | MOCKGPU_RES_ZERO | READ,
	[SYSTEM_RW]	= IN_SYSTEM | RW,
	[SYSTEM_RO]	= IN_SYSTEM | READ,
	[VRAM_RW]	= IN_VRAM | RW,
	[VRAM_RO]	= IN_VRAM | READ,
	[SHARED]	= IN_SYSTEM | RW,
	[SHARED_HOLE]	= NOWHERE,
	[NONE]		= MOCKGPU_RES_UNMAPPED,
	[GAP]		= MOCKGPU_RES_UNMAPPED,
};

static void *map_kinds(struct mockgpu_device *dev, uint16_t tag)
{
	void *p = map_arena(KINDS);
	int fd = make_memfd(2, 0);

	map_fixed(p, GAP, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	CHECK_ZERO(AT(p, ZERO), 1);
	fill(AT(p, SYSTEM_RW), 4, tag, SYSTEM_RW);
	CHECK_SYS(mprotect(AT(p, SYSTEM_RO), PAGE, PROT_READ));
	TO_VRAM(dev, AT(p, VRAM_RW), 2);
	CHECK_SYS(mprotect(AT(p, VRAM_RO), PAGE, PROT_READ));
	map_fixed(AT(p, SHARED), 2, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	fill(AT(p, SHARED), 1, tag, SHARED);
	fill(AT(p, NONE), 1, tag, NONE);
	CHECK_SYS(mprotect(AT(p, NONE), PAGE, PROT_NONE));
	close(fd);
	return p;
}

static void A5_each_kind_of_page(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	void *p = map_kinds(dev, new_tag());
	struct drm_mockgpu_device_info info;

	CHECK_EQ(mockgpu_info(dev, &info), 0);
	for (unsigned int i = 0; i < KINDS; i++) {
		uint32_t res = gpu_res(dev, AT(p, i));

		note("kind %u: residency %08x", i, res);
		CHECK_EQ(res & ENTRY, expected[i]);
		CHECK_EQ(MOCKGPU_RES_ORDER(res), 0);
		if (res & MOCKGPU_RES_VRAM)
			CHECK_EQ(MOCKGPU_RES_DEVICE(res), info.index);
	}
}

static void A5_agrees_with_pagemap(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	void *p = map_kinds(dev, new_tag());

	for (unsigned int i = 0; i < KINDS; i++) {
		struct pagemap map = pagemap_of(0, AT(p, i));
		uint32_t res = gpu_res(dev, AT(p, i));

		note("kind %u: residency %08x, pagemap %s%s%s %llx", i, res,
		     map.present ? "present" : "", map.vram ? "vram" : "",
		     map.vram_write ? " write" : "", (unsigned long long)map.pfn);
		CHECK_EQ(map.vram, !!(res & MOCKGPU_RES_VRAM));
		if (map.vram)
			CHECK_EQ(map.vram_write, !!(res & MOCKGPU_RES_WRITE));
		/* pagemap does not look at the mapping's protection: PROT_NONE is still a page. */
		if (i != NONE)
			CHECK_EQ(map.present || map.vram, !!(res & MOCKGPU_RES_PRESENT));
	}
}

/* Random places of 2,000 pages: each page's is its own, whatever the range that is asked for. */
static void A5_random_mixture(void)
{
	static const unsigned int kinds[] = { HOLE, ZERO, SYSTEM_RW, VRAM_RW };
	struct mockgpu_device *dev = gpu_open(0);
	enum { PAGES = 2000 };
	uint32_t *want = calloc(PAGES, sizeof(*want)), *got = calloc(PAGES, sizeof(*got));
	uint16_t tag = new_tag();
	void *p = map_hole(PAGES);

	for (unsigned int i = 0; i < PAGES; i++) {
		unsigned int kind = (unsigned int)random_below(4);

		if (kind == 1)
			CHECK_ZERO(AT(p, i), 1);
		if (kind >= 2)
			fill(AT(p, i), 1, tag, i);
		if (kind == 3)
			TO_VRAM(dev, AT(p, i), 1);
		want[i] = expected[kinds[kind]];
	}
	for (unsigned int round = 0; round < 40; round++) {
		size_t from = random_below(PAGES), n = 1 + random_below(PAGES - from);

		CHECK_EQ(mockgpu_residency(dev, AT(p, from), n * PAGE, got), 0);
		for (size_t i = 0; i < n; i++)
			if ((got[i] & ENTRY) != want[from + i])
				FAIL("page %zu: expected %08x, got %08x", from + i,
				     want[from + i], got[i]);
	}
}

/* Every VRAM page has a page frame of its own, and looking changes nothing. */
static void A5_looking_moves_nothing(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	enum { PAGES = 1024 };
	uint32_t *res = calloc(PAGES, sizeof(*res));
	uint16_t tag = new_tag();
	void *p = map_filled(PAGES, tag);
	uint64_t pfn[PAGES];
	struct drm_mockgpu_counters c;
	struct rusage before, after;
	size_t rss;

	TO_VRAM(dev, p, PAGES / 2);
	for (unsigned int i = 0; i < PAGES; i++) {
		pfn[i] = pagemap_of(0, AT(p, i)).pfn;
		for (unsigned int j = 0; j < i; j++)
			if (pfn[i] == pfn[j])
				FAIL("pages %u and %u are both frame %llx", j, i,
				     (unsigned long long)pfn[i]);
	}
	for (unsigned int i = 0; i < PAGES; i++)
		res[i] = 1;
	rss = rss_of(p);
	c = gpu_counters(dev);
	getrusage(RUSAGE_SELF, &before);
	CHECK_EQ(mockgpu_residency(dev, p, PAGES * PAGE, res), 0);
	getrusage(RUSAGE_SELF, &after);
	CHECK_EQ(after.ru_minflt, before.ru_minflt);
	CHECK_EQ(rss_of(p), rss);
	CHECK_COUNTED(dev, &c);
	for (unsigned int i = 0; i < PAGES; i++)
		CHECK_EQ(pagemap_of(0, AT(p, i)).pfn, pfn[i]);
	GPU_CHECK_FILL(dev, p, PAGES, tag, 0);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(A5_each_kind_of_page),
	SCENARIO(A5_agrees_with_pagemap),
	SCENARIO(A5_random_mixture),
	SCENARIO(A5_looking_moves_nothing),
	{ 0 }
};
