// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What was advised about one process's memory, for as long as that memory is mapped.
 *
 * One notifier watches all addresses, from the first advice on, but only for what is
 * unmapped.  No fault waits for it or begins anew because of it.
 *
 * Locking: the notifier may be called by reclaim, so nothing is allocated under
 * &svm_advice.lock, which it takes.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "control.h"
#include "svm_advice.h"

/**
 * svm_advice_init() - begin without advice
 * @advice: object
 */
void svm_advice_init(struct svm_advice *advice)
{
	mutex_init(&advice->mutex);
	advice->watching = false;
	spin_lock_init(&advice->lock);
	advice_init(&advice->map);
}

/**
 * svm_advice_fini() - undo svm_advice_init()
 * @advice: object that nobody uses any more
 *
 * Context: sleeps until notifier calls that are under way have ended.
 */
void svm_advice_fini(struct svm_advice *advice)
{
	if (advice->watching)
		mmu_interval_notifier_remove(&advice->notifier);
	advice_fini(&advice->map);
	mutex_destroy(&advice->mutex);
}

static bool svm_advice_invalidate(struct mmu_interval_notifier *notifier,
				  const struct mmu_notifier_range *range, unsigned long seq)
{
	struct svm_advice *advice = container_of(notifier, struct svm_advice, notifier);
	struct advice_stash stash = {};

	/* A piece that covers all is one without advice. */
	if (range->event != MMU_NOTIFY_UNMAP || READ_ONCE(advice->map.count) == 1)
		return true;
	/* Without them a little more is forgotten; to wait for memory is not possible here. */
	advice_stash_fill(&stash, GFP_NOWAIT | __GFP_NOWARN | __GFP_ACCOUNT);
	spin_lock(&advice->lock);
	mmu_interval_set_seq(notifier, seq);
	advice_forget(&advice->map, &stash, range->start, range->end - 1);
	spin_unlock(&advice->lock);
	advice_stash_drop(&stash);
	return true;
}

static const struct mmu_interval_notifier_ops svm_advice_notifier_ops = {
	.invalidate = svm_advice_invalidate,
};

/* Watch for what is unmapped, if that was not begun already. */
static int svm_advice_watch(struct svm_advice *advice, struct mm_struct *mm)
{
	int ret;

	lockdep_assert_held(&advice->mutex);

	if (advice->watching)
		return 0;
	/* The first notifier of an address space waits for mmap_lock. */
	if (mmap_write_lock_killable(mm))
		return -EINTR;
	ret = mmu_interval_notifier_insert_locked(&advice->notifier, mm, 0, ULONG_MAX,
						  &svm_advice_notifier_ops);
	mmap_write_unlock(mm);
	advice->watching = !ret;
	return ret;
}

/**
 * svm_advice_set() - set an attribute for a range
 * @advice: object
 * @mm: address space, in use by the caller
 * @start: first address
 * @end: end of the range
 * @attr: MOCKGPU_ADVICE_*
 * @value: a value that advice_check() accepts
 *
 * Context: may sleep; takes mmap_lock for write, the first time.
 * Return: 0, -ENOSPC, -ENOMEM or -EINTR.
 */
int svm_advice_set(struct svm_advice *advice, struct mm_struct *mm, unsigned long start,
		   unsigned long end, unsigned int attr, u64 value)
{
	struct advice_stash stash = {};
	int ret;

	if (mutex_lock_interruptible(&advice->mutex))
		return -EINTR;
	ret = svm_advice_watch(advice, mm);
	if (!ret)
		ret = control_no_memory() ? -ENOMEM :
		      advice_stash_fill(&stash, GFP_KERNEL_ACCOUNT);
	if (!ret) {
		spin_lock(&advice->lock);
		ret = advice_set(&advice->map, &stash, start, end - 1, attr, value);
		spin_unlock(&advice->lock);
	}
	mutex_unlock(&advice->mutex);
	advice_stash_drop(&stash);
	return ret;
}

/**
 * svm_advice_reset() - set all attributes of a range back to their defaults
 * @advice: object
 * @start: first address
 * @end: end of the range
 *
 * Context: may sleep.
 * Return: 0, -ENOSPC or -ENOMEM.
 */
int svm_advice_reset(struct svm_advice *advice, unsigned long start, unsigned long end)
{
	struct advice_stash stash = {};
	int ret;

	ret = control_no_memory() ? -ENOMEM : advice_stash_fill(&stash, GFP_KERNEL_ACCOUNT);
	if (!ret) {
		spin_lock(&advice->lock);
		ret = advice_reset(&advice->map, &stash, start, end - 1);
		spin_unlock(&advice->lock);
	}
	advice_stash_drop(&stash);
	return ret;
}

/**
 * svm_advice_get() - what counts for an address
 * @advice: object
 * @addr: address
 * @piece: a copy of the piece that it is in; its node means nothing
 *
 * Context: not under &svm_advice.lock.
 */
void svm_advice_get(struct svm_advice *advice, unsigned long addr, struct advice_piece *piece)
{
	spin_lock(&advice->lock);
	*piece = *advice_find(&advice->map, addr);
	spin_unlock(&advice->lock);
}

/**
 * svm_advice_mixed() - what counts for a range, and in what do its pages differ?
 * @advice: object
 * @start: first address
 * @end: end of the range
 * @piece: a copy of the piece that @start is in; its node means nothing
 *
 * Return: bits by MOCKGPU_ADVICE_*.
 */
u64 svm_advice_mixed(struct svm_advice *advice, unsigned long start, unsigned long end,
		     struct advice_piece *piece)
{
	u64 mixed;

	spin_lock(&advice->lock);
	*piece = *advice_find(&advice->map, start);
	mixed = advice_mixed(&advice->map, start, end - 1);
	spin_unlock(&advice->lock);
	return mixed;
}
