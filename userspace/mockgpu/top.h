/* SPDX-License-Identifier: MIT */
/* What mockgpu top looks at, and the ways in which it shows that. */
#ifndef MOCKGPU_TOP_H
#define MOCKGPU_TOP_H

#include <stdint.h>
#include <stdio.h>

#include "cmd.h"
#include "fdinfo.h"
#include "json.h"

struct top_device {
	dev_t node;
	char path[64];
	struct drm_mockgpu_device_info info;
	struct drm_mockgpu_counters counters;
	uint64_t time_ns;	/* when they were so, CLOCK_MONOTONIC */
};

/* Devices and clients at one time. */
struct top_sample {
	struct top_device *devices;
	size_t len;
	size_t room;
	struct client_list clients;
};

/*
 * Show what is @now, and how often it happened since @before; that is an empty sample for the
 * first.  Returns 0 or a negative errno.
 */
int top_text(FILE *out, struct top_sample *now, const struct top_sample *before);
int top_json(struct json_file *out, struct top_sample *now, const struct top_sample *before);

#endif
