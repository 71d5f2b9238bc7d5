// SPDX-License-Identifier: MIT
/*
 * mockgpu demo: a tour of about a minute.  Each step says in a line what happens,
 * does it, draws where the pages are, and then checks bytes, places and counters:
 * what the tour tells is what was seen, or the tour fails.
 *
 * Counters are the device's, so another process may move them as well: they
 * must have risen by what the step did at least.  Places and bytes are exact.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "demo.h"
#include "picture.h"

static const char help[] =
	"Usage: mockgpu demo [OPTION]...\n"
	"A tour of about a minute: pages go to VRAM, are used there, and come home.\n"
	"Every step is checked; the exit status is 1 if anything is not as told.\n"
	"\n"
	"  -d, --device N|NODE   the device (0)\n"
	"  -f, --fast            no pauses (there are none anyway unless to a terminal)\n"
	"      --svg FILE        write all pictures there, one below the other\n"
	"      --color WHEN      auto, always, never\n"
	"  -h, --help\n";

#define PAUSE_SECONDS 5

struct demo {
	struct mockgpu_device *dev;
	struct term term;
	struct strip strip;
	struct seen seen;
	struct twin twin;
	unsigned char *mem;
	demo_shadow shadow;
	uint32_t res[DEMO_PAGES];
	struct drm_mockgpu_counters begin, before, now;
	unsigned int step;
	unsigned int checks;
	unsigned int wrong;
	bool fast;
};

static const char note[] = "Between steps the device reads everything back for comparison: "
	"that maps pages, but moves none.";

/* The spans of the story. */
static const struct span everything = { 0, DEMO_PAGES };
static const struct span written = { 0, 48 };
static const struct span gpu_written = { 8, 16 };
static const struct span cpu_read = { 0, 16 };
static const struct span child_cpu = { 24, 8 };
static const struct span child_gpu = { 32, 8 };
static const struct span parent_gpu = { 48, 8 };

static void __attribute__((format(printf, 3, 4)))
check(struct demo *d, bool right, const char *fmt, ...)
{
	va_list ap;

	d->checks++;
	if (right)
		return;
	d->wrong++;
	va_start(ap, fmt);
	fputs("    NOT AS TOLD: ", stdout);
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
}

static void pause_for_reader(const struct demo *d)
{
	struct timespec ts = { .tv_sec = PAUSE_SECONDS };

	fflush(stdout);
	if (d->term.person && !d->fast)
		nanosleep(&ts, NULL);
}

static void begin_step(struct demo *d, const char *line)
{
	char numbered[256];

	if (d->step)
		pause_for_reader(d);
	snprintf(numbered, sizeof(numbered), "%u. %s", ++d->step, line);
	putchar('\n');
	term_words(&d->term, numbered, 3);
	check(d, !mockgpu_counters(d->dev, &d->before), "the counters cannot be read");
}

static void draw(struct demo *d, const char *caption, const char *who, const uint32_t *res)
{
	char numbered[112] = "";
	const struct frame *f;
	size_t scale;

	if (*caption)
		snprintf(numbered, sizeof(numbered), "%u. %s", d->step, caption);
	f = strip_add(&d->strip, numbered, who, res, DEMO_PAGES);
	if (f)
		term_draw(&d->term, f, &d->seen, &scale);
	check(d, f, "out of memory for a picture");
}

/* Where the parent's pages are now, drawn; and the counters after the step. */
static void show(struct demo *d, const char *caption, const char *who)
{
	int ret = mockgpu_residency(d->dev, d->mem, DEMO_BYTES, d->res);

	check(d, !ret, "no residency: %s", strerror(-ret));
	draw(d, caption, who, d->res);
	check(d, !mockgpu_counters(d->dev, &d->now), "the counters cannot be read");
}

static void show_child(struct demo *d)
{
	long ret = twin_do(&d->twin, TWIN_LOOK, everything, 0);

	check(d, !ret, "the child has no residency: %s", strerror(-(int)ret));
	if (d->twin.pid)
		draw(d, "", "child", d->twin.shared->res);
}

/* All of @s must have the bits @want among @mask. */
static void check_place(struct demo *d, const char *who, const uint32_t *res, struct span s,
			uint32_t mask, uint32_t want, const char *words)
{
	unsigned int i, off = 0, first = 0;

	for (i = s.first; i < s.first + s.n; i++) {
		if ((res[i] & mask) != want && !off++)
			first = i;
	}
	check(d, !off, "%u of pages %u to %u of the %s are not %s (page %u: 0x%x)", off, s.first,
	      s.first + s.n - 1, who, words, first, res[first]);
}

#define PLACE (MOCKGPU_RES_PRESENT | MOCKGPU_RES_VRAM | MOCKGPU_RES_LOCAL)
#define IN_VRAM PLACE
#define IN_SYSTEM MOCKGPU_RES_PRESENT

static void check_rise(struct demo *d, const char *name, uint64_t before, uint64_t now,
		       uint64_t least)
{
	check(d, now - before >= least, "%s rose by %" PRIu64 ", not by %" PRIu64, name,
	      now - before, least);
}

#define CHECK_RISE(d, field, least) \
	check_rise(d, #field, (d)->before.field, (d)->now.field, least)

static void report_compare(struct demo *d, const char *who, long ret)
{
	if (ret > 0)
		check(d, false, "the %s's byte %ld of page %ld is wrong", who,
		      (ret - 1) % (long)MOCKGPU_PAGE_SIZE, (ret - 1) / (long)MOCKGPU_PAGE_SIZE);
	else
		check(d, !ret, "the %s's bytes cannot be compared: %s", who, strerror(-(int)ret));
}

static void check_bytes(struct demo *d)
{
	report_compare(d, "parent", demo_compare(d->dev, d->mem, d->shadow));
	if (d->twin.pid)
		report_compare(d, "child", twin_do(&d->twin, TWIN_COMPARE, everything, 0));
}

static void step_allocate(struct demo *d)
{
	begin_step(d, "mmap() gives 64 pages of addresses. The CPU writes the first 48; the rest stay holes.");
	demo_cpu_write(d->mem, d->shadow, written, 1);
	show(d, "The CPU writes 48 pages; 16 stay holes", "");
	check_place(d, "parent", d->res, written, PLACE, IN_SYSTEM, "in system memory");
	check_place(d, "parent", d->res, (struct span){ 48, 16 }, MOCKGPU_RES_PRESENT, 0, "holes");
}

static void step_to_vram(struct demo *d)
{
	struct mockgpu_migrated m;
	int ret;

	begin_step(d, "The range migrates to VRAM: migrate_vma_*() moves 48 pages and makes 16 zeroed ones for the holes.");
	ret = mockgpu_migrate(d->dev, d->mem, DEMO_BYTES, MOCKGPU_TARGET_VRAM, 0, &m, NULL);
	show(d, "The range migrates to VRAM, holes as well", "");
	check(d, !ret, "the migration failed: %s", strerror(-ret));
	check(d, m.count[MOCKGPU_PAGE_MOVED] == DEMO_PAGES, "%" PRIu64 " pages moved, not %u",
	      m.count[MOCKGPU_PAGE_MOVED], DEMO_PAGES);
	check_place(d, "parent", d->res, everything, PLACE, IN_VRAM, "in VRAM");
	CHECK_RISE(d, pages_to_vram, DEMO_PAGES);
	CHECK_RISE(d, pages_hole, 16);
	check(d, d->now.client_used_bytes == DEMO_BYTES, "this file uses %" PRIu64 " bytes of VRAM",
	      (uint64_t)d->now.client_used_bytes);
}

static void step_gpu_write(struct demo *d)
{
	int ret;

	begin_step(d, "The device writes 16 pages where they are: hmm_range_fault() fills its page table, nothing moves.");
	ret = demo_gpu_write(d->dev, d->mem, d->shadow, gpu_written, 2);
	show(d, "The device writes 16 pages; they stay in VRAM", "");
	check(d, !ret, "the device cannot write: %s", strerror(-ret));
	check_place(d, "parent", d->res, everything, PLACE, IN_VRAM, "in VRAM");
	check_place(d, "parent", d->res, gpu_written, MOCKGPU_RES_GPU_WRITE, MOCKGPU_RES_GPU_WRITE,
		    "mapped for writing by the device");
	CHECK_RISE(d, gpu_faults, gpu_written.n);
	CHECK_RISE(d, gpu_bytes_written, gpu_written.n * MOCKGPU_PAGE_SIZE);
	check_bytes(d);
}

static unsigned int cpu_compare(const struct demo *d, struct span s)
{
	size_t i, end = (s.first + s.n) * MOCKGPU_PAGE_SIZE;
	const volatile unsigned char *mem = d->mem;
	unsigned int wrong = 0;

	for (i = s.first * MOCKGPU_PAGE_SIZE; i < end; i++)
		wrong += mem[i] != d->shadow[i];
	return wrong;
}

static void step_cpu_read(struct demo *d)
{
	unsigned int wrong;

	begin_step(d, "The CPU reads 16 pages: each access faults, migrate_to_ram() brings the page home, the notifier clears the device's entry.");
	wrong = cpu_compare(d, cpu_read);
	show(d, "The CPU reads 16 pages: they come home by CPU fault", "");
	check(d, !wrong, "%u bytes that the CPU read are wrong", wrong);
	check_place(d, "parent", d->res, cpu_read, PLACE, IN_SYSTEM, "in system memory");
	check_place(d, "parent", d->res, cpu_read, MOCKGPU_RES_GPU, 0,
		    "out of the device's page table");
	check_place(d, "parent", d->res, (struct span){ 16, 48 }, PLACE, IN_VRAM, "in VRAM");
	CHECK_RISE(d, cpu_faults, 1);
	CHECK_RISE(d, pages_cpu_fault, cpu_read.n);
	CHECK_RISE(d, invalidated_pages, cpu_read.n);
}

static void step_fork(struct demo *d)
{
	long ret;

	begin_step(d, "fork(): both processes share every page copy-on-write, those in VRAM too. Nothing is copied, nothing moves.");
	ret = twin_start(&d->twin, mockgpu_path(d->dev), d->mem, d->shadow);
	check(d, !ret, "no fork: %s", strerror(-(int)ret));
	if (ret)
		return;
	ret = twin_do(&d->twin, TWIN_OPEN, everything, 0);
	check(d, !ret, "the child cannot open the device: %s", strerror(-(int)ret));
	show(d, "fork(): both share every page copy-on-write, in VRAM too", "parent");
	show_child(d);
	check_place(d, "parent", d->res, (struct span){ 16, 48 }, PLACE | MOCKGPU_RES_WRITE, IN_VRAM,
		    "in VRAM and read-only");
	check_place(d, "child", d->twin.shared->res, (struct span){ 16, 48 },
		    PLACE | MOCKGPU_RES_WRITE, IN_VRAM, "in VRAM and read-only");
	check(d, d->now.client_used_bytes == d->before.client_used_bytes,
	      "fork changed how much VRAM is in use");
	check_bytes(d);
}

static void step_child_writes(struct demo *d)
{
	long ret;

	begin_step(d, "The child's CPU writes 8 of the pages in VRAM: each comes home first, then the child gets its own copy.");
	ret = twin_do(&d->twin, TWIN_CPU_WRITE, child_cpu, 3);
	show(d, "The child's CPU writes 8 pages: home first, then its own copies", "parent");
	show_child(d);
	check(d, !ret, "the child cannot write: %s", strerror(-(int)ret));
	check(d, d->twin.pid, "the child is gone");
	if (d->twin.pid)
		check_place(d, "child", d->twin.shared->res, child_cpu, PLACE | MOCKGPU_RES_WRITE,
			    IN_SYSTEM | MOCKGPU_RES_WRITE, "the child's own, in system memory");
	CHECK_RISE(d, pages_cpu_fault, child_cpu.n);
	check_bytes(d);
}

static void step_devices_write(struct demo *d)
{
	long child;
	int parent;

	begin_step(d, "The devices of child and parent write 8 pages each: a device breaks the sharing too, and once.");
	child = twin_do(&d->twin, TWIN_GPU_WRITE, child_gpu, 4);
	parent = demo_gpu_write(d->dev, d->mem, d->shadow, parent_gpu, 5);
	show(d, "The devices of child and parent write 8 pages each: each writer has its own", "parent");
	show_child(d);
	check(d, !child, "the child's device cannot write: %s", strerror(-(int)child));
	check(d, !parent, "the parent's device cannot write: %s", strerror(-parent));
	CHECK_RISE(d, gpu_cow_breaks, child_gpu.n + parent_gpu.n);
	check_place(d, "parent", d->res, parent_gpu, MOCKGPU_RES_GPU_WRITE, MOCKGPU_RES_GPU_WRITE,
		    "mapped for writing by the device");
	check_bytes(d);
}

static void step_home(struct demo *d)
{
	unsigned int wrong;
	int status;

	begin_step(d, "The child exits; the parent's CPU reads everything: the rest comes home, no byte is lost, VRAM is empty.");
	twin_do(&d->twin, TWIN_LEAVE, everything, 0);
	status = twin_end(&d->twin);
	wrong = cpu_compare(d, everything);
	show(d, "The child exits, the parent's CPU reads everything: VRAM is empty", "");
	check(d, !status, "the child ended badly (wait status 0x%x)", status);
	check(d, !wrong, "%u bytes are wrong at the end", wrong);
	check_place(d, "parent", d->res, everything, PLACE, IN_SYSTEM, "in system memory");
	check(d, !d->now.client_used_bytes, "this file still uses %" PRIu64 " bytes of VRAM",
	      (uint64_t)d->now.client_used_bytes);
}

static void (*const steps[])(struct demo *d) = {
	step_allocate,
	step_to_vram,
	step_gpu_write,
	step_cpu_read,
	step_fork,
	step_child_writes,
	step_devices_write,
	step_home,
};

static void print_counters(const struct demo *d)
{
	size_t i;

	printf("\nWhat the device counted meanwhile:\n");
	for (i = 0; i < counter_descs_len; i++) {
		const struct counter_desc *c = &counter_descs[i];
		uint64_t n = counter_get(&d->now, c) - counter_get(&d->begin, c);

		if (!c->gauge && n)
			printf("  %8" PRIu64 "  %s\n", n, c->text);
	}
}

static int introduce(struct demo *d)
{
	struct drm_mockgpu_device_info info;
	char vram[BYTES_STR_MAX];
	struct utsname u;
	int ret;

	ret = mockgpu_info(d->dev, &info);
	if (!ret)
		ret = mockgpu_counters(d->dev, &d->begin);
	if (ret || uname(&u)) {
		complain("the device does not answer: %s", strerror(ret ? -ret : errno));
		return EXIT_FAILED;
	}
	if (!(info.caps & MOCKGPU_CAP_PRIVATE)) {
		complain("the tour is of private VRAM, and device %u has coherent VRAM; see it with: mockgpu map --steps -s 256K --cpu-write all --to-vram all --cpu-read all",
			 info.index);
		return EXIT_FAILED;
	}
	printf("mockgpu demo: device %u (%s) with %s of VRAM, Linux %s\n", info.index,
	       mockgpu_path(d->dev), bytes_str(vram, info.vram_bytes), u.release);
	term_words(&d->term, note, 0);
	d->strip.note = note;
	snprintf(d->strip.title, sizeof(d->strip.title),
		 "mockgpu demo: 64 pages on their way to VRAM and home");
	return 0;
}

static void tell(struct demo *d)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		steps[i](d);
		/* After a failure the picture of the same step says most. */
		if (d->wrong)
			break;
	}
	printf("\n");
	term_legend(&d->term, &d->seen, 1);
	print_counters(d);
}

static int verdict(const struct demo *d)
{
	if (d->wrong) {
		printf("\nmockgpu demo: FAILED, %u of %u checks are not as told\n", d->wrong,
		       d->checks);
		return EXIT_FAILED;
	}
	printf("\nmockgpu demo: all as told, %u checks of bytes, places and counters\n",
	       d->checks);
	return EXIT_FINE;
}

static int tour(struct demo *d, const char *device, const char *svg)
{
	int code;

	code = open_or_explain(&d->dev, device);
	if (code)
		return code;
	d->mem = mmap(NULL, DEMO_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (d->mem == MAP_FAILED) {
		complain("cannot map memory: %s", strerror(errno));
		mockgpu_close(d->dev);
		return EXIT_FAILED;
	}
	/* One page at a time, whatever the machine's setting: the story counts them. */
	madvise(d->mem, DEMO_BYTES, MADV_NOHUGEPAGE);

	code = introduce(d);
	if (!code) {
		tell(d);
		code = verdict(d);
	}
	if (d->strip.len && svg_write(&d->strip, svg))
		code = EXIT_FAILED;
	twin_end(&d->twin);
	strip_free(&d->strip);
	munmap(d->mem, DEMO_BYTES);
	mockgpu_close(d->dev);
	return code;
}

int cmd_demo(int argc, char **argv)
{
	const char *device = NULL, *svg = NULL, *color = "auto";
	static struct demo demo;	/* too big for a stack */
	const struct opt opts[] = {
		{ .name = "device", .letter = 'd', .value = &device },
		{ .name = "fast", .letter = 'f', .flag = &demo.fast },
		{ .name = "svg", .value = &svg },
		{ .name = "color", .value = &color },
		{ 0 },
	};
	int code;

	code = parse_options(argc, argv, opts, NULL, help);
	if (code >= 0)
		return code;
	if (!term_init(&demo.term, color))
		return EXIT_USAGE;
	return tour(&demo, device, svg);
}
