// SPDX-License-Identifier: MIT
/*
 * Memory that cannot live in VRAM: files, shared memory, huge pages of hugetlbfs, special mappings.
 * The device uses it where it is, a migration names the reason, and writes reach the file: row I5.
 * But what the kernel itself does not reach, no device does.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "disk.h"
#include "process.h"
#include "queue.h"

#define N 16

/* Never there, not even for as long as it is looked at. */
static void check_refused(struct mockgpu_device *dev, void *p, size_t pages, uint8_t why)
{
	struct drm_mockgpu_counters c = gpu_counters(dev);
	uint8_t want[HUGE / PAGE];

	memset(want, why, pages);
	CHECK_MIGRATE(dev, p, pages, MOCKGPU_TARGET_VRAM, 0, 0, want);
	CHECK_MIGRATE(dev, p, pages, MOCKGPU_TARGET_VRAM, MOCKGPU_MIGRATE_ALL_OR_NOTHING, -EBUSY,
		      want);
	CHECK_COUNTED(dev, &c);
}

/* The device sees what the CPU wrote, the CPU and the file what the device wrote. */
static void check_shared_use(struct mockgpu_device *dev, void *p, int fd, uint8_t why)
{
	uint16_t cpu = new_tag(), gpu = new_tag();
	struct queue q = queue_new(dev);
	uint64_t page[WORDS];

	fill(p, N, cpu, 0);
	GPU_CHECK_FILL(dev, p, N, cpu, 0);
	check_refused(dev, p, N, why);
	gpu_fill(dev, p, N, gpu, 0);
	CHECK_FILL(p, N, gpu, 0);
	RUN(q, cmd_copy(AT(p, 0), AT(p, 1), PAGE), .done = PAGE);
	CHECK_FILL(p, 1, gpu, 1);
	for (unsigned int i = 0; fd >= 0 && i < N; i++) {
		CHECK_EQ(pread(fd, page, PAGE, (off_t)(i * PAGE)), PAGE);
		CHECK_FILL(page, 1, gpu, i ? i : 1);
	}
	/* A write() to the file is seen by the device, through entries that it has. */
	for (unsigned int i = 0; fd >= 0 && i < N; i++) {
		fill(page, 1, cpu, i);
		CHECK_EQ(pwrite(fd, page, PAGE, (off_t)(i * PAGE)), PAGE);
	}
	if (fd >= 0)
		GPU_CHECK_FILL(dev, p, N, cpu, 0);
	queue_destroy(q);
}

static void I5_memfd(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	int fd = make_memfd(N, new_tag());
	void *p = map_arena(N);

	map_fixed(p, N, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	check_shared_use(dev, p, fd, MOCKGPU_PAGE_FILE);
	close(fd);
}

static void I5_shared_anonymous(void)
{
	struct mockgpu_device *dev = gpu_open(0);

	check_shared_use(dev, map_shared(N), -1, MOCKGPU_PAGE_FILE);
}

/* A hole in shared memory: the device's write makes the page, for everybody. */
static void I5_hole_in_shared_memory(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	int fd = make_memfd(N, 0);
	void *p = map_arena(N), *q = map_arena(N);
	struct stat stat;

	map_fixed(p, N, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	map_fixed(q, N, PROT_READ, MAP_SHARED, fd);
	check_refused(dev, p, N, MOCKGPU_PAGE_ABSENT);
	CHECK_SYS(fstat(fd, &stat));
	CHECK_EQ(stat.st_blocks, 0);
	gpu_fill(dev, p, 4, tag, 0);
	CHECK_FILL(q, 4, tag, 0);
	CHECK_SYS(fstat(fd, &stat));
	CHECK_EQ(stat.st_blocks * 512, 4 * PAGE);
	CHECK_SYS(ftruncate(fd, 2 * PAGE));
	CHECK_READ(dev, &stat, AT(p, 2), 1, -EFAULT, .fault_addr = (uintptr_t)AT(p, 2));
	GPU_CHECK_FILL(dev, p, 2, tag, 0);
	close(fd);
}

/* 2 MiB of hugetlbfs, private and shared. */
static void huge_tlb(int flags)
{
	struct mockgpu_device *dev = gpu_open(0);
	long long pools = read_number("/proc/sys/vm/nr_hugepages");
	uint16_t cpu = new_tag(), gpu = new_tag();
	void *p;

	write_number("/proc/sys/vm/nr_hugepages", pools + 2);
	p = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_HUGETLB | flags, -1, 0);
	if (p == MAP_FAILED)
		skip("no huge page for hugetlbfs");
	fill(p, HUGE / PAGE, cpu, 0);
	GPU_CHECK_FILL(dev, p, HUGE / PAGE, cpu, 0);
	check_refused(dev, p, HUGE / PAGE, MOCKGPU_PAGE_SPECIAL);
	gpu_fill(dev, AT(p, 100), 300, gpu, 100);
	CHECK_FILL(p, 100, cpu, 0);
	CHECK_FILL(AT(p, 100), 300, gpu, 100);
	CHECK_FILL(AT(p, 400), HUGE / PAGE - 400, cpu, 400);
	CHECK_SYS(munmap(p, HUGE));
	write_number("/proc/sys/vm/nr_hugepages", pools);
}

static void I5_hugetlb_private(void)
{
	huge_tlb(MAP_PRIVATE);
}

static void I5_hugetlb_shared(void)
{
	huge_tlb(MAP_SHARED);
}

/* Written twice, as the file system must be told of the second write as of the first. */
static void I5_file_shared(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tags[] = { new_tag(), new_tag(), new_tag() };
	uint64_t *page = map_hole(1);
	void *p = map_arena(N);
	int fd;

	disk_new(0);
	disk_mount();
	fd = (int)CHECK_SYS(open(DISK_DIR "/file", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	CHECK_SYS(ftruncate(fd, N * PAGE));
	map_fixed(p, N, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	for (unsigned int round = 0; round < ARRAY_SIZE(tags); round++) {
		int direct;

		gpu_fill(dev, p, N, tags[round], 0);
		check_refused(dev, p, N, MOCKGPU_PAGE_FILE);
		CHECK_SYS(fsync(fd));
		/* From the disk, past the page cache. */
		direct = (int)CHECK_SYS(open(DISK_DIR "/file", O_RDONLY | O_DIRECT | O_CLOEXEC));
		for (unsigned int i = 0; i < N; i++) {
			CHECK_EQ(pread(direct, page, PAGE, (off_t)(i * PAGE)), PAGE);
			CHECK_FILL(page, 1, tags[round], i);
		}
		close(direct);
		GPU_CHECK_FILL(dev, p, N, tags[round], 0);
	}
	/* What was not written out by anybody is when the file system goes. */
	gpu_fill(dev, p, N / 2, tags[0], 0);
	unmap(p, N);
	close(fd);
	disk_unmount();
	disk_mount_again();
	fd = (int)CHECK_SYS(open(DISK_DIR "/file", O_RDONLY | O_CLOEXEC));
	for (unsigned int i = 0; i < N; i++) {
		CHECK_EQ(pread(fd, page, PAGE, (off_t)(i * PAGE)), PAGE);
		CHECK_FILL(page, 1, tags[i < N / 2 ? 0 : 2], i);
	}
	close(fd);
	disk_unmount();
	disk_gone();
}

/* Private: what the process or its device wrote is anonymous, may move, and is not the file's. */
static void I5_file_private(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t in_file = new_tag(), mine = new_tag();
	int fd = make_memfd(N, in_file);
	uint8_t want[N];
	uint64_t page[WORDS];
	void *p = map_arena(N);

	map_fixed(p, N, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
	GPU_CHECK_FILL(dev, p, N, in_file, 0);
	check_refused(dev, p, N, MOCKGPU_PAGE_FILE);
	for (unsigned int i = 0; i < N; i += 2)
		gpu_fill(dev, AT(p, i), 1, mine, i);
	for (unsigned int i = 0; i < N; i++)
		want[i] = i % 2 ? MOCKGPU_PAGE_FILE : MOCKGPU_PAGE_MOVED;
	CHECK_MIGRATE(dev, p, N, MOCKGPU_TARGET_VRAM, 0, 0, want);
	for (unsigned int i = 0; i < N; i++) {
		GPU_CHECK_FILL(dev, AT(p, i), 1, i % 2 ? in_file : mine, i);
		CHECK_EQ(pread(fd, page, PAGE, (off_t)(i * PAGE)), PAGE);
		CHECK_FILL(page, 1, in_file, i);
		CHECK_FILL(AT(p, i), 1, i % 2 ? in_file : mine, i);
	}
	close(fd);
}

/* Mappings that have no pages of their own: the kernel's data for user space, its code there. */
static void I5_special_mappings(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	void *vdso = (void *)getauxval(AT_SYSINFO_EHDR);
	uint8_t special = MOCKGPU_PAGE_SPECIAL;
	char head[64];

	if (!vdso)
		skip("there is no vDSO");
	CHECK_MIGRATE(dev, vdso, 1, MOCKGPU_TARGET_VRAM, 0, 0, &special);
	/* It has pages, but none that a device may be given. */
	CHECK_EQ(mockgpu_write(dev, vdso, head, 1, NULL), -EPERM);
	CHECK_EQ(mockgpu_read(dev, head, vdso, sizeof(head), NULL), 0);
	CHECK_EQ(memcmp(head, vdso, sizeof(head)), 0);
}

/* Two pages of it are there, two not yet; before and behind them lies ordinary memory. */
static void *map_around_secret(uint16_t tag, uint16_t secret)
{
	int fd = (int)syscall(SYS_memfd_secret, 0);
	void *p = map_arena(N);

	if (fd < 0)
		skip("this kernel has no memfd_secret()");
	CHECK_SYS(ftruncate(fd, 4 * PAGE));
	map_fixed(p, N, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	map_fixed(AT(p, 4), 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	close(fd);
	fill(p, 4, tag, 0);
	fill(AT(p, 4), 2, secret, 0);
	fill(AT(p, 8), N - 8, tag, 8);
	return p;
}

/* The kernel has no address for it: to touch it would bring the machine down. */
static void I5_secret_memory(void)
{
	uint16_t tag = new_tag(), secret = new_tag();
	struct queue q = queue_new(gpu_open(0));
	void *p = map_around_secret(tag, secret);
	struct mockgpu_prefetched fetched;
	static uint64_t buffer[N * WORDS];
	struct mockgpu_access access;

	for (unsigned int i = 4; i < 8; i++) {
		uintptr_t at = (uintptr_t)AT(p, i);

		CHECK_READ(q.dev, buffer, AT(p, i), 8, -EFAULT, .fault_addr = at);
		CHECK_WRITE(q.dev, AT(p, i), buffer, 8, -EFAULT, .fault_addr = at);
		RUN(q, cmd_load(AT(p, i), 8), .error = -EFAULT, .fault_addr = at,
		    .access = MOCKGPU_ACCESS_READ);
		RUN(q, cmd_add(AT(p, i), 8, 1), .error = -EFAULT, .fault_addr = at,
		    .access = MOCKGPU_ACCESS_ATOMIC);
	}
	CHECK_PLACE(q.dev, AT(p, 4), 4, MOCKGPU_RES_UNMAPPED);
	check_refused(q.dev, AT(p, 4), 4, MOCKGPU_PAGE_SPECIAL);
	/* Nor is it mapped together with what lies beside it. */
	CHECK_EQ(mockgpu_advise(q.dev, p, N * PAGE, MOCKGPU_ADVICE_FAULT_AROUND, 4), 0);
	CHECK_EQ(mockgpu_read(q.dev, buffer, p, N * PAGE, &access), -EFAULT);
	CHECK_EQ(access.done, 4 * PAGE);
	CHECK_FILL(buffer, 4, tag, 0);
	CHECK_EQ(mockgpu_prefetch(q.dev, p, N * PAGE, MOCKGPU_PLACE_ANY, MOCKGPU_PREFETCH_WRITE,
				  NULL, &fetched), 0);
	CHECK_EQ(fetched.mapped, N - 4);
	GPU_CHECK_FILL(q.dev, AT(p, 8), N - 8, tag, 8);
	CHECK_FILL(AT(p, 4), 2, secret, 0);
	CHECK_ZERO(AT(p, 6), 2);
	CHECK_FILL(p, 4, tag, 0);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(I5_memfd),
	SCENARIO(I5_shared_anonymous),
	SCENARIO(I5_hole_in_shared_memory),
	SCENARIO(I5_hugetlb_private),
	SCENARIO(I5_hugetlb_shared),
	SCENARIO(I5_file_shared),
	SCENARIO(I5_file_private),
	SCENARIO(I5_special_mappings),
	SCENARIO(I5_secret_memory),
	{ 0 }
};
