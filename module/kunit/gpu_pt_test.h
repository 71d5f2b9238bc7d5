/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What both suites of the device's page table share.
 */
#ifndef MOCKGPU_GPU_PT_TEST_H
#define MOCKGPU_GPU_PT_TEST_H

#include <kunit/test.h>

#include "gpu_pt.h"

#define PAGE_BYTES	BIT_ULL(GPU_PTE_SHIFT)
#define LEAF		((u64)GPU_PT_LEAF_BYTES)
#define TOP		BIT_ULL(GPU_PTE_SHIFT + GPU_PT_LEVELS * GPU_PT_LEVEL_BITS)

struct fixture {
	struct gpu_pt pt;
	struct gpu_pt_stash stash;
};

static int gpu_pt_test_init(struct kunit *test)
{
	test->priv = kunit_kzalloc(test, sizeof(struct fixture), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, test->priv);
	return 0;
}

static void gpu_pt_test_exit(struct kunit *test)
{
	struct fixture *f = test->priv;

	if (!f)
		return;
	gpu_pt_stash_drop(&f->stash);
	gpu_pt_fini(&f->pt);
}

static u64 entry(u64 pfn, u64 bits)
{
	return GPU_PTE_VALID | bits | pfn << GPU_PTE_SHIFT;
}

/* Sets an entry, with as many tables as it is said to need. */
static void set(struct kunit *test, u64 addr, u64 pte)
{
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, gpu_pt_stash_fill(&f->stash, gpu_pt_missing(&f->pt, addr)), 0);
	KUNIT_ASSERT_EQ(test, gpu_pt_set(&f->pt, &f->stash, addr, pte), 0);
}

#endif
