// SPDX-License-Identifier: MIT
/*
 * The other door, /dev/hmm_dmirrorN, where the kernel's own tests do not look: two openers
 * of one device (row U1), what a close, a release and a kill leave alone (row U2), what is
 * refused (row U3), and a device that leaves (row U4).  Where memory fails: U_memory.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "dmirror.h"
#include "gpu.h"
#include "module.h"
#include "process.h"

#define N	64
#define CANARY	0xdead

static void read_page(int fd, const void *p, uint64_t *data)
{
	CHECK_EQ(dmirror(fd, DMIRROR_READ, p, 1, data, NULL), 0);
}

/*
 * Both have the pages in their page tables; then one of them moves these, there and back.
 * What the other has read before is not what it reads then.
 */
static void U1_the_second_opener_reads_what_there_is(void)
{
	static uint64_t data[WORDS];
	uint16_t tag = new_tag(), other = new_tag();
	void *p, *from = malloc(N * PAGE);
	int one, two;

	dmirror_load();
	one = dmirror_open(0);
	two = dmirror_open(0);
	p = map_filled(N, tag);
	DMIRROR_CHECK_FILL(one, p, N, tag, 1);
	DMIRROR_CHECK_FILL(two, p, N, tag, 1);
	DMIRROR_CHECK_FILL(two, p, N, tag, 0);

	DMIRROR_TO(one, p, N, tag);
	fill(from, N, other, 0);
	CHECK_EQ(dmirror(one, DMIRROR_WRITE, p, N, from, NULL), 0);
	DMIRROR_CHECK_FILL(two, p, N, other, 1);

	/* Both have them in VRAM now, which one of them leaves. */
	CHECK_EQ(dmirror(one, DMIRROR_TO_SYSTEM, p, N, NULL, NULL), 0);
	fill(p, N, tag, 0);
	DMIRROR_CHECK_FILL(two, p, N, tag, 1);
	DMIRROR_TO(two, p, N, tag);
	DMIRROR_CHECK_FILL(one, p, N, tag, 1);
	CHECK_SYS(madvise(p, PAGE, MADV_DONTNEED));
	read_page(one, p, data);
	CHECK_ZERO(data, 1);
	CHECK_EQ(dmirror(two, DMIRROR_TO_SYSTEM, p, N, NULL, NULL), 0);
}

static void put_canaries(void *arg)
{
	size_t pages = (DMIRROR_VRAM_MB << 20) / PAGE - N;
	int fd = dmirror_open(0);
	void *p = map_filled(pages, CANARY);

	DMIRROR_TO(fd, p, pages, CANARY);
	DMIRROR_CHECK_IS(fd, p, pages, DMIRROR_IN_VRAM);
}

/* Pages that two openers had in VRAM are somebody else's now: neither sees what is in them. */
static void U1_neither_reads_a_page_that_was_freed(void)
{
	static uint64_t data[WORDS];
	uint16_t tag = new_tag();
	int one, two;
	void *p;

	dmirror_load();
	one = dmirror_open(0);
	two = dmirror_open(0);
	p = map_filled(2 * N, tag);
	DMIRROR_TO(one, p, 2 * N, tag);
	DMIRROR_CHECK_FILL(one, p, 2 * N, tag, 0);
	DMIRROR_CHECK_FILL(two, p, 2 * N, tag, 1);
	/* By the notice that the memory has gone, and by that of a migration. */
	CHECK_SYS(madvise(p, N * PAGE, MADV_DONTNEED));
	CHECK_EQ(dmirror(one, DMIRROR_TO_SYSTEM, AT(p, N), N, NULL, NULL), 0);
	join(spawn(put_canaries, NULL));
	for (unsigned int i = 0; i < N; i++) {
		read_page(i % 2 ? one : two, AT(p, i), data);
		CHECK_ZERO(data, 1);
		read_page(i % 2 ? two : one, AT(p, N + i), data);
		check_fill(__FILE__, __LINE__, data, 1, tag, N + i);
	}
}

/* What one has for itself the other cannot have as well, nor a CPU. */
static void U1_exclusive_for_one(void)
{
	uint16_t tag = new_tag();
	void *p, *data = malloc(N * PAGE);
	struct dmirror_args args;
	int one, two;

	dmirror_load();
	mockgpu_close(gpu_open_exclusive());
	one = dmirror_open(0);
	two = dmirror_open(0);
	p = map_filled(N, tag);
	CHECK_EQ(dmirror(one, DMIRROR_EXCLUSIVE, p, N, data, &args), 0);
	CHECK_EQ(args.cpages, N);
	CHECK_FILL(data, N, tag, 0);
	CHECK_EQ(dmirror(one, DMIRROR_CHECK_EXCLUSIVE, p, N, NULL, NULL), -EPERM);
	CHECK_EQ(dmirror(two, DMIRROR_CHECK_EXCLUSIVE, p, N, NULL, NULL), 0);
	DMIRROR_CHECK_FILL(two, p, N / 2, tag, 1);
	CHECK_EQ(dmirror(one, DMIRROR_CHECK_EXCLUSIVE, p, N / 2, NULL, NULL), 0);
	CHECK_EQ(dmirror(one, DMIRROR_CHECK_EXCLUSIVE, p, N / 2 + 1, NULL, NULL), -EPERM);
	CHECK_FILL(AT(p, N / 2), N / 2, tag, N / 2);
	CHECK_EQ(dmirror(one, DMIRROR_CHECK_EXCLUSIVE, p, N, NULL, NULL), 0);
	CHECK_FILL(p, N, tag, 0);
}

/* Also of what is in VRAM, where the device could do without. */
static void U1_exclusive_what_was_in_vram(void)
{
	uint16_t tag = new_tag();
	void *p, *data = malloc(N * PAGE);
	int fd;

	dmirror_load();
	mockgpu_close(gpu_open_exclusive());
	fd = dmirror_open(0);
	p = map_filled(N, tag);
	DMIRROR_TO(fd, p, N, tag);
	CHECK_EQ(dmirror(fd, DMIRROR_CHECK_EXCLUSIVE, p, N, NULL, NULL), 0);
	CHECK_EQ(dmirror(fd, DMIRROR_EXCLUSIVE, p, N, data, NULL), 0);
	CHECK_FILL(data, N, tag, 0);
	for (unsigned int i = 0; i < N; i++)
		CHECK_EQ(dmirror(fd, DMIRROR_CHECK_EXCLUSIVE, AT(p, i), 1, NULL, NULL), -EPERM);
	CHECK_FILL(p, N, tag, 0);
	CHECK_EQ(dmirror(fd, DMIRROR_CHECK_EXCLUSIVE, p, N, NULL, NULL), 0);
}

struct guest {
	int there, go;
	bool release, dies;
};

/* Has pages in the device, and goes, or gives all that it has there up. */
static void come_and_go(void *arg)
{
	struct guest *guest = arg;
	uint16_t tag = new_tag();
	int fd = dmirror_open(0);
	void *p = map_filled(N, tag);

	DMIRROR_TO(fd, p, N, tag);
	DMIRROR_CHECK_IS(fd, p, N, DMIRROR_IN_VRAM);
	gate_open(guest->there, 1);
	gate_wait(guest->go);
	if (guest->release) {
		CHECK_EQ(dmirror(fd, DMIRROR_RELEASE, p, 1, NULL, NULL), 0);
		DMIRROR_CHECK_IS(fd, p, N, DMIRROR_IS_WRITE);
		CHECK_FILL(p, N, tag, 0);
	}
	if (guest->dies)
		raise(SIGKILL);
	CHECK_SYS(close(fd));
}

/* Somebody else's pages stay in the device, with what is in them. */
static void leave_alone(bool release, bool dies)
{
	struct guest guest = { gate_new(), gate_new(), release, dies };
	uint16_t tag = new_tag();
	pid_t pid;
	int fd, second;
	void *p;

	dmirror_load();
	fd = dmirror_open(0);
	pid = spawn(come_and_go, &guest);
	gate_wait(guest.there);
	p = map_filled(N, tag);
	DMIRROR_TO(fd, p, N, tag);
	gate_open(guest.go, 1);
	if (dies)
		join_killed(pid, SIGKILL);
	else
		join(pid);
	DMIRROR_CHECK_IS(fd, p, N, DMIRROR_IN_VRAM);
	DMIRROR_CHECK_FILL(fd, p, N, tag, 0);
	/* Nor do one's own leave with a file. */
	second = dmirror_open(0);
	CHECK_SYS(close(fd));
	DMIRROR_CHECK_IS(second, p, N, DMIRROR_IN_VRAM);
	DMIRROR_CHECK_FILL(second, p, N, tag, 1);
	CHECK_FILL(p, N, tag, 0);
}

static void U2_a_close(void)
{
	leave_alone(false, false);
}

static void U2_a_release(void)
{
	leave_alone(true, false);
}

static void U2_a_kill(void)
{
	leave_alone(false, true);
}

/* A device's own pages are brought back, not those of the other one. */
static void U2_each_device_has_its_own(void)
{
	uint16_t tag = new_tag();
	struct dmirror_args args;
	uint8_t remote;
	int one, two;
	void *p;

	dmirror_load();
	one = dmirror_open(0);
	two = dmirror_open(1);
	remote = dmirror_local() == DMIRROR_IS_COHERENT ?
		 DMIRROR_IS_COHERENT_REMOTE | DMIRROR_IS_WRITE : 0;
	p = map_filled(N, tag);
	CHECK_EQ(dmirror(one, DMIRROR_TO_DEVICE, p, N / 2, malloc(N * PAGE), NULL), 0);
	CHECK_EQ(dmirror(two, DMIRROR_TO_DEVICE, AT(p, N / 2), N / 2, malloc(N * PAGE), NULL), 0);
	DMIRROR_CHECK_IS(one, p, N / 2, DMIRROR_IN_VRAM);
	DMIRROR_CHECK_IS(one, AT(p, N / 2), N / 2, remote);
	CHECK_EQ(dmirror(two, DMIRROR_TO_DEVICE, p, N, malloc(N * PAGE), NULL), -ENOENT);
	CHECK_EQ(dmirror(one, DMIRROR_TO_SYSTEM, p, N, NULL, &args), 0);
	CHECK_EQ(args.cpages, N / 2);
	DMIRROR_CHECK_IS(two, AT(p, N / 2), N / 2, DMIRROR_IN_VRAM);
	CHECK_EQ(dmirror(one, DMIRROR_RELEASE, p, 1, NULL, NULL), 0);
	DMIRROR_CHECK_IS(two, AT(p, N / 2), N / 2, DMIRROR_IN_VRAM);
	DMIRROR_CHECK_FILL(one, p, N, tag, 1);
	CHECK_FILL(p, N, tag, 0);
}

static void migrate_for_ever(void *arg)
{
	int *moving = arg, fd = dmirror_open(0);
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);

	for (bool first = true; ; first = false) {
		DMIRROR_TO(fd, p, N, tag);
		CHECK_EQ(dmirror(fd, DMIRROR_TO_SYSTEM, p, N, NULL, NULL), 0);
		if (first)
			gate_open(*moving, 1);
	}
}

/* Killed in the middle of a migration; then others close, empty the device, and unload it. */
static void U2_a_kill_in_the_middle(void)
{
	int moving = gate_new(), fd;
	struct mockgpu_device *dev;
	struct mockgpu_evicted evicted;
	pid_t pid;

	dmirror_load();
	for (unsigned int i = 0; i < 20; i++) {
		pid = spawn(migrate_for_ever, &moving);
		gate_wait(moving);
		sleep_ms(random_below(10));
		CHECK_SYS(kill(pid, SIGKILL));
		fd = dmirror_open(0);
		CHECK_SYS(close(fd));
		dev = gpu_open(0);
		CHECK_EQ(mockgpu_evict_all(dev, &evicted), 0);
		mockgpu_close(dev);
		join_killed(pid, SIGKILL);
	}
}

static void call_all(int fd, const void *p, size_t pages, void *data, int want)
{
	for (unsigned int nr = 0; nr < DMIRROR_CALLS; nr++) {
		int err = dmirror(fd, DMIRROR_CALL(nr), p, pages, data, NULL);

		if (err != want)
			FAIL("call %u: %d instead of %d", nr, err, want);
	}
}

static void U3_arguments(void)
{
	static char data[PAGE];
	uint16_t tag = new_tag();
	void *p, *bad = map_arena(2), *special;
	int fd;

	dmirror_load();
	fd = dmirror_open(0);
	p = map_filled(2, tag);
	call_all(fd, p, 0, data, -EINVAL);
	call_all(fd, (char *)p + 8, 1, data, -EINVAL);
	call_all(fd, p, 1ULL << 52, data, -EINVAL);
	call_all(fd, p, ~0ULL, data, -EINVAL);
	call_all(fd, (void *)-PAGE, 1, data, -EINVAL);
	call_all(fd, (void *)(1ULL << 63), 1, data, -EINVAL);
	CHECK_EQ(dmirror(fd, DMIRROR_CALL(DMIRROR_CALLS), p, 1, data, NULL), -EINVAL);
	CHECK_EQ(dmirror(fd, _IO('H', 0), p, 1, data, NULL), -EINVAL);
	errno = 0;
	CHECK_EQ(ioctl(fd, DMIRROR_READ, NULL), -1);
	CHECK_EQ(errno, EFAULT);

	/* More than there is room for. */
	CHECK_EQ(dmirror(fd, DMIRROR_READ, p, 1UL << 20, data, NULL), -ENOMEM);
	CHECK_EQ(dmirror(fd, DMIRROR_READ, p, 1, bad, NULL), -EFAULT);
	CHECK_EQ(dmirror(fd, DMIRROR_WRITE, p, 1, bad, NULL), -EFAULT);
	CHECK_EQ(dmirror(fd, DMIRROR_SNAPSHOT, p, 1, bad, NULL), -EFAULT);
	CHECK_EQ(dmirror(fd, DMIRROR_TO_DEVICE, p, 1, bad, NULL), -EFAULT);
	CHECK_EQ(dmirror(fd, DMIRROR_TO_DEVICE, bad, 1, data, NULL), -EINVAL);
	CHECK_EQ(dmirror(fd, DMIRROR_TO_SYSTEM, bad, 1, data, NULL), -EINVAL);
	/* What a driver has mapped never moves. */
	special = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(special != MAP_FAILED);
	CHECK_EQ(dmirror(fd, DMIRROR_TO_DEVICE, special, 1, data, NULL), -EINVAL);
	CHECK_EQ(dmirror(fd, DMIRROR_TO_SYSTEM, special, 1, data, NULL), -EINVAL);
	CHECK_EQ(dmirror(fd, DMIRROR_READ, special, 1, data, NULL), 0);
	CHECK_EQ(dmirror(fd, DMIRROR_READ, bad, 1, data, NULL), -EFAULT);
	CHECK_EQ(dmirror(fd, DMIRROR_WRITE, bad, 1, data, NULL), -EFAULT);
	CHECK_FILL(p, 2, tag, 0);
}

/* All or nothing: neither the program's buffer nor its memory is written in part. */
static void U3_a_hole_at_the_end(void)
{
	uint16_t tag = new_tag(), other = new_tag(), third = new_tag();
	void *p, *data = malloc(N * PAGE);
	int fd;

	dmirror_load();
	fd = dmirror_open(0);
	p = map_filled(N, tag);
	CHECK_SYS(mprotect(AT(p, N - 1), PAGE, PROT_NONE));
	fill(data, N, other, 0);
	CHECK_EQ(dmirror(fd, DMIRROR_READ, p, N, data, NULL), -EFAULT);
	CHECK_FILL(data, N, other, 0);
	CHECK_EQ(dmirror(fd, DMIRROR_TO_DEVICE, p, N, data, NULL), -EINVAL);
	CHECK_FILL(data, N, other, 0);
	CHECK_SYS(mprotect(AT(p, N - 1), PAGE, PROT_READ));
	CHECK_EQ(dmirror(fd, DMIRROR_WRITE, AT(p, N - 1), 1, data, NULL), -EPERM);
	CHECK_FILL(p, N, tag, 0);
	CHECK_SYS(mprotect(AT(p, N - 1), PAGE, PROT_READ | PROT_WRITE));
	fill(data, N, third, 0);
	CHECK_EQ(dmirror(fd, DMIRROR_WRITE, p, N, data, NULL), 0);
	CHECK_FILL(p, N, third, 0);
}

struct passed {
	int fd;
	void *p;
};

static void use_anothers(void *arg)
{
	struct passed *passed = arg;

	call_all(passed->fd, passed->p, 1, map_hole(1), -EPERM);
}

/* Who comes to hold the file by fork() has memory of its own, which it is not for. */
static void U3_anothers_file(void)
{
	struct passed passed;
	uint16_t tag = new_tag();

	dmirror_load();
	passed.fd = dmirror_open(0);
	passed.p = map_filled(N, tag);
	DMIRROR_TO(passed.fd, passed.p, N, tag);
	join(spawn(use_anothers, &passed));
	DMIRROR_CHECK_IS(passed.fd, passed.p, N, dmirror_local() | DMIRROR_IS_READ);
	CHECK_FILL(passed.p, N, tag, 0);
}

struct orphan {
	int gone, done;
	uint16_t tag;
	pid_t pid;
};

/* Opens the node, has pages there and a queue, has a child, and exits. */
static void open_and_leave(void *arg)
{
	struct orphan *orphan = arg;
	void *p, *data = malloc(PAGE);
	int fd = dmirror_open(0);
	pid_t pid;

	p = map_filled(N, orphan->tag);
	DMIRROR_TO(fd, p, N, orphan->tag);
	/* Also where it fails, there is a queue from now on. */
	dmirror(fd, DMIRROR_EXCLUSIVE, p, 1, data, NULL);
	pid = (pid_t)CHECK_SYS(fork());
	if (pid) {
		orphan->pid = pid;
		return;
	}
	gate_wait(orphan->gone);
	call_all(fd, p, 1, data, -EPERM);
	CHECK_FILL(p, N, orphan->tag, 0);
	CHECK_SYS(close(fd));
	fd = dmirror_open(0);
	DMIRROR_TO(fd, p, N, orphan->tag);
	CHECK_FILL(p, N, orphan->tag, 0);
	gate_open(orphan->done, 1);
}

/* Who still holds the file is not let in where its opener, whose memory it is for, has gone. */
static void U3_the_file_of_one_who_has_gone(void)
{
	struct orphan *orphan = map_shared(1);

	CHECK_SYS(prctl(PR_SET_CHILD_SUBREAPER, 1));
	dmirror_load();
	orphan->gone = gate_new();
	orphan->done = gate_new();
	orphan->tag = new_tag();
	join(spawn(open_and_leave, orphan));
	gate_open(orphan->gone, 1);
	gate_wait(orphan->done);
	join(orphan->pid);	/* ours by now */
}

static const char driver[] = "/sys/bus/platform/drivers/mockgpu";

static int drive(const char *what)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/%s", driver, what);
	return write_text(path, "mockgpu0");
}

/* The device goes while a file of it is open, and comes again. */
static void U4_unbind(void)
{
	static char data[N * PAGE];
	uint16_t tag = new_tag();
	int fd, again;
	void *p, *map;

	dmirror_load();
	fd = dmirror_open(0);
	CHECK_EQ(module_unload(), -EWOULDBLOCK);
	p = map_filled(N, tag);
	map = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(map != MAP_FAILED);
	CHECK_ZERO(map, N);
	DMIRROR_CHECK_IS(fd, map, N, DMIRROR_IS_READ);
	DMIRROR_TO(fd, p, N, tag);
	CHECK_EQ(drive("unbind"), 0);
	CHECK_FILL(p, N, tag, 0);
	call_all(fd, p, 1, data, -ENODEV);
	CHECK_EQ(drive("bind"), 0);
	again = dmirror_open(0);
	call_all(fd, p, 1, data, -ENODEV);
	DMIRROR_TO(again, p, N, tag);
	CHECK_SYS(close(fd));
	fill(map, N, tag, 0);
	CHECK_FILL(map, N, tag, 0);
	DMIRROR_CHECK_FILL(again, map, N, tag, 1);
	/* The mapping holds its file, and so the module. */
	CHECK_SYS(munmap(map, N * PAGE));
	CHECK_SYS(close(again));
	CHECK_FILL(p, N, tag, 0);
}

/* Without the parameter there is no door. */
static void U4_only_where_it_is_asked_for(void)
{
	module_reload(1, 64);
	for (unsigned int i = 0; i < 4; i++) {
		char path[32];

		snprintf(path, sizeof(path), "/dev/hmm_dmirror%u", i);
		CHECK_EQ(access(path, F_OK), -1);
	}
	CHECK(system("grep -q HMM_DMIRROR /proc/devices"));
}

#define SCENARIO(name) { #name, name, 120, RELOADS }

const struct scenario scenarios[] = {
	SCENARIO(U1_the_second_opener_reads_what_there_is),
	SCENARIO(U1_neither_reads_a_page_that_was_freed),
	SCENARIO(U1_exclusive_for_one),
	SCENARIO(U1_exclusive_what_was_in_vram),
	SCENARIO(U2_a_close),
	SCENARIO(U2_a_release),
	SCENARIO(U2_a_kill),
	SCENARIO(U2_a_kill_in_the_middle),
	SCENARIO(U2_each_device_has_its_own),
	SCENARIO(U3_arguments),
	SCENARIO(U3_a_hole_at_the_end),
	SCENARIO(U3_anothers_file),
	SCENARIO(U3_the_file_of_one_who_has_gone),
	SCENARIO(U4_unbind),
	SCENARIO(U4_only_where_it_is_asked_for),
	{ 0 }
};
