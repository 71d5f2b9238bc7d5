/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_EXCLUSIVE_H
#define MOCKGPU_EXCLUSIVE_H

#include <linux/types.h>

struct mirror_atomic;
struct svm;

bool exclusive_is_possible(void);
int exclusive_atomic(struct svm *svm, struct mirror_atomic *atomic);

#endif
