// SPDX-License-Identifier: MIT
/* Commands: what a submission costs, a command, and an operation. */
#include "bench.h"

#define COMMANDS	64U

static struct drm_mockgpu_cmd cmds[COMMANDS];

/* One command for each of the first pages. */
static void prepare(struct drm_mockgpu_cmd cmd)
{
	for (unsigned int i = 0; i < COMMANDS; i++) {
		cmds[i] = cmd;
		if (cmd.op != MOCKGPU_CMD_NOP)
			cmds[i].addr = (uintptr_t)AT(i);
	}
}

static void run(unsigned int count)
{
	MUST(!mockgpu_run(dev, queue, cmds, count, NULL));
}

static void one(void)
{
	run(1);
}

static void all(void)
{
	run(COMMANDS);
}

static void nops(void)
{
	prepare((struct drm_mockgpu_cmd){ .op = MOCKGPU_CMD_NOP });
}

/* What is measured finds the entries that this has the device make. */
static void loads(void)
{
	prepare((struct drm_mockgpu_cmd){ .op = MOCKGPU_CMD_LOAD, .size = 8 });
	all();
}

static void atomics(void)
{
	prepare((struct drm_mockgpu_cmd){
		.op = MOCKGPU_CMD_ATOMIC, .atomic = MOCKGPU_ATOMIC_ADD, .size = 8, .value = 1,
		.count = 1,
	});
}

static void atomics_again(void)
{
	atomics();
	all();
}

static void each_was_written(void)
{
	MUST(after.gpu_bytes_written - before.gpu_bytes_written == 8 * COMMANDS);
}

static void each_was_read(void)
{
	MUST(after.gpu_bytes_read - before.gpu_bytes_read == 8 * COMMANDS);
	MUST(after.gpu_faults == before.gpu_faults);
}

const struct bench queue_benches[] = {
	{ "submit-and-wait", "submission", 1, 0, .prepare = nops, .run = one },
	{ "nop", "command", COMMANDS, 0, .prepare = nops, .run = all },
	{ "load-system", "command", COMMANDS, 0, .prepare = loads, .run = all,
	  .check = each_was_read },
	{ "load-vram", "command", COMMANDS, 0, .vram = true, .prepare = loads, .run = all,
	  .check = each_was_read },
	{ "atomic-exclusive", "operation", COMMANDS, 0, .prepare = atomics, .run = all,
	  .check = each_was_written },
	{ "atomic-vram", "operation", COMMANDS, 0, .vram = true, .prepare = atomics_again,
	  .run = all, .check = each_was_written },
	{ 0 }
};
