/* SPDX-License-Identifier: MIT */
/* The kernel log while a scenario runs: markers in it, and a search for splats. */
#ifndef KMSG_H
#define KMSG_H

#include <stdbool.h>

/* False: kmsg_error() says why. */
bool kmsg_open(void);
const char *kmsg_error(void);

void kmsg_begin(const char *name);
/* True if a line since kmsg_begin() fits a pattern; prints it.  @oom: but for the OOM killer's. */
bool kmsg_end(const char *name, bool oom);

#endif
