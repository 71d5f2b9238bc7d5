// SPDX-License-Identifier: MIT
/* See stretch.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "harness.h"
#include "memory.h"
#include "stretch.h"

struct stretch stretch_new(const char *name, void *base, size_t pages, bool huge)
{
	struct stretch s = {
		.name = name, .base = base, .pages = pages, .bytes = pages * PAGE, .huge = huge,
		.model = map_hole(pages),
	};

	CHECK(pages <= STRETCH_MOST);
	stretch_map(&s, 0, pages);
	return s;
}

static uint8_t *page_at(const struct stretch *s, size_t page)
{
	return s->base + page * PAGE;
}

void stretch_map(struct stretch *s, size_t page, size_t n)
{
	map_fixed(page_at(s, page), n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	if (s->huge)
		CHECK_SYS(madvise(page_at(s, page), n * PAGE, MADV_HUGEPAGE));
	memset(s->model + page * PAGE, 0, n * PAGE);
	for (size_t i = page; i < page + n; i++)
		s->state[i] = WRITABLE;
}

void stretch_unmap(struct stretch *s, size_t page, size_t n)
{
	unmap(page_at(s, page), n);
	for (size_t i = page; i < page + n; i++)
		s->state[i] = UNMAPPED;
}

void stretch_protect(struct stretch *s, size_t page, size_t n, enum state state)
{
	static const int protection[] = { 0, PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };

	for (size_t i = page; i < page + n; i++)
		if (s->state[i] != UNMAPPED && s->state[i] != state) {
			CHECK_SYS(mprotect(page_at(s, i), PAGE, protection[state]));
			s->state[i] = state;
		}
}

void stretch_repair(struct stretch *s)
{
	stretch_protect(s, 0, s->pages, WRITABLE);
	for (size_t i = 0; i < s->pages; i++)
		if (s->state[i] == UNMAPPED)
			stretch_map(s, i, 1);
}

void stretch_empty(struct stretch *s, size_t page, size_t n)
{
	for (size_t i = page; i < page + n; i++)
		if (s->state[i] != UNMAPPED) {
			CHECK_SYS(madvise(page_at(s, i), PAGE, MADV_DONTNEED));
			memset(s->model + i * PAGE, 0, PAGE);
		}
}

void stretch_move(struct stretch *s, size_t from, size_t to)
{
	if (s->state[from] == UNMAPPED || to == from)
		return;
	CHECK(mremap(page_at(s, from), PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		     page_at(s, to)) == page_at(s, to));
	memcpy(s->model + to * PAGE, s->model + from * PAGE, PAGE);
	s->state[to] = s->state[from];
	s->state[from] = UNMAPPED;
}

void stretch_move_about(struct stretch *s, void *elsewhere)
{
	if (mremap(s->base, s->bytes, s->bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
		   elsewhere) == MAP_FAILED)
		return;
	CHECK(mremap(elsewhere, s->bytes, s->bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
		     s->base) == s->base);
}

void stretch_write(struct stretch *s, size_t at, uint64_t word)
{
	if (s->state[at / PAGE] != WRITABLE)
		return;
	memcpy(s->base + at, &word, 8);
	memcpy(s->model + at, &word, 8);
}

void stretch_check(const struct stretch *s, size_t page, size_t n, const char *who)
{
	for (size_t i = page; i < page + n; i++) {
		const uint8_t *p = page_at(s, i), *m = s->model + i * PAGE;

		if (s->state[i] < READ_ONLY || !memcmp(p, m, PAGE))
			continue;
		for (size_t b = 0; b < PAGE; b++)
			if (p[b] != m[b])
				FAIL("%s sees %02x for %02x in byte %zu of page %zu of %s", who,
				     p[b], m[b], b, i, s->name);
	}
}

size_t stretch_reach(const struct stretch *s, size_t at, size_t len, bool write, int *error)
{
	size_t b = at;

	*error = 0;
	while (b < at + len) {
		enum state state = s->state[b / PAGE];

		if (state < READ_ONLY)
			*error = -EFAULT;
		else if (write && state == READ_ONLY)
			*error = -EPERM;
		if (*error)
			return b - at;
		b = (b / PAGE + 1) * PAGE;
	}
	return len;
}
