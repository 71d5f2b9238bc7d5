/* SPDX-License-Identifier: MIT */
/* A userfaultfd: who serves the faults of a mapping is a thread, or the scenario itself. */
#ifndef UFFD_H
#define UFFD_H

#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef UFFDIO_MOVE
/* Headers of before 6.8. */
#define UFFD_FEATURE_MOVE	(1 << 16)
#define UFFDIO_MOVE		_IOWR(UFFDIO, 0x05, struct uffdio_move)
struct uffdio_move {
	__u64 dst, src, len, mode;
	__s64 move;
};
#endif

struct uffd {
	int fd;
	uint64_t flags;		/* of the fault that was waited for last, UFFD_PAGEFAULT_FLAG_* */
};

/* Skips where the kernel lacks one of @features. */
struct uffd uffd_new(uint64_t features);
void uffd_close(struct uffd *u);
/* @mode: UFFDIO_REGISTER_MODE_* */
void uffd_register(struct uffd *u, void *p, size_t pages, uint64_t mode);

/* Waits, up to 10 s, until somebody faults; the page. */
void *uffd_wait(struct uffd *u);
/* Whether nobody has faulted so far. */
bool uffd_is_quiet(struct uffd *u);

/* What can be done about it; each wakes who waits. */
void uffd_copy(struct uffd *u, void *to, const void *from, size_t pages, bool protected);
void uffd_zero(struct uffd *u, void *p, size_t pages);
void uffd_continue(struct uffd *u, void *p, size_t pages);
void uffd_protect(struct uffd *u, void *p, size_t pages, bool protect);

#endif
