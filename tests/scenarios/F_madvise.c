// SPDX-License-Identifier: MIT
/* madvise() of memory that is in VRAM: row F5. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "disk.h"
#include "gpu.h"

#define N 300

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

/* @pages in VRAM, and in the device's page table. */
static void *in_vram(struct mockgpu_device *dev, uint16_t tag)
{
	void *p = map_filled(N, tag);

	TO_VRAM(dev, p, N);
	GPU_CHECK_FILL(dev, p, N, tag, 0);
	return p;
}

static void F5_dontneed(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag(), new = new_tag();
	void *p = in_vram(dev, tag);
	struct drm_mockgpu_counters c = gpu_counters(dev);

	CHECK_SYS(madvise(AT(p, 50), 200 * PAGE, MADV_DONTNEED));
	CHECK_COUNTED(dev, &c, .vram_used_bytes = -200 * PAGE);
	CHECK_RES(dev, AT(p, 50), 200, RES_PLACE | MOCKGPU_RES_GPU, NOWHERE);
	CHECK_RES(dev, p, 50, RES_PLACE | MOCKGPU_RES_GPU, IN_VRAM | MOCKGPU_RES_GPU);
	GPU_CHECK_ZERO(dev, AT(p, 50), 100);
	CHECK_ZERO(AT(p, 150), 100);
	gpu_fill(dev, AT(p, 50), 200, new, 50);
	CHECK_FILL(p, 50, tag, 0);
	CHECK_FILL(AT(p, 50), 200, new, 50);
	CHECK_FILL(AT(p, 250), 50, tag, 250);
}

/*
 * Advice that is for pages in RAM: it succeeds, and a page in VRAM is as before, for the device
 * too.  With a swap area, so that there would be somewhere to go.
 */
static void leaves_alone(int advice, unsigned int times)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	struct drm_mockgpu_counters c;
	void *p;

	disk_new(0);
	disk_swap_on(4096);
	p = in_vram(dev, tag);
	c = gpu_counters(dev);
	for (unsigned int i = 0; i < times; i++)
		CHECK_SYS(madvise(AT(p, 10), 250 * PAGE, advice));
	CHECK_RES(dev, p, N, RES_PLACE | RW, IN_VRAM | RW);
	CHECK_EQ(disk_swap_used(), 0);
	CHECK_COUNTED(dev, &c);
	GPU_CHECK_FILL(dev, p, N, tag, 0);
	gpu_fill(dev, AT(p, 20), 30, tag, 20);
	CHECK_FILL(p, N, tag, 0);
	disk_swap_off();
	disk_gone();
}

static void F5_free(void)
{
	leaves_alone(MADV_FREE, 1);
}

static void F5_pageout(void)
{
	leaves_alone(MADV_PAGEOUT, 5);
}

static void F5_cold(void)
{
	leaves_alone(MADV_COLD, 5);
}

/* Mixed with pages in RAM, which the advice is for. */
static void F5_pageout_of_a_mixture(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	struct drm_mockgpu_counters c;
	void *p;

	disk_new(0);
	disk_swap_on(4096);
	p = map_filled(N, tag);
	for (unsigned int i = 0; i < N; i += 2)
		TO_VRAM(dev, AT(p, i), 1);
	c = gpu_counters(dev);
	for (unsigned int i = 0; i < 100 && rss_of(p) > N / 2; i++)
		CHECK_SYS(madvise(p, N * PAGE, MADV_PAGEOUT));
	CHECK_EQ(rss_of(p), N / 2);
	CHECK_GE(disk_swap_used(), N / 2);
	CHECK_LE(disk_swap_used(), N / 2 + disk_swap_stock());
	CHECK_COUNTED(dev, &c);
	for (unsigned int i = 0; i < N; i++)
		CHECK_PLACE(dev, AT(p, i), 1, i % 2 ? NOWHERE : IN_VRAM);
	GPU_CHECK_FILL(dev, p, N, tag, 0);
	CHECK_FILL(p, N, tag, 0);
	disk_swap_off();
	disk_gone();
}

/* What was given up and written again by the device before it went to VRAM is not lost. */
static void F5_free_before_vram(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag(), new = new_tag();
	void *p = map_filled(N, tag);

	CHECK_SYS(madvise(p, N * PAGE, MADV_FREE));
	gpu_fill(dev, p, N, new, 0);
	TO_VRAM(dev, p, N);
	TO_SYSTEM(dev, p, N);
	for (unsigned int i = 0; i < 3; i++)
		CHECK_SYS(madvise(p, N * PAGE, MADV_PAGEOUT));
	CHECK_FILL(p, N, new, 0);
}

/* For files only: refused, and nothing has happened. */
static void F5_remove(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = in_vram(dev, tag);
	struct drm_mockgpu_counters c = gpu_counters(dev);

	CHECK_EQ(madvise(p, N * PAGE, MADV_REMOVE), -1);
	CHECK_EQ(errno, EINVAL);
	CHECK_RES(dev, p, N, RES_PLACE | MOCKGPU_RES_GPU, IN_VRAM | MOCKGPU_RES_GPU);
	CHECK_COUNTED(dev, &c);
	CHECK_FILL(p, N, tag, 0);
}

/* Of shared memory, a hole is punched under the device's entries. */
static void F5_remove_of_shared_memory(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = map_shared(N);
	struct drm_mockgpu_counters c;

	gpu_fill(dev, p, N, tag, 0);
	c = gpu_counters(dev);
	CHECK_SYS(madvise(AT(p, 50), 100 * PAGE, MADV_REMOVE));
	CHECK_RES(dev, AT(p, 50), 100, RES_PLACE | MOCKGPU_RES_GPU, NOWHERE);
	GPU_CHECK_ZERO(dev, AT(p, 50), 100);
	CHECK_COUNTED(dev, &c, .gpu_faults = 100, .gpu_bytes_read = 100 * PAGE);
	CHECK_FILL(p, 50, tag, 0);
	CHECK_ZERO(AT(p, 50), 100);
	CHECK_FILL(AT(p, 150), N - 150, tag, 150);
}

/* Faulting in ahead is a CPU access like any other. */
static void F5_populate(void)
{
	static const int advice[] = { MADV_POPULATE_READ, MADV_POPULATE_WRITE };
	struct mockgpu_device *dev = gpu_open(0);

	for (unsigned int i = 0; i < ARRAY_SIZE(advice); i++) {
		uint16_t tag = new_tag();
		void *p = in_vram(dev, tag);
		struct drm_mockgpu_counters c = gpu_counters(dev);

		CHECK_SYS(madvise(p, 100 * PAGE, advice[i]));
		CHECK_COUNTED(dev, &c, .pages_cpu_fault = 100, .vram_used_bytes = -100 * PAGE);
		CHECK_PLACE(dev, p, 100, TOUCHED(dev));
		CHECK_PLACE(dev, AT(p, 100), N - 100, IN_VRAM);
		CHECK_FILL(p, N, tag, 0);
	}
}

/* Guard pages take the place of pages in VRAM; the device may not touch them either. */
static void F5_guard_pages(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = in_vram(dev, tag);
	struct drm_mockgpu_counters c = gpu_counters(dev);
	char byte = 1;

	if (madvise(AT(p, 10), 5 * PAGE, MADV_GUARD_INSTALL) && errno == EINVAL)
		skip("the kernel has no MADV_GUARD_INSTALL");
	CHECK_COUNTED(dev, &c, .vram_used_bytes = -5 * PAGE);
	CHECK(!can_read(AT(p, 10)) && !can_write(AT(p, 14)));
	CHECK_READ(dev, &byte, AT(p, 10), 1, -EFAULT, .fault_addr = (uintptr_t)AT(p, 10));
	CHECK_WRITE(dev, AT(p, 14), &byte, 1, -EFAULT, .fault_addr = (uintptr_t)AT(p, 14));
	GPU_CHECK_FILL(dev, AT(p, 15), N - 15, tag, 15);
	CHECK_SYS(madvise(AT(p, 10), 5 * PAGE, MADV_GUARD_REMOVE));
	GPU_CHECK_ZERO(dev, AT(p, 10), 5);
	CHECK_FILL(p, 10, tag, 0);
	CHECK_ZERO(AT(p, 10), 5);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(F5_dontneed),
	SCENARIO(F5_free),
	SCENARIO(F5_pageout),
	SCENARIO(F5_cold),
	SCENARIO(F5_pageout_of_a_mixture),
	SCENARIO(F5_free_before_vram),
	SCENARIO(F5_remove),
	SCENARIO(F5_remove_of_shared_memory),
	SCENARIO(F5_populate),
	SCENARIO(F5_guard_pages),
	{ 0 }
};
