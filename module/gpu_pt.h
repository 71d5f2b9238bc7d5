/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_GPU_PT_H
#define MOCKGPU_GPU_PT_H

#include <linux/bits.h>
#include <linux/types.h>

/*
 * An entry of the device's page table: a page frame number, rights below it, and a
 * count of touches above it.  0 is no entry.
 */
#define GPU_PTE_VALID	BIT_ULL(0)
#define GPU_PTE_WRITE	BIT_ULL(1)
#define GPU_PTE_VRAM	BIT_ULL(2)
#define GPU_PTE_ATOMIC	BIT_ULL(3)
#define GPU_PTE_HUGE	BIT_ULL(4)	/* one entry for GPU_PT_LEAF_BYTES */
#define GPU_PTE_SHIFT	12
#define GPU_PTE_PFN	GENMASK_ULL(51, GPU_PTE_SHIFT)
/* Whether reading is a touch as well. */
#define GPU_PTE_READS	BIT_ULL(55)
/* Touches until the owner wants to be asked: 1 the next one, 0 none of them. */
#define GPU_PTE_LEFT	GENMASK_ULL(62, 56)
#define GPU_PTE_LEFT_ONE BIT_ULL(56)
#define GPU_PTE_COUNTS	(GPU_PTE_LEFT | GPU_PTE_READS)

/* Bits of an address that each level of the table translates, and how many levels. */
#define GPU_PT_LEVEL_BITS	9
#define GPU_PT_LEVELS		5

/* What one table of the lowest level maps, in bytes. */
#define GPU_PT_LEAF_BYTES	(1UL << (GPU_PTE_SHIFT + GPU_PT_LEVEL_BITS))

union gpu_pt_slot;

/**
 * struct gpu_pt - page table of a device for one address space
 * @root: table of the highest level, or NULL
 */
struct gpu_pt {
	union gpu_pt_slot *root;
};

/**
 * struct gpu_pt_stash - tables to be put in, allocated beforehand
 * @count: tables in it
 * @table: the tables
 */
struct gpu_pt_stash {
	unsigned int count;
	union gpu_pt_slot *table[GPU_PT_LEVELS];
};

static inline unsigned long gpu_pte_pfn(u64 pte)
{
	return (pte & GPU_PTE_PFN) >> GPU_PTE_SHIFT;
}

void gpu_pt_init(struct gpu_pt *pt);
void gpu_pt_fini(struct gpu_pt *pt);
u64 gpu_pt_get(const struct gpu_pt *pt, u64 addr);
const u64 *gpu_pt_leaf(const struct gpu_pt *pt, u64 addr);
unsigned int gpu_pt_missing(const struct gpu_pt *pt, u64 addr);
int gpu_pt_stash_fill(struct gpu_pt_stash *stash, unsigned int count);
void gpu_pt_stash_drop(struct gpu_pt_stash *stash);
int gpu_pt_set(struct gpu_pt *pt, struct gpu_pt_stash *stash, u64 addr, u64 pte);
bool gpu_pt_count(struct gpu_pt *pt, u64 addr);
unsigned long gpu_pt_clear(struct gpu_pt *pt, u64 start, u64 end);

#endif
