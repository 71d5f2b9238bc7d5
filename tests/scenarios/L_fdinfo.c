// SPDX-License-Identifier: MIT
/*
 * What /proc/PID/fdinfo says of a client: row L4.  Each time that it is read it has to keep to the
 * kernel's drm-usage-stats.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fdinfo.h"
#include "gpu.h"
#include "module.h"
#include "process.h"
#include "queue.h"

#define MS	1000000ULL

static void check_usage(struct mockgpu_device *dev, size_t pages)
{
	struct fdinfo info;

	fdinfo_read(&info, mockgpu_fd(dev));
	CHECK_EQ(fdinfo_bytes(&info, "drm-total-vram"), pages * PAGE);
	CHECK_EQ(fdinfo_bytes(&info, "drm-resident-vram"), pages * PAGE);
	CHECK_EQ(fdinfo_bytes(&info, "drm-shared-vram"), 0);
}

static void L4_fdinfo_counts_what_a_client_has_in_vram(void)
{
	struct mockgpu_device *dev = gpu_open_private(), *other = gpu_open_private();
	uint16_t tag = new_tag();
	void *p = map_filled(300, tag);

	check_usage(dev, 0);
	TO_VRAM(dev, p, 300);
	check_usage(dev, 300);
	check_usage(other, 0);
	CHECK_FILL(p, 7, tag, 0);
	check_usage(dev, 293);
	unmap(AT(p, 7), 293);
	check_usage(dev, 0);
}

/* Sizes of each unit: bytes there are none of, as pages are larger. */
static void L4_fdinfo_has_the_units_of_sizes(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	void *p = map_filled(512, new_tag());

	check_usage(dev, 0);
	TO_VRAM(dev, p, 1);
	check_usage(dev, 1);
	TO_VRAM(dev, AT(p, 1), 255);
	check_usage(dev, 256);
	TO_VRAM(dev, AT(p, 256), 256);
	check_usage(dev, 512);
}

static uint64_t client_id(int fd)
{
	struct fdinfo info;

	fdinfo_read(&info, fd);
	return fdinfo_number(&info, "drm-client-id");
}

static void L4_fdinfo_names_driver_and_client(void)
{
	struct mockgpu_device *dev = gpu_open(0), *other = gpu_open(0);
	struct fdinfo info;

	fdinfo_read(&info, mockgpu_fd(dev));
	CHECK(!strncmp(fdinfo_value(&info, "drm-driver"), "mockgpu\n", 8));
	CHECK_EQ(fdinfo_number(&info, "drm-engine-capacity-compute"), 16);
	CHECK(client_id(mockgpu_fd(dev)) != client_id(mockgpu_fd(other)));
}

struct numbered {
	int fd;
	uint64_t id;
};

static void check_id(void *arg)
{
	const struct numbered *of = arg;

	CHECK_EQ(client_id(of->fd), of->id);
}

/* The number is the open file's: a copy has it as well, in another process, too. */
static void L4_fdinfo_numbers_files_not_descriptors(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct numbered of = { (int)CHECK_SYS(dup(mockgpu_fd(dev))), client_id(mockgpu_fd(dev)) };

	check_id(&of);
	join(spawn(check_id, &of));
	/* Programs take it for a signed number. */
	CHECK_GE(of.id, 0);
}

/* There is no drm-pdev that would tell two devices apart. */
static void L4_fdinfo_numbers_clients_of_all_devices(void)
{
	uint64_t id[20];
	unsigned int i, j;

	module_reload(2, 16);
	for (i = 0; i < ARRAY_SIZE(id); i++) {
		id[i] = client_id(mockgpu_fd(gpu_open(i % 2)));
		for (j = 0; j < i; j++)
			CHECK(id[i] != id[j]);
	}
}

static void L4_fdinfo_says_nothing_of_a_device_that_has_gone(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	char path[64], text[4096];
	FILE *file;
	size_t n;

	CHECK_EQ(write_text("/sys/bus/platform/drivers/mockgpu/unbind", "mockgpu0"), 0);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", mockgpu_fd(dev));
	file = fopen(path, "r");
	CHECK(file);
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	fclose(file);
	CHECK(strstr(text, "pos:"));
	if (strstr(text, "drm-"))
		FAIL("still there:\n%s", text);
	mockgpu_close(dev);
}

/* One submission takes as long as its command, and no longer than who waits for it. */
static void L4_fdinfo_counts_the_time_of_a_queue(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct queue q = queue_new(dev);
	struct drm_mockgpu_cmd delay = cmd_delay(50 * MS);
	uint64_t before, now, start, seqno;
	int fd = mockgpu_fd(dev);

	CHECK_EQ(fdinfo_busy_ns(fd), 0);
	for (unsigned int i = 0; i < 3; i++) {
		before = fdinfo_busy_ns(fd);
		start = now_ns();
		seqno = submit(q, &delay, 1, NULL);
		FINISHES(q, seqno, 0);
		now = fdinfo_busy_ns(fd);
		CHECK_GE(now - before, 50 * MS);
		CHECK_LE(now - before, (int64_t)(now_ns() - start));
		/* And then nothing. */
		sleep_ms(20);
		CHECK_EQ(fdinfo_busy_ns(fd), now);
	}
	queue_destroy(q);
	CHECK_EQ(fdinfo_busy_ns(fd), now);
	CHECK_EQ(fdinfo_busy_ns(mockgpu_fd(gpu_open(0))), 0);
}

/* What takes long counts before it is done, too. */
static void L4_fdinfo_counts_what_is_being_executed(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct queue q = queue_new(dev);
	struct drm_mockgpu_cmd delay = cmd_delay(10 * NS_PER_S);
	uint64_t end = now_ns() + BOUND_NS, first, start, now;
	int fd = mockgpu_fd(dev);

	submit(q, &delay, 1, NULL);
	while (!(first = fdinfo_busy_ns(fd)))
		CHECK(now_ns() < end);
	start = now_ns();
	sleep_ms(100);
	now = fdinfo_busy_ns(fd);
	/* The clock began a moment before the first look was over. */
	CHECK_GE(now - first, 100 * MS);
	note("%llu ns in %llu", (unsigned long long)(now - first),
	     (unsigned long long)(now_ns() - start));

	queue_destroy(q);
	first = fdinfo_busy_ns(fd);
	CHECK_GE(first, (int64_t)now);
	sleep_ms(20);
	CHECK_EQ(fdinfo_busy_ns(fd), first);
}

/* Two queues at once are twice as busy as one. */
static void L4_fdinfo_adds_queues_up(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct queue q[4];
	struct drm_mockgpu_cmd delay = cmd_delay(200 * MS);
	uint64_t seqno[ARRAY_SIZE(q)], start = now_ns(), wall, busy;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(q); i++)
		q[i] = queue_new(dev);
	for (i = 0; i < ARRAY_SIZE(q); i++)
		seqno[i] = submit(q[i], &delay, 1, NULL);
	for (i = 0; i < ARRAY_SIZE(q); i++)
		FINISHES(q[i], seqno[i], 0);
	busy = fdinfo_busy_ns(mockgpu_fd(dev));
	wall = now_ns() - start;
	CHECK_GE(busy, ARRAY_SIZE(q) * 200 * MS);
	CHECK_LE(busy, (int64_t)(ARRAY_SIZE(q) * wall));
	queue_destroy(q[1]);
	queue_destroy(q[3]);
	CHECK_EQ(fdinfo_busy_ns(mockgpu_fd(dev)), busy);
}

struct reader {
	int fd;
	atomic_bool end;
	uint64_t looks;
};

static void *read_on(void *arg)
{
	struct reader *r = arg;
	uint64_t last = 0, now;

	while (!r->end) {
		now = fdinfo_busy_ns(r->fd);
		if (now < last)
			FAIL("%llu after %llu", (unsigned long long)now,
			     (unsigned long long)last);
		last = now;
		r->looks++;
	}
	return NULL;
}

/* Queues come and go, are idle and busy, and are ended half-way. */
static void L4_fdinfo_time_never_goes_back(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	struct reader r = { .fd = mockgpu_fd(dev) };
	struct drm_mockgpu_cmd cmds[] = { cmd_delay(100000), { .op = MOCKGPU_CMD_NOP } };
	struct drm_mockgpu_cmd lasting = cmd_delay(10 * NS_PER_S);
	uint64_t end = now_ns() + 3 * NS_PER_S;
	pthread_t thread = thread_start(read_on, &r);
	unsigned int rounds;

	for (rounds = 0; now_ns() < end; rounds++) {
		struct queue a = queue_new(dev), b = queue_new(dev);
		uint64_t seqno = submit(a, cmds, ARRAY_SIZE(cmds), NULL);

		submit(b, &lasting, 1, NULL);
		FINISHES(a, seqno, 0);
		queue_destroy(a);
		queue_destroy(b);
	}
	r.end = true;
	thread_join(thread);
	note("%u rounds, %llu looks", rounds, (unsigned long long)r.looks);
	CHECK_GE(rounds, 3);
	CHECK_GE(r.looks, 10);
}

#define PASSED_ON 500

static void leave_a_busy_queue(void *arg)
{
	const int *gates = arg;
	struct mockgpu_device *dev = gpu_open(0);
	struct drm_mockgpu_cmd delay = cmd_delay(10 * NS_PER_S);

	CHECK_SYS(dup2(mockgpu_fd(dev), PASSED_ON));
	submit(queue_new(dev), &delay, 1, NULL);
	gate_open(gates[0], 1);
	gate_wait(gates[1]);
}

/* A process that ends leaves nothing that is busy, also where somebody else has the file. */
static void L4_fdinfo_time_ends_with_the_process(void)
{
	int gates[] = { gate_new(), gate_new() };
	uint64_t end = now_ns() + BOUND_NS, busy;
	pid_t pid = spawn(leave_a_busy_queue, gates);
	int pidfd, fd;

	gate_wait(gates[0]);
	pidfd = (int)CHECK_SYS(syscall(SYS_pidfd_open, pid, 0));
	fd = (int)CHECK_SYS(syscall(SYS_pidfd_getfd, pidfd, PASSED_ON, 0));
	while (!fdinfo_busy_ns(fd))
		CHECK(now_ns() < end);
	gate_open(gates[1], 1);
	join(pid);

	/* Its queue hears of it in a moment. */
	end = now_ns() + BOUND_NS;
	do {
		busy = fdinfo_busy_ns(fd);
		CHECK(now_ns() < end);
		sleep_ms(20);
	} while (fdinfo_busy_ns(fd) != busy);
	CHECK_GE(busy, 1);
	close(fd);
	close(pidfd);
}

#define HEAD "pos:\t0\nflags:\t02100002\nmnt_id:\t22\nino:\t250\n"
#define GOOD HEAD "drm-driver:\tmockgpu\ndrm-client-id:\t7\n"
#define ENGINE "drm-engine-x:\t5 ns\n"

/* A checker that accepts everything sees nothing. */
static void L4_fdinfo_checker_sees_what_breaks_the_rules(void)
{
	static const char *const good[] = {
		GOOD, GOOD "drm-client-name:\ta b\n", GOOD ENGINE "drm-engine-capacity-x:\t1\n",
		GOOD "drm-total-vram: \t2 MiB\ndrm-shared-vram:\t1 MiB\n",
		GOOD "drm-resident-vram:\t5 KiB\n",
		GOOD ENGINE "drm-cycles-x:\t7\ndrm-maxfreq-x:\t800 MHz\n",
		GOOD ENGINE "drm-cycles-x:\t7\ndrm-total-cycles-x:\t9\n",
		GOOD "mockgpu-own:\tany thing\n", GOOD "drm-memory-vram:\t5\n",
		GOOD "drm-resident-vram:\t5\ndrm-active-vram:\t5\ndrm-purgeable-vram:\t0\n",
	};
	static const char *const bad[] = {
		HEAD, HEAD "drm-driver:\tmockgpu\n", HEAD "drm-client-id:\t7\n",
		HEAD "drm-driver:\tother\ndrm-client-id:\t7\n",
		GOOD "drm-client-id:\t7\n", GOOD "x", GOOD "x\n", GOOD "\n", GOOD ":\t7\n",
		GOOD "drm-total-v m:\t7\n", GOOD "drm-total-vram:\t\n",
		GOOD "drm-total-vram:\t7\x20\n",
		GOOD "drm-total-vram:\t7 kB\n", GOOD "drm-total-vram:\t7KiB\n",
		GOOD "drm-total-vram:\t7 KiB x\n", GOOD "drm-total-vram:\tmuch\n",
		GOOD "drm-total-vram:\t-7\n", GOOD "drm-total-:\t7\n", GOOD "drm-total:\t7\n",
		GOOD "drm-pages-vram:\t7\n", GOOD "gpu-own:\t7\n",
		GOOD "drm-pdev:\t0000:00:01.0\n",
		GOOD "drm-engine-x:\t7\n", GOOD "drm-engine-x:\t7 us\n",
		GOOD "drm-engine-:\t7 ns\n",
		GOOD "drm-engine-capacity-x:\t1\n", GOOD ENGINE "drm-engine-capacity-x:\t0\n",
		GOOD ENGINE "drm-engine-capacity-x:\t1 ns\n", GOOD "drm-cycles-x:\t7\n",
		GOOD ENGINE "drm-total-cycles-x:\t7\n",
		GOOD ENGINE "drm-cycles-x:\t7\ndrm-total-cycles-x:\t9\ndrm-maxfreq-x:\t8 Hz\n",
		GOOD ENGINE "drm-maxfreq-x:\t8 GHz\n", GOOD "drm-maxfreq-x:\t8 Hz\n",
		GOOD "drm-memory-vram:\t5\ndrm-resident-vram:\t5\n", GOOD "drm-shared-vram:\t0\n",
		GOOD "drm-active-vram:\t0\n", GOOD "drm-total-vram:\t9\ndrm-shared-vram:\t1 KiB\n",
		GOOD "drm-resident-vram:\t5 KiB\ndrm-active-vram:\t6 KiB\n",
	};
	char why[512];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		if (fdinfo_breaks_a_rule(good[i], why))
			FAIL("breaks no rule, but: %s, in:\n%s", why, good[i]);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		if (!fdinfo_breaks_a_rule(bad[i], why))
			FAIL("breaks a rule:\n%s", bad[i]);
	}
}

#define SCENARIO(name) { #name, name, 0, 0 }
#define RELOADING(name) { #name, name, 90, RELOADS }

const struct scenario scenarios[] = {
	SCENARIO(L4_fdinfo_checker_sees_what_breaks_the_rules),
	SCENARIO(L4_fdinfo_counts_what_a_client_has_in_vram),
	SCENARIO(L4_fdinfo_has_the_units_of_sizes),
	SCENARIO(L4_fdinfo_names_driver_and_client),
	SCENARIO(L4_fdinfo_numbers_files_not_descriptors),
	RELOADING(L4_fdinfo_numbers_clients_of_all_devices),
	RELOADING(L4_fdinfo_says_nothing_of_a_device_that_has_gone),
	SCENARIO(L4_fdinfo_counts_the_time_of_a_queue),
	SCENARIO(L4_fdinfo_counts_what_is_being_executed),
	SCENARIO(L4_fdinfo_adds_queues_up),
	SCENARIO(L4_fdinfo_time_never_goes_back),
	SCENARIO(L4_fdinfo_time_ends_with_the_process),
	{ 0 }
};
