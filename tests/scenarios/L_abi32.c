// SPDX-License-Identifier: MIT
/*
 * Programs of 32 bits: row L4.  tests/abi/abi.c, compiled for 32 and for 64 bits, makes every call
 * and writes down what came of it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gpu.h"
#include "process.h"

#define TEXT 65536

/* Runs the program of so many bits, which lies beside this one; what it wrote. */
static char *run(const char *bits, const char *node)
{
	char path[PATH_MAX], *slash, *text = calloc(1, TEXT);
	ssize_t got, n = CHECK_SYS(readlink("/proc/self/exe", path, sizeof(path) - 16));
	int ends[2], status;
	pid_t pid;

	path[n] = 0;
	slash = strrchr(path, '/');
	CHECK(slash && text);
	strcpy(slash + 1, bits);
	CHECK_SYS(pipe(ends));
	pid = (pid_t)CHECK_SYS(fork());
	if (!pid) {
		dup2(ends[1], STDOUT_FILENO);
		execl(path, bits, node, NULL);
		_exit(errno == ENOEXEC ? 126 : 127);
	}
	close(ends[1]);
	for (n = 0; n < TEXT - 1 && (got = read(ends[0], text + n, (size_t)(TEXT - 1 - n))) > 0;)
		n += got;
	close(ends[0]);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 126)
		skip("this kernel runs no programs of 32 bits (CONFIG_IA32_EMULATION)");
	if (status || !strstr(text, "\nend 0\n"))
		FAIL("%s ended with status %x after:\n%.300s", bits, status,
		     n > 300 ? text + n - 300 : text);
	return text;
}

static void L4_programs_of_32_bits(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	char *narrow = run("abi32", mockgpu_path(dev)), *wide = run("abi64", mockgpu_path(dev));
	char *a = narrow, *b = wide, before[64] = "";
	unsigned int lines = 0;

	while (*a || *b) {
		size_t n = strcspn(a, "\n"), m = strcspn(b, "\n");

		if (n != m || memcmp(a, b, n))
			FAIL("after \"%s\": 32 bits \"%.*s\", 64 bits \"%.*s\"", before, (int)n, a,
			     (int)m, b);
		snprintf(before, sizeof(before), "%.*s", (int)n, a);
		a += n + !!a[n];
		b += m + !!b[m];
		lines++;
	}
	/* Calls and their results. */
	CHECK_GE(lines, 150);
	CHECK(strstr(narrow, "MIGRATE 6\nATTACH 0\nATTACH 0\nQUERY 0\n"));
	free(narrow);
	free(wide);
}

const struct scenario scenarios[] = {
	{ "L4_programs_of_32_bits", L4_programs_of_32_bits, 0, 0 },
	{ 0 }
};
