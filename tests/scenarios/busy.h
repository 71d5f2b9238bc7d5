/* SPDX-License-Identifier: MIT */
/* Commands that keep a queue busy, each in its own way, for much longer than a test takes. */
#ifndef BUSY_H
#define BUSY_H

#include "queue.h"

enum busy { DELAYED, WAITING, FILLING, ADDING, CHASING, AT_BARRIER, FAULTING, BUSY_WAYS };

extern const char *const busy_name[];

/* Whether a queue of this device can be busy in this way. */
bool busy_is_possible(struct mockgpu_device *dev, enum busy how);
/* Submits what keeps the queue busy; the memory that it works on lasts. */
uint64_t keep_busy(struct queue q, enum busy how);

#endif
