// SPDX-License-Identifier: MIT
/*
 * Devices made, configured, used and removed at run time through configfs (rows N).  What becomes
 * of the machine's memory meanwhile: M_config.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "configfs.h"
#include "log.h"
#include "module.h"
#include "process.h"

#define MOST		16U	/* devices */
#define MB		(1UL << 20)
#define DRIVER		"/sys/bus/platform/drivers/mockgpu/"
#define PARAMETERS	"/sys/module/mockgpu/parameters/"

static const char *const attributes[] = {
	"vram_mb", "type", "source", "link_mbps", "inject", "index", "node", "power",
};

/* How many devices there were, and of what type their VRAM is. */
static int devices;
static const char *type;

static void set_up(void)
{
	struct mockgpu_device *dev = gpu_open(0);

	type = gpu_has(dev, MOCKGPU_CAP_PRIVATE) ? "private" : "coherent";
	mockgpu_close(dev);
	devices = mockgpu_count();
	config_begin();
}

/* The number of the @nth device that is made. */
static const char *number(int nth)
{
	static char text[12];

	snprintf(text, sizeof(text), "%d", devices + nth);
	return text;
}

static void is_off(const char *name)
{
	CONFIG_IS(name, "power", "0");
	CONFIG_IS(name, "index", "-1");
	CONFIG_IS(name, "node", "");
}

/* A file with one line. */
static const char *line_of(const char *path)
{
	static char line[CONFIG_TEXT];
	FILE *file = fopen(path, "re");

	CHECK(file && fgets(line, sizeof(line), file));
	fclose(file);
	line[strcspn(line, "\n")] = 0;
	return line;
}

static void N1_made_configured_and_used(void)
{
	struct mockgpu_device *dev;
	char node[CONFIG_TEXT];

	set_up();
	CHECK_EQ(config_make("gpu"), 0);
	CHECK_EQ(config_make("gpu"), -EEXIST);
	CONFIG_IS("gpu", "vram_mb", line_of(PARAMETERS "vram_mb"));
	CONFIG_IS("gpu", "source", line_of(PARAMETERS "coherent_source"));
	CONFIG_IS("gpu", "type", *module_vram() ? module_vram() + strlen(" vram=") : "auto");
	CONFIG_IS("gpu", "link_mbps", "0");
	is_off("gpu");
	CHECK_EQ(mockgpu_count(), devices);

	CHECK_EQ(config_set("gpu", "vram_mb", "34\n"), 0);
	CHECK_EQ(config_set("gpu", "type", type), 0);
	config_on("gpu");
	CONFIG_IS("gpu", "index", number(0));
	CHECK_EQ(mockgpu_count(), devices + 1);
	snprintf(node, sizeof(node), "%s", config_get("gpu", "node"));
	CHECK_SYS(access(node, F_OK));
	dev = config_open("gpu");
	CHECK_EQ(gpu_vram_pages(dev), 34 * MB / PAGE);
	CHECK_EQ(gpu_has(dev, MOCKGPU_CAP_PRIVATE), !strcmp(type, "private"));
	config_use(dev, 34 * MB / PAGE);
	mockgpu_close(dev);

	CHECK_EQ(config_set("gpu", "power", "0"), 0);
	is_off("gpu");
	CHECK_EQ(access(node, F_OK), -1);
	CHECK_EQ(mockgpu_count(), devices);
	/* It is still what it was made of, and is that again. */
	CONFIG_IS("gpu", "vram_mb", "34");
	CHECK_EQ(config_set("gpu", "vram_mb", "4"), 0);
	config_on("gpu");
	dev = config_open("gpu");
	config_use(dev, 16);
	mockgpu_close(dev);
	CHECK_EQ(config_remove("gpu"), 0);
	CHECK_EQ(config_remove("gpu"), -ENOENT);
	CHECK_EQ(mockgpu_count(), devices);
}

/* What there is to say of a device, as one text. */
static void describe(const char *name, char text[ARRAY_SIZE(attributes) * CONFIG_TEXT])
{
	*text = 0;
	for (unsigned int i = 0; i < ARRAY_SIZE(attributes); i++) {
		strcat(text, config_get(name, attributes[i]));
		strcat(text, "\n");
	}
}

static void N1_fixed_while_on(void)
{
	static const struct { const char *attribute, *text; } fixed[] = {
		{ "vram_mb", "8" }, { "vram_mb", "4" }, { "type", "auto" }, { "type", "private" },
		{ "type", "coherent" }, { "source", "offline" }, { "source", "auto" },
		{ "source", "128M@0x8000000" },
	};
	char before[ARRAY_SIZE(attributes) * CONFIG_TEXT], after[sizeof(before)];

	set_up();
	config_new("gpu", "4", type);
	config_on("gpu");
	describe("gpu", before);
	for (unsigned int i = 0; i < ARRAY_SIZE(fixed); i++)
		CHECK_EQ(config_set("gpu", fixed[i].attribute, fixed[i].text), -EBUSY);
	/* On is on. */
	CHECK_EQ(config_set("gpu", "power", "1"), 0);
	describe("gpu", after);
	CHECK(!strcmp(before, after));
	CHECK_EQ(config_set("gpu", "link_mbps", "100"), 0);
	CONFIG_IS("gpu", "link_mbps", "100");
	CHECK_EQ(config_set("gpu", "power", "0"), 0);
	CHECK_EQ(config_set("gpu", "power", "0"), 0);
	is_off("gpu");
	for (unsigned int i = 0; i < ARRAY_SIZE(fixed); i++) {
		CHECK_EQ(config_set("gpu", fixed[i].attribute, fixed[i].text), 0);
		CONFIG_IS("gpu", fixed[i].attribute, fixed[i].text);
	}
	CONFIG_IS("gpu", "link_mbps", "100");
}

static void N1_bad_values(void)
{
	static const struct {
		const char *attribute, *text;
		int err;
	} bad[] = {
		{ "vram_mb", "0", -EINVAL }, { "vram_mb", "1", -EINVAL },
		{ "vram_mb", "3", -EINVAL }, { "vram_mb", "1048578", -EINVAL },
		{ "vram_mb", "4294967298", -EINVAL }, { "vram_mb", "-2", -EINVAL },
		{ "vram_mb", "4 4", -EINVAL }, { "vram_mb", "4M", -EINVAL },
		{ "vram_mb", "\n", -EINVAL }, { "vram_mb", "many", -EINVAL },
		{ "type", "ram", -EINVAL }, { "type", "private,coherent", -EINVAL },
		{ "type", "1", -EINVAL }, { "type", "\n", -EINVAL },
		{ "source", "swap", -EINVAL }, { "source", "256M", -EINVAL },
		{ "source", "256M@", -EINVAL }, { "source", "0@0x8000000", -EINVAL },
		{ "source", "256M@0", -EINVAL }, { "source", "100M@0x8000000", -EINVAL },
		{ "source", "256M@0x8000001", -EINVAL }, { "source", "\n", -EINVAL },
		{ "source", "256M@0xfffffffff8000000", -EINVAL },
		{ "link_mbps", "1", -EINVAL }, { "link_mbps", "1048577", -EINVAL },
		{ "link_mbps", "-1", -EINVAL }, { "link_mbps", "fast", -EINVAL },
		{ "power", "2", -EINVAL }, { "power", "-1", -EINVAL },
		{ "power", "on", -EINVAL }, { "power", "\n", -EINVAL },
		{ "index", "3", -EACCES }, { "node", "/dev/null", -EACCES },
		{ "colour", "blue", -ENOENT },
	};
	char before[ARRAY_SIZE(attributes) * CONFIG_TEXT], after[sizeof(before)];

	set_up();
	config_new("gpu", "6", type);
	CHECK_EQ(config_set("gpu", "link_mbps", "64"), 0);
	describe("gpu", before);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		int err = config_set("gpu", bad[i].attribute, bad[i].text);

		describe("gpu", after);
		if (err != bad[i].err || strcmp(before, after))
			FAIL("'%s' as %s: expected %d, got %d; then %s", bad[i].text,
			     bad[i].attribute, bad[i].err, err, after);
	}
	is_off("gpu");
	CHECK_EQ(mockgpu_count(), devices);
}

struct holder {
	int ready, go;
	uint16_t tag;
	size_t pages;
};

/* Has pages in VRAM of the device, and its file open, while that goes. */
static void hold(void *arg)
{
	struct holder *holder = arg;
	struct mockgpu_device *dev = config_open("gpu");
	struct mockgpu_device *other = gpu_open(0);
	void *p = map_filled(holder->pages, holder->tag);
	struct drm_mockgpu_device_info info;

	TO_VRAM(dev, p, holder->pages);
	CHECK_PLACE(dev, p, holder->pages, IN_VRAM);
	gate_open(holder->ready, 1);
	gate_wait(holder->go);
	CHECK_PLACE(other, p, holder->pages, IN_SYSTEM);
	CHECK_FILL(p, holder->pages, holder->tag, 0);
	CHECK_EQ(mockgpu_info(dev, &info), -ENODEV);
	CHECK_EQ(mockgpu_to_vram(dev, p, PAGE), -ENODEV);
	mockgpu_close(dev);
	CHECK_FILL(p, holder->pages, holder->tag, 0);
}

static pid_t holder_start(struct holder *holder)
{
	pid_t pid;

	*holder = (struct holder){ gate_new(), gate_new(), new_tag(), 1000 };
	pid = spawn(hold, holder);
	gate_wait(holder->ready);
	return pid;
}

/* Off while pages are in it and a file is open: they come home, and the next is another device. */
static void N2_off_with_pages_in_it(void)
{
	struct mockgpu_device *dev;
	struct holder holder;
	pid_t pid;

	set_up();
	config_new("gpu", "16", type);
	config_on("gpu");
	pid = holder_start(&holder);
	CHECK_EQ(config_set("gpu", "power", "0"), 0);
	is_off("gpu");
	config_on("gpu");
	CONFIG_IS("gpu", "index", number(0));
	dev = config_open("gpu");
	config_use(dev, 1000);
	gate_open(holder.go, 1);
	join(pid);
	config_use(dev, 1000);
	mockgpu_close(dev);
}

/* The same where the directory goes; what was opened of it says so. */
static void N2_removed_while_on(void)
{
	struct holder holder;
	char text[8];
	pid_t pid;
	int fd;

	set_up();
	config_new("gpu", "16", type);
	fd = (int)CHECK_SYS(open("/sys/kernel/config/mockgpu/gpu/power", O_RDWR | O_CLOEXEC));
	config_on("gpu");
	pid = holder_start(&holder);
	CHECK_EQ(config_remove("gpu"), 0);
	CHECK_EQ(mockgpu_count(), devices);
	CHECK_EQ(read(fd, text, sizeof(text)), -1);
	CHECK_EQ(errno, ENOENT);
	CHECK_EQ(write(fd, "1", 1), -1);
	CHECK_EQ(errno, ENOENT);
	gate_open(holder.go, 1);
	join(pid);
	/* There is one of the name again, and it has nothing to do with that. */
	config_new("gpu", "16", type);
	is_off("gpu");
	CHECK_EQ(write(fd, "1", 1), -1);
	CHECK_EQ(errno, ENOENT);
	is_off("gpu");
	close(fd);
}

static void bind_by_hand(const char *how)
{
	char name[32], path[sizeof(DRIVER) + 16];

	snprintf(name, sizeof(name), "mockgpu%s", number(0));
	snprintf(path, sizeof(path), DRIVER "%s", how);
	CHECK_EQ(write_text(path, name), 0);
}

/* Unbound through sysfs it is on, and has no node; it can be bound again, or switched off. */
static void N2_unbound_by_hand(void)
{
	struct mockgpu_device *dev;
	struct holder holder;
	pid_t pid;

	set_up();
	config_new("gpu", "16", type);
	config_on("gpu");
	pid = holder_start(&holder);
	bind_by_hand("unbind");
	gate_open(holder.go, 1);
	join(pid);
	CHECK_EQ(mockgpu_count(), devices);
	CONFIG_IS("gpu", "power", "1");
	CONFIG_IS("gpu", "index", number(0));
	CONFIG_IS("gpu", "node", "");
	CHECK_EQ(config_set("gpu", "vram_mb", "8"), -EBUSY);
	CHECK_EQ(config_set("gpu", "power", "1"), 0);
	CONFIG_IS("gpu", "node", "");

	bind_by_hand("bind");
	CHECK_EQ(mockgpu_count(), devices + 1);
	dev = config_open("gpu");
	config_use(dev, 1000);
	mockgpu_close(dev);
	bind_by_hand("unbind");
	CHECK_EQ(config_set("gpu", "power", "0"), 0);
	is_off("gpu");
	config_on("gpu");
	dev = config_open("gpu");
	config_use(dev, 1000);
	mockgpu_close(dev);
	bind_by_hand("unbind");
	CHECK_EQ(config_remove("gpu"), 0);
	CHECK_EQ(mockgpu_count(), devices);
}

static int unload_when_idle(void)
{
	uint64_t end = now_ns() + 3 * BOUND_NS;
	int err;

	/* udev may still look at the nodes that came up. */
	while ((err = module_unload()) && now_ns() < end)
		sleep_ms(20);
	return err;
}

/* A directory holds the module, also that of a device that is off. */
static void N2_a_directory_holds_the_module(void)
{
	set_up();
	module_prepare();
	config_new("gpu", "2", "private");
	CHECK_EQ(module_unload(), -EWOULDBLOCK);
	CHECK_EQ(config_remove("gpu"), 0);
	CHECK_EQ(unload_when_idle(), 0);
	/* And there may be no other device at all. */
	CHECK_EQ(module_load("devices=0 vram_mb=34", NULL), 0);
	CHECK_EQ(mockgpu_count(), 0);
	CHECK_EQ(config_make("gpu"), 0);
	CONFIG_IS("gpu", "vram_mb", "34");
	CONFIG_IS("gpu", "type", "auto");
	CHECK_EQ(module_unload(), -EWOULDBLOCK);
	CHECK_EQ(config_remove("gpu"), 0);
	CHECK_EQ(module_unload(), 0);
	CHECK_EQ(module_load("devices=0 vram=coherent,private", NULL), -EINVAL);
	CHECK_EQ(module_load("devices=0 vram=ram", NULL), -EINVAL);
}

static const char *name_of(unsigned int i)
{
	static char names[4][16];
	static unsigned int next;
	char *name = names[next++ % 4];

	snprintf(name, sizeof(names[0]), "gpu%u", i);
	return name;
}

/* There are numbers for 16; the 17th gets none, and the next that is free is the lowest. */
static void N3_sixteen_and_one_more(void)
{
	unsigned int most;

	mockgpu_close(gpu_open_private());
	set_up();
	most = MOST - (unsigned int)devices;
	for (unsigned int i = 0; i <= most; i++)
		config_new(name_of(i), "2", "private");
	for (unsigned int i = 0; i < most; i++) {
		config_on(name_of(i));
		CONFIG_IS(name_of(i), "index", number((int)i));
	}
	CHECK_EQ(mockgpu_count(), MOST);
	log_begin();
	CHECK_EQ(config_set(name_of(most), "power", "1"), -ENOSPC);
	CHECK_EQ(log_count("gets no number"), 1);
	CHECK_EQ(log_last_count(), 1);
	is_off(name_of(most));
	for (unsigned int i = 0; i < most; i++) {
		struct mockgpu_device *dev = config_open(name_of(i));

		config_use(dev, 16);
		mockgpu_close(dev);
	}
	CHECK_EQ(config_set(name_of(7), "power", "0"), 0);
	CHECK_EQ(config_remove(name_of(4)), 0);
	config_on(name_of(most));
	CONFIG_IS(name_of(most), "index", number(4));
	config_on(name_of(7));
	CONFIG_IS(name_of(7), "index", number(7));
	for (unsigned int i = 0; i <= most; i++)
		CHECK_EQ(config_remove(name_of(i)), i == 4 ? -ENOENT : 0);
	CHECK_EQ(mockgpu_count(), devices);
}

/* Each with VRAM of its own, of its own type and size. */
static void N3_both_types_side_by_side(void)
{
	struct mockgpu_device *private, *coherent;
	uint16_t tags[2] = { new_tag(), new_tag() };
	void *p, *q;
	int err;

	set_up();
	config_new("fast", "32", "private");
	config_new("near", "64", "coherent");
	log_begin();
	err = config_set("fast", "power", "1");
	if (err == -EOPNOTSUPP) {
		CHECK_EQ(log_count("type private needs CONFIG_DEVICE_PRIVATE"), 1);
		CHECK_EQ(log_last_count(), 1);
		is_off("fast");
		skip("this kernel has no device-private memory");
	}
	CHECK_EQ(err, 0);
	config_on("near");
	CONFIG_IS("fast", "index", number(0));
	CONFIG_IS("near", "index", number(1));
	private = config_open("fast");
	coherent = config_open("near");
	CHECK(gpu_has(private, MOCKGPU_CAP_PRIVATE) && !gpu_has(private, MOCKGPU_CAP_COHERENT));
	CHECK(gpu_has(coherent, MOCKGPU_CAP_COHERENT) && !gpu_has(coherent, MOCKGPU_CAP_PRIVATE));
	p = map_filled(1000, tags[0]);
	q = map_filled(1000, tags[1]);
	TO_VRAM(private, p, 1000);
	TO_VRAM(coherent, q, 1000);
	CHECK_PLACE(private, p, 1000, IN_VRAM);
	CHECK_PLACE(coherent, q, 1000, IN_VRAM);
	GPU_CHECK_FILL(private, p, 1000, tags[0], 0);
	GPU_CHECK_FILL(coherent, q, 1000, tags[1], 0);
	CHECK_EQ(gpu_counters(private).vram_used_bytes, 1000 * PAGE);
	CHECK_EQ(gpu_counters(coherent).vram_used_bytes, 1000 * PAGE);
	/* One goes, the other does not notice. */
	CHECK_EQ(config_set("fast", "power", "0"), 0);
	CHECK_FILL(p, 1000, tags[0], 0);
	CHECK_PLACE(coherent, p, 1000, IN_SYSTEM);
	CHECK_PLACE(coherent, q, 1000, IN_VRAM);
	GPU_CHECK_FILL(coherent, q, 1000, tags[1], 0);
	mockgpu_close(private);
	mockgpu_close(coherent);
	CHECK_EQ(config_remove("near"), 0);
	CHECK_FILL(q, 1000, tags[1], 0);
}

/* Nobody said where memory for it may come from: private, or nothing. */
static void N3_auto(void)
{
	struct mockgpu_device *dev;
	int err;

	set_up();
	config_new("gpu", "2", "auto");
	CHECK_EQ(config_set("gpu", "source", "auto"), 0);
	log_begin();
	err = config_set("gpu", "power", "1");
	if (err) {
		CHECK_EQ(err, -EOPNOTSUPP);
		CHECK_EQ(log_count("type coherent takes memory out of the machine"), 1);
		CHECK_EQ(log_last_count(), 1);
		is_off("gpu");
		CHECK_EQ(config_set("gpu", "source", "offline"), 0);
		config_on("gpu");
	} else {
		CHECK_EQ(log_count(""), 0);
	}
	dev = config_open("gpu");
	CHECK_EQ(gpu_has(dev, MOCKGPU_CAP_PRIVATE), !err);
	mockgpu_close(dev);
}

struct churner {
	const char *name;
	unsigned int rounds;
};

/*
 * Binds the driver to a device that is on, where others unbound it.  They do not do that: a device
 * that is bound while it comes leaves a string behind in the driver core.
 */
static void bind_again(const char *name)
{
	char number[16];

	snprintf(number, sizeof(number), "mockgpu%s", config_get(name, "index"));
	write_text(DRIVER "bind", number);
}

/* A device comes, is used, and goes in one way or another, while others may unbind it. */
static void churn(void *arg)
{
	const struct churner *churner = arg;
	uint16_t tag = new_tag();
	void *p = map_filled(64, tag);

	for (unsigned int i = 0; i < 2 * churner->rounds; i++) {
		struct mockgpu_device *dev = NULL;
		int err;

		if (i % 2 == 0)
			config_new(churner->name, "2", "private");
		err = config_set(churner->name, "power", "1");
		/* Else it was unbound before it was looked at. */
		CHECK(!err || err == -ENODEV);
		if (i % 3 == 1)
			bind_again(churner->name);
		if (!mockgpu_open_path(&dev, config_get(churner->name, "node"))) {
			err = mockgpu_to_vram(dev, p, 64 * PAGE);
			CHECK(!err || err == -ENODEV || err == -ENOMEM);
		}
		if (i % 3)
			CHECK_EQ(config_set(churner->name, "power", "0"), 0);
		if (i % 2)
			CHECK_EQ(config_remove(churner->name), 0);
		CHECK_FILL(p, 64, tag, 0);
		mockgpu_close(dev);
	}
}

static void unbind_all(void *arg)
{
	char text[ARRAY_SIZE(attributes) * CONFIG_TEXT], name[16];

	(void)arg;
	for (unsigned int i = 0; ; i++) {
		snprintf(name, sizeof(name), "mockgpu%u", devices + i % 5);
		write_text(DRIVER "unbind", name);
		if (i % 16 == 0)
			describe("idle", text);
	}
}

/* Many come and go at once, and are unbound and bound meanwhile. */
static void N5_many_come_and_go(void)
{
	struct churner churners[4];
	pid_t pids[4], unbinder;

	mockgpu_close(gpu_open_private());
	set_up();
	config_new("idle", "2", "private");
	unbinder = spawn(unbind_all, NULL);
	for (unsigned int i = 0; i < 4; i++) {
		churners[i] = (struct churner){ name_of(i), 24 / slowness() + 1 };
		pids[i] = spawn(churn, &churners[i]);
	}
	for (unsigned int i = 0; i < 4; i++)
		join(pids[i]);
	CHECK_SYS(kill(unbinder, SIGKILL));
	join_killed(unbinder, SIGKILL);
	CHECK_EQ(config_remove("idle"), 0);
	CHECK_EQ(mockgpu_count(), devices);
}

#define SCENARIO(name, flags) { #name, name, 120, flags }

const struct scenario scenarios[] = {
	SCENARIO(N1_made_configured_and_used, 0),
	SCENARIO(N1_fixed_while_on, 0),
	SCENARIO(N1_bad_values, 0),
	SCENARIO(N2_off_with_pages_in_it, 0),
	SCENARIO(N2_removed_while_on, 0),
	SCENARIO(N2_unbound_by_hand, 0),
	SCENARIO(N2_a_directory_holds_the_module, RELOADS),
	SCENARIO(N3_sixteen_and_one_more, 0),
	SCENARIO(N3_both_types_side_by_side, 0),
	SCENARIO(N3_auto, 0),
	SCENARIO(N5_many_come_and_go, 0),
	{ 0 }
};
