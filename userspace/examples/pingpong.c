// SPDX-License-Identifier: MIT
/*
 * The smallest useful program: memory goes to VRAM, the device works on it
 * there, the CPU reads the result and thereby brings it home (unless VRAM is coherent).
 *
 *	cc pingpong.c -o pingpong $(pkg-config --cflags --libs libmockgpu)
 */
#include <mockgpu.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define LEN (16 * MOCKGPU_PAGE_SIZE)

static int fail(const char *what, int err)
{
	fprintf(stderr, "%s: %s\n", what, strerror(-err));
	return 1;
}

/* Says how many pages of the range are in VRAM now; returns 0, or 1 if that failed. */
static int tell(struct mockgpu_device *dev, const void *mem, const char *when)
{
	uint32_t where[LEN / MOCKGPU_PAGE_SIZE];
	int ret, i, n = 0;

	ret = mockgpu_residency(dev, mem, LEN, where);
	if (ret)
		return fail("residency", ret);
	for (i = 0; i < (int)(LEN / MOCKGPU_PAGE_SIZE); i++)
		n += !!(where[i] & MOCKGPU_RES_VRAM);
	printf("after the %s, %d pages are in VRAM\n", when, n);
	return 0;
}

static int play(struct mockgpu_device *dev, char *mem)
{
	static const char greeting[] = "written by the device";
	int ret;

	memset(mem, 'c', LEN);	/* the CPU makes the pages */

	ret = mockgpu_to_vram(dev, mem, LEN);
	if (ret)
		return fail("to VRAM", ret);
	if (tell(dev, mem, "migration"))
		return 1;

	ret = mockgpu_write(dev, mem, greeting, sizeof(greeting), NULL);
	if (ret)
		return fail("device write", ret);
	if (tell(dev, mem, "device's write"))
		return 1;

	printf("the CPU reads: \"%s\"\n", mem);	/* a CPU fault: this page comes home */
	if (tell(dev, mem, "CPU's read"))
		return 1;
	return strcmp(mem, greeting) ? 1 : 0;
}

int main(void)
{
	struct mockgpu_device *dev;
	char *mem;
	int ret;

	ret = mockgpu_open(&dev, 0);
	if (ret)
		return fail("mockgpu_open", ret);
	mem = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED) {
		perror("mmap");
		mockgpu_close(dev);
		return 1;
	}
	ret = play(dev, mem);
	munmap(mem, LEN);
	mockgpu_close(dev);
	return ret;
}
