// SPDX-License-Identifier: MIT
/* Pages that somebody pins for I/O, and VRAM: rows H1 and H2. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "disk.h"
#include "gpu.h"
#include "process.h"
#include "uring.h"

#define N 48

/* A pipe that N pages fit into. */
static void pipe_new(int fds[2])
{
	CHECK_SYS(pipe2(fds, O_CLOEXEC));
	CHECK_GE(fcntl(fds[1], F_SETPIPE_SZ, N * PAGE), N * PAGE);
}

/* All of @p answer the same, whichever way the migration is asked for. */
static void check_stay(struct mockgpu_device *dev, void *p, uint8_t why)
{
	uint8_t want[N];

	memset(want, why, sizeof(want));
	CHECK_MIGRATE(dev, p, N, MOCKGPU_TARGET_VRAM, 0, 0, want);
	CHECK_PLACE(dev, p, N, IN_SYSTEM);
}

/* What is in VRAM comes home before it is pinned, each page once; nothing else is disturbed. */
static void H1_long_term_pin(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	struct uring ring = uring_new();
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);
	struct drm_mockgpu_counters c;

	TO_VRAM(dev, p, N / 2);
	c = gpu_counters(dev);
	uring_pin(&ring, p, N * PAGE);
	CHECK_COUNTED(dev, &c, .pages_cpu_fault = N / 2, .vram_used_bytes = -(N / 2) * PAGE);
	CHECK_RES(dev, p, N, RES_PLACE | RW, IN_SYSTEM | RW);
	check_stay(dev, p, MOCKGPU_PAGE_PINNED);
	GPU_CHECK_FILL(dev, p, N, tag, 0);
	CHECK_FILL(p, N, tag, 0);
	uring_unpin(&ring);
	TO_VRAM(dev, p, N);
	CHECK_FILL(p, N, tag, 0);
	uring_close(&ring);
}

/* A hole in VRAM's place: pages that the device made are pinned with what it wrote. */
static void H1_long_term_pin_of_what_the_device_wrote(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct uring ring = uring_new();
	uint16_t tag = new_tag();
	void *p = map_hole(N), *copy = map_hole(N);
	int fds[2];

	pipe_new(fds);
	TO_VRAM(dev, p, N);
	gpu_fill(dev, p, N, tag, 0);
	uring_pin(&ring, p, N * PAGE);
	CHECK_EQ(uring_do(&ring, IORING_OP_WRITE_FIXED, fds[1], p, N * PAGE, 0), N * PAGE);
	CHECK_EQ(read(fds[0], copy, N * PAGE), N * PAGE);
	CHECK_FILL(copy, N, tag, 0);
	uring_unpin(&ring);
	uring_close(&ring);
}

struct look {
	int go;
	void *pages;
	uint16_t tag;
};

static void look_when_told(void *arg)
{
	struct look *look = arg;

	gate_wait(look->go);
	CHECK_FILL(look->pages, N, look->tag, 0);
}

/* Pages shared after fork(): who pins gets copies, and what lands there is not the child's. */
static void H1_long_term_pin_after_fork(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct uring ring = uring_new();
	uint16_t old = new_tag(), new = new_tag();
	void *p = map_filled(N, old), *source = map_filled(N, new);
	struct look look = { gate_new(), p, old };
	int fds[2];
	pid_t child;

	pipe_new(fds);
	TO_VRAM(dev, p, N);
	child = spawn(look_when_told, &look);
	CHECK_RES(dev, p, N, RES_PLACE | RW, IN_VRAM | MOCKGPU_RES_READ);
	uring_pin(&ring, p, N * PAGE);
	CHECK_RES(dev, p, N, RES_PLACE | RW, IN_SYSTEM | RW);
	CHECK_EQ(write(fds[1], source, N * PAGE), N * PAGE);
	CHECK_EQ(uring_do(&ring, IORING_OP_READ_FIXED, fds[0], p, N * PAGE, 0), N * PAGE);
	CHECK_FILL(p, N, new, 0);
	GPU_CHECK_FILL(dev, p, N, new, 0);
	gate_open(look.go, 1);
	join(child);
	uring_unpin(&ring);
	uring_close(&ring);
}

/* A reference that a pipe holds, not a pin: home first too. */
static void H1_short_reference(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag), *copy = map_hole(N);
	struct iovec all = { p, N * PAGE };
	struct drm_mockgpu_counters c;
	int fds[2];

	pipe_new(fds);
	TO_VRAM(dev, p, N);
	c = gpu_counters(dev);
	CHECK_EQ(vmsplice(fds[1], &all, 1, 0), N * PAGE);
	CHECK_COUNTED(dev, &c, .pages_cpu_fault = N, .vram_used_bytes = -N * PAGE);
	CHECK_PLACE(dev, p, N, IN_SYSTEM);
	check_stay(dev, p, MOCKGPU_PAGE_BUSY);
	CHECK_EQ(read(fds[0], copy, N * PAGE), N * PAGE);
	CHECK_FILL(copy, N, tag, 0);
	TO_VRAM(dev, p, N);
	CHECK_FILL(p, N, tag, 0);
}

/*
 * What lands in pinned pages after a migration was tried is seen by CPU and device, and what the
 * device writes goes out: all of them use the same page.
 */
static void H2_io_lands_after_the_attempt(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct uring ring = uring_new();
	uint16_t old = new_tag(), in = new_tag(), out = new_tag();
	void *p = map_filled(N, old), *other = map_filled(N, in);
	struct drm_mockgpu_counters c;
	int fds[2];

	pipe_new(fds);
	uring_pin(&ring, p, N * PAGE);
	uring_start(&ring, IORING_OP_READ_FIXED, fds[0], p, N * PAGE, 0);
	GPU_CHECK_FILL(dev, p, N, old, 0);
	c = gpu_counters(dev);
	check_stay(dev, p, MOCKGPU_PAGE_PINNED);
	CHECK_COUNTED(dev, &c);
	GPU_CHECK_FILL(dev, p, N, old, 0);
	CHECK_EQ(write(fds[1], other, N * PAGE), N * PAGE);
	CHECK_EQ(uring_finish(&ring), N * PAGE);
	GPU_CHECK_FILL(dev, p, N, in, 0);
	CHECK_FILL(p, N, in, 0);

	gpu_fill(dev, p, N, out, 0);
	check_stay(dev, p, MOCKGPU_PAGE_PINNED);
	CHECK_EQ(uring_do(&ring, IORING_OP_WRITE_FIXED, fds[1], p, N * PAGE, 0), N * PAGE);
	CHECK_EQ(read(fds[0], other, N * PAGE), N * PAGE);
	CHECK_FILL(other, N, out, 0);
	uring_unpin(&ring);
	uring_close(&ring);
	TO_VRAM(dev, p, N);
	CHECK_FILL(p, N, out, 0);
}

struct disk_read {
	int fd, done;
	void *to;
};

static void *read_disk(void *arg)
{
	struct disk_read *io = arg;

	CHECK_EQ(pread(io->fd, io->to, N * PAGE, 0), N * PAGE);
	gate_open(io->done, 1);
	return NULL;
}

/* Pinned by direct I/O on its way: the pages stay for that long, and then they can go. */
static void H2_while_direct_io_is_under_way(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t old = new_tag(), in = new_tag();
	void *p = map_filled(N, old), *source = map_filled(N, in);
	struct disk_read io = { .done = gate_new(), .to = p };
	pthread_t thread;
	uint8_t want[N];

	disk_new(NS_PER_S);
	io.fd = (int)CHECK_SYS(open(DISK, O_RDWR | O_DIRECT | O_CLOEXEC));
	CHECK_EQ(pwrite(io.fd, source, N * PAGE, 0), N * PAGE);
	TO_VRAM(dev, p, N);
	thread = thread_start(read_disk, &io);
	while (gpu_counters(dev).client_used_bytes)
		sleep_ms(1);
	memset(want, MOCKGPU_PAGE_PINNED, sizeof(want));
	CHECK_MIGRATE(dev, p, N, MOCKGPU_TARGET_VRAM, MOCKGPU_MIGRATE_ALL_OR_NOTHING, -EBUSY,
		      want);
	check_stay(dev, p, MOCKGPU_PAGE_PINNED);
	gate_wait(io.done);
	thread_join(thread);
	GPU_CHECK_FILL(dev, p, N, in, 0);
	TO_VRAM(dev, p, N);
	GPU_CHECK_FILL(dev, p, N, in, 0);
	CHECK_FILL(p, N, in, 0);
	close(io.fd);
	disk_gone();
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(H1_long_term_pin),
	SCENARIO(H1_long_term_pin_of_what_the_device_wrote),
	SCENARIO(H1_long_term_pin_after_fork),
	SCENARIO(H1_short_reference),
	SCENARIO(H2_io_lands_after_the_attempt),
	SCENARIO(H2_while_direct_io_is_under_way),
	{ 0 }
};
