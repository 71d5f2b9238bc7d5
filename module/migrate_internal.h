/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Shared by the files that move pages; nobody else includes this. */
#ifndef MOCKGPU_MIGRATE_INTERNAL_H
#define MOCKGPU_MIGRATE_INTERNAL_H

#include <linux/gfp.h>
#include <linux/highmem.h>

#include "compat/compat_migrate.h"
#include "compat/compat_mm.h"
#include "control.h"
#include "migrate.h"

/* For calls that can say that there is no RAM: they are told, no OOM killer is called. */
#define MIGRATE_GFP_REPORT	(GFP_HIGHUSER_MOVABLE | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/* For pages that may as well stay where they are. */
#define MIGRATE_GFP_SPARE	(GFP_HIGHUSER_MOVABLE | __GFP_NORETRY | __GFP_NOWARN)

/* What lies in VRAM of any device. */
#define MIGRATE_SELECT_VRAM	\
	(MIGRATE_VMA_SELECT_DEVICE_PRIVATE | MIGRATE_VMA_SELECT_DEVICE_COHERENT)

/**
 * migrate_entry_pages() - how many pages an entry stands for
 * @src: entry of a page, or of a huge folio; the entries that follow are then empty
 */
static inline unsigned int migrate_entry_pages(unsigned long src)
{
	return src & MIGRATE_PFN_COMPOUND ? VRAM_BLOCK_PAGES : 1;
}

/**
 * migrate_finish() - migrate_vma_finalize(), and give back what that frees
 * @args: what was collected
 *
 * Context: as migrate_vma_finalize().
 */
static inline void migrate_finish(struct migrate_vma *args)
{
	struct vram_gather gather;

	vram_gather_begin(&gather);
	migrate_vma_finalize(args);
	vram_gather_end(&gather);
}

/**
 * migrate_copy() - copy a page
 * @vram: VRAM that one of the two is in
 * @to: where to
 * @from: where from
 *
 * Return: whether the copy is complete.
 */
static __always_inline bool migrate_copy(const struct vram *vram, void *to, const void *from)
{
	if (control_hit(CONTROL_COPY, &vram->present, NULL, 0))
		return false;
	return compat_copy_page(to, from);
}

/**
 * migrate_copy_from_system() - copy a page of system memory
 * @vram: VRAM that it goes to
 * @to: where to
 * @from: the page
 *
 * Return: whether the copy is complete.
 */
static __always_inline bool migrate_copy_from_system(const struct vram *vram, void *to,
						     struct page *from)
{
	void *data = kmap_local_page(from);
	bool ok = migrate_copy(vram, to, data);

	kunmap_local(data);
	return ok;
}

void migrate_collected(const struct vram *vram, unsigned long *src, unsigned long npages,
		       const struct mm_struct *mm, unsigned long start);
bool migrate_copy_to_vram(const struct vram *here, void *to, struct page *from,
			  unsigned int count);
int migrate_fill_system(unsigned long src, unsigned long *dst, gfp_t gfp,
			struct vm_area_struct *vma, unsigned long addr,
			struct vram_place *place);
void migrate_cross_links(const unsigned long *src, const unsigned long *dst,
			 unsigned long npages);
unsigned int migrate_left_vram(unsigned long src, unsigned long dst);

unsigned int migrate_pin(struct page *page, struct anon_vma **pin);
bool migrate_repin(struct folio *folio, struct anon_vma **pin);
void migrate_unpin(struct anon_vma *pin);

#endif
