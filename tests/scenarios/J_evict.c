// SPDX-License-Identifier: MIT
/*
 * Evicting a range, a page, and everything: row J2; and errors half-way, by whatever way: row J3.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "module.h"
#include "points.h"
#include "process.h"

#define N	48
#define FIRST	21U	/* page of it that an error hits */
#define BLOCK	512UL	/* pages that make room together */

#define CHECK_EVICT(dev, p, pages, ret, went, stayed) \
	check_evict(__LINE__, (dev), (p), (pages), (ret), (went), (stayed))

/* @p NULL: everything. */
static void check_evict(int line, struct mockgpu_device *dev, void *p, size_t pages, int ret,
			size_t went, size_t stayed)
{
	struct mockgpu_evicted result = { 12345, 12345 };

	check_eq(__FILE__, line, "evict", p ? mockgpu_evict(dev, p, pages * PAGE, &result) :
					      mockgpu_evict_all(dev, &result), ret);
	check_eq(__FILE__, line, "evicted", (long long)result.evicted, (long long)went);
	check_eq(__FILE__, line, "busy", (long long)result.busy, (long long)stayed);
}

struct other {
	void *shared;
	uint16_t tag, shared_tag;
	int ready, go;
};

static void be_in_vram(void *arg)
{
	struct other *other = arg;
	struct mockgpu_device *dev = gpu_open(0);
	void *p = map_filled(N, other->tag);

	TO_VRAM(dev, p, N);
	gate_open(other->ready, 1);
	gate_wait(other->go);
	CHECK_PLACE(dev, p, N, IN_SYSTEM);
	CHECK_FILL(p, N, other->tag, 0);
	CHECK_FILL(other->shared, N, other->shared_tag, 0);
}

/* A page; a range with holes and with what is elsewhere; pages that a child shares; all. */
static void J2_a_page_a_range_everything(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	char *p = map_filled(N, tag);
	struct other other = { p, new_tag(), tag, gate_new(), gate_new() };
	struct drm_mockgpu_counters c;
	pid_t pid;

	TO_VRAM(dev, p, N);
	pid = spawn(be_in_vram, &other);
	gate_wait(other.ready);
	c = gpu_counters(dev);
	CHECK_EVICT(dev, AT(p, 7), 1, 0, 1, 0);
	CHECK_PLACE(dev, AT(p, 7), 1, IN_SYSTEM);
	CHECK_PLACE(dev, p, 7, IN_VRAM);
	CHECK_PLACE(dev, AT(p, 8), N - 8, IN_VRAM);
	CHECK_EVICT(dev, AT(p, 7), 1, 0, 0, 0);
	CHECK_COUNTED(dev, &c, .pages_evicted = 1, .vram_used_bytes = -PAGE);
	/* The child has what is unmapped here. */
	unmap(AT(p, 20), 5);
	CHECK_EVICT(dev, AT(p, 5), 25, 0, 19, 0);
	CHECK_PLACE(dev, AT(p, 5), 15, IN_SYSTEM);
	CHECK_PLACE(dev, AT(p, 25), 5, IN_SYSTEM);
	CHECK_PLACE(dev, p, 5, IN_VRAM);
	CHECK_PLACE(dev, AT(p, 30), N - 30, IN_VRAM);
	CHECK_COUNTED(dev, &c, .pages_evicted = 19, .vram_used_bytes = -19 * PAGE);
	/* Those five, those around, and what the child has for itself. */
	CHECK_EVICT(dev, NULL, 0, 0, N - 20 + N, 0);
	CHECK_PLACE(dev, p, 20, IN_SYSTEM);
	CHECK_PLACE(dev, AT(p, 25), N - 25, IN_SYSTEM);
	CHECK_COUNTED(dev, &c, .pages_evicted = N - 20 + N,
		      .vram_used_bytes = -(N - 20 + N) * PAGE);
	CHECK_EVICT(dev, NULL, 0, 0, 0, 0);
	gate_open(other.go, 1);
	join(pid);
	CHECK_FILL(p, 20, tag, 0);
	CHECK_FILL(AT(p, 25), N - 25, tag, 25);
}

static void J2_everything_takes_the_right_to(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);

	TO_VRAM(dev, p, N);
	lose_capability();
	CHECK_EQ(mockgpu_evict_all(dev, NULL), -EACCES);
	CHECK_PLACE(dev, p, N, IN_VRAM);
	CHECK_EVICT(dev, p, N, 0, N, 0);
	CHECK_FILL(p, N, tag, 0);
}

/* Pages here and there that stay: they are waited for together, not one after the other. */
static void J2_much_that_stays_is_waited_for_once(void)
{
	enum { BLOCKS = 8, PAGES = BLOCKS * BLOCK };
	struct mockgpu_device *dev = gpu_open(0);
	struct mockgpu_evicted evicted;
	uint16_t tag = new_tag();
	struct iovec held[BLOCKS];
	uint64_t start;
	int fds[2];
	char *p;

	/* What a pipe holds stays there. */
	gpu_needs(dev, MOCKGPU_CAP_COHERENT);
	p = map_filled(PAGES, tag);
	CHECK_SYS(pipe2(fds, O_CLOEXEC));
	TO_VRAM(dev, p, PAGES);
	for (unsigned int i = 0; i < BLOCKS; i++)
		held[i] = (struct iovec){ p + i * HUGE, PAGE };
	CHECK_EQ(vmsplice(fds[1], held, BLOCKS, 0), BLOCKS * PAGE);
	start = now_ns();
	CHECK_EQ(mockgpu_evict(dev, p, PAGES * PAGE, &evicted), 0);
	CHECK_LE(now_ns() - start, 2 * BOUND_NS);
	CHECK_EQ(evicted.busy, BLOCKS);
	CHECK_EQ(evicted.evicted, PAGES - BLOCKS);
	close(fds[0]);
	close(fds[1]);
	CHECK_EQ(mockgpu_evict(dev, p, PAGES * PAGE, &evicted), 0);
	CHECK_EQ(evicted.evicted, BLOCKS);
	CHECK_FILL(p, PAGES, tag, 0);
}

/* What fails, and what that says. */
static const struct failure {
	const char *point;
	int error;
} failures[] = {
	{ "alloc-ram", -ENOMEM },
	{ "copy", -EIO },
};

/*
 * One page of many cannot go, or none from there on.  That is said, those that can go do, nothing
 * is lost, and the next time all go.
 */
static void J3_an_eviction_fails_half_way(void)
{
	struct mockgpu_device *dev = gpu_open(0);

	for (unsigned int i = 0; i < 8; i++) {
		const struct failure *f = &failures[i % 2];
		bool one = i & 2, all = i & 4;
		size_t stay = one ? 1 : N - FIRST + 1;
		uint64_t copies = f->error == -EIO ? stay : 0;
		uint16_t tag = new_tag();
		void *p = map_filled(N, tag);
		struct drm_mockgpu_counters c;
		struct arm arm;

		TO_VRAM(dev, p, N);
		c = gpu_counters(dev);
		arm = BREAK(dev, f->point, .first = FIRST, .count = one);
		CHECK_EVICT(dev, all ? NULL : p, N, f->error, N - stay, stay);
		arm_release(arm);
		CHECK_COUNTED(dev, &c, .pages_evicted = N - stay, .copy_failures = copies,
			      .vram_used_bytes = -(N - stay) * PAGE);
		GPU_CHECK_FILL(dev, p, N, tag, 0);
		c = gpu_counters(dev);
		CHECK_EVICT(dev, all ? NULL : p, N, 0, stay, 0);
		CHECK_COUNTED(dev, &c, .pages_evicted = stay, .vram_used_bytes = -stay * PAGE);
		CHECK_FILL(p, N, tag, 0);
		unmap(p, N);
	}
}

/* The same where room is made: as long as some can go there is room. */
static void J3_room_is_made_though_a_page_cannot_go(void)
{
	struct mockgpu_device *dev;
	uint16_t tag = new_tag(), old = new_tag();
	void *p, *other;

	module_reload(1, 2);
	dev = gpu_open(0);
	other = map_filled(BLOCK, old);
	p = map_filled(100, tag);
	for (unsigned int i = 0; i < ARRAY_SIZE(failures); i++) {
		struct drm_mockgpu_counters c;
		struct arm arm;

		TO_VRAM(dev, other, BLOCK);
		c = gpu_counters(dev);
		arm = BREAK(dev, failures[i].point, .first = FIRST, .count = 1);
		TO_VRAM(dev, p, 100);
		arm_release(arm);
		CHECK_COUNTED(dev, &c, .pages_to_vram = 100, .pages_evicted = BLOCK - 1,
			      .pages_evicted_room = BLOCK - 1, .evict_passed_over = 1,
			      .copy_failures = failures[i].error == -EIO,
			      .vram_used_bytes = -(BLOCK - 1 - 100) * PAGE);
		CHECK_PLACE(dev, p, 100, IN_VRAM);
		GPU_CHECK_FILL(dev, other, BLOCK, old, 0);
		CHECK_EQ(mockgpu_evict_all(dev, NULL), 0);
		CHECK_FILL(p, 100, tag, 0);
		CHECK_FILL(other, BLOCK, old, 0);
	}
}

/* There is none where all fail from a page on: so many move, and the rest says why. */
static void J3_no_room_as_pages_cannot_go(void)
{
	static const uint8_t why[] = { MOCKGPU_PAGE_NO_RAM, MOCKGPU_PAGE_NO_VRAM };
	struct mockgpu_device *dev;
	uint16_t tag = new_tag(), old = new_tag();
	void *p, *other;

	module_reload(1, 2);
	dev = gpu_open(0);
	other = map_filled(BLOCK, old);
	p = map_filled(100, tag);
	for (unsigned int i = 0; i < ARRAY_SIZE(failures); i++) {
		struct drm_mockgpu_counters c, now;
		struct mockgpu_migrated result;
		struct arm arm;

		TO_VRAM(dev, other, BLOCK);
		c = gpu_counters(dev);
		arm = BREAK(dev, failures[i].point, .first = FIRST);
		CHECK_EQ(mockgpu_migrate(dev, p, 100 * PAGE, MOCKGPU_TARGET_VRAM,
					 MOCKGPU_MIGRATE_ALL_OR_NOTHING, &result, NULL), -ENOMEM);
		arm_release(arm);
		CHECK_GE(result.count[why[i]], 1);
		CHECK_EQ(result.count[why[i]] + result.count[MOCKGPU_PAGE_NOT_TRIED], 100);
		CHECK_PLACE(dev, p, 100, IN_SYSTEM);
		now = gpu_counters(dev);
		CHECK_EQ(now.pages_to_vram, c.pages_to_vram);
		CHECK_EQ(now.no_ram - c.no_ram + now.no_vram - c.no_vram, result.count[why[i]]);
		GPU_CHECK_FILL(dev, other, BLOCK, old, 0);
		/* The next one is lucky. */
		CHECK_MIGRATE(dev, p, 100, MOCKGPU_TARGET_VRAM, MOCKGPU_MIGRATE_ALL_OR_NOTHING, 0,
			      NULL);
		GPU_CHECK_FILL(dev, p, 100, tag, 0);
		CHECK_EQ(mockgpu_evict_all(dev, NULL), 0);
		CHECK_FILL(p, 100, tag, 0);
		CHECK_FILL(other, BLOCK, old, 0);
	}
}

#define SCENARIO(name) { #name, name, 0, 0 }
#define RELOADING(name) { #name, name, 0, RELOADS }

const struct scenario scenarios[] = {
	SCENARIO(J2_a_page_a_range_everything),
	SCENARIO(J2_everything_takes_the_right_to),
	SCENARIO(J2_much_that_stays_is_waited_for_once),
	SCENARIO(J3_an_eviction_fails_half_way),
	RELOADING(J3_room_is_made_though_a_page_cannot_go),
	RELOADING(J3_no_room_as_pages_cannot_go),
	{ 0 }
};
