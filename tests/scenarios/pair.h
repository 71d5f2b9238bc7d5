/* SPDX-License-Identifier: MIT */
/* Two devices and one memory. */
#ifndef PAIR_H
#define PAIR_H

#include "gpu.h"

/* This process's files of the two; pair_load() opens them, and a child its own with pair_open(). */
extern struct mockgpu_device *pair[2];

/* Loads the module with two devices of the type that scenarios are run for. */
void pair_load(unsigned int vram_mb);
/* Of one with private VRAM and one with coherent VRAM; skips where that cannot be. */
void pair_load_mixed(unsigned int vram_mb);
void pair_open(void);

/* Both say that all of the pages are in the VRAM of device @which. */
#define CHECK_ON(p, pages, which) check_on(__FILE__, __LINE__, (p), (pages), (which))
void check_on(const char *file, int line, const void *p, size_t pages, unsigned int which);

/*
 * Each page is in the VRAM of one of the two, and those are all that is in use there.  Waits for
 * pages that are being freed.  Returns how many are on device 0.
 */
#define CHECK_SHARED_OUT(p, pages) check_shared_out(__FILE__, __LINE__, (p), (pages))
size_t check_shared_out(const char *file, int line, const void *p, size_t pages);

/* So many pages are in use on either; likewise. */
#define PAIR_USES(on_0, on_1) pair_uses(__FILE__, __LINE__, (on_0), (on_1))
void pair_uses(const char *file, int line, size_t on_0, size_t on_1);

#endif
