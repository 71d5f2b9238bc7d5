// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A ring of events.  What does not fit in is lost; each event has a number all the
 * same, so the reader sees from the numbers what is missing, and who writes need not
 * care.
 *
 * Who reads may do so from a copy of struct event_ring, while others push: what is in
 * the ring stays where it is until the ring is told what was taken.
 *
 * Locking: the caller's.
 */
#include <linux/string.h>

#include "event_ring.h"

/**
 * event_ring_init() - make an empty ring
 * @ring: ring
 * @slots: room for events
 * @size: how many fit in, a power of 2
 */
void event_ring_init(struct event_ring *ring, struct drm_mockgpu_event *slots, u32 size)
{
	*ring = (struct event_ring) { .slots = slots, .size = size };
}

/**
 * event_ring_push() - put an event in
 * @ring: ring
 * @event: event; gets its number, @event->seqno
 *
 * Return: whether it is in, and not lost.
 */
bool event_ring_push(struct event_ring *ring, struct drm_mockgpu_event *event)
{
	event->seqno = ++ring->seqno;
	if (ring->pushed - ring->popped == ring->size) {
		ring->lost_ns = event->time_ns;
		return false;
	}
	ring->slots[ring->pushed++ & (ring->size - 1)] = *event;
	return true;
}

/**
 * event_ring_pop() - take the next event out
 * @ring: ring
 * @event: the event; or MOCKGPU_EVENT_LOST for those that are missing before it, whose
 *	@seqno is that of the first of them, and @time_ns that of the event, or of the
 *	last that is missing; all other fields are 0
 *
 * Return: whether there was one.
 */
bool event_ring_pop(struct event_ring *ring, struct drm_mockgpu_event *event)
{
	const struct drm_mockgpu_event *next = NULL;
	u64 last = ring->seqno;

	if (ring->popped != ring->pushed) {
		next = &ring->slots[ring->popped & (ring->size - 1)];
		last = next->seqno - 1;
	}
	if (last != ring->seen) {
		memset(event, 0, sizeof(*event));
		event->kind = MOCKGPU_EVENT_LOST;
		event->seqno = ring->seen + 1;
		event->time_ns = next ? next->time_ns : ring->lost_ns;
		event->value = last - ring->seen;
		ring->seen = last;
		return true;
	}
	if (!next)
		return false;
	*event = *next;
	ring->popped++;
	ring->seen = event->seqno;
	return true;
}

/**
 * event_ring_took() - have a ring forget what was taken out of a copy of it
 * @ring: ring
 * @copy: copy; nothing was taken out of @ring itself since
 */
void event_ring_took(struct event_ring *ring, const struct event_ring *copy)
{
	ring->popped = copy->popped;
	ring->seen = copy->seen;
}
