/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_ADVICE_H
#define MOCKGPU_ADVICE_H

#include <linux/rbtree_types.h>
#include <linux/types.h>

#include "mockgpu_drm.h"

#define ADVICE_COUNT		(MOCKGPU_ADVICE_TIME_SLICE + 1)

/* Pieces of different advice that there can be for one address space. */
#define ADVICE_PIECES_MAX	16384U

/**
 * struct advice - what was advised
 * @value: by MOCKGPU_ADVICE_*
 */
struct advice {
	u16 value[ADVICE_COUNT];
};

/**
 * struct advice_piece - a range of addresses with the same advice
 * @node: in the map
 * @start: first address
 * @last: last address
 * @advice: the advice
 */
struct advice_piece {
	struct rb_node node;
	u64 start;
	u64 last;
	struct advice advice;
};

/**
 * struct advice_map - advice for every address
 * @root: the pieces, in order, without a gap; no two neighbours are the same
 * @first: the piece that begins at 0; it is never freed
 * @count: how many there are
 */
struct advice_map {
	struct rb_root root;
	struct advice_piece first;
	unsigned int count;
};

/* Pieces that one change may need at the most: one for each end. */
#define ADVICE_STASH		2U

/**
 * struct advice_stash - pieces to be put in, allocated beforehand
 * @count: how many
 * @piece: the pieces
 */
struct advice_stash {
	unsigned int count;
	struct advice_piece *piece[ADVICE_STASH];
};

int advice_check(unsigned int attr, u64 value);
void advice_init(struct advice_map *map);
void advice_fini(struct advice_map *map);
int advice_stash_fill(struct advice_stash *stash, gfp_t gfp);
void advice_stash_drop(struct advice_stash *stash);
const struct advice_piece *advice_find(const struct advice_map *map, u64 addr);
u64 advice_mixed(const struct advice_map *map, u64 start, u64 last);
int advice_set(struct advice_map *map, struct advice_stash *stash, u64 start, u64 last,
	       unsigned int attr, u16 value);
int advice_reset(struct advice_map *map, struct advice_stash *stash, u64 start, u64 last);
void advice_forget(struct advice_map *map, struct advice_stash *stash, u64 start, u64 last);

#endif
