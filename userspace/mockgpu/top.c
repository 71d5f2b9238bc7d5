// SPDX-License-Identifier: MIT
/*
 * mockgpu top: who uses how much of which device, and what happens there each second.
 *
 * Nothing stays open from one look to the next, so that a device may leave meanwhile, and the
 * module too.  Before somebody's eyes the whole terminal is used; every signal that ends or stops
 * a program is read there like a key, so that the terminal is put back first.  Elsewhere there is
 * nothing to put back, and signals do what they always do.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "picture.h"
#include "top.h"

static const char help[] =
	"Usage: mockgpu top [OPTION]...\n"
	"Who uses how much of which device, and what happens there each second.\n"
	"\n"
	"  -d, --delay SECONDS   time from one look to the next, 0.1 to 3600 (1)\n"
	"  -n, --count N         look so many times, and print lines\n"
	"      --once            the same as -n 1\n"
	"  -j, --json            for programs: an object in a line for each look\n"
	"  -h, --help\n"
	"\n"
	"q ends it. Other users' clients are shown to root alone.\n";

#define ENTER "\033[?1049h\033[?25l"	/* the other screen, no cursor */
#define LEAVE "\033[?25h\033[?1049l"

struct top {
	/* What was asked for. */
	double delay;
	uint64_t count;		/* 0: without end */
	bool json;

	struct top_sample samples[2];
	unsigned int now;	/* which of them is the last */
	struct json_file out;

	/* The whole terminal, where that is used. */
	bool screen;
	bool entered;
	bool keys;		/* somebody can press them */
	struct termios before;
	int signals;
	char *text;		/* what is shown */
};

static void enter_screen(struct top *t)
{
	struct termios raw;

	t->keys = !tcgetattr(STDIN_FILENO, &t->before);
	if (t->keys) {
		raw = t->before;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	fputs(ENTER, stdout);
	fflush(stdout);
	t->entered = true;
}

static void leave_screen(struct top *t)
{
	if (!t->entered)
		return;
	t->entered = false;
	fputs(LEAVE, stdout);
	fflush(stdout);
	if (t->keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &t->before);
}

/* What is said on the other screen would go with it.  Returns an exit code. */
static int fail(struct top *t, const char *what, int err)
{
	leave_screen(t);
	complain("%s: %s", what, strerror(-err));
	return EXIT_FAILED;
}

static int take_delay(void *arg, const char *name, const char *value)
{
	struct top *t = arg;
	char *end;

	t->delay = strtod(value, &end);
	if (end != value && !*end && t->delay >= 0.1 && t->delay <= 3600)
		return EXIT_FINE;
	complain("--%s is a number of seconds from 0.1 to 3600, not '%s'", name, value);
	return EXIT_USAGE;
}

static int take_count(void *arg, const char *name, const char *value)
{
	struct top *t = arg;

	if (parse_bytes(value, &t->count) && t->count)
		return EXIT_FINE;
	complain("--%s is how many times, at least 1, not '%s'", name, value);
	return EXIT_USAGE;
}

static int look_at_device(struct mockgpu_device *dev, unsigned int index, void *arg)
{
	struct top_sample *s = arg;
	struct top_device *d;
	struct stat st;

	(void)index;
	if (s->len == s->room) {
		size_t room = s->room ? 2 * s->room : 4;
		struct top_device *more = realloc(s->devices, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		s->devices = more;
		s->room = room;
	}
	d = &s->devices[s->len];
	d->time_ns = now_ns();
	/* One that is leaving is as good as gone. */
	if (mockgpu_info(dev, &d->info) || mockgpu_counters(dev, &d->counters) ||
	    fstat(mockgpu_fd(dev), &st))
		return EXIT_FINE;
	d->node = st.st_rdev;
	snprintf(d->path, sizeof(d->path), "%s", mockgpu_path(dev));
	s->len++;
	return EXIT_FINE;
}

static bool is_of_sample(dev_t node, void *arg)
{
	const struct top_sample *s = arg;
	size_t i;

	for (i = 0; i < s->len && s->devices[i].node != node; i++)
		;
	return i < s->len;
}

/* Fills the sample that is not the last, which it becomes.  Returns an exit code. */
static int look(struct top *t, bool first)
{
	struct top_sample *s = &t->samples[!t->now];
	unsigned int failed;
	int ret;

	s->len = 0;
	/* Without a device there is nothing to begin with; later it may come back. */
	ret = first ? each_device(look_at_device, s) : try_each_device(look_at_device, s, &failed);
	if (first && ret)
		return ret;
	ret = clients_scan(&s->clients, "/proc", getpid(), is_of_sample, s);
	if (ret)
		return fail(t, "cannot read the processes", ret);
	t->now = !t->now;
	return EXIT_FINE;
}

/* As much of the text as fits on the terminal, over what was there. */
static void draw(const struct top *t)
{
	const char *line = t->text ? t->text : "";
	struct term term;
	unsigned int row;
	size_t len;

	if (!term_init(&term, "never"))
		return;
	/* Each line is cleared first: behind its last column there is nothing to clear. */
	fputs("\033[H", stdout);
	for (row = 0; *line && (!term.lines || row < term.lines); row++) {
		len = strcspn(line, "\n");
		printf("%s\033[K%.*s", row ? "\r\n" : "",
		       (int)(len < term.width ? len : term.width), line);
		line += len + !!line[len];
	}
	if (!term.lines || row < term.lines)
		fputs("\r\n\033[J", stdout);
	fflush(stdout);
}

/* Shows the last sample.  Returns an exit code. */
static int show(struct top *t)
{
	struct top_sample *now = &t->samples[t->now];
	const struct top_sample *before = &t->samples[!t->now];
	size_t len = 0;
	FILE *text;
	int ret;

	if (t->json) {
		ret = top_json(&t->out, now, before);
	} else if (!t->screen) {
		ret = top_text(stdout, now, before);
		if (putchar('\n') == EOF || fflush(stdout))
			ret = -errno;
	} else {
		free(t->text);
		t->text = NULL;
		text = open_memstream(&t->text, &len);
		ret = text ? top_text(text, now, before) : -errno;
		if (text && fclose(text))
			ret = -errno;
		draw(t);
		if (ferror(stdout))
			ret = -EIO;
	}
	return ret ? fail(t, "cannot write the output", ret) : EXIT_FINE;
}

/* From here on signals are read.  Returns an exit code. */
static int take_signals(struct top *t, sigset_t *old)
{
	static const int wanted[] = {
		SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP, SIGWINCH,
	};
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < ARRAY_SIZE(wanted); i++)
		sigaddset(&set, wanted[i]);
	t->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (t->signals >= 0 && !sigprocmask(SIG_BLOCK, &set, old))
		return EXIT_FINE;
	complain("cannot read signals: %s", strerror(errno));
	return EXIT_FAILED;
}

/* What ends it: a signal, or 0 for a key; or -1 to go on. */
static int take_events(struct top *t, const struct pollfd fds[2])
{
	struct signalfd_siginfo info;
	char key;

	if (fds[1].revents) {
		if (read(STDIN_FILENO, &key, 1) != 1)
			t->keys = false;	/* nobody is there any more */
		else if (key == 'q' || key == 'Q')
			return 0;
	}
	while (read(t->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGTSTP) {
			leave_screen(t);
			raise(SIGSTOP);
			enter_screen(t);
		} else if (info.ssi_signo != SIGWINCH) {
			return (int)info.ssi_signo;
		}
		draw(t);
	}
	return -1;
}

/* Until @end.  Returns as take_events(). */
static int wait_until(struct top *t, uint64_t end)
{
	uint64_t now;
	int what;

	while ((now = now_ns()) < end) {
		struct pollfd fds[2] = {
			{ .fd = t->screen ? t->signals : -1, .events = POLLIN },
			{ .fd = t->keys ? STDIN_FILENO : -1, .events = POLLIN },
		};

		if (poll(fds, 2, (int)((end - now) / 1000000 + 1)) <= 0 || !t->screen)
			continue;
		what = take_events(t, fds);
		if (what >= 0)
			return what;
	}
	return -1;
}

/* Returns an exit code; @what becomes what ended it, as of take_events(). */
static int watch(struct top *t, int *what)
{
	const uint64_t delay = (uint64_t)(t->delay * 1e9);
	uint64_t shown, next = now_ns() + delay;
	int code = EXIT_FINE;

	if (t->screen)
		code = show(t);
	for (shown = 0; !code && (!t->count || shown < t->count); shown++) {
		*what = wait_until(t, next);
		if (*what >= 0)
			break;
		next = now_ns() + delay;
		code = look(t, false);
		if (!code)
			code = show(t);
	}
	return code;
}

static int top(struct top *t)
{
	const char *terminal = getenv("TERM");
	struct term term;
	int code, what = -1;
	sigset_t old;

	code = look(t, true);
	if (code)
		return code;
	if (!term_init(&term, "never"))
		return EXIT_FAILED;
	t->screen = term.person && !t->count && !t->json && terminal && strcmp(terminal, "dumb");
	if (t->json)
		json_begin(&t->out, STDOUT_FILENO, "");
	if (!t->screen)
		return watch(t, &what);

	code = take_signals(t, &old);
	if (code)
		return code;
	enter_screen(t);
	code = watch(t, &what);
	leave_screen(t);
	/* Whoever waits for this program is to hear of the signal. */
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (what > 0)
		raise(what);
	return code;
}

int cmd_top(int argc, char **argv)
{
	static struct top t = { .delay = 1 };	/* too big for a stack */
	bool once = false;
	const struct opt opts[] = {
		{ .name = "delay", .letter = 'd', .take = take_delay },
		{ .name = "count", .letter = 'n', .take = take_count },
		{ .name = "once", .flag = &once },
		{ .name = "json", .letter = 'j', .flag = &t.json },
		{ 0 },
	};
	int i, code = parse_options(argc, argv, opts, &t, help);

	if (code >= 0)
		return code;
	if (once)
		t.count = 1;
	code = top(&t);
	for (i = 0; i < 2; i++) {
		free(t.samples[i].devices);
		clients_free(&t.samples[i].clients);
	}
	free(t.text);
	return code;
}
