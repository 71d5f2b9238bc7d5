/* SPDX-License-Identifier: MIT */
/* JSON: strings, and a file that is valid at any time while it grows. */
#ifndef MOCKGPU_JSON_H
#define MOCKGPU_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_CHAR_MAX 6

/*
 * Writes one character of a string, which ends at @end or a 0, as it is between the quotes
 * of JSON, to @out; advances @s.  What is not UTF-8 becomes U+FFFD.  Returns the length, 0
 * at the end of the string.
 */
size_t json_char(const char **s, const char *end, char out[JSON_CHAR_MAX]);

#define JSON_BUF 65536

/**
 * struct json_file - a document that is written from its beginning to its end
 *
 * Whatever is written is buffered; a failure is kept and shows in json_flush().
 */
struct json_file {
	/** @fd: the file */
	int fd;
	/** @error: first negative errno; from then on nothing is written */
	int error;
	/** @rewinds: a regular file: each flush ends with @tail, which the next overwrites */
	bool rewinds;
	/** @tail: what closes the document */
	const char *tail;
	/** @used: bytes of @buf */
	size_t used;
	/** @buf: what was not written yet */
	char buf[JSON_BUF];
};

/* Begins a document in @fd, which @tail is to close. */
void json_begin(struct json_file *f, int fd, const char *tail);

void json_put(struct json_file *f, const char *s, size_t len);
void json_text(struct json_file *f, const char *s);
void json_u64(struct json_file *f, uint64_t n);
void json_hex(struct json_file *f, uint64_t n);		/* a string: "0x1000" */
void json_us(struct json_file *f, uint64_t ns);		/* microseconds: 12.345 */

/* A string in quotes, which ends at a 0 or after @max bytes. */
void json_string(struct json_file *f, const char *s, size_t max);

/* Where @tail may stand: after each element.  Writes if there is much to write. */
void json_complete(struct json_file *f);

/* Brings everything to the file, where @tail may stand.  Returns 0 or the negative errno that is kept. */
int json_flush(struct json_file *f);

/* Closes the document, not the file; likewise. */
int json_end(struct json_file *f);

#endif
