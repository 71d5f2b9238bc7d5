// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Private VRAM: a physical range that nothing answers to, and RAM behind it.
 *
 * The memory manager needs page structures, and those need page frame numbers;
 * free address space has some.  No CPU can reach memory there, which is just
 * what device-private means.  The data lies in ordinary RAM that the driver
 * allocates in large pieces, each of them a folio like those that processes use,
 * so that one can become a process's.
 *
 * That RAM is the machine's.  VRAM stops growing while there is still enough
 * left for its pages to come home to: a page needs a place in RAM before the
 * one behind its VRAM can be given back.
 *
 * Locking: none; the caller serialises.
 */
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "control.h"
#include "vram.h"

/* VRAM leaves this part of the machine's RAM alone, but no less than the minimum. */
#define RAM_FLOOR_SHIFT		5
#define RAM_FLOOR_MIN_PAGES	(SZ_64M / PAGE_SIZE)

static int vram_private_claim(struct vram_chunk *chunk)
{
	chunk->res = request_free_mem_region(&iomem_resource, VRAM_CHUNK_BYTES, "mockgpu VRAM");
	if (IS_ERR(chunk->res))
		return PTR_ERR(chunk->res);
	chunk->pgmap.range.start = chunk->res->start;
	chunk->pgmap.range.end = chunk->res->start + VRAM_CHUNK_BYTES - 1;
	return 0;
}

static void vram_private_release(struct vram_chunk *chunk)
{
	release_mem_region(chunk->res->start, resource_size(chunk->res));
}

static bool vram_private_ram_is_short(void)
{
	unsigned long floor = max(totalram_pages() >> RAM_FLOOR_SHIFT, RAM_FLOOR_MIN_PAGES);

	return si_mem_available() < (long)(floor + VRAM_BLOCK_PAGES);
}

static void *vram_private_back(struct vram_part *part, bool whole)
{
	struct folio *folio;

	if (vram_private_ram_is_short() || control_no_memory())
		return NULL;
	/*
	 * In one piece where that is to be had without effort.  Neither
	 * attempt calls the OOM killer: nobody is to die for a mock's memory.
	 */
	folio = folio_alloc(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN, VRAM_BLOCK_ORDER);
	if (folio || whole)
		return folio ? folio_address(folio) : NULL;
	return __vmalloc(VRAM_BLOCK_BYTES, GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
}

static struct folio *vram_private_folio(void *data)
{
	return is_vmalloc_addr(data) ? NULL : virt_to_folio(data);
}

static void vram_private_unback(void *data)
{
	struct folio *folio = vram_private_folio(data);

	if (folio)
		folio_put(folio);
	else
		vfree(data);
}

const struct vram_source vram_private = {
	.type = MEMORY_DEVICE_PRIVATE,
	.claim = vram_private_claim,
	.release = vram_private_release,
	.back = vram_private_back,
	.unback = vram_private_unback,
	.folio = vram_private_folio,
	.is_short = vram_private_ram_is_short,
};
