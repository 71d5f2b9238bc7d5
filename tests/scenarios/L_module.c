// SPDX-License-Identifier: MIT
/*
 * The module under other parameters (row L4), unloaded under live data (row L2), and on a machine
 * without RAM to stand behind VRAM (row A6).  What it refuses and costs: tests/system/module.t.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gpu.h"
#include "module.h"
#include "process.h"

#define MB (1UL << 20)

static void unload(void)
{
	uint64_t end = now_ns() + 3 * BOUND_NS;
	int err;

	/* udev may still look at the nodes that came up. */
	while ((err = module_unload()) && now_ns() < end)
		sleep_ms(20);
	CHECK_EQ(err, 0);
}

static void L4_parameters_at_the_limits(void)
{
	static const struct { unsigned int devices, vram_mb; } good[] = {
		{ 1, 2 }, { 16, 2 }, { 1, 1048576 }, { 3, 34 },
	};

	module_needs_private();
	for (unsigned int i = 0; i < ARRAY_SIZE(good); i++) {
		module_reload(good[i].devices, good[i].vram_mb);
		for (unsigned int d = 0; d < good[i].devices; d++) {
			struct mockgpu_device *dev = gpu_open(d);
			struct drm_mockgpu_device_info info;
			uint16_t tag = new_tag();
			void *p = map_filled(16, tag);

			CHECK_EQ(mockgpu_info(dev, &info), 0);
			CHECK_EQ(info.index, d);
			CHECK_EQ(info.vram_bytes, good[i].vram_mb * MB);
			TO_VRAM(dev, p, 16);
			CHECK_EQ(MOCKGPU_RES_DEVICE(gpu_res(dev, p)), d);
			CHECK_FILL(p, 16, tag, 0);
			mockgpu_close(dev);
		}
	}
}

struct holder {
	int ready, go;
	uint16_t tag;
};

static void hold_data(void *arg)
{
	struct holder *holder = arg;
	struct mockgpu_device *dev = gpu_open(0);
	size_t pages = gpu_vram_pages(dev) / 3;
	void *p = map_filled(pages, holder->tag);

	TO_VRAM(dev, p, pages);
	CHECK_PLACE(dev, p, pages, IN_VRAM);
	mockgpu_close(dev);
	gate_open(holder->ready, 1);
	gate_wait(holder->go);
	CHECK_FILL(p, pages, holder->tag, 0);
}

/* Three processes have filled VRAM and closed their files: the module may go, their data not. */
static void L2_rmmod_with_live_data(void)
{
	struct holder holders[3];
	size_t before, after;
	uint64_t used, start;
	pid_t pids[3];

	module_needs_private();
	module_prepare();
	before = free_memory_kb();
	for (unsigned int i = 0; i < 3; i++) {
		holders[i] = (struct holder){ gate_new(), gate_new(), new_tag() };
		pids[i] = spawn(hold_data, &holders[i]);
	}
	for (unsigned int i = 0; i < 3; i++)
		gate_wait(holders[i].ready);
	CHECK_EQ(module_vram_used(&used), 0);
	CHECK_EQ(used, DEFAULT_VRAM_MB * MB / PAGE / 3 * 3 * PAGE);
	start = now_ns();
	unload();
	note("rmmod took %llu ms", (unsigned long long)(now_ns() - start) / 1000000);
	CHECK_EQ(mockgpu_count(), 0);
	for (unsigned int i = 0; i < 3; i++)
		gate_open(holders[i].go, 1);
	for (unsigned int i = 0; i < 3; i++)
		join(pids[i]);
	CHECK_EQ(module_load("", NULL), 0);
	after = free_memory_kb();
	note("free: %zu kB before, %zu kB after", before, after);
	CHECK_GE(after, before - meminfo_kb("MemTotal") / 100);
}

/* An open file holds the module: rmmod is refused, and nothing has happened. */
static void L2_rmmod_with_an_open_file(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag();
	void *p = map_filled(100, tag);

	TO_VRAM(dev, p, 100);
	CHECK_EQ(module_unload(), -EWOULDBLOCK);
	CHECK_PLACE(dev, p, 100, IN_VRAM);
	GPU_CHECK_FILL(dev, p, 100, tag, 0);
	mockgpu_close(dev);
	unload();
	CHECK_FILL(p, 100, tag, 0);
}

#define PART	(16 * MB / PAGE)
#define KEPT	(64 * MB / PAGE)

/*
 * VRAM is larger than the machine, and holes are filled in it until no RAM is left to stand behind
 * it.  The pages with contents that went first are all there, and the call that failed has lost
 * nothing.
 */
static void A6_no_ram_behind_vram(void)
{
	struct mockgpu_device *dev;
	struct mockgpu_migrated result;
	struct drm_mockgpu_counters c;
	uint16_t tag = new_tag(), late = new_tag();
	size_t most, used = 0, beside = 0;
	void *kept, *holes, *last, *other;
	uint64_t moved = 0;
	int err = 0;

	module_needs_private();
	module_reload(1, 65536);
	dev = gpu_open_private();
	most = (meminfo_kb("MemTotal") + meminfo_kb("SwapTotal")) * 1024 / PAGE;
	/* Where it takes long, most of it goes at once and to something else. */
	if (slowness() > 1)
		beside = meminfo_kb("MemAvailable") * 1024 / PAGE / 8 * 7;
	other = map_hole(beside + 1);
	CHECK_SYS(madvise(other, (beside + 1) * PAGE, MADV_HUGEPAGE));
	for (size_t i = 0; i < beside; i++)
		*(char *)AT(other, i) = 1;
	kept = map_filled(KEPT, tag);
	last = map_filled(PART, late);
	holes = map_hole(most);
	TO_VRAM(dev, kept, KEPT);
	while (used < most) {
		c = gpu_counters(dev);
		err = mockgpu_migrate(dev, AT(holes, used), PART * PAGE, MOCKGPU_TARGET_VRAM, 0,
				      &result, NULL);
		moved += result.count[MOCKGPU_PAGE_MOVED];
		if (err)
			break;
		CHECK_EQ(result.count[MOCKGPU_PAGE_MOVED], PART);
		used += PART;
	}
	note("%zu of %zu MiB went to VRAM", (size_t)moved * PAGE / MB, most * PAGE / MB);
	CHECK_EQ(err, -ENOMEM);
	CHECK_GE(result.count[MOCKGPU_PAGE_NO_RAM], 1);
	CHECK_EQ(result.count[MOCKGPU_PAGE_NO_RAM] + result.count[MOCKGPU_PAGE_MOVED], PART);
	CHECK_EQ(gpu_counters(dev).no_ram - c.no_ram, result.count[MOCKGPU_PAGE_NO_RAM]);
	CHECK_EQ(gpu_counters(dev).vram_used_bytes, (KEPT + moved) * PAGE);
	/* All of what is there, where it is; pages that did not move too. */
	GPU_CHECK_FILL(dev, kept, KEPT, tag, 0);
	CHECK_PLACE(dev, kept, KEPT, IN_VRAM);
	CHECK_FILL(last, PART, late, 0);
	err = mockgpu_migrate(dev, last, PART * PAGE, MOCKGPU_TARGET_VRAM,
			      MOCKGPU_MIGRATE_ALL_OR_NOTHING, &result, NULL);
	CHECK(err == 0 || err == -ENOMEM);
	CHECK_EQ(result.count[MOCKGPU_PAGE_MOVED], err ? 0 : PART);
	CHECK_FILL(last, PART, late, 0);
	/* With the holes given up there is room again. */
	CHECK_SYS(munmap(holes, most * PAGE));
	CHECK_EQ(mockgpu_to_vram(dev, last, PART * PAGE), 0);
	GPU_CHECK_FILL(dev, last, PART, late, 0);
	CHECK_FILL(last, PART, late, 0);
	CHECK_FILL(kept, KEPT, tag, 0);
}

#define SCENARIO(name) { #name, name, 150, RELOADS }

const struct scenario scenarios[] = {
	SCENARIO(L4_parameters_at_the_limits),
	SCENARIO(L2_rmmod_with_live_data),
	SCENARIO(L2_rmmod_with_an_open_file),
	SCENARIO(A6_no_ram_behind_vram),
	{ 0 }
};
