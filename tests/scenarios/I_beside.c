// SPDX-License-Identifier: MIT
/*
 * Those parts of the kernel that move pages of their own accord run beside migrations: compaction,
 * khugepaged, the scanner of NUMA balancing, the removal of memory.  Nothing is lost: row I8.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gpu.h"
#include "process.h"

#define N	(2 * 512)
#define ROUNDS	12
#define MOST_S	80

/* Something that goes on beside, as long as @stop is not set. */
struct beside {
	bool (*once)(void);	/* whether it did anything */
	atomic_bool stop;
	atomic_uint times;
	pthread_t thread;
};

static void *run_beside(void *arg)
{
	struct beside *beside = arg;

	while (!atomic_load(&beside->stop))
		if (beside->once())
			atomic_fetch_add(&beside->times, 1);
	return NULL;
}

/*
 * 4 MiB at @p go to VRAM and come home by all ways, written by CPU and device in turn, at least
 * ROUNDS times and until the other has been there @least times.
 */
static void work(struct mockgpu_device *dev, void *p, struct beside *beside, unsigned int least)
{
	uint64_t end = now_ns() + MOST_S * NS_PER_S;
	uint16_t tag = new_tag();

	fill(p, N, tag, 0);
	beside->thread = thread_start(run_beside, beside);
	for (unsigned int i = 0; i < ROUNDS || atomic_load(&beside->times) < least; i++) {
		uint16_t next = new_tag();
		size_t some = 1 + random_below(N - 1);

		CHECK_LE(now_ns(), end);
		CHECK_EQ(mockgpu_migrate(dev, p, N * PAGE, MOCKGPU_TARGET_VRAM, 0, NULL, NULL), 0);
		GPU_CHECK_FILL(dev, p, N, tag, 0);
		gpu_fill(dev, p, some, next, 0);
		if (i % 3 == 1)
			CHECK_EQ(mockgpu_migrate(dev, p, N * PAGE, MOCKGPU_TARGET_SYSTEM, 0, NULL,
						 NULL), 0);
		else if (i % 3 == 2)
			CHECK_EQ(mockgpu_evict(dev, p, N * PAGE, NULL), 0);
		CHECK_FILL(p, some, next, 0);
		CHECK_FILL(AT(p, some), N - some, tag, some);
		fill(AT(p, some), N - some, next, some);
		tag = next;
	}
	atomic_store(&beside->stop, true);
	thread_join(beside->thread);
	CHECK_FILL(p, N, tag, 0);
	note("it went on beside %u times", atomic_load(&beside->times));
}

static bool compact_once(void)
{
	write_number("/proc/sys/vm/compact_memory", 1);
	return true;
}

static void I8_compaction(void)
{
	struct beside beside = { .once = compact_once };
	uint16_t tag = new_tag();
	void *holes = map_filled(8192, tag);

	/* Holes for it to fill. */
	for (unsigned int i = 0; i < 8192; i += 2)
		CHECK_SYS(madvise(AT(holes, i), PAGE, MADV_DONTNEED));
	work(gpu_open(0), map_hole(N), &beside, 5);
	for (unsigned int i = 1; i < 8192; i += 2)
		CHECK_FILL(AT(holes, i), 1, tag, i);
}

#define KHUGEPAGED "/sys/kernel/mm/transparent_hugepage/khugepaged/"

static bool scan_once(void)
{
	long long before = read_number(KHUGEPAGED "full_scans");

	for (unsigned int i = 0; i < 200 && read_number(KHUGEPAGED "full_scans") == before; i++)
		sleep_ms(5);
	return read_number(KHUGEPAGED "full_scans") != before;
}

/* It collapses what lies in RAM into huge pages, and passes over what is in VRAM. */
static void I8_khugepaged(void)
{
	static const char *const names[] = { "scan_sleep_millisecs", "pages_to_scan" };
	static const long long hurry[] = { 5, 4096 };
	struct beside beside = { .once = scan_once };
	long long before[2];
	char path[128], *p;

	if (access(KHUGEPAGED "full_scans", R_OK))
		skip("the kernel has no khugepaged");
	for (unsigned int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), KHUGEPAGED "%s", names[i]);
		before[i] = read_number(path);
		write_number(path, hurry[i]);
	}
	p = mmap(NULL, 2 * N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	p = (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	/* Small pages first, which it then may make huge. */
	CHECK_SYS(madvise(p, N * PAGE, MADV_NOHUGEPAGE));
	fill(p, N, new_tag(), 0);
	CHECK_SYS(madvise(p, N * PAGE, MADV_HUGEPAGE));
	work(gpu_open(0), p, &beside, 5);
	for (unsigned int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), KHUGEPAGED "%s", names[i]);
		write_number(path, before[i]);
	}
}

#define BLOCK_DIR "/sys/devices/system/memory/memory%u/state"

/* Takes the topmost block of memory that it can get out of the system, and gives it back. */
static bool remove_once(void)
{
	char path[96];

	for (unsigned int i = 64; i-- > 1;) {
		int fd;

		snprintf(path, sizeof(path), BLOCK_DIR, i);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (write(fd, "offline", 7) == 7) {
			CHECK_EQ(pwrite(fd, "online", 6, 0), 6);
			close(fd);
			return true;
		}
		close(fd);
	}
	return false;
}

static void I8_memory_is_removed(void)
{
	struct beside beside = { .once = remove_once };

	if (access("/sys/devices/system/memory/block_size_bytes", R_OK))
		skip("the kernel cannot remove memory");
	work(gpu_open(0), map_hole(N), &beside, 1);
}

static bool wait_once(void)
{
	sleep_ms(50);
	return true;
}

/*
 * NUMA balancing takes away the right to access pages so that accesses are seen.  With one node it
 * scans nothing, as there is nowhere to move to; then this shows only that it does no harm.
 */
static void I8_numa_balancing(void)
{
	static const char path[] = "/proc/sys/kernel/numa_balancing";
	struct beside beside = { .once = wait_once };
	long long before;

	if (access(path, W_OK))
		skip("the kernel has no NUMA balancing");
	before = read_number(path);
	write_number(path, 1);
	if (access("/sys/devices/system/node/node1", F_OK))
		note("there is one node only");
	work(gpu_open(0), map_hole(N), &beside, 20);
	write_number(path, before);
}

/* What NUMA balancing does to pages, done by hand: no access, and access again. */
static void I8_access_taken_and_given(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = map_filled(64, tag);
	struct drm_mockgpu_counters c;
	char byte;

	TO_VRAM(dev, p, 32);
	gpu_fill(dev, p, 64, tag, 0);
	c = gpu_counters(dev);
	CHECK_SYS(mprotect(p, 64 * PAGE, PROT_NONE));
	CHECK_READ(dev, &byte, p, 1, -EFAULT, .fault_addr = (uintptr_t)p);
	CHECK_SYS(mprotect(p, 64 * PAGE, PROT_READ | PROT_WRITE));
	CHECK_PLACE(dev, p, 32, IN_VRAM);
	GPU_CHECK_FILL(dev, p, 64, tag, 0);
	CHECK_EQ(gpu_counters(dev).pages_cpu_fault, c.pages_cpu_fault);
	CHECK_FILL(p, 64, tag, 0);
}

#define SCENARIO(name) { #name, name, 120, 0 }

const struct scenario scenarios[] = {
	SCENARIO(I8_compaction),
	SCENARIO(I8_khugepaged),
	SCENARIO(I8_memory_is_removed),
	SCENARIO(I8_numa_balancing),
	SCENARIO(I8_access_taken_and_given),
	{ 0 }
};
