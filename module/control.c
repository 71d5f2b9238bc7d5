// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Control points: named steps where a test can hold a thread, delay it, or make the
 * step fail.
 *
 * As long as nothing was ever armed, a point is a branch that is not taken.  From then
 * on it is a look at how many arms there are, and while there are some, every hit looks
 * through them, in the order in which they were made.
 *
 * A thread that is held keeps the locks that it has.  So it is never held for longer
 * than its arm says, and goes on when it is killed, when the machine is going to sleep, and
 * when the arm goes, with the file that it belongs to, or its device, at the latest.  A thread
 * that exits is not held: no signal could reach it.
 *
 * Locking: &control_lock, for everything; innermost.  An arm is referenced by whoever
 * sleeps for it.
 */
#include <linux/err.h>
#include <linux/freezer.h>
#include <linux/hrtimer.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "control.h"
#include "event.h"
#include "freezable.h"
#include "mockgpu_drm.h"

/* How often a thread that is held looks whether it is to be elsewhere. */
#define CONTROL_SLICE	ms_to_ktime(50)

/**
 * struct control_arm - what was armed
 * @node: on the list
 * @ref: who uses it
 * @spec: what; fixed
 * @owner: whom it belongs to; fixed
 * @id: its number; fixed
 * @hits: hits that concern it; under &control_lock, as all below
 * @acted: those that it acted on
 * @random: for the next of those
 * @round: how often threads were let go
 * @gone: it is not on the list any more
 * @held: threads that it holds
 * @nr_held: how many
 * @progress: woken with every hit and whenever threads are let go
 */
struct control_arm {
	struct list_head node;
	struct kref ref;
	struct control_spec spec;
	const void *owner;
	u64 id;
	u64 hits;
	u64 acted;
	struct rnd_state random;
	unsigned int round;
	bool gone;
	struct list_head held;
	unsigned int nr_held;
	wait_queue_head_t progress;
};

/**
 * struct control_held - a thread that is held
 * @node: on its arm's list
 * @task: thread
 * @addr: first address that it is about
 */
struct control_held {
	struct list_head node;
	struct task_struct *task;
	unsigned long addr;
};

/*
 * To turn the branches stops all CPUs, and who arms is likely to arm again: once turned
 * they stay so.
 */
DEFINE_STATIC_KEY_FALSE(control_armed);

static DEFINE_SPINLOCK(control_lock);
static LIST_HEAD(control_arms);
static unsigned int control_nr_arms;
static u64 control_last_id;
/* Nobody is held, as the machine is going to sleep; to see that late does not matter. */
static bool control_rests;

#define WAITS	MOCKGPU_POINT_CAN_WAIT
#define FAILS	MOCKGPU_POINT_CAN_FAIL
#define MEMORY	(MOCKGPU_POINT_HAS_MM | MOCKGPU_POINT_HAS_ADDR)
#define HOLDS	MOCKGPU_POINT_HOLDS_MM
#define ERRNO	MOCKGPU_POINT_TAKES_ERROR
#define DEVICE	MOCKGPU_POINT_HAS_DEVICE

static const struct control_info control_infos[CONTROL_COUNT] = {
	/* The caller of MIGRATE has looked at the pages, has VRAM, and holds no lock. */
	[CONTROL_MIGRATE_START] = { "migrate-start", WAITS | MEMORY | DEVICE },
	/* The pages are locked and in no page table; mmap_lock is held for reading. */
	[CONTROL_MIGRATE_COLLECTED] = { "migrate-collected", WAITS | HOLDS | MEMORY | DEVICE },
	/* ... and have been copied. */
	[CONTROL_MIGRATE_COPIED] = { "migrate-copied", WAITS | HOLDS | MEMORY | DEVICE },
	/* ... and the copies have taken their place; nobody can use them yet. */
	[CONTROL_MIGRATE_MOVED] = { "migrate-moved", WAITS | HOLDS | MEMORY | DEVICE },
	/* A CPU touched a page in VRAM, which is locked; mmap_lock is held for reading. */
	[CONTROL_CPU_FAULT] = { "cpu-fault", WAITS | HOLDS | MEMORY | DEVICE },
	[CONTROL_CPU_FAULT_COLLECTED] = { "cpu-fault-collected", WAITS | HOLDS | MEMORY | DEVICE },
	[CONTROL_CPU_FAULT_COPIED] = { "cpu-fault-copied", WAITS | HOLDS | MEMORY | DEVICE },
	/* The device has no entry for an address; no lock is held. */
	[CONTROL_GPU_FAULT] = { "gpu-fault", WAITS | FAILS | ERRNO | MEMORY | DEVICE, -EFAULT },
	/*
	 * The process's page table was looked at, and the notifier's lock not yet taken.  To
	 * fail here is to have been invalidated.
	 */
	[CONTROL_GPU_FAULT_ASKED] = { "gpu-fault-asked", WAITS | FAILS | MEMORY | DEVICE, -EBUSY },
	/* The same, where it is only to be told where pages are. */
	[CONTROL_LOOK_ASKED] = { "look-asked", WAITS | FAILS | MEMORY | DEVICE, -EBUSY },
	/* The memory manager is about to change a page table, and may hold its locks. */
	[CONTROL_NOTIFIER] = { "notifier", WAITS | HOLDS | MEMORY | DEVICE },
	/* ... and no device access to this address space can happen. */
	[CONTROL_NOTIFIER_HELD] = { "notifier-held", WAITS | HOLDS | MEMORY | DEVICE },
	[CONTROL_EXCLUSIVE] = { "exclusive", WAITS | FAILS | ERRNO | MEMORY | DEVICE, -EBUSY },
	/* The page is exclusive and locked; mmap_lock is held for reading. */
	[CONTROL_EXCLUSIVE_HELD] = { "exclusive-held", WAITS | HOLDS | MEMORY | DEVICE },
	/* Pages were chosen to leave VRAM; no lock is held. */
	[CONTROL_EVICT] = { "evict", WAITS | DEVICE },
	/* They are locked and in no page table. */
	[CONTROL_EVICT_COLLECTED] = { "evict-collected", WAITS | DEVICE },
	[CONTROL_EVICT_COPIED] = { "evict-copied", WAITS | DEVICE },
	/* A queue's thread, before and after a command; no lock is held. */
	[CONTROL_COMMAND] = { "command", WAITS | FAILS | ERRNO | MEMORY | DEVICE, -EIO },
	[CONTROL_COMMAND_DONE] = { "command-done", WAITS | MEMORY | DEVICE },
	/* A file is being closed; the device was unplugged; its VRAM is to be emptied. */
	[CONTROL_CLOSE] = { "close", WAITS | DEVICE },
	[CONTROL_UNPLUG] = { "unplug", WAITS | DEVICE },
	[CONTROL_EMPTY] = { "empty", WAITS | DEVICE },
	/* A page was collected for a migration.  To fail is to have been in use by others. */
	[CONTROL_PAGE_LOCK] = { "page-lock", FAILS | MEMORY | DEVICE, -EBUSY },
	/* Memory for the driver's own needs; of VRAM; of RAM for a page to come home to. */
	[CONTROL_ALLOC] = { "alloc", FAILS, -ENOMEM },
	[CONTROL_ALLOC_VRAM] = { "alloc-vram", FAILS | ERRNO | DEVICE, -ENOSPC },
	[CONTROL_ALLOC_RAM] = { "alloc-ram", FAILS | DEVICE, -ENOMEM },
	/* A page is copied, in either direction. */
	[CONTROL_COPY] = { "copy", FAILS | DEVICE, -EIO },
};

/**
 * control_info() - what there is to know of a point
 * @point: point
 */
const struct control_info *control_info(enum control_point point)
{
	return &control_infos[point];
}

static void control_free(struct kref *ref)
{
	struct control_arm *arm = container_of(ref, struct control_arm, ref);

	if (arm->spec.mm)
		mmdrop(arm->spec.mm);
	kfree(arm);
}

static void control_put(struct control_arm *arm)
{
	kref_put(&arm->ref, control_free);
}

/* @device: its number, or negative. */
static bool control_concerns(const struct control_arm *arm, enum control_point point, int device,
			     const struct mm_struct *mm, unsigned long start, unsigned long last)
{
	const struct control_spec *spec = &arm->spec;

	return spec->point == point && (!spec->mm || spec->mm == mm) &&
	       (!spec->device || (device >= 0 && READ_ONCE(*spec->device) == device)) &&
	       spec->start <= last && start <= spec->last;
}

/*
 * Count a hit.  Returns whether the arm acts on it.  Who waits is woken, and looks when the lock is
 * dropped.
 */
static bool control_count(struct control_arm *arm)
{
	const struct control_spec *spec = &arm->spec;

	arm->hits++;
	wake_up_all(&arm->progress);
	if (arm->hits < spec->first || (spec->count && arm->hits - spec->first >= spec->count))
		return false;
	if (spec->chance && (prandom_u32_state(&arm->random) & 0xffff) >= spec->chance)
		return false;
	arm->acted++;
	return true;
}

static bool control_holds(const struct control_arm *arm)
{
	return arm->spec.action == MOCKGPU_POINT_WAIT || arm->spec.action == MOCKGPU_POINT_DELAY;
}

/* Whether the calling thread has to be elsewhere. */
static bool control_is_called_away(void)
{
	return READ_ONCE(control_rests) || fatal_signal_pending(current) ||
	       (current->flags & PF_EXITING) || freezing(current) ||
	       (READ_ONCE(current->jobctl) & JOBCTL_TRAP_FREEZE);
}

/* Hold the calling thread.  The arm is referenced. */
static void control_hold(struct control_arm *arm, struct control_held *held, unsigned int round)
{
	ktime_t end = ktime_add(ktime_get(), arm->spec.time), until;

	for (;;) {
		set_current_state(TASK_KILLABLE);
		if (READ_ONCE(arm->round) != round || control_is_called_away() ||
		    ktime_compare(ktime_get(), end) >= 0)
			break;
		until = ktime_add(ktime_get(), CONTROL_SLICE);
		if (ktime_after(until, end))
			until = end;
		schedule_hrtimeout(&until, HRTIMER_MODE_ABS);
	}
	__set_current_state(TASK_RUNNING);

	spin_lock(&control_lock);
	list_del(&held->node);
	arm->nr_held--;
	spin_unlock(&control_lock);
	wake_up_all(&arm->progress);
}

/* Find the next arm behind number @after that acts on a hit.  It is referenced. */
static struct control_arm *control_next(enum control_point point, int device,
					const struct mm_struct *mm, unsigned long start,
					unsigned long last, u64 after, struct control_held *held,
					unsigned int *round)
{
	struct control_arm *arm, *found = NULL;

	spin_lock(&control_lock);
	list_for_each_entry(arm, &control_arms, node) {
		if (arm->id <= after ||
		    !control_concerns(arm, point, device, mm, start, last) || !control_count(arm))
			continue;
		/* One that counts has nothing more to do, but to be told of. */
		if (arm->spec.action == MOCKGPU_POINT_COUNT && !event_on())
			continue;
		found = arm;
		kref_get(&arm->ref);
		if (control_holds(arm)) {
			*round = arm->round;
			list_add_tail(&held->node, &arm->held);
			arm->nr_held++;
		}
		break;
	}
	spin_unlock(&control_lock);
	return found;
}

/**
 * control_hit_armed() - control_hit() when something is armed
 * @point: point
 * @device: as control_hit()
 * @mm: whose memory it is about, or NULL
 * @start: first address that it is about, or 0
 * @last: last of them
 *
 * Context and return value: control_hit().
 */
int control_hit_armed(enum control_point point, const int *device, const struct mm_struct *mm,
		      unsigned long start, unsigned long last)
{
	struct control_held held = { .task = current, .addr = start };
	struct control_arm *arm;
	unsigned int round;
	u64 after = 0, began;
	int number, ret = 0;

	if (!READ_ONCE(control_nr_arms))
		return 0;
	number = device ? READ_ONCE(*device) : EVENT_NO_DEVICE;
	while (!ret && (arm = control_next(point, number, mm, start, last, after, &held, &round))) {
		after = arm->id;
		began = event_start();
		if (arm->spec.action == MOCKGPU_POINT_FAIL)
			ret = arm->spec.error ? : control_infos[point].error;
		else if (control_holds(arm))
			control_hold(arm, &held, round);
		event_emit(.kind = MOCKGPU_EVENT_POINT, .cause = point, .error = ret,
			   .device = EVENT_NO_DEVICE, .mm = mm, .addr = start,
			   .len = start ? last - start + 1 : 0, .value = arm->id,
			   .start = control_holds(arm) ? began : 0);
		control_put(arm);
	}
	return ret;
}

/**
 * control_arm() - arm a point
 * @spec: what; checked by the caller
 * @owner: whom the arm belongs to
 * @id: its number, from 1
 *
 * Context: may sleep.
 * Return: 0, -ENOSPC or -ENOMEM.
 */
int control_arm(const struct control_spec *spec, const void *owner, u64 *id)
{
	struct control_arm *arm = kzalloc(sizeof(*arm), GFP_KERNEL_ACCOUNT);
	int ret = 0;

	if (!arm)
		return -ENOMEM;
	kref_init(&arm->ref);
	arm->spec = *spec;
	if (arm->spec.mm)
		mmgrab(arm->spec.mm);
	arm->owner = owner;
	prandom_seed_state(&arm->random, spec->seed);
	INIT_LIST_HEAD(&arm->held);
	init_waitqueue_head(&arm->progress);

	spin_lock(&control_lock);
	if (control_nr_arms == MOCKGPU_POINT_ARMS_MAX) {
		ret = -ENOSPC;
	} else {
		WRITE_ONCE(control_nr_arms, control_nr_arms + 1);
		arm->id = ++control_last_id;
		*id = arm->id;
		list_add_tail(&arm->node, &control_arms);
	}
	spin_unlock(&control_lock);

	if (ret) {
		control_put(arm);
		return ret;
	}
	static_branch_enable(&control_armed);
	event_watch();
	return 0;
}

/* An arm of an owner's, referenced, or NULL. */
static struct control_arm *control_find(const void *owner, u64 id)
{
	struct control_arm *arm, *found = NULL;

	spin_lock(&control_lock);
	list_for_each_entry(arm, &control_arms, node) {
		if (arm->id == id && arm->owner == owner) {
			found = arm;
			kref_get(&arm->ref);
			break;
		}
	}
	spin_unlock(&control_lock);
	return found;
}

static void control_report(struct control_arm *arm, struct control_report *report)
{
	struct control_held *held;

	memset(report, 0, sizeof(*report));
	spin_lock(&control_lock);
	report->hits = arm->hits;
	report->acted = arm->acted;
	report->held = arm->nr_held;
	held = list_first_entry_or_null(&arm->held, struct control_held, node);
	if (held) {
		report->tid = task_pid_vnr(held->task);
		report->addr = held->addr;
		get_task_comm(report->comm, held->task);
	}
	spin_unlock(&control_lock);
}

/* Whether what is waited for has come. */
static bool control_came(struct control_arm *arm, u64 hits)
{
	bool came;

	spin_lock(&control_lock);
	came = arm->gone || (hits ? arm->hits >= hits : arm->nr_held);
	spin_unlock(&control_lock);
	return came;
}

/**
 * control_wait() - wait for hits of an arm
 * @owner: whom it belongs to
 * @id: its number
 * @hits: how many hits, or 0: until it holds a thread
 * @deadline: until when, CLOCK_MONOTONIC
 * @report: how it is doing; also with -ETIME and -EINTR
 *
 * Context: may sleep.
 * Return: 0, -ENOENT, -ETIME or -EINTR.
 */
int control_wait(const void *owner, u64 id, u64 hits, ktime_t deadline,
		 struct control_report *report)
{
	struct control_arm *arm = control_find(owner, id);
	ktime_t left = ktime_sub(deadline, ktime_get());
	int ret = 0;

	if (!arm)
		return -ENOENT;
	if (!control_came(arm, hits)) {
		ret = -ETIME;
		if (ktime_to_ns(left) > 0)
			ret = freezable_wait(arm->progress, control_came(arm, hits), left);
		if (ret == -ERESTARTSYS)
			ret = -EINTR;
	}
	if (READ_ONCE(arm->gone))
		ret = -ENOENT;
	control_report(arm, report);
	control_put(arm);
	return ret;
}

/* Let the threads go that an arm holds. */
static void control_let_go(struct control_arm *arm)
{
	struct control_held *held;

	lockdep_assert_held(&control_lock);

	WRITE_ONCE(arm->round, arm->round + 1);
	list_for_each_entry(held, &arm->held, node)
		wake_up_process(held->task);
	wake_up_all(&arm->progress);
}

/* Take an arm off the list.  Its list's reference goes to the caller. */
static void control_remove(struct control_arm *arm)
{
	lockdep_assert_held(&control_lock);

	list_del(&arm->node);
	WRITE_ONCE(control_nr_arms, control_nr_arms - 1);
	arm->gone = true;
	control_let_go(arm);
}

/**
 * control_release() - let threads go
 * @owner: whom the arm belongs to
 * @id: its number
 * @stay: leave it armed
 *
 * Context: may sleep.
 * Return: 0 or -ENOENT.
 */
int control_release(const void *owner, u64 id, bool stay)
{
	struct control_arm *arm = control_find(owner, id);
	bool removed = false;

	if (!arm)
		return -ENOENT;
	spin_lock(&control_lock);
	if (stay) {
		control_let_go(arm);
	} else if (!arm->gone) {
		control_remove(arm);
		removed = true;
	}
	spin_unlock(&control_lock);
	if (removed)
		control_put(arm);
	control_put(arm);
	return 0;
}

/**
 * control_look() - look at an owner's arms, one after the other
 * @owner: who
 * @after: number of the arm before, or 0
 * @spec: what was armed; its @mm and @device are not to be used
 * @report: how it is doing
 *
 * Context: may sleep.
 * Return: the arm's number, or 0 where there is none behind that.
 */
u64 control_look(const void *owner, u64 after, struct control_spec *spec,
		 struct control_report *report)
{
	struct control_arm *arm, *found = NULL;

	spin_lock(&control_lock);
	list_for_each_entry(arm, &control_arms, node) {
		if (arm->owner == owner && arm->id > after) {
			found = arm;
			kref_get(&arm->ref);
			break;
		}
	}
	spin_unlock(&control_lock);
	if (!found)
		return 0;
	*spec = found->spec;
	after = found->id;
	control_report(found, report);
	control_put(found);
	return after;
}

/**
 * control_disarm() - all arms of an owner go
 * @owner: who
 *
 * Context: may sleep.
 */
void control_disarm(const void *owner)
{
	struct control_arm *arm, *found;

	do {
		found = NULL;
		spin_lock(&control_lock);
		list_for_each_entry(arm, &control_arms, node) {
			if (arm->owner == owner) {
				found = arm;
				control_remove(arm);
				break;
			}
		}
		spin_unlock(&control_lock);
		if (found)
			control_put(found);
	} while (found);
}

/**
 * control_rest() - let everybody go whom an arm holds, and hold nobody
 * @rest: whether to begin with that, or to end it
 *
 * Context: any.  Who is held goes within CONTROL_SLICE.
 */
void control_rest(bool rest)
{
	WRITE_ONCE(control_rests, rest);
}

/**
 * control_is_resting() - whether the machine is going to sleep
 *
 * For whoever could wait, or go on for long, and need not.
 *
 * Context: any.
 */
bool control_is_resting(void)
{
	return READ_ONCE(control_rests);
}
