// SPDX-License-Identifier: MIT
/* The device reads and writes memory through its own page table: rows C1, C3, C4 and C8. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gpu.h"

#define N 300

/* A fault for each page at the first access, none at the second; both see the same bytes. */
static void C1_read_and_write_fault(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t old = new_tag(), cpu = new_tag(), gpu = new_tag();
	void *p = map_filled(N, old);
	struct drm_mockgpu_counters c = gpu_counters(dev);

	GPU_CHECK_FILL(dev, p, N, old, 0);
	CHECK_COUNTED(dev, &c, .gpu_faults = N, .gpu_bytes_read = N * PAGE);
	fill(p, N, cpu, 0);
	GPU_CHECK_FILL(dev, p, N, cpu, 0);
	CHECK_COUNTED(dev, &c, .gpu_bytes_read = N * PAGE);
	gpu_fill(dev, p, N, gpu, 0);
	gpu_fill(dev, p, N, gpu, 0);
	CHECK_EQ(gpu_counters(dev).gpu_bytes_written - c.gpu_bytes_written, 2 * N * PAGE);
	CHECK_FILL(p, N, gpu, 0);
	CHECK_PLACE(dev, p, N, IN_SYSTEM);
	CHECK_EQ(gpu_counters(dev).cpu_faults, c.cpu_faults);
}

static void C1_hole(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = map_hole(N);
	struct drm_mockgpu_counters c = gpu_counters(dev);

	GPU_CHECK_ZERO(dev, p, N);
	CHECK_EQ(rss_of(p), 0);
	CHECK_COUNTED(dev, &c, .gpu_faults = N, .gpu_bytes_read = N * PAGE);
	gpu_fill(dev, AT(p, 5), 10, tag, 5);
	CHECK_EQ(rss_of(p), 10);
	CHECK_PLACE(dev, AT(p, 5), 10, IN_SYSTEM);
	CHECK_ZERO(p, 5);
	CHECK_FILL(AT(p, 5), 10, tag, 5);
	CHECK_ZERO(AT(p, 15), N - 15);
}

/* A write that runs from writable memory into read-only memory stops at the edge, to the byte. */
static void C1_write_to_read_only(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	char *p = map_filled(8, tag), *edge = AT(p, 4), byte = 0x5a;
	char buffer[1000];
	struct drm_mockgpu_counters c;

	TO_VRAM(dev, AT(p, 6), 2);
	CHECK_SYS(mprotect(edge, 4 * PAGE, PROT_READ));
	memset(buffer, 0x77, sizeof(buffer));
	c = gpu_counters(dev);
	CHECK_WRITE(dev, edge - 300, buffer, sizeof(buffer), -EPERM, .done = 300,
		    .fault_addr = (uintptr_t)edge, .faults = 1);
	for (unsigned int i = 0; i < 300; i++)
		CHECK_EQ(edge[(int)i - 300], 0x77);
	/* At any offset and wherever the page is, the first byte that failed is named. */
	for (unsigned int page = 4; page < 8; page++) {
		char *where = (char *)AT(p, page) + 1234;

		CHECK_WRITE(dev, where, &byte, 1, -EPERM, .fault_addr = (uintptr_t)where);
	}
	CHECK_PLACE(dev, AT(p, 4), 2, IN_SYSTEM);
	CHECK_PLACE(dev, AT(p, 6), 2, IN_VRAM);
	CHECK_COUNTED(dev, &c, .gpu_faults = 1, .gpu_bytes_written = 300);
	GPU_CHECK_FILL(dev, edge, 4, tag, 4);
	CHECK_FILL(edge, 4, tag, 4);
	/* With the right to write, the same write works. */
	CHECK_SYS(mprotect(edge, 4 * PAGE, PROT_READ | PROT_WRITE));
	gpu_fill(dev, p, 8, tag, 100);
	CHECK_FILL(p, 8, tag, 100);
}

static void C1_shared_memory_and_files(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t old = new_tag(), new = new_tag();
	int fd = make_memfd(8, old), read_only;
	uint64_t buffer[8 * WORDS], word = 1;
	char path[64];
	void *shared, *private, *readable;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	read_only = (int)CHECK_SYS(open(path, O_RDONLY | O_CLOEXEC));
	shared = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	private = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, read_only, 0);
	readable = mmap(NULL, 8 * PAGE, PROT_READ, MAP_SHARED, read_only, 0);
	CHECK(shared != MAP_FAILED && private != MAP_FAILED && readable != MAP_FAILED);

	GPU_CHECK_FILL(dev, shared, 8, old, 0);
	GPU_CHECK_FILL(dev, private, 8, old, 0);
	gpu_fill(dev, AT(shared, 2), 2, new, 2);
	/* Through the other mappings, and in the file. */
	GPU_CHECK_FILL(dev, AT(readable, 2), 2, new, 2);
	GPU_CHECK_FILL(dev, AT(private, 2), 2, new, 2);
	CHECK_EQ(pread(fd, buffer, sizeof(buffer), 0), sizeof(buffer));
	CHECK_FILL(buffer, 2, old, 0);
	CHECK_FILL(AT(buffer, 2), 2, new, 2);
	CHECK_FILL(AT(buffer, 4), 4, old, 4);
	/* A private mapping keeps what is written to it. */
	gpu_fill(dev, AT(private, 5), 1, new, 5);
	CHECK_FILL(AT(private, 5), 1, new, 5);
	CHECK_FILL(AT(shared, 5), 1, old, 5);
	CHECK_WRITE(dev, AT(readable, 6), &word, 8, -EPERM,
		    .fault_addr = (uintptr_t)AT(readable, 6));
	CHECK_FILL(AT(shared, 6), 2, old, 6);
}

/*
 * One command over three mappings of different kinds, with pages in VRAM, in system memory, and
 * not there yet.
 */
static void C3_many_faults_in_one_command(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t old = new_tag();
	enum { PAGES = 48, START = 100, LEN = PAGES * PAGE - 300 };
	char *p = map_arena(PAGES), *buffer = malloc(LEN);
	int shared = make_memfd(16, old), private = make_memfd(16, old);
	struct drm_mockgpu_counters c;

	map_fixed(p, 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	map_fixed(AT(p, 16), 16, PROT_READ | PROT_WRITE, MAP_SHARED, shared);
	map_fixed(AT(p, 32), 16, PROT_READ | PROT_WRITE, MAP_PRIVATE, private);
	fill(p, 10, old, 0);
	TO_VRAM(dev, AT(p, 4), 8);	/* 4-9 with contents, 10 and 11 were holes */
	CHECK_FILL(AT(p, 16), 8, old, 0);
	for (unsigned int i = 0; i < LEN; i++)
		buffer[i] = (char)(i * 7 + i / 4093);
	c = gpu_counters(dev);
	CHECK_WRITE(dev, p + START, buffer, LEN, 0, .done = LEN, .faults = PAGES);
	CHECK_EQ(gpu_counters(dev).gpu_faults - c.gpu_faults, PAGES);
	CHECK_PLACE(dev, AT(p, 4), 8, IN_VRAM);
	CHECK_PLACE(dev, AT(p, 12), PAGES - 12, IN_SYSTEM);
	CHECK_WRITE(dev, p + START, buffer, LEN, 0, .done = LEN);
	CHECK_EQ(memcmp(p + START, buffer, LEN), 0);
	/* The bytes beside the target are as before. */
	for (unsigned int i = 0; i < START / 8; i++)
		CHECK_EQ(((uint64_t *)p)[i], fill_word(old, 0, i));
	for (unsigned int i = 1; i <= 200 / 8; i++)
		CHECK_EQ(((uint64_t *)AT(p, PAGES))[-(int)i], fill_word(old, 15, WORDS - i));
	free(buffer);
}

/* A bad address fails to the byte, with the address, and spoils nothing for later commands. */
static void expect_bad(struct mockgpu_device *dev, uintptr_t bad, void *good, uint16_t tag)
{
	uint64_t word = 42;

	CHECK_READ(dev, &word, (void *)bad, 8, -EFAULT, .fault_addr = bad);
	CHECK_EQ(word, 42);
	CHECK_WRITE(dev, (void *)bad, &word, 8, -EFAULT, .fault_addr = bad);
	GPU_CHECK_FILL(dev, good, 2, tag, 0);
}

static void C4_invalid_addresses(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = map_filled(4, tag);
	static const uint64_t bad[] = {
		0, 8, PAGE,			/* nothing is mapped as low as this */
		(1UL << 47) - 16,		/* the end of what a process can have */
		1UL << 47,			/* not an address */
		0xffff7fffffffffffUL,
		0xffff888000000000UL,		/* the kernel's memory */
		0xffffffff81000000UL,		/* the kernel's text */
		-16UL,
	};
	struct drm_mockgpu_counters c;

	GPU_CHECK_FILL(dev, p, 2, tag, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		c = gpu_counters(dev);
		expect_bad(dev, bad[i], p, tag);
		CHECK_COUNTED(dev, &c, .gpu_bytes_read = 2 * PAGE);
	}
	CHECK_SYS(munmap(AT(p, 2), 2 * PAGE));
	expect_bad(dev, (uintptr_t)AT(p, 2), p, tag);
	expect_bad(dev, (uintptr_t)AT(p, 3) + 77, p, tag);
}

static void C4_runs_into_a_hole(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	char *p = map_filled(8, tag), *hole = AT(p, 4);
	uint64_t buffer[8 * WORDS];

	TO_VRAM(dev, AT(p, 2), 2);
	CHECK_SYS(munmap(hole, PAGE));
	memset(buffer, 0x11, sizeof(buffer));
	CHECK_READ(dev, buffer, p, 8 * PAGE, -EFAULT, .done = 4 * PAGE,
		   .fault_addr = (uintptr_t)hole, .faults = 4);
	CHECK_FILL(buffer, 4, tag, 0);
	for (size_t i = 4 * WORDS; i < 8 * WORDS; i++)
		CHECK_EQ(buffer[i], 0x1111111111111111);
	CHECK_READ(dev, buffer, hole - 100, 200, -EFAULT, .done = 100,
		   .fault_addr = (uintptr_t)hole);
	CHECK_EQ(memcmp(buffer, hole - 100, 100), 0);
	CHECK_SYS(mprotect(AT(p, 5), PAGE, PROT_NONE));
	CHECK_READ(dev, buffer, AT(p, 5), 8, -EFAULT, .fault_addr = (uintptr_t)AT(p, 5));
	GPU_CHECK_FILL(dev, AT(p, 6), 2, tag, 6);
	CHECK_FILL(p, 4, tag, 0);
	CHECK_FILL(AT(p, 6), 2, tag, 6);
}

/* The caller's buffer is bad: no address of the device's failed. */
static void C4_bad_buffer(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = map_filled(8, tag), *buffer = map_filled(2, tag);
	struct mockgpu_access access;

	CHECK_EQ(mockgpu_read(dev, NULL, p, PAGE, &access), -EFAULT);
	CHECK_EQ(access.fault_addr, 0);
	CHECK_EQ(access.done, 0);
	CHECK_EQ(mockgpu_write(dev, p, (void *)8, PAGE, &access), -EFAULT);
	CHECK_EQ(access.fault_addr, 0);
	CHECK_EQ(access.done, 0);
	CHECK_SYS(munmap(AT(buffer, 1), PAGE));
	CHECK_EQ(mockgpu_write(dev, p, buffer, 2 * PAGE, &access), -EFAULT);
	CHECK_EQ(access.fault_addr, 0);
	CHECK_LE(access.done, PAGE);
	/* What was written came from the buffer, which has the same contents. */
	CHECK_FILL(p, 8, tag, 0);
	CHECK_SYS(mprotect(buffer, PAGE, PROT_READ));
	CHECK_EQ(mockgpu_read(dev, buffer, AT(p, 1), 8, &access), -EFAULT);
	CHECK_EQ(access.fault_addr, 0);
	CHECK_EQ(access.done, 0);
	CHECK_FILL(buffer, 1, tag, 0);
}

/* Every small access around a page's edge, for each place of the two pages, against a model. */
static void C8_small_accesses(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	static const size_t sizes[] = { 1, 2, 3, 4, 7, 8 };
	uint8_t *p = map_hole(2), model[2 * PAGE], in[16], out[16];

	for (unsigned int places = 0; places < 4; places++) {
		for (size_t i = 0; i < sizeof(model); i++)
			p[i] = model[i] = (uint8_t)random_u64();
		for (unsigned int page = 0; page < 2; page++)
			if (places & 1U << page)
				TO_VRAM(dev, AT(p, page), 1);
		for (size_t at = PAGE - 10; at <= PAGE + 2; at++)
			for (unsigned int s = 0; s < ARRAY_SIZE(sizes); s++) {
				size_t size = sizes[s], shift = random_below(8);

				for (size_t i = 0; i < size; i++)
					in[shift + i] = (uint8_t)random_u64();
				memcpy(model + at, in + shift, size);
				CHECK_EQ(mockgpu_write(dev, p + at, in + shift, size, NULL), 0);
				memset(out, 0xee, sizeof(out));
				CHECK_EQ(mockgpu_read(dev, out + shift, p + at, size, NULL), 0);
				CHECK_EQ(memcmp(out + shift, in + shift, size), 0);
				for (size_t i = 0; i < sizeof(out); i++)
					CHECK(out[i] == 0xee || (i >= shift && i < shift + size));
			}
		for (unsigned int page = 0; page < 2; page++)
			CHECK_PLACE(dev, AT(p, page), 1,
				    places & 1U << page ? IN_VRAM : IN_SYSTEM);
		CHECK_EQ(memcmp(p, model, sizeof(model)), 0);
	}
}

static void C8_any_length_and_alignment(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	enum { PAGES = 20, SIZE = PAGES * 4096 };
	uint8_t *p = map_hole(PAGES), *model = malloc(SIZE), *buffer = malloc(SIZE + 8);
	struct drm_mockgpu_counters c;

	for (size_t i = 0; i < SIZE; i++)
		p[i] = model[i] = (uint8_t)random_u64();
	for (unsigned int round = 0; round < 200; round++) {
		size_t at = random_below(SIZE), len = random_below(SIZE - at + 1);
		size_t shift = random_below(8);

		if (round % 20 == 0)
			CHECK_EQ(mockgpu_to_vram(dev, AT(p, random_below(PAGES)), PAGE), 0);
		c = gpu_counters(dev);
		if (round & 1) {
			for (size_t i = 0; i < len; i++)
				model[at + i] = buffer[shift + i] = (uint8_t)(i ^ round);
			CHECK_EQ(mockgpu_write(dev, p + at, buffer + shift, len, NULL), 0);
			CHECK_EQ(gpu_counters(dev).gpu_bytes_written - c.gpu_bytes_written, len);
		} else {
			CHECK_EQ(mockgpu_read(dev, buffer + shift, p + at, len, NULL), 0);
			CHECK_EQ(memcmp(buffer + shift, model + at, len), 0);
			CHECK_EQ(gpu_counters(dev).gpu_bytes_read - c.gpu_bytes_read, len);
		}
		if (round % 20 == 0)
			CHECK_EQ(memcmp(p, model, SIZE), 0);
	}
	CHECK_EQ(memcmp(p, model, SIZE), 0);
	CHECK_READ(dev, buffer, p, 0, 0, .done = 0);
	CHECK_WRITE(dev, p, buffer, 0, 0, .done = 0);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(C1_read_and_write_fault),
	SCENARIO(C1_hole),
	SCENARIO(C1_write_to_read_only),
	SCENARIO(C1_shared_memory_and_files),
	SCENARIO(C3_many_faults_in_one_command),
	SCENARIO(C4_invalid_addresses),
	SCENARIO(C4_runs_into_a_hole),
	SCENARIO(C4_bad_buffer),
	SCENARIO(C8_small_accesses),
	SCENARIO(C8_any_length_and_alignment),
	{ 0 }
};
