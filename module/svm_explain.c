// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Why a page could not be moved.
 *
 * The memory manager only says that it did not collect a page.  So the reason is looked for
 * afterwards, where the process maps it: a page that never moves has its answer then, and of
 * others it is known what to say should they stay.
 *
 * Locking: mmap_lock is taken for reading, for one page at a time.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "compat/compat_mm.h"
#include "migrate.h"
#include "mockgpu_drm.h"
#include "svm_migrate.h"

/*
 * A page that is present in system memory and was not collected: why?  Only what
 * the caller itself maps can be looked at; it is the process that asked.
 */
static u8 svm_explain_system_page(unsigned long addr, u8 *guess)
{
	struct folio *folio;
	struct page *page;
	u8 answer = MIGRATE_PENDING;

	if (get_user_pages_fast_only(addr, 1, 0, &page) != 1)
		return answer;
	folio = page_folio(page);
	if (folio_test_ksm(folio))
		answer = MOCKGPU_PAGE_KSM;
	else if (!compat_is_zero_page(page, 0) && !folio_test_anon(folio))
		answer = MOCKGPU_PAGE_FILE;
	else if (folio_maybe_dma_pinned(folio))
		*guess = MOCKGPU_PAGE_PINNED;
	put_page(page);
	return answer;
}

/* The same of one in VRAM, where it is mapped: coherent VRAM can be pinned. */
static void svm_explain_vram_page(unsigned long addr, u8 *guess)
{
	struct page *page;

	if (get_user_pages_fast_only(addr, 1, 0, &page) != 1)
		return;
	if (folio_maybe_dma_pinned(page_folio(page)))
		*guess = MOCKGPU_PAGE_PINNED;
	put_page(page);
}

/*
 * A page of an anonymous mapping that is neither there nor a hole is swapped out, or
 * somebody else is moving it.  Waits for no more than that: should the page turn out to
 * be wanted by a userfaultfd, the fault fails; and if it has come to VRAM while another
 * was waited for, a fault would bring it home.
 */
static int svm_swap_in(struct svm *svm, unsigned long addr)
{
	struct mm_struct *mm = svm->mirror.mm;
	u32 res;
	int ret = svm_residency(svm, addr, 1, &res);

	if (ret || (res & MOCKGPU_RES_PRESENT))
		return ret == -EBUSY ? 0 : ret;
	if (signal_pending(current) || mmap_read_lock_killable(mm))
		return -EINTR;
	fixup_user_fault(mm, addr, 0, NULL);
	mmap_read_unlock(mm);
	return 0;
}

static int svm_explain_page(struct svm_migration *mig, unsigned long addr, u32 res, u8 *status,
			    u8 *guess)
{
	int ret = 0;

	/* It was there, and there was no place for it. */
	if (*guess == MOCKGPU_PAGE_NO_VRAM)
		return 0;
	if (res & MOCKGPU_RES_UNMAPPED) {
		*guess = MOCKGPU_PAGE_NO_ACCESS;
	} else if (res & MOCKGPU_RES_PRESENT) {
		*guess = MOCKGPU_PAGE_BUSY;
		*status = svm_place_answer(mig, res);
		if (*status == MIGRATE_PENDING && (res & MOCKGPU_RES_VRAM))
			svm_explain_vram_page(addr, guess);
		else if (*status == MIGRATE_PENDING)
			*status = svm_explain_system_page(addr, guess);
	} else if (*guess == MOCKGPU_PAGE_BUSY && mig->to_vram) {
		ret = svm_swap_in(mig->svm, addr);
	} else {
		*guess = MOCKGPU_PAGE_ABSENT;
	}
	return ret;
}

/**
 * svm_explain() - find out about those pages of a window that are pending
 * @mig: migration
 * @start: address of the first page
 * @npages: how many, up to SVM_WINDOW_PAGES
 * @status: gets an answer where there is no hope
 * @guess: gets what to say if a page stays pending
 *
 * Context: may sleep; takes mmap_lock for read.
 * Return: 0, -EINTR or -ENOMEM.
 */
int svm_explain(struct svm_migration *mig, unsigned long start, unsigned int npages,
		u8 *status, u8 *guess)
{
	unsigned int i;
	int ret;

	ret = svm_residency(mig->svm, start, npages, mig->res);
	/* A mapping that never stands still has busy pages. */
	if (ret == -EBUSY)
		return 0;
	for (i = 0; i < npages && !ret; i++) {
		if (status[i] == MIGRATE_PENDING)
			ret = svm_explain_page(mig, start + i * PAGE_SIZE, mig->res[i],
					       &status[i], &guess[i]);
	}
	return ret;
}
