// SPDX-License-Identifier: MIT
/* Ranges of which only a part can move, and the reason that each page gives: rows A3 and A4. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "gpu.h"
#include "process.h"

#define MOVED		MOCKGPU_PAGE_MOVED
#define ALREADY		MOCKGPU_PAGE_ALREADY
#define ABSENT		MOCKGPU_PAGE_ABSENT
#define NOT_TRIED	MOCKGPU_PAGE_NOT_TRIED
#define VRAM		MOCKGPU_TARGET_VRAM
#define SYSTEM		MOCKGPU_TARGET_SYSTEM
#define ALL_OR_NOTHING	MOCKGPU_MIGRATE_ALL_OR_NOTHING
#define NO_EVICT	MOCKGPU_MIGRATE_NO_EVICT

/* More than a batch, aligned to nothing. */
#define N 1100

/*
 * pages  0-7 written, 8-11 PROT_NONE, 12-15 nothing, 16-23 written and then read-only, 24-31 a
 * hole, 32-35 shared memory, 36-39 a hole in it
 */
static void *map_mixture(uint16_t tag)
{
	int anon = MAP_PRIVATE | MAP_ANONYMOUS, fd = make_memfd(8, 0);
	void *p = map_arena(40);

	map_fixed(p, 12, PROT_READ | PROT_WRITE, anon, -1);
	fill(p, 12, tag, 0);
	CHECK_SYS(mprotect(AT(p, 8), 4 * PAGE, PROT_NONE));
	map_fixed(AT(p, 16), 16, PROT_READ | PROT_WRITE, anon, -1);
	fill(AT(p, 16), 8, tag, 16);
	CHECK_SYS(mprotect(AT(p, 16), 8 * PAGE, PROT_READ));
	map_fixed(AT(p, 32), 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	fill(AT(p, 32), 4, tag, 32);
	close(fd);
	return p;
}

static void set_status(uint8_t *want, unsigned int from, unsigned int to, uint8_t status)
{
	memset(want + from, status, to - from + 1);
}

static void check_mixture(void *p, uint16_t tag)
{
	CHECK_FILL(p, 8, tag, 0);
	CHECK_SYS(mprotect(AT(p, 8), 4 * PAGE, PROT_READ));
	CHECK_FILL(AT(p, 8), 4, tag, 8);
	CHECK(!can_read(AT(p, 12)) && !can_read(AT(p, 15)));
	CHECK_FILL(AT(p, 16), 8, tag, 16);
	CHECK_ZERO(AT(p, 24), 8);
	CHECK_FILL(AT(p, 32), 4, tag, 32);
	CHECK_ZERO(AT(p, 36), 4);
}

static void A3_each_page_says_why(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = map_mixture(tag);
	struct drm_mockgpu_counters c = gpu_counters(dev);
	uint8_t want[40];

	set_status(want, 0, 7, MOVED);
	set_status(want, 8, 11, MOCKGPU_PAGE_NO_ACCESS);
	set_status(want, 12, 15, MOCKGPU_PAGE_UNMAPPED);
	set_status(want, 16, 31, MOVED);
	set_status(want, 32, 35, MOCKGPU_PAGE_FILE);
	set_status(want, 36, 39, ABSENT);
	/* From inside of the first VMA to inside of the last. */
	CHECK_MIGRATE(dev, AT(p, 2), 36, VRAM, 0, 0, want + 2);
	CHECK_PLACE(dev, p, 2, IN_SYSTEM);
	CHECK_PLACE(dev, AT(p, 2), 6, IN_VRAM);
	CHECK_PLACE(dev, AT(p, 8), 8, MOCKGPU_RES_UNMAPPED);
	CHECK_PLACE(dev, AT(p, 16), 16, IN_VRAM);
	CHECK_PLACE(dev, AT(p, 32), 4, IN_SYSTEM);
	CHECK_PLACE(dev, AT(p, 36), 4, NOWHERE);
	CHECK_COUNTED(dev, &c, .pages_to_vram = 22, .pages_hole = 8,
		      .vram_used_bytes = 22 * PAGE);
	check_mixture(p, tag);
	CHECK_COUNTED(dev, &c, .pages_cpu_fault = 22, .vram_used_bytes = -22 * PAGE);
}

/* A range that ends exactly at a VMA's edge, one page at each edge, and a range of nothing. */
static void A3_vma_edges(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = map_mixture(tag);
	uint8_t want[40];

	memset(want, MOCKGPU_PAGE_UNMAPPED, sizeof(want));
	CHECK_MIGRATE(dev, AT(p, 12), 4, VRAM, 0, 0, want);
	memset(want, MOCKGPU_PAGE_NO_ACCESS, sizeof(want));
	CHECK_MIGRATE(dev, AT(p, 8), 4, VRAM, 0, 0, want);
	TO_VRAM(dev, AT(p, 7), 1);
	TO_VRAM(dev, AT(p, 16), 1);
	TO_VRAM(dev, AT(p, 31), 1);
	TO_VRAM(dev, p, 1);
	set_status(want, 0, 0, ALREADY);
	set_status(want, 1, 6, MOVED);
	set_status(want, 7, 7, ALREADY);
	CHECK_MIGRATE(dev, p, 8, VRAM, 0, 0, want);
	check_mixture(p, tag);
}

static void A3_hugetlb(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	const char *knob = "/proc/sys/vm/nr_hugepages";
	long long had = read_number(knob);
	uint16_t tag = new_tag();
	uint8_t want[512];
	void *p;

	write_number(knob, had + 1);
	p = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB,
		 -1, 0);
	if (p == MAP_FAILED) {
		write_number(knob, had);
		skip("no hugetlb page to be had");
	}
	fill(p, 512, tag, 0);
	memset(want, MOCKGPU_PAGE_SPECIAL, sizeof(want));
	CHECK_MIGRATE(dev, p, 512, VRAM, 0, 0, want);
	memset(want, MOCKGPU_PAGE_SPECIAL, sizeof(want));
	CHECK_MIGRATE(dev, AT(p, 100), 3, VRAM, 0, 0, want);
	/* The device reaches it where it is. */
	GPU_CHECK_FILL(dev, p, 512, tag, 0);
	CHECK_FILL(p, 512, tag, 0);
	CHECK_SYS(munmap(p, HUGE));
	write_number(knob, had);
}

/* [vvar] is there in every process: pages of the kernel's, without a struct page to speak of. */
static void A3_special_mapping(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long start = 0, end = 0;
	uint8_t want[16];
	char line[256];

	CHECK(maps != NULL);
	while (fgets(line, sizeof(line), maps))
		if (strstr(line, "[vvar]") && sscanf(line, "%lx-%lx", &start, &end) == 2)
			break;
	fclose(maps);
	if (!end)
		skip("no [vvar] mapping");
	memset(want, MOCKGPU_PAGE_SPECIAL, sizeof(want));
	CHECK_LE(end - start, sizeof(want) * PAGE);
	CHECK_MIGRATE(dev, (void *)start, (end - start) / PAGE, VRAM, 0, 0, want);
}

/* Pages of a private mapping of a file: the file's own stay, and no copy ever reaches the file. */
static void A3_private_file_mapping(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t in_file = new_tag(), tag = new_tag();
	int fd = make_memfd(8, in_file);
	uint64_t buffer[8 * WORDS];
	struct mockgpu_migrated result;
	uint8_t status[8];
	void *p = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	CHECK(p != MAP_FAILED);
	CHECK_FILL(p, 4, in_file, 0);
	fill(AT(p, 4), 2, tag, 4);
	CHECK_EQ(mockgpu_migrate(dev, p, 8 * PAGE, VRAM, 0, &result, status), 0);
	for (unsigned int i = 0; i < 4; i++)
		CHECK_EQ(status[i], MOCKGPU_PAGE_FILE);
	for (unsigned int i = 4; i < 6; i++) {
		/* Anonymous pages by now: the driver may take them, if it says so. */
		CHECK(status[i] == MOVED || status[i] == MOCKGPU_PAGE_FILE);
		CHECK_PLACE(dev, AT(p, i), 1, status[i] == MOVED ? IN_VRAM : IN_SYSTEM);
	}
	for (unsigned int i = 6; i < 8; i++)
		CHECK(status[i] == ABSENT || status[i] == MOCKGPU_PAGE_FILE);
	gpu_fill(dev, AT(p, 5), 2, tag, 5);
	CHECK_FILL(p, 4, in_file, 0);
	CHECK_FILL(AT(p, 4), 3, tag, 4);
	CHECK_FILL(AT(p, 7), 1, in_file, 7);
	CHECK_EQ(pread(fd, buffer, sizeof(buffer), 0), sizeof(buffer));
	CHECK_FILL(buffer, 8, in_file, 0);
}

static void A4_best_effort_and_all_or_nothing(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);
	struct drm_mockgpu_counters c = gpu_counters(dev);
	uint8_t want[N];

	CHECK_SYS(mprotect(AT(p, 700), PAGE, PROT_NONE));
	memset(want, NOT_TRIED, sizeof(want));
	want[700] = MOCKGPU_PAGE_NO_ACCESS;
	CHECK_MIGRATE(dev, p, N, VRAM, ALL_OR_NOTHING, -EBUSY, want);
	CHECK_PLACE(dev, p, 700, IN_SYSTEM);
	CHECK_PLACE(dev, AT(p, 701), N - 701, IN_SYSTEM);
	CHECK_COUNTED(dev, &c);

	memset(want, MOVED, sizeof(want));
	want[700] = MOCKGPU_PAGE_NO_ACCESS;
	CHECK_MIGRATE(dev, p, N, VRAM, 0, 0, want);
	CHECK_PLACE(dev, p, 700, IN_VRAM);
	CHECK_PLACE(dev, AT(p, 701), N - 701, IN_VRAM);
	CHECK_COUNTED(dev, &c, .pages_to_vram = N - 1, .vram_used_bytes = (N - 1) * PAGE);

	CHECK_SYS(mprotect(AT(p, 700), PAGE, PROT_READ | PROT_WRITE));
	memset(want, ALREADY, sizeof(want));
	want[700] = MOVED;
	CHECK_MIGRATE(dev, p, N, VRAM, ALL_OR_NOTHING, 0, want);
	CHECK_COUNTED(dev, &c, .pages_to_vram = 1, .vram_used_bytes = PAGE);
	TO_SYSTEM(dev, p, N);
	CHECK_FILL(p, N, tag, 0);
	CHECK_MIGRATE(dev, p, N, VRAM, ALL_OR_NOTHING, 0, NULL);
	CHECK_PLACE(dev, p, N, IN_VRAM);
	CHECK_MIGRATE(dev, p, N, SYSTEM, ALL_OR_NOTHING, 0, NULL);
	CHECK_PLACE(dev, p, N, IN_SYSTEM);
	CHECK_FILL(p, N, tag, 0);
}

/* A page registered with io_uring is pinned until it is unregistered. */
static void A4_pinned_page(void)
{
	struct io_uring_params parameters = { 0 };
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = map_filled(16, tag);
	struct iovec pinned = { AT(p, 5), PAGE };
	struct drm_mockgpu_counters c = gpu_counters(dev);
	uint8_t want[16];
	int ring = (int)syscall(SYS_io_uring_setup, 4, &parameters);

	if (ring < 0)
		skip("no io_uring");
	CHECK_SYS(syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &pinned, 1));
	memset(want, NOT_TRIED, sizeof(want));
	want[5] = MOCKGPU_PAGE_PINNED;
	CHECK_MIGRATE(dev, p, 16, VRAM, ALL_OR_NOTHING, -EBUSY, want);
	CHECK_PLACE(dev, p, 16, IN_SYSTEM);
	CHECK_COUNTED(dev, &c);
	memset(want, MOVED, sizeof(want));
	want[5] = MOCKGPU_PAGE_PINNED;
	CHECK_MIGRATE(dev, p, 16, VRAM, 0, 0, want);
	CHECK_PLACE(dev, AT(p, 5), 1, IN_SYSTEM);
	CHECK_COUNTED(dev, &c, .pages_to_vram = 15, .vram_used_bytes = 15 * PAGE);
	CHECK_SYS(syscall(SYS_io_uring_register, ring, IORING_UNREGISTER_BUFFERS, NULL, 0));
	TO_VRAM(dev, AT(p, 5), 1);
	CHECK_FILL(p, 16, tag, 0);
}

/* A page that lies in a pipe is held by a reference that nobody can see the reason of. */
static void A4_page_in_a_pipe(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	void *p = map_filled(16, tag);
	struct iovec held = { AT(p, 9), PAGE };
	struct mockgpu_migrated result;
	uint64_t buffer[WORDS], start;
	uint8_t status[16];
	int fds[2];

	CHECK_SYS(pipe(fds));
	CHECK_EQ(vmsplice(fds[1], &held, 1, 0), PAGE);
	start = now_ns();
	CHECK_EQ(mockgpu_migrate(dev, p, 16 * PAGE, VRAM, 0, &result, status), 0);
	CHECK_LE(now_ns() - start, BOUND_NS);
	CHECK_EQ(result.count[MOVED], 15);
	CHECK(status[9] == MOCKGPU_PAGE_BUSY || status[9] == MOCKGPU_PAGE_PINNED);
	CHECK_EQ(result.count[status[9]], 1);
	CHECK_PLACE(dev, AT(p, 9), 1, IN_SYSTEM);
	CHECK_EQ(read(fds[0], buffer, PAGE), PAGE);
	CHECK_FILL(buffer, 1, tag, 9);
	TO_VRAM(dev, AT(p, 9), 1);
	CHECK_FILL(p, 16, tag, 0);
}

/* Fills VRAM with zeroes until @left pages are free. */
static void *fill_vram(struct mockgpu_device *dev, uint64_t left, size_t *pages)
{
	void *p;

	*pages = gpu_vram_pages(dev) - gpu_counters(dev).vram_used_bytes / PAGE - left;
	p = map_hole(*pages);
	TO_VRAM(dev, p, *pages);
	return p;
}

static void A4_no_room_for_all(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag();
	void *p = map_filled(101, tag), *rest;
	struct mockgpu_migrated result;
	struct drm_mockgpu_counters c;
	uint8_t status[101];
	size_t pages;

	rest = fill_vram(dev, 100, &pages);
	c = gpu_counters(dev);
	CHECK_EQ(mockgpu_migrate(dev, p, 101 * PAGE, VRAM, ALL_OR_NOTHING | NO_EVICT, &result,
				 status), -ENOMEM);
	CHECK_GE(result.count[MOCKGPU_PAGE_NO_VRAM], 1);
	CHECK_EQ(result.count[MOCKGPU_PAGE_NO_VRAM] + result.count[NOT_TRIED], 101);
	CHECK_PLACE(dev, p, 101, IN_SYSTEM);
	CHECK_EQ(gpu_counters(dev).pages_to_vram, c.pages_to_vram);
	CHECK_EQ(gpu_counters(dev).vram_used_bytes, c.vram_used_bytes);
	CHECK_MIGRATE(dev, p, 100, VRAM, ALL_OR_NOTHING | NO_EVICT, 0, NULL);
	CHECK_EQ(gpu_counters(dev).vram_used_bytes, gpu_vram_pages(dev) * PAGE);
	CHECK_FILL(p, 101, tag, 0);
	unmap(rest, pages);
	TO_VRAM(dev, p, 101);
	CHECK_FILL(p, 101, tag, 0);
}

static void A4_too_long_for_all_or_nothing(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct drm_mockgpu_device_info info;
	struct drm_mockgpu_counters c;
	size_t pages;
	void *p;

	CHECK_EQ(mockgpu_info(dev, &info), 0);
	CHECK_GE(info.atomic_max_bytes, HUGE);
	if (info.atomic_max_bytes > info.vram_bytes)
		skip("the limit is larger than VRAM");
	pages = info.atomic_max_bytes / PAGE;
	p = map_hole(pages + 1);
	c = gpu_counters(dev);
	CHECK_EQ(mockgpu_migrate(dev, p, (pages + 1) * PAGE, VRAM, ALL_OR_NOTHING, NULL, NULL),
		 -E2BIG);
	CHECK_PLACE(dev, p, pages + 1, NOWHERE);
	CHECK_COUNTED(dev, &c);
	CHECK_MIGRATE(dev, p, pages, VRAM, ALL_OR_NOTHING, 0, NULL);
	CHECK_PLACE(dev, p, pages, IN_VRAM);
}

#define HOLES	8192

struct hole_filler {
	char *pages;
	atomic_bool go, stop;
	unsigned int filled;
};

/* Fills single holes, from the end of the range on, while they are on their way to VRAM. */
static void *fill_holes(void *arg)
{
	struct hole_filler *filler = arg;

	while (!atomic_load(&filler->go))
		;
	for (size_t i = HOLES; i && !atomic_load(&filler->stop); i -= 64) {
		*(volatile char *)AT(filler->pages, i - 1) = 1;
		filler->filled++;
		usleep(200);
	}
	return NULL;
}

/*
 * A hole can be collected and yet be filled by another thread before its page is put in place; the
 * memory manager then refuses that one page when the others have moved.  Those are taken back
 * before the next attempt, so that none is found in VRAM already.
 */
static void A4_holes_are_filled_meanwhile(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	struct drm_mockgpu_counters before = gpu_counters(dev), after = before;
	unsigned int round, whole = 0;
	struct mockgpu_migrated result;
	uint64_t taken_back = 0;

	for (round = 0; round < 20 && (round < 3 || !whole || !taken_back); round++) {
		struct hole_filler filler = { .pages = map_hole(HOLES) };
		pthread_t thread = thread_start(fill_holes, &filler);
		int err;

		atomic_store(&filler.go, true);
		err = mockgpu_migrate(dev, filler.pages, HOLES * PAGE, VRAM, ALL_OR_NOTHING,
				      &result, NULL);
		atomic_store(&filler.stop, true);
		thread_join(thread);
		CHECK_EQ(result.count[ALREADY], 0);
		if (err) {
			CHECK_EQ(err, -EBUSY);
			CHECK_EQ(result.count[MOVED], 0);
		} else {
			CHECK_EQ(result.count[MOVED], HOLES);
			whole++;
		}
		for (size_t i = 0; i < HOLES; i++) {
			char byte = *(char *)AT(filler.pages, i);

			CHECK(!byte || (i % 64 == 63 && byte == 1));
		}
		unmap(filler.pages, HOLES);
		after = gpu_counters(dev);
		taken_back = after.pages_to_system - before.pages_to_system;
	}
	note("%u of %u moved whole, %llu pages were taken back", whole, round,
	     (unsigned long long)taken_back);
	CHECK_GE(whole, 1);
	CHECK_EQ(after.vram_used_bytes, before.vram_used_bytes);
	/* Only what really went is counted; by now all of it has come home in one way or the other. */
	CHECK_EQ(after.pages_to_vram - before.pages_to_vram,
		 taken_back + after.pages_cpu_fault - before.pages_cpu_fault);
	if (!taken_back)
		skip("no hole was filled at the right moment");
}

struct mover {
	void *pages;
	int started;
};

static void move_to_and_fro(void *arg)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct mover *mover = arg;
	bool vram = true;

	gate_open(mover->started, 1);
	for (;; vram = !vram)
		mockgpu_migrate(dev, mover->pages, HOLES * PAGE, vram ? VRAM : SYSTEM,
				ALL_OR_NOTHING, NULL, NULL);
}

/* Whoever is killed on the way leaves no VRAM behind, and the one it shares its pages with them. */
static void A4_killed_on_the_way(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	uint16_t tag = new_tag();
	struct mover mover = { map_filled(HOLES, tag), gate_new() };
	struct drm_mockgpu_counters c = gpu_counters(dev);

	for (unsigned int round = 0; round < 20 / slowness(); round++) {
		pid_t pid = spawn(move_to_and_fro, &mover);

		gate_wait(mover.started);
		sleep_ms(20 + (unsigned int)random_below(60));
		CHECK_SYS(kill(pid, SIGKILL));
		join_killed(pid, SIGKILL);
		CHECK_FILL(mover.pages, HOLES, tag, 0);
		CHECK_EQ(gpu_counters(dev).vram_used_bytes, c.vram_used_bytes);
	}
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(A3_each_page_says_why),
	SCENARIO(A3_vma_edges),
	SCENARIO(A3_hugetlb),
	SCENARIO(A3_special_mapping),
	SCENARIO(A3_private_file_mapping),
	SCENARIO(A4_best_effort_and_all_or_nothing),
	SCENARIO(A4_pinned_page),
	SCENARIO(A4_page_in_a_pipe),
	SCENARIO(A4_no_room_for_all),
	SCENARIO(A4_too_long_for_all_or_nothing),
	SCENARIO(A4_holes_are_filled_meanwhile),
	SCENARIO(A4_killed_on_the_way),
	{ 0 }
};
