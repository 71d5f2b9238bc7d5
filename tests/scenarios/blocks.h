/* SPDX-License-Identifier: MIT */
/* The blocks of memory that the machine can take out of use. */
#ifndef BLOCKS_H
#define BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#define BLOCKS_MAX 1024

/* How many are in use. */
unsigned int blocks_online(void);
/* Which of the first BLOCKS_MAX are. */
void blocks_look(bool online[BLOCKS_MAX]);
/* What each of the first BLOCKS_MAX is known by, or 0: another once it has gone and come back. */
void blocks_known_by(uint64_t id[BLOCKS_MAX]);
unsigned long block_mb(void);

#endif
