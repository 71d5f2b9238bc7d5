/* SPDX-License-Identifier: MIT */
/*
 * Control points as scenarios use them: what is armed has to be hit, within 10 s.
 *
 * Where a thread is held that has mmap_lock, the scenario's first process directs, and others are
 * the actors.
 */
#ifndef POINTS_H
#define POINTS_H

#include <sys/types.h>

#include "gpu.h"

struct arm {
	struct mockgpu_device *dev;
	uint64_t id;
};

/* Arms a point by its name; what else there is to say are fields of struct mockgpu_point. */
#define ARM(dev, point, ...) \
	arm_new(__FILE__, __LINE__, (dev), \
		&(const struct mockgpu_point){ .name = (point), __VA_ARGS__ })
#define HOLD(dev, point, ...)	ARM((dev), (point), .action = MOCKGPU_POINT_WAIT, __VA_ARGS__)
#define BREAK(dev, point, ...)	ARM((dev), (point), .action = MOCKGPU_POINT_FAIL, __VA_ARGS__)
#define TALLY(dev, point, ...)	ARM((dev), (point), .action = MOCKGPU_POINT_COUNT, __VA_ARGS__)
struct arm arm_new(const char *file, int line, struct mockgpu_device *dev,
		   const struct mockgpu_point *point);

/* Waits until a thread is held, or until there were @hits. */
#define AWAIT_HELD(arm) arm_await(__FILE__, __LINE__, (arm), 0)
#define AWAIT_HITS(arm, hits) arm_await(__FILE__, __LINE__, (arm), (hits))
struct drm_mockgpu_point_wait arm_await(const char *file, int line, struct arm arm,
					uint64_t hits);
/* How it is doing. */
struct drm_mockgpu_point_wait arm_look(struct arm arm);
/* Let go and disarm; let go only. */
void arm_release(struct arm arm);
void arm_step(struct arm arm);

/* A process that does its part when it is told to; all processes of the scenario share this. */
struct actor {
	pid_t pid;
	int ready, go, done;
};

struct actor *actor_new(void);
/* Forks the actor off the caller, and waits until it has called cue(). */
void actor_start(struct actor *actor, void (*fn)(struct actor *self));
/* For the actor: it is ready; returns when it is told to go on. */
void cue(struct actor *self);
void actor_go(struct actor *actor);
/* Whether it has done its part, within so many milliseconds. */
bool actor_done(struct actor *actor, unsigned int ms);
/* It ends well, within 10 s; for who started it. */
void actor_join(struct actor *actor);

#endif
