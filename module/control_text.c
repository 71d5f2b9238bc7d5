// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Control points, continued: what each can be armed for, and how that is written where a
 * line of text says it.  See control.c.
 *
 * Locking: none.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/kstrtox.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "control.h"
#include "mockgpu_drm.h"

#define CONTROL_TIME_MAX	(60 * NSEC_PER_SEC)

/* Errors by their names; what else there is has a number. */
#define NAME(error) { #error, error }
static const struct {
	const char *name;
	int error;
} control_errors[] = {
	NAME(EPERM), NAME(ENOENT), NAME(EIO), NAME(ENXIO), NAME(ENOMEM), NAME(EACCES),
	NAME(EFAULT), NAME(EBUSY), NAME(ENODEV), NAME(EINVAL), NAME(ENOSPC), NAME(ERANGE),
	NAME(EDEADLK), NAME(EOVERFLOW), NAME(EOPNOTSUPP), NAME(ETIME), NAME(ETIMEDOUT),
	NAME(ESTALE), NAME(EDQUOT), NAME(ECANCELED), NAME(EHWPOISON),
};

/* Errors that user space may see; and not those that have libdrm repeat the call. */
static bool control_error_fits(int error)
{
	return error < 0 && error >= -EHWPOISON && error != -EAGAIN && error != -EINTR;
}

/**
 * control_can() - whether a point can do what is to be armed, and the rest goes with that
 * @spec: what; its point, action, error, time and device are looked at
 *
 * Context: any.
 */
bool control_can(const struct control_spec *spec)
{
	bool holds = spec->action == MOCKGPU_POINT_WAIT || spec->action == MOCKGPU_POINT_DELAY;
	bool fails = spec->action == MOCKGPU_POINT_FAIL;
	const struct control_info *info;

	if (spec->point >= CONTROL_COUNT || spec->action > MOCKGPU_POINT_FAIL)
		return false;
	info = control_info(spec->point);
	if ((holds && !(info->flags & MOCKGPU_POINT_CAN_WAIT)) ||
	    (fails && !(info->flags & MOCKGPU_POINT_CAN_FAIL)) ||
	    (spec->device && !(info->flags & MOCKGPU_POINT_HAS_DEVICE)))
		return false;
	if (holds ? spec->time <= 0 || spec->time > CONTROL_TIME_MAX : spec->time)
		return false;
	if (!spec->error)
		return true;
	return fails && (info->flags & MOCKGPU_POINT_TAKES_ERROR) &&
	       control_error_fits(spec->error);
}

/* The next word of a text, or NULL. */
static char *control_word(char **text)
{
	char *word;

	do {
		word = strsep(text, " \t");
	} while (word && !*word);
	return word;
}

static int control_parse_point(const char *word, enum control_point *point)
{
	for (*point = 0; *point < CONTROL_COUNT; (*point)++) {
		if (!strcmp(word, control_info(*point)->name))
			return 0;
	}
	return -EINVAL;
}

/* A number that was not given before, and is not 0. */
static int control_parse_number(const char *text, u64 *number)
{
	return *number || kstrtou64(text, 0, number) || !*number ? -EINVAL : 0;
}

/* In 65536ths, or in percent. */
static int control_parse_chance(char *text, u32 *chance)
{
	char *percent = strchr(text, '%');
	u64 value = 0;

	if (percent) {
		if (percent[1])
			return -EINVAL;
		*percent = 0;
	}
	if (*chance || control_parse_number(text, &value) ||
	    value > (percent ? 100 : CONTROL_CHANCE_MAX))
		return -EINVAL;
	*chance = percent ? div_u64(value * CONTROL_CHANCE_MAX, 100) : value;
	return 0;
}

static int control_parse_error(const char *word, int *error)
{
	unsigned int i, number;

	for (i = 0; i < ARRAY_SIZE(control_errors); i++) {
		if (!strcmp(word, control_errors[i].name)) {
			*error = -control_errors[i].error;
			return 0;
		}
	}
	if (kstrtouint(word, 0, &number) || !number || number > EHWPOISON)
		return -EINVAL;
	*error = -(int)number;
	return 0;
}

static int control_parse_option(char *word, struct control_spec *spec)
{
	char *value = word;
	const char *key = strsep(&value, "=");

	if (!value)
		return -EINVAL;
	if (!strcmp(key, "first"))
		return control_parse_number(value, &spec->first);
	if (!strcmp(key, "count"))
		return control_parse_number(value, &spec->count);
	if (!strcmp(key, "chance"))
		return control_parse_chance(value, &spec->chance);
	return -EINVAL;
}

/* What follows the point: delay MS, or fail. */
static int control_parse_action(char **text, struct control_spec *spec)
{
	const char *word = control_word(text);
	unsigned int ms;

	if (!word)
		return -EINVAL;
	if (!strcmp(word, "delay")) {
		word = control_word(text);
		if (!word || kstrtouint(word, 0, &ms))
			return -EINVAL;
		spec->action = MOCKGPU_POINT_DELAY;
		spec->time = ms_to_ktime(ms);
		return 0;
	}
	if (strcmp(word, "fail"))
		return -EINVAL;
	spec->action = MOCKGPU_POINT_FAIL;
	return 0;
}

/**
 * control_parse() - understand a line that says what is to be armed
 * @text: POINT "fail" [ERROR], or POINT "delay" MS; then any of "first=", "count=" and
 *	"chance="; one line without its newline.  It is taken apart.
 * @spec: answer; @mm and @device stay as they are, and the latter is looked at
 *
 * Context: any.
 * Return: 0 or -EINVAL, also where the point cannot do that.
 */
int control_parse(char *text, struct control_spec *spec)
{
	bool one_line = !strchr(text, '\n');
	char *word = control_word(&text);
	int ret;

	spec->first = 0;
	spec->count = 0;
	spec->chance = 0;
	spec->error = 0;
	spec->time = 0;
	spec->start = 0;
	spec->last = ULONG_MAX;
	if (!one_line || !word || control_parse_point(word, &spec->point))
		return -EINVAL;
	ret = control_parse_action(&text, spec);
	word = control_word(&text);
	if (!ret && word && !strchr(word, '=')) {
		ret = control_parse_error(word, &spec->error);
		word = control_word(&text);
	}
	for (; !ret && word; word = control_word(&text))
		ret = control_parse_option(word, spec);
	if (ret || !control_can(spec))
		return -EINVAL;
	spec->first = spec->first ? : 1;
	if (spec->chance == CONTROL_CHANCE_MAX)
		spec->chance = 0;
	return 0;
}

static int control_print_error(char *page, int at, int error)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(control_errors); i++) {
		if (control_errors[i].error == -error)
			return sysfs_emit_at(page, at, " %s", control_errors[i].name);
	}
	return sysfs_emit_at(page, at, " %d", -error);
}

/**
 * control_print() - the reverse of control_parse(), and how the arm is doing
 * @page: page that the line goes to
 * @at: offset in it
 * @spec: what was armed, to fail or to delay
 * @report: how it is doing
 *
 * Context: any.
 * Return: bytes of the line, of which there are less than CONTROL_LINE.
 */
int control_print(char *page, int at, const struct control_spec *spec,
		  const struct control_report *report)
{
	int begin = at;

	at += sysfs_emit_at(page, at, "%s", control_info(spec->point)->name);
	if (spec->action == MOCKGPU_POINT_DELAY)
		at += sysfs_emit_at(page, at, " delay %lld", ktime_to_ms(spec->time));
	else
		at += sysfs_emit_at(page, at, " fail");
	if (spec->error)
		at += control_print_error(page, at, spec->error);
	if (spec->first > 1)
		at += sysfs_emit_at(page, at, " first=%llu", spec->first);
	if (spec->count)
		at += sysfs_emit_at(page, at, " count=%llu", spec->count);
	if (spec->chance)
		at += sysfs_emit_at(page, at, " chance=%u", spec->chance);
	at += sysfs_emit_at(page, at, " hits=%llu acted=%llu\n", report->hits, report->acted);
	return at - begin;
}
