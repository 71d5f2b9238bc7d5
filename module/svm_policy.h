/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_SVM_POLICY_H
#define MOCKGPU_SVM_POLICY_H

#include <linux/types.h>

struct mirror_ops;
struct svm;
struct svm_migration;

/* What a process's memory does for its mirror. */
extern const struct mirror_ops svm_mirror_ops;

/**
 * struct svm_prefetch - what a prefetch does
 * @svm: memory of the calling process, shared with the device that will want it
 * @place: MOCKGPU_PLACE_*
 * @target: the same memory, shared with the device that @place names; NULL where it
 *	names none
 * @write: have the pages mapped for writing
 * @moved: pages that moved; added to
 * @stayed: pages that are elsewhere than they should be; added to
 * @mapped: pages that the device has in its page table; added to
 * @no_room: whether a page stayed for want of VRAM or RAM
 */
struct svm_prefetch {
	struct svm *svm;
	u32 place;
	struct svm *target;
	bool write;
	u64 moved;
	u64 stayed;
	u64 mapped;
	bool no_room;
};

int svm_prefetch(struct svm_prefetch *prefetch, unsigned long start, unsigned int npages);
unsigned int svm_follow_advice(struct svm_migration *mig, unsigned long start,
			       unsigned int npages);

#endif
