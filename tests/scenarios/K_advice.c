// SPDX-License-Identifier: MIT
/*
 * Advice is kept, and read back exactly: row K1.
 *
 * Beside single cases, a model of what was advised for each page is held against the device's
 * answers while pieces are advised, reset, unmapped, mapped over and moved.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gpu.h"
#include "process.h"

#define ATTRIBUTES 8

/* Each attribute: what it is by default, and what else it can be. */
static const struct {
	uint64_t initial, good[6], bad[4];
} attributes[ATTRIBUTES] = {
	[MOCKGPU_ADVICE_PLACE] = {
		MOCKGPU_PLACE_ANY,
		{ MOCKGPU_PLACE_ANY, MOCKGPU_PLACE_SYSTEM, MOCKGPU_PLACE_DEVICE(0),
		  MOCKGPU_PLACE_DEVICE(7), MOCKGPU_PLACE_DEVICE(14), MOCKGPU_PLACE_DEVICE(15) },
		{ 2, 0xff, MOCKGPU_PLACE_DEVICE(16), 1UL << 32 },
	},
	[MOCKGPU_ADVICE_TOUCH] = { 1, { 1, 0, 2, 50, 99, 100 }, { 101, 1000, ~0UL, 1UL << 32 } },
	[MOCKGPU_ADVICE_MUST_VRAM] = { 0, { 0, 1, 0, 1, 0, 1 }, { 2, 3, ~0UL, 1UL << 32 } },
	[MOCKGPU_ADVICE_READ_MOSTLY] = { 0, { 0, 1, 0, 1, 0, 1 }, { 2, 3, ~0UL, 1UL << 32 } },
	[MOCKGPU_ADVICE_ATOMIC] = {
		MOCKGPU_ATOMICS_EXCLUSIVE,
		{ MOCKGPU_ATOMICS_EXCLUSIVE, MOCKGPU_ATOMICS_MIGRATE, MOCKGPU_ATOMICS_REFUSE,
		  MOCKGPU_ATOMICS_EXCLUSIVE, MOCKGPU_ATOMICS_MIGRATE, MOCKGPU_ATOMICS_REFUSE },
		{ 3, 4, ~0UL, 1UL << 32 },
	},
	[MOCKGPU_ADVICE_GRANULARITY] = { 0, { 0, 1, 2, 5, 8, 9 }, { 10, 12, ~0UL, 1UL << 32 } },
	[MOCKGPU_ADVICE_FAULT_AROUND] = { 0, { 0, 1, 2, 4, 5, 6 }, { 7, 9, ~0UL, 1UL << 32 } },
	[MOCKGPU_ADVICE_TIME_SLICE] = {
		0, { 0, 1, 2, 250, 499, 500 }, { 501, 1000, ~0UL, 1UL << 32 },
	},
};

#define N 64	/* pages */

/* What each page is advised to, and what the device says of it. */
struct model {
	struct mockgpu_device *dev;
	char *pages;
	uint64_t value[N][ATTRIBUTES];
};

static void forget(struct model *m, size_t page, size_t n)
{
	for (size_t i = page; i < page + n; i++)
		for (unsigned int a = 0; a < ATTRIBUTES; a++)
			m->value[i][a] = attributes[a].initial;
}

static struct model *model_new(void)
{
	static struct model m;

	m.dev = gpu_open(0);
	m.pages = map_arena(N);
	forget(&m, 0, N);
	return &m;
}

static void check_advice(const struct model *m, size_t page, size_t n)
{
	uint64_t mixed = 0;
	struct mockgpu_advice got;

	for (unsigned int a = 0; a < ATTRIBUTES; a++)
		for (size_t i = page; i < page + n; i++)
			if (m->value[i][a] != m->value[page][a])
				mixed |= 1UL << a;
	memset(&got, 0xee, sizeof(got));
	CHECK_EQ(mockgpu_get_advice(m->dev, AT(m->pages, page), n * PAGE, &got), 0);
	for (unsigned int a = 0; a < MOCKGPU_ADVICE_MAX; a++) {
		uint64_t want = a < ATTRIBUTES ? m->value[page][a] : 0;

		if (got.value[a] != want)
			FAIL("attribute %u of pages %zu to %zu: expected %llu, got %llu", a, page,
			     page + n - 1, (unsigned long long)want,
			     (unsigned long long)got.value[a]);
	}
	if (got.mixed != mixed)
		FAIL("pages %zu to %zu: expected %llx as mixed, got %llx", page, page + n - 1,
		     (unsigned long long)mixed, (unsigned long long)got.mixed);
}

/* Page by page, and as a whole. */
static void check_all(const struct model *m)
{
	for (size_t i = 0; i < N; i++)
		check_advice(m, i, 1);
	check_advice(m, 0, N);
}

static void advise(struct model *m, size_t page, size_t n, unsigned int a, uint64_t value)
{
	CHECK_EQ(mockgpu_advise(m->dev, AT(m->pages, page), n * PAGE, a, value), 0);
	for (size_t i = page; i < page + n; i++)
		m->value[i][a] = value;
}

static void reset(struct model *m, size_t page, size_t n)
{
	CHECK_EQ(mockgpu_advise_reset(m->dev, AT(m->pages, page), n * PAGE), 0);
	forget(m, page, n);
}

/* Each is something else than by default. */
static void advise_everything(struct model *m, size_t page, size_t n)
{
	for (unsigned int a = 0; a < ATTRIBUTES; a++)
		advise(m, page, n, a, attributes[a].good[1]);
}

static void map(struct model *m, size_t page, size_t n)
{
	map_fixed(AT(m->pages, page), n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static void K1_defaults(void)
{
	struct model *m = model_new();

	check_all(m);
	map(m, 0, N);
	check_all(m);
}

/* Each value that there can be; where nothing is mapped, and where something is. */
static void K1_each_value(void)
{
	struct model *m = model_new();

	for (unsigned int mapped = 0; mapped < 2; mapped++) {
		for (unsigned int a = 0; a < ATTRIBUTES; a++)
			for (unsigned int i = 0; i < ARRAY_SIZE(attributes[a].good); i++) {
				advise(m, 0, N, a, attributes[a].good[i]);
				check_advice(m, 0, N);
			}
		check_all(m);
		reset(m, 0, N);
		check_all(m);
		map(m, 0, N);
	}
}

/* What there cannot be changes nothing. */
static void K1_bad_values(void)
{
	struct model *m = model_new();

	advise_everything(m, 10, 20);
	for (unsigned int a = 0; a < ATTRIBUTES; a++)
		for (unsigned int i = 0; i < ARRAY_SIZE(attributes[a].bad); i++)
			CHECK_EQ(mockgpu_advise(m->dev, m->pages, N * PAGE, a,
						attributes[a].bad[i]), -EINVAL);
	for (unsigned int a = ATTRIBUTES; a < MOCKGPU_ADVICE_MAX + 2; a++)
		CHECK_EQ(mockgpu_advise(m->dev, m->pages, N * PAGE, a, 0), -EINVAL);
	check_all(m);
}

/* A piece within another: the larger one is as before on either side. */
static void K1_part_of_a_range(void)
{
	struct model *m = model_new();

	advise(m, 0, N, MOCKGPU_ADVICE_TOUCH, 7);
	advise(m, 20, 10, MOCKGPU_ADVICE_TOUCH, 8);
	check_all(m);
	advise(m, 25, 10, MOCKGPU_ADVICE_GRANULARITY, 3);
	check_all(m);
	check_advice(m, 26, 3);
	/* As it was: one piece again. */
	advise(m, 20, 10, MOCKGPU_ADVICE_TOUCH, 7);
	check_all(m);
	reset(m, 30, 3);
	check_all(m);
}

/* Some thousand pieces of advice, over one another. */
static void K1_random_pieces(void)
{
	struct model *m = model_new();

	for (unsigned int step = 0; step < 3000; step++) {
		size_t page = random_below(N), n = 1 + random_below(N - page);
		unsigned int a = (unsigned int)random_below(ATTRIBUTES);

		if (random_below(8) == 0)
			reset(m, page, n);
		else
			advise(m, page, n, a, attributes[a].good[random_below(6)]);
		page = random_below(N);
		check_advice(m, page, 1 + random_below(N - page));
		if (step % 100 == 0)
			check_all(m);
	}
	check_all(m);
}

/* What happens to the mapping happens to its advice. */
static void K1_unmapped_and_mapped_anew(void)
{
	struct model *m = model_new();

	map(m, 0, N);
	advise_everything(m, 0, N);
	unmap(AT(m->pages, 20), 10);
	forget(m, 20, 10);
	check_all(m);
	map(m, 20, 10);
	check_all(m);
	/* Something is mapped over it. */
	map(m, 40, 5);
	forget(m, 40, 5);
	check_all(m);
	map_fixed(AT(m->pages, 50), 3, PROT_READ, MAP_SHARED, make_memfd(3, 0));
	forget(m, 50, 3);
	check_all(m);
	unmap(m->pages, N);
	forget(m, 0, N);
	check_all(m);
}

static void K1_moved_by_mremap(void)
{
	struct model *m = model_new();
	char *elsewhere = map_arena(N);

	map(m, 0, N);
	advise_everything(m, 0, N);
	/* Away. */
	CHECK(mremap(AT(m->pages, 5), 5 * PAGE, 5 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		     elsewhere) == elsewhere);
	forget(m, 5, 5);
	check_all(m);
	/* To where something else was. */
	CHECK(mremap(elsewhere, 5 * PAGE, 5 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		     AT(m->pages, 30)) == AT(m->pages, 30));
	forget(m, 30, 5);
	check_all(m);
	/* With the old mapping left behind, empty. */
	CHECK(mremap(AT(m->pages, 12), 2 * PAGE, 2 * PAGE,
		     MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, elsewhere) == elsewhere);
	forget(m, 12, 2);
	check_all(m);
	/* Shorter, and longer again. */
	unmap(AT(m->pages, 60), 4);
	CHECK(mremap(AT(m->pages, 50), 10 * PAGE, 4 * PAGE, 0) == AT(m->pages, 50));
	forget(m, 54, 10);
	check_all(m);
	CHECK(mremap(AT(m->pages, 50), 4 * PAGE, 8 * PAGE, 0) == AT(m->pages, 50));
	check_all(m);
}

/* What leaves the mapping in its place leaves the advice. */
static void K1_other_changes_of_the_mapping(void)
{
	struct model *m = model_new();

	map(m, 0, N);
	fill(m->pages, N, new_tag(), 0);
	advise_everything(m, 10, 40);
	CHECK_SYS(mprotect(AT(m->pages, 12), 3 * PAGE, PROT_READ));
	CHECK_SYS(mprotect(AT(m->pages, 15), 3 * PAGE, PROT_NONE));
	CHECK_SYS(madvise(AT(m->pages, 20), 5 * PAGE, MADV_DONTNEED));
	CHECK_SYS(madvise(AT(m->pages, 25), 5 * PAGE, MADV_FREE));
	CHECK_SYS(mlock(AT(m->pages, 30), 5 * PAGE));
	CHECK_EQ(mockgpu_to_vram(m->dev, AT(m->pages, 35), 5 * PAGE), 0);
	CHECK_EQ(mockgpu_evict_all(m->dev, NULL), 0);
	check_all(m);
}

/* The mapping changes at random, and the advice with it. */
static void K1_random_changes_of_the_mapping(void)
{
	struct model *m = model_new();
	char *elsewhere = map_arena(N);

	map(m, 0, N);
	for (unsigned int step = 0; step < 1500; step++) {
		size_t page = random_below(N), n = 1 + random_below(N - page < 16 ? N - page : 16);
		unsigned int a = (unsigned int)random_below(ATTRIBUTES);

		switch (random_below(8)) {
		case 0:
			unmap(AT(m->pages, page), n);
			forget(m, page, n);
			map(m, page, n);
			break;
		case 1:
			map(m, page, n);
			forget(m, page, n);
			break;
		case 2:
			CHECK(mremap(AT(m->pages, page), PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
				     elsewhere) == elsewhere);
			forget(m, page, 1);
			map(m, page, 1);
			break;
		case 3:
			/* The new mapping is advised before it is there. */
			unmap(AT(m->pages, page), n);
			forget(m, page, n);
			advise(m, page, n, a, attributes[a].good[1]);
			map(m, page, n);
			break;
		default:
			advise(m, page, n, a, attributes[a].good[random_below(6)]);
		}
		page = random_below(N);
		check_advice(m, page, 1 + random_below(N - page));
	}
	check_all(m);
}

/* Another file of the same process has advice of its own. */
static void K1_another_file(void)
{
	struct model *m = model_new(), other = *m;

	map(m, 0, N);
	advise_everything(m, 0, N);
	other.dev = gpu_open(0);
	check_all(&other);
	advise(&other, 5, 5, MOCKGPU_ADVICE_PLACE, MOCKGPU_PLACE_SYSTEM);
	advise(&other, 5, 5, MOCKGPU_ADVICE_TOUCH, 77);
	check_all(&other);
	check_all(m);
	mockgpu_close(other.dev);
	check_all(m);
	/* It ends with the file. */
	mockgpu_close(m->dev);
	m->dev = gpu_open(0);
	forget(m, 0, N);
	check_all(m);
}

static void child_asks(void *arg)
{
	struct model *m = arg;
	struct mockgpu_advice advice;

	CHECK_EQ(mockgpu_advise(m->dev, m->pages, PAGE, MOCKGPU_ADVICE_TOUCH, 9), -EPERM);
	CHECK_EQ(mockgpu_get_advice(m->dev, m->pages, PAGE, &advice), -EPERM);
	CHECK_EQ(mockgpu_advise_reset(m->dev, m->pages, PAGE), -EPERM);
	/* Its own file, in which nothing is advised; and its own mapping, which it changes. */
	m->dev = gpu_open(0);
	forget(m, 0, N);
	check_all(m);
	advise(m, 3, 7, MOCKGPU_ADVICE_TOUCH, 42);
	check_all(m);
	unmap(m->pages, N);
	forget(m, 0, N);
	check_all(m);
}

static void K1_a_child_does_not_inherit_it(void)
{
	struct model *m = model_new();

	map(m, 0, N);
	fill(m->pages, N, new_tag(), 0);
	advise_everything(m, 5, 50);
	join(spawn(child_asks, m));
	check_all(m);
}

/* As far up and as low down as a process can map. */
static void K1_everywhere(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	const size_t whole = (1UL << 47) - PAGE;
	struct mockgpu_advice got;

	CHECK_EQ(mockgpu_advise(dev, NULL, whole, MOCKGPU_ADVICE_TOUCH, 5), 0);
	CHECK_EQ(mockgpu_get_advice(dev, NULL, whole, &got), 0);
	CHECK_EQ(got.mixed, 0);
	CHECK_EQ(got.value[MOCKGPU_ADVICE_TOUCH], 5);
	CHECK_EQ(mockgpu_advise(dev, (void *)PAGE, PAGE, MOCKGPU_ADVICE_TOUCH, 6), 0);
	CHECK_EQ(mockgpu_get_advice(dev, NULL, whole, &got), 0);
	CHECK_EQ(got.mixed, 1UL << MOCKGPU_ADVICE_TOUCH);
	CHECK_EQ(mockgpu_get_advice(dev, (void *)(2 * PAGE), whole - 2 * PAGE, &got), 0);
	CHECK_EQ(got.mixed, 0);
	CHECK_EQ(got.value[MOCKGPU_ADVICE_TOUCH], 5);
}

/*
 * 16384 pieces, those that lie between advised ones among them; and what that limit does not stand
 * in the way of.
 */
static void K1_limit_of_pieces(void)
{
	enum { MOST = 8191 };	/* with a page between each two, and the rest on either side */
	struct mockgpu_device *dev = gpu_open(0);
	char *p = map_arena(2 * MOST + 10);
	struct mockgpu_advice got;

	for (size_t i = 0; i < MOST; i++)
		CHECK_EQ(mockgpu_advise(dev, AT(p, 2 * i), PAGE, MOCKGPU_ADVICE_TOUCH, 2 + i % 50),
			 0);
	CHECK_EQ(mockgpu_advise(dev, AT(p, 2 * MOST), PAGE, MOCKGPU_ADVICE_TOUCH, 2), -ENOSPC);
	CHECK_EQ(mockgpu_get_advice(dev, AT(p, 2 * MOST), PAGE, &got), 0);
	CHECK_EQ(got.value[MOCKGPU_ADVICE_TOUCH], 1);
	for (size_t i = 0; i < MOST; i++) {
		CHECK_EQ(mockgpu_get_advice(dev, AT(p, 2 * i), PAGE, &got), 0);
		CHECK_EQ(got.value[MOCKGPU_ADVICE_TOUCH], 2 + i % 50);
	}
	/* One that is there is changed; one goes and another comes; another file has its own. */
	CHECK_EQ(mockgpu_advise(dev, p, PAGE, MOCKGPU_ADVICE_TOUCH, 99), 0);
	CHECK_EQ(mockgpu_advise_reset(dev, p, PAGE), 0);
	CHECK_EQ(mockgpu_advise(dev, AT(p, 2 * MOST), PAGE, MOCKGPU_ADVICE_TOUCH, 2), 0);
	CHECK_EQ(mockgpu_advise(dev, p, PAGE, MOCKGPU_ADVICE_TOUCH, 2), -ENOSPC);
	CHECK_EQ(mockgpu_advise(gpu_open(0), p, PAGE, MOCKGPU_ADVICE_TOUCH, 2), 0);
	/* Neighbours that are the same become one. */
	CHECK_EQ(mockgpu_advise(dev, p, 2 * MOST * PAGE, MOCKGPU_ADVICE_TOUCH, 3), 0);
	CHECK_EQ(mockgpu_advise(dev, AT(p, 100), PAGE, MOCKGPU_ADVICE_TOUCH, 4), 0);
	CHECK_EQ(mockgpu_get_advice(dev, p, 100 * PAGE, &got), 0);
	CHECK_EQ(got.mixed, 0);
	CHECK_EQ(got.value[MOCKGPU_ADVICE_TOUCH], 3);
}

/* A piece in the middle of another makes two more, which there has to be room for. */
static void K1_limit_when_a_piece_is_split(void)
{
	enum { MOST = 16381 };	/* side by side; with the larger one and either side of all */
	struct mockgpu_device *dev = gpu_open(0);
	char *p = map_arena(MOST + 9), *large = AT(p, MOST);
	struct mockgpu_advice got;

	for (size_t i = 0; i < MOST; i++)
		CHECK_EQ(mockgpu_advise(dev, AT(p, i), PAGE, MOCKGPU_ADVICE_TOUCH, 2 + i % 2), 0);
	CHECK_EQ(mockgpu_advise(dev, large, 9 * PAGE, MOCKGPU_ADVICE_TOUCH, 9), 0);
	CHECK_EQ(mockgpu_advise(dev, AT(large, 4), PAGE, MOCKGPU_ADVICE_TOUCH, 5), -ENOSPC);
	CHECK_EQ(mockgpu_advise_reset(dev, AT(large, 4), PAGE), -ENOSPC);
	CHECK_EQ(mockgpu_get_advice(dev, large, 9 * PAGE, &got), 0);
	CHECK_EQ(got.mixed, 0);
	CHECK_EQ(got.value[MOCKGPU_ADVICE_TOUCH], 9);
	/*
	 * What is unmapped is forgotten, whatever the limit is: as there cannot be more pieces,
	 * with all of the piece that it is in the middle of, and nothing beside that.
	 */
	map_fixed(AT(large, 3), 3, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	unmap(AT(large, 3), 3);
	CHECK_EQ(mockgpu_get_advice(dev, large, 9 * PAGE, &got), 0);
	CHECK_EQ(got.mixed, 0);
	CHECK_EQ(got.value[MOCKGPU_ADVICE_TOUCH], 1);
	CHECK_EQ(mockgpu_get_advice(dev, AT(p, MOST - 1), PAGE, &got), 0);
	CHECK_EQ(got.value[MOCKGPU_ADVICE_TOUCH], 2 + (MOST - 1) % 2);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(K1_defaults),
	SCENARIO(K1_each_value),
	SCENARIO(K1_bad_values),
	SCENARIO(K1_part_of_a_range),
	SCENARIO(K1_random_pieces),
	SCENARIO(K1_unmapped_and_mapped_anew),
	SCENARIO(K1_moved_by_mremap),
	SCENARIO(K1_other_changes_of_the_mapping),
	SCENARIO(K1_random_changes_of_the_mapping),
	SCENARIO(K1_another_file),
	SCENARIO(K1_a_child_does_not_inherit_it),
	SCENARIO(K1_everywhere),
	SCENARIO(K1_limit_of_pieces),
	SCENARIO(K1_limit_when_a_piece_is_split),
	{ 0 }
};
