/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_MIRROR_INTERNAL_H
#define MOCKGPU_MIRROR_INTERNAL_H

#include <linux/jiffies.h>

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

struct hmm_range;

/* How long a fault is tried again while others keep changing the mapping. */
#define MIRROR_FAULT_TIMEOUT	HZ

int mirror_ask(struct mirror *mirror, struct mirror_window *window, struct hmm_range *range,
	       unsigned long start, unsigned long end, unsigned long *pfns);
int mirror_look_remote(const struct mirror *mirror, unsigned long addr, unsigned long *pfn);
int mirror_fault_in(struct mirror *mirror, struct mirror_touch *touch, unsigned long stop,
		    u64 *faults);
u64 mirror_counts(const struct mirror_touch *touch);
void mirror_fault_anew(struct mirror *mirror, unsigned long start, unsigned long end);
bool mirror_count(struct mirror *mirror, unsigned long addr, u64 pte, bool write);
unsigned long mirror_drop(struct mirror *mirror, unsigned long start, unsigned long end);
int mirror_fill_stash(struct mirror *mirror, unsigned long start, struct gpu_pt_stash *stash);
int mirror_lock_window(struct mirror *mirror, unsigned long addr, struct mirror_window **window);
unsigned long mirror_window_begin(struct mirror_window *window);
bool mirror_window_changed(struct mirror_window *window, unsigned long seq);
void mirror_hide_secret(struct mm_struct *mm, unsigned long start, unsigned long end,
			unsigned long *pfns);
void *mirror_map_page(u64 pte);
void mirror_unmap_page(u64 pte, void *data);

#endif
