// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The calls of /dev/hmm_dmirrorN that only look: what pages are, and whether the device
 * has them for itself.
 *
 * Locking: none of its own; of which type a device is stays, and is set before its node is
 * there.
 */
#include <linux/bitmap.h>
#include <linux/err.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "client.h"
#include "control.h"
#include "dmirror_abi.h"
#include "dmirror_cmd.h"
#include "mockgpu_drm.h"
#include "svm.h"

/* Devices with coherent VRAM, by number. */
static DECLARE_BITMAP(dmirror_coherent, U8_MAX + 1);

/**
 * dmirror_know() - there is a device, which pages may lie in
 * @device: its number
 * @coherent: whether its VRAM is coherent
 *
 * Context: any; for each device, also those without a node.
 */
void dmirror_know(unsigned int device, bool coherent)
{
	assign_bit(device, dmirror_coherent, coherent);
}

/* What there is to say of a page, in the words of this door. */
static u8 dmirror_describe(u32 res)
{
	unsigned int order = MOCKGPU_RES_ORDER(res);
	u8 is = DMIRROR_IS_NONE;

	if (res & MOCKGPU_RES_UNMAPPED)
		return DMIRROR_IS_ERROR;
	if (!(res & MOCKGPU_RES_PRESENT))
		return DMIRROR_IS_NONE;
	if (res & MOCKGPU_RES_VRAM) {
		if (test_bit(MOCKGPU_RES_DEVICE(res), dmirror_coherent))
			is = res & MOCKGPU_RES_LOCAL ? DMIRROR_IS_COHERENT_LOCAL :
						       DMIRROR_IS_COHERENT_REMOTE;
		else if (res & MOCKGPU_RES_LOCAL)
			is = DMIRROR_IS_PRIVATE_LOCAL;
		else
			/* There, another device's private memory cannot be seen. */
			return DMIRROR_IS_NONE;
	} else if ((res & MOCKGPU_RES_ZERO) && !order) {
		is = DMIRROR_IS_ZERO;
	}
	is |= res & MOCKGPU_RES_WRITE ? DMIRROR_IS_WRITE : DMIRROR_IS_READ;
	if (order == PMD_SHIFT - PAGE_SHIFT)
		is |= DMIRROR_IS_PMD;
	else if (order == PUD_SHIFT - PAGE_SHIFT)
		is |= DMIRROR_IS_PUD;
	return is;
}

/* Call @fn for each window of a range, with what there is to say of its pages. */
static int dmirror_look(struct dmirror_file *file,
			int (*fn)(struct dmirror_args *args, const u32 *res, unsigned int npages),
			struct dmirror_args *args)
{
	unsigned long start = args->addr, end = args->addr + args->npages * PAGE_SIZE;
	struct svm *svm = client_svm(file->client);
	unsigned int n;
	u32 *res = NULL;
	int ret = 0;

	if (IS_ERR(svm))
		return PTR_ERR(svm);
	if (!control_no_memory())
		res = kmalloc_array(SVM_WINDOW_PAGES, sizeof(*res), GFP_KERNEL_ACCOUNT);
	if (!res)
		return -ENOMEM;
	for (; start < end && !ret; start += n * PAGE_SIZE) {
		n = svm_window(start, end);
		ret = svm_residency(svm, start, n, res);
		if (!ret)
			ret = fn(args, res, n);
		if (!ret && start + n * PAGE_SIZE < end)
			ret = dmirror_pause();
	}
	kfree(res);
	return ret;
}

static int dmirror_describe_all(struct dmirror_args *args, const u32 *res, unsigned int npages)
{
	u8 is[SVM_WINDOW_PAGES];
	unsigned int i;

	for (i = 0; i < npages; i++)
		is[i] = dmirror_describe(res[i]);
	if (copy_to_user(u64_to_user_ptr(args->ptr + args->cpages), is, npages))
		return -EFAULT;
	args->cpages += npages;
	return 0;
}

/**
 * dmirror_snapshot() - DMIRROR_SNAPSHOT
 * @file: file
 * @args: arguments
 *
 * Context: may sleep.
 * Return: 0, -EPERM, -EFAULT, -ENOMEM, -EINTR, -EBUSY (the mapping kept changing).
 */
int dmirror_snapshot(struct dmirror_file *file, struct dmirror_args *args)
{
	return dmirror_look(file, dmirror_describe_all, args);
}

/* What the device has mapped and no CPU can reach, it has for itself. */
static int dmirror_find_exclusive(struct dmirror_args *args, const u32 *res, unsigned int npages)
{
	unsigned int i;

	for (i = 0; i < npages; i++) {
		if ((res[i] & MOCKGPU_RES_GPU) && !(res[i] & MOCKGPU_RES_PRESENT))
			return -EPERM;
	}
	return 0;
}

/**
 * dmirror_check_exclusive() - DMIRROR_CHECK_EXCLUSIVE
 * @file: file
 * @args: arguments
 *
 * Context: may sleep.
 * Return: 0 where the device has no page of the range exclusively; -EPERM where it has
 * one; else as dmirror_snapshot().
 */
int dmirror_check_exclusive(struct dmirror_file *file, struct dmirror_args *args)
{
	return dmirror_look(file, dmirror_find_exclusive, args);
}
