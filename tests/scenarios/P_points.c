// SPDX-License-Identifier: MIT
/* Control points: what is armed is counted, held and let go. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "points.h"
#include "process.h"
#include "queue.h"

#define BOUND	BOUND_NS

/* Runs @n commands, each alone; which of them failed. */
static uint64_t run_many(struct queue q, unsigned int n, int error)
{
	static uint64_t word;
	uint64_t failed = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct drm_mockgpu_result result = { 0 };
		struct drm_mockgpu_cmd cmd = cmd_load(&word, 8);
		uint64_t seqno = submit(q, &cmd, 1, &result);

		CHECK_EQ(mockgpu_wait(q.dev, q.id, seqno, 10 * (int64_t)NS_PER_S, NULL), 0);
		if (result.error)
			CHECK_EQ(result.error, error);
		failed |= (uint64_t)!!result.error << i % 64;
	}
	return failed;
}

static void P2_from_the_first_for_so_many(void)
{
	struct queue q = queue_new(gpu_open(0));
	struct arm arm = BREAK(q.dev, "command", .first = 3, .count = 4), all;
	struct drm_mockgpu_point_wait report;

	CHECK_EQ(run_many(q, 10, -EIO), 0x3c);
	report = arm_look(arm);
	CHECK_EQ(report.hits, 10);
	CHECK_EQ(report.acted, 4);
	CHECK_EQ(report.held, 0);
	CHECK_EQ(report.tid, 0);
	arm_release(arm);
	CHECK_EQ(run_many(q, 3, 0), 0);

	all = BREAK(q.dev, "command", .error = -ENOMEM);
	CHECK_EQ(run_many(q, 3, -ENOMEM), 7);
	arm_release(all);
	arm = BREAK(q.dev, "command", .count = 1);
	CHECK_EQ(run_many(q, 3, -EIO), 1);
	arm_release(arm);
	BREAK(q.dev, "command", .first = 2);
	CHECK_EQ(run_many(q, 3, -EIO), 6);
}

/* The first that fails a step ends it; those before it have counted it. */
static void P2_several_on_one_point(void)
{
	struct queue q = queue_new(gpu_open(0));
	struct arm before = TALLY(q.dev, "command");
	struct arm one = BREAK(q.dev, "command", .first = 2, .count = 2, .error = -ENOSPC);
	struct arm two = BREAK(q.dev, "command", .count = 1, .error = -ENOMEM);
	struct arm after = TALLY(q.dev, "command");

	CHECK_EQ(run_many(q, 1, -ENOMEM), 1);
	CHECK_EQ(run_many(q, 2, -ENOSPC), 3);
	CHECK_EQ(run_many(q, 2, 0), 0);
	CHECK_EQ(arm_look(before).hits, 5);
	CHECK_EQ(arm_look(before).acted, 5);
	CHECK_EQ(arm_look(one).hits, 5);
	CHECK_EQ(arm_look(two).hits, 3);
	CHECK_EQ(arm_look(after).hits, 2);
}

/* By chance, but the same each time. */
static void P2_chance_is_the_seeds(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint64_t seen[3];

	for (unsigned int i = 0; i < 3; i++) {
		struct arm arm = BREAK(q.dev, "command", .chance = 1 << 15, .seed = 4 + i / 2);

		seen[i] = run_many(q, 64, -EIO);
		CHECK_EQ(arm_look(arm).hits, 64);
		CHECK_EQ(arm_look(arm).acted, __builtin_popcountll(seen[i]));
		CHECK_GE(arm_look(arm).acted, 16);
		CHECK_LE(arm_look(arm).acted, 48);
		arm_release(arm);
	}
	CHECK_EQ(seen[0], seen[1]);
	CHECK(seen[0] != seen[2]);
	BREAK(q.dev, "command", .chance = 1 << 16);
	CHECK_EQ(run_many(q, 20, -EIO), 0xfffff);
}

static void run_elsewhere(void *p)
{
	struct queue q = queue_new(gpu_open(0));

	RUN(q, cmd_load(p, 8), .value = *(uint64_t *)p, .done = 8);
}

/* Only one process's memory; only a range of it. */
static void P2_of_a_process_and_a_range(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint64_t *p = map_filled(4, new_tag());
	struct arm everybody = TALLY(q.dev, "command");
	struct arm mine = TALLY(q.dev, "command", .pid = getpid());
	struct arm parents = TALLY(q.dev, "command", .pid = getppid());
	struct arm second = TALLY(q.dev, "command", .addr = AT(p, 1), .len = PAGE);
	struct arm moves = TALLY(q.dev, "migrate-copied", .addr = AT(p, 1), .len = PAGE);
	struct arm not_here = TALLY(q.dev, "migrate-copied", .addr = AT(p, 4), .len = PAGE);

	for (unsigned int i = 0; i < 4; i++)
		RUN(q, cmd_store(AT(p, i), 8, i), .done = 8);
	CHECK_EQ(arm_look(second).hits, 1);
	RUN(q, cmd_store((char *)AT(p, 2) - 1, 1, 0), .done = 1);
	RUN(q, cmd_store(AT(p, 2), 1, 0), .done = 1);
	CHECK_EQ(arm_look(second).hits, 2);
	join(spawn(run_elsewhere, p));
	CHECK_EQ(arm_look(mine).hits, 6);
	CHECK_EQ(arm_look(everybody).hits, 7);
	CHECK_EQ(arm_look(parents).hits, 0);
	/* A step is about several pages: one of them will do. */
	TO_VRAM(q.dev, p, 4);
	CHECK_EQ(arm_look(moves).hits, 1);
	CHECK_EQ(arm_look(not_here).hits, 0);
	TO_SYSTEM(q.dev, p, 4);
}

/* A thread is held, and says who it is and what it is about; released, it goes on. */
static void P3_held_and_let_go(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint64_t *p = map_filled(1, new_tag());
	struct arm arm = HOLD(q.dev, "command-done", .time_ns = 60 * NS_PER_S);
	struct drm_mockgpu_cmd cmd = cmd_store(p, 8, 5);
	struct drm_mockgpu_point_wait report;
	uint64_t seqno = submit(q, &cmd, 1, NULL), start;
	char comm[16], path[64];
	FILE *file;

	report = AWAIT_HELD(arm);
	CHECK_EQ(report.held, 1);
	CHECK_EQ(report.hits, 1);
	CHECK_EQ(report.addr, addr_of(p));
	snprintf(path, sizeof(path), "/proc/%d/comm", report.tid);
	file = fopen(path, "re");
	CHECK(file && fgets(comm, sizeof(comm), file) && !fclose(file));
	comm[strcspn(comm, "\n")] = 0;
	CHECK(!strcmp(comm, report.comm));
	CHECK(!strncmp(comm, "mockgpu/", 8));
	CHECK_EQ(*p, 5);
	CHECK(!is_finished(q, seqno));
	/* It stays armed, and so holds the next. */
	start = now_ns();
	arm_step(arm);
	FINISHES(q, seqno, 0);
	CHECK_LE(now_ns() - start, BOUND);
	CHECK_EQ(arm_look(arm).held, 0);
	seqno = submit(q, &cmd, 1, NULL);
	CHECK_EQ(AWAIT_HELD(arm).hits, 2);
	start = now_ns();
	arm_release(arm);
	FINISHES(q, seqno, 0);
	CHECK_LE(now_ns() - start, BOUND);
	RUN(q, cmd, .done = 8);
}

/* It is let go when its time has come, and when a delay is over. */
static void P3_until_its_deadline(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint64_t *p = map_filled(1, new_tag()), start;

	for (unsigned int i = 0; i < 2; i++) {
		struct arm arm = ARM(q.dev, "command", .time_ns = NS_PER_S / 2,
				     .action = i ? MOCKGPU_POINT_WAIT : MOCKGPU_POINT_DELAY);

		start = now_ns();
		RUN(q, cmd_store(p, 8, 5), .done = 8);
		CHECK_GE(now_ns() - start, NS_PER_S / 2);
		CHECK_LE(now_ns() - start, BOUND);
		CHECK_EQ(arm_look(arm).held, 0);
		CHECK_EQ(arm_look(arm).acted, 1);
		arm_release(arm);
	}
}

static void P3_wait_times_out(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct arm arm = HOLD(dev, "command");
	uint64_t start = now_ns();

	CHECK_EQ(mockgpu_point_wait(dev, arm.id, 0, 0, NULL), -ETIME);
	CHECK_EQ(mockgpu_point_wait(dev, arm.id, 1, NS_PER_S / 5, NULL), -ETIME);
	CHECK_GE(now_ns() - start, NS_PER_S / 5);
	CHECK_LE(now_ns() - start, BOUND);
}

static void *wait_for_ever(void *arg)
{
	struct arm *arm = arg;

	return (void *)(intptr_t)mockgpu_point_wait(arm->dev, arm->id, 0, -1, NULL);
}

struct hits {
	struct arm arm;
	uint64_t wanted;
	atomic_bool came;
};

static void *wait_for_hits(void *arg)
{
	struct hits *hits = arg;

	CHECK_EQ(AWAIT_HITS(hits->arm, hits->wanted).hits, hits->wanted);
	atomic_store(&hits->came, true);
	return NULL;
}

/* Hits count whether or not it acts on them. */
static void P3_wait_for_hits(void)
{
	struct queue q = queue_new(gpu_open(0));
	struct hits hits = { BREAK(q.dev, "command", .first = 10), 3, false };
	pthread_t waiter = thread_start(wait_for_hits, &hits);
	uint64_t start;

	sleep_ms(100);
	CHECK_EQ(run_many(q, 2, 0), 0);
	sleep_ms(100);
	CHECK(!atomic_load(&hits.came));
	CHECK_EQ(run_many(q, 1, 0), 0);
	start = now_ns();
	thread_join(waiter);
	CHECK_LE(now_ns() - start, BOUND);
	CHECK_EQ(arm_look(hits.arm).acted, 0);
}

static void on_alarm(int signal)
{
}

/* The same structure again and again, as libdrm hands it over: it waits for the same. */
static void P3_wait_is_made_anew_after_a_signal(void)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct queue q = queue_new(gpu_open(0));
	struct arm arm = TALLY(q.dev, "command");
	struct drm_mockgpu_point_wait wait = {
		.id = arm.id, .hits = 3, .deadline_ns = now_ns() + 30 * NS_PER_S,
	};

	CHECK_SYS(sigaction(SIGALRM, &action, NULL));
	for (unsigned int i = 1; i < 3; i++) {
		CHECK_EQ(run_many(q, 1, 0), 0);
		ualarm(50000, 50000);
		CHECK_EQ(ioctl(mockgpu_fd(q.dev), DRM_IOCTL_MOCKGPU_POINT_WAIT, &wait), -1);
		CHECK_EQ(errno, EINTR);
		ualarm(0, 0);
		CHECK_EQ(wait.hits, 3);
		CHECK_EQ(wait.acted, i);
	}
	CHECK_EQ(run_many(q, 1, 0), 0);
	CHECK_SYS(ioctl(mockgpu_fd(q.dev), DRM_IOCTL_MOCKGPU_POINT_WAIT, &wait));
	CHECK_EQ(wait.hits, 3);
	CHECK_EQ(wait.acted, 3);
}

static void P3_wait_ends_with_the_arm(void)
{
	struct arm arm = HOLD(gpu_open(0), "command");
	pthread_t waiter = thread_start(wait_for_ever, &arm);
	void *ret;

	sleep_ms(100);
	arm_release(arm);
	CHECK_EQ(pthread_join(waiter, &ret), 0);
	CHECK_EQ((intptr_t)ret, -ENOENT);
}

/* Whose own thread may be held where it could keep itself from letting go is told so. */
static void P3_not_oneself(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct mockgpu_point point = { .name = "migrate-copied", .action = MOCKGPU_POINT_WAIT };
	uint64_t id;

	CHECK_EQ(mockgpu_point_arm(dev, &point, &id), -EDEADLK);
	point.pid = getpid();
	CHECK_EQ(mockgpu_point_arm(dev, &point, &id), -EDEADLK);
	point.pid = getppid();
	CHECK_EQ(mockgpu_point_arm(dev, &point, &id), 0);
	/* A delay ends by itself. */
	point.pid = 0;
	point.action = MOCKGPU_POINT_DELAY;
	CHECK_EQ(mockgpu_point_arm(dev, &point, &id), 0);
}

/* A process that migrates a page when it is told to. */
static struct {
	uint64_t *page;
	uint16_t tag;
	int go, done;
} t;

static void mover(void *unused)
{
	struct mockgpu_device *dev = gpu_open(0);

	gate_wait(t.go);
	TO_VRAM(dev, t.page, 1);
	CHECK_FILL(t.page, 1, t.tag, 0);
	gate_open(t.done, 1);
}

static pid_t start_mover(void)
{
	t.tag = new_tag();
	t.page = map_filled(1, t.tag);
	t.go = gate_new();
	t.done = gate_new();
	return spawn(mover, NULL);
}

static void P4_killed_while_held(void)
{
	static const char *const points[] = {
		"migrate-start", "migrate-collected", "migrate-copied", "migrate-moved",
	};
	struct mockgpu_device *dev = gpu_open(0);

	for (unsigned int i = 0; i < ARRAY_SIZE(points); i++) {
		pid_t pid = start_mover();
		struct arm arm = HOLD(dev, points[i], .pid = pid, .time_ns = 60 * NS_PER_S);
		uint64_t start;

		gate_open(t.go, 1);
		CHECK_EQ(AWAIT_HELD(arm).tid, pid);
		start = now_ns();
		CHECK_SYS(kill(pid, SIGKILL));
		join_killed(pid, SIGKILL);
		CHECK_LE(now_ns() - start, BOUND);
		CHECK_EQ(arm_look(arm).held, 0);
		arm_release(arm);
	}
}

/* An arm is its file's: closed, it lets go, of a thread of the same file's queue as well. */
static void P4_file_is_closed(void)
{
	pid_t pid = start_mover();	/* first: it has no hold on the file */
	struct mockgpu_device *dev = gpu_open(0);
	struct arm arm = HOLD(dev, "migrate-copied", .pid = pid, .time_ns = 60 * NS_PER_S);
	struct drm_mockgpu_cmd cmd = cmd_store(t.page, 8, 5);
	uint64_t start = now_ns();
	struct queue q;

	gate_open(t.go, 1);
	AWAIT_HELD(arm);
	mockgpu_close(dev);
	gate_wait(t.done);
	join(pid);
	CHECK_LE(now_ns() - start, BOUND);

	q = queue_new(gpu_open(0));
	arm = HOLD(q.dev, "command", .time_ns = 60 * NS_PER_S);
	submit(q, &cmd, 1, NULL);
	AWAIT_HELD(arm);
	start = now_ns();
	mockgpu_close(q.dev);
	CHECK_LE(now_ns() - start, BOUND);
	/* Its command was executed, or was not any more. */
	CHECK(t.page[0] == 5 || t.page[0] == fill_word(t.tag, 0, 0));
}

static void open_and_exit(void *unused)
{
	gpu_open(0);
}

/* No signal could reach a process that exits: it is not held. */
static void P4_process_exits(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct arm arm = HOLD(dev, "close", .time_ns = 60 * NS_PER_S);
	uint64_t start = now_ns();

	join(spawn(open_and_exit, NULL));
	CHECK_LE(now_ns() - start, BOUND);
	CHECK_EQ(arm_look(arm).acted, 1);
	CHECK_EQ(arm_look(arm).held, 0);
}

#define FREEZER "/sys/fs/cgroup/mockgpu-freezer"

static bool is_frozen(void)
{
	char line[64];
	FILE *file = fopen(FREEZER "/cgroup.events", "re");
	bool frozen = false;

	CHECK(file);
	while (fgets(line, sizeof(line), file))
		frozen |= !strcmp(line, "frozen 1\n");
	fclose(file);
	return frozen;
}

static void P4_frozen_while_held(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	pid_t pid = start_mover();
	struct arm arm = HOLD(dev, "migrate-copied", .pid = pid, .time_ns = 60 * NS_PER_S);
	uint64_t end;

	if (mkdir(FREEZER, 0755) || access(FREEZER "/cgroup.freeze", W_OK))
		skip("no cgroup v2 that freezes");
	write_number(FREEZER "/cgroup.procs", pid);
	gate_open(t.go, 1);
	AWAIT_HELD(arm);
	write_number(FREEZER "/cgroup.freeze", 1);
	for (end = now_ns() + BOUND; !is_frozen() && now_ns() < end;)
		sleep_ms(10);
	CHECK(is_frozen());
	CHECK_EQ(arm_look(arm).held, 0);
	write_number(FREEZER "/cgroup.freeze", 0);
	gate_wait(t.done);
	join(pid);
	for (end = now_ns() + BOUND; rmdir(FREEZER) && now_ns() < end;)
		sleep_ms(10);
	CHECK(access(FREEZER, F_OK));
}

#define PM_TEST "/sys/power/pm_test"

/* The whole system freezes, as for a suspend, and thaws: this process, too. */
static void P4_system_freezes(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	pid_t pid = start_mover();
	struct arm arm = HOLD(dev, "migrate-copied", .pid = pid, .time_ns = 60 * NS_PER_S);

	if (write_text(PM_TEST, "freezer"))
		skip("the kernel cannot freeze for a test");
	CHECK_EQ(write_text("/sys/module/suspend/parameters/pm_test_delay", "0"), 0);
	gate_open(t.go, 1);
	AWAIT_HELD(arm);
	CHECK_EQ(write_text("/sys/power/state", "freeze"), 0);
	CHECK_EQ(write_text(PM_TEST, "none"), 0);
	CHECK_EQ(arm_look(arm).held, 0);
	gate_wait(t.done);
	join(pid);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(P2_from_the_first_for_so_many),
	SCENARIO(P2_several_on_one_point),
	SCENARIO(P2_chance_is_the_seeds),
	SCENARIO(P2_of_a_process_and_a_range),
	SCENARIO(P3_held_and_let_go),
	SCENARIO(P3_until_its_deadline),
	SCENARIO(P3_wait_times_out),
	SCENARIO(P3_wait_for_hits),
	SCENARIO(P3_wait_is_made_anew_after_a_signal),
	SCENARIO(P3_wait_ends_with_the_arm),
	SCENARIO(P3_not_oneself),
	SCENARIO(P4_killed_while_held),
	SCENARIO(P4_file_is_closed),
	SCENARIO(P4_process_exits),
	SCENARIO(P4_frozen_while_held),
	SCENARIO(P4_system_freezes),
	{ 0 }
};
