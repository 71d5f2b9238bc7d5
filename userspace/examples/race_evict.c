// SPDX-License-Identifier: MIT
/*
 * Another race on purpose: a CPU touches a page while an eviction has it, and waits until
 * the eviction is let go.
 *
 *	cc race_evict.c -o race_evict $(pkg-config --cflags --libs libmockgpu)
 *
 * Run it as root.  Three processes: one evicts and is held, one touches, and the parent
 * directs.
 */
#include <mockgpu.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t evictor(void)
{
	struct mockgpu_device *dev;
	pid_t child = fork();

	if (!child)
		_exit(mockgpu_open(&dev, 0) || mockgpu_evict_all(dev, NULL));
	return child;
}

static pid_t toucher(volatile char *mem)
{
	pid_t child = fork();

	if (!child)
		_exit(*mem != 'c');
	usleep(100000);			/* it is there soon; nothing tells when */
	return child;
}

static int race(struct mockgpu_device *dev, char *mem)
{
	struct mockgpu_point point = { .name = "evict-collected",	/* knows no process */
				       .action = MOCKGPU_POINT_WAIT };
	uint64_t id;
	pid_t child;
	int ret = mockgpu_point_arm(dev, &point, &id);

	if (ret)
		return ret;
	evictor();
	ret = mockgpu_point_wait(dev, id, 0, 10000000000LL, NULL);	/* half-way */
	child = toucher(mem);		/* what is to happen meanwhile */
	if (!ret)
		ret = waitpid(child, NULL, WNOHANG);	/* 0: it waits, too */
	mockgpu_point_release(dev, id, 0);
	return ret;
}

int main(void)
{
	const size_t len = 16 * MOCKGPU_PAGE_SIZE;
	struct mockgpu_device *dev;
	int ret, status, bad = 0;
	char *mem;

	ret = mockgpu_open(&dev, 0);
	if (ret) {
		fprintf(stderr, "mockgpu_open: %s\n", strerror(-ret));
		return 1;
	}
	mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	memset(mem, 'c', len);
	ret = mockgpu_to_vram(dev, mem, len);
	if (!ret)
		ret = race(dev, mem);
	mockgpu_close(dev);
	while (wait(&status) > 0)
		bad |= status;
	if (ret) {
		fprintf(stderr, "there was no race: %s\n",
			ret < 0 ? strerror(-ret) : "the touch did not wait");
		return 1;
	}
	bad |= mem[0] != 'c' || memcmp(mem, mem + 1, len - 1);
	puts(bad ? "bytes were lost" : "touched while it was evicted, and no byte was lost");
	return bad != 0;
}
