// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Coherent VRAM: real memory, which a CPU reaches like RAM.
 *
 * All of it is taken before a device comes up, as that may fail or take its time, and kept
 * until the device is no more: a pool, for one device or for several that share it; each gets
 * a chunk at a time.  It gets page structures like any other VRAM then, and the pages are the
 * memory, so nothing has to be put behind them.
 *
 * A CPU access does not fault, so nobody's access brings a page home.  And whoever pins a
 * page keeps it where it is: the module cannot be unloaded as long as a page is in use.
 *
 * Locking: &coherent_pool.lock, for which chunks of a pool are used; coherent_lock, so that
 * memory is taken and given back for one pool at a time.  lock_system_sleep(), inside that, for
 * whether there is any: the machine does not hibernate then, and does not begin to while some
 * is taken; and for whether some may be taken.  A hibernation may be several calls of who writes
 * the image, and that lock is free in between.
 */
#include <linux/ctype.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/suspend.h>

#include "vram.h"
#include "vram_coherent.h"
#include "vram_memory.h"

/**
 * struct coherent_chunk - memory for a chunk
 * @start: physical address
 * @nid: node that it is on
 * @used: a device has it; under &coherent_pool.lock
 */
struct coherent_chunk {
	u64 start;
	int nid;
	bool used;
};

/**
 * struct coherent_pool - memory for devices
 * @lock: for which chunks are used
 * @pieces: what was taken; fixed
 * @nr_chunks: how many chunks that makes; fixed
 * @chunks: the chunks
 */
struct coherent_pool {
	struct mutex lock; /* see above */
	struct list_head pieces;
	unsigned int nr_chunks;
	struct coherent_chunk *chunks;
};

static DEFINE_MUTEX(coherent_lock);
/* Pools that there are: see above. */
static unsigned int coherent_nr_pools;
/* None may be taken: coherent_bar(). */
static bool coherent_barred;

static int vram_coherent_claim(struct vram_chunk *chunk)
{
	struct coherent_pool *pool = chunk->vram->pool;
	struct coherent_chunk *from;
	unsigned int i;
	int ret = -ENOSPC;

	mutex_lock(&pool->lock);
	for (i = 0; i < pool->nr_chunks && ret; i++) {
		from = &pool->chunks[i];
		if (from->used)
			continue;
		from->used = true;
		chunk->nid = from->nid;
		chunk->pgmap.range.start = from->start;
		chunk->pgmap.range.end = from->start + VRAM_CHUNK_BYTES - 1;
		ret = 0;
	}
	mutex_unlock(&pool->lock);
	return ret;
}

static void vram_coherent_release(struct vram_chunk *chunk)
{
	struct coherent_pool *pool = chunk->vram->pool;
	unsigned int i;

	mutex_lock(&pool->lock);
	for (i = 0; i < pool->nr_chunks; i++) {
		if (pool->chunks[i].start == chunk->pgmap.range.start)
			pool->chunks[i].used = false;
	}
	mutex_unlock(&pool->lock);
}

static void *vram_coherent_back(struct vram_part *part, bool whole)
{
	const struct vram_chunk *chunk = part->chunk;

	return pfn_to_kaddr(chunk->first_pfn + (part - chunk->parts) * VRAM_BLOCK_PAGES);
}

static void vram_coherent_unback(void *data)
{
}

const struct vram_source vram_coherent = {
	.type = MEMORY_DEVICE_COHERENT,
	.holds_module = true,
	.claim = vram_coherent_claim,
	.release = vram_coherent_release,
	.back = vram_coherent_back,
	.unback = vram_coherent_unback,
};

/**
 * coherent_parse() - understand where memory is to come from
 * @name: what messages call it
 * @text: "auto" or "offline", or SIZE@ADDRESS as for memmap= on the kernel's command line
 * @request: answer
 *
 * Return: 0, or -EINVAL: it is none of these, or not made of whole chunks.
 */
int coherent_parse(const char *name, const char *text, struct coherent_request *request)
{
	char *end;
	u64 last;

	*request = (struct coherent_request){ .name = name, .unasked = sysfs_streq(text, "auto") };
	if (request->unasked || sysfs_streq(text, "offline"))
		return 0;
	if (!isdigit(*text))
		return -EINVAL;
	request->bytes = memparse(text, &end);
	if (*end != '@' || !isdigit(end[1]))
		return -EINVAL;
	request->start = memparse(end + 1, &end);
	if (*end && strcmp(end, "\n"))
		return -EINVAL;
	if (!request->start || !request->bytes ||
	    !IS_ALIGNED(request->start | request->bytes, VRAM_CHUNK_BYTES) ||
	    check_add_overflow(request->start, request->bytes - 1, &last))
		return -EINVAL;
	return 0;
}

/* Divide the memory into chunks. */
static int coherent_divide(struct coherent_pool *pool)
{
	struct memory_piece *piece;
	unsigned int n = 0;
	u64 bytes = 0, at;

	list_for_each_entry(piece, &pool->pieces, node)
		bytes += piece->bytes;
	pool->chunks = kvcalloc(bytes / VRAM_CHUNK_BYTES, sizeof(*pool->chunks), GFP_KERNEL);
	if (!pool->chunks)
		return -ENOMEM;
	list_for_each_entry(piece, &pool->pieces, node) {
		for (at = 0; at < piece->bytes; at += VRAM_CHUNK_BYTES) {
			pool->chunks[n].start = piece->start + at;
			pool->chunks[n].nid = piece->nid;
			n++;
		}
	}
	pool->nr_chunks = n;
	return 0;
}

static const char *coherent_why(int error)
{
	switch (error) {
	case -ENOMEM:
		return "the machine would keep too little memory";
	case -EBUSY:
		return "too little memory can be taken out of the machine now";
	case -ETIME:
		return "taking memory out of the machine took too long";
	case -EINTR:
		return "interrupted";
	default:
		return "no memory can be taken out of the machine";
	}
}

static int coherent_take(const struct coherent_request *request, u64 bytes,
			 struct list_head *pieces)
{
	int ret;

	if (!request->bytes) {
		ret = memory_take_blocks(bytes, pieces);
		if (ret)
			pr_err("mockgpu: no %llu MiB for coherent VRAM: %s\n", bytes / SZ_1M,
			       coherent_why(ret));
		return ret;
	}
	if (request->bytes < bytes) {
		pr_err("mockgpu: %s has %llu MiB, coherent VRAM takes %llu\n", request->name,
		       request->bytes / SZ_1M, bytes / SZ_1M);
		return -ENOSPC;
	}
	ret = memory_take_range(request->start, request->bytes, pieces);
	if (ret)
		pr_err("mockgpu: %s at %#llx cannot be used: %s\n", request->name, request->start,
		       ret == -EBUSY ? "the range is in use" :
		       ret == -ERANGE ? "the kernel cannot map it" :
		       ret == -ENXIO ? "there is no memory" : "out of memory");
	return ret;
}

/**
 * coherent_bar() - the machine is to hibernate: have none of this memory taken
 *
 * Context: under lock_system_sleep().
 * Return: whether it is so until coherent_unbar(); false where there is some already.
 */
bool coherent_bar(void)
{
	if (coherent_nr_pools)
		return false;
	coherent_barred = true;
	return true;
}

/**
 * coherent_unbar() - undo coherent_bar()
 *
 * Context: under lock_system_sleep().
 */
void coherent_unbar(void)
{
	coherent_barred = false;
}

/**
 * coherent_is_held() - whether there is any of this memory
 *
 * Context: under lock_system_sleep().
 */
bool coherent_is_held(void)
{
	return coherent_nr_pools;
}

/* Fill a pool that is empty.  Caller holds the lock.  The machine does not sleep meanwhile. */
static int coherent_fill(struct coherent_pool *pool, const struct coherent_request *request,
			 u64 bytes)
{
	unsigned int flags;
	int ret;

	lockdep_assert_held(&coherent_lock);

	flags = lock_system_sleep();
	if (coherent_barred) {
		pr_err("mockgpu: no memory for coherent VRAM while the machine hibernates\n");
		ret = -EBUSY;
	} else {
		ret = coherent_take(request, bytes, &pool->pieces);
	}
	if (!ret) {
		ret = coherent_divide(pool);
		if (ret) {
			pr_err("mockgpu: out of memory\n");
			memory_give_back(&pool->pieces);
		}
	}
	coherent_nr_pools += !ret;
	unlock_system_sleep(flags);
	return ret;
}

/**
 * coherent_open() - have memory for coherent devices to come
 * @request: where from
 * @devices: how many there are; with 0 there is no pool
 * @bytes: size of the VRAM of each; whole chunks of it are taken
 * @pool: answer: what they are to share, or NULL
 *
 * Says in the log what was taken out of the machine, or why nothing was.
 *
 * Context: may sleep, for up to ten seconds where memory can be given back at once, and as long
 * for each that came before; no lock held that who uses the machine's memory needs.
 * Return: 0, -ENOSPC (a range that is too small), -EBUSY (coherent_bar()), or an errno of
 * memory_take_range() or memory_take_blocks().
 */
int coherent_open(const struct coherent_request *request, unsigned int devices, u64 bytes,
		  struct coherent_pool **pool)
{
	struct coherent_pool *new;
	int ret;

	*pool = NULL;
	if (!devices)
		return 0;
	new = kzalloc(sizeof(*new), GFP_KERNEL);
	if (!new) {
		pr_err("mockgpu: out of memory\n");
		return -ENOMEM;
	}
	mutex_init(&new->lock);
	INIT_LIST_HEAD(&new->pieces);
	bytes = devices * round_up(bytes, VRAM_CHUNK_BYTES);
	ret = mutex_lock_interruptible(&coherent_lock);
	if (ret) {
		pr_err("mockgpu: no %llu MiB for coherent VRAM: %s\n", bytes / SZ_1M,
		       coherent_why(ret));
	} else {
		ret = coherent_fill(new, request, bytes);
		mutex_unlock(&coherent_lock);
	}
	if (ret)
		kfree(new);
	else
		*pool = new;
	return ret;
}

/**
 * coherent_close() - undo coherent_open()
 * @pool: what that answered
 *
 * Says in the log what the machine has back.
 *
 * Context: may sleep; as coherent_open(); the devices that had it have gone.
 */
void coherent_close(struct coherent_pool *pool)
{
	unsigned int flags;

	if (!pool)
		return;
	kvfree(pool->chunks);
	mutex_lock(&coherent_lock);
	flags = lock_system_sleep();
	memory_give_back(&pool->pieces);
	coherent_nr_pools--;
	unlock_system_sleep(flags);
	mutex_unlock(&coherent_lock);
	kfree(pool);
}
