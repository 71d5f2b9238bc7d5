// SPDX-License-Identifier: MIT
/*
 * A device is unbound while it is used, as in L_leave.c, and somebody takes long (row L2): what
 * others do meanwhile.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "module.h"
#include "points.h"
#include "process.h"
#include "queue.h"

#define N	64
#define LONG_NS	(60 * NS_PER_S)

static atomic_bool left;

static void *leave_in_thread(void *unused)
{
	CHECK_EQ(device_unbind(0), 0);
	left = true;
	return NULL;
}

/* Works on a page that is on its way elsewhere, and so waits where no signal reaches it. */
static char *moving;
static uint16_t moving_tag;
static int on_its_way;

static void *move_half_way(void *other)
{
	gate_wait(on_its_way);
	TO_VRAM(other, moving, N);
	return NULL;
}

static void wait_for_what_moves(struct actor *self)
{
	struct mockgpu_device *dev = gpu_open(0), *other = gpu_open(1);
	struct drm_mockgpu_cmd load = cmd_load(moving, 8);
	pthread_t thread = thread_start(move_half_way, other);
	struct queue q = queue_new(dev);

	/* So that there is a notifier: to have one made it would wait where a signal ends it. */
	GPU_CHECK_FILL(dev, moving, N, moving_tag, 0);
	cue(self);
	submit(q, &load, 1, NULL);
	thread_join(thread);
	CHECK_FILL(moving, N, moving_tag, 0);
	mockgpu_close(dev);
	mockgpu_close(other);
}

/*
 * One queue keeps the device from leaving for a while.  Nobody else has to wait for it who opens
 * the device, closes it, or asks for something of it.
 */
static void L2_open_and_close_while_a_queue_is_waited_for(void)
{
	struct mockgpu_point point = { .name = "evict", .action = MOCKGPU_POINT_COUNT };
	struct actor *actor = actor_new();
	struct mockgpu_device *dev, *other, *late;
	struct arm copied, fault;
	uint64_t start, end, id;
	pthread_t thread;
	uint32_t queue;

	module_reload(2, DEFAULT_VRAM_MB);
	on_its_way = gate_new();
	moving_tag = new_tag();
	moving = map_filled(N, moving_tag);
	actor_start(actor, wait_for_what_moves);
	dev = gpu_open(0);
	other = gpu_open(1);
	copied = HOLD(other, "migrate-copied", .pid = actor->pid, .time_ns = LONG_NS);
	gate_open(on_its_way, 1);
	AWAIT_HELD(copied);
	fault = TALLY(other, "gpu-fault", .pid = actor->pid);
	actor_go(actor);
	AWAIT_HITS(fault, 1);
	sleep_ms(50);
	thread = thread_start(leave_in_thread, NULL);
	for (end = now_ns() + BOUND_NS; mockgpu_queue_create(dev, &queue) != -ENODEV;)
		CHECK_LE(now_ns(), end);

	start = now_ns();
	CHECK_EQ(mockgpu_open(&late, 0), 0);
	CHECK_EQ(mockgpu_queue_create(late, &queue), -ENODEV);
	CHECK_EQ(mockgpu_point_arm(late, &point, &id), -ENODEV);
	mockgpu_close(late);
	mockgpu_close(dev);
	CHECK_LE(now_ns() - start, BOUND_NS);
	CHECK_EQ(arm_look(copied).held, 1);
	CHECK(!left);

	arm_release(copied);
	thread_join(thread);
	actor_join(actor);
	mockgpu_close(other);
}

static struct mockgpu_device *emptied;

static void *evict_all_of_it(void *result)
{
	return (void *)(long)mockgpu_evict_all(emptied, result);
}

/* Who empties the device ends with a block, 2 MiB, and does not keep it from leaving. */
static void L2_unbind_in_the_middle_of_an_eviction(void)
{
	enum { MANY = 4 * 512 };
	uint16_t tag = new_tag();
	void *p = map_filled(MANY, tag);
	struct mockgpu_evicted result = { 0 };
	struct mockgpu_device *other;
	pthread_t thread, evicting;
	struct arm evict, empty;
	void *ret;

	module_reload(2, DEFAULT_VRAM_MB);
	emptied = gpu_open(0);
	other = gpu_open(1);
	TO_VRAM(emptied, p, MANY);
	evict = HOLD(other, "evict", .count = 1, .time_ns = LONG_NS);
	empty = HOLD(other, "empty", .time_ns = LONG_NS);
	evicting = thread_start(evict_all_of_it, &result);
	AWAIT_HELD(evict);
	thread = thread_start(leave_in_thread, NULL);
	AWAIT_HELD(empty);
	arm_release(evict);
	CHECK_EQ(pthread_join(evicting, &ret), 0);
	CHECK_EQ((long)ret, -ENODEV);
	CHECK_GE(result.evicted, 1);
	CHECK_LE(result.evicted, 512);
	arm_release(empty);
	thread_join(thread);
	CHECK_FILL(p, MANY, tag, 0);
	mockgpu_close(emptied);
	mockgpu_close(other);
}

#define SCENARIO(name) { #name, name, 120, RELOADS }

const struct scenario scenarios[] = {
	SCENARIO(L2_open_and_close_while_a_queue_is_waited_for),
	SCENARIO(L2_unbind_in_the_middle_of_an_eviction),
	{ 0 }
};
