// SPDX-License-Identifier: MIT
/* The commands that a fuzzer submits, and the call itself; see fuzz.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fuzz.h"
#include "queue.h"

/* From one word to the next: what comes after the arena is no memory for as long as that. */
#define STRIDE_MAX	(1UL << 20)

static uint64_t address(struct fuzz *f)
{
	return fuzz_below(f, 16) ? fuzz_place(f) : fuzz_edge(f);
}

static uint64_t length(struct fuzz *f)
{
	return fuzz_below(f, 16) ? fuzz_below(f, 2 * PAGE) : fuzz_edge(f);
}

static void make_command(struct fuzz *f, struct drm_mockgpu_cmd *cmd)
{
	static const uint32_t sizes[] = { 1, 2, 4, 8, 8, 8, 0, 3 };

	*cmd = (struct drm_mockgpu_cmd){
		.op = (uint32_t)fuzz_below(f, 15),
		.size = sizes[fuzz_below(f, ARRAY_SIZE(sizes))],
	};
	if (cmd->op && cmd->op != MOCKGPU_CMD_BARRIER && cmd->op != MOCKGPU_CMD_DELAY)
		cmd->addr = address(f);
	switch (cmd->op) {
	case MOCKGPU_CMD_STORE:
		cmd->value = fuzz_random(f);
		break;
	case MOCKGPU_CMD_FILL:
		cmd->value = fuzz_random(f);
		cmd->len = length(f);
		break;
	case MOCKGPU_CMD_COPY:
	case MOCKGPU_CMD_COMPARE:
		cmd->addr2 = address(f);
		/* fall through */
	case MOCKGPU_CMD_CHECKSUM:
		cmd->len = length(f);
		cmd->size = 0;
		break;
	case MOCKGPU_CMD_ATOMIC:
		cmd->atomic = (uint32_t)fuzz_below(f, 10);
		cmd->addr &= ~7UL;
		cmd->count = fuzz_below(f, 64) ? fuzz_below(f, 20) : fuzz_edge(f);
		cmd->stride = fuzz_below(f, 2) ? 8 * fuzz_below(f, 64) :
			      fuzz_below(f, STRIDE_MAX) & ~7UL;
		cmd->value = fuzz_random(f);
		break;
	case MOCKGPU_CMD_GATHER:
	case MOCKGPU_CMD_SCATTER:
		cmd->addr2 = fuzz_place(f);
		cmd->index = addr_of(f->index);
		cmd->count = fuzz_below(f, FUZZ_COMMANDS + 1);
		break;
	case MOCKGPU_CMD_CHASE:
		cmd->count = 1 + fuzz_below(f, 100);
		cmd->stride = 8 * fuzz_below(f, 8);
		cmd->size = 0;
		break;
	case MOCKGPU_CMD_WAIT_VALUE:
		cmd->atomic = (uint32_t)fuzz_below(f, 4);
		cmd->addr &= ~7UL;
		cmd->value2 = fuzz_below(f, 64) ? fuzz_below(f, 1000000) : fuzz_edge(f);
		break;
	case MOCKGPU_CMD_DELAY:
		cmd->value = fuzz_below(f, 64) ? fuzz_below(f, 1000000) : fuzz_edge(f);
		/* fall through */
	case MOCKGPU_CMD_NOP:
	case MOCKGPU_CMD_BARRIER:
		cmd->size = 0;
		break;
	}
	if (!fuzz_below(f, 32))
		cmd->flags = (uint32_t)fuzz_edge(f);
	/* Fields that the operation does not have. */
	if (!fuzz_below(f, 32))
		cmd->value2 = fuzz_edge(f);
}

/* Offsets are not taken from the arena, as what is there could lead anywhere. */
static void make_commands(struct fuzz *f)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(f->index); i++)
		f->index[i] = fuzz_below(f, f->arena.pages * PAGE);
	for (unsigned int i = 0; i < 4; i++)
		make_command(f, &f->cmds[i]);
}

/* The call's structure: with nothing behind it, in the arena, or no memory. */
static void *place_of_arg(struct fuzz *f, const struct fuzz_call *call)
{
	size_t size = call->size < sizeof(call->arg) ? call->size : sizeof(call->arg);
	void *arg = f->arg + FUZZ_ARG - call->size;

	/* What a longer structure has at its end: nothing, or something. */
	memset(arg, fuzz_below(f, 8) ? 0 : 0xa5, call->size);
	memcpy(arg, call->arg, size);
	switch (fuzz_below(f, 64)) {
	case 0:
		return (void *)(uintptr_t)fuzz_edge(f);
	case 1:
		return (void *)(uintptr_t)fuzz_place(f);
	case 2:
		return (uint8_t *)arg + 1 + fuzz_below(f, 16);
	default:
		return arg;
	}
}

static void undo_arm(struct fuzz *f, unsigned int i)
{
	struct drm_mockgpu_point_release release = { .id = f->arms[i] };

	if (f->arms[i])
		ioctl(f->arm_fds[i], DRM_IOCTL_MOCKGPU_POINT_RELEASE, &release);
	f->arms[i] = 0;
}

static void undo_log(struct fuzz *f, unsigned int i)
{
	if (f->logs[i] > 0)
		close(f->logs[i]);
	f->logs[i] = 0;
}

/* Looks at what a call gave that has to be given back some time. */
static void note_result(struct fuzz *f, int fd, unsigned long request, const void *arg)
{
	unsigned int i;

	if (request == DRM_IOCTL_MOCKGPU_SUBMIT) {
		f->seqno = ((const struct drm_mockgpu_submit *)arg)->seqno;
	} else if (request == DRM_IOCTL_MOCKGPU_POINT_ARM) {
		i = f->nr_arms++ % ARRAY_SIZE(f->arms);
		undo_arm(f, i);
		f->arms[i] = ((const struct drm_mockgpu_point_arm *)arg)->id;
		f->arm_fds[i] = fd;
	} else if (request == DRM_IOCTL_MOCKGPU_LOG_OPEN) {
		i = f->nr_logs++ % ARRAY_SIZE(f->logs);
		undo_log(f, i);
		f->logs[i] = ((const struct drm_mockgpu_log_open *)arg)->fd;
		fcntl(f->logs[i], F_SETFL, O_NONBLOCK);
	}
}

/*
 * Whether a call may make something that has to be given back.  Then it is made so that it can
 * tell what, whatever its number was to be.
 */
static unsigned long makes_something(unsigned long request)
{
	if (_IOC_TYPE(request) != DRM_IOCTL_BASE)
		return 0;
	if (_IOC_NR(request) == _IOC_NR(DRM_IOCTL_MOCKGPU_POINT_ARM))
		return DRM_IOCTL_MOCKGPU_POINT_ARM;
	if (_IOC_NR(request) == _IOC_NR(DRM_IOCTL_MOCKGPU_LOG_OPEN))
		return DRM_IOCTL_MOCKGPU_LOG_OPEN;
	return 0;
}

int fuzz_run(struct fuzz *f, int fd, const struct fuzz_call *call)
{
	unsigned long makes = makes_something(call->request);
	unsigned long request = makes ? makes : call->request;
	struct drm_mockgpu_event event;
	void *arg = f->arg;
	int ret;

	if (makes)
		memcpy(arg, call->arg, sizeof(call->arg));
	else
		arg = place_of_arg(f, call);
	make_commands(f);
	ret = ioctl(fd, request, arg) ? errno : 0;
	if (!ret && (makes || arg == f->arg + FUZZ_ARG - call->size))
		note_result(f, fd, request, arg);
	/* Arms do not stay for long, and logs are read now and then. */
	if (!fuzz_below(f, 8))
		undo_arm(f, (unsigned int)fuzz_below(f, ARRAY_SIZE(f->arms)));
	if (f->logs[0] > 0 && !fuzz_below(f, 16))
		(void)!read(f->logs[0], &event, fuzz_below(f, 2 * sizeof(event)));
	return ret;
}

void fuzz_end(struct fuzz *f)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(f->arms); i++)
		undo_arm(f, i);
	for (unsigned int i = 0; i < ARRAY_SIZE(f->logs); i++)
		undo_log(f, i);
}
