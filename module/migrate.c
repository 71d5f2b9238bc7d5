// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Moving pages: system memory to VRAM, VRAM to system memory, and the CPU fault.
 * Every call of migrate_vma_*() and migrate_device_*() stands in this file.
 *
 * A move has three steps.  Start: the memory manager takes the pages out of all
 * page tables, so that nobody can change them, and tells every notifier.  Fill:
 * each page gets a copy at its target.  Commit: the memory manager puts the
 * copies in place of the pages, or cancel: it puts the pages back.  A page that
 * has no copy when the commit comes stays where it was; that is how each
 * failure is dealt with, and why none can lose data.
 *
 * The CPU fault needs the page and the fault and nothing else.  The process may
 * never have opened the device.
 *
 * Locking: none of its own.  The functions on a run want mmap_lock of the run's
 * address space held for reading, from start to commit or cancel.  In between,
 * pages are locked; other pages of the same process must not be waited for.
 */
#include <linux/highmem.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/userfaultfd_k.h>

#include "compat/compat.h"
#include "migrate.h"
#include "mockgpu_drm.h"
#include "stats.h"
#include "vram.h"

/* For calls that can say that there is no RAM: they are told, no OOM killer is called. */
#define MIGRATE_GFP_REPORT	(GFP_HIGHUSER_MOVABLE | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/* For pages that may as well stay where they are. */
#define MIGRATE_GFP_SPARE	(GFP_HIGHUSER_MOVABLE | __GFP_NORETRY | __GFP_NOWARN)

/**
 * migrate_pool_fill() - take pages of VRAM for a migration to come
 * @pool: pool that is empty; its @vram, @charge and @pages are set
 * @want: pages wanted; @pool->pages has room for them
 *
 * Context: may sleep; mmap_lock not held.
 */
void migrate_pool_fill(struct migrate_pool *pool, unsigned int want)
{
	pool->used = 0;
	pool->count = vram_get_pages(pool->vram, pool->charge, want, pool->pages, &pool->why);
}

/**
 * migrate_pool_drain() - give back what a migration did not need
 * @pool: pool; empty afterwards
 *
 * Context: any.
 */
void migrate_pool_drain(struct migrate_pool *pool)
{
	vram_put_unused(pool->vram, pool->pages + pool->used, pool->count - pool->used);
	pool->used = 0;
	pool->count = 0;
}

static bool migrate_copy(void *to, const void *from)
{
	return copy_mc_to_kernel(to, from, PAGE_SIZE) == 0;
}

/* Copy to a VRAM page from whatever page, or clear it where there is none. */
static bool migrate_copy_to_vram(struct page *to, struct page *from)
{
	void *data;
	bool ok;

	if (!from) {
		memset(vram_page_data(to), 0, PAGE_SIZE);
		return true;
	}
	if (is_device_private_page(from))
		return migrate_copy(vram_page_data(to), vram_page_data(from));

	data = kmap_local_page(from);
	ok = migrate_copy(vram_page_data(to), data);
	kunmap_local(data);
	return ok;
}

static bool migrate_copy_to_system(struct page *to, struct page *from)
{
	void *data = kmap_local_page(to);
	bool ok = migrate_copy(data, vram_page_data(from));

	kunmap_local(data);
	return ok;
}

/**
 * migrate_run_start() - take the pages of a run out of use
 * @run: run with @args.vma, start, end, src and dst, and @status set
 * @to_vram: which way
 *
 * What is collected is marked in @run->args.src.  The notifiers have been
 * called.  On success migrate_run_commit() or migrate_run_cancel() must follow.
 *
 * Context: mmap_lock held; may sleep.
 * Return: 0 or a negative errno of migrate_vma_setup().
 */
int migrate_run_start(struct migrate_run *run, bool to_vram)
{
	run->args.pgmap_owner = vram_owner();
	run->args.flags = to_vram ? MIGRATE_VMA_SELECT_SYSTEM : MIGRATE_VMA_SELECT_DEVICE_PRIVATE;
	return migrate_vma_setup(&run->args);
}

/* Why a page that the memory manager would move must stay, or MIGRATE_PENDING. */
static u8 migrate_refuse_vram(struct page *page)
{
	struct folio *folio = page_folio(page);

	/* ksmd would read the page through its kernel mapping, which VRAM has not. */
	if (folio_test_ksm(folio))
		return MOCKGPU_PAGE_KSM;
	if (!folio_test_anon(folio))
		return MOCKGPU_PAGE_FILE;
	return MIGRATE_PENDING;
}

/* Why there is no page left in the pool.  If it is just too small, try again. */
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

static u8 migrate_fill_vram_page(struct migrate_run *run, unsigned long i,
				 struct migrate_pool *pool)
{
	struct page *from = migrate_pfn_to_page(run->args.src[i]);
	struct page *to;

	if (!from)
		run->guess[i] = MOCKGPU_PAGE_ABSENT;
	if (pool->used == pool->count)
		return migrate_pool_answer(pool);

	to = pool->pages[pool->used];
	if (!migrate_copy_to_vram(to, from))
		return MOCKGPU_PAGE_COPY_FAILED;
	pool->used++;
	vram_page_init(to, run->granularity, run->slice_ms);
	run->args.dst[i] = migrate_pfn(page_to_pfn(to));
	return MIGRATE_PENDING;
}

/**
 * migrate_run_screen() - find the pages of a run that must not go to VRAM
 * @run: run that was started
 *
 * They have their reason in @run->status then.
 *
 * Context: mmap_lock held; does not sleep.
 */
void migrate_run_screen(struct migrate_run *run)
{
	bool no_holes = userfaultfd_missing(run->args.vma);
	struct page *page;
	unsigned long i;

	for (i = 0; i < run->args.npages; i++) {
		if (!(run->args.src[i] & MIGRATE_PFN_MIGRATE))
			continue;
		page = migrate_pfn_to_page(run->args.src[i]);
		if (page)
			run->status[i] = migrate_refuse_vram(page);
		else if (no_holes)
			/* Its owner wants to fill it; the memory manager would refuse. */
			run->status[i] = MOCKGPU_PAGE_ABSENT;
	}
}

/**
 * migrate_run_fill_vram() - copy the pages of a run to VRAM
 * @run: run that went through migrate_run_screen()
 * @pool: pages to use
 *
 * Pages that get no copy have their reason in @run->status.  A process that is
 * being killed is not kept waiting; the rest of its pages get no copy.
 *
 * Context: mmap_lock held; may sleep.
 */
void migrate_run_fill_vram(struct migrate_run *run, struct migrate_pool *pool)
{
	unsigned long i;

	for (i = 0; i < run->args.npages && !fatal_signal_pending(current); i++) {
		if ((run->args.src[i] & MIGRATE_PFN_MIGRATE) && run->status[i] == MIGRATE_PENDING)
			run->status[i] = migrate_fill_vram_page(run, i, pool);
	}
}

/* Give a page a copy in system memory: 0, -ENOMEM or -EIO. */
static int migrate_fill_system_page(unsigned long src, unsigned long *dst, gfp_t gfp,
				    struct vm_area_struct *vma, unsigned long addr)
{
	struct page *to;

	to = vma ? alloc_page_vma(gfp, vma, addr) : alloc_page(gfp);
	if (!to)
		return -ENOMEM;
	if (!migrate_copy_to_system(to, migrate_pfn_to_page(src))) {
		__free_page(to);
		return -EIO;
	}
	lock_page(to);
	*dst = migrate_pfn(page_to_pfn(to));
	return 0;
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

	for (i = 0; i < args->npages && !fatal_signal_pending(current); i++) {
		if (!(args->src[i] & MIGRATE_PFN_MIGRATE))
			continue;
		if (!(args->src[i] & MIGRATE_PFN_VALID)) {
			run->status[i] = MOCKGPU_PAGE_ABSENT;
			continue;
		}
		ret = migrate_fill_system_page(args->src[i], &args->dst[i], MIGRATE_GFP_REPORT,
					       args->vma, args->start + i * PAGE_SIZE);
		if (ret)
			run->status[i] = ret == -ENOMEM ? MOCKGPU_PAGE_NO_RAM :
							  MOCKGPU_PAGE_COPY_FAILED;
	}
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
	u64 moved = 0, holes = 0;
	unsigned long i;

	migrate_vma_pages(args);
	for (i = 0; i < args->npages; i++) {
		if (!args->dst[i] || !(args->src[i] & MIGRATE_PFN_MIGRATE))
			continue;
		run->status[i] = MOCKGPU_PAGE_MOVED;
		moved++;
		if (!(args->src[i] & MIGRATE_PFN_VALID))
			holes++;
	}
	migrate_vma_finalize(args);

	stats_add(run->stats, to_vram ? STAT_PAGES_TO_VRAM : STAT_PAGES_TO_SYSTEM, moved);
	stats_add(run->stats, STAT_PAGES_HOLE, holes);
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
	unsigned long i;

	for (i = 0; i < args->npages; i++) {
		struct page *page = migrate_pfn_to_page(args->dst[i]);

		if (page) {
			unlock_page(page);
			put_page(page);
			args->dst[i] = 0;
		}
	}
	migrate_vma_finalize(args);
}

/**
 * struct migrate_scratch - room for a migration that has none of its own
 * @src: a slot for each page of a block
 * @dst: likewise
 */
struct migrate_scratch {
	unsigned long src[VRAM_BLOCK_PAGES];
	unsigned long dst[VRAM_BLOCK_PAGES];
};

/* Give the pages of @vram that were collected a copy; others go back. */
static void migrate_fill_neighbours(struct migrate_vma *args, const struct vram *vram)
{
	unsigned long i;

	for (i = 0; i < args->npages && !fatal_signal_pending(current); i++) {
		struct page *page = migrate_pfn_to_page(args->src[i]);

		if (page && vram_of_page(page) == vram &&
		    migrate_fill_system_page(args->src[i], &args->dst[i], MIGRATE_GFP_SPARE,
					     args->vma, args->start + i * PAGE_SIZE))
			return;
	}
}

/*
 * The page that was touched has come home; bring those around it as well, as was
 * advised when it went.  Best effort: each page has a fault of its own, if need be.
 *
 * This is a migration of its own, as collecting may wait for the lock of a folio that
 * has to be split: two faults that hold what the other waits for would wait for ever.
 */
static void migrate_neighbours(struct vm_fault *vmf, const struct vram *vram, u8 granularity)
{
	unsigned long size = PAGE_SIZE << granularity;
	unsigned long start = ALIGN_DOWN(vmf->address, size);
	struct migrate_scratch *scratch;
	struct migrate_vma args = {
		.vma = vmf->vma,
		.start = max(start, vmf->vma->vm_start),
		.end = min(start + size, vmf->vma->vm_end),
		.pgmap_owner = vram_owner(),
		.flags = MIGRATE_VMA_SELECT_DEVICE_PRIVATE,
	};
	u64 moved = 0;
	unsigned long i;

	scratch = kmalloc(sizeof(*scratch), GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN);
	if (!scratch)
		return;
	args.src = scratch->src;
	args.dst = scratch->dst;
	if (!migrate_vma_setup(&args)) {
		migrate_fill_neighbours(&args, vram);
		migrate_vma_pages(&args);
		for (i = 0; i < args.npages; i++)
			moved += migrate_entry_moved(args.src[i], args.dst[i]);
		migrate_vma_finalize(&args);
	}
	stats_add(vram->stats, STAT_PAGES_CPU_FAULT, moved);
	kfree(scratch);
}

/**
 * migrate_to_ram() - a CPU touched a page that lies in VRAM
 * @vmf: the fault; @vmf->page is the page, locked and referenced by the core
 *
 * Context: called by the core with mmap_lock held for reading, by any process
 *	that maps the page.
 * Return: 0 when the page has come home, and also when it could not be moved
 * now or is to stay for a moment yet: the core then tries again.  VM_FAULT_OOM;
 * VM_FAULT_SIGBUS where the memory behind the page has an uncorrectable error.
 */
vm_fault_t migrate_to_ram(struct vm_fault *vmf)
{
	struct vram *vram = vram_of_page(vmf->page);
	u8 granularity = vram_page_granularity(vmf->page);
	unsigned long src = 0, dst = 0;
	struct migrate_vma args = {
		.vma = vmf->vma,
		.start = vmf->address & PAGE_MASK,
		.end = (vmf->address & PAGE_MASK) + PAGE_SIZE,
		.src = &src,
		.dst = &dst,
		.pgmap_owner = vram_owner(),
		.flags = MIGRATE_VMA_SELECT_DEVICE_PRIVATE,
		.fault_page = vmf->page,
	};
	bool moved;
	int ret;

	stats_add(vram->stats, STAT_CPU_FAULTS, 1);
	if (vram_page_is_held(vmf->page)) {
		stats_add(vram->stats, STAT_CPU_FAULTS_HELD, 1);
		stats_add(vram->stats, STAT_CPU_FAULTS_RETRIED, 1);
		return 0;
	}
	if (migrate_vma_setup(&args)) {
		stats_add(vram->stats, STAT_CPU_FAULTS_FAILED, 1);
		return VM_FAULT_SIGBUS;
	}
	/*
	 * Somebody else holds a reference for a moment, or moved the page
	 * before we came.  A hole has nothing to bring home either.
	 */
	if (!(src & MIGRATE_PFN_MIGRATE) || !(src & MIGRATE_PFN_VALID)) {
		migrate_vma_finalize(&args);
		stats_add(vram->stats, STAT_CPU_FAULTS_RETRIED, 1);
		return 0;
	}

	ret = migrate_fill_system_page(src, &dst, GFP_HIGHUSER_MOVABLE, vmf->vma, args.start);
	migrate_vma_pages(&args);
	moved = migrate_entry_moved(src, dst);
	if (moved)
		stats_add(vram->stats, STAT_PAGES_CPU_FAULT, 1);
	else if (!ret)
		stats_add(vram->stats, STAT_CPU_FAULTS_RETRIED, 1);
	else
		stats_add(vram->stats, STAT_CPU_FAULTS_FAILED, 1);
	migrate_vma_finalize(&args);

	if (ret == -EIO)
		stats_add(vram->stats, STAT_COPY_FAILURES, 1);
	if (ret)
		return ret == -EIO ? VM_FAULT_SIGBUS : VM_FAULT_OOM;
	if (moved && granularity)
		migrate_neighbours(vmf, vram, granularity);
	return 0;
}

/* The part that all evictions share: @src has been collected. */
static unsigned int migrate_evict(struct vram *vram, unsigned int npages, unsigned long *src,
				  unsigned long *dst, int *why)
{
	unsigned int i, evicted = 0;
	int ret;

	*why = 0;
	for (i = 0; i < npages; i++) {
		dst[i] = 0;
		if (!(src[i] & MIGRATE_PFN_MIGRATE))
			continue;
		/* A page that somebody took for a migration and is about to give back. */
		if (!folio_test_anon(page_folio(migrate_pfn_to_page(src[i]))))
			continue;
		ret = migrate_fill_system_page(src[i], &dst[i], MIGRATE_GFP_REPORT, NULL, 0);
		if (ret == -EIO)
			stats_add(vram->stats, STAT_COPY_FAILURES, 1);
		if (ret)
			*why = ret;
	}
	migrate_device_pages(src, dst, npages);
	for (i = 0; i < npages; i++) {
		if (migrate_entry_moved(src[i], dst[i]))
			evicted++;
	}
	migrate_device_finalize(src, dst, npages);
	stats_add(vram->stats, STAT_PAGES_EVICTED, evicted);
	return evicted;
}

/**
 * migrate_evict_range() - move a run of device pages to system memory
 * @vram: VRAM that they belong to
 * @pfn: page frame number of the first
 * @npages: how many
 * @src: room for @npages entries
 * @dst: likewise
 * @why: 0, or what kept a page that could have been moved: -ENOMEM, -EIO
 *
 * Pages that are free are passed over, and so are those that somebody else
 * holds at this moment.
 *
 * Context: may sleep; no lock held that a CPU fault needs.
 * Return: how many moved.
 */
unsigned int migrate_evict_range(struct vram *vram, unsigned long pfn, unsigned int npages,
				 unsigned long *src, unsigned long *dst, int *why)
{
	migrate_device_range(src, pfn, npages);
	return migrate_evict(vram, npages, src, dst, why);
}

/**
 * migrate_evict_pfns() - move some device pages to system memory
 * @vram: VRAM that they belong to
 * @npages: how many
 * @src: their page frame numbers; overwritten
 * @dst: room for @npages entries
 * @why: as migrate_evict_range()
 *
 * Context: may sleep; no lock held that a CPU fault needs.
 * Return: how many moved.
 */
unsigned int migrate_evict_pfns(struct vram *vram, unsigned int npages,
				unsigned long *src, unsigned long *dst, int *why)
{
	migrate_device_pfns(src, npages);
	return migrate_evict(vram, npages, src, dst, why);
}
