// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Unit tests of the device's page table: entries that map 2 MiB, alone and beside
 * those for single pages, and long random histories against a flat model.
 */
#include <linux/prandom.h>

#include "gpu_pt_test.h"

#define HUGE_PAGES	((unsigned int)BIT(GPU_PT_LEVEL_BITS))
#define HUGE_PTE(pfn)	entry((pfn), GPU_PTE_HUGE | GPU_PTE_WRITE)

static void each_page_has_its_own_frame(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int i;

	set(test, LEAF, HUGE_PTE(512));
	for (i = 0; i < HUGE_PAGES; i++)
		KUNIT_ASSERT_EQ(test, gpu_pt_get(&f->pt, LEAF + i * PAGE_BYTES + 5),
				HUGE_PTE(512 + i));
	KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, LEAF - 1), 0);
	KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, 2 * LEAF), 0);
}

static void needs_one_table_less(struct kunit *test)
{
	struct fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, gpu_pt_stash_fill(&f->stash, GPU_PT_LEVELS), 0);
	KUNIT_EXPECT_EQ(test, gpu_pt_set(&f->pt, &f->stash, 0, HUGE_PTE(0)), 0);
	KUNIT_EXPECT_EQ(test, f->stash.count, 1);
	KUNIT_EXPECT_EQ(test, gpu_pt_set(&f->pt, &f->stash, LEAF, HUGE_PTE(0)), 0);
	KUNIT_EXPECT_EQ(test, f->stash.count, 1);
}

static void stands_in_the_place_of_a_table(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int i;

	for (i = 0; i < HUGE_PAGES; i += 7)
		set(test, i * PAGE_BYTES, entry(9, 0));
	KUNIT_EXPECT_EQ(test, gpu_pt_set(&f->pt, &f->stash, 0, HUGE_PTE(1024)), 0);
	for (i = 0; i < HUGE_PAGES; i++)
		KUNIT_ASSERT_EQ(test, gpu_pt_get(&f->pt, i * PAGE_BYTES), HUGE_PTE(1024 + i));
	KUNIT_EXPECT_EQ(test, gpu_pt_clear(&f->pt, 0, LEAF), HUGE_PAGES);
}

static void another_one_takes_its_place(struct kunit *test)
{
	struct fixture *f = test->priv;

	set(test, 0, HUGE_PTE(512));
	KUNIT_EXPECT_EQ(test, gpu_pt_set(&f->pt, &f->stash, 0, HUGE_PTE(1024)), 0);
	KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, PAGE_BYTES), HUGE_PTE(1025));
	KUNIT_EXPECT_EQ(test, gpu_pt_clear(&f->pt, 0, LEAF), HUGE_PAGES);
}

/* An entry is not split: the one page is there, all others are gone. */
static void a_page_takes_the_place_of_all(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int i;

	set(test, 0, HUGE_PTE(512));
	KUNIT_EXPECT_EQ(test, gpu_pt_missing(&f->pt, 3 * PAGE_BYTES), 1);
	set(test, 3 * PAGE_BYTES, entry(3, 0));
	for (i = 0; i < HUGE_PAGES; i++)
		KUNIT_ASSERT_EQ(test, gpu_pt_get(&f->pt, i * PAGE_BYTES), i == 3 ? entry(3, 0) : 0);
	KUNIT_EXPECT_EQ(test, gpu_pt_clear(&f->pt, 0, LEAF), 1);
}

static void a_page_without_a_table_changes_nothing(struct kunit *test)
{
	struct fixture *f = test->priv;

	set(test, 0, HUGE_PTE(512));
	gpu_pt_stash_drop(&f->stash);
	KUNIT_EXPECT_EQ(test, gpu_pt_set(&f->pt, &f->stash, PAGE_BYTES, entry(1, 0)), -EBUSY);
	KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, PAGE_BYTES), HUGE_PTE(513));
	KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, 0), HUGE_PTE(512));
}

/* Whichever page of it is in the range. */
static void goes_whole(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int i;

	for (i = 0; i < HUGE_PAGES; i++) {
		set(test, LEAF, HUGE_PTE(512));
		KUNIT_ASSERT_EQ(test, gpu_pt_clear(&f->pt, LEAF + i * PAGE_BYTES,
						   LEAF + (i + 1) * PAGE_BYTES), HUGE_PAGES);
		KUNIT_ASSERT_EQ(test, gpu_pt_get(&f->pt, LEAF), 0);
		KUNIT_ASSERT_EQ(test, gpu_pt_get(&f->pt, 2 * LEAF - 1), 0);
	}
}

static void stays_when_its_neighbours_go(struct kunit *test)
{
	struct fixture *f = test->priv;

	set(test, 0, HUGE_PTE(0));
	set(test, LEAF, HUGE_PTE(512));
	set(test, 2 * LEAF, entry(1, 0));
	KUNIT_EXPECT_EQ(test, gpu_pt_clear(&f->pt, 0, LEAF), HUGE_PAGES);
	KUNIT_EXPECT_EQ(test, gpu_pt_clear(&f->pt, 2 * LEAF, 3 * LEAF), 1);
	KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, LEAF), HUGE_PTE(512));
	KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, 2 * LEAF - 1), HUGE_PTE(1023));
}

static void all_pages_share_one_count(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 pte = HUGE_PTE(512);

	set(test, 0, pte | 3 * GPU_PTE_LEFT_ONE);
	gpu_pt_count(&f->pt, 0);
	gpu_pt_count(&f->pt, LEAF - PAGE_BYTES);
	KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, 0), pte | GPU_PTE_LEFT_ONE);
	KUNIT_EXPECT_FALSE(test, gpu_pt_count(&f->pt, LEAF / 2));
	KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, LEAF - 1),
			HUGE_PTE(1023) | GPU_PTE_LEFT_ONE);
}

static void the_last_2_mib_can_be_mapped(struct kunit *test)
{
	struct fixture *f = test->priv;

	set(test, TOP - LEAF, HUGE_PTE(512));
	KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, TOP - 1), HUGE_PTE(1023));
	KUNIT_EXPECT_EQ(test, gpu_pt_get(&f->pt, TOP), 0);
	KUNIT_EXPECT_EQ(test, gpu_pt_clear(&f->pt, TOP - 1, U64_MAX), HUGE_PAGES);
}

/* Blocks of 2 MiB whose tables meet on each level. */
static const u64 places[] = { 0, LEAF, 511 * LEAF, 512 * LEAF, TOP / 2 - LEAF, TOP - LEAF };
#define PLACES ARRAY_SIZE(places)

struct model {
	u64 pte[PLACES][HUGE_PAGES];
};

/* A range from somewhere in one block to somewhere in the same or in a later one. */
static void clear_some(struct kunit *test, struct model *m, struct rnd_state *rnd)
{
	struct fixture *f = test->priv;
	unsigned int from = prandom_u32_state(rnd) % PLACES, to = from, i, page;
	unsigned long gone = 0;
	u64 start, end;

	if (prandom_u32_state(rnd) % 4 == 0)
		to += prandom_u32_state(rnd) % (PLACES - from);
	start = places[from] + prandom_u32_state(rnd) % HUGE_PAGES * PAGE_BYTES;
	end = places[to] + (1 + prandom_u32_state(rnd) % HUGE_PAGES) * PAGE_BYTES;
	if (start >= end)
		return;
	for (i = from; i <= to; i++) {
		for (page = 0; page < HUGE_PAGES; page++) {
			u64 addr = places[i] + page * PAGE_BYTES, pte = m->pte[i][page];
			bool hit = addr >= start && addr < end;

			/* Every block from @from to @to has a page in the range. */
			if (pte && (hit || pte & GPU_PTE_HUGE)) {
				m->pte[i][page] = 0;
				gone++;
			}
		}
	}
	KUNIT_ASSERT_EQ(test, gpu_pt_clear(&f->pt, start, end), gone);
}

static void set_some(struct kunit *test, struct model *m, struct rnd_state *rnd)
{
	unsigned int i = prandom_u32_state(rnd) % PLACES, n;
	unsigned int page = prandom_u32_state(rnd) % HUGE_PAGES;
	u64 pfn = prandom_u32_state(rnd);

	if (prandom_u32_state(rnd) % 8 == 0) {
		pfn &= ~(u64)(HUGE_PAGES - 1);
		set(test, places[i], HUGE_PTE(pfn));
		for (n = 0; n < HUGE_PAGES; n++)
			m->pte[i][n] = HUGE_PTE(pfn + n);
		return;
	}
	if (m->pte[i][page] & GPU_PTE_HUGE)
		memset(m->pte[i], 0, sizeof(m->pte[i]));
	set(test, places[i] + page * PAGE_BYTES, entry(pfn, 0));
	m->pte[i][page] = entry(pfn, 0);
}

static void long_histories_agree_with_a_model(struct kunit *test)
{
	struct model *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	struct fixture *f = test->priv;
	unsigned int turn, i, page;
	struct rnd_state rnd;

	KUNIT_ASSERT_NOT_NULL(test, m);
	prandom_seed_state(&rnd, 4711);
	for (turn = 1; turn <= 4000; turn++) {
		if (prandom_u32_state(&rnd) % 8)
			set_some(test, m, &rnd);
		else
			clear_some(test, m, &rnd);
		for (i = 0; turn % 40 == 0 && i < PLACES; i++) {
			for (page = 0; page < HUGE_PAGES; page++)
				KUNIT_ASSERT_EQ(test, gpu_pt_get(&f->pt, places[i] +
								 page * PAGE_BYTES),
						m->pte[i][page]);
		}
	}
}

static struct kunit_case gpu_pt_huge_cases[] = {
	KUNIT_CASE(each_page_has_its_own_frame),
	KUNIT_CASE(needs_one_table_less),
	KUNIT_CASE(stands_in_the_place_of_a_table),
	KUNIT_CASE(another_one_takes_its_place),
	KUNIT_CASE(a_page_takes_the_place_of_all),
	KUNIT_CASE(a_page_without_a_table_changes_nothing),
	KUNIT_CASE(goes_whole),
	KUNIT_CASE(stays_when_its_neighbours_go),
	KUNIT_CASE(all_pages_share_one_count),
	KUNIT_CASE(the_last_2_mib_can_be_mapped),
	KUNIT_CASE_SLOW(long_histories_agree_with_a_model),
	{}
};

static struct kunit_suite gpu_pt_huge_suite = {
	.name = "mockgpu_gpu_pt_huge",
	.init = gpu_pt_test_init,
	.exit = gpu_pt_test_exit,
	.test_cases = gpu_pt_huge_cases,
};

kunit_test_suite(gpu_pt_huge_suite);
