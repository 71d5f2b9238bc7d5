// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The event log: what happens is told to every log that is open and wants to know, and
 * to the tracepoints.
 *
 * As long as there was neither, a step that would tell is a branch that is not taken; from
 * then on, it is a look at whether there is one now.
 *
 * A log has a ring of its own.  Whoever tells comes from anywhere, often with locks of
 * the memory manager held: it takes one spinlock for a moment, allocates nothing, and
 * does not wait for a reader.
 *
 * Locking: &event_lock for the list of logs, which is read under RCU; a log's own lock
 * for its ring, innermost, with interrupts off.
 */
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rculist.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "compat/compat_mm.h"
#include "control.h"
#include "event.h"
#include "event_ring.h"
#include "mockgpu_drm.h"
#include "quota.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

#define EVENT_LOGS_MAX		64U
/* ... some of which nobody can take away from an administrator. */
#define EVENT_LOGS_RESERVED	16U

/* How many generations a descendant may be away. */
#define EVENT_GENERATIONS_MAX	256U

/**
 * struct event_log - an open log
 * @node: on the list
 * @spec: what it is to have; fixed
 * @quota: what that user has, or NULL for one who may have any number; fixed
 * @process: who opened it; fixed
 * @uid: as whom; fixed
 * @gid: likewise
 * @ns: how processes are numbered; fixed
 * @ended: the device has gone; nothing more comes; changed under &event_lock and @lock
 * @lock: protects @ring
 * @ring: what was not read yet
 * @readers: woken when there is something to read
 */
struct event_log {
	struct list_head node;
	struct event_log_spec spec;
	struct quota *quota;
	struct pid *process;
	kuid_t uid;
	kgid_t gid;
	struct pid_namespace *ns;
	bool ended;
	spinlock_t lock; /* for @ring */
	struct event_ring ring;
	wait_queue_head_t readers;
};

/* Once turned, the branches stay so, as those of the control points do. */
DEFINE_STATIC_KEY_FALSE(event_wanted);
/* Open logs, and tracepoints in use. */
atomic_t event_users = ATOMIC_INIT(0);

static DEFINE_SPINLOCK(event_lock);
static LIST_HEAD(event_logs);
static unsigned int event_nr_logs;

/* Whether a process is the one that opened a log, or one of its descendants. */
static bool event_descends(const struct event_log *log, struct task_struct *task)
{
	unsigned int i;

	for (i = 0; i < EVENT_GENERATIONS_MAX && task->pid; i++) {
		if (task_tgid(task) == log->process)
			return true;
		task = rcu_dereference(task->real_parent);
	}
	return false;
}

/* Whether who opened a log may see what a process does. */
static bool event_may_see(const struct event_log *log, struct task_struct *task)
{
	const struct cred *cred = __task_cred(task);

	return log->spec.admin || (uid_eq(cred->uid, log->uid) && uid_eq(cred->euid, log->uid) &&
				   uid_eq(cred->suid, log->uid) && gid_eq(cred->gid, log->gid) &&
				   gid_eq(cred->egid, log->gid) && gid_eq(cred->sgid, log->gid));
}

/* Whether who opened a log may know whose memory an event is about. */
static bool event_may_know(const struct event_log *log, const struct event *event,
			   struct task_struct *owner)
{
	return log->spec.admin || !event->mm || (owner && event_may_see(log, owner));
}

/* Whether who opened a log may know which thread it is that does something. */
static bool event_may_name(const struct event_log *log)
{
	return (current->flags & PF_KTHREAD) || event_may_see(log, current);
}

static bool event_is_of_family(const struct event_log *log, struct task_struct *task)
{
	return task && !(task->flags & PF_KTHREAD) && event_descends(log, task) &&
	       event_may_see(log, task);
}

/* Whether a log is to have an event; @owner is the process that it is about, or NULL. */
static bool event_concerns(const struct event_log *log, const struct event *event,
			   struct task_struct *owner)
{
	const struct event_log_spec *spec = &log->spec;

	if (!(spec->kinds & BIT_ULL(event->kind)))
		return false;
	if (event->device != EVENT_NO_DEVICE && event->device != spec->device)
		return false;
	if (spec->flags & MOCKGPU_LOG_ALL)
		return true;
	if (spec->flags & MOCKGPU_LOG_DESCENDANTS)
		return event_is_of_family(log, owner) ||
		       (event_is_of_family(log, current) && event_may_know(log, event, owner));
	return spec->mm == (event->mm ? : current->mm);
}

/* The number of the process that an event is about; it may have ended. */
static pid_t event_owner_nr(const struct event *event, struct task_struct *owner,
			    struct pid_namespace *ns)
{
	if (event->owner)
		return pid_nr_ns(event->owner, ns);
	return owner ? task_tgid_nr_ns(owner, ns) : 0;
}

static void event_record(struct event_log *log, const struct event *event,
			 struct task_struct *owner, u64 now)
{
	struct drm_mockgpu_event record = {
		.time_ns = now,
		.duration_ns = event->start ? now - event->start : 0,
		.addr = event->addr,
		.len = event->len,
		.pfn = log->spec.admin ? event->pfn : 0,
		.value = event->value,
		.owner = event_owner_nr(event, owner, log->ns),
		.error = event->error,
		.kind = event->kind,
		.cause = event->cause,
		.queue = event->queue,
	};
	unsigned long flags;
	bool first = false;

	if (event_may_name(log)) {
		record.pid = task_tgid_nr_ns(current, log->ns);
		record.tid = task_pid_nr_ns(current, log->ns);
	}
	/* Who cannot be seen from where the log was opened has no name there either. */
	if (record.tid || log->spec.admin)
		strscpy(record.comm, current->comm, sizeof(record.comm));
	spin_lock_irqsave(&log->lock, flags);
	if (!log->ended) {
		first = !event_ring_has_news(&log->ring);
		event_ring_push(&log->ring, &record);
	}
	spin_unlock_irqrestore(&log->lock, flags);
	/* Who reads goes on until there is nothing left. */
	if (first)
		wake_up_interruptible(&log->readers);
}

static void event_trace(const struct event *event, struct task_struct *task, u64 now)
{
	u64 duration = event->start ? now - event->start : 0;
	pid_t owner = event_owner_nr(event, task, &init_pid_ns);

	switch (event->kind) {
	case MOCKGPU_EVENT_GPU_FAULT:
		trace_gpu_fault(event, owner, duration);
		break;
	case MOCKGPU_EVENT_CPU_FAULT:
		trace_cpu_fault(event, owner, duration);
		break;
	case MOCKGPU_EVENT_TO_VRAM:
		trace_to_vram(event, owner, duration);
		break;
	case MOCKGPU_EVENT_TO_SYSTEM:
		trace_to_system(event, owner, duration);
		break;
	case MOCKGPU_EVENT_EVICT:
		trace_evict(event, owner, duration);
		break;
	case MOCKGPU_EVENT_SPLIT:
		trace_split(event, owner, duration);
		break;
	case MOCKGPU_EVENT_INVALIDATE:
		trace_invalidate(event, owner, duration);
		break;
	case MOCKGPU_EVENT_EXCLUSIVE:
		trace_exclusive(event, owner, duration);
		break;
	case MOCKGPU_EVENT_COMMAND:
		trace_command(event, owner, duration);
		break;
	case MOCKGPU_EVENT_FENCE:
		trace_fence(event, owner, duration);
		break;
	case MOCKGPU_EVENT_POINT:
		trace_point(event, owner, duration);
		break;
	}
}

/**
 * event_tell() - event_emit() when somebody wants to know
 * @event: event
 *
 * Context: event_emit().
 */
void event_tell(const struct event *event)
{
	struct task_struct *owner;
	struct event_log *log;
	u64 now = ktime_get_ns();

	rcu_read_lock();
	owner = event->owner ? pid_task(event->owner, PIDTYPE_TGID) : compat_mm_owner(event->mm);
	event_trace(event, owner, now);
	list_for_each_entry_rcu(log, &event_logs, node) {
		if (event_concerns(log, event, owner))
			event_record(log, event, owner, now);
	}
	rcu_read_unlock();
}

/**
 * event_run_end() - tell of a run of pages, if there is one
 * @run: the run; empty afterwards
 *
 * The first that is told of has the time that all of them took.
 *
 * Context: event_emit().
 */
void event_run_end(struct event *run)
{
	if (run->len && event_on()) {
		event_tell(run);
		run->start = 0;
	}
	run->len = 0;
}

/**
 * event_run_add() - have pages be part of a run, or begin the next
 * @run: the run so far; its @len is 0 to begin with
 * @addr: address of the first page, or 0 where that is not known
 * @pfn: its frame
 * @len: bytes
 *
 * A run has consecutive addresses and consecutive frames.
 *
 * Context: event_emit().
 */
void event_run_add(struct event *run, unsigned long addr, unsigned long pfn, unsigned long len)
{
	bool follows = run->pfn + run->len / PAGE_SIZE == pfn &&
		       (addr ? run->addr + run->len == addr : !run->addr);

	if (!event_on())
		return;
	if (!run->len || !follows) {
		event_run_end(run);
		run->addr = addr;
		run->pfn = pfn;
	}
	run->len += len;
}

/* Have the log and its room count as the user's whose file it is opened on, if anybody's. */
static int event_log_take(struct event_log *log, const struct event_log_spec *spec)
{
	if (spec->admin)
		return 0;
	if (!quota_take(spec->quota, QUOTA_LOGS, 1))
		return -ENOSPC;
	if (!quota_take(spec->quota, QUOTA_LOG_ENTRIES, spec->entries)) {
		quota_give(spec->quota, QUOTA_LOGS, 1);
		return -ENOSPC;
	}
	log->quota = quota_get(spec->quota);
	return 0;
}

static void event_log_give(struct event_log *log)
{
	if (!log->quota)
		return;
	quota_give(log->quota, QUOTA_LOG_ENTRIES, log->ring.size);
	quota_give(log->quota, QUOTA_LOGS, 1);
	quota_put(log->quota);
}

static void event_log_free(struct event_log *log)
{
	if (log->spec.mm)
		mmdrop(log->spec.mm);
	put_pid(log->process);
	put_pid_ns(log->ns);
	vfree(log->ring.slots);
	event_log_give(log);
	kfree(log);
}

static int event_log_add(struct event_log *log)
{
	unsigned int max = EVENT_LOGS_MAX - (log->spec.admin ? 0 : EVENT_LOGS_RESERVED);
	int ret = 0;

	spin_lock(&event_lock);
	if (event_nr_logs >= max) {
		ret = -ENOSPC;
	} else {
		event_nr_logs++;
		list_add_tail_rcu(&log->node, &event_logs);
	}
	spin_unlock(&event_lock);
	if (!ret)
		event_user_comes();
	return ret;
}

/**
 * event_log_open() - open a log
 * @spec: what it is to have; checked by the caller
 *
 * Context: may sleep; the device does not leave meanwhile.
 * Return: log, or an ERR_PTR: -ENOMEM, -ENOSPC (there are too many).
 */
struct event_log *event_log_open(const struct event_log_spec *spec)
{
	struct drm_mockgpu_event *slots = NULL;
	struct event_log *log;
	int ret;

	if (control_no_memory())
		return ERR_PTR(-ENOMEM);
	log = kzalloc(sizeof(*log), GFP_KERNEL_ACCOUNT);
	if (!log)
		return ERR_PTR(-ENOMEM);
	ret = event_log_take(log, spec);
	if (ret) {
		kfree(log);
		return ERR_PTR(ret);
	}
	if (!control_no_memory())
		slots = __vmalloc(array_size(spec->entries, sizeof(*slots)),
				  GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
	/* From here on event_log_give() knows how many. */
	event_ring_init(&log->ring, slots, spec->entries);
	if (!slots) {
		event_log_give(log);
		kfree(log);
		return ERR_PTR(-ENOMEM);
	}
	log->spec = *spec;
	if (spec->mm)
		mmgrab(spec->mm);
	log->process = get_pid(task_tgid(current));
	log->uid = current_uid();
	log->gid = current_gid();
	log->ns = get_pid_ns(task_active_pid_ns(current));
	spin_lock_init(&log->lock);
	init_waitqueue_head(&log->readers);

	ret = event_log_add(log);
	if (ret) {
		event_log_free(log);
		return ERR_PTR(ret);
	}
	return log;
}

/**
 * event_log_close() - close a log
 * @log: log that nobody reads any more
 *
 * Context: may sleep.
 */
void event_log_close(struct event_log *log)
{
	event_user_goes();
	spin_lock(&event_lock);
	event_nr_logs--;
	if (!log->ended)
		list_del_rcu(&log->node);
	spin_unlock(&event_lock);
	synchronize_rcu();
	event_log_free(log);
}

/**
 * event_log_look() - begin to read
 * @log: log that nobody else reads now
 * @copy: its ring, to take events out of
 *
 * Context: process.
 */
void event_log_look(struct event_log *log, struct event_ring *copy)
{
	spin_lock_irq(&log->lock);
	*copy = log->ring;
	spin_unlock_irq(&log->lock);
}

/**
 * event_log_took() - events have been read
 * @log: log
 * @copy: from event_log_look(); what was taken out of it is gone from the log
 *
 * Context: process.
 */
void event_log_took(struct event_log *log, const struct event_ring *copy)
{
	spin_lock_irq(&log->lock);
	event_ring_took(&log->ring, copy);
	spin_unlock_irq(&log->lock);
}

/**
 * event_log_has_news() - is there something to take?
 * @log: log
 *
 * Context: process.
 */
bool event_log_has_news(struct event_log *log)
{
	bool news;

	spin_lock_irq(&log->lock);
	news = event_ring_has_news(&log->ring);
	spin_unlock_irq(&log->lock);
	return news;
}

/**
 * event_log_ended() - has the device gone, so that nothing more will come?
 * @log: log
 */
bool event_log_ended(const struct event_log *log)
{
	/* Pairs with event_end_logs(): all that will ever be told is there. */
	return smp_load_acquire(&log->ended);
}

/**
 * event_log_queue() - what is woken when one of the two above changes
 * @log: log
 */
wait_queue_head_t *event_log_queue(struct event_log *log)
{
	return &log->readers;
}

/**
 * event_end_logs() - a device has gone
 * @device: its number
 *
 * Its logs keep what they have.
 *
 * Context: process; nobody opens a log of the device any more.
 */
void event_end_logs(int device)
{
	struct event_log *log, *next;

	spin_lock(&event_lock);
	list_for_each_entry_safe(log, next, &event_logs, node) {
		if (log->spec.device != device)
			continue;
		list_del_rcu(&log->node);
		/* Who has just met it on the list tells it nothing after that. */
		spin_lock_irq(&log->lock);
		/* Pairs with event_log_ended(). */
		smp_store_release(&log->ended, true);
		spin_unlock_irq(&log->lock);
		wake_up_interruptible_all(&log->readers);
	}
	spin_unlock(&event_lock);
}

/**
 * event_watch() - from now on event_is_watched()
 *
 * Context: may sleep.
 */
void event_watch(void)
{
	static_branch_enable(&event_wanted);
}

/**
 * event_user_comes() - a log is opened, or somebody begins to use a tracepoint
 *
 * Return: 0.
 */
int event_user_comes(void)
{
	atomic_inc(&event_users);
	event_watch();
	return 0;
}

/**
 * event_user_goes() - a log is closed, or somebody ceases to use a tracepoint
 */
void event_user_goes(void)
{
	atomic_dec(&event_users);
}
