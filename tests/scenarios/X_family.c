// SPDX-License-Identifier: MIT
/*
 * Whom a storm follows: row X2.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

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

/* A copy of cat, of this group and with this mode. */
static void new_cat(gid_t group, mode_t mode)
{
	CHECK_EQ(system("cp /bin/cat " CAT), 0);
	CHECK_SYS(chown(CAT, 0, group));
	CHECK_SYS(chmod(CAT, mode));
}

/* A storm that nobody's process began, which becomes that. */
static pid_t storm_by_nobody(struct target *t)
{
	pid_t pid = (pid_t)CHECK_SYS(fork());

	if (pid)
		return pid;
	CHECK_SYS(setgid(65534));
	CHECK_SYS(setuid(65534));
	run_target(t);
	_exit(1);
}

/* What it executes is not in the storm, which is over as there is nobody else. */
static void leaves_the_storm(struct target *t, pid_t pid)
{
	struct drm_mockgpu_storm_look l;

	AWAIT(t->dev, l, l.over);
	CHECK_EQ(l.left, 1);
	CHECK_EQ(l.followed, 1);
	CHECK_EQ(l.processes, 0);
	is_calm(t->dev);
	end_cat(t, pid);
}

static void X2_not_a_program_with_set_user_id(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, become_cat_as_nobody);

	new_cat(0, 04755);
	leaves_the_storm(&t, storm_by_nobody(&t));
	CHECK_SYS(unlink(CAT));
}

static void X2_not_a_program_with_set_group_id(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, become_cat_as_nobody);

	new_cat(4, 02755);
	leaves_the_storm(&t, storm_by_nobody(&t));
	CHECK_SYS(unlink(CAT));
}

static void X2_not_a_program_with_file_capabilities(void)
{
	/* CAP_NET_RAW, permitted and effective: a struct vfs_cap_data of version 2. */
	static const uint32_t cap[5] = { 0x02000001, 1U << 13 };
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, become_cat_as_nobody);

	new_cat(0, 0755);
	CHECK_SYS(setxattr(CAT, "security.capability", cap, sizeof(cap), 0));
	leaves_the_storm(&t, storm_by_nobody(&t));
	CHECK_SYS(unlink(CAT));
}

/* The same file without the bit, so it is the bit that it is about. */
static void X2_a_program_of_the_same_user(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, become_cat_as_nobody);
	struct drm_mockgpu_storm_look l;
	pid_t pid;

	new_cat(0, 0755);
	pid = storm_by_nobody(&t);
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

	leaves_the_storm(&t, spawn(run_target, &t));
}

static void join_group_and_become_cat(struct target *t)
{
	const gid_t group = 4;

	CHECK_SYS(setgroups(1, &group));
	become(t, "/bin/cat");
}

static void X2_not_a_program_in_other_groups(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, join_group_and_become_cat);

	leaves_the_storm(&t, spawn(run_target, &t));
}

static void leave_namespace_and_become_cat(struct target *t)
{
	CHECK_SYS(unshare(CLONE_NEWUSER));
	become(t, "/bin/cat");
}

static void X2_not_a_program_in_another_user_namespace(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, leave_namespace_and_become_cat);

	leaves_the_storm(&t, spawn(run_target, &t));
}

/* A thread that is not the first one executes a program, and the process is that thread then. */
static void *become_cat_here(void *arg)
{
	become_cat(arg);
	return NULL;
}

static void become_cat_by_thread(struct target *t)
{
	thread_start(become_cat_here, t);
	for (;;)
		pause();
}

static void X2_a_program_that_a_thread_executes(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, become_cat_by_thread);
	pid_t pid = spawn(run_target, &t);
	struct drm_mockgpu_storm_look l;

	AWAIT(dev, l, l.followed == 2 && l.processes == 1);
	storms_on(dev, 100);
	end_cat(&t, pid);
	AWAIT(dev, l, l.over);
	CHECK_EQ(l.missed, 0);
}

/* Memory of two processes, of which the one whose it is in the storm becomes another program. */
static struct {
	struct target *t;
	uint16_t tag;
	void *p;
	char stack[65536] __attribute__((aligned(16)));
} shared;

static int stay_with_it(void *unused)
{
	CHECK_SYS(close(shared.t->pipe[0]));
	gate_open(shared.t->ready, 1);
	while (!atomic_load(shared.t->stop))
		CHECK_FILL(shared.p, MANY, shared.tag, 0);
	return 0;
}

static void share_and_become_cat(struct target *t)
{
	shared.t = t;
	shared.tag = new_tag();
	shared.p = map_filled(MANY, shared.tag);
	CHECK_SYS(clone(stay_with_it, shared.stack + sizeof(shared.stack), CLONE_VM | SIGCHLD, NULL));
	gate_wait(t->go);
	become_cat(t);
}

static void X2_memory_that_another_process_shares(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, share_and_become_cat);
	pid_t pid = spawn(run_target, &t);
	struct drm_mockgpu_storm_look l;

	gate_wait(t.ready);
	/* What nobody has come to is not counted. */
	storms_on(dev, MANY);
	gate_open(t.go, 1);
	AWAIT(dev, l, l.followed == 3 && l.processes == 2);
	/* Once as of the process that has gone, and once as of the one that stays. */
	AWAIT(dev, l, l.resident_pages >= 2 * MANY);
	CHECK_EQ(l.missed, 0);
	end_cat(&t, pid);
	atomic_store(t.stop, 1);
	AWAIT(dev, l, l.over);
}

static void share_and_wait(struct target *t)
{
	pid_t pid;

	map_filled(MANY, new_tag());
	pid = (pid_t)CHECK_SYS(fork());
	if (!pid) {
		CHECK_SYS(close(t->pipe[0]));
		gate_wait(t->go);
		_exit(0);
	}
	gate_open(t->ready, 1);
	join(pid);
	gate_open(t->ready, 1);
	gate_wait(t->go);
}

/* A child that does not live to see a round has its parent's memory, which counts once. */
static void X2_memory_of_a_parent_counts_once(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct target t = target_new(dev, share_and_wait);
	struct drm_mockgpu_storm_look l;
	pid_t pid;

	t.begin.rate = 20;
	t.begin.max_pages = 1;
	pid = spawn(run_target, &t);
	gate_wait(t.ready);
	/* Both have been come to, and neither was gone through. */
	AWAIT(dev, l, l.to_vram[MOCKGPU_PAGE_MOVED] >= 8);
	CHECK_EQ(l.processes, 2);
	gate_open(t.go, 1);
	gate_wait(t.ready);
	AWAIT(dev, l, l.processes == 1);
	CHECK_GE(l.resident_pages, 1);
	CHECK_LE(l.resident_pages, MANY - 1);
	gate_open(t.go, 1);
	join(pid);
	AWAIT(dev, l, l.over);
	CHECK_GE(l.resident_pages, MANY);
	CHECK_LE(l.resident_pages, 2 * MANY - 1);
}

STORM(X2_a_program_that_is_executed)
STORM(X2_children_and_their_children)
STORM(X2_a_child_by_vfork)
STORM(X2_not_the_parent_after_vfork)
STORM(X2_not_a_program_with_set_user_id)
STORM(X2_not_a_program_with_set_group_id)
STORM(X2_not_a_program_with_file_capabilities)
STORM(X2_a_program_of_the_same_user)
STORM(X2_not_a_program_of_another_user)
STORM(X2_not_a_program_in_other_groups)
STORM(X2_not_a_program_in_another_user_namespace)
STORM(X2_a_program_that_a_thread_executes)
STORM(X2_memory_that_another_process_shares)
STORM(X2_memory_of_a_parent_counts_once)

const struct scenario scenarios[] = {
	SCENARIO(X2_a_program_that_is_executed),
	SCENARIO(X2_children_and_their_children),
	SCENARIO(X2_a_child_by_vfork),
	SCENARIO(X2_not_the_parent_after_vfork),
	SCENARIO(X2_not_a_program_with_set_user_id),
	SCENARIO(X2_not_a_program_with_set_group_id),
	SCENARIO(X2_not_a_program_with_file_capabilities),
	SCENARIO(X2_a_program_of_the_same_user),
	SCENARIO(X2_not_a_program_of_another_user),
	SCENARIO(X2_not_a_program_in_other_groups),
	SCENARIO(X2_not_a_program_in_another_user_namespace),
	SCENARIO(X2_a_program_that_a_thread_executes),
	SCENARIO(X2_memory_that_another_process_shares),
	SCENARIO(X2_memory_of_a_parent_counts_once),
	{ 0 }
};
