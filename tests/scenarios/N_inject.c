// SPDX-License-Identifier: MIT
/*
 * What is injected into one device by way of its directory in configfs (row N6): steps fail or
 * take longer there, and nowhere else.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "configfs.h"
#include "points.h"
#include "process.h"
#include "queue.h"

#define INJECT		"/sys/kernel/config/mockgpu/gpu/inject"
#define ARMS_MAX	16
#define LONG_NS		(60 * NS_PER_S)

#define INJECT_EQ(text)	CONFIG_IS("gpu", "inject", (text))

static void inject(const char *text)
{
	CHECK_EQ(config_set("gpu", "inject", text), 0);
}

/* A device that is off, of the type that the others have. */
static void new_device(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	bool private = gpu_has(dev, MOCKGPU_CAP_PRIVATE);

	mockgpu_close(dev);
	config_begin();
	config_new("gpu", "16", private ? "private" : "coherent");
	INJECT_EQ("none");
}

static struct mockgpu_device *device_on(void)
{
	config_on("gpu");
	return config_open("gpu");
}

/* What the one line says that there is. */
static void counted(uint64_t *hits, uint64_t *acted)
{
	const char *line = config_get("gpu", "inject"), *at = strstr(line, " hits=");

	CHECK(at && !strchr(line, '\n'));
	CHECK(sscanf(at, " hits=%lu acted=%lu", hits, acted) == 2);
}

/* Waits until reading tells that. */
static void await(const char *text)
{
	uint64_t end = now_ns() + 3 * BOUND_NS;

	while (!strstr(config_get("gpu", "inject"), text)) {
		CHECK_LE(now_ns(), end);
		sleep_ms(1);
	}
}

static void move(struct mockgpu_device *dev, unsigned int target, int ret, uint8_t status)
{
	uint16_t tag = new_tag();
	void *p = map_filled(1, tag);

	if (target == MOCKGPU_TARGET_SYSTEM)
		TO_VRAM(dev, p, 1);
	CHECK_MIGRATE(dev, p, 1, target, 0, ret, &status);
	/* What cannot come home is there for the device; the CPU would have to wait for it. */
	if (ret && target == MOCKGPU_TARGET_SYSTEM)
		GPU_CHECK_FILL(dev, p, 1, tag, 0);
	else
		CHECK_FILL(p, 1, tag, 0);
	unmap(p, 1);
}

static void copy(struct mockgpu_device *dev, int err)
{
	move(dev, MOCKGPU_TARGET_VRAM, 0, err ? MOCKGPU_PAGE_COPY_FAILED : MOCKGPU_PAGE_MOVED);
}

static void go_home(struct mockgpu_device *dev, int err)
{
	move(dev, MOCKGPU_TARGET_SYSTEM, err, err ? MOCKGPU_PAGE_NO_RAM : MOCKGPU_PAGE_MOVED);
}

static void take_vram(struct mockgpu_device *dev, int err)
{
	move(dev, MOCKGPU_TARGET_VRAM, err, err ? MOCKGPU_PAGE_NO_VRAM : MOCKGPU_PAGE_MOVED);
}

static void collect(struct mockgpu_device *dev, int err)
{
	move(dev, MOCKGPU_TARGET_VRAM, err, MOCKGPU_PAGE_MOVED);
}

static void fault(struct mockgpu_device *dev, int err)
{
	void *p = map_filled(1, new_tag());
	uint64_t word;

	CHECK_EQ(mockgpu_read(dev, &word, p, sizeof(word), NULL), err);
	unmap(p, 1);
}

static void look(struct mockgpu_device *dev, int err)
{
	void *p = map_filled(1, new_tag());
	uint32_t res;

	CHECK_EQ(mockgpu_residency(dev, p, PAGE, &res), err);
	unmap(p, 1);
}

static void execute(struct mockgpu_device *dev, int err)
{
	static uint64_t word;
	struct drm_mockgpu_cmd cmd = cmd_load(&word, 8);
	struct drm_mockgpu_result result = { 0 };
	struct queue q = queue_new(dev);

	CHECK_EQ(mockgpu_run(dev, q.id, &cmd, 1, &result), err);
	CHECK_EQ(result.error, err);
	queue_destroy(q);
}

/* A way to have something fail; and what comes of it, there. */
struct way {
	const char *text;
	void (*run)(struct mockgpu_device *dev, int err);
	int err;
	const char *left;	/* what the line says afterwards, if that is known */
};

static const struct way ways[] = {
	{ "copy fail", copy, -EIO, "copy fail hits=1 acted=1" },
	{ "alloc-ram fail", go_home, -ENOMEM, NULL },
	{ "alloc-vram fail", take_vram, -ENOMEM, NULL },
	{ "page-lock fail count=1", collect, 0, NULL },
	{ "gpu-fault fail", fault, -EFAULT, "gpu-fault fail hits=1 acted=1" },
	{ "gpu-fault fail EDEADLK\n", fault, -EDEADLK, "gpu-fault fail EDEADLK hits=1 acted=1" },
	{ "gpu-fault-asked fail count=1", fault, 0,
	  "gpu-fault-asked fail count=1 hits=2 acted=1" },
	{ "look-asked fail count=1\n", look, 0, "look-asked fail count=1 hits=2 acted=1" },
	{ "command fail", execute, -EIO, "command fail hits=1 acted=1" },
	{ "command fail EPERM", execute, -EPERM, "command fail EPERM hits=1 acted=1" },
	{ "command fail 1", execute, -EPERM, "command fail EPERM hits=1 acted=1" },
	{ "command fail ENOENT", execute, -ENOENT, "command fail ENOENT hits=1 acted=1" },
	{ "command fail EIO", execute, -EIO, "command fail EIO hits=1 acted=1" },
	{ "command fail ENXIO", execute, -ENXIO, "command fail ENXIO hits=1 acted=1" },
	{ "command fail ENOMEM", execute, -ENOMEM, "command fail ENOMEM hits=1 acted=1" },
	{ "command fail EACCES", execute, -EACCES, "command fail EACCES hits=1 acted=1" },
	{ "command fail EFAULT", execute, -EFAULT, "command fail EFAULT hits=1 acted=1" },
	{ "command fail EBUSY", execute, -EBUSY, "command fail EBUSY hits=1 acted=1" },
	{ "command fail ENODEV", execute, -ENODEV, "command fail ENODEV hits=1 acted=1" },
	{ "command fail EINVAL", execute, -EINVAL, "command fail EINVAL hits=1 acted=1" },
	{ "command fail ENOSPC", execute, -ENOSPC, "command fail ENOSPC hits=1 acted=1" },
	{ "command fail ERANGE", execute, -ERANGE, "command fail ERANGE hits=1 acted=1" },
	{ "command fail EOVERFLOW", execute, -EOVERFLOW,
	  "command fail EOVERFLOW hits=1 acted=1" },
	{ "command fail EOPNOTSUPP", execute, -EOPNOTSUPP,
	  "command fail EOPNOTSUPP hits=1 acted=1" },
	{ "command fail ETIME", execute, -ETIME, "command fail ETIME hits=1 acted=1" },
	{ "command fail ETIMEDOUT", execute, -ETIMEDOUT,
	  "command fail ETIMEDOUT hits=1 acted=1" },
	{ "command fail ESTALE", execute, -ESTALE, "command fail ESTALE hits=1 acted=1" },
	{ "command fail EDQUOT", execute, -EDQUOT, "command fail EDQUOT hits=1 acted=1" },
	{ "command fail ECANCELED", execute, -ECANCELED,
	  "command fail ECANCELED hits=1 acted=1" },
	{ "command fail EHWPOISON", execute, -EHWPOISON,
	  "command fail EHWPOISON hits=1 acted=1" },
	{ " command\tfail 0x26  first=1 chance=100%\n\n", execute, -ENOSYS,
	  "command fail 38 hits=1 acted=1" },
};

/* The device whose directory it is fails; another does not, and does not count. */
static void N6_only_the_one_fails(void)
{
	struct mockgpu_device *here, *there = gpu_open(0);
	uint64_t hits, acted;
	char before[CONFIG_TEXT];

	new_device();
	here = device_on();
	for (unsigned int i = 0; i < ARRAY_SIZE(ways); i++) {
		const struct way *way = &ways[i];

		note("%s", way->text);
		inject(way->text);
		way->run(there, 0);
		counted(&hits, &acted);
		CHECK_EQ(hits, 0);
		way->run(here, way->err);
		counted(&hits, &acted);
		CHECK_GE(acted, 1);
		if (way->left)
			INJECT_EQ(way->left);
		snprintf(before, sizeof(before), "%s", config_get("gpu", "inject"));
		way->run(there, 0);
		INJECT_EQ(before);
		inject(i % 2 ? "none" : "\n");
		INJECT_EQ("none");
		way->run(here, 0);
	}
}

/* Others on the list, of the same directory and of one that is off, are no hindrance. */
static void N6_which_hits(void)
{
	struct mockgpu_device *dev;
	uint64_t hits, acted;

	new_device();
	config_new("off", "2", NULL);
	CHECK_EQ(config_set("off", "inject", "command fail EPERM"), 0);
	dev = device_on();
	inject("command fail ENOSPC first=2 count=2");
	inject("command fail ETIME first=3");
	INJECT_EQ("command fail ENOSPC first=2 count=2 hits=0 acted=0\n"
		  "command fail ETIME first=3 hits=0 acted=0");
	execute(dev, 0);
	execute(dev, -ENOSPC);
	execute(dev, -ENOSPC);
	/* The second has not been hit where the first failed the step. */
	execute(dev, 0);
	execute(dev, -ETIME);
	INJECT_EQ("command fail ENOSPC first=2 count=2 hits=5 acted=2\n"
		  "command fail ETIME first=3 hits=3 acted=1");
	CONFIG_IS("off", "inject", "command fail EPERM hits=0 acted=0");
	CHECK_EQ(config_remove("off"), 0);
	inject("none");

	/* 64 hits of which each fails with one half. */
	inject("copy fail chance=50%");
	INJECT_EQ("copy fail chance=32768 hits=0 acted=0");
	for (unsigned int i = 0; i < 64; i++) {
		void *p = map_filled(1, new_tag());
		int err = mockgpu_to_vram(dev, p, PAGE);

		CHECK(!err || err == -EBUSY);
		unmap(p, 1);
	}
	counted(&hits, &acted);
	CHECK_EQ(hits, 64);
	CHECK_GE(acted, 8);
	CHECK_LE(acted, 56);
	inject("none");
	inject("copy fail chance=65535");
	INJECT_EQ("copy fail chance=65535 hits=0 acted=0");
	inject("none");
	inject("copy fail chance=65536");
	INJECT_EQ("copy fail hits=0 acted=0");
}

static void N6_delay(void)
{
	struct mockgpu_device *here, *there = gpu_open(0);
	uint64_t start;

	new_device();
	here = device_on();
	inject("command delay 300 count=1");
	execute(there, 0);
	INJECT_EQ("command delay 300 count=1 hits=0 acted=0");
	start = now_ns();
	execute(here, 0);
	CHECK_GE(now_ns() - start, 300000000);
	INJECT_EQ("command delay 300 count=1 hits=1 acted=1");
	execute(here, 0);
	INJECT_EQ("command delay 300 count=1 hits=2 acted=1");
}

/* What was injected stays while the device is off, and is about the one that comes next. */
static void N6_off_and_on(void)
{
	struct mockgpu_device *dev, *old;
	void *p;

	new_device();
	inject("command fail EDQUOT");
	dev = device_on();
	execute(dev, -EDQUOT);
	CHECK_EQ(config_set("gpu", "power", "0"), 0);
	mockgpu_close(dev);
	INJECT_EQ("command fail EDQUOT hits=1 acted=1");
	dev = device_on();
	execute(dev, -EDQUOT);
	INJECT_EQ("command fail EDQUOT hits=2 acted=2");
	inject("none");
	mockgpu_close(dev);

	/* A file of the device that was has the number of the one that is, and is not of it. */
	old = config_open("gpu");
	p = map_filled(1, new_tag());
	fault(old, 0);
	CHECK_EQ(mockgpu_read(old, &(uint64_t){ 0 }, p, 8, NULL), 0);
	CHECK_EQ(config_set("gpu", "power", "0"), 0);
	config_on("gpu");
	inject("notifier delay 1");
	unmap(p, 1);
	INJECT_EQ("notifier delay 1 hits=0 acted=0");
	dev = config_open("gpu");
	fault(dev, 0);
	CHECK(strcmp(config_get("gpu", "inject"), "notifier delay 1 hits=0 acted=0"));
	mockgpu_close(old);
	mockgpu_close(dev);
}

/* Unbound by hand and bound again it is the same device. */
static void N6_unbound_by_hand(void)
{
	static const char driver[] = "/sys/bus/platform/drivers/mockgpu/";
	struct mockgpu_device *dev;
	char name[32], path[64];

	new_device();
	inject("command fail ENXIO");
	mockgpu_close(device_on());
	snprintf(name, sizeof(name), "mockgpu%s", config_get("gpu", "index"));
	snprintf(path, sizeof(path), "%sunbind", driver);
	CHECK_EQ(write_text(path, name), 0);
	snprintf(path, sizeof(path), "%sbind", driver);
	CHECK_EQ(write_text(path, name), 0);
	dev = config_open("gpu");
	execute(dev, -ENXIO);
	INJECT_EQ("command fail ENXIO hits=1 acted=1");
}

/* Who is held goes on as soon as nothing is injected any more. */
static void N6_let_go(void)
{
	static uint64_t word;
	struct drm_mockgpu_cmd cmd = cmd_load(&word, 8);
	struct drm_mockgpu_result result = { 0 };
	struct queue q;
	uint64_t start, seqno;

	new_device();
	q = queue_new(device_on());
	inject("command delay 60000");
	start = now_ns();
	seqno = submit(q, &cmd, 1, &result);
	await("hits=1");
	inject("none");
	FINISHES(q, seqno, 0);
	CHECK_LE(now_ns() - start, LONG_NS / 2);
}

/* What holds a device that is to go, goes first; and a directory of that name is another. */
static void N6_removed(void)
{
	static uint64_t word;
	struct drm_mockgpu_cmd cmd = cmd_load(&word, 8);
	struct mockgpu_device *dev;
	uint64_t start;
	struct queue q;

	new_device();
	dev = device_on();
	q = queue_new(dev);
	inject("command delay 60000");
	inject("unplug delay 60000");
	submit(q, &cmd, 1, NULL);
	await("command delay 60000 hits=1");
	start = now_ns();
	CHECK_EQ(config_remove("gpu"), 0);
	CHECK_LE(now_ns() - start, LONG_NS / 2);
	mockgpu_close(dev);
	new_device();
	dev = device_on();
	execute(dev, 0);
	INJECT_EQ("none");
}

static void N6_bad_text_changes_nothing(void)
{
	static const char *const bad[] = {
		"copy", "fail", "copy wait", "copy count", "copy fail fail", "copy FAIL", "Copy fail",
		"copyfail", "copy fail,", "copy, fail", "no-such fail", "none none", "none fail",
		"copy none", "copy fail none", "0", "*", "=", "copy =", "copy fail =",
		/* What the point cannot do. */
		"copy delay 1", "migrate-copied fail", "copy fail EIO", "page-lock fail EBUSY",
		"alloc fail", "evict fail", "command wait", "command wait 1", "command count",
		/* Errors that there are not, or that may not be. */
		"command fail EAGAIN", "command fail EINTR", "command fail eio", "command fail -5",
		"command fail 0", "command fail 4", "command fail 11", "command fail 134",
		"command fail 512", "command fail 5x", "command fail EIO EIO", "command fail EIO 5",
		"command fail first=1 EIO",
		/* Times. */
		"command delay", "command delay 0", "command delay -1", "command delay 60001",
		"command delay 1 EIO", "command delay ms", "command delay 1s",
		"command delay 4294967297", "command delay count=1",
		/* Options. */
		"copy fail first", "copy fail first=", "copy fail first=0", "copy fail first=-1",
		"copy fail first=1x", "copy fail first= 1", "copy fail first=18446744073709551616",
		"copy fail first=1 first=1", "copy fail count=0", "copy fail count=",
		"copy fail count=1 count=2", "copy fail chance=0", "copy fail chance=0%",
		"copy fail chance=65537", "copy fail chance=101%", "copy fail chance=%",
		"copy fail chance=5%%", "copy fail chance=5% chance=5%", "copy fail chance=-1",
		"copy fail chance=1/2", "copy fail seed=1", "copy fail pid=1", "copy fail hits=0",
		"copy fail First=1",
		/* More than one line. */
		"copy fail\ncopy fail", "none\ncopy fail", "copy fail first=1\ncount=1",
		"copy fail first=1\n count=1", "command fail 5\n first=1",
	};
	char before[CONFIG_TEXT];

	new_device();
	inject("copy fail first=5 count=3 chance=7");
	copy(device_on(), 0);
	snprintf(before, sizeof(before), "%s", config_get("gpu", "inject"));
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		int err = config_set("gpu", "inject", bad[i]);

		if (err != -EINVAL)
			FAIL("'%s': expected %d, got %d", bad[i], -EINVAL, err);
		INJECT_EQ(before);
	}
	CONFIG_IS("gpu", "power", "1");
}

static void without_right(void *unused)
{
	/* Whoever may write the file. */
	CHECK_SYS(chmod(INJECT, 0666));
	lose_capability();
	CHECK_EQ(config_set("gpu", "inject", "command fail"), -EPERM);
	CHECK_EQ(config_set("gpu", "inject", "none"), -EPERM);
	CHECK_EQ(config_set("gpu", "inject", "\n"), -EPERM);
	CHECK_EQ(config_set("gpu", "inject", "bad"), -EPERM);
	INJECT_EQ("command fail EIO hits=0 acted=0");
	CHECK_EQ(config_set("gpu", "link_mbps", "100"), 0);
}

static void N6_needs_the_right(void)
{
	new_device();
	inject("command fail EIO");
	join(spawn(without_right, NULL));
	INJECT_EQ("command fail EIO hits=0 acted=0");
	inject("none");
	INJECT_EQ("none");
}

/* There can be so many, however long they are; each is there to be read. */
static void N6_so_many(void)
{
	static const char longest[] = "gpu-fault fail EOPNOTSUPP first=18446744073709551615 "
				      "count=18446744073709551615 chance=65535";
	unsigned int lines = 0;
	char line[256];
	FILE *file;

	new_device();
	for (unsigned int i = 0; i < ARMS_MAX; i++)
		inject(longest);
	CHECK_EQ(config_set("gpu", "inject", longest), -ENOSPC);
	file = fopen(INJECT, "re");
	CHECK(file);
	while (fgets(line, sizeof(line), file)) {
		CHECK(!strncmp(line, longest, strlen(longest)));
		CHECK(!strcmp(line + strlen(longest), " hits=0 acted=0\n"));
		lines++;
	}
	fclose(file);
	CHECK_EQ(lines, ARMS_MAX);
	inject("none");
	INJECT_EQ("none");
	for (unsigned int i = 0; i < ARMS_MAX; i++)
		inject("copy fail");
	CHECK_EQ(config_set("gpu", "inject", "copy fail"), -ENOSPC);
}

/* The same by a file of the device. */
static void N6_by_a_file(void)
{
	struct mockgpu_device *here, *there = gpu_open(0);
	struct arm mine, any;

	new_device();
	here = device_on();
	mine = BREAK(here, "command", .error = -EXDEV, .flags = MOCKGPU_POINT_THIS_DEVICE);
	any = TALLY(there, "command");
	execute(there, 0);
	CHECK_EQ(arm_look(mine).hits, 0);
	execute(here, -EXDEV);
	CHECK_EQ(arm_look(mine).hits, 1);
	execute(there, 0);
	CHECK_EQ(arm_look(mine).hits, 1);
	CHECK_EQ(arm_look(any).hits, 2);
	arm_release(mine);
	execute(here, 0);
	CHECK_EQ(arm_look(any).hits, 3);
	/* What belongs to a file is none of the directory's. */
	INJECT_EQ("none");
	inject("none");
	BREAK(here, "command", .error = -EXDEV);
	inject("none");
	execute(there, -EXDEV);
}

#define SCENARIO(name, deadline) { #name, name, deadline, 0 }

const struct scenario scenarios[] = {
	SCENARIO(N6_only_the_one_fails, 0),
	SCENARIO(N6_which_hits, 0),
	SCENARIO(N6_delay, 0),
	SCENARIO(N6_off_and_on, 0),
	SCENARIO(N6_unbound_by_hand, 0),
	SCENARIO(N6_let_go, 0),
	SCENARIO(N6_removed, 0),
	SCENARIO(N6_bad_text_changes_nothing, 0),
	SCENARIO(N6_needs_the_right, 0),
	SCENARIO(N6_so_many, 0),
	SCENARIO(N6_by_a_file, 0),
	{ 0 }
};
