// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The door for user space, continued: storms.  See ioctl.c.
 *
 * A storm is about the process that calls, and what comes of it, whoever's memory is attached to
 * the file.  It takes no address, and tells none.
 */
#include <linux/bits.h>
#include <linux/err.h>
#include <linux/log2.h>
#include <linux/string.h>

#include <drm/drm_file.h>

#include "client.h"
#include "exclusive.h"
#include "ioctl.h"
#include "mockgpu_drm.h"
#include "storm.h"
#include "svm.h"

#define STORM_FLAGS	(MOCKGPU_STORM_RANDOM | MOCKGPU_STORM_PRESSURE | MOCKGPU_STORM_EXCLUSIVE | \
			 MOCKGPU_STORM_GPU)
#define STORM_SHARE_MAX	65536U
#define STORM_RATE_MAX	BIT_ULL(32)

/* log2 of a number of pages, or a negative errno. */
static int storm_order(u32 pages, u32 otherwise)
{
	if (!pages)
		pages = otherwise;
	if (!is_power_of_2(pages) || pages > SVM_WINDOW_PAGES)
		return -EINVAL;
	return ilog2(pages);
}

/**
 * ioctl_storm_begin() - DRM_IOCTL_MOCKGPU_STORM_BEGIN
 * @drm: device
 * @data: struct drm_mockgpu_storm_begin
 * @file: file
 *
 * Return: 0 or what the structure's description says.
 */
int ioctl_storm_begin(struct drm_device *drm, void *data, struct drm_file *file)
{
	const struct drm_mockgpu_storm_begin *args = data;
	struct storm_spec spec = {
		.flags = args->flags,
		.share = args->share == STORM_SHARE_MAX ? 0 : args->share,
		.rate = args->rate,
		.seed = args->seed,
		.duration_ns = args->duration_ns,
	};
	int smallest = storm_order(args->min_pages, 1);
	int largest = storm_order(args->max_pages, SVM_WINDOW_PAGES);

	if (args->flags & ~STORM_FLAGS || args->share > STORM_SHARE_MAX ||
	    args->rate > STORM_RATE_MAX)
		return -EINVAL;
	if (smallest < 0 || largest < smallest)
		return -EINVAL;
	if ((args->flags & MOCKGPU_STORM_EXCLUSIVE) && !exclusive_is_possible())
		return -EOPNOTSUPP;
	spec.min_order = smallest;
	spec.max_order = largest;
	return client_storm(file->driver_priv, &spec);
}

/**
 * ioctl_storm_look() - DRM_IOCTL_MOCKGPU_STORM_LOOK
 * @drm: device
 * @data: struct drm_mockgpu_storm_look
 * @file: file
 *
 * Return: 0 or what the structure's description says.
 */
int ioctl_storm_look(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_mockgpu_storm_look *args = data;
	struct storm_report report;
	struct client *client = file->driver_priv;
	/* Pairs with client_storm(). */
	struct storm *storm = smp_load_acquire(&client->storm);

	if (args->flags)
		return -EINVAL;
	memset(args, 0, sizeof(*args));
	if (!storm)
		return -ENOENT;
	storm_look(storm, &report);
	args->over = report.over;
	args->processes = report.processes;
	args->followed = report.followed;
	args->missed = report.missed;
	args->left = report.left;
	args->rounds = report.rounds;
	args->resident_pages = report.resident;
	args->covered_pages = report.covered;
	args->cpu_faults = report.cpu_faults;
	args->pages_cpu_fault = report.pages_cpu_fault;
	args->pages_evicted = report.pages_evicted;
	args->gpu_reads = report.gpu_reads;
	args->gpu_writes = report.gpu_writes;
	args->elapsed_ns = report.elapsed_ns;
	memcpy(args->to_vram, report.to_vram, sizeof(args->to_vram));
	memcpy(args->to_system, report.to_system, sizeof(args->to_system));
	return 0;
}
