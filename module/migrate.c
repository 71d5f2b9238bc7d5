// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Moving pages: a process's pages, from wherever they are to VRAM, or home from there.
 *
 * A move has three steps.  Start: the memory manager takes the pages out of all
 * page tables, so that nobody can change them, and tells every notifier.  Fill:
 * each page gets a copy at its target.  Commit: the memory manager puts the
 * copies in place of the pages, or cancel: it puts the pages back.  A page that
 * has no copy when the commit comes stays where it was; that is how each
 * failure is dealt with, and why none can lose data.
 *
 * A huge folio of 2 MiB moves whole where it is the whole run and there is a place of
 * 2 MiB for it.  It then has one entry, at its first page; the others are empty.
 * Otherwise the memory manager splits it when it is collected.
 *
 * What lies in another device's VRAM goes from there straight to this one's: all devices'
 * page maps have one owner, by which the memory manager collects it.
 *
 * Locking: none of its own.  The functions on a run want mmap_lock of the run's
 * address space held for reading, from start to commit or cancel.  In between,
 * pages are locked; other pages of the same process must not be waited for.
 */
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/userfaultfd_k.h>

#include "compat/compat_migrate.h"
#include "compat/compat_mm.h"
#include "control.h"
#include "event.h"
#include "migrate_internal.h"
#include "mockgpu_drm.h"
#include "stats.h"
#include "vram.h"

/**
 * migrate_pool_fill() - take pages of VRAM for a migration to come
 * @pool: pool none of whose pages is used; its @vram, @charge and @pages are set
 * @want: pages that it is to have; @pool->pages has room for them
 * @huge: have those for a huge folio if possible; @want is VRAM_BLOCK_PAGES, and the pool empty
 *
 * Context: may sleep; mmap_lock not held.
 */
void migrate_pool_fill(struct migrate_pool *pool, unsigned int want, bool huge)
{
	pool->used = 0;
	pool->huge = huge && vram_get_huge(pool->vram, pool->charge, pool->pages);
	if (pool->huge) {
		pool->count = want;
		pool->why = 0;
		return;
	}
	pool->count += vram_get_pages(pool->vram, pool->charge, want - pool->count,
				      pool->pages + pool->count, &pool->why);
}

/**
 * migrate_pool_drain() - give back what a migration did not need
 * @pool: pool; empty afterwards
 *
 * Context: any.
 */
void migrate_pool_drain(struct migrate_pool *pool)
{
	if (pool->count)
		vram_put_unused(pool->vram, pool->charge, pool->pages, pool->used, pool->count);
	pool->used = 0;
	pool->count = 0;
}

/**
 * migrate_run_start() - take the pages of a run out of use
 * @run: run with @args.vma, start, end, src and dst, and @status set
 * @to_vram: which way
 *
 * Towards VRAM, what lies in VRAM is collected as well, unless the run leaves peers.  What
 * is collected is marked in @run->args.src.  The notifiers have been
 * called.  On success migrate_run_commit() or migrate_run_cancel() must follow.
 *
 * A hole becomes a huge folio where the process asked for huge pages.
 *
 * Context: mmap_lock held; may sleep.
 * Return: 0 or a negative errno of migrate_vma_setup().
 */
int migrate_run_start(struct migrate_run *run, bool to_vram)
{
	unsigned long *src = run->args.src;
	unsigned int i;
	int ret;

	run->began = event_start();
	run->args.pgmap_owner = vram_owner();
	run->args.flags = to_vram && run->leave_peers ? 0 : MIGRATE_SELECT_VRAM;
	if (to_vram)
		run->args.flags |= MIGRATE_VMA_SELECT_SYSTEM;
	if (run->huge && run->args.end - run->args.start == VRAM_BLOCK_BYTES)
		run->args.flags |= MIGRATE_VMA_SELECT_COMPOUND;
	ret = migrate_vma_setup(&run->args);
	if (ret)
		return ret;

	if ((*src & MIGRATE_PFN_COMPOUND) && !(*src & MIGRATE_PFN_VALID) &&
	    !(to_vram && compat_wants_huge(run->args.vma))) {
		for (i = 0; i < VRAM_BLOCK_PAGES; i++)
			src[i] = MIGRATE_PFN_MIGRATE;
	}
	migrate_collected(run->vram, src, run->args.npages, run->args.vma->vm_mm,
			  run->args.start);
	control_hit_range(CONTROL_MIGRATE_COLLECTED, &run->vram->present, run->args.vma->vm_mm,
			  run->args.start, run->args.end);
	return 0;
}

/* How many pages are copied before it is looked whether who wants them is being killed. */
#define MIGRATE_KILL_PAGES	16

/* All pages of an entry have the same answer. */
static __always_inline void migrate_answer(struct migrate_run *run, unsigned long i, u8 answer)
{
	if (run->args.src[i] & MIGRATE_PFN_COMPOUND)
		memset(run->status + i, answer, VRAM_BLOCK_PAGES);
	else
		run->status[i] = answer;
}

/* Why a page that the memory manager would move must stay, or MIGRATE_PENDING. */
static u8 migrate_refuse_vram(const struct migrate_run *run, struct page *page)
{
	struct folio *folio = page_folio(page);

	/* Somebody else moved it here before it was collected. */
	if (vram_has_page(page))
		return vram_of_page(page) == run->vram ? MOCKGPU_PAGE_ALREADY : MIGRATE_PENDING;
	/* ksmd would read the page through its kernel mapping, which VRAM has not. */
	if (folio_test_ksm(folio))
		return MOCKGPU_PAGE_KSM;
	if (!folio_test_anon(folio))
		return MOCKGPU_PAGE_FILE;
	return MIGRATE_PENDING;
}

/*
 * Whether somebody holds what was collected of VRAM.  The memory manager allows for one who does
 * when it collects, and refuses it at the commit, when others have moved.
 */
static bool migrate_is_held(struct page *page)
{
	return vram_has_page(page) && folio_ref_count(page_folio(page)) > 1;
}

/* Why there is no page left in the pool.  If there may be more the next time, try again. */
static u8 migrate_pool_answer(const struct migrate_pool *pool)
{
	switch (pool->why) {
	case 0:
		return MIGRATE_PENDING;
	case -ENOMEM:
		return MOCKGPU_PAGE_NO_RAM;
	default:
		return MOCKGPU_PAGE_NO_VRAM;
	}
}

/*
 * A page; or a huge folio, for which the pool is as well, and has not been used.  Says in @plain
 * whether it is ordinary anonymous memory.
 */
static __always_inline u8 migrate_fill_vram_entry(struct migrate_run *run, unsigned long i,
						  unsigned long src, struct page *from, bool plain,
						  struct migrate_pool *pool,
						  struct vram_place *place, u64 note)
{
	unsigned int count = migrate_entry_pages(src);
	struct page *to;
	void *data;
	bool copied;

	if (pool->used == pool->count) {
		memset(run->guess + i, MOCKGPU_PAGE_NO_VRAM, count);
		return migrate_pool_answer(pool);
	}
	if (!from)
		memset(run->guess + i, MOCKGPU_PAGE_ABSENT, count);

	to = pool->pages[pool->used];
	data = vram_place_data(place, to);
	if (plain && count == 1)
		copied = migrate_copy_from_system(vram_place_of(place, to), data, from);
	else
		copied = migrate_copy_to_vram(vram_place_of(place, to), data, from, count);
	if (!copied)
		return MOCKGPU_PAGE_COPY_FAILED;
	pool->used += count;
	vram_folio_init(place, to, count > 1 ? VRAM_BLOCK_ORDER : 0, note);
	run->args.dst[i] = migrate_pfn(page_to_pfn(to)) | (src & MIGRATE_PFN_COMPOUND);
	return MIGRATE_PENDING;
}

/* Whether a page is ordinary anonymous memory.  Says as well if it is in the swap cache. */
static __always_inline bool migrate_is_plain(struct page *page, bool *swapcache)
{
	struct folio *folio;

	if (!page || is_zone_device_page(page))
		return false;
	folio = page_folio(page);
	*swapcache |= folio_test_swapcache(folio);
	return ((unsigned long)folio->mapping & FOLIO_MAPPING_FLAGS) == FOLIO_MAPPING_ANON;
}

/* Whether an entry may go to VRAM; else it has its answer, or is not collected after all. */
static __always_inline bool migrate_screen_entry(struct migrate_run *run, unsigned long i,
						 bool no_holes)
{
	struct page *page = migrate_pfn_to_page(run->args.src[i]);
	u8 answer = MIGRATE_PENDING;

	/* The owner of a hole may want to fill it; the memory manager would refuse. */
	if (page)
		answer = migrate_refuse_vram(run, page);
	else if (no_holes)
		answer = MOCKGPU_PAGE_ABSENT;
	if (answer != MIGRATE_PENDING) {
		migrate_answer(run, i, answer);
		return false;
	}
	if (!page || !migrate_is_held(page))
		return true;
	/* It counts as not collected, and goes back at the end. */
	run->args.src[i] &= ~MIGRATE_PFN_MIGRATE;
	return false;
}

/**
 * migrate_run_screen() - find the pages of a run that must not go to VRAM, or are there
 * @run: run that was started
 *
 * They have their answer in @run->status then, where others are pending.  What somebody holds
 * is not collected after all.
 *
 * Context: mmap_lock held; does not sleep.
 */
void migrate_run_screen(struct migrate_run *run)
{
	bool no_holes = userfaultfd_missing(run->args.vma);
	unsigned long i;

	for (i = 0; i < run->args.npages; i++) {
		if (run->args.src[i] & MIGRATE_PFN_MIGRATE)
			migrate_screen_entry(run, i, no_holes);
	}
}

/**
 * migrate_run_fill_vram() - copy the pages of a run to VRAM
 * @run: run that was started
 * @pool: pages to use
 * @screened: it went through migrate_run_screen(); else that is done on the way
 *
 * Pages that get no copy have their reason in @run->status.  A process that is
 * being killed is not kept waiting; the rest of its pages get no copy.
 *
 * Context: mmap_lock held; may sleep.
 */
void migrate_run_fill_vram(struct migrate_run *run, struct migrate_pool *pool, bool screened)
{
	bool no_holes = !screened && userfaultfd_missing(run->args.vma);
	u64 note = vram_note_make(&run->stay);
	struct vram_place place = {};
	bool plain, swapcache = false;
	unsigned long i, src;
	struct page *page;
	u8 answer;

	for (i = 0; i < run->args.npages; i += migrate_entry_pages(src)) {
		src = run->args.src[i];
		if (i % MIGRATE_KILL_PAGES == 0 && fatal_signal_pending(current))
			break;
		if (!(src & MIGRATE_PFN_MIGRATE) || run->status[i] != MIGRATE_PENDING)
			continue;
		page = migrate_pfn_to_page(src);
		plain = migrate_is_plain(page, &swapcache);
		if (!plain) {
			run->mixed = true;
			if (!screened && !migrate_screen_entry(run, i, no_holes))
				continue;
		}
		answer = migrate_fill_vram_entry(run, i, src, page, plain, pool, &place, note);
		if (answer != MIGRATE_PENDING)
			migrate_answer(run, i, answer);
	}
	run->swapcache = swapcache;
}

/**
 * migrate_run_fill_system() - copy the pages of a run to system memory
 * @run: run that was started
 *
 * Pages that get no copy have their reason in @run->status, as above.
 *
 * Context: mmap_lock held; may sleep.
 */
void migrate_run_fill_system(struct migrate_run *run)
{
	struct migrate_vma *args = &run->args;
	unsigned long i;
	int ret;

	for (i = 0; i < args->npages; i += migrate_entry_pages(args->src[i])) {
		if (i % MIGRATE_KILL_PAGES == 0 && fatal_signal_pending(current))
			break;
		if (!(args->src[i] & MIGRATE_PFN_MIGRATE))
			continue;
		if (!(args->src[i] & MIGRATE_PFN_VALID)) {
			run->status[i] = MOCKGPU_PAGE_ABSENT;
			continue;
		}
		ret = migrate_fill_system(args->src[i], &args->dst[i], MIGRATE_GFP_REPORT,
					  args->vma, args->start + i * PAGE_SIZE, &run->from);
		if (ret)
			migrate_answer(run, i, ret == -ENOMEM ? MOCKGPU_PAGE_NO_RAM :
								MOCKGPU_PAGE_COPY_FAILED);
	}
}

/* Where an entry that has moved to VRAM was before, as the log has it. */
static u64 migrate_run_origin(const struct migrate_run *run, unsigned long i)
{
	if (!(run->args.src[i] & MIGRATE_PFN_VALID))
		return 1;
	return run->guess[i] == MIGRATE_NO_PEER ? 0 : MOCKGPU_PLACE_DEVICE(run->guess[i]);
}

static void migrate_run_tell(struct migrate_run *run, bool to_vram)
{
	struct migrate_vma *args = &run->args;
	struct event event = {
		.kind = to_vram ? MOCKGPU_EVENT_TO_VRAM : MOCKGPU_EVENT_TO_SYSTEM,
		.cause = run->cause,
		.queue = run->queue,
		.device = run->vram->index,
		.mm = args->vma->vm_mm,
		.start = run->began,
	};
	int device = event.device;
	unsigned long i;
	u64 value = 0;

	for (i = 0; event_on() && i < args->npages; i++) {
		if (!migrate_entry_moved(args->src[i], args->dst[i]))
			continue;
		if (to_vram)
			value = migrate_run_origin(run, i);
		else
			device = run->guess[i];
		if (value != event.value || device != event.device)
			event_run_end(&event);
		event.value = value;
		event.device = device;
		event_run_add(&event, args->start + i * PAGE_SIZE,
			      page_to_pfn(migrate_pfn_to_page(args->dst[i])),
			      migrate_entry_pages(args->src[i]) * PAGE_SIZE);
	}
	event_run_end(&event);
}

/* What has moved from one device's VRAM to system memory and is not booked yet. */
struct migrate_tally {
	struct vram *vram;
	u64 pages;
	u64 huge;
};

static void migrate_tally_book(struct migrate_tally *left)
{
	if (!left->vram)
		return;
	stats_add(left->vram->stats, STAT_PAGES_TO_SYSTEM, left->pages);
	stats_add(left->vram->stats, STAT_HUGE_TO_SYSTEM, left->huge);
	left->pages = 0;
	left->huge = 0;
}

/*
 * An entry has moved to system memory: book it where it was, which may be another device's
 * VRAM.
 */
static void migrate_run_left(struct migrate_run *run, unsigned long i, struct migrate_tally *left)
{
	struct vram *vram = vram_place_of(&run->from, migrate_pfn_to_page(run->args.src[i]));
	unsigned int count = migrate_left_vram(run->args.src[i], run->args.dst[i]);

	run->guess[i] = vram->index;
	if (vram != left->vram) {
		migrate_tally_book(left);
		left->vram = vram;
	}
	left->pages += count;
	left->huge += count > 1;
}

/*
 * An entry has moved to VRAM: book it where it was, if that is another device's VRAM.  Returns
 * how many pages came from there.
 */
static unsigned int migrate_run_left_peer(struct migrate_run *run, unsigned long i)
{
	struct page *page = migrate_pfn_to_page(run->args.src[i]);
	struct vram *peer;
	unsigned int count;

	if (!page || !vram_has_page(page))
		return 0;
	peer = vram_of_page(page);
	count = migrate_left_vram(run->args.src[i], run->args.dst[i]);
	run->guess[i] = peer->index;
	stats_add(peer->stats, STAT_PAGES_TO_PEER, count);
	return count;
}

/* Answer for what has moved to VRAM, and count it. */
static void migrate_run_book_vram(struct migrate_run *run)
{
	struct migrate_vma *args = &run->args;
	u64 moved = 0, holes = 0, peers = 0, huge = 0;
	unsigned long i, src;
	unsigned int count;

	for (i = 0; i < args->npages; i += count) {
		src = args->src[i];
		count = migrate_entry_pages(src);
		if (!migrate_entry_moved(src, args->dst[i]))
			continue;
		migrate_answer(run, i, MOCKGPU_PAGE_MOVED);
		moved += count;
		huge += count > 1;
		run->guess[i] = MIGRATE_NO_PEER;
		if (!run->mixed)
			continue;
		if (!(src & MIGRATE_PFN_VALID))
			holes += count;
		peers += migrate_run_left_peer(run, i);
	}
	stats_add(run->vram->stats, STAT_PAGES_TO_VRAM, moved);
	stats_add(run->vram->stats, STAT_HUGE_TO_VRAM, huge);
	stats_add(run->vram->stats, STAT_PAGES_HOLE, holes);
	stats_add(run->vram->stats, STAT_PAGES_FROM_PEER, peers);
}

/* The same for what has moved to system memory, where it was. */
static void migrate_run_book_system(struct migrate_run *run)
{
	struct migrate_vma *args = &run->args;
	struct migrate_tally left = {};
	unsigned long i;

	for (i = 0; i < args->npages; i += migrate_entry_pages(args->src[i])) {
		if (!migrate_entry_moved(args->src[i], args->dst[i]))
			continue;
		migrate_answer(run, i, MOCKGPU_PAGE_MOVED);
		migrate_run_left(run, i, &left);
	}
	migrate_tally_book(&left);
}

/**
 * migrate_run_commit() - put the copies of a run in place of its pages
 * @run: run that was started and filled
 * @to_vram: which way
 *
 * Sets @run->status of what moved.  Pages that have a copy and yet did not move
 * stay MIGRATE_PENDING.
 *
 * Context: mmap_lock held; may sleep.
 */
void migrate_run_commit(struct migrate_run *run, bool to_vram)
{
	struct migrate_vma *args = &run->args;

	migrate_cross_links(args->src, args->dst, args->npages);
	control_hit_range(CONTROL_MIGRATE_COPIED, &run->vram->present, args->vma->vm_mm,
			  args->start, args->end);
	if (to_vram)
		compat_migrate_to_vram(args, run->swapcache);
	else
		migrate_vma_pages(args);
	control_hit_range(CONTROL_MIGRATE_MOVED, &run->vram->present, args->vma->vm_mm,
			  args->start, args->end);
	if (to_vram)
		migrate_run_book_vram(run);
	else
		migrate_run_book_system(run);
	migrate_finish(args);
	migrate_run_tell(run, to_vram);
}

/**
 * migrate_run_cancel() - put the pages of a run back where they were
 * @run: run that was started, filled or not
 *
 * Context: mmap_lock held; may sleep.
 */
void migrate_run_cancel(struct migrate_run *run)
{
	struct migrate_vma *args = &run->args;
	struct vram_gather gather;
	unsigned long i;

	vram_gather_begin(&gather);
	for (i = 0; i < args->npages; i++) {
		struct page *page = migrate_pfn_to_page(args->dst[i]);

		if (page) {
			unlock_page(page);
			put_page(page);
			args->dst[i] = 0;
		}
	}
	vram_gather_end(&gather);
	migrate_finish(args);
}
