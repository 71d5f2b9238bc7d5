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
 * When the device leaves, the file stays with those who hold it, and nothing else: what was
 * armed by way of it is gone, and so are its queues.
 *
 * Locking: &client.attach_lock, around the one change that there is.
 * &mockgpu_device.clients_lock for which files there are; outside &engine.lock.  It is not
 * held while queues are waited for, which may take as long as a command: the file is pinned.
 */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include <drm/drm_file.h>

#include "client.h"
#include "control.h"
#include "device.h"
#include "quota.h"
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
	client = kzalloc(sizeof(*client), GFP_KERNEL_ACCOUNT);
	if (!client)
		return NULL;
	client->quota = quota_of_caller();
	if (!client->quota)
		goto err_free;
	client->charge = vram_charge_create(&device->vram, client->quota);
	if (!client->charge)
		goto err_quota;
	client->device = device;
	mutex_init(&client->attach_lock);
	engine_init(&client->engine, client->quota);
	mutex_lock(&device->clients_lock);
	list_add_tail(&client->node, &device->clients);
	if (device->leaves)
		engine_leave(&client->engine);
	mutex_unlock(&device->clients_lock);
	return client;

err_quota:
	quota_put(client->quota);
err_free:
	kfree(client);
	return NULL;
}

/* Take a file off its device's list, as soon as the device does not work on it. */
static void client_unlist(struct client *client)
{
	struct mockgpu_device *device = client->device;

	mutex_lock(&device->clients_lock);
	while (client->pinned) {
		mutex_unlock(&device->clients_lock);
		wait_event(device->clients_unpinned, !READ_ONCE(client->pinned));
		mutex_lock(&device->clients_lock);
	}
	list_del(&client->node);
	mutex_unlock(&device->clients_lock);
}

/**
 * client_destroy() - undo client_create()
 * @client: client that nobody calls any more
 *
 * Context: may sleep.
 */
void client_destroy(struct client *client)
{
	struct mockgpu_device *device = client->device;

	control_hit(CONTROL_CLOSE, &device->vram.present, NULL, 0);
	/* On the list until then: a device that leaves waits for the queues of all who are. */
	engine_fini(&client->engine);
	client_unlist(client);
	if (client->svm)
		svm_destroy(client->svm);
	vram_charge_close(&device->vram, client->charge);
	quota_put(client->quota);
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
	control_disarm(file->driver_priv);
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
 * client_arm() - arm a point by way of a file
 * @client: file, which it belongs to
 * @spec: what; checked by the caller
 * @id: its number, from 1
 *
 * Context: may sleep.
 * Return: 0, -ENOSPC, -ENOMEM, or -ENODEV where nobody could release it.
 */
int client_arm(struct client *client, const struct control_spec *spec, u64 *id)
{
	struct mockgpu_device *device = client->device;
	int ret = -ENODEV;

	mutex_lock(&device->clients_lock);
	if (!device->leaves)
		ret = control_arm(spec, client, id);
	mutex_unlock(&device->clients_lock);
	return ret;
}

/**
 * client_errno() - what to answer where something of a file's was not found
 * @client: file
 * @ret: what the search said
 *
 * Context: any.
 * Return: -ENODEV if it is gone with the device, else @ret.
 */
int client_errno(const struct client *client, int ret)
{
	return ret == -ENOENT && READ_ONCE(client->device->leaves) ? -ENODEV : ret;
}

/**
 * clients_leave() - a device leaves, and all that its files have going on there ends
 * @device: device
 *
 * Whoever waits for it is told that, and commands that are being executed stop with -ENODEV.
 * Nobody begins anything of this kind any more.  No thread of a queue is left.
 *
 * Context: sleeps until the command that each queue executes can be left.
 */
void clients_leave(struct mockgpu_device *device)
{
	struct client *client;

	mutex_lock(&device->clients_lock);
	WRITE_ONCE(device->leaves, true);
	/* All at once, so that none waits for the one before. */
	list_for_each_entry(client, &device->clients, node) {
		control_disarm(client);
		engine_leave(&client->engine);
	}
	/* Who comes now has no queues, and who is pinned stays on the list. */
	list_for_each_entry(client, &device->clients, node) {
		if (engine_is_empty(&client->engine))
			continue;
		client->pinned = true;
		mutex_unlock(&device->clients_lock);
		engine_fini(&client->engine);
		mutex_lock(&device->clients_lock);
		WRITE_ONCE(client->pinned, false);
		wake_up_all(&device->clients_unpinned);
	}
	mutex_unlock(&device->clients_lock);
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

/**
 * client_busy_ns() - how long the file's queues have executed submissions
 * @client: file
 *
 * Context: may sleep.
 * Return: nanoseconds, of all queues together.
 */
u64 client_busy_ns(struct client *client)
{
	return engine_busy_ns(&client->engine);
}
