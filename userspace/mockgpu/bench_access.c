// SPDX-License-Identifier: MIT
/* mockgpu bench: the CPU at memory in VRAM, and the device at any. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "cmd.h"

/* Less than is moved elsewhere: here each page is a fault. */
static size_t touched_size(const struct bench *b)
{
	return b->size < 32UL << 20 ? b->size : 32UL << 20;
}

static void *touch_half(void *arg)
{
	struct bench_memory *half = arg;

	bench_touch(half->p, half->len);
	return NULL;
}

/* All of it is touched, by one or by two threads. */
static int touch_by(struct bench_memory *m, bool two)
{
	struct bench_memory second = { .p = m->p + m->len / 2, .len = m->len / 2 };
	pthread_t thread;
	int ret;

	if (!two) {
		bench_touch(m->p, m->len);
		return 0;
	}
	ret = pthread_create(&thread, NULL, touch_half, &second);
	if (ret)
		return -ret;
	bench_touch(m->p, m->len / 2);
	pthread_join(thread, NULL);
	return 0;
}

/* What one touch takes that finds its piece in VRAM, and all pages. */
static int cpu_fault(struct bench *b, enum bench_pages pages, unsigned int order, bool two,
		     const char *name)
{
	struct bench_samples all = { 0 }, first = { 0 }, faults = { 0 };
	uint64_t start, before = 0, after = 0;
	struct bench_memory m;
	unsigned int round;
	int ret = bench_map(b, &m, touched_size(b), pages);

	if (ret)
		return ret;
	if (order)
		ret = b->side->granularity(b, m.p, m.len, order);
	for (round = 0; !ret && round <= b->rounds; round++) {
		ret = b->side->to_vram(b, m.p, m.len);
		if (!ret && !two) {
			start = now_ns();
			bench_touch(m.p, BENCH_PAGE);
			bench_sample(&first, round, now_ns() - start, 1);
			ret = b->side->to_vram(b, m.p, m.len);
		}
		if (!ret && b->side->cpu_faults)
			ret = b->side->cpu_faults(b, &before);
		if (ret)
			break;
		start = now_ns();
		ret = touch_by(&m, two);
		bench_sample(&all, round, now_ns() - start, m.len / BENCH_PAGE);
		if (!ret && b->side->cpu_faults)
			ret = b->side->cpu_faults(b, &after);
		bench_sample(&faults, round, after - before, 1);
	}
	bench_unmap(&m);
	if (ret)
		return ret;
	if (!two)
		bench_put(b, &first, "ns", "cpu-fault-%s-first", name);
	bench_put(b, &all, "ns/page", "cpu-fault-%s%s", name, two ? "-2threads" : "");
	if (b->side->cpu_faults && !two)
		bench_put(b, &faults, "faults", "cpu-fault-%s-count", name);
	return 0;
}

static int cpu_faults(struct bench *b)
{
	static const struct {
		const char *name;
		enum bench_pages pages;
		unsigned int order;
	} kinds[] = {
		{ "4k", BENCH_4K, 0 }, { "2m-folio", BENCH_2M, 0 },
		{ "by-64k", BENCH_4K, 4 }, { "by-2m", BENCH_4K, 9 },
	};
	int ret = 0;

	for (size_t i = 0; !ret && i < ARRAY_SIZE(kinds); i++) {
		if (kinds[i].order && !b->side->granularity)
			continue;
		ret = cpu_fault(b, kinds[i].pages, kinds[i].order, false, kinds[i].name);
		if (!ret)
			ret = cpu_fault(b, kinds[i].pages, kinds[i].order, true, kinds[i].name);
	}
	return ret;
}

/* Where the memory is when the device reads it. */
enum place { IN_SYSTEM, IN_VRAM, PREFETCHED };

static const char *const places[] = { "system", "vram", "prefetched" };

/* The device reads what it has not in its page table, and then has. */
static int gpu_read(struct bench *b, enum bench_pages pages, enum place place)
{
	struct bench_samples cold = { 0 }, warm = { 0 }, fetch = { 0 };
	const size_t len = touched_size(b);
	struct bench_memory m;
	unsigned int round;
	uint64_t start;
	char *buf = malloc(len);
	int ret = buf ? 0 : -ENOMEM;

	if (buf)
		bench_touch(buf, len);
	for (round = 0; !ret && round <= b->rounds; round++) {
		ret = bench_map(b, &m, len, pages);
		if (ret)
			break;
		start = now_ns();
		if (place == PREFETCHED)
			ret = b->side->prefetch(b, m.p, len);
		else if (place == IN_VRAM)
			ret = b->side->to_vram(b, m.p, len);
		bench_sample(&fetch, round, now_ns() - start, len / BENCH_PAGE);
		start = now_ns();
		if (!ret)
			ret = b->side->read(b, m.p, len, buf);
		bench_sample(&cold, round, now_ns() - start, len / BENCH_PAGE);
		start = now_ns();
		if (!ret)
			ret = b->side->read(b, m.p, len, buf);
		bench_sample(&warm, round, now_ns() - start, len / BENCH_PAGE);
		bench_unmap(&m);
	}
	free(buf);
	if (ret)
		return ret;
	if (place == PREFETCHED)
		bench_put(b, &fetch, "ns/page", "gpu-prefetch-%s", bench_pages_names[pages]);
	bench_put(b, &cold, "ns/page", "gpu-read-%s-%s-first", places[place],
		  bench_pages_names[pages]);
	if (place != PREFETCHED)
		bench_put(b, &warm, "ns/page", "gpu-read-%s-%s-again", places[place],
			  bench_pages_names[pages]);
	return 0;
}

static int gpu_faults(struct bench *b)
{
	static const enum bench_pages kinds[] = { BENCH_4K, BENCH_2M };
	int place, ret = 0;

	for (size_t i = 0; !ret && i < ARRAY_SIZE(kinds); i++) {
		for (place = IN_SYSTEM; !ret && place <= PREFETCHED; place++) {
			if (place != PREFETCHED || b->side->prefetch)
				ret = gpu_read(b, kinds[i], (enum place)place);
		}
	}
	return ret;
}

int bench_queue(struct bench *b)
{
	int ret = b->has_queue ? 0 : mockgpu_queue_create(b->dev, &b->queue);

	b->has_queue = !ret;
	return ret;
}

#define WORDS 512UL	/* pages of which the device, or the CPU, uses a word each */

/* To the device, which has each page for itself, and back to the CPU. */
static int exclusive(struct bench *b)
{
	struct bench_samples there = { 0 }, back = { 0 }, both = { 0 };
	struct bench_memory m;
	unsigned int round;
	uint64_t start, middle, end;
	char *buf;
	int ret = bench_map(b, &m, WORDS * BENCH_PAGE, BENCH_4K);

	if (ret)
		return ret;
	buf = malloc(m.len);
	if (!buf)
		ret = -ENOMEM;
	else
		bench_touch(buf, m.len);
	for (round = 0; !ret && round <= b->rounds; round++) {
		start = now_ns();
		ret = b->side->exclusive(b, m.p, m.len, buf);
		middle = now_ns();
		bench_touch(m.p, m.len);
		end = now_ns();
		bench_sample(&there, round, middle - start, WORDS);
		bench_sample(&back, round, end - middle, WORDS);
		bench_sample(&both, round, end - start, WORDS);
	}
	free(buf);
	bench_unmap(&m);
	if (ret)
		return ret;
	bench_put(b, &there, "ns/page", "exclusive-to-device");
	bench_put(b, &back, "ns/page", "exclusive-to-cpu");
	bench_put(b, &both, "ns/page", "exclusive-ping-pong");
	return 0;
}

static int atomic_op(struct bench *b, char *p, unsigned int op, size_t stride, uint64_t count)
{
	struct drm_mockgpu_cmd cmd = {
		.op = MOCKGPU_CMD_ATOMIC, .atomic = op, .addr = (uintptr_t)p, .size = 8,
		.value = 1, .stride = stride, .count = count,
	};

	return mockgpu_run(b->dev, b->queue, &cmd, 1, NULL);
}

/* Each operation: on memory that the CPU takes back each time, and in VRAM. */
static int one_atomic(struct bench *b, struct bench_memory *m, unsigned int op, const char *name)
{
	struct bench_samples pingpong = { 0 }, vram = { 0 };
	const uint64_t count = 100 * WORDS;
	unsigned int round;
	uint64_t start;
	int ret = b->side->to_system(b, m->p, m->len);

	for (round = 0; !ret && round <= b->rounds; round++) {
		start = now_ns();
		ret = atomic_op(b, m->p, op, BENCH_PAGE, WORDS);
		bench_touch(m->p, m->len);
		bench_sample(&pingpong, round, now_ns() - start, WORDS);
	}
	if (!ret)
		ret = b->side->to_vram(b, m->p, m->len);
	for (round = 0; !ret && round <= b->rounds; round++) {
		start = now_ns();
		ret = atomic_op(b, m->p, op, 0, count);
		bench_sample(&vram, round, now_ns() - start, count);
	}
	if (ret)
		return ret;
	bench_put(b, &pingpong, "ns/page", "atomic-ping-pong-%s", name);
	bench_put(b, &vram, "ns/op", "atomic-vram-%s", name);
	return 0;
}

static int atomics(struct bench *b)
{
	static const char *const ops[] = {
		[MOCKGPU_ATOMIC_ADD] = "add", [MOCKGPU_ATOMIC_SUB] = "sub",
		[MOCKGPU_ATOMIC_AND] = "and", [MOCKGPU_ATOMIC_OR] = "or",
		[MOCKGPU_ATOMIC_XOR] = "xor", [MOCKGPU_ATOMIC_MIN] = "min",
		[MOCKGPU_ATOMIC_MAX] = "max", [MOCKGPU_ATOMIC_XCHG] = "xchg",
		[MOCKGPU_ATOMIC_CMPXCHG] = "cmpxchg",
	};
	struct bench_memory m;
	unsigned int op;
	int ret;

	if (!b->dev)
		return bench_skip(b, "%s has none", b->side->name);
	ret = bench_queue(b);
	if (!ret)
		ret = bench_map(b, &m, WORDS * BENCH_PAGE, BENCH_4K);
	if (ret)
		return ret;
	for (op = 0; !ret && op < ARRAY_SIZE(ops); op++)
		ret = one_atomic(b, &m, op, ops[op]);
	bench_unmap(&m);
	return ret;
}

static int residency_of(struct bench *b, enum bench_pages pages, bool vram)
{
	struct bench_samples s = { 0 };
	struct bench_memory m;
	unsigned int round;
	uint64_t start;
	void *buf;
	int ret = bench_map(b, &m, touched_size(b), pages);

	if (ret)
		return ret;
	buf = calloc(m.len / BENCH_PAGE, sizeof(uint32_t));
	if (!buf)
		ret = -ENOMEM;
	if (!ret && vram)
		ret = b->side->to_vram(b, m.p, m.len);
	for (round = 0; !ret && round <= b->rounds; round++) {
		start = now_ns();
		ret = b->side->residency(b, m.p, m.len, buf);
		bench_sample(&s, round, now_ns() - start, m.len / BENCH_PAGE);
	}
	free(buf);
	bench_unmap(&m);
	if (!ret)
		bench_put(b, &s, "ns/page", "residency-%s-%s", vram ? "vram" : "system",
			  bench_pages_names[pages]);
	return ret;
}

static int residency(struct bench *b)
{
	int ret = residency_of(b, BENCH_4K, false);

	if (!ret)
		ret = residency_of(b, BENCH_4K, true);
	if (!ret)
		ret = residency_of(b, BENCH_2M, false);
	return ret ? ret : residency_of(b, BENCH_2M, true);
}

const struct bench_row bench_access_rows[] = {
	{ .name = "cpu-fault", .run = cpu_faults },
	{ .name = "gpu-fault", .run = gpu_faults },
	{ .name = "exclusive", .run = exclusive },
	{ .name = "atomic", .run = atomics },
	{ .name = "residency", .run = residency },
	{ 0 }
};
