// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What a storm does to one process's memory, a piece at a time.
 *
 * It goes through the private mappings that may have anonymous pages, again and again: that is a
 * round.  They are cut into stretches, each part of one mapping and of 2 MiB of addresses, and
 * each stretch into pieces of chosen sizes.  A piece goes to VRAM; some pieces later it comes
 * home, unless it is left for a CPU fault or for others who need the room.
 *
 * Nothing is made: where there is no page, the process's memory stays as it is.
 *
 * All choices come from the seed, the process's number in the storm, and what is mapped.
 *
 * Locking: none of its own; one thread works on it, which has the address space in use.
 */
#include <linux/hash.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/userfaultfd_k.h>

#include "control.h"
#include "engine_gate.h"
#include "exclusive.h"
#include "stats.h"
#include "storm.h"
#include "storm_work.h"
#include "svm.h"
#include "svm_migrate.h"

/* Stretches that are looked up at once, and mappings that are looked at for that. */
#define STORM_STRETCHES		256U
#define STORM_LOOKS		1024U

/* For how long the device uses a piece at once, at the most. */
#define STORM_USE		ms_to_ktime(10)

/*
 * What a round takes at the least: a small process whose pages all go again before it has what it
 * needs for its next instruction would not get on.
 */
#define STORM_ROUND		ms_to_ktime(100)

/* Pieces that are in VRAM before the first of them comes home. */
#define STORM_PIECES		16U

/* log2 of the words of a page. */
#define STORM_WORD_BITS		(PAGE_SHIFT - 3)

#define STORM_STRETCH_BYTES	(SVM_WINDOW_PAGES * PAGE_SIZE)

/**
 * struct storm_stretch - part of a mapping
 * @start: first address
 * @end: end of it
 */
struct storm_stretch {
	unsigned long start;
	unsigned long end;
};

/**
 * struct storm_piece - pages that went to VRAM together
 * @start: address of the first
 * @npages: how many; 0: none
 */
struct storm_piece {
	unsigned long start;
	unsigned int npages;
};

/**
 * struct storm_tools - what a step needs room for; the same for all processes of a storm
 * @mig: for pages that move
 * @status: of the pages of a piece
 * @res: likewise
 * @page: room for a page that the device reads
 */
struct storm_tools {
	struct svm_migration *mig;
	u8 status[SVM_WINDOW_PAGES];
	u32 res[SVM_WINDOW_PAGES];
	u8 page[PAGE_SIZE];
};

/**
 * struct storm_work - a process's memory in a storm
 * @spec: of the storm; fixed
 * @tools: of its thread; fixed
 * @svm: the memory; fixed
 * @random: for the next choice
 * @cursor: where to look for further stretches
 * @again: when the next round may begin
 * @last: there are none behind those below
 * @count: how many stretches there are
 * @next: which of them is next
 * @done: where in it
 * @stretch: those of this part of the round
 * @oldest: the next of @piece to come home
 * @piece: what has gone to VRAM
 * @resident: pages that were there so far in this round
 * @covered: those of them that moved, or were in VRAM
 * @inherited: pages that it had from its parent, in the share; fixed
 * @anon: pages that the process had when it was last looked at, in the share
 * @told_resident: what the report has of this process
 * @told_covered: likewise
 * @whole: the report has a whole round
 */
struct storm_work {
	const struct storm_spec *spec;
	struct storm_tools *tools;
	struct svm *svm;
	struct rnd_state random;
	unsigned long cursor;
	ktime_t again;
	bool last;
	unsigned int count;
	unsigned int next;
	unsigned long done;
	struct storm_stretch stretch[STORM_STRETCHES];
	unsigned int oldest;
	struct storm_piece piece[STORM_PIECES];
	u64 resident;
	u64 covered;
	u64 inherited;
	u64 anon;
	u64 told_resident;
	u64 told_covered;
	bool whole;
};

/**
 * storm_tools_create() - get ready for storm_work_step()
 * @spec: of the storm
 *
 * Context: may sleep.
 * Return: what one thread works with, or NULL where there is no memory.
 */
struct storm_tools *storm_tools_create(const struct storm_spec *spec)
{
	struct storm_tools *tools = NULL;

	if (!control_no_memory())
		tools = kvzalloc(sizeof(*tools), GFP_KERNEL_ACCOUNT);
	if (!tools)
		return NULL;
	tools->mig = svm_migration_create(NULL, true, MOCKGPU_CAUSE_STORM);
	if (!tools->mig) {
		kvfree(tools);
		return NULL;
	}
	tools->mig->hasty = true;
	tools->mig->leave_holes = true;
	return tools;
}

/**
 * storm_tools_destroy() - undo storm_tools_create()
 * @tools: what it returned
 *
 * Context: may sleep.
 */
void storm_tools_destroy(struct storm_tools *tools)
{
	svm_migration_destroy(tools->mig);
	kvfree(tools);
}

/* How many of so many pages are in the share of memory that is asked for, more or less. */
static u64 storm_share_of(const struct storm_spec *spec, u64 pages)
{
	return spec->share ? pages * spec->share >> 16 : pages;
}

/**
 * storm_work_create() - begin with a process's memory
 * @spec: of the storm; there for as long as the object
 * @nth: the process's number in the storm
 * @inherited: anonymous pages that it had from its parent, in whose rounds they are counted
 * @svm: the memory; the object's if this succeeds
 * @tools: of the storm; there for as long as the object
 *
 * Context: may sleep.
 * Return: the object, or NULL where there is no memory.
 */
struct storm_work *storm_work_create(const struct storm_spec *spec, u64 nth, u64 inherited,
				     struct svm *svm, struct storm_tools *tools)
{
	struct storm_work *work = NULL;

	if (!control_no_memory())
		work = kvzalloc(sizeof(*work), GFP_KERNEL_ACCOUNT);
	if (!work)
		return NULL;
	work->spec = spec;
	work->tools = tools;
	work->svm = svm;
	work->inherited = storm_share_of(spec, inherited);
	prandom_seed_state(&work->random, spec->seed ^ hash_64(nth, 64));
	return work;
}

/**
 * storm_work_destroy() - undo storm_work_create()
 * @work: what it returned
 *
 * Pages stay where they are.
 *
 * Context: may sleep.
 */
void storm_work_destroy(struct storm_work *work)
{
	svm_destroy(work->svm);
	kvfree(work);
}

static u32 storm_choose(struct storm_work *work, u32 n)
{
	return prandom_u32_state(&work->random) % n;
}

/* Anonymous memory, and what was written to of private mappings of files. */
static bool storm_wants(struct vm_area_struct *vma)
{
	return vma->anon_vma && !(vma->vm_flags & VM_SHARED) && (vma->vm_flags & VM_ACCESS_FLAGS) &&
	       !svm_is_special(vma);
}

/* Whether a stretch is in the share of memory that is asked for. */
static bool storm_has_share(const struct storm_work *work, unsigned long start)
{
	u64 stretch = start / STORM_STRETCH_BYTES;

	return !work->spec->share ||
	       hash_64(work->spec->seed ^ hash_64(stretch, 64), 16) < work->spec->share;
}

static void storm_shuffle(struct storm_work *work)
{
	unsigned int i;

	for (i = work->count; i > 1; i--)
		swap(work->stretch[i - 1], work->stretch[storm_choose(work, i)]);
}

/* Look up the next stretches.  Returns 0 or -EINTR. */
static int storm_look_up(struct storm_work *work)
{
	struct mm_struct *mm = svm_mm(work->svm);
	struct vm_area_struct *vma;
	struct storm_stretch new;
	unsigned int looks;

	work->count = 0;
	work->next = 0;
	work->done = 0;
	if (!work->cursor)
		work->again = ktime_add(ktime_get(), STORM_ROUND);
	if (mmap_read_lock_killable(mm))
		return -EINTR;
	for (looks = 0; looks < STORM_LOOKS && work->count < STORM_STRETCHES; looks++) {
		vma = find_vma(mm, work->cursor);
		if (!vma) {
			work->last = true;
			break;
		}
		if (!storm_wants(vma)) {
			work->cursor = vma->vm_end;
			continue;
		}
		new.start = max(vma->vm_start, work->cursor);
		new.end = min(vma->vm_end, round_down(new.start, STORM_STRETCH_BYTES) +
					   STORM_STRETCH_BYTES);
		work->cursor = new.end;
		if (storm_has_share(work, new.start))
			work->stretch[work->count++] = new;
	}
	mmap_read_unlock(mm);
	if (work->spec->flags & MOCKGPU_STORM_RANDOM)
		storm_shuffle(work);
	return 0;
}

/* What a round found goes into the report, in place of what the one before did. */
static void storm_tell(struct storm_work *work, struct storm_report *report)
{
	report->resident += work->resident - work->told_resident;
	report->covered += work->covered - work->told_covered;
	work->told_resident = work->resident;
	work->told_covered = work->covered;
	work->resident = 0;
	work->covered = 0;
}

static void storm_end_round(struct storm_work *work, struct storm_report *report)
{
	if (work->resident || work->whole) {
		storm_tell(work, report);
		work->whole = true;
		report->rounds++;
	}
	work->cursor = 0;
	work->last = false;
}

/**
 * storm_work_rests() - is it too early for the next round?
 * @work: object
 *
 * Context: any.
 * Return: whether storm_work_step() would do nothing now.
 */
bool storm_work_rests(const struct storm_work *work)
{
	return work->next == work->count && !work->last && !work->cursor &&
	       ktime_before(ktime_get(), work->again);
}

/* The next piece.  Returns whether there is one now. */
static bool storm_next_piece(struct storm_work *work, struct storm_report *report,
			     struct storm_piece *piece)
{
	unsigned int order = work->spec->min_order;
	struct storm_stretch *stretch;

	if (work->next == work->count) {
		if (work->last)
			storm_end_round(work, report);
		if (storm_work_rests(work) || storm_look_up(work) || !work->count)
			return false;
	}
	stretch = &work->stretch[work->next];
	order += storm_choose(work, work->spec->max_order - order + 1);
	piece->start = stretch->start + work->done;
	piece->npages = min_t(unsigned long, BIT(order), (stretch->end - piece->start) / PAGE_SIZE);
	work->done += piece->npages * PAGE_SIZE;
	if (stretch->start + work->done == stretch->end) {
		work->next++;
		work->done = 0;
	}
	return true;
}

/* Move a piece.  Returns how many pages moved; what became of each is in the tools' status. */
static unsigned int storm_move(struct storm_work *work, const struct storm_piece *piece,
			       bool to_vram, u64 *count)
{
	struct svm_migration *mig = work->tools->mig;
	u8 *status = work->tools->status;
	unsigned int i, moved = 0;

	mig->svm = work->svm;
	mig->to_vram = to_vram;
	mig->waited = 0;
	mig->no_room = 0;
	/* A piece that there was no room for says nothing of the next. */
	mig->no_evict = !(work->spec->flags & MOCKGPU_STORM_PRESSURE);
	svm_migrate_window(mig, piece->start, piece->npages, status);
	for (i = 0; i < piece->npages; i++) {
		count[status[i]]++;
		moved += status[i] == MOCKGPU_PAGE_MOVED;
	}
	return moved;
}

/* Of the pages of a piece that was to go to VRAM: how many are the process's own, and went. */
static void storm_count(struct storm_work *work, unsigned int npages)
{
	unsigned int i;

	for (i = 0; i < npages; i++) {
		switch (work->tools->status[i]) {
		case MOCKGPU_PAGE_MOVED:
		case MOCKGPU_PAGE_ALREADY:
			work->covered++;
			fallthrough;
		case MOCKGPU_PAGE_KSM:
		case MOCKGPU_PAGE_PINNED:
		case MOCKGPU_PAGE_BUSY:
		case MOCKGPU_PAGE_PEER:
		case MOCKGPU_PAGE_NO_VRAM:
		case MOCKGPU_PAGE_NO_RAM:
		case MOCKGPU_PAGE_COPY_FAILED:
			work->resident++;
			break;
		default:
			break;
		}
	}
}

/*
 * The device adds 0 to a word of a page, which is nothing that anybody sees.  It is no choice of
 * the storm's which word, as how often that comes is a matter of time.
 */
static void storm_write(struct storm_work *work, unsigned long addr, struct storm_report *report)
{
	struct mirror_atomic atomic = {
		.op = MOCKGPU_ATOMIC_ADD,
		.size = sizeof(u64),
		.addr = addr + hash_64(work->spec->seed ^ addr, STORM_WORD_BITS) * sizeof(u64),
		.count = 1,
		.there = true,
	};

	if (exclusive_atomic(work->svm, &atomic))
		return;
	report->gpu_writes++;
	stats_add(work->svm->stats, STAT_GPU_BYTES_READ, sizeof(u64));
	stats_add(work->svm->stats, STAT_GPU_BYTES_WRITTEN, sizeof(u64));
}

static void storm_read(struct storm_work *work, unsigned long addr, struct storm_report *report)
{
	struct mirror_access access = {
		.addr = addr,
		.buf = work->tools->page,
		.len = PAGE_SIZE,
		.there = true,
	};

	if (svm_access(work->svm, &access))
		return;
	report->gpu_reads++;
	stats_add(work->svm->stats, STAT_GPU_BYTES_READ, PAGE_SIZE);
}

/* Whether the storm's thread has to do something else, which may be to end. */
static bool storm_is_wanted(const int *stopping)
{
	return READ_ONCE(*stopping) || signal_pending(current) || engine_gate_is_closed();
}

/* Whether a userfaultfd looks after a piece, which would hear of what the device does. */
static bool storm_is_watched(struct storm_work *work, const struct storm_piece *piece)
{
	struct mm_struct *mm = svm_mm(work->svm);
	struct vm_area_struct *vma;
	bool watched;

	if (mmap_read_lock_killable(mm))
		return true;
	vma = find_vma(mm, piece->start);
	watched = vma && userfaultfd_armed(vma);
	mmap_read_unlock(mm);
	return watched;
}

/*
 * The device uses pages of a piece: those in its VRAM, or those that are in nobody's, which it
 * makes exclusive.  A page that is not there, or may not be written, is left in peace, as the
 * fault would change something.
 */
static void storm_use(struct storm_work *work, const struct storm_piece *piece, bool local,
		      struct storm_report *report, const int *stopping)
{
	ktime_t until = ktime_add(ktime_get(), STORM_USE);
	u32 place = local ? MOCKGPU_RES_LOCAL : MOCKGPU_RES_VRAM;
	unsigned int i;

	if (!piece->npages || storm_is_watched(work, piece) ||
	    svm_residency(work->svm, piece->start, piece->npages, work->tools->res))
		return;
	for (i = 0; i < piece->npages; i++) {
		unsigned long addr = piece->start + i * PAGE_SIZE;
		u32 res = work->tools->res[i];

		if (storm_is_wanted(stopping) || ktime_after(ktime_get(), until))
			break;
		if (!(res & MOCKGPU_RES_PRESENT) || (res & MOCKGPU_RES_ZERO) ||
		    !(res & place) == local)
			continue;
		if (local && (res & MOCKGPU_RES_READ))
			storm_read(work, addr, report);
		if (res & MOCKGPU_RES_WRITE)
			storm_write(work, addr, report);
		cond_resched();
	}
}

/*
 * What the device has had exclusive, and no CPU has touched since: it is given back as if one had,
 * as it cannot move otherwise.
 */
static void storm_give_back(struct storm_work *work, const struct storm_piece *piece)
{
	unsigned int i;

	if (svm_residency(work->svm, piece->start, piece->npages, work->tools->res))
		return;
	for (i = 0; i < piece->npages; i++) {
		u32 res = work->tools->res[i];

		if ((res & MOCKGPU_RES_GPU) && !(res & MOCKGPU_RES_PRESENT) &&
		    svm_swap_in(work->svm, piece->start + i * PAGE_SIZE))
			break;
	}
}

/* What is to come home in its turn; some of it stays for others to fetch. */
static unsigned int storm_bring_home(struct storm_work *work, struct storm_report *report)
{
	struct storm_piece *piece = &work->piece[work->oldest];
	bool stays = storm_choose(work, 8) == 0 || (work->spec->flags & MOCKGPU_STORM_PRESSURE);

	if (!piece->npages || stays)
		return 0;
	return storm_move(work, piece, false, report->to_system);
}

/**
 * storm_work_step() - storm a piece of a process's memory
 * @work: object
 * @report: added to
 * @stopping: what is not 0 if the thread is to end
 *
 * Ends early where the thread is to end, or the gate is closed.
 *
 * Context: a thread that takes SIGKILL and has the address space in use; may sleep; takes
 * mmap_lock for read.
 * Return: pages that moved.
 */
unsigned int storm_work_step(struct storm_work *work, struct storm_report *report,
			     const int *stopping)
{
	bool exclusive = work->spec->flags & MOCKGPU_STORM_EXCLUSIVE;
	struct storm_piece piece;
	unsigned int moved;

	work->anon = storm_share_of(work->spec,
				    get_mm_counter(svm_mm(work->svm), MM_ANONPAGES));
	if (!storm_next_piece(work, report, &piece))
		return 0;
	if (exclusive)
		storm_give_back(work, &piece);
	if (storm_is_wanted(stopping))
		return 0;
	moved = storm_move(work, &piece, true, report->to_vram);
	storm_count(work, piece.npages);
	if (work->spec->flags & MOCKGPU_STORM_GPU)
		storm_use(work, &piece, true, report, stopping);
	if (!storm_is_wanted(stopping))
		moved += storm_bring_home(work, report);
	if (exclusive && !storm_choose(work, 4))
		storm_use(work, &work->piece[work->oldest], false, report, stopping);
	work->piece[work->oldest] = piece;
	work->oldest = (work->oldest + 1) % STORM_PIECES;
	return moved;
}

/**
 * storm_work_finish() - a process has gone, or the storm is over
 * @work: object
 * @report: what was not a whole round goes there, if there was none or the process has grown since,
 *	along with what it did not come to of the process's own
 *
 * Context: any.
 */
void storm_work_finish(struct storm_work *work, struct storm_report *report)
{
	u64 own = work->anon;

	/* The pages of a whole round were its own, wherever it had them from. */
	if (!work->whole)
		own -= min(own, work->inherited);
	/* What it had in the last round it may have given up since; what came later counts. */
	if (work->whole && own <= work->told_resident)
		return;
	work->resident = max3(work->resident, own, work->told_resident);
	work->covered = max(work->covered, work->told_covered);
	storm_tell(work, report);
}
