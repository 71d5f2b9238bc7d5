// SPDX-License-Identifier: MIT
/*
 * Control points: one function for each ioctl, and points by their names.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

/* As many as an answer can hold. */
#define POINTS_MAX 128

#define DEFAULT_TIME_NS (10 * 1000000000ULL)

int mockgpu_point_info(struct mockgpu_device *dev, unsigned int point,
		       struct drm_mockgpu_point_info *info)
{
	struct drm_mockgpu_point_info all[POINTS_MAX];
	int ret = mockgpu_query(dev->fd, MOCKGPU_QUERY_POINTS, all, sizeof(all));

	if (ret)
		return ret;
	if (point >= POINTS_MAX || !all[point].name[0])
		return -ENOENT;
	*info = all[point];
	return 0;
}

/* The number of a point, or a negative errno. */
static int find_point(struct mockgpu_device *dev, const char *name,
		      struct drm_mockgpu_point_info *info)
{
	struct drm_mockgpu_point_info all[POINTS_MAX];
	int i, ret = mockgpu_query(dev->fd, MOCKGPU_QUERY_POINTS, all, sizeof(all));

	if (ret)
		return ret;
	for (i = 0; i < POINTS_MAX && all[i].name[0]; i++) {
		if (!strncmp(all[i].name, name, sizeof(all[i].name))) {
			*info = all[i];
			return i;
		}
	}
	return -ENOENT;
}

/* Whether a thread of this process may be held, and keep the rest from letting it go. */
static int holds_itself(const struct mockgpu_point *point,
			const struct drm_mockgpu_point_info *info)
{
	return point->action == MOCKGPU_POINT_WAIT && (info->flags & MOCKGPU_POINT_HOLDS_MM) &&
	       (!point->pid || point->pid == getpid());
}

int mockgpu_point_arm(struct mockgpu_device *dev, const struct mockgpu_point *point,
		      uint64_t *id)
{
	struct drm_mockgpu_point_arm a = {
		.action = point->action,
		.flags = point->flags,
		.error = point->error,
		.pid = point->pid,
		.chance = point->chance,
		.start = mockgpu_ptr(point->addr),
		.len = point->len,
		.first = point->first,
		.count = point->count,
		.time_ns = point->time_ns,
		.seed = point->seed,
	};
	struct drm_mockgpu_point_info info;
	int ret = find_point(dev, point->name, &info);

	if (ret < 0)
		return ret;
	if (holds_itself(point, &info))
		return -EDEADLK;
	if (!a.time_ns && (a.action == MOCKGPU_POINT_WAIT || a.action == MOCKGPU_POINT_DELAY))
		a.time_ns = DEFAULT_TIME_NS;
	a.point = (uint32_t)ret;
	ret = mockgpu_call(dev->fd, DRM_IOCTL_MOCKGPU_POINT_ARM, &a);
	if (!ret)
		*id = a.id;
	return ret;
}

int mockgpu_point_wait(struct mockgpu_device *dev, uint64_t id, uint64_t hits,
		       int64_t timeout_ns, struct drm_mockgpu_point_wait *report)
{
	struct drm_mockgpu_point_wait w = {
		.id = id,
		.hits = hits,
		.deadline_ns = mockgpu_deadline(timeout_ns),
	};
	int ret = mockgpu_call(dev->fd, DRM_IOCTL_MOCKGPU_POINT_WAIT, &w);

	if (report)
		*report = w;
	return ret;
}

int mockgpu_point_release(struct mockgpu_device *dev, uint64_t id, int stay)
{
	struct drm_mockgpu_point_release r = {
		.id = id,
		.flags = stay ? MOCKGPU_POINT_STAY_ARMED : 0,
	};

	return mockgpu_call(dev->fd, DRM_IOCTL_MOCKGPU_POINT_RELEASE, &r);
}
