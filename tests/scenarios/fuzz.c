// SPDX-License-Identifier: MIT
/* See fuzz.h. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/ioctl.h>

#include "fuzz.h"
#include "queue.h"

/* What a field means; what follows in the table is its argument. */
enum meaning {
	ZERO,		/* reserved, or written by the call */
	EXACT,		/* nothing but the argument is right */
	UP_TO,		/* 0 to the argument */
	FLAGS,		/* of the argument's bits */
	FEW,		/* a small number, or 0 */
	ADDRESS,	/* of a page, or 0 for a point */
	LENGTH,		/* of a range */
	BUFFER,		/* memory that is written */
	BYTES,		/* of a buffer */
	WORD,		/* aligned memory that is written, or 0 */
	COMMANDS,	/* array of commands */
	QUEUE,		/* number of a queue */
	SEQNO,
	DEADLINE,
	A_FD,		/* mostly none */
	ADVICE,		/* value of an advice */
	PLACE,
	AN_ERRNO,
	A_PID,
	HOLD,		/* nanoseconds that a thread may be held */
	ARM,		/* number of an arm */
	ENTRIES,	/* of a log */
	ANYTHING,
};

struct field {
	uint16_t offset, size;
	enum meaning meaning;
	uint64_t arg;
};

#define F(type, member, ...) \
	{ offsetof(struct drm_mockgpu_##type, member), \
	  sizeof(((struct drm_mockgpu_##type *)0)->member), __VA_ARGS__ }

static const struct field query[] = {
	F(query, query, UP_TO, 3), F(query, flags, ZERO, 0), F(query, ptr, BUFFER, 0),
	F(query, size, UP_TO, 4096), F(query, pad, ZERO, 0),
};

static const struct field attach[] = {
	F(attach, flags, ZERO, 0), F(attach, pad, ZERO, 0),
};

static const struct field migrate[] = {
	F(migrate, start, ADDRESS, 0), F(migrate, len, LENGTH, 0), F(migrate, target, UP_TO, 1),
	F(migrate, flags, FLAGS, 3), F(migrate, status_ptr, WORD, 0),
};

static const struct field residency[] = {
	F(residency, start, ADDRESS, 0), F(residency, len, LENGTH, 0),
	F(residency, pages_ptr, BUFFER, 0), F(residency, flags, ZERO, 0),
	F(residency, pad, ZERO, 0),
};

static const struct field rw[] = {
	F(rw, addr, BUFFER, 0), F(rw, buf_ptr, BUFFER, 0), F(rw, len, BYTES, 0),
	F(rw, flags, FLAGS, 1), F(rw, pad, ZERO, 0),
};

static const struct field evict[] = {
	F(evict, scope, UP_TO, 1), F(evict, flags, ZERO, 0), F(evict, start, ADDRESS, 0),
	F(evict, len, LENGTH, 0),
};

static const struct field queue_fields[] = {
	F(queue, flags, ZERO, 0), F(queue, id, ZERO, 0),
};

static const struct field queue_id_fields[] = {
	F(queue, flags, ZERO, 0), F(queue, id, QUEUE, 0),
};

static const struct field submit_fields[] = {
	F(submit, queue, QUEUE, 0), F(submit, flags, ZERO, 0), F(submit, cmds_ptr, COMMANDS, 0),
	F(submit, count, FEW, 4), F(submit, cmd_size, EXACT, sizeof(struct drm_mockgpu_cmd)),
	F(submit, results, WORD, 0), F(submit, fence_addr, WORD, 0),
	F(submit, fence_value, ANYTHING, 0), F(submit, eventfd, A_FD, 0),
};

static const struct field wait_fields[] = {
	F(wait, queue, QUEUE, 0), F(wait, flags, ZERO, 0), F(wait, seqno, SEQNO, 0),
	F(wait, deadline_ns, DEADLINE, 0), F(wait, pad, ZERO, 0),
};

static const struct field advise[] = {
	F(advise, start, ADDRESS, 0), F(advise, len, LENGTH, 0), F(advise, attr, UP_TO, 7),
	F(advise, flags, FLAGS, 1), F(advise, value, ADVICE, 0),
};

static const struct field advice[] = {
	F(advice, start, ADDRESS, 0), F(advice, len, LENGTH, 0), F(advice, flags, ZERO, 0),
	F(advice, pad, ZERO, 0),
};

static const struct field prefetch[] = {
	F(prefetch, start, ADDRESS, 0), F(prefetch, len, LENGTH, 0), F(prefetch, place, PLACE, 0),
	F(prefetch, flags, FLAGS, 1), F(prefetch, fd, A_FD, 0), F(prefetch, pad, ZERO, 0),
};

static const struct field point_arm[] = {
	F(point_arm, point, UP_TO, 31), F(point_arm, action, UP_TO, 3),
	F(point_arm, flags, FLAGS, 1), F(point_arm, error, AN_ERRNO, 0),
	F(point_arm, pid, A_PID, 0), F(point_arm, chance, UP_TO, 65536),
	F(point_arm, start, ADDRESS, 0), F(point_arm, len, LENGTH, 0),
	F(point_arm, first, FEW, 3), F(point_arm, count, FEW, 2), F(point_arm, time_ns, HOLD, 0),
	F(point_arm, seed, ANYTHING, 0), F(point_arm, id, ZERO, 0),
};

static const struct field point_wait[] = {
	F(point_wait, id, ARM, 0), F(point_wait, hits, FEW, 3),
	F(point_wait, deadline_ns, DEADLINE, 0),
};

static const struct field point_release[] = {
	F(point_release, id, ARM, 0), F(point_release, flags, FLAGS, 1),
	F(point_release, pad, ZERO, 0),
};

static const struct field log_open[] = {
	F(log_open, flags, FLAGS, 3), F(log_open, entries, ENTRIES, 0),
	F(log_open, kinds, FLAGS, 0xfff),
	F(log_open, event_size, EXACT, sizeof(struct drm_mockgpu_event)), F(log_open, fd, ZERO, 0),
};

/* By number; those that take long are made less often. */
static const struct description {
	const char *name;
	unsigned long request;
	const struct field *fields;
	unsigned int nr_fields, weight;
} calls[FUZZ_CALLS] = {
#define CALL(name, fields, weight) \
	{ #name, DRM_IOCTL_MOCKGPU_##name, fields, ARRAY_SIZE(fields), weight }
	CALL(QUERY, query, 8), CALL(ATTACH, attach, 8), CALL(MIGRATE, migrate, 16),
	CALL(RESIDENCY, residency, 8), CALL(RW, rw, 16), CALL(EVICT, evict, 4),
	CALL(QUEUE_CREATE, queue_fields, 2), CALL(QUEUE_DESTROY, queue_id_fields, 1),
	CALL(SUBMIT, submit_fields, 16), CALL(WAIT, wait_fields, 8), CALL(ADVISE, advise, 8),
	CALL(ADVICE, advice, 8), CALL(PREFETCH, prefetch, 8), CALL(POINT_ARM, point_arm, 8),
	CALL(POINT_WAIT, point_wait, 4), CALL(POINT_RELEASE, point_release, 4),
	CALL(LOG_OPEN, log_open, 2),
};

const char *fuzz_name(int nr)
{
	return calls[nr].name;
}

uint64_t fuzz_random(struct fuzz *f)
{
	uint64_t z = (f->random += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

uint64_t fuzz_below(struct fuzz *f, uint64_t n)
{
	return fuzz_random(f) % n;
}

static bool one_in(struct fuzz *f, unsigned int n)
{
	return !fuzz_below(f, n);
}

static const uint64_t edges[] = {
	0, 1, 2, 7, 8, 9, 255, 256, 257, 4095, 4096, 4097, 65535, 65536, 65537, 1 << 20, 1 << 30,
	0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x7ffffffff000, 0x7fffffffffff,
	0x800000000000, 0x800000001000, 1UL << 56, 1UL << 62, 0x7fffffffffffffff, 1UL << 63,
	0xffff800000000000, 0xffff888000000000, 0xffffc90000000000, 0xffffffff81000000,
	0xffffffffff600000, 0xfffffffffffff000, 0xfffffffffffffff8, 0xffffffffffffffff,
};

uint64_t fuzz_edge(struct fuzz *f)
{
	return edges[fuzz_below(f, ARRAY_SIZE(edges))];
}

/* A page of the arena: mostly of its first ones, so that calls meet. */
static uint64_t a_page(struct fuzz *f)
{
	size_t n = one_in(f, 4) ? f->arena.pages : f->arena.pages / 16;

	return addr_of(AT(f->arena.p, fuzz_below(f, n)));
}

/* Some place in the arena. */
uint64_t fuzz_place(struct fuzz *f)
{
	return a_page(f) + fuzz_below(f, PAGE);
}

static uint64_t a_length(struct fuzz *f)
{
	switch (fuzz_below(f, 32)) {
	case 0:
		return f->arena.pages * PAGE;
	case 1:
		return HUGE;
	default:
		return (1 + fuzz_below(f, 16)) * PAGE;
	}
}

static uint64_t now_plus(uint64_t ns)
{
	return now_ns() + ns;
}

/* A value as the call wants it. */
static uint64_t right_value(struct fuzz *f, const struct field *field)
{
	switch (field->meaning) {
	case ZERO:
		return 0;
	case EXACT:
		return field->arg;
	case UP_TO:
		return fuzz_below(f, field->arg + 1);
	case FLAGS:
		return one_in(f, 2) ? 0 : fuzz_random(f) & field->arg;
	case FEW:
		return 1 + fuzz_below(f, field->arg);
	case ADDRESS:
		return a_page(f);
	case LENGTH:
		return a_length(f);
	case BUFFER:
		return fuzz_place(f);
	case BYTES:
		return one_in(f, 8) ? a_length(f) : fuzz_below(f, 3 * PAGE);
	case WORD:
		return one_in(f, 2) ? 0 : fuzz_place(f) & ~7UL;
	case COMMANDS:
		return addr_of(f->cmds);
	case QUEUE:
		return 1 + fuzz_below(f, one_in(f, 4) ? 16 : 2);
	case SEQNO:
		return one_in(f, 2) ? f->seqno : 1 + fuzz_below(f, 8);
	case DEADLINE:
		return one_in(f, 2) ? 0 : now_plus(fuzz_below(f, 2000000));
	case A_FD:
		return one_in(f, 4) ? (uint64_t)f->fds[fuzz_below(f, FUZZ_FDS)] : (uint64_t)-1;
	case ADVICE:
		return one_in(f, 4) ? MOCKGPU_PLACE_DEVICE(fuzz_below(f, 2)) : fuzz_below(f, 3);
	case PLACE:
		return one_in(f, 2) ? fuzz_below(f, 2) : MOCKGPU_PLACE_DEVICE(fuzz_below(f, 2));
	case AN_ERRNO:
		return one_in(f, 4) ? (uint64_t)-(int64_t)(1 + fuzz_below(f, 133)) : 0;
	case A_PID:
		return one_in(f, 2) ? (uint64_t)f->pid : 0;
	case HOLD:
		return 1 + fuzz_below(f, 300000);
	case ARM:
		return f->arms[fuzz_below(f, ARRAY_SIZE(f->arms))];
	case ENTRIES:
		return one_in(f, 64) ? 0 : 1UL << fuzz_below(f, 10);
	default:
		return fuzz_random(f);
	}
}

/* A value that the call may well not want, and that is harmless if it takes it. */
static uint64_t wrong_value(struct fuzz *f, const struct field *field)
{
	switch (field->meaning) {
	case UP_TO:
	case EXACT:
		return one_in(f, 2) ? field->arg + fuzz_below(f, 3) - 1 : fuzz_edge(f);
	case ADDRESS:
	case LENGTH:
	case BYTES:
		/* Not whole pages, or beyond where it ends. */
		return one_in(f, 2) ? right_value(f, field) + fuzz_below(f, 16) - 8 : fuzz_edge(f);
	case BUFFER:
	case WORD:
		/* Up to the arena's last bytes, and beyond. */
		if (one_in(f, 2))
			return addr_of(AT(f->arena.p, f->arena.pages)) - fuzz_below(f, 64);
		return fuzz_edge(f);
	case COMMANDS:
		return one_in(f, 2) ? fuzz_place(f) : fuzz_edge(f);
	case HOLD:
		/* Nobody is held for long: no time, or more than there may be. */
		return one_in(f, 2) ? 0 : 60 * NS_PER_S + 1 + fuzz_random(f) % NS_PER_S;
	case ENTRIES:
		return one_in(f, 16) ? MOCKGPU_LOG_ENTRIES_MAX : 3 + 2 * fuzz_below(f, 1 << 20);
	case A_FD:
		return one_in(f, 2) ? (uint64_t)-100 : fuzz_edge(f);
	default:
		return one_in(f, 4) ? fuzz_random(f) : fuzz_edge(f);
	}
}

static void put(struct fuzz_call *call, const struct field *field, uint64_t value)
{
	/* Little-endian, as every machine that this runs on. */
	memcpy(call->arg + field->offset, &value, field->size);
}

static void spoil(struct fuzz *f, struct fuzz_call *call, unsigned int fields)
{
	const struct description *d = &calls[call->nr];

	while (fields--) {
		const struct field *field = &d->fields[fuzz_below(f, d->nr_fields)];

		put(call, field, wrong_value(f, field));
	}
}

/* An arm that there is, where there is one, by the file that knows it. */
static void aim_at_arm(struct fuzz *f, struct fuzz_call *call, uint64_t *id)
{
	unsigned int first = (unsigned int)fuzz_below(f, ARRAY_SIZE(f->arms));

	for (unsigned int n = 0; n < ARRAY_SIZE(f->arms); n++) {
		unsigned int i = (first + n) % ARRAY_SIZE(f->arms);

		if (!f->arms[i])
			continue;
		*id = f->arms[i];
		call->fd = f->arm_fds[i];
		return;
	}
}

/* To a device's VRAM: by a file of that device, or by one of the other and with one of it. */
static void aim_at_place(struct fuzz *f, struct fuzz_call *call,
			 struct drm_mockgpu_prefetch *pre)
{
	unsigned int by = (unsigned int)fuzz_below(f, 2);
	unsigned int to = pre->place - MOCKGPU_PLACE_DEVICE(0);

	pre->fd = -1;
	if (to > 1)
		return;
	call->fd = f->fds[by];
	if (by != to)
		pre->fd = f->fds[to];
}

/* What goes together only in some ways: mostly one of those. */
static void mend(struct fuzz *f, struct fuzz_call *call)
{
	struct drm_mockgpu_point_release *release = (void *)call->arg;
	struct drm_mockgpu_point_wait *wait = (void *)call->arg;
	struct drm_mockgpu_point_arm *arm = (void *)call->arg;
	struct drm_mockgpu_log_open *log = (void *)call->arg;
	struct drm_mockgpu_prefetch *pre = (void *)call->arg;
	struct drm_mockgpu_submit *sub = (void *)call->arg;
	struct drm_mockgpu_evict *ev = (void *)call->arg;
	struct drm_mockgpu_advise *adv = (void *)call->arg;

	switch (_IOC_NR(calls[call->nr].request) - DRM_COMMAND_BASE) {
	case DRM_MOCKGPU_EVICT:
		/* All of it goes rarely: that takes long. */
		if (ev->scope && one_in(f, 8))
			ev->start = ev->len = 0;
		else
			ev->scope = 0;
		break;
	case DRM_MOCKGPU_SUBMIT:
		if (!sub->fence_addr)
			sub->fence_value = 0;
		break;
	case DRM_MOCKGPU_ADVISE:
		if (adv->flags)
			adv->attr = adv->value = 0;
		break;
	case DRM_MOCKGPU_PREFETCH:
		aim_at_place(f, call, pre);
		break;
	case DRM_MOCKGPU_POINT_ARM:
		arm->point = (uint32_t)fuzz_below(f, 27);
		if (arm->action != MOCKGPU_POINT_WAIT && arm->action != MOCKGPU_POINT_DELAY)
			arm->time_ns = 0;
		if (arm->action != MOCKGPU_POINT_FAIL)
			arm->error = 0;
		if (one_in(f, 2))
			arm->start = arm->len = 0;
		if (!arm->chance)
			arm->seed = 0;
		break;
	case DRM_MOCKGPU_POINT_WAIT:
		aim_at_arm(f, call, (uint64_t *)&wait->id);
		break;
	case DRM_MOCKGPU_POINT_RELEASE:
		aim_at_arm(f, call, (uint64_t *)&release->id);
		break;
	case DRM_MOCKGPU_LOG_OPEN:
		if (log->flags == (MOCKGPU_LOG_ALL | MOCKGPU_LOG_DESCENDANTS))
			log->flags = 0;
		break;
	}
}

/* Another size or direction in the call's number than it has. */
static void misnumber(struct fuzz *f, struct fuzz_call *call)
{
	unsigned int dir = _IOC_DIR(call->request);

	if (one_in(f, 4))
		dir = (unsigned int)fuzz_below(f, 4);
	call->size = one_in(f, 2) ? fuzz_below(f, sizeof(call->arg)) :
		     one_in(f, 8) ? fuzz_below(f, FUZZ_ARG) : call->size + fuzz_below(f, 17) - 8;
	call->size %= FUZZ_ARG;
	call->request = _IOC(dir, one_in(f, 64) ? fuzz_below(f, 256) : _IOC_TYPE(call->request),
			     _IOC_NR(call->request), call->size);
}

/* One of DRM's own, or none: words that may be numbers, addresses of the arena, or files. */
static void make_other(struct fuzz *f, struct fuzz_call *call)
{
	static const unsigned long known[] = {
		DRM_IOCTL_VERSION, DRM_IOCTL_GET_UNIQUE, DRM_IOCTL_GET_CAP,
		DRM_IOCTL_SET_CLIENT_CAP, DRM_IOCTL_GEM_CLOSE, DRM_IOCTL_GEM_FLINK,
		DRM_IOCTL_GEM_OPEN, DRM_IOCTL_PRIME_HANDLE_TO_FD, DRM_IOCTL_PRIME_FD_TO_HANDLE,
		DRM_IOCTL_SYNCOBJ_CREATE, DRM_IOCTL_SYNCOBJ_DESTROY,
		DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE,
		DRM_IOCTL_SYNCOBJ_WAIT, DRM_IOCTL_SYNCOBJ_RESET, DRM_IOCTL_SYNCOBJ_SIGNAL,
		DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, DRM_IOCTL_SYNCOBJ_QUERY, DRM_IOCTL_GET_MAGIC,
		DRM_IOCTL_AUTH_MAGIC, DRM_IOCTL_SET_MASTER, DRM_IOCTL_DROP_MASTER,
	};
	unsigned int dir = (unsigned int)fuzz_below(f, 4);

	call->nr = -1;
	call->request = known[fuzz_below(f, ARRAY_SIZE(known))];
	if (one_in(f, 4))
		call->request = _IOC(dir, 'd', fuzz_below(f, 256), fuzz_below(f, 256));
	call->size = _IOC_SIZE(call->request);
	memset(call->arg, 0, sizeof(call->arg));
	for (size_t i = 0; i < call->size; i += 8) {
		uint64_t word = one_in(f, 3) ? fuzz_place(f) : one_in(f, 2) ? fuzz_edge(f) :
				one_in(f, 2) ? (uint64_t)f->fds[fuzz_below(f, FUZZ_FDS)] :
				fuzz_below(f, 64);

		memcpy(call->arg + i, &word, 8);
	}
}

void fuzz_make(struct fuzz *f, struct fuzz_call *call)
{
	unsigned int sum = 0, nr = 0;
	const struct description *d;
	uint64_t at;

	call->fd = -1;
	if (one_in(f, 16)) {
		make_other(f, call);
		return;
	}
	for (unsigned int i = 0; i < FUZZ_CALLS; i++)
		sum += calls[i].weight;
	for (at = fuzz_below(f, sum); at >= calls[nr].weight; nr++)
		at -= calls[nr].weight;
	d = &calls[nr];
	call->nr = (int)nr;
	call->request = d->request;
	call->size = _IOC_SIZE(d->request);
	memset(call->arg, 0, sizeof(call->arg));
	for (unsigned int i = 0; i < d->nr_fields; i++)
		put(call, &d->fields[i], right_value(f, &d->fields[i]));
	if (!one_in(f, 8))
		mend(f, call);
	if (one_in(f, 2))
		spoil(f, call, 1 + (unsigned int)fuzz_below(f, 2));
	if (one_in(f, 16))
		misnumber(f, call);
}

void fuzz_change(struct fuzz *f, struct fuzz_call *call)
{
	const struct field *field;

	if (call->nr < 0) {
		make_other(f, call);
		return;
	}
	field = &calls[call->nr].fields[fuzz_below(f, calls[call->nr].nr_fields)];
	if (one_in(f, 2))
		put(call, field, right_value(f, field));
	else
		spoil(f, call, 1);
	if (one_in(f, 16))
		misnumber(f, call);
}
