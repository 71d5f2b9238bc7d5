// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * mockgpu: a GPU without the hardware.
 *
 * Parameters, the table of calls, and the way into and out of the kernel.
 */
#include <linux/err.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_ioctl.h>
#include <drm/drm_print.h>

#include "client.h"
#include "compat/compat_drm.h"
#include "device.h"
#include "dmirror.h"
#include "ioctl.h"
#include "mockgpu_drm.h"
#include "vram_coherent.h"

#define DEVICES_MAX	16U
#define VRAM_MB_MAX	1048576U

/*
 * Version history of the interface:
 *
 * 1.0: query, attach, migrate, residency, device access, evict
 * 1.1: queues and their commands, atomic operations
 * 1.2: advice, prefetch, huge pages
 * 1.3: control points
 * 1.4: event log
 */
#define DRIVER_MAJOR	1
#define DRIVER_MINOR	4

static unsigned int devices = 1;
module_param(devices, uint, 0444);
MODULE_PARM_DESC(devices, "number of devices, 1 to 16 (default 1)");

static unsigned int vram_mb = 256;
module_param(vram_mb, uint, 0444);
MODULE_PARM_DESC(vram_mb,
		 "VRAM of each device in MiB, an even number, 2 to 1048576 (default 256)");

static char *vram[DEVICES_MAX];
static unsigned int vram_count;
module_param_array(vram, charp, &vram_count, 0444);
MODULE_PARM_DESC(vram,
		 "type of each device's VRAM: auto, private or coherent; the last is that of all others (default auto)");

static char *coherent_source = "auto";
module_param(coherent_source, charp, 0444);
MODULE_PARM_DESC(coherent_source,
		 "memory for coherent VRAM: offline (blocks of the machine's memory, given back later), SIZE@ADDRESS (a range that the machine does not use) (default auto: offline, if coherent VRAM is asked for)");

static bool dmirror;
module_param(dmirror, bool, 0444);
MODULE_PARM_DESC(dmirror,
		 "offer /dev/hmm_dmirror0 and 1 for the first two devices with private VRAM, 2 and 3 for those with coherent VRAM (default N)");

static struct platform_device *platform_devices[DEVICES_MAX];
static const struct vram_source *sources[DEVICES_MAX];

/*
 * A node was made, or it was tried, so somebody may have it open.  Loading does not fail any
 * more then: a module whose init fails is freed, whoever uses it.
 */
static bool published;

static const struct drm_ioctl_desc mockgpu_ioctls[] = {
	DRM_IOCTL_DEF_DRV(MOCKGPU_QUERY, ioctl_query, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(MOCKGPU_ATTACH, ioctl_attach, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(MOCKGPU_MIGRATE, ioctl_migrate, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(MOCKGPU_RESIDENCY, ioctl_residency, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(MOCKGPU_RW, ioctl_rw, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(MOCKGPU_EVICT, ioctl_evict, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(MOCKGPU_QUEUE_CREATE, ioctl_queue_create, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(MOCKGPU_QUEUE_DESTROY, ioctl_queue_destroy, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(MOCKGPU_SUBMIT, ioctl_submit, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(MOCKGPU_WAIT, ioctl_wait, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(MOCKGPU_ADVISE, ioctl_advise, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(MOCKGPU_ADVICE, ioctl_advice, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(MOCKGPU_PREFETCH, ioctl_prefetch, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(MOCKGPU_POINT_ARM, ioctl_point_arm, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(MOCKGPU_POINT_WAIT, ioctl_point_wait, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(MOCKGPU_POINT_RELEASE, ioctl_point_release, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(MOCKGPU_LOG_OPEN, ioctl_log_open, DRM_RENDER_ALLOW),
};

/*
 * DRM ignores what a newer program's structure has at its end and this driver
 * does not know.  A program that asks for something there must be told.
 */
static int check_unknown_tail(unsigned int cmd, unsigned long arg)
{
	unsigned int nr = DRM_IOCTL_NR(cmd), size = _IOC_SIZE(cmd), known;
	int ret;

	if (_IOC_TYPE(cmd) != DRM_IOCTL_BASE || nr < DRM_COMMAND_BASE ||
	    nr - DRM_COMMAND_BASE >= ARRAY_SIZE(mockgpu_ioctls))
		return 0;
	known = _IOC_SIZE(mockgpu_ioctls[nr - DRM_COMMAND_BASE].cmd);
	if (!(_IOC_DIR(cmd) & _IOC_WRITE) || size <= known)
		return 0;
	ret = check_zeroed_user((void __user *)arg + known, size - known);
	return ret > 0 ? 0 : ret ? : -E2BIG;
}

static long mockgpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	int ret = check_unknown_tail(cmd, arg);

	return ret ? : drm_ioctl(file, cmd, arg);
}

#ifdef CONFIG_COMPAT
/* Our structures are the same for 32-bit programs; some of DRM's own are not. */
static long mockgpu_compat_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	int ret = check_unknown_tail(cmd, arg);

	return ret ? : drm_compat_ioctl(file, cmd, arg);
}
#endif

static int mockgpu_flush(struct file *file, fl_owner_t id)
{
	struct drm_file *drm_file = file->private_data;

	client_flush(drm_file->driver_priv);
	return 0;
}

static int mockgpu_open(struct drm_device *drm, struct drm_file *file)
{
	return client_open(to_mockgpu(drm), file);
}

static void mockgpu_postclose(struct drm_device *drm, struct drm_file *file)
{
	client_close(file);
}

static void mockgpu_show_fdinfo(struct seq_file *m, struct file *filp)
{
	struct drm_printer p = drm_seq_file_printer(m);
	struct drm_file *file = filp->private_data;
	struct drm_memory_stats stats = {};

	drm_show_fdinfo(m, filp);
	/* All that a client has in VRAM is resident there, and nobody else's. */
	stats.private = client_vram_bytes(file->driver_priv);
	stats.resident = stats.private;
	drm_print_memory_stats(&p, &stats, DRM_GEM_OBJECT_RESIDENT, "vram");
}

/*
 * There are no buffer objects to share.  DRM's own functions for that are for drivers that have
 * some, and take locks which are made ready for those alone.
 */
static int mockgpu_no_export(struct drm_device *drm, struct drm_file *file, u32 handle, u32 flags,
			     int *fd)
{
	return -EOPNOTSUPP;
}

static int mockgpu_no_import(struct drm_device *drm, struct drm_file *file, int fd, u32 *handle)
{
	return -EOPNOTSUPP;
}

static const struct file_operations mockgpu_fops = {
	.owner = THIS_MODULE,
	.open = drm_open,
	.flush = mockgpu_flush,
	.release = drm_release,
	.unlocked_ioctl = mockgpu_ioctl,
#ifdef CONFIG_COMPAT
	.compat_ioctl = mockgpu_compat_ioctl,
#endif
	.poll = drm_poll,
	.read = drm_read,
	.llseek = noop_llseek,
	.show_fdinfo = mockgpu_show_fdinfo,
	COMPAT_FOP_UNSIGNED_OFFSET
};

static const struct drm_driver mockgpu_driver = {
	.driver_features = DRIVER_RENDER,
	.open = mockgpu_open,
	.postclose = mockgpu_postclose,
	.prime_handle_to_fd = mockgpu_no_export,
	.prime_fd_to_handle = mockgpu_no_import,
	.ioctls = mockgpu_ioctls,
	.num_ioctls = ARRAY_SIZE(mockgpu_ioctls),
	.fops = &mockgpu_fops,
	.name = MOCKGPU_DRIVER_NAME,
	COMPAT_DRM_DRIVER_DATE
	.desc = "GPU without the hardware",
	.major = DRIVER_MAJOR,
	.minor = DRIVER_MINOR,
};

static int mockgpu_probe(struct platform_device *pdev)
{
	const struct platform_device_id *id = platform_get_device_id(pdev);
	int ret;

	/* Somebody else's device, bound to this driver by its override. */
	if (!id)
		return -ENODEV;
	ret = device_bring_up(pdev, &mockgpu_driver, id->driver_data, sources[id->driver_data],
			      (u64)vram_mb * SZ_1M);
	if (ret)
		return ret;
	published = true;
	ret = device_publish(pdev);
	if (ret)
		return ret;
	ret = dmirror_add(platform_get_drvdata(pdev));
	if (ret)
		device_tear_down(pdev);
	return ret;
}

static COMPAT_REMOVE_TYPE mockgpu_remove(struct platform_device *pdev)
{
	dmirror_remove(platform_get_drvdata(pdev));
	device_tear_down(pdev);
	return COMPAT_REMOVE_RESULT;
}

/*
 * Each device has a name of its own rather than one name and a number: libdrm
 * tells platform devices apart by their modalias, which has only the name.
 */
#define DEVICE_ID(index) { .name = MOCKGPU_DRIVER_NAME #index, .driver_data = (index) }
static const struct platform_device_id mockgpu_device_ids[DEVICES_MAX + 1] = {
	DEVICE_ID(0), DEVICE_ID(1), DEVICE_ID(2), DEVICE_ID(3),
	DEVICE_ID(4), DEVICE_ID(5), DEVICE_ID(6), DEVICE_ID(7),
	DEVICE_ID(8), DEVICE_ID(9), DEVICE_ID(10), DEVICE_ID(11),
	DEVICE_ID(12), DEVICE_ID(13), DEVICE_ID(14), DEVICE_ID(15),
	{}
};

static struct platform_driver mockgpu_platform_driver = {
	.probe = mockgpu_probe,
	.remove = mockgpu_remove,
	.id_table = mockgpu_device_ids,
	.driver = {
		.name = MOCKGPU_DRIVER_NAME,
		/* add_device() wants to know how it went. */
		.probe_type = PROBE_FORCE_SYNCHRONOUS,
	},
};

static int __init check_parameters(void)
{
	if (!devices || devices > DEVICES_MAX) {
		pr_err("mockgpu: devices=%u is not within 1 to %u\n", devices, DEVICES_MAX);
		return -EINVAL;
	}
	if (vram_mb < 2 || vram_mb > VRAM_MB_MAX || vram_mb % 2) {
		pr_err("mockgpu: vram_mb=%u is not an even number within 2 to %u\n", vram_mb,
		       VRAM_MB_MAX);
		return -EINVAL;
	}
	if (vram_count > devices) {
		pr_err("mockgpu: vram= has %u values for %u devices\n", vram_count, devices);
		return -EINVAL;
	}
	return 0;
}

/*
 * Where a device's VRAM comes from.  Memory is taken out of the machine only where that
 * was asked for, by the one parameter or the other.
 */
static int __init choose_source(const char *type, const struct vram_source **source)
{
	bool any = sysfs_streq(type, "auto");

	if (!any && !sysfs_streq(type, "private") && !sysfs_streq(type, "coherent")) {
		pr_err("mockgpu: vram=%s is not auto, private or coherent\n", type);
		return -EINVAL;
	}
#ifdef CONFIG_DEVICE_PRIVATE
	if (any || sysfs_streq(type, "private")) {
		*source = &vram_private;
		return 0;
	}
#endif
	if (sysfs_streq(type, "private")) {
		pr_err("mockgpu: vram=private needs CONFIG_DEVICE_PRIVATE, which this kernel lacks\n");
		return -EOPNOTSUPP;
	}
	if (any && sysfs_streq(coherent_source, "auto")) {
		pr_err("mockgpu: this kernel lacks CONFIG_DEVICE_PRIVATE; vram=coherent takes memory out of the machine for VRAM\n");
		return -EOPNOTSUPP;
	}
	*source = &vram_coherent;
	return 0;
}

/* Choose every device's, and have real memory for those that need it. */
static int __init open_sources(void)
{
	struct coherent_request request;
	unsigned int i, coherent = 0;
	int ret;

	ret = coherent_parse(coherent_source, &request);
	if (ret) {
		pr_err("mockgpu: coherent_source=%s is not auto, offline, or SIZE@ADDRESS in multiples of 128M\n",
		       coherent_source);
		return ret;
	}
	for (i = 0; i < devices; i++) {
		ret = choose_source(vram_count ? vram[min(i, vram_count - 1)] : "auto",
				    &sources[i]);
		if (ret)
			return ret;
		coherent += sources[i] == &vram_coherent;
	}
	return coherent_open(&request, coherent, (u64)vram_mb * SZ_1M);
}

static void remove_devices(void)
{
	unsigned int i;

	for (i = 0; i < devices; i++)
		platform_device_unregister(platform_devices[i]);
}

static int __init add_device(unsigned int index)
{
	struct platform_device *pdev;

	pdev = platform_device_register_simple(mockgpu_device_ids[index].name,
					       PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	/* A probe that fails leaves a device without a driver, and says nothing. */
	if (!pdev->dev.driver) {
		platform_device_unregister(pdev);
		return -ENODEV;
	}
	platform_devices[index] = pdev;
	return 0;
}

/* Add all devices, or those before one that cannot be made. */
static int __init add_devices(void)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < devices; i++) {
		ret = add_device(i);
		if (ret)
			break;
	}
	if (!ret || !published)
		return ret;
	pr_warn("mockgpu: device %u cannot be made (error %d): there are %u instead of %u\n", i,
		-ret, i, devices);
	devices = i;
	return 0;
}

static int __init mockgpu_init(void)
{
	int ret;

	ret = check_parameters();
	if (ret)
		return ret;
	ret = open_sources();
	if (ret)
		return ret;
	if (dmirror)
		ret = dmirror_init();
	if (ret)
		goto err_close_sources;
	ret = platform_driver_register(&mockgpu_platform_driver);
	if (ret)
		goto err_dmirror;
	ret = add_devices();
	if (ret)
		goto err_unregister;
	return 0;

err_unregister:
	platform_driver_unregister(&mockgpu_platform_driver);
err_dmirror:
	dmirror_exit();
err_close_sources:
	coherent_close();
	return ret;
}

static void __exit mockgpu_exit(void)
{
	remove_devices();
	platform_driver_unregister(&mockgpu_platform_driver);
	dmirror_exit();
	coherent_close();
}

module_init(mockgpu_init);
module_exit(mockgpu_exit);

MODULE_AUTHOR("The mockgpu developers");
MODULE_VERSION(MOCKGPU_VERSION);
MODULE_DESCRIPTION("GPU without the hardware, for testing device memory");
MODULE_LICENSE("Dual MIT/GPL");
