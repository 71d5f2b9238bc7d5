/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_SVM_MIGRATE_H
#define MOCKGPU_SVM_MIGRATE_H

#include <linux/ktime.h>
#include <linux/mm_types.h>
#include <linux/types.h>

#include "svm.h"

struct evict_keep;
struct migrate_pool;

/* The longest range that moves as a whole or not at all. */
#define SVM_ATOMIC_PAGES	16384U

/**
 * struct svm_migration - what one migrating call works with
 * @svm: whose memory
 * @to_vram: which way
 * @granularity: log2 of how many pages a CPU fault will bring home from VRAM, up to 9
 * @slice_ms: for how many milliseconds it will leave them there, up to 500
 * @cause: MOCKGPU_CAUSE_*
 * @queue: number of the queue that it is done for, or 0
 * @hasty: do not wait for pages that are busy
 * @no_evict: nobody's pages make room for these, or not any more
 * @leave_peers: what lies in the VRAM of another device does not move to VRAM
 * @fail_once: the first attempt to have memory fails: of 2 MiB at once where it is that,
 *	else of a page, or on the way home of all that are asked for; cleared by then
 * @since: when the attempts at a window began to fail
 * @waited: time that the call has spent on pages that are busy
 * @no_room: time that it has spent looking for room where there was none
 * @src: a slot for each page of a window
 * @dst: likewise
 * @pages: likewise
 * @res: likewise
 * @guess: likewise; what to report of a page that stays without a known reason
 */
struct svm_migration {
	struct svm *svm;
	bool to_vram;
	u8 granularity;
	unsigned int slice_ms;
	unsigned int cause;
	u32 queue;
	bool hasty;
	bool no_evict;
	bool leave_peers;
	bool fail_once;
	ktime_t since;
	ktime_t waited;
	ktime_t no_room;
	unsigned long src[SVM_WINDOW_PAGES];
	unsigned long dst[SVM_WINDOW_PAGES];
	struct page *pages[SVM_WINDOW_PAGES];
	u32 res[SVM_WINDOW_PAGES];
	u8 guess[SVM_WINDOW_PAGES];
};

/*
 * Beside MOCKGPU_PAGE_* and MIGRATE_PENDING, while a migration is under way: a
 * page that is to be left alone.
 */
#define SVM_SKIP		0xfe

struct svm_migration *svm_migration_create(struct svm *svm, bool to_vram, unsigned int cause);
void svm_migration_destroy(struct svm_migration *mig);
int svm_migrate_window(struct svm_migration *mig, unsigned long start, unsigned int npages,
		       u8 *status);
int svm_migrate_atomic(struct svm_migration *mig, unsigned long start, unsigned int npages,
		       u8 *status);

/* Shared by the two ways to migrate. */
void svm_take_vram(struct svm_migration *mig, struct migrate_pool *pool, unsigned int want,
		   bool huge, const struct evict_keep *keep);
typedef int (*svm_stretch_fn)(void *data, struct vm_area_struct *vma, unsigned long start,
			      unsigned long end);
int svm_walk_stretches(struct mm_struct *mm, unsigned long start, unsigned long end,
		       svm_stretch_fn fn, void *data);
u8 svm_stretch_answer(struct vm_area_struct *vma, bool to_vram);
bool svm_screen_merged(struct vm_area_struct *vma, unsigned long start, unsigned int npages,
		       u8 *status);
u8 svm_stretch_guess(struct vm_area_struct *vma);
u8 svm_place_answer(const struct svm_migration *mig, u32 res);
unsigned int svm_pending(const u8 *status, unsigned int npages);
void svm_settle(u8 *status, unsigned int npages, u8 answer);
int svm_explain(struct svm_migration *mig, unsigned long start, unsigned int npages,
		u8 *status, u8 *guess);
int svm_pause(struct svm_migration *mig, unsigned int attempt, const u8 *status,
	      const u8 *guess, unsigned int npages);
int svm_move_pending(struct svm_migration *mig, unsigned long start, unsigned int npages,
		     u8 *status);
void svm_count_failures(struct svm *svm, const u8 *status, unsigned int npages);

#endif
