// SPDX-License-Identifier: MIT
/*
 * What a process sees of its pages in VRAM through the kernel's usual windows: row I7.  None of them
 * brings a page home.  With 7.2:
 *
 * pagemap	not present; bit 62 with a type that tells VRAM (memory.h), and whether it may be
 *		written; the frame is the device's page.  Exclusive pages likewise, with RAM's frame.
 * smaps	counted in Rss, Pss, Anonymous and Private_Dirty or Shared_Dirty as in RAM, not in
 *		Swap
 * statm	counted as resident
 * mincore()	1, as in RAM
 * numa_maps	no page, on no node: a mapping wholly in VRAM has no anon= and no N0=
 * move_pages()	-ENOENT, as for a hole, both for asking and for moving
 * soft-dirty	goes with the page both ways, and can be cleared in VRAM; but what is written after
 *		that is not seen, by the device or by the CPU, as the page stays writable (in the
 *		kernel's clear_soft_dirty()).  What the device writes in RAM is
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "process.h"
#include "queue.h"

#define N 40

/* kB of a line of /proc/self/smaps for the mapping that begins at @p. */
static size_t smaps_kb(const void *p, const char *key)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	size_t n = strlen(key), kb = SIZE_MAX;
	bool in_it = false;
	char line[512];

	CHECK(file != NULL);
	while (kb == SIZE_MAX && fgets(line, sizeof(line), file)) {
		unsigned long start, end;

		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			in_it = (uintptr_t)p == start;
		else if (in_it && !strncmp(line, key, n) && line[n] == ':')
			CHECK_EQ(sscanf(line + n + 1, "%zu kB", &kb), 1);
	}
	fclose(file);
	CHECK(kb != SIZE_MAX);
	return kb;
}

#define CHECK_SMAPS(p, key, pages) CHECK_EQ(smaps_kb((p), (key)), (pages) * PAGE / 1024)

static void I7_smaps_and_statm(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);
	struct drm_mockgpu_counters c;
	size_t total;

	CHECK_SMAPS(p, "Rss", N);
	total = rss_total();
	TO_VRAM(dev, p, N);
	c = gpu_counters(dev);
	CHECK_LE(rss_total(), total + 20);
	CHECK_GE(rss_total(), total);
	CHECK_SMAPS(p, "Rss", N);
	CHECK_SMAPS(p, "Pss", N);
	CHECK_SMAPS(p, "Anonymous", N);
	CHECK_SMAPS(p, "Private_Dirty", N);
	CHECK_SMAPS(p, "Shared_Dirty", 0);
	CHECK_SMAPS(p, "Swap", 0);
	CHECK_COUNTED(dev, &c);
	CHECK_SYS(madvise(p, N / 4 * PAGE, MADV_DONTNEED));
	CHECK_SMAPS(p, "Rss", N - N / 4);
	CHECK_FILL(AT(p, N / 4), N - N / 4, tag, N / 4);
	CHECK_SMAPS(p, "Rss", N - N / 4);
}

static void I7_mincore(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);
	struct drm_mockgpu_counters c;
	unsigned char there[N];

	CHECK_SYS(madvise(AT(p, N / 2), N / 2 * PAGE, MADV_DONTNEED));
	TO_VRAM(dev, p, N / 4);
	c = gpu_counters(dev);
	CHECK_SYS(mincore(p, N * PAGE, there));
	for (unsigned int i = 0; i < N; i++)
		CHECK_EQ(there[i] & 1, i < N / 2);
	CHECK_COUNTED(dev, &c);
	CHECK_FILL(p, N / 2, tag, 0);
}

/* The rest of the line that numa_maps has for the mapping at @p. */
static void numa_line(const void *p, char *rest, size_t size)
{
	FILE *file = fopen("/proc/self/numa_maps", "re");
	char line[512];
	bool found = false;

	CHECK(file != NULL);
	while (!found && fgets(line, sizeof(line), file)) {
		unsigned long start;
		int at;

		found = sscanf(line, "%lx %n", &start, &at) == 1 && start == (uintptr_t)p;
		if (found)
			snprintf(rest, size, "%s", line + at);
	}
	fclose(file);
	CHECK(found);
}

static void I7_numa_maps(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);
	struct drm_mockgpu_counters c;
	char line[512], want[32];

	if (access("/proc/self/numa_maps", R_OK))
		skip("the kernel knows no NUMA");
	numa_line(p, line, sizeof(line));
	snprintf(want, sizeof(want), "anon=%u ", N);
	CHECK(strstr(line, want) != NULL);
	TO_VRAM(dev, p, N / 2);
	c = gpu_counters(dev);
	numa_line(p, line, sizeof(line));
	snprintf(want, sizeof(want), "anon=%u ", N / 2);
	CHECK(strstr(line, want) != NULL);
	TO_VRAM(dev, AT(p, N / 2), N / 2);
	numa_line(p, line, sizeof(line));
	CHECK(!strstr(line, "anon=") && !strstr(line, "N0="));
	CHECK_EQ(gpu_counters(dev).pages_cpu_fault, c.pages_cpu_fault);
	CHECK_FILL(p, N, tag, 0);
}

static long move_pages(void *p, const int *nodes, int *status)
{
	void *pages[N];

	for (unsigned int i = 0; i < N; i++)
		pages[i] = AT(p, i);
	return syscall(SYS_move_pages, 0, (unsigned long)N, pages, nodes, status, MPOL_MF_MOVE);
}

/* VRAM, RAM, a page that is exclusive to the device, and holes. */
static void I7_move_pages(void)
{
	struct queue q = queue_new(gpu_open(0));
	unsigned int exclusive = gpu_has(q.dev, MOCKGPU_CAP_EXCLUSIVE);
	int status[N], nodes[N] = { 0 };
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);
	struct drm_mockgpu_counters c;

	CHECK_SYS(madvise(AT(p, 30), 10 * PAGE, MADV_DONTNEED));
	if (exclusive)
		RUN(q, cmd_add(AT(p, 29), 8, 1), .value = fill_word(tag, 29, 0), .done = 1);
	TO_VRAM(q.dev, p, 10);
	c = gpu_counters(q.dev);
	for (unsigned int asked_to_move = 0; asked_to_move < 2; asked_to_move++) {
		memset(status, 0x55, sizeof(status));
		CHECK_EQ(move_pages(p, asked_to_move ? nodes : NULL, status), 0);
		for (unsigned int i = 0; i < N; i++)
			/* Of a hole, 6.1 says -EFAULT. */
			if (i < 30 || status[i] != -EFAULT || !kernel_is_before(6, 6))
				CHECK_EQ(status[i], i >= 10 && i < 30 - exclusive ? 0 : -ENOENT);
	}
	CHECK_PLACE(q.dev, p, 10, IN_VRAM);
	CHECK_COUNTED(q.dev, &c);
	CHECK_FILL(p, 29, tag, 0);
}

/* mbind(), which may move what is on another node, has nothing to say about VRAM. */
static void I7_mbind(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag();
	unsigned long nodes = 1;
	void *p = map_filled(N, tag);
	struct drm_mockgpu_counters c;

	TO_VRAM(dev, p, N / 2);
	c = gpu_counters(dev);
	CHECK_SYS(syscall(SYS_mbind, p, N * PAGE, MPOL_BIND, &nodes, 64UL,
			  MPOL_MF_MOVE | MPOL_MF_STRICT));
	CHECK_COUNTED(dev, &c);
	CHECK_PLACE(dev, p, N / 2, IN_VRAM);
	CHECK_FILL(p, N, tag, 0);
	TO_VRAM(dev, p, N);
	CHECK_FILL(p, N, tag, 0);
}

static bool is_soft_dirty(const void *p)
{
	int fd = (int)CHECK_SYS(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
	uint64_t entry;

	CHECK_EQ(pread(fd, &entry, sizeof(entry), (off_t)((uintptr_t)p / PAGE * sizeof(entry))),
		 sizeof(entry));
	close(fd);
	return entry >> 55 & 1;
}

static void check_dirty_at(int line, void *p, unsigned int from, unsigned int to, bool want)
{
	for (unsigned int i = from; i < to; i++)
		check_eq(__FILE__, line, "soft-dirty", is_soft_dirty(AT(p, i)), want);
}

#define CHECK_DIRTY(p, from, to, want) check_dirty_at(__LINE__, (p), (from), (to), (want))

static void I7_soft_dirty(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag(), new = new_tag();
	void *p = map_filled(N, tag);
	struct drm_mockgpu_counters c;

	write_number("/proc/self/clear_refs", 4);
	if (is_soft_dirty(p))
		skip("the kernel does not track soft-dirty pages");
	fill(p, N / 2, tag, 0);
	CHECK_DIRTY(p, 0, N / 2, true);
	CHECK_DIRTY(p, N / 2, N, false);
	/* There and back it stays what it was. */
	TO_VRAM(dev, p, N);
	CHECK_DIRTY(p, 0, N / 2, true);
	CHECK_DIRTY(p, N / 2, N, false);
	CHECK_FILL(p, N, tag, 0);
	CHECK_DIRTY(p, 0, N / 2, true);
	CHECK_DIRTY(p, N / 2, N, false);
	/* Cleared in VRAM, where nothing moves, and then not set; see above. */
	TO_VRAM(dev, p, N);
	c = gpu_counters(dev);
	write_number("/proc/self/clear_refs", 4);
	CHECK_COUNTED(dev, &c);
	CHECK_DIRTY(p, 0, N, false);
	fill(p, 4, new, 0);
	gpu_fill(dev, AT(p, 4), 4, new, 4);
	CHECK_DIRTY(p, 0, N, false);
	CHECK_FILL(p, 8, new, 0);
	CHECK_FILL(AT(p, 8), N - 8, tag, 8);
	CHECK_DIRTY(p, 0, N, false);
	/* In RAM it does, though the device had the right to write before. */
	gpu_fill(dev, p, N, tag, 0);
	write_number("/proc/self/clear_refs", 4);
	gpu_fill(dev, AT(p, 10), 10, new, 10);
	CHECK_DIRTY(p, 0, 10, false);
	CHECK_DIRTY(p, 10, 20, true);
	CHECK_DIRTY(p, 20, N, false);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(I7_smaps_and_statm),
	SCENARIO(I7_mincore),
	SCENARIO(I7_numa_maps),
	SCENARIO(I7_move_pages),
	SCENARIO(I7_mbind),
	SCENARIO(I7_soft_dirty),
	{ 0 }
};
