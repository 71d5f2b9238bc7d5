/* SPDX-License-Identifier: MIT */
/* A machine that goes to sleep, as far as it is told to, and wakes up by itself. */
#ifndef SLEEP_H
#define SLEEP_H

#include <stdbool.h>

/*
 * How far: processes and threads are frozen; devices are suspended as well; the firmware is asked;
 * all CPUs but one are taken out; the clock stands still.  After a second it all goes back.
 */
enum sleep_level { TO_FREEZER, TO_DEVICES, TO_PLATFORM, TO_PROCESSORS, TO_CORE, SLEEP_LEVELS };

extern const char *const sleep_level_name[];

/* Skips where the kernel cannot be tested so. */
void sleep_needs_tests(void);
/* Whether this machine can be suspended so far. */
bool sleep_goes_to(enum sleep_level level);
/* Suspends, hibernates; 0 or a negative errno. */
int sleep_suspend(enum sleep_level level);
int sleep_hibernate(enum sleep_level level);
/*
 * Hibernates for good, to the swap area that there is, and reads the image back at once: what is in
 * memory then comes from there.  Skips where the kernel cannot.
 */
int sleep_hibernate_and_resume(void);
/* The same, but that the machine is switched off, and goes on when it is booted again. */
int sleep_hibernate_and_power_off(void);

#endif
