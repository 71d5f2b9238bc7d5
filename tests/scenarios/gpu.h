/* SPDX-License-Identifier: MIT */
/*
 * The device as scenarios use it: calls that have to work, and exact checks of what they did.
 */
#ifndef GPU_H
#define GPU_H

#include <mockgpu.h>
#include <stdint.h>

#include "harness.h"
#include "memory.h"

/* Device @index; fails where there is none. */
struct mockgpu_device *gpu_open(unsigned int index);
/* Whether the device has a capability; skips the scenario, by its name, where it has not. */
bool gpu_has(struct mockgpu_device *dev, uint64_t cap);
void gpu_needs(struct mockgpu_device *dev, uint64_t cap);
/* Device 0, for what CPU faults on VRAM do, which there are none of with coherent VRAM. */
struct mockgpu_device *gpu_open_private(void);
/* Device 0, for its atomics on system memory. */
struct mockgpu_device *gpu_open_exclusive(void);
uint64_t gpu_vram_pages(struct mockgpu_device *dev);

/* Where a page is, for CHECK_RES: these bits and no other of RES_PLACE. */
#define RES_PLACE	(MOCKGPU_RES_PRESENT | MOCKGPU_RES_ZERO | MOCKGPU_RES_VRAM | \
			 MOCKGPU_RES_LOCAL | MOCKGPU_RES_UNMAPPED)
#define IN_SYSTEM	MOCKGPU_RES_PRESENT
#define IN_VRAM		(MOCKGPU_RES_PRESENT | MOCKGPU_RES_VRAM | MOCKGPU_RES_LOCAL)
#define NOWHERE		0U
/* Where a page of VRAM is when a CPU has touched it. */
#define TOUCHED(dev)	(gpu_has((dev), MOCKGPU_CAP_PRIVATE) ? IN_SYSTEM : IN_VRAM)
#define RW		(MOCKGPU_RES_READ | MOCKGPU_RES_WRITE)

/* Of each of @pages: the bits of @mask are @want. */
#define CHECK_RES(dev, p, pages, mask, want) \
	check_res(__FILE__, __LINE__, (dev), (p), (pages), (mask), (want))
#define CHECK_PLACE(dev, p, pages, want) CHECK_RES((dev), (p), (pages), RES_PLACE, (want))
void check_res(const char *file, int line, struct mockgpu_device *dev, const void *p,
	       size_t pages, uint32_t mask, uint32_t want);
/* Of one page, to look at. */
uint32_t gpu_res(struct mockgpu_device *dev, const void *p);

/*
 * A migration that has to return @ret with the status @want[] of each page (NULL: all MOVED), and
 * with counts that agree with it.
 */
#define CHECK_MIGRATE(dev, p, pages, target, flags, ret, want) \
	check_migrate(__FILE__, __LINE__, (dev), (p), (pages), (target), (flags), (ret), (want))
void check_migrate(const char *file, int line, struct mockgpu_device *dev, void *p, size_t pages,
		   unsigned int target, unsigned int flags, int ret, const uint8_t *want);
#define TO_VRAM(dev, p, pages) \
	CHECK_MIGRATE((dev), (p), (pages), MOCKGPU_TARGET_VRAM, 0, 0, NULL)
#define TO_SYSTEM(dev, p, pages) \
	CHECK_MIGRATE((dev), (p), (pages), MOCKGPU_TARGET_SYSTEM, 0, 0, NULL)

/* The device reads and the contents are those of fill(), or zeroes.  Reads each byte once. */
#define GPU_CHECK_FILL(dev, p, pages, tag, first) \
	gpu_check(__FILE__, __LINE__, (dev), (p), (pages), (tag), (first))
#define GPU_CHECK_ZERO(dev, p, pages) \
	gpu_check(__FILE__, __LINE__, (dev), (p), (pages), 0, 0)
void gpu_check(const char *file, int line, struct mockgpu_device *dev, const void *p,
	       size_t pages, uint16_t tag, size_t first);
/* The device writes what fill() would. */
void gpu_fill(struct mockgpu_device *dev, void *p, size_t pages, uint16_t tag, size_t first);

/* A device access that has to return @ret with exactly these details. */
#define CHECK_READ(dev, buf, addr, len, ret, ...) \
	check_rw(__FILE__, __LINE__, (dev), false, (buf), (addr), (len), (ret), \
		 &(const struct mockgpu_access){ __VA_ARGS__ })
#define CHECK_WRITE(dev, addr, buf, len, ret, ...) \
	check_rw(__FILE__, __LINE__, (dev), true, (buf), (addr), (len), (ret), \
		 &(const struct mockgpu_access){ __VA_ARGS__ })
void check_rw(const char *file, int line, struct mockgpu_device *dev, bool write,
	      const void *buf, const void *addr, size_t len, int ret,
	      const struct mockgpu_access *want);

struct drm_mockgpu_counters gpu_counters(struct mockgpu_device *dev);

/*
 * Since *before the counters below have risen by exactly what is named, the others of them not at
 * all; *before is then set to now.  VRAM in use is waited for, up to a second, and so may be given
 * as less: .vram_used_bytes = -PAGE.
 *
 * Compared: vram_used_bytes, pages_to_vram, pages_hole, pages_to_system, pages_evicted,
 * pages_cpu_fault, cpu_faults_failed, gpu_faults, gpu_cow_breaks, gpu_bytes_read,
 * gpu_bytes_written, copy_failures, no_vram, no_ram, huge_to_vram, huge_to_system,
 * pages_evicted_room, evict_passed_over, pages_to_peer, pages_from_peer; and CPU faults that moved
 * something: .cpu_faults, if that is not one for each of .pages_cpu_fault.
 *
 * On coherent VRAM there are no CPU faults: what they would have brought home, .pages_cpu_fault, is
 * still in use there.
 */
#define CHECK_COUNTED(dev, before, ...) \
	check_counted(__FILE__, __LINE__, (dev), (before), \
		      &(const struct drm_mockgpu_counters){ __VA_ARGS__ })
void check_counted(const char *file, int line, struct mockgpu_device *dev,
		   struct drm_mockgpu_counters *before,
		   const struct drm_mockgpu_counters *expected);

#endif
