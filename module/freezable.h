/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_FREEZABLE_H
#define MOCKGPU_FREEZABLE_H

#include <linux/freezer.h>
#include <linux/wait.h>

/**
 * freezable_wait() - wait, as wait_event_interruptible_hrtimeout() does
 * @wq: what is woken when the condition may have changed
 * @condition: what is waited for
 * @timeout: for how long
 *
 * The caller may be frozen meanwhile, and goes on waiting when it is thawed: a machine that
 * sleeps is no signal that the caller would have to be told of.
 *
 * Context: may sleep; no lock held.
 * Return: 0, -ETIME or -ERESTARTSYS.
 */
#define freezable_wait(wq, condition, timeout)					\
	__wait_event_hrtimeout(wq, condition, timeout, (TASK_INTERRUPTIBLE | TASK_FREEZABLE))

#endif
