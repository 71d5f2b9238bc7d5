// SPDX-License-Identifier: MIT
/* Storms as scenarios use them. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory.h"
#include "storms.h"

struct target target_new(struct mockgpu_device *dev, void (*then)(struct target *t))
{
	struct target t = { .dev = dev, .then = then, .ready = gate_new(), .go = gate_new() };

	t.stop = map_shared(1);
	CHECK_SYS(pipe(t.pipe));
	return t;
}

void run_target(void *arg)
{
	struct target *t = arg;

	CHECK_SYS(close(t->pipe[1]));
	CHECK_EQ(mockgpu_storm_begin(t->dev, &t->begin), 0);
	t->then(t);
}

struct drm_mockgpu_storm_look storm_look(struct mockgpu_device *dev)
{
	uint64_t end = now_ns() + 10 * NS_PER_S * slowness();
	struct drm_mockgpu_storm_look l;
	int ret;

	while ((ret = mockgpu_storm_look(dev, &l)) == -ENOENT && now_ns() < end)
		sleep_ms(2);
	CHECK_EQ(ret, 0);
	return l;
}

/* Further pages go and come home now. */
void storms_on(struct mockgpu_device *dev, unsigned int pages)
{
	struct drm_mockgpu_storm_look before = storm_look(dev), l;

	AWAIT(dev, l, l.to_vram[MOVED] >= before.to_vram[MOVED] + pages);
	AWAIT(dev, l, l.to_system[MOVED] > before.to_system[MOVED]);
}

/* For some time nothing moves. */
void is_calm(struct mockgpu_device *dev)
{
	struct drm_mockgpu_storm_look before = storm_look(dev), l;

	sleep_ms(100);
	l = storm_look(dev);
	CHECK_EQ(l.to_vram[MOVED], before.to_vram[MOVED]);
	CHECK_EQ(l.to_system[MOVED], before.to_system[MOVED]);
}

void stop_and_join(struct target *t, pid_t pid)
{
	atomic_store(t->stop, 1);
	join(pid);
}

/* Writes and checks memory until it is told to stop. */
void target_works(struct target *t)
{
	uint16_t tag = 1;
	void *p = map_filled(MANY, tag);

	while (!atomic_load(t->stop)) {
		CHECK_FILL(p, MANY, tag, 0);
		tag = tag % 60000 + 1;
		fill(p, MANY, tag, 0);
	}
	CHECK_FILL(p, MANY, tag, 0);
}

/* Has memory, and touches none of it until it is told to go. */
void target_idles(struct target *t)
{
	uint16_t tag = new_tag();
	void *p = map_filled(MANY, tag);

	gate_open(t->ready, 1);
	gate_wait(t->go);
	CHECK_FILL(p, MANY, tag, 0);
}

/*
 * Pages that the target shares with those it was forked off went to VRAM as well, and are theirs:
 * they come home.
 */
void tidy(void)
{
	for (unsigned int i = 0; i < (unsigned int)mockgpu_count(); i++) {
		struct mockgpu_device *dev = gpu_open(i);
		uint64_t end = now_ns() + BOUND_NS, used;

		do {
			CHECK_EQ(mockgpu_evict_all(dev, NULL), 0);
			used = gpu_counters(dev).vram_used_bytes;
		} while (used && now_ns() < end);
		CHECK_EQ(used, 0);
		mockgpu_close(dev);
	}
}
