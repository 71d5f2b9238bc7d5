// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Unit tests of the control points' bookkeeping: which hits concern an arm, on which of
 * those it acts, whom it belongs to, and what the log is told.  Nobody is held here.
 */
#include <kunit/test.h>

#include "../control.c"

#define ADDR	0x10000UL
#define EVENTS	16U

struct fixture {
	/* They own arms. */
	char one;
	char other;
	/* Address spaces of which nothing but the address is looked at. */
	struct mm_struct *mm;
	struct mm_struct *mm2;
	bool logging;
};

/* In the place of the event log. */
DEFINE_STATIC_KEY_FALSE(event_wanted);
atomic_t event_users = ATOMIC_INIT(0);

static struct event told[EVENTS];
static unsigned int nr_told;

void event_tell(const struct event *event)
{
	if (nr_told < EVENTS)
		told[nr_told] = *event;
	nr_told++;
}

void event_watch(void)
{
	static_branch_enable(&event_wanted);
}

static struct mm_struct *new_mm(struct kunit *test)
{
	struct mm_struct *mm = kunit_kzalloc(test, sizeof(*mm), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mm);
	atomic_set(&mm->mm_count, 1);
	return mm;
}

static int point_test_init(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	test->priv = f;
	f->mm = new_mm(test);
	f->mm2 = new_mm(test);
	nr_told = 0;
	return 0;
}

static void point_test_exit(struct kunit *test)
{
	struct fixture *f = test->priv;

	if (!f)
		return;
	control_disarm(&f->one);
	control_disarm(&f->other);
	if (f->logging)
		atomic_dec(&event_users);
	KUNIT_EXPECT_EQ(test, control_nr_arms, 0);
	/* An arm that goes lets go of its address space. */
	if (f->mm)
		KUNIT_EXPECT_EQ(test, atomic_read(&f->mm->mm_count), 1);
}

/* What to arm if nothing else is said: the point GPU_FAULT, everywhere, to count. */
#define SPEC(...) ((struct control_spec) {					\
		.point = CONTROL_GPU_FAULT,					\
		.action = MOCKGPU_POINT_COUNT,					\
		.last = ULONG_MAX,						\
		.first = 1,							\
		__VA_ARGS__							\
	})

static u64 arm(struct kunit *test, const void *owner, struct control_spec spec)
{
	u64 id = 0;

	KUNIT_ASSERT_EQ(test, control_arm(&spec, owner, &id), 0);
	KUNIT_ASSERT_NE(test, id, 0);
	return id;
}

static struct control_report look(struct kunit *test, const void *owner, u64 id)
{
	struct control_report report;

	KUNIT_EXPECT_EQ(test, control_wait(owner, id, 1ULL << 60, 0, &report), -ETIME);
	return report;
}

static void expect_hits(struct kunit *test, u64 id, u64 hits, u64 acted)
{
	struct fixture *f = test->priv;
	struct control_report report = look(test, &f->one, id);

	KUNIT_EXPECT_EQ(test, report.hits, hits);
	KUNIT_EXPECT_EQ(test, report.acted, acted);
	KUNIT_EXPECT_EQ(test, report.held, 0);
}

static int hit(struct kunit *test)
{
	struct fixture *f = test->priv;

	return control_hit(CONTROL_GPU_FAULT, NULL, f->mm, ADDR);
}

static void nothing_happens_where_nothing_is_armed(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, hit(test), 0);
	KUNIT_EXPECT_FALSE(test, control_no_memory());
}

static void every_point_has_a_name_of_its_own(struct kunit *test)
{
	unsigned int i, j;

	for (i = 0; i < CONTROL_COUNT; i++) {
		const struct control_info *info = control_info(i);

		KUNIT_ASSERT_NOT_NULL(test, info->name);
		KUNIT_EXPECT_LT(test, strlen(info->name),
				sizeof(((struct drm_mockgpu_point_info *)0)->name));
		KUNIT_EXPECT_NE(test, info->flags & (WAITS | FAILS), 0);
		/* One that can fail has something to say, and no other has. */
		KUNIT_EXPECT_EQ(test, info->error < 0, !!(info->flags & FAILS));
		for (j = 0; j < i; j++)
			KUNIT_EXPECT_STRNEQ(test, info->name, control_info(j)->name);
	}
}

static void only_its_own_point_counts(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 id = arm(test, &f->one, SPEC());
	unsigned int i;

	for (i = 0; i < CONTROL_COUNT; i++)
		control_hit(i, NULL, f->mm, ADDR);
	expect_hits(test, id, 1, 1);
}

static void only_its_own_process_counts(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 id = arm(test, &f->one, SPEC(.mm = f->mm));
	u64 all = arm(test, &f->one, SPEC());

	KUNIT_EXPECT_EQ(test, atomic_read(&f->mm->mm_count), 2);
	control_hit(CONTROL_GPU_FAULT, NULL, f->mm2, ADDR);
	control_hit(CONTROL_GPU_FAULT, NULL, NULL, ADDR);
	expect_hits(test, id, 0, 0);
	control_hit(CONTROL_GPU_FAULT, NULL, f->mm, ADDR);
	expect_hits(test, id, 1, 1);
	expect_hits(test, all, 3, 3);
}

static void only_its_own_range_counts(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 id = arm(test, &f->one, SPEC(.start = ADDR, .last = ADDR + PAGE_SIZE - 1));

	control_hit(CONTROL_GPU_FAULT, NULL, f->mm, ADDR - 1);
	control_hit(CONTROL_GPU_FAULT, NULL, f->mm, ADDR + PAGE_SIZE);
	control_hit_range(CONTROL_GPU_FAULT, NULL, f->mm, 0, ADDR);
	control_hit_range(CONTROL_GPU_FAULT, NULL, f->mm, ADDR + PAGE_SIZE, ADDR + 2 * PAGE_SIZE);
	expect_hits(test, id, 0, 0);
	control_hit(CONTROL_GPU_FAULT, NULL, f->mm, ADDR);
	control_hit(CONTROL_GPU_FAULT, NULL, f->mm, ADDR + PAGE_SIZE - 1);
	expect_hits(test, id, 2, 2);
	/* Any part of it is enough. */
	control_hit_range(CONTROL_GPU_FAULT, NULL, f->mm, 0, ADDR + 1);
	control_hit_range(CONTROL_GPU_FAULT, NULL, f->mm, ADDR + PAGE_SIZE - 1, ULONG_MAX);
	control_hit_range(CONTROL_GPU_FAULT, NULL, f->mm, 0, ULONG_MAX);
	expect_hits(test, id, 5, 5);
}

/* The device is the one that has the number at that moment, and none while it is negative. */
static void only_its_own_device_counts(struct kunit *test)
{
	struct fixture *f = test->priv;
	int mine = 3, here = 3, other = 4, gone = -1;
	u64 id = arm(test, &f->one, SPEC(.device = &mine));
	u64 all = arm(test, &f->one, SPEC());

	control_hit(CONTROL_GPU_FAULT, &other, f->mm, ADDR);
	control_hit(CONTROL_GPU_FAULT, &gone, f->mm, ADDR);
	control_hit(CONTROL_GPU_FAULT, NULL, f->mm, ADDR);
	expect_hits(test, id, 0, 0);
	control_hit(CONTROL_GPU_FAULT, &here, f->mm, ADDR);
	expect_hits(test, id, 1, 1);
	mine = -1;
	control_hit(CONTROL_GPU_FAULT, &here, f->mm, ADDR);
	control_hit(CONTROL_GPU_FAULT, &gone, f->mm, ADDR);
	control_hit(CONTROL_GPU_FAULT, NULL, f->mm, ADDR);
	expect_hits(test, id, 1, 1);
	mine = 4;
	control_hit_range(CONTROL_GPU_FAULT, &other, f->mm, ADDR, ADDR + 1);
	expect_hits(test, id, 2, 2);
	expect_hits(test, all, 8, 8);
	control_disarm(&f->one);
}

static void it_acts_from_the_first_for_so_many(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 first, count, i, id;

	for (first = 1; first <= 4; first++) {
		for (count = 0; count <= 3; count++) {
			id = arm(test, &f->one, SPEC(.action = MOCKGPU_POINT_FAIL,
						     .first = first, .count = count));
			for (i = 1; i <= 8; i++) {
				bool acts = i >= first && (!count || i < first + count);

				KUNIT_EXPECT_EQ(test, hit(test), acts ? -EFAULT : 0);
			}
			expect_hits(test, id, 8, count ? : 9 - first);
			KUNIT_EXPECT_EQ(test, control_release(&f->one, id, false), 0);
		}
	}
}

static void there_can_be_very_many_hits(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 id = arm(test, &f->one, SPEC(.first = U64_MAX, .count = U64_MAX));
	u64 next = arm(test, &f->one, SPEC(.first = 2, .count = U64_MAX));

	hit(test);
	hit(test);
	expect_hits(test, id, 2, 0);
	expect_hits(test, next, 2, 1);
}

static void it_fails_with_what_was_said(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 id;

	id = arm(test, &f->one, SPEC(.action = MOCKGPU_POINT_FAIL, .error = -EIO));
	KUNIT_EXPECT_EQ(test, hit(test), -EIO);
	KUNIT_EXPECT_EQ(test, control_release(&f->one, id, false), 0);
	KUNIT_EXPECT_EQ(test, hit(test), 0);

	arm(test, &f->one, SPEC(.point = CONTROL_ALLOC, .action = MOCKGPU_POINT_FAIL, .count = 1));
	KUNIT_EXPECT_TRUE(test, control_no_memory());
	KUNIT_EXPECT_FALSE(test, control_no_memory());
}

static void the_first_failure_ends_it(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 before = arm(test, &f->one, SPEC());
	u64 id = arm(test, &f->one, SPEC(.action = MOCKGPU_POINT_FAIL, .error = -EIO));
	u64 after = arm(test, &f->one, SPEC(.action = MOCKGPU_POINT_FAIL, .error = -EPERM));

	KUNIT_EXPECT_EQ(test, hit(test), -EIO);
	expect_hits(test, before, 1, 1);
	expect_hits(test, id, 1, 1);
	expect_hits(test, after, 0, 0);
	KUNIT_EXPECT_EQ(test, control_release(&f->one, id, false), 0);
	KUNIT_EXPECT_EQ(test, hit(test), -EPERM);
}

/* Which of 256 hits an arm acts on, as a bitmap, and how many these are. */
static unsigned int draw(struct kunit *test, u32 chance, u64 seed, unsigned long *map)
{
	struct fixture *f = test->priv;
	u64 id = arm(test, &f->one, SPEC(.action = MOCKGPU_POINT_FAIL, .chance = chance,
					 .seed = seed));
	unsigned int i;

	bitmap_zero(map, 256);
	for (i = 0; i < 256; i++) {
		if (hit(test))
			__set_bit(i, map);
	}
	expect_hits(test, id, 256, bitmap_weight(map, 256));
	KUNIT_EXPECT_EQ(test, control_release(&f->one, id, false), 0);
	return bitmap_weight(map, 256);
}

static void a_seed_repeats_its_choices(struct kunit *test)
{
	DECLARE_BITMAP(a, 256);
	DECLARE_BITMAP(b, 256);
	u64 seed;

	for (seed = 0; seed < 10; seed++) {
		draw(test, 0x8000, seed, a);
		draw(test, 0x8000, seed, b);
		KUNIT_EXPECT_TRUE(test, bitmap_equal(a, b, 256));
		draw(test, 0x8000, seed + 1000, b);
		KUNIT_EXPECT_FALSE(test, bitmap_equal(a, b, 256));
	}
}

static void a_chance_is_what_it_says(struct kunit *test)
{
	unsigned int chance, sum;
	DECLARE_BITMAP(a, 256);
	u64 seed;

	/* 16 times 256 draws; six standard deviations are allowed. */
	for (chance = 0x1000; chance < 0x10000; chance += 0x3000) {
		for (sum = 0, seed = 0; seed < 16; seed++)
			sum += draw(test, chance, seed, a);
		KUNIT_EXPECT_GT(test, sum + 192, chance / 16);
		KUNIT_EXPECT_LT(test, sum, chance / 16 + 192);
	}
	KUNIT_EXPECT_EQ(test, draw(test, 0, 1, a), 256);
}

static void an_arm_is_its_owners_only(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct control_report report;
	u64 id = arm(test, &f->one, SPEC());

	KUNIT_EXPECT_EQ(test, control_release(&f->other, id, false), -ENOENT);
	KUNIT_EXPECT_EQ(test, control_release(&f->other, id, true), -ENOENT);
	KUNIT_EXPECT_EQ(test, control_wait(&f->other, id, 0, 0, &report), -ENOENT);
	KUNIT_EXPECT_EQ(test, control_release(&f->one, id + 1, false), -ENOENT);
	hit(test);
	expect_hits(test, id, 1, 1);
}

static void an_owner_that_goes_takes_its_arms_along(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct control_report report;
	u64 mine[3], theirs;
	unsigned int i;

	mine[0] = arm(test, &f->one, SPEC(.action = MOCKGPU_POINT_FAIL, .mm = f->mm));
	theirs = arm(test, &f->other, SPEC());
	mine[1] = arm(test, &f->one, SPEC(.mm = f->mm));
	mine[2] = arm(test, &f->one, SPEC());
	control_disarm(&f->one);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, control_wait(&f->one, mine[i], 0, 0, &report), -ENOENT);
	KUNIT_EXPECT_EQ(test, atomic_read(&f->mm->mm_count), 1);
	KUNIT_EXPECT_EQ(test, hit(test), 0);
	KUNIT_EXPECT_EQ(test, look(test, &f->other, theirs).hits, 1);
}

static void a_release_may_leave_it_armed(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 id = arm(test, &f->one, SPEC(.action = MOCKGPU_POINT_FAIL));

	KUNIT_EXPECT_EQ(test, control_release(&f->one, id, true), 0);
	KUNIT_EXPECT_EQ(test, hit(test), -EFAULT);
	KUNIT_EXPECT_EQ(test, control_release(&f->one, id, false), 0);
	KUNIT_EXPECT_EQ(test, hit(test), 0);
	KUNIT_EXPECT_EQ(test, control_release(&f->one, id, false), -ENOENT);
}

static void a_wait_for_hits_that_were_is_over(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct control_report report;
	/* Hits count whether or not it acts on them. */
	u64 id = arm(test, &f->one, SPEC(.first = 3));

	KUNIT_EXPECT_EQ(test, control_wait(&f->one, id, 1, 0, &report), -ETIME);
	hit(test);
	hit(test);
	KUNIT_EXPECT_EQ(test, control_wait(&f->one, id, 1, 0, &report), 0);
	KUNIT_EXPECT_EQ(test, control_wait(&f->one, id, 2, 0, &report), 0);
	KUNIT_EXPECT_EQ(test, report.hits, 2);
	KUNIT_EXPECT_EQ(test, control_wait(&f->one, id, 3, 0, &report), -ETIME);
	/* Nobody is held. */
	KUNIT_EXPECT_EQ(test, control_wait(&f->one, id, 0, 0, &report), -ETIME);
}

static void there_are_so_many_arms_and_no_more(struct kunit *test)
{
	struct control_spec spec = SPEC();
	struct fixture *f = test->priv;
	u64 id, last = 0;
	unsigned int i;

	for (i = 0; i < MOCKGPU_POINT_ARMS_MAX; i++) {
		id = arm(test, &f->one, spec);
		KUNIT_EXPECT_GT(test, id, last);
		last = id;
	}
	spec.mm = f->mm;
	KUNIT_EXPECT_EQ(test, control_arm(&spec, &f->other, &id), -ENOSPC);
	KUNIT_EXPECT_EQ(test, atomic_read(&f->mm->mm_count), 1);
	KUNIT_EXPECT_EQ(test, control_release(&f->one, last, false), 0);
	KUNIT_EXPECT_GT(test, arm(test, &f->other, spec), last);
}

static void a_log_is_told_of_what_acted(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 counts = arm(test, &f->one, SPEC());
	u64 fails;

	hit(test);
	KUNIT_EXPECT_EQ(test, nr_told, 0);
	atomic_inc(&event_users);
	event_watch();
	f->logging = true;

	fails = arm(test, &f->one, SPEC(.action = MOCKGPU_POINT_FAIL, .error = -EIO, .first = 2));
	arm(test, &f->one, SPEC());
	hit(test);
	KUNIT_ASSERT_EQ(test, nr_told, 2);
	nr_told = 0;
	/* The third is not reached, and told of no more than counted. */
	control_hit_range(CONTROL_GPU_FAULT, NULL, f->mm, ADDR, ADDR + 2 * PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, nr_told, 2);
	KUNIT_EXPECT_EQ(test, told[0].value, counts);
	KUNIT_EXPECT_EQ(test, told[0].error, 0);
	KUNIT_EXPECT_EQ(test, told[1].value, fails);
	KUNIT_EXPECT_EQ(test, told[1].error, -EIO);
	KUNIT_EXPECT_EQ(test, told[1].kind, MOCKGPU_EVENT_POINT);
	KUNIT_EXPECT_EQ(test, told[1].cause, CONTROL_GPU_FAULT);
	KUNIT_EXPECT_EQ(test, told[1].device, EVENT_NO_DEVICE);
	KUNIT_EXPECT_PTR_EQ(test, told[1].mm, f->mm);
	KUNIT_EXPECT_EQ(test, told[1].addr, ADDR);
	KUNIT_EXPECT_EQ(test, told[1].len, 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, told[1].start, 0);
	expect_hits(test, counts, 3, 3);
	expect_hits(test, fails, 2, 1);
}

static struct kunit_case point_cases[] = {
	KUNIT_CASE(nothing_happens_where_nothing_is_armed),
	KUNIT_CASE(every_point_has_a_name_of_its_own),
	KUNIT_CASE(only_its_own_point_counts),
	KUNIT_CASE(only_its_own_process_counts),
	KUNIT_CASE(only_its_own_range_counts),
	KUNIT_CASE(only_its_own_device_counts),
	KUNIT_CASE(it_acts_from_the_first_for_so_many),
	KUNIT_CASE(there_can_be_very_many_hits),
	KUNIT_CASE(it_fails_with_what_was_said),
	KUNIT_CASE(the_first_failure_ends_it),
	KUNIT_CASE(a_seed_repeats_its_choices),
	KUNIT_CASE(a_chance_is_what_it_says),
	KUNIT_CASE(an_arm_is_its_owners_only),
	KUNIT_CASE(an_owner_that_goes_takes_its_arms_along),
	KUNIT_CASE(a_release_may_leave_it_armed),
	KUNIT_CASE(a_wait_for_hits_that_were_is_over),
	KUNIT_CASE(there_are_so_many_arms_and_no_more),
	KUNIT_CASE(a_log_is_told_of_what_acted),
	{}
};

static struct kunit_suite point_suite = {
	.name = "mockgpu_point",
	.init = point_test_init,
	.exit = point_test_exit,
	.test_cases = point_cases,
};

kunit_test_suite(point_suite);
