// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Unit tests of the ring of events: what fits in, what is lost, and how the reader gets
 * to know.
 */
#include <kunit/test.h>
#include <linux/prandom.h>

#include "../event_ring.c"

#define SIZE	8U
#define HISTORY	20000U

struct fixture {
	struct drm_mockgpu_event slots[SIZE + 1];
	struct event_ring ring;
	/* What the model says: the number of the last event, and of each that went in. */
	u64 seqno;
	u64 kept[HISTORY];
	u32 first;
	u32 end;
	u64 seen;
};

static int event_ring_test_init(struct kunit *test)
{
	struct fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	/* What is behind the last slot is nobody's. */
	f->slots[SIZE].seqno = ~0ULL;
	event_ring_init(&f->ring, f->slots, SIZE);
	test->priv = f;
	return 0;
}

/* An event that its number makes out: its time is ten times that, its address the number. */
static bool push(struct event_ring *ring)
{
	u64 number = ring->seqno + 1;
	struct drm_mockgpu_event event = {
		.kind = MOCKGPU_EVENT_POINT,
		.addr = number,
		.time_ns = number * 10,
	};

	return event_ring_push(ring, &event) && event.seqno == number;
}

static void push_some(struct kunit *test, struct event_ring *ring, u32 kept, u32 lost)
{
	while (kept--)
		KUNIT_ASSERT_TRUE(test, push(ring));
	while (lost--)
		KUNIT_ASSERT_FALSE(test, push(ring));
}

static void expect_event(struct kunit *test, struct event_ring *ring, u64 seqno)
{
	struct drm_mockgpu_event event;

	KUNIT_ASSERT_TRUE(test, event_ring_has_news(ring));
	KUNIT_ASSERT_TRUE(test, event_ring_pop(ring, &event));
	KUNIT_EXPECT_EQ(test, event.kind, MOCKGPU_EVENT_POINT);
	KUNIT_EXPECT_EQ(test, event.seqno, seqno);
	KUNIT_EXPECT_EQ(test, event.addr, seqno);
	KUNIT_EXPECT_EQ(test, event.time_ns, seqno * 10);
}

static void expect_events(struct kunit *test, struct event_ring *ring, u64 first, u64 last)
{
	for (; first <= last; first++)
		expect_event(test, ring, first);
}

static void expect_lost(struct kunit *test, struct event_ring *ring, u64 seqno, u64 count,
			u64 time)
{
	struct drm_mockgpu_event want = {
		.kind = MOCKGPU_EVENT_LOST,
		.seqno = seqno,
		.value = count,
		.time_ns = time,
	};
	struct drm_mockgpu_event event;

	memset(&event, 0xee, sizeof(event));
	KUNIT_ASSERT_TRUE(test, event_ring_has_news(ring));
	KUNIT_ASSERT_TRUE(test, event_ring_pop(ring, &event));
	KUNIT_EXPECT_MEMEQ(test, &event, &want, sizeof(event));
}

static void expect_nothing(struct kunit *test, struct event_ring *ring)
{
	struct drm_mockgpu_event event;

	KUNIT_EXPECT_FALSE(test, event_ring_has_news(ring));
	KUNIT_EXPECT_FALSE(test, event_ring_pop(ring, &event));
}

static void an_empty_ring_gives_nothing(struct kunit *test)
{
	struct fixture *f = test->priv;

	expect_nothing(test, &f->ring);
	expect_nothing(test, &f->ring);
}

static void events_are_numbered_from_1_in_order(struct kunit *test)
{
	struct fixture *f = test->priv;

	push_some(test, &f->ring, 3, 0);
	expect_events(test, &f->ring, 1, 3);
	expect_nothing(test, &f->ring);
}

static void as_many_fit_in_as_there_are_slots(struct kunit *test)
{
	struct fixture *f = test->priv;

	push_some(test, &f->ring, SIZE, 1);
	KUNIT_EXPECT_EQ(test, f->slots[SIZE].seqno, ~0ULL);
	expect_events(test, &f->ring, 1, SIZE);
	expect_lost(test, &f->ring, SIZE + 1, 1, (SIZE + 1) * 10);
	expect_nothing(test, &f->ring);
}

static void slots_are_used_again(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 seqno = 1;
	u32 i, n;

	for (i = 0; i < 100; i++) {
		n = i % SIZE + 1;
		push_some(test, &f->ring, n, 0);
		expect_events(test, &f->ring, seqno, seqno + n - 1);
		expect_nothing(test, &f->ring);
		seqno += n;
	}
}

static void counters_may_get_large(struct kunit *test)
{
	struct fixture *f = test->priv;

	f->ring.pushed = U32_MAX - 2ULL;
	f->ring.popped = U32_MAX - 2ULL;
	f->ring.seqno = U32_MAX - 2ULL;
	f->ring.seen = U32_MAX - 2ULL;
	push_some(test, &f->ring, SIZE, 2);
	expect_events(test, &f->ring, U32_MAX - 1ULL, U32_MAX - 2ULL + SIZE);
	expect_lost(test, &f->ring, U32_MAX - 1ULL + SIZE, 2, (U32_MAX + 0ULL + SIZE) * 10);
}

static void losses_in_the_middle_are_told_there(struct kunit *test)
{
	struct fixture *f = test->priv;

	push_some(test, &f->ring, SIZE, 3);
	expect_event(test, &f->ring, 1);
	push_some(test, &f->ring, 1, 2);
	expect_events(test, &f->ring, 2, SIZE);
	/* It has the time of the event that follows. */
	expect_lost(test, &f->ring, SIZE + 1, 3, (SIZE + 4) * 10);
	expect_event(test, &f->ring, SIZE + 4);
	expect_lost(test, &f->ring, SIZE + 5, 2, (SIZE + 6) * 10);
	expect_nothing(test, &f->ring);
}

static void losses_are_told_once(struct kunit *test)
{
	struct fixture *f = test->priv;

	push_some(test, &f->ring, SIZE, 5);
	expect_events(test, &f->ring, 1, SIZE);
	expect_lost(test, &f->ring, SIZE + 1, 5, (SIZE + 5) * 10);
	expect_nothing(test, &f->ring);
	push_some(test, &f->ring, SIZE, 1);
	expect_events(test, &f->ring, SIZE + 6, 2 * SIZE + 5);
	expect_lost(test, &f->ring, 2 * SIZE + 6, 1, (2 * SIZE + 6) * 10);
	expect_nothing(test, &f->ring);
}

static void a_ring_of_one_works(struct kunit *test)
{
	struct fixture *f = test->priv;
	u64 seqno;

	event_ring_init(&f->ring, f->slots, 1);
	for (seqno = 1; seqno < 20; seqno += 3) {
		push_some(test, &f->ring, 1, 2);
		KUNIT_EXPECT_EQ(test, f->slots[1].seqno, 0);
		expect_event(test, &f->ring, seqno);
		expect_lost(test, &f->ring, seqno + 1, 2, (seqno + 2) * 10);
	}
}

/* What comes meanwhile overwrites nothing that is being read, and is not taken with it. */
static void a_copy_is_read_while_others_push(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct event_ring copy;

	push_some(test, &f->ring, SIZE - 1, 0);
	copy = f->ring;
	push_some(test, &f->ring, 1, 3);
	expect_events(test, &copy, 1, SIZE - 1);
	expect_nothing(test, &copy);
	push_some(test, &f->ring, 0, 1);
	event_ring_took(&f->ring, &copy);
	push_some(test, &f->ring, SIZE - 1, 1);
	expect_event(test, &f->ring, SIZE);
	expect_lost(test, &f->ring, SIZE + 1, 4, (SIZE + 5) * 10);
	expect_events(test, &f->ring, SIZE + 5, 2 * SIZE + 3);
	expect_lost(test, &f->ring, 2 * SIZE + 4, 1, (2 * SIZE + 4) * 10);
	expect_nothing(test, &f->ring);
}

static void a_copy_that_is_dropped_takes_nothing(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct event_ring copy;

	push_some(test, &f->ring, SIZE, 2);
	copy = f->ring;
	expect_events(test, &copy, 1, SIZE);
	expect_lost(test, &copy, SIZE + 1, 2, (SIZE + 2) * 10);
	expect_events(test, &f->ring, 1, SIZE);
	expect_lost(test, &f->ring, SIZE + 1, 2, (SIZE + 2) * 10);
}

/* A part of what the reader has seen counts, losses too. */
static void part_of_a_copy_can_be_taken(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct event_ring copy;

	push_some(test, &f->ring, SIZE, 2);
	copy = f->ring;
	expect_events(test, &copy, 1, SIZE);
	expect_lost(test, &copy, SIZE + 1, 2, (SIZE + 2) * 10);
	push_some(test, &f->ring, 0, 2);
	event_ring_took(&f->ring, &copy);
	expect_lost(test, &f->ring, SIZE + 3, 2, (SIZE + 4) * 10);
	expect_nothing(test, &f->ring);
}

static void model_push(struct kunit *test, struct fixture *f)
{
	bool fits = f->end - f->first < SIZE;

	KUNIT_ASSERT_EQ(test, push(&f->ring), fits);
	f->seqno++;
	if (fits)
		f->kept[f->end++] = f->seqno;
}

static void model_pop(struct kunit *test, struct fixture *f, struct event_ring *ring)
{
	u64 next = f->first < f->end ? f->kept[f->first] : f->seqno + 1;

	if (f->seen + 1 < next) {
		expect_lost(test, ring, f->seen + 1, next - f->seen - 1,
			    (f->first < f->end ? next : f->seqno) * 10);
		f->seen = next - 1;
	} else if (f->first < f->end) {
		expect_event(test, ring, next);
		f->seen = next;
		f->first++;
	} else {
		expect_nothing(test, ring);
	}
}

static void random_histories_are_those_of_the_model(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct rnd_state random;
	struct event_ring copy;
	u32 i, n;

	prandom_seed_state(&random, 1);
	for (i = 0; i < HISTORY / SIZE; i++) {
		for (n = prandom_u32_state(&random) % (2 * SIZE); n; n--)
			model_push(test, f);
		/* Now and then from a copy, as read() does. */
		copy = f->ring;
		for (n = prandom_u32_state(&random) % (2 * SIZE); n; n--)
			model_pop(test, f, i % 3 ? &f->ring : &copy);
		if (i % 3 == 0)
			event_ring_took(&f->ring, &copy);
	}
	KUNIT_EXPECT_EQ(test, f->slots[SIZE].seqno, ~0ULL);
}

static struct kunit_case event_ring_cases[] = {
	KUNIT_CASE(an_empty_ring_gives_nothing),
	KUNIT_CASE(events_are_numbered_from_1_in_order),
	KUNIT_CASE(as_many_fit_in_as_there_are_slots),
	KUNIT_CASE(slots_are_used_again),
	KUNIT_CASE(counters_may_get_large),
	KUNIT_CASE(losses_in_the_middle_are_told_there),
	KUNIT_CASE(losses_are_told_once),
	KUNIT_CASE(a_ring_of_one_works),
	KUNIT_CASE(a_copy_is_read_while_others_push),
	KUNIT_CASE(a_copy_that_is_dropped_takes_nothing),
	KUNIT_CASE(part_of_a_copy_can_be_taken),
	KUNIT_CASE_SLOW(random_histories_are_those_of_the_model),
	{}
};

static struct kunit_suite event_ring_suite = {
	.name = "mockgpu_event_ring",
	.init = event_ring_test_init,
	.test_cases = event_ring_cases,
};

kunit_test_suite(event_ring_suite);
