// SPDX-License-Identifier: MIT
/*
 * What mockgpu bench measures, through the interface of the kernel's own test driver: of that
 * driver, or of mockgpu's door for its tests.
 *
 *	bench-dmirror NODE NAME SIZE ROUNDS [ROWS]
 *
 * prints the figures as `mockgpu bench --json` does.  The interface is in test_hmm_uapi.h, which
 * is taken from the kernel's source when this is built.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <test_hmm_uapi.h>

#include "bench.h"

/* It hands back whatever went to VRAM, for verification. */
static char *copy;

static int call(const struct bench *b, unsigned long request, const char *p, size_t len, void *buf)
{
	struct hmm_dmirror_cmd cmd = {
		.addr = (uintptr_t)p, .ptr = (uintptr_t)buf, .npages = len / BENCH_PAGE,
	};

	if (ioctl(b->fd, request, &cmd))
		return -errno;
	return cmd.cpages == cmd.npages ? 0 : -EBUSY;
}

/*
 * One page that could not move for a moment makes the in-tree driver fail.  It cannot be told to
 * move the rest: all comes home, and goes again, and that counts.
 */
static int to_vram(struct bench *b, char *p, size_t len)
{
	int ret = call(b, HMM_DMIRROR_MIGRATE_TO_DEV, p, len, copy);

	if (ret != -ENOENT)
		return ret;
	fprintf(stderr, "%s: a page was missed\n", b->side->name);
	call(b, HMM_DMIRROR_MIGRATE_TO_SYS, p, len, copy);
	return call(b, HMM_DMIRROR_MIGRATE_TO_DEV, p, len, copy);
}

static int to_system(struct bench *b, char *p, size_t len)
{
	int ret = call(b, HMM_DMIRROR_MIGRATE_TO_SYS, p, len, copy);

	return ret == -EBUSY ? 0 : ret;
}

static int gpu_read(struct bench *b, const char *p, size_t len, char *buf)
{
	return call(b, HMM_DMIRROR_READ, p, len, buf);
}

static int residency(struct bench *b, const char *p, size_t len, void *buf)
{
	return call(b, HMM_DMIRROR_SNAPSHOT, p, len, buf);
}

static int exclusive(struct bench *b, char *p, size_t len, char *buf)
{
	return call(b, HMM_DMIRROR_EXCLUSIVE, p, len, buf);
}

int main(int argc, char **argv)
{
	struct bench_side side = {
		.to_vram = to_vram,
		.to_system = to_system,
		.read = gpu_read,
		.residency = residency,
		.exclusive = exclusive,
	};
	struct bench b = { .side = &side, .json = true };
	struct utsname u;
	int ret;

	if (argc < 5 || argc > 6) {
		fprintf(stderr, "usage: %s NODE NAME SIZE ROUNDS [ROWS]\n", argv[0]);
		return 2;
	}
	side.name = argv[2];
	b.size = strtoull(argv[3], NULL, 0);
	b.rounds = (unsigned int)atoi(argv[4]);
	b.fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (b.fd < 0) {
		perror(argv[1]);
		return 1;
	}
	copy = malloc(b.size);
	if (!copy || uname(&u) || !b.rounds || b.rounds > BENCH_ROUNDS_MAX)
		return 1;
	bench_touch(copy, b.size);
	printf("{\n  \"side\": \"%s\",\n  \"kernel\": \"%s\",\n  \"figures\": [", side.name,
	       u.release);
	ret = bench_run(&b, argc > 5 ? argv[5] : NULL);
	printf("\n  ]\n}\n");
	close(b.fd);
	free(copy);
	return ret;
}
