// SPDX-License-Identifier: MIT
/*
 * JSON: strings, and a file that is valid at any time while it grows.
 *
 * A program that writes for minutes may be killed.  In a regular file every write
 * therefore ends with what closes the document, and the next begins before that.  A pipe
 * cannot be rewound; there the document is closed at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "json.h"

/* The length of the UTF-8 sequence at @s, or 0 if there is none; see RFC 3629. */
static size_t utf8_len(const unsigned char *s, size_t left)
{
	static const struct {
		unsigned char first, last, second_first, second_last;
		size_t len;
	} forms[] = {
		{ 0x01, 0x7f, 0, 0, 1 },
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	size_t i = 0, n;

	while (s[0] < forms[i].first || s[0] > forms[i].last) {
		if (++i == sizeof(forms) / sizeof(forms[0]))
			return 0;
	}
	if (forms[i].len > left)
		return 0;
	for (n = 1; n < forms[i].len; n++) {
		if (s[n] < (n == 1 ? forms[i].second_first : 0x80) ||
		    s[n] > (n == 1 ? forms[i].second_last : 0xbf))
			return 0;
	}
	return forms[i].len;
}

size_t json_char(const char **s, const char *end, char out[JSON_CHAR_MAX])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char c;
	size_t len;

	if (*s >= end || !**s)
		return 0;
	c = (unsigned char)**s;
	if (c == '"' || c == '\\') {
		out[0] = '\\';
		out[1] = (char)c;
		++*s;
		return 2;
	}
	if (c < 0x20) {
		memcpy(out, "\\u00", 4);
		out[4] = digits[c >> 4];
		out[5] = digits[c & 15];
		++*s;
		return 6;
	}
	len = utf8_len((const unsigned char *)*s, (size_t)(end - *s));
	if (!len) {
		memcpy(out, "\\ufffd", 6);
		++*s;
		return 6;
	}
	memcpy(out, *s, len);
	*s += len;
	return len;
}

void json_begin(struct json_file *f, int fd, const char *tail)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	f->fd = fd;
	f->tail = tail;
	f->error = 0;
	f->used = 0;
	f->rewinds = !fstat(fd, &st) && S_ISREG(st.st_mode) && flags >= 0 &&
		     !(flags & O_APPEND);
}

/* All of both pieces, however many calls that takes. */
static int write_both(int fd, const char *a, size_t a_len, const char *b, size_t b_len)
{
	while (a_len + b_len) {
		const struct iovec parts[] = {
			{ .iov_base = (void *)(uintptr_t)a, .iov_len = a_len },
			{ .iov_base = (void *)(uintptr_t)b, .iov_len = b_len },
		};
		ssize_t n = writev(fd, parts, 2);
		size_t of_a;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		of_a = (size_t)n < a_len ? (size_t)n : a_len;
		a += of_a;
		a_len -= of_a;
		b += (size_t)n - of_a;
		b_len -= (size_t)n - of_a;
	}
	return 0;
}

int json_flush(struct json_file *f)
{
	size_t tail = f->rewinds ? strlen(f->tail) : 0;

	if (!f->error && f->used)
		f->error = write_both(f->fd, f->buf, f->used, f->tail, tail);
	if (!f->error && f->used && tail && lseek(f->fd, -(off_t)tail, SEEK_CUR) < 0)
		f->error = -errno;
	f->used = 0;
	return f->error;
}

int json_end(struct json_file *f)
{
	if (!f->error)
		f->error = write_both(f->fd, f->buf, f->used, f->tail, strlen(f->tail));
	f->used = 0;
	return f->error;
}

/* In the middle of something: what closes the document does not fit here. */
static void overflow(struct json_file *f)
{
	if (!f->error)
		f->error = write_both(f->fd, f->buf, f->used, "", 0);
	f->used = 0;
}

void json_put(struct json_file *f, const char *s, size_t len)
{
	while (len) {
		size_t n = sizeof(f->buf) - f->used;

		if (n > len)
			n = len;
		memcpy(f->buf + f->used, s, n);
		f->used += n;
		s += n;
		len -= n;
		if (f->used == sizeof(f->buf))
			overflow(f);
	}
}

void json_complete(struct json_file *f)
{
	if (f->used >= sizeof(f->buf) / 2)
		json_flush(f);
}

void json_text(struct json_file *f, const char *s)
{
	json_put(f, s, strlen(s));
}

void json_u64(struct json_file *f, uint64_t n)
{
	char digits[20];
	size_t i = sizeof(digits);

	do {
		digits[--i] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	json_put(f, digits + i, sizeof(digits) - i);
}

void json_hex(struct json_file *f, uint64_t n)
{
	char digits[20];
	size_t i = sizeof(digits);

	digits[--i] = '"';
	do {
		digits[--i] = "0123456789abcdef"[n & 15];
		n >>= 4;
	} while (n);
	digits[--i] = 'x';
	digits[--i] = '0';
	digits[--i] = '"';
	json_put(f, digits + i, sizeof(digits) - i);
}

void json_us(struct json_file *f, uint64_t ns)
{
	const unsigned int rest = (unsigned int)(ns % 1000);
	const char decimals[] = {
		'.', (char)('0' + rest / 100), (char)('0' + rest / 10 % 10),
		(char)('0' + rest % 10),
	};

	json_u64(f, ns / 1000);
	json_put(f, decimals, sizeof(decimals));
}

void json_string(struct json_file *f, const char *s, size_t max)
{
	const char *end = s + strnlen(s, max);
	char out[JSON_CHAR_MAX];
	size_t n;

	json_put(f, "\"", 1);
	while ((n = json_char(&s, end, out)))
		json_put(f, out, n);
	json_put(f, "\"", 1);
}
