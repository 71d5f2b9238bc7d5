/* SPDX-License-Identifier: MIT */
/* The other door, /dev/hmm_dmirrorN: its calls, as scenarios use them. */
#ifndef DMIRROR_H
#define DMIRROR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

struct dmirror_args {
	uint64_t addr, ptr, npages, cpages, faults;
};

#define DMIRROR_CALL(nr)	_IOWR('H', nr, struct dmirror_args)
#define DMIRROR_READ		DMIRROR_CALL(0)
#define DMIRROR_WRITE		DMIRROR_CALL(1)
#define DMIRROR_TO_DEVICE	DMIRROR_CALL(2)
#define DMIRROR_TO_SYSTEM	DMIRROR_CALL(3)
#define DMIRROR_SNAPSHOT	DMIRROR_CALL(4)
#define DMIRROR_EXCLUSIVE	DMIRROR_CALL(5)
#define DMIRROR_CHECK_EXCLUSIVE	DMIRROR_CALL(6)
#define DMIRROR_RELEASE		DMIRROR_CALL(7)
#define DMIRROR_FLAGS		DMIRROR_CALL(8)
#define DMIRROR_READ_UNLOCKED	DMIRROR_CALL(9)
#define DMIRROR_CALLS		10

#define DMIRROR_FAIL_ALLOC	1

#define DMIRROR_IS_READ		0x01
#define DMIRROR_IS_WRITE	0x02
#define DMIRROR_IS_PRIVATE	0x20
#define DMIRROR_IS_COHERENT	0x40
#define DMIRROR_IS_COHERENT_REMOTE 0x50

#define DMIRROR_VRAM_MB		64
/*
 * Loads the module with the door and two devices of the type that scenarios are run for, in a
 * scenario with the flag RELOADS.
 */
void dmirror_load(void);
/* The node of the first or second device; a descriptor. */
int dmirror_open(unsigned int device);
/* What a page is that lies in the device's own VRAM, without its rights. */
uint8_t dmirror_local(void);
/* The same, where it may be written. */
#define DMIRROR_IN_VRAM		(dmirror_local() | DMIRROR_IS_WRITE)

/* A call; 0 or a negative errno.  @args: what came of it, or NULL. */
int dmirror(int fd, unsigned long call, const void *p, size_t pages, void *data,
	    struct dmirror_args *args);

/* All of @pages there (or back); the call's data is what fill() wrote. */
#define DMIRROR_TO(fd, p, pages, tag) \
	dmirror_to(__FILE__, __LINE__, (fd), (p), (pages), (tag))
void dmirror_to(const char *file, int line, int fd, void *p, size_t pages, uint16_t tag);

/* The device reads and the contents are those of fill(); after @faults faults. */
#define DMIRROR_CHECK_FILL(fd, p, pages, tag, faults) \
	dmirror_check(__FILE__, __LINE__, (fd), (p), (pages), (tag), (faults))
void dmirror_check(const char *file, int line, int fd, const void *p, size_t pages,
		   uint16_t tag, uint64_t faults);

/* Of each of @pages, a snapshot says @want. */
#define DMIRROR_CHECK_IS(fd, p, pages, want) \
	dmirror_check_is(__FILE__, __LINE__, (fd), (p), (pages), (want))
void dmirror_check_is(const char *file, int line, int fd, const void *p, size_t pages,
		      uint8_t want);

#endif
