// SPDX-License-Identifier: MIT
/* mockgpu points: the control points of the driver. */
#include <errno.h>

#include "cmd.h"

static const char help[] =
	"Usage: mockgpu points [OPTION]...\n"
	"List the steps of the driver where a test can come in between.\n"
	"\n"
	"  -d, --device DEVICE   number of a device, or its node; default 0\n"
	"  -j, --json            for programs\n"
	"  -h, --help\n"
	"\n"
	"wait, fail: what a test can have it do. process, range, device: what that can be\n"
	"narrowed to. errno: the error can be chosen. holds-mmap-lock: who is held there keeps the\n"
	"process from changing its mappings.\n"
	"mockgpu-points(7) says what each of them is.\n";

/* What a point can do, in the order of the columns. */
static const struct {
	const char *name;
	uint32_t flag;
} abilities[] = {
	{ "wait", MOCKGPU_POINT_CAN_WAIT },
	{ "fail", MOCKGPU_POINT_CAN_FAIL },
	{ "process", MOCKGPU_POINT_HAS_MM },
	{ "range", MOCKGPU_POINT_HAS_ADDR },
	{ "device", MOCKGPU_POINT_HAS_DEVICE },
	{ "holds-mmap-lock", MOCKGPU_POINT_HOLDS_MM },
	{ "errno", MOCKGPU_POINT_TAKES_ERROR },
};

static void print_line(unsigned int number, const struct drm_mockgpu_point_info *info)
{
	int blanks = 21 - (int)strlen(info->name);
	size_t i;

	printf("%3u  %s", number, info->name);
	for (i = 0; i < ARRAY_SIZE(abilities); i++) {
		if (info->flags & abilities[i].flag) {
			printf("%*s%s", blanks, "", abilities[i].name);
			blanks = 1;
		} else if (i < 2) {	/* these two have columns */
			blanks += 5;
		}
	}
	putchar('\n');
}

static void print_json(unsigned int number, const struct drm_mockgpu_point_info *info)
{
	size_t i;

	printf("%s\n    { \"number\": %u, \"name\": \"%s\"", number ? "," : "", number, info->name);
	for (i = 0; i < ARRAY_SIZE(abilities); i++)
		printf(", \"%s\": %s", abilities[i].name,
		       info->flags & abilities[i].flag ? "true" : "false");
	printf(" }");
}

static int print_all(struct mockgpu_device *dev, bool json)
{
	struct drm_mockgpu_point_info info;
	unsigned int n;
	int ret;

	if (json)
		printf("{\n  \"points\": [");
	for (n = 0; !(ret = mockgpu_point_info(dev, n, &info)); n++)
		(json ? print_json : print_line)(n, &info);
	if (json)
		printf("\n  ]\n}\n");
	if (ret == -ENOENT)
		return EXIT_FINE;
	complain("cannot list the points: %s", strerror(-ret));
	return EXIT_FAILED;
}

int cmd_points(int argc, char **argv)
{
	const char *which = NULL;
	bool json = false;
	const struct opt opts[] = {
		{ .name = "device", .letter = 'd', .value = &which },
		{ .name = "json", .letter = 'j', .flag = &json },
		{ 0 },
	};
	struct mockgpu_device *dev;
	int code;

	code = parse_options(argc, argv, opts, NULL, help);
	if (code >= 0)
		return code;
	code = open_or_explain(&dev, which);
	if (code)
		return code;
	code = print_all(dev, json);
	mockgpu_close(dev);
	return code;
}
