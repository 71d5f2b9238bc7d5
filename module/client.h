/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_CLIENT_H
#define MOCKGPU_CLIENT_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>

#include "engine.h"

struct control_spec;
struct drm_file;
struct mockgpu_device;
struct quota;
struct svm;
struct vram_charge;

/**
 * struct client - one open file of a device
 * @node: on &mockgpu_device.clients
 * @pinned: stays there; under &mockgpu_device.clients_lock
 * @device: the device; fixed
 * @quota: what the user has who opened it; fixed
 * @charge: its account with the device's VRAM; fixed
 * @attach_lock: one attach at a time
 * @svm: the memory that is attached, or NULL; set once, under @attach_lock, and
 *	read without it
 * @engine: its queues
 */
struct client {
	struct list_head node;
	bool pinned;
	struct mockgpu_device *device;
	struct quota *quota;
	struct vram_charge *charge;
	struct mutex attach_lock; /* for @svm */
	struct svm *svm;
	struct engine engine;
};

struct client *client_create(struct mockgpu_device *device);
void client_destroy(struct client *client);
int client_open(struct mockgpu_device *device, struct drm_file *file);
void client_close(struct drm_file *file);
int client_attach(struct client *client);
struct svm *client_svm(struct client *client);
void client_flush(struct client *client);
int client_arm(struct client *client, const struct control_spec *spec, u64 *id);
int client_errno(const struct client *client, int ret);
void clients_leave(struct mockgpu_device *device);
u64 client_vram_bytes(struct client *client);
u64 client_busy_ns(struct client *client);

#endif
