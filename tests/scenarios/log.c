// SPDX-License-Identifier: MIT
/* See log.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "log.h"

#define OURS	"mockgpu: "

static int fd = -1;
static unsigned int seen;

void log_begin(void)
{
	if (fd < 0)
		fd = (int)CHECK_SYS(open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	CHECK_SYS(lseek(fd, 0, SEEK_END));
}

unsigned int log_count(const char *text)
{
	unsigned int count = 0;
	char record[4096], *line;
	ssize_t n;

	seen = 0;
	for (;;) {
		n = read(fd, record, sizeof(record) - 1);
		if (n < 0 && errno == EPIPE)
			continue;
		if (n <= 0)
			return count;
		record[n] = 0;
		line = strchr(record, ';');
		/* Loading any module of no distribution's gives lines of the kernel's own. */
		if (!line || strncmp(line + 1, OURS, strlen(OURS)) || strstr(line, "taint"))
			continue;
		seen++;
		count += strstr(line, text) != NULL;
	}
}

unsigned int log_last_count(void)
{
	return seen;
}
