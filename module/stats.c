// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Counters of a device, as user space reads them.
 *
 * Each counter is one atomic of its own.  Nothing relates them at an instant,
 * and no path takes a lock in order to count.
 */
#include <linux/build_bug.h>
#include <linux/stddef.h>
#include <linux/types.h>

#include "mockgpu_drm.h"
#include "stats.h"

/* Where each counter stands in the answer to a query. */
static const size_t stats_offset[STAT_COUNT] = {
#define AT(stat, member) [stat] = offsetof(struct drm_mockgpu_counters, member)
	AT(STAT_PAGES_TO_VRAM, pages_to_vram),
	AT(STAT_PAGES_HOLE, pages_hole),
	AT(STAT_PAGES_TO_SYSTEM, pages_to_system),
	AT(STAT_PAGES_EVICTED, pages_evicted),
	AT(STAT_PAGES_CPU_FAULT, pages_cpu_fault),
	AT(STAT_CPU_FAULTS, cpu_faults),
	AT(STAT_CPU_FAULTS_RETRIED, cpu_faults_retried),
	AT(STAT_CPU_FAULTS_FAILED, cpu_faults_failed),
	AT(STAT_GPU_FAULTS, gpu_faults),
	AT(STAT_GPU_FAULT_RETRIES, gpu_fault_retries),
	AT(STAT_GPU_COW_BREAKS, gpu_cow_breaks),
	AT(STAT_GPU_BYTES_READ, gpu_bytes_read),
	AT(STAT_GPU_BYTES_WRITTEN, gpu_bytes_written),
	AT(STAT_INVALIDATIONS, invalidations),
	AT(STAT_INVALIDATED_PAGES, invalidated_pages),
	AT(STAT_MIGRATE_RETRIES, migrate_retries),
	AT(STAT_COPY_FAILURES, copy_failures),
	AT(STAT_NO_VRAM, no_vram),
	AT(STAT_NO_RAM, no_ram),
#undef AT
};

/**
 * stats_read() - fill in the counting part of a query's answer
 * @stats: counters of the device
 * @out: answer; its gauges are left as they are
 *
 * Context: any.
 */
void stats_read(struct mockgpu_stats *stats, struct drm_mockgpu_counters *out)
{
	unsigned int i;

	for (i = 0; i < STAT_COUNT; i++)
		*(__u64 *)((char *)out + stats_offset[i]) = atomic64_read(&stats->value[i]);
}
