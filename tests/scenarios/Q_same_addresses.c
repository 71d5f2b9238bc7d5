// SPDX-License-Identifier: MIT
/*
 * Four queues and four threads at the same addresses: row Q7, continued.
 *
 * The threads map, unmap, protect, move, discard and fork what the queues' commands work on at that
 * moment, so nobody can know what a command will find.  But only bytes of a certain kind are ever
 * written there: whatever is found is one of those, or 0, or an error that the mapping explains.
 * All other memory of the process has bytes of another kind, which would be noticed.
 *
 * MOCKGPU_STRESS_S and MOCKGPU_SEED as in Q_stress.c; 10 s unless told.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "process.h"
#include "queue.h"

#define PAGES	1024UL		/* two blocks of 2 MiB */
#define BYTES	(PAGES * PAGE)
#define MOST	(16 * PAGE)	/* that one command works on */

struct worker {
	struct queue q;
	struct mockgpu_device *dev;
	uint64_t random;
	uint8_t *copy;		/* where a command's finds are put */
	unsigned int steps, good, refused;
	uint64_t slowest;
};

static uint8_t *common;
static uint64_t end_ns;
static bool atomics;	/* wherever a page is */

static uint64_t next(struct worker *w)
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return w->random * 0x2545f4914f6cdd1dULL;
}

static uint64_t below(struct worker *w, uint64_t n)
{
	return (next(w) >> 11) % n;
}

/* A byte that may stand there, in each of 8. */
static uint64_t some_bytes(struct worker *w)
{
	return (0xa0 + below(w, 8)) * 0x0101010101010101;
}

static void check_bytes(const uint8_t *bytes, size_t n, const char *who)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i] && (bytes[i] & 0xf8) != 0xa0)
			FAIL("%s finds a foreign byte, %02x", who, bytes[i]);
}

static void in_time(struct worker *w, const char *what, uint64_t start)
{
	uint64_t took = now_ns() - start;

	if (took > BOUND_NS)
		FAIL("%s took %llu ms", what, (unsigned long long)(took / 1000000));
	w->slowest = took > w->slowest ? took : w->slowest;
}

static struct drm_mockgpu_cmd some_command(struct worker *w)
{
	uint64_t at = below(w, BYTES - MOST), len = 1 + below(w, MOST), word = some_bytes(w);
	uint8_t *p = common + at, *aligned = common + (at & ~7UL);
	size_t far = (at + BYTES / 2) % (BYTES - MOST);
	struct drm_mockgpu_cmd cmd;

	switch (below(w, atomics ? 8 : 6)) {
	case 0:
		return cmd_fill(p, len, 1U << below(w, 4), word);
	case 1:
		if (at < far ? far - at < len : at - far < len)
			len = 1;
		return cmd_copy(p, common + far, len);
	case 2:
		return cmd_copy(w->copy, p, len);
	case 3:
		return cmd_checksum(p, len);
	case 4:
		return cmd_load(p, 8);
	case 5:
		return cmd_store(p, 1U << below(w, 4), word);
	case 6:
		cmd = cmd_atomic(MOCKGPU_ATOMIC_XCHG, aligned, 8, word, 1 + below(w, 20));
		cmd.stride = below(w, 64) * 8;
		return cmd;
	default:
		return cmd_atomic(MOCKGPU_ATOMIC_CMPXCHG, aligned, 1, word, 1);
	}
}

/* What a command found, and how it ended. */
static void check_outcome(struct worker *w, const struct drm_mockgpu_cmd *cmd,
			  const struct drm_mockgpu_result *r)
{
	uintptr_t at = r->fault_addr - addr_of(common);

	if (cmd->op == MOCKGPU_CMD_LOAD || cmd->op == MOCKGPU_CMD_ATOMIC)
		check_bytes((const uint8_t *)&r->value, sizeof(r->value), "a command");
	if (cmd->op == MOCKGPU_CMD_COPY && cmd->addr == addr_of(w->copy))
		check_bytes(w->copy, r->done, "a copy");
	if (!r->error) {
		CHECK_EQ(r->fault_addr, 0);
		w->good++;
		return;
	}
	/* -EBUSY: the mapping changed for as long as it was tried. */
	if (r->error != -EFAULT && r->error != -EPERM && r->error != -EBUSY)
		FAIL("command %u: %s", cmd->op, strerror(-r->error));
	CHECK(at < BYTES);
	CHECK(r->access != MOCKGPU_ACCESS_NONE);
	w->refused++;
}

/* One after the other, as the first that fails would keep the rest from being executed. */
static void *give_commands(void *arg)
{
	struct drm_mockgpu_result result;
	struct worker *w = arg;

	while (now_ns() < end_ns) {
		struct drm_mockgpu_cmd cmd = some_command(w);
		uint64_t start = now_ns(), seqno;
		int error;

		memset(&result, 0xee, sizeof(result));
		seqno = submit(w->q, &cmd, 1, &result);
		CHECK_EQ(mockgpu_wait(w->q.dev, w->q.id, seqno, 30 * NS_PER_S, &error), 0);
		in_time(w, "a command", start);
		CHECK_EQ(result.error, error);
		check_outcome(w, &cmd, &result);
		w->steps++;
	}
	return NULL;
}

/* The CPU's accesses go by system calls, which say where they cannot. */
static void cpu_looks(struct worker *w, void *p, size_t n)
{
	struct iovec here = { w->copy, n }, there = { p, n };
	ssize_t got = process_vm_readv(getpid(), &here, 1, &there, 1, 0);

	if (got < 0)
		CHECK_EQ(errno, EFAULT);
	else
		check_bytes(w->copy, (size_t)got, "a CPU");
}

static void cpu_writes(struct worker *w, void *p, size_t n)
{
	struct iovec here = { w->copy, n }, there = { p, n };

	memset(w->copy, (int)(some_bytes(w) & 0xff), n);
	if (process_vm_writev(getpid(), &here, 1, &there, 1, 0) < 0)
		CHECK_EQ(errno, EFAULT);
}

static void child_looks(void *arg)
{
	struct worker *w = arg;

	for (size_t page = 0; page < PAGES; page += 16) {
		cpu_looks(w, AT(common, page), PAGE);
		cpu_writes(w, AT(common, page), PAGE);
	}
}

static void map(void *p, size_t pages, bool huge)
{
	CHECK(mmap(p, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		   -1, 0) == p);
	/* Others may have taken it away again. */
	madvise(p, pages * PAGE, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

static const char *change_something(struct worker *w)
{
	static const int protections[] = {
		PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE,
	};
	size_t page = below(w, PAGES), left = PAGES - page, n = 1 + below(w, left < 64 ? left : 64);
	void *p = AT(common, page), *block = AT(common, below(w, 2) * (PAGES / 2));

	switch (below(w, 16)) {
	case 0:
	case 1:
		map(p, n, false);
		return "mmap()";
	case 2:
		map(block, PAGES / 2, true);
		return "mmap() of a block";
	case 3:
		unmap(p, n);
		return "munmap()";
	case 4:
	case 5:
		mprotect(p, n * PAGE, protections[below(w, ARRAY_SIZE(protections))]);
		return "mprotect()";
	case 6:
		/* Where one is not mapped, or is the other, nothing happens. */
		mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, AT(common, below(w, PAGES)));
		return "mremap()";
	case 7:
		madvise(p, n * PAGE, MADV_DONTNEED);
		return "MADV_DONTNEED";
	case 8:
		madvise(p, n * PAGE, below(w, 2) ? MADV_PAGEOUT : MADV_FREE);
		return "MADV_PAGEOUT or MADV_FREE";
	case 9:
		if (below(w, 8) == 0)
			join(spawn(child_looks, w));
		return "fork()";
	case 10:
	case 11:
		mockgpu_migrate(w->dev, p, n * PAGE, (unsigned int)below(w, 2), 0, NULL, NULL);
		return "migration";
	case 12:
		mockgpu_prefetch(w->dev, p, n * PAGE, below(w, 2) ? MOCKGPU_PLACE_DEVICE(0) :
				 MOCKGPU_PLACE_ANY, (unsigned int)below(w, 2), NULL, NULL);
		return "prefetch";
	case 13:
		mockgpu_advise(w->dev, block, BYTES / 2, MOCKGPU_ADVICE_PLACE,
			       below(w, 2) ? MOCKGPU_PLACE_DEVICE(0) : MOCKGPU_PLACE_ANY);
		return "advice";
	case 14:
		cpu_looks(w, p, n * PAGE);
		return "the CPU's look";
	default:
		cpu_writes(w, p, n * PAGE);
		return "the CPU's write";
	}
}

static void *change_on(void *arg)
{
	struct worker *w = arg;

	while (now_ns() < end_ns) {
		uint64_t start = now_ns();

		in_time(w, change_something(w), start);
		w->steps++;
		usleep((unsigned int)below(w, 2000));
	}
	return NULL;
}

static void Q7_all_at_the_same_addresses(void)
{
	enum { QUEUES = 4, THREADS = 4 };
	static struct worker workers[QUEUES + THREADS];
	const char *text = getenv("MOCKGPU_STRESS_S");
	uint64_t seconds = text && *text ? strtoull(text, NULL, 10) : 10;
	struct mockgpu_device *dev = gpu_open(0);
	pthread_t threads[QUEUES + THREADS];

	atomics = gpu_has(dev, MOCKGPU_CAP_EXCLUSIVE);
	common = map_arena(PAGES);
	map(common, PAGES, true);
	end_ns = now_ns() + seconds * NS_PER_S;
	for (unsigned int i = 0; i < QUEUES + THREADS; i++) {
		struct worker *w = &workers[i];

		w->random = random_u64() | 1;
		w->dev = dev;
		if (i < QUEUES)
			w->q = queue_new(dev);
		/* Whatever is left in it is foreign. */
		w->copy = map_hole(64);
		memset(w->copy, 0x33, 64 * PAGE);
	}
	for (unsigned int i = 0; i < QUEUES + THREADS; i++)
		threads[i] = thread_start(i < QUEUES ? give_commands : change_on, &workers[i]);
	for (unsigned int i = 0; i < QUEUES + THREADS; i++)
		thread_join(threads[i]);
	for (unsigned int i = 0; i < QUEUES + THREADS; i++) {
		struct worker *w = &workers[i];

		note("%s %u: %u steps, slowest %llu ms; %u commands good, %u refused",
		     i < QUEUES ? "queue" : "thread", i, w->steps,
		     (unsigned long long)(w->slowest / 1000000), w->good, w->refused);
		CHECK_GE(w->steps, 20);
	}
}

#define SCENARIO(name) { #name, name, 900, 0 }

const struct scenario scenarios[] = {
	SCENARIO(Q7_all_at_the_same_addresses),
	{ 0 }
};
