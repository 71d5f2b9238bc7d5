/* SPDX-License-Identifier: MIT */
/* What the parts of the command share: exit codes, opening a device, numbers. */
#ifndef MOCKGPU_CMD_H
#define MOCKGPU_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "mockgpu.h"

/* Numbers of devices are below it, and can have gaps. */
#define DEVICES_MAX 16U

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Exit codes; mockgpu(1) documents them. */
enum {
	EXIT_FINE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NO_DEVICE = 3,
	EXIT_NO_PERMISSION = 4,
};

int cmd_bench(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_points(int argc, char **argv);
int cmd_evict(int argc, char **argv);
int cmd_map(int argc, char **argv);
int cmd_demo(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_top(int argc, char **argv);

/* Prints "mockgpu: ..." to stderr. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* An option of a command, and where it goes: to one of the three last. */
struct opt {
	const char *name;
	char letter;			/* the short form; or 0 */
	bool *flag;			/* becomes true; or NULL: there is a value */
	const char **value;		/* becomes what is given; or NULL: @take gets it */
	int (*take)(void *arg, const char *name, const char *value);	/* returns an exit code */
};

#define OPTS_MAX 24

/*
 * Reads all options of a command, and --help; no command takes an argument.  @opts ends
 * with a NULL name; @arg is for &opt.take.  Returns an exit code, or -1 to go on.
 */
int parse_options(int argc, char **argv, const struct opt *opts, void *arg, const char *help);

/*
 * The same for a command that takes arguments: ends at the first word that is no option, or
 * behind "--", and @rest becomes the number of that word.
 */
int parse_options_until(int argc, char **argv, const struct opt *opts, void *arg,
			const char *help, int *rest);

/*
 * Opens what --device names: an index, or the path of a node; NULL is index 0.
 * Returns 0 or an exit code, having said why and what to do about it.
 */
int open_or_explain(struct mockgpu_device **dev, const char *which);

/*
 * Opens one device after the other for @visit, until that returns an exit code other than
 * 0, but those that are not for us, if there are others.  Returns this, or that of a device that could not be opened, or where there is none.
 */
int each_device(int (*visit)(struct mockgpu_device *dev, unsigned int index, void *arg),
		void *arg);

/*
 * The same without a word: returns 0, what @visit returned, or a negative errno, which @visit may
 * return, too; @failed is the index of the device that it was about.
 */
int try_each_device(int (*visit)(struct mockgpu_device *dev, unsigned int index, void *arg),
		    void *arg, unsigned int *failed);

/* The same explanation for an error of mockgpu_open() or mockgpu_count(). */
int explain_open(int err, const char *which);

/* "256 MiB": exact, in the largest unit that divides @bytes. */
#define BYTES_STR_MAX 32
const char *bytes_str(char buf[BYTES_STR_MAX], uint64_t bytes);

/* "4096", "0x1000", "64K", "4M", "1G"; returns false and leaves @bytes on anything else. */
bool parse_bytes(const char *s, uint64_t *bytes);

/* CLOCK_MONOTONIC. */
static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/* "private", "coherent" */
const char *vram_type_key(uint32_t type);

/* The counters with their names, for people and for programs. */
struct counter_desc {
	const char *key;
	const char *text;
	size_t offset;
	bool gauge;	/* bytes now, not a count since the start */
};

extern const struct counter_desc counter_descs[];
extern const size_t counter_descs_len;

static inline uint64_t counter_get(const struct drm_mockgpu_counters *c,
				   const struct counter_desc *d)
{
	uint64_t n;

	/* __u64 and uint64_t may be different types to the compiler's alias rules. */
	memcpy(&n, (const char *)c + d->offset, sizeof(n));
	return n;
}

#endif
