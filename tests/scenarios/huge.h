/* SPDX-License-Identifier: MIT */
/* Huge pages: having them, having them in VRAM, and a machine that has none to spare. */
#ifndef HUGE_H
#define HUGE_H

#include "gpu.h"

#define N	512UL		/* pages of a huge page */
#define ORDER	(0xffU << 16)	/* of RESIDENCY: how the CPU maps it */
#define ORDER_9	(9U << 16)	/* as 2 MiB */

/* The device; skips where it has no huge folios. */
struct mockgpu_device *gpu_open_huge(void);

/* A huge page with contents: in system memory; in VRAM, as a whole. */
char *huge_in_system(struct mockgpu_device *dev, uint16_t tag);
char *huge_in_vram(struct mockgpu_device *dev, uint16_t tag);
/* 2 MiB of addresses for which huge pages were asked, and nothing there. */
char *huge_hole(void);
/* 2 MiB of memory with contents, in folios of 64 KiB. */
char *map_64k_folios(uint16_t tag);

/*
 * From now on there is no huge page of free RAM, and none can be made; pages there are.  Before any
 * memory is there that the scenario looks at, guard_huge_ram() forks somebody who sets the machine
 * right if the scenario does not live to do so.
 */
void guard_huge_ram(void);
void use_up_huge_ram(void);
void give_huge_ram_back(void);

#endif
