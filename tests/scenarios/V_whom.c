// SPDX-License-Identifier: MIT
/* Whose events a log has: one process's, those of its descendants, and nothing of strangers. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "events.h"
#include "points.h"
#include "process.h"
#include "queue.h"

#define MOVES	(KIND(TO_VRAM) | KIND(TO_SYSTEM))

/* A process that migrates a page, and tells its number and the page's address. */
struct mover {
	int pid;
	uint64_t addr;
};

static void move_a_page(void *arg)
{
	struct mockgpu_device *dev = gpu_open(0);
	void *p = map_filled(1, new_tag());
	struct mover *mover = arg;

	mover->addr = addr_of(p);
	mover->pid = getpid();
	TO_VRAM(dev, p, 1);
}

#define NEXT_OF(log, mover) \
	NEXT((log), .kind = MOCKGPU_EVENT_TO_VRAM, .cause = MOCKGPU_CAUSE_MIGRATE, \
	     .addr = (mover)->addr, .len = PAGE, .pid = (mover)->pid, .owner = (mover)->pid)

static void move_in_a_child(void *arg)
{
	join(spawn(move_a_page, arg));
}

static void V6_own_memory(void)
{
	struct mockgpu_device *dev = gpu_open(0), *other = gpu_open(0);
	struct log log = log_new(dev, 0, MOVES, 0);
	struct mover *mover = map_shared(1);
	void *p = map_filled(1, new_tag());

	join(spawn(move_a_page, mover));
	CHECK_QUIET(&log);
	/* By whatever file. */
	TO_VRAM(other, p, 1);
	NEXT(&log, .kind = MOCKGPU_EVENT_TO_VRAM, .cause = MOCKGPU_CAUSE_MIGRATE,
	     .addr = addr_of(p), .len = PAGE);
	CHECK_QUIET(&log);
}

static void touch(void *p)
{
	(void)*(volatile char *)p;
}

/* Another process's fault changes this one's memory, which is told of; the fault is not. */
static void V6_own_memory_by_another(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	void *p = map_filled(1, new_tag());
	struct log log, all;
	char value;
	pid_t pid;

	TO_VRAM(dev, p, 1);
	log = log_new(dev, 0, KIND(CPU_FAULT) | KIND(INVALIDATE), 0);
	all = log_new(dev, MOCKGPU_LOG_ALL, KIND(CPU_FAULT), 0);
	pid = CHECK_SYS(fork());
	if (!pid) {
		CHECK_EQ(prctl(PR_SET_PDEATHSIG, SIGKILL), 0);
		raise(SIGSTOP);
		touch(p);
		_exit(0);
	}
	CHECK_SYS(waitpid(pid, NULL, WUNTRACED));
	CHECK_EQ(mockgpu_read(dev, &value, p, 1, NULL), 0);
	log_skip(&log);
	CHECK_SYS(kill(pid, SIGCONT));
	join(pid);
	NEXT(&all, .kind = MOCKGPU_EVENT_CPU_FAULT, .cause = MOCKGPU_CPU_FAULT_MOVED,
	     .addr = addr_of(p), .value = 1, .pid = pid, .owner = pid);
	NEXT(&log, .kind = MOCKGPU_EVENT_INVALIDATE, .cause = MOCKGPU_INVALIDATED_CLEAR,
	     .addr = addr_of(p), .len = PAGE, .value = 1, .pid = pid);
	CHECK_QUIET(&log);
}

struct orphan {
	struct mover mover;
	int go, done;
};

static void move_when_told(void *arg)
{
	struct orphan *orphan = arg;

	gate_wait(orphan->go);
	move_a_page(&orphan->mover);
	gate_open(orphan->done, 1);
}

/* Ends before its child moves anything. */
static void have_a_child(void *arg)
{
	spawn(move_when_told, arg);
}

static void log_descendants(void *arg)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct log log = log_new(dev, MOCKGPU_LOG_DESCENDANTS, MOVES, 0);
	struct orphan *orphan = map_shared(1);
	struct mover *mover = map_shared(1), *sibling = arg;
	struct drm_mockgpu_event e;
	struct queue q;
	void *p;

	/* A process that is none. */
	gate_open(((int *)(sibling + 1))[0], 1);
	gate_wait(((int *)(sibling + 1))[1]);
	CHECK_QUIET(&log);

	join(spawn(move_a_page, mover));
	NEXT_OF(&log, mover);
	join(spawn(move_in_a_child, mover));
	NEXT_OF(&log, mover);
	CHECK_QUIET(&log);

	/* Its queue's thread, which is no descendant, works on its memory. */
	q = queue_new(dev);
	p = map_filled(1, new_tag());
	CHECK_EQ(mockgpu_advise(dev, p, PAGE, MOCKGPU_ADVICE_PLACE, MOCKGPU_PLACE_DEVICE(0)), 0);
	CHECK_EQ(mockgpu_advise(dev, p, PAGE, MOCKGPU_ADVICE_TOUCH, 1), 0);
	RUN(q, cmd_store(p, 8, 7), .done = 8, .migrations = 1);
	e = NEXT(&log, .kind = MOCKGPU_EVENT_TO_VRAM, .cause = MOCKGPU_CAUSE_TOUCH,
		 .addr = addr_of(p), .len = PAGE, .queue = q.id);
	CHECK(e.pid != getpid());

	/* An orphan is a descendant of whoever takes it in. */
	orphan->go = gate_new();
	orphan->done = gate_new();
	join(spawn(have_a_child, orphan));
	gate_open(orphan->go, 1);
	gate_wait(orphan->done);
	CHECK_QUIET(&log);
	CHECK_SYS(prctl(PR_SET_CHILD_SUBREAPER, 1));
	join(spawn(have_a_child, orphan));
	gate_open(orphan->go, 1);
	gate_wait(orphan->done);
	NEXT_OF(&log, &orphan->mover);
	CHECK_QUIET(&log);
}

static void V6_descendants(void)
{
	struct mover *sibling = map_shared(1);
	int *gates = (int *)(sibling + 1);
	pid_t pid;

	gates[0] = gate_new();
	gates[1] = gate_new();
	pid = spawn(log_descendants, sibling);
	gate_wait(gates[0]);
	move_a_page(sibling);
	gate_open(gates[1], 1);
	join(pid);
}

/* Each of the numbers that a stranger differs by: one of its users, or of its groups. */
#define DIFFERENCES	6U

struct stranger {
	void *shared;
	int ready, go, done;
	int pid;
	unsigned int difference;
};

static void change_id(unsigned int difference)
{
	uid_t id[DIFFERENCES];

	for (unsigned int i = 0; i < DIFFERENCES; i++)
		id[i] = i == difference ? 65534 : (uid_t)-1;
	CHECK_SYS(setresgid(id[3], id[4], id[5]));
	CHECK_SYS(setresuid(id[0], id[1], id[2]));
}

/* Runs as another; has a page in common with its parent, and one of its own. */
static void be_a_stranger(void *arg)
{
	struct mockgpu_device *dev = gpu_open(0);
	void *own = map_filled(1, new_tag());
	struct stranger *stranger = arg;
	char value;

	stranger->pid = getpid();
	CHECK_EQ(mockgpu_read(dev, &value, stranger->shared, 1, NULL), 0);
	change_id(stranger->difference);
	gate_open(stranger->ready, 1);
	gate_wait(stranger->go);
	TO_VRAM(dev, own, 1);
	gate_open(stranger->done, 1);
	gate_wait(stranger->go);
	touch(stranger->shared);
	gate_open(stranger->done, 1);
	gate_wait(stranger->go);
}

static bool has_owner(struct log *log, int pid)
{
	struct drm_mockgpu_event e;
	bool found = false;

	while (mockgpu_log_read(log->fd, &e, 1, 0) == 1) {
		found |= e.owner == pid || e.pid == pid;
		log->seqno = e.seqno;
	}
	return found;
}

/* The next event is about this process's memory, and does not tell who did it. */
static void check_nobody_did_it(struct log *log)
{
	struct drm_mockgpu_event e = log_next(log);

	CHECK_EQ(e.owner, getpid());
	CHECK_EQ(e.pid, 0);
	CHECK_EQ(e.tid, 0);
	CHECK(!*e.comm);
}

static void watch_a_stranger(void *arg)
{
	struct stranger *stranger = map_shared(1);
	struct mockgpu_device *prepared = gpu_open(0), *dev;
	struct log all, log;
	char value;
	pid_t pid;

	stranger->difference = *(unsigned int *)arg;
	stranger->shared = map_filled(1, new_tag());
	stranger->ready = gate_new();
	stranger->go = gate_new();
	stranger->done = gate_new();
	pid = spawn(be_a_stranger, stranger);
	gate_wait(stranger->ready);
	all = log_new(prepared, MOCKGPU_LOG_DESCENDANTS, 0, 0);
	lose_capability();
	dev = gpu_open(0);
	log = log_new(dev, MOCKGPU_LOG_DESCENDANTS, 0, 0);

	/* What it does. */
	gate_open(stranger->go, 1);
	gate_wait(stranger->done);
	CHECK(has_owner(&all, pid));
	CHECK_QUIET(&log);
	/* What this process does to its memory, beside its own: the page that they share. */
	TO_VRAM(dev, stranger->shared, 1);
	CHECK(has_owner(&all, pid));
	CHECK(!has_owner(&log, pid));
	CHECK_EQ(mockgpu_read(dev, &value, stranger->shared, 1, NULL), 0);
	CHECK(has_owner(&log, getpid()));
	/* What it does to the memory of this one, by the same page: its touch brings that home. */
	gate_open(stranger->go, 1);
	gate_wait(stranger->done);
	if (gpu_has(dev, MOCKGPU_CAP_PRIVATE)) {
		CHECK(has_owner(&all, pid));
		check_nobody_did_it(&log);
	}
	CHECK_QUIET(&log);
	gate_open(stranger->go, 1);
	join(pid);
	CHECK(!has_owner(&log, pid));
}

static void V6_strangers(void)
{
	for (unsigned int i = 0; i < DIFFERENCES; i++)
		join(spawn(watch_a_stranger, &i));
}

static void move_in_namespace(void *arg)
{
	struct mockgpu_device *dev = gpu_open(0);
	void *p = map_filled(1, new_tag());
	struct log log, *outer = arg;
	struct drm_mockgpu_event e;

	CHECK_EQ(getpid(), 1);
	log = log_new(dev, MOCKGPU_LOG_DESCENDANTS, MOVES, 0);
	TO_VRAM(dev, p, 1);
	e = NEXT(&log, .kind = MOCKGPU_EVENT_TO_VRAM, .cause = MOCKGPU_CAUSE_MIGRATE,
		 .addr = addr_of(p), .len = PAGE, .pid = 1, .owner = 1);
	CHECK_EQ(e.tid, 1);
	e = log_next(outer);
	CHECK_EQ(e.addr, addr_of(p));
	CHECK(e.pid > 1);
	CHECK_EQ(e.tid, e.pid);
	CHECK_EQ(e.owner, e.pid);
}

/* Each log numbers processes as who opened it does. */
static void in_namespace(void *arg)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct log outer = log_new(dev, MOCKGPU_LOG_DESCENDANTS, MOVES, 0);

	CHECK_SYS(unshare(CLONE_NEWPID));
	join(spawn(move_in_namespace, &outer));
}

static void V6_pid_namespace(void)
{
	join(spawn(in_namespace, NULL));
}

/* The end of a process: what its memory loses is its own still. */
static void end_with_memory_mapped(void *arg)
{
	struct mockgpu_device *dev = gpu_open(0);
	void *p = map_filled(1, new_tag());
	char value;

	*(int *)arg = getpid();
	CHECK_EQ(mockgpu_read(dev, &value, p, 1, NULL), 0);
}

static void V6_end_of_a_process(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct log log = log_new(dev, MOCKGPU_LOG_DESCENDANTS, KIND(INVALIDATE), 0);
	int *pid = map_shared(1);
	struct drm_mockgpu_event e;

	join(spawn(end_with_memory_mapped, pid));
	do {
		e = log_next(&log);
		CHECK_EQ(e.owner, *pid);
		CHECK_EQ(e.pid, *pid);
	} while (e.cause != MOCKGPU_INVALIDATED_RELEASE && e.cause != MOCKGPU_INVALIDATED_UNMAP);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(V6_own_memory),
	SCENARIO(V6_own_memory_by_another),
	SCENARIO(V6_descendants),
	SCENARIO(V6_strangers),
	SCENARIO(V6_pid_namespace),
	SCENARIO(V6_end_of_a_process),
	{ 0 }
};
