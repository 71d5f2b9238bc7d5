/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What a queue is to its thread and to those who make and end it; nobody else includes this. */
#ifndef MOCKGPU_ENGINE_INTERNAL_H
#define MOCKGPU_ENGINE_INTERNAL_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "engine.h"

struct engine_exec;
struct mem_cgroup;
struct task_struct;

/* Submissions whose outcome a queue remembers. */
#define ENGINE_OUTCOMES		256U

/**
 * struct engine_queue - a queue
 * @ref: who uses it
 * @engine: its engine; fixed
 * @id: its number; set before it is found
 * @svm: the memory that it works on; fixed
 * @memcg: to which the kernel charges what it needs for the commands; fixed, and held
 * @exec: what commands work with; the thread's
 * @thread: executes it
 * @stopping: 0; or what stops it, set once, before the thread is sent a signal: -ENODEV
 *	(the device leaves), -ECANCELED (anything else)
 * @closing: somebody takes it away; under &engine.lock
 * @lock: protects all below
 * @jobs: what waits to be executed
 * @waiting: how many
 * @submitted: number of the last submission
 * @finished: number of the last one that is finished
 * @began: when the submission that is being executed began; 0: there is none
 * @busy_ns: how long those before it took
 * @gone: executes nothing any more
 * @outcome: errors of the last submissions, by number
 * @work: wakes the thread
 */
struct engine_queue {
	struct kref ref;
	struct engine *engine;
	u32 id;
	struct svm *svm;
	struct mem_cgroup *memcg;
	struct engine_exec *exec;
	struct task_struct *thread;
	int stopping;
	bool closing;

	spinlock_t lock; /* for what follows */
	struct list_head jobs;
	unsigned int waiting;
	u64 submitted;
	u64 finished;
	u64 began;
	u64 busy_ns;
	bool gone;
	s32 outcome[ENGINE_OUTCOMES];
	wait_queue_head_t work;
};

int engine_thread(void *data);
void engine_report(struct engine_queue *queue, struct engine_job *job);
u64 engine_queue_busy_ns(struct engine_queue *queue);

#endif
