// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Devices that are made, configured and removed at run time, through configfs.
 *
 * A directory in /sys/kernel/config/mockgpu is a device, which is off at first.  Its files say
 * what it is to be made of; power makes it so.  What is fixed while it is on cannot be
 * changed then.  The device itself may be unbound through sysfs meanwhile, and bound again:
 * it is on all the same, with its number and its memory.
 *
 * What is injected is armed by its directory, and acts where that device is hit, whichever
 * number it has: it stays while the device is off, and goes with the directory.
 *
 * Files of this kind keep the module from being unloaded, as do the directories.
 *
 * A device goes by the hand of a work, which holds the directory's object and the module: as
 * long as somebody has pages of it pinned, it cannot go, and who switched it off may have gone
 * by then.  Nobody may wait for that without end, as configfs locks the directory for who uses
 * its files, and all directories for who removes one.
 *
 * Locking: &config_device.lock, for what the files say and for whether the device is on.  It
 * is held while a device comes, and that may last: memory is taken.  Who waits for it can be
 * interrupted.  While a device goes it is not held: nobody changes anything then, or switches it
 * on.  Nothing that a device needs to come or to go, be it by the hand of who unbinds it, takes
 * this lock or any of configfs.  When a directory has gone nobody uses its files any more.
 * &config_inject_lock, for how many arms a directory has; what is armed may hold who has the
 * device's lock, so it is armed and disarmed without that.
 */
#include <linux/capability.h>
#include <linux/configfs.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kstrtox.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "config.h"
#include "control.h"
#include "mockgpu_drm.h"
#include "vram.h"
#include "vram_coherent.h"
#include "vram_link.h"

/* Where messages tell of what a file says. */
#define CONFIG_TYPE	"type "
#define CONFIG_SOURCE	"source"

/*
 * How long who switches a device off waits for it, and a directory that goes: to bring pages home
 * and to give memory back takes its time.
 */
#define CONFIG_OFF_TIMEOUT	(60 * HZ)
#define CONFIG_GO_TIMEOUT	(10 * HZ)

/**
 * struct config_device - a device that has a directory
 * @item: the directory; the object lives as long as this does
 * @lock: for all that follows
 * @vram_mb: size of its VRAM
 * @type: type of it
 * @source: where memory for coherent VRAM is to come from
 * @link_mbps: how fast its link is, or 0
 * @index: its number while it is on, else -1; what is armed refers to it
 * @pool: memory for coherent VRAM while it is on, or NULL
 * @goes: it is on, and @off has it, with @index and @pool
 * @off: takes it apart
 * @offs: how often that was done; read without @lock
 * @went: woken then
 */
struct config_device {
	struct config_item item;
	struct mutex lock; /* see above */
	unsigned int vram_mb;
	enum devices_type type;
	char *source;
	unsigned int link_mbps;
	int index;
	struct coherent_pool *pool;
	bool goes;
	struct work_struct off;
	unsigned int offs;
	wait_queue_head_t went;
};

/* How much can be injected into a device at once: what fits in a page. */
#define CONFIG_ARMS_MAX	16U

static_assert(CONFIG_ARMS_MAX * CONTROL_LINE <= PAGE_SIZE);

static DEFINE_MUTEX(config_inject_lock);
static struct config_defaults config_defaults;
static bool config_registered;
static struct workqueue_struct *config_queue;

static struct config_device *to_config_device(struct config_item *item)
{
	return container_of(item, struct config_device, item);
}

/*
 * Lock a device to change what is fixed while it is on.  Returns 0, -EBUSY (it is on), or
 * -ERESTARTSYS.
 */
static int config_begin(struct config_device *cfg)
{
	if (mutex_lock_interruptible(&cfg->lock))
		return -ERESTARTSYS;
	if (cfg->index < 0)
		return 0;
	mutex_unlock(&cfg->lock);
	return -EBUSY;
}

static ssize_t config_vram_mb_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%u\n", READ_ONCE(to_config_device(item)->vram_mb));
}

static ssize_t config_vram_mb_store(struct config_item *item, const char *page, size_t count)
{
	struct config_device *cfg = to_config_device(item);
	unsigned int vram_mb;
	int ret;

	if (kstrtouint(page, 0, &vram_mb) || !devices_vram_mb_fits(vram_mb))
		return -EINVAL;
	ret = config_begin(cfg);
	if (ret)
		return ret;
	WRITE_ONCE(cfg->vram_mb, vram_mb);
	mutex_unlock(&cfg->lock);
	return count;
}

static ssize_t config_type_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%s\n",
			  devices_type_name(READ_ONCE(to_config_device(item)->type)));
}

static ssize_t config_type_store(struct config_item *item, const char *page, size_t count)
{
	struct config_device *cfg = to_config_device(item);
	int type = devices_type(page), ret;

	if (type < 0)
		return type;
	ret = config_begin(cfg);
	if (ret)
		return ret;
	WRITE_ONCE(cfg->type, type);
	mutex_unlock(&cfg->lock);
	return count;
}

static ssize_t config_source_show(struct config_item *item, char *page)
{
	struct config_device *cfg = to_config_device(item);
	ssize_t ret;

	if (mutex_lock_interruptible(&cfg->lock))
		return -ERESTARTSYS;
	ret = sysfs_emit(page, "%s\n", cfg->source);
	mutex_unlock(&cfg->lock);
	return ret;
}

static ssize_t config_source_store(struct config_item *item, const char *page, size_t count)
{
	struct config_device *cfg = to_config_device(item);
	struct coherent_request request;
	char *source;
	int ret;

	ret = coherent_parse(CONFIG_SOURCE, page, &request);
	if (ret)
		return ret;
	source = kstrndup(page, strcspn(page, "\n"), GFP_KERNEL);
	if (!source)
		return -ENOMEM;
	ret = config_begin(cfg);
	if (!ret) {
		swap(cfg->source, source);
		mutex_unlock(&cfg->lock);
	}
	kfree(source);
	return ret ? : count;
}

static ssize_t config_link_mbps_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%u\n", READ_ONCE(to_config_device(item)->link_mbps));
}

/* It may change at any time. */
static ssize_t config_link_mbps_store(struct config_item *item, const char *page, size_t count)
{
	struct config_device *cfg = to_config_device(item);
	unsigned int mbps;

	if (kstrtouint(page, 0, &mbps) || mbps > VRAM_LINK_MAX || (mbps && mbps < VRAM_LINK_MIN))
		return -EINVAL;
	if (mutex_lock_interruptible(&cfg->lock))
		return -ERESTARTSYS;
	WRITE_ONCE(cfg->link_mbps, mbps);
	if (cfg->index >= 0)
		devices_set_link(cfg->index, mbps);
	mutex_unlock(&cfg->lock);
	return count;
}

/* What a directory has armed, or that it has nothing. */
static ssize_t config_inject_show(struct config_item *item, char *page)
{
	struct control_report report;
	struct control_spec spec;
	int len = 0;
	u64 id = 0;

	while ((id = control_look(item, id, &spec, &report)))
		len += control_print(page, len, &spec, &report);
	return len ? : sysfs_emit(page, "none\n");
}

/* Returns 0, -ENOSPC or -ENOMEM. */
static int config_arm(struct config_device *cfg, const struct control_spec *spec)
{
	struct control_report report;
	struct control_spec armed;
	unsigned int arms = 0;
	int ret = -ENOSPC;
	u64 id = 0;

	mutex_lock(&config_inject_lock);
	while ((id = control_look(&cfg->item, id, &armed, &report)))
		arms++;
	if (arms < CONFIG_ARMS_MAX)
		ret = control_arm(spec, &cfg->item, &id);
	mutex_unlock(&config_inject_lock);
	return ret;
}

/* It may change at any time.  The right is that of DRM_IOCTL_MOCKGPU_POINT_ARM. */
static ssize_t config_inject_store(struct config_item *item, const char *page, size_t count)
{
	struct config_device *cfg = to_config_device(item);
	struct control_spec spec = { .device = &cfg->index };
	char *text, *line;
	int ret = 0;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	text = kstrdup(page, GFP_KERNEL);
	if (!text)
		return -ENOMEM;
	line = strim(text);
	if (!*line || !strcmp(line, "none"))
		control_disarm(item);
	else
		ret = control_parse(line, &spec) ? : config_arm(cfg, &spec);
	kfree(text);
	return ret ? : count;
}

static ssize_t config_index_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%d\n", READ_ONCE(to_config_device(item)->index));
}

static ssize_t config_node_show(struct config_item *item, char *page)
{
	struct config_device *cfg = to_config_device(item);
	int minor = -1;

	if (mutex_lock_interruptible(&cfg->lock))
		return -ERESTARTSYS;
	if (cfg->index >= 0)
		minor = devices_minor(cfg->index);
	mutex_unlock(&cfg->lock);
	return minor < 0 ? sysfs_emit(page, "\n") :
			   sysfs_emit(page, "/dev/dri/renderD%d\n", minor);
}

/* With a number and all else that was asked for: make the device. */
static int config_make(struct config_device *cfg, unsigned int index,
		       const struct vram_supply *supply)
{
	int ret;

	devices_set_link(index, cfg->link_mbps);
	ret = devices_add(index, supply);
	if (ret)
		pr_err("mockgpu: %s cannot be made (error %d)\n", config_item_name(&cfg->item),
		       -ret);
	return ret;
}

/*
 * Switch a device on that is off.  Caller holds the lock.  Where it cannot be it stays off,
 * and a line in the log says why.
 */
static int config_power_on(struct config_device *cfg)
{
	struct vram_supply supply = { .bytes = (u64)cfg->vram_mb * SZ_1M };
	struct coherent_request request;
	int ret, index;

	lockdep_assert_held(&cfg->lock);

	ret = coherent_parse(CONFIG_SOURCE, cfg->source, &request);
	if (ret)
		return ret;
	ret = devices_source(CONFIG_TYPE, cfg->type, &request, &supply.source);
	if (ret)
		return ret;
	index = devices_reserve();
	if (index < 0) {
		pr_err("mockgpu: %s gets no number (error %d; there can be %u devices)\n",
		       config_item_name(&cfg->item), -index, DEVICES_MAX);
		return index;
	}
	ret = coherent_open(&request, supply.source == &vram_coherent, supply.bytes, &supply.pool);
	if (ret)
		goto err_release;
	ret = config_make(cfg, index, &supply);
	if (ret)
		goto err_close;
	cfg->pool = supply.pool;
	WRITE_ONCE(cfg->index, index);
	return 0;

err_close:
	coherent_close(supply.pool);
err_release:
	devices_release(index);
	return ret;
}

/* Take a device apart that goes, whatever uses it. */
static void config_off_work(struct work_struct *work)
{
	struct config_device *cfg = container_of(work, struct config_device, off);

	devices_remove(cfg->index);
	coherent_close(cfg->pool);
	mutex_lock(&cfg->lock);
	devices_release(cfg->index);
	cfg->pool = NULL;
	WRITE_ONCE(cfg->index, -1);
	cfg->goes = false;
	WRITE_ONCE(cfg->offs, cfg->offs + 1);
	mutex_unlock(&cfg->lock);
	wake_up_all(&cfg->went);
	config_item_put(&cfg->item);
	/* Who unloads the module waits for this function to end. */
	module_put(THIS_MODULE);
}

/* Have a device go that is on, if it does not do so already.  Caller holds the lock. */
static void config_go(struct config_device *cfg)
{
	lockdep_assert_held(&cfg->lock);

	if (cfg->goes)
		return;
	cfg->goes = true;
	__module_get(THIS_MODULE);
	config_item_get(&cfg->item);
	queue_work(config_queue, &cfg->off);
}

/* Whether the device was off since. */
static bool config_is_off(const struct config_device *cfg, unsigned int offs)
{
	return READ_ONCE(cfg->offs) != offs;
}

/* Switch a device off, if it is on.  It goes whether this is waited for or not. */
static int config_power_off(struct config_device *cfg)
{
	unsigned int offs;
	long left;

	if (mutex_lock_interruptible(&cfg->lock))
		return -ERESTARTSYS;
	if (cfg->index < 0) {
		mutex_unlock(&cfg->lock);
		return 0;
	}
	offs = cfg->offs;
	config_go(cfg);
	mutex_unlock(&cfg->lock);
	/* Not freezable: configfs holds locks.  Who is to be frozen calls anew afterwards. */
	left = wait_event_interruptible_timeout(cfg->went, config_is_off(cfg, offs),
						CONFIG_OFF_TIMEOUT);
	if (left > 0)
		return 0;
	return left ? : -ETIME;
}

static ssize_t config_power_show(struct config_item *item, char *page)
{
	return sysfs_emit(page, "%d\n", READ_ONCE(to_config_device(item)->index) >= 0);
}

static ssize_t config_power_store(struct config_item *item, const char *page, size_t count)
{
	struct config_device *cfg = to_config_device(item);
	unsigned int on;
	int ret = 0;

	if (kstrtouint(page, 0, &on) || on > 1)
		return -EINVAL;
	if (!on)
		return config_power_off(cfg) ? : count;
	if (mutex_lock_interruptible(&cfg->lock))
		return -ERESTARTSYS;
	if (cfg->index < 0)
		ret = config_power_on(cfg);
	else if (cfg->goes)
		ret = -EBUSY;
	mutex_unlock(&cfg->lock);
	return ret ? : count;
}

CONFIGFS_ATTR(config_, vram_mb);
CONFIGFS_ATTR(config_, type);
CONFIGFS_ATTR(config_, source);
CONFIGFS_ATTR(config_, link_mbps);
CONFIGFS_ATTR(config_, inject);
CONFIGFS_ATTR_RO(config_, index);
CONFIGFS_ATTR_RO(config_, node);
CONFIGFS_ATTR(config_, power);

static struct configfs_attribute *config_attrs[] = {
	&config_attr_vram_mb,
	&config_attr_type,
	&config_attr_source,
	&config_attr_link_mbps,
	&config_attr_inject,
	&config_attr_index,
	&config_attr_node,
	&config_attr_power,
	NULL
};

static void config_release(struct config_item *item)
{
	struct config_device *cfg = to_config_device(item);

	mutex_destroy(&cfg->lock);
	kfree(cfg->source);
	kfree(cfg);
}

static struct configfs_item_operations config_item_ops = {
	.release = config_release,
};

static const struct config_item_type config_device_type = {
	.ct_owner = THIS_MODULE,
	.ct_item_ops = &config_item_ops,
	.ct_attrs = config_attrs,
};

/* A directory is being made. */
static struct config_item *config_make_item(struct config_group *group, const char *name)
{
	struct config_device *cfg;

	if (control_no_memory())
		return ERR_PTR(-ENOMEM);
	cfg = kzalloc(sizeof(*cfg), GFP_KERNEL);
	if (!cfg)
		return ERR_PTR(-ENOMEM);
	cfg->source = kstrdup(config_defaults.source, GFP_KERNEL);
	if (!cfg->source) {
		kfree(cfg);
		return ERR_PTR(-ENOMEM);
	}
	mutex_init(&cfg->lock);
	INIT_WORK(&cfg->off, config_off_work);
	init_waitqueue_head(&cfg->went);
	cfg->vram_mb = config_defaults.vram_mb;
	cfg->type = config_defaults.type;
	cfg->index = -1;
	config_item_init_type_name(&cfg->item, name, &config_device_type);
	return &cfg->item;
}

/* A directory has gone, and its files are used by nobody any more. */
static void config_drop_item(struct config_group *group, struct config_item *item)
{
	struct config_device *cfg = to_config_device(item);
	unsigned int offs;
	bool on;

	/* First: what is held may be what the device waits for, to go. */
	control_disarm(item);
	mutex_lock(&cfg->lock);
	on = cfg->index >= 0;
	offs = cfg->offs;
	if (on)
		config_go(cfg);
	mutex_unlock(&cfg->lock);
	if (on)
		wait_event_killable_timeout(cfg->went, config_is_off(cfg, offs),
					    CONFIG_GO_TIMEOUT);
	config_item_put(item);
}

static struct configfs_group_operations config_group_ops = {
	.make_item = config_make_item,
	.drop_item = config_drop_item,
};

static const struct config_item_type config_group_type = {
	.ct_owner = THIS_MODULE,
	.ct_group_ops = &config_group_ops,
};

static struct configfs_subsystem config_subsystem = {
	.su_group = {
		.cg_item = {
			.ci_namebuf = MOCKGPU_DRIVER_NAME,
			.ci_type = &config_group_type,
		},
	},
};

/**
 * config_init() - let devices be made
 * @defaults: what a new one is to be made of
 *
 * Context: may sleep; when all that a device needs is there.
 * Return: 0 or a negative errno.
 */
int config_init(const struct config_defaults *defaults)
{
	int ret;

	/*
	 * Freezable: while a device cannot go, the machine does not sleep.  It would wait for the
	 * device's lock, and that for a page of a process that is frozen.
	 */
	config_queue = alloc_workqueue("mockgpu-config", WQ_UNBOUND | WQ_FREEZABLE, 0);
	if (!config_queue)
		return -ENOMEM;
	config_defaults = *defaults;
	config_group_init(&config_subsystem.su_group);
	mutex_init(&config_subsystem.su_mutex);
	ret = configfs_register_subsystem(&config_subsystem);
	config_registered = !ret;
	if (ret)
		destroy_workqueue(config_queue);
	return ret;
}

/**
 * config_exit() - undo config_init(), if that succeeded
 *
 * Context: may sleep; no directory is left.
 */
void config_exit(void)
{
	if (!config_registered)
		return;
	configfs_unregister_subsystem(&config_subsystem);
	destroy_workqueue(config_queue);
}
