// SPDX-License-Identifier: MIT
/* mockgpu bench: to VRAM and home, and out of it as a full device does. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "bench.h"
#include "cmd.h"

/* All of it there and back, @step bytes a call, once a round. */
static int there_and_back(struct bench *b, struct bench_memory *m, size_t step,
			  struct bench_samples *to, struct bench_samples *back)
{
	uint64_t start, middle;
	unsigned int round;
	int ret = 0;
	size_t i;

	for (round = 0; !ret && round <= b->rounds; round++) {
		start = now_ns();
		for (i = 0; !ret && i < m->len; i += step)
			ret = b->side->to_vram(b, m->p + i, step);
		middle = now_ns();
		for (i = 0; !ret && i < m->len; i += step)
			ret = b->side->to_system(b, m->p + i, step);
		bench_sample(to, round, middle - start, m->len / BENCH_PAGE);
		bench_sample(back, round, now_ns() - middle, m->len / BENCH_PAGE);
	}
	return ret;
}

static int migrate(struct bench *b, enum bench_pages pages)
{
	struct bench_samples to = { 0 }, back = { 0 };
	struct bench_memory m;
	int ret = bench_map(b, &m, b->size, pages);

	if (ret)
		return ret;
	ret = there_and_back(b, &m, m.len, &to, &back);
	bench_unmap(&m);
	if (ret)
		return ret;
	bench_put(b, &to, "ns/page", "to-vram-%s", bench_pages_names[pages]);
	bench_put(b, &back, "ns/page", "to-system-%s", bench_pages_names[pages]);
	return 0;
}

static int migrate_4k(struct bench *b)
{
	return migrate(b, BENCH_4K);
}

static int migrate_64k(struct bench *b)
{
	return migrate(b, BENCH_64K);
}

static int migrate_2m(struct bench *b)
{
	return migrate(b, BENCH_2M);
}

/* The same pages by calls of several sizes; where they are short, not all of the memory. */
static int at_once(struct bench *b)
{
	static const struct {
		const char *name;
		size_t len;
	} calls[] = {
		{ "64k", 64UL << 10 }, { "2m", 2UL << 20 }, { "16m", 16UL << 20 },
		{ "256m", 256UL << 20 }, { "1g", 1UL << 30 },
	};
	int ret = 0;

	for (size_t i = 0; !ret && i < ARRAY_SIZE(calls) && calls[i].len <= b->size; i++) {
		const size_t least = b->size < 16UL << 20 ? b->size : 16UL << 20;
		struct bench_samples to = { 0 }, back = { 0 };
		struct bench_memory m;

		ret = bench_map(b, &m, calls[i].len < least ? least : calls[i].len, BENCH_4K);
		if (ret)
			break;
		ret = there_and_back(b, &m, calls[i].len, &to, &back);
		bench_unmap(&m);
		if (ret)
			break;
		bench_put(b, &to, "ns/page", "to-vram-by-%s", calls[i].name);
		bench_put(b, &back, "ns/page", "to-system-by-%s", calls[i].name);
	}
	return ret;
}

static int evict_pages(struct bench *b, enum bench_pages pages)
{
	struct bench_samples s = { 0 };
	struct bench_memory m;
	unsigned int round;
	uint64_t start;
	int ret;

	if (!b->side->evict)
		return bench_skip(b, "%s cannot be told to", b->side->name);
	ret = bench_map(b, &m, b->size, pages);
	if (ret)
		return ret;
	for (round = 0; !ret && round <= b->rounds; round++) {
		ret = b->side->to_vram(b, m.p, m.len);
		start = now_ns();
		if (!ret)
			ret = b->side->evict(b, m.p, m.len);
		bench_sample(&s, round, now_ns() - start, m.len / BENCH_PAGE);
	}
	bench_unmap(&m);
	if (!ret)
		bench_put(b, &s, "ns/page", "evict-%s", bench_pages_names[pages]);
	return ret;
}

static int evict(struct bench *b)
{
	int ret = evict_pages(b, BENCH_4K);

	return ret ? ret : evict_pages(b, BENCH_2M);
}

/* One of those who move their own part of the memory, at the same time. */
struct mover {
	struct bench *b;
	struct bench_memory m;
	uint64_t pages;
	uint64_t missed;
	int error;
};

static void *move(void *arg)
{
	struct mover *mover = arg;
	const size_t in_range = mover->m.len / BENCH_PAGE;
	struct mockgpu_migrated result;
	unsigned int target = MOCKGPU_TARGET_VRAM;
	uint64_t done;

	for (done = 0; !mover->error && done < mover->pages; done += in_range) {
		mover->error = mockgpu_migrate(mover->b->dev, mover->m.p, mover->m.len, target, 0,
					       &result, NULL);
		mover->missed += in_range - result.count[MOCKGPU_PAGE_MOVED];
		target = MOCKGPU_TARGET_VRAM + MOCKGPU_TARGET_SYSTEM - target;
	}
	mover->pages = done;
	return NULL;
}

/* Pages that could move and are reported as not moved: there must be none. */
static int missed(struct bench *b)
{
	struct mover movers[2] = { { .b = b, .pages = b->pages / 2 },
				   { .b = b, .pages = b->pages / 2 } };
	int ret, other, started = 1;
	pthread_t thread;

	if (!b->dev)
		return bench_skip(b, "%s does not say", b->side->name);
	ret = bench_map(b, &movers[0].m, b->size / 4, BENCH_4K);
	if (ret)
		return ret;
	ret = bench_map(b, &movers[1].m, b->size / 4, BENCH_4K);
	if (!ret) {
		started = pthread_create(&thread, NULL, move, &movers[1]);
		move(&movers[0]);
		if (!started)
			pthread_join(thread, NULL);
		bench_unmap(&movers[1].m);
	}
	bench_unmap(&movers[0].m);
	if (ret || started)
		return ret ? ret : -started;
	other = movers[1].error;
	bench_put_one(b, (double)(movers[0].pages + movers[1].pages), "pages", "missed-of");
	bench_put_one(b, (double)(movers[0].missed + movers[1].missed), "pages", "missed");
	return movers[0].error ? movers[0].error : other;
}

const struct bench_row bench_migrate_rows[] = {
	{ .name = "migrate-4k", .run = migrate_4k },
	{ .name = "migrate-64k", .run = migrate_64k },
	{ .name = "migrate-2m", .run = migrate_2m },
	{ .name = "at-once", .run = at_once },
	{ .name = "evict", .run = evict },
	{ .name = "missed", .run = missed, .asked = true },
	{ 0 }
};
