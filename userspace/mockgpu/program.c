// SPDX-License-Identifier: MIT
/*
 * Running a program for a command that watches it.
 *
 * The command becomes the one whom orphans among the program's descendants get for a parent, so
 * they stay its descendants.  Signals are read like everything else that it waits for; those that
 * are meant for the program are handed on.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"
#include "program.h"

/* What the child tells of before its end. */
struct report {
	bool prepared;
	int err;
};

int program_watch(struct program *p)
{
	static const int wanted[] = {
		SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM,
	};
	sigset_t set;
	size_t i;

	/* If nobody reads what the command prints, the program goes on all the same. */
	p->old_pipe = signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	for (i = 0; i < ARRAY_SIZE(wanted); i++)
		sigaddset(&set, wanted[i]);
	/* Where its parent ignores SIGCHLD, nobody would hear how the program ended. */
	p->old_child = signal(SIGCHLD, SIG_DFL);
	p->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (p->signals < 0 || sigprocmask(SIG_BLOCK, &set, &p->old_mask) ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1)) {
		complain("cannot watch the program: %s", strerror(errno));
		return EXIT_WATCH;
	}
	return EXIT_FINE;
}

/* In the child: becomes the program, or says why not. */
static void __attribute__((noreturn)) become(const struct program *p, int fd)
{
	struct report report = { 0 };

	sigprocmask(SIG_SETMASK, &p->old_mask, NULL);
	signal(SIGPIPE, p->old_pipe);
	signal(SIGCHLD, p->old_child);
	if (p->prepare)
		report.err = -p->prepare(p->arg);
	if (!report.err) {
		report.prepared = true;
		execvp(p->words[0], p->words);
		report.err = errno;
	}
	if (write(fd, &report, sizeof(report)) != sizeof(report))
		_exit(EXIT_WATCH);
	_exit(EXIT_NOT_FOUND);
}

int program_start(struct program *p)
{
	struct report report = { 0 };
	int fds[2];

	p->ended = false;
	if (pipe2(fds, O_CLOEXEC)) {
		complain("cannot start the program: %s", strerror(errno));
		return EXIT_WATCH;
	}
	fflush(NULL);
	p->child = fork();
	if (!p->child)
		become(p, fds[1]);
	close(fds[1]);
	if (p->child < 0) {
		complain("cannot start the program: %s", strerror(errno));
		close(fds[0]);
		return EXIT_WATCH;
	}
	/* Closed without a word by execve(). */
	if (read(fds[0], &report, sizeof(report)) != sizeof(report))
		report.err = 0;
	close(fds[0]);
	if (!report.err)
		return EXIT_FINE;
	if (!report.prepared) {
		p->explain(p->arg, -report.err);
		return EXIT_WATCH;
	}
	complain("cannot run '%s': %s", p->words[0], strerror(report.err));
	return report.err == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}

static void reap(struct program *p)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == p->child) {
			p->ended = true;
			p->status = status;
		}
	}
}

/* Whether who sends it wants all of it to end, not to tell the program something. */
static bool is_stop(int signo)
{
	return signo == SIGINT || signo == SIGTERM || signo == SIGHUP || signo == SIGQUIT;
}

void program_signals(struct program *p)
{
	struct signalfd_siginfo info;

	while (read(p->signals, &info, sizeof(info)) == sizeof(info)) {
		p->stopped |= is_stop((int)info.ssi_signo);
		/* What a terminal sends, the program gets as well. */
		if (info.ssi_signo != SIGCHLD && info.ssi_code != SI_KERNEL && !p->ended)
			kill(p->child, (int)info.ssi_signo);
		reap(p);
	}
}

bool program_left_some(void)
{
	pid_t pid;

	/* Those that have ended, and wait for somebody to hear of it, are none. */
	do
		pid = waitpid(-1, NULL, WNOHANG);
	while (pid > 0);
	return !pid;
}

int program_status(const struct program *p)
{
	return WIFSIGNALED(p->status) ? 128 + WTERMSIG(p->status) : WEXITSTATUS(p->status);
}
