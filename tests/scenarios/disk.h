/* SPDX-License-Identifier: MIT */
/* A disk in memory that takes its time, for direct I/O, for files and for swapping. */
#ifndef DISK_H
#define DISK_H

#include <stddef.h>
#include <stdint.h>

/*
 * The disk, /dev/nullb0: 1 GB, sectors of 512 bytes; each request takes @delay_ns.  There is one
 * at a time.  Skips where the kernel has none.
 */
#define DISK "/dev/nullb0"
void disk_new(uint64_t delay_ns);
void disk_gone(void);

/* A file system on it, new or as it was, which does direct I/O; where it is mounted. */
#define DISK_DIR "/run/mockgpu-disk"
void disk_mount(void);
void disk_mount_again(void);
void disk_unmount(void);

/* A swap area on it, used before any other. */
void disk_swap_on(size_t pages);
/* The same on another disk, all of whose contents are lost. */
void swap_on_disk(const char *disk, size_t pages);
void disk_swap_off(void);
/* Pages of the swap area that are in use. */
size_t disk_swap_used(void);
/* Slots of these that may be nobody's: what each CPU has in stock, on kernels before 6.15. */
size_t disk_swap_stock(void);

/* Reclaim takes all of the mapping. */
void page_out(void *p, size_t pages);

#endif
