// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Unit tests of the allocator of VRAM pages: blocks that have been empty for a while. */
#include <kunit/test.h>

#include "../vram_alloc.h"

struct fixture {
	struct vram_alloc alloc;
	struct vram_block block[2];
};

/* Two empty blocks; the second one can be had as a whole. */
static int vram_alloc_idle_test_init(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	vram_alloc_init(&f->alloc);
	vram_alloc_add(&f->alloc, &f->block[0], false);
	vram_alloc_add(&f->alloc, &f->block[1], true);
	test->priv = f;
	return 0;
}

static void no_block_is_idle_at_first(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_NULL(test, vram_alloc_pop_empty(&f->alloc, true));
	KUNIT_EXPECT_PTR_EQ(test, vram_alloc_pop_empty(&f->alloc, false), &f->block[1]);
}

static void an_empty_block_is_idle_later(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_TRUE(test, vram_alloc_age(&f->alloc));
	KUNIT_EXPECT_PTR_EQ(test, vram_alloc_pop_empty(&f->alloc, true), &f->block[1]);
	KUNIT_EXPECT_PTR_EQ(test, vram_alloc_pop_empty(&f->alloc, true), &f->block[0]);
	KUNIT_EXPECT_FALSE(test, vram_alloc_age(&f->alloc));
}

static void a_block_that_was_used_is_idle_no_more(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int first, count;

	vram_alloc_age(&f->alloc);
	KUNIT_EXPECT_PTR_EQ(test, vram_alloc_get(&f->alloc, 1, &first, &count), &f->block[0]);
	KUNIT_EXPECT_TRUE(test, vram_alloc_put(&f->alloc, &f->block[0], first, count));
	KUNIT_EXPECT_PTR_EQ(test, vram_alloc_pop_empty(&f->alloc, true), &f->block[1]);
	KUNIT_EXPECT_NULL(test, vram_alloc_pop_empty(&f->alloc, true));
	KUNIT_EXPECT_TRUE(test, vram_alloc_age(&f->alloc));
	KUNIT_EXPECT_PTR_EQ(test, vram_alloc_pop_empty(&f->alloc, true), &f->block[0]);
}

/* They are as good as others. */
static void idle_blocks_can_be_had(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int first, count;

	vram_alloc_age(&f->alloc);
	KUNIT_EXPECT_PTR_EQ(test, vram_alloc_get_whole(&f->alloc), &f->block[1]);
	KUNIT_EXPECT_NULL(test, vram_alloc_get_whole(&f->alloc));
	KUNIT_EXPECT_PTR_EQ(test, vram_alloc_get(&f->alloc, VRAM_BLOCK_PAGES, &first, &count),
			    &f->block[0]);
	KUNIT_EXPECT_EQ(test, count, VRAM_BLOCK_PAGES);
	KUNIT_EXPECT_NULL(test, vram_alloc_pop_empty(&f->alloc, false));
}

static struct kunit_case vram_alloc_idle_cases[] = {
	KUNIT_CASE(no_block_is_idle_at_first),
	KUNIT_CASE(an_empty_block_is_idle_later),
	KUNIT_CASE(a_block_that_was_used_is_idle_no_more),
	KUNIT_CASE(idle_blocks_can_be_had),
	{}
};

static struct kunit_suite vram_alloc_idle_suite = {
	.name = "mockgpu_vram_alloc_idle",
	.init = vram_alloc_idle_test_init,
	.test_cases = vram_alloc_idle_cases,
};

kunit_test_suite(vram_alloc_idle_suite);
