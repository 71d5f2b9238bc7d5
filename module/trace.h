/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The events of the event log as tracepoints of the system mockgpu, for perf, trace-cmd and
 * bpftrace.  The fields are those of struct drm_mockgpu_event.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM mockgpu

#if !defined(MOCKGPU_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define MOCKGPU_TRACE_H

#include <linux/tracepoint.h>

#include "control.h"
#include "event.h"
#include "mockgpu_drm.h"

/* All events have the same fields; what differs is what the cause is called. */
#define MOCKGPU_TRACEPOINT(name, ...)							\
TRACE_EVENT_FN(name,									\
	TP_PROTO(const struct event *event, pid_t owner, u64 duration),			\
	TP_ARGS(event, owner, duration),						\
	TP_STRUCT__entry(								\
		__field(int, device)							\
		__field(pid_t, owner)							\
		__field(u16, cause)							\
		__field(int, error)							\
		__field(u32, queue)							\
		__field(u64, addr)							\
		__field(u64, len)							\
		__field(u64, pfn)							\
		__field(u64, value)							\
		__field(u64, duration)							\
	),										\
	TP_fast_assign(									\
		__entry->device = event->device;					\
		__entry->owner = owner;							\
		__entry->cause = event->cause;						\
		__entry->error = event->error;						\
		__entry->queue = event->queue;						\
		__entry->addr = event->addr;						\
		__entry->len = event->len;						\
		__entry->pfn = event->pfn;						\
		__entry->value = event->value;						\
		__entry->duration = duration;						\
	),										\
	TP_printk("device=%d owner=%d addr=%#llx len=%llu pfn=%#llx cause=%s "		\
		  "value=%llu queue=%u error=%d duration=%llu",				\
		  __entry->device, __entry->owner, __entry->addr, __entry->len,		\
		  __entry->pfn,								\
		  __print_symbolic(__entry->cause, __VA_ARGS__), __entry->value,	\
		  __entry->queue, __entry->error, __entry->duration),			\
	event_user_comes, event_user_goes						\
)

MOCKGPU_TRACEPOINT(gpu_fault,
		   { MOCKGPU_ACCESS_READ, "read" },
		   { MOCKGPU_ACCESS_WRITE, "write" },
		   { MOCKGPU_ACCESS_ATOMIC, "atomic" });

MOCKGPU_TRACEPOINT(cpu_fault,
		   { MOCKGPU_CPU_FAULT_MOVED, "moved" },
		   { MOCKGPU_CPU_FAULT_RETRIED, "retried" },
		   { MOCKGPU_CPU_FAULT_HELD, "held" },
		   { MOCKGPU_CPU_FAULT_FAILED, "failed" });

MOCKGPU_TRACEPOINT(to_vram,
		   { MOCKGPU_CAUSE_MIGRATE, "migrate" },
		   { MOCKGPU_CAUSE_PREFETCH, "prefetch" },
		   { MOCKGPU_CAUSE_TOUCH, "touch" },
		   { MOCKGPU_CAUSE_CPU_FAULT, "cpu-fault" });

MOCKGPU_TRACEPOINT(to_system,
		   { MOCKGPU_CAUSE_MIGRATE, "migrate" },
		   { MOCKGPU_CAUSE_PREFETCH, "prefetch" },
		   { MOCKGPU_CAUSE_TOUCH, "touch" },
		   { MOCKGPU_CAUSE_CPU_FAULT, "cpu-fault" });

MOCKGPU_TRACEPOINT(evict,
		   { MOCKGPU_EVICTED_CALL, "call" },
		   { MOCKGPU_EVICTED_LEAVE, "leave" },
		   { MOCKGPU_EVICTED_ROOM, "room" });

MOCKGPU_TRACEPOINT(split, { 0, "none" });

MOCKGPU_TRACEPOINT(invalidate,
		   { MOCKGPU_INVALIDATED_UNMAP, "unmap" },
		   { MOCKGPU_INVALIDATED_CLEAR, "clear" },
		   { MOCKGPU_INVALIDATED_PROTECTION, "protection" },
		   { MOCKGPU_INVALIDATED_SOFT_DIRTY, "soft-dirty" },
		   { MOCKGPU_INVALIDATED_RELEASE, "release" },
		   { MOCKGPU_INVALIDATED_MIGRATE, "migrate" },
		   { MOCKGPU_INVALIDATED_EXCLUSIVE, "exclusive" });

MOCKGPU_TRACEPOINT(exclusive, { 0, "none" });

MOCKGPU_TRACEPOINT(command,
		   { MOCKGPU_CMD_NOP, "nop" },
		   { MOCKGPU_CMD_LOAD, "load" },
		   { MOCKGPU_CMD_STORE, "store" },
		   { MOCKGPU_CMD_FILL, "fill" },
		   { MOCKGPU_CMD_COPY, "copy" },
		   { MOCKGPU_CMD_COMPARE, "compare" },
		   { MOCKGPU_CMD_CHECKSUM, "checksum" },
		   { MOCKGPU_CMD_ATOMIC, "atomic" },
		   { MOCKGPU_CMD_GATHER, "gather" },
		   { MOCKGPU_CMD_SCATTER, "scatter" },
		   { MOCKGPU_CMD_CHASE, "chase" },
		   { MOCKGPU_CMD_BARRIER, "barrier" },
		   { MOCKGPU_CMD_DELAY, "delay" },
		   { MOCKGPU_CMD_WAIT_VALUE, "wait-value" });

MOCKGPU_TRACEPOINT(fence, { 0, "none" });

/* The cause is the point, which has a name. */
TRACE_EVENT_FN(point,
	       TP_PROTO(const struct event *event, pid_t owner, u64 duration),
	       TP_ARGS(event, owner, duration),
	       TP_STRUCT__entry(__array(char, name, 28)
				__field(pid_t, owner)
				__field(int, error)
				__field(u64, addr)
				__field(u64, len)
				__field(u64, value)
				__field(u64, duration)),
	       TP_fast_assign(strscpy(__entry->name, control_info(event->cause)->name, 28);
			      __entry->owner = owner;
			      __entry->error = event->error;
			      __entry->addr = event->addr;
			      __entry->len = event->len;
			      __entry->value = event->value;
			      __entry->duration = duration;),
	       TP_printk("point=%s owner=%d addr=%#llx len=%llu arm=%llu error=%d duration=%llu",
			 __entry->name, __entry->owner, __entry->addr, __entry->len,
			 __entry->value, __entry->error, __entry->duration),
	       event_user_comes, event_user_goes
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
