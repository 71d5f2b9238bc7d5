/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Moving pages, and taking them from the CPU, on all kernels; see compat_mm.h. */
#ifndef MOCKGPU_COMPAT_MIGRATE_H
#define MOCKGPU_COMPAT_MIGRATE_H

#include <linux/err.h>
#include <linux/hugetlb.h>
#include <linux/migrate.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>

#include "compat_probes.h"

#if !HAVE_MIGRATE_COMPOUND
/* Huge folios are split when they are collected: no entry ever says that it is one. */
#define MIGRATE_VMA_SELECT_COMPOUND	0
#define MIGRATE_PFN_COMPOUND		0UL
#endif

#if !HAVE_MIGRATE_DEVICE_PFNS
static inline int migrate_device_pfns(unsigned long *src_pfns, unsigned long npages)
{
	unsigned long i;

	for (i = 0; i < npages; i++)
		migrate_device_range(src_pfns + i, src_pfns[i], 1);
	return 0;
}
#endif

#if !HAVE_MAKE_DEVICE_EXCLUSIVE
/*
 * The old call only tries to lock the page, and cannot take a page of a huge folio but
 * the first: both are -EBUSY.
 */
static inline struct page *make_device_exclusive(struct mm_struct *mm, unsigned long addr,
						 void *owner, struct folio **foliop)
{
	struct vm_area_struct *vma;
	struct page *page = NULL;
	int ret;

	mmap_assert_locked(mm);

	vma = vma_lookup(mm, addr);
	if (!vma)
		return ERR_PTR(-EFAULT);
	/* It is for anonymous memory. */
	if (!IS_ENABLED(CONFIG_DEVICE_PRIVATE) || (vma->vm_flags & VM_SHARED) ||
	    is_vm_hugetlb_page(vma))
		return ERR_PTR(-EOPNOTSUPP);
	addr &= PAGE_MASK;
	ret = make_device_exclusive_range(mm, addr, addr + PAGE_SIZE, &page, owner);
	if (ret < 0)
		return ERR_PTR(ret);
	if (!ret || !page)
		return ERR_PTR(-EBUSY);
	*foliop = page_folio(page);
	return page;
}
#endif

#endif
