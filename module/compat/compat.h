/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The only place that knows that kernels differ.
 *
 * The rest of the module is written for the newest kernel that is supported;
 * what an older one spells differently gets its new spelling here.
 */
#ifndef MOCKGPU_COMPAT_H
#define MOCKGPU_COMPAT_H

#include <linux/memremap.h>
#include <linux/mm.h>
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

#endif
