// SPDX-License-Identifier: MIT
/*
 * I/O with memory that is in VRAM, each way that the kernel has to get at a process's pages by
 * itself: row H3.  Byte-exact, and only the pages that are touched come home, each once.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "disk.h"
#include "gpu.h"
#include "process.h"
#include "uring.h"

#define N 32

/*
 * A way to get bytes out of memory and into it.  @remote: another process does it, which does not
 * share the pages.
 */
struct way {
	void (*out)(void *to, void *from, size_t len);
	void (*in)(void *to, void *from, size_t len);
	bool remote;
	size_t unit;		/* of offsets and lengths */
};

/* Pieces of N pages: within a word, across a boundary, whole pages, some pages and odd ends. */
static const struct piece { size_t from, len; } pieces[] = {
	{ 8, 1 }, { PAGE + 4095, 2 }, { 4 * PAGE, PAGE }, { 6 * PAGE + 77, 3 * PAGE },
	{ 12 * PAGE, 8 * PAGE }, { 21 * PAGE - 5, 5 * PAGE + 10 }, { 31 * PAGE + 4093, 3 },
};

struct remote_job {
	const struct way *way;
	void *to, *from;
	size_t len;
	bool in;
};

static void run_remote_job(void *arg)
{
	struct remote_job *job = arg;

	(job->in ? job->way->in : job->way->out)(job->to, job->from, job->len);
}

static void transfer(const struct way *way, bool in, void *to, void *from, size_t len)
{
	struct remote_job job = { way, to, from, len, in };

	if (way->remote)
		join(spawn(run_remote_job, &job));
	else
		run_remote_job(&job);
}

/*
 * Every piece once out of VRAM and once into it.  @buffer, which another process can reach as
 * well, is where the bytes go to and come from.
 */
static void check_way(const struct way *way)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t old = new_tag(), new = new_tag();
	char *p = map_filled(N, old), *buffer = map_shared(N);
	char *model = map_filled(N, old), *other = map_filled(N, new);

	/* The other process must not share the pages: its fork() would make them read-only. */
	CHECK_SYS(madvise(p, N * PAGE, MADV_DONTFORK));
	for (unsigned int i = 0; i < 2 * ARRAY_SIZE(pieces); i++) {
		size_t from = pieces[i / 2].from / way->unit * way->unit;
		size_t len = (pieces[i / 2].len + way->unit - 1) / way->unit * way->unit;
		size_t touched = (from + len - 1) / PAGE - from / PAGE + 1;
		struct drm_mockgpu_counters c;
		uint8_t last[N * PAGE];

		CHECK_EQ(mockgpu_to_vram(dev, p, N * PAGE), 0);
		CHECK_PLACE(dev, p, N, IN_VRAM);
		c = gpu_counters(dev);
		memset(buffer, 0x5a, N * PAGE);
		if (i % 2) {
			memcpy(buffer, other + from, len);
			transfer(way, true, p + from, buffer, len);
			memcpy(model + from, other + from, len);
		} else {
			transfer(way, false, buffer, p + from, len);
			CHECK_EQ(memcmp(buffer, model + from, len), 0);
			CHECK_EQ(len == N * PAGE || buffer[len] == 0x5a, true);
		}
		CHECK_COUNTED(dev, &c, .pages_cpu_fault = touched,
			      .vram_used_bytes = -touched * PAGE);
		CHECK_EQ(mockgpu_read(dev, last, p, N * PAGE, NULL), 0);
		CHECK_EQ(memcmp(last, model, N * PAGE), 0);
	}
	CHECK_EQ(memcmp(p, model, N * PAGE), 0);
}

/* A pipe copies; it is the plain read() and write() of all files. */
static int pipe_ends[2];

static void pipe_new(void)
{
	CHECK_SYS(pipe2(pipe_ends, O_CLOEXEC));
	CHECK_GE(fcntl(pipe_ends[1], F_SETPIPE_SZ, N * PAGE), N * PAGE);
}

static void into_pipe(void *to, void *from, size_t len)
{
	CHECK_EQ(write(pipe_ends[1], from, len), len);
	CHECK_EQ(read(pipe_ends[0], to, len), len);
}

static void H3_read_and_write(void)
{
	static const struct way way = { into_pipe, into_pipe, false, 1 };

	pipe_new();
	check_way(&way);
}

/* Out without a copy; the way in has one. */
static void splice_out(void *to, void *from, size_t len)
{
	struct iovec held = { from, len };

	CHECK_EQ(vmsplice(pipe_ends[1], &held, 1, 0), len);
	CHECK_EQ(read(pipe_ends[0], to, len), len);
}

static void splice_in(void *to, void *from, size_t len)
{
	struct iovec into = { to, len };

	CHECK_EQ(write(pipe_ends[1], from, len), len);
	CHECK_EQ(vmsplice(pipe_ends[0], &into, 1, 0), len);
}

static void H3_vmsplice(void)
{
	static const struct way way = { splice_out, splice_in, false, 1 };

	pipe_new();
	check_way(&way);
}

static void readv_out(void *to, void *from, size_t len)
{
	/* Two pieces on either side, which end at different places. */
	struct iovec local[2] = { { to, len / 3 }, { (char *)to + len / 3, len - len / 3 } };
	struct iovec remote[2] = { { from, len / 2 }, { (char *)from + len / 2, len - len / 2 } };

	CHECK_EQ(process_vm_readv(getppid(), local, 2, remote, 2, 0), len);
}

static void writev_in(void *to, void *from, size_t len)
{
	struct iovec local[2] = { { from, len / 3 }, { (char *)from + len / 3, len - len / 3 } };
	struct iovec remote[2] = { { to, len / 2 }, { (char *)to + len / 2, len - len / 2 } };

	CHECK_EQ(process_vm_writev(getppid(), local, 2, remote, 2, 0), len);
}

static void H3_process_vm_readv_and_writev(void)
{
	static const struct way way = { readv_out, writev_in, true, 1 };

	check_way(&way);
}

static int parents_memory(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)getppid());
	return (int)CHECK_SYS(open(path, O_RDWR | O_CLOEXEC));
}

static void mem_out(void *to, void *from, size_t len)
{
	CHECK_EQ(pread(parents_memory(), to, len, (off_t)(uintptr_t)from), len);
}

static void mem_in(void *to, void *from, size_t len)
{
	CHECK_EQ(pwrite(parents_memory(), from, len, (off_t)(uintptr_t)to), len);
}

static void H3_proc_pid_mem(void)
{
	static const struct way way = { mem_out, mem_in, true, 1 };

	check_way(&way);
}

static void debug_start(void)
{
	int status;

	CHECK_SYS(ptrace(PTRACE_SEIZE, getppid(), NULL, NULL));
	CHECK_SYS(ptrace(PTRACE_INTERRUPT, getppid(), NULL, NULL));
	CHECK_EQ(waitpid(getppid(), &status, __WALL), getppid());
	CHECK(WIFSTOPPED(status));
}

static void peek(void *to, void *from, size_t len)
{
	debug_start();
	for (size_t i = 0; i < len; i += 8) {
		errno = 0;
		*(long *)((char *)to + i) = ptrace(PTRACE_PEEKDATA, getppid(), (char *)from + i,
						   NULL);
		CHECK_EQ(errno, 0);
	}
	CHECK_SYS(ptrace(PTRACE_DETACH, getppid(), NULL, NULL));
}

static void poke(void *to, void *from, size_t len)
{
	debug_start();
	for (size_t i = 0; i < len; i += 8)
		CHECK_SYS(ptrace(PTRACE_POKEDATA, getppid(), (char *)to + i,
				 *(void **)((char *)from + i)));
	CHECK_SYS(ptrace(PTRACE_DETACH, getppid(), NULL, NULL));
}

static void H3_ptrace(void)
{
	static const struct way way = { peek, poke, true, 8 };

	check_way(&way);
}

/* A debugger writes to what the process itself may only read. */
static void H3_debugger_writes_to_read_only_memory(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag();
	uint64_t *p = map_filled(4, tag), word = 0x1122334455667788;
	static const struct way way = { .in = poke, .remote = true };

	CHECK_SYS(madvise(p, 4 * PAGE, MADV_DONTFORK));
	TO_VRAM(dev, p, 4);
	CHECK_SYS(mprotect(p, 4 * PAGE, PROT_READ));
	GPU_CHECK_FILL(dev, p, 4, tag, 0);
	transfer(&way, true, p + WORDS, &word, 8);
	CHECK_EQ(p[WORDS], word);
	CHECK_PLACE(dev, p, 1, IN_VRAM);
	CHECK_PLACE(dev, p + WORDS, 1, TOUCHED(dev));
	CHECK_WRITE(dev, p + WORDS, &tag, 1, -EPERM, .fault_addr = (uintptr_t)(p + WORDS));
	CHECK_READ(dev, &word, p + WORDS + 1, 8, 0, .done = 8,
		   .faults = gpu_has(dev, MOCKGPU_CAP_PRIVATE));
	CHECK_EQ(word, fill_word(tag, 1, 1));
	CHECK_READ(dev, &word, p + WORDS, 8, 0, .done = 8);
	CHECK_EQ(word, 0x1122334455667788);
	CHECK_FILL(p + 2 * WORDS, 2, tag, 2);
}

static int disk_fd;

static void disk_out(void *to, void *from, size_t len)
{
	CHECK_EQ(pwrite(disk_fd, from, len, 0), len);
	CHECK_EQ(pread(disk_fd, to, len, 0), len);
}

/* The whole of the piece in one request. */
static void H3_direct_io_on_a_disk(void)
{
	static const struct way way = { disk_out, disk_out, false, 512 };

	disk_new(0);
	disk_fd = (int)CHECK_SYS(open(DISK, O_RDWR | O_DIRECT | O_CLOEXEC));
	check_way(&way);
	close(disk_fd);
	disk_gone();
}

static void H3_direct_io_on_a_file(void)
{
	static const struct way way = { disk_out, disk_out, false, 512 };

	disk_new(0);
	disk_mount();
	disk_fd = (int)CHECK_SYS(open(DISK_DIR "/file", O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC,
				      0600));
	check_way(&way);
	close(disk_fd);
	disk_unmount();
	disk_gone();
}

/*
 * Fixed buffers, direct, on a disk: pinned while registered, so they come home when that is done,
 * and then the I/O needs nothing of them.
 */
static void H3_io_uring_fixed_buffers(void)
{
	struct mockgpu_device *dev = gpu_open_private();
	struct uring ring = uring_new();
	uint16_t one = new_tag(), two = new_tag();
	char *p = map_filled(N, one), *back = map_hole(N);
	struct drm_mockgpu_counters c;

	disk_new(0);
	disk_fd = (int)CHECK_SYS(open(DISK, O_RDWR | O_DIRECT | O_CLOEXEC));
	TO_VRAM(dev, p, N);
	c = gpu_counters(dev);
	uring_pin(&ring, p, N * PAGE);
	CHECK_COUNTED(dev, &c, .pages_cpu_fault = N, .vram_used_bytes = -N * PAGE);
	CHECK_EQ(uring_do(&ring, IORING_OP_WRITE_FIXED, disk_fd, p, N * PAGE, 0), N * PAGE);
	CHECK_EQ(pread(disk_fd, back, N * PAGE, 0), N * PAGE);
	CHECK_FILL(back, N, one, 0);
	gpu_fill(dev, p, N, two, 0);
	CHECK_EQ(uring_do(&ring, IORING_OP_WRITE_FIXED, disk_fd, p + 3 * PAGE, 5 * PAGE,
			  3 * PAGE), 5 * PAGE);
	CHECK_EQ(uring_do(&ring, IORING_OP_READ_FIXED, disk_fd, p, N * PAGE, 0), N * PAGE);
	GPU_CHECK_FILL(dev, p, 3, one, 0);
	GPU_CHECK_FILL(dev, p + 3 * PAGE, 5, two, 3);
	GPU_CHECK_FILL(dev, p + 8 * PAGE, N - 8, one, 8);
	uring_unpin(&ring);
	uring_close(&ring);
	TO_VRAM(dev, p, N);
	CHECK_FILL(p + 3 * PAGE, 5, two, 3);
	close(disk_fd);
	disk_gone();
}

#define CORE_PATTERN "/proc/sys/kernel/core_pattern"
#define CORE_FILE "/tmp/mockgpu-core"

/* What the core file has for @len bytes at @p; unmapped by nobody. */
static const char *in_core(const void *p, size_t len)
{
	int fd = (int)CHECK_SYS(open(CORE_FILE, O_RDONLY | O_CLOEXEC));
	const Elf64_Phdr *header;
	const Elf64_Ehdr *elf;
	struct stat stat;

	CHECK_SYS(fstat(fd, &stat));
	elf = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(elf != MAP_FAILED);
	close(fd);
	header = (const void *)((const char *)elf + elf->e_phoff);
	for (unsigned int i = 0; i < elf->e_phnum; i++, header++) {
		size_t at = (uintptr_t)p - header->p_vaddr;

		if (header->p_type != PT_LOAD || (uintptr_t)p < header->p_vaddr ||
		    at + len > header->p_filesz)
			continue;
		CHECK_LE(header->p_offset + at + len, stat.st_size);
		return (const char *)elf + header->p_offset + at;
	}
	FAIL("the core file has no %zu bytes at %p", len, p);
}

struct victim {
	char *pages;
	size_t in_vram;
	uint16_t tag;
};

/* Crashes with the first of N pages in VRAM, some of which only the device has written. */
static void crash(void *arg)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	struct victim *victim = arg;
	struct mockgpu_device *dev = gpu_open(0);

	victim->pages = map_arena(N);
	map_fixed(victim->pages, N, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	fill(victim->pages, N, victim->tag, 0);
	TO_VRAM(dev, victim->pages, victim->in_vram);
	gpu_fill(dev, victim->pages, 2, victim->tag, 100);
	CHECK_SYS(setrlimit(RLIMIT_CORE, &all));
	abort();
}

static void H3_core_dump(void)
{
	static const size_t in_vram[] = { 1, N / 2, N };
	char old[256] = "";
	FILE *file = fopen(CORE_PATTERN, "re");

	CHECK(file && fgets(old, sizeof(old), file) && !fclose(file));
	CHECK_EQ(write_text(CORE_PATTERN, CORE_FILE), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(in_vram); i++) {
		struct victim *victim = map_shared(1);
		const char *core;

		victim->in_vram = in_vram[i];
		victim->tag = new_tag();
		join_killed(spawn(crash, victim), SIGABRT);
		core = in_core(victim->pages, N * PAGE);
		CHECK_FILL(core, 2, victim->tag, 100);
		CHECK_FILL(core + 2 * PAGE, N - 2, victim->tag, 2);
		CHECK_SYS(unlink(CORE_FILE));
	}
	CHECK_EQ(write_text(CORE_PATTERN, old), 0);
}

/* Crashes with 2 MiB in VRAM as one folio, if there is one to be had. */
static void crash_huge(void *arg)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	struct victim *victim = arg;
	struct mockgpu_device *dev = gpu_open(0);

	victim->pages = map_huge(victim->tag);
	TO_VRAM(dev, victim->pages, HUGE / PAGE);
	victim->in_vram = MOCKGPU_RES_ORDER(gpu_res(dev, victim->pages)) >= 9;
	CHECK_SYS(setrlimit(RLIMIT_CORE, &all));
	abort();
}

/*
 * An expected failure of the kernel's, which this shows: 7.2 takes a folio of 2 MiB in VRAM for a
 * hole when it writes a core file, and there are zeroes in it instead of the contents (in
 * get_dump_page(), which does not fault in what is not present at the level of 2 MiB).  So: the
 * contents, or nothing but zeroes; and nothing happens to anybody else.
 */
static void H3_core_dump_of_a_huge_folio(void)
{
	struct victim *victim = map_shared(1);
	char old[256] = "";
	FILE *file = fopen(CORE_PATTERN, "re");
	const uint64_t *core;

	gpu_needs(gpu_open(0), MOCKGPU_CAP_HUGE);
	CHECK(file && fgets(old, sizeof(old), file) && !fclose(file));
	CHECK_EQ(write_text(CORE_PATTERN, CORE_FILE), 0);
	victim->tag = new_tag();
	join_killed(spawn(crash_huge, victim), SIGABRT);
	core = (const void *)in_core(victim->pages, HUGE);
	if (victim->in_vram && !*core) {
		CHECK_ZERO(core, HUGE / PAGE);
		note("the kernel's defect: 2 MiB of zeroes in the core file");
	} else {
		CHECK_FILL(core, HUGE / PAGE, victim->tag, 0);
	}
	CHECK_SYS(unlink(CORE_FILE));
	CHECK_EQ(write_text(CORE_PATTERN, old), 0);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(H3_read_and_write),
	SCENARIO(H3_vmsplice),
	SCENARIO(H3_process_vm_readv_and_writev),
	SCENARIO(H3_proc_pid_mem),
	SCENARIO(H3_ptrace),
	SCENARIO(H3_debugger_writes_to_read_only_memory),
	SCENARIO(H3_direct_io_on_a_disk),
	SCENARIO(H3_direct_io_on_a_file),
	SCENARIO(H3_io_uring_fixed_buffers),
	SCENARIO(H3_core_dump),
	SCENARIO(H3_core_dump_of_a_huge_folio),
	{ 0 }
};
