// SPDX-License-Identifier: MIT
/*
 * Working sets that are larger than VRAM, of one process and of many: row J1.  Every byte is right,
 * nobody is refused or killed, the counters add up, and whoever is told to ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "module.h"
#include "process.h"
#include "queue.h"

#define VRAM_MB	8
#define ROOM	(VRAM_MB * MIB / PAGE)	/* pages of VRAM */
#define MIB	(1UL << 20)
#define CHUNK	32UL		/* pages that are used together */
#define CHUNKS_MOST (8 * ROOM / CHUNK)
#define WORKERS	8U
/* How long they work, unless MOCKGPU_STRESS_S says so; and how much each of them does at least. */
#define SECONDS	3
#define LEAST	16

static struct mockgpu_device *reload(void)
{
	struct mockgpu_device *dev;

	module_reload(1, VRAM_MB);
	dev = gpu_open(0);
	CHECK_EQ(gpu_vram_pages(dev), ROOM);
	return dev;
}

/* What came in is what went out and what is there; no page was given up by its owner. */
static void check_sums(struct mockgpu_device *dev, size_t resident)
{
	uint64_t end = now_ns() + BOUND_NS;
	struct drm_mockgpu_counters c;

	do
		c = gpu_counters(dev);
	while (c.vram_used_bytes != resident * PAGE && now_ns() < end);
	CHECK_EQ(c.vram_used_bytes, resident * PAGE);
	CHECK_EQ(c.pages_to_vram, c.pages_to_system + c.pages_evicted + c.pages_cpu_fault +
				  resident);
	CHECK_LE(c.pages_evicted_room, c.pages_evicted);
	CHECK_EQ(c.copy_failures, 0);
	CHECK_EQ(c.cpu_faults_failed, 0);
	note("%llu pages to VRAM, %llu made room, %llu passed over, %llu without room",
	     (unsigned long long)c.pages_to_vram, (unsigned long long)c.pages_evicted_room,
	     (unsigned long long)c.evict_passed_over, (unsigned long long)c.no_vram);
}

/* One call moves it all, and its end is there afterwards; the device reads all, and the CPU. */
static void J1_a_range_larger_than_vram(void)
{
	static const size_t sizes[] = { ROOM / 8 * 9, 2 * ROOM, 8 * ROOM };
	struct mockgpu_device *dev = reload();

	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t pages = sizes[i], there;
		struct drm_mockgpu_counters c = gpu_counters(dev), now;
		uint16_t tag = new_tag();
		void *p = map_filled(pages, tag);

		CHECK_EQ(c.vram_used_bytes, 0);
		TO_VRAM(dev, p, pages);
		now = gpu_counters(dev);
		there = now.vram_used_bytes / PAGE;
		CHECK_LE(there, ROOM);
		/* No more went than had to. */
		CHECK_GE(there, ROOM - 512);
		CHECK_EQ(now.pages_to_vram - c.pages_to_vram, pages);
		CHECK_EQ(now.pages_evicted_room - c.pages_evicted_room, pages - there);
		CHECK_EQ(now.evict_passed_over, 0);
		CHECK_EQ(now.no_vram, 0);
		CHECK_PLACE(dev, AT(p, pages - ROOM / 2), ROOM / 2, IN_VRAM);
		GPU_CHECK_FILL(dev, p, pages, tag, 0);
		CHECK_FILL(p, pages, tag, 0);
		CHECK_EQ(mockgpu_to_system(dev, p, pages * PAGE), 0);
		check_sums(dev, 0);
		unmap(p, pages);
	}
}

/* A process that uses its memory by the device, by the CPU, and by calls, in no order. */
struct worker {
	struct mockgpu_device *dev;
	unsigned int nr;
	size_t chunks;
	bool alone;
	bool crowded;		/* there is twice as much memory as VRAM, or more */
	char *p;
	uint16_t generation;
	uint16_t tags[CHUNKS_MOST];
};

/* Never 0, which stands for memory that is clear. */
static uint16_t next_tag(struct worker *w)
{
	if (w->generation == 0x1fff)
		w->generation = 0;
	return (uint16_t)(w->nr << 13 | ++w->generation);
}

static void use_chunk(struct worker *w, size_t i)
{
	void *p = w->p + i * CHUNK * PAGE;
	uint16_t *tag = &w->tags[i];
	int ret;

	switch (random_below(8)) {
	case 0:
	case 1:
		*tag = next_tag(w);
		gpu_fill(w->dev, p, CHUNK, *tag, i * CHUNK);
		break;
	case 2:
	case 3:
		GPU_CHECK_FILL(w->dev, p, CHUNK, *tag, i * CHUNK);
		break;
	case 4:
		*tag = next_tag(w);
		fill(p, CHUNK, *tag, i * CHUNK);
		break;
	case 5:
		CHECK_FILL(p, CHUNK, *tag, i * CHUNK);
		break;
	case 6:
		ret = mockgpu_migrate(w->dev, p, CHUNK * PAGE, MOCKGPU_TARGET_VRAM, 0, NULL, NULL);
		/* Others may hold all of it for a moment. */
		if (ret && (w->alone || ret != -ENOMEM))
			FAIL("to VRAM: %s", strerror(-ret));
		break;
	default:
		CHECK_EQ(mockgpu_evict(w->dev, p, CHUNK * PAGE, NULL), 0);
	}
}

static void worker_begin(struct worker *w)
{
	size_t pages = w->chunks * CHUNK;

	w->p = map_hole(pages);
	for (size_t i = 0; i < w->chunks; i++) {
		w->tags[i] = next_tag(w);
		fill(w->p + i * CHUNK * PAGE, CHUNK, w->tags[i], i * CHUNK);
	}
	/* One half must be in VRAM, the other had better be. */
	CHECK_EQ(mockgpu_advise(w->dev, w->p, pages * PAGE, MOCKGPU_ADVICE_GRANULARITY, 4), 0);
	CHECK_EQ(mockgpu_advise(w->dev, w->p, pages / 2 * PAGE, MOCKGPU_ADVICE_MUST_VRAM, 1), 0);
	CHECK_EQ(mockgpu_advise(w->dev, AT(w->p, pages / 2), pages / 2 * PAGE,
				MOCKGPU_ADVICE_PLACE, MOCKGPU_PLACE_DEVICE(0)), 0);
}

/* All of it is right, and comes home. */
static void worker_end(struct worker *w)
{
	uint64_t end = now_ns() + 5 * BOUND_NS;
	size_t pages = w->chunks * CHUNK;
	int ret;

	for (size_t i = 0; i < w->chunks; i++)
		CHECK_FILL(w->p + i * CHUNK * PAGE, CHUNK, w->tags[i], i * CHUNK);
	/* What others evict at this moment is busy. */
	do
		ret = mockgpu_to_system(w->dev, w->p, pages * PAGE);
	while (ret == -EBUSY && now_ns() < end);
	CHECK_EQ(ret, 0);
	for (size_t i = 0; i < w->chunks; i++)
		CHECK_FILL(w->p + i * CHUNK * PAGE, CHUNK, w->tags[i], i * CHUNK);
}

/* For so many seconds, and until room was made, where there are enough of them for that. */
static unsigned long use_chunks(struct worker *w)
{
	const char *text = getenv("MOCKGPU_STRESS_S");
	uint64_t seconds = text && *text ? strtoull(text, NULL, 10) : SECONDS;
	uint64_t end = now_ns() + seconds * NS_PER_S;
	unsigned long uses = 0;

	for (; now_ns() < end || uses < LEAST ||
	       (w->crowded && !gpu_counters(w->dev).pages_evicted_room); uses++)
		use_chunk(w, random_below(w->chunks));
	return uses;
}

static void J1_one_process_works(void)
{
	static const size_t eighths[] = { 9, 16, 64 };
	struct mockgpu_device *dev = reload();

	for (unsigned int i = 0; i < ARRAY_SIZE(eighths); i++) {
		static struct worker w;
		unsigned long uses;

		w = (struct worker){
			.dev = dev, .nr = i, .alone = true, .crowded = eighths[i] >= 16,
			.chunks = eighths[i] * ROOM / 8 / CHUNK,
		};
		worker_begin(&w);
		uses = use_chunks(&w);
		worker_end(&w);
		note("%lu eighths of VRAM: %lu uses", (unsigned long)eighths[i], uses);
		check_sums(dev, 0);
		unmap(w.p, w.chunks * CHUNK);
	}
	CHECK_GE(gpu_counters(dev).pages_evicted_room, 1);
}

static struct {
	size_t chunks;		/* of each */
	int done, leave;
} crew;

static void work_beside_others(void *arg)
{
	static struct worker w;
	unsigned long uses;

	w = (struct worker){
		.dev = gpu_open(0), .nr = *(unsigned int *)arg, .chunks = crew.chunks,
		.crowded = true,
	};
	/* Each has a row of random figures of its own. */
	for (unsigned int i = 0; i < 1000 * w.nr; i++)
		random_u64();
	worker_begin(&w);
	uses = use_chunks(&w);
	worker_end(&w);
	note("worker %u: %lu uses", w.nr, uses);
	gate_open(crew.done, 1);
	gate_wait(crew.leave);
}

static void work_together(size_t eighths)
{
	struct mockgpu_device *dev = reload();
	unsigned int nr[WORKERS];
	pid_t pids[WORKERS];
	uint64_t end;

	crew.chunks = eighths * ROOM / 8 / WORKERS / CHUNK;
	crew.done = gate_new();
	crew.leave = gate_new();
	for (unsigned int i = 0; i < WORKERS; i++) {
		nr[i] = i;
		pids[i] = spawn(work_beside_others, &nr[i]);
	}
	end = now_ns() + SECONDS * NS_PER_S;
	while (now_ns() < end) {
		CHECK_LE(gpu_counters(dev).vram_used_bytes, ROOM * PAGE);
		sleep_ms(10);
	}
	for (unsigned int i = 0; i < WORKERS; i++)
		gate_wait(crew.done);
	check_sums(dev, 0);
	CHECK_GE(gpu_counters(dev).pages_evicted_room, 1);
	gate_open(crew.leave, WORKERS);
	for (unsigned int i = 0; i < WORKERS; i++)
		join(pids[i]);
}

static void J1_eight_processes_work_on_two_times_vram(void)
{
	work_together(16);
}

static void J1_eight_processes_work_on_eight_times_vram(void)
{
	work_together(64);
}

/* One call is long: it is in the midst of it that it is to end. */
static void move_for_ever(void *arg)
{
	struct mockgpu_device *dev = gpu_open(0);
	void *p = map_filled(16 * ROOM, new_tag());

	for (;;)
		CHECK_EQ(mockgpu_to_vram(dev, p, 16 * ROOM * PAGE), 0);
}

static void touch_for_ever(void *arg)
{
	struct queue q = queue_new(gpu_open(0));
	void *p = map_filled(2 * ROOM, new_tag());

	CHECK_EQ(mockgpu_advise(q.dev, p, 2 * ROOM * PAGE, MOCKGPU_ADVICE_MUST_VRAM, 1), 0);
	for (;;)
		FINISHES(q, submit(q, (struct drm_mockgpu_cmd[]){
			cmd_fill(p, 2 * ROOM * PAGE, 8, 1) }, 1, NULL), 0);
}

/* Whoever makes room ends within a second, by a call and by the device, and leaves nothing. */
static void J1_whoever_makes_room_can_be_ended(void)
{
	static const int signals[] = { SIGINT, SIGKILL };
	struct mockgpu_device *dev = reload();

	for (unsigned int i = 0; i < 4; i++) {
		struct drm_mockgpu_counters c = gpu_counters(dev);
		pid_t pid = spawn(i / 2 ? touch_for_ever : move_for_ever, NULL);
		uint64_t start;

		while (gpu_counters(dev).pages_evicted_room - c.pages_evicted_room <
		       ROOM + random_below(ROOM))
			sleep_ms(1);
		start = now_ns();
		CHECK_SYS(kill(pid, signals[i % 2]));
		join_killed(pid, signals[i % 2]);
		CHECK_LE(now_ns() - start, NS_PER_S * slowness());
		while (gpu_counters(dev).vram_used_bytes && now_ns() - start < 2 * BOUND_NS)
			sleep_ms(5);
		CHECK_EQ(gpu_counters(dev).vram_used_bytes, 0);
	}
}

#define RELOADING(name) { #name, name, 1800, RELOADS }

const struct scenario scenarios[] = {
	RELOADING(J1_a_range_larger_than_vram),
	RELOADING(J1_one_process_works),
	RELOADING(J1_eight_processes_work_on_two_times_vram),
	RELOADING(J1_eight_processes_work_on_eight_times_vram),
	RELOADING(J1_whoever_makes_room_can_be_ended),
	{ 0 }
};
