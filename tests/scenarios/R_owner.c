// SPDX-License-Identifier: MIT
/*
 * A process is killed at each step where it can be held; what it leaves behind is closed, evicted
 * and unloaded by others.  And the end of files and of devices, which have steps of their own.
 *
 * The bound for all of them is 2 s.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "module.h"
#include "points.h"
#include "process.h"
#include "queue.h"

#define N	8
#define BOUND	BOUND_NS

static struct {
	char *p;
	uint16_t tag;
	struct mockgpu_device *dev;
} t;

static void set_up(void)
{
	t.p = map_hole(N);
	t.tag = new_tag();
}

static struct mockgpu_device *open_and_fill(bool to_vram)
{
	struct mockgpu_device *dev = gpu_open(0);

	fill(t.p, N, t.tag, 0);
	if (to_vram)
		TO_VRAM(dev, t.p, N);
	return dev;
}

static void to_vram(struct actor *self)
{
	struct mockgpu_device *dev = open_and_fill(false);

	cue(self);
	TO_VRAM(dev, t.p, N);
}

static void to_system(struct actor *self)
{
	struct mockgpu_device *dev = open_and_fill(true);

	cue(self);
	TO_SYSTEM(dev, t.p, N);
}

static void touch(struct actor *self)
{
	open_and_fill(true);
	cue(self);
	CHECK_FILL(t.p, N, t.tag, 0);
}

static void evict(struct actor *self)
{
	struct mockgpu_device *dev = open_and_fill(true);

	cue(self);
	CHECK_EQ(mockgpu_evict(dev, t.p, N * PAGE, NULL), 0);
}

static void look(struct actor *self)
{
	struct mockgpu_device *dev = open_and_fill(true);

	cue(self);
	CHECK_PLACE(dev, t.p, N, IN_VRAM);
}

static void access_by_device(struct actor *self)
{
	struct mockgpu_device *dev = open_and_fill(true);

	cue(self);
	GPU_CHECK_FILL(dev, t.p, N, t.tag, 0);
}

static void drop(struct actor *self)
{
	struct mockgpu_device *dev = open_and_fill(true);

	GPU_CHECK_FILL(dev, t.p, N, t.tag, 0);
	cue(self);
	CHECK_SYS(madvise(t.p, N * PAGE, MADV_DONTNEED));
}

static void run_atomics(struct actor *self)
{
	struct queue q = queue_new(open_and_fill(false));
	struct drm_mockgpu_cmd cmd = cmd_add(t.p, 8, 3);

	cue(self);
	FINISHES(q, submit(q, &cmd, 1, NULL), 0);
}

static const struct step {
	const char *point;
	void (*actor)(struct actor *self);
} steps[] = {
	{ "migrate-start", to_vram },
	{ "migrate-collected", to_vram },
	{ "migrate-copied", to_vram },
	{ "migrate-moved", to_vram },
	{ "migrate-start", to_system },
	{ "migrate-collected", to_system },
	{ "migrate-copied", to_system },
	{ "migrate-moved", to_system },
	{ "cpu-fault", touch },
	{ "cpu-fault-collected", touch },
	{ "cpu-fault-copied", touch },
	{ "evict", evict },
	{ "evict-collected", evict },
	{ "evict-copied", evict },
	{ "look-asked", look },
	{ "gpu-fault", access_by_device },
	{ "gpu-fault-asked", access_by_device },
	{ "notifier", drop },
	{ "notifier-held", drop },
	{ "command", run_atomics },
	{ "command-done", run_atomics },
	{ "exclusive", run_atomics },
	{ "exclusive-held", run_atomics },
};

/* Killed; nothing of it is left, and others can work. */
static void kill_at(const struct step *step)
{
	struct actor *actor = actor_new();
	uint64_t start, used = 1, end;
	struct arm arm;
	void *p;

	set_up();
	actor_start(actor, step->actor);
	t.dev = gpu_open(0);
	/* An eviction goes by the page, and knows no process. */
	arm = HOLD(t.dev, step->point, .pid = step->actor == evict ? 0 : actor->pid, .count = 1,
		   .time_ns = 60 * NS_PER_S);
	actor_go(actor);
	AWAIT_HELD(arm);
	start = now_ns();
	CHECK_SYS(kill(actor->pid, SIGKILL));
	join_killed(actor->pid, SIGKILL);
	if (now_ns() - start > BOUND)
		FAIL("%s: took %llu ms to die", step->point,
		     (unsigned long long)(now_ns() - start) / 1000000);
	CHECK_EQ(arm_look(arm).held, 0);
	arm_release(arm);
	for (end = now_ns() + BOUND; used && now_ns() < end; sleep_ms(5))
		CHECK_EQ(module_vram_used(&used), 0);
	if (used)
		FAIL("%s: %llu bytes of VRAM are left", step->point, (unsigned long long)used);

	p = map_filled(N, t.tag);
	TO_VRAM(t.dev, p, N);
	CHECK_EQ(mockgpu_evict_all(t.dev, NULL), 0);
	CHECK_FILL(p, N, t.tag, 0);
	unmap(p, N);
	mockgpu_close(t.dev);
}

static void kill_at_all(void (*first)(struct actor *self), void (*last)(struct actor *self))
{
	bool on = false;

	for (unsigned int i = 0; i < ARRAY_SIZE(steps); i++) {
		on |= steps[i].actor == first;
		if (!on)
			continue;
		kill_at(&steps[i]);
		if (steps[i].actor == last && (i + 1 == ARRAY_SIZE(steps) ||
					       steps[i + 1].actor != last))
			break;
	}
	/* No reference to the module, nor to its pages, is left either. */
	module_reload(DEFAULT_DEVICES, DEFAULT_VRAM_MB);
}

static void R5_killed_while_migrating(void)
{
	kill_at_all(to_vram, to_system);
}

static void R5_killed_in_a_cpu_fault(void)
{
	module_needs_private();
	kill_at_all(touch, touch);
}

static void R5_killed_while_evicting(void)
{
	kill_at_all(evict, evict);
}

static void R5_killed_in_an_access_of_the_device(void)
{
	kill_at_all(look, access_by_device);
}

static void R5_killed_in_a_notifier(void)
{
	kill_at_all(drop, drop);
}

static void R5_killed_while_its_queue_is_held(void)
{
	mockgpu_close(gpu_open_exclusive());
	kill_at_all(run_atomics, run_atomics);
}

static int survivor;

/* A child has the file, too, and so it is not closed with its owner. */
static void run_atomics_of_a_shared_file(struct actor *self)
{
	struct queue q = queue_new(open_and_fill(false));
	struct drm_mockgpu_cmd cmd = cmd_add(t.p, 8, 3);
	pid_t child = (pid_t)CHECK_SYS(fork());

	if (!child) {
		gate_wait(survivor);
		_exit(0);
	}
	cue(self);
	FINISHES(q, submit(q, &cmd, 1, NULL), 0);
}

/* Whose file others hold is done for all the same: its queue does not keep its memory. */
static void R5_killed_while_others_hold_its_file(void)
{
	mockgpu_close(gpu_open_exclusive());
	for (unsigned int i = 0; i < ARRAY_SIZE(steps); i++) {
		struct actor *actor = actor_new();
		uint64_t end;
		struct arm arm;

		if (steps[i].actor != run_atomics)
			continue;
		survivor = gate_new();
		set_up();
		actor_start(actor, run_atomics_of_a_shared_file);
		t.dev = gpu_open(0);
		arm = HOLD(t.dev, steps[i].point, .pid = actor->pid, .time_ns = 60 * NS_PER_S);
		actor_go(actor);
		AWAIT_HELD(arm);
		CHECK_SYS(kill(actor->pid, SIGKILL));
		join_killed(actor->pid, SIGKILL);
		for (end = now_ns() + BOUND; arm_look(arm).held && now_ns() < end;)
			sleep_ms(5);
		CHECK_EQ(arm_look(arm).held, 0);
		gate_open(survivor, 1);
		mockgpu_close(t.dev);
	}
}

/* A close that is held is nobody else's business. */
static void close_it(struct actor *self)
{
	struct mockgpu_device *dev = open_and_fill(true);

	cue(self);
	mockgpu_close(dev);
	CHECK_FILL(t.p, N, t.tag, 0);
}

static void R9_others_work_while_a_file_closes(void)
{
	struct actor *actor = actor_new();
	struct arm arm;
	void *p;

	set_up();
	actor_start(actor, close_it);
	t.dev = gpu_open(0);
	arm = HOLD(t.dev, "close", .count = 1);
	actor_go(actor);
	CHECK_EQ(AWAIT_HELD(arm).tid, actor->pid);
	p = map_filled(N, t.tag);
	TO_VRAM(t.dev, p, N);
	CHECK_EQ(mockgpu_evict_all(t.dev, NULL), 0);
	CHECK_FILL(p, N, t.tag, 0);
	CHECK(!actor_done(actor, 0));
	arm_release(arm);
	actor_join(actor);
}

#define DRIVER "/sys/bus/platform/drivers/mockgpu/"

static void *unbind(void *unused)
{
	CHECK_EQ(write_text(DRIVER "unbind", "mockgpu0"), 0);
	return NULL;
}

/*
 * The device leaves; step by step, calls are refused, and what is in VRAM is touched.  Another
 * device's file directs, as its own gets no answer any more.
 */
static void R9_device_leaves(void)
{
	struct mockgpu_device *leaving, *other;
	struct arm unplug, empty;
	uint32_t res[N];
	pthread_t thread;

	module_reload(2, DEFAULT_VRAM_MB);
	set_up();
	leaving = open_and_fill(true);
	other = gpu_open(1);
	unplug = HOLD(other, "unplug");
	empty = HOLD(other, "empty");
	thread = thread_start(unbind, NULL);
	AWAIT_HELD(unplug);
	CHECK_EQ(mockgpu_residency(leaving, t.p, N * PAGE, res), -ENODEV);
	CHECK_EQ(mockgpu_to_vram(leaving, t.p, N * PAGE), -ENODEV);
	CHECK_FILL(t.p, 1, t.tag, 0);
	arm_release(unplug);
	AWAIT_HELD(empty);
	CHECK_FILL(AT(t.p, 1), 1, t.tag, 1);
	arm_release(empty);
	thread_join(thread);
	CHECK_FILL(t.p, N, t.tag, 0);
	mockgpu_close(leaving);
	mockgpu_close(other);
	module_reload(DEFAULT_DEVICES, DEFAULT_VRAM_MB);
}

/* Pages are touched, and their process ends, while the device that leaves takes them home. */
static void R9_touched_while_the_device_leaves(void)
{
	struct actor *actor;
	struct mockgpu_device *other;
	struct arm arm;
	pthread_t thread;

	module_reload(2, DEFAULT_VRAM_MB);
	set_up();
	actor = actor_new();
	actor_start(actor, touch);
	other = gpu_open(1);
	arm = HOLD(other, "evict-copied", .count = 1);
	thread = thread_start(unbind, NULL);
	AWAIT_HELD(arm);
	actor_go(actor);
	CHECK(!actor_done(actor, 200));
	arm_release(arm);
	actor_join(actor);
	thread_join(thread);
	mockgpu_close(other);
	module_reload(DEFAULT_DEVICES, DEFAULT_VRAM_MB);
}

#define RELOADING(name) { #name, name, 120, RELOADS }

const struct scenario scenarios[] = {
	RELOADING(R5_killed_while_migrating),
	RELOADING(R5_killed_in_a_cpu_fault),
	RELOADING(R5_killed_while_evicting),
	RELOADING(R5_killed_in_an_access_of_the_device),
	RELOADING(R5_killed_in_a_notifier),
	RELOADING(R5_killed_while_its_queue_is_held),
	{ "R5_killed_while_others_hold_its_file", R5_killed_while_others_hold_its_file, 0, 0 },
	{ "R9_others_work_while_a_file_closes", R9_others_work_while_a_file_closes, 0, 0 },
	RELOADING(R9_device_leaves),
	RELOADING(R9_touched_while_the_device_leaves),
	{ 0 }
};
