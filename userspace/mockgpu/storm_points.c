// SPDX-License-Identifier: MIT
/*
 * Control points armed at random while a program runs: threads are held for a moment at this
 * step or that, and some steps fail that may fail at any time.  What would be seen by a program
 * (a CPU fault that fails, as at a memory error) is not among them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "storm.h"

#define POINTS_MAX 64
#define ARMS 6			/* at once */
#define DELAY_NS 500000ULL	/* the shortest */

struct storm_points {
	struct mockgpu_device *dev;
	uint64_t random;
	char holds[POINTS_MAX][28];
	unsigned int holds_len;
	uint64_t id[ARMS];
	unsigned int oldest;
	uint64_t count;
};

/* Steps that may fail whenever they like: it is tried again, or a page stays where it is. */
static const char *const fails[] = { "page-lock", "alloc-vram", "look-asked", "gpu-fault-asked" };

/* A device or file that leaves waits in any case. */
static const char *const spared[] = { "close", "unplug", "empty" };

static uint64_t next_random(struct storm_points *p)
{
	uint64_t z = (p->random += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static bool is_spared(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(spared); i++) {
		if (!strcmp(spared[i], name))
			return true;
	}
	return false;
}

int storm_points_new(struct storm_points **p, struct mockgpu_device *dev, uint64_t seed)
{
	struct storm_points *new = calloc(1, sizeof(*new));
	struct drm_mockgpu_point_info info;
	unsigned int i;
	int ret;

	if (!new)
		return -ENOMEM;
	new->dev = dev;
	new->random = seed;
	for (i = 0; new->holds_len < POINTS_MAX; i++) {
		ret = mockgpu_point_info(dev, i, &info);
		if (ret)
			break;
		if ((info.flags & MOCKGPU_POINT_CAN_WAIT) && !is_spared(info.name))
			memcpy(new->holds[new->holds_len++], info.name, sizeof(info.name));
	}
	ret = new->holds_len ? storm_points_turn(new) : -ENOENT;
	if (ret) {
		free(new);
		return ret;
	}
	*p = new;
	return 0;
}

int storm_points_turn(struct storm_points *p)
{
	uint64_t r = next_random(p);
	bool hold = r % 3;
	struct mockgpu_point point = {
		.name = hold ? p->holds[(r >> 8) % p->holds_len] :
			       fails[(r >> 8) % ARRAY_SIZE(fails)],
		.action = hold ? MOCKGPU_POINT_DELAY : MOCKGPU_POINT_FAIL,
		/* One hit in 16 to 256, for half a millisecond to four of them. */
		.chance = 1U << (8 + (r >> 24) % 5),
		.time_ns = hold ? DELAY_NS << ((r >> 32) % 4) : 0,
		.seed = next_random(p),
	};
	int ret;

	if (p->id[p->oldest])
		mockgpu_point_release(p->dev, p->id[p->oldest], 0);
	p->id[p->oldest] = 0;
	ret = mockgpu_point_arm(p->dev, &point, &p->id[p->oldest]);
	if (ret)
		return ret;
	p->oldest = (p->oldest + 1) % ARMS;
	p->count++;
	return 0;
}

uint64_t storm_points_count(const struct storm_points *p)
{
	return p ? p->count : 0;
}

void storm_points_free(struct storm_points *p)
{
	unsigned int i;

	for (i = 0; p && i < ARMS; i++) {
		if (p->id[i])
			mockgpu_point_release(p->dev, p->id[i], 0);
	}
	free(p);
}
