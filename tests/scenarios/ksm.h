/* SPDX-License-Identifier: MIT */
/* Kernel samepage merging, in a hurry. */
#ifndef KSM_H
#define KSM_H

#include <stdbool.h>
#include <stddef.h>

/* Skips where there is no KSM. */
void ksmd_start(void);
void ksmd_stop(void);
bool is_merged(const void *p);
/* Waits until each page of @a is one page with the page of @b. */
void wait_for_merge(const void *a, const void *b, size_t pages);
/* ksmd looks at all that is mergeable @times from end to end. */
void wait_for_scans(unsigned int times);

#endif
