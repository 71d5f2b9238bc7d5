/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_EVICT_H
#define MOCKGPU_EVICT_H

#include <linux/jiffies.h>
#include <linux/types.h>

struct vram;

/* How long pages that are busy are tried again. */
#define EVICT_TIMEOUT	HZ

/**
 * struct evict_keep - pages that stay when room is made
 * @pfns: their page frame numbers, in order
 * @count: how many
 */
struct evict_keep {
	const unsigned long *pfns;
	unsigned int count;
};

int evict_pfns(struct vram *vram, unsigned long *pfns, unsigned int npages,
	       unsigned long deadline, u64 *evicted, u64 *busy);
int evict_all(struct vram *vram, u64 *evicted, u64 *busy);
void evict_keep_set(struct evict_keep *keep, unsigned long *pfns, unsigned int count);
int evict_make_room(struct vram *vram, unsigned int want, const struct evict_keep *keep);
void evict_for_good(struct vram *vram);

#endif
