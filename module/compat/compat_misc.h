/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* Work, time and signals, on all kernels; see compat_mm.h. */
#ifndef MOCKGPU_COMPAT_MISC_H
#define MOCKGPU_COMPAT_MISC_H

#include <linux/eventfd.h>
#include <linux/ktime.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

#include "compat_probes.h"

#if !HAVE_US_TO_KTIME
static inline ktime_t us_to_ktime(u64 us)
{
	return ns_to_ktime(us * NSEC_PER_USEC);
}
#endif

#if !HAVE_TIMER_DESTROY_ON_STACK
static inline void timer_destroy_on_stack(struct timer_list *timer)
{
	destroy_timer_on_stack(timer);
}
#endif

/**
 * compat_unbound_wq() - the system's workqueue for work that may run on any CPU
 *
 * It has a new name since 6.17; its old one makes newer kernels complain.
 */
static inline struct workqueue_struct *compat_unbound_wq(void)
{
#if HAVE_SYSTEM_DFL_WQ
	return system_dfl_wq;
#else
	return system_unbound_wq;
#endif
}

/**
 * compat_eventfd_signal() - add one to an eventfd
 * @eventfd: eventfd
 *
 * Context: any.
 */
static inline void compat_eventfd_signal(struct eventfd_ctx *eventfd)
{
#if HAVE_EVENTFD_SIGNAL_1
	eventfd_signal(eventfd);
#else
	eventfd_signal(eventfd, 1);
#endif
}

#endif
