/* SPDX-License-Identifier: MIT */
/*
 * Calls that nobody would make: every ioctl of the device and those of DRM, each field with values
 * that its meaning makes interesting.
 *
 * Whatever a call may have written, by the kernel or by the device, lies in the arena, in the call's
 * own structure, or is no memory at all.  All else of the process has to stay as it was.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FUZZ_CALLS	17	/* the device's own */
#define FUZZ_COMMANDS	64	/* commands that a fuzzer has at hand */
#define FUZZ_FDS	12
#define FUZZ_ARG	16384	/* the longest structure that a call's number can tell of */

/* The memory that may be written. */
struct fuzz_arena {
	char *p;
	size_t pages;
};

/* A call: what to make it with, which of the device's it is, or -1, and by which file, or -1: any. */
struct fuzz_call {
	unsigned long request;
	int nr;
	int fd;
	size_t size;
	uint8_t arg[512];
};

/* One thread that makes calls. */
struct fuzz {
	uint64_t random;
	struct fuzz_arena arena;
	int fds[FUZZ_FDS];	/* of every kind; the first two are of devices 0 and 1, if there is one */
	int pid;		/* a process that points may be narrowed to */
	uint64_t seqno;		/* of the last submission */
	/* What was armed and opened, the last ones; all older ones were undone. */
	uint64_t arms[4];
	int arm_fds[4];
	int logs[4];
	unsigned int nr_arms, nr_logs;
	uint64_t index[FUZZ_COMMANDS];	/* offsets for SCATTER, which stay within the arena */
	struct drm_mockgpu_cmd *cmds;
	uint8_t *arg;		/* FUZZ_ARG bytes, and no memory behind them */
};

uint64_t fuzz_random(struct fuzz *f);
uint64_t fuzz_below(struct fuzz *f, uint64_t n);
/* A number at which something ends, never the address of memory; some place in the arena. */
uint64_t fuzz_edge(struct fuzz *f);
uint64_t fuzz_place(struct fuzz *f);
/* Makes up a call; or changes a field or two of one that there was. */
void fuzz_make(struct fuzz *f, struct fuzz_call *call);
void fuzz_change(struct fuzz *f, struct fuzz_call *call);
/* Makes the call by @fd.  Returns 0 or an errno, positive; undoes what is to be undone later. */
int fuzz_run(struct fuzz *f, int fd, const struct fuzz_call *call);
/* Undoes all that is left. */
void fuzz_end(struct fuzz *f);
const char *fuzz_name(int nr);

#endif
