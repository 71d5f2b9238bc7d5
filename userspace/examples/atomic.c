// SPDX-License-Identifier: MIT
/* The device and the CPU count on one word: cc atomic.c -lmockgpu (see pkg-config) */
#include <mockgpu.h>
#include <stdio.h>

int main(void)
{
	static uint64_t counter;
	struct drm_mockgpu_cmd add = {
		.op = MOCKGPU_CMD_ATOMIC, .atomic = MOCKGPU_ATOMIC_ADD,
		.addr = (uintptr_t)&counter, .size = 8, .count = 100000, .value = 1,
	};
	struct mockgpu_submission work = { .cmds = &add, .count = 1 };
	struct mockgpu_device *dev;
	uint32_t queue;
	int error, i;

	if (mockgpu_open(&dev, 0) || mockgpu_queue_create(dev, &queue) ||
	    mockgpu_submit(dev, queue, &work))
		return 1;
	for (i = 0; i < 1000; i++)
		__atomic_fetch_add(&counter, 1, __ATOMIC_RELAXED);
	if (mockgpu_wait(dev, queue, work.seqno, -1, &error) || error)
		return 1;
	printf("%llu\n", (unsigned long long)counter);	/* 101000 */
	mockgpu_close(dev);
	return counter != 101000;
}
