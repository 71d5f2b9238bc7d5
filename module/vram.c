// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * VRAM: device pages, and what stands behind each of them.
 *
 * VRAM grows on demand, in two steps.  Page structures are made for 128 MiB at
 * a time (a chunk), memory is put behind them for 2 MiB at a time (a block).
 * So a device that is declared large costs nothing until it is used.  Memory
 * behind a block is given back some time after the last of its pages became
 * free (vram_keep.c); page structures stay until the device goes.
 *
 * What is behind a page is found from its page frame number: chunk, block,
 * offset.  The page structure is not used for it, as its driver word does not
 * survive being a tail page; that has what is known of a folio as a whole.
 *
 * There is no policy here: not which page moves, and not what to do when VRAM
 * is full.
 *
 * Locking: &vram.grow_lock is for what allocates memory and page structures.
 * It must not be taken under mmap_lock: making page structures takes the memory
 * hotplug lock.  Pages are therefore taken before a migration starts, and
 * those that it did not need are put back.  &vram.lock is for who has which
 * page; the free callback, in vram_free.c, takes it under page table locks.
 */
#include <linux/module.h>
#include <linux/slab.h>

#include "compat/compat_misc.h"
#include "compat/compat_mm.h"
#include "control.h"
#include "event.h"
#include "mockgpu_drm.h"
#include "vram.h"
#include "vram_internal.h"

/* All devices' page maps have one owner, so that they can reach each other's pages. */
static char vram_owner_cookie;

/**
 * vram_owner() - the owner of every page map of this driver
 *
 * Return: value for &dev_pagemap.owner and whatever is compared with it.
 */
void *vram_owner(void)
{
	return &vram_owner_cookie;
}

/**
 * vram_put_pages() - pages have become free, or were never used
 * @vram: VRAM
 * @part: block that they are in
 * @first: index of the first
 * @count: how many
 * @charge: account of who took them
 *
 * Context: &vram.lock held.
 */
void vram_put_pages(struct vram *vram, struct vram_part *part, unsigned int first,
		    unsigned int count, struct vram_charge *charge)
{
	bool whole;

	lockdep_assert_held(&vram->lock);

	vram_charge_less(vram, charge, count);
	whole = vram_alloc_put(&vram->alloc, &part->block, first, count);
	if (!vram->alloc.used && vram->source->holds_module)
		module_put(THIS_MODULE);
	if (!whole)
		return;
	if (!part->data) {
		vram_alloc_remove(&vram->alloc, &part->block);
		list_add(&part->block.node, &vram->spent);
	}
	vram_keep(vram);
}

/* Make page structures for one more chunk; its blocks are bare. */
static int vram_add_chunk(struct vram *vram)
{
	u64 left = vram->bytes - vram->nr_chunks * VRAM_CHUNK_BYTES;
	unsigned int blocks = min(left, VRAM_CHUNK_BYTES) / VRAM_BLOCK_BYTES;
	struct vram_chunk *chunk;
	unsigned int i;
	void *addr;
	int ret;

	lockdep_assert_held(&vram->grow_lock);

	if (control_no_memory())
		return -ENOMEM;
	chunk = kvzalloc(sizeof(*chunk), GFP_KERNEL);
	if (!chunk)
		return -ENOMEM;
	chunk->vram = vram;
	chunk->nid = numa_mem_id();
	chunk->pgmap.type = vram->source->type;
	chunk->pgmap.ops = &vram->pgmap_ops;
	chunk->pgmap.owner = vram_owner();
	chunk->pgmap.nr_range = 1;

	ret = vram->source->claim(chunk);
	if (ret)
		goto err_free;
	chunk->first_pfn = PHYS_PFN(chunk->pgmap.range.start);

	addr = memremap_pages(&chunk->pgmap, chunk->nid);
	if (IS_ERR(addr)) {
		ret = PTR_ERR(addr);
		goto err_release;
	}

	for (i = 0; i < blocks; i++) {
		chunk->parts[i].chunk = chunk;
		list_add_tail(&chunk->parts[i].block.node, &vram->bare);
	}
	vram->chunks[vram->nr_chunks] = chunk;
	spin_lock_irq(&vram->lock);
	vram->nr_chunks++;
	spin_unlock_irq(&vram->lock);
	return 0;

err_release:
	vram->source->release(chunk);
err_free:
	kvfree(chunk);
	return ret;
}

static void vram_remove_chunk(struct vram *vram, struct vram_chunk *chunk)
{
	unsigned int i;

	memunmap_pages(&chunk->pgmap);
	vram->source->release(chunk);
	for (i = 0; i < VRAM_CHUNK_BLOCKS; i++) {
		if (chunk->parts[i].data)
			vram->source->unback(chunk->parts[i].data);
	}
	kvfree(chunk);
}

/**
 * vram_strip() - a block has nothing behind it any more
 * @vram: VRAM
 * @part: block
 *
 * Context: &vram.grow_lock held.
 */
void vram_strip(struct vram *vram, struct vram_part *part)
{
	lockdep_assert_held(&vram->grow_lock);

	list_move(&part->block.node, &vram->bare);
}

/**
 * vram_collect_spent() - take note of blocks that gave the memory behind them away
 * @vram: VRAM
 *
 * Context: &vram.grow_lock held.
 */
void vram_collect_spent(struct vram *vram)
{
	struct vram_part *part, *next;
	LIST_HEAD(spent);

	lockdep_assert_held(&vram->grow_lock);

	spin_lock_irq(&vram->lock);
	list_splice_init(&vram->spent, &spent);
	spin_unlock_irq(&vram->lock);
	list_for_each_entry_safe(part, next, &spent, block.node)
		vram_strip(vram, part);
}

/* Put memory behind one more block; with @whole, only a folio. */
static int vram_grow_locked(struct vram *vram, bool whole)
{
	struct vram_part *part;
	int ret;

	lockdep_assert_held(&vram->grow_lock);

	vram_collect_spent(vram);
	if (list_empty(&vram->bare)) {
		if (vram->nr_chunks * VRAM_CHUNK_BYTES >= vram->bytes)
			return -ENOSPC;
		ret = vram_add_chunk(vram);
		if (ret)
			return -ENOMEM;
	}

	part = list_first_entry(&vram->bare, struct vram_part, block.node);
	part->data = vram->source->back(part, whole);
	/* Others may have some that nobody uses. */
	if (!part->data && !whole && vram->source->is_short && vram->source->is_short() &&
	    vram_release_kept())
		part->data = vram->source->back(part, whole);
	if (!part->data)
		return -ENOMEM;

	list_del_init(&part->block.node);
	spin_lock_irq(&vram->lock);
	vram_alloc_add(&vram->alloc, &part->block,
		       vram->source->folio && vram->source->folio(part->data));
	vram->backed_blocks++;
	spin_unlock_irq(&vram->lock);
	return 0;
}

/* Make sure that a page was free a moment ago. */
static int vram_grow(struct vram *vram)
{
	int ret = 0;

	might_sleep();

	if (mutex_lock_killable(&vram->grow_lock))
		return -EINTR;
	/* Another caller may have made room while we waited for the lock. */
	if (vram->closed)
		ret = -ENODEV;
	else if (!READ_ONCE(vram->alloc.free))
		ret = vram_grow_locked(vram, false);
	mutex_unlock(&vram->grow_lock);
	return ret;
}

/* Which pages those of a block are. */
static void vram_list(const struct vram_block *block, unsigned int first, unsigned int count,
		      struct page **pages)
{
	const struct vram_part *part = container_of(block, struct vram_part, block);
	struct page *page = pfn_to_page(vram_part_pfn(part) + first);
	unsigned int i;

	for (i = 0; i < count; i++)
		pages[i] = page + i;
}

/* Pages have been taken: whose they are. */
static void vram_took(struct vram *vram, struct vram_charge *charge, unsigned int count)
{
	lockdep_assert_held(&vram->lock);

	vram_charge_more(vram, charge, count);
	atomic64_add(count, &vram->moving);
	/* These are the first. */
	if (vram->alloc.used == count && vram->source->holds_module)
		__module_get(THIS_MODULE);
}

/* Take up to @want pages that are free now, and that the client's user may have. */
static unsigned int vram_take(struct vram *vram, struct vram_charge *charge, unsigned int want,
			      struct page **pages)
{
	unsigned int got = 0, first, count;
	struct vram_block *block;

	lockdep_assert_held(&vram->lock);

	want = min_t(u64, want, vram_charge_left(vram, charge));
	while (got < want) {
		block = vram_alloc_get(&vram->alloc, want - got, &first, &count);
		if (!block)
			break;
		vram_took(vram, charge, count);
		vram_list(block, first, count, pages + got);
		got += count;
	}
	return got;
}

/**
 * vram_get_pages() - take pages of VRAM
 * @vram: VRAM
 * @charge: client that takes them
 * @want: pages wanted
 * @pages: room for @want pages; they have no reference yet and hold whatever
 *	was there before
 * @why: where fewer than @want were had: -ENOSPC (VRAM is full), -EDQUOT (the client's
 *	user may have no more), -ENOMEM (no RAM to stand behind it), -ENODEV (vram_close()),
 *	-EINTR (a fatal signal); else 0
 *
 * Every page must go on to vram_folio_init() or not, and then vram_put_unused() follows.
 *
 * Context: may sleep; mmap_lock not held.
 * Return: how many pages were had, 0 to @want.
 */
unsigned int vram_get_pages(struct vram *vram, struct vram_charge *charge, unsigned int want,
			    struct page **pages, int *why)
{
	unsigned int got = 0;
	u64 left;

	*why = control_hit(CONTROL_ALLOC_VRAM, &vram->present, NULL, 0);
	if (*why)
		return 0;
	for (;;) {
		spin_lock_irq(&vram->lock);
		if (!vram->closed)
			got += vram_take(vram, charge, want - got, pages + got);
		left = vram_charge_left(vram, charge);
		spin_unlock_irq(&vram->lock);
		if (got == want)
			return got;

		/* Nobody else's pages have to go for that: it is not VRAM that is full. */
		*why = left ? vram_grow(vram) : -EDQUOT;
		if (*why)
			return got;
	}
}

/**
 * vram_can_huge() - whether folios of 2 MiB can be in VRAM
 * @vram: VRAM
 */
bool vram_can_huge(const struct vram *vram)
{
	return vram->source->folio && compat_has_huge_device_folios();
}

/* Take a block that is empty now. */
static bool vram_take_huge(struct vram *vram, struct vram_charge *charge, struct page **pages)
{
	struct vram_block *block = NULL;

	spin_lock_irq(&vram->lock);
	if (!vram->closed && vram_charge_left(vram, charge) >= VRAM_BLOCK_PAGES)
		block = vram_alloc_get_whole(&vram->alloc);
	if (block)
		vram_took(vram, charge, VRAM_BLOCK_PAGES);
	spin_unlock_irq(&vram->lock);
	/* It goes nowhere: its pages are the caller's. */
	if (block)
		vram_list(block, 0, VRAM_BLOCK_PAGES, pages);
	return block;
}

/**
 * vram_get_huge() - take the pages of a block for a folio of 2 MiB
 * @vram: VRAM
 * @charge: client that takes them
 * @pages: room for VRAM_BLOCK_PAGES pages; otherwise as vram_get_pages()
 *
 * They may as well be used one by one.  Only memory that is one folio itself is put
 * behind them: see vram_lend_backing().
 *
 * Context: may sleep; mmap_lock not held.
 * Return: whether they were had; if not, single pages may be.
 */
bool vram_get_huge(struct vram *vram, struct vram_charge *charge, struct page **pages)
{
	int ret = -ENODEV;

	if (!vram_can_huge(vram) || control_hit(CONTROL_ALLOC_VRAM, &vram->present, NULL, 0))
		return false;
	if (vram_take_huge(vram, charge, pages))
		return true;
	if (vram_may_take(vram, charge) < VRAM_BLOCK_PAGES)
		return false;
	if (mutex_lock_killable(&vram->grow_lock))
		return false;
	if (!vram->closed)
		ret = vram_grow_locked(vram, true);
	mutex_unlock(&vram->grow_lock);
	return !ret && vram_take_huge(vram, charge, pages);
}

/**
 * vram_put_unused() - be done with pages that were taken
 * @vram: VRAM
 * @charge: client that took them
 * @pages: the pages
 * @used: how many of them, the first ones, went through vram_folio_init()
 * @count: how many there are; the others are given back
 *
 * Context: any.
 */
void vram_put_unused(struct vram *vram, struct vram_charge *charge, struct page **pages,
		     unsigned int used, unsigned int count)
{
	struct vram_part *part;
	unsigned int i, n, index;
	unsigned long flags;

	spin_lock_irqsave(&vram->lock, flags);
	atomic64_sub(count, &vram->moving);
	for (i = used; i < count; i += n) {
		part = vram_page_part(pages[i], &index);
		for (n = 1; i + n < count && index + n < VRAM_BLOCK_PAGES; n++) {
			if (pages[i + n] != pages[i] + n)
				break;
		}
		vram_put_pages(vram, part, index, n, charge);
	}
	spin_unlock_irqrestore(&vram->lock, flags);
}

/**
 * vram_init() - declare the memory of a device
 * @vram: VRAM
 * @supply: what it is made of
 * @index: number of the device
 * @migrate_to_ram: what to do when a CPU touches one of its pages
 * @stats: counters of the device
 *
 * Return: 0 or -ENOMEM.
 */
int vram_init(struct vram *vram, const struct vram_supply *supply, unsigned int index,
	      vm_fault_t (*migrate_to_ram)(struct vm_fault *vmf), struct mockgpu_stats *stats)
{
	vram->source = supply->source;
	vram->pool = supply->pool;
	vram->link = supply->link;
	vram_set_callbacks(&vram->pgmap_ops);
	vram->pgmap_ops.migrate_to_ram = migrate_to_ram;
	vram->stats = stats;
	vram->index = index;
	vram->present = index;
	vram->bytes = supply->bytes;
	spin_lock_init(&vram->lock);
	vram_alloc_init(&vram->alloc);
	INIT_LIST_HEAD(&vram->spent);
	xa_init_flags(&vram->charges, XA_FLAGS_ALLOC1 | XA_FLAGS_LOCK_IRQ);
	mutex_init(&vram->grow_lock);
	INIT_LIST_HEAD(&vram->bare);

	vram->chunks = kvcalloc(DIV_ROUND_UP_ULL(vram->bytes, VRAM_CHUNK_BYTES),
				sizeof(*vram->chunks), GFP_KERNEL);
	if (!vram->chunks)
		return -ENOMEM;
	vram_keep_init(vram);
	return 0;
}

/**
 * vram_enter() - keep page structures from being taken apart, without a page
 * @vram: VRAM
 *
 * Context: any but interrupts.
 * Return: false where VRAM was closed; else vram_leave() must follow, soon.
 */
bool vram_enter(struct vram *vram)
{
	bool open;

	spin_lock_irq(&vram->lock);
	open = !vram->closed;
	vram->visitors += open;
	spin_unlock_irq(&vram->lock);
	return open;
}

/**
 * vram_leave() - undo vram_enter()
 * @vram: VRAM
 *
 * Context: any but interrupts.
 */
void vram_leave(struct vram *vram)
{
	spin_lock_irq(&vram->lock);
	vram->visitors--;
	spin_unlock_irq(&vram->lock);
}

/**
 * vram_close() - let nobody have pages any more
 * @vram: VRAM
 *
 * Pages that were taken before count as in use until they are free again.
 *
 * Context: may sleep; mmap_lock not held.
 */
void vram_close(struct vram *vram)
{
	mutex_lock(&vram->grow_lock);
	spin_lock_irq(&vram->lock);
	vram->closed = true;
	spin_unlock_irq(&vram->lock);
	mutex_unlock(&vram->grow_lock);
}

/**
 * vram_fini() - undo vram_init()
 * @vram: VRAM that went through vram_close(), and that has no page in use and no visitor
 *
 * Context: sleeps until the memory manager has let go of the last page.
 */
void vram_fini(struct vram *vram)
{
	unsigned int i;

	vram_keep_fini(vram);
	for (i = 0; i < vram->nr_chunks; i++)
		vram_remove_chunk(vram, vram->chunks[i]);
	vram->nr_chunks = 0;
	kvfree(vram->chunks);
	vram->chunks = NULL;
	/* Whose file is still open has nothing in common with the next that gets the number. */
	WRITE_ONCE(vram->present, -1);
}
