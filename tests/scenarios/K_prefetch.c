// SPDX-License-Identifier: MIT
/*
 * Prefetch: what it moved and mapped, the device finds without a fault.  Row K2.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "module.h"
#include "points.h"
#include "process.h"
#include "queue.h"

#define HERE	MOCKGPU_PLACE_DEVICE(0)
#define SYSTEM	MOCKGPU_PLACE_SYSTEM
#define N	1100	/* pages; more than two windows of 2 MiB */

/* A prefetch that has to have done exactly this. */
#define FETCH(dev, p, pages, place, flags, target, ret, ...) \
	fetch(__LINE__, (dev), (p), (pages), (place), (flags), (target), (ret), \
	      &(const struct mockgpu_prefetched){ __VA_ARGS__ })

static void fetch(int line, struct mockgpu_device *dev, void *p, size_t pages, unsigned int place,
		  unsigned int flags, struct mockgpu_device *target, int ret,
		  const struct mockgpu_prefetched *want)
{
	struct mockgpu_prefetched got;

	memset(&got, 0xff, sizeof(got));
	check_eq(__FILE__, line, "prefetch",
		 mockgpu_prefetch(dev, p, pages * PAGE, place, flags, target, &got), ret);
	check_eq(__FILE__, line, "moved", (long long)got.moved, (long long)want->moved);
	check_eq(__FILE__, line, "stayed", (long long)got.stayed, (long long)want->stayed);
	check_eq(__FILE__, line, "mapped", (long long)got.mapped, (long long)want->mapped);
}

/* The device reads, or writes, all of it and takes so many faults. */
static void reads(struct queue q, void *p, size_t pages, uint64_t faults)
{
	struct drm_mockgpu_result result;

	result = RUN(q, cmd_compare(p, p, pages * PAGE), .value = pages * PAGE,
		     .done = pages * PAGE);
	CHECK_EQ(result.faults, faults);
}

static void writes(struct queue q, void *p, size_t pages, uint64_t faults)
{
	struct drm_mockgpu_result result;

	for (size_t i = 0; i < pages; i++) {
		result = RUN(q, cmd_store((uint64_t *)AT(p, i) + 5, 8, i), .done = 8);
		CHECK_LE(result.faults, (long long)faults);
		faults -= result.faults;
	}
	CHECK_EQ(faults, 0);
}

static void K2_to_this_device(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);

	FETCH(q.dev, p, N, HERE, 0, NULL, 0, .moved = N, .mapped = N);
	CHECK_PLACE(q.dev, p, N, IN_VRAM);
	CHECK_RES(q.dev, p, N, MOCKGPU_RES_GPU, MOCKGPU_RES_GPU);
	reads(q, p, N, 0);
	/* What is there and mapped is left in peace. */
	FETCH(q.dev, p, N, HERE, 0, NULL, 0, .mapped = N);
	GPU_CHECK_FILL(q.dev, p, N, tag, 0);
	FETCH(q.dev, p, N, HERE, MOCKGPU_PREFETCH_WRITE, NULL, 0, .mapped = N);
	writes(q, p, N, 0);
	CHECK_PLACE(q.dev, p, N, IN_VRAM);
	for (size_t i = 0; i < N; i++) {
		uint64_t *word = (uint64_t *)AT(p, i) + 5;

		CHECK_EQ(*word, i);
		*word = fill_word(tag, i, 5);
	}
	CHECK_FILL(p, N, tag, 0);
}

static void K2_to_system_memory(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);
	struct drm_mockgpu_counters c;

	TO_VRAM(q.dev, p, N - 100);
	FETCH(q.dev, p, N, SYSTEM, MOCKGPU_PREFETCH_WRITE, NULL, 0, .moved = N - 100, .mapped = N);
	CHECK_PLACE(q.dev, p, N, IN_SYSTEM);
	c = gpu_counters(q.dev);
	reads(q, p, N, 0);
	CHECK_FILL(p, N, tag, 0);
	writes(q, p, N, 0);
	CHECK_EQ(gpu_counters(q.dev).cpu_faults, c.cpu_faults);
}

/* Pages that do not exist are made. */
static void K2_holes(void)
{
	struct queue q = queue_new(gpu_open(0));
	void *p = map_hole(N), *r = map_hole(N);
	struct drm_mockgpu_counters c = gpu_counters(q.dev);

	FETCH(q.dev, p, N, HERE, MOCKGPU_PREFETCH_WRITE, NULL, 0, .moved = N, .mapped = N);
	CHECK_EQ(gpu_counters(q.dev).pages_hole - c.pages_hole, N);
	CHECK_PLACE(q.dev, p, N, IN_VRAM);
	reads(q, p, N, 0);
	writes(q, p, N, 0);
	FETCH(q.dev, r, N, SYSTEM, MOCKGPU_PREFETCH_WRITE, NULL, 0, .moved = 0, .mapped = N);
	CHECK_PLACE(q.dev, r, N, IN_SYSTEM);
	CHECK_EQ(rss_of(r), N);
	reads(q, r, N, 0);
	CHECK_ZERO(r, N);
	writes(q, r, N, 0);
}

/* Only to read: the device's first write may fault, its reads do not. */
static void K2_holes_to_read(void)
{
	struct queue q = queue_new(gpu_open(0));
	void *p = map_hole(N);

	FETCH(q.dev, p, N, SYSTEM, 0, NULL, 0, .mapped = N);
	reads(q, p, N, 0);
	CHECK_ZERO(p, N);
	writes(q, p, N, N);
}

/* Each page to where it was advised to be; those without advice stay, and are mapped. */
static void K2_as_advised(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint16_t tag = new_tag();
	char *p = map_filled(N, tag);

	TO_VRAM(q.dev, AT(p, 700), 200);
	CHECK_EQ(mockgpu_advise(q.dev, AT(p, 100), 500 * PAGE, MOCKGPU_ADVICE_PLACE, HERE), 0);
	CHECK_EQ(mockgpu_advise(q.dev, AT(p, 800), 200 * PAGE, MOCKGPU_ADVICE_PLACE, SYSTEM), 0);
	FETCH(q.dev, p, N, MOCKGPU_PLACE_ANY, MOCKGPU_PREFETCH_WRITE, NULL, 0,
	      .moved = 500 + 100, .mapped = N);
	CHECK_PLACE(q.dev, p, 100, IN_SYSTEM);
	CHECK_PLACE(q.dev, AT(p, 100), 500, IN_VRAM);
	CHECK_PLACE(q.dev, AT(p, 600), 100, IN_SYSTEM);
	CHECK_PLACE(q.dev, AT(p, 700), 100, IN_VRAM);
	CHECK_PLACE(q.dev, AT(p, 800), N - 800, IN_SYSTEM);
	reads(q, p, N, 0);
	writes(q, p, N, 0);
}

/* To another device, by its file; this one reaches the pages where they are. */
static void K2_to_another_device(void)
{
	struct mockgpu_device *other;
	struct queue q;
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);

	module_reload(2, 16);
	q = queue_new(gpu_open(0));
	other = gpu_open(1);
	FETCH(other, p, N, MOCKGPU_PLACE_DEVICE(1), 0, NULL, 0, .moved = N, .mapped = N);
	FETCH(other, p, N, SYSTEM, 0, NULL, 0, .moved = N, .mapped = N);
	FETCH(q.dev, p, N, MOCKGPU_PLACE_DEVICE(1), 0, other, 0, .moved = N, .mapped = N);
	CHECK_EQ(gpu_counters(q.dev).vram_used_bytes, 0);
	CHECK_EQ(gpu_counters(other).client_used_bytes, N * PAGE);
	CHECK_RES(q.dev, p, N, RES_PLACE | 0xffU << 24,
		  (IN_VRAM & ~MOCKGPU_RES_LOCAL) | 1U << 24);
	reads(q, p, N, 0);
	GPU_CHECK_FILL(q.dev, p, N, tag, 0);
	CHECK_EQ(gpu_counters(other).client_used_bytes, N * PAGE);
	CHECK_FILL(p, N, tag, 0);
}

static void foreign(void *arg)
{
	struct queue *q = arg;
	struct mockgpu_prefetched got;

	CHECK_EQ(mockgpu_prefetch(q->dev, map_hole(1), PAGE, HERE, 0, NULL, &got), -EPERM);
	/* A device that has one's own memory is no way to that of another file. */
	CHECK_EQ(mockgpu_prefetch(gpu_open(1), map_hole(1), PAGE, HERE, 0, q->dev, &got), -EPERM);
}

static void K2_files_that_are_none(void)
{
	struct queue q;
	struct mockgpu_device *other;
	struct drm_mockgpu_prefetch good, args;
	int files[2], bare;
	void *p = map_hole(4);

	module_reload(2, 16);
	q = queue_new(gpu_open(0));
	other = gpu_open(1);
	good = (struct drm_mockgpu_prefetch){
		.start = addr_of(p), .len = 4 * PAGE, .place = MOCKGPU_PLACE_DEVICE(1),
		.fd = mockgpu_fd(other),
	};
	CHECK_SYS(pipe2(files, O_CLOEXEC));
	bare = (int)CHECK_SYS(open(mockgpu_path(other), O_RDWR | O_CLOEXEC));
	const struct { unsigned int place; int fd, error; } cases[] = {
		{ MOCKGPU_PLACE_DEVICE(1), -1, EBADF }, { MOCKGPU_PLACE_DEVICE(1), -2, EBADF },
		{ MOCKGPU_PLACE_DEVICE(1), 1000, EBADF },
		{ MOCKGPU_PLACE_DEVICE(1), files[0], EBADF },
		{ MOCKGPU_PLACE_DEVICE(1), mockgpu_fd(q.dev), EINVAL },
		{ MOCKGPU_PLACE_DEVICE(2), mockgpu_fd(other), EINVAL },
		{ MOCKGPU_PLACE_DEVICE(1), bare, ENXIO },
		{ HERE, mockgpu_fd(other), EINVAL }, { HERE, mockgpu_fd(q.dev), EINVAL },
		{ SYSTEM, mockgpu_fd(other), EINVAL }, { SYSTEM, 0, EINVAL },
		{ MOCKGPU_PLACE_ANY, files[0], EINVAL },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		args = good;
		args.place = cases[i].place;
		args.fd = cases[i].fd;
		errno = 0;
		if (ioctl(mockgpu_fd(q.dev), DRM_IOCTL_MOCKGPU_PREFETCH, &args) != -1 ||
		    errno != cases[i].error)
			FAIL("case %u: expected %d, got %d", i, cases[i].error, errno);
		CHECK_PLACE(q.dev, p, 4, NOWHERE);
	}
	join(spawn(foreign, &q));
	CHECK_EQ(ioctl(mockgpu_fd(q.dev), DRM_IOCTL_MOCKGPU_PREFETCH, &good), 0);
	CHECK_EQ(good.done, 4 * PAGE);
	CHECK_EQ(good.moved, 4);
}

/* Gaps, and what the device cannot have; the rest is done. */
static void K2_a_range_with_gaps(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint16_t tag = new_tag();
	char *p = map_filled(100, tag);

	unmap(AT(p, 10), 10);
	CHECK_SYS(mprotect(AT(p, 30), 10 * PAGE, PROT_NONE));
	CHECK_SYS(mprotect(AT(p, 40), 10 * PAGE, PROT_READ));
	map_fixed(AT(p, 50), 10, PROT_READ | PROT_WRITE, MAP_SHARED, make_memfd(10, tag));
	/* Pages of a file stay where they are. */
	FETCH(q.dev, p, 100, HERE, MOCKGPU_PREFETCH_WRITE, NULL, 0, .moved = 70, .stayed = 10,
	      .mapped = 80);
	CHECK_PLACE(q.dev, p, 10, IN_VRAM);
	CHECK_PLACE(q.dev, AT(p, 20), 10, IN_VRAM);
	CHECK_PLACE(q.dev, AT(p, 40), 10, IN_VRAM);
	CHECK_PLACE(q.dev, AT(p, 50), 10, IN_SYSTEM);
	CHECK_PLACE(q.dev, AT(p, 60), 40, IN_VRAM);
	reads(q, p, 10, 0);
	reads(q, AT(p, 20), 10, 0);
	reads(q, AT(p, 40), 60, 0);
	writes(q, AT(p, 50), 50, 0);
	/* Nothing at all. */
	FETCH(q.dev, AT(p, 10), 10, HERE, 0, NULL, 0, .moved = 0);
}

static void K2_vram_is_full(void)
{
	struct queue q;
	uint16_t tag = new_tag();
	void *p = map_filled(600, tag);
	struct arm arm;

	module_reload(1, 2);
	q = queue_new(gpu_open(0));
	/* What is there has nowhere to go. */
	arm = BREAK(q.dev, "alloc-ram");
	FETCH(q.dev, p, 600, HERE, 0, NULL, -ENOMEM, .moved = 512, .stayed = 88, .mapped = 600);
	GPU_CHECK_FILL(q.dev, p, 600, tag, 0);
	arm_release(arm);
	CHECK_FILL(p, 600, tag, 0);
}

static void hold_on(void *gate)
{
	gate_wait(*(int *)gate);
}

/* Shared with a child: to read as it is; to write, each its own, in system memory. */
static void K2_shared_with_a_child(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint16_t tag = new_tag();
	void *p = map_filled(20, tag);
	int gate = gate_new();
	pid_t child;

	TO_VRAM(q.dev, p, 20);
	child = spawn(hold_on, &gate);
	FETCH(q.dev, p, 20, HERE, 0, NULL, 0, .mapped = 20);
	reads(q, p, 20, 0);
	CHECK_PLACE(q.dev, p, 20, IN_VRAM);
	FETCH(q.dev, AT(p, 5), 10, MOCKGPU_PLACE_ANY, MOCKGPU_PREFETCH_WRITE, NULL, 0,
	      .mapped = 10);
	CHECK_PLACE(q.dev, p, 5, IN_VRAM);
	CHECK_PLACE(q.dev, AT(p, 5), 10, IN_SYSTEM);
	CHECK_PLACE(q.dev, AT(p, 15), 5, IN_VRAM);
	writes(q, AT(p, 5), 10, 0);
	gate_open(gate, 1);
	join(child);
	CHECK_FILL(p, 5, tag, 0);
	CHECK_FILL(AT(p, 15), 5, tag, 15);
}

/* What a fetch said holds until something changes. */
static void K2_until_something_changes(void)
{
	struct queue q = queue_new(gpu_open_private());
	uint16_t tag = new_tag();
	void *p = map_filled(50, tag);

	FETCH(q.dev, p, 50, HERE, MOCKGPU_PREFETCH_WRITE, NULL, 0, .moved = 50, .mapped = 50);
	CHECK_FILL(AT(p, 10), 5, tag, 10);
	reads(q, p, 50, 5);
	FETCH(q.dev, p, 50, HERE, MOCKGPU_PREFETCH_WRITE, NULL, 0, .moved = 5, .mapped = 50);
	reads(q, p, 50, 0);
	CHECK_FILL(p, 50, tag, 0);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(K2_to_this_device),
	SCENARIO(K2_to_system_memory),
	SCENARIO(K2_holes),
	SCENARIO(K2_holes_to_read),
	SCENARIO(K2_as_advised),
	{ "K2_to_another_device", K2_to_another_device, 0, RELOADS },
	{ "K2_files_that_are_none", K2_files_that_are_none, 0, RELOADS },
	SCENARIO(K2_a_range_with_gaps),
	{ "K2_vram_is_full", K2_vram_is_full, 0, RELOADS },
	SCENARIO(K2_shared_with_a_child),
	SCENARIO(K2_until_something_changes),
	{ 0 }
};
