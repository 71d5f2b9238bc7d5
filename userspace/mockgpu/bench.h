/* SPDX-License-Identifier: MIT */
/*
 * mockgpu bench: what is measured, and of whom.
 *
 * A row is a function that measures something several times and hands out figures.  It does so
 * through a side: the library here, or, for a comparison, another driver of such memory
 * (tests/bench/dmirror.c).
 */
#ifndef MOCKGPU_BENCH_H
#define MOCKGPU_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_PAGE	4096UL
#define BENCH_HUGE	(2UL << 20)
#define BENCH_ROUNDS_MAX 1000U

struct bench;
struct mockgpu_device;

/*
 * What a driver can do with a range of the process's memory.  Each returns 0 or a negative errno;
 * a range that did not go as a whole is an error, too.
 */
struct bench_side {
	const char *name;
	int (*to_vram)(struct bench *b, char *p, size_t len);
	int (*to_system)(struct bench *b, char *p, size_t len);
	/* The device reads it, all of it, to @buf. */
	int (*read)(struct bench *b, const char *p, size_t len, char *buf);
	/* Where each page is; @buf has room for four bytes of each. */
	int (*residency)(struct bench *b, const char *p, size_t len, void *buf);
	/* The device has each page for itself, once; @buf has room for all pages. */
	int (*exclusive)(struct bench *b, char *p, size_t len, char *buf);
	/* These are NULL where a side cannot do that. */
	int (*granularity)(struct bench *b, char *p, size_t len, unsigned int order);
	int (*prefetch)(struct bench *b, char *p, size_t len);
	int (*evict)(struct bench *b, char *p, size_t len);
	int (*cpu_faults)(struct bench *b, uint64_t *n);
};

struct bench {
	const struct bench_side *side;
	/* @dev: of the library, with its queue, see bench_queue(); @fd: of another side */
	struct mockgpu_device *dev;
	uint32_t queue;
	bool has_queue;
	int fd;
	/* bytes that are moved, at most, and how often each thing is measured */
	size_t size;
	unsigned int rounds;
	/* pages that the row "missed" moves */
	uint64_t pages;
	bool json;
	/* figures that were handed out */
	unsigned int figures;
	/* why a row cannot be measured here */
	char why[128];
};

/* What was measured, once a round; all zero is none. */
struct bench_samples {
	unsigned int n;
	double value[BENCH_ROUNDS_MAX];
};

/* What memory is made of. */
enum bench_pages { BENCH_4K, BENCH_64K, BENCH_2M };

/* "4k", "64k", "2m" */
extern const char *const bench_pages_names[];

struct bench_memory {
	char *p;		/* aligned to 2 MiB */
	size_t len;
	void *whole;		/* for munmap() */
	size_t whole_len;
};

/* Returned by a row that cannot be measured here; @why of the bench says why. */
#define BENCH_SKIPPED 1

/* Sets @why; returns BENCH_SKIPPED. */
int bench_skip(struct bench *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Sees to it that @queue is one.  Returns 0 or a negative errno. */
int bench_queue(struct bench *b);

/* Maps memory of such pages, each of them written once.  Returns 0, -errno or BENCH_SKIPPED. */
int bench_map(struct bench *b, struct bench_memory *m, size_t len, enum bench_pages pages);
void bench_unmap(struct bench_memory *m);

/* Writes a word of each page, as a CPU that works there. */
void bench_touch(char *p, size_t len);

/* Adds what @ns nanoseconds are for one of @units; round 0 is for warming up and not kept. */
void bench_sample(struct bench_samples *s, unsigned int round, uint64_t ns, size_t units);

/* Hands out a figure: the median of the samples, of which there is at least one. */
void bench_put(struct bench *b, struct bench_samples *s, const char *unit, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* The same of something that is known without being measured several times. */
void bench_put_one(struct bench *b, double value, const char *unit, const char *name);

struct bench_row {
	const char *name;
	int (*run)(struct bench *b);	/* 0, a negative errno, or BENCH_SKIPPED */
	bool asked;			/* only where it was named */
};

/* Tables end with an entry that has no name. */
extern const struct bench_row bench_migrate_rows[], bench_access_rows[], bench_process_rows[],
	bench_scale_rows[];

/*
 * Measures the rows whose names begin with one of the words of @select, which have commas
 * between; NULL: all that need not be asked for.  Returns 0, or an exit code.
 */
int bench_run(struct bench *b, const char *select);

#endif
