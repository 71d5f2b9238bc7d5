// SPDX-License-Identifier: MIT
/*
 * Random commands against random changes of the address space: row Q7.
 *
 * Four workers, each with a queue, own a stretch of addresses each; the stretches lie side by side,
 * so that what one does to its mappings disturbs the others' commands.  A worker knows what is
 * mapped in its stretch, how, and each byte of it; it has the device and the CPU compare, and
 * knows the outcome of every command that fails, too.  A fifth thread moves pages of all of them,
 * which changes no byte.
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

#define WORKERS	4
#define N	32		/* pages of each */
#define BYTES	(N * PAGE)
#define MOST	(8 * PAGE)	/* that one command works on */
#define BATCH	6		/* commands of a submission */

enum state { UNMAPPED, NONE, READ_ONLY, WRITABLE };

struct worker {
	struct queue q;
	unsigned int number;
	uint64_t random;
	uint8_t *base;
	uint8_t *model;
	enum state state[N];
	struct drm_mockgpu_cmd cmds[BATCH];
	struct drm_mockgpu_result want[BATCH];
	struct drm_mockgpu_result got[BATCH];
	unsigned int steps, failures;
};

static struct worker workers[WORKERS];
static uint64_t end_ns;
static uint8_t *everything;

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
	return w->base + page * PAGE;
}

/* Changes of the mapping; the model follows. */

static void map_anew(struct worker *w, size_t page, size_t n)
{
	map_fixed(page_at(w, page), n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	memset(w->model + page * PAGE, 0, n * PAGE);
	for (size_t i = page; i < page + n; i++)
		w->state[i] = WRITABLE;
}

static void take_away(struct worker *w, size_t page, size_t n)
{
	unmap(page_at(w, page), n);
	for (size_t i = page; i < page + n; i++)
		w->state[i] = UNMAPPED;
}

static void protect(struct worker *w, size_t page, size_t n, enum state state)
{
	static const int protection[] = { 0, PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };

	for (size_t i = page; i < page + n; i++)
		if (w->state[i] != UNMAPPED) {
			CHECK_SYS(mprotect(page_at(w, i), PAGE, protection[state]));
			w->state[i] = state;
		}
}

/* All of it is there and writable again, or most commands would fail after a while. */
static void repair(struct worker *w)
{
	protect(w, 0, N, WRITABLE);
	for (size_t i = 0; i < N; i++)
		if (w->state[i] == UNMAPPED)
			map_anew(w, i, 1);
}

static void empty(struct worker *w, size_t page, size_t n)
{
	for (size_t i = page; i < page + n; i++)
		if (w->state[i] != UNMAPPED) {
			CHECK_SYS(madvise(page_at(w, i), PAGE, MADV_DONTNEED));
			memset(w->model + i * PAGE, 0, PAGE);
		}
}

static void move(struct worker *w, size_t from)
{
	size_t to = below(w, N);

	if (w->state[from] == UNMAPPED || to == from)
		return;
	CHECK(mremap(page_at(w, from), PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		     page_at(w, to)) == page_at(w, to));
	memcpy(w->model + to * PAGE, w->model + from * PAGE, PAGE);
	w->state[to] = w->state[from];
	w->state[from] = UNMAPPED;
}

/* The CPU's look at all that it may read. */
static void check_all(const struct worker *w, const char *who)
{
	for (size_t i = 0; i < N; i++) {
		const uint8_t *p = page_at(w, i), *m = w->model + i * PAGE;

		if (w->state[i] < READ_ONLY || !memcmp(p, m, PAGE))
			continue;
		for (size_t b = 0; b < PAGE; b++)
			if (p[b] != m[b])
				FAIL("worker %u, step %u: %s sees %02x for %02x in byte %zu of page %zu",
				     w->number, w->steps, who, p[b], m[b], b, i);
	}
}

static void cpu_writes(struct worker *w, size_t page, size_t n)
{
	for (size_t i = page; i < page + n; i++)
		if (w->state[i] == WRITABLE) {
			size_t at = i * PAGE + below(w, PAGE / 8) * 8;
			uint64_t value = next(&w->random);

			memcpy(w->base + at, &value, 8);
			memcpy(w->model + at, &value, 8);
		}
}

/* A child has all of it as it is now, and what it writes is its own. */
static void fork_child(struct worker *w)
{
	pid_t child = (pid_t)CHECK_SYS(fork());

	if (!child) {
		check_all(w, "a child");
		for (size_t i = 0; i < N; i++)
			if (w->state[i] == WRITABLE)
				memset(page_at(w, i), 0xdd, PAGE);
		_exit(0);
	}
	join(child);
}

static void migrate(struct mockgpu_device *dev, void *p, size_t n, unsigned int target)
{
	int err = mockgpu_migrate(dev, p, n * PAGE, target, 0, NULL, NULL);

	if (err && err != -ENOMEM)
		FAIL("to place %u: %s", target, strerror(-err));
}

static void change(struct worker *w)
{
	size_t page = below(w, N), n = 1 + below(w, N - page < 8 ? N - page : 8);

	switch (below(w, 16)) {
	case 0:
	case 1:
		map_anew(w, page, n);
		break;
	case 2:
		if (below(w, 4) == 0)
			take_away(w, page, n);
		break;
	case 3:
		if (below(w, 2) == 0)
			protect(w, page, n, NONE + below(w, 2));
		break;
	case 4:
		repair(w);
		break;
	case 5:
		empty(w, page, n);
		break;
	case 6:
		move(w, page);
		break;
	case 7:
		if (below(w, 8) == 0)
			fork_child(w);
		break;
	case 8:
		check_all(w, "the CPU");
		break;
	case 9:
	case 10:
		migrate(w->q.dev, page_at(w, page), n, MOCKGPU_TARGET_VRAM);
		break;
	case 11:
		migrate(w->q.dev, page_at(w, page), n, MOCKGPU_TARGET_SYSTEM);
		break;
	default:
		cpu_writes(w, page, n);
	}
}

/*
 * How far an access comes: bytes from @at on; *error is why not further.  A page that is not
 * writable is -EPERM only if it can be read.
 */
static size_t reach(const struct worker *w, size_t at, size_t len, bool write, int *error)
{
	size_t b = at;

	*error = 0;
	while (b < at + len) {
		enum state state = w->state[b / PAGE];

		if (state < READ_ONLY)
			*error = -EFAULT;
		else if (write && state == READ_ONLY)
			*error = -EPERM;
		if (*error)
			return b - at;
		b = (b / PAGE + 1) * PAGE;
	}
	return len;
}

static int failed(const struct worker *w, struct drm_mockgpu_result *r, size_t at, int error,
		  uint32_t access)
{
	r->error = error;
	r->access = access;
	r->fault_addr = addr_of(w->base) + at;
	return error;
}

/* Each of these makes a command and says what comes of it; returns its errno. */

static int make_fill(struct worker *w, struct drm_mockgpu_cmd *cmd, struct drm_mockgpu_result *r)
{
	size_t at = below(w, BYTES - MOST), len = 1 + below(w, MOST), can;
	unsigned int size = 1U << below(w, 4);
	uint64_t value = next(&w->random);
	int error;

	*cmd = cmd_fill(w->base + at, len, size, value);
	can = reach(w, at, len, true, &error);
	for (size_t i = 0; i < can; i++)
		w->model[at + i] = (uint8_t)(value >> 8 * (i % size));
	r->done = can;
	return error ? failed(w, r, at + can, error, MOCKGPU_ACCESS_WRITE) : 0;
}

static int make_copy(struct worker *w, struct drm_mockgpu_cmd *cmd, struct drm_mockgpu_result *r)
{
	size_t half = (BYTES - 2 * MOST) / 2, len = 1 + below(w, MOST), can;
	size_t could;
	size_t low = below(w, half), high = half + MOST + below(w, half);
	bool up = below(w, 2);
	size_t from = up ? low : high, to = up ? high : low;
	int error, unwritable;

	*cmd = cmd_copy(w->base + to, w->base + from, len);
	/* What can be read is written. */
	could = reach(w, from, len, false, &error);
	can = reach(w, to, could, true, &unwritable);
	memcpy(w->model + to, w->model + from, can);
	r->done = can;
	if (unwritable)
		return failed(w, r, to + can, unwritable, MOCKGPU_ACCESS_WRITE);
	return error ? failed(w, r, from + can, error, MOCKGPU_ACCESS_READ) : 0;
}

static int make_checksum(struct worker *w, struct drm_mockgpu_cmd *cmd,
			 struct drm_mockgpu_result *r)
{
	size_t at = below(w, BYTES - MOST), len = 1 + below(w, MOST), can;
	uint64_t sum = 0xcbf29ce484222325;
	int error;

	*cmd = cmd_checksum(w->base + at, len);
	can = reach(w, at, len, false, &error);
	for (size_t i = 0; i < can; i++)
		sum = (sum ^ w->model[at + i]) * 0x100000001b3;
	r->value = sum;
	r->done = can;
	return error ? failed(w, r, at + can, error, MOCKGPU_ACCESS_READ) : 0;
}

static int make_store(struct worker *w, struct drm_mockgpu_cmd *cmd, struct drm_mockgpu_result *r)
{
	size_t at = below(w, BYTES - 8), size = 1UL << below(w, 4), can;
	uint64_t value = next(&w->random);
	int error;

	*cmd = cmd_store(w->base + at, (unsigned int)size, value);
	can = reach(w, at, size, true, &error);
	memcpy(w->model + at, &value, can < size ? can : size);
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
	size_t count = 1 + below(w, 5), at = below(w, (BYTES - 16 * PAGE) / size) * size;
	unsigned int op = ops[below(w, ARRAY_SIZE(ops))];
	uint64_t value = next(&w->random), old, new;
	int error;

	*cmd = cmd_atomic(op, w->base + at, (unsigned int)size, value, count);
	cmd->stride = stride;
	for (; r->done < count; r->done++, at += stride) {
		reach(w, at, size, true, &error);
		if (error)
			return failed(w, r, at, error, MOCKGPU_ACCESS_ATOMIC);
		old = 0;
		memcpy(&old, w->model + at, size);
		new = op == MOCKGPU_ATOMIC_ADD ? old + value :
		      op == MOCKGPU_ATOMIC_SUB ? old - value : old ^ value;
		memcpy(w->model + at, &new, size);
		r->value = old;
	}
	return 0;
}

static int (*const makers[])(struct worker *, struct drm_mockgpu_cmd *,
			     struct drm_mockgpu_result *) = {
	make_fill, make_copy, make_checksum, make_store, make_atomic, make_atomic,
};

static void submit_some(struct worker *w)
{
	unsigned int n = 1 + (unsigned int)below(w, BATCH);
	struct drm_mockgpu_result rest;
	int error = 0;

	memset(w->want, 0, sizeof(w->want));
	memset(w->got, 0xee, sizeof(w->got));
	for (unsigned int i = 0; i < n; i++) {
		if (!error) {
			error = makers[below(w, ARRAY_SIZE(makers))](w, &w->cmds[i], &w->want[i]);
		} else {
			w->cmds[i] = cmd_load(w->base, 1);
			w->want[i].error = -ECANCELED;
		}
	}
	FINISHES(w->q, submit(w->q, w->cmds, n, w->got), error);
	for (unsigned int i = 0; i < n; i++) {
		rest = w->got[i];
		/* These depend on what the others do. */
		rest.faults = 0;
		rest.migrations = 0;
		if (memcmp(&rest, &w->want[i], sizeof(rest)))
			note("worker %u, step %u, command %u (%u)", w->number, w->steps, i,
			     w->cmds[i].op);
		CHECK_RESULT(&rest, .value = w->want[i].value, .done = w->want[i].done,
			     .fault_addr = w->want[i].fault_addr, .error = w->want[i].error,
			     .access = w->want[i].access);
	}
	w->failures += !!error;
}

static void *work(void *arg)
{
	struct worker *w = arg;

	map_anew(w, 0, N);
	while (now_ns() < end_ns) {
		w->steps++;
		change(w);
		submit_some(w);
	}
	check_all(w, "the CPU at the end");
	return NULL;
}

/* What moves pages, and changes nothing of what is in them. */
static void *shake(void *arg)
{
	struct worker *w = arg;

	while (now_ns() < end_ns) {
		size_t page = below(w, WORKERS * N), n = 1 + below(w, WORKERS * N - page);
		void *p = AT(everything, page);
		int err = 0;

		switch (below(w, 5)) {
		case 0:
			err = mockgpu_evict(w->q.dev, p, n * PAGE, NULL);
			break;
		case 1:
			madvise(p, n * PAGE, MADV_COLD);
			break;
		case 2:
			madvise(p, n * PAGE, MADV_PAGEOUT);
			break;
		default:
			migrate(w->q.dev, p, n, (unsigned int)below(w, 2));
		}
		if (err)
			FAIL("evict: %s", strerror(-err));
		w->steps++;
		sleep_ms((unsigned int)below(w, 8));
	}
	return NULL;
}

static void Q7_random_commands_and_changes(void)
{
	const char *text = getenv("MOCKGPU_STRESS_S");
	uint64_t seconds = text && *text ? strtoull(text, NULL, 10) : 20;
	struct worker shaker = { .q.dev = gpu_open_private(), .random = random_u64() | 1 };
	pthread_t threads[WORKERS], other;

	everything = map_arena(WORKERS * N);
	end_ns = now_ns() + seconds * NS_PER_S;
	for (unsigned int i = 0; i < WORKERS; i++) {
		struct worker *w = &workers[i];

		w->q = queue_new(shaker.q.dev);
		w->number = i;
		w->random = random_u64() | 1;
		w->base = AT(everything, i * N);
		w->model = map_hole(N);
	}
	for (unsigned int i = 0; i < WORKERS; i++)
		threads[i] = thread_start(work, &workers[i]);
	other = thread_start(shake, &shaker);
	for (unsigned int i = 0; i < WORKERS; i++)
		thread_join(threads[i]);
	thread_join(other);
	for (unsigned int i = 0; i < WORKERS; i++) {
		note("worker %u: %u steps, in %u a command failed as it had to", i,
		     workers[i].steps, workers[i].failures);
		CHECK_GE(workers[i].steps, 20);
	}
	note("pages moved %u times", shaker.steps);
}

#define SCENARIO(name) { #name, name, 900, 0 }

const struct scenario scenarios[] = {
	SCENARIO(Q7_random_commands_and_changes),
	{ 0 }
};
