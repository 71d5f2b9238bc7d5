// SPDX-License-Identifier: MIT
/* The command's front: picks a subcommand. */
#include <string.h>

#include "cmd.h"

static const char help[] =
	"Usage: mockgpu COMMAND [OPTION]...\n"
	"Look at, and play with, a GPU without the hardware.\n"
	"\n"
	"Commands:\n"
	"  bench   how fast pages move, faults are served and so on, on this machine\n"
	"  info    what the devices are and can do, and their counters\n"
	"  demo    a tour of about a minute: pages go to VRAM and come home\n"
	"  evict   move everything that is in VRAM to system memory, whoever's it is\n"
	"  map     do things to a range of memory and draw where each page is\n"
	"  points  the steps of the driver where a test can come in between\n"
	"  top     who uses how much of which device, and what happens there each second\n"
	"  trace   run a program and record what the devices do for it\n"
	"\n"
	"  mockgpu COMMAND --help    options of a command; man mockgpu says more\n"
	"  mockgpu --version\n"
	"\n"
	"Exit status: 0 fine, 1 failed, 2 wrong usage, 3 no device, 4 no permission;\n"
	"of trace that of the program.\n";

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	char *title;	/* what getopt begins its messages with */
} commands[] = {
	{ "bench", cmd_bench, (char []){ "mockgpu bench" } },
	{ "info", cmd_info, (char []){ "mockgpu info" } },
	{ "demo", cmd_demo, (char []){ "mockgpu demo" } },
	{ "points", cmd_points, (char []){ "mockgpu points" } },
	{ "evict", cmd_evict, (char []){ "mockgpu evict" } },
	{ "map", cmd_map, (char []){ "mockgpu map" } },
	{ "top", cmd_top, (char []){ "mockgpu top" } },
	{ "trace", cmd_trace, (char []){ "mockgpu trace" } },
};

/* Output that did not get out is a failure like any other. */
static int finish(int code)
{
	bool lost = ferror(stdout);

	if (fflush(stdout))
		lost = true;
	if (lost && !code) {
		complain("cannot write the output");
		return EXIT_FAILED;
	}
	return code;
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc < 2) {
		fputs(help, stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		fputs(help, stdout);
		return finish(EXIT_FINE);
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts("mockgpu " MOCKGPU_VERSION);
		return finish(EXIT_FINE);
	}
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(argv[1], commands[i].name))
			continue;
		argv[1] = commands[i].title;
		return finish(commands[i].run(argc - 1, argv + 1));
	}
	complain("there is no command '%s' (mockgpu --help lists them)", argv[1]);
	return EXIT_USAGE;
}
