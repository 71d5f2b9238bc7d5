// SPDX-License-Identifier: MIT
/*
 * Pictures as SVG: frames one below the other, with a legend.
 *
 * The same input gives the same bytes: no addresses, no times.  Colours follow
 * the reader's light or dark scheme, and where that is not supported the card
 * brings its own background.  A path for each look and row keeps the file small.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "picture.h"

#define MARGIN 20
#define GUTTER 76
#define COLS 64
#define MAX_ROWS 32
#define CELL_W 11	/* with the gap */
#define CELL_H 16
#define GAP 1
#define ROW_H (CELL_H + 3)
#define CAPTION_H 22
#define FRAME_GAP 8
#define TITLE_H 34
#define LEGEND_H 20
#define WIDTH (2 * MARGIN + GUTTER + COLS * CELL_W)

static void put_escaped(FILE *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '&')
			fputs("&amp;", out);
		else if (*s == '<')
			fputs("&lt;", out);
		else if (*s == '>')
			fputs("&gt;", out);
		else if (*s == '"')
			fputs("&quot;", out);
		else
			fputc(*s, out);
	}
}

static void put_text(FILE *out, const char *class, unsigned int x, unsigned int y, const char *s)
{
	fprintf(out, "<text class=\"%s\" x=\"%u\" y=\"%u\">", class, x, y);
	put_escaped(out, s);
	fputs("</text>\n", out);
}

static size_t strip_scale(const struct strip *s)
{
	size_t i, pages = 1;

	for (i = 0; i < s->len; i++) {
		if (s->frames[i].pages > pages)
			pages = s->frames[i].pages;
	}
	return frame_scale(pages, COLS * MAX_ROWS);
}

static unsigned int frame_height(const struct frame *f, size_t scale)
{
	size_t rows = (frame_cells(f, scale) + COLS - 1) / COLS;

	return (unsigned int)(rows * ROW_H) + (*f->caption ? CAPTION_H + FRAME_GAP : 2);
}

static void look_everywhere(const struct strip *s, size_t scale, struct seen *seen)
{
	size_t f, i;

	for (f = 0; f < s->len; f++) {
		for (i = 0; i < frame_cells(&s->frames[f], scale); i++)
			frame_cell(&s->frames[f], i, scale, seen);
	}
}

static void put_style(FILE *out)
{
	int i;

	fputs("<style>\n"
	      "text{font-family:system-ui,'DejaVu Sans',sans-serif;fill:#24292f;font-size:13px}\n"
	      ".t{font-size:17px;font-weight:600}.o{font-size:11px;text-anchor:end;fill:#57606a}\n"
	      ".n{font-size:11px;fill:#57606a}\n"
	      ".bg{fill:#ffffff;stroke:#d0d7de}.g{fill:#16191d}\n", out);
	for (i = 0; i < LOOK_MAX; i++)
		fprintf(out, ".l%d{fill:%s}", i, look_styles[i].fill);
	fputs(".l0{stroke:#afb8c1;stroke-dasharray:2}\n"
	      "@media (prefers-color-scheme:dark){text{fill:#e6edf3}.o,.n{fill:#9198a1}\n"
	      ".bg{fill:#0d1117;stroke:#3d444d}", out);
	for (i = 0; i < LOOK_MAX; i++)
		fprintf(out, ".l%d{fill:%s}", i, look_styles[i].fill_dark);
	fputs("}\n</style>\n", out);
}

static void open_path(FILE *out, bool *open, const char *class)
{
	if (!*open)
		fprintf(out, "<path class=\"%s\" d=\"", class);
	*open = true;
}

static void close_path(FILE *out, bool open)
{
	if (open)
		fputs("\"/>\n", out);
}

static void put_box(FILE *out, unsigned int x, unsigned int y, unsigned int w, unsigned int h)
{
	fprintf(out, "M%u %uh%uv%uh-%uz", x, y, w, h, w);
}

/* Where the part of @look begins in a cell, in pixels from its top; that of the next ends it. */
static unsigned int part_top(const struct cell *c, int look)
{
	uint64_t above = 0;
	int i;

	for (i = 0; i < look; i++)
		above += c->count[i];
	return (unsigned int)(above * CELL_H / c->pages);
}

static void put_row(FILE *out, const struct frame *f, size_t from, size_t to, size_t scale,
		    unsigned int y)
{
	unsigned int x0 = MARGIN + GUTTER;
	struct seen seen = { 0 };
	bool open;
	size_t i;
	int look;

	for (look = 0; look < LOOK_MAX; look++) {
		char class[8];

		open = false;
		snprintf(class, sizeof(class), "l%d", look);
		for (i = from; i < to; i++) {
			struct cell c = frame_cell(f, i, scale, &seen);
			unsigned int top = part_top(&c, look);
			unsigned int end = part_top(&c, look + 1);

			if (top == end)
				continue;
			open_path(out, &open, class);
			put_box(out, x0 + (unsigned int)(i - from) * CELL_W, y + top,
				CELL_W - GAP, end - top);
		}
		close_path(out, open);
	}

	open = false;
	for (i = from; i < to; i++) {
		struct cell c = frame_cell(f, i, scale, &seen);

		if (c.gpu != c.pages)
			continue;
		open_path(out, &open, "g");
		put_box(out, x0 + (unsigned int)(i - from) * CELL_W + 3, y + CELL_H / 2 - 2, 4, 4);
	}
	close_path(out, open);
}

static void put_frame(FILE *out, const struct frame *f, size_t scale, unsigned int y)
{
	size_t cells = frame_cells(f, scale), from;

	if (*f->caption) {
		y += FRAME_GAP;
		put_text(out, "c", MARGIN, y + 14, f->caption);
		y += CAPTION_H;
	} else {
		y += 2;
	}
	for (from = 0; from < cells; from += COLS) {
		size_t to = from + COLS < cells ? from + COLS : cells;
		char offset[OFFSET_STR_MAX];
		const char *label = f->who;

		if (from || !*f->who)
			label = offset_str(offset, from / COLS, COLS, scale);
		put_text(out, "o", MARGIN + GUTTER - 10, y + 12, label);
		put_row(out, f, from, to, scale, y);
		y += ROW_H;
	}
}

/* Two columns of looks, then the words about a cell. */
static unsigned int legend_height(const struct seen *seen)
{
	unsigned int items = 1, i;	/* the size of a cell */

	for (i = 0; i < LOOK_MAX; i++)
		items += seen->look[i];
	items += seen->gpu;
	return (items + 1) / 2 * LEGEND_H + FRAME_GAP + 4;
}

static void put_legend(FILE *out, const struct seen *seen, size_t scale, unsigned int y)
{
	char size[BYTES_STR_MAX], words[BYTES_STR_MAX + 64];
	unsigned int n = 0, i;

	y += FRAME_GAP + 4;
	for (i = 0; i <= LOOK_MAX + 1; i++) {
		unsigned int x = MARGIN + GUTTER + n % 2 * (COLS / 2 * CELL_W);
		unsigned int top = y + n / 2 * LEGEND_H;
		char class[8];

		if (i < LOOK_MAX ? !seen->look[i] : i == LOOK_MAX && !seen->gpu)
			continue;
		n++;
		if (i < LOOK_MAX) {
			snprintf(class, sizeof(class), "l%u", i);
			fprintf(out, "<path class=\"%s\" d=\"", class);
			put_box(out, x, top, CELL_W - GAP, CELL_H - 2);
			fputs("\"/>\n", out);
			put_text(out, "n", x + 18, top + 11, look_styles[i].text);
		} else if (i == LOOK_MAX) {
			fputs("<path class=\"l3\" d=\"", out);
			put_box(out, x, top, CELL_W - GAP, CELL_H - 2);
			fputs("\"/>\n<path class=\"g\" d=\"", out);
			put_box(out, x + 3, top + 5, 4, 4);
			fputs("\"/>\n", out);
			put_text(out, "n", x + 18, top + 11, "in the device's page table");
		} else {
			snprintf(words, sizeof(words), "one cell is %s%s",
				 bytes_str(size, scale * MOCKGPU_PAGE_SIZE),
				 seen->mixed ? ", a mixed one shows its parts" : "");
			put_text(out, "n", x, top + 11, words);
		}
	}
}

static void put_strip(FILE *out, const struct strip *s)
{
	size_t scale = strip_scale(s), i;
	unsigned int y = MARGIN + TITLE_H, height = y + MARGIN;
	struct seen seen = { 0 };

	look_everywhere(s, scale, &seen);
	for (i = 0; i < s->len; i++)
		height += frame_height(&s->frames[i], scale);
	height += legend_height(&seen) + (s->note ? LEGEND_H : 0);

	fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" "
		"viewBox=\"0 0 %u %u\" role=\"img\">\n<title>", WIDTH, height, WIDTH, height);
	put_escaped(out, s->title);
	fputs("</title>\n", out);
	put_style(out);
	fprintf(out, "<rect class=\"bg\" x=\".5\" y=\".5\" width=\"%u\" height=\"%u\" rx=\"8\"/>\n",
		WIDTH - 1, height - 1);
	put_text(out, "t", MARGIN, MARGIN + 18, s->title);
	for (i = 0; i < s->len; i++) {
		put_frame(out, &s->frames[i], scale, y);
		y += frame_height(&s->frames[i], scale);
	}
	put_legend(out, &seen, scale, y);
	if (s->note)
		put_text(out, "n", MARGIN + GUTTER, y + legend_height(&seen) + 11, s->note);
	fputs("</svg>\n", out);
}

static int write_strip(const struct strip *s, const char *path)
{
	FILE *out = fopen(path, "we");
	int ret = 0;

	if (!out)
		return -errno;
	put_strip(out, s);
	if (ferror(out))
		ret = -EIO;
	if (fclose(out) && !ret)
		ret = -errno;
	return ret;
}

int svg_write(const struct strip *s, const char *path)
{
	int ret = path ? write_strip(s, path) : 0;

	if (!ret)
		return EXIT_FINE;
	complain("cannot write %s: %s", path, strerror(-ret));
	return EXIT_FAILED;
}
