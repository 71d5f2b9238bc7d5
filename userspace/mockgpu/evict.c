// SPDX-License-Identifier: MIT
/* mockgpu evict: all pages of a device to system memory, whoever's they are. */
#include <errno.h>

#include "cmd.h"

static const char help[] =
	"Usage: mockgpu evict [OPTION]...\n"
	"Move everything that is in VRAM to system memory, whoever's it is. Takes CAP_SYS_ADMIN.\n"
	"\n"
	"  -d, --device DEVICE   number of a device, or its node; default all of them\n"
	"  -h, --help\n";

/* @arg: how many pages stayed, of all devices; added to. */
static int evict_one(struct mockgpu_device *dev, unsigned int index, void *arg)
{
	struct mockgpu_evicted result = { 0 };
	int ret = mockgpu_evict_all(dev, &result);
	unsigned long long *stayed = arg;

	(void)index;
	if (ret == -EACCES) {
		complain("no permission to evict others' pages (sudo mockgpu evict)");
		return EXIT_NO_PERMISSION;
	}
	printf("%s: %llu page%s evicted, %llu stayed\n", mockgpu_path(dev),
	       (unsigned long long)result.evicted, result.evicted == 1 ? "" : "s",
	       (unsigned long long)result.busy);
	*stayed += result.busy;
	if (!ret)
		return EXIT_FINE;
	complain("%s: %s", mockgpu_path(dev), strerror(-ret));
	return EXIT_FAILED;
}

int cmd_evict(int argc, char **argv)
{
	const char *which = NULL;
	const struct opt opts[] = {
		{ .name = "device", .letter = 'd', .value = &which },
		{ 0 },
	};
	unsigned long long stayed = 0;
	struct mockgpu_device *dev;
	int code;

	code = parse_options(argc, argv, opts, NULL, help);
	if (code >= 0)
		return code;
	if (which) {
		code = open_or_explain(&dev, which);
		if (code)
			return code;
		code = evict_one(dev, 0, &stayed);
		mockgpu_close(dev);
	} else {
		code = each_device(evict_one, &stayed);
	}
	return code ? code : stayed ? EXIT_FAILED : EXIT_FINE;
}
