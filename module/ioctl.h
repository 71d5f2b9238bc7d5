/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_IOCTL_H
#define MOCKGPU_IOCTL_H

struct drm_device;
struct drm_file;
struct file;

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

#endif
