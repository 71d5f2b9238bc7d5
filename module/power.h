/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_POWER_H
#define MOCKGPU_POWER_H

#include <linux/pm.h>

extern const struct dev_pm_ops power_ops;

int power_init(void);
void power_exit(void);

#endif
