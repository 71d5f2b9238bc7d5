// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Emptying VRAM: some pages, as many as room is wanted for, all of them, or all of
 * them for good when the device leaves.
 *
 * An eviction goes by the physical page.  It finds the page's users through the
 * memory manager, whoever and wherever they are.  A page that somebody holds at
 * that moment, such as a CPU fault that is bringing it home, is passed over and
 * tried again.
 *
 * Room is made a block at a time, the one first that was not used for longest.  Who is
 * told that there is none has let each block have two turns: in the first, those were
 * spared that had been used since the turn before; in the second, none was, as they may
 * be used all the time.
 *
 * Locking: none of its own, and nothing is held that a CPU fault needs.
 */
#include <linux/bsearch.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/workqueue.h>

#include "control.h"
#include "evict.h"
#include "migrate.h"
#include "mockgpu_drm.h"
#include "stats.h"
#include "vram.h"

/* How often each block has its turn before there is no room. */
#define EVICT_TURNS		2

/* How often a leaving device says that it still waits. */
#define EVICT_REPORT_INTERVAL	(5 * HZ)

/* Whether a device page is in use; free ones have no reference. */
static bool evict_page_in_use(unsigned long pfn)
{
	return page_count(pfn_to_page(pfn)) > 0;
}

/**
 * struct evict_job - what evict_pfns() is to evict
 * @vram: VRAM that the pages belong to
 * @pfns: their page frame numbers
 * @npages: how many are left
 * @single: room for as many, for those that are not of a huge folio
 * @evicted: pages that went; added to
 * @tried: whether there were any to evict, for evict_turn()
 */
struct evict_job {
	struct vram *vram;
	unsigned long *pfns;
	unsigned int npages;
	unsigned long *single;
	u64 *evicted;
	bool tried;
};

/* The first page of the huge folio that a page is of at this moment, or 0. */
static unsigned long evict_huge_pfn(unsigned long pfn)
{
	struct folio *folio = page_folio(pfn_to_page(pfn));
	unsigned long huge = 0;

	/* It may be freed and become something else until it is held. */
	if (!folio_try_get(folio))
		return 0;
	if (folio_test_large(folio) && page_folio(pfn_to_page(pfn)) == folio)
		huge = folio_pfn(folio);
	folio_put(folio);
	return huge;
}

/* Try all of them once; those that stayed are left.  Returns 0, -ENOMEM or -EIO. */
static int evict_once(struct evict_job *job, struct migrate_eviction *room)
{
	unsigned int i, singles = 0, left = 0;
	unsigned long pfn, huge, tried = 0;
	int ret = 0, err;

	for (i = 0; i < job->npages; i++) {
		pfn = job->pfns[i];
		huge = evict_huge_pfn(pfn);
		/* A huge folio goes whole, though a part of it was asked for. */
		if (huge && huge != tried) {
			*job->evicted += migrate_evict_range(job->vram, huge, VRAM_BLOCK_PAGES,
							     room, &err);
			ret = err ? : ret;
			tried = huge;
		}
		if (!evict_page_in_use(pfn))
			continue;
		if (huge)
			job->pfns[left++] = pfn;
		else
			job->single[singles++] = pfn;
	}

	memcpy(room->src, job->single, singles * sizeof(*job->single));
	*job->evicted += migrate_evict_pfns(job->vram, singles, room, &err);
	ret = err ? : ret;
	for (i = 0; i < singles; i++) {
		if (!migrate_entry_moved(room->src[i], room->dst[i]) &&
		    evict_page_in_use(job->single[i]))
			job->pfns[left++] = job->single[i];
	}
	job->npages = left;
	return ret;
}

/**
 * evict_pfns() - evict some pages
 * @vram: VRAM that they belong to
 * @pfns: their page frame numbers; overwritten
 * @npages: how many, up to VRAM_BLOCK_PAGES
 * @deadline: in jiffies, until when those that are busy are tried again
 * @evicted: pages that went, all those of a huge folio included; added to
 * @busy: pages that stayed; added to
 *
 * A page that its owner freed in the meantime counts as neither.
 *
 * Context: may sleep.
 * Return: 0, -ENOMEM, -EIO or -EINTR.
 */
int evict_pfns(struct vram *vram, unsigned long *pfns, unsigned int npages,
	       unsigned long deadline, u64 *evicted, u64 *busy)
{
	struct evict_job job = {
		.vram = vram,
		.pfns = pfns,
		.npages = npages,
		.evicted = evicted,
	};
	struct migrate_eviction *room;
	int ret = -ENOMEM;

	if (control_no_memory())
		return ret;
	room = kmalloc(sizeof(*room), GFP_KERNEL);
	job.single = kmalloc_array(npages, sizeof(*job.single), GFP_KERNEL);
	if (!room || !job.single)
		goto out;

	room->cause = MOCKGPU_EVICTED_CALL;
	ret = 0;
	while (job.npages) {
		ret = evict_once(&job, room);
		if (!job.npages || ret || time_after(jiffies, deadline))
			break;
		if (signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		usleep_range(500, 1000);
	}
	*busy += job.npages;
out:
	kfree(job.single);
	kfree(room);
	return ret;
}

/* Evict a block once.  Adds to the counts; returns what migrate_evict_range() says. */
static int evict_block(struct vram *vram, unsigned long pfn, struct migrate_eviction *room,
		       u64 *evicted, u64 *busy)
{
	unsigned int i;
	int ret;

	*evicted += migrate_evict_range(vram, pfn, VRAM_BLOCK_PAGES, room, &ret);
	for (i = 0; i < VRAM_BLOCK_PAGES; i++) {
		if (!migrate_entry_moved(room->src[i], room->dst[i]) &&
		    evict_page_in_use(pfn + i))
			++*busy;
	}
	return ret;
}

/* Evict the next block once, if there is one.  Returns whether there was. */
static bool evict_next(struct vram *vram, unsigned long *cursor, struct migrate_eviction *room,
		       u64 *evicted, u64 *busy, int *why)
{
	unsigned long pfn = vram_next_used(vram, cursor);

	if (pfn)
		*why = evict_block(vram, pfn, room, evicted, busy) ? : *why;
	return pfn;
}

/* Evict every block once, for good. */
static void evict_sweep_for_good(struct vram *vram, struct migrate_eviction *room, u64 *evicted,
				 u64 *busy)
{
	unsigned long cursor = 0;
	int ignored = 0;

	*busy = 0;
	while (evict_next(vram, &cursor, room, evicted, busy, &ignored))
		cond_resched();
}

/*
 * Evict every block once, unless a signal comes or the device leaves: who takes it apart waits for
 * one block and no more.
 */
static int evict_sweep(struct vram *vram, struct migrate_eviction *room, u64 *evicted, u64 *busy)
{
	unsigned long cursor = 0;
	bool more;
	int ret = 0;

	*busy = 0;
	do {
		if (!vram_enter(vram))
			return -ENODEV;
		more = evict_next(vram, &cursor, room, evicted, busy, &ret);
		vram_leave(vram);
		if (more && signal_pending(current))
			return -EINTR;
		cond_resched();
	} while (more);
	return ret;
}

static long evict_drain_cpu(void *unused)
{
	migrate_drain_cpu();
	return 0;
}

/* Pages that nobody maps may still be in a list of some CPU: see migrate_drain_cpu(). */
static void evict_drain(void)
{
	int cpu;

	cpus_read_lock();
	for_each_online_cpu(cpu)
		work_on_cpu(cpu, evict_drain_cpu, NULL);
	cpus_read_unlock();
}

/**
 * evict_all() - evict every page once
 * @vram: VRAM
 * @evicted: pages that went
 * @busy: pages that stayed
 *
 * Others may bring pages in at the same time; it is not tried to keep VRAM empty.
 *
 * Context: may sleep; the device may leave meanwhile, but its object stays.
 * Return: 0, -ENOMEM, -EIO, -EINTR, or -ENODEV (vram_close()).
 */
int evict_all(struct vram *vram, u64 *evicted, u64 *busy)
{
	unsigned long deadline = jiffies + EVICT_TIMEOUT;
	struct migrate_eviction *room;
	int ret;

	*evicted = 0;
	*busy = 0;
	if (control_no_memory())
		return -ENOMEM;
	room = kmalloc(sizeof(*room), GFP_KERNEL);
	if (!room)
		return -ENOMEM;

	room->cause = MOCKGPU_EVICTED_CALL;
	for (;;) {
		ret = evict_sweep(vram, room, evicted, busy);
		if (ret || !*busy || time_after(jiffies, deadline))
			break;
		evict_drain();
		usleep_range(500, 1000);
	}
	kfree(room);
	return ret;
}

static int evict_compare(const void *a, const void *b)
{
	unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;

	return x < y ? -1 : x > y;
}

/**
 * evict_keep_set() - say which pages are to stay when room is made
 * @keep: to be set
 * @pfns: their page frame numbers, and 0 for what is none; put in order, and to stay as it is
 * @count: how many
 */
void evict_keep_set(struct evict_keep *keep, unsigned long *pfns, unsigned int count)
{
	unsigned int i, n = 0;

	for (i = 0; i < count; i++) {
		if (pfns[i])
			pfns[n++] = pfns[i];
	}
	sort(pfns, n, sizeof(*pfns), evict_compare, NULL);
	keep->pfns = pfns;
	keep->count = n;
}

static bool evict_is_kept(const struct evict_keep *keep, unsigned long pfn)
{
	return keep &&
	       bsearch(&pfn, keep->pfns, keep->count, sizeof(*keep->pfns), evict_compare);
}

/* The pages of a block that are to make room.  Of a huge folio that is all or none. */
static unsigned int evict_choose(unsigned long first, const struct evict_keep *keep,
				 unsigned long *pfns)
{
	unsigned int i, n = 0;
	bool kept = false;

	for (i = 0; i < VRAM_BLOCK_PAGES; i++) {
		if (!evict_page_in_use(first + i))
			continue;
		if (evict_is_kept(keep, first + i))
			kept = true;
		else
			pfns[n++] = first + i;
	}
	return kept && evict_huge_pfn(first) ? 0 : n;
}

/* Whether so many pages can be had, as far as VRAM goes. */
static bool evict_is_room(struct vram *vram, unsigned int want)
{
	struct vram_usage usage;

	vram_read_usage(vram, &usage);
	return vram->bytes - usage.used >= want * PAGE_SIZE;
}

/*
 * Let blocks have their turn until there is room, each once at the most; with @spare, those
 * that are in use stay.  Returns 0, also where there is none, -ENOMEM, -EIO or -EINTR.
 */
static int evict_turn(struct evict_job *job, struct migrate_eviction *room, unsigned int want,
		      const struct evict_keep *keep, bool spare)
{
	unsigned long deadline = jiffies + EVICT_TIMEOUT, pfn;
	u64 left = job->vram->bytes / VRAM_BLOCK_BYTES, before;
	int ret = 0, err;

	job->tried = false;
	while (!evict_is_room(job->vram, want)) {
		cond_resched();
		if (signal_pending(current))
			return -EINTR;
		pfn = vram_next_victim(job->vram, spare, &left);
		if (!pfn || time_after(jiffies, deadline))
			break;
		job->npages = evict_choose(pfn, keep, job->pfns);
		if (!job->npages)
			continue;
		job->tried = true;
		before = *job->evicted;
		err = evict_once(job, room);
		ret = err ? : ret;
		stats_add(job->vram->stats, STAT_EVICT_PASSED_OVER, job->npages);
		/* It takes as long as it takes; not to get on may not. */
		if (*job->evicted != before)
			deadline = jiffies + EVICT_TIMEOUT;
	}
	return ret;
}

/**
 * evict_make_room() - have pages of VRAM go so that others can come
 * @vram: VRAM that is full
 * @want: pages that room is wanted for
 * @keep: pages that are to stay, or NULL
 *
 * Whoever is faster may have that room.
 *
 * Context: may sleep; no lock held that a CPU fault needs, mmap_lock included.
 * Return: 0, if there was room for so many a moment ago; -ENOSPC; -ENOMEM, -EIO, if
 * pages could have gone but for that; -EINTR (a signal); -ENODEV (the
 * device leaves).
 */
int evict_make_room(struct vram *vram, unsigned int want, const struct evict_keep *keep)
{
	u64 evicted = 0;
	struct evict_job job = { .vram = vram, .evicted = &evicted };
	struct migrate_eviction *room;
	unsigned int turn;
	int ret = -ENOMEM, err;

	if (control_no_memory())
		return ret;
	/* Not every caller keeps the device from being taken apart. */
	if (!vram_enter(vram))
		return -ENODEV;
	room = kmalloc(sizeof(*room), GFP_KERNEL);
	job.pfns = kmalloc_array(VRAM_BLOCK_PAGES, sizeof(*job.pfns), GFP_KERNEL);
	job.single = kmalloc_array(VRAM_BLOCK_PAGES, sizeof(*job.single), GFP_KERNEL);
	if (!room || !job.pfns || !job.single)
		goto out;

	room->cause = MOCKGPU_EVICTED_ROOM;
	ret = -ENOSPC;
	for (turn = 0; turn < EVICT_TURNS; turn++) {
		err = evict_turn(&job, room, want, keep, turn < EVICT_TURNS - 1);
		ret = err ? : ret;
		if (evict_is_room(vram, want))
			ret = 0;
		if (!ret || ret == -EINTR)
			break;
		/* What has gone may wait to be freed. */
		if (job.tried)
			evict_drain();
	}
	stats_add(vram->stats, STAT_PAGES_EVICTED_ROOM, evicted);
out:
	kfree(job.single);
	kfree(job.pfns);
	kfree(room);
	vram_leave(vram);
	return ret;
}

/**
 * evict_for_good() - empty VRAM that is not used any more
 * @vram: VRAM that nobody takes pages of any more
 *
 * There is no way back: the device is leaving, and its pages hold somebody's
 * data.  So this waits for as long as it takes, and says so.
 *
 * Context: may sleep.
 */
void evict_for_good(struct vram *vram)
{
	unsigned long report = jiffies + EVICT_REPORT_INTERVAL;
	struct migrate_eviction *room;
	struct vram_usage usage;
	u64 evicted = 0, busy;

	/* Some kernels complain where more than two pages in one piece must not fail. */
	room = kvmalloc(sizeof(*room), GFP_KERNEL | __GFP_NOFAIL);
	room->cause = MOCKGPU_EVICTED_LEAVE;
	for (;;) {
		evict_sweep_for_good(vram, room, &evicted, &busy);
		vram_read_usage(vram, &usage);
		if (!usage.used && !usage.visitors)
			break;
		evict_drain();
		if (time_after(jiffies, report)) {
			if (usage.used)
				pr_info("mockgpu: device %u leaves, and waits for %llu KiB of VRAM that somebody has pinned or holds\n",
					vram->index, usage.used / SZ_1K);
			else
				pr_info("mockgpu: device %u leaves, and waits for a call that evicts\n",
					vram->index);
			report = jiffies + EVICT_REPORT_INTERVAL;
		}
		usleep_range(500, 1000);
	}
	kvfree(room);
}
