/* SPDX-License-Identifier: MIT */
/*
 * The frame that every scenario runs in.
 *
 * A program is a table of scenarios.  Each runs in a process of its own with a deadline, gets one
 * line of TAP, and fails also when the kernel log shows a splat that came up while it ran, when it
 * leaves VRAM in use, or when a process that it forked fails an assertion.  A failed assertion ends
 * the scenario at once; there is nothing to check and return.
 *
 * MOCKGPU_T=A1,B         run what these prefixes name (A1 is not a prefix of A10_...)
 * MOCKGPU_REPEAT=n       run each so many times; the first round that fails is the last
 * MOCKGPU_SLOW=n         the kernel is so many times slower: all deadlines are so much longer
 * MOCKGPU_SEED=n         repeat a run's random choices
 * MOCKGPU_SPLAT_PATTERNS the file of patterns, else the installed one
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdbool.h>
#include <stdint.h>

struct scenario {
	const char *name;
	void (*run)(void);
	unsigned int deadline;	/* seconds, times MOCKGPU_SLOW; 0: 60 */
	unsigned int flags;
};

#define RELOADS	(1U << 0)	/* loads the module with parameters; the harness puts it back */

/* The program's table; the last entry has no name. */
extern const struct scenario scenarios[];

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Ends the scenario: in any of its processes and threads. */
void fail_at(const char *file, int line, const char *format, ...)
	__attribute__((noreturn, format(printf, 3, 4)));
/* Ends the scenario, which could not be made here: in any of its processes. */
void skip(const char *reason) __attribute__((noreturn));
/* A line of diagnostics. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The out-of-memory killer's report is no splat in this scenario, and stays off the console. */
void expect_oom_report(void);

#define FAIL(...) fail_at(__FILE__, __LINE__, __VA_ARGS__)

#define CHECK(condition) \
	do { \
		if (!(condition)) \
			FAIL("not true: %s", #condition); \
	} while (0)

#define CHECK_EQ(actual, expected) \
	check_eq(__FILE__, __LINE__, #actual, (long long)(actual), (long long)(expected))
#define CHECK_LE(actual, most) \
	check_between(__FILE__, __LINE__, #actual, (long long)(actual), INT64_MIN, (most))
#define CHECK_GE(actual, least) \
	check_between(__FILE__, __LINE__, #actual, (long long)(actual), (least), INT64_MAX)
/* A system call that has to work; its result. */
#define CHECK_SYS(call) check_sys(__FILE__, __LINE__, #call, (long)(call))

void check_eq(const char *file, int line, const char *what, long long actual, long long expected);
void check_between(const char *file, int line, const char *what, long long actual,
		   long long least, long long most);
long check_sys(const char *file, int line, const char *what, long result);

uint64_t now_ns(void);
void sleep_ms(unsigned int ms);
/* Random figures that MOCKGPU_SEED repeats; each scenario has its own row of them. */
uint64_t random_u64(void);
uint64_t random_below(uint64_t n);

#define NS_PER_S 1000000000ULL

/* How many times slower than a stock kernel this one is: MOCKGPU_SLOW, else 1. */
unsigned int slowness(void);
/* What no wait in the device exceeds: 2 s on a stock kernel. */
#define BOUND_NS (2 * NS_PER_S * slowness())

#endif
