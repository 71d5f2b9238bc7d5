// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What a queue's thread does for each command.
 *
 * Every access goes through the device's page table, in pieces of at most 64 KiB.
 * The address space is taken for one piece and given back: so a process that is
 * killed is gone as soon as the piece that is under way is done, and is not kept
 * alive by a command that waits.
 *
 * Locking: none of its own; each queue has its own thread and its own buffers.
 */
#include <linux/bits.h>
#include <linux/ktime.h>
#include <linux/freezer.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "compat/compat_misc.h"
#include "control.h"
#include "event.h"
#include "engine.h"
#include "engine_cmd.h"
#include "engine_gate.h"
#include "exclusive.h"
#include "mockgpu_drm.h"
#include "stats.h"
#include "svm.h"
#include "vram.h"

/* Bytes that are accessed at once. */
#define PIECE_BYTES	SZ_64K

/* How long DELAY sleeps before it looks whether there is still somebody to wait for. */
#define DELAY_SLICE	ms_to_ktime(100)

/* How often WAIT_VALUE looks, at first and later. */
#define POLL_FIRST	us_to_ktime(20)
#define POLL_LAST	ms_to_ktime(1)

#define FNV1A_BASIS	0xcbf29ce484222325ULL
#define FNV1A_PRIME	0x100000001b3ULL

/**
 * struct engine_exec - what a queue works with
 * @queue: queue; fixed
 * @svm: memory; fixed
 * @result: of the command that is being executed
 * @moved: bytes of the last access that were read or written
 * @began: when the command began, where somebody wants to know
 * @piece: room for PIECE_BYTES
 * @piece2: likewise, where a command needs two
 */
struct engine_exec {
	struct engine_queue *queue;
	struct svm *svm;
	struct drm_mockgpu_result result;
	size_t moved;
	u64 began;
	void *piece;
	void *piece2;
};

/**
 * engine_exec_create() - get what a queue works with
 * @queue: queue
 * @svm: memory that it works on
 *
 * Return: it, or NULL where there is no memory.
 */
struct engine_exec *engine_exec_create(struct engine_queue *queue, struct svm *svm)
{
	struct engine_exec *exec;

	if (control_no_memory())
		return NULL;
	exec = kzalloc(sizeof(*exec), GFP_KERNEL_ACCOUNT);
	if (!exec)
		return NULL;
	exec->queue = queue;
	exec->svm = svm;
	exec->piece = kvmalloc(PIECE_BYTES, GFP_KERNEL_ACCOUNT);
	exec->piece2 = kvmalloc(PIECE_BYTES, GFP_KERNEL_ACCOUNT);
	if (exec->piece && exec->piece2)
		return exec;
	engine_exec_destroy(exec);
	return NULL;
}

/**
 * engine_exec_destroy() - undo engine_exec_create()
 * @exec: what it returned, or NULL
 */
void engine_exec_destroy(struct engine_exec *exec)
{
	if (!exec)
		return;
	kvfree(exec->piece);
	kvfree(exec->piece2);
	kfree(exec);
}

/*
 * Take the address space.  Returns -ECANCELED where it is at its end, or engine_stopping()
 * where the queue is.
 */
static int exec_enter(struct engine_exec *exec)
{
	struct mm_struct *mm = svm_mm(exec->svm);
	int ret;

	/* Nothing is held here. */
	engine_gate_pass(exec->queue);
	try_to_freeze();
	cond_resched();
	ret = engine_stopping(exec->queue);
	if (!ret && !mmget_not_zero(mm))
		ret = -ECANCELED;
	return ret;
}

static void exec_leave(struct engine_exec *exec)
{
	/* Perhaps the last user: tearing it down takes long, and calls our notifiers. */
	mmput_async(svm_mm(exec->svm));
}

static int exec_failed(struct engine_exec *exec, unsigned long addr, unsigned int access, int ret)
{
	/* The only signal that a queue gets is the one that stops it. */
	if (ret == -EINTR)
		return engine_stopping(exec->queue) ? : -ECANCELED;
	exec->result.fault_addr = addr;
	exec->result.access = access;
	return ret;
}

/* Access a piece of memory. */
static int exec_access(struct engine_exec *exec, unsigned long addr, void *buf, size_t len,
		       bool write)
{
	struct mirror_access access = {
		.addr = addr,
		.buf = buf,
		.len = len,
		.write = write,
		.queue = engine_queue_id(exec->queue),
		.part = true,
	};
	int ret, kept;

	do {
		kept = exec_enter(exec);
		if (kept)
			break;
		ret = svm_access(exec->svm, &access);
		exec_leave(exec);
	} while (!ret && access.len);
	exec->moved = len - access.len;

	exec->result.faults += access.faults;
	exec->result.migrations += access.migrations;
	stats_add(exec->svm->stats, write ? STAT_GPU_BYTES_WRITTEN : STAT_GPU_BYTES_READ,
		  exec->moved);
	if (kept)
		return kept;
	if (ret)
		ret = exec_failed(exec, access.addr,
				  write ? MOCKGPU_ACCESS_WRITE : MOCKGPU_ACCESS_READ, ret);
	return ret;
}

static int exec_load(struct engine_exec *exec, unsigned long addr, unsigned int size, u64 *value)
{
	*value = 0;
	/* Little-endian, as the CPUs that this runs on. */
	return exec_access(exec, addr, value, size, false);
}

static int exec_store(struct engine_exec *exec, unsigned long addr, unsigned int size, u64 value)
{
	return exec_access(exec, addr, &value, size, true);
}

static int cmd_load(struct engine_exec *exec, const struct drm_mockgpu_cmd *cmd)
{
	int ret = exec_load(exec, cmd->addr, cmd->size, &exec->result.value);

	if (!ret)
		exec->result.done = cmd->size;
	return ret;
}

static int cmd_store(struct engine_exec *exec, const struct drm_mockgpu_cmd *cmd)
{
	int ret = exec_store(exec, cmd->addr, cmd->size, cmd->value);

	if (!ret)
		exec->result.done = cmd->size;
	return ret;
}

static size_t exec_piece_len(const struct engine_exec *exec, const struct drm_mockgpu_cmd *cmd)
{
	return min_t(u64, cmd->len - exec->result.done, PIECE_BYTES);
}

static int cmd_fill(struct engine_exec *exec, const struct drm_mockgpu_cmd *cmd)
{
	size_t i, len;
	int ret = 0;

	/* A piece is a multiple of every size, so that the pattern goes on seamlessly. */
	for (i = 0; i < min_t(u64, PIECE_BYTES, cmd->len); i += cmd->size)
		memcpy(exec->piece + i, &cmd->value, cmd->size);
	while (!ret && exec->result.done < cmd->len) {
		len = exec_piece_len(exec, cmd);
		ret = exec_access(exec, cmd->addr + exec->result.done, exec->piece, len, true);
		exec->result.done += exec->moved;
	}
	return ret;
}

/* What can be read is written, also where it ends in a fault. */
static int cmd_copy(struct engine_exec *exec, const struct drm_mockgpu_cmd *cmd)
{
	u64 *done = &exec->result.done;
	int ret = 0, err;

	while (!ret && *done < cmd->len) {
		ret = exec_access(exec, cmd->addr2 + *done, exec->piece, exec_piece_len(exec, cmd),
				  false);
		err = exec_access(exec, cmd->addr + *done, exec->piece, exec->moved, true);
		*done += exec->moved;
		if (err)
			ret = err;
	}
	return ret;
}

static size_t first_difference(const u8 *a, const u8 *b, size_t len)
{
	size_t i;

	for (i = 0; i < len && a[i] == b[i]; i++)
		;
	return i;
}

static int cmd_compare(struct engine_exec *exec, const struct drm_mockgpu_cmd *cmd)
{
	u64 *done = &exec->result.done;
	size_t len, same;
	int ret = 0, err;

	while (!ret && *done < cmd->len) {
		ret = exec_access(exec, cmd->addr + *done, exec->piece, exec_piece_len(exec, cmd),
				  false);
		len = exec->moved;
		err = exec_access(exec, cmd->addr2 + *done, exec->piece2, len, false);
		len = exec->moved;
		if (err)
			ret = err;
		same = first_difference(exec->piece, exec->piece2, len);
		*done += same;
		/* What comes behind the difference does not matter. */
		if (same < len) {
			ret = 0;
			exec->result.fault_addr = 0;
			exec->result.access = MOCKGPU_ACCESS_NONE;
			break;
		}
	}
	exec->result.value = *done;
	return ret;
}

static int cmd_checksum(struct engine_exec *exec, const struct drm_mockgpu_cmd *cmd)
{
	const u8 *byte = exec->piece;
	u64 sum = FNV1A_BASIS;
	size_t i;
	int ret = 0;

	while (!ret && exec->result.done < cmd->len) {
		ret = exec_access(exec, cmd->addr + exec->result.done, exec->piece,
				  exec_piece_len(exec, cmd), false);
		for (i = 0; i < exec->moved; i++)
			sum = (sum ^ byte[i]) * FNV1A_PRIME;
		exec->result.done += exec->moved;
	}
	exec->result.value = sum;
	return ret;
}

/* The part of an operand that a word of a command's size has. */
static u64 exec_operand(const struct drm_mockgpu_cmd *cmd, u64 value)
{
	return value & GENMASK_ULL(cmd->size * BITS_PER_BYTE - 1, 0);
}

/* Do some operations, for no longer than a moment, as the process: its page tables are at hand. */
static int exec_atomics(struct engine_exec *exec, struct mirror_atomic *atomic)
{
	unsigned long began = jiffies;
	int ret;

	kthread_use_mm(svm_mm(exec->svm));
	do {
		ret = exclusive_atomic(exec->svm, atomic);
	} while (!ret && atomic->count && !time_after(jiffies, began) && !signal_pending(current));
	kthread_unuse_mm(svm_mm(exec->svm));
	return ret;
}

static int cmd_atomic(struct engine_exec *exec, const struct drm_mockgpu_cmd *cmd)
{
	struct mirror_atomic atomic = {
		.op = cmd->atomic,
		.size = cmd->size,
		.addr = cmd->addr,
		.stride = cmd->stride,
		.count = cmd->count,
		.value = exec_operand(cmd, cmd->value),
		.value2 = exec_operand(cmd, cmd->value2),
		.queue = engine_queue_id(exec->queue),
	};
	int ret = 0;

	while (!ret && atomic.count) {
		ret = exec_enter(exec);
		if (ret)
			break;
		ret = exec_atomics(exec, &atomic);
		exec_leave(exec);
		if (ret && engine_stopping(exec->queue))
			ret = -EINTR;
		if (ret)
			ret = exec_failed(exec, atomic.addr, MOCKGPU_ACCESS_ATOMIC, ret);
	}
	exec->result.value = atomic.old;
	exec->result.done = cmd->count - atomic.count;
	exec->result.faults += atomic.faults;
	exec->result.migrations += atomic.migrations;
	stats_add(exec->svm->stats, STAT_GPU_BYTES_READ, exec->result.done * cmd->size);
	stats_add(exec->svm->stats, STAT_GPU_BYTES_WRITTEN, exec->result.done * cmd->size);
	return ret;
}

static int exec_move_element(struct engine_exec *exec, const struct drm_mockgpu_cmd *cmd, u64 i,
			     u64 offset)
{
	unsigned long from = cmd->addr2 + offset, to = cmd->addr + i * cmd->size;
	u64 value;
	int ret;

	if (cmd->op == MOCKGPU_CMD_SCATTER)
		swap(from, to);
	ret = exec_load(exec, from, cmd->size, &value);
	return ret ? : exec_store(exec, to, cmd->size, value);
}

/* Gather and scatter: the offsets come a piece at a time, the elements one by one. */
static int cmd_move_elements(struct engine_exec *exec, const struct drm_mockgpu_cmd *cmd)
{
	const u64 *offset = exec->piece;
	u64 i, n;
	int ret = 0;

	while (!ret && exec->result.done < cmd->count) {
		n = min_t(u64, cmd->count - exec->result.done, PIECE_BYTES / sizeof(*offset));
		ret = exec_access(exec, cmd->index + exec->result.done * sizeof(*offset),
				  exec->piece, n * sizeof(*offset), false);
		for (i = 0; i < n && !ret; i++) {
			ret = exec_move_element(exec, cmd, exec->result.done, offset[i]);
			if (!ret)
				exec->result.done++;
		}
	}
	return ret;
}

static int cmd_chase(struct engine_exec *exec, const struct drm_mockgpu_cmd *cmd)
{
	u64 limit = cmd->count ? : U32_MAX, node = cmd->addr, next;
	int ret = 0;

	while (node && exec->result.done < limit) {
		ret = exec_load(exec, node + cmd->stride, sizeof(next), &next);
		if (ret)
			break;
		exec->result.done++;
		node = next;
	}
	exec->result.value = node;
	return ret;
}

/* Returns 0 where there is a process to work for, and a queue to do it; else as exec_enter(). */
static int exec_unwanted(const struct engine_exec *exec)
{
	if (engine_stopping(exec->queue))
		return engine_stopping(exec->queue);
	return atomic_read(&svm_mm(exec->svm)->mm_users) ? 0 : -ECANCELED;
}

static int cmd_delay(struct engine_exec *exec, const struct drm_mockgpu_cmd *cmd)
{
	ktime_t end = ktime_add_ns(ktime_get(), cmd->value), left;
	int ret = 0;

	for (left = cmd->value; left > 0 && !ret; left = ktime_sub(end, ktime_get())) {
		engine_sleep(exec->queue, min_t(ktime_t, left, DELAY_SLICE));
		ret = exec_unwanted(exec);
	}
	return ret;
}

static bool wait_is_over(const struct drm_mockgpu_cmd *cmd, u64 value)
{
	u64 wanted = exec_operand(cmd, cmd->value);

	switch (cmd->atomic) {
	case MOCKGPU_WAIT_EQ:
		return value == wanted;
	case MOCKGPU_WAIT_NE:
		return value != wanted;
	default:
		return value >= wanted;
	}
}

static int cmd_wait_value(struct engine_exec *exec, const struct drm_mockgpu_cmd *cmd)
{
	ktime_t deadline = ktime_add_ns(ktime_get(), cmd->value2), pause = POLL_FIRST;
	int ret;

	for (;;) {
		ret = exec_load(exec, cmd->addr, cmd->size, &exec->result.value);
		if (ret || wait_is_over(cmd, exec->result.value))
			return ret;
		if (ktime_after(ktime_get(), deadline))
			return -ETIME;
		ret = engine_sleep(exec->queue, pause);
		if (ret)
			return ret;
		pause = min_t(ktime_t, pause * 2, POLL_LAST);
	}
}

static int exec_cmd(struct engine_exec *exec, const struct engine_job *job,
		    const struct drm_mockgpu_cmd *cmd)
{
	int ret = exec_unwanted(exec);

	if (ret)
		return ret;

	switch (cmd->op) {
	case MOCKGPU_CMD_NOP:
		return 0;
	case MOCKGPU_CMD_LOAD:
		return cmd_load(exec, cmd);
	case MOCKGPU_CMD_STORE:
		return cmd_store(exec, cmd);
	case MOCKGPU_CMD_FILL:
		return cmd_fill(exec, cmd);
	case MOCKGPU_CMD_COPY:
		return cmd_copy(exec, cmd);
	case MOCKGPU_CMD_COMPARE:
		return cmd_compare(exec, cmd);
	case MOCKGPU_CMD_CHECKSUM:
		return cmd_checksum(exec, cmd);
	case MOCKGPU_CMD_ATOMIC:
		return cmd_atomic(exec, cmd);
	case MOCKGPU_CMD_GATHER:
	case MOCKGPU_CMD_SCATTER:
		return cmd_move_elements(exec, cmd);
	case MOCKGPU_CMD_CHASE:
		return cmd_chase(exec, cmd);
	case MOCKGPU_CMD_BARRIER:
		return engine_barrier(exec->queue, job->order);
	case MOCKGPU_CMD_DELAY:
		return cmd_delay(exec, cmd);
	case MOCKGPU_CMD_WAIT_VALUE:
		return cmd_wait_value(exec, cmd);
	default:
		return -EINVAL;
	}
}

/*
 * Tell of a command (with its operation), or of a submission's fence.  Apart from them, as
 * room for an event would keep a command from being executed in place.
 */
static noinline __cold void exec_tell(const struct engine_exec *exec,
				      const struct engine_job *job, unsigned int kind,
				      unsigned int op, u64 addr, int error, u64 began)
{
	event_emit(.kind = kind, .cause = op, .error = error,
		   .device = exec->svm->vram->index, .mm = svm_mm(exec->svm),
		   .owner = exec->svm->owner, .queue = engine_queue_id(exec->queue),
		   .addr = addr, .value = job->seqno, .start = began);
}

/*
 * What is done before a command and after it where a point is armed, or somebody wants to
 * know: apart from it, and behind one branch each, as a command takes few instructions.
 * Once there was a beginning there is an end: the branches stay turned.
 */
static noinline __cold int exec_cmd_begins(struct engine_exec *exec,
					   const struct drm_mockgpu_cmd *cmd)
{
	exec->began = event_start();
	return control_hit(CONTROL_COMMAND, &exec->svm->vram->present, svm_mm(exec->svm),
			   cmd->addr);
}

static noinline __cold void exec_cmd_ends(struct engine_exec *exec, const struct engine_job *job,
					  const struct drm_mockgpu_cmd *cmd)
{
	if (event_on())
		exec_tell(exec, job, MOCKGPU_EVENT_COMMAND, cmd->op, cmd->addr,
			  exec->result.error, exec->began);
	exec->began = 0;
	control_hit(CONTROL_COMMAND_DONE, &exec->svm->vram->present, svm_mm(exec->svm), cmd->addr);
}

/* One command between its two points. */
static int exec_cmd_step(struct engine_exec *exec, const struct engine_job *job,
			 const struct drm_mockgpu_cmd *cmd)
{
	int error = 0;

	if (event_is_watched())
		error = exec_cmd_begins(exec, cmd);
	if (!error)
		error = exec_cmd(exec, job, cmd);
	exec->result.error = error;
	if (event_is_watched())
		exec_cmd_ends(exec, job, cmd);
	return error;
}

/* Have the device write what came of command @i. */
static void exec_report(struct engine_exec *exec, const struct engine_job *job, unsigned int i)
{
	struct drm_mockgpu_result result = exec->result;

	if (job->results)
		exec_access(exec, job->results + i * sizeof(result), &result, sizeof(result), true);
}

/**
 * engine_exec_job() - execute a submission
 * @exec: what its queue works with
 * @job: submission
 *
 * Context: the queue's thread; may sleep.
 * Return: 0 or the errno of the first command that failed.
 */
int engine_exec_job(struct engine_exec *exec, const struct engine_job *job)
{
	u64 began = event_start();
	int error = 0, fence = 0;
	unsigned int i;

	for (i = 0; i < job->count; i++) {
		memset(&exec->result, 0, sizeof(exec->result));
		if (error)
			exec->result.error = -ECANCELED;
		else
			error = exec_cmd_step(exec, job, &job->cmds[i]);
		exec_report(exec, job, i);
		cond_resched();
	}
	/* Who sees the fence sees what was done before it. */
	smp_wmb();
	if (job->fence_addr)
		fence = exec_store(exec, job->fence_addr, sizeof(job->fence_value),
				   job->fence_value);
	if (event_on())
		exec_tell(exec, job, MOCKGPU_EVENT_FENCE, 0, job->fence_addr, error ? : fence,
			  began);
	/* The queue ended before this was done. */
	if (!error && fence && fence == engine_stopping(exec->queue))
		error = fence;
	return error;
}
