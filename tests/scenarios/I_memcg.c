// SPDX-License-Identifier: MIT
/* Memory control groups: row I6.  A page in VRAM is charged to whom it was charged to in RAM. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gpu.h"
#include "memcg.h"
#include "process.h"

#define N 2048

/*
 * Some pages are the kernel's own, for tables and objects, and come and go: with the charge
 * that the kernel took in advance, and with names that nobody uses any more, a hundred may go.
 */
static void check_charged(const struct memcg *memcg, size_t want)
{
	CHECK_GE(memcg_charged(memcg) + N / 16, want);
	CHECK_LE(memcg_charged(memcg), want + N / 128);
}

/* All of it to VRAM, home by every way there is, and there again: @charged stays charged. */
static void go_round(struct mockgpu_device *dev, void *p, uint16_t tag, const struct memcg *memcg,
		     size_t charged)
{
	TO_VRAM(dev, p, N);
	if (charged)
		check_charged(memcg, charged);
	CHECK_GE(gpu_counters(dev).vram_backing_bytes, N * PAGE);
	GPU_CHECK_FILL(dev, p, N, tag, 0);
	CHECK_FILL(p, N / 2, tag, 0);
	TO_SYSTEM(dev, AT(p, N / 2), N / 4);
	CHECK_EQ(mockgpu_evict(dev, AT(p, N - N / 4), N / 4 * PAGE, NULL), 0);
	CHECK_PLACE(dev, p, N, IN_SYSTEM);
	CHECK_FILL(p, N, tag, 0);
	if (charged)
		check_charged(memcg, charged);
}

/*
 * To VRAM and back, the same number is charged, to the page; the RAM behind VRAM is charged to
 * nobody, or it would be twice as much.
 */
static void I6_charge_moves_with_the_page(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag();
	struct memcg memcg;
	size_t charged;
	void *p;

	/* What the kernel charges in advance it does for each CPU: with one, it can be taken off. */
	stay_on_cpu(sched_getcpu());
	memcg = memcg_enter();
	p = map_filled(N, tag);
	/* What the test itself needs is there after the first time. */
	go_round(dev, p, tag, &memcg, 0);
	charged = memcg_charged(&memcg);
	CHECK_GE(charged, N);
	for (unsigned int i = 0; i < 3; i++)
		go_round(dev, p, tag, &memcg, charged);
	/* What is dropped in VRAM is taken off. */
	TO_VRAM(dev, p, N);
	CHECK_SYS(madvise(p, N * PAGE, MADV_DONTNEED));
	check_charged(&memcg, charged - N);
	memcg_leave(&memcg);
	memcg_remove(&memcg);
}

/* A hole that is filled in VRAM is charged as if it had been filled in RAM. */
static void I6_hole_is_charged(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct memcg memcg;
	size_t charged, before;
	void *p;

	stay_on_cpu(sched_getcpu());
	memcg = memcg_enter();
	p = map_hole(N + 1);
	TO_VRAM(dev, p, 1);
	before = memcg_charged(&memcg);
	TO_VRAM(dev, AT(p, 1), N);
	charged = memcg_charged(&memcg);
	/* And the page tables of N pages, and an object or two. */
	CHECK_GE(charged, before + N);
	CHECK_LE(charged, before + N + N / 128);
	CHECK_ZERO(p, N + 1);
	check_charged(&memcg, charged);
	CHECK_GE(memcg_charged(&memcg), before + N);
	memcg_leave(&memcg);
	memcg_remove(&memcg);
}

/* Coming home needs nothing that is not charged already: it succeeds where no page more is to be had. */
static void I6_return_at_the_limit(void)
{
	enum { SLACK = 32 };
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag(), new = new_tag();
	struct memcg memcg;
	void *p;

	stay_on_cpu(sched_getcpu());
	memcg = memcg_enter();
	p = map_filled(N, tag);
	TO_VRAM(dev, p, N);
	gpu_fill(dev, p, N, new, 0);
	memcg_limit(&memcg, memcg_charged(&memcg) + SLACK);
	CHECK_FILL(p, N / 2, new, 0);
	fill(AT(p, N / 4), N / 4, tag, N / 4);
	TO_SYSTEM(dev, AT(p, N / 2), N / 2);
	CHECK_PLACE(dev, p, N, IN_SYSTEM);
	TO_VRAM(dev, p, N);
	CHECK_FILL(p, N / 4, new, 0);
	CHECK_FILL(AT(p, N / 4), N / 4, tag, N / 4);
	CHECK_FILL(AT(p, N / 2), N / 2, new, N / 2);
	CHECK_EQ(memcg_event(&memcg, "max"), 0);
	CHECK_EQ(memcg_event(&memcg, "oom"), 0);
	memcg_limit(&memcg, SIZE_MAX);
	memcg_leave(&memcg);
	memcg_remove(&memcg);
}

struct glutton {
	struct memcg memcg;
	bool refused;
	size_t moved;
};

#define ROOM	64
#define ASKED	512

/*
 * Asks for a page in VRAM at a time, until one is refused: each refusal is a long report of the
 * kernel's.  What the kernel can still find to take back in the group is less than ASKED.
 */
static void ask_for_too_much(void *arg)
{
	struct glutton *glutton = arg;
	struct mockgpu_device *dev = gpu_open(0);
	struct mockgpu_migrated result;
	void *p = map_hole(ASKED), *reserve;

	stay_on_cpu(sched_getcpu());
	glutton->memcg = memcg_enter();
	reserve = map_filled(16, 1);
	memcg_limit(&glutton->memcg, memcg_charged(&glutton->memcg) + ROOM);
	while (!glutton->refused && glutton->moved < ASKED) {
		CHECK_EQ(mockgpu_migrate(dev, AT(p, glutton->moved), PAGE, MOCKGPU_TARGET_VRAM, 0,
					 &result, NULL), 0);
		if (result.count[MOCKGPU_PAGE_ABSENT])
			glutton->refused = true;
		else
			glutton->moved += result.count[MOCKGPU_PAGE_MOVED];
	}
	/* To open a file takes memory, too. */
	unmap(reserve, 16);
	memcg_limit(&glutton->memcg, SIZE_MAX);
	CHECK_PLACE(dev, p, glutton->moved, IN_VRAM);
	CHECK_PLACE(dev, AT(p, glutton->moved), ASKED - glutton->moved, NOWHERE);
	GPU_CHECK_ZERO(dev, p, ASKED);
	CHECK_ZERO(p, ASKED);
}

/* The killer acts, as it would for as many pages in RAM; nothing of them is left in VRAM. */
static void I6_hole_at_the_limit_kills(void)
{
	struct glutton *glutton = map_shared(1);
	struct mockgpu_device *dev = gpu_open(0);

	expect_oom_report();
	join_killed(spawn(ask_for_too_much, glutton), SIGKILL);
	CHECK_GE(glutton->moved, ROOM / 2);
	CHECK_EQ(memcg_event(&glutton->memcg, "oom_kill"), 1);
	CHECK_EQ(gpu_counters(dev).vram_used_bytes, 0);
	memcg_remove(&glutton->memcg);
}

/* Control groups that have been removed and that something still is charged to. */
static long long dying(void)
{
	FILE *file = fopen("/sys/fs/cgroup/cgroup.stat", "re");
	long long n = -1;
	char line[128];

	CHECK(file != NULL);
	while (n < 0 && fgets(line, sizeof(line), file))
		if (sscanf(line, "nr_dying_descendants %lld", &n) == 1)
			break;
	fclose(file);
	return n;
}

/* The group has gone while its pages are in VRAM: they come home, and then it is gone for good. */
static void I6_group_removed_while_in_vram(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag();
	struct memcg memcg = memcg_enter();
	void *p = map_filled(N, tag);
	long long before;

	TO_VRAM(dev, p, N);
	memcg_leave(&memcg);
	before = dying();
	memcg_remove(&memcg);
	CHECK_EQ(dying(), before + 1);
	GPU_CHECK_FILL(dev, p, N, tag, 0);
	CHECK_FILL(p, N / 2, tag, 0);
	TO_VRAM(dev, p, N / 4);
	CHECK_EQ(mockgpu_evict(dev, AT(p, N / 2), N / 2 * PAGE, NULL), 0);
	CHECK_FILL(p, N, tag, 0);
	TO_VRAM(dev, p, N / 2);
	unmap(p, N);
	for (unsigned int i = 0; i < 1000 && dying() > before; i++)
		sleep_ms(10);
	CHECK_LE(dying(), before);
}

/* The owner moves to another group; its pages stay charged where they were. */
static void I6_owner_moves_to_another_group(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	struct memcg memcg;
	size_t charged;
	void *p;

	stay_on_cpu(sched_getcpu());
	memcg = memcg_enter();
	p = map_filled(N, tag);
	TO_VRAM(dev, p, N);
	charged = memcg_charged(&memcg);
	memcg_leave(&memcg);
	CHECK_GE(memcg_charged(&memcg), N);
	CHECK_FILL(p, N, tag, 0);
	CHECK_GE(memcg_charged(&memcg), N);
	check_charged(&memcg, charged);
	unmap(p, N);
	check_charged(&memcg, charged - N);
	memcg_remove(&memcg);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(I6_charge_moves_with_the_page),
	SCENARIO(I6_hole_is_charged),
	SCENARIO(I6_return_at_the_limit),
	SCENARIO(I6_hole_at_the_limit_kills),
	SCENARIO(I6_group_removed_while_in_vram),
	SCENARIO(I6_owner_moves_to_another_group),
	{ 0 }
};
