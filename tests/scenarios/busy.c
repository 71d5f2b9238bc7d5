// SPDX-License-Identifier: MIT
/* See busy.h. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "busy.h"

#define BYTES	(64 * PAGE)

const char *const busy_name[] = {
	"delay", "wait for a value", "fill", "atomics", "chase", "barrier", "userfault",
};

/* A page that is missing, and that nobody is going to serve. */
static void *unserved_page(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	void *p = map_hole(1);

	CHECK_SYS(fd);
	CHECK_SYS(ioctl(fd, UFFDIO_API, &api));
	range.range.start = addr_of(p);
	range.range.len = PAGE;
	CHECK_SYS(ioctl(fd, UFFDIO_REGISTER, &range));
	return p;
}

bool busy_is_possible(struct mockgpu_device *dev, enum busy how)
{
	return how != ADDING || gpu_has(dev, MOCKGPU_CAP_EXCLUSIVE);
}

uint64_t keep_busy(struct queue q, enum busy how)
{
	static struct drm_mockgpu_cmd cmds[2000];
	uint64_t *p = map_filled(BYTES / PAGE, new_tag());
	struct drm_mockgpu_cmd delay = cmd_delay(10 * NS_PER_S);
	unsigned int n = ARRAY_SIZE(cmds);

	for (unsigned int i = 0; i < n; i++) {
		switch (how) {
		case DELAYED:
			cmds[i] = delay;
			break;
		case WAITING:
			cmds[i] = cmd_wait(p, 8, MOCKGPU_WAIT_EQ, 1, 60 * NS_PER_S);
			break;
		case FILLING:
			cmds[i] = cmd_fill(p, BYTES, 8, i);
			break;
		case ADDING:
			cmds[i] = cmd_add(p, 8, 1ULL << 40);
			break;
		case CHASING:
			*p = addr_of(p);
			cmds[i] = cmd_chase(p, 0, 0);
			break;
		case AT_BARRIER:
			cmds[i] = cmd_barrier();
			break;
		default:
			cmds[i] = cmd_load(i ? p : unserved_page(), 8);
			break;
		}
	}
	if (how == AT_BARRIER)
		submit(queue_new(q.dev), &delay, 1, NULL);
	if (how == FILLING)
		/* Behind each other, as one alone would be done too soon. */
		for (unsigned int i = 0; i < 40; i++)
			submit(q, cmds, n, NULL);
	return submit(q, cmds, n, NULL);
}
