// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Who a storm is about: the process that asked for it, and all that it starts.
 *
 * The kernel's tracepoints tell of each fork, exec and exit, in the process that does it.  What
 * a member becomes or starts is a member as well, before it runs; up to an exec after which it is
 * another user, or may do more than who began.
 *
 * A process is known by its number, and an address space is a member's alone: of those that
 * share one, as after vfork(), only the first has it here, and others are its guests.  When a
 * process executes a program it is a new member, and nothing more is done to what it had, which
 * may be somebody's who is none.
 *
 * Locking: &storm_lock for all families; innermost, and nothing waits under it.  Members come
 * and go by the tracepoints; those that went are cleared up by the family's owner, which one
 * thread is.  &storm_watch_lock around the tracepoints' own coming and going.
 */
#include <linux/binfmts.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/hashtable.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include <trace/events/sched.h>

#include "compat/compat_misc.h"
#include "control.h"
#include "mockgpu_drm.h"
#include "storm_family.h"

/* How many members there are in all, those included that have gone and are not cleared up. */
#define STORM_MEMBERS	(2 * MOCKGPU_STORM_PROCESSES_MAX)

static DEFINE_SPINLOCK(storm_lock);
static DEFINE_HASHTABLE(storm_table, 12);

static DEFINE_MUTEX(storm_watch_lock);
static bool storm_watches;

static struct hlist_head *storm_bucket(const struct pid *pid)
{
	return &storm_table[hash_min((unsigned long)pid / sizeof(*pid), HASH_BITS(storm_table))];
}

/*
 * Whether a process is a member of nothing, as most are.  It is seen without the lock, as what
 * makes it one happens before it goes on.
 */
static bool storm_is_stranger(const struct pid *pid)
{
	return hlist_empty(storm_bucket(pid));
}

/*
 * Follow a process, whose address space is another member's already if it is a guest, and which may
 * have pages from its parent.  Where that cannot be it is counted.
 */
static void storm_follow(struct storm_family *family, struct pid *pid, struct mm_struct *mm,
			 bool guest, u64 inherited)
{
	struct storm_member *member = NULL;

	lockdep_assert_held(&storm_lock);

	if (family->over)
		return;
	if (family->followed < MOCKGPU_STORM_PROCESSES_MAX && family->len < STORM_MEMBERS &&
	    !control_no_memory())
		member = kzalloc(sizeof(*member), GFP_NOWAIT | __GFP_NOWARN | __GFP_ACCOUNT);
	if (!member) {
		family->missed++;
		return;
	}
	member->family = family;
	member->pid = get_pid(pid);
	member->nth = family->nth++;
	member->mm = mm;
	mmgrab(mm);
	member->guest = guest;
	member->inherited = inherited;
	hlist_add_head(&member->node, storm_bucket(pid));
	list_add(&member->list, guest ? &family->guests : &family->members);
	family->followed++;
	family->len++;
}

/*
 * A process is not what it was any more: the family's owner clears up what that had.  Memory that
 * it shared is another's from now on.
 */
static void storm_leave(struct storm_member *member)
{
	struct storm_family *family = member->family;
	struct storm_member *guest;

	lockdep_assert_held(&storm_lock);

	hlist_del_init(&member->node);
	list_move_tail(&member->list, &family->gone);
	family->followed--;
	if (member->guest)
		return;
	list_for_each_entry(guest, &family->guests, list) {
		if (guest->mm == member->mm) {
			guest->guest = false;
			list_move(&guest->list, &family->members);
			break;
		}
	}
}

/* Somebody forks: the child of one who is followed is followed. */
static void storm_on_fork(void *unused, struct task_struct *parent, struct task_struct *child)
{
	struct pid *pid = task_tgid(parent);
	struct storm_member *member;
	struct hlist_node *next;
	u64 inherited;
	bool guest;

	if (!thread_group_leader(child) || !child->mm || storm_is_stranger(pid))
		return;
	guest = child->mm == parent->mm;
	inherited = guest ? 0 : get_mm_counter(child->mm, MM_ANONPAGES);
	spin_lock(&storm_lock);
	hlist_for_each_entry_safe(member, next, storm_bucket(pid), node) {
		if (member->pid == pid)
			storm_follow(member->family, task_tgid(child), child->mm, guest, inherited);
	}
	spin_unlock(&storm_lock);
}

/* Supplementary groups are kept sorted. */
static bool storm_same_groups(const struct group_info *a, const struct group_info *b)
{
	return a == b || (a->ngroups == b->ngroups &&
			  !memcmp(a->gid, b->gid, a->ngroups * sizeof(*a->gid)));
}

/*
 * Whether who executes a program stays who it was when it began: the same user, in the same
 * groups, and with no more capabilities.
 */
static bool storm_may_stay(const struct storm_family *family,
			   const struct linux_binprm *bprm)
{
	const struct cred *was = family->cred, *is = current_cred();

	return !bprm->secureexec &&
	       uid_eq(is->uid, was->uid) && uid_eq(is->euid, was->euid) &&
	       uid_eq(is->suid, was->suid) && uid_eq(is->fsuid, was->fsuid) &&
	       gid_eq(is->gid, was->gid) && gid_eq(is->egid, was->egid) &&
	       gid_eq(is->sgid, was->sgid) && gid_eq(is->fsgid, was->fsgid) &&
	       storm_same_groups(is->group_info, was->group_info) &&
	       is->user_ns == was->user_ns &&
	       cap_issubset(is->cap_permitted, was->cap_permitted);
}

/* Somebody executes a program, and has a new address space. */
static void storm_on_exec(void *unused, struct task_struct *task, pid_t old_pid,
			  struct linux_binprm *bprm)
{
	struct pid *pid = task_tgid(task);
	struct storm_member *member;
	struct hlist_node *next;

	if (storm_is_stranger(pid))
		return;
	spin_lock(&storm_lock);
	hlist_for_each_entry_safe(member, next, storm_bucket(pid), node) {
		if (member->pid != pid)
			continue;
		storm_leave(member);
		if (storm_may_stay(member->family, bprm))
			storm_follow(member->family, pid, task->mm, false, 0);
		else
			member->family->left++;
	}
	spin_unlock(&storm_lock);
}

/* A thread ends, and its process if it is the last: that executes nothing any more. */
static void storm_on_exit COMPAT_EXIT_PROBE_ARGS
{
	struct pid *pid = task_tgid(task);
	struct storm_member *member;
	struct hlist_node *next;

	if (storm_is_stranger(pid) || atomic_read(&task->signal->live))
		return;
	spin_lock(&storm_lock);
	hlist_for_each_entry_safe(member, next, storm_bucket(pid), node) {
		if (member->pid == pid)
			storm_leave(member);
	}
	spin_unlock(&storm_lock);
}

/* The kernel's own, which it does not export by name. */
static struct storm_tracepoint {
	const char *name;
	void *probe;
	struct tracepoint *tp;
} storm_tracepoints[] = {
	{ "sched_process_fork", storm_on_fork },
	{ "sched_process_exec", storm_on_exec },
	{ "sched_process_exit", storm_on_exit },
};

/* Says no more than that the three are what the kernel calls. */
static void storm_check_probes(void)
{
	check_trace_callback_type_sched_process_fork(storm_on_fork);
	check_trace_callback_type_sched_process_exec(storm_on_exec);
	check_trace_callback_type_sched_process_exit(storm_on_exit);
}

static void storm_find_tracepoint(struct tracepoint *tp, void *unused)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(storm_tracepoints); i++) {
		if (!strcmp(tp->name, storm_tracepoints[i].name))
			storm_tracepoints[i].tp = tp;
	}
}

static void storm_unregister(unsigned int n)
{
	while (n--)
		tracepoint_probe_unregister(storm_tracepoints[n].tp, storm_tracepoints[n].probe,
					    NULL);
	tracepoint_synchronize_unregister();
}

/* Begin to be told of forks, execs and exits: 0, -EOPNOTSUPP or -ENOMEM. */
static int storm_register(void)
{
	unsigned int i;
	int ret;

	storm_check_probes();
	for_each_kernel_tracepoint(storm_find_tracepoint, NULL);
	for (i = 0; i < ARRAY_SIZE(storm_tracepoints); i++) {
		ret = -EOPNOTSUPP;
		if (storm_tracepoints[i].tp)
			ret = tracepoint_probe_register(storm_tracepoints[i].tp,
							storm_tracepoints[i].probe, NULL);
		if (ret) {
			storm_unregister(i);
			return ret;
		}
	}
	return 0;
}

/* To begin and to end stops all CPUs for a moment: who has begun goes on. */
static int storm_watch(void)
{
	int ret = 0;

	mutex_lock(&storm_watch_lock);
	if (!storm_watches)
		ret = storm_register();
	storm_watches = !ret;
	mutex_unlock(&storm_watch_lock);
	return ret;
}

/**
 * storm_family_exit() - the module goes, and there is no family any more
 *
 * Context: may sleep; waits for forks that are under way.
 */
void storm_family_exit(void)
{
	if (storm_watches)
		storm_unregister(ARRAY_SIZE(storm_tracepoints));
}

/*
 * Begin with a process, which may be in so many storms: each of its forks has to tell all of them.
 * 0, -ENOSPC or -ENOMEM.
 */
static int storm_follow_first(struct storm_family *family, struct pid *pid, struct mm_struct *mm)
{
	struct storm_member *member;
	unsigned int storms = 0;
	int ret = -ENOSPC;

	spin_lock(&storm_lock);
	hlist_for_each_entry(member, storm_bucket(pid), node)
		storms += member->pid == pid;
	if (storms < MOCKGPU_PROCESS_STORMS_MAX) {
		storm_follow(family, pid, mm, false, 0);
		ret = family->missed ? -ENOMEM : 0;
	}
	spin_unlock(&storm_lock);
	return ret;
}

/**
 * storm_family_begin() - follow the calling process
 * @family: family, all 0
 *
 * Context: may sleep.
 * Return: 0, and then storm_family_end() and storm_family_fini() are to follow; -EOPNOTSUPP
 * (the kernel does not tell of forks), -ENOSPC (it is in too many storms), -ENOMEM.
 */
int storm_family_begin(struct storm_family *family)
{
	int ret = storm_watch();

	if (ret)
		return ret;
	family->cred = get_current_cred();
	INIT_LIST_HEAD(&family->members);
	INIT_LIST_HEAD(&family->guests);
	INIT_LIST_HEAD(&family->gone);
	ret = storm_follow_first(family, task_tgid(current), current->mm);
	if (ret)
		storm_family_fini(family);
	return ret;
}

/**
 * storm_family_end() - follow nobody any more
 * @family: family
 *
 * Whoever was followed has gone, as storm_family_gone() says.
 *
 * Context: any.
 */
void storm_family_end(struct storm_family *family)
{
	struct storm_member *member, *next;

	spin_lock(&storm_lock);
	family->over = true;
	list_splice_init(&family->guests, &family->members);
	list_for_each_entry_safe(member, next, &family->members, list)
		storm_leave(member);
	spin_unlock(&storm_lock);
}

/**
 * storm_family_fini() - undo storm_family_begin()
 * @family: family without members, that ended
 *
 * Context: any.
 */
void storm_family_fini(struct storm_family *family)
{
	put_cred(family->cred);
}

/**
 * storm_family_next() - who is next
 * @family: family
 *
 * Context: any; the family's owner.
 * Return: a member that has memory of its own, which goes to the end of the list; NULL if there
 * is none.
 */
struct storm_member *storm_family_next(struct storm_family *family)
{
	struct storm_member *member;

	spin_lock(&storm_lock);
	member = list_first_entry_or_null(&family->members, struct storm_member, list);
	if (member)
		list_move_tail(&member->list, &family->members);
	spin_unlock(&storm_lock);
	return member;
}

/**
 * storm_family_gone() - who has gone
 * @family: family
 *
 * Context: any; the family's owner.
 * Return: a member that has ended or executed a program, for storm_member_free(); or NULL.
 */
struct storm_member *storm_family_gone(struct storm_family *family)
{
	struct storm_member *member;

	spin_lock(&storm_lock);
	member = list_first_entry_or_null(&family->gone, struct storm_member, list);
	spin_unlock(&storm_lock);
	return member;
}

/**
 * storm_family_is_over() - is nobody followed any more?
 * @family: family
 *
 * Context: any.
 * Return: whether that is so; then nobody will be, as each comes of another.
 */
bool storm_family_is_over(struct storm_family *family)
{
	bool over;

	spin_lock(&storm_lock);
	over = !family->followed;
	spin_unlock(&storm_lock);
	return over;
}

/**
 * storm_member_free() - free a member
 * @member: one that has gone, and is cleared up
 *
 * Context: may sleep; the family's owner.
 */
void storm_member_free(struct storm_member *member)
{
	spin_lock(&storm_lock);
	list_del(&member->list);
	member->family->len--;
	spin_unlock(&storm_lock);
	mmdrop(member->mm);
	put_pid(member->pid);
	kfree(member);
}

/**
 * storm_family_look() - look at a family
 * @family: family
 * @copy: gets what it is now
 *
 * Context: any.
 */
void storm_family_look(struct storm_family *family, struct storm_family *copy)
{
	spin_lock(&storm_lock);
	*copy = *family;
	spin_unlock(&storm_lock);
}
