// SPDX-License-Identifier: MIT
/* Says that pages were written which PAGEMAP_SCAN has protected, and nobody has written since. */
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SIZE (64UL << 20)

static void compact_between_holes_for_ever(void)
{
	for (int fd = open("/proc/sys/vm/compact_memory", O_WRONLY); write(fd, "1", 1) == 1;) {
		char *p = mmap(NULL, SIZE, PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

		for (size_t i = 0; i < SIZE; i += 8192)
			madvise(p + i, 4096, MADV_DONTNEED);
		munmap(p, SIZE);
	}
}

int main(void)
{
	static struct page_region regions[20000];
	int fd = open("/proc/self/pagemap", O_RDONLY), uffd = syscall(SYS_userfaultfd, 0);
	char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_api api = { UFFD_API, UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED, 0 };
	struct uffdio_register reg = { { (long)p, SIZE }, UFFDIO_REGISTER_MODE_WP, 0 };
	struct pm_scan_arg scan = { .size = sizeof(scan), .start = (long)p, .end = (long)p + SIZE,
		.flags = PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC, .vec = (long)regions,
		.vec_len = 20000, .category_mask = PAGE_IS_WRITTEN, .return_mask = PAGE_IS_WRITTEN };

	if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) || ioctl(uffd, UFFDIO_API, &api) ||
	    ioctl(uffd, UFFDIO_REGISTER, &reg))
		return 2;
	if (!fork() && !prctl(PR_SET_PDEATHSIG, 9))
		compact_between_holes_for_ever();
	for (time_t end = time(NULL) + 50; time(NULL) < end && memset(p, 1, SIZE);
	     madvise(p, SIZE, MADV_DONTNEED))
		for (int i = ioctl(fd, PAGEMAP_SCAN, &scan) < 0 ? 0 : 20; i; i--)
			if (ioctl(fd, PAGEMAP_SCAN, &scan) > 0)
				return puts("scanned again: pages were written, by nobody"), 1;
	return puts("nothing was written that nobody wrote"), 0;
}
