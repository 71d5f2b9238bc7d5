/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_ENGINE_H
#define MOCKGPU_ENGINE_H

#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/wait.h>

struct drm_mockgpu_cmd;
struct drm_mockgpu_result;
struct engine_queue;
struct eventfd_ctx;
struct quota;
struct svm;

#define ENGINE_QUEUES_MAX	16U
#define ENGINE_JOBS_MAX		64U
#define ENGINE_CMDS_MAX		65536U

/**
 * struct engine - what executes commands for one open file
 * @quota: what the file's user has; fixed
 * @lock: protects @queue, @orders, @left and @busy_ns
 * @queue: the queues, by number - 1
 * @orders: submissions so far, of all queues
 * @left: the device has left: there are no queues any more, for good
 * @busy_ns: how long queues that have ended executed submissions
 * @progress: woken whenever a submission is finished, or a queue goes
 */
struct engine {
	struct quota *quota;
	struct mutex lock; /* for what follows */
	struct engine_queue *queue[ENGINE_QUEUES_MAX];
	u64 orders;
	bool left;
	u64 busy_ns;
	wait_queue_head_t progress;
};

/**
 * struct engine_job - a submission
 * @node: on its queue's list
 * @cmds: what to do; freed with it
 * @count: how many
 * @quota: of which user's they count, or NULL
 * @results: address of the results in the attached memory, or 0
 * @fence_addr: address of the fence in the attached memory, or 0
 * @fence_value: what to store there
 * @eventfd: what to signal, or NULL; put with it
 * @order: its place among the submissions of all queues
 * @seqno: its place among those of its queue, from 1
 */
struct engine_job {
	struct list_head node;
	struct drm_mockgpu_cmd *cmds;
	unsigned int count;
	struct quota *quota;
	unsigned long results;
	unsigned long fence_addr;
	u64 fence_value;
	struct eventfd_ctx *eventfd;
	u64 order;
	u64 seqno;
};

void engine_init(struct engine *engine, struct quota *quota);
void engine_abort(struct engine *engine);
void engine_leave(struct engine *engine);
bool engine_is_empty(struct engine *engine);
void engine_fini(struct engine *engine);
int engine_create_queue(struct engine *engine, struct svm *svm, u32 *id);
int engine_destroy_queue(struct engine *engine, u32 id);
int engine_submit(struct engine *engine, u32 id, struct engine_job *job, u64 *seqno);
int engine_wait(struct engine *engine, u32 id, u64 seqno, ktime_t deadline, s32 *error);
u64 engine_busy_ns(struct engine *engine);
void engine_job_free(struct engine_job *job);

/* What the commands need of the queue that executes them. */
int engine_stopping(const struct engine_queue *queue);
u32 engine_queue_id(const struct engine_queue *queue);
int engine_sleep(struct engine_queue *queue, ktime_t duration);
int engine_barrier(struct engine_queue *queue, u64 order);

#endif
