// SPDX-License-Identifier: MIT
/*
 * Row L3: each of fork, close, exec, exit, passing a file, unplug, migration half-way, and beside
 * it each of them, rmmod and kill -9.
 *
 * The first is done by a process that has pages in VRAM and a queue that works, or to its device,
 * and is held half-way where there is a step to hold it at.  The other is done by its child, which
 * has the same pages and the same file, or by the scenario.  Every survivor has its data, nobody is
 * left behind, and VRAM is empty when all have ended.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "module.h"
#include "points.h"
#include "process.h"
#include "queue.h"

#define N	16

enum act { FORK, CLOSE, EXEC, EXIT, PASS, MIGRATE, UNPLUG, KILL, RMMOD, ACTS };

static const char *const act_name[] = {
	"fork", "close", "exec", "exit", "pass", "migrate", "unplug", "kill", "rmmod",
};

static struct {
	enum act first, second;
	struct mockgpu_device *other;	/* a file of a device that stays */
	char *p;
	uint16_t tag;
	int socket[2];
	int there, go, done;		/* of the child */
} t;

static void fork_and_look(void)
{
	pid_t pid = (pid_t)CHECK_SYS(fork());

	if (!pid) {
		CHECK_FILL(t.p, N, t.tag, 0);
		_exit(0);
	}
	CHECK_FILL(t.p, N, t.tag, 0);
	join(pid);
}

static void become_another_program(void)
{
	execl("/bin/true", "true", NULL);
	FAIL("exec: %s", strerror(errno));
}

/* @last: a file that nobody else has.  @dev: one that both have. */
static void do_act(enum act act, struct mockgpu_device *dev, struct mockgpu_device *last)
{
	int err;

	switch (act) {
	case FORK:
		fork_and_look();
		break;
	case CLOSE:
		mockgpu_close(last ? last : dev);
		break;
	case EXEC:
		become_another_program();
		break;
	case PASS:
		file_send(t.socket[1], mockgpu_fd(dev));
		break;
	case MIGRATE:
		/* The file may be another process's, or the device gone. */
		err = mockgpu_to_system(dev, t.p, N * PAGE);
		CHECK(!err || err == -EPERM || err == -ENODEV);
		break;
	default:
		break;
	}
}

/* The child shares the pages and one of the files. */
static void be_the_child(struct mockgpu_device *dev, struct mockgpu_device *last)
{
	struct pollfd go = { .fd = t.go, .events = POLLIN };

	mockgpu_close(last);
	gate_open(t.there, 1);
	CHECK_EQ(poll(&go, 1, 60000), 1);
	if (t.second == EXEC) {
		CHECK_FILL(t.p, N, t.tag, 0);
		gate_open(t.done, 1);
	}
	do_act(t.second, dev, NULL);
	CHECK_FILL(t.p, N, t.tag, 0);
	gate_open(t.done, 1);
	_exit(0);
}

static void be_first(struct actor *self)
{
	struct mockgpu_device *dev = gpu_open(0), *last = gpu_open(0);
	struct drm_mockgpu_cmd delay = cmd_delay(10 * NS_PER_S);
	uint64_t word;

	fill(t.p, N, t.tag, 0);
	TO_VRAM(dev, t.p, N);
	CHECK_EQ(mockgpu_read(last, &word, t.p, 8, NULL), 0);
	submit(queue_new(dev), &delay, 1, NULL);
	submit(queue_new(last), &delay, 1, NULL);
	if (!CHECK_SYS(fork()))
		be_the_child(dev, last);
	gate_wait(t.there);
	cue(self);
	do_act(t.first, dev, last);
	CHECK_FILL(t.p, N, t.tag, 0);
}

static void *unplug(void *unused)
{
	CHECK_EQ(device_unbind(0), 0);
	return NULL;
}

/* What was passed is good for nothing but looking, if that. */
static void receive(void)
{
	struct drm_mockgpu_migrate args = {
		.start = addr_of(t.p), .len = PAGE, .target = MOCKGPU_TARGET_VRAM,
	};
	struct pollfd p = { .fd = t.socket[0], .events = POLLIN };
	int fd;

	/* Who was to send it may have been killed before. */
	while (poll(&p, 1, 0) == 1) {
		fd = file_receive(t.socket[0]);
		CHECK(ioctl(fd, DRM_IOCTL_MOCKGPU_MIGRATE, &args) == -1);
		CHECK(errno == EPERM || errno == ENODEV);
		close(fd);
	}
}

static void finish_first(struct actor *actor)
{
	int status;

	CHECK_EQ(waitpid(actor->pid, &status, 0), actor->pid);
	if (t.second == KILL && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		FAIL("%s and %s: status %x", act_name[t.first], act_name[t.second],
		     (unsigned int)status);
}

static void wait_until_empty(void)
{
	uint64_t end = now_ns() + BOUND_NS, used = 1;

	while (used && now_ns() < end) {
		CHECK_EQ(module_vram_used(&used), 0);
		sleep_ms(5);
	}
	if (used)
		FAIL("%s and %s: %llu bytes of VRAM are left", act_name[t.first],
		     act_name[t.second], (unsigned long long)used);
}

/* The second, as far as it is not the child's. */
static void do_second(struct actor *actor, pthread_t *unplugging)
{
	switch (t.second) {
	case UNPLUG:
		*unplugging = thread_start(unplug, NULL);
		break;
	case KILL:
		CHECK_SYS(kill(actor->pid, SIGKILL));
		break;
	case RMMOD:
		CHECK_EQ(module_unload(), -EWOULDBLOCK);
		break;
	default:
		gate_open(t.go, 1);
		break;
	}
}

static void do_both(const char *point)
{
	bool unplugs = t.first == UNPLUG || t.second == UNPLUG;
	struct actor *actor = actor_new();
	bool of_process = t.first == FORK || t.first == EXEC || t.first == MIGRATE;
	pthread_t unplugging = 0;
	struct arm arm = { 0 };

	t.p = map_hole(N);
	t.tag = new_tag();
	t.there = gate_new();
	t.go = gate_new();
	t.done = gate_new();
	CHECK_SYS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, t.socket));
	actor_start(actor, be_first);
	if (point)
		arm = HOLD(t.other, point, .pid = of_process ? actor->pid : 0, .count = 1,
			   .time_ns = 60 * NS_PER_S);
	if (t.first == UNPLUG)
		unplugging = thread_start(unplug, NULL);
	else
		actor_go(actor);
	if (point)
		AWAIT_HELD(arm);
	do_second(actor, &unplugging);
	/* Whatever it can do in between it does; it may have to wait. */
	sleep_ms(10);
	if (point)
		arm_release(arm);
	if (t.first == UNPLUG)
		actor_go(actor);
	gate_open(t.go, 1);
	gate_wait(t.done);
	finish_first(actor);
	if (unplugs) {
		thread_join(unplugging);
		CHECK_EQ(device_bind(0), 0);
	}
	receive();
	wait_until_empty();
	close(t.socket[0]);
	close(t.socket[1]);
	close(t.there);
	close(t.go);
	close(t.done);
	unmap(t.p, N);
}

static void and_each(enum act first, const char *point)
{
	module_reload(2, DEFAULT_VRAM_MB);
	t.other = gpu_open(1);
	t.first = first;
	for (t.second = 0; t.second < ACTS; t.second++) {
		if (first == UNPLUG && t.second == UNPLUG)
			continue;
		note("%s and %s", act_name[first], act_name[t.second]);
		do_both(point);
	}
	mockgpu_close(t.other);
	/* Nothing holds the module, or what belongs to it. */
	module_reload(DEFAULT_DEVICES, DEFAULT_VRAM_MB);
}

static void L3_fork_and_each(void)
{
	and_each(FORK, "notifier");
}

static void L3_close_and_each(void)
{
	and_each(CLOSE, "close");
}

static void L3_exec_and_each(void)
{
	and_each(EXEC, "notifier");
}

/* Who exits is not held: the two come as they come. */
static void L3_exit_and_each(void)
{
	and_each(EXIT, NULL);
}

static void L3_pass_and_each(void)
{
	and_each(PASS, NULL);
}

static void L3_migrate_and_each(void)
{
	and_each(MIGRATE, "migrate-copied");
}

static void L3_unplug_and_each(void)
{
	and_each(UNPLUG, "unplug");
}

static void L3_unplug_in_an_eviction_and_each(void)
{
	and_each(UNPLUG, "evict-copied");
}

#define SCENARIO(name) { #name, name, 120, RELOADS }

const struct scenario scenarios[] = {
	SCENARIO(L3_fork_and_each),
	SCENARIO(L3_close_and_each),
	SCENARIO(L3_exec_and_each),
	SCENARIO(L3_exit_and_each),
	SCENARIO(L3_pass_and_each),
	SCENARIO(L3_migrate_and_each),
	SCENARIO(L3_unplug_and_each),
	SCENARIO(L3_unplug_in_an_eviction_and_each),
	{ 0 }
};
