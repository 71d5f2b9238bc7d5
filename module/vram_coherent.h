/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_VRAM_COHERENT_H
#define MOCKGPU_VRAM_COHERENT_H

#include <linux/types.h>

struct coherent_pool;

/**
 * struct coherent_request - where real memory for VRAM is to come from
 * @start: physical address of a range, or 0 for blocks of the machine's memory
 * @bytes: size of that range
 * @name: what messages call it
 * @unasked: blocks, but only for VRAM that is to be coherent in so many words
 */
struct coherent_request {
	u64 start;
	u64 bytes;
	const char *name;
	bool unasked;
};

int coherent_parse(const char *name, const char *text, struct coherent_request *request);
int coherent_open(const struct coherent_request *request, unsigned int devices, u64 bytes,
		  struct coherent_pool **pool);
void coherent_close(struct coherent_pool *pool);
bool coherent_bar(void);
void coherent_unbar(void);
bool coherent_is_held(void);

#endif
