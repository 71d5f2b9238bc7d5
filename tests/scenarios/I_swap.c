// SPDX-License-Identifier: MIT
/* Swapping and VRAM: row I4.  No slot of the swap area stays in use for a page that is elsewhere. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "disk.h"
#include "gpu.h"
#include "memcg.h"
#include "process.h"

#define N 200

/* Slots of pages that have been read back are given up lazily. */
static void check_slots(size_t most)
{
	uint64_t end = now_ns() + 2 * NS_PER_S;

	most += disk_swap_stock();
	while (disk_swap_used() > most && now_ns() < end)
		sleep_ms(10);
	CHECK_LE(disk_swap_used(), most);
}

/* Swapped out, and brought to VRAM from there; in VRAM it needs no slot. */
static void I4_swapped_out_goes_to_vram(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag();
	struct drm_mockgpu_counters c;
	void *p;

	disk_new(0);
	disk_swap_on(4096);
	p = map_filled(N, tag);
	for (unsigned int round = 0; round < 3; round++) {
		page_out(p, N);
		CHECK_GE(disk_swap_used(), N);
		c = gpu_counters(dev);
		TO_VRAM(dev, p, N);
		CHECK_COUNTED(dev, &c, .pages_to_vram = N, .vram_used_bytes = N * PAGE);
		check_slots(0);
		GPU_CHECK_FILL(dev, p, N, tag, 0);
		CHECK_FILL(p, N, tag, 0);
		check_slots(0);
	}
	disk_swap_off();
	disk_gone();
}

/* In RAM, and in the swap area as well, as nobody wrote to it since: the swap cache. */
static void I4_swap_cache(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag(), new = new_tag();
	void *p;

	disk_new(0);
	disk_swap_on(4096);
	p = map_filled(N, tag);
	page_out(p, N);
	CHECK_FILL(p, N, tag, 0);
	TO_VRAM(dev, p, N);
	check_slots(0);
	gpu_fill(dev, p, N / 2, new, 0);
	CHECK_FILL(p, N / 2, new, 0);
	CHECK_FILL(AT(p, N / 2), N / 2, tag, N / 2);
	/* Out again: it is the new contents that go. */
	page_out(p, N);
	CHECK_FILL(p, N / 2, new, 0);
	CHECK_FILL(AT(p, N / 2), N / 2, tag, N / 2);
	unmap(p, N);
	check_slots(0);
	disk_swap_off();
	disk_gone();
}

/* While a page is written out it can be touched, used by the device and sent to VRAM. */
static void I4_while_being_written_out(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag(), new = new_tag();
	struct mockgpu_migrated moved;
	void *p;

	if (kernel_is_before(6, 6))
		skip("this kernel keeps in RAM what is in the swap cache");
	disk_new(NS_PER_S / 5);
	disk_swap_on(4096);
	p = map_filled(N, tag);
	CHECK_SYS(madvise(p, N * PAGE, MADV_PAGEOUT));
	gpu_fill(dev, p, N / 2, new, 0);
	CHECK_EQ(mockgpu_migrate(dev, p, N * PAGE, MOCKGPU_TARGET_VRAM, 0, &moved, NULL), 0);
	GPU_CHECK_FILL(dev, p, N / 2, new, 0);
	GPU_CHECK_FILL(dev, AT(p, N / 2), N / 2, tag, N / 2);
	sleep_ms(500);
	CHECK_EQ(mockgpu_to_vram(dev, p, N * PAGE), 0);
	CHECK_PLACE(dev, p, N, IN_VRAM);
	check_slots(0);
	CHECK_FILL(p, N / 2, new, 0);
	CHECK_FILL(AT(p, N / 2), N / 2, tag, N / 2);
	disk_swap_off();
	disk_gone();
}

/* Swapped out, shared with a child after fork(): the one moves its copy, the other has its own. */
static void I4_swapped_out_and_shared(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag(), new = new_tag();
	struct mockgpu_migrated moved;
	int go = gate_new();
	pid_t pid;
	void *p;

	disk_new(0);
	disk_swap_on(4096);
	p = map_filled(N, tag);
	page_out(p, N);
	pid = (pid_t)CHECK_SYS(fork());
	if (!pid) {
		gate_wait(go);
		CHECK_FILL(p, N, tag, 0);
		_exit(0);
	}
	/* As long as the child's is in the swap area, a page may be kept there by it. */
	CHECK_EQ(mockgpu_migrate(dev, p, N * PAGE, MOCKGPU_TARGET_VRAM, 0, &moved, NULL), 0);
	CHECK_EQ(moved.count[MOCKGPU_PAGE_MOVED] + moved.count[MOCKGPU_PAGE_BUSY], N);
	gpu_fill(dev, p, N, new, 0);
	gate_open(go, 1);
	join(pid);
	CHECK_FILL(p, N, new, 0);
	unmap(p, N);
	check_slots(0);
	disk_swap_off();
	disk_gone();
}

struct presser {
	const struct memcg *memcg;
	atomic_bool stop;
	unsigned int times;
};

static void *press(void *arg)
{
	struct presser *presser = arg;

	while (!atomic_load(&presser->stop)) {
		memcg_reclaim(presser->memcg);
		presser->times++;
	}
	return NULL;
}

/* Everything in RAM is swapped out all the time, while pages go to VRAM and come home. */
static void I4_pressure_while_in_vram(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	struct memcg memcg = memcg_enter();
	struct presser presser = { .memcg = &memcg };
	pthread_t thread;
	void *p;

	disk_new(0);
	disk_swap_on(16384);
	p = map_filled(N, tag);
	TO_VRAM(dev, p, N);
	memcg_reclaim(&memcg);
	CHECK_PLACE(dev, p, N, IN_VRAM);
	thread = thread_start(press, &presser);
	for (unsigned int round = 0; round < 20 || presser.times < 3; round++) {
		uint16_t next = new_tag();

		CHECK_EQ(mockgpu_migrate(dev, p, N * PAGE, MOCKGPU_TARGET_VRAM, 0, NULL, NULL), 0);
		GPU_CHECK_FILL(dev, p, N, tag, 0);
		gpu_fill(dev, p, N / 2, next, 0);
		fill(AT(p, N / 2), N / 2, next, N / 2);
		CHECK_FILL(p, N, next, 0);
		tag = next;
	}
	atomic_store(&presser.stop, true);
	thread_join(thread);
	CHECK_EQ(mockgpu_to_vram(dev, p, N * PAGE), 0);
	CHECK_FILL(p, N, tag, 0);
	memcg_leave(&memcg);
	disk_swap_off();
	memcg_remove(&memcg);
	disk_gone();
}

#define SCENARIO(name) { #name, name, 90, 0 }

const struct scenario scenarios[] = {
	SCENARIO(I4_swapped_out_goes_to_vram),
	SCENARIO(I4_swap_cache),
	SCENARIO(I4_while_being_written_out),
	SCENARIO(I4_swapped_out_and_shared),
	SCENARIO(I4_pressure_while_in_vram),
	{ 0 }
};
