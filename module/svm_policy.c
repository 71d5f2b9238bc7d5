// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Where pages had better be: what was advised, put into practice.
 *
 * When the device touches a page that it has not mapped, or one whose touches were
 * counted to the end, the mirror asks here first.  The answer may be to move pages, and
 * says how they are to be mapped.  Moving is best effort, unless the pages must be in
 * VRAM.
 *
 * Locking: none of its own.  Advice can change at any time; who changes it has the
 * mirror ask again.
 */
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "control.h"
#include "mirror.h"
#include "mockgpu_drm.h"
#include "stats.h"
#include "svm.h"
#include "svm_advice.h"
#include "svm_migrate.h"
#include "svm_policy.h"
#include "vram.h"

/* How often a touch moves a page that others bring home again before it is used. */
#define SVM_TOUCH_TRIES		3U

/**
 * struct svm_granule - what one touch moves
 * @start: address of the first page
 * @npages: how many
 * @status: a byte for each; MOCKGPU_PAGE_*
 */
struct svm_granule {
	unsigned long start;
	unsigned int npages;
	u8 status[SVM_WINDOW_PAGES];
};

static bool svm_place_is_here(const struct svm *svm, u32 place)
{
	return place == MOCKGPU_PLACE_DEVICE(svm->vram->index);
}

/* The piece around an address that goes together: of one size, advice and mapping. */
static int svm_find_granule(struct svm *svm, unsigned long addr, const struct advice_piece *piece,
			    struct svm_granule *granule)
{
	unsigned long size = PAGE_SIZE << piece->advice.value[MOCKGPU_ADVICE_GRANULARITY];
	unsigned long start = round_down(addr, size), last = start + size - 1;
	struct mm_struct *mm = svm_mm(svm);
	struct vm_area_struct *vma;

	start = max_t(u64, start, piece->start);
	last = min_t(u64, last, piece->last);
	if (mmap_read_lock_killable(mm))
		return -EINTR;
	vma = vma_lookup(mm, addr);
	if (vma) {
		start = max(start, vma->vm_start);
		last = min(last, vma->vm_end - 1);
	}
	mmap_read_unlock(mm);
	granule->start = start;
	granule->npages = vma ? (last + 1 - start) / PAGE_SIZE : 0;
	return 0;
}

/* Move a granule to VRAM.  A queue's thread becomes the process for it. */
static int svm_move_granule(struct svm *svm, struct svm_granule *granule, bool hasty, u32 queue)
{
	bool borrow = !current->mm;
	struct svm_migration *mig;
	int ret;

	mig = svm_migration_create(svm, true, MOCKGPU_CAUSE_TOUCH);
	if (!mig)
		return -ENOMEM;
	mig->hasty = hasty;
	mig->queue = queue;
	svm_follow_advice(mig, granule->start, granule->npages);
	if (borrow)
		kthread_use_mm(svm_mm(svm));
	ret = svm_migrate_window(mig, granule->start, granule->npages, granule->status);
	if (borrow)
		kthread_unuse_mm(svm_mm(svm));
	svm_migration_destroy(mig);
	return ret;
}

static unsigned int svm_count_moved(const u8 *status, unsigned int npages)
{
	unsigned int i, moved = 0;

	for (i = 0; i < npages; i++)
		moved += status[i] == MOCKGPU_PAGE_MOVED;
	return moved;
}

/*
 * Move what a touch moves; with @hasty, without waiting for what is busy.  Returns 0 and
 * what became of the page in @answer, or an error.
 */
static int svm_touch_move(struct svm *svm, struct mirror_touch *touch,
			  const struct advice_piece *piece, bool hasty, u8 *answer)
{
	struct svm_granule *granule;
	unsigned int moved;
	int ret;

	if (control_no_memory())
		return -ENOMEM;
	granule = kmalloc(sizeof(*granule), GFP_KERNEL_ACCOUNT);
	if (!granule)
		return -ENOMEM;
	ret = svm_find_granule(svm, touch->addr, piece, granule);
	if (ret)
		goto out;
	*answer = MOCKGPU_PAGE_UNMAPPED;
	if (!granule->npages)
		goto out;
	ret = svm_move_granule(svm, granule, hasty, touch->queue);
	if (ret)
		goto out;

	*answer = granule->status[(touch->addr - granule->start) / PAGE_SIZE];
	moved = svm_count_moved(granule->status, granule->npages);
	touch->migrations += moved;
	stats_add(svm->stats, STAT_PAGES_TOUCHED, moved);
	/* What is said here of the page is true of these. */
	touch->first = max(touch->first, granule->start);
	touch->end = min(touch->end, granule->start + granule->npages * PAGE_SIZE);
out:
	kfree(granule);
	return ret;
}

/* The error of a page that must be in VRAM and did not get there. */
static int svm_answer_error(u8 answer)
{
	switch (answer) {
	case MOCKGPU_PAGE_MOVED:
	case MOCKGPU_PAGE_ALREADY:
		return 0;
	case MOCKGPU_PAGE_UNMAPPED:
	case MOCKGPU_PAGE_NO_ACCESS:
	case MOCKGPU_PAGE_ABSENT:
		/* The fault that follows knows why, or makes a page that can be moved. */
		return 0;
	case MOCKGPU_PAGE_NO_VRAM:
	case MOCKGPU_PAGE_NO_RAM:
		return -ENOMEM;
	case MOCKGPU_PAGE_PINNED:
	case MOCKGPU_PAGE_BUSY:
		return -EBUSY;
	case MOCKGPU_PAGE_COPY_FAILED:
		return -EIO;
	default:
		return -EOPNOTSUPP;
	}
}

/* The page is used in VRAM or not at all. */
static int svm_touch_must(struct svm *svm, struct mirror_touch *touch,
			  const struct advice_piece *piece)
{
	u8 answer;
	int ret;

	/* Should it have left again by the time that it is mapped, this is asked again. */
	touch->elsewhere = touch->look ? -EREMOTE : -ESTALE;
	if (touch->look)
		return 0;
	ret = svm_touch_move(svm, touch, piece, false, &answer);
	return ret ? : svm_answer_error(answer);
}

/* The page would better be in VRAM. */
static int svm_touch_wish(struct svm *svm, struct mirror_touch *touch,
			  const struct advice_piece *piece)
{
	unsigned int nth = piece->advice.value[MOCKGPU_ADVICE_TOUCH];
	bool counts = touch->write || touch->reads;
	u8 answer;
	int ret;

	if (!nth)
		return 0;
	/* Each page has its own first touch, and its own count. */
	touch->huge = false;
	if (touch->look || !(touch->counted || (nth == 1 && counts))) {
		touch->left = nth;
		return 0;
	}
	if (touch->tries >= SVM_TOUCH_TRIES)
		return 0;
	ret = svm_touch_move(svm, touch, piece, true, &answer);
	if (ret == -ENOMEM)
		return 0;
	/* If it leaves again before it is mapped, the next touch is to find that out. */
	if (!ret && (answer == MOCKGPU_PAGE_MOVED || answer == MOCKGPU_PAGE_ALREADY))
		touch->left = 1;
	return ret;
}

static int svm_touch(void *owner, struct mirror_touch *touch)
{
	unsigned long leaf = round_down(touch->addr, GPU_PT_LEAF_BYTES);
	struct svm *svm = owner;
	struct advice_piece piece;
	const u16 *value = piece.advice.value;

	svm_advice_get(&svm->advice, touch->addr, &piece);
	touch->first = max_t(u64, touch->first, piece.start);
	touch->end = min_t(u64, touch->end - 1, piece.last) + 1;
	touch->huge = piece.start <= leaf && leaf + GPU_PT_LEAF_BYTES - 1 <= piece.last;
	touch->around = value[MOCKGPU_ADVICE_FAULT_AROUND];
	touch->reads = !value[MOCKGPU_ADVICE_READ_MOSTLY];
	touch->atomics_here = value[MOCKGPU_ADVICE_ATOMIC] == MOCKGPU_ATOMICS_MIGRATE;

	if (value[MOCKGPU_ADVICE_MUST_VRAM])
		return svm_touch_must(svm, touch, &piece);
	if (touch->atomic && value[MOCKGPU_ADVICE_ATOMIC] == MOCKGPU_ATOMICS_MIGRATE)
		return svm_touch_must(svm, touch, &piece);
	if (touch->atomic && value[MOCKGPU_ADVICE_ATOMIC] == MOCKGPU_ATOMICS_REFUSE)
		touch->elsewhere = -EOPNOTSUPP;
	if (svm_place_is_here(svm, value[MOCKGPU_ADVICE_PLACE]))
		return svm_touch_wish(svm, touch, &piece);
	return 0;
}

const struct mirror_ops svm_mirror_ops = {
	.touch = svm_touch,
};

/**
 * svm_follow_advice() - migrate as was advised
 * @mig: migration
 * @start: address of the first page
 * @npages: how many
 *
 * Return: how many of the pages have the same advice, from the first on; at least 1.
 */
unsigned int svm_follow_advice(struct svm_migration *mig, unsigned long start,
			       unsigned int npages)
{
	struct advice_piece piece;

	svm_advice_get(&mig->svm->advice, start, &piece);
	mig->granularity = piece.advice.value[MOCKGPU_ADVICE_GRANULARITY];
	mig->slice_ms = piece.advice.value[MOCKGPU_ADVICE_TIME_SLICE];
	return min_t(u64, npages, (piece.last - start) / PAGE_SIZE + 1);
}

/* Where a prefetch moves pages with this advice: the memory it belongs to, or NULL. */
static struct svm *svm_prefetch_target(const struct svm_prefetch *prefetch,
				       const struct advice_piece *piece, bool *to_vram)
{
	struct svm *svm = prefetch->svm;
	u32 place = prefetch->place;

	if (place == MOCKGPU_PLACE_ANY)
		place = piece->advice.value[MOCKGPU_ADVICE_PLACE];
	*to_vram = place != MOCKGPU_PLACE_SYSTEM;
	if (place == MOCKGPU_PLACE_SYSTEM || svm_place_is_here(svm, place))
		return svm;
	return prefetch->target;
}

static void svm_prefetch_count(struct svm_prefetch *prefetch, const u8 *status,
			       unsigned int npages, bool to_vram)
{
	unsigned int i;

	for (i = 0; i < npages; i++) {
		switch (status[i]) {
		case MOCKGPU_PAGE_MOVED:
			prefetch->moved++;
			break;
		case MOCKGPU_PAGE_ABSENT:
			/* In system memory it will be made as it is mapped. */
			prefetch->stayed += to_vram;
			break;
		case MOCKGPU_PAGE_ALREADY:
		case MOCKGPU_PAGE_UNMAPPED:
		case MOCKGPU_PAGE_NO_ACCESS:
			break;
		case MOCKGPU_PAGE_NO_VRAM:
		case MOCKGPU_PAGE_NO_RAM:
			prefetch->no_room = true;
			fallthrough;
		default:
			prefetch->stayed++;
		}
	}
}

/* Move some pages, all of which have the same advice. */
static int svm_prefetch_move(struct svm_prefetch *prefetch, const struct advice_piece *piece,
			     unsigned long start, unsigned int npages)
{
	struct svm_migration *mig;
	struct svm *target;
	bool to_vram;
	u8 *status;
	int ret = -ENOMEM;

	target = svm_prefetch_target(prefetch, piece, &to_vram);
	if (!target)
		return 0;
	if (control_no_memory())
		return ret;
	status = kmalloc(npages, GFP_KERNEL_ACCOUNT);
	mig = svm_migration_create(target, to_vram, MOCKGPU_CAUSE_PREFETCH);
	if (status && mig) {
		mig->granularity = piece->advice.value[MOCKGPU_ADVICE_GRANULARITY];
		mig->slice_ms = piece->advice.value[MOCKGPU_ADVICE_TIME_SLICE];
		ret = svm_migrate_window(mig, start, npages, status);
		svm_prefetch_count(prefetch, status, npages, to_vram);
	}
	svm_migration_destroy(mig);
	kfree(status);
	return ret;
}

/**
 * svm_prefetch() - have pages where they are wanted, and mapped
 * @prefetch: how
 * @start: address of the first page
 * @npages: how many, at most svm_window() says
 *
 * Context: the calling process's memory; may sleep; takes mmap_lock for read.
 * Return: 0, also where pages stayed; -EINTR (a signal), -ENOMEM (for the driver's own
 * needs).
 */
int svm_prefetch(struct svm_prefetch *prefetch, unsigned long start, unsigned int npages)
{
	struct svm *svm = prefetch->svm;
	struct advice_piece piece;
	unsigned int done, n;
	int ret = 0;

	for (done = 0; done < npages && !ret; done += n) {
		unsigned long addr = start + done * PAGE_SIZE;

		svm_advice_get(&svm->advice, addr, &piece);
		n = min_t(u64, npages - done, (piece.last - addr) / PAGE_SIZE + 1);
		ret = svm_prefetch_move(prefetch, &piece, addr, n);
	}
	return ret ? : mirror_populate(&svm->mirror, start, npages, prefetch->write,
				       &prefetch->mapped);
}
