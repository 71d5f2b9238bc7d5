// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A storm: the memory of a process and of all that it starts goes to VRAM and comes home, all the
 * time, without their help.
 *
 * Who that is, is found out in storm_family.c, and what is done to each in storm_work.c.  A storm
 * has one thread, which takes the processes in turn, a piece of memory of each.  It holds an
 * address space for one piece, and so keeps none from its end.
 *
 * Locking: &storm.end_lock for who ends it, &storm.lock for what is reported.
 */
#include <linux/err.h>
#include <linux/freezer.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mmu_context.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "control.h"
#include "engine_gate.h"
#include "quota.h"
#include "stats.h"
#include "storm.h"
#include "storm_family.h"
#include "storm_work.h"
#include "svm.h"

/* Pieces of which nothing moved before the thread pauses, and for how long it does. */
#define STORM_IDLE_PIECES	32U
#define STORM_IDLE_PAUSE	ms_to_ktime(1)

/* For how long the thread sleeps before it looks whether there is something else to do. */
#define STORM_NAP		ms_to_ktime(50)

/* Processes that have gone and are cleared up before the next piece. */
#define STORM_GONE		256U

/* How far the thread may be behind its rate and make up for it. */
#define STORM_ARREARS_NS	(20 * NSEC_PER_MSEC)

/**
 * struct storm - a storm
 * @spec: what it does; fixed
 * @vram: memory of the device; fixed
 * @charge: account of the file; fixed
 * @stats: counters of the device; fixed
 * @quota: what the user has, of which the thread counts as a queue; fixed
 * @began: when, of ktime_get(); fixed
 * @base: the device's counters then; fixed
 * @stopping: its thread is to end
 * @idle: pieces since one of which something moved; the thread's
 * @due: when the next piece may be moved; the thread's
 * @running: the thread's own report
 * @end_lock: one who ends it at a time
 * @ended: it has been; under @end_lock
 * @thread: does it; held
 * @tools: what it works with
 * @family: whom it is about
 * @lock: protects @report
 * @report: as of the last piece
 */
struct storm {
	struct storm_spec spec;
	struct vram *vram;
	struct vram_charge *charge;
	struct mockgpu_stats *stats;
	struct quota *quota;
	ktime_t began;
	struct {
		u64 cpu_faults;
		u64 pages_cpu_fault;
		u64 pages_evicted;
	} base;
	int stopping;
	unsigned int idle;
	ktime_t due;
	struct storm_report running;

	struct mutex end_lock; /* for @ended */
	bool ended;
	struct task_struct *thread;
	struct storm_tools *tools;

	struct storm_family family;

	spinlock_t lock; /* for @report */
	struct storm_report report;
};

/* What was found out is what storm_look() sees. */
static void storm_publish(struct storm *storm)
{
	spin_lock(&storm->lock);
	storm->report = storm->running;
	spin_unlock(&storm->lock);
}

/*
 * Clear up after processes that ended or executed a program, up to so many.  That is published
 * before they are not counted any more, so who sees that nobody is left sees all of it.
 */
static void storm_clear_gone(struct storm *storm, unsigned int most)
{
	struct storm_member *member;

	while (most-- && (member = storm_family_gone(&storm->family))) {
		if (member->work) {
			storm_work_finish(member->work, &storm->running);
			storm_work_destroy(member->work);
			storm_publish(storm);
		}
		storm_member_free(member);
		cond_resched();
	}
}

/* Let everybody go. */
static void storm_finish(struct storm *storm)
{
	storm_family_end(&storm->family);
	storm_clear_gone(storm, UINT_MAX);
	storm_publish(storm);
}

static struct storm_work *storm_begin_work(struct storm *storm, struct storm_member *member)
{
	struct storm_work *work;
	struct svm *svm;

	svm = svm_create(storm->vram, storm->charge, storm->stats, member->mm, member->pid);
	if (!svm)
		return NULL;
	work = storm_work_create(&storm->spec, member->nth, member->inherited, svm,
				 storm->tools);
	if (!work)
		svm_destroy(svm);
	return work;
}

/* Storm a piece of a process's memory, which is in use.  Returns how many pages moved. */
static unsigned int storm_step_member(struct storm *storm, struct storm_member *member)
{
	struct mem_cgroup *memcg = get_mem_cgroup_from_mm(member->mm), *old;
	unsigned int moved = 0;

	/* Page tables, for one: as if the process had touched the addresses itself. */
	old = set_active_memcg(memcg);
	kthread_use_mm(member->mm);
	if (!member->work)
		member->work = storm_begin_work(storm, member);
	if (member->work)
		moved = storm_work_step(member->work, &storm->running, &storm->stopping);
	kthread_unuse_mm(member->mm);
	set_active_memcg(old);
	mem_cgroup_put(memcg);
	return moved;
}

/* Who is next, and may be gone through again: not all are asked at once. */
static struct storm_member *storm_next(struct storm *storm)
{
	struct storm_member *member;
	unsigned int i;

	for (i = 0; i < STORM_IDLE_PIECES; i++) {
		member = storm_family_next(&storm->family);
		if (!member || !member->work || !storm_work_rests(member->work))
			return member;
	}
	storm->idle = STORM_IDLE_PIECES;
	return NULL;
}

static unsigned int storm_step(struct storm *storm)
{
	struct storm_member *member = storm_next(storm);
	unsigned int moved;

	/* One who is ending is told of at once, if it has not been. */
	if (!member || !mmget_not_zero(member->mm))
		return 0;
	moved = storm_step_member(storm, member);
	/* Perhaps the last user: tearing it down takes long, and calls our notifiers. */
	mmput_async(member->mm);
	return moved;
}

static void storm_sleep(struct storm *storm, ktime_t duration)
{
	set_current_state(TASK_INTERRUPTIBLE | TASK_FREEZABLE);
	if (!READ_ONCE(storm->stopping))
		schedule_hrtimeout(&duration, HRTIMER_MODE_REL);
	__set_current_state(TASK_RUNNING);
}

/* Where there is nothing to do, do it slowly; and know when the next piece is due. */
static void storm_pace(struct storm *storm, unsigned int moved)
{
	ktime_t now = ktime_get();

	storm->idle = moved ? 0 : storm->idle + 1;
	if (storm->idle >= STORM_IDLE_PIECES) {
		storm->idle = 0;
		storm_sleep(storm, STORM_IDLE_PAUSE);
	}
	if (!storm->spec.rate)
		return;
	if (ktime_before(storm->due, ktime_sub_ns(now, STORM_ARREARS_NS)))
		storm->due = now;
	storm->due = ktime_add_ns(storm->due, div64_u64(moved * NSEC_PER_SEC, storm->spec.rate));
}

/* Wait until the next piece is due, but for no longer than a moment.  Returns whether it is. */
static bool storm_is_due(struct storm *storm)
{
	ktime_t wait = ktime_sub(storm->due, ktime_get());

	if (ktime_to_ns(wait) <= 0)
		return true;
	storm_sleep(storm, min(wait, STORM_NAP));
	return wait <= STORM_NAP;
}

/* Whether there is nobody left, or it has lasted as long as it was to. */
static bool storm_is_at_end(struct storm *storm)
{
	if (storm_family_is_over(&storm->family))
		return true;
	return storm->spec.duration_ns &&
	       ktime_to_ns(ktime_sub(ktime_get(), storm->began)) >= storm->spec.duration_ns;
}

/*
 * A piece, if it is time for it; processes come and go at any time.  Returns whether the storm is
 * over.
 */
static bool storm_do(struct storm *storm)
{
	bool due = storm_is_due(storm), over;
	unsigned int moved = 0;

	engine_gate_enter(&storm->stopping);
	storm_clear_gone(storm, STORM_GONE);
	over = storm_is_at_end(storm);
	if (over)
		storm_finish(storm);
	else if (due && !READ_ONCE(storm->stopping))
		moved = storm_step(storm);
	storm_publish(storm);
	engine_gate_leave();
	if (due && !over)
		storm_pace(storm, moved);
	return over;
}

static int storm_thread(void *data)
{
	struct storm *storm = data;
	bool over = false;

	set_freezable();
	allow_kernel_signal(SIGKILL);
	while (!kthread_should_stop()) {
		if (!over && !READ_ONCE(storm->stopping)) {
			over = storm_do(storm);
			try_to_freeze();
			cond_resched();
			continue;
		}
		/* Whoever stops the thread comes right after the signal. */
		flush_signals(current);
		set_current_state(TASK_INTERRUPTIBLE | TASK_FREEZABLE);
		if (!kthread_should_stop())
			schedule();
		__set_current_state(TASK_RUNNING);
	}
	return 0;
}

static u64 storm_count_of(const struct storm *storm, enum mockgpu_stat stat)
{
	return stats_get(storm->stats, stat);
}

static struct storm *storm_create(const struct storm_spec *spec, struct vram *vram,
				  struct vram_charge *charge, struct mockgpu_stats *stats,
				  struct quota *quota)
{
	struct storm *storm = NULL;

	if (!control_no_memory())
		storm = kzalloc(sizeof(*storm), GFP_KERNEL_ACCOUNT);
	if (!storm)
		return NULL;
	storm->tools = storm_tools_create(spec);
	if (!storm->tools) {
		kfree(storm);
		return NULL;
	}
	storm->spec = *spec;
	storm->vram = vram;
	storm->charge = charge;
	storm->stats = stats;
	storm->quota = quota;
	storm->began = ktime_get();
	storm->base.cpu_faults = storm_count_of(storm, STAT_CPU_FAULTS);
	storm->base.pages_cpu_fault = storm_count_of(storm, STAT_PAGES_CPU_FAULT);
	storm->base.pages_evicted = storm_count_of(storm, STAT_PAGES_EVICTED);
	mutex_init(&storm->end_lock);
	spin_lock_init(&storm->lock);
	return storm;
}

/**
 * storm_begin() - begin a storm on the calling process
 * @spec: what it does
 * @vram: memory of the device
 * @charge: account of the file
 * @stats: counters of the device
 * @quota: what the file's user has
 *
 * All of it is to be there until storm_free(), and nobody is to end it before this returns.
 *
 * Context: may sleep.
 * Return: the storm; or an ERR_PTR: -ENOSPC (as many threads as the user may have, or as many
 * storms as a process may be in), -ENOMEM, -EINTR, -EOPNOTSUPP (the kernel does not tell of forks).
 */
struct storm *storm_begin(const struct storm_spec *spec, struct vram *vram,
			  struct vram_charge *charge, struct mockgpu_stats *stats,
			  struct quota *quota)
{
	struct task_struct *thread;
	struct storm *storm;
	int ret;

	if (!quota_take(quota, QUOTA_QUEUES, 1))
		return ERR_PTR(-ENOSPC);
	ret = -ENOMEM;
	storm = storm_create(spec, vram, charge, stats, quota);
	if (!storm)
		goto err_quota;
	ret = storm_family_begin(&storm->family);
	if (ret)
		goto err_free;
	thread = kthread_run(storm_thread, storm, "mockgpu-s/%d", task_tgid_nr(current));
	ret = PTR_ERR_OR_ZERO(thread);
	if (ret)
		goto err_finish;
	/* It works for the process, which may have made itself nice. */
	set_user_nice(thread, task_nice(current));
	/* Held: who stops it may meet it when it has ended. */
	storm->thread = get_task_struct(thread);
	return storm;

err_finish:
	storm_finish(storm);
	storm_family_fini(&storm->family);
err_free:
	storm_free(storm);
err_quota:
	quota_give(quota, QUOTA_QUEUES, 1);
	return ERR_PTR(ret);
}

/**
 * storm_stop() - have a storm move nothing any more
 * @storm: storm
 *
 * Context: any; storm_end() waits until it has stopped.
 */
void storm_stop(struct storm *storm)
{
	WRITE_ONCE(storm->stopping, 1);
	/* Held until storm_free(); one that has ended takes no signals. */
	send_sig(SIGKILL, storm->thread, 1);
}

/**
 * storm_end() - end a storm, for good
 * @storm: storm, which may have ended before
 *
 * What it did can still be looked at.
 *
 * Context: sleeps until what it is doing can be left.
 */
void storm_end(struct storm *storm)
{
	storm_stop(storm);
	mutex_lock(&storm->end_lock);
	if (!storm->ended) {
		storm->ended = true;
		kthread_stop(storm->thread);
		storm_finish(storm);
		storm_family_fini(&storm->family);
		quota_give(storm->quota, QUOTA_QUEUES, 1);
	}
	mutex_unlock(&storm->end_lock);
}

/**
 * storm_free() - undo storm_begin()
 * @storm: storm that has ended, and that nobody looks at any more
 */
void storm_free(struct storm *storm)
{
	mutex_destroy(&storm->end_lock);
	if (storm->thread)
		put_task_struct(storm->thread);
	storm_tools_destroy(storm->tools);
	kfree(storm);
}

/**
 * storm_look() - say how a storm is doing
 * @storm: storm
 * @report: answer
 *
 * Context: may sleep.
 */
void storm_look(struct storm *storm, struct storm_report *report)
{
	struct storm_family family;

	/* In this order: see storm_clear_gone(). */
	storm_family_look(&storm->family, &family);
	spin_lock(&storm->lock);
	*report = storm->report;
	spin_unlock(&storm->lock);
	report->over = family.over && !family.len;
	report->processes = family.len;
	report->followed = family.nth;
	report->missed = family.missed;
	report->left = family.left;
	report->cpu_faults = storm_count_of(storm, STAT_CPU_FAULTS) - storm->base.cpu_faults;
	report->pages_cpu_fault = storm_count_of(storm, STAT_PAGES_CPU_FAULT) -
				  storm->base.pages_cpu_fault;
	report->pages_evicted = storm_count_of(storm, STAT_PAGES_EVICTED) -
				storm->base.pages_evicted;
	report->elapsed_ns = ktime_to_ns(ktime_sub(ktime_get(), storm->began));
}
