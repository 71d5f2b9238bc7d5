// SPDX-License-Identifier: MIT
/* mockgpu bench: how fast it is here; the library's side, and the command. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include "bench.h"
#include "cmd.h"

#define SIZE	(256UL << 20)
#define ROUNDS	5U
#define PAGES	1000000UL

static const char help[] =
	"Usage: mockgpu bench [OPTION]...\n"
	"Measure how fast pages move, faults are served, and so on, on this machine.\n"
	"\n"
	"  -d, --device N|NODE   the default is 0\n"
	"  -r, --rows LIST       those whose names begin with one of these words\n"
	"  -s, --size SIZE       what is moved at once: 2M to the size of VRAM; 256M\n"
	"  -n, --rounds N        how often each is measured, 1 to 1000; 5\n"
	"  -p, --pages N         how many the row \"missed\" moves; 1000000\n"
	"  -j, --json            for programs\n"
	"  -h, --help\n"
	"\n"
	"Rows: migrate-4k, migrate-64k, migrate-2m, at-once, evict, cpu-fault, gpu-fault,\n"
	"exclusive, atomic, residency, fork; and only where they are named: missed, memory,\n"
	"scale-size, scale-spaces, scale-mappings.\n";

/* Pages that cannot move are tried again once: somebody may have used them for a moment. */
static int to_vram(struct bench *b, char *p, size_t len)
{
	int ret = mockgpu_to_vram(b->dev, p, len);

	return ret == -EBUSY ? mockgpu_to_vram(b->dev, p, len) : ret;
}

static int to_system(struct bench *b, char *p, size_t len)
{
	int ret = mockgpu_to_system(b->dev, p, len);

	return ret == -EBUSY ? mockgpu_to_system(b->dev, p, len) : ret;
}

static int gpu_read(struct bench *b, const char *p, size_t len, char *buf)
{
	return mockgpu_read(b->dev, buf, p, len, NULL);
}

static int residency(struct bench *b, const char *p, size_t len, void *buf)
{
	return mockgpu_residency(b->dev, p, len, buf);
}

static int exclusive(struct bench *b, char *p, size_t len, char *buf)
{
	struct drm_mockgpu_cmd cmd = {
		.op = MOCKGPU_CMD_ATOMIC, .atomic = MOCKGPU_ATOMIC_ADD, .addr = (uintptr_t)p,
		.size = 8, .value = 1, .stride = BENCH_PAGE, .count = len / BENCH_PAGE,
	};

	int ret = bench_queue(b);

	(void)buf;
	return ret ? ret : mockgpu_run(b->dev, b->queue, &cmd, 1, NULL);
}

static int granularity(struct bench *b, char *p, size_t len, unsigned int order)
{
	return mockgpu_advise(b->dev, p, len, MOCKGPU_ADVICE_GRANULARITY, order);
}

static int prefetch(struct bench *b, char *p, size_t len)
{
	struct mockgpu_prefetched result;
	int ret = mockgpu_prefetch(b->dev, p, len, MOCKGPU_PLACE_SYSTEM, 0, NULL, &result);

	return !ret && result.mapped != len / BENCH_PAGE ? -EBUSY : ret;
}

static int evict(struct bench *b, char *p, size_t len)
{
	struct mockgpu_evicted result;
	int ret = mockgpu_evict(b->dev, p, len, &result);

	return !ret && result.evicted != len / BENCH_PAGE ? -EBUSY : ret;
}

static int cpu_faults(struct bench *b, uint64_t *n)
{
	struct drm_mockgpu_counters counters;
	int ret = mockgpu_counters(b->dev, &counters);

	if (!ret)
		*n = counters.cpu_faults;
	return ret;
}

static const struct bench_side side = {
	.name = "mockgpu",
	.to_vram = to_vram,
	.to_system = to_system,
	.read = gpu_read,
	.residency = residency,
	.exclusive = exclusive,
	.granularity = granularity,
	.prefetch = prefetch,
	.evict = evict,
	.cpu_faults = cpu_faults,
};

static int take_size(void *arg, const char *name, const char *value)
{
	struct bench *b = arg;
	uint64_t bytes;

	if (!parse_bytes(value, &bytes) || !bytes || bytes % BENCH_HUGE) {
		complain("--%s is a multiple of 2M, not '%s'", name, value);
		return EXIT_USAGE;
	}
	b->size = bytes;
	return EXIT_FINE;
}

static int take_number(const char *name, const char *value, uint64_t max, uint64_t *n)
{
	if (parse_bytes(value, n) && *n && *n <= max)
		return EXIT_FINE;
	complain("--%s is a number from 1 to %llu, not '%s'", name, (unsigned long long)max, value);
	return EXIT_USAGE;
}

static int take_rounds(void *arg, const char *name, const char *value)
{
	struct bench *b = arg;
	uint64_t n = 0;
	int code = take_number(name, value, BENCH_ROUNDS_MAX, &n);

	b->rounds = (unsigned int)n;
	return code;
}

static int take_pages(void *arg, const char *name, const char *value)
{
	struct bench *b = arg;

	return take_number(name, value, UINT64_MAX, &b->pages);
}

/* VRAM may be smaller than what is moved unless told. */
static int check_size(struct bench *b)
{
	struct drm_mockgpu_device_info info;
	char vram[BYTES_STR_MAX];
	int ret = mockgpu_info(b->dev, &info);

	if (ret) {
		complain("the device does not answer: %s", strerror(-ret));
		return EXIT_FAILED;
	}
	if (!b->size)
		b->size = info.vram_bytes < SIZE ? info.vram_bytes : SIZE;
	if (b->size <= info.vram_bytes)
		return EXIT_FINE;
	complain("--size is more than the device's VRAM, %s", bytes_str(vram, info.vram_bytes));
	return EXIT_USAGE;
}

static int measure(struct bench *b, const char *rows)
{
	struct utsname u;
	int ret = check_size(b);

	if (ret)
		return ret;
	if (b->json && !uname(&u))
		printf("{\n  \"side\": \"%s\",\n  \"kernel\": \"%s\",\n  \"figures\": [",
		       b->side->name, u.release);
	ret = bench_run(b, rows);
	if (b->json)
		printf("\n  ]\n}\n");
	return ret;
}

int cmd_bench(int argc, char **argv)
{
	struct bench b = { .side = &side, .rounds = ROUNDS, .pages = PAGES, .fd = -1 };
	const char *which = NULL, *rows = NULL;
	const struct opt opts[] = {
		{ .name = "device", .letter = 'd', .value = &which },
		{ .name = "rows", .letter = 'r', .value = &rows },
		{ .name = "size", .letter = 's', .take = take_size },
		{ .name = "rounds", .letter = 'n', .take = take_rounds },
		{ .name = "pages", .letter = 'p', .take = take_pages },
		{ .name = "json", .letter = 'j', .flag = &b.json },
		{ 0 },
	};
	int code = parse_options(argc, argv, opts, &b, help);

	if (code < 0)
		code = open_or_explain(&b.dev, which);
	if (!b.dev)
		return code;
	code = measure(&b, rows);
	mockgpu_close(b.dev);
	return code;
}
