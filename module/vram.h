/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_VRAM_H
#define MOCKGPU_VRAM_H

#include <linux/atomic.h>
#include <linux/memremap.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "vram_alloc.h"

struct coherent_pool;
struct mockgpu_stats;
struct quota;
struct resource;
struct vram_chunk;
struct vram_link;
struct vram_part;

#define VRAM_BLOCK_BYTES	(VRAM_BLOCK_PAGES * PAGE_SIZE)

/*
 * VRAM gets page structures in chunks of this size.  128 MiB is a memory
 * section, the unit in which page structures can be made and unmade without
 * sharing one with RAM.
 */
#define VRAM_CHUNK_BYTES	((u64)SZ_128M)
#define VRAM_CHUNK_BLOCKS	((unsigned int)(VRAM_CHUNK_BYTES / VRAM_BLOCK_BYTES))

/**
 * struct vram_source - where the memory of a kind of VRAM comes from
 * @type: MEMORY_DEVICE_*
 * @holds_module: the module cannot be unloaded while a page is in use
 * @claim: find a physical range of VRAM_CHUNK_BYTES and set it in the chunk's
 *	page map, and the node if it is known; may sleep; returns 0 or a negative errno
 * @release: give that range back; may sleep
 * @back: get memory that holds VRAM_BLOCK_BYTES, for a block, with @whole only if it is one
 *	folio; may sleep; returns its address, or NULL where there is none
 * @unback: give that memory back; may sleep
 * @folio: the folio of system memory that is memory which @back() returned, or NULL
 *	where that is not one folio; any context; NULL where it never is
 * @is_short: whether memory behind empty blocks is wanted back at once; any
 *	context; NULL where it never is
 */
struct vram_source {
	enum memory_type type;
	bool holds_module;
	int (*claim)(struct vram_chunk *chunk);
	void (*release)(struct vram_chunk *chunk);
	void *(*back)(struct vram_part *part, bool whole);
	void (*unback)(void *data);
	struct folio *(*folio)(void *data);
	bool (*is_short)(void);
};

/* With CONFIG_DEVICE_PRIVATE only. */
extern const struct vram_source vram_private;
extern const struct vram_source vram_coherent;

/**
 * struct vram_supply - what a device's VRAM is to be made of
 * @source: where it comes from
 * @pool: memory for &vram_coherent, or NULL
 * @bytes: how large it may get, a multiple of VRAM_BLOCK_BYTES
 * @link: what bytes cross on their way there
 */
struct vram_supply {
	const struct vram_source *source;
	struct coherent_pool *pool;
	u64 bytes;
	struct vram_link *link;
};

/**
 * struct vram_charge - how much VRAM one client's calls have taken
 * @quota: what the client's user has; fixed, and held
 * @id: its number, by which its pages know it; fixed
 * @pages: pages in use; under &vram.lock
 * @open: the client is still there; under &vram.lock
 *
 * Lives until both the client and the last of its pages have gone.
 */
struct vram_charge {
	struct quota *quota;
	u32 id;
	u64 pages;
	bool open;
};

/**
 * struct vram_part - a block of pages and what stands behind them
 * @block: which of them are taken; under &vram.lock
 * @chunk: chunk that it is part of; fixed
 * @data: memory behind the pages, or NULL; written under &vram.grow_lock while
 *	no page is taken, so that whoever holds a page can read it; and by
 *	vram_give_backing(), whose caller has taken the only folio out of use
 */
struct vram_part {
	struct vram_block block;
	struct vram_chunk *chunk;
	void *data;
};

/**
 * struct vram_chunk - a range of VRAM that has page structures
 * @pgmap: what the memory manager knows of it
 * @vram: VRAM that it is part of; fixed
 * @res: physical range, for the source
 * @nid: node that it is on
 * @first_pfn: page frame number of the first page; fixed
 * @parts: its blocks
 */
struct vram_chunk {
	struct dev_pagemap pgmap;
	struct vram *vram;
	struct resource *res;
	int nid;
	unsigned long first_pfn;
	struct vram_part parts[VRAM_CHUNK_BLOCKS];
};

/**
 * struct vram - the memory of one device
 * @source: where it comes from; fixed
 * @pool: memory for @source, if that wants some; fixed
 * @link: what bytes cross on their way there; fixed
 * @pgmap_ops: callbacks of all its page maps; fixed
 * @stats: counters of the device; fixed
 * @index: number of the device; fixed
 * @present: the same, and -1 once its memory has gone: another may have the number then
 * @bytes: how large it may get; fixed
 * @moving: pages that were taken for a migration which is not over, and those that an
 *	eviction is about to free: they are neither free nor can they be evicted
 * @lock: protects what says so; taken in the free callback, that is under page
 *	table locks, so with interrupts off
 * @alloc: which pages are taken; under @lock
 * @spent: blocks that gave the memory behind them away and are to become bare;
 *	under @lock
 * @backed_blocks: blocks that have memory behind them; under @lock
 * @closed: no page can be had any more; written under @lock and @grow_lock
 * @visitors: who looks at page structures without a page that keeps them: vram_enter();
 *	under @lock
 * @charges: accounts of those who took pages, by number; found under @lock
 * @nr_chunks: chunks that exist; written under @lock and @grow_lock
 * @grow_lock: protects growth and shrinkage; the outermost lock here, taken
 *	without any lock of the memory manager held
 * @chunks: room for the chunks; entries below @nr_chunks are fixed
 * @bare: blocks with nothing behind them; under @grow_lock
 * @shrink: gives memory behind empty blocks back, some time after they became
 *	empty
 * @keeper: on the list of vram_keep.c
 */
struct vram {
	const struct vram_source *source;
	struct coherent_pool *pool;
	struct vram_link *link;
	struct dev_pagemap_ops pgmap_ops;
	struct mockgpu_stats *stats;
	unsigned int index;
	int present;
	u64 bytes;
	atomic64_t moving;

	spinlock_t lock; /* for what follows */
	struct vram_alloc alloc;
	struct list_head spent;
	u64 backed_blocks;
	bool closed;
	unsigned int visitors;
	struct xarray charges;
	unsigned int nr_chunks;

	struct mutex grow_lock; /* for what follows */
	struct vram_chunk **chunks;
	struct list_head bare;
	struct delayed_work shrink;
	struct list_head keeper;
};

/**
 * struct vram_usage - gauges of a device's memory, in bytes
 * @used: holds data
 * @backing: RAM behind it
 * @mapped: has page structures
 * @moving: will be in use, or free, when a migration or an eviction is over
 * @visitors: how many look at it: vram_enter(); not bytes
 */
struct vram_usage {
	u64 used;
	u64 backing;
	u64 mapped;
	u64 moving;
	unsigned int visitors;
};

int vram_init(struct vram *vram, const struct vram_supply *supply, unsigned int index,
	      vm_fault_t (*migrate_to_ram)(struct vm_fault *vmf), struct mockgpu_stats *stats);
bool vram_enter(struct vram *vram);
void vram_leave(struct vram *vram);
void vram_close(struct vram *vram);
void vram_fini(struct vram *vram);
unsigned long vram_release_kept(void);

struct vram_charge *vram_charge_create(struct vram *vram, struct quota *quota);
void vram_charge_close(struct vram *vram, struct vram_charge *charge);
u64 vram_may_take(struct vram *vram, struct vram_charge *charge);
u64 vram_charge_pages(struct vram *vram, struct vram_charge *charge);

unsigned int vram_get_pages(struct vram *vram, struct vram_charge *charge, unsigned int want,
			    struct page **pages, int *why);
bool vram_can_huge(const struct vram *vram);
bool vram_get_huge(struct vram *vram, struct vram_charge *charge, struct page **pages);
void vram_put_unused(struct vram *vram, struct vram_charge *charge, struct page **pages,
		     unsigned int used, unsigned int count);

/**
 * struct vram_gather - pages that become free by what a thread does, to be given back at once
 * @part: block that they are in, or NULL
 * @first: index of the first
 * @count: how many
 * @note: what is known of them
 * @next: page that would go with them, or NULL
 */
struct vram_gather {
	struct vram_part *part;
	unsigned int first;
	unsigned int count;
	u64 note;
	struct page *next;
};

void vram_gather_begin(struct vram_gather *gather);
void vram_gather_end(struct vram_gather *gather);

/**
 * struct vram_stay - how pages are to stay in VRAM
 * @charge: client that took them
 * @granularity: log2 of how many pages a CPU fault on one of them brings home
 * @slice_ms: for how many milliseconds a CPU fault leaves them where they are
 */
struct vram_stay {
	const struct vram_charge *charge;
	u8 granularity;
	unsigned int slice_ms;
};

/**
 * struct vram_place - where pages of VRAM are, for who works on many, one after another
 * @first: first page of the block that the last one was in, or NULL
 * @data: memory behind that block
 * @chunk: chunk that it is part of
 *
 * Pages must be in use, or taken, as long as they are asked for by the same place.
 */
struct vram_place {
	struct page *first;
	void *data;
	struct vram_chunk *chunk;
};

void vram_place_find(struct vram_place *place, struct page *page);
u64 vram_note_make(const struct vram_stay *stay);
void vram_folio_init(struct vram_place *place, struct page *page, unsigned int order, u64 note);
struct folio *vram_lend_backing(struct page *page);
void vram_give_backing(struct page *page, struct folio *to);

void *vram_owner(void);
bool vram_is_ours(const struct page *page);
bool vram_is_coherent(const struct vram *vram);
struct vram *vram_of_page(const struct page *page);
void *vram_page_data(const struct page *page);
u8 vram_page_granularity(const struct page *page);
bool vram_page_is_held(const struct page *page);
void vram_page_used(const struct page *page);
bool vram_page_is_gone(const struct page *page);
void vram_page_left(struct page *page);
unsigned long vram_next_used(struct vram *vram, unsigned long *cursor);
unsigned long vram_next_victim(struct vram *vram, bool spare, u64 *left);
void vram_read_usage(struct vram *vram, struct vram_usage *usage);

/**
 * vram_place_data() - vram_page_data() for one of many pages
 * @place: place, all 0 to begin with
 * @page: page that is taken
 *
 * Return: address of PAGE_SIZE bytes.
 */
static inline void *vram_place_data(struct vram_place *place, struct page *page)
{
	unsigned long offset = (unsigned long)page - (unsigned long)place->first;

	if (offset >= VRAM_BLOCK_PAGES * sizeof(*page)) {
		vram_place_find(place, page);
		offset = (unsigned long)page - (unsigned long)place->first;
	}
	return place->data + offset / sizeof(*page) * PAGE_SIZE;
}

/**
 * vram_place_of() - vram_of_page() for one of many pages
 * @place: place, all 0 to begin with
 * @page: page of this driver's
 */
static inline struct vram *vram_place_of(struct vram_place *place, struct page *page)
{
	vram_place_data(place, page);
	return place->chunk->vram;
}

/**
 * vram_has_page() - whether a page that is mapped is one of this driver's VRAM
 * @page: page that the caller holds, or whose mapping it keeps from being invalidated
 *
 * Coherent memory is mapped like any other: it may be another driver's.
 */
static inline bool vram_has_page(const struct page *page)
{
	/* Most are not: this is asked of every page that moves. */
	return is_zone_device_page(page) && vram_is_ours(page);
}

/**
 * vram_place_has() - vram_has_page() for one of many pages
 * @place: place, all 0 to begin with
 * @page: as there
 *
 * Return: whether it is; @place->chunk is then the chunk that it is in.
 */
static inline bool vram_place_has(struct vram_place *place, struct page *page)
{
	unsigned long offset = (unsigned long)page - (unsigned long)place->first;

	if (offset < VRAM_BLOCK_PAGES * sizeof(*page))
		return true;
	if (!vram_has_page(page))
		return false;
	vram_place_find(place, page);
	return true;
}

#endif
