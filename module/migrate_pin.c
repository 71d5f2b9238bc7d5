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

/* Nobody has a reference any more; somebody may be about to let go of its lock. */
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

/* While a page is mapped its anon_vma is there; once that has a reference it stays. */
static struct anon_vma *migrate_pin_folio(struct folio *folio)
{
	struct anon_vma *pin = NULL;
	unsigned long mapping;
	bool mapped;

	rcu_read_lock();
	mapping = (unsigned long)READ_ONCE(folio->mapping);
	if ((mapping & FOLIO_MAPPING_FLAGS) == FOLIO_MAPPING_ANON && folio_mapped(folio)) {
		pin = (struct anon_vma *)(mapping - FOLIO_MAPPING_ANON);
		if (!atomic_inc_not_zero(&pin->refcount))
			pin = NULL;
	}
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
 * What is pinned can be collected and finalized, until it is freed and taken anew.  A
 * page that nobody maps is gone as soon as its last reference is, or on its way
 * elsewhere.
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
