// SPDX-License-Identifier: MIT
/* From residency to cells: pure functions, and the list of frames. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "picture.h"

#define HUGE_ORDER 9	/* 2 MiB in pages, as a power of two */

/* Blue and orange stay apart for every kind of colour blindness. */
const struct look_style look_styles[LOOK_MAX] = {
	[LOOK_UNMAPPED] = { 'x', "38;5;244", "#ffffff00", "#ffffff00", "not mapped" },
	[LOOK_ABSENT] = { '.', "38;5;244", "#e3e6ea", "#30363d", "no page yet" },
	[LOOK_ZERO] = { 'z', "38;5;231;48;5;240", "#9aa2ab", "#8b949e", "the zero page" },
	[LOOK_SYSTEM] = { 's', "38;5;231;48;5;25", "#3b76b8", "#3b82d0", "system memory" },
	[LOOK_SYSTEM_RO] = { 'r', "38;5;16;48;5;153", "#a6c8ea", "#9cc3ee",
			     "system memory, read-only (copy-on-write)" },
	[LOOK_VRAM] = { 'v', "38;5;16;48;5;208", "#ec8423", "#f0882f", "VRAM" },
	[LOOK_VRAM_RO] = { 'c', "38;5;16;48;5;223", "#f8cb9a", "#f5c998",
			   "VRAM, read-only (copy-on-write)" },
	[LOOK_PEER] = { 'p', "38;5;231;48;5;90", "#8d4a9e", "#a566b5", "another device's VRAM" },
};

enum look look_of(uint32_t res)
{
	if (res & MOCKGPU_RES_UNMAPPED)
		return LOOK_UNMAPPED;
	if (!(res & MOCKGPU_RES_PRESENT))
		return LOOK_ABSENT;
	if (res & MOCKGPU_RES_ZERO)
		return LOOK_ZERO;
	if (!(res & MOCKGPU_RES_VRAM))
		return res & MOCKGPU_RES_WRITE ? LOOK_SYSTEM : LOOK_SYSTEM_RO;
	if (!(res & MOCKGPU_RES_LOCAL))
		return LOOK_PEER;
	return res & MOCKGPU_RES_WRITE ? LOOK_VRAM : LOOK_VRAM_RO;
}

enum look cell_look(const struct cell *c)
{
	int i;

	for (i = 0; i < LOOK_MAX; i++) {
		if (c->count[i] == c->pages)
			return (enum look)i;
	}
	return LOOK_MAX;
}

char cell_letter(const struct cell *c)
{
	enum look look = cell_look(c);
	char letter;

	if (look == LOOK_MAX)
		return '+';
	letter = look_styles[look].letter;
	return c->gpu == c->pages ? (char)toupper(letter) : letter;
}

struct cell frame_cell(const struct frame *f, size_t i, size_t scale, struct seen *seen)
{
	struct cell c = { .pages = 0 };
	size_t p;

	for (p = i * scale; p < f->pages && p < (i + 1) * scale; p++) {
		enum look look = look_of(f->res[p]);

		c.pages++;
		c.count[look]++;
		seen->look[look] = true;
		if (f->res[p] & MOCKGPU_RES_GPU) {
			c.gpu++;
			seen->gpu = true;
		}
	}
	if (cell_look(&c) == LOOK_MAX)
		seen->mixed = true;
	return c;
}

size_t frame_scale(size_t pages, size_t max_cells)
{
	size_t scale = 1;

	while ((pages + scale - 1) / scale > max_cells)
		scale *= 2;
	return scale;
}

struct huge frame_huge(const struct frame *f)
{
	struct huge huge = { 0 };
	size_t p;

	for (p = 0; p < f->pages; p++) {
		if (MOCKGPU_RES_ORDER(f->res[p]) >= HUGE_ORDER)
			huge.cpu += MOCKGPU_PAGE_SIZE;
		if (f->res[p] & MOCKGPU_RES_GPU_HUGE)
			huge.gpu += MOCKGPU_PAGE_SIZE;
	}
	return huge;
}

const char *offset_str(char buf[OFFSET_STR_MAX], size_t row, size_t cols, size_t scale)
{
	char bytes[BYTES_STR_MAX];

	bytes_str(bytes, (uint64_t)row * cols * scale * MOCKGPU_PAGE_SIZE);
	snprintf(buf, OFFSET_STR_MAX, "+%s", row ? bytes : "0");
	return buf;
}

const struct frame *strip_add(struct strip *s, const char *caption, const char *who,
			      const uint32_t *res, size_t pages)
{
	struct frame *frames, *f;

	frames = realloc(s->frames, (s->len + 1) * sizeof(*frames));
	if (!frames)
		return NULL;
	s->frames = frames;
	f = &frames[s->len];
	f->res = malloc(pages * sizeof(*res));
	if (!f->res)
		return NULL;
	memcpy(f->res, res, pages * sizeof(*res));
	f->pages = pages;
	snprintf(f->caption, sizeof(f->caption), "%s", caption);
	snprintf(f->who, sizeof(f->who), "%s", who);
	s->len++;
	return f;
}

void strip_free(struct strip *s)
{
	size_t i;

	for (i = 0; i < s->len; i++)
		free(s->frames[i].res);
	free(s->frames);
	s->frames = NULL;
	s->len = 0;
}
