// SPDX-License-Identifier: MIT
/*
 * What /proc/PID/fdinfo says of a client, in the form that the kernel's drm-usage-stats demands:
 * "key:\tvalue", sizes with an optional unit of KiB or MiB.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu.h"
#include "process.h"

/* Room for all of it. */
struct fdinfo {
	char text[4096];
};

static void fdinfo_read(struct fdinfo *info, int fd)
{
	char path[64];
	size_t n;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "r");
	CHECK(file);
	n = fread(info->text, 1, sizeof(info->text) - 1, file);
	info->text[n] = '\0';
	fclose(file);
}

/* The value behind "key:\t"; fails where the key is not there, or there twice. */
static const char *fdinfo_value(const struct fdinfo *info, const char *key)
{
	const char *value = NULL;

	for (const char *line = info->text; *line; line = strchr(line, '\n') + 1) {
		if (strncmp(line, key, strlen(key)) || strncmp(line + strlen(key), ":\t", 2))
			continue;
		if (value)
			FAIL("%s stands there twice", key);
		value = line + strlen(key) + 2;
	}
	if (!value)
		FAIL("no %s in fdinfo:\n%s", key, info->text);
	return value;
}

static uint64_t fdinfo_bytes(const struct fdinfo *info, const char *key)
{
	char *unit;
	uint64_t bytes = strtoull(fdinfo_value(info, key), &unit, 10);

	if (!strncmp(unit, " KiB\n", 5))
		return bytes << 10;
	if (!strncmp(unit, " MiB\n", 5))
		return bytes << 20;
	CHECK_EQ(*unit, '\n');
	return bytes;
}

static void check_usage(struct mockgpu_device *dev, size_t pages)
{
	struct fdinfo info;

	fdinfo_read(&info, mockgpu_fd(dev));
	CHECK_EQ(fdinfo_bytes(&info, "drm-total-vram"), pages * PAGE);
	CHECK_EQ(fdinfo_bytes(&info, "drm-resident-vram"), pages * PAGE);
	CHECK_EQ(fdinfo_bytes(&info, "drm-shared-vram"), 0);
}

static void L4_fdinfo_counts_what_a_client_has_in_vram(void)
{
	struct mockgpu_device *dev = gpu_open_private(), *other = gpu_open_private();
	uint16_t tag = new_tag();
	void *p = map_filled(300, tag);

	check_usage(dev, 0);
	TO_VRAM(dev, p, 300);
	check_usage(dev, 300);
	check_usage(other, 0);
	CHECK_FILL(p, 7, tag, 0);
	check_usage(dev, 293);
	unmap(AT(p, 7), 293);
	check_usage(dev, 0);
}

static void L4_fdinfo_names_driver_and_client(void)
{
	struct mockgpu_device *dev = gpu_open(0), *other = gpu_open(0);
	struct fdinfo info, others;

	fdinfo_read(&info, mockgpu_fd(dev));
	fdinfo_read(&others, mockgpu_fd(other));
	CHECK(!strncmp(fdinfo_value(&info, "drm-driver"), "mockgpu\n", 8));
	CHECK(strtoull(fdinfo_value(&info, "drm-client-id"), NULL, 10) !=
	      strtoull(fdinfo_value(&others, "drm-client-id"), NULL, 10));
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(L4_fdinfo_counts_what_a_client_has_in_vram),
	SCENARIO(L4_fdinfo_names_driver_and_client),
	{ 0 }
};
