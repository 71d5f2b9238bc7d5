// SPDX-License-Identifier: MIT
/* UFFDIO_MOVE moves a page that is in swap space, but none that is in a device's memory. */
#include <errno.h>
#include <linux/userfaultfd.h>
#include <mockgpu.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SIZE 4096UL

int main(void)
{
	int uffd = syscall(SYS_userfaultfd, 0);
	char *from = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *to = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_api api = { UFFD_API, UFFD_FEATURE_MOVE, 0 };
	struct uffdio_register reg = { { (long)to, SIZE }, UFFDIO_REGISTER_MODE_MISSING, 0 };
	struct uffdio_move move = { .dst = (long)to, .src = (long)from, .len = SIZE };
	struct mockgpu_device *dev;

	*from = 1;
	if (mockgpu_open(&dev, 0) || mockgpu_to_vram(dev, from, SIZE) ||
	    ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg))
		return 2;
	if (!ioctl(uffd, UFFDIO_MOVE, &move) && *to == 1)
		return puts("moved"), 0;
	printf("not moved, with errno %d, before a CPU has touched it\n", errno);
	*from = 1;
	return ioctl(uffd, UFFDIO_MOVE, &move) || *to != 1 ? 2 : 1;
}
