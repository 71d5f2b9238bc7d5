// SPDX-License-Identifier: MIT
/*
 * mockgpu trace: runs a program and records what the devices do for it and for all that
 * it starts.
 *
 * It becomes the one whom orphans among its descendants get for a parent: so they stay
 * its descendants, which is what the log asks for.  Signals are read like everything else
 * that it waits for; those that are meant for the program are handed on.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"
#include "trace.h"

static const char help[] =
	"Usage: mockgpu trace [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
	"Run a program and record what the devices do for it and for all that it starts.\n"
	"\n"
	"  -o, --output FILE     write the trace there; - is standard output\n"
	"                        (mockgpu-trace.json, or with --summary none)\n"
	"      --summary         print sums by kind and cause, and where most faults were\n"
	"  -d, --device N|NODE   this device only\n"
	"      --all             everybody's events, not the program's alone; takes root\n"
	"      --kinds LIST      these kinds of events only, such as gpu-fault,cpu-fault\n"
	"      --buffer N        events that fit in the driver's log (64K)\n"
	"  -h, --help\n"
	"\n"
	"Open the trace at https://ui.perfetto.dev or in chrome://tracing.\n"
	"The exit status is the program's, 128 and its number after a signal; 125 if the\n"
	"tracing failed, 126 if the program cannot be run, 127 if it is not found.\n";

#define DEFAULT_OUTPUT "mockgpu-trace.json"

enum {
	EXIT_TRACE = 125,
	EXIT_CANNOT_RUN = 126,
	EXIT_NOT_FOUND = 127,
};

#define LOGS_MAX 64		/* as many as the driver opens */
#define EVENTS_AT_ONCE 1024
#define FLUSH_MS 500
#define DEFAULT_ENTRIES 65536

struct trace {
	/* What was asked for. */
	const char *output, *device, *kinds_arg, *buffer_arg;
	bool summarize, all;
	uint64_t kinds;
	unsigned int entries;
	char **words;

	struct trace_points points;
	struct {
		int fd;		/* or -1: the device has gone */
		unsigned int device;
	} logs[LOGS_MAX];
	unsigned int logs_len;
	int signals;
	sigset_t old_mask;
	void (*old_pipe)(int sig);

	pid_t child;
	bool ended;
	int status;		/* as of waitpid() */
	bool failed;

	int out;		/* or -1: no file */
	struct trace_json json;
	struct trace_summary *summary;
	uint64_t lost;
	struct drm_mockgpu_event events[EVENTS_AT_ONCE];
};

const char *trace_cause(const struct trace_points *points, const struct drm_mockgpu_event *e)
{
	if (e->kind == MOCKGPU_EVENT_POINT && e->cause < TRACE_POINTS_MAX)
		return points->name[e->cause];
	return mockgpu_event_cause_name(e->kind, e->cause);
}

void trace_comm(int pid, char comm[TRACE_COMM_MAX])
{
	char path[32];
	ssize_t n;
	int fd;

	*comm = '\0';
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, comm, TRACE_COMM_MAX);
	close(fd);
	if (n > 0)
		comm[n - 1] = '\0';	/* where the end of the line was */
}

uint64_t trace_pages(const struct drm_mockgpu_event *e)
{
	switch (e->kind) {
	case MOCKGPU_EVENT_GPU_FAULT:
	case MOCKGPU_EVENT_CPU_FAULT:
	case MOCKGPU_EVENT_INVALIDATE:
		return e->value;
	case MOCKGPU_EVENT_TO_VRAM:
	case MOCKGPU_EVENT_TO_SYSTEM:
	case MOCKGPU_EVENT_EVICT:
	case MOCKGPU_EVENT_SPLIT:
		return e->len / MOCKGPU_PAGE_SIZE;
	}
	return 0;
}

static bool find_kind(const char *word, size_t len, unsigned int *kind)
{
	for (*kind = MOCKGPU_EVENT_LOST + 1; *kind < TRACE_KINDS; ++*kind) {
		const char *name = mockgpu_event_name(*kind);

		if (strlen(name) == len && !memcmp(name, word, len))
			return true;
	}
	return false;
}

/* Returns an exit code, or -1 to go on. */
static int parse_kinds(struct trace *t)
{
	const char *word = t->kinds_arg, *end;
	unsigned int kind;

	for (; word; word = *end ? end + 1 : NULL) {
		end = strchrnul(word, ',');
		if (find_kind(word, (size_t)(end - word), &kind)) {
			t->kinds |= 1ULL << kind;
			continue;
		}
		complain("--kinds: there is no '%.*s'; there are, with commas between them:",
			 (int)(end - word), word);
		for (kind = MOCKGPU_EVENT_LOST + 1; kind < TRACE_KINDS; kind++)
			fprintf(stderr, " %s", mockgpu_event_name(kind));
		fputc('\n', stderr);
		return EXIT_TRACE;
	}
	return -1;
}

/* Returns an exit code, or -1 to go on. */
static int parse_buffer(struct trace *t)
{
	uint64_t n = DEFAULT_ENTRIES;

	if (t->buffer_arg && (!parse_bytes(t->buffer_arg, &n) || !n ||
			      n > MOCKGPU_LOG_ENTRIES_MAX)) {
		complain("--buffer is a number of events, up to %u", MOCKGPU_LOG_ENTRIES_MAX);
		return EXIT_TRACE;
	}
	/* The driver wants a power of 2. */
	for (t->entries = 1; t->entries < n;)
		t->entries *= 2;
	return -1;
}

/* Returns an exit code, or -1 to go on. */
static int parse(int argc, char **argv, struct trace *t)
{
	const struct opt opts[] = {
		{ .name = "output", .letter = 'o', .value = &t->output },
		{ .name = "summary", .flag = &t->summarize },
		{ .name = "device", .letter = 'd', .value = &t->device },
		{ .name = "all", .flag = &t->all },
		{ .name = "kinds", .value = &t->kinds_arg },
		{ .name = "buffer", .value = &t->buffer_arg },
		{ 0 },
	};
	int rest, code = parse_options_until(argc, argv, opts, t, help, &rest);

	if (code >= 0)
		return code ? EXIT_TRACE : EXIT_FINE;
	t->words = argv + rest;
	if (!*t->words) {
		complain("there is no program to run (mockgpu trace --help)");
		return EXIT_TRACE;
	}
	if (!t->output && !t->summarize)
		t->output = DEFAULT_OUTPUT;
	code = parse_kinds(t);
	return code < 0 ? parse_buffer(t) : code;
}

static int learn_points(struct trace *t, struct mockgpu_device *dev)
{
	struct drm_mockgpu_point_info info;
	unsigned int i;
	int ret;

	for (i = 0; i < TRACE_POINTS_MAX; i++) {
		ret = mockgpu_point_info(dev, i, &info);
		if (ret)
			return ret == -ENOENT ? 0 : ret;
		memcpy(t->points.name[i], info.name, sizeof(info.name));
	}
	return 0;
}

static int explain_log(int err, unsigned int device)
{
	if (err == -EACCES)
		complain("--all takes root: everybody's events are for CAP_SYS_ADMIN alone");
	else if (err == -EINVAL)
		complain("the driver of device %u is too old, and has no event log", device);
	else if (err == -ENOSPC)
		complain("no more logs can be open at once");
	else
		complain("cannot open the event log of device %u: %s", device, strerror(-err));
	return EXIT_TRACE;
}

static int add_log(struct mockgpu_device *dev, unsigned int index, void *arg)
{
	const uint64_t every = (1ULL << TRACE_KINDS) - 2, point = 1ULL << MOCKGPU_EVENT_POINT;
	struct trace *t = arg;
	uint64_t kinds = t->kinds ? t->kinds : every;
	int ret;

	if (t->logs_len == LOGS_MAX)
		return explain_log(-ENOSPC, index);
	/* Every log has the points' events, whatever its device: the first tells of them. */
	if (t->logs_len)
		kinds &= ~point;
	if (!kinds)
		return EXIT_FINE;
	ret = t->logs_len ? 0 : learn_points(t, dev);
	if (!ret)
		ret = mockgpu_log_open(dev, t->all ? MOCKGPU_LOG_ALL : MOCKGPU_LOG_DESCENDANTS,
				       kinds, t->entries, &t->logs[t->logs_len].fd);
	if (ret)
		return explain_log(ret, index);
	t->logs[t->logs_len++].device = index;
	return EXIT_FINE;
}

static int open_logs(struct trace *t)
{
	struct drm_mockgpu_device_info info;
	struct mockgpu_device *dev;
	int code;

	if (!t->device)
		return each_device(add_log, t) ? EXIT_TRACE : EXIT_FINE;
	if (open_or_explain(&dev, t->device))
		return EXIT_TRACE;
	code = mockgpu_info(dev, &info) ? explain_log(-ENODEV, 0) : add_log(dev, info.index, t);
	mockgpu_close(dev);
	return code;
}

/* Opens what is written to; returns an exit code. */
static int open_output(struct trace *t)
{
	int ret;

	if (t->summarize) {
		t->summary = trace_summary_new(&t->points);
		if (!t->summary) {
			complain("out of memory");
			return EXIT_TRACE;
		}
	}
	if (!t->output)
		return EXIT_FINE;
	if (strcmp(t->output, "-"))
		t->out = open(t->output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	else
		t->out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (t->out < 0) {
		complain("cannot write %s: %s", t->output, strerror(errno));
		return EXIT_TRACE;
	}
	ret = trace_json_begin(&t->json, t->out, &t->points, t->words);
	if (ret) {
		complain("cannot write %s: %s", t->output, strerror(-ret));
		close(t->out);
		t->out = -1;
		return EXIT_TRACE;
	}
	return EXIT_FINE;
}

/* What the program is told of, and what tells of its end. */
static int open_signals(struct trace *t)
{
	static const int wanted[] = { SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < ARRAY_SIZE(wanted); i++)
		sigaddset(&set, wanted[i]);
	/* Where its parent ignores SIGCHLD, nobody would hear how the program ended. */
	signal(SIGCHLD, SIG_DFL);
	t->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (t->signals < 0 || sigprocmask(SIG_BLOCK, &set, &t->old_mask) ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1)) {
		complain("cannot watch the program: %s", strerror(errno));
		return EXIT_TRACE;
	}
	return EXIT_FINE;
}

/* In the child: becomes the program, or says why not. */
static void __attribute__((noreturn)) become(const struct trace *t, int report)
{
	int err;

	sigprocmask(SIG_SETMASK, &t->old_mask, NULL);
	signal(SIGPIPE, t->old_pipe);
	/* Beside the trace the program's own output would spoil it. */
	if (t->out < 0 || strcmp(t->output, "-") || dup2(STDERR_FILENO, STDOUT_FILENO) >= 0)
		execvp(t->words[0], t->words);
	err = errno;
	if (write(report, &err, sizeof(err)) != sizeof(err))
		_exit(EXIT_TRACE);
	_exit(EXIT_NOT_FOUND);
}

/* Returns an exit code. */
static int start_program(struct trace *t)
{
	int report[2], err = 0;

	if (pipe2(report, O_CLOEXEC)) {
		complain("cannot start the program: %s", strerror(errno));
		return EXIT_TRACE;
	}
	fflush(NULL);
	t->child = fork();
	if (!t->child)
		become(t, report[1]);
	close(report[1]);
	if (t->child < 0) {
		complain("cannot start the program: %s", strerror(errno));
		close(report[0]);
		return EXIT_TRACE;
	}
	/* Closed without a word by execve(). */
	if (read(report[0], &err, sizeof(err)) != sizeof(err))
		err = 0;
	close(report[0]);
	if (!err)
		return EXIT_FINE;
	complain("cannot run '%s': %s", t->words[0], strerror(err));
	return err == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}

static void reap(struct trace *t)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == t->child) {
			t->ended = true;
			t->status = status;
		}
	}
}

static void take_signals(struct trace *t)
{
	struct signalfd_siginfo info;

	while (read(t->signals, &info, sizeof(info)) == sizeof(info)) {
		/* What a terminal sends, the program gets as well. */
		if (info.ssi_signo != SIGCHLD && info.ssi_code != SI_KERNEL && !t->ended)
			kill(t->child, (int)info.ssi_signo);
		reap(t);
	}
}

static void take_event(struct trace *t, const struct drm_mockgpu_event *e, unsigned int device)
{
	if (e->kind == MOCKGPU_EVENT_LOST)
		t->lost += e->value;
	if (t->out >= 0)
		trace_json_event(&t->json, e, device);
	if (t->summary)
		trace_summary_event(t->summary, e);
}

/*
 * Takes a handful of events out of a log, of those before @until.  Returns whether there
 * may be more.
 */
static bool drain(struct trace *t, unsigned int log, uint64_t until)
{
	int i, n = mockgpu_log_read(t->logs[log].fd, t->events, EVENTS_AT_ONCE, 0);

	for (i = 0; i < n; i++) {
		const struct drm_mockgpu_event *e = &t->events[i];

		/* The time of LOST may be that of what came after it. */
		if (e->time_ns > until && e->kind != MOCKGPU_EVENT_LOST)
			return false;
		take_event(t, e, t->logs[log].device);
	}
	if (n > 0)
		return true;
	if (n == -ETIME || n == -EINTR)
		return n == -EINTR;
	if (n) {
		complain("cannot read the log of device %u: %s", t->logs[log].device,
			 strerror(-n));
		t->failed = true;
	}
	close(t->logs[log].fd);
	t->logs[log].fd = -1;
	return false;
}

/* Waits for signals and events, and takes them. */
static void step(struct trace *t)
{
	struct pollfd fds[LOGS_MAX + 1];
	unsigned int i;

	for (i = 0; i < t->logs_len; i++)
		fds[i] = (struct pollfd){ .fd = t->logs[i].fd, .events = POLLIN };
	fds[i] = (struct pollfd){ .fd = t->signals, .events = POLLIN };
	if (poll(fds, i + 1, FLUSH_MS) < 0)
		return;
	take_signals(t);
	for (i = 0; i < t->logs_len; i++) {
		if (fds[i].revents)
			drain(t, i, UINT64_MAX);
	}
}

/* Until the program ends, and then what the logs still hold of the time before. */
static void record(struct trace *t)
{
	uint64_t flushed = now_ns(), end;
	unsigned int i;

	while (!t->ended) {
		step(t);
		if (t->out >= 0 && now_ns() - flushed >= FLUSH_MS * 1000000ULL) {
			trace_json_flush(&t->json);
			flushed = now_ns();
		}
	}
	/* Others may go on, so there might be no end to it. */
	end = now_ns();
	for (i = 0; i < t->logs_len; i++) {
		while (t->logs[i].fd >= 0 && drain(t, i, end))
			;
	}
}

static void report(struct trace *t)
{
	bool to_stdout = t->output && !strcmp(t->output, "-");
	uint64_t n = t->json.count;
	int ret;

	if (waitpid(-1, NULL, WNOHANG) == 0)
		complain("the program has ended; what it started and left running was traced up to here");
	if (t->out >= 0) {
		ret = trace_json_end(&t->json);
		if (close(t->out) && !ret)
			ret = -errno;
		if (ret) {
			complain("cannot write %s: %s", t->output, strerror(-ret));
			t->failed = true;
		} else {
			complain("%llu event%s in %s; open it at https://ui.perfetto.dev or in chrome://tracing",
				 (unsigned long long)n, n == 1 ? "" : "s",
				 to_stdout ? "standard output" : t->output);
		}
	}
	if (t->summary)
		trace_summary_print(t->summary, stderr);
	if (t->lost)
		complain("%llu events were lost, as the log was full; a larger --buffer than %u holds more",
			 (unsigned long long)t->lost, t->entries);
}

/* As a shell gives the status of a program. */
static int exit_status(const struct trace *t)
{
	if (t->failed)
		return EXIT_TRACE;
	return WIFSIGNALED(t->status) ? 128 + WTERMSIG(t->status) : WEXITSTATUS(t->status);
}

static int trace(struct trace *t)
{
	int code;

	t->out = -1;
	/* If nobody reads the trace, the program goes on all the same. */
	t->old_pipe = signal(SIGPIPE, SIG_IGN);
	code = open_logs(t);

	if (!code)
		code = open_output(t);
	if (!code)
		code = open_signals(t);
	if (!code)
		code = start_program(t);
	if (!code) {
		record(t);
		report(t);
		code = exit_status(t);
	} else if (t->out >= 0) {
		trace_json_end(&t->json);
	}
	trace_summary_free(t->summary);
	return code;
}

int cmd_trace(int argc, char **argv)
{
	static struct trace t;	/* too big for a stack */
	int code = parse(argc, argv, &t);

	return code < 0 ? trace(&t) : code;
}
