/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_VRAM_COHERENT_H
#define MOCKGPU_VRAM_COHERENT_H

#include <linux/types.h>

/**
 * struct coherent_request - where real memory for VRAM is to come from
 * @start: physical address of a range, or 0 for blocks of the machine's memory
 * @bytes: size of that range
 */
struct coherent_request {
	u64 start;
	u64 bytes;
};

int coherent_parse(const char *text, struct coherent_request *request);
int coherent_open(const struct coherent_request *request, unsigned int devices, u64 bytes);
void coherent_close(void);

#endif
