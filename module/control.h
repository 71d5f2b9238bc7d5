/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_CONTROL_H
#define MOCKGPU_CONTROL_H

#include <linux/jump_label.h>
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/types.h>

struct mm_struct;

/* The points, in the order in which user space numbers them; control.c says more. */
enum control_point {
	CONTROL_MIGRATE_START,
	CONTROL_MIGRATE_COLLECTED,
	CONTROL_MIGRATE_COPIED,
	CONTROL_MIGRATE_MOVED,
	CONTROL_CPU_FAULT,
	CONTROL_CPU_FAULT_COLLECTED,
	CONTROL_CPU_FAULT_COPIED,
	CONTROL_GPU_FAULT,
	CONTROL_GPU_FAULT_ASKED,
	CONTROL_LOOK_ASKED,
	CONTROL_NOTIFIER,
	CONTROL_NOTIFIER_HELD,
	CONTROL_EXCLUSIVE,
	CONTROL_EXCLUSIVE_HELD,
	CONTROL_EVICT,
	CONTROL_EVICT_COLLECTED,
	CONTROL_EVICT_COPIED,
	CONTROL_COMMAND,
	CONTROL_COMMAND_DONE,
	CONTROL_CLOSE,
	CONTROL_UNPLUG,
	CONTROL_EMPTY,
	CONTROL_PAGE_LOCK,
	CONTROL_ALLOC,
	CONTROL_ALLOC_VRAM,
	CONTROL_ALLOC_RAM,
	CONTROL_COPY,
	CONTROL_COUNT
};

/**
 * struct control_info - what there is to know of a point
 * @name: its name
 * @flags: MOCKGPU_POINT_CAN_*, MOCKGPU_POINT_HAS_*
 * @error: what the step says when it is made to fail
 */
struct control_info {
	const char *name;
	u32 flags;
	int error;
};

/**
 * struct control_spec - what to arm
 * @point: point
 * @action: MOCKGPU_POINT_*
 * @error: errno for MOCKGPU_POINT_FAIL, or 0
 * @mm: only hits about this address space; or NULL.  Its structure is held by the arm
 *	once it is armed.
 * @device: only hits at the device that has this number now, or at none while it is negative;
 *	or NULL.  Outlives the arm.
 * @start: only hits about addresses from here
 * @last: up to here
 * @first: from which hit on, from 1
 * @count: for how many hits, 0 for all
 * @chance: with which probability, in 65536ths; 0 for always
 * @seed: for @chance
 * @time: how long a thread is held at the most
 */
struct control_spec {
	enum control_point point;
	unsigned int action;
	int error;
	struct mm_struct *mm;
	const int *device;
	unsigned long start;
	unsigned long last;
	u64 first;
	u64 count;
	u32 chance;
	u64 seed;
	ktime_t time;
};

/**
 * struct control_report - how an arm is doing
 * @hits: hits so far
 * @acted: those that it acted on
 * @held: threads that it holds now
 * @tid: one of them, as the caller numbers threads
 * @addr: address that this thread is about
 * @comm: its name
 */
struct control_report {
	u64 hits;
	u64 acted;
	unsigned int held;
	pid_t tid;
	unsigned long addr;
	char comm[TASK_COMM_LEN];
};

/* What &control_spec.chance is a part of. */
#define CONTROL_CHANCE_MAX	65536U

/* More than a line of control_print() has. */
#define CONTROL_LINE		192U

DECLARE_STATIC_KEY_FALSE(control_armed);

int __cold control_hit_armed(enum control_point point, const int *device,
			     const struct mm_struct *mm, unsigned long start, unsigned long last);

/**
 * control_is_armed() - whether anything is, or was
 *
 * For what would look through many pages to find that nothing is.  Never true in a build
 * that `make bench` compares others with.
 *
 * Context: any.
 */
static __always_inline bool control_is_armed(void)
{
#ifdef MOCKGPU_BARE
	return false;
#else
	return static_branch_unlikely(&control_armed);
#endif
}

/**
 * control_hit() - a thread has come to a point
 * @point: point
 * @device: number of the device where that is, negative if that has gone; or NULL if it is
 *	not known
 * @mm: whose memory it is about, or NULL
 * @addr: address that it is about, or 0
 *
 * Context: may sleep, if the point is one that can wait.
 * Return: 0, or the negative errno that the step is to fail with.
 */
static inline int control_hit(enum control_point point, const int *device,
			      const struct mm_struct *mm, unsigned long addr)
{
	if (control_is_armed())
		return control_hit_armed(point, device, mm, addr, addr);
	return 0;
}

/**
 * control_hit_range() - control_hit() for more than one address
 * @point: point
 * @device: as control_hit()
 * @mm: whose memory it is about
 * @start: first address that it is about
 * @end: end of them
 *
 * Context and return value: control_hit().
 */
static inline int control_hit_range(enum control_point point, const int *device,
				    const struct mm_struct *mm, unsigned long start,
				    unsigned long end)
{
	if (control_is_armed())
		return control_hit_armed(point, device, mm, start, end - 1);
	return 0;
}

/**
 * control_no_memory() - whether an allocation is to fail; to be asked before each
 *
 * Context: any but interrupts.
 */
static inline bool control_no_memory(void)
{
	return control_hit(CONTROL_ALLOC, NULL, NULL, 0) != 0;
}

const struct control_info *control_info(enum control_point point);
int control_arm(const struct control_spec *spec, const void *owner, u64 *id);
int control_wait(const void *owner, u64 id, u64 hits, ktime_t deadline,
		 struct control_report *report);
int control_release(const void *owner, u64 id, bool stay);
u64 control_look(const void *owner, u64 after, struct control_spec *spec,
		 struct control_report *report);
void control_disarm(const void *owner);
void control_rest(bool rest);
bool control_is_resting(void);

/* control_text.c */
bool control_can(const struct control_spec *spec);
int control_parse(char *text, struct control_spec *spec);
int control_print(char *page, int at, const struct control_spec *spec,
		  const struct control_report *report);

#endif
