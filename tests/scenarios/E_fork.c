// SPDX-License-Identifier: MIT
/* fork() with pages in VRAM: rows E1 and E2. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gpu.h"
#include "process.h"

#define N	300
#define READ	MOCKGPU_RES_READ

/* A child that does what it is told, one step at a time, so that every counter is exact. */
struct child {
	int go, done;	/* gates */
	pid_t pid;
	void *pages;
	uint16_t old, new;
	enum { CHECK_OLD, CHECK_NEW, WRITE, MIGRATE, DEVICE_WRITE, END } step;
};

static void child_runs(void *arg)
{
	struct mockgpu_device *dev = NULL;
	struct child *child = arg;

	for (;;) {
		gate_wait(child->go);
		switch (child->step) {
		case CHECK_OLD:
			CHECK_FILL(child->pages, N, child->old, 0);
			break;
		case CHECK_NEW:
			CHECK_FILL(child->pages, N, child->new, 0);
			break;
		case WRITE:
			fill(child->pages, N, child->new, 0);
			break;
		case MIGRATE:
			dev = gpu_open(0);
			TO_VRAM(dev, child->pages, N);
			CHECK_PLACE(dev, child->pages, N, IN_VRAM);
			break;
		case DEVICE_WRITE:
			gpu_fill(dev, child->pages, N, child->new, 0);
			break;
		case END:
			_exit(0);
		}
		gate_open(child->done, 1);
	}
}

static struct child *child_new(void *pages, uint16_t old)
{
	struct child *child = map_shared(1);

	child->go = gate_new();
	child->done = gate_new();
	child->pages = pages;
	child->old = old;
	child->new = new_tag();
	child->pid = spawn(child_runs, child);
	return child;
}

static void child_does(struct child *child, unsigned int step)
{
	child->step = step;
	gate_open(child->go, 1);
	if (step == END)
		join(child->pid);
	else
		gate_wait(child->done);
}

/* Whether parent and child have the same page at each address: in VRAM, or not. */
static void check_shared(struct child *child, bool in_vram)
{
	for (unsigned int i = 0; i < N; i++) {
		struct pagemap ours = pagemap_of(0, AT(child->pages, i));
		struct pagemap theirs = pagemap_of(child->pid, AT(child->pages, i));

		CHECK_EQ(ours.vram, in_vram);
		CHECK_EQ(theirs.vram, in_vram);
		CHECK_EQ(ours.present, !in_vram);
		CHECK_EQ(theirs.present, !in_vram);
		CHECK_EQ(ours.pfn, theirs.pfn);
		CHECK(!ours.vram_write && !theirs.vram_write);
	}
}

static void check_separate(struct child *child)
{
	for (unsigned int i = 0; i < N; i++) {
		struct pagemap ours = pagemap_of(0, AT(child->pages, i));
		struct pagemap theirs = pagemap_of(child->pid, AT(child->pages, i));

		CHECK(ours.present && theirs.present);
		CHECK(ours.pfn != theirs.pfn);
	}
}

/* The device reads what is shared: nothing is copied and nothing moves. */
static void E1_device_reads_after_fork(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);
	struct drm_mockgpu_counters c;
	struct child *child;

	TO_VRAM(dev, p, N);
	CHECK_RES(dev, p, N, RES_PLACE | RW, IN_VRAM | RW);
	c = gpu_counters(dev);
	child = child_new(p, tag);
	CHECK_RES(dev, p, N, RES_PLACE | RW, IN_VRAM | READ);
	check_shared(child, true);
	CHECK_COUNTED(dev, &c);
	GPU_CHECK_FILL(dev, p, N, tag, 0);
	GPU_CHECK_FILL(dev, p, N, tag, 0);
	CHECK_RES(dev, p, N, RES_PLACE | RW, IN_VRAM | READ);
	CHECK_RES(dev, p, N, MOCKGPU_RES_GPU | MOCKGPU_RES_GPU_WRITE, MOCKGPU_RES_GPU);
	check_shared(child, true);
	CHECK_COUNTED(dev, &c, .gpu_faults = N, .gpu_bytes_read = 2 * N * PAGE);
	child_does(child, END);
	GPU_CHECK_FILL(dev, p, N, tag, 0);
	CHECK_PLACE(dev, p, N, IN_VRAM);
	CHECK_COUNTED(dev, &c, .gpu_bytes_read = N * PAGE);
	CHECK_FILL(p, N, tag, 0);
}

/* The child's read brings each page back once, for both, and they still share it. */
static void E1_child_reads(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);
	struct drm_mockgpu_counters c;
	struct child *child;

	TO_VRAM(dev, p, N);
	c = gpu_counters(dev);
	child = child_new(p, tag);
	child_does(child, CHECK_OLD);
	CHECK_COUNTED(dev, &c, .pages_cpu_fault = N, .vram_used_bytes = -N * PAGE);
	check_shared(child, false);
	CHECK_FILL(p, N, tag, 0);
	CHECK_PLACE(dev, p, N, IN_SYSTEM);
	CHECK_COUNTED(dev, &c);
	GPU_CHECK_FILL(dev, p, N, tag, 0);
	child_does(child, CHECK_OLD);
	check_shared(child, false);
	CHECK_COUNTED(dev, &c, .gpu_faults = N, .gpu_bytes_read = N * PAGE);
	child_does(child, END);
}

static void E1_both_read(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);
	struct drm_mockgpu_counters c;
	struct child *child;

	TO_VRAM(dev, p, N);
	c = gpu_counters(dev);
	child = child_new(p, tag);
	CHECK_FILL(p, N, tag, 0);
	CHECK_COUNTED(dev, &c, .pages_cpu_fault = N, .vram_used_bytes = -N * PAGE);
	child_does(child, CHECK_OLD);
	check_shared(child, false);
	CHECK_COUNTED(dev, &c);
	child_does(child, END);
}

static void E2_parent_writes_first(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t old = new_tag(), new = new_tag();
	void *p = map_filled(N, old);
	struct drm_mockgpu_counters c;
	struct child *child;

	TO_VRAM(dev, p, N);
	child = child_new(p, old);
	c = gpu_counters(dev);
	fill(p, N, new, 0);
	CHECK_COUNTED(dev, &c, .pages_cpu_fault = N, .vram_used_bytes = -N * PAGE);
	check_separate(child);
	child_does(child, CHECK_OLD);
	CHECK_FILL(p, N, new, 0);
	GPU_CHECK_FILL(dev, p, N, new, 0);
	child_does(child, WRITE);
	GPU_CHECK_FILL(dev, p, N, new, 0);
	CHECK_FILL(p, N, new, 0);
	child_does(child, CHECK_NEW);
	CHECK_COUNTED(dev, &c, .gpu_faults = N, .gpu_bytes_read = 2 * N * PAGE);
	child_does(child, END);
}

static void E2_child_writes_first(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t old = new_tag();
	void *p = map_filled(N, old);
	struct drm_mockgpu_counters c;
	struct child *child;

	TO_VRAM(dev, p, N);
	GPU_CHECK_FILL(dev, p, N, old, 0);
	child = child_new(p, old);
	c = gpu_counters(dev);
	child_does(child, WRITE);
	CHECK_COUNTED(dev, &c, .pages_cpu_fault = N, .vram_used_bytes = -N * PAGE);
	check_separate(child);
	CHECK_PLACE(dev, p, N, IN_SYSTEM);
	GPU_CHECK_FILL(dev, p, N, old, 0);
	CHECK_FILL(p, N, old, 0);
	child_does(child, CHECK_NEW);
	CHECK_COUNTED(dev, &c, .gpu_faults = N, .gpu_bytes_read = N * PAGE);
	child_does(child, END);
}

/* The sharing is broken once for each page, and both copies are in system memory then. */
static void E2_device_writes_first(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t old = new_tag(), new = new_tag();
	void *p = map_filled(N, old);
	struct drm_mockgpu_counters c;
	struct child *child;

	TO_VRAM(dev, p, N);
	child = child_new(p, old);
	c = gpu_counters(dev);
	gpu_fill(dev, p, N, new, 0);
	CHECK_COUNTED(dev, &c, .gpu_faults = N, .gpu_cow_breaks = N, .pages_cpu_fault = N,
		      .gpu_bytes_written = N * PAGE, .vram_used_bytes = -N * PAGE);
	check_separate(child);
	CHECK_PLACE(dev, p, N, IN_SYSTEM);
	child_does(child, CHECK_OLD);
	CHECK_FILL(p, N, new, 0);
	gpu_fill(dev, p, N, new, 50);
	child_does(child, CHECK_OLD);
	CHECK_FILL(p, N, new, 50);
	CHECK_COUNTED(dev, &c, .gpu_bytes_written = N * PAGE);
	child_does(child, END);
}

static void E2_device_writes_system_pages_first(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t old = new_tag(), new = new_tag();
	void *p = map_filled(N, old);
	struct drm_mockgpu_counters c;
	struct child *child;

	/* In its page table, with the right to write that fork() has to take away. */
	gpu_fill(dev, p, N, old, 0);
	child = child_new(p, old);
	check_shared(child, false);
	c = gpu_counters(dev);
	gpu_fill(dev, p, N, new, 0);
	CHECK_COUNTED(dev, &c, .gpu_faults = N, .gpu_bytes_written = N * PAGE);
	check_separate(child);
	child_does(child, CHECK_OLD);
	CHECK_FILL(p, N, new, 0);
	child_does(child, WRITE);
	GPU_CHECK_FILL(dev, p, N, new, 0);
	CHECK_FILL(p, N, new, 0);
	child_does(child, END);
}

/* A few bytes: the writer's copy has all the others from the shared page. */
static void E2_device_writes_a_word(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t old = new_tag();
	uint64_t *p = map_filled(N, old), word = 0x1234567890abcdef;
	struct child *child;

	TO_VRAM(dev, p, N);
	child = child_new(p, old);
	for (size_t i = 0; i < N; i += 2)
		CHECK_WRITE(dev, p + i * WORDS + i, &word, 8, 0, .done = 8, .faults = 1);
	child_does(child, CHECK_OLD);
	for (size_t i = 0; i < N; i++)
		for (size_t w = 0; w < WORDS; w++) {
			bool written = i % 2 == 0 && w == i;
			uint64_t want = written ? word : fill_word(old, i, w);

			if (p[i * WORDS + w] != want)
				FAIL("page %zu word %zu: expected %llx, got %llx", i, w,
				     (unsigned long long)want,
				     (unsigned long long)p[i * WORDS + w]);
		}
	child_does(child, END);
}

/* The child has gone without a write: the parent has its pages for itself again. */
static void E2_writes_after_child_ended(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t old = new_tag(), new = new_tag();
	void *p = map_filled(N, old);
	struct drm_mockgpu_counters c;
	struct child *child;

	TO_VRAM(dev, p, N);
	c = gpu_counters(dev);
	child = child_new(p, old);
	child_does(child, END);
	CHECK_PLACE(dev, p, N, IN_VRAM);
	CHECK_COUNTED(dev, &c);
	gpu_fill(dev, p, N / 2, new, 0);
	GPU_CHECK_FILL(dev, p, N / 2, new, 0);
	fill(AT(p, N / 2), N - N / 2, new, N / 2);
	CHECK_FILL(p, N, new, 0);
	CHECK_EQ(gpu_counters(dev).vram_used_bytes, c.vram_used_bytes - N * PAGE);
}

/* The child opens the device itself and moves what both share; then its device writes. */
static void E2_child_migrates_shared_pages(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t old = new_tag();
	void *p = map_filled(N, old);
	struct drm_mockgpu_counters c = gpu_counters(dev);
	struct child *child = child_new(p, old);

	GPU_CHECK_FILL(dev, p, N, old, 0);
	CHECK_COUNTED(dev, &c, .gpu_faults = N, .gpu_bytes_read = N * PAGE);
	child_does(child, MIGRATE);
	CHECK_COUNTED(dev, &c, .pages_to_vram = N, .vram_used_bytes = N * PAGE);
	CHECK_RES(dev, p, N, RES_PLACE | MOCKGPU_RES_GPU, IN_VRAM);
	check_shared(child, true);
	GPU_CHECK_FILL(dev, p, N, old, 0);
	CHECK_COUNTED(dev, &c, .gpu_faults = N, .gpu_bytes_read = N * PAGE);
	child_does(child, DEVICE_WRITE);
	CHECK_COUNTED(dev, &c, .gpu_faults = N, .gpu_cow_breaks = N, .pages_cpu_fault = N,
		      .gpu_bytes_written = N * PAGE, .vram_used_bytes = -N * PAGE);
	check_separate(child);
	GPU_CHECK_FILL(dev, p, N, old, 0);
	CHECK_FILL(p, N, old, 0);
	child_does(child, CHECK_NEW);
	child_does(child, END);
}

/* Parent and child have different pages at the same addresses, all in VRAM. */
static void E2_both_migrate_their_own(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t old = new_tag();
	void *p = map_filled(N, old);
	struct drm_mockgpu_counters c;
	struct child *child;

	TO_VRAM(dev, p, N);
	child = child_new(p, old);
	child_does(child, WRITE);
	child_does(child, MIGRATE);
	c = gpu_counters(dev);
	TO_VRAM(dev, p, N);
	CHECK_COUNTED(dev, &c, .pages_to_vram = N, .vram_used_bytes = N * PAGE);
	GPU_CHECK_FILL(dev, p, N, old, 0);
	child_does(child, CHECK_NEW);
	CHECK_FILL(p, N, old, 0);
	child_does(child, MIGRATE);
	CHECK_FILL(p, N, old, 0);
	child_does(child, END);
}

/* What the child does with the parent's file is refused, and changes nothing. */
static void E2_childs_copy_of_the_file(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t old = new_tag();
	void *p = map_filled(N, old);
	struct drm_mockgpu_counters c;
	uint64_t buffer[WORDS];
	uint32_t res;
	pid_t pid;

	TO_VRAM(dev, p, N / 2);
	c = gpu_counters(dev);
	pid = (pid_t)CHECK_SYS(fork());
	if (!pid) {
		struct drm_mockgpu_counters counters;
		struct mockgpu_access access;

		memset(buffer, 0, sizeof(buffer));
		CHECK_EQ(mockgpu_migrate(dev, p, N * PAGE, MOCKGPU_TARGET_SYSTEM, 0, NULL, NULL),
			 -EPERM);
		CHECK_EQ(mockgpu_migrate(dev, p, N * PAGE, MOCKGPU_TARGET_VRAM, 0, NULL, NULL),
			 -EPERM);
		CHECK_EQ(mockgpu_evict(dev, p, N * PAGE, NULL), -EPERM);
		CHECK_EQ(mockgpu_residency(dev, p, PAGE, &res), -EPERM);
		CHECK_EQ(mockgpu_read(dev, buffer, p, PAGE, &access), -EPERM);
		CHECK_EQ(access.done, 0);
		CHECK_EQ(access.fault_addr, 0);
		CHECK_ZERO(buffer, 1);
		CHECK_EQ(mockgpu_write(dev, p, buffer, PAGE, &access), -EPERM);
		CHECK_EQ(mockgpu_counters(dev, &counters), 0);
		mockgpu_close(dev);
		_exit(0);
	}
	join(pid);
	CHECK_PLACE(dev, p, N / 2, IN_VRAM);
	CHECK_PLACE(dev, AT(p, N / 2), N - N / 2, IN_SYSTEM);
	CHECK_COUNTED(dev, &c);
	GPU_CHECK_FILL(dev, p, N, old, 0);
	CHECK_FILL(p, N, old, 0);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(E1_device_reads_after_fork),
	SCENARIO(E1_child_reads),
	SCENARIO(E1_both_read),
	SCENARIO(E2_parent_writes_first),
	SCENARIO(E2_child_writes_first),
	SCENARIO(E2_device_writes_first),
	SCENARIO(E2_device_writes_system_pages_first),
	SCENARIO(E2_device_writes_a_word),
	SCENARIO(E2_writes_after_child_ended),
	SCENARIO(E2_child_migrates_shared_pages),
	SCENARIO(E2_both_migrate_their_own),
	SCENARIO(E2_childs_copy_of_the_file),
	{ 0 }
};
