/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_STATS_H
#define MOCKGPU_STATS_H

#include <linux/percpu.h>
#include <linux/types.h>

struct drm_mockgpu_counters;

/*
 * What a device counts.  The members of struct drm_mockgpu_counters say what
 * each of them means.
 */
enum mockgpu_stat {
	STAT_PAGES_TO_VRAM,
	STAT_PAGES_HOLE,
	STAT_PAGES_TO_SYSTEM,
	STAT_PAGES_EVICTED,
	STAT_PAGES_CPU_FAULT,
	STAT_CPU_FAULTS,
	STAT_CPU_FAULTS_RETRIED,
	STAT_CPU_FAULTS_FAILED,
	STAT_GPU_FAULTS,
	STAT_GPU_FAULT_RETRIES,
	STAT_GPU_COW_BREAKS,
	STAT_GPU_BYTES_READ,
	STAT_GPU_BYTES_WRITTEN,
	STAT_INVALIDATIONS,
	STAT_INVALIDATED_PAGES,
	STAT_MIGRATE_RETRIES,
	STAT_COPY_FAILURES,
	STAT_NO_VRAM,
	STAT_NO_RAM,
	STAT_PAGES_TOUCHED,
	STAT_CPU_FAULTS_HELD,
	STAT_HUGE_TO_VRAM,
	STAT_HUGE_TO_SYSTEM,
	STAT_PAGES_EVICTED_ROOM,
	STAT_EVICT_PASSED_OVER,
	STAT_PAGES_TO_PEER,
	STAT_PAGES_FROM_PEER,
	STAT_COUNT
};

/**
 * struct mockgpu_stats - the counters of one device
 * @value: indexed by enum mockgpu_stat, each CPU's share; only ever grow
 */
struct mockgpu_stats {
	u64 __percpu *value;
};

int stats_init(struct mockgpu_stats *stats);
void stats_fini(struct mockgpu_stats *stats);

/**
 * stats_add() - count
 * @stats: counters of the device that it happened on
 * @stat: what happened
 * @n: how often
 *
 * Context: any.
 */
static inline void stats_add(struct mockgpu_stats *stats, enum mockgpu_stat stat, u64 n)
{
	if (n)
		this_cpu_add(stats->value[stat], n);
}

void stats_read(struct mockgpu_stats *stats, struct drm_mockgpu_counters *out);

#endif
