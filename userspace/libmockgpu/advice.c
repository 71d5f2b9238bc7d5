// SPDX-License-Identifier: MIT
/*
 * Advice about ranges, and prefetch: one function for each ioctl.
 */
#include <string.h>

#include "internal.h"

static int advise(struct mockgpu_device *dev, void *addr, size_t len, uint32_t attr,
		  uint64_t value, uint32_t flags)
{
	struct drm_mockgpu_advise a = {
		.start = mockgpu_ptr(addr),
		.len = len,
		.attr = attr,
		.flags = flags,
		.value = value,
	};

	return mockgpu_call(dev->fd, DRM_IOCTL_MOCKGPU_ADVISE, &a);
}

int mockgpu_advise(struct mockgpu_device *dev, void *addr, size_t len, unsigned int attr,
		   uint64_t value)
{
	return advise(dev, addr, len, attr, value, 0);
}

int mockgpu_advise_reset(struct mockgpu_device *dev, void *addr, size_t len)
{
	return advise(dev, addr, len, 0, 0, MOCKGPU_ADVISE_RESET);
}

int mockgpu_get_advice(struct mockgpu_device *dev, const void *addr, size_t len,
		       struct mockgpu_advice *advice)
{
	struct drm_mockgpu_advice a = {
		.start = mockgpu_ptr(addr),
		.len = len,
	};
	int ret = mockgpu_call(dev->fd, DRM_IOCTL_MOCKGPU_ADVICE, &a);

	advice->mixed = a.mixed;
	memcpy(advice->value, a.value, sizeof(advice->value));
	return ret;
}

int mockgpu_prefetch(struct mockgpu_device *dev, void *addr, size_t len, unsigned int place,
		     unsigned int flags, struct mockgpu_device *target,
		     struct mockgpu_prefetched *result)
{
	struct drm_mockgpu_prefetch p = {
		.start = mockgpu_ptr(addr),
		.len = len,
		.place = place,
		.flags = flags,
		.fd = target ? target->fd : -1,
	};
	int ret = mockgpu_call(dev->fd, DRM_IOCTL_MOCKGPU_PREFETCH, &p);

	if (result) {
		result->moved = p.moved;
		result->stayed = p.stayed;
		result->mapped = p.mapped;
	}
	return ret;
}
