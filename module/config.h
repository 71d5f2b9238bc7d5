/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_CONFIG_H
#define MOCKGPU_CONFIG_H

#include <linux/kconfig.h>

#include "devices.h"

/**
 * struct config_defaults - what a new device is to be made of, unless it is told otherwise
 * @vram_mb: size of its VRAM
 * @type: type of it
 * @source: where memory for coherent VRAM is to come from; stays valid
 */
struct config_defaults {
	unsigned int vram_mb;
	enum devices_type type;
	const char *source;
};

#if IS_ENABLED(CONFIG_CONFIGFS_FS)
int config_init(const struct config_defaults *defaults);
void config_exit(void);
#else
static inline int config_init(const struct config_defaults *defaults)
{
	return 0;
}

static inline void config_exit(void)
{
}
#endif

#endif
