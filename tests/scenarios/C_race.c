// SPDX-License-Identifier: MIT
/*
 * The mapping changes while the device is at it: row C5.
 *
 * One thread has the device read (or write) the same 16 pages without pause; the main thread
 * changes the mapping, and fills other memory with a canary as soon as pages may have been freed.
 * The device must never show a canary, and never write over one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gpu.h"
#include "process.h"

#define PAGES	16
#define ROUNDS	100	/* but no longer than this, where there were a few: */
#define A_FEW	20
#define LONG	(8 * NS_PER_S)
#define OURS	0xaaaa	/* differ in each byte, so that a torn word shows no wrong tag */
#define CANARY	0x5555
#define WRITTEN	0xcccc

struct target {
	struct mockgpu_device *dev;
	void *pages;
	atomic_bool stop;
	atomic_ulong good, refused, calls;
};

/* Only what the two errors of the access itself are for, with an address inside of the range. */
static void check_outcome(struct target *t, int err, const struct mockgpu_access *access)
{
	uintptr_t start = (uintptr_t)t->pages;

	if (!err) {
		CHECK_EQ(access->done, PAGES * PAGE);
		atomic_fetch_add(&t->good, 1);
	} else {
		if (err != -EFAULT && err != -EPERM && err != -EBUSY)
			FAIL("device access: %s", strerror(-err));
		CHECK(access->fault_addr >= start && access->fault_addr < start + PAGES * PAGE);
		CHECK_EQ(access->fault_addr - start, access->done);
		atomic_fetch_add(&t->refused, 1);
	}
	/* Last: who saw this call counted sees what came of it as well. */
	atomic_fetch_add(&t->calls, 1);
}

/* Each byte is the one that stands there, or the 0 of a page that is not filled yet. */
static void check_ours(const uint64_t *words, size_t bytes)
{
	for (size_t i = 0; i < bytes / 8; i++) {
		uint64_t want = fill_word(OURS, i / WORDS, i % WORDS);

		if (words[i] == want || !words[i])
			continue;
		for (unsigned int shift = 0; shift < 64; shift += 8) {
			uint8_t byte = words[i] >> shift & 0xff;

			if (byte && byte != (want >> shift & 0xff))
				FAIL("device read word %zu of page %zu as %llx", i % WORDS,
				     i / WORDS, (unsigned long long)words[i]);
		}
	}
}

/* Now and then, or the other thread hardly gets the locks; not often, or they never meet. */
static void breathe(struct target *t)
{
	if (atomic_load(&t->calls) % 32 == 0)
		usleep(100);
}

static void *read_on(void *arg)
{
	static uint64_t buffer[PAGES * WORDS];
	struct mockgpu_access access;
	struct target *t = arg;

	while (!atomic_load(&t->stop)) {
		int err = mockgpu_read(t->dev, buffer, t->pages, sizeof(buffer), &access);

		check_outcome(t, err, &access);
		check_ours(buffer, access.done);
		breathe(t);
	}
	return NULL;
}

static void *write_on(void *arg)
{
	static uint64_t buffer[PAGES * WORDS];
	struct mockgpu_access access;
	struct target *t = arg;

	fill(buffer, PAGES, WRITTEN, 0);
	while (!atomic_load(&t->stop)) {
		int err = mockgpu_write(t->dev, t->pages, buffer, sizeof(buffer), &access);

		check_outcome(t, err, &access);
		breathe(t);
	}
	return NULL;
}

/* Some of the pages, so that freed VRAM and freed system memory both find a new owner. */
static void some_to_vram(struct mockgpu_device *dev, void *p, size_t pages)
{
	size_t from = random_below(pages), n = 1 + random_below(pages - from);
	struct mockgpu_migrated result;

	CHECK_EQ(mockgpu_migrate(dev, AT(p, from), n * PAGE, MOCKGPU_TARGET_VRAM, 0, &result,
				 NULL), 0);
	CHECK_EQ(result.count[MOCKGPU_PAGE_MOVED] + result.count[MOCKGPU_PAGE_ALREADY] +
		 result.count[MOCKGPU_PAGE_BUSY], n);
}

/* Takes freed pages into use, waits for a device that would still write to them, and looks. */
static void canary_round(struct mockgpu_device *dev)
{
	void *canary = map_filled(2 * PAGES, CANARY);

	TO_VRAM(dev, AT(canary, PAGES), PAGES);
	sleep_ms((unsigned int)random_below(4));
	CHECK_FILL(canary, PAGES, CANARY, 0);
	GPU_CHECK_FILL(dev, AT(canary, PAGES), PAGES, CANARY, PAGES);
	CHECK_FILL(AT(canary, PAGES), PAGES, CANARY, PAGES);
	unmap(AT(canary, -1), 2 * PAGES + 2);
}

/* At least @n calls of the device's thread end from now on. */
static void let_it_work(struct target *t, unsigned int n)
{
	unsigned long until = atomic_load(&t->calls) + n;
	uint64_t start = now_ns();

	while (atomic_load(&t->calls) < until) {
		if (now_ns() - start > 5 * BOUND_NS) {
			note_stacks();
			FAIL("the device's thread does not get on");
		}
		sleep_ms(1);
	}
}

static void map_ours(struct target *t)
{
	map_fixed(t->pages, PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static void race(void *(*device)(void *), void (*round)(struct target *))
{
	struct target t = { .dev = gpu_open(0), .pages = map_arena(PAGES) };
	uint64_t end = now_ns() + LONG;
	unsigned int rounds = 0;
	pthread_t thread;

	map_ours(&t);
	thread = thread_start(device, &t);
	while (rounds < A_FEW || (rounds < ROUNDS && now_ns() < end)) {
		round(&t);
		rounds++;
	}
	atomic_store(&t.stop, true);
	thread_join(thread);
	note("%u rounds, %lu accesses: %lu good, %lu refused", rounds, t.calls, t.good,
	     t.refused);
	CHECK_GE(t.good, rounds / 2);
}

static void munmap_round(struct target *t)
{
	map_ours(t);
	fill(t->pages, PAGES, OURS, 0);
	some_to_vram(t->dev, t->pages, PAGES);
	let_it_work(t, 2);
	CHECK_SYS(munmap(t->pages, PAGES * PAGE));
	canary_round(t->dev);
	let_it_work(t, 1);
	map_ours(t);
}

static void C5_munmap_while_device_reads(void)
{
	race(read_on, munmap_round);
}

static void C5_munmap_while_device_writes(void)
{
	race(write_on, munmap_round);
}

static void dontneed_round(struct target *t)
{
	uint64_t buffer[WORDS];
	size_t page = random_below(PAGES);

	fill(t->pages, PAGES, OURS, 0);
	some_to_vram(t->dev, t->pages, PAGES);
	let_it_work(t, 2);
	CHECK_SYS(madvise(t->pages, PAGES * PAGE, MADV_DONTNEED));
	/* From here on nobody may see what was there. */
	CHECK_EQ(mockgpu_read(t->dev, buffer, AT(t->pages, page), PAGE, NULL), 0);
	CHECK_ZERO(buffer, 1);
	CHECK_ZERO(t->pages, PAGES);
	canary_round(t->dev);
}

static void C5_dontneed_while_device_reads(void)
{
	race(read_on, dontneed_round);
}

static void dontneed_write_round(struct target *t)
{
	fill(t->pages, PAGES, OURS, 0);
	some_to_vram(t->dev, t->pages, PAGES);
	let_it_work(t, 2);
	CHECK_SYS(madvise(t->pages, PAGES * PAGE, MADV_DONTNEED));
	for (size_t i = 0; i < PAGES * WORDS; i++) {
		uint64_t word = ((volatile uint64_t *)t->pages)[i];
		uint64_t want = fill_word(WRITTEN, i / WORDS, i % WORDS);

		/* Empty, or written anew by the device since; torn, perhaps. */
		for (unsigned int shift = 0; shift < 64; shift += 8)
			if ((word >> shift & 0xff) && (word ^ want) >> shift & 0xff)
				FAIL("page %zu word %zu is %llx after MADV_DONTNEED", i / WORDS,
				     i % WORDS, (unsigned long long)word);
	}
	canary_round(t->dev);
}

static void C5_dontneed_while_device_writes(void)
{
	race(write_on, dontneed_write_round);
}

/* Once mprotect() has returned, what stands there stands still. */
static void mprotect_round(struct target *t)
{
	static uint64_t before[PAGES * WORDS];

	fill(t->pages, PAGES, OURS, 0);
	some_to_vram(t->dev, t->pages, PAGES);
	let_it_work(t, 2);
	CHECK_SYS(mprotect(t->pages, PAGES * PAGE, PROT_READ));
	memcpy(before, t->pages, sizeof(before));
	let_it_work(t, 2);
	CHECK_EQ(memcmp(before, t->pages, sizeof(before)), 0);
	CHECK_SYS(mprotect(t->pages, PAGES * PAGE, PROT_READ | PROT_WRITE));
}

static void C5_mprotect_while_device_writes(void)
{
	race(write_on, mprotect_round);
}

static void prot_none_round(struct target *t)
{
	unsigned long good;

	fill(t->pages, PAGES, OURS, 0);
	some_to_vram(t->dev, t->pages, PAGES);
	let_it_work(t, 2);
	CHECK_SYS(mprotect(t->pages, PAGES * PAGE, PROT_NONE));
	let_it_work(t, 1);	/* the one that was under way */
	good = atomic_load(&t->good);
	let_it_work(t, 2);
	CHECK_EQ(atomic_load(&t->good), good);
	CHECK_SYS(mprotect(t->pages, PAGES * PAGE, PROT_READ | PROT_WRITE));
	CHECK_FILL(t->pages, PAGES, OURS, 0);
}

static void C5_prot_none_while_device_reads(void)
{
	race(read_on, prot_none_round);
}

static void do_nothing(void *arg)
{
}

struct forker {
	uint64_t until;
	unsigned int forks;
};

static void *fork_on(void *arg)
{
	struct forker *forker = arg;

	for (; now_ns() < forker->until; forker->forks++)
		join(spawn(do_nothing, NULL));
	return NULL;
}

/*
 * Each fork() takes the right to write away from the whole address space, for as long as it lasts;
 * with three threads at it, one is always under way.  Whatever becomes of the device's access, it
 * has an end.
 */
static void C5_forks_while_device_writes(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct forker forkers[3];
	pthread_t threads[3];
	unsigned int good = 0, busy = 0;
	uint64_t end = now_ns() + 3 * NS_PER_S, slowest = 0;
	void *p = map_filled(PAGES, OURS);

	for (unsigned int i = 0; i < 3; i++) {
		forkers[i] = (struct forker){ end, 0 };
		threads[i] = thread_start(fork_on, &forkers[i]);
	}
	for (uint64_t start = now_ns(), now; start < end; start = now) {
		uint64_t word = fill_word(OURS, good % PAGES, 7);
		int err = mockgpu_write(dev, (uint64_t *)AT(p, good % PAGES) + 7, &word, 8, NULL);

		now = now_ns();
		CHECK_LE(now - start, BOUND_NS);
		slowest = now - start > slowest ? now - start : slowest;
		/* A SIGCHLD that is ignored can interrupt, too. */
		if (err && err != -EBUSY && err != -EINTR)
			FAIL("device access: %s", strerror(-err));
		good += !err;
		busy += err == -EBUSY;
	}
	for (unsigned int i = 0; i < 3; i++)
		thread_join(threads[i]);
	note("%u writes, %u given up, slowest %llu us, %u forks", good, busy,
	     (unsigned long long)slowest / 1000,
	     forkers[0].forks + forkers[1].forks + forkers[2].forks);
	gpu_fill(dev, p, PAGES, WRITTEN, 0);
	CHECK_FILL(p, PAGES, WRITTEN, 0);
}

#define SCENARIO(name) { #name, name, 120, 0 }

const struct scenario scenarios[] = {
	SCENARIO(C5_munmap_while_device_reads),
	SCENARIO(C5_munmap_while_device_writes),
	SCENARIO(C5_dontneed_while_device_reads),
	SCENARIO(C5_dontneed_while_device_writes),
	SCENARIO(C5_mprotect_while_device_writes),
	SCENARIO(C5_prot_none_while_device_reads),
	SCENARIO(C5_forks_while_device_writes),
	{ 0 }
};
