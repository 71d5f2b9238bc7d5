// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * One process's shared virtual memory: made when a process attaches its memory
 * to an open file, gone when the file is closed.
 *
 * The address space is not kept alive by it.  It is used only by calls that the
 * process itself makes, so it is there while they run; in between, the process
 * may exit, and the notifier then empties the device's page table.  Pages that
 * are in VRAM belong to the process, not to this object, and outlive it.
 *
 * Moving pages is in svm_migrate.c, advice in svm_advice.c and svm_policy.c.
 *
 * Locking: the mirror's; there is no other state that changes.
 */
#include <linux/fs.h>
#include <linux/hugetlb_inline.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "control.h"
#include "evict.h"
#include "svm.h"
#include "svm_policy.h"
#include "vram.h"

/**
 * svm_create() - share the calling process's memory
 * @vram: memory of the device
 * @charge: account of the file
 * @stats: counters of the device
 *
 * Context: may sleep.
 * Return: the object, or NULL where there is no memory.
 */
struct svm *svm_create(struct vram *vram, struct vram_charge *charge, struct mockgpu_stats *stats)
{
	struct svm *svm = NULL;

	if (!control_no_memory())
		svm = kzalloc(sizeof(*svm), GFP_KERNEL_ACCOUNT);
	if (!svm)
		return NULL;
	svm->vram = vram;
	svm->charge = charge;
	svm->stats = stats;
	svm->owner = get_pid(task_tgid(current));
	svm_advice_init(&svm->advice);
	mirror_init(&svm->mirror, current->mm, svm->owner, svm, &svm_mirror_ops, vram, stats);
	return svm;
}

/**
 * svm_destroy() - undo svm_create()
 * @svm: object that nobody uses any more
 *
 * Context: may sleep.
 */
void svm_destroy(struct svm *svm)
{
	svm_advice_fini(&svm->advice);
	mirror_fini(&svm->mirror);
	put_pid(svm->owner);
	kfree(svm);
}

/**
 * svm_is_of() - is this the memory that is shared?
 * @svm: object
 * @mm: address space
 */
bool svm_is_of(const struct svm *svm, const struct mm_struct *mm)
{
	return svm->mirror.mm == mm;
}

/**
 * svm_window() - how many pages to work on in one step
 * @start: address of the first page
 * @end: end of the range
 *
 * Steps end where 2 MiB of addresses do, so that huge pages come whole.
 *
 * Return: pages, 1 to SVM_WINDOW_PAGES.
 */
unsigned int svm_window(unsigned long start, unsigned long end)
{
	const unsigned long window = SVM_WINDOW_PAGES * PAGE_SIZE;
	/* The last window of the address space ends at 0. */
	unsigned long left = round_down(start, window) + window - start;

	return min(left, end - start) / PAGE_SIZE;
}

/**
 * svm_next_mapped() - pass over addresses where nothing is mapped
 * @svm: memory of the calling process
 * @start: first address of a range, at a page boundary
 * @end: end of the range
 *
 * Context: may sleep; takes mmap_lock for read.
 * Return: the first address from @start on where something is mapped, or @end.
 */
unsigned long svm_next_mapped(struct svm *svm, unsigned long start, unsigned long end)
{
	struct mm_struct *mm = svm->mirror.mm;
	struct vm_area_struct *vma;

	/* Who is being killed finds out at the next step. */
	if (mmap_read_lock_killable(mm))
		return start;
	vma = find_vma(mm, start);
	if (vma)
		end = clamp(vma->vm_start, start, end);
	mmap_read_unlock(mm);
	return end;
}

/**
 * svm_is_special() - is a mapping one whose pages never move?
 * @vma: VMA
 *
 * Context: mmap_lock held.
 */
bool svm_is_special(struct vm_area_struct *vma)
{
	return is_vm_hugetlb_page(vma) || (vma->vm_flags & VM_SPECIAL) || vma_is_dax(vma) ||
	       mirror_is_secret(vma);
}

/**
 * svm_movable() - how far a range can be asked to move from its start on
 * @svm: memory of the calling process
 * @start: first address of the range, at a page boundary
 * @end: end of the range
 *
 * Context: may sleep; takes mmap_lock for read.
 * Return: the first address from @start on where nothing is mapped that the process may
 * read, or what is mapped is special; or @end.
 */
unsigned long svm_movable(struct svm *svm, unsigned long start, unsigned long end)
{
	struct mm_struct *mm = svm->mirror.mm;
	struct vm_area_struct *vma;

	/* Who is being killed finds out at the next step. */
	if (mmap_read_lock_killable(mm))
		return end;
	while (start < end) {
		vma = vma_lookup(mm, start);
		if (!vma || !(vma->vm_flags & VM_READ) || svm_is_special(vma))
			break;
		start = min(end, vma->vm_end);
	}
	mmap_read_unlock(mm);
	return start;
}

/**
 * svm_advise() - advise the device about a range
 * @svm: memory of the calling process
 * @start: first address
 * @end: end of the range
 * @attr: MOCKGPU_ADVICE_*
 * @value: a value that advice_check() accepts
 *
 * Context and return value: svm_advice_set().
 */
int svm_advise(struct svm *svm, unsigned long start, unsigned long end, unsigned int attr,
	       u64 value)
{
	int ret = svm_advice_set(&svm->advice, svm_mm(svm), start, end, attr, value);

	if (!ret)
		mirror_forget(&svm->mirror, start, end);
	return ret;
}

/**
 * svm_advise_reset() - take all advice about a range back
 * @svm: memory of the calling process
 * @start: first address
 * @end: end of the range
 *
 * Context and return value: svm_advice_reset().
 */
int svm_advise_reset(struct svm *svm, unsigned long start, unsigned long end)
{
	int ret = svm_advice_reset(&svm->advice, start, end);

	if (!ret)
		mirror_forget(&svm->mirror, start, end);
	return ret;
}

/**
 * svm_access() - have the device read or write
 * @svm: memory of the calling process
 * @access: what
 *
 * Context and return value: mirror_access().
 */
int svm_access(struct svm *svm, struct mirror_access *access)
{
	return mirror_access(&svm->mirror, access);
}

/**
 * svm_residency() - say where pages are
 * @svm: memory of the calling process
 * @start: address of the first page
 * @npages: how many, up to SVM_WINDOW_PAGES
 * @res: MOCKGPU_RES_* for each
 *
 * Context and return value: mirror_snapshot().
 */
int svm_residency(struct svm *svm, unsigned long start, unsigned int npages, u32 *res)
{
	return mirror_snapshot(&svm->mirror, start, npages, res, NULL);
}

/**
 * svm_evict() - push pages out of the device's VRAM
 * @svm: memory of the calling process
 * @start: address of the first page
 * @npages: how many, up to SVM_WINDOW_PAGES
 * @deadline: evict_pfns()
 * @evicted: pages that went; added to
 * @busy: pages that stayed; added to
 *
 * Context: may sleep; takes mmap_lock for read.
 * Return: 0, an errno of mirror_snapshot(), or -ENOMEM, -EINTR, -EIO of
 * evict_pfns().
 */
int svm_evict(struct svm *svm, unsigned long start, unsigned int npages, unsigned long deadline,
	      u64 *evicted, u64 *busy)
{
	unsigned long *pfns;
	unsigned int i, n = 0;
	u32 *res;
	int ret = -ENOMEM;

	if (control_no_memory())
		return ret;
	pfns = kmalloc_array(npages, sizeof(*pfns), GFP_KERNEL_ACCOUNT);
	res = kmalloc_array(npages, sizeof(*res), GFP_KERNEL_ACCOUNT);
	if (!pfns || !res)
		goto out;

	ret = mirror_snapshot(&svm->mirror, start, npages, res, pfns);
	if (ret)
		goto out;
	for (i = 0; i < npages; i++) {
		if (pfns[i])
			pfns[n++] = pfns[i];
	}
	ret = evict_pfns(svm->vram, pfns, n, deadline, evicted, busy);
out:
	kfree(res);
	kfree(pfns);
	return ret;
}
