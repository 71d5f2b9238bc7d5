// SPDX-License-Identifier: MIT
/* One address space, two files of one device (row C6); addresses far up (row C7). */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

#include "process.h"
#include "queue.h"

#define N 32

/* Each has a page table of its own: what one moves, the other faults in anew. */
static void C6_the_second_faults_after_the_first_migrates(void)
{
	struct queue a = queue_new(gpu_open(0)), b = queue_new(gpu_open(0));
	struct drm_mockgpu_result result;
	uint8_t *p = map_hole(N);

	result = RUN(a, cmd_fill(p, N * PAGE, 1, 1), .done = N * PAGE);
	CHECK_EQ(result.faults, N);
	result = RUN(b, cmd_fill(p, N * PAGE, 1, 2), .done = N * PAGE);
	CHECK_EQ(result.faults, N);
	/* Both are mapped now: each sees the other's writes without a fault. */
	result = RUN(a, cmd_load(p + 5 * PAGE, 1), .value = 2, .done = 1);
	CHECK_EQ(result.faults, 0);

	TO_VRAM(a.dev, p, N);
	result = RUN(a, cmd_fill(p, N * PAGE, 1, 3), .done = N * PAGE);
	CHECK_EQ(result.faults, N);
	result = RUN(b, cmd_load(p + PAGE, 1), .value = 3, .done = 1);
	CHECK_EQ(result.faults, 1);
	result = RUN(b, cmd_fill(p, N * PAGE, 1, 4), .done = N * PAGE);
	CHECK_EQ(result.faults, N - 1);
	result = RUN(a, cmd_load(p + PAGE, 1), .value = 4, .done = 1);
	CHECK_EQ(result.faults, 0);
	CHECK_PLACE(b.dev, p, N, IN_VRAM);
	for (size_t i = 0; i < N * PAGE; i++)
		CHECK_EQ(p[i], 4);
}

/* Exclusive for the one, then for the other: each takes it from the other. */
static void contend(bool vram)
{
	enum { TIMES = 200, EACH = 100 };
	static struct drm_mockgpu_cmd cmds[TIMES];
	struct queue a = queue_new(vram ? gpu_open(0) : gpu_open_exclusive());
	struct queue b = queue_new(gpu_open(0));
	volatile uint64_t *word = map_filled(1, new_tag());
	uint64_t one, two;

	*word = 0;
	if (vram)
		TO_VRAM(a.dev, (void *)(uintptr_t)word, 1);
	for (unsigned int i = 0; i < TIMES; i++)
		cmds[i] = cmd_add(word, 8, EACH);
	one = submit(a, cmds, TIMES, NULL);
	two = submit(b, cmds, TIMES, NULL);
	for (unsigned int i = 0; !vram && i < TIMES * EACH; i++)
		__atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
	FINISHES(a, one, 0);
	FINISHES(b, two, 0);
	CHECK_EQ(*word, TIMES * EACH * (vram ? 2 : 3));
}

static void C6_both_want_it_exclusive(void)
{
	contend(false);
}

static void C6_atomics_of_both_in_vram(void)
{
	contend(true);
}

/* What the one has exclusively the other has to ask for, also to read it. */
static void C6_exclusive_for_the_one(void)
{
	struct queue a = queue_new(gpu_open_exclusive()), b = queue_new(gpu_open(0));
	struct drm_mockgpu_result result;
	uint64_t *word = map_filled(1, new_tag());

	*word = 0;
	RUN(b, cmd_store(word, 8, 7), .done = 8);
	CHECK(gpu_res(b.dev, word) & MOCKGPU_RES_GPU);
	RUN(a, cmd_add(word, 8, 1), .value = 7, .done = 1);
	CHECK(!(gpu_res(b.dev, word) & MOCKGPU_RES_GPU));
	result = RUN(b, cmd_load(word, 8), .value = 8, .done = 8);
	CHECK_EQ(result.faults, 1);
	result = RUN(a, cmd_add(word, 8, 1), .value = 8, .done = 1);
	CHECK_GE(result.faults, 1);
	CHECK_EQ(*word, 9);
}

/* The one is closed while the other is at work. */
static void C6_the_first_is_closed(void)
{
	struct queue a = queue_new(gpu_open(0)), b = queue_new(gpu_open(0));
	uint16_t tag = new_tag();
	uint64_t *p = map_filled(N, tag);

	TO_VRAM(a.dev, p, N);
	RUN(a, cmd_add(p, 8, 1), .value = fill_word(tag, 0, 0), .done = 1);
	RUN(b, cmd_atomic(MOCKGPU_ATOMIC_SUB, p, 8, 1, 1), .value = fill_word(tag, 0, 0) + 1,
	    .done = 1);
	mockgpu_close(a.dev);
	GPU_CHECK_FILL(b.dev, p, N, tag, 0);
	CHECK_PLACE(b.dev, p, N, IN_VRAM);
	CHECK_FILL(p, N, tag, 0);
}

/* Only asked for is it given: by a hint above the usual end. */
static void C7_above_47_bits(void)
{
	const uintptr_t hint = 3UL << 48;
	struct queue q = queue_new(gpu_open(0));
	uint16_t tag = new_tag();
	uint64_t *p;

	p = mmap((void *)hint, N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		 0);
	CHECK(p != MAP_FAILED);
	if ((uintptr_t)p < 1UL << 47)
		skip("page tables of this machine or kernel have 4 levels");
	fill(p, N, tag, 0);
	TO_VRAM(q.dev, p, N / 2);
	RUN(q, cmd_add(p, 8, 1), .value = fill_word(tag, 0, 0), .done = 1);
	CHECK_EQ(p[0]--, fill_word(tag, 0, 0) + 1);
	if (gpu_has(q.dev, MOCKGPU_CAP_EXCLUSIVE)) {
		RUN(q, cmd_add(AT(p, N - 1), 8, 1), .value = fill_word(tag, N - 1, 0), .done = 1);
		CHECK_EQ(((uint64_t *)AT(p, N - 1))[0]--, fill_word(tag, N - 1, 0) + 1);
	}
	GPU_CHECK_FILL(q.dev, p, N, tag, 0);
	CHECK_FILL(p, N, tag, 0);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(C6_the_second_faults_after_the_first_migrates),
	SCENARIO(C6_both_want_it_exclusive),
	SCENARIO(C6_exclusive_for_the_one),
	SCENARIO(C6_atomics_of_both_in_vram),
	SCENARIO(C6_the_first_is_closed),
	SCENARIO(C7_above_47_bits),
	{ 0 }
};
