// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Unit tests of the advice about ranges: which values there are, and how pieces are
 * cut and joined.  What happens without memory is in advice_stash_test.c.
 */
#include <linux/prandom.h>

#include "../advice.c"
#include "advice_test.h"

#define TOUCH		MOCKGPU_ADVICE_TOUCH
#define GRANULARITY	MOCKGPU_ADVICE_GRANULARITY

/* The contract, said a second time. */
static bool is_allowed(unsigned int attr, u64 value)
{
	switch (attr) {
	case MOCKGPU_ADVICE_PLACE:
		return value == MOCKGPU_PLACE_ANY || value == MOCKGPU_PLACE_SYSTEM ||
		       (value >= 0x100 && value <= 0x10f);
	case MOCKGPU_ADVICE_TOUCH:
		return value <= 100;
	case MOCKGPU_ADVICE_MUST_VRAM:
	case MOCKGPU_ADVICE_READ_MOSTLY:
		return value <= 1;
	case MOCKGPU_ADVICE_ATOMIC:
		return value <= 2;
	case MOCKGPU_ADVICE_GRANULARITY:
		return value <= 9;
	case MOCKGPU_ADVICE_FAULT_AROUND:
		return value <= 6;
	case MOCKGPU_ADVICE_TIME_SLICE:
		return value <= 500;
	default:
		return false;
	}
}

static void every_value_of_16_bits(struct kunit *test)
{
	unsigned int attr;
	u64 value;

	for (attr = 0; attr < ADVICE_COUNT + 3; attr++) {
		for (value = 0; value <= U16_MAX + 1; value++)
			KUNIT_ASSERT_EQ(test, advice_check(attr, value),
					is_allowed(attr, value) ? 0 : -EINVAL);
	}
}

/* A value that would be allowed if its high bits were cut off. */
static void values_do_not_wrap(struct kunit *test)
{
	unsigned int attr, bit;

	for (attr = 0; attr < ADVICE_COUNT; attr++) {
		for (bit = 16; bit < 64; bit++)
			KUNIT_EXPECT_EQ(test, advice_check(attr, BIT_ULL(bit)), -EINVAL);
	}
	KUNIT_EXPECT_EQ(test, advice_check(UINT_MAX, 0), -EINVAL);
}

static void begins_with_the_defaults_everywhere(struct kunit *test)
{
	static const u16 defaults[ADVICE_COUNT] = { [TOUCH] = 1 };
	struct fixture *f = test->priv;
	unsigned int i;

	for (i = 0; i < ADVICE_COUNT; i++) {
		expect_piece(test, 0, U64_MAX, i, defaults[i]);
		KUNIT_EXPECT_EQ(test, advice_check(i, defaults[i]), 0);
	}
	KUNIT_EXPECT_EQ(test, advice_mixed(&f->map, 0, U64_MAX), 0);
	check_pieces(test);
}

static void all_addresses_at_once(struct kunit *test)
{
	struct fixture *f = test->priv;

	set(test, 0, U64_MAX, TOUCH, 7);
	expect_piece(test, 0, U64_MAX, TOUCH, 7);
	KUNIT_EXPECT_EQ(test, f->map.count, 1);
	KUNIT_EXPECT_EQ(test, f->stash.count, ADVICE_STASH);
}

static void a_range_in_the_middle_is_cut_out(struct kunit *test)
{
	struct fixture *f = test->priv;

	set(test, 100, 199, TOUCH, 7);
	expect_piece(test, 0, 99, TOUCH, 1);
	expect_piece(test, 100, 199, TOUCH, 7);
	expect_piece(test, 200, U64_MAX, TOUCH, 1);
	KUNIT_EXPECT_EQ(test, f->stash.count, 0);
	check_pieces(test);
}

static void a_range_at_the_start_needs_one_cut(struct kunit *test)
{
	struct fixture *f = test->priv;

	set(test, 0, 99, TOUCH, 7);
	expect_piece(test, 0, 99, TOUCH, 7);
	expect_piece(test, 100, U64_MAX, TOUCH, 1);
	KUNIT_EXPECT_EQ(test, f->stash.count, 1);
	check_pieces(test);
}

static void a_range_at_the_end_needs_one_cut(struct kunit *test)
{
	struct fixture *f = test->priv;

	set(test, 100, U64_MAX, TOUCH, 7);
	expect_piece(test, 0, 99, TOUCH, 1);
	expect_piece(test, 100, U64_MAX, TOUCH, 7);
	KUNIT_EXPECT_EQ(test, f->stash.count, 1);
	check_pieces(test);
}

static void one_address_can_be_a_piece(struct kunit *test)
{
	set(test, 100, 100, TOUCH, 7);
	expect_piece(test, 100, 100, TOUCH, 7);
	set(test, 0, 0, TOUCH, 8);
	expect_piece(test, 0, 0, TOUCH, 8);
	set(test, U64_MAX, U64_MAX, TOUCH, 9);
	expect_piece(test, U64_MAX, U64_MAX, TOUCH, 9);
	check_pieces(test);
}

static void what_is_so_already_makes_no_piece(struct kunit *test)
{
	struct fixture *f = test->priv;

	set(test, 100, 199, TOUCH, 1);
	KUNIT_EXPECT_EQ(test, f->map.count, 1);
	set(test, 100, 199, TOUCH, 7);
	set(test, 120, 140, TOUCH, 7);
	KUNIT_EXPECT_EQ(test, f->map.count, 3);
	expect_piece(test, 100, 199, TOUCH, 7);
}

static void joins_what_is_before(struct kunit *test)
{
	set(test, 100, 199, TOUCH, 7);
	set(test, 200, 299, TOUCH, 7);
	expect_piece(test, 100, 299, TOUCH, 7);
	check_pieces(test);
}

static void joins_what_is_behind(struct kunit *test)
{
	set(test, 200, 299, TOUCH, 7);
	set(test, 100, 199, TOUCH, 7);
	expect_piece(test, 100, 299, TOUCH, 7);
	check_pieces(test);
}

static void joins_both_sides_of_a_gap(struct kunit *test)
{
	struct fixture *f = test->priv;

	set(test, 100, 199, TOUCH, 7);
	set(test, 300, 399, TOUCH, 7);
	KUNIT_EXPECT_EQ(test, f->map.count, 5);
	set(test, 200, 299, TOUCH, 7);
	expect_piece(test, 100, 399, TOUCH, 7);
	KUNIT_EXPECT_EQ(test, f->map.count, 3);
	check_pieces(test);
}

static void joins_the_pieces_inside(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int i;

	for (i = 0; i < 10; i++)
		set(test, 100 * i, 100 * i + 49, TOUCH, 2 + i);
	KUNIT_EXPECT_EQ(test, f->map.count, 20);
	set(test, 10, 910, TOUCH, 50);
	expect_piece(test, 0, 9, TOUCH, 2);
	expect_piece(test, 10, 910, TOUCH, 50);
	expect_piece(test, 911, 949, TOUCH, 11);
	check_pieces(test);
}

static void different_attributes_are_independent(struct kunit *test)
{
	set(test, 100, 299, TOUCH, 7);
	set(test, 200, 399, GRANULARITY, 3);
	expect_piece(test, 100, 199, GRANULARITY, 0);
	expect_piece(test, 200, 299, GRANULARITY, 3);
	expect_piece(test, 200, 299, TOUCH, 7);
	expect_piece(test, 300, 399, TOUCH, 1);
	check_pieces(test);
	set(test, 200, 299, TOUCH, 1);
	expect_piece(test, 200, 399, GRANULARITY, 3);
	check_pieces(test);
}

static void says_in_what_a_range_differs(struct kunit *test)
{
	struct fixture *f = test->priv;

	set(test, 100, 299, TOUCH, 7);
	set(test, 200, 399, GRANULARITY, 3);
	KUNIT_EXPECT_EQ(test, advice_mixed(&f->map, 100, 199), 0);
	KUNIT_EXPECT_EQ(test, advice_mixed(&f->map, 99, 100), BIT_ULL(TOUCH));
	KUNIT_EXPECT_EQ(test, advice_mixed(&f->map, 199, 200), BIT_ULL(GRANULARITY));
	KUNIT_EXPECT_EQ(test, advice_mixed(&f->map, 100, 300),
			BIT_ULL(TOUCH) | BIT_ULL(GRANULARITY));
	/* In between it differs, though both ends are the same. */
	KUNIT_EXPECT_EQ(test, advice_mixed(&f->map, 0, U64_MAX),
			BIT_ULL(TOUCH) | BIT_ULL(GRANULARITY));
}

static void reset_takes_all_attributes_back(struct kunit *test)
{
	struct fixture *f = test->priv;

	set(test, 100, 299, TOUCH, 7);
	set(test, 200, 399, GRANULARITY, 3);
	fill_stash(test);
	KUNIT_EXPECT_EQ(test, advice_reset(&f->map, &f->stash, 150, 349), 0);
	expect_piece(test, 100, 149, TOUCH, 7);
	expect_piece(test, 150, 349, TOUCH, 1);
	expect_piece(test, 350, 399, GRANULARITY, 3);
	check_pieces(test);
	fill_stash(test);
	KUNIT_EXPECT_EQ(test, advice_reset(&f->map, &f->stash, 0, U64_MAX), 0);
	KUNIT_EXPECT_EQ(test, f->map.count, 1);
}

#define CELLS	64U

/* Address where the cell @i of the model begins; the last address belongs to the last. */
static u64 cell_start(unsigned int i)
{
	return i == CELLS ? 0 : (u64)i << 58;
}

static void long_histories_agree_with_a_model(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct advice *cells = kunit_kcalloc(test, CELLS, sizeof(*cells), GFP_KERNEL);
	const struct advice_piece *piece;
	unsigned int turn, i;
	struct rnd_state rnd;

	KUNIT_ASSERT_NOT_NULL(test, cells);
	prandom_seed_state(&rnd, 4711);
	for (i = 0; i < CELLS; i++)
		cells[i] = advice_default;
	for (turn = 0; turn < 8000; turn++) {
		unsigned int from = prandom_u32_state(&rnd) % CELLS;
		unsigned int to = from + prandom_u32_state(&rnd) % (CELLS - from);
		unsigned int attr = prandom_u32_state(&rnd) % 3;
		u16 value = prandom_u32_state(&rnd) % 2;
		u64 start = cell_start(from), last = cell_start(to + 1) - 1;

		fill_stash(test);
		switch (prandom_u32_state(&rnd) % 8) {
		case 0:
			KUNIT_ASSERT_EQ(test, advice_reset(&f->map, &f->stash, start, last), 0);
			break;
		case 1:
			advice_forget(&f->map, &f->stash, start, last);
			break;
		default:
			KUNIT_ASSERT_EQ(test, advice_set(&f->map, &f->stash, start, last, attr,
							 value), 0);
			for (i = from; i <= to; i++)
				cells[i].value[attr] = value;
			continue;
		}
		for (i = from; i <= to; i++)
			cells[i] = advice_default;
		for (i = 0; i < CELLS; i++) {
			piece = advice_find(&f->map, cell_start(i));
			KUNIT_ASSERT_TRUE(test, advice_same(&cells[i], &piece->advice));
		}
		check_pieces(test);
	}
}

static struct kunit_case advice_cases[] = {
	KUNIT_CASE_SLOW(every_value_of_16_bits),
	KUNIT_CASE(values_do_not_wrap),
	KUNIT_CASE(begins_with_the_defaults_everywhere),
	KUNIT_CASE(all_addresses_at_once),
	KUNIT_CASE(a_range_in_the_middle_is_cut_out),
	KUNIT_CASE(a_range_at_the_start_needs_one_cut),
	KUNIT_CASE(a_range_at_the_end_needs_one_cut),
	KUNIT_CASE(one_address_can_be_a_piece),
	KUNIT_CASE(what_is_so_already_makes_no_piece),
	KUNIT_CASE(joins_what_is_before),
	KUNIT_CASE(joins_what_is_behind),
	KUNIT_CASE(joins_both_sides_of_a_gap),
	KUNIT_CASE(joins_the_pieces_inside),
	KUNIT_CASE(different_attributes_are_independent),
	KUNIT_CASE(says_in_what_a_range_differs),
	KUNIT_CASE(reset_takes_all_attributes_back),
	KUNIT_CASE_SLOW(long_histories_agree_with_a_model),
	{}
};

static struct kunit_suite advice_suite = {
	.name = "mockgpu_advice",
	.init = advice_test_init,
	.exit = advice_test_exit,
	.test_cases = advice_cases,
};

kunit_test_suite(advice_suite);
