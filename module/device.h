/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_DEVICE_H
#define MOCKGPU_DEVICE_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/wait.h>

#include <drm/drm_device.h>

#include "stats.h"
#include "vram.h"

struct drm_driver;
struct platform_device;

/**
 * struct mockgpu_device - one device
 * @drm: what user space sees of it; the object lives as long as this does
 * @index: its number, from 0; fixed
 * @vram: its memory; usable between device_bring_up() and device_tear_down()
 * @stats: its counters
 * @clients_unpinned: woken when one of @clients is not pinned any more
 * @clients_lock: protects @clients and @leaves
 * @clients: its open files, of both doors
 * @leaves: their queues and points are gone, and there will be none; read without the lock
 *	where to come late does not matter
 */
struct mockgpu_device {
	struct drm_device drm;
	unsigned int index;
	struct vram vram;
	struct mockgpu_stats stats;

	wait_queue_head_t clients_unpinned;

	struct mutex clients_lock; /* for what follows */
	struct list_head clients;
	bool leaves;
};

static inline struct mockgpu_device *to_mockgpu(struct drm_device *drm)
{
	return container_of(drm, struct mockgpu_device, drm);
}

int device_bring_up(struct platform_device *pdev, const struct drm_driver *driver,
		    unsigned int index, const struct vram_supply *supply);
int device_publish(struct platform_device *pdev);
void device_tear_down(struct platform_device *pdev);

#endif
