// SPDX-License-Identifier: MIT
/*
 * What the functions for queues ask of the driver, and what they make of its
 * answers.  The driver here is a row of answers, one for each call.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "fake_drm.h"
#include "mockgpu.h"
#include "tap.h"

#define CALLS_MAX 8

static const struct fake_node nodes[] = { { "renderD128", "mockgpu", 0, 0 } };

/* What the driver answers in turn, and what it was asked. */
static struct {
	int ret[CALLS_MAX];
	int error[CALLS_MAX];	/* of WAIT */
	int calls;
	unsigned long request[CALLS_MAX];
	struct drm_mockgpu_queue queue;
	struct drm_mockgpu_submit submit;
	struct drm_mockgpu_wait wait;
} driver;

static int answer(int node, unsigned long request, void *arg)
{
	int n = driver.calls;

	(void)node;
	if (request == DRM_IOCTL_MOCKGPU_ATTACH)
		return 0;
	if (n >= CALLS_MAX)
		return -EIO;
	driver.calls++;
	driver.request[n] = request;
	if (request == DRM_IOCTL_MOCKGPU_QUEUE_CREATE || request == DRM_IOCTL_MOCKGPU_QUEUE_DESTROY) {
		memcpy(&driver.queue, arg, sizeof(driver.queue));
		((struct drm_mockgpu_queue *)arg)->id = 9;
	} else if (request == DRM_IOCTL_MOCKGPU_SUBMIT) {
		memcpy(&driver.submit, arg, sizeof(driver.submit));
		((struct drm_mockgpu_submit *)arg)->seqno = 33;
		((struct drm_mockgpu_submit *)arg)->failed = 2;
	} else if (request == DRM_IOCTL_MOCKGPU_WAIT) {
		memcpy(&driver.wait, arg, sizeof(driver.wait));
		((struct drm_mockgpu_wait *)arg)->error = driver.error[n];
	}
	return driver.ret[n];
}

static void script(int ret)
{
	memset(&driver, 0, sizeof(driver));
	driver.ret[0] = ret;
}

static int asked(unsigned long request)
{
	return driver.calls == 1 && driver.request[0] == request;
}

static void test_create_and_destroy(struct mockgpu_device *dev)
{
	uint32_t queue = 5;

	script(0);
	ok(!mockgpu_queue_create(dev, &queue) && asked(DRM_IOCTL_MOCKGPU_QUEUE_CREATE), "create");
	ok(queue == 9, "create: the number");
	ok(!driver.queue.id && !driver.queue.flags, "create: all fields are 0");
	script(-ENOSPC);
	queue = 5;
	ok(mockgpu_queue_create(dev, &queue) == -ENOSPC, "create: the driver's errno");
	ok(queue == 5, "create: the number is untouched on error");
	script(0);
	ok(!mockgpu_queue_destroy(dev, 7) && asked(DRM_IOCTL_MOCKGPU_QUEUE_DESTROY) &&
	   driver.queue.id == 7 && !driver.queue.flags, "destroy");
	script(-ENOENT);
	ok(mockgpu_queue_destroy(dev, 7) == -ENOENT, "destroy: the driver's errno");
}

static void test_submit(struct mockgpu_device *dev)
{
	static const struct { int given, asked; } eventfds[] = { { 0, -1 }, { -1, -1 }, { 4, 4 } };
	struct drm_mockgpu_cmd cmds[3] = { { .op = MOCKGPU_CMD_BARRIER } };
	struct drm_mockgpu_result results[3];
	uint64_t fence;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(eventfds); i++) {
		struct mockgpu_submission s = {
			.cmds = cmds, .count = 3, .results = results, .fence = &fence,
			.fence_value = 44, .eventfd = eventfds[i].given, .seqno = 1, .failed = 1,
		};
		const struct drm_mockgpu_submit want = {
			.queue = 6, .cmds_ptr = (uintptr_t)cmds, .count = 3,
			.cmd_size = sizeof(*cmds), .results = (uintptr_t)results,
			.fence_addr = (uintptr_t)&fence, .fence_value = 44,
			.eventfd = eventfds[i].asked,
		};

		script(0);
		ok(!mockgpu_submit(dev, 6, &s) && asked(DRM_IOCTL_MOCKGPU_SUBMIT), "submit");
		ok(!memcmp(&driver.submit, &want, sizeof(want)), "submit: these bytes");
		ok(s.seqno == 33, "submit: the number");
		script(-EINVAL);
		ok(mockgpu_submit(dev, 6, &s) == -EINVAL && s.failed == 2,
		   "submit: which command is not valid");
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
	uint64_t before, after;
	int error = 1;

	script(0);
	driver.error[0] = -EFAULT;
	ok(!mockgpu_wait(dev, 3, 17, 0, &error) && asked(DRM_IOCTL_MOCKGPU_WAIT), "wait");
	ok(error == -EFAULT, "wait: how it went");
	ok(driver.wait.queue == 3 && driver.wait.seqno == 17 && !driver.wait.deadline_ns &&
	   !driver.wait.flags && !driver.wait.pad, "wait: 0 only looks");
	script(-ETIME);
	before = now();
	ok(mockgpu_wait(dev, 3, 17, 5000000000LL, NULL) == -ETIME, "wait: the driver's errno");
	after = now();
	ok(driver.wait.deadline_ns >= before + 5000000000ULL &&
	   driver.wait.deadline_ns <= after + 5000000000ULL, "wait: relative becomes absolute");
	script(0);
	mockgpu_wait(dev, 3, 17, -1, NULL);
	ok(driver.wait.deadline_ns == UINT64_MAX, "wait: without end");
	script(0);
	mockgpu_wait(dev, 3, 17, INT64_MAX, NULL);
	ok(driver.wait.deadline_ns > INT64_MAX, "wait: very long does not wrap");
}

struct run_case {
	const char *what;
	int ret[CALLS_MAX];
	int error[CALLS_MAX];
	int want, calls;
};

static const struct run_case runs[] = {
	{ "works", { 0, 0 }, { 0, 0 }, 0, 2 },
	{ "a command fails", { 0, 0 }, { 0, -EPERM }, -EPERM, 2 },
	{ "is refused", { -ENOSPC }, { 0 }, -ENOSPC, 1 },
	{ "is interrupted, and goes on", { 0, -EINTR, -EINTR, 0 }, { 0, 0, 0, 0 }, 0, 4 },
	{ "is interrupted, and fails", { 0, -EINTR, 0 }, { 0, 0, -EIO }, -EIO, 3 },
	{ "loses its queue", { 0, -ENOENT }, { 0, 0 }, -ENOENT, 2 },
};

static void test_run(struct mockgpu_device *dev)
{
	struct drm_mockgpu_cmd cmd = { .op = MOCKGPU_CMD_NOP };
	struct drm_mockgpu_result result;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(runs); i++) {
		const struct run_case *c = &runs[i];
		int ret;

		script(0);
		memcpy(driver.ret, c->ret, sizeof(driver.ret));
		memcpy(driver.error, c->error, sizeof(driver.error));
		ret = mockgpu_run(dev, 4, &cmd, 1, &result);
		ok(ret == c->want && driver.calls == c->calls, "run %s: %d after %d calls", c->what,
		   ret, driver.calls);
		ok(driver.submit.cmds_ptr == (uintptr_t)&cmd && driver.submit.count == 1 &&
		   driver.submit.results == (uintptr_t)&result && !driver.submit.fence_addr &&
		   driver.submit.eventfd == -1, "run: what is submitted");
		ok(c->calls == 1 || (driver.wait.queue == 4 && driver.wait.seqno == 33 &&
		   driver.wait.deadline_ns == UINT64_MAX), "run: what is waited for");
	}
}

int main(void)
{
	struct mockgpu_device *dev;

	fake_nodes = nodes;
	fake_nodes_len = 1;
	fake_ioctl = answer;
	if (!ok(!mockgpu_open_path(&dev, "/dev/dri/renderD128"), "a device to work with"))
		return done();
	test_create_and_destroy(dev);
	test_submit(dev);
	test_wait(dev);
	test_run(dev);
	mockgpu_close(dev);
	return done();
}
