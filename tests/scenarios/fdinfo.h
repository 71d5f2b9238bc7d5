/* SPDX-License-Identifier: MIT */
/* What /proc/PID/fdinfo says of a client, and whether it keeps to the kernel's rules. */
#ifndef FDINFO_H
#define FDINFO_H

#include <stdbool.h>
#include <stdint.h>

/* Room for all of it. */
struct fdinfo {
	char text[4096];
};

/* That of a file of this process; it has to keep to the rules. */
void fdinfo_read(struct fdinfo *info, int fd);

/* The value behind "key:\t"; fails where the key is not there. */
const char *fdinfo_value(const struct fdinfo *info, const char *key);
uint64_t fdinfo_number(const struct fdinfo *info, const char *key);
/* A size, which may have a unit. */
uint64_t fdinfo_bytes(const struct fdinfo *info, const char *key);

/* For how long queues were busy. */
uint64_t fdinfo_busy_ns(int fd);

/*
 * Whether this breaks a rule of the kernel's Documentation/gpu/drm-usage-stats.rst, for a client
 * of this driver whose device is on no PCI bus; @why becomes the rule and the line.
 */
bool fdinfo_breaks_a_rule(const char *text, char why[512]);

#endif
