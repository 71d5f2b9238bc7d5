// SPDX-License-Identifier: MIT
/* Control points: which there are, what may be asked of them, and by whom. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "points.h"
#include "process.h"

static struct drm_mockgpu_point_info info_of(struct mockgpu_device *dev, const char *name,
					     unsigned int *number)
{
	struct drm_mockgpu_point_info info;

	for (*number = 0; !mockgpu_point_info(dev, *number, &info); ++*number)
		if (!strcmp(info.name, name))
			return info;
	FAIL("there is no point %s", name);
}

/* The list has an end, each name is there once, and each point can do something. */
static void P1_list(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct drm_mockgpu_point_info info, same;
	unsigned int n, again;

	for (n = 0; !mockgpu_point_info(dev, n, &info); n++) {
		CHECK(memchr(info.name, 0, sizeof(info.name)));
		CHECK(info.flags & (MOCKGPU_POINT_CAN_WAIT | MOCKGPU_POINT_CAN_FAIL));
		CHECK_EQ(info.flags >> 7, 0);
		same = info_of(dev, info.name, &again);
		CHECK_EQ(again, n);
		CHECK_EQ(same.flags, info.flags);
	}
	CHECK_GE(n, 27);
	CHECK_EQ(mockgpu_point_info(dev, n, &info), -ENOENT);
	CHECK_EQ(mockgpu_point_info(dev, 1000000, &info), -ENOENT);
}

/* A change to a call that would work, and what comes of it. */
struct bad {
	const char *what;
	struct drm_mockgpu_point_arm arg;
	int error;
};

static int raw(struct mockgpu_device *dev, unsigned long request, void *arg)
{
	return ioctl(mockgpu_fd(dev), request, arg) ? errno : 0;
}

static void P1_bad_arguments(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	unsigned int waits, fails, no_mm, no_device, fixed, n;

	info_of(dev, "migrate-copied", &waits);
	info_of(dev, "command", &fails);
	info_of(dev, "evict", &no_mm);
	info_of(dev, "alloc", &no_device);
	info_of(dev, "copy", &fixed);
	for (n = 0; !mockgpu_point_info(dev, n, &(struct drm_mockgpu_point_info){ 0 }); n++)
		;
	{
#define BAD(number, err, ...) { #__VA_ARGS__, { .point = (number), __VA_ARGS__ }, (err) }
		const struct bad bad[] = {
			BAD(n, EINVAL, .action = MOCKGPU_POINT_COUNT),
			BAD(~0U, EINVAL, .action = MOCKGPU_POINT_COUNT),
			BAD(fails, EINVAL, .action = 4),
			BAD(fails, EINVAL, .action = ~0U),
			BAD(fails, EINVAL, .flags = 2),
			BAD(no_device, EINVAL, .flags = MOCKGPU_POINT_THIS_DEVICE),
			BAD(fails, EINVAL, .id = 1),
			BAD(waits, EINVAL, .action = MOCKGPU_POINT_FAIL),
			BAD(fixed, EINVAL, .action = MOCKGPU_POINT_WAIT, .time_ns = 1),
			BAD(fixed, EINVAL, .action = MOCKGPU_POINT_DELAY, .time_ns = 1),
			BAD(fixed, EINVAL, .action = MOCKGPU_POINT_FAIL, .error = -EIO),
			BAD(fails, EINVAL, .action = MOCKGPU_POINT_FAIL, .error = 5),
			BAD(fails, EINVAL, .action = MOCKGPU_POINT_FAIL, .error = -134),
			BAD(fails, EINVAL, .action = MOCKGPU_POINT_FAIL, .error = -EAGAIN),
			BAD(fails, EINVAL, .action = MOCKGPU_POINT_FAIL, .error = -EINTR),
			BAD(fails, EINVAL, .action = MOCKGPU_POINT_COUNT, .error = -EIO),
			BAD(waits, EINVAL, .action = MOCKGPU_POINT_WAIT),
			BAD(waits, EINVAL, .action = MOCKGPU_POINT_DELAY),
			BAD(waits, EINVAL, .action = MOCKGPU_POINT_WAIT,
			    .time_ns = 60 * NS_PER_S + 1),
			BAD(waits, EINVAL, .action = MOCKGPU_POINT_COUNT, .time_ns = 1),
			BAD(fails, EINVAL, .action = MOCKGPU_POINT_FAIL, .time_ns = 1),
			BAD(no_mm, EINVAL, .pid = 1),
			BAD(waits, EINVAL, .pid = -1),
			BAD(waits, ESRCH, .pid = 1 << 22),
			BAD(waits, ESRCH, .pid = 2),	/* a thread of the kernel */
			BAD(no_mm, EINVAL, .len = 1),
			BAD(waits, EINVAL, .start = 1),
			BAD(waits, EINVAL, .start = 1, .len = ~0ULL),
			BAD(waits, EINVAL, .chance = 65537),
			BAD(waits, EINVAL, .seed = 1),
		};

		for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
			struct drm_mockgpu_point_arm arg = bad[i].arg;
			int got = raw(dev, DRM_IOCTL_MOCKGPU_POINT_ARM, &arg);

			if (got != bad[i].error)
				FAIL("%s: expected %s, got %s", bad[i].what,
				     strerror(bad[i].error), strerror(got));
		}
	}
	CHECK_EQ(mockgpu_point_arm(dev, &(struct mockgpu_point){ .name = "x" }, NULL), -ENOENT);
}

static void P1_bad_numbers(void)
{
	struct mockgpu_device *dev = gpu_open(0), *other = gpu_open(0);
	struct arm arm = TALLY(dev, "command");
	struct drm_mockgpu_point_release release = { .id = arm.id, .flags = 2 };

	CHECK_EQ(mockgpu_point_wait(dev, arm.id + 1, 0, 0, NULL), -ENOENT);
	CHECK_EQ(mockgpu_point_wait(dev, 0, 0, 0, NULL), -ENOENT);
	CHECK_EQ(mockgpu_point_release(dev, arm.id + 1, 0), -ENOENT);
	/* Another file's. */
	CHECK_EQ(mockgpu_point_wait(other, arm.id, 0, 0, NULL), -ENOENT);
	CHECK_EQ(mockgpu_point_release(other, arm.id, 0), -ENOENT);
	CHECK_EQ(raw(dev, DRM_IOCTL_MOCKGPU_POINT_RELEASE, &release), EINVAL);
	release.flags = 0;
	release.pad = 1;
	CHECK_EQ(raw(dev, DRM_IOCTL_MOCKGPU_POINT_RELEASE, &release), EINVAL);
	arm_step(arm);
	arm_release(arm);
	CHECK_EQ(mockgpu_point_release(dev, arm.id, 0), -ENOENT);
	CHECK_EQ(mockgpu_point_wait(dev, arm.id, 0, 0, NULL), -ENOENT);
}

/* Who lost the right may go on with a file that was opened with it, and opens one without it. */
static void arm_without_right(void *prepared)
{
	struct mockgpu_point point = { .name = "command" };
	struct mockgpu_device *own;
	uint64_t id = 77;

	lose_capability();
	own = gpu_open(0);
	CHECK_EQ(mockgpu_point_arm(own, &point, &id), -EACCES);
	CHECK_EQ(id, 77);
	arm_release(TALLY((struct mockgpu_device *)prepared, "command"));
}

static void P1_needs_the_right(void)
{
	join(spawn(arm_without_right, gpu_open(0)));
}

static void P1_as_many_as_there_can_be(void)
{
	struct mockgpu_point point = { .name = "command" };
	struct mockgpu_device *dev = gpu_open(0), *other = gpu_open(0);
	uint64_t ids[MOCKGPU_POINT_ARMS_MAX], one_more;

	for (unsigned int i = 0; i < MOCKGPU_POINT_ARMS_MAX; i++)
		CHECK_EQ(mockgpu_point_arm(i % 2 ? dev : other, &point, &ids[i]), 0);
	CHECK_EQ(mockgpu_point_arm(dev, &point, &one_more), -ENOSPC);
	CHECK_EQ(mockgpu_point_release(other, ids[0], 0), 0);
	CHECK_EQ(mockgpu_point_arm(dev, &point, &one_more), 0);
	/* What goes with a file makes room. */
	mockgpu_close(other);
	for (unsigned int i = 1; i < MOCKGPU_POINT_ARMS_MAX / 2; i++)
		CHECK_EQ(mockgpu_point_arm(dev, &point, &one_more), 0);
	CHECK_EQ(mockgpu_point_arm(dev, &point, &one_more), -ENOSPC);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(P1_list),
	SCENARIO(P1_bad_arguments),
	SCENARIO(P1_bad_numbers),
	SCENARIO(P1_needs_the_right),
	SCENARIO(P1_as_many_as_there_can_be),
	{ 0 }
};
