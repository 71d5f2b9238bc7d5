// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Which devices there are, and what each is made of.
 *
 * A device has a number, which it keeps for as long as it exists.  It is made by registering
 * a platform device, which the driver is bound to there and then; that can be undone and
 * done again through sysfs, with the same number and of the same memory, until the device is
 * removed.
 *
 * Each device has a platform name of its own rather than one name and a number: libdrm tells
 * platform devices apart by their modalias, which has only the name.
 *
 * Locking: a number belongs to who reserved it, and with it its slot; what the driver is told
 * of it is fixed while the platform device exists.  What the driver says of it is read
 * without a lock.
 */
#include <linux/errno.h>
#include <linux/idr.h>
#include <linux/platform_device.h>
#include <linux/printk.h>
#include <linux/string.h>

#include "devices.h"
#include "mockgpu_drm.h"
#include "vram.h"
#include "vram_coherent.h"
#include "vram_link.h"

#define DEVICE_ID(index) { .name = MOCKGPU_DRIVER_NAME #index, .driver_data = (index) }
const struct platform_device_id devices_ids[DEVICES_MAX + 1] = {
	DEVICE_ID(0), DEVICE_ID(1), DEVICE_ID(2), DEVICE_ID(3),
	DEVICE_ID(4), DEVICE_ID(5), DEVICE_ID(6), DEVICE_ID(7),
	DEVICE_ID(8), DEVICE_ID(9), DEVICE_ID(10), DEVICE_ID(11),
	DEVICE_ID(12), DEVICE_ID(13), DEVICE_ID(14), DEVICE_ID(15),
	{}
};

/**
 * struct devices_slot - a device
 * @pdev: what it stands on, or NULL; set before the driver sees it
 * @supply: what it is made of; fixed while @pdev is there
 * @link: what its bytes cross
 * @minor: number of its render node, or -1 where it has none now
 * @error: what came of it when the driver was bound last
 */
struct devices_slot {
	struct platform_device *pdev;
	struct vram_supply supply;
	struct vram_link link;
	int minor;
	int error;
};

static struct devices_slot devices_slots[DEVICES_MAX];
static DEFINE_IDA(devices_numbers);

static const char *const devices_types[] = {
	[DEVICES_AUTO] = "auto",
	[DEVICES_PRIVATE] = "private",
	[DEVICES_COHERENT] = "coherent",
};

/**
 * devices_type() - understand a type of VRAM
 * @text: its name; a newline may follow
 *
 * Return: DEVICES_* or -EINVAL.
 */
int devices_type(const char *text)
{
	return sysfs_match_string(devices_types, text);
}

/**
 * devices_type_name() - the reverse of devices_type()
 * @type: type
 */
const char *devices_type_name(enum devices_type type)
{
	return devices_types[type];
}

/**
 * devices_vram_mb_fits() - whether VRAM can have a size
 * @vram_mb: size in MiB
 */
bool devices_vram_mb_fits(unsigned int vram_mb)
{
	return vram_mb >= DEVICES_VRAM_MB_MIN && vram_mb <= DEVICES_VRAM_MB_MAX &&
	       vram_mb % 2 == 0;
}

/**
 * devices_source() - where a device's VRAM comes from
 * @name: what messages call @type
 * @type: what was asked for
 * @request: where memory for coherent VRAM is to come from
 * @source: answer
 *
 * Memory is taken out of the machine only where that was asked for, by the one or the other.
 * Says in the log what cannot be.
 *
 * Return: 0, or -EOPNOTSUPP where the kernel lacks what it takes.
 */
int devices_source(const char *name, enum devices_type type,
		   const struct coherent_request *request, const struct vram_source **source)
{
#ifdef CONFIG_DEVICE_PRIVATE
	if (type != DEVICES_COHERENT) {
		*source = &vram_private;
		return 0;
	}
#endif
	if (type == DEVICES_PRIVATE) {
		pr_err("mockgpu: %sprivate needs CONFIG_DEVICE_PRIVATE, which this kernel lacks\n",
		       name);
		return -EOPNOTSUPP;
	}
	if (type == DEVICES_AUTO && request->unasked) {
		pr_err("mockgpu: this kernel lacks CONFIG_DEVICE_PRIVATE; %scoherent takes memory out of the machine for VRAM\n",
		       name);
		return -EOPNOTSUPP;
	}
	*source = &vram_coherent;
	return 0;
}

/**
 * devices_reserve() - have the lowest number that is free
 *
 * Context: may sleep.
 * Return: the number, or -ENOSPC (there is none), -ENOMEM.
 */
int devices_reserve(void)
{
	int index = ida_alloc_max(&devices_numbers, DEVICES_MAX - 1, GFP_KERNEL);

	if (index >= 0) {
		devices_slots[index].minor = -1;
		vram_link_init(&devices_slots[index].link);
	}
	return index;
}

/**
 * devices_release() - undo devices_reserve()
 * @index: number, of which there is no device
 *
 * Context: any.
 */
void devices_release(unsigned int index)
{
	ida_free(&devices_numbers, index);
}

/**
 * devices_add() - make a device
 * @index: number that was reserved
 * @supply: what it is to be made of; its link is set here
 *
 * Context: may sleep; nothing held that the driver takes when it is bound or unbound.
 * Return: 0, or a negative errno: that of the driver, where that is why.
 */
int devices_add(unsigned int index, const struct vram_supply *supply)
{
	struct devices_slot *slot = &devices_slots[index];
	int ret;

	slot->supply = *supply;
	slot->supply.link = &slot->link;
	slot->error = 0;
	slot->pdev = platform_device_alloc(devices_ids[index].name, PLATFORM_DEVID_NONE);
	if (!slot->pdev)
		return -ENOMEM;
	ret = platform_device_add(slot->pdev);
	if (ret) {
		platform_device_put(slot->pdev);
		slot->pdev = NULL;
		return ret;
	}
	/* A probe that fails leaves a device without a driver, and says nothing. */
	if (!slot->pdev->dev.driver) {
		devices_remove(index);
		return slot->error ? : -ENODEV;
	}
	return 0;
}

/**
 * devices_remove() - undo devices_add()
 * @index: number of the device, which may have been unbound
 *
 * Context: as devices_add(); sleeps until the last page has come home.
 */
void devices_remove(unsigned int index)
{
	struct devices_slot *slot = &devices_slots[index];

	platform_device_unregister(slot->pdev);
	slot->pdev = NULL;
}

/**
 * devices_set_link() - say how fast a device's link is
 * @index: number that was reserved
 * @mbps: as vram_link_set()
 *
 * Context: any.
 */
void devices_set_link(unsigned int index, unsigned int mbps)
{
	vram_link_set(&devices_slots[index].link, mbps);
}

/**
 * devices_minor() - the number of a device's render node
 * @index: number that was reserved
 *
 * Context: any.
 * Return: number, or -1 where it has none at this moment.
 */
int devices_minor(unsigned int index)
{
	return READ_ONCE(devices_slots[index].minor);
}

/**
 * devices_find() - which device the driver is being bound to
 * @pdev: platform device
 * @supply: answer: what it is to be made of
 *
 * Context: while the driver is being bound.
 * Return: its number, or -ENODEV: it is none of ours, but its name or an override says so.
 */
int devices_find(const struct platform_device *pdev, const struct vram_supply **supply)
{
	unsigned int i;

	for (i = 0; i < DEVICES_MAX; i++) {
		if (READ_ONCE(devices_slots[i].pdev) != pdev)
			continue;
		*supply = &devices_slots[i].supply;
		vram_link_open(&devices_slots[i].link);
		return i;
	}
	return -ENODEV;
}

/**
 * devices_came() - the driver was bound to a device, or not
 * @index: its number
 * @minor: number of its render node
 * @error: 0, or why it was not bound
 *
 * Context: while the driver is being bound.
 */
void devices_came(unsigned int index, int minor, int error)
{
	WRITE_ONCE(devices_slots[index].error, error);
	WRITE_ONCE(devices_slots[index].minor, error ? -1 : minor);
}

/**
 * devices_leaves() - the driver is about to be unbound from a device
 * @index: its number
 *
 * Nobody waits for its link any longer.
 *
 * Context: while the driver is being unbound.
 */
void devices_leaves(unsigned int index)
{
	WRITE_ONCE(devices_slots[index].minor, -1);
	vram_link_cut(&devices_slots[index].link);
}
