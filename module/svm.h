/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_SVM_H
#define MOCKGPU_SVM_H

#include <linux/types.h>

#include "mirror.h"
#include "svm_advice.h"

struct mm_struct;
struct mockgpu_stats;
struct vm_area_struct;
struct vram;
struct vram_charge;

/* Pages that one step works on: what a block of VRAM holds, and 2 MiB of addresses. */
#define SVM_WINDOW_PAGES	MIRROR_WINDOW_PAGES

/**
 * struct svm - one process's memory, as one open file of a device shares it
 * @mirror: the device's view of it
 * @vram: the device's memory; fixed
 * @charge: account of the file; fixed
 * @stats: counters of the device; fixed
 * @owner: the process; compared, never looked into
 * @advice: what was advised about it
 */
struct svm {
	struct mirror mirror;
	struct vram *vram;
	struct vram_charge *charge;
	struct mockgpu_stats *stats;
	struct pid *owner;
	struct svm_advice advice;
};

/**
 * svm_mm() - the address space that is shared
 * @svm: object
 *
 * Return: the address space; its structure is there, its contents need not be.
 */
static inline struct mm_struct *svm_mm(const struct svm *svm)
{
	return svm->mirror.mm;
}

struct svm *svm_create(struct vram *vram, struct vram_charge *charge, struct mockgpu_stats *stats);
void svm_destroy(struct svm *svm);
bool svm_is_of(const struct svm *svm, const struct mm_struct *mm);
unsigned int svm_window(unsigned long start, unsigned long end);
unsigned long svm_next_mapped(struct svm *svm, unsigned long start, unsigned long end);
bool svm_is_special(struct vm_area_struct *vma);
unsigned long svm_movable(struct svm *svm, unsigned long start, unsigned long end);
int svm_advise(struct svm *svm, unsigned long start, unsigned long end, unsigned int attr,
	       u64 value);
int svm_advise_reset(struct svm *svm, unsigned long start, unsigned long end);
int svm_access(struct svm *svm, struct mirror_access *access);
int svm_residency(struct svm *svm, unsigned long start, unsigned int npages, u32 *res);
int svm_evict(struct svm *svm, unsigned long start, unsigned int npages, unsigned long deadline,
	      u64 *evicted, u64 *busy);

#endif
