// SPDX-License-Identifier: MIT
/*
 * Malformed calls: row L4.  Raw ioctls, not the library.
 *
 * Each case spoils one field of a call that would work, and has to give exactly one errno.  After
 * each case nothing has changed: the pages' places and contents, the counters, and the result
 * fields where the caller's memory was not to be written.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gpu.h"
#include "process.h"

#define N 8	/* pages at hand: 0-3 in VRAM, 4-7 in system memory */

/* What every case is run against. */
static struct {
	struct mockgpu_device *dev;
	int fd;
	void *pages;
	uint64_t at;
	uint16_t tag;
	uint8_t status[N];
	uint32_t res[N];
	uint64_t buffer[N * WORDS];
	uint32_t res_before[N];
	struct drm_mockgpu_counters before;
} t;

/* An errno, positive, or 0. */
static int call(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) ? errno : 0;
}

static void set_up(void)
{
	t.dev = gpu_open(0);
	t.fd = mockgpu_fd(t.dev);
	t.tag = new_tag();
	t.pages = map_filled(N, t.tag);
	t.at = (uintptr_t)t.pages;
	TO_VRAM(t.dev, t.pages, N / 2);
	GPU_CHECK_FILL(t.dev, t.pages, N, t.tag, 0);
	CHECK_EQ(mockgpu_residency(t.dev, t.pages, N * PAGE, t.res_before), 0);
	t.before = gpu_counters(t.dev);
	memset(t.status, 0xee, sizeof(t.status));
	memset(t.res, 0xee, sizeof(t.res));
	memset(t.buffer, 0xee, sizeof(t.buffer));
}

static void nothing_changed(const char *what)
{
	struct drm_mockgpu_counters now = gpu_counters(t.dev);
	uint32_t res[N];

	/* These change also by what the kernel does elsewhere, and as blocks are given back. */
	now.invalidations = t.before.invalidations;
	now.invalidated_pages = t.before.invalidated_pages;
	now.vram_backing_bytes = t.before.vram_backing_bytes;
	CHECK_EQ(mockgpu_residency(t.dev, t.pages, N * PAGE, res), 0);
	if (memcmp(res, t.res_before, sizeof(res)))
		FAIL("%s: pages have moved", what);
	if (memcmp(&now, &t.before, sizeof(now)))
		FAIL("%s: counters have changed", what);
	for (unsigned int i = 0; i < N; i++)
		if (t.status[i] != 0xee || t.res[i] != 0xeeeeeeee)
			FAIL("%s: results were written", what);
	for (unsigned int i = 0; i < N * WORDS; i++)
		if (t.buffer[i] != 0xeeeeeeeeeeeeeeee)
			FAIL("%s: the buffer was written", what);
}

/* Contents last: the CPU's look at them brings the pages home. */
static void contents_unchanged(void)
{
	GPU_CHECK_FILL(t.dev, t.pages, N, t.tag, 0);
	CHECK_FILL(t.pages, N, t.tag, 0);
}

static void expect(const char *what, unsigned long request, const void *arg, size_t size,
		   int error)
{
	char copy[512];
	int got;

	memcpy(copy, arg, size);
	got = call(t.fd, request, copy);
	if (got != error)
		FAIL("%s: expected %d (%s), got %d (%s)", what, error, strerror(error), got,
		     strerror(got));
	nothing_changed(what);
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

		memcpy(arg, good, size);
		/* Little-endian, as every machine that this runs on. */
		memcpy(arg + cases[i].offset, &cases[i].value, cases[i].size);
		expect(cases[i].what, request, arg, size, cases[i].error);
	}
}

#define RUN(cases, request, good) \
	run_spoilt((cases), ARRAY_SIZE(cases), (request), &(good), sizeof(good))

#define MAX32	0xffffffffUL
#define MAX64	0xffffffffffffffffUL
#define LAST	(MAX64 & ~(PAGE - 1))	/* the last page there can be */

static struct drm_mockgpu_migrate good_migrate(void)
{
	return (struct drm_mockgpu_migrate){
		.start = t.at, .len = N * PAGE, .target = MOCKGPU_TARGET_VRAM,
		.status_ptr = (uintptr_t)t.status,
	};
}

static void L4_migrate(void)
{
	struct drm_mockgpu_migrate good;

	set_up();
	good = good_migrate();
	const struct spoilt cases[] = {
		SPOIL(drm_mockgpu_migrate, start, t.at + 1, EINVAL),
		SPOIL(drm_mockgpu_migrate, start, t.at + PAGE - 1, EINVAL),
		SPOIL(drm_mockgpu_migrate, start, 1, EINVAL),
		SPOIL(drm_mockgpu_migrate, start, MAX64, EINVAL),
		SPOIL(drm_mockgpu_migrate, start, LAST, EINVAL),	/* wraps */
		SPOIL(drm_mockgpu_migrate, len, 0, EINVAL),
		SPOIL(drm_mockgpu_migrate, len, 1, EINVAL),
		SPOIL(drm_mockgpu_migrate, len, PAGE + 1, EINVAL),
		SPOIL(drm_mockgpu_migrate, len, N * PAGE - 1, EINVAL),
		SPOIL(drm_mockgpu_migrate, len, MAX64, EINVAL),
		SPOIL(drm_mockgpu_migrate, len, LAST, EINVAL),		/* wraps */
		SPOIL(drm_mockgpu_migrate, target, MOCKGPU_TARGET_VRAM + 1, EINVAL),
		SPOIL(drm_mockgpu_migrate, target, 1UL << 31, EINVAL),
		SPOIL(drm_mockgpu_migrate, target, MAX32, EINVAL),
		SPOIL(drm_mockgpu_migrate, flags, 4, EINVAL),
		SPOIL(drm_mockgpu_migrate, flags, 7, EINVAL),
		SPOIL(drm_mockgpu_migrate, flags, 1UL << 31, EINVAL),
		SPOIL(drm_mockgpu_migrate, flags, MAX32, EINVAL),
	};

	RUN(cases, DRM_IOCTL_MOCKGPU_MIGRATE, good);
	contents_unchanged();
}

/* The statuses cannot be written: whatever moved, the call says so and nothing is lost. */
static void L4_migrate_bad_status_pointer(void)
{
	static const uint64_t bad[] = { 1, PAGE, 1UL << 47, LAST, MAX64, 0xffff888000000000 };
	struct drm_mockgpu_migrate arg;

	set_up();
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		arg = good_migrate();
		arg.status_ptr = bad[i];
		CHECK_EQ(call(t.fd, DRM_IOCTL_MOCKGPU_MIGRATE, &arg), EFAULT);
		GPU_CHECK_FILL(t.dev, t.pages, N, t.tag, 0);
	}
	CHECK_FILL(t.pages, N, t.tag, 0);
}

static void L4_residency(void)
{
	struct drm_mockgpu_residency good;

	set_up();
	good = (struct drm_mockgpu_residency){
		.start = t.at, .len = N * PAGE, .pages_ptr = (uintptr_t)t.res,
	};
	const struct spoilt cases[] = {
		SPOIL(drm_mockgpu_residency, start, t.at + 1, EINVAL),
		SPOIL(drm_mockgpu_residency, start, LAST, EINVAL),
		SPOIL(drm_mockgpu_residency, start, MAX64, EINVAL),
		SPOIL(drm_mockgpu_residency, len, 0, EINVAL),
		SPOIL(drm_mockgpu_residency, len, 1, EINVAL),
		SPOIL(drm_mockgpu_residency, len, PAGE - 1, EINVAL),
		SPOIL(drm_mockgpu_residency, len, LAST, EINVAL),
		SPOIL(drm_mockgpu_residency, len, MAX64, EINVAL),
		SPOIL(drm_mockgpu_residency, flags, 1, EINVAL),
		SPOIL(drm_mockgpu_residency, flags, MAX32, EINVAL),
		SPOIL(drm_mockgpu_residency, pad, 1, EINVAL),
		SPOIL(drm_mockgpu_residency, pad, MAX32, EINVAL),
		SPOIL(drm_mockgpu_residency, pages_ptr, 0, EFAULT),
		SPOIL(drm_mockgpu_residency, pages_ptr, 1, EFAULT),
		SPOIL(drm_mockgpu_residency, pages_ptr, 1UL << 47, EFAULT),
		SPOIL(drm_mockgpu_residency, pages_ptr, LAST, EFAULT),
		SPOIL(drm_mockgpu_residency, pages_ptr, 0xffff888000000000, EFAULT),
	};

	RUN(cases, DRM_IOCTL_MOCKGPU_RESIDENCY, good);
	contents_unchanged();
}

static void L4_rw(void)
{
	struct drm_mockgpu_rw good;

	set_up();
	for (unsigned int flags = 0; flags <= MOCKGPU_RW_WRITE; flags++) {
		good = (struct drm_mockgpu_rw){
			.addr = t.at, .buf_ptr = (uintptr_t)t.buffer, .len = N * PAGE,
			.flags = flags,
		};
		const struct spoilt cases[] = {
			SPOIL(drm_mockgpu_rw, addr, MAX64, EINVAL),	/* wraps */
			SPOIL(drm_mockgpu_rw, addr, LAST, EINVAL),	/* wraps */
			SPOIL(drm_mockgpu_rw, addr, 0, EFAULT),
			SPOIL(drm_mockgpu_rw, addr, 1UL << 47, EFAULT),
			SPOIL(drm_mockgpu_rw, addr, 0xffff888000000000, EFAULT),
			SPOIL(drm_mockgpu_rw, buf_ptr, MAX64, EINVAL),	/* wraps */
			SPOIL(drm_mockgpu_rw, buf_ptr, LAST, EINVAL),	/* wraps */
			SPOIL(drm_mockgpu_rw, buf_ptr, 0, EFAULT),
			SPOIL(drm_mockgpu_rw, buf_ptr, 1UL << 47, EFAULT),
			SPOIL(drm_mockgpu_rw, buf_ptr, 0xffff888000000000, EFAULT),
			SPOIL(drm_mockgpu_rw, len, MAX64, EINVAL),	/* wraps */
			SPOIL(drm_mockgpu_rw, len, LAST, EINVAL),	/* wraps */
			SPOIL(drm_mockgpu_rw, flags, 2 | flags, EINVAL),
			SPOIL(drm_mockgpu_rw, flags, 1UL << 31 | flags, EINVAL),
			SPOIL(drm_mockgpu_rw, flags, MAX32, EINVAL),
			SPOIL(drm_mockgpu_rw, pad, 1, EINVAL),
			SPOIL(drm_mockgpu_rw, pad, MAX32, EINVAL),
			SPOIL(drm_mockgpu_rw, len, 0, 0),		/* fine, and does nothing */
		};

		RUN(cases, DRM_IOCTL_MOCKGPU_RW, good);
	}
	contents_unchanged();
}

static void L4_evict(void)
{
	struct drm_mockgpu_evict good, all = { .scope = MOCKGPU_EVICT_ALL };

	set_up();
	good = (struct drm_mockgpu_evict){
		.scope = MOCKGPU_EVICT_RANGE, .start = t.at, .len = N * PAGE,
	};
	const struct spoilt cases[] = {
		SPOIL(drm_mockgpu_evict, scope, MOCKGPU_EVICT_ALL + 1, EINVAL),
		SPOIL(drm_mockgpu_evict, scope, MAX32, EINVAL),
		SPOIL(drm_mockgpu_evict, flags, 1, EINVAL),
		SPOIL(drm_mockgpu_evict, flags, MAX32, EINVAL),
		SPOIL(drm_mockgpu_evict, start, t.at + 1, EINVAL),
		SPOIL(drm_mockgpu_evict, start, LAST, EINVAL),
		SPOIL(drm_mockgpu_evict, len, 0, EINVAL),
		SPOIL(drm_mockgpu_evict, len, PAGE + 1, EINVAL),
		SPOIL(drm_mockgpu_evict, len, LAST, EINVAL),
		SPOIL(drm_mockgpu_evict, len, MAX64, EINVAL),
	};
	const struct spoilt all_cases[] = {
		SPOIL(drm_mockgpu_evict, flags, 1, EINVAL),
		SPOIL(drm_mockgpu_evict, start, PAGE, EINVAL),
		SPOIL(drm_mockgpu_evict, start, 1, EINVAL),
		SPOIL(drm_mockgpu_evict, len, PAGE, EINVAL),
		SPOIL(drm_mockgpu_evict, len, MAX64, EINVAL),
	};

	RUN(cases, DRM_IOCTL_MOCKGPU_EVICT, good);
	RUN(all_cases, DRM_IOCTL_MOCKGPU_EVICT, all);
	contents_unchanged();
}

static void L4_query_and_attach(void)
{
	struct drm_mockgpu_attach attach = { 0 };
	struct drm_mockgpu_query good = { .query = MOCKGPU_QUERY_DEVICE };

	set_up();
	good.ptr = (uintptr_t)t.buffer;
	good.size = sizeof(struct drm_mockgpu_device_info);
	const struct spoilt cases[] = {
		SPOIL(drm_mockgpu_query, query, 0, EINVAL),
		SPOIL(drm_mockgpu_query, query, MOCKGPU_QUERY_POINTS + 1, EINVAL),
		SPOIL(drm_mockgpu_query, query, MAX32, EINVAL),
		SPOIL(drm_mockgpu_query, flags, 1, EINVAL),
		SPOIL(drm_mockgpu_query, flags, MAX32, EINVAL),
		SPOIL(drm_mockgpu_query, pad, 1, EINVAL),
		SPOIL(drm_mockgpu_query, size, 4097, EINVAL),
		SPOIL(drm_mockgpu_query, size, MAX32, EINVAL),
		SPOIL(drm_mockgpu_query, ptr, 0, EFAULT),
		SPOIL(drm_mockgpu_query, ptr, 1UL << 47, EFAULT),
		SPOIL(drm_mockgpu_query, ptr, 0xffff888000000000, EFAULT),
	};
	const struct spoilt attach_cases[] = {
		SPOIL(drm_mockgpu_attach, flags, 1, EINVAL),
		SPOIL(drm_mockgpu_attach, flags, MAX32, EINVAL),
		SPOIL(drm_mockgpu_attach, pad, 1, EINVAL),
		SPOIL(drm_mockgpu_attach, pad, MAX32, EINVAL),
		SPOIL(drm_mockgpu_attach, pad, 0, 0),	/* attached anew: nothing changes */
	};

	RUN(cases, DRM_IOCTL_MOCKGPU_QUERY, good);
	RUN(attach_cases, DRM_IOCTL_MOCKGPU_ATTACH, attach);
	contents_unchanged();
}

/* Answers of every size: as many bytes as asked for, zeroes behind them, the true size named. */
static void L4_query_sizes(void)
{
	static const struct { uint32_t query, size; } queries[] = {
		{ MOCKGPU_QUERY_DEVICE, sizeof(struct drm_mockgpu_device_info) },
		{ MOCKGPU_QUERY_COUNTERS, sizeof(struct drm_mockgpu_counters) },
	};
	static const uint32_t sizes[] = { 0, 1, 4, 15, 40, 64, 500, 4095, 4096 };
	uint8_t whole[4096], part[4200];

	set_up();
	for (unsigned int q = 0; q < ARRAY_SIZE(queries); q++) {
		struct drm_mockgpu_query query = {
			.query = queries[q].query, .ptr = (uintptr_t)whole,
			.size = queries[q].size,
		};

		CHECK_EQ(call(t.fd, DRM_IOCTL_MOCKGPU_QUERY, &query), 0);
		CHECK_EQ(query.size, queries[q].size);
		for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
			uint32_t n = sizes[i], known = n < queries[q].size ? n : queries[q].size;

			memset(part, 0x77, sizeof(part));
			query.ptr = n ? (uintptr_t)part : 0;
			query.size = n;
			CHECK_EQ(call(t.fd, DRM_IOCTL_MOCKGPU_QUERY, &query), 0);
			CHECK_EQ(query.size, queries[q].size);
			CHECK_EQ(memcmp(part, whole, known), 0);
			for (uint32_t b = known; b < sizeof(part); b++)
				CHECK_EQ(part[b], b < n ? 0 : 0x77);
		}
	}
	nothing_changed("query");
}

/* The size of the structure is part of the request's number. */
static unsigned long sized(unsigned long request, size_t size)
{
	return _IOC(_IOC_DIR(request), _IOC_TYPE(request), _IOC_NR(request), size);
}

static void L4_short_and_long_structures(void)
{
	struct {
		struct drm_mockgpu_migrate arg;
		uint8_t tail[64];
	} longer;
	struct drm_mockgpu_migrate arg;

	set_up();
	/* Too short to hold a range: it is all zeroes then, and so is refused. */
	arg = good_migrate();
	for (size_t size = 0; size <= offsetof(struct drm_mockgpu_migrate, len); size += 4)
		expect("short", sized(DRM_IOCTL_MOCKGPU_MIGRATE, size), &arg, sizeof(arg), EINVAL);
	/* Not copied in, or not a driver's call. */
	expect("no direction", _IO('d', _IOC_NR(DRM_IOCTL_MOCKGPU_MIGRATE)), &arg, sizeof(arg),
	       EINVAL);
	expect("another type", _IOWR('e', _IOC_NR(DRM_IOCTL_MOCKGPU_MIGRATE), arg), &arg,
	       sizeof(arg), ENOTTY);

	/* Without the results: it works, and nothing is written behind the structure's end. */
	memset(arg.count, 0x5a, sizeof(arg.count));
	arg.target = MOCKGPU_TARGET_SYSTEM;
	arg.len = PAGE;
	CHECK_EQ(call(t.fd, sized(DRM_IOCTL_MOCKGPU_MIGRATE,
				  offsetof(struct drm_mockgpu_migrate, status_ptr)), &arg), 0);
	CHECK_PLACE(t.dev, t.pages, 1, IN_SYSTEM);
	CHECK_EQ(t.status[0], 0xee);
	for (unsigned int i = 0; i < MOCKGPU_PAGE_STATUS_MAX; i++)
		CHECK_EQ(arg.count[i], 0x5a5a5a5a5a5a5a5a);

	/* Longer than the driver knows: refused, unless the rest is zero. */
	memset(&longer, 0, sizeof(longer));
	longer.arg = good_migrate();
	for (unsigned int i = 0; i < sizeof(longer.tail); i++) {
		longer.tail[i] = 1;
		CHECK_EQ(call(t.fd, sized(DRM_IOCTL_MOCKGPU_MIGRATE, sizeof(longer)), &longer),
			 E2BIG);
		CHECK_PLACE(t.dev, t.pages, 1, IN_SYSTEM);
		longer.tail[i] = 0;
	}
	CHECK_EQ(call(t.fd, sized(DRM_IOCTL_MOCKGPU_MIGRATE, sizeof(longer)), &longer), 0);
	CHECK_PLACE(t.dev, t.pages, N, IN_VRAM);
	CHECK_EQ(longer.arg.count[MOCKGPU_PAGE_ALREADY], N / 2 - 1);
	CHECK_EQ(longer.arg.count[MOCKGPU_PAGE_MOVED], N - (N / 2 - 1));
	contents_unchanged();
}

/* The structure itself cannot be read, or cannot be written. */
static void L4_bad_structures(void)
{
	static const unsigned long requests[] = {
		DRM_IOCTL_MOCKGPU_QUERY, DRM_IOCTL_MOCKGPU_ATTACH, DRM_IOCTL_MOCKGPU_MIGRATE,
		DRM_IOCTL_MOCKGPU_RESIDENCY, DRM_IOCTL_MOCKGPU_RW, DRM_IOCTL_MOCKGPU_EVICT,
		DRM_IOCTL_MOCKGPU_QUEUE_CREATE, DRM_IOCTL_MOCKGPU_QUEUE_DESTROY,
		DRM_IOCTL_MOCKGPU_SUBMIT, DRM_IOCTL_MOCKGPU_WAIT, DRM_IOCTL_MOCKGPU_POINT_ARM,
		DRM_IOCTL_MOCKGPU_POINT_WAIT, DRM_IOCTL_MOCKGPU_POINT_RELEASE,
	};
	char *read_only = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *edge = map_hole(1);
	struct drm_mockgpu_query query = { .query = MOCKGPU_QUERY_DEVICE };
	void *half;

	set_up();
	CHECK(read_only != MAP_FAILED);
	for (unsigned int i = 0; i < ARRAY_SIZE(requests); i++) {
		CHECK_EQ(call(t.fd, requests[i], NULL), EFAULT);
		CHECK_EQ(call(t.fd, requests[i], (void *)1), EFAULT);
		CHECK_EQ(call(t.fd, requests[i], (void *)(1UL << 47)), EFAULT);
		CHECK_EQ(call(t.fd, requests[i], (void *)-4096L), EFAULT);
		/* Its second half lies behind the mapping's end. */
		half = edge + PAGE - _IOC_SIZE(requests[i]) / 2;
		CHECK_EQ(call(t.fd, requests[i], half), EFAULT);
		nothing_changed("bad structure");
	}
	memcpy(edge, &query, sizeof(query));
	CHECK_SYS(mprotect(edge, PAGE, PROT_READ));
	CHECK_EQ(call(t.fd, DRM_IOCTL_MOCKGPU_QUERY, edge), EFAULT);
	nothing_changed("structure that cannot be written");
	contents_unchanged();
}

static void L4_unknown_calls(void)
{
	unsigned int nr = _IOC_NR(DRM_IOCTL_MOCKGPU_POINT_RELEASE);
	char arg[256] = { 0 };

	set_up();
	while (++nr < DRM_COMMAND_END)
		CHECK_EQ(call(t.fd, DRM_IOWR(nr, arg), arg), EINVAL);
	nothing_changed("unknown call");
	contents_unchanged();
}

/* DRM's own calls for what the device has not, by several at once. */
static void *ask_for_objects(void *arg)
{
	static const unsigned long requests[] = {
		DRM_IOCTL_GEM_CLOSE, DRM_IOCTL_PRIME_HANDLE_TO_FD, DRM_IOCTL_PRIME_FD_TO_HANDLE,
		DRM_IOCTL_SYNCOBJ_CREATE, DRM_IOCTL_SYNCOBJ_DESTROY,
	};

	for (unsigned int i = 0; i < 1000; i++) {
		int32_t words[4] = { 1, 0, t.fd, 0 };	/* a handle, no flags, a file */

		CHECK_EQ(call(t.fd, requests[i % ARRAY_SIZE(requests)], words), EOPNOTSUPP);
	}
	return NULL;
}

static void L4_no_objects(void)
{
	pthread_t thread[2];

	set_up();
	for (unsigned int i = 0; i < ARRAY_SIZE(thread); i++)
		thread[i] = thread_start(ask_for_objects, NULL);
	for (unsigned int i = 0; i < ARRAY_SIZE(thread); i++)
		thread_join(thread[i]);
	nothing_changed("call for objects");
	contents_unchanged();
}

/* A file to which no memory is attached: only what takes no address works. */
static void L4_not_attached(void)
{
	struct drm_mockgpu_query query = { .query = MOCKGPU_QUERY_COUNTERS };
	struct drm_mockgpu_attach attach = { 0 };
	struct drm_mockgpu_residency residency;
	struct drm_mockgpu_migrate migrate;
	struct drm_mockgpu_evict evict;
	struct drm_mockgpu_rw rw;
	int fd;

	set_up();
	fd = (int)CHECK_SYS(open(mockgpu_path(t.dev), O_RDWR | O_CLOEXEC));
	migrate = good_migrate();
	residency = (struct drm_mockgpu_residency){
		.start = t.at, .len = N * PAGE, .pages_ptr = (uintptr_t)t.res,
	};
	rw = (struct drm_mockgpu_rw){
		.addr = t.at, .buf_ptr = (uintptr_t)t.buffer, .len = PAGE,
	};
	evict = (struct drm_mockgpu_evict){ .start = t.at, .len = N * PAGE };
	CHECK_EQ(call(fd, DRM_IOCTL_MOCKGPU_MIGRATE, &migrate), ENXIO);
	CHECK_EQ(call(fd, DRM_IOCTL_MOCKGPU_RESIDENCY, &residency), ENXIO);
	CHECK_EQ(call(fd, DRM_IOCTL_MOCKGPU_RW, &rw), ENXIO);
	rw.flags = MOCKGPU_RW_WRITE;
	CHECK_EQ(call(fd, DRM_IOCTL_MOCKGPU_RW, &rw), ENXIO);
	CHECK_EQ(call(fd, DRM_IOCTL_MOCKGPU_EVICT, &evict), ENXIO);
	CHECK_EQ(call(fd, DRM_IOCTL_MOCKGPU_QUERY, &query), 0);
	nothing_changed("call without memory");
	CHECK_EQ(call(fd, DRM_IOCTL_MOCKGPU_ATTACH, &attach), 0);
	CHECK_EQ(call(fd, DRM_IOCTL_MOCKGPU_ATTACH, &attach), 0);
	CHECK_EQ(call(fd, DRM_IOCTL_MOCKGPU_RESIDENCY, &residency), 0);
	close(fd);
}

/* EVICT_ALL is for administrators; a file that root opened is not enough. */
static void without_rights(void *arg)
{
	struct drm_mockgpu_evict all = { .scope = MOCKGPU_EVICT_ALL };
	struct drm_mockgpu_attach attach = { 0 };
	int fd = *(int *)arg;

	CHECK_SYS(setgid(65534));
	CHECK_SYS(setuid(65534));
	CHECK_EQ(call(fd, DRM_IOCTL_MOCKGPU_EVICT, &all), EACCES);
	/* Nor is it the one whose memory is attached. */
	CHECK_EQ(call(fd, DRM_IOCTL_MOCKGPU_ATTACH, &attach), EPERM);
}

static void L4_rights(void)
{
	set_up();
	join(spawn(without_rights, &t.fd));
	/* fork() has made all pages read-only, and moved none. */
	CHECK_PLACE(t.dev, t.pages, N / 2, IN_VRAM);
	CHECK_PLACE(t.dev, AT(t.pages, N / 2), N / 2, IN_SYSTEM);
	CHECK_EQ(gpu_counters(t.dev).pages_evicted, t.before.pages_evicted);
	contents_unchanged();
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(L4_migrate),
	SCENARIO(L4_migrate_bad_status_pointer),
	SCENARIO(L4_residency),
	SCENARIO(L4_rw),
	SCENARIO(L4_evict),
	SCENARIO(L4_query_and_attach),
	SCENARIO(L4_query_sizes),
	SCENARIO(L4_short_and_long_structures),
	SCENARIO(L4_bad_structures),
	SCENARIO(L4_unknown_calls),
	SCENARIO(L4_no_objects),
	SCENARIO(L4_not_attached),
	SCENARIO(L4_rights),
	{ 0 }
};
