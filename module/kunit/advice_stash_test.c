// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Unit tests of the advice about ranges: when there is no memory, when there are too
 * many pieces, and what is forgotten.
 */
#include <linux/slab.h>

#include "advice_test.h"

#define TOUCH	MOCKGPU_ADVICE_TOUCH

static void a_full_stash_is_left_as_it_is(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct advice_piece *first;

	fill_stash(test);
	KUNIT_EXPECT_EQ(test, f->stash.count, ADVICE_STASH);
	first = f->stash.piece[0];
	fill_stash(test);
	KUNIT_EXPECT_EQ(test, f->stash.count, ADVICE_STASH);
	KUNIT_EXPECT_PTR_EQ(test, f->stash.piece[0], first);
	advice_stash_drop(&f->stash);
	KUNIT_EXPECT_EQ(test, f->stash.count, 0);
}

static void set_without_a_stash_changes_nothing(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, advice_set(&f->map, &f->stash, 100, 199, TOUCH, 7), -ENOMEM);
	expect_piece(test, 0, U64_MAX, TOUCH, 1);
	check_pieces(test);
}

/* The first cut is made, and then undone. */
static void set_with_one_piece_changes_nothing(struct kunit *test)
{
	struct fixture *f = test->priv;

	fill_stash(test);
	kfree(f->stash.piece[--f->stash.count]);
	KUNIT_EXPECT_EQ(test, advice_set(&f->map, &f->stash, 100, 199, TOUCH, 7), -ENOMEM);
	expect_piece(test, 0, U64_MAX, TOUCH, 1);
	check_pieces(test);
}

static void reset_with_one_piece_changes_nothing(struct kunit *test)
{
	struct fixture *f = test->priv;

	set(test, 100, 499, TOUCH, 7);
	fill_stash(test);
	kfree(f->stash.piece[--f->stash.count]);
	KUNIT_EXPECT_EQ(test, advice_reset(&f->map, &f->stash, 200, 299), -ENOMEM);
	expect_piece(test, 100, 499, TOUCH, 7);
	check_pieces(test);
}

static void a_change_at_cuts_needs_no_stash(struct kunit *test)
{
	struct fixture *f = test->priv;

	set(test, 100, 199, TOUCH, 7);
	advice_stash_drop(&f->stash);
	KUNIT_EXPECT_EQ(test, advice_set(&f->map, &f->stash, 100, 199, TOUCH, 8), 0);
	expect_piece(test, 100, 199, TOUCH, 8);
	KUNIT_EXPECT_EQ(test, advice_set(&f->map, &f->stash, 100, U64_MAX, TOUCH, 9), 0);
	expect_piece(test, 100, U64_MAX, TOUCH, 9);
	KUNIT_EXPECT_EQ(test, advice_reset(&f->map, &f->stash, 0, U64_MAX), 0);
	check_pieces(test);
}

/* As many pieces as there may be: each but the last one address long. */
static void fill_up(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int i;

	for (i = 0; f->map.count < ADVICE_PIECES_MAX; i++)
		set(test, i, i, TOUCH, 2 + i % 2);
}

static void no_piece_beyond_the_limit(struct kunit *test)
{
	struct fixture *f = test->priv;

	fill_up(test);
	fill_stash(test);
	KUNIT_EXPECT_EQ(test, f->map.count, ADVICE_PIECES_MAX);
	KUNIT_EXPECT_EQ(test, advice_set(&f->map, &f->stash, 1ULL << 40, 1ULL << 41, TOUCH, 7),
			-ENOSPC);
	KUNIT_EXPECT_EQ(test, advice_set(&f->map, &f->stash, 1ULL << 40, U64_MAX, TOUCH, 7),
			-ENOSPC);
	KUNIT_EXPECT_EQ(test, f->stash.count, ADVICE_STASH);
	check_pieces(test);
}

static void at_the_limit_pieces_can_change_and_go(struct kunit *test)
{
	struct fixture *f = test->priv;

	fill_up(test);
	set(test, 0, 0, TOUCH, 50);
	KUNIT_EXPECT_EQ(test, f->map.count, ADVICE_PIECES_MAX);
	fill_stash(test);
	KUNIT_EXPECT_EQ(test, advice_reset(&f->map, &f->stash, 0, 99), 0);
	KUNIT_EXPECT_EQ(test, f->map.count, ADVICE_PIECES_MAX - 99);
	set(test, 1ULL << 40, 1ULL << 41, TOUCH, 7);
	check_pieces(test);
}

static void one_cut_below_the_limit_two_do_not_fit(struct kunit *test)
{
	struct fixture *f = test->priv;

	fill_up(test);
	fill_stash(test);
	/* Joins the first two. */
	KUNIT_EXPECT_EQ(test, advice_set(&f->map, &f->stash, 0, 0, TOUCH, 3), 0);
	KUNIT_EXPECT_EQ(test, f->map.count, ADVICE_PIECES_MAX - 1);
	KUNIT_EXPECT_EQ(test, advice_set(&f->map, &f->stash, 1ULL << 40, 1ULL << 41, TOUCH, 7),
			-ENOSPC);
	KUNIT_EXPECT_EQ(test, advice_set(&f->map, &f->stash, 1ULL << 40, U64_MAX, TOUCH, 7), 0);
	KUNIT_EXPECT_EQ(test, f->map.count, ADVICE_PIECES_MAX);
	check_pieces(test);
}

static void nothing_advised_nothing_to_forget(struct kunit *test)
{
	struct fixture *f = test->priv;

	fill_stash(test);
	advice_forget(&f->map, &f->stash, 100, 199);
	expect_piece(test, 0, U64_MAX, TOUCH, 1);
	KUNIT_EXPECT_EQ(test, f->map.count, 1);
}

static void forgets_just_the_range(struct kunit *test)
{
	struct fixture *f = test->priv;

	set(test, 100, 499, TOUCH, 7);
	fill_stash(test);
	advice_forget(&f->map, &f->stash, 200, 299);
	expect_piece(test, 100, 199, TOUCH, 7);
	expect_piece(test, 200, 299, TOUCH, 1);
	expect_piece(test, 300, 499, TOUCH, 7);
	check_pieces(test);
}

/* One piece that has advice is not the same as none. */
static void forgets_what_was_advised_everywhere(struct kunit *test)
{
	struct fixture *f = test->priv;

	set(test, 0, U64_MAX, TOUCH, 7);
	fill_stash(test);
	advice_forget(&f->map, &f->stash, 200, 299);
	expect_piece(test, 0, 199, TOUCH, 7);
	expect_piece(test, 200, 299, TOUCH, 1);
	expect_piece(test, 300, U64_MAX, TOUCH, 7);
	check_pieces(test);
}

static void forgets_over_many_pieces(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int i;

	for (i = 0; i < 10; i++)
		set(test, 100 * i, 100 * i + 49, TOUCH, 2 + i);
	fill_stash(test);
	advice_forget(&f->map, &f->stash, 25, 925);
	expect_piece(test, 0, 24, TOUCH, 2);
	expect_piece(test, 25, 925, TOUCH, 1);
	expect_piece(test, 926, 949, TOUCH, 11);
	check_pieces(test);
}

/* Without memory the pieces at both ends go whole: what is stale never stays. */
static void forgets_more_without_a_stash(struct kunit *test)
{
	struct fixture *f = test->priv;

	set(test, 100, 199, TOUCH, 7);
	set(test, 300, 399, TOUCH, 8);
	set(test, 500, 599, TOUCH, 9);
	advice_stash_drop(&f->stash);
	advice_forget(&f->map, &f->stash, 150, 350);
	expect_piece(test, 0, 499, TOUCH, 1);
	expect_piece(test, 500, 599, TOUCH, 9);
	check_pieces(test);
}

static void forgets_more_with_one_piece_at_the_end_alone(struct kunit *test)
{
	struct fixture *f = test->priv;

	set(test, 100, 499, TOUCH, 7);
	fill_stash(test);
	kfree(f->stash.piece[--f->stash.count]);
	advice_forget(&f->map, &f->stash, 200, 299);
	expect_piece(test, 100, 199, TOUCH, 7);
	expect_piece(test, 200, U64_MAX, TOUCH, 1);
	check_pieces(test);
}

/*
 * At the limit as well: it is what keeps advice from outliving its mapping.  There is no room for
 * cuts, so the last piece goes whole; where none is needed just the range goes.
 */
static void forgets_at_the_limit(struct kunit *test)
{
	struct fixture *f = test->priv;

	set(test, 0, U64_MAX, TOUCH, 7);
	fill_up(test);
	fill_stash(test);
	advice_forget(&f->map, &f->stash, 1ULL << 40, 1ULL << 41);
	expect_piece(test, ADVICE_PIECES_MAX - 1, U64_MAX, TOUCH, 1);
	KUNIT_EXPECT_EQ(test, f->map.count, ADVICE_PIECES_MAX);
	advice_forget(&f->map, &f->stash, 100, 100);
	expect_piece(test, 99, 99, TOUCH, 3);
	expect_piece(test, 100, 100, TOUCH, 1);
	expect_piece(test, 101, 101, TOUCH, 3);
	check_pieces(test);
	advice_forget(&f->map, &f->stash, 0, U64_MAX);
	KUNIT_EXPECT_EQ(test, f->map.count, 1);
}

static struct kunit_case advice_stash_cases[] = {
	KUNIT_CASE(a_full_stash_is_left_as_it_is),
	KUNIT_CASE(set_without_a_stash_changes_nothing),
	KUNIT_CASE(set_with_one_piece_changes_nothing),
	KUNIT_CASE(reset_with_one_piece_changes_nothing),
	KUNIT_CASE(a_change_at_cuts_needs_no_stash),
	KUNIT_CASE_SLOW(no_piece_beyond_the_limit),
	KUNIT_CASE_SLOW(at_the_limit_pieces_can_change_and_go),
	KUNIT_CASE_SLOW(one_cut_below_the_limit_two_do_not_fit),
	KUNIT_CASE(nothing_advised_nothing_to_forget),
	KUNIT_CASE(forgets_just_the_range),
	KUNIT_CASE(forgets_what_was_advised_everywhere),
	KUNIT_CASE(forgets_over_many_pieces),
	KUNIT_CASE(forgets_more_without_a_stash),
	KUNIT_CASE(forgets_more_with_one_piece_at_the_end_alone),
	KUNIT_CASE_SLOW(forgets_at_the_limit),
	{}
};

static struct kunit_suite advice_stash_suite = {
	.name = "mockgpu_advice_stash",
	.init = advice_test_init,
	.exit = advice_test_exit,
	.test_cases = advice_stash_cases,
};

kunit_test_suite(advice_stash_suite);
