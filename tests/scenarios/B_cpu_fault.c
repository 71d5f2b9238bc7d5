// SPDX-License-Identifier: MIT
/*
 * The CPU touches pages that are in VRAM: rows B1, B2 (a thousand touches by eight against a
 * migrating thread), B5 and B6.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gpu.h"
#include "process.h"

#define TOUCHERS	8

/* What the touching threads or processes share; it lies in shared memory. */
struct common {
	pthread_barrier_t barrier;
	void *pages;
	uint16_t tag;
	atomic_uint generation;		/* counts the page's arrivals in VRAM */
	atomic_uint finished;
	atomic_ullong slowest;
	bool write;
};

static struct common *common_new(void *pages, uint16_t tag)
{
	struct common *common = map_shared(1);
	pthread_barrierattr_t attr;

	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	CHECK_EQ(pthread_barrier_init(&common->barrier, &attr, TOUCHERS), 0);
	common->pages = pages;
	common->tag = tag;
	return common;
}

static void took(struct common *common, uint64_t start)
{
	unsigned long long ns = now_ns() - start, slowest = atomic_load(&common->slowest);

	while (ns > slowest && !atomic_compare_exchange_weak(&common->slowest, &slowest, ns))
		;
	CHECK_LE(ns, BOUND_NS);
}

#define ROUNDS 200

/* All meet, then all touch the same page: a page a round. */
static void touch_together(struct common *common)
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		volatile uint64_t *page = AT(common->pages, i);
		uint64_t start;

		pthread_barrier_wait(&common->barrier);
		start = now_ns();
		CHECK_EQ(*page, fill_word(common->tag, i, 0));
		took(common, start);
		CHECK_FILL(AT(common->pages, i), 1, common->tag, i);
	}
}

static void *touch_together_thread(void *arg)
{
	touch_together(arg);
	return NULL;
}

static void touch_together_process(void *arg)
{
	touch_together(arg);
}

static void B1_eight_threads(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag();
	void *p = map_filled(ROUNDS, tag);
	struct common *common = common_new(p, tag);
	pthread_t threads[TOUCHERS];
	struct drm_mockgpu_counters c;

	TO_VRAM(dev, p, ROUNDS);
	c = gpu_counters(dev);
	for (unsigned int i = 0; i < TOUCHERS; i++)
		threads[i] = thread_start(touch_together_thread, common);
	for (unsigned int i = 0; i < TOUCHERS; i++)
		thread_join(threads[i]);
	/* Each page was moved once, whoever came first; who moved nothing was sent round again. */
	CHECK_COUNTED(dev, &c, .pages_cpu_fault = ROUNDS, .vram_used_bytes = -ROUNDS * PAGE);
	CHECK_PLACE(dev, p, ROUNDS, IN_SYSTEM);
	note("slowest touch: %llu us", common->slowest / 1000);
}

static void B1_eight_processes(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag();
	void *p = map_filled(ROUNDS, tag);
	struct common *common = common_new(p, tag);
	struct drm_mockgpu_counters c;
	pid_t children[TOUCHERS];

	TO_VRAM(dev, p, ROUNDS);
	c = gpu_counters(dev);
	for (unsigned int i = 0; i < TOUCHERS; i++)
		children[i] = spawn(touch_together_process, common);
	for (unsigned int i = 0; i < TOUCHERS; i++)
		join(children[i]);
	CHECK_COUNTED(dev, &c, .pages_cpu_fault = ROUNDS, .vram_used_bytes = -ROUNDS * PAGE);
	CHECK_PLACE(dev, p, ROUNDS, IN_SYSTEM);
	CHECK_FILL(p, ROUNDS, tag, 0);
	note("slowest touch: %llu us", common->slowest / 1000);
}

#define TOUCHES 1000

/*
 * Touches the page once for each time that it was moved to VRAM.  Where @write, each toucher also
 * counts in a word of its own in the page, so that a write that got lost on the way is seen.
 */
static void touch_when_in_vram(struct common *common, unsigned int number)
{
	volatile uint64_t *page = common->pages;
	unsigned int last = 0;

	for (unsigned int i = 0; i < TOUCHES; i++) {
		uint64_t start = now_ns(), word = TOUCHERS + i % (WORDS - TOUCHERS);

		while (atomic_load(&common->generation) == last) {
			if (now_ns() - start > 5 * BOUND_NS)
				FAIL("touch %u: the page did not get to VRAM again for 10 s", i);
			/* Not sched_yield(): each moves the thread back by a time slice, for good. */
			usleep(50);
		}
		last = atomic_load(&common->generation);
		start = now_ns();
		CHECK_EQ(page[word], fill_word(common->tag, 0, word));
		if (common->write)
			page[number]++;
		took(common, start);
	}
	atomic_fetch_add(&common->finished, 1);
}

struct toucher {
	struct common *common;
	unsigned int number;
};

static void *touch_when_in_vram_thread(void *arg)
{
	struct toucher *toucher = arg;

	touch_when_in_vram(toucher->common, toucher->number);
	return NULL;
}

static void touch_when_in_vram_process(void *arg)
{
	touch_when_in_vram_thread(arg);
}

/* Moves the page to VRAM again and again until all have touched it often enough. */
static void migrate_until_finished(struct mockgpu_device *dev, struct common *common)
{
	struct drm_mockgpu_counters before = gpu_counters(dev), after;
	unsigned int arrived = 0, stayed = 0;
	struct mockgpu_migrated result;

	while (atomic_load(&common->finished) < TOUCHERS) {
		CHECK_EQ(mockgpu_migrate(dev, common->pages, PAGE, MOCKGPU_TARGET_VRAM, 0,
					 &result, NULL), 0);
		arrived += result.count[MOCKGPU_PAGE_MOVED] != 0;
		stayed += result.count[MOCKGPU_PAGE_BUSY] != 0;
		if (result.count[MOCKGPU_PAGE_MOVED] || result.count[MOCKGPU_PAGE_ALREADY])
			atomic_fetch_add(&common->generation, 1);
	}
	after = gpu_counters(dev);
	note("%u times to VRAM, %u times busy, slowest touch: %llu us", arrived, stayed,
	     common->slowest / 1000);
	CHECK_GE(arrived, TOUCHES / 10);
	CHECK_EQ(after.pages_to_vram - before.pages_to_vram, arrived);
	CHECK_EQ(after.cpu_faults_failed - before.cpu_faults_failed, 0);
	/* What went there came back, but perhaps for the last time. */
	CHECK_EQ(arrived - (after.pages_cpu_fault - before.pages_cpu_fault),
		 !!(gpu_res(dev, common->pages) & MOCKGPU_RES_VRAM));
}

static void B2_eight_threads_against_migration(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag();
	uint64_t *p = map_filled(1, tag);
	struct common *common = common_new(p, tag);
	struct toucher touchers[TOUCHERS];
	pthread_t threads[TOUCHERS];

	common->write = true;
	memset(p, 0, TOUCHERS * sizeof(*p));
	for (unsigned int i = 0; i < TOUCHERS; i++) {
		touchers[i] = (struct toucher){ common, i };
		threads[i] = thread_start(touch_when_in_vram_thread, &touchers[i]);
	}
	migrate_until_finished(dev, common);
	for (unsigned int i = 0; i < TOUCHERS; i++)
		thread_join(threads[i]);
	for (unsigned int i = 0; i < TOUCHERS; i++)
		CHECK_EQ(p[i], TOUCHES);
	for (unsigned int i = TOUCHERS; i < WORDS; i++)
		CHECK_EQ(p[i], fill_word(tag, 0, i));
}

static void B2_eight_processes_against_migration(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag();
	void *p = map_filled(1, tag);
	struct common *common = common_new(p, tag);
	struct toucher toucher = { common, 0 };
	pid_t children[TOUCHERS];

	for (unsigned int i = 0; i < TOUCHERS; i++)
		children[i] = spawn(touch_when_in_vram_process, &toucher);
	migrate_until_finished(dev, common);
	for (unsigned int i = 0; i < TOUCHERS; i++)
		join(children[i]);
	CHECK_FILL(p, 1, tag, 0);
}

#define DROPPED	600

struct dropper {
	char *pages;
	atomic_uint at;		/* the page that is both touched and dropped */
	atomic_uint done;
};

static void *drop_pages(void *arg)
{
	struct dropper *dropper = arg;

	for (unsigned int i = 0; i < DROPPED; i++) {
		while (atomic_load(&dropper->at) <= i)
			;
		for (volatile unsigned int delay = i % 16 * 32; delay; delay--)
			;
		CHECK_SYS(madvise(AT(dropper->pages, i), PAGE, MADV_DONTNEED));
		atomic_store(&dropper->done, i + 1);
	}
	return NULL;
}

/*
 * A page is dropped by one thread while another touches it.  When the fault comes to move it there
 * may be none any more: the toucher finds what is there instead.
 */
static void B2_dropped_while_touched(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	struct dropper dropper = { .pages = map_filled(DROPPED, tag) };
	struct drm_mockgpu_counters before = gpu_counters(dev), after;
	unsigned int found = 0;
	pthread_t thread;

	TO_VRAM(dev, dropper.pages, DROPPED);
	thread = thread_start(drop_pages, &dropper);
	for (unsigned int i = 0; i < DROPPED; i++) {
		volatile uint64_t *page = AT(dropper.pages, i);
		uint64_t word;

		atomic_store(&dropper.at, i + 1);
		for (volatile unsigned int delay = i / 16 % 16 * 32; delay; delay--)
			;
		word = page[1];
		if (word)
			CHECK_EQ(word, fill_word(tag, i, 1));
		found += word != 0;
		while (atomic_load(&dropper.done) <= i)
			;
		CHECK_ZERO((void *)page, 1);
	}
	thread_join(thread);
	after = gpu_counters(dev);
	note("%u of %u found the page, %llu faults found none", found, DROPPED,
	     (unsigned long long)(after.cpu_faults_retried - before.cpu_faults_retried));
	CHECK_EQ(after.cpu_faults_failed, before.cpu_faults_failed);
	CHECK_EQ(after.vram_used_bytes, before.vram_used_bytes);
}

struct eater {
	int gate;		/* opened when there is little left */
	unsigned long little_kb;
	bool until_killed;	/* or keeps what it has then */
};

/*
 * Takes memory.  Who keeps it takes huge pages, which is sooner done.  Who is to be killed for it
 * takes small ones: the kernel says of a killed process that its memory is free a while before so
 * many huge pages are, and then it finds nobody else to kill.
 */
static void eat_memory(void *arg)
{
	const struct eater *eater = arg;
	size_t size = (meminfo_kb("MemTotal") + meminfo_kb("SwapTotal")) * 2048;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	bool told = false;

	CHECK(p != MAP_FAILED);
	CHECK_SYS(madvise(p, size, eater->until_killed ? MADV_NOHUGEPAGE : MADV_HUGEPAGE));
	write_number("/proc/self/oom_score_adj", eater->until_killed ? 1000 : -1000);
	for (size_t i = 0; i < size; i += PAGE) {
		p[i] = 1;
		if (told || i % (4 * HUGE) || meminfo_kb("MemAvailable") >= eater->little_kb)
			continue;
		gate_open(eater->gate, 1);
		if (!eater->until_killed)
			pause();
		told = true;
	}
	FAIL("took %zu bytes and nothing happened", size);
}

/*
 * No memory for the way back.  The kernel finds some by killing the process that took it all; the
 * faults wait for that, and lose nothing.  Every second page is touched, so that hardly any block
 * behind VRAM gets empty and helps out.
 */
static void B5_no_memory_on_the_way_back(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	enum { PAGES = 16384 };
	uint16_t tag = new_tag();
	void *p = map_filled(PAGES, tag);
	struct drm_mockgpu_counters c;
	struct eater most = { gate_new(), 256 << 10, false };
	struct eater rest = { gate_new(), 48 << 10, true };
	pid_t keeps, eats;

	expect_oom_report();
	write_number("/proc/self/oom_score_adj", -1000);
	TO_VRAM(dev, p, PAGES);
	c = gpu_counters(dev);
	keeps = spawn(eat_memory, &most);
	gate_wait(most.gate);
	eats = spawn(eat_memory, &rest);
	gate_wait(rest.gate);
	for (unsigned int i = 0; i < PAGES; i += 2)
		CHECK_FILL(AT(p, i), 1, tag, i);
	join_killed(eats, SIGKILL);
	CHECK_SYS(kill(keeps, SIGKILL));
	join_killed(keeps, SIGKILL);
	CHECK_EQ(gpu_counters(dev).pages_cpu_fault - c.pages_cpu_fault, PAGES / 2);
	CHECK_FILL(p, PAGES, tag, 0);
	CHECK_EQ(gpu_counters(dev).pages_cpu_fault - c.pages_cpu_fault, PAGES);
}

#define LEFT 300	/* pages that outlive their opener */

struct orphan {
	int ready, go, done;	/* gates */
	pid_t pid;
	enum { CLOSES, EXITS, IS_KILLED } opener;
	uint16_t tag;
};

/* Opens the device, moves its memory to VRAM, has a child, and goes. */
static void open_and_leave(void *arg)
{
	struct orphan *orphan = arg;
	struct mockgpu_device *dev = gpu_open(0);
	void *p = map_filled(LEFT, orphan->tag);
	pid_t pid;

	TO_VRAM(dev, p, LEFT);
	GPU_CHECK_FILL(dev, p, LEFT, orphan->tag, 0);
	pid = (pid_t)CHECK_SYS(fork());
	if (!pid) {
		mockgpu_close(dev);
		gate_wait(orphan->go);
		CHECK_FILL(p, LEFT, orphan->tag, 0);
		fill(p, LEFT, orphan->tag, 1000);
		CHECK_FILL(p, LEFT, orphan->tag, 1000);
		gate_open(orphan->done, 1);
		_exit(0);
	}
	orphan->pid = pid;
	if (orphan->opener == CLOSES)
		mockgpu_close(dev);
	gate_open(orphan->ready, 1);
	if (orphan->opener == EXITS)
		_exit(0);
	pause();
}

static void child_faults_after(int opener_does)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct drm_mockgpu_counters c = gpu_counters(dev);
	struct orphan *orphan = map_shared(1);
	uint16_t canary = new_tag();
	pid_t opener;
	void *p;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	orphan->ready = gate_new();
	orphan->go = gate_new();
	orphan->done = gate_new();
	orphan->opener = opener_does;
	orphan->tag = new_tag();
	opener = spawn(open_and_leave, orphan);
	gate_wait(orphan->ready);
	if (opener_does == IS_KILLED)
		CHECK_SYS(kill(opener, SIGKILL));
	if (opener_does == EXITS)
		join(opener);
	if (opener_does == IS_KILLED)
		join_killed(opener, SIGKILL);
	CHECK_EQ(gpu_counters(dev).vram_used_bytes - c.vram_used_bytes, LEFT * PAGE);
	/* Had a page been freed with its opener, this would be written into it. */
	p = map_filled(4 * LEFT, canary);
	TO_VRAM(dev, p, 4 * LEFT);
	gate_open(orphan->go, 1);
	gate_wait(orphan->done);
	if (gpu_has(dev, MOCKGPU_CAP_PRIVATE))
		CHECK_EQ(gpu_counters(dev).pages_cpu_fault - c.pages_cpu_fault, LEFT);
	GPU_CHECK_FILL(dev, p, 4 * LEFT, canary, 0);
	CHECK_FILL(p, 4 * LEFT, canary, 0);
	if (opener_does == CLOSES) {
		kill(opener, SIGKILL);
		join_killed(opener, SIGKILL);
	}
	join(orphan->pid);	/* ours by now */
}

static void B6_child_after_opener_closed(void)
{
	child_faults_after(CLOSES);
}

static void B6_child_after_opener_exited(void)
{
	child_faults_after(EXITS);
}

static void B6_child_after_opener_was_killed(void)
{
	child_faults_after(IS_KILLED);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(B1_eight_threads),
	SCENARIO(B1_eight_processes),
	{ "B2_eight_threads_against_migration", B2_eight_threads_against_migration, 120, 0 },
	{ "B2_eight_processes_against_migration", B2_eight_processes_against_migration, 120, 0 },
	SCENARIO(B2_dropped_while_touched),
	{ "B5_no_memory_on_the_way_back", B5_no_memory_on_the_way_back, 120, 0 },
	SCENARIO(B6_child_after_opener_closed),
	SCENARIO(B6_child_after_opener_exited),
	SCENARIO(B6_child_after_opener_was_killed),
	{ 0 }
};
