/* SPDX-License-Identifier: MIT */
/* Queues as scenarios use them: commands, and exact checks of what came of them. */
#ifndef QUEUE_H
#define QUEUE_H

#include "gpu.h"

struct queue {
	struct mockgpu_device *dev;
	uint32_t id;
};

struct queue queue_new(struct mockgpu_device *dev);
void queue_destroy(struct queue q);

/*
 * One command is executed, and its result is exactly this.  Faults are not compared, as they
 * depend on what the device looked at before: they are in the result that is returned.
 */
#define RUN(q, cmd, ...) \
	check_run(__FILE__, __LINE__, (q), (cmd), \
		  &(const struct drm_mockgpu_result){ __VA_ARGS__ })
struct drm_mockgpu_result check_run(const char *file, int line, struct queue q,
				    struct drm_mockgpu_cmd cmd,
				    const struct drm_mockgpu_result *want);
#define CHECK_RESULT(got, ...) \
	check_result(__FILE__, __LINE__, (got), &(const struct drm_mockgpu_result){ __VA_ARGS__ })
void check_result(const char *file, int line, const struct drm_mockgpu_result *got,
		  const struct drm_mockgpu_result *want);

/* Commands are accepted; their number. */
uint64_t submit(struct queue q, const struct drm_mockgpu_cmd *cmds, unsigned int n,
		struct drm_mockgpu_result *results);
/* A submission ends within 30 s, with this errno (negative) of its first failure. */
#define FINISHES(q, seqno, error) check_finishes(__FILE__, __LINE__, (q), (seqno), (error))
void check_finishes(const char *file, int line, struct queue q, uint64_t seqno, int error);
/* Whether it has ended by now. */
bool is_finished(struct queue q, uint64_t seqno);

static inline uint64_t addr_of(const volatile void *p)
{
	return (uintptr_t)p;
}

static inline struct drm_mockgpu_cmd cmd_load(const volatile void *p, unsigned int size)
{
	return (struct drm_mockgpu_cmd){
		.op = MOCKGPU_CMD_LOAD, .addr = addr_of(p), .size = size,
	};
}

static inline struct drm_mockgpu_cmd cmd_store(volatile void *p, unsigned int size, uint64_t value)
{
	return (struct drm_mockgpu_cmd){
		.op = MOCKGPU_CMD_STORE, .addr = addr_of(p), .size = size, .value = value,
	};
}

static inline struct drm_mockgpu_cmd cmd_fill(void *p, size_t len, unsigned int size,
					      uint64_t value)
{
	return (struct drm_mockgpu_cmd){
		.op = MOCKGPU_CMD_FILL, .addr = addr_of(p), .len = len, .size = size,
		.value = value,
	};
}

static inline struct drm_mockgpu_cmd cmd_copy(void *to, const void *from, size_t len)
{
	return (struct drm_mockgpu_cmd){
		.op = MOCKGPU_CMD_COPY, .addr = addr_of(to), .addr2 = addr_of(from), .len = len,
	};
}

static inline struct drm_mockgpu_cmd cmd_compare(const void *a, const void *b, size_t len)
{
	return (struct drm_mockgpu_cmd){
		.op = MOCKGPU_CMD_COMPARE, .addr = addr_of(a), .addr2 = addr_of(b), .len = len,
	};
}

static inline struct drm_mockgpu_cmd cmd_checksum(const void *p, size_t len)
{
	return (struct drm_mockgpu_cmd){
		.op = MOCKGPU_CMD_CHECKSUM, .addr = addr_of(p), .len = len,
	};
}

/* @count times on the same word. */
static inline struct drm_mockgpu_cmd cmd_atomic(unsigned int op, volatile void *p,
						unsigned int size, uint64_t value, uint64_t count)
{
	return (struct drm_mockgpu_cmd){
		.op = MOCKGPU_CMD_ATOMIC, .atomic = op, .addr = addr_of(p), .size = size,
		.value = value, .count = count,
	};
}

static inline struct drm_mockgpu_cmd cmd_add(volatile void *p, unsigned int size, uint64_t count)
{
	return cmd_atomic(MOCKGPU_ATOMIC_ADD, p, size, 1, count);
}

/* @op: MOCKGPU_CMD_GATHER or MOCKGPU_CMD_SCATTER */
static inline struct drm_mockgpu_cmd cmd_elements(unsigned int op, void *array, void *base,
						  const uint64_t *index, uint64_t count,
						  unsigned int size)
{
	return (struct drm_mockgpu_cmd){
		.op = op, .addr = addr_of(array), .addr2 = addr_of(base),
		.index = addr_of(index), .count = count, .size = size,
	};
}

static inline struct drm_mockgpu_cmd cmd_chase(const void *node, size_t offset, uint64_t count)
{
	return (struct drm_mockgpu_cmd){
		.op = MOCKGPU_CMD_CHASE, .addr = addr_of(node), .stride = offset, .count = count,
	};
}

static inline struct drm_mockgpu_cmd cmd_barrier(void)
{
	return (struct drm_mockgpu_cmd){ .op = MOCKGPU_CMD_BARRIER };
}

static inline struct drm_mockgpu_cmd cmd_delay(uint64_t ns)
{
	return (struct drm_mockgpu_cmd){ .op = MOCKGPU_CMD_DELAY, .value = ns };
}

/* @how: MOCKGPU_WAIT_*; for @timeout_ns at the most. */
static inline struct drm_mockgpu_cmd cmd_wait(const volatile void *p, unsigned int size,
					      unsigned int how, uint64_t value,
					      uint64_t timeout_ns)
{
	return (struct drm_mockgpu_cmd){
		.op = MOCKGPU_CMD_WAIT_VALUE, .addr = addr_of(p), .size = size, .atomic = how,
		.value = value, .value2 = timeout_ns,
	};
}

#endif
