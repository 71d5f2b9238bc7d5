// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Bringing pages home from VRAM that nobody's call asked for: the CPU fault, and
 * evictions.
 *
 * The CPU fault needs the page and the fault and nothing else: the process may never
 * have opened the device.  An eviction needs the page alone.  What stays where it is
 * has lost nothing; see migrate.c.
 *
 * Locking: none of its own.  A CPU fault comes with mmap_lock held for reading and its
 * page locked, and must not wait for the lock of another page.
 */
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "control.h"
#include "event.h"
#include "migrate_internal.h"
#include "mockgpu_drm.h"
#include "stats.h"
#include "vram.h"

/**
 * struct migrate_scratch - room for a migration that has none of its own
 * @src: a slot for each page of a block
 * @dst: likewise
 */
struct migrate_scratch {
	unsigned long src[VRAM_BLOCK_PAGES];
	unsigned long dst[VRAM_BLOCK_PAGES];
};

/* Tell of pages that a CPU fault has brought home. */
static void migrate_fault_tell(const struct vram *vram, const struct migrate_vma *args,
			       u64 began)
{
	struct event event = {
		.kind = MOCKGPU_EVENT_TO_SYSTEM,
		.cause = MOCKGPU_CAUSE_CPU_FAULT,
		.device = vram->index,
		.mm = args->vma->vm_mm,
		.start = began,
	};
	unsigned long i;

	for (i = 0; event_on() && i < args->npages; i++) {
		if (migrate_entry_moved(args->src[i], args->dst[i]))
			event_run_add(&event, args->start + i * PAGE_SIZE,
				      page_to_pfn(migrate_pfn_to_page(args->dst[i])),
				      migrate_entry_pages(args->src[i]) * PAGE_SIZE);
	}
	event_run_end(&event);
}

/* Give the pages of @vram that were collected a copy; others go back. */
static void migrate_fill_neighbours(struct migrate_vma *args, const struct vram *vram)
{
	struct vram_place place = {};
	unsigned long i;

	for (i = 0; i < args->npages && !fatal_signal_pending(current); i++) {
		struct page *page = migrate_pfn_to_page(args->src[i]);

		if (page && vram_place_of(&place, page) == vram &&
		    migrate_fill_system(args->src[i], &args->dst[i], MIGRATE_GFP_SPARE,
					args->vma, args->start + i * PAGE_SIZE, &place))
			return;
	}
}

/*
 * The page that was touched has come home; bring those around it as well, as was
 * advised when it went.  Best effort: each page has a fault of its own, if need be.
 *
 * This is a migration of its own, as collecting may wait for the lock of a folio that
 * has to be split: two faults that hold what the other waits for would wait for ever.
 *
 * Returns how many came.
 */
static u64 migrate_neighbours(struct vm_fault *vmf, const struct vram *vram, u8 granularity)
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
	u64 moved = 0, began = event_start();
	unsigned long i;

	if (control_no_memory())
		return 0;
	scratch = kmalloc(sizeof(*scratch), GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN);
	if (!scratch)
		return 0;
	args.src = scratch->src;
	args.dst = scratch->dst;
	if (!migrate_vma_setup(&args)) {
		migrate_fill_neighbours(&args, vram);
		migrate_cross_links(args.src, args.dst, args.npages);
		migrate_vma_pages(&args);
		for (i = 0; i < args.npages; i++) {
			if (migrate_entry_moved(args.src[i], args.dst[i]))
				moved += migrate_left_vram(args.src[i], args.dst[i]);
		}
		migrate_finish(&args);
		migrate_fault_tell(vram, &args, began);
	}
	stats_add(vram->stats, STAT_PAGES_CPU_FAULT, moved);
	kfree(scratch);
	return moved;
}

/**
 * struct migrate_fault - a CPU fault
 * @vmf: the fault
 * @vram: where the page is
 * @pfn: its frame
 * @began: when it came, for the log
 * @moved: pages that came home
 * @error: 0, or why the page cannot
 */
struct migrate_fault {
	struct vm_fault *vmf;
	struct vram *vram;
	unsigned long pfn;
	u64 began;
	u64 moved;
	int error;
};

static void migrate_fault_over(const struct migrate_fault *fault, unsigned int outcome)
{
	event_emit(.kind = MOCKGPU_EVENT_CPU_FAULT, .cause = outcome, .error = fault->error,
		   .device = fault->vram->index, .mm = fault->vmf->vma->vm_mm,
		   .addr = fault->vmf->address & PAGE_MASK, .pfn = fault->pfn,
		   .value = fault->moved, .start = fault->began);
}

/* What to answer to a fault that has brought something home, or not. */
static vm_fault_t migrate_fault_answer(struct migrate_fault *fault, unsigned int moved, int error)
{
	struct vram *vram = fault->vram;

	fault->moved += moved;
	fault->error = moved ? 0 : error;
	if (moved) {
		stats_add(vram->stats, STAT_PAGES_CPU_FAULT, moved);
		migrate_fault_over(fault, MOCKGPU_CPU_FAULT_MOVED);
	} else if (error) {
		stats_add(vram->stats, STAT_CPU_FAULTS_FAILED, 1);
		migrate_fault_over(fault, MOCKGPU_CPU_FAULT_FAILED);
	} else {
		stats_add(vram->stats, STAT_CPU_FAULTS_RETRIED, 1);
		migrate_fault_over(fault, MOCKGPU_CPU_FAULT_RETRIED);
	}
	switch (error) {
	case 0:
		return 0;
	case -ENOMEM:
		return VM_FAULT_OOM;
	case -EIO:
		stats_add(vram->stats, STAT_COPY_FAILURES, 1);
		fallthrough;
	default:
		return VM_FAULT_SIGBUS;
	}
}

/*
 * A fault on a page.  If it belongs to a huge folio, the memory manager splits that
 * when it is collected.
 *
 * A page that is not collected is held by somebody else for a moment, or was moved
 * before we came.
 */
static vm_fault_t migrate_fault_page(struct migrate_fault *fault)
{
	struct vm_fault *vmf = fault->vmf;
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
	struct vram_place place = {};
	unsigned int moved = 0;
	int ret;

	if (migrate_vma_setup(&args))
		return migrate_fault_answer(fault, 0, -EINVAL);
	migrate_collected(fault->vram, args.src, args.npages, vmf->vma->vm_mm, args.start);
	control_hit_range(CONTROL_CPU_FAULT_COLLECTED, &fault->vram->present, vmf->vma->vm_mm,
			  args.start, args.end);
	ret = 0;
	if ((src & MIGRATE_PFN_MIGRATE) && (src & MIGRATE_PFN_VALID))
		ret = migrate_fill_system(src, &dst, GFP_HIGHUSER_MOVABLE, vmf->vma, args.start,
					  &place);
	migrate_cross_links(args.src, args.dst, args.npages);
	control_hit_range(CONTROL_CPU_FAULT_COPIED, &fault->vram->present, vmf->vma->vm_mm,
			  args.start, args.end);
	migrate_vma_pages(&args);
	if (migrate_entry_moved(src, dst))
		moved = migrate_left_vram(src, dst);
	migrate_vma_finalize(&args);
	migrate_fault_tell(fault->vram, &args, fault->began);

	if (moved && granularity)
		fault->moved = migrate_neighbours(vmf, fault->vram, granularity);
	return migrate_fault_answer(fault, moved, ret);
}

/*
 * A fault on a huge folio that is mapped as such: it comes home whole.  Should it not
 * be mapped as such any more, the next fault is on a page.
 */
static vm_fault_t migrate_fault_huge(struct migrate_fault *fault)
{
	struct vm_fault *vmf = fault->vmf;
	struct migrate_vma args = {
		.vma = vmf->vma,
		.start = ALIGN_DOWN(vmf->address, VRAM_BLOCK_BYTES),
		.end = ALIGN_DOWN(vmf->address, VRAM_BLOCK_BYTES) + VRAM_BLOCK_BYTES,
		.pgmap_owner = vram_owner(),
		.flags = MIGRATE_VMA_SELECT_DEVICE_PRIVATE | MIGRATE_VMA_SELECT_COMPOUND,
		.fault_page = vmf->page,
	};
	struct migrate_scratch *scratch = NULL;
	struct vram_place place = {};
	unsigned int moved = 0;
	int ret = 0;

	if (!control_no_memory())
		scratch = kmalloc(sizeof(*scratch), GFP_KERNEL);
	if (!scratch)
		return migrate_fault_answer(fault, 0, -ENOMEM);
	args.src = scratch->src;
	args.dst = scratch->dst;
	if (migrate_vma_setup(&args)) {
		kfree(scratch);
		return migrate_fault_answer(fault, 0, -EINVAL);
	}
	migrate_collected(fault->vram, args.src, args.npages, vmf->vma->vm_mm, args.start);
	control_hit_range(CONTROL_CPU_FAULT_COLLECTED, &fault->vram->present, vmf->vma->vm_mm,
			  args.start, args.end);
	if ((args.src[0] & MIGRATE_PFN_MIGRATE) && (args.src[0] & MIGRATE_PFN_VALID) &&
	    (args.src[0] & MIGRATE_PFN_COMPOUND))
		ret = migrate_fill_system(args.src[0], &args.dst[0], 0, vmf->vma, args.start,
					  &place);
	migrate_cross_links(args.src, args.dst, args.npages);
	control_hit_range(CONTROL_CPU_FAULT_COPIED, &fault->vram->present, vmf->vma->vm_mm,
			  args.start, args.end);
	migrate_vma_pages(&args);
	if (migrate_entry_moved(args.src[0], args.dst[0]))
		moved = migrate_left_vram(args.src[0], args.dst[0]);
	migrate_vma_finalize(&args);
	migrate_fault_tell(fault->vram, &args, fault->began);
	kfree(scratch);

	stats_add(fault->vram->stats, STAT_HUGE_TO_SYSTEM, moved > 0);
	return migrate_fault_answer(fault, moved, ret);
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
	struct migrate_fault fault = {
		.vmf = vmf,
		.vram = vram,
		.pfn = page_to_pfn(vmf->page),
		.began = event_start(),
	};

	stats_add(vram->stats, STAT_CPU_FAULTS, 1);
	control_hit(CONTROL_CPU_FAULT, &vram->present, vmf->vma->vm_mm, vmf->address);
	if (vram_page_is_held(vmf->page)) {
		stats_add(vram->stats, STAT_CPU_FAULTS_HELD, 1);
		stats_add(vram->stats, STAT_CPU_FAULTS_RETRIED, 1);
		migrate_fault_over(&fault, MOCKGPU_CPU_FAULT_HELD);
		return 0;
	}
	return vmf->pte ? migrate_fault_page(&fault) : migrate_fault_huge(&fault);
}

/*
 * A page that was collected, and whose contents another migration has moved just
 * before: there is nothing to put back.
 */
static void migrate_let_go(struct page *page, unsigned long *src)
{
	*src = 0;
	unlock_page(page);
	put_page(page);
}

/* Tell of pages that an eviction has brought home. */
static void migrate_evict_tell(const struct vram *vram, unsigned int npages,
			       const struct migrate_eviction *room, u64 began)
{
	const unsigned long *src = room->src, *dst = room->dst;
	struct event event = {
		.kind = MOCKGPU_EVENT_EVICT,
		.cause = room->cause,
		.device = vram->index,
		.start = began,
	};
	unsigned int i;

	for (i = 0; event_on() && i < npages; i++) {
		if (migrate_entry_moved(src[i], dst[i]))
			event_run_add(&event, 0, page_to_pfn(migrate_pfn_to_page(src[i])),
				      migrate_entry_pages(src[i]) * PAGE_SIZE);
	}
	event_run_end(&event);
}

/*
 * Collect pages, all of which have been pinned: @npages from the slot @first on.  With @pfn,
 * which is that of slot 0, they follow it, else @room->src names them.
 */
static void migrate_collect_run(struct migrate_eviction *room, unsigned long pfn,
				unsigned int first, unsigned int npages)
{
	unsigned long *src = room->src;
	struct page *page;
	unsigned int i;

	if (pfn)
		migrate_device_range(&src[first], pfn + first, npages);
	else
		migrate_device_pfns(&src[first], npages);
	/* Backwards: what was pinned for a huge folio may stand for the pages behind its first. */
	for (i = first + npages; i-- > first;) {
		page = migrate_pfn_to_page(src[i]);
		if (page && !migrate_repin(page_folio(page), &room->pin[i]))
			migrate_let_go(page, &src[i]);
	}
}

/* Pin and collect what can be; the slots of other pages are 0. */
static void migrate_collect(struct migrate_eviction *room, unsigned long pfn, unsigned int npages)
{
	unsigned int i, n, first = 0;

	memset(room->pin, 0, sizeof(room->pin));
	for (i = 0; i < npages; i += n) {
		n = migrate_pin(pfn_to_page(pfn ? pfn + i : room->src[i]), &room->pin[i]);
		/* Of what is named one by one, nothing stands for what follows. */
		n = pfn ? min(n, npages - i) : 1;
		if (room->pin[i])
			continue;
		if (first < i)
			migrate_collect_run(room, pfn, first, i - first);
		first = i + n;
		memset(&room->src[i], 0, n * sizeof(*room->src));
	}
	if (first < i)
		migrate_collect_run(room, pfn, first, i - first);
}

/* The part that all evictions share. */
static unsigned int migrate_evict(struct vram *vram, unsigned long pfn, unsigned int npages,
				  struct migrate_eviction *room, int *why)
{
	unsigned int i, n, count, evicted = 0, huge = 0;
	u64 began = event_start();
	unsigned long *src = room->src, *dst = room->dst;
	struct vram_place place = {};
	struct vram_gather gather;
	struct page *page;
	int ret;

	*why = 0;
	atomic64_add(npages, &vram->moving);
	control_hit(CONTROL_EVICT, &vram->present, NULL, 0);
	migrate_collect(room, pfn, npages);
	migrate_collected(vram, src, npages, NULL, 0);
	control_hit(CONTROL_EVICT_COLLECTED, &vram->present, NULL, 0);
	for (i = 0; i < npages; i++) {
		dst[i] = 0;
		if (!(src[i] & MIGRATE_PFN_MIGRATE))
			continue;
		page = migrate_pfn_to_page(src[i]);
		/* A page that somebody took for a migration and is about to give back. */
		if (!folio_test_anon(page_folio(page)))
			continue;
		if (vram_page_is_gone(page)) {
			migrate_let_go(page, &src[i]);
			continue;
		}
		ret = migrate_fill_system(src[i], &dst[i], MIGRATE_GFP_REPORT, NULL, 0, &place);
		if (ret == -EIO)
			stats_add(vram->stats, STAT_COPY_FAILURES, 1);
		if (ret)
			*why = ret;
	}
	migrate_cross_links(src, dst, npages);
	control_hit(CONTROL_EVICT_COPIED, &vram->present, NULL, 0);
	migrate_device_pages(src, dst, npages);
	for (i = 0; i < npages; i++) {
		if (!migrate_entry_moved(src[i], dst[i]))
			continue;
		count = migrate_left_vram(src[i], dst[i]);
		evicted += count;
		huge += count > 1;
	}
	vram_gather_begin(&gather);
	migrate_device_finalize(src, dst, npages);
	vram_gather_end(&gather);
	migrate_evict_tell(vram, npages, room, began);
	for (i = 0; i < npages; i++)
		migrate_unpin(room->pin[i]);
	/* Who asked counts by pages: each of a huge folio's has moved. */
	for (i = 0; i < npages; i++) {
		if (!migrate_entry_moved(src[i], dst[i]) || !(src[i] & MIGRATE_PFN_COMPOUND))
			continue;
		for (n = 1; n < VRAM_BLOCK_PAGES; n++) {
			src[i + n] = src[i] & ~MIGRATE_PFN_COMPOUND;
			dst[i + n] = dst[i];
		}
	}
	atomic64_sub(npages, &vram->moving);
	stats_add(vram->stats, STAT_PAGES_EVICTED, evicted);
	stats_add(vram->stats, STAT_HUGE_TO_SYSTEM, huge);
	return evicted;
}

/**
 * migrate_evict_range() - move a run of device pages to system memory
 * @vram: VRAM that they belong to
 * @pfn: page frame number of the first; a huge folio in the range is wholly in it
 * @npages: how many, up to VRAM_BLOCK_PAGES
 * @room: to work in; says what came of each page, see migrate_entry_moved()
 * @why: 0, or what kept a page that could have been moved: -ENOMEM, -EIO
 *
 * Pages that are free are passed over, and so are those that somebody else
 * holds at this moment.
 *
 * Context: may sleep; no lock held that a CPU fault needs.
 * Return: how many moved.
 */
unsigned int migrate_evict_range(struct vram *vram, unsigned long pfn, unsigned int npages,
				 struct migrate_eviction *room, int *why)
{
	return migrate_evict(vram, pfn, npages, room, why);
}

/**
 * migrate_evict_pfns() - move some device pages to system memory
 * @vram: VRAM that they belong to
 * @npages: how many, up to VRAM_BLOCK_PAGES
 * @room: @room->src has their page frame numbers; else as migrate_evict_range()
 * @why: as migrate_evict_range()
 *
 * Context: may sleep; no lock held that a CPU fault needs.
 * Return: how many moved.
 */
unsigned int migrate_evict_pfns(struct vram *vram, unsigned int npages,
				struct migrate_eviction *room, int *why)
{
	return migrate_evict(vram, 0, npages, room, why);
}

/**
 * migrate_drain_cpu() - have this CPU let go of pages that it holds for a moment
 *
 * What was locked by mlock() and is unmapped waits, up to 31 pages of it, in a list
 * of the CPU until that list is next looked through, which an idle CPU does not do.
 * Every migration begins with that, one of no page too.
 *
 * Context: may sleep.
 */
void migrate_drain_cpu(void)
{
	unsigned long none = 0;

	migrate_device_range(&none, 0, 0);
}
