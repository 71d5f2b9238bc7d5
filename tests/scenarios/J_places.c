// SPDX-License-Identifier: MIT
/*
 * What lies in another device's VRAM is used there, or comes from there, as was advised: row J5;
 * and atomic operations on it: row D6.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "pair.h"
#include "process.h"
#include "queue.h"

#define PAGES	8

static struct queue q[2];

static void queues(void)
{
	for (unsigned int i = 0; i < 2; i++)
		q[i] = queue_new(pair[i]);
}

static void set_up(void)
{
	pair_load(16);
	queues();
}

static void set_up_mixed(void)
{
	pair_load_mixed(16);
	queues();
}

static void advise(unsigned int dev, void *p, size_t pages, unsigned int attr, uint64_t value)
{
	CHECK_EQ(mockgpu_advise(pair[dev], p, pages * PAGE, attr, value), 0);
}

/* Pages with contents on a device. */
static void *pages_on(unsigned int dev, size_t pages, uint16_t tag)
{
	void *p = map_filled(pages, tag);

	TO_VRAM(pair[dev], p, pages);
	return p;
}

/* A device reads the first word of a page, and so many pages come from the other one for it. */
static void touches(unsigned int dev, const void *page, uint64_t want, uint64_t moves)
{
	struct drm_mockgpu_counters before = gpu_counters(pair[dev]), now;

	RUN(q[dev], cmd_load(page, 8), .value = want, .done = 8, .migrations = moves);
	now = gpu_counters(pair[dev]);
	CHECK_EQ(now.pages_touched - before.pages_touched, moves);
	CHECK_EQ(now.pages_from_peer - before.pages_from_peer, moves);
	CHECK_EQ(now.pages_to_vram - before.pages_to_vram, moves);
}

/* Without advice, and with advice to be elsewhere, each device uses them where they are. */
static void J5_used_in_place(void)
{
	static const unsigned int places[] = {
		MOCKGPU_PLACE_ANY, MOCKGPU_PLACE_SYSTEM, MOCKGPU_PLACE_DEVICE(1),
		MOCKGPU_PLACE_DEVICE(7),
	};
	struct drm_mockgpu_counters c[2];

	set_up();
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		uint16_t tag = new_tag(), own = new_tag();
		void *p = pages_on(1, PAGES, tag);

		advise(0, p, PAGES, MOCKGPU_ADVICE_PLACE, places[i]);
		for (unsigned int d = 0; d < 2; d++)
			c[d] = gpu_counters(pair[d]);
		for (unsigned int n = 0; n < PAGES; n++)
			touches(0, AT(p, n), fill_word(tag, n, 0), 0);
		GPU_CHECK_FILL(pair[0], p, PAGES, tag, 0);
		gpu_fill(pair[0], p, PAGES, own, 0);
		GPU_CHECK_FILL(pair[1], p, PAGES, own, 0);
		CHECK_ON(p, PAGES, 1);
		for (unsigned int d = 0; d < 2; d++) {
			CHECK_EQ(gpu_counters(pair[d]).pages_to_vram, c[d].pages_to_vram);
			CHECK_EQ(gpu_counters(pair[d]).pages_to_peer, c[d].pages_to_peer);
		}
		CHECK_FILL(p, PAGES, own, 0);
		unmap(p, PAGES);
	}
}

static void first_touch(void)
{
	uint16_t tag = new_tag();

	for (unsigned int to = 0; to < 2; to++) {
		void *p = pages_on(!to, PAGES, tag);

		advise(to, p, PAGES, MOCKGPU_ADVICE_PLACE, MOCKGPU_PLACE_DEVICE(to));
		touches(to, AT(p, 2), fill_word(tag, 2, 0), 1);
		CHECK_ON(p, 2, !to);
		CHECK_ON(AT(p, 2), 1, to);
		CHECK_ON(AT(p, 3), PAGES - 3, !to);
		touches(to, AT(p, 2), fill_word(tag, 2, 0), 0);
		/* The other one, which was advised nothing, uses it there. */
		touches(!to, AT(p, 2), fill_word(tag, 2, 0), 0);
		RUN(q[to], cmd_compare(p, p, PAGES * PAGE), .value = PAGES * PAGE,
		    .done = PAGES * PAGE, .migrations = PAGES - 1);
		CHECK_ON(p, PAGES, to);
		CHECK_FILL(p, PAGES, tag, 0);
		unmap(p, PAGES);
	}
}

static void J5_the_first_touch_moves(void)
{
	set_up();
	first_touch();
}

static void J5_the_first_touch_moves_to_another_type(void)
{
	set_up_mixed();
	first_touch();
}

static void J5_the_nth_touch_moves(void)
{
	uint16_t tag = new_tag();
	void *p;

	set_up();
	p = pages_on(1, PAGES, tag);
	advise(0, p, PAGES, MOCKGPU_ADVICE_PLACE, MOCKGPU_PLACE_DEVICE(0));
	advise(0, p, PAGES, MOCKGPU_ADVICE_TOUCH, 3);
	for (unsigned int i = 0; i < 2; i++) {
		touches(0, p, fill_word(tag, 0, 0), 0);
		CHECK_ON(p, PAGES, 1);
	}
	touches(0, p, fill_word(tag, 0, 0), 1);
	CHECK_ON(p, 1, 0);
	CHECK_ON(AT(p, 1), PAGES - 1, 1);
	/* And none: it stays, however often. */
	advise(0, p, PAGES, MOCKGPU_ADVICE_TOUCH, 0);
	for (unsigned int i = 0; i < 10; i++)
		touches(0, AT(p, 1), fill_word(tag, 1, 0), 0);
	CHECK_ON(AT(p, 1), PAGES - 1, 1);
	CHECK_FILL(p, PAGES, tag, 0);
}

/* The piece that a touch moves comes from wherever its pages are. */
static void J5_a_touch_moves_a_piece(void)
{
	uint16_t tag = new_tag();
	struct drm_mockgpu_counters before;
	char *p;

	set_up();
	p = map_arena(2 * PAGES);
	p = (char *)(((uintptr_t)p + PAGES * PAGE - 1) & ~(PAGES * PAGE - 1));
	map_fixed(p, PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	fill(p, PAGES, tag, 0);
	TO_VRAM(pair[1], AT(p, 2), 3);
	advise(0, p, PAGES, MOCKGPU_ADVICE_PLACE, MOCKGPU_PLACE_DEVICE(0));
	advise(0, p, PAGES, MOCKGPU_ADVICE_GRANULARITY, 3);
	before = gpu_counters(pair[0]);
	RUN(q[0], cmd_load(AT(p, 4), 8), .value = fill_word(tag, 4, 0), .done = 8,
	    .migrations = PAGES);
	CHECK_ON(p, PAGES, 0);
	CHECK_EQ(gpu_counters(pair[0]).pages_from_peer - before.pages_from_peer, 3);
	CHECK_FILL(p, PAGES, tag, 0);
}

/* What must be in the device's VRAM comes from another's as well, also for an atomic operation. */
static void J5_must_be_here(void)
{
	uint16_t tag = new_tag();
	void *p;

	set_up();
	p = pages_on(1, PAGES, tag);
	advise(0, p, 4, MOCKGPU_ADVICE_MUST_VRAM, 1);
	advise(0, AT(p, 4), 4, MOCKGPU_ADVICE_ATOMIC, MOCKGPU_ATOMICS_MIGRATE);
	touches(0, p, fill_word(tag, 0, 0), 1);
	touches(0, AT(p, 4), fill_word(tag, 4, 0), 0);
	RUN(q[0], cmd_add(AT(p, 4), 8, 3), .value = fill_word(tag, 4, 0) + 2, .done = 3,
	    .migrations = 1);
	RUN(q[0], cmd_atomic(MOCKGPU_ATOMIC_SUB, AT(p, 4), 8, 3, 1),
	    .value = fill_word(tag, 4, 0) + 3, .done = 1);
	CHECK_ON(p, 1, 0);
	CHECK_ON(AT(p, 1), 3, 1);
	CHECK_ON(AT(p, 4), 1, 0);
	CHECK_ON(AT(p, 5), 3, 1);
	CHECK_FILL(p, PAGES, tag, 0);
}

#define FETCH(dev, p, pages, place, target, ...) \
	fetch((dev), (p), (pages), (place), (target), \
	      &(const struct mockgpu_prefetched){ __VA_ARGS__ })
static void fetch(unsigned int dev, void *p, size_t pages, unsigned int place,
		  struct mockgpu_device *target, const struct mockgpu_prefetched *want)
{
	struct mockgpu_prefetched got;

	CHECK_EQ(mockgpu_prefetch(pair[dev], p, pages * PAGE, place, 0, target, &got), 0);
	CHECK_EQ(got.moved, want->moved);
	CHECK_EQ(got.stayed, want->stayed);
	CHECK_EQ(got.mapped, want->mapped);
}

static void J5_prefetched_from_another_device(void)
{
	uint16_t tag = new_tag();
	void *p;

	set_up();
	p = pages_on(1, PAGES, tag);
	/* Here; and back, by the other's file. */
	FETCH(0, p, PAGES, MOCKGPU_PLACE_DEVICE(0), NULL, .moved = PAGES, .mapped = PAGES);
	CHECK_ON(p, PAGES, 0);
	FETCH(0, p, PAGES, MOCKGPU_PLACE_DEVICE(1), pair[1], .moved = PAGES, .mapped = PAGES);
	CHECK_ON(p, PAGES, 1);
	/* As advised: some of it is to be here; where nothing was said it is mapped there. */
	advise(0, AT(p, 2), 3, MOCKGPU_ADVICE_PLACE, MOCKGPU_PLACE_DEVICE(0));
	FETCH(0, p, PAGES, MOCKGPU_PLACE_ANY, NULL, .moved = 3, .mapped = PAGES);
	CHECK_ON(p, 2, 1);
	CHECK_ON(AT(p, 2), 3, 0);
	CHECK_ON(AT(p, 5), PAGES - 5, 1);
	GPU_CHECK_FILL(pair[0], p, PAGES, tag, 0);
	CHECK_FILL(p, PAGES, tag, 0);
}

/* A command that adds: how often it did, or that it gave up as the page was never its own. */
static uint64_t added(const struct drm_mockgpu_result *result)
{
	CHECK(!result->error || result->error == -EBUSY);
	return result->done;
}

enum { TURNS = 20, EACH = 50 };

/* Both add all the time; each addition that is said to be made is there, once. */
static uint64_t add_on_both(uint64_t *word)
{
	static struct drm_mockgpu_result results[2][TURNS];
	static struct drm_mockgpu_cmd cmd;
	uint64_t seqno[2][TURNS], sum = 0, start = now_ns();

	cmd = cmd_add(word, 8, EACH);
	for (unsigned int n = 0; n < TURNS; n++)
		for (unsigned int i = 0; i < 2; i++)
			seqno[i][n] = submit(q[i], &cmd, 1, &results[i][n]);
	for (unsigned int n = 0; n < TURNS; n++) {
		for (unsigned int i = 0; i < 2; i++) {
			CHECK_EQ(mockgpu_wait(pair[i], q[i].id, seqno[i][n],
					      30 * (int64_t)NS_PER_S, NULL), 0);
			sum += added(&results[i][n]);
		}
	}
	note("of %u additions %llu were made, in %llu ms", 2 * TURNS * EACH,
	     (unsigned long long)sum, (unsigned long long)(now_ns() - start) / 1000000);
	CHECK_GE(sum, 1);
	return sum;
}

/* Each must have the page in its own VRAM: they take it from one another, and both finish. */
static void both_must_have_it(void)
{
	uint64_t *word = map_filled(1, new_tag()), sum, moves = 0;
	struct drm_mockgpu_counters before[2];

	*word = 0;
	for (unsigned int i = 0; i < 2; i++) {
		advise(i, word, 1, MOCKGPU_ADVICE_MUST_VRAM, 1);
		before[i] = gpu_counters(pair[i]);
	}
	sum = add_on_both(word);
	for (unsigned int i = 0; i < 2; i++)
		moves += gpu_counters(pair[i]).pages_to_peer - before[i].pages_to_peer;
	CHECK_EQ(*word, sum);
	note("it moved %llu times", (unsigned long long)moves);
	CHECK_GE(moves, 1);
}

static void J5_both_must_have_it(void)
{
	set_up();
	both_must_have_it();
}

static void J5_two_types_must_have_it(void)
{
	set_up_mixed();
	both_must_have_it();
}

/* Atomic operations of both devices, before and after each move of the page. */
static void atomics_after_moves(void)
{
	uint64_t *word = map_filled(1, new_tag()), want = 0;

	*word = 0;
	for (unsigned int i = 0; i < 20; i++) {
		TO_VRAM(pair[i % 2], word, 1);
		for (unsigned int d = 0; d < 2; d++) {
			RUN(q[d], cmd_add(word, 8, 3), .value = want + 2, .done = 3);
			want += 3;
		}
		/* Who takes it exclusively leaves it where it is. */
		RUN(q[i % 2], cmd_load(word, 8), .value = want, .done = 8);
		CHECK_ON(word, 1, i % 2);
	}
	CHECK_EQ(*word, want);
}

static void D6_atomics_after_moves(void)
{
	set_up();
	atomics_after_moves();
}

static void D6_atomics_after_moves_to_another_type(void)
{
	set_up_mixed();
	atomics_after_moves();
}

static struct {
	uint64_t *word;
	atomic_bool stop;
	uint64_t moved;
} shuttle;

static void *move_to_and_fro(void *unused)
{
	struct mockgpu_migrated result;

	for (unsigned int i = 0; !atomic_load(&shuttle.stop); i++) {
		CHECK_EQ(mockgpu_migrate(pair[i % 2], shuttle.word, PAGE, MOCKGPU_TARGET_VRAM, 0,
					 &result, NULL), 0);
		shuttle.moved += result.count[MOCKGPU_PAGE_MOVED];
	}
	return NULL;
}

/* ... and while it moves between them. */
static void atomics_while_it_moves(void)
{
	pthread_t thread;
	uint64_t sum = 0;

	shuttle.word = map_filled(1, new_tag());
	*shuttle.word = 0;
	TO_VRAM(pair[1], shuttle.word, 1);
	thread = thread_start(move_to_and_fro, NULL);
	for (unsigned int i = 0; i < 3; i++) {
		sum += add_on_both(shuttle.word);
		CHECK_EQ(*shuttle.word, sum);
	}
	atomic_store(&shuttle.stop, true);
	thread_join(thread);
	note("it moved %llu times", (unsigned long long)shuttle.moved);
	CHECK_GE(shuttle.moved, 1);
}

static void D6_atomics_while_it_moves(void)
{
	set_up();
	atomics_while_it_moves();
}

static void D6_atomics_while_it_moves_to_another_type(void)
{
	set_up_mixed();
	atomics_while_it_moves();
}

#define RELOADING(name) { #name, name, 120, RELOADS }

const struct scenario scenarios[] = {
	RELOADING(J5_used_in_place),
	RELOADING(J5_the_first_touch_moves),
	RELOADING(J5_the_first_touch_moves_to_another_type),
	RELOADING(J5_the_nth_touch_moves),
	RELOADING(J5_a_touch_moves_a_piece),
	RELOADING(J5_must_be_here),
	RELOADING(J5_prefetched_from_another_device),
	RELOADING(J5_both_must_have_it),
	RELOADING(J5_two_types_must_have_it),
	RELOADING(D6_atomics_after_moves),
	RELOADING(D6_atomics_after_moves_to_another_type),
	RELOADING(D6_atomics_while_it_moves),
	RELOADING(D6_atomics_while_it_moves_to_another_type),
	{ 0 }
};
