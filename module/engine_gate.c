// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The gate that the queues of all devices pass before each submission, and again and again
 * while they execute one, where they hold nothing.
 *
 * It is closed before the machine goes to sleep.  The kernel then freezes processes first and
 * threads like ours later: in between, a queue could wait for a process that is frozen, which
 * may be one that serves page faults, or hold what a process needs on its way to be frozen.
 * While the gate is closed, a queue that works waits before it.
 *
 * Locking: &gate.lock; innermost.
 */
#include <linux/errno.h>
#include <linux/freezer.h>
#include <linux/jiffies.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "engine.h"
#include "engine_gate.h"

/*
 * How long queues are waited for.  What one does between two looks at the gate is a page's worth,
 * and no link or control point holds it then.  That takes as long as it is tried to make room for
 * what goes with the page (three seconds: see svm_room.c and evict.c), to map it while others
 * change the mapping, or to have it exclusively (a second each).  Only a page that others are to
 * bring may take longer.
 */
#define GATE_TIMEOUT	(5 * HZ)

/*
 * @closed: nobody enters; read without the lock where to come late does not matter
 * @inside: queues that have entered and not left
 * @opened: woken when the gate is opened
 * @emptied: woken when nobody is inside
 */
static struct {
	spinlock_t lock; /* for what follows */
	bool closed;
	unsigned int inside;
	wait_queue_head_t opened;
	wait_queue_head_t emptied;
} gate = {
	.lock = __SPIN_LOCK_UNLOCKED(gate.lock),
	.opened = __WAIT_QUEUE_HEAD_INITIALIZER(gate.opened),
	.emptied = __WAIT_QUEUE_HEAD_INITIALIZER(gate.emptied),
};

/* A queue that is to end does nothing any more but that. */
static bool gate_try_enter(const struct engine_queue *queue)
{
	bool entered;

	spin_lock(&gate.lock);
	entered = !gate.closed || engine_stopping(queue);
	gate.inside += entered;
	spin_unlock(&gate.lock);
	return entered;
}

/**
 * engine_gate_enter() - begin to work, as soon as queues may
 * @queue: queue
 *
 * Context: the queue's thread, which holds nothing; may sleep.
 */
void engine_gate_enter(const struct engine_queue *queue)
{
	while (!gate_try_enter(queue))
		wait_event_freezable(gate.opened, !READ_ONCE(gate.closed) ||
				     engine_stopping(queue));
}

/**
 * engine_gate_leave() - undo engine_gate_enter()
 *
 * Context: the same thread.
 */
void engine_gate_leave(void)
{
	bool last;

	spin_lock(&gate.lock);
	last = !--gate.inside;
	spin_unlock(&gate.lock);
	if (last)
		wake_up(&gate.emptied);
}

/**
 * engine_gate_pass() - between two pieces of work: let the machine sleep, if it wants to
 * @queue: queue, which has entered
 *
 * Context: the queue's thread, which holds nothing; may sleep.
 */
void engine_gate_pass(const struct engine_queue *queue)
{
	if (likely(!READ_ONCE(gate.closed)))
		return;
	engine_gate_leave();
	engine_gate_enter(queue);
}

/**
 * engine_gate_close() - have all queues of all devices wait
 *
 * Context: may sleep, for GATE_TIMEOUT, less where the thread is killed; nobody else closes or
 * opens it meanwhile.
 * Return: 0; or -EBUSY where a queue does not come to a point where it can wait, -EINTR (a
 * signal): the gate is open then.
 */
int engine_gate_close(void)
{
	long left;

	spin_lock(&gate.lock);
	WRITE_ONCE(gate.closed, true);
	spin_unlock(&gate.lock);
	left = wait_event_killable_timeout(gate.emptied, !READ_ONCE(gate.inside), GATE_TIMEOUT);
	if (left > 0)
		return 0;
	engine_gate_open();
	return left ? -EINTR : -EBUSY;
}

/**
 * engine_gate_open() - let them work
 *
 * Context: may sleep.
 */
void engine_gate_open(void)
{
	spin_lock(&gate.lock);
	WRITE_ONCE(gate.closed, false);
	spin_unlock(&gate.lock);
	wake_up_all(&gate.opened);
}
