// SPDX-License-Identifier: MIT
/* Beside the rest of the memory manager: KSM (row I2) and reclaim (row I4). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <unistd.h>

#include "disk.h"
#include "gpu.h"
#include "ksm.h"
#include "process.h"

#define N		40

static void I2_merged_pages_stay(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint8_t all_ksm[N], unshared[N];
	uint16_t tag = new_tag(), new = new_tag();
	void *a = map_filled(N, tag), *b = map_filled(N, tag);
	struct drm_mockgpu_counters c;

	CHECK_SYS(madvise(a, N * PAGE, MADV_MERGEABLE));
	CHECK_SYS(madvise(b, N * PAGE, MADV_MERGEABLE));
	ksmd_start();
	wait_for_merge(a, b, N);
	c = gpu_counters(dev);
	for (unsigned int i = 0; i < N; i++)
		all_ksm[i] = unshared[i] = MOCKGPU_PAGE_KSM;
	CHECK_MIGRATE(dev, a, N, MOCKGPU_TARGET_VRAM, 0, 0, all_ksm);
	CHECK_MIGRATE(dev, a, N, MOCKGPU_TARGET_VRAM, MOCKGPU_MIGRATE_ALL_OR_NOTHING, -EBUSY,
		      all_ksm);
	CHECK_PLACE(dev, a, N, IN_SYSTEM);
	CHECK_COUNTED(dev, &c);
	for (unsigned int i = 0; i < N; i++) {
		CHECK(is_merged(AT(a, i)));
		CHECK_EQ(pagemap_of(0, AT(a, i)).pfn, pagemap_of(0, AT(b, i)).pfn);
	}
	/* The device reads the merged page; its write is the writer's alone. */
	GPU_CHECK_FILL(dev, a, N, tag, 0);
	gpu_fill(dev, AT(a, 7), 1, new, 7);
	/* By the frame as well: in 6.12, /proc/kpageflags has all anonymous pages merged. */
	CHECK(kernel_is_before(7, 0) || !is_merged(AT(a, 7)));
	CHECK(pagemap_of(0, AT(a, 7)).pfn != pagemap_of(0, AT(b, 7)).pfn);
	CHECK(is_merged(AT(b, 7)));
	CHECK_FILL(AT(a, 7), 1, new, 7);
	CHECK_FILL(b, N, tag, 0);
	/* What is not shared any more may move. */
	unshared[7] = MOCKGPU_PAGE_MOVED;
	CHECK_MIGRATE(dev, a, N, MOCKGPU_TARGET_VRAM, 0, 0, unshared);
	CHECK_PLACE(dev, AT(a, 7), 1, IN_VRAM);
	CHECK_SYS(madvise(a, N * PAGE, MADV_UNMERGEABLE));
	CHECK_EQ(mockgpu_to_vram(dev, a, N * PAGE), 0);
	CHECK_PLACE(dev, a, N, IN_VRAM);
	CHECK_FILL(b, N, tag, 0);
	CHECK_FILL(a, 7, tag, 0);
	CHECK_FILL(AT(a, 7), 1, new, 7);
	CHECK_FILL(AT(a, 8), N - 8, tag, 8);
	ksmd_stop();
}

struct sharer {
	int ready, go;
	uint16_t tag;
	void *pages;
};

/* Another process that has the same contents, and finds them in the same pages afterwards. */
static void share(void *arg)
{
	struct sharer *sharer = arg;

	CHECK_FILL(sharer->pages, N, sharer->tag, 0);
	gate_open(sharer->ready, 1);
	gate_wait(sharer->go);
	for (unsigned int i = 0; i < N; i++)
		CHECK(is_merged(AT(sharer->pages, i)));
	CHECK_FILL(sharer->pages, N, sharer->tag, 0);
}

static void I2_other_process_is_unchanged(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag(), new = new_tag();
	void *a = map_filled(N, tag), *b = map_filled(N, tag);
	struct sharer sharer = { gate_new(), gate_new(), tag, b };
	uint8_t want[N];
	uint64_t pfn[N];
	pid_t pid;

	CHECK_SYS(madvise(a, N * PAGE, MADV_MERGEABLE));
	CHECK_SYS(madvise(b, N * PAGE, MADV_MERGEABLE));
	ksmd_start();
	wait_for_merge(a, b, N);
	pid = spawn(share, &sharer);
	gate_wait(sharer.ready);
	unmap(b, N);		/* only the child has it now */
	for (unsigned int i = 0; i < N; i++) {
		pfn[i] = pagemap_of(pid, AT(b, i)).pfn;
		want[i] = MOCKGPU_PAGE_KSM;
	}
	CHECK_MIGRATE(dev, a, N, MOCKGPU_TARGET_VRAM, 0, 0, want);
	gpu_fill(dev, a, N, new, 0);
	CHECK_EQ(mockgpu_to_vram(dev, a, N * PAGE), 0);
	for (unsigned int i = 0; i < N; i++)
		CHECK_EQ(pagemap_of(pid, AT(b, i)).pfn, pfn[i]);
	gate_open(sharer.go, 1);
	join(pid);
	GPU_CHECK_FILL(dev, a, N, new, 0);
	CHECK_FILL(a, N, new, 0);
	ksmd_stop();
}

/* Pages that are in VRAM already when ksmd comes by: it must not touch what it cannot read. */
static void I2_ksmd_scans_vram_pages(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *a = map_filled(N, tag), *b = map_filled(N, tag);
	struct drm_mockgpu_counters c;

	TO_VRAM(dev, a, N);
	TO_VRAM(dev, b, N / 2);
	c = gpu_counters(dev);
	CHECK_SYS(madvise(a, N * PAGE, MADV_MERGEABLE));
	CHECK_SYS(madvise(b, N * PAGE, MADV_MERGEABLE));
	ksmd_start();
	wait_for_scans(5);
	CHECK_PLACE(dev, a, N, IN_VRAM);
	CHECK_PLACE(dev, b, N / 2, IN_VRAM);
	CHECK_COUNTED(dev, &c);
	GPU_CHECK_FILL(dev, a, N, tag, 0);
	GPU_CHECK_FILL(dev, b, N, tag, 0);
	/* Back and forth while it scans. */
	for (unsigned int i = 0; i < 20; i++) {
		uint64_t word;

		CHECK_EQ(mockgpu_migrate(dev, a, N * PAGE, i % 2 ? MOCKGPU_TARGET_VRAM :
					 MOCKGPU_TARGET_SYSTEM, 0, NULL, NULL), 0);
		CHECK_READ(dev, &word, a, 8, 0, .done = 8, .faults = 1);
		CHECK_EQ(word, fill_word(tag, 0, 0));
		sleep_ms(10);
	}
	CHECK_FILL(a, N, tag, 0);
	CHECK_FILL(b, N, tag, 0);
	ksmd_stop();
}

/*
 * MADV_FREE leaves a page writable and clean: reclaim may drop it unless somebody writes to it.
 * The device's write counts, though no page table entry tells of it.
 */
static void I4_write_to_pages_given_up(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t old = new_tag(), new = new_tag();
	void *p = map_filled(N, old), *dropped = map_filled(N, old);
	unsigned int gone = 0;

	/* The lists of pages that the kernel keeps for each CPU are then all ours to drain. */
	stay_on_cpu(sched_getcpu());
	GPU_CHECK_FILL(dev, p, N, old, 0);
	CHECK_RES(dev, p, N, MOCKGPU_RES_GPU | MOCKGPU_RES_GPU_WRITE,
		  MOCKGPU_RES_GPU | MOCKGPU_RES_GPU_WRITE);
	CHECK_SYS(madvise(p, N * PAGE, MADV_FREE));
	CHECK_SYS(madvise(dropped, N * PAGE, MADV_FREE));
	CHECK_RES(dev, p, N, MOCKGPU_RES_GPU, 0);
	gpu_fill(dev, p, N, new, 0);
	CHECK_SYS(madvise(p, N * PAGE, MADV_PAGEOUT));
	CHECK_SYS(madvise(dropped, N * PAGE, MADV_PAGEOUT));
	/* Those beside, which nobody wrote to, show that reclaim was there. */
	for (unsigned int i = 0; i < N; i++)
		gone += !*(uint64_t *)AT(dropped, i);
	CHECK_GE(gone, N / 2);
	CHECK_FILL(p, N, new, 0);
}

#define SWAP_PAGES	2048

/* A swap area of a kind that keeps what it has when a page is read back; its device. */
static int swap_start(char *name, size_t size)
{
	struct loop_config config = { .info.lo_flags = LO_FLAGS_AUTOCLEAR };
	uint32_t header[3] = { 1, SWAP_PAGES - 1, 0 };
	int control, loop, number;

	CHECK_EQ(system("modprobe -q loop"), 0);
	control = (int)CHECK_SYS(open("/dev/loop-control", O_RDWR));
	config.fd = (uint32_t)make_memfd(SWAP_PAGES, 0);
	CHECK_EQ(pwrite((int)config.fd, header, sizeof(header), 1024), sizeof(header));
	CHECK_EQ(pwrite((int)config.fd, "SWAPSPACE2", 10, PAGE - 10), 10);
	number = (int)CHECK_SYS(ioctl(control, LOOP_CTL_GET_FREE));
	snprintf(name, size, "/dev/loop%d", number);
	loop = (int)CHECK_SYS(open(name, O_RDWR | O_CLOEXEC));
	CHECK_SYS(ioctl(loop, LOOP_CONFIGURE, &config));
	CHECK_SYS(swapon(name, SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK));
	close(control);
	return loop;
}

/* A page that was swapped in for reading is clean, and the swap area still has the old contents. */
static void I4_write_to_pages_from_swap(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t old = new_tag(), new = new_tag();
	void *p = map_filled(N, old);
	char name[32];
	int loop = swap_start(name, sizeof(name));
	uint64_t end;

	page_out(p, N);
	GPU_CHECK_FILL(dev, p, N, old, 0);
	if (kernel_is_before(6, 6))
		CHECK_PLACE(dev, p, N, IN_SYSTEM);
	else
		CHECK_RES(dev, p, N, RES_PLACE | RW, IN_SYSTEM | RW);
	gpu_fill(dev, p, N, new, 0);
	page_out(p, N);
	GPU_CHECK_FILL(dev, p, N / 2, new, 0);
	CHECK_FILL(p, N, new, 0);
	/* What is in the swap area goes to VRAM and back; 6.1 lets nothing go that is cached. */
	page_out(p, N);
	end = now_ns() + BOUND_NS;
	if (!kernel_is_before(6, 6)) {
		/* One that is still being written is busy. */
		while (mockgpu_to_vram(dev, p, N * PAGE) == -EBUSY && now_ns() < end)
			sleep_ms(10);
		CHECK_PLACE(dev, p, N, IN_VRAM);
	}
	CHECK_FILL(p, N, new, 0);
	CHECK_SYS(swapoff(name));
	close(loop);
}

#define SCENARIO(name) { #name, name, 90, 0 }

const struct scenario scenarios[] = {
	SCENARIO(I2_merged_pages_stay),
	SCENARIO(I2_other_process_is_unchanged),
	SCENARIO(I2_ksmd_scans_vram_pages),
	SCENARIO(I4_write_to_pages_given_up),
	SCENARIO(I4_write_to_pages_from_swap),
	{ 0 }
};
