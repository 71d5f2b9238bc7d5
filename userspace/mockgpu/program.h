/* SPDX-License-Identifier: MIT */
/* Runs a program for a command that watches it: signals go to it, and its end is heard of. */
#ifndef MOCKGPU_PROGRAM_H
#define MOCKGPU_PROGRAM_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/* Exit codes of a command that runs a program, beside the program's own. */
enum {
	EXIT_WATCH = 125,	/* the command itself failed */
	EXIT_CANNOT_RUN = 126,
	EXIT_NOT_FOUND = 127,
};

/* A program; what is not set is 0. */
struct program {
	char **words;
	/* In the child, before it becomes the program: 0, or a negative errno, which ends it. */
	int (*prepare)(void *arg);
	/* Where that failed, in the parent: says so. */
	void (*explain)(void *arg, int err);
	void *arg;

	int signals;		/* readable when there is something for program_signals() */
	sigset_t old_mask;
	void (*old_pipe)(int sig), (*old_child)(int sig);
	pid_t child;
	bool ended;
	bool stopped;		/* a signal came that ends programs */
	int status;		/* as of waitpid() */
};

/*
 * Has signals come to @p->signals, and orphans among the program's descendants come to this
 * process.  Before anything else.  Returns 0 or an exit code, having said why.
 */
int program_watch(struct program *p);

/* Starts it, also once more when it has ended.  Returns 0 or an exit code, having said why. */
int program_start(struct program *p);

/* Hands signals on, and sees whether the program has ended. */
void program_signals(struct program *p);

/* Whether there are descendants that still run. */
bool program_left_some(void);

/* The status of the program that ended, as a shell gives it. */
int program_status(const struct program *p);

#endif
