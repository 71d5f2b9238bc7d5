/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_EVENT_H
#define MOCKGPU_EVENT_H

#include <linux/atomic.h>
#include <linux/jump_label.h>
#include <linux/ktime.h>
#include <linux/types.h>
#include <linux/wait.h>

struct event_ring;
struct mm_struct;
struct pid;
struct quota;

/* In &event.device: it is not about a device. */
#define EVENT_NO_DEVICE		(-1)

/**
 * struct event - something that happened
 * @kind: MOCKGPU_EVENT_*; see there for what the other members mean
 * @cause: why, or how it ended
 * @error: 0 or a negative errno
 * @queue: number of the queue that it was done for, or 0
 * @device: number of the device, or EVENT_NO_DEVICE
 * @mm: whose memory it is about, or NULL
 * @owner: the process whose memory that is, or NULL where it has to be found from @mm
 * @start: when it began, from event_start(); 0 if it took no time
 * @addr: first address
 * @len: bytes
 * @pfn: first page frame
 * @value: see the kind
 */
struct event {
	u16 kind;
	u16 cause;
	int error;
	u32 queue;
	int device;
	const struct mm_struct *mm;
	struct pid *owner;
	u64 start;
	unsigned long addr;
	unsigned long len;
	unsigned long pfn;
	u64 value;
};

DECLARE_STATIC_KEY_FALSE(event_wanted);
extern atomic_t event_users;

void __cold event_tell(const struct event *event);
void event_run_add(struct event *run, unsigned long addr, unsigned long pfn, unsigned long len);
void event_run_end(struct event *run);

/**
 * event_on() - does anybody want to know of events?
 *
 * Never in a build that `make bench` compares others with.
 */
static __always_inline bool event_on(void)
{
#ifdef MOCKGPU_BARE
	return false;
#else
	return static_branch_unlikely(&event_wanted) && atomic_read(&event_users);
#endif
}

/**
 * event_is_watched() - may anybody want to know of events, or is a point armed?
 *
 * One branch for both, for what takes few instructions itself.  Never false where
 * event_on() or control_is_armed() is true; once true it stays so.
 */
static __always_inline bool event_is_watched(void)
{
#ifdef MOCKGPU_BARE
	return false;
#else
	return static_branch_unlikely(&event_wanted);
#endif
}

/**
 * event_start() - the time, for &event.start; 0 if nobody wants to know
 */
static inline u64 event_start(void)
{
	return event_on() ? ktime_get_ns() : 0;
}

/**
 * event_emit() - tell of an event, given as initializers of struct event
 *
 * Context: any in which a spinlock can be taken and a thread be woken, but NMI.
 */
#define event_emit(...)								\
	do {									\
		if (event_on())							\
			event_tell(&(const struct event) { __VA_ARGS__ });	\
	} while (0)

/**
 * struct event_log_spec - what a log is to have
 * @flags: MOCKGPU_LOG_*
 * @entries: how many events fit in, a power of 2
 * @kinds: bit of each MOCKGPU_EVENT_* that is wanted
 * @device: number of the device
 * @mm: whose memory it is about, without flags
 * @admin: whether who opens it may see everything
 * @quota: what the user has whose file it is opened on; held by the caller
 */
struct event_log_spec {
	u32 flags;
	u32 entries;
	u64 kinds;
	int device;
	struct mm_struct *mm;
	bool admin;
	struct quota *quota;
};

struct event_log;

struct event_log *event_log_open(const struct event_log_spec *spec);
void event_log_close(struct event_log *log);
void event_log_look(struct event_log *log, struct event_ring *copy);
void event_log_took(struct event_log *log, const struct event_ring *copy);
bool event_log_has_news(struct event_log *log);
bool event_log_ended(const struct event_log *log);
wait_queue_head_t *event_log_queue(struct event_log *log);
void event_end_logs(int device);

void event_watch(void);

/* For trace.h as well: who uses a tracepoint. */
int event_user_comes(void);
void event_user_goes(void);

#endif
