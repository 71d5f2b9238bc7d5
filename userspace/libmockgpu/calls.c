// SPDX-License-Identifier: MIT
/*
 * One function for each ioctl, and the two that most programs want.  Everything
 * is checked by the driver; here arguments only change their shape.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "internal.h"

int mockgpu_call(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) ? -errno : 0;
}

int mockgpu_query(int fd, uint32_t query, void *answer, uint32_t size)
{
	struct drm_mockgpu_query q = {
		.query = query,
		.ptr = mockgpu_ptr(answer),
		.size = size,
	};

	/* For the caller's sake: a failed query leaves zeroes, not chance. */
	memset(answer, 0, size);
	return mockgpu_call(fd, DRM_IOCTL_MOCKGPU_QUERY, &q);
}

int mockgpu_info(struct mockgpu_device *dev, struct drm_mockgpu_device_info *info)
{
	return mockgpu_query(dev->fd, MOCKGPU_QUERY_DEVICE, info, sizeof(*info));
}

int mockgpu_counters(struct mockgpu_device *dev, struct drm_mockgpu_counters *counters)
{
	return mockgpu_query(dev->fd, MOCKGPU_QUERY_COUNTERS, counters, sizeof(*counters));
}

int mockgpu_migrate(struct mockgpu_device *dev, void *addr, size_t len,
		    unsigned int target, unsigned int flags,
		    struct mockgpu_migrated *result, uint8_t *status)
{
	struct drm_mockgpu_migrate m = {
		.start = mockgpu_ptr(addr),
		.len = len,
		.target = target,
		.flags = flags,
		.status_ptr = mockgpu_ptr(status),
	};
	int ret = mockgpu_call(dev->fd, DRM_IOCTL_MOCKGPU_MIGRATE, &m);

	if (result)
		memcpy(result->count, m.count, sizeof(result->count));
	return ret;
}

/* Best effort, then: is every page where it was to go? */
static int move_all(struct mockgpu_device *dev, void *addr, size_t len, unsigned int target)
{
	struct mockgpu_migrated done;
	uint64_t there;
	int ret;

	ret = mockgpu_migrate(dev, addr, len, target, 0, &done, NULL);
	if (ret)
		return ret;
	there = done.count[MOCKGPU_PAGE_MOVED] + done.count[MOCKGPU_PAGE_ALREADY];
	/* What does not exist is not in VRAM, and has nothing to bring home. */
	if (target == MOCKGPU_TARGET_SYSTEM)
		there += done.count[MOCKGPU_PAGE_ABSENT];
	return there == len >> MOCKGPU_PAGE_SHIFT ? 0 : -EBUSY;
}

int mockgpu_to_vram(struct mockgpu_device *dev, void *addr, size_t len)
{
	return move_all(dev, addr, len, MOCKGPU_TARGET_VRAM);
}

int mockgpu_to_system(struct mockgpu_device *dev, void *addr, size_t len)
{
	return move_all(dev, addr, len, MOCKGPU_TARGET_SYSTEM);
}

int mockgpu_residency(struct mockgpu_device *dev, const void *addr, size_t len,
		      uint32_t *pages)
{
	struct drm_mockgpu_residency r = {
		.start = mockgpu_ptr(addr),
		.len = len,
		.pages_ptr = mockgpu_ptr(pages),
	};

	return mockgpu_call(dev->fd, DRM_IOCTL_MOCKGPU_RESIDENCY, &r);
}

static int access_memory(struct mockgpu_device *dev, uint64_t addr, uint64_t buf, size_t len,
			 uint32_t flags, struct mockgpu_access *access)
{
	struct drm_mockgpu_rw rw = {
		.addr = addr,
		.buf_ptr = buf,
		.len = len,
		.flags = flags,
	};
	int ret = mockgpu_call(dev->fd, DRM_IOCTL_MOCKGPU_RW, &rw);

	if (access) {
		access->done = rw.done;
		access->fault_addr = rw.fault_addr;
		access->faults = rw.faults;
	}
	return ret;
}

int mockgpu_read(struct mockgpu_device *dev, void *buf, const void *addr, size_t len,
		 struct mockgpu_access *access)
{
	return access_memory(dev, mockgpu_ptr(addr), mockgpu_ptr(buf), len, 0, access);
}

int mockgpu_write(struct mockgpu_device *dev, void *addr, const void *buf, size_t len,
		  struct mockgpu_access *access)
{
	return access_memory(dev, mockgpu_ptr(addr), mockgpu_ptr(buf), len, MOCKGPU_RW_WRITE,
			     access);
}

static int evict(struct mockgpu_device *dev, struct drm_mockgpu_evict *e,
		 struct mockgpu_evicted *result)
{
	int ret = mockgpu_call(dev->fd, DRM_IOCTL_MOCKGPU_EVICT, e);

	if (result) {
		result->evicted = e->evicted;
		result->busy = e->busy;
	}
	return ret;
}

int mockgpu_evict(struct mockgpu_device *dev, void *addr, size_t len,
		  struct mockgpu_evicted *result)
{
	struct drm_mockgpu_evict e = {
		.scope = MOCKGPU_EVICT_RANGE,
		.start = mockgpu_ptr(addr),
		.len = len,
	};

	return evict(dev, &e, result);
}

int mockgpu_evict_all(struct mockgpu_device *dev, struct mockgpu_evicted *result)
{
	struct drm_mockgpu_evict e = { .scope = MOCKGPU_EVICT_ALL };

	return evict(dev, &e, result);
}

const char *mockgpu_page_status_name(unsigned int status)
{
	static const char *const names[] = {
		[MOCKGPU_PAGE_MOVED] = "moved",
		[MOCKGPU_PAGE_ALREADY] = "already there",
		[MOCKGPU_PAGE_ABSENT] = "absent",
		[MOCKGPU_PAGE_UNMAPPED] = "unmapped",
		[MOCKGPU_PAGE_NO_ACCESS] = "no access",
		[MOCKGPU_PAGE_FILE] = "file or shared memory",
		[MOCKGPU_PAGE_SPECIAL] = "special mapping",
		[MOCKGPU_PAGE_KSM] = "merged by KSM",
		[MOCKGPU_PAGE_PINNED] = "pinned",
		[MOCKGPU_PAGE_BUSY] = "busy",
		[MOCKGPU_PAGE_PEER] = "on another device",
		[MOCKGPU_PAGE_NO_VRAM] = "VRAM full",
		[MOCKGPU_PAGE_NO_RAM] = "no RAM",
		[MOCKGPU_PAGE_COPY_FAILED] = "copy failed",
		[MOCKGPU_PAGE_NOT_TRIED] = "not tried",
	};

	if (status < ARRAY_SIZE(names) && names[status])
		return names[status];
	return "unknown";
}
