// SPDX-License-Identifier: MIT
/*
 * mockgpu storm: runs a program, unchanged, while its memory and that of all that it starts goes
 * to VRAM and comes home all the time.
 *
 * The storm is the driver's: it begins by a call of the child that becomes the program, with the
 * files that are open here, follows whatever that starts, and ends at the latest when these files
 * are closed.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "cmd.h"
#include "program.h"
#include "storm.h"

static const char help[] =
	"Usage: mockgpu storm [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
	"Run a program while its memory, and that of all that it starts, goes to VRAM and comes\n"
	"home all the time. The program need not know; its result is to be the same.\n"
	"\n"
	"  -d, --device LIST     the devices, such as 0 or 0,1 (all)\n"
	"      --type TYPE       those with this type of VRAM: private or coherent\n"
	"      --rate PAGES      so many pages a second at the most, by each device; 0 for any\n"
	"                        number (20000)\n"
	"      --share PERCENT   that much of the memory (100)\n"
	"      --random          in a random order; otherwise sweeping through the addresses\n"
	"      --sizes MIN-MAX   pages that move at once, powers of 2 up to 512 (1-512)\n"
	"      --gpu             the device reads the pages, and writes words as they were\n"
	"      --exclusive       now and then pages are made exclusive to the device before\n"
	"      --pressure        pages stay in VRAM until there is no room: eviction\n"
	"      --points          hold up threads, or fail, at random steps of the driver; root\n"
	"      --seed N          repeat the choices of a run\n"
	"      --duration SECONDS    end the storm then; the program goes on\n"
	"      --compare         run the program without a storm before, and compare\n"
	"  -j, --json            the summary for programs: an object in a line\n"
	"  -o, --output FILE     write the summary there, not to standard error\n"
	"  -h, --help\n"
	"\n"
	"The exit status is the program's, 128 and its number after a signal; 125 if the storm\n"
	"failed, or the two runs of --compare differ in their status; 126 if the program cannot\n"
	"be run, 127 if it is not found.\n";

#define DEFAULT_RATE 20000
#define TICK_MS 50
#define SETTLE_MS 1000

struct storm {
	/* What was asked for. */
	const char *list, *type, *rate, *share, *sizes, *seed, *duration, *output;
	bool random, gpu, exclusive, pressure, points, compare, json;
	struct drm_mockgpu_storm_begin begin;

	struct mockgpu_device *devs[DEVICES_MAX];
	unsigned int index[DEVICES_MAX];	/* of each of them */
	unsigned int devs_len;
	unsigned int failed;	/* device whose storm did not begin */
	struct program program;
	struct storm_points *armed;
	struct storm_result result;
	FILE *out;
};

static int bad(const char *words)
{
	complain("%s (mockgpu storm --help)", words);
	return EXIT_WATCH;
}

static bool parse_sizes(struct storm *t)
{
	char text[64], *dash;
	uint64_t min, max;

	if (snprintf(text, sizeof(text), "%s", t->sizes) >= (int)sizeof(text))
		return false;
	dash = strchr(text, '-');
	if (dash)
		*dash = '\0';
	if (!parse_bytes(text, &min) || !parse_bytes(dash ? dash + 1 : text, &max))
		return false;
	if (!min || min > max || max > 512 || (min & (min - 1)) || (max & (max - 1)))
		return false;
	t->begin.min_pages = (uint32_t)min;
	t->begin.max_pages = (uint32_t)max;
	return true;
}

static bool parse_duration(struct storm *t)
{
	char *end;
	double seconds = strtod(t->duration, &end);

	if (*end || end == t->duration || !(seconds * 1e9 >= 1 && seconds <= 1e6))
		return false;
	t->begin.duration_ns = (uint64_t)(seconds * 1e9);
	return true;
}

/* Returns an exit code, or -1 to go on. */
static int parse_values(struct storm *t)
{
	uint64_t n = DEFAULT_RATE;

	if (t->rate && (!parse_bytes(t->rate, &n) || n > 1ULL << 32))
		return bad("--rate is a number of pages a second, up to 4G, or 0");
	t->begin.rate = n;
	n = 100;
	if (t->share && (!parse_bytes(t->share, &n) || !n || n > 100))
		return bad("--share is from 1 to 100, per cent");
	t->begin.share = (uint32_t)(n * 65536 / 100);
	if (t->sizes && !parse_sizes(t))
		return bad("--sizes is such as 1-512 or 16: powers of 2, up to 512 pages");
	if (t->duration && !parse_duration(t))
		return bad("--duration is a number of seconds");
	if (t->type && strcmp(t->type, "private") && strcmp(t->type, "coherent"))
		return bad("--type is private or coherent");
	if (!t->seed) {
		if (getrandom(&n, sizeof(n), 0) != sizeof(n))
			n = now_ns();
		/* One that can be read aloud. */
		n %= 1000000;
	} else if (!parse_bytes(t->seed, &n)) {
		return bad("--seed is a number");
	}
	t->begin.seed = n;
	t->result.seed = n;
	t->begin.flags = (t->random ? MOCKGPU_STORM_RANDOM : 0) |
			 (t->gpu ? MOCKGPU_STORM_GPU : 0) |
			 (t->exclusive ? MOCKGPU_STORM_EXCLUSIVE : 0) |
			 (t->pressure ? MOCKGPU_STORM_PRESSURE : 0);
	return -1;
}

/* Returns an exit code, or -1 to go on. */
static int parse(int argc, char **argv, struct storm *t)
{
	const struct opt opts[] = {
		{ .name = "device", .letter = 'd', .value = &t->list },
		{ .name = "type", .value = &t->type },
		{ .name = "rate", .value = &t->rate },
		{ .name = "share", .value = &t->share },
		{ .name = "random", .flag = &t->random },
		{ .name = "sizes", .value = &t->sizes },
		{ .name = "gpu", .flag = &t->gpu },
		{ .name = "exclusive", .flag = &t->exclusive },
		{ .name = "pressure", .flag = &t->pressure },
		{ .name = "points", .flag = &t->points },
		{ .name = "seed", .value = &t->seed },
		{ .name = "duration", .value = &t->duration },
		{ .name = "compare", .flag = &t->compare },
		{ .name = "json", .letter = 'j', .flag = &t->json },
		{ .name = "output", .letter = 'o', .value = &t->output },
		{ 0 },
	};
	int rest, code = parse_options_until(argc, argv, opts, t, help, &rest);

	if (code >= 0)
		return code ? EXIT_WATCH : EXIT_FINE;
	t->program.words = argv + rest;
	if (!*t->program.words)
		return bad("there is no program to run");
	return parse_values(t);
}

/* Keeps a device that is wanted, once; others are closed.  Returns an exit code. */
static int take_device(struct storm *t, struct mockgpu_device *dev)
{
	struct drm_mockgpu_device_info info;
	int ret = mockgpu_info(dev, &info);
	unsigned int i;

	if (ret) {
		mockgpu_close(dev);
		complain("cannot look at a device: %s", strerror(-ret));
		return EXIT_WATCH;
	}
	for (i = 0; i < t->devs_len && t->index[i] != info.index; i++)
		;
	if (i < t->devs_len || (t->type && strcmp(t->type, vram_type_key(info.vram_type))) ||
	    t->devs_len == DEVICES_MAX) {
		mockgpu_close(dev);
		return EXIT_FINE;
	}
	t->result.private |= info.vram_type == MOCKGPU_VRAM_PRIVATE;
	t->index[t->devs_len] = info.index;
	t->devs[t->devs_len++] = dev;
	return EXIT_FINE;
}

static int visit_device(struct mockgpu_device *seen, unsigned int index, void *arg)
{
	struct mockgpu_device *dev;
	int ret = mockgpu_open_path(&dev, mockgpu_path(seen));
	char which[16];

	snprintf(which, sizeof(which), "%u", index);
	return ret ? explain_open(ret, which) : take_device(arg, dev);
}

static int open_list(struct storm *t)
{
	char *list = strdup(t->list), *rest = NULL, *which;
	struct mockgpu_device *dev;
	int code = list ? EXIT_FINE : EXIT_WATCH;

	if (!list)
		complain("out of memory");
	for (which = list ? strtok_r(list, ",", &rest) : NULL; which && !code;
	     which = strtok_r(NULL, ",", &rest)) {
		code = open_or_explain(&dev, which);
		if (!code)
			code = take_device(t, dev);
	}
	free(list);
	return code;
}

/* Returns 0 or an exit code. */
static int open_devices(struct storm *t)
{
	int code = t->list ? open_list(t) : each_device(visit_device, t);

	if (code)
		return EXIT_WATCH;
	if (!t->devs_len) {
		complain("there is no device with %s VRAM", t->type ? t->type : "any");
		return EXIT_WATCH;
	}
	t->result.devices = t->devs_len;
	return EXIT_FINE;
}

/* In the child: from here on it is in the storm. */
static int begin_storms(void *arg)
{
	struct storm *t = arg;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < t->devs_len && !ret; i++)
		ret = mockgpu_storm_begin(t->devs[i], &t->begin);
	return ret;
}

static void explain_begin(void *arg, int err)
{
	const struct storm *t = arg;

	if (err == -EOPNOTSUPP && t->exclusive)
		complain("--exclusive: this kernel has no device-exclusive access");
	else if (err == -EINVAL)
		complain("the driver is too old, and has no storms");
	else if (err == -ENOSPC)
		complain("you have too many storms and queues already, or the process is in too many");
	else
		complain("cannot begin the storm: %s", strerror(-err));
}

static void disarm(struct storm *t)
{
	t->result.arms += storm_points_count(t->armed);
	storm_points_free(t->armed);
	t->armed = NULL;
}

/* Has the next point armed.  The program goes on whatever comes of it. */
static void arm_next(struct storm *t)
{
	int ret = storm_points_turn(t->armed);

	if (!ret)
		return;
	if (ret == -ENODEV)
		complain("the device has left; there is no storm any more");
	else
		complain("no further control points: %s", strerror(-ret));
	disarm(t);
}

/* Until the program ends. */
static void follow(struct storm *t)
{
	struct pollfd fd = { .fd = t->program.signals, .events = POLLIN };

	while (!t->program.ended) {
		int n = poll(&fd, 1, t->armed ? TICK_MS : -1);

		if (n > 0)
			program_signals(&t->program);
		if (t->armed)
			arm_next(t);
	}
}

static int run(struct storm *t, uint64_t *ns, int *status)
{
	uint64_t start = now_ns();
	int code = program_start(&t->program);

	if (!code)
		follow(t);
	*ns = now_ns() - start;
	if (!code)
		*status = program_status(&t->program);
	return code;
}

/*
 * The run without a storm.  What it reads, the other is to read as well: a terminal has more of it,
 * and all else is read anew.  Returns 0 or an exit code.
 */
static int run_alone(struct storm *t)
{
	off_t input = lseek(STDIN_FILENO, 0, SEEK_CUR);
	int code;

	/* Without any, errno is EBADF. */
	if (input < 0 && errno == ESPIPE && !isatty(STDIN_FILENO)) {
		complain("--compare: the program's input cannot be read twice; give it a file, or </dev/null");
		return EXIT_WATCH;
	}
	t->program.prepare = NULL;
	code = run(t, &t->result.alone_ns, &t->result.alone_status);
	if (!code && input >= 0 && lseek(STDIN_FILENO, input, SEEK_SET) < 0) {
		complain("--compare: cannot go back in the program's input: %s", strerror(errno));
		return EXIT_WATCH;
	}
	return code;
}

static int run_in_storm(struct storm *t)
{
	int code, ret;

	t->program.prepare = begin_storms;
	if (t->points) {
		ret = storm_points_new(&t->armed, t->devs[0], t->begin.seed);
		if (ret == -EACCES)
			complain("--points takes root: others' threads are held, too");
		else if (ret)
			complain("cannot arm control points: %s", strerror(-ret));
		if (ret)
			return EXIT_WATCH;
	}
	code = run(t, &t->result.ns, &t->result.status);
	disarm(t);
	return code;
}

static void add_u64(__u64 *sum, const __u64 *n, size_t len)
{
	while (len--)
		sum[len] += n[len];
}

/* Adds what a device says; waits a moment for what is not counted yet.  Returns 0 or -errno. */
static int look(struct mockgpu_device *dev, struct storm_result *r)
{
	struct drm_mockgpu_storm_look l, *sum = &r->look;
	uint64_t end = now_ns() + SETTLE_MS * 1000000ULL;
	int ret;

	do {
		ret = mockgpu_storm_look(dev, &l);
		if (ret)
			return ret;
		if (l.processes)
			poll(NULL, 0, 5);
	} while (l.processes && !program_left_some() && now_ns() < end);
	/* From the first of the counts to the last but the time. */
	add_u64(&sum->rounds, &l.rounds, 1);
	add_u64(&sum->resident_pages, &l.resident_pages, 1);
	add_u64(&sum->covered_pages, &l.covered_pages, 1);
	add_u64(&sum->cpu_faults, &l.cpu_faults, 1);
	add_u64(&sum->pages_cpu_fault, &l.pages_cpu_fault, 1);
	add_u64(&sum->pages_evicted, &l.pages_evicted, 1);
	add_u64(&sum->gpu_reads, &l.gpu_reads, 1);
	add_u64(&sum->gpu_writes, &l.gpu_writes, 1);
	add_u64(sum->to_vram, l.to_vram, MOCKGPU_PAGE_STATUS_MAX);
	add_u64(sum->to_system, l.to_system, MOCKGPU_PAGE_STATUS_MAX);
	/* Each device follows the same processes. */
	if (l.followed > sum->followed)
		sum->followed = l.followed;
	if (l.missed > sum->missed)
		sum->missed = l.missed;
	if (l.left > sum->left)
		sum->left = l.left;
	return 0;
}

/* Returns 0 or an exit code. */
static int report(struct storm *t)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < t->devs_len && !ret; i++)
		ret = look(t->devs[i], &t->result);
	if (ret) {
		complain("cannot look at the storm: %s",
			 ret == -ENODEV ? "the device has left" : strerror(-ret));
		return EXIT_WATCH;
	}
	if (program_left_some())
		complain("the program has ended; what it started and left running was in the storm up to here");
	if (t->json)
		storm_show_json(t->out, &t->result);
	else
		storm_show(t->out, &t->result);
	if (fflush(t->out) || ferror(t->out)) {
		complain("cannot write the summary");
		return EXIT_WATCH;
	}
	return EXIT_FINE;
}

static int storm(struct storm *t)
{
	int code;

	t->program.explain = explain_begin;
	t->program.arg = t;
	t->out = t->output ? fopen(t->output, "we") : stderr;
	if (!t->out) {
		complain("cannot write %s: %s", t->output, strerror(errno));
		return EXIT_WATCH;
	}
	code = open_devices(t);
	if (!code)
		code = program_watch(&t->program);
	if (!code && t->compare)
		code = run_alone(t);
	if (!code && t->compare && program_left_some()) {
		complain("what the program left running would be there the next time, too");
		code = EXIT_WATCH;
	}
	/* Who has interrupted the first run does not want the second. */
	if (!code && t->compare && t->program.stopped) {
		complain("interrupted in the run without; there is nothing to compare");
		return program_status(&t->program);
	}
	if (!code)
		code = run_in_storm(t);
	if (!code)
		code = report(t);
	if (code)
		return code;
	if (t->compare && t->result.status != t->result.alone_status && !t->program.stopped)
		return EXIT_WATCH;
	return t->result.status;
}

int cmd_storm(int argc, char **argv)
{
	static struct storm t;
	int code = parse(argc, argv, &t);

	return code < 0 ? storm(&t) : code;
}
