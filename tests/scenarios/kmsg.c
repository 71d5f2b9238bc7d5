// SPDX-License-Identifier: MIT
/*
 * Reads /dev/kmsg: one record a read, of the form "level,sequence,time,flags;text\n", then lines
 * of "key=value" that begin with a space.  The patterns are those of the console's checker, so
 * that both agree on what a splat is; here it fails the scenario that ran.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "kmsg.h"

#define PATTERNS	"/usr/lib/mockgpu/tests/splat.patterns"
#define MAX_PATTERNS	256

static regex_t patterns[MAX_PATTERNS];
static unsigned int npatterns;
static int fd = -1;
static char error[512];

static bool read_patterns(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[1024];

	if (!file) {
		snprintf(error, sizeof(error), "%.200s: %s", path, strerror(errno));
		return false;
	}
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = 0;
		if (!line[0] || line[0] == '#')
			continue;
		if (npatterns == MAX_PATTERNS ||
		    regcomp(&patterns[npatterns], line, REG_EXTENDED | REG_NOSUB)) {
			snprintf(error, sizeof(error), "%.200s: bad pattern: %.200s", path, line);
			fclose(file);
			return false;
		}
		npatterns++;
	}
	fclose(file);
	if (!npatterns)
		snprintf(error, sizeof(error), "%.200s: no pattern", path);
	return npatterns;
}

bool kmsg_open(void)
{
	const char *path = getenv("MOCKGPU_SPLAT_PATTERNS");

	if (!read_patterns(path && *path ? path : PATTERNS))
		return false;
	fd = open("/dev/kmsg", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		snprintf(error, sizeof(error), "/dev/kmsg: %s", strerror(errno));
	return fd >= 0;
}

const char *kmsg_error(void)
{
	return error;
}

static void mark(const char *what, const char *name)
{
	char line[256];
	int n = snprintf(line, sizeof(line), "<6>mockgpu test: %s %s\n", what, name);

	if (write(fd, line, (size_t)n) < 0)
		note("/dev/kmsg: %s", strerror(errno));
}

void kmsg_begin(const char *name)
{
	lseek(fd, 0, SEEK_END);
	mark("begin", name);
}

static bool fits(const char *text)
{
	for (unsigned int i = 0; i < npatterns; i++)
		if (!regexec(&patterns[i], text, 0, NULL, 0))
			return true;
	return false;
}

bool kmsg_end(const char *name, bool oom)
{
	bool in_oom_report = false, found = false;
	char record[8192], *text;

	mark("end", name);
	for (;;) {
		ssize_t n = read(fd, record, sizeof(record) - 1);

		if (n < 0 && errno == EPIPE) {
			/* Overwritten before it was read: what stood there nobody knows. */
			note("the kernel log ran over");
			found = true;
			continue;
		}
		if (n <= 0)
			return found;
		record[n] = 0;
		text = strchr(record, ';');
		if (!text)
			continue;
		text++;
		text[strcspn(text, "\n")] = 0;
		if (oom && strstr(text, "invoked oom-killer"))
			in_oom_report = true;
		if (!in_oom_report && fits(text)) {
			note("kernel: %s", text);
			found = true;
		}
		if (strstr(text, "Out of memory: Killed process"))
			in_oom_report = false;
	}
}
