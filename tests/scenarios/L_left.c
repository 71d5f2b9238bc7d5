// SPDX-License-Identifier: MIT
/*
 * A file whose device has left (row L2): it can be closed, and nothing else, also when a device
 * comes back under the same name; and what it holds of the module.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "busy.h"
#include "module.h"
#include "points.h"
#include "process.h"

#define N	64

static struct {
	struct mockgpu_device *dev;
} t;

/* Every call, with arguments that would do. */
static void check_every_call(int fd, void *p)
{
	static union {
		struct drm_mockgpu_counters counters;
		uint32_t res;
		uint64_t word;
	} out;
	struct drm_mockgpu_cmd nop = { .op = MOCKGPU_CMD_NOP };
	struct drm_mockgpu_query query = {
		.query = MOCKGPU_QUERY_COUNTERS, .ptr = addr_of(&out),
		.size = sizeof(out.counters),
	};
	struct drm_mockgpu_attach attach = { 0 };
	struct drm_mockgpu_migrate migrate = {
		.start = addr_of(p), .len = PAGE, .target = MOCKGPU_TARGET_VRAM,
	};
	struct drm_mockgpu_residency residency = {
		.start = addr_of(p), .len = PAGE, .pages_ptr = addr_of(&out),
	};
	struct drm_mockgpu_rw rw = { .addr = addr_of(p), .len = 8, .buf_ptr = addr_of(&out) };
	struct drm_mockgpu_evict evict = {
		.scope = MOCKGPU_EVICT_RANGE, .start = addr_of(p), .len = PAGE,
	};
	struct drm_mockgpu_queue create = { 0 }, destroy = { .id = 1 };
	struct drm_mockgpu_submit sub = {
		.queue = 1, .cmds_ptr = addr_of(&nop), .count = 1, .cmd_size = sizeof(nop),
		.eventfd = -1,
	};
	struct drm_mockgpu_wait wait = { .queue = 1, .seqno = 1, .deadline_ns = UINT64_MAX };
	struct drm_mockgpu_advise advise = {
		.start = addr_of(p), .len = PAGE, .attr = MOCKGPU_ADVICE_PLACE,
	};
	struct drm_mockgpu_advice advice = { .start = addr_of(p), .len = PAGE };
	struct drm_mockgpu_prefetch prefetch = {
		.start = addr_of(p), .len = PAGE, .place = MOCKGPU_PLACE_SYSTEM, .fd = -1,
	};
	struct drm_mockgpu_point_arm arm = { .point = 0 };
	struct drm_mockgpu_point_wait point_wait = { .id = 1, .deadline_ns = UINT64_MAX };
	struct drm_mockgpu_point_release release = { .id = 1 };
	struct drm_mockgpu_log_open log = { .event_size = sizeof(struct drm_mockgpu_event) };
	const struct { unsigned long request; void *arg; } calls[] = {
		{ DRM_IOCTL_MOCKGPU_QUERY, &query },
		{ DRM_IOCTL_MOCKGPU_ATTACH, &attach },
		{ DRM_IOCTL_MOCKGPU_MIGRATE, &migrate },
		{ DRM_IOCTL_MOCKGPU_RESIDENCY, &residency },
		{ DRM_IOCTL_MOCKGPU_RW, &rw },
		{ DRM_IOCTL_MOCKGPU_EVICT, &evict },
		{ DRM_IOCTL_MOCKGPU_QUEUE_CREATE, &create },
		{ DRM_IOCTL_MOCKGPU_QUEUE_DESTROY, &destroy },
		{ DRM_IOCTL_MOCKGPU_SUBMIT, &sub },
		{ DRM_IOCTL_MOCKGPU_WAIT, &wait },
		{ DRM_IOCTL_MOCKGPU_ADVISE, &advise },
		{ DRM_IOCTL_MOCKGPU_ADVICE, &advice },
		{ DRM_IOCTL_MOCKGPU_PREFETCH, &prefetch },
		{ DRM_IOCTL_MOCKGPU_POINT_ARM, &arm },
		{ DRM_IOCTL_MOCKGPU_POINT_WAIT, &point_wait },
		{ DRM_IOCTL_MOCKGPU_POINT_RELEASE, &release },
		{ DRM_IOCTL_MOCKGPU_LOG_OPEN, &log },
	};
	uint64_t start = now_ns();

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (!ioctl(fd, calls[i].request, calls[i].arg) || errno != ENODEV)
			FAIL("call %zu: %s", i, strerror(errno));
	CHECK_LE(now_ns() - start, BOUND_NS / 2);
}

/* It tells nothing, as of a device that is not there. */
static void look_at_fdinfo(int fd)
{
	char path[64], text[1024];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	CHECK(file != NULL);
	text[fread(text, 1, sizeof(text) - 1, file)] = 0;
	fclose(file);
	CHECK(strstr(text, "drm-") == NULL);
}

static void check_every_call_in_a_child(void *p)
{
	check_every_call(mockgpu_fd(t.dev), p);
	mockgpu_close(t.dev);
}

/* The file stays, of a device that is gone for good; a new device is nothing to it. */
static void L2_a_file_outlives_its_device(void)
{
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);
	struct mockgpu_device *new;
	struct queue q;
	int fd;

	t.dev = gpu_open(0);
	fd = mockgpu_fd(t.dev);
	TO_VRAM(t.dev, p, N);
	submit(queue_new(t.dev), &(struct drm_mockgpu_cmd){ .op = MOCKGPU_CMD_NOP }, 1, NULL);
	TALLY(t.dev, "evict");
	CHECK_EQ(device_unbind(0), 0);
	CHECK_EQ(mockgpu_count(), 0);
	check_every_call(fd, p);
	CHECK_FILL(p, N / 2, tag, 0);

	CHECK_EQ(device_bind(0), 0);
	check_every_call(fd, p);
	new = gpu_open(0);
	TO_VRAM(new, p, N);
	q = queue_new(new);
	RUN(q, cmd_load(p, 8), .value = fill_word(tag, 0, 0), .done = 8);
	check_every_call(fd, p);
	look_at_fdinfo(fd);
	join(spawn(check_every_call_in_a_child, p));
	mockgpu_close(t.dev);
	CHECK_PLACE(new, p, N, IN_VRAM);
	GPU_CHECK_FILL(new, p, N, tag, 0);
	CHECK_FILL(p, N, tag, 0);
	mockgpu_close(new);
}

/* The module stays as long as the file does, and no longer. */
static void L2_rmmod_after_the_device_left(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);
	uint64_t end;
	int err;

	TO_VRAM(dev, p, N);
	keep_busy(queue_new(dev), CHASING);
	CHECK_EQ(device_unbind(0), 0);
	CHECK_EQ(module_unload(), -EWOULDBLOCK);
	mockgpu_close(dev);
	for (end = now_ns() + BOUND_NS; (err = module_unload()) && now_ns() < end;)
		sleep_ms(10);
	CHECK_EQ(err, 0);
	CHECK_FILL(p, N, tag, 0);
}

#define WINDOWS 2	/* of 2 MiB, that are prefetched one after the other */

/* By another device, and to this one's VRAM. */
static void prefetch_to_who_leaves(struct actor *self)
{
	struct mockgpu_device *target = gpu_open(0), *dev = gpu_open(1);
	size_t pages = WINDOWS * HUGE / PAGE;
	uint16_t tag = new_tag();
	void *p = map_filled(pages, tag);

	cue(self);
	CHECK_EQ(mockgpu_prefetch(dev, p, pages * PAGE, MOCKGPU_PLACE_DEVICE(0), 0, target, NULL),
		 -ENODEV);
	CHECK_FILL(p, pages, tag, 0);
	CHECK_EQ(mockgpu_prefetch(dev, p, pages * PAGE, MOCKGPU_PLACE_DEVICE(1), 0, NULL, NULL), 0);
	CHECK_PLACE(dev, p, pages, IN_VRAM);
	CHECK_FILL(p, pages, tag, 0);
}

static void *leave(void *unused)
{
	CHECK_EQ(device_unbind(0), 0);
	return NULL;
}

/* It is that device that has gone, not its VRAM that is full. */
static void L2_unbind_in_the_middle_of_a_prefetch_to_it(void)
{
	struct actor *actor = actor_new();
	struct drm_mockgpu_device_info info;
	struct mockgpu_device *dev, *other;
	uint64_t end = now_ns() + BOUND_NS;
	pthread_t thread;
	struct arm arm;
	int ret;

	module_reload(2, DEFAULT_VRAM_MB);
	actor_start(actor, prefetch_to_who_leaves);
	dev = gpu_open(0);
	other = gpu_open(1);
	arm = HOLD(other, "migrate-start", .pid = actor->pid);
	actor_go(actor);
	AWAIT_HELD(arm);
	/* It waits for VRAM that the other has taken, and has left by then. */
	thread = thread_start(leave, NULL);
	while (!(ret = mockgpu_info(dev, &info)) && now_ns() < end)
		sleep_ms(1);
	CHECK_EQ(ret, -ENODEV);
	arm_release(arm);
	actor_join(actor);
	thread_join(thread);
	mockgpu_close(dev);
	mockgpu_close(other);
}

#define SCENARIO(name) { #name, name, 120, RELOADS }

const struct scenario scenarios[] = {
	SCENARIO(L2_a_file_outlives_its_device),
	SCENARIO(L2_rmmod_after_the_device_left),
	SCENARIO(L2_unbind_in_the_middle_of_a_prefetch_to_it),
	{ 0 }
};
