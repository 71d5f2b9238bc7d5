// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The door for user space: every argument of every call is checked here, and
 * only this file knows the structures that travel.  Below it there are plain
 * types.
 *
 * A call that takes an address first checks all its fields, then whose memory
 * is attached, and then does something.
 *
 * What takes VRAM, or page structures of it, does so while the device cannot be
 * taken apart (drm_dev_enter()).  That section is one for all DRM devices of the
 * machine, so nothing that user space can delay happens in it.  A device access
 * needs none: it uses pages only while they are mapped.
 *
 * User memory is read and written here and nowhere else, with no lock held: it
 * may itself lie in VRAM.
 */
#include <linux/capability.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>

#include "client.h"
#include "control.h"
#include "device.h"
#include "evict.h"
#include "exclusive.h"
#include "ioctl.h"
#include "mockgpu_drm.h"
#include "svm.h"
#include "svm_migrate.h"
#include "svm_policy.h"

/* No answer to a query is nearly as long. */
#define QUERY_SIZE_MAX	4096U

/* Bytes that the device reads or writes in one step. */
#define RW_STEP_BYTES	SZ_64K

/**
 * ioctl_check_range() - is this a range?
 * @start: first address
 * @len: bytes
 *
 * Whole pages, not none, no wrap, within what a process can map.
 *
 * Return: 0 or -EINVAL.
 */
int ioctl_check_range(u64 start, u64 len)
{
	u64 end;

	if (!len || !PAGE_ALIGNED(start) || !PAGE_ALIGNED(len))
		return -EINVAL;
	if (check_add_overflow(start, len, &end) || end > TASK_SIZE_MAX)
		return -EINVAL;
	return 0;
}

static struct svm *file_svm(struct drm_file *file)
{
	return client_svm(file->driver_priv);
}

static void query_device(struct mockgpu_device *device, struct drm_mockgpu_device_info *info)
{
	bool coherent = vram_is_coherent(&device->vram);

	info->index = device->index;
	info->vram_type = coherent ? MOCKGPU_VRAM_COHERENT : MOCKGPU_VRAM_PRIVATE;
	info->vram_bytes = device->vram.bytes;
	info->vram_block_bytes = VRAM_BLOCK_BYTES;
	info->caps = coherent ? MOCKGPU_CAP_COHERENT : MOCKGPU_CAP_PRIVATE;
	if (exclusive_is_possible())
		info->caps |= MOCKGPU_CAP_EXCLUSIVE;
	if (vram_can_huge(&device->vram))
		info->caps |= MOCKGPU_CAP_HUGE;
	info->atomic_max_bytes = SVM_ATOMIC_PAGES * PAGE_SIZE;
	info->page_bytes = MOCKGPU_PAGE_SIZE;
}

static void query_counters(struct mockgpu_device *device, struct client *client,
			   struct drm_mockgpu_counters *counters)
{
	struct vram_usage usage;

	vram_read_usage(&device->vram, &usage);
	counters->vram_used_bytes = usage.used;
	counters->vram_backing_bytes = usage.backing;
	counters->vram_mapped_bytes = usage.mapped;
	counters->client_used_bytes = client_vram_bytes(client);
	stats_read(&device->stats, counters);
}

static int query_answer(struct drm_mockgpu_query *args, const void *answer, size_t size)
{
	void __user *to = u64_to_user_ptr(args->ptr);
	size_t room = args->size, n = min(room, size);

	args->size = size;
	if (copy_to_user(to, answer, n) || clear_user(to + n, room - n))
		return -EFAULT;
	return 0;
}

/**
 * ioctl_query() - DRM_IOCTL_MOCKGPU_QUERY
 * @drm: device
 * @data: struct drm_mockgpu_query
 * @file: file
 *
 * Return: 0, -EINVAL or -EFAULT.
 */
int ioctl_query(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct mockgpu_device *device = to_mockgpu(drm);
	struct drm_mockgpu_query *args = data;
	union {
		struct drm_mockgpu_device_info info;
		struct drm_mockgpu_counters counters;
		struct drm_mockgpu_point_info points[CONTROL_COUNT];
	} answer = {};
	unsigned int i;

	if (args->flags || args->pad || args->size > QUERY_SIZE_MAX)
		return -EINVAL;
	switch (args->query) {
	case MOCKGPU_QUERY_DEVICE:
		query_device(device, &answer.info);
		return query_answer(args, &answer, sizeof(answer.info));
	case MOCKGPU_QUERY_COUNTERS:
		query_counters(device, file->driver_priv, &answer.counters);
		return query_answer(args, &answer, sizeof(answer.counters));
	case MOCKGPU_QUERY_POINTS:
		for (i = 0; i < CONTROL_COUNT; i++)
			ioctl_point_info(i, &answer.points[i]);
		return query_answer(args, &answer, sizeof(answer.points));
	default:
		return -EINVAL;
	}
}

/**
 * ioctl_attach() - DRM_IOCTL_MOCKGPU_ATTACH
 * @drm: device
 * @data: struct drm_mockgpu_attach
 * @file: file
 *
 * Return: 0, -EINVAL, or an errno of client_attach().
 */
int ioctl_attach(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_mockgpu_attach *args = data;

	if (args->flags || args->pad)
		return -EINVAL;
	return client_attach(file->driver_priv);
}

/* Hand a window's answers out: to the counts, and to the user's array if there is one. */
static int migrate_report(struct drm_mockgpu_migrate *args, u64 first, const u8 *status,
			  unsigned int npages)
{
	unsigned int i;

	/* Nearly always they are all the same. */
	if (!memchr_inv(status, *status, npages)) {
		args->count[*status] += npages;
	} else {
		for (i = 0; i < npages; i++)
			args->count[status[i]]++;
	}
	if (args->status_ptr &&
	    copy_to_user(u64_to_user_ptr(args->status_ptr + first), status, npages))
		return -EFAULT;
	return 0;
}

/* The same answer for all pages from @first to before @last. */
static int migrate_report_same(struct drm_mockgpu_migrate *args, u64 first, u64 last, u8 answer)
{
	u8 status[64];
	unsigned int n;

	args->count[answer] += last - first;
	if (!args->status_ptr)
		return 0;
	memset(status, answer, sizeof(status));
	for (; first < last; first += n) {
		n = min_t(u64, last - first, sizeof(status));
		if (copy_to_user(u64_to_user_ptr(args->status_ptr + first), status, n))
			return -EFAULT;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/* Move one window, while the device cannot leave. */
static int migrate_window(struct drm_device *drm, struct svm_migration *mig, unsigned long start,
			  unsigned int npages, u8 *status)
{
	int ret, idx;

	if (!drm_dev_enter(drm, &idx)) {
		memset(status, MOCKGPU_PAGE_NOT_TRIED, npages);
		return -ENODEV;
	}
	ret = svm_migrate_window(mig, start, npages, status);
	drm_dev_exit(idx);
	return ret;
}

static int migrate_best_effort(struct drm_device *drm, struct svm_migration *mig,
			       struct drm_mockgpu_migrate *args)
{
	u64 done = 0, npages = args->len / PAGE_SIZE, next;
	unsigned long end = args->start + args->len;
	u8 status[SVM_WINDOW_PAGES];
	unsigned int n;
	int ret = 0, err;

	while (done < npages && !ret) {
		next = svm_next_mapped(mig->svm, args->start + done * PAGE_SIZE, end);
		next = (next - args->start) / PAGE_SIZE;
		ret = migrate_report_same(args, done, next, MOCKGPU_PAGE_UNMAPPED);
		done = next;
		if (ret || done == npages)
			break;

		n = svm_window(args->start + done * PAGE_SIZE, end);
		n = svm_follow_advice(mig, args->start + done * PAGE_SIZE, n);
		ret = migrate_window(drm, mig, args->start + done * PAGE_SIZE, n, status);
		err = migrate_report(args, done, status, n);
		done += n;
		if (err)
			ret = err;
		else if (!ret && signal_pending(current) && done < npages)
			ret = -EINTR;
		cond_resched();
	}
	err = migrate_report_same(args, done, npages, MOCKGPU_PAGE_NOT_TRIED);
	if (!ret)
		ret = err;
	if (!ret && (args->count[MOCKGPU_PAGE_NO_VRAM] || args->count[MOCKGPU_PAGE_NO_RAM]))
		ret = -ENOMEM;
	return ret;
}

static int migrate_all_or_nothing(struct drm_device *drm, struct svm_migration *mig,
				  struct drm_mockgpu_migrate *args)
{
	unsigned int npages = args->len / PAGE_SIZE;
	int ret = -ENODEV, err, idx;
	u8 *status;

	if (control_no_memory())
		return -ENOMEM;
	status = kvmalloc(npages, GFP_KERNEL_ACCOUNT);
	if (!status)
		return -ENOMEM;
	memset(status, MOCKGPU_PAGE_NOT_TRIED, npages);
	svm_follow_advice(mig, args->start, npages);
	if (drm_dev_enter(drm, &idx)) {
		ret = svm_migrate_atomic(mig, args->start, npages, status);
		drm_dev_exit(idx);
	}
	err = migrate_report(args, 0, status, npages);
	kvfree(status);
	return err ? : ret;
}

static int migrate_check(const struct drm_mockgpu_migrate *args)
{
	int ret = ioctl_check_range(args->start, args->len);

	if (ret)
		return ret;
	if (args->target != MOCKGPU_TARGET_SYSTEM && args->target != MOCKGPU_TARGET_VRAM)
		return -EINVAL;
	if (args->flags & ~(MOCKGPU_MIGRATE_ALL_OR_NOTHING | MOCKGPU_MIGRATE_NO_EVICT))
		return -EINVAL;
	if ((args->flags & MOCKGPU_MIGRATE_ALL_OR_NOTHING) &&
	    args->len > SVM_ATOMIC_PAGES * PAGE_SIZE)
		return -E2BIG;
	if (args->status_ptr &&
	    !access_ok(u64_to_user_ptr(args->status_ptr), args->len / PAGE_SIZE))
		return -EFAULT;
	return 0;
}

/**
 * ioctl_migrate() - DRM_IOCTL_MOCKGPU_MIGRATE
 * @drm: device
 * @data: struct drm_mockgpu_migrate
 * @file: file
 *
 * Return: 0 or what the structure's description says.
 */
int ioctl_migrate(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_mockgpu_migrate *args = data;
	struct svm_migration *mig;
	struct svm *svm;
	int ret;

	memset(args->count, 0, sizeof(args->count));
	ret = migrate_check(args);
	if (ret)
		return ret;
	svm = file_svm(file);
	if (IS_ERR(svm))
		return PTR_ERR(svm);
	mig = svm_migration_create(svm, args->target == MOCKGPU_TARGET_VRAM,
				   MOCKGPU_CAUSE_MIGRATE);
	if (!mig)
		return -ENOMEM;

	mig->no_evict = args->flags & MOCKGPU_MIGRATE_NO_EVICT;
	if (args->flags & MOCKGPU_MIGRATE_ALL_OR_NOTHING)
		ret = migrate_all_or_nothing(drm, mig, args);
	else
		ret = migrate_best_effort(drm, mig, args);
	svm_migration_destroy(mig);
	return ret;
}

static int residency_window(struct svm *svm, struct drm_mockgpu_residency *args, u32 *res)
{
	unsigned long start = args->start + args->done, end = args->start + args->len;
	unsigned int n = svm_window(start, end);
	int ret;

	ret = svm_residency(svm, start, n, res);
	if (ret)
		return ret;
	if (copy_to_user(u64_to_user_ptr(args->pages_ptr + args->done / PAGE_SIZE * sizeof(*res)),
			 res, n * sizeof(*res)))
		return -EFAULT;
	args->done += n * PAGE_SIZE;
	return signal_pending(current) && args->done < args->len ? -EINTR : 0;
}

/**
 * ioctl_residency() - DRM_IOCTL_MOCKGPU_RESIDENCY
 * @drm: device
 * @data: struct drm_mockgpu_residency
 * @file: file
 *
 * Return: 0 or what the structure's description says.
 */
int ioctl_residency(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_mockgpu_residency *args = data;
	struct svm *svm;
	u32 *res;
	int ret;

	args->done = 0;
	ret = ioctl_check_range(args->start, args->len);
	if (ret || args->flags || args->pad)
		return -EINVAL;
	if (!access_ok(u64_to_user_ptr(args->pages_ptr), args->len / PAGE_SIZE * sizeof(*res)))
		return -EFAULT;
	svm = file_svm(file);
	if (IS_ERR(svm))
		return PTR_ERR(svm);
	if (control_no_memory())
		return -ENOMEM;
	res = kmalloc_array(SVM_WINDOW_PAGES, sizeof(*res), GFP_KERNEL_ACCOUNT);
	if (!res)
		return -ENOMEM;

	while (!ret && args->done < args->len) {
		ret = drm_dev_is_unplugged(drm) ? -ENODEV : residency_window(svm, args, res);
		cond_resched();
	}
	kfree(res);
	return ret;
}

/* One step of a device access, by way of @bounce. */
static int rw_step(struct svm *svm, struct drm_mockgpu_rw *args, void *bounce)
{
	void __user *buf = u64_to_user_ptr(args->buf_ptr + args->done);
	size_t len = min_t(u64, args->len - args->done, RW_STEP_BYTES);
	bool write = args->flags & MOCKGPU_RW_WRITE;
	struct mirror_access access = {
		.addr = args->addr + args->done,
		.buf = bounce,
		.len = len,
		.write = write,
	};
	int ret;

	if (write && copy_from_user(bounce, buf, len))
		return -EFAULT;
	ret = svm_access(svm, &access);
	len -= access.len;
	args->faults += access.faults;
	if (ret && ret != -EINTR)
		args->fault_addr = access.addr;
	if (!write && copy_to_user(buf, bounce, len)) {
		args->fault_addr = 0;
		return -EFAULT;
	}
	args->done += len;
	return ret;
}

static int rw_check(const struct drm_mockgpu_rw *args)
{
	u64 end;

	if (args->pad || (args->flags & ~MOCKGPU_RW_WRITE))
		return -EINVAL;
	if (check_add_overflow(args->addr, args->len, &end) ||
	    check_add_overflow(args->buf_ptr, args->len, &end))
		return -EINVAL;
	if (!access_ok(u64_to_user_ptr(args->buf_ptr), args->len))
		return -EFAULT;
	return 0;
}

/**
 * ioctl_rw() - DRM_IOCTL_MOCKGPU_RW
 * @drm: device
 * @data: struct drm_mockgpu_rw
 * @file: file
 *
 * Return: 0 or what the structure's description says.
 */
int ioctl_rw(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct mockgpu_device *device = to_mockgpu(drm);
	struct drm_mockgpu_rw *args = data;
	struct svm *svm;
	void *bounce;
	int ret;

	args->done = 0;
	args->fault_addr = 0;
	args->faults = 0;
	ret = rw_check(args);
	if (ret)
		return ret;
	svm = file_svm(file);
	if (IS_ERR(svm))
		return PTR_ERR(svm);
	if (control_no_memory())
		return -ENOMEM;
	bounce = kvmalloc(min_t(u64, args->len, RW_STEP_BYTES), GFP_KERNEL_ACCOUNT);
	if (!bounce)
		return -ENOMEM;

	while (!ret && args->done < args->len) {
		ret = drm_dev_is_unplugged(drm) ? -ENODEV : rw_step(svm, args, bounce);
		if (!ret && signal_pending(current) && args->done < args->len)
			ret = -EINTR;
		cond_resched();
	}
	stats_add(&device->stats, args->flags & MOCKGPU_RW_WRITE ? STAT_GPU_BYTES_WRITTEN :
								    STAT_GPU_BYTES_READ,
		  args->done);
	kvfree(bounce);
	return ret;
}

static int evict_range(struct drm_device *drm, struct svm *svm, struct drm_mockgpu_evict *args)
{
	unsigned long start = args->start, end = args->start + args->len;
	unsigned long deadline = jiffies + EVICT_TIMEOUT;
	unsigned int n;
	int ret = 0, idx;

	while (!ret) {
		start = svm_next_mapped(svm, start, end);
		if (start == end)
			break;
		if (!drm_dev_enter(drm, &idx))
			return -ENODEV;
		n = svm_window(start, end);
		ret = svm_evict(svm, start, n, deadline, &args->evicted, &args->busy);
		drm_dev_exit(idx);
		start += n * PAGE_SIZE;
		if (!ret && signal_pending(current) && start < end)
			ret = -EINTR;
		cond_resched();
	}
	return ret;
}

static int evict_check(const struct drm_mockgpu_evict *args)
{
	if (args->flags)
		return -EINVAL;
	switch (args->scope) {
	case MOCKGPU_EVICT_RANGE:
		return ioctl_check_range(args->start, args->len);
	case MOCKGPU_EVICT_ALL:
		if (args->start || args->len)
			return -EINVAL;
		return capable(CAP_SYS_ADMIN) ? 0 : -EACCES;
	default:
		return -EINVAL;
	}
}

/**
 * ioctl_evict() - DRM_IOCTL_MOCKGPU_EVICT
 * @drm: device
 * @data: struct drm_mockgpu_evict
 * @file: file
 *
 * Return: 0 or what the structure's description says.
 */
int ioctl_evict(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_mockgpu_evict *args = data;
	struct svm *svm;
	int ret;

	args->evicted = 0;
	args->busy = 0;
	ret = evict_check(args);
	if (ret)
		return ret;
	if (args->scope == MOCKGPU_EVICT_ALL)
		return evict_all(&to_mockgpu(drm)->vram, &args->evicted, &args->busy);
	svm = file_svm(file);
	return IS_ERR(svm) ? PTR_ERR(svm) : evict_range(drm, svm, args);
}
