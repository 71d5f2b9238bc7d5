// SPDX-License-Identifier: MIT
/* See gpu.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gpu.h"

struct mockgpu_device *gpu_open(unsigned int index)
{
	struct mockgpu_device *dev = NULL;

	CHECK_EQ(mockgpu_open(&dev, index), 0);
	return dev;
}

bool gpu_has(struct mockgpu_device *dev, uint64_t cap)
{
	struct drm_mockgpu_device_info info;

	CHECK_EQ(mockgpu_info(dev, &info), 0);
	return info.caps & cap;
}

void gpu_needs(struct mockgpu_device *dev, uint64_t cap)
{
	if (gpu_has(dev, cap))
		return;
	switch (cap) {
	case MOCKGPU_CAP_PRIVATE:
		skip("the device has not the capability private");
	case MOCKGPU_CAP_COHERENT:
		skip("the device has not the capability coherent");
	case MOCKGPU_CAP_EXCLUSIVE:
		skip("the device has not the capability exclusive");
	default:
		skip("the device has not the capability huge");
	}
}

struct mockgpu_device *gpu_open_private(void)
{
	struct mockgpu_device *dev = gpu_open(0);

	gpu_needs(dev, MOCKGPU_CAP_PRIVATE);
	return dev;
}

struct mockgpu_device *gpu_open_exclusive(void)
{
	struct mockgpu_device *dev = gpu_open(0);

	gpu_needs(dev, MOCKGPU_CAP_EXCLUSIVE);
	return dev;
}

uint64_t gpu_vram_pages(struct mockgpu_device *dev)
{
	struct drm_mockgpu_device_info info;

	CHECK_EQ(mockgpu_info(dev, &info), 0);
	return info.vram_bytes / PAGE;
}

void check_res(const char *file, int line, struct mockgpu_device *dev, const void *p,
	       size_t pages, uint32_t mask, uint32_t want)
{
	uint32_t *res = calloc(pages, sizeof(*res));
	int err;

	CHECK(res != NULL);
	err = mockgpu_residency(dev, p, pages * PAGE, res);
	if (err)
		fail_at(file, line, "residency: %s", strerror(-err));
	for (size_t i = 0; i < pages; i++)
		if ((res[i] & mask) != want)
			fail_at(file, line,
				"page %zu of %zu: residency %08x, of %08x expected %08x",
				i, pages, res[i], mask, want);
	free(res);
}

uint32_t gpu_res(struct mockgpu_device *dev, const void *p)
{
	uint32_t res;

	CHECK_EQ(mockgpu_residency(dev, p, PAGE, &res), 0);
	return res;
}

void check_migrate(const char *file, int line, struct mockgpu_device *dev, void *p, size_t pages,
		   unsigned int target, unsigned int flags, int ret, const uint8_t *want)
{
	uint64_t count[MOCKGPU_PAGE_STATUS_MAX] = { 0 };
	uint8_t *status = malloc(pages);
	struct mockgpu_migrated result;
	int err;

	CHECK(status != NULL);
	memset(status, 0xff, pages);
	memset(&result, 0xff, sizeof(result));
	err = mockgpu_migrate(dev, p, pages * PAGE, target, flags, &result, status);
	for (size_t i = 0; i < pages; i++) {
		uint8_t wanted = want ? want[i] : MOCKGPU_PAGE_MOVED;

		if (status[i] != wanted)
			fail_at(file, line,
				"page %zu of %zu: expected %s, got %s (%u); returned %d",
				i, pages, mockgpu_page_status_name(wanted),
				mockgpu_page_status_name(status[i]), status[i], err);
		count[wanted]++;
	}
	for (unsigned int i = 0; i < MOCKGPU_PAGE_STATUS_MAX; i++)
		if (result.count[i] != count[i])
			fail_at(file, line, "count of %s: expected %llu, got %llu",
				mockgpu_page_status_name(i), (unsigned long long)count[i],
				(unsigned long long)result.count[i]);
	if (err != ret)
		fail_at(file, line, "migrate: expected %d, got %d (%s)", ret, err, strerror(-err));
	free(status);
}

#define CHUNK 64	/* pages that the device reads or writes at once */

void gpu_check(const char *file, int line, struct mockgpu_device *dev, const void *p,
	       size_t pages, uint16_t tag, size_t first)
{
	static __thread uint64_t buffer[CHUNK * WORDS];

	for (size_t page = 0; page < pages; page += CHUNK) {
		size_t n = pages - page < CHUNK ? pages - page : CHUNK;
		struct mockgpu_access access;
		int err;

		memset(buffer, 0xa5, sizeof(buffer));
		err = mockgpu_read(dev, buffer, AT(p, page), n * PAGE, &access);
		if (err || access.done != n * PAGE)
			fail_at(file, line,
				"device read from page %zu: %s, %llu of %zu bytes, fault at %llx",
				page, strerror(-err), (unsigned long long)access.done, n * PAGE,
				(unsigned long long)access.fault_addr);
		if (tag)
			check_fill(file, line, buffer, n, tag, first + page);
		else
			check_zero(file, line, buffer, n);
	}
}

void gpu_fill(struct mockgpu_device *dev, void *p, size_t pages, uint16_t tag, size_t first)
{
	static __thread uint64_t buffer[CHUNK * WORDS];

	for (size_t page = 0; page < pages; page += CHUNK) {
		size_t n = pages - page < CHUNK ? pages - page : CHUNK;
		struct mockgpu_access access;

		fill(buffer, n, tag, first + page);
		CHECK_EQ(mockgpu_write(dev, AT(p, page), buffer, n * PAGE, &access), 0);
		CHECK_EQ(access.done, n * PAGE);
	}
}

void check_rw(const char *file, int line, struct mockgpu_device *dev, bool write,
	      const void *buf, const void *addr, size_t len, int ret,
	      const struct mockgpu_access *want)
{
	struct mockgpu_access got;
	int err;

	memset(&got, 0xff, sizeof(got));
	if (write)
		err = mockgpu_write(dev, (void *)(uintptr_t)addr, buf, len, &got);
	else
		err = mockgpu_read(dev, (void *)(uintptr_t)buf, addr, len, &got);
	if (err != ret)
		fail_at(file, line, "device %s: expected %d, got %d (%s), done %llu, fault at %llx",
			write ? "write" : "read", ret, err, strerror(-err),
			(unsigned long long)got.done, (unsigned long long)got.fault_addr);
	check_eq(file, line, "done", (long long)got.done, (long long)want->done);
	check_eq(file, line, "fault_addr", (long long)got.fault_addr, (long long)want->fault_addr);
	check_eq(file, line, "faults", (long long)got.faults, (long long)want->faults);
}

struct drm_mockgpu_counters gpu_counters(struct mockgpu_device *dev)
{
	struct drm_mockgpu_counters counters;

	CHECK_EQ(mockgpu_counters(dev, &counters), 0);
	return counters;
}

void check_counted(const char *file, int line, struct mockgpu_device *dev,
		   struct drm_mockgpu_counters *before,
		   const struct drm_mockgpu_counters *expected)
{
	struct drm_mockgpu_counters now = gpu_counters(dev), wanted = *expected, *want = &wanted;
	uint64_t end = now_ns() + BOUND_NS / 2, moving;

	if (!gpu_has(dev, MOCKGPU_CAP_PRIVATE)) {
		want->vram_used_bytes += want->pages_cpu_fault * PAGE;
		want->pages_cpu_fault = 0;
		want->cpu_faults = 0;
	}
	/* The last reference to a page may be dropped a moment later, by whoever walks past. */
	while (now.vram_used_bytes - before->vram_used_bytes != want->vram_used_bytes &&
	       now_ns() < end) {
		sleep_ms(5);
		now = gpu_counters(dev);
	}
#define SAME(field) \
	check_eq(file, line, "change of " #field, (long long)(now.field - before->field), \
		 (long long)want->field)
	SAME(vram_used_bytes);
	SAME(pages_to_vram);
	SAME(pages_hole);
	SAME(pages_to_system);
	SAME(pages_evicted);
	SAME(pages_cpu_fault);
	SAME(cpu_faults_failed);
	SAME(gpu_faults);
	SAME(gpu_cow_breaks);
	SAME(gpu_bytes_read);
	SAME(gpu_bytes_written);
	SAME(copy_failures);
	SAME(no_vram);
	SAME(no_ram);
	SAME(huge_to_vram);
	SAME(huge_to_system);
	SAME(pages_evicted_room);
	SAME(evict_passed_over);
	SAME(pages_to_peer);
	SAME(pages_from_peer);
#undef SAME
	moving = now.cpu_faults - before->cpu_faults -
		 (now.cpu_faults_retried - before->cpu_faults_retried) -
		 (now.cpu_faults_failed - before->cpu_faults_failed);
	check_eq(file, line, "CPU faults that moved something", (long long)moving,
		 (long long)(want->cpu_faults ? want->cpu_faults : want->pages_cpu_fault));
	*before = now;
}
