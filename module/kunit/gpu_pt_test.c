// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Unit tests of the device's page table: entries for single pages, tables, and the
 * stash that they come from.  Entries for 2 MiB are in gpu_pt_huge_test.c.
 */
#include <linux/bitfield.h>

#include "../gpu_pt.c"
#include "gpu_pt_test.h"

/* The first address that each level, from the lowest on, tells from 0. */
static u64 step(unsigned int level)
{
	return 1ULL << level_shift(level);
}

static void an_empty_table_has_no_entries(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int bit;

	KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, 0), 0);
	for (bit = 0; bit < 64; bit++)
		KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, BIT_ULL(bit)), 0);
	KUNIT_EXPECT_EQ(test, gpu_pt_clear(&f->pt, 0, U64_MAX), 0);
}

static void what_was_set_is_found(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 pte = entry(0x12345, GPU_PTE_WRITE | GPU_PTE_VRAM | GPU_PTE_ATOMIC | GPU_PTE_COUNTS);

	set(test, 0x7f0000001000, pte);
	KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, 0x7f0000001000), pte);
	KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, 0x7f0000001fff), pte);
	KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, 0x7f0000000fff), 0);
	KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, 0x7f0000002000), 0);
	KUNIT_EXPECT_EQ(test, gpu_pte_pfn(gpu_pt_get(&f->pt, 0x7f0000001000)), 0x12345);
}

static void the_largest_frame_number_fits(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 pfn = GPU_PTE_PFN >> GPU_PTE_SHIFT;

	set(test, 0, entry(pfn, 0));
	KUNIT_EXPECT_EQ(test, gpu_pte_pfn(gpu_pt_get(&f->pt, 0)), pfn);
	KUNIT_EXPECT_EQ(test, gpu_pte_pfn(GPU_PTE_COUNTS | 0xfff), 0);
}

static void a_new_entry_takes_the_place_of_the_old(struct kunit *test)
{
	struct fixture *f = test->priv;

	set(test, PAGE_BYTES, entry(1, 0));
	KUNIT_EXPECT_EQ(test, gpu_pt_missing(&f->pt, PAGE_BYTES), 0);
	set(test, PAGE_BYTES, entry(2, GPU_PTE_WRITE));
	KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, PAGE_BYTES), entry(2, GPU_PTE_WRITE));
	KUNIT_EXPECT_EQ(test, gpu_pt_clear(&f->pt, 0, TOP), 1);
}

/* One address for each bit of an address: all are told apart. */
static void each_bit_of_an_address_counts(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int bit;

	set(test, 0, entry(1000, 0));
	for (bit = GPU_PTE_SHIFT; bit < ADDR_BITS; bit++)
		set(test, BIT_ULL(bit), entry(bit, 0));
	KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, 0), entry(1000, 0));
	for (bit = GPU_PTE_SHIFT; bit < ADDR_BITS; bit++)
		KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, BIT_ULL(bit)), entry(bit, 0));
	KUNIT_EXPECT_EQ(test, gpu_pt_clear(&f->pt, 0, U64_MAX), 1 + ADDR_BITS - GPU_PTE_SHIFT);
}

static void the_last_address_can_be_mapped(struct kunit *test)
{
	struct fixture *f = test->priv;

	set(test, TOP - PAGE_BYTES, entry(7, 0));
	KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, TOP - 1), entry(7, 0));
	KUNIT_EXPECT_EQ(test, gpu_pt_clear(&f->pt, TOP - 1, TOP), 1);
}

static void addresses_beyond_57_bits_are_refused(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int bit;

	set(test, 0, entry(1, 0));
	KUNIT_ASSERT_EQ(test, gpu_pt_stash_fill(&f->stash, GPU_PT_LEVELS), 0);
	for (bit = ADDR_BITS; bit < 64; bit++) {
		KUNIT_EXPECT_EQ(test, gpu_pt_set(&f->pt, &f->stash, BIT_ULL(bit), entry(2, 0)),
				-EFAULT);
		KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, BIT_ULL(bit)), 0);
	}
	KUNIT_EXPECT_EQ(test, f->stash.count, GPU_PT_LEVELS);
	KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, 0), entry(1, 0));
}

static void says_how_many_tables_are_missing(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int level;

	KUNIT_EXPECT_EQ(test, gpu_pt_missing(&f->pt, 0), GPU_PT_LEVELS);
	set(test, 0, entry(1, 0));
	KUNIT_EXPECT_EQ(test, gpu_pt_missing(&f->pt, 0), 0);
	for (level = 0; level < GPU_PT_LEVELS; level++) {
		KUNIT_EXPECT_EQ(test, gpu_pt_missing(&f->pt, step(level)), level);
		KUNIT_EXPECT_EQ(test, gpu_pt_missing(&f->pt, step(level) * 511), level);
	}
}

/* As many as are missing are taken, at each depth. */
static void takes_what_is_missing_out_of_the_stash(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int level;

	set(test, 0, entry(1, 0));
	KUNIT_EXPECT_EQ(test, f->stash.count, 0);
	for (level = 0; level < GPU_PT_LEVELS; level++) {
		KUNIT_ASSERT_EQ(test, gpu_pt_stash_fill(&f->stash, GPU_PT_LEVELS), 0);
		KUNIT_EXPECT_EQ(test, gpu_pt_set(&f->pt, &f->stash, step(level), entry(2, 0)), 0);
		KUNIT_EXPECT_EQ(test, f->stash.count, GPU_PT_LEVELS - level);
	}
}

static void too_few_tables_set_nothing(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int had;

	for (had = 0; had < GPU_PT_LEVELS; had++) {
		KUNIT_ASSERT_EQ(test, gpu_pt_stash_fill(&f->stash, had), 0);
		KUNIT_EXPECT_EQ(test, gpu_pt_set(&f->pt, &f->stash, LEAF, entry(1, 0)), -EBUSY);
		KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, LEAF), 0);
		KUNIT_EXPECT_EQ(test, f->stash.count, 0);
		/* What was put in stays of use. */
		KUNIT_EXPECT_EQ(test, gpu_pt_missing(&f->pt, LEAF), GPU_PT_LEVELS - had);
		gpu_pt_fini(&f->pt);
	}
	set(test, LEAF, entry(1, 0));
	KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, LEAF), entry(1, 0));
}

/* One table at a time, as a caller does that comes again and again. */
static void tables_may_come_one_by_one(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int turn;

	for (turn = 1; turn < GPU_PT_LEVELS; turn++) {
		KUNIT_ASSERT_EQ(test, gpu_pt_stash_fill(&f->stash, 1), 0);
		KUNIT_EXPECT_EQ(test, gpu_pt_set(&f->pt, &f->stash, 0, entry(1, 0)), -EBUSY);
	}
	KUNIT_ASSERT_EQ(test, gpu_pt_stash_fill(&f->stash, 1), 0);
	KUNIT_EXPECT_EQ(test, gpu_pt_set(&f->pt, &f->stash, 0, entry(1, 0)), 0);
}

static void filling_a_stash_tops_it_up(struct kunit *test)
{
	struct fixture *f = test->priv;
	union gpu_pt_slot *first;

	KUNIT_ASSERT_EQ(test, gpu_pt_stash_fill(&f->stash, 2), 0);
	first = f->stash.table[0];
	KUNIT_ASSERT_EQ(test, gpu_pt_stash_fill(&f->stash, 1), 0);
	KUNIT_EXPECT_EQ(test, f->stash.count, 2);
	KUNIT_ASSERT_EQ(test, gpu_pt_stash_fill(&f->stash, GPU_PT_LEVELS), 0);
	KUNIT_EXPECT_EQ(test, f->stash.count, GPU_PT_LEVELS);
	KUNIT_EXPECT_PTR_EQ(test, f->stash.table[0], first);
	gpu_pt_stash_drop(&f->stash);
	KUNIT_EXPECT_EQ(test, f->stash.count, 0);
}

static void clears_what_is_in_the_range_alone(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int i;

	for (i = 0; i < 10; i++)
		set(test, i * PAGE_BYTES, entry(i, 0));
	KUNIT_EXPECT_EQ(test, gpu_pt_clear(&f->pt, 3 * PAGE_BYTES, 7 * PAGE_BYTES), 4);
	for (i = 0; i < 10; i++)
		KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, i * PAGE_BYTES),
				i < 3 || i >= 7 ? entry(i, 0) : 0);
	KUNIT_EXPECT_EQ(test, gpu_pt_clear(&f->pt, 3 * PAGE_BYTES, 7 * PAGE_BYTES), 0);
}

static void an_empty_range_clears_nothing(struct kunit *test)
{
	struct fixture *f = test->priv;

	set(test, PAGE_BYTES, entry(1, 0));
	KUNIT_EXPECT_EQ(test, gpu_pt_clear(&f->pt, PAGE_BYTES, PAGE_BYTES), 0);
	KUNIT_EXPECT_EQ(test, gpu_pt_clear(&f->pt, TOP, U64_MAX), 0);
	KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, PAGE_BYTES), entry(1, 0));
}

/* All ranges of a few pages that lie around the border of two tables. */
static void every_range_across_two_tables(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 first = LEAF - 4 * PAGE_BYTES;
	unsigned int from, to, i;

	for (from = 0; from < 8; from++) {
		for (to = from + 1; to <= 8; to++) {
			for (i = 0; i < 8; i++)
				set(test, first + i * PAGE_BYTES, entry(i, 0));
			KUNIT_ASSERT_EQ(test, gpu_pt_clear(&f->pt, first + from * PAGE_BYTES,
							   first + to * PAGE_BYTES), to - from);
			for (i = 0; i < 8; i++)
				KUNIT_ASSERT_EQ(test, gpu_pt_get(&f->pt, first + i * PAGE_BYTES),
						i < from || i >= to ? entry(i, 0) : 0);
		}
	}
}

static void a_table_goes_with_all_that_it_maps(struct kunit *test)
{
	struct fixture *f = test->priv;

	set(test, 0, entry(1, 0));
	set(test, LEAF, entry(2, 0));
	gpu_pt_clear(&f->pt, 0, LEAF - PAGE_BYTES);
	KUNIT_EXPECT_EQ(test, gpu_pt_missing(&f->pt, 0), 0);
	gpu_pt_clear(&f->pt, 0, LEAF);
	KUNIT_EXPECT_EQ(test, gpu_pt_missing(&f->pt, 0), 1);
	KUNIT_EXPECT_EQ(test, gpu_pt_missing(&f->pt, LEAF), 0);
	gpu_pt_clear(&f->pt, 0, step(2));
	KUNIT_EXPECT_EQ(test, gpu_pt_missing(&f->pt, LEAF), 2);
	gpu_pt_clear(&f->pt, 0, U64_MAX);
	KUNIT_EXPECT_EQ(test, gpu_pt_missing(&f->pt, LEAF), GPU_PT_LEVELS - 1);
}

static void a_touch_takes_one_off_the_count(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 other = entry(5, GPU_PTE_WRITE | GPU_PTE_READS);
	unsigned int left;

	set(test, 0, other | FIELD_PREP(GPU_PTE_LEFT, 100));
	for (left = 100; left > 1; left--) {
		KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, 0),
				other | FIELD_PREP(GPU_PTE_LEFT, left));
		KUNIT_EXPECT_TRUE(test, gpu_pt_count(&f->pt, 0));
	}
}

/* That one is for the owner to deal with; and without a count there is nothing to count. */
static void the_last_touch_is_not_counted(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 last = entry(5, GPU_PTE_WRITE | GPU_PTE_READS | GPU_PTE_LEFT_ONE);

	set(test, 0, last);
	KUNIT_EXPECT_FALSE(test, gpu_pt_count(&f->pt, 0));
	KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, 0), last);
	set(test, 0, entry(5, 0));
	KUNIT_EXPECT_FALSE(test, gpu_pt_count(&f->pt, 0));
	KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, 0), entry(5, 0));
}

static void the_entries_of_a_leaf_are_found_at_once(struct kunit *test)
{
	struct fixture *f = test->priv;
	const u64 *leaf;

	KUNIT_EXPECT_NULL(test, gpu_pt_leaf(&f->pt, 0));
	set(test, 7 * PAGE_BYTES, entry(5, 0));
	leaf = gpu_pt_leaf(&f->pt, 3 * PAGE_BYTES);
	KUNIT_ASSERT_NOT_NULL(test, leaf);
	KUNIT_EXPECT_EQ(test, leaf[7], entry(5, 0));
	KUNIT_EXPECT_EQ(test, leaf[3], 0);
	KUNIT_EXPECT_NULL(test, gpu_pt_leaf(&f->pt, GPU_PT_LEAF_BYTES));
}

static void can_be_used_again_after_its_end(struct kunit *test)
{
	struct fixture *f = test->priv;

	set(test, 0, entry(1, 0));
	gpu_pt_fini(&f->pt);
	KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, 0), 0);
	KUNIT_EXPECT_EQ(test, gpu_pt_missing(&f->pt, 0), GPU_PT_LEVELS);
	set(test, 0, entry(2, 0));
	KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, 0), entry(2, 0));
}

static struct kunit_case gpu_pt_cases[] = {
	KUNIT_CASE(an_empty_table_has_no_entries),
	KUNIT_CASE(what_was_set_is_found),
	KUNIT_CASE(the_largest_frame_number_fits),
	KUNIT_CASE(a_new_entry_takes_the_place_of_the_old),
	KUNIT_CASE(each_bit_of_an_address_counts),
	KUNIT_CASE(the_last_address_can_be_mapped),
	KUNIT_CASE(addresses_beyond_57_bits_are_refused),
	KUNIT_CASE(says_how_many_tables_are_missing),
	KUNIT_CASE(takes_what_is_missing_out_of_the_stash),
	KUNIT_CASE(too_few_tables_set_nothing),
	KUNIT_CASE(tables_may_come_one_by_one),
	KUNIT_CASE(filling_a_stash_tops_it_up),
	KUNIT_CASE(clears_what_is_in_the_range_alone),
	KUNIT_CASE(an_empty_range_clears_nothing),
	KUNIT_CASE(every_range_across_two_tables),
	KUNIT_CASE(a_table_goes_with_all_that_it_maps),
	KUNIT_CASE(a_touch_takes_one_off_the_count),
	KUNIT_CASE(the_last_touch_is_not_counted),
	KUNIT_CASE(the_entries_of_a_leaf_are_found_at_once),
	KUNIT_CASE(can_be_used_again_after_its_end),
	{}
};

static struct kunit_suite gpu_pt_suite = {
	.name = "mockgpu_gpu_pt",
	.init = gpu_pt_test_init,
	.exit = gpu_pt_test_exit,
	.test_cases = gpu_pt_cases,
};

kunit_test_suite(gpu_pt_suite);
