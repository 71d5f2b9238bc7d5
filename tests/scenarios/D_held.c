// SPDX-License-Identifier: MIT
/* Atomic operations on pages that somebody else has a hold of: row D7. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "disk.h"
#include "ksm.h"
#include "process.h"
#include "queue.h"

#define SOFT_OFFLINE "/sys/devices/system/memory/soft_offline_page"
#define LOCKED_FOR (3 * NS_PER_S)
#define KPF_LOCKED 0	/* bit of /proc/kpageflags */

/* The device adds, the CPU adds, the device adds again. */
static void add_in_turns(struct queue q, volatile uint64_t *word)
{
	uint64_t start = *word;

	for (unsigned int i = 0; i < 50; i++) {
		RUN(q, cmd_add(word, 8, 3), .value = start + 4 * i + 2, .done = 3);
		*word += 1;
	}
	CHECK_EQ(*word, start + 200);
}

/* What the device writes is what the holder of the page sees: it is the same page. */
static void D7_pinned_page(void)
{
	struct queue q = queue_new(gpu_open_exclusive());
	uint64_t *page = map_filled(1, new_tag());
	struct io_uring_params params = { 0 };
	struct iovec buffer = { page, PAGE };
	struct pagemap before;
	int ring = (int)syscall(SYS_io_uring_setup, 4, &params);

	if (ring < 0)
		skip("io_uring is not allowed");
	CHECK_SYS(syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &buffer, 1));
	before = pagemap_of(0, page);
	add_in_turns(q, page);
	CHECK_EQ(pagemap_of(0, page).pfn, before.pfn);
	CHECK_SYS(syscall(SYS_io_uring_register, ring, IORING_UNREGISTER_BUFFERS, NULL, 0));
	add_in_turns(q, page);
	close(ring);
}

static void D7_page_in_a_pipe(void)
{
	struct queue q = queue_new(gpu_open_exclusive());
	uint64_t *page = map_filled(1, new_tag()), seen[WORDS];
	struct iovec held = { page, PAGE };
	int fds[2];

	CHECK_SYS(pipe2(fds, O_CLOEXEC));
	CHECK_EQ(vmsplice(fds[1], &held, 1, 0), PAGE);
	add_in_turns(q, page);
	RUN(q, cmd_add(page, 8, 1), .value = page[0], .done = 1);
	/* The pipe has the page, not a copy of it. */
	CHECK_EQ(read(fds[0], seen, PAGE), PAGE);
	CHECK_EQ(memcmp(seen, page, PAGE), 0);
}

/* A merged page is several addresses'; the sum is the writer's alone. */
static void D7_merged_by_ksm(void)
{
	struct queue q = queue_new(gpu_open_exclusive());
	uint16_t tag = new_tag();
	void *a = map_filled(8, tag), *b = map_filled(8, tag);

	CHECK_SYS(madvise(a, 8 * PAGE, MADV_MERGEABLE));
	CHECK_SYS(madvise(b, 8 * PAGE, MADV_MERGEABLE));
	ksmd_start();
	wait_for_merge(a, b, 8);
	add_in_turns(q, AT(a, 3));
	CHECK_FILL(b, 8, tag, 0);
	/* ksmd comes by while a page is exclusive, and lets it be. */
	RUN(q, cmd_add(AT(a, 5), 8, 1), .value = fill_word(tag, 5, 0), .done = 1);
	RUN(q, cmd_atomic(MOCKGPU_ATOMIC_SUB, AT(a, 5), 8, 1, 1),
	    .value = fill_word(tag, 5, 0) + 1, .done = 1);
	wait_for_scans(2);
	ksmd_stop();
	add_in_turns(q, AT(a, 5));
	CHECK_FILL(b, 8, tag, 0);
	CHECK_FILL(AT(a, 6), 2, tag, 6);
}

static void swap_on(void)
{
	if (system("modprobe zram num_devices=1 2>/dev/null && "
		   "echo 64M >/sys/block/zram0/disksize && "
		   "mkswap /dev/zram0 >/dev/null && swapon /dev/zram0"))
		skip("no swap on zram to be had");
}

static void swap_off(void)
{
	CHECK_EQ(system("swapoff /dev/zram0 && echo 1 >/sys/block/zram0/reset && rmmod zram"), 0);
}

/* Swapped out; and once read, in the swap cache: the page has a slot on disk as well. */
static void D7_swapped_out(void)
{
	enum { N = 64 };
	struct queue q = queue_new(gpu_open_exclusive());
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);
	unsigned int out = 0;

	swap_on();
	CHECK_SYS(madvise(p, N * PAGE, MADV_PAGEOUT));
	for (unsigned int i = 0; i < N; i++)
		out += !pagemap_of(0, AT(p, i)).present;
	CHECK_GE(out, N / 2);
	for (unsigned int i = 0; i < N; i++) {
		/* Every other one is read by the CPU first. */
		if (i % 2)
			CHECK_EQ(*(volatile uint64_t *)AT(p, i), fill_word(tag, i, 0));
		RUN(q, cmd_add(AT(p, i), 8, 1), .value = fill_word(tag, i, 0), .done = 1);
	}
	/* Exclusive pages that reclaim would like to have. */
	CHECK_SYS(madvise(p, N * PAGE, MADV_PAGEOUT));
	for (unsigned int i = 0; i < N; i++) {
		uint64_t *word = AT(p, i);

		RUN(q, cmd_atomic(MOCKGPU_ATOMIC_SUB, word, 8, 1, 1),
		    .value = fill_word(tag, i, 0) + 1, .done = 1);
	}
	CHECK_FILL(p, N, tag, 0);
	swap_off();
}

/*
 * Has the kernel hold the lock of the page at @p, which is mapped and present, for as long as a
 * write to the slow disk takes: it is being written out, was touched again meanwhile, and is
 * wanted out of use, which waits for the write with the page locked.
 */
static pid_t hold_lock(uint64_t *p)
{
	uint64_t end = now_ns() + BOUND_NS, pfn;
	char command[128];
	pid_t child;

	CHECK_SYS(madvise(p, PAGE, MADV_PAGEOUT));
	CHECK(!pagemap_of(0, p).present);
	__atomic_fetch_add(p, 0, __ATOMIC_RELAXED);
	pfn = pagemap_of(0, p).pfn;
	CHECK(pagemap_of(0, p).present);
	snprintf(command, sizeof(command), "echo %#llx >" SOFT_OFFLINE,
		 (unsigned long long)pfn * PAGE);
	child = vfork();
	if (!child) {
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	CHECK_SYS(child);
	while (!page_has_flag(pfn, KPF_LOCKED) && now_ns() < end)
		sleep_ms(10);
	CHECK_EQ(waitpid(child, NULL, WNOHANG), 0);
	return child;
}

/*
 * The page's lock is not to be had for longer than the bound: the command says so, in time, and
 * nothing has happened.  When the lock is free, it works.
 */
static void D7_lock_held_past_the_bound(void)
{
	struct queue q = queue_new(gpu_open_exclusive());
	uint16_t tag = new_tag();
	uint64_t *p = map_filled(1, tag), start, pfn;
	pid_t holder;
	int status;

	if (access(SOFT_OFFLINE, W_OK))
		skip("the kernel cannot take pages out of use");
	disk_new(LOCKED_FOR);
	disk_swap_on(1024);
	holder = hold_lock(p);
	pfn = pagemap_of(0, p).pfn;
	start = now_ns();
	RUN(q, cmd_add(p, 8, 1), .error = -EBUSY, .access = MOCKGPU_ACCESS_ATOMIC,
	    .fault_addr = addr_of(p));
	CHECK_GE(now_ns() - start, NS_PER_S / 2);
	CHECK_LE(now_ns() - start, BOUND_NS);
	/* The CPU has never been kept from it, and other commands neither. */
	CHECK_FILL(p, 1, tag, 0);
	RUN(q, cmd_store(p, 8, 5), .done = 8);
	CHECK_EQ(waitpid(holder, &status, 0), holder);
	RUN(q, cmd_add(p, 8, 2), .value = 6, .done = 2);
	CHECK_EQ(*p, 7);
	*p = fill_word(tag, 0, 0);
	CHECK_FILL(p, 1, tag, 0);
	/*
	 * It stays in use where others hold it just when it is to move, as a CPU does that
	 * is about to put it into the list of what is used often.
	 */
	if (!status)
		page_back_in_use(pfn);
	disk_swap_off();
	disk_gone();
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(D7_pinned_page),
	SCENARIO(D7_page_in_a_pipe),
	SCENARIO(D7_merged_by_ksm),
	SCENARIO(D7_swapped_out),
	SCENARIO(D7_lock_held_past_the_bound),
	{ 0 }
};
