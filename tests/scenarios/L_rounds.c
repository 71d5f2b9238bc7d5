// SPDX-License-Identifier: MIT
/*
 * Rounds of rows L2 and L3: four processes work, and at a moment that chance picks the device is
 * unplugged, some of them are killed, or the module is asked to go.  Who survives has its data; and
 * memory after the last round is what it was after the tenth.
 *
 * MOCKGPU_ROUNDS=n	so many rounds; else 100, or 12 where they are slow
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "module.h"
#include "process.h"
#include "queue.h"

#define WORKERS	4
#define N	256

static int ready;

static bool may_go_on(int err)
{
	if (!err || err == -ENOMEM || err == -EBUSY)
		return true;
	/* The device has gone. */
	CHECK_EQ(err, -ENODEV);
	return false;
}

/* Words that a queue writes one after the other, with a value that grows. */
static bool write_words(struct queue q, uint64_t *words, uint64_t value)
{
	struct drm_mockgpu_cmd cmd = cmd_fill(words, PAGE, 8, value);
	struct mockgpu_submission s = { .cmds = &cmd, .count = 1 };
	int err = mockgpu_submit(q.dev, q.id, &s), error = 0;

	if (!err)
		err = mockgpu_wait(q.dev, q.id, s.seqno, -1, &error);
	CHECK_EQ(error, 0);
	if (err) {
		CHECK_EQ(err, -ENODEV);
		return false;
	}
	for (size_t i = 0; i < WORDS; i++)
		CHECK_EQ(words[i], value);
	return true;
}

static void work(void *arg)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct queue q = queue_new(dev);
	uint16_t tag = *(uint16_t *)arg;
	size_t page;
	void *p = map_filled(N, tag);
	uint64_t *words = map_filled(1, tag), value = 0;
	uint64_t end = now_ns() + 10 * NS_PER_S * slowness();
	bool goes_on = true;

	gate_open(ready, 1);
	memset(words, 0, PAGE);
	while (goes_on) {
		if (now_ns() > end)
			FAIL("the device does not leave");
		goes_on = may_go_on(mockgpu_to_vram(dev, p, N * PAGE)) &&
			  may_go_on(mockgpu_to_vram(dev, words, PAGE)) &&
			  write_words(q, words, ++value);
		page = random_below(N);
		CHECK_FILL(AT(p, page), 1, tag, page);
		if (goes_on && random_below(2))
			goes_on = may_go_on(mockgpu_to_system(dev, p, N * PAGE));
	}
	CHECK_FILL(p, N, tag, 0);
	/* What it did last it did in part, or not at all, or wholly. */
	for (size_t i = 0; i < WORDS; i++)
		CHECK(words[i] == value || words[i] == value - 1);
	mockgpu_close(dev);
}

static void finish(pid_t pid, bool killed)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (killed && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		FAIL("worker: status %x", (unsigned int)status);
}

static void run_round(bool reloads)
{
	bool killed[WORKERS] = { false };
	unsigned int way = (unsigned int)random_below(3);
	uint16_t tags[WORKERS];
	pid_t pids[WORKERS];
	uint64_t end;
	int err;

	for (unsigned int i = 0; i < WORKERS; i++) {
		tags[i] = new_tag();
		pids[i] = spawn(work, &tags[i]);
	}
	for (unsigned int i = 0; i < WORKERS; i++)
		gate_wait(ready);
	usleep((useconds_t)random_below(50000));
	for (unsigned int i = 0; i < WORKERS && way == 1; i++) {
		killed[i] = random_below(2);
		if (killed[i])
			CHECK_SYS(kill(pids[i], SIGKILL));
	}
	if (way == 2)
		CHECK_EQ(module_unload(), -EWOULDBLOCK);
	CHECK_EQ(device_unbind(0), 0);
	for (unsigned int i = 0; i < WORKERS; i++)
		finish(pids[i], killed[i]);
	if (!reloads) {
		CHECK_EQ(device_bind(0), 0);
		return;
	}
	for (end = now_ns() + BOUND_NS; (err = module_unload()) && now_ns() < end;)
		sleep_ms(5);
	CHECK_EQ(err, 0);
	CHECK_EQ(module_load(module_vram(), NULL), 0);
}

static void L3_rounds_of_leaving_and_dying(void)
{
	const char *text = getenv("MOCKGPU_ROUNDS");
	unsigned int rounds = text ? (unsigned int)atoi(text) : slowness() > 1 ? 12 : 100;
	struct mockgpu_device *dev = gpu_open(0);
	/* To take memory for coherent VRAM anew each time would take longer than all else. */
	bool reloads = gpu_has(dev, MOCKGPU_CAP_PRIVATE);
	size_t before = 0, after;

	mockgpu_close(dev);
	ready = gate_new();
	module_prepare();
	for (unsigned int i = 0; i < rounds; i++) {
		run_round(reloads);
		if (i == 9)
			before = free_memory_kb();
	}
	after = free_memory_kb();
	note("%u rounds; free: %zu kB after the tenth, %zu kB after the last", rounds, before,
	     after);
	if (before)
		CHECK_GE(after, before - meminfo_kb("MemTotal") / 100);
}

const struct scenario scenarios[] = {
	{ "L3_rounds_of_leaving_and_dying", L3_rounds_of_leaving_and_dying, 7200, RELOADS },
	{ 0 }
};
