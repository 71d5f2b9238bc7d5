// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The device's page table against the process's.
 *
 * The device may use a page for as long as its page table has an entry for it,
 * and it has an entry for no longer than the process's page table has.  An
 * interval notifier sees to that: every change of the process's page table
 * first takes the entries of its range out of the device's, also a change that
 * this driver itself makes by migrating.
 *
 * A fault goes the other way: mirror_fault.c.  The notifiers are in mirror_window.c,
 * atomic operations in mirror_atomic.c, what can be said of pages in mirror_snapshot.c.
 *
 * Some entries count how often the device touches their page, and at the end of the
 * count the owner of the mirror is asked what to do with it.
 *
 * Locking: &mirror.windows_sem is for the notifiers.  &mirror.lock nests inside
 * mmap_lock and everything that the memory manager holds when it calls a notifier,
 * reclaim included.  So nothing is allocated and no user memory is faulted in under
 * it; the access itself goes to or from kernel memory, or user memory that is there, and
 * happens under it.  It is held for reading by those who use what the device has mapped, side
 * by side, and for writing by who changes that.
 */
#include <linux/bitfield.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/hmm.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "compat/compat_mm.h"
#include "control.h"
#include "mirror.h"
#include "mirror_internal.h"
#include "vram.h"

/**
 * mirror_is_secret() - is a mapping one whose pages the kernel itself cannot reach?
 * @vma: VMA
 *
 * Those of memfd_secret() are not in the kernel's own page table, so that to touch one is a
 * fault that nobody resolves.  What tells of them is no module's; the filesystem is known.
 *
 * Context: mmap_lock held.
 */
bool mirror_is_secret(const struct vm_area_struct *vma)
{
	return vma->vm_file && file_inode(vma->vm_file)->i_sb->s_magic == SECRETMEM_MAGIC;
}

/**
 * mirror_hide_secret() - have pages that are secret count as not accessible
 * @mm: address space
 * @start: first address of a range
 * @end: end of the range
 * @pfns: what hmm_range_fault() says of it
 *
 * Context: mmap_lock held.
 */
void mirror_hide_secret(struct mm_struct *mm, unsigned long start, unsigned long end,
			unsigned long *pfns)
{
	VMA_ITERATOR(vmi, mm, start);
	struct vm_area_struct *vma;
	unsigned long addr;

	mmap_assert_locked(mm);

	for_each_vma_range(vmi, vma, end) {
		if (!mirror_is_secret(vma))
			continue;
		for (addr = max(start, vma->vm_start); addr < min(end, vma->vm_end);
		     addr += PAGE_SIZE)
			pfns[(addr - start) / PAGE_SIZE] = HMM_PFN_ERROR;
	}
}

/**
 * mirror_map_page() - reach the page of an entry
 * @pte: entry
 *
 * Context: &mirror.lock held, and the entry is in the page table; until
 *	mirror_unmap_page(), in the reverse order of other mappings.
 * Return: address of PAGE_SIZE bytes.
 */
void *mirror_map_page(u64 pte)
{
	struct page *page = pfn_to_page(gpu_pte_pfn(pte));

	return pte & GPU_PTE_VRAM ? vram_page_data(page) : kmap_local_page(page);
}

/**
 * mirror_unmap_page() - undo mirror_map_page()
 * @pte: entry
 * @data: what it returned
 */
void mirror_unmap_page(u64 pte, void *data)
{
	if (!(pte & GPU_PTE_VRAM))
		kunmap_local(data);
}

/* An aligned word is copied whole: a CPU may be looking at it, as at a fence. */
static bool mirror_copy_word(void *to, const void *from, size_t len)
{
	if (!IS_ALIGNED((unsigned long)to | (unsigned long)from, len))
		return false;
	switch (len) {
	case 1:
		WRITE_ONCE(*(u8 *)to, READ_ONCE(*(const u8 *)from));
		return true;
	case 2:
		WRITE_ONCE(*(u16 *)to, READ_ONCE(*(const u16 *)from));
		return true;
	case 4:
		WRITE_ONCE(*(u32 *)to, READ_ONCE(*(const u32 *)from));
		return true;
	case 8:
		WRITE_ONCE(*(u64 *)to, READ_ONCE(*(const u64 *)from));
		return true;
	default:
		return false;
	}
}

/*
 * Copy between a page that the device has mapped and kernel memory.
 *
 * A page can be writable and clean, after it was swapped in for reading or given
 * up by MADV_FREE.  Who writes to it behind the CPU's back has to say so, or
 * reclaim drops what was written.  The page is touched under the lock, while the
 * entry keeps it mapped.
 */
static int mirror_copy(u64 pte, unsigned int offset, void *buf, size_t len, bool write)
{
	struct page *page = pfn_to_page(gpu_pte_pfn(pte));
	bool whole = len == PAGE_SIZE && PAGE_ALIGNED(buf);
	void *data = mirror_map_page(pte);
	int ret = 0;

	if (write) {
		if (whole)
			copy_page(data, buf);
		else if (!mirror_copy_word(data + offset, buf, len))
			memcpy(data + offset, buf, len);
		if (!folio_test_dirty(page_folio(page)))
			folio_mark_dirty(page_folio(page));
	} else if (whole) {
		ret = compat_copy_page(buf, data) ? 0 : -EIO;
	} else if (!mirror_copy_word(buf, data + offset, len) &&
		   copy_mc_to_kernel(buf, data + offset, len)) {
		ret = -EIO;
	}
	mirror_unmap_page(pte, data);
	return ret;
}

/*
 * Copy from a page that the device has mapped to user memory, as far as that is there: to fault
 * it in under the lock is not possible.
 */
static int mirror_hand_out(u64 pte, unsigned int offset, void __user *user, size_t len)
{
	void *data = mirror_map_page(pte);
	long ret = copy_to_user_nofault(user, data + offset, len);

	mirror_unmap_page(pte, data);
	return ret ? -EAGAIN : 0;
}

/**
 * mirror_counts() - what an entry is to count, as its owner wants
 * @touch: what the owner said
 *
 * Return: bits of an entry.
 */
u64 mirror_counts(const struct mirror_touch *touch)
{
	return FIELD_PREP(GPU_PTE_LEFT, touch->left) | (touch->reads ? GPU_PTE_READS : 0);
}

/**
 * mirror_count() - the device is about to touch a page
 * @mirror: mirror
 * @addr: address
 * @pte: its entry
 * @write: whether for writing
 *
 * Context: &mirror.lock held.
 * Return: whether this is the touch before which the owner is to be asked; it is not
 * counted then.
 */
bool mirror_count(struct mirror *mirror, unsigned long addr, u64 pte, bool write)
{
	unsigned int left = FIELD_GET(GPU_PTE_LEFT, pte);

	if (!left || (!write && !(pte & GPU_PTE_READS)))
		return false;
	/* Somebody else may have counted the last but one meanwhile. */
	return left == 1 || !gpu_pt_count(&mirror->pt, addr);
}

static bool mirror_allowed(u64 pte, bool write)
{
	u64 need = GPU_PTE_VALID | (write ? GPU_PTE_WRITE : 0);

	return (pte & need) == need;
}

/*
 * Do as much of an access as the page table allows.  Says in @counted whether it ended
 * at a page whose touches are used up.
 */
static int mirror_access_mapped(struct mirror *mirror, struct mirror_access *access,
				bool *counted)
{
	int ret;

	lockdep_assert_held(&mirror->lock);

	*counted = false;
	while (access->len) {
		unsigned int offset = offset_in_page(access->addr);
		size_t len = min_t(size_t, access->len, PAGE_SIZE - offset);
		u64 pte = gpu_pt_get(&mirror->pt, access->addr);

		if (!mirror_allowed(pte, access->write))
			break;
		*counted = mirror_count(mirror, access->addr, pte, access->write);
		if (*counted)
			break;
		if (access->to_user)
			ret = mirror_hand_out(pte, offset, access->user, len);
		else
			ret = mirror_copy(pte, offset, access->buf, len, access->write);
		if (ret)
			return ret;
		access->addr += len;
		if (access->to_user)
			access->user += len;
		else
			access->buf += len;
		access->len -= len;
	}
	return 0;
}

/**
 * mirror_access() - have the device read or write
 * @mirror: mirror
 * @access: what; on return @access->addr and @access->len say how far it came
 *
 * With @access->part, that may be less than all of it where the machine is going to sleep, for
 * the caller to let it; each page may take its time.
 *
 * Context: may sleep; takes mmap_lock for read.  The address space is in use by
 *	the caller.
 * Return: 0 when all is done, or a part; else why the byte at @access->addr could not be
 * accessed: -EFAULT, -EPERM (not writable), -ENOMEM, -EIO (memory error), -EBUSY
 * (the mapping kept changing), -EINTR (a signal), -EAGAIN (@access->user would fault), or an
 * errno of the owner's.
 */
int mirror_access(struct mirror *mirror, struct mirror_access *access)
{
	struct mirror_touch touch = { .write = access->write, .queue = access->queue };
	unsigned long page, start = access->addr;
	int ret;

	down_read(&mirror->lock);
	for (;;) {
		ret = mirror_access_mapped(mirror, access, &touch.counted);
		if (ret || !access->len)
			break;
		if (access->part && access->addr != start && control_is_resting())
			break;
		up_read(&mirror->lock);

		if (access->addr >= TASK_SIZE_MAX)
			return -EFAULT;
		page = access->addr & PAGE_MASK;
		touch.tries = page == touch.addr ? touch.tries + 1 : 0;
		touch.addr = page;
		touch.migrations = 0;
		ret = mirror_fault_in(mirror, &touch, PAGE_ALIGN(access->addr + access->len),
				      &access->faults);
		access->migrations += touch.migrations;
		if (ret)
			return ret;
		/* Others may use what is there meanwhile. */
		downgrade_write(&mirror->lock);
	}
	up_read(&mirror->lock);
	return ret;
}

/* Have an entry made for one page.  Returns 0 with the lock held, or an error. */
static int mirror_populate_page(struct mirror *mirror, unsigned long addr, unsigned long stop,
				bool write)
{
	struct mirror_touch touch = { .addr = addr, .write = write, .look = true };
	u64 faults = 0;

	return mirror_fault_in(mirror, &touch, stop, &faults);
}

static unsigned int mirror_count_mapped(struct mirror *mirror, unsigned long start,
					unsigned int npages)
{
	unsigned int i, mapped = 0;

	down_read(&mirror->lock);
	for (i = 0; i < npages; i++)
		mapped += mirror_allowed(gpu_pt_get(&mirror->pt, start + i * PAGE_SIZE), false);
	up_read(&mirror->lock);
	return mapped;
}

/**
 * mirror_populate() - have entries made before they are needed
 * @mirror: mirror
 * @start: address of the first page
 * @npages: how many, up to MIRROR_WINDOW_PAGES
 * @write: with the right to write, where that can be had
 * @mapped: pages that have an entry afterwards; added to
 *
 * A page that cannot be had is passed over.
 *
 * Context: may sleep; takes mmap_lock for read.  The address space is in use by
 *	the caller.
 * Return: 0, -ENOMEM or -EINTR (a signal).
 */
int mirror_populate(struct mirror *mirror, unsigned long start, unsigned int npages, bool write,
		    u64 *mapped)
{
	unsigned long end = start + npages * PAGE_SIZE, addr;
	int ret = 0;

	for (addr = start; addr < end; addr += PAGE_SIZE) {
		down_read(&mirror->lock);
		ret = mirror_allowed(gpu_pt_get(&mirror->pt, addr), write) ? 0 : -EAGAIN;
		up_read(&mirror->lock);
		if (!ret)
			continue;
		ret = mirror_populate_page(mirror, addr, end, write);
		if (ret == -EPERM && write)
			ret = mirror_populate_page(mirror, addr, addr + PAGE_SIZE, false);
		if (!ret)
			up_write(&mirror->lock);
		else if (ret == -ENOMEM || ret == -EINTR)
			return ret;
	}
	*mapped += mirror_count_mapped(mirror, start, npages);
	return 0;
}

/**
 * mirror_fill_stash() - have the tables at hand that entries will need
 * @mirror: mirror
 * @start: address of the first; all are in one table of the lowest level
 * @stash: stash
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int mirror_fill_stash(struct mirror *mirror, unsigned long start, struct gpu_pt_stash *stash)
{
	unsigned int missing;

	down_read(&mirror->lock);
	missing = gpu_pt_missing(&mirror->pt, start);
	up_read(&mirror->lock);
	if (missing && control_no_memory())
		return -ENOMEM;
	return gpu_pt_stash_fill(stash, missing);
}

/**
 * mirror_drop() - a range is not what it was
 * @mirror: mirror
 * @start: first address
 * @end: end of the range
 *
 * Context: &mirror.lock held.
 * Return: pages that had an entry.
 */
unsigned long mirror_drop(struct mirror *mirror, unsigned long start, unsigned long end)
{
	struct mirror_claim *claim;

	lockdep_assert_held(&mirror->lock);

	list_for_each_entry(claim, &mirror->claims, node) {
		if (start <= claim->addr && claim->addr < end)
			claim->changed = true;
	}
	return gpu_pt_clear(&mirror->pt, start, end);
}

/**
 * mirror_forget() - have the owner asked anew about a range
 * @mirror: mirror
 * @start: first address
 * @end: end of the range
 *
 * Context: may sleep.
 */
void mirror_forget(struct mirror *mirror, unsigned long start, unsigned long end)
{
	down_write(&mirror->lock);
	/* What is being made now may still go by what the owner said before. */
	mirror_fault_anew(mirror, start, end);
	mirror_drop(mirror, start, end);
	up_write(&mirror->lock);
}
