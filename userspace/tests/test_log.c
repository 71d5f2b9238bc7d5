// SPDX-License-Identifier: MIT
/* What the functions of the event log ask of the driver, how they wait, and their words. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fake_drm.h"
#include "mockgpu.h"
#include "tap.h"

#define MS 1000000LL

static const struct fake_node nodes[] = { { "renderD128", "mockgpu", 0, 0 } };

/* What the driver answers, and what it was asked. */
static struct {
	int ret, fd;
	struct drm_mockgpu_log_open open;
} driver;

static int answer(int node, unsigned long request, void *arg)
{
	(void)node;
	if (request == DRM_IOCTL_MOCKGPU_ATTACH)
		return 0;
	if (request != DRM_IOCTL_MOCKGPU_LOG_OPEN)
		return -ENOTTY;
	memcpy(&driver.open, arg, sizeof(driver.open));
	((struct drm_mockgpu_log_open *)arg)->fd = driver.fd;
	return driver.ret;
}

/* Another reader took what poll() saw: that many times. */
static int taken;

int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	struct timespec left;

	if (taken) {
		taken--;
		return 1;
	}
	if (timeout)
		left = *timeout;	/* the system call changes it */
	return (int)syscall(SYS_ppoll, fds, n, timeout ? &left : NULL, mask, 8L);
}

/* A log that is a pipe, and where its events come from. */
static int feed;

static int open_log(struct mockgpu_device *dev)
{
	int ends[2], fd = -1;

	if (pipe2(ends, O_CLOEXEC))
		return -1;
	feed = ends[1];
	driver.ret = 0;
	driver.fd = ends[0];
	ok(!mockgpu_log_open(dev, 0, 0, 0, &fd) && fd == ends[0], "a log to read from");
	return fd;
}

static int happen(uint64_t seqno)
{
	struct drm_mockgpu_event e = { .seqno = seqno, .kind = MOCKGPU_EVENT_CPU_FAULT };

	return write(feed, &e, sizeof(e)) == sizeof(e);
}

static void test_open(struct mockgpu_device *dev)
{
	const struct drm_mockgpu_log_open want = {
		.flags = MOCKGPU_LOG_ALL, .entries = 128, .kinds = 1ULL << 63 | 6,
		.event_size = sizeof(struct drm_mockgpu_event),
	};
	int ends[2], fd = -7;

	if (!ok(!pipe2(ends, O_CLOEXEC), "a pipe"))
		return;
	driver.ret = 0;
	driver.fd = ends[0];
	ok(!mockgpu_log_open(dev, MOCKGPU_LOG_ALL, 1ULL << 63 | 6, 128, &fd) && fd == ends[0],
	   "open: the file");
	ok(!memcmp(&driver.open, &want, sizeof(want)), "open: these bytes");
	ok(fcntl(fd, F_GETFL) & O_NONBLOCK, "open: is not to block");
	close(ends[0]);
	close(ends[1]);

	fd = -7;
	ok(mockgpu_log_open(dev, 0, 0, 0, &fd) == -EBADF && fd == -7, "open: the file is none");
	driver.ret = -ENOSPC;
	ok(mockgpu_log_open(dev, 0, 0, 0, &fd) == -ENOSPC && fd == -7,
	   "open: the driver's errno, and the number untouched");
}

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 * MS + ts.tv_nsec;
}

static void test_read(struct mockgpu_device *dev)
{
	struct drm_mockgpu_event e[3];
	int fd = open_log(dev);
	int64_t start;

	start = now();
	ok(mockgpu_log_read(fd, e, 3, 0) == -ETIME && now() - start < 5000 * MS,
	   "read: 0 only looks");
	ok(mockgpu_log_read(fd, e, 3, 30 * MS) == -ETIME && now() - start >= 30 * MS,
	   "read: waits for as long as it was told");
	ok(happen(1) && happen(2) && happen(3), "three events");
	ok(mockgpu_log_read(fd, e, 2, 0) == 2 && e[0].seqno == 1 && e[1].seqno == 2,
	   "read: as many as fit");
	ok(mockgpu_log_read(fd, e, 3, -1) == 1 && e[0].seqno == 3, "read: as many as there are");
	ok(mockgpu_log_read(fd, e, 0, -1) == -EINVAL, "read: no room is no end");

	taken = 3;
	start = now();
	ok(mockgpu_log_read(fd, e, 3, 30 * MS) == -ETIME && !taken && now() - start >= 30 * MS,
	   "read: another reader was faster, the time goes on");

	happen(4);
	close(feed);
	ok(mockgpu_log_read(fd, e, 3, -1) == 1 && e[0].seqno == 4, "read: what is left");
	ok(!mockgpu_log_read(fd, e, 3, -1), "read: the end");
	close(fd);
	ok(mockgpu_log_read(fd, e, 3, -1) == -EBADF, "read: an errno");
}

static void test_wait(struct mockgpu_device *dev)
{
	struct drm_mockgpu_event e;
	int fd = open_log(dev);
	pid_t child = fork();

	if (!child) {
		usleep(20000);
		_exit(!happen(5));
	}
	ok(child > 0 && mockgpu_log_read(fd, &e, 1, -1) == 1 && e.seqno == 5,
	   "wait: without end, for another process");
	waitpid(child, NULL, 0);
	close(feed);
	close(fd);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void test_signal(struct mockgpu_device *dev)
{
	const struct itimerval soon = { .it_value.tv_usec = 20000, .it_interval.tv_usec = 20000 };
	const struct itimerval never = { 0 };
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct drm_mockgpu_event e;
	int fd = open_log(dev);

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	ok(mockgpu_log_read(fd, &e, 1, -1) == -EINTR, "wait: a signal ends it");
	setitimer(ITIMER_REAL, &never, NULL);
	close(feed);
	close(fd);
}

static void test_kinds(void)
{
	unsigned int i, j;

	for (i = 0; i <= MOCKGPU_EVENT_POINT; i++) {
		const char *name = mockgpu_event_name(i);

		for (j = 0; j < i && strcmp(name, mockgpu_event_name(j));)
			j++;
		ok(j == i && strcmp(name, "unknown") && !strpbrk(name, " ,"), "kind %u: %s", i,
		   name);
	}
	ok(!strcmp(mockgpu_event_name(i), "unknown"), "no such kind");
	ok(!strcmp(mockgpu_event_name(~0U), "unknown"), "by far no such kind");
}

struct cause_case {
	unsigned int kind, first, last;
	const char *first_name, *last_name, *after;
};

static void test_causes(void)
{
	static const struct cause_case cases[] = {
		{ MOCKGPU_EVENT_GPU_FAULT, MOCKGPU_ACCESS_NONE, MOCKGPU_ACCESS_ATOMIC,
		  "none", "atomic", "unknown" },
		{ MOCKGPU_EVENT_CPU_FAULT, MOCKGPU_CPU_FAULT_MOVED, MOCKGPU_CPU_FAULT_FAILED,
		  "moved", "failed", "unknown" },
		{ MOCKGPU_EVENT_TO_VRAM, MOCKGPU_CAUSE_MIGRATE, MOCKGPU_CAUSE_CPU_FAULT,
		  "migrate", "cpu-fault", "unknown" },
		{ MOCKGPU_EVENT_TO_SYSTEM, MOCKGPU_CAUSE_MIGRATE, MOCKGPU_CAUSE_CPU_FAULT,
		  "migrate", "cpu-fault", "unknown" },
		{ MOCKGPU_EVENT_EVICT, MOCKGPU_EVICTED_CALL, MOCKGPU_EVICTED_ROOM,
		  "call", "room", "unknown" },
		{ MOCKGPU_EVENT_INVALIDATE, MOCKGPU_INVALIDATED_UNMAP,
		  MOCKGPU_INVALIDATED_EXCLUSIVE, "unmap", "exclusive", "unknown" },
		{ MOCKGPU_EVENT_COMMAND, MOCKGPU_CMD_NOP, MOCKGPU_CMD_WAIT_VALUE,
		  "nop", "wait-value", "unknown" },
		{ MOCKGPU_EVENT_LOST, 0, 7, "", "", "" },
		{ MOCKGPU_EVENT_SPLIT, 0, 7, "", "", "" },
		{ MOCKGPU_EVENT_EXCLUSIVE, 0, 7, "", "", "" },
		{ MOCKGPU_EVENT_FENCE, 0, 7, "", "", "" },
		{ MOCKGPU_EVENT_POINT, 0, 65535, "", "", "" },
		{ MOCKGPU_EVENT_POINT + 1, 0, 7, "unknown", "unknown", "unknown" },
	};
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct cause_case *c = &cases[i];

		ok(!strcmp(mockgpu_event_cause_name(c->kind, c->first), c->first_name) &&
		   !strcmp(mockgpu_event_cause_name(c->kind, c->last), c->last_name) &&
		   !strcmp(mockgpu_event_cause_name(c->kind, c->last + 1), c->after),
		   "causes of %s", mockgpu_event_name(c->kind));
		for (j = c->first; *c->after && j <= c->last; j++) {
			if (strcmp(c->first_name, "unknown") &&
			    !strcmp(mockgpu_event_cause_name(c->kind, j), "unknown"))
				ok(0, "cause %u of %s has no word", j, mockgpu_event_name(c->kind));
		}
	}
}

int main(void)
{
	struct mockgpu_device *dev;

	alarm(60);	/* who waits for ever has failed */
	fake_nodes = nodes;
	fake_nodes_len = 1;
	fake_ioctl = answer;
	if (!ok(!mockgpu_open_path(&dev, "/dev/dri/renderD128"), "a device to work with"))
		return done();
	test_open(dev);
	test_read(dev);
	test_wait(dev);
	test_signal(dev);
	test_kinds();
	test_causes();
	mockgpu_close(dev);
	return done();
}
