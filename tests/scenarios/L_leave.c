// SPDX-License-Identifier: MIT
/*
 * A device is unbound while it is used: row L2.  What runs stops, who waits is told, and every page
 * comes home.
 *
 * The bound for all of it is 2 s.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "busy.h"
#include "events.h"
#include "module.h"
#include "points.h"
#include "process.h"

#define N	64
#define LONG_NS	(60 * NS_PER_S)

static void leave(void)
{
	uint64_t start = now_ns();

	CHECK_EQ(device_unbind(0), 0);
	CHECK_LE(now_ns() - start, BOUND_NS);
}

static void *leave_in_thread(void *unused)
{
	CHECK_EQ(device_unbind(0), 0);
	return NULL;
}

struct waiter {
	struct queue q;
	uint64_t seqno;
	int ret;
};

static void *wait_without_end(void *arg)
{
	struct waiter *w = arg;

	w->ret = mockgpu_wait(w->q.dev, w->q.id, w->seqno, -1, NULL);
	return NULL;
}

/* Whatever a queue does, it stops; what it was given and had not begun is dropped. */
static void stop_what_is(enum busy how)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct drm_mockgpu_cmd nop = { .op = MOCKGPU_CMD_NOP };
	struct mockgpu_submission last = {
		.cmds = &nop, .count = 1,
		.eventfd = (int)CHECK_SYS(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
	};
	struct waiter waiters[2];
	pthread_t threads[2];
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);
	uint64_t events;
	struct queue q;

	TO_VRAM(dev, p, N);
	q = queue_new(dev);
	keep_busy(q, how);
	CHECK_EQ(mockgpu_submit(dev, q.id, &last), 0);
	for (unsigned int i = 0; i < 2; i++) {
		waiters[i] = (struct waiter){ q, last.seqno, 1 };
		threads[i] = thread_start(wait_without_end, &waiters[i]);
	}
	sleep_ms(50);
	if (is_finished(q, last.seqno))
		FAIL("%s: was done at once", busy_name[how]);
	note("%s", busy_name[how]);
	leave();
	for (unsigned int i = 0; i < 2; i++) {
		thread_join(threads[i]);
		CHECK_EQ(waiters[i].ret, -ENODEV);
	}
	CHECK_EQ(read(last.eventfd, &events, sizeof(events)), sizeof(events));
	CHECK_EQ(events, 1);
	CHECK_FILL(p, N, tag, 0);
	CHECK_EQ(mockgpu_submit(dev, q.id, &last), -ENODEV);
	CHECK_EQ(mockgpu_queue_destroy(dev, q.id), -ENODEV);
	mockgpu_close(dev);
	close(last.eventfd);
	CHECK_EQ(device_bind(0), 0);
}

static void L2_unbind_stops_each_kind_of_command(void)
{
	for (enum busy how = 0; how < BUSY_WAYS; how++) {
		struct mockgpu_device *dev = gpu_open(0);
		bool possible = busy_is_possible(dev, how);

		mockgpu_close(dev);
		if (possible)
			stop_what_is(how);
	}
}

/* All at once, in files of several processes. */
static void be_busy(struct actor *self)
{
	struct mockgpu_device *dev = gpu_open(0);

	for (enum busy how = 0; how < BUSY_WAYS; how++)
		if (busy_is_possible(dev, how))
			keep_busy(queue_new(dev), how);
	cue(self);
	mockgpu_close(dev);
}

static void L2_unbind_stops_all_queues_at_once(void)
{
	struct actor *actors[4];

	for (unsigned int i = 0; i < ARRAY_SIZE(actors); i++) {
		actors[i] = actor_new();
		actor_start(actors[i], be_busy);
	}
	leave();
	for (unsigned int i = 0; i < ARRAY_SIZE(actors); i++) {
		actor_go(actors[i]);
		actor_join(actors[i]);
	}
}

/* The command that runs ends with -ENODEV; there is no result, no fence, and no event behind it. */
static void L2_unbind_in_the_middle_of_a_command(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct queue q = queue_new(dev);
	struct drm_mockgpu_cmd cmds[] = { cmd_delay(10 * NS_PER_S), cmd_delay(1) };
	struct { struct drm_mockgpu_result results[2]; uint64_t fence; } *out = map_hole(1);
	struct mockgpu_submission s = {
		.cmds = cmds, .count = 2, .results = out->results,
		.fence = &out->fence, .fence_value = 1,
	};
	struct drm_mockgpu_event e;
	struct arm arm;
	struct log log;

	memset(out, 0xee, sizeof(*out));
	arm = TALLY(dev, "command", .pid = getpid());
	log = log_new(dev, 0, KIND(COMMAND) | KIND(FENCE), 0);
	CHECK_EQ(mockgpu_submit(dev, q.id, &s), 0);
	AWAIT_HITS(arm, 1);
	leave();
	e = log_next(&log);
	CHECK_EQ(e.kind, MOCKGPU_EVENT_COMMAND);
	CHECK_EQ(e.cause, MOCKGPU_CMD_DELAY);
	CHECK_EQ(e.error, -ENODEV);
	e = log_next(&log);
	CHECK_EQ(e.kind, MOCKGPU_EVENT_FENCE);
	CHECK_EQ(e.error, -ENODEV);
	CHECK_EQ(read(log.fd, &e, sizeof(e)), 0);
	for (size_t i = 0; i < sizeof(*out); i++)
		CHECK_EQ(((unsigned char *)out)[i], 0xee);
	log_close(&log);
	mockgpu_close(dev);
}

/* What the device has stored until then, in VRAM, comes home: all of it, and nothing after it. */
static void L2_unbind_in_the_middle_of_stores(void)
{
	enum { STEPS = 50000 };
	static struct drm_mockgpu_cmd cmds[STEPS];
	size_t bytes = STEPS * sizeof(struct drm_mockgpu_result), done = 0;
	struct mockgpu_device *dev = gpu_open(0);
	struct queue q = queue_new(dev);
	volatile uint64_t *word = map_filled(1, new_tag());
	struct drm_mockgpu_result *results = map_hole((bytes + PAGE - 1) / PAGE);
	struct arm arm;

	memset(results, 0xee, bytes);
	*word = 0;
	TO_VRAM(dev, (void *)(uintptr_t)word, 1);
	for (unsigned int i = 0; i < STEPS; i++)
		cmds[i] = cmd_store(word, 8, i + 1);
	arm = TALLY(dev, "command", .pid = getpid());
	submit(q, cmds, STEPS, results);
	AWAIT_HITS(arm, 100);
	leave();
	while (done < STEPS && !results[done].error)
		done++;
	note("%zu of %d stores", done, STEPS);
	CHECK_GE(done, 99);
	CHECK_LE(done, STEPS - 1);
	/* The last one was stored before its result was. */
	CHECK(*word == done || *word == done + 1);
	for (size_t i = done * sizeof(*results); i < bytes; i++)
		CHECK_EQ(((unsigned char *)results)[i], 0xee);
	mockgpu_close(dev);
}

static struct mockgpu_device *watched;
static struct arm never;
static struct log idle;
static int event_fd;

static void *wait_for_hits(void *unused)
{
	return (void *)(long)mockgpu_point_wait(watched, never.id, 1000, -1, NULL);
}

static void *wait_for_a_held_thread(void *unused)
{
	return (void *)(long)mockgpu_point_wait(watched, never.id, 0, -1, NULL);
}

static void *poll_the_eventfd(void *unused)
{
	struct pollfd p = { .fd = event_fd, .events = POLLIN };

	return (void *)(long)(poll(&p, 1, 60000) == 1 ? p.revents : -errno);
}

static void *poll_the_log(void *unused)
{
	struct pollfd p = { .fd = idle.fd, .events = POLLIN };

	return (void *)(long)(poll(&p, 1, 60000) == 1 ? p.revents : -errno);
}

static long result_of(pthread_t thread)
{
	void *result;

	CHECK_EQ(pthread_join(thread, &result), 0);
	return (long)result;
}

static void L2_unbind_wakes_who_waits(void)
{
	struct drm_mockgpu_cmd cmd = cmd_delay(10 * NS_PER_S);
	struct mockgpu_submission s = { .cmds = &cmd, .count = 1 };
	pthread_t hits, held, polling, log_poller, waiting;
	struct waiter waiter;
	uint64_t start;

	watched = gpu_open(0);
	event_fd = s.eventfd = (int)CHECK_SYS(eventfd(0, EFD_CLOEXEC));
	waiter.q = queue_new(watched);
	never = HOLD(watched, "evict", .first = 1000);
	idle = log_new(watched, 0, KIND(SPLIT), 0);
	CHECK_EQ(mockgpu_submit(watched, waiter.q.id, &s), 0);
	waiter.seqno = s.seqno;
	waiting = thread_start(wait_without_end, &waiter);
	hits = thread_start(wait_for_hits, NULL);
	held = thread_start(wait_for_a_held_thread, NULL);
	polling = thread_start(poll_the_eventfd, NULL);
	log_poller = thread_start(poll_the_log, NULL);
	sleep_ms(100);
	start = now_ns();
	leave();
	CHECK_EQ(result_of(hits), -ENODEV);
	CHECK_EQ(result_of(held), -ENODEV);
	CHECK_EQ(result_of(polling), POLLIN);
	CHECK(result_of(log_poller) & POLLHUP);
	thread_join(waiting);
	CHECK_EQ(waiter.ret, -ENODEV);
	CHECK_LE(now_ns() - start, BOUND_NS);
	log_close(&idle);
	mockgpu_close(watched);
}

static char *moving;
static uint16_t moving_tag;

static void migrate_half_way(struct actor *self)
{
	struct mockgpu_device *dev = gpu_open(0);

	cue(self);
	TO_VRAM(dev, moving, N);
	CHECK_FILL(moving, N, moving_tag, 0);
	mockgpu_close(dev);
}

/*
 * Whoever is held by way of the device that leaves could not be released any more, and may be who
 * is waited for: the arm goes first.
 */
static void L2_unbind_lets_go_what_its_points_hold(void)
{
	struct actor *actor = actor_new();
	struct mockgpu_device *dev, *other;
	struct mockgpu_point point = { .name = "evict", .action = MOCKGPU_POINT_COUNT };
	struct arm arm, unplug, stays;
	pthread_t thread;
	uint64_t id;

	module_reload(2, DEFAULT_VRAM_MB);
	moving_tag = new_tag();
	moving = map_filled(N, moving_tag);
	actor_start(actor, migrate_half_way);
	dev = gpu_open(0);
	other = gpu_open(1);
	stays = TALLY(other, "empty");
	unplug = HOLD(other, "unplug", .time_ns = LONG_NS);
	arm = HOLD(dev, "migrate-copied", .pid = actor->pid, .time_ns = LONG_NS);
	actor_go(actor);
	AWAIT_HELD(arm);
	thread = thread_start(leave_in_thread, NULL);
	AWAIT_HELD(unplug);
	CHECK_EQ(mockgpu_point_arm(dev, &point, &id), -ENODEV);
	CHECK_EQ(mockgpu_point_release(dev, arm.id, 0), -ENODEV);
	arm_release(unplug);
	thread_join(thread);
	actor_join(actor);
	/* Those of others are others'. */
	CHECK_GE(arm_look(stays).hits, 1);
	mockgpu_close(dev);
	mockgpu_close(other);
}

#define TOUCHERS	8
static atomic_uint touched;
static atomic_bool touch;

static void *touch_all(void *arg)
{
	size_t first = (size_t)(uintptr_t)arg * N / TOUCHERS;

	while (!atomic_load(&touch))
		sleep_ms(1);
	for (size_t i = 0; i < N; i++)
		CHECK_FILL(AT(moving, (first + i) % N), 1, moving_tag, (first + i) % N);
	atomic_fetch_add(&touched, 1);
	return NULL;
}

static void touch_while_it_leaves(struct mockgpu_device *other, const char *point)
{
	struct mockgpu_device *dev = gpu_open(0);
	pthread_t leaving, threads[TOUCHERS];
	struct arm arm = { 0 };

	moving_tag = new_tag();
	moving = map_filled(N, moving_tag);
	touched = 0;
	touch = false;
	TO_VRAM(dev, moving, N);
	mockgpu_close(dev);
	/* Before: until 6.4, no thread is made while another waits for a page that moves. */
	for (uintptr_t i = 0; i < TOUCHERS; i++)
		threads[i] = thread_start(touch_all, (void *)i);
	if (point)
		arm = HOLD(other, point, .count = 1, .time_ns = LONG_NS);
	leaving = thread_start(leave_in_thread, NULL);
	if (point)
		AWAIT_HELD(arm);
	touch = true;
	if (point) {
		sleep_ms(20);
		arm_release(arm);
	}
	for (unsigned int i = 0; i < TOUCHERS; i++)
		thread_join(threads[i]);
	thread_join(leaving);
	CHECK_EQ(touched, TOUCHERS);
	CHECK_FILL(moving, N, moving_tag, 0);
	unmap(moving, N);
	CHECK_EQ(device_bind(0), 0);
}

/* Eight threads touch what is in VRAM at each step that the device leaves by: all succeed. */
static void L2_cpu_faults_while_the_device_leaves(void)
{
	static const char *const points[] = {
		"unplug", "empty", "evict", "evict-collected", "evict-copied",
	};
	struct mockgpu_device *other;

	module_reload(2, DEFAULT_VRAM_MB);
	other = gpu_open(1);
	for (unsigned int i = 0; i < ARRAY_SIZE(points); i++)
		touch_while_it_leaves(other, points[i]);
	for (unsigned int i = 0; i < 10; i++)
		touch_while_it_leaves(other, NULL);
	mockgpu_close(other);
}

/* Another device goes on as if nothing had happened. */
static void L2_only_one_of_two_leaves(void)
{
	enum { STEPS = 20000 };
	static struct drm_mockgpu_cmd cmds[STEPS];
	struct mockgpu_device *dev, *other;
	uint16_t tag = new_tag();
	uint64_t *word, seqno;
	struct queue q;
	struct arm arm;
	void *p;

	module_reload(2, DEFAULT_VRAM_MB);
	dev = gpu_open(0);
	other = gpu_open(1);
	word = map_hole(1);
	p = map_filled(N, tag);
	TO_VRAM(other, p, N);
	for (unsigned int i = 0; i < STEPS; i++)
		cmds[i] = cmd_store(word, 8, i + 1);
	q = queue_new(other);
	keep_busy(queue_new(dev), DELAYED);
	arm = TALLY(other, "command", .pid = getpid());
	seqno = submit(q, cmds, STEPS, NULL);
	AWAIT_HITS(arm, 100);
	leave();
	FINISHES(q, seqno, 0);
	CHECK_EQ(*word, STEPS);
	CHECK_GE(arm_look(arm).hits, STEPS);
	CHECK_PLACE(other, p, N, IN_VRAM);
	CHECK_FILL(p, N, tag, 0);
	mockgpu_close(dev);
	mockgpu_close(other);
}

/* Does all that leaves something behind, until the device is gone. */
static void *begin_things(void *arg)
{
	struct mockgpu_point point = { .name = "alloc", .action = MOCKGPU_POINT_COUNT };
	struct drm_mockgpu_cmd cmd = cmd_delay(NS_PER_S);
	struct mockgpu_submission s = { .cmds = &cmd, .count = 1 };
	struct mockgpu_device *dev;
	void *p = arg;
	uint32_t queue;
	uint64_t id;
	int err;

	while (!(err = mockgpu_open(&dev, 0))) {
		err = mockgpu_queue_create(dev, &queue);
		if (!err)
			err = mockgpu_submit(dev, queue, &s);
		if (!err)
			err = mockgpu_point_arm(dev, &point, &id);
		if (!err)
			err = mockgpu_to_vram(dev, p, N * PAGE);
		mockgpu_close(dev);
		if (err)
			break;
	}
	return (void *)(long)err;
}

static void L2_unbind_while_others_begin_things(void)
{
	pthread_t threads[4];
	uint16_t tags[4];
	void *p[4];
	long err;

	for (unsigned int round = 0; round < 10; round++) {
		for (unsigned int i = 0; i < ARRAY_SIZE(threads); i++) {
			tags[i] = new_tag();
			p[i] = map_filled(N, tags[i]);
			threads[i] = thread_start(begin_things, p[i]);
		}
		sleep_ms(random_below(40));
		leave();
		for (unsigned int i = 0; i < ARRAY_SIZE(threads); i++) {
			err = result_of(threads[i]);
			if (err != -ENODEV && err != -ENOENT)
				FAIL("thread %u: %s", i, strerror((int)-err));
			CHECK_FILL(p[i], N, tags[i], 0);
			unmap(p[i], N);
		}
		CHECK_EQ(device_bind(0), 0);
	}
}

#define SCENARIO(name) { #name, name, 120, RELOADS }

const struct scenario scenarios[] = {
	SCENARIO(L2_unbind_stops_each_kind_of_command),
	SCENARIO(L2_unbind_stops_all_queues_at_once),
	SCENARIO(L2_unbind_in_the_middle_of_a_command),
	SCENARIO(L2_unbind_in_the_middle_of_stores),
	SCENARIO(L2_unbind_wakes_who_waits),
	SCENARIO(L2_unbind_lets_go_what_its_points_hold),
	SCENARIO(L2_cpu_faults_while_the_device_leaves),
	SCENARIO(L2_only_one_of_two_leaves),
	SCENARIO(L2_unbind_while_others_begin_things),
	{ 0 }
};
