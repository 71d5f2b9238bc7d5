// SPDX-License-Identifier: MIT
/*
 * Who may use what: row L5.  Each call that takes an address is refused to whoever has other memory
 * than the file, however it came by it; nothing changes by that and nothing can be read.  And no
 * answer, whoever gets it, has an address of the kernel.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "events.h"
#include "module.h"
#include "process.h"
#include "queue.h"

#define N	8
#define FREE	0	/* whoever holds the file may */

/* A structure for each call that would work for the owner, and what others get. */
struct row {
	const char *name;
	unsigned long request;
	int error;
	union {
		struct drm_mockgpu_query query;
		struct drm_mockgpu_attach attach;
		struct drm_mockgpu_migrate migrate;
		struct drm_mockgpu_residency residency;
		struct drm_mockgpu_rw rw;
		struct drm_mockgpu_evict evict;
		struct drm_mockgpu_queue queue;
		struct drm_mockgpu_submit submit;
		struct drm_mockgpu_wait wait;
		struct drm_mockgpu_advise advise;
		struct drm_mockgpu_advice advice;
		struct drm_mockgpu_prefetch prefetch;
		struct drm_mockgpu_point_arm arm;
		struct drm_mockgpu_point_wait point_wait;
		struct drm_mockgpu_point_release release;
		struct drm_mockgpu_log_open log;
	} arg;
};

#define AREA(p) .start = addr_of(p), .len = N * PAGE
#define ROW(call, err, member, ...) \
	{ #call, DRM_IOCTL_MOCKGPU_##call, (err), { .member = { __VA_ARGS__ } } }

/* Calls @fd by each row.  Returns 0, or the number of the first that was not as it should be. */
static int first_wrong(int fd, void *p, char *why, size_t room)
{
	static uint64_t buffer[N * WORDS];
	static const struct drm_mockgpu_cmd cmd = { .op = MOCKGPU_CMD_NOP };
	const struct row rows[] = {
		ROW(ATTACH, EPERM, attach, .flags = 0),
		ROW(MIGRATE, EPERM, migrate, AREA(p), .target = MOCKGPU_TARGET_VRAM),
		ROW(MIGRATE, EPERM, migrate, AREA(p), .target = MOCKGPU_TARGET_SYSTEM),
		ROW(MIGRATE, EPERM, migrate, AREA(p), .target = MOCKGPU_TARGET_SYSTEM,
		    .flags = MOCKGPU_MIGRATE_ALL_OR_NOTHING),
		ROW(RESIDENCY, EPERM, residency, AREA(p), .pages_ptr = addr_of(buffer)),
		ROW(RW, EPERM, rw, .addr = addr_of(p), .len = N * PAGE,
		    .buf_ptr = addr_of(buffer)),
		ROW(RW, EPERM, rw, .addr = addr_of(p), .len = N * PAGE,
		    .buf_ptr = addr_of(buffer), .flags = MOCKGPU_RW_WRITE),
		ROW(RW, EPERM, rw, .len = 0),
		ROW(EVICT, EPERM, evict, AREA(p), .scope = MOCKGPU_EVICT_RANGE),
		ROW(QUEUE_CREATE, EPERM, queue, .flags = 0),
		ROW(SUBMIT, EPERM, submit, .queue = 1, .cmds_ptr = addr_of(&cmd), .count = 1,
		    .cmd_size = sizeof(cmd), .fence_addr = addr_of(p), .fence_value = 1,
		    .eventfd = -1),
		ROW(ADVISE, EPERM, advise, AREA(p), .attr = MOCKGPU_ADVICE_GRANULARITY,
		    .value = 9),
		ROW(ADVISE, EPERM, advise, AREA(p), .flags = MOCKGPU_ADVISE_RESET),
		ROW(ADVICE, EPERM, advice, AREA(p)),
		ROW(PREFETCH, EPERM, prefetch, AREA(p), .place = MOCKGPU_PLACE_DEVICE(0),
		    .fd = -1),
		ROW(PREFETCH, EPERM, prefetch, AREA(p), .place = MOCKGPU_PLACE_ANY, .fd = -1),
		ROW(LOG_OPEN, EPERM, log, .event_size = sizeof(struct drm_mockgpu_event)),
		/* What takes no address. */
		ROW(QUERY, FREE, query, .query = MOCKGPU_QUERY_COUNTERS),
		ROW(WAIT, FREE, wait, .queue = 1, .seqno = 1),
		ROW(QUEUE_DESTROY, ENOENT, queue, .id = 2),
		ROW(POINT_WAIT, ENOENT, point_wait, .id = ~0ULL),
		ROW(POINT_RELEASE, ENOENT, release, .id = ~0ULL),
		ROW(POINT_ARM, EINVAL, arm, .point = ~0U),
	};
	unsigned int seen = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		struct row row = rows[i];
		int got = ioctl(fd, row.request, &row.arg) ? errno : 0;

		seen |= 1U << (_IOC_NR(row.request) - DRM_COMMAND_BASE);
		if (got == row.error)
			continue;
		snprintf(why, room, "%s: expected %d, got %d", row.name, row.error, got);
		return (int)i + 1;
	}
	for (unsigned int i = 0; i < N * WORDS; i++) {
		if (!buffer[i])
			continue;
		snprintf(why, room, "the buffer was written");
		return 100;
	}
	/* A call that is new has to have its row here. */
	for (unsigned int nr = 0; nr < DRM_COMMAND_END - DRM_COMMAND_BASE; nr++) {
		char arg[256];

		memset(arg, 0xff, sizeof(arg));
		if ((nr < 32 && seen & (1U << nr)) ||
		    (ioctl(fd, DRM_IOWR(DRM_COMMAND_BASE + nr, arg), arg) && errno == EINVAL))
			continue;
		snprintf(why, room, "call %u has no row", nr);
		return 101;
	}
	return 0;
}

static void check_refused(int fd, void *p)
{
	char why[96] = "";

	if (first_wrong(fd, p, why, sizeof(why)))
		FAIL("%s", why);
}

/* Something in VRAM, and a queue, of which nobody else can have anything. */
struct owned {
	struct mockgpu_device *dev;
	void *p;
	uint16_t tag;
	struct drm_mockgpu_counters before;
};

static struct owned owned_new(void)
{
	struct owned o = { .dev = gpu_open(0), .p = map_hole(N), .tag = new_tag() };
	struct drm_mockgpu_cmd nop = { .op = MOCKGPU_CMD_NOP };
	struct queue q = queue_new(o.dev);

	CHECK_EQ(q.id, 1);
	FINISHES(q, submit(q, &nop, 1, NULL), 0);
	fill(o.p, N, o.tag, 0);
	TO_VRAM(o.dev, o.p, N);
	o.before = gpu_counters(o.dev);
	return o;
}

static void owned_unchanged(struct owned *o)
{
	CHECK_PLACE(o->dev, o->p, N, IN_VRAM);
	CHECK_COUNTED(o->dev, &o->before, .vram_used_bytes = 0);
	GPU_CHECK_FILL(o->dev, o->p, N, o->tag, 0);
	CHECK_FILL(o->p, N, o->tag, 0);
}

static void refused_by_inheritance(void *arg)
{
	struct owned *o = arg;

	check_refused(mockgpu_fd(o->dev), o->p);
}

static void refused_without_right(void *arg)
{
	CHECK_SYS(setgid(65534));
	CHECK_SYS(setuid(65534));
	refused_by_inheritance(arg);
}

/* A child has the same addresses, and a copy of what is there. */
static void L5_inherited_file(void)
{
	struct owned o = owned_new();

	join(spawn(refused_by_inheritance, &o));
	join(spawn(refused_without_right, &o));
	owned_unchanged(&o);
}

struct peer {
	int sockets[2];
	void *p;	/* where each has memory of its own */
	int go;
};

/* Memory at the addresses of the owner's, and the owner's file. */
static void refused_by_socket(void *arg)
{
	struct peer *peer = arg;
	int fd;

	fill(peer->p, N, 7, 0);
	fd = file_receive(peer->sockets[1]);
	check_refused(fd, peer->p);
	gate_open(peer->go, 1);
	/* The owner ends; whoever looks next is still not the owner. */
	(void)file_receive(peer->sockets[1]);
	check_refused(fd, peer->p);
	CHECK_FILL(peer->p, N, 7, 0);
}

static void own_and_die(void *arg)
{
	struct peer *peer = arg;
	struct owned o = { .dev = gpu_open(0), .p = peer->p, .tag = 9 };
	struct drm_mockgpu_cmd nop = { .op = MOCKGPU_CMD_NOP };
	struct queue q = queue_new(o.dev);

	FINISHES(q, submit(q, &nop, 1, NULL), 0);
	fill(o.p, N, o.tag, 0);
	TO_VRAM(o.dev, o.p, N);
	o.before = gpu_counters(o.dev);
	file_send(peer->sockets[0], mockgpu_fd(o.dev));
	gate_wait(peer->go);
	owned_unchanged(&o);
}

/* Handed over a socket; and the same when the owner has ended, whose memory is no more. */
static void L5_passed_file_and_ended_owner(void)
{
	struct peer peer = { .p = map_hole(N), .go = gate_new() };
	pid_t owner, other;

	CHECK_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, peer.sockets));
	owner = spawn(own_and_die, &peer);
	other = spawn(refused_by_socket, &peer);
	join(owner);
	file_send(peer.sockets[0], 0);
	join(other);
}

#define EXEC_FD "MOCKGPU_L5_FD"

/* The other program of what follows is this one, which then does nothing else. */
__attribute__((constructor)) static void run_after_exec(void)
{
	static char page[(N + 1) * PAGE];
	const char *fd = getenv(EXEC_FD);
	char why[96] = "";
	int wrong;

	if (!fd)
		return;
	wrong = first_wrong(atoi(fd), (void *)((uintptr_t)(page + PAGE) & ~(PAGE - 1)), why,
			    sizeof(why));
	if (wrong)
		dprintf(1, "# after exec: %s\n", why);
	/* Whether it runs as root though its parent did not. */
	_exit(wrong ? wrong : geteuid() ? 0 : 200);
}

static int run_program(const char *path, int fd, bool as_nobody)
{
	char number[16];
	int status;
	pid_t pid;

	snprintf(number, sizeof(number), "%d", fd);
	pid = (pid_t)CHECK_SYS(fork());
	if (!pid) {
		CHECK_SYS(setenv(EXEC_FD, number, 1));
		if (as_nobody) {
			CHECK_SYS(setgid(65534));
			CHECK_SYS(setuid(65534));
		}
		execl(path, path, NULL);
		_exit(201);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* What a program finds that was executed: other memory, with whatever rights it has. */
static void L5_after_exec_with_and_without_set_user_id(void)
{
	static const char copy[] = "/tmp/mockgpu-set-user-id";
	struct owned o = owned_new();
	int fd = (int)CHECK_SYS(dup(mockgpu_fd(o.dev)));	/* without close-on-exec */

	CHECK_EQ(run_program("/proc/self/exe", fd, false), 200);
	CHECK_EQ(system("cp /proc/$PPID/exe /tmp/mockgpu-set-user-id"), 0);
	CHECK_SYS(chmod(copy, 0755));
	CHECK_EQ(run_program(copy, fd, true), 0);
	CHECK_SYS(chmod(copy, 04755));
	CHECK_EQ(run_program(copy, fd, true), 200);
	CHECK_SYS(unlink(copy));
	owned_unchanged(&o);
}

/* The file that a prefetch names has to be the caller's as well. */
static void L5_prefetch_by_a_file_of_another(void)
{
	struct peer peer = { .p = map_hole(N), .go = gate_new() };
	struct drm_mockgpu_prefetch prefetch = {
		AREA(peer.p), .place = MOCKGPU_PLACE_DEVICE(1),
	};
	struct mockgpu_device *dev, *other;
	pid_t owner;

	module_reload(2, DEFAULT_VRAM_MB);
	other = gpu_open(1);
	owner = (pid_t)CHECK_SYS(fork());
	if (!owner) {
		dev = gpu_open(0);
		fill(peer.p, N, 5, 0);
		prefetch.fd = mockgpu_fd(other);
		CHECK_EQ(ioctl(mockgpu_fd(dev), DRM_IOCTL_MOCKGPU_PREFETCH, &prefetch), -1);
		CHECK_EQ(errno, EPERM);
		CHECK_EQ(prefetch.done, 0);
		CHECK_PLACE(dev, peer.p, N, IN_SYSTEM);
		_exit(0);
	}
	join(owner);
	mockgpu_close(other);
	module_reload(DEFAULT_DEVICES, DEFAULT_VRAM_MB);
}

/*
 * Sixteen hexadecimal digits that begin as every address of the kernel does, or NULL.  What stands
 * behind an @ is what somebody gave as coherent_source=, in the log where it was refused.
 */
static const char *has_address(const char *text)
{
	for (const char *p = text; *p; p++) {
		size_t n = strspn(p, "0123456789abcdefABCDEF");

		if (n == 16 && !strncasecmp(p, "ffff", 4) &&
		    !(p - text >= 3 && !strncmp(p - 3, "@0x", 3)))
			return p;
		p += n ? n - 1 : 0;
	}
	return NULL;
}

static void check_no_address(const char *where, const char *text)
{
	const char *p = has_address(text);

	if (p)
		FAIL("%s has an address of the kernel: %.80s", where,
		     p - text > 40 ? p - 40 : text);
}

static void check_file(const char *path)
{
	static char text[1 << 20];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t got, n = 0;

	if (fd < 0)
		return;
	while (n < (ssize_t)sizeof(text) - 1 &&
	       (got = read(fd, text + n, sizeof(text) - 1 - (size_t)n)) > 0)
		n += got;
	close(fd);
	for (ssize_t i = 0; i < n; i++)
		if (!text[i])
			text[i] = ' ';
	text[n] = 0;
	check_no_address(path, text);
}

/* All files of a folder, and how many there are. */
static unsigned int check_folder(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	unsigned int n = 0;
	char path[512];
	struct stat st;

	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (lstat(path, &st) || !S_ISREG(st.st_mode) || !(st.st_mode & 0444))
			continue;
		check_file(path);
		n++;
	}
	if (dir)
		closedir(dir);
	return n;
}

static void check_event(const struct drm_mockgpu_event *e)
{
	const uint64_t words[] = { e->seqno, e->time_ns, e->duration_ns, e->addr, e->len, e->pfn,
				   e->value };

	for (unsigned int i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i] >> 47)
			FAIL("event of kind %u: word %u is %llx", e->kind, i,
			     (unsigned long long)words[i]);
}

/* All that can happen to some pages. */
static void be_busy(struct mockgpu_device *dev)
{
	struct queue q = queue_new(dev);
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);

	TO_VRAM(dev, p, N);
	GPU_CHECK_FILL(dev, p, N, tag, 0);
	CHECK_FILL(p, 2, tag, 0);
	TO_SYSTEM(dev, AT(p, 2), 2);
	CHECK_EQ(mockgpu_evict(dev, AT(p, 4), PAGE, NULL), 0);
	RUN(q, cmd_load(p, 8), .value = fill_word(tag, 0, 0), .done = 8);
	RUN(q, cmd_load((void *)8, 8), .error = -EFAULT, .fault_addr = 8,
	    .access = MOCKGPU_ACCESS_READ);
	unmap(p, N);
	queue_destroy(q);
}

#define TRACING "/sys/kernel/tracing/"

static void L5_no_address_of_the_kernel_in_any_answer(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct log log = log_new(dev, MOCKGPU_LOG_ALL, 0, 4096);
	struct drm_mockgpu_event e;
	static char kernel_log[1 << 18];
	unsigned int events = 0;
	char path[64];
	int n;

	CHECK(has_address("at 0xffffffff81000000."));
	CHECK(has_address("FFFF888012345678"));
	CHECK(!has_address("0xfff 0xffffffff ffffffff8100000 7fff12345678 ffffffff810000000"));
	if (access(TRACING "events", F_OK))
		CHECK_EQ(system("mount -t tracefs none /sys/kernel/tracing"), 0);
	CHECK_EQ(write_text(TRACING "events/mockgpu/enable", "1"), 0);
	be_busy(dev);
	CHECK_EQ(write_text(TRACING "events/mockgpu/enable", "0"), 0);
	check_file(TRACING "trace");
	while (mockgpu_log_read(log.fd, &e, 1, 0) == 1) {
		check_event(&e);
		events++;
	}
	CHECK_GE(events, 10);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", mockgpu_fd(dev));
	check_file(path);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", log.fd);
	check_file(path);
	CHECK_GE(check_folder("/sys/module/mockgpu/parameters"), 4);
	CHECK_GE(check_folder("/sys/bus/platform/devices/mockgpu0"), 2);
	for (int i = 0; i < 256; i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/dri/%d", i);
		check_folder(path);
	}
	check_folder("/sys/kernel/debug/dri/mockgpu0");
	n = klogctl(3, kernel_log, sizeof(kernel_log) - 1);
	for (char *line = strtok(kernel_log, "\n"); n > 0 && line; line = strtok(NULL, "\n"))
		if (strstr(line, "mockgpu:"))
			check_no_address("the kernel's log", line);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(L5_inherited_file),
	SCENARIO(L5_passed_file_and_ended_owner),
	SCENARIO(L5_after_exec_with_and_without_set_user_id),
	{ "L5_prefetch_by_a_file_of_another", L5_prefetch_by_a_file_of_another, 120, RELOADS },
	SCENARIO(L5_no_address_of_the_kernel_in_any_answer),
	{ 0 }
};
