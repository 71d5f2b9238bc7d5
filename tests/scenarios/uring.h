/* SPDX-License-Identifier: MIT */
/* io_uring with registered buffers, which are pinned for as long as they are registered. */
#ifndef URING_H
#define URING_H

#include <linux/io_uring.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct uring {
	int fd;
	char *ring;
	struct io_uring_sqe *sqes;
	struct io_uring_params params;
};

/* Skips where io_uring is not allowed. */
struct uring uring_new(void);
void uring_close(struct uring *ring);

void uring_pin(struct uring *ring, void *p, size_t len);
void uring_unpin(struct uring *ring);

/* @op: IORING_OP_READ_FIXED or _WRITE_FIXED, on memory that is pinned; one at a time. */
void uring_start(struct uring *ring, int op, int fd, void *p, size_t len, off_t at);
/* Bytes, or a negative errno. */
int uring_finish(struct uring *ring);

static inline int uring_do(struct uring *ring, int op, int fd, void *p, size_t len, off_t at)
{
	uring_start(ring, op, fd, p, len, at);
	return uring_finish(ring);
}

#endif
