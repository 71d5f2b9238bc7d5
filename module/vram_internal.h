/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * From a page to its place in VRAM, by its number, and accounts; nobody but vram*.c
 * includes this.
 */
#ifndef MOCKGPU_VRAM_INTERNAL_H
#define MOCKGPU_VRAM_INTERNAL_H

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

u64 vram_charge_left(const struct vram *vram, const struct vram_charge *charge);
void vram_charge_more(struct vram *vram, struct vram_charge *charge, unsigned int pages);
void vram_charge_less(struct vram *vram, struct vram_charge *charge);

/* The page frame number of the first page of a block. */
static inline unsigned long vram_part_pfn(const struct vram_part *part)
{
	return part->chunk->first_pfn + (part - part->chunk->parts) * VRAM_BLOCK_PAGES;
}

#endif
