// SPDX-License-Identifier: MIT
/*
 * Malformed submissions, and the limits: row Q5.  Raw ioctls, not the library.
 *
 * Each case spoils one field of a call that would work, and has to give exactly one errno; the
 * queue has then executed nothing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "process.h"
#include "queue.h"

#define MAX32	0xffffffffUL
#define MAX64	0xffffffffffffffffUL

static struct queue q;
static int fd;
/* Two commands that store, so that it is seen when one is executed. */
static struct drm_mockgpu_cmd cmds[2];
static struct drm_mockgpu_result results[2];
static uint64_t stored[2], fence;

static void set_up(void)
{
	q = queue_new(gpu_open(0));
	fd = mockgpu_fd(q.dev);
	cmds[0] = cmd_store(&stored[0], 8, 1);
	cmds[1] = cmd_store(&stored[1], 8, 1);
}

static struct drm_mockgpu_submit good(void)
{
	return (struct drm_mockgpu_submit){
		.queue = q.id, .cmds_ptr = addr_of(cmds), .count = 2, .cmd_size = sizeof(*cmds),
		.results = addr_of(results), .fence_addr = addr_of(&fence), .fence_value = 1,
		.eventfd = -1,
	};
}

/* An errno, positive, or 0. */
static int call(unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) ? errno : 0;
}

/* Nothing was executed: what comes next is the first submission of the queue. */
static void nothing_happened(const char *what)
{
	if (mockgpu_wait(q.dev, q.id, 1, 0, NULL) != -EINVAL)
		FAIL("%s: something was submitted", what);
	if (stored[0] || stored[1] || fence || results[0].done || results[1].done)
		FAIL("%s: something was executed", what);
}

struct spoilt {
	const char *what;
	size_t offset, size;
	uint64_t value;
	int error;
};

#define SPOIL(type, field, value, error) \
	{ #field " = " #value, offsetof(struct type, field), \
	  sizeof(((struct type *)0)->field), (value), (error) }
#define SUBMIT(field, value, error) SPOIL(drm_mockgpu_submit, field, value, error)

static void Q5_submit(void)
{
	set_up();
	const struct spoilt cases[] = {
		SUBMIT(queue, 0, ENOENT), SUBMIT(queue, q.id + 1, ENOENT),
		SUBMIT(queue, 16, ENOENT), SUBMIT(queue, 17, ENOENT), SUBMIT(queue, MAX32, ENOENT),
		SUBMIT(flags, 1, EINVAL), SUBMIT(flags, 1UL << 31, EINVAL),
		SUBMIT(cmds_ptr, 0, EFAULT), SUBMIT(cmds_ptr, 1UL << 47, EFAULT),
		SUBMIT(cmds_ptr, MAX64, EFAULT), SUBMIT(cmds_ptr, 0xffff888000000000, EFAULT),
		SUBMIT(count, 0, EINVAL), SUBMIT(count, 65537, E2BIG), SUBMIT(count, MAX32, E2BIG),
		SUBMIT(cmd_size, 0, EINVAL), SUBMIT(cmd_size, sizeof(*cmds) - 8, EINVAL),
		SUBMIT(cmd_size, sizeof(*cmds) + 8, EINVAL), SUBMIT(cmd_size, MAX32, EINVAL),
		SUBMIT(results, addr_of(results) + 1, EINVAL),
		SUBMIT(results, addr_of(results) + 4, EINVAL),
		SUBMIT(results, MAX64 & ~7UL, EINVAL),
		SUBMIT(results, 0xffff888000000000, EINVAL),
		SUBMIT(fence_addr, addr_of(&fence) + 1, EINVAL),
		SUBMIT(fence_addr, addr_of(&fence) + 4, EINVAL),
		SUBMIT(fence_addr, MAX64 & ~7UL, EINVAL),
		SUBMIT(fence_addr, 0xffff888000000000, EINVAL),
		SUBMIT(fence_addr, 0, EINVAL),		/* and yet a value for it */
		SUBMIT(eventfd, (uint32_t)-2, EINVAL), SUBMIT(eventfd, 1UL << 31, EINVAL),
		SUBMIT(eventfd, 1000, EBADF), SUBMIT(eventfd, fd, EBADF),
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct drm_mockgpu_submit arg = good();

		memcpy((char *)&arg + cases[i].offset, &cases[i].value, cases[i].size);
		errno = 0;
		if (call(DRM_IOCTL_MOCKGPU_SUBMIT, &arg) != cases[i].error)
			FAIL("%s: expected %d (%s), got %d (%s)", cases[i].what, cases[i].error,
			     strerror(cases[i].error), errno, strerror(errno));
		nothing_happened(cases[i].what);
	}
}

/* A command that is spoilt: which one it is comes back, and the good one before it is not executed. */
struct bad_cmd {
	const char *what;
	struct drm_mockgpu_cmd cmd;
};

#define BAD(good_cmd, field, value) \
	{ #good_cmd ", " #field " = " #value, spoil(good_cmd, \
	  offsetof(struct drm_mockgpu_cmd, field), \
	  sizeof(((struct drm_mockgpu_cmd *)0)->field), (value)) }

static struct drm_mockgpu_cmd spoil(struct drm_mockgpu_cmd cmd, size_t offset, size_t size,
				    uint64_t value)
{
	memcpy((char *)&cmd + offset, &value, size);
	return cmd;
}

static void refused(const struct bad_cmd *bad, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct drm_mockgpu_submit arg = good();
		int error;

		cmds[1] = bad[i].cmd;
		error = call(DRM_IOCTL_MOCKGPU_SUBMIT, &arg);
		if (error != EINVAL)
			FAIL("%s: expected %d, got %d (%s)", bad[i].what, EINVAL, error,
			     strerror(error));
		CHECK_EQ(arg.failed, 1);
		nothing_happened(bad[i].what);
	}
}

#define REFUSED(cases) refused((cases), ARRAY_SIZE(cases))

static void Q5_sizes_and_alignment(void)
{
	static char p[64] __attribute__((aligned(64)));
	static uint64_t index[2];

	set_up();
	const struct bad_cmd cases[] = {
		BAD(cmd_load(p, 8), size, 0), BAD(cmd_load(p, 8), size, 3),
		BAD(cmd_load(p, 8), size, 16), BAD(cmd_store(p, 8, 1), size, 5),
		BAD(cmd_store(p, 8, 1), size, MAX32), BAD(cmd_fill(p, 8, 4, 1), size, 0),
		BAD(cmd_fill(p, 8, 4, 1), size, 7), BAD(cmd_add(p, 8, 1), size, 0),
		BAD(cmd_add(p, 8, 1), size, 6), BAD(cmd_add(p, 8, 1), size, 32),
		BAD(cmd_add(p, 8, 1), addr, addr_of(p) + 4),
		BAD(cmd_add(p, 4, 1), addr, addr_of(p) + 2),
		BAD(cmd_add(p, 2, 1), addr, addr_of(p) + 1),
		BAD(cmd_add(p, 8, 2), stride, 4), BAD(cmd_add(p, 2, 2), stride, 1),
		BAD(cmd_wait(p, 8, 0, 1, 1), size, 0), BAD(cmd_wait(p, 8, 0, 1, 1), size, 12),
		BAD(cmd_wait(p, 8, 0, 1, 1), addr, addr_of(p) + 7),
		BAD(cmd_elements(MOCKGPU_CMD_GATHER, p, p, index, 2, 8), size, 0),
		BAD(cmd_elements(MOCKGPU_CMD_SCATTER, p, p, index, 2, 8), size, 9),
	};

	REFUSED(cases);
}

static struct drm_mockgpu_cmd strided(void *p, uint64_t stride)
{
	struct drm_mockgpu_cmd cmd = cmd_add(p, 8, 2);

	cmd.stride = stride;
	return cmd;
}

static void Q5_ranges(void)
{
	static char p[64] __attribute__((aligned(64)));
	static uint64_t index[2];

	set_up();
	const struct bad_cmd cases[] = {
		BAD(cmd_fill(p, 8, 1, 1), len, MAX64), BAD(cmd_checksum(p, 8), len, MAX64),
		BAD(cmd_checksum(p, 8), addr, MAX64), BAD(cmd_copy(p, p + 32, 32), len, MAX64),
		BAD(cmd_copy(p, p + 32, 32), addr, MAX64 - 5),
		BAD(cmd_copy(p, p + 32, 32), addr2, MAX64 - 5),
		BAD(cmd_compare(p, p + 32, 32), addr2, MAX64 - 5),
		/* Parts that overlap: from above, from below, by all of them. */
		BAD(cmd_copy(p, p + 32, 32), len, 33), BAD(cmd_copy(p + 32, p, 32), len, 33),
		BAD(cmd_copy(p, p + 32, 32), addr2, addr_of(p)),
		BAD(strided(p, 16), count, MAX64 / 16 + 2), BAD(strided(p, 16), count, MAX64),
		BAD(strided(p, 8), addr, MAX64 - 15),
		BAD(cmd_elements(MOCKGPU_CMD_GATHER, p, p, index, 2, 8), count, MAX64 / 8 + 1),
		BAD(cmd_elements(MOCKGPU_CMD_GATHER, p, p, index, 2, 8), index, MAX64 - 7),
		BAD(cmd_elements(MOCKGPU_CMD_SCATTER, p, p, index, 2, 8), addr, MAX64 - 7),
		BAD(cmd_delay(1), value, 10 * NS_PER_S + 1), BAD(cmd_delay(1), value, MAX64),
		BAD(cmd_wait(p, 8, 0, 1, 1), value2, 60 * NS_PER_S + 1),
		BAD(cmd_wait(p, 8, 0, 1, 1), value2, MAX64),
	};

	REFUSED(cases);
}

static void Q5_enumerators_and_flags(void)
{
	static char p[64] __attribute__((aligned(64)));

	set_up();
	const struct bad_cmd cases[] = {
		BAD(cmd_barrier(), op, MOCKGPU_CMD_WAIT_VALUE + 1), BAD(cmd_barrier(), op, MAX32),
		BAD(cmd_barrier(), flags, 1), BAD(cmd_load(p, 8), flags, 1UL << 31),
		BAD(cmd_add(p, 8, 1), atomic, MOCKGPU_ATOMIC_CMPXCHG + 1),
		BAD(cmd_add(p, 8, 1), atomic, MAX32),
		BAD(cmd_wait(p, 8, 0, 1, 1), atomic, MOCKGPU_WAIT_GE + 1),
		BAD(cmd_wait(p, 8, 0, 1, 1), atomic, MAX32),
	};

	REFUSED(cases);
}

/* What an operation does not use has to be 0. */
static void Q5_unused_fields(void)
{
	static char p[64] __attribute__((aligned(64)));
	static uint64_t index[2];

	set_up();
	const struct bad_cmd cases[] = {
		BAD(cmd_barrier(), addr, 1), BAD(cmd_barrier(), addr2, 1),
		BAD(cmd_barrier(), index, 1), BAD(cmd_barrier(), len, 1),
		BAD(cmd_barrier(), count, 1), BAD(cmd_barrier(), stride, 1),
		BAD(cmd_barrier(), value, 1), BAD(cmd_barrier(), value2, 1),
		BAD(cmd_barrier(), size, 1), BAD(cmd_barrier(), atomic, 1),
		BAD(cmd_delay(1), addr, 1), BAD(cmd_delay(1), value2, 1),
		BAD(cmd_load(p, 8), value, 1), BAD(cmd_load(p, 8), len, 8),
		BAD(cmd_load(p, 8), count, 1), BAD(cmd_store(p, 8, 1), value2, 1),
		BAD(cmd_store(p, 8, 1), addr2, 1), BAD(cmd_fill(p, 8, 1, 1), count, 1),
		BAD(cmd_copy(p, p + 32, 8), size, 1), BAD(cmd_copy(p, p + 32, 8), value, 1),
		BAD(cmd_compare(p, p + 32, 8), index, 1), BAD(cmd_checksum(p, 8), addr2, 1),
		BAD(cmd_checksum(p, 8), size, 8), BAD(cmd_add(p, 8, 1), len, 8),
		BAD(cmd_add(p, 8, 1), addr2, 8), BAD(cmd_add(p, 8, 1), index, 8),
		BAD(cmd_add(p, 8, 1), value2, 1), BAD(cmd_chase(p, 8, 1), size, 8),
		BAD(cmd_chase(p, 8, 1), value, 8), BAD(cmd_wait(p, 8, 0, 1, 1), count, 1),
		BAD(cmd_wait(p, 8, 0, 1, 1), stride, 8),
		BAD(cmd_elements(MOCKGPU_CMD_GATHER, p, p, index, 2, 8), stride, 8),
		BAD(cmd_elements(MOCKGPU_CMD_GATHER, p, p, index, 2, 8), value, 8),
		BAD(cmd_elements(MOCKGPU_CMD_SCATTER, p, p, index, 2, 8), len, 16),
	};

	REFUSED(cases);
}

/* The number of the first command that is not valid, wherever it stands. */
static void Q5_the_first_bad_command_is_named(void)
{
	struct drm_mockgpu_cmd *many = calloc(65536, sizeof(*many));
	static const uint32_t places[] = { 0, 1, 4095, 65535 };

	CHECK(many != NULL);
	set_up();
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		struct drm_mockgpu_submit arg = good();

		arg.results = 0;
		arg.cmds_ptr = addr_of(many);
		arg.count = 65536;
		many[places[i]].flags = 1;
		many[65535].flags = 1;
		CHECK_EQ(call(DRM_IOCTL_MOCKGPU_SUBMIT, &arg), EINVAL);
		CHECK_EQ(arg.failed, places[i]);
		nothing_happened("a bad command among many");
		many[places[i]].flags = 0;
	}
	/* As many as there may be. */
	many[65535].flags = 0;
	FINISHES(q, submit(q, many, 65536, NULL), 0);
	free(many);
}

static void Q5_queue_and_wait(void)
{
	struct drm_mockgpu_queue queue = { .flags = 1 };
	struct drm_mockgpu_wait wait = { .queue = 0, .seqno = 1 };

	set_up();
	CHECK_EQ(call(DRM_IOCTL_MOCKGPU_QUEUE_CREATE, &queue), EINVAL);
	queue = (struct drm_mockgpu_queue){ .id = 5 };
	CHECK_EQ(call(DRM_IOCTL_MOCKGPU_QUEUE_CREATE, &queue), EINVAL);
	CHECK_EQ(call(DRM_IOCTL_MOCKGPU_QUEUE_DESTROY, &queue), ENOENT);
	queue = (struct drm_mockgpu_queue){ .id = MAX32 };
	CHECK_EQ(call(DRM_IOCTL_MOCKGPU_QUEUE_DESTROY, &queue), ENOENT);
	queue = (struct drm_mockgpu_queue){ .id = 0 };
	CHECK_EQ(call(DRM_IOCTL_MOCKGPU_QUEUE_DESTROY, &queue), ENOENT);
	queue = (struct drm_mockgpu_queue){ .flags = 1, .id = q.id };
	CHECK_EQ(call(DRM_IOCTL_MOCKGPU_QUEUE_DESTROY, &queue), EINVAL);

	CHECK_EQ(call(DRM_IOCTL_MOCKGPU_WAIT, &wait), ENOENT);
	wait.queue = q.id;
	CHECK_EQ(call(DRM_IOCTL_MOCKGPU_WAIT, &wait), EINVAL);	/* not submitted yet */
	FINISHES(q, submit(q, cmds, 1, NULL), 0);
	wait.error = 77;
	CHECK_EQ(call(DRM_IOCTL_MOCKGPU_WAIT, &wait), 0);
	CHECK_EQ(wait.error, 0);
	wait.deadline_ns = MAX64;
	CHECK_EQ(call(DRM_IOCTL_MOCKGPU_WAIT, &wait), 0);
	wait.flags = 1;
	CHECK_EQ(call(DRM_IOCTL_MOCKGPU_WAIT, &wait), EINVAL);
	wait.flags = 0;
	wait.pad = 1;
	CHECK_EQ(call(DRM_IOCTL_MOCKGPU_WAIT, &wait), EINVAL);
	wait.pad = 0;
	wait.seqno = 0;
	CHECK_EQ(call(DRM_IOCTL_MOCKGPU_WAIT, &wait), EINVAL);
	wait.seqno = 2;
	CHECK_EQ(call(DRM_IOCTL_MOCKGPU_WAIT, &wait), EINVAL);
	wait.seqno = MAX64;
	CHECK_EQ(call(DRM_IOCTL_MOCKGPU_WAIT, &wait), EINVAL);
}

/* 16 queues, each with a number of its own; a number is free again once its queue has gone. */
static void Q5_limit_of_queues(void)
{
	struct queue all[16];
	uint32_t none = 12345;

	set_up();
	all[0] = q;
	for (unsigned int i = 1; i < ARRAY_SIZE(all); i++) {
		all[i] = queue_new(q.dev);
		for (unsigned int j = 0; j < i; j++)
			CHECK(all[i].id != all[j].id);
	}
	CHECK_EQ(mockgpu_queue_create(q.dev, &none), -ENOSPC);
	CHECK_EQ(none, 12345);
	for (unsigned int i = 0; i < ARRAY_SIZE(all); i++)
		RUN(all[i], cmd_store(&stored[0], 8, i), .done = 8);
	queue_destroy(all[7]);
	CHECK_EQ(mockgpu_queue_destroy(q.dev, all[7].id), -ENOENT);
	CHECK_EQ(mockgpu_run(q.dev, all[7].id, cmds, 1, NULL), -ENOENT);
	all[7] = queue_new(q.dev);
	CHECK_EQ(mockgpu_queue_create(q.dev, &none), -ENOSPC);
	/* It begins anew. */
	CHECK_EQ(submit(all[7], cmds, 1, NULL), 1);
	/* Those of another file are others. */
	queue_new(gpu_open(0));
}

/* 64 submissions, the one that is executed among them. */
static void Q5_limit_of_submissions(void)
{
	volatile uint64_t *word = map_hole(1);
	struct drm_mockgpu_cmd waits, add = cmd_add(word + 1, 8, 1);
	struct mockgpu_submission one_more = { .cmds = &add, .count = 1 };

	set_up();
	gpu_needs(q.dev, MOCKGPU_CAP_EXCLUSIVE);
	waits = cmd_wait(word, 8, MOCKGPU_WAIT_EQ, 1, 30 * NS_PER_S);
	CHECK_EQ(submit(q, &waits, 1, NULL), 1);
	for (unsigned int i = 1; i < 64; i++)
		CHECK_EQ(submit(q, &add, 1, NULL), i + 1);
	CHECK_EQ(mockgpu_submit(q.dev, q.id, &one_more), -ENOSPC);
	CHECK_EQ(one_more.seqno, 0);
	/* Another queue has room of its own. */
	RUN(queue_new(q.dev), add, .value = 0, .done = 1);
	*word = 1;
	FINISHES(q, 64, 0);
	CHECK_EQ(mockgpu_submit(q.dev, q.id, &one_more), 0);
	CHECK_EQ(one_more.seqno, 65);
	FINISHES(q, 65, 0);
	CHECK_EQ(word[1], 65);
}

static void Q5_not_attached(void)
{
	struct drm_mockgpu_queue queue = { 0 };
	struct drm_mockgpu_submit arg;

	set_up();
	fd = (int)CHECK_SYS(open(mockgpu_path(q.dev), O_RDWR | O_CLOEXEC));
	CHECK_EQ(call(DRM_IOCTL_MOCKGPU_QUEUE_CREATE, &queue), ENXIO);
	arg = good();
	CHECK_EQ(call(DRM_IOCTL_MOCKGPU_SUBMIT, &arg), ENXIO);
	queue.id = 1;
	CHECK_EQ(call(DRM_IOCTL_MOCKGPU_QUEUE_DESTROY, &queue), ENOENT);
	close(fd);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(Q5_submit),
	SCENARIO(Q5_sizes_and_alignment),
	SCENARIO(Q5_ranges),
	SCENARIO(Q5_enumerators_and_flags),
	SCENARIO(Q5_unused_fields),
	SCENARIO(Q5_the_first_bad_command_is_named),
	SCENARIO(Q5_queue_and_wait),
	SCENARIO(Q5_limit_of_queues),
	SCENARIO(Q5_limit_of_submissions),
	SCENARIO(Q5_not_attached),
	{ 0 }
};
