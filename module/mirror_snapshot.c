// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Where pages are: what the process and the device have of each.
 *
 * Nothing is faulted in for it.
 *
 * Locking: as in mirror.c.
 */
#include <linux/hmm.h>
#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "compat/compat_mm.h"
#include "control.h"
#include "mirror.h"
#include "mirror_internal.h"
#include "mockgpu_drm.h"
#include "vram.h"

/* What there is to say of an entry of the device's. */
static u32 mirror_describe_pte(u64 pte)
{
	u32 res = 0;

	if (pte & GPU_PTE_VALID)
		res |= MOCKGPU_RES_GPU;
	if (pte & GPU_PTE_WRITE)
		res |= MOCKGPU_RES_GPU_WRITE;
	if (pte & GPU_PTE_HUGE)
		res |= MOCKGPU_RES_GPU_HUGE;
	return res;
}

/* What there is to say of one page.  The lock is held and the answer true. */
static __always_inline u32 mirror_describe(const struct mirror *mirror, struct vram_place *place,
					   unsigned long pfn, u64 pte)
{
	u32 res = pte ? mirror_describe_pte(pte) : 0;
	unsigned int order, owner;
	struct page *page;

	if (pfn & HMM_PFN_ERROR)
		return res | MOCKGPU_RES_UNMAPPED;
	if (!(pfn & HMM_PFN_VALID))
		return res;

	page = hmm_pfn_to_page(pfn);
	order = hmm_pfn_to_map_order(pfn);
	res |= MOCKGPU_RES_PRESENT | MOCKGPU_RES_READ | (order << 16);
	if (pfn & HMM_PFN_WRITE)
		res |= MOCKGPU_RES_WRITE;
	if (vram_place_has(place, page)) {
		owner = place->chunk->vram->index;
		res |= MOCKGPU_RES_VRAM | (owner << 24);
		if (owner == mirror->vram->index)
			res |= MOCKGPU_RES_LOCAL;
	} else if (compat_is_zero_page(page, order)) {
		res |= MOCKGPU_RES_ZERO;
	}
	return res;
}

/*
 * Describe pages that are in one table of the lowest level.  Where the CPU maps all of them at
 * once, and so does the device or has none of them, what is said of one is true of all.
 */
static void mirror_describe_leaf(const struct mirror *mirror, unsigned long start,
				 unsigned int npages, const unsigned long *pfns, u32 *res)
{
	const u64 *ptes = gpu_pt_leaf(&mirror->pt, start);
	u64 pte = gpu_pt_get(&mirror->pt, start);
	struct vram_place place = {};
	unsigned int i;

	if (ptes) {
		ptes += start % GPU_PT_LEAF_BYTES / PAGE_SIZE;
	} else if ((pfns[0] & HMM_PFN_VALID) &&
		 PAGE_SHIFT + hmm_pfn_to_map_order(pfns[0]) >= ilog2(GPU_PT_LEAF_BYTES)) {
		memset32(res, mirror_describe(mirror, &place, pfns[0], pte), npages);
		return;
	}
	for (i = 0; i < npages; i++)
		res[i] = mirror_describe(mirror, &place, pfns[i],
					 ptes ? READ_ONCE(ptes[i]) : pte);
}

static void mirror_describe_all(struct mirror *mirror, unsigned long start, unsigned int npages,
				const unsigned long *pfns, u32 *res, unsigned long *vram_pfns)
{
	unsigned int i, n;

	lockdep_assert_held(&mirror->lock);

	for (i = 0; i < npages; i += n) {
		n = GPU_PT_LEAF_BYTES - (start + i * PAGE_SIZE) % GPU_PT_LEAF_BYTES;
		n = min(n / (unsigned int)PAGE_SIZE, npages - i);
		mirror_describe_leaf(mirror, start + i * PAGE_SIZE, n, pfns + i, res + i);
	}
	for (i = 0; vram_pfns && i < npages; i++)
		vram_pfns[i] = res[i] & MOCKGPU_RES_LOCAL ?
			       page_to_pfn(hmm_pfn_to_page(pfns[i])) : 0;
}

/* Returns 0 with the lock held and an answer that is true, or an error. */
static int mirror_snapshot_once(struct mirror *mirror, struct mirror_window *window,
				unsigned long start, unsigned int npages, unsigned long *pfns)
{
	struct hmm_range range;
	int ret;

	ret = mirror_ask(mirror, window, &range, start, start + npages * PAGE_SIZE, pfns);
	if (!ret)
		ret = control_hit_range(CONTROL_LOOK_ASKED, &mirror->vram->present, mirror->mm,
					start, start + npages * PAGE_SIZE);
	if (ret)
		return ret;
	down_read(&mirror->lock);
	if (!mirror_window_changed(window, range.notifier_seq))
		return 0;
	up_read(&mirror->lock);
	return -EBUSY;
}

/**
 * mirror_snapshot() - say where pages are, without faulting any
 * @mirror: mirror
 * @start: address of the first page
 * @npages: how many, up to MIRROR_WINDOW_PAGES
 * @res: answer, MOCKGPU_RES_* for each page
 * @vram_pfns: answer, the page frame number of each page that lies in the device's
 *	VRAM, else 0; or NULL.  The pages are not held.
 *
 * Context: may sleep; takes mmap_lock for read.  The address space is in use by
 *	the caller.
 * Return: 0, -ENOMEM, -EINTR (a signal), or -EBUSY (the mapping kept changing).
 */
int mirror_snapshot(struct mirror *mirror, unsigned long start, unsigned int npages,
		    u32 *res, unsigned long *vram_pfns)
{
	unsigned long deadline = jiffies + MIRROR_FAULT_TIMEOUT;
	struct mirror_window *window;
	unsigned long *pfns;
	int ret;

	if (control_no_memory())
		return -ENOMEM;
	pfns = kmalloc_array(npages, sizeof(*pfns), GFP_KERNEL_ACCOUNT);
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
		mirror_describe_all(mirror, start, npages, pfns, res, vram_pfns);
		up_read(&mirror->lock);
	}
	up_read(&mirror->windows_sem);
out:
	kfree(pfns);
	return ret;
}
