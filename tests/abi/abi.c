// SPDX-License-Identifier: MIT
/*
 * Every call as a program makes it whose words have 32 or 64 bits, compiled for each: what comes of
 * it is written down, and has to be the same.
 *
 * It stands on nothing, as what compiles for 64 bits has mostly no library for 32: its system calls
 * are its own, and it divides nothing of 64 bits.  All its memory is below 4 GiB, at the same place.
 *
 * usage: abi32 NODE
 */
#include <asm/unistd.h>
#include <stddef.h>
#include <drm/mockgpu_drm.h>

#define PAGE	4096UL
#define N	8
#define AREA	0x40000000UL	/* pages that migrate */
#define ROOM	0x50000000UL	/* answers, and what the device writes */
#define HIGH	0x123400000000ULL	/* nothing is there, for either */

typedef unsigned long word;

#ifdef __x86_64__
#define SYS_MMAP __NR_mmap
static long call(word nr, word a, word b, word c)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "0"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
}

__asm__(".globl _start\n_start:\n"
	"xorl %ebp, %ebp\nmovq %rsp, %rdi\nandq $-16, %rsp\ncall begin\n");

static word map(word addr, word len)
{
	register long flags __asm__("r10") = 0x100022;	/* private, anonymous, here or not at all */
	register long fd __asm__("r8") = -1;
	register long offset __asm__("r9") = 0;
	long ret;

	__asm__ volatile("syscall" : "=a"(ret)
			 : "0"(__NR_mmap), "D"(addr), "S"(len), "d"(3), "r"(flags), "r"(fd),
			   "r"(offset) : "rcx", "r11", "memory");
	return (word)ret;
}
#else
static long call(word nr, word a, word b, word c)
{
	long ret;

	__asm__ volatile("int $0x80" : "=a"(ret) : "0"(nr), "b"(a), "c"(b), "d"(c) : "memory");
	return ret;
}

__asm__(".globl _start\n_start:\n"
	"xorl %ebp, %ebp\nmovl %esp, %eax\nandl $-16, %esp\nsubl $12, %esp\npushl %eax\n"
	"call begin\n");

static word map(word addr, word len)
{
	/* The old call: one argument, which has them all. */
	word args[6] = { addr, len, 3, 0x100022, (word)-1, 0 };

	return (word)call(__NR_mmap, (word)args, 0, 0);
}
#endif

/* The compiler calls these by itself. */
void *memset(void *to, int c, size_t n);
void *memcpy(void *to, const void *from, size_t n);

void *memset(void *to, int c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((volatile char *)to)[i] = (char)c;
	return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((volatile char *)to)[i] = ((const char *)from)[i];
	return to;
}

static char line[128];
static unsigned int used;

static void put(const char *text)
{
	for (; *text && used < sizeof(line) - 1; text++)
		line[used++] = *text;
}

static void put_number(__u64 value)
{
	char digits[17];
	unsigned int n = sizeof(digits) - 1;

	digits[n] = 0;
	do {
		digits[--n] = "0123456789abcdef"[value & 15];
		value >>= 4;
	} while (value);
	put(" ");
	put(digits + n);
}

static void end_line(void)
{
	line[used++] = '\n';
	call(__NR_write, 1, (word)line, used);
	used = 0;
}

static void tell(const char *what, __u64 value)
{
	put(what);
	put_number(value);
	end_line();
}

/* A sum of bytes, for what is long; not zero for zeroes. */
static void tell_sum(const char *what, const void *p, size_t n)
{
	__u32 sum = 1;

	for (size_t i = 0; i < n; i++)
		sum = sum * 31 + ((const unsigned char *)p)[i];
	tell(what, sum);
}

static int fd;

/* Makes a call and tells its errno; its results are told by the caller. */
static long make(const char *what, unsigned int request, void *arg)
{
	long ret = call(__NR_ioctl, (word)fd, request, (word)arg);

	tell(what, (__u64)(ret < 0 ? -ret : 0));
	return ret;
}

#define MAKE(name, arg) make(#name, DRM_IOCTL_MOCKGPU_##name, arg)

static void fill(void)
{
	for (__u32 i = 0; i < N * PAGE / 8; i++)
		((__u64 *)AREA)[i] = 0x0102030405060708ULL + i;
}

static void sizes(void)
{
#define SIZE(type) tell("size of " #type, sizeof(struct drm_mockgpu_##type))
	SIZE(query);
	SIZE(device_info);
	SIZE(counters);
	SIZE(attach);
	SIZE(migrate);
	SIZE(residency);
	SIZE(rw);
	SIZE(evict);
	SIZE(queue);
	SIZE(cmd);
	SIZE(result);
	SIZE(submit);
	SIZE(wait);
	SIZE(advise);
	SIZE(advice);
	SIZE(prefetch);
	SIZE(point_info);
	SIZE(point_arm);
	SIZE(point_wait);
	SIZE(point_release);
	SIZE(event);
	SIZE(log_open);
}

/* DRM's own, which have pointers and sizes of the program's. */
static void generic(void)
{
	struct drm_get_cap cap = { .capability = DRM_CAP_TIMESTAMP_MONOTONIC };
	struct drm_version version = { 0 };
	char name[16] = { 0 };

	version.name = name;
	version.name_len = sizeof(name);
	make("VERSION", DRM_IOCTL_VERSION, &version);
	tell("major", (__u64)version.version_major);
	tell("minor", (__u64)version.version_minor);
	tell("length of name", version.name_len);
	put(name);
	end_line();
	make("GET_CAP", DRM_IOCTL_GET_CAP, &cap);
	tell("cap", cap.value);
}

static void query(void)
{
	struct drm_mockgpu_device_info *info = (void *)ROOM;
	struct drm_mockgpu_query q = { .query = MOCKGPU_QUERY_DEVICE };

	MAKE(QUERY, &q);
	tell("size", q.size);
	q.ptr = ROOM;
	MAKE(QUERY, &q);
	tell("vram", info->vram_bytes);
	tell("caps", info->caps);
	tell("type", info->vram_type);
	q.query = MOCKGPU_QUERY_POINTS;
	q.size = 4096;
	MAKE(QUERY, &q);
	tell("size", q.size);
	tell_sum("points", (void *)ROOM, 4096);
	/* What a pointer has beyond 32 bits is not lost on the way. */
	q.ptr = ROOM | 1ULL << 32;
	MAKE(QUERY, &q);
}

static void migrate_and_look(void)
{
	struct drm_mockgpu_migrate m = {
		.start = AREA, .len = N * PAGE, .target = MOCKGPU_TARGET_VRAM, .status_ptr = ROOM,
	};
	struct drm_mockgpu_residency r = { .start = AREA, .len = N * PAGE, .pages_ptr = ROOM };

	MAKE(MIGRATE, &m);
	for (unsigned int i = 0; i < MOCKGPU_PAGE_STATUS_MAX; i++)
		tell("count", m.count[i]);
	tell_sum("statuses", (void *)ROOM, N);
	MAKE(RESIDENCY, &r);
	tell("done", r.done);
	for (unsigned int i = 0; i < N; i++)
		tell("residency", ((__u32 *)ROOM)[i]);
	m.target = MOCKGPU_TARGET_SYSTEM;
	m.len = PAGE;
	m.flags = MOCKGPU_MIGRATE_ALL_OR_NOTHING;
	MAKE(MIGRATE, &m);
	tell("moved", m.count[MOCKGPU_PAGE_MOVED]);
	m.start = AREA | 1ULL << 32;
	MAKE(MIGRATE, &m);
	tell("unmapped", m.count[MOCKGPU_PAGE_UNMAPPED]);
	m.start = 1ULL << 47;
	MAKE(MIGRATE, &m);
	r.pages_ptr = ROOM | 1ULL << 32;
	MAKE(RESIDENCY, &r);
}

static void access(void)
{
	struct drm_mockgpu_rw rw = { .addr = AREA + 5, .buf_ptr = ROOM, .len = 3 * PAGE };

	MAKE(RW, &rw);
	tell("done", rw.done);
	tell("faults", rw.faults);
	tell_sum("read", (void *)ROOM, 3 * PAGE);
	rw.addr = AREA + PAGE;
	rw.flags = MOCKGPU_RW_WRITE;
	rw.len = 100;
	MAKE(RW, &rw);
	rw.addr = HIGH + 7;
	MAKE(RW, &rw);
	tell("fault at", rw.fault_addr);
	rw.addr = AREA | 1ULL << 32;
	MAKE(RW, &rw);
	tell("fault at", rw.fault_addr);
	rw.addr = AREA;
	rw.buf_ptr = ROOM | 1ULL << 32;
	MAKE(RW, &rw);
	rw.len = 1ULL << 32;
	rw.buf_ptr = ROOM;
	rw.flags = 0;
	MAKE(RW, &rw);
	tell("done", rw.done);
	tell("fault at", rw.fault_addr);
}

static void advice(void)
{
	struct drm_mockgpu_advise a = {
		.start = AREA, .len = PAGE, .attr = MOCKGPU_ADVICE_GRANULARITY, .value = 3,
	};
	struct drm_mockgpu_advice got = { .start = AREA, .len = 2 * PAGE };
	struct drm_mockgpu_prefetch p = {
		.start = AREA, .len = N * PAGE, .place = MOCKGPU_PLACE_DEVICE(0), .fd = -1,
	};

	MAKE(ADVISE, &a);
	a.value = 3 | 1ULL << 32;
	MAKE(ADVISE, &a);
	/* Far beyond a program of 32 bits, and as good as any address. */
	a.start = HIGH;
	a.value = 2;
	MAKE(ADVISE, &a);
	MAKE(ADVICE, &got);
	tell("mixed", got.mixed);
	tell("value", got.value[MOCKGPU_ADVICE_GRANULARITY]);
	got.start = HIGH;
	MAKE(ADVICE, &got);
	tell("mixed", got.mixed);
	tell("value", got.value[MOCKGPU_ADVICE_GRANULARITY]);
	MAKE(PREFETCH, &p);
	tell("done", p.done);
	tell("moved", p.moved);
	tell("stayed", p.stayed);
	tell("mapped", p.mapped);
	p.start = HIGH;
	MAKE(PREFETCH, &p);
	tell("done", p.done);
}

static void queues(void)
{
	struct drm_mockgpu_cmd cmds[3] = {
		{ .op = MOCKGPU_CMD_LOAD, .addr = AREA, .size = 8 },
		{ .op = MOCKGPU_CMD_CHECKSUM, .addr = AREA + 1, .len = PAGE },
		{ .op = MOCKGPU_CMD_STORE, .addr = HIGH, .size = 4, .value = 1 },
	};
	struct drm_mockgpu_submit s = {
		.cmds_ptr = (word)cmds, .count = 3, .cmd_size = sizeof(cmds[0]), .results = ROOM,
		.fence_addr = ROOM + PAGE, .fence_value = 0x1122334455667788ULL, .eventfd = -1,
	};
	struct drm_mockgpu_wait w = { .seqno = 1, .deadline_ns = ~0ULL };
	struct drm_mockgpu_queue q = { 0 };

	MAKE(QUEUE_CREATE, &q);
	tell("queue", q.id);
	s.queue = q.id;
	w.queue = q.id;
	MAKE(SUBMIT, &s);
	tell("seqno", s.seqno);
	MAKE(WAIT, &w);
	tell("error", (__u32)-w.error);
	tell("fence", *(__u64 *)(ROOM + PAGE));
	for (unsigned int i = 0; i < 3; i++) {
		const struct drm_mockgpu_result *r = (struct drm_mockgpu_result *)ROOM + i;

		tell("value", r->value);
		tell("done", r->done);
		tell("fault at", r->fault_addr);
		tell("access", r->access);
		tell("error", (__u32)-r->error);
	}
	cmds[2].op = 99;
	MAKE(SUBMIT, &s);
	tell("failed", s.failed);
	/* Where nothing is, of which a call that saw 32 bits would not know. */
	s.cmds_ptr = (__u32)s.cmds_ptr | 1ULL << 32;
	MAKE(SUBMIT, &s);
	w.seqno = 1ULL << 32 | 1;
	MAKE(WAIT, &w);
	MAKE(QUEUE_DESTROY, &q);
	MAKE(QUEUE_DESTROY, &q);
}

static void points(void)
{
	struct drm_mockgpu_point_arm a = {
		.point = 1, .action = MOCKGPU_POINT_WAIT, .pid = 1, .start = HIGH, .len = PAGE,
		.first = 1ULL << 32, .time_ns = 5000000000ULL,
	};
	struct drm_mockgpu_point_wait w = { .hits = 7 };
	struct drm_mockgpu_point_release r = { 0 };

	MAKE(POINT_ARM, &a);
	tell("has a number", a.id != 0);
	w.id = a.id;
	MAKE(POINT_WAIT, &w);
	tell("hits", w.hits);
	tell("acted", w.acted);
	tell("held", w.held);
	w.id |= 1ULL << 32;
	MAKE(POINT_WAIT, &w);
	r.id = a.id;
	MAKE(POINT_RELEASE, &r);
	MAKE(POINT_RELEASE, &r);
	a.id = 0;
	a.time_ns = 1ULL << 40;
	MAKE(POINT_ARM, &a);
}

static void log_of_events(void)
{
	struct drm_mockgpu_log_open l = {
		.entries = 16, .kinds = 1ULL << MOCKGPU_EVENT_EVICT,
		.event_size = sizeof(struct drm_mockgpu_event),
	};
	struct drm_mockgpu_evict e = { .start = AREA, .len = N * PAGE };
	struct drm_mockgpu_event event;

	MAKE(LOG_OPEN, &l);
	tell("has a file", l.fd > 2);
	MAKE(EVICT, &e);
	tell("evicted", e.evicted);
	tell("busy", e.busy);
	memset(&event, 0, sizeof(event));
	tell("read", (__u64)call(__NR_read, (word)l.fd, (word)&event, sizeof(event)));
	tell("seqno", event.seqno);
	tell("kind", event.kind);
	tell("cause", event.cause);
	tell("is mine", event.pid == call(__NR_getpid, 0, 0, 0));
	e = (struct drm_mockgpu_evict){ .scope = MOCKGPU_EVICT_ALL };
	MAKE(EVICT, &e);
	tell("evicted", e.evicted);
	e.start = HIGH;
	MAKE(EVICT, &e);
}

void begin(word *stack);
void begin(word *stack)
{
	struct drm_mockgpu_migrate m = { .start = AREA, .len = PAGE };
	struct drm_mockgpu_attach attach = { 0 };

	fd = (int)call(__NR_open, stack[2], 2, 0);
	if (stack[0] != 2 || fd < 0 || map(AREA, N * PAGE) != AREA ||
	    map(ROOM, N * PAGE) != ROOM)
		call(__NR_exit_group, 2, 0, 0);
	sizes();
	generic();
	MAKE(MIGRATE, &m);	/* nothing is attached */
	MAKE(ATTACH, &attach);
	MAKE(ATTACH, &attach);
	query();
	fill();
	migrate_and_look();
	access();
	advice();
	queues();
	points();
	log_of_events();
	tell_sum("contents", (void *)AREA, N * PAGE);
	make("no call", DRM_IOWR(DRM_COMMAND_END - 1, struct drm_mockgpu_migrate), &m);
	tell("end", 0);
	call(__NR_exit_group, 0, 0, 0);
}
