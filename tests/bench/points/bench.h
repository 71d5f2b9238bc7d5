/* SPDX-License-Identifier: MIT */
/*
 * What a benchmark is, and the memory that it works on.
 *
 * A benchmark is run several times, each time on fresh memory; its figure is the median.  Whoever
 * wants a new one adds it to the table of its file, or a table to tables[] in bench.c.
 */
#ifndef BENCH_H
#define BENCH_H

#include <mockgpu.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE	4096UL
#define HUGE	(512 * PAGE)
#define N	512UL		/* small pages of one run */
#define AT(i)	(mem + (size_t)(i) * PAGE)

struct bench {
	const char *name;
	const char *unit;	/* what the figure is for one of */
	unsigned int units;	/* in one run */
	size_t bytes;		/* that one is about, 0 where that says nothing */
	bool huge;		/* on one huge page, else on N small ones */
	bool vram;		/* which are in VRAM before the run */
	void (*prepare)(void);	/* before each run, not measured; or NULL */
	void (*run)(void);	/* what is measured */
	void (*check)(void);	/* after each run: that it did what it is named after; or NULL */
};

/* Tables end with an entry that has no name. */
extern const struct bench migrate_benches[], access_benches[], queue_benches[];

/* The device, one of its queues, and the memory: of N pages or one huge one, with contents. */
extern struct mockgpu_device *dev;
extern uint32_t queue;
extern char *mem;

/* Ends the program unless the condition holds. */
#define MUST(condition) must((condition), __FILE__, __LINE__, #condition)
void must(bool good, const char *file, int line, const char *what);

/* The device's counters, as they were when the run began and as they are now. */
extern struct drm_mockgpu_counters before, after;

#endif
