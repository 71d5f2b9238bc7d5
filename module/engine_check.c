// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Which commands are valid.
 *
 * A pure function of the command: it knows numbers, nothing of queues or of mm.
 * Whether an address can be accessed shows when the command is executed.
 */
#include <linux/array_size.h>
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/overflow.h>
#include <linux/time64.h>

#include "engine_cmd.h"
#include "mockgpu_drm.h"

/* Limits of what a command may ask for. */
#define DELAY_MAX	(10ULL * NSEC_PER_SEC)
#define WAIT_MAX	(60ULL * NSEC_PER_SEC)

static bool is_word_size(u32 size)
{
	return size == 1 || size == 2 || size == 4 || size == 8;
}

/* Which fields each operation reads, beside op. */
#define USES_ADDR	BIT(0)
#define USES_ADDR2	BIT(1)
#define USES_INDEX	BIT(2)
#define USES_LEN	BIT(3)
#define USES_COUNT	BIT(4)
#define USES_STRIDE	BIT(5)
#define USES_VALUE	BIT(6)
#define USES_VALUE2	BIT(7)
#define USES_SIZE	BIT(8)
#define USES_ATOMIC	BIT(9)

static const unsigned int cmd_uses[] = {
	[MOCKGPU_CMD_NOP] = 0,
	[MOCKGPU_CMD_LOAD] = USES_ADDR | USES_SIZE,
	[MOCKGPU_CMD_STORE] = USES_ADDR | USES_SIZE | USES_VALUE,
	[MOCKGPU_CMD_FILL] = USES_ADDR | USES_LEN | USES_SIZE | USES_VALUE,
	[MOCKGPU_CMD_COPY] = USES_ADDR | USES_ADDR2 | USES_LEN,
	[MOCKGPU_CMD_COMPARE] = USES_ADDR | USES_ADDR2 | USES_LEN,
	[MOCKGPU_CMD_CHECKSUM] = USES_ADDR | USES_LEN,
	[MOCKGPU_CMD_ATOMIC] = USES_ADDR | USES_COUNT | USES_STRIDE | USES_VALUE | USES_VALUE2 |
			       USES_SIZE | USES_ATOMIC,
	[MOCKGPU_CMD_GATHER] = USES_ADDR | USES_ADDR2 | USES_INDEX | USES_COUNT | USES_SIZE,
	[MOCKGPU_CMD_SCATTER] = USES_ADDR | USES_ADDR2 | USES_INDEX | USES_COUNT | USES_SIZE,
	[MOCKGPU_CMD_CHASE] = USES_ADDR | USES_COUNT | USES_STRIDE,
	[MOCKGPU_CMD_BARRIER] = 0,
	[MOCKGPU_CMD_DELAY] = USES_VALUE,
	[MOCKGPU_CMD_WAIT_VALUE] = USES_ADDR | USES_VALUE | USES_VALUE2 | USES_SIZE | USES_ATOMIC,
};

static unsigned int cmd_fields(const struct drm_mockgpu_cmd *cmd)
{
	return (cmd->addr ? USES_ADDR : 0) | (cmd->addr2 ? USES_ADDR2 : 0) |
	       (cmd->index ? USES_INDEX : 0) | (cmd->len ? USES_LEN : 0) |
	       (cmd->count ? USES_COUNT : 0) | (cmd->stride ? USES_STRIDE : 0) |
	       (cmd->value ? USES_VALUE : 0) | (cmd->value2 ? USES_VALUE2 : 0) |
	       (cmd->size ? USES_SIZE : 0) | (cmd->atomic ? USES_ATOMIC : 0);
}

/* Whether a stretch of memory wraps around. */
static bool wraps(u64 addr, u64 len)
{
	return addr + len < addr;
}

static bool overlap(const struct drm_mockgpu_cmd *cmd)
{
	return cmd->addr < cmd->addr2 + cmd->len && cmd->addr2 < cmd->addr + cmd->len;
}

static int check_words(const struct drm_mockgpu_cmd *cmd)
{
	if (!is_word_size(cmd->size))
		return -EINVAL;
	if (cmd->op != MOCKGPU_CMD_ATOMIC && cmd->op != MOCKGPU_CMD_WAIT_VALUE)
		return 0;
	return cmd->addr % cmd->size || cmd->stride % cmd->size ? -EINVAL : 0;
}

/* Rules of single operations. */
static int check_op(const struct drm_mockgpu_cmd *cmd)
{
	u64 span;

	switch (cmd->op) {
	case MOCKGPU_CMD_COPY:
		return overlap(cmd) ? -EINVAL : 0;
	case MOCKGPU_CMD_ATOMIC:
		if (cmd->atomic > MOCKGPU_ATOMIC_CMPXCHG)
			return -EINVAL;
		if (cmd->value2 && cmd->atomic != MOCKGPU_ATOMIC_CMPXCHG)
			return -EINVAL;
		return check_mul_overflow(cmd->count, cmd->stride, &span) ||
		       wraps(cmd->addr, span) ? -EINVAL : 0;
	case MOCKGPU_CMD_GATHER:
	case MOCKGPU_CMD_SCATTER:
		return check_mul_overflow(cmd->count, 8ULL, &span) || wraps(cmd->index, span) ||
		       wraps(cmd->addr, cmd->count * cmd->size) ? -EINVAL : 0;
	case MOCKGPU_CMD_DELAY:
		return cmd->value > DELAY_MAX ? -EINVAL : 0;
	case MOCKGPU_CMD_WAIT_VALUE:
		return cmd->atomic > MOCKGPU_WAIT_GE || cmd->value2 > WAIT_MAX ? -EINVAL : 0;
	default:
		return 0;
	}
}

/**
 * engine_cmd_check() - is a command valid?
 * @cmd: command
 *
 * Context: any.
 * Return: 0 or -EINVAL.
 */
int engine_cmd_check(const struct drm_mockgpu_cmd *cmd)
{
	if (cmd->op >= ARRAY_SIZE(cmd_uses) || cmd->flags)
		return -EINVAL;
	if (cmd_fields(cmd) & ~cmd_uses[cmd->op])
		return -EINVAL;
	if (wraps(cmd->addr, cmd->len) || wraps(cmd->addr2, cmd->len))
		return -EINVAL;
	if ((cmd_uses[cmd->op] & USES_SIZE) && check_words(cmd))
		return -EINVAL;
	return check_op(cmd);
}
