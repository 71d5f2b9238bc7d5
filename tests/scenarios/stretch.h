/* SPDX-License-Identifier: MIT */
/*
 * A stretch of addresses of which it is known what is mapped, how, and each byte of it.
 *
 * Whoever changes it in another way changes @model and @state as well.
 */
#ifndef STRETCH_H
#define STRETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STRETCH_MOST 512UL	/* pages */

enum state { UNMAPPED, NONE, READ_ONLY, WRITABLE };

struct stretch {
	const char *name;
	uint8_t *base;
	size_t pages, bytes;
	bool huge;		/* in huge pages where they fit */
	uint8_t *model;
	enum state state[STRETCH_MOST];
};

/* @base: an address range that is not used, aligned to 2 MiB where @huge. */
struct stretch stretch_new(const char *name, void *base, size_t pages, bool huge);

/* Changes of the mapping. */
void stretch_map(struct stretch *s, size_t page, size_t n);
void stretch_unmap(struct stretch *s, size_t page, size_t n);
/* Of those that are mapped. */
void stretch_protect(struct stretch *s, size_t page, size_t n, enum state state);
/* All that is not mapped or not writable is. */
void stretch_repair(struct stretch *s);
/* Whatever was there is dropped. */
void stretch_empty(struct stretch *s, size_t page, size_t n);
/* mremap() of one page to the place of another. */
void stretch_move(struct stretch *s, size_t from, size_t to);
/* To @elsewhere and back, if it is one mapping. */
void stretch_move_about(struct stretch *s, void *elsewhere);

/* The CPU writes a word there, if it may. */
void stretch_write(struct stretch *s, size_t at, uint64_t word);
/* The CPU looks at all that it may read of these pages. */
void stretch_check(const struct stretch *s, size_t page, size_t n, const char *who);

/*
 * How far an access of the device comes: bytes from @at on; *error is why not further.  A page that
 * is not writable is -EPERM only if it can be read.
 */
size_t stretch_reach(const struct stretch *s, size_t at, size_t len, bool write, int *error);

#endif
