// SPDX-License-Identifier: MIT
/* See memory.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"

static bool in_one_batch(const char *p, size_t pages)
{
	return (uintptr_t)p / HUGE == ((uintptr_t)p + pages * PAGE - 1) / HUGE;
}

void *map_hole(size_t pages)
{
	char *p = mmap(NULL, (pages + 2) * PAGE, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK(p != MAP_FAILED);
	p += PAGE;
	/* What was got stays, so that the next is elsewhere. */
	if (pages < HUGE / PAGE && !in_one_batch(p, pages))
		return map_hole(pages);
	CHECK_SYS(madvise(p, pages * PAGE, MADV_NOHUGEPAGE));
	CHECK_SYS(mprotect(p, pages * PAGE, PROT_READ | PROT_WRITE));
	return p;
}

void *map_filled(size_t pages, uint16_t tag)
{
	void *p = map_hole(pages);

	fill(p, pages, tag, 0);
	return p;
}

void *map_huge(uint16_t tag)
{
	char *p = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *aligned;

	CHECK(p != MAP_FAILED);
	aligned = (char *)(((uintptr_t)p + HUGE - 1) & ~(HUGE - 1));
	CHECK_SYS(madvise(aligned, HUGE, MADV_HUGEPAGE));
	fill(aligned, HUGE / PAGE, tag, 0);
	/* What is there stays huge; khugepaged, which would bring VRAM pages home, stays away. */
	CHECK_SYS(madvise(aligned, HUGE, MADV_NOHUGEPAGE));
	return aligned;
}

void *map_arena(size_t pages)
{
	/* Far from where the kernel puts mappings of its own choice, or it would use the range. */
	static uintptr_t next = 0x200000000000;
	void *p = (void *)next;

	CHECK(mmap(p, pages * PAGE, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0) == p);
	CHECK_SYS(munmap(p, pages * PAGE));
	next += 1UL << 30;
	return p;
}

void *map_shared(size_t pages)
{
	void *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

int make_memfd(size_t pages, uint16_t tag)
{
	int fd = (int)CHECK_SYS(memfd_create("scenario", MFD_CLOEXEC));
	uint64_t buffer[WORDS];

	CHECK_SYS(ftruncate(fd, (off_t)(pages * PAGE)));
	for (size_t i = 0; tag && i < pages; i++) {
		fill(buffer, 1, tag, i);
		CHECK_EQ(pwrite(fd, buffer, PAGE, (off_t)(i * PAGE)), PAGE);
	}
	return fd;
}

void map_fixed(void *p, size_t pages, int protection, int flags, int fd)
{
	CHECK(mmap(p, pages * PAGE, protection, flags | MAP_FIXED, fd, 0) == p);
	if (fd < 0)
		CHECK_SYS(madvise(p, pages * PAGE, MADV_NOHUGEPAGE));
}

void unmap(void *p, size_t pages)
{
	CHECK_SYS(munmap(p, pages * PAGE));
}

uint16_t new_tag(void)
{
	static uint16_t last;

	/* The upper half is random, so that leftovers of an earlier scenario stand out. */
	if (!last)
		last = (uint16_t)(random_u64() & 0x7f00) | 0x8000;
	return ++last;
}

uint64_t fill_word(uint16_t tag, size_t page, size_t word)
{
	return (uint64_t)tag << 48 | (uint64_t)page << 16 | word;
}

void fill(void *p, size_t pages, uint16_t tag, size_t first)
{
	uint64_t *word = p;

	for (size_t page = 0; page < pages; page++)
		for (size_t i = 0; i < WORDS; i++)
			*word++ = fill_word(tag, first + page, i);
}

void check_fill(const char *file, int line, const void *p, size_t pages, uint16_t tag,
		size_t first)
{
	const uint64_t *word = p;

	for (size_t page = 0; page < pages; page++)
		for (size_t i = 0; i < WORDS; i++, word++) {
			uint64_t want = fill_word(tag, first + page, i), got = *word;

			if (got != want)
				fail_at(file, line,
					"page %zu of %zu word %zu: expected tag %x page %zu (%llx), got %llx",
					page, pages, i, tag, first + page,
					(unsigned long long)want, (unsigned long long)got);
		}
}

void check_zero(const char *file, int line, const void *p, size_t pages)
{
	const uint64_t *word = p;

	for (size_t i = 0; i < pages * WORDS; i++, word++)
		if (*word)
			fail_at(file, line, "page %zu of %zu, word %zu: expected 0, got %llx",
				i / WORDS, pages, i % WORDS, (unsigned long long)*word);
}

static sigjmp_buf access_failed;

static void on_segv(int signal)
{
	siglongjmp(access_failed, signal);
}

static bool can_access(volatile char *p, bool write)
{
	struct sigaction action = { .sa_handler = on_segv }, old;
	volatile bool ok = false;

	CHECK_SYS(sigaction(SIGSEGV, &action, &old));
	if (!sigsetjmp(access_failed, 1)) {
		char c = *p;

		if (write)
			*p = c;
		ok = true;
	}
	CHECK_SYS(sigaction(SIGSEGV, &old, NULL));
	return ok;
}

bool can_read(const void *p)
{
	return can_access((char *)(uintptr_t)p, false);
}

bool can_write(void *p)
{
	return can_access(p, true);
}

size_t rss_of(const void *p)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	bool in_it = false;
	char line[512];
	size_t kb = 0;

	CHECK(file != NULL);
	while (fgets(line, sizeof(line), file)) {
		unsigned long start, end;

		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			in_it = (uintptr_t)p >= start && (uintptr_t)p < end;
		else if (in_it && sscanf(line, "Rss: %zu kB", &kb) == 1)
			break;
	}
	fclose(file);
	return kb * 1024 / PAGE;
}

size_t rss_total(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	size_t size, resident;

	CHECK(file != NULL);
	CHECK_EQ(fscanf(file, "%zu %zu", &size, &resident), 2);
	fclose(file);
	return resident;
}

size_t meminfo_kb(const char *key)
{
	FILE *file = fopen("/proc/meminfo", "re");
	size_t n = strlen(key), kb = 0;
	bool found = false;
	char line[256];

	CHECK(file != NULL);
	while (!found && fgets(line, sizeof(line), file))
		found = !strncmp(line, key, n) && sscanf(line + n, ": %zu kB", &kb) == 1;
	fclose(file);
	CHECK(found);
	return kb;
}

/*
 * Bit 63: present; bit 62: an entry of another kind, whose lower five bits are its type and the
 * bits above them the page's frame number.  The types stand at the end of the 32 there are; with
 * memory failure, migration and device memory configured, as they are wherever VRAM can be
 * device-private, those of a device-private page are 28 (writable) and 29 (read-only).
 */
#define PM_PRESENT	(1ULL << 63)
#define PM_SWAP		(1ULL << 62)
#define PM_FRAME	((1ULL << 55) - 1)
#define PM_TYPE		31
#define PM_TYPE_BITS	5
#define TYPE_VRAM_WRITE	28
#define TYPE_VRAM_READ	29

struct pagemap pagemap_of(pid_t pid, const void *p)
{
	char path[64] = "/proc/self/pagemap";
	struct pagemap map = { 0 };
	uint64_t entry;
	int fd;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
	fd = (int)CHECK_SYS(open(path, O_RDONLY | O_CLOEXEC));
	CHECK_EQ(pread(fd, &entry, sizeof(entry), (off_t)((uintptr_t)p / PAGE * sizeof(entry))),
		 sizeof(entry));
	close(fd);
	map.present = entry & PM_PRESENT;
	map.pfn = entry & PM_FRAME;
	if (entry & PM_SWAP) {
		unsigned int type = entry & PM_TYPE;

		map.vram = type == TYPE_VRAM_WRITE || type == TYPE_VRAM_READ;
		map.vram_write = type == TYPE_VRAM_WRITE;
		map.pfn >>= PM_TYPE_BITS;
	}
	return map;
}

void frames_of(const void *p, size_t pages, uint64_t *frames)
{
	int fd = (int)CHECK_SYS(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
	size_t bytes = pages * sizeof(*frames);

	CHECK_EQ(pread(fd, frames, bytes, (off_t)((uintptr_t)p / PAGE * sizeof(*frames))), bytes);
	close(fd);
	for (size_t i = 0; i < pages; i++)
		frames[i] = frames[i] & PM_PRESENT ? frames[i] & PM_FRAME : 0;
}

long long read_number(const char *path)
{
	FILE *file = fopen(path, "re");
	long long value;

	if (!file)
		FAIL("%s: %s", path, strerror(errno));
	CHECK_EQ(fscanf(file, "%lld", &value), 1);
	fclose(file);
	return value;
}

void write_number(const char *path, long long value)
{
	FILE *file = fopen(path, "we");

	if (!file || fprintf(file, "%lld\n", value) < 0 || fclose(file))
		FAIL("%s: cannot write %lld: %s", path, value, strerror(errno));
}

int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC), ret = 0;
	ssize_t written;

	if (fd < 0)
		return -errno;
	written = write(fd, text, strlen(text));
	if (written != (ssize_t)strlen(text))
		ret = written < 0 ? -errno : -EIO;
	close(fd);
	return ret;
}

void page_back_in_use(uint64_t pfn)
{
	uint64_t end = now_ns() + BOUND_NS;
	char text[32];
	int err;

	if (system("modprobe -q hwpoison-inject"))
		return;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)pfn);
	/* Somebody may be looking at it yet. */
	do {
		err = write_text("/sys/kernel/debug/hwpoison/unpoison-pfn", text);
	} while (err == -EBUSY && now_ns() < end);
	CHECK_EQ(err, 0);
}

bool page_has_flag(uint64_t pfn, unsigned int bit)
{
	int fd = (int)CHECK_SYS(open("/proc/kpageflags", O_RDONLY | O_CLOEXEC));
	uint64_t flags = 0;

	CHECK_EQ(pread(fd, &flags, sizeof(flags), (off_t)(pfn * sizeof(flags))), sizeof(flags));
	close(fd);
	return flags & 1ULL << bit;
}

size_t free_memory_kb(void)
{
	size_t count, pages = 0;
	char line[256];
	FILE *file;

	CHECK_EQ(system("udevadm settle 2>/dev/null; sync; cat /proc/sys/vm/stat_refresh"), 0);
	write_number("/proc/sys/vm/drop_caches", 3);
	file = fopen("/proc/zoneinfo", "re");
	CHECK(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " count: %zu", &count) == 1 ||
		    sscanf(line, " nr_free_pages %zu", &count) == 1)
			pages += count;
	fclose(file);
	return pages * PAGE / 1024;
}
