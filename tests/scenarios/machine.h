/* SPDX-License-Identifier: MIT */
/* The machine that coherent VRAM takes memory of, and others that use its memory meanwhile. */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MB		(1UL << 20)
#define KB_PER_MB	1024UL
#define COHERENT	"vram=coherent vram_mb=256"

/* The machine as a scenario found it, without the module: machine_look(). */
extern struct machine {
	unsigned int online;	/* memory blocks */
	size_t total_kb;
} machine;

/* Unloads the module and looks; what the module says in the log counts from now on. */
void machine_look(void);
/* All of it is there again, and is in use. */
void machine_is_whole(void);

/* Loads the module, and says so; 0 or a negative errno.  It does not take longer than it may. */
int load(const char *parameters);
void unload(void);
/* The same, where what is to be put back first cannot wait for a failed check: an errno. */
int try_unload(void);
/* Loads COHERENT; skips on a small machine that may not have two blocks that can be taken. */
void load_or_skip(void);
/* On a machine that is busy it may be refused as well, in time; nothing is lost by either. */
void load_and_unload(void);

/*
 * The first range that memmap=SIZE$ADDRESS on the kernel's command line left out of the machine's
 * memory, as far as it is made of whole pieces of 128 MiB; false: there is none.
 */
bool range_left_out(uint64_t *start, uint64_t *bytes);
/* Whether /proc/iomem has this range as @what, or within a larger one that is @what. */
bool range_is(uint64_t start, uint64_t bytes, const char *what);

/* A process that uses memory. */
struct user {
	int ready, go;
	size_t pages;
	uint16_t tag;
	unsigned int pipes;
};

/* It uses so much of all over the machine; so many pages, in as many pipes, cannot be moved. */
pid_t user_start(struct user *user, size_t mb, unsigned int pipes);
/* It finds what it had there, and ends. */
void user_end(struct user *user, pid_t pid);
/* How much may be in use beside VRAM: a GiB, or what a small machine or a slow one has of it. */
size_t much_mb(void);

#endif
