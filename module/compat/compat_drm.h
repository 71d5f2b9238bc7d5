/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* DRM and the platform device under it, on all kernels; see compat_mm.h. */
#ifndef MOCKGPU_COMPAT_DRM_H
#define MOCKGPU_COMPAT_DRM_H

#include <linux/fs.h>
#include <linux/once.h>
#include <linux/platform_device.h>
#include <linux/seq_file.h>
#include <linux/siphash.h>
#include <linux/sizes.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_print.h>

#include "compat_probes.h"

/* For a &struct file_operations: DRM wants to be told that offsets are not signed. */
#if HAVE_FOP_UNSIGNED_OFFSET
#define COMPAT_FOP_UNSIGNED_OFFSET	.fop_flags = FOP_UNSIGNED_OFFSET,
#else
#define COMPAT_FOP_UNSIGNED_OFFSET
#endif

/* For a &struct drm_driver: some kernels insist on a date, and print it. */
#if HAVE_DRM_DRIVER_DATE
#define COMPAT_DRM_DRIVER_DATE		.date = "0",
#else
#define COMPAT_DRM_DRIVER_DATE
#endif

#if !HAVE_DRM_PRINT_MEMORY_STATS
#define DRM_GEM_OBJECT_RESIDENT		BIT(0)

/* What is used of the real one. */
struct drm_memory_stats {
	u64 private;
	u64 resident;
};

static inline void drm_print_memory_stats(struct drm_printer *p,
					  const struct drm_memory_stats *stats,
					  unsigned int supported, const char *region)
{
	drm_printf(p, "drm-total-%s:\t%llu KiB\n", region, stats->private / SZ_1K);
	drm_printf(p, "drm-shared-%s:\t0\n", region);
	drm_printf(p, "drm-active-%s:\t0\n", region);
	drm_printf(p, "drm-resident-%s:\t%llu KiB\n", region, stats->resident / SZ_1K);
}
#endif

#if !HAVE_DRM_SHOW_FDINFO
/*
 * DRM has no number for a client there; two that are open do not share an address.  Programs
 * that read it take it for a signed one.
 */
static inline void drm_show_fdinfo(struct seq_file *m, struct file *filp)
{
	struct drm_file *file = filp->private_data;
	static siphash_key_t key;

	get_random_once(&key, sizeof(key));
	seq_printf(m, "drm-driver:\t%s\n", file->minor->dev->driver->name);
	seq_printf(m, "drm-client-id:\t%llu\n", siphash_1u64((unsigned long)file, &key) >> 1);
}
#endif

/* For the remove of a &struct platform_driver: its type, and what it returns. */
#if HAVE_PLATFORM_REMOVE_VOID
#define COMPAT_REMOVE_TYPE	void
#define COMPAT_REMOVE_RESULT
#else
#define COMPAT_REMOVE_TYPE	int
#define COMPAT_REMOVE_RESULT	0
#endif

#endif
