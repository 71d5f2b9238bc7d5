// SPDX-License-Identifier: MIT
/* Many processes that inherit VRAM, share it or hand the device on: rows E3, E5 and E6. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gpu.h"
#include "process.h"

#define N		64
#define GENERATIONS	8

/* E3: each generation has half of VRAM, from its parent, and brings half of it there again. */
struct chain {
	void *pages;
	size_t count;
	uint16_t tag[GENERATIONS];
};

/*
 * Generation @depth inherits what its parent wrote, has its device write some of it and writes the
 * rest itself, and finds all of it unchanged when its own child, which did the same, has gone.
 */
static void generation(struct chain *chain, unsigned int depth)
{
	struct mockgpu_device *dev = gpu_open(0);
	size_t half = chain->count / 2;
	void *p = chain->pages;
	struct mockgpu_migrated moved;
	pid_t child;

	if (depth) {
		GPU_CHECK_FILL(dev, p, chain->count, chain->tag[depth - 1], 0);
		fill(p, half, chain->tag[depth], 0);
		gpu_fill(dev, AT(p, half), chain->count - half, chain->tag[depth], half);
	}
	CHECK_EQ(mockgpu_migrate(dev, p, chain->count * PAGE, MOCKGPU_TARGET_VRAM, 0, &moved,
				 NULL), 0);
	CHECK_EQ(moved.count[MOCKGPU_PAGE_MOVED] + moved.count[MOCKGPU_PAGE_ALREADY],
		 chain->count);
	if (depth + 1 < GENERATIONS) {
		child = (pid_t)CHECK_SYS(fork());
		if (!child) {
			generation(chain, depth + 1);
			_exit(0);
		}
		join(child);
	}
	GPU_CHECK_FILL(dev, p, chain->count, chain->tag[depth], 0);
	CHECK_FILL(p, chain->count, chain->tag[depth], 0);
}

/*
 * Half of VRAM each would be more than VRAM for three of them; so the pages that a parent keeps
 * come home when its child writes, and only the youngest has its half there.
 */
static void E3_eight_generations(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint64_t used = gpu_counters(dev).vram_used_bytes;
	struct chain chain = { .count = gpu_vram_pages(dev) / 2 };

	for (unsigned int i = 0; i < GENERATIONS; i++)
		chain.tag[i] = new_tag();
	chain.pages = map_filled(chain.count, chain.tag[0]);
	generation(&chain, 0);
	unmap(chain.pages, chain.count);
	for (unsigned int i = 0; i < 100 && gpu_counters(dev).vram_used_bytes != used; i++)
		sleep_ms(10);
	CHECK_EQ(gpu_counters(dev).vram_used_bytes, used);
}

/* E5: what a child does not inherit. */
struct heir {
	void *dontfork, *wipe;
	uint16_t tag;
};

static void inherit(void *arg)
{
	struct heir *heir = arg;
	struct mockgpu_device *dev = gpu_open(0);
	char byte;

	CHECK(!can_read(heir->dontfork) && !can_read(AT(heir->dontfork, N - 1)));
	CHECK_PLACE(dev, heir->dontfork, N, MOCKGPU_RES_UNMAPPED);
	CHECK_READ(dev, &byte, heir->dontfork, 1, -EFAULT,
		   .fault_addr = (uintptr_t)heir->dontfork);
	CHECK_PLACE(dev, heir->wipe, N, NOWHERE);
	GPU_CHECK_ZERO(dev, heir->wipe, N / 2);
	CHECK_ZERO(AT(heir->wipe, N / 2), N / 2);
	TO_VRAM(dev, heir->wipe, N);
	gpu_fill(dev, heir->wipe, N, heir->tag, 0);
	CHECK_FILL(heir->wipe, N, heir->tag, 0);
}

static void E5_dontfork_and_wipeonfork(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t one = new_tag(), two = new_tag();
	struct heir heir = { map_filled(N, one), map_filled(N, two), new_tag() };
	struct drm_mockgpu_counters c;
	pid_t child;

	CHECK_SYS(madvise(heir.dontfork, N * PAGE, MADV_DONTFORK));
	CHECK_SYS(madvise(heir.wipe, N * PAGE, MADV_WIPEONFORK));
	TO_VRAM(dev, heir.dontfork, N);
	TO_VRAM(dev, heir.wipe, N);
	gpu_fill(dev, heir.dontfork, N, one, 0);
	gpu_fill(dev, heir.wipe, N, two, 0);
	c = gpu_counters(dev);
	child = spawn(inherit, &heir);
	join(child);
	/* Only the child's own; the device keeps its entries for both, with the right to write. */
	CHECK_RES(dev, heir.dontfork, N, RES_PLACE | RW | MOCKGPU_RES_GPU_WRITE,
		  IN_VRAM | RW | MOCKGPU_RES_GPU_WRITE);
	CHECK_PLACE(dev, heir.wipe, N, IN_VRAM);
	CHECK_EQ(gpu_counters(dev).vram_used_bytes, c.vram_used_bytes);
	GPU_CHECK_FILL(dev, heir.dontfork, N, one, 0);
	GPU_CHECK_FILL(dev, heir.wipe, N, two, 0);
	gpu_fill(dev, heir.dontfork, N, two, 0);
	CHECK_FILL(heir.dontfork, N, two, 0);
	CHECK_FILL(heir.wipe, N, two, 0);
}

/* E6: a child that has this process's memory may use its file, and does it in its place. */
struct twin {
	struct mockgpu_device *dev;
	void *pages;
	uint16_t tag;
};

static int run_twin(void *arg)
{
	struct twin *twin = arg;
	struct mockgpu_access access;
	uint64_t *buffer = AT(twin->pages, N);

	fill(buffer, 1, twin->tag, 3);
	if (mockgpu_write(twin->dev, AT(twin->pages, 3), buffer, PAGE, &access) ||
	    mockgpu_to_system(twin->dev, twin->pages, (N / 2) * PAGE))
		return 1;
	return 0;
}

static void E6_a_process_with_the_same_memory(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t old = new_tag(), new = new_tag();
	struct twin twin = { dev, map_filled(N + 1, old), new };
	char *stack = map_hole(64);
	struct drm_mockgpu_counters c;
	int status;
	pid_t pid;

	TO_VRAM(dev, twin.pages, N);
	c = gpu_counters(dev);
	pid = clone(run_twin, stack + 64 * PAGE, CLONE_VM | SIGCHLD, &twin);
	CHECK_SYS(pid);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_COUNTED(dev, &c, .pages_to_system = N / 2, .vram_used_bytes = -(N / 2) * PAGE,
		      .gpu_faults = 1, .gpu_bytes_written = PAGE);
	CHECK_PLACE(dev, twin.pages, N / 2, IN_SYSTEM);
	CHECK_PLACE(dev, AT(twin.pages, N / 2), N / 2, IN_VRAM);
	GPU_CHECK_FILL(dev, AT(twin.pages, 3), 1, new, 3);
	CHECK_FILL(AT(twin.pages, 4), N - 4, old, 4);
}

/*
 * Every call that takes an address, with a file to which other memory is attached: refused.  Returns
 * 0, or the number of the first one that is not.  It may run where nothing can be asserted.
 */
static int first_not_refused(struct mockgpu_device *dev, void *p)
{
	struct drm_mockgpu_attach attach = { 0 };
	struct drm_mockgpu_counters counters;
	uint64_t word = 5;
	uint32_t res, id;
	int (*const move[])(struct mockgpu_device *, void *, size_t) = {
		mockgpu_to_vram, mockgpu_to_system,
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(move); i++)
		if (move[i](dev, p, PAGE) != -EPERM)
			return 1 + (int)i;
	if (mockgpu_evict(dev, p, PAGE, NULL) != -EPERM)
		return 3;
	if (mockgpu_residency(dev, p, PAGE, &res) != -EPERM)
		return 4;
	if (mockgpu_read(dev, &word, p, 8, NULL) != -EPERM || word != 5)
		return 5;
	if (mockgpu_write(dev, p, &word, 8, NULL) != -EPERM)
		return 6;
	if (mockgpu_queue_create(dev, &id) != -EPERM)
		return 7;
	if (!ioctl(mockgpu_fd(dev), DRM_IOCTL_MOCKGPU_ATTACH, &attach) || errno != EPERM)
		return 8;
	/* Looking at the device needs no memory. */
	if (mockgpu_counters(dev, &counters))
		return 9;
	return 0;
}

/* A handle of this process whose file is @fd, which somebody else opened. */
static struct mockgpu_device *handle_of(int fd)
{
	struct mockgpu_device *dev;

	if (mockgpu_open(&dev, 0) || dup2(fd, mockgpu_fd(dev)) < 0)
		return NULL;
	return dev;
}

#define EXEC_FD "MOCKGPU_E6_FD"

/* The other program of E6_exec is this one, which then does nothing else. */
__attribute__((constructor)) static void run_after_exec(void)
{
	static char page[2 * PAGE];
	const char *fd = getenv(EXEC_FD);
	struct mockgpu_device *dev;

	if (!fd)
		return;
	dev = handle_of(atoi(fd));
	_exit(dev ? first_not_refused(dev, (void *)((uintptr_t)(page + PAGE) & ~(PAGE - 1))) : 100);
}

/*
 * Until it becomes another program the child of vfork() is this process, and may use its file; the
 * program finds the file at its number, and may not.
 */
static void E6_vfork_and_exec(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);
	struct drm_mockgpu_counters c;
	int fd = dup(mockgpu_fd(dev)), status;	/* without close-on-exec */
	volatile int moved = -1;
	char number[16];
	pid_t pid;

	snprintf(number, sizeof(number), "%d", fd);
	CHECK_SYS(setenv(EXEC_FD, number, 1));
	TO_VRAM(dev, p, N);
	c = gpu_counters(dev);
	pid = vfork();
	if (!pid) {
		moved = mockgpu_to_system(dev, p, PAGE);
		execl("/proc/self/exe", "E6", NULL);
		_exit(101);
	}
	CHECK_SYS(pid);
	CHECK_EQ(moved, 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_COUNTED(dev, &c, .pages_to_system = 1, .vram_used_bytes = -PAGE);
	CHECK_PLACE(dev, AT(p, 1), N - 1, IN_VRAM);
	GPU_CHECK_FILL(dev, p, N, tag, 0);
	CHECK_FILL(p, N, tag, 0);
}

struct peer {
	int socket;
	void *pages;
	uint16_t tag;
};

/* Has memory of its own at the same addresses, and a file of its own. */
static void trade_files(void *arg)
{
	struct peer *peer = arg;
	struct mockgpu_device *own = gpu_open(0), *got;

	fill(peer->pages, N, peer->tag, 0);
	TO_VRAM(own, peer->pages, N);
	file_send(peer->socket, mockgpu_fd(own));
	got = handle_of(file_receive(peer->socket));
	CHECK(got != NULL);
	CHECK_EQ(first_not_refused(got, peer->pages), 0);
	mockgpu_close(got);
	CHECK_PLACE(own, peer->pages, N, IN_VRAM);
	GPU_CHECK_FILL(own, peer->pages, N, peer->tag, 0);
	CHECK_FILL(peer->pages, N, peer->tag, 0);
}

/* Two processes hand each other their files: each may use its own, and that alone. */
static void E6_files_passed_over_a_socket(void)
{
	struct mockgpu_device *dev, *got;
	uint16_t tag = new_tag();
	struct peer peer = { .pages = map_filled(N, tag), .tag = new_tag() };
	int sockets[2];
	pid_t child;

	CHECK_SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	peer.socket = sockets[1];
	child = spawn(trade_files, &peer);
	got = handle_of(file_receive(sockets[0]));
	CHECK(got != NULL);
	/* The child has pages of its own by now. */
	dev = gpu_open(0);
	TO_VRAM(dev, peer.pages, N);
	CHECK_EQ(first_not_refused(got, peer.pages), 0);
	file_send(sockets[0], mockgpu_fd(dev));
	join(child);
	/* Its owner has gone; that makes it nobody else's. */
	CHECK_EQ(first_not_refused(got, peer.pages), 0);
	mockgpu_close(got);
	CHECK_PLACE(dev, peer.pages, N, IN_VRAM);
	GPU_CHECK_FILL(dev, peer.pages, N, tag, 0);
	CHECK_FILL(peer.pages, N, tag, 0);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	{ "E3_eight_generations", E3_eight_generations, 120, 0 },
	SCENARIO(E5_dontfork_and_wipeonfork),
	SCENARIO(E6_a_process_with_the_same_memory),
	SCENARIO(E6_vfork_and_exec),
	SCENARIO(E6_files_passed_over_a_socket),
	{ 0 }
};
