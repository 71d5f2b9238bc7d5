/* SPDX-License-Identifier: MIT */
/* mockgpu trace: what its parts share. */
#ifndef MOCKGPU_TRACE_H
#define MOCKGPU_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "json.h"
#include "mockgpu.h"

#define TRACE_COMM_MAX 16
#define TRACE_POINTS_MAX 128
#define TRACE_KINDS (MOCKGPU_EVENT_POINT + 1)

/* The driver's words for its points, which the library does not know. */
struct trace_points {
	char name[TRACE_POINTS_MAX][sizeof(((struct drm_mockgpu_point_info *)0)->name)];
};

/* A word for the cause of an event, or "". */
const char *trace_cause(const struct trace_points *points, const struct drm_mockgpu_event *e);

/* The name of a process as it is now; "" if there is none. */
void trace_comm(int pid, char comm[TRACE_COMM_MAX]);

/* How many pages an event is about; 0 where its kind has none. */
uint64_t trace_pages(const struct drm_mockgpu_event *e);

/*
 * Trace Event JSON: a track for each thread and each queue.  What it needs does not grow
 * with the trace.
 */
struct trace_json {
	struct json_file file;
	const struct trace_points *points;
	uint64_t count;		/* events written, without LOST */
	bool empty;		/* nothing stands in the list yet */
	struct trace_track *tracks;
};

/* Begins the document in @fd; @words are the program's.  Returns 0 or a negative errno. */
int trace_json_begin(struct trace_json *j, int fd, const struct trace_points *points,
		     char *const *words);
void trace_json_event(struct trace_json *j, const struct drm_mockgpu_event *e,
		      unsigned int device);

/* Brings to the file what there is, for who looks at it meanwhile. */
void trace_json_flush(struct trace_json *j);

/* Ends the document.  Returns 0 or the first error that there was. */
int trace_json_end(struct trace_json *j);

/* Sums by kind and cause, and the ranges with most faults; of a fixed size, too. */
struct trace_summary;

struct trace_summary *trace_summary_new(const struct trace_points *points);
void trace_summary_event(struct trace_summary *s, const struct drm_mockgpu_event *e);
void trace_summary_print(const struct trace_summary *s, FILE *out);
void trace_summary_free(struct trace_summary *s);

#endif
