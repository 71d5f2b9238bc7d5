// SPDX-License-Identifier: MIT
/*
 * See fdinfo.h.  The rules are those of Linux 7.3; the kernels before it have no key that is not
 * among them.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fdinfo.h"
#include "harness.h"

#define DRIVER "mockgpu"

enum value { TEXT, NUMBER };

struct rule {
	const char *key;	/* ends in "-" where a name follows */
	enum value value;
	const char *units[4];	/* a number may have one of these */
	bool unit_needed;
};

/* Of two that begin alike the longer one comes first.  drm-pdev is for devices on a PCI bus. */
static const struct rule rules[] = {
	{ "drm-driver", TEXT, { 0 }, false },
	{ "drm-client-id", NUMBER, { 0 }, false },
	{ "drm-client-name", TEXT, { 0 }, false },
	{ "drm-engine-capacity-", NUMBER, { 0 }, false },
	{ "drm-engine-", NUMBER, { "ns" }, true },
	{ "drm-cycles-", NUMBER, { 0 }, false },
	{ "drm-total-cycles-", NUMBER, { 0 }, false },
	{ "drm-maxfreq-", NUMBER, { "Hz", "MHz", "KHz" }, false },
	{ "drm-memory-", NUMBER, { "KiB", "MiB" }, false },
	{ "drm-total-", NUMBER, { "KiB", "MiB" }, false },
	{ "drm-shared-", NUMBER, { "KiB", "MiB" }, false },
	{ "drm-resident-", NUMBER, { "KiB", "MiB" }, false },
	{ "drm-purgeable-", NUMBER, { "KiB", "MiB" }, false },
	{ "drm-active-", NUMBER, { "KiB", "MiB" }, false },
};

/* What the kernel says of any file. */
static const char *const of_any_file[] = { "pos", "flags", "mnt_id", "ino" };

#define LINES_MAX 64

struct line {
	const char *key;
	const char *value;
};

struct lines {
	char text[4096];	/* cut into strings */
	struct line line[LINES_MAX];
	unsigned int len;
};

static bool __attribute__((format(printf, 2, 3))) broken(char why[512], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, 512, format, args);
	va_end(args);
	return true;
}

static bool begins_with(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

static bool is_family(const struct rule *rule)
{
	return rule->key[strlen(rule->key) - 1] == '-';
}

static const struct rule *find_rule(const char *key)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(rules); i++) {
		if (is_family(&rules[i]) ? begins_with(key, rules[i].key) :
		    !strcmp(key, rules[i].key))
			return &rules[i];
	}
	return NULL;
}

static const char *find_value(const struct lines *lines, const char *key)
{
	for (unsigned int i = 0; i < lines->len; i++) {
		if (!strcmp(lines->line[i].key, key))
			return lines->line[i].value;
	}
	return NULL;
}

/* The value of the key whose first part is this, and its name that of another key. */
static const char *find_sister(const struct lines *lines, const char *first, const char *name)
{
	char key[256];

	snprintf(key, sizeof(key), "%s%s", first, name);
	return find_value(lines, key);
}

static bool breaks_number(const struct rule *rule, const char *key, const char *value,
			  char why[512])
{
	const char *unit = value + strspn(value, "0123456789");

	if (unit == value)
		return broken(why, "%s: \"%s\" does not begin with a number", key, value);
	if (!*unit && rule->unit_needed)
		return broken(why, "%s: \"%s\" has no unit", key, value);
	for (unsigned int i = 0; *unit == ' ' && rule->units[i]; i++) {
		if (!strcmp(unit + 1, rule->units[i]))
			return false;
	}
	return *unit && broken(why, "%s: \"%s\" has a unit that it may not have", key, value);
}

static bool breaks_value(const struct line *line, char why[512])
{
	const struct rule *rule;

	for (unsigned int i = 0; i < ARRAY_SIZE(of_any_file); i++) {
		if (!strcmp(line->key, of_any_file[i]))
			return false;
	}
	if (begins_with(line->key, DRIVER "-"))
		return false;
	rule = find_rule(line->key);
	if (!rule)
		return broken(why, "%s: no key of the standard, nor the driver's own", line->key);
	if (!line->key[strlen(rule->key)] && is_family(rule))
		return broken(why, "%s: of what?", line->key);
	return rule->value == NUMBER && breaks_number(rule, line->key, line->value, why);
}

/* Cuts a text into keys and values. */
static bool breaks_syntax(struct lines *lines, const char *text, char why[512])
{
	char *line, *end, *colon;

	snprintf(lines->text, sizeof(lines->text), "%s", text);
	for (line = lines->text; *line; line = end + 1) {
		struct line *this = &lines->line[lines->len];

		end = strchr(line, '\n');
		if (!end)
			return broken(why, "%s: no end of the line", line);
		*end = '\0';
		colon = strchr(line, ':');
		if (!colon)
			return broken(why, "%s: no colon", line);
		*colon = '\0';
		this->key = line;
		this->value = colon + 1 + strspn(colon + 1, " \t");
		if (!*line || line[strcspn(line, " \t\v\f\r")])
			return broken(why, "\"%s\": white space in a key, or no key", line);
		if (!*this->value || isspace((unsigned char)end[-1]))
			return broken(why, "%s: no value, or white space behind it", line);
		if (find_value(lines, line))
			return broken(why, "%s: stands there twice", line);
		if (++lines->len == LINES_MAX)
			return broken(why, "too many lines");
	}
	return false;
}

static uint64_t size_of(const char *value)
{
	char *unit;
	uint64_t n = strtoull(value, &unit, 10);

	if (begins_with(unit, " KiB"))
		return n << 10;
	return begins_with(unit, " MiB") ? n << 20 : n;
}

/* What one key demands of others. */
static bool breaks_family(const struct lines *lines, const struct line *line, char why[512])
{
	const struct rule *rule = find_rule(line->key);
	const char *name, *whole;

	if (!rule || !is_family(rule))
		return false;
	name = line->key + strlen(rule->key);
	if (begins_with(line->key, "drm-engine-capacity-") && !strtoull(line->value, NULL, 10))
		return broken(why, "%s: is 0", line->key);
	if ((begins_with(line->key, "drm-engine-capacity-") ||
	     begins_with(line->key, "drm-cycles-") || begins_with(line->key, "drm-maxfreq-")) &&
	    !find_sister(lines, "drm-engine-", name))
		return broken(why, "%s: no engine has this name", line->key);
	if (begins_with(line->key, "drm-total-cycles-") &&
	    (!find_sister(lines, "drm-cycles-", name) ||
	     find_sister(lines, "drm-maxfreq-", name)))
		return broken(why, "%s: without cycles, or beside a frequency", line->key);
	if (begins_with(line->key, "drm-memory-") && find_sister(lines, "drm-resident-", name))
		return broken(why, "%s: stands beside its other name", line->key);
	if (begins_with(line->key, "drm-shared-") || begins_with(line->key, "drm-active-")) {
		whole = find_sister(lines, line->key[4] == 's' ? "drm-total-" : "drm-resident-",
				    name);
		if (!whole || size_of(whole) < size_of(line->value))
			return broken(why, "%s: is not a part of %s", line->key,
				      whole ? whole : "anything");
	}
	return false;
}

bool fdinfo_breaks_a_rule(const char *text, char why[512])
{
	struct lines lines = { .len = 0 };
	const char *driver;

	if (breaks_syntax(&lines, text, why))
		return true;
	for (unsigned int i = 0; i < lines.len; i++) {
		if (breaks_value(&lines.line[i], why) ||
		    breaks_family(&lines, &lines.line[i], why))
			return true;
	}
	driver = find_value(&lines, "drm-driver");
	if (!driver || strcmp(driver, DRIVER))
		return broken(why, "drm-driver: is not there, or not the driver's name");
	/* The key is optional; but without it one client of two processes would be two. */
	if (!find_value(&lines, "drm-client-id"))
		return broken(why, "drm-client-id: is not there");
	return false;
}

void fdinfo_read(struct fdinfo *info, int fd)
{
	char path[64], why[512];
	size_t n;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "r");
	CHECK(file);
	n = fread(info->text, 1, sizeof(info->text) - 1, file);
	info->text[n] = '\0';
	fclose(file);
	if (fdinfo_breaks_a_rule(info->text, why))
		FAIL("%s, in:\n%s", why, info->text);
}

const char *fdinfo_value(const struct fdinfo *info, const char *key)
{
	const char *line;

	for (line = info->text; *line; line = strchr(line, '\n') + 1) {
		if (begins_with(line, key) && begins_with(line + strlen(key), ":\t"))
			return line + strlen(key) + 2;
	}
	FAIL("no %s in fdinfo:\n%s", key, info->text);
}

uint64_t fdinfo_number(const struct fdinfo *info, const char *key)
{
	return strtoull(fdinfo_value(info, key), NULL, 10);
}

uint64_t fdinfo_bytes(const struct fdinfo *info, const char *key)
{
	return size_of(fdinfo_value(info, key));
}

uint64_t fdinfo_busy_ns(int fd)
{
	struct fdinfo info;

	fdinfo_read(&info, fd);
	return fdinfo_number(&info, "drm-engine-compute");
}
