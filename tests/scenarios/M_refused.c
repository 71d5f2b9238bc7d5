// SPDX-License-Identifier: MIT
/*
 * Memory that coherent VRAM cannot have, wholly or half-way, and what it must not take (rows M):
 * the machine has all of it afterwards, and whoever asked knows why.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "blocks.h"
#include "harness.h"
#include "log.h"
#include "machine.h"
#include "memory.h"
#include "module.h"

/* Pages whose frames are looked up at once. */
#define AT_ONCE	512U

/*
 * Every block may have a page that stays: taken or refused, and nobody's data lost.  With the pins
 * gone it works as it did before; a debug kernel keeps for a while what was freed.
 */
static void M4_pinned_pages(void)
{
	struct user user;
	pid_t pid;
	int err;

	machine_look();
	load_or_skip();
	unload();
	machine_is_whole();
	pid = user_start(&user, much_mb(), 400);
	load_and_unload();
	user_end(&user, pid);
	err = load(COHERENT);
	CHECK(!err || (slowness() > 1 && err == -EBUSY));
	if (!err)
		unload();
	machine_is_whole();
}

/* The @nth of those blocks from the top that are in use before and not after. */
static unsigned int block_gone(const bool *before, const bool *after, unsigned int nth)
{
	for (unsigned int i = BLOCKS_MAX; i--; )
		if (before[i] && !after[i] && !--nth)
			return i;
	FAIL("not as many blocks were taken");
}

/*
 * A page of the third of four blocks; where none is to be had, as memory given back last is handed
 * out last, of the second or the fourth.  Says which block it is.
 */
static size_t page_of_a_block(uint64_t *p, size_t pages, const unsigned int *blocks,
			      unsigned int *block)
{
	size_t block_pages = block_mb() * MB / PAGE, found[4] = { 0 };
	static const unsigned int order[] = { 2, 1, 3 };
	uint64_t frames[AT_ONCE];

	for (size_t i = 0; i < pages && !found[2]; i++) {
		for (size_t n = i; n < i + AT_ONCE && i % AT_ONCE == 0; n++)
			p[n * WORDS] = n + 1;
		if (i % AT_ONCE == 0)
			frames_of(AT(p, i), AT_ONCE, frames);
		for (unsigned int n = 0; n < 4; n++)
			if (frames[i % AT_ONCE] / block_pages == blocks[n])
				found[n] = i + 1;
	}
	for (unsigned int n = 0; n < 3; n++) {
		if (!found[order[n]])
			continue;
		note("of block %u", order[n] + 1);
		*block = blocks[order[n]];
		return found[order[n]] - 1;
	}
	skip("no page of those blocks was to be had");
}

/*
 * Of four blocks the third cannot be had, as a page of it is held: it is passed over, is in use all
 * the while, and another is taken in its place, or those before it are given back.
 */
static void M4_the_third_block_is_held(void)
{
	static const char four[] = "vram=coherent vram_mb=512";
	bool before[BLOCKS_MAX], during[BLOCKS_MAX], again[BLOCKS_MAX];
	/* As much as there is, but for what the machine itself wants. */
	size_t kb = meminfo_kb("MemAvailable") - (192 << 10), i;
	size_t pages = kb * KB_PER_MB / PAGE / AT_ONCE * AT_ONCE;
	unsigned int blocks[4], third, now;
	int err, ends[2];
	uint64_t *p, word;

	machine_look();
	CHECK_LE(pages, machine.total_kb * KB_PER_MB / PAGE);
	if (block_mb() > 128)
		skip("the memory blocks of this machine are larger than 128 MiB");
	blocks_look(before);
	err = load(four);
	if (err) {
		CHECK_EQ(err, -EBUSY);
		machine_is_whole();
		skip("too few memory blocks of this machine can be taken");
	}
	blocks_look(during);
	unload();
	machine_is_whole();
	for (unsigned int n = 0; n < 4; n++)
		blocks[n] = block_gone(before, during, n + 1);

	p = map_hole(pages);
	/* Sooner taken. */
	CHECK_SYS(madvise(p, pages * PAGE, MADV_HUGEPAGE));
	i = page_of_a_block(p, pages, blocks, &third);
	CHECK_SYS(pipe(ends));
	CHECK_EQ(vmsplice(ends[1], &(struct iovec){ AT(p, i), 8 }, 1, 0), 8);
	if (i + 1 < pages)
		CHECK_SYS(munmap(AT(p, i + 1), (pages - i - 1) * PAGE));
	if (i)
		CHECK_SYS(munmap(p, i * PAGE));

	err = load(four);
	blocks_look(again);
	CHECK(again[third]);
	if (err) {
		CHECK(err == -EBUSY || err == -ETIME);
	} else {
		now = 0;
		for (unsigned int n = 0; n < BLOCKS_MAX; n++)
			now += before[n] && !again[n];
		CHECK_EQ(now, 4);
		unload();
	}
	machine_is_whole();
	CHECK_EQ(read(ends[0], &word, 8), 8);
	CHECK_EQ(word, i + 1);
	CHECK_EQ(p[i * WORDS], i + 1);
}

/*
 * Holds a page of each block that is not @spare, as far as it can have one, by a pipe; the page has
 * the number of its block.  Returns of how many.
 */
static unsigned int hold_blocks(const bool spare[BLOCKS_MAX], int pipes[BLOCKS_MAX])
{
	size_t pages = meminfo_kb("MemAvailable") * KB_PER_MB / PAGE / 8 * 7 / AT_ONCE * AT_ONCE;
	size_t block_pages = block_mb() * MB / PAGE, block;
	uint64_t *p = map_hole(pages), frames[AT_ONCE];
	unsigned int held = 0;
	int ends[2];

	/* Sooner taken. */
	CHECK_SYS(madvise(p, pages * PAGE, MADV_HUGEPAGE));
	for (size_t i = 0; i < pages; i++)
		p[i * WORDS] = 0;
	for (size_t i = 0; i < pages; i++) {
		if (i % AT_ONCE == 0)
			frames_of(AT(p, i), AT_ONCE, frames);
		block = frames[i % AT_ONCE] / block_pages;
		if (!frames[i % AT_ONCE] || block >= BLOCKS_MAX || spare[block] || pipes[block])
			continue;
		CHECK_SYS(pipe(ends));
		CHECK_EQ(vmsplice(ends[1], &(struct iovec){ AT(p, i), 8 }, 1, 0), 8);
		/* Until now it may have been moved. */
		if (pagemap_of(0, AT(p, i)).pfn / block_pages != block) {
			close(ends[0]);
			close(ends[1]);
			continue;
		}
		p[i * WORDS] = block;
		pipes[block] = ends[0];
		held++;
	}
	unmap(p, pages);
	return held;
}

/*
 * More than can be had, though not more than the machine could spare: of all blocks but a few a
 * page is held, and one block more than those few is asked for.  What was taken before that became
 * clear is back, and none of which a page is held was taken.
 */
static void M5_not_all_can_be_had(void)
{
	bool before[BLOCKS_MAX], during[BLOCKS_MAX], spare[BLOCKS_MAX];
	uint64_t old[BLOCKS_MAX], new[BLOCKS_MAX], word;
	unsigned int held, back = 0;
	int pipes[BLOCKS_MAX] = { 0 }, err;
	char parameters[64];
	unsigned long mb;

	machine_look();
	blocks_look(before);
	load_or_skip();
	blocks_look(during);
	unload();
	machine_is_whole();
	for (unsigned int i = 0; i < BLOCKS_MAX; i++)
		spare[i] = before[i] && !during[i];

	held = hold_blocks(spare, pipes);
	mb = (machine.online - held + 1) * block_mb();
	note("of %u blocks a page is held of %u", machine.online, held);
	/* A quarter stays, and what is to be available beside it. */
	if (mb > machine.total_kb / KB_PER_MB * 11 / 16 - 64)
		skip("no page of most memory blocks of this machine was to be had");
	blocks_known_by(old);
	log_begin();
	snprintf(parameters, sizeof(parameters), "vram=coherent vram_mb=%lu", mb);
	err = load(parameters);
	CHECK(err == -EBUSY || err == -ETIME);
	CHECK_EQ(log_count("mockgpu: "), 1);
	CHECK_EQ(module_unload(), -ENOENT);
	machine_is_whole();
	blocks_known_by(new);
	for (unsigned int i = 0; i < BLOCKS_MAX; i++) {
		back += old[i] != new[i];
		if (!pipes[i])
			continue;
		CHECK_EQ(new[i], old[i]);
		CHECK_EQ(read(pipes[i], &word, 8), 8);
		CHECK_EQ(word, i);
	}
	note("%u blocks were taken and given back", back);
	CHECK_GE(back, 1);
}

/* The floor: no load leaves the machine with less, and that is known at once. */
static void M5_the_machine_keeps_some(void)
{
	char parameters[64];
	uint64_t start;

	machine_look();
	snprintf(parameters, sizeof(parameters), "vram=coherent vram_mb=%zu",
		 machine.total_kb / KB_PER_MB * 7 / 8 / 2 * 2);
	start = now_ns();
	CHECK_EQ(load(parameters), -ENOMEM);
	CHECK_LE(now_ns() - start, BOUND_NS);
	CHECK_EQ(log_count("the machine would keep too little"), 1);
	machine_is_whole();
}

/* Each has its errno and one line. */
static void M8_what_cannot_be_had(void)
{
	static const struct {
		const char *parameters;
		int err;
		const char *line;
	} refused[] = {
		{ "vram=ram", -EINVAL, "vram=ram is not" },
		{ "vram=coherent,private", -EINVAL, "vram= has 2 values for 1 device" },
		{ "vram=coherent coherent_source=swap", -EINVAL, "coherent_source=swap is not" },
		{ "coherent_source=256M", -EINVAL, "coherent_source=256M is not" },
		{ "coherent_source=256M@", -EINVAL, "coherent_source=256M@ is not" },
		{ "coherent_source=0@0x8000000", -EINVAL, "is not" },
		{ "coherent_source=256M@0", -EINVAL, "is not" },
		{ "coherent_source=100M@0x8000000", -EINVAL, "multiples of 128M" },
		{ "coherent_source=256M@0x8000001", -EINVAL, "is not" },
		{ "coherent_source=256M@0xfffffffff8000000", -EINVAL, "is not" },
		{ "vram=coherent coherent_source=128M@0x8000000", -ENOSPC, "takes 256" },
		{ "vram=coherent coherent_source=256M@0x8000000", -EBUSY, "in use" },
		{ "vram=coherent coherent_source=256M@0x8000000000000000", -ERANGE, "cannot map" },
		{ "vram=coherent coherent_source=256M@0x4000000000", -ENXIO, "no memory" },
		{ "vram=coherent vram_mb=1048576", -ENOMEM, "would keep too little" },
		{ "vram=coherent devices=16 vram_mb=1048576", -ENOMEM, "would keep too little" },
	};

	machine_look();
	for (unsigned int i = 0; i < ARRAY_SIZE(refused); i++) {
		log_begin();
		CHECK_EQ(load(refused[i].parameters), refused[i].err);
		if (log_count(refused[i].line) != 1 || log_last_count() != 1)
			FAIL("%s: no line, or more than one", refused[i].parameters);
		CHECK_EQ(module_unload(), -ENOENT);
		machine_is_whole();
	}
}

/* What is private where the kernel can takes no memory out of the machine unless told to. */
static void M8_nothing_is_taken_unasked(void)
{
	static const char *const unasked[] = { "", "vram=auto", "vram=auto coherent_source=auto" };
	int err;

	machine_look();
	for (unsigned int i = 0; i < ARRAY_SIZE(unasked); i++) {
		log_begin();
		err = load(unasked[i]);
		machine_is_whole();
		if (err) {
			CHECK_EQ(err, -EOPNOTSUPP);
			CHECK_EQ(log_count("vram=coherent takes memory out of the machine"), 1);
			CHECK_EQ(log_last_count(), 1);
		} else {
			CHECK_EQ(log_count("took memory"), 0);
			unload();
		}
	}
	log_begin();
	err = load("vram=private");
	if (err) {
		CHECK_EQ(err, -EOPNOTSUPP);
		CHECK_EQ(log_count("vram=private needs CONFIG_DEVICE_PRIVATE"), 1);
	} else {
		unload();
	}
}

#define SCENARIO(name) { #name, name, 150, RELOADS }

const struct scenario scenarios[] = {
	SCENARIO(M4_pinned_pages),
	SCENARIO(M4_the_third_block_is_held),
	SCENARIO(M5_not_all_can_be_had),
	SCENARIO(M5_the_machine_keeps_some),
	SCENARIO(M8_what_cannot_be_had),
	SCENARIO(M8_nothing_is_taken_unasked),
	{ 0 }
};
