// SPDX-License-Identifier: MIT
/* Strings and numbers of JSON, and that a file is whole after each element. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "json.h"
#include "tap.h"

#define TAIL "\n]\n"

static struct json_file file;
static char content[1 << 20];

/* What is in the file now. */
static const char *written(int fd)
{
	ssize_t n = pread(fd, content, sizeof(content) - 1, 0);

	content[n < 0 ? 0 : n] = '\0';
	return content;
}

struct string_case {
	const char *what, *given, *want;
	size_t max;
};

static void test_strings(void)
{
	static const struct string_case cases[] = {
		{ "nothing", "", "\"\"", 9 },
		{ "quotes", "a\"b\\c", "\"a\\\"b\\\\c\"", 9 },
		{ "control characters", "\n\x1f", "\"\\u000a\\u001f\"", 9 },
		{ "the longest", "\x7f~", "\"\x7f~\"", 9 },
		{ "two bytes", "\xc3\xa9", "\"\xc3\xa9\"", 9 },
		{ "three bytes", "\xe2\x82\xac", "\"\xe2\x82\xac\"", 9 },
		{ "four bytes", "\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\"", 9 },
		{ "cut off", "a\xe2\x82\xac", "\"a\\ufffd\\ufffd\"", 3 },
		{ "cut off by the end", "\xe2\x82", "\"\\ufffd\\ufffd\"", 9 },
		{ "longer than need be", "\xc0\x80", "\"\\ufffd\\ufffd\"", 9 },
		{ "a surrogate", "\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"", 9 },
		{ "beyond Unicode", "\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"", 9 },
		{ "no end", "abcdef", "\"abc\"", 3 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		file.used = 0;
		json_string(&file, cases[i].given, cases[i].max);
		file.buf[file.used] = '\0';
		ok(!strcmp(file.buf, cases[i].want), "string: %s: %s", cases[i].what, file.buf);
	}
}

static const char *number(void (*put)(struct json_file *f, uint64_t n), uint64_t n)
{
	file.used = 0;
	put(&file, n);
	file.buf[file.used] = '\0';
	return file.buf;
}

static void test_numbers(void)
{
	ok(!strcmp(number(json_u64, 0), "0"), "0");
	ok(!strcmp(number(json_u64, 1234567890), "1234567890"), "all digits");
	ok(!strcmp(number(json_u64, UINT64_MAX), "18446744073709551615"), "the largest");
	ok(!strcmp(number(json_hex, 0), "\"0x0\""), "0x0");
	ok(!strcmp(number(json_hex, 0x1abcdef0), "\"0x1abcdef0\""), "digits of 16");
	ok(!strcmp(number(json_hex, UINT64_MAX), "\"0xffffffffffffffff\""), "the largest of them");
	ok(!strcmp(number(json_us, 0), "0.000"), "no time");
	ok(!strcmp(number(json_us, 1), "0.001"), "a nanosecond");
	ok(!strcmp(number(json_us, 7089), "7.089"), "some");
	ok(!strcmp(number(json_us, 123999), "123.999"), "nearly one more");
}

/* A file ends with the tail whenever something was written and each element is complete. */
static void test_whole(void)
{
	int fd = memfd_create("json", MFD_CLOEXEC);
	unsigned int i, torn = 0;
	size_t size = 0;

	if (!ok(fd >= 0, "a file"))
		return;
	json_begin(&file, fd, TAIL);
	json_text(&file, "[");
	ok(!json_flush(&file) && !strcmp(written(fd), "[" TAIL), "whole from the beginning");
	for (i = 0; i < 4000; i++) {
		json_text(&file, "an element of some fifty bytes, as they are on average");
		json_complete(&file);
		size = strlen(written(fd));
		torn += strcmp(content + size - strlen(TAIL), TAIL) != 0;
	}
	ok(!torn, "whole after each element; torn: %u", torn);
	ok(size > JSON_BUF, "written meanwhile");
	ok(!json_end(&file) && strlen(written(fd)) == 1 + 4000 * 54 + strlen(TAIL),
	   "whole at the end, and nothing is there twice");
	ok(!strcmp(strchr(content, '\n'), TAIL), "one end");
	close(fd);
}

static void test_errors(void)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC), i;

	json_begin(&file, fd, TAIL);
	json_text(&file, "[");
	ok(json_flush(&file) == -ENOSPC, "an error");
	close(fd);
	for (i = 0; i < 3000; i++)
		json_text(&file, "an element of some fifty bytes, as they are on average");
	ok(json_flush(&file) == -ENOSPC && json_end(&file) == -ENOSPC, "the first error stays");
}

int main(void)
{
	test_strings();
	test_numbers();
	test_whole();
	test_errors();
	return done();
}
