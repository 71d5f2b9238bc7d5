/* SPDX-License-Identifier: MIT */
/*
 * The kernel's own fault injection: a call is made again and again, and each time the next of its
 * chances to fail does, until there are no more.
 *
 * /proc/.../fail-nth holds how many chances a thread has until one fails; 0: none does.
 */
#ifndef FAILNTH_H
#define FAILNTH_H

#include "gpu.h"

/* What a call may say. */
#define NOMEM	1U
#define FAULT	2U

#define PAGES	8	/* of a scene */

#define CHANCES_MAX	10000	/* no call has as many chances to fail */

/* Where they are. */
enum place { RAM, VRAM, HOLE, HUGE_VRAM };

/* What a call finds. */
extern struct scene {
	struct mockgpu_device *dev;
	enum place place;
	char *p;
	size_t pages;
	uint16_t tag;
	int nth;		/* fail-nth of the scenario's first thread */
} scene;

struct call {
	const char *name;
	int (*call)(void);
	enum place place;
	unsigned int may;
	void (*begin)(void);
	void (*end)(void);
	unsigned int step;	/* of those that have very many, each so-manieth; 0: each */
};

#define CALL(n, c, p, m, ...) { .name = n, .call = c, .place = p, .may = m, __VA_ARGS__ }

/* Opens the device and @scene.nth, and has everything fail that can; skips where nothing can. */
void nth_open(void);
/* What fails in this function of the kernel does not count. */
void nth_spare(const char *function);
void nth_set(int fd, unsigned int n);
/* Whether the chance came that was to fail. */
bool nth_hit(int fd);

/* What was in memory is there, wherever it is. */
void scene_check(void);

/* Fails each chance that the thread of @nth has in each of @n calls. */
void fail_all(const struct call *call, size_t n, int nth);

#endif
