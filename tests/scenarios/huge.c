// SPDX-License-Identifier: MIT
/* See huge.h. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "huge.h"

struct mockgpu_device *gpu_open_huge(void)
{
	struct mockgpu_device *dev = gpu_open(0);

	gpu_needs(dev, MOCKGPU_CAP_HUGE);
	return dev;
}

char *huge_in_system(struct mockgpu_device *dev, uint16_t tag)
{
	char *p = map_huge(tag);

	CHECK_RES(dev, p, N, RES_PLACE | RW | ORDER, IN_SYSTEM | RW | ORDER_9);
	return p;
}

char *huge_in_vram(struct mockgpu_device *dev, uint16_t tag)
{
	char *p = huge_in_system(dev, tag);

	TO_VRAM(dev, p, N);
	CHECK_RES(dev, p, N, RES_PLACE | RW | ORDER, IN_VRAM | RW | ORDER_9);
	return p;
}

/* A mapping of its own with 2 MiB that are aligned. */
static char *map_aligned(void)
{
	char *p = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
}

char *huge_hole(void)
{
	char *p = map_aligned();

	CHECK_SYS(madvise(p, HUGE, MADV_HUGEPAGE));
	return p;
}

#define SIZE_64K "/sys/kernel/mm/transparent_hugepage/hugepages-64kB"

char *map_64k_folios(uint16_t tag)
{
	char *p = map_aligned();
	long long before;

	CHECK_EQ(write_text(SIZE_64K "/enabled", "madvise"), 0);
	before = read_number(SIZE_64K "/stats/anon_fault_alloc");
	/* The mapping's first page keeps it from being one huge page. */
	CHECK_SYS(madvise(p, PAGE, MADV_NOHUGEPAGE));
	CHECK_SYS(madvise(p + PAGE, HUGE - PAGE, MADV_HUGEPAGE));
	fill(p, N, tag, 0);
	CHECK_EQ(write_text(SIZE_64K "/enabled", "never"), 0);
	CHECK_SYS(madvise(p, HUGE, MADV_NOHUGEPAGE));
	/* All but the first 64 KiB. */
	CHECK_EQ(read_number(SIZE_64K "/stats/anon_fault_alloc") - before, N / 16 - 1);
	return p;
}

#define SCATTERED	(48UL << 20)
#define HUGETLB		"/proc/sys/vm/nr_hugepages"
#define COMPACT		"/proc/sys/vm/compact_unevictable_allowed"

static struct {
	char *pages;
	pid_t guard;
	int alive;	/* closed when this process gives them back, or dies */
} taken;

/* Free blocks of 2 MiB and more, of any zone: the last two figures of each line. */
static unsigned long huge_blocks_free(void)
{
	FILE *file = fopen("/proc/buddyinfo", "re");
	unsigned long sum = 0;
	char line[512];

	CHECK(file != NULL);
	while (fgets(line, sizeof(line), file)) {
		char *last = line + strcspn(line, "\n");

		/* A line ends with blanks.  Back over two figures. */
		for (int figure = 0; figure < 2; figure++) {
			while (last > line && (last[-1] < '0' || last[-1] > '9'))
				last--;
			while (last > line && last[-1] >= '0' && last[-1] <= '9')
				last--;
			sum += strtoul(last, NULL, 10);
		}
	}
	fclose(file);
	return sum;
}

/*
 * Sets the machine right again once this process says so or has gone, however it went.  The guard
 * of an earlier scenario may still be at it: one at a time.
 */
void guard_huge_ram(void)
{
	int lock = (int)CHECK_SYS(open("/run/mockgpu-huge-ram", O_CREAT | O_RDWR, 0600));
	long long hugetlb, compact;
	char byte;
	int fds[2];

	CHECK_SYS(flock(lock, LOCK_EX));
	hugetlb = read_number(HUGETLB);
	compact = read_number(COMPACT);
	CHECK_SYS(pipe(fds));
	taken.guard = (pid_t)CHECK_SYS(fork());
	if (!taken.guard) {
		setpgid(0, 0);
		close(fds[1]);
		while (read(fds[0], &byte, 1) < 0)
			;
		write_number(HUGETLB, hugetlb);
		write_number(COMPACT, compact);
		_exit(0);
	}
	close(lock);
	close(fds[0]);
	taken.alive = fds[1];
}

/*
 * hugetlb takes all huge pages that there are and can be made.  Before that, some memory was set
 * aside as pages that compaction leaves where they are; three of four of those are then given back,
 * and hugetlb takes what it had to leave for want of other memory.
 */
void use_up_huge_ram(void)
{
	write_number(COMPACT, 0);
	taken.pages = map_filled(SCATTERED / PAGE, new_tag());
	CHECK_SYS(mlock(taken.pages, SCATTERED));
	write_number(HUGETLB, 1 << 20);
	for (size_t page = 0; page < SCATTERED / PAGE; page += 4)
		CHECK_SYS(madvise(AT(taken.pages, page), 3 * PAGE, MADV_DONTNEED_LOCKED));
	write_number(HUGETLB, 1 << 20);
	note("hugetlb took %lld, free blocks of 2 MiB: %lu, free: %zu kB", read_number(HUGETLB),
	     huge_blocks_free(), meminfo_kb("MemFree"));
}

void give_huge_ram_back(void)
{
	CHECK_SYS(munmap(taken.pages, SCATTERED));
	close(taken.alive);
	CHECK_EQ(waitpid(taken.guard, NULL, 0), taken.guard);
}
