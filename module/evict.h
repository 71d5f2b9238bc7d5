/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_EVICT_H
#define MOCKGPU_EVICT_H

#include <linux/types.h>

struct vram;

int evict_pfns(struct vram *vram, unsigned long *pfns, unsigned int npages,
	       u64 *evicted, u64 *busy);
int evict_all(struct vram *vram, u64 *evicted, u64 *busy);
void evict_for_good(struct vram *vram);

#endif
