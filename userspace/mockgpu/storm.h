/* SPDX-License-Identifier: MIT */
/* What the parts of mockgpu storm share. */
#ifndef MOCKGPU_STORM_H
#define MOCKGPU_STORM_H

#include <stdbool.h>
#include <stdint.h>

#include "mockgpu.h"

/* What is known of a run at its end; of all devices together. */
struct storm_result {
	unsigned int devices;
	uint64_t seed;
	uint64_t ns;			/* the program's time */
	uint64_t alone_ns;		/* that of a run without a storm; 0: there was none */
	int status, alone_status;	/* as a shell gives them */
	uint64_t arms;			/* control points armed */
	bool private;			/* a device with private VRAM: CPU touches fault there */
	struct drm_mockgpu_storm_look look;
};

void storm_show(FILE *out, const struct storm_result *r);
void storm_show_json(FILE *out, const struct storm_result *r);

/* Control points, armed at random. */
struct storm_points;

/* Returns 0 or a negative errno, and then @p is untouched. */
int storm_points_new(struct storm_points **p, struct mockgpu_device *dev, uint64_t seed);
/* Arms the next and lets the oldest go.  Returns 0 or a negative errno. */
int storm_points_turn(struct storm_points *p);
uint64_t storm_points_count(const struct storm_points *p);
void storm_points_free(struct storm_points *p);

#endif
