// SPDX-License-Identifier: MIT
/*
 * Huge pages: group G.  A folio of 2 MiB goes to VRAM and comes home whole where it can, and as
 * pages where it cannot.  G_split.c takes it apart while it is in VRAM.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "gpu.h"
#include "huge.h"
#include "module.h"
#include "process.h"

static void G1_whole_2mib_there_and_back(void)
{
	struct mockgpu_device *dev = gpu_open_huge();
	uint16_t tag = new_tag();
	char *p = huge_in_system(dev, tag);
	struct drm_mockgpu_counters c = gpu_counters(dev);

	TO_VRAM(dev, p, N);
	CHECK_RES(dev, p, N, RES_PLACE | RW | ORDER, IN_VRAM | RW | ORDER_9);
	CHECK_COUNTED(dev, &c, .pages_to_vram = N, .huge_to_vram = 1, .vram_used_bytes = HUGE);
	GPU_CHECK_FILL(dev, p, N, tag, 0);
	CHECK_COUNTED(dev, &c, .gpu_faults = 1, .gpu_bytes_read = HUGE);
	CHECK_EQ(*(uint64_t *)AT(p, 300), fill_word(tag, 300, 0));
	CHECK_COUNTED(dev, &c, .pages_cpu_fault = N, .cpu_faults = 1, .huge_to_system = 1,
		      .vram_used_bytes = -HUGE);
	CHECK_RES(dev, p, N, RES_PLACE | RW | ORDER, IN_SYSTEM | RW | ORDER_9);
	CHECK_FILL(p, N, tag, 0);
}

/* The device writes in VRAM; a write of the CPU brings it home. */
static void G1_both_write(void)
{
	struct mockgpu_device *dev = gpu_open_huge();
	uint16_t tag = new_tag(), new = new_tag();
	char *p = huge_in_vram(dev, tag);
	struct drm_mockgpu_counters c;

	for (unsigned int page = 1; page < N; page += 2)
		gpu_fill(dev, AT(p, page), 1, new, page);
	c = gpu_counters(dev);
	fill(AT(p, 510), 1, new, 510);
	CHECK_COUNTED(dev, &c, .pages_cpu_fault = N, .cpu_faults = 1, .huge_to_system = 1,
		      .vram_used_bytes = -HUGE);
	for (unsigned int page = 0; page < N; page++)
		CHECK_FILL(AT(p, page), 1, page % 2 || page == 510 ? new : tag, page);
}

static void G1_migrate_home_whole(void)
{
	struct mockgpu_device *dev = gpu_open_huge();
	uint16_t tag = new_tag();
	char *p = huge_in_vram(dev, tag);
	struct drm_mockgpu_counters c = gpu_counters(dev);

	TO_SYSTEM(dev, p, N);
	CHECK_COUNTED(dev, &c, .pages_to_system = N, .huge_to_system = 1, .vram_used_bytes = -HUGE);
	CHECK_RES(dev, p, N, RES_PLACE | RW | ORDER, IN_SYSTEM | RW | ORDER_9);
	CHECK_FILL(p, N, tag, 0);
	CHECK_COUNTED(dev, &c);
}

/* As a whole or not at all goes by pages: the huge page is split on the way. */
static void G1_all_or_nothing_splits(void)
{
	struct mockgpu_device *dev = gpu_open_huge();
	uint16_t tag = new_tag();
	char *p = huge_in_system(dev, tag);
	struct drm_mockgpu_counters c = gpu_counters(dev);

	CHECK_MIGRATE(dev, p, N, MOCKGPU_TARGET_VRAM, MOCKGPU_MIGRATE_ALL_OR_NOTHING, 0, NULL);
	CHECK_RES(dev, p, N, RES_PLACE | RW | ORDER, IN_VRAM | RW);
	CHECK_COUNTED(dev, &c, .pages_to_vram = N, .vram_used_bytes = HUGE);
	GPU_CHECK_FILL(dev, p, N, tag, 0);
	CHECK_FILL(p, N, tag, 0);
	/* The same home, from a huge page in VRAM. */
	p = huge_in_vram(dev, tag);
	c = gpu_counters(dev);
	CHECK_MIGRATE(dev, p, N, MOCKGPU_TARGET_SYSTEM, MOCKGPU_MIGRATE_ALL_OR_NOTHING, 0, NULL);
	CHECK_COUNTED(dev, &c, .pages_to_system = N, .vram_used_bytes = -HUGE);
	CHECK_FILL(p, N, tag, 0);
}

/* Whoever asks for one page of it, by way of EVICT, gets all: it goes by the physical page. */
static void G1_evict_whole(void)
{
	struct mockgpu_device *dev = gpu_open_huge();
	uint16_t tag = new_tag();
	char *p = huge_in_vram(dev, tag);
	struct drm_mockgpu_counters c = gpu_counters(dev);
	struct mockgpu_evicted result;

	CHECK_EQ(mockgpu_evict(dev, p, HUGE, &result), 0);
	CHECK_EQ(result.evicted, N);
	CHECK_EQ(result.busy, 0);
	CHECK_COUNTED(dev, &c, .pages_evicted = N, .huge_to_system = 1, .vram_used_bytes = -HUGE);
	CHECK_RES(dev, p, N, RES_PLACE | RW | ORDER, IN_SYSTEM | RW | ORDER_9);
	CHECK_FILL(p, N, tag, 0);

	TO_VRAM(dev, p, N);
	c = gpu_counters(dev);
	CHECK_EQ(mockgpu_evict(dev, AT(p, 7), PAGE, &result), 0);
	CHECK_EQ(result.evicted, N);
	CHECK_EQ(result.busy, 0);
	CHECK_COUNTED(dev, &c, .pages_evicted = N, .huge_to_system = 1, .vram_used_bytes = -HUGE);
	CHECK_FILL(p, N, tag, 0);
}

/* This hole becomes pages. */
static void small_hole(struct mockgpu_device *dev, char *p, int advice, int disable)
{
	struct drm_mockgpu_counters c = gpu_counters(dev);

	CHECK_SYS(madvise(p, HUGE, advice));
	CHECK_SYS(prctl(PR_SET_THP_DISABLE, disable, 0, 0, 0));
	TO_VRAM(dev, p, N);
	CHECK_RES(dev, p, N, RES_PLACE | RW | ORDER, IN_VRAM | RW);
	CHECK_COUNTED(dev, &c, .pages_to_vram = N, .pages_hole = N, .vram_used_bytes = HUGE);
	GPU_CHECK_ZERO(dev, p, N);
}

/* A hole becomes one where the process asked for huge pages, with and without the zero page. */
static void G1_hole(void)
{
	struct mockgpu_device *dev = gpu_open_huge();
	char *p = huge_hole(), *zero = huge_hole();
	struct drm_mockgpu_counters c = gpu_counters(dev);

	TO_VRAM(dev, p, N);
	CHECK_RES(dev, p, N, RES_PLACE | RW | ORDER, IN_VRAM | RW | ORDER_9);
	CHECK_COUNTED(dev, &c, .pages_to_vram = N, .pages_hole = N, .huge_to_vram = 1,
		      .vram_used_bytes = HUGE);
	GPU_CHECK_ZERO(dev, p, N);
	CHECK_ZERO(p, N);

	CHECK_ZERO(zero, 1);
	CHECK_RES(dev, zero, N, RES_PLACE | ORDER, IN_SYSTEM | MOCKGPU_RES_ZERO | ORDER_9);
	c = gpu_counters(dev);
	TO_VRAM(dev, zero, N);
	CHECK_RES(dev, zero, N, RES_PLACE | RW | ORDER, IN_VRAM | RW | ORDER_9);
	CHECK_COUNTED(dev, &c, .pages_to_vram = N, .pages_hole = N, .huge_to_vram = 1,
		      .vram_used_bytes = HUGE);
	GPU_CHECK_ZERO(dev, zero, N);
	CHECK_ZERO(zero, N);

	small_hole(dev, huge_hole(), MADV_NOHUGEPAGE, 0);
	small_hole(dev, huge_hole(), MADV_HUGEPAGE, 1);
}

/* Of two huge pages, one and a half: what is not whole goes by pages. */
static void G1_part_of_a_huge_page(void)
{
	struct mockgpu_device *dev = gpu_open_huge();
	uint16_t tag = new_tag();
	char *p = huge_in_system(dev, tag);
	struct drm_mockgpu_counters c = gpu_counters(dev);

	TO_VRAM(dev, p, N / 2);
	CHECK_COUNTED(dev, &c, .pages_to_vram = N / 2, .vram_used_bytes = HUGE / 2);
	CHECK_RES(dev, p, N / 2, RES_PLACE | RW | ORDER, IN_VRAM | RW);
	CHECK_RES(dev, AT(p, N / 2), N / 2, RES_PLACE | RW | ORDER, IN_SYSTEM | RW);
	GPU_CHECK_FILL(dev, p, N, tag, 0);
	CHECK_FILL(p, N, tag, 0);
}

struct family {
	struct mockgpu_device *dev;
	char *p;
	uint16_t tag, new;
	int go;
};

static void child_reads_and_writes(void *arg)
{
	struct family *family = arg;

	gate_wait(family->go);
	CHECK_FILL(family->p, N, family->tag, 0);
	fill(AT(family->p, 100), 1, family->new, 100);
	for (unsigned int page = 0; page < N; page++)
		CHECK_FILL(AT(family->p, page), 1, page == 100 ? family->new : family->tag, page);
}

/* One fault of a child brings it home for both, and then each has its own. */
static void G1_fork(void)
{
	struct family family = { .dev = gpu_open_huge(), .go = gate_new(), .new = new_tag() };
	struct drm_mockgpu_counters c;
	pid_t child;

	family.tag = new_tag();
	family.p = huge_in_vram(family.dev, family.tag);
	child = spawn(child_reads_and_writes, &family);
	CHECK_RES(family.dev, family.p, N, RES_PLACE | RW | ORDER,
		  IN_VRAM | MOCKGPU_RES_READ | ORDER_9);
	GPU_CHECK_FILL(family.dev, family.p, N, family.tag, 0);
	c = gpu_counters(family.dev);
	gate_open(family.go, 1);
	join(child);
	CHECK_COUNTED(family.dev, &c, .pages_cpu_fault = N, .cpu_faults = 1, .huge_to_system = 1,
		      .vram_used_bytes = -HUGE);
	CHECK_FILL(family.p, N, family.tag, 0);
	fill(family.p, N, family.new, 0);
	GPU_CHECK_FILL(family.dev, family.p, N, family.new, 0);
}

#define TOUCHERS 8
#define ROUNDS 30

struct common {
	pthread_barrier_t barrier;
	char *p;
	uint16_t tag;
};

static void *touch_somewhere(void *arg)
{
	struct common *common = arg;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&common->barrier);
		for (unsigned int page = 0; page < N; page += 37)
			CHECK_EQ(*(uint64_t *)AT(common->p, page), fill_word(common->tag, page, 0));
		pthread_barrier_wait(&common->barrier);
	}
	return NULL;
}

/* Whoever comes first brings it; the others find it there. */
static void G1_eight_threads(void)
{
	struct mockgpu_device *dev = gpu_open_huge();
	struct common common = { .tag = new_tag() };
	struct drm_mockgpu_counters c;
	pthread_t threads[TOUCHERS];

	CHECK_EQ(pthread_barrier_init(&common.barrier, NULL, TOUCHERS + 1), 0);
	common.p = huge_in_system(dev, common.tag);
	for (unsigned int i = 0; i < TOUCHERS; i++)
		threads[i] = thread_start(touch_somewhere, &common);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		c = gpu_counters(dev);
		TO_VRAM(dev, common.p, N);
		CHECK_COUNTED(dev, &c, .pages_to_vram = N, .huge_to_vram = 1,
			      .vram_used_bytes = HUGE);
		pthread_barrier_wait(&common.barrier);
		pthread_barrier_wait(&common.barrier);
		CHECK_COUNTED(dev, &c, .pages_cpu_fault = N, .cpu_faults = 1, .huge_to_system = 1,
			      .vram_used_bytes = -HUGE);
	}
	for (unsigned int i = 0; i < TOUCHERS; i++)
		thread_join(threads[i]);
	CHECK_FILL(common.p, N, common.tag, 0);
}

struct crowd {
	struct mockgpu_device *dev;
	char *p;
	atomic_bool stop;
};

static void *evict_all_the_time(void *arg)
{
	struct crowd *crowd = arg;
	struct mockgpu_evicted result;

	/* It has to see where the page is, and gives up if that keeps changing. */
	while (!atomic_load(&crowd->stop)) {
		int err = mockgpu_evict(crowd->dev, AT(crowd->p, 3), PAGE, &result);

		CHECK(err == 0 || err == -EBUSY);
		sleep_ms(2);
	}
	return NULL;
}

static void *protect_all_the_time(void *arg)
{
	struct crowd *crowd = arg;

	/* So the folio is mapped by pages at times; the last page is nobody else's. */
	while (!atomic_load(&crowd->stop)) {
		CHECK_SYS(mprotect(AT(crowd->p, N - 1), PAGE, PROT_READ));
		CHECK_SYS(mprotect(AT(crowd->p, N - 1), PAGE, PROT_READ | PROT_WRITE));
		sleep_ms(3);
	}
	return NULL;
}

#define COUNTERS 3U

struct counter {
	struct crowd *crowd;
	unsigned int page;
	uint64_t count;
	uint64_t slowest;
};

/*
 * A touch may wait while the memory manager takes the 512 pages of a folio apart one by one, with
 * a word to the other CPUs for each: of that, an emulator on a busy machine was seen to make
 * seconds.
 */
#define MAX_TOUCH_NS (10 * NS_PER_S)

static void *count_all_the_time(void *arg)
{
	struct counter *counter = arg;
	volatile uint64_t *word = AT(counter->crowd->p, counter->page);

	while (!atomic_load(&counter->crowd->stop)) {
		uint64_t start = now_ns(), took;

		CHECK_EQ(*word, counter->count);
		*word = ++counter->count;
		took = now_ns() - start;
		if (took > counter->slowest)
			counter->slowest = took;
		CHECK_LE(took, MAX_TOUCH_NS);
		sleep_ms(1);
	}
	return NULL;
}

/*
 * The CPU counts in some pages while the whole is taken to VRAM, evicted, and mapped by pages.  A
 * new huge page takes its turn each time, as what was split stays split.
 */
static void G1_all_at_once(void)
{
	struct crowd crowd = { .dev = gpu_open_huge() };
	unsigned long moved = 0, rounds = 0, slowest = 0;
	uint64_t huge = gpu_counters(crowd.dev).huge_to_vram, end = now_ns() + 6 * NS_PER_S;

	for (; now_ns() < end; rounds++) {
		struct counter counters[COUNTERS];
		pthread_t threads[COUNTERS + 2];
		uint64_t turn = now_ns() + NS_PER_S / 4;
		uint16_t tag = new_tag();

		crowd.p = huge_in_vram(crowd.dev, tag);
		atomic_store(&crowd.stop, false);
		for (unsigned int i = 0; i < COUNTERS; i++) {
			unsigned int page = 100 * i;

			counters[i] = (struct counter){ &crowd, page, fill_word(tag, page, 0), 0 };
			threads[i] = thread_start(count_all_the_time, &counters[i]);
		}
		threads[COUNTERS] = thread_start(evict_all_the_time, &crowd);
		threads[COUNTERS + 1] = thread_start(protect_all_the_time, &crowd);
		while (now_ns() < turn) {
			struct mockgpu_migrated result;

			CHECK_EQ(mockgpu_migrate(crowd.dev, crowd.p, HUGE, MOCKGPU_TARGET_VRAM, 0,
						 &result, NULL), 0);
			moved += result.count[MOCKGPU_PAGE_MOVED];
			sleep_ms(2);
		}
		atomic_store(&crowd.stop, true);
		for (unsigned int i = 0; i < ARRAY_SIZE(threads); i++)
			thread_join(threads[i]);
		for (unsigned int i = 0; i < COUNTERS; i++) {
			uint64_t *word = AT(crowd.p, counters[i].page);

			CHECK_EQ(*word, counters[i].count);
			if (counters[i].slowest > slowest)
				slowest = counters[i].slowest;
			*word = fill_word(tag, counters[i].page, 0);
		}
		CHECK_FILL(crowd.p, N, tag, 0);
		unmap(crowd.p, N);
	}
	huge = gpu_counters(crowd.dev).huge_to_vram - huge;
	note("%lu huge pages, %lu pages to VRAM, %llu times 2 MiB whole, slowest touch %lu us", rounds,
	     moved, (unsigned long long)huge, slowest / 1000);
	CHECK_GE(huge, rounds);
}

/* VRAM has room for all of it, but not in one piece. */
static void G2_no_block_of_vram_is_empty(void)
{
	uint16_t tag = new_tag(), other = new_tag();
	struct drm_mockgpu_counters c;
	struct mockgpu_device *dev;
	char *p, *small;

	module_reload(1, 4);
	dev = gpu_open_huge();
	/* The first block is filled, one page of the second; then a page of the first leaves. */
	small = map_filled(N + 1, other);
	TO_VRAM(dev, small, N + 1);
	TO_SYSTEM(dev, small, 1);
	p = huge_in_system(dev, tag);
	c = gpu_counters(dev);
	TO_VRAM(dev, p, N);
	CHECK_RES(dev, p, N, RES_PLACE | RW | ORDER, IN_VRAM | RW);
	CHECK_COUNTED(dev, &c, .pages_to_vram = N, .vram_used_bytes = HUGE);
	GPU_CHECK_FILL(dev, p, N, tag, 0);
	GPU_CHECK_FILL(dev, small, N + 1, other, 0);
	CHECK_FILL(p, N, tag, 0);
	CHECK_FILL(small, N + 1, other, 0);
}

/* VRAM lacks the last page of it: what fits goes, the rest stays and is named. */
static void G2_vram_is_too_small_by_a_page(void)
{
	uint8_t want[N] = { [N - 1] = MOCKGPU_PAGE_NO_VRAM };
	uint16_t tag = new_tag(), other = new_tag();
	struct drm_mockgpu_counters c;
	struct mockgpu_device *dev;
	char *p, *small;

	module_reload(1, 2);
	dev = gpu_open_huge();
	small = map_filled(1, other);
	TO_VRAM(dev, small, 1);
	p = huge_in_system(dev, tag);
	c = gpu_counters(dev);
	CHECK_MIGRATE(dev, p, N, MOCKGPU_TARGET_VRAM, MOCKGPU_MIGRATE_NO_EVICT, -ENOMEM, want);
	CHECK_COUNTED(dev, &c, .pages_to_vram = N - 1, .no_vram = 1,
		      .vram_used_bytes = HUGE - PAGE);
	CHECK_PLACE(dev, p, N - 1, IN_VRAM);
	CHECK_PLACE(dev, AT(p, N - 1), 1, IN_SYSTEM);
	GPU_CHECK_FILL(dev, p, N, tag, 0);
	CHECK_FILL(p, N, tag, 0);
}

static void brought_home_by_a_touch(struct mockgpu_device *dev, char *p)
{
	CHECK(*(volatile uint64_t *)AT(p, 5));
}

static void brought_home_by_a_call(struct mockgpu_device *dev, char *p)
{
	TO_SYSTEM(dev, p, N);
}

static void brought_home_by_evict(struct mockgpu_device *dev, char *p)
{
	struct mockgpu_evicted result;

	CHECK_EQ(mockgpu_evict(dev, p, HUGE, &result), 0);
	CHECK_EQ(result.evicted, N);
	CHECK_EQ(result.busy, 0);
}

/*
 * No 2 MiB of free RAM in one piece: it takes the memory that stood behind VRAM.  That is VRAM's no
 * more from then on.
 */
static void without_huge_ram(void (*bring)(struct mockgpu_device *dev, char *p), int evicted)
{
	struct mockgpu_device *dev = gpu_open_huge();
	uint16_t tag = new_tag();
	struct drm_mockgpu_counters c;
	uint64_t start;
	char *p;

	guard_huge_ram();
	p = huge_in_vram(dev, tag);
	use_up_huge_ram();
	c = gpu_counters(dev);
	start = now_ns();
	bring(dev, p);
	CHECK_LE(now_ns() - start, BOUND_NS);
	CHECK_EQ(gpu_counters(dev).huge_to_system - c.huge_to_system, 1);
	CHECK_EQ(gpu_counters(dev).pages_evicted - c.pages_evicted, evicted);
	CHECK_EQ(gpu_counters(dev).vram_used_bytes, c.vram_used_bytes - HUGE);
	CHECK_EQ(gpu_counters(dev).vram_backing_bytes, c.vram_backing_bytes - HUGE);
	CHECK_RES(dev, p, N, RES_PLACE | RW | ORDER, IN_SYSTEM | RW | ORDER_9);
	CHECK_FILL(p, N, tag, 0);
	give_huge_ram_back();
	/* What became of the block? */
	TO_VRAM(dev, p, N);
	CHECK_RES(dev, p, N, RES_PLACE | RW | ORDER, IN_VRAM | RW | ORDER_9);
	GPU_CHECK_FILL(dev, p, N, tag, 0);
	CHECK_FILL(p, N, tag, 0);
}

static void G2_no_huge_ram_for_a_touch(void)
{
	without_huge_ram(brought_home_by_a_touch, 0);
}

static void G2_no_huge_ram_for_a_migration(void)
{
	without_huge_ram(brought_home_by_a_call, 0);
}

static void G5_evicted_without_huge_ram(void)
{
	without_huge_ram(brought_home_by_evict, N);
}

/* Folios of 64 KiB go by pages; the kernel splits them. */
static void G4_64_kib(void)
{
	struct mockgpu_device *dev = gpu_open_huge();
	uint16_t tag = new_tag();
	char *p = map_64k_folios(tag);
	struct drm_mockgpu_counters c = gpu_counters(dev);

	TO_VRAM(dev, AT(p, 3), 4);
	TO_VRAM(dev, AT(p, 16), N - 16);
	CHECK_COUNTED(dev, &c, .pages_to_vram = N - 12, .vram_used_bytes = (N - 12) * PAGE);
	CHECK_PLACE(dev, p, 3, IN_SYSTEM);
	CHECK_PLACE(dev, AT(p, 7), 9, IN_SYSTEM);
	GPU_CHECK_FILL(dev, p, N, tag, 0);
	TO_SYSTEM(dev, AT(p, 100), 100);
	CHECK_FILL(p, N, tag, 0);
}

struct holder {
	int ready, go;
	uint16_t tag;
};

#define HELD 8U

static void hold_huge(void *arg)
{
	struct mockgpu_device *dev = gpu_open_huge();
	struct holder *holder = arg;
	char *p[HELD];

	for (unsigned int i = 0; i < HELD; i++)
		p[i] = huge_in_vram(dev, holder->tag);
	/* Some of them are no longer mapped as one. */
	unmap(AT(p[0], 10), 1);
	CHECK_SYS(mprotect(AT(p[1], 10), PAGE, PROT_READ));
	mockgpu_close(dev);
	gate_open(holder->ready, 1);
	gate_wait(holder->go);
	CHECK_FILL(p[0], 10, holder->tag, 0);
	CHECK_FILL(AT(p[0], 11), N - 11, holder->tag, 11);
	for (unsigned int i = 1; i < HELD; i++)
		CHECK_FILL(p[i], N, holder->tag, 0);
	dev = gpu_open_huge();
	CHECK_EQ(gpu_counters(dev).cpu_faults, 0);
	for (unsigned int i = 2; i < HELD; i++)
		CHECK_RES(dev, p[i], N, RES_PLACE | RW | ORDER, IN_SYSTEM | RW | ORDER_9);
}

/* The module may go; whoever had huge pages in VRAM has them in RAM. */
static void G5_rmmod(void)
{
	struct holder holder = { gate_new(), gate_new(), new_tag() };
	pid_t pid = spawn(hold_huge, &holder);

	gate_wait(holder.ready);
	module_reload(DEFAULT_DEVICES, DEFAULT_VRAM_MB);
	gate_open(holder.go, 1);
	join(pid);
}

#define SCENARIO(name) { #name, name, 60, 0 }
#define RELOADING(name) { #name, name, 90, RELOADS }

const struct scenario scenarios[] = {
	SCENARIO(G1_whole_2mib_there_and_back),
	SCENARIO(G1_both_write),
	SCENARIO(G1_migrate_home_whole),
	SCENARIO(G1_all_or_nothing_splits),
	SCENARIO(G1_evict_whole),
	SCENARIO(G1_hole),
	SCENARIO(G1_part_of_a_huge_page),
	SCENARIO(G1_fork),
	SCENARIO(G1_eight_threads),
	SCENARIO(G1_all_at_once),
	RELOADING(G2_no_block_of_vram_is_empty),
	RELOADING(G2_vram_is_too_small_by_a_page),
	SCENARIO(G2_no_huge_ram_for_a_touch),
	SCENARIO(G2_no_huge_ram_for_a_migration),
	SCENARIO(G4_64_kib),
	SCENARIO(G5_evicted_without_huge_ram),
	RELOADING(G5_rmmod),
	{ 0 }
};
