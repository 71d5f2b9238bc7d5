// SPDX-License-Identifier: MIT
/* See process.h. */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"

pid_t spawn(void (*fn)(void *), void *arg)
{
	pid_t pid = (pid_t)CHECK_SYS(fork());

	if (!pid) {
		fn(arg);
		_exit(0);
	}
	return pid;
}

static int wait_for(pid_t pid)
{
	int status;

	CHECK(pid > 0);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			FAIL("waitpid: %s", strerror(errno));
	return status;
}

void join(pid_t pid)
{
	int status = wait_for(pid);

	if (WIFSIGNALED(status))
		FAIL("child %d was killed by signal %d (%s)", (int)pid, WTERMSIG(status),
		     strsignal(WTERMSIG(status)));
	CHECK_EQ(WEXITSTATUS(status), 0);
}

void join_killed(pid_t pid, int signal)
{
	int status = wait_for(pid);

	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), signal);
}

int gate_new(void)
{
	return (int)CHECK_SYS(eventfd(0, EFD_SEMAPHORE));
}

void gate_open(int gate, unsigned int times)
{
	uint64_t n = times;

	CHECK_EQ(write(gate, &n, sizeof(n)), sizeof(n));
}

void gate_wait(int gate)
{
	uint64_t n;
	ssize_t got;

	do
		got = read(gate, &n, sizeof(n));
	while (got < 0 && errno == EINTR);
	CHECK_EQ(got, sizeof(n));
}

void file_send(int socket, int fd)
{
	union { struct cmsghdr header; char room[CMSG_SPACE(sizeof(int))]; } control = { 0 };
	struct iovec data = { "x", 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};

	control.header = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	CHECK_EQ(sendmsg(socket, &message, 0), 1);
}

int file_receive(int socket)
{
	union { struct cmsghdr header; char room[CMSG_SPACE(sizeof(int))]; } control = { 0 };
	char byte;
	struct iovec data = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	int fd;

	CHECK_EQ(recvmsg(socket, &message, 0), 1);
	CHECK_EQ(control.header.cmsg_type, SCM_RIGHTS);
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd;
}

void lose_capability(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	CHECK_SYS(syscall(SYS_capget, &header, data));
	data[0].effective &= ~(1U << CAP_SYS_ADMIN);
	data[0].permitted &= ~(1U << CAP_SYS_ADMIN);
	CHECK_SYS(syscall(SYS_capset, &header, data));
}

void stay_on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	CHECK_SYS(sched_setaffinity(0, sizeof(set), &set));
}

pthread_t thread_start(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, fn, arg), 0);
	return thread;
}

void thread_join(pthread_t thread)
{
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void note_file(const char *tid, const char *name)
{
	char path[320], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/%s", tid, name);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = 0;
		note("thread %s: %s", tid, line);
	}
	if (file)
		fclose(file);
}

/* Each of a folder of /proc that is asked for. */
static void note_each(const char *folder, bool (*asked)(const char *tid))
{
	DIR *tasks = opendir(folder);
	struct dirent *entry;

	while (tasks && (entry = readdir(tasks))) {
		if (!isdigit((unsigned char)entry->d_name[0]) || !asked(entry->d_name))
			continue;
		note_file(entry->d_name, "stat");
		note_file(entry->d_name, "syscall");
		note_file(entry->d_name, "stack");
	}
	if (tasks)
		closedir(tasks);
}

static bool any(const char *tid)
{
	(void)tid;
	return true;
}

static bool is_busy(const char *tid)
{
	char path[64], line[256] = "", *state;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/stat", tid);
	file = fopen(path, "re");
	if (!file)
		return false;
	state = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
	fclose(file);
	return state && strlen(state) > 2 && (strchr("RD", state[2]) || strstr(line, "(mockgpu"));
}

void note_stacks(void)
{
	note_each("/proc/self/task", any);
}

void note_busy(void)
{
	note_each("/proc", is_busy);
}

bool kernel_is_before(unsigned int version, unsigned int patchlevel)
{
	unsigned int is_version, is_patchlevel;
	struct utsname name;

	CHECK_SYS(uname(&name));
	if (sscanf(name.release, "%u.%u", &is_version, &is_patchlevel) != 2)
		FAIL("release %s", name.release);
	return is_version < version || (is_version == version && is_patchlevel < patchlevel);
}
