// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Unit tests of the allocator of VRAM pages: all small states, and long random
 * histories against a model that looks at each page.
 */
#include <kunit/test.h>
#include <linux/prandom.h>

#include "../vram_alloc.c"

#define BLOCKS	4U
#define PAGES	VRAM_BLOCK_PAGES

struct fixture {
	struct vram_alloc alloc;
	struct vram_block block[BLOCKS];
	/* What the model says: which pages are taken, and which blocks were given away. */
	bool taken[BLOCKS][PAGES];
	bool away[BLOCKS];
};

static int vram_alloc_test_init(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, f);
	vram_alloc_init(&f->alloc);
	for (i = 0; i < BLOCKS; i++) {
		INIT_LIST_HEAD(&f->block[i].node);
		f->away[i] = true;
	}
	test->priv = f;
	return 0;
}

static unsigned int model_used(const struct fixture *f, unsigned int block)
{
	unsigned int i, used = 0;

	for (i = 0; i < PAGES; i++)
		used += f->taken[block][i];
	return used;
}

static void give(struct fixture *f, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		vram_alloc_add(&f->alloc, &f->block[i], false);
		f->away[i] = false;
	}
}

static void give_whole(struct fixture *f, unsigned int b)
{
	vram_alloc_add(&f->alloc, &f->block[b], true);
	f->away[b] = false;
}

/* Takes a block as a whole; ~0: there is none. */
static unsigned int get_whole(struct kunit *test, struct fixture *f)
{
	struct vram_block *block = vram_alloc_get_whole(&f->alloc);
	unsigned int b;

	if (!block)
		return ~0U;
	b = block - f->block;
	KUNIT_ASSERT_LT(test, b, BLOCKS);
	KUNIT_ASSERT_FALSE(test, f->away[b]);
	KUNIT_ASSERT_TRUE(test, block->whole);
	KUNIT_ASSERT_EQ(test, model_used(f, b), 0);
	memset(f->taken[b], 1, sizeof(f->taken[b]));
	return b;
}

/* Everything that the allocator keeps is what the model says. */
static void check(struct kunit *test, struct fixture *f)
{
	unsigned int b, i, used, blocks = 0, listed = 0;
	struct vram_block *block;
	bool whole = true;
	u64 all = 0;

	for (b = 0; b < BLOCKS; b++) {
		if (f->away[b])
			continue;
		blocks++;
		used = model_used(f, b);
		all += used;
		KUNIT_ASSERT_EQ(test, f->block[b].used, used);
		for (i = 0; i < PAGES; i++)
			KUNIT_ASSERT_EQ(test, test_bit(i, f->block[b].map), f->taken[b][i]);
		listed += used != PAGES;
		KUNIT_ASSERT_EQ(test, list_empty(&f->block[b].node), used == PAGES);
		KUNIT_ASSERT_EQ(test, list_empty(&f->block[b].turn), !used);
	}
	KUNIT_ASSERT_EQ(test, f->alloc.used, all);
	KUNIT_ASSERT_EQ(test, f->alloc.free, (u64)blocks * PAGES - all);
	list_for_each_entry(block, &f->alloc.partial, node) {
		KUNIT_ASSERT_NE(test, block->used, 0);
		listed--;
	}
	list_for_each_entry(block, &f->alloc.empty, node) {
		KUNIT_ASSERT_EQ(test, block->used, 0);
		/* First those that may be taken as a whole. */
		KUNIT_ASSERT_LE(test, block->whole, whole);
		whole = block->whole;
		listed--;
	}
	KUNIT_ASSERT_EQ(test, listed, 0);
}

/* Whether there is an empty block that nobody would take as a whole. */
static bool other_empty(const struct fixture *f)
{
	unsigned int b;

	for (b = 0; b < BLOCKS; b++) {
		if (!f->away[b] && !f->block[b].whole && !model_used(f, b))
			return true;
	}
	return false;
}

/* Takes pages; all that was promised about them holds.  Returns how many. */
static unsigned int get(struct kunit *test, struct fixture *f, unsigned int want,
			unsigned int *b, unsigned int *first)
{
	bool partial = !list_empty(&f->alloc.partial);
	unsigned int i, count = 0;
	struct vram_block *block;
	bool *taken;

	block = vram_alloc_get(&f->alloc, want, first, &count);
	if (!block)
		return 0;
	*b = block - f->block;
	KUNIT_ASSERT_LT(test, *b, BLOCKS);
	KUNIT_ASSERT_FALSE(test, f->away[*b]);
	taken = f->taken[*b];
	KUNIT_ASSERT_EQ(test, partial, model_used(f, *b) > 0);
	/* A block that could be had whole is touched last. */
	if (!partial && block->whole)
		KUNIT_ASSERT_FALSE(test, other_empty(f));
	KUNIT_ASSERT_GE(test, count, 1);
	KUNIT_ASSERT_LE(test, count, want);
	KUNIT_ASSERT_LE(test, *first + count, PAGES);
	for (i = 0; i < *first; i++)
		KUNIT_ASSERT_TRUE(test, taken[i]);
	/* Fewer only where the run ends. */
	if (count < want && *first + count < PAGES)
		KUNIT_ASSERT_TRUE(test, taken[*first + count]);
	for (i = *first; i < *first + count; i++) {
		KUNIT_ASSERT_FALSE(test, taken[i]);
		taken[i] = true;
	}
	return count;
}

static void put(struct kunit *test, struct fixture *f, unsigned int b, unsigned int first,
		unsigned int count)
{
	memset(&f->taken[b][first], 0, count);
	KUNIT_ASSERT_EQ(test, vram_alloc_put(&f->alloc, &f->block[b], first, count),
			model_used(f, b) == 0);
}

static void expect_get(struct kunit *test, struct fixture *f, unsigned int want,
		       unsigned int b, unsigned int first, unsigned int count)
{
	unsigned int got_b = ~0U, got_first = ~0U;

	KUNIT_ASSERT_EQ(test, get(test, f, want, &got_b, &got_first), count);
	if (!count)
		return;
	KUNIT_ASSERT_EQ(test, got_b, b);
	KUNIT_ASSERT_EQ(test, got_first, first);
}

static void starts_with_nothing(struct kunit *test)
{
	struct fixture *f = test->priv;

	expect_get(test, f, 1, 0, 0, 0);
	KUNIT_EXPECT_NULL(test, vram_alloc_pop_empty(&f->alloc, false));
	check(test, f);
}

static void a_block_comes_with_its_pages_free(struct kunit *test)
{
	struct fixture *f = test->priv;

	memset(&f->block[0], 0xff, sizeof(f->block[0]));
	give(f, 1);
	check(test, f);
	KUNIT_EXPECT_EQ(test, f->alloc.free, 512);
}

static void takes_pages_in_order(struct kunit *test)
{
	struct fixture *f = test->priv;

	give(f, 1);
	expect_get(test, f, 1, 0, 0, 1);
	expect_get(test, f, 5, 0, 1, 5);
	expect_get(test, f, 100, 0, 6, 100);
	check(test, f);
}

static void takes_a_whole_block_at_once(struct kunit *test)
{
	struct fixture *f = test->priv;

	give(f, 2);
	expect_get(test, f, PAGES, 1, 0, PAGES);
	expect_get(test, f, 1, 0, 0, 1);
	check(test, f);
}

static void a_run_ends_with_its_block(struct kunit *test)
{
	struct fixture *f = test->priv;

	give(f, 2);
	expect_get(test, f, PAGES - 3, 1, 0, PAGES - 3);
	expect_get(test, f, 10, 1, PAGES - 3, 3);
	expect_get(test, f, 10, 0, 0, 10);
	check(test, f);
}

static void more_than_a_block_gives_a_block(struct kunit *test)
{
	struct fixture *f = test->priv;

	give(f, 2);
	expect_get(test, f, UINT_MAX / 2, 1, 0, PAGES);
	check(test, f);
}

static void a_run_ends_at_a_taken_page(struct kunit *test)
{
	struct fixture *f = test->priv;

	give(f, 1);
	expect_get(test, f, 20, 0, 0, 20);
	put(test, f, 0, 4, 3);
	expect_get(test, f, 10, 0, 4, 3);
	expect_get(test, f, 10, 0, 20, 10);
	check(test, f);
}

static void used_blocks_come_before_empty_ones(struct kunit *test)
{
	struct fixture *f = test->priv;

	give(f, 3);
	expect_get(test, f, PAGES, 2, 0, PAGES);
	expect_get(test, f, 1, 1, 0, 1);
	put(test, f, 2, 0, PAGES);
	expect_get(test, f, PAGES, 1, 1, PAGES - 1);
	/* Of the empty ones, the one that was used last. */
	expect_get(test, f, 1, 2, 0, 1);
	check(test, f);
}

static void blocks_to_be_had_whole_are_touched_last(struct kunit *test)
{
	struct fixture *f = test->priv;

	give_whole(f, 3);
	give(f, 2);
	give_whole(f, 2);
	check(test, f);
	expect_get(test, f, PAGES, 1, 0, PAGES);
	expect_get(test, f, PAGES, 0, 0, PAGES);
	check(test, f);
	expect_get(test, f, 1, 3, 0, 1);
	KUNIT_EXPECT_EQ(test, get_whole(test, f), 2);
	KUNIT_EXPECT_EQ(test, get_whole(test, f), ~0U);
	check(test, f);
}

static void other_blocks_are_not_had_whole(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, get_whole(test, f), ~0U);
	give(f, 2);
	KUNIT_EXPECT_EQ(test, get_whole(test, f), ~0U);
	check(test, f);
	give_whole(f, 2);
	KUNIT_EXPECT_EQ(test, get_whole(test, f), 2);
	check(test, f);
	put(test, f, 2, 0, PAGES);
	KUNIT_EXPECT_EQ(test, get_whole(test, f), 2);
	/* What was taken as a whole may come back page by page, and is whole again then. */
	put(test, f, 2, 0, 1);
	KUNIT_EXPECT_EQ(test, get_whole(test, f), ~0U);
	check(test, f);
	put(test, f, 2, 1, PAGES - 1);
	KUNIT_EXPECT_EQ(test, get_whole(test, f), 2);
	check(test, f);
}

static void a_certain_block_can_be_removed(struct kunit *test)
{
	struct fixture *f = test->priv;

	give(f, 2);
	give_whole(f, 2);
	vram_alloc_remove(&f->alloc, &f->block[0]);
	f->away[0] = true;
	KUNIT_EXPECT_TRUE(test, list_empty(&f->block[0].node));
	check(test, f);
	vram_alloc_remove(&f->alloc, &f->block[2]);
	f->away[2] = true;
	check(test, f);
	KUNIT_EXPECT_EQ(test, get_whole(test, f), ~0U);
	expect_get(test, f, 1, 1, 0, 1);
}

static void nothing_is_left_when_all_is_taken(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int b;

	give(f, BLOCKS);
	for (b = BLOCKS; b--;)
		expect_get(test, f, PAGES, b, 0, PAGES);
	expect_get(test, f, 1, 0, 0, 0);
	KUNIT_EXPECT_NULL(test, vram_alloc_pop_empty(&f->alloc, false));
	KUNIT_EXPECT_EQ(test, f->alloc.free, 0);
	check(test, f);
}

/* The block that is to go, when one more has had its turn; ~0: none is. */
static unsigned int turn(struct fixture *f)
{
	struct vram_block *block = vram_alloc_turn(&f->alloc, true);

	return block ? block - f->block : ~0U;
}

static void a_block_that_was_used_is_spared_once(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int b;

	KUNIT_EXPECT_EQ(test, turn(f), ~0U);
	give(f, 3);
	KUNIT_EXPECT_EQ(test, turn(f), ~0U);
	for (b = 3; b--;)
		expect_get(test, f, PAGES, b, 0, PAGES);
	/* To take pages is to use them. */
	for (b = 3; b--;)
		KUNIT_EXPECT_EQ(test, turn(f), ~0U);
	vram_alloc_use(&f->block[1]);
	vram_alloc_use(&f->block[1]);
	KUNIT_EXPECT_EQ(test, turn(f), 2);
	KUNIT_EXPECT_EQ(test, turn(f), ~0U);
	KUNIT_EXPECT_EQ(test, turn(f), 0);
	/* Whether it went or not; and unless there is no mercy. */
	KUNIT_EXPECT_EQ(test, turn(f), 2);
	vram_alloc_use(&f->block[1]);
	KUNIT_EXPECT_PTR_EQ(test, vram_alloc_turn(&f->alloc, false), &f->block[1]);
	KUNIT_EXPECT_EQ(test, turn(f), 0);
	check(test, f);
}

/* Though it is the oldest, and all others are used as well. */
static void a_block_that_pages_are_taken_of_goes_last(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int b;

	give(f, 2);
	give_whole(f, 2);
	expect_get(test, f, PAGES, 1, 0, PAGES);
	expect_get(test, f, PAGES, 0, 0, PAGES);
	KUNIT_EXPECT_EQ(test, get_whole(test, f), 2);
	put(test, f, 1, 7, 1);
	expect_get(test, f, 1, 1, 7, 1);
	for (b = 0; b < 3; b++)
		KUNIT_EXPECT_EQ(test, turn(f), ~0U);
	KUNIT_EXPECT_EQ(test, turn(f), 0);
	KUNIT_EXPECT_EQ(test, turn(f), 2);
	KUNIT_EXPECT_EQ(test, turn(f), 1);
	/* What is empty has no turn. */
	put(test, f, 0, 0, PAGES);
	put(test, f, 2, 0, PAGES);
	KUNIT_EXPECT_EQ(test, turn(f), 1);
	KUNIT_EXPECT_EQ(test, turn(f), 1);
	check(test, f);
}

static void says_when_a_block_becomes_empty(struct kunit *test)
{
	struct fixture *f = test->priv;

	give(f, 1);
	expect_get(test, f, 3, 0, 0, 3);
	KUNIT_EXPECT_FALSE(test, vram_alloc_put(&f->alloc, &f->block[0], 1, 1));
	KUNIT_EXPECT_FALSE(test, vram_alloc_put(&f->alloc, &f->block[0], 0, 1));
	KUNIT_EXPECT_TRUE(test, vram_alloc_put(&f->alloc, &f->block[0], 2, 1));
	memset(f->taken, 0, sizeof(f->taken));
	check(test, f);
}

static void a_full_block_is_there_again_after_a_put(struct kunit *test)
{
	struct fixture *f = test->priv;

	give(f, 1);
	expect_get(test, f, PAGES, 0, 0, PAGES);
	check(test, f);
	put(test, f, 0, 77, 1);
	check(test, f);
	expect_get(test, f, 2, 0, 77, 1);
	put(test, f, 0, 0, PAGES);
	check(test, f);
}

static void only_empty_blocks_are_popped(struct kunit *test)
{
	struct fixture *f = test->priv;

	give(f, 2);
	expect_get(test, f, 1, 1, 0, 1);
	KUNIT_EXPECT_PTR_EQ(test, vram_alloc_pop_empty(&f->alloc, false), &f->block[0]);
	f->away[0] = true;
	KUNIT_EXPECT_TRUE(test, list_empty(&f->block[0].node));
	KUNIT_EXPECT_NULL(test, vram_alloc_pop_empty(&f->alloc, false));
	check(test, f);
}

static void a_popped_block_can_come_back(struct kunit *test)
{
	struct fixture *f = test->priv;

	give(f, 1);
	KUNIT_ASSERT_PTR_EQ(test, vram_alloc_pop_empty(&f->alloc, false), &f->block[0]);
	KUNIT_EXPECT_EQ(test, f->alloc.free, 0);
	expect_get(test, f, 1, 0, 0, 0);
	vram_alloc_add(&f->alloc, &f->block[0], false);
	expect_get(test, f, 1, 0, 0, 1);
	check(test, f);
}

#define SMALL	10U

/* Each pattern of taken pages in the first few, all others taken, and each wish. */
static void every_state_of_ten_pages(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int state, want, i, b, first, count, run;

	give(f, 1);
	expect_get(test, f, PAGES, 0, 0, PAGES);
	for (state = 1; state < BIT(SMALL); state++) {
		for (want = 1; want <= SMALL + 1; want++) {
			for (i = 0; i < SMALL; i++) {
				if (state & BIT(i))
					put(test, f, 0, i, 1);
			}
			count = get(test, f, want, &b, &first);
			KUNIT_ASSERT_EQ(test, first, __ffs(state));
			run = ffz(state >> first);
			KUNIT_ASSERT_EQ(test, count, min(want, run));
			while (get(test, f, want, &b, &first))
				;
			KUNIT_ASSERT_EQ(test, f->alloc.used, PAGES);
		}
	}
	check(test, f);
}

/* Each run of a full block, of lengths around those of words, is put and had again. */
static void every_run_of_a_full_block(struct kunit *test)
{
	static const unsigned int lengths[] = { 1, 2, 63, 64, 65, 127, 128, 129, 511, 512 };
	struct fixture *f = test->priv;
	unsigned int i, first;

	give(f, 1);
	expect_get(test, f, PAGES, 0, 0, PAGES);
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		for (first = 0; first + lengths[i] <= PAGES; first++) {
			put(test, f, 0, first, lengths[i]);
			expect_get(test, f, PAGES, 0, first, lengths[i]);
		}
	}
	check(test, f);
}

/* Put back a random run of what is taken from a random page on. */
static void put_some(struct kunit *test, struct fixture *f, struct rnd_state *rnd)
{
	unsigned int b = prandom_u32_state(rnd) % BLOCKS;
	unsigned int first = prandom_u32_state(rnd) % PAGES;
	unsigned int most = 1 + prandom_u32_state(rnd) % PAGES, count = 0;

	if (f->away[b])
		return;
	while (first < PAGES && !f->taken[b][first])
		first++;
	while (count < most && first + count < PAGES && f->taken[b][first + count])
		count++;
	if (count)
		put(test, f, b, first, count);
}

static void come_or_go(struct kunit *test, struct fixture *f, unsigned int b, bool pop)
{
	struct vram_block *block;

	if (f->away[b]) {
		vram_alloc_add(&f->alloc, &f->block[b], b % 2);
		f->away[b] = false;
	} else if (!pop && !model_used(f, b)) {
		vram_alloc_remove(&f->alloc, &f->block[b]);
		f->away[b] = true;
	} else if (pop) {
		block = vram_alloc_pop_empty(&f->alloc, false);
		if (!block)
			return;
		b = block - f->block;
		KUNIT_ASSERT_EQ(test, model_used(f, b), 0);
		f->away[b] = true;
	}
}

static void long_histories_agree_with_a_model(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int turn, b, first;
	struct rnd_state rnd;

	prandom_seed_state(&rnd, 4711);
	give(f, BLOCKS / 2);
	for (turn = 0; turn < 6000; turn++) {
		unsigned int dice = prandom_u32_state(&rnd) % 64;

		if (dice == 63)
			get_whole(test, f);
		else if (dice < 30)
			get(test, f, 1 + prandom_u32_state(&rnd) % (dice < 3 ? PAGES : 40),
			    &b, &first);
		else if (dice < 61)
			put_some(test, f, &rnd);
		else
			come_or_go(test, f, prandom_u32_state(&rnd) % BLOCKS,
				   prandom_u32_state(&rnd) % 2);
		if (turn % 8 == 0)
			check(test, f);
	}
	check(test, f);
}

static struct kunit_case vram_alloc_cases[] = {
	KUNIT_CASE(starts_with_nothing),
	KUNIT_CASE(a_block_comes_with_its_pages_free),
	KUNIT_CASE(takes_pages_in_order),
	KUNIT_CASE(takes_a_whole_block_at_once),
	KUNIT_CASE(a_run_ends_with_its_block),
	KUNIT_CASE(more_than_a_block_gives_a_block),
	KUNIT_CASE(a_run_ends_at_a_taken_page),
	KUNIT_CASE(used_blocks_come_before_empty_ones),
	KUNIT_CASE(blocks_to_be_had_whole_are_touched_last),
	KUNIT_CASE(other_blocks_are_not_had_whole),
	KUNIT_CASE(a_certain_block_can_be_removed),
	KUNIT_CASE(nothing_is_left_when_all_is_taken),
	KUNIT_CASE(a_block_that_was_used_is_spared_once),
	KUNIT_CASE(a_block_that_pages_are_taken_of_goes_last),
	KUNIT_CASE(says_when_a_block_becomes_empty),
	KUNIT_CASE(a_full_block_is_there_again_after_a_put),
	KUNIT_CASE(only_empty_blocks_are_popped),
	KUNIT_CASE(a_popped_block_can_come_back),
	KUNIT_CASE_SLOW(every_state_of_ten_pages),
	KUNIT_CASE_SLOW(every_run_of_a_full_block),
	KUNIT_CASE_SLOW(long_histories_agree_with_a_model),
	{}
};

static struct kunit_suite vram_alloc_suite = {
	.name = "mockgpu_vram_alloc",
	.init = vram_alloc_test_init,
	.test_cases = vram_alloc_cases,
};

kunit_test_suite(vram_alloc_suite);

MODULE_DESCRIPTION("Unit tests of mockgpu");
MODULE_LICENSE("Dual MIT/GPL");
