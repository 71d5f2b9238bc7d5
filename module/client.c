// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * One open file: the memory that is attached to it, and its account.
 *
 * A file works on one address space and no other, the one of the process that
 * attached it.  Who else comes to hold the file, by fork or over a socket, has
 * another address space and is refused.
 *
 * Closing takes nothing home: pages in VRAM belong to whoever maps them.
 *
 * Locking: &client.attach_lock, around the one change that there is.
 */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include <drm/drm_file.h>

#include "client.h"
#include "control.h"
#include "device.h"
#include "svm.h"
#include "vram.h"

/**
 * client_create() - somebody opened a device, through whichever door
 * @device: device
 *
 * Context: may sleep.
 * Return: the client, or NULL where there is no memory.
 */
struct client *client_create(struct mockgpu_device *device)
{
	struct client *client;

	if (control_no_memory())
		return NULL;
	client = kzalloc(sizeof(*client), GFP_KERNEL);
	if (!client)
		return NULL;
	client->charge = vram_charge_create();
	if (!client->charge) {
		kfree(client);
		return NULL;
	}
	client->device = device;
	mutex_init(&client->attach_lock);
	engine_init(&client->engine);
	return client;
}

/**
 * client_destroy() - undo client_create()
 * @client: client that nobody calls any more
 *
 * Context: may sleep.
 */
void client_destroy(struct client *client)
{
	control_hit(CONTROL_CLOSE, NULL, 0);
	engine_fini(&client->engine);
	if (client->svm)
		svm_destroy(client->svm);
	vram_charge_close(&client->device->vram, client->charge);
	mutex_destroy(&client->attach_lock);
	kfree(client);
}

/**
 * client_open() - a file of the device was opened
 * @device: device
 * @file: the file; its driver_priv is set
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int client_open(struct mockgpu_device *device, struct drm_file *file)
{
	file->driver_priv = client_create(device);
	return file->driver_priv ? 0 : -ENOMEM;
}

/**
 * client_close() - a file was closed for the last time
 * @file: the file
 *
 * Context: may sleep.
 */
void client_close(struct drm_file *file)
{
	/* First: what is held may be held by what is to end. */
	control_disarm(file);
	client_destroy(file->driver_priv);
}

/**
 * client_attach() - attach the calling process's memory
 * @client: file
 *
 * Context: may sleep.
 * Return: 0, -EPERM (another process's memory is attached), -ENOMEM, -EINTR.
 */
int client_attach(struct client *client)
{
	struct svm *svm;
	int ret = 0;

	if (mutex_lock_interruptible(&client->attach_lock))
		return -EINTR;
	if (client->svm) {
		if (!svm_is_of(client->svm, current->mm))
			ret = -EPERM;
		goto out;
	}
	svm = svm_create(&client->device->vram, client->charge, &client->device->stats);
	if (!svm)
		ret = -ENOMEM;
	else
		/* Pairs with client_svm(), which reads it without the lock. */
		smp_store_release(&client->svm, svm);
out:
	mutex_unlock(&client->attach_lock);
	return ret;
}

/**
 * client_svm() - the attached memory, for a call that takes an address
 * @client: file
 *
 * Return: the memory; or an ERR_PTR: -ENXIO (none is attached), -EPERM (it is not
 * the caller's).
 */
struct svm *client_svm(struct client *client)
{
	/* Pairs with client_attach(). */
	struct svm *svm = smp_load_acquire(&client->svm);

	if (!svm)
		return ERR_PTR(-ENXIO);
	if (!svm_is_of(svm, current->mm))
		return ERR_PTR(-EPERM);
	return svm;
}

/**
 * client_flush() - a process gives up its hold on the file
 * @client: file
 *
 * When it is the process whose memory is attached, and it dies, its queues have
 * nothing to work for, even if others still hold the file: a queue that waits for
 * user space would keep the memory.
 *
 * Context: may sleep.
 */
void client_flush(struct client *client)
{
	/* Pairs with client_attach(). */
	struct svm *svm = smp_load_acquire(&client->svm);

	if (svm && (current->flags & PF_EXITING) && svm->owner == task_tgid(current))
		engine_abort(&client->engine);
}

/**
 * client_vram_bytes() - how much VRAM the file's calls have taken
 * @client: file
 *
 * Context: any.
 * Return: bytes.
 */
u64 client_vram_bytes(struct client *client)
{
	return vram_charge_pages(&client->device->vram, client->charge) * PAGE_SIZE;
}
