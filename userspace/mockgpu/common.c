// SPDX-License-Identifier: MIT
/* Messages, options, sizes, and opening a device with an explanation when that fails. */
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

/* What getopt_long() returns for an option. */
static int opt_code(const struct opt *opts, size_t i)
{
	return opts[i].letter ? opts[i].letter : 256 + (int)i;
}

static int take_option(const struct opt *o, void *arg)
{
	if (o->flag)
		*o->flag = true;
	else if (o->value)
		*o->value = optarg;
	else
		return o->take(arg, o->name, optarg);
	return EXIT_FINE;
}

int parse_options_until(int argc, char **argv, const struct opt *opts, void *arg,
			const char *help, int *rest)
{
	struct option longs[OPTS_MAX + 2] = { { 0 } };
	char letters[2 * OPTS_MAX + 3] = "+";
	size_t n, used = 1, i;
	int code, ret;

	for (n = 0; opts[n].name && n < OPTS_MAX; n++) {
		longs[n].name = opts[n].name;
		longs[n].has_arg = opts[n].flag ? no_argument : required_argument;
		longs[n].val = opt_code(opts, n);
		if (opts[n].letter)
			letters[used++] = opts[n].letter;
		if (opts[n].letter && !opts[n].flag)
			letters[used++] = ':';
	}
	longs[n].name = "help";
	longs[n].val = 'h';
	letters[used++] = 'h';
	letters[used] = '\0';

	while ((code = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		if (code == 'h') {
			fputs(help, stdout);
			return EXIT_FINE;
		}
		for (i = 0; i < n && code != opt_code(opts, i);)
			i++;
		if (i == n) {	/* getopt has said why */
			fprintf(stderr, "%s --help lists the options\n", argv[0]);
			return EXIT_USAGE;
		}
		ret = take_option(&opts[i], arg);
		if (ret)
			return ret;
	}
	*rest = optind;
	return -1;
}

int parse_options(int argc, char **argv, const struct opt *opts, void *arg, const char *help)
{
	int rest, code = parse_options_until(argc, argv, opts, arg, help, &rest);

	if (code < 0 && rest < argc) {
		fprintf(stderr, "%s: takes no argument '%s'\n", argv[0], argv[rest]);
		return EXIT_USAGE;
	}
	return code;
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
		if (err == -ENOENT && !mockgpu_count()) {
			complain("no device: the module has none now (see man mockgpu-configfs)");
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
	} else if (parse_bytes(which, &index) && index < DEVICES_MAX) {
		ret = mockgpu_open(dev, (unsigned int)index);
	} else {
		complain("--device is a number from 0 to %u or the path of a node, not '%s'",
			 DEVICES_MAX - 1, which);
		return EXIT_USAGE;
	}
	return ret ? explain_open(ret, which) : 0;
}

int try_each_device(int (*visit)(struct mockgpu_device *dev, unsigned int index, void *arg),
		    void *arg, unsigned int *failed)
{
	int count = mockgpu_count(), seen = 0, ret;
	struct mockgpu_device *dev;
	unsigned int index;

	*failed = 0;
	if (!count)
		count = -ENOENT;
	if (count < 0)
		return count;
	for (index = 0; index < DEVICES_MAX && seen < count; index++) {
		ret = mockgpu_open(&dev, index);
		/* There is none of that number, or not for us: what was counted can be opened. */
		if (ret == -ENOENT || ret == -EACCES)
			continue;
		*failed = index;
		if (ret)
			return ret;
		ret = visit(dev, index, arg);
		mockgpu_close(dev);
		if (ret)
			return ret;
		seen++;
	}
	return EXIT_FINE;
}

int each_device(int (*visit)(struct mockgpu_device *dev, unsigned int index, void *arg),
		void *arg)
{
	unsigned int failed;
	char which[16];
	int ret = try_each_device(visit, arg, &failed);

	snprintf(which, sizeof(which), "%u", failed);
	return ret < 0 ? explain_open(ret, which) : ret;
}
