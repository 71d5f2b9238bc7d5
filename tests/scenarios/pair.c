// SPDX-License-Identifier: MIT
/* See pair.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "machine.h"
#include "module.h"
#include "pair.h"

struct mockgpu_device *pair[2];

void pair_open(void)
{
	pair[0] = gpu_open(0);
	pair[1] = gpu_open(1);
}

void pair_load(unsigned int vram_mb)
{
	module_reload(2, vram_mb);
	pair_open();
}

void pair_load_mixed(unsigned int vram_mb)
{
	char parameters[64];
	int err;

	machine_look();
	snprintf(parameters, sizeof(parameters), "devices=2 vram_mb=%u vram=private,coherent",
		 vram_mb);
	err = load(parameters);
	if (err == -EOPNOTSUPP)
		skip("this kernel has no device-private memory");
	if (err == -EBUSY)
		skip("no memory block of this machine can be taken");
	CHECK_EQ(err, 0);
	pair_open();
}

#define PLACE	(RES_PLACE | 0xffU << 24)

/* What a device says of a page in VRAM of device @which. */
static uint32_t in_vram_of(unsigned int which, unsigned int asked)
{
	uint32_t place = which == asked ? IN_VRAM : IN_VRAM & ~MOCKGPU_RES_LOCAL;

	return place | which << 24;
}

void check_on(const char *file, int line, const void *p, size_t pages, unsigned int which)
{
	for (unsigned int i = 0; i < 2; i++)
		check_res(file, line, pair[i], p, pages, PLACE, in_vram_of(which, i));
}

void pair_uses(const char *file, int line, size_t on_0, size_t on_1)
{
	const size_t pages[] = { on_0, on_1 };
	uint64_t end = now_ns() + BOUND_NS / 2;

	for (unsigned int i = 0; i < 2; i++) {
		uint64_t used = gpu_counters(pair[i]).vram_used_bytes;

		while (used != pages[i] * PAGE && now_ns() < end) {
			sleep_ms(5);
			used = gpu_counters(pair[i]).vram_used_bytes;
		}
		if (used != pages[i] * PAGE)
			fail_at(file, line, "device %u: %zu pages are there, and %llu in use", i,
				pages[i], (unsigned long long)(used / PAGE));
	}
}

size_t check_shared_out(const char *file, int line, const void *p, size_t pages)
{
	uint32_t *res = calloc(pages, sizeof(*res));
	size_t on[2] = { 0 };

	CHECK(res);
	CHECK_EQ(mockgpu_residency(pair[0], p, pages * PAGE, res), 0);
	for (size_t i = 0; i < pages; i++) {
		unsigned int which = MOCKGPU_RES_DEVICE(res[i]);

		if (!(res[i] & MOCKGPU_RES_VRAM) || which > 1)
			fail_at(file, line, "page %zu of %zu: residency %08x", i, pages, res[i]);
		on[which]++;
	}
	free(res);
	pair_uses(file, line, on[0], on[1]);
	return on[0];
}
