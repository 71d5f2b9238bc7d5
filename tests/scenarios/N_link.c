// SPDX-License-Identifier: MIT
/*
 * Links that are as slow as they are told to be (row N4): what is copied takes its time, in both
 * directions, and whoever wants to go need not wait for it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "configfs.h"
#include "process.h"

#define MB		(1UL << 20)
#define NS_PER_MB(mbps)	(NS_PER_S / (mbps))

static struct mockgpu_device *new_device(const char *mbps)
{
	struct mockgpu_device *dev = gpu_open(0);
	bool private = gpu_has(dev, MOCKGPU_CAP_PRIVATE);

	mockgpu_close(dev);
	config_begin();
	config_new("gpu", "128", private ? "private" : "coherent");
	CHECK_EQ(config_set("gpu", "link_mbps", mbps), 0);
	config_on("gpu");
	return config_open("gpu");
}

/* Both directions; what there is no copy of crosses nothing; the speed may change. */
static void N4_copies_take_their_time(void)
{
	struct mockgpu_device *dev = new_device("16");
	size_t pages = 8 * MB / PAGE;
	uint16_t tag = new_tag();
	void *p = map_filled(pages, tag), *hole = map_hole(pages);
	uint64_t start = now_ns(), least = 8 * NS_PER_MB(16);

	TO_VRAM(dev, p, pages);
	CHECK_GE(now_ns() - start, least);
	start = now_ns();
	TO_SYSTEM(dev, p, pages);
	CHECK_GE(now_ns() - start, least);

	CHECK_EQ(config_set("gpu", "link_mbps", "2"), 0);
	least = 8 * NS_PER_MB(2);
	start = now_ns();
	TO_VRAM(dev, hole, pages);
	GPU_CHECK_ZERO(dev, hole, pages);
	/* Nor does what the device reads of its own. */
	note("holes: %llu ms", (unsigned long long)(now_ns() - start) / 1000000);
	CHECK_LE(now_ns() - start, least * slowness());

	CHECK_EQ(config_set("gpu", "link_mbps", "0"), 0);
	start = now_ns();
	TO_VRAM(dev, p, pages);
	TO_SYSTEM(dev, p, pages);
	note("without a limit: %llu ms", (unsigned long long)(now_ns() - start) / 1000000);
	CHECK_LE(now_ns() - start, least * slowness());
	CHECK_FILL(p, pages, tag, 0);
}

/* From one device to another over both links at once: the slower one says how long that takes. */
static void N4_from_device_to_device(void)
{
	struct mockgpu_device *dev = new_device("0"), *peer;
	size_t pages = 8 * MB / PAGE;
	uint16_t tag = new_tag();
	void *p = map_filled(pages, tag);
	uint64_t start, least = 8 * NS_PER_MB(2);

	config_new("peer", "16", gpu_has(dev, MOCKGPU_CAP_PRIVATE) ? "private" : "coherent");
	config_on("peer");
	peer = config_open("peer");
	TO_VRAM(dev, p, pages);
	CHECK_EQ(config_set("gpu", "link_mbps", "2"), 0);
	CHECK_EQ(config_set("peer", "link_mbps", "2"), 0);
	start = now_ns();
	TO_VRAM(peer, p, pages);
	note("equal links: %llu ms", (unsigned long long)(now_ns() - start) / 1000000);
	CHECK_GE(now_ns() - start, least);
	CHECK_LE(now_ns() - start, least * 3 / 2 * slowness());
	CHECK_EQ(config_set("peer", "link_mbps", "8"), 0);
	start = now_ns();
	TO_VRAM(dev, p, pages);
	CHECK_GE(now_ns() - start, least);
	CHECK_EQ(config_set("gpu", "link_mbps", "0"), 0);
	CHECK_EQ(config_set("peer", "link_mbps", "0"), 0);
	CHECK_PLACE(dev, p, pages, IN_VRAM);
	CHECK_FILL(p, pages, tag, 0);
	mockgpu_close(peer);
	mockgpu_close(dev);
}

struct copier {
	int ready, go, done;
	size_t pages;
};

/* Copies so much to VRAM when it is told to, and finds it there or at home. */
static void copy(void *arg)
{
	const struct copier *copier = arg;
	struct mockgpu_device *dev = config_open("gpu");
	uint16_t tag = new_tag();
	void *p = map_filled(copier->pages, tag);
	int err;

	gate_open(copier->ready, 1);
	gate_wait(copier->go);
	err = mockgpu_to_vram(dev, p, copier->pages * PAGE);
	/* A device that leaves takes no more. */
	CHECK(!err || err == -ENODEV || err == -ENOMEM);
	gate_open(copier->done, 1);
	CHECK_FILL(p, copier->pages, tag, 0);
}

static pid_t copier_start(struct copier *copier, size_t pages)
{
	pid_t pid;

	*copier = (struct copier){ gate_new(), gate_new(), gate_new(), pages };
	pid = spawn(copy, copier);
	gate_wait(copier->ready);
	return pid;
}

/* Has it copy, until some of it has gone. */
static void copier_go(struct copier *copier, struct mockgpu_device *dev)
{
	uint64_t end = now_ns() + 3 * BOUND_NS;

	gate_open(copier->go, 1);
	while (!gpu_counters(dev).pages_to_vram) {
		CHECK_LE(now_ns(), end);
		sleep_ms(5);
	}
}

/* A link is one: two that copy at once take as long as one after the other. */
static void N4_two_share_a_link(void)
{
	struct mockgpu_device *dev = new_device("4");
	struct copier copiers[2];
	pid_t pids[2];
	uint64_t start;

	for (unsigned int i = 0; i < 2; i++)
		pids[i] = copier_start(&copiers[i], 4 * MB / PAGE);
	start = now_ns();
	for (unsigned int i = 0; i < 2; i++)
		gate_open(copiers[i].go, 1);
	/* When they are there, and do not yet come home. */
	for (unsigned int i = 0; i < 2; i++)
		gate_wait(copiers[i].done);
	CHECK_GE(now_ns() - start, 8 * NS_PER_MB(4));
	for (unsigned int i = 0; i < 2; i++)
		join(pids[i]);
	mockgpu_close(dev);
}

/* Who is killed does not wait until all is over. */
static void N4_killed_on_a_slow_link(void)
{
	struct mockgpu_device *dev = new_device("2");
	struct copier copier;
	uint64_t start;
	pid_t pid = copier_start(&copier, 16 * MB / PAGE);

	/* The next 2 MiB are on their way now, for a second. */
	copier_go(&copier, dev);
	start = now_ns();
	CHECK_SYS(kill(pid, SIGKILL));
	join_killed(pid, SIGKILL);
	note("ended after %llu ms", (unsigned long long)(now_ns() - start) / 1000000);
	CHECK_LE(now_ns() - start, NS_PER_S / 2 * slowness());
}

/* Nor does who switches the device off, with half a minute's worth on its way and 64 MiB there. */
static void N4_off_on_a_slow_link(void)
{
	struct mockgpu_device *dev = new_device("0");
	size_t pages = 32 * MB / PAGE;
	uint16_t tag = new_tag();
	void *p = map_filled(pages, tag);
	struct copier copier;
	uint64_t start, moved;
	pid_t pid;

	TO_VRAM(dev, p, pages);
	CHECK_EQ(config_set("gpu", "link_mbps", "2"), 0);
	pid = copier_start(&copier, 64 * MB / PAGE);
	start = now_ns();
	gate_open(copier.go, 1);
	while (!(moved = gpu_counters(dev).pages_to_vram - pages))
		sleep_ms(5);
	/* It is slow indeed. */
	CHECK_GE(now_ns() - start, moved * NS_PER_MB(2) / (MB / PAGE));
	start = now_ns();
	CHECK_EQ(config_set("gpu", "power", "0"), 0);
	note("off after %llu ms", (unsigned long long)(now_ns() - start) / 1000000);
	CHECK_LE(now_ns() - start, 4 * BOUND_NS);
	join(pid);
	CHECK_FILL(p, pages, tag, 0);
	mockgpu_close(dev);
}

/* A CPU that brings pages home waits as well. */
static void N4_cpu_faults_take_their_time(void)
{
	struct mockgpu_device *dev = new_device("0");
	size_t pages = MB / PAGE;
	uint16_t tag = new_tag();
	void *p = map_filled(pages, tag);
	uint64_t start;

	gpu_needs(dev, MOCKGPU_CAP_PRIVATE);
	TO_VRAM(dev, p, pages);
	CHECK_EQ(config_set("gpu", "link_mbps", "4"), 0);
	start = now_ns();
	CHECK_FILL(p, pages, tag, 0);
	CHECK_GE(now_ns() - start, NS_PER_MB(4));
	CHECK_PLACE(dev, p, pages, IN_SYSTEM);
}

#define SCENARIO(name) { #name, name, 90, 0 }

const struct scenario scenarios[] = {
	SCENARIO(N4_copies_take_their_time),
	SCENARIO(N4_two_share_a_link),
	SCENARIO(N4_from_device_to_device),
	SCENARIO(N4_cpu_faults_take_their_time),
	SCENARIO(N4_killed_on_a_slow_link),
	SCENARIO(N4_off_on_a_slow_link),
	{ 0 }
};
