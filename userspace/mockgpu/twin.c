// SPDX-License-Identifier: MIT
/*
 * The child in the tour: does what it is told over a socket, one order at a
 * time, so that the steps of both processes come in the order of the story.
 * What it finds goes back in shared memory.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "demo.h"

struct order {
	enum twin_order what;
	struct span span;
	unsigned char seed;
};

void demo_pattern(unsigned char *dst, struct span s, unsigned char seed)
{
	size_t i, from = s.first * MOCKGPU_PAGE_SIZE;

	for (i = 0; i < s.n * MOCKGPU_PAGE_SIZE; i++) {
		size_t at = from + i;

		dst[i] = (unsigned char)(seed + at / MOCKGPU_PAGE_SIZE * 31 + at * 7 + at / 251);
	}
}

void demo_cpu_write(unsigned char *mem, unsigned char *shadow, struct span s, unsigned char seed)
{
	size_t from = s.first * MOCKGPU_PAGE_SIZE, len = s.n * MOCKGPU_PAGE_SIZE, i;
	volatile unsigned char *dst = mem + from;

	demo_pattern(shadow + from, s, seed);
	for (i = 0; i < len; i++)
		dst[i] = shadow[from + i];
}

int demo_gpu_write(struct mockgpu_device *dev, unsigned char *mem, unsigned char *shadow,
		   struct span s, unsigned char seed)
{
	size_t from = s.first * MOCKGPU_PAGE_SIZE;

	demo_pattern(shadow + from, s, seed);
	return mockgpu_write(dev, mem + from, shadow + from, s.n * MOCKGPU_PAGE_SIZE, NULL);
}

long demo_compare(struct mockgpu_device *dev, const unsigned char *mem,
		  const unsigned char *shadow)
{
	unsigned char *got = malloc(DEMO_BYTES);
	long ret;
	size_t i;

	if (!got)
		return -ENOMEM;
	/* Not zero and not the right answer: a read that does nothing is found out. */
	for (i = 0; i < DEMO_BYTES; i++)
		got[i] = (unsigned char)~shadow[i];
	ret = mockgpu_read(dev, got, mem, DEMO_BYTES, NULL);
	for (i = 0; !ret && i < DEMO_BYTES; i++) {
		if (got[i] != shadow[i])
			ret = (long)i + 1;
	}
	free(got);
	return ret;
}

static long obey(const struct order *o, struct twin_shared *sh, const char *node,
		 unsigned char *mem)
{
	switch (o->what) {
	case TWIN_OPEN:
		return mockgpu_open_path(&sh->dev, node);
	case TWIN_LOOK:
		return mockgpu_residency(sh->dev, mem, DEMO_BYTES, sh->res);
	case TWIN_CPU_WRITE:
		demo_cpu_write(mem, sh->shadow, o->span, o->seed);
		return 0;
	case TWIN_GPU_WRITE:
		return demo_gpu_write(sh->dev, mem, sh->shadow, o->span, o->seed);
	case TWIN_COMPARE:
		return demo_compare(sh->dev, mem, sh->shadow);
	case TWIN_LEAVE:
		break;
	}
	_exit(0);
}

static void live(int sock, struct twin_shared *sh, const char *node, unsigned char *mem)
{
	struct order o;

	/* When the parent is gone, so is the other end: recv() says 0. */
	while (recv(sock, &o, sizeof(o), 0) == (ssize_t)sizeof(o)) {
		long ret = obey(&o, sh, node, mem);

		if (send(sock, &ret, sizeof(ret), MSG_NOSIGNAL) != (ssize_t)sizeof(ret))
			break;
	}
	_exit(1);
}

int twin_start(struct twin *t, const char *node, unsigned char *mem, const unsigned char *shadow)
{
	int pair[2], ret;

	t->shared = mmap(NULL, sizeof(*t->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (t->shared == MAP_FAILED)
		return -errno;
	memcpy(t->shared->shadow, shadow, DEMO_BYTES);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		ret = -errno;
		goto err_unmap;
	}
	/* Or else the child would print once more what waits in the buffer. */
	fflush(stdout);
	t->pid = fork();
	if (t->pid < 0) {
		ret = -errno;
		goto err_close;
	}
	if (!t->pid) {
		close(pair[0]);
		live(pair[1], t->shared, node, mem);
	}
	close(pair[1]);
	t->sock = pair[0];
	return 0;

err_close:
	close(pair[0]);
	close(pair[1]);
err_unmap:
	munmap(t->shared, sizeof(*t->shared));
	t->pid = 0;
	return ret;
}

long twin_do(struct twin *t, enum twin_order order, struct span s, unsigned char seed)
{
	struct order o = { .what = order, .span = s, .seed = seed };
	long ret;

	if (!t->pid)
		return -EPIPE;
	if (send(t->sock, &o, sizeof(o), MSG_NOSIGNAL) != (ssize_t)sizeof(o))
		return -EPIPE;
	if (order == TWIN_LEAVE)
		return 0;
	if (recv(t->sock, &ret, sizeof(ret), 0) != (ssize_t)sizeof(ret))
		return -EPIPE;
	return ret;
}

int twin_end(struct twin *t)
{
	int status, ret;

	if (!t->pid)
		return 0;
	close(t->sock);
	do {
		ret = waitpid(t->pid, &status, 0);
	} while (ret < 0 && errno == EINTR);
	munmap(t->shared, sizeof(*t->shared));
	t->pid = 0;
	return ret < 0 ? -errno : status;
}
