// SPDX-License-Identifier: MIT
/*
 * How much a CPU fault brings home (row B3), and when (row B4).
 *
 * Both are what was advised when the page went to VRAM; the fault itself knows nothing but the page.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "gpu.h"
#include "process.h"

#define MS	1000000ULL
#define N	1100	/* more than two pieces of the largest size */

static void advise(struct mockgpu_device *dev, void *p, size_t pages, unsigned int attr,
		   uint64_t value)
{
	CHECK_EQ(mockgpu_advise(dev, p, pages * PAGE, attr, value), 0);
}

/* Aligned pieces of 2^@order pages that @pages from @p on have a part in. */
static size_t pieces(const void *p, size_t pages, unsigned int order)
{
	uintptr_t first = (uintptr_t)p / PAGE, last = first + pages - 1;

	return (last >> order) - (first >> order) + 1;
}

/* Since *before: so many CPU faults moved something, so many pages, and none failed. */
static void check_faults(struct mockgpu_device *dev, struct drm_mockgpu_counters *before,
			 uint64_t faults, uint64_t pages)
{
	struct drm_mockgpu_counters now = gpu_counters(dev);

	CHECK_EQ(now.cpu_faults - now.cpu_faults_retried -
		 (before->cpu_faults - before->cpu_faults_retried), faults);
	CHECK_EQ(now.pages_cpu_fault - before->pages_cpu_fault, pages);
	CHECK_EQ(now.cpu_faults_failed, before->cpu_faults_failed);
	*before = now;
}

/* Pages in VRAM that went there with this granularity. */
static void *in_vram(struct mockgpu_device *dev, size_t pages, uint16_t tag, unsigned int order)
{
	void *p = map_filled(pages, tag);

	advise(dev, p, pages, MOCKGPU_ADVICE_GRANULARITY, order);
	TO_VRAM(dev, p, pages);
	return p;
}

/* Every granularity, from page to page. */
static void B3_a_fault_brings_a_piece(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	struct drm_mockgpu_counters c;

	for (unsigned int order = 0; order <= 9; order++) {
		uint16_t tag = new_tag();
		void *p = in_vram(dev, N, tag, order);

		c = gpu_counters(dev);
		CHECK_FILL(p, N, tag, 0);
		check_faults(dev, &c, pieces(p, N, order), N);
		CHECK_PLACE(dev, p, N, IN_SYSTEM);
		unmap(p, N);
	}
}

/* From the last page to the first, and by writes. */
static void B3_backwards(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag();
	uint64_t *p = in_vram(dev, N, tag, 4);
	struct drm_mockgpu_counters c = gpu_counters(dev);

	for (size_t i = N; i--; ) {
		CHECK_EQ(p[i * WORDS + 1], fill_word(tag, i, 1));
		p[i * WORDS + 1] = fill_word(tag, i, 1);
	}
	check_faults(dev, &c, pieces(p, N, 4), N);
	CHECK_FILL(p, N, tag, 0);
}

/* The piece around one page, and nothing beside it. */
static void B3_only_the_piece(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag();
	char *p = in_vram(dev, N, tag, 5);
	char *piece = (char *)(((uintptr_t)p + 33 * PAGE) & ~(32 * PAGE - 1));
	size_t at = (size_t)(piece - p) / PAGE;
	struct drm_mockgpu_counters c = gpu_counters(dev);

	CHECK_FILL(AT(piece, 13), 1, tag, at + 13);
	check_faults(dev, &c, 1, 32);
	CHECK_PLACE(dev, p, at, IN_VRAM);
	CHECK_PLACE(dev, piece, 32, IN_SYSTEM);
	CHECK_PLACE(dev, AT(piece, 32), N - at - 32, IN_VRAM);
	CHECK_FILL(p, N, tag, 0);
}

/* What lies in the piece beside pages in VRAM is left alone, and does not hinder. */
static void B3_with_other_pages_between(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag();
	char *p = map_huge(tag);
	struct drm_mockgpu_counters c;

	advise(dev, p, 512, MOCKGPU_ADVICE_GRANULARITY, 6);
	for (unsigned int i = 0; i < 512; i += 2)
		TO_VRAM(dev, AT(p, i), 1);
	CHECK_SYS(madvise(AT(p, 33), PAGE, MADV_DONTNEED));
	c = gpu_counters(dev);
	CHECK_FILL(p, 33, tag, 0);
	CHECK_ZERO(AT(p, 33), 1);
	CHECK_FILL(AT(p, 34), 512 - 34, tag, 34);
	check_faults(dev, &c, 8, 256);
}

/* A piece ends where the mapping does. */
static void B3_edges_of_mappings(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag();
	char *p = map_huge(tag);
	struct drm_mockgpu_counters c;

	advise(dev, p, 512, MOCKGPU_ADVICE_GRANULARITY, 9);
	TO_VRAM(dev, p, 512);
	/* Three mappings out of one, and a gap. */
	CHECK_SYS(mprotect(AT(p, 100), 50 * PAGE, PROT_READ));
	unmap(AT(p, 300), 10);
	c = gpu_counters(dev);
	CHECK_FILL(AT(p, 120), 1, tag, 120);
	check_faults(dev, &c, 1, 50);
	CHECK_PLACE(dev, p, 100, IN_VRAM);
	CHECK_PLACE(dev, AT(p, 100), 50, IN_SYSTEM);
	CHECK_PLACE(dev, AT(p, 150), 150, IN_VRAM);
	CHECK_FILL(AT(p, 299), 1, tag, 299);
	check_faults(dev, &c, 1, 150);
	CHECK_FILL(AT(p, 310), 202, tag, 310);
	check_faults(dev, &c, 1, 202);
	CHECK_FILL(p, 300, tag, 0);
	check_faults(dev, &c, 1, 100);
}

/* Pages that mremap() moved: the piece is one of the new addresses. */
static void B3_at_other_addresses(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag();
	char *p = in_vram(dev, N, tag, 4), *to = map_arena(N + 8);
	struct drm_mockgpu_counters c;

	to += 7 * PAGE;
	CHECK(mremap(p, N * PAGE, N * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	c = gpu_counters(dev);
	CHECK_FILL(to, N, tag, 0);
	check_faults(dev, &c, pieces(to, N, 4), N);
}

struct heir {
	void *pages;
	uint16_t tag;
};

static void child_reads(void *arg)
{
	struct heir *heir = arg;

	CHECK_FILL(heir->pages, N, heir->tag, 0);
	fill(heir->pages, N, heir->tag, 500);
	CHECK_FILL(heir->pages, N, heir->tag, 500);
}

/* A child, which has no advice of its own, and whose faults bring the parent's pages home. */
static void B3_faults_of_a_child(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	struct heir heir = { .tag = new_tag() };
	struct drm_mockgpu_counters c;

	heir.pages = in_vram(dev, N, heir.tag, 6);
	c = gpu_counters(dev);
	join(spawn(child_reads, &heir));
	check_faults(dev, &c, pieces(heir.pages, N, 6), N);
	CHECK_FILL(heir.pages, N, heir.tag, 0);
	check_faults(dev, &c, 0, 0);
}

/* What counts is the advice of the time when a page went. */
static void B3_advice_of_the_time_of_the_move(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag();
	void *p = in_vram(dev, N, tag, 3);
	struct drm_mockgpu_counters c = gpu_counters(dev);

	advise(dev, p, N, MOCKGPU_ADVICE_GRANULARITY, 7);
	CHECK_FILL(p, N, tag, 0);
	check_faults(dev, &c, pieces(p, N, 3), N);
	TO_VRAM(dev, p, N);
	CHECK_EQ(mockgpu_advise_reset(dev, p, N * PAGE), 0);
	mockgpu_close(dev);
	dev = gpu_open_private();
	c = gpu_counters(dev);
	CHECK_FILL(p, N, tag, 0);
	check_faults(dev, &c, pieces(p, N, 7), N);
	TO_VRAM(dev, p, N);
	CHECK_FILL(p, N, tag, 0);
	check_faults(dev, &c, N, N);
}

/* Eight threads in the pieces at once: each page comes home once. */
static void *read_all(void *arg)
{
	struct heir *heir = arg;

	CHECK_FILL(heir->pages, N, heir->tag, 0);
	return NULL;
}

static void B3_eight_threads(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	struct heir heir = { .tag = new_tag() };
	struct drm_mockgpu_counters c;
	pthread_t threads[8];

	for (unsigned int round = 0; round < 10; round++) {
		heir.pages = in_vram(dev, N, heir.tag, round % 10);
		c = gpu_counters(dev);
		for (unsigned int i = 0; i < ARRAY_SIZE(threads); i++)
			threads[i] = thread_start(read_all, &heir);
		for (unsigned int i = 0; i < ARRAY_SIZE(threads); i++)
			thread_join(threads[i]);
		CHECK_EQ(gpu_counters(dev).pages_cpu_fault - c.pages_cpu_fault, N);
		CHECK_EQ(gpu_counters(dev).cpu_faults_failed, c.cpu_faults_failed);
		CHECK_PLACE(dev, heir.pages, N, IN_SYSTEM);
		unmap(heir.pages, N);
	}
}

/* B4: pages that stay in VRAM for so long after they went there. */
#define SLICE	500
/* How long something takes that is not held up, here where others use the machine as well. */
#define AT_ONCE	(300 * MS * slowness())

struct held {
	struct mockgpu_device *dev;
	uint64_t *p;
	uint64_t start;
	uint16_t tag;
	struct drm_mockgpu_counters before;
};

static struct held hold(struct mockgpu_device *dev, size_t pages)
{
	struct held h = { .dev = dev, .tag = new_tag() };

	h.p = map_filled(pages, h.tag);
	advise(dev, h.p, pages, MOCKGPU_ADVICE_TIME_SLICE, SLICE);
	h.before = gpu_counters(dev);
	h.start = now_ns();
	TO_VRAM(dev, h.p, pages);
	return h;
}

/* It took until the slice was over, and not much longer. */
static void was_held(struct held *h)
{
	struct drm_mockgpu_counters now = gpu_counters(h->dev);
	uint64_t took = now_ns() - h->start, held = now.cpu_faults_held - h->before.cpu_faults_held;

	note("%llu ms, %llu faults held", (unsigned long long)(took / MS),
	     (unsigned long long)held);
	/* The kernel counts in ticks of up to 10 ms, which a busy host delivers late. */
	CHECK_GE(took, (SLICE - 50) * MS);
	CHECK_LE(took, BOUND_NS);
	CHECK_GE(held, 1);
	CHECK_GE(now.cpu_faults_retried - h->before.cpu_faults_retried, (long long)held);
	CHECK_EQ(now.cpu_faults_failed, h->before.cpu_faults_failed);
}

static void B4_an_early_fault_waits(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	struct held h = hold(dev, 8);

	CHECK_EQ(*(volatile uint64_t *)h.p, fill_word(h.tag, 0, 0));
	was_held(&h);
	CHECK_PLACE(dev, h.p, 1, IN_SYSTEM);
	CHECK_PLACE(dev, AT(h.p, 1), 7, IN_VRAM);
	CHECK_FILL(h.p, 8, h.tag, 0);
	CHECK_EQ(gpu_counters(dev).pages_cpu_fault - h.before.pages_cpu_fault, 8);
}

static void B4_a_late_fault_does_not(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	struct held h = hold(dev, 8);
	uint64_t start;

	sleep_ms(SLICE + 20);
	start = now_ns();
	CHECK_FILL(h.p, 8, h.tag, 0);
	CHECK_LE(now_ns() - start, AT_ONCE);
	CHECK_EQ(gpu_counters(dev).cpu_faults_held, h.before.cpu_faults_held);
	check_faults(dev, &h.before, 8, 8);
}

/* What was advised when the page went counts: also for who does not know the device. */
static void B4_a_child_waits_as_well(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	struct held h = hold(dev, N);
	struct heir heir = { h.p, h.tag };

	CHECK_EQ(mockgpu_advise_reset(dev, h.p, N * PAGE), 0);
	join(spawn(child_reads, &heir));
	was_held(&h);
	CHECK_FILL(h.p, N, h.tag, 0);
}

static void B4_without_a_slice(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct held h = hold(dev, 8);
	uint64_t start;

	/* A move while it is advised otherwise. */
	TO_SYSTEM(dev, h.p, 8);
	advise(dev, h.p, 8, MOCKGPU_ADVICE_TIME_SLICE, 0);
	TO_VRAM(dev, h.p, 8);
	start = now_ns();
	CHECK_FILL(h.p, 8, h.tag, 0);
	CHECK_LE(now_ns() - start, AT_ONCE);
	CHECK_EQ(gpu_counters(dev).cpu_faults_held, h.before.cpu_faults_held);
}

/* The device's owner may take the page away at any time. */
static void B4_migrate_and_evict_are_not_held(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct held h = hold(dev, 60);
	struct mockgpu_evicted evicted;

	TO_SYSTEM(dev, h.p, 20);
	CHECK_EQ(mockgpu_evict(dev, AT(h.p, 20), 20 * PAGE, &evicted), 0);
	CHECK_EQ(evicted.evicted, 20);
	CHECK_EQ(mockgpu_evict_all(dev, &evicted), 0);
	CHECK_EQ(evicted.evicted, 20);
	CHECK_FILL(h.p, 60, h.tag, 0);
	CHECK_LE(now_ns() - h.start, (SLICE - 50) * MS);
	CHECK_EQ(gpu_counters(dev).cpu_faults, h.before.cpu_faults);
}

/* Nor does it keep a page for ever from whoever unmaps, discards or shares it. */
static void B4_changes_of_the_mapping_are_not_held(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	struct held h = hold(dev, 40);
	char *to = map_arena(10);

	unmap(h.p, 10);
	CHECK_SYS(madvise(AT(h.p, 10), 10 * PAGE, MADV_DONTNEED));
	CHECK_SYS(mprotect(AT(h.p, 20), 10 * PAGE, PROT_READ));
	CHECK(mremap(AT(h.p, 30), 10 * PAGE, 10 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	CHECK_LE(now_ns() - h.start, (SLICE - 50) * MS);
	CHECK_EQ(gpu_counters(dev).cpu_faults, h.before.cpu_faults);
	CHECK_ZERO(AT(h.p, 10), 10);
	CHECK_LE(now_ns() - h.start, (SLICE - 50) * MS);
	CHECK_FILL(AT(h.p, 20), 10, h.tag, 20);
	was_held(&h);
	CHECK_FILL(to, 10, h.tag, 30);
}

static void child_touches(void *arg)
{
	struct held *h = arg;

	CHECK_EQ(*(volatile uint64_t *)h->p, fill_word(h->tag, 0, 0));
	FAIL("the fault came back before the signal");
}

/* A thread that waits for its page can be killed. */
static void B4_who_waits_can_be_killed(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	struct held h = { .dev = dev, .tag = new_tag() };
	uint64_t start;
	pid_t child;

	h.p = map_filled(1, h.tag);
	advise(dev, h.p, 1, MOCKGPU_ADVICE_TIME_SLICE, 500);
	h.before = gpu_counters(dev);
	TO_VRAM(dev, h.p, 1);
	start = now_ns();
	child = spawn(child_touches, &h);
	while (gpu_counters(dev).cpu_faults_held == h.before.cpu_faults_held)
		CHECK_LE(now_ns() - start, 450 * MS);
	CHECK_SYS(kill(child, SIGKILL));
	join_killed(child, SIGKILL);
	CHECK_LE(now_ns() - start, 490 * MS);
	CHECK_PLACE(dev, h.p, 1, IN_VRAM);
	CHECK_FILL(h.p, 1, h.tag, 0);
}

static void on_alarm(int signal)
{
}

/* A signal with a handler does not get lost, nor does the access. */
static void B4_a_signal_while_waiting(void)
{
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct mockgpu_device *dev = gpu_open_private();
	struct held h;

	CHECK_SYS(sigaction(SIGALRM, &action, NULL));
	h = hold(dev, 1);
	CHECK_EQ(ualarm(20000, 20000), 0);
	CHECK_FILL(h.p, 1, h.tag, 0);
	CHECK_GE(ualarm(0, 0), 0);
	was_held(&h);
}

/* The kernel's own accesses, on behalf of a system call, wait and work. */
static void B4_system_calls(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint64_t buffer[WORDS];
	struct iovec mine = { buffer, PAGE }, its;
	struct held h = hold(dev, 1);
	uint16_t tag = new_tag();
	int pipes[2];

	/* From it. */
	CHECK_SYS(pipe2(pipes, O_CLOEXEC));
	CHECK_EQ(write(pipes[1], h.p, PAGE), PAGE);
	was_held(&h);
	CHECK_EQ(read(pipes[0], buffer, PAGE), PAGE);
	CHECK_FILL(buffer, 1, h.tag, 0);
	/* To it. */
	fill(buffer, 1, tag, 7);
	CHECK_EQ(write(pipes[1], buffer, PAGE), PAGE);
	h = hold(dev, 1);
	CHECK_EQ(read(pipes[0], h.p, PAGE), PAGE);
	was_held(&h);
	CHECK_FILL(h.p, 1, tag, 7);
	/* By get_user_pages(), both ways. */
	h = hold(dev, 1);
	its = (struct iovec){ h.p, PAGE };
	CHECK_EQ(process_vm_readv(getpid(), &mine, 1, &its, 1, 0), PAGE);
	was_held(&h);
	CHECK_FILL(buffer, 1, h.tag, 0);
	h = hold(dev, 1);
	its = (struct iovec){ h.p, PAGE };
	fill(buffer, 1, tag, 8);
	CHECK_EQ(process_vm_writev(getpid(), &mine, 1, &its, 1, 0), PAGE);
	was_held(&h);
	CHECK_FILL(h.p, 1, tag, 8);
}

/* A page that comes home with its neighbour does not wait for its own slice. */
static void B4_together_with_a_piece(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	struct held h = { .dev = dev, .tag = new_tag() };

	h.p = map_huge(h.tag);
	advise(dev, h.p, 512, MOCKGPU_ADVICE_GRANULARITY, 4);
	advise(dev, AT(h.p, 1), 15, MOCKGPU_ADVICE_TIME_SLICE, 500);
	TO_VRAM(dev, h.p, 16);
	h.before = gpu_counters(dev);
	h.start = now_ns();
	CHECK_FILL(h.p, 16, h.tag, 0);
	CHECK_LE(now_ns() - h.start, AT_ONCE);
	CHECK_EQ(gpu_counters(dev).cpu_faults_held, h.before.cpu_faults_held);
	check_faults(dev, &h.before, 1, 16);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(B3_a_fault_brings_a_piece),
	SCENARIO(B3_backwards),
	SCENARIO(B3_only_the_piece),
	SCENARIO(B3_with_other_pages_between),
	SCENARIO(B3_edges_of_mappings),
	SCENARIO(B3_at_other_addresses),
	SCENARIO(B3_faults_of_a_child),
	SCENARIO(B3_advice_of_the_time_of_the_move),
	SCENARIO(B3_eight_threads),
	SCENARIO(B4_an_early_fault_waits),
	SCENARIO(B4_a_late_fault_does_not),
	SCENARIO(B4_a_child_waits_as_well),
	SCENARIO(B4_without_a_slice),
	SCENARIO(B4_migrate_and_evict_are_not_held),
	SCENARIO(B4_changes_of_the_mapping_are_not_held),
	SCENARIO(B4_who_waits_can_be_killed),
	SCENARIO(B4_a_signal_while_waiting),
	SCENARIO(B4_system_calls),
	SCENARIO(B4_together_with_a_piece),
	{ 0 }
};
