// SPDX-License-Identifier: MIT
/* See memcg.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "memcg.h"
#include "memory.h"

#define ROOT "/sys/fs/cgroup"

static int open_in(const char *dir, const char *name, int flags)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return open(path, flags | O_CLOEXEC);
}

/* Writes to a file of a cgroup; a negative errno where that fails. */
static int put(const char *dir, const char *name, const char *text)
{
	int fd = open_in(dir, name, O_WRONLY), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

struct memcg memcg_enter(void)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	struct memcg memcg;
	char line[128] = "";

	CHECK(file && fgets(line, sizeof(line), file) && !fclose(file));
	line[strcspn(line, "\n")] = 0;
	if (strncmp(line, "0::", 3) || put(ROOT, "cgroup.subtree_control", "+memory"))
		skip("no memory controller of cgroup v2");
	snprintf(memcg.before, sizeof(memcg.before), ROOT "%s", line + 3);
	snprintf(memcg.path, sizeof(memcg.path), ROOT "/mockgpu-test-%d", (int)getpid());
	CHECK_SYS(mkdir(memcg.path, 0755));
	memcg.high = (int)CHECK_SYS(open_in(memcg.path, "memory.high", O_WRONLY));
	memcg.current = (int)CHECK_SYS(open_in(memcg.path, "memory.current", O_RDONLY));
	CHECK_EQ(put(memcg.path, "cgroup.procs", "0"), 0);
	return memcg;
}

void memcg_leave(const struct memcg *memcg)
{
	CHECK_EQ(put(memcg->before, "cgroup.procs", "0"), 0);
}

void memcg_remove(const struct memcg *memcg)
{
	uint64_t end = now_ns() + BOUND_NS;

	close(memcg->high);
	close(memcg->current);
	/* A process that has ended is in it a moment longer. */
	while (rmdir(memcg->path)) {
		CHECK_EQ(errno, EBUSY);
		CHECK_LE(now_ns(), end);
		sleep_ms(5);
	}
}

static size_t charged(const struct memcg *memcg)
{
	char text[32] = "";

	CHECK_SYS(pread(memcg->current, text, sizeof(text) - 1, 0));
	return strtoull(text, NULL, 10) / PAGE;
}

size_t memcg_charged(const struct memcg *memcg)
{
	char text[32];

	/* A limit that is not kept has the kernel give up first what nobody uses yet. */
	snprintf(text, sizeof(text), "%zu", (charged(memcg) - 1) * PAGE);
	CHECK_SYS(pwrite(memcg->high, text, strlen(text), 0));
	CHECK_SYS(pwrite(memcg->high, "max", 3, 0));
	return charged(memcg);
}

void memcg_limit(const struct memcg *memcg, size_t pages)
{
	char text[32] = "max";

	if (pages != SIZE_MAX)
		snprintf(text, sizeof(text), "%zu", pages * PAGE);
	CHECK_EQ(put(memcg->path, "memory.max", text), 0);
}

long long memcg_event(const struct memcg *memcg, const char *name)
{
	char path[PATH_MAX], line[128];
	size_t n = strlen(name);
	long long value = -1;
	FILE *file;

	snprintf(path, sizeof(path), "%s/memory.events", memcg->path);
	file = fopen(path, "re");
	CHECK(file != NULL);
	while (value < 0 && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, n) && line[n] == ' ')
			CHECK_EQ(sscanf(line + n, "%lld", &value), 1);
	fclose(file);
	CHECK_GE(value, 0);
	return value;
}

void memcg_reclaim(const struct memcg *memcg)
{
	int ret = put(memcg->path, "memory.reclaim", "1G");

	/* There is never as much as that. */
	CHECK(!ret || ret == -EAGAIN);
}
