// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Moving a range of a process's memory, as far as it can be moved.
 *
 * A range is moved a window at a time.  In each window, every page ends with an
 * answer: it moved, or why it did not.  First a look tells which pages are there
 * already; those are left in peace, and if that is all, no notifier is called.
 * Where the first page is not there, nor are the others as a rule, and the look is left out.
 * Then follow attempts.  The memory manager only says that a page could not be
 * collected, so the reason is looked for afterwards, among those that are left;
 * a page that merely was in use is tried again, at once a few times and then with
 * pauses, as long as the call's patience lasts.
 *
 * A huge folio moves whole if the window is its 2 MiB and there is a place for it.
 *
 * Locking: mmap_lock is held for reading for one pass over a window.  VRAM is
 * taken before it, since that may make page structures, and evict what is there.
 */
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "compat/compat_mm.h"
#include "control.h"
#include "migrate.h"
#include "mockgpu_drm.h"
#include "stats.h"
#include "svm_migrate.h"
#include "vram.h"

/* Attempts at a page without a pause, and how long a call tries again in all. */
#define SVM_QUICK_ATTEMPTS	3
#define SVM_PATIENCE		ms_to_ktime(100)

/**
 * svm_migration_create() - get ready to migrate
 * @svm: memory of the calling process
 * @to_vram: which way
 * @cause: MOCKGPU_CAUSE_*
 *
 * Return: what the functions below work with, or NULL where there is no memory.
 */
struct svm_migration *svm_migration_create(struct svm *svm, bool to_vram, unsigned int cause)
{
	struct svm_migration *mig = NULL;

	if (!control_no_memory())
		mig = kvzalloc(sizeof(*mig), GFP_KERNEL_ACCOUNT);
	if (mig) {
		mig->svm = svm;
		mig->to_vram = to_vram;
		mig->cause = cause;
	}
	return mig;
}

/**
 * svm_migration_destroy() - undo svm_migration_create()
 * @mig: what it returned
 */
void svm_migration_destroy(struct svm_migration *mig)
{
	kvfree(mig);
}

/**
 * svm_place_answer() - the answer for a page, from where it is
 * @mig: migration
 * @res: MOCKGPU_RES_*
 *
 * Return: MOCKGPU_PAGE_*, or MIGRATE_PENDING where it may have to move.
 */
u8 svm_place_answer(const struct svm_migration *mig, u32 res)
{
	if (!(res & MOCKGPU_RES_PRESENT))
		return MIGRATE_PENDING;
	if (!(res & MOCKGPU_RES_VRAM))
		return mig->to_vram ? MIGRATE_PENDING : MOCKGPU_PAGE_ALREADY;
	if (!mig->to_vram)
		return MIGRATE_PENDING;
	if (res & MOCKGPU_RES_LOCAL)
		return MOCKGPU_PAGE_ALREADY;
	return mig->leave_peers ? MOCKGPU_PAGE_PEER : MIGRATE_PENDING;
}

/**
 * svm_pending() - how many pages have no answer yet
 * @status: a byte for each page
 * @npages: how many
 */
unsigned int svm_pending(const u8 *status, unsigned int npages)
{
	const u64 low = 0x7f7f7f7f7f7f7f7f;
	unsigned int i, pending = 0;
	u64 other;

	/* Eight at a time: each byte of @other is 0 where the page is pending. */
	for (i = 0; i + sizeof(other) <= npages; i += sizeof(other)) {
		memcpy(&other, status + i, sizeof(other));
		other = ~other;
		pending += hweight64(~(((other & low) + low) | other | low));
	}
	for (; i < npages; i++)
		pending += status[i] == MIGRATE_PENDING;
	return pending;
}

/**
 * svm_settle() - give all pages that have no answer yet the same
 * @status: a byte for each page
 * @npages: how many
 * @answer: MOCKGPU_PAGE_*
 */
void svm_settle(u8 *status, unsigned int npages, u8 answer)
{
	unsigned int i;

	for (i = 0; i < npages; i++) {
		if (status[i] == MIGRATE_PENDING)
			status[i] = answer;
	}
}

/**
 * svm_stretch_answer() - the answer for all pages of a VMA
 * @vma: VMA, or NULL where nothing is mapped
 * @to_vram: which way
 *
 * Return: MOCKGPU_PAGE_*, or MIGRATE_PENDING where each page has its own.
 */
u8 svm_stretch_answer(struct vm_area_struct *vma, bool to_vram)
{
	if (!vma)
		return MOCKGPU_PAGE_UNMAPPED;
	if (svm_is_special(vma))
		return MOCKGPU_PAGE_SPECIAL;
	/* What was there before the mapping changed may still come home. */
	if (!to_vram)
		return MIGRATE_PENDING;
	if (!(vma->vm_flags & VM_ACCESS_FLAGS))
		return MOCKGPU_PAGE_NO_ACCESS;
	return MIGRATE_PENDING;
}

/**
 * svm_stretch_guess() - what to answer for pages of a VMA that cannot be collected
 * @vma: VMA whose pages have answers of their own
 *
 * A hole of an anonymous mapping is collected.  That of a file is not: it cannot
 * be filled.
 *
 * Return: MOCKGPU_PAGE_*.
 */
u8 svm_stretch_guess(struct vm_area_struct *vma)
{
	return vma_is_anonymous(vma) ? MOCKGPU_PAGE_BUSY : MOCKGPU_PAGE_ABSENT;
}

/**
 * svm_walk_stretches() - walk the parts of a range that lie in one VMA, or in none
 * @mm: address space
 * @start: first address
 * @end: end of the range
 * @fn: called for each part, with NULL where nothing is mapped; an error ends it
 * @data: for @fn
 *
 * Context: mmap_lock held.
 * Return: 0 or the error of @fn.
 */
int svm_walk_stretches(struct mm_struct *mm, unsigned long start, unsigned long end,
		       svm_stretch_fn fn, void *data)
{
	struct vm_area_struct *vma;
	unsigned long stop;
	int ret = 0;

	mmap_assert_locked(mm);

	for (; start < end && !ret; start = stop) {
		vma = find_vma(mm, start);
		if (vma && vma->vm_start <= start) {
			stop = min(end, vma->vm_end);
		} else {
			stop = vma ? min(end, vma->vm_start) : end;
			vma = NULL;
		}
		ret = fn(data, vma, start, stop);
	}
	return ret;
}

/**
 * svm_screen_merged() - find pages that KSM merged, before any is collected
 * @vma: VMA
 * @start: address of the first page
 * @npages: how many
 * @status: gets MOCKGPU_PAGE_KSM for pending pages that are merged
 *
 * Collecting takes the page out of this process's page table alone, putting it back
 * goes by what ksmd has noted of the page, and there is a moment in which ksmd has
 * mapped a page and not noted it.  So merged pages are better not collected.
 *
 * Context: mmap_lock held; the calling process's memory.
 * Return: whether there was one.
 */
bool svm_screen_merged(struct vm_area_struct *vma, unsigned long start, unsigned int npages,
		       u8 *status)
{
	struct page *page;
	bool found = false;
	unsigned int i;

	if (!(vma->vm_flags & VM_MERGEABLE))
		return false;
	for (i = 0; i < npages; i++) {
		if (status[i] != MIGRATE_PENDING ||
		    get_user_pages_fast_only(start + i * PAGE_SIZE, 1, 0, &page) != 1)
			continue;
		if (folio_test_ksm(page_folio(page))) {
			status[i] = MOCKGPU_PAGE_KSM;
			found = true;
		}
		put_page(page);
	}
	return found;
}

/* Best effort: one pass over a window. */
struct svm_pass {
	struct svm_migration *mig;
	struct migrate_pool *pool;
	unsigned long start;
	u8 *status;
	bool whole;
	bool blind;
};

static void svm_pass_run(struct svm_pass *pass, struct vm_area_struct *vma, unsigned int first,
			 unsigned int last)
{
	struct svm_migration *mig = pass->mig;
	struct migrate_run run = {
		.args = {
			.vma = vma,
			.start = pass->start + first * PAGE_SIZE,
			.end = pass->start + last * PAGE_SIZE,
			.src = mig->src + first,
			.dst = mig->dst + first,
		},
		.status = pass->status + first,
		.guess = mig->guess + first,
		.huge = mig->to_vram ? pass->pool->huge : pass->whole,
		.leave_peers = mig->leave_peers || pass->blind,
		.vram = mig->svm->vram,
		.stay = {
			.charge = mig->svm->charge,
			.granularity = mig->granularity,
			.slice_ms = mig->slice_ms,
		},
		.cause = mig->cause,
		.queue = mig->queue,
	};

	if (migrate_run_start(&run, mig->to_vram)) {
		svm_settle(run.status, last - first, MOCKGPU_PAGE_SPECIAL);
		return;
	}
	if (mig->to_vram)
		migrate_run_fill_vram(&run, pass->pool, false);
	else
		migrate_run_fill_system(&run);
	migrate_run_commit(&run, mig->to_vram);
}

static int svm_pass_stretch(void *data, struct vm_area_struct *vma, unsigned long start,
			    unsigned long end)
{
	struct svm_pass *pass = data;
	unsigned int first = (start - pass->start) / PAGE_SIZE;
	unsigned int stop = (end - pass->start) / PAGE_SIZE, last;
	u8 answer = svm_stretch_answer(vma, pass->mig->to_vram);

	if (answer != MIGRATE_PENDING) {
		svm_settle(pass->status + first, stop - first, answer);
		return 0;
	}
	memset(pass->mig->guess + first, svm_stretch_guess(vma), stop - first);
	/* Shared memory never lives in VRAM: no need to disturb it to find out. */
	if (vma->vm_flags & VM_SHARED)
		return 0;
	if (pass->mig->to_vram)
		svm_screen_merged(vma, start, stop - first, pass->status + first);

	for (; first < stop; first = last) {
		last = first + 1;
		if (pass->status[first] != MIGRATE_PENDING)
			continue;
		while (last < stop && pass->status[last] == MIGRATE_PENDING)
			last++;
		svm_pass_run(pass, vma, first, last);
	}
	return 0;
}

/*
 * There is no memory, once.  A window that is all to move does so by single pages then, as
 * if 2 MiB at once had been asked for and not been there.  Of others the first page stays,
 * and on the way home all do.  Returns whether a huge folio may move whole.
 */
static bool svm_fail_once(struct svm_migration *mig, unsigned int npages, u8 *status)
{
	unsigned int i;

	if (!mig->fail_once)
		return true;
	mig->fail_once = false;
	if (svm_pending(status, npages) == VRAM_BLOCK_PAGES)
		return false;
	if (!mig->to_vram) {
		svm_settle(status, npages, MOCKGPU_PAGE_NO_RAM);
		return true;
	}
	for (i = 0; i < npages && status[i] != MIGRATE_PENDING; i++)
		;
	status[i] = MOCKGPU_PAGE_NO_VRAM;
	return true;
}

static int svm_pass(struct svm_migration *mig, unsigned long start, unsigned int npages,
		    u8 *status, bool huge, bool blind)
{
	bool whole = svm_fail_once(mig, npages, status);
	unsigned int pending = svm_pending(status, npages);
	struct svm *svm = mig->svm;
	struct mm_struct *mm = svm->mirror.mm;
	struct migrate_pool pool = {
		.vram = svm->vram,
		.charge = svm->charge,
		.pages = mig->pages,
	};
	struct svm_pass pass = { mig, &pool, start, status, whole, blind };
	int ret = -EINTR;

	if (mig->to_vram) {
		svm_take_vram(mig, &pool, pending,
			      huge && whole && pending == VRAM_BLOCK_PAGES, NULL);
		if (pool.why == -EINTR)
			goto out;
	}
	control_hit_range(CONTROL_MIGRATE_START, &svm->vram->present, mm, start,
			  start + npages * PAGE_SIZE);
	if (mmap_read_lock_killable(mm))
		goto out;
	ret = svm_walk_stretches(mm, start, start + npages * PAGE_SIZE, svm_pass_stretch, &pass);
	mmap_read_unlock(mm);
out:
	migrate_pool_drain(&pool);
	return ret;
}

/* Whether waiting may help any page that is pending. */
static bool svm_worth_waiting(const u8 *status, const u8 *guess, unsigned int npages)
{
	unsigned int i;

	for (i = 0; i < npages; i++) {
		if (status[i] == MIGRATE_PENDING &&
		    (guess[i] == MOCKGPU_PAGE_BUSY || guess[i] == MOCKGPU_PAGE_PINNED ||
		     guess[i] == MOCKGPU_PAGE_NO_VRAM))
			return true;
	}
	return false;
}

/**
 * svm_pause() - before the next attempt
 * @mig: migration, whose patience may have an end
 * @attempt: how many there were
 * @status: which pages are pending
 * @guess: why they may be
 * @npages: how many pages there are
 *
 * Context: may sleep.
 * Return: 0 to go on, 1 to give up, -EINTR for a signal.
 */
int svm_pause(struct svm_migration *mig, unsigned int attempt, const u8 *status,
	      const u8 *guess, unsigned int npages)
{
	unsigned int us = 50U << min(attempt, 7U);
	ktime_t now = ktime_get();

	if (signal_pending(current))
		return -EINTR;
	if (attempt > 1)
		mig->waited = ktime_add(mig->waited, ktime_sub(now, mig->since));
	mig->since = now;
	if (attempt < SVM_QUICK_ATTEMPTS) {
		cond_resched();
		return 0;
	}
	if (mig->hasty || ktime_after(mig->waited, SVM_PATIENCE) ||
	    !svm_worth_waiting(status, guess, npages))
		return 1;
	usleep_range(us, us + us / 4);
	return 0;
}

static bool svm_is_here(unsigned long addr)
{
	struct page *page;
	bool here;

	if (get_user_pages_fast_only(addr, 1, 0, &page) != 1)
		return false;
	here = !vram_has_page(page);
	put_page(page);
	return here;
}

/*
 * Whether a page lies in system memory, and is one that moves: one that never does says nothing
 * of those around it.  What lies in private VRAM is not mapped, and cannot be had.
 */
static bool svm_has_to_go(unsigned long addr)
{
	struct folio *folio;
	struct page *page;
	bool has;

	if (get_user_pages_fast_only(addr, 1, 0, &page) != 1)
		return false;
	folio = page_folio(page);
	has = folio_test_anon(folio) && !folio_test_ksm(folio) &&
	      !folio_maybe_dma_pinned(folio) && !vram_has_page(page);
	put_page(page);
	return has;
}

/*
 * Whether to take it for granted that all of a window has to move, as it seems by its first and
 * last page: to look at all of them takes a tenth of the time that it takes to move them.  What
 * need not move is not collected then, and has its answer afterwards; all that it loses is the
 * device's entry for it.  What is touched again and again is to keep that.  It costs nobody's
 * place in VRAM: that must be there for the whole window.
 */
static bool svm_is_clear(struct svm_migration *mig, unsigned long start, unsigned int npages)
{
	unsigned long last = start + (npages - 1) * PAGE_SIZE;
	struct svm *svm = mig->svm;
	struct vram_usage usage;

	if (mig->cause == MOCKGPU_CAUSE_TOUCH)
		return false;
	if (!mig->to_vram)
		return !svm_is_here(start) && !svm_is_here(last);
	if (!svm_has_to_go(start) || !svm_has_to_go(last))
		return false;
	vram_read_usage(svm->vram, &usage);
	return svm->vram->bytes - usage.used >= npages * PAGE_SIZE &&
	       vram_may_take(svm->vram, svm->charge) >= npages;
}

/*
 * Answer for the pages of a window that need not move, from where they are; or say that the
 * first attempt is to be made blindly.
 */
static int svm_look(struct svm_migration *mig, unsigned long start, unsigned int npages,
		    u8 *status, bool *blind)
{
	unsigned int i;
	int ret;

	*blind = false;
	if (npages > 1 && !mig->fail_once && svm_pending(status, npages) == npages) {
		*blind = svm_is_clear(mig, start, npages);
		if (*blind)
			return 0;
	}
	ret = svm_residency(mig->svm, start, npages, mig->res);
	/* A mapping that never stands still is known no better than before. */
	if (ret)
		return ret == -EBUSY ? 0 : ret;
	for (i = 0; i < npages; i++) {
		if (status[i] == MIGRATE_PENDING)
			status[i] = svm_place_answer(mig, mig->res[i]);
	}
	return 0;
}

/**
 * svm_move_pending() - move those pages of a window that are pending
 * @mig: migration
 * @start: address of the first page
 * @npages: how many, up to SVM_WINDOW_PAGES
 * @status: which pages; each has an answer afterwards
 *
 * Context: may sleep; takes mmap_lock for read.
 * Return: as svm_migrate_window().
 */
int svm_move_pending(struct svm_migration *mig, unsigned long start, unsigned int npages,
		     u8 *status)
{
	unsigned int i, attempt, pending;
	bool blind;
	int ret;

	memset(mig->guess, MOCKGPU_PAGE_BUSY, npages);
	ret = svm_look(mig, start, npages, status, &blind);
	for (attempt = 1;; attempt++) {
		pending = svm_pending(status, npages);
		if (ret || !pending)
			break;
		/* Where there is no place for 2 MiB at once, there may be for pages. */
		ret = svm_pass(mig, start, npages, status, attempt < SVM_QUICK_ATTEMPTS,
			       blind && attempt == 1);
		pending = svm_pending(status, npages);
		if (ret || !pending)
			break;
		ret = svm_explain(mig, start, npages, status, mig->guess);
		pending = svm_pending(status, npages);
		if (ret || !pending)
			break;
		ret = svm_pause(mig, attempt, status, mig->guess, npages);
		if (ret)
			break;
		stats_add(mig->svm->stats, STAT_MIGRATE_RETRIES, pending);
	}
	for (i = 0; i < npages && pending; i++) {
		if (status[i] == MIGRATE_PENDING)
			status[i] = ret < 0 ? MOCKGPU_PAGE_NOT_TRIED : mig->guess[i];
	}
	return min(ret, 0);
}

/**
 * svm_count_failures() - count what is worth counting
 * @svm: whose device counts
 * @status: answers
 * @npages: how many
 */
void svm_count_failures(struct svm *svm, const u8 *status, unsigned int npages)
{
	unsigned int i, copy = 0, vram = 0, ram = 0;

	/* Nearly always all have moved. */
	if (!memchr_inv(status, MOCKGPU_PAGE_MOVED, npages))
		return;
	for (i = 0; i < npages; i++) {
		copy += status[i] == MOCKGPU_PAGE_COPY_FAILED;
		vram += status[i] == MOCKGPU_PAGE_NO_VRAM;
		ram += status[i] == MOCKGPU_PAGE_NO_RAM;
	}
	stats_add(svm->stats, STAT_COPY_FAILURES, copy);
	stats_add(svm->stats, STAT_NO_VRAM, vram);
	stats_add(svm->stats, STAT_NO_RAM, ram);
}

/**
 * svm_migrate_window() - move what can be moved of a window
 * @mig: from svm_migration_create(), for the calling process's memory
 * @start: address of the first page
 * @npages: how many, at most svm_window() says
 * @status: answer, MOCKGPU_PAGE_* for each page
 *
 * Context: may sleep; takes mmap_lock for read.
 * Return: 0, also where pages stayed; -EINTR (a signal; pages that were not
 * reached are MOCKGPU_PAGE_NOT_TRIED), -ENOMEM (for the driver's own needs).
 */
int svm_migrate_window(struct svm_migration *mig, unsigned long start, unsigned int npages,
		       u8 *status)
{
	int ret;

	memset(status, MIGRATE_PENDING, npages);
	ret = svm_move_pending(mig, start, npages, status);
	svm_count_failures(mig->svm, status, npages);
	return ret;
}
