/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_IOCTL_H
#define MOCKGPU_IOCTL_H

#include <linux/types.h>

struct drm_device;
struct drm_file;
struct drm_mockgpu_point_info;
struct file;

int ioctl_check_range(u64 start, u64 len);
bool ioctl_is_admin(const struct drm_file *file);

int ioctl_query(struct drm_device *drm, void *data, struct drm_file *file);
int ioctl_attach(struct drm_device *drm, void *data, struct drm_file *file);
int ioctl_migrate(struct drm_device *drm, void *data, struct drm_file *file);
int ioctl_residency(struct drm_device *drm, void *data, struct drm_file *file);
int ioctl_rw(struct drm_device *drm, void *data, struct drm_file *file);
int ioctl_evict(struct drm_device *drm, void *data, struct drm_file *file);
int ioctl_queue_create(struct drm_device *drm, void *data, struct drm_file *file);
int ioctl_queue_destroy(struct drm_device *drm, void *data, struct drm_file *file);
int ioctl_submit(struct drm_device *drm, void *data, struct drm_file *file);
int ioctl_wait(struct drm_device *drm, void *data, struct drm_file *file);
int ioctl_advise(struct drm_device *drm, void *data, struct drm_file *file);
int ioctl_advice(struct drm_device *drm, void *data, struct drm_file *file);
int ioctl_prefetch(struct drm_device *drm, void *data, struct drm_file *file);
int ioctl_point_arm(struct drm_device *drm, void *data, struct drm_file *file);
int ioctl_point_wait(struct drm_device *drm, void *data, struct drm_file *file);
int ioctl_point_release(struct drm_device *drm, void *data, struct drm_file *file);
int ioctl_log_open(struct drm_device *drm, void *data, struct drm_file *file);
void ioctl_point_info(unsigned int point, struct drm_mockgpu_point_info *out);

#endif
