// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The door for user space, continued: control points.  See ioctl.c.
 *
 * Who arms a point can hold threads of any process: that takes CAP_SYS_ADMIN, or a
 * file that was opened with it.
 */
#include <linux/capability.h>
#include <linux/err.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/string.h>

#include <drm/drm_file.h>

#include "client.h"
#include "control.h"
#include "device.h"
#include "ioctl.h"
#include "mockgpu_drm.h"

/**
 * ioctl_is_admin() - may the caller do what concerns processes of others?
 * @file: file
 *
 * Return: whether it has CAP_SYS_ADMIN, or who opened the file had.
 */
bool ioctl_is_admin(const struct drm_file *file)
{
	return capable(CAP_SYS_ADMIN) ||
	       file_ns_capable(file->filp, &init_user_ns, CAP_SYS_ADMIN);
}

/**
 * ioctl_point_info() - element of the answer to MOCKGPU_QUERY_POINTS
 * @point: number of the point, less than CONTROL_COUNT
 * @out: answer
 */
void ioctl_point_info(unsigned int point, struct drm_mockgpu_point_info *out)
{
	const struct control_info *info = control_info(point);

	memset(out, 0, sizeof(*out));
	strscpy(out->name, info->name, sizeof(out->name));
	out->flags = info->flags;
}

static int point_check(const struct drm_mockgpu_point_arm *args, const struct control_spec *spec)
{
	const struct control_info *info;
	u64 end;

	if ((args->flags & ~MOCKGPU_POINT_THIS_DEVICE) || args->id || !control_can(spec))
		return -EINVAL;
	info = control_info(args->point);
	if (args->pid < 0 || (args->pid && !(info->flags & MOCKGPU_POINT_HAS_MM)))
		return -EINVAL;
	if (args->len ? !(info->flags & MOCKGPU_POINT_HAS_ADDR) : args->start)
		return -EINVAL;
	if (check_add_overflow(args->start, args->len, &end))
		return -EINVAL;
	return args->chance > CONTROL_CHANCE_MAX || (args->seed && !args->chance) ? -EINVAL : 0;
}

static struct mm_struct *point_mm(pid_t nr)
{
	struct task_struct *task;
	struct mm_struct *mm = NULL;
	struct pid *pid;

	pid = find_get_pid(nr);
	task = get_pid_task(pid, PIDTYPE_PID);
	put_pid(pid);
	if (task) {
		mm = get_task_mm(task);
		put_task_struct(task);
	}
	return mm ? : ERR_PTR(-ESRCH);
}

/**
 * ioctl_point_arm() - DRM_IOCTL_MOCKGPU_POINT_ARM
 * @drm: device
 * @data: struct drm_mockgpu_point_arm
 * @file: file
 *
 * Return: 0 or what the structure's description says.
 */
int ioctl_point_arm(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_mockgpu_point_arm *args = data;
	struct client *client = file->driver_priv;
	struct control_spec spec = {
		.point = args->point,
		.action = args->action,
		.error = args->error,
		.start = args->start,
		.last = args->len ? args->start + args->len - 1 : ULONG_MAX,
		.first = args->first ? : 1,
		.count = args->count,
		.chance = args->chance == CONTROL_CHANCE_MAX ? 0 : args->chance,
		.seed = args->seed,
		.time = ns_to_ktime(args->time_ns),
	};
	int ret;

	if (args->flags & MOCKGPU_POINT_THIS_DEVICE)
		spec.device = &client->device->vram.present;
	ret = point_check(args, &spec);
	if (ret)
		return ret;
	if (!ioctl_is_admin(file))
		return -EACCES;
	if (args->pid) {
		spec.mm = point_mm(args->pid);
		if (IS_ERR(spec.mm))
			return PTR_ERR(spec.mm);
	}
	ret = client_arm(client, &spec, &args->id);
	if (spec.mm)
		mmput(spec.mm);
	return ret;
}

/**
 * ioctl_point_wait() - DRM_IOCTL_MOCKGPU_POINT_WAIT
 * @drm: device
 * @data: struct drm_mockgpu_point_wait
 * @file: file
 *
 * Return: 0 or what the structure's description says.
 */
int ioctl_point_wait(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_mockgpu_point_wait *args = data;
	struct client *client = file->driver_priv;
	struct control_report report = {};
	int ret;

	ret = control_wait(client, args->id, args->hits,
			   ns_to_ktime(min_t(u64, args->deadline_ns, KTIME_MAX)), &report);
	ret = client_errno(client, ret);
	/* Who makes the call anew waits for as many as before. */
	if (ret != -EINTR)
		args->hits = report.hits;
	args->acted = report.acted;
	args->held = report.held;
	args->tid = report.tid;
	args->addr = report.addr;
	memcpy(args->comm, report.comm, sizeof(args->comm));
	return ret;
}

/**
 * ioctl_point_release() - DRM_IOCTL_MOCKGPU_POINT_RELEASE
 * @drm: device
 * @data: struct drm_mockgpu_point_release
 * @file: file
 *
 * Return: 0 or what the structure's description says.
 */
int ioctl_point_release(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_mockgpu_point_release *args = data;
	struct client *client = file->driver_priv;
	int ret;

	if (args->pad || (args->flags & ~MOCKGPU_POINT_STAY_ARMED))
		return -EINVAL;
	ret = control_release(client, args->id, args->flags & MOCKGPU_POINT_STAY_ARMED);
	return client_errno(client, ret);
}
