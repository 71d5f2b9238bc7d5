// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What the memory manager calls for pages of VRAM: when a folio becomes free, and when one
 * is split.
 *
 * To give a page back takes a lock that all of VRAM shares.  A thread that is about to free
 * many, as at the end of a migration, has them gathered and given back as runs.
 *
 * Locking: &vram.lock, for what is given back.  What a thread gathers is its own; only its CPU
 * knows of it, which it does not leave meanwhile.
 */
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/sched/task_stack.h>

#include "event.h"
#include "mockgpu_drm.h"
#include "vram.h"
#include "vram_internal.h"

/*
 * Who gathers what is freed on a CPU.  Another thread may have taken its place, but is not
 * there any more when its stack goes.
 */
static DEFINE_PER_CPU(struct vram_gather *, vram_gathers);

/* Give back what was gathered. */
static void vram_put_gathered(const struct vram_gather *gather)
{
	struct vram *vram;
	unsigned long flags;

	if (!gather->count)
		return;
	vram = gather->part->chunk->vram;
	spin_lock_irqsave(&vram->lock, flags);
	vram_put_pages(vram, gather->part, gather->first, gather->count,
		       xa_load(&vram->charges, FIELD_GET(VRAM_NOTE_CHARGE, gather->note)));
	spin_unlock_irqrestore(&vram->lock, flags);
}

/**
 * vram_gather_begin() - from now on, what the calling thread frees is given back in runs
 * @gather: on the thread's stack
 *
 * A page that others free meanwhile is given back at once, as always.
 *
 * Context: vram_gather_end() follows, soon; may sleep until then.
 */
void vram_gather_begin(struct vram_gather *gather)
{
	gather->count = 0;
	gather->next = NULL;
	migrate_disable();
	this_cpu_write(vram_gathers, gather);
}

/**
 * vram_gather_end() - give back what is left of it
 * @gather: from vram_gather_begin()
 *
 * Context: as vram_gather_begin().
 */
void vram_gather_end(struct vram_gather *gather)
{
	this_cpu_cmpxchg(vram_gathers, gather, NULL);
	migrate_enable();
	vram_put_gathered(gather);
}

/* Give a folio back at once, or with @gather, what was gathered before. */
static noinline void vram_put_folio(struct folio *folio, struct vram_gather *gather)
{
	struct page *page = folio_page(folio, 0);
	struct vram_gather freed;

	freed.note = (u64)page->zone_device_data;
	freed.count = folio_nr_pages(folio);
	freed.part = vram_page_part(page, &freed.first);
	freed.next = freed.first + freed.count < VRAM_BLOCK_PAGES ? page + 1 : NULL;
	if (freed.count > 1)
		compat_unmake_device_folio(folio);

	if (gather) {
		vram_put_gathered(gather);
		*gather = freed;
	} else {
		vram_put_gathered(&freed);
	}
}

static void vram_folio_free(struct folio *folio)
{
	struct vram_gather *gather = this_cpu_read(vram_gathers);
	struct page *page = folio_page(folio, 0);

	if (!gather || !object_is_on_stack(gather) || !in_task()) {
		vram_put_folio(folio, NULL);
		return;
	}
	/* The page behind the one that was freed last, as nearly always. */
	if (gather->next == page && gather->note == (u64)page->zone_device_data &&
	    !folio_test_large(folio)) {
		gather->count++;
		gather->next = gather->first + gather->count < VRAM_BLOCK_PAGES ? page + 1 : NULL;
		return;
	}
	vram_put_folio(folio, gather);
}

/*
 * A huge folio is being split: called for each new folio, and at last for the first one,
 * with interrupts off.  They get what the kernel would have given them.
 */
static void vram_folio_split(struct folio *head, struct folio *tail)
{
	struct vram *vram = vram_of_page(folio_page(head, 0));

	if (tail) {
		compat_init_split_folio(head, tail);
		vram_set_note(folio_page(tail, 0), vram_note(folio_page(head, 0)));
		return;
	}
	/* All of it: there is none that was split in part. */
	event_emit(.kind = MOCKGPU_EVENT_SPLIT, .device = vram->index, .pfn = folio_pfn(head),
		   .len = VRAM_BLOCK_BYTES);
}

DEFINE_COMPAT_SET_FOLIO_FREE(vram_set_folio_free, vram_folio_free)

/**
 * vram_set_callbacks() - say what to call when folios of VRAM become free, or are split
 * @ops: callbacks of page maps
 */
void vram_set_callbacks(struct dev_pagemap_ops *ops)
{
	vram_set_folio_free(ops);
	compat_set_folio_split(ops, vram_folio_split);
}
