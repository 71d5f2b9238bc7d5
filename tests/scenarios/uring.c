// SPDX-License-Identifier: MIT
/* See uring.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "harness.h"
#include "uring.h"

#define ENTRIES 4

static uint32_t *word_of(struct uring *ring, uint32_t offset)
{
	return (uint32_t *)(ring->ring + offset);
}

static size_t ring_size(const struct uring *ring)
{
	size_t sq = ring->params.sq_off.array + ring->params.sq_entries * sizeof(uint32_t);
	size_t cq = ring->params.cq_off.cqes +
		    ring->params.cq_entries * sizeof(struct io_uring_cqe);

	return sq > cq ? sq : cq;
}

struct uring uring_new(void)
{
	struct uring ring = { .fd = -1 };

	ring.fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &ring.params);
	if (ring.fd < 0 && (errno == EPERM || errno == ENOSYS))
		skip("io_uring is not allowed");
	CHECK_SYS(ring.fd);
	CHECK(ring.params.features & IORING_FEAT_SINGLE_MMAP);
	ring.ring = mmap(NULL, ring_size(&ring), PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd,
			 IORING_OFF_SQ_RING);
	CHECK(ring.ring != MAP_FAILED);
	ring.sqes = mmap(NULL, ring.params.sq_entries * sizeof(*ring.sqes),
			 PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_SQES);
	CHECK(ring.sqes != MAP_FAILED);
	return ring;
}

void uring_close(struct uring *ring)
{
	CHECK_SYS(munmap(ring->sqes, ring->params.sq_entries * sizeof(*ring->sqes)));
	CHECK_SYS(munmap(ring->ring, ring_size(ring)));
	CHECK_SYS(close(ring->fd));
}

void uring_pin(struct uring *ring, void *p, size_t len)
{
	struct iovec buffer = { p, len };

	CHECK_SYS(syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_BUFFERS, &buffer, 1));
}

void uring_unpin(struct uring *ring)
{
	CHECK_SYS(syscall(SYS_io_uring_register, ring->fd, IORING_UNREGISTER_BUFFERS, NULL, 0));
}

void uring_start(struct uring *ring, int op, int fd, void *p, size_t len, off_t at)
{
	uint32_t *tail = word_of(ring, ring->params.sq_off.tail);
	uint32_t slot = *tail & *word_of(ring, ring->params.sq_off.ring_mask);

	ring->sqes[slot] = (struct io_uring_sqe){
		.opcode = (uint8_t)op, .fd = fd, .addr = (uintptr_t)p, .len = (uint32_t)len,
		.off = (uint64_t)at,
	};
	word_of(ring, ring->params.sq_off.array)[slot] = slot;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	CHECK_EQ(syscall(SYS_io_uring_enter, ring->fd, 1, 0, 0, NULL, 0), 1);
}

int uring_finish(struct uring *ring)
{
	struct io_uring_cqe *cqes = (void *)(ring->ring + ring->params.cq_off.cqes);
	uint32_t *head = word_of(ring, ring->params.cq_off.head);
	uint32_t *tail = word_of(ring, ring->params.cq_off.tail);
	int result;

	while (__atomic_load_n(tail, __ATOMIC_ACQUIRE) == *head)
		if (syscall(SYS_io_uring_enter, ring->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
			CHECK_EQ(errno, EINTR);
	result = cqes[*head & *word_of(ring, ring->params.cq_off.ring_mask)].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return result;
}
