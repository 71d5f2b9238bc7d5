// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Faults of the device: from the process's page table into its own.
 *
 * What is missing is faulted in as for the CPU, and hmm_range_fault() tells which
 * pages are there, without holding them.  By the time that it returns they may have
 * gone.  So what it said is believed, and the pages are touched, only under the lock
 * that the notifier takes, once the notifier's sequence number shows that nothing
 * changed since before it was asked.
 *
 * Before that, the owner of the mirror is asked: it may want to move pages first, or
 * may not want them to be used where they are.
 *
 * Locking: as in mirror.c.  &mirror.windows_sem is held for reading over a look-up,
 * not while a page is faulted in: that may wait for user space.
 */
#include <linux/bitfield.h>
#include <linux/delay.h>
#include <linux/hmm.h>
#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "compat/compat_mm.h"
#include "control.h"
#include "event.h"
#include "mirror.h"
#include "mirror_internal.h"
#include "mockgpu_drm.h"
#include "stats.h"
#include "vram.h"

/* How often it is tried at least, as an attempt may wait long for mmap_lock. */
#define MIRROR_ATTEMPTS_MIN	8U

/* How often it is faulted in anew, each of which may take its time, before it is used. */
#define MIRROR_FAULTS_MAX	1000U

/* Pages that are faulted in together. */
#define MIRROR_FAULT_PAGES	64U

/**
 * struct mirror_fault - a fault of the device
 * @start: the page that is wanted
 * @stop: end of those that the access wants as well
 * @first: lowest of those that would be welcome too
 * @end: end of those; all are in one table of the lowest level
 * @write: whether for writing
 * @counted: whether touches of @start were counted to the end
 * @huge: whether one entry may map all of that table though it is not local
 * @counts: count of touches for pages that are not local
 * @atomics_here: no atomic operation just happens on what is not local
 * @elsewhere: 0, or what to say if @start is not local; then no other page that is not
 *	local is mapped either
 * @node: on &mirror.faults
 * @leaf: first address that an entry may be made for
 * @stale: what the owner said is not so any more; under &mirror.lock
 * @faulted: whether @start has been faulted in before
 * @missing: pages that have to be
 * @sharing: those of them that lie in VRAM and a write must not share
 * @shared: the most that those were
 * @installed: entries that were made
 * @remote: frame number of @start's page, where -EREMOTE is said of it
 * @stash: tables for them
 */
struct mirror_fault {
	unsigned long start;
	unsigned long stop;
	unsigned long first;
	unsigned long end;
	bool write;
	bool counted;
	bool huge;
	u64 counts;
	bool atomics_here;
	int elsewhere;
	struct list_head node;
	unsigned long leaf;
	bool stale;
	bool faulted;
	unsigned int missing;
	unsigned int sharing;
	unsigned int shared;
	u64 installed;
	unsigned long remote;
	struct gpu_pt_stash stash;
};

/**
 * mirror_ask() - ask what the process's page table says about a range
 * @mirror: mirror
 * @window: window that all of the range is in
 * @range: what is asked; @range->notifier_seq is for mirror_window_changed(), which
 *	says whether the answer counts
 * @start: first address
 * @end: end of the range
 * @pfns: answer, for each page
 *
 * hmm_range_fault() is not asked to fault anything in: from the first page that
 * is missing it would fault all that follow, and so bring our own pages, which it
 * reports as present, home from VRAM.
 *
 * Context: may sleep; takes mmap_lock for read; &mirror.windows_sem held.
 * Return: 0, -EINTR, or an errno of hmm_range_fault().
 */
int mirror_ask(struct mirror *mirror, struct mirror_window *window, struct hmm_range *range,
	       unsigned long start, unsigned long end, unsigned long *pfns)
{
	int ret;

	lockdep_assert_held(&mirror->windows_sem);

	*range = (struct hmm_range) {
		.notifier = &window->notifier,
		.start = start,
		.end = end,
		.hmm_pfns = pfns,
		.dev_private_owner = vram_owner(),
	};
	memset(pfns, 0, (end - start) / PAGE_SIZE * sizeof(*pfns));
	range->notifier_seq = mirror_window_begin(window);

	if (mmap_read_lock_killable(mirror->mm))
		return -EINTR;
	ret = hmm_range_fault(range);
	if (!ret)
		mirror_hide_secret(mirror->mm, start, end, pfns);
	mmap_read_unlock(mirror->mm);
	if (!ret)
		compat_mend_hmm_pfns(start, (end - start) / PAGE_SIZE, pfns);
	return ret;
}

/* Fault one page in as the CPU would.  The lock may be dropped and taken again. */
static int mirror_fault_page(struct mm_struct *mm, unsigned long addr, bool write)
{
	struct vm_area_struct *vma = vma_lookup(mm, addr);
	bool unlocked = false;
	int ret;

	mmap_assert_locked(mm);

	if (!vma || !(vma->vm_flags & VM_READ) || (vma->vm_flags & (VM_IO | VM_PFNMAP)) ||
	    mirror_is_secret(vma))
		return -EFAULT;
	if (write && !(vma->vm_flags & VM_WRITE))
		return -EPERM;
	ret = fixup_user_fault(mm, addr, write ? FAULT_FLAG_WRITE : 0, &unlocked);
	return ret == -EHWPOISON ? -EIO : ret;
}

/*
 * Fault pages in, or have a write break their sharing.  Returns 0 if at least the
 * first has been, else why not.
 */
static int mirror_fault_pages(struct mirror *mirror, unsigned long start, unsigned int npages,
			      bool write)
{
	unsigned int i;
	int ret = 0;

	if (mmap_read_lock_killable(mirror->mm))
		return -EINTR;
	for (i = 0; i < npages && !ret; i++)
		ret = mirror_fault_page(mirror->mm, start + i * PAGE_SIZE, write);
	mmap_read_unlock(mirror->mm);
	return i > 1 ? 0 : ret;
}

static bool mirror_usable(unsigned long pfn, bool write)
{
	unsigned long need = HMM_PFN_VALID | (write ? HMM_PFN_WRITE : 0);

	return (pfn & need) == need && !(pfn & HMM_PFN_ERROR);
}

/* How many pages there are from the start that are, or are not, usable. */
static unsigned int mirror_stretch(const unsigned long *pfns, unsigned int npages, bool write,
				   bool usable)
{
	unsigned int i;

	for (i = 0; i < npages && mirror_usable(pfns[i], write) == usable; i++)
		;
	return i;
}

/* Pages that lie in VRAM and are shared after fork(), where a write wants them. */
static unsigned int mirror_count_shared(const unsigned long *pfns, unsigned int npages)
{
	unsigned int i, shared = 0;

	for (i = 0; i < npages; i++) {
		if ((pfns[i] & HMM_PFN_VALID) && vram_has_page(hmm_pfn_to_page(pfns[i])))
			shared++;
	}
	return shared;
}

/* Whether a page that the process has lies in the VRAM of the device itself. */
static bool mirror_is_local(const struct mirror *mirror, unsigned long pfn)
{
	struct page *page = hmm_pfn_to_page(pfn);

	return vram_has_page(page) && vram_of_page(page) == mirror->vram;
}

/*
 * Whether an atomic operation on a page just happens; @vram is where it lies, NULL for system
 * memory.  On another device's coherent VRAM it would be one for that device alone, not for the
 * CPUs that reach it as well.
 */
static bool mirror_may_do_atomics(const struct mirror *mirror, const struct vram *vram)
{
	if (!vram)
		return false;
	return vram == mirror->vram || !vram_is_coherent(vram) ||
	       !compat_has_device_exclusive();
}

/* The entry for a page that the process has; it is about to be used. */
static u64 mirror_make_entry(const struct mirror *mirror, const struct mirror_fault *fault,
			     unsigned long pfn)
{
	struct page *page = hmm_pfn_to_page(pfn);
	u64 pte = ((u64)page_to_pfn(page) << GPU_PTE_SHIFT) | GPU_PTE_VALID;
	struct vram *vram = vram_has_page(page) ? vram_of_page(page) : NULL;
	bool local = vram == mirror->vram;

	if (pfn & HMM_PFN_WRITE)
		pte |= GPU_PTE_WRITE;
	if (vram) {
		pte |= GPU_PTE_VRAM;
		vram_page_used(page);
	}
	if ((pfn & HMM_PFN_WRITE) && mirror_may_do_atomics(mirror, vram) &&
	    (local || !fault->atomics_here))
		pte |= GPU_PTE_ATOMIC;
	if (!local)
		pte |= fault->counts;
	return pte;
}

/* Set an entry, unless there is one that is as good.  What it counted is kept. */
static int mirror_set_entry(struct mirror *mirror, struct mirror_fault *fault,
			    unsigned long addr, u64 pte)
{
	u64 old = gpu_pt_get(&mirror->pt, addr);

	if ((old & GPU_PTE_VALID) && gpu_pte_pfn(old) == gpu_pte_pfn(pte) && !fault->counted)
		pte = (pte & ~GPU_PTE_COUNTS) | (old & GPU_PTE_COUNTS);
	if (pte == old)
		return 0;
	if ((pte ^ old) & ~GPU_PTE_COUNTS)
		fault->installed++;
	return gpu_pt_set(&mirror->pt, &fault->stash, addr, pte);
}

/*
 * Where the CPU maps as much at once as a large entry does, so does the device: what
 * is said of one page is then true of all.
 */
static bool mirror_fits_huge(const struct mirror *mirror, const struct mirror_fault *fault,
			     unsigned long pfn)
{
	return (fault->huge || mirror_is_local(mirror, pfn)) &&
	       PAGE_SHIFT + hmm_pfn_to_map_order(pfn) >= ilog2(GPU_PT_LEAF_BYTES);
}

static int mirror_install_huge(struct mirror *mirror, struct mirror_fault *fault,
			       unsigned long addr, unsigned long pfn)
{
	u64 index = addr % GPU_PT_LEAF_BYTES >> GPU_PTE_SHIFT;
	u64 pte = mirror_make_entry(mirror, fault, pfn) - (index << GPU_PTE_SHIFT);

	return mirror_set_entry(mirror, fault, round_down(addr, GPU_PT_LEAF_BYTES),
				pte | GPU_PTE_HUGE);
}

/*
 * Take over an answer that holds.  The page that is wanted is usable.  So are those
 * behind it that the access wants, up to the first that is not; and of those around,
 * what is there.
 */
static int mirror_install(struct mirror *mirror, struct mirror_fault *fault,
			  const unsigned long *pfns)
{
	unsigned int npages = (fault->end - fault->first) / PAGE_SIZE, i;
	unsigned int wanted = (fault->start - fault->first) / PAGE_SIZE;
	unsigned int stop = (fault->stop - fault->first) / PAGE_SIZE;
	int ret = 0;

	lockdep_assert_held(&mirror->lock);

	if (mirror_fits_huge(mirror, fault, pfns[wanted]))
		return mirror_install_huge(mirror, fault, fault->start, pfns[wanted]);

	stop = wanted + mirror_stretch(pfns + wanted, stop - wanted, fault->write, true);
	for (i = 0; i < npages && !ret; i++) {
		bool around = i < wanted || fault->first + i * PAGE_SIZE >= fault->stop;

		if (around ? !mirror_usable(pfns[i], false) : i >= stop)
			continue;
		if (fault->elsewhere && !mirror_is_local(mirror, pfns[i]))
			continue;
		ret = mirror_set_entry(mirror, fault, fault->first + i * PAGE_SIZE,
				       mirror_make_entry(mirror, fault, pfns[i]));
	}
	return ret;
}

/*
 * Look pages up and, if the one that is wanted is there, take them over.  Returns 0
 * with the lock held and an entry at least for that page; -EBUSY where a change came
 * in between; -EAGAIN where pages have to be faulted in, and how many of them and of
 * those in VRAM in @missing and @shared; -ESTALE where the owner has to be asked again;
 * @fault->elsewhere; or an error.
 */
static int mirror_look_up(struct mirror *mirror, struct mirror_window *window,
			  struct mirror_fault *fault)
{
	unsigned int wanted = (fault->start - fault->first) / PAGE_SIZE;
	unsigned int npages = (fault->stop - fault->start) / PAGE_SIZE;
	unsigned long pfns[MIRROR_FAULT_PAGES], *pfn = pfns + wanted;
	struct hmm_range range;
	int ret;

	ret = mirror_ask(mirror, window, &range, fault->first, fault->end, pfns);
	if (!ret)
		ret = mirror_fill_stash(mirror, fault->start, &fault->stash);
	if (!ret)
		ret = control_hit_range(CONTROL_GPU_FAULT_ASKED, &mirror->vram->present, mirror->mm,
					fault->start, fault->stop);
	if (ret)
		return ret;

	down_write(&mirror->lock);
	if (mirror_window_changed(window, range.notifier_seq)) {
		ret = -EBUSY;
	} else if (fault->stale) {
		ret = -ESTALE;
	} else if (mirror_usable(*pfn, fault->write)) {
		if (fault->elsewhere && !mirror_is_local(mirror, *pfn))
			ret = fault->elsewhere;
		else
			ret = mirror_install(mirror, fault, pfns);
	} else if (fault->faulted && (*pfn & HMM_PFN_ERROR)) {
		/* The CPU has something there that is no page. */
		ret = -EFAULT;
	} else {
		fault->missing = mirror_stretch(pfn, npages, fault->write, false);
		/* It takes more than one round: they come home before they are copied. */
		if (fault->write)
			fault->sharing = mirror_count_shared(pfn, fault->missing);
		fault->shared = max(fault->shared, fault->sharing);
		ret = -EAGAIN;
	}
	if (ret)
		up_write(&mirror->lock);
	return ret;
}

/* One attempt at a fault.  Returns as above; -EAGAIN when pages were faulted in. */
static int mirror_fault_once(struct mirror *mirror, struct mirror_fault *fault)
{
	unsigned int sharing = fault->sharing;
	struct mirror_window *window;
	int ret;

	ret = mirror_lock_window(mirror, fault->start, &window);
	if (ret)
		return ret;
	ret = mirror_look_up(mirror, window, fault);
	up_read(&mirror->windows_sem);
	if (ret != -EAGAIN)
		return ret;

	ret = mirror_fault_pages(mirror, fault->start, fault->missing, fault->write);
	if (ret)
		return ret;
	/* The pages are to stay in VRAM a while yet: see MOCKGPU_ADVICE_TIME_SLICE. */
	if (fault->sharing && fault->sharing == sharing)
		usleep_range(500, 1000);
	fault->faulted = true;
	return -EAGAIN;
}

/*
 * Fault in a page and, where that is as easy, others.  Returns 0 with the lock held, so
 * that what was faulted in can be used before it is taken away again: a fault makes
 * progress.
 */
static int mirror_fault(struct mirror *mirror, struct mirror_fault *fault)
{
	unsigned long deadline = jiffies + MIRROR_FAULT_TIMEOUT;
	unsigned int faults = 0, attempts = 0;
	int ret;

	for (;;) {
		ret = mirror_fault_once(mirror, fault);
		if (ret != -EBUSY && ret != -EAGAIN)
			break;
		/* How long a fault takes is not up to us; whether others spoil it is. */
		if (ret == -EAGAIN && faults++ < MIRROR_FAULTS_MAX)
			deadline = jiffies + MIRROR_FAULT_TIMEOUT;
		stats_add(mirror->stats, STAT_GPU_FAULT_RETRIES, ret == -EBUSY);
		ret = -EBUSY;
		if (signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		if (++attempts >= MIRROR_ATTEMPTS_MIN && time_after(jiffies, deadline))
			break;
		cond_resched();
	}
	gpu_pt_stash_drop(&fault->stash);
	return ret;
}

/* What to fault in together with a page, as its owner allows. */
static void mirror_fault_extent(const struct mirror_touch *touch, unsigned long stop,
				struct mirror_fault *fault)
{
	unsigned long around = PAGE_SIZE << touch->around;

	fault->start = touch->addr;
	fault->stop = min3(stop, touch->end, touch->addr + MIRROR_FAULT_PAGES * PAGE_SIZE);
	fault->first = touch->addr;
	fault->end = fault->stop;
	if (touch->counted) {
		/* What was counted of others still counts. */
		fault->stop = touch->addr + PAGE_SIZE;
		fault->end = fault->stop;
	} else if (touch->around && fault->stop - fault->start <= around) {
		fault->first = max(touch->first, round_down(touch->addr, around));
		fault->end = min(touch->end, round_down(touch->addr, around) + around);
		fault->stop = min(fault->stop, fault->end);
	}
}

/**
 * mirror_fault_anew() - have faults that are under way begin anew
 * @mirror: mirror
 * @start: first address of the range that they may make an entry in
 * @end: its end
 *
 * Context: &mirror.lock held.
 */
void mirror_fault_anew(struct mirror *mirror, unsigned long start, unsigned long end)
{
	struct mirror_fault *fault;

	lockdep_assert_held(&mirror->lock);

	list_for_each_entry(fault, &mirror->faults, node) {
		if (start < fault->leaf + GPU_PT_LEAF_BYTES && fault->leaf < end)
			fault->stale = true;
	}
}

/* Ask the owner, and fault in.  Returns as mirror_fault_in(), or -ESTALE. */
static int mirror_fault_as_told(struct mirror *mirror, struct mirror_touch *touch,
				unsigned long stop, struct mirror_fault *fault)
{
	int ret;

	ret = control_hit(CONTROL_GPU_FAULT, &mirror->vram->present, mirror->mm, touch->addr);
	if (!ret)
		ret = mirror->ops->touch(mirror->owner, touch);
	if (ret)
		return ret;
	mirror_fault_extent(touch, stop, fault);
	fault->huge = touch->huge;
	fault->atomics_here = touch->atomics_here;
	fault->counts = mirror_counts(touch);
	fault->elsewhere = touch->elsewhere;
	if (touch->atomic && !touch->elsewhere) {
		ret = mirror_look_remote(mirror, touch->addr, &fault->remote);
		if (ret)
			return ret;
	}
	return mirror_fault(mirror, fault);
}

/* One attempt, with a @fault of its own.  Returns likewise. */
static int mirror_fault_attempt(struct mirror *mirror, struct mirror_touch *touch,
				unsigned long stop, struct mirror_fault *fault)
{
	int ret;

	*fault = (struct mirror_fault) { .write = touch->write, .counted = touch->counted };
	/* One table of the lowest level at a time: see mirror_fill_stash(). */
	touch->first = round_down(touch->addr, GPU_PT_LEAF_BYTES);
	touch->end = min(touch->first + GPU_PT_LEAF_BYTES, TASK_SIZE_MAX);
	touch->left = 0;
	touch->reads = false;
	touch->around = 0;
	touch->huge = true;
	touch->atomics_here = false;
	touch->elsewhere = 0;

	/* What the owner says may change from now on. */
	fault->leaf = touch->first;
	down_write(&mirror->lock);
	list_add(&fault->node, &mirror->faults);
	up_write(&mirror->lock);
	ret = mirror_fault_as_told(mirror, touch, stop, fault);
	if (ret)
		down_write(&mirror->lock);
	list_del(&fault->node);
	if (ret == -EREMOTE && fault->stale)
		ret = -ESTALE;
	/* It will be the caller who makes the entry, and counts it. */
	if (ret == -EREMOTE && fault->remote)
		fault->installed = !(gpu_pt_get(&mirror->pt, touch->addr) & GPU_PTE_WRITE);
	if (ret)
		up_write(&mirror->lock);

	if (ret != -EREMOTE)
		stats_add(mirror->stats, STAT_GPU_FAULTS, fault->installed);
	if (!ret) {
		touch->migrations += fault->shared;
		stats_add(mirror->stats, STAT_GPU_COW_BREAKS, fault->shared);
	}
	return ret;
}

/* @pfn: of the page, where it is known that it is to be exclusive; else 0. */
static void mirror_fault_tell(struct mirror *mirror, const struct mirror_touch *touch,
			      u64 installed, unsigned long pfn, u64 began, int error)
{
	unsigned int access = touch->write ? MOCKGPU_ACCESS_WRITE : MOCKGPU_ACCESS_READ;

	if (pfn && touch->again)
		return;
	if (pfn)
		error = 0;
	else if (!error)
		pfn = gpu_pte_pfn(gpu_pt_get(&mirror->pt, touch->addr));
	event_emit(.kind = MOCKGPU_EVENT_GPU_FAULT,
		   .cause = touch->atomic ? MOCKGPU_ACCESS_ATOMIC : access,
		   .error = error, .queue = touch->queue, .device = mirror->vram->index,
		   .mm = mirror->mm, .owner = mirror->process,
		   .addr = touch->addr, .value = installed, .start = began, .pfn = pfn);
}

/**
 * mirror_fault_in() - have an entry made for a page that the device needs
 * @mirror: mirror
 * @touch: which, and for what; what the owner said, and pages that moved, on return;
 *	what the owner does not set is as if nothing was wanted
 * @stop: end of the pages that the access will want
 * @faults: entries that were missing; added to
 *
 * Context: may sleep; takes mmap_lock for read.  The address space is in use by the
 *	caller.
 * Return: 0 with &mirror.lock held and an entry for the page; an error of the owner's;
 * -EFAULT, -EPERM (not writable), -ENOMEM, -EIO (memory error), -EBUSY (the mapping, or
 * what the owner wants, kept changing), -EINTR (a signal); for an atomic operation also -EREMOTE:
 * the page is in system memory, and it is the caller who makes an entry, and counts it.
 */
int mirror_fault_in(struct mirror *mirror, struct mirror_touch *touch, unsigned long stop,
		    u64 *faults)
{
	unsigned long deadline = jiffies + MIRROR_FAULT_TIMEOUT;
	u64 installed = 0, began = event_start();
	struct mirror_fault fault;
	unsigned int attempts = 0;
	int ret;

	for (;;) {
		ret = mirror_fault_attempt(mirror, touch, stop, &fault);
		installed += fault.installed;
		if (ret != -ESTALE)
			break;
		/* As in mirror_fault(). */
		if (fault.faulted && attempts++ < MIRROR_FAULTS_MAX)
			deadline = jiffies + MIRROR_FAULT_TIMEOUT;
		ret = -EINTR;
		if (signal_pending(current))
			break;
		ret = -EBUSY;
		if (time_after(jiffies, deadline))
			break;
		touch->tries++;
		cond_resched();
	}
	if (ret == -EREMOTE)
		*faults -= fault.installed;
	else
		fault.remote = 0;
	*faults += installed;
	mirror_fault_tell(mirror, touch, installed, fault.remote, began, ret);
	return ret;
}
