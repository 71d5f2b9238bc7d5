// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xf86drm.h>

#include "fake_drm.h"

const struct fake_node *fake_nodes;
int fake_nodes_len;
int fake_sysfs;
int fake_open_flags;
int (*fake_ioctl)(int node, unsigned long request, void *arg);

int ioctl(int fd, unsigned long request, ...);

static const char *const backing[FAKE_NODES_MAX] = {
	"/dev/null", "/dev/zero", "/dev/full", "/dev/urandom",
};

static int node_by_path(const char *path)
{
	size_t len = strlen(DRM_DIR_NAME "/");
	int i;

	if (strncmp(path, DRM_DIR_NAME "/", len))
		return -1;
	for (i = 0; i < fake_nodes_len; i++) {
		if (!strcmp(fake_nodes[i].name, path + len))
			return i;
	}
	return -1;
}

static int node_by_fd(int fd)
{
	struct stat a, b;
	int i;

	if (fstat(fd, &a) || !S_ISCHR(a.st_mode))
		return -1;
	for (i = 0; i < fake_nodes_len; i++) {
		if (!stat(backing[i], &b) && a.st_rdev == b.st_rdev)
			return i;
	}
	return -1;
}

static char dri[] = "/tmp/mockgpu-dri-XXXXXX";
static DIR *dri_dir;

static void remove_dri(void)
{
	char path[64];
	int i;

	for (i = 0; i < fake_nodes_len; i++) {
		snprintf(path, sizeof(path), "%s/%s", dri, fake_nodes[i].name);
		rmdir(path);
	}
	rmdir(dri);
	memset(dri + sizeof(dri) - 7, 'X', 6);
}

static void make_dri(void)
{
	char path[64];
	int i;

	if (!mkdtemp(dri))
		abort();
	for (i = 0; i < fake_nodes_len; i++) {
		snprintf(path, sizeof(path), "%s/%s", dri, fake_nodes[i].name);
		if (mkdir(path, 0700))
			abort();
	}
}

/*
 * For /dev/dri: a folder with the names of the nodes, for as long as it is open.  For /proc:
 * the one that FAKE_PROC names, if it names one.
 */
__attribute__((visibility("default"))) DIR *opendir(const char *path)
{
	int is_dri = !strcmp(path, DRM_DIR_NAME), fd;

	if (!strcmp(path, "/proc") && getenv("FAKE_PROC"))
		path = getenv("FAKE_PROC");
	if (is_dri && fake_nodes_len < 0) {
		errno = -fake_nodes_len;
		return NULL;
	}
	if (is_dri)
		make_dri();
	fd = (int)syscall(SYS_openat, AT_FDCWD, is_dri ? dri : path,
			  O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return NULL;
	if (!is_dri)
		return fdopendir(fd);
	dri_dir = fdopendir(fd);
	return dri_dir;
}

__attribute__((visibility("default"))) int closedir(DIR *d)
{
	int (*real)(DIR *dir) = (int (*)(DIR *dir))dlsym(RTLD_NEXT, "closedir");

	if (d == dri_dir) {
		remove_dri();
		dri_dir = NULL;
	}
	return real(d);
}

__attribute__((visibility("default"))) int open(const char *path, int flags, ...)
{
	int node = node_by_path(path), mode = 0;
	va_list ap;

	if (flags & O_CREAT) {
		va_start(ap, flags);
		mode = va_arg(ap, int);
		va_end(ap);
	}
	if (node >= 0) {
		fake_open_flags = flags;
		if (fake_nodes[node].open_errno) {
			errno = fake_nodes[node].open_errno;
			return -1;
		}
		path = backing[node];
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

/* For the driver of a node: what it is, where sysfs knows that; nothing of this machine's. */
__attribute__((visibility("default"))) ssize_t readlink(const char *path, char *buf, size_t size)
{
	const char *drm = "/sys/class/drm/", *name = path + strlen(drm);
	size_t len = strcspn(name, "/");
	int i;

	if (strncmp(path, drm, strlen(drm)))
		return syscall(SYS_readlinkat, AT_FDCWD, path, buf, size);
	for (i = 0; fake_sysfs && i < fake_nodes_len; i++) {
		if (strlen(fake_nodes[i].name) == len && !strncmp(fake_nodes[i].name, name, len))
			return snprintf(buf, size, "../../bus/x/drivers/%s", fake_nodes[i].driver);
	}
	errno = ENOENT;
	return -1;
}

__attribute__((visibility("default"))) drmVersionPtr drmGetVersion(int fd)
{
	int node = node_by_fd(fd);
	drmVersionPtr v;

	errno = node < 0 ? ENOTTY : fake_nodes[node].version_errno;
	if (errno || !fake_nodes[node].driver)
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
