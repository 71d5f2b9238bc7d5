// SPDX-License-Identifier: MIT
/* See failnth.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "failnth.h"
#include "huge.h"

#define DEBUGFS	"/sys/kernel/debug/"

struct scene scene;

void nth_set(int fd, unsigned int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n);

	/* What is left of the last one may hit this very call. */
	while (write(fd, text, (size_t)len) != len)
		CHECK_EQ(errno, EFAULT);
}

bool nth_hit(int fd)
{
	char text[16] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n < 0) {
		/* It came just now. */
		CHECK_EQ(errno, EFAULT);
		return false;
	}
	return atoi(text) == 0;
}

/*
 * The kernel notes in a thread's memory which CPU it is on, as it goes on.  After a fork that may
 * take a page, and without one it kills the thread: so it is told not to.
 */
static void leave_rseq(void)
{
	char *area = (char *)__builtin_thread_pointer() + __rseq_offset;
	unsigned int len = 32; /* at least; how many it was said to have, nobody knows */

	if (!__rseq_size)
		return;
	while (syscall(SYS_rseq, area, len, RSEQ_FLAG_UNREGISTER, RSEQ_SIG)) {
		CHECK_EQ(errno, EINVAL);
		CHECK_LE(++len, 4096);
	}
}

/* Everything may fail, whatever it is for, and nothing is printed of it. */
void nth_open(void)
{
	scene.nth = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
	if (scene.nth < 0)
		skip("this kernel has no fault injection");
	leave_rseq();
	write_number(DEBUGFS "failslab/verbose", 0);
	write_number(DEBUGFS "failslab/ignore-gfp-wait", 0);
	write_number(DEBUGFS "fail_page_alloc/verbose", 0);
	write_number(DEBUGFS "fail_page_alloc/ignore-gfp-wait", 0);
	write_number(DEBUGFS "fail_page_alloc/ignore-gfp-highmem", 0);
	write_number(DEBUGFS "fail_page_alloc/min-order", 0);
	write_number(DEBUGFS "fail_usercopy/verbose", 0);
	scene.dev = gpu_open_private();
}

static void write_address(const char *folder, const char *name, unsigned long long value)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), DEBUGFS "%s/%s", folder, name);
	file = fopen(path, "we");
	if (!file || fprintf(file, "0x%llx\n", value) < 0 || fclose(file))
		FAIL("%s: cannot write %llx: %s", path, value, strerror(errno));
}

void nth_spare(const char *function)
{
	static const char *const files[] = { "failslab", "fail_page_alloc", "fail_usercopy" };
	unsigned long long at, start = 0, end = 0;
	FILE *symbols = fopen("/proc/kallsyms", "re");
	char line[512], name[256];

	CHECK(symbols);
	while (!end && fgets(line, sizeof(line), symbols)) {
		if (sscanf(line, "%llx %*c %255s", &at, name) != 2)
			continue;
		if (start && at > start)
			end = at;
		else if (!strcmp(name, function))
			start = at;
	}
	fclose(symbols);
	CHECK(end);
	for (unsigned int i = 0; i < ARRAY_SIZE(files); i++) {
		write_address(files[i], "reject-start", start);
		write_address(files[i], "reject-end", end);
	}
}

static void scene_set(enum place place)
{
	scene.place = place;
	scene.pages = place == HUGE_VRAM ? N : PAGES;
	scene.tag = new_tag();
	switch (place) {
	case RAM:
		scene.p = map_filled(PAGES, scene.tag);
		break;
	case VRAM:
		scene.p = map_filled(PAGES, scene.tag);
		TO_VRAM(scene.dev, scene.p, PAGES);
		break;
	case HOLE:
		scene.p = map_hole(PAGES);
		break;
	case HUGE_VRAM:
		scene.p = huge_in_vram(scene.dev, scene.tag);
		break;
	}
}

void scene_check(void)
{
	if (scene.place == HOLE)
		CHECK_ZERO(scene.p, PAGES);
	else
		CHECK_FILL(scene.p, scene.pages, scene.tag, 0);
}

static bool allowed(int ret, unsigned int may)
{
	return !ret || (ret == -ENOMEM && (may & NOMEM)) || (ret == -EFAULT && (may & FAULT));
}

/* Fails each chance that the thread of @nth has in a call.  Returns about how many there were. */
static unsigned int fail_each(const struct call *call, int nth)
{
	unsigned int n, step = call->step ? call->step : 1;
	bool hit;
	int ret;

	for (n = 1 + (unsigned int)random_below(step); n < CHANCES_MAX; n += step) {
		scene_set(call->place);
		if (call->begin)
			call->begin();
		nth_set(nth, n);
		ret = call->call();
		hit = nth_hit(nth);
		nth_set(nth, 0);
		if (!allowed(ret, call->may))
			FAIL("%s, chance %u: %s", call->name, n, strerror(-ret));
		if (ret && !hit)
			FAIL("%s: failed without a cause", call->name);
		ret = call->call();
		if (ret)
			FAIL("%s after chance %u: %s", call->name, n, strerror(-ret));
		if (call->end)
			call->end();
		scene_check();
		CHECK_EQ(mockgpu_advise_reset(scene.dev, scene.p, scene.pages * PAGE), 0);
		unmap(scene.p, scene.pages);
		if (!hit)
			return n - 1;
	}
	FAIL("%s: there is no end", call->name);
}

void fail_all(const struct call *call, size_t n, int nth)
{
	unsigned int chances, all = 0;

	for (; n; n--, call++) {
		chances = fail_each(call, nth);
		note("%s: %u", call->name, chances);
		all += chances;
	}
	CHECK_GE(all, 10);
}
