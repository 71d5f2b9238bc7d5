// SPDX-License-Identifier: MIT
/*
 * What is different with coherent VRAM: a CPU reaches it, so it does not fault, so what brings
 * pages home is something else (rows A1, D9, E2, H1 and H2 of coherent memory), and a page that is
 * shared after fork() and held by somebody can be written by all of them.
 *
 * Pages are told apart by their frames: who has which after a fork.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "adder.h"
#include "disk.h"
#include "module.h"
#include "process.h"
#include "queue.h"
#include "uring.h"

#define N	48
#define READ	MOCKGPU_RES_READ

static struct mockgpu_device *open_coherent(unsigned int index)
{
	struct mockgpu_device *dev = gpu_open(index);

	gpu_needs(dev, MOCKGPU_CAP_COHERENT);
	return dev;
}

/* Both sides read and write the same page where it is; no CPU access is a fault of the device. */
static void W1_cpu_access_moves_nothing(void)
{
	struct mockgpu_device *dev = open_coherent(0);
	uint16_t old = new_tag(), new = new_tag();
	void *p = map_filled(N, old);
	struct drm_mockgpu_counters c = gpu_counters(dev);

	TO_VRAM(dev, p, N);
	CHECK_COUNTED(dev, &c, .pages_to_vram = N, .vram_used_bytes = N * PAGE);
	CHECK_RES(dev, p, N, RES_PLACE | RW, IN_VRAM | RW);
	for (unsigned int i = 0; i < N; i++)
		CHECK(pagemap_of(0, AT(p, i)).present && !pagemap_of(0, AT(p, i)).vram);
	CHECK_FILL(p, N, old, 0);
	fill(p, N, new, 0);
	GPU_CHECK_FILL(dev, p, N, new, 0);
	CHECK_COUNTED(dev, &c, .gpu_faults = N, .gpu_bytes_read = N * PAGE);
	gpu_fill(dev, p, N, old, 0);
	CHECK_FILL(p, N, old, 0);
	CHECK_PLACE(dev, p, N, IN_VRAM);
	CHECK_COUNTED(dev, &c, .gpu_bytes_written = N * PAGE);
	CHECK_EQ(gpu_counters(dev).cpu_faults, c.cpu_faults);
	TO_SYSTEM(dev, p, N);
	CHECK_FILL(p, N, old, 0);
	CHECK_COUNTED(dev, &c, .pages_to_system = N, .vram_used_bytes = -N * PAGE);
}

/* A hole becomes zeroes, whatever lay in that memory before, also in what the machine gave. */
static void W1_holes_are_zeroes(void)
{
	struct mockgpu_device *dev = open_coherent(0);
	size_t pages = gpu_vram_pages(dev) / 2;
	void *p = map_filled(pages, new_tag());

	TO_VRAM(dev, p, pages);
	unmap(p, pages);
	p = map_hole(pages);
	TO_VRAM(dev, p, pages);
	CHECK_PLACE(dev, p, pages, IN_VRAM);
	CHECK_ZERO(p, pages);
	GPU_CHECK_ZERO(dev, p, pages);
}

/* A child and the frames that it sees. */
struct child {
	int go, done;
	void *pages;
	uint16_t old, new;
	bool writes;
};

static void child_runs(void *arg)
{
	struct child *child = arg;

	gate_wait(child->go);
	CHECK_FILL(child->pages, N, child->old, 0);
	if (child->writes) {
		fill(child->pages, N, child->new, 0);
		CHECK_FILL(child->pages, N, child->new, 0);
	}
	gate_open(child->done, 1);
	gate_wait(child->go);
}

static void check_frames(pid_t child, void *p, const uint64_t *ours, const uint64_t *theirs)
{
	for (unsigned int i = 0; i < N; i++) {
		uint64_t our = pagemap_of(0, AT(p, i)).pfn, their = pagemap_of(child, AT(p, i)).pfn;

		CHECK(our && their);
		if (ours)
			CHECK_EQ(our, ours[i]);
		if (theirs)
			CHECK_EQ(their, theirs[i]);
		if (!ours || !theirs)
			CHECK(our != their);
	}
}

enum writer { PARENT, CHILD, DEVICE };

/*
 * Shared after fork(), and one writes: it gets copies, in system memory, each page once; the other
 * still has the pages in VRAM, with what was in them.
 */
static void write_after_fork(enum writer writer)
{
	struct mockgpu_device *dev = open_coherent(0);
	uint16_t old = new_tag(), new = new_tag();
	void *p = map_filled(N, old);
	struct child child = { gate_new(), gate_new(), p, old, new, writer == CHILD };
	struct drm_mockgpu_counters c;
	uint64_t frames[N];
	pid_t pid;

	TO_VRAM(dev, p, N);
	for (unsigned int i = 0; i < N; i++)
		frames[i] = pagemap_of(0, AT(p, i)).pfn;
	c = gpu_counters(dev);
	pid = spawn(child_runs, &child);
	CHECK_RES(dev, p, N, RES_PLACE | RW, IN_VRAM | READ);
	check_frames(pid, p, frames, frames);
	GPU_CHECK_FILL(dev, p, N, old, 0);
	CHECK_COUNTED(dev, &c, .gpu_faults = N, .gpu_bytes_read = N * PAGE);

	if (writer == PARENT)
		fill(p, N, new, 0);
	if (writer == DEVICE)
		gpu_fill(dev, p, N, new, 0);
	gate_open(child.go, 1);
	gate_wait(child.done);
	if (writer == CHILD) {
		check_frames(pid, p, frames, NULL);
		CHECK_FILL(p, N, old, 0);
		GPU_CHECK_FILL(dev, p, N, old, 0);
		CHECK_PLACE(dev, p, N, IN_VRAM);
		/* The last who has it writes to the page itself. */
		fill(p, N, new, 0);
		check_frames(pid, p, frames, NULL);
		CHECK_PLACE(dev, p, N, IN_VRAM);
		GPU_CHECK_FILL(dev, p, N, new, 0);
	} else {
		check_frames(pid, p, NULL, frames);
		CHECK_FILL(p, N, new, 0);
		CHECK_PLACE(dev, p, N, IN_SYSTEM);
	}
	if (writer == DEVICE)
		CHECK_COUNTED(dev, &c, .gpu_faults = N, .gpu_bytes_written = N * PAGE,
			      .gpu_cow_breaks = N);
	gate_open(child.go, 1);
	join(pid);
	if (writer != CHILD)
		CHECK_EQ(gpu_counters(dev).client_used_bytes, 0);
	CHECK_FILL(p, N, new, 0);
	GPU_CHECK_FILL(dev, p, N, new, 0);
}

static void W2_the_parent_writes_after_fork(void)
{
	write_after_fork(PARENT);
}

static void W2_the_child_writes_after_fork(void)
{
	write_after_fork(CHILD);
}

static void W2_the_device_writes_after_fork(void)
{
	write_after_fork(DEVICE);
}

static void pipe_new(int fds[2])
{
	CHECK_SYS(pipe2(fds, O_CLOEXEC));
	CHECK_GE(fcntl(fds[1], F_SETPIPE_SZ, N * PAGE), N * PAGE);
}

/* A page that a pipe holds stays in VRAM, does not go home, and says so; later it goes. */
static void W3_a_short_reference_stays(void)
{
	struct mockgpu_device *dev = open_coherent(0);
	uint16_t tag = new_tag(), new = new_tag();
	void *p = map_filled(N, tag), *copy = map_hole(N);
	struct iovec all = { p, N * PAGE };
	struct mockgpu_evicted evicted;
	uint8_t want[N];
	int fds[2];

	pipe_new(fds);
	TO_VRAM(dev, p, N);
	CHECK_EQ(vmsplice(fds[1], &all, 1, 0), N * PAGE);
	CHECK_PLACE(dev, p, N, IN_VRAM);
	memset(want, MOCKGPU_PAGE_BUSY, sizeof(want));
	CHECK_MIGRATE(dev, p, N, MOCKGPU_TARGET_SYSTEM, 0, 0, want);
	mockgpu_evict(dev, p, N * PAGE, &evicted);
	CHECK_EQ(evicted.evicted, 0);
	CHECK_EQ(evicted.busy, N);
	CHECK_PLACE(dev, p, N, IN_VRAM);
	/* It is one page for all who have it. */
	gpu_fill(dev, p, N, new, 0);
	CHECK_FILL(p, N, new, 0);
	CHECK_EQ(read(fds[0], copy, N * PAGE), N * PAGE);
	CHECK_FILL(copy, N, new, 0);
	TO_SYSTEM(dev, p, N);
	CHECK_FILL(p, N, new, 0);
}

/* Who pins for long gets pages of system memory, with the contents; VRAM is free then. */
static void W3_a_long_pin_moves_it_home(void)
{
	struct mockgpu_device *dev = open_coherent(0);
	struct uring ring = uring_new();
	uint16_t tag = new_tag(), new = new_tag();
	void *p = map_filled(N, tag), *source = map_filled(N, new);
	struct drm_mockgpu_counters c;
	uint8_t want[N];
	int fds[2];

	pipe_new(fds);
	TO_VRAM(dev, p, N);
	c = gpu_counters(dev);
	uring_pin(&ring, p, N * PAGE);
	CHECK_RES(dev, p, N, RES_PLACE | RW, IN_SYSTEM | RW);
	CHECK_COUNTED(dev, &c, .vram_used_bytes = -N * PAGE);
	memset(want, MOCKGPU_PAGE_PINNED, sizeof(want));
	CHECK_MIGRATE(dev, p, N, MOCKGPU_TARGET_VRAM, 0, 0, want);
	GPU_CHECK_FILL(dev, p, N, tag, 0);
	CHECK_EQ(write(fds[1], source, N * PAGE), N * PAGE);
	CHECK_EQ(uring_do(&ring, IORING_OP_READ_FIXED, fds[0], p, N * PAGE, 0), N * PAGE);
	CHECK_FILL(p, N, new, 0);
	GPU_CHECK_FILL(dev, p, N, new, 0);
	uring_unpin(&ring);
	uring_close(&ring);
	TO_VRAM(dev, p, N);
	CHECK_FILL(p, N, new, 0);
}

#define TURNS 20000U

/*
 * In the device's own VRAM both sides' atomics are atomic for each other, and nothing moves.
 *
 * What the device finds there before its first addition and before its last tells how often the
 * CPU has added in between; it tries until that is so.
 */
static void W4_atomics_of_both_sides(void)
{
	struct queue q = queue_new(open_coherent(0));
	uint64_t *word = map_filled(1, new_tag()), end = now_ns() + 5 * BOUND_NS;
	struct drm_mockgpu_cmd adds[] = { cmd_add(word, 8, 1), cmd_add(word, 8, TURNS) };
	struct drm_mockgpu_result results[ARRAY_SIZE(adds)];
	uint64_t between, rounds = 0, seqno, added;
	struct drm_mockgpu_counters c;
	struct adder adder;

	*word = 0;
	TO_VRAM(q.dev, word, 1);
	c = gpu_counters(q.dev);
	adder_start(&adder, word);
	do {
		CHECK(now_ns() < end);
		seqno = submit(q, adds, ARRAY_SIZE(adds), results);
		FINISHES(q, seqno, 0);
		/* As many of the device's own: the first, and all of the others but the last. */
		between = results[1].value - results[0].value - TURNS;
		rounds++;
	} while (!between);
	note("the CPU added %llu times while the device did, in round %llu",
	     (unsigned long long)between, (unsigned long long)rounds);
	added = adder_stop(&adder);
	CHECK_EQ(*word, added + rounds * (TURNS + 1));
	CHECK_PLACE(q.dev, word, 1, IN_VRAM);
	CHECK_EQ(gpu_counters(q.dev).invalidated_pages, c.invalidated_pages);
}

/* To kernels before 6.15 an exclusive page is mapped nowhere, and so it cannot be moved. */
static bool exclusive_is_mapped(void)
{
	return system("grep -q ' make_device_exclusive_range$' /proc/kallsyms");
}

/*
 * Another device's atomics take the page exclusively, though it is in VRAM: it stays there, and
 * whoever touches it, forks, pins or evicts it first has it back as it was.
 */
static void W5_coherent_and_exclusive(void)
{
	struct mockgpu_device *owner, *other;
	struct queue q;
	uint64_t *word;
	uint64_t frame;
	int fds[2];
	pid_t pid;
	struct iovec part;
	struct child child;
	struct mockgpu_evicted evicted;
	bool mapped = exclusive_is_mapped();

	owner = open_coherent(0);
	mockgpu_close(owner);
	module_reload(2, 64);
	owner = open_coherent(0);
	other = gpu_open(1);
	gpu_needs(other, MOCKGPU_CAP_EXCLUSIVE);
	q = queue_new(other);
	word = map_filled(N, new_tag());
	*word = 0;
	TO_VRAM(owner, word, 1);
	frame = pagemap_of(0, word).pfn;

	/* The CPU's turn. */
	RUN(q, cmd_add(word, 8, 3), .value = 2, .done = 3);
	CHECK(!pagemap_of(0, word).present);
	CHECK_EQ(*word, 3);
	CHECK_EQ(pagemap_of(0, word).pfn, frame);
	CHECK_PLACE(owner, word, 1, IN_VRAM);
	*word = 10;
	RUN(q, cmd_add(word, 8, 1), .value = 10, .done = 1);
	/* The owner's. */
	CHECK_WRITE(owner, word, &(uint64_t){ 20 }, 8, 0, .done = 8, .faults = 1);
	RUN(q, cmd_add(word, 8, 1), .value = 20, .done = 1);
	CHECK(!pagemap_of(0, word).present);
	/* A pipe's. */
	CHECK_SYS(pipe(fds));
	part = (struct iovec){ word, 8 };
	CHECK_EQ(vmsplice(fds[1], &part, 1, 0), 8);
	CHECK_EQ(pagemap_of(0, word).pfn, frame);
	CHECK_EQ(read(fds[0], &frame, 8), 8);
	CHECK_EQ(frame, 21);
	/* An eviction's, which goes by the frame: the other device has it no more where it was. */
	RUN(q, cmd_add(word, 8, 1), .value = 21, .done = 1);
	CHECK(!pagemap_of(0, word).present);
	CHECK_EQ(mockgpu_evict_all(owner, &evicted), 0);
	CHECK_EQ(evicted.evicted, mapped);
	CHECK_EQ(evicted.busy, !mapped);
	RUN(q, cmd_add(word, 8, 1), .value = 22, .done = 1);
	CHECK_EQ(*word, 23);
	CHECK_PLACE(owner, word, 1, mapped ? IN_SYSTEM : IN_VRAM);
	if (mapped)
		TO_VRAM(owner, word, 1);
	/* A child's: it is restored before it is shared. */
	RUN(q, cmd_add(word, 8, 1), .value = 23, .done = 1);
	CHECK(!pagemap_of(0, word).present);
	child = (struct child){ gate_new(), gate_new(), word, 0, 0, false };
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		gate_wait(child.go);
		CHECK_EQ(*word, 24);
		_exit(0);
	}
	CHECK_EQ(pagemap_of(0, word).pfn, pagemap_of(pid, word).pfn);
	RUN(q, cmd_add(word, 8, 1), .value = 24, .done = 1, .migrations = 1);
	gate_open(child.go, 1);
	join(pid);
	CHECK_EQ(*word, 25);
}

/*
 * Evicted by frame, whoever maps it, with a CPU that writes all the time: in VRAM, meanwhile, and
 * in system memory.
 */
static void W6_eviction_beside_a_writer(void)
{
	struct mockgpu_device *dev = open_coherent(0);
	uint64_t *word = map_filled(1, new_tag()), added;
	struct mockgpu_evicted evicted;
	struct adder adder;

	*word = 0;
	adder_start(&adder, word);
	for (unsigned int i = 0; i < 50; i++) {
		TO_VRAM(dev, word, 1);
		adder_goes_on(&adder);
		CHECK_PLACE(dev, word, 1, IN_VRAM);
		CHECK_EQ(mockgpu_evict(dev, word, PAGE, &evicted), 0);
		CHECK_EQ(evicted.evicted, 1);
		CHECK_PLACE(dev, word, 1, IN_SYSTEM);
		adder_goes_on(&adder);
	}
	added = adder_stop(&adder);
	CHECK_EQ(*word, added);
}

/* Each writes a word of its own, in its own memory: the device does in the parent's. */
static const uint64_t mark[] = { [PARENT] = 0x1111, [CHILD] = 0x2222, [DEVICE] = 0x3333 };

struct family {
	int go, done;
	uint64_t *pages;
	uint16_t tag;
};

static void check_words(const struct family *f, bool child)
{
	for (size_t i = 0; i < N; i++) {
		const uint64_t *words = AT(f->pages, i);

		for (size_t n = 0; n < WORDS; n++) {
			bool written = n == CHILD ? child : n <= DEVICE && !child;

			CHECK_EQ(words[n], written ? mark[n] : fill_word(f->tag, i, n));
		}
	}
}

static void write_words(const struct family *f, enum writer writer)
{
	for (size_t i = 0; i < N; i++)
		*((uint64_t *)AT(f->pages, i) + writer) = mark[writer];
}

static void family_child(void *arg)
{
	const struct family *f = arg;

	gate_wait(f->go);
	write_words(f, CHILD);
	gate_open(f->done, 1);
	gate_wait(f->go);
	check_words(f, true);
}

static void family_writes(struct mockgpu_device *dev, const struct family *f, enum writer writer)
{
	switch (writer) {
	case PARENT:
		write_words(f, PARENT);
		break;
	case CHILD:
		gate_open(f->go, 1);
		gate_wait(f->done);
		break;
	case DEVICE:
		for (size_t i = 0; i < N; i++)
			CHECK_EQ(mockgpu_write(dev, (uint64_t *)AT(f->pages, i) + DEVICE,
					       &mark[DEVICE], 8, NULL), 0);
		break;
	}
}

static const enum writer orders[][3] = {
	{ PARENT, CHILD, DEVICE }, { PARENT, DEVICE, CHILD }, { CHILD, PARENT, DEVICE },
	{ CHILD, DEVICE, PARENT }, { DEVICE, PARENT, CHILD }, { DEVICE, CHILD, PARENT },
};

/* Pages in VRAM that somebody holds, a child, and then all three write, in this order. */
static void write_in_order(struct mockgpu_device *dev, struct family *f, const enum writer order[3])
{
	pid_t pid;

	f->go = gate_new();
	f->done = gate_new();
	pid = spawn(family_child, f);
	for (unsigned int i = 0; i < 3; i++)
		family_writes(dev, f, order[i]);
	check_words(f, false);
	gate_open(f->go, 1);
	join(pid);
	check_words(f, false);
}

/* A pipe holds the pages: it keeps what was in them, whoever writes first. */
static void W7_written_in_each_order_beside_a_reference(void)
{
	struct mockgpu_device *dev = open_coherent(0);
	void *copy = map_hole(N);
	int fds[2];

	pipe_new(fds);
	for (unsigned int i = 0; i < ARRAY_SIZE(orders); i++) {
		uint16_t tag = new_tag();
		struct family f = { .pages = map_filled(N, tag), .tag = tag };
		struct iovec all = { f.pages, N * PAGE };

		TO_VRAM(dev, f.pages, N);
		CHECK_EQ(vmsplice(fds[1], &all, 1, 0), N * PAGE);
		write_in_order(dev, &f, orders[i]);
		CHECK_EQ(read(fds[0], copy, N * PAGE), N * PAGE);
		CHECK_FILL(copy, N, tag, 0);
		unmap(f.pages, N);
	}
}

static void *write_disk(void *pages)
{
	int fd = (int)CHECK_SYS(open(DISK, O_RDWR | O_DIRECT | O_CLOEXEC));

	CHECK_EQ(pwrite(fd, pages, N * PAGE, 0), N * PAGE);
	close(fd);
	return NULL;
}

static bool disk_is_busy(void)
{
	unsigned int reads, writes;
	FILE *file = fopen("/sys/block/nullb0/inflight", "re");

	CHECK(file && fscanf(file, "%u %u", &reads, &writes) == 2);
	fclose(file);
	return writes;
}

/*
 * Direct I/O has pinned the pages when fork() comes: the child has copies from the start, the
 * parent keeps the pages, and they are still in VRAM.  Old kernels' has a reference and no pin.
 */
static void W7_written_in_each_order_beside_direct_io(void)
{
	struct mockgpu_device *dev = open_coherent(0);
	bool pinned = false;

	disk_new(NS_PER_S);
	for (unsigned int i = 0; i < ARRAY_SIZE(orders); i++) {
		uint16_t tag = new_tag();
		struct family f = { .pages = map_filled(N, tag), .tag = tag };
		uint8_t got[N];
		pthread_t thread;
		bool busy;

		TO_VRAM(dev, f.pages, N);
		thread = thread_start(write_disk, f.pages);
		while (!disk_is_busy())
			sleep_ms(1);
		if (!i) {
			CHECK_EQ(mockgpu_migrate(dev, f.pages, N * PAGE, MOCKGPU_TARGET_SYSTEM, 0,
						 NULL, got), 0);
			pinned = got[0] == MOCKGPU_PAGE_PINNED;
			for (unsigned int page = 0; page < N; page++)
				CHECK_EQ(got[page], pinned ? MOCKGPU_PAGE_PINNED : MOCKGPU_PAGE_BUSY);
		}
		write_in_order(dev, &f, orders[i]);
		busy = disk_is_busy();
		thread_join(thread);
		if (busy && pinned)
			CHECK_PLACE(dev, f.pages, N, IN_VRAM);
		unmap(f.pages, N);
	}
	disk_gone();
}

#define SCENARIO(name) { #name, name, 0, 0 }
#define RELOADING(name) { #name, name, 150, RELOADS }

const struct scenario scenarios[] = {
	SCENARIO(W1_cpu_access_moves_nothing),
	SCENARIO(W1_holes_are_zeroes),
	SCENARIO(W2_the_parent_writes_after_fork),
	SCENARIO(W2_the_child_writes_after_fork),
	SCENARIO(W2_the_device_writes_after_fork),
	SCENARIO(W3_a_short_reference_stays),
	SCENARIO(W3_a_long_pin_moves_it_home),
	SCENARIO(W4_atomics_of_both_sides),
	RELOADING(W5_coherent_and_exclusive),
	SCENARIO(W6_eviction_beside_a_writer),
	SCENARIO(W7_written_in_each_order_beside_a_reference),
	SCENARIO(W7_written_in_each_order_beside_direct_io),
	{ 0 }
};
