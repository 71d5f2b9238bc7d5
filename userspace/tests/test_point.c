// SPDX-License-Identifier: MIT
/* What the functions for control points ask of the driver, and what they refuse themselves. */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fake_drm.h"
#include "mockgpu.h"
#include "tap.h"

static const struct fake_node nodes[] = { { "renderD128", "mockgpu", 0, 0 } };

static const struct drm_mockgpu_point_info points[] = {
	{ "start", MOCKGPU_POINT_CAN_WAIT | MOCKGPU_POINT_HAS_MM },
	{ "copied", MOCKGPU_POINT_CAN_WAIT | MOCKGPU_POINT_HAS_MM | MOCKGPU_POINT_HOLDS_MM },
	{ "a-name-of-27-characters-000", MOCKGPU_POINT_CAN_FAIL },
};

/* What the driver answers, and what it was asked. */
static struct {
	int ret, query_ret, calls;
	struct drm_mockgpu_point_arm arm;
	struct drm_mockgpu_point_wait wait;
	struct drm_mockgpu_point_release release;
} driver;

static int answer(int node, unsigned long request, void *arg)
{
	struct drm_mockgpu_query *query = arg;

	(void)node;
	switch (request) {
	case DRM_IOCTL_MOCKGPU_ATTACH:
		return 0;
	case DRM_IOCTL_MOCKGPU_QUERY:
		if (query->query != MOCKGPU_QUERY_POINTS || driver.query_ret)
			return driver.query_ret ? driver.query_ret : -EINVAL;
		memcpy((void *)(uintptr_t)query->ptr, points, sizeof(points));
		query->size = sizeof(points);
		return 0;
	case DRM_IOCTL_MOCKGPU_POINT_ARM:
		memcpy(&driver.arm, arg, sizeof(driver.arm));
		((struct drm_mockgpu_point_arm *)arg)->id = 21;
		break;
	case DRM_IOCTL_MOCKGPU_POINT_WAIT:
		memcpy(&driver.wait, arg, sizeof(driver.wait));
		((struct drm_mockgpu_point_wait *)arg)->hits = 8;
		((struct drm_mockgpu_point_wait *)arg)->held = 2;
		break;
	case DRM_IOCTL_MOCKGPU_POINT_RELEASE:
		memcpy(&driver.release, arg, sizeof(driver.release));
		break;
	default:
		return -ENOTTY;
	}
	driver.calls++;
	return driver.ret;
}

static void script(int ret)
{
	memset(&driver, 0, sizeof(driver));
	driver.ret = ret;
}

static void test_info(struct mockgpu_device *dev)
{
	struct drm_mockgpu_point_info info = { .flags = 99 };
	unsigned int i;

	script(0);
	for (i = 0; i < ARRAY_SIZE(points); i++)
		ok(!mockgpu_point_info(dev, i, &info) && !memcmp(&info, &points[i], sizeof(info)),
		   "info %u", i);
	ok(mockgpu_point_info(dev, 3, &info) == -ENOENT, "info: there are not so many");
	ok(mockgpu_point_info(dev, ~0U, &info) == -ENOENT, "info: by far not");
	ok(!strcmp(info.name, points[2].name), "info: untouched on error");
	driver.query_ret = -ENODEV;
	ok(mockgpu_point_info(dev, 0, &info) == -ENODEV, "info: the driver's errno");
}

static void test_arm(struct mockgpu_device *dev)
{
	int mem;
	struct mockgpu_point point = {
		.name = "a-name-of-27-characters-000", .action = MOCKGPU_POINT_FAIL,
		.error = -EIO, .pid = 1, .addr = &mem, .len = 4, .first = 5, .count = 6,
		.chance = 7, .seed = 8, .flags = MOCKGPU_POINT_THIS_DEVICE,
	};
	const struct drm_mockgpu_point_arm want = {
		.point = 2, .action = MOCKGPU_POINT_FAIL, .error = -EIO, .pid = 1,
		.start = (uintptr_t)&mem, .len = 4, .first = 5, .count = 6, .chance = 7,
		.seed = 8, .flags = MOCKGPU_POINT_THIS_DEVICE,
	};
	uint64_t id = 1;

	script(0);
	ok(!mockgpu_point_arm(dev, &point, &id) && id == 21, "arm: the number");
	ok(!memcmp(&driver.arm, &want, sizeof(want)), "arm: these bytes");
	script(-ENOSPC);
	id = 1;
	ok(mockgpu_point_arm(dev, &point, &id) == -ENOSPC && id == 1,
	   "arm: the driver's errno, and the number untouched");
	script(0);
	point.name = "star";
	ok(mockgpu_point_arm(dev, &point, &id) == -ENOENT && !driver.calls, "arm: no such name");
	point.name = "";
	ok(mockgpu_point_arm(dev, &point, &id) == -ENOENT && !driver.calls, "arm: no name");
	driver.query_ret = -EPERM;
	ok(mockgpu_point_arm(dev, &point, &id) == -EPERM && !driver.calls, "arm: no list");
}

struct time_case {
	unsigned int action;
	uint64_t given, asked;
};

static void test_time(struct mockgpu_device *dev)
{
	static const struct time_case cases[] = {
		{ MOCKGPU_POINT_COUNT, 0, 0 },
		{ MOCKGPU_POINT_COUNT, 3, 3 },
		{ MOCKGPU_POINT_WAIT, 0, 10000000000ULL },
		{ MOCKGPU_POINT_WAIT, 3, 3 },
		{ MOCKGPU_POINT_DELAY, 0, 10000000000ULL },
		{ MOCKGPU_POINT_FAIL, 0, 0 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mockgpu_point point = {
			.name = "start", .action = cases[i].action, .time_ns = cases[i].given,
		};
		uint64_t id;

		script(0);
		ok(!mockgpu_point_arm(dev, &point, &id) && driver.arm.time_ns == cases[i].asked,
		   "arm: action %u, time %llu", cases[i].action,
		   (unsigned long long)cases[i].given);
	}
}

struct deadlock_case {
	const char *what, *name;
	unsigned int action;
	int pid, want;
};

/* Only a wait, at a point with mmap_lock held, in this process, could not be ended. */
static void test_deadlock(struct mockgpu_device *dev)
{
	const struct deadlock_case cases[] = {
		{ "everybody", "copied", MOCKGPU_POINT_WAIT, 0, -EDEADLK },
		{ "itself", "copied", MOCKGPU_POINT_WAIT, getpid(), -EDEADLK },
		{ "another", "copied", MOCKGPU_POINT_WAIT, getppid(), 0 },
		{ "with no lock", "start", MOCKGPU_POINT_WAIT, getpid(), 0 },
		{ "a delay", "copied", MOCKGPU_POINT_DELAY, getpid(), 0 },
		{ "counting", "copied", MOCKGPU_POINT_COUNT, 0, 0 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mockgpu_point point = {
			.name = cases[i].name, .action = cases[i].action, .pid = cases[i].pid,
		};
		uint64_t id;

		script(0);
		ok(mockgpu_point_arm(dev, &point, &id) == cases[i].want &&
		   driver.calls == !cases[i].want, "arm: to hold %s", cases[i].what);
	}
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static void test_wait(struct mockgpu_device *dev)
{
	struct drm_mockgpu_point_wait report = { 0 };
	uint64_t before, after;

	script(-ETIME);
	ok(mockgpu_point_wait(dev, 4, 3, 0, &report) == -ETIME, "wait: the driver's errno");
	ok(driver.wait.id == 4 && driver.wait.hits == 3 && !driver.wait.deadline_ns,
	   "wait: 0 only looks");
	ok(report.hits == 8 && report.held == 2, "wait: the report, also with an error");
	script(0);
	before = now();
	ok(!mockgpu_point_wait(dev, 4, 0, 5000000000LL, NULL), "wait: without a report");
	after = now();
	ok(driver.wait.deadline_ns >= before + 5000000000ULL &&
	   driver.wait.deadline_ns <= after + 5000000000ULL, "wait: relative becomes absolute");
	mockgpu_point_wait(dev, 4, 0, -1, NULL);
	ok(driver.wait.deadline_ns == UINT64_MAX, "wait: without end");
}

static void test_release(struct mockgpu_device *dev)
{
	script(0);
	ok(!mockgpu_point_release(dev, 4, 0) && driver.release.id == 4 &&
	   !driver.release.flags && !driver.release.pad, "release");
	ok(!mockgpu_point_release(dev, 4, 9) &&
	   driver.release.flags == MOCKGPU_POINT_STAY_ARMED, "release: stay armed");
	script(-ENOENT);
	ok(mockgpu_point_release(dev, 4, 0) == -ENOENT, "release: the driver's errno");
}

int main(void)
{
	struct mockgpu_device *dev;

	fake_nodes = nodes;
	fake_nodes_len = 1;
	fake_ioctl = answer;
	if (!ok(!mockgpu_open_path(&dev, "/dev/dri/renderD128"), "a device to work with"))
		return done();
	test_info(dev);
	test_arm(dev);
	test_time(dev);
	test_deadlock(dev);
	test_wait(dev);
	test_release(dev);
	mockgpu_close(dev);
	return done();
}
