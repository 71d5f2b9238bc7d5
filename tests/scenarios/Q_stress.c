// SPDX-License-Identifier: MIT
/*
 * Random commands against random changes of the address space: row Q7.
 *
 * Four workers, each with a queue, own two stretches of addresses each, of small pages and of a
 * huge one.  The stretches lie side by side, so that what one does to its mappings disturbs the
 * others' commands.  A worker knows what is mapped in its stretches, how, and each byte of them; it
 * has the device and the CPU compare, and knows the outcome of every command that fails, too.  A
 * fifth thread moves pages of all of them and advises on them, which changes no byte.
 *
 * Nothing that is waited for takes longer than the bound that holds for all waits.
 *
 * MOCKGPU_STRESS_S is how many seconds it takes; 20 unless told.  MOCKGPU_SEED repeats what each
 * thread does, though not how they meet.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "process.h"
#include "queue.h"
#include "stretch.h"

#define WORKERS	4
#define SMALL	32UL		/* pages of a stretch of small ones */
#define BLOCK	STRETCH_MOST	/* ... of a huge one */
#define MOST	(8 * PAGE)	/* that one command works on */
#define BATCH	6		/* commands of a submission */
#define ELEMENTS 6		/* that a command gathers or scatters */

struct worker {
	struct queue q;
	unsigned int number;
	uint64_t random;
	struct stretch small, block;
	struct stretch *s;	/* the one that is worked on */
	uint8_t *elsewhere;	/* where a block can be moved */
	uint64_t index[BATCH][ELEMENTS];
	struct drm_mockgpu_cmd cmds[BATCH];
	struct drm_mockgpu_result want[BATCH];
	struct drm_mockgpu_result got[BATCH];
	unsigned int steps, failures, given_up, slow;
	uint64_t slowest;
};

static struct worker workers[WORKERS];
static uint64_t end_ns;
/* The stretches of small pages, and from the next 2 MiB on the blocks. */
static uint8_t *everything;
#define ALL_PAGES ((1 + WORKERS) * BLOCK)

static uint64_t next(uint64_t *state)
{
	/* xorshift64*: each thread has its own row, which the seed determines */
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

static uint64_t below(struct worker *w, uint64_t n)
{
	return (next(&w->random) >> 11) % n;
}

static uint8_t *page_at(const struct worker *w, size_t page)
{
	return w->s->base + page * PAGE;
}

/*
 * Something that the worker waited for since @start has ended.  On a machine that is busy otherwise
 * a wait may be over the bound once in a long while.
 */
static void in_time(struct worker *w, const char *what, uint64_t start)
{
	uint64_t took = now_ns() - start;

	w->slowest = took > w->slowest ? took : w->slowest;
	if (took <= BOUND_NS)
		return;
	note("worker %u, step %u: %s took %llu ms", w->number, w->steps, what,
	     (unsigned long long)(took / 1000000));
	w->slow++;
	CHECK_LE(took, 5 * BOUND_NS);
}

static void cpu_writes(struct worker *w, size_t page, size_t n)
{
	for (size_t i = page; i < page + n; i++)
		stretch_write(w->s, i * PAGE + below(w, PAGE / 8) * 8, next(&w->random));
}

static void check_all(const struct worker *w, const char *who)
{
	stretch_check(&w->small, 0, w->small.pages, who);
	stretch_check(&w->block, 0, w->block.pages, who);
}

/* A child has all of it as it is now, and what it writes is its own. */
static void fork_child(struct worker *w)
{
	pid_t child = (pid_t)CHECK_SYS(fork());

	if (!child) {
		check_all(w, "a child");
		for (size_t i = 0; i < w->s->pages; i++)
			if (w->s->state[i] == WRITABLE)
				memset(page_at(w, i), 0xdd, PAGE);
		_exit(0);
	}
	join(child);
}

/* The whole of it: mended, made anew, or taken to other addresses and back. */
static void change_whole(struct worker *w)
{
	switch (below(w, 3)) {
	case 0:
		stretch_repair(w->s);
		break;
	case 1:
		stretch_map(w->s, 0, w->s->pages);
		break;
	default:
		stretch_move_about(w->s, w->elsewhere);
	}
}

static void migrate(struct mockgpu_device *dev, void *p, size_t n, unsigned int target)
{
	int err = mockgpu_migrate(dev, p, n * PAGE, target, 0, NULL, NULL);

	if (err && err != -ENOMEM)
		FAIL("to place %u: %s", target, strerror(-err));
}

/* One change, or none; returns what it was. */
static const char *change_something(struct worker *w)
{
	size_t left, page = below(w, w->s->pages), n;

	left = w->s->pages - page;
	n = 1 + below(w, left < 8 ? left : 8);
	switch (below(w, 16)) {
	case 0:
	case 1:
		stretch_map(w->s, page, n);
		return "mmap()";
	case 2:
		if (below(w, 4) == 0)
			stretch_unmap(w->s, page, n);
		return "munmap()";
	case 3:
		if (below(w, 2) == 0)
			stretch_protect(w->s, page, n, NONE + below(w, 2));
		return "mprotect()";
	case 4:
		stretch_repair(w->s);
		return "mending the mapping";
	case 5:
		stretch_empty(w->s, page, n);
		return "madvise()";
	case 6:
		stretch_move(w->s, page, below(w, w->s->pages));
		return "mremap()";
	case 7:
		change_whole(w);
		return "a change of the whole";
	case 8:
		stretch_check(w->s, page, n, "the CPU");
		return "the CPU's look";
	case 9:
	case 10:
		migrate(w->q.dev, page_at(w, page), n, MOCKGPU_TARGET_VRAM);
		return "migration to VRAM";
	case 11:
		migrate(w->q.dev, page_at(w, page), n, MOCKGPU_TARGET_SYSTEM);
		return "migration to system memory";
	default:
		cpu_writes(w, page, n);
		return "the CPU's write";
	}
}

static int failed(const struct worker *w, struct drm_mockgpu_result *r, size_t at, int error,
		  uint32_t access)
{
	r->error = error;
	r->access = access;
	r->fault_addr = addr_of(w->s->base) + at;
	return error;
}

/* Each of these makes a command and says what comes of it; returns its errno. */

static int make_fill(struct worker *w, struct drm_mockgpu_cmd *cmd, struct drm_mockgpu_result *r)
{
	size_t at = below(w, w->s->bytes - MOST), len = 1 + below(w, MOST), can;
	unsigned int size = 1U << below(w, 4);
	uint64_t value = next(&w->random);
	int error;

	*cmd = cmd_fill(w->s->base + at, len, size, value);
	can = stretch_reach(w->s, at, len, true, &error);
	for (size_t i = 0; i < can; i++)
		w->s->model[at + i] = (uint8_t)(value >> 8 * (i % size));
	r->done = can;
	return error ? failed(w, r, at + can, error, MOCKGPU_ACCESS_WRITE) : 0;
}

static int make_copy(struct worker *w, struct drm_mockgpu_cmd *cmd, struct drm_mockgpu_result *r)
{
	size_t half = (w->s->bytes - 2 * MOST) / 2, len = 1 + below(w, MOST), can;
	size_t could;
	size_t low = below(w, half), high = half + MOST + below(w, half);
	bool up = below(w, 2);
	size_t from = up ? low : high, to = up ? high : low;
	int error, unwritable;

	*cmd = cmd_copy(w->s->base + to, w->s->base + from, len);
	/* What can be read is written. */
	could = stretch_reach(w->s, from, len, false, &error);
	can = stretch_reach(w->s, to, could, true, &unwritable);
	memcpy(w->s->model + to, w->s->model + from, can);
	r->done = can;
	if (unwritable)
		return failed(w, r, to + can, unwritable, MOCKGPU_ACCESS_WRITE);
	return error ? failed(w, r, from + can, error, MOCKGPU_ACCESS_READ) : 0;
}

static int make_checksum(struct worker *w, struct drm_mockgpu_cmd *cmd,
			 struct drm_mockgpu_result *r)
{
	size_t at = below(w, w->s->bytes - MOST), len = 1 + below(w, MOST), can;
	uint64_t sum = 0xcbf29ce484222325;
	int error;

	*cmd = cmd_checksum(w->s->base + at, len);
	can = stretch_reach(w->s, at, len, false, &error);
	for (size_t i = 0; i < can; i++)
		sum = (sum ^ w->s->model[at + i]) * 0x100000001b3;
	r->value = sum;
	r->done = can;
	return error ? failed(w, r, at + can, error, MOCKGPU_ACCESS_READ) : 0;
}

static int make_load(struct worker *w, struct drm_mockgpu_cmd *cmd, struct drm_mockgpu_result *r)
{
	size_t at = below(w, w->s->bytes - 8), size = 1UL << below(w, 4), can;
	int error;

	*cmd = cmd_load(w->s->base + at, (unsigned int)size);
	can = stretch_reach(w->s, at, size, false, &error);
	memcpy(&r->value, w->s->model + at, can);
	if (error)
		return failed(w, r, at + can, error, MOCKGPU_ACCESS_READ);
	r->done = size;
	return 0;
}

static int make_store(struct worker *w, struct drm_mockgpu_cmd *cmd, struct drm_mockgpu_result *r)
{
	size_t at = below(w, w->s->bytes - 8), size = 1UL << below(w, 4), can;
	uint64_t value = next(&w->random);
	int error;

	*cmd = cmd_store(w->s->base + at, (unsigned int)size, value);
	can = stretch_reach(w->s, at, size, true, &error);
	memcpy(w->s->model + at, &value, can < size ? can : size);
	if (error)
		return failed(w, r, at + can, error, MOCKGPU_ACCESS_WRITE);
	r->done = size;
	return 0;
}

/* ADD, SUB and XOR, as they tell a lost or doubled operation apart. */
static int make_atomic(struct worker *w, struct drm_mockgpu_cmd *cmd, struct drm_mockgpu_result *r)
{
	static const unsigned int ops[] = {
		MOCKGPU_ATOMIC_ADD, MOCKGPU_ATOMIC_SUB, MOCKGPU_ATOMIC_XOR,
	};
	size_t size = 1UL << below(w, 4), stride = below(w, 3 * PAGE / size) * size;
	size_t count = 1 + below(w, 5), at = below(w, (w->s->bytes - 16 * PAGE) / size) * size;
	unsigned int op = ops[below(w, ARRAY_SIZE(ops))];
	uint64_t value = next(&w->random), old, new;
	int error;

	*cmd = cmd_atomic(op, w->s->base + at, (unsigned int)size, value, count);
	cmd->stride = stride;
	for (; r->done < count; r->done++, at += stride) {
		stretch_reach(w->s, at, size, true, &error);
		if (error)
			return failed(w, r, at, error, MOCKGPU_ACCESS_ATOMIC);
		old = 0;
		memcpy(&old, w->s->model + at, size);
		new = op == MOCKGPU_ATOMIC_ADD ? old + value :
		      op == MOCKGPU_ATOMIC_SUB ? old - value : old ^ value;
		memcpy(w->s->model + at, &new, size);
		r->value = old;
	}
	return 0;
}

/* Elements in a row, and those that the offsets name, one after the other. */
static int make_elements(struct worker *w, struct drm_mockgpu_cmd *cmd,
			 struct drm_mockgpu_result *r)
{
	size_t size = 1UL << below(w, 4), row = below(w, w->s->bytes - ELEMENTS * 8), can;
	uint64_t *index = w->index[cmd - w->cmds];
	bool gather = below(w, 2);
	int error;

	for (unsigned int i = 0; i < ELEMENTS; i++)
		index[i] = below(w, w->s->bytes - 8);
	*cmd = cmd_elements(gather ? MOCKGPU_CMD_GATHER : MOCKGPU_CMD_SCATTER, w->s->base + row,
			    w->s->base, index, ELEMENTS, (unsigned int)size);
	for (; r->done < ELEMENTS; r->done++) {
		size_t inner = row + r->done * size, outer = index[r->done];
		size_t from = gather ? outer : inner, to = gather ? inner : outer;
		uint8_t element[8];

		can = stretch_reach(w->s, from, size, false, &error);
		if (error)
			return failed(w, r, from + can, error, MOCKGPU_ACCESS_READ);
		memcpy(element, w->s->model + from, size);
		can = stretch_reach(w->s, to, size, true, &error);
		memcpy(w->s->model + to, element, can);
		if (error)
			return failed(w, r, to + can, error, MOCKGPU_ACCESS_WRITE);
	}
	return 0;
}

static int (*const makers[])(struct worker *, struct drm_mockgpu_cmd *,
			     struct drm_mockgpu_result *) = {
	make_fill, make_copy, make_checksum, make_load, make_store, make_elements,
	make_atomic, make_atomic,
};

/* Without the last two where atomics are not to be had wherever a page is. */
static unsigned int nr_makers = ARRAY_SIZE(makers);

static void check_outcome(const struct worker *w, unsigned int i)
{
	const struct drm_mockgpu_result *want = &w->want[i];
	struct drm_mockgpu_result got = w->got[i];

	/* These depend on what the others do. */
	got.faults = 0;
	got.migrations = 0;
	if (memcmp(&got, want, sizeof(got)))
		note("worker %u, step %u, command %u (%u): error %d for %d, access %u at %llx of %s",
		     w->number, w->steps, i, w->cmds[i].op, got.error, want->error, got.access,
		     (unsigned long long)(got.fault_addr - addr_of(w->s->base)), w->s->name);
	CHECK_RESULT(&got, .value = want->value, .done = want->done,
		     .fault_addr = want->fault_addr, .error = want->error,
		     .access = want->access);
}

/*
 * Whether the device gave up at this command, as it may where others change the mappings for a
 * second on end: on a machine that is busy otherwise.  What it did before is then taken over.
 */
static bool given_up(struct worker *w, unsigned int i, unsigned int n)
{
	if (w->got[i].error != -EBUSY)
		return false;
	note("worker %u, step %u, command %u (%u) given up: access %u at %llx of %s", w->number,
	     w->steps, i, w->cmds[i].op, w->got[i].access,
	     (unsigned long long)(w->got[i].fault_addr - addr_of(w->s->base)), w->s->name);
	while (++i < n)
		CHECK_EQ(w->got[i].error, -ECANCELED);
	for (size_t page = 0; page < w->s->pages; page++)
		if (w->s->state[page] == WRITABLE)
			memcpy(w->s->model + page * PAGE, page_at(w, page), PAGE);
	w->given_up++;
	return true;
}

static void submit_some(struct worker *w)
{
	unsigned int n = 1 + (unsigned int)below(w, BATCH);
	int error = 0, finished;

	memset(w->want, 0, sizeof(w->want));
	memset(w->got, 0xee, sizeof(w->got));
	for (unsigned int i = 0; i < n; i++) {
		if (!error) {
			error = makers[below(w, nr_makers)](w, &w->cmds[i], &w->want[i]);
		} else {
			w->cmds[i] = cmd_load(w->s->base, 1);
			w->want[i].error = -ECANCELED;
		}
	}
	CHECK_EQ(mockgpu_wait(w->q.dev, w->q.id, submit(w->q, w->cmds, n, w->got),
			      30 * NS_PER_S, &finished), 0);
	for (unsigned int i = 0; i < n; i++) {
		if (given_up(w, i, n))
			return;
		check_outcome(w, i);
	}
	CHECK_EQ(finished, error);
	w->failures += !!error;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct stretch *both[] = { &w->small, &w->block };

	while (now_ns() < end_ns) {
		uint64_t start = now_ns();

		w->steps++;
		w->s = both[below(w, 2)];
		in_time(w, change_something(w), start);
		if (below(w, 128) == 0)
			fork_child(w);
		start = now_ns();
		submit_some(w);
		in_time(w, "a submission", start);
	}
	check_all(w, "the CPU at the end");
	return NULL;
}

static void prefetch_some(struct worker *w, void *p, size_t n)
{
	static const unsigned int places[] = {
		MOCKGPU_PLACE_ANY, MOCKGPU_PLACE_SYSTEM, MOCKGPU_PLACE_DEVICE(0),
	};
	int err = mockgpu_prefetch(w->q.dev, p, n * PAGE, places[below(w, 3)],
				   below(w, 2) ? MOCKGPU_PREFETCH_WRITE : 0, NULL, NULL);

	if (err && err != -ENOMEM)
		FAIL("prefetch: %s", strerror(-err));
}

/* Nothing that makes commands fail which would work otherwise. */
static void advise_some(struct worker *w, void *p, size_t n)
{
	static const struct { unsigned int attr, most; } attributes[] = {
		{ MOCKGPU_ADVICE_TOUCH, 4 }, { MOCKGPU_ADVICE_READ_MOSTLY, 1 },
		{ MOCKGPU_ADVICE_GRANULARITY, 9 }, { MOCKGPU_ADVICE_FAULT_AROUND, 6 },
		{ MOCKGPU_ADVICE_TIME_SLICE, 20 },
	};
	unsigned int i = (unsigned int)below(w, ARRAY_SIZE(attributes) + 2);
	int err;

	if (i < ARRAY_SIZE(attributes))
		err = mockgpu_advise(w->q.dev, p, n * PAGE, attributes[i].attr,
				     below(w, attributes[i].most + 1));
	else if (i == ARRAY_SIZE(attributes))
		err = mockgpu_advise_reset(w->q.dev, p, n * PAGE);
	else
		err = mockgpu_advise(w->q.dev, p, n * PAGE, MOCKGPU_ADVICE_PLACE,
				     MOCKGPU_PLACE_DEVICE(0));
	if (err)
		FAIL("advise: %s", strerror(-err));
}

/* What moves pages, and changes nothing of what is in them. */
static const char *shake_once(struct worker *w)
{
	size_t page = below(w, ALL_PAGES), left = ALL_PAGES - page, n;
	void *p = AT(everything, page);
	int err;

	if (below(w, 4) == 0)
		p = AT(everything, page = page & ~(BLOCK - 1));
	left = ALL_PAGES - page;
	n = 1 + below(w, left < 64 ? left : 64);
	if (below(w, 4) == 0)
		n = left < BLOCK ? left : BLOCK;
	switch (below(w, 10)) {
	case 0:
		err = mockgpu_evict(w->q.dev, p, n * PAGE, NULL);
		if (err)
			FAIL("evict: %s", strerror(-err));
		return "eviction";
	case 1:
		madvise(p, n * PAGE, MADV_COLD);
		return "MADV_COLD";
	case 2:
		madvise(p, n * PAGE, MADV_PAGEOUT);
		return "MADV_PAGEOUT";
	case 3:
		madvise(p, n * PAGE, 25 /* MADV_COLLAPSE */);
		return "MADV_COLLAPSE";
	case 4:
	case 5:
		prefetch_some(w, p, n);
		return "prefetch";
	case 6:
	case 7:
		advise_some(w, p, n);
		return "advice";
	default:
		migrate(w->q.dev, p, n, (unsigned int)below(w, 2));
		return "migration";
	}
}

static void *shake(void *arg)
{
	struct worker *w = arg;

	while (now_ns() < end_ns) {
		uint64_t start = now_ns();

		in_time(w, shake_once(w), start);
		w->steps++;
		sleep_ms((unsigned int)below(w, 8));
	}
	return NULL;
}

static void Q7_random_commands_and_changes(void)
{
	static const char *const names[WORKERS][2] = {
		{ "the first's", "the first's block" }, { "the second's", "the second's block" },
		{ "the third's", "the third's block" }, { "the fourth's", "the fourth's block" },
	};
	const char *text = getenv("MOCKGPU_STRESS_S");
	uint64_t seconds = text && *text ? strtoull(text, NULL, 10) : 20;
	struct worker shaker = {
		.q.dev = gpu_open(0), .random = random_u64() | 1, .number = WORKERS,
	};
	pthread_t threads[WORKERS], other;

	if (!gpu_has(shaker.q.dev, MOCKGPU_CAP_EXCLUSIVE))
		nr_makers -= 2;
	everything = map_arena(ALL_PAGES);
	end_ns = now_ns() + seconds * NS_PER_S;
	for (unsigned int i = 0; i < WORKERS; i++) {
		struct worker *w = &workers[i];

		w->q = queue_new(shaker.q.dev);
		w->number = i;
		w->random = random_u64() | 1;
		w->small = stretch_new(names[i][0], AT(everything, i * SMALL), SMALL, false);
		w->block = stretch_new(names[i][1], AT(everything, (1 + i) * BLOCK), BLOCK, true);
		w->elsewhere = map_arena(BLOCK);
	}
	for (unsigned int i = 0; i < WORKERS; i++)
		threads[i] = thread_start(work, &workers[i]);
	other = thread_start(shake, &shaker);
	for (unsigned int i = 0; i < WORKERS; i++)
		thread_join(threads[i]);
	thread_join(other);
	for (unsigned int i = 0; i < WORKERS; i++) {
		note("worker %u: %u steps, in %u a command failed as it had to, slowest %llu ms", i,
		     workers[i].steps, workers[i].failures,
		     (unsigned long long)(workers[i].slowest / 1000000));
		CHECK_GE(workers[i].steps, 20);
		CHECK_LE(workers[i].given_up, 1 + workers[i].steps / 1000);
		CHECK_LE(workers[i].slow, workers[i].steps / 10000);
	}
	note("pages moved %u times, slowest %llu ms", shaker.steps,
	     (unsigned long long)(shaker.slowest / 1000000));
	CHECK_LE(shaker.slow, shaker.steps / 10000);
}

#define SCENARIO(name) { #name, name, 900, 0 }

const struct scenario scenarios[] = {
	SCENARIO(Q7_random_commands_and_changes),
	{ 0 }
};
