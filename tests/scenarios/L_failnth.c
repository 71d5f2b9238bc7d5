// SPDX-License-Identifier: MIT
/*
 * The kernel's own fault injection, on a kernel that has it (row L1): each allocation of whatever
 * runs inside a call, the core's and DRM's too, and each access of user memory fails, one after the
 * other.  The errno is as documented, no byte and no page is lost, and the next try works.  Steps
 * that are the driver's own are L_inject.c's, on any kernel.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "failnth.h"
#include "huge.h"
#include "points.h"
#include "queue.h"

static struct {
	struct mockgpu_device *other;
	uint64_t arm, seqno;
	uint32_t queue, next_queue;
	int eventfd;
	bool hit;
} t;

static uint64_t buffer[PAGES * WORDS];

static int do_open(void)
{
	int fd = open(mockgpu_path(scene.dev), O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return close(fd) ? -errno : 0;
}

static int do_attach(void)
{
	struct drm_mockgpu_attach args = { 0 };
	int fd = open(mockgpu_path(scene.dev), O_RDWR | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = ioctl(fd, DRM_IOCTL_MOCKGPU_ATTACH, &args) ? -errno : 0;
	close(fd);
	return ret;
}

static int do_info(void)
{
	struct drm_mockgpu_device_info info;

	return mockgpu_info(scene.dev, &info);
}

static int do_counters(void)
{
	struct drm_mockgpu_counters counters;

	return mockgpu_counters(scene.dev, &counters);
}

static int do_points(void)
{
	struct drm_mockgpu_point_info info;

	return mockgpu_point_info(scene.dev, 0, &info);
}

static int migrate(unsigned int target, unsigned int flags)
{
	uint8_t status[N];

	return mockgpu_migrate(scene.dev, scene.p, scene.pages * PAGE, target, flags, NULL, status);
}

static int do_to_vram(void)
{
	return migrate(MOCKGPU_TARGET_VRAM, 0);
}

static int do_to_vram_whole(void)
{
	return migrate(MOCKGPU_TARGET_VRAM, MOCKGPU_MIGRATE_ALL_OR_NOTHING);
}

static int do_to_system(void)
{
	return migrate(MOCKGPU_TARGET_SYSTEM, 0);
}

static int do_to_system_whole(void)
{
	return migrate(MOCKGPU_TARGET_SYSTEM, MOCKGPU_MIGRATE_ALL_OR_NOTHING);
}

static int do_residency(void)
{
	uint32_t res[PAGES];

	return mockgpu_residency(scene.dev, scene.p, PAGES * PAGE, res);
}

static int do_read(void)
{
	struct mockgpu_access access;
	int ret = mockgpu_read(scene.dev, buffer, scene.p, PAGES * PAGE, &access);

	/* The memory can be read, whatever there is no memory for. */
	if (ret == -EFAULT)
		CHECK_EQ(access.fault_addr, 0);
	if (!ret && scene.place == HOLE)
		CHECK_ZERO(buffer, PAGES);
	else if (!ret)
		CHECK_FILL(buffer, PAGES, scene.tag, 0);
	return ret;
}

static int do_write(void)
{
	struct mockgpu_access access;
	int ret;

	if (scene.place == HOLE)
		memset(buffer, 0, sizeof(buffer));
	else
		fill(buffer, PAGES, scene.tag, 0);
	ret = mockgpu_write(scene.dev, scene.p, buffer, PAGES * PAGE, &access);
	if (ret == -EFAULT)
		CHECK_EQ(access.fault_addr, 0);
	return ret;
}

static int do_evict(void)
{
	return mockgpu_evict(scene.dev, scene.p, scene.pages * PAGE, NULL);
}

static int do_evict_all(void)
{
	return mockgpu_evict_all(scene.dev, NULL);
}

static int do_prefetch(void)
{
	return mockgpu_prefetch(scene.dev, scene.p, PAGES * PAGE, MOCKGPU_PLACE_DEVICE(0),
				MOCKGPU_PREFETCH_WRITE, NULL, NULL);
}

static int do_prefetch_system(void)
{
	return mockgpu_prefetch(scene.dev, scene.p, PAGES * PAGE, MOCKGPU_PLACE_SYSTEM, 0, NULL, NULL);
}

static int do_advise(void)
{
	return mockgpu_advise(scene.dev, scene.p + PAGE, PAGE, MOCKGPU_ADVICE_GRANULARITY, 4);
}

static int do_reset(void)
{
	return mockgpu_advise_reset(scene.dev, scene.p, PAGES * PAGE);
}

static int do_advice(void)
{
	struct drm_mockgpu_advice args = {
		.start = (uintptr_t)scene.p, .len = PAGES * PAGE,
	};

	return ioctl(mockgpu_fd(scene.dev), DRM_IOCTL_MOCKGPU_ADVICE, &args) ? -errno : 0;
}

/* On a file of its own: a queue whose number could not be told is there all the same. */
static void open_other(void)
{
	CHECK_EQ(mockgpu_open_path(&t.other, mockgpu_path(scene.dev)), 0);
}

static void close_other(void)
{
	mockgpu_close(t.other);
}

static int do_queue_create(void)
{
	return mockgpu_queue_create(t.other, &t.queue);
}

static void open_queue(void)
{
	open_other();
	CHECK_EQ(mockgpu_queue_create(t.other, &t.queue), 0);
}

static void open_two_queues(void)
{
	open_queue();
	CHECK_EQ(mockgpu_queue_create(t.other, &t.next_queue), 0);
}

/* If it goes, the other one does when it is called again. */
static int do_queue_destroy(void)
{
	int ret = mockgpu_queue_destroy(t.other, t.queue);

	if (!ret)
		t.queue = t.next_queue;
	return ret;
}

static int do_submit(void)
{
	static struct drm_mockgpu_result result;
	static uint64_t fence;
	struct drm_mockgpu_cmd cmd = cmd_load(scene.p, 8);
	struct mockgpu_submission work = {
		.cmds = &cmd, .count = 1, .results = &result, .fence = &fence, .fence_value = 1,
		.eventfd = t.eventfd,
	};

	return mockgpu_submit(t.other, t.queue, &work);
}

static void submit_one(void)
{
	struct drm_mockgpu_cmd cmd = { .op = MOCKGPU_CMD_NOP };
	struct mockgpu_submission work = { .cmds = &cmd, .count = 1, .eventfd = -1 };

	open_queue();
	CHECK_EQ(mockgpu_submit(t.other, t.queue, &work), 0);
	t.seqno = work.seqno;
}

static int do_wait(void)
{
	int error = 0, ret = mockgpu_wait(t.other, t.queue, t.seqno, NS_PER_S, &error);

	CHECK_EQ(error, 0);
	return ret;
}

static int do_arm(void)
{
	const struct mockgpu_point point = { .name = "migrate-start", .pid = getpid() };

	return mockgpu_point_arm(t.other, &point, &t.arm);
}

static void arm_one(void)
{
	open_other();
	CHECK_EQ(do_arm(), 0);
}

static int do_point_wait(void)
{
	struct drm_mockgpu_point_wait report;
	int ret = mockgpu_point_wait(t.other, t.arm, 0, 0, &report);

	/* Nobody is held. */
	return ret == -ETIME ? 0 : ret;
}

static int do_release(void)
{
	return mockgpu_point_release(t.other, t.arm, 1);
}

static const struct call calls[] = {
	CALL("open", do_open, RAM, NOMEM | FAULT),
	CALL("attach", do_attach, RAM, NOMEM | FAULT),
	CALL("info", do_info, RAM, FAULT),
	CALL("counters", do_counters, RAM, FAULT),
	CALL("points", do_points, RAM, FAULT),
	CALL("migrate to VRAM", do_to_vram, RAM, NOMEM | FAULT),
	CALL("migrate all to VRAM", do_to_vram_whole, RAM, NOMEM | FAULT),
	CALL("migrate a hole to VRAM", do_to_vram, HOLE, NOMEM | FAULT),
	CALL("migrate to system memory", do_to_system, VRAM, NOMEM | FAULT),
	CALL("migrate all to system memory", do_to_system_whole, VRAM, NOMEM | FAULT),
	CALL("residency", do_residency, VRAM, NOMEM | FAULT),
	CALL("read", do_read, RAM, NOMEM | FAULT),
	CALL("read a hole", do_read, HOLE, NOMEM | FAULT),
	CALL("read VRAM", do_read, VRAM, NOMEM | FAULT),
	CALL("write", do_write, RAM, NOMEM | FAULT),
	CALL("write a hole", do_write, HOLE, NOMEM | FAULT),
	CALL("write VRAM", do_write, VRAM, NOMEM | FAULT),
	CALL("evict", do_evict, VRAM, NOMEM | FAULT),
	CALL("evict all", do_evict_all, VRAM, NOMEM | FAULT),
	CALL("prefetch", do_prefetch, RAM, NOMEM | FAULT),
	CALL("prefetch a hole", do_prefetch, HOLE, NOMEM | FAULT),
	CALL("prefetch to system memory", do_prefetch_system, VRAM, NOMEM | FAULT),
	CALL("advise", do_advise, RAM, NOMEM | FAULT),
	CALL("reset advice", do_reset, RAM, NOMEM | FAULT),
	CALL("look at advice", do_advice, RAM, NOMEM | FAULT),
	CALL("create a queue", do_queue_create, RAM, NOMEM | FAULT, .begin = open_other,
	     .end = close_other),
	CALL("destroy a queue", do_queue_destroy, RAM, FAULT, .begin = open_two_queues,
	     .end = close_other),
	CALL("submit", do_submit, RAM, NOMEM | FAULT, .begin = open_queue, .end = close_other),
	CALL("wait", do_wait, RAM, FAULT, .begin = submit_one, .end = close_other),
	CALL("arm a point", do_arm, RAM, NOMEM | FAULT, .begin = open_other, .end = close_other),
	CALL("wait for a point", do_point_wait, RAM, FAULT, .begin = arm_one, .end = close_other),
	CALL("release a point", do_release, RAM, FAULT, .begin = arm_one, .end = close_other),
};

static void L1_each_chance_of_each_call(void)
{
	nth_open();
	t.eventfd = (int)CHECK_SYS(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	fail_all(calls, ARRAY_SIZE(calls), scene.nth);
}

/* One device, bound to the driver, or not; fails the so-manieth chance of it, if not 0. */
static int bind(const char *how, unsigned int nth)
{
	static const char name[] = "mockgpu0";
	char path[64];
	int fd, ret;

	snprintf(path, sizeof(path), "/sys/bus/platform/drivers/mockgpu/%s", how);
	fd = (int)CHECK_SYS(open(path, O_WRONLY | O_CLOEXEC));
	nth_set(scene.nth, nth);
	ret = write(fd, name, sizeof(name) - 1) < 0 ? -errno : 0;
	t.hit = nth && nth_hit(scene.nth);
	nth_set(scene.nth, 0);
	close(fd);
	return ret;
}

/* A device that cannot come up leaves nothing behind, and comes up when there is memory again. */
static void L1_each_chance_of_a_device_that_comes_up(void)
{
	unsigned int n, failed = 0;
	bool hit = true;
	int ret;

	nth_open();
	mockgpu_close(scene.dev);
	/* DRM does not survive that: it puts a device that is an error. */
	nth_spare("drm_sysfs_minor_alloc");
	CHECK_EQ(bind("unbind", 0), 0);
	for (n = 1; n < CHANCES_MAX; n++) {
		ret = bind("bind", n);
		hit = t.hit;
		if (ret && ret != -ENOMEM && ret != -EFAULT)
			FAIL("bind, chance %u: %s", n, strerror(-ret));
		CHECK(!ret || hit);
		/* Where there is no memory for its node, the device is there all the same. */
		CHECK_LE(mockgpu_count(), ret ? 0 : 1);
		CHECK(hit || mockgpu_count() == 1);
		if (!ret)
			CHECK_EQ(bind("unbind", 0), 0);
		CHECK_EQ(mockgpu_count(), 0);
		if (!hit)
			break;
		failed += ret != 0;
	}
	note("%u chances, %u of them needed", n - 1, failed);
	CHECK(!hit);
	CHECK_GE(failed, 10);
	CHECK_EQ(bind("bind", 0), 0);
	CHECK_EQ(mockgpu_count(), 1);
}

const struct scenario scenarios[] = {
	{ "L1_each_chance_of_each_call", L1_each_chance_of_each_call, 120, 0 },
	{ "L1_each_chance_of_a_device_that_comes_up", L1_each_chance_of_a_device_that_comes_up,
	  120, RELOADS },
	{ 0 }
};
