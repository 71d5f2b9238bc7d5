// SPDX-License-Identifier: MIT
/* mockgpu bench: memory to measure with, samples, figures, and the choice of rows. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

const char *const bench_pages_names[] = { "4k", "64k", "2m" };

static const struct bench_row *const tables[] = {
	bench_migrate_rows, bench_access_rows, bench_process_rows, bench_scale_rows,
};

int bench_skip(struct bench *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(b->why, sizeof(b->why), fmt, ap);
	va_end(ap);
	return BENCH_SKIPPED;
}

/* A folio size of transparent huge pages: what is allowed, in @old if that is not NULL. */
static int set_folios(unsigned int kib, const char *value, char *old, size_t old_len)
{
	char path[96], *word;
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path),
		 "/sys/kernel/mm/transparent_hugepage/hugepages-%ukB/enabled", kib);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (old) {
		n = read(fd, old, old_len - 1);
		old[n > 0 ? n : 0] = '\0';
		/* always inherit [madvise] never */
		word = strchr(old, '[');
		memmove(old, word ? word + 1 : old, strlen(word ? word + 1 : old) + 1);
		old[strcspn(old, "]")] = '\0';
	}
	if (n >= 0)
		n = pwrite(fd, value, strlen(value), 0);
	if (n < 0)
		n = -errno;
	close(fd);
	return n < 0 ? (int)n : 0;
}

/* Writes all of it where 64 KiB at a time are allowed, and nothing larger. */
static int fill_by_64k(struct bench *b, struct bench_memory *m)
{
	char large[64], small[64];
	int ret = set_folios(2048, "never", large, sizeof(large));

	if (!ret) {
		ret = set_folios(64, "madvise", small, sizeof(small));
		if (!ret) {
			bench_touch(m->p, m->len);
			ret = set_folios(64, small, NULL, 0);
		}
		set_folios(2048, large, NULL, 0);
	}
	return ret ? bench_skip(b, "folios of 64 KiB cannot be had: %s", strerror(-ret)) : 0;
}

int bench_map(struct bench *b, struct bench_memory *m, size_t len, enum bench_pages pages)
{
	int ret = 0;

	m->len = len;
	m->whole_len = len + BENCH_HUGE;
	m->whole = mmap(NULL, m->whole_len, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (m->whole == MAP_FAILED)
		return -errno;
	m->p = (char *)(((uintptr_t)m->whole + BENCH_HUGE - 1) & ~(BENCH_HUGE - 1));
	if (madvise(m->p, len, pages == BENCH_4K ? MADV_NOHUGEPAGE : MADV_HUGEPAGE))
		ret = bench_skip(b, "madvise: %s", strerror(errno));
	else if (pages == BENCH_64K)
		ret = fill_by_64k(b, m);
	else
		bench_touch(m->p, len);
	if (ret)
		bench_unmap(m);
	return ret;
}

void bench_unmap(struct bench_memory *m)
{
	munmap(m->whole, m->whole_len);
}

void bench_touch(char *p, size_t len)
{
	for (size_t i = 0; i < len; i += BENCH_PAGE)
		*(volatile uint64_t *)(p + i) += i + 1;
}

void bench_sample(struct bench_samples *s, unsigned int round, uint64_t ns, size_t units)
{
	if (round && s->n < BENCH_ROUNDS_MAX)
		s->value[s->n++] = (double)ns / (double)units;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_table(struct bench *b, const char *name, const char *unit,
			const struct bench_samples *s)
{
	if (!b->figures)
		printf("%-28s %14s %14s %14s  %s\n", b->side->name, "median", "least", "most", "unit");
	printf("%-28s %14.1f %14.1f %14.1f  %s\n", name, s->value[s->n / 2], s->value[0],
	       s->value[s->n - 1], unit);
}

static void print_json(struct bench *b, const char *name, const char *unit,
		       const struct bench_samples *s)
{
	printf("%s    {\"name\": \"%s\", \"unit\": \"%s\", \"median\": %.2f, \"samples\": [",
	       b->figures ? ",\n" : "\n", name, unit, s->value[s->n / 2]);
	for (unsigned int i = 0; i < s->n; i++)
		printf("%s%.2f", i ? ", " : "", s->value[i]);
	printf("]}");
}

void bench_put(struct bench *b, struct bench_samples *s, const char *unit, const char *fmt, ...)
{
	char name[64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	qsort(s->value, s->n, sizeof(s->value[0]), by_size);
	if (b->json)
		print_json(b, name, unit, s);
	else
		print_table(b, name, unit, s);
	fflush(stdout);
	b->figures++;
}

void bench_put_one(struct bench *b, double value, const char *unit, const char *name)
{
	static struct bench_samples s;

	s.n = 1;
	s.value[0] = value;
	bench_put(b, &s, unit, "%s", name);
}

static bool selected(const struct bench_row *row, const char *select)
{
	size_t len;

	if (!select)
		return !row->asked;
	for (; *select; select += len + (select[len] == ',')) {
		len = strcspn(select, ",");
		if (len && !strncmp(row->name, select, len))
			return true;
	}
	return false;
}

/* On standard error, so that nobody who reads the figures has to sort it out. */
static int run_row(struct bench *b, const struct bench_row *row)
{
	int ret = row->run(b);

	if (!ret)
		return 0;
	fflush(stdout);
	fprintf(stderr, "mockgpu: %s: %s: %s\n", row->name,
		ret == BENCH_SKIPPED ? "not measured" : "failed",
		ret == BENCH_SKIPPED ? b->why : strerror(-ret));
	return ret != BENCH_SKIPPED;
}

int bench_run(struct bench *b, const char *select)
{
	const struct bench_row *row;
	unsigned int known = 0;
	int bad = 0;

	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		for (row = tables[t]; row->name; row++) {
			if (!selected(row, select))
				continue;
			known++;
			bad |= run_row(b, row);
		}
	}
	if (!known) {
		fprintf(stderr, "mockgpu: there is no row '%s'\n", select);
		return 2;
	}
	return bad;
}
