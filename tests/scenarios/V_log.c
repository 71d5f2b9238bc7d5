// SPDX-License-Identifier: MIT
/*
 * The event log: how it is read, and what becomes of it when it is full, or the device goes.
 * Opening it: V_open.c; what each event says: V_events.c; whom it shows: V_whom.c.
 *
 * Where just some events are wanted, they are commands that do nothing: one for each.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "events.h"
#include "module.h"
#include "points.h"
#include "process.h"
#include "queue.h"

#define MOVES	(KIND(TO_VRAM) | KIND(TO_SYSTEM))

/* @n events of the kind COMMAND. */
static void run_nops(struct queue q, unsigned int n)
{
	struct drm_mockgpu_cmd *cmds = calloc(n, sizeof(*cmds));

	CHECK(cmds);
	FINISHES(q, submit(q, cmds, n, NULL), 0);
	free(cmds);
}

static void expect_nops(struct log *log, unsigned int n)
{
	struct drm_mockgpu_event e;

	while (n--) {
		e = log_next(log);
		CHECK_EQ(e.kind, MOCKGPU_EVENT_COMMAND);
		CHECK_EQ(e.cause, MOCKGPU_CMD_NOP);
	}
}

static void expect_lost(struct log *log, uint64_t count)
{
	struct drm_mockgpu_event e = log_next(log);

	CHECK_EQ(e.kind, MOCKGPU_EVENT_LOST);
	CHECK_EQ(e.value, count);
	CHECK_EQ(e.pid | e.tid | e.owner | e.error | e.cause | (int)e.queue, 0);
}

static void V3_full(void)
{
	struct queue q = queue_new(gpu_open(0));
	struct log log = log_new(q.dev, 0, KIND(COMMAND), 16);

	run_nops(q, 16);
	expect_nops(&log, 16);
	CHECK_QUIET(&log);
	run_nops(q, 100);
	expect_nops(&log, 16);
	expect_lost(&log, 84);
	CHECK_QUIET(&log);
	run_nops(q, 5);
	expect_nops(&log, 5);
	CHECK_QUIET(&log);
	CHECK_EQ(log.seqno, 121);

	/* In between. */
	run_nops(q, 20);
	expect_nops(&log, 6);
	run_nops(q, 3);
	expect_nops(&log, 10);
	expect_lost(&log, 4);
	expect_nops(&log, 3);
	CHECK_QUIET(&log);
	CHECK_EQ(log.seqno, 144);
}

static void V3_kinds(void)
{
	struct queue q = queue_new(gpu_open(0));
	struct log all = log_new(q.dev, 0, 0, 0);
	struct log fences = log_new(q.dev, 0, KIND(FENCE) | KIND(LOST), 0);
	uint64_t *p = map_filled(1, new_tag());

	run_nops(q, 3);
	TO_VRAM(q.dev, p, 1);
	run_nops(q, 2);
	/* Numbers have no gaps where others were not wanted. */
	NEXT(&fences, .kind = MOCKGPU_EVENT_FENCE, .queue = q.id, .value = 1);
	NEXT(&fences, .kind = MOCKGPU_EVENT_FENCE, .queue = q.id, .value = 2);
	CHECK_QUIET(&fences);
	CHECK_GE(log_skip(&all), 8);
}

static void V3_reads_that_fail_lose_nothing(void)
{
	struct queue q = queue_new(gpu_open(0));
	struct log log = log_new(q.dev, 0, KIND(COMMAND), 0);
	struct drm_mockgpu_event e[3];
	char *nowhere = map_arena(2), *edge;

	run_nops(q, 5);
	CHECK_EQ(read(log.fd, e, sizeof(e[0]) - 1), -1);
	CHECK_EQ(errno, EINVAL);
	CHECK_EQ(read(log.fd, e, 0), -1);
	CHECK_EQ(errno, EINVAL);
	CHECK_EQ(read(log.fd, nowhere, 4096), -1);
	CHECK_EQ(errno, EFAULT);
	/* The first half can be written, and that of the event not. */
	map_fixed(nowhere, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	edge = AT(nowhere, 1);
	CHECK_EQ(read(log.fd, edge - 48, sizeof(e[0])), -1);
	CHECK_EQ(errno, EFAULT);
	CHECK_EQ(write(log.fd, e, sizeof(e)), -1);
	CHECK_EQ(errno, EBADF);

	/* Whole events only. */
	CHECK_EQ(read(log.fd, e, 2 * sizeof(e[0]) + 40), 2 * sizeof(e[0]));
	CHECK_EQ(e[0].seqno, 1);
	CHECK_EQ(e[1].seqno, 2);
	log.seqno = 2;
	expect_nops(&log, 3);
	CHECK_QUIET(&log);
	CHECK_EQ(read(log.fd, e, sizeof(e)), -1);
	CHECK_EQ(errno, EAGAIN);
}

/* A file that waits: the library's does not. */
static void block(struct log *log)
{
	CHECK_SYS(fcntl(log->fd, F_SETFL, O_RDONLY));
}

static void *read_one(void *arg)
{
	struct drm_mockgpu_event e = { 0 };

	return (void *)(read(*(int *)arg, &e, sizeof(e)) < 0 ? (long)-errno : (long)e.seqno);
}

static void *poll_long(void *arg)
{
	struct pollfd p = { .fd = *(int *)arg, .events = POLLIN };

	return (void *)(poll(&p, 1, 20000) == 1 ? (long)p.revents : -1L);
}

static long result_of(pthread_t thread)
{
	void *result;

	CHECK_EQ(pthread_join(thread, &result), 0);
	return (long)result;
}

static void nothing(int signal)
{
}

static void V3_waiting(void)
{
	struct queue q = queue_new(gpu_open(0));
	struct log log = log_new(q.dev, 0, KIND(COMMAND), 0);
	struct sigaction action = { .sa_handler = nothing };
	pthread_t poller, reader;
	uint64_t start;

	block(&log);
	poller = thread_start(poll_long, &log.fd);
	sleep_ms(50);
	start = now_ns();
	run_nops(q, 1);
	CHECK_EQ(result_of(poller), POLLIN);
	CHECK_LE(now_ns() - start, BOUND_NS);
	CHECK_EQ((long)read_one(&log.fd), 1);

	reader = thread_start(read_one, &log.fd);
	sleep_ms(50);
	run_nops(q, 1);
	CHECK_EQ(result_of(reader), 2);

	/* A signal ends it. */
	CHECK_SYS(sigaction(SIGUSR1, &action, NULL));
	reader = thread_start(read_one, &log.fd);
	sleep_ms(50);
	CHECK_EQ(pthread_kill(reader, SIGUSR1), 0);
	CHECK_EQ(result_of(reader), -EINTR);
}

static void wait_for_ever(void *arg)
{
	struct drm_mockgpu_event e;

	CHECK_EQ(read(*(int *)arg, &e, sizeof(e)), 0);
}

static void V3_reader_is_killed(void)
{
	struct queue q = queue_new(gpu_open(0));
	struct log log = log_new(q.dev, 0, KIND(COMMAND), 0);
	uint64_t start;
	pid_t pid;

	block(&log);
	pid = spawn(wait_for_ever, &log.fd);
	sleep_ms(50);
	start = now_ns();
	CHECK_SYS(kill(pid, SIGKILL));
	join_killed(pid, SIGKILL);
	CHECK_LE(now_ns() - start, BOUND_NS);
	run_nops(q, 1);
	expect_nops(&log, 1);
}

#define SHARED	3000U

struct sharer {
	int fd;
	unsigned char *seen;	/* by number */
	unsigned int *count;
};

/* Reads some at a time, until all were read by somebody. */
static void read_share(void *arg)
{
	struct sharer *sharer = arg;
	struct drm_mockgpu_event e[5];
	uint64_t end = now_ns() + 10 * BOUND_NS;
	int n;

	while (__atomic_load_n(sharer->count, __ATOMIC_SEQ_CST) < SHARED) {
		CHECK_LE(now_ns(), end);
		n = mockgpu_log_read(sharer->fd, e, 1 + (unsigned int)getpid() % 5, 20000000);
		for (int i = 0; i < n; i++) {
			CHECK_EQ(e[i].kind, MOCKGPU_EVENT_COMMAND);
			CHECK_LE(e[i].seqno, SHARED);
			CHECK_EQ(__atomic_add_fetch(&sharer->seen[e[i].seqno], 1,
						    __ATOMIC_SEQ_CST), 1);
			__atomic_add_fetch(sharer->count, 1, __ATOMIC_SEQ_CST);
		}
		if (n < 0)
			CHECK_EQ(n, -ETIME);
	}
}

/* After fork() each event goes to one of the readers. */
static void V3_fork_shares(void)
{
	struct queue q = queue_new(gpu_open(0));
	struct log log = log_new(q.dev, 0, KIND(COMMAND), 0);
	struct sharer sharer = { log.fd, map_shared(1), map_shared(1) };
	pid_t pids[3];

	for (unsigned int i = 0; i < 3; i++)
		pids[i] = spawn(read_share, &sharer);
	for (unsigned int i = 0; i < SHARED / 10; i++)
		run_nops(q, 10);
	for (unsigned int i = 0; i < 3; i++)
		join(pids[i]);
	for (unsigned int i = 1; i <= SHARED; i++)
		CHECK_EQ(sharer.seen[i], 1);
	CHECK_QUIET(&log);
}

#define DRIVER "/sys/bus/platform/drivers/mockgpu/"

/*
 * The device leaves.  What was told of it until its end can be read, then it is the end; who waits
 * is woken.  The other device's log goes on, and a log alone holds the module.
 */
static void V3_device_leaves(void)
{
	struct drm_mockgpu_event e;
	struct mockgpu_device *dev, *second;
	struct log log, idle, others;
	pthread_t reader, poller;
	struct pollfd p;
	void *page;

	module_reload(2, DEFAULT_VRAM_MB);
	dev = gpu_open(0);
	second = gpu_open(1);
	page = map_filled(1, new_tag());
	TO_VRAM(dev, page, 1);
	log = log_new(dev, MOCKGPU_LOG_ALL, KIND(TO_VRAM) | KIND(EVICT), 0);
	idle = log_new(dev, MOCKGPU_LOG_DESCENDANTS, KIND(SPLIT), 0);
	others = log_new(second, MOCKGPU_LOG_ALL, KIND(TO_SYSTEM) | KIND(POINT), 0);
	/* Points are of all devices. */
	TALLY(dev, "migrate-copied", .pid = getpid());
	TO_SYSTEM(dev, page, 1);
	TO_VRAM(dev, page, 1);
	CHECK_EQ(log_skip(&others), 2);
	log_skip(&log);
	block(&idle);
	reader = thread_start(read_one, &idle.fd);
	poller = thread_start(poll_long, &idle.fd);
	sleep_ms(50);
	CHECK_EQ(write_text(DRIVER "unbind", "mockgpu0"), 0);
	CHECK_EQ(result_of(reader), 0);
	CHECK(result_of(poller) & POLLHUP);

	p = (struct pollfd){ .fd = log.fd, .events = POLLIN };
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLIN | POLLHUP);
	e = log_next(&log);
	CHECK_EQ(e.kind, MOCKGPU_EVENT_EVICT);
	CHECK_EQ(e.cause, MOCKGPU_EVICTED_LEAVE);
	CHECK_EQ(e.len, PAGE);
	for (unsigned int i = 0; i < 2; i++) {
		CHECK_EQ(mockgpu_log_read(log.fd, &e, 1, NS_PER_S), 0);
		CHECK_EQ(read(log.fd, &e, sizeof(e)), 0);
	}
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLIN | POLLHUP);
	CHECK_EQ(mockgpu_log_open(dev, MOCKGPU_LOG_ALL, 0, 0, &(int){ 0 }), -ENODEV);

	/* It comes back under the same number: that is another one. */
	CHECK_EQ(write_text(DRIVER "bind", "mockgpu0"), 0);
	mockgpu_close(dev);
	dev = gpu_open(0);
	TO_VRAM(dev, page, 1);
	CHECK_EQ(read(log.fd, &e, sizeof(e)), 0);
	TO_SYSTEM(dev, page, 1);
	CHECK_QUIET(&others);
	TO_VRAM(second, page, 1);
	TO_SYSTEM(second, page, 1);
	CHECK_EQ(log_next(&others).kind, MOCKGPU_EVENT_TO_SYSTEM);

	mockgpu_close(dev);
	mockgpu_close(second);
	log_close(&log);
	log_close(&idle);
	CHECK_EQ(module_unload(), -EWOULDBLOCK);
	log_close(&others);
	module_reload(DEFAULT_DEVICES, DEFAULT_VRAM_MB);
}

struct stream {
	int fd;
	uint64_t seqno;		/* up to here, each event came or was told to be lost */
};

static void *read_to_the_end(void *arg)
{
	struct drm_mockgpu_event e[32];
	struct stream *s = arg;
	ssize_t n;

	while ((n = read(s->fd, e, sizeof(e))) > 0) {
		for (size_t i = 0; i < (size_t)n / sizeof(e[0]); i++) {
			CHECK_EQ(e[i].seqno, s->seqno + 1);
			s->seqno += e[i].kind == MOCKGPU_EVENT_LOST ? e[i].value : 1;
		}
	}
	return (void *)(n < 0 ? (long)-errno : 0L);
}

/* The device leaves as events stream in: the reader gets all up to the end, and the end. */
static void V3_device_leaves_in_a_flood(void)
{
	/* As many as a user can have waiting: MOCKGPU_USER_COMMANDS_MAX. */
	enum { TIMES = 20 };
	static struct drm_mockgpu_cmd nops[50000];
	struct mockgpu_device *dev;
	struct stream s = { 0 };
	struct queue q;
	struct log log;
	pthread_t reader;

	module_reload(1, DEFAULT_VRAM_MB);
	dev = gpu_open(0);
	q = queue_new(dev);
	log = log_new(dev, 0, KIND(COMMAND) | KIND(FENCE), 1024);
	block(&log);
	s.fd = log.fd;
	reader = thread_start(read_to_the_end, &s);
	for (unsigned int i = 0; i < TIMES; i++)
		submit(q, nops, ARRAY_SIZE(nops), NULL);
	sleep_ms(100);
	CHECK(!is_finished(q, TIMES));
	CHECK_EQ(write_text(DRIVER "unbind", "mockgpu0"), 0);
	CHECK_EQ(result_of(reader), 0);
	CHECK_GE(s.seqno, 1);
	CHECK_LE(s.seqno, TIMES * (ARRAY_SIZE(nops) + 1) - 1);
	log_close(&log);
	mockgpu_close(dev);
	module_reload(DEFAULT_DEVICES, DEFAULT_VRAM_MB);
}

/* Edge-triggered: who has read up to where there was less than asked for hears of the next. */
static void V3_edges(void)
{
	static struct drm_mockgpu_cmd nops[1000];
	struct queue q = queue_new(gpu_open(0));
	struct log log = log_new(q.dev, 0, KIND(COMMAND), 65536);
	struct epoll_event edge = { .events = EPOLLIN | EPOLLET }, got;
	int waiter = (int)CHECK_SYS(epoll_create1(EPOLL_CLOEXEC));
	unsigned int seen = 0, all = 30 * ARRAY_SIZE(nops);
	struct drm_mockgpu_event e[7];
	ssize_t n;

	CHECK_SYS(epoll_ctl(waiter, EPOLL_CTL_ADD, log.fd, &edge));
	CHECK_EQ(epoll_wait(waiter, &got, 1, 0), 0);
	for (unsigned int i = 0; i < 3; i++) {
		run_nops(q, 3);
		CHECK_EQ(epoll_wait(waiter, &got, 1, 10000), 1);
		CHECK_EQ(got.events, EPOLLIN);
		/* It was told once, though it is still there. */
		CHECK_EQ(epoll_wait(waiter, &got, 1, 20), 0);
		CHECK_EQ(read(log.fd, e, sizeof(e)), 3 * sizeof(e[0]));
	}

	/* None is missed that comes while others are read. */
	for (unsigned int i = 0; i < 30; i++)
		submit(q, nops, ARRAY_SIZE(nops), NULL);
	while (seen < all) {
		CHECK_EQ(epoll_wait(waiter, &got, 1, 10000), 1);
		do {
			n = read(log.fd, e, sizeof(e));
			if (n > 0)
				seen += (unsigned int)((size_t)n / sizeof(e[0]));
			else
				CHECK_EQ(errno, EAGAIN);
		} while (n == sizeof(e));
	}
	CHECK_EQ(seen, all);
	CHECK_SYS(close(waiter));
}

/* The log stays when the file goes that it was opened on. */
static void V3_file_is_closed(void)
{
	struct mockgpu_device *dev = gpu_open(0), *other = gpu_open(0);
	struct log log = log_new(dev, 0, MOVES, 0);
	void *p = map_filled(1, new_tag());

	mockgpu_close(dev);
	TO_VRAM(other, p, 1);
	NEXT(&log, .kind = MOCKGPU_EVENT_TO_VRAM, .cause = MOCKGPU_CAUSE_MIGRATE,
	     .addr = addr_of(p), .len = PAGE);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(V3_full),
	SCENARIO(V3_kinds),
	SCENARIO(V3_reads_that_fail_lose_nothing),
	SCENARIO(V3_waiting),
	SCENARIO(V3_reader_is_killed),
	SCENARIO(V3_fork_shares),
	{ "V3_device_leaves", V3_device_leaves, 120, RELOADS },
	{ "V3_device_leaves_in_a_flood", V3_device_leaves_in_a_flood, 120, RELOADS },
	SCENARIO(V3_edges),
	SCENARIO(V3_file_is_closed),
	{ 0 }
};
