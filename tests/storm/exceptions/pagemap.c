// SPDX-License-Identifier: MIT
/*
 * Asks two ways whether a page is in swap space, one after the other, as page_entry_is() of the
 * kernel's tests does, while another process has it paged out.  Needs swap space.  1: the two
 * answers were not the same.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
	int fd = open("/proc/self/pagemap", O_RDONLY), self = syscall(SYS_pidfd_open, getpid(), 0);
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec page_of = { page, 4096 };
	struct page_region region;
	struct pm_scan_arg scan = { .size = sizeof(scan), .start = (uintptr_t)page,
		.end = (uintptr_t)page + 4096, .vec = (uintptr_t)&region, .vec_len = 1,
		.category_mask = PAGE_IS_SWAPPED, .return_mask = PAGE_IS_SWAPPED };
	time_t end = time(NULL) + 30;
	uint64_t entry;
	int found = 0;
	pid_t child = fork();

	if (!child)
		for (;;)
			syscall(SYS_process_madvise, self, &page_of, 1, MADV_PAGEOUT, 0);
	while (!found && time(NULL) < end) {
		page[0]++;
		pread(fd, &entry, sizeof(entry), (uintptr_t)page / 4096 * sizeof(entry));
		found = !(entry >> 62 & 1) != !ioctl(fd, PAGEMAP_SCAN, &scan);
	}
	kill(child, SIGKILL);
	printf("the two answers %s\n", found ? "differ" : "were always the same");
	return found;
}
