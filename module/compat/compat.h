/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The only place that knows that kernels differ.
 *
 * The rest of the module is written for the newest kernel that is supported;
 * what an older one spells differently gets its new spelling here.
 */
#ifndef MOCKGPU_COMPAT_H
#define MOCKGPU_COMPAT_H

#include <linux/hmm.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/workqueue.h>

/**
 * compat_unbound_wq() - the system's workqueue for work that may run on any CPU
 *
 * It has a new name since 6.17; its old one makes newer kernels complain.
 */
static inline struct workqueue_struct *compat_unbound_wq(void)
{
	return system_dfl_wq;
}

/**
 * compat_mm_owner() - a process whose memory an address space is
 * @mm: address space whose structure is held, or NULL
 *
 * Kernels without memory cgroups do not know; then only the calling process is found.
 *
 * Context: RCU read lock held, which keeps the answer.
 * Return: one of its threads, or NULL.
 */
static inline struct task_struct *compat_mm_owner(const struct mm_struct *mm)
{
	if (!mm)
		return NULL;
#ifdef CONFIG_MEMCG
	return rcu_dereference(mm->owner);
#else
	return current->mm == mm ? current : NULL;
#endif
}

/**
 * compat_is_zero_page() - is this mapped page a shared zero page?
 * @page: page that is mapped into an address space and cannot be unmapped now
 * @order: log2 of the number of pages in the CPU's mapping of it
 *
 * The kernel's own test for the huge zero page needs a variable that is not
 * exported.  What is mapped by a PMD and belongs neither to an anonymous
 * mapping nor to a file is the huge zero page.
 *
 * Context: the caller holds off invalidation of the mapping.
 */
static inline bool compat_is_zero_page(struct page *page, unsigned int order)
{
	struct folio *folio;

	if (is_zero_pfn(page_to_pfn(page)))
		return true;
	if (order < HPAGE_PMD_ORDER)
		return false;
	folio = page_folio(page);
	return !folio_is_zone_device(folio) && !READ_ONCE(folio->mapping);
}

/**
 * compat_has_huge_device_folios() - can a folio of 2 MiB be device memory?
 *
 * Kernels before 6.19 split what is to go there; the machine must have huge pages.
 */
static inline bool compat_has_huge_device_folios(void)
{
	return thp_migration_supported() && has_transparent_hugepage();
}

/**
 * compat_wants_huge() - has the process asked for huge pages there?
 * @vma: mapping
 *
 * What goes for mappings of which nothing was said, the kernel does not tell modules.
 *
 * Context: mmap_lock held.
 */
static inline bool compat_wants_huge(struct vm_area_struct *vma)
{
	return (vma->vm_flags & VM_HUGEPAGE) && !vma_thp_disabled(vma, vma->vm_flags, false);
}

/**
 * compat_unmake_device_folio() - make single pages of a huge folio that has become free
 * @folio: folio of device memory, as its free callback gets it
 *
 * What a page of its own has in the word that leads a page of a folio to the first
 * one is its page map.  The kernel makes up for that when it makes a folio of the page
 * again, but the page may be looked at before: by its number, to see whether it is in
 * use.
 */
static inline void compat_unmake_device_folio(struct folio *folio)
{
	unsigned long i, count = folio_nr_pages(folio);

	for (i = 1; i < count; i++)
		((struct folio *)folio_page(folio, i))->pgmap = folio->pgmap;
	folio_clear_large_rmappable(folio);
	folio_clear_partially_mapped(folio);
	ClearPageCompound(&folio->page);
}

/**
 * compat_mend_hmm_pfns() - make right what hmm_range_fault() says of huge device folios
 * @start: address of the first page
 * @npages: how many
 * @pfns: what it said of each
 *
 * Of a huge page of device memory that begins before @start, it numbers the pages as
 * if that one were the first (seen in 7.2).  Where a whole PMD maps, page and address
 * have the same place in their 2 MiB.
 *
 * Context: any; no page is looked at.
 */
static inline void compat_mend_hmm_pfns(unsigned long start, unsigned long npages,
					unsigned long *pfns)
{
	unsigned long i, place;

	for (i = 0; i < npages; i++) {
		if (!(pfns[i] & HMM_PFN_VALID) ||
		    hmm_pfn_to_map_order(pfns[i]) < HPAGE_PMD_ORDER)
			continue;
		place = (start / PAGE_SIZE + i) % HPAGE_PMD_NR;
		pfns[i] = round_down(pfns[i], HPAGE_PMD_NR) | place;
	}
}

#endif
