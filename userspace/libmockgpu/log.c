// SPDX-License-Identifier: MIT
/*
 * The event log: one function that opens it, and one that waits for events.
 *
 * A log may have several readers, such as parent and child after fork().  What poll()
 * has seen, another may then have taken: so the file is O_NONBLOCK, and whoever finds
 * nothing goes back to waiting instead of being stuck beyond its time.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

int mockgpu_log_open(struct mockgpu_device *dev, unsigned int flags, uint64_t kinds,
		     unsigned int entries, int *fd)
{
	struct drm_mockgpu_log_open l = {
		.flags = flags,
		.entries = entries,
		.kinds = kinds,
		.event_size = sizeof(struct drm_mockgpu_event),
	};
	int ret = mockgpu_call(dev->fd, DRM_IOCTL_MOCKGPU_LOG_OPEN, &l);

	if (ret)
		return ret;
	if (fcntl(l.fd, F_SETFL, O_RDONLY | O_NONBLOCK)) {
		ret = -errno;
		close(l.fd);
		return ret;
	}
	*fd = l.fd;
	return 0;
}

/* Waits until there may be something to read; deadlines as of mockgpu_deadline(). */
static int wait_readable(int fd, uint64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t now = mockgpu_now(), left;
	struct timespec ts;
	int ret;

	left = deadline > now ? deadline - now : 0;
	ts.tv_sec = (time_t)(left / NS_PER_S);
	ts.tv_nsec = (long)(left % NS_PER_S);
	ret = ppoll(&p, 1, deadline == UINT64_MAX ? NULL : &ts, NULL);
	if (ret < 0)
		return -errno;
	return ret ? 0 : -ETIME;
}

int mockgpu_log_read(int fd, struct drm_mockgpu_event *events, unsigned int count,
		     int64_t timeout_ns)
{
	uint64_t deadline = mockgpu_deadline(timeout_ns);
	ssize_t n;
	int ret;

	/* read() of nothing is 0, which here is the end. */
	if (!count)
		return -EINVAL;
	if (count > INT_MAX / sizeof(*events))
		count = INT_MAX / sizeof(*events);
	for (;;) {
		n = read(fd, events, count * sizeof(*events));
		if (n >= 0)
			return (int)((size_t)n / sizeof(*events));
		if (errno != EAGAIN)
			return -errno;
		ret = wait_readable(fd, deadline);
		if (ret)
			return ret;
	}
}
