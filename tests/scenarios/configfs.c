// SPDX-License-Identifier: MIT
/* See configfs.h. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "configfs.h"

#define MOUNTED		"/sys/kernel/config"
#define DEVICES		MOUNTED "/mockgpu"

static void path_of(char path[PATH_MAX], const char *name, const char *attribute)
{
	snprintf(path, PATH_MAX, "%s/%s%s%s", DEVICES, name, attribute ? "/" : "",
		 attribute ? attribute : "");
}

void config_begin(void)
{
	if (!access(DEVICES, F_OK))
		return;
	if (access(MOUNTED, F_OK))
		skip("the kernel has no configfs");
	CHECK_SYS(mount("configfs", MOUNTED, "configfs", 0, NULL));
	CHECK_SYS(access(DEVICES, F_OK));
}

int config_make(const char *name)
{
	char path[PATH_MAX];

	path_of(path, name, NULL);
	return mkdir(path, 0755) ? -errno : 0;
}

int config_remove(const char *name)
{
	char path[PATH_MAX];

	path_of(path, name, NULL);
	return rmdir(path) ? -errno : 0;
}

void config_new(const char *name, const char *vram_mb, const char *type)
{
	CHECK_EQ(config_make(name), 0);
	if (vram_mb)
		CHECK_EQ(config_set(name, "vram_mb", vram_mb), 0);
	if (type)
		CHECK_EQ(config_set(name, "type", type), 0);
}

int config_set(const char *name, const char *attribute, const char *text)
{
	char path[PATH_MAX];

	path_of(path, name, attribute);
	return write_text(path, text);
}

const char *config_get(const char *name, const char *attribute)
{
	static __thread char texts[4][CONFIG_TEXT];
	static __thread unsigned int next;
	char path[PATH_MAX], *text = texts[next++ % 4];
	ssize_t n;
	int fd;

	path_of(path, name, attribute);
	fd = (int)CHECK_SYS(open(path, O_RDONLY | O_CLOEXEC));
	n = CHECK_SYS(read(fd, text, CONFIG_TEXT - 1));
	close(fd);
	text[n] = 0;
	CHECK(n && text[n - 1] == '\n');
	text[n - 1] = 0;
	return text;
}

void config_is(const char *file, int line, const char *name, const char *attribute,
	       const char *text)
{
	const char *is = config_get(name, attribute);

	if (strcmp(is, text))
		fail_at(file, line, "%s of %s: expected '%s', got '%s'", attribute, name, text, is);
}

void config_on(const char *name)
{
	int err = config_set(name, "power", "1");

	for (unsigned int i = 0; i < 3 && (err == -EBUSY || err == -ETIME); i++) {
		note("dropping caches, as no memory can be taken");
		write_number("/proc/sys/vm/drop_caches", 3);
		write_number("/proc/sys/vm/compact_memory", 1);
		sleep_ms(500);
		err = config_set(name, "power", "1");
	}
	if (err == -EBUSY || err == -ETIME)
		skip("too few memory blocks of this machine can be taken");
	CHECK_EQ(err, 0);
	CONFIG_IS(name, "power", "1");
}

struct mockgpu_device *config_open(const char *name)
{
	struct drm_mockgpu_device_info info;
	struct mockgpu_device *dev = NULL;

	CHECK_EQ(mockgpu_open_path(&dev, config_get(name, "node")), 0);
	CHECK_EQ(mockgpu_info(dev, &info), 0);
	CHECK_EQ(info.index, strtol(config_get(name, "index"), NULL, 10));
	CHECK_EQ(info.vram_bytes, strtoull(config_get(name, "vram_mb"), NULL, 10) << 20);
	return dev;
}

void config_use(struct mockgpu_device *dev, size_t pages)
{
	uint16_t tag = new_tag(), other = new_tag();
	struct drm_mockgpu_device_info info;
	void *p = map_filled(pages, tag);

	CHECK_EQ(mockgpu_info(dev, &info), 0);
	TO_VRAM(dev, p, pages);
	CHECK_PLACE(dev, p, pages, IN_VRAM);
	CHECK_EQ(MOCKGPU_RES_DEVICE(gpu_res(dev, p)), info.index);
	GPU_CHECK_FILL(dev, p, pages, tag, 0);
	gpu_fill(dev, p, pages, other, 0);
	CHECK_FILL(p, pages, other, 0);
	CHECK_PLACE(dev, p, pages, TOUCHED(dev));
	unmap(p, pages);
}

void config_end(void)
{
	DIR *dir = opendir(DEVICES);
	struct dirent *entry;
	int err;

	while (dir && (entry = readdir(dir))) {
		if (*entry->d_name == '.')
			continue;
		err = config_remove(entry->d_name);
		note("device %s is removed%s%s", entry->d_name, err ? ": " : "",
		     err ? strerror(-err) : "");
	}
	if (dir)
		closedir(dir);
}
