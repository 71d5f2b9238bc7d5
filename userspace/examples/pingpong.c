// SPDX-License-Identifier: MIT
/*
 * The smallest useful program: memory goes to VRAM, the device works on it
 * there, the CPU reads the result and thereby brings it home.
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

/* How many pages of the range are in VRAM now, or a negative errno. */
static int pages_in_vram(struct mockgpu_device *dev, const void *mem)
{
	uint32_t where[LEN / MOCKGPU_PAGE_SIZE];
	int ret, i, n = 0;

	ret = mockgpu_residency(dev, mem, LEN, where);
	if (ret)
		return ret;
	for (i = 0; i < (int)(LEN / MOCKGPU_PAGE_SIZE); i++)
		n += !!(where[i] & MOCKGPU_RES_VRAM);
	return n;
}

static int play(struct mockgpu_device *dev, char *mem)
{
	static const char greeting[] = "written by the device";
	int ret;

	memset(mem, 'c', LEN);	/* the CPU makes the pages */

	ret = mockgpu_to_vram(dev, mem, LEN);
	if (ret)
		return fail("to VRAM", ret);
	printf("after the migration, %d pages are in VRAM\n", pages_in_vram(dev, mem));

	ret = mockgpu_write(dev, mem, greeting, sizeof(greeting), NULL);
	if (ret)
		return fail("device write", ret);
	printf("after the device's write, %d\n", pages_in_vram(dev, mem));

	printf("the CPU reads: \"%s\"\n", mem);	/* a CPU fault: this page comes home */
	printf("after the CPU's read, %d\n", pages_in_vram(dev, mem));
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
