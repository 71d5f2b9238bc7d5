// SPDX-License-Identifier: MIT
/*
 * Each allocation, copy, page of VRAM or of RAM, and page lock fails in each call, one after the
 * other: row L1.  The errno is as documented, no byte and no page is lost, and the next try works.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "huge.h"
#include "points.h"
#include "process.h"
#include "queue.h"

#define PAGES	8
#define LIMIT	200	/* no call takes as many of anything */

static struct {
	struct mockgpu_device *dev;
	struct queue q;
	char *p;
	uint16_t tag;
} t;

static int do_open(void)
{
	struct mockgpu_device *dev;
	int ret = mockgpu_open_path(&dev, mockgpu_path(t.dev));

	if (!ret)
		mockgpu_close(dev);
	return ret;
}

static int do_to_vram(void)
{
	return mockgpu_migrate(t.dev, t.p, PAGES * PAGE, MOCKGPU_TARGET_VRAM, 0, NULL, NULL);
}

static int do_to_vram_whole(void)
{
	return mockgpu_migrate(t.dev, t.p, PAGES * PAGE, MOCKGPU_TARGET_VRAM,
			       MOCKGPU_MIGRATE_ALL_OR_NOTHING, NULL, NULL);
}

static int do_to_system(void)
{
	return mockgpu_migrate(t.dev, t.p, PAGES * PAGE, MOCKGPU_TARGET_SYSTEM, 0, NULL, NULL);
}

static int do_to_system_whole(void)
{
	return mockgpu_migrate(t.dev, t.p, PAGES * PAGE, MOCKGPU_TARGET_SYSTEM,
			       MOCKGPU_MIGRATE_ALL_OR_NOTHING, NULL, NULL);
}

static int do_residency(void)
{
	uint32_t res[PAGES];

	return mockgpu_residency(t.dev, t.p, PAGES * PAGE, res);
}

static int do_read(void)
{
	static uint64_t buffer[PAGES * WORDS];
	int ret = mockgpu_read(t.dev, buffer, t.p, PAGES * PAGE, NULL);

	if (!ret)
		CHECK_FILL(buffer, PAGES, t.tag, 0);
	return ret;
}

static int do_write(void)
{
	static uint64_t buffer[PAGES * WORDS];

	fill(buffer, PAGES, t.tag, 0);
	return mockgpu_write(t.dev, t.p, buffer, PAGES * PAGE, NULL);
}

static int do_evict(void)
{
	return mockgpu_evict(t.dev, t.p, PAGES * PAGE, NULL);
}

static int do_evict_all(void)
{
	return mockgpu_evict_all(t.dev, NULL);
}

static int do_queue(void)
{
	uint32_t id;
	int ret = mockgpu_queue_create(t.dev, &id);

	if (!ret)
		CHECK_EQ(mockgpu_queue_destroy(t.dev, id), 0);
	return ret;
}

static int do_run(void)
{
	struct drm_mockgpu_cmd cmd = cmd_load(t.p, 8);
	struct drm_mockgpu_result result = { 0 };
	int ret = mockgpu_run(t.dev, t.q.id, &cmd, 1, &result);

	if (!ret)
		CHECK_EQ(result.value, fill_word(t.tag, 0, 0));
	return ret;
}

static int do_advise(void)
{
	return mockgpu_advise(t.dev, t.p, PAGE, MOCKGPU_ADVICE_GRANULARITY, 4);
}

static int do_prefetch(void)
{
	return mockgpu_prefetch(t.dev, t.p, PAGES * PAGE, MOCKGPU_PLACE_DEVICE(0), 0, NULL, NULL);
}

static const struct call {
	const char *name;
	int (*call)(void);
	bool from_vram;
} calls[] = {
	{ "open", do_open, false },
	{ "migrate to VRAM", do_to_vram, false },
	{ "migrate all to VRAM", do_to_vram_whole, false },
	{ "migrate to system memory", do_to_system, true },
	{ "migrate all to system memory", do_to_system_whole, true },
	{ "residency", do_residency, true },
	{ "read", do_read, false },
	{ "read VRAM", do_read, true },
	{ "write", do_write, false },
	{ "evict", do_evict, true },
	{ "evict all", do_evict_all, true },
	{ "create a queue", do_queue, false },
	{ "run a command", do_run, false },
	{ "advise", do_advise, false },
	{ "prefetch", do_prefetch, false },
};

/* Pages anew, so that the device has nothing of them yet. */
static void set_scene(const struct call *call)
{
	t.tag = new_tag();
	t.p = map_filled(PAGES, t.tag);
	if (call->from_vram)
		TO_VRAM(t.dev, t.p, PAGES);
}

/*
 * Fails the n-th hit of a call, for all n that there are.  Returns how many there were.
 * Where the call says 0, it did what it could: then the counts tell, which other rows check.
 */
static unsigned int fail_each(const struct call *call, const char *point, char may)
{
	const int error = may == 'm' ? -ENOMEM : may == 'i' ? -EIO : may == 'b' ? -EBUSY : 0;
	unsigned int n;

	for (n = 1; n < LIMIT; n++) {
		struct drm_mockgpu_point_wait report;
		struct arm arm;
		int ret;

		set_scene(call);
		arm = BREAK(t.dev, point, .first = n, .count = 1);
		ret = call->call();
		report = arm_look(arm);
		arm_release(arm);
		if (ret && ret != error)
			FAIL("%s, %s %u: %s", call->name, point, n, strerror(-ret));
		if (ret && !report.acted)
			FAIL("%s, %s: failed without a cause", call->name, point);
		ret = call->call();
		if (ret)
			FAIL("%s after %s %u: %s", call->name, point, n, strerror(-ret));
		CHECK_FILL(t.p, PAGES, t.tag, 0);
		CHECK_EQ(mockgpu_advise_reset(t.dev, t.p, PAGES * PAGE), 0);
		unmap(t.p, PAGES);
		if (!report.acted)
			return n - 1;
	}
	FAIL("%s, %s: there is no end", call->name, point);
}

/*
 * What may come of it in each call: -ENOMEM, -EIO, -EBUSY, or (0) nothing, as it is tried again or
 * said of the page alone; or (-) the call has no such step.
 */
static void fail_in_each_call(const char *point, const char *wanted)
{
	unsigned int counts[ARRAY_SIZE(calls)];

	t.dev = gpu_open(0);
	t.q = queue_new(t.dev);
	for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++) {
		counts[i] = fail_each(&calls[i], point, wanted[i]);
		note("%s: %u", calls[i].name, counts[i]);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++)
		if (!counts[i] != (wanted[i] == '-'))
			FAIL("%s has %u of %s", calls[i].name, counts[i], point);
}

static void L1_each_allocation(void)
{
	fail_in_each_call("alloc", "mmmmmmmmmmmmmmm");
}

static void L1_each_copy(void)
{
	fail_in_each_call("copy", "-0b0b----ii---0");
}

static void L1_each_page_lock(void)
{
	fail_in_each_call("page-lock", "-0000----00---0");
}

static void L1_each_page_of_vram(void)
{
	fail_in_each_call("alloc-vram", "-mm-----------m");
}

static void L1_each_page_of_ram(void)
{
	fail_in_each_call("alloc-ram", "---mm----mm----");
}

/* What a page that stays says of it. */
static void stays(const char *point, unsigned int target, int ret, uint8_t status)
{
	uint8_t want[PAGES];
	struct arm arm;

	set_scene(&(const struct call){ .from_vram = target == MOCKGPU_TARGET_SYSTEM });
	memset(want, MOCKGPU_PAGE_MOVED, sizeof(want));
	want[2] = status;
	arm = BREAK(t.dev, point, .first = 3, .count = 1);
	CHECK_MIGRATE(t.dev, t.p, PAGES, target, 0, ret, want);
	arm_release(arm);
	CHECK_FILL(t.p, PAGES, t.tag, 0);
}

static void L1_what_stays_says_why(void)
{
	t.dev = gpu_open(0);
	stays("copy", MOCKGPU_TARGET_VRAM, 0, MOCKGPU_PAGE_COPY_FAILED);
	stays("copy", MOCKGPU_TARGET_SYSTEM, 0, MOCKGPU_PAGE_COPY_FAILED);
	stays("alloc-ram", MOCKGPU_TARGET_SYSTEM, -ENOMEM, MOCKGPU_PAGE_NO_RAM);
	/* That is tried again. */
	stays("page-lock", MOCKGPU_TARGET_VRAM, 0, MOCKGPU_PAGE_MOVED);
	stays("page-lock", MOCKGPU_TARGET_SYSTEM, 0, MOCKGPU_PAGE_MOVED);
}

static void L1_vram_is_full(void)
{
	struct drm_mockgpu_counters before;
	uint8_t want[PAGES];

	t.dev = gpu_open(0);
	set_scene(&(const struct call){ 0 });
	before = gpu_counters(t.dev);
	memset(want, MOCKGPU_PAGE_NO_VRAM, sizeof(want));
	BREAK(t.dev, "alloc-vram");
	CHECK_MIGRATE(t.dev, t.p, PAGES, MOCKGPU_TARGET_VRAM, 0, -ENOMEM, want);
	CHECK_COUNTED(t.dev, &before, .no_vram = PAGES);
	CHECK_FILL(t.p, PAGES, t.tag, 0);
}

/* Out of memory is tried again by the kernel, and then it works. */
static void L1_cpu_fault_out_of_memory(void)
{
	struct drm_mockgpu_counters before;
	struct arm arm;

	t.dev = gpu_open_private();
	set_scene(&(const struct call){ .from_vram = true });
	before = gpu_counters(t.dev);
	arm = BREAK(t.dev, "alloc-ram", .count = 3);
	CHECK_FILL(t.p, PAGES, t.tag, 0);
	CHECK_EQ(arm_look(arm).acted, 3);
	CHECK_COUNTED(t.dev, &before, .pages_cpu_fault = PAGES, .cpu_faults_failed = 3,
		      .vram_used_bytes = -PAGES * PAGE);
}

static void touch_for_ever(struct actor *self)
{
	cue(self);
	*(volatile char *)t.p;
	FAIL("it came home without memory");
}

/* For good: it stays in the fault, can be killed, and the page is what it was for others. */
static void L1_cpu_fault_out_of_memory_for_good(void)
{
	struct actor *actor = actor_new();
	uint64_t start;
	struct arm arm;

	t.dev = gpu_open_private();
	set_scene(&(const struct call){ .from_vram = true });
	actor_start(actor, touch_for_ever);
	arm = BREAK(t.dev, "alloc-ram", .pid = 0);
	actor_go(actor);
	AWAIT_HITS(arm, 10);
	start = now_ns();
	CHECK_SYS(kill(actor->pid, SIGKILL));
	join_killed(actor->pid, SIGKILL);
	CHECK_LE(now_ns() - start, BOUND_NS);
	arm_release(arm);
	CHECK_FILL(t.p, PAGES, t.tag, 0);
}

static void touch_and_die(void *unused)
{
	signal(SIGBUS, SIG_DFL);
	*(volatile char *)t.p;
}

/* The memory behind the page is broken: that is a SIGBUS, and nothing is lost that was not. */
static void L1_cpu_fault_copy_fails(void)
{
	struct drm_mockgpu_counters before;
	struct arm arm;

	t.dev = gpu_open_private();
	set_scene(&(const struct call){ .from_vram = true });
	before = gpu_counters(t.dev);
	arm = BREAK(t.dev, "copy", .count = 1);
	join_killed(spawn(touch_and_die, NULL), SIGBUS);
	CHECK_EQ(arm_look(arm).acted, 1);
	CHECK_COUNTED(t.dev, &before, .cpu_faults_failed = 1, .copy_failures = 1);
	CHECK_FILL(t.p, PAGES, t.tag, 0);
}

/* A page that is in use by others for a moment: the touch is tried again. */
static void L1_cpu_fault_page_in_use(void)
{
	struct drm_mockgpu_counters before, after;

	t.dev = gpu_open_private();
	set_scene(&(const struct call){ .from_vram = true });
	before = gpu_counters(t.dev);
	BREAK(t.dev, "page-lock", .count = 5);
	CHECK_FILL(t.p, PAGES, t.tag, 0);
	after = gpu_counters(t.dev);
	CHECK_EQ(after.cpu_faults_retried - before.cpu_faults_retried, 5);
	CHECK_COUNTED(t.dev, &before, .pages_cpu_fault = PAGES, .vram_used_bytes = -PAGES * PAGE);
}

/*
 * What is 2 MiB comes home whole without memory to spare, and where a copy fails: it gets the memory
 * behind it.  Without memory for the call itself the touch is tried again.
 */
static void L1_huge_cpu_fault(void)
{
	struct drm_mockgpu_counters before;
	struct arm copy, alloc;

	t.dev = gpu_open_huge();
	t.tag = new_tag();
	t.p = huge_in_vram(t.dev, t.tag);
	before = gpu_counters(t.dev);
	copy = BREAK(t.dev, "copy", .first = 300, .count = 1);
	alloc = BREAK(t.dev, "alloc", .count = 2);
	CHECK_FILL(t.p, N, t.tag, 0);
	CHECK_EQ(arm_look(copy).hits, 300);
	CHECK_EQ(arm_look(alloc).acted, 2);
	CHECK_COUNTED(t.dev, &before, .pages_cpu_fault = N, .cpu_faults = 1, .huge_to_system = 1,
		      .cpu_faults_failed = 2, .vram_used_bytes = -HUGE);
}

#define SCENARIO(name) { #name, name, 120, 0 }

const struct scenario scenarios[] = {
	SCENARIO(L1_each_allocation),
	SCENARIO(L1_each_copy),
	SCENARIO(L1_each_page_lock),
	SCENARIO(L1_each_page_of_vram),
	SCENARIO(L1_each_page_of_ram),
	SCENARIO(L1_what_stays_says_why),
	SCENARIO(L1_vram_is_full),
	SCENARIO(L1_cpu_fault_out_of_memory),
	SCENARIO(L1_cpu_fault_out_of_memory_for_good),
	SCENARIO(L1_cpu_fault_copy_fails),
	SCENARIO(L1_cpu_fault_page_in_use),
	SCENARIO(L1_huge_cpu_fault),
	{ 0 }
};
