// SPDX-License-Identifier: MIT
/*
 * The end of queues, of files and of processes while commands are being executed: rows Q6 and E4.
 *
 * The bound for all of them is 2 s.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "busy.h"
#include "process.h"

static void Q6_destroy_a_busy_queue(void)
{
	struct mockgpu_device *dev = gpu_open(0);

	for (enum busy how = 0; how < BUSY_WAYS; how++) {
		struct queue q;
		uint64_t seqno, start;

		if (!busy_is_possible(dev, how))
			continue;
		q = queue_new(dev);
		seqno = keep_busy(q, how);
		sleep_ms(100);
		if (is_finished(q, seqno))
			FAIL("%s: was done at once", busy_name[how]);
		start = now_ns();
		queue_destroy(q);
		if (now_ns() - start > BOUND_NS)
			FAIL("%s: took %llu ms", busy_name[how],
			     (unsigned long long)(now_ns() - start) / 1000000);
		CHECK_EQ(mockgpu_wait(dev, q.id, seqno, 0, NULL), -ENOENT);
	}
}

static void Q6_close_with_busy_queues(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint64_t start;

	for (enum busy how = 0; how < BUSY_WAYS; how++)
		keep_busy(queue_new(dev), how);
	sleep_ms(200);
	start = now_ns();
	mockgpu_close(dev);
	CHECK_LE(now_ns() - start, BOUND_NS);
}

static void be_busy(void *arg)
{
	enum busy how = *(enum busy *)arg;

	keep_busy(queue_new(gpu_open(0)), how);
	kill(getppid(), SIGUSR1);
	for (;;)
		pause();
}

/* A child that keeps a queue busy is killed, or simply ends. */
static void Q6_kill_with_a_busy_queue(void)
{
	sigset_t set;
	int got;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	for (enum busy how = 0; how < BUSY_WAYS; how++) {
		pid_t child = spawn(be_busy, &how);
		uint64_t start;

		CHECK_EQ(sigwait(&set, &got), 0);
		sleep_ms(100);
		start = now_ns();
		CHECK_SYS(kill(child, SIGKILL));
		join_killed(child, SIGKILL);
		if (now_ns() - start > BOUND_NS)
			FAIL("%s: took %llu ms", busy_name[how],
			     (unsigned long long)(now_ns() - start) / 1000000);
	}
}

/* What the queue has not finished is dropped: no fence; but who polls is woken. */
static void Q6_dropped_submissions(void)
{
	struct queue q = queue_new(gpu_open(0));
	volatile uint64_t *fence = map_hole(1);
	struct drm_mockgpu_cmd cmd = cmd_delay(10 * NS_PER_S);
	struct mockgpu_submission s = {
		.cmds = &cmd, .count = 1, .fence = (uint64_t *)(uintptr_t)fence, .fence_value = 1,
		.eventfd = (int)CHECK_SYS(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
	};
	uint64_t events;

	for (unsigned int i = 0; i < 64; i++)
		CHECK_EQ(mockgpu_submit(q.dev, q.id, &s), 0);
	queue_destroy(q);
	sleep_ms(50);
	CHECK_EQ(*fence, 0);
	CHECK_EQ(read(s.eventfd, &events, sizeof(events)), sizeof(events));
	CHECK_EQ(events, 64);
}

struct waiter {
	struct queue q;
	uint64_t seqno;
	atomic_int result;
};

static void *wait_without_end(void *arg)
{
	struct waiter *w = arg;

	atomic_store(&w->result, mockgpu_wait(w->q.dev, w->q.id, w->seqno, -1, NULL));
	return NULL;
}

/* Who waits is told that the queue went. */
static void Q6_destroy_while_others_wait(void)
{
	struct waiter w = { .q = queue_new(gpu_open(0)), .result = 1 };
	pthread_t threads[4];
	uint64_t start;

	w.seqno = keep_busy(w.q, DELAYED);
	for (unsigned int i = 0; i < 4; i++)
		threads[i] = thread_start(wait_without_end, &w);
	sleep_ms(100);
	CHECK_EQ(w.result, 1);
	start = now_ns();
	queue_destroy(w.q);
	for (unsigned int i = 0; i < 4; i++)
		thread_join(threads[i]);
	CHECK_LE(now_ns() - start, BOUND_NS);
	CHECK_EQ(w.result, -ENOENT);
}

/* Several threads destroy: one does, the others are told that it is not there. */
static void *destroy(void *arg)
{
	struct waiter *w = arg;
	int err = mockgpu_queue_destroy(w->q.dev, w->q.id);

	CHECK(!err || err == -ENOENT);
	if (!err)
		atomic_fetch_add(&w->result, 1);
	return NULL;
}

static void Q6_destroyed_once(void)
{
	struct mockgpu_device *dev = gpu_open(0);

	for (unsigned int i = 0; i < 20; i++) {
		struct waiter w = { .q = queue_new(dev) };
		pthread_t threads[4];

		keep_busy(w.q, i % 2 ? ADDING : DELAYED);
		for (unsigned int j = 0; j < 4; j++)
			threads[j] = thread_start(destroy, &w);
		for (unsigned int j = 0; j < 4; j++)
			thread_join(threads[j]);
		CHECK_EQ(w.result, 1);
	}
}

/*
 * The process ends while somebody else holds the file: its queues stop, as its memory is gone.
 * The survivor sees that by waiting, which takes no address.
 */
static void Q6_the_process_ends_and_the_file_stays(void)
{
	enum busy ways[] = { WAITING, FILLING, ADDING, CHASING, DELAYED };
	struct { uint32_t queue; int fd; uint64_t seqno; } *shared = map_shared(1);

	for (unsigned int i = 0; i < ARRAY_SIZE(ways); i++) {
		int ready = gate_new(), dead = gate_new(), over = gate_new();
		pid_t owner = (pid_t)CHECK_SYS(fork());

		if (!owner) {
			struct queue q = queue_new(gpu_open_exclusive());

			shared->queue = q.id;
			shared->seqno = keep_busy(q, ways[i]);
			shared->fd = mockgpu_fd(q.dev);
			if (!CHECK_SYS(fork())) {
				struct drm_mockgpu_wait wait = {
					.queue = shared->queue, .seqno = shared->seqno,
				};

				gate_open(ready, 1);
				gate_wait(dead);
				wait.deadline_ns = now_ns() + BOUND_NS;
				/* The submission has ended, or its queue has. */
				if (!ioctl(shared->fd, DRM_IOCTL_MOCKGPU_WAIT, &wait))
					CHECK_EQ(wait.error, -ECANCELED);
				else if (errno != ENOENT)
					FAIL("%s: goes on: %s", busy_name[ways[i]],
					     strerror(errno));
				gate_open(over, 1);
				_exit(0);
			}
			for (;;)
				pause();
		}
		gate_wait(ready);
		sleep_ms(50);
		CHECK_SYS(kill(owner, SIGKILL));
		join_killed(owner, SIGKILL);
		gate_open(dead, 1);
		gate_wait(over);
	}
}

/* The process that died is not kept: its memory comes back, the queue's thread or not. */
static void Q6_memory_of_the_dead(void)
{
	enum busy how = WAITING;
	size_t before;
	pid_t child;
	sigset_t set;
	int got;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	before = meminfo_kb("MemAvailable");
	for (unsigned int i = 0; i < 5; i++) {
		void *p = mmap(NULL, 64UL << 20, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

		CHECK(p != MAP_FAILED);
		child = (pid_t)CHECK_SYS(fork());
		if (!child) {
			memset(p, 1, 64UL << 20);
			be_busy(&how);
		}
		CHECK_SYS(munmap(p, 64UL << 20));
		CHECK_EQ(sigwait(&set, &got), 0);
		CHECK_SYS(kill(child, SIGKILL));
		join_killed(child, SIGKILL);
	}
	for (unsigned int i = 0; i < 100 && meminfo_kb("MemAvailable") + 100000 < before; i++)
		sleep_ms(20);
	CHECK_GE(meminfo_kb("MemAvailable") + 100000, before);
}

/* E4: the child has the memory of one moment, and the parent's command goes on. */
static void look_twice(void *arg)
{
	uint64_t *p = arg, first[2] = { p[0], p[WORDS] };

	/* The device counts both up in turn. */
	CHECK(first[0] == first[1] || first[0] == first[1] + 1);
	sleep_ms(10);
	CHECK_EQ(p[0], first[0]);
	CHECK_EQ(p[WORDS], first[1]);
	p[0] = p[WORDS] = 1ULL << 60;
	sleep_ms(5);
	CHECK_EQ(p[0], 1ULL << 60);
	CHECK_EQ(p[WORDS], 1ULL << 60);
}

static void fork_while_counting(bool vram)
{
	enum { STEPS = 4000, FORKS = 12 };
	static struct drm_mockgpu_cmd cmds[2 * STEPS];
	struct queue q = queue_new(gpu_open(0));
	uint64_t *p = map_hole(2), seqno;

	p[0] = p[WORDS] = 0;
	if (vram)
		TO_VRAM(q.dev, p, 2);
	for (unsigned int i = 0; i < STEPS; i++) {
		cmds[2 * i] = cmd_store(p, 8, i + 1);
		cmds[2 * i + 1] = cmd_store(p + WORDS, 8, i + 1);
	}
	seqno = submit(q, cmds, 2 * STEPS, NULL);
	for (unsigned int i = 0; i < FORKS; i++)
		join(spawn(look_twice, p));
	FINISHES(q, seqno, 0);
	CHECK_EQ(p[0], STEPS);
	CHECK_EQ(p[WORDS], STEPS);
}

static void E4_fork_while_a_command_runs(void)
{
	fork_while_counting(false);
}

static void E4_fork_while_a_command_runs_in_vram(void)
{
	fork_while_counting(true);
}

/* The child has the file and no right to it; it may look, and it may wait. */
static void in_the_child(void *arg)
{
	struct queue q = *(struct queue *)arg;
	struct drm_mockgpu_cmd cmd = { .op = MOCKGPU_CMD_NOP };
	struct mockgpu_submission s = { .cmds = &cmd, .count = 1 };
	uint32_t id;

	CHECK_EQ(mockgpu_queue_create(q.dev, &id), -EPERM);
	CHECK_EQ(mockgpu_submit(q.dev, q.id, &s), -EPERM);
	FINISHES(q, 1, 0);
}

static void destroy_in_the_child(void *arg)
{
	struct queue q = *(struct queue *)arg;

	CHECK_EQ(mockgpu_queue_destroy(q.dev, q.id + 1), -ENOENT);
	queue_destroy(q);
	CHECK_EQ(mockgpu_queue_destroy(q.dev, q.id), -ENOENT);
}

static void Q6_after_fork(void)
{
	struct queue q = queue_new(gpu_open(0)), other;
	struct drm_mockgpu_cmd cmd = cmd_delay(10 * NS_PER_S);
	uint64_t seqno, start = now_ns();

	RUN(q, cmd_delay(1));
	join(spawn(in_the_child, &q));
	RUN(q, cmd_delay(1));
	/* Nor does it take an address to take a queue away: it is gone for its owner, too. */
	seqno = submit(q, &cmd, 1, NULL);
	join(spawn(destroy_in_the_child, &q));
	CHECK_EQ(mockgpu_wait(q.dev, q.id, seqno, 0, NULL), -ENOENT);
	CHECK_LE(now_ns() - start, 4 * BOUND_NS);
	other = queue_new(q.dev);
	RUN(other, cmd_delay(1));
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(E4_fork_while_a_command_runs),
	SCENARIO(E4_fork_while_a_command_runs_in_vram),
	SCENARIO(Q6_destroy_a_busy_queue),
	SCENARIO(Q6_close_with_busy_queues),
	SCENARIO(Q6_kill_with_a_busy_queue),
	SCENARIO(Q6_dropped_submissions),
	SCENARIO(Q6_destroy_while_others_wait),
	SCENARIO(Q6_destroyed_once),
	SCENARIO(Q6_the_process_ends_and_the_file_stays),
	SCENARIO(Q6_memory_of_the_dead),
	SCENARIO(Q6_after_fork),
	{ 0 }
};
