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

/* Of an entry of the destination this bit is the driver's own: the page is held back. */
#define COMPAT_HELD_BACK	MIGRATE_PFN_WRITE

static inline struct folio *compat_folio_to_move(const struct migrate_vma *args, unsigned long i)
{
	struct page *page = migrate_pfn_to_page(args->src[i]);

	return page && args->dst[i] ? page_folio(page) : NULL;
}

/**
 * compat_migrate_to_vram() - migrate_vma_pages() towards VRAM
 * @args: what was collected, with its copies
 * @swapcache: whether anything of it is in the swap cache
 *
 * What is in the swap cache leaves that, and moves when it is tried again.  The memory manager
 * would move it at once, but may have forgotten by then that it has left (6.12.107 has, 7.3.4 has
 * not): the swap cache is given an entry for it, which overwrites another, and the copy a
 * reference for that, which is never put.  References that are not expected keep it from that:
 * two, as 6.1 expects that of the swap cache even then.
 *
 * Context: as migrate_vma_pages(); the folios are locked.
 */
static inline void compat_migrate_to_vram(struct migrate_vma *args, bool swapcache)
{
	struct folio *folio;
	unsigned long i;

	for (i = 0; swapcache && i < args->npages; i++) {
		folio = compat_folio_to_move(args, i);
		if (!folio || !folio_test_swapcache(folio))
			continue;
		folio_ref_add(folio, 2);
		args->dst[i] |= COMPAT_HELD_BACK;
	}
	migrate_vma_pages(args);
	for (i = 0; swapcache && i < args->npages; i++) {
		if (!(args->dst[i] & COMPAT_HELD_BACK))
			continue;
		args->dst[i] &= ~COMPAT_HELD_BACK;
		folio_put_refs(compat_folio_to_move(args, i), 2);
	}
}

#endif
