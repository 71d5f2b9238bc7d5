// SPDX-License-Identifier: MIT
/*
 * What meets a migration that is half-way: touches, and changes of the mapping.
 *
 * The process that migrates holds its mmap_lock meanwhile, so the director is another.  What it
 * keeps from happening has to wait for it, and be right afterwards.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "points.h"
#include "process.h"

#define N	8
#define TOUCHERS 4
#define AWHILE	(50 * slowness())	/* ms in which what does not wait would have happened */

static struct {
	char *p;
	uint16_t tag;
	struct mockgpu_device *dev;	/* the director's */
	struct actor *mover, *parent, *toucher;
	struct drm_mockgpu_counters before;
} t;

static const char *const steps[] = { "migrate-collected", "migrate-copied", "migrate-moved" };

/* Before the actors come: what is there they share, and what is not they make themselves. */
static void set_up(void)
{
	t.p = map_hole(N);
	t.tag = new_tag();
	t.mover = actor_new();
	t.parent = actor_new();
	t.toucher = actor_new();
	t.dev = gpu_open(0);
}

static void check_all(void)
{
	CHECK_FILL(t.p, N, t.tag, 0);
}

static void *touch_first(void *unused)
{
	CHECK_EQ(*(volatile uint64_t *)t.p, fill_word(t.tag, 0, 0));
	return NULL;
}

/* A process whose threads all touch a page that is in VRAM. */
static void touch_by_threads(struct actor *self)
{
	struct mockgpu_device *dev = gpu_open(0);
	pthread_t threads[TOUCHERS];

	fill(t.p, N, t.tag, 0);
	TO_VRAM(dev, t.p, N);
	cue(self);
	for (unsigned int i = 0; i < TOUCHERS; i++)
		threads[i] = thread_start(touch_first, NULL);
	for (unsigned int i = 0; i < TOUCHERS; i++)
		thread_join(threads[i]);
	CHECK_PLACE(dev, t.p, 1, IN_SYSTEM);
	CHECK_PLACE(dev, AT(t.p, 1), N - 1, IN_VRAM);
	check_all();
}

/* The first is held; the others wait for it, and what they hold does not make it fail. */
static void threads_fault_on_one_page(const char *point)
{
	struct arm arm;

	set_up();
	gpu_needs(t.dev, MOCKGPU_CAP_PRIVATE);
	actor_start(t.toucher, touch_by_threads);
	t.before = gpu_counters(t.dev);
	arm = HOLD(t.dev, point, .pid = t.toucher->pid, .count = 1);
	actor_go(t.toucher);
	CHECK_EQ(AWAIT_HELD(arm).addr, (uintptr_t)t.p);
	CHECK(!actor_done(t.toucher, AWHILE));
	arm_release(arm);
	actor_join(t.toucher);
	CHECK_COUNTED(t.dev, &t.before, .pages_cpu_fault = N, .vram_used_bytes = -N * PAGE);
}

static void R1_threads_touch_as_the_first_begins(void)
{
	threads_fault_on_one_page("cpu-fault");
}

static void R1_threads_touch_what_is_collected(void)
{
	threads_fault_on_one_page("cpu-fault-collected");
}

static void R1_threads_touch_what_is_copied(void)
{
	threads_fault_on_one_page("cpu-fault-copied");
}

static void *call_home(void *dev)
{
	TO_SYSTEM(dev, t.p, N);
	return NULL;
}

/* A process that calls its pages home, and whose other threads touch one of them. */
static void touch_what_is_called_home(struct actor *self)
{
	struct mockgpu_device *dev = gpu_open(0);
	pthread_t threads[TOUCHERS], caller;

	fill(t.p, N, t.tag, 0);
	TO_VRAM(dev, t.p, N);
	cue(self);
	caller = thread_start(call_home, dev);
	gate_wait(t.toucher->go);
	for (unsigned int i = 0; i < TOUCHERS; i++)
		threads[i] = thread_start(touch_first, NULL);
	for (unsigned int i = 0; i < TOUCHERS; i++)
		thread_join(threads[i]);
	gate_open(t.toucher->done, 1);
	thread_join(caller);
	CHECK_PLACE(dev, t.p, N, IN_SYSTEM);
	check_all();
}

/* It is a call that has the page: the threads wait for that, and all pages come home by it. */
static void R1_threads_touch_what_is_called_home(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(steps); i++) {
		struct arm arm;

		set_up();
		actor_start(t.mover, touch_what_is_called_home);
		t.before = gpu_counters(t.dev);
		arm = HOLD(t.dev, steps[i], .pid = t.mover->pid);
		actor_go(t.mover);
		AWAIT_HELD(arm);
		actor_go(t.toucher);
		CHECK(!actor_done(t.toucher, AWHILE));
		arm_release(arm);
		CHECK(actor_done(t.toucher, 5000));
		actor_join(t.mover);
		CHECK_COUNTED(t.dev, &t.before, .pages_to_system = N,
			      .vram_used_bytes = -N * PAGE);
		mockgpu_close(t.dev);
	}
}

/* Who touches: a process that has the page since fork(). */
static void touch(struct actor *self)
{
	cue(self);
	check_all();
}

static void touch_elsewhere(struct actor *self)
{
	char *there = map_arena(N);

	CHECK(mremap(t.p, N * PAGE, N * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, there) == there);
	cue(self);
	CHECK_FILL(there, N, t.tag, 0);
}

static void touch_and_write(struct actor *self)
{
	cue(self);
	fill(t.p, N, t.tag + 1, 0);
	CHECK_FILL(t.p, N, t.tag + 1, 0);
}

static void (*role)(struct actor *self);

static void parent_of_toucher(struct actor *self)
{
	actor_start(t.toucher, role);
	cue(self);
	actor_join(t.toucher);
}

/* Migrates back what it shares with somebody. */
static void bring_back(struct mockgpu_device *dev)
{
	CHECK_MIGRATE(dev, t.p, N, MOCKGPU_TARGET_SYSTEM, 0, 0, NULL);
	CHECK_PLACE(dev, t.p, N, IN_SYSTEM);
	check_all();
}

static void move_own(struct actor *self)
{
	struct mockgpu_device *dev = gpu_open(0);

	fill(t.p, N, t.tag, 0);
	TO_VRAM(dev, t.p, N);
	actor_start(t.toucher, role);
	cue(self);
	bring_back(dev);
	actor_join(t.toucher);
}

static void move_own_with_grandchild(struct actor *self)
{
	struct mockgpu_device *dev = gpu_open(0);

	fill(t.p, N, t.tag, 0);
	TO_VRAM(dev, t.p, N);
	actor_start(t.parent, parent_of_toucher);
	actor_go(t.parent);
	cue(self);
	bring_back(dev);
	actor_join(t.parent);
}

static void move_inherited(struct actor *self)
{
	struct mockgpu_device *dev = gpu_open(0);

	cue(self);
	bring_back(dev);
}

/* Each step in turn; in each the touch waits, and finds what it should. */
static void touched_while_coming_back(void (*mover)(struct actor *self),
				      void (*toucher)(struct actor *self))
{
	for (unsigned int i = 0; i < ARRAY_SIZE(steps); i++) {
		struct arm arm;

		set_up();
		role = toucher;
		actor_start(t.mover, mover);
		t.before = gpu_counters(t.dev);
		arm = HOLD(t.dev, steps[i], .pid = t.mover->pid);
		actor_go(t.mover);
		CHECK_EQ(AWAIT_HELD(arm).addr, (uintptr_t)t.p);
		actor_go(t.toucher);
		CHECK(!actor_done(t.toucher, AWHILE));
		arm_release(arm);
		actor_join(t.mover);
		CHECK_COUNTED(t.dev, &t.before, .pages_to_system = N,
			      .vram_used_bytes = -N * PAGE);
		mockgpu_close(t.dev);
	}
}

static void R2_child_touches(void)
{
	touched_while_coming_back(move_own, touch);
}

static void R2_child_writes(void)
{
	touched_while_coming_back(move_own, touch_and_write);
}

static void R2_grandchild_touches(void)
{
	touched_while_coming_back(move_own_with_grandchild, touch);
}

static void R2_child_touches_at_another_address(void)
{
	touched_while_coming_back(move_own, touch_elsewhere);
}

/* The one that opened the device and migrated the pages is no more. */
static void open_and_leave(struct actor *self)
{
	struct mockgpu_device *dev = gpu_open(0);

	fill(t.p, N, t.tag, 0);
	TO_VRAM(dev, t.p, N);
	actor_start(t.toucher, touch);
	actor_start(t.mover, move_inherited);
	cue(self);
}

static void R2_touched_after_the_opener_has_gone(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(steps); i++) {
		struct actor *opener = actor_new();
		struct arm arm;

		set_up();
		actor_start(opener, open_and_leave);
		actor_go(opener);
		actor_join(opener);
		arm = HOLD(t.dev, steps[i], .pid = t.mover->pid);
		actor_go(t.mover);
		AWAIT_HELD(arm);
		actor_go(t.toucher);
		CHECK(!actor_done(t.toucher, AWHILE));
		arm_release(arm);
		CHECK(actor_done(t.mover, 5000));
		CHECK(actor_done(t.toucher, 5000));
		mockgpu_close(t.dev);
	}
}

/* A second thread of the process that is held changes its mappings, and tells when it has. */
static void *unmap_part(void *unused)
{
	gate_wait(t.toucher->go);
	CHECK_SYS(munmap(AT(t.p, 2), 2 * PAGE));
	gate_open(t.toucher->done, 1);
	return NULL;
}

static void *fork_and_look(void *unused)
{
	pid_t child;

	gate_wait(t.toucher->go);
	child = (pid_t)CHECK_SYS(fork());
	if (!child) {
		check_all();
		_exit(0);
	}
	gate_open(t.toucher->done, 1);
	join(child);
	return NULL;
}

static void *(*change)(void *);

static void migrate_and_change(struct actor *self)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct mockgpu_migrated result;
	pthread_t thread;

	fill(t.p, N, t.tag, 0);
	cue(self);
	thread = thread_start(change, NULL);
	CHECK_EQ(mockgpu_migrate(dev, t.p, N * PAGE, MOCKGPU_TARGET_VRAM, 0, &result, NULL), 0);
	CHECK_EQ(result.count[MOCKGPU_PAGE_MOVED], N);
	thread_join(thread);
	if (change == unmap_part) {
		CHECK(!can_read(AT(t.p, 2)) && !can_read(AT(t.p, 3)));
		CHECK_PLACE(dev, t.p, 2, IN_VRAM);
		CHECK_PLACE(dev, AT(t.p, 4), N - 4, IN_VRAM);
		CHECK_FILL(t.p, 2, t.tag, 0);
		CHECK_FILL(AT(t.p, 4), N - 4, t.tag, 4);
	} else {
		check_all();
	}
}

static void changed_while_migrating(bool unmaps)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(steps); i++) {
		struct arm arm;

		set_up();
		change = unmaps ? unmap_part : fork_and_look;
		actor_start(t.mover, migrate_and_change);
		arm = HOLD(t.dev, steps[i], .pid = t.mover->pid);
		actor_go(t.mover);
		AWAIT_HELD(arm);
		actor_go(t.toucher);
		CHECK(!actor_done(t.toucher, AWHILE));
		arm_release(arm);
		CHECK(actor_done(t.toucher, 5000));
		actor_join(t.mover);
		mockgpu_close(t.dev);
	}
}

static void R3_part_is_unmapped(void)
{
	changed_while_migrating(true);
}

static void R3_process_forks(void)
{
	changed_while_migrating(false);
}

/* Half of a range was left behind; then a part that has some of both goes. */
static void R3_unmap_of_what_is_half_migrated(void)
{
	struct arm arm;

	set_up();
	fill(t.p, N, t.tag, 0);
	arm = BREAK(t.dev, "copy", .first = N / 2 + 1);
	CHECK_MIGRATE(t.dev, t.p, N, MOCKGPU_TARGET_VRAM, 0, 0,
		      ((const uint8_t []){ [0 ... N / 2 - 1] = MOCKGPU_PAGE_MOVED,
					   [N / 2 ... N - 1] = MOCKGPU_PAGE_COPY_FAILED }));
	arm_release(arm);
	t.before = gpu_counters(t.dev);
	CHECK_SYS(munmap(AT(t.p, N / 2 - 1), 2 * PAGE));
	CHECK_COUNTED(t.dev, &t.before, .vram_used_bytes = -PAGE);
	CHECK_PLACE(t.dev, t.p, N / 2 - 1, IN_VRAM);
	CHECK_PLACE(t.dev, AT(t.p, N / 2 + 1), N / 2 - 1, IN_SYSTEM);
	CHECK_FILL(t.p, N / 2 - 1, t.tag, 0);
	CHECK_FILL(AT(t.p, N / 2 + 1), N / 2 - 1, t.tag, N / 2 + 1);
}

/* Anonymous memory with files between: what is a file's stays, and is unmapped beside the rest. */
static int file;
static uint16_t file_tag;

static void *unmap_the_middle(void *unused)
{
	gate_wait(t.toucher->go);
	CHECK_SYS(munmap(AT(t.p, 1), (N - 2) * PAGE));
	gate_open(t.toucher->done, 1);
	return NULL;
}

static void migrate_between_files(struct actor *self)
{
	struct mockgpu_device *dev = gpu_open(0);
	const int writable = PROT_READ | PROT_WRITE;
	struct mockgpu_migrated result;
	pthread_t thread;

	map_fixed(AT(t.p, 2), 2, writable, MAP_SHARED, file);
	map_fixed(AT(t.p, 4), 2, writable, MAP_PRIVATE, file);
	fill(t.p, 2, t.tag, 0);
	fill(AT(t.p, 4), N - 4, t.tag, 4);
	CHECK_FILL(AT(t.p, 2), 2, file_tag, 0);
	cue(self);
	thread = thread_start(unmap_the_middle, NULL);
	CHECK_EQ(mockgpu_migrate(dev, t.p, N * PAGE, MOCKGPU_TARGET_VRAM, 0, &result, NULL), 0);
	thread_join(thread);
	/* A page of the file that is busy at first is looked at again, when it is unmapped. */
	CHECK_EQ(result.count[MOCKGPU_PAGE_FILE] + result.count[MOCKGPU_PAGE_UNMAPPED], 2);
	CHECK_EQ(result.count[MOCKGPU_PAGE_MOVED], N - 2);
	CHECK(!can_read(AT(t.p, 1)) && !can_read(AT(t.p, N - 2)));
	CHECK_PLACE(dev, t.p, 1, IN_VRAM);
	CHECK_PLACE(dev, AT(t.p, N - 1), 1, IN_VRAM);
	CHECK_FILL(t.p, 1, t.tag, 0);
	CHECK_FILL(AT(t.p, N - 1), 1, t.tag, N - 1);
}

static void R3_files_beside(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(steps); i++) {
		struct arm arm;
		void *p;

		set_up();
		file_tag = new_tag();
		file = make_memfd(4, file_tag);
		actor_start(t.mover, migrate_between_files);
		arm = HOLD(t.dev, steps[i], .pid = t.mover->pid, .addr = AT(t.p, N - 1),
			   .len = PAGE);
		actor_go(t.mover);
		AWAIT_HELD(arm);
		actor_go(t.toucher);
		CHECK(!actor_done(t.toucher, AWHILE));
		arm_release(arm);
		CHECK(actor_done(t.toucher, 5000));
		actor_join(t.mover);
		/* What was written to the private mapping is not the file's. */
		p = map_hole(4);
		map_fixed(p, 4, PROT_READ, MAP_SHARED, file);
		CHECK_FILL(p, 4, file_tag, 0);
		close(file);
		mockgpu_close(t.dev);
	}
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(R1_threads_touch_as_the_first_begins),
	SCENARIO(R1_threads_touch_what_is_collected),
	SCENARIO(R1_threads_touch_what_is_copied),
	SCENARIO(R1_threads_touch_what_is_called_home),
	SCENARIO(R2_child_touches),
	SCENARIO(R2_child_writes),
	SCENARIO(R2_grandchild_touches),
	SCENARIO(R2_child_touches_at_another_address),
	SCENARIO(R2_touched_after_the_opener_has_gone),
	SCENARIO(R3_part_is_unmapped),
	SCENARIO(R3_process_forks),
	SCENARIO(R3_unmap_of_what_is_half_migrated),
	SCENARIO(R3_files_beside),
	{ 0 }
};
