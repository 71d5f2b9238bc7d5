// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Atomic operations by way of the device's page table.
 *
 * An entry allows them if its page lies in VRAM and may be written, or if the page
 * was made exclusive.  In both cases no CPU reaches the page while the entry is
 * there, unless the VRAM is coherent.  CPUs may then, and other devices always, so
 * the operations are real ones.
 *
 * Coherent VRAM of another device counts as system memory where a page can be made
 * exclusive at all.
 *
 * Locking: as in mirror.c, whose lock makes an entry true.
 */
#include <linux/atomic.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "control.h"
#include "mirror.h"
#include "mirror_internal.h"
#include "mockgpu_drm.h"
#include "stats.h"
#include "vram.h"

/* Operations that are done without letting go of the lock. */
#define MIRROR_ATOMIC_BATCH	256U

static u64 atomic_result(const struct mirror_atomic *atomic, u64 old)
{
	switch (atomic->op) {
	case MOCKGPU_ATOMIC_ADD:
		return old + atomic->value;
	case MOCKGPU_ATOMIC_SUB:
		return old - atomic->value;
	case MOCKGPU_ATOMIC_AND:
		return old & atomic->value;
	case MOCKGPU_ATOMIC_OR:
		return old | atomic->value;
	case MOCKGPU_ATOMIC_XOR:
		return old ^ atomic->value;
	case MOCKGPU_ATOMIC_MIN:
		return min(old, atomic->value);
	case MOCKGPU_ATOMIC_MAX:
		return max(old, atomic->value);
	case MOCKGPU_ATOMIC_CMPXCHG:
		return old == atomic->value2 ? atomic->value : old;
	default:
		return atomic->value;
	}
}

/* Each size has a type; the loop is the same. */
#define ATOMIC_LOOP(type, word, atomic)						\
({										\
	type *__word = (word);							\
	type __old = READ_ONCE(*__word);					\
										\
	while (!try_cmpxchg(__word, &__old, (type)atomic_result(atomic, __old)))	\
		;								\
	(u64)__old;								\
})

static u64 atomic_do(void *word, const struct mirror_atomic *atomic)
{
	switch (atomic->size) {
	case 1:
		return ATOMIC_LOOP(u8, word, atomic);
	case 2:
		return ATOMIC_LOOP(u16, word, atomic);
	case 4:
		return ATOMIC_LOOP(u32, word, atomic);
	default:
		return ATOMIC_LOOP(u64, word, atomic);
	}
}

/* Do one operation on the page of an entry. */
static void mirror_atomic_one(u64 pte, struct mirror_atomic *atomic)
{
	struct page *page = pfn_to_page(gpu_pte_pfn(pte));
	void *data = mirror_map_page(pte);

	atomic->old = atomic_do(data + offset_in_page(atomic->addr), atomic);
	mirror_unmap_page(pte, data);
	/* See mirror_copy(). */
	if (!folio_test_dirty(page_folio(page)))
		folio_mark_dirty(page_folio(page));
	atomic->addr += atomic->stride;
	atomic->count--;
}

static bool atomic_allowed(u64 pte)
{
	return (pte & GPU_PTE_VALID) && (pte & GPU_PTE_ATOMIC);
}

/*
 * Do as many operations as the page table allows.  Returns whether there was one.  Says
 * in @counted whether it ended at a page whose touches are used up.
 */
static bool mirror_atomic_mapped(struct mirror *mirror, struct mirror_atomic *atomic,
				 bool *counted)
{
	unsigned int n;

	lockdep_assert_held(&mirror->lock);

	*counted = false;
	for (n = 0; n < MIRROR_ATOMIC_BATCH && atomic->count; n++) {
		u64 pte = gpu_pt_get(&mirror->pt, atomic->addr);

		if (!atomic_allowed(pte))
			break;
		*counted = mirror_count(mirror, atomic->addr, pte, true);
		if (*counted)
			break;
		mirror_atomic_one(pte, atomic);
	}
	return n;
}

/**
 * mirror_look_remote() - look whether an atomic operation needs its page exclusively
 * @mirror: mirror
 * @addr: address of the page
 * @pfn: answer: its frame number
 *
 * Where a page is in system memory, and the process may write to it as it is, the look that can
 * be had most cheaply says all that there is to know.  An entry of the device's would be of no use.
 *
 * Context: may sleep.
 * Return: -EREMOTE where it does, and @pfn; 0 where this look does not say; -ESTALE to ask anew.
 */
int mirror_look_remote(const struct mirror *mirror, unsigned long addr, unsigned long *pfn)
{
	struct page *page;
	bool remote;

	/* A thread that is not the process for now has no page tables to look at. */
	if (current->mm != mirror->mm ||
	    get_user_pages_fast_only(addr, 1, FOLL_WRITE, &page) != 1)
		return 0;
	remote = !vram_has_page(page);
	if (remote)
		*pfn = page_to_pfn(page);
	put_page(page);
	if (!remote)
		return 0;
	if (!control_hit_range(CONTROL_GPU_FAULT_ASKED, &mirror->vram->present, mirror->mm, addr,
			       addr + PAGE_SIZE))
		return -EREMOTE;
	/* As if it had been invalidated. */
	stats_add(mirror->stats, STAT_GPU_FAULT_RETRIES, 1);
	return -ESTALE;
}

/**
 * mirror_atomic() - have the device do some atomic operations
 * @mirror: mirror
 * @atomic: what; on return @atomic->count says how many are left, and
 *	@atomic->addr where the next is
 *
 * Context: may sleep; takes mmap_lock for read.  The address space is in use by
 *	the caller.
 * Return: 0 when at least one was done; -EREMOTE when the page lies in system
 * memory and is not exclusive; or an error of mirror_access().
 */
int mirror_atomic(struct mirror *mirror, struct mirror_atomic *atomic)
{
	struct mirror_touch touch = {
		.addr = atomic->addr & PAGE_MASK,
		.write = true,
		.atomic = true,
		.again = atomic->again,
		.queue = atomic->queue,
	};
	bool done, counted;
	int ret;

	if (atomic->addr >= TASK_SIZE_MAX)
		return -EFAULT;
	down_read(&mirror->lock);
	done = mirror_atomic_mapped(mirror, atomic, &touch.counted);
	up_read(&mirror->lock);
	if (done)
		return 0;

	ret = mirror_fault_in(mirror, &touch, touch.addr + PAGE_SIZE, &atomic->faults);
	atomic->migrations += touch.migrations;
	/* A page that has just become exclusive is used at least once. */
	atomic->counts = touch.left > 1 ? mirror_counts(&touch) : 0;
	if (ret)
		return ret;
	done = mirror_atomic_mapped(mirror, atomic, &counted);
	up_write(&mirror->lock);
	return done ? 0 : -EREMOTE;
}

/**
 * mirror_claim_start() - a page is going to be made exclusive
 * @mirror: mirror
 * @addr: its address
 * @claim: what the functions below need
 *
 * From now on every change of this page is noticed; what goes on beside it in the
 * same window, other pages that are made exclusive above all, does not count.
 *
 * Context: may sleep; mmap_lock not held.  mirror_claim_end() must follow.
 * Return: 0, -ENOMEM or -EINTR; then nothing must follow.
 */
int mirror_claim_start(struct mirror *mirror, unsigned long addr, struct mirror_claim *claim)
{
	struct mirror_window *window;
	int ret;

	claim->stash.count = 0;
	claim->addr = addr & PAGE_MASK;
	claim->changed = false;
	ret = mirror_lock_window(mirror, addr, &window);
	if (ret)
		return ret;
	ret = mirror_fill_stash(mirror, claim->addr, &claim->stash);
	if (ret) {
		gpu_pt_stash_drop(&claim->stash);
		up_read(&mirror->windows_sem);
		return ret;
	}
	down_write(&mirror->lock);
	list_add(&claim->node, &mirror->claims);
	up_write(&mirror->lock);
	/* A change that was announced before is over when this returns. */
	mirror_window_begin(window);
	return 0;
}

/**
 * mirror_claim_finish() - a page has been made exclusive
 * @mirror: mirror
 * @claim: from mirror_claim_start()
 * @page: the page, locked
 * @atomic: operations, the first of which is on the page
 *
 * Context: mmap_lock held for reading.
 * Return: 0 when at least one operation was done, or -EBUSY where the page or its table was
 * changed in between.
 */
int mirror_claim_finish(struct mirror *mirror, struct mirror_claim *claim, struct page *page,
			struct mirror_atomic *atomic)
{
	u64 pte = ((u64)page_to_pfn(page) << GPU_PTE_SHIFT) | GPU_PTE_VALID | GPU_PTE_WRITE |
		  GPU_PTE_ATOMIC | atomic->counts;
	bool counted;
	int ret = -EBUSY;
	u64 made;

	down_write(&mirror->lock);
	made = !(gpu_pt_get(&mirror->pt, claim->addr) & GPU_PTE_WRITE);
	if (!claim->changed)
		ret = gpu_pt_set(&mirror->pt, &claim->stash, claim->addr, pte);
	if (!ret)
		mirror_atomic_mapped(mirror, atomic, &counted);
	up_write(&mirror->lock);
	if (!ret) {
		atomic->faults += made;
		stats_add(mirror->stats, STAT_GPU_FAULTS, made);
	}
	return ret;
}

/**
 * mirror_claim_end() - after mirror_claim_start() succeeded, in any case
 * @mirror: mirror
 * @claim: from mirror_claim_start()
 */
void mirror_claim_end(struct mirror *mirror, struct mirror_claim *claim)
{
	down_write(&mirror->lock);
	list_del(&claim->node);
	up_write(&mirror->lock);
	up_read(&mirror->windows_sem);
	gpu_pt_stash_drop(&claim->stash);
}
