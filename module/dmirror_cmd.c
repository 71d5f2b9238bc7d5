// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The calls of /dev/hmm_dmirrorN: what each of them does with the rooms below.  Those that
 * only look are in dmirror_look.c.
 *
 * Pages that are in use for a moment are tried again.  The test driver in the kernel's
 * tree passes such a page over now and then, which its callers take for an error.
 *
 * A process has its own pages emptied out of the device by a release, and those of nobody
 * else; and a CPU fault, which meets no open file, is not made to fail by a flag of one.
 *
 * User memory that may fault is read and written with no lock held: it may itself lie in VRAM.
 *
 * Locking: none of its own; see ioctl.c for drm_dev_enter().
 */
#include <linux/err.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <drm/drm_drv.h>

#include "client.h"
#include "control.h"
#include "device.h"
#include "dmirror_abi.h"
#include "dmirror_cmd.h"
#include "engine_cmd.h"
#include "evict.h"
#include "mockgpu_drm.h"
#include "stats.h"
#include "svm.h"
#include "svm_migrate.h"

/* Bytes that the device reads or writes in one step. */
#define DMIRROR_STEP_BYTES	((size_t)SZ_256K)

/* How long making pages exclusive is waited for at once. */
#define DMIRROR_WAIT		ms_to_ktime(1000)

/**
 * struct dmirror_range - the range of a call
 * @svm: memory that it is in: the caller's
 * @device: the device
 * @start: first address
 * @end: end of it
 */
struct dmirror_range {
	struct svm *svm;
	struct mockgpu_device *device;
	unsigned long start;
	unsigned long end;
};

static int dmirror_range(struct dmirror_file *file, const struct dmirror_args *args,
			 struct dmirror_range *range)
{
	range->svm = client_svm(file->client);
	range->device = file->client->device;
	range->start = args->addr;
	range->end = args->addr + args->npages * PAGE_SIZE;
	return PTR_ERR_OR_ZERO(range->svm);
}

/* Room for the data of pages, of which a program may have named any number. */
static void *dmirror_alloc(u64 bytes)
{
	if (bytes > INT_MAX || control_no_memory())
		return NULL;
	return kvmalloc(bytes, GFP_KERNEL_ACCOUNT | __GFP_NOWARN | __GFP_RETRY_MAYFAIL);
}

/* Have the device do as much of an access as it can. */
static int dmirror_do(const struct dmirror_range *range, struct mirror_access *access)
{
	size_t len = access->len;
	int ret;

	if (drm_dev_is_unplugged(&range->device->drm))
		return -ENODEV;
	ret = svm_access(range->svm, access);
	stats_add(&range->device->stats,
		  access->write ? STAT_GPU_BYTES_WRITTEN : STAT_GPU_BYTES_READ, len - access->len);
	return ret;
}

/* Have the device read or write part of a range.  Says in @faulted whether it faulted. */
static int dmirror_step(const struct dmirror_range *range, unsigned long addr, void *buf,
			size_t len, bool write, bool *faulted)
{
	struct mirror_access access = { .addr = addr, .buf = buf, .len = len, .write = write };
	int ret = dmirror_do(range, &access);

	*faulted |= access.faults;
	return ret;
}

static int dmirror_access_all(const struct dmirror_range *range, void *buf, bool write,
			      bool *faulted)
{
	unsigned long addr = range->start;
	size_t len;
	int ret = 0;

	for (; addr < range->end && !ret; addr += len) {
		len = min(range->end - addr, DMIRROR_STEP_BYTES);
		ret = dmirror_step(range, addr, buf + (addr - range->start), len, write, faulted);
		if (!ret && addr + len < range->end)
			ret = dmirror_pause();
	}
	return ret;
}

/**
 * dmirror_access() - DMIRROR_READ, DMIRROR_WRITE
 * @file: file
 * @args: arguments
 * @write: which of them
 *
 * Nothing goes to the caller unless all could be read, and nothing is written unless all
 * came from there.  All that is missing behind the first page that is missing is one fault.
 *
 * Context: may sleep.
 * Return: 0, -EPERM (not writable, or not the caller's memory), -ENOMEM, -ENODEV, or an
 * errno of svm_access().
 */
int dmirror_access(struct dmirror_file *file, struct dmirror_args *args, bool write)
{
	void __user *user = u64_to_user_ptr(args->ptr);
	struct dmirror_range range;
	bool faulted = false;
	size_t bytes;
	void *buf;
	int ret;

	ret = dmirror_range(file, args, &range);
	if (ret)
		return ret;
	bytes = range.end - range.start;
	buf = dmirror_alloc(bytes);
	if (!buf)
		return -ENOMEM;
	if (write && copy_from_user(buf, user, bytes))
		ret = -EFAULT;
	if (!ret)
		ret = dmirror_access_all(&range, buf, write, &faulted);
	if (!ret && !write && copy_to_user(user, buf, bytes))
		ret = -EFAULT;
	kvfree(buf);
	args->cpages = args->npages;
	args->faults = faulted;
	return ret;
}

/* Hand out a page of which part is not there in the caller's memory. */
static int dmirror_show_page(const struct dmirror_range *range, unsigned long addr,
			     void __user *user)
{
	bool faulted = false;
	void *buf;
	int ret;

	buf = dmirror_alloc(PAGE_SIZE);
	if (!buf)
		return -ENOMEM;
	ret = dmirror_step(range, addr, buf, PAGE_SIZE, false, &faulted);
	if (!ret && copy_to_user(user, buf, PAGE_SIZE))
		ret = -EFAULT;
	kvfree(buf);
	return ret;
}

/*
 * Hand the data of a range to the caller as the device has it, so that it can be checked: at
 * once where the caller's memory is there, else by way of ours.
 */
static int dmirror_show(const struct dmirror_range *range, struct dmirror_args *args)
{
	struct mirror_access access = {
		.addr = range->start,
		.user = u64_to_user_ptr(args->ptr),
		.to_user = true,
	};
	int ret = 0;

	while (access.addr < range->end && !ret) {
		access.len = min(range->end - access.addr, DMIRROR_STEP_BYTES);
		ret = dmirror_do(range, &access);
		if (ret == -EAGAIN) {
			ret = dmirror_show_page(range, access.addr, access.user);
			access.addr += PAGE_SIZE;
			access.user += PAGE_SIZE;
		}
		if (!ret && access.addr < range->end)
			ret = dmirror_pause();
	}
	args->cpages = args->npages;
	return ret;
}

/* Move part of a window, while the device cannot leave. */
static int dmirror_move(const struct dmirror_range *range, struct svm_migration *mig,
			unsigned long start, unsigned int npages, u8 *status)
{
	int ret = -ENODEV, idx;

	if (drm_dev_enter(&range->device->drm, &idx)) {
		ret = svm_migrate_window(mig, start, npages, status);
		drm_dev_exit(idx);
	}
	return ret;
}

/* Move a window to the device's VRAM, and count the pages that are elsewhere all the same. */
static int dmirror_move_there(const struct dmirror_range *range, struct svm_migration *mig,
			      unsigned long start, unsigned int npages, u64 *stayed)
{
	u8 status[SVM_WINDOW_PAGES];
	unsigned int i;
	int ret;

	ret = dmirror_move(range, mig, start, npages, status);
	for (i = 0; i < npages && !ret; i++)
		*stayed += status[i] != MOCKGPU_PAGE_MOVED && status[i] != MOCKGPU_PAGE_ALREADY;
	return ret;
}

static int dmirror_move_run_back(const struct dmirror_range *range, struct svm_migration *mig,
				 unsigned long start, unsigned int npages, u64 *moved)
{
	u8 status[SVM_WINDOW_PAGES];
	unsigned int i;
	int ret;

	ret = dmirror_move(range, mig, start, npages, status);
	for (i = 0; i < npages && !ret; i++) {
		if (status[i] == MOCKGPU_PAGE_NO_RAM)
			ret = -ENOMEM;
		*moved += status[i] == MOCKGPU_PAGE_MOVED;
	}
	return ret;
}

/* Move those pages of a window home that are in this device's VRAM, and not in another's. */
static int dmirror_move_back(const struct dmirror_range *range, struct svm_migration *mig,
			     unsigned long start, unsigned int npages, u64 *moved)
{
	unsigned int first, last;
	u32 *res = mig->res;
	DECLARE_BITMAP(local, SVM_WINDOW_PAGES);
	int ret;

	ret = svm_residency(range->svm, start, npages, res);
	if (ret)
		return ret;
	/* The room is the migration's, which needs it itself. */
	for (first = 0; first < npages; first++)
		__assign_bit(first, local, res[first] & MOCKGPU_RES_LOCAL);
	for (first = find_first_bit(local, npages); first < npages && !ret;
	     first = find_next_bit(local, npages, last)) {
		last = find_next_zero_bit(local, npages, first);
		ret = dmirror_move_run_back(range, mig, start + first * PAGE_SIZE, last - first,
					    moved);
	}
	return ret;
}

static int dmirror_move_all(const struct dmirror_range *range, struct svm_migration *mig,
			    u64 *count)
{
	unsigned long start = range->start, stop;
	unsigned int n;
	int ret = 0;

	for (; start < range->end && !ret; start = stop) {
		n = svm_window(start, range->end);
		stop = svm_movable(range->svm, start, start + n * PAGE_SIZE);
		n = (stop - start) / PAGE_SIZE;
		if (!n)
			return -EINVAL;
		ret = mig->to_vram ? dmirror_move_there(range, mig, start, n, count) :
				     dmirror_move_back(range, mig, start, n, count);
		if (!ret && stop < range->end)
			ret = dmirror_pause();
	}
	return ret;
}

/* Counts pages that stayed, or on the way back those that moved. */
static int dmirror_migrate(struct dmirror_file *file, const struct dmirror_range *range,
			   bool to_vram, u64 *count)
{
	struct svm_migration *mig = svm_migration_create(range->svm, to_vram,
							 MOCKGPU_CAUSE_MIGRATE);
	int ret;

	if (!mig)
		return -ENOMEM;
	/* The test driver does not know of any device but its own. */
	mig->leave_peers = true;
	mig->fail_once = test_and_clear_bit(0, &file->fail_alloc);
	ret = dmirror_move_all(range, mig, count);
	/* No memory was wanted; or a signal came, and the call is to be made again. */
	if (mig->fail_once || ret == -EINTR)
		set_bit(0, &file->fail_alloc);
	svm_migration_destroy(mig);
	return ret;
}

/**
 * dmirror_to_device() - DMIRROR_TO_DEVICE
 * @file: file
 * @args: arguments
 *
 * Context: may sleep.
 * Return: 0 where all pages are in VRAM; -EINVAL where not all is mapped for reading, or some
 * of it never moves; -ENOENT where a page stayed, and others may have moved; -EPERM, -ENOMEM,
 * -ENODEV, -EFAULT, -EINTR.
 */
int dmirror_to_device(struct dmirror_file *file, struct dmirror_args *args)
{
	struct dmirror_range range;
	u64 stayed = 0;
	int ret;

	ret = dmirror_range(file, args, &range);
	if (!ret)
		ret = dmirror_migrate(file, &range, true, &stayed);
	if (!ret && stayed)
		ret = -ENOENT;
	return ret ? : dmirror_show(&range, args);
}

/**
 * dmirror_to_system() - DMIRROR_TO_SYSTEM
 * @file: file
 * @args: arguments; the pages that came are counted
 *
 * Context: may sleep.
 * Return: 0, also where pages stayed; -EINVAL as above; -EPERM, -ENOMEM, -ENODEV, -EINTR.
 */
int dmirror_to_system(struct dmirror_file *file, struct dmirror_args *args)
{
	struct dmirror_range range;
	int ret;

	ret = dmirror_range(file, args, &range);
	return ret ? : dmirror_migrate(file, &range, false, &args->cpages);
}

/* Send what there is of a range in the device's VRAM home, as far as it is not in use. */
static int dmirror_evict(struct dmirror_file *file, struct svm *svm, unsigned long start,
			 unsigned long end)
{
	unsigned long deadline = jiffies + EVICT_TIMEOUT;
	u64 evicted = 0, busy = 0;
	unsigned int n;
	int ret = 0, idx;

	while (!ret) {
		start = svm_next_mapped(svm, start, end);
		if (start == end)
			break;
		if (!drm_dev_enter(&file->client->device->drm, &idx))
			return -ENODEV;
		n = svm_window(start, end);
		ret = svm_evict(svm, start, n, deadline, &evicted, &busy);
		drm_dev_exit(idx);
		start += n * PAGE_SIZE;
		if (!ret && start < end)
			ret = dmirror_pause();
	}
	return ret;
}

/* The queue of a file: made when it is first needed.  Two may be made, and one used. */
static int dmirror_queue(struct dmirror_file *file, struct svm *svm, u32 *id)
{
	u32 other;
	int ret;

	*id = READ_ONCE(file->queue);
	if (*id)
		return 0;
	ret = engine_create_queue(&file->client->engine, svm, id);
	if (ret)
		return ret;
	other = cmpxchg(&file->queue, 0, *id);
	if (other) {
		engine_destroy_queue(&file->client->engine, *id);
		*id = other;
	}
	return 0;
}

/* A word of each page is changed to what it is: for that, the device has the page alone. */
static struct engine_job *dmirror_exclusive_job(const struct dmirror_args *args)
{
	const struct drm_mockgpu_cmd cmd = {
		.op = MOCKGPU_CMD_ATOMIC,
		.addr = args->addr,
		.count = args->npages,
		.stride = PAGE_SIZE,
		.size = sizeof(u64),
		.atomic = MOCKGPU_ATOMIC_OR,
	};
	struct engine_job *job;

	if (control_no_memory())
		return NULL;
	job = kzalloc(sizeof(*job), GFP_KERNEL_ACCOUNT);
	if (!job)
		return NULL;
	job->count = 1;
	job->cmds = kvmalloc(sizeof(cmd), GFP_KERNEL_ACCOUNT);
	if (!job->cmds) {
		kfree(job);
		return NULL;
	}
	*job->cmds = cmd;
	return job;
}

static int dmirror_run(struct dmirror_file *file, u32 queue, struct engine_job *job)
{
	struct engine *engine = &file->client->engine;
	s32 error = 0;
	u64 seqno;
	int ret;

	ret = engine_cmd_check(job->cmds);
	if (!ret)
		ret = engine_submit(engine, queue, job, &seqno);
	if (ret) {
		engine_job_free(job);
		return ret;
	}
	do {
		ret = engine_wait(engine, queue, seqno, ktime_add(ktime_get(), DMIRROR_WAIT),
				  &error);
	} while (ret == -ETIME);
	return ret ? : error;
}

/**
 * dmirror_exclusive() - DMIRROR_EXCLUSIVE
 * @file: file
 * @args: arguments
 *
 * What is in the device's VRAM comes home first: there it would need no exclusive access.
 * The queue does the rest: to wait for a page, and be woken from that, takes a thread that
 * is nobody's.
 *
 * Context: may sleep.
 * Return: 0; -EOPNOTSUPP (not memory that can be had exclusively, or not on this kernel);
 * an errno of exclusive_atomic(), or of dmirror_access().
 */
int dmirror_exclusive(struct dmirror_file *file, struct dmirror_args *args)
{
	struct dmirror_range range;
	struct engine_job *job;
	u32 queue;
	int ret;

	ret = dmirror_range(file, args, &range);
	if (!ret)
		ret = dmirror_evict(file, range.svm, range.start, range.end);
	if (!ret)
		ret = dmirror_queue(file, range.svm, &queue);
	if (ret)
		return ret;
	job = dmirror_exclusive_job(args);
	if (!job)
		return -ENOMEM;
	ret = dmirror_run(file, queue, job);
	return ret ? : dmirror_show(&range, args);
}

/**
 * dmirror_release() - DMIRROR_RELEASE
 * @file: file
 *
 * All that the calling process has in the device's VRAM comes home, as far as it is not
 * in use.
 *
 * Context: may sleep.
 * Return: 0, -EPERM, -ENODEV, or an errno of svm_evict().
 */
int dmirror_release(struct dmirror_file *file)
{
	struct svm *svm = client_svm(file->client);

	return IS_ERR(svm) ? PTR_ERR(svm) : dmirror_evict(file, svm, 0, TASK_SIZE_MAX);
}
