// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The door for user space, continued: event logs.  See ioctl.c.
 *
 * A log is a file of its own, with nothing of the file that it was opened on.
 *
 * Locking: &log_file.lock for one reader at a time; not held while there is nothing to
 * read.
 */
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/freezer.h>
#include <linux/fs.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>

#include "client.h"
#include "control.h"
#include "device.h"
#include "event.h"
#include "event_ring.h"
#include "ioctl.h"
#include "mockgpu_drm.h"
#include "svm.h"

#define LOG_ENTRIES_DEFAULT	65536U
#define LOG_BATCH		64U

/**
 * struct log_file - an open log
 * @log: the log
 * @lock: one reader at a time; protects all below
 * @batch: events on their way to the reader
 */
struct log_file {
	struct event_log *log;
	struct mutex lock; /* for what follows */
	struct drm_mockgpu_event batch[LOG_BATCH];
};

/*
 * What there is, up to @room events.  They are in the log until the reader has them.
 * Returns bytes, or -EFAULT if there were none before.
 */
static ssize_t log_read_some(struct log_file *log, char __user *to, size_t room)
{
	struct event_ring copy;
	size_t n, done = 0;

	do {
		event_log_look(log->log, &copy);
		for (n = 0; n < min_t(size_t, room - done, LOG_BATCH); n++) {
			if (!event_ring_pop(&copy, &log->batch[n]))
				break;
		}
		if (copy_to_user(to + done * sizeof(*log->batch), log->batch,
				 n * sizeof(*log->batch)))
			return done ? done * sizeof(*log->batch) : -EFAULT;
		event_log_took(log->log, &copy);
		done += n;
		cond_resched();
		/* Up to where nothing is left: what comes then wakes who waits. */
	} while (n && done < room && !signal_pending(current));
	return done * sizeof(*log->batch);
}

static ssize_t log_read(struct file *file, char __user *to, size_t len, loff_t *pos)
{
	struct log_file *log = file->private_data;
	bool ended;
	ssize_t ret;

	if (len < sizeof(*log->batch))
		return -EINVAL;
	for (;;) {
		/* Before the look: what was told before the end is read. */
		ended = event_log_ended(log->log);
		if (mutex_lock_interruptible(&log->lock))
			return -ERESTARTSYS;
		ret = log_read_some(log, to, len / sizeof(*log->batch));
		mutex_unlock(&log->lock);
		if (ret || ended)
			return ret;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_freezable(*event_log_queue(log->log),
					 event_log_has_news(log->log) || event_log_ended(log->log)))
			return -ERESTARTSYS;
	}
}

static __poll_t log_poll(struct file *file, poll_table *wait)
{
	struct log_file *log = file->private_data;
	__poll_t mask = 0;

	poll_wait(file, event_log_queue(log->log), wait);
	if (event_log_ended(log->log))
		mask |= EPOLLHUP | EPOLLIN | EPOLLRDNORM;
	if (event_log_has_news(log->log))
		mask |= EPOLLIN | EPOLLRDNORM;
	return mask;
}

static void log_free(struct log_file *log)
{
	event_log_close(log->log);
	mutex_destroy(&log->lock);
	kfree(log);
}

static int log_release(struct inode *inode, struct file *file)
{
	log_free(file->private_data);
	return 0;
}

static const struct file_operations log_fops = {
	.owner = THIS_MODULE,
	.read = log_read,
	.poll = log_poll,
	.release = log_release,
	.llseek = noop_llseek,
};

static int log_check(const struct drm_mockgpu_log_open *args)
{
	if (args->flags & ~(MOCKGPU_LOG_DESCENDANTS | MOCKGPU_LOG_ALL))
		return -EINVAL;
	if (args->flags == (MOCKGPU_LOG_DESCENDANTS | MOCKGPU_LOG_ALL))
		return -EINVAL;
	if (args->entries > MOCKGPU_LOG_ENTRIES_MAX ||
	    (args->entries && !is_power_of_2(args->entries)))
		return -EINVAL;
	if (args->kinds >> (MOCKGPU_EVENT_POINT + 1))
		return -EINVAL;
	return args->event_size == sizeof(struct drm_mockgpu_event) ? 0 : -EINVAL;
}

static struct log_file *log_create(const struct event_log_spec *spec)
{
	struct log_file *log;
	int ret;

	if (control_no_memory())
		return ERR_PTR(-ENOMEM);
	log = kzalloc(sizeof(*log), GFP_KERNEL_ACCOUNT);
	if (!log)
		return ERR_PTR(-ENOMEM);
	log->log = event_log_open(spec);
	if (IS_ERR(log->log)) {
		ret = PTR_ERR(log->log);
		kfree(log);
		return ERR_PTR(ret);
	}
	mutex_init(&log->lock);
	return log;
}

/**
 * ioctl_log_open() - DRM_IOCTL_MOCKGPU_LOG_OPEN
 * @drm: device
 * @data: struct drm_mockgpu_log_open
 * @drm_file: file
 *
 * Return: 0 or what the structure's description says.
 */
int ioctl_log_open(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct drm_mockgpu_log_open *args = data;
	struct client *client = drm_file->driver_priv;
	struct event_log_spec spec = {
		.flags = args->flags,
		.entries = args->entries ? : LOG_ENTRIES_DEFAULT,
		.kinds = args->kinds ? : U64_MAX,
		.device = to_mockgpu(drm)->index,
		.quota = client->quota,
	};
	struct log_file *log;
	int ret, idx;

	args->fd = -1;
	ret = log_check(args);
	if (ret)
		return ret;
	spec.admin = ioctl_is_admin(drm_file);
	if (args->flags & MOCKGPU_LOG_ALL && !spec.admin)
		return -EACCES;
	if (!args->flags) {
		struct svm *svm = client_svm(client);

		if (IS_ERR(svm))
			return PTR_ERR(svm);
		spec.mm = svm_mm(svm);
	}

	/* The end of the device finds every log that there is. */
	if (!drm_dev_enter(drm, &idx))
		return -ENODEV;
	log = log_create(&spec);
	drm_dev_exit(idx);
	if (IS_ERR(log))
		return PTR_ERR(log);
	ret = anon_inode_getfd("[mockgpu-log]", &log_fops, log, O_RDONLY | O_CLOEXEC);
	if (ret < 0) {
		log_free(log);
		return ret;
	}
	args->fd = ret;
	return 0;
}
