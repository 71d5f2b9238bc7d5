// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Counters of a device, as user space reads them.
 *
 * Each CPU counts for itself, so that none waits for another that counts the same.
 * Nothing relates the counters at an instant.
 */
#include <linux/build_bug.h>
#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/stddef.h>
#include <linux/types.h>

#include "mockgpu_drm.h"
#include "stats.h"

/* Where each counter stands in the answer to a query. */
static const size_t stats_offset[STAT_COUNT] = {
	[STAT_PAGES_TO_VRAM] = offsetof(struct drm_mockgpu_counters, pages_to_vram),
	[STAT_PAGES_HOLE] = offsetof(struct drm_mockgpu_counters, pages_hole),
	[STAT_PAGES_TO_SYSTEM] = offsetof(struct drm_mockgpu_counters, pages_to_system),
	[STAT_PAGES_EVICTED] = offsetof(struct drm_mockgpu_counters, pages_evicted),
	[STAT_PAGES_CPU_FAULT] = offsetof(struct drm_mockgpu_counters, pages_cpu_fault),
	[STAT_CPU_FAULTS] = offsetof(struct drm_mockgpu_counters, cpu_faults),
	[STAT_CPU_FAULTS_RETRIED] = offsetof(struct drm_mockgpu_counters, cpu_faults_retried),
	[STAT_CPU_FAULTS_FAILED] = offsetof(struct drm_mockgpu_counters, cpu_faults_failed),
	[STAT_GPU_FAULTS] = offsetof(struct drm_mockgpu_counters, gpu_faults),
	[STAT_GPU_FAULT_RETRIES] = offsetof(struct drm_mockgpu_counters, gpu_fault_retries),
	[STAT_GPU_COW_BREAKS] = offsetof(struct drm_mockgpu_counters, gpu_cow_breaks),
	[STAT_GPU_BYTES_READ] = offsetof(struct drm_mockgpu_counters, gpu_bytes_read),
	[STAT_GPU_BYTES_WRITTEN] = offsetof(struct drm_mockgpu_counters, gpu_bytes_written),
	[STAT_INVALIDATIONS] = offsetof(struct drm_mockgpu_counters, invalidations),
	[STAT_INVALIDATED_PAGES] = offsetof(struct drm_mockgpu_counters, invalidated_pages),
	[STAT_MIGRATE_RETRIES] = offsetof(struct drm_mockgpu_counters, migrate_retries),
	[STAT_COPY_FAILURES] = offsetof(struct drm_mockgpu_counters, copy_failures),
	[STAT_NO_VRAM] = offsetof(struct drm_mockgpu_counters, no_vram),
	[STAT_NO_RAM] = offsetof(struct drm_mockgpu_counters, no_ram),
	[STAT_PAGES_TOUCHED] = offsetof(struct drm_mockgpu_counters, pages_touched),
	[STAT_CPU_FAULTS_HELD] = offsetof(struct drm_mockgpu_counters, cpu_faults_held),
	[STAT_HUGE_TO_VRAM] = offsetof(struct drm_mockgpu_counters, huge_to_vram),
	[STAT_HUGE_TO_SYSTEM] = offsetof(struct drm_mockgpu_counters, huge_to_system),
	[STAT_PAGES_EVICTED_ROOM] = offsetof(struct drm_mockgpu_counters, pages_evicted_room),
	[STAT_EVICT_PASSED_OVER] = offsetof(struct drm_mockgpu_counters, evict_passed_over),
	[STAT_PAGES_TO_PEER] = offsetof(struct drm_mockgpu_counters, pages_to_peer),
	[STAT_PAGES_FROM_PEER] = offsetof(struct drm_mockgpu_counters, pages_from_peer),
};

/**
 * stats_init() - begin to count
 * @stats: counters of a device; all 0
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int stats_init(struct mockgpu_stats *stats)
{
	stats->value = __alloc_percpu(STAT_COUNT * sizeof(u64), __alignof__(u64));
	return stats->value ? 0 : -ENOMEM;
}

/**
 * stats_fini() - undo stats_init()
 * @stats: counters that nobody uses any more
 *
 * Context: may sleep.
 */
void stats_fini(struct mockgpu_stats *stats)
{
	free_percpu(stats->value);
}

/**
 * stats_read() - fill in the counting part of a query's answer
 * @stats: counters of the device
 * @out: answer; its gauges are left as they are
 *
 * Context: any.
 */
void stats_read(struct mockgpu_stats *stats, struct drm_mockgpu_counters *out)
{
	unsigned int i, cpu;

	for (i = 0; i < STAT_COUNT; i++) {
		u64 sum = 0;

		for_each_possible_cpu(cpu)
			sum += READ_ONCE(per_cpu_ptr(stats->value, cpu)[i]);
		*(__u64 *)((char *)out + stats_offset[i]) = sum;
	}
}
