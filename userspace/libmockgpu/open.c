// SPDX-License-Identifier: MIT
/*
 * Finding a device, opening and closing it.
 *
 * The render nodes in /dev/dri are tried one by one.  Those of this driver are
 * known by the name that drmGetVersion() gives, and each by the index that the
 * driver itself reports; the order of nodes means nothing.  Those that sysfs knows for
 * another driver's are not opened, as that may wake hardware.  drmGetDevices2() is not
 * used: it takes platform devices of one name for one device.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>

#include "internal.h"

/* Called for each device of ours with an open @fd, which stays the caller's.  Stops at non-zero. */
typedef int (*visit_fn)(int fd, const char *path, void *arg);

/*
 * 1, or 0 where it is another driver's, or what kept us from asking.  libdrm says why in errno;
 * EFAULT where it had no memory for the kernel to write to.
 */
static int is_mockgpu(int fd)
{
	drmVersionPtr v;
	int yes;

	errno = 0;
	v = drmGetVersion(fd);
	if (!v && (errno == ENOMEM || errno == EFAULT))
		return -ENOMEM;
	if (!v)
		return errno == ENODEV ? -ENODEV : 0;
	yes = v->name && !strcmp(v->name, MOCKGPU_DRIVER_NAME);
	drmFreeVersion(v);
	return yes;
}

static int open_node(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int visit_node(const char *path, visit_fn visit, void *arg, int *denied)
{
	int fd = open_node(path);
	int ret;

	if (fd < 0) {
		/* A node may vanish between the listing and here, or be somebody else's. */
		if (fd == -EACCES || fd == -EPERM)
			*denied = 1;
		return fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM || fd == -EINTR ? fd : 0;
	}
	ret = is_mockgpu(fd);
	if (ret > 0)
		ret = visit(fd, path, arg);
	else if (ret == -ENODEV)	/* it is leaving: as if it had not been there */
		ret = 0;
	close(fd);
	return ret;
}

/* Whether sysfs says that a node is another driver's. */
static int is_others(const char *name)
{
	char path[sizeof("/sys/class/drm//device/driver") + NAME_MAX], driver[PATH_MAX];
	const char *base;
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/class/drm/%s/device/driver", name);
	len = readlink(path, driver, sizeof(driver) - 1);
	if (len < 0)	/* it does not know: the node itself is asked */
		return 0;
	driver[len] = '\0';
	base = strrchr(driver, '/');
	return strcmp(base ? base + 1 : driver, MOCKGPU_DRIVER_NAME) != 0;
}

/*
 * Visits every device of ours.  Returns what stopped the walk, else 0; @denied
 * becomes 1 when a node that might have been ours could not be opened.
 */
static int visit_all(visit_fn visit, void *arg, int *denied)
{
	const char *prefix = DRM_RENDER_MINOR_NAME;
	struct dirent *entry;
	int ret = 0;
	DIR *dir;

	*denied = 0;
	dir = opendir(DRM_DIR_NAME);
	if (!dir)	/* no folder: no node of any driver */
		return errno == ENOENT ? 0 : -errno;

	while (!ret && (entry = readdir(dir))) {
		char path[sizeof(DRM_DIR_NAME) + sizeof(entry->d_name)];

		if (strncmp(entry->d_name, prefix, strlen(prefix)) || is_others(entry->d_name))
			continue;
		snprintf(path, sizeof(path), "%s/%s", DRM_DIR_NAME, entry->d_name);
		ret = visit_node(path, visit, arg, denied);
	}
	closedir(dir);
	return ret;
}

/* Makes a handle of @fd, which it takes over also where it fails, and attaches. */
static int adopt(struct mockgpu_device **dev, int fd, const char *path)
{
	struct drm_mockgpu_attach attach = { 0 };
	size_t len = strlen(path) + 1;
	struct mockgpu_device *new;
	int ret;

	ret = mockgpu_call(fd, DRM_IOCTL_MOCKGPU_ATTACH, &attach);
	if (ret)
		goto err_close;
	new = malloc(sizeof(*new) + len);
	if (!new) {
		ret = -ENOMEM;
		goto err_close;
	}
	new->fd = fd;
	memcpy(new->path, path, len);
	*dev = new;
	return 0;

err_close:
	close(fd);
	return ret;
}

struct wanted {
	unsigned int index;
	struct mockgpu_device *dev;
};

#define FOUND 1

static int open_if_wanted(int fd, const char *path, void *arg)
{
	struct drm_mockgpu_device_info info;
	struct wanted *w = arg;
	int own, ret;

	ret = mockgpu_query(fd, MOCKGPU_QUERY_DEVICE, &info, sizeof(info));
	if (ret == -ENODEV)	/* it is leaving: as if it had not been there */
		return 0;
	if (ret)
		return ret;
	if (info.index != w->index)
		return 0;

	own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		return -errno;
	ret = adopt(&w->dev, own, path);
	return ret ? ret : FOUND;
}

int mockgpu_open(struct mockgpu_device **dev, unsigned int index)
{
	struct wanted w = { .index = index };
	int denied, ret;

	ret = visit_all(open_if_wanted, &w, &denied);
	if (ret < 0)
		return ret;
	if (ret != FOUND)
		return denied ? -EACCES : -ENOENT;
	*dev = w.dev;
	return 0;
}

int mockgpu_open_path(struct mockgpu_device **dev, const char *path)
{
	int fd = open_node(path), ret;

	if (fd < 0)
		return fd;
	ret = is_mockgpu(fd);
	if (ret <= 0) {
		close(fd);
		return ret ? ret : -ENOTSUP;
	}
	return adopt(dev, fd, path);
}

static int count_one(int fd, const char *path, void *arg)
{
	(void)fd;
	(void)path;
	++*(int *)arg;
	return 0;
}

int mockgpu_count(void)
{
	int denied, ret, n = 0;

	ret = visit_all(count_one, &n, &denied);
	if (ret)
		return ret;
	return n || !denied ? n : -EACCES;
}

void mockgpu_close(struct mockgpu_device *dev)
{
	if (!dev)
		return;
	close(dev->fd);
	free(dev);
}

int mockgpu_fd(const struct mockgpu_device *dev)
{
	return dev->fd;
}

const char *mockgpu_path(const struct mockgpu_device *dev)
{
	return dev->path;
}
