// SPDX-License-Identifier: MIT
/*
 * Memory that the device must have in its VRAM, and advice for atomic operations: rows K1 and K3.
 *
 * Where there is no room the command fails with the address; whatever the device cannot have, a CPU
 * is served as ever.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "module.h"
#include "points.h"
#include "process.h"
#include "queue.h"

#define SMALL_MB 2	/* of VRAM, where it is to be full */
#define SMALL	(SMALL_MB * 256)

static void advise(struct queue q, void *p, size_t pages, unsigned int attr, uint64_t value)
{
	CHECK_EQ(mockgpu_advise(q.dev, p, pages * PAGE, attr, value), 0);
}

static uint64_t *must_be_here(struct queue q, size_t pages, uint16_t tag)
{
	void *p = map_filled(pages, tag);

	advise(q, p, pages, MOCKGPU_ADVICE_MUST_VRAM, 1);
	return p;
}

/* No page of it is free. */
static void *fill_vram(struct queue q, uint16_t tag)
{
	void *p = map_filled(SMALL, tag);

	CHECK_EQ(gpu_vram_pages(q.dev), SMALL);
	TO_VRAM(q.dev, p, SMALL);
	return p;
}

/* Nor can any become free, until it is released: what is there has nowhere to go. */
static struct arm keep_full(struct queue q)
{
	return BREAK(q.dev, "alloc-ram");
}

static void K3_the_first_touch_moves(void)
{
	struct queue q = queue_new(gpu_open_private());
	uint16_t tag = new_tag();
	uint64_t *p = must_be_here(q, 8, tag);
	struct drm_mockgpu_counters before = gpu_counters(q.dev);

	/* Whatever else is advised. */
	advise(q, p, 8, MOCKGPU_ADVICE_PLACE, MOCKGPU_PLACE_SYSTEM);
	advise(q, p, 8, MOCKGPU_ADVICE_TOUCH, 0);
	advise(q, p, 8, MOCKGPU_ADVICE_READ_MOSTLY, 1);
	RUN(q, cmd_load(p, 8), .value = fill_word(tag, 0, 0), .done = 8, .migrations = 1);
	RUN(q, cmd_store(AT(p, 1), 8, 3), .done = 8, .migrations = 1);
	RUN(q, cmd_add(AT(p, 2), 8, 1), .value = fill_word(tag, 2, 0), .done = 1,
	    .migrations = 1);
	RUN(q, cmd_load(p, 8), .value = fill_word(tag, 0, 0), .done = 8);
	CHECK_PLACE(q.dev, p, 3, IN_VRAM);
	CHECK_PLACE(q.dev, AT(p, 3), 5, IN_SYSTEM);
	CHECK_EQ(gpu_counters(q.dev).pages_touched - before.pages_touched, 3);
	/* A CPU has it, and then the device again. */
	CHECK_FILL(p, 1, tag, 0);
	RUN(q, cmd_load(p, 8), .value = fill_word(tag, 0, 0), .done = 8, .migrations = 1);
	CHECK_PLACE(q.dev, p, 1, IN_VRAM);
}

static void K3_a_hole(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint64_t *p = map_hole(2);

	advise(q, p, 2, MOCKGPU_ADVICE_MUST_VRAM, 1);
	RUN(q, cmd_load(p, 8), .done = 8, .migrations = 1);
	RUN(q, cmd_store(AT(p, 1), 8, 8), .done = 8, .migrations = 1);
	CHECK_PLACE(q.dev, p, 2, IN_VRAM);
	CHECK_ZERO(p, 1);
	CHECK_EQ(p[WORDS], 8);
}

static void K3_no_room(void)
{
	struct queue q;
	uint16_t tag = new_tag(), full = new_tag();
	uint64_t *p, *other;
	struct arm arm;
	void *rest;

	module_reload(1, SMALL_MB);
	q = queue_new(gpu_open_private());
	rest = fill_vram(q, full);
	other = map_filled(4, tag);
	p = must_be_here(q, 4, tag);
	arm = keep_full(q);
	RUN(q, cmd_load(p + 5, 8), .error = -ENOMEM, .fault_addr = addr_of(p + 5),
	    .access = MOCKGPU_ACCESS_READ);
	RUN(q, cmd_store(AT(p, 1), 4, 1), .error = -ENOMEM, .fault_addr = addr_of(AT(p, 1)),
	    .access = MOCKGPU_ACCESS_WRITE);
	RUN(q, cmd_add(AT(p, 2), 8, 1), .error = -ENOMEM, .fault_addr = addr_of(AT(p, 2)),
	    .access = MOCKGPU_ACCESS_ATOMIC);
	/* What comes before is done, and the address is that of the first byte that failed. */
	RUN(q, cmd_copy(AT(other, 2), p, 100), .error = -ENOMEM,
	    .fault_addr = addr_of(p), .access = MOCKGPU_ACCESS_READ);
	CHECK_FILL(p, 4, tag, 0);
	CHECK_PLACE(q.dev, p, 4, IN_SYSTEM);
	/* Memory without such advice is used where it is. */
	RUN(q, cmd_load(other, 8), .value = fill_word(tag, 0, 0), .done = 8);
	/* One page less, and the first of them goes. */
	arm_release(arm);
	CHECK_FILL(rest, 1, full, 0);
	arm = keep_full(q);
	RUN(q, cmd_load(p, 8), .value = fill_word(tag, 0, 0), .done = 8, .migrations = 1);
	RUN(q, cmd_fill(p, 2 * PAGE, 8, 7), .error = -ENOMEM, .fault_addr = addr_of(AT(p, 1)),
	    .access = MOCKGPU_ACCESS_WRITE, .done = PAGE);
	CHECK_PLACE(q.dev, p, 1, IN_VRAM);
	arm_release(arm);
	for (unsigned int i = 0; i < WORDS; i++)
		CHECK_EQ(p[i], 7);
	CHECK_FILL(AT(p, 1), 3, tag, 1);
	CHECK_FILL(rest, SMALL, full, 0);
}

/* What need not be there is used where it is when there is no room. */
static void K3_advised_but_not_forced(void)
{
	struct queue q;
	uint16_t tag = new_tag(), full = new_tag();
	struct arm arm;
	uint64_t *p;
	void *rest;

	module_reload(1, SMALL_MB);
	q = queue_new(gpu_open(0));
	rest = fill_vram(q, full);
	arm = keep_full(q);
	p = map_filled(4, tag);
	advise(q, p, 4, MOCKGPU_ADVICE_PLACE, MOCKGPU_PLACE_DEVICE(0));
	RUN(q, cmd_load(p, 8), .value = fill_word(tag, 0, 0), .done = 8);
	RUN(q, cmd_store(p, 8, fill_word(tag, 0, 0)), .done = 8);
	if (gpu_has(q.dev, MOCKGPU_CAP_EXCLUSIVE)) {
		RUN(q, cmd_add(AT(p, 1), 8, 1), .value = fill_word(tag, 1, 0), .done = 1);
		CHECK_EQ(p[WORDS]--, fill_word(tag, 1, 0) + 1);
	}
	CHECK_PLACE(q.dev, p, 2, IN_SYSTEM);
	arm_release(arm);
	CHECK_FILL(p, 4, tag, 0);
	CHECK_FILL(rest, SMALL, full, 0);
}

static void K3_memory_that_cannot_move(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint64_t *p = map_arena(2);
	uint16_t tag = new_tag();

	map_fixed(p, 2, PROT_READ | PROT_WRITE, MAP_SHARED, make_memfd(2, tag));
	advise(q, p, 2, MOCKGPU_ADVICE_MUST_VRAM, 1);
	RUN(q, cmd_load(p + 1, 8), .error = -EOPNOTSUPP, .fault_addr = addr_of(p + 1),
	    .access = MOCKGPU_ACCESS_READ);
	RUN(q, cmd_store(p, 8, 1), .error = -EOPNOTSUPP, .fault_addr = addr_of(p),
	    .access = MOCKGPU_ACCESS_WRITE);
	RUN(q, cmd_add(p, 8, 1), .error = -EOPNOTSUPP, .fault_addr = addr_of(p),
	    .access = MOCKGPU_ACCESS_ATOMIC);
	CHECK_FILL(p, 2, tag, 0);
	/* Where nothing is mapped it is as ever. */
	unmap(p, 2);
	advise(q, p, 2, MOCKGPU_ADVICE_MUST_VRAM, 1);
	RUN(q, cmd_load(p, 8), .error = -EFAULT, .fault_addr = addr_of(p),
	    .access = MOCKGPU_ACCESS_READ);
	map_fixed(p, 2, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	advise(q, p, 2, MOCKGPU_ADVICE_MUST_VRAM, 1);
	/* It is there before its right to write is asked for. */
	RUN(q, cmd_store(p, 8, 1), .error = -EPERM, .fault_addr = addr_of(p),
	    .access = MOCKGPU_ACCESS_WRITE, .migrations = 1);
}

/* Pinned for I/O: it stays where it is for as long as that lasts. */
static void K3_held_by_somebody(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint16_t tag = new_tag();
	uint64_t *p = must_be_here(q, 2, tag);
	struct iovec part = { p, 8 };
	uint64_t start = now_ns(), word;
	int pipes[2];

	CHECK_SYS(pipe2(pipes, O_CLOEXEC));
	CHECK_EQ(vmsplice(pipes[1], &part, 1, 0), 8);
	RUN(q, cmd_load(p, 8), .error = -EBUSY, .fault_addr = addr_of(p),
	    .access = MOCKGPU_ACCESS_READ);
	CHECK_LE(now_ns() - start, BOUND_NS);
	CHECK_PLACE(q.dev, p, 1, IN_SYSTEM);
	CHECK_EQ(read(pipes[0], &word, 8), 8);
	CHECK_EQ(word, fill_word(tag, 0, 0));
	RUN(q, cmd_load(p, 8), .value = fill_word(tag, 0, 0), .done = 8, .migrations = 1);
	CHECK_PLACE(q.dev, p, 1, IN_VRAM);
	CHECK_FILL(p, 2, tag, 0);
}

static void hold_on(void *gate)
{
	gate_wait(*(int *)gate);
}

/* Pages in VRAM that a child shares: a write breaks the sharing, and the copy goes there too. */
static void K3_shared_with_a_child(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint16_t tag = new_tag();
	uint64_t *p = must_be_here(q, 2, tag);
	int gate = gate_new();
	pid_t child;

	TO_VRAM(q.dev, p, 2);
	child = spawn(hold_on, &gate);
	RUN(q, cmd_load(p, 8), .value = fill_word(tag, 0, 0), .done = 8);
	check_finishes(__FILE__, __LINE__, q,
		       submit(q, (struct drm_mockgpu_cmd[]){ cmd_store(p, 8, 5) }, 1, NULL), 0);
	CHECK_PLACE(q.dev, p, 2, IN_VRAM);
	gate_open(gate, 1);
	join(child);
	CHECK_EQ(p[0], 5);
	CHECK_EQ(p[1], fill_word(tag, 0, 1));
}

/* Atomic operations on system memory: by moving it, or not at all. */
static void K1_atomics_move_the_page(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint16_t tag = new_tag();
	uint64_t *p = map_filled(4, tag), *shared = map_shared(1);

	advise(q, p, 4, MOCKGPU_ADVICE_ATOMIC, MOCKGPU_ATOMICS_MIGRATE);
	/* Other accesses do not. */
	RUN(q, cmd_store(p, 8, fill_word(tag, 0, 0)), .done = 8);
	CHECK_PLACE(q.dev, p, 4, IN_SYSTEM);
	RUN(q, cmd_add(p, 8, 5), .value = fill_word(tag, 0, 0) + 4, .done = 5, .migrations = 1);
	CHECK_PLACE(q.dev, p, 1, IN_VRAM);
	CHECK_PLACE(q.dev, AT(p, 1), 3, IN_SYSTEM);
	CHECK_EQ(p[0], fill_word(tag, 0, 0) + 5);
	/* Memory that cannot move. */
	advise(q, shared, 1, MOCKGPU_ADVICE_ATOMIC, MOCKGPU_ATOMICS_MIGRATE);
	RUN(q, cmd_add(shared, 8, 1), .error = -EOPNOTSUPP, .fault_addr = addr_of(shared),
	    .access = MOCKGPU_ACCESS_ATOMIC);
}

static void K1_atomics_with_no_room(void)
{
	struct queue q;
	uint16_t tag = new_tag();
	uint64_t *p;

	module_reload(1, SMALL_MB);
	q = queue_new(gpu_open(0));
	fill_vram(q, new_tag());
	keep_full(q);
	p = map_filled(1, tag);
	advise(q, p, 1, MOCKGPU_ADVICE_ATOMIC, MOCKGPU_ATOMICS_MIGRATE);
	RUN(q, cmd_add(p, 8, 1), .error = -ENOMEM, .fault_addr = addr_of(p),
	    .access = MOCKGPU_ACCESS_ATOMIC);
	CHECK_FILL(p, 1, tag, 0);
	if (!gpu_has(q.dev, MOCKGPU_CAP_EXCLUSIVE))
		return;
	advise(q, p, 1, MOCKGPU_ADVICE_ATOMIC, MOCKGPU_ATOMICS_EXCLUSIVE);
	RUN(q, cmd_add(p, 8, 1), .value = fill_word(tag, 0, 0), .done = 1);
	CHECK_EQ(p[0], fill_word(tag, 0, 0) + 1);
}

static void K1_atomics_are_refused(void)
{
	struct queue q = queue_new(gpu_open_exclusive());
	uint16_t tag = new_tag();
	uint64_t *p = map_filled(3, tag);
	struct drm_mockgpu_cmd cmd = cmd_add(p, 8, 3);

	advise(q, AT(p, 1), 2, MOCKGPU_ADVICE_ATOMIC, MOCKGPU_ATOMICS_REFUSE);
	/* Those before it are done. */
	cmd.stride = PAGE;
	RUN(q, cmd, .error = -EOPNOTSUPP, .fault_addr = addr_of(AT(p, 1)),
	    .access = MOCKGPU_ACCESS_ATOMIC, .done = 1, .value = fill_word(tag, 0, 0));
	CHECK_EQ(p[0]--, fill_word(tag, 0, 0) + 1);
	CHECK_PLACE(q.dev, p, 3, IN_SYSTEM);
	CHECK_FILL(p, 3, tag, 0);
	/* Also where it was exclusive before that was advised. */
	RUN(q, cmd_add(p, 8, 1), .value = fill_word(tag, 0, 0), .done = 1);
	advise(q, p, 1, MOCKGPU_ADVICE_ATOMIC, MOCKGPU_ATOMICS_REFUSE);
	RUN(q, cmd_add(p, 8, 1), .error = -EOPNOTSUPP, .fault_addr = addr_of(p),
	    .access = MOCKGPU_ACCESS_ATOMIC);
	/* In VRAM they just happen. */
	TO_VRAM(q.dev, AT(p, 2), 1);
	RUN(q, cmd_add(AT(p, 2), 8, 1), .value = fill_word(tag, 2, 0), .done = 1);
	CHECK_PLACE(q.dev, AT(p, 2), 1, IN_VRAM);
	CHECK_EQ(p[0], fill_word(tag, 0, 0) + 1);
	CHECK_EQ(p[2 * WORDS], fill_word(tag, 2, 0) + 1);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(K3_the_first_touch_moves),
	SCENARIO(K3_a_hole),
	{ "K3_no_room", K3_no_room, 0, RELOADS },
	{ "K3_advised_but_not_forced", K3_advised_but_not_forced, 0, RELOADS },
	SCENARIO(K3_memory_that_cannot_move),
	SCENARIO(K3_held_by_somebody),
	SCENARIO(K3_shared_with_a_child),
	SCENARIO(K1_atomics_move_the_page),
	{ "K1_atomics_with_no_room", K1_atomics_with_no_room, 0, RELOADS },
	SCENARIO(K1_atomics_are_refused),
	{ 0 }
};
