// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The notifiers of a mirror: who tells the device's page table of changes.
 *
 * There is one for each 16 MiB that the device has looked at, made on demand.  A
 * change elsewhere does not concern it, so that it does not make a fault begin
 * anew.  A notifier goes when all that it watches was unmapped, and one is given up
 * for a new one where there are many: the device looks anew at what it watched.
 *
 * Locking: &mirror.windows_sem is outside mmap_lock, which inserting a notifier
 * takes for writing.  &mirror.lock is what a notifier takes.
 */
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "compat/compat_misc.h"
#include "control.h"
#include "event.h"
#include "mirror.h"
#include "mirror_internal.h"
#include "mockgpu_drm.h"
#include "stats.h"
#include "vram.h"

/* What the log says of a change. */
static unsigned int mirror_cause(enum mmu_notifier_event event)
{
	switch (event) {
	case MMU_NOTIFY_UNMAP:
		return MOCKGPU_INVALIDATED_UNMAP;
	case MMU_NOTIFY_PROTECTION_VMA:
	case MMU_NOTIFY_PROTECTION_PAGE:
		return MOCKGPU_INVALIDATED_PROTECTION;
	case MMU_NOTIFY_SOFT_DIRTY:
		return MOCKGPU_INVALIDATED_SOFT_DIRTY;
	case MMU_NOTIFY_RELEASE:
		return MOCKGPU_INVALIDATED_RELEASE;
	case MMU_NOTIFY_MIGRATE:
		return MOCKGPU_INVALIDATED_MIGRATE;
	case MMU_NOTIFY_EXCLUSIVE:
		return MOCKGPU_INVALIDATED_EXCLUSIVE;
	default:
		return MOCKGPU_INVALIDATED_CLEAR;
	}
}

/* The part of a change that concerns a window. */
static void mirror_clear(struct mirror_window *window, const struct mmu_notifier_range *range)
{
	struct mirror *mirror = window->mirror;
	unsigned long start = window->index << MIRROR_NOTIFIER_SHIFT;
	unsigned long end = start + MIRROR_NOTIFIER_BYTES, cleared;

	cleared = mirror_drop(mirror, max(start, range->start), min(end, range->end));
	stats_add(mirror->stats, STAT_INVALIDATIONS, 1);
	stats_add(mirror->stats, STAT_INVALIDATED_PAGES, cleared);
	event_emit(.kind = MOCKGPU_EVENT_INVALIDATE, .cause = mirror_cause(range->event),
		   .device = mirror->vram->index, .mm = mirror->mm, .owner = mirror->process,
		   .addr = max(start, range->start), .value = cleared,
		   .len = min(end, range->end) - max(start, range->start));

	if (range->event == MMU_NOTIFY_UNMAP && range->start <= start && end <= range->end &&
	    !test_and_set_bit(0, &window->queued)) {
		llist_add(&window->unmapped, &mirror->unmapped);
		queue_work(compat_unbound_wq(), &mirror->reap);
	}
}

static bool mirror_invalidate(struct mmu_interval_notifier *notifier,
			      const struct mmu_notifier_range *range, unsigned long seq)
{
	struct mirror_window *window = container_of(notifier, struct mirror_window, notifier);
	struct mirror *mirror = window->mirror;

	/*
	 * The one change that we know to be our own: the page stays where it is,
	 * only the CPU's right to it goes.
	 */
	if (range->event == MMU_NOTIFY_EXCLUSIVE && range->owner == mirror->owner)
		return true;

	if (mmu_notifier_range_blockable(range)) {
		control_hit_range(CONTROL_NOTIFIER, &mirror->vram->present, mirror->mm,
				  range->start, range->end);
		down_write(&mirror->lock);
	} else if (!down_write_trylock(&mirror->lock)) {
		return false;
	}

	mmu_interval_set_seq(notifier, seq);
	mirror_clear(window, range);
	if (mmu_notifier_range_blockable(range))
		control_hit_range(CONTROL_NOTIFIER_HELD, &mirror->vram->present, mirror->mm,
				  range->start, range->end);
	up_write(&mirror->lock);
	return true;
}

static const struct mmu_interval_notifier_ops mirror_notifier_ops = {
	.invalidate = mirror_invalidate,
};

static struct mirror_window *mirror_window(struct mirror *mirror, unsigned long addr)
{
	return xa_load(&mirror->windows, addr >> MIRROR_NOTIFIER_SHIFT);
}

static void mirror_remove_window(struct mirror_window *window)
{
	struct mirror *mirror = window->mirror;
	unsigned long start = window->index << MIRROR_NOTIFIER_SHIFT;

	/*
	 * The addresses may have been mapped and used again.  Entries go while they
	 * are still watched; new ones are made only by holders of the semaphore.
	 */
	lockdep_assert_held_write(&mirror->windows_sem);
	down_write(&mirror->lock);
	gpu_pt_clear(&mirror->pt, start, start + MIRROR_NOTIFIER_BYTES);
	up_write(&mirror->lock);
	xa_erase(&mirror->windows, window->index);
	mirror->nr_windows--;
	mmu_interval_notifier_remove(&window->notifier);
	kfree(window);
}

/* Give a window up, the first from @from on that is not on its way out.  False: none is. */
static bool mirror_give_up(struct mirror *mirror, unsigned long from)
{
	struct mirror_window *window;
	unsigned long index;

	lockdep_assert_held_write(&mirror->windows_sem);

	xa_for_each_start(&mirror->windows, index, window, from) {
		/* Its notifier leaves it alone from now on, and so does the work. */
		if (test_and_set_bit(0, &window->queued))
			continue;
		mirror->next_out = index + 1;
		mirror_remove_window(window);
		return true;
	}
	return false;
}

/* Make the window of an address, unless somebody else has. */
static int mirror_make_window(struct mirror *mirror, unsigned long addr)
{
	struct mirror_window *window;
	int ret;

	lockdep_assert_held_write(&mirror->windows_sem);

	if (mirror_window(mirror, addr))
		return 0;
	/* In turn: which are used most is not known. */
	if (mirror->nr_windows >= MIRROR_WINDOWS_MAX && !mirror_give_up(mirror, mirror->next_out))
		mirror_give_up(mirror, 0);
	if (control_no_memory())
		return -ENOMEM;
	window = kzalloc(sizeof(*window), GFP_KERNEL_ACCOUNT);
	if (!window)
		return -ENOMEM;
	window->mirror = mirror;
	window->index = addr >> MIRROR_NOTIFIER_SHIFT;
	ret = xa_insert(&mirror->windows, window->index, window, GFP_KERNEL_ACCOUNT);
	if (ret)
		goto err_free;
	/* The first notifier of an address space waits for mmap_lock. */
	ret = -EINTR;
	if (mmap_write_lock_killable(mirror->mm))
		goto err_erase;
	ret = mmu_interval_notifier_insert_locked(&window->notifier, mirror->mm,
						  window->index << MIRROR_NOTIFIER_SHIFT,
						  MIRROR_NOTIFIER_BYTES, &mirror_notifier_ops);
	mmap_write_unlock(mirror->mm);
	if (ret)
		goto err_erase;
	mirror->nr_windows++;
	return 0;

err_erase:
	xa_erase(&mirror->windows, window->index);
err_free:
	kfree(window);
	return ret;
}

static void mirror_reap(struct work_struct *work)
{
	struct mirror *mirror = container_of(work, struct mirror, reap);
	struct mirror_window *window, *next;

	down_write(&mirror->windows_sem);
	llist_for_each_entry_safe(window, next, llist_del_all(&mirror->unmapped), unmapped)
		mirror_remove_window(window);
	up_write(&mirror->windows_sem);
}

/**
 * mirror_lock_window() - get hold of the notifier of an address
 * @mirror: mirror
 * @addr: address
 * @window: answer
 *
 * Context: may sleep; mmap_lock not held.
 * Return: 0 with &mirror.windows_sem held for reading; -ENOMEM, -EINTR.
 */
int mirror_lock_window(struct mirror *mirror, unsigned long addr, struct mirror_window **window)
{
	int ret;

	for (;;) {
		if (down_read_killable(&mirror->windows_sem))
			return -EINTR;
		*window = mirror_window(mirror, addr);
		if (*window)
			return 0;
		up_read(&mirror->windows_sem);

		if (down_write_killable(&mirror->windows_sem))
			return -EINTR;
		ret = mirror_make_window(mirror, addr);
		up_write(&mirror->windows_sem);
		if (ret)
			return ret;
	}
}

/**
 * mirror_window_begin() - before a look at what a window watches
 * @window: window
 *
 * Context: sleeps while a change is under way; &mirror.windows_sem held.
 * Return: number for mirror_window_changed().
 */
unsigned long mirror_window_begin(struct mirror_window *window)
{
	lockdep_assert_held(&window->mirror->windows_sem);
	return mmu_interval_read_begin(&window->notifier);
}

/**
 * mirror_window_changed() - has anything changed since?
 * @window: window
 * @seq: from mirror_window_begin()
 *
 * Context: &mirror.lock held; what is said stays true until it is dropped.
 */
bool mirror_window_changed(struct mirror_window *window, unsigned long seq)
{
	lockdep_assert_held(&window->mirror->lock);
	return mmu_interval_read_retry(&window->notifier, seq);
}

/**
 * mirror_init() - begin to mirror an address space
 * @mirror: mirror
 * @mm: address space, in use by the caller
 * @process: whose it is; there for as long as @owner
 * @owner: what make_device_exclusive() and @ops are called with for this mirror
 * @ops: what the owner does for it
 * @vram: memory of the device
 * @stats: counters of the device
 *
 * Context: may sleep.
 */
void mirror_init(struct mirror *mirror, struct mm_struct *mm, struct pid *process, void *owner,
		 const struct mirror_ops *ops, struct vram *vram, struct mockgpu_stats *stats)
{
	mirror->mm = mm;
	mirror->process = process;
	mirror->owner = owner;
	mirror->ops = ops;
	mirror->vram = vram;
	mirror->stats = stats;
	init_rwsem(&mirror->lock);
	gpu_pt_init(&mirror->pt);
	INIT_LIST_HEAD(&mirror->claims);
	INIT_LIST_HEAD(&mirror->faults);
	init_rwsem(&mirror->windows_sem);
	xa_init(&mirror->windows);
	init_llist_head(&mirror->unmapped);
	INIT_WORK(&mirror->reap, mirror_reap);
	mmgrab(mm);

	/* Reclaim calls the notifier: let lockdep know before it happens. */
	fs_reclaim_acquire(GFP_KERNEL);
	might_lock(&mirror->lock);
	fs_reclaim_release(GFP_KERNEL);
}

/**
 * mirror_fini() - undo mirror_init()
 * @mirror: mirror that nobody uses any more
 *
 * Context: sleeps until notifier calls that are under way have ended.
 */
void mirror_fini(struct mirror *mirror)
{
	struct mirror_window *window;
	unsigned long index;

	down_write(&mirror->windows_sem);
	xa_for_each(&mirror->windows, index, window)
		mmu_interval_notifier_remove(&window->notifier);
	/* No notifier queues anything any more; the work is to find nothing. */
	llist_del_all(&mirror->unmapped);
	up_write(&mirror->windows_sem);
	cancel_work_sync(&mirror->reap);
	xa_for_each(&mirror->windows, index, window)
		kfree(window);
	xa_destroy(&mirror->windows);
	gpu_pt_fini(&mirror->pt);
	mmdrop(mirror->mm);
}
