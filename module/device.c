// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * One device, from its bring-up to its end.
 *
 * The node is registered last, when everything behind it works.  When the
 * device leaves, its queues end first, and whoever waits is told.  Then it is unplugged:
 * that waits for most calls that are under way and refuses new ones.  Then VRAM is closed,
 * for prefetches, which it does not wait for, and emptied, so that everybody who has pages
 * there finds them in system memory, and only then taken apart.
 *
 * A file may still be open at that time, if the device was unbound rather than
 * the module removed.  It keeps the object, not its memory.
 */
#include <linux/idr.h>
#include <linux/platform_device.h>

#include <drm/drm_drv.h>
#include <drm/drm_managed.h>

#include "client.h"
#include "control.h"
#include "device.h"
#include "event.h"
#include "evict.h"
#include "migrate.h"

/* Let nobody bring anything in, send everything home, and take VRAM apart. */
static void device_empty(struct mockgpu_device *device)
{
	vram_close(&device->vram);
	control_hit(CONTROL_EMPTY, &device->vram.present, NULL, 0);
	evict_for_good(&device->vram);
	vram_fini(&device->vram);
}

/* Whose file is still open counts as well. */
static void device_free_stats(struct drm_device *drm, void *unused)
{
	stats_fini(&to_mockgpu(drm)->stats);
}

/**
 * device_bring_up() - make a device, which nobody sees yet
 * @pdev: platform device that it stands on
 * @driver: what it can do
 * @index: its number
 * @supply: what its memory is made of
 *
 * Return: 0 or a negative errno.
 */
int device_bring_up(struct platform_device *pdev, const struct drm_driver *driver,
		    unsigned int index, const struct vram_supply *supply)
{
	struct mockgpu_device *device;
	int ret;

	device = devm_drm_dev_alloc(&pdev->dev, driver, struct mockgpu_device, drm);
	if (IS_ERR(device))
		return PTR_ERR(device);
	device->index = index;
	/* DRM's files in debugfs look for names of buffer objects, also where there are none. */
	mutex_init(&device->drm.object_name_lock);
	xa_init_flags(&device->drm.object_name_idr.idr_rt, IDR_RT_MARKER);
	mutex_init(&device->clients_lock);
	INIT_LIST_HEAD(&device->clients);
	init_waitqueue_head(&device->clients_unpinned);
	platform_set_drvdata(pdev, device);

	ret = stats_init(&device->stats);
	if (!ret)
		ret = drmm_add_action_or_reset(&device->drm, device_free_stats, NULL);
	if (ret)
		return ret;
	return vram_init(&device->vram, supply, device->index, migrate_to_ram, &device->stats);
}

/**
 * device_publish() - let a device be seen
 * @pdev: platform device that it stands on
 *
 * Also where that fails a node may have been there for a moment, and somebody may have
 * opened it: the kernel makes two.  VRAM is emptied and taken apart then.
 *
 * Context: may sleep.
 * Return: 0 or a negative errno.
 */
int device_publish(struct platform_device *pdev)
{
	struct mockgpu_device *device = platform_get_drvdata(pdev);
	int ret = drm_dev_register(&device->drm, 0);

	if (ret) {
		clients_leave(device);
		device_empty(device);
		event_end_logs(device->index);
	}
	return ret;
}

/**
 * device_tear_down() - the device leaves
 * @pdev: platform device that it stands on
 *
 * Context: sleeps until the last page has come home.
 */
void device_tear_down(struct platform_device *pdev)
{
	struct mockgpu_device *device = platform_get_drvdata(pdev);

	/* Before: what a point holds may be what unplugging waits for. */
	clients_leave(device);
	drm_dev_unplug(&device->drm);
	control_hit(CONTROL_UNPLUG, &device->vram.present, NULL, 0);
	device_empty(device);
	event_end_logs(device->index);
}
