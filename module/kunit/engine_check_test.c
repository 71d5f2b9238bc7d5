// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Unit tests of which commands are valid: each operation with each field, the limits
 * of each field, and whether stretches of memory overlap, by trying all.
 */
#include <kunit/test.h>
#include <linux/limits.h>
#include <linux/stddef.h>

#include "../engine_check.c"

#define OPS	(MOCKGPU_CMD_WAIT_VALUE + 1)

/* One valid command of each operation, as small as it can be. */
static const struct drm_mockgpu_cmd plain[OPS] = {
	[MOCKGPU_CMD_NOP] = { .op = MOCKGPU_CMD_NOP },
	[MOCKGPU_CMD_LOAD] = { .op = MOCKGPU_CMD_LOAD, .addr = 64, .size = 8 },
	[MOCKGPU_CMD_STORE] = { .op = MOCKGPU_CMD_STORE, .addr = 64, .size = 8, .value = 8 },
	[MOCKGPU_CMD_FILL] = { .op = MOCKGPU_CMD_FILL, .addr = 64, .len = 8, .size = 8 },
	[MOCKGPU_CMD_COPY] = { .op = MOCKGPU_CMD_COPY, .addr = 64, .addr2 = 128, .len = 8 },
	[MOCKGPU_CMD_COMPARE] = { .op = MOCKGPU_CMD_COMPARE, .addr = 64, .addr2 = 128, .len = 8 },
	[MOCKGPU_CMD_CHECKSUM] = { .op = MOCKGPU_CMD_CHECKSUM, .addr = 64, .len = 8 },
	[MOCKGPU_CMD_ATOMIC] = { .op = MOCKGPU_CMD_ATOMIC, .addr = 64, .count = 8, .size = 8,
				 .atomic = MOCKGPU_ATOMIC_CMPXCHG },
	[MOCKGPU_CMD_GATHER] = { .op = MOCKGPU_CMD_GATHER, .addr = 64, .addr2 = 128, .index = 256,
				 .count = 8, .size = 8 },
	[MOCKGPU_CMD_SCATTER] = { .op = MOCKGPU_CMD_SCATTER, .addr = 64, .addr2 = 128,
				  .index = 256, .count = 8, .size = 8 },
	[MOCKGPU_CMD_CHASE] = { .op = MOCKGPU_CMD_CHASE, .addr = 64, .count = 8 },
	[MOCKGPU_CMD_BARRIER] = { .op = MOCKGPU_CMD_BARRIER },
	[MOCKGPU_CMD_DELAY] = { .op = MOCKGPU_CMD_DELAY, .value = 8 },
	[MOCKGPU_CMD_WAIT_VALUE] = { .op = MOCKGPU_CMD_WAIT_VALUE, .addr = 64, .size = 8 },
};

static void expect(struct kunit *test, const struct drm_mockgpu_cmd *cmd, int ret)
{
	KUNIT_EXPECT_EQ_MSG(test, engine_cmd_check(cmd), ret,
			    "op %u size %u atomic %u addr %llx addr2 %llx len %llx", cmd->op,
			    cmd->size, cmd->atomic, cmd->addr, cmd->addr2, cmd->len);
}

/* A plain command with some fields changed is valid, or is not. */
#define VALID(test, number, ...) \
	do { \
		struct drm_mockgpu_cmd c = plain[number], *cmd = &c; \
		__VA_ARGS__; \
		expect(test, cmd, 0); \
	} while (0)
#define INVALID(test, number, ...) \
	do { \
		struct drm_mockgpu_cmd c = plain[number], *cmd = &c; \
		__VA_ARGS__; \
		expect(test, cmd, -EINVAL); \
	} while (0)

static void plain_commands_are_valid(struct kunit *test)
{
	unsigned int op;

	for (op = 0; op < OPS; op++) {
		KUNIT_EXPECT_EQ(test, plain[op].op, op);
		expect(test, &plain[op], 0);
	}
}

static void unknown_operations_are_not(struct kunit *test)
{
	struct drm_mockgpu_cmd cmd = {};
	unsigned int bit;

	for (bit = 4; bit < 32; bit++) {
		cmd.op = BIT(bit);
		expect(test, &cmd, -EINVAL);
	}
	cmd.op = OPS;
	expect(test, &cmd, -EINVAL);
	cmd.op = UINT_MAX;
	expect(test, &cmd, -EINVAL);
}

static void there_are_no_flags(struct kunit *test)
{
	unsigned int op, bit;

	for (op = 0; op < OPS; op++) {
		for (bit = 0; bit < 32; bit++)
			INVALID(test, op, cmd->flags = BIT(bit));
	}
}

/* The fields that an operation may name, but for the last two 8 bytes each. */
static const unsigned int fields[] = {
	offsetof(struct drm_mockgpu_cmd, addr),
	offsetof(struct drm_mockgpu_cmd, addr2),
	offsetof(struct drm_mockgpu_cmd, index),
	offsetof(struct drm_mockgpu_cmd, len),
	offsetof(struct drm_mockgpu_cmd, count),
	offsetof(struct drm_mockgpu_cmd, stride),
	offsetof(struct drm_mockgpu_cmd, value),
	offsetof(struct drm_mockgpu_cmd, value2),
	offsetof(struct drm_mockgpu_cmd, size),
	offsetof(struct drm_mockgpu_cmd, atomic),
};

/* The fields that an operation names in the interface's contract, by number above. */
static const unsigned int named[OPS] = {
	[MOCKGPU_CMD_LOAD] = BIT(0) | BIT(8),
	[MOCKGPU_CMD_STORE] = BIT(0) | BIT(6) | BIT(8),
	[MOCKGPU_CMD_FILL] = BIT(0) | BIT(3) | BIT(6) | BIT(8),
	[MOCKGPU_CMD_COPY] = BIT(0) | BIT(1) | BIT(3),
	[MOCKGPU_CMD_COMPARE] = BIT(0) | BIT(1) | BIT(3),
	[MOCKGPU_CMD_CHECKSUM] = BIT(0) | BIT(3),
	[MOCKGPU_CMD_ATOMIC] = BIT(0) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(9),
	[MOCKGPU_CMD_GATHER] = BIT(0) | BIT(1) | BIT(2) | BIT(4) | BIT(8),
	[MOCKGPU_CMD_SCATTER] = BIT(0) | BIT(1) | BIT(2) | BIT(4) | BIT(8),
	[MOCKGPU_CMD_CHASE] = BIT(0) | BIT(4) | BIT(5),
	[MOCKGPU_CMD_DELAY] = BIT(6),
	[MOCKGPU_CMD_WAIT_VALUE] = BIT(0) | BIT(6) | BIT(7) | BIT(8) | BIT(9),
};

static void set_field(struct drm_mockgpu_cmd *cmd, unsigned int field, u64 value)
{
	memcpy((char *)cmd + fields[field], &value, field < 8 ? 8 : 4);
}

/* Each field that is not named is 0, in each of its bits; those that are may be 8. */
static void other_fields_are_zero(struct kunit *test)
{
	unsigned int op, i, bit;

	for (op = 0; op < OPS; op++) {
		for (i = 0; i < ARRAY_SIZE(fields); i++) {
			if (!(named[op] & BIT(i))) {
				for (bit = 0; bit < (i < 8 ? 64 : 32); bit++)
					INVALID(test, op, set_field(cmd, i, BIT_ULL(bit)));
			} else if (op != MOCKGPU_CMD_WAIT_VALUE || i != 9) {
				/* But for comparisons, of which none has this number. */
				VALID(test, op, set_field(cmd, i, 8));
			}
		}
	}
}

static void words_have_1_2_4_or_8_bytes(struct kunit *test)
{
	unsigned int op, size;

	for (op = 0; op < OPS; op++) {
		if (!(named[op] & BIT(8)))
			continue;
		for (size = 0; size < 70; size++) {
			if (size == 1 || size == 2 || size == 4 || size == 8)
				VALID(test, op, cmd->size = size);
			else
				INVALID(test, op, cmd->size = size);
		}
		INVALID(test, op, cmd->size = UINT_MAX);
	}
}

static void words_of_atomics_are_aligned(struct kunit *test)
{
	static const unsigned int ops[] = { MOCKGPU_CMD_ATOMIC, MOCKGPU_CMD_WAIT_VALUE };
	unsigned int i, size, addr;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		for (size = 1; size <= 8; size *= 2) {
			for (addr = 0; addr < 32; addr++) {
				if (addr & (size - 1))
					INVALID(test, ops[i], cmd->size = size, cmd->addr = addr);
				else
					VALID(test, ops[i], cmd->size = size, cmd->addr = addr);
			}
		}
	}
}

static void strides_of_atomics_are_aligned(struct kunit *test)
{
	unsigned int size, stride;

	for (size = 1; size <= 8; size *= 2) {
		for (stride = 0; stride < 32; stride++) {
			if (stride & (size - 1))
				INVALID(test, MOCKGPU_CMD_ATOMIC, cmd->size = size,
					cmd->stride = stride);
			else
				VALID(test, MOCKGPU_CMD_ATOMIC, cmd->size = size,
				      cmd->stride = stride);
		}
	}
}

static void other_words_have_any_alignment(struct kunit *test)
{
	static const unsigned int ops[] = {
		MOCKGPU_CMD_LOAD, MOCKGPU_CMD_STORE, MOCKGPU_CMD_FILL, MOCKGPU_CMD_GATHER,
		MOCKGPU_CMD_SCATTER,
	};
	unsigned int i, addr;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		for (addr = 0; addr < 16; addr++)
			VALID(test, ops[i], cmd->addr = addr);
	}
	for (addr = 0; addr < 16; addr++)
		VALID(test, MOCKGPU_CMD_CHASE, cmd->stride = addr);
}

static void copies_do_not_overlap(struct kunit *test)
{
	u64 to, from, len;

	for (to = 0; to < 12; to++) {
		for (from = 0; from < 12; from++) {
			for (len = 0; len < 8; len++) {
				bool common = false;
				u64 i, k;

				for (i = 0; i < len; i++) {
					for (k = 0; k < len; k++)
						common |= to + i == from + k;
				}
				if (common)
					INVALID(test, MOCKGPU_CMD_COPY, cmd->addr = to,
						cmd->addr2 = from, cmd->len = len);
				else if (len || to != from)
					VALID(test, MOCKGPU_CMD_COPY, cmd->addr = to,
					      cmd->addr2 = from, cmd->len = len);
			}
		}
	}
}

static void comparisons_may_overlap(struct kunit *test)
{
	VALID(test, MOCKGPU_CMD_COMPARE, cmd->addr2 = cmd->addr);
	VALID(test, MOCKGPU_CMD_COMPARE, cmd->addr2 = cmd->addr + 1);
}

static void stretches_do_not_wrap(struct kunit *test)
{
	static const unsigned int ops[] = {
		MOCKGPU_CMD_FILL, MOCKGPU_CMD_COPY, MOCKGPU_CMD_COMPARE, MOCKGPU_CMD_CHECKSUM,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		VALID(test, ops[i], cmd->addr = U64_MAX - 99, cmd->len = 99);
		INVALID(test, ops[i], cmd->addr = U64_MAX - 99, cmd->len = 101);
		INVALID(test, ops[i], cmd->len = U64_MAX);
		if (named[ops[i]] & BIT(1)) {
			VALID(test, ops[i], cmd->addr2 = U64_MAX - 99, cmd->len = 99);
			INVALID(test, ops[i], cmd->addr2 = U64_MAX - 99, cmd->len = 101);
		}
	}
}

static void there_are_nine_atomic_operations(struct kunit *test)
{
	unsigned int atomic;

	for (atomic = 0; atomic < 20; atomic++) {
		if (atomic <= MOCKGPU_ATOMIC_CMPXCHG)
			VALID(test, MOCKGPU_CMD_ATOMIC, cmd->atomic = atomic);
		else
			INVALID(test, MOCKGPU_CMD_ATOMIC, cmd->atomic = atomic);
	}
	INVALID(test, MOCKGPU_CMD_ATOMIC, cmd->atomic = UINT_MAX);
}

static void only_cmpxchg_has_a_second_operand(struct kunit *test)
{
	unsigned int atomic;

	for (atomic = 0; atomic < MOCKGPU_ATOMIC_CMPXCHG; atomic++)
		INVALID(test, MOCKGPU_CMD_ATOMIC, cmd->atomic = atomic, cmd->value2 = 1);
	VALID(test, MOCKGPU_CMD_ATOMIC, cmd->value2 = U64_MAX);
}

static void strides_do_not_wrap(struct kunit *test)
{
	VALID(test, MOCKGPU_CMD_ATOMIC, cmd->count = U64_MAX);
	VALID(test, MOCKGPU_CMD_ATOMIC, cmd->count = BIT_ULL(32), cmd->stride = BIT_ULL(31));
	INVALID(test, MOCKGPU_CMD_ATOMIC, cmd->count = BIT_ULL(32), cmd->stride = BIT_ULL(32));
	INVALID(test, MOCKGPU_CMD_ATOMIC, cmd->count = U64_MAX, cmd->stride = 8);
	INVALID(test, MOCKGPU_CMD_ATOMIC, cmd->addr = U64_MAX - 15, cmd->count = 3,
		cmd->stride = 8);
}

static void indices_and_elements_do_not_wrap(struct kunit *test)
{
	static const unsigned int ops[] = { MOCKGPU_CMD_GATHER, MOCKGPU_CMD_SCATTER };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		INVALID(test, ops[i], cmd->count = BIT_ULL(61));
		INVALID(test, ops[i], cmd->count = U64_MAX);
		VALID(test, ops[i], cmd->index = U64_MAX - 64);
		INVALID(test, ops[i], cmd->index = U64_MAX - 62);
		VALID(test, ops[i], cmd->addr = U64_MAX - 64);
		INVALID(test, ops[i], cmd->addr = U64_MAX - 62);
		VALID(test, ops[i], cmd->addr = U64_MAX - 8, cmd->size = 1);
		/* Offsets wrap as additions do. */
		VALID(test, ops[i], cmd->addr2 = U64_MAX);
	}
}

static void delays_are_10_s_at_the_most(struct kunit *test)
{
	VALID(test, MOCKGPU_CMD_DELAY, cmd->value = 0);
	VALID(test, MOCKGPU_CMD_DELAY, cmd->value = 10000000000);
	INVALID(test, MOCKGPU_CMD_DELAY, cmd->value = 10000000001);
	INVALID(test, MOCKGPU_CMD_DELAY, cmd->value = U64_MAX);
}

static void waits_are_60_s_at_the_most(struct kunit *test)
{
	VALID(test, MOCKGPU_CMD_WAIT_VALUE, cmd->value2 = 60000000000);
	INVALID(test, MOCKGPU_CMD_WAIT_VALUE, cmd->value2 = 60000000001);
	INVALID(test, MOCKGPU_CMD_WAIT_VALUE, cmd->value2 = U64_MAX);
}

static void there_are_three_comparisons(struct kunit *test)
{
	unsigned int how;

	for (how = 0; how < 10; how++) {
		if (how <= MOCKGPU_WAIT_GE)
			VALID(test, MOCKGPU_CMD_WAIT_VALUE, cmd->atomic = how);
		else
			INVALID(test, MOCKGPU_CMD_WAIT_VALUE, cmd->atomic = how);
	}
}

static struct kunit_case engine_check_cases[] = {
	KUNIT_CASE(plain_commands_are_valid),
	KUNIT_CASE(unknown_operations_are_not),
	KUNIT_CASE(there_are_no_flags),
	KUNIT_CASE(other_fields_are_zero),
	KUNIT_CASE(words_have_1_2_4_or_8_bytes),
	KUNIT_CASE(words_of_atomics_are_aligned),
	KUNIT_CASE(strides_of_atomics_are_aligned),
	KUNIT_CASE(other_words_have_any_alignment),
	KUNIT_CASE(copies_do_not_overlap),
	KUNIT_CASE(comparisons_may_overlap),
	KUNIT_CASE(stretches_do_not_wrap),
	KUNIT_CASE(there_are_nine_atomic_operations),
	KUNIT_CASE(only_cmpxchg_has_a_second_operand),
	KUNIT_CASE(strides_do_not_wrap),
	KUNIT_CASE(indices_and_elements_do_not_wrap),
	KUNIT_CASE(delays_are_10_s_at_the_most),
	KUNIT_CASE(waits_are_60_s_at_the_most),
	KUNIT_CASE(there_are_three_comparisons),
	{}
};

static struct kunit_suite engine_check_suite = {
	.name = "mockgpu_engine_check",
	.test_cases = engine_check_cases,
};

kunit_test_suite(engine_check_suite);
