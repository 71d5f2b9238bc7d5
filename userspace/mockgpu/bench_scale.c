// SPDX-License-Identifier: MIT
/*
 * mockgpu bench: whether a page costs the same however much there is: memory that moves, processes
 * that have their memory attached, mappings.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "cmd.h"

/* What moves beside many other things. */
#define BESIDE (16UL << 20)

/* What moves in less time than the kernel takes to clear up behind processes and mappings. */
#define BRIEF (64UL << 20)

/* What a child needs at most until it has attached its memory. */
#define CHILD_MS 60000

/* How long a device keeps memory behind empty VRAM, and more. */
#define SETTLE_MS 10000

/*
 * What was left behind VRAM goes some seconds later, which is not to be while something else is
 * measured; and whether there is as much memory as a row needs is not known before.
 */
static void settle(struct bench *b)
{
	struct drm_mockgpu_counters c;

	for (int ms = 0; ms < SETTLE_MS; ms += 100) {
		if (mockgpu_counters(b->dev, &c) || !c.vram_backing_bytes)
			return;
		usleep(100000);
	}
}

/*
 * To VRAM and home, together, for each page.  If @cold there is nothing behind VRAM each time, so
 * that memory for it is allocated and cleared; otherwise there is, where memory is plenty.
 */
static int round_trips(struct bench *b, const char *what, size_t len, enum bench_pages pages,
		       bool cold)
{
	/* As much work for each figure, so that small amounts are not a matter of chance. */
	const unsigned int times = len < BESIDE ? (unsigned int)(BESIDE / len) : 1;
	const unsigned int rounds = b->rounds + (len <= BRIEF ? 2 : 0);
	struct bench_samples to = { 0 }, back = { 0 };
	uint64_t start, to_ns, back_ns;
	struct bench_memory m;
	unsigned int round, i;
	int ret;

	settle(b);
	ret = bench_map(b, &m, len, pages);
	if (ret)
		return ret;
	for (round = 0; !ret && round <= rounds; round++) {
		to_ns = 0;
		back_ns = 0;
		if (cold)
			settle(b);
		for (i = 0; !ret && i < times; i++) {
			start = now_ns();
			ret = b->side->to_vram(b, m.p, len);
			to_ns += now_ns() - start;
			start = now_ns();
			if (!ret)
				ret = b->side->to_system(b, m.p, len);
			back_ns += now_ns() - start;
		}
		bench_sample(&to, round, to_ns, times * (len / BENCH_PAGE));
		bench_sample(&back, round, back_ns, times * (len / BENCH_PAGE));
	}
	bench_unmap(&m);
	if (ret)
		return ret;
	bench_put(b, &to, "ns/page", "scale-%s-%s%s-to-vram", what, bench_pages_names[pages],
		  cold ? "-cold" : "");
	bench_put(b, &back, "ns/page", "scale-%s-%s%s-to-system", what, bench_pages_names[pages],
		  cold ? "-cold" : "");
	return 0;
}

/* Without what the pages themselves need. */
static uint64_t memory_available(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	unsigned long long kib = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			break;
	}
	if (f)
		fclose(f);
	return kib << 10;
}

/* With something to spare: page tables, page structures, others. */
static bool fits(const struct drm_mockgpu_device_info *info, uint64_t vram, uint64_t memory)
{
	return vram <= info->vram_bytes && memory <= memory_available() / 10 * 9;
}

static int sizes(struct bench *b)
{
	static const struct {
		const char *name;
		unsigned int mib;
		enum bench_pages pages;
	} steps[] = {
		{ "1m", 1, BENCH_4K }, { "16m", 16, BENCH_4K }, { "256m", 256, BENCH_4K },
		{ "1g", 1024, BENCH_4K }, { "2m", 2, BENCH_2M }, { "32m", 32, BENCH_2M },
		{ "512m", 512, BENCH_2M }, { "2g", 2048, BENCH_2M },
		{ "4g", 4096, BENCH_2M }, { "8g", 8192, BENCH_2M },
	};
	struct drm_mockgpu_device_info info;
	char what[32];
	int ret;

	if (!b->dev)
		return bench_skip(b, "of mockgpu alone");
	ret = mockgpu_info(b->dev, &info);
	for (size_t i = 0; !ret && i < ARRAY_SIZE(steps); i++) {
		size_t len = (size_t)steps[i].mib << 20;
		bool cold = steps[i].pages == BENCH_2M && len > BRIEF;

		snprintf(what, sizeof(what), "size-%s", steps[i].name);
		settle(b);
		/* At home again, it is there twice, and still a quarter of all memory is free. */
		if (fits(&info, len, cold ? len * 2 + memory_available() / 3 : len))
			ret = round_trips(b, what, len, steps[i].pages, false);
		settle(b);
		if (!ret && cold && fits(&info, len, len))
			ret = round_trips(b, what, len, steps[i].pages, true);
	}
	return ret;
}

/* One page of a child's memory is in the device's page table, and its file stays open. */
static int attach_and_use(const char *node, const char *p)
{
	struct mockgpu_device *dev;
	uint64_t word;

	if (mockgpu_open_path(&dev, node))
		return 1;
	/* never closed: the child ends */
	return mockgpu_read(dev, &word, p, sizeof(word), NULL) ? 1 : 0;
}

/* Children that are there, and use the device or do not, until @stop is closed. */
struct children {
	unsigned int count;
	int ready[2];
	int stop[2];
	struct bench_memory m;
};

static void be_a_child(struct bench *b, const struct children *all, bool attached)
{
	char c = 0;

	close(all->stop[1]);
	if (attached)
		c = (char)attach_and_use(mockgpu_path(b->dev), all->m.p);
	if (write(all->ready[1], &c, 1) != 1 || read(all->stop[0], &c, 1) != 0)
		_exit(1);
	_exit(0);
}

static int add_child(struct bench *b, struct children *all, bool attached)
{
	struct pollfd ready = { .fd = all->ready[0], .events = POLLIN };
	pid_t pid = fork();
	char c;

	if (!pid)
		be_a_child(b, all, attached);
	if (pid < 0)
		return -errno;
	all->count++;
	if (poll(&ready, 1, CHILD_MS) != 1 || read(all->ready[0], &c, 1) != 1 || c)
		return -EIO;
	return 0;
}

static int open_pipes(struct children *all)
{
	int ret = 0;

	if (pipe(all->ready))
		return -errno;
	if (pipe(all->stop)) {
		ret = -errno;
		close(all->ready[0]);
		close(all->ready[1]);
	}
	return ret;
}

/* What is measured among so many processes, each with its own memory attached, or not. */
static int among(struct bench *b, unsigned int count, bool attached,
		 int (*measure)(struct bench *b, unsigned int count, bool attached))
{
	struct children all = { 0 };
	int ret = bench_map(b, &all.m, BENCH_HUGE, BENCH_4K);

	if (ret)
		return ret;
	ret = open_pipes(&all);
	if (!ret) {
		while (!ret && all.count < count)
			ret = add_child(b, &all, attached);
		if (!ret)
			ret = measure(b, count, attached);
		close(all.stop[0]);
		close(all.stop[1]);
		for (; all.count; all.count--)
			wait(NULL);
		close(all.ready[0]);
		close(all.ready[1]);
	}
	bench_unmap(&all.m);
	return ret;
}

static int beside_spaces(struct bench *b, unsigned int count, bool attached)
{
	char what[32];

	(void)attached;
	snprintf(what, sizeof(what), "spaces-%u", count);
	return round_trips(b, what, BESIDE, BENCH_4K, false);
}

static uint64_t available[2];

static int look_at_memory(struct bench *b, unsigned int count, bool attached)
{
	(void)b;
	(void)count;
	available[attached] = memory_available();
	return 0;
}

static int spaces(struct bench *b)
{
	static const unsigned int counts[] = { 1, 100, 1000 };
	int ret = 0;

	if (!b->dev)
		return bench_skip(b, "of mockgpu alone");
	for (size_t i = 0; !ret && i < ARRAY_SIZE(counts); i++)
		ret = among(b, counts[i], true, beside_spaces);
	if (!ret)
		ret = among(b, 1000, false, look_at_memory);
	if (!ret)
		ret = among(b, 1000, true, look_at_memory);
	if (!ret)
		bench_put_one(b, (double)(int64_t)(available[0] - available[1]) / 1000, "bytes",
			      "state-process");
	return ret;
}

/* As many mappings of a page, of which no two beside each other have the same rights. */
static int beside_mappings(struct bench *b, unsigned int count)
{
	const size_t len = (size_t)count * BENCH_PAGE;
	char what[32], *p;
	unsigned int i;
	int ret = 0;

	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	bench_touch(p, len);
	for (i = 0; !ret && i < count; i += 2) {
		if (mprotect(p + (size_t)i * BENCH_PAGE, BENCH_PAGE, PROT_READ))
			ret = -errno;
	}
	snprintf(what, sizeof(what), "mappings-%u", count);
	if (!ret)
		ret = round_trips(b, what, BESIDE, BENCH_4K, false);
	munmap(p, len);
	return ret;
}

static int mappings(struct bench *b)
{
	static const unsigned int counts[] = { 1, 100, 10000 };
	int ret = 0;

	if (!b->dev)
		return bench_skip(b, "of mockgpu alone");
	for (size_t i = 0; !ret && i < ARRAY_SIZE(counts); i++)
		ret = beside_mappings(b, counts[i]);
	return ret;
}

const struct bench_row bench_scale_rows[] = {
	{ .name = "scale-size", .run = sizes, .asked = true },
	{ .name = "scale-spaces", .run = spaces, .asked = true },
	{ .name = "scale-mappings", .run = mappings, .asked = true },
	{ 0 }
};
