/* SPDX-License-Identifier: MIT */
/* A memory cgroup that the scenario's process is put into. */
#ifndef MEMCG_H
#define MEMCG_H

#include <stdbool.h>
#include <stddef.h>

struct memcg {
	char path[96], before[200];
	/* memory.high and memory.current: to open them anew would be charged. */
	int high, current;
};

/* Made, and entered by this process: what it allocates from now on is charged.  Skips if it cannot. */
struct memcg memcg_enter(void);
void memcg_leave(const struct memcg *memcg);
/* Gone, with what it had charged or without it; nobody may be in it. */
void memcg_remove(const struct memcg *memcg);

/* Pages charged, without those that the kernel has charged in advance for this CPU. */
size_t memcg_charged(const struct memcg *memcg);
/* In pages; SIZE_MAX: none. */
void memcg_limit(const struct memcg *memcg, size_t pages);
/* A figure of memory.events. */
long long memcg_event(const struct memcg *memcg, const char *name);
/* Reclaims as much as can be. */
void memcg_reclaim(const struct memcg *memcg);

#endif
