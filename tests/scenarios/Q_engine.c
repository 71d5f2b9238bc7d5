// SPDX-License-Identifier: MIT
/*
 * Queues: order (row Q2), completion (row Q3), failure (row Q4).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "process.h"
#include "queue.h"

#define MS	1000000ULL

/* Each command sees what the one before it did, also over submissions. */
static void Q2_in_order(void)
{
	enum { STEPS = 64, EACH = 50 };
	struct queue q = queue_new(gpu_open(0));
	uint64_t *word = map_hole(2), last = 0;

	for (unsigned int i = 0; i < STEPS; i++) {
		struct drm_mockgpu_cmd cmds[EACH];

		/* To and fro between two pages; each round would undo a step that came late. */
		for (unsigned int j = 0; j < EACH; j += 2) {
			cmds[j] = cmd_copy(word + WORDS, word, 8);
			cmds[j + 1] = cmd_store(word, 8, i * EACH + j);
		}
		last = submit(q, cmds, EACH, NULL);
		CHECK_EQ(last, i + 1);
	}
	FINISHES(q, last, 0);
	CHECK_EQ(word[0], STEPS * EACH - 2);
	CHECK_EQ(word[WORDS], STEPS * EACH - 4);
}

/* Each waits for the other, so they could not do it one after the other. */
static void Q2_two_queues_at_once(void)
{
	enum { ROUNDS = 50 };
	struct mockgpu_device *dev = gpu_open_exclusive();
	struct drm_mockgpu_cmd ping[2 * ROUNDS], pong[2 * ROUNDS];
	struct queue a = queue_new(dev), b = queue_new(dev);
	uint64_t *ball = map_hole(1), one, two;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		ping[2 * i] = cmd_wait(ball, 8, MOCKGPU_WAIT_EQ, 2 * i, 20 * NS_PER_S);
		ping[2 * i + 1] = cmd_add(ball, 8, 1);
		pong[2 * i] = cmd_wait(ball, 8, MOCKGPU_WAIT_EQ, 2 * i + 1, 20 * NS_PER_S);
		pong[2 * i + 1] = cmd_add(ball, 8, 1);
	}
	two = submit(b, pong, 2 * ROUNDS, NULL);
	one = submit(a, ping, 2 * ROUNDS, NULL);
	FINISHES(a, one, 0);
	FINISHES(b, two, 0);
	CHECK_EQ(*ball, 2 * ROUNDS);
}

static void Q2_barrier(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct queue slow = queue_new(dev), fast = queue_new(dev), third = queue_new(dev);
	volatile uint64_t *word = map_hole(1);
	struct drm_mockgpu_cmd late[] = { cmd_delay(300 * MS), cmd_store(word, 8, 7) };
	struct drm_mockgpu_cmd behind[] = { cmd_barrier(), cmd_load(word, 8) };
	struct drm_mockgpu_cmd later = cmd_wait(word + 1, 8, MOCKGPU_WAIT_EQ, 1, 20 * NS_PER_S);
	static struct drm_mockgpu_result results[2];
	uint64_t seqno, waiting;

	submit(slow, late, 2, NULL);
	seqno = submit(fast, behind, 2, results);
	/* What is submitted later is not waited for. */
	waiting = submit(third, &later, 1, NULL);
	FINISHES(fast, seqno, 0);
	CHECK_RESULT(&results[0]);
	CHECK_RESULT(&results[1], .value = 7, .done = 8);
	CHECK(!is_finished(third, waiting));
	word[1] = 1;
	FINISHES(third, waiting, 0);
	/* Nothing to wait for. */
	RUN(fast, cmd_barrier());
}

static void Q2_delay(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint64_t start = now_ns();

	RUN(q, cmd_delay(250 * MS));
	CHECK_GE(now_ns() - start, 250 * MS);
	start = now_ns();
	RUN(q, cmd_delay(0));
	CHECK_LE(now_ns() - start, 200 * MS * slowness());
}

/* The CPU stores what the device waits for: as equal, as other, as at least. */
static void Q2_wait_for_the_cpu(void)
{
	static const struct { unsigned int how; uint64_t value, before, after; } cases[] = {
		{ MOCKGPU_WAIT_EQ, 5, 4, 5 }, { MOCKGPU_WAIT_NE, 5, 5, 4 },
		{ MOCKGPU_WAIT_GE, 5, 4, 5 }, { MOCKGPU_WAIT_GE, 200, 199, 250 },
	};
	struct queue q = queue_new(gpu_open(0));

	for (unsigned int size = 1; size <= 8; size *= 2)
		for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
			uint64_t *word = map_hole(1), seqno;
			static struct drm_mockgpu_result result;
			struct drm_mockgpu_cmd cmd = cmd_wait(word, size, cases[i].how,
							      cases[i].value, 20 * NS_PER_S);

			/* What stands beside the word does not count. */
			*word = size == 8 ? 0 : ~0ULL << 8 * size;
			*word |= cases[i].before;
			if (i % 2)
				TO_VRAM(q.dev, word, 1);
			seqno = submit(q, &cmd, 1, &result);
			sleep_ms(20);
			CHECK(!is_finished(q, seqno));
			*(volatile uint8_t *)word = (uint8_t)cases[i].after;
			FINISHES(q, seqno, 0);
			CHECK_RESULT(&result, .value = cases[i].after);
		}
}

static void Q2_wait_times_out(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint64_t *word = map_hole(1), start = now_ns();

	*word = 3;
	RUN(q, cmd_wait(word, 8, MOCKGPU_WAIT_EQ, 4, 200 * MS), .value = 3, .error = -ETIME);
	CHECK_GE(now_ns() - start, 200 * MS);
	CHECK_LE(now_ns() - start, BOUND_NS);
	RUN(q, cmd_wait(word, 8, MOCKGPU_WAIT_EQ, 4, 0), .value = 3, .error = -ETIME);
	RUN(q, cmd_wait(word, 8, MOCKGPU_WAIT_EQ, 3, 0), .value = 3);
}

/* The fence comes last: who sees it sees the results and all that was stored. */
static void Q3_fence(void)
{
	struct queue q = queue_new(gpu_open_private());
	volatile uint64_t *fence = map_hole(1);
	uint64_t *data = map_hole(1);
	struct drm_mockgpu_result *results = map_hole(1);

	for (uint64_t i = 1; i <= 100; i++) {
		struct drm_mockgpu_cmd cmds[] = {
			cmd_store(data, 8, i), cmd_load(data, 8), cmd_delay(i % 4 * MS / 4),
		};
		struct mockgpu_submission s = {
			.cmds = cmds, .count = 3, .results = results,
			.fence = (uint64_t *)(uintptr_t)fence, .fence_value = i << 32 | i,
		};
		uint64_t start = now_ns();

		if (i % 3 == 0)
			TO_VRAM(q.dev, (void *)(uintptr_t)fence, 1);
		CHECK_EQ(mockgpu_submit(q.dev, q.id, &s), 0);
		while (*fence != (i << 32 | i)) {
			CHECK_LE(now_ns() - start, 5 * BOUND_NS);
			sleep_ms(1);
		}
		CHECK_EQ(*data, i);
		CHECK_RESULT(&results[0], .done = 8);
		CHECK_RESULT(&results[1], .value = i, .done = 8);
		CHECK_RESULT(&results[2]);
	}
}

static int events(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t n = 0;

	if (CHECK_SYS(poll(&p, 1, timeout_ms)) == 0)
		return 0;
	CHECK_EQ(read(fd, &n, sizeof(n)), sizeof(n));
	return (int)n;
}

static void Q3_eventfd(void)
{
	struct queue q = queue_new(gpu_open(0));
	int fd = (int)CHECK_SYS(eventfd(0, EFD_CLOEXEC));
	volatile uint64_t *word = map_hole(1);
	struct drm_mockgpu_cmd cmd = cmd_wait(word, 8, MOCKGPU_WAIT_EQ, 1, 20 * NS_PER_S);
	struct mockgpu_submission s = { .cmds = &cmd, .count = 1, .eventfd = fd };

	CHECK_EQ(mockgpu_submit(q.dev, q.id, &s), 0);
	CHECK_EQ(events(fd, 50), 0);
	*word = 1;
	CHECK_EQ(events(fd, 10000), 1);
	CHECK(is_finished(q, s.seqno));

	/* Once for each submission; for one that failed, too. */
	cmd.addr = 0;
	for (unsigned int i = 0; i < 5; i++)
		CHECK_EQ(mockgpu_submit(q.dev, q.id, &s), 0);
	FINISHES(q, s.seqno, -EFAULT);
	CHECK_EQ(events(fd, 10000), 5);

	/* The queue keeps its own reference. */
	cmd = cmd_delay(100 * MS);
	s.eventfd = dup(fd);
	CHECK_EQ(mockgpu_submit(q.dev, q.id, &s), 0);
	close(s.eventfd);
	CHECK_EQ(events(fd, 10000), 1);
}

static void Q3_wait(void)
{
	struct queue q = queue_new(gpu_open(0));
	volatile uint64_t *word = map_hole(1);
	struct drm_mockgpu_cmd waits = cmd_wait(word, 8, MOCKGPU_WAIT_EQ, 1, 20 * NS_PER_S);
	uint64_t start, first, last;
	int error = 1;

	first = submit(q, &waits, 1, NULL);
	last = submit(q, &waits, 1, NULL);
	CHECK_EQ(mockgpu_wait(q.dev, q.id, first, 0, &error), -ETIME);
	CHECK_EQ(error, 0);
	start = now_ns();
	CHECK_EQ(mockgpu_wait(q.dev, q.id, last, 200 * MS, NULL), -ETIME);
	CHECK_GE(now_ns() - start, 200 * MS);
	CHECK_LE(now_ns() - start, BOUND_NS);
	CHECK_EQ(mockgpu_wait(q.dev, q.id, last + 1, 0, NULL), -EINVAL);
	CHECK_EQ(mockgpu_wait(q.dev, q.id, 0, 0, NULL), -EINVAL);
	CHECK_EQ(mockgpu_wait(q.dev, q.id + 1, 1, 0, NULL), -ENOENT);
	*word = 1;
	FINISHES(q, last, 0);
	/* What ended before has ended. */
	CHECK(is_finished(q, first));
}

static void on_alarm(int signal)
{
}

static void Q3_wait_ends_with_a_signal(void)
{
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct queue q = queue_new(gpu_open(0));
	struct drm_mockgpu_cmd cmd = cmd_delay(500 * MS);
	uint64_t seqno = submit(q, &cmd, 1, NULL);

	CHECK_SYS(sigaction(SIGALRM, &action, NULL));
	CHECK_EQ(ualarm(50000, 0), 0);
	CHECK_EQ(mockgpu_wait(q.dev, q.id, seqno, -1, NULL), -EINTR);
	FINISHES(q, seqno, 0);
	/* The call that waits for its results does not. */
	CHECK_EQ(ualarm(50000, 0), 0);
	CHECK_EQ(mockgpu_run(q.dev, q.id, &cmd, 1, NULL), 0);
}

/* The outcomes of the last 256 submissions. */
static void Q3_outcomes_are_remembered(void)
{
	struct queue q = queue_new(gpu_open(0));
	struct drm_mockgpu_cmd bad = cmd_load(NULL, 1), good = { .op = MOCKGPU_CMD_NOP };
	uint64_t *word = map_hole(1), last = 0;

	*word = 1;
	for (unsigned int i = 1; i <= 300; i++) {
		last = submit(q, i % 3 ? &good : &bad, 1, NULL);
		if (i % 50 == 0)
			FINISHES(q, last, i % 3 ? 0 : -EFAULT);
	}
	for (uint64_t i = last - 255; i <= last; i++)
		FINISHES(q, i, i % 3 ? 0 : -EFAULT);
	/* Those before are not, though they share their places with later ones. */
	FINISHES(q, last - 256, 0);
	FINISHES(q, 3, 0);
}

struct failure {
	const char *what;
	struct drm_mockgpu_cmd cmd;
	struct drm_mockgpu_result result;
};

/* In front of it, a command that works; behind it, two that are not executed. */
static void fails(struct queue q, const struct failure *f)
{
	static struct drm_mockgpu_result results[4];
	static uint64_t word[2], fence;
	struct drm_mockgpu_cmd cmds[] = {
		cmd_store(&word[0], 8, 1), f->cmd, cmd_store(&word[1], 8, 1), cmd_load(NULL, 1),
	};
	struct mockgpu_submission s = {
		.cmds = cmds, .count = 4, .results = results, .fence = &fence, .fence_value = 77,
	};

	memset(word, 0, sizeof(word));
	memset(results, 0xee, sizeof(results));
	fence = 0;
	CHECK_EQ(mockgpu_submit(q.dev, q.id, &s), 0);
	FINISHES(q, s.seqno, f->result.error);
	CHECK_RESULT(&results[0], .done = 8);
	if (memcmp(&results[1], &f->result, offsetof(struct drm_mockgpu_result, faults)) ||
	    results[1].error != f->result.error || results[1].access != f->result.access)
		FAIL("%s: error %d, value %llx, done %llu, fault at %llx for %u", f->what,
		     results[1].error, (unsigned long long)results[1].value,
		     (unsigned long long)results[1].done,
		     (unsigned long long)results[1].fault_addr, results[1].access);
	CHECK_RESULT(&results[2], .error = -ECANCELED);
	CHECK_RESULT(&results[3], .error = -ECANCELED);
	CHECK_EQ(word[0], 1);
	CHECK_EQ(word[1], 0);
	CHECK_EQ(fence, 77);
	/* The queue goes on. */
	RUN(q, cmd_load(&word[0], 8), .value = 1, .done = 8);
}

/*
 * Three pages: one is good, the next read-only, and then nothing is mapped.  Where a command
 * breaks off says how much it did: bytes, elements, nodes.
 */
static void Q4_a_command_fails(void)
{
	struct queue q = queue_new(gpu_open_exclusive());
	uint8_t *p = map_arena(3), *good = map_filled(3, new_tag()), *zeroes = map_hole(3);
	uint64_t *index = map_hole(1), hole, ro;
	const uint32_t R = MOCKGPU_ACCESS_READ, W = MOCKGPU_ACCESS_WRITE;
	struct drm_mockgpu_cmd scatter, stride;

	map_fixed(p, 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	memset(p, 0, 2 * PAGE);
	CHECK_SYS(mprotect(AT(p, 1), PAGE, PROT_READ));
	ro = addr_of(p) + PAGE;
	hole = addr_of(p) + 2 * PAGE;
	index[1] = 2 * PAGE - 8;
	index[2] = 2 * PAGE - 7;
	/* A list: of two nodes, the second of which points to where nothing is. */
	*(uint64_t *)p = addr_of(p) + 64;
	*(uint64_t *)(p + 64) = hole;
	scatter = cmd_elements(MOCKGPU_CMD_SCATTER, good, p, index, 3, 8);
	stride = cmd_add(p, 8, 3);
	stride.stride = PAGE;

	const struct failure failures[] = {
		{ "load from nothing", cmd_load((void *)hole, 8),
		  { .error = -EFAULT, .fault_addr = hole, .access = R } },
		{ "load from NULL", cmd_load(NULL, 4),
		  { .error = -EFAULT, .fault_addr = 0, .access = R } },
		{ "load over the edge", cmd_load(p + 2 * PAGE - 3, 8),
		  { .error = -EFAULT, .fault_addr = hole, .access = R } },
		{ "load from kernel addresses", cmd_load((void *)0xffff888000000000, 8),
		  { .error = -EFAULT, .fault_addr = 0xffff888000000000, .access = R } },
		{ "store to read-only memory", cmd_store((void *)(ro + 8), 2, 1),
		  { .error = -EPERM, .fault_addr = ro + 8, .access = W } },
		{ "store over the edge", cmd_store((void *)(ro - 1), 2, 0),
		  { .error = -EPERM, .fault_addr = ro, .access = W } },
		{ "fill into read-only memory", cmd_fill(p + 100, PAGE, 1, 0),
		  { .error = -EPERM, .fault_addr = ro, .access = W, .done = PAGE - 100 } },
		{ "copy from nothing", cmd_copy(good, p + PAGE, 2 * PAGE),
		  { .error = -EFAULT, .fault_addr = hole, .access = R, .done = PAGE } },
		{ "copy to read-only memory", cmd_copy(p + PAGE - 5, good, 10),
		  { .error = -EPERM, .fault_addr = ro, .access = W, .done = 5 } },
		{ "copy from nothing to read-only memory",
		  cmd_copy(p + PAGE - 5, p + 2 * PAGE - 10, 20),
		  { .error = -EPERM, .fault_addr = ro, .access = W, .done = 5 } },
		{ "compare with nothing", cmd_compare(zeroes, p + PAGE, 2 * PAGE),
		  { .error = -EFAULT, .fault_addr = hole, .access = R, .done = PAGE,
		    .value = PAGE } },
		{ "compare nothing", cmd_compare(p + 2 * PAGE - 9, zeroes, 10),
		  { .error = -EFAULT, .fault_addr = hole, .access = R, .done = 9, .value = 9 } },
		{ "checksum of nothing", cmd_checksum((void *)hole, 1),
		  { .error = -EFAULT, .fault_addr = hole, .access = R,
		    .value = 0xcbf29ce484222325 } },
		{ "atomic on read-only memory", cmd_add((void *)(ro + 16), 4, 1),
		  { .error = -EPERM, .fault_addr = ro + 16, .access = MOCKGPU_ACCESS_ATOMIC } },
		{ "atomics run into read-only memory", stride,
		  { .error = -EPERM, .fault_addr = ro, .access = MOCKGPU_ACCESS_ATOMIC,
		    .done = 1, .value = addr_of(p) + 64 } },
		{ "atomic on nothing", cmd_add((void *)(hole + 8), 8, 1),
		  { .error = -EFAULT, .fault_addr = hole + 8, .access = MOCKGPU_ACCESS_ATOMIC } },
		{ "gather from nothing",
		  cmd_elements(MOCKGPU_CMD_GATHER, good, p, index, 3, 8),
		  { .error = -EFAULT, .fault_addr = hole, .access = R, .done = 2 } },
		{ "gather by offsets that are not there",
		  cmd_elements(MOCKGPU_CMD_GATHER, good, p, (void *)hole, 3, 8),
		  { .error = -EFAULT, .fault_addr = hole, .access = R } },
		{ "scatter to read-only memory", scatter,
		  { .error = -EPERM, .fault_addr = ro + PAGE - 8, .access = W, .done = 1 } },
		{ "a list that leads nowhere", cmd_chase(p + 64, 0, 0),
		  { .error = -EFAULT, .fault_addr = hole, .access = R, .done = 1,
		    .value = hole } },
		{ "wait for nothing", cmd_wait((void *)hole, 8, MOCKGPU_WAIT_EQ, 1, NS_PER_S),
		  { .error = -EFAULT, .fault_addr = hole, .access = R } },
		{ "wait that takes too long", cmd_wait(p + 2048, 8, MOCKGPU_WAIT_EQ, 1, MS),
		  { .error = -ETIME } },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(failures); i++)
		fails(q, &failures[i]);
	/* What comes behind the first difference does not matter. */
	zeroes[11] = 1;
	RUN(q, cmd_compare(zeroes, p + PAGE, 2 * PAGE), .value = 11, .done = 11);
	RUN(q, cmd_compare(p + PAGE, zeroes, 2 * PAGE), .value = 11, .done = 11);
}

/* Nowhere to put results and fence: what was asked for is done, and the wait knows. */
static void Q4_results_cannot_be_written(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint64_t word = 0, word2 = 0, *read_only = map_filled(1, new_tag());
	struct drm_mockgpu_cmd cmds[] = { cmd_store(&word, 8, 5), cmd_store(&word2, 8, 6) };
	int fd = (int)CHECK_SYS(eventfd(0, EFD_CLOEXEC));
	struct mockgpu_submission s = {
		.cmds = cmds, .count = 2, .results = (void *)PAGE, .fence = read_only,
		.fence_value = 1, .eventfd = fd,
	};
	uint64_t before = *read_only;

	CHECK_SYS(mprotect(read_only, PAGE, PROT_READ));
	CHECK_EQ(mockgpu_submit(q.dev, q.id, &s), 0);
	FINISHES(q, s.seqno, 0);
	CHECK_EQ(events(fd, 10000), 1);
	CHECK_EQ(word, 5);
	CHECK_EQ(word2, 6);
	CHECK_EQ(*read_only, before);
}

/* A queue's failure is no other queue's. */
static void Q4_other_queues_go_on(void)
{
	struct mockgpu_device *dev = gpu_open_exclusive();
	struct queue good = queue_new(dev), bad = queue_new(dev);
	struct drm_mockgpu_cmd fail = cmd_load(NULL, 1);
	uint64_t *word = map_hole(1), last = 0, adds = 0;

	for (unsigned int i = 0; i < 40; i++) {
		struct drm_mockgpu_cmd add = cmd_add(word, 8, 10);

		last = submit(bad, &fail, 1, NULL);
		adds = submit(good, &add, 1, NULL);
	}
	FINISHES(good, adds, 0);
	FINISHES(bad, last, -EFAULT);
	CHECK_EQ(*word, 400);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(Q2_in_order),
	SCENARIO(Q2_two_queues_at_once),
	SCENARIO(Q2_barrier),
	SCENARIO(Q2_delay),
	SCENARIO(Q2_wait_for_the_cpu),
	SCENARIO(Q2_wait_times_out),
	SCENARIO(Q3_fence),
	SCENARIO(Q3_eventfd),
	SCENARIO(Q3_wait),
	SCENARIO(Q3_wait_ends_with_a_signal),
	SCENARIO(Q3_outcomes_are_remembered),
	SCENARIO(Q4_a_command_fails),
	SCENARIO(Q4_results_cannot_be_written),
	SCENARIO(Q4_other_queues_go_on),
	{ 0 }
};
