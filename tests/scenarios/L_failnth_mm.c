// SPDX-License-Identifier: MIT
/*
 * The kernel's own fault injection, on a kernel that has it (row L1): in what the kernel does to
 * memory that is in VRAM, and in what a queue does.  See L_failnth.c.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "failnth.h"
#include "process.h"
#include "queue.h"

static struct {
	struct queue q;
	char *spare;
	pid_t child[2];
	unsigned int children;
	int pipe[2];
} t;

static uint64_t buffer[PAGES * WORDS];

/* What the kernel does to memory that is in VRAM and has advice: the driver is told, or asked. */

static void give_advice(void)
{
	CHECK_EQ(mockgpu_advise(scene.dev, scene.p, PAGES * PAGE, MOCKGPU_ADVICE_GRANULARITY, 3), 0);
}

/* Without memory it is tried again. */
static int do_touch(void)
{
	scene_check();
	return 0;
}

static void open_pipe(void)
{
	CHECK_SYS(pipe(t.pipe));
}

/* The kernel touches it for the process. */
static int do_pipe(void)
{
	ssize_t n = write(t.pipe[1], scene.p, 2 * PAGE);

	if (n < 0)
		return -errno;
	return n == 2 * PAGE ? 0 : -EFAULT;
}

static void close_pipe(void)
{
	CHECK_SYS(close(t.pipe[0]));
	CHECK_SYS(close(t.pipe[1]));
}

static int do_protect(void)
{
	return mprotect(scene.p + PAGE, PAGE, PROT_READ) ? -errno : 0;
}

static void map_spare(void)
{
	give_advice();
	t.spare = map_arena(PAGES);
}

/* There, and when it is called again back. */
static int do_move(void)
{
	char *from = scene.p, *to = mremap(scene.p, PAGES * PAGE, PAGES * PAGE,
				       MREMAP_MAYMOVE | MREMAP_FIXED, t.spare);

	if (to == MAP_FAILED)
		return -errno;
	scene.p = to;
	t.spare = from;
	return 0;
}

static void unmap_spare(void)
{
	CHECK_SYS(munmap(t.spare, PAGES * PAGE));
}

/*
 * The kernel's own: the C library's blocks all signals meanwhile, and where the call fails that
 * would let them through again, they stay blocked.
 */
static int do_fork(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid < 0)
		return -errno;
	if (!pid) {
		scene_check();
		_exit(0);
	}
	t.child[t.children++] = pid;
	return 0;
}

static void end_children(void)
{
	while (t.children)
		join(t.child[--t.children]);
}

static int do_unmap(void)
{
	return munmap(scene.p + 2 * PAGE, PAGE) ? -errno : 0;
}

/* What was advised went with the page. */
static void map_again(void)
{
	struct drm_mockgpu_advice args = {
		.start = (uintptr_t)scene.p + 2 * PAGE, .len = PAGE,
	};

	CHECK_EQ(can_read(scene.p + 2 * PAGE), false);
	CHECK_SYS(ioctl(mockgpu_fd(scene.dev), DRM_IOCTL_MOCKGPU_ADVICE, &args));
	CHECK_EQ(args.value[MOCKGPU_ADVICE_GRANULARITY], 0);
	map_fixed(scene.p + 2 * PAGE, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	fill(scene.p + 2 * PAGE, 1, scene.tag, 2);
}

static int do_drop(void)
{
	return madvise(scene.p + PAGE, PAGE, MADV_DONTNEED) ? -errno : 0;
}

static void fill_again(void)
{
	CHECK_ZERO(scene.p + PAGE, 1);
	fill(scene.p + PAGE, 1, scene.tag, 1);
}

static const struct call changes[] = {
	CALL("touch", do_touch, VRAM, 0),
	CALL("touch a huge page", do_touch, HUGE_VRAM, 0),
	CALL("write to a pipe", do_pipe, VRAM, NOMEM | FAULT, .begin = open_pipe,
	     .end = close_pipe),
	CALL("mprotect", do_protect, VRAM, NOMEM),
	CALL("mremap", do_move, VRAM, NOMEM, .begin = map_spare, .end = unmap_spare),
	CALL("fork", do_fork, VRAM, NOMEM, .end = end_children, .step = 29),
	CALL("munmap", do_unmap, VRAM, NOMEM, .begin = give_advice, .end = map_again),
	CALL("MADV_DONTNEED", do_drop, VRAM, NOMEM, .begin = give_advice, .end = fill_again),
};

/* fail-nth of the thread of this process's only queue. */
static int open_worker(void)
{
	char want[32], comm[32], path[300];
	struct dirent *entry;
	int fd = -1;
	FILE *file;
	DIR *proc;

	snprintf(want, sizeof(want), "mockgpu/%d\n", (int)getpid());
	proc = opendir("/proc");
	CHECK(proc);
	while (fd < 0 && (entry = readdir(proc))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		if (fgets(comm, sizeof(comm), file) && !strcmp(comm, want)) {
			snprintf(path, sizeof(path), "/proc/%s/fail-nth", entry->d_name);
			fd = (int)CHECK_SYS(open(path, O_RDWR | O_CLOEXEC));
		}
		fclose(file);
	}
	closedir(proc);
	if (fd < 0)
		FAIL("there is no thread mockgpu/%d", (int)getpid());
	return fd;
}

/* Commands; the chances are those of the queue's thread. */

static int run(struct drm_mockgpu_cmd cmd)
{
	static struct drm_mockgpu_result result;
	int ret;

	result.error = 1;
	ret = mockgpu_run(scene.dev, t.q.id, &cmd, 1, &result);
	/* If it could be written. */
	if (result.error != 1)
		CHECK_EQ(result.error, ret);
	return ret;
}

static int do_load(void)
{
	return run(cmd_load(scene.p + PAGE, 8));
}

static int do_store(void)
{
	return run(cmd_store(scene.p + PAGE, 8, scene.place == HOLE ? 0 : fill_word(scene.tag, 1, 0)));
}

static int do_add_nothing(void)
{
	return run(cmd_atomic(MOCKGPU_ATOMIC_ADD, scene.p + PAGE, 8, 0, 3));
}

static int do_checksum(void)
{
	return run(cmd_checksum(scene.p, PAGES * PAGE));
}

static int do_copy(void)
{
	return run(cmd_copy(buffer, scene.p, PAGES * PAGE));
}

static void want_in_vram(void)
{
	CHECK_EQ(mockgpu_advise(scene.dev, scene.p, PAGES * PAGE, MOCKGPU_ADVICE_PLACE,
				MOCKGPU_PLACE_DEVICE(0)), 0);
	give_advice();
}

static void need_in_vram(void)
{
	CHECK_EQ(mockgpu_advise(scene.dev, scene.p, PAGES * PAGE, MOCKGPU_ADVICE_MUST_VRAM, 1), 0);
}

static const struct call commands[] = {
	CALL("load", do_load, RAM, NOMEM),
	CALL("load a hole", do_load, HOLE, NOMEM),
	CALL("load VRAM", do_load, VRAM, NOMEM),
	CALL("store to a hole", do_store, HOLE, NOMEM),
	CALL("store to VRAM", do_store, VRAM, NOMEM),
	CALL("atomic in system memory", do_add_nothing, RAM, NOMEM),
	CALL("atomic in a hole", do_add_nothing, HOLE, NOMEM),
	CALL("atomic in VRAM", do_add_nothing, VRAM, NOMEM),
	CALL("checksum", do_checksum, RAM, NOMEM),
	CALL("copy", do_copy, VRAM, NOMEM),
	CALL("touch that moves", do_load, RAM, NOMEM, .begin = want_in_vram),
	CALL("touch of a hole that moves", do_store, HOLE, NOMEM, .begin = want_in_vram),
	CALL("touch that must move", do_load, RAM, NOMEM, .begin = need_in_vram),
};

static void L1_each_chance_of_the_kernel(void)
{
	nth_open();
	fail_all(changes, ARRAY_SIZE(changes), scene.nth);
}

static void L1_each_chance_of_a_queue(void)
{
	nth_open();
	t.q = queue_new(scene.dev);
	fail_all(commands, ARRAY_SIZE(commands), open_worker());
}

const struct scenario scenarios[] = {
	{ "L1_each_chance_of_the_kernel", L1_each_chance_of_the_kernel, 120, 0 },
	{ "L1_each_chance_of_a_queue", L1_each_chance_of_a_queue, 120, 0 },
	{ 0 }
};
