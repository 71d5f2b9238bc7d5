// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Moving a range of a process's memory as a whole, or not at all.
 *
 * The whole range is taken out of use and filled first, and committed only if
 * no page is missing; otherwise everything is put back.  A page that was merely
 * in use makes the whole be tried again, for as long as a best-effort migration
 * would wait.  Should the memory manager refuse a page at the commit, when the
 * others have moved, those are moved back, and the whole is tried again likewise.
 * Back means to system memory, also for what came from another device's VRAM: that
 * may have no room any more, system memory has what a page needs, and it is the same
 * walk for all of them.
 *
 * Locking: mmap_lock is held for reading over the whole range, from the first
 * start to the last commit.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "control.h"
#include "evict.h"
#include "migrate.h"
#include "mockgpu_drm.h"
#include "stats.h"
#include "svm_migrate.h"
#include "vram.h"

/**
 * struct svm_atomic - a range on its way
 * @mig: the call
 * @start: address of the first page
 * @npages: how many
 * @status: a byte for each
 * @guess: likewise
 * @still: likewise: what to answer where a page is not collected, if that is as
 *	it should be, else MIGRATE_PENDING
 * @src: a slot for each; before the range is started, frames of those in VRAM
 * @dst: a slot for each
 * @peers: some of it lies in another device's VRAM and has to come from there; what is
 *	local is then taken out of use as well, and given back
 * @pool: VRAM to use
 * @runs: the parts, one for each VMA
 * @nr_runs: how many of them have been started
 */
struct svm_atomic {
	struct svm_migration *mig;
	unsigned long start;
	unsigned int npages;
	u8 *status;
	u8 *guess;
	u8 *still;
	unsigned long *src;
	unsigned long *dst;
	bool peers;
	struct migrate_pool pool;
	struct migrate_run *runs;
	unsigned int nr_runs;
};

static void svm_atomic_fini(struct svm_atomic *atomic)
{
	kvfree(atomic->guess);
	kvfree(atomic->still);
	kvfree(atomic->src);
	kvfree(atomic->dst);
	kvfree(atomic->pool.pages);
}

static int svm_atomic_init(struct svm_atomic *atomic, struct svm_migration *mig,
			   unsigned long start, unsigned int npages, u8 *status)
{
	if (control_no_memory())
		return -ENOMEM;
	*atomic = (struct svm_atomic) {
		.mig = mig,
		.start = start,
		.npages = npages,
		.status = status,
		.guess = kvcalloc(npages, sizeof(u8), GFP_KERNEL_ACCOUNT),
		.still = kvcalloc(npages, sizeof(u8), GFP_KERNEL_ACCOUNT),
		.src = kvcalloc(npages, sizeof(unsigned long), GFP_KERNEL_ACCOUNT),
		.dst = kvcalloc(npages, sizeof(unsigned long), GFP_KERNEL_ACCOUNT),
		.pool = {
			.vram = mig->svm->vram,
			.charge = mig->svm->charge,
			.pages = kvcalloc(npages, sizeof(struct page *), GFP_KERNEL_ACCOUNT),
		},
	};
	if (atomic->guess && atomic->still && atomic->src && atomic->dst && atomic->pool.pages)
		return 0;
	svm_atomic_fini(atomic);
	return -ENOMEM;
}

/* Call something for each window of the range. */
static int svm_atomic_windows(struct svm_atomic *atomic,
			      int (*fn)(struct svm_atomic *atomic, unsigned int first,
					unsigned int npages))
{
	unsigned long end = atomic->start + atomic->npages * PAGE_SIZE;
	unsigned int first, n;
	int ret = 0;

	for (first = 0; first < atomic->npages && !ret; first += n) {
		n = svm_window(atomic->start + first * PAGE_SIZE, end);
		ret = fn(atomic, first, n);
	}
	return ret;
}

/* The answer for a page that need not move, from where it is now. */
static u8 svm_atomic_still(const struct svm_migration *mig, u32 res)
{
	if ((res & MOCKGPU_RES_PRESENT) || mig->to_vram)
		return svm_place_answer(mig, res);
	return res & MOCKGPU_RES_UNMAPPED ? MOCKGPU_PAGE_NO_ACCESS : MOCKGPU_PAGE_ABSENT;
}

static int svm_atomic_look(struct svm_atomic *atomic, unsigned int first, unsigned int npages)
{
	struct svm_migration *mig = atomic->mig;
	unsigned int i;
	int ret;
	u8 answer;

	ret = mirror_snapshot(&mig->svm->mirror, atomic->start + first * PAGE_SIZE, npages,
			      mig->res, atomic->src + first);
	for (i = 0; i < npages && !ret; i++) {
		answer = svm_atomic_still(mig, mig->res[i]);
		atomic->still[first + i] = answer;
		if (answer == MIGRATE_PENDING && (mig->res[i] & MOCKGPU_RES_VRAM))
			atomic->peers = true;
	}
	return ret;
}

static int svm_atomic_explain(struct svm_atomic *atomic, unsigned int first, unsigned int npages)
{
	return svm_explain(atomic->mig, atomic->start + first * PAGE_SIZE, npages,
			   atomic->status + first, atomic->guess + first);
}

/*
 * Take VRAM for all that has to move.  What is there already, and is in @src, is not to
 * make room for it.  Returns -ENOMEM if it is not to be had.
 */
static int svm_atomic_reserve(struct svm_atomic *atomic)
{
	struct migrate_pool *pool = &atomic->pool;
	struct evict_keep keep;
	unsigned int i, short_by;

	evict_keep_set(&keep, atomic->src, atomic->npages);
	svm_take_vram(atomic->mig, pool, svm_pending(atomic->still, atomic->npages), false, &keep);
	if (!pool->why)
		return 0;
	if (pool->why == -EINTR)
		return pool->why;

	short_by = svm_pending(atomic->still, atomic->npages) - pool->count;
	for (i = atomic->npages; i-- && short_by; ) {
		if (atomic->still[i] != MIGRATE_PENDING)
			continue;
		atomic->status[i] = pool->why == -ENOMEM ? MOCKGPU_PAGE_NO_RAM :
							   MOCKGPU_PAGE_NO_VRAM;
		short_by--;
	}
	return -ENOMEM;
}

static int svm_atomic_count_stretch(void *data, struct vm_area_struct *vma, unsigned long start,
				    unsigned long end)
{
	++*(unsigned int *)data;
	return 0;
}

/* Start one part.  Nothing is allocated here: pages of other parts are locked. */
static int svm_atomic_start_stretch(void *data, struct vm_area_struct *vma, unsigned long start,
				    unsigned long end)
{
	struct svm_atomic *atomic = data;
	struct migrate_run *run = &atomic->runs[atomic->nr_runs];
	unsigned int first = (start - atomic->start) / PAGE_SIZE;
	unsigned int npages = (end - start) / PAGE_SIZE;
	u8 answer = svm_stretch_answer(vma, atomic->mig->to_vram);

	if (answer != MIGRATE_PENDING) {
		svm_settle(atomic->status + first, npages, answer);
		return 0;
	}
	memset(atomic->guess + first, svm_stretch_guess(vma), npages);
	if (vma->vm_flags & VM_SHARED)
		return 0;
	if (atomic->mig->to_vram &&
	    svm_screen_merged(vma, start, npages, atomic->status + first)) {
		/* One that must stay is enough: the others need not be tried. */
		svm_settle(atomic->status + first, npages, SVM_SKIP);
		return 0;
	}

	*run = (struct migrate_run) {
		.args = {
			.vma = vma,
			.start = start,
			.end = end,
			.src = atomic->src + first,
			.dst = atomic->dst + first,
		},
		.status = atomic->status + first,
		.guess = atomic->guess + first,
		.leave_peers = !atomic->peers,
		.vram = atomic->mig->svm->vram,
		.stay = {
			.charge = atomic->mig->svm->charge,
			.granularity = atomic->mig->granularity,
			.slice_ms = atomic->mig->slice_ms,
		},
		.cause = atomic->mig->cause,
	};
	if (migrate_run_start(run, atomic->mig->to_vram))
		svm_settle(run->status, npages, MOCKGPU_PAGE_SPECIAL);
	else
		atomic->nr_runs++;
	return 0;
}

/* Take the whole range out of use. */
static int svm_atomic_start(struct svm_atomic *atomic, struct mm_struct *mm)
{
	unsigned long end = atomic->start + atomic->npages * PAGE_SIZE;
	unsigned int stretches = 0;

	svm_walk_stretches(mm, atomic->start, end, svm_atomic_count_stretch, &stretches);
	atomic->runs = NULL;
	if (!control_no_memory())
		atomic->runs = kvmalloc_array(stretches, sizeof(*atomic->runs), GFP_KERNEL_ACCOUNT);
	if (!atomic->runs)
		return -ENOMEM;
	return svm_walk_stretches(mm, atomic->start, end, svm_atomic_start_stretch, atomic);
}

/* Whether an answer stands in the way of the whole. */
static bool svm_atomic_blocks(u8 answer, bool to_vram)
{
	switch (answer) {
	case SVM_SKIP:
	case MOCKGPU_PAGE_MOVED:
	case MOCKGPU_PAGE_ALREADY:
	case MOCKGPU_PAGE_NOT_TRIED:
		return false;
	case MOCKGPU_PAGE_ABSENT:
	case MOCKGPU_PAGE_NO_ACCESS:
		return to_vram;
	default:
		return true;
	}
}

static bool svm_atomic_blocked(const struct svm_atomic *atomic)
{
	unsigned int i;

	for (i = 0; i < atomic->npages; i++) {
		if (svm_atomic_blocks(atomic->status[i], atomic->mig->to_vram))
			return true;
	}
	return false;
}

/* Answer for the pages that were not collected, as long as they need not be. */
static void svm_atomic_answer_still(struct svm_atomic *atomic)
{
	unsigned int i;

	for (i = 0; i < atomic->npages; i++) {
		if (atomic->status[i] == MIGRATE_PENDING &&
		    !(atomic->src[i] & MIGRATE_PFN_MIGRATE))
			atomic->status[i] = atomic->still[i];
	}
}

/* Whether a page that cannot be filled stands in the way: no copy need be made. */
static bool svm_atomic_incomplete(const struct svm_atomic *atomic)
{
	unsigned int i;

	for (i = 0; i < atomic->npages; i++) {
		if (atomic->status[i] == MIGRATE_PENDING && (atomic->src[i] & MIGRATE_PFN_MIGRATE))
			continue;
		if (svm_atomic_blocks(atomic->status[i], atomic->mig->to_vram))
			return true;
	}
	return false;
}

static void svm_atomic_fill(struct svm_atomic *atomic)
{
	unsigned int i;

	for (i = 0; i < atomic->nr_runs; i++) {
		if (atomic->mig->to_vram)
			migrate_run_fill_vram(&atomic->runs[i], &atomic->pool, true);
		else
			migrate_run_fill_system(&atomic->runs[i]);
	}
}

/* Leave pages that can move alone from now on. */
static void svm_atomic_skip(struct svm_atomic *atomic, const unsigned long *slot,
			    unsigned long mark)
{
	unsigned int i;

	for (i = 0; i < atomic->npages; i++) {
		if (atomic->status[i] == MIGRATE_PENDING && (slot[i] & mark))
			atomic->status[i] = SVM_SKIP;
	}
}

/* All parts are started.  Returns whether every page has a copy, or needs none. */
static bool svm_atomic_prepare(struct svm_atomic *atomic)
{
	unsigned int i;

	for (i = 0; i < atomic->nr_runs && atomic->mig->to_vram; i++)
		migrate_run_screen(&atomic->runs[i]);
	svm_atomic_answer_still(atomic);
	if (svm_atomic_incomplete(atomic)) {
		svm_atomic_skip(atomic, atomic->src, MIGRATE_PFN_MIGRATE);
		return false;
	}
	svm_atomic_fill(atomic);
	svm_atomic_skip(atomic, atomic->dst, MIGRATE_PFN_VALID);
	return !svm_atomic_blocked(atomic);
}

/* Under mmap_lock.  Returns whether the range was committed, or an error. */
static int svm_atomic_attempt_locked(struct svm_atomic *atomic, struct mm_struct *mm)
{
	bool commit;
	unsigned int i;
	int ret;

	ret = svm_atomic_start(atomic, mm);
	commit = !ret && svm_atomic_prepare(atomic);
	for (i = 0; i < atomic->nr_runs; i++) {
		if (commit)
			migrate_run_commit(&atomic->runs[i], atomic->mig->to_vram);
		else
			migrate_run_cancel(&atomic->runs[i]);
	}
	kvfree(atomic->runs);
	return ret ? : commit;
}

/* One attempt.  Returns whether the range was committed, or an error. */
static int svm_atomic_attempt(struct svm_atomic *atomic)
{
	struct mm_struct *mm = atomic->mig->svm->mirror.mm;
	int ret;

	atomic->nr_runs = 0;
	atomic->peers = false;
	memset(atomic->status, MIGRATE_PENDING, atomic->npages);
	memset(atomic->still, MIGRATE_PENDING, atomic->npages);
	memset(atomic->guess, MOCKGPU_PAGE_BUSY, atomic->npages);

	ret = svm_atomic_windows(atomic, svm_atomic_look);
	if (!ret && atomic->mig->to_vram)
		ret = svm_atomic_reserve(atomic);
	if (ret)
		return ret;
	memset(atomic->src, 0, atomic->npages * sizeof(*atomic->src));
	memset(atomic->dst, 0, atomic->npages * sizeof(*atomic->dst));

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	ret = svm_atomic_attempt_locked(atomic, mm);
	mmap_read_unlock(mm);
	return ret;
}

/* Move back what a commit moved. */
static int svm_atomic_roll_back_window(struct svm_atomic *atomic, unsigned int first,
				       unsigned int npages)
{
	struct svm_migration *mig = atomic->mig;
	u8 *status = atomic->guess + first;
	unsigned int i;

	/* The guesses have done their duty; their array serves for this. */
	for (i = 0; i < npages; i++)
		status[i] = atomic->status[first + i] == MOCKGPU_PAGE_MOVED ? MIGRATE_PENDING :
									      SVM_SKIP;
	svm_move_pending(mig, atomic->start + first * PAGE_SIZE, npages, status);
	for (i = 0; i < npages; i++) {
		if (status[i] == MOCKGPU_PAGE_MOVED || status[i] == MOCKGPU_PAGE_ALREADY)
			atomic->status[first + i] = MOCKGPU_PAGE_NOT_TRIED;
	}
	return 0;
}

/*
 * The range was committed.  Did every page go along?  If not, the others are moved
 * back, and those that did not are pending again.
 */
static bool svm_atomic_complete(struct svm_atomic *atomic)
{
	unsigned int i, refused = 0;

	for (i = 0; i < atomic->npages; i++) {
		if (atomic->status[i] == SVM_SKIP) {
			atomic->status[i] = MIGRATE_PENDING;
			refused++;
		}
	}
	if (!refused)
		return true;
	atomic->mig->to_vram = !atomic->mig->to_vram;
	svm_atomic_windows(atomic, svm_atomic_roll_back_window);
	atomic->mig->to_vram = !atomic->mig->to_vram;
	memset(atomic->guess, MOCKGPU_PAGE_BUSY, atomic->npages);
	return false;
}

/* Nothing has moved: turn what is known into answers. */
static void svm_atomic_answer(struct svm_atomic *atomic, int ret)
{
	unsigned int i;

	for (i = 0; i < atomic->npages; i++) {
		u8 *status = &atomic->status[i];

		if (*status == MIGRATE_PENDING)
			*status = atomic->still[i];
		if (*status == SVM_SKIP || (*status == MIGRATE_PENDING && ret != -EBUSY))
			*status = MOCKGPU_PAGE_NOT_TRIED;
		else if (*status == MIGRATE_PENDING)
			/* That there was no room for it is said with another error. */
			*status = atomic->guess[i] == MOCKGPU_PAGE_NO_VRAM ?
				  MOCKGPU_PAGE_BUSY : atomic->guess[i];
	}
}

static int svm_atomic_error(const struct svm_atomic *atomic)
{
	unsigned int i;

	for (i = 0; i < atomic->npages; i++) {
		if (atomic->status[i] == MOCKGPU_PAGE_NO_VRAM ||
		    atomic->status[i] == MOCKGPU_PAGE_NO_RAM)
			return -ENOMEM;
	}
	return -EBUSY;
}

/* Whether there is a page that no further attempt will move. */
static bool svm_atomic_hopeless(const struct svm_atomic *atomic)
{
	unsigned int i;

	for (i = 0; i < atomic->npages; i++) {
		if (atomic->status[i] != MIGRATE_PENDING &&
		    svm_atomic_blocks(atomic->status[i], atomic->mig->to_vram))
			return true;
	}
	return false;
}

static int svm_atomic_move(struct svm_atomic *atomic)
{
	struct svm_migration *mig = atomic->mig;
	unsigned int attempt;
	int ret;

	for (attempt = 1;; attempt++) {
		ret = svm_atomic_attempt(atomic);
		if (mig->to_vram)
			migrate_pool_drain(&atomic->pool);
		if (ret < 0)
			return ret;
		if (ret && svm_atomic_complete(atomic))
			return 0;

		ret = svm_atomic_windows(atomic, svm_atomic_explain);
		if (ret)
			return ret;
		if (svm_atomic_hopeless(atomic))
			return svm_atomic_error(atomic);
		ret = svm_pause(mig, attempt, atomic->status, atomic->guess, atomic->npages);
		if (ret)
			return ret < 0 ? ret : -EBUSY;
		stats_add(mig->svm->stats, STAT_MIGRATE_RETRIES,
			  svm_pending(atomic->status, atomic->npages));
	}
}

/**
 * svm_migrate_atomic() - move a range as a whole, or not at all
 * @mig: from svm_migration_create(), for the calling process's memory
 * @start: address of the first page
 * @npages: how many, up to SVM_ATOMIC_PAGES
 * @status: answer, MOCKGPU_PAGE_* for each page
 *
 * Context: may sleep; takes mmap_lock for read.
 * Return: 0 when every page is at the target; -ENOMEM where VRAM or RAM lacked;
 * -EBUSY where a page could not move for another reason; -EINTR (a signal).
 */
int svm_migrate_atomic(struct svm_migration *mig, unsigned long start, unsigned int npages,
		       u8 *status)
{
	struct svm_atomic atomic;
	int ret;

	ret = svm_atomic_init(&atomic, mig, start, npages, status);
	if (ret) {
		memset(status, MOCKGPU_PAGE_NOT_TRIED, npages);
		return ret;
	}
	/* Nobody is to leave for what cannot be in the end. */
	if (npages > mig->svm->vram->bytes / PAGE_SIZE)
		mig->no_evict = true;
	ret = svm_atomic_move(&atomic);
	svm_atomic_answer(&atomic, ret);
	svm_count_failures(mig->svm, status, npages);
	svm_atomic_fini(&atomic);
	return ret;
}
