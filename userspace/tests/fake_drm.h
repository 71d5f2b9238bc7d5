/* SPDX-License-Identifier: MIT */
/*
 * A machine with render nodes that is not there: stands in for the folder
 * /dev/dri, drmGetVersion(), open(2), ioctl(2) and readlink(2).  Linked into a program, these
 * come before the ones in the shared libraries.
 *
 * Behind node N is a character device that every machine has, so that open,
 * dup, close and fork are the kernel's; its ioctls go to fake_ioctl.
 */
#ifndef FAKE_DRM_H
#define FAKE_DRM_H

#define FAKE_NODES_MAX 4

struct fake_node {
	const char *name;	/* in /dev/dri, such as renderD128 */
	const char *driver;	/* what drmGetVersion() says, or NULL: it fails */
	int open_errno;		/* open() fails with it */
	int version_errno;	/* drmGetVersion() fails with it */
};

extern const struct fake_node *fake_nodes;
extern int fake_nodes_len;	/* or a negative errno for opendir() */
extern int fake_sysfs;		/* whether sysfs knows which driver a node is of */
extern int fake_open_flags;	/* of the last open() of a node */

/* Returns 0 or a negative errno. @node: index into fake_nodes. */
extern int (*fake_ioctl)(int node, unsigned long request, void *arg);

/* An event log with what FAKE_LOG says (fake_log.c); 0 or a negative errno. */
struct drm_mockgpu_log_open;
int fake_log_open(struct drm_mockgpu_log_open *l);

#endif
