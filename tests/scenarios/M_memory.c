// SPDX-License-Identifier: MIT
/*
 * Coherent VRAM takes memory out of the machine and gives it back (rows M): with a machine that is
 * idle, busy or full, where it is refused, interrupted, or cannot be had half-way.  Whatever comes
 * of it, the machine has all its memory afterwards, and all of it is in use.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "blocks.h"
#include "gpu.h"
#include "log.h"
#include "module.h"
#include "process.h"

#define MB		(1UL << 20)
#define KB_PER_MB	1024UL
/* How long taking memory lasts at the most, with what is given back then: ten seconds. */
#define TAKE_NS		(10 * NS_PER_S * (slowness() > 1 ? 2 : 1))
#define COHERENT	"vram=coherent vram_mb=256"

/* The machine as a scenario finds it. */
static struct machine {
	unsigned int online;
	size_t total_kb;
} machine;

static void machine_look(void)
{
	uint64_t end = now_ns() + 3 * BOUND_NS;
	int err;

	module_prepare();
	while ((err = module_unload()) && err != -ENOENT && now_ns() < end)
		sleep_ms(20);
	CHECK(!err || err == -ENOENT);
	machine.online = blocks_online();
	machine.total_kb = meminfo_kb("MemTotal");
	log_begin();
}

/* All of it is there again.  What described a block may count as memory afterwards: 2 MiB. */
static void machine_is_whole(void)
{
	size_t total = meminfo_kb("MemTotal");

	CHECK_EQ(blocks_online(), machine.online);
	CHECK_GE(total, machine.total_kb);
	CHECK_LE(total, machine.total_kb + machine.online * 2 * KB_PER_MB);
}

/* What a load may say; the time that it took is within bounds. */
static int load(const char *parameters)
{
	uint64_t ns;
	int err = module_load(parameters, &ns);

	note("%s: %s after %llu ms", parameters, err ? strerror(-err) : "loaded",
	     (unsigned long long)ns / 1000000);
	CHECK_LE(ns, TAKE_NS);
	return err;
}

static void unload(void)
{
	uint64_t end = now_ns() + 3 * BOUND_NS, start = now_ns();
	int err;

	/* udev may still look at the nodes that came up. */
	while ((err = module_unload()) && now_ns() < end)
		sleep_ms(20);
	CHECK_EQ(err, 0);
	note("unloaded after %llu ms", (unsigned long long)(now_ns() - start) / 1000000);
}

/* Loads coherent VRAM; a small machine may not have two blocks that can be taken. */
static void load_or_skip(void)
{
	int err = load(COHERENT);

	if (!err)
		return;
	CHECK_EQ(err, -EBUSY);
	machine_is_whole();
	skip("too few memory blocks of this machine can be taken");
}

/* On a machine that is busy it may be refused as well, in time; nothing is lost by either. */
static void load_and_unload(void)
{
	int err = load(COHERENT);

	CHECK(!err || err == -EBUSY || err == -ETIME);
	if (!err)
		unload();
	machine_is_whole();
}

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

static void M1_load_and_unload_20_times(void)
{
	struct mockgpu_device *dev;
	size_t total;

	machine_look();
	for (unsigned int i = 0; i < 20; i++) {
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

/* What a process reads of the machine's disks stays in memory as long as there is room. */
static void M2_page_cache_full(void)
{
	machine_look();
	CHECK_EQ(system("cat /dev/vd? >/dev/null 2>&1; find / -xdev -type f -exec cat {} + "
			">/dev/null 2>&1; true"), 0);
	note("%zu of %zu MiB are free", meminfo_kb("MemFree") / KB_PER_MB,
	     meminfo_kb("MemTotal") / KB_PER_MB);
	load_and_unload();
}

struct user {
	int ready, go;
	size_t pages;
	uint16_t tag;
	unsigned int pipes;
};

/* Memory in use all over the machine; with pipes, pages of it that cannot be moved. */
static void use_memory(void *arg)
{
	struct user *user = arg;
	void *p = map_filled(user->pages, user->tag);
	int ends[2];

	for (unsigned int i = 0; i < user->pipes; i++) {
		struct iovec part = { AT(p, user->pages / user->pipes * i), PAGE };

		CHECK_SYS(pipe(ends));
		CHECK_EQ(vmsplice(ends[1], &part, 1, 0), PAGE);
	}
	gate_open(user->ready, 1);
	gate_wait(user->go);
	CHECK_FILL(p, user->pages, user->tag, 0);
}

static pid_t user_start(struct user *user, size_t mb, unsigned int pipes)
{
	pid_t pid;

	*user = (struct user){ gate_new(), gate_new(), mb * MB / PAGE, new_tag(), pipes };
	pid = spawn(use_memory, user);
	gate_wait(user->ready);
	return pid;
}

static void user_end(struct user *user, pid_t pid)
{
	gate_open(user->go, 1);
	join(pid);
}

/* A GiB, or what a small machine has of it. */
static size_t much_mb(void)
{
	size_t total = meminfo_kb("MemTotal") / KB_PER_MB;

	return total / 3 < 1024 ? total / 3 : 1024;
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

/* Every block may have a page that stays: taken or refused, and nobody's data lost. */
static void M4_pinned_pages(void)
{
	struct user user;
	pid_t pid;

	machine_look();
	pid = user_start(&user, much_mb(), 400);
	load_and_unload();
	user_end(&user, pid);
	/* With the pins gone it works. */
	load_or_skip();
	unload();
	machine_is_whole();
}

/* Of which blocks there are, those that are in use. */
/* The @nth of those blocks from the top that are in use before and not after. */
static unsigned int block_gone(const bool *before, const bool *after, unsigned int nth)
{
	for (unsigned int i = BLOCKS_MAX; i--; )
		if (before[i] && !after[i] && !--nth)
			return i;
	FAIL("not as many blocks were taken");
}

/*
 * Of four blocks the third cannot be had, as a page of it is held: it is passed over, is in use all
 * the while, and another is taken in its place, or the three are given back.
 */
static void M4_the_third_block_is_held(void)
{
	static const char four[] = "vram=coherent vram_mb=512";
	bool before[BLOCKS_MAX], during[BLOCKS_MAX], again[BLOCKS_MAX];
	size_t pages = meminfo_kb("MemAvailable") * KB_PER_MB / PAGE / 4 * 3, i;
	unsigned int third, now;
	uint64_t word;
	int err, ends[2];
	uint64_t *p;

	machine_look();
	if (block_mb() > 128)
		skip("the memory blocks of this machine are larger than 128 MiB");
	blocks_look(before);
	err = load(four);
	if (err) {
		CHECK_EQ(err, -EBUSY);
		machine_is_whole();
		skip("too few memory blocks of this machine can be taken");
	}
	blocks_look(during);
	unload();
	machine_is_whole();
	third = block_gone(before, during, 3);

	p = map_hole(pages);
	for (i = 0; i < pages; i++) {
		p[i * WORDS] = i + 1;
		if (pagemap_of(0, AT(p, i)).pfn * PAGE / MB / block_mb() == third)
			break;
	}
	if (i == pages)
		skip("no page of that block was to be had");
	CHECK_SYS(pipe(ends));
	CHECK_EQ(vmsplice(ends[1], &(struct iovec){ AT(p, i), 8 }, 1, 0), 8);
	if (i + 1 < pages)
		CHECK_SYS(munmap(AT(p, i + 1), (pages - i - 1) * PAGE));
	if (i)
		CHECK_SYS(munmap(p, i * PAGE));

	err = load(four);
	blocks_look(again);
	CHECK(again[third]);
	if (err) {
		CHECK(err == -EBUSY || err == -ETIME);
	} else {
		now = 0;
		for (unsigned int n = 0; n < BLOCKS_MAX; n++)
			now += before[n] && !again[n];
		CHECK_EQ(now, 4);
		unload();
	}
	machine_is_whole();
	CHECK_EQ(read(ends[0], &word, 8), 8);
	CHECK_EQ(word, i + 1);
	CHECK_EQ(p[i * WORDS], i + 1);
}

/*
 * More than can be had, though not more than the machine could spare: where the kernel is and what
 * it has made for itself cannot be moved.  What was taken before that became clear is back.
 */
static void M5_not_all_can_be_had(void)
{
	size_t mb;
	char parameters[64];
	int err;

	machine_look();
	/* A quarter stays, and what is to be available beside it. */
	mb = (machine.total_kb / KB_PER_MB * 11 / 16 - 64) / 128 * 128;
	snprintf(parameters, sizeof(parameters), "vram=coherent vram_mb=%zu", mb);
	err = load(parameters);
	CHECK(!err || err == -EBUSY || err == -ETIME || err == -ENOMEM);
	if (err) {
		CHECK_EQ(log_count("mockgpu: "), 1);
		CHECK_EQ(module_unload(), -ENOENT);
	} else {
		unload();
	}
	machine_is_whole();
}

/* The floor: no load leaves the machine with less, and that is known at once. */
static void M5_the_machine_keeps_some(void)
{
	char parameters[64];
	uint64_t start;

	machine_look();
	snprintf(parameters, sizeof(parameters), "vram=coherent vram_mb=%zu",
		 machine.total_kb / KB_PER_MB * 7 / 8 / 2 * 2);
	start = now_ns();
	CHECK_EQ(load(parameters), -ENOMEM);
	CHECK_LE(now_ns() - start, BOUND_NS);
	CHECK_EQ(log_count("the machine would keep too little"), 1);
	machine_is_whole();
}

static void load_and_exit(void *arg)
{
	/* No handler: the signal would end the call and the process. */
	_exit(load(arg) ? 0 : 3);
}

/* Ctrl-C while it lasts: it ends soon, and nothing is loaded or lost. */
static void M6_interrupted(void)
{
	char parameters[64];
	struct user user;
	uint64_t start;
	pid_t pid, loader;
	int status;

	machine_look();
	pid = user_start(&user, much_mb(), 400);
	snprintf(parameters, sizeof(parameters), "vram=coherent vram_mb=%zu",
		 machine.total_kb / KB_PER_MB / 4 / 128 * 128);
	for (unsigned int i = 0; i < 4; i++) {
		loader = fork();
		CHECK(loader >= 0);
		if (!loader)
			load_and_exit(parameters);
		sleep_ms(50U << (2 * i));
		CHECK_SYS(kill(loader, i % 2 ? SIGKILL : SIGINT));
		start = now_ns();
		CHECK_EQ(waitpid(loader, &status, 0), loader);
		note("ended %llu ms after the signal", (unsigned long long)(now_ns() - start) / 1000000);
		CHECK_LE(now_ns() - start, 2 * BOUND_NS);
		/* The signal may have come when the load was done, or had failed. */
		if (mockgpu_count() > 0)
			unload();
		machine_is_whole();
	}
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

/* Each has its errno and one line. */
static void M8_what_cannot_be_had(void)
{
	static const struct {
		const char *parameters;
		int err;
		const char *line;
	} refused[] = {
		{ "vram=ram", -EINVAL, "vram=ram is not" },
		{ "vram=coherent,private", -EINVAL, "vram= has 2 values for 1 device" },
		{ "vram=coherent coherent_source=swap", -EINVAL, "coherent_source=swap is not" },
		{ "coherent_source=256M", -EINVAL, "coherent_source=256M is not" },
		{ "coherent_source=256M@", -EINVAL, "coherent_source=256M@ is not" },
		{ "coherent_source=0@0x8000000", -EINVAL, "is not" },
		{ "coherent_source=256M@0", -EINVAL, "is not" },
		{ "coherent_source=100M@0x8000000", -EINVAL, "multiples of 128M" },
		{ "coherent_source=256M@0x8000001", -EINVAL, "is not" },
		{ "coherent_source=256M@0xfffffffff8000000", -EINVAL, "is not" },
		{ "vram=coherent coherent_source=128M@0x8000000", -ENOSPC, "takes 256" },
		{ "vram=coherent coherent_source=256M@0x8000000", -EBUSY, "in use" },
		{ "vram=coherent coherent_source=256M@0x8000000000000000", -ERANGE, "cannot map" },
		{ "vram=coherent coherent_source=256M@0x4000000000", -ENXIO, "no memory" },
		{ "vram=coherent vram_mb=1048576", -ENOMEM, "would keep too little" },
		{ "vram=coherent devices=16 vram_mb=1048576", -ENOMEM, "would keep too little" },
	};

	machine_look();
	for (unsigned int i = 0; i < ARRAY_SIZE(refused); i++) {
		log_begin();
		CHECK_EQ(load(refused[i].parameters), refused[i].err);
		if (log_count(refused[i].line) != 1 || log_last_count() != 1)
			FAIL("%s: no line, or more than one", refused[i].parameters);
		CHECK_EQ(module_unload(), -ENOENT);
		machine_is_whole();
	}
}

/* What is private where the kernel can takes no memory out of the machine unless told to. */
static void M8_nothing_is_taken_unasked(void)
{
	static const char *const unasked[] = { "", "vram=auto", "vram=auto coherent_source=auto" };
	int err;

	machine_look();
	for (unsigned int i = 0; i < ARRAY_SIZE(unasked); i++) {
		log_begin();
		err = load(unasked[i]);
		machine_is_whole();
		if (err) {
			CHECK_EQ(err, -EOPNOTSUPP);
			CHECK_EQ(log_count("vram=coherent takes memory out of the machine"), 1);
			CHECK_EQ(log_last_count(), 1);
		} else {
			CHECK_EQ(log_count("took memory"), 0);
			unload();
		}
	}
	log_begin();
	err = load("vram=private");
	if (err) {
		CHECK_EQ(err, -EOPNOTSUPP);
		CHECK_EQ(log_count("vram=private needs CONFIG_DEVICE_PRIVATE"), 1);
	} else {
		unload();
	}
}

#define SCENARIO(name) { #name, name, 150, RELOADS }

const struct scenario scenarios[] = {
	SCENARIO(M1_load_and_unload_20_times),
	SCENARIO(M1_one_device_of_each_type),
	SCENARIO(M2_page_cache_full),
	SCENARIO(M3_anonymous_memory_in_use),
	SCENARIO(M4_pinned_pages),
	SCENARIO(M4_the_third_block_is_held),
	SCENARIO(M5_not_all_can_be_had),
	SCENARIO(M5_the_machine_keeps_some),
	SCENARIO(M6_interrupted),
	SCENARIO(M7_pages_in_use_hold_the_module),
	SCENARIO(M8_what_cannot_be_had),
	SCENARIO(M8_nothing_is_taken_unasked),
	{ 0 }
};
