// SPDX-License-Identifier: MIT
/*
 * What VRAM holds from earlier is never seen again: row L6.
 *
 * A block behind VRAM that gets empty goes back to the system, which clears it; a page that was
 * not cleared by us would not be noticed.  So the canary's owner fills all of VRAM and then gives
 * up every second page: no block gets empty, and who comes next gets exactly these pages.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "points.h"
#include "process.h"
#include "queue.h"

#define CANARY 0xdead

/* All of VRAM, full of canaries. */
static void *fill_vram_with_canaries(struct mockgpu_device *dev, size_t *pages)
{
	void *p;

	*pages = gpu_vram_pages(dev);
	p = map_filled(*pages, CANARY);
	TO_VRAM(dev, p, *pages);
	CHECK_EQ(gpu_counters(dev).vram_used_bytes, *pages * PAGE);
	return p;
}

static void give_up_every_second_page(void *p, size_t pages)
{
	for (size_t i = 0; i < pages; i += 2)
		CHECK_SYS(madvise(AT(p, i), PAGE, MADV_DONTNEED));
}

struct owner {
	int filled, go;
};

static void own_vram(void *arg)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct owner *owner = arg;
	size_t pages;
	void *p = fill_vram_with_canaries(dev, &pages);

	give_up_every_second_page(p, pages);
	gate_open(owner->filled, 1);
	gate_wait(owner->go);
	for (size_t i = 1; i < pages; i += 2)
		CHECK_FILL(AT(p, i), 1, CANARY, i);
}

/* The half that was given up, by holes: to the device, then to the CPU, it is all zero. */
static void check_holes_are_zero(struct mockgpu_device *dev)
{
	size_t pages = gpu_vram_pages(dev) - gpu_counters(dev).vram_used_bytes / PAGE;
	void *p = map_hole(pages);

	CHECK_GE(pages, gpu_vram_pages(dev) / 2);
	TO_VRAM(dev, p, pages);
	CHECK_EQ(gpu_counters(dev).vram_used_bytes, gpu_vram_pages(dev) * PAGE);
	GPU_CHECK_ZERO(dev, p, pages);
	CHECK_ZERO(p, pages);
	unmap(p, pages);
}

/* And by pages with contents: these come over whole. */
static void check_copies_are_whole(struct mockgpu_device *dev)
{
	size_t pages = gpu_vram_pages(dev) / 2;
	uint16_t tag = new_tag();
	void *p = map_filled(pages, tag);

	TO_VRAM(dev, p, pages);
	GPU_CHECK_FILL(dev, p, pages, tag, 0);
	CHECK_FILL(p, pages, tag, 0);
	unmap(p, pages);
}

static void L6_another_process(void)
{
	struct owner owner = { gate_new(), gate_new() };
	struct mockgpu_device *dev = gpu_open(0);
	pid_t pid = spawn(own_vram, &owner);

	gate_wait(owner.filled);
	check_holes_are_zero(dev);
	check_copies_are_whole(dev);
	check_holes_are_zero(dev);
	gate_open(owner.go, 1);
	join(pid);
}

static void L6_another_file_of_the_process(void)
{
	struct mockgpu_device *first = gpu_open(0), *second = gpu_open(0);
	size_t pages;
	void *p = fill_vram_with_canaries(first, &pages);

	give_up_every_second_page(p, pages);
	check_holes_are_zero(second);
	mockgpu_close(first);
	check_copies_are_whole(second);
	check_holes_are_zero(second);
	for (size_t i = 1; i < pages; i += 2)
		CHECK_FILL(AT(p, i), 1, CANARY, i);
}

/* The owner is killed; its VRAM is free in a moment, all of it, and clean. */
static void L6_after_a_kill(void)
{
	struct owner owner = { gate_new(), gate_new() };
	struct mockgpu_device *dev = gpu_open(0);
	uint64_t end = now_ns() + BOUND_NS / 2;
	pid_t pid = spawn(own_vram, &owner);

	gate_wait(owner.filled);
	CHECK_SYS(kill(pid, SIGKILL));
	join_killed(pid, SIGKILL);
	while (gpu_counters(dev).vram_used_bytes && now_ns() < end)
		sleep_ms(5);
	CHECK_EQ(gpu_counters(dev).vram_used_bytes, 0);
	check_holes_are_zero(dev);
}

/* A page that came home is the process's own again; the frame it left shows nothing of it. */
static void L6_after_coming_home(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	size_t pages;
	char *p = fill_vram_with_canaries(dev, &pages);

	for (size_t i = 0; i < pages; i += 2)
		CHECK_FILL(AT(p, i), 1, CANARY, i);
	check_holes_are_zero(dev);
	for (size_t i = 0; i < pages; i++)
		CHECK_FILL(AT(p, i), 1, CANARY, i);
}

/*
 * What another had there, and every copy fails: pages stay where they are, holes between them are
 * filled with zeroes, and whatever is in VRAM afterwards is this process's own, by each way there.
 */
static void check_failing_copies(struct mockgpu_device *dev)
{
	size_t pages = gpu_vram_pages(dev) - gpu_counters(dev).vram_used_bytes / PAGE;
	struct queue q = queue_new(dev);
	uint16_t tag = new_tag();
	uint8_t *want = calloc(pages, 1);
	struct arm arm = BREAK(dev, "copy");
	char *p = map_hole(pages);

	CHECK(want && pages % 4 == 0);
	for (size_t i = 0; i < pages; i += 4) {
		fill(AT(p, i), 1, tag, i);
		want[i] = MOCKGPU_PAGE_COPY_FAILED;
	}
	CHECK_MIGRATE(dev, p, pages, MOCKGPU_TARGET_VRAM, 0, 0, want);
	for (size_t i = 0; i < pages; i += 4) {
		GPU_CHECK_FILL(dev, AT(p, i), 1, tag, i);
		GPU_CHECK_ZERO(dev, AT(p, i + 1), 3);
	}
	/* One page by all the ways there are; those beside it stay as they were. */
	CHECK_EQ(mockgpu_migrate(dev, p, 4 * PAGE, MOCKGPU_TARGET_VRAM,
				 MOCKGPU_MIGRATE_ALL_OR_NOTHING, NULL, NULL), -EBUSY);
	CHECK_EQ(mockgpu_prefetch(dev, p, 4 * PAGE, MOCKGPU_PLACE_DEVICE(0), 0, NULL, NULL), 0);
	CHECK_EQ(mockgpu_advise(dev, p, 4 * PAGE, MOCKGPU_ADVICE_PLACE, MOCKGPU_PLACE_DEVICE(0)),
		 0);
	RUN(q, cmd_load(p, 8), .value = fill_word(tag, 0, 0), .done = 8);
	CHECK_EQ(mockgpu_advise(dev, p, 4 * PAGE, MOCKGPU_ADVICE_MUST_VRAM, 1), 0);
	RUN(q, cmd_load(p, 8), .error = -EIO, .fault_addr = addr_of(p),
	    .access = MOCKGPU_ACCESS_READ);
	CHECK_EQ(mockgpu_advise_reset(dev, p, 4 * PAGE), 0);
	/* And back: what cannot be copied stays, and is what it was. */
	CHECK_EQ(mockgpu_migrate(dev, p, 4 * PAGE, MOCKGPU_TARGET_SYSTEM, 0, NULL, NULL), 0);
	GPU_CHECK_FILL(dev, p, 1, tag, 0);
	GPU_CHECK_ZERO(dev, AT(p, 1), 3);
	arm_release(arm);
	for (size_t i = 0; i < pages; i += 4) {
		CHECK_FILL(AT(p, i), 1, tag, i);
		CHECK_ZERO(AT(p, i + 1), 3);
	}
	unmap(p, pages);
	free(want);
	queue_destroy(q);
}

static void L6_copies_that_fail(void)
{
	struct owner owner = { gate_new(), gate_new() };
	struct mockgpu_device *dev = gpu_open(0);
	pid_t pid = spawn(own_vram, &owner);

	gate_wait(owner.filled);
	check_failing_copies(dev);
	check_holes_are_zero(dev);
	gate_open(owner.go, 1);
	join(pid);
}

#define SCENARIO(name) { #name, name, 120, 0 }

const struct scenario scenarios[] = {
	SCENARIO(L6_another_process),
	SCENARIO(L6_another_file_of_the_process),
	SCENARIO(L6_after_a_kill),
	SCENARIO(L6_after_coming_home),
	SCENARIO(L6_copies_that_fail),
	{ 0 }
};
