/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Blocks of the machine's memory, on all kernels and machines; see compat_mm.h. */
#ifndef MOCKGPU_COMPAT_HOTPLUG_H
#define MOCKGPU_COMPAT_HOTPLUG_H

#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/sizes.h>

#ifdef CONFIG_X86_64
#include <asm/pgtable.h>
#include <asm/set_memory.h>
#endif

#include "compat_probes.h"

/**
 * compat_alloc_contig_range() - have the pages of a range, wherever what is in them goes
 * @start: number of the first frame
 * @end: number after the last
 * @gfp: how to get memory for what is in them
 *
 * Context: may sleep.
 * Return: 0, and free_contig_range() gives them back; or a negative errno.
 */
static inline int compat_alloc_contig_range(unsigned long start, unsigned long end, gfp_t gfp)
{
#if HAVE_ACR_FLAGS
	return alloc_contig_range(start, end, ACR_FLAGS_NONE, gfp);
#else
	return alloc_contig_range(start, end, MIGRATE_MOVABLE, gfp);
#endif
}

/**
 * compat_split_direct_map() - have the kernel map memory by no more than a block at once
 * @start: physical address of the block, all of whose pages the caller has
 * @bytes: its size
 *
 * x86 maps RAM by a GiB at a time where it can.  When it takes a part of that away it does
 * not look whether it is so, and takes what is in that memory for a page table.  Another
 * type of caching for a page has the GiB mapped by smaller pages.
 *
 * Context: may sleep.
 * Return: whether it is so now.
 */
static inline bool compat_split_direct_map(u64 start, u64 bytes)
{
#ifdef CONFIG_X86_64
	unsigned long addr = (unsigned long)__va(start);
	unsigned int level = 0;

	if (IS_ALIGNED(start, SZ_1G) && IS_ALIGNED(bytes, SZ_1G))
		return true;
	if (!lookup_address(addr, &level))
		return false;
	if (level <= PG_LEVEL_2M)
		return true;
	if (set_memory_uc(addr, 1))
		return false;
	set_memory_wb(addr, 1);
	return lookup_address(addr, &level) && level <= PG_LEVEL_2M;
#else
	return true;
#endif
}

/**
 * compat_open_of_machine() - open a file as the machine's first process sees it
 * @path: its path
 * @flags: as filp_open() has them
 *
 * Context: may sleep; a thread of the kernel's, which in the newest kernels sees no files
 * by itself.
 * Return: the file, or an error pointer.
 */
static inline struct file *compat_open_of_machine(const char *path, int flags)
{
	struct file *file = ERR_PTR(-ENOENT);

#if HAVE_INIT_FS
	scoped_with_init_fs()
#endif
		file = filp_open(path, flags, 0);
	return file;
}

#endif
