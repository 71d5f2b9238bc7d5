/* SPDX-License-Identifier: MIT */
/*
 * Memory of the test process: mappings, contents, and what /proc says of them.
 *
 * Contents: each 8-byte word of a page holds the tag of its fill, the page's number and the word's
 * number, so that a page that is stale, swapped with another, or partly copied is noticed, and the
 * message can say whose it was.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PAGE		4096UL
#define HUGE		(512 * PAGE)
#define WORDS		(PAGE / sizeof(uint64_t))
#define AT(p, page)	((void *)((char *)(p) + (size_t)(page) * PAGE))

/*
 * Private anonymous memory, not huge, that is not there yet; a guard page on either side keeps it
 * a VMA of its own.  Less than 2 MiB lie within one range that the device migrates at once.
 */
void *map_hole(size_t pages);
/* The same with contents, in system memory. */
void *map_filled(size_t pages, uint16_t tag);
/* A 2 MiB aligned block with contents, a huge page where there is one to be had. */
void *map_huge(uint16_t tag);
/* An empty address range of @pages, to put mappings into with MAP_FIXED. */
void *map_arena(size_t pages);
/* A page of memory that children share. */
void *map_shared(size_t pages);
/* A file in memory, with contents unless @tag is 0. */
int make_memfd(size_t pages, uint16_t tag);
/* A mapping at this address; anonymous ones are not huge. */
void map_fixed(void *p, size_t pages, int protection, int flags, int fd);
void unmap(void *p, size_t pages);

/* A tag that no other fill of this scenario has. */
uint16_t new_tag(void);
/* @first: number of the first page, for a part of a larger fill. */
void fill(void *p, size_t pages, uint16_t tag, size_t first);
uint64_t fill_word(uint16_t tag, size_t page, size_t word);

#define CHECK_FILL(p, pages, tag, first) \
	check_fill(__FILE__, __LINE__, (p), (pages), (tag), (first))
#define CHECK_ZERO(p, pages) check_zero(__FILE__, __LINE__, (p), (pages))

void check_fill(const char *file, int line, const void *p, size_t pages, uint16_t tag,
		size_t first);
void check_zero(const char *file, int line, const void *p, size_t pages);

/* Whether the CPU may read (write) a byte there; false: SIGSEGV.  SIGBUS fails the scenario. */
bool can_read(const void *p);
bool can_write(void *p);

/* Pages of the mapping around @p that /proc/self/smaps counts as resident. */
size_t rss_of(const void *p);
/* Pages of the process that /proc/self/statm counts as resident. */
size_t rss_total(void);
/* kB of a line of /proc/meminfo. */
size_t meminfo_kb(const char *key);

/*
 * Memory that is free, with no caches in the way.  MemFree leaves out what lies on the lists of
 * each CPU, up to an eighth of the memory.
 */
size_t free_memory_kb(void);

/* An entry of /proc/PID/pagemap. */
struct pagemap {
	bool present;		/* an ordinary page */
	bool vram;		/* a device-private entry */
	bool vram_write;	/* ... that may be written */
	uint64_t pfn;		/* of either */
};
/* @pid 0: this process. */
struct pagemap pagemap_of(pid_t pid, const void *p);
/* Of each of @pages of this process, the number of its frame; 0 where it is no ordinary page. */
void frames_of(const void *p, size_t pages, uint64_t *frames);

/* A file of /proc or /sys: read as a number; written. */
long long read_number(const char *path);
void write_number(const char *path, long long value);
/* Writes all of @text at once, as sysfs wants it.  Returns 0 or a negative errno. */
int write_text(const char *path, const char *text);

/* A page that was taken out of use by way of a test may be used again, where the kernel can. */
void page_back_in_use(uint64_t pfn);

/* A bit of /proc/kpageflags. */
bool page_has_flag(uint64_t pfn, unsigned int bit);

#endif
