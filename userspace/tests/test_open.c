// SPDX-License-Identifier: MIT
/* Finding, opening, counting and closing devices, on machines of all kinds. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fake_drm.h"
#include "mockgpu.h"
#include "open_files.h"
#include "tap.h"

static unsigned int index_of[4];
static int query_ret, attach_ret, attached;

static int answer(int node, unsigned long request, void *arg)
{
	if (request == DRM_IOCTL_MOCKGPU_QUERY) {
		struct drm_mockgpu_query *q = arg;
		struct drm_mockgpu_device_info info = { .index = index_of[node] };

		if (query_ret)
			return query_ret;
		memcpy((void *)(uintptr_t)q->ptr, &info, sizeof(info));
		return 0;
	}
	if (request == DRM_IOCTL_MOCKGPU_ATTACH) {
		attached++;
		return attach_ret;
	}
	return -ENOTTY;
}

#define MACHINE(...) \
	do { \
		static const struct fake_node nodes[] = { __VA_ARGS__ }; \
		fake_nodes = nodes; \
		fake_nodes_len = ARRAY_SIZE(nodes); \
	} while (0)

static void expect_open(unsigned int index, int want, const char *path, const char *words)
{
	struct mockgpu_device *const untouched = (void *)1, *dev = untouched;
	int before = open_files();
	int ret = mockgpu_open(&dev, index);

	ok(ret == want, "%s: open(%u) says %d (%d)", words, index, want, ret);
	if (ret) {
		ok(dev == untouched, "%s: the handle is untouched", words);
	} else {
		int fl = fcntl(mockgpu_fd(dev), F_GETFD);

		ok(path && !strcmp(mockgpu_path(dev), path), "%s: it is %s", words,
		   path ? path : "none");
		ok(fl == FD_CLOEXEC, "%s: close-on-exec", words);
		ok((fake_open_flags & O_ACCMODE) == O_RDWR, "%s: read-write", words);
		mockgpu_close(dev);
	}
	ok(open_files() == before, "%s: no file left open", words);
}

static void test_find(void)
{
	fake_nodes_len = 0;
	expect_open(0, -ENOENT, NULL, "no node");
	ok(mockgpu_count() == 0, "no node: count 0");
	fake_nodes_len = -ENOENT;
	expect_open(0, -ENOENT, NULL, "no /dev/dri");
	ok(mockgpu_count() == 0, "no /dev/dri: count 0");
	fake_nodes_len = -EACCES;
	expect_open(0, -EACCES, NULL, "/dev/dri is closed");
	ok(mockgpu_count() == -EACCES, "/dev/dri is closed: count says so");

	MACHINE({ "renderD128", "i915", 0, 0 }, { "renderD129", NULL, 0, 0 },
		{ "renderD130", "mockgpu2", 0, 0 });
	expect_open(0, -ENOENT, NULL, "other drivers only");
	ok(mockgpu_count() == 0, "other drivers only: count 0");

	MACHINE({ "card0", "mockgpu", 0, 0 });
	expect_open(0, -ENOENT, NULL, "no render node");

	/* The index is the driver's word, not the order of nodes. */
	MACHINE({ "renderD128", "amdgpu", 0, 0 }, { "renderD129", "mockgpu", 0, 0 },
		{ "renderD130", "mockgpu", 0, 0 });
	index_of[1] = 1;
	index_of[2] = 0;
	expect_open(0, 0, "/dev/dri/renderD130", "two devices");
	expect_open(1, 0, "/dev/dri/renderD129", "two devices");
	expect_open(2, -ENOENT, NULL, "two devices");
	ok(mockgpu_count() == 2, "two devices: count 2");
}

static void test_denied(void)
{
	MACHINE({ "renderD128", "mockgpu", EACCES, 0 });
	expect_open(0, -EACCES, NULL, "no permission");
	ok(mockgpu_count() == -EACCES, "no permission: count says so");

	index_of[1] = 0;
	MACHINE({ "renderD128", "i915", EACCES, 0 }, { "renderD129", "mockgpu", 0, 0 });
	expect_open(0, 0, "/dev/dri/renderD129", "somebody else's node is closed");
	ok(mockgpu_count() == 1, "somebody else's node is closed: count 1");

	MACHINE({ "renderD128", "mockgpu", ENODEV, 0 }, { "renderD129", "mockgpu", 0, 0 });
	expect_open(0, 0, "/dev/dri/renderD129", "a node vanished after the listing");

	MACHINE({ "renderD128", "mockgpu", EMFILE, 0 });
	expect_open(0, -EMFILE, NULL, "too many open files");

	MACHINE({ "renderD128", "mockgpu", 0, ENOMEM });
	expect_open(0, -ENOMEM, NULL, "no memory to ask for the driver");
	ok(mockgpu_count() == -ENOMEM, "no memory to ask for the driver: count says so");
	MACHINE({ "renderD128", "mockgpu", 0, ENODEV }, { "renderD129", "mockgpu", 0, 0 });
	expect_open(0, 0, "/dev/dri/renderD129", "a device is leaving when it is asked");
}

/* What sysfs knows for another driver's is not opened. */
static void test_sysfs(void)
{
	fake_sysfs = 1;
	index_of[1] = 0;
	MACHINE({ "renderD128", "i915", EMFILE, 0 }, { "renderD129", "mockgpu", 0, 0 },
		{ "renderD130", "mockgpu2", EMFILE, 0 });
	expect_open(0, 0, "/dev/dri/renderD129", "others are not opened");
	expect_open(1, -ENOENT, NULL, "others are not opened");
	ok(mockgpu_count() == 1, "others are not opened: count 1");
	MACHINE({ "renderD128", "i915", EACCES, 0 });
	ok(mockgpu_count() == 0, "another's node is closed: count 0");
	MACHINE({ "renderD128", "mockgpu", EACCES, 0 });
	ok(mockgpu_count() == -EACCES, "our own node is closed: count says so");
	fake_sysfs = 0;
}

static void test_driver_fails(void)
{
	MACHINE({ "renderD128", "mockgpu", 0, 0 });
	index_of[0] = 0;
	query_ret = -ENODEV;
	expect_open(0, -ENOENT, NULL, "the device is leaving");
	query_ret = -EINTR;
	expect_open(0, -EINTR, NULL, "a signal in the query");
	query_ret = 0;
	attach_ret = -ENOMEM;
	expect_open(0, -ENOMEM, NULL, "attach fails");
	attach_ret = -EINTR;
	attached = 0;
	expect_open(0, -EINTR, NULL, "a signal in attach");
	ok(attached == 1, "a signal in attach: not repeated behind the caller's back (%d)",
	   attached);
	attach_ret = 0;
}

static void test_path(void)
{
	struct mockgpu_device *dev = NULL;
	int before = open_files();

	MACHINE({ "renderD128", "mockgpu", 0, 0 }, { "renderD129", "i915", 0, 0 },
		{ "renderD130", "mockgpu", EACCES, 0 });
	attached = 0;
	ok(!mockgpu_open_path(&dev, "/dev/dri/renderD128") && attached == 1, "path: opened and attached");
	ok(!strcmp(mockgpu_path(dev), "/dev/dri/renderD128"), "path: is kept");
	mockgpu_close(dev);
	dev = NULL;
	ok(mockgpu_open_path(&dev, "/dev/dri/renderD129") == -ENOTSUP, "path: another driver's node");
	ok(mockgpu_open_path(&dev, "/dev/dri/renderD130") == -EACCES, "path: no permission");
	ok(mockgpu_open_path(&dev, "/dev/nothing-there") == -ENOENT, "path: nothing there");
	attach_ret = -EPERM;
	ok(mockgpu_open_path(&dev, "/dev/dri/renderD128") == -EPERM, "path: attach refused");
	attach_ret = 0;
	MACHINE({ "renderD128", "mockgpu", 0, ENOMEM }, { "renderD129", "mockgpu", 0, EFAULT },
		{ "renderD130", "mockgpu", 0, ENODEV }, { "renderD131", "mockgpu", 0, ENOTTY });
	ok(mockgpu_open_path(&dev, "/dev/dri/renderD128") == -ENOMEM, "path: no memory to ask");
	ok(mockgpu_open_path(&dev, "/dev/dri/renderD129") == -ENOMEM, "path: none in the library");
	ok(mockgpu_open_path(&dev, "/dev/dri/renderD130") == -ENODEV, "path: the device is leaving");
	ok(mockgpu_open_path(&dev, "/dev/dri/renderD131") == -ENOTSUP, "path: no DRM node at all");
	ok(!dev, "path: the handle is untouched by errors");
	mockgpu_close(NULL);
	ok(open_files() == before, "path: no file left open");
}

int main(void)
{
	fake_ioctl = answer;
	test_find();
	test_denied();
	test_sysfs();
	test_driver_fails();
	test_path();
	return done();
}
