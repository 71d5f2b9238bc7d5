// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Real memory for VRAM: blocks of the machine's own, taken out while it runs, or a range
 * that was left out when it booted.
 *
 * A memory block is what the kernel can do without: 128 MiB on a small machine, up to
 * 2 GiB on a large one.  To take one, what is in it has to move elsewhere.  The kernel's
 * own way of asking for that may try for ever; so all its pages are allocated first,
 * which ends soon, one way or the other, and then let go again, so that taking the block
 * has nothing left to move.
 *
 * Blocks are tried from the highest address down.  Those that cannot be had are passed
 * over, and tried twice more if there is time.  Either all that was asked for is
 * taken or, in the end, nothing: what was is given back.
 *
 * What must not be taken, as it could not be given back or would do harm:
 * - memory that the machine needs, see memory_is_spare(), or the last of a node;
 * - a block below the kernel's own image, or below anything else that is noted within the
 *   same range of RAM: kernels before 7.x then lose track of that range;
 * - a part of what the kernel maps at once: see compat_split_direct_map().
 *
 * This is done by a thread of its own.  It can be ended by a signal without one being
 * sent to the process that loads the module, and gives back what it took though that
 * process was killed; and it sees the machine's files, wherever that process may be
 * confined to.
 *
 * Locking: none; the caller serialises.  No lock is held that a page fault, a notifier or
 * reclaim takes, as everything here waits for those.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "compat/compat_hotplug.h"
#include "vram_memory.h"

/*
 * For how long blocks are tried: on a slow machine, ten seconds less what the last one takes to
 * end, and less what it takes to give those back that were taken by then.
 */
#define MEMORY_TAKE_TIMEOUT	(6 * HZ)

/* How often all blocks are tried. */
#define MEMORY_TAKE_ROUNDS	3

/* How often giving a block back is tried, which needs some memory, and how long apart. */
#define MEMORY_GIVE_ATTEMPTS	100
#define MEMORY_GIVE_PAUSE_MS	100
/* How often where it is not for want of memory, or not said so. */
#define MEMORY_GIVE_FEW		10

/* The machine keeps this part of its memory, and has this part to hand out; or the least. */
#define MEMORY_KEEP_SHIFT	2
#define MEMORY_KEEP_MIN_PAGES	(SZ_512M / PAGE_SIZE)
#define MEMORY_SPARE_SHIFT	4
#define MEMORY_SPARE_MIN_PAGES	(SZ_128M / PAGE_SIZE)

/* Ranges of RAM that are looked at: the highest. */
#define MEMORY_RANGES		64U

static const char memory_name[] = "mockgpu VRAM";

/**
 * struct memory_job - what a thread is to do
 * @work: the work; returns 0 or a negative errno
 * @bytes: for taking: how much is wanted
 * @taken: for taking: how much there is
 * @pieces: what was taken, or is to be given back
 * @floor: for taking: pages that the machine keeps
 * @spare: for taking: pages that are to be available
 * @ram: for taking: ranges of RAM, as a ring
 * @nr_ram: for taking: how many there were
 * @stop: nobody waits any longer
 * @done: the work is done
 */
struct memory_job {
	int (*work)(struct memory_job *job);
	u64 bytes;
	u64 taken;
	struct list_head *pieces;
	unsigned long floor;
	unsigned long spare;
	struct range ram[MEMORY_RANGES];
	unsigned int nr_ram;
	bool stop;
	struct completion done;
};

static int memory_thread(void *data)
{
	struct memory_job *job = data;
	int ret;

	allow_signal(SIGKILL);
	ret = job->work(job);
	complete(&job->done);
	return ret;
}

/*
 * Have a thread do a job, for so long at the most, or until a signal.  Returns what the
 * work returned.
 */
static int memory_run(struct memory_job *job, long timeout)
{
	struct task_struct *task;
	long left = 1;
	int ret;

	init_completion(&job->done);
	task = kthread_create(memory_thread, job, "mockgpu-memory");
	if (IS_ERR(task))
		return PTR_ERR(task);
	get_task_struct(task);
	wake_up_process(task);
	if (timeout)
		left = wait_for_completion_interruptible_timeout(&job->done, timeout);
	else
		wait_for_completion(&job->done);
	if (left <= 0) {
		WRITE_ONCE(job->stop, true);
		send_sig(SIGKILL, task, 1);
		wait_for_completion(&job->done);
	}
	ret = kthread_stop(task);
	put_task_struct(task);
	if (ret && left <= 0)
		ret = left ? -EINTR : -ETIME;
	return ret;
}

static unsigned long memory_first_pfn(const struct memory_piece *piece)
{
	return PHYS_PFN(piece->start);
}

static unsigned long memory_npages(const struct memory_piece *piece)
{
	return PHYS_PFN(piece->bytes);
}

/* Whether the machine can do without so many pages. */
static bool memory_is_spare(const struct memory_job *job, unsigned long npages)
{
	return totalram_pages() >= job->floor + npages &&
	       si_mem_available() >= (long)(job->spare + npages);
}

/*
 * Whether nothing is noted at or above an address within its range of RAM.  The lock of
 * the tree is not for modules.  RAM comes and goes by the hand of whoever administers the
 * machine, as this module does; what may do so by itself, the ranges of a bus, is looked
 * at for two numbers and a pointer.
 */
static bool memory_is_above_all(u64 start)
{
	const struct resource *ram, *child;

	for (ram = iomem_resource.child; ram; ram = ram->sibling) {
		if (start < ram->start || start > ram->end)
			continue;
		for (child = ram->child; child; child = child->sibling) {
			if (child->end >= start)
				return false;
		}
		return (ram->flags & IORESOURCE_SYSTEM_RAM) == IORESOURCE_SYSTEM_RAM;
	}
	return false;
}

/* Whether a block may be taken; says in @piece what is to be known for giving it back. */
static bool memory_may_take(u64 start, struct memory_piece *piece)
{
	struct page *page = pfn_to_online_page(PHYS_PFN(start));

	if (!page || !memory_is_above_all(start))
		return false;
	piece->start = start;
	piece->bytes = memory_block_size_bytes();
	piece->nid = page_to_nid(page);
	piece->movable = page_zonenum(page) == ZONE_MOVABLE;
	piece->system = true;
	return node_present_pages(piece->nid) > memory_npages(piece);
}

/* Have nothing in a block.  Returns 0 or a negative errno. */
static int memory_clear_block(const struct memory_piece *piece)
{
	unsigned long pfn = memory_first_pfn(piece), npages = memory_npages(piece);
	bool split;
	int ret;

	ret = compat_alloc_contig_range(pfn, pfn + npages,
					GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
	if (ret)
		return ret;
	split = compat_split_direct_map(piece->start, piece->bytes);
	free_contig_range(pfn, npages);
	return split ? 0 : -EBUSY;
}

/* Ask for memory to be brought online.  Returns 0 or a negative errno. */
static int memory_ask_online(const struct memory_piece *piece)
{
	static const char online[] = "online", movable[] = "online_movable";
	const char *state = piece->movable ? movable : online;
	struct file *file;
	loff_t pos = 0;
	char path[64];
	ssize_t ret;

	snprintf(path, sizeof(path), "/sys/devices/system/memory/memory%llu/state",
		 div64_u64(piece->start, memory_block_size_bytes()));
	file = compat_open_of_machine(path, O_WRONLY);
	if (IS_ERR(file))
		return PTR_ERR(file);
	ret = kernel_write(file, state, strlen(state), &pos);
	filp_close(file, NULL);
	return ret < 0 ? ret : 0;
}

/*
 * Have the kernel use memory again that it has.  Some kernels do so by themselves, others
 * leave it to user space, which may be doing it just now; or it does that elsewhere, and
 * then the kernel wants to be asked again, of which a signal is left.
 */
static void memory_bring_online(const struct memory_piece *piece)
{
	unsigned int attempt;
	int ret = 0;

	for (attempt = 0; attempt < MEMORY_GIVE_ATTEMPTS; attempt++) {
		if (pfn_to_online_page(memory_first_pfn(piece)))
			return;
		if (attempt >= MEMORY_GIVE_FEW && ret == -ENOENT)
			break;
		if (attempt)
			msleep(MEMORY_GIVE_PAUSE_MS);
		ret = memory_ask_online(piece);
		recalc_sigpending();
	}
	pr_err("mockgpu: memory at %#llx was given back and is offline: see /sys/devices/system/memory\n",
	       piece->start);
}

/* Give a block back that was removed.  Its range is claimed by nobody.  Returns whether. */
static bool memory_add_block(const struct memory_piece *piece)
{
	unsigned int attempt;
	int ret;

	for (attempt = 1; ; attempt++) {
		ret = add_memory(piece->nid, piece->start, piece->bytes, MHP_NONE);
		if (!ret || attempt == MEMORY_GIVE_ATTEMPTS ||
		    (ret != -ENOMEM && attempt >= MEMORY_GIVE_FEW))
			break;
		msleep(MEMORY_GIVE_PAUSE_MS);
	}
	if (ret) {
		pr_err("mockgpu: memory at %#llx cannot be given back until the machine boots: %d\n",
		       piece->start, ret);
		return false;
	}
	memory_bring_online(piece);
	return true;
}

/* Take a block.  Returns 0 or a negative errno, and then the kernel has it again. */
static int memory_take_block(const struct memory_piece *piece)
{
	int ret;

	ret = memory_clear_block(piece);
	if (ret)
		return ret;
	ret = offline_and_remove_memory(piece->start, piece->bytes);
	if (ret)
		return ret;
	if (region_intersects(piece->start, piece->bytes, IORESOURCE_SYSTEM_RAM,
			      IORES_DESC_NONE) != REGION_DISJOINT) {
		/* The kernel could not do without in the end. */
		memory_bring_online(piece);
		return -EBUSY;
	}
	if (!request_mem_region(piece->start, piece->bytes, memory_name)) {
		memory_add_block(piece);
		return -EBUSY;
	}
	return 0;
}

/* Take a block if it can be had.  Returns 0, also if not; or why no other should be tried. */
static int memory_try_block(struct memory_job *job, u64 start)
{
	struct memory_piece *piece;

	if (READ_ONCE(job->stop) || signal_pending(current))
		return -EINTR;
	if (!memory_is_spare(job, PHYS_PFN(memory_block_size_bytes())))
		return -ENOMEM;
	piece = kzalloc(sizeof(*piece), GFP_KERNEL);
	if (!piece)
		return -ENOMEM;
	if (!memory_may_take(start, piece) || memory_take_block(piece)) {
		kfree(piece);
		return 0;
	}
	list_add_tail(&piece->node, job->pieces);
	job->taken += piece->bytes;
	return 0;
}

static int memory_note_ram(struct resource *res, void *data)
{
	struct memory_job *job = data;
	struct range *ram = &job->ram[job->nr_ram++ % MEMORY_RANGES];

	ram->start = res->start;
	ram->end = res->end;
	return 0;
}

/* Try all blocks of a range of RAM, until there is enough. */
static int memory_try_range(struct memory_job *job, const struct range *ram)
{
	u64 size = memory_block_size_bytes(), start = round_down(ram->end + 1, size);
	int ret = 0;

	while (!ret && job->taken < job->bytes && start >= ram->start + size) {
		start -= size;
		ret = memory_try_block(job, start);
		cond_resched();
	}
	return ret;
}

/* Try all blocks, until there is enough. */
static int memory_try_all(struct memory_job *job)
{
	unsigned int i;
	int ret = 0;

	job->nr_ram = 0;
	walk_iomem_res_desc(IORES_DESC_NONE, IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY, 0, -1, job,
			    memory_note_ram);
	for (i = 0; i < min(job->nr_ram, MEMORY_RANGES) && !ret && job->taken < job->bytes; i++)
		ret = memory_try_range(job, &job->ram[(job->nr_ram - 1 - i) % MEMORY_RANGES]);
	return ret;
}

static int memory_give_work(struct memory_job *job)
{
	struct memory_piece *piece;

	list_for_each_entry(piece, job->pieces, node) {
		release_mem_region(piece->start, piece->bytes);
		if (piece->system)
			piece->system = memory_add_block(piece);
	}
	return 0;
}

static void memory_forget(struct list_head *pieces)
{
	struct memory_piece *piece, *next;

	list_for_each_entry_safe(piece, next, pieces, node) {
		list_del(&piece->node);
		kfree(piece);
	}
}

static int memory_take_work(struct memory_job *job)
{
	unsigned int round;
	int ret = 0;

	for (round = 0; round < MEMORY_TAKE_ROUNDS && !ret && job->taken < job->bytes; round++)
		ret = memory_try_all(job);
	if (!ret && job->taken < job->bytes)
		ret = -EBUSY;
	if (ret) {
		/* The signal was for taking; giving back is to be done whatever comes. */
		flush_signals(current);
		memory_give_work(job);
		memory_forget(job->pieces);
	}
	return ret;
}

/* Say what was taken or given back, a line for what lies together. */
static void memory_tell(const struct list_head *pieces, const char *what)
{
	const struct memory_piece *piece;
	u64 start = 0, end = 0;

	list_for_each_entry(piece, pieces, node) {
		if (!piece->system)
			continue;
		if (end && piece->start + piece->bytes == start) {
			start = piece->start;
			continue;
		}
		if (end)
			pr_info("mockgpu: %s memory %#llx-%#llx\n", what, start, end - 1);
		start = piece->start;
		end = piece->start + piece->bytes;
	}
	if (end)
		pr_info("mockgpu: %s memory %#llx-%#llx\n", what, start, end - 1);
}

/**
 * memory_take_blocks() - take memory out of the machine
 * @bytes: how much at least
 * @pieces: list that it is added to; empty
 *
 * Says in the log what was taken; otherwise nothing was.
 *
 * Context: may sleep, for MEMORY_TAKE_TIMEOUT and what it takes to give back; no lock held.
 * Return: 0; -ENOMEM where the machine would keep too little; -EBUSY where not enough
 * blocks can be had; -ETIME where it took too long; -EINTR (a signal).
 */
int memory_take_blocks(u64 bytes, struct list_head *pieces)
{
	unsigned long pages = totalram_pages();
	struct memory_job *job;
	int ret;

	job = kzalloc(sizeof(*job), GFP_KERNEL);
	if (!job)
		return -ENOMEM;
	job->work = memory_take_work;
	job->bytes = round_up(bytes, memory_block_size_bytes());
	job->pieces = pieces;
	job->floor = max(pages >> MEMORY_KEEP_SHIFT, MEMORY_KEEP_MIN_PAGES);
	job->spare = max(pages >> MEMORY_SPARE_SHIFT, MEMORY_SPARE_MIN_PAGES);
	if (memory_is_spare(job, PHYS_PFN(job->bytes)))
		ret = memory_run(job, MEMORY_TAKE_TIMEOUT);
	else
		ret = -ENOMEM;
	kfree(job);
	if (!ret)
		memory_tell(pieces, "took");
	return ret;
}

/* Whether what is written to a page can be read again: whether there is memory at all. */
static bool memory_answers(u64 start)
{
	u32 *word = memremap(start, PAGE_SIZE, MEMREMAP_WB);
	bool answers;

	if (!word)
		return false;
	WRITE_ONCE(*word, 0x5a0ff0a5);
	WRITE_ONCE(word[1], ~0x5a0ff0a5);
	mb(); /* one after the other, as far as the memory itself is concerned */
	answers = READ_ONCE(*word) == 0x5a0ff0a5 && READ_ONCE(word[1]) == ~0x5a0ff0a5;
	memunmap(word);
	return answers;
}

/* Whether there is memory at both ends of each section of a range. */
static bool memory_is_there(u64 start, u64 bytes)
{
	u64 at;

	for (at = start; at < start + bytes; at += SZ_128M) {
		if (!memory_answers(at) || !memory_answers(at + SZ_128M - PAGE_SIZE))
			return false;
		cond_resched();
	}
	return true;
}

/**
 * memory_take_range() - claim memory that the machine does not use
 * @start: physical address, a multiple of a memory section's size
 * @bytes: likewise, the size; what is in it is overwritten
 * @pieces: list that it is added to; empty
 *
 * Context: may sleep.
 * Return: 0; -ERANGE where the kernel cannot map it; -EBUSY where it is in use; -ENXIO
 * where there is no memory; -ENOMEM.
 */
int memory_take_range(u64 start, u64 bytes, struct list_head *pieces)
{
	struct range reach = mhp_get_pluggable_range(true);
	struct memory_piece *piece;
	int ret = 0;

	if (start < reach.start || start + bytes - 1 > reach.end)
		return -ERANGE;
	if (region_intersects(start, bytes, IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE) !=
	    REGION_DISJOINT)
		return -EBUSY;
	piece = kzalloc(sizeof(*piece), GFP_KERNEL);
	if (!piece)
		return -ENOMEM;
	if (!request_mem_region(start, bytes, memory_name))
		ret = -EBUSY;
	else if (!memory_is_there(start, bytes))
		ret = -ENXIO;
	if (ret == -ENXIO)
		release_mem_region(start, bytes);
	if (ret) {
		kfree(piece);
		return ret;
	}
	piece->start = start;
	piece->bytes = bytes;
	piece->nid = numa_mem_id();
	list_add_tail(&piece->node, pieces);
	return 0;
}

/**
 * memory_give_back() - undo memory_take_blocks() or memory_take_range()
 * @pieces: what was taken; empty afterwards
 *
 * Says in the log what the machine has back.
 *
 * Context: may sleep; no lock held; nothing of the memory is in use.
 */
void memory_give_back(struct list_head *pieces)
{
	struct memory_job job = { .work = memory_give_work, .pieces = pieces };

	/* Without a thread, what is to be brought online may not be found. */
	if (!list_empty(pieces) && memory_run(&job, 0))
		memory_give_work(&job);
	memory_tell(pieces, "gave back");
	memory_forget(pieces);
}
