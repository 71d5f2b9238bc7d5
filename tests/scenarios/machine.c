// SPDX-License-Identifier: MIT
/* See machine.h. */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "blocks.h"
#include "log.h"
#include "machine.h"
#include "memory.h"
#include "module.h"
#include "process.h"

/* How long taking memory lasts at the most, with what is given back then: ten seconds. */
#define TAKE_NS		(10 * NS_PER_S * (slowness() > 1 ? 2 : 1))

/* What coherent VRAM is made of. */
#define WHOLE		(128 * MB)

struct machine machine;

void machine_look(void)
{
	uint64_t end = now_ns() + 3 * BOUND_NS;
	int err;

	module_prepare();
	while ((err = module_unload()) && err != -ENOENT && now_ns() < end)
		sleep_ms(20);
	CHECK(!err || err == -ENOENT);
	machine.online = blocks_online();
	machine.total_kb = meminfo_kb("MemTotal");
	log_begin();
}

/* What described a block may count as memory afterwards: 2 MiB. */
void machine_is_whole(void)
{
	size_t total = meminfo_kb("MemTotal");

	CHECK_EQ(blocks_online(), machine.online);
	CHECK_GE(total, machine.total_kb);
	CHECK_LE(total, machine.total_kb + machine.online * 2 * KB_PER_MB);
}

/* Says what the machine does when a load has lasted for long, as what ends it takes its time. */
static void watch(void *unused)
{
	(void)unused;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sleep_ms(TAKE_NS / 1000000 * 8 / 10);
	note("loading takes long; what is busy:");
	note_busy();
}

int load(const char *parameters)
{
	pid_t watcher = spawn(watch, NULL);
	uint64_t ns;
	int err = module_load(parameters, &ns);

	kill(watcher, SIGKILL);
	waitpid(watcher, NULL, 0);
	note("%s: %s after %llu ms", parameters, err ? strerror(-err) : "loaded",
	     (unsigned long long)ns / 1000000);
	CHECK_LE(ns, TAKE_NS);
	return err;
}

int try_unload(void)
{
	uint64_t end = now_ns() + 3 * BOUND_NS, start = now_ns();
	int err;

	/* udev may still look at the nodes that came up. */
	while ((err = module_unload()) && now_ns() < end)
		sleep_ms(20);
	note("%s after %llu ms", err ? "not unloaded" : "unloaded",
	     (unsigned long long)(now_ns() - start) / 1000000);
	return err;
}

void unload(void)
{
	CHECK_EQ(try_unload(), 0);
}

void load_or_skip(void)
{
	int err = load(COHERENT);

	if (!err)
		return;
	CHECK_EQ(err, -EBUSY);
	machine_is_whole();
	skip("too few memory blocks of this machine can be taken");
}

void load_and_unload(void)
{
	int err = load(COHERENT);

	CHECK(!err || err == -EBUSY || err == -ETIME);
	if (!err)
		unload();
	machine_is_whole();
}

bool range_is(uint64_t start, uint64_t bytes, const char *what)
{
	FILE *file = fopen("/proc/iomem", "re");
	unsigned long long first, last;
	bool found = false;
	char line[256];

	CHECK(file);
	while (!found && fgets(line, sizeof(line), file)) {
		int name = 0;

		line[strcspn(line, "\n")] = 0;
		found = sscanf(line, "%llx-%llx : %n", &first, &last, &name) == 2 &&
			!strcmp(line + name, what) &&
			first <= start && last >= start + bytes - 1;
	}
	fclose(file);
	return found;
}

/* A number of bytes as the kernel's command line has it; *text is then what follows. */
static uint64_t bytes_of(char **text)
{
	static const char units[] = "KMG";
	uint64_t bytes = strtoull(*text, text, 0);
	const char *unit = **text ? strchr(units, toupper((unsigned char)**text)) : NULL;

	if (!unit)
		return bytes;
	++*text;
	return bytes << (10 * (unit - units + 1));
}

bool range_left_out(uint64_t *start, uint64_t *bytes)
{
	FILE *file = fopen("/proc/cmdline", "re");
	char line[4096], *text = line;
	uint64_t end;

	CHECK(file && fgets(line, sizeof(line), file));
	fclose(file);
	while ((text = strstr(text, "memmap="))) {
		text += strlen("memmap=");
		*bytes = bytes_of(&text);
		if (*text != '$')
			continue;
		++text;
		*start = bytes_of(&text);
		end = (*start + *bytes) / WHOLE * WHOLE;
		*start = (*start + WHOLE - 1) / WHOLE * WHOLE;
		*bytes = end - *start;
		if (end > *start && range_is(*start, *bytes, "Reserved"))
			return true;
	}
	return false;
}

static void use_memory(void *arg)
{
	struct user *user = arg;
	void *p = map_filled(user->pages, user->tag);
	int ends[2];

	for (unsigned int i = 0; i < user->pipes; i++) {
		struct iovec part = { AT(p, user->pages / user->pipes * i), PAGE };

		CHECK_SYS(pipe(ends));
		CHECK_EQ(vmsplice(ends[1], &part, 1, 0), PAGE);
	}
	gate_open(user->ready, 1);
	gate_wait(user->go);
	CHECK_FILL(p, user->pages, user->tag, 0);
}

pid_t user_start(struct user *user, size_t mb, unsigned int pipes)
{
	pid_t pid;

	*user = (struct user){ gate_new(), gate_new(), mb * MB / PAGE, new_tag(), pipes };
	pid = spawn(use_memory, user);
	gate_wait(user->ready);
	return pid;
}

void user_end(struct user *user, pid_t pid)
{
	gate_open(user->go, 1);
	join(pid);
}

size_t much_mb(void)
{
	size_t third = meminfo_kb("MemTotal") / KB_PER_MB / 3, most = 1024 / slowness();

	return third < most ? third : most;
}
