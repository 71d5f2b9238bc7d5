// SPDX-License-Identifier: MIT
/* From residency to letters, cells and SVG; and the sizes that people type. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "picture.h"
#include "tap.h"

#define P MOCKGPU_RES_PRESENT
#define W MOCKGPU_RES_WRITE
#define V (MOCKGPU_RES_VRAM | MOCKGPU_RES_LOCAL)
#define G MOCKGPU_RES_GPU

static void test_letters(void)
{
	static const struct {
		uint32_t res;
		char letter;
	} cases[] = {
		{ 0, '.' },
		{ MOCKGPU_RES_UNMAPPED, 'x' },
		{ P | MOCKGPU_RES_ZERO | MOCKGPU_RES_READ, 'z' },
		{ P | W, 's' },
		{ P, 'r' },
		{ P | W | V, 'v' },
		{ P | V, 'c' },
		{ P | W | MOCKGPU_RES_VRAM, 'p' },
		{ P | W | G, 'S' },
		{ P | G, 'R' },
		{ P | W | V | G | MOCKGPU_RES_GPU_WRITE, 'V' },
		{ P | V | G, 'C' },
		{ P | W | (9U << 16) | (3U << 24), 's' },	/* order and device do not matter */
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t res = cases[i].res;
		struct frame f = { .res = &res, .pages = 1 };
		struct seen seen = { .gpu = false };
		struct cell c = frame_cell(&f, 0, 1, &seen);

		ok(cell_letter(&c) == cases[i].letter, "0x%x is '%c' (%c)", res, cases[i].letter,
		   cell_letter(&c));
		ok(seen.gpu == !!(res & G) && seen.look[look_of(res)] && !seen.mixed,
		   "0x%x: the legend knows", res);
	}
}

static void test_mixed(void)
{
	uint32_t res[7] = { P | W, P | W, P | W | V, P | W, P | W | V | G, P | W | V, P | W | V | G };
	struct frame f = { .res = res, .pages = 7 };
	struct seen seen = { .gpu = false };
	struct cell c;

	c = frame_cell(&f, 0, 2, &seen);
	ok(cell_letter(&c) == 's' && !seen.mixed, "two alike are one");
	c = frame_cell(&f, 1, 2, &seen);
	ok(cell_letter(&c) == '+' && seen.mixed, "two that differ are mixed");
	c = frame_cell(&f, 2, 2, &seen);
	ok(cell_letter(&c) == 'v' && seen.gpu, "not capital if the device has one of two");
	c = frame_cell(&f, 3, 2, &seen);
	ok(cell_letter(&c) == 'V' && c.pages == 1, "the last cell may be a part");
	ok(frame_cells(&f, 2) == 4, "7 pages are 4 cells of 2");
}

static void test_scale(void)
{
	char buf[OFFSET_STR_MAX];

	ok(frame_scale(64, 64) == 1 && frame_scale(65, 64) == 2 && frame_scale(128, 64) == 2 &&
	   frame_scale(129, 64) == 4 && frame_scale(1, 1) == 1, "smallest power of two that fits");
	ok(!strcmp(offset_str(buf, 0, 64, 4), "+0"), "the first row begins at +0");
	ok(!strcmp(offset_str(buf, 2, 64, 4), "+2 MiB"), "the third at +2 MiB (%s)", buf);
}

static void test_huge(void)
{
	uint32_t res[] = {
		P, P | G, P | (8U << 16), P | (9U << 16), P | G | (9U << 16),
		P | V | G | MOCKGPU_RES_GPU_HUGE | (9U << 16), P | (10U << 16) | (9U << 24),
	};
	struct frame f = { .res = res, .pages = ARRAY_SIZE(res) };
	struct huge huge = frame_huge(&f);

	ok(huge.cpu == 4 * MOCKGPU_PAGE_SIZE, "the CPU's pages of 2 MiB and more are counted");
	ok(huge.gpu == MOCKGPU_PAGE_SIZE, "what the device maps by 2 MiB is counted");
	f.pages = 3;
	huge = frame_huge(&f);
	ok(!huge.cpu && !huge.gpu, "smaller ones are not");
}

static void test_bytes(void)
{
	static const struct {
		const char *s;
		uint64_t want;	/* ~0: refused */
	} cases[] = {
		{ "0", 0 }, { "4096", 4096 }, { "0x1000", 4096 }, { "4K", 4096 }, { "4k", 4096 },
		{ "3M", 3 << 20 }, { "2g", 2ULL << 30 }, { "17179869183G", 17179869183ULL << 30 },
		{ "", ~0ULL }, { "K", ~0ULL }, { "-1", ~0ULL }, { "+1", ~0ULL }, { " 1", ~0ULL },
		{ "1KB", ~0ULL }, { "1.5M", ~0ULL }, { "17179869184G", ~0ULL },
		{ "99999999999999999999", ~0ULL }, { "4 K", ~0ULL },
	};
	char buf[BYTES_STR_MAX];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t got = 12345;
		bool taken = parse_bytes(cases[i].s, &got);

		if (cases[i].want == ~0ULL)
			ok(!taken && got == 12345, "'%s' is no size", cases[i].s);
		else
			ok(taken && got == cases[i].want, "'%s' is a size", cases[i].s);
	}
	ok(!strcmp(bytes_str(buf, 0), "0 B") && !strcmp(bytes_str(buf, 1536), "1536 B") &&
	   !strcmp(bytes_str(buf, 268435456), "256 MiB") &&
	   !strcmp(bytes_str(buf, 5ULL << 40), "5 TiB") &&
	   !strcmp(bytes_str(buf, 1ULL << 50), "1024 TiB"), "sizes are written exactly");
}

static char *slurp(const char *path)
{
	static char buf[65536];
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(buf, 1, sizeof(buf) - 1, f) : 0;

	if (f)
		fclose(f);
	buf[n] = '\0';
	return buf;
}

static void test_svg(void)
{
	uint32_t res[4] = { 0, P | W, P | W | V | G, P | V };
	struct strip s = { .title = "a <b> & \"c\"" };
	char path[] = "/tmp/mockgpu-svg-XXXXXX";
	int fd = mkstemp(path);
	char *once, *svg;

	close(fd);
	strip_add(&s, "first", "parent", res, 4);
	strip_add(&s, "", "child", res, 2);
	ok(!svg_write(&s, path), "SVG: written");
	once = strdup(slurp(path));
	ok(!svg_write(&s, path), "SVG: written again");
	svg = slurp(path);
	ok(once && !strcmp(once, svg), "SVG: the same bytes each time");
	ok(strstr(svg, "a &lt;b&gt; &amp; &quot;c&quot;") && !strstr(svg, "<b>"), "SVG: escaped");
	ok(strstr(svg, ">parent<") && strstr(svg, ">child<"), "SVG: who is who");
	ok(strstr(svg, "prefers-color-scheme:dark") && strstr(svg, "class=\"l5\"") &&
	   strstr(svg, "class=\"l6\"") && !strstr(svg, "class=\"l7\""), "SVG: looks that occur");
	ok(!svg_write(&s, NULL), "SVG: need not be wanted");
	ok(svg_write(&s, "/nonexistent/folder/x.svg") == EXIT_FAILED, "SVG: an error is told");
	free(once);
	unlink(path);
	strip_free(&s);
	ok(!s.frames && !s.len, "a strip can be used anew");
}

int main(void)
{
	test_letters();
	test_mixed();
	test_scale();
	test_huge();
	test_bytes();
	test_svg();
	return done();
}
