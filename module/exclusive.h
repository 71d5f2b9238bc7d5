/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_EXCLUSIVE_H
#define MOCKGPU_EXCLUSIVE_H

struct mirror_atomic;
struct svm;

int exclusive_atomic(struct svm *svm, struct mirror_atomic *atomic);

#endif
