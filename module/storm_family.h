/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_STORM_FAMILY_H
#define MOCKGPU_STORM_FAMILY_H

#include <linux/list.h>
#include <linux/types.h>

struct cred;
struct mm_struct;
struct pid;
struct storm_work;

/**
 * struct storm_family - a process and all that it starts
 * @cred: credentials of who began it; fixed, and held
 * @over: nobody is followed any more
 * @members: who is followed, and has memory of its own
 * @guests: who is followed, and shares another's
 * @gone: who is not followed any more, and is not cleared up yet
 * @followed: how many are
 * @len: how many members there are, those that have gone included
 * @nth: how many there were
 * @missed: processes that are not followed though they should be
 * @left: processes that are not followed any more though they are there
 */
struct storm_family {
	const struct cred *cred;
	bool over;
	struct list_head members;
	struct list_head guests;
	struct list_head gone;
	unsigned int followed;
	unsigned int len;
	u64 nth;
	u64 missed;
	u64 left;
};

/**
 * struct storm_member - one of them
 * @node: by which it is found, while it is followed
 * @list: on one of its family's lists
 * @family: family; fixed
 * @pid: the process; fixed, and held
 * @nth: its number in the family; fixed
 * @guest: that is another member's
 * @mm: its address space, whose structure is held; fixed
 * @inherited: anonymous pages that it had from its parent to begin with; fixed
 * @work: what is done to it, or NULL; the family's owner's
 */
struct storm_member {
	struct hlist_node node;
	struct list_head list;
	struct storm_family *family;
	struct pid *pid;
	u64 nth;
	bool guest;
	struct mm_struct *mm;
	u64 inherited;
	struct storm_work *work;
};

int storm_family_begin(struct storm_family *family);
void storm_family_end(struct storm_family *family);
void storm_family_fini(struct storm_family *family);
struct storm_member *storm_family_next(struct storm_family *family);
struct storm_member *storm_family_gone(struct storm_family *family);
bool storm_family_is_over(struct storm_family *family);
void storm_family_exit(void);
void storm_member_free(struct storm_member *member);
void storm_family_look(struct storm_family *family, struct storm_family *copy);

#endif
