// SPDX-License-Identifier: MIT
/*
 * Each kind of event: what makes it, and what it says.  How logs are read and whom they show:
 * V_log.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "events.h"
#include "huge.h"
#include "module.h"
#include "points.h"
#include "process.h"
#include "queue.h"

#define MOVES	(KIND(TO_VRAM) | KIND(TO_SYSTEM))

static void V1_migrate(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	void *p = map_filled(20, new_tag());
	struct log log = log_new(dev, 0, MOVES, 0);
	struct drm_mockgpu_event e;

	TO_VRAM(dev, p, 20);
	CHECK_RUNS(&log, MOCKGPU_EVENT_TO_VRAM, MOCKGPU_CAUSE_MIGRATE, p, 20, 0);
	CHECK_QUIET(&log);
	TO_SYSTEM(dev, AT(p, 5), 10);
	CHECK_RUNS(&log, MOCKGPU_EVENT_TO_SYSTEM, MOCKGPU_CAUSE_MIGRATE, AT(p, 5), 10, 0);
	CHECK_QUIET(&log);

	/* Only those that had to move; one page, so one run. */
	TO_SYSTEM(dev, AT(p, 3), 1);
	e = NEXT(&log, .kind = MOCKGPU_EVENT_TO_SYSTEM, .cause = MOCKGPU_CAUSE_MIGRATE,
		 .addr = addr_of(AT(p, 3)), .len = PAGE);
	CHECK_EQ(e.tid, gettid());
	CHECK(e.duration_ns);
	CHECK(!strncmp(e.comm, "V_events", 8));
}

/* One call brings home what two devices have: each tells of its own pages, and counts them. */
static void V1_from_two_devices(void)
{
	struct mockgpu_device *dev[2];
	struct drm_mockgpu_counters c[2];
	struct log log[2];
	void *p;

	module_reload(2, DEFAULT_VRAM_MB);
	p = map_filled(6, new_tag());
	for (unsigned int i = 0; i < 2; i++)
		dev[i] = i ? gpu_open(1) : gpu_open(0);
	TO_VRAM(dev[0], p, 1);
	TO_VRAM(dev[1], AT(p, 1), 2);
	TO_VRAM(dev[0], AT(p, 3), 3);
	for (unsigned int i = 0; i < 2; i++) {
		log[i] = log_new(dev[i], 0, KIND(TO_SYSTEM), 0);
		c[i] = gpu_counters(dev[i]);
	}
	TO_SYSTEM(dev[1], p, 6);
	CHECK_RUNS(&log[0], MOCKGPU_EVENT_TO_SYSTEM, MOCKGPU_CAUSE_MIGRATE, p, 1, 0);
	CHECK_RUNS(&log[0], MOCKGPU_EVENT_TO_SYSTEM, MOCKGPU_CAUSE_MIGRATE, AT(p, 3), 3, 0);
	CHECK_RUNS(&log[1], MOCKGPU_EVENT_TO_SYSTEM, MOCKGPU_CAUSE_MIGRATE, AT(p, 1), 2, 0);
	for (unsigned int i = 0; i < 2; i++) {
		CHECK_QUIET(&log[i]);
		CHECK_COUNTED(dev[i], &c[i], .pages_to_system = i ? 2 : 4,
			      .vram_used_bytes = i ? -2 * PAGE : -4 * PAGE);
	}
}

/* Pages that were not there are made; a run has either those or others. */
static void V1_holes(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct log log = log_new(dev, 0, MOVES, 0);
	char *p = map_hole(8);

	p[2 * PAGE] = 1;
	p[3 * PAGE] = 1;
	CHECK_EQ(mockgpu_to_vram(dev, p, 8 * PAGE), 0);
	CHECK_RUNS(&log, MOCKGPU_EVENT_TO_VRAM, MOCKGPU_CAUSE_MIGRATE, p, 2, 1);
	CHECK_RUNS(&log, MOCKGPU_EVENT_TO_VRAM, MOCKGPU_CAUSE_MIGRATE, AT(p, 2), 2, 0);
	CHECK_RUNS(&log, MOCKGPU_EVENT_TO_VRAM, MOCKGPU_CAUSE_MIGRATE, AT(p, 4), 4, 1);
	CHECK_QUIET(&log);
}

static void V1_prefetch_and_touch(void)
{
	struct queue q = queue_new(gpu_open(0));
	struct log log = log_new(q.dev, 0, MOVES, 0);
	char *p = map_filled(2, new_tag());
	struct drm_mockgpu_event e;
	char comm[16];

	CHECK_EQ(mockgpu_prefetch(q.dev, p, PAGE, MOCKGPU_PLACE_DEVICE(0), 0, NULL, NULL), 0);
	CHECK_RUNS(&log, MOCKGPU_EVENT_TO_VRAM, MOCKGPU_CAUSE_PREFETCH, p, 1, 0);

	CHECK_EQ(mockgpu_advise(q.dev, AT(p, 1), PAGE, MOCKGPU_ADVICE_PLACE,
				MOCKGPU_PLACE_DEVICE(0)), 0);
	CHECK_EQ(mockgpu_advise(q.dev, AT(p, 1), PAGE, MOCKGPU_ADVICE_TOUCH, 1), 0);
	RUN(q, cmd_store(AT(p, 1), 8, 7), .done = 8, .migrations = 1);
	e = NEXT(&log, .kind = MOCKGPU_EVENT_TO_VRAM, .cause = MOCKGPU_CAUSE_TOUCH,
		 .addr = addr_of(AT(p, 1)), .len = PAGE, .queue = q.id);
	CHECK_EQ(e.pfn, pagemap_of(0, AT(p, 1)).pfn);
	/* A thread of the kernel did it, and is its own process. */
	CHECK_EQ(e.pid, e.tid);
	CHECK(e.pid != getpid());
	snprintf(comm, sizeof(comm), "mockgpu/%d", (int)getpid());
	CHECK(!strcmp(e.comm, comm));
	CHECK_QUIET(&log);
}

static void V1_cpu_fault(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	volatile char *p = map_filled(1, new_tag());
	struct log log = log_new(dev, 0, MOVES | KIND(CPU_FAULT), 0);
	struct drm_mockgpu_event move, e;
	uint64_t pfn;

	TO_VRAM(dev, (void *)p, 1);
	log_skip(&log);
	pfn = pagemap_of(0, (void *)p).pfn;
	(void)p[77];
	move = NEXT(&log, .kind = MOCKGPU_EVENT_TO_SYSTEM, .cause = MOCKGPU_CAUSE_CPU_FAULT,
		    .addr = addr_of(p), .len = PAGE);
	CHECK_EQ(move.pfn, pagemap_of(0, (void *)p).pfn);
	e = NEXT(&log, .kind = MOCKGPU_EVENT_CPU_FAULT, .cause = MOCKGPU_CPU_FAULT_MOVED,
		 .addr = addr_of(p), .value = 1);
	CHECK_EQ(e.pfn, pfn);
	CHECK_EQ(e.tid, gettid());
	/* It began before the move did, and ended after it. */
	CHECK_LE(e.time_ns - e.duration_ns, move.time_ns - move.duration_ns);
	CHECK_GE(e.time_ns, move.time_ns);
	CHECK_QUIET(&log);
}

static void *touch(void *p)
{
	(void)*(volatile char *)p;
	return (void *)(long)gettid();
}

/* The pages around it come along, and it was another thread of the process. */
static void V1_cpu_fault_brings_others(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	struct log log = log_new(dev, 0, MOVES | KIND(CPU_FAULT), 0);
	char *arena = map_arena(16), *p = (char *)(((uintptr_t)arena + 8 * PAGE - 1) & -(8 * PAGE));
	unsigned int pages = 0;
	struct drm_mockgpu_event e;
	pthread_t thread;
	void *tid;

	map_fixed(p, 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	fill(p, 8, new_tag(), 0);
	CHECK_EQ(mockgpu_advise(dev, p, 8 * PAGE, MOCKGPU_ADVICE_GRANULARITY, 3), 0);
	TO_VRAM(dev, p, 8);
	log_skip(&log);
	thread = thread_start(touch, AT(p, 5));
	CHECK_EQ(pthread_join(thread, &tid), 0);
	do {
		e = log_next(&log);
		CHECK_EQ(e.tid, (long)tid);
		CHECK_EQ(e.pid, getpid());
		if (e.kind == MOCKGPU_EVENT_TO_SYSTEM)
			pages += e.len / PAGE;
	} while (e.kind != MOCKGPU_EVENT_CPU_FAULT);
	CHECK_EQ(pages, 8);
	CHECK_EQ(e.value, 8);
	CHECK_EQ(e.addr, addr_of(AT(p, 5)));
	CHECK_QUIET(&log);
}

/* Faults that bring nothing home say so, and why. */
static void V1_cpu_fault_in_vain(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	volatile char *p = map_filled(1, new_tag());
	struct log log = log_new(dev, 0, KIND(CPU_FAULT), 0);
	unsigned int held = 0;
	struct drm_mockgpu_event e;

	TO_VRAM(dev, (void *)p, 1);
	BREAK(dev, "page-lock", .count = 1, .pid = getpid());
	(void)*p;
	NEXT(&log, .kind = MOCKGPU_EVENT_CPU_FAULT, .cause = MOCKGPU_CPU_FAULT_RETRIED,
	     .addr = addr_of(p));
	NEXT(&log, .kind = MOCKGPU_EVENT_CPU_FAULT, .cause = MOCKGPU_CPU_FAULT_MOVED,
	     .addr = addr_of(p), .value = 1);

	TO_VRAM(dev, (void *)p, 1);
	BREAK(dev, "alloc-ram", .count = 1);
	(void)*p;
	NEXT(&log, .kind = MOCKGPU_EVENT_CPU_FAULT, .cause = MOCKGPU_CPU_FAULT_FAILED,
	     .addr = addr_of(p), .error = -ENOMEM);
	NEXT(&log, .kind = MOCKGPU_EVENT_CPU_FAULT, .cause = MOCKGPU_CPU_FAULT_MOVED,
	     .addr = addr_of(p), .value = 1);

	CHECK_EQ(mockgpu_advise(dev, (void *)p, PAGE, MOCKGPU_ADVICE_TIME_SLICE, 50), 0);
	TO_VRAM(dev, (void *)p, 1);
	(void)*p;
	while ((e = log_next(&log)).cause == MOCKGPU_CPU_FAULT_HELD)
		held++;
	CHECK_GE(held, 1);
	CHECK_EQ(e.cause, MOCKGPU_CPU_FAULT_MOVED);
	CHECK_QUIET(&log);
}

/* One command, whose result the device does not write: that would be a fault as well. */
static void run_silently(struct queue q, struct drm_mockgpu_cmd cmd)
{
	FINISHES(q, submit(q, &cmd, 1, NULL), 0);
}

static void V1_gpu_fault(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint64_t *word = map_filled(1, new_tag());
	char *p = map_filled(3, new_tag()), buf[2 * PAGE];
	struct log log = log_new(q.dev, 0, KIND(GPU_FAULT), 0);
	struct drm_mockgpu_event e;

	CHECK_EQ(mockgpu_read(q.dev, buf, p, 2 * PAGE, NULL), 0);
	e = NEXT(&log, .kind = MOCKGPU_EVENT_GPU_FAULT, .cause = MOCKGPU_ACCESS_READ,
		 .addr = addr_of(p), .value = 2);
	CHECK_EQ(e.pfn, pagemap_of(0, p).pfn);
	CHECK_EQ(e.tid, gettid());
	/* What is mapped is no fault. */
	CHECK_EQ(mockgpu_read(q.dev, buf, p, 2 * PAGE, NULL), 0);
	CHECK_QUIET(&log);

	run_silently(q, cmd_store(AT(p, 2), 8, 1));
	e = NEXT(&log, .kind = MOCKGPU_EVENT_GPU_FAULT, .cause = MOCKGPU_ACCESS_WRITE,
		 .addr = addr_of(AT(p, 2)), .value = 1, .queue = q.id);
	CHECK_EQ(e.pfn, pagemap_of(0, AT(p, 2)).pfn);
	CHECK(e.pid != getpid());

	*word = 41;
	TO_VRAM(q.dev, word, 1);
	run_silently(q, cmd_add(word, 8, 1));
	NEXT(&log, .kind = MOCKGPU_EVENT_GPU_FAULT, .cause = MOCKGPU_ACCESS_ATOMIC,
	     .addr = addr_of(word), .value = 1, .queue = q.id);

	CHECK_SYS(mprotect(AT(p, 2), PAGE, PROT_READ));
	CHECK_EQ(mockgpu_write(q.dev, AT(p, 2), buf, 1, NULL), -EPERM);
	e = NEXT(&log, .kind = MOCKGPU_EVENT_GPU_FAULT, .cause = MOCKGPU_ACCESS_WRITE,
		 .addr = addr_of(AT(p, 2)), .error = -EPERM);
	CHECK_EQ(e.pfn, 0);
	CHECK_QUIET(&log);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The frames that were in VRAM are those that are told of, each once. */
static void check_evicted(struct log *log, size_t pages, uint64_t *frames)
{
	uint64_t told[64];
	size_t n = 0;

	while (n < pages) {
		struct drm_mockgpu_event e = log_next(log);

		CHECK_EQ(e.kind, MOCKGPU_EVENT_EVICT);
		CHECK_EQ(e.cause, MOCKGPU_EVICTED_CALL);
		CHECK_EQ(e.addr, 0);
		CHECK_EQ(e.owner, 0);
		CHECK_EQ(e.tid, gettid());
		CHECK_LE(e.len / PAGE, pages - n);
		for (size_t i = 0; i < e.len / PAGE; i++)
			told[n++] = e.pfn + i;
	}
	qsort(told, n, sizeof(*told), compare);
	qsort(frames, n, sizeof(*frames), compare);
	CHECK(!memcmp(told, frames, n * sizeof(*told)));
	CHECK_QUIET(log);
}

static void V1_evict(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	void *p = map_filled(40, new_tag());
	struct log log = log_new(dev, 0, KIND(EVICT), 0);
	uint64_t frames[40];

	TO_VRAM(dev, p, 40);
	for (size_t i = 0; i < 40; i++)
		frames[i] = pagemap_of(0, AT(p, i)).pfn;
	CHECK_EQ(mockgpu_evict(dev, p, 10 * PAGE, NULL), 0);
	check_evicted(&log, 10, frames);
	CHECK_EQ(mockgpu_evict_all(dev, NULL), 0);
	check_evicted(&log, 30, frames + 10);
}

static void V1_split(void)
{
	struct mockgpu_device *dev = gpu_open_huge();
	char *p = huge_in_vram(dev, new_tag());
	struct log log = log_new(dev, 0, KIND(SPLIT), 0);
	uint64_t pfn = pagemap_of(0, p).pfn;
	struct drm_mockgpu_event e;

	CHECK_SYS(munmap(AT(p, 100), PAGE));
	(void)*(volatile char *)p;
	e = NEXT(&log, .kind = MOCKGPU_EVENT_SPLIT, .len = HUGE, .owner = NOBODY);
	CHECK_EQ(e.pfn, pfn);
	CHECK_QUIET(&log);
}

/* A huge page is one run, and one fault. */
static void V1_huge(void)
{
	struct mockgpu_device *dev = gpu_open_huge();
	char *p = huge_in_system(dev, new_tag());
	struct log log = log_new(dev, 0, MOVES | KIND(CPU_FAULT) | KIND(SPLIT), 0);

	TO_VRAM(dev, p, N);
	CHECK_RUNS(&log, MOCKGPU_EVENT_TO_VRAM, MOCKGPU_CAUSE_MIGRATE, p, N, 0);
	(void)*(volatile char *)AT(p, 300);
	CHECK_RUNS(&log, MOCKGPU_EVENT_TO_SYSTEM, MOCKGPU_CAUSE_CPU_FAULT, p, N, 0);
	NEXT(&log, .kind = MOCKGPU_EVENT_CPU_FAULT, .cause = MOCKGPU_CPU_FAULT_MOVED,
	     .addr = addr_of(AT(p, 300)), .value = N);
	CHECK_QUIET(&log);
}

/* The device has it mapped, so that there is something to invalidate. */
static char *map_on_device(struct mockgpu_device *dev, size_t pages, struct log *log)
{
	char *p = map_filled(pages, new_tag());
	static char buf[8 * PAGE];

	CHECK_EQ(mockgpu_read(dev, buf, p, pages * PAGE, NULL), 0);
	log_skip(log);
	return p;
}

/* Of the changes that a call makes there is one of this cause that took @value entries. */
static void check_change(struct log *log, unsigned int cause, void *p, size_t pages,
			 uint64_t value)
{
	struct drm_mockgpu_event e;

	do {
		e = log_next(log);
		CHECK_EQ(e.kind, MOCKGPU_EVENT_INVALIDATE);
		CHECK_EQ(e.owner, getpid());
	} while (e.cause != cause || !e.value);
	CHECK_EQ(e.value, value);
	CHECK_LE(e.addr, addr_of(p));
	CHECK_GE(e.addr + e.len, addr_of(AT(p, pages)));
	log_skip(log);
}

static void V1_invalidate(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct log log = log_new(dev, 0, KIND(INVALIDATE), 0);
	struct drm_mockgpu_event e;
	char *p;

	p = map_on_device(dev, 4, &log);
	CHECK_SYS(munmap(AT(p, 1), 2 * PAGE));
	e = NEXT(&log, .kind = MOCKGPU_EVENT_INVALIDATE, .cause = MOCKGPU_INVALIDATED_UNMAP,
		 .addr = addr_of(AT(p, 1)), .len = 2 * PAGE, .value = 2);
	CHECK_EQ(e.tid, gettid());
	CHECK_QUIET(&log);

	p = map_on_device(dev, 4, &log);
	CHECK_SYS(mprotect(p, 3 * PAGE, PROT_READ));
	check_change(&log, MOCKGPU_INVALIDATED_PROTECTION, p, 3, 3);

	p = map_on_device(dev, 4, &log);
	CHECK_SYS(madvise(p, 4 * PAGE, MADV_DONTNEED));
	check_change(&log, MOCKGPU_INVALIDATED_CLEAR, p, 4, 4);

	p = map_on_device(dev, 4, &log);
	TO_VRAM(dev, p, 4);
	check_change(&log, MOCKGPU_INVALIDATED_MIGRATE, p, 4, 4);
}

/* Another file of the process has pages exclusively: for this one that is a change. */
static void V1_exclusive(void)
{
	struct queue q = queue_new(gpu_open_exclusive());
	struct mockgpu_device *other = gpu_open(0);
	uint64_t *word = map_filled(1, new_tag());
	struct log changes = log_new(other, 0, KIND(INVALIDATE), 0);
	struct log log = log_new(q.dev, 0, KIND(EXCLUSIVE), 0);
	struct drm_mockgpu_event e;
	uint64_t pfn, value;

	*word = 5;
	CHECK_EQ(mockgpu_read(other, &value, word, 8, NULL), 0);
	pfn = pagemap_of(0, word).pfn;
	log_skip(&changes);
	RUN(q, cmd_add(word, 8, 3), .done = 3, .value = 7);
	e = NEXT(&log, .kind = MOCKGPU_EVENT_EXCLUSIVE, .addr = addr_of(word), .queue = q.id);
	CHECK_EQ(e.pfn, pfn);
	CHECK(e.duration_ns);
	/* As long as it is that, it need not be made so. */
	RUN(q, cmd_add(word, 8, 1), .done = 1, .value = 8);
	CHECK_QUIET(&log);
	do
		e = log_next(&changes);
	while (e.cause != MOCKGPU_INVALIDATED_EXCLUSIVE);
	CHECK_EQ(e.addr, addr_of(word));
	CHECK_EQ(e.value, 1);

	CHECK_EQ(*word, 9);
	BREAK(q.dev, "exclusive", .error = -EIO, .count = 1);
	RUN(q, cmd_add(word, 8, 1), .error = -EIO, .fault_addr = addr_of(word),
	    .access = MOCKGPU_ACCESS_ATOMIC);
	NEXT(&log, .kind = MOCKGPU_EVENT_EXCLUSIVE, .addr = addr_of(word), .queue = q.id,
	     .error = -EIO);
}

static void V1_command_and_fence(void)
{
	struct queue q = queue_new(gpu_open(0)), second = queue_new(q.dev);
	uint64_t *p = map_filled(1, new_tag()), *fence = map_filled(1, new_tag());
	struct log log = log_new(q.dev, 0, KIND(COMMAND) | KIND(FENCE), 0);
	void *nowhere = map_arena(1);
	const struct drm_mockgpu_cmd cmds[] = {
		cmd_store(p, 8, 1), cmd_delay(20000000), cmd_load(nowhere, 8), cmd_store(p, 8, 2),
	};
	struct mockgpu_submission s = { .cmds = cmds, .count = 4, .fence = fence,
					.fence_value = 3 };
	struct drm_mockgpu_event e;
	uint64_t seqno;

	CHECK_EQ(mockgpu_submit(q.dev, q.id, &s), 0);
	FINISHES(q, s.seqno, -EFAULT);
	NEXT(&log, .kind = MOCKGPU_EVENT_COMMAND, .cause = MOCKGPU_CMD_STORE, .addr = addr_of(p),
	     .queue = q.id, .value = s.seqno);
	e = NEXT(&log, .kind = MOCKGPU_EVENT_COMMAND, .cause = MOCKGPU_CMD_DELAY, .queue = q.id,
		 .value = s.seqno);
	CHECK_GE(e.duration_ns, 20000000);
	CHECK_LE(e.duration_ns, BOUND_NS);
	NEXT(&log, .kind = MOCKGPU_EVENT_COMMAND, .cause = MOCKGPU_CMD_LOAD,
	     .addr = addr_of(nowhere), .queue = q.id, .value = s.seqno, .error = -EFAULT);
	/* The last one was not executed. */
	e = NEXT(&log, .kind = MOCKGPU_EVENT_FENCE, .addr = addr_of(fence), .queue = q.id,
		 .value = s.seqno, .error = -EFAULT);
	CHECK_GE(e.duration_ns, 20000000);
	CHECK_EQ(*fence, 3);

	/* No fence; another queue. */
	seqno = submit(second, cmds, 1, NULL);
	FINISHES(second, seqno, 0);
	NEXT(&log, .kind = MOCKGPU_EVENT_COMMAND, .cause = MOCKGPU_CMD_STORE, .addr = addr_of(p),
	     .queue = second.id, .value = seqno);
	NEXT(&log, .kind = MOCKGPU_EVENT_FENCE, .queue = second.id, .value = seqno);
	CHECK_QUIET(&log);
}

static void V1_point(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint64_t *p = map_filled(1, new_tag()), value;
	struct log log = log_new(dev, 0, KIND(POINT), 0);
	unsigned int fault = point_number(dev, "gpu-fault");
	struct drm_mockgpu_event e;
	struct arm arm;

	arm = ARM(dev, "gpu-fault", .action = MOCKGPU_POINT_DELAY, .time_ns = 30000000,
		  .pid = getpid());
	CHECK_EQ(mockgpu_read(dev, &value, p, 8, NULL), 0);
	e = NEXT(&log, .kind = MOCKGPU_EVENT_POINT, .cause = (uint16_t)fault, .value = arm.id,
		 .addr = addr_of(p), .len = 1);
	CHECK_GE(e.duration_ns, 30000000);
	CHECK_LE(e.duration_ns, BOUND_NS);
	arm_release(arm);

	arm = BREAK(dev, "alloc", .count = 1);
	CHECK_EQ(mockgpu_log_open(dev, 0, 0, 0, &(int){ 0 }), -ENOMEM);
	/* Whose memory it is about is not known: it is told where it is done. */
	e = NEXT(&log, .kind = MOCKGPU_EVENT_POINT, .value = arm.id, .owner = NOBODY,
		 .cause = (uint16_t)point_number(dev, "alloc"), .error = -ENOMEM);
	CHECK_EQ(e.duration_ns, 0);
	arm_release(arm);

	arm = TALLY(dev, "migrate-copied", .pid = getpid(), .first = 2);
	TO_VRAM(dev, p, 1);
	CHECK_QUIET(&log);
	TO_SYSTEM(dev, p, 1);
	NEXT(&log, .kind = MOCKGPU_EVENT_POINT, .value = arm.id, .addr = addr_of(p), .len = PAGE,
	     .cause = (uint16_t)point_number(dev, "migrate-copied"));
	CHECK_EQ(arm_look(arm).hits, 2);
	CHECK_QUIET(&log);
}

/* The sums of a log are what the counters say. */
static void V2_events_and_counters_agree(void)
{
	struct queue q = queue_new(gpu_open(0));
	struct log log = log_new(q.dev, 0, MOVES | KIND(CPU_FAULT) | KIND(GPU_FAULT) | KIND(EVICT),
				 0);
	struct drm_mockgpu_counters before = gpu_counters(q.dev), c;
	uint64_t sum[MOCKGPU_EVENT_POINT + 1] = { 0 };
	struct drm_mockgpu_event e;
	char *p = map_filled(64, new_tag());

	for (unsigned int i = 0; i < 200; i++) {
		char *at = AT(p, random_below(60));

		switch (random_below(5)) {
		case 0:
			mockgpu_to_vram(q.dev, at, (1 + random_below(4)) * PAGE);
			break;
		case 1:
			mockgpu_to_system(q.dev, at, (1 + random_below(4)) * PAGE);
			break;
		case 2:
			*(volatile char *)at = 1;
			break;
		case 3:
			RUN(q, cmd_store(at, 8, i), .done = 8);
			break;
		case 4:
			CHECK_EQ(mockgpu_evict(q.dev, at, 2 * PAGE, NULL), 0);
			break;
		}
	}
	c = gpu_counters(q.dev);
	while (mockgpu_log_read(log.fd, &e, 1, 0) == 1) {
		CHECK_EQ(e.seqno, ++log.seqno);
		if (e.kind == MOCKGPU_EVENT_GPU_FAULT)
			sum[e.kind] += e.value;
		else if (e.kind == MOCKGPU_EVENT_CPU_FAULT)
			sum[e.kind] += e.value;
		else if (e.cause != MOCKGPU_CAUSE_CPU_FAULT || e.kind == MOCKGPU_EVENT_EVICT)
			sum[e.kind] += e.len / PAGE;
		else
			sum[0] += e.len / PAGE;
	}
	CHECK_EQ(sum[MOCKGPU_EVENT_TO_VRAM], c.pages_to_vram - before.pages_to_vram);
	CHECK_EQ(sum[MOCKGPU_EVENT_TO_SYSTEM], c.pages_to_system - before.pages_to_system);
	CHECK_EQ(sum[MOCKGPU_EVENT_CPU_FAULT], c.pages_cpu_fault - before.pages_cpu_fault);
	CHECK_EQ(sum[0], c.pages_cpu_fault - before.pages_cpu_fault);
	CHECK_EQ(sum[MOCKGPU_EVENT_GPU_FAULT], c.gpu_faults - before.gpu_faults);
	CHECK_EQ(sum[MOCKGPU_EVENT_EVICT], c.pages_evicted - before.pages_evicted);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(V1_migrate),
	{ "V1_from_two_devices", V1_from_two_devices, 0, RELOADS },
	SCENARIO(V1_holes),
	SCENARIO(V1_prefetch_and_touch),
	SCENARIO(V1_cpu_fault),
	SCENARIO(V1_cpu_fault_brings_others),
	SCENARIO(V1_cpu_fault_in_vain),
	SCENARIO(V1_gpu_fault),
	SCENARIO(V1_evict),
	SCENARIO(V1_split),
	SCENARIO(V1_huge),
	SCENARIO(V1_invalidate),
	SCENARIO(V1_exclusive),
	SCENARIO(V1_command_and_fence),
	SCENARIO(V1_point),
	SCENARIO(V2_events_and_counters_agree),
	{ 0 }
};
