/* SPDX-License-Identifier: MIT */
/* Loading and unloading the module, and looking at it from outside of a scenario. */
#ifndef MODULE_H
#define MODULE_H

#include <stdint.h>

/* The parameters that scenarios find when they start: those of MOCKGPU_PARAMS, or the module's. */
#define DEFAULT_DEVICES	module_default("devices", 1)
#define DEFAULT_VRAM_MB	module_default("vram_mb", 256)
unsigned int module_default(const char *name, unsigned int otherwise);

/* " vram=TYPE", as modprobe gives it to the module, for module_load(); or "". */
const char *module_vram(void);

/* Skips where VRAM is not private, before the module is loaded with other parameters. */
void module_needs_private(void);

/* VRAM in use, on all devices; 0 or a negative errno. */
int module_vram_used(uint64_t *bytes);

/* The module's file, ready for module_load(); call it before what is to be timed. */
void module_prepare(void);
/* insmod with @parameters; 0 or a negative errno.  @ns: time that the call took, or NULL. */
int module_load(const char *parameters, uint64_t *ns);
/* rmmod; 0 or a negative errno. */
int module_unload(void);
/* A device leaves, and comes back as a new one; 0 or a negative errno. */
int device_unbind(unsigned int index);
int device_bind(unsigned int index);
/* Unloads and loads, in a scenario with the flag RELOADS; fails it where they fail. */
void module_reload(unsigned int devices, unsigned int vram_mb);
/* The same with any parameters, beside the type of VRAM. */
void module_reload_with(const char *parameters);
/* Back to the defaults; 0 or -1. */
int module_restore(void);

#endif
