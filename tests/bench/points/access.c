// SPDX-License-Identifier: MIT
/* The device at the process's memory: first access, further ones, and what ends that. */
#include <sys/mman.h>

#include "bench.h"

static char buffer[HUGE];

static void read_word_of_each(void)
{
	uint64_t word;

	for (size_t i = 0; i < N; i++)
		MUST(!mockgpu_read(dev, &word, AT(i), sizeof(word), NULL));
}

static void read_word(void)
{
	uint64_t word;

	MUST(!mockgpu_read(dev, &word, mem, sizeof(word), NULL));
}

static void write_all(void)
{
	MUST(!mockgpu_write(dev, mem, buffer, HUGE, NULL));
}

static void read_all(void)
{
	MUST(!mockgpu_read(dev, buffer, mem, HUGE, NULL));
}

static void read_each(void)
{
	for (size_t i = 0; i < N; i++)
		MUST(!mockgpu_read(dev, buffer, AT(i), PAGE, NULL));
}

static void write_each(void)
{
	for (size_t i = 0; i < N; i++)
		MUST(!mockgpu_write(dev, AT(i), buffer, PAGE, NULL));
}

static void protect(void)
{
	MUST(!mprotect(mem, HUGE, PROT_READ));
}

static void each_faulted(void)
{
	MUST(after.gpu_faults - before.gpu_faults == N);
}

static void one_faulted(void)
{
	MUST(after.gpu_faults - before.gpu_faults == 1);
}

static void none_faulted(void)
{
	MUST(after.gpu_faults == before.gpu_faults);
}

static void all_invalidated(void)
{
	MUST(after.invalidations - before.invalidations == 1);
	MUST(after.invalidated_pages != before.invalidated_pages);
}

const struct bench access_benches[] = {
	{ "gpu-fault-system-4k", "fault", N, 0, .run = read_word_of_each,
	  .check = each_faulted },
	{ "gpu-fault-vram-4k", "fault", N, 0, .vram = true, .run = read_word_of_each,
	  .check = each_faulted },
	{ "gpu-fault-system-2m", "fault", 1, 0, .huge = true, .run = read_word,
	  .check = one_faulted },
	{ "gpu-fault-vram-2m", "fault", 1, 0, .huge = true, .vram = true, .run = read_word,
	  .check = one_faulted },
	{ "read-system-4k", "page", N, PAGE, .prepare = write_all, .run = read_each,
	  .check = none_faulted },
	{ "read-vram-4k", "page", N, PAGE, .vram = true, .prepare = write_all, .run = read_each,
	  .check = none_faulted },
	{ "write-vram-4k", "page", N, PAGE, .vram = true, .prepare = write_all,
	  .run = write_each, .check = none_faulted },
	{ "read-vram-2m", "call", 1, HUGE, .huge = true, .vram = true, .prepare = write_all,
	  .run = read_all, .check = none_faulted },
	{ "invalidate-4k", "page", N, 0, .prepare = write_all, .run = protect,
	  .check = all_invalidated },
	{ "invalidate-2m", "folio", 1, 0, .huge = true, .prepare = write_all,
	  .run = protect, .check = all_invalidated },
	{ 0 }
};
