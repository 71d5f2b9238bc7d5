// SPDX-License-Identifier: MIT
/*
 * The frame of the benchmarks.
 *
 *	mockgpu-bench [RUNS]
 *
 * prints a line for each: name, unit, bytes that a unit is about, and the median over RUNS (25) of
 * the nanoseconds for a unit, apart by tabs.  In a guest whose clock advances by instructions, these
 * are figures that repeat: see compare.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "bench.h"

#define RUNS	25U
#define RUNS_MAX 1000U

static const struct bench *const tables[] = { migrate_benches, access_benches, queue_benches };

struct mockgpu_device *dev;
uint32_t queue;
char *mem;
struct drm_mockgpu_counters before, after;

void must(bool good, const char *file, int line, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "%s:%d: not true: %s\n", file, line, what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Twice as much address space as is needed: huge pages are aligned. */
static char *map(const struct bench *b, char **whole)
{
	char *p = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	MUST(p != MAP_FAILED);
	*whole = p;
	p = (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	MUST(!madvise(p, HUGE, b->huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE));
	for (size_t i = 0; i < HUGE; i += PAGE)
		p[i] = (char)(i / PAGE) | 1;
	return p;
}

static void check_place(const struct bench *b)
{
	uint32_t want = MOCKGPU_RES_PRESENT | (b->vram ? MOCKGPU_RES_VRAM : 0);
	uint32_t order = b->huge ? 9U : 0U, pages[N];

	MUST(!mockgpu_residency(dev, mem, HUGE, pages));
	for (size_t i = 0; i < N; i++) {
		MUST((pages[i] & (MOCKGPU_RES_PRESENT | MOCKGPU_RES_VRAM)) == want);
		MUST((pages[i] >> 16 & 0xff) == order);
	}
}

/* The nanoseconds of one run. */
static uint64_t measure(const struct bench *b)
{
	uint64_t start, ns;
	char *whole;

	mem = map(b, &whole);
	if (b->vram)
		MUST(!mockgpu_to_vram(dev, mem, HUGE));
	check_place(b);
	if (b->prepare)
		b->prepare();
	MUST(!mockgpu_counters(dev, &before));
	start = now_ns();
	b->run();
	ns = now_ns() - start;
	MUST(!mockgpu_counters(dev, &after));
	if (b->check)
		b->check();
	MUST(!munmap(whole, 2 * HUGE));
	return ns;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void run(const struct bench *b, unsigned int runs)
{
	uint64_t ns[RUNS_MAX];

	/* The first one finds nothing as the others do. */
	measure(b);
	for (unsigned int i = 0; i < runs; i++)
		ns[i] = measure(b);
	qsort(ns, runs, sizeof(ns[0]), by_size);
	printf("%s\t%s\t%zu\t%.2f\n", b->name, b->unit, b->bytes,
	       (double)ns[runs / 2] / b->units);
}

int main(int argc, char **argv)
{
	unsigned int runs = argc > 1 ? (unsigned int)atoi(argv[1]) : RUNS;

	MUST(runs > 0 && runs <= RUNS_MAX);
	MUST(!mockgpu_open(&dev, 0));
	MUST(!mockgpu_queue_create(dev, &queue));
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct bench *b = tables[t]; b->name; b++)
			run(b, runs);
	mockgpu_close(dev);
	return 0;
}
