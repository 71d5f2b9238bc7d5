/* SPDX-License-Identifier: MIT */
/*
 * Devices that are made through configfs, by the names of their directories.  The harness removes
 * those that a scenario leaves.
 */
#ifndef CONFIGFS_H
#define CONFIGFS_H

#include "gpu.h"

#define CONFIG_TEXT	512

/* Has configfs where it belongs; skips where there is none. */
void config_begin(void);
/* mkdir and rmdir; 0 or a negative errno. */
int config_make(const char *name);
int config_remove(const char *name);
/* Makes a device and says what of; an attribute that is NULL stays as it is.  It has to work. */
void config_new(const char *name, const char *vram_mb, const char *type);
/* Writes an attribute; 0 or a negative errno. */
int config_set(const char *name, const char *attribute, const char *text);
/* An attribute without its newline; valid until the fourth call from now. */
const char *config_get(const char *name, const char *attribute);
/* It says so, and the scenario fails where it does not. */
#define CONFIG_IS(name, attribute, text) \
	config_is(__FILE__, __LINE__, (name), (attribute), (text))
void config_is(const char *file, int line, const char *name, const char *attribute,
	       const char *text);
/*
 * Switches a device on, which has to work, but for memory that this machine cannot do without: the
 * scenario is skipped then.
 */
void config_on(const char *name);
/* Opens a device that is on, and sees that it is that one. */
struct mockgpu_device *config_open(const char *name);
/* Uses so much of its VRAM, from both sides. */
void config_use(struct mockgpu_device *dev, size_t pages);
/* Removes all that there are; for the harness. */
void config_end(void);

#endif
