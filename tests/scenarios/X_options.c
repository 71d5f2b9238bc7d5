// SPDX-License-Identifier: MIT
/*
 * What a storm is refused for, row X4, and what can be chosen, row X5.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "events.h"
#include "pair.h"
#include "points.h"
#include "storms.h"

static void X4_bad_arguments(void)
{
	static const struct {
		struct drm_mockgpu_storm_begin begin;
		int ret;
	} bad[] = {
		{ { .flags = 1U << 4 }, -EINVAL },
		{ { .flags = 1U << 31 }, -EINVAL },
		{ { .share = 65537 }, -EINVAL },
		{ { .rate = (1ULL << 32) + 1 }, -EINVAL },
		{ { .min_pages = 3 }, -EINVAL },
		{ { .max_pages = 3 }, -EINVAL },
		{ { .min_pages = 1024 }, -EINVAL },
		{ { .max_pages = 1024 }, -EINVAL },
		{ { .min_pages = 8, .max_pages = 4 }, -EINVAL },
	};
	struct drm_mockgpu_storm_begin good = { .share = 65536, .rate = 1, .max_pages = 1 };
	struct drm_mockgpu_storm_begin exclusive = { .flags = MOCKGPU_STORM_EXCLUSIVE };
	struct mockgpu_device *dev = gpu_open(0);
	struct drm_mockgpu_storm_look l = { .flags = 1 };

	CHECK_EQ(ioctl(mockgpu_fd(dev), DRM_IOCTL_MOCKGPU_STORM_LOOK, &l), -1);
	CHECK_EQ(errno, EINVAL);
	CHECK_EQ(mockgpu_storm_look(dev, &l), -ENOENT);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (mockgpu_storm_begin(dev, &bad[i].begin) != bad[i].ret)
			FAIL("case %zu", i);
		CHECK_EQ(mockgpu_storm_look(dev, &l), -ENOENT);
	}
	if (!gpu_has(dev, MOCKGPU_CAP_EXCLUSIVE))
		CHECK_EQ(mockgpu_storm_begin(dev, &exclusive), -EOPNOTSUPP);
	CHECK_EQ(mockgpu_storm_begin(dev, &good), 0);
	CHECK_EQ(mockgpu_storm_begin(dev, &good), -EBUSY);
	l = storm_look(dev);
	CHECK_EQ(l.processes, 1);
	/* Or it would go on while what it moved is brought home. */
	mockgpu_close(dev);
}

#define FILES 16

/* A storm is one of the queues that a user may have. */
static void X4_as_many_as_queues(void)
{
	struct drm_mockgpu_storm_begin begin = { .rate = 1 };
	struct mockgpu_device *devs[FILES], *dev = gpu_open(0);
	uint32_t id;

	for (unsigned int i = 0; i < FILES; i++) {
		devs[i] = gpu_open(0);
		for (unsigned int q = 0; q < MOCKGPU_USER_QUEUES_MAX / FILES; q++)
			CHECK_EQ(mockgpu_queue_create(devs[i], &id), 0);
	}
	CHECK_EQ(mockgpu_storm_begin(dev, &begin), -ENOSPC);
	CHECK_EQ(mockgpu_queue_destroy(devs[0], 1), 0);
	CHECK_EQ(mockgpu_storm_begin(dev, &begin), 0);
	CHECK_EQ(mockgpu_queue_create(devs[0], &id), -ENOSPC);
	mockgpu_close(dev);
	CHECK_EQ(mockgpu_queue_create(devs[0], &id), 0);
}

/* More would make each of its forks slow for everybody. */
static void X4_so_many_storms_of_a_process(void)
{
	struct mockgpu_device *devs[MOCKGPU_PROCESS_STORMS_MAX], *dev = gpu_open(0);
	struct drm_mockgpu_storm_begin begin = { .rate = 1 };

	for (unsigned int i = 0; i < ARRAY_SIZE(devs); i++) {
		devs[i] = gpu_open(0);
		CHECK_EQ(mockgpu_storm_begin(devs[i], &begin), 0);
	}
	CHECK_EQ(mockgpu_storm_begin(dev, &begin), -ENOSPC);
	mockgpu_close(devs[0]);
	CHECK_EQ(mockgpu_storm_begin(dev, &begin), 0);
	mockgpu_close(dev);
	for (unsigned int i = 1; i < ARRAY_SIZE(devs); i++)
		mockgpu_close(devs[i]);
}

static void X4_two_storms_of_a_user(void)
{
	struct mockgpu_device *dev[2] = { gpu_open(0), gpu_open(0) };
	struct drm_mockgpu_storm_look l;
	struct target t[2];
	pid_t pid[2];

	for (unsigned int i = 0; i < 2; i++) {
		t[i] = target_new(dev[i], target_works);
		pid[i] = spawn(run_target, &t[i]);
	}
	for (unsigned int i = 0; i < 2; i++)
		storms_on(dev[i], MANY / 2);
	stop_and_join(&t[0], pid[0]);
	AWAIT(dev[0], l, l.over);
	CHECK_EQ(l.followed, 1);
	/* The other goes on. */
	storms_on(dev[1], MANY);
	l = storm_look(dev[1]);
	CHECK_EQ(l.followed, 1);
	CHECK_EQ(l.processes, 1);
	stop_and_join(&t[1], pid[1]);
}

/* Each allocation of it fails once, and then it is as if it had not been tried. */
static void X4_no_memory_to_begin(void)
{
	struct drm_mockgpu_storm_begin begin = { .rate = 1 };
	struct mockgpu_device *dev = gpu_open(0);
	struct drm_mockgpu_storm_look l;
	unsigned int n = 0;
	int ret;

	do {
		struct arm arm = BREAK(dev, "alloc", .first = ++n, .count = 1);

		CHECK_EQ(mockgpu_storm_look(dev, &l), -ENOENT);
		ret = mockgpu_storm_begin(dev, &begin);
		if (ret)
			CHECK_EQ(arm_look(arm).acted, 1);
		arm_release(arm);
	} while (ret == -ENOMEM && n < 100);
	CHECK_EQ(ret, 0);
	CHECK_GE(n, 2);
	l = storm_look(dev);
	CHECK_EQ(l.processes, 1);
	CHECK_EQ(l.missed, 0);
	mockgpu_close(dev);
}

#define BEYOND 40
#define STACK 4	/* pages of each */

static int wait_for_end(void *arg)
{
	struct target *t = arg;
	char end;

	CHECK_EQ(read(t->pipe[0], &end, 1), 0);
	return 0;
}

/* Each waits until the pipe is closed.  They share their memory, which takes less time. */
static void start_too_many(struct target *t)
{
	const unsigned int children = MOCKGPU_STORM_PROCESSES_MAX + BEYOND - 1;
	char *stacks = map_hole(children * STACK);

	for (unsigned int i = 0; i < children; i++)
		CHECK_SYS(clone(wait_for_end, AT(stacks, (i + 1) * STACK), CLONE_VM | SIGCHLD, t));
	gate_open(t->ready, 1);
	for (unsigned int i = 0; i < children; i++)
		CHECK_SYS(waitpid(-1, NULL, 0));
}

static void X4_more_processes_than_it_follows(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, start_too_many);
	struct drm_mockgpu_storm_look l;
	pid_t pid;

	t.begin.rate = 100;
	pid = spawn(run_target, &t);
	gate_wait(t.ready);
	l = storm_look(dev);
	CHECK_EQ(l.followed, MOCKGPU_STORM_PROCESSES_MAX);
	CHECK_EQ(l.processes, MOCKGPU_STORM_PROCESSES_MAX);
	CHECK_EQ(l.missed, BEYOND);
	CHECK_SYS(close(t.pipe[1]));
	join(pid);
	AWAIT(dev, l, l.over);
}

#define RATE 2000

static void X5_no_more_pages_than_the_rate(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, target_idles);
	struct drm_mockgpu_storm_look l;
	uint64_t pages;
	pid_t pid;

	t.begin.rate = RATE;
	t.begin.max_pages = 16;
	pid = spawn(run_target, &t);
	gate_wait(t.ready);
	AWAIT(dev, l, l.elapsed_ns > NS_PER_S);
	pages = l.to_vram[MOVED] + l.to_system[MOVED];
	CHECK_GE(pages, 100);
	/* What it was behind, and the piece that goes over it, one each way. */
	CHECK_LE(pages, l.elapsed_ns * RATE / NS_PER_S + RATE / 50 + 2 * 16);
	gate_open(t.go, 1);
	join(pid);
}

static void X5_it_ends_after_its_duration(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, target_idles);
	struct drm_mockgpu_storm_look l;
	pid_t pid;

	t.begin.duration_ns = NS_PER_S / 5;
	pid = spawn(run_target, &t);
	gate_wait(t.ready);
	AWAIT(dev, l, l.over);
	CHECK_LE(l.elapsed_ns, BOUND_NS);
	CHECK_EQ(l.processes, 0);
	CHECK_GE(l.to_vram[MOVED], 1);
	is_calm(dev);
	gate_open(t.go, 1);
	join(pid);
}

#define STRETCHES 64

/* Of half the memory each stretch of 2 MiB moves or does not, as the seed has it. */
static void tell_share(struct target *t)
{
	struct mockgpu_device *dev;
	unsigned int moved = 0;
	uint16_t tag = new_tag();
	char *p = map_hole(STRETCHES * 512);

	p = (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	for (unsigned int i = 0; i < STRETCHES - 1; i++)
		fill(p + i * HUGE, 4, tag, i * 4);
	gate_open(t->ready, 1);
	gate_wait(t->go);
	dev = gpu_open(0);
	for (unsigned int i = 0; i < STRETCHES - 1; i++) {
		bool in_vram = gpu_res(dev, p + i * HUGE) & MOCKGPU_RES_VRAM;

		/* A stretch is all in or all out. */
		for (unsigned int n = 1; n < 4; n++)
			CHECK_EQ(!(gpu_res(dev, AT(p + i * HUGE, n)) & MOCKGPU_RES_VRAM), !in_vram);
		moved += in_vram;
		CHECK_FILL(p + i * HUGE, 4, tag, i * 4);
	}
	CHECK_GE(moved, STRETCHES / 4);
	CHECK_LE(moved, STRETCHES * 3 / 4);
}

static void X5_a_share_of_the_memory(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, tell_share);
	uint64_t before = gpu_counters(dev).pages_hole;
	struct drm_mockgpu_storm_look l;
	pid_t pid;

	t.begin.share = 32768;
	t.begin.flags = MOCKGPU_STORM_PRESSURE;
	t.begin.min_pages = 512;
	pid = spawn(run_target, &t);
	gate_wait(t.ready);
	AWAIT(dev, l, l.rounds >= 4);
	gate_open(t.go, 1);
	join(pid);
	CHECK_EQ(gpu_counters(dev).pages_hole, before);
}

/* The first pages that move within a range, as the log has them. */
#define PIECES 24

struct seen {
	struct target t;
	uint64_t at;
	uint64_t addr[PIECES];
};

static uint64_t arena;

static void idle_in_arena(struct target *t)
{
	map_fixed((void *)(uintptr_t)arena, 64 * 512, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1);
	fill((void *)(uintptr_t)arena, 64 * 512, 7, 0);
	gate_open(t->ready, 1);
	gate_wait(t->go);
	CHECK_EQ(mockgpu_storm_begin(t->dev, &t->begin), 0);
	gate_wait(t->go);
	CHECK_FILL((void *)(uintptr_t)arena, 64 * 512, 7, 0);
}

static void run_idle(void *arg)
{
	idle_in_arena(arg);
}

static void see(struct seen *s, uint64_t seed)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct drm_mockgpu_event e;
	struct log log;
	pid_t pid;
	size_t n = 0;

	s->t = target_new(dev, NULL);
	s->t.begin.flags = MOCKGPU_STORM_RANDOM;
	s->t.begin.seed = seed;
	s->t.begin.max_pages = 64;
	pid = spawn(run_idle, &s->t);
	gate_wait(s->t.ready);
	log = log_new(dev, MOCKGPU_LOG_DESCENDANTS, KIND(TO_VRAM), 0);
	gate_open(s->t.go, 1);
	while (n < PIECES) {
		e = log_next(&log);
		CHECK_EQ(e.cause, MOCKGPU_CAUSE_STORM);
		/* The first of those that moved together. */
		if (e.duration_ns && e.addr >= arena && e.addr < arena + 64 * HUGE)
			s->addr[n++] = e.addr;
	}
	gate_open(s->t.go, 1);
	join(pid);
	log_close(&log);
	mockgpu_close(dev);
}

/*
 * How many of the pieces are the same.  Not all need be: what does not move when its turn comes, as
 * it is in use at that moment, is not in the log.
 */
static unsigned int in_common(const struct seen *a, const struct seen *b)
{
	unsigned int same = 0;

	for (unsigned int i = 0; i < PIECES; i++) {
		for (unsigned int j = 0; j < PIECES; j++) {
			if (a->addr[i] == b->addr[j]) {
				same++;
				break;
			}
		}
	}
	return same;
}

static void X5_the_seed_repeats_the_choices(void)
{
	static struct seen first, again, other;

	arena = (uintptr_t)map_arena(66 * 512);
	arena = (arena + HUGE - 1) & ~(HUGE - 1);
	/* The other first: what is mapped changes little after the first time. */
	see(&other, 43);
	see(&first, 42);
	see(&again, 42);
	CHECK_GE(in_common(&first, &again), PIECES * 3 / 4);
	CHECK_LE(in_common(&first, &other), PIECES / 4);
}

/* Two devices storm one process, and pages go from the one to the other, too. */
static void begin_on_both(void *arg)
{
	struct target *t = arg;

	CHECK_EQ(mockgpu_storm_begin(pair[0], &t->begin), 0);
	CHECK_EQ(mockgpu_storm_begin(pair[1], &t->begin), 0);
	target_works(t);
}

static void X5_two_devices(void)
{
	struct drm_mockgpu_storm_look l;
	struct target t;
	pid_t pid;

	pair_load(64);
	t = target_new(pair[0], NULL);
	pid = spawn(begin_on_both, &t);
	for (unsigned int i = 0; i < 2; i++)
		storms_on(pair[i], MANY / 4);
	AWAIT(pair[0], l, gpu_counters(pair[0]).pages_from_peer ||
			  gpu_counters(pair[1]).pages_from_peer);
	CHECK_EQ(l.processes, 1);
	stop_and_join(&t, pid);
	mockgpu_close(pair[0]);
	mockgpu_close(pair[1]);
	tidy();
}

STORM(X4_bad_arguments)
STORM(X4_as_many_as_queues)
STORM(X4_so_many_storms_of_a_process)
STORM(X4_two_storms_of_a_user)
STORM(X4_no_memory_to_begin)
STORM(X4_more_processes_than_it_follows)
STORM(X5_no_more_pages_than_the_rate)
STORM(X5_it_ends_after_its_duration)
STORM(X5_a_share_of_the_memory)
STORM(X5_the_seed_repeats_the_choices)

const struct scenario scenarios[] = {
	SCENARIO(X4_bad_arguments),
	SCENARIO(X4_as_many_as_queues),
	SCENARIO(X4_so_many_storms_of_a_process),
	SCENARIO(X4_two_storms_of_a_user),
	SCENARIO(X4_no_memory_to_begin),
	SCENARIO(X4_more_processes_than_it_follows),
	SCENARIO(X5_no_more_pages_than_the_rate),
	SCENARIO(X5_it_ends_after_its_duration),
	SCENARIO(X5_a_share_of_the_memory),
	SCENARIO(X5_the_seed_repeats_the_choices),
	{ "X5_two_devices", X5_two_devices, 120, RELOADS },
	{ 0 }
};
