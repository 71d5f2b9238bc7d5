// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Unit tests of what a user may have: up to the last of it, each user for itself, and
 * for as long as somebody holds it.
 */
#include <kunit/test.h>

#include "../quota.c"

#define ONE	GLOBAL_ROOT_UID
#define OTHER	KUIDT_INIT(65534)

static struct quota *quota_of(struct kunit *test, kuid_t uid)
{
	struct quota *spare = kzalloc(sizeof(*spare), GFP_KERNEL), *quota;

	KUNIT_ASSERT_NOT_NULL(test, spare);
	quota = quota_find(uid, &spare);
	kfree(spare);
	return quota;
}

static void quota_test_last(struct kunit *test)
{
	struct quota *quota = quota_of(test, ONE);
	unsigned int kind;

	for (kind = 0; kind < QUOTA_KINDS; kind++) {
		u64 max = quota_max[kind];

		KUNIT_ASSERT_GT(test, max, 2);
		KUNIT_EXPECT_FALSE(test, quota_take(quota, kind, max + 1));
		KUNIT_EXPECT_FALSE(test, quota_take(quota, kind, U64_MAX));
		KUNIT_EXPECT_TRUE(test, quota_take(quota, kind, max - 1));
		KUNIT_EXPECT_FALSE(test, quota_take(quota, kind, 2));
		KUNIT_EXPECT_TRUE(test, quota_take(quota, kind, 1));
		KUNIT_EXPECT_FALSE(test, quota_take(quota, kind, 1));
		quota_give(quota, kind, 1);
		KUNIT_EXPECT_TRUE(test, quota_take(quota, kind, 1));
		quota_give(quota, kind, max);
		KUNIT_EXPECT_EQ(test, quota->used[kind], 0);
	}
	quota_put(quota);
	KUNIT_EXPECT_TRUE(test, list_empty(&quota_users));
}

static void quota_test_users(struct kunit *test)
{
	struct quota *one = quota_of(test, ONE), *other = quota_of(test, OTHER);
	u64 max = quota_max[QUOTA_QUEUES];

	KUNIT_EXPECT_PTR_NE(test, one, other);
	KUNIT_EXPECT_TRUE(test, quota_take(one, QUOTA_QUEUES, max));
	KUNIT_EXPECT_TRUE(test, quota_take(other, QUOTA_QUEUES, max));
	KUNIT_EXPECT_TRUE(test, quota_take(one, QUOTA_COMMANDS, 1));
	quota_give(one, QUOTA_COMMANDS, 1);
	quota_give(one, QUOTA_QUEUES, max);
	quota_give(other, QUOTA_QUEUES, max);
	quota_put(one);
	quota_put(other);
	KUNIT_EXPECT_TRUE(test, list_empty(&quota_users));
}

/* Whoever opens meanwhile finds what there is; it goes with the last. */
static void quota_test_holders(struct kunit *test)
{
	struct quota *first = quota_of(test, OTHER), *second;

	KUNIT_EXPECT_TRUE(test, quota_take(first, QUOTA_QUEUES, 3));
	second = quota_of(test, OTHER);
	KUNIT_EXPECT_PTR_EQ(test, first, second);
	KUNIT_EXPECT_PTR_EQ(test, quota_get(first), first);
	KUNIT_EXPECT_EQ(test, first->refs, 3);
	quota_put(first);
	quota_put(first);
	KUNIT_EXPECT_EQ(test, second->used[QUOTA_QUEUES], 3);
	quota_give(second, QUOTA_QUEUES, 3);
	quota_put(second);
	KUNIT_EXPECT_TRUE(test, list_empty(&quota_users));
}

static struct kunit_case quota_test_cases[] = {
	KUNIT_CASE(quota_test_last),
	KUNIT_CASE(quota_test_users),
	KUNIT_CASE(quota_test_holders),
	{}
};

static struct kunit_suite quota_test_suite = {
	.name = "mockgpu_quota",
	.test_cases = quota_test_cases,
};

kunit_test_suite(quota_test_suite);
