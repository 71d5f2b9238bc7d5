// SPDX-License-Identifier: MIT
/* See queue.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "queue.h"

struct queue queue_new(struct mockgpu_device *dev)
{
	struct queue q = { .dev = dev };

	CHECK_EQ(mockgpu_queue_create(dev, &q.id), 0);
	return q;
}

void queue_destroy(struct queue q)
{
	CHECK_EQ(mockgpu_queue_destroy(q.dev, q.id), 0);
}

void check_result(const char *file, int line, const struct drm_mockgpu_result *got,
		  const struct drm_mockgpu_result *want)
{
	check_eq(file, line, "error of the command", got->error, want->error);
	check_eq(file, line, "value", (long long)got->value, (long long)want->value);
	check_eq(file, line, "done", (long long)got->done, (long long)want->done);
	check_eq(file, line, "fault_addr", (long long)got->fault_addr,
		 (long long)want->fault_addr);
	check_eq(file, line, "access", got->access, want->access);
	check_eq(file, line, "migrations", (long long)got->migrations,
		 (long long)want->migrations);
}

struct drm_mockgpu_result check_run(const char *file, int line, struct queue q,
				    struct drm_mockgpu_cmd cmd,
				    const struct drm_mockgpu_result *want)
{
	struct drm_mockgpu_result got;
	int err;

	memset(&got, 0xee, sizeof(got));
	err = mockgpu_run(q.dev, q.id, &cmd, 1, &got);
	if (err != want->error)
		fail_at(file, line, "command %u: expected %d, got %d (%s)", cmd.op, want->error,
			err, strerror(-err));
	check_result(file, line, &got, want);
	return got;
}

uint64_t submit(struct queue q, const struct drm_mockgpu_cmd *cmds, unsigned int n,
		struct drm_mockgpu_result *results)
{
	struct mockgpu_submission s = { .cmds = cmds, .count = n, .results = results };

	CHECK_EQ(mockgpu_submit(q.dev, q.id, &s), 0);
	return s.seqno;
}

void check_finishes(const char *file, int line, struct queue q, uint64_t seqno, int error)
{
	int got = 1, err;

	/* A SIGCHLD that is ignored can interrupt, too. */
	do {
		err = mockgpu_wait(q.dev, q.id, seqno, 15 * (int64_t)BOUND_NS, &got);
	} while (err == -EINTR);
	if (err)
		fail_at(file, line, "wait for submission %llu: %s", (unsigned long long)seqno,
			strerror(-err));
	check_eq(file, line, "error of the submission", got, error);
}

bool is_finished(struct queue q, uint64_t seqno)
{
	int err = mockgpu_wait(q.dev, q.id, seqno, 0, NULL);

	if (err && err != -ETIME)
		FAIL("look at submission %llu: %s", (unsigned long long)seqno, strerror(-err));
	return !err;
}
