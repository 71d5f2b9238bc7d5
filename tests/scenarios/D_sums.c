// SPDX-License-Identifier: MIT
/*
 * Two threads and two queues work on the same words with atomic operations: row D2.
 *
 * Wherever the page is, and whatever is done with it meanwhile, no operation is lost: sums are
 * exact, and what an operation found is what another one left.
 */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "process.h"
#include "queue.h"

#define ROUNDS	(slowness() > 1 ? 10U : 25U)	/* in each of which the two sides meet */
#define EACH	4000		/* additions in a round */
#define ADDS	(EACH * ROUNDS)	/* of each thread and of each queue, to each word */
#define PORTION	10	/* of one command, so that the words take turns */
#define BURST	50	/* of a thread, which then lets the device have the words */

struct contest {
	struct queue q[2];
	void *word[4];		/* of 1, 2, 4 and 8 bytes */
	void *pages;
	size_t npages;
	atomic_uint running;
};

/* A thread, and the queue that it feeds. */
struct side {
	struct contest *c;
	unsigned int number;
	pthread_t thread;
};

static void cpu_adds(struct contest *c, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		__atomic_fetch_add((uint8_t *)c->word[0], 1, __ATOMIC_SEQ_CST);
		__atomic_fetch_add((uint16_t *)c->word[1], 1, __ATOMIC_SEQ_CST);
		__atomic_fetch_add((uint32_t *)c->word[2], 1, __ATOMIC_SEQ_CST);
		__atomic_fetch_add((uint64_t *)c->word[3], 1, __ATOMIC_SEQ_CST);
	}
}

static void *add(void *arg)
{
	/* After each so many the device rests, too, or a thread would hardly get a turn. */
	enum { GROUP = 41 };
	static __thread struct drm_mockgpu_cmd cmds[EACH / PORTION * 4 / (GROUP - 1) * GROUP];
	struct side *side = arg;
	struct contest *c = side->c;
	struct queue q = c->q[side->number];

	for (unsigned int i = 0; i < ARRAY_SIZE(cmds); i++) {
		unsigned int n = i % GROUP;

		cmds[i] = n == GROUP - 1 ? cmd_delay(20000) :
			  cmd_add(c->word[n % 4], 1U << n % 4, PORTION);
	}
	for (unsigned int round = 0; round < ROUNDS; round++) {
		uint64_t seqno = submit(q, cmds, ARRAY_SIZE(cmds), NULL);

		for (unsigned int n = 0; n < EACH; n += BURST) {
			cpu_adds(c, BURST);
			usleep(20);
		}
		FINISHES(q, seqno, 0);
	}
	atomic_fetch_sub(&c->running, 1);
	return NULL;
}

/* Both sides do @work, in RAM too; meanwhile something else is done until they are through. */
static void contend(struct contest *c, void *(*work)(void *), void (*meanwhile)(struct contest *))
{
	struct drm_mockgpu_counters before = gpu_counters(c->q[0].dev), after;
	struct side sides[2];
	uint64_t taken;

	gpu_needs(c->q[0].dev, MOCKGPU_CAP_EXCLUSIVE);
	c->running = 2;
	for (unsigned int i = 0; i < 2; i++) {
		sides[i] = (struct side){ .c = c, .number = i };
		sides[i].thread = thread_start(work, &sides[i]);
	}
	while (meanwhile && atomic_load(&c->running))
		meanwhile(c);
	for (unsigned int i = 0; i < 2; i++)
		thread_join(sides[i].thread);
	/* They did meet. */
	after = gpu_counters(c->q[0].dev);
	taken = after.invalidated_pages - before.invalidated_pages;
	note("%llu times a page was taken from the device, %llu pages to VRAM, %llu back by faults",
	     (unsigned long long)taken,
	     (unsigned long long)(after.pages_to_vram - before.pages_to_vram),
	     (unsigned long long)(after.pages_cpu_fault - before.pages_cpu_fault));
	CHECK_GE(taken, 2 * ROUNDS);
}

static void check_sums(struct contest *c, uint64_t sum)
{
	CHECK_EQ(*(uint8_t *)c->word[0], (uint8_t)sum);
	CHECK_EQ(*(uint16_t *)c->word[1], (uint16_t)sum);
	CHECK_EQ(*(uint32_t *)c->word[2], (uint32_t)sum);
	CHECK_EQ(*(uint64_t *)c->word[3], sum);
}

/* The words in one page, or each at the end of a page of its own. */
static struct contest contest(bool apart)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct contest c = { .npages = apart ? 4 : 1 };

	c.q[0] = queue_new(dev);
	c.q[1] = queue_new(dev);
	c.pages = map_hole(c.npages);
	memset(c.pages, 0, c.npages * PAGE);
	for (unsigned int i = 0; i < 4; i++)
		c.word[i] = (char *)c.pages + i * (apart ? PAGE : 64) + (apart ? PAGE - 8 : 8);
	return c;
}

static void D2_in_system_memory(void)
{
	struct contest c = contest(false);

	contend(&c, add, NULL);
	check_sums(&c, 4 * ADDS);
}

static void D2_in_pages_of_their_own(void)
{
	struct contest c = contest(true);

	contend(&c, add, NULL);
	check_sums(&c, 4 * ADDS);
}

static void to_vram(struct contest *c)
{
	struct mockgpu_migrated result;

	CHECK_EQ(mockgpu_migrate(c->q[0].dev, c->pages, c->npages * PAGE, MOCKGPU_TARGET_VRAM, 0,
				 &result, NULL), 0);
	CHECK_EQ(result.count[MOCKGPU_PAGE_MOVED] + result.count[MOCKGPU_PAGE_ALREADY] +
		 result.count[MOCKGPU_PAGE_BUSY], c->npages);
	usleep(200);
}

/* Every touch of a CPU brings the page home; the device adds in both places. */
static void D2_in_vram_as_often_as_it_comes_home(void)
{
	struct contest c = contest(false);
	struct drm_mockgpu_counters before = gpu_counters(c.q[0].dev), after;

	gpu_needs(c.q[0].dev, MOCKGPU_CAP_PRIVATE);
	to_vram(&c);
	contend(&c, add, to_vram);
	check_sums(&c, 4 * ADDS);
	after = gpu_counters(c.q[0].dev);
	CHECK_GE(after.pages_to_vram - before.pages_to_vram, ROUNDS);
	CHECK_GE(after.pages_cpu_fault - before.pages_cpu_fault, ROUNDS);
}

static void there_and_back(struct contest *c)
{
	struct mockgpu_migrated result;

	to_vram(c);
	CHECK_EQ(mockgpu_migrate(c->q[0].dev, c->pages, c->npages * PAGE, MOCKGPU_TARGET_SYSTEM, 0,
				 &result, NULL), 0);
	usleep(200);
}

static void D2_migrated_to_and_fro(void)
{
	struct contest c = contest(true);
	struct drm_mockgpu_counters before = gpu_counters(c.q[0].dev);

	contend(&c, add, there_and_back);
	check_sums(&c, 4 * ADDS);
	CHECK_GE(gpu_counters(c.q[0].dev).pages_to_vram - before.pages_to_vram, ROUNDS);
}

/* Only the device adds: in VRAM, and the pages stay there. */
static void D2_in_vram(void)
{
	enum { SUM = 25 * EACH };
	static struct drm_mockgpu_cmd cmds[SUM / PORTION * 4];
	struct contest c = contest(true);
	uint64_t first, second;

	for (unsigned int i = 0; i < ARRAY_SIZE(cmds); i++)
		cmds[i] = cmd_add(c.word[i % 4], 1U << i % 4, PORTION);
	TO_VRAM(c.q[0].dev, c.pages, 4);
	first = submit(c.q[0], cmds, ARRAY_SIZE(cmds), NULL);
	second = submit(c.q[1], cmds, ARRAY_SIZE(cmds), NULL);
	FINISHES(c.q[0], first, 0);
	FINISHES(c.q[1], second, 0);
	CHECK_PLACE(c.q[0].dev, c.pages, 4, IN_VRAM);
	check_sums(&c, 2 * SUM);
}

struct family {
	struct contest *c;
	uint64_t *seen;		/* by the child: the sums of 4 and 8 bytes */
};

/* What the child sees: as at some moment, and nothing after that. */
static void child_looks(void *arg)
{
	struct family *family = arg;
	struct contest *c = family->c;
	uint64_t words[4 * WORDS];

	family->seen[0] = *(uint32_t *)c->word[2];
	family->seen[1] = *(uint64_t *)c->word[3];
	memcpy(words, c->pages, c->npages * PAGE);
	sleep_ms(10);
	CHECK_EQ(memcmp(words, c->pages, c->npages * PAGE), 0);
	CHECK_EQ(*(uint64_t *)c->word[3], family->seen[1]);
	memset(c->pages, 0x77, c->npages * PAGE);
	sleep_ms(5);
	for (unsigned int i = 0; i < c->npages * WORDS; i++)
		CHECK_EQ(((uint64_t *)c->pages)[i], 0x7777777777777777);
}

static void fork_child(struct contest *c)
{
	static uint64_t *seen;
	uint64_t before[2], after[2];
	struct family family;
	pid_t child;

	if (!seen)
		seen = map_shared(1);
	family = (struct family){ c, seen };
	before[0] = *(volatile uint32_t *)c->word[2];
	before[1] = *(volatile uint64_t *)c->word[3];
	child = spawn(child_looks, &family);
	after[0] = *(volatile uint32_t *)c->word[2];
	after[1] = *(volatile uint64_t *)c->word[3];
	join(child);
	for (unsigned int i = 0; i < 2; i++) {
		CHECK_GE(seen[i], (long long)before[i]);
		CHECK_LE(seen[i], (long long)after[i]);
	}
}

static void D2_across_forks(void)
{
	struct contest c = contest(true);

	contend(&c, add, fork_child);
	check_sums(&c, 4 * ADDS);
}

static void fork_and_to_vram(struct contest *c)
{
	to_vram(c);
	fork_child(c);
}

static void D2_across_forks_in_vram(void)
{
	struct contest c = contest(false);

	contend(&c, add, fork_and_to_vram);
	check_sums(&c, 4 * ADDS);
}

/* All other operations: the words by operation, and what is known of each. */
enum { N = 100, PARTIES = 4, OPS = 7 };
#define TIMES	(N * ROUNDS)
enum { BITS, LEAST, MOST, TOGGLES, TURN, TOKENS, LEFT };

struct party {
	unsigned int number;
	uint64_t bit;		/* of BITS and TOGGLES */
	uint64_t turns;		/* of TURN: times that it was ours */
	uint64_t put, got;	/* of TOKENS: sums */
};

static struct party parties[PARTIES];

static uint64_t height(const struct party *p, unsigned int i)
{
	return (uint64_t)(i + 1) * PARTIES + p->number;
}

static uint64_t token(const struct party *p, unsigned int i)
{
	return (height(p, i) + 77) * 0x9e3779b97f4a7c15;
}

/* What the @i-th operation of each kind found has to fit with what came before. */
static void check_found(struct party *p, unsigned int i, const uint64_t found[OPS])
{
	uint64_t last = i ? height(p, i - 1) : 0;

	/* Our bit, which nobody else changes, is set and cleared in turn. */
	CHECK_EQ(!!(found[BITS] & p->bit), i % 2);
	CHECK_EQ(!!(found[TOGGLES] & p->bit), i % 2);
	CHECK_LE(found[LEAST], (long long)((1UL << 62) - last));
	CHECK_GE(found[MOST], (long long)last);
	CHECK(found[TURN] < PARTIES);
	p->turns += found[TURN] == p->number;
	p->put += token(p, i);
	p->got += found[TOKENS];
	/* Each takes one a time. */
	CHECK_LE(found[LEFT], (long long)(PARTIES * TIMES - i));
}

static void cpu_operates(struct contest *c, struct party *p, unsigned int i)
{
	uint64_t *word = c->pages, found[OPS], h = height(p, i), least = (1UL << 62) - h;

	found[BITS] = i % 2 ? __atomic_fetch_and(&word[BITS], ~p->bit, __ATOMIC_SEQ_CST) :
			      __atomic_fetch_or(&word[BITS], p->bit, __ATOMIC_SEQ_CST);
	found[LEAST] = __atomic_load_n(&word[LEAST], __ATOMIC_SEQ_CST);
	while (found[LEAST] > least &&
	       !__atomic_compare_exchange_n(&word[LEAST], &found[LEAST], least, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	found[MOST] = __atomic_load_n(&word[MOST], __ATOMIC_SEQ_CST);
	while (found[MOST] < h &&
	       !__atomic_compare_exchange_n(&word[MOST], &found[MOST], h, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	found[TOGGLES] = __atomic_fetch_xor(&word[TOGGLES], p->bit, __ATOMIC_SEQ_CST);
	found[TURN] = p->number;
	__atomic_compare_exchange_n(&word[TURN], &found[TURN], (p->number + 1) % PARTIES, false,
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	found[TOKENS] = __atomic_exchange_n(&word[TOKENS], token(p, i), __ATOMIC_SEQ_CST);
	found[LEFT] = __atomic_fetch_sub(&word[LEFT], 1, __ATOMIC_SEQ_CST);
	check_found(p, i, found);
}

static void gpu_operations(struct contest *c, const struct party *p, unsigned int i,
			   struct drm_mockgpu_cmd cmds[OPS + 1])
{
	uint64_t *word = c->pages, h = height(p, i);

	cmds[BITS] = i % 2 ? cmd_atomic(MOCKGPU_ATOMIC_AND, &word[BITS], 8, ~p->bit, 1) :
			     cmd_atomic(MOCKGPU_ATOMIC_OR, &word[BITS], 8, p->bit, 1);
	cmds[LEAST] = cmd_atomic(MOCKGPU_ATOMIC_MIN, &word[LEAST], 8, (1UL << 62) - h, 1);
	cmds[MOST] = cmd_atomic(MOCKGPU_ATOMIC_MAX, &word[MOST], 8, h, 1);
	cmds[TOGGLES] = cmd_atomic(MOCKGPU_ATOMIC_XOR, &word[TOGGLES], 8, p->bit, 1);
	cmds[TURN] = cmd_atomic(MOCKGPU_ATOMIC_CMPXCHG, &word[TURN], 8, (p->number + 1) % PARTIES,
				1);
	cmds[TURN].value2 = p->number;
	cmds[TOKENS] = cmd_atomic(MOCKGPU_ATOMIC_XCHG, &word[TOKENS], 8, token(p, i), 1);
	cmds[LEFT] = cmd_atomic(MOCKGPU_ATOMIC_SUB, &word[LEFT], 8, 1, 1);
	/* A thread has a turn, too. */
	cmds[OPS] = cmd_delay(20000);
}

static void *operate(void *arg)
{
	static __thread struct drm_mockgpu_result results[N * (OPS + 1)];
	static __thread struct drm_mockgpu_cmd cmds[N * (OPS + 1)];
	struct side *side = arg;
	struct party *cpu = &parties[side->number], *gpu = &parties[2 + side->number];
	struct queue q = side->c->q[side->number];
	uint64_t found[OPS], seqno;

	for (unsigned int first = 0; first < TIMES; first += N) {
		for (unsigned int i = 0; i < N; i++)
			gpu_operations(side->c, gpu, first + i, &cmds[i * (OPS + 1)]);
		seqno = submit(q, cmds, N * (OPS + 1), results);
		for (unsigned int i = 0; i < N; i++) {
			cpu_operates(side->c, cpu, first + i);
			usleep(20);
		}
		FINISHES(q, seqno, 0);
		for (unsigned int i = 0; i < N; i++) {
			for (unsigned int op = 0; op < OPS; op++)
				found[op] = results[i * (OPS + 1) + op].value;
			check_found(gpu, first + i, found);
		}
	}
	atomic_fetch_sub(&side->c->running, 1);
	return NULL;
}

static void all_operations(void (*meanwhile)(struct contest *))
{
	struct contest c = contest(false);
	uint64_t *word = c.pages, put = 12345, got = 0, turns = 0;

	word[LEAST] = 1UL << 62;
	word[TOKENS] = put;
	word[LEFT] = PARTIES * TIMES;
	for (unsigned int i = 0; i < PARTIES; i++)
		parties[i] = (struct party){ .number = i, .bit = 1UL << (8 * i + i) };
	contend(&c, operate, meanwhile);
	for (unsigned int i = 0; i < PARTIES; i++) {
		put += parties[i].put;
		got += parties[i].got;
		turns += parties[i].turns;
	}
	CHECK_EQ(word[BITS], 0);
	CHECK_EQ(word[TOGGLES], 0);
	CHECK_EQ(word[LEAST], (1UL << 62) - height(&parties[PARTIES - 1], TIMES - 1));
	CHECK_EQ(word[MOST], height(&parties[PARTIES - 1], TIMES - 1));
	CHECK_EQ(word[LEFT], 0);
	CHECK_EQ(got + word[TOKENS], put);
	/* It went round, so nobody had it more than once more often than another. */
	CHECK_EQ(word[TURN], turns % PARTIES);
	for (unsigned int i = 0; i < PARTIES; i++)
		CHECK_EQ(parties[i].turns, (turns + PARTIES - 1 - i) / PARTIES);
	note("the turn was passed %llu times", (unsigned long long)turns);
}

static void D2_other_operations_in_system_memory(void)
{
	all_operations(NULL);
}

static void D2_other_operations_migrated_to_and_fro(void)
{
	all_operations(there_and_back);
}

#define SCENARIO(name) { #name, name, 120, 0 }

const struct scenario scenarios[] = {
	SCENARIO(D2_in_system_memory),
	SCENARIO(D2_in_pages_of_their_own),
	SCENARIO(D2_in_vram),
	SCENARIO(D2_in_vram_as_often_as_it_comes_home),
	SCENARIO(D2_migrated_to_and_fro),
	SCENARIO(D2_across_forks),
	SCENARIO(D2_across_forks_in_vram),
	SCENARIO(D2_other_operations_in_system_memory),
	SCENARIO(D2_other_operations_migrated_to_and_fro),
	{ 0 }
};
