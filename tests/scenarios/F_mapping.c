// SPDX-License-Identifier: MIT
/* Mappings that go, come and move while their pages are in VRAM: rows F1, F3 and F4. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gpu.h"

#define N 1200

/* Unmaps pages @from to @from + @n of @p; they are gone for everybody, their VRAM at once. */
static void punch(struct mockgpu_device *dev, void *p, size_t from, size_t n)
{
	struct drm_mockgpu_counters c = gpu_counters(dev);
	void *first = AT(p, from), *last = AT(p, from + n - 1);
	char byte = 1;

	unmap(first, n);
	CHECK_COUNTED(dev, &c, .vram_used_bytes = -n * PAGE);
	CHECK_RES(dev, first, n, RES_PLACE | MOCKGPU_RES_GPU, MOCKGPU_RES_UNMAPPED);
	CHECK(!can_read(first) && !can_write(first) && !can_read(last) && !can_write(last));
	CHECK_READ(dev, &byte, first, 1, -EFAULT, .fault_addr = (uintptr_t)first);
	CHECK_WRITE(dev, (char *)last + 99, &byte, 1, -EFAULT,
		    .fault_addr = (uintptr_t)last + 99);
	CHECK_EQ(byte, 1);
}

static void F1_partial_munmap(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	/* Pages from @from on for @n, of N: head, middle, tail, one page; across 2 MiB. */
	static const struct { size_t from, n; } holes[] = {
		{ 0, 100 }, { 300, 400 }, { 1100, 100 }, { 800, 1 },
	};
	static const struct { size_t from, n; } rest[] = {
		{ 100, 200 }, { 700, 100 }, { 801, 299 },
	};
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);

	TO_VRAM(dev, p, N);
	GPU_CHECK_FILL(dev, p, N, tag, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(holes); i++)
		punch(dev, p, holes[i].from, holes[i].n);
	for (unsigned int i = 0; i < ARRAY_SIZE(rest); i++) {
		void *q = AT(p, rest[i].from);

		CHECK_PLACE(dev, q, rest[i].n, IN_VRAM);
		GPU_CHECK_FILL(dev, q, rest[i].n, tag, rest[i].from);
		CHECK_FILL(q, rest[i].n, tag, rest[i].from);
		if (!gpu_has(dev, MOCKGPU_CAP_PRIVATE))
			TO_SYSTEM(dev, q, rest[i].n);
	}
	CHECK_EQ(gpu_counters(dev).client_used_bytes, 0);
}

/* The device works its way up to the hole, and no further. */
static void F1_access_across_the_hole(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	uint64_t buffer[20 * WORDS];
	void *p = map_filled(20, tag);

	TO_VRAM(dev, p, 20);
	GPU_CHECK_FILL(dev, p, 20, tag, 0);
	unmap(AT(p, 10), 1);
	CHECK_READ(dev, buffer, p, 20 * PAGE, -EFAULT, .done = 10 * PAGE,
		   .fault_addr = (uintptr_t)AT(p, 10));
	CHECK_FILL(buffer, 10, tag, 0);
	CHECK_WRITE(dev, AT(p, 5), buffer, 15 * PAGE, -EFAULT, .done = 5 * PAGE,
		    .fault_addr = (uintptr_t)AT(p, 10));
	CHECK_FILL(AT(p, 5), 5, tag, 0);
	CHECK_FILL(AT(p, 11), 9, tag, 11);
}

static void F1_dontneed_frees_at_once(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);
	struct drm_mockgpu_counters c;

	TO_VRAM(dev, p, N);
	c = gpu_counters(dev);
	CHECK_SYS(madvise(AT(p, 100), 500 * PAGE, MADV_DONTNEED));
	CHECK_COUNTED(dev, &c, .vram_used_bytes = -500 * PAGE);
	CHECK_PLACE(dev, AT(p, 100), 500, NOWHERE);
	GPU_CHECK_ZERO(dev, AT(p, 100), 500);
	CHECK_ZERO(AT(p, 100), 500);
	CHECK_FILL(p, 100, tag, 0);
	CHECK_FILL(AT(p, 600), N - 600, tag, 600);
}

/*
 * The RAM behind VRAM that nobody uses any more goes back to the system, within moments: it is
 * kept for four to eight seconds, in case that it is wanted again.
 */
static void F1_ram_behind_vram_is_given_back(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint64_t end;
	uint16_t tag = new_tag();
	void *p = map_filled(8 * 512, tag);

	TO_VRAM(dev, p, 8 * 512);
	CHECK_GE(gpu_counters(dev).vram_backing_bytes, 8 * HUGE);
	unmap(p, 8 * 512);
	CHECK_GE(gpu_counters(dev).vram_backing_bytes, 8 * HUGE);
	end = now_ns() + 8 * NS_PER_S + BOUND_NS;
	while (gpu_counters(dev).vram_backing_bytes && now_ns() < end)
		sleep_ms(20);
	CHECK_EQ(gpu_counters(dev).vram_backing_bytes, 0);
}

/* What is found at an address depends on what is mapped there now, never on what was. */
static void check_new_mapping(struct mockgpu_device *dev, void *p, size_t pages)
{
	uint16_t tag = new_tag();

	CHECK_RES(dev, p, pages, RES_PLACE | MOCKGPU_RES_GPU, NOWHERE);
	GPU_CHECK_ZERO(dev, p, pages);
	CHECK_ZERO(p, pages);
	fill(p, pages, tag, 0);
	GPU_CHECK_FILL(dev, p, pages, tag, 0);
	TO_VRAM(dev, p, pages);
	GPU_CHECK_FILL(dev, p, pages, tag, 0);
	CHECK_FILL(p, pages, tag, 0);
}

#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)

static void F4_unmapped_and_mapped_anew(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	void *p = map_arena(600);

	for (unsigned int round = 0; round < 10; round++) {
		uint16_t tag = new_tag();

		map_fixed(p, 600, PROT_READ | PROT_WRITE, ANONYMOUS, -1);
		fill(p, 600, tag, 0);
		TO_VRAM(dev, p, 300);
		GPU_CHECK_FILL(dev, p, 600, tag, 0);
		unmap(p, 600);
		map_fixed(p, 600, PROT_READ | PROT_WRITE, ANONYMOUS, -1);
		check_new_mapping(dev, p, 600);
		unmap(p, 600);
	}
}

static void F4_mapped_over(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	void *p = map_arena(600);

	for (unsigned int round = 0; round < 10; round++) {
		struct drm_mockgpu_counters c;
		uint16_t tag = new_tag();

		map_fixed(p, 600, PROT_READ | PROT_WRITE, ANONYMOUS, -1);
		fill(p, 600, tag, 0);
		TO_VRAM(dev, p, 600);
		GPU_CHECK_FILL(dev, p, 600, tag, 0);
		c = gpu_counters(dev);
		map_fixed(AT(p, 50), 500, PROT_READ | PROT_WRITE, ANONYMOUS, -1);
		CHECK_COUNTED(dev, &c, .vram_used_bytes = -500 * PAGE);
		check_new_mapping(dev, AT(p, 50), 500);
		GPU_CHECK_FILL(dev, p, 50, tag, 0);
		CHECK_FILL(p, 50, tag, 0);
		CHECK_FILL(AT(p, 550), 50, tag, 550);
	}
}

/* The new mapping is of another kind, and read-only. */
static void F4_a_file_mapped_over(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t old = new_tag(), in_file = new_tag();
	int fd = make_memfd(100, in_file);
	void *p = map_arena(100);
	uint64_t word = 1;
	struct drm_mockgpu_counters c;

	map_fixed(p, 100, PROT_READ | PROT_WRITE, ANONYMOUS, -1);
	fill(p, 100, old, 0);
	TO_VRAM(dev, p, 100);
	gpu_fill(dev, p, 100, old, 0);
	c = gpu_counters(dev);
	map_fixed(p, 100, PROT_READ, MAP_SHARED, fd);
	CHECK_COUNTED(dev, &c, .vram_used_bytes = -100 * PAGE);
	/* The device may no longer write, though it could to what was here. */
	CHECK_WRITE(dev, AT(p, 3), &word, 8, -EPERM, .fault_addr = (uintptr_t)AT(p, 3));
	GPU_CHECK_FILL(dev, p, 100, in_file, 0);
	CHECK_FILL(p, 100, in_file, 0);
	close(fd);
}

/* Random pieces of a range come, go, are moved and written; a model knows what each page holds. */
static void F4_random_mappings(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	enum { PAGES = 256, UNMAPPED = 0, EMPTY = 1 };
	uint16_t model[PAGES] = { UNMAPPED };
	void *p = map_arena(PAGES);

	for (unsigned int round = 0; round < 300; round++) {
		size_t from = random_below(PAGES), n = 1 + random_below((PAGES - from + 1) / 2);
		unsigned int what = (unsigned int)random_below(5);
		uint16_t tag = new_tag();

		if (what == 0)
			unmap(AT(p, from), n);
		else if (what == 1)
			map_fixed(AT(p, from), n, PROT_READ | PROT_WRITE, ANONYMOUS, -1);
		for (size_t i = from; i < from + n; i++) {
			void *page = AT(p, i);

			if (what == 0 || what == 1)
				model[i] = what ? EMPTY : UNMAPPED;
			if (what < 2 || model[i] == UNMAPPED)
				continue;
			if (what == 2)
				fill(page, 1, model[i] = tag, i);
			else if (what == 3)
				gpu_fill(dev, page, 1, model[i] = tag, i);
		}
		if (what == 4)
			CHECK_EQ(mockgpu_migrate(dev, AT(p, from), n * PAGE,
						 MOCKGPU_TARGET_VRAM, 0, NULL, NULL), 0);
		for (size_t i = from; i < from + n; i++)
			if (model[i] == EMPTY)
				GPU_CHECK_ZERO(dev, AT(p, i), 1);
			else if (model[i] != UNMAPPED)
				GPU_CHECK_FILL(dev, AT(p, i), 1, model[i], i);
	}
	for (size_t i = 0; i < PAGES; i++)
		if (model[i] == EMPTY)
			CHECK_ZERO(AT(p, i), 1);
		else if (model[i] == UNMAPPED)
			CHECK(!can_read(AT(p, i)));
		else
			CHECK_FILL(AT(p, i), 1, model[i], i);
}

/* Pages and addresses have nothing to do with each other: two ranges change places in VRAM. */
static void F3_swapped_by_mremap(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	enum { PAGES = 300 };
	uint16_t one = new_tag(), two = new_tag();
	void *a = map_arena(PAGES), *b = map_arena(PAGES), *aside = map_arena(PAGES);
	struct drm_mockgpu_counters c;

	map_fixed(a, PAGES, PROT_READ | PROT_WRITE, ANONYMOUS, -1);
	map_fixed(b, PAGES, PROT_READ | PROT_WRITE, ANONYMOUS, -1);
	fill(a, PAGES, one, 0);
	fill(b, PAGES, two, 0);
	TO_VRAM(dev, a, PAGES);
	TO_VRAM(dev, b, PAGES);
	GPU_CHECK_FILL(dev, a, PAGES, one, 0);
	GPU_CHECK_FILL(dev, b, PAGES, two, 0);
	c = gpu_counters(dev);
	CHECK_EQ(mremap(a, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, aside) ==
		 aside, true);
	CHECK_RES(dev, a, PAGES, RES_PLACE | MOCKGPU_RES_GPU, MOCKGPU_RES_UNMAPPED);
	CHECK_EQ(mremap(b, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, a) == a,
		 true);
	CHECK_EQ(mremap(aside, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, b) == b,
		 true);
	CHECK_RES(dev, a, PAGES, RES_PLACE | MOCKGPU_RES_GPU, IN_VRAM);
	CHECK_RES(dev, b, PAGES, RES_PLACE | MOCKGPU_RES_GPU, IN_VRAM);
	GPU_CHECK_FILL(dev, a, PAGES / 2, two, 0);
	GPU_CHECK_FILL(dev, b, PAGES / 2, one, 0);
	CHECK_COUNTED(dev, &c, .gpu_faults = PAGES, .gpu_bytes_read = PAGES * PAGE);
	CHECK_FILL(a, PAGES, two, 0);
	CHECK_FILL(b, PAGES, one, 0);
	CHECK_COUNTED(dev, &c, .pages_cpu_fault = 2 * PAGES,
		      .vram_used_bytes = -2 * PAGES * PAGE);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(F1_partial_munmap),
	SCENARIO(F1_access_across_the_hole),
	SCENARIO(F1_dontneed_frees_at_once),
	SCENARIO(F1_ram_behind_vram_is_given_back),
	SCENARIO(F3_swapped_by_mremap),
	SCENARIO(F4_unmapped_and_mapped_anew),
	SCENARIO(F4_mapped_over),
	SCENARIO(F4_a_file_mapped_over),
	SCENARIO(F4_random_mappings),
	{ 0 }
};
