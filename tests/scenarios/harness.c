// SPDX-License-Identifier: MIT
/*
 * Runs the scenarios of a program; see harness.h.
 *
 * What the harness and the processes of a scenario share lies in one page of shared memory: why it
 * was skipped, and whether an assertion failed anywhere.  A process that fails or skips, and is not
 * the scenario's first one, kills the whole process group, so that nobody waits for it until the
 * deadline.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "configfs.h"
#include "harness.h"
#include "kmsg.h"
#include "module.h"

#define DEADLINE_S	60
#define SKIP_STATUS	77
#define LEAK_WAIT_MS	1000
#define KILL_WAIT_MS	15000
#define TELL_S		10

struct shared {
	pid_t leader;
	bool failed;
	bool skipped;
	bool oom_report;
	char skip_reason[256];
};

static struct shared *shared;
static uint64_t seed, random_state;
static unsigned int round_nr;
/* What was swapped to before any scenario, as /proc/swaps has it. */
static char swaps[4096];

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

void sleep_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

/* A variable that counts something; 1 unless it says more. */
static unsigned int times(const char *variable)
{
	const char *text = getenv(variable);
	unsigned int n = text ? (unsigned int)strtoul(text, NULL, 0) : 1;

	return n ? n : 1;
}

unsigned int slowness(void)
{
	return times("MOCKGPU_SLOW");
}

uint64_t random_u64(void)
{
	/* splitmix64: any seed will do, 0 too */
	uint64_t z = (random_state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

uint64_t random_below(uint64_t n)
{
	return random_u64() % n;
}

/* One write for a line: several processes share the output. */
static void print_line(const char *prefix, const char *format, va_list args)
{
	char line[1024];
	int n = snprintf(line, sizeof(line), "# %s", prefix);

	n += vsnprintf(line + n, sizeof(line) - (size_t)n - 1, format, args);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		_exit(2);
}

void note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_line("", format, args);
	va_end(args);
}

void fail_at(const char *file, int line, const char *format, ...)
{
	char where[128];
	va_list args;

	snprintf(where, sizeof(where), "%s:%d: ", file, line);
	va_start(args, format);
	print_line(where, format, args);
	va_end(args);
	shared->failed = true;
	if (getpid() != shared->leader)
		kill(0, SIGKILL);
	_exit(1);
}

void skip(const char *reason)
{
	snprintf(shared->skip_reason, sizeof(shared->skip_reason), "%s", reason);
	shared->skipped = true;
	if (getpid() != shared->leader)
		kill(0, SIGKILL);
	_exit(SKIP_STATUS);
}

void expect_oom_report(void)
{
	shared->oom_report = true;
	klogctl(6, NULL, 0);	/* console off; the harness turns it on again */
}

void check_eq(const char *file, int line, const char *what, long long actual, long long expected)
{
	if (actual != expected)
		fail_at(file, line, "%s: expected %lld (0x%llx), got %lld (0x%llx)", what,
			expected, (unsigned long long)expected, actual, (unsigned long long)actual);
}

void check_between(const char *file, int line, const char *what, long long actual,
		   long long least, long long most)
{
	if (actual < least)
		fail_at(file, line, "%s: expected at least %lld, got %lld", what, least, actual);
	if (actual > most)
		fail_at(file, line, "%s: expected at most %lld, got %lld", what, most, actual);
}

long check_sys(const char *file, int line, const char *what, long result)
{
	if (result == -1)
		fail_at(file, line, "%s: %s", what, strerror(errno));
	return result;
}

/*
 * Whether @name is asked for.  A prefix that ends in a figure does not go on with a figure: A1
 * means the row A1, not A10 as well.  A letter alone is an area, and goes on with one.  Capitals do
 * not matter.
 */
static bool selected(const char *name)
{
	const char *list = getenv("MOCKGPU_T");

	if (!list || !*list)
		return true;
	while (*list) {
		size_t n = strcspn(list, ",");

		if (n && !strncasecmp(name, list, n) &&
		    !(isdigit((unsigned char)list[n - 1]) && isdigit((unsigned char)name[n])) &&
		    (n > 1 || isdigit((unsigned char)name[n])))
			return true;
		list += n + (list[n] == ',');
	}
	return false;
}

static uint64_t hash(const char *s)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3ULL;
	return h;
}

/* Waits for @pid until @deadline; false: it is still there. */
static bool wait_until(int pidfd, pid_t pid, uint64_t deadline, int *status)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	for (;;) {
		uint64_t now = now_ns();

		if (now >= deadline)
			return false;
		if (poll(&p, 1, (int)((deadline - now) / 1000000) + 1) > 0)
			return waitpid(pid, status, 0) == pid;
	}
}

/* Memory that cannot be had back: whoever touched it says so, and nobody waits for it in vain. */
static void on_sigbus(int signal, siginfo_t *info, void *context)
{
	fail_at(__FILE__, __LINE__, "SIGBUS at %p", info->si_addr);
}

static unsigned int deadline_s(const struct scenario *s)
{
	return (s->deadline ? s->deadline : DEADLINE_S) * slowness();
}

/* The process of the scenario @s.  Returns its wait status; *timed_out tells the rest. */
static int run_forked(const struct scenario *s, bool *timed_out)
{
	const struct sigaction sigbus = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };
	unsigned int seconds = deadline_s(s);
	int status = 0, pidfd;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return -1;
	if (!pid) {
		sigaction(SIGBUS, &sigbus, NULL);
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		shared->leader = getpid();
		random_state = (seed + round_nr) ^ hash(s->name);
		s->run();
		_exit(0);
	}
	setpgid(pid, pid);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	*timed_out = !wait_until(pidfd, pid, now_ns() + seconds * NS_PER_S, &status);
	/* Also what a scenario that passed has left behind: nothing may go on beside the next. */
	kill(-pid, SIGKILL);
	if (*timed_out &&
	    !wait_until(pidfd, pid, now_ns() + KILL_WAIT_MS * slowness() * 1000000ULL, &status)) {
		printf("Bail out! %s is stuck in the kernel and cannot be killed\n", s->name);
		exit(1);
	}
	close(pidfd);
	return status;
}

/* VRAM is exclusively ours: what a scenario took has to be free again a moment after it. */
static bool leaks_vram(uint64_t before)
{
	uint64_t end = now_ns() + LEAK_WAIT_MS * slowness() * 1000000ULL, used = 0;

	for (;;) {
		if (module_vram_used(&used) == 0 && used == before)
			return false;
		if (now_ns() > end)
			break;
		sleep_ms(10);
	}
	note("VRAM in use: expected %llu bytes as before, got %llu",
	     (unsigned long long)before, (unsigned long long)used);
	return true;
}

static void read_swaps(void)
{
	FILE *file = fopen("/proc/swaps", "re");

	if (!file)
		return;
	swaps[fread(swaps, 1, sizeof(swaps) - 1, file)] = '\0';
	fclose(file);
}

/* What a scenario that failed swaps to would take the pages of those after it. */
static void end_new_swaps(void)
{
	FILE *file = fopen("/proc/swaps", "re");
	char line[256], *end;

	while (file && fgets(line, sizeof(line), file)) {
		end = strchr(line, ' ');
		if (*line != '/' || !end)
			continue;
		end[1] = '\0';
		if (strstr(swaps, line))
			continue;
		*end = '\0';
		note("%s is swapped to no more", line);
		swapoff(line);
	}
	if (file)
		fclose(file);
}

/* One round of a scenario.  Returns whether it was well. */
static bool run_round(const struct scenario *s, bool *skipped)
{
	bool timed_out = false, ok;
	uint64_t before = 0;
	int status;

	memset(shared, 0, sizeof(*shared));
	if (module_vram_used(&before)) {
		printf("Bail out! no mockgpu device: is the module loaded?\n");
		exit(1);
	}
	kmsg_begin(s->name);
	status = run_forked(s, &timed_out);
	if (shared->oom_report)
		klogctl(7, NULL, 0);
	*skipped = shared->skipped && !shared->failed && !timed_out;
	ok = !shared->failed && (*skipped || (WIFEXITED(status) && !WEXITSTATUS(status)));
	if (timed_out)
		note("no end within %u s", deadline_s(s));
	else if (WIFSIGNALED(status) && !shared->failed && !*skipped)
		note("killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	if (!ok)
		end_new_swaps();
	config_end();
	if ((s->flags & RELOADS) && module_restore()) {
		printf("Bail out! cannot load the module with its defaults after %s\n", s->name);
		exit(1);
	}
	if (leaks_vram(s->flags & RELOADS ? 0 : before))
		ok = false;
	if (kmsg_end(s->name, shared->oom_report))
		ok = false;
	return ok;
}

/* All rounds of a scenario; the report shows how far it is. */
static bool run_one(const struct scenario *s, unsigned int number)
{
	unsigned int rounds = times("MOCKGPU_REPEAT");
	uint64_t start = now_ns(), told = start;
	bool ok, skipped;

	round_nr = 0;
	do {
		ok = run_round(s, &skipped);
		if (++round_nr < rounds && now_ns() - told > TELL_S * NS_PER_S) {
			told = now_ns();
			note("%s: round %u of %u", s->name, round_nr, rounds);
		}
	} while (ok && !skipped && round_nr < rounds);
	if (!ok && rounds > 1)
		note("failed in round %u of %u", round_nr, rounds);
	printf("%s %u - %s%s%s\n", ok ? "ok" : "not ok", number, s->name,
	       skipped && ok ? " # SKIP " : "", skipped && ok ? shared->skip_reason : "");
	printf("# %s took %llu ms, %u times\n", s->name,
	       (unsigned long long)(now_ns() - start) / 1000000, round_nr);
	return ok;
}

int main(void)
{
	const char *text = getenv("MOCKGPU_SEED");
	unsigned int wanted = 0, number = 0;
	const struct scenario *s;
	bool ok = true;

	setvbuf(stdout, NULL, _IOLBF, 0);
	read_swaps();
	for (s = scenarios; s->name; s++)
		wanted += selected(s->name);
	if (!wanted) {
		printf("1..0 # SKIP nothing selected\n");
		return 0;
	}
	if (!kmsg_open()) {
		printf("Bail out! the kernel log cannot be watched: %s\n", kmsg_error());
		return 1;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	seed = text && *text ? strtoull(text, NULL, 0) : now_ns() & 0xffffffff;
	printf("1..%u\n# MOCKGPU_SEED=%llu\n", wanted, (unsigned long long)seed);
	for (s = scenarios; s->name; s++)
		if (selected(s->name))
			ok &= run_one(s, ++number);
	return !ok;
}
