/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_VRAM_ALLOC_H
#define MOCKGPU_VRAM_ALLOC_H

#include <linux/bitmap.h>
#include <linux/bits.h>
#include <linux/list.h>
#include <linux/types.h>

/* Pages in a block: what one huge page holds, 2 MiB. */
#define VRAM_BLOCK_ORDER	9
#define VRAM_BLOCK_PAGES	((unsigned int)BIT(VRAM_BLOCK_ORDER))

/**
 * struct vram_block - a block of pages to hand out
 * @node: on one of the allocator's lists, or alone while every page is taken
 * @turn: on the allocator's clock, or alone while no page is taken
 * @used: pages that are taken
 * @whole: it may be taken as a whole
 * @referenced: it has been used since its last turn; set by anybody, without the owner's lock
 * @map: a bit for each page, set while it is taken
 */
struct vram_block {
	struct list_head node;
	struct list_head turn;
	unsigned int used;
	bool whole;
	bool referenced;
	DECLARE_BITMAP(map, VRAM_BLOCK_PAGES);
};

/**
 * struct vram_alloc - hands out pages of the blocks that it was given
 * @partial: blocks with some pages taken and some not
 * @empty: blocks with no page taken; those that may be taken as a whole first
 * @idle: likewise, those that have been so since vram_alloc_age()
 * @clock: blocks with a page taken; that whose turn it is to go first
 * @free: pages that can be had now
 * @used: pages that are taken
 *
 * Has no lock; its owner locks.
 */
struct vram_alloc {
	struct list_head partial;
	struct list_head empty;
	struct list_head idle;
	struct list_head clock;
	u64 free;
	u64 used;
};

void vram_alloc_init(struct vram_alloc *alloc);
void vram_alloc_add(struct vram_alloc *alloc, struct vram_block *block, bool whole);
void vram_alloc_remove(struct vram_alloc *alloc, struct vram_block *block);
struct vram_block *vram_alloc_pop_empty(struct vram_alloc *alloc, bool idle);
bool vram_alloc_age(struct vram_alloc *alloc);
struct vram_block *vram_alloc_get(struct vram_alloc *alloc, unsigned int want,
				  unsigned int *first, unsigned int *count);
struct vram_block *vram_alloc_get_whole(struct vram_alloc *alloc);
bool vram_alloc_put(struct vram_alloc *alloc, struct vram_block *block,
		    unsigned int first, unsigned int count);
void vram_alloc_use(struct vram_block *block);
struct vram_block *vram_alloc_turn(struct vram_alloc *alloc, bool spare);

#endif
