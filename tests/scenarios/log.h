/* SPDX-License-Identifier: MIT */
/* What the module says in the kernel's log. */
#ifndef LOG_H
#define LOG_H

/* From now on, or from the last log_count() on. */
void log_begin(void);
/* How many of the module's lines since then have @text in them. */
unsigned int log_count(const char *text);
/* How many lines of the module log_count() saw, with @text or not. */
unsigned int log_last_count(void);

#endif
