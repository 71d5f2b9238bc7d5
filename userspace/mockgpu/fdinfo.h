/* SPDX-License-Identifier: MIT */
/* Who has a device open, and what it uses of it: DRM fdinfo of all processes. */
#ifndef MOCKGPU_FDINFO_H
#define MOCKGPU_FDINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define COMMAND_MAX 16

/* One open file of a device: a client, whichever processes have it, and how often. */
struct client {
	dev_t node;
	uint64_t id;
	pid_t pid;			/* the lowest of those that have it */
	unsigned int processes;		/* how many */
	uid_t uid;			/* that process's */
	char command[COMMAND_MAX];	/* that process's, as it calls itself: any bytes */
	uint64_t total_bytes;		/* VRAM */
	uint64_t resident_bytes;
	uint64_t busy_ns;		/* all its queues', since it was opened */
	uint64_t time_ns;		/* when that was so, CLOCK_MONOTONIC */
	pid_t seen;			/* process that was looked at last; the scan's own */
};

struct client_list {
	struct client *clients;
	size_t len;
	size_t room;
};

/*
 * Fills @list with the clients of all nodes that are @wanted, as far as one may look, but for
 * those of process @except.  @proc is where procfs is.  What vanishes meanwhile, or may not be
 * read, is passed over.  Returns 0 or a negative errno: -ENOMEM, or why @proc cannot be read.
 */
int clients_scan(struct client_list *list, const char *proc, pid_t except,
		 bool (*wanted)(dev_t node, void *arg), void *arg);

/* The client of @list that is the one of another scan; or NULL. */
const struct client *clients_find(const struct client_list *list, dev_t node, uint64_t id);

void clients_free(struct client_list *list);

#endif
