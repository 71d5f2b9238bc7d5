// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Giving what moves a copy at its target: a page, or a huge folio as a whole.
 *
 * What comes to VRAM fills pages that were taken before.  What goes to system memory
 * gets memory allocated here; a huge folio that finds none gets the memory that stands
 * behind it in VRAM, which is a huge folio as well.  So it can go home however short
 * and scattered free memory is; splitting it is no way out, as the kernel cannot do
 * that in an eviction, nor for a page that is held by the CPU fault that wants it.
 *
 * Locking: none.  The source has been taken out of use and is locked.
 */
#include <linux/highmem.h>
#include <linux/mempolicy.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched.h>

#include "compat/compat_mm.h"
#include "control.h"
#include "migrate_internal.h"
#include "vram.h"
#include "vram_link.h"

/**
 * migrate_collected() - have pages that were collected count as in use, where a test says so
 * @vram: VRAM of the device that they are collected for
 * @src: their entries
 * @npages: how many
 * @mm: where they are mapped, or NULL if that is not known
 * @start: likewise, the address of the first
 *
 * Those go back at the end, as others that get no copy do.
 */
void migrate_collected(const struct vram *vram, unsigned long *src, unsigned long npages,
		       const struct mm_struct *mm, unsigned long start)
{
	unsigned long i;

	if (!control_is_armed())
		return;
	for (i = 0; i < npages; i++) {
		if ((src[i] & MIGRATE_PFN_MIGRATE) && (src[i] & MIGRATE_PFN_VALID) &&
		    control_hit(CONTROL_PAGE_LOCK, &vram->present, mm,
				mm ? start + i * PAGE_SIZE : 0))
			src[i] &= ~MIGRATE_PFN_MIGRATE;
	}
}

/**
 * migrate_copy_to_vram() - copy to VRAM pages from whatever pages
 * @here: VRAM that they are of
 * @to: memory behind the first page of VRAM
 * @from: first page of system memory or of VRAM, or NULL to clear @to
 * @count: how many: 1, or VRAM_BLOCK_PAGES, which are all of a block then
 *
 * Context: may sleep.
 * Return: whether the copy is complete.
 */
bool migrate_copy_to_vram(const struct vram *here, void *to, struct page *from,
			  unsigned int count)
{
	void *vram = from && vram_has_page(from) ? vram_page_data(from) : NULL;
	unsigned int i;
	bool ok = true;

	for (i = 0; i < count && ok; i++) {
		if (vram)
			ok = migrate_copy(here, to + i * PAGE_SIZE, vram + i * PAGE_SIZE);
		else if (from)
			ok = migrate_copy_from_system(here, to + i * PAGE_SIZE, from + i);
		else
			clear_page(to + i * PAGE_SIZE);
		cond_resched();
	}
	return ok;
}

static __always_inline bool migrate_copy_to_system(const struct vram *vram, struct page *to,
						   const void *from)
{
	void *data = kmap_local_page(to);
	bool ok = migrate_copy(vram, data, from);

	kunmap_local(data);
	return ok;
}

/* Whether a mapping says itself which node its pages come from: else, the process does. */
static bool migrate_has_policy(struct vm_area_struct *vma)
{
	return vma && (vma_policy(vma) || vma->vm_ops);
}

/* Give a page a copy in system memory: 0, -ENOMEM or -EIO. */
static int migrate_fill_system_page(const struct vram *vram, unsigned long *dst, const void *data,
				    gfp_t gfp, struct vm_area_struct *vma, unsigned long addr)
{
	struct page *to;

	if (control_hit(CONTROL_ALLOC_RAM, &vram->present, NULL, 0))
		return -ENOMEM;
	to = migrate_has_policy(vma) ? alloc_page_vma(gfp, vma, addr) : alloc_page(gfp);
	if (!to)
		return -ENOMEM;
	if (!migrate_copy_to_system(vram, to, data)) {
		__free_page(to);
		return -EIO;
	}
	lock_page(to);
	*dst = migrate_pfn(page_to_pfn(to));
	return 0;
}

/*
 * The same for a huge folio.  It can always be had: a page of it that cannot be copied
 * goes along as it is, and those around it do not suffer.
 */
static void migrate_fill_system_huge(const struct vram *vram, struct page *from,
				     unsigned long *dst, const void *data,
				     struct vm_area_struct *vma, unsigned long addr)
{
	struct folio *to;
	unsigned int i;

	if (control_hit(CONTROL_ALLOC_RAM, &vram->present, NULL, 0))
		to = NULL;
	else if (vma)
		to = compat_vma_alloc_folio(GFP_TRANSHUGE_LIGHT, VRAM_BLOCK_ORDER, vma, addr);
	else
		to = folio_alloc(GFP_TRANSHUGE_LIGHT, VRAM_BLOCK_ORDER);
	for (i = 0; to && i < VRAM_BLOCK_PAGES; i++) {
		if (!migrate_copy_to_system(vram, folio_page(to, i), data + i * PAGE_SIZE)) {
			/* What has to be copied of it is none of a good page's business. */
			folio_put(to);
			to = NULL;
		}
		cond_resched();
	}
	if (to)
		folio_lock(to);
	else
		to = vram_lend_backing(from);
	*dst = migrate_pfn(folio_pfn(to)) | MIGRATE_PFN_COMPOUND;
}

/**
 * migrate_fill_system() - give an entry a copy in system memory
 * @src: entry of what is in VRAM, collected: a page or a huge folio
 * @dst: entry to set
 * @gfp: how to get memory for a page
 * @vma: where it is mapped, or NULL if that is not known
 * @addr: likewise, the address
 * @place: for this entry and those that follow
 *
 * Context: may sleep.
 * Return: 0; for a page also -ENOMEM or -EIO.
 */
int migrate_fill_system(unsigned long src, unsigned long *dst, gfp_t gfp,
			struct vm_area_struct *vma, unsigned long addr,
			struct vram_place *place)
{
	struct page *from = migrate_pfn_to_page(src);
	const void *data = vram_place_data(place, from);
	const struct vram *vram = vram_place_of(place, from);

	if (src & MIGRATE_PFN_COMPOUND) {
		migrate_fill_system_huge(vram, from, dst, data, vma, addr);
		return 0;
	}
	return migrate_fill_system_page(vram, dst, data, gfp, vma, addr);
}

/* What there is to wait for: bytes that went over a link, one after another. */
struct migrate_load {
	struct vram_link *link;
	u64 bytes;
};

/* More has gone over the link of a page, if that is in VRAM. */
static void migrate_load_add(struct migrate_load *load, const struct page *page, u64 bytes)
{
	struct vram_link *link;

	if (!vram_has_page(page))
		return;
	link = vram_of_page(page)->link;
	if (link != load->link && load->bytes) {
		vram_link_wait(load->link, vram_link_send(load->link, load->bytes));
		load->bytes = 0;
	}
	load->link = link;
	load->bytes += bytes;
}

/**
 * migrate_cross_links() - wait until what was copied has crossed its links
 * @src: entries that were collected
 * @dst: likewise, with the copies
 * @npages: how many, up to VRAM_BLOCK_PAGES
 *
 * What is cleared in VRAM rather than copied there crosses none, and what goes from one
 * device to another both, at the same time, so that it takes as long as the slower one does.
 * The copies are complete; who is killed has no need to wait.
 *
 * Context: may sleep, as vram_link_wait().
 */
void migrate_cross_links(const unsigned long *src, const unsigned long *dst,
			 unsigned long npages)
{
	struct migrate_load from = {}, to = {};
	ktime_t from_until, to_until;
	unsigned long i;
	u64 bytes;

	if (!vram_link_any())
		return;
	for (i = 0; i < npages; i++) {
		if (!dst[i] || !(src[i] & MIGRATE_PFN_VALID))
			continue;
		bytes = migrate_entry_pages(src[i]) * PAGE_SIZE;
		migrate_load_add(&from, migrate_pfn_to_page(src[i]), bytes);
		migrate_load_add(&to, migrate_pfn_to_page(dst[i]), bytes);
	}
	from_until = vram_link_send(from.link, from.bytes);
	to_until = vram_link_send(to.link, to.bytes);
	vram_link_wait(from.link, from_until);
	vram_link_wait(to.link, to_until);
}

/**
 * migrate_left_vram() - deal with an entry that moved from VRAM, wherever to
 * @src: its entry
 * @dst: likewise
 *
 * To be called before the memory manager finishes the migration, which frees the
 * page.
 *
 * Return: pages that moved.
 */
unsigned int migrate_left_vram(unsigned long src, unsigned long dst)
{
	struct page *from = migrate_pfn_to_page(src);
	unsigned int count = migrate_entry_pages(src);

	vram_page_left(from);
	if (count > 1)
		vram_give_backing(from, page_folio(migrate_pfn_to_page(dst)));
	return count;
}
