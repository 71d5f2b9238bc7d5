// SPDX-License-Identifier: MIT
/* Locked memory: row I1.  Locking is about RAM; what the device moves stays locked. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gpu.h"
#include "module.h"
#include "process.h"

#define N 256

/* Pages of this process that count as locked. */
static size_t locked(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	size_t kb = SIZE_MAX;
	char line[256];

	CHECK(file != NULL);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, "VmLck:", 6))
			CHECK_EQ(sscanf(line + 6, "%zu", &kb), 1);
	fclose(file);
	return kb * 1024 / PAGE;
}

/* mlock() has the pages present: in RAM, so they come home. */
static void I1_mlock_of_vram(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);
	struct drm_mockgpu_counters c;

	TO_VRAM(dev, p, N);
	c = gpu_counters(dev);
	CHECK_SYS(mlock(p, N * PAGE));
	CHECK_EQ(locked(), N);
	CHECK_COUNTED(dev, &c, .pages_cpu_fault = N, .vram_used_bytes = -N * PAGE);
	CHECK_PLACE(dev, p, N, IN_SYSTEM);
	CHECK_FILL(p, N, tag, 0);
}

/* Mlocked of /proc/meminfo, with what each CPU has not added to it yet. */
static size_t mlocked_kb(void)
{
	write_number("/proc/sys/vm/stat_refresh", 1);
	return meminfo_kb("Mlocked");
}

/*
 * Mlocked of /proc/meminfo has come back to @before, but for a few pages that are still on their
 * way through the lists of some CPU.
 */
static void check_mlocked(size_t before)
{
	uint64_t end = now_ns() + 3 * NS_PER_S;

	while (mlocked_kb() > before + 64 && now_ns() < end)
		sleep_ms(20);
	CHECK_LE(mlocked_kb(), before + 64);
}

/*
 * Locked pages that are unmapped wait in a list of the CPU until it next has to do with locking, up
 * to 31 of them, and so does their VRAM.
 */
static void drain_this_cpu(void)
{
	void *p = map_filled(1, 1);

	CHECK_SYS(mlock(p, PAGE));
	CHECK_SYS(munlock(p, PAGE));
	unmap(p, 1);
}

/* The owner of locked memory may ask for its migration; it counts as locked all the while. */
static void I1_locked_memory_migrates(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag(), new = new_tag();
	void *p = map_filled(N, tag);
	size_t mlocked = mlocked_kb();

	CHECK_SYS(mlock(p, N * PAGE));
	for (unsigned int round = 0; round < 3; round++) {
		TO_VRAM(dev, p, N);
		CHECK_EQ(locked(), N);
		CHECK_GE(mlocked_kb(), mlocked + (N - 16) * PAGE / 1024);
		gpu_fill(dev, p, N / 2, new, 0);
		CHECK_FILL(p, N / 2, new, 0);
		CHECK_FILL(AT(p, N / 2), N / 2, tag, N / 2);
		CHECK_PLACE(dev, p, N, IN_SYSTEM);
		CHECK_EQ(locked(), N);
	}
	stay_on_cpu(0);
	TO_VRAM(dev, p, N);
	unmap(p, N);
	drain_this_cpu();
	CHECK_EQ(gpu_counters(dev).vram_used_bytes, 0);
	CHECK_EQ(locked(), 0);
	check_mlocked(mlocked);
}

/*
 * munlock() finds none of the pages in VRAM: they stay there.  (They also go on to be counted in
 * Mlocked of /proc/meminfo, where nobody takes them off any more, if they come home or are unmapped
 * afterwards: seen with 7.2, in the kernel's own code.  So they are locked once more here.)
 */
static void I1_munlock_of_vram(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);
	struct drm_mockgpu_counters c;

	CHECK_SYS(mlock(p, N * PAGE));
	TO_VRAM(dev, p, N);
	c = gpu_counters(dev);
	CHECK_SYS(munlock(p, N * PAGE));
	CHECK_EQ(locked(), 0);
	CHECK_COUNTED(dev, &c);
	CHECK_PLACE(dev, p, N, IN_VRAM);
	GPU_CHECK_FILL(dev, p, N, tag, 0);
	CHECK_SYS(mlock2(p, N * PAGE, MLOCK_ONFAULT));
	CHECK_EQ(locked(), N);
	CHECK_FILL(p, N, tag, 0);
	CHECK_SYS(munlock(p, N * PAGE));
	CHECK_FILL(p, N, tag, 0);
}

/* Locked when touched: nothing is touched by locking, so nothing comes home. */
static void I1_mlock_on_fault(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);
	struct drm_mockgpu_counters c;

	TO_VRAM(dev, p, N);
	c = gpu_counters(dev);
	CHECK_SYS(mlock2(p, N * PAGE, MLOCK_ONFAULT));
	CHECK_EQ(locked(), N);
	CHECK_COUNTED(dev, &c);
	GPU_CHECK_FILL(dev, p, N, tag, 0);
	CHECK_PLACE(dev, p, N, IN_VRAM);
	CHECK_FILL(p, N, tag, 0);
	CHECK_EQ(locked(), N);
}

/* All that is mapped from now on is locked and there at once; it moves all the same. */
static void I1_mcl_future(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag();
	size_t before;
	void *p;

	CHECK_SYS(mlockall(MCL_FUTURE));
	before = locked();
	p = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	CHECK_SYS(madvise(p, N * PAGE, MADV_NOHUGEPAGE));
	CHECK_EQ(locked(), before + N);
	CHECK_RES(dev, p, N, MOCKGPU_RES_PRESENT, MOCKGPU_RES_PRESENT);
	fill(p, N, tag, 0);
	CHECK_EQ(mockgpu_to_vram(dev, p, N * PAGE), 0);
	CHECK_PLACE(dev, p, N, IN_VRAM);
	CHECK_EQ(locked(), before + N);
	GPU_CHECK_FILL(dev, p, N, tag, 0);
	CHECK_FILL(p, N, tag, 0);
	unmap(p, N);
	CHECK_EQ(locked(), before);
	CHECK_SYS(munlockall());
	CHECK_EQ(locked(), 0);
}

static struct {
	struct mockgpu_device *dev;
	int waits;
} elsewhere;

static void unmap_locked_elsewhere(void *unused)
{
	struct mockgpu_device *dev = gpu_open(0);
	void *p;

	mockgpu_close(elsewhere.dev);
	stay_on_cpu(1);
	p = map_filled(N, new_tag());
	CHECK_SYS(mlock(p, N * PAGE));
	TO_VRAM(dev, p, N);
	unmap(p, N);
	stay_on_cpu(0);
	mockgpu_close(dev);
	gate_open(elsewhere.waits, 1);
	/* Its own end would have the list looked through. */
	for (;;)
		pause();
}

static void end_elsewhere(pid_t child)
{
	CHECK_SYS(kill(child, SIGKILL));
	join_killed(child, SIGKILL);
}

/* A child that left some there; any work of that CPU's may have the list looked through. */
static pid_t some_wait_elsewhere(void)
{
	for (unsigned int tries = 0; tries < 50; tries++) {
		pid_t child = spawn(unmap_locked_elsewhere, NULL);

		gate_wait(elsewhere.waits);
		if (gpu_counters(elsewhere.dev).vram_used_bytes)
			return child;
		end_elsewhere(child);
	}
	FAIL("no list of another CPU's holds a page");
}

/*
 * What waits in the list of an idle CPU holds up nobody: not who evicts everything, and not who
 * unloads the module.
 */
static void I1_unmapped_on_an_idle_cpu(void)
{
	struct mockgpu_evicted evicted;
	uint64_t start;
	pid_t child;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		skip("there is one CPU only");
	stay_on_cpu(0);
	elsewhere.dev = gpu_open_private();
	elsewhere.waits = gate_new();
	child = some_wait_elsewhere();
	CHECK_EQ(mockgpu_evict_all(elsewhere.dev, &evicted), 0);
	CHECK_EQ(evicted.busy, 0);
	CHECK_EQ(gpu_counters(elsewhere.dev).vram_used_bytes, 0);
	end_elsewhere(child);

	child = some_wait_elsewhere();
	mockgpu_close(elsewhere.dev);
	start = now_ns();
	CHECK_EQ(module_unload(), 0);
	CHECK_LE(now_ns() - start, BOUND_NS);
	end_elsewhere(child);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(I1_mlock_of_vram),
	SCENARIO(I1_locked_memory_migrates),
	SCENARIO(I1_munlock_of_vram),
	SCENARIO(I1_mlock_on_fault),
	SCENARIO(I1_mcl_future),
	{ "I1_unmapped_on_an_idle_cpu", I1_unmapped_on_an_idle_cpu, 0, RELOADS },
	{ 0 }
};
