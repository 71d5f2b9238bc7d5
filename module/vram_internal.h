/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * From a page to its place in VRAM, by its number, what is known of it, and accounts;
 * nobody but vram*.c includes this.
 */
#ifndef MOCKGPU_VRAM_INTERNAL_H
#define MOCKGPU_VRAM_INTERNAL_H

#include <linux/bitfield.h>
#include <linux/mmzone.h>

#include "compat/compat_mm.h"
#include "vram.h"

static inline struct vram_chunk *vram_page_chunk(const struct page *page)
{
	return container_of(page_pgmap(page), struct vram_chunk, pgmap);
}

/* The block of a page, and its index in there. */
static inline struct vram_part *vram_page_part(const struct page *page, unsigned int *index)
{
	struct vram_chunk *chunk = vram_page_chunk(page);
	unsigned long offset = page_to_pfn(page) - chunk->first_pfn;

	*index = offset % VRAM_BLOCK_PAGES;
	return &chunk->parts[offset / VRAM_BLOCK_PAGES];
}

/*
 * What is known of a folio is in the word that the memory manager leaves to the driver, in
 * the folio's first page: it takes no memory, and is there before anybody but the folio's
 * taker sees it.  A CPU fault has nothing but the page to go by.
 *
 * From bit 0 on: what was in it has moved; log2 of how many pages a CPU fault brings home;
 * until when, in jiffies, it leaves the page where it is, 0 if it does not; the number of the
 * account of who took it.  All but the first is fixed; that is under the folio's lock.
 */
#define VRAM_NOTE_GONE		BIT_ULL(0)
#define VRAM_NOTE_GRANULARITY	GENMASK_ULL(4, 1)
#define VRAM_NOTE_UNTIL		GENMASK_ULL(43, 5)
#define VRAM_NOTE_CHARGE	GENMASK_ULL(63, 44)

static inline u64 vram_note(const struct page *page)
{
	return (u64)page_folio(page)->page.zone_device_data;
}

static inline void vram_set_note(struct page *page, u64 note)
{
	page->zone_device_data = (void *)note;
}

void vram_strip(struct vram *vram, struct vram_part *part);
void vram_collect_spent(struct vram *vram);
void vram_keep_init(struct vram *vram);
void vram_keep_fini(struct vram *vram);
void vram_keep(struct vram *vram);
void vram_set_callbacks(struct dev_pagemap_ops *ops);
void vram_put_pages(struct vram *vram, struct vram_part *part, unsigned int first,
		    unsigned int count, struct vram_charge *charge);
u64 vram_charge_left(const struct vram *vram, const struct vram_charge *charge);
void vram_charge_more(struct vram *vram, struct vram_charge *charge, unsigned int pages);
void vram_charge_less(struct vram *vram, struct vram_charge *charge, unsigned int pages);

/* The page frame number of the first page of a block. */
static inline unsigned long vram_part_pfn(const struct vram_part *part)
{
	return part->chunk->first_pfn + (part - part->chunk->parts) * VRAM_BLOCK_PAGES;
}

#endif
