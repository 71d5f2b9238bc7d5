// SPDX-License-Identifier: MIT
/*
 * How a storm ends, and what does not end it: row X3.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "module.h"
#include "sleep.h"
#include "storms.h"

static void X3_it_is_over_after_the_last_process(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, target_idles);
	pid_t pid = spawn(run_target, &t);
	struct drm_mockgpu_storm_look l, later;

	gate_wait(t.ready);
	storms_on(dev, MANY);
	l = storm_look(dev);
	CHECK_EQ(l.over, 0);
	gate_open(t.go, 1);
	join(pid);
	AWAIT(dev, l, l.over);
	/* Nothing is counted any more but the time. */
	later = storm_look(dev);
	CHECK_EQ(l.processes, 0);
	CHECK_EQ(later.over, 1);
	CHECK_GE(l.resident_pages, MANY);
	CHECK_EQ(later.resident_pages, l.resident_pages);
	CHECK_EQ(later.covered_pages, l.covered_pages);
	CHECK_EQ(mockgpu_storm_begin(dev, &t.begin), -EBUSY);
}

static unsigned int comers(void)
{
	return 1500 / slowness();
}

static void come_and_go(struct target *t)
{
	for (unsigned int i = comers(); i; i--) {
		pid_t pid = (pid_t)CHECK_SYS(fork());

		if (!pid)
			_exit(0);
		CHECK_EQ(waitpid(pid, NULL, 0), pid);
	}
	target_idles(t);
}

/* Those that ended take nobody's place, also where nearly nothing may move. */
static void X3_processes_that_come_and_go(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, come_and_go);
	struct drm_mockgpu_storm_look l;
	pid_t pid;

	t.begin.rate = 1;
	pid = spawn(run_target, &t);
	gate_wait(t.ready);
	AWAIT(dev, l, l.processes == 1);
	CHECK_EQ(l.followed, comers() + 1);
	CHECK_EQ(l.missed, 0);
	gate_open(t.go, 1);
	join(pid);
	AWAIT(dev, l, l.over);
}

static void X3_a_target_that_is_killed(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, target_idles);
	pid_t pid = spawn(run_target, &t);
	struct drm_mockgpu_storm_look l;
	uint64_t start;

	gate_wait(t.ready);
	storms_on(dev, MANY);
	start = now_ns();
	CHECK_SYS(kill(pid, SIGKILL));
	join_killed(pid, SIGKILL);
	AWAIT(dev, l, l.over);
	CHECK_LE(now_ns() - start, BOUND_NS);
}

static void leave_file_and_idle(struct target *t)
{
	mockgpu_close(t->dev);
	target_idles(t);
}

/* The storm goes with the file; its target stays, and another file can have another storm. */
static void X3_the_file_is_closed(void)
{
	struct mockgpu_device *dev = gpu_open(0), *other = gpu_open(0);
	struct target t = target_new(dev, leave_file_and_idle);
	pid_t pid = spawn(run_target, &t);
	uint64_t start, moved;

	gate_wait(t.ready);
	storms_on(dev, MANY);
	start = now_ns();
	mockgpu_close(dev);
	CHECK_LE(now_ns() - start, BOUND_NS);
	moved = gpu_counters(other).pages_to_vram;
	sleep_ms(100);
	CHECK_EQ(gpu_counters(other).pages_to_vram, moved);
	gate_open(t.go, 1);
	join(pid);

	t = target_new(other, target_idles);
	pid = spawn(run_target, &t);
	gate_wait(t.ready);
	storms_on(other, MANY);
	gate_open(t.go, 1);
	join(pid);
}

static void X3_the_device_leaves(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, target_idles);
	pid_t pid = spawn(run_target, &t);
	struct drm_mockgpu_storm_look l;
	uint64_t start;

	gate_wait(t.ready);
	storms_on(dev, MANY);
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

/* Holds the storm's file, and has a child that is in the storm. */
static void launch(void *arg)
{
	spawn(run_target, arg);
	for (;;)
		pause();
}

static void leave_file_idle_and_tell(struct target *t)
{
	leave_file_and_idle(t);
	gate_open(t->ready, 1);
}

static void X3_who_began_it_is_killed(void)
{
	struct mockgpu_device *dev = gpu_open(0), *other = gpu_open(0);
	struct target t = target_new(dev, leave_file_idle_and_tell);
	pid_t pid = spawn(launch, &t);
	uint64_t moved;

	gate_wait(t.ready);
	storms_on(dev, MANY);
	mockgpu_close(dev);
	CHECK_SYS(kill(pid, SIGKILL));
	join_killed(pid, SIGKILL);
	moved = gpu_counters(other).pages_to_vram;
	sleep_ms(100);
	CHECK_EQ(gpu_counters(other).pages_to_vram, moved);
	gate_open(t.go, 1);
	gate_wait(t.ready);
}

/* As long as the file is open the module stays; after that it is the target's memory alone. */
static void X3_the_module_is_unloaded(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	bool coherent = !gpu_has(dev, MOCKGPU_CAP_PRIVATE);
	struct target t = target_new(dev, leave_file_and_idle);
	pid_t pid = spawn(run_target, &t);
	uint64_t end;
	int ret;

	gate_wait(t.ready);
	storms_on(dev, MANY);
	CHECK_EQ(module_unload(), -EWOULDBLOCK);
	storms_on(dev, MANY);
	mockgpu_close(dev);
	/* What is in coherent VRAM holds the module, and is sent home by the device's leaving. */
	if (coherent)
		CHECK_EQ(device_unbind(0), 0);
	for (end = now_ns() + BOUND_NS; (ret = module_unload()) && now_ns() < end;)
		sleep_ms(10);
	CHECK_EQ(ret, 0);
	gate_open(t.go, 1);
	join(pid);
}

#define SOME 64	/* pages, as the device uses each of them */

static void X3_not_as_the_machine_is_suspended(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, target_works);
	pid_t pid;

	sleep_needs_tests();
	t.begin.flags = MOCKGPU_STORM_GPU |
			(gpu_has(dev, MOCKGPU_CAP_EXCLUSIVE) ? MOCKGPU_STORM_EXCLUSIVE : 0);
	pid = spawn(run_target, &t);
	for (enum sleep_level level = 0; level < SLEEP_LEVELS; level++) {
		storms_on(dev, SOME);
		if (sleep_goes_to(level))
			CHECK_EQ(sleep_suspend(level), 0);
	}
	storms_on(dev, SOME);
	stop_and_join(&t, pid);
}

STORM(X3_it_is_over_after_the_last_process)
STORM(X3_processes_that_come_and_go)
STORM(X3_a_target_that_is_killed)
STORM(X3_the_file_is_closed)
STORM(X3_the_device_leaves)
STORM(X3_it_ends_amid_forks)
STORM(X3_who_began_it_is_killed)
STORM(X3_not_as_the_machine_is_suspended)

const struct scenario scenarios[] = {
	SCENARIO(X3_it_is_over_after_the_last_process),
	SCENARIO(X3_processes_that_come_and_go),
	SCENARIO(X3_a_target_that_is_killed),
	SCENARIO(X3_the_file_is_closed),
	SCENARIO(X3_the_device_leaves),
	SCENARIO(X3_it_ends_amid_forks),
	SCENARIO(X3_who_began_it_is_killed),
	SCENARIO(X3_not_as_the_machine_is_suspended),
	{ "X3_the_module_is_unloaded", X3_the_module_is_unloaded, 120, RELOADS },
	{ 0 }
};
