// SPDX-License-Identifier: MIT
/* Messages, sizes, and opening a device with an explanation when that fails. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"

void complain(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("mockgpu: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int point_to_help(const char *title)
{
	fprintf(stderr, "%s --help lists the options\n", title);
	return EXIT_USAGE;
}

bool has_argument(const char *name, int argc, char **argv)
{
	if (optind >= argc)
		return false;
	complain("%s takes no argument '%s'", name, argv[optind]);
	return true;
}

const char *bytes_str(char buf[BYTES_STR_MAX], uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t u = 0;

	while (bytes && !(bytes % 1024) && u + 1 < ARRAY_SIZE(units)) {
		bytes /= 1024;
		u++;
	}
	snprintf(buf, BYTES_STR_MAX, "%llu %s", (unsigned long long)bytes, units[u]);
	return buf;
}

bool parse_bytes(const char *s, uint64_t *bytes)
{
	unsigned long long n;
	unsigned int shift = 0;
	char *end;

	/* strtoull() would take a sign and leading blanks. */
	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	n = strtoull(s, &end, 0);
	if (errno)
		return false;
	if (*end == 'K' || *end == 'k')
		shift = 10;
	else if (*end == 'M' || *end == 'm')
		shift = 20;
	else if (*end == 'G' || *end == 'g')
		shift = 30;
	if (shift)
		end++;
	if (*end || n > UINT64_MAX >> shift)
		return false;
	*bytes = (uint64_t)n << shift;
	return true;
}

static bool module_loaded(void)
{
	return !access("/sys/module/mockgpu", F_OK);
}

int explain_open(int err, const char *which)
{
	switch (err) {
	case -ENOENT:
	case -EACCES:
		/* Another driver's node may be what could not be opened. */
		if (!module_loaded()) {
			complain("no device: the module is not loaded (sudo modprobe mockgpu)");
			return EXIT_NO_DEVICE;
		}
		if (err == -ENOENT) {
			complain("there is no device %s", which);
			return EXIT_NO_DEVICE;
		}
		/* fall through */
	case -EPERM:
		complain("no permission to open the render node of device %s (be root, or join its group: sudo usermod -aG render $USER, then log in again)",
			 which);
		return EXIT_NO_PERMISSION;
	case -ENOTSUP:
		complain("%s is not a mockgpu device", which);
		return EXIT_NO_DEVICE;
	case -ENODEV:
		complain("device %s is leaving", which);
		return EXIT_NO_DEVICE;
	default:
		complain("cannot open device %s: %s", which, strerror(-err));
		return EXIT_FAILED;
	}
}

int open_or_explain(struct mockgpu_device **dev, const char *which)
{
	uint64_t index;
	int ret;

	if (!which)
		which = "0";
	if (*which == '/') {
		ret = mockgpu_open_path(dev, which);
	} else if (parse_bytes(which, &index) && index <= 255) {
		ret = mockgpu_open(dev, (unsigned int)index);
	} else {
		complain("--device is a number from 0 to 255 or the path of a node, not '%s'", which);
		return EXIT_USAGE;
	}
	return ret ? explain_open(ret, which) : 0;
}
