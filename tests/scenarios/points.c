// SPDX-License-Identifier: MIT
/* See points.h. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "points.h"
#include "process.h"

struct arm arm_new(const char *file, int line, struct mockgpu_device *dev,
		   const struct mockgpu_point *point)
{
	struct arm arm = { .dev = dev };
	int ret = mockgpu_point_arm(dev, point, &arm.id);

	if (ret)
		fail_at(file, line, "cannot arm %s: %s", point->name, strerror(-ret));
	return arm;
}

struct drm_mockgpu_point_wait arm_await(const char *file, int line, struct arm arm,
					uint64_t hits)
{
	struct drm_mockgpu_point_wait report;
	int ret = mockgpu_point_wait(arm.dev, arm.id, hits, 10 * (int64_t)NS_PER_S, &report);

	if (ret)
		fail_at(file, line, "waiting for the point: %s; %llu hits, %u held",
			strerror(-ret), (unsigned long long)report.hits, report.held);
	return report;
}

struct drm_mockgpu_point_wait arm_look(struct arm arm)
{
	struct drm_mockgpu_point_wait report;
	int ret = mockgpu_point_wait(arm.dev, arm.id, 0, 0, &report);

	CHECK(!ret || ret == -ETIME);
	return report;
}

void arm_release(struct arm arm)
{
	CHECK_EQ(mockgpu_point_release(arm.dev, arm.id, 0), 0);
}

void arm_step(struct arm arm)
{
	CHECK_EQ(mockgpu_point_release(arm.dev, arm.id, 1), 0);
}

struct actor *actor_new(void)
{
	struct actor *actor = map_shared(1);

	actor->ready = gate_new();
	actor->go = gate_new();
	actor->done = gate_new();
	return actor;
}

void actor_start(struct actor *actor, void (*fn)(struct actor *self))
{
	pid_t pid = (pid_t)CHECK_SYS(fork());

	if (!pid) {
		fn(actor);
		gate_open(actor->done, 1);
		_exit(0);
	}
	actor->pid = pid;
	gate_wait(actor->ready);
}

void cue(struct actor *self)
{
	gate_open(self->ready, 1);
	gate_wait(self->go);
}

void actor_go(struct actor *actor)
{
	gate_open(actor->go, 1);
}

bool actor_done(struct actor *actor, unsigned int ms)
{
	struct pollfd poll_done = { .fd = actor->done, .events = POLLIN };

	return CHECK_SYS(poll(&poll_done, 1, (int)ms)) == 1;
}

void actor_join(struct actor *actor)
{
	if (!actor_done(actor, 10000))
		FAIL("process %d is not done after 10 s", (int)actor->pid);
	join(actor->pid);
}
