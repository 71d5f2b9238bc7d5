// SPDX-License-Identifier: MIT
/* mockgpu bench: processes: what fork() takes, and what a process and a page take of memory. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "cmd.h"

static int fork_with(struct bench *b, enum bench_pages pages)
{
	struct bench_samples s = { 0 };
	struct bench_memory m;
	unsigned int round;
	uint64_t start, end;
	pid_t pid;
	int ret = bench_map(b, &m, b->size, pages);

	if (ret)
		return ret;
	ret = b->side->to_vram(b, m.p, m.len);
	for (round = 0; !ret && round <= b->rounds; round++) {
		start = now_ns();
		pid = fork();
		end = now_ns();
		if (!pid)
			_exit(0);
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			ret = -errno;
		bench_sample(&s, round, end - start, m.len / BENCH_PAGE);
	}
	bench_unmap(&m);
	if (!ret)
		bench_put(b, &s, "ns/page", "fork-%s", bench_pages_names[pages]);
	return ret;
}

static int forks(struct bench *b)
{
	int ret = fork_with(b, BENCH_4K);

	return ret ? ret : fork_with(b, BENCH_2M);
}

/*
 * Free memory to the page, which root can see alone: with what lies on the lists of each CPU, and
 * with the counters of each CPU added up first.
 */
static int free_bytes(struct bench *b, int64_t *bytes)
{
	FILE *f = fopen("/proc/sys/vm/stat_refresh", "w");
	char line[128];
	long long n, pages = 0;

	if (f) {
		fputs("1\n", f);
		fclose(f);
	}
	f = f ? fopen("/proc/zoneinfo", "r") : NULL;
	if (!f)
		return bench_skip(b, "only root can see how much memory is free");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, " nr_free_pages %lld", &n) == 1 ||
		    sscanf(line, " count: %lld", &n) == 1)
			pages += n;
	}
	fclose(f);
	*bytes = pages * (long long)BENCH_PAGE;
	return 0;
}

/* What goes when pages go to VRAM, over and above the RAM behind them, which they left. */
static int memory_of_pages(struct bench *b)
{
	struct drm_mockgpu_counters before, after;
	int64_t free_before, free_after, backing;
	struct bench_memory m;
	int ret = bench_map(b, &m, b->size, BENCH_4K);

	if (ret)
		return ret;
	/* The RAM behind the first page, and what is kept for the next ones. */
	ret = b->dev ? mockgpu_counters(b->dev, &before) : 0;
	if (!ret)
		ret = free_bytes(b, &free_before);
	if (!ret)
		ret = b->side->to_vram(b, m.p, m.len);
	if (!ret)
		ret = free_bytes(b, &free_after);
	if (!ret && b->dev)
		ret = mockgpu_counters(b->dev, &after);
	bench_unmap(&m);
	if (ret)
		return ret;
	bench_put_one(b, 100.0 * (double)(free_before - free_after) / (double)m.len, "%",
		      "memory-more");
	if (!b->dev)
		return 0;
	/* Each page left RAM of its size, and has backing now. */
	backing = (int64_t)(after.vram_backing_bytes - before.vram_backing_bytes);
	bench_put_one(b, 100.0 * (double)(free_before - free_after + (int64_t)m.len - backing) /
		      (double)m.len, "%", "memory-beside-backing");
	return 0;
}

const struct bench_row bench_process_rows[] = {
	{ .name = "fork", .run = forks },
	{ .name = "memory", .run = memory_of_pages, .asked = true },
	{ 0 }
};
