// SPDX-License-Identifier: MIT
/* Huge folios that make room in a full VRAM, or for which room is made: rows G1 and G5. */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "huge.h"
#include "module.h"
#include "points.h"

static struct mockgpu_device *reload(void)
{
	struct mockgpu_device *dev;

	module_reload(1, 2);
	dev = gpu_open_huge();
	CHECK_EQ(gpu_vram_pages(dev), N);
	return dev;
}

/* One goes whole and the other comes whole: VRAM has no 2 MiB beside. */
static void G1_a_huge_folio_takes_the_place_of_another(void)
{
	struct mockgpu_device *dev = reload();
	uint16_t old = new_tag(), tag = new_tag();
	char *other = huge_in_vram(dev, old), *p = huge_in_system(dev, tag);
	struct drm_mockgpu_counters c = gpu_counters(dev);

	TO_VRAM(dev, p, N);
	CHECK_RES(dev, p, N, RES_PLACE | RW | ORDER, IN_VRAM | RW | ORDER_9);
	CHECK_RES(dev, other, N, RES_PLACE | RW | ORDER, IN_SYSTEM | RW | ORDER_9);
	CHECK_COUNTED(dev, &c, .pages_to_vram = N, .huge_to_vram = 1, .huge_to_system = 1,
		      .pages_evicted = N, .pages_evicted_room = N);
	CHECK_FILL(other, N, old, 0);
	CHECK_FILL(p, N, tag, 0);
}

/* Single pages here and there go, all of them, so that one that is huge stays in one piece. */
static void G1_single_pages_make_room_for_a_huge_folio(void)
{
	struct mockgpu_device *dev = reload();
	uint16_t old = new_tag(), tag = new_tag();
	char *other = map_filled(N, old), *p = huge_in_system(dev, tag);
	struct drm_mockgpu_counters c;

	TO_VRAM(dev, other, N);
	unmap(AT(other, N - 1), 1);
	c = gpu_counters(dev);
	TO_VRAM(dev, p, N);
	CHECK_RES(dev, p, N, RES_PLACE | RW | ORDER, IN_VRAM | RW | ORDER_9);
	CHECK_PLACE(dev, other, N - 1, IN_SYSTEM);
	CHECK_COUNTED(dev, &c, .pages_to_vram = N, .huge_to_vram = 1, .pages_evicted = N - 1,
		      .pages_evicted_room = N - 1, .vram_used_bytes = PAGE);
	CHECK_FILL(other, N - 1, old, 0);
	CHECK_FILL(p, N, tag, 0);
}

/*
 * There is no 2 MiB of RAM for the one that goes: it takes what stood behind it.  One page is
 * wanted of its room, or all of it.
 */
static void G5_makes_room_without_huge_ram(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct mockgpu_device *dev = reload();
		uint16_t old = new_tag(), tag = new_tag();
		char *other = huge_in_vram(dev, old), *p = huge_in_system(dev, tag);
		size_t pages = i ? N : 1;
		struct drm_mockgpu_counters c = gpu_counters(dev);
		uint64_t start = now_ns();
		struct arm arm;

		arm = BREAK(dev, "alloc-ram", .count = 1);
		TO_VRAM(dev, p, pages);
		CHECK_EQ(arm_look(arm).acted, 1);
		arm_release(arm);
		CHECK_LE(now_ns() - start, BOUND_NS);
		CHECK_RES(dev, other, N, RES_PLACE | RW | ORDER, IN_SYSTEM | RW | ORDER_9);
		CHECK_PLACE(dev, p, pages, IN_VRAM);
		CHECK_COUNTED(dev, &c, .pages_to_vram = pages, .huge_to_vram = i,
			      .huge_to_system = 1, .pages_evicted = N, .pages_evicted_room = N,
			      .vram_used_bytes = -(N - pages) * PAGE);
		/* VRAM has other memory now. */
		CHECK_EQ(gpu_counters(dev).vram_backing_bytes, HUGE);
		GPU_CHECK_FILL(dev, other, N, old, 0);
		GPU_CHECK_FILL(dev, p, N, tag, 0);
		CHECK_FILL(other, N, old, 0);
		CHECK_FILL(p, N, tag, 0);
		unmap(p, N);
		unmap(other, N);
		mockgpu_close(dev);
	}
}

#define RELOADING(name) { #name, name, 60, RELOADS }

const struct scenario scenarios[] = {
	RELOADING(G1_a_huge_folio_takes_the_place_of_another),
	RELOADING(G1_single_pages_make_room_for_a_huge_folio),
	RELOADING(G5_makes_room_without_huge_ram),
	{ 0 }
};
