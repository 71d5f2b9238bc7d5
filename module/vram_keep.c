// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Memory behind blocks of VRAM that are empty: it is kept for a while.
 *
 * To allocate and clear 2 MiB takes as long as to fill them, and what was emptied is often filled
 * again.  But it is memory that nobody uses.  So it goes when it has been idle from one look to the
 * next, some seconds later; all of it goes after a moment where there is not plenty of memory, and
 * at once where that is short; also before somebody is killed for want of it, and before another
 * device is told that there is none.
 *
 * Locking: a mutex for the list of who keeps some, inside &vram.grow_lock.  That of others is
 * only tried: its holder may be who allocates.
 */
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/oom.h>
#include <linux/sched.h>
#include <linux/workqueue.h>

#include "compat/compat_misc.h"
#include "vram.h"
#include "vram_internal.h"

/* From one look to the next. */
#define VRAM_KEEP	(4 * HZ)
#define VRAM_KEEP_SHORT	(HZ / 5)

/* Of all of the machine's memory, this part is plenty. */
#define VRAM_PLENTY_SHIFT	2

static DEFINE_MUTEX(vram_keepers_lock);
static LIST_HEAD(vram_keepers);

/* Give back what is behind empty blocks, or only idle ones.  Returns how many pages that were. */
static unsigned long vram_release(struct vram *vram, bool idle)
{
	struct vram_block *block;
	struct vram_part *part;
	unsigned long pages = 0;

	lockdep_assert_held(&vram->grow_lock);

	vram_collect_spent(vram);
	for (;;) {
		spin_lock_irq(&vram->lock);
		block = vram_alloc_pop_empty(&vram->alloc, idle);
		if (block)
			vram->backed_blocks--;
		spin_unlock_irq(&vram->lock);
		if (!block)
			return pages;

		part = container_of(block, struct vram_part, block);
		vram->source->unback(part->data);
		part->data = NULL;
		vram_strip(vram, part);
		pages += VRAM_BLOCK_PAGES;
		cond_resched();
	}
}

static unsigned long vram_keep_time(const struct vram *vram)
{
	if (!vram->source->is_short)
		return VRAM_KEEP;
	if (vram->source->is_short())
		return 0;
	return si_mem_available() > (long)(totalram_pages() >> VRAM_PLENTY_SHIFT) ?
	       VRAM_KEEP : VRAM_KEEP_SHORT;
}

static void vram_shrink(struct work_struct *work)
{
	struct vram *vram = container_of(work, struct vram, shrink.work);
	bool again;

	mutex_lock(&vram->grow_lock);
	vram_release(vram, vram_keep_time(vram) == VRAM_KEEP);
	spin_lock_irq(&vram->lock);
	again = vram_alloc_age(&vram->alloc);
	spin_unlock_irq(&vram->lock);
	mutex_unlock(&vram->grow_lock);
	if (again)
		queue_delayed_work(compat_unbound_wq(), &vram->shrink, VRAM_KEEP);
}

/**
 * vram_keep() - a block has become empty
 * @vram: VRAM
 *
 * The next look is no later because of it.
 *
 * Context: &vram.lock held.
 */
void vram_keep(struct vram *vram)
{
	unsigned long delay = vram_keep_time(vram);

	lockdep_assert_held(&vram->lock);

	/* Later than it would be otherwise it never is: others may become empty all the time. */
	if (delay && queue_delayed_work(compat_unbound_wq(), &vram->shrink, delay))
		return;
	if (!delay || time_after(READ_ONCE(vram->shrink.timer.expires), jiffies + delay))
		mod_delayed_work(compat_unbound_wq(), &vram->shrink, delay);
}

/**
 * vram_release_kept() - give back what all devices keep, where that is possible just now
 *
 * Context: may sleep; a &vram.grow_lock may be held.
 * Return: how many pages went.
 */
unsigned long vram_release_kept(void)
{
	unsigned long pages = 0;
	struct vram *vram;

	/* Who holds it may be allocating, or waiting for those who do. */
	if (!mutex_trylock(&vram_keepers_lock))
		return 0;
	list_for_each_entry(vram, &vram_keepers, keeper) {
		/* Where memory stands for itself none comes free. */
		if (!vram->source->is_short)
			continue;
		if (!mutex_trylock(&vram->grow_lock))
			continue;
		pages += vram_release(vram, false);
		mutex_unlock(&vram->grow_lock);
	}
	mutex_unlock(&vram_keepers_lock);
	return pages;
}

static int vram_keep_oom(struct notifier_block *nb, unsigned long unused, void *freed)
{
	*(unsigned long *)freed += vram_release_kept();
	return NOTIFY_OK;
}

static struct notifier_block vram_oom_notifier = {
	.notifier_call = vram_keep_oom,
};

/**
 * vram_keep_init() - begin to keep memory behind empty blocks
 * @vram: VRAM
 *
 * Context: may sleep.
 */
void vram_keep_init(struct vram *vram)
{
	INIT_DELAYED_WORK(&vram->shrink, vram_shrink);
	mutex_lock(&vram_keepers_lock);
	if (list_empty(&vram_keepers))
		register_oom_notifier(&vram_oom_notifier);
	list_add_tail(&vram->keeper, &vram_keepers);
	mutex_unlock(&vram_keepers_lock);
}

/**
 * vram_keep_fini() - undo vram_keep_init()
 * @vram: VRAM that has no page in use; its blocks may still keep memory
 *
 * Context: may sleep.
 */
void vram_keep_fini(struct vram *vram)
{
	mutex_lock(&vram_keepers_lock);
	list_del(&vram->keeper);
	/* Who is called just now does not wait for the lock. */
	if (list_empty(&vram_keepers))
		unregister_oom_notifier(&vram_oom_notifier);
	mutex_unlock(&vram_keepers_lock);
	cancel_delayed_work_sync(&vram->shrink);
}
