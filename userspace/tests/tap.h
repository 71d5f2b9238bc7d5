/* SPDX-License-Identifier: MIT */
/* TAP in a few lines: ok() for each fact, done() at the end. */
#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stdio.h>

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#endif

static int tap_count, tap_failed;

static inline int __attribute__((format(printf, 2, 3))) ok(int right, const char *fmt, ...)
{
	va_list ap;

	tap_count++;
	tap_failed += !right;
	printf("%sok %d - ", right ? "" : "not ", tap_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	return right;
}

static inline int done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed || !tap_count ? 1 : 0;
}

#endif
