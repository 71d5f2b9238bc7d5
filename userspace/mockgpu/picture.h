/* SPDX-License-Identifier: MIT */
/*
 * The picture of where each page of a range is.
 *
 * picture.c turns what RESIDENCY says into cells, each one page or a power of
 * two of them; term.c and svg.c draw the same cells.
 */
#ifndef MOCKGPU_PICTURE_H
#define MOCKGPU_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What a page looks like.  Order is that of the legend, and of the parts of a mixed cell. */
enum look {
	LOOK_UNMAPPED,
	LOOK_ABSENT,
	LOOK_ZERO,
	LOOK_SYSTEM,
	LOOK_SYSTEM_RO,
	LOOK_VRAM,
	LOOK_VRAM_RO,
	LOOK_PEER,
	LOOK_MAX,
};

/* How a look is drawn. */
struct look_style {
	char letter;		/* where there is no colour; capital: mapped by the device */
	const char *sgr;	/* terminal: 256 colours, foreground and background */
	const char *fill;	/* SVG */
	const char *fill_dark;	/* SVG on a dark background */
	const char *text;	/* legend */
};

extern const struct look_style look_styles[LOOK_MAX];

/* One cell: how many of its pages look how, and how many the device has mapped. */
struct cell {
	uint32_t count[LOOK_MAX];
	uint32_t pages;
	uint32_t gpu;
};

/* One picture of one range at one moment. */
struct frame {
	char caption[112];	/* "" under the same caption as the frame before */
	char who[16];		/* whose memory, or "" */
	uint32_t *res;		/* MOCKGPU_RES_* */
	size_t pages;
};

/* Frames in the order in which they were taken. */
struct strip {
	char title[112];
	const char *note;	/* stands at the end; or NULL */
	struct frame *frames;
	size_t len;
};

/* Which looks a picture uses, for its legend. */
struct seen {
	bool look[LOOK_MAX];
	bool gpu;
	bool mixed;
};

enum look look_of(uint32_t res);

/* The letter of a cell: its only look's, capital if the device has all of it; '+' if mixed. */
char cell_letter(const struct cell *c);

/* The only look of a cell, or LOOK_MAX if it is mixed. */
enum look cell_look(const struct cell *c);

/* Cell @i of @f where a cell is @scale pages; adds what it shows to @seen. */
struct cell frame_cell(const struct frame *f, size_t i, size_t scale, struct seen *seen);

/* Smallest power of two of pages a cell so that at most @max_cells are needed. */
size_t frame_scale(size_t pages, size_t max_cells);

/* What is mapped 2 MiB at once, in bytes. */
struct huge {
	uint64_t cpu;
	uint64_t gpu;
};

struct huge frame_huge(const struct frame *f);

static inline size_t frame_cells(const struct frame *f, size_t scale)
{
	return (f->pages + scale - 1) / scale;
}

/* "+1 MiB": where row @row of @cols cells begins. */
#define OFFSET_STR_MAX 34
const char *offset_str(char buf[OFFSET_STR_MAX], size_t row, size_t cols, size_t scale);

/* Adds a copy of @res; returns the frame, or NULL where memory is out.  Invalidates others. */
const struct frame *strip_add(struct strip *s, const char *caption, const char *who,
			      const uint32_t *res, size_t pages);
void strip_free(struct strip *s);

/* Where a picture is drawn in characters. */
struct term {
	bool colour;
	bool person;	/* somebody sits there: pauses make sense */
	unsigned int width;	/* characters in a line */
	unsigned int lines;	/* that fit on it; or 0 */
	unsigned int cols;	/* cells in a row */
};

/* @when: "auto", "always", "never"; complains of another word and returns false. */
bool term_init(struct term *t, const char *when);

/* Prints words, broken at blanks where the line ends; further lines are indented. */
void term_words(const struct term *t, const char *words, unsigned int indent);

/* Draws to stdout; @seen and @scale are what the legend then needs. */
void term_draw(const struct term *t, const struct frame *f, struct seen *seen, size_t *scale);
void term_legend(const struct term *t, const struct seen *seen, size_t scale);

/* A line about what is mapped 2 MiB at once, if anything is. */
void term_huge(const struct frame *f);

/* Writes the whole strip to @path, if not NULL; returns an exit code, having said why. */
int svg_write(const struct strip *s, const char *path);

#endif
