/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_QUOTA_H
#define MOCKGPU_QUOTA_H

#include <linux/list.h>
#include <linux/types.h>
#include <linux/uidgid.h>

/* Devices that there can be. */
#define QUOTA_DEVICES	16U

/* What a user can have so much of and no more; quota.c says how much. */
enum quota_kind {
	QUOTA_QUEUES,
	QUOTA_COMMANDS,
	QUOTA_LOGS,
	QUOTA_LOG_ENTRIES,
	QUOTA_KINDS
};

/**
 * struct quota - what one user has of what is limited, over all devices
 * @node: on the list of users
 * @uid: the user; fixed
 * @refs: how many hold it
 * @used: what the user has of each kind
 * @vram_pages: pages in the VRAM of each device, by its number; under &vram.lock of that
 */
struct quota {
	struct list_head node;
	kuid_t uid;
	unsigned int refs;
	u64 used[QUOTA_KINDS];
	u64 vram_pages[QUOTA_DEVICES];
};

/* How much of a device's VRAM one user may have, per cent; a parameter of the module. */
extern unsigned int quota_vram_percent;

struct quota *quota_of_caller(void);
struct quota *quota_get(struct quota *quota);
void quota_put(struct quota *quota);
bool quota_take(struct quota *quota, enum quota_kind kind, u64 amount);
void quota_give(struct quota *quota, enum quota_kind kind, u64 amount);

#endif
