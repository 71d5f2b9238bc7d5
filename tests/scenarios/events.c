// SPDX-License-Identifier: MIT
/* See events.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "events.h"

struct log log_new(struct mockgpu_device *dev, unsigned int flags, uint64_t kinds,
		   unsigned int entries)
{
	struct log log = { .time_ns = now_ns() };

	CHECK_EQ(mockgpu_log_open(dev, flags, kinds, entries, &log.fd), 0);
	return log;
}

void log_close(struct log *log)
{
	CHECK_SYS(close(log->fd));
	log->fd = -1;
}

static struct drm_mockgpu_event next(const char *file, int line, struct log *log)
{
	struct drm_mockgpu_event e;
	int n;

	memset(&e, 0xee, sizeof(e));
	n = mockgpu_log_read(log->fd, &e, 1, 10 * (int64_t)NS_PER_S);
	if (n != 1)
		fail_at(file, line, "reading event %llu: %d (%s)",
			(unsigned long long)log->seqno + 1, n, n < 0 ? strerror(-n) : "the end");
	check_eq(file, line, "number", (long long)e.seqno, (long long)log->seqno + 1);
	log->seqno = e.kind == MOCKGPU_EVENT_LOST ? log->seqno + e.value : e.seqno;
	check_between(file, line, "time", (long long)e.time_ns, 1, (long long)now_ns());
	check_between(file, line, "duration", (long long)e.duration_ns, 0,
		      (long long)e.time_ns);
	CHECK(!e.comm[sizeof(e.comm) - 1]);
	return e;
}

struct drm_mockgpu_event log_next(struct log *log)
{
	return next(__FILE__, __LINE__, log);
}

static long long process(int pid)
{
	if (pid == NOBODY)
		return 0;
	return pid ? pid : getpid();
}

static void check_fields(const char *file, int line, const struct drm_mockgpu_event *e,
			 const struct drm_mockgpu_event *want)
{
	if (e->kind != want->kind)
		fail_at(file, line, "event %llu: expected kind %s, got %s at %#llx, cause %u, error %d",
			(unsigned long long)e->seqno, mockgpu_event_name(want->kind),
			mockgpu_event_name(e->kind), (unsigned long long)e->addr, e->cause,
			e->error);
	check_eq(file, line, "cause", e->cause, want->cause);
	check_eq(file, line, "addr", (long long)e->addr, (long long)want->addr);
	check_eq(file, line, "len", (long long)e->len, (long long)want->len);
	check_eq(file, line, "value", (long long)e->value, (long long)want->value);
	check_eq(file, line, "error", e->error, want->error);
	check_eq(file, line, "queue", e->queue, want->queue);
	check_eq(file, line, "owner", e->owner, process(want->owner));
}

struct drm_mockgpu_event check_next(const char *file, int line, struct log *log,
				    const struct drm_mockgpu_event *want)
{
	struct drm_mockgpu_event e = next(file, line, log);

	check_fields(file, line, &e, want);
	/* A queue's thread is a process of its own. */
	if (!want->queue)
		check_eq(file, line, "pid", e.pid, process(want->pid));
	return e;
}

void check_quiet(const char *file, int line, struct log *log)
{
	struct pollfd p = { .fd = log->fd, .events = POLLIN };
	struct drm_mockgpu_event e;
	int n = mockgpu_log_read(log->fd, &e, 1, 0);

	if (n > 0)
		fail_at(file, line, "there is an event: %s at %#llx, cause %u",
			mockgpu_event_name(e.kind), (unsigned long long)e.addr, e.cause);
	check_eq(file, line, "reading nothing", n, -ETIME);
	check_eq(file, line, "polling nothing", poll(&p, 1, 0), 0);
}

unsigned int log_skip(struct log *log)
{
	struct drm_mockgpu_event events[64];
	unsigned int count = 0;
	int n;

	while ((n = mockgpu_log_read(log->fd, events, ARRAY_SIZE(events), 0)) > 0) {
		count += (unsigned int)n;
		log->seqno = events[n - 1].seqno;
	}
	CHECK_EQ(n, -ETIME);
	return count;
}

void check_runs(const char *file, int line, struct log *log, unsigned int kind,
		unsigned int cause, void *p, size_t pages, uint64_t value)
{
	uint64_t end = 0;

	for (size_t i = 0, n; i < pages; i += n) {
		struct drm_mockgpu_event e = next(file, line, log);

		n = e.len / PAGE;
		check_between(file, line, "pages", (long long)n, 1, (long long)(pages - i));
		check_fields(file, line, &e, &(const struct drm_mockgpu_event){
			.kind = (uint16_t)kind, .cause = (uint16_t)cause,
			.addr = (uintptr_t)AT(p, i), .len = n * PAGE, .value = value,
			.queue = e.queue });
		for (size_t j = 0; j < n; j++)
			check_eq(file, line, "frame", (long long)e.pfn + (long long)j,
				 (long long)pagemap_of(0, AT(p, i + j)).pfn);
		if (e.pfn == end)
			fail_at(file, line, "page %zu goes on where the run ended", i);
		end = e.pfn + n;
	}
}

unsigned int point_number(struct mockgpu_device *dev, const char *name)
{
	struct drm_mockgpu_point_info info;
	unsigned int n;

	for (n = 0; !mockgpu_point_info(dev, n, &info); n++)
		if (!strcmp(info.name, name))
			return n;
	FAIL("there is no point %s", name);
}
