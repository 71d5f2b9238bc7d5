// SPDX-License-Identifier: MIT
/*
 * How long the kernel takes to load and to unload a module, and what memory it has less meanwhile.
 *
 *	bench-load FILE NAME [PARAMETERS]
 *
 * prints nanoseconds to load, nanoseconds to unload, and bytes.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static unsigned long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned long long)now.tv_sec * 1000000000 + (unsigned long long)now.tv_nsec;
}

/* To the page: with what lies on the lists of each CPU, which MemFree leaves out. */
static long long free_bytes(void)
{
	FILE *f = fopen("/proc/sys/vm/stat_refresh", "w");
	long long n, pages = 0;
	char line[128];

	if (f) {
		fputs("1\n", f);
		fclose(f);
	}
	f = fopen("/proc/zoneinfo", "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, " nr_free_pages %lld", &n) == 1 ||
		    sscanf(line, " count: %lld", &n) == 1)
			pages += n;
	}
	if (f)
		fclose(f);
	return pages * 4096;
}

int main(int argc, char **argv)
{
	unsigned long long start, loaded, unloaded;
	long long before, after;
	int fd;

	if (argc < 3 || argc > 4) {
		fprintf(stderr, "usage: %s FILE NAME [PARAMETERS]\n", argv[0]);
		return 2;
	}
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}
	before = free_bytes();
	start = now_ns();
	if (syscall(SYS_finit_module, fd, argc > 3 ? argv[3] : "", 0)) {
		perror("load");
		return 1;
	}
	loaded = now_ns() - start;
	after = free_bytes();
	start = now_ns();
	if (syscall(SYS_delete_module, argv[2], O_NONBLOCK)) {
		perror("unload");
		return 1;
	}
	unloaded = now_ns() - start;
	close(fd);
	printf("%llu %llu %lld\n", loaded, unloaded, before - after);
	return 0;
}
