// SPDX-License-Identifier: MIT
/*
 * Queues: one function for each ioctl, and the one that gives a queue something
 * to do and waits for it.
 */
#include <errno.h>
#include <time.h>

#include "internal.h"

int mockgpu_queue_create(struct mockgpu_device *dev, uint32_t *queue)
{
	struct drm_mockgpu_queue q = { 0 };
	int ret = mockgpu_call(dev->fd, DRM_IOCTL_MOCKGPU_QUEUE_CREATE, &q);

	if (!ret)
		*queue = q.id;
	return ret;
}

int mockgpu_queue_destroy(struct mockgpu_device *dev, uint32_t queue)
{
	struct drm_mockgpu_queue q = { .id = queue };

	return mockgpu_call(dev->fd, DRM_IOCTL_MOCKGPU_QUEUE_DESTROY, &q);
}

int mockgpu_submit(struct mockgpu_device *dev, uint32_t queue,
		   struct mockgpu_submission *submission)
{
	struct drm_mockgpu_submit s = {
		.queue = queue,
		.cmds_ptr = mockgpu_ptr(submission->cmds),
		.count = submission->count,
		.cmd_size = sizeof(*submission->cmds),
		.results = mockgpu_ptr(submission->results),
		.fence_addr = mockgpu_ptr(submission->fence),
		.fence_value = submission->fence_value,
		.eventfd = submission->eventfd > 0 ? submission->eventfd : -1,
	};
	int ret = mockgpu_call(dev->fd, DRM_IOCTL_MOCKGPU_SUBMIT, &s);

	submission->seqno = s.seqno;
	submission->failed = s.failed;
	return ret;
}

uint64_t mockgpu_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t mockgpu_deadline(int64_t timeout_ns)
{
	if (timeout_ns < 0)
		return UINT64_MAX;
	if (!timeout_ns)
		return 0;
	/* Both fit into 63 bits, so the sum does not wrap. */
	return mockgpu_now() + (uint64_t)timeout_ns;
}

int mockgpu_wait(struct mockgpu_device *dev, uint32_t queue, uint64_t seqno,
		 int64_t timeout_ns, int *error)
{
	struct drm_mockgpu_wait w = {
		.queue = queue,
		.seqno = seqno,
		.deadline_ns = mockgpu_deadline(timeout_ns),
	};
	int ret = mockgpu_call(dev->fd, DRM_IOCTL_MOCKGPU_WAIT, &w);

	if (error)
		*error = w.error;
	return ret;
}

int mockgpu_run(struct mockgpu_device *dev, uint32_t queue, const struct drm_mockgpu_cmd *cmds,
		unsigned int count, struct drm_mockgpu_result *results)
{
	struct mockgpu_submission submission = {
		.cmds = cmds,
		.count = count,
		.results = results,
	};
	int ret, error;

	ret = mockgpu_submit(dev, queue, &submission);
	if (ret)
		return ret;
	/* The device writes to the caller's memory until it is done: there is no way back. */
	do
		ret = mockgpu_wait(dev, queue, submission.seqno, -1, &error);
	while (ret == -EINTR);
	return ret ? ret : error;
}
