// SPDX-License-Identifier: MIT
/* Pictures in a terminal: a letter a cell, coloured where that is wanted. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cmd.h"
#include "picture.h"

#define MAX_ROWS 16
#define GUTTER 12
#define MIXED_SGR "38;5;16;48;5;250"

bool term_init(struct term *t, const char *when)
{
	const char *name = getenv("TERM");
	const char *no_color = getenv("NO_COLOR");
	struct winsize ws = { 0 };

	t->person = isatty(STDOUT_FILENO);
	if (!strcmp(when, "always")) {
		t->colour = true;
	} else if (!strcmp(when, "never")) {
		t->colour = false;
	} else if (!strcmp(when, "auto")) {
		t->colour = t->person && !(no_color && *no_color) && name && strcmp(name, "dumb");
	} else {
		complain("--color is auto, always or never, not '%s'", when);
		return false;
	}

	t->width = t->person ? 80 : 100;
	if (t->person && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) && ws.ws_col)
		t->width = ws.ws_col;
	t->lines = ws.ws_row;
	t->cols = 16;
	while (t->cols < 128 && t->cols * 2 + GUTTER <= t->width)
		t->cols *= 2;
	return true;
}

static void draw_row(const struct term *t, const struct frame *f, size_t from, size_t to,
		     size_t scale, struct seen *seen)
{
	const char *now = NULL;
	size_t i;

	for (i = from; i < to; i++) {
		struct cell c = frame_cell(f, i, scale, seen);
		enum look look = cell_look(&c);
		const char *sgr = look == LOOK_MAX ? MIXED_SGR : look_styles[look].sgr;

		if (t->colour && sgr != now)
			printf("\033[0;%sm", sgr);
		now = sgr;
		putchar(cell_letter(&c));
	}
	if (t->colour)
		printf("\033[0m");
	putchar('\n');
}

void term_draw(const struct term *t, const struct frame *f, struct seen *seen, size_t *scale)
{
	size_t cells, from;

	*scale = frame_scale(f->pages, (size_t)t->cols * MAX_ROWS);
	cells = frame_cells(f, *scale);
	for (from = 0; from < cells; from += t->cols) {
		size_t to = from + t->cols < cells ? from + t->cols : cells;
		char offset[OFFSET_STR_MAX];

		/* A name stands in the place of the first offset, which is 0. */
		printf("%*s ", GUTTER - 1, !from && *f->who ? f->who :
		       offset_str(offset, from / t->cols, t->cols, *scale));
		draw_row(t, f, from, to, *scale, seen);
	}
}

void term_words(const struct term *t, const char *words, unsigned int indent)
{
	size_t at = 0, len;

	for (; *words; words += len + !!words[len]) {
		len = strcspn(words, " ");
		if (at && at + 1 + len > t->width) {
			printf("\n%*s", (int)indent, "");
			at = indent;
		} else if (at) {
			putchar(' ');
			at++;
		}
		printf("%.*s", (int)len, words);
		at += len;
	}
	putchar('\n');
}

/* A sample and its meaning, after a gap or, if it does not fit there, on a new line. */
static void legend_item(const struct term *t, size_t *at, const char *sgr, char letter,
			const char *text)
{
	size_t len = strlen(text) + 4;

	if (*at + len > t->width) {
		printf("\n%*s", GUTTER, "");
		*at = GUTTER;
		len -= 2;
	} else {
		printf("  ");
	}
	if (t->colour)
		printf("\033[0;%sm%c\033[0m %s", sgr, letter, text);
	else
		printf("%c %s", letter, text);
	*at += len;
}

void term_legend(const struct term *t, const struct seen *seen, size_t scale)
{
	char size[BYTES_STR_MAX];
	size_t at;
	int i;

	at = (size_t)printf("%*sa cell is %s:", GUTTER, "",
			    bytes_str(size, scale * MOCKGPU_PAGE_SIZE));
	for (i = 0; i < LOOK_MAX; i++) {
		const struct look_style *s = &look_styles[i];

		if (seen->look[i])
			legend_item(t, &at, s->sgr, s->letter, s->text);
	}
	if (seen->mixed)
		legend_item(t, &at, MIXED_SGR, '+', "mixed");
	putchar('\n');
	if (seen->gpu)
		printf("%*sCAPITAL: the device has it in its page table\n", GUTTER, "");
}

void term_huge(const struct frame *f)
{
	char cpu[BYTES_STR_MAX], gpu[BYTES_STR_MAX];
	struct huge huge = frame_huge(f);

	if (huge.cpu || huge.gpu)
		printf("%*smapped 2 MiB at once: %s by the CPU, %s by the device\n", GUTTER, "",
		       bytes_str(cpu, huge.cpu), bytes_str(gpu, huge.gpu));
}
