// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * mockgpu: a GPU without the hardware.
 *
 * Parameters, the table of calls, and the way into and out of the kernel.
 */
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/uaccess.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_ioctl.h>
#include <drm/drm_print.h>

#include "client.h"
#include "compat/compat_drm.h"
#include "config.h"
#include "device.h"
#include "devices.h"
#include "dmirror.h"
#include "ioctl.h"
#include "mockgpu_drm.h"
#include "power.h"
#include "quota.h"
#include "vram.h"
#include "vram_coherent.h"

/*
 * Version history of the interface:
 *
 * 1.0: query, attach, migrate, residency, device access, evict
 * 1.1: queues and their commands, atomic operations
 * 1.2: advice, prefetch, huge pages
 * 1.3: control points
 * 1.4: event log
 * 1.5: eviction to make room, control points of one device
 */
#define DRIVER_MAJOR	1
#define DRIVER_MINOR	5

static unsigned int devices = 1;
module_param(devices, uint, 0444);
MODULE_PARM_DESC(devices,
		 "number of devices, 0 to 16; more can be made through configfs (default 1)");

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

module_param_named(user_vram_percent, quota_vram_percent, uint, 0444);
MODULE_PARM_DESC(user_vram_percent,
		 "how much of each device's VRAM one user may have, per cent, 1 to 100 (default 100)");

static bool dmirror;
module_param(dmirror, bool, 0444);
MODULE_PARM_DESC(dmirror,
		 "offer /dev/hmm_dmirror0 and 1 for the first two devices with private VRAM, 2 and 3 for those with coherent VRAM (default N)");

static_assert(DEVICES_MAX <= QUOTA_DEVICES);

/* Memory that those devices share which have coherent VRAM. */
static struct coherent_pool *pool;

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

/* The kernel's drm-usage-stats has the rules for this. */
static void mockgpu_show_fdinfo(struct seq_file *m, struct file *filp)
{
	struct drm_printer p = drm_seq_file_printer(m);
	struct drm_file *file = filp->private_data;
	struct drm_memory_stats stats = {};
	size_t before = m->count;
	int gate;

	/* DRM says nothing of a client whose device has gone: nor do we, of half a client. */
	if (!drm_dev_enter(file->minor->dev, &gate))
		return;
	drm_show_fdinfo(m, filp);
	if (m->count == before)
		goto out;
	drm_printf(&p, "drm-engine-compute:\t%llu ns\n", client_busy_ns(file->driver_priv));
	drm_printf(&p, "drm-engine-capacity-compute:\t%u\n", ENGINE_QUEUES_MAX);
	/* All that a client has in VRAM is resident there, and nobody else's. */
	stats.private = client_vram_bytes(file->driver_priv);
	stats.resident = stats.private;
	drm_print_memory_stats(&p, &stats, DRM_GEM_OBJECT_RESIDENT, "vram");
out:
	drm_dev_exit(gate);
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

static int mockgpu_bind(struct platform_device *pdev, unsigned int index,
			const struct vram_supply *supply)
{
	int ret;

	ret = device_bring_up(pdev, &mockgpu_driver, index, supply);
	if (ret)
		return ret;
	published = true;
	ret = device_publish(pdev);
	if (ret)
		return ret;
	ret = dmirror_add(platform_get_drvdata(pdev));
	if (ret) {
		devices_leaves(index);
		device_tear_down(pdev);
	}
	return ret;
}

static int mockgpu_probe(struct platform_device *pdev)
{
	const struct vram_supply *supply;
	struct mockgpu_device *device;
	int ret, index;

	index = devices_find(pdev, &supply);
	if (index < 0)
		return index;
	ret = mockgpu_bind(pdev, index, supply);
	device = platform_get_drvdata(pdev);
	devices_came(index, ret ? -1 : device->drm.render->index, ret);
	return ret;
}

static COMPAT_REMOVE_TYPE mockgpu_remove(struct platform_device *pdev)
{
	struct mockgpu_device *device = platform_get_drvdata(pdev);

	devices_leaves(device->index);
	dmirror_remove(device);
	device_tear_down(pdev);
	return COMPAT_REMOVE_RESULT;
}

static struct platform_driver mockgpu_platform_driver = {
	.probe = mockgpu_probe,
	.remove = mockgpu_remove,
	.id_table = devices_ids,
	.driver = {
		.name = MOCKGPU_DRIVER_NAME,
		.pm = pm_sleep_ptr(&power_ops),
		/* devices_add() wants to know how it went. */
		.probe_type = PROBE_FORCE_SYNCHRONOUS,
	},
};

static int __init check_parameters(void)
{
	if (devices > DEVICES_MAX) {
		pr_err("mockgpu: devices=%u is not within 0 to %u\n", devices, DEVICES_MAX);
		return -EINVAL;
	}
	if (!devices_vram_mb_fits(vram_mb)) {
		pr_err("mockgpu: vram_mb=%u is not an even number within %u to %u\n", vram_mb,
		       DEVICES_VRAM_MB_MIN, DEVICES_VRAM_MB_MAX);
		return -EINVAL;
	}
	if (!quota_vram_percent || quota_vram_percent > 100) {
		pr_err("mockgpu: user_vram_percent=%u is not within 1 to 100\n",
		       quota_vram_percent);
		return -EINVAL;
	}
	if (vram_count > max(devices, 1U)) {
		pr_err("mockgpu: vram= has %u values for %u devices\n", vram_count, devices);
		return -EINVAL;
	}
	return 0;
}

/* The type of a device's VRAM; or -EINVAL, and the log says so. */
static int __init type_of(unsigned int index)
{
	const char *text = vram_count ? vram[min(index, vram_count - 1)] : "auto";
	int type = devices_type(text);

	if (type < 0)
		pr_err("mockgpu: vram=%s is not auto, private or coherent\n", text);
	return type;
}

/*
 * Choose where every device's VRAM comes from, and have real memory for those that need it.
 * @last is for devices to come: the type of the last, or what it would be.
 */
static int __init open_sources(const struct vram_source **sources, int *last)
{
	struct coherent_request request;
	unsigned int i, coherent = 0;
	int ret;

	ret = coherent_parse("coherent_source=", coherent_source, &request);
	if (ret) {
		pr_err("mockgpu: coherent_source=%s is not auto, offline, or SIZE@ADDRESS in multiples of 128M\n",
		       coherent_source);
		return ret;
	}
	for (i = 0; i < max(devices, 1U); i++) {
		*last = type_of(i);
		if (*last < 0)
			return *last;
		if (i == devices)
			break;
		ret = devices_source("vram=", *last, &request, &sources[i]);
		if (ret)
			return ret;
		coherent += sources[i] == &vram_coherent;
	}
	return coherent_open(&request, coherent, (u64)vram_mb * SZ_1M, &pool);
}

static int __init add_device(const struct vram_source *source)
{
	const struct vram_supply supply = {
		.source = source,
		.pool = source == &vram_coherent ? pool : NULL,
		.bytes = (u64)vram_mb * SZ_1M,
	};
	int index, ret;

	/* One after the other from 0 on, as nobody else makes any yet. */
	index = devices_reserve();
	if (index < 0)
		return index;
	ret = devices_add(index, &supply);
	if (ret)
		devices_release(index);
	return ret;
}

/* Add all devices, or those before one that cannot be made. */
static int __init add_devices(const struct vram_source **sources)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < devices; i++) {
		ret = add_device(sources[i]);
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

/* Let devices be made through configfs. */
static int __init offer_config(int type)
{
	const struct config_defaults defaults = {
		.vram_mb = vram_mb,
		.type = type,
		.source = coherent_source,
	};
	int ret = config_init(&defaults);

	if (!ret || !published)
		return ret;
	pr_warn("mockgpu: no device can be made through configfs (error %d)\n", -ret);
	return 0;
}

static int __init mockgpu_init(void)
{
	const struct vram_source *sources[DEVICES_MAX] = {};
	int ret, type;

	ret = check_parameters();
	if (ret)
		return ret;
	ret = power_init();
	if (ret)
		return ret;
	ret = open_sources(sources, &type);
	if (ret)
		goto err_power;
	if (dmirror)
		ret = dmirror_init();
	if (ret)
		goto err_close_sources;
	ret = platform_driver_register(&mockgpu_platform_driver);
	if (ret)
		goto err_dmirror;
	ret = add_devices(sources);
	if (ret)
		goto err_unregister;
	ret = offer_config(type);
	if (ret)
		goto err_unregister;
	return 0;

err_unregister:
	platform_driver_unregister(&mockgpu_platform_driver);
err_dmirror:
	dmirror_exit();
err_close_sources:
	coherent_close(pool);
err_power:
	power_exit();
	return ret;
}

static void __exit mockgpu_exit(void)
{
	unsigned int i;

	config_exit();
	for (i = 0; i < devices; i++) {
		devices_remove(i);
		devices_release(i);
	}
	platform_driver_unregister(&mockgpu_platform_driver);
	dmirror_exit();
	coherent_close(pool);
	power_exit();
}

module_init(mockgpu_init);
module_exit(mockgpu_exit);

MODULE_AUTHOR("The mockgpu developers");
MODULE_VERSION(MOCKGPU_VERSION);
MODULE_DESCRIPTION("GPU without the hardware, for testing device memory");
MODULE_LICENSE("Dual MIT/GPL");
