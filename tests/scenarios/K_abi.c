// SPDX-License-Identifier: MIT
/*
 * Malformed calls that advise and prefetch: rows K1 and K2.  Raw ioctls, not the library.
 *
 * Each case spoils one field of a call that would work, and has to give exactly one errno.  After
 * it the pages are where they were, and the advice is what it was.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gpu.h"
#include "process.h"

#define N	8	/* pages at hand: 0-3 in VRAM, 4-7 in system memory */
#define MAX32	0xffffffffUL
#define MAX64	0xffffffffffffffffUL
#define LAST	(MAX64 & ~(PAGE - 1))	/* the last page there can be */
#define END	(1UL << 47)

static struct {
	struct mockgpu_device *dev;
	int fd;
	void *pages;
	uint64_t at;
	uint16_t tag;
	uint32_t res[N];
	struct mockgpu_advice advice[N];
	struct drm_mockgpu_counters before;
} t;

/* An errno, positive, or 0. */
static int call(unsigned long request, void *arg)
{
	return ioctl(t.fd, request, arg) ? errno : 0;
}

static void set_up(void)
{
	t.dev = gpu_open(0);
	t.fd = mockgpu_fd(t.dev);
	t.tag = new_tag();
	t.pages = map_filled(N, t.tag);
	t.at = (uintptr_t)t.pages;
	TO_VRAM(t.dev, t.pages, N / 2);
	CHECK_EQ(mockgpu_advise(t.dev, t.pages, 3 * PAGE, MOCKGPU_ADVICE_GRANULARITY, 4), 0);
	CHECK_EQ(mockgpu_residency(t.dev, t.pages, N * PAGE, t.res), 0);
	for (unsigned int i = 0; i < N; i++)
		CHECK_EQ(mockgpu_get_advice(t.dev, AT(t.pages, i), PAGE, &t.advice[i]), 0);
	t.before = gpu_counters(t.dev);
}

static void nothing_changed(const char *what)
{
	struct drm_mockgpu_counters now = gpu_counters(t.dev);
	struct mockgpu_advice advice;
	uint32_t res[N];

	/* These change also by what the kernel does elsewhere, and as blocks are given back. */
	now.invalidations = t.before.invalidations;
	now.invalidated_pages = t.before.invalidated_pages;
	now.vram_backing_bytes = t.before.vram_backing_bytes;
	if (memcmp(&now, &t.before, sizeof(now)))
		FAIL("%s: counters have changed", what);
	CHECK_EQ(mockgpu_residency(t.dev, t.pages, N * PAGE, res), 0);
	if (memcmp(res, t.res, sizeof(res)))
		FAIL("%s: pages have moved, or been mapped", what);
	for (unsigned int i = 0; i < N; i++) {
		CHECK_EQ(mockgpu_get_advice(t.dev, AT(t.pages, i), PAGE, &advice), 0);
		if (memcmp(&advice, &t.advice[i], sizeof(advice)))
			FAIL("%s: the advice has changed", what);
	}
}

/* A field that is spoilt: its place, its new value, what comes of it. */
struct spoilt {
	const char *what;
	size_t offset, size;
	uint64_t value;
	int error;
};

#define SPOIL(type, field, value, error) \
	{ #type "." #field " = " #value, offsetof(struct type, field), \
	  sizeof(((struct type *)0)->field), (value), (error) }

static void run_spoilt(const struct spoilt *cases, size_t n, unsigned long request,
		       const void *good, size_t size)
{
	for (size_t i = 0; i < n; i++) {
		char arg[512];
		int got;

		memcpy(arg, good, size);
		/* Little-endian, as every machine that this runs on. */
		memcpy(arg + cases[i].offset, &cases[i].value, cases[i].size);
		got = call(request, arg);
		if (got != cases[i].error)
			FAIL("%s: expected %d (%s), got %d (%s)", cases[i].what, cases[i].error,
			     strerror(cases[i].error), got, strerror(got));
		nothing_changed(cases[i].what);
	}
}

#define RUN(cases, request, good) \
	run_spoilt((cases), ARRAY_SIZE(cases), (request), &(good), sizeof(good))

/* What holds of every range; each of the structures begins with one. */
static void run_ranges(unsigned long request, const void *good, size_t size)
{
	const struct spoilt cases[] = {
		SPOIL(drm_mockgpu_advise, start, t.at + 1, EINVAL),
		SPOIL(drm_mockgpu_advise, start, t.at + PAGE - 1, EINVAL),
		SPOIL(drm_mockgpu_advise, start, 1, EINVAL),
		SPOIL(drm_mockgpu_advise, start, MAX64, EINVAL),
		SPOIL(drm_mockgpu_advise, start, LAST, EINVAL),		/* wraps */
		SPOIL(drm_mockgpu_advise, start, 0xffff888000000000, EINVAL),
		SPOIL(drm_mockgpu_advise, len, 0, EINVAL),
		SPOIL(drm_mockgpu_advise, len, 1, EINVAL),
		SPOIL(drm_mockgpu_advise, len, PAGE + 1, EINVAL),
		SPOIL(drm_mockgpu_advise, len, N * PAGE - 1, EINVAL),
		SPOIL(drm_mockgpu_advise, len, MAX64, EINVAL),
		SPOIL(drm_mockgpu_advise, len, LAST, EINVAL),		/* wraps */
	};

	run_spoilt(cases, ARRAY_SIZE(cases), request, good, size);
}

static void K1_malformed_advise(void)
{
	struct drm_mockgpu_advise good, reset;

	set_up();
	good = (struct drm_mockgpu_advise){
		.start = t.at, .len = N * PAGE, .attr = MOCKGPU_ADVICE_TOUCH, .value = 50,
	};
	reset = (struct drm_mockgpu_advise){
		.start = t.at, .len = N * PAGE, .flags = MOCKGPU_ADVISE_RESET,
	};
	const struct spoilt cases[] = {
		SPOIL(drm_mockgpu_advise, attr, MOCKGPU_ADVICE_TIME_SLICE + 1, EINVAL),
		SPOIL(drm_mockgpu_advise, attr, MOCKGPU_ADVICE_MAX - 1, EINVAL),
		SPOIL(drm_mockgpu_advise, attr, MOCKGPU_ADVICE_MAX, EINVAL),
		SPOIL(drm_mockgpu_advise, attr, 1UL << 31, EINVAL),
		SPOIL(drm_mockgpu_advise, attr, MAX32, EINVAL),
		SPOIL(drm_mockgpu_advise, flags, MOCKGPU_ADVISE_RESET, EINVAL),
		SPOIL(drm_mockgpu_advise, flags, 2, EINVAL),
		SPOIL(drm_mockgpu_advise, flags, 1UL << 31, EINVAL),
		SPOIL(drm_mockgpu_advise, flags, MAX32, EINVAL),
		SPOIL(drm_mockgpu_advise, value, 101, EINVAL),
		SPOIL(drm_mockgpu_advise, value, (1UL << 16) + 50, EINVAL),
		SPOIL(drm_mockgpu_advise, value, (1UL << 32) + 50, EINVAL),
		SPOIL(drm_mockgpu_advise, value, MAX64, EINVAL),
	};
	const struct spoilt reset_cases[] = {
		SPOIL(drm_mockgpu_advise, attr, 1, EINVAL),
		SPOIL(drm_mockgpu_advise, attr, MAX32, EINVAL),
		SPOIL(drm_mockgpu_advise, value, 1, EINVAL),
		SPOIL(drm_mockgpu_advise, value, MAX64, EINVAL),
		SPOIL(drm_mockgpu_advise, flags, MOCKGPU_ADVISE_RESET | 2, EINVAL),
	};

	run_ranges(DRM_IOCTL_MOCKGPU_ADVISE, &good, sizeof(good));
	run_ranges(DRM_IOCTL_MOCKGPU_ADVISE, &reset, sizeof(reset));
	RUN(cases, DRM_IOCTL_MOCKGPU_ADVISE, good);
	RUN(reset_cases, DRM_IOCTL_MOCKGPU_ADVISE, reset);
	CHECK_FILL(t.pages, N, t.tag, 0);
}

static void K1_malformed_question(void)
{
	struct drm_mockgpu_advice good;

	set_up();
	good = (struct drm_mockgpu_advice){ .start = t.at, .len = N * PAGE };
	const struct spoilt cases[] = {
		SPOIL(drm_mockgpu_advice, flags, 1, EINVAL),
		SPOIL(drm_mockgpu_advice, flags, 1UL << 31, EINVAL),
		SPOIL(drm_mockgpu_advice, flags, MAX32, EINVAL),
		SPOIL(drm_mockgpu_advice, pad, 1, EINVAL),
		SPOIL(drm_mockgpu_advice, pad, MAX32, EINVAL),
		/* What is an answer is not looked at. */
		SPOIL(drm_mockgpu_advice, mixed, MAX64, 0),
		SPOIL(drm_mockgpu_advice, value, MAX64, 0),
	};

	run_ranges(DRM_IOCTL_MOCKGPU_ADVICE, &good, sizeof(good));
	RUN(cases, DRM_IOCTL_MOCKGPU_ADVICE, good);
	/* It is written also where the call fails. */
	memset(&good.value, 0xee, sizeof(good.value));
	good.mixed = 1;
	good.pad = 1;
	CHECK_EQ(call(DRM_IOCTL_MOCKGPU_ADVICE, &good), EINVAL);
	CHECK_EQ(good.mixed, 0);
	for (unsigned int i = 0; i < MOCKGPU_ADVICE_MAX; i++)
		CHECK_EQ(good.value[i], 0);
	CHECK_FILL(t.pages, N, t.tag, 0);
}

static void K2_malformed_prefetch(void)
{
	struct drm_mockgpu_prefetch good;

	set_up();
	good = (struct drm_mockgpu_prefetch){
		.start = t.at, .len = N * PAGE, .place = MOCKGPU_PLACE_DEVICE(0), .fd = -1,
	};
	const struct spoilt cases[] = {
		SPOIL(drm_mockgpu_prefetch, place, MOCKGPU_PLACE_SYSTEM + 1, EINVAL),
		SPOIL(drm_mockgpu_prefetch, place, MOCKGPU_PLACE_DEVICE(0) - 1, EINVAL),
		SPOIL(drm_mockgpu_prefetch, place, MOCKGPU_PLACE_DEVICE(16), EINVAL),
		SPOIL(drm_mockgpu_prefetch, place, (1UL << 16) + 1, EINVAL),
		SPOIL(drm_mockgpu_prefetch, place, MAX32, EINVAL),
		SPOIL(drm_mockgpu_prefetch, place, MOCKGPU_PLACE_DEVICE(1), EBADF),
		SPOIL(drm_mockgpu_prefetch, place, MOCKGPU_PLACE_DEVICE(15), EBADF),
		SPOIL(drm_mockgpu_prefetch, flags, 2, EINVAL),
		SPOIL(drm_mockgpu_prefetch, flags, MOCKGPU_PREFETCH_WRITE | 2, EINVAL),
		SPOIL(drm_mockgpu_prefetch, flags, 1UL << 31, EINVAL),
		SPOIL(drm_mockgpu_prefetch, flags, MAX32, EINVAL),
		SPOIL(drm_mockgpu_prefetch, fd, 0, EINVAL),
		SPOIL(drm_mockgpu_prefetch, fd, t.fd, EINVAL),
		SPOIL(drm_mockgpu_prefetch, fd, 1UL << 31, EINVAL),
		SPOIL(drm_mockgpu_prefetch, fd, MAX32 - 1, EINVAL),
		SPOIL(drm_mockgpu_prefetch, pad, 1, EINVAL),
		SPOIL(drm_mockgpu_prefetch, pad, MAX32, EINVAL),
	};

	run_ranges(DRM_IOCTL_MOCKGPU_PREFETCH, &good, sizeof(good));
	RUN(cases, DRM_IOCTL_MOCKGPU_PREFETCH, good);
	good.done = good.moved = good.stayed = good.mapped = 77;
	good.pad = 1;
	CHECK_EQ(call(DRM_IOCTL_MOCKGPU_PREFETCH, &good), EINVAL);
	CHECK_EQ(good.done | good.moved | good.stayed | good.mapped, 0);
	CHECK_FILL(t.pages, N, t.tag, 0);
}

/* No memory attached; a structure that cannot be read, or not written. */
static void K2_not_attached_and_bad_structures(void)
{
	static const unsigned long requests[] = {
		DRM_IOCTL_MOCKGPU_ADVISE, DRM_IOCTL_MOCKGPU_ADVICE, DRM_IOCTL_MOCKGPU_PREFETCH,
	};
	struct drm_mockgpu_advise advise;
	struct drm_mockgpu_advice advice;
	struct drm_mockgpu_prefetch prefetch;
	void *args[] = { &advise, &advice, &prefetch };
	struct drm_mockgpu_advice *read_only = map_hole(1);

	set_up();
	advise = (struct drm_mockgpu_advise){
		.start = t.at, .len = PAGE, .attr = MOCKGPU_ADVICE_TOUCH,
	};
	advice = *read_only = (struct drm_mockgpu_advice){ .start = t.at, .len = PAGE };
	prefetch = (struct drm_mockgpu_prefetch){ .start = t.at, .len = PAGE, .fd = -1 };
	for (unsigned int i = 0; i < ARRAY_SIZE(requests); i++) {
		CHECK_EQ(call(requests[i], NULL), EFAULT);
		CHECK_EQ(call(requests[i], (void *)1), EFAULT);
		CHECK_EQ(call(requests[i], (void *)END), EFAULT);
	}
	CHECK_SYS(mprotect(read_only, PAGE, PROT_READ));
	CHECK_EQ(call(DRM_IOCTL_MOCKGPU_ADVICE, read_only), EFAULT);
	nothing_changed("a bad structure");
	t.fd = (int)CHECK_SYS(open(mockgpu_path(t.dev), O_RDWR | O_CLOEXEC));
	for (unsigned int i = 0; i < ARRAY_SIZE(requests); i++)
		CHECK_EQ(call(requests[i], args[i]), ENXIO);
	nothing_changed("nothing attached");
}

static void child_calls(void *arg)
{
	struct drm_mockgpu_prefetch prefetch = {
		.start = t.at, .len = N * PAGE, .place = MOCKGPU_PLACE_SYSTEM, .fd = -1,
	};

	CHECK_EQ(call(DRM_IOCTL_MOCKGPU_PREFETCH, &prefetch), EPERM);
	CHECK_EQ(prefetch.done | prefetch.moved | prefetch.mapped, 0);
}

/* Calls of a process whose memory is not the one that is attached. */
static void K2_foreign_memory(void)
{
	set_up();
	join(spawn(child_calls, NULL));
	CHECK_PLACE(t.dev, t.pages, N / 2, IN_VRAM);
	CHECK_FILL(t.pages, N, t.tag, 0);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(K1_malformed_advise),
	SCENARIO(K1_malformed_question),
	SCENARIO(K2_malformed_prefetch),
	SCENARIO(K2_not_attached_and_bad_structures),
	SCENARIO(K2_foreign_memory),
	{ 0 }
};
