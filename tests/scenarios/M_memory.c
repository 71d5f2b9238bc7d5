// SPDX-License-Identifier: MIT
/*
 * Coherent VRAM takes memory out of the machine and gives it back (rows M): with a machine that is
 * idle, busy or full, or where that is interrupted.  Whatever comes of it, the machine has all its
 * memory afterwards, and all of it is in use.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "blocks.h"
#include "disk.h"
#include "gpu.h"
#include "log.h"
#include "machine.h"
#include "module.h"

static struct mockgpu_device *open_coherent(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct drm_mockgpu_device_info info;

	CHECK_EQ(mockgpu_info(dev, &info), 0);
	CHECK_EQ(info.vram_type, MOCKGPU_VRAM_COHERENT);
	CHECK_EQ(info.caps & (MOCKGPU_CAP_PRIVATE | MOCKGPU_CAP_COHERENT | MOCKGPU_CAP_HUGE),
		 MOCKGPU_CAP_COHERENT);
	return dev;
}

/* All of VRAM is used, from both sides, and evicted. */
static void use_all(struct mockgpu_device *dev)
{
	size_t pages = gpu_vram_pages(dev);
	uint16_t tag = new_tag(), other = new_tag();
	void *p = map_filled(pages, tag);

	TO_VRAM(dev, p, pages);
	CHECK_PLACE(dev, p, pages, IN_VRAM);
	CHECK_FILL(p, pages, tag, 0);
	CHECK_PLACE(dev, p, pages, IN_VRAM);
	gpu_fill(dev, p, 64, other, 0);
	CHECK_FILL(p, 64, other, 0);
	fill(AT(p, 64), 64, other, 64);
	GPU_CHECK_FILL(dev, p, 128, other, 0);
	TO_SYSTEM(dev, p, pages);
	CHECK_FILL(p, 128, other, 0);
	CHECK_FILL(AT(p, 128), pages - 128, tag, 128);
	unmap(p, pages);
}

static void M1_load_and_unload_many_times(void)
{
	struct mockgpu_device *dev;
	size_t total;

	machine_look();
	for (unsigned int i = 0; i < 20 / slowness(); i++) {
		if (!i)
			load_or_skip();
		else
			CHECK_EQ(load(COHERENT), 0);
		total = meminfo_kb("MemTotal");
		/* What described a block is memory like any other once it is gone: 2 MiB. */
		CHECK_LE(total, machine.total_kb + machine.online * 2 * KB_PER_MB -
				256 * KB_PER_MB);
		CHECK_EQ(blocks_online() * block_mb(),
			 machine.online * block_mb() - (256 + block_mb() - 1) / block_mb() *
			 block_mb());
		CHECK_GE(log_count("took memory"), 1);
		dev = open_coherent();
		if (!i)
			use_all(dev);
		mockgpu_close(dev);
		unload();
		CHECK_GE(log_count("gave back memory"), 1);
		machine_is_whole();
	}
}

#define AUTO_ONLINE	"/sys/devices/system/memory/auto_online_blocks"

/*
 * Where the kernel leaves it to user space what becomes of memory that comes, all of it is in use
 * again nevertheless.
 */
static void M1_given_back_where_new_memory_stays_offline(void)
{
	char was[32];
	FILE *file;
	int err;

	machine_look();
	file = fopen(AUTO_ONLINE, "re");
	if (!file)
		skip("the kernel does not say what becomes of memory that comes");
	CHECK(fgets(was, sizeof(was), file));
	fclose(file);
	load_or_skip();
	CHECK_EQ(write_text(AUTO_ONLINE, "offline"), 0);
	/* No check that fails until it is as it was. */
	err = try_unload();
	CHECK_EQ(write_text(AUTO_ONLINE, was), 0);
	CHECK_EQ(err, 0);
	machine_is_whole();
}

/* Both types at once, each with what it can. */
static void M1_one_device_of_each_type(void)
{
	struct drm_mockgpu_device_info info;
	struct mockgpu_device *dev;
	int err;

	machine_look();
	err = load("devices=2 vram_mb=64 vram=private,coherent");
	if (err == -EOPNOTSUPP)
		skip("this kernel has no device-private memory");
	if (err == -EBUSY)
		skip("no memory block of this machine can be taken");
	CHECK_EQ(err, 0);
	dev = gpu_open(0);
	CHECK_EQ(mockgpu_info(dev, &info), 0);
	CHECK_EQ(info.vram_type, MOCKGPU_VRAM_PRIVATE);
	mockgpu_close(dev);
	dev = gpu_open(1);
	CHECK_EQ(mockgpu_info(dev, &info), 0);
	CHECK_EQ(info.vram_type, MOCKGPU_VRAM_COHERENT);
	mockgpu_close(dev);
	unload();
	machine_is_whole();
}

/*
 * Reads as much of a file as the machine has memory.  The file is a hole, which takes no room on
 * the disk and all the room in memory.
 */
static void fill_page_cache(void)
{
	int fd, null = (int)CHECK_SYS(open("/dev/null", O_WRONLY | O_CLOEXEC));
	size_t left = machine.total_kb * 1024;

	disk_new(0);
	disk_mount();
	fd = (int)CHECK_SYS(open(DISK_DIR "/hole", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	CHECK_SYS(ftruncate(fd, (off_t)left));
	while (left) {
		ssize_t n = CHECK_SYS(sendfile(null, fd, NULL, left));

		CHECK(n > 0);
		left -= (size_t)n;
	}
	close(fd);
	close(null);
}

/* What is read of files stays in memory as long as there is room, and then is in all of it. */
static void M2_page_cache_full(void)
{
	machine_look();
	fill_page_cache();
	note("%zu of %zu MiB are free", meminfo_kb("MemFree") / KB_PER_MB,
	     meminfo_kb("MemTotal") / KB_PER_MB);
	/* Less is free than is to be taken. */
	CHECK_LE(meminfo_kb("MemFree"), 256 * KB_PER_MB);
	CHECK_GE(meminfo_kb("Cached"), machine.total_kb / 2);
	load_and_unload();
	disk_unmount();
	disk_gone();
}

static void M3_anonymous_memory_in_use(void)
{
	struct user user;
	pid_t pid;

	machine_look();
	pid = user_start(&user, much_mb(), 0);
	load_and_unload();
	user_end(&user, pid);
	machine_is_whole();
}

static void load_and_exit(void *arg)
{
	/* No handler: the signal would end the call and the process. */
	_exit(load(arg) ? 0 : 3);
}

/*
 * A load is sent a signal while it lasts: it ends soon, and nothing is loaded or lost.  Returns
 * whether it came in time; the load may have been done, or have failed.
 */
static bool interrupt_load(char *parameters, unsigned int after_ms, int signal)
{
	bool interrupted;
	uint64_t start;
	pid_t loader;
	int status;

	log_begin();
	loader = (pid_t)CHECK_SYS(fork());
	if (!loader)
		load_and_exit(parameters);
	sleep_ms(after_ms);
	CHECK_SYS(kill(loader, signal));
	start = now_ns();
	CHECK_EQ(waitpid(loader, &status, 0), loader);
	interrupted = log_count(": interrupted");
	note("ended %llu ms after the signal%s", (unsigned long long)(now_ns() - start) / 1000000,
	     interrupted ? ", interrupted" : "");
	CHECK_LE(now_ns() - start, 2 * BOUND_NS);
	if (interrupted) {
		CHECK(WIFSIGNALED(status));
		CHECK_EQ(WTERMSIG(status), signal);
		CHECK_EQ(module_unload(), -ENOENT);
	} else if (mockgpu_count() > 0) {
		unload();
	}
	machine_is_whole();
	return interrupted;
}

/* Ctrl-C and worse, sooner and later. */
static void M6_interrupted(void)
{
	unsigned int interrupted = 0;
	char parameters[64];
	struct user user;
	pid_t pid;

	machine_look();
	pid = user_start(&user, much_mb(), 400);
	snprintf(parameters, sizeof(parameters), "vram=coherent vram_mb=%zu",
		 machine.total_kb / KB_PER_MB / 4 / 128 * 128);
	for (unsigned int i = 0; i < 4; i++)
		interrupted += interrupt_load(parameters, 50U << (2 * i),
					      i % 2 ? SIGKILL : SIGINT);
	CHECK_GE(interrupted, 1);
	user_end(&user, pid);
}

/* As long as a page is in VRAM the module stays, pinned or not: it would wait for who pinned it. */
static void M7_pages_in_use_hold_the_module(void)
{
	struct mockgpu_device *dev;
	uint16_t tag = new_tag();
	struct iovec part;
	struct mockgpu_evicted result;
	void *p;
	int ends[2];
	char buffer[PAGE];

	machine_look();
	load_or_skip();
	dev = open_coherent();
	p = map_filled(16, tag);
	TO_VRAM(dev, p, 16);
	part = (struct iovec){ p, PAGE };
	CHECK_SYS(pipe(ends));
	CHECK_EQ(vmsplice(ends[1], &part, 1, 0), PAGE);
	mockgpu_close(dev);
	CHECK_EQ(module_unload(), -EWOULDBLOCK);
	dev = open_coherent();
	CHECK_EQ(mockgpu_evict_all(dev, &result), 0);
	CHECK_EQ(result.evicted, 15);
	CHECK_EQ(result.busy, 1);
	mockgpu_close(dev);
	CHECK_EQ(module_unload(), -EWOULDBLOCK);
	CHECK_FILL(p, 16, tag, 0);
	CHECK_EQ(read(ends[0], buffer, PAGE), PAGE);
	CHECK_FILL(buffer, 1, tag, 0);
	unmap(p, 16);
	unload();
	machine_is_whole();
}

/*
 * A range that the machine left out when it booted is VRAM, all of it, as often as the module is
 * loaded; nothing of what the machine uses is taken for it.
 */
static void M9_a_range_left_out_at_boot(void)
{
	struct mockgpu_device *dev;
	char parameters[128];
	uint64_t start, bytes, at;
	void *p;

	if (!range_left_out(&start, &bytes))
		skip("memmap= left no memory out when this machine booted");
	machine_look();
	CHECK(!range_is(start, bytes, "mockgpu VRAM"));
	snprintf(parameters, sizeof(parameters),
		 "vram=coherent vram_mb=%llu coherent_source=%lluM@%#llx",
		 (unsigned long long)(bytes / MB), (unsigned long long)(bytes / MB),
		 (unsigned long long)start);
	for (unsigned int i = 0; i < 2; i++) {
		log_begin();
		CHECK_EQ(load(parameters), 0);
		CHECK_EQ(log_count("took memory"), 0);
		CHECK(range_is(start, bytes, "mockgpu VRAM"));
		machine_is_whole();
		dev = open_coherent();
		CHECK_EQ(gpu_vram_pages(dev), bytes / PAGE);
		p = map_filled(1, new_tag());
		TO_VRAM(dev, p, 1);
		at = pagemap_of(0, p).pfn * PAGE;
		CHECK(at >= start && at - start < bytes);
		unmap(p, 1);
		use_all(dev);
		mockgpu_close(dev);
		unload();
		CHECK_EQ(log_count("gave back memory"), 0);
		CHECK(!range_is(start, bytes, "mockgpu VRAM"));
		machine_is_whole();
	}
}

#define SCENARIO(name) { #name, name, 150, RELOADS }

const struct scenario scenarios[] = {
	SCENARIO(M1_load_and_unload_many_times),
	SCENARIO(M1_given_back_where_new_memory_stays_offline),
	SCENARIO(M1_one_device_of_each_type),
	SCENARIO(M2_page_cache_full),
	SCENARIO(M3_anonymous_memory_in_use),
	SCENARIO(M6_interrupted),
	SCENARIO(M7_pages_in_use_hold_the_module),
	SCENARIO(M9_a_range_left_out_at_boot),
	{ 0 }
};
