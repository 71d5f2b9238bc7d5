// SPDX-License-Identifier: MIT
/*
 * Devices with coherent VRAM that are made through configfs (rows M10 to M13): each takes memory
 * out of the machine when it is switched on, and gives all of it back when it goes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "blocks.h"
#include "configfs.h"
#include "log.h"
#include "machine.h"
#include "module.h"
#include "process.h"
#include "sleep.h"

/* The machine is as it was, and the module is there, with no device. */
static void set_up(void)
{
	machine_look();
	CHECK_EQ(load("devices=0"), 0);
	CHECK_EQ(mockgpu_count(), 0);
	machine_is_whole();
	config_begin();
	log_begin();
}

/* So much memory is missing, in whole blocks. */
static void machine_lacks(size_t mb)
{
	size_t blocks = (mb + block_mb() - 1) / block_mb();

	CHECK_EQ(blocks_online(), machine.online - blocks);
	CHECK_LE(meminfo_kb("MemTotal"), machine.total_kb + machine.online * 2 * KB_PER_MB -
			mb * KB_PER_MB);
}

/* It is off, and nothing came of it but a line with @text. */
static void stays_off(const char *name, const char *text)
{
	if (log_count(text) != 1 || log_last_count() != 1)
		FAIL("no line with '%s', or more than one", text);
	CONFIG_IS(name, "power", "0");
	CONFIG_IS(name, "index", "-1");
	CHECK_EQ(mockgpu_count(), 0);
	machine_is_whole();
}

static void use(const char *name, size_t mb)
{
	struct mockgpu_device *dev = config_open(name);

	CHECK(gpu_has(dev, MOCKGPU_CAP_COHERENT) && !gpu_has(dev, MOCKGPU_CAP_PRIVATE));
	config_use(dev, mb * MB / PAGE);
	mockgpu_close(dev);
}

static void M10_power_takes_memory(void)
{
	set_up();
	for (unsigned int i = 0; i < 4; i++) {
		config_new("gpu", "256", "coherent");
		machine_is_whole();
		config_on("gpu");
		machine_lacks(256);
		CHECK_GE(log_count("took memory"), 1);
		use("gpu", i ? 2 : 256);
		if (i % 2)
			CHECK_EQ(config_set("gpu", "power", "0"), 0);
		else
			CHECK_EQ(config_remove("gpu"), 0);
		CHECK_GE(log_count("gave back memory"), 1);
		machine_is_whole();
		CHECK_EQ(config_remove("gpu"), i % 2 ? 0 : -ENOENT);
	}
	unload();
	machine_is_whole();
}

/* One that goes takes nothing from another; unbound by hand, a device keeps its memory. */
static void M10_each_has_its_own(void)
{
	uint16_t tag = new_tag();
	struct mockgpu_device *dev;
	void *p;

	set_up();
	config_new("first", "100", "coherent");
	config_new("second", "128", "coherent");
	config_on("first");
	config_on("second");
	machine_lacks(2 * (block_mb() > 128 ? block_mb() : 128));
	dev = config_open("second");
	p = map_filled(1000, tag);
	TO_VRAM(dev, p, 1000);
	use("first", 100);
	CHECK_EQ(config_set("first", "power", "0"), 0);
	machine_lacks(128);
	CHECK_PLACE(dev, p, 1000, IN_VRAM);
	CHECK_FILL(p, 1000, tag, 0);
	CHECK_EQ(write_text("/sys/bus/platform/drivers/mockgpu/unbind", "mockgpu1"), 0);
	CHECK_FILL(p, 1000, tag, 0);
	machine_lacks(128);
	CHECK_EQ(write_text("/sys/bus/platform/drivers/mockgpu/bind", "mockgpu1"), 0);
	use("second", 128);
	CHECK_EQ(config_remove("second"), 0);
	machine_is_whole();
	mockgpu_close(dev);
}

static void power_on(void *name)
{
	/* No handler: the signal ends the call and the process. */
	_exit(config_set(name, "power", "1") ? 3 : 0);
}

/* Ctrl-C and worse, sooner and later: off, and nothing is lost. */
static void M11_interrupted(void)
{
	unsigned int interrupted = 0;
	char name[] = "gpu", mb[24];
	struct user user;
	pid_t pid;

	set_up();
	snprintf(mb, sizeof(mb), "%zu", machine.total_kb / KB_PER_MB / 4 / 128 * 128);
	config_new(name, mb, "coherent");
	pid = user_start(&user, much_mb(), 400);
	for (unsigned int i = 0; i < 4; i++) {
		pid_t setter = (pid_t)CHECK_SYS(fork());
		uint64_t start;
		int status;

		if (!setter)
			power_on(name);
		/* At any time will do, and not each is in time. */
		sleep_ms(50U << (2 * i));
		CHECK_SYS(kill(setter, i % 2 ? SIGKILL : SIGINT));
		start = now_ns();
		CHECK_EQ(waitpid(setter, &status, 0), setter);
		CHECK_LE(now_ns() - start, 2 * BOUND_NS);
		if (log_count(": interrupted")) {
			interrupted++;
			CHECK(WIFSIGNALED(status));
			CONFIG_IS(name, "power", "0");
		}
		CHECK_EQ(config_set(name, "power", "0"), 0);
		machine_is_whole();
	}
	CHECK_GE(interrupted, 1);
	user_end(&user, pid);
}

/* Each has its errno and one line. */
static void M12_what_cannot_be_had(void)
{
	static const struct {
		const char *vram_mb, *source;
		int err;
		const char *line;
	} refused[] = {
		{ "1048576", "offline", -ENOMEM, "would keep too little" },
		{ "256", "128M@0x8000000", -ENOSPC, "source has 128 MiB, coherent VRAM takes 256" },
		{ "256", "256M@0x8000000", -EBUSY, "source at 0x8000000 cannot be used: the" },
		{ "256", "256M@0x8000000000000000", -ERANGE, "cannot map" },
		{ "256", "256M@0x4000000000", -ENXIO, "no memory" },
	};

	set_up();
	config_new("gpu", NULL, "coherent");
	for (unsigned int i = 0; i < ARRAY_SIZE(refused); i++) {
		CHECK_EQ(config_set("gpu", "vram_mb", refused[i].vram_mb), 0);
		CHECK_EQ(config_set("gpu", "source", refused[i].source), 0);
		CHECK_EQ(config_set("gpu", "power", "1"), refused[i].err);
		stays_off("gpu", refused[i].line);
	}
	/* None of them has kept a number. */
	CHECK_EQ(config_set("gpu", "vram_mb", "128"), 0);
	CHECK_EQ(config_set("gpu", "source", "offline"), 0);
	config_on("gpu");
	CONFIG_IS("gpu", "index", "0");
	use("gpu", 2);
}

/* A range that the machine left out when it booted is one device's at a time. */
static void M13_a_range_left_out_at_boot(void)
{
	uint64_t start, bytes;
	char source[64];

	if (!range_left_out(&start, &bytes))
		skip("memmap= left no memory out when this machine booted");
	set_up();
	snprintf(source, sizeof(source), "%lluM@%#llx", (unsigned long long)(bytes / MB),
		 (unsigned long long)start);
	config_new("gpu", "128", "coherent");
	CHECK_EQ(config_set("gpu", "source", source), 0);
	config_new("other", "128", "coherent");
	CHECK_EQ(config_set("other", "source", source), 0);
	CHECK_EQ(config_set("gpu", "power", "1"), 0);
	CHECK(range_is(start, bytes, "mockgpu VRAM"));
	machine_is_whole();
	CHECK_EQ(config_set("other", "power", "1"), -EBUSY);
	use("gpu", 128);
	CHECK_EQ(config_remove("gpu"), 0);
	CHECK(!range_is(start, bytes, "mockgpu VRAM"));
	CHECK_EQ(config_set("other", "power", "1"), 0);
	use("other", 128);
	CHECK_EQ(log_count("took memory"), 0);
}

static void switch_off(void *unused)
{
	/* Without anything to end it, it would not come back. */
	CHECK(signal(SIGALRM, SIG_DFL) != SIG_ERR);
	alarm(1);
	config_set("gpu", "power", "0");
	FAIL("the device was off, or the call ended");
}

/*
 * Nobody can move a page that is pinned, and so the device that it is in cannot go.  Who wants it
 * to can be killed, and who removes its directory comes back; others come and go.
 */
static void M14_off_with_a_pinned_page(void)
{
	uint16_t tag = new_tag();
	struct mockgpu_device *dev;
	void *p = map_filled(64, tag);
	struct iovec part = { p, PAGE };
	uint64_t start, end;
	int fds[2];

	set_up();
	config_new("gpu", "128", "coherent");
	config_on("gpu");
	dev = config_open("gpu");
	TO_VRAM(dev, p, 64);
	CHECK_SYS(pipe(fds));
	CHECK_EQ(vmsplice(fds[1], &part, 1, 0), PAGE);
	start = now_ns();
	join_killed(spawn(switch_off, NULL), SIGALRM);
	CHECK_LE(now_ns() - start, NS_PER_S + BOUND_NS);
	/* It goes, and nobody waits for that who asks. */
	start = now_ns();
	CONFIG_IS("gpu", "power", "1");
	CONFIG_IS("gpu", "node", "");
	CHECK_EQ(config_set("gpu", "power", "1"), -EBUSY);
	CHECK_EQ(config_set("gpu", "vram_mb", "64"), -EBUSY);
	CHECK_EQ(config_set("gpu", "link_mbps", "100"), 0);
	CHECK_LE(now_ns() - start, BOUND_NS);
	start = now_ns();
	CHECK_EQ(config_remove("gpu"), 0);
	CHECK_LE(now_ns() - start, 10 * NS_PER_S + BOUND_NS);
	/* Who has the page could let it go no more. */
	if (!access("/sys/power/pm_test", F_OK)) {
		CHECK_EQ(write_text("/sys/power/pm_freeze_timeout", "2000"), 0);
		CHECK_EQ(sleep_suspend(TO_DEVICES), -EBUSY);
		CHECK_EQ(write_text("/sys/power/pm_freeze_timeout", "20000"), 0);
	}
	/* It has its number, and its memory. */
	CHECK_EQ(config_make("gpu"), 0);
	CONFIG_IS("gpu", "power", "0");
	CHECK_EQ(config_set("gpu", "vram_mb", "2"), 0);
	CHECK_EQ(config_set("gpu", "type", "private"), 0);
	if (!config_set("gpu", "power", "1"))
		CONFIG_IS("gpu", "index", "1");
	CHECK_EQ(config_remove("gpu"), 0);
	CHECK_GE(machine.online - 1, blocks_online());
	CHECK_EQ(module_unload(), -EWOULDBLOCK);

	close(fds[0]);
	close(fds[1]);
	mockgpu_close(dev);
	for (end = now_ns() + 3 * BOUND_NS; blocks_online() != machine.online; sleep_ms(10))
		CHECK_LE(now_ns(), end);
	machine_is_whole();
	CHECK_FILL(p, 64, tag, 0);
	CHECK_EQ(config_make("gpu"), 0);
	CHECK_EQ(config_remove("gpu"), 0);
}

#define SCENARIO(name) { #name, name, 150, RELOADS }

const struct scenario scenarios[] = {
	SCENARIO(M10_power_takes_memory),
	SCENARIO(M10_each_has_its_own),
	SCENARIO(M11_interrupted),
	SCENARIO(M12_what_cannot_be_had),
	SCENARIO(M13_a_range_left_out_at_boot),
	SCENARIO(M14_off_with_a_pinned_page),
	{ 0 }
};
