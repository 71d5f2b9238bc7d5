// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Coherent VRAM: real memory, which a CPU reaches like RAM.
 *
 * All of it is taken when the module is loaded, as that may fail or take its time, and
 * kept until it is unloaded.  The devices share it; each gets a chunk at a time.  It gets
 * page structures like any other VRAM then, and the pages are the memory, so nothing has
 * to be put behind them.
 *
 * A CPU access does not fault, so nobody's access brings a page home.  And whoever pins a
 * page keeps it where it is: the module cannot be unloaded as long as a page is in use.
 *
 * Locking: &coherent.lock, for which chunks are used.
 */
#include <linux/ctype.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "vram.h"
#include "vram_coherent.h"
#include "vram_memory.h"

/**
 * struct coherent_chunk - memory for a chunk
 * @start: physical address
 * @nid: node that it is on
 * @used: a device has it; under &coherent.lock
 */
struct coherent_chunk {
	u64 start;
	int nid;
	bool used;
};

/* All of the memory; fixed between coherent_open() and coherent_close(). */
static struct {
	struct mutex lock; /* see above */
	struct list_head pieces;
	struct coherent_chunk *chunks;
	unsigned int nr_chunks;
} coherent = {
	.lock = __MUTEX_INITIALIZER(coherent.lock),
	.pieces = LIST_HEAD_INIT(coherent.pieces),
};

static int vram_coherent_claim(struct vram_chunk *chunk)
{
	struct coherent_chunk *from;
	unsigned int i;
	int ret = -ENOSPC;

	mutex_lock(&coherent.lock);
	for (i = 0; i < coherent.nr_chunks && ret; i++) {
		from = &coherent.chunks[i];
		if (from->used)
			continue;
		from->used = true;
		chunk->nid = from->nid;
		chunk->pgmap.range.start = from->start;
		chunk->pgmap.range.end = from->start + VRAM_CHUNK_BYTES - 1;
		ret = 0;
	}
	mutex_unlock(&coherent.lock);
	return ret;
}

static void vram_coherent_release(struct vram_chunk *chunk)
{
	unsigned int i;

	mutex_lock(&coherent.lock);
	for (i = 0; i < coherent.nr_chunks; i++) {
		if (coherent.chunks[i].start == chunk->pgmap.range.start)
			coherent.chunks[i].used = false;
	}
	mutex_unlock(&coherent.lock);
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
 * @text: "auto" or "offline", or SIZE@ADDRESS as for memmap= on the kernel's command line
 * @request: answer
 *
 * Return: 0, or -EINVAL: it is none of these, or not made of whole chunks.
 */
int coherent_parse(const char *text, struct coherent_request *request)
{
	char *end;
	u64 last;

	*request = (struct coherent_request){};
	if (sysfs_streq(text, "auto") || sysfs_streq(text, "offline"))
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
static int coherent_divide(void)
{
	struct memory_piece *piece;
	unsigned int n = 0;
	u64 bytes = 0, at;

	list_for_each_entry(piece, &coherent.pieces, node)
		bytes += piece->bytes;
	coherent.chunks = kvcalloc(bytes / VRAM_CHUNK_BYTES, sizeof(*coherent.chunks), GFP_KERNEL);
	if (!coherent.chunks)
		return -ENOMEM;
	list_for_each_entry(piece, &coherent.pieces, node) {
		for (at = 0; at < piece->bytes; at += VRAM_CHUNK_BYTES) {
			coherent.chunks[n].start = piece->start + at;
			coherent.chunks[n].nid = piece->nid;
			n++;
		}
	}
	coherent.nr_chunks = n;
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

static int coherent_take(const struct coherent_request *request, u64 bytes)
{
	int ret;

	if (!request->bytes) {
		ret = memory_take_blocks(bytes, &coherent.pieces);
		if (ret)
			pr_err("mockgpu: no %llu MiB for coherent VRAM: %s\n", bytes / SZ_1M,
			       coherent_why(ret));
		return ret;
	}
	if (request->bytes < bytes) {
		pr_err("mockgpu: coherent_source= has %llu MiB, coherent VRAM takes %llu\n",
		       request->bytes / SZ_1M, bytes / SZ_1M);
		return -ENOSPC;
	}
	ret = memory_take_range(request->start, request->bytes, &coherent.pieces);
	if (ret)
		pr_err("mockgpu: coherent_source= at %#llx cannot be used: %s\n", request->start,
		       ret == -EBUSY ? "the range is in use" :
		       ret == -ERANGE ? "the kernel cannot map it" :
		       ret == -ENXIO ? "there is no memory" : "out of memory");
	return ret;
}

/**
 * coherent_open() - have memory for the coherent devices to come
 * @request: where from
 * @devices: how many there are; with 0 nothing is done
 * @bytes: size of the VRAM of each; whole chunks of it are taken
 *
 * Says in the log what was taken out of the machine, or why nothing was.
 *
 * Context: may sleep, for up to ten seconds where memory can be given back at once; no lock held.
 * Return: 0, -ENOSPC (a range that is too small), or an errno of memory_take_range() or
 * memory_take_blocks().
 */
int coherent_open(const struct coherent_request *request, unsigned int devices, u64 bytes)
{
	int ret;

	if (!devices)
		return 0;
	ret = coherent_take(request, devices * round_up(bytes, VRAM_CHUNK_BYTES));
	if (ret)
		return ret;
	ret = coherent_divide();
	if (ret) {
		pr_err("mockgpu: out of memory\n");
		memory_give_back(&coherent.pieces);
	}
	return ret;
}

/**
 * coherent_close() - undo coherent_open()
 *
 * Says in the log what the machine has back.
 *
 * Context: may sleep; no lock held; all devices have gone.
 */
void coherent_close(void)
{
	kvfree(coherent.chunks);
	coherent.chunks = NULL;
	coherent.nr_chunks = 0;
	memory_give_back(&coherent.pieces);
}
