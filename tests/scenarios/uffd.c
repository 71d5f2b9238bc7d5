// SPDX-License-Identifier: MIT
/* See uffd.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"
#include "uffd.h"

struct uffd uffd_new(uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	struct uffd u = { .fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK) };

	if (u.fd < 0 && (errno == ENOSYS || errno == EPERM))
		skip("userfaultfd is not allowed");
	CHECK_SYS(u.fd);
	if (ioctl(u.fd, UFFDIO_API, &api))
		skip("the kernel's userfaultfd lacks a feature");
	return u;
}

void uffd_close(struct uffd *u)
{
	CHECK_SYS(close(u->fd));
}

static struct uffdio_range range_of(void *p, size_t pages)
{
	return (struct uffdio_range){ .start = (uintptr_t)p, .len = pages * PAGE };
}

void uffd_register(struct uffd *u, void *p, size_t pages, uint64_t mode)
{
	struct uffdio_register reg = { .range = range_of(p, pages), .mode = mode };

	CHECK_SYS(ioctl(u->fd, UFFDIO_REGISTER, &reg));
}

void *uffd_wait(struct uffd *u)
{
	struct pollfd poll_fd = { .fd = u->fd, .events = POLLIN };
	struct uffd_msg msg;

	if (poll(&poll_fd, 1, 10000) != 1)
		FAIL("nobody faults");
	CHECK_EQ(read(u->fd, &msg, sizeof(msg)), sizeof(msg));
	CHECK_EQ(msg.event, UFFD_EVENT_PAGEFAULT);
	u->flags = msg.arg.pagefault.flags;
	return (void *)(uintptr_t)(msg.arg.pagefault.address & ~(uint64_t)(PAGE - 1));
}

bool uffd_is_quiet(struct uffd *u)
{
	struct pollfd poll_fd = { .fd = u->fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 0;
}

void uffd_copy(struct uffd *u, void *to, const void *from, size_t pages, bool protected)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)to, .src = (uintptr_t)from, .len = pages * PAGE,
		.mode = protected ? UFFDIO_COPY_MODE_WP : 0,
	};

	CHECK_SYS(ioctl(u->fd, UFFDIO_COPY, &copy));
	CHECK_EQ(copy.copy, pages * PAGE);
}

void uffd_zero(struct uffd *u, void *p, size_t pages)
{
	struct uffdio_zeropage zero = { .range = range_of(p, pages) };

	CHECK_SYS(ioctl(u->fd, UFFDIO_ZEROPAGE, &zero));
	CHECK_EQ(zero.zeropage, pages * PAGE);
}

void uffd_continue(struct uffd *u, void *p, size_t pages)
{
	struct uffdio_continue cont = { .range = range_of(p, pages) };

	CHECK_SYS(ioctl(u->fd, UFFDIO_CONTINUE, &cont));
	CHECK_EQ(cont.mapped, pages * PAGE);
}

void uffd_protect(struct uffd *u, void *p, size_t pages, bool protect)
{
	struct uffdio_writeprotect wp = {
		.range = range_of(p, pages), .mode = protect ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	CHECK_SYS(ioctl(u->fd, UFFDIO_WRITEPROTECT, &wp));
}
