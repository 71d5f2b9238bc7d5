// SPDX-License-Identifier: MIT
/*
 * mockgpu map: does things to a range of its own memory, in the order given,
 * and draws where each page is.  A process's memory can be asked about by that
 * process alone, so there is no way to draw somebody else's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cmd.h"
#include "picture.h"

static const char help[] =
	"Usage: mockgpu map [OPTION]... [OPERATION RANGE]...\n"
	"Do things to a fresh range of memory and draw where each page is.\n"
	"\n"
	"  -d, --device N|NODE    the device (0)\n"
	"  -s, --size SIZE        size of the range (1M)\n"
	"      --steps            draw after each operation, not only at the end\n"
	"      --svg FILE         write the picture there, too\n"
	"      --color WHEN       auto, always, never\n"
	"  -h, --help\n"
	"\n"
	"Operations, done in the order given; a RANGE is OFFSET+LENGTH or 'all':\n"
	"      --cpu-write RANGE  the CPU writes a byte to each page\n"
	"      --cpu-read RANGE   the CPU reads a byte of each page\n"
	"      --gpu-write RANGE  the device writes every byte (short: --write)\n"
	"      --gpu-read RANGE   the device reads every byte (short: --read)\n"
	"      --to-vram RANGE    migrate to the device's VRAM\n"
	"      --to-system RANGE  migrate to system memory\n"
	"      --evict RANGE      push out of VRAM, as a device does that is full\n"
	"      --unmap RANGE      drop the pages; no access there afterwards\n"
	"\n"
	"Without operations it does a few of them, each to a part of the range.\n"
	"Sizes and offsets are bytes, or with K, M, G; multiples of 4K.\n"
	"Example: mockgpu map --size 4M --cpu-write all --to-vram 1M+1M --gpu-write 1M+64K\n";

#define MAX_STEPS 64

struct map {
	struct mockgpu_device *dev;
	unsigned char *mem;
	size_t len;
	struct mockgpu_migrated moved;	/* of the operation that ran last */
	bool migrated;
};

struct op {
	const char *name;
	const char *alias;	/* a short form, or "" */
	int (*run)(struct map *m, size_t off, size_t len);
	bool touches;	/* by the CPU: kills the process where nothing is mapped */
};

struct step {
	const struct op *op;
	size_t off;
	size_t len;
};

struct plan {
	const char *device;
	const char *svg;
	const char *color;
	const char *size_arg;	/* as typed */
	uint64_t size;
	bool each;
	struct step steps[MAX_STEPS];
	const char *ranges[MAX_STEPS];	/* as typed: --size may come later */
	size_t len;
};

static int op_cpu_write(struct map *m, size_t off, size_t len)
{
	volatile unsigned char *p = m->mem + off;
	size_t i;

	/* Never 0: of a huge page that is split, the kernel frees pages that are all zero. */
	for (i = 0; i < len; i += MOCKGPU_PAGE_SIZE)
		p[i] = (unsigned char)(i / MOCKGPU_PAGE_SIZE % 255 + 1);
	return 0;
}

static int op_cpu_read(struct map *m, size_t off, size_t len)
{
	volatile unsigned char *p = m->mem + off;
	size_t i;

	for (i = 0; i < len; i += MOCKGPU_PAGE_SIZE)
		(void)p[i];
	return 0;
}

static int device_access(struct map *m, size_t off, size_t len, bool write)
{
	const size_t chunk = 1024 * 1024;
	unsigned char *buf = malloc(chunk);
	size_t done, n;
	int ret = 0;

	if (!buf)
		return -ENOMEM;
	memset(buf, 0xda, chunk);
	for (done = 0; done < len && !ret; done += n) {
		n = len - done < chunk ? len - done : chunk;
		if (write)
			ret = mockgpu_write(m->dev, m->mem + off + done, buf, n, NULL);
		else
			ret = mockgpu_read(m->dev, buf, m->mem + off + done, n, NULL);
	}
	free(buf);
	return ret;
}

static int op_gpu_write(struct map *m, size_t off, size_t len)
{
	return device_access(m, off, len, true);
}

static int op_gpu_read(struct map *m, size_t off, size_t len)
{
	return device_access(m, off, len, false);
}

static int migrate(struct map *m, size_t off, size_t len, unsigned int target)
{
	m->migrated = true;
	return mockgpu_migrate(m->dev, m->mem + off, len, target, 0, &m->moved, NULL);
}

static int op_to_vram(struct map *m, size_t off, size_t len)
{
	return migrate(m, off, len, MOCKGPU_TARGET_VRAM);
}

static int op_to_system(struct map *m, size_t off, size_t len)
{
	return migrate(m, off, len, MOCKGPU_TARGET_SYSTEM);
}

static int op_evict(struct map *m, size_t off, size_t len)
{
	return mockgpu_evict(m->dev, m->mem + off, len, NULL);
}

static int op_unmap(struct map *m, size_t off, size_t len)
{
	/*
	 * The pages go as with munmap(), but the addresses stay taken: the next
	 * malloc() could land there, and would then be in the picture.
	 */
	void *p = mmap(m->mem + off, len, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);

	return p == MAP_FAILED ? -errno : 0;
}

static const struct op ops[] = {
	{ "cpu-write", "", op_cpu_write, true },
	{ "cpu-read", "", op_cpu_read, true },
	{ "gpu-write", "write", op_gpu_write, false },
	{ "gpu-read", "read", op_gpu_read, false },
	{ "to-vram", "", op_to_vram, false },
	{ "to-system", "", op_to_system, false },
	{ "evict", "", op_evict, false },
	{ "unmap", "", op_unmap, false },
};

enum { CPU_WRITE, CPU_READ, GPU_WRITE, GPU_READ, TO_VRAM, TO_SYSTEM, EVICT, UNMAP };

static bool parse_range(const char *s, uint64_t size, struct step *step)
{
	const char *plus = strchr(s, '+');
	uint64_t off, len;
	char first[32];

	step->off = 0;
	step->len = size;
	if (!strcmp(s, "all"))
		return true;
	if (!plus || (size_t)(plus - s) >= sizeof(first))
		return false;
	memcpy(first, s, (size_t)(plus - s));
	first[plus - s] = '\0';
	if (!parse_bytes(first, &off) || !parse_bytes(plus + 1, &len))
		return false;
	if (off % MOCKGPU_PAGE_SIZE || len % MOCKGPU_PAGE_SIZE || !len || off > size ||
	    len > size - off)
		return false;
	step->off = off;
	step->len = len;
	return true;
}

static int add_step(void *arg, const char *name, const char *range)
{
	struct plan *p = arg;
	const struct op *op = ops;

	if (p->len == MAX_STEPS) {
		complain("no more than %d operations", MAX_STEPS);
		return EXIT_USAGE;
	}
	while (strcmp(op->name, name) && strcmp(op->alias, name))
		op++;
	p->steps[p->len].op = op;
	p->ranges[p->len++] = range;
	return EXIT_FINE;
}

/* One of most kinds, on eighths of the range.  Returns an exit code, or -1 to go on. */
static int default_steps(struct plan *p)
{
	static const struct {
		int op;
		size_t from, eighths;
	} recipe[] = {
		{ CPU_WRITE, 0, 6 }, { TO_VRAM, 2, 5 }, { GPU_WRITE, 3, 1 }, { GPU_READ, 0, 1 },
		{ CPU_READ, 5, 1 },
	};
	size_t eighth = p->size / 8 / MOCKGPU_PAGE_SIZE * MOCKGPU_PAGE_SIZE, i;

	if (!eighth) {
		complain("a range below 32K needs operations to be given");
		return EXIT_USAGE;
	}
	for (i = 0; i < ARRAY_SIZE(recipe); i++) {
		p->steps[i].op = &ops[recipe[i].op];
		p->steps[i].off = recipe[i].from * eighth;
		p->steps[i].len = recipe[i].eighths * eighth;
	}
	p->len = i;
	return -1;
}

/* The CPU must not touch what an earlier step unmapped. */
static bool touches_hole(const struct plan *p, size_t i)
{
	const struct step *s = &p->steps[i], *u;

	for (u = p->steps; s->op->touches && u < s; u++) {
		if (u->op == &ops[UNMAP] && u->off < s->off + s->len && s->off < u->off + u->len)
			return true;
	}
	return false;
}

/* Returns an exit code, or -1 to go on. */
static int resolve(struct plan *p)
{
	size_t i;

	if (!parse_bytes(p->size_arg, &p->size) || !p->size || p->size % MOCKGPU_PAGE_SIZE ||
	    p->size > SIZE_MAX / 2) {
		complain("--size is a multiple of 4K");
		return EXIT_USAGE;
	}
	if (!p->len)
		return default_steps(p);
	for (i = 0; i < p->len; i++) {
		if (!parse_range(p->ranges[i], p->size, &p->steps[i])) {
			complain("--%s %s: a range is OFFSET+LENGTH in pages of 4K within --size, or 'all'",
				 p->steps[i].op->name, p->ranges[i]);
			return EXIT_USAGE;
		}
		if (touches_hole(p, i)) {
			complain("--%s %s: some of it was unmapped before", p->steps[i].op->name,
				 p->ranges[i]);
			return EXIT_USAGE;
		}
	}
	return -1;
}

/* Returns an exit code, or -1 to go on. */
static int parse(int argc, char **argv, struct plan *p)
{
	const struct opt opts[] = {
		{ .name = "cpu-write", .take = add_step },
		{ .name = "cpu-read", .take = add_step },
		{ .name = "gpu-write", .take = add_step },
		{ .name = "gpu-read", .take = add_step },
		{ .name = "write", .take = add_step },
		{ .name = "read", .take = add_step },
		{ .name = "to-vram", .take = add_step },
		{ .name = "to-system", .take = add_step },
		{ .name = "evict", .take = add_step },
		{ .name = "unmap", .take = add_step },
		{ .name = "device", .letter = 'd', .value = &p->device },
		{ .name = "size", .letter = 's', .value = &p->size_arg },
		{ .name = "steps", .flag = &p->each },
		{ .name = "svg", .value = &p->svg },
		{ .name = "color", .value = &p->color },
		{ 0 },
	};
	int code = parse_options(argc, argv, opts, p, help);

	return code < 0 ? resolve(p) : code;
}

static void describe(const struct step *s, const struct map *m, int err, char *buf, size_t size)
{
	char off[BYTES_STR_MAX], len[BYTES_STR_MAX];
	size_t used, i;

	used = (size_t)snprintf(buf, size, "%s of %s at +%s", s->op->name, bytes_str(len, s->len),
				s->off ? bytes_str(off, s->off) : "0");
	for (i = 0; m->migrated && i < MOCKGPU_PAGE_STATUS_MAX && used < size; i++) {
		if (m->moved.count[i])
			used += (size_t)snprintf(buf + used, size - used, ", %llu %s",
						 (unsigned long long)m->moved.count[i],
						 mockgpu_page_status_name((unsigned int)i));
	}
	if (err && used < size)
		snprintf(buf + used, size - used, ": %s", strerror(-err));
}

static int look(struct map *m, uint32_t *res, struct strip *strip, const struct term *t,
		const char *caption, bool draw)
{
	struct seen seen = { 0 };
	const struct frame *f;
	size_t scale;
	int ret;

	ret = mockgpu_residency(m->dev, m->mem, m->len, res);
	if (ret) {
		complain("cannot see where the pages are: %s", strerror(-ret));
		return EXIT_FAILED;
	}
	f = strip_add(strip, caption, "", res, m->len / MOCKGPU_PAGE_SIZE);
	if (!f) {
		complain("out of memory");
		return EXIT_FAILED;
	}
	if (draw) {
		term_draw(t, f, &seen, &scale);
		term_legend(t, &seen, scale);
		term_huge(f);
	}
	return 0;
}

static int run(const struct plan *p, struct map *m, const struct term *t, struct strip *strip)
{
	uint32_t *res = calloc(m->len / MOCKGPU_PAGE_SIZE, sizeof(*res));
	int code = EXIT_FINE, ret;
	size_t i;

	if (!res) {
		complain("out of memory");
		return EXIT_FAILED;
	}
	for (i = 0; i < p->len; i++) {
		bool last = i + 1 == p->len;
		char caption[112];

		m->migrated = false;
		ret = p->steps[i].op->run(m, p->steps[i].off, p->steps[i].len);
		describe(&p->steps[i], m, ret, caption, sizeof(caption));
		puts(caption);
		if (ret)
			code = EXIT_FAILED;
		if (!p->each && !last)
			continue;
		if (look(m, res, strip, t, p->each ? caption : "", true)) {
			code = EXIT_FAILED;
			break;
		}
	}
	free(res);
	return code;
}

static int draw_plan(const struct plan *p, const struct term *t)
{
	struct strip strip = { .title = "" };
	struct map m = { .len = p->size };
	char size[BYTES_STR_MAX];
	int code;

	code = open_or_explain(&m.dev, p->device);
	if (code)
		return code;
	m.mem = mmap(NULL, m.len, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (m.mem == MAP_FAILED) {
		complain("cannot map %s: %s", bytes_str(size, p->size), strerror(errno));
		mockgpu_close(m.dev);
		return EXIT_FAILED;
	}
	snprintf(strip.title, sizeof(strip.title), "mockgpu map: where each page of %s is",
		 bytes_str(size, p->size));
	code = run(p, &m, t, &strip);
	if (svg_write(&strip, p->svg))
		code = EXIT_FAILED;
	strip_free(&strip);
	munmap(m.mem, m.len);
	mockgpu_close(m.dev);
	return code;
}

int cmd_map(int argc, char **argv)
{
	struct plan p = { .color = "auto", .size_arg = "1M" };
	struct term t;
	int code;

	code = parse(argc, argv, &p);
	if (code >= 0)
		return code;
	if (!term_init(&t, p.color))
		return EXIT_USAGE;
	return draw_plan(&p, &t);
}
