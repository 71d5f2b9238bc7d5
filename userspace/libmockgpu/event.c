// SPDX-License-Identifier: MIT
/* Words for the kinds of events and for their causes: tables, and nothing else. */
#include "internal.h"

#define KINDS (MOCKGPU_EVENT_POINT + 1)
#define CAUSES (MOCKGPU_CMD_WAIT_VALUE + 1)

static const char *const kinds[KINDS] = {
	[MOCKGPU_EVENT_LOST] = "lost",
	[MOCKGPU_EVENT_GPU_FAULT] = "gpu-fault",
	[MOCKGPU_EVENT_CPU_FAULT] = "cpu-fault",
	[MOCKGPU_EVENT_TO_VRAM] = "to-vram",
	[MOCKGPU_EVENT_TO_SYSTEM] = "to-system",
	[MOCKGPU_EVENT_EVICT] = "evict",
	[MOCKGPU_EVENT_SPLIT] = "split",
	[MOCKGPU_EVENT_INVALIDATE] = "invalidate",
	[MOCKGPU_EVENT_EXCLUSIVE] = "exclusive",
	[MOCKGPU_EVENT_COMMAND] = "command",
	[MOCKGPU_EVENT_FENCE] = "fence",
	[MOCKGPU_EVENT_POINT] = "point",
};

#define MOVED_BECAUSE { \
	[MOCKGPU_CAUSE_MIGRATE] = "migrate", \
	[MOCKGPU_CAUSE_PREFETCH] = "prefetch", \
	[MOCKGPU_CAUSE_TOUCH] = "touch", \
	[MOCKGPU_CAUSE_CPU_FAULT] = "cpu-fault", \
}

/* A kind without any has no causes. */
static const char *const causes[KINDS][CAUSES] = {
	[MOCKGPU_EVENT_GPU_FAULT] = {
		[MOCKGPU_ACCESS_NONE] = "none",
		[MOCKGPU_ACCESS_READ] = "read",
		[MOCKGPU_ACCESS_WRITE] = "write",
		[MOCKGPU_ACCESS_ATOMIC] = "atomic",
	},
	[MOCKGPU_EVENT_CPU_FAULT] = {
		[MOCKGPU_CPU_FAULT_MOVED] = "moved",
		[MOCKGPU_CPU_FAULT_RETRIED] = "retried",
		[MOCKGPU_CPU_FAULT_HELD] = "held",
		[MOCKGPU_CPU_FAULT_FAILED] = "failed",
	},
	[MOCKGPU_EVENT_TO_VRAM] = MOVED_BECAUSE,
	[MOCKGPU_EVENT_TO_SYSTEM] = MOVED_BECAUSE,
	[MOCKGPU_EVENT_EVICT] = {
		[MOCKGPU_EVICTED_CALL] = "call",
		[MOCKGPU_EVICTED_LEAVE] = "leave",
		[MOCKGPU_EVICTED_ROOM] = "room",
	},
	[MOCKGPU_EVENT_INVALIDATE] = {
		[MOCKGPU_INVALIDATED_UNMAP] = "unmap",
		[MOCKGPU_INVALIDATED_CLEAR] = "clear",
		[MOCKGPU_INVALIDATED_PROTECTION] = "protection",
		[MOCKGPU_INVALIDATED_SOFT_DIRTY] = "soft-dirty",
		[MOCKGPU_INVALIDATED_RELEASE] = "release",
		[MOCKGPU_INVALIDATED_MIGRATE] = "migrate",
		[MOCKGPU_INVALIDATED_EXCLUSIVE] = "exclusive",
	},
	[MOCKGPU_EVENT_COMMAND] = {
		[MOCKGPU_CMD_NOP] = "nop",
		[MOCKGPU_CMD_LOAD] = "load",
		[MOCKGPU_CMD_STORE] = "store",
		[MOCKGPU_CMD_FILL] = "fill",
		[MOCKGPU_CMD_COPY] = "copy",
		[MOCKGPU_CMD_COMPARE] = "compare",
		[MOCKGPU_CMD_CHECKSUM] = "checksum",
		[MOCKGPU_CMD_ATOMIC] = "atomic",
		[MOCKGPU_CMD_GATHER] = "gather",
		[MOCKGPU_CMD_SCATTER] = "scatter",
		[MOCKGPU_CMD_CHASE] = "chase",
		[MOCKGPU_CMD_BARRIER] = "barrier",
		[MOCKGPU_CMD_DELAY] = "delay",
		[MOCKGPU_CMD_WAIT_VALUE] = "wait-value",
	},
};

/* By number: a cause of a point is that point, which the driver knows by name. */
static int has_causes(unsigned int kind)
{
	unsigned int i;

	for (i = 0; i < CAUSES; i++) {
		if (causes[kind][i])
			return 1;
	}
	return 0;
}

const char *mockgpu_event_name(unsigned int kind)
{
	return kind < KINDS ? kinds[kind] : "unknown";
}

const char *mockgpu_event_cause_name(unsigned int kind, unsigned int cause)
{
	if (kind >= KINDS)
		return "unknown";
	if (cause < CAUSES && causes[kind][cause])
		return causes[kind][cause];
	return has_causes(kind) ? "unknown" : "";
}
