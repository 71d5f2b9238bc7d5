// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The door for user space, continued: advice and prefetch.  See ioctl.c.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>

#include "advice.h"
#include "client.h"
#include "device.h"
#include "ioctl.h"
#include "mockgpu_drm.h"
#include "svm.h"
#include "svm_policy.h"

static int advise_check(const struct drm_mockgpu_advise *args)
{
	int ret = ioctl_check_range(args->start, args->len);

	if (ret)
		return ret;
	if (args->flags & ~MOCKGPU_ADVISE_RESET)
		return -EINVAL;
	if (args->flags & MOCKGPU_ADVISE_RESET)
		return args->attr || args->value ? -EINVAL : 0;
	return advice_check(args->attr, args->value);
}

/**
 * ioctl_advise() - DRM_IOCTL_MOCKGPU_ADVISE
 * @drm: device
 * @data: struct drm_mockgpu_advise
 * @file: file
 *
 * Return: 0 or what the structure's description says.
 */
int ioctl_advise(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_mockgpu_advise *args = data;
	struct svm *svm;
	int ret;

	ret = advise_check(args);
	if (ret)
		return ret;
	svm = client_svm(file->driver_priv);
	if (IS_ERR(svm))
		return PTR_ERR(svm);
	if (args->flags & MOCKGPU_ADVISE_RESET)
		return svm_advise_reset(svm, args->start, args->start + args->len);
	return svm_advise(svm, args->start, args->start + args->len, args->attr, args->value);
}

/**
 * ioctl_advice() - DRM_IOCTL_MOCKGPU_ADVICE
 * @drm: device
 * @data: struct drm_mockgpu_advice
 * @file: file
 *
 * Return: 0 or what the structure's description says.
 */
int ioctl_advice(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_mockgpu_advice *args = data;
	struct advice_piece piece;
	struct svm *svm;
	unsigned int i;
	int ret;

	args->mixed = 0;
	memset(args->value, 0, sizeof(args->value));
	ret = ioctl_check_range(args->start, args->len);
	if (ret || args->flags || args->pad)
		return -EINVAL;
	svm = client_svm(file->driver_priv);
	if (IS_ERR(svm))
		return PTR_ERR(svm);
	args->mixed = svm_advice_mixed(&svm->advice, args->start, args->start + args->len, &piece);
	for (i = 0; i < ADVICE_COUNT; i++)
		args->value[i] = piece.advice.value[i];
	return 0;
}

/*
 * The file of another device, and the memory that is shared with it.  The device may
 * leave at any time from now on: it is vram_close() that keeps pages from going there.
 */
static struct svm *prefetch_target(struct drm_device *drm, u32 place, struct file *filp)
{
	struct drm_file *file = filp->private_data;
	struct client *client;

	/* Every device of this driver has the same operations. */
	if (filp->f_op != drm->driver->fops)
		return ERR_PTR(-EBADF);
	client = file->driver_priv;
	if (place != MOCKGPU_PLACE_DEVICE(client->device->index))
		return ERR_PTR(-EINVAL);
	if (drm_dev_is_unplugged(&client->device->drm))
		return ERR_PTR(-ENODEV);
	return client_svm(client);
}

/* Prefetch a window.  Its pages count once it is done. */
static int prefetch_window(const struct svm_prefetch *prefetch, unsigned long start,
			   unsigned int npages, struct drm_mockgpu_prefetch *args, bool *no_room)
{
	struct svm_prefetch window = *prefetch;
	int ret;

	ret = svm_prefetch(&window, start, npages);
	*no_room |= window.no_room;
	if (ret)
		return ret;
	args->done += npages * PAGE_SIZE;
	args->moved += window.moved;
	args->stayed += window.stayed;
	args->mapped += window.mapped;
	return 0;
}

/* Whether the device is gone that prefetches, or the other one that it is for, if it is. */
static bool prefetch_gone(struct drm_device *drm, struct file *filp)
{
	struct drm_file *file = filp ? filp->private_data : NULL;

	return drm_dev_is_unplugged(drm) || (file && drm_dev_is_unplugged(file->minor->dev));
}

static int prefetch_range(struct drm_device *drm, const struct svm_prefetch *prefetch,
			  struct file *filp, struct drm_mockgpu_prefetch *args)
{
	unsigned long start, end = args->start + args->len;
	bool no_room = false;
	unsigned int n;
	int ret = 0;

	while (!ret) {
		start = svm_next_mapped(prefetch->svm, args->start + args->done, end);
		args->done = start - args->start;
		if (start == end)
			break;
		if (prefetch_gone(drm, filp))
			return -ENODEV;
		n = svm_window(start, end);
		ret = prefetch_window(prefetch, start, n, args, &no_room);
		if (!ret && signal_pending(current) && args->done < args->len)
			ret = -EINTR;
		cond_resched();
	}
	/* A device that has gone has no room. */
	if (!ret && no_room)
		ret = prefetch_gone(drm, filp) ? -ENODEV : -ENOMEM;
	return ret;
}

/* What the place and the file that comes with it mean: whether there has to be one. */
static int prefetch_check(struct drm_device *drm, const struct drm_mockgpu_prefetch *args)
{
	bool other = args->place >= MOCKGPU_PLACE_DEVICE(0) &&
		     args->place != MOCKGPU_PLACE_DEVICE(to_mockgpu(drm)->index);
	int ret = ioctl_check_range(args->start, args->len);

	if (ret || args->pad || (args->flags & ~MOCKGPU_PREFETCH_WRITE))
		return -EINVAL;
	ret = advice_check(MOCKGPU_ADVICE_PLACE, args->place);
	if (ret)
		return ret;
	if (!other && args->fd != -1)
		return -EINVAL;
	return other && args->fd < 0 ? -EBADF : 0;
}

/**
 * ioctl_prefetch() - DRM_IOCTL_MOCKGPU_PREFETCH
 * @drm: device
 * @data: struct drm_mockgpu_prefetch
 * @file: file
 *
 * Return: 0 or what the structure's description says.
 */
int ioctl_prefetch(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_mockgpu_prefetch *args = data;
	struct svm_prefetch prefetch = {
		.place = args->place,
		.write = args->flags & MOCKGPU_PREFETCH_WRITE,
	};
	struct file *filp = NULL;
	int ret;

	args->done = 0;
	args->moved = 0;
	args->stayed = 0;
	args->mapped = 0;
	ret = prefetch_check(drm, args);
	if (ret)
		return ret;
	prefetch.svm = client_svm(file->driver_priv);
	if (IS_ERR(prefetch.svm))
		return PTR_ERR(prefetch.svm);
	if (args->fd >= 0) {
		filp = fget(args->fd);
		if (!filp)
			return -EBADF;
		prefetch.target = prefetch_target(drm, args->place, filp);
		if (IS_ERR(prefetch.target)) {
			ret = PTR_ERR(prefetch.target);
			goto out;
		}
	}
	ret = prefetch_range(drm, &prefetch, filp, args);
out:
	if (filp)
		fput(filp);
	return ret;
}
