// SPDX-License-Identifier: MIT
/* Memory whose faults user space serves, and the device: row I3. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "process.h"
#include "queue.h"
#include "uffd.h"

#define N 24

/* An access of the device in a thread of its own, as it has to wait for the handler. */
struct access {
	struct mockgpu_device *dev;
	void *p;
	bool write;
	uint64_t buffer[WORDS];
	struct mockgpu_access result;
	int ret;
	pthread_t thread;
};

static void *run_access(void *arg)
{
	struct access *a = arg;

	a->ret = a->write ? mockgpu_write(a->dev, a->p, a->buffer, PAGE, &a->result) :
			    mockgpu_read(a->dev, a->buffer, a->p, PAGE, &a->result);
	return NULL;
}

static void start(struct access *a, struct mockgpu_device *dev, void *p, bool write, uint16_t tag)
{
	*a = (struct access){ .dev = dev, .p = p, .write = write };
	if (tag)
		fill(a->buffer, 1, tag, 0);
	a->thread = thread_start(run_access, a);
}

static void finish(struct access *a)
{
	thread_join(a->thread);
	CHECK_EQ(a->ret, 0);
	CHECK_EQ(a->result.done, PAGE);
}

/* The device waits for what the handler has, for reading and for writing. */
static void I3_missing(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag(), mine = new_tag();
	void *p = map_hole(N), *source = map_filled(N, tag);
	struct uffd u = uffd_new(0);
	struct access a;

	uffd_register(&u, p, N, UFFDIO_REGISTER_MODE_MISSING);
	start(&a, dev, AT(p, 3), false, 0);
	CHECK(uffd_wait(&u) == AT(p, 3));
	sleep_ms(50);
	CHECK_EQ(a.result.done, 0);
	uffd_copy(&u, AT(p, 3), AT(source, 3), 1, false);
	finish(&a);
	CHECK_FILL(a.buffer, 1, tag, 3);

	start(&a, dev, AT(p, 4), true, mine);
	CHECK(uffd_wait(&u) == AT(p, 4));
	CHECK_EQ(u.flags & UFFD_PAGEFAULT_FLAG_WRITE, UFFD_PAGEFAULT_FLAG_WRITE);
	uffd_copy(&u, AT(p, 4), AT(source, 4), 1, false);
	finish(&a);
	CHECK_FILL(AT(p, 4), 1, mine, 0);

	start(&a, dev, AT(p, 5), false, 0);
	CHECK(uffd_wait(&u) == AT(p, 5));
	uffd_zero(&u, AT(p, 5), 1);
	finish(&a);
	CHECK_ZERO(a.buffer, 1);
	CHECK(uffd_is_quiet(&u));
	uffd_close(&u);
}

/* A queue's command waits likewise, and the queue goes on afterwards. */
static void I3_missing_in_a_command(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint16_t tag = new_tag();
	void *p = map_hole(N), *source = map_filled(N, tag), *to = map_hole(N);
	struct drm_mockgpu_cmd copy = cmd_copy(to, p, N * PAGE);
	struct drm_mockgpu_result result;
	struct uffd u = uffd_new(0);
	uint64_t seqno;

	uffd_register(&u, p, N, UFFDIO_REGISTER_MODE_MISSING);
	seqno = submit(q, &copy, 1, &result);
	for (unsigned int i = 0; i < N; i++) {
		CHECK(uffd_wait(&u) == AT(p, i));
		CHECK(!is_finished(q, seqno));
		uffd_copy(&u, AT(p, i), AT(source, i), 1, false);
	}
	FINISHES(q, seqno, 0);
	CHECK_RESULT(&result, .done = N * PAGE);
	CHECK_FILL(to, N, tag, 0);
	if (gpu_has(q.dev, MOCKGPU_CAP_EXCLUSIVE))
		RUN(q, cmd_add(p, 8, 1), .value = fill_word(tag, 0, 0), .done = 1);
	else
		RUN(q, cmd_load(p, 8), .value = fill_word(tag, 0, 0), .done = 8);
	CHECK(uffd_is_quiet(&u));
	uffd_close(&u);
}

/*
 * A hole that a handler wants to fill is not filled by a migration, and nobody is asked; what the
 * handler put there can move, and is not asked for again when it comes home.
 */
static void I3_missing_and_migration(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag();
	void *p = map_hole(N), *source = map_filled(N, tag);
	struct uffd u = uffd_new(0);
	struct drm_mockgpu_counters c;
	struct access a;
	uint8_t want[N];

	uffd_register(&u, p, N, UFFDIO_REGISTER_MODE_MISSING);
	c = gpu_counters(dev);
	memset(want, MOCKGPU_PAGE_ABSENT, N);
	CHECK_MIGRATE(dev, p, N, MOCKGPU_TARGET_VRAM, 0, 0, want);
	CHECK_MIGRATE(dev, p, N, MOCKGPU_TARGET_VRAM, MOCKGPU_MIGRATE_ALL_OR_NOTHING, -EBUSY,
		      want);
	CHECK_COUNTED(dev, &c);
	CHECK(uffd_is_quiet(&u));
	uffd_copy(&u, AT(p, 8), AT(source, 8), 8, false);
	memset(want + 8, MOCKGPU_PAGE_MOVED, 8);
	CHECK_MIGRATE(dev, p, N, MOCKGPU_TARGET_VRAM, 0, 0, want);
	CHECK_PLACE(dev, AT(p, 8), 8, IN_VRAM);
	GPU_CHECK_FILL(dev, AT(p, 8), 8, tag, 8);
	CHECK_FILL(AT(p, 8), 8, tag, 8);
	CHECK(uffd_is_quiet(&u));
	/* What is dropped in VRAM is missing again. */
	TO_VRAM(dev, AT(p, 8), 8);
	CHECK_SYS(madvise(AT(p, 8), PAGE, MADV_DONTNEED));
	start(&a, dev, AT(p, 8), false, 0);
	CHECK(uffd_wait(&u) == AT(p, 8));
	uffd_copy(&u, AT(p, 8), AT(source, 9), 1, false);
	finish(&a);
	CHECK_FILL(a.buffer, 1, tag, 9);
	uffd_close(&u);
}

/* The handler goes away while the device waits: then it is an ordinary hole. */
static void I3_handler_closes(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	void *p = map_hole(N);
	struct uffd u = uffd_new(0);
	struct access a;

	uffd_register(&u, p, N, UFFDIO_REGISTER_MODE_MISSING);
	start(&a, dev, AT(p, 3), false, 0);
	CHECK(uffd_wait(&u) == AT(p, 3));
	uffd_close(&u);
	finish(&a);
	CHECK_ZERO(a.buffer, 1);
	CHECK_ZERO(p, N);
}

/* A process that wants SIGBUS instead of being served: the device has the error, with the address. */
static void I3_sigbus_feature(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = map_hole(N), *source = map_filled(N, tag);
	struct uffd u = uffd_new(UFFD_FEATURE_SIGBUS);
	uint64_t buffer[N * WORDS];

	uffd_register(&u, p, N, UFFDIO_REGISTER_MODE_MISSING);
	uffd_copy(&u, p, source, 4, false);
	CHECK_READ(dev, buffer, p, N * PAGE, -EFAULT, .done = 4 * PAGE,
		   .fault_addr = (uintptr_t)AT(p, 4), .faults = 4);
	CHECK_FILL(buffer, 4, tag, 0);
	CHECK_WRITE(dev, AT(p, 5), buffer, 8, -EFAULT, .fault_addr = (uintptr_t)AT(p, 5));
	uffd_copy(&u, AT(p, 4), AT(source, 4), N - 4, false);
	GPU_CHECK_FILL(dev, p, N, tag, 0);
	uffd_close(&u);
}

/* Whether a write by the CPU or the device is reported and goes on only when it is allowed. */
static void check_protected(struct uffd *u, struct mockgpu_device *dev, void *p, uint16_t tag)
{
	uint16_t new = new_tag();
	struct access a;

	start(&a, dev, p, true, new);
	CHECK(uffd_wait(u) == p);
	CHECK_EQ(u->flags & UFFD_PAGEFAULT_FLAG_WP, UFFD_PAGEFAULT_FLAG_WP);
	CHECK_FILL(p, 1, tag, 0);
	uffd_protect(u, p, 1, false);
	finish(&a);
	CHECK_FILL(p, 1, new, 0);
	fill(p, 1, tag, 0);
	CHECK(uffd_is_quiet(u));
	uffd_protect(u, p, 1, true);
}

/*
 * The protection survives the way to VRAM and back, by any way back: reading is free everywhere,
 * and each writer is reported.
 */
static void I3_write_protection_survives(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	struct uffd u = uffd_new(UFFD_FEATURE_PAGEFAULT_FLAG_WP);
	void *p = map_hole(N);

	for (unsigned int i = 0; i < N; i++)
		fill(AT(p, i), 1, tag, 0);
	uffd_register(&u, p, N, UFFDIO_REGISTER_MODE_WP);
	uffd_protect(&u, p, N, true);
	check_protected(&u, dev, p, tag);
	TO_VRAM(dev, p, N);
	CHECK_RES(dev, p, N, RES_PLACE | RW, IN_VRAM | MOCKGPU_RES_READ);
	GPU_CHECK_FILL(dev, AT(p, 1), 1, tag, 0);
	CHECK(uffd_is_quiet(&u));
	CHECK_PLACE(dev, p, N, IN_VRAM);
	/* A write of the device in VRAM; by CPU read; by migration; by eviction. */
	check_protected(&u, dev, AT(p, 2), tag);
	CHECK_FILL(AT(p, 3), 1, tag, 0);
	check_protected(&u, dev, AT(p, 3), tag);
	TO_SYSTEM(dev, AT(p, 4), 1);
	check_protected(&u, dev, AT(p, 4), tag);
	CHECK_EQ(mockgpu_evict(dev, AT(p, 5), PAGE, NULL), 0);
	check_protected(&u, dev, AT(p, 5), tag);
	CHECK_PLACE(dev, AT(p, 6), N - 6, IN_VRAM);
	/* Allowed while in VRAM, and protected again there. */
	uffd_protect(&u, AT(p, 6), 2, false);
	gpu_fill(dev, AT(p, 6), 1, tag, 0);
	uffd_protect(&u, AT(p, 6), 2, true);
	check_protected(&u, dev, AT(p, 6), tag);
	check_protected(&u, dev, AT(p, 7), tag);
	CHECK(uffd_is_quiet(&u));
	for (unsigned int i = 0; i < N; i++)
		CHECK_FILL(AT(p, i), 1, tag, 0);
	uffd_close(&u);
}

/* Pages that are in VRAM before somebody protects them. */
static void I3_write_protection_of_vram(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	struct uffd u = uffd_new(UFFD_FEATURE_PAGEFAULT_FLAG_WP);
	struct drm_mockgpu_counters c;
	void *p = map_hole(N);

	for (unsigned int i = 0; i < N; i++)
		fill(AT(p, i), 1, tag, 0);
	TO_VRAM(dev, p, N);
	for (unsigned int i = 0; i < N; i++)
		gpu_fill(dev, AT(p, i), 1, tag, 0);
	c = gpu_counters(dev);
	uffd_register(&u, p, N, UFFDIO_REGISTER_MODE_WP);
	uffd_protect(&u, p, N, true);
	CHECK_COUNTED(dev, &c);
	CHECK_RES(dev, p, N, RES_PLACE | MOCKGPU_RES_WRITE | MOCKGPU_RES_GPU_WRITE, IN_VRAM);
	check_protected(&u, dev, AT(p, 2), tag);
	/* Without the handler it is memory like any other. */
	uffd_close(&u);
	for (unsigned int i = 3; i < N; i++)
		gpu_fill(dev, AT(p, i), 1, tag, 0);
	CHECK_FILL(AT(p, 9), 1, tag, 0);
}

/* A page of shared memory that is there, but not in this process's page table. */
static void I3_minor(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag(), mine = new_tag();
	struct uffd u = uffd_new(UFFD_FEATURE_MINOR_SHMEM);
	int fd = make_memfd(N, tag);
	void *p = map_arena(N);
	uint64_t page[WORDS];
	struct access a;

	map_fixed(p, N, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	uffd_register(&u, p, N, UFFDIO_REGISTER_MODE_MINOR);
	start(&a, dev, AT(p, 2), false, 0);
	CHECK(uffd_wait(&u) == AT(p, 2));
	CHECK_EQ(u.flags & UFFD_PAGEFAULT_FLAG_MINOR, UFFD_PAGEFAULT_FLAG_MINOR);
	uffd_continue(&u, AT(p, 2), 1);
	finish(&a);
	CHECK_FILL(a.buffer, 1, tag, 2);
	start(&a, dev, AT(p, 3), true, mine);
	CHECK(uffd_wait(&u) == AT(p, 3));
	uffd_continue(&u, AT(p, 3), 1);
	finish(&a);
	CHECK_EQ(pread(fd, page, PAGE, 3 * PAGE), PAGE);
	CHECK_FILL(page, 1, mine, 0);
	CHECK(uffd_is_quiet(&u));
	uffd_close(&u);
	close(fd);
}

/* UFFDIO_MOVE takes pages as they are: what is in VRAM it does not take, and leaves as it was. */
static void I3_move(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag();
	struct uffd u = uffd_new(UFFD_FEATURE_MOVE);
	void *from = map_filled(N, tag), *to = map_hole(N);
	struct uffdio_move move = {
		.dst = addr_of(to), .src = addr_of(from), .len = N * PAGE,
	};
	struct drm_mockgpu_counters c;

	uffd_register(&u, to, N, UFFDIO_REGISTER_MODE_MISSING);
	TO_VRAM(dev, AT(from, 4), N - 4);
	GPU_CHECK_FILL(dev, from, N, tag, 0);
	c = gpu_counters(dev);
	CHECK_EQ(ioctl(u.fd, UFFDIO_MOVE, &move), -1);
	CHECK_EQ(errno, EAGAIN);
	CHECK_EQ(move.move, 4 * PAGE);
	move.dst += 4 * PAGE;
	move.src += 4 * PAGE;
	move.len -= 4 * PAGE;
	CHECK_EQ(ioctl(u.fd, UFFDIO_MOVE, &move), -1);
	CHECK_EQ(errno, EFAULT);
	CHECK_COUNTED(dev, &c);
	CHECK_PLACE(dev, from, 4, NOWHERE);
	CHECK_PLACE(dev, AT(from, 4), N - 4, IN_VRAM);
	GPU_CHECK_FILL(dev, to, 4, tag, 0);
	CHECK_FILL(to, 4, tag, 0);
	CHECK_FILL(AT(from, 4), N - 4, tag, 4);
	uffd_close(&u);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(I3_missing),
	SCENARIO(I3_missing_in_a_command),
	SCENARIO(I3_missing_and_migration),
	SCENARIO(I3_handler_closes),
	SCENARIO(I3_sigbus_feature),
	SCENARIO(I3_write_protection_survives),
	SCENARIO(I3_write_protection_of_vram),
	SCENARIO(I3_minor),
	SCENARIO(I3_move),
	{ 0 }
};
