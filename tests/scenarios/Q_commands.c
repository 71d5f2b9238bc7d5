// SPDX-License-Identifier: MIT
/*
 * What each command computes: row Q1.
 *
 * A command's effect on memory and its result are compared with the CPU's on a copy.  The memory
 * has pages in VRAM, in system memory, pages that are not there yet, and several VMAs.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "process.h"
#include "queue.h"

#define N	12		/* pages of the mixed memory */
#define BYTES	(N * PAGE)
#define ROUNDS	200

static struct queue q;
static uint8_t *mixed, *model;	/* what the device works on; what should be there */

/*
 * Two pages each: in VRAM; in system memory; not there yet; in VRAM, a VMA of its own; of a file,
 * shared; in system memory.
 */
static void set_up(void)
{
	uint16_t tag = new_tag();

	q = queue_new(gpu_open(0));
	mixed = map_arena(N);
	model = map_hole(N);
	map_fixed(mixed, N, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	map_fixed(AT(mixed, 8), 2, PROT_READ | PROT_WRITE, MAP_SHARED, make_memfd(2, 0));
	CHECK_SYS(madvise(AT(mixed, 6), 2 * PAGE, MADV_DONTDUMP));	/* splits the VMA */
	fill(mixed, 4, tag, 0);
	fill(AT(mixed, 6), 6, tag, 6);
	memcpy(model, mixed, BYTES);
	CHECK_SYS(madvise(AT(mixed, 4), 2 * PAGE, MADV_DONTNEED));
	memset(AT(model, 4), 0, 2 * PAGE);
	TO_VRAM(q.dev, mixed, 2);
	TO_VRAM(q.dev, AT(mixed, 6), 2);
	CHECK_PLACE(q.dev, mixed, 2, IN_VRAM);
	CHECK_PLACE(q.dev, AT(mixed, 4), 2, NOWHERE);
}

/* The device's pages stay where they are: it reads, and then the CPU does. */
static void as_in_model(void)
{
	static uint8_t seen[BYTES];

	CHECK_EQ(mockgpu_read(q.dev, seen, mixed, BYTES, NULL), 0);
	for (size_t i = 0; i < BYTES; i++)
		if (seen[i] != model[i])
			FAIL("byte %zu of page %zu: expected %02x, the device reads %02x",
			     i % PAGE, i / PAGE, model[i], seen[i]);
	CHECK_PLACE(q.dev, mixed, 2, IN_VRAM);
	CHECK_PLACE(q.dev, AT(mixed, 6), 2, IN_VRAM);
}

static void then_for_the_cpu(void)
{
	as_in_model();
	CHECK_EQ(memcmp(mixed, model, BYTES), 0);
}

static unsigned int some_size(void)
{
	return 1U << random_below(4);
}

static uint64_t cut(uint64_t value, unsigned int size)
{
	return size == 8 ? value : value & ((1ULL << 8 * size) - 1);
}

/* Around each boundary between two pages, at each offset, with each size. */
static void Q1_load_and_store(void)
{
	set_up();
	for (unsigned int page = 1; page < N; page++)
		for (unsigned int size = 1; size <= 8; size *= 2)
			for (size_t at = page * PAGE - 8; at <= page * PAGE; at++) {
				uint64_t value = random_u64(), old = 0;

				memcpy(&old, model + at, size);
				RUN(q, cmd_load(mixed + at, size), .value = old, .done = size);
				RUN(q, cmd_store(mixed + at, size, value), .done = size);
				memcpy(model + at, &value, size);
			}
	then_for_the_cpu();
}

static void Q1_fill(void)
{
	set_up();
	for (unsigned int i = 0; i < ROUNDS; i++) {
		size_t at = random_below(BYTES), len = random_below(BYTES - at + 1);
		unsigned int size = some_size();
		uint64_t value = random_u64();

		RUN(q, cmd_fill(mixed + at, len, size, value), .done = len);
		for (size_t b = 0; b < len; b++)
			model[at + b] = (uint8_t)(value >> 8 * (b % size));
	}
	then_for_the_cpu();
}

/* Longer than what the engine takes at a time: the pattern goes on without a seam. */
static void Q1_fill_goes_on(void)
{
	const size_t len = 300000;
	uint8_t *big;

	set_up();
	big = map_hole(80);
	RUN(q, cmd_fill(big + 3, len, 8, 0x0807060504030201), .done = len);
	for (size_t i = 0; i < 80 * PAGE; i++)
		CHECK_EQ(big[i], i < 3 || i >= len + 3 ? 0 : (i - 3) % 8 + 1);
}

static void Q1_copy(void)
{
	uint8_t *other;

	set_up();
	other = map_filled(N, new_tag());
	for (unsigned int i = 0; i < ROUNDS; i++) {
		size_t to = random_below(BYTES), from = random_below(BYTES);
		size_t len = random_below(BYTES - (to > from ? to : from) + 1);

		RUN(q, cmd_copy(mixed + to, other + from, len), .done = len);
		memcpy(model + to, other + from, len);
		RUN(q, cmd_copy(other + from, mixed + from, len), .done = len);
		CHECK_EQ(memcmp(other + from, model + from, len), 0);
		/* Within the memory: the parts touch, and do not overlap. */
		len = random_below(BYTES / 2) + 1;
		from = random_below(BYTES - 2 * len + 1);
		RUN(q, cmd_copy(mixed + from + len, mixed + from, len), .done = len);
		memcpy(model + from + len, model + from, len);
	}
	then_for_the_cpu();
}

static void Q1_compare(void)
{
	uint8_t *same;

	set_up();
	same = map_hole(N);
	memcpy(same, model, BYTES);
	RUN(q, cmd_compare(mixed, same, BYTES), .value = BYTES, .done = BYTES);
	RUN(q, cmd_compare(mixed, same, 0));
	for (unsigned int i = 0; i < ROUNDS; i++) {
		size_t at = random_below(BYTES), len = 1 + random_below(BYTES - at);
		size_t differs = random_below(len);

		same[at + differs] ^= 1U << random_below(8);
		RUN(q, cmd_compare(mixed + at, same + at, len), .value = differs, .done = differs);
		/* What differs behind the end does not count. */
		RUN(q, cmd_compare(same + at, mixed + at, differs), .value = differs,
		    .done = differs);
		same[at + differs] = model[at + differs];
	}
	then_for_the_cpu();
}

static uint64_t fnv1a(const uint8_t *p, size_t len)
{
	uint64_t sum = 0xcbf29ce484222325;

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ p[i]) * 0x100000001b3;
	return sum;
}

static void Q1_checksum(void)
{
	set_up();
	RUN(q, cmd_checksum(mixed, 0), .value = 0xcbf29ce484222325);
	memcpy(model, "a", 1);
	RUN(q, cmd_store(mixed, 1, 'a'), .done = 1);
	/* A value from the algorithm's authors. */
	RUN(q, cmd_checksum(mixed, 1), .value = 0xaf63dc4c8601ec8c, .done = 1);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		size_t at = random_below(BYTES), len = random_below(BYTES - at + 1);

		RUN(q, cmd_checksum(mixed + at, len), .value = fnv1a(model + at, len),
		    .done = len);
	}
	then_for_the_cpu();
}

static uint64_t atomic_model(unsigned int op, uint64_t old, uint64_t value, uint64_t value2)
{
	switch (op) {
	case MOCKGPU_ATOMIC_ADD:
		return old + value;
	case MOCKGPU_ATOMIC_SUB:
		return old - value;
	case MOCKGPU_ATOMIC_AND:
		return old & value;
	case MOCKGPU_ATOMIC_OR:
		return old | value;
	case MOCKGPU_ATOMIC_XOR:
		return old ^ value;
	case MOCKGPU_ATOMIC_MIN:
		return old < value ? old : value;
	case MOCKGPU_ATOMIC_MAX:
		return old > value ? old : value;
	case MOCKGPU_ATOMIC_XCHG:
		return value;
	default:
		return old == value2 ? value : old;
	}
}

/* Each operation, each size, small and large operands, on words that lie apart. */
static void one_atomic(unsigned int op, unsigned int size, uint64_t value, uint64_t value2)
{
	const uint64_t count = 1 + random_below(4), stride = size * random_below(700);
	/* Not in the file's pages, which allow none. */
	const size_t at = random_below(8 * PAGE - count * stride - 8) / size * size;
	struct drm_mockgpu_cmd cmd = cmd_atomic(op, mixed + at, size, value, count);
	uint64_t old = 0, new;

	cmd.stride = stride;
	cmd.value2 = value2;
	for (uint64_t i = 0; i < count; i++) {
		memcpy(&old, model + at + i * stride, size);
		new = atomic_model(op, old, cut(value, size), cut(value2, size));
		memcpy(model + at + i * stride, &new, size);
	}
	RUN(q, cmd, .value = old, .done = count);
}

static void Q1_atomic(void)
{
	set_up();
	gpu_needs(q.dev, MOCKGPU_CAP_EXCLUSIVE);
	for (unsigned int op = 0; op <= MOCKGPU_ATOMIC_CMPXCHG; op++)
		for (unsigned int size = 1; size <= 8; size *= 2)
			for (unsigned int i = 0; i < 10; i++)
				one_atomic(op, size, random_u64() >> random_below(64),
					   op == MOCKGPU_ATOMIC_CMPXCHG ? random_below(2) : 0);
	then_for_the_cpu();
}

/* An operand that is wider than the word counts as far as the word goes. */
static void Q1_atomic_wide_operand(void)
{
	uint32_t *word;

	set_up();
	gpu_needs(q.dev, MOCKGPU_CAP_EXCLUSIVE);
	word = map_hole(1);
	*word = 5;
	RUN(q, cmd_atomic(MOCKGPU_ATOMIC_MIN, word, 4, 1ULL << 32 | 3, 1), .value = 5, .done = 1);
	CHECK_EQ(*word, 3);
	RUN(q, cmd_atomic(MOCKGPU_ATOMIC_MAX, word, 4, 1ULL << 32 | 2, 1), .value = 3, .done = 1);
	CHECK_EQ(*word, 3);
	RUN(q, cmd_atomic(MOCKGPU_ATOMIC_ADD, word, 4, ~0ULL, 1), .value = 3, .done = 1);
	CHECK_EQ(*word, 2);
	CHECK_EQ(word[1], 0);
}

#define ELEMENTS 700	/* offsets of which do not fit into one page */

static void Q1_gather_and_scatter(void)
{
	static uint64_t index[ELEMENTS];
	static uint8_t array[ELEMENTS * 8 + 3];

	set_up();
	for (unsigned int size = 1; size <= 8; size *= 2) {
		uint8_t *elements = array + 3;

		for (unsigned int i = 0; i < ELEMENTS; i++)
			index[i] = random_below(BYTES - 8);
		RUN(q, cmd_elements(MOCKGPU_CMD_GATHER, elements, mixed, index, ELEMENTS, size),
		    .done = ELEMENTS);
		for (unsigned int i = 0; i < ELEMENTS; i++)
			CHECK_EQ(memcmp(elements + i * size, model + index[i], size), 0);

		for (unsigned int i = 0; i < ELEMENTS * size; i++)
			elements[i] = (uint8_t)random_u64();
		RUN(q, cmd_elements(MOCKGPU_CMD_SCATTER, elements, mixed, index, ELEMENTS, size),
		    .done = ELEMENTS);
		/* In order: where two overlap, the later one stays. */
		for (unsigned int i = 0; i < ELEMENTS; i++)
			memcpy(model + index[i], elements + i * size, size);
		as_in_model();
	}
	then_for_the_cpu();
}

struct node {
	uint64_t payload;
	struct node *next;
	char more[24];
};

#define NODES 100000

/* A list in an order that has nothing to do with addresses. */
static struct node *make_list(struct node **arena)
{
	struct node *nodes = malloc(NODES * sizeof(*nodes)), *first = NULL;
	uint32_t *order = malloc(NODES * sizeof(*order));

	CHECK(nodes && order);
	for (uint32_t i = 0; i < NODES; i++)
		order[i] = i;
	for (uint32_t i = NODES - 1; i; i--) {
		uint32_t j = (uint32_t)random_below(i + 1), swap = order[i];

		order[i] = order[j];
		order[j] = swap;
	}
	for (uint32_t i = 0; i < NODES; i++) {
		struct node *node = &nodes[order[i]];

		node->payload = i;
		node->next = first;
		first = node;
	}
	free(order);
	*arena = nodes;
	return first;
}

static uint64_t cpu_walk(const struct node *node)
{
	uint64_t n = 0;

	for (; node; node = node->next)
		n++;
	return n;
}

/* Entries that the device needs for a range that is there: one where the CPU maps 2 MiB at once. */
static uint64_t entries_for(uintptr_t start, uintptr_t end)
{
	uint64_t n = 0;

	for (uintptr_t p = start; p < end; p += PAGE)
		n += MOCKGPU_RES_ORDER(gpu_res(q.dev, (void *)p)) < 9 || p % HUGE == 0 ||
		     p == start;
	return n;
}

static void Q1_chase(void)
{
	struct drm_mockgpu_result cold, warm, again;
	struct node *arena, *first, *tenth;
	struct mockgpu_prefetched fetched;
	uintptr_t start, end;
	uint64_t entries;

	set_up();
	first = make_list(&arena);
	start = (uintptr_t)arena & ~(PAGE - 1);
	end = ((uintptr_t)(arena + NODES) + PAGE - 1) & ~(PAGE - 1);
	CHECK_EQ(cpu_walk(first), NODES);

	entries = entries_for(start, end);
	cold = RUN(q, cmd_chase(first, offsetof(struct node, next), 0), .done = NODES);
	CHECK_EQ(cold.faults, entries);
	warm = RUN(q, cmd_chase(first, offsetof(struct node, next), 0), .done = NODES);
	CHECK_EQ(warm.faults, 0);
	CHECK_EQ(mockgpu_to_vram(q.dev, (void *)start, end - start), 0);
	entries = entries_for(start, end);
	again = RUN(q, cmd_chase(first, offsetof(struct node, next), 0), .done = NODES);
	CHECK_EQ(again.faults, entries);
	CHECK_PLACE(q.dev, (void *)start, (end - start) / PAGE, IN_VRAM);
	note("%llu faults in system memory, %llu in VRAM", (unsigned long long)cold.faults,
	     (unsigned long long)again.faults);

	/* With all of it fetched before: none, from VRAM as from system memory. */
	CHECK_EQ(mockgpu_to_system(q.dev, (void *)start, end - start), 0);
	for (unsigned int i = 0; i < 2; i++) {
		uint64_t before, n = (end - start) / PAGE;

		CHECK_EQ(mockgpu_prefetch(q.dev, (void *)start, end - start,
					  i ? MOCKGPU_PLACE_SYSTEM : MOCKGPU_PLACE_DEVICE(0), 0,
					  NULL, &fetched), 0);
		CHECK_EQ(fetched.moved, n);
		CHECK_EQ(fetched.stayed, 0);
		CHECK_EQ(fetched.mapped, n);
		before = gpu_counters(q.dev).gpu_faults;
		again = RUN(q, cmd_chase(first, offsetof(struct node, next), 0), .done = NODES);
		note("%llu faults where it was fetched before", (unsigned long long)again.faults);
		CHECK_EQ(again.faults, 0);
		/* The page that the results were written to may not have been fetched. */
		CHECK_LE(gpu_counters(q.dev).gpu_faults - before, 1);
	}
	CHECK_EQ(cpu_walk(first), NODES);

	/* Not further than was asked for; a list that bites its tail. */
	tenth = first;
	for (unsigned int i = 0; i < 10; i++)
		tenth = tenth->next;
	RUN(q, cmd_chase(first, offsetof(struct node, next), 10), .value = addr_of(tenth),
	    .done = 10);
	tenth->next = first;
	RUN(q, cmd_chase(first, offsetof(struct node, next), 11 * 7), .value = addr_of(first),
	    .done = 11 * 7);
}

static void Q1_nop(void)
{
	set_up();
	RUN(q, (struct drm_mockgpu_cmd){ .op = MOCKGPU_CMD_NOP });
	then_for_the_cpu();
}

/* What a command had to fault in is in its result, exactly. */
static void Q1_faults_are_counted(void)
{
	struct drm_mockgpu_counters before, now;
	struct drm_mockgpu_result result;
	void *p;

	set_up();
	p = map_filled(100, new_tag());
	before = gpu_counters(q.dev);
	result = RUN(q, cmd_checksum(p, 100 * PAGE), .value = fnv1a(p, 100 * PAGE),
		     .done = 100 * PAGE);
	CHECK_EQ(result.faults, 100);
	result = RUN(q, cmd_checksum(p, 100 * PAGE), .value = fnv1a(p, 100 * PAGE),
		     .done = 100 * PAGE);
	CHECK_EQ(result.faults, 0);
	now = gpu_counters(q.dev);
	CHECK_EQ(now.gpu_bytes_read - before.gpu_bytes_read, 200 * PAGE);
	/* The results. */
	CHECK_EQ(now.gpu_bytes_written - before.gpu_bytes_written, 2 * sizeof(result));
	TO_VRAM(q.dev, AT(p, 10), 5);
	result = RUN(q, cmd_fill(p, 100 * PAGE, 1, 7), .done = 100 * PAGE);
	/* Those that moved; the others had been mapped for writing, as they may be written. */
	CHECK_EQ(result.faults, 5);
}

static void hold_on(void *gate)
{
	gate_wait(*(int *)gate);
}

/* Pages in VRAM that are shared with a child: a write takes a copy home, a read does not. */
static void Q1_migrations_are_counted(void)
{
	int gate = gate_new();
	void *p;
	pid_t child;

	set_up();
	p = map_hole(20);
	TO_VRAM(q.dev, p, 20);
	child = spawn(hold_on, &gate);
	RUN(q, cmd_checksum(p, 20 * PAGE), .value = fnv1a((uint8_t *)map_hole(20), 20 * PAGE),
	    .done = 20 * PAGE);
	CHECK_PLACE(q.dev, p, 20, IN_VRAM);
	RUN(q, cmd_fill(AT(p, 5), 7 * PAGE, 1, 1), .done = 7 * PAGE, .migrations = 7);
	CHECK_PLACE(q.dev, AT(p, 5), 7, IN_SYSTEM);
	CHECK_PLACE(q.dev, AT(p, 12), 8, IN_VRAM);
	RUN(q, cmd_fill(AT(p, 5), 7 * PAGE, 1, 2), .done = 7 * PAGE);
	gate_open(gate, 1);
	join(child);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(Q1_nop),
	SCENARIO(Q1_load_and_store),
	SCENARIO(Q1_fill),
	SCENARIO(Q1_fill_goes_on),
	SCENARIO(Q1_copy),
	SCENARIO(Q1_compare),
	SCENARIO(Q1_checksum),
	SCENARIO(Q1_atomic),
	SCENARIO(Q1_atomic_wide_operand),
	SCENARIO(Q1_gather_and_scatter),
	SCENARIO(Q1_chase),
	SCENARIO(Q1_faults_are_counted),
	SCENARIO(Q1_migrations_are_counted),
	{ 0 }
};
