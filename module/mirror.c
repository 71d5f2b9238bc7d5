// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The device's page table against the process's.
 *
 * The device may use a page for as long as its page table has an entry for it,
 * and it has an entry for no longer than the process's page table has.  An
 * interval notifier sees to that: every change of the process's page table
 * first takes the entries of its range out of the device's, also a change that
 * this driver itself makes by migrating.
 *
 * A fault goes the other way: what is missing is faulted in as for the CPU, and
 * hmm_range_fault() tells which pages are there, without holding them.  By the
 * time that it returns they may have gone.  So what it said is believed, and the
 * pages are touched, only under the lock that the notifier takes, once the
 * notifier's sequence number shows that nothing changed since before it was asked.
 *
 * The notifiers are in mirror_window.c, atomic operations in mirror_atomic.c.
 *
 * Locking: &mirror.windows_sem is held for reading over a look-up, not while a
 * page is faulted in: that may wait for user space.  &mirror.lock nests inside
 * mmap_lock and everything that the memory manager holds when it calls a notifier,
 * reclaim included.  So nothing is allocated and no user memory is accessed under
 * it; the access itself goes to or from kernel memory, and happens under it.
 */
#include <linux/highmem.h>
#include <linux/hmm.h>
#include <linux/jiffies.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "compat/compat.h"
#include "mirror.h"
#include "mirror_internal.h"
#include "mockgpu_drm.h"
#include "stats.h"
#include "vram.h"

/* How long a fault is tried again while others keep changing the mapping. */
#define MIRROR_FAULT_TIMEOUT	HZ

/* How often it is faulted in anew, each of which may take its time, before it is used. */
#define MIRROR_FAULTS_MAX	1000U

/* Pages that are faulted in together. */
#define MIRROR_FAULT_PAGES	64U

/*
 * Ask what the process's page table says about a range.  The answer counts only
 * as mirror_window_changed() says.
 *
 * hmm_range_fault() is not asked to fault anything in: from the first page that
 * is missing it would fault all that follow, and so bring our own pages, which it
 * reports as present, home from VRAM.
 */
static int mirror_ask(struct mirror *mirror, struct mirror_window *window,
		      struct hmm_range *range, unsigned long start, unsigned long end,
		      unsigned long *pfns)
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
	mmap_read_unlock(mirror->mm);
	return ret;
}

/* Fault one page in as the CPU would.  The lock may be dropped and taken again. */
static int mirror_fault_page(struct mm_struct *mm, unsigned long addr, bool write)
{
	struct vm_area_struct *vma = vma_lookup(mm, addr);
	bool unlocked = false;
	int ret;

	mmap_assert_locked(mm);

	if (!vma || !(vma->vm_flags & VM_READ) || (vma->vm_flags & (VM_IO | VM_PFNMAP)))
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
		if ((pfns[i] & HMM_PFN_VALID) && is_device_private_page(hmm_pfn_to_page(pfns[i])))
			shared++;
	}
	return shared;
}

/* Take over an answer that holds.  Counts the entries that were not there before. */
static int mirror_install(struct mirror *mirror, const struct hmm_range *range,
			  unsigned int npages, struct gpu_pt_stash *stash, u64 *faults)
{
	u64 installed = 0;
	unsigned int i;
	int ret = 0;

	lockdep_assert_held(&mirror->lock);

	for (i = 0; i < npages; i++) {
		struct page *page = hmm_pfn_to_page(range->hmm_pfns[i]);
		u64 addr = range->start + i * PAGE_SIZE;
		u64 pte = ((u64)page_to_pfn(page) << GPU_PTE_SHIFT) | GPU_PTE_VALID;

		if (range->hmm_pfns[i] & HMM_PFN_WRITE)
			pte |= GPU_PTE_WRITE;
		if (is_device_private_page(page))
			pte |= GPU_PTE_VRAM;
		if (gpu_pt_get(&mirror->pt, addr) == pte)
			continue;
		ret = gpu_pt_set(&mirror->pt, stash, addr, pte);
		if (ret)
			break;
		installed++;
	}
	*faults += installed;
	stats_add(mirror->stats, STAT_GPU_FAULTS, installed);
	return ret;
}

/**
 * mirror_fill_stash() - have the tables at hand that entries will need
 * @mirror: mirror
 * @start: address of the first; all are in one table of the lowest level
 * @stash: stash
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int mirror_fill_stash(struct mirror *mirror, unsigned long start, struct gpu_pt_stash *stash)
{
	unsigned int missing;

	mutex_lock(&mirror->lock);
	missing = gpu_pt_missing(&mirror->pt, start);
	mutex_unlock(&mirror->lock);
	return gpu_pt_stash_fill(stash, missing);
}

/*
 * Look pages up and, if the first of them is there, take them over.  Returns 0 with
 * the lock held and an entry at least for the first page; -EBUSY where a change
 * came in between; -EAGAIN where pages have to be faulted in, and how many of them
 * and of those in VRAM in @missing and @shared; or an error.
 */
static int mirror_look_up(struct mirror *mirror, struct mirror_window *window,
			  struct mirror_fault *fault)
{
	unsigned int npages = (fault->end - fault->start) / PAGE_SIZE;
	unsigned long pfns[MIRROR_FAULT_PAGES];
	struct hmm_range range;
	int ret;

	ret = mirror_ask(mirror, window, &range, fault->start, fault->end, pfns);
	if (!ret)
		ret = mirror_fill_stash(mirror, fault->start, &fault->stash);
	if (ret)
		return ret;

	mutex_lock(&mirror->lock);
	if (mirror_window_changed(window, range.notifier_seq)) {
		ret = -EBUSY;
	} else if (mirror_usable(pfns[0], fault->write)) {
		npages = mirror_stretch(pfns, npages, fault->write, true);
		ret = mirror_install(mirror, &range, npages, &fault->stash, &fault->installed);
	} else if (fault->faulted && (pfns[0] & HMM_PFN_ERROR)) {
		/* The CPU has something there that is no page. */
		ret = -EFAULT;
	} else {
		fault->missing = mirror_stretch(pfns, npages, fault->write, false);
		fault->shared = fault->write ? mirror_count_shared(pfns, fault->missing) : 0;
		ret = -EAGAIN;
	}
	if (ret)
		mutex_unlock(&mirror->lock);
	return ret;
}

/* One attempt at a fault.  Returns as above; -EAGAIN when pages were faulted in. */
static int mirror_fault_once(struct mirror *mirror, struct mirror_fault *fault)
{
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
	stats_add(mirror->stats, STAT_GPU_COW_BREAKS, fault->shared);
	fault->came_home += fault->shared;
	fault->faulted = true;
	return -EAGAIN;
}

/**
 * mirror_fault() - fault in a page and, where that is as easy, those behind it
 * @mirror: mirror
 * @fault: which
 *
 * The lock is held on return, so that what was faulted in can be used before it is
 * taken away again: a fault makes progress.
 *
 * Context: may sleep; takes mmap_lock for read.
 * Return: 0 with &mirror.lock held, or an error of mirror_access().
 */
int mirror_fault(struct mirror *mirror, struct mirror_fault *fault)
{
	unsigned long deadline = jiffies + MIRROR_FAULT_TIMEOUT;
	unsigned int faults = 0;
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
		if (time_after(jiffies, deadline))
			break;
		cond_resched();
	}
	gpu_pt_stash_drop(&fault->stash);
	return ret;
}

/**
 * mirror_map_page() - reach the page of an entry
 * @pte: entry
 *
 * Context: &mirror.lock held, and the entry is in the page table; until
 *	mirror_unmap_page(), in the reverse order of other mappings.
 * Return: address of PAGE_SIZE bytes.
 */
void *mirror_map_page(u64 pte)
{
	struct page *page = pfn_to_page(gpu_pte_pfn(pte));

	return pte & GPU_PTE_VRAM ? vram_page_data(page) : kmap_local_page(page);
}

/**
 * mirror_unmap_page() - undo mirror_map_page()
 * @pte: entry
 * @data: what it returned
 */
void mirror_unmap_page(u64 pte, void *data)
{
	if (!(pte & GPU_PTE_VRAM))
		kunmap_local(data);
}

/* An aligned word is copied whole: a CPU may be looking at it, as at a fence. */
static bool mirror_copy_word(void *to, const void *from, size_t len)
{
	if (!IS_ALIGNED((unsigned long)to | (unsigned long)from, len))
		return false;
	switch (len) {
	case 1:
		WRITE_ONCE(*(u8 *)to, READ_ONCE(*(const u8 *)from));
		return true;
	case 2:
		WRITE_ONCE(*(u16 *)to, READ_ONCE(*(const u16 *)from));
		return true;
	case 4:
		WRITE_ONCE(*(u32 *)to, READ_ONCE(*(const u32 *)from));
		return true;
	case 8:
		WRITE_ONCE(*(u64 *)to, READ_ONCE(*(const u64 *)from));
		return true;
	default:
		return false;
	}
}

/*
 * Copy between a page that the device has mapped and kernel memory.
 *
 * A page can be writable and clean, after it was swapped in for reading or given
 * up by MADV_FREE.  Who writes to it behind the CPU's back has to say so, or
 * reclaim drops what was written.  The page is touched under the lock, while the
 * entry keeps it mapped.
 */
static int mirror_copy(u64 pte, unsigned int offset, void *buf, size_t len, bool write)
{
	struct page *page = pfn_to_page(gpu_pte_pfn(pte));
	void *data = mirror_map_page(pte);
	int ret = 0;

	if (write) {
		if (!mirror_copy_word(data + offset, buf, len))
			memcpy(data + offset, buf, len);
		if (!folio_test_dirty(page_folio(page)))
			folio_mark_dirty(page_folio(page));
	} else if (!mirror_copy_word(buf, data + offset, len) &&
		   copy_mc_to_kernel(buf, data + offset, len)) {
		ret = -EIO;
	}
	mirror_unmap_page(pte, data);
	return ret;
}

/* Do as much of an access as the page table allows. */
static int mirror_access_mapped(struct mirror *mirror, struct mirror_access *access)
{
	u64 need = GPU_PTE_VALID | (access->write ? GPU_PTE_WRITE : 0);
	int ret;

	lockdep_assert_held(&mirror->lock);

	while (access->len) {
		unsigned int offset = offset_in_page(access->addr);
		size_t len = min_t(size_t, access->len, PAGE_SIZE - offset);
		u64 pte = gpu_pt_get(&mirror->pt, access->addr);

		if ((pte & need) != need)
			break;
		ret = mirror_copy(pte, offset, access->buf, len, access->write);
		if (ret)
			return ret;
		access->addr += len;
		access->buf += len;
		access->len -= len;
	}
	return 0;
}

/**
 * mirror_access() - have the device read or write
 * @mirror: mirror
 * @access: what; on return @access->addr and @access->len say how far it came
 *
 * Context: may sleep; takes mmap_lock for read.  The address space is in use by
 *	the caller.
 * Return: 0 when all is done, else why the byte at @access->addr could not be
 * accessed: -EFAULT, -EPERM (not writable), -ENOMEM, -EIO (memory error), -EBUSY
 * (the mapping kept changing), -EINTR (a signal).
 */
int mirror_access(struct mirror *mirror, struct mirror_access *access)
{
	int ret;

	mutex_lock(&mirror->lock);
	for (;;) {
		struct mirror_fault fault = { .write = access->write };

		ret = mirror_access_mapped(mirror, access);
		if (ret || !access->len)
			break;
		mutex_unlock(&mirror->lock);

		if (access->addr >= TASK_SIZE_MAX)
			return -EFAULT;
		fault.start = access->addr & PAGE_MASK;
		fault.end = min(PAGE_ALIGN(access->addr + access->len), TASK_SIZE_MAX);
		fault.end = min(fault.end, fault.start + MIRROR_FAULT_PAGES * PAGE_SIZE);
		/* One table of the lowest level at a time: see mirror_fill_stash(). */
		fault.end = min(fault.end,
				round_down(fault.start, GPU_PT_LEAF_BYTES) + GPU_PT_LEAF_BYTES);
		ret = mirror_fault(mirror, &fault);
		access->faults += fault.installed;
		access->migrations += fault.came_home;
		if (ret)
			return ret;
	}
	mutex_unlock(&mirror->lock);
	return ret;
}

/* What there is to say of one page.  The lock is held and the answer true. */
static u32 mirror_describe(unsigned long pfn, u64 pte, unsigned int device)
{
	unsigned int order, owner;
	struct page *page;
	u32 res = 0;

	if (pte & GPU_PTE_VALID)
		res |= MOCKGPU_RES_GPU;
	if (pte & GPU_PTE_WRITE)
		res |= MOCKGPU_RES_GPU_WRITE;
	if (pfn & HMM_PFN_ERROR)
		return res | MOCKGPU_RES_UNMAPPED;
	if (!(pfn & HMM_PFN_VALID))
		return res;

	page = hmm_pfn_to_page(pfn);
	order = hmm_pfn_to_map_order(pfn);
	res |= MOCKGPU_RES_PRESENT | MOCKGPU_RES_READ | (order << 16);
	if (pfn & HMM_PFN_WRITE)
		res |= MOCKGPU_RES_WRITE;
	if (is_device_private_page(page)) {
		owner = vram_of_page(page)->index;
		res |= MOCKGPU_RES_VRAM | (owner << 24);
		if (owner == device)
			res |= MOCKGPU_RES_LOCAL;
	} else if (compat_is_zero_page(page, order)) {
		res |= MOCKGPU_RES_ZERO;
	}
	return res;
}

static void mirror_describe_all(struct mirror *mirror, unsigned long start, unsigned int npages,
				unsigned int device, const unsigned long *pfns, u32 *res,
				unsigned long *vram_pfns)
{
	unsigned int i;

	lockdep_assert_held(&mirror->lock);

	for (i = 0; i < npages; i++) {
		res[i] = mirror_describe(pfns[i], gpu_pt_get(&mirror->pt, start + i * PAGE_SIZE),
					 device);
		if (vram_pfns)
			vram_pfns[i] = res[i] & MOCKGPU_RES_LOCAL ?
				       page_to_pfn(hmm_pfn_to_page(pfns[i])) : 0;
	}
}

/* Returns 0 with the lock held and an answer that is true, or an error. */
static int mirror_snapshot_once(struct mirror *mirror, struct mirror_window *window,
				unsigned long start, unsigned int npages, unsigned long *pfns)
{
	struct hmm_range range;
	int ret;

	ret = mirror_ask(mirror, window, &range, start, start + npages * PAGE_SIZE, pfns);
	if (ret)
		return ret;
	mutex_lock(&mirror->lock);
	if (!mirror_window_changed(window, range.notifier_seq))
		return 0;
	mutex_unlock(&mirror->lock);
	return -EBUSY;
}

/**
 * mirror_snapshot() - say where pages are, without faulting any
 * @mirror: mirror
 * @start: address of the first page
 * @npages: how many, up to MIRROR_WINDOW_PAGES
 * @device: number of the device that is local
 * @res: answer, MOCKGPU_RES_* for each page
 * @vram_pfns: answer, the page frame number of each page that lies in the VRAM of
 *	@device, else 0; or NULL.  The pages are not held.
 *
 * Context: may sleep; takes mmap_lock for read.  The address space is in use by
 *	the caller.
 * Return: 0, -ENOMEM, -EINTR (a signal), or -EBUSY (the mapping kept changing).
 */
int mirror_snapshot(struct mirror *mirror, unsigned long start, unsigned int npages,
		    unsigned int device, u32 *res, unsigned long *vram_pfns)
{
	unsigned long deadline = jiffies + MIRROR_FAULT_TIMEOUT;
	struct mirror_window *window;
	unsigned long *pfns;
	int ret;

	pfns = kcalloc(npages, sizeof(*pfns), GFP_KERNEL);
	if (!pfns)
		return -ENOMEM;
	ret = mirror_lock_window(mirror, start, &window);
	if (ret)
		goto out;

	for (;;) {
		ret = mirror_snapshot_once(mirror, window, start, npages, pfns);
		if (ret != -EBUSY || time_after(jiffies, deadline))
			break;
		if (signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		cond_resched();
	}
	if (!ret) {
		mirror_describe_all(mirror, start, npages, device, pfns, res, vram_pfns);
		mutex_unlock(&mirror->lock);
	}
	up_read(&mirror->windows_sem);
out:
	kfree(pfns);
	return ret;
}
