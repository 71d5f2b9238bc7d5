// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Atomic operations, and the exclusive access to system memory that they need.
 *
 * On a page in the device's VRAM an atomic operation just happens: no CPU can reach it,
 * and where VRAM is coherent, the operation is one for the CPUs as well.  A page in
 * system memory is first taken out of the reach of all CPUs, by a device-exclusive
 * entry in their page tables.  A CPU that touches it then faults, the notifier takes
 * the device's right away, and the CPU goes on.
 *
 * mmap_lock and the page's lock are held from the conversion until the first
 * operation is done: a CPU that wants the page back waits for the page's lock, so
 * that every conversion makes progress; and a fork() in between would fail, as it
 * only tries that lock.
 *
 * The conversion waits for the page's lock without limit, and a queue's thread
 * does not get the signal that kills the process.  So a timer sends the thread a
 * signal of its own, and the command says -EBUSY.  A fault that can be killed, by
 * the mirror, comes first: what the conversion itself would have to fault in it
 * waits for without listening to signals.
 *
 * Exclusive means that no CPU page table maps the page.  Direct I/O and RDMA that
 * pinned it before can still write to it.
 *
 * Locking: see above; the mirror's for the page table.
 */
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/timer.h>

#include "compat/compat_migrate.h"
#include "compat/compat_misc.h"
#include "compat/compat_mm.h"
#include "control.h"
#include "event.h"
#include "exclusive.h"
#include "mirror.h"
#include "mockgpu_drm.h"
#include "svm.h"
#include "vram.h"

/* How long a page's lock is waited for, and how long a conversion is tried again. */
#define EXCLUSIVE_TIMEOUT	HZ

/**
 * struct exclusive_watch - ends a wait that takes too long
 * @timer: when
 * @task: who waits
 * @fired: whether it did
 */
struct exclusive_watch {
	struct timer_list timer;
	struct task_struct *task;
	bool fired;
};

static void exclusive_watch_fire(struct timer_list *timer)
{
	struct exclusive_watch *watch = container_of(timer, struct exclusive_watch, timer);

	WRITE_ONCE(watch->fired, true);
	send_sig(SIGKILL, watch->task, 1);
}

static void exclusive_watch_start(struct exclusive_watch *watch)
{
	watch->task = current;
	watch->fired = false;
	timer_setup_on_stack(&watch->timer, exclusive_watch_fire, 0);
	mod_timer(&watch->timer, jiffies + EXCLUSIVE_TIMEOUT);
}

/* Returns whether the time was up.  A signal that means something else stays. */
static bool exclusive_watch_stop(struct exclusive_watch *watch)
{
	timer_delete_sync(&watch->timer);
	timer_destroy_on_stack(&watch->timer);
	if (watch->fired)
		flush_signals(current);
	return watch->fired;
}

/*
 * Convert one page, waiting for no longer than we should.  Returns 0 with mmap_lock held
 * and the page locked, or an error with neither.
 */
static int exclusive_make(struct svm *svm, unsigned long addr, struct page **page,
			  struct folio **folio)
{
	struct mm_struct *mm = svm_mm(svm);
	struct vm_area_struct *vma;
	struct exclusive_watch watch;
	int ret = -EINTR;

	exclusive_watch_start(&watch);
	if (!mmap_read_lock_killable(mm)) {
		/* The conversion only asks whether it can be written. */
		vma = vma_lookup(mm, addr);
		*page = vma && (vma->vm_flags & VM_READ) ?
			make_device_exclusive(mm, addr, svm, folio) : ERR_PTR(-EFAULT);
		ret = PTR_ERR_OR_ZERO(*page);
		if (ret)
			mmap_read_unlock(mm);
	}
	if (exclusive_watch_stop(&watch) && ret)
		return -EBUSY;
	return ret == -EHWPOISON ? -EIO : ret;
}

/* Convert one page and do at least one operation on it.  -EBUSY: try again. */
static int exclusive_take(struct svm *svm, struct mirror_atomic *atomic)
{
	unsigned long addr = atomic->addr & PAGE_MASK, pfn = 0;
	struct mirror_claim claim;
	struct folio *folio;
	struct page *page;
	u64 began = event_start();
	int ret;

	ret = mirror_claim_start(&svm->mirror, atomic->addr, &claim);
	if (ret)
		goto out;
	ret = control_hit(CONTROL_EXCLUSIVE, &svm->vram->present, svm_mm(svm), atomic->addr);
	if (!ret)
		ret = exclusive_make(svm, atomic->addr, &page, &folio);
	if (!ret) {
		pfn = page_to_pfn(page);
		control_hit(CONTROL_EXCLUSIVE_HELD, &svm->vram->present, svm_mm(svm),
			    atomic->addr);
		ret = mirror_claim_finish(&svm->mirror, &claim, page, atomic);
		folio_unlock(folio);
		folio_put(folio);
		mmap_read_unlock(svm_mm(svm));
	}
	mirror_claim_end(&svm->mirror, &claim);
out:
	event_emit(.kind = MOCKGPU_EVENT_EXCLUSIVE, .error = ret, .device = svm->vram->index,
		   .mm = svm_mm(svm), .owner = svm->owner, .queue = atomic->queue, .addr = addr,
		   .pfn = pfn, .start = began);
	return ret;
}

/**
 * exclusive_is_possible() - whether this kernel lets a device have a page exclusively
 */
bool exclusive_is_possible(void)
{
	return compat_has_device_exclusive();
}

/**
 * exclusive_atomic() - do some atomic operations
 * @svm: memory; the address space is in use by the caller
 * @atomic: what; on return @atomic->count says how many are left, and
 *	@atomic->addr where the next is
 *
 * Does at least one, or returns an error.
 *
 * Where a page was changed while it became exclusive it is exclusive all the same,
 * and to make it so again would first undo that, which is a change.  So each attempt
 * begins with a fault, which leaves the page as the CPU likes it.
 *
 * Context: a queue's thread, which takes SIGKILL; may sleep; takes mmap_lock for read.
 * Return: 0; -EOPNOTSUPP (memory that cannot be exclusive: files, shared memory,
 * hugetlb); -EBUSY (the page's lock was not to be had within a second); -EFAULT,
 * -EPERM, -ENOMEM, -EIO, -EINTR.
 */
int exclusive_atomic(struct svm *svm, struct mirror_atomic *atomic)
{
	unsigned long deadline = jiffies + EXCLUSIVE_TIMEOUT;
	int ret;

	atomic->again = false;
	do {
		ret = mirror_atomic(&svm->mirror, atomic);
		if (ret != -EREMOTE)
			break;
		atomic->again = true;
		ret = exclusive_take(svm, atomic);
		cond_resched();
	} while (ret == -EBUSY && !signal_pending(current) && time_before(jiffies, deadline));
	return ret;
}
