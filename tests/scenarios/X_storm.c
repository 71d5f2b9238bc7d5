// SPDX-License-Identifier: MIT
/*
 * Storms: the memory of a process and of all that it starts goes to VRAM and comes home all the
 * time, and nobody notices.  Row X1 is what a storm does, X2 whom it follows, X3 how it ends, X4
 * what is refused, X5 what can be chosen.
 *
 * The target is a child, which begins the storm with the scenario's file.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "events.h"
#include "module.h"
#include "pair.h"
#include "process.h"
#include "queue.h"

#define N	1024	/* pages */
#define MOVED	MOCKGPU_PAGE_MOVED

/* What scenario and targets share. */
struct target {
	struct mockgpu_device *dev;
	struct drm_mockgpu_storm_begin begin;
	int ready, go;
	_Atomic int *stop;
	void (*then)(struct target *t);
	int pipe[2];
};

static struct target target_new(struct mockgpu_device *dev, void (*then)(struct target *t))
{
	struct target t = { .dev = dev, .then = then, .ready = gate_new(), .go = gate_new() };

	t.stop = map_shared(1);
	CHECK_SYS(pipe(t.pipe));
	return t;
}

static void run_target(void *arg)
{
	struct target *t = arg;

	CHECK_SYS(close(t->pipe[1]));
	CHECK_EQ(mockgpu_storm_begin(t->dev, &t->begin), 0);
	t->then(t);
}

static struct drm_mockgpu_storm_look look(struct mockgpu_device *dev)
{
	struct drm_mockgpu_storm_look l;

	CHECK_EQ(mockgpu_storm_look(dev, &l), 0);
	return l;
}

/* Looks until @condition is true of the look @l. */
#define AWAIT(dev, l, condition) \
	do { \
		uint64_t end_ = now_ns() + 10 * NS_PER_S * slowness(); \
		for (l = look(dev); !(condition); l = look(dev)) { \
			if (now_ns() > end_) \
				FAIL("never true: %s", #condition); \
			sleep_ms(2); \
		} \
	} while (0)

/* Further pages go and come home now. */
static void storms_on(struct mockgpu_device *dev, unsigned int pages)
{
	struct drm_mockgpu_storm_look before = look(dev), l;

	AWAIT(dev, l, l.to_vram[MOVED] >= before.to_vram[MOVED] + pages &&
		      l.to_system[MOVED] > before.to_system[MOVED]);
}

/* For some time nothing moves. */
static void is_calm(struct mockgpu_device *dev)
{
	struct drm_mockgpu_storm_look before = look(dev), l;

	sleep_ms(100);
	l = look(dev);
	CHECK_EQ(l.to_vram[MOVED], before.to_vram[MOVED]);
	CHECK_EQ(l.to_system[MOVED], before.to_system[MOVED]);
}

static void stop_and_join(struct target *t, pid_t pid)
{
	atomic_store(t->stop, 1);
	join(pid);
}

/* Writes and checks memory until it is told to stop. */
static void work(struct target *t)
{
	uint16_t tag = 1;
	void *p = map_filled(N, tag);

	while (!atomic_load(t->stop)) {
		CHECK_FILL(p, N, tag, 0);
		tag = tag % 60000 + 1;
		fill(p, N, tag, 0);
	}
	CHECK_FILL(p, N, tag, 0);
}

/* Has memory, and touches none of it until it is told to go. */
static void idle(struct target *t)
{
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);

	gate_open(t->ready, 1);
	gate_wait(t->go);
	CHECK_FILL(p, N, tag, 0);
}

static void X1_pages_go_and_come_home_unnoticed(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, work);
	pid_t pid = spawn(run_target, &t);
	struct drm_mockgpu_storm_look l = { 0 };

	while (mockgpu_storm_look(dev, &l) == -ENOENT)
		sleep_ms(2);
	AWAIT(dev, l, l.to_vram[MOVED] >= 4 * N && l.rounds >= 2);
	if (gpu_has(dev, MOCKGPU_CAP_PRIVATE))
		AWAIT(dev, l, l.cpu_faults && l.pages_cpu_fault);
	CHECK_EQ(l.processes, 1);
	CHECK_EQ(l.over, 0);
	stop_and_join(&t, pid);
	AWAIT(dev, l, !l.processes);
	CHECK_EQ(l.followed, 1);
	CHECK_EQ(l.missed, 0);
	CHECK_EQ(l.left, 0);
	CHECK_GE(l.resident_pages, N);
	CHECK_LE(l.covered_pages, l.resident_pages);
	CHECK_EQ(l.to_vram[MOCKGPU_PAGE_COPY_FAILED], 0);
	is_calm(dev);
}

/* All of it moves, and each page at once where nobody is in the way. */
static void X1_a_round_covers_all_memory(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, idle);
	pid_t pid = spawn(run_target, &t);
	struct drm_mockgpu_storm_look l;

	gate_wait(t.ready);
	l = look(dev);
	storms_on(dev, 2 * N);
	AWAIT(dev, l, l.rounds >= 3);
	CHECK_GE(l.resident_pages, N);
	CHECK_GE(l.covered_pages * 10, l.resident_pages * 9);
	gate_open(t.go, 1);
	join(pid);
}

#define HOLES	16384

/* Of a large mapping with few pages these alone move, and no others come to be. */
static void sparse(struct target *t)
{
	uint16_t tag = new_tag();
	char *p = map_hole(HOLES);

	for (size_t i = 0; i < HOLES; i += 64)
		fill(AT(p, i), 1, tag, i);
	gate_open(t->ready, 1);
	gate_wait(t->go);
	for (size_t i = 0; i < HOLES; i++) {
		struct pagemap map = pagemap_of(0, AT(p, i));

		if (i % 64 && (map.present || map.vram))
			FAIL("page %zu has come to be", i);
	}
	for (size_t i = 0; i < HOLES; i += 64)
		CHECK_FILL(AT(p, i), 1, tag, i);
}

static void X1_holes_stay_holes(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, sparse);
	pid_t pid = spawn(run_target, &t);
	struct drm_mockgpu_storm_look l;

	gate_wait(t.ready);
	storms_on(dev, HOLES / 64);
	AWAIT(dev, l, l.rounds >= 2);
	gate_open(t.go, 1);
	join(pid);
	CHECK_EQ(gpu_counters(dev).pages_hole, 0);
}

#define COUNTERS 64

/* The CPU counts, and what the device writes changes nothing. */
static void count(struct target *t)
{
	uint64_t *p = map_filled(COUNTERS, 1), n = 0;

	memset(p, 0, COUNTERS * PAGE);
	while (!atomic_load(t->stop)) {
		for (size_t i = 0; i < COUNTERS * WORDS; i++)
			__atomic_fetch_add(&p[i], 1, __ATOMIC_RELAXED);
		n++;
	}
	for (size_t i = 0; i < COUNTERS * WORDS; i++) {
		if (p[i] != n)
			FAIL("word %zu is %llu after %llu rounds", i, (unsigned long long)p[i],
			     (unsigned long long)n);
	}
}

static void X1_the_device_reads_and_writes_what_is_there(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, count);
	bool exclusive = gpu_has(dev, MOCKGPU_CAP_EXCLUSIVE);
	struct drm_mockgpu_storm_look l = { 0 };
	pid_t pid;

	t.begin.flags = MOCKGPU_STORM_GPU | MOCKGPU_STORM_RANDOM |
			(exclusive ? MOCKGPU_STORM_EXCLUSIVE : 0);
	pid = spawn(run_target, &t);
	while (mockgpu_storm_look(dev, &l) == -ENOENT)
		sleep_ms(2);
	AWAIT(dev, l, l.gpu_reads >= 200 && l.gpu_writes >= 200);
	stop_and_join(&t, pid);
}

/* More memory than VRAM: others go, and nothing is lost. */
static void fill_more_than_vram(struct target *t)
{
	size_t pages = gpu_vram_pages(t->dev) + 8192;
	uint16_t tag = new_tag();
	void *p = map_filled(pages, tag);

	gate_open(t->ready, 1);
	while (!atomic_load(t->stop)) {
		size_t at = random_below(pages - 16);

		CHECK_FILL(AT(p, at), 16, tag, at);
	}
	CHECK_FILL(p, pages, tag, 0);
}

static void X1_under_pressure_others_make_room(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, fill_more_than_vram);
	struct drm_mockgpu_storm_look l;
	pid_t pid;

	t.begin.flags = MOCKGPU_STORM_PRESSURE;
	pid = spawn(run_target, &t);
	gate_wait(t.ready);
	/* That is a lot to move. */
	for (unsigned int i = 0; i < 60 && !look(dev).pages_evicted; i++)
		sleep_ms(1000);
	AWAIT(dev, l, l.pages_evicted);
	CHECK_EQ(l.to_system[MOVED], 0);
	stop_and_join(&t, pid);
}

/* Becomes cat, which has nothing to read until the scenario closes the pipe. */
static void become(struct target *t, const char *path)
{
	CHECK_SYS(dup2(t->pipe[0], 0));
	execl(path, "cat", NULL);
	FAIL("cannot execute %s: %s", path, strerror(errno));
}

static void become_cat(struct target *t)
{
	become(t, "/bin/cat");
}

static void end_cat(struct target *t, pid_t pid)
{
	CHECK_SYS(close(t->pipe[1]));
	join(pid);
}

static void X2_a_program_that_is_executed(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, become_cat);
	pid_t pid = spawn(run_target, &t);
	struct drm_mockgpu_storm_look l = { 0 };

	while (mockgpu_storm_look(dev, &l) == -ENOENT)
		sleep_ms(2);
	AWAIT(dev, l, l.followed == 2 && l.processes == 1);
	storms_on(dev, 100);
	end_cat(&t, pid);
	AWAIT(dev, l, !l.processes);
	CHECK_EQ(l.left, 0);
}

/* Each generation has a copy of what its parent has, and writes its own. */
static void have_child(void *arg)
{
	static unsigned int generation;
	static uint16_t tag;
	static void *p;
	struct target *t = arg;
	pid_t pid = 0;

	if (generation)
		CHECK_FILL(p, N, tag, 0);
	else
		p = map_hole(N);
	tag = (uint16_t)(generation + 100);
	fill(p, N, tag, 0);
	if (generation++ < 3)
		pid = spawn(have_child, t);
	gate_open(t->ready, 1);
	while (!atomic_load(t->stop))
		CHECK_FILL(p, N, tag, 0);
	if (pid)
		join(pid);
	CHECK_FILL(p, N, tag, 0);
}

static void have_family(struct target *t)
{
	have_child(t);
}

static void X2_children_and_their_children(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, have_family);
	pid_t pid = spawn(run_target, &t);
	struct drm_mockgpu_storm_look l;

	for (unsigned int i = 0; i < 4; i++)
		gate_wait(t.ready);
	storms_on(dev, 4 * N);
	l = look(dev);
	CHECK_EQ(l.followed, 4);
	CHECK_EQ(l.processes, 4);
	stop_and_join(&t, pid);
	AWAIT(dev, l, !l.processes);
}

/* By vfork(), where the child has the parent's memory until it has executed something. */
static void spawn_cat(struct target *t)
{
	posix_spawn_file_actions_t actions;
	char *argv[] = { "cat", NULL };
	int status;
	pid_t pid;

	CHECK_EQ(posix_spawn_file_actions_init(&actions), 0);
	CHECK_EQ(posix_spawn_file_actions_adddup2(&actions, t->pipe[0], 0), 0);
	CHECK_EQ(posix_spawn(&pid, "/bin/cat", &actions, NULL, argv, NULL), 0);
	gate_open(t->ready, 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static void X2_a_child_by_vfork(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, spawn_cat);
	pid_t pid = spawn(run_target, &t);
	struct drm_mockgpu_storm_look l;

	gate_wait(t.ready);
	AWAIT(dev, l, l.followed == 3 && l.processes == 2);
	storms_on(dev, 100);
	end_cat(&t, pid);
	AWAIT(dev, l, !l.processes);
}

#define CAT "/tmp/mockgpu-cat"

static void become_cat_as_nobody(struct target *t)
{
	become(t, CAT);
}

/* A storm that nobody's process began, on a copy of cat with this mode. */
static pid_t storm_by_nobody(struct target *t, mode_t mode)
{
	pid_t pid;

	CHECK_EQ(system("cp /bin/cat " CAT), 0);
	CHECK_SYS(chmod(CAT, mode));
	pid = (pid_t)CHECK_SYS(fork());
	if (pid)
		return pid;
	CHECK_SYS(setgid(65534));
	CHECK_SYS(setuid(65534));
	run_target(t);
	_exit(1);
}

static void X2_not_a_program_with_set_user_id(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, become_cat_as_nobody);
	struct drm_mockgpu_storm_look l = { 0 };
	pid_t pid = storm_by_nobody(&t, 04755);

	while (mockgpu_storm_look(dev, &l) == -ENOENT)
		sleep_ms(2);
	AWAIT(dev, l, l.left == 1 && !l.processes);
	CHECK_EQ(l.followed, 1);
	is_calm(dev);
	end_cat(&t, pid);
	CHECK_SYS(unlink(CAT));
}

/* The same file without the bit, so it is the bit that it is about. */
static void X2_a_program_of_the_same_user(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, become_cat_as_nobody);
	struct drm_mockgpu_storm_look l = { 0 };
	pid_t pid = storm_by_nobody(&t, 0755);

	while (mockgpu_storm_look(dev, &l) == -ENOENT)
		sleep_ms(2);
	AWAIT(dev, l, l.followed == 2 && l.processes == 1);
	CHECK_EQ(l.left, 0);
	storms_on(dev, 100);
	end_cat(&t, pid);
	CHECK_SYS(unlink(CAT));
}

static void become_nobody_and_cat(struct target *t)
{
	CHECK_SYS(setgid(65534));
	CHECK_SYS(setuid(65534));
	become(t, "/bin/cat");
}

static void X2_not_a_program_of_another_user(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, become_nobody_and_cat);
	pid_t pid = spawn(run_target, &t);
	struct drm_mockgpu_storm_look l = { 0 };

	while (mockgpu_storm_look(dev, &l) == -ENOENT)
		sleep_ms(2);
	AWAIT(dev, l, l.left == 1 && !l.processes);
	is_calm(dev);
	end_cat(&t, pid);
}

static void X3_a_target_that_is_killed(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, idle);
	pid_t pid = spawn(run_target, &t);
	struct drm_mockgpu_storm_look l;
	uint64_t start;

	gate_wait(t.ready);
	storms_on(dev, N);
	start = now_ns();
	CHECK_SYS(kill(pid, SIGKILL));
	join_killed(pid, SIGKILL);
	AWAIT(dev, l, !l.processes);
	while (gpu_counters(dev).vram_used_bytes && now_ns() - start < BOUND_NS)
		sleep_ms(2);
	CHECK_LE(now_ns() - start, NS_PER_S * slowness());
	CHECK_EQ(gpu_counters(dev).vram_used_bytes, 0);
}

static void leave_file_and_idle(struct target *t)
{
	mockgpu_close(t->dev);
	idle(t);
}

/* The storm goes with the file; its target stays, and another file can have another storm. */
static void X3_the_file_is_closed(void)
{
	struct mockgpu_device *dev = gpu_open(0), *other = gpu_open(0);
	struct target t = target_new(dev, leave_file_and_idle);
	pid_t pid = spawn(run_target, &t);
	uint64_t start, moved;

	gate_wait(t.ready);
	storms_on(dev, N);
	start = now_ns();
	mockgpu_close(dev);
	CHECK_LE(now_ns() - start, NS_PER_S * slowness());
	moved = gpu_counters(other).pages_to_vram;
	sleep_ms(100);
	CHECK_EQ(gpu_counters(other).pages_to_vram, moved);
	gate_open(t.go, 1);
	join(pid);

	t = target_new(other, idle);
	pid = spawn(run_target, &t);
	gate_wait(t.ready);
	storms_on(other, N);
	gate_open(t.go, 1);
	join(pid);
}

static void X3_the_device_leaves(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, idle);
	pid_t pid = spawn(run_target, &t);
	struct drm_mockgpu_storm_look l;
	uint64_t start;

	gate_wait(t.ready);
	storms_on(dev, N);
	start = now_ns();
	CHECK_EQ(device_unbind(0), 0);
	CHECK_LE(now_ns() - start, BOUND_NS);
	CHECK_EQ(mockgpu_storm_look(dev, &l), -ENODEV);
	CHECK_EQ(mockgpu_storm_begin(dev, &t.begin), -ENODEV);
	gate_open(t.go, 1);
	join(pid);
	mockgpu_close(dev);
	CHECK_EQ(device_bind(0), 0);
}

/* Forks and execs all over while it ends. */
static void start_many(struct target *t)
{
	unsigned int n = 0;

	mockgpu_close(t->dev);
	gate_open(t->ready, 1);
	while (!atomic_load(t->stop)) {
		pid_t pid = (pid_t)CHECK_SYS(n++ % 2 ? fork() : vfork());

		if (!pid) {
			execl("/bin/true", "true", NULL);
			_exit(1);
		}
		CHECK_EQ(waitpid(pid, NULL, 0), pid);
	}
}

static void X3_it_ends_amid_forks(void)
{
	for (unsigned int i = 0; i < 9; i++) {
		struct mockgpu_device *dev = gpu_open(0);
		struct target t = target_new(dev, start_many);
		pid_t pid = spawn(run_target, &t);

		gate_wait(t.ready);
		storms_on(dev, 50);
		/* In turn: the target is killed, it is told to end, the file goes first. */
		if (i % 3 == 0) {
			CHECK_SYS(kill(pid, SIGKILL));
			join_killed(pid, SIGKILL);
		} else if (i % 3 == 1) {
			stop_and_join(&t, pid);
		}
		mockgpu_close(dev);
		if (i % 3 == 2)
			stop_and_join(&t, pid);
		CHECK_SYS(close(t.pipe[0]));
		CHECK_SYS(close(t.pipe[1]));
	}
}

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
	l = look(dev);
	CHECK_EQ(l.processes, 1);
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

#define RATE 2000

static void X5_no_more_pages_than_the_rate(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, idle);
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
	struct target t = target_new(dev, idle);
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

static void X5_the_seed_repeats_the_choices(void)
{
	static struct seen first, again, other;

	arena = (uintptr_t)map_arena(66 * 512);
	arena = (arena + HUGE - 1) & ~(HUGE - 1);
	see(&first, 42);
	see(&again, 42);
	see(&other, 43);
	CHECK(!memcmp(first.addr, again.addr, sizeof(first.addr)));
	CHECK(memcmp(first.addr, other.addr, sizeof(first.addr)));
}

/* Two devices storm one process, and pages go from the one to the other, too. */
static void begin_on_both(void *arg)
{
	struct target *t = arg;

	CHECK_EQ(mockgpu_storm_begin(pair[0], &t->begin), 0);
	CHECK_EQ(mockgpu_storm_begin(pair[1], &t->begin), 0);
	work(t);
}

static void X5_two_devices(void)
{
	struct target t;
	pid_t pid;

	pair_load(64);
	t = target_new(pair[0], NULL);
	pid = spawn(begin_on_both, &t);
	for (unsigned int i = 0; i < 2; i++) {
		struct drm_mockgpu_storm_look l = { 0 };

		while (mockgpu_storm_look(pair[i], &l) == -ENOENT)
			sleep_ms(2);
		storms_on(pair[i], 2 * N);
	}
	stop_and_join(&t, pid);
	CHECK_GE(gpu_counters(pair[0]).pages_from_peer + gpu_counters(pair[1]).pages_from_peer, 1);
	mockgpu_close(pair[0]);
	mockgpu_close(pair[1]);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(X1_pages_go_and_come_home_unnoticed),
	SCENARIO(X1_a_round_covers_all_memory),
	SCENARIO(X1_holes_stay_holes),
	SCENARIO(X1_the_device_reads_and_writes_what_is_there),
	{ "X1_under_pressure_others_make_room", X1_under_pressure_others_make_room, 120, 0 },
	SCENARIO(X2_a_program_that_is_executed),
	SCENARIO(X2_children_and_their_children),
	SCENARIO(X2_a_child_by_vfork),
	SCENARIO(X2_not_a_program_with_set_user_id),
	SCENARIO(X2_a_program_of_the_same_user),
	SCENARIO(X2_not_a_program_of_another_user),
	SCENARIO(X3_a_target_that_is_killed),
	SCENARIO(X3_the_file_is_closed),
	SCENARIO(X3_the_device_leaves),
	SCENARIO(X3_it_ends_amid_forks),
	SCENARIO(X4_bad_arguments),
	SCENARIO(X4_as_many_as_queues),
	SCENARIO(X5_no_more_pages_than_the_rate),
	SCENARIO(X5_it_ends_after_its_duration),
	SCENARIO(X5_a_share_of_the_memory),
	SCENARIO(X5_the_seed_repeats_the_choices),
	{ "X5_two_devices", X5_two_devices, 0, RELOADS },
	{ 0 }
};
