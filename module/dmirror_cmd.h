/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_DMIRROR_CMD_H
#define MOCKGPU_DMIRROR_CMD_H

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

int dmirror_access(struct dmirror_file *file, struct dmirror_args *args, bool write);
int dmirror_to_device(struct dmirror_file *file, struct dmirror_args *args);
int dmirror_to_system(struct dmirror_file *file, struct dmirror_args *args);
int dmirror_snapshot(struct dmirror_file *file, struct dmirror_args *args);
int dmirror_exclusive(struct dmirror_file *file, struct dmirror_args *args);
int dmirror_check_exclusive(struct dmirror_file *file, struct dmirror_args *args);
int dmirror_release(struct dmirror_file *file);

/* What the calls need of the nodes. */
bool dmirror_is_coherent(unsigned int device);

#endif
