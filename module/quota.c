// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What one user may have, however many files and processes that takes: threads of the
 * kernel, which count against none of a user's limits, and what is large.
 *
 * A user is a number.  It is that of the process that opened the file, whoever uses the
 * file later.  All else that a call has the kernel keep is charged to the memory cgroup
 * of the caller, which is what stops it.
 *
 * Locking: &quota_lock, for everything but @vram_pages; inside &vram.lock, so with
 * interrupts off.
 */
#include <linux/cred.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "control.h"
#include "mockgpu_drm.h"
#include "quota.h"

unsigned int quota_vram_percent = 100;

static const u64 quota_max[QUOTA_KINDS] = {
	[QUOTA_QUEUES] = MOCKGPU_USER_QUEUES_MAX,
	[QUOTA_COMMANDS] = MOCKGPU_USER_COMMANDS_MAX,
	[QUOTA_LOGS] = MOCKGPU_USER_LOGS_MAX,
	[QUOTA_LOG_ENTRIES] = MOCKGPU_LOG_ENTRIES_MAX,
};

static DEFINE_SPINLOCK(quota_lock);
static LIST_HEAD(quota_users);

/* What a user has, referenced; @spare is for a user who had nothing so far, and used up then. */
static struct quota *quota_find(kuid_t uid, struct quota **spare)
{
	struct quota *quota, *found = NULL;
	unsigned long flags;

	spin_lock_irqsave(&quota_lock, flags);
	list_for_each_entry(quota, &quota_users, node) {
		if (uid_eq(quota->uid, uid)) {
			found = quota;
			break;
		}
	}
	if (!found) {
		found = *spare;
		*spare = NULL;
		found->uid = uid;
		list_add(&found->node, &quota_users);
	}
	found->refs++;
	spin_unlock_irqrestore(&quota_lock, flags);
	return found;
}

/**
 * quota_of_caller() - what the calling process's user has
 *
 * Context: may sleep.
 * Return: it, for quota_put(); or NULL where there is no memory.
 */
struct quota *quota_of_caller(void)
{
	struct quota *spare = NULL, *quota;

	if (!control_no_memory())
		spare = kzalloc(sizeof(*spare), GFP_KERNEL_ACCOUNT);
	if (!spare)
		return NULL;
	quota = quota_find(current_uid(), &spare);
	kfree(spare);
	return quota;
}

/**
 * quota_get() - hold it once more
 * @quota: what a user has, held
 *
 * Context: any.
 * Return: @quota.
 */
struct quota *quota_get(struct quota *quota)
{
	unsigned long flags;

	spin_lock_irqsave(&quota_lock, flags);
	quota->refs++;
	spin_unlock_irqrestore(&quota_lock, flags);
	return quota;
}

/**
 * quota_put() - let go of it
 * @quota: what a user has; nothing, if this is the last who held it
 *
 * Context: any.
 */
void quota_put(struct quota *quota)
{
	unsigned long flags;

	spin_lock_irqsave(&quota_lock, flags);
	if (--quota->refs)
		quota = NULL;
	else
		list_del(&quota->node);
	spin_unlock_irqrestore(&quota_lock, flags);
	kfree(quota);
}

/**
 * quota_take() - have more of something
 * @quota: what a user has
 * @kind: of what
 * @amount: how much
 *
 * Context: any.
 * Return: whether the user may; then quota_give() undoes it.
 */
bool quota_take(struct quota *quota, enum quota_kind kind, u64 amount)
{
	unsigned long flags;
	bool may;

	spin_lock_irqsave(&quota_lock, flags);
	may = amount <= quota_max[kind] - quota->used[kind];
	if (may)
		quota->used[kind] += amount;
	spin_unlock_irqrestore(&quota_lock, flags);
	return may;
}

/**
 * quota_give() - undo quota_take()
 * @quota: what a user has
 * @kind: of what
 * @amount: how much
 *
 * Context: any.
 */
void quota_give(struct quota *quota, enum quota_kind kind, u64 amount)
{
	unsigned long flags;

	spin_lock_irqsave(&quota_lock, flags);
	quota->used[kind] -= amount;
	spin_unlock_irqrestore(&quota_lock, flags);
}
