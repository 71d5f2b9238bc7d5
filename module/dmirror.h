/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_DMIRROR_H
#define MOCKGPU_DMIRROR_H

struct mockgpu_device;

int dmirror_init(void);
void dmirror_exit(void);
int dmirror_add(struct mockgpu_device *device);
void dmirror_remove(struct mockgpu_device *device);

#endif
