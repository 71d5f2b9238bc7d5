// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The thread of a queue: it executes one submission after the other, waits where a command wants
 * that, and knows for how long it has worked.
 *
 * Locking: the queue's own lock for its list and its time; &engine.lock to look at other queues.
 */
#include <linux/eventfd.h>
#include <linux/freezer.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "compat/compat_misc.h"
#include "engine_cmd.h"
#include "engine_gate.h"
#include "engine_internal.h"

/**
 * engine_stopping() - is the queue to end?
 * @queue: queue
 *
 * Context: any.
 * Return: 0, or what the command that it executes ends with: -ENODEV where the device leaves,
 * else -ECANCELED.
 */
int engine_stopping(const struct engine_queue *queue)
{
	return READ_ONCE(queue->stopping);
}

/**
 * engine_queue_id() - a queue's number
 * @queue: queue
 *
 * Context: the queue's thread.
 */
u32 engine_queue_id(const struct engine_queue *queue)
{
	return queue->id;
}

/**
 * engine_sleep() - let time pass
 * @queue: queue
 * @duration: how long
 *
 * Context: the queue's thread; may sleep.
 * Return: 0 or engine_stopping().
 */
int engine_sleep(struct engine_queue *queue, ktime_t duration)
{
	set_current_state(TASK_INTERRUPTIBLE | TASK_FREEZABLE);
	if (!engine_stopping(queue))
		schedule_hrtimeout(&duration, HRTIMER_MODE_REL);
	__set_current_state(TASK_RUNNING);
	engine_gate_pass(queue);
	return engine_stopping(queue);
}

/* Whether all other queues have finished what was submitted to them before @order. */
static bool engine_passed(struct engine_queue *self, u64 order)
{
	struct engine *engine = self->engine;
	bool passed = true;
	unsigned int i;

	mutex_lock(&engine->lock);
	for (i = 0; i < ENGINE_QUEUES_MAX && passed; i++) {
		struct engine_queue *queue = engine->queue[i];
		struct engine_job *job;

		if (!queue || queue == self)
			continue;
		spin_lock(&queue->lock);
		/* The first of its jobs is the one that is being executed. */
		job = list_first_entry_or_null(&queue->jobs, struct engine_job, node);
		passed = !job || job->order > order;
		spin_unlock(&queue->lock);
	}
	mutex_unlock(&engine->lock);
	return passed;
}

/**
 * engine_barrier() - wait until earlier submissions to other queues are finished
 * @queue: queue that waits
 * @order: place of the submission that waits
 *
 * Only submissions that came earlier are waited for, so there is no circle.
 *
 * Context: the queue's thread; may sleep.
 * Return: 0 or engine_stopping().
 */
int engine_barrier(struct engine_queue *queue, u64 order)
{
	while (!engine_stopping(queue) && !engine_passed(queue, order))
		engine_sleep(queue, us_to_ktime(100));
	return engine_stopping(queue);
}

/**
 * engine_report() - tell everybody of a submission that is not any more
 * @queue: queue
 * @job: submission that is off the queue's list; gone afterwards
 *
 * Context: may sleep.
 */
void engine_report(struct engine_queue *queue, struct engine_job *job)
{
	if (job->eventfd)
		compat_eventfd_signal(job->eventfd);
	wake_up_all(&queue->engine->progress);
	engine_job_free(job);
}

/* The first job is done. */
static void engine_finish(struct engine_queue *queue, struct engine_job *job, int error)
{
	spin_lock(&queue->lock);
	list_del(&job->node);
	queue->waiting--;
	queue->outcome[job->seqno % ENGINE_OUTCOMES] = error;
	queue->finished = job->seqno;
	spin_unlock(&queue->lock);
	engine_report(queue, job);
}

/* The queue begins to execute something, or has left it. */
static void engine_set_busy(struct engine_queue *queue, bool busy)
{
	u64 now;

	spin_lock(&queue->lock);
	/* Under the lock: nobody has looked at a later time than this one. */
	now = ktime_get_ns();
	if (queue->began)
		queue->busy_ns += now - queue->began;
	queue->began = busy ? now : 0;
	spin_unlock(&queue->lock);
}

/**
 * engine_queue_busy_ns() - for how long a queue has executed submissions so far
 * @queue: queue
 *
 * Context: may sleep; the queue is referenced.
 */
u64 engine_queue_busy_ns(struct engine_queue *queue)
{
	u64 ns;

	spin_lock(&queue->lock);
	ns = queue->busy_ns;
	if (queue->began)
		ns += ktime_get_ns() - queue->began;
	spin_unlock(&queue->lock);
	return ns;
}

static struct engine_job *engine_first_job(struct engine_queue *queue)
{
	struct engine_job *job;

	spin_lock(&queue->lock);
	job = list_first_entry_or_null(&queue->jobs, struct engine_job, node);
	spin_unlock(&queue->lock);
	return job;
}

/**
 * engine_thread() - what the thread of a queue does
 * @data: queue
 *
 * Context: a kernel thread; engine_stopping() ends its work, kthread_stop() itself.
 * Return: 0.
 */
int engine_thread(void *data)
{
	struct engine_queue *queue = data;
	struct engine_job *job;
	int error, stopping;

	/* Page tables, for one: as if the process had touched the addresses itself. */
	set_active_memcg(queue->memcg);
	set_freezable();
	allow_kernel_signal(SIGKILL);
	while (!kthread_should_stop()) {
		wait_event_freezable(queue->work, engine_stopping(queue) ||
				     engine_first_job(queue) || kthread_should_stop());
		job = engine_first_job(queue);
		if (engine_stopping(queue)) {
			/* Whoever stops the thread comes right after the signal. */
			flush_signals(current);
			set_current_state(TASK_INTERRUPTIBLE | TASK_FREEZABLE);
			if (!kthread_should_stop())
				schedule();
			__set_current_state(TASK_RUNNING);
		} else if (job) {
			engine_gate_enter(queue);
			engine_set_busy(queue, true);
			error = engine_exec_job(queue->exec, job);
			engine_set_busy(queue, false);
			stopping = engine_stopping(queue);
			/* Who stops the queue drops what was not finished. */
			if (!stopping || error != stopping)
				engine_finish(queue, job, error);
			engine_gate_leave();
		}
	}
	return 0;
}
