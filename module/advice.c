// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Advice about ranges of addresses.
 *
 * A pure data structure: it knows numbers, nothing of mm.  The pieces cover all
 * addresses, those without advice too, which have the defaults.  So a change is
 * always the same: cut at both ends of the range, change what lies between, and
 * join neighbours that have become the same.  It needs two new pieces at the most.
 *
 * Nothing is allocated where a change is made, as that may happen under a lock that
 * reclaim wants: the caller brings pieces along in a stash, and keeps what was not
 * needed.
 *
 * Locking: the owner's, over everything but the stash, which belongs to its caller.
 */
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/rbtree.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "advice.h"

/* What counts where nothing was advised. */
static const struct advice advice_default = {
	.value = {
		[MOCKGPU_ADVICE_PLACE] = MOCKGPU_PLACE_ANY,
		[MOCKGPU_ADVICE_TOUCH] = 1,
		[MOCKGPU_ADVICE_ATOMIC] = MOCKGPU_ATOMICS_EXCLUSIVE,
	},
};

/* The largest value of each. */
static const u16 advice_max[ADVICE_COUNT] = {
	[MOCKGPU_ADVICE_PLACE] = MOCKGPU_PLACE_DEVICE(15),
	[MOCKGPU_ADVICE_TOUCH] = 100,
	[MOCKGPU_ADVICE_MUST_VRAM] = 1,
	[MOCKGPU_ADVICE_READ_MOSTLY] = 1,
	[MOCKGPU_ADVICE_ATOMIC] = MOCKGPU_ATOMICS_REFUSE,
	[MOCKGPU_ADVICE_GRANULARITY] = 9,
	[MOCKGPU_ADVICE_FAULT_AROUND] = 6,
	[MOCKGPU_ADVICE_TIME_SLICE] = 500,
};

static struct advice_piece *to_piece(const struct rb_node *node)
{
	return node ? rb_entry(node, struct advice_piece, node) : NULL;
}

static bool advice_same(const struct advice *a, const struct advice *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/**
 * advice_check() - can this be advised?
 * @attr: MOCKGPU_ADVICE_*
 * @value: what it is to be
 *
 * Return: 0 or -EINVAL.
 */
int advice_check(unsigned int attr, u64 value)
{
	if (attr >= ADVICE_COUNT || value > advice_max[attr])
		return -EINVAL;
	if (attr == MOCKGPU_ADVICE_PLACE && value > MOCKGPU_PLACE_SYSTEM &&
	    value < MOCKGPU_PLACE_DEVICE(0))
		return -EINVAL;
	return 0;
}

/**
 * advice_init() - begin without advice
 * @map: map
 */
void advice_init(struct advice_map *map)
{
	map->first.start = 0;
	map->first.last = U64_MAX;
	map->first.advice = advice_default;
	map->root = RB_ROOT;
	map->count = 1;
	rb_link_node(&map->first.node, NULL, &map->root.rb_node);
	rb_insert_color(&map->first.node, &map->root);
}

/**
 * advice_fini() - free all pieces
 * @map: map; not to be used any more
 */
void advice_fini(struct advice_map *map)
{
	struct advice_piece *piece, *next;

	rbtree_postorder_for_each_entry_safe(piece, next, &map->root, node) {
		if (piece != &map->first)
			kfree(piece);
	}
}

/**
 * advice_stash_fill() - allocate what a change may need
 * @stash: stash
 * @gfp: how
 *
 * Context: as @gfp says.
 * Return: 0 or -ENOMEM; the stash may hold some then.
 */
int advice_stash_fill(struct advice_stash *stash, gfp_t gfp)
{
	while (stash->count < ADVICE_STASH) {
		struct advice_piece *piece = kmalloc(sizeof(*piece), gfp);

		if (!piece)
			return -ENOMEM;
		stash->piece[stash->count++] = piece;
	}
	return 0;
}

/**
 * advice_stash_drop() - free what a stash still holds
 * @stash: stash; empty afterwards
 */
void advice_stash_drop(struct advice_stash *stash)
{
	while (stash->count)
		kfree(stash->piece[--stash->count]);
}

static struct advice_piece *advice_piece_at(const struct advice_map *map, u64 addr)
{
	struct rb_node *node = map->root.rb_node;

	for (;;) {
		struct advice_piece *piece = to_piece(node);

		if (addr < piece->start)
			node = node->rb_left;
		else if (addr > piece->last)
			node = node->rb_right;
		else
			return piece;
	}
}

/**
 * advice_find() - what was advised about an address
 * @map: map
 * @addr: any address
 *
 * Return: the piece; good until the next change.
 */
const struct advice_piece *advice_find(const struct advice_map *map, u64 addr)
{
	return advice_piece_at(map, addr);
}

/**
 * advice_mixed() - in what do the addresses of a range differ?
 * @map: map
 * @start: first address
 * @last: last address
 *
 * Return: bit MOCKGPU_ADVICE_* is set where not all are the same.
 */
u64 advice_mixed(const struct advice_map *map, u64 start, u64 last)
{
	const struct advice_piece *first = advice_piece_at(map, start), *piece = first;
	unsigned int i;
	u64 mixed = 0;

	while (piece->last < last) {
		piece = to_piece(rb_next(&piece->node));
		for (i = 0; i < ADVICE_COUNT; i++) {
			if (piece->advice.value[i] != first->advice.value[i])
				mixed |= BIT_ULL(i);
		}
	}
	return mixed;
}

/* Put a piece into the map, right behind @prev. */
static void advice_insert(struct advice_map *map, struct advice_piece *prev,
			  struct advice_piece *piece)
{
	struct rb_node **link = &prev->node.rb_right, *parent = &prev->node;

	while (*link) {
		parent = *link;
		link = &parent->rb_left;
	}
	rb_link_node(&piece->node, parent, link);
	rb_insert_color(&piece->node, &map->root);
	map->count++;
}

/* Have a piece begin at an address.  Returns whether that is so now. */
static bool advice_cut(struct advice_map *map, struct advice_stash *stash, u64 addr)
{
	struct advice_piece *piece = advice_piece_at(map, addr), *behind;

	if (piece->start == addr)
		return true;
	if (!stash->count)
		return false;
	behind = stash->piece[--stash->count];
	behind->start = addr;
	behind->last = piece->last;
	behind->advice = piece->advice;
	piece->last = addr - 1;
	advice_insert(map, piece, behind);
	return true;
}

/* Join neighbours that are the same, from the one that holds @start to that of @last. */
static void advice_join(struct advice_map *map, u64 start, u64 last)
{
	struct advice_piece *piece = advice_piece_at(map, start), *next;

	while (piece->last < U64_MAX && piece->start <= last) {
		next = to_piece(rb_next(&piece->node));
		if (advice_same(&piece->advice, &next->advice)) {
			piece->last = next->last;
			rb_erase(&next->node, &map->root);
			map->count--;
			kfree(next);
		} else {
			piece = next;
		}
	}
}

/* How many pieces more there would be if a range were cut out. */
static unsigned int advice_cuts(const struct advice_map *map, u64 start, u64 last)
{
	return (advice_piece_at(map, start)->start != start) +
	       (advice_piece_at(map, last)->last != last);
}

/* Cut at both ends of a range.  Returns 0, -ENOSPC or -ENOMEM. */
static int advice_cut_out(struct advice_map *map, struct advice_stash *stash, u64 start, u64 last)
{
	if (map->count + advice_cuts(map, start, last) > ADVICE_PIECES_MAX)
		return -ENOSPC;
	if (!advice_cut(map, stash, start))
		return -ENOMEM;
	if (last < U64_MAX && !advice_cut(map, stash, last + 1))
		return -ENOMEM;
	return 0;
}

/* Set the pieces from one cut to another back. */
static void advice_clear(struct advice_map *map, u64 start, u64 last)
{
	struct advice_piece *piece = advice_piece_at(map, start);

	for (; piece && piece->start <= last; piece = to_piece(rb_next(&piece->node)))
		piece->advice = advice_default;
}

/* The ends of a change may have become, or have stayed, the same as their neighbours. */
static void advice_join_around(struct advice_map *map, u64 start, u64 last)
{
	advice_join(map, start ? start - 1 : 0, last);
}

/**
 * advice_set() - set an attribute for a range
 * @map: map
 * @stash: stash that is full; what is used is taken out
 * @start: first address
 * @last: last address
 * @attr: MOCKGPU_ADVICE_*
 * @value: a value that advice_check() accepts
 *
 * Return: 0, -ENOSPC (too many pieces) or -ENOMEM (the stash was not full); then
 * nothing was changed.
 */
int advice_set(struct advice_map *map, struct advice_stash *stash, u64 start, u64 last,
	       unsigned int attr, u16 value)
{
	struct advice_piece *piece;
	int ret = advice_cut_out(map, stash, start, last);

	if (!ret) {
		piece = advice_piece_at(map, start);
		for (; piece && piece->start <= last; piece = to_piece(rb_next(&piece->node)))
			piece->advice.value[attr] = value;
	}
	advice_join_around(map, start, last);
	return ret;
}

/**
 * advice_reset() - set all attributes of a range back to their defaults
 * @map: map
 * @stash: stash that is full; what is used is taken out
 * @start: first address
 * @last: last address
 *
 * Return: as advice_set().
 */
int advice_reset(struct advice_map *map, struct advice_stash *stash, u64 start, u64 last)
{
	int ret = advice_cut_out(map, stash, start, last);

	if (!ret)
		advice_clear(map, start, last);
	advice_join_around(map, start, last);
	return ret;
}

/**
 * advice_forget() - a range is not what it was
 * @map: map
 * @stash: stash; if it is not full, or there are as many pieces as there may be, more
 *	than the range is forgotten
 * @start: first address
 * @last: last address
 */
void advice_forget(struct advice_map *map, struct advice_stash *stash, u64 start, u64 last)
{
	bool full = map->count + advice_cuts(map, start, last) > ADVICE_PIECES_MAX;

	if (full || !advice_cut(map, stash, start))
		start = advice_piece_at(map, start)->start;
	if (last < U64_MAX && (full || !advice_cut(map, stash, last + 1)))
		last = advice_piece_at(map, last)->last;
	advice_clear(map, start, last);
	advice_join_around(map, start, last);
}
