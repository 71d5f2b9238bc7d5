/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_SVM_ADVICE_H
#define MOCKGPU_SVM_ADVICE_H

#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "advice.h"

struct mm_struct;

/**
 * struct svm_advice - what was advised about one process's memory
 * @mutex: one change by the user at a time; outside mmap_lock
 * @watching: @notifier is there; under @mutex
 * @notifier: tells what was unmapped, anywhere
 * @lock: protects @map
 * @map: the advice
 */
struct svm_advice {
	struct mutex mutex; /* for @watching */
	bool watching;
	struct mmu_interval_notifier notifier;
	spinlock_t lock; /* for what follows */
	struct advice_map map;
};

void svm_advice_init(struct svm_advice *advice);
void svm_advice_fini(struct svm_advice *advice);
int svm_advice_set(struct svm_advice *advice, struct mm_struct *mm, unsigned long start,
		   unsigned long end, unsigned int attr, u64 value);
int svm_advice_reset(struct svm_advice *advice, unsigned long start, unsigned long end);
void svm_advice_get(struct svm_advice *advice, unsigned long addr, struct advice_piece *piece);
u64 svm_advice_mixed(struct svm_advice *advice, unsigned long start, unsigned long end,
		     struct advice_piece *piece);

#endif
