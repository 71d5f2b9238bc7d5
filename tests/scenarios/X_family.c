// SPDX-License-Identifier: MIT
/*
 * Whom a storm follows, row X2, and how it ends, row X3.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
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
#include "queue.h"
#include "storms.h"

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
	struct drm_mockgpu_storm_look l;

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
		CHECK_FILL(p, MANY, tag, 0);
	else
		p = map_hole(MANY);
	tag = (uint16_t)(generation + 100);
	fill(p, MANY, tag, 0);
	if (generation++ < 3)
		pid = spawn(have_child, t);
	gate_open(t->ready, 1);
	while (!atomic_load(t->stop))
		CHECK_FILL(p, MANY, tag, 0);
	if (pid)
		join(pid);
	CHECK_FILL(p, MANY, tag, 0);
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
	storms_on(dev, 4 * MANY);
	l = storm_look(dev);
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

/* It begins in a child by vfork(): what it has until it executes something is the parent's. */
static void X2_not_the_parent_after_vfork(void)
{
	struct drm_mockgpu_storm_begin begin = { 0 };
	struct mockgpu_device *dev = gpu_open(0);
	struct drm_mockgpu_storm_look l;
	uint16_t tag = new_tag();
	void *p = map_filled(MANY, tag);
	int fds[2];
	pid_t pid;

	CHECK_SYS(pipe(fds));
	CHECK_SYS(dup2(fds[0], 0));
	CHECK_SYS(fcntl(fds[1], F_SETFD, FD_CLOEXEC));
	pid = (pid_t)CHECK_SYS(vfork());
	if (!pid) {
		if (!mockgpu_storm_begin(dev, &begin))
			execl("/bin/cat", "cat", NULL);
		_exit(1);
	}
	AWAIT(dev, l, l.followed == 2 && l.processes == 1);
	/* The thread has seen that, too, when it has done something else. */
	storms_on(dev, 100);
	CHECK_FILL(p, MANY, tag, 0);
	CHECK_EQ(mockgpu_to_system(dev, p, MANY * PAGE), 0);
	storms_on(dev, 100);
	CHECK_PLACE(dev, p, MANY, IN_SYSTEM);
	CHECK_SYS(close(fds[1]));
	join(pid);
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
	struct drm_mockgpu_storm_look l;
	pid_t pid = storm_by_nobody(&t, 04755);

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
	struct drm_mockgpu_storm_look l;
	pid_t pid = storm_by_nobody(&t, 0755);

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
	struct drm_mockgpu_storm_look l;

	AWAIT(dev, l, l.left == 1 && !l.processes);
	is_calm(dev);
	end_cat(&t, pid);
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
	AWAIT(dev, l, !l.processes);
	CHECK_LE(now_ns() - start, NS_PER_S * slowness());
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
	CHECK_LE(now_ns() - start, NS_PER_S * slowness());
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

STORM(X2_a_program_that_is_executed)
STORM(X2_children_and_their_children)
STORM(X2_a_child_by_vfork)
STORM(X2_not_the_parent_after_vfork)
STORM(X2_not_a_program_with_set_user_id)
STORM(X2_a_program_of_the_same_user)
STORM(X2_not_a_program_of_another_user)
STORM(X3_a_target_that_is_killed)
STORM(X3_the_file_is_closed)
STORM(X3_the_device_leaves)
STORM(X3_it_ends_amid_forks)

const struct scenario scenarios[] = {
	SCENARIO(X2_a_program_that_is_executed),
	SCENARIO(X2_children_and_their_children),
	SCENARIO(X2_a_child_by_vfork),
	SCENARIO(X2_not_the_parent_after_vfork),
	SCENARIO(X2_not_a_program_with_set_user_id),
	SCENARIO(X2_a_program_of_the_same_user),
	SCENARIO(X2_not_a_program_of_another_user),
	SCENARIO(X3_a_target_that_is_killed),
	SCENARIO(X3_the_file_is_closed),
	SCENARIO(X3_the_device_leaves),
	SCENARIO(X3_it_ends_amid_forks),
	{ 0 }
};
