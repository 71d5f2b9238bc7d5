// SPDX-License-Identifier: MIT
/*
 * Atomic operations and exclusive access to system memory: rows D1, D3 to D6 and D8.
 *
 * A page in system memory is exclusive from the device's operation until a CPU touches it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"
#include "queue.h"

#define DROPS 600U

/* The device's entry of the page says so: mapped, with the right to write, in system memory. */
static bool device_has(struct queue q, const void *p)
{
	return gpu_res(q.dev, p) & MOCKGPU_RES_GPU;
}

/* The page is exclusive, and every word of it as it was. */
static void make_exclusive(struct queue q, volatile uint64_t *word)
{
	uint64_t adds = 3;

	RUN(q, cmd_add(word, 8, adds), .value = 2, .done = adds);
}

static void D1_the_cpu_takes_the_page_back(void)
{
	struct drm_mockgpu_counters before;
	struct drm_mockgpu_result result;
	struct queue q = queue_new(gpu_open_exclusive());
	volatile uint64_t *word = map_hole(1);

	*word = 0;
	make_exclusive(q, word);
	CHECK(device_has(q, (void *)(uintptr_t)word));
	/* It stays so: no further fault. */
	result = RUN(q, cmd_add(word, 8, 1000), .value = 1002, .done = 1000);
	CHECK_EQ(result.faults, 0);
	CHECK(!pagemap_of(0, (void *)(uintptr_t)word).present);

	before = gpu_counters(q.dev);
	CHECK_EQ(*word, 1003);
	CHECK(pagemap_of(0, (void *)(uintptr_t)word).present);
	CHECK(!device_has(q, (void *)(uintptr_t)word));
	CHECK_EQ(gpu_counters(q.dev).invalidated_pages - before.invalidated_pages, 1);
	*word = 5;
	RUN(q, cmd_add(word, 8, 1), .value = 5, .done = 1);
	CHECK_EQ(*word, 6);
}

/* The device reads and writes an exclusive page without giving it up. */
static void D1_other_commands_on_an_exclusive_page(void)
{
	struct queue q = queue_new(gpu_open_exclusive());
	uint64_t *page = map_filled(1, new_tag());
	struct drm_mockgpu_result result;

	page[0] = 0;
	make_exclusive(q, page);
	result = RUN(q, cmd_store(page + 1, 8, 77), .done = 8);
	CHECK_EQ(result.faults, 0);
	result = RUN(q, cmd_load(page, 8), .value = 3, .done = 8);
	CHECK_EQ(result.faults, 0);
	CHECK(!pagemap_of(0, page).present);
	CHECK_EQ(page[1], 77);
}

/* D3: the device's right ends with the process's. */
static void D3_read_only_after_exclusive(void)
{
	struct queue q = queue_new(gpu_open_exclusive());
	uint64_t *word = map_hole(1);

	*word = 0;
	make_exclusive(q, word);
	CHECK_SYS(mprotect(word, PAGE, PROT_READ));
	RUN(q, cmd_add(word, 8, 1), .error = -EPERM, .fault_addr = addr_of(word),
	    .access = MOCKGPU_ACCESS_ATOMIC);
	RUN(q, cmd_store(word, 8, 1), .error = -EPERM, .fault_addr = addr_of(word),
	    .access = MOCKGPU_ACCESS_WRITE);
	RUN(q, cmd_load(word, 8), .value = 3, .done = 8);
	CHECK_EQ(*word, 3);
	CHECK_SYS(mprotect(word, PAGE, PROT_READ | PROT_WRITE));
	RUN(q, cmd_add(word, 8, 1), .value = 3, .done = 1);
	CHECK_EQ(*word, 4);
}

static void D3_unmapped_after_exclusive(void)
{
	struct queue q = queue_new(gpu_open_exclusive());
	uint64_t *word = map_arena(1);

	for (unsigned int i = 0; i < 20; i++) {
		map_fixed(word, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
		make_exclusive(q, word);
		unmap(word, 1);
		RUN(q, cmd_add(word, 8, 1), .error = -EFAULT, .fault_addr = addr_of(word),
		    .access = MOCKGPU_ACCESS_ATOMIC);
	}
	map_fixed(word, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	make_exclusive(q, word);
	CHECK_SYS(madvise(word, PAGE, MADV_DONTNEED));
	CHECK_EQ(*word, 0);
	make_exclusive(q, word);
	CHECK_EQ(*word, 3);
}

struct dropper {
	void *page;
	atomic_uint round;
	atomic_uint dropped;
};

static void *drop_each_round(void *arg)
{
	struct dropper *dropper = arg;

	for (unsigned int i = 1; i <= DROPS; i++) {
		while (atomic_load(&dropper->round) < i)
			;
		for (volatile unsigned int delay = (unsigned int)(i * 7919 % 4000); delay; delay--)
			;
		CHECK_SYS(madvise(dropper->page, PAGE, MADV_DONTNEED));
		atomic_store(&dropper->dropped, i);
	}
	return NULL;
}

/* The page is dropped while it becomes exclusive: the device does not go on with the old one. */
static void D3_dropped_while_it_becomes_exclusive(void)
{
	struct queue q = queue_new(gpu_open_exclusive());
	struct drm_mockgpu_cmd cmd;
	struct dropper dropper = { .page = map_hole(1) };
	volatile uint64_t *word = dropper.page;
	struct drm_mockgpu_result result;
	unsigned int found = 0;
	pthread_t thread = thread_start(drop_each_round, &dropper);

	cmd = cmd_add(word, 8, 1);
	for (unsigned int i = 1; i <= DROPS; i++) {
		*word = 1000;
		atomic_store(&dropper.round, i);
		CHECK_EQ(mockgpu_run(q.dev, q.id, &cmd, 1, &result), 0);
		CHECK(result.value == 1000 || result.value == 0);
		found += result.value == 1000;
		while (atomic_load(&dropper.dropped) < i)
			;
		/* Both have the same page now, whichever came first. */
		CHECK_EQ(mockgpu_run(q.dev, q.id, &cmd, 1, &result), 0);
		CHECK_LE(result.value, 1);
		CHECK_EQ(*word, result.value + 1);
	}
	thread_join(thread);
	note("%u of %u came before the page was dropped", found, DROPS);
}

/* D4: memory that is not the process's alone; at once, and unchanged. */
static void refused(struct queue q, volatile void *p)
{
	uint64_t before = *(volatile uint64_t *)p, start = now_ns();

	RUN(q, cmd_add(p, 8, 1), .error = -EOPNOTSUPP, .fault_addr = addr_of(p),
	    .access = MOCKGPU_ACCESS_ATOMIC);
	CHECK_LE(now_ns() - start, NS_PER_S * slowness());
	CHECK_EQ(*(volatile uint64_t *)p, before);
	/* Ordinary access there is. */
	RUN(q, cmd_store(p, 8, 99), .done = 8);
	CHECK_EQ(*(volatile uint64_t *)p, 99);
}

static void D4_shared_memory_and_files(void)
{
	struct queue q = queue_new(gpu_open(0));
	char name[] = "/var/tmp/mockgpu-D4-XXXXXX";
	int fd = mkostemp(name, O_CLOEXEC);
	void *p = map_arena(4);

	refused(q, map_shared(1));
	map_fixed(p, 1, PROT_READ | PROT_WRITE, MAP_SHARED, make_memfd(1, new_tag()));
	refused(q, p);
	CHECK_SYS(fd);
	CHECK_SYS(unlink(name));
	CHECK_SYS(ftruncate(fd, PAGE));
	map_fixed(AT(p, 1), 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	refused(q, AT(p, 1));
}

/* A private mapping of a file: the first write makes the page anonymous, and that one can. */
static void D4_private_file_mapping(void)
{
	struct queue q = queue_new(gpu_open_exclusive());
	int fd = make_memfd(1, 0);
	uint64_t *p = map_arena(1), in_file;

	map_fixed(p, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
	CHECK_EQ(*p, 0);
	make_exclusive(q, p);
	CHECK_EQ(*p, 3);
	CHECK_EQ(pread(fd, &in_file, 8, 0), 8);
	CHECK_EQ(in_file, 0);
}

static void D4_hugetlb(void)
{
	struct queue q = queue_new(gpu_open(0));
	long long had = read_number("/proc/sys/vm/nr_hugepages");
	void *p;

	write_number("/proc/sys/vm/nr_hugepages", had + 1);
	p = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB,
		 -1, 0);
	if (p == MAP_FAILED) {
		write_number("/proc/sys/vm/nr_hugepages", had);
		skip("no huge page for hugetlb to be had");
	}
	memset(p, 1, HUGE);
	refused(q, AT(p, 5));
	CHECK_SYS(munmap(p, HUGE));
	write_number("/proc/sys/vm/nr_hugepages", had);
}

/* D5: of a huge page only the one is taken; all 512 can be reached, by both. */
static void D5_in_a_huge_page(void)
{
	static const unsigned int targets[] = { 0, 1, 255, 511 };
	struct queue q = queue_new(gpu_open_exclusive());
	uint16_t tag = new_tag();
	uint64_t *p = map_huge(tag);

	if (MOCKGPU_RES_ORDER(gpu_res(q.dev, p)) != 9)
		skip("no huge page to be had");
	for (unsigned int i = 0; i < ARRAY_SIZE(targets); i++) {
		uint64_t *word = AT(p, targets[i]);

		RUN(q, cmd_add(word, 8, 1), .value = fill_word(tag, targets[i], 0), .done = 1);
		CHECK(!pagemap_of(0, word).present);
		for (unsigned int page = 0; page < 512; page++)
			if (page != targets[i])
				CHECK(pagemap_of(0, AT(p, page)).present);
		RUN(q, cmd_atomic(MOCKGPU_ATOMIC_SUB, word, 8, 1, 1),
		    .value = fill_word(tag, targets[i], 0) + 1, .done = 1);
		CHECK_FILL(word, 1, tag, targets[i]);
	}
	GPU_CHECK_FILL(q.dev, p, 512, tag, 0);
	CHECK_FILL(p, 512, tag, 0);
}

/* Every page of it, one after the other, and then the CPU. */
static void D5_all_of_a_huge_page(void)
{
	struct queue q = queue_new(gpu_open_exclusive());
	uint16_t tag = new_tag();
	uint64_t *p = map_huge(tag);
	struct drm_mockgpu_cmd cmd = cmd_add(p, 8, 512);

	if (MOCKGPU_RES_ORDER(gpu_res(q.dev, p)) != 9)
		skip("no huge page to be had");
	cmd.stride = PAGE;
	RUN(q, cmd, .value = fill_word(tag, 511, 0), .done = 512);
	for (unsigned int page = 0; page < 512; page++) {
		uint64_t *word = AT(p, page);

		CHECK_EQ(word[0], fill_word(tag, page, 0) + 1);
		word[0]--;
	}
	CHECK_FILL(p, 512, tag, 0);
}

/* D6: where the page is makes no difference to the sum, and in VRAM it stays there. */
static void D6_in_vram(void)
{
	struct queue q = queue_new(gpu_open(0));
	uint64_t *word = map_filled(1, new_tag());
	struct drm_mockgpu_result result;

	*word = 0;
	TO_VRAM(q.dev, word, 1);
	result = RUN(q, cmd_add(word, 8, 5), .value = 4, .done = 5);
	CHECK_EQ(result.faults, 1);
	CHECK_PLACE(q.dev, word, 1, IN_VRAM);
	result = RUN(q, cmd_add(word, 8, 5), .value = 9, .done = 5);
	CHECK_EQ(result.faults, 0);
	CHECK_EQ(*word, 10);
}

/* A hole: the device makes the page. */
static void D6_where_nothing_is_yet(void)
{
	struct queue q = queue_new(gpu_open_exclusive());
	uint64_t *word = map_hole(2);

	RUN(q, cmd_add(word, 8, 5), .value = 4, .done = 5);
	CHECK_EQ(*word, 5);
	/* The zero page, which is everybody's. */
	CHECK_EQ(word[WORDS], 0);
	RUN(q, cmd_add(word + WORDS, 8, 5), .value = 4, .done = 5);
	CHECK_EQ(word[WORDS], 5);
	CHECK_ZERO(map_hole(1), 1);
}

/* Migration of a page that is exclusive, and what became of its contents. */
static void D6_an_exclusive_page_migrates(void)
{
	struct queue q = queue_new(gpu_open_exclusive());
	uint16_t tag = new_tag();
	uint64_t *p = map_filled(4, tag);

	RUN(q, cmd_add(AT(p, 1), 8, 1), .value = fill_word(tag, 1, 0), .done = 1);
	RUN(q, cmd_add(AT(p, 2), 8, 1), .value = fill_word(tag, 2, 0), .done = 1);
	TO_VRAM(q.dev, p, 4);
	RUN(q, cmd_atomic(MOCKGPU_ATOMIC_SUB, AT(p, 1), 8, 1, 1),
	    .value = fill_word(tag, 1, 0) + 1, .done = 1);
	RUN(q, cmd_atomic(MOCKGPU_ATOMIC_SUB, AT(p, 2), 8, 1, 1),
	    .value = fill_word(tag, 2, 0) + 1, .done = 1);
	CHECK_PLACE(q.dev, p, 4, IN_VRAM);
	CHECK_FILL(p, 4, tag, 0);
}

/* D8: who takes hold of an exclusive page gets the page, with its contents. */
static void D8_fork_of_an_exclusive_page(void)
{
	struct queue q = queue_new(gpu_open_exclusive());
	volatile uint64_t *word = map_hole(1), *seen = map_shared(1);
	int go = gate_new();
	pid_t child;

	*word = 0;
	make_exclusive(q, word);
	child = (pid_t)CHECK_SYS(fork());
	if (!child) {
		gate_wait(go);
		seen[0] = *word;
		*word = 1000;
		seen[1] = *word;
		_exit(0);
	}
	/* The parent's page, not the child's. */
	RUN(q, cmd_add(word, 8, 1), .value = 3, .done = 1);
	gate_open(go, 1);
	join(child);
	CHECK_EQ(seen[0], 3);
	CHECK_EQ(seen[1], 1000);
	CHECK_EQ(*word, 4);
	RUN(q, cmd_add(word, 8, 1), .value = 4, .done = 1);
	CHECK_EQ(*word, 5);
}

static void D8_io_with_an_exclusive_page(void)
{
	struct queue q = queue_new(gpu_open_exclusive());
	volatile uint64_t *word = map_hole(1);
	struct iovec mine = { (void *)(uintptr_t)word, 8 }, buffer;
	uint64_t value = 0;
	int pipes[2];

	buffer = (struct iovec){ &value, 8 };
	CHECK_SYS(pipe2(pipes, O_CLOEXEC));
	/* By the kernel's copy: out, and in. */
	*word = 0;
	make_exclusive(q, word);
	CHECK_EQ(write(pipes[1], (void *)(uintptr_t)word, 8), 8);
	CHECK_EQ(read(pipes[0], &value, 8), 8);
	CHECK_EQ(value, 3);
	*word = 0;
	make_exclusive(q, word);
	value = 11;
	CHECK_EQ(write(pipes[1], &value, 8), 8);
	CHECK_EQ(read(pipes[0], (void *)(uintptr_t)word, 8), 8);
	CHECK_EQ(*word, 11);
	/* By get_user_pages(). */
	*word = 0;
	make_exclusive(q, word);
	CHECK_EQ(process_vm_readv(getpid(), &buffer, 1, &mine, 1, 0), 8);
	CHECK_EQ(value, 3);
	*word = 0;
	make_exclusive(q, word);
	value = 13;
	CHECK_EQ(process_vm_writev(getpid(), &buffer, 1, &mine, 1, 0), 8);
	RUN(q, cmd_add(word, 8, 1), .value = 13, .done = 1);
	CHECK_EQ(*word, 14);
}

static void D8_direct_io_with_an_exclusive_page(void)
{
	struct queue q = queue_new(gpu_open_exclusive());
	char name[] = "/var/tmp/mockgpu-D8-XXXXXX";
	uint16_t tag = new_tag();
	uint64_t *p = map_filled(1, tag);
	int fd = mkostemp(name, O_CLOEXEC | O_DIRECT);

	if (fd < 0 && errno == EINVAL)
		skip("no direct I/O on /var/tmp");
	CHECK_SYS(fd);
	CHECK_SYS(unlink(name));
	RUN(q, cmd_add(p, 8, 1), .value = fill_word(tag, 0, 0), .done = 1);
	CHECK_EQ(pwrite(fd, p, PAGE, 0), PAGE);
	RUN(q, cmd_store(p, 8, 0), .done = 8);
	RUN(q, cmd_add(p, 8, 1), .value = 0, .done = 1);
	CHECK_EQ(pread(fd, p, PAGE, 0), PAGE);
	RUN(q, cmd_atomic(MOCKGPU_ATOMIC_SUB, p, 8, 1, 1), .value = fill_word(tag, 0, 0) + 1,
	    .done = 1);
	CHECK_FILL(p, 1, tag, 0);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(D1_the_cpu_takes_the_page_back),
	SCENARIO(D1_other_commands_on_an_exclusive_page),
	SCENARIO(D3_read_only_after_exclusive),
	SCENARIO(D3_unmapped_after_exclusive),
	SCENARIO(D3_dropped_while_it_becomes_exclusive),
	SCENARIO(D4_shared_memory_and_files),
	SCENARIO(D4_private_file_mapping),
	SCENARIO(D4_hugetlb),
	SCENARIO(D5_in_a_huge_page),
	SCENARIO(D5_all_of_a_huge_page),
	SCENARIO(D6_in_vram),
	SCENARIO(D6_where_nothing_is_yet),
	SCENARIO(D6_an_exclusive_page_migrates),
	SCENARIO(D8_fork_of_an_exclusive_page),
	SCENARIO(D8_io_with_an_exclusive_page),
	SCENARIO(D8_direct_io_with_an_exclusive_page),
	{ 0 }
};
