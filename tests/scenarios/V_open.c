// SPDX-License-Identifier: MIT
/* Opening an event log: what may be asked, by whom, and how many there can be. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "events.h"
#include "points.h"
#include "process.h"
#include "queue.h"

#define MOVES	(KIND(TO_VRAM) | KIND(TO_SYSTEM))
#define LOGS_MAX 64

/* Malformed calls: each is refused and no log is open after it. */
static void V3_bad_arguments(void)
{
	static const struct {
		const char *what;
		struct drm_mockgpu_log_open arg;
		int error;
	} bad[] = {
#define SIZE .event_size = sizeof(struct drm_mockgpu_event)
#define BAD(err, ...) { #__VA_ARGS__, { __VA_ARGS__ }, (err) }
		BAD(EINVAL, .flags = 4, SIZE),
		BAD(EINVAL, .flags = 1U << 31, SIZE),
		BAD(EINVAL, .flags = MOCKGPU_LOG_DESCENDANTS | MOCKGPU_LOG_ALL, SIZE),
		BAD(EINVAL, .entries = 3, SIZE),
		BAD(EINVAL, .entries = ~0U, SIZE),
		BAD(EINVAL, .entries = 2 * MOCKGPU_LOG_ENTRIES_MAX, SIZE),
		BAD(EINVAL, .kinds = 1ULL << (MOCKGPU_EVENT_POINT + 1), SIZE),
		BAD(EINVAL, .kinds = 1ULL << 63, SIZE),
		BAD(EINVAL, .event_size = 0),
		BAD(EINVAL, .event_size = sizeof(struct drm_mockgpu_event) - 8),
		BAD(EINVAL, .event_size = sizeof(struct drm_mockgpu_event) + 8),
		/* No memory is attached. */
		BAD(ENXIO, SIZE),
		BAD(0, .flags = MOCKGPU_LOG_ALL, SIZE, .entries = 1, .kinds = 1),
		BAD(0, .flags = MOCKGPU_LOG_DESCENDANTS, SIZE),
	};
	struct mockgpu_device *dev = gpu_open(0);
	int next = (int)CHECK_SYS(dup(0)), raw;

	CHECK_SYS(close(next));
	raw = (int)CHECK_SYS(open(mockgpu_path(dev), O_RDWR | O_CLOEXEC));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct drm_mockgpu_log_open arg = bad[i].arg;
		int got = ioctl(raw, DRM_IOCTL_MOCKGPU_LOG_OPEN, &arg) ? errno : 0;

		if (got != bad[i].error)
			FAIL("%s: expected %s, got %s", bad[i].what, strerror(bad[i].error),
			     strerror(got));
		if (!got) {
			CHECK(fcntl(arg.fd, F_GETFD) & FD_CLOEXEC);
			CHECK_EQ(fcntl(arg.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
			CHECK_SYS(close(arg.fd));
		}
		arg.fd = (int)CHECK_SYS(dup(0));
		CHECK_EQ(arg.fd, raw == next ? next + 1 : next);
		CHECK_SYS(close(arg.fd));
	}
	close(raw);
}

static void open_of_another(void *arg)
{
	struct mockgpu_device *dev = arg;
	int fd = 77;

	CHECK_EQ(mockgpu_log_open(dev, 0, 0, 0, &fd), -EPERM);
	CHECK_EQ(fd, 77);
}

static void open_without_right(void *arg)
{
	struct mockgpu_device *prepared = arg, *own;
	void *p = map_filled(1, new_tag());
	struct log log, mine;
	int fd = 77;

	lose_capability();
	own = gpu_open(0);
	CHECK_EQ(mockgpu_log_open(own, MOCKGPU_LOG_ALL, 0, 0, &fd), -EACCES);
	CHECK_EQ(fd, 77);
	log = log_new(prepared, MOCKGPU_LOG_ALL, MOVES, 0);
	mine = log_new(own, 0, MOVES, 0);
	TO_VRAM(own, p, 1);
	/* Frames are for those only who may know them. */
	CHECK(NEXT(&log, .kind = MOCKGPU_EVENT_TO_VRAM, .cause = MOCKGPU_CAUSE_MIGRATE,
		   .addr = addr_of(p), .len = PAGE).pfn);
	CHECK_EQ(NEXT(&mine, .kind = MOCKGPU_EVENT_TO_VRAM, .cause = MOCKGPU_CAUSE_MIGRATE,
		      .addr = addr_of(p), .len = PAGE).pfn, 0);
}

static void V3_rights(void)
{
	struct mockgpu_device *dev = gpu_open(0);

	join(spawn(open_of_another, dev));
	join(spawn(open_without_right, gpu_open(0)));
}

static void V3_as_many_as_there_can_be(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	int fd[LOGS_MAX], one_more = 77;

	for (unsigned int i = 0; i < LOGS_MAX; i++)
		CHECK_EQ(mockgpu_log_open(dev, 0, 0, 16, &fd[i]), 0);
	CHECK_EQ(mockgpu_log_open(dev, 0, 0, 16, &one_more), -ENOSPC);
	CHECK_EQ(one_more, 77);
	CHECK_SYS(close(fd[7]));
	CHECK_EQ(mockgpu_log_open(dev, 0, 0, 16, &fd[7]), 0);
	CHECK_EQ(mockgpu_log_open(dev, 0, 0, 16, &one_more), -ENOSPC);
	for (unsigned int i = 0; i < LOGS_MAX; i++)
		CHECK_SYS(close(fd[i]));
}

/* Each allocation fails once; what was begun is undone, so that all logs can be had after it. */
static void V3_no_memory(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	unsigned int failed = 0;
	int fd, ret;

	do {
		struct arm arm = BREAK(dev, "alloc", .first = failed + 1, .count = 1);

		ret = mockgpu_log_open(dev, 0, 0, 0, &fd);
		arm_release(arm);
		if (ret) {
			CHECK_EQ(ret, -ENOMEM);
			failed++;
		}
		CHECK_LE(failed, 10);
	} while (ret);
	CHECK_GE(failed, 2);
	CHECK_SYS(close(fd));
	V3_as_many_as_there_can_be();
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(V3_bad_arguments),
	SCENARIO(V3_rights),
	SCENARIO(V3_as_many_as_there_can_be),
	SCENARIO(V3_no_memory),
	{ 0 }
};
