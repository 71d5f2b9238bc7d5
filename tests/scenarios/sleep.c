// SPDX-License-Identifier: MIT
/* See sleep.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "memory.h"
#include "process.h"
#include "sleep.h"

#define POWER	"/sys/power/"

const char *const sleep_level_name[] = {
	"freezer", "devices", "platform", "processors", "core",
};

/* Whether a word is in a file, also one that is marked as chosen. */
static bool has_word(const char *path, const char *word)
{
	FILE *file = fopen(path, "re");
	char text[256] = "", *rest = NULL, *next;

	if (!file)
		return false;
	text[fread(text, 1, sizeof(text) - 1, file)] = 0;
	fclose(file);
	for (next = strtok_r(text, " []\n", &rest); next; next = strtok_r(NULL, " []\n", &rest))
		if (!strcmp(next, word))
			return true;
	return false;
}

void sleep_needs_tests(void)
{
	if (access(POWER "pm_test", F_OK))
		skip("the kernel has no /sys/power/pm_test");
}

static const char *suspend_state(void)
{
	return has_word(POWER "state", "mem") && has_word(POWER "mem_sleep", "deep") ? "mem" :
										       "freeze";
}

/*
 * Without firmware for it, the machine is idle at the end, and nothing wakes it up.  Where the clock
 * stands still, a kernel before 6.2 looks at it all the same, and complains, when it wants a random
 * number in its first two minutes, for a slab that it makes (crng_make_state()).
 */
bool sleep_goes_to(enum sleep_level level)
{
	if (level == TO_CORE && kernel_is_before(6, 2))
		return false;
	return level <= TO_PLATFORM || !strcmp(suspend_state(), "mem");
}

static int go_to_sleep(const char *state, const char *level)
{
	int ret, err;

	CHECK_EQ(write_text(POWER "pm_test", level), 0);
	ret = write_text(POWER "state", state);
	err = write_text(POWER "pm_test", "none");
	CHECK_EQ(err, 0);
	return ret;
}

/* A second; it is five otherwise. */
static void make_it_short(void)
{
	write_text("/sys/module/suspend/parameters/pm_test_delay", "1");
}

int sleep_suspend(enum sleep_level level)
{
	const char *state = suspend_state();

	make_it_short();
	if (!strcmp(state, "mem"))
		CHECK_EQ(write_text(POWER "mem_sleep", "deep"), 0);
	return go_to_sleep(state, sleep_level_name[level]);
}

int sleep_hibernate(enum sleep_level level)
{
	if (!has_word(POWER "state", "disk"))
		skip("the kernel cannot hibernate");
	make_it_short();
	return go_to_sleep("disk", sleep_level_name[level]);
}

int sleep_hibernate_and_power_off(void)
{
	if (!has_word(POWER "disk", "shutdown"))
		skip("the kernel cannot hibernate");
	CHECK_EQ(write_text(POWER "disk", "shutdown"), 0);
	return go_to_sleep("disk", "none");
}

int sleep_hibernate_and_resume(void)
{
	int ret;

	if (!has_word(POWER "disk", "test_resume"))
		skip("the kernel cannot read an image back at once");
	CHECK_EQ(write_text(POWER "disk", "test_resume"), 0);
	ret = go_to_sleep("disk", "none");
	CHECK_EQ(write_text(POWER "disk", "shutdown"), 0);
	return ret;
}
