// SPDX-License-Identifier: MIT
/* How many events a log takes, what one costs, and the same as tracepoints. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "events.h"
#include "huge.h"
#include "module.h"
#include "points.h"
#include "process.h"
#include "queue.h"

#define RATE	100000ULL
#define JOB	20000U

struct producer {
	struct queue q;
	uint64_t commands;
	bool *stop;
};

/* Keeps a queue at work, a few submissions ahead. */
static void *produce(void *arg)
{
	struct drm_mockgpu_cmd *cmds = calloc(JOB, sizeof(*cmds));
	struct producer *p = arg;
	uint64_t seqno = 0;

	CHECK(cmds);
	while (!__atomic_load_n(p->stop, __ATOMIC_SEQ_CST)) {
		seqno = submit(p->q, cmds, JOB, NULL);
		p->commands += JOB;
		if (seqno > 2)
			FINISHES(p->q, seqno - 2, 0);
	}
	FINISHES(p->q, seqno, 0);
	free(cmds);
	return NULL;
}

/* 100,000 events a second for more than a second, and none is lost, while somebody reads. */
static void V4_rate(void)
{
	static struct drm_mockgpu_event events[1024];
	struct mockgpu_device *dev = gpu_open(0);
	struct log log = log_new(dev, 0, KIND(COMMAND), MOCKGPU_LOG_ENTRIES_MAX);
	uint64_t first = 0, last = 0, count = 0, commands = 0, start = now_ns(), rate;
	struct producer producers[2];
	pthread_t threads[2];
	bool stop = false;
	int n;

	for (unsigned int i = 0; i < 2; i++) {
		producers[i] = (struct producer){ queue_new(dev), 0, &stop };
		threads[i] = thread_start(produce, &producers[i]);
	}
	for (;;) {
		n = mockgpu_log_read(log.fd, events, ARRAY_SIZE(events), NS_PER_S);
		if (n == -ETIME && stop)
			break;
		CHECK_GE(n, 1);
		for (int i = 0; i < n; i++) {
			CHECK_EQ(events[i].kind, MOCKGPU_EVENT_COMMAND);
			CHECK_EQ(events[i].seqno, ++count);
			/* Two queues' may be told in another order than they are over. */
			if (!first)
				first = events[i].time_ns;
			if (events[i].time_ns > last)
				last = events[i].time_ns;
		}
		if (now_ns() - start > 2 * NS_PER_S * slowness())
			__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
	}
	for (unsigned int i = 0; i < 2; i++) {
		thread_join(threads[i]);
		commands += producers[i].commands;
	}
	CHECK_EQ(count, commands);
	rate = count * NS_PER_S / (last - first);
	note("%llu events in %llu ms: %llu a second", (unsigned long long)count,
	     (unsigned long long)(last - first) / 1000000, (unsigned long long)rate);
	CHECK_GE(last - first, NS_PER_S);
	/* A kernel that checks itself is slow at all of it, and slower beside others. */
	CHECK_GE(rate, slowness() > 1 ? RATE / slowness() / 2 : RATE);
}

static uint64_t time_nops(struct queue q)
{
	struct drm_mockgpu_cmd *cmds = calloc(JOB, sizeof(*cmds));
	uint64_t best = UINT64_MAX, start;

	CHECK(cmds);
	for (unsigned int i = 0; i < 5; i++) {
		start = now_ns();
		FINISHES(q, submit(q, cmds, JOB, NULL), 0);
		if (now_ns() - start < best)
			best = now_ns() - start;
	}
	free(cmds);
	return best / JOB;
}

/* What an event costs who tells of it, beside what a command does. */
static void V4_cost(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint64_t without, unwanted, with;
	struct log log;

	without = time_nops(q);
	log = log_new(q.dev, 0, KIND(SPLIT), 16);
	unwanted = time_nops(q);
	log_close(&log);
	log = log_new(q.dev, 0, KIND(COMMAND), 8 * 65536);
	with = time_nops(q);
	CHECK_EQ(log_next(&log).kind, MOCKGPU_EVENT_COMMAND);
	log_close(&log);
	note("a command takes %llu ns; %llu ns with a log that does not want it; %llu ns with one",
	     (unsigned long long)without, (unsigned long long)unwanted, (unsigned long long)with);
	CHECK_LE(with, 50000 * slowness());
}

#define TRACING "/sys/kernel/tracing/instances/mockgpu-scenario"

static bool trace_says(const char *event, const char *what)
{
	char line[512];
	FILE *file = fopen(TRACING "/trace", "re");
	bool found = false;

	CHECK(file);
	while (fgets(line, sizeof(line), file))
		found |= strstr(line, event) && strstr(line, what);
	fclose(file);
	return found;
}

static bool has_huge_folios(struct mockgpu_device *dev)
{
	struct drm_mockgpu_device_info info;

	CHECK_EQ(mockgpu_info(dev, &info), 0);
	return info.caps & MOCKGPU_CAP_HUGE;
}

static void split_huge_folio(struct mockgpu_device *dev)
{
	char *p = huge_in_vram(dev, new_tag());

	CHECK_SYS(munmap(AT(p, 100), PAGE));
	(void)*(volatile char *)p;
}

static void tracing_begin(void)
{
	if (access("/sys/kernel/tracing/events", F_OK) &&
	    system("mount -t tracefs none /sys/kernel/tracing"))
		skip("the kernel has no tracefs");
	rmdir(TRACING);
	CHECK_SYS(mkdir(TRACING, 0755));
}

static void tracing_end(void)
{
	CHECK_EQ(write_text(TRACING "/trace", ""), 0);
	CHECK_SYS(rmdir(TRACING));
}

/* One alone is told of what it is for, and of nothing else. */
static void V5_one_tracepoint(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	void *p = map_filled(1, new_tag());
	struct arm arm;

	tracing_begin();
	arm = TALLY(dev, "migrate-start");
	CHECK_EQ(write_text(TRACING "/events/mockgpu/to_vram/enable", "1"), 0);
	TO_VRAM(dev, p, 1);
	TO_SYSTEM(dev, p, 1);
	CHECK_EQ(write_text(TRACING "/events/mockgpu/to_vram/enable", "0"), 0);
	CHECK(trace_says(" to_vram:", "cause=migrate"));
	CHECK(!trace_says(" to_system:", ""));
	CHECK(!trace_says(" point:", ""));

	CHECK_EQ(write_text(TRACING "/trace", ""), 0);
	CHECK_EQ(write_text(TRACING "/events/mockgpu/point/enable", "1"), 0);
	TO_VRAM(dev, p, 1);
	CHECK_EQ(write_text(TRACING "/events/mockgpu/point/enable", "0"), 0);
	CHECK(trace_says(" point:", "point=migrate-start "));
	CHECK(!trace_says(" to_vram:", ""));
	arm_release(arm);
	tracing_end();
}

/* The same events as tracepoints: no log is open. */
static void V5_tracepoints(void)
{
	struct queue q = queue_new(gpu_open_private());
	uint64_t *p = map_filled(1, new_tag());
	char text[64];
	struct arm arm;

	tracing_begin();
	CHECK_EQ(write_text(TRACING "/events/mockgpu/enable", "1"), 0);
	TO_VRAM(q.dev, p, 1);
	RUN(q, cmd_store(p, 8, 1), .done = 8);
	(void)*(volatile uint64_t *)p;
	RUN(q, cmd_add(p, 8, 1), .value = 1, .done = 1);
	TO_VRAM(q.dev, p, 1);
	arm = TALLY(q.dev, "evict");
	CHECK_EQ(mockgpu_evict(q.dev, p, PAGE, NULL), 0);
	arm_release(arm);
	if (has_huge_folios(q.dev))
		split_huge_folio(q.dev);
	CHECK_EQ(write_text(TRACING "/events/mockgpu/enable", "0"), 0);
	TO_VRAM(q.dev, p, 1);

	snprintf(text, sizeof(text), "device=0 owner=%d addr=%#llx ", (int)getpid(),
		 (unsigned long long)addr_of(p));
	CHECK(trace_says(" to_vram:", text));
	CHECK(trace_says(" to_vram:", "len=4096"));
	CHECK(trace_says(" to_vram:", "cause=migrate"));
	CHECK(trace_says(" command:", "cause=store"));
	CHECK(trace_says(" gpu_fault:", "cause=write"));
	CHECK(trace_says(" to_system:", "cause=cpu-fault"));
	CHECK(trace_says(" cpu_fault:", text));
	CHECK(trace_says(" cpu_fault:", "cause=moved"));
	CHECK(trace_says(" invalidate:", text));
	CHECK(trace_says(" fence:", "queue=1 "));
	CHECK(trace_says(" exclusive:", text));
	CHECK(trace_says(" evict:", "cause=call"));
	CHECK(trace_says(" point:", "point=evict "));
	if (has_huge_folios(q.dev))
		CHECK(trace_says(" split:", "len=2097152"));
	tracing_end();
}

/* The module goes while somebody uses its tracepoints, and they go with it. */
static void V5_module_goes_while_traced(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	void *p = map_filled(1, new_tag());

	for (unsigned int i = 0; i < 2; i++) {
		tracing_begin();
		CHECK_EQ(write_text(TRACING "/events/mockgpu/enable", "1"), 0);
		TO_VRAM(dev, p, 1);
		TO_SYSTEM(dev, p, 1);
		CHECK(trace_says(" to_system:", "cause=migrate"));
		mockgpu_close(dev);
		module_reload(DEFAULT_DEVICES, DEFAULT_VRAM_MB);
		/* It comes back without anybody who uses them. */
		dev = gpu_open(0);
		CHECK_EQ(access(TRACING "/events/mockgpu/to_vram", F_OK), 0);
		CHECK_EQ(write_text(TRACING "/trace", ""), 0);
		TO_VRAM(dev, p, 1);
		TO_SYSTEM(dev, p, 1);
		CHECK(!trace_says(" to_system:", "cause=migrate"));
		CHECK_SYS(rmdir(TRACING));
	}
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(V4_rate),
	SCENARIO(V4_cost),
	SCENARIO(V5_one_tracepoint),
	SCENARIO(V5_tracepoints),
	{ "V5_module_goes_while_traced", V5_module_goes_while_traced, 0, RELOADS },
	{ 0 }
};
