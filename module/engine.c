// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Queues: each executes submissions in order, on a thread of its own.
 *
 * Completion is a memory fence, stored by the device in the attached memory.  A
 * dma_fence would be a promise that the commands cannot give: they take page
 * faults, and those may wait for memory, for disks and for user space.
 *
 * A queue is stopped by a signal to its thread, which ends every wait that the
 * memory manager may have put it into, and by a flag that is looked at between
 * pieces of work.
 *
 * Locking: &engine.lock for which queues there are and for the order among
 * submissions; a queue's own lock for its list.  A queue is referenced by whoever
 * works on it outside &engine.lock.
 */
#include <linux/eventfd.h>
#include <linux/freezer.h>
#include <linux/hrtimer.h>
#include <linux/kref.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "compat/compat_misc.h"
#include "control.h"
#include "engine.h"
#include "engine_cmd.h"
#include "mockgpu_drm.h"
#include "svm.h"

/* Submissions whose outcome a queue remembers. */
#define ENGINE_OUTCOMES		256U

/**
 * struct engine_queue - a queue
 * @ref: who uses it
 * @engine: its engine; fixed
 * @id: its number; set before it is found
 * @svm: the memory that it works on; fixed
 * @exec: what commands work with; the thread's
 * @thread: executes it
 * @stopping: set before the thread is sent a signal
 * @closing: somebody takes it away; under &engine.lock
 * @lock: protects all below
 * @jobs: what waits to be executed
 * @waiting: how many
 * @submitted: number of the last submission
 * @finished: number of the last one that is finished
 * @gone: executes nothing any more
 * @outcome: errors of the last submissions, by number
 * @work: wakes the thread
 */
struct engine_queue {
	struct kref ref;
	struct engine *engine;
	u32 id;
	struct svm *svm;
	struct engine_exec *exec;
	struct task_struct *thread;
	bool stopping;
	bool closing;

	spinlock_t lock; /* for what follows */
	struct list_head jobs;
	unsigned int waiting;
	u64 submitted;
	u64 finished;
	bool gone;
	s32 outcome[ENGINE_OUTCOMES];
	wait_queue_head_t work;
};

/**
 * engine_job_free() - free a submission
 * @job: submission that is on no queue
 */
void engine_job_free(struct engine_job *job)
{
	if (job->eventfd)
		eventfd_ctx_put(job->eventfd);
	kvfree(job->cmds);
	kfree(job);
}

static void engine_queue_release(struct kref *ref)
{
	struct engine_queue *queue = container_of(ref, struct engine_queue, ref);

	engine_exec_destroy(queue->exec);
	kfree(queue);
}

static void engine_queue_put(struct engine_queue *queue)
{
	kref_put(&queue->ref, engine_queue_release);
}

static struct engine_queue *engine_find_queue(struct engine *engine, u32 id)
{
	struct engine_queue *queue = NULL;

	lockdep_assert_held(&engine->lock);

	if (id && id <= ENGINE_QUEUES_MAX)
		queue = engine->queue[id - 1];
	return queue && !queue->closing ? queue : NULL;
}

static struct engine_queue *engine_queue_get(struct engine *engine, u32 id)
{
	struct engine_queue *queue;

	mutex_lock(&engine->lock);
	queue = engine_find_queue(engine, id);
	if (queue)
		kref_get(&queue->ref);
	mutex_unlock(&engine->lock);
	return queue;
}

/**
 * engine_stopping() - is the queue to end?
 * @queue: queue
 *
 * Context: the queue's thread.
 */
bool engine_stopping(const struct engine_queue *queue)
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
 * Return: 0 or -ECANCELED.
 */
int engine_sleep(struct engine_queue *queue, ktime_t duration)
{
	set_current_state(TASK_INTERRUPTIBLE | TASK_FREEZABLE);
	if (!engine_stopping(queue))
		schedule_hrtimeout(&duration, HRTIMER_MODE_REL);
	__set_current_state(TASK_RUNNING);
	return engine_stopping(queue) ? -ECANCELED : 0;
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
 * Return: 0 or -ECANCELED.
 */
int engine_barrier(struct engine_queue *queue, u64 order)
{
	while (!engine_stopping(queue) && !engine_passed(queue, order))
		engine_sleep(queue, us_to_ktime(100));
	return engine_stopping(queue) ? -ECANCELED : 0;
}

/* A job is off the list: tell everybody. */
static void engine_report(struct engine_queue *queue, struct engine_job *job)
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

static struct engine_job *engine_first_job(struct engine_queue *queue)
{
	struct engine_job *job;

	spin_lock(&queue->lock);
	job = list_first_entry_or_null(&queue->jobs, struct engine_job, node);
	spin_unlock(&queue->lock);
	return job;
}

static int engine_thread(void *data)
{
	struct engine_queue *queue = data;
	struct engine_job *job;
	int error;

	set_freezable();
	allow_kernel_signal(SIGKILL);
	while (!kthread_should_stop()) {
		wait_event_freezable(queue->work, engine_stopping(queue) ||
				     engine_first_job(queue) || kthread_should_stop());
		job = engine_first_job(queue);
		if (engine_stopping(queue)) {
			/* Whoever stops the thread comes right after the signal. */
			flush_signals(current);
			set_current_state(TASK_INTERRUPTIBLE);
			if (!kthread_should_stop())
				schedule();
			__set_current_state(TASK_RUNNING);
		} else if (job) {
			error = engine_exec_job(queue->exec, job);
			/* Who stops the queue drops what was not finished. */
			if (error != -ECANCELED || !engine_stopping(queue))
				engine_finish(queue, job, error);
		}
	}
	return 0;
}

/* Let a queue execute nothing any more.  Its thread waits to be stopped. */
static void engine_abort_queue(struct engine_queue *queue)
{
	WRITE_ONCE(queue->stopping, true);
	send_sig(SIGKILL, queue->thread, 1);
	spin_lock(&queue->lock);
	queue->gone = true;
	spin_unlock(&queue->lock);
	wake_up_all(&queue->engine->progress);
}

/* Take a queue out of use.  Nobody finds it any more. */
static void engine_stop_queue(struct engine_queue *queue)
{
	struct engine_job *job, *next;
	LIST_HEAD(dropped);

	engine_abort_queue(queue);
	kthread_stop(queue->thread);
	spin_lock(&queue->lock);
	list_splice_init(&queue->jobs, &dropped);
	spin_unlock(&queue->lock);
	list_for_each_entry_safe(job, next, &dropped, node)
		engine_report(queue, job);
}

/**
 * engine_init() - an engine without queues
 * @engine: engine
 */
void engine_init(struct engine *engine)
{
	mutex_init(&engine->lock);
	init_waitqueue_head(&engine->progress);
}

/**
 * engine_abort() - have no queue execute anything any more
 * @engine: engine
 *
 * Whoever waits for a submission is told that its queue has gone.
 *
 * Context: may sleep.
 */
void engine_abort(struct engine *engine)
{
	unsigned int i;

	mutex_lock(&engine->lock);
	for (i = 0; i < ENGINE_QUEUES_MAX; i++) {
		if (engine->queue[i])
			engine_abort_queue(engine->queue[i]);
	}
	mutex_unlock(&engine->lock);
}

/**
 * engine_fini() - end all queues
 * @engine: engine that nobody calls any more
 *
 * Context: sleeps until the command that each queue executes can be left.
 */
void engine_fini(struct engine *engine)
{
	unsigned int i;

	/* All at once, so that none waits for the one before. */
	engine_abort(engine);
	for (i = 0; i < ENGINE_QUEUES_MAX; i++)
		engine_destroy_queue(engine, i + 1);
}

/**
 * engine_create_queue() - make a queue
 * @engine: engine
 * @svm: memory that it works on
 * @id: its number, from 1
 *
 * Context: may sleep.
 * Return: 0, -ENOSPC, -ENOMEM, or -EINTR.
 */
int engine_create_queue(struct engine *engine, struct svm *svm, u32 *id)
{
	struct engine_queue *queue;
	struct task_struct *thread;
	unsigned int i;
	int ret;

	if (control_no_memory())
		return -ENOMEM;
	queue = kzalloc(sizeof(*queue), GFP_KERNEL_ACCOUNT);
	if (!queue)
		return -ENOMEM;
	kref_init(&queue->ref);
	queue->engine = engine;
	queue->svm = svm;
	spin_lock_init(&queue->lock);
	INIT_LIST_HEAD(&queue->jobs);
	init_waitqueue_head(&queue->work);
	queue->exec = engine_exec_create(queue, svm);
	if (!queue->exec) {
		ret = -ENOMEM;
		goto err_put;
	}
	/* It runs before anybody can find the queue: it has nothing to do yet. */
	thread = kthread_run(engine_thread, queue, "mockgpu/%d", task_tgid_nr(current));
	if (IS_ERR(thread)) {
		ret = PTR_ERR(thread);
		goto err_put;
	}
	queue->thread = thread;

	mutex_lock(&engine->lock);
	for (i = 0; i < ENGINE_QUEUES_MAX && engine->queue[i]; i++)
		;
	if (i < ENGINE_QUEUES_MAX) {
		queue->id = i + 1;
		engine->queue[i] = queue;
		*id = i + 1;
	}
	mutex_unlock(&engine->lock);
	if (i == ENGINE_QUEUES_MAX) {
		kthread_stop(thread);
		ret = -ENOSPC;
		goto err_put;
	}
	return 0;

err_put:
	engine_queue_put(queue);
	return ret;
}

/**
 * engine_destroy_queue() - end a queue
 * @engine: engine
 * @id: its number
 *
 * Context: sleeps until the command that it executes can be left.
 * Return: 0 or -ENOENT.
 */
int engine_destroy_queue(struct engine *engine, u32 id)
{
	struct engine_queue *queue;

	mutex_lock(&engine->lock);
	queue = engine_find_queue(engine, id);
	if (queue)
		queue->closing = true;
	mutex_unlock(&engine->lock);
	if (!queue)
		return -ENOENT;

	/* A barrier waits for what it still executes, so it keeps its place until then. */
	engine_stop_queue(queue);
	mutex_lock(&engine->lock);
	engine->queue[id - 1] = NULL;
	mutex_unlock(&engine->lock);
	engine_queue_put(queue);
	return 0;
}

/**
 * engine_submit() - give a queue something to do
 * @engine: engine
 * @id: number of the queue
 * @job: what; the queue's if this succeeds
 * @seqno: its number in the queue
 *
 * Context: may sleep.
 * Return: 0, -ENOENT, or -ENOSPC.
 */
int engine_submit(struct engine *engine, u32 id, struct engine_job *job, u64 *seqno)
{
	struct engine_queue *queue;
	int ret = 0;

	mutex_lock(&engine->lock);
	queue = engine_find_queue(engine, id);
	if (!queue || engine_stopping(queue)) {
		ret = -ENOENT;
		goto out;
	}
	spin_lock(&queue->lock);
	if (queue->waiting == ENGINE_JOBS_MAX) {
		ret = -ENOSPC;
	} else {
		job->order = ++engine->orders;
		job->seqno = ++queue->submitted;
		*seqno = job->seqno;
		queue->waiting++;
		list_add_tail(&job->node, &queue->jobs);
	}
	spin_unlock(&queue->lock);
	if (!ret)
		wake_up(&queue->work);
out:
	mutex_unlock(&engine->lock);
	return ret;
}

static bool engine_is_finished(struct engine_queue *queue, u64 seqno)
{
	bool finished;

	spin_lock(&queue->lock);
	finished = queue->gone || queue->finished >= seqno;
	spin_unlock(&queue->lock);
	return finished;
}

/* What became of a submission that is finished, or whose queue went. */
static int engine_outcome(struct engine_queue *queue, u64 seqno, s32 *error)
{
	int ret = 0;

	spin_lock(&queue->lock);
	if (queue->finished < seqno)
		ret = -ENOENT;
	else
		*error = queue->finished - seqno < ENGINE_OUTCOMES ?
			 queue->outcome[seqno % ENGINE_OUTCOMES] : 0;
	spin_unlock(&queue->lock);
	return ret;
}

/**
 * engine_wait() - wait until a submission is finished
 * @engine: engine
 * @id: number of the queue
 * @seqno: number of the submission
 * @deadline: how long, CLOCK_MONOTONIC
 * @error: 0, or the errno of the command of it that failed
 *
 * Context: may sleep.
 * Return: 0, -ENOENT, -EINVAL, -ETIME, -EINTR.
 */
int engine_wait(struct engine *engine, u32 id, u64 seqno, ktime_t deadline, s32 *error)
{
	struct engine_queue *queue = engine_queue_get(engine, id);
	ktime_t left = ktime_sub(deadline, ktime_get());
	int ret = 0;

	if (!queue)
		return -ENOENT;
	if (!seqno || seqno > READ_ONCE(queue->submitted)) {
		ret = -EINVAL;
	} else if (!engine_is_finished(queue, seqno)) {
		ret = -ETIME;
		if (ktime_to_ns(left) > 0)
			ret = wait_event_interruptible_hrtimeout(engine->progress,
								 engine_is_finished(queue, seqno),
								 left);
		if (ret == -ERESTARTSYS)
			ret = -EINTR;
	}
	if (!ret)
		ret = engine_outcome(queue, seqno, error);
	engine_queue_put(queue);
	return ret;
}
