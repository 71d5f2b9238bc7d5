// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The page table of the device: 57 bits of virtual address, five levels.
 *
 * A pure data structure: it knows numbers, nothing of mm.  Tables are never
 * allocated here where an entry is set, as that happens under a lock that
 * reclaim may want: the caller finds out beforehand how many are missing,
 * brings them along in a stash, and keeps what was not needed.
 *
 * An entry maps a page, or all that a table of the lowest level would map and
 * stands in that table's place.  It is not split: where a part of what it maps
 * changes, all of it goes.
 *
 * Tables are freed when a range is cleared that covers all that they map.
 *
 * Locking: the owner's, over everything but the stash, which belongs to its
 * caller; for translation and counts it may be shared.  Only gpu_pt_stash_fill() sleeps.
 */
#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/slab.h>

#include "gpu_pt.h"

#define SLOTS		BIT(GPU_PT_LEVEL_BITS)
#define ADDR_BITS	(GPU_PTE_SHIFT + GPU_PT_LEVELS * GPU_PT_LEVEL_BITS)

/*
 * A slot holds a table of the level below, or on level 0 an entry, or on level 1
 * either of them: a pointer has no GPU_PTE_VALID.
 */
union gpu_pt_slot {
	union gpu_pt_slot *table;
	u64 pte;
};

/* Bits of an address below those that @level translates. */
static unsigned int level_shift(unsigned int level)
{
	return GPU_PTE_SHIFT + level * GPU_PT_LEVEL_BITS;
}

static unsigned int slot_index(u64 addr, unsigned int level)
{
	return (addr >> level_shift(level)) & (SLOTS - 1);
}

static bool slot_is_huge(const union gpu_pt_slot *slot, unsigned int level)
{
	return level == 1 && (slot->pte & GPU_PTE_VALID);
}

static union gpu_pt_slot *table_alloc(void)
{
	/* As many as the user touches addresses: charged to who does. */
	return kcalloc(SLOTS, sizeof(union gpu_pt_slot), GFP_KERNEL_ACCOUNT);
}

static void table_free(union gpu_pt_slot *table, unsigned int level)
{
	unsigned int i;

	if (!table)
		return;
	for (i = 0; level && i < SLOTS; i++) {
		if (!slot_is_huge(&table[i], level))
			table_free(table[i].table, level - 1);
	}
	kfree(table);
}

/**
 * gpu_pt_init() - start with no entries
 * @pt: page table
 */
void gpu_pt_init(struct gpu_pt *pt)
{
	pt->root = NULL;
}

/**
 * gpu_pt_fini() - free all tables
 * @pt: page table; as after gpu_pt_init() afterwards
 */
void gpu_pt_fini(struct gpu_pt *pt)
{
	table_free(pt->root, GPU_PT_LEVELS - 1);
	pt->root = NULL;
}

/* The slot that has the entry of an address, or NULL where no table leads to one. */
static union gpu_pt_slot *slot_find(const struct gpu_pt *pt, u64 addr)
{
	union gpu_pt_slot *table = pt->root, *slot = NULL;
	unsigned int level = GPU_PT_LEVELS;

	if (addr >> ADDR_BITS)
		return NULL;
	while (table && level--) {
		slot = &table[slot_index(addr, level)];
		if (!level || slot_is_huge(slot, level))
			return slot;
		table = slot->table;
	}
	return NULL;
}

/**
 * gpu_pt_get() - translate an address
 * @pt: page table
 * @addr: any address
 *
 * Return: the entry, with the page frame number of just this page, or 0 where there
 * is none.
 */
u64 gpu_pt_get(const struct gpu_pt *pt, u64 addr)
{
	const union gpu_pt_slot *slot = slot_find(pt, addr);
	u64 pte = slot ? READ_ONCE(slot->pte) : 0;

	if (pte & GPU_PTE_HUGE)
		pte += (u64)slot_index(addr, 0) << GPU_PTE_SHIFT;
	return pte;
}

/**
 * gpu_pt_leaf() - find the entries of an address and of those around it
 * @pt: page table
 * @addr: any address
 *
 * For who translates many addresses.
 *
 * Return: the entries of the GPU_PT_LEAF_BYTES that it is in, as long as none of them is
 * cleared; or NULL where they all have none, or share one: gpu_pt_get() says which.
 */
const u64 *gpu_pt_leaf(const struct gpu_pt *pt, u64 addr)
{
	const union gpu_pt_slot *slot = slot_find(pt, addr);

	if (!slot || (slot->pte & GPU_PTE_HUGE))
		return NULL;
	return &slot->pte - slot_index(addr, 0);
}

/**
 * gpu_pt_count() - count a touch
 * @pt: page table
 * @addr: address that has an entry
 *
 * Context: others may count, and translate, at the same time.
 * Return: false, and nothing is counted, where only the last touch is left, or none.
 */
bool gpu_pt_count(struct gpu_pt *pt, u64 addr)
{
	u64 *pte = &slot_find(pt, addr)->pte, old = READ_ONCE(*pte);

	do {
		if ((old & GPU_PTE_LEFT) <= GPU_PTE_LEFT_ONE)
			return false;
	} while (!try_cmpxchg64(pte, &old, old - GPU_PTE_LEFT_ONE));
	return true;
}

/**
 * gpu_pt_missing() - how many tables an entry would need that do not exist
 * @pt: page table
 * @addr: address of the entry
 *
 * Return: 0 to GPU_PT_LEVELS.
 */
unsigned int gpu_pt_missing(const struct gpu_pt *pt, u64 addr)
{
	const union gpu_pt_slot *table = pt->root, *slot;
	unsigned int level = GPU_PT_LEVELS - 1;

	if (!table)
		return GPU_PT_LEVELS;
	for (; level; level--) {
		slot = &table[slot_index(addr, level)];
		if (slot_is_huge(slot, level) || !slot->table)
			return level;
		table = slot->table;
	}
	return 0;
}

/**
 * gpu_pt_stash_fill() - allocate tables
 * @stash: stash
 * @count: how many it shall hold, up to GPU_PT_LEVELS
 *
 * Context: may sleep; no lock held that reclaim or a notifier takes.
 * Return: 0 or -ENOMEM; the stash may hold some then.
 */
int gpu_pt_stash_fill(struct gpu_pt_stash *stash, unsigned int count)
{
	while (stash->count < count) {
		union gpu_pt_slot *table = table_alloc();

		if (!table)
			return -ENOMEM;
		stash->table[stash->count++] = table;
	}
	return 0;
}

/**
 * gpu_pt_stash_drop() - free what a stash still holds
 * @stash: stash; empty afterwards
 */
void gpu_pt_stash_drop(struct gpu_pt_stash *stash)
{
	while (stash->count)
		kfree(stash->table[--stash->count]);
}

/**
 * gpu_pt_set() - set an entry
 * @pt: page table
 * @stash: tables for the levels that do not exist yet; used ones are taken out
 * @addr: address
 * @pte: entry; with GPU_PTE_HUGE, @addr and its page frame number are those of the
 *	first page that it maps
 *
 * Takes the place of whatever was there.
 *
 * Return: 0, -EBUSY (the stash has too few tables, as where a large entry took the place of one
 * since it was filled; no entry was set), or -EFAULT (an address that the device cannot
 * translate).
 */
int gpu_pt_set(struct gpu_pt *pt, struct gpu_pt_stash *stash, u64 addr, u64 pte)
{
	unsigned int level = GPU_PT_LEVELS - 1, last = pte & GPU_PTE_HUGE ? 1 : 0;
	union gpu_pt_slot **table = &pt->root, *slot;

	if (addr >> ADDR_BITS)
		return -EFAULT;
	for (;; level--) {
		if (!*table) {
			if (!stash->count)
				return -EBUSY;
			*table = stash->table[--stash->count];
		}
		slot = &(*table)[slot_index(addr, level)];
		if (level == last)
			break;
		if (slot_is_huge(slot, level)) {
			if (!stash->count)
				return -EBUSY;
			slot->pte = 0;
		}
		table = &slot->table;
	}
	if (level && !slot_is_huge(slot, level))
		table_free(slot->table, level - 1);
	slot->pte = pte;
	return 0;
}

/* Clear [@start, @last] below @table, whose first slot maps @base. */
static unsigned long table_clear(union gpu_pt_slot *table, unsigned int level, u64 base,
				 u64 start, u64 last)
{
	unsigned int shift = level_shift(level);
	u64 first = max(start, base), end = min(last, base + ((u64)SLOTS << shift) - 1);
	unsigned int i = slot_index(first, level), stop = slot_index(end, level);
	unsigned long cleared = 0;

	for (; i <= stop; i++) {
		u64 slot_base = base + ((u64)i << shift);
		u64 slot_last = slot_base + (1ULL << shift) - 1;

		if (!level) {
			cleared += !!table[i].pte;
			table[i].pte = 0;
			continue;
		}
		if (slot_is_huge(&table[i], level)) {
			cleared += SLOTS;
			table[i].pte = 0;
			continue;
		}
		if (!table[i].table)
			continue;
		cleared += table_clear(table[i].table, level - 1, slot_base, start, last);
		if (start <= slot_base && slot_last <= last) {
			table_free(table[i].table, level - 1);
			table[i].table = NULL;
		}
	}
	return cleared;
}

/* Clear [@start, @last], which is part of what one table of the lowest level maps. */
static unsigned long leaf_clear(const struct gpu_pt *pt, u64 start, u64 last)
{
	union gpu_pt_slot *slot = slot_find(pt, start), *end;
	unsigned long cleared = 0;

	if (!slot)
		return 0;
	if (slot->pte & GPU_PTE_HUGE) {
		slot->pte = 0;
		return SLOTS;
	}
	end = slot + ((last >> GPU_PTE_SHIFT) - (start >> GPU_PTE_SHIFT));
	for (; slot <= end; slot++) {
		cleared += !!slot->pte;
		slot->pte = 0;
	}
	return cleared;
}

/**
 * gpu_pt_clear() - remove all entries of a range
 * @pt: page table
 * @start: first address
 * @end: address behind the last; may be as large as U64_MAX
 *
 * Entries that map other pages as well go whole.
 *
 * Return: how many pages had an entry.
 */
unsigned long gpu_pt_clear(struct gpu_pt *pt, u64 start, u64 end)
{
	u64 last = min(end - 1, (1ULL << ADDR_BITS) - 1);

	if (!pt->root || start > last)
		return 0;
	/* Most changes are of few pages: no table goes. */
	if (start / GPU_PT_LEAF_BYTES == last / GPU_PT_LEAF_BYTES &&
	    last - start < GPU_PT_LEAF_BYTES - 1)
		return leaf_clear(pt, start, last);
	return table_clear(pt->root, GPU_PT_LEVELS - 1, 0, start, last);
}
