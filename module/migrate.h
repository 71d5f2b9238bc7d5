/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_MIGRATE_H
#define MOCKGPU_MIGRATE_H

#include <linux/migrate.h>
#include <linux/types.h>

#include "vram.h"

struct vm_fault;

/* Not an answer yet; beside MOCKGPU_PAGE_* in &migrate_run.status. */
#define MIGRATE_PENDING		0xff

/* In place of a device's number in &migrate_run.guess. */
#define MIGRATE_NO_PEER		0xff

/**
 * struct migrate_pool - pages of VRAM, taken before a migration
 * @vram: where they come from
 * @charge: who takes them
 * @pages: the pages
 * @count: how many there are
 * @used: how many of them have gone into a migration
 * @huge: they are those of one block, and may be used for a huge folio
 * @why: why there are not more: 0 or an errno of vram_get_pages()
 */
struct migrate_pool {
	struct vram *vram;
	struct vram_charge *charge;
	struct page **pages;
	unsigned int count;
	unsigned int used;
	bool huge;
	int why;
};

void migrate_pool_fill(struct migrate_pool *pool, unsigned int want, bool huge);
void migrate_pool_drain(struct migrate_pool *pool);

/**
 * struct migrate_run - a run of pages of one VMA, on their way
 * @args: what the memory manager knows of it; @args.src and @args.dst have a
 *	slot for each page
 * @status: a byte for each page: MIGRATE_PENDING until its fate is known
 * @guess: a byte for each page: what to report if a page stays pending; of an entry that
 *	has moved, which device it was in, or MIGRATE_NO_PEER
 * @huge: if it is the run, move a huge folio whole; towards VRAM, only with a pool for it
 * @leave_peers: towards VRAM: what lies in that of another device stays there
 * @vram: that of the device that asked
 * @stay: how they are to stay in VRAM
 * @from: where they are there, if they are
 * @swapcache: what is to go there is in the swap cache, some of it
 * @mixed: and so is what is not ordinary anonymous memory
 * @cause: MOCKGPU_CAUSE_*
 * @queue: number of the queue that it is done for, or 0
 * @began: when it was started, for the log
 */
struct migrate_run {
	struct migrate_vma args;
	u8 *status;
	u8 *guess;
	bool huge;
	bool leave_peers;
	struct vram *vram;
	struct vram_stay stay;
	struct vram_place from;
	bool swapcache;
	bool mixed;
	unsigned int cause;
	u32 queue;
	u64 began;
};

int migrate_run_start(struct migrate_run *run, bool to_vram);
void migrate_run_screen(struct migrate_run *run);
void migrate_run_fill_vram(struct migrate_run *run, struct migrate_pool *pool, bool screened);
void migrate_run_fill_system(struct migrate_run *run);
void migrate_run_commit(struct migrate_run *run, bool to_vram);
void migrate_run_cancel(struct migrate_run *run);

vm_fault_t migrate_to_ram(struct vm_fault *vmf);

/**
 * migrate_entry_moved() - did a page move?
 * @src: its entry after the migration
 * @dst: likewise
 */
static inline bool migrate_entry_moved(unsigned long src, unsigned long dst)
{
	return dst && (src & MIGRATE_PFN_MIGRATE);
}

/**
 * struct migrate_eviction - room for an eviction of up to a block
 * @src: a slot for each page
 * @dst: likewise
 * @pin: likewise; see migrate_pin()
 * @cause: MOCKGPU_EVICTED_*
 */
struct migrate_eviction {
	unsigned long src[VRAM_BLOCK_PAGES];
	unsigned long dst[VRAM_BLOCK_PAGES];
	struct anon_vma *pin[VRAM_BLOCK_PAGES];
	unsigned int cause;
};

unsigned int migrate_evict_range(struct vram *vram, unsigned long pfn, unsigned int npages,
				 struct migrate_eviction *room, int *why);
unsigned int migrate_evict_pfns(struct vram *vram, unsigned int npages,
				struct migrate_eviction *room, int *why);
void migrate_drain_cpu(void);

#endif
