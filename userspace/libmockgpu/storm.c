// SPDX-License-Identifier: MIT
/* Storms: one function for each ioctl. */
#include "internal.h"

int mockgpu_storm_begin(struct mockgpu_device *dev, const struct drm_mockgpu_storm_begin *storm)
{
	struct drm_mockgpu_storm_begin s = *storm;

	return mockgpu_call(dev->fd, DRM_IOCTL_MOCKGPU_STORM_BEGIN, &s);
}

int mockgpu_storm_look(struct mockgpu_device *dev, struct drm_mockgpu_storm_look *look)
{
	struct drm_mockgpu_storm_look l = { 0 };
	int ret = mockgpu_call(dev->fd, DRM_IOCTL_MOCKGPU_STORM_LOOK, &l);

	if (!ret)
		*look = l;
	return ret;
}
