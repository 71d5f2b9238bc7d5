// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The door for user space, continued: queues.  See ioctl.c.
 *
 * Commands are copied whole and checked before the queue sees any.
 */
#include <linux/err.h>
#include <linux/eventfd.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <drm/drm_file.h>

#include "client.h"
#include "control.h"
#include "engine_cmd.h"
#include "ioctl.h"
#include "mockgpu_drm.h"
#include "quota.h"

static struct engine *file_engine(struct drm_file *file)
{
	struct client *client = file->driver_priv;

	return &client->engine;
}

/**
 * ioctl_queue_create() - DRM_IOCTL_MOCKGPU_QUEUE_CREATE
 * @drm: device
 * @data: struct drm_mockgpu_queue
 * @file: file
 *
 * Return: 0 or what the structure's description says.
 */
int ioctl_queue_create(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_mockgpu_queue *args = data;
	struct svm *svm;

	if (args->flags || args->id)
		return -EINVAL;
	svm = client_svm(file->driver_priv);
	if (IS_ERR(svm))
		return PTR_ERR(svm);
	return engine_create_queue(file_engine(file), svm, &args->id);
}

/**
 * ioctl_queue_destroy() - DRM_IOCTL_MOCKGPU_QUEUE_DESTROY
 * @drm: device
 * @data: struct drm_mockgpu_queue
 * @file: file
 *
 * Return: 0 or what the structure's description says.
 */
int ioctl_queue_destroy(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_mockgpu_queue *args = data;

	if (args->flags)
		return -EINVAL;
	return engine_destroy_queue(file_engine(file), args->id);
}

/* Whether a range that the device is to write lies where a process can have memory. */
static bool is_user_range(u64 addr, u64 len)
{
	return addr <= TASK_SIZE_MAX && len <= TASK_SIZE_MAX - addr;
}

static int submit_check(const struct drm_mockgpu_submit *args)
{
	if (args->flags || args->eventfd < -1)
		return -EINVAL;
	if (!args->count || args->cmd_size != sizeof(struct drm_mockgpu_cmd))
		return -EINVAL;
	if (args->count > ENGINE_CMDS_MAX)
		return -E2BIG;
	if (args->fence_addr % sizeof(u64) || !is_user_range(args->fence_addr, sizeof(u64)))
		return -EINVAL;
	if (args->fence_value && !args->fence_addr)
		return -EINVAL;
	if (args->results % sizeof(u64) ||
	    !is_user_range(args->results, args->count * sizeof(struct drm_mockgpu_result)))
		return -EINVAL;
	return 0;
}

static int submit_check_commands(struct drm_mockgpu_submit *args, const struct engine_job *job)
{
	unsigned int i;
	int ret;

	for (i = 0; i < job->count; i++) {
		ret = engine_cmd_check(&job->cmds[i]);
		if (ret) {
			args->failed = i;
			return ret;
		}
	}
	return 0;
}

/* Get everything that a submission needs; on error engine_job_free() frees what there is. */
static int submit_fill(const struct engine *engine, struct drm_mockgpu_submit *args,
		       struct engine_job *job)
{
	size_t bytes = (size_t)args->count * sizeof(*job->cmds);

	if (!quota_take(engine->quota, QUOTA_COMMANDS, args->count))
		return -ENOSPC;
	job->quota = engine->quota;
	job->count = args->count;
	job->results = args->results;
	job->fence_addr = args->fence_addr;
	job->fence_value = args->fence_value;
	if (control_no_memory())
		return -ENOMEM;
	job->cmds = kvmalloc(bytes, GFP_KERNEL_ACCOUNT);
	if (!job->cmds)
		return -ENOMEM;
	if (copy_from_user(job->cmds, u64_to_user_ptr(args->cmds_ptr), bytes))
		return -EFAULT;
	if (args->eventfd >= 0) {
		struct eventfd_ctx *eventfd = eventfd_ctx_fdget(args->eventfd);

		if (IS_ERR(eventfd))
			return -EBADF;
		job->eventfd = eventfd;
	}
	return submit_check_commands(args, job);
}

/**
 * ioctl_submit() - DRM_IOCTL_MOCKGPU_SUBMIT
 * @drm: device
 * @data: struct drm_mockgpu_submit
 * @file: file
 *
 * Return: 0 or what the structure's description says.
 */
int ioctl_submit(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_mockgpu_submit *args = data;
	struct engine_job *job;
	struct svm *svm;
	int ret;

	args->failed = 0;
	args->seqno = 0;
	ret = submit_check(args);
	if (ret)
		return ret;
	svm = client_svm(file->driver_priv);
	if (IS_ERR(svm))
		return PTR_ERR(svm);
	if (control_no_memory())
		return -ENOMEM;
	job = kzalloc(sizeof(*job), GFP_KERNEL_ACCOUNT);
	if (!job)
		return -ENOMEM;
	ret = submit_fill(file_engine(file), args, job);
	if (!ret)
		ret = engine_submit(file_engine(file), args->queue, job, &args->seqno);
	if (ret)
		engine_job_free(job);
	return ret;
}

/**
 * ioctl_wait() - DRM_IOCTL_MOCKGPU_WAIT
 * @drm: device
 * @data: struct drm_mockgpu_wait
 * @file: file
 *
 * Return: 0 or what the structure's description says.
 */
int ioctl_wait(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_mockgpu_wait *args = data;
	u64 deadline = min_t(u64, args->deadline_ns, KTIME_MAX);

	args->error = 0;
	if (args->flags || args->pad)
		return -EINVAL;
	return engine_wait(file_engine(file), args->queue, args->seqno, ns_to_ktime(deadline),
			   &args->error);
}
