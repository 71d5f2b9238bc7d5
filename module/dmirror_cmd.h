/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_DMIRROR_CMD_H
#define MOCKGPU_DMIRROR_CMD_H

#include <linux/errno.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/types.h>

struct client;
struct dmirror_args;

/**
 * struct dmirror_file - an open file of a node
 * @client: the file, as all doors have it
 * @queue: number of the queue that makes pages exclusive, or 0; set once
 * @fail_alloc: bit 0: the next attempt to have memory fails
 */
struct dmirror_file {
	struct client *client;
	u32 queue;
	unsigned long fail_alloc;
};

/**
 * dmirror_pause() - between two steps of a call
 *
 * Context: may sleep.
 * Return: 0 or -EINTR.
 */
static inline int dmirror_pause(void)
{
	cond_resched();
	return signal_pending(current) ? -EINTR : 0;
}

int dmirror_access(struct dmirror_file *file, struct dmirror_args *args, bool write);
int dmirror_to_device(struct dmirror_file *file, struct dmirror_args *args);
int dmirror_to_system(struct dmirror_file *file, struct dmirror_args *args);
void dmirror_know(unsigned int device, bool coherent);
int dmirror_snapshot(struct dmirror_file *file, struct dmirror_args *args);
int dmirror_exclusive(struct dmirror_file *file, struct dmirror_args *args);
int dmirror_check_exclusive(struct dmirror_file *file, struct dmirror_args *args);
int dmirror_release(struct dmirror_file *file);

#endif
