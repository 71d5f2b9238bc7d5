// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The other door: /dev/hmm_dmirrorN, with the calls of the test driver that is in the
 * kernel's tree, so that its own tests run on this module.
 *
 * Here are the nodes, and every argument is checked; what the calls do is in
 * dmirror_cmd.c.  Opening a node attaches the memory of the process that does so; nobody
 * else can use the file.  The rest is as for the render node: a file that stays open when
 * the device leaves keeps the object, not its memory.
 *
 * Locking: &dmirror.lock for who has which minor number.
 */
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <drm/drm_drv.h>

#include "client.h"
#include "control.h"
#include "device.h"
#include "dmirror.h"
#include "dmirror_abi.h"
#include "dmirror_cmd.h"
#include "ioctl.h"
#include "vram.h"

/**
 * struct dmirror_node - a node
 * @cdev: what is behind the minor number
 * @dev: what makes the file in /dev; the object lives as long as this does
 * @device: whose it is; held
 */
struct dmirror_node {
	struct cdev cdev;
	struct device dev;
	struct mockgpu_device *device;
};

static struct {
	struct mutex lock; /* for @node */
	bool on;
	dev_t first;
	struct dmirror_node *node[DMIRROR_NODES];
} dmirror = {
	.lock = __MUTEX_INITIALIZER(dmirror.lock),
};

static int dmirror_open(struct inode *inode, struct file *filp)
{
	struct dmirror_node *node = container_of(inode->i_cdev, struct dmirror_node, cdev);
	struct dmirror_file *file;
	int ret;

	if (drm_dev_is_unplugged(&node->device->drm))
		return -ENODEV;
	if (!current->mm)
		return -EINVAL;
	if (control_no_memory())
		return -ENOMEM;
	file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);
	if (!file)
		return -ENOMEM;
	file->client = client_create(node->device);
	if (!file->client) {
		kfree(file);
		return -ENOMEM;
	}
	ret = client_attach(file->client);
	if (ret) {
		client_destroy(file->client);
		kfree(file);
		return ret;
	}
	filp->private_data = file;
	return 0;
}

static int dmirror_close(struct inode *inode, struct file *filp)
{
	struct dmirror_file *file = filp->private_data;

	client_destroy(file->client);
	kfree(file);
	return 0;
}

static int dmirror_flush(struct file *filp, fl_owner_t id)
{
	struct dmirror_file *file = filp->private_data;

	client_flush(file->client);
	return 0;
}

/*
 * Pages of system memory that are mapped as a driver maps its own: the device can look at
 * such a mapping.
 */
static int dmirror_mmap(struct file *filp, struct vm_area_struct *vma)
{
	unsigned long addr;
	struct page *page;
	int ret = 0;

	for (addr = vma->vm_start; addr < vma->vm_end && !ret; addr += PAGE_SIZE) {
		if (fatal_signal_pending(current))
			return -EINTR;
		if (control_no_memory())
			return -ENOMEM;
		page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN);
		if (!page)
			return -ENOMEM;
		ret = vm_insert_page(vma, addr, page);
		/* The mapping has a reference of its own. */
		put_page(page);
		cond_resched();
	}
	return ret;
}

static int dmirror_check(const struct dmirror_args *args)
{
	u64 len;

	if (check_mul_overflow(args->npages, (u64)PAGE_SIZE, &len))
		return -EINVAL;
	return ioctl_check_range(args->addr, len);
}

/* What is not known is ignored there, too. */
static int dmirror_set_flags(struct dmirror_file *file, u64 flags)
{
	struct svm *svm = client_svm(file->client);

	if (IS_ERR(svm))
		return PTR_ERR(svm);
	if (flags & DMIRROR_FLAG_FAIL_ALLOC)
		set_bit(0, &file->fail_alloc);
	else
		clear_bit(0, &file->fail_alloc);
	return 0;
}

static int dmirror_call(struct dmirror_file *file, unsigned int cmd, struct dmirror_args *args)
{
	switch (cmd) {
	case DMIRROR_READ:
	case DMIRROR_READ_UNLOCKED:
		/* The device's faults always wait for user space without a lock. */
		return dmirror_access(file, args, false);
	case DMIRROR_WRITE:
		return dmirror_access(file, args, true);
	case DMIRROR_TO_DEVICE:
		return dmirror_to_device(file, args);
	case DMIRROR_TO_SYSTEM:
		return dmirror_to_system(file, args);
	case DMIRROR_SNAPSHOT:
		return dmirror_snapshot(file, args);
	case DMIRROR_EXCLUSIVE:
		return dmirror_exclusive(file, args);
	case DMIRROR_CHECK_EXCLUSIVE:
		return dmirror_check_exclusive(file, args);
	case DMIRROR_RELEASE:
		return dmirror_release(file);
	case DMIRROR_FLAGS:
		return dmirror_set_flags(file, args->npages);
	default:
		return -EINVAL;
	}
}

static long dmirror_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	struct dmirror_file *file = filp->private_data;
	void __user *user = (void __user *)arg;
	struct dmirror_args args;
	int ret;

	if (drm_dev_is_unplugged(&file->client->device->drm))
		return -ENODEV;
	if (copy_from_user(&args, user, sizeof(args)))
		return -EFAULT;
	ret = dmirror_check(&args);
	if (ret)
		return ret;
	args.cpages = 0;
	args.faults = 0;
	ret = dmirror_call(file, cmd, &args);
	if (ret)
		return ret;
	return copy_to_user(user, &args, sizeof(args)) ? -EFAULT : 0;
}

static const struct file_operations dmirror_fops = {
	.owner = THIS_MODULE,
	.open = dmirror_open,
	.flush = dmirror_flush,
	.release = dmirror_close,
	.unlocked_ioctl = dmirror_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = dmirror_mmap,
	.llseek = noop_llseek,
};

static void dmirror_node_release(struct device *dev)
{
	struct dmirror_node *node = container_of(dev, struct dmirror_node, dev);

	drm_dev_put(&node->device->drm);
	kfree(node);
}

/* Make the node with a minor number, and the file in /dev. */
static int dmirror_add_node(struct mockgpu_device *device, unsigned int minor)
{
	struct dmirror_node *node;
	int ret;

	lockdep_assert_held(&dmirror.lock);

	if (control_no_memory())
		return -ENOMEM;
	node = kzalloc(sizeof(*node), GFP_KERNEL);
	if (!node)
		return -ENOMEM;
	drm_dev_get(&device->drm);
	node->device = device;
	device_initialize(&node->dev);
	node->dev.parent = device->drm.dev;
	node->dev.devt = dmirror.first + minor;
	node->dev.release = dmirror_node_release;
	cdev_init(&node->cdev, &dmirror_fops);
	node->cdev.owner = THIS_MODULE;
	ret = dev_set_name(&node->dev, DMIRROR_NODE_NAME, minor);
	if (!ret)
		ret = cdev_device_add(&node->cdev, &node->dev);
	if (ret) {
		put_device(&node->dev);
		return ret;
	}
	dmirror.node[minor] = node;
	return 0;
}

/**
 * dmirror_add() - a device can be seen: give it a node here, too
 * @device: device
 *
 * The first two of each type of VRAM have one, if dmirror_init() was called.
 *
 * Context: may sleep.
 * Return: 0, also where it gets none; or a negative errno.
 */
int dmirror_add(struct mockgpu_device *device)
{
	bool coherent = vram_is_coherent(&device->vram);
	unsigned int first = coherent ? DMIRROR_COHERENT : DMIRROR_PRIVATE, i;
	int ret = 0;

	if (!dmirror.on)
		return 0;
	dmirror_know(device->index, coherent);
	mutex_lock(&dmirror.lock);
	for (i = first; i < first + DMIRROR_OF_A_TYPE && dmirror.node[i]; i++)
		;
	if (i < first + DMIRROR_OF_A_TYPE)
		ret = dmirror_add_node(device, i);
	mutex_unlock(&dmirror.lock);
	return ret;
}

/**
 * dmirror_remove() - undo dmirror_add()
 * @device: device that is about to leave
 *
 * Context: may sleep.
 */
void dmirror_remove(struct mockgpu_device *device)
{
	struct dmirror_node *node;
	unsigned int i;

	mutex_lock(&dmirror.lock);
	for (i = 0; i < DMIRROR_NODES; i++) {
		node = dmirror.node[i];
		if (!node || node->device != device)
			continue;
		dmirror.node[i] = NULL;
		cdev_device_del(&node->cdev, &node->dev);
		put_device(&node->dev);
	}
	mutex_unlock(&dmirror.lock);
}

/**
 * dmirror_init() - have numbers for nodes
 *
 * Context: before the first device.
 * Return: 0 or a negative errno.
 */
int dmirror_init(void)
{
	int ret = alloc_chrdev_region(&dmirror.first, 0, DMIRROR_NODES, DMIRROR_REGION);

	dmirror.on = !ret;
	return ret;
}

/**
 * dmirror_exit() - undo dmirror_init(), if that was called
 *
 * Context: after the last device.
 */
void dmirror_exit(void)
{
	if (dmirror.on)
		unregister_chrdev_region(dmirror.first, DMIRROR_NODES);
	dmirror.on = false;
}
