/* SPDX-License-Identifier: MIT */
/* What the tour (demo.c) and the child that takes part in it (twin.c) share. */
#ifndef MOCKGPU_DEMO_H
#define MOCKGPU_DEMO_H

#include <sys/types.h>

#include "cmd.h"

#define DEMO_PAGES 64
#define DEMO_BYTES (DEMO_PAGES * MOCKGPU_PAGE_SIZE)

/* What @mem must hold: every byte, as last written by this process or its device. */
typedef unsigned char demo_shadow[DEMO_BYTES];

/* Pages @first to @first + @n - 1. */
struct span {
	unsigned int first;
	unsigned int n;
};

/* Bytes that tell page, offset and writer (@seed) apart. */
void demo_pattern(unsigned char *dst, struct span s, unsigned char seed);

/*
 * A store by the CPU, a store by the device: into memory and shadow.  @mem is
 * written by a plain store each byte.  The device's returns 0 or -errno.
 */
void demo_cpu_write(unsigned char *mem, unsigned char *shadow, struct span s, unsigned char seed);
int demo_gpu_write(struct mockgpu_device *dev, unsigned char *mem, unsigned char *shadow,
		   struct span s, unsigned char seed);

/*
 * Compares all of @mem with the shadow through the device, which moves no page.
 * Returns 0, a negative errno, or 1 + the offset of the first wrong byte.
 */
long demo_compare(struct mockgpu_device *dev, const unsigned char *mem,
		  const unsigned char *shadow);

/* The forked child. */
struct twin {
	pid_t pid;
	int sock;
	struct twin_shared *shared;
};

struct twin_shared {
	uint32_t res[DEMO_PAGES];
	demo_shadow shadow;
	struct mockgpu_device *dev;	/* the child's own, opened by it; means nothing here */
};

enum twin_order {
	TWIN_OPEN,	/* open the device anew and attach */
	TWIN_LOOK,	/* residency into shared->res */
	TWIN_CPU_WRITE,
	TWIN_GPU_WRITE,
	TWIN_COMPARE,	/* as demo_compare() */
	TWIN_LEAVE,	/* exit at once, with the device open */
};

/* Forks; @shadow is what @mem holds now.  Returns 0 or a negative errno. */
int twin_start(struct twin *t, const char *node, unsigned char *mem, const unsigned char *shadow);

/* Has the child do one thing; returns what that returned, or -EPIPE if the child is gone. */
long twin_do(struct twin *t, enum twin_order order, struct span s, unsigned char seed);

/* Waits for the child's end; returns its wait status, or a negative errno.  Idempotent. */
int twin_end(struct twin *t);

#endif
