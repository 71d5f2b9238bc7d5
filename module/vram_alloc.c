// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Which pages of VRAM are taken.
 *
 * A pure data structure: it knows blocks of 512 pages and bits, nothing of page
 * structures or of the RAM behind them.  Its owner gives it blocks when it has
 * put something behind them and takes empty ones away again.
 *
 * Pages come from blocks that are in use already as long as there are any, so
 * that others become empty and can be given back.
 *
 * Where room has to be made, blocks take turns, the one first of which pages were taken
 * last longest ago.  One that was used since its last turn gets a second chance.
 *
 * Locking: the owner's; every function here must be serialised by it, but
 * vram_alloc_use().  None sleeps or allocates.
 */
#include <linux/bug.h>
#include <linux/compiler.h>

#include "vram_alloc.h"

/**
 * vram_alloc_init() - start with no blocks
 * @alloc: allocator
 */
void vram_alloc_init(struct vram_alloc *alloc)
{
	INIT_LIST_HEAD(&alloc->partial);
	INIT_LIST_HEAD(&alloc->empty);
	INIT_LIST_HEAD(&alloc->idle);
	INIT_LIST_HEAD(&alloc->clock);
	alloc->free = 0;
	alloc->used = 0;
}

/* Those that are of use to few stand where only those look who have use for them. */
static void vram_alloc_list_empty(struct vram_alloc *alloc, struct vram_block *block)
{
	if (block->whole)
		list_move(&block->node, &alloc->empty);
	else
		list_move_tail(&block->node, &alloc->empty);
}

/**
 * vram_alloc_add() - give the allocator a block
 * @alloc: allocator
 * @block: block that is on no list; all its pages count as free
 * @whole: whether vram_alloc_get_whole() may hand it out
 */
void vram_alloc_add(struct vram_alloc *alloc, struct vram_block *block, bool whole)
{
	bitmap_zero(block->map, VRAM_BLOCK_PAGES);
	block->used = 0;
	block->whole = whole;
	INIT_LIST_HEAD(&block->node);
	INIT_LIST_HEAD(&block->turn);
	vram_alloc_list_empty(alloc, block);
	alloc->free += VRAM_BLOCK_PAGES;
}

/**
 * vram_alloc_remove() - take a certain empty block away from the allocator
 * @alloc: allocator
 * @block: block with no page taken; on no list afterwards
 */
void vram_alloc_remove(struct vram_alloc *alloc, struct vram_block *block)
{
	list_del_init(&block->node);
	alloc->free -= VRAM_BLOCK_PAGES;
}

/**
 * vram_alloc_pop_empty() - take an empty block away from the allocator
 * @alloc: allocator
 * @idle: only one that vram_alloc_age() found empty
 *
 * Return: a block that is on no list now, or NULL where there is none.
 */
struct vram_block *vram_alloc_pop_empty(struct vram_alloc *alloc, bool idle)
{
	struct vram_block *block;

	block = list_first_entry_or_null(&alloc->idle, struct vram_block, node);
	if (!block && !idle)
		block = list_first_entry_or_null(&alloc->empty, struct vram_block, node);
	if (block)
		vram_alloc_remove(alloc, block);
	return block;
}

/**
 * vram_alloc_age() - take note of which blocks are empty
 * @alloc: allocator with none that vram_alloc_pop_empty() would find idle
 *
 * Return: whether any is.
 */
bool vram_alloc_age(struct vram_alloc *alloc)
{
	list_splice_init(&alloc->empty, &alloc->idle);
	return !list_empty(&alloc->idle);
}

/* Pages of a block have been taken: of all blocks, its turn comes last. */
static void vram_alloc_took(struct vram_alloc *alloc, struct vram_block *block)
{
	vram_alloc_use(block);
	list_move_tail(&block->turn, &alloc->clock);
}

/**
 * vram_alloc_get() - take a run of pages
 * @alloc: allocator
 * @want: pages wanted, at least 1
 * @first: index in the block of the first page taken
 * @count: pages taken, from 1 to @want, one after the other
 *
 * Return: the block, or NULL where no page is free.
 */
struct vram_block *vram_alloc_get(struct vram_alloc *alloc, unsigned int want,
				  unsigned int *first, unsigned int *count)
{
	struct vram_block *block;
	unsigned long start, end;

	block = list_first_entry_or_null(&alloc->partial, struct vram_block, node);
	if (!block && !list_empty(&alloc->empty))
		block = list_last_entry(&alloc->empty, struct vram_block, node);
	if (!block && !list_empty(&alloc->idle))
		block = list_last_entry(&alloc->idle, struct vram_block, node);
	if (!block)
		return NULL;

	start = find_first_zero_bit(block->map, VRAM_BLOCK_PAGES);
	end = find_next_bit(block->map, VRAM_BLOCK_PAGES, start + 1);
	if (end > start + want)
		end = start + want;

	bitmap_set(block->map, start, end - start);
	block->used += end - start;
	alloc->used += end - start;
	alloc->free -= end - start;

	if (block->used == VRAM_BLOCK_PAGES)
		list_del_init(&block->node);
	else
		list_move(&block->node, &alloc->partial);
	vram_alloc_took(alloc, block);

	*first = start;
	*count = end - start;
	return block;
}

/**
 * vram_alloc_get_whole() - take all pages of a block
 * @alloc: allocator
 *
 * Return: the block, or NULL where none is empty that may be taken as a whole.
 */
struct vram_block *vram_alloc_get_whole(struct vram_alloc *alloc)
{
	struct vram_block *block;

	block = list_first_entry_or_null(&alloc->empty, struct vram_block, node);
	if (!block || !block->whole)
		block = list_first_entry_or_null(&alloc->idle, struct vram_block, node);
	if (!block || !block->whole)
		return NULL;

	bitmap_fill(block->map, VRAM_BLOCK_PAGES);
	block->used = VRAM_BLOCK_PAGES;
	alloc->used += VRAM_BLOCK_PAGES;
	alloc->free -= VRAM_BLOCK_PAGES;
	list_del_init(&block->node);
	vram_alloc_took(alloc, block);
	return block;
}

/**
 * vram_alloc_put() - give pages back
 * @alloc: allocator
 * @block: block that they were taken from
 * @first: index of the first page
 * @count: pages
 *
 * Return: whether the block is empty now.
 */
bool vram_alloc_put(struct vram_alloc *alloc, struct vram_block *block,
		    unsigned int first, unsigned int count)
{
	if (WARN_ON_ONCE(find_next_zero_bit(block->map, first + count, first) < first + count))
		return false;

	bitmap_clear(block->map, first, count);
	block->used -= count;
	alloc->used -= count;
	alloc->free += count;

	if (!block->used) {
		list_del_init(&block->turn);
		vram_alloc_list_empty(alloc, block);
		return true;
	}
	/* A block that was full is on no list; to move it is to add it. */
	list_move(&block->node, &alloc->partial);
	return false;
}

/**
 * vram_alloc_use() - a page of a block is used
 * @block: block that the page was taken from
 *
 * Context: any; without the owner's lock.
 */
void vram_alloc_use(struct vram_block *block)
{
	if (!READ_ONCE(block->referenced))
		WRITE_ONCE(block->referenced, true);
}

/**
 * vram_alloc_turn() - let one block have its turn
 * @alloc: allocator
 * @spare: it need not go if it has been used since its last turn
 *
 * Its next turn comes after those of all others.
 *
 * Return: the block, if it is to go; or NULL: it is spared, or there is none.
 */
struct vram_block *vram_alloc_turn(struct vram_alloc *alloc, bool spare)
{
	struct vram_block *block;
	bool referenced;

	block = list_first_entry_or_null(&alloc->clock, struct vram_block, turn);
	if (!block)
		return NULL;
	list_move_tail(&block->turn, &alloc->clock);
	referenced = READ_ONCE(block->referenced);
	WRITE_ONCE(block->referenced, false);
	return referenced && spare ? NULL : block;
}
