// SPDX-License-Identifier: MIT
/*
 * mockgpu trace: events as Trace Event JSON, which Perfetto and chrome://tracing read.
 *
 * What took time is a slice ("X"), the rest instants ("i"), on the track of the thread
 * that did it.  The thread of a queue is shown in the process that the queue works for.
 * Tracks get their names ("M") when they are first met, and when the thread has
 * another one.  What was met is kept in a table of a fixed size; what it forgot is named
 * again, which does no harm.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "trace.h"

#define TRACKS 4096

/* Above every number of a thread. */
#define QUEUE_TID (1U << 22)

/*
 * A thread of @pid, or with @tid 0 the process itself, and what it was named after: the
 * number of a queue, or a name.
 */
struct trace_track {
	uint32_t pid;
	uint32_t tid;
	uint32_t queue;
	bool used;
	char comm[TRACE_COMM_MAX];
};

static void begin_element(struct trace_json *j, const char *phase)
{
	json_text(&j->file, j->empty ? "{\"ph\":\"" : ",\n{\"ph\":\"");
	json_text(&j->file, phase);
	j->empty = false;
}

static void put_key(struct trace_json *j, const char *key)
{
	json_text(&j->file, ",\"");
	json_text(&j->file, key);
	json_text(&j->file, "\":");
}

static void put_number(struct trace_json *j, const char *key, uint64_t n)
{
	put_key(j, key);
	json_u64(&j->file, n);
}

static void put_word(struct trace_json *j, const char *key, const char *word)
{
	put_key(j, key);
	json_string(&j->file, word, strlen(word));
}

static struct trace_track *find_track(struct trace_json *j, uint32_t pid, uint32_t tid)
{
	return &j->tracks[(pid * 2654435761U ^ tid * 2246822519U) % TRACKS];
}

static bool is_known(const struct trace_track *t, uint32_t pid, uint32_t tid)
{
	return t->used && t->pid == pid && t->tid == tid;
}

/* The name ends at a 0, or after @max bytes. */
static void put_name(struct trace_json *j, uint32_t pid, uint32_t tid, const char *name,
		     size_t max)
{
	begin_element(j, tid ? "M\",\"name\":\"thread_name\"" : "M\",\"name\":\"process_name\"");
	put_number(j, "pid", pid);
	put_number(j, "tid", tid ? tid : pid);
	json_text(&j->file, ",\"args\":{\"name\":");
	json_string(&j->file, name, max);
	json_text(&j->file, "}}");
}

/* Names a process or, with @tid, a thread, unless it has this name already. */
static void name_track(struct trace_json *j, uint32_t pid, uint32_t tid, const char *comm)
{
	struct trace_track *t = find_track(j, pid, tid);

	if (is_known(t, pid, tid) && !t->queue && !strncmp(t->comm, comm, sizeof(t->comm)))
		return;
	*t = (struct trace_track){ .used = true, .pid = pid, .tid = tid };
	memcpy(t->comm, comm, strnlen(comm, sizeof(t->comm)));
	put_name(j, pid, tid, comm, TRACE_COMM_MAX);
}

static void name_queue(struct trace_json *j, uint32_t pid, uint32_t tid, uint32_t queue,
		       unsigned int device)
{
	struct trace_track *t = find_track(j, pid, tid);
	char name[64];

	if (is_known(t, pid, tid) && t->queue == queue)
		return;
	*t = (struct trace_track){ .used = true, .pid = pid, .tid = tid, .queue = queue };
	if (device)
		snprintf(name, sizeof(name), "queue %u, device %u", queue, device);
	else
		snprintf(name, sizeof(name), "queue %u", queue);
	put_name(j, pid, tid, name, sizeof(name));
}

/* The name of a process is that of its first thread, which may not have been seen. */
static void name_process(struct trace_json *j, uint32_t pid, bool is_first, const char *comm)
{
	char looked_up[TRACE_COMM_MAX];

	if (!is_first && is_known(find_track(j, pid, 0), pid, 0))
		return;
	if (!is_first) {
		trace_comm((int)pid, looked_up);
		if (*looked_up)
			comm = looked_up;
	}
	name_track(j, pid, 0, comm);
}

/* Where an event is drawn. */
struct place {
	uint32_t pid;
	uint32_t tid;
};

/*
 * Whether a queue did it.  What happens only on the way of that, such as an invalidation,
 * does not say so, but is known by the name of the kernel's thread.
 */
static bool is_queue(const struct drm_mockgpu_event *e)
{
	return e->owner && (e->queue || (e->pid == e->tid && e->pid != e->owner &&
					 !strncmp(e->comm, "mockgpu/", 8)));
}

static struct place place_queue(struct trace_json *j, const struct drm_mockgpu_event *e,
				unsigned int device)
{
	/* The kernel's thread may have no number here, as in a container. */
	struct place at = {
		.pid = (uint32_t)e->owner,
		.tid = e->tid ? (uint32_t)e->tid : QUEUE_TID + e->queue,
	};

	name_process(j, at.pid, false, "");
	if (e->queue)
		name_queue(j, at.pid, at.tid, e->queue, device);
	else if (!is_known(find_track(j, at.pid, at.tid), at.pid, at.tid))
		name_track(j, at.pid, at.tid, e->comm);
	return at;
}

static struct place place_event(struct trace_json *j, const struct drm_mockgpu_event *e,
				unsigned int device)
{
	struct place at = { .pid = (uint32_t)e->pid, .tid = (uint32_t)e->tid };

	if (is_queue(e))
		return place_queue(j, e, device);
	if (!at.pid) {	/* of whoever has no number here */
		name_track(j, 0, 0, "not visible");
		return at;
	}
	name_process(j, at.pid, at.pid == at.tid, e->comm);
	name_track(j, at.pid, at.tid, e->comm);
	return at;
}

/* What @value is, by kind. */
static const char *value_key(unsigned int kind)
{
	static const char *const keys[TRACE_KINDS] = {
		[MOCKGPU_EVENT_LOST] = "events",
		[MOCKGPU_EVENT_GPU_FAULT] = "pages",
		[MOCKGPU_EVENT_CPU_FAULT] = "pages",
		[MOCKGPU_EVENT_TO_VRAM] = "created",
		[MOCKGPU_EVENT_TO_SYSTEM] = "created",
		[MOCKGPU_EVENT_INVALIDATE] = "entries",
		[MOCKGPU_EVENT_COMMAND] = "submission",
		[MOCKGPU_EVENT_FENCE] = "submission",
		[MOCKGPU_EVENT_POINT] = "arm",
	};

	return kind < TRACE_KINDS && keys[kind] ? keys[kind] : "value";
}

static void put_args(struct trace_json *j, const struct drm_mockgpu_event *e, const char *cause)
{
	json_text(&j->file, ",\"args\":{\"seqno\":");
	json_u64(&j->file, e->seqno);
	if (e->addr) {
		json_text(&j->file, ",\"address\":");
		json_hex(&j->file, e->addr);
	}
	if (e->len)
		put_number(j, "bytes", e->len);
	if (e->pfn) {
		json_text(&j->file, ",\"pfn\":");
		json_hex(&j->file, e->pfn);
	}
	if (*cause)
		put_word(j, "cause", cause);
	if (e->kind == MOCKGPU_EVENT_TO_VRAM && e->value >= MOCKGPU_PLACE_DEVICE(0))
		put_number(j, "from_device", e->value - MOCKGPU_PLACE_DEVICE(0));
	else if (e->value)
		put_number(j, value_key(e->kind), e->value);
	if (e->owner)
		put_number(j, "owner", (uint32_t)e->owner);
	if (e->queue)
		put_number(j, "queue", e->queue);
	if (e->error) {
		const char *name = strerrorname_np(-e->error);

		put_word(j, "error", name ? name : "unknown");
	}
	json_text(&j->file, "}}");
}

/* The part that all phases have; @ns is when. */
static void put_head(struct trace_json *j, const struct drm_mockgpu_event *e, const char *cause,
		     unsigned int device, struct place at, uint64_t ns)
{
	json_text(&j->file, "\",\"name\":\"");
	json_text(&j->file, mockgpu_event_name(e->kind));
	if (*cause) {
		json_put(&j->file, " ", 1);
		json_text(&j->file, cause);
	}
	json_text(&j->file, "\",\"cat\":\"device");
	json_u64(&j->file, device);
	json_text(&j->file, "\",\"pid\":");
	json_u64(&j->file, at.pid);
	put_number(j, "tid", at.tid);
	json_text(&j->file, ",\"ts\":");
	json_us(&j->file, ns);
}

static void put_slice(struct trace_json *j, const struct drm_mockgpu_event *e, const char *cause,
		      unsigned int device, struct place at)
{
	begin_element(j, "X");
	put_head(j, e, cause, device, at, e->time_ns - e->duration_ns);
	json_text(&j->file, ",\"dur\":");
	json_us(&j->file, e->duration_ns);
	put_args(j, e, cause);
}

static void put_instant(struct trace_json *j, const struct drm_mockgpu_event *e,
			const char *cause, unsigned int device, struct place at)
{
	begin_element(j, "i");
	put_head(j, e, cause, device, at, e->time_ns);
	/* What is missing concerns everybody. */
	json_text(&j->file, e->kind == MOCKGPU_EVENT_LOST ? ",\"s\":\"g\"" : ",\"s\":\"t\"");
	put_args(j, e, cause);
}

void trace_json_event(struct trace_json *j, const struct drm_mockgpu_event *e,
		      unsigned int device)
{
	const char *cause = trace_cause(j->points, e);
	struct place at = { 0 };

	if (e->kind != MOCKGPU_EVENT_LOST)
		at = place_event(j, e, device);
	if (!e->duration_ns)
		put_instant(j, e, cause, device, at);
	else
		put_slice(j, e, cause, device, at);
	j->count += e->kind != MOCKGPU_EVENT_LOST;
	json_complete(&j->file);
}

int trace_json_begin(struct trace_json *j, int fd, const struct trace_points *points,
		     char *const *words)
{
	const char *sep = "";

	j->tracks = calloc(TRACKS, sizeof(*j->tracks));
	if (!j->tracks)
		return -ENOMEM;
	j->points = points;
	j->count = 0;
	j->empty = true;
	json_begin(&j->file, fd, "\n]}\n");
	json_text(&j->file, "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"version\":"
		  "\"mockgpu " MOCKGPU_VERSION "\",\"clock\":\"CLOCK_MONOTONIC\",\"command\":[");
	for (; *words; words++) {
		json_text(&j->file, sep);
		json_string(&j->file, *words, strlen(*words));
		sep = ",";
	}
	json_text(&j->file, "]},\"traceEvents\":[\n");
	return json_flush(&j->file);
}

void trace_json_flush(struct trace_json *j)
{
	json_flush(&j->file);
}

int trace_json_end(struct trace_json *j)
{
	int ret = json_end(&j->file);

	free(j->tracks);
	j->tracks = NULL;
	return ret;
}
