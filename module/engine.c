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
 * pieces of work.  What it was given and has not finished is dropped.
 *
 * Locking: &engine.lock for which queues there are, for the order among submissions
 * and for the time that ended queues were busy; a queue's own lock for its list and its
 * time.  A queue is referenced by whoever works on it outside &engine.lock.
 */
#include <linux/delay.h>
#include <linux/eventfd.h>
#include <linux/kref.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "control.h"
#include "engine.h"
#include "engine_cmd.h"
#include "engine_internal.h"
#include "freezable.h"
#include "mockgpu_drm.h"
#include "quota.h"
#include "svm.h"

/**
 * engine_job_free() - free a submission
 * @job: submission that is on no queue
 */
void engine_job_free(struct engine_job *job)
{
	if (job->eventfd)
		eventfd_ctx_put(job->eventfd);
	if (job->quota)
		quota_give(job->quota, QUOTA_COMMANDS, job->count);
	kvfree(job->cmds);
	kfree(job);
}

static void engine_queue_release(struct kref *ref)
{
	struct engine_queue *queue = container_of(ref, struct engine_queue, ref);

	if (queue->thread)
		put_task_struct(queue->thread);
	engine_exec_destroy(queue->exec);
	mem_cgroup_put(queue->memcg);
	quota_give(queue->engine->quota, QUOTA_QUEUES, 1);
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

/* What to say of a queue that is not there. */
static int engine_no_queue(const struct engine *engine)
{
	return READ_ONCE(engine->left) ? -ENODEV : -ENOENT;
}

/* Let a queue execute nothing any more.  Its thread waits to be stopped. */
static void engine_abort_queue(struct engine_queue *queue, int why)
{
	cmpxchg(&queue->stopping, 0, why);
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

	engine_abort_queue(queue, -ECANCELED);
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
 * @quota: what the file's user has; there for as long as the engine
 */
void engine_init(struct engine *engine, struct quota *quota)
{
	engine->quota = quota;
	mutex_init(&engine->lock);
	init_waitqueue_head(&engine->progress);
}

static void engine_abort_all(struct engine *engine, int why)
{
	unsigned int i;

	lockdep_assert_held(&engine->lock);

	for (i = 0; i < ENGINE_QUEUES_MAX; i++) {
		if (engine->queue[i])
			engine_abort_queue(engine->queue[i], why);
	}
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
	mutex_lock(&engine->lock);
	engine_abort_all(engine, -ECANCELED);
	mutex_unlock(&engine->lock);
}

/**
 * engine_leave() - the device leaves: there is nothing to execute on any more
 * @engine: engine
 *
 * Commands that are being executed stop with -ENODEV, and that is what every call is told
 * from now on, and whoever waits.  engine_fini() waits until they have.
 *
 * Context: may sleep.
 */
void engine_leave(struct engine *engine)
{
	mutex_lock(&engine->lock);
	WRITE_ONCE(engine->left, true);
	engine_abort_all(engine, -ENODEV);
	mutex_unlock(&engine->lock);
}

/**
 * engine_is_empty() - whether there are no queues
 * @engine: engine
 *
 * Context: may sleep.
 */
bool engine_is_empty(struct engine *engine)
{
	bool empty;

	mutex_lock(&engine->lock);
	empty = !memchr_inv(engine->queue, 0, sizeof(engine->queue));
	mutex_unlock(&engine->lock);
	return empty;
}

/**
 * engine_fini() - end all queues
 * @engine: engine in which nobody makes a queue any more
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
	/* Somebody else may be taking one away. */
	while (!engine_is_empty(engine))
		usleep_range(500, 1000);
}

/**
 * engine_create_queue() - make a queue
 * @engine: engine
 * @svm: memory that it works on
 * @id: its number, from 1
 *
 * Context: may sleep.
 * Return: 0, -ENOSPC, -ENOMEM, -EINTR, or -ENODEV.
 */
int engine_create_queue(struct engine *engine, struct svm *svm, u32 *id)
{
	struct engine_queue *queue;
	struct task_struct *thread;
	unsigned int i;
	int ret = -ENOSPC;

	if (!quota_take(engine->quota, QUOTA_QUEUES, 1))
		return -ENOSPC;
	queue = control_no_memory() ? NULL : kzalloc(sizeof(*queue), GFP_KERNEL_ACCOUNT);
	if (!queue) {
		quota_give(engine->quota, QUOTA_QUEUES, 1);
		return -ENOMEM;
	}
	kref_init(&queue->ref);
	queue->engine = engine;
	queue->svm = svm;
	queue->memcg = get_mem_cgroup_from_mm(current->mm);
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
	/* Held: who aborts all queues may meet one whose thread has ended. */
	queue->thread = get_task_struct(thread);

	mutex_lock(&engine->lock);
	for (i = 0; i < ENGINE_QUEUES_MAX && engine->queue[i]; i++)
		;
	if (engine->left) {
		ret = -ENODEV;
	} else if (i < ENGINE_QUEUES_MAX) {
		queue->id = i + 1;
		engine->queue[i] = queue;
		*id = i + 1;
		ret = 0;
	}
	mutex_unlock(&engine->lock);
	if (!ret)
		return 0;
	kthread_stop(thread);

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
 * Return: 0, -ENOENT, or -ENODEV.
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
		return engine_no_queue(engine);

	/* A barrier waits for what it still executes, so it keeps its place until then. */
	engine_stop_queue(queue);
	mutex_lock(&engine->lock);
	engine->queue[id - 1] = NULL;
	engine->busy_ns += engine_queue_busy_ns(queue);
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
 * Return: 0, -ENOENT, -ENOSPC, or -ENODEV.
 */
int engine_submit(struct engine *engine, u32 id, struct engine_job *job, u64 *seqno)
{
	struct engine_queue *queue;
	int ret = 0;

	mutex_lock(&engine->lock);
	queue = engine_find_queue(engine, id);
	if (!queue || engine_stopping(queue)) {
		ret = engine_no_queue(engine);
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
		ret = engine_no_queue(queue->engine);
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
 * Return: 0, -ENOENT, -EINVAL, -ETIME, -EINTR, -ENODEV.
 */
int engine_wait(struct engine *engine, u32 id, u64 seqno, ktime_t deadline, s32 *error)
{
	struct engine_queue *queue = engine_queue_get(engine, id);
	ktime_t left = ktime_sub(deadline, ktime_get());
	int ret = 0;

	if (!queue)
		return engine_no_queue(engine);
	if (!seqno || seqno > READ_ONCE(queue->submitted)) {
		ret = -EINVAL;
	} else if (!engine_is_finished(queue, seqno)) {
		ret = -ETIME;
		if (ktime_to_ns(left) > 0)
			ret = freezable_wait(engine->progress, engine_is_finished(queue, seqno),
					     left);
		if (ret == -ERESTARTSYS)
			ret = -EINTR;
	}
	if (!ret)
		ret = engine_outcome(queue, seqno, error);
	engine_queue_put(queue);
	return ret;
}

/**
 * engine_busy_ns() - how long queues have executed submissions
 * @engine: engine
 *
 * The sum over all queues that there were, with what is being executed now.  It never goes
 * back.  Whatever a command waits for is a part of it.
 *
 * Context: may sleep.
 * Return: nanoseconds.
 */
u64 engine_busy_ns(struct engine *engine)
{
	unsigned int i;
	u64 ns;

	mutex_lock(&engine->lock);
	ns = engine->busy_ns;
	for (i = 0; i < ENGINE_QUEUES_MAX; i++) {
		if (engine->queue[i])
			ns += engine_queue_busy_ns(engine->queue[i]);
	}
	mutex_unlock(&engine->lock);
	return ns;
}
