/* SPDX-License-Identifier: MIT */
/*
 * What the library's files share.  The library is built with everything hidden;
 * the declarations of the public header are the one exception, so a function is
 * exported if and only if it stands there (and in libmockgpu.map).
 */
#ifndef MOCKGPU_INTERNAL_H
#define MOCKGPU_INTERNAL_H

#pragma GCC visibility push(default)
#include "mockgpu.h"
#pragma GCC visibility pop

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

struct mockgpu_device {
	/** @fd: the render node; never changes, so threads need no lock */
	int fd;
	/** @path: of that node */
	char path[];
};

/*
 * mockgpu_call - one ioctl, as 0 or a negative errno
 *
 * ioctl(2) itself, not drmIoctl(): that repeats a call for ever when a signal
 * came, and the caller could not stop.
 */
int mockgpu_call(int fd, unsigned long request, void *arg);

/* mockgpu_query - one MOCKGPU_QUERY_* into @answer; what the driver does not know is 0 */
int mockgpu_query(int fd, uint32_t query, void *answer, uint32_t size);

#define NS_PER_S 1000000000ULL

/* mockgpu_now - CLOCK_MONOTONIC, in nanoseconds */
uint64_t mockgpu_now(void);

/*
 * mockgpu_deadline - the absolute time that a relative one means; one that never comes
 * for what is less than 0
 */
uint64_t mockgpu_deadline(int64_t timeout_ns);

static inline uint64_t mockgpu_ptr(const volatile void *p)
{
	return (uint64_t)(uintptr_t)p;
}

#endif
