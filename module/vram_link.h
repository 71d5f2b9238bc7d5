/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_VRAM_LINK_H
#define MOCKGPU_VRAM_LINK_H

#include <linux/ktime.h>
#include <linux/spinlock.h>
#include <linux/types.h>

/* Speeds of a link in MiB per second, beside 0: as fast as the machine is. */
#define VRAM_LINK_MIN	2U
#define VRAM_LINK_MAX	1048576U

/**
 * struct vram_link - what bytes cross on their way to a device's VRAM and back
 * @mbps: how many MiB in a second, or 0
 * @cut: the device leaves, and nobody waits
 * @lock: for @free
 * @free: when all that was sent has arrived
 */
struct vram_link {
	unsigned int mbps;
	bool cut;
	spinlock_t lock; /* see above */
	ktime_t free;
};

void vram_link_init(struct vram_link *link);
void vram_link_set(struct vram_link *link, unsigned int mbps);
void vram_link_open(struct vram_link *link);
void vram_link_cut(struct vram_link *link);
bool vram_link_any(void);
ktime_t vram_link_send(struct vram_link *link, u64 bytes);
void vram_link_wait(struct vram_link *link, ktime_t until);

#endif
