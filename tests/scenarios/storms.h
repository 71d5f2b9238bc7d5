/* SPDX-License-Identifier: MIT */
/*
 * Storms as scenarios use them.  The target is a child, which begins the storm with the scenario's
 * file.
 */
#ifndef STORMS_H
#define STORMS_H

#include <stdatomic.h>

#include "gpu.h"
#include "process.h"

#define MANY	1024	/* pages of a target */
#define MOVED	MOCKGPU_PAGE_MOVED

/* What scenario and target share. */
struct target {
	struct mockgpu_device *dev;
	struct drm_mockgpu_storm_begin begin;
	int ready, go;
	atomic_int *stop;
	void (*then)(struct target *t);
	int pipe[2];
};

/* One that does @then in its storm. */
struct target target_new(struct mockgpu_device *dev, void (*then)(struct target *t));
/* For spawn(): begins the storm. */
void run_target(void *arg);
void stop_and_join(struct target *t, pid_t pid);

/* Targets: writes and checks memory until it is told to stop. */
void target_works(struct target *t);
/* Has memory, and touches none of it until it is told to go. */
void target_idles(struct target *t);

/* How the storm is doing; a moment ago there may have been none. */
struct drm_mockgpu_storm_look storm_look(struct mockgpu_device *dev);
/* Further pages go, so many at the least, and some come home. */
void storms_on(struct mockgpu_device *dev, unsigned int pages);
/* For some time nothing moves. */
void is_calm(struct mockgpu_device *dev);

/* Looks until @condition is true of the look @l. */
#define AWAIT(dev, l, condition) \
	do { \
		uint64_t end_ = now_ns() + 40 * NS_PER_S * slowness(); \
\
		for (l = storm_look(dev); !(condition); l = storm_look(dev)) { \
			if (now_ns() > end_) \
				FAIL("never true: %s", #condition); \
			sleep_ms(2); \
		} \
	} while (0)

/*
 * Pages that the target shares with those it was forked off went to VRAM as well, and are theirs:
 * they come home.
 */
void tidy(void);

/* A scenario that tidies up, in the table as SCENARIO(). */
#define STORM(name) static void name##_(void) { name(); tidy(); }
#define SCENARIO(name) { #name, name##_, 120, 0 }

#endif
