/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_STORM_H
#define MOCKGPU_STORM_H

#include <linux/types.h>

#include "mockgpu_drm.h"

struct mockgpu_stats;
struct quota;
struct storm;
struct vram;
struct vram_charge;

/**
 * struct storm_spec - what a storm does
 * @flags: MOCKGPU_STORM_*
 * @share: how much of the memory it is about, in 65536ths; 0 for all
 * @rate: pages a second that it moves at the most, both ways together; 0 for any number
 * @seed: for its choices
 * @duration_ns: when it ends by itself; 0 for never
 * @min_order: log2 of the pages of the smallest piece
 * @max_order: of the largest
 */
struct storm_spec {
	u32 flags;
	u32 share;
	u64 rate;
	u64 seed;
	u64 duration_ns;
	unsigned int min_order;
	unsigned int max_order;
};

/**
 * struct storm_report - how a storm is doing; see struct drm_mockgpu_storm_look
 * @over: it has ended
 * @processes: that it follows
 * @followed: that it followed so far
 * @missed: that it did not, for want of memory, or as there were too many
 * @left: that it let go as their credentials changed
 * @rounds: how often it went through a process's memory, all processes together
 * @resident: pages that were there when each process was gone through last, or at the end of one
 *	that never was
 * @covered: those of them that moved, or were in VRAM
 * @cpu_faults: on the device's VRAM since the storm began
 * @pages_cpu_fault: pages that came home by them
 * @pages_evicted: pages that left the device's VRAM as others needed the room, or were told to
 * @gpu_reads: pages that the device read
 * @gpu_writes: words that the device wrote as they were
 * @elapsed_ns: how long it has lasted
 * @to_vram: pages that were to go to VRAM, by what became of them
 * @to_system: pages that were to come home, likewise
 */
struct storm_report {
	bool over;
	unsigned int processes;
	u64 followed;
	u64 missed;
	u64 left;
	u64 rounds;
	u64 resident;
	u64 covered;
	u64 cpu_faults;
	u64 pages_cpu_fault;
	u64 pages_evicted;
	u64 gpu_reads;
	u64 gpu_writes;
	u64 elapsed_ns;
	u64 to_vram[MOCKGPU_PAGE_STATUS_MAX];
	u64 to_system[MOCKGPU_PAGE_STATUS_MAX];
};

struct storm *storm_begin(const struct storm_spec *spec, struct vram *vram,
			  struct vram_charge *charge, struct mockgpu_stats *stats,
			  struct quota *quota);
void storm_stop(struct storm *storm);
void storm_end(struct storm *storm);
void storm_free(struct storm *storm);
void storm_look(struct storm *storm, struct storm_report *report);

#endif
