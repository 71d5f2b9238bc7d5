/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_MIRROR_INTERNAL_H
#define MOCKGPU_MIRROR_INTERNAL_H

#include "mirror.h"

/* Shared by the files of the mirror, and by nobody else. */

/**
 * struct mirror_window - what one notifier watches
 * @notifier: the notifier
 * @mirror: mirror that it belongs to
 * @index: number of the window
 * @unmapped: on &mirror.unmapped
 * @queued: whether it is, so that it is not put there twice
 */
struct mirror_window {
	struct mmu_interval_notifier notifier;
	struct mirror *mirror;
	unsigned long index;
	struct llist_node unmapped;
	unsigned long queued;
};

/**
 * struct mirror_fault - a fault of the device
 * @start: first page; the one that is wanted
 * @end: end of those that would be welcome too; all in one table of the lowest level
 * @write: whether for writing
 * @faulted: whether the first page has been faulted in before
 * @missing: pages that have to be
 * @shared: those of them that lie in VRAM and a write must not share
 * @installed: entries that were made
 * @came_home: pages that left VRAM, as a write must not share them
 * @stash: tables for them
 */
struct mirror_fault {
	unsigned long start;
	unsigned long end;
	bool write;
	bool faulted;
	unsigned int missing;
	unsigned int shared;
	u64 installed;
	u64 came_home;
	struct gpu_pt_stash stash;
};

int mirror_fault(struct mirror *mirror, struct mirror_fault *fault);
int mirror_fill_stash(struct mirror *mirror, unsigned long start, struct gpu_pt_stash *stash);
int mirror_lock_window(struct mirror *mirror, unsigned long addr, struct mirror_window **window);
unsigned long mirror_window_begin(struct mirror_window *window);
bool mirror_window_changed(struct mirror_window *window, unsigned long seq);
void *mirror_map_page(u64 pte);
void mirror_unmap_page(u64 pte, void *data);

#endif
