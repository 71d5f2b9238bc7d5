// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What an eviction needs of a page's owners while it is under way.
 *
 * The memory manager finds the places where a page was mapped through the page's
 * anon_vma, which lives as long as a VMA that is on it.  Whoever migrates by address
 * holds mmap_lock, so that VMA stays.  An eviction goes by the physical page and has
 * no mmap_lock to hold: the owner may unmap the page, or exit, in the middle of it,
 * and finalizing would then walk memory that was freed.  Migrations of system memory
 * take a reference for this; those of device memory leave it to the driver, and what
 * drops it again is not exported.
 *
 * Locking: RCU, over the look at a page that is mapped.
 */
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/rmap.h>
#include <linux/slab.h>

#include "compat/compat_mm.h"
#include "migrate_internal.h"

/*
 * Nobody has a reference any more; somebody may be about to let go of its lock.
 *
 * What is freed belongs to a cache of the memory manager's.  kfree() takes such an object
 * and does what the cache asks for, RCU included; with SLOB alone, which 6.4 removed, it
 * would not.
 */
static void migrate_free_anon_vma(struct anon_vma *anon_vma)
{
	struct anon_vma *root = anon_vma->root;

	if (rwsem_is_locked(&root->rwsem)) {
		down_write(&root->rwsem);
		up_write(&root->rwsem);
	}
	kfree(anon_vma);
}

/**
 * migrate_unpin() - undo migrate_pin()
 * @pin: what that gave; or NULL
 *
 * Context: may sleep.
 */
void migrate_unpin(struct anon_vma *pin)
{
	struct anon_vma *root;

	if (!pin || !atomic_dec_and_test(&pin->refcount))
		return;
	root = pin->root;
	migrate_free_anon_vma(pin);
	if (root != pin && atomic_dec_and_test(&root->refcount))
		migrate_free_anon_vma(root);
}

/* NULL if the folio is not, or not any more, anonymous memory. */
static struct anon_vma *migrate_anon_vma(const struct folio *folio)
{
	unsigned long mapping = (unsigned long)READ_ONCE(folio->mapping);

	if ((mapping & FOLIO_MAPPING_FLAGS) != FOLIO_MAPPING_ANON)
		return NULL;
	return (struct anon_vma *)(mapping - FOLIO_MAPPING_ANON);
}

/*
 * While a page is mapped its anon_vma is there; once that has a reference it stays.
 *
 * The folio is not locked, so it may get another one in the same moment, and what we have
 * may already be somebody else's: migrate_repin() looks again.
 */
static struct anon_vma *migrate_pin_folio(struct folio *folio)
{
	struct anon_vma *pin;
	bool mapped;

	rcu_read_lock();
	pin = migrate_anon_vma(folio);
	if (pin && (!folio_mapped(folio) || !atomic_inc_not_zero(&pin->refcount)))
		pin = NULL;
	mapped = folio_mapped(folio);
	rcu_read_unlock();
	if (mapped)
		return pin;
	migrate_unpin(pin);
	return NULL;
}

/**
 * migrate_pin() - have the way to a page's owners stay there, whatever they do
 * @page: page of VRAM
 * @pin: what is to be dropped by migrate_unpin(); NULL if the page is free, or nobody maps
 *	it at this moment: nothing can be done with it then
 *
 * What is pinned can be collected; migrate_repin() follows.  A page that nobody maps is
 * gone as soon as its last reference is, or on its way elsewhere.
 *
 * Context: may sleep.
 * Return: how many pages, from @page on, this is true of.
 */
unsigned int migrate_pin(struct page *page, struct anon_vma **pin)
{
	struct folio *folio = page_folio(page);
	unsigned int n = 1;

	*pin = NULL;
	if (!folio_try_get(folio))
		return n;
	/* It may have been freed, and have become something else, until it was held. */
	if (page_folio(page) == folio) {
		*pin = migrate_pin_folio(folio);
		n = folio_nr_pages(folio) - folio_page_idx(folio, page);
	}
	folio_put(folio);
	return n;
}

/**
 * migrate_repin() - see that what was collected is what was pinned
 * @folio: folio that has just been collected, so that it is locked
 * @pin: what migrate_pin() gave for it, or for what it was part of; what is to be dropped
 *	by migrate_unpin() instead
 *
 * Until it was locked it may have been freed and taken anew, for other memory.  From then
 * on its anon_vma is always the same one; and if the places where it was mapped are still
 * there, so is that.
 *
 * What this cannot cover: page taken anew before it was locked, its new owner gone after
 * that, and the anon_vma's memory given back to the system, for which a grace period must
 * have passed, all of it before we come here.
 *
 * Context: may sleep.
 * Return: whether it can be finalized.  If not, nobody has the memory any more.
 */
bool migrate_repin(struct folio *folio, struct anon_vma **pin)
{
	struct anon_vma *now;
	bool there = true;

	rcu_read_lock();
	now = migrate_anon_vma(folio);
	if (now && now != *pin)
		there = atomic_inc_not_zero(&now->refcount);
	rcu_read_unlock();
	if (!now || now == *pin)
		return true;
	migrate_unpin(*pin);
	*pin = there ? now : NULL;
	return there;
}
