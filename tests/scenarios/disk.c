// SPDX-License-Identifier: MIT
/* See disk.h. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>

#include "disk.h"
#include "harness.h"
#include "memory.h"
#include "process.h"

void disk_new(uint64_t delay_ns)
{
	char command[200];

	if (system("modinfo -n null_blk >/dev/null 2>&1"))
		skip("the kernel has no null_blk");
	/* What a scenario that failed has left behind. */
	if (!access(DISK, F_OK)) {
		swapoff(DISK);
		umount(DISK_DIR);
		disk_gone();
	}
	snprintf(command, sizeof(command),
		 "modprobe null_blk nr_devices=1 gb=1 bs=512 memory_backed=1 irqmode=%u completion_nsec=%llu",
		 delay_ns ? 2U : 0U, (unsigned long long)delay_ns);
	CHECK_EQ(system(command), 0);
}

void disk_gone(void)
{
	CHECK_EQ(system("modprobe -r null_blk"), 0);
}

void disk_mount(void)
{
	CHECK_EQ(system("busybox mke2fs -b 4096 " DISK " 16384 >/dev/null"), 0);
	mkdir(DISK_DIR, 0700);
	CHECK_EQ(system("modprobe ext4"), 0);
	disk_mount_again();
}

void disk_mount_again(void)
{
	CHECK_SYS(mount(DISK, DISK_DIR, "ext2", 0, NULL));
}

void disk_unmount(void)
{
	CHECK_SYS(umount(DISK_DIR));
}

void disk_swap_on(size_t pages)
{
	swap_on_disk(DISK, pages);
}

void swap_on_disk(const char *disk, size_t pages)
{
	uint32_t header[3] = { 1, (uint32_t)pages - 1, 0 };	/* version, last page, bad pages */
	int fd = (int)CHECK_SYS(open(disk, O_RDWR | O_DIRECT | O_CLOEXEC));
	char *page = map_hole(1);

	memcpy(page + 1024, header, sizeof(header));
	memcpy(page + PAGE - 10, "SWAPSPACE2", 10);
	CHECK_EQ(pwrite(fd, page, PAGE, 0), PAGE);
	unmap(page, 1);
	close(fd);
	CHECK_SYS(swapon(disk, SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK));
}

void disk_swap_off(void)
{
	CHECK_SYS(swapoff(DISK));
}

size_t disk_swap_used(void)
{
	FILE *file = fopen("/proc/swaps", "re");
	size_t used, found = SIZE_MAX;
	char line[256];

	CHECK(file != NULL);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, DISK " %*s %*u %zu", &used) == 1)
			found = used * 1024 / PAGE;
	fclose(file);
	CHECK(found != SIZE_MAX);
	return found;
}

size_t disk_swap_stock(void)
{
	return kernel_is_before(6, 15) ? 64 * (size_t)sysconf(_SC_NPROCESSORS_ONLN) : 0;
}

void page_out(void *p, size_t pages)
{
	uint64_t start = now_ns();

	while (rss_of(p)) {
		if (now_ns() - start > 5 * BOUND_NS)
			FAIL("%zu pages are not paged out", rss_of(p));
		CHECK_SYS(madvise(p, pages * PAGE, MADV_PAGEOUT));
		sleep_ms(10);
	}
}
