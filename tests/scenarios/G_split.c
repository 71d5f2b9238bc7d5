// SPDX-License-Identifier: MIT
/*
 * A huge page is taken apart while it is in VRAM: row G3.  Each page keeps its own data, and VRAM's
 * figures are exact.
 *
 * When just a part of it is unmapped, the folio stays what it is, though it is mapped by pages from
 * then on.  It falls apart when a page of it is to move.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gpu.h"
#include "huge.h"
#include "process.h"

/* The pages but those of a gap, seen by the device where they are and then by the CPU. */
static void check_but(struct mockgpu_device *dev, char *p, size_t gap, size_t end, uint16_t tag)
{
	CHECK_RES(dev, p, gap, RES_PLACE | ORDER, IN_VRAM);
	GPU_CHECK_FILL(dev, p, gap, tag, 0);
	if (end == N)
		return;
	CHECK_RES(dev, AT(p, end), N - end, RES_PLACE | ORDER, IN_VRAM);
	GPU_CHECK_FILL(dev, AT(p, end), N - end, tag, end);
}

/* The first touch of a page takes the folio apart, and what nobody maps is free then. */
static void bring_home_but(struct mockgpu_device *dev, char *p, size_t gap, size_t end,
			   uint16_t tag)
{
	struct drm_mockgpu_counters c = gpu_counters(dev);
	size_t left = N - (end - gap);

	CHECK_FILL(p, 1, tag, 0);
	CHECK_COUNTED(dev, &c, .pages_cpu_fault = 1, .vram_used_bytes = -(end - gap + 1) * PAGE);
	if (gap > 1)
		CHECK_PLACE(dev, AT(p, 1), gap - 1, IN_VRAM);
	CHECK_FILL(AT(p, 1), gap - 1, tag, 1);
	CHECK_FILL(AT(p, end), N - end, tag, end);
	CHECK_COUNTED(dev, &c, .pages_cpu_fault = left - 1, .vram_used_bytes = -(left - 1) * PAGE);
}

static void G3_partial_munmap(void)
{
	static const struct { size_t gap, end; } parts[] = {
		{ 100, 200 }, { 1, 2 }, { 256, N }, { 1, N - 1 },
	};
	struct mockgpu_device *dev = gpu_open_huge();

	for (unsigned int i = 0; i < ARRAY_SIZE(parts); i++) {
		size_t gap = parts[i].gap, end = parts[i].end;
		uint16_t tag = new_tag();
		char *p = huge_in_vram(dev, tag);

		unmap(AT(p, gap), end - gap);
		CHECK(!can_read(AT(p, gap)));
		check_but(dev, p, gap, end, tag);
		bring_home_but(dev, p, gap, end, tag);
	}
}

static void G3_all_of_it_unmapped_in_parts(void)
{
	struct mockgpu_device *dev = gpu_open_huge();
	char *p = huge_in_vram(dev, new_tag());
	struct drm_mockgpu_counters c = gpu_counters(dev);

	unmap(AT(p, 100), 100);
	unmap(p, 100);
	unmap(AT(p, 200), N - 200);
	CHECK_COUNTED(dev, &c, .vram_used_bytes = -HUGE);
	p = huge_in_vram(dev, new_tag());
	c = gpu_counters(dev);
	unmap(p, N);
	CHECK_COUNTED(dev, &c, .vram_used_bytes = -HUGE);
}

static void G3_mprotect_of_a_page(void)
{
	struct mockgpu_device *dev = gpu_open_huge();
	uint16_t tag = new_tag(), new = new_tag();
	char *p = huge_in_vram(dev, tag);
	struct drm_mockgpu_counters c;
	uint64_t word = 0;

	CHECK_SYS(mprotect(AT(p, 9), PAGE, PROT_READ));
	CHECK_RES(dev, p, 9, RES_PLACE | RW | ORDER, IN_VRAM | RW);
	CHECK_RES(dev, AT(p, 9), 1, RES_PLACE | RW | ORDER, IN_VRAM | MOCKGPU_RES_READ);
	CHECK_RES(dev, AT(p, 10), N - 10, RES_PLACE | RW | ORDER, IN_VRAM | RW);
	GPU_CHECK_FILL(dev, p, N, tag, 0);
	CHECK_WRITE(dev, AT(p, 9), &word, sizeof(word), -EPERM,
		    .fault_addr = (uintptr_t)AT(p, 9));
	gpu_fill(dev, AT(p, 10), 1, new, 10);
	CHECK(!can_write(AT(p, 9)));
	CHECK_FILL(AT(p, 9), 1, tag, 9);
	CHECK_PLACE(dev, p, 9, IN_VRAM);
	c = gpu_counters(dev);
	CHECK_FILL(p, 10, tag, 0);
	CHECK_FILL(AT(p, 10), 1, new, 10);
	CHECK_FILL(AT(p, 11), N - 11, tag, 11);
	CHECK_COUNTED(dev, &c, .pages_cpu_fault = N - 1, .vram_used_bytes = -(N - 1) * PAGE);
}

static void G3_dontneed_of_a_part(void)
{
	struct mockgpu_device *dev = gpu_open_huge();
	uint16_t tag = new_tag();
	char *p = huge_in_vram(dev, tag);
	struct drm_mockgpu_counters c;

	CHECK_SYS(madvise(AT(p, 64), 64 * PAGE, MADV_DONTNEED));
	CHECK_PLACE(dev, AT(p, 64), 64, NOWHERE);
	check_but(dev, p, 64, 128, tag);
	c = gpu_counters(dev);
	CHECK_ZERO(AT(p, 64), 64);
	CHECK_COUNTED(dev, &c);
	bring_home_but(dev, p, 64, 128, tag);
	CHECK_ZERO(AT(p, 64), 64);
}

/* A part of it moves elsewhere, where it has not the same place in 2 MiB; so does the whole. */
static void G3_mremap(void)
{
	struct mockgpu_device *dev = gpu_open_huge();
	uint16_t tag = new_tag();
	char *p = huge_in_vram(dev, tag), *to = map_arena(2 * N), *moved = AT(to, 33);
	struct drm_mockgpu_counters c = gpu_counters(dev);

	CHECK(mremap(AT(p, 100), 50 * PAGE, 50 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, moved) ==
	      moved);
	CHECK(!can_read(AT(p, 100)));
	check_but(dev, p, 100, 150, tag);
	CHECK_PLACE(dev, moved, 50, IN_VRAM);
	GPU_CHECK_FILL(dev, moved, 50, tag, 100);
	c = gpu_counters(dev);
	CHECK_FILL(moved, 50, tag, 100);
	CHECK_FILL(p, 100, tag, 0);
	CHECK_FILL(AT(p, 150), N - 150, tag, 150);
	CHECK_COUNTED(dev, &c, .pages_cpu_fault = N, .vram_used_bytes = -HUGE);

	p = huge_in_vram(dev, tag);
	to = map_arena(2 * N);
	moved = AT(to, 33);
	CHECK(mremap(p, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, moved) == moved);
	CHECK_PLACE(dev, moved, N, IN_VRAM);
	GPU_CHECK_FILL(dev, moved, N, tag, 0);
	CHECK_FILL(moved, N, tag, 0);
}

/* To an address that is aligned, the kernel moves it as it is. */
static void G3_mremap_whole(void)
{
	struct mockgpu_device *dev = gpu_open_huge();
	uint16_t tag = new_tag();
	char *p = huge_in_vram(dev, tag), *to = map_arena(N);
	struct drm_mockgpu_counters c;

	CHECK(mremap(p, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	CHECK_RES(dev, to, N, RES_PLACE | RW | ORDER, IN_VRAM | RW | ORDER_9);
	GPU_CHECK_FILL(dev, to, N, tag, 0);
	c = gpu_counters(dev);
	CHECK_FILL(to, N, tag, 0);
	CHECK_COUNTED(dev, &c, .pages_cpu_fault = N, .cpu_faults = 1, .huge_to_system = 1,
		      .vram_used_bytes = -HUGE);
}

struct child {
	char *p;
	uint16_t tag, new;
	int go, done;
};

static void child_writes_a_page(void *arg)
{
	struct child *child = arg;

	fill(AT(child->p, 5), 1, child->new, 5);
	gate_open(child->done, 1);
	gate_wait(child->go);
	for (unsigned int page = 0; page < N; page++)
		CHECK_FILL(AT(child->p, page), 1, page == 5 ? child->new : child->tag, page);
}

/*
 * A child breaks the sharing of a page, by which the folio comes home.  The parent takes it to VRAM
 * anew, the child's copy stays.
 */
static void G3_copy_on_write_of_a_page(void)
{
	struct mockgpu_device *dev = gpu_open_huge();
	struct child child = { .tag = new_tag(), .new = new_tag(), .go = gate_new(),
			       .done = gate_new() };
	struct drm_mockgpu_counters c;
	pid_t pid;

	child.p = huge_in_vram(dev, child.tag);
	c = gpu_counters(dev);
	pid = spawn(child_writes_a_page, &child);
	gate_wait(child.done);
	CHECK_COUNTED(dev, &c, .pages_cpu_fault = N, .cpu_faults = 1, .huge_to_system = 1,
		      .vram_used_bytes = -HUGE);
	CHECK_FILL(child.p, N, child.tag, 0);
	TO_VRAM(dev, child.p, N);
	GPU_CHECK_FILL(dev, child.p, N, child.tag, 0);
	gate_open(child.go, 1);
	join(pid);
	CHECK_FILL(child.p, N, child.tag, 0);
}

/* The device writes a page that is shared with a child: the one page is copied. */
static void G3_copy_on_write_by_the_device(void)
{
	struct mockgpu_device *dev = gpu_open_huge();
	struct child child = { .tag = new_tag(), .new = new_tag(), .go = gate_new(),
			       .done = gate_new() };
	uint16_t mine = new_tag();
	pid_t pid;

	child.p = huge_in_vram(dev, child.tag);
	pid = spawn(child_writes_a_page, &child);
	gate_wait(child.done);
	TO_VRAM(dev, child.p, N);
	gpu_fill(dev, AT(child.p, 6), 1, mine, 6);
	gate_open(child.go, 1);
	join(pid);
	for (unsigned int page = 0; page < N; page++)
		CHECK_FILL(AT(child.p, page), 1, page == 6 ? mine : child.tag, page);
}

/* One page is asked home by a call: it leaves the others where they are. */
static void G3_one_page_migrates(void)
{
	struct mockgpu_device *dev = gpu_open_huge();
	uint16_t tag = new_tag();
	char *p = huge_in_vram(dev, tag);
	struct drm_mockgpu_counters c = gpu_counters(dev);

	TO_SYSTEM(dev, AT(p, 77), 1);
	CHECK_COUNTED(dev, &c, .pages_to_system = 1, .vram_used_bytes = -PAGE);
	check_but(dev, p, 77, 78, tag);
	CHECK_PLACE(dev, AT(p, 77), 1, IN_SYSTEM);
	CHECK_FILL(p, N, tag, 0);
	CHECK_COUNTED(dev, &c, .gpu_faults = N - 1, .gpu_bytes_read = HUGE - PAGE,
		      .pages_cpu_fault = N - 1, .vram_used_bytes = -(N - 1) * PAGE);
}

/* Mapped by pages, it is evicted as the one folio that it is. */
static void G3_evicted_when_mapped_by_pages(void)
{
	struct mockgpu_device *dev = gpu_open_huge();
	uint16_t tag = new_tag();
	char *p = huge_in_vram(dev, tag);
	struct drm_mockgpu_counters c;
	struct mockgpu_evicted result;

	unmap(AT(p, 10), 1);
	c = gpu_counters(dev);
	CHECK_EQ(mockgpu_evict(dev, AT(p, 20), 3 * PAGE, &result), 0);
	CHECK_EQ(result.evicted, N);
	CHECK_EQ(result.busy, 0);
	CHECK_COUNTED(dev, &c, .pages_evicted = N, .huge_to_system = 1, .vram_used_bytes = -HUGE);
	CHECK_PLACE(dev, p, 10, IN_SYSTEM);
	CHECK_PLACE(dev, AT(p, 11), N - 11, IN_SYSTEM);
	CHECK_FILL(p, 10, tag, 0);
	CHECK_FILL(AT(p, 11), N - 11, tag, 11);
}

#define BLOCKS 8U

/* Blocks that were huge are used by pages, and huge again, and nothing is mixed up. */
static void G3_blocks_change_their_use(void)
{
	struct mockgpu_device *dev = gpu_open_huge();
	uint16_t tags[BLOCKS];
	char *huge[BLOCKS], *small;

	for (unsigned int round = 0; round < 4; round++) {
		uint16_t tag = new_tag();

		for (unsigned int i = 0; i < BLOCKS; i++) {
			tags[i] = new_tag();
			huge[i] = huge_in_vram(dev, tags[i]);
		}
		/* Some leave whole, some by pages. */
		for (unsigned int i = 0; i < BLOCKS; i += 2) {
			if (i % 4)
				unmap(AT(huge[i], 1), 1);
			CHECK_FILL(AT(huge[i], 2), N - 2, tags[i], 2);
			CHECK_SYS(munmap(huge[i], HUGE));
		}
		small = map_filled(3 * N + 100, tag);
		TO_VRAM(dev, small, 3 * N + 100);
		for (unsigned int i = 1; i < BLOCKS; i += 2)
			GPU_CHECK_FILL(dev, huge[i], N, tags[i], 0);
		GPU_CHECK_FILL(dev, small, 3 * N + 100, tag, 0);
		CHECK_EQ(mockgpu_evict_all(dev, &(struct mockgpu_evicted){ 0 }), 0);
		CHECK_EQ(gpu_counters(dev).vram_used_bytes, 0);
		CHECK_FILL(small, 3 * N + 100, tag, 0);
		for (unsigned int i = 1; i < BLOCKS; i += 2) {
			CHECK_FILL(huge[i], N, tags[i], 0);
			unmap(huge[i], N);
		}
		unmap(small, 3 * N + 100);
	}
}

#define SCENARIO(name) { #name, name, 60, 0 }

const struct scenario scenarios[] = {
	SCENARIO(G3_partial_munmap),
	SCENARIO(G3_all_of_it_unmapped_in_parts),
	SCENARIO(G3_mprotect_of_a_page),
	SCENARIO(G3_dontneed_of_a_part),
	SCENARIO(G3_mremap),
	SCENARIO(G3_mremap_whole),
	SCENARIO(G3_copy_on_write_of_a_page),
	SCENARIO(G3_copy_on_write_by_the_device),
	SCENARIO(G3_one_page_migrates),
	SCENARIO(G3_evicted_when_mapped_by_pages),
	SCENARIO(G3_blocks_change_their_use),
	{ 0 }
};
