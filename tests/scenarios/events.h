/* SPDX-License-Identifier: MIT */
/* Event logs as scenarios use them: what is read is exactly this, and nothing is between. */
#ifndef EVENTS_H
#define EVENTS_H

#include "gpu.h"

struct log {
	int fd;
	uint64_t seqno;		/* of the last event that was read */
	uint64_t time_ns;	/* when it was, or when the log was opened */
};

#define KIND(name)	(1ULL << MOCKGPU_EVENT_##name)

/* A log of these kinds (0: all), by MOCKGPU_LOG_*; with room for @entries (0: many). */
struct log log_new(struct mockgpu_device *dev, unsigned int flags, uint64_t kinds,
		   unsigned int entries);
void log_close(struct log *log);

/*
 * The next event comes within 10 s and is this one.  Not compared: times, thread and frame.  @pid
 * and @owner are this process if they are not given; NOBODY is 0.
 */
#define NEXT(log, ...) \
	check_next(__FILE__, __LINE__, (log), &(const struct drm_mockgpu_event){ __VA_ARGS__ })
#define NOBODY	-1
struct drm_mockgpu_event check_next(const char *file, int line, struct log *log,
				    const struct drm_mockgpu_event *want);
/* Likewise, whatever it is. */
struct drm_mockgpu_event log_next(struct log *log);
/* There is nothing to read now. */
#define CHECK_QUIET(log) check_quiet(__FILE__, __LINE__, (log))
void check_quiet(const char *file, int line, struct log *log);
/* Reads all that there is now and forgets it; how many events that were. */
unsigned int log_skip(struct log *log);

/*
 * Pages have moved to where they are now: the next events, of this kind and cause, have them all,
 * in order, in as few runs as there can be, each with its frames.
 */
#define CHECK_RUNS(log, kind, cause, p, pages, value) \
	check_runs(__FILE__, __LINE__, (log), (kind), (cause), (p), (pages), (value))
void check_runs(const char *file, int line, struct log *log, unsigned int kind,
		unsigned int cause, void *p, size_t pages, uint64_t value);

/* Number of a control point. */
unsigned int point_number(struct mockgpu_device *dev, const char *name);

#endif
