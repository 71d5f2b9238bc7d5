// SPDX-License-Identifier: MIT
/*
 * A race on purpose: a process is killed in the middle of a migration of memory that it
 * shares with its parent since fork(), which must not lose a byte.
 *
 *	cc race.c -o race $(pkg-config --cflags --libs libmockgpu)
 *
 * Run it as root.  For another race change the name of the point, or what is done while
 * the child is held; mockgpu-points(7) says what can be.  race_evict.c is such another.
 */
#include <mockgpu.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int race(struct mockgpu_device *dev, pid_t child, int go)
{
	struct mockgpu_point point = { .name = "migrate-copied",
				       .action = MOCKGPU_POINT_WAIT, .pid = child };
	uint64_t id;
	int ret = mockgpu_point_arm(dev, &point, &id);

	close(go);			/* the child migrates */
	if (!ret)			/* ... half-way */
		ret = mockgpu_point_wait(dev, id, 0, 10000000000LL, NULL);
	kill(child, SIGKILL);		/* what is to happen meanwhile */
	return ret;			/* the arm goes with dev */
}

static void migrate_when_told(char *mem, size_t len, int told)
{
	struct mockgpu_device *dev;
	char byte;

	if (!read(told, &byte, 1) && !mockgpu_open(&dev, 0))
		mockgpu_to_vram(dev, mem, len);
	_exit(1);
}

int main(void)
{
	const size_t len = 16 * MOCKGPU_PAGE_SIZE;
	struct mockgpu_device *dev;
	pid_t child;
	int go[2], ret;
	char *mem;

	ret = mockgpu_open(&dev, 0);
	if (ret) {
		fprintf(stderr, "mockgpu_open: %s\n", strerror(-ret));
		return 1;
	}
	mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED || pipe(go)) {
		perror("no memory or pipe");
		return 1;
	}
	memset(mem, 'c', len);
	child = fork();
	if (!child) {
		close(go[1]);
		migrate_when_told(mem, len, go[0]);
	}
	ret = race(dev, child, go[1]);
	waitpid(child, NULL, 0);
	mockgpu_close(dev);
	if (ret) {
		fprintf(stderr, "there was no race: %s\n", strerror(-ret));
		return 1;
	}
	ret = mem[0] != 'c' || memcmp(mem, mem + 1, len - 1);
	puts(ret ? "bytes were lost" : "killed half-way, and no byte was lost");
	return ret;
}
