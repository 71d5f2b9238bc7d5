// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * How fast bytes get to VRAM and back.
 *
 * A link carries one thing after another.  Who has copied something waits until the link
 * would have carried it, behind all that was sent before.  What waits holds pages and often
 * mmap_lock, so a wait is bounded: a link is never busy for more than a second ahead, and
 * what is sent at once counts as no more than goes in another.  It ends when the
 * thread is killed, the link has no limit any more, the device leaves, or the machine is going
 * to sleep, which has to wait for who is in the middle of something.
 *
 * Locking: &vram_link.lock, for the time when the link is free.  Speed and end are looked at
 * again and again while somebody waits.
 */
#include <linux/hrtimer.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/time64.h>

#include "control.h"
#include "vram_link.h"

/* How far ahead a link can be busy. */
#define LINK_AHEAD	((ktime_t)NSEC_PER_SEC)

/* How often who waits looks whether that is still wanted. */
#define LINK_LOOK	((ktime_t)(20 * NSEC_PER_MSEC))

/* Some link has had a limit since the module was loaded. */
static bool link_limited;

/**
 * vram_link_init() - make a link, which has no limit
 * @link: link
 */
void vram_link_init(struct vram_link *link)
{
	spin_lock_init(&link->lock);
	link->mbps = 0;
	link->cut = false;
	link->free = 0;
}

/**
 * vram_link_set() - say how fast a link is
 * @link: link
 * @mbps: VRAM_LINK_MIN to VRAM_LINK_MAX, or 0
 *
 * What has been sent arrives when it would have before, unless there is no limit any more.
 *
 * Context: any.
 */
void vram_link_set(struct vram_link *link, unsigned int mbps)
{
	if (mbps)
		WRITE_ONCE(link_limited, true);
	WRITE_ONCE(link->mbps, mbps);
}

/**
 * vram_link_open() - a device comes up
 * @link: its link
 *
 * Context: any.
 */
void vram_link_open(struct vram_link *link)
{
	WRITE_ONCE(link->cut, false);
}

/**
 * vram_link_cut() - a device leaves: nobody waits any longer
 * @link: its link
 *
 * Context: any.
 */
void vram_link_cut(struct vram_link *link)
{
	WRITE_ONCE(link->cut, true);
}

/**
 * vram_link_any() - whether any link has had a limit
 *
 * For what would look through many pages to find that there is none.
 *
 * Context: any.
 */
bool vram_link_any(void)
{
	return READ_ONCE(link_limited);
}

static bool link_holds(const struct vram_link *link)
{
	return READ_ONCE(link->mbps) && !READ_ONCE(link->cut) && !control_is_resting() &&
	       !fatal_signal_pending(current);
}

/**
 * vram_link_send() - something has been copied: have the link carry it
 * @link: link that it went over; not looked at where nothing was
 * @bytes: how much; more than goes in a second counts as that
 *
 * Context: any but interrupts.
 * Return: when it arrives, for vram_link_wait(): in two seconds at the latest.
 */
ktime_t vram_link_send(struct vram_link *link, u64 bytes)
{
	ktime_t now, until;
	u64 mbps;

	if (!bytes)
		return 0;
	mbps = READ_ONCE(link->mbps);
	if (!mbps)
		return 0;
	spin_lock(&link->lock);
	now = ktime_get();
	until = clamp(link->free, now, now + LINK_AHEAD);
	bytes = min(bytes, mbps * SZ_1M);
	until += DIV64_U64_ROUND_UP(bytes * NSEC_PER_SEC, mbps * SZ_1M);
	link->free = until;
	spin_unlock(&link->lock);
	return until;
}

/**
 * vram_link_wait() - wait until something has arrived
 * @link: link that it went over; not looked at where there is nothing to wait for
 * @until: what vram_link_send() returned
 *
 * Context: may sleep, until then, less where the thread is killed or the machine is going to
 * sleep.
 */
void vram_link_wait(struct vram_link *link, ktime_t until)
{
	ktime_t left;

	while (until && link_holds(link)) {
		left = until - ktime_get();
		if (left <= 0)
			break;
		left = min(left, LINK_LOOK);
		set_current_state(TASK_KILLABLE);
		schedule_hrtimeout(&left, HRTIMER_MODE_REL);
	}
}
