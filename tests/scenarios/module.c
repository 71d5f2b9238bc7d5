// SPDX-License-Identifier: MIT
/*
 * The module is loaded with finit_module() and taken out with delete_module(), not with modprobe:
 * that would take out drm as well, and its time would be that of a shell and a decompressor.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mockgpu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gpu.h"
#include "harness.h"
#include "module.h"

#define KO "/run/mockgpu-scenarios.ko"

unsigned int module_default(const char *name, unsigned int otherwise)
{
	const char *p = getenv("MOCKGPU_PARAMS");
	size_t n = strlen(name);

	for (; p && *p; p += strcspn(p, " "), p += strspn(p, " "))
		if (!strncmp(p, name, n) && p[n] == '=')
			otherwise = (unsigned int)strtoul(p + n + 1, NULL, 0);
	return otherwise;
}

/* Where modprobe finds what the module is loaded with; insmod does not look there. */
#define OPTIONS "/etc/modprobe.d/mockgpu.conf"

const char *module_vram(void)
{
	static char text[32];
	char line[512], *value = NULL;
	FILE *file = fopen(OPTIONS, "re");

	if (file && fgets(line, sizeof(line), file))
		value = strstr(line, " vram=");
	/* The type of device 0 is the one that scenarios are run for. */
	snprintf(text, sizeof(text), "%.*s", value ? 1 + (int)strcspn(value + 1, " ,\n") : 0,
		 value ? value : "");
	if (file)
		fclose(file);
	return text;
}

void module_needs_private(void)
{
	struct mockgpu_device *dev = gpu_open_private();

	mockgpu_close(dev);
}

int module_vram_used(uint64_t *bytes)
{
	int n = mockgpu_count();

	if (n <= 0)
		return n ? n : -ENOENT;
	*bytes = 0;
	for (int i = 0; i < n; i++) {
		struct drm_mockgpu_counters counters;
		struct mockgpu_device *dev;
		int err = mockgpu_open(&dev, (unsigned int)i);

		if (err)
			return err;
		err = mockgpu_counters(dev, &counters);
		mockgpu_close(dev);
		if (err)
			return err;
		*bytes += counters.vram_used_bytes;
	}
	return 0;
}

void module_prepare(void)
{
	/* What modprobe would load, from wherever it was installed. */
	int status = system("f=$(modinfo -n mockgpu) && case $f in "
			    "*.xz) xz -dc \"$f\" ;; *.zst) zstd -qdc \"$f\" ;; "
			    "*.gz) gzip -dc \"$f\" ;; *) cat \"$f\" ;; esac >" KO);

	CHECK_EQ(status, 0);
}

int module_load(const char *parameters, uint64_t *ns)
{
	int fd = open(KO, O_RDONLY | O_CLOEXEC), err;
	uint64_t start;

	if (fd < 0)
		return -errno;
	start = now_ns();
	err = syscall(SYS_finit_module, fd, parameters, 0) ? -errno : 0;
	if (ns)
		*ns = now_ns() - start;
	close(fd);
	return err;
}

int module_unload(void)
{
	return syscall(SYS_delete_module, "mockgpu", O_NONBLOCK) ? -errno : 0;
}

static int drive(const char *how, unsigned int index)
{
	char path[64], name[16];

	snprintf(path, sizeof(path), "/sys/bus/platform/drivers/mockgpu/%s", how);
	snprintf(name, sizeof(name), "mockgpu%u", index);
	return write_text(path, name);
}

int device_unbind(unsigned int index)
{
	return drive("unbind", index);
}

int device_bind(unsigned int index)
{
	return drive("bind", index);
}

/*
 * For coherent VRAM: on a machine that has run for long, what the kernel keeps may lie in all blocks
 * of memory that could be taken.  Drops what can be dropped; false: that was done often enough.
 */
static bool make_room(unsigned int *times)
{
	if (!strstr(module_vram(), "coherent") || (*times)++ == 3)
		return false;
	note("dropping caches, as no memory can be taken");
	write_number("/proc/sys/vm/drop_caches", 3);
	write_number("/proc/sys/vm/compact_memory", 1);
	sleep_ms(500);
	return true;
}

/* udev opens new nodes for a moment, and so holds the module. */
static int unload_when_idle(void)
{
	uint64_t end = now_ns() + 3 * BOUND_NS;
	int err;

	do {
		err = module_unload();
		if (err != -EWOULDBLOCK && err != -EBUSY)
			break;
		sleep_ms(20);
	} while (now_ns() < end);
	return err;
}

void module_reload_with(const char *parameters)
{
	unsigned int times = 0;
	char all[160];
	int err;

	module_prepare();
	CHECK_EQ(unload_when_idle(), 0);
	snprintf(all, sizeof(all), "%s%s", parameters, module_vram());
	do {
		err = module_load(all, NULL);
	} while ((err == -EBUSY || err == -ETIME) && make_room(&times));
	CHECK_EQ(err, 0);
}

void module_reload(unsigned int devices, unsigned int vram_mb)
{
	char parameters[64];

	snprintf(parameters, sizeof(parameters), "devices=%u vram_mb=%u", devices, vram_mb);
	module_reload_with(parameters);
	CHECK_EQ(mockgpu_count(), devices);
}

int module_restore(void)
{
	struct drm_mockgpu_device_info info;
	struct mockgpu_device *dev;
	int err = unload_when_idle();
	unsigned int times = 0;

	if (err && err != -ENOENT)
		note("rmmod: %s", strerror(-err));
	while (system("modprobe mockgpu"))
		if (!make_room(&times))
			return -1;
	if (mockgpu_count() != (int)DEFAULT_DEVICES || mockgpu_open(&dev, 0))
		return -1;
	err = mockgpu_info(dev, &info);
	mockgpu_close(dev);
	return err || info.vram_bytes != (uint64_t)DEFAULT_VRAM_MB << 20 ? -1 : 0;
}
