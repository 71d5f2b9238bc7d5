// SPDX-License-Identifier: MIT
/* What the device has in its page table, and whose VRAM a page is in: row C2. */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "gpu.h"
#include "module.h"

#define GPU		MOCKGPU_RES_GPU
#define GPU_WRITE	MOCKGPU_RES_GPU_WRITE
#define GPU_RW		(GPU | GPU_WRITE)
#define N		600

/* The device's page table fills by its own accesses, page by page. */
static void C2_device_entries(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);

	CHECK_RES(dev, p, N, GPU_RW, 0);
	GPU_CHECK_FILL(dev, AT(p, 10), 20, tag, 10);
	CHECK_RES(dev, p, 10, GPU_RW, 0);
	CHECK_RES(dev, AT(p, 10), 20, GPU, GPU);
	CHECK_RES(dev, AT(p, 30), N - 30, GPU_RW, 0);
	gpu_fill(dev, AT(p, 40), 20, tag, 40);
	CHECK_RES(dev, AT(p, 30), 10, GPU_RW, 0);
	CHECK_RES(dev, AT(p, 40), 20, GPU_RW, GPU_RW);
	CHECK_RES(dev, AT(p, 60), N - 60, GPU_RW, 0);
	CHECK_RES(dev, p, N, RW, RW);
}

/*
 * Each way in which the memory manager takes pages away clears their entries.  Where a mapping is
 * cut in two, the kernel also announces a change of the 2 MiB block around the cut.
 */
static void C2_invalidated(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	enum { PAGES = 1200, FAR = 310 + 512 };
	uint16_t tag = new_tag();
	void *p = map_filled(PAGES, tag);
	struct drm_mockgpu_counters c;

	gpu_fill(dev, p, PAGES, tag, 0);
	CHECK_RES(dev, p, PAGES, GPU_RW, GPU_RW);
	c = gpu_counters(dev);

	TO_VRAM(dev, AT(p, 10), 10);
	CHECK_RES(dev, AT(p, 10), 10, GPU_RW, 0);
	CHECK_GE(gpu_counters(dev).invalidated_pages - c.invalidated_pages, 10);
	gpu_fill(dev, AT(p, 10), 10, tag, 10);
	CHECK_RES(dev, AT(p, 10), 10, GPU_RW, GPU_RW);

	CHECK_FILL(AT(p, 15), 1, tag, 15);	/* a CPU fault */
	CHECK_RES(dev, AT(p, 15), 1, GPU_RW, 0);
	TO_SYSTEM(dev, AT(p, 16), 4);
	CHECK_RES(dev, AT(p, 16), 4, GPU_RW, 0);

	CHECK_SYS(mprotect(AT(p, 100), 10 * PAGE, PROT_READ));
	CHECK_RES(dev, AT(p, 100), 10, GPU_WRITE, 0);
	CHECK_SYS(madvise(AT(p, 200), 10 * PAGE, MADV_DONTNEED));
	CHECK_RES(dev, AT(p, 200), 10, GPU_RW | RES_PLACE, NOWHERE);
	CHECK_SYS(munmap(AT(p, 300), 10 * PAGE));
	CHECK_RES(dev, AT(p, 300), 10, GPU_RW | RES_PLACE, MOCKGPU_RES_UNMAPPED);
	CHECK_EQ(mockgpu_evict_all(dev, NULL), 0);
	CHECK_RES(dev, AT(p, 10), 10, GPU_RW, 0);

	/* Further off nothing was cleared. */
	CHECK_RES(dev, AT(p, FAR), PAGES - FAR, GPU_RW, GPU_RW);
}

static void C2_read_only_mapping(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = map_filled(20, tag);

	TO_VRAM(dev, AT(p, 10), 10);
	CHECK_SYS(mprotect(p, 20 * PAGE, PROT_READ));
	GPU_CHECK_FILL(dev, p, 20, tag, 0);
	CHECK_RES(dev, p, 20, RW | GPU_RW, MOCKGPU_RES_READ | GPU);
	CHECK_PLACE(dev, p, 10, IN_SYSTEM);
	CHECK_PLACE(dev, AT(p, 10), 10, IN_VRAM);
}

static void C2_zero_page(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	void *p = map_hole(10);

	CHECK_ZERO(p, 5);
	CHECK_RES(dev, p, 5, RES_PLACE | RW | GPU_RW,
		  IN_SYSTEM | MOCKGPU_RES_ZERO | MOCKGPU_RES_READ);
	/* The device's read of a hole brings the zero page as the CPU's does. */
	GPU_CHECK_ZERO(dev, p, 10);
	CHECK_RES(dev, p, 10, RES_PLACE | RW | GPU_RW,
		  IN_SYSTEM | MOCKGPU_RES_ZERO | MOCKGPU_RES_READ | GPU);
	gpu_fill(dev, p, 1, new_tag(), 0);
	CHECK_RES(dev, p, 1, RES_PLACE | RW | GPU_RW, IN_SYSTEM | RW | GPU_RW);
	CHECK_ZERO(AT(p, 1), 9);
}

static void C2_huge_page(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	char *p = map_huge(tag);
	uint32_t first = gpu_res(dev, p);

	if (MOCKGPU_RES_ORDER(first) < 9)
		skip("no huge page to be had");
	CHECK_RES(dev, p, 512, RES_PLACE | RW | 0xff << 16, IN_SYSTEM | RW | 9 << 16);
	GPU_CHECK_FILL(dev, p, 512, tag, 0);
	CHECK_RES(dev, p, 512, GPU | 0xff << 16, GPU | 9 << 16);
	/* With one page of it gone to VRAM, the rest cannot be mapped as one. */
	TO_VRAM(dev, AT(p, 77), 1);
	CHECK_RES(dev, p, 512, 0xff << 16, 0);
	CHECK_PLACE(dev, p, 77, IN_SYSTEM);
	CHECK_PLACE(dev, AT(p, 77), 1, IN_VRAM);
	CHECK_PLACE(dev, AT(p, 78), 512 - 78, IN_SYSTEM);
	CHECK_FILL(p, 512, tag, 0);
}

/* The device maps 2 MiB at once where the CPU does, and no longer than that. */
static void C2_huge_entries(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	const uint32_t huge = MOCKGPU_RES_GPU_HUGE, all = GPU_RW | huge;
	uint16_t tag = new_tag();
	uint64_t *p = map_huge(tag);
	struct drm_mockgpu_counters c = gpu_counters(dev);

	if (MOCKGPU_RES_ORDER(gpu_res(dev, p)) < 9)
		skip("no huge page to be had");
	CHECK_RES(dev, p, 512, all, 0);
	/* Any page of it brings all of it, with the right to write. */
	GPU_CHECK_FILL(dev, AT(p, 300), 1, tag, 300);
	CHECK_RES(dev, p, 512, all, all);
	GPU_CHECK_FILL(dev, p, 512, tag, 0);
	gpu_fill(dev, p, 512, tag, 0);
	CHECK_COUNTED(dev, &c, .gpu_faults = 1, .gpu_bytes_read = 513 * PAGE,
		      .gpu_bytes_written = 512 * PAGE);
	/* The CPU maps one page otherwise: from then on the device does as well, each alone. */
	CHECK_SYS(mprotect(AT(p, 7), PAGE, PROT_READ));
	CHECK_RES(dev, p, 512, huge, 0);
	GPU_CHECK_FILL(dev, p, 512, tag, 0);
	CHECK_RES(dev, p, 7, all, GPU_RW);
	CHECK_RES(dev, AT(p, 7), 1, all, GPU);
	CHECK_RES(dev, AT(p, 8), 504, all, GPU_RW);
	CHECK_COUNTED(dev, &c, .gpu_faults = 512, .gpu_bytes_read = 512 * PAGE);
	CHECK_FILL(p, 512, tag, 0);
}

/* Where only a part is advised so, what is true of one page is not true of all. */
static void C2_advice_about_a_part_of_a_huge_page(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	uint64_t *p = map_huge(tag);

	if (MOCKGPU_RES_ORDER(gpu_res(dev, p)) < 9)
		skip("no huge page to be had");
	CHECK_EQ(mockgpu_advise(dev, AT(p, 100), PAGE, MOCKGPU_ADVICE_FAULT_AROUND, 2), 0);
	GPU_CHECK_FILL(dev, AT(p, 300), 1, tag, 300);
	CHECK_RES(dev, p, 512, MOCKGPU_RES_GPU_HUGE, 0);
	CHECK_RES(dev, AT(p, 300), 1, GPU, GPU);
	CHECK_RES(dev, AT(p, 301), 211, GPU, 0);
	CHECK_EQ(mockgpu_advise_reset(dev, AT(p, 100), PAGE), 0);
	GPU_CHECK_FILL(dev, AT(p, 20), 1, tag, 20);
	CHECK_RES(dev, p, 512, MOCKGPU_RES_GPU_HUGE | GPU, MOCKGPU_RES_GPU_HUGE | GPU);
	/* And when something is advised about a part of what is mapped as one. */
	CHECK_EQ(mockgpu_advise(dev, AT(p, 100), PAGE, MOCKGPU_ADVICE_PLACE,
				MOCKGPU_PLACE_DEVICE(0)), 0);
	GPU_CHECK_FILL(dev, p, 512, tag, 0);
	CHECK_PLACE(dev, p, 100, IN_SYSTEM);
	CHECK_PLACE(dev, AT(p, 100), 1, IN_VRAM);
	CHECK_PLACE(dev, AT(p, 101), 411, IN_SYSTEM);
	CHECK_FILL(p, 512, tag, 0);
}

/* Two devices: each knows the other's VRAM from its own. */
static void C2_local_and_remote(void)
{
	struct mockgpu_device *dev[2];
	uint16_t tag = new_tag();
	uint8_t want[N];
	void *p;

	module_reload(2, 16);
	dev[0] = gpu_open(0);
	dev[1] = gpu_open(1);
	p = map_filled(N, tag);
	TO_VRAM(dev[0], p, N / 2);
	TO_VRAM(dev[1], AT(p, N / 2), N / 2);
	for (unsigned int i = 0; i < 2; i++) {
		void *half[2] = { p, AT(p, N / 2) };
		uint32_t device_bits = 0xffU << 24;

		CHECK_RES(dev[i], half[i], N / 2, RES_PLACE | device_bits, IN_VRAM | i << 24);
		CHECK_RES(dev[i], half[!i], N / 2, RES_PLACE | device_bits,
			  (IN_VRAM & ~MOCKGPU_RES_LOCAL) | (uint32_t)!i << 24);
		CHECK_EQ(gpu_counters(dev[i]).vram_used_bytes, N / 2 * PAGE);
	}
	/* Either device reads all of it, wherever it is, also when the other one has moved it. */
	GPU_CHECK_FILL(dev[0], p, N, tag, 0);
	GPU_CHECK_FILL(dev[1], p, N, tag, 0);
	for (unsigned int i = 0; i < N; i++)
		want[i] = i < N / 2 ? MOCKGPU_PAGE_MOVED : MOCKGPU_PAGE_ALREADY;
	CHECK_MIGRATE(dev[1], p, N, MOCKGPU_TARGET_VRAM, 0, 0, want);
	CHECK_RES(dev[0], p, N / 2, GPU, 0);
	CHECK_RES(dev[0], AT(p, N / 2), N / 2, GPU, GPU);
	GPU_CHECK_FILL(dev[0], p, N, tag, 0);
	GPU_CHECK_FILL(dev[1], p, N, tag, 0);
	CHECK_FILL(p, N, tag, 0);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(C2_device_entries),
	SCENARIO(C2_invalidated),
	SCENARIO(C2_read_only_mapping),
	SCENARIO(C2_zero_page),
	SCENARIO(C2_huge_page),
	SCENARIO(C2_huge_entries),
	SCENARIO(C2_advice_about_a_part_of_a_huge_page),
	{ "C2_local_and_remote", C2_local_and_remote, 0, RELOADS },
	{ 0 }
};
