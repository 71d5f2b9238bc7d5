/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_MIRROR_H
#define MOCKGPU_MIRROR_H

#include <linux/bits.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/mmu_notifier.h>
#include <linux/rwsem.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "gpu_pt.h"

struct mm_struct;
struct mockgpu_stats;
struct pid;
struct vm_area_struct;
struct vram;

/* Pages that one call looks at or faults in at the most. */
#define MIRROR_WINDOW_PAGES	512U

/*
 * Addresses that one notifier watches.  A change makes those faults begin anew
 * that are in the same window.
 */
#define MIRROR_NOTIFIER_SHIFT	24
#define MIRROR_NOTIFIER_BYTES	BIT(MIRROR_NOTIFIER_SHIFT)

/* Notifiers that there are at once, which watch 256 GiB; for more, others are given up. */
#define MIRROR_WINDOWS_MAX	16384U

/**
 * struct mirror_touch - the device needs a page; what is to happen first?
 * @addr: in: address of the page
 * @write: in: for writing
 * @atomic: in: for an atomic operation
 * @look: in: to map it only, as for a prefetch: nothing is to move for it
 * @counted: in: the touches that were asked for are used up
 * @tries: in: how often this was asked for the same page, without success
 * @again: in: the log knows already that the page is in system memory
 * @first: in, out: lowest address that may be mapped together with it
 * @end: in, out: end of those
 * @left: out: which touch of a page that is not in VRAM is to ask again; 0 none
 * @reads: out: whether reading is a touch
 * @around: out: log2 of the pages around it to map if they are there
 * @huge: out: whether an entry may map GPU_PT_LEAF_BYTES of what is not local
 * @atomics_here: out: whether to ask again before an atomic operation on what is not local
 * @elsewhere: out: 0, or the errno of an access to a page that is not in the device's
 *	VRAM
 * @migrations: pages that moved; added to
 * @queue: in: number of the queue that needs it, or 0
 */
struct mirror_touch {
	unsigned long addr;
	bool write;
	bool atomic;
	bool look;
	bool counted;
	bool again;
	unsigned int tries;
	unsigned long first;
	unsigned long end;
	unsigned int left;
	bool reads;
	unsigned int around;
	bool huge;
	bool atomics_here;
	int elsewhere;
	u64 migrations;
	u32 queue;
};

/**
 * struct mirror_ops - what the owner of a mirror does for it
 * @touch: called before a page is faulted in, with @mirror.owner; may sleep and take
 *	mmap_lock; returns 0 or what mirror_access() is to return
 */
struct mirror_ops {
	int (*touch)(void *owner, struct mirror_touch *touch);
};

/**
 * struct mirror - a device's view of one address space
 * @mm: the address space; its structure, not its contents, is held
 * @process: whose address space it is, for the log; fixed, and held by the owner
 * @owner: by which it knows the notice of its own exclusive access; fixed
 * @ops: what the owner does for it; fixed
 * @vram: memory of the device; fixed
 * @stats: counters of the device; fixed
 * @lock: the lock that a change takes for writing: under it, and if the notifier's sequence
 *	fits, what the page table says is true and stays so
 * @pt: the device's page table; under @lock, for reading also where touches are counted
 * @claims: pages that are being made exclusive; under @lock
 * @faults: faults that are under way; under @lock
 * @windows_sem: held for reading while a window is used, for writing while one is
 *	made or taken away; outside mmap_lock
 * @windows: the notifiers, by number of the window; under @windows_sem, as both below
 * @nr_windows: how many there are
 * @next_out: where to look for the next that is given up
 * @unmapped: windows that have nothing mapped in them any more
 * @reap: takes those away
 */
struct mirror {
	struct mm_struct *mm;
	struct pid *process;
	void *owner;
	const struct mirror_ops *ops;
	struct vram *vram;
	struct mockgpu_stats *stats;
	struct rw_semaphore lock; /* what a change takes */
	struct gpu_pt pt;
	struct list_head claims;
	struct list_head faults;
	struct rw_semaphore windows_sem;
	struct xarray windows;
	unsigned int nr_windows;
	unsigned long next_out;
	struct llist_head unmapped;
	struct work_struct reap;
};

/**
 * struct mirror_access - one access of the device
 * @addr: in: first address; moved on by what was done
 * @buf: in: kernel memory; moved on likewise
 * @user: in: or user memory to read into, with @to_user; moved on likewise
 * @len: in: bytes; what is left to do
 * @write: in: write to @addr, or read from it
 * @to_user: in: read into @user, as far as that can be written to without a fault
 * @faults: entries that were missing; added to
 * @migrations: pages that moved for it; added to
 * @queue: in: number of the queue that does it, or 0
 * @part: in: it may end with a part done, where the machine is going to sleep
 */
struct mirror_access {
	unsigned long addr;
	void *buf;
	void __user *user;
	size_t len;
	bool write;
	bool to_user;
	u64 faults;
	u64 migrations;
	u32 queue;
	bool part;
};

void mirror_init(struct mirror *mirror, struct mm_struct *mm, struct pid *process, void *owner,
		 const struct mirror_ops *ops, struct vram *vram, struct mockgpu_stats *stats);
void mirror_fini(struct mirror *mirror);
void mirror_forget(struct mirror *mirror, unsigned long start, unsigned long end);

/**
 * struct mirror_atomic - atomic operations of the device
 * @op: MOCKGPU_ATOMIC_*
 * @size: bytes of the word: 1, 2, 4, 8
 * @addr: in: first word, aligned; moved on by what was done
 * @stride: bytes from one word to the next; a multiple of @size
 * @count: in: how many; what is left to do
 * @value: operand
 * @value2: second operand
 * @old: out: the word as it was before the last operation
 * @faults: entries that were missing; added to
 * @migrations: pages that moved for it; added to
 * @counts: count of touches for an entry that is exclusive, as GPU_PTE_LEFT
 * @again: in: -EREMOTE was said of this page before, and it could not be had
 * @queue: in: number of the queue that does it, or 0
 */
struct mirror_atomic {
	unsigned int op;
	unsigned int size;
	unsigned long addr;
	unsigned long stride;
	u64 count;
	u64 value;
	u64 value2;
	u64 old;
	u64 faults;
	u64 migrations;
	u64 counts;
	bool again;
	u32 queue;
};

struct mirror_window;

/**
 * struct mirror_claim - a page that is being made exclusive
 * @node: on &mirror.claims
 * @addr: its address
 * @changed: whether the page was changed since; under &mirror.lock
 * @stash: tables for the entry
 */
struct mirror_claim {
	struct list_head node;
	unsigned long addr;
	bool changed;
	struct gpu_pt_stash stash;
};

bool mirror_is_secret(const struct vm_area_struct *vma);
int mirror_access(struct mirror *mirror, struct mirror_access *access);
int mirror_atomic(struct mirror *mirror, struct mirror_atomic *atomic);
int mirror_claim_start(struct mirror *mirror, unsigned long addr, struct mirror_claim *claim);
int mirror_claim_finish(struct mirror *mirror, struct mirror_claim *claim, struct page *page,
			struct mirror_atomic *atomic);
void mirror_claim_end(struct mirror *mirror, struct mirror_claim *claim);
int mirror_populate(struct mirror *mirror, unsigned long start, unsigned int npages, bool write,
		    u64 *mapped);
int mirror_snapshot(struct mirror *mirror, unsigned long start, unsigned int npages,
		    u32 *res, unsigned long *vram_pfns);

#endif
