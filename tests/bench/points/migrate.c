// SPDX-License-Identifier: MIT
/* To VRAM and home: by a call, and by the CPU's touch. */
#include "bench.h"

static struct mockgpu_migrated moved;

static void to_vram(void)
{
	MUST(!mockgpu_migrate(dev, mem, HUGE, MOCKGPU_TARGET_VRAM, 0, &moved, NULL));
}

static void to_system(void)
{
	MUST(!mockgpu_migrate(dev, mem, HUGE, MOCKGPU_TARGET_SYSTEM, 0, &moved, NULL));
}

static void touch_each(void)
{
	for (size_t i = 0; i < N; i++)
		*(volatile char *)AT(i) += 1;
}

static void touch_one(void)
{
	*(volatile char *)mem += 1;
}

static void all_moved(void)
{
	MUST(moved.count[MOCKGPU_PAGE_MOVED] == N);
}

static void all_went_whole(void)
{
	all_moved();
	MUST(after.huge_to_vram - before.huge_to_vram == 1);
}

static void all_came_whole(void)
{
	all_moved();
	MUST(after.huge_to_system - before.huge_to_system == 1);
}

static void each_had_a_fault(void)
{
	MUST(after.cpu_faults - before.cpu_faults == N);
	MUST(after.pages_cpu_fault - before.pages_cpu_fault == N);
}

static void all_had_one_fault(void)
{
	MUST(after.cpu_faults - before.cpu_faults == 1);
	MUST(after.huge_to_system - before.huge_to_system == 1);
}

const struct bench migrate_benches[] = {
	{ "to-vram-4k", "page", N, PAGE, .run = to_vram, .check = all_moved },
	{ "to-vram-2m", "folio", 1, HUGE, .huge = true, .run = to_vram, .check = all_went_whole },
	{ "to-system-4k", "page", N, PAGE, .vram = true, .run = to_system, .check = all_moved },
	{ "to-system-2m", "folio", 1, HUGE, .huge = true, .vram = true, .run = to_system,
	  .check = all_came_whole },
	{ "cpu-fault-4k", "fault", N, PAGE, .vram = true, .run = touch_each,
	  .check = each_had_a_fault },
	{ "cpu-fault-2m", "fault", 1, HUGE, .huge = true, .vram = true, .run = touch_one,
	  .check = all_had_one_fault },
	{ 0 }
};
