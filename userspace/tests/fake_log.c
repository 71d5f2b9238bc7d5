// SPDX-License-Identifier: MIT
/*
 * The model's event log.  It is a file with the events of a story in it, which FAKE_LOG
 * names; without that the driver is one that has no logs.
 *
 * kinds: one event of each kind at least; lost: events are missing, as many as the log has
 * entries; many: thousands, and then the device goes; ranges: faults on more ranges than a
 * summary shows.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "fake_drm.h"
#include "mockgpu.h"

#define MANY 30000
#define MS 1000000ULL

/* No process has these numbers. */
#define APP 4190001
#define APP_THREAD 4190002
#define KTHREAD 4190003
#define OTHER 4190004

#define E(k, c) .kind = MOCKGPU_EVENT_##k, .cause = (c)
#define BY_APP .pid = APP, .tid = APP, .owner = APP, .comm = "app"
#define BY_THREAD .pid = APP, .tid = APP_THREAD, .owner = APP, .comm = "a\"b\\c\x01\xff\xc3\xa9"
#define BY_QUEUE .pid = KTHREAD, .tid = KTHREAD, .owner = APP, .comm = "mockgpu/4190001"

/* Times are before now. */
static const struct drm_mockgpu_event kinds[] = {
	{ E(TO_VRAM, MOCKGPU_CAUSE_MIGRATE), BY_APP, .addr = 0x7f0000200000, .len = 0x3000,
	  .pfn = 0x123, .duration_ns = 2000001, .time_ns = 90 * MS },
	{ E(TO_VRAM, MOCKGPU_CAUSE_PREFETCH), BY_APP, .addr = 0x7f0000300000, .len = 4096,
	  .value = MOCKGPU_PLACE_DEVICE(1), .duration_ns = 1000, .time_ns = 85 * MS },
	{ E(GPU_FAULT, MOCKGPU_ACCESS_WRITE), BY_QUEUE, .addr = 0x7f0000200000, .len = 4096,
	  .value = 3, .duration_ns = 1500, .time_ns = 80 * MS },
	{ E(COMMAND, MOCKGPU_CMD_FILL), BY_QUEUE, .queue = 3, .addr = 0x7f0000200000, .value = 9,
	  .duration_ns = 5000, .time_ns = 79 * MS },
	{ E(FENCE, 0), BY_QUEUE, .queue = 3, .addr = 0x7f0000600000, .value = 9,
	  .error = -EFAULT, .time_ns = 78 * MS },
	{ E(CPU_FAULT, MOCKGPU_CPU_FAULT_MOVED), BY_THREAD, .addr = 0x7f0000201000,
	  .len = 4096, .pfn = 0x124, .value = 2, .duration_ns = 700, .time_ns = 70 * MS },
	{ E(CPU_FAULT, MOCKGPU_CPU_FAULT_RETRIED), .pid = OTHER, .tid = OTHER, .owner = OTHER,
	  .comm = "other", .addr = 0x7f0000201000, .duration_ns = 900, .time_ns = 69 * MS },
	{ E(TO_SYSTEM, MOCKGPU_CAUSE_CPU_FAULT), BY_THREAD, .addr = 0x7f0000201000,
	  .len = 0x2000, .pfn = 0x200, .time_ns = 68 * MS },
	{ E(EVICT, MOCKGPU_EVICTED_CALL), BY_APP, .len = 4096, .pfn = 0x123,
	  .time_ns = 60 * MS },
	{ E(SPLIT, 0), BY_APP, .len = 2 << 20, .pfn = 0x400, .time_ns = 59 * MS },
	{ E(INVALIDATE, MOCKGPU_INVALIDATED_UNMAP), BY_APP, .addr = 0x7f0000200000,
	  .len = 0x3000, .value = 3, .time_ns = 58 * MS },
	{ E(EXCLUSIVE, 0), BY_THREAD, .addr = 0x7f0000400000, .pfn = 0x77,
	  .duration_ns = 3 * MS, .time_ns = 57 * MS },
	{ E(EXCLUSIVE, 0), BY_THREAD, .addr = 0x7f0000401000, .error = -EBUSY,
	  .time_ns = 56 * MS },
	{ E(POINT, 1), BY_APP, .value = 21, .duration_ns = 4 * MS, .error = -EIO,
	  .time_ns = 50 * MS },
};

static const struct drm_mockgpu_event cpu_fault = {
	E(CPU_FAULT, MOCKGPU_CPU_FAULT_MOVED), BY_APP, .addr = 0x7f0000201000, .len = 4096,
	.value = 1, .duration_ns = 700,
};

struct log {
	int fd;
	uint64_t now;
	uint64_t seqno;
	uint64_t kinds;
};

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 * MS + (uint64_t)ts.tv_nsec;
}

static void add(struct log *l, const struct drm_mockgpu_event *from, uint64_t time_ns)
{
	struct drm_mockgpu_event e = *from;

	e.seqno = ++l->seqno;
	e.time_ns = time_ns;
	if (e.kind && l->kinds && !(l->kinds >> e.kind & 1))
		return;
	if (write(l->fd, &e, sizeof(e)) != sizeof(e))
		abort();
}

static void tell_kinds(struct log *l)
{
	unsigned int i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		add(l, &kinds[i], l->now - kinds[i].time_ns);
}

static void tell_lost(struct log *l, unsigned int entries)
{
	const struct drm_mockgpu_event lost = { E(LOST, 0), .value = entries };

	add(l, &cpu_fault, l->now - 3);
	add(l, &lost, l->now - 2);
	add(l, &cpu_fault, l->now - 1);
}

static void tell_ranges(struct log *l)
{
	struct drm_mockgpu_event e = cpu_fault;
	unsigned int range, i;

	for (range = 1; range <= 12; range++) {
		e.duration_ns = range * MS;
		for (i = 0; i < range; i++) {
			e.addr = 0x7f0000000000 + range * (2ULL << 20) + i * 4096;
			e.kind = i % 3 ? MOCKGPU_EVENT_GPU_FAULT : MOCKGPU_EVENT_CPU_FAULT;
			add(l, &e, l->now);
		}
	}
}

static void tell(struct log *l, const char *story, unsigned int entries)
{
	unsigned int i;

	if (!strcmp(story, "lost"))
		tell_lost(l, entries);
	else if (!strcmp(story, "ranges"))
		tell_ranges(l);
	else
		tell_kinds(l);
	for (i = 0; i < MANY && !strcmp(story, "many"); i++)
		add(l, &cpu_fault, l->now + i);
}

int fake_log_open(struct drm_mockgpu_log_open *l)
{
	struct log log = { .kinds = l->kinds };
	const char *story = getenv("FAKE_LOG");
	int ends[2] = { -1, -1 };

	if (!story || !l->entries || (l->entries & (l->entries - 1)) || (l->kinds & 1) ||
	    l->event_size != sizeof(struct drm_mockgpu_event))
		return -EINVAL;
	if (l->flags != MOCKGPU_LOG_DESCENDANTS)
		return -EACCES;
	log.now = now();
	if (!strcmp(story, "many")) {
		log.fd = memfd_create("log", MFD_CLOEXEC);
		ends[0] = log.fd;
	} else if (!pipe2(ends, O_CLOEXEC)) {	/* stays open at this end: there may be more */
		log.fd = ends[1];
	}
	if (ends[0] < 0)
		return -errno;
	tell(&log, story, l->entries);
	lseek(ends[0], 0, SEEK_SET);
	l->fd = ends[0];
	return 0;
}
