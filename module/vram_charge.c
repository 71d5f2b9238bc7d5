// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Accounts: how much VRAM each client's calls have taken.
 *
 * A page is charged to the client that took it, wherever it goes from there, until it is
 * free again.  So an account outlives its client, by as much as the last of its pages.
 * What all accounts of a user have is counted as well, as a user may have no more than a
 * share of VRAM.
 *
 * Locking: &vram.lock.
 */
#include <linux/limits.h>
#include <linux/math64.h>
#include <linux/slab.h>

#include "control.h"
#include "quota.h"
#include "vram.h"
#include "vram_internal.h"

/**
 * vram_charge_create() - an account for a new client
 * @vram: VRAM that it is to take pages of
 * @quota: what the client's user has
 *
 * Context: may sleep.
 * Return: the account, or NULL where there is no memory.
 */
struct vram_charge *vram_charge_create(struct vram *vram, struct quota *quota)
{
	struct vram_charge *charge = NULL;

	if (!control_no_memory())
		charge = kzalloc(sizeof(*charge), GFP_KERNEL_ACCOUNT);
	if (!charge)
		return NULL;
	if (xa_alloc_irq(&vram->charges, &charge->id, charge,
			 XA_LIMIT(1, FIELD_MAX(VRAM_NOTE_CHARGE)), GFP_KERNEL_ACCOUNT)) {
		kfree(charge);
		return NULL;
	}
	charge->quota = quota_get(quota);
	charge->open = true;
	return charge;
}

static void vram_charge_free(struct vram *vram, struct vram_charge *charge)
{
	xa_erase(&vram->charges, charge->id);
	quota_put(charge->quota);
	kfree(charge);
}

/**
 * vram_charge_close() - the client of an account has gone
 * @vram: VRAM that it took pages of
 * @charge: account; not to be used any more
 *
 * The client's pages stay where they are, and the account until they have gone.
 */
void vram_charge_close(struct vram *vram, struct vram_charge *charge)
{
	unsigned long flags;

	spin_lock_irqsave(&vram->lock, flags);
	charge->open = false;
	if (!charge->pages)
		vram_charge_free(vram, charge);
	spin_unlock_irqrestore(&vram->lock, flags);
}

/**
 * vram_charge_pages() - how many pages a client has in VRAM
 * @vram: VRAM
 * @charge: account
 */
u64 vram_charge_pages(struct vram *vram, struct vram_charge *charge)
{
	unsigned long flags;
	u64 pages;

	spin_lock_irqsave(&vram->lock, flags);
	pages = charge->pages;
	spin_unlock_irqrestore(&vram->lock, flags);
	return pages;
}

/**
 * vram_charge_left() - how many pages the user of an account may take
 * @vram: VRAM
 * @charge: account
 *
 * Context: &vram.lock held.
 * Return: pages; U64_MAX where a user may have all of VRAM.
 */
u64 vram_charge_left(const struct vram *vram, const struct vram_charge *charge)
{
	u64 used = charge->quota->vram_pages[vram->index], share;

	lockdep_assert_held(&vram->lock);

	if (quota_vram_percent == 100)
		return U64_MAX;
	share = div_u64(vram->bytes / PAGE_SIZE * quota_vram_percent, 100);
	return used < share ? share - used : 0;
}

/**
 * vram_may_take() - vram_charge_left() for who does not hold the lock
 * @vram: VRAM
 * @charge: account
 *
 * Context: any.
 * Return: pages, at this moment.
 */
u64 vram_may_take(struct vram *vram, struct vram_charge *charge)
{
	unsigned long flags;
	u64 left;

	spin_lock_irqsave(&vram->lock, flags);
	left = vram_charge_left(vram, charge);
	spin_unlock_irqrestore(&vram->lock, flags);
	return left;
}

/**
 * vram_charge_more() - pages have been taken
 * @vram: VRAM
 * @charge: account of who took them
 * @pages: how many
 *
 * Context: &vram.lock held.
 */
void vram_charge_more(struct vram *vram, struct vram_charge *charge, unsigned int pages)
{
	lockdep_assert_held(&vram->lock);

	charge->pages += pages;
	charge->quota->vram_pages[vram->index] += pages;
}

/**
 * vram_charge_less() - pages have become free
 * @vram: VRAM
 * @charge: account of who took them; gone afterwards if they were the last pages of a client
 *	that has gone
 * @pages: how many
 *
 * Context: &vram.lock held.
 */
void vram_charge_less(struct vram *vram, struct vram_charge *charge, unsigned int pages)
{
	lockdep_assert_held(&vram->lock);

	charge->quota->vram_pages[vram->index] -= pages;
	charge->pages -= pages;
	if (!charge->pages && !charge->open)
		vram_charge_free(vram, charge);
}
