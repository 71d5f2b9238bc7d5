// SPDX-License-Identifier: MIT
/* mremap() of memory that is in VRAM: row F2.  Nothing is copied, and the device follows. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gpu.h"
#include "process.h"

#define N	300
#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)
#define GPU	MOCKGPU_RES_GPU

/* A range of its own address, with contents, all in VRAM and in the device's page table. */
static void *in_vram(struct mockgpu_device *dev, size_t pages, uint16_t tag)
{
	void *p = map_arena(pages);

	map_fixed(p, pages, PROT_READ | PROT_WRITE, ANONYMOUS, -1);
	fill(p, pages, tag, 0);
	TO_VRAM(dev, p, pages);
	gpu_fill(dev, p, pages, tag, 0);
	return p;
}

/* What is at @p came from elsewhere: in VRAM, and new to the device. */
static void check_moved(struct mockgpu_device *dev, void *p, size_t pages, uint16_t tag,
			size_t first)
{
	CHECK_RES(dev, p, pages, RES_PLACE | GPU | RW, IN_VRAM | RW);
	GPU_CHECK_FILL(dev, p, pages, tag, first);
}

/* Nothing is at @p any more, for anybody. */
static void check_gone(struct mockgpu_device *dev, void *p, size_t pages)
{
	char byte = 1;

	CHECK_RES(dev, p, pages, RES_PLACE | GPU, MOCKGPU_RES_UNMAPPED);
	CHECK(!can_read(p) && !can_read(AT(p, pages - 1)));
	CHECK_READ(dev, &byte, p, 1, -EFAULT, .fault_addr = (uintptr_t)p);
	CHECK_WRITE(dev, AT(p, pages - 1), &byte, 1, -EFAULT,
		    .fault_addr = (uintptr_t)AT(p, pages - 1));
}

static void move(void *from, void *to, size_t pages)
{
	CHECK(mremap(from, pages * PAGE, pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
}

/* To an address @offset pages off the one that would fit the old page tables. */
static void move_there_and_back(size_t offset)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = in_vram(dev, N, tag), *q = AT(map_arena(N + offset), offset);
	struct drm_mockgpu_counters c = gpu_counters(dev);

	move(p, q, N);
	check_gone(dev, p, N);
	check_moved(dev, q, N, tag, 0);
	CHECK_COUNTED(dev, &c, .gpu_faults = N, .gpu_bytes_read = N * PAGE);
	move(q, p, N);
	check_gone(dev, q, N);
	check_moved(dev, p, N, tag, 0);
	CHECK_COUNTED(dev, &c, .gpu_faults = N, .gpu_bytes_read = N * PAGE);
	CHECK_FILL(p, N, tag, 0);
	CHECK_COUNTED(dev, &c, .pages_cpu_fault = N, .vram_used_bytes = -N * PAGE);
}

static void F2_moved(void)
{
	move_there_and_back(0);
}

static void F2_moved_misaligned(void)
{
	move_there_and_back(1);
}

static void F2_moved_across_2_mib(void)
{
	move_there_and_back(512 - 17);
}

/* The middle goes elsewhere; what is left stays as it was, the device's entries included. */
static void F2_a_part_is_moved(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = in_vram(dev, N, tag), *q = map_arena(N);
	struct drm_mockgpu_counters c = gpu_counters(dev);

	move(AT(p, 100), q, 50);
	CHECK_RES(dev, p, 100, RES_PLACE | GPU, IN_VRAM | GPU);
	CHECK_RES(dev, AT(p, 150), N - 150, RES_PLACE | GPU, IN_VRAM | GPU);
	check_gone(dev, AT(p, 100), 50);
	check_moved(dev, q, 50, tag, 100);
	CHECK_COUNTED(dev, &c, .gpu_faults = 50, .gpu_bytes_read = 50 * PAGE);
	CHECK_FILL(p, 100, tag, 0);
	CHECK_FILL(AT(p, 150), N - 150, tag, 150);
	CHECK_FILL(q, 50, tag, 100);
}

/* Where it is: the old pages stay, the new ones are holes. */
static void F2_grown_in_place(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = in_vram(dev, N, tag);
	struct drm_mockgpu_counters c = gpu_counters(dev);

	CHECK(mremap(p, N * PAGE, 2 * N * PAGE, 0) == p);
	CHECK_RES(dev, p, N, RES_PLACE | GPU, IN_VRAM | GPU);
	CHECK_PLACE(dev, AT(p, N), N, NOWHERE);
	GPU_CHECK_FILL(dev, p, N, tag, 0);
	CHECK_COUNTED(dev, &c, .gpu_bytes_read = N * PAGE);
	TO_VRAM(dev, AT(p, N), N);
	GPU_CHECK_ZERO(dev, AT(p, N), N);
	CHECK_FILL(p, N, tag, 0);
	CHECK_ZERO(AT(p, N), N);
}

/* There is something behind it, so it goes elsewhere. */
static void F2_grown_and_moved(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag(), other = new_tag();
	void *p = in_vram(dev, N, tag), *q;
	struct drm_mockgpu_counters c;

	map_fixed(AT(p, N), 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
	fill(AT(p, N), 1, other, 0);
	c = gpu_counters(dev);
	CHECK(mremap(p, N * PAGE, 2 * N * PAGE, 0) == MAP_FAILED && errno == ENOMEM);
	CHECK_COUNTED(dev, &c);
	q = mremap(p, N * PAGE, 2 * N * PAGE, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED && q != p);
	check_gone(dev, p, N);
	check_moved(dev, q, N, tag, 0);
	CHECK_PLACE(dev, AT(q, N), N, NOWHERE);
	CHECK_COUNTED(dev, &c, .gpu_faults = N, .gpu_bytes_read = N * PAGE);
	GPU_CHECK_ZERO(dev, AT(q, N), N);
	CHECK_FILL(q, N, tag, 0);
	CHECK_FILL(AT(p, N), 1, other, 0);
}

/* The tail's VRAM is free at once; the head has not noticed. */
static void F2_shrunk(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = in_vram(dev, N, tag);
	struct drm_mockgpu_counters c = gpu_counters(dev);

	CHECK(mremap(p, N * PAGE, 77 * PAGE, 0) == p);
	CHECK_COUNTED(dev, &c, .vram_used_bytes = -(N - 77) * PAGE);
	CHECK_RES(dev, p, 77, RES_PLACE | GPU, IN_VRAM | GPU);
	check_gone(dev, AT(p, 77), N - 77);
	GPU_CHECK_FILL(dev, p, 77, tag, 0);
	CHECK_COUNTED(dev, &c, .gpu_bytes_read = 77 * PAGE);
	CHECK_FILL(p, 77, tag, 0);
}

static void F2_shrunk_and_moved(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = in_vram(dev, N, tag), *q = map_arena(N);
	struct drm_mockgpu_counters c = gpu_counters(dev);

	CHECK(mremap(p, N * PAGE, 77 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q);
	CHECK_COUNTED(dev, &c, .vram_used_bytes = -(N - 77) * PAGE);
	check_gone(dev, p, N);
	check_moved(dev, q, 77, tag, 0);
	CHECK_FILL(q, 77, tag, 0);
}

/* The old addresses stay mapped, with nothing there: they are not what they were. */
static void F2_dontunmap(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag(), new = new_tag();
	void *p = in_vram(dev, N, tag), *q = map_arena(N);
	struct drm_mockgpu_counters c = gpu_counters(dev);

	CHECK(mremap(p, N * PAGE, N * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP | MREMAP_FIXED,
		     q) == q);
	CHECK_RES(dev, p, N, RES_PLACE | GPU, NOWHERE);
	check_moved(dev, q, N, tag, 0);
	CHECK_COUNTED(dev, &c, .gpu_faults = N, .gpu_bytes_read = N * PAGE);
	GPU_CHECK_ZERO(dev, p, N);
	TO_VRAM(dev, p, N);
	gpu_fill(dev, p, N, new, 0);
	GPU_CHECK_FILL(dev, q, N, tag, 0);
	CHECK_FILL(p, N, new, 0);
	CHECK_FILL(q, N, tag, 0);
}

/* What was there before is gone, its VRAM too, and the device does not go on seeing it. */
static void F2_over_another_mapping(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t one = new_tag(), two = new_tag(), three = new_tag();
	void *p = in_vram(dev, N, one), *q = in_vram(dev, N, two);
	struct drm_mockgpu_counters c = gpu_counters(dev);

	move(AT(p, 10), AT(q, 20), 100);
	CHECK_COUNTED(dev, &c, .vram_used_bytes = -100 * PAGE);
	check_gone(dev, AT(p, 10), 100);
	CHECK_RES(dev, q, 20, RES_PLACE | GPU, IN_VRAM | GPU);
	check_moved(dev, AT(q, 20), 100, one, 10);
	CHECK_RES(dev, AT(q, 120), N - 120, RES_PLACE | GPU, IN_VRAM | GPU);
	gpu_fill(dev, AT(q, 20), 100, three, 20);
	CHECK_FILL(q, 20, two, 0);
	CHECK_FILL(AT(q, 20), 100, three, 20);
	CHECK_FILL(AT(q, 120), N - 120, two, 120);
	CHECK_FILL(p, 10, one, 0);
	CHECK_FILL(AT(p, 110), N - 110, one, 110);
}

/* Over a file, and with a protection of its own: what counts is what came, not what was. */
static void F2_over_a_file(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag(), in_file = new_tag();
	int fd = make_memfd(N, in_file);
	void *p = in_vram(dev, N, tag), *q = map_arena(N);
	uint64_t word = 1;

	map_fixed(q, N, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	gpu_fill(dev, q, N, in_file, 0);
	CHECK_SYS(mprotect(p, N * PAGE, PROT_READ));
	move(p, q, N);
	CHECK_WRITE(dev, q, &word, 8, -EPERM, .fault_addr = (uintptr_t)q);
	GPU_CHECK_FILL(dev, q, N, tag, 0);
	CHECK_FILL(q, N, tag, 0);
	CHECK_EQ(pread(fd, &word, 8, 0), 8);
	CHECK_EQ(word, fill_word(in_file, 0, 0));
	close(fd);
}

struct movee {
	void *from, *to;
	uint16_t tag;
};

/* A child, which has no device, moves what it shares with its parent. */
static void move_in_child(void *arg)
{
	struct movee *m = arg;

	move(m->from, m->to, N);
	CHECK(!can_read(m->from));
	CHECK_FILL(m->to, N, m->tag, 0);
}

static void F2_moved_by_a_child(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct movee m = { .tag = new_tag(), .to = map_arena(N) };

	m.from = in_vram(dev, N, m.tag);
	join(spawn(move_in_child, &m));
	GPU_CHECK_FILL(dev, m.from, N, m.tag, 0);
	CHECK_FILL(m.from, N, m.tag, 0);
}

struct mover {
	void *a, *b;
	atomic_bool stop;
	unsigned int moves;
};

static void *move_to_and_fro(void *arg)
{
	struct mover *mover = arg;

	while (!atomic_load(&mover->stop)) {
		move(mover->a, mover->b, 64);
		move(mover->b, mover->a, 64);
		mover->moves++;
	}
	return NULL;
}

/* The device uses either address all the time: it finds the data there, or nothing. */
static void F2_moved_while_the_device_uses_it(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	struct mover mover = { in_vram(dev, 64, tag), map_arena(64), false, 0 };
	uint64_t end = now_ns() + 2 * NS_PER_S, found = 0;
	pthread_t thread = thread_start(move_to_and_fro, &mover);

	while (now_ns() < end || found < 50) {
		size_t page = random_below(64);
		void *p = AT(random_below(2) ? mover.a : mover.b, page);
		uint64_t buffer[WORDS];
		struct mockgpu_access access;
		int err = mockgpu_read(dev, buffer, p, PAGE, &access);

		CHECK(!err || err == -EFAULT);
		if (!err)
			err = mockgpu_write(dev, p, buffer, PAGE, &access);
		CHECK(!err || err == -EFAULT);
		if (!err) {
			CHECK_FILL(buffer, 1, tag, page);
			found++;
		}
		CHECK_LE(now_ns(), end + 10 * BOUND_NS);
	}
	atomic_store(&mover.stop, true);
	thread_join(thread);
	note("%u moves there and back, %llu times found", mover.moves,
	     (unsigned long long)found);
	CHECK_GE(mover.moves, 10);
	CHECK_FILL(mover.a, 64, tag, 0);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(F2_moved),
	SCENARIO(F2_moved_misaligned),
	SCENARIO(F2_moved_across_2_mib),
	SCENARIO(F2_a_part_is_moved),
	SCENARIO(F2_grown_in_place),
	SCENARIO(F2_grown_and_moved),
	SCENARIO(F2_shrunk),
	SCENARIO(F2_shrunk_and_moved),
	SCENARIO(F2_dontunmap),
	SCENARIO(F2_over_another_mapping),
	SCENARIO(F2_over_a_file),
	SCENARIO(F2_moved_by_a_child),
	SCENARIO(F2_moved_while_the_device_uses_it),
	{ 0 }
};
