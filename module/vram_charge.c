// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Accounts: how much VRAM each client's calls have taken.
 *
 * A page is charged to the client that took it, wherever it goes from there, until it is
 * free again.  So an account outlives its client, by as much as the last of its pages.
 *
 * Locking: &vram.lock.
 */
#include <linux/slab.h>

#include "control.h"
#include "vram.h"

/**
 * vram_charge_create() - an account for a new client
 *
 * Return: the account, or NULL where there is no memory.
 */
struct vram_charge *vram_charge_create(void)
{
	struct vram_charge *charge = NULL;

	if (!control_no_memory())
		charge = kzalloc(sizeof(*charge), GFP_KERNEL);
	if (charge)
		charge->open = true;
	return charge;
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
		kfree(charge);
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
