// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dmirror.h"
#include "gpu.h"
#include "module.h"

static unsigned int first_node;

void dmirror_load(void)
{
	struct mockgpu_device *dev;
	char parameters[64];

	snprintf(parameters, sizeof(parameters), "devices=2 vram_mb=%u dmirror=1",
		 DMIRROR_VRAM_MB);
	module_reload_with(parameters);
	dev = gpu_open(0);
	first_node = gpu_has(dev, MOCKGPU_CAP_COHERENT) ? 2 : 0;
	mockgpu_close(dev);
}

int dmirror_open(unsigned int device)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/hmm_dmirror%u", first_node + device);
	return CHECK_SYS(open(path, O_RDWR | O_CLOEXEC));
}

uint8_t dmirror_local(void)
{
	return first_node ? DMIRROR_IS_COHERENT : DMIRROR_IS_PRIVATE;
}

int dmirror(int fd, unsigned long call, const void *p, size_t pages, void *data,
	    struct dmirror_args *args)
{
	struct dmirror_args own = { (uintptr_t)p, (uintptr_t)data, pages, 99, 99 };
	int err = ioctl(fd, call, &own) ? -errno : 0;

	if (args)
		*args = own;
	return err;
}

static void *buffer(size_t bytes)
{
	void *p = malloc(bytes);

	CHECK(p);
	memset(p, 0xee, bytes);
	return p;
}

void dmirror_to(const char *file, int line, int fd, void *p, size_t pages, uint16_t tag)
{
	void *data = buffer(pages * PAGE);
	struct dmirror_args args;

	check_eq(file, line, "migration", dmirror(fd, DMIRROR_TO_DEVICE, p, pages, data, &args), 0);
	check_eq(file, line, "pages", args.cpages, pages);
	check_fill(file, line, data, pages, tag, 0);
	free(data);
}

void dmirror_check(const char *file, int line, int fd, const void *p, size_t pages,
		   uint16_t tag, uint64_t faults)
{
	void *data = buffer(pages * PAGE);
	struct dmirror_args args;

	check_eq(file, line, "read", dmirror(fd, DMIRROR_READ, p, pages, data, &args), 0);
	check_eq(file, line, "pages", args.cpages, pages);
	check_eq(file, line, "faults", args.faults, faults);
	check_fill(file, line, data, pages, tag, 0);
	free(data);
}

void dmirror_check_is(const char *file, int line, int fd, const void *p, size_t pages,
		      uint8_t want)
{
	uint8_t *is = buffer(pages);
	struct dmirror_args args;

	check_eq(file, line, "snapshot", dmirror(fd, DMIRROR_SNAPSHOT, p, pages, is, &args), 0);
	check_eq(file, line, "pages", args.cpages, pages);
	for (size_t i = 0; i < pages; i++)
		check_eq(file, line, "what a page is", is[i], want);
	free(is);
}
