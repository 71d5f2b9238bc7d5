/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_VRAM_MEMORY_H
#define MOCKGPU_VRAM_MEMORY_H

#include <linux/list.h>
#include <linux/types.h>

struct resource;

/**
 * struct memory_piece - a piece of real memory that is nobody else's
 * @node: on the list of its owner
 * @start: physical address
 * @bytes: size
 * @nid: node that it is on
 * @movable: it was in the zone for what can be moved
 * @system: it was taken out of the machine's memory
 */
struct memory_piece {
	struct list_head node;
	u64 start;
	u64 bytes;
	int nid;
	bool movable;
	bool system;
};

int memory_take_blocks(u64 bytes, struct list_head *pieces);
int memory_take_range(u64 start, u64 bytes, struct list_head *pieces);
void memory_give_back(struct list_head *pieces);

#endif
