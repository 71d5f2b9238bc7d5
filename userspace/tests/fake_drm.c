// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xf86drm.h>

#include "fake_drm.h"

const struct fake_node *fake_nodes;
int fake_nodes_len;
int fake_open_flags;
int (*fake_ioctl)(int node, unsigned long request, void *arg);

int ioctl(int fd, unsigned long request, ...);

static const struct fake_node *node_by_path(const char *path)
{
	int i;

	for (i = 0; i < fake_nodes_len; i++) {
		if (!strcmp(fake_nodes[i].path, path))
			return &fake_nodes[i];
	}
	return NULL;
}

static int node_by_fd(int fd)
{
	struct stat a, b;
	int i;

	if (fstat(fd, &a))
		return -1;
	for (i = 0; i < fake_nodes_len; i++) {
		if (!stat(fake_nodes[i].path, &b) && a.st_rdev == b.st_rdev && S_ISCHR(a.st_mode))
			return i;
	}
	return -1;
}

__attribute__((visibility("default"))) int open(const char *path, int flags, ...)
{
	const struct fake_node *node = node_by_path(path);
	int mode = 0;
	va_list ap;

	if (flags & O_CREAT) {
		va_start(ap, flags);
		mode = va_arg(ap, int);
		va_end(ap);
	}
	if (node) {
		fake_open_flags = flags;
		if (node->open_errno) {
			errno = node->open_errno;
			return -1;
		}
	}
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

__attribute__((visibility("default"))) int ioctl(int fd, unsigned long request, ...)
{
	int node = node_by_fd(fd), ret;
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (node < 0 || (request >> 8 & 0xff) != DRM_IOCTL_BASE)
		return (int)syscall(SYS_ioctl, fd, request, arg);
	ret = fake_ioctl(node, request, arg);
	if (!ret)
		return 0;
	errno = -ret;
	return -1;
}

static drmDevicePtr make_device(const struct fake_node *node)
{
	drmDevicePtr dev = calloc(1, sizeof(*dev));
	char **nodes = calloc(DRM_NODE_MAX, sizeof(*nodes));
	int kind = node->no_render ? DRM_NODE_PRIMARY : DRM_NODE_RENDER;

	if (!dev || !nodes)
		abort();
	nodes[kind] = strdup(node->path);
	dev->nodes = nodes;
	dev->available_nodes = 1 << kind;
	dev->bustype = DRM_BUS_PLATFORM;
	return dev;
}

__attribute__((visibility("default")))
int drmGetDevices2(uint32_t flags, drmDevicePtr devices[], int max_devices)
{
	int i;

	(void)flags;
	for (i = 0; devices && i < fake_nodes_len && i < max_devices; i++)
		devices[i] = make_device(&fake_nodes[i]);
	return fake_nodes_len;
}

__attribute__((visibility("default"))) void drmFreeDevices(drmDevicePtr devices[], int count)
{
	int i, n;

	for (i = 0; i < count; i++) {
		for (n = 0; n < DRM_NODE_MAX; n++)
			free(devices[i]->nodes[n]);
		free(devices[i]->nodes);
		free(devices[i]);
	}
}

__attribute__((visibility("default"))) drmVersionPtr drmGetVersion(int fd)
{
	int node = node_by_fd(fd);
	drmVersionPtr v;

	if (node < 0 || !fake_nodes[node].driver)
		return NULL;
	v = calloc(1, sizeof(*v));
	if (!v)
		abort();
	v->version_major = 1;
	v->version_minor = 2;
	v->version_patchlevel = 3;
	v->name = strdup(fake_nodes[node].driver);
	v->desc = strdup("GPU \"without\" hardware");
	return v;
}

__attribute__((visibility("default"))) void drmFreeVersion(drmVersionPtr v)
{
	free(v->name);
	free(v->desc);
	free(v);
}
