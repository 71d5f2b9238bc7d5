/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What both suites of the advice about ranges share.
 */
#ifndef MOCKGPU_ADVICE_TEST_H
#define MOCKGPU_ADVICE_TEST_H

#include <kunit/test.h>
#include <linux/limits.h>

#include "advice.h"

struct fixture {
	struct advice_map map;
	struct advice_stash stash;
};

static int advice_test_init(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	advice_init(&f->map);
	test->priv = f;
	return 0;
}

static void advice_test_exit(struct kunit *test)
{
	struct fixture *f = test->priv;

	if (!f)
		return;
	advice_stash_drop(&f->stash);
	advice_fini(&f->map);
}

static void fill_stash(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, advice_stash_fill(&f->stash, GFP_KERNEL), 0);
}

/* Sets with a full stash, which has to work. */
static void set(struct kunit *test, u64 start, u64 last, unsigned int attr, u16 value)
{
	struct fixture *f = test->priv;

	fill_stash(test);
	KUNIT_ASSERT_EQ(test, advice_set(&f->map, &f->stash, start, last, attr, value), 0);
}

/* The piece that holds @start is exactly this one and says so. */
static void expect_piece(struct kunit *test, u64 start, u64 last, unsigned int attr, u16 value)
{
	struct fixture *f = test->priv;
	const struct advice_piece *piece = advice_find(&f->map, start);

	KUNIT_EXPECT_EQ(test, piece->start, start);
	KUNIT_EXPECT_EQ(test, piece->last, last);
	KUNIT_EXPECT_EQ(test, piece->advice.value[attr], value);
	KUNIT_EXPECT_PTR_EQ(test, advice_find(&f->map, last), piece);
}

/* The pieces cover all addresses, without a gap, and no neighbours are the same. */
static void check_pieces(struct kunit *test)
{
	struct fixture *f = test->priv;
	const struct advice_piece *piece = advice_find(&f->map, 0), *next;
	unsigned int count = 1;

	KUNIT_ASSERT_EQ(test, piece->start, 0);
	for (; piece->last < U64_MAX; piece = next) {
		next = advice_find(&f->map, piece->last + 1);
		KUNIT_ASSERT_EQ(test, next->start, piece->last + 1);
		KUNIT_ASSERT_GE(test, next->last, next->start);
		KUNIT_ASSERT_NE(test, memcmp(&next->advice, &piece->advice, sizeof(next->advice)),
				0);
		count++;
	}
	KUNIT_ASSERT_EQ(test, f->map.count, count);
}

#endif
