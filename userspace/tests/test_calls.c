// SPDX-License-Identifier: MIT
/*
 * Each function of the library makes exactly one ioctl, with these bytes, and
 * gives back what the driver answered: as tables of expected calls.
 */
#include <errno.h>
#include <string.h>

#include "fake_drm.h"
#include "mockgpu.h"
#include "tap.h"

static const struct fake_node nodes[] = {
	{ "renderD128", "mockgpu", 0, 0 },
	{ "renderD129", "mockgpu", 0, 0 },
};

/* What the driver is to see, what it answers, and what it saw. */
static struct {
	unsigned long request;
	const void *want;
	const void *reply;
	size_t size;
	int ret;
	int calls;
	int right;
} script;	/* always of node 0 */

static int answer(int node, unsigned long request, void *arg)
{
	if (request == DRM_IOCTL_MOCKGPU_ATTACH)
		return 0;
	script.calls++;
	script.right = !node && request == script.request && !memcmp(arg, script.want, script.size);
	if (script.right && script.reply)
		memcpy(arg, script.reply, script.size);
	return script.ret;
}

static void expect(unsigned long request, const void *want, const void *reply, size_t size,
		   int ret)
{
	memset(&script, 0, sizeof(script));
	script.request = request;
	script.want = want;
	script.reply = reply;
	script.size = size;
	script.ret = ret;
}

static int as_expected(void)
{
	return script.calls == 1 && script.right;
}

static char *const addr = (char *)0x7f0012345000;
static const int errors[] = { 0, -EINTR, -EPERM, -ENODEV, -ENOMEM };

static const int *const errors_end = errors + ARRAY_SIZE(errors);

static void test_migrate(struct mockgpu_device *dev)
{
	uint8_t status[3];
	struct drm_mockgpu_migrate want = {
		.start = (uintptr_t)addr, .len = 0x3000, .target = MOCKGPU_TARGET_VRAM,
		.flags = MOCKGPU_MIGRATE_ALL_OR_NOTHING, .status_ptr = (uintptr_t)status,
	};
	struct drm_mockgpu_migrate reply = want;
	struct mockgpu_migrated got;
	const int *e;
	int i;

	for (i = 0; i < MOCKGPU_PAGE_STATUS_MAX; i++)
		reply.count[i] = 100 + (unsigned int)i;
	for (e = errors; e < errors_end; e++) {
		memset(&got, 0xff, sizeof(got));
		expect(DRM_IOCTL_MOCKGPU_MIGRATE, &want, &reply, sizeof(want), *e);
		ok(mockgpu_migrate(dev, addr, 0x3000, MOCKGPU_TARGET_VRAM,
				   MOCKGPU_MIGRATE_ALL_OR_NOTHING, &got, status) == *e,
		   "migrate gives %d", *e);
		ok(as_expected(), "migrate: one call, these bytes");
		ok(!memcmp(got.count, reply.count, sizeof(got.count)), "migrate: all counts");
	}
	want.status_ptr = 0;
	expect(DRM_IOCTL_MOCKGPU_MIGRATE, &want, NULL, sizeof(want), 0);
	ok(!mockgpu_migrate(dev, addr, 0x3000, MOCKGPU_TARGET_VRAM,
			    MOCKGPU_MIGRATE_ALL_OR_NOTHING, NULL, NULL) && as_expected(),
	   "migrate: results need not be asked for");
}

struct move_case {
	unsigned int target;
	unsigned int status;
	int driver;
	int want;
};

/* Of 4 pages, 2 move, 1 is there, and the last becomes what the case says. */
static const struct move_case moves[] = {
	{ MOCKGPU_TARGET_VRAM, MOCKGPU_PAGE_MOVED, 0, 0 },
	{ MOCKGPU_TARGET_VRAM, MOCKGPU_PAGE_ALREADY, 0, 0 },
	{ MOCKGPU_TARGET_VRAM, MOCKGPU_PAGE_ABSENT, 0, -EBUSY },
	{ MOCKGPU_TARGET_VRAM, MOCKGPU_PAGE_UNMAPPED, 0, -EBUSY },
	{ MOCKGPU_TARGET_VRAM, MOCKGPU_PAGE_FILE, 0, -EBUSY },
	{ MOCKGPU_TARGET_VRAM, MOCKGPU_PAGE_PINNED, 0, -EBUSY },
	{ MOCKGPU_TARGET_VRAM, MOCKGPU_PAGE_NO_VRAM, -ENOMEM, -ENOMEM },
	{ MOCKGPU_TARGET_VRAM, MOCKGPU_PAGE_NOT_TRIED, -EINTR, -EINTR },
	{ MOCKGPU_TARGET_SYSTEM, MOCKGPU_PAGE_MOVED, 0, 0 },
	{ MOCKGPU_TARGET_SYSTEM, MOCKGPU_PAGE_ABSENT, 0, 0 },
	{ MOCKGPU_TARGET_SYSTEM, MOCKGPU_PAGE_BUSY, 0, -EBUSY },
	{ MOCKGPU_TARGET_SYSTEM, MOCKGPU_PAGE_UNMAPPED, 0, -EBUSY },
};

static void test_move_all(struct mockgpu_device *dev)
{
	const struct move_case *c;
	int ret;

	for (c = moves; c < moves + ARRAY_SIZE(moves); c++) {
		struct drm_mockgpu_migrate want = {
			.start = (uintptr_t)addr, .len = 0x4000, .target = c->target,
		};
		struct drm_mockgpu_migrate reply = want;

		reply.count[MOCKGPU_PAGE_MOVED] = 2;
		reply.count[MOCKGPU_PAGE_ALREADY] = 1;
		reply.count[c->status]++;
		expect(DRM_IOCTL_MOCKGPU_MIGRATE, &want, &reply, sizeof(want), c->driver);
		ret = c->target == MOCKGPU_TARGET_VRAM ? mockgpu_to_vram(dev, addr, 0x4000) :
							 mockgpu_to_system(dev, addr, 0x4000);
		ok(ret == c->want && as_expected(), "to %s, a page %s, driver says %d: %d (%d)",
		   c->target == MOCKGPU_TARGET_VRAM ? "VRAM" : "system",
		   mockgpu_page_status_name(c->status), c->driver, c->want, ret);
	}
}

static void test_residency(struct mockgpu_device *dev)
{
	uint32_t pages[2];
	struct drm_mockgpu_residency want = {
		.start = (uintptr_t)addr, .len = 0x2000, .pages_ptr = (uintptr_t)pages,
	};
	const int *e;

	for (e = errors; e < errors_end; e++) {
		expect(DRM_IOCTL_MOCKGPU_RESIDENCY, &want, NULL, sizeof(want), *e);
		ok(mockgpu_residency(dev, addr, 0x2000, pages) == *e && as_expected(),
		   "residency gives %d", *e);
	}
}

static void test_read_write(struct mockgpu_device *dev)
{
	char buf[77];
	struct drm_mockgpu_rw want = {
		.addr = (uintptr_t)addr + 5, .buf_ptr = (uintptr_t)buf, .len = sizeof(buf),
	};
	struct drm_mockgpu_rw reply = want;
	struct mockgpu_access a;
	const int *e;
	int write;

	reply.done = 11;
	reply.fault_addr = 22;
	reply.faults = 33;
	for (write = 0; write < 2; write++) {
		want.flags = write ? MOCKGPU_RW_WRITE : 0;
		for (e = errors; e < errors_end; e++) {
			int ret;

			memset(&a, 0xff, sizeof(a));
			expect(DRM_IOCTL_MOCKGPU_RW, &want, &reply, sizeof(want), *e);
			ret = write ? mockgpu_write(dev, addr + 5, buf, sizeof(buf), &a) :
				      mockgpu_read(dev, buf, addr + 5, sizeof(buf), &a);
			ok(ret == *e && as_expected(), "%s gives %d", write ? "write" : "read", *e);
			ok(a.done == 11 && a.fault_addr == 22 && a.faults == 33,
			   "%s: all details", write ? "write" : "read");
		}
	}
	expect(DRM_IOCTL_MOCKGPU_RW, &want, NULL, sizeof(want), 0);
	ok(!mockgpu_write(dev, addr + 5, buf, sizeof(buf), NULL) && as_expected(),
	   "write: details need not be asked for");
}

static void test_evict(struct mockgpu_device *dev)
{
	struct drm_mockgpu_evict range = {
		.scope = MOCKGPU_EVICT_RANGE, .start = (uintptr_t)addr, .len = 0x5000,
	};
	struct drm_mockgpu_evict all = { .scope = MOCKGPU_EVICT_ALL };
	struct drm_mockgpu_evict reply = { .evicted = 7, .busy = 9 };
	struct mockgpu_evicted got;
	const int *e;

	for (e = errors; e < errors_end; e++) {
		memset(&got, 0xff, sizeof(got));
		expect(DRM_IOCTL_MOCKGPU_EVICT, &range, &reply, sizeof(range), *e);
		ok(mockgpu_evict(dev, addr, 0x5000, &got) == *e && as_expected(),
		   "evict gives %d", *e);
		ok(got.evicted == 7 && got.busy == 9, "evict: both counts");
		expect(DRM_IOCTL_MOCKGPU_EVICT, &all, &reply, sizeof(all), *e);
		ok(mockgpu_evict_all(dev, NULL) == *e && as_expected(), "evict_all gives %d", *e);
	}
}

static void test_advise(struct mockgpu_device *dev)
{
	struct drm_mockgpu_advise set = {
		.start = (uintptr_t)addr, .len = 0x6000, .attr = MOCKGPU_ADVICE_TIME_SLICE,
		.value = 0x1234567890,
	};
	struct drm_mockgpu_advise reset = {
		.start = (uintptr_t)addr, .len = 0x7000, .flags = MOCKGPU_ADVISE_RESET,
	};
	const int *e;

	for (e = errors; e < errors_end; e++) {
		expect(DRM_IOCTL_MOCKGPU_ADVISE, &set, NULL, sizeof(set), *e);
		ok(mockgpu_advise(dev, addr, 0x6000, MOCKGPU_ADVICE_TIME_SLICE,
				  0x1234567890) == *e && as_expected(), "advise gives %d", *e);
		expect(DRM_IOCTL_MOCKGPU_ADVISE, &reset, NULL, sizeof(reset), *e);
		ok(mockgpu_advise_reset(dev, addr, 0x7000) == *e && as_expected(),
		   "advise_reset gives %d", *e);
	}
}

static void test_get_advice(struct mockgpu_device *dev)
{
	struct drm_mockgpu_advice want = { .start = (uintptr_t)addr, .len = 0x3000 };
	struct drm_mockgpu_advice reply = want;
	struct mockgpu_advice got;
	const int *e;
	int i;

	reply.mixed = 0x8001;
	for (i = 0; i < MOCKGPU_ADVICE_MAX; i++)
		reply.value[i] = 100 + (unsigned int)i;
	for (e = errors; e < errors_end; e++) {
		memset(&got, 0xff, sizeof(got));
		expect(DRM_IOCTL_MOCKGPU_ADVICE, &want, &reply, sizeof(want), *e);
		ok(mockgpu_get_advice(dev, addr, 0x3000, &got) == *e && as_expected(),
		   "get_advice gives %d", *e);
		ok(got.mixed == 0x8001 && !memcmp(got.value, reply.value, sizeof(got.value)),
		   "get_advice: all values, and which are mixed");
	}
}

static void test_prefetch(struct mockgpu_device *dev, struct mockgpu_device *other)
{
	struct drm_mockgpu_prefetch want = {
		.start = (uintptr_t)addr, .len = 0x8000, .place = MOCKGPU_PLACE_SYSTEM,
		.flags = MOCKGPU_PREFETCH_WRITE, .fd = -1,
	};
	struct drm_mockgpu_prefetch reply = want;
	struct mockgpu_prefetched got;
	const int *e;

	reply.done = 11;
	reply.moved = 22;
	reply.stayed = 33;
	reply.mapped = 44;
	for (e = errors; e < errors_end; e++) {
		memset(&got, 0xff, sizeof(got));
		expect(DRM_IOCTL_MOCKGPU_PREFETCH, &want, &reply, sizeof(want), *e);
		ok(mockgpu_prefetch(dev, addr, 0x8000, MOCKGPU_PLACE_SYSTEM,
				    MOCKGPU_PREFETCH_WRITE, NULL, &got) == *e && as_expected(),
		   "prefetch gives %d after one call", *e);
		ok(got.moved == 22 && got.stayed == 33 && got.mapped == 44,
		   "prefetch: all counts");
	}
	want.place = MOCKGPU_PLACE_DEVICE(1);
	want.flags = 0;
	want.fd = mockgpu_fd(other);
	expect(DRM_IOCTL_MOCKGPU_PREFETCH, &want, NULL, sizeof(want), 0);
	ok(!mockgpu_prefetch(dev, addr, 0x8000, MOCKGPU_PLACE_DEVICE(1), 0, other, NULL) &&
	   as_expected(), "prefetch to another device names its file; counts need not be asked for");
}

/* The pointer differs for each call, so only what is known before is compared. */
static uint32_t queried;
static size_t query_size;

static int answer_query(int node, unsigned long request, void *arg)
{
	struct drm_mockgpu_query *q = arg;

	(void)node;
	if (request != DRM_IOCTL_MOCKGPU_QUERY || q->flags || q->pad)
		return -EINVAL;
	queried = q->query;
	query_size = q->size;
	/* A driver that knows the first field only; ENOMEM is a call that fails. */
	if (script.ret)
		return script.ret;
	memset((void *)(uintptr_t)q->ptr, 0x55, 4);
	q->size = 4;
	return 0;
}

static void test_query(struct mockgpu_device *dev)
{
	struct drm_mockgpu_device_info info;
	struct drm_mockgpu_counters c;

	fake_ioctl = answer_query;
	script.ret = 0;
	memset(&info, 0xff, sizeof(info));
	ok(!mockgpu_info(dev, &info), "info is answered");
	ok(queried == MOCKGPU_QUERY_DEVICE && query_size == sizeof(info), "info: this query");
	ok(info.index == 0x55555555 && !info.vram_type && !info.page_bytes,
	   "info: what an older driver does not know is 0");
	memset(&c, 0xff, sizeof(c));
	ok(!mockgpu_counters(dev, &c), "counters are answered");
	ok(queried == MOCKGPU_QUERY_COUNTERS && query_size == sizeof(c), "counters: this query");
	ok(c.vram_used_bytes == 0x55555555 && !c.no_ram, "counters: the rest is 0");
	script.ret = -EINTR;
	memset(&c, 0xff, sizeof(c));
	ok(mockgpu_counters(dev, &c) == -EINTR, "counters: the driver's errno");
	ok(!c.vram_used_bytes && !c.no_ram, "counters: zeroes after an error");
	fake_ioctl = answer;
}

static void test_names(void)
{
	unsigned int i, j, same = 0, unknown = 0;

	for (i = 0; i <= MOCKGPU_PAGE_NOT_TRIED; i++) {
		unknown += !strcmp(mockgpu_page_status_name(i), "unknown");
		for (j = 0; j < i; j++)
			same += !strcmp(mockgpu_page_status_name(i), mockgpu_page_status_name(j));
	}
	ok(!same && !unknown, "every page status has a name of its own");
	ok(!strcmp(mockgpu_page_status_name(MOCKGPU_PAGE_NOT_TRIED + 1), "unknown") &&
	   !strcmp(mockgpu_page_status_name(~0U), "unknown"), "others are unknown, never NULL");
}

int main(void)
{
	struct mockgpu_device *dev, *other;

	fake_nodes = nodes;
	fake_nodes_len = ARRAY_SIZE(nodes);
	fake_ioctl = answer;
	if (!ok(!mockgpu_open_path(&dev, "/dev/dri/renderD128") &&
		!mockgpu_open_path(&other, "/dev/dri/renderD129"), "devices to work with"))
		return done();
	test_migrate(dev);
	test_move_all(dev);
	test_residency(dev);
	test_read_write(dev);
	test_evict(dev);
	test_advise(dev);
	test_get_advice(dev);
	test_prefetch(dev, other);
	test_query(dev);
	test_names();
	mockgpu_close(other);
	mockgpu_close(dev);
	return done();
}
