// SPDX-License-Identifier: MIT
/*
 * The other door, /dev/hmm_dmirrorN, where there is no memory: by the flag of its calls, and
 * for its own needs (row U3).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dmirror.h"
#include "gpu.h"
#include "module.h"
#include "points.h"

#define N	64

/* The first attempt to have memory fails, of the next migration that wants some; no other. */
static void U3_memory_fails_once(void)
{
	uint16_t tag = new_tag();
	void *p, *data = malloc(N * PAGE);
	int fd, two;

	dmirror_load();
	fd = dmirror_open(0);
	two = dmirror_open(0);
	p = map_filled(N, tag);
	CHECK_EQ(dmirror(fd, DMIRROR_FLAGS, p, DMIRROR_FAIL_ALLOC, NULL, NULL), 0);
	/* That is a matter of this file. */
	CHECK_EQ(dmirror(two, DMIRROR_TO_DEVICE, p, 1, data, NULL), 0);
	CHECK_EQ(dmirror(fd, DMIRROR_TO_DEVICE, p, N, data, NULL), -ENOENT);
	DMIRROR_CHECK_IS(fd, AT(p, 1), 1, DMIRROR_IS_WRITE);
	DMIRROR_CHECK_IS(fd, AT(p, 2), N - 2, DMIRROR_IN_VRAM);
	DMIRROR_TO(fd, p, N, tag);
	CHECK_EQ(dmirror(fd, DMIRROR_FLAGS, p, DMIRROR_FAIL_ALLOC, NULL, NULL), 0);
	/* There is nothing to be had for: it is still to come. */
	DMIRROR_TO(fd, p, N, tag);
	CHECK_EQ(dmirror(fd, DMIRROR_TO_SYSTEM, p, N, NULL, NULL), -ENOMEM);
	DMIRROR_CHECK_IS(fd, p, N, DMIRROR_IN_VRAM);
	CHECK_EQ(dmirror(fd, DMIRROR_TO_SYSTEM, p, N, NULL, NULL), 0);
	DMIRROR_CHECK_IS(fd, p, N, DMIRROR_IS_WRITE);
	CHECK_FILL(p, N, tag, 0);
}

/* What the calls of the next scenario work on. */
static struct {
	int fd;
	uint16_t tag;
	void *p, *data;
} short_of;

static int open_short(void)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", short_of.fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : close(fd);
}

static int map_short(void)
{
	void *p = mmap(NULL, N * PAGE, PROT_READ, MAP_PRIVATE, short_of.fd, 0);

	return p == MAP_FAILED ? -errno : munmap(p, N * PAGE);
}

static int call_short(unsigned long call)
{
	return dmirror(short_of.fd, call, short_of.p, N, short_of.data, NULL);
}

static int read_short(void)
{
	return call_short(DMIRROR_READ);
}

static int write_short(void)
{
	fill(short_of.data, N, short_of.tag, 0);
	return call_short(DMIRROR_WRITE);
}

static int migrate_short(void)
{
	int err = call_short(DMIRROR_TO_DEVICE);

	/* There a page for which there is no memory has stayed. */
	if (err == -ENOENT)
		err = -ENOMEM;
	return err ? err : call_short(DMIRROR_TO_SYSTEM);
}

static int snapshot_short(void)
{
	return call_short(DMIRROR_SNAPSHOT);
}

static int exclusive_short(void)
{
	int err = call_short(DMIRROR_EXCLUSIVE);

	if (err)
		return err;
	err = call_short(DMIRROR_CHECK_EXCLUSIVE);
	return err == -EPERM ? 0 : err ? err : -EIO;
}

static int release_short(void)
{
	return call_short(DMIRROR_RELEASE);
}

/* Each allocation of each call fails once: it says so, loses nothing, and the next works. */
static void U3_no_memory(void)
{
	static int (*const calls[])(void) = {
		open_short, map_short, read_short, write_short, migrate_short, snapshot_short,
		release_short, exclusive_short,
	};
	struct mockgpu_device *dev;
	unsigned int failed;
	uint64_t acted;
	struct arm arm;
	int err;

	dmirror_load();
	dev = gpu_open(0);
	short_of.fd = dmirror_open(0);
	short_of.tag = new_tag();
	short_of.p = map_filled(N, short_of.tag);
	short_of.data = malloc(N * PAGE);
	for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++) {
		if (calls[i] == exclusive_short && !gpu_has(dev, MOCKGPU_CAP_EXCLUSIVE))
			continue;
		failed = 0;
		for (uint64_t n = 1, done = 0; !done; n++) {
			arm = BREAK(dev, "alloc", .first = n, .count = 1);
			err = calls[i]();
			acted = arm_look(arm).acted;
			arm_release(arm);
			done = !acted;
			if (err != (acted ? -ENOMEM : 0) && err)
				FAIL("call %u, allocation %u: %d", i, (unsigned int)n, err);
			failed += err == -ENOMEM;
			CHECK_EQ(calls[i](), 0);
			CHECK_LE(n, 1000);
		}
		note("call %u: %u allocations", i, failed);
		CHECK_GE(failed, 1);
	}
	CHECK_FILL(short_of.p, N, short_of.tag, 0);
	mockgpu_close(dev);
}

#define SCENARIO(name) { #name, name, 120, RELOADS }

const struct scenario scenarios[] = {
	SCENARIO(U3_memory_fails_once),
	SCENARIO(U3_no_memory),
	{ 0 }
};
