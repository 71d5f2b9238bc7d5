/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_EVENT_RING_H
#define MOCKGPU_EVENT_RING_H

#include <linux/types.h>

#include "mockgpu_drm.h"

/**
 * struct event_ring - events that wait to be read
 * @slots: room for them
 * @size: how many fit in, a power of 2
 * @pushed: how many went in
 * @popped: how many of those came out
 * @seqno: number of the last event, whether it went in or was lost
 * @seen: number of the last event that the reader knows of
 * @lost_ns: when the last event was lost
 */
struct event_ring {
	struct drm_mockgpu_event *slots;
	u32 size;
	u64 pushed;
	u64 popped;
	u64 seqno;
	u64 seen;
	u64 lost_ns;
};

void event_ring_init(struct event_ring *ring, struct drm_mockgpu_event *slots, u32 size);
bool event_ring_push(struct event_ring *ring, struct drm_mockgpu_event *event);
bool event_ring_pop(struct event_ring *ring, struct drm_mockgpu_event *event);
void event_ring_took(struct event_ring *ring, const struct event_ring *copy);

/**
 * event_ring_has_news() - would event_ring_pop() give anything?
 * @ring: ring
 */
static inline bool event_ring_has_news(const struct event_ring *ring)
{
	return ring->seqno != ring->seen;
}

#endif
