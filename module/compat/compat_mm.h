/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Pages, folios and page maps, on all kernels.
 *
 * Only the files of this folder know that kernels differ.  The rest of the module is
 * written for the newest that is supported; what an older one spells differently gets
 * its new spelling here, or where that cannot be, a name with compat_ on all of them.
 * HAVE_* comes from compat_probes.h, which probe.sh makes: 0 or 1.
 */
#ifndef MOCKGPU_COMPAT_MM_H
#define MOCKGPU_COMPAT_MM_H

#include <linux/cpufeature.h>
#include <linux/hmm.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include "compat_probes.h"

#if !HAVE_PAGE_PGMAP
static inline struct dev_pagemap *page_pgmap(const struct page *page)
{
	return page->pgmap;
}
#endif

#if !HAVE_FOLIO_MAPPING_FLAGS
#define FOLIO_MAPPING_ANON	PAGE_MAPPING_ANON
#define FOLIO_MAPPING_FLAGS	PAGE_MAPPING_FLAGS
#endif

#if !HAVE_ZONE_DEVICE_FOLIO_INIT
/* All folios of device memory are single pages there, which know their page map. */
static inline void zone_device_folio_init(struct folio *folio, struct dev_pagemap *pgmap,
					  unsigned int order)
{
	zone_device_page_init(&folio->page);
}
#endif

/**
 * DEFINE_COMPAT_SET_FOLIO_FREE() - define a function that sets a callback of page maps
 * @set: name of the function, which takes a &struct dev_pagemap_ops
 * @callback: what is to be called with a folio that has become free
 */
#if HAVE_OPS_FOLIO_FREE
#define DEFINE_COMPAT_SET_FOLIO_FREE(set, callback)		\
static void set(struct dev_pagemap_ops *ops)			\
{								\
	ops->folio_free = callback;				\
}
#else
#define DEFINE_COMPAT_SET_FOLIO_FREE(set, callback)		\
static void set##_page(struct page *page)			\
{								\
	callback(page_folio(page));				\
}								\
								\
static void set(struct dev_pagemap_ops *ops)			\
{								\
	ops->page_free = set##_page;				\
}
#endif

/**
 * compat_set_folio_split() - say what to call when a folio of device memory is split
 * @ops: callbacks of page maps
 * @callback: what to call; see compat_init_split_folio()
 *
 * On kernels without huge folios of device memory it never is.
 */
static inline void compat_set_folio_split(struct dev_pagemap_ops *ops,
					  void (*callback)(struct folio *head,
							   struct folio *tail))
{
#if HAVE_OPS_FOLIO_SPLIT
	ops->folio_split = callback;
#endif
}

/**
 * compat_init_split_folio() - give a folio that was split off what the kernel would have
 * @head: folio that was split
 * @tail: folio that came from it
 *
 * Context: the callback of compat_set_folio_split().
 */
static inline void compat_init_split_folio(struct folio *head, struct folio *tail)
{
#if HAVE_OPS_FOLIO_SPLIT
	tail->pgmap = head->pgmap;
	tail->mapping = head->mapping;
#endif
}

/**
 * compat_vma_alloc_folio() - allocate a folio of system memory for a mapping
 * @gfp: how
 * @order: log2 of the number of pages
 * @vma: mapping, which says from which nodes
 * @addr: address in it
 *
 * Context: mmap_lock held; may sleep as @gfp says.
 * Return: the folio, or NULL.
 */
static inline struct folio *compat_vma_alloc_folio(gfp_t gfp, int order,
						   struct vm_area_struct *vma,
						   unsigned long addr)
{
#if HAVE_VMA_ALLOC_FOLIO_4
	return vma_alloc_folio(gfp, order, vma, addr);
#else
	return vma_alloc_folio(gfp, order, vma, addr, false);
#endif
}

/**
 * compat_copy_page() - copy a page that may turn out to be unreadable
 * @to: where to
 * @from: where from, an address in the kernel
 *
 * Where the copy that survives a memory error is none, it is memcpy(), which takes three
 * times as long as what the kernel copies pages with: on x86, processors without fast
 * string operations, and emulated ones.
 *
 * Return: whether the copy is complete.
 */
static __always_inline bool compat_copy_page(void *to, const void *from)
{
#if defined(CONFIG_X86_64)
	bool checked = cpu_feature_enabled(X86_FEATURE_ERMS);
#elif defined(copy_mc_to_kernel)
	bool checked = true;
#else
	bool checked = false;
#endif

	if (checked)
		return copy_mc_to_kernel(to, from, PAGE_SIZE) == 0;
	copy_page(to, (void *)from);
	return true;
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
	return HAVE_MIGRATE_COMPOUND && thp_migration_supported() && has_transparent_hugepage();
}

/**
 * compat_has_device_exclusive() - can a device have a page exclusively?
 *
 * The kernel has that along with device-private memory, though it is not about that.
 */
static inline bool compat_has_device_exclusive(void)
{
	return IS_ENABLED(CONFIG_DEVICE_PRIVATE);
}

/**
 * compat_wants_huge() - has the process asked for huge pages there?
 * @vma: mapping
 *
 * What goes for mappings of which nothing was said, the kernel does not tell modules.
 * Kernels without huge folios of device memory are not asked.
 *
 * Context: mmap_lock held.
 */
static inline bool compat_wants_huge(struct vm_area_struct *vma)
{
#if HAVE_VMA_THP_DISABLED
	return (vma->vm_flags & VM_HUGEPAGE) && !vma_thp_disabled(vma, vma->vm_flags, false);
#else
	return false;
#endif
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
#if HAVE_MIGRATE_COMPOUND
	unsigned long i, count = folio_nr_pages(folio);

	for (i = 1; i < count; i++)
		((struct folio *)folio_page(folio, i))->pgmap = folio->pgmap;
	folio_clear_large_rmappable(folio);
	folio_clear_partially_mapped(folio);
	ClearPageCompound(&folio->page);
#endif
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
	unsigned long i, place, left = (ALIGN(start, HPAGE_PMD_SIZE) - start) / PAGE_SIZE;

	/* From there on, none begins before. */
	for (i = 0; i < min(npages, left); i++) {
		if (!(pfns[i] & HMM_PFN_VALID) ||
		    hmm_pfn_to_map_order(pfns[i]) < HPAGE_PMD_ORDER)
			continue;
		place = (start / PAGE_SIZE + i) % HPAGE_PMD_NR;
		pfns[i] = round_down(pfns[i], HPAGE_PMD_NR) | place;
	}
}

#endif
