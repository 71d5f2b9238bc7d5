// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Looking at VRAM: which blocks are in use, which is to make room, and how much there is.
 *
 * Locking: &vram.lock.
 */
#include <linux/spinlock.h>

#include "vram.h"
#include "vram_internal.h"

/**
 * vram_next_used() - walk the blocks that have pages in use
 * @vram: VRAM
 * @cursor: 0 to begin with; moved on
 *
 * A block that comes into use behind the cursor is not met.
 *
 * Context: any.
 * Return: the page frame number of the block's first page, or 0 at the end.
 */
unsigned long vram_next_used(struct vram *vram, unsigned long *cursor)
{
	unsigned long pfn = 0, flags;
	struct vram_chunk *chunk;
	unsigned int i;

	spin_lock_irqsave(&vram->lock, flags);
	while (!pfn && *cursor < (unsigned long)vram->nr_chunks * VRAM_CHUNK_BLOCKS) {
		chunk = vram->chunks[*cursor / VRAM_CHUNK_BLOCKS];
		i = *cursor % VRAM_CHUNK_BLOCKS;
		if (chunk->parts[i].block.used)
			pfn = chunk->first_pfn + i * VRAM_BLOCK_PAGES;
		++*cursor;
	}
	spin_unlock_irqrestore(&vram->lock, flags);
	return pfn;
}

/**
 * vram_next_victim() - choose a block that is to make room
 * @vram: VRAM
 * @spare: not one that has been used since its last turn
 * @left: how many blocks may have their turn yet; counted down
 *
 * Context: any.
 * Return: the page frame number of the block's first page, or 0 where none of them is to go.
 */
unsigned long vram_next_victim(struct vram *vram, bool spare, u64 *left)
{
	unsigned long pfn = 0, flags;
	struct vram_block *block;

	for (; !pfn && *left; --*left) {
		spin_lock_irqsave(&vram->lock, flags);
		block = vram_alloc_turn(&vram->alloc, spare);
		if (block)
			pfn = vram_part_pfn(container_of(block, struct vram_part, block));
		spin_unlock_irqrestore(&vram->lock, flags);
	}
	return pfn;
}

/**
 * vram_read_usage() - how much of VRAM is in use
 * @vram: VRAM
 * @usage: answer, all of one instant
 *
 * Context: any.
 */
void vram_read_usage(struct vram *vram, struct vram_usage *usage)
{
	unsigned long flags;

	spin_lock_irqsave(&vram->lock, flags);
	usage->used = vram->alloc.used * PAGE_SIZE;
	usage->backing = vram->backed_blocks * VRAM_BLOCK_BYTES;
	usage->mapped = min(vram->nr_chunks * VRAM_CHUNK_BYTES, vram->bytes);
	usage->visitors = vram->visitors;
	usage->moving = atomic64_read(&vram->moving) * PAGE_SIZE;
	spin_unlock_irqrestore(&vram->lock, flags);
}
