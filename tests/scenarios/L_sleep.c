// SPDX-License-Identifier: MIT
/*
 * The machine is suspended and hibernates while pages are in VRAM and queues work: row L2.
 *
 * The kernel's own tests of that, /sys/power/pm_test, go as far as they are told to and come back.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/suspend_ioctls.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <unistd.h>

#include "busy.h"
#include "configfs.h"
#include "disk.h"
#include "events.h"
#include "log.h"
#include "module.h"
#include "points.h"
#include "process.h"
#include "sleep.h"
#include "uffd.h"

#define N	64
#define MOVED	512U
#define STEPS	4000

/* A queue that counts in VRAM, slowly; who waits for it; and pages that lie there. */
static struct {
	struct mockgpu_device *dev;
	struct queue q;
	uint64_t seqno;
	volatile uint64_t *word;
	void *p;
	uint16_t tag;
	pthread_t waiting;
	struct arm arm;
} t;

static void *wait_without_end(void *unused)
{
	return (void *)(long)mockgpu_wait(t.dev, t.q.id, t.seqno, -1, NULL);
}

static void *wait_for_hits(void *unused)
{
	return (void *)(long)mockgpu_point_wait(t.dev, t.arm.id, STEPS, -1, NULL);
}

static long result_of(pthread_t thread)
{
	void *result;

	CHECK_EQ(pthread_join(thread, &result), 0);
	return (long)result;
}

static void begin_to_count(void)
{
	static struct drm_mockgpu_cmd cmds[2 * STEPS];

	for (unsigned int i = 0; i < STEPS; i++) {
		cmds[2 * i] = cmd_store(t.word, 8, i + 1);
		cmds[2 * i + 1] = cmd_delay(500000);
	}
	*t.word = 0;
	/* Coherent VRAM is where it was when a CPU has touched it. */
	CHECK_EQ(mockgpu_migrate(t.dev, (void *)(uintptr_t)t.word, PAGE, MOCKGPU_TARGET_VRAM, 0,
				 NULL, NULL), 0);
	CHECK_PLACE(t.dev, (void *)(uintptr_t)t.word, 1, IN_VRAM);
	t.seqno = submit(t.q, cmds, 2 * STEPS, NULL);
	t.waiting = thread_start(wait_without_end, NULL);
}

static void set_up(void)
{
	t.dev = gpu_open(0);
	t.q = queue_new(t.dev);
	t.word = map_filled(1, new_tag());
	t.tag = new_tag();
	t.p = map_filled(N, t.tag);
	TO_VRAM(t.dev, t.p, N);
}

static void check_that_all_is_there(void)
{
	CHECK_PLACE(t.dev, t.p, N, IN_VRAM);
	GPU_CHECK_FILL(t.dev, t.p, N, t.tag, 0);
}

/* The queue was in the middle of it, went on, and nobody was told of a signal. */
static void check_that_it_went_on(struct log *log)
{
	struct drm_mockgpu_event e;
	uint64_t last = 0, gap = 0;
	unsigned int events = 0;

	CHECK_EQ(result_of(t.waiting), 0);
	FINISHES(t.q, t.seqno, 0);
	CHECK_EQ(*t.word, STEPS);
	if (!log)
		return;
	for (events = 0; events < 2 * STEPS; events++) {
		e = log_next(log);
		CHECK_EQ(e.kind, MOCKGPU_EVENT_COMMAND);
		CHECK_EQ(e.error, 0);
		if (last && e.time_ns - last > gap)
			gap = e.time_ns - last;
		last = e.time_ns;
	}
	note("nothing was executed for %llu ms", (unsigned long long)gap / 1000000);
	CHECK_GE(gap, NS_PER_S / 2);
}

static void sleep_and_check(enum sleep_level level, int (*go)(enum sleep_level level))
{
	struct arm arm = TALLY(t.dev, "command", .pid = getpid());
	/* At the last level the clock stands still. */
	bool timed = level < TO_CORE;
	struct log log;
	int ret;

	if (timed)
		log = log_new(t.dev, 0, KIND(COMMAND), 16384);
	begin_to_count();
	AWAIT_HITS(arm, 10);
	ret = go(level);
	if (ret)
		FAIL("%s: %s", sleep_level_name[level], strerror(-ret));
	CHECK_LE(arm_look(arm).hits, 2 * STEPS - 1);
	check_that_all_is_there();
	check_that_it_went_on(timed ? &log : NULL);
	arm_release(arm);
	if (timed)
		log_close(&log);
}

static void L2_suspend_with_running_commands(void)
{
	sleep_needs_tests();
	set_up();
	for (enum sleep_level level = 0; level < SLEEP_LEVELS; level++) {
		note("%s", sleep_level_name[level]);
		if (sleep_goes_to(level))
			sleep_and_check(level, sleep_suspend);
	}
	CHECK_FILL(t.p, N, t.tag, 0);
}

static void L2_hibernation_with_running_commands(void)
{
	sleep_needs_tests();
	set_up();
	gpu_needs(t.dev, MOCKGPU_CAP_PRIVATE);
	for (enum sleep_level level = 0; level < SLEEP_LEVELS; level++) {
		/* For each the kernel looks for room for an image of all memory. */
		if (slowness() > 1 && level != TO_FREEZER && level != TO_CORE)
			continue;
		note("%s", sleep_level_name[level]);
		sleep_and_check(level, sleep_hibernate);
	}
	CHECK_FILL(t.p, N, t.tag, 0);
}

/* Nothing is lost by an image of all memory that is written to a disk and read again. */
static void hibernate_to(const char *disk, int (*go)(void))
{
	struct arm arm = TALLY(t.dev, "command", .pid = getpid());
	int ret;

	swap_on_disk(disk, 160 * 1024);
	begin_to_count();
	AWAIT_HITS(arm, 10);
	ret = go();
	CHECK_SYS(swapoff(disk));
	CHECK_EQ(ret, 0);
	CHECK_LE(arm_look(arm).hits, 2 * STEPS - 1);
	check_that_all_is_there();
	check_that_it_went_on(NULL);
	CHECK_FILL(t.p, N, t.tag, 0);
}

static void L2_hibernation_saves_private_vram(void)
{
	sleep_needs_tests();
	set_up();
	gpu_needs(t.dev, MOCKGPU_CAP_PRIVATE);
	disk_new(0);
	hibernate_to(DISK, sleep_hibernate_and_resume);
	disk_gone();
}

/* The disk that the guest has for that, and for nothing else. */
static bool find_disk(char *disk, size_t size)
{
	char path[64], serial[32];
	FILE *file;

	for (char letter = 'a'; letter <= 'z'; letter++) {
		snprintf(path, sizeof(path), "/sys/block/vd%c/serial", letter);
		snprintf(disk, size, "/dev/vd%c", letter);
		file = fopen(path, "re");
		if (!file)
			continue;
		serial[fread(serial, 1, sizeof(serial) - 1, file)] = 0;
		fclose(file);
		if (!strncmp(serial, "hibernate", 9))
			return true;
	}
	return false;
}

/* The machine is switched off in between. */
static void L2_hibernation_from_boot_to_boot(void)
{
	char disk[16];

	if (!find_disk(disk, sizeof(disk)))
		skip("the machine is not booted again: make check-hibernate");
	set_up();
	gpu_needs(t.dev, MOCKGPU_CAP_PRIVATE);
	hibernate_to(disk, sleep_hibernate_and_power_off);
}

/* Coherent VRAM would be lost: as long as there is any, the machine does not hibernate. */
static void L2_hibernation_is_refused_with_coherent_vram(void)
{
	uint64_t end;
	int err;

	sleep_needs_tests();
	set_up();
	gpu_needs(t.dev, MOCKGPU_CAP_COHERENT);
	begin_to_count();
	log_begin();
	CHECK_EQ(sleep_hibernate(TO_FREEZER), -EBUSY);
	CHECK_EQ(log_count("no hibernation with coherent VRAM"), 1);
	check_that_all_is_there();
	check_that_it_went_on(NULL);
	CHECK_EQ(mockgpu_evict_all(t.dev, NULL), 0);
	CHECK_EQ(sleep_hibernate(TO_FREEZER), -EBUSY);
	mockgpu_close(t.dev);
	for (end = now_ns() + 3 * BOUND_NS; (err = module_unload()) && now_ns() < end;)
		sleep_ms(10);
	CHECK_EQ(err, 0);
	CHECK_EQ(sleep_hibernate(TO_FREEZER), 0);
	CHECK_FILL(t.p, N, t.tag, 0);
}

/*
 * A program that hibernates the machine by way of /dev/snapshot does so in several steps.  From the
 * first to the last no memory becomes coherent VRAM, and queues rest, also where the machine is
 * suspended meanwhile.
 */
static void L2_no_coherent_vram_while_a_program_hibernates_the_machine(void)
{
	static const char snapshot[] = "/dev/snapshot";
	struct drm_mockgpu_cmd nop = { .op = MOCKGPU_CMD_NOP };
	uint64_t seqno;
	struct queue q;
	int fd;

	sleep_needs_tests();
	if (access(snapshot, F_OK))
		skip("the kernel has no /dev/snapshot");
	t.dev = gpu_open(0);
	gpu_needs(t.dev, MOCKGPU_CAP_PRIVATE);
	q = queue_new(t.dev);
	config_begin();
	config_new("gpu", "128", "coherent");
	fd = open(snapshot, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && (errno == EPERM || errno == ENODEV))
		skip("this machine cannot hibernate");
	CHECK_SYS(fd);
	log_begin();
	CHECK_EQ(config_set("gpu", "power", "1"), -EBUSY);
	CHECK_EQ(log_count("while the machine hibernates"), 1);
	CHECK_EQ(sleep_suspend(TO_FREEZER), 0);
	CHECK_EQ(config_set("gpu", "power", "1"), -EBUSY);
	seqno = submit(q, &nop, 1, NULL);
	sleep_ms(100);
	CHECK(!is_finished(q, seqno));
	close(fd);
	FINISHES(q, seqno, 0);
	config_on("gpu");
	CHECK_EQ(open(snapshot, O_RDONLY | O_CLOEXEC), -1);
	CHECK_EQ(errno, EBUSY);
	CHECK_EQ(config_set("gpu", "power", "0"), 0);
	fd = (int)CHECK_SYS(open(snapshot, O_RDONLY | O_CLOEXEC));
	close(fd);
	mockgpu_close(t.dev);
}

/* It did so before the module was there, which did not hear of it: no image is made all the same. */
static void L2_no_image_is_made_beside_coherent_vram(void)
{
	int fd, err, in_suspend = 0;
	uint64_t end;

	sleep_needs_tests();
	set_up();
	gpu_needs(t.dev, MOCKGPU_CAP_COHERENT);
	CHECK_EQ(mockgpu_evict_all(t.dev, NULL), 0);
	mockgpu_close(t.dev);
	module_prepare();
	for (end = now_ns() + 3 * BOUND_NS; (err = module_unload()) && now_ns() < end;)
		sleep_ms(10);
	CHECK_EQ(err, 0);
	fd = open("/dev/snapshot", O_RDONLY | O_CLOEXEC);
	err = errno;
	CHECK_EQ(module_load(module_vram(), NULL), 0);
	if (fd < 0 && (err == EPERM || err == ENODEV || err == ENOENT))
		skip("this machine has no /dev/snapshot to hibernate by");
	CHECK_SYS(fd);
	t.dev = gpu_open(0);
	TO_VRAM(t.dev, t.p, N);
	CHECK_EQ(write_text("/sys/power/pm_test", "devices"), 0);
	CHECK_SYS(ioctl(fd, SNAPSHOT_FREEZE, 0));
	err = ioctl(fd, SNAPSHOT_CREATE_IMAGE, &in_suspend) ? errno : 0;
	CHECK_SYS(ioctl(fd, SNAPSHOT_UNFREEZE, 0));
	CHECK_EQ(write_text("/sys/power/pm_test", "none"), 0);
	CHECK_EQ(err, EBUSY);
	close(fd);
	CHECK_PLACE(t.dev, t.p, N, IN_VRAM);
	CHECK_FILL(t.p, N, t.tag, 0);
	mockgpu_close(t.dev);
}

#define SERVED	8U
static atomic_bool enough;

/* Each page that is brought takes the one before away, so that there is no end of it. */
static void *serve(void *arg)
{
	struct uffd *u = arg;
	void *p, *before = NULL;

	while (!enough) {
		if (uffd_is_quiet(u)) {
			usleep(50);
			continue;
		}
		p = uffd_wait(u);
		uffd_zero(u, p, 1);
		if (before && before != p)
			CHECK_SYS(madvise(before, PAGE, MADV_DONTNEED));
		before = p;
	}
	return NULL;
}

/*
 * A queue waits, again and again, for pages that a process brings.  The process is frozen before the
 * queue is: had the queue not been stopped by then, it could wait for ever.
 */
static void L2_suspend_while_a_process_serves_a_queue(void)
{
	static struct drm_mockgpu_cmd cmds[60000];
	struct uffd u = uffd_new(0);
	pthread_t server;
	struct arm arm;
	char *p;

	sleep_needs_tests();
	set_up();
	p = map_hole(SERVED);
	uffd_register(&u, p, SERVED, UFFDIO_REGISTER_MODE_MISSING);
	for (unsigned int i = 0; i < ARRAY_SIZE(cmds); i++)
		cmds[i] = cmd_load(AT(p, i % SERVED), 8);
	server = thread_start(serve, &u);
	arm = TALLY(t.dev, "command", .pid = getpid());
	for (unsigned int i = 0; i < 4; i++)
		submit(t.q, cmds, ARRAY_SIZE(cmds), NULL);
	AWAIT_HITS(arm, 100);
	for (unsigned int i = 0; i < 4; i++) {
		CHECK_EQ(sleep_suspend(TO_FREEZER), 0);
		/* It goes on. */
		AWAIT_HITS(arm, arm_look(arm).hits + 50);
	}
	check_that_all_is_there();
	enough = true;
	thread_join(server);
	queue_destroy(t.q);
	uffd_close(&u);
}

/* Nobody brings the page: rather no sleep, said at once, than one that fails late. */
static void L2_suspend_is_refused_while_a_queue_waits_for_a_page(void)
{
	struct queue stuck;
	uint64_t start;

	sleep_needs_tests();
	set_up();
	stuck = queue_new(t.dev);
	keep_busy(stuck, FAULTING);
	begin_to_count();
	sleep_ms(50);
	log_begin();
	start = now_ns();
	CHECK_EQ(sleep_suspend(TO_FREEZER), -EBUSY);
	CHECK_LE(now_ns() - start, 5 * NS_PER_S + BOUND_NS);
	CHECK_EQ(log_count("the machine cannot sleep"), 1);
	check_that_it_went_on(NULL);
	queue_destroy(stuck);
	CHECK_EQ(sleep_suspend(TO_FREEZER), 0);
	check_that_all_is_there();
}

static int moving;

/* Keeps a link busy for a second ahead. */
static void move_without_end(void *unused)
{
	struct mockgpu_device *dev = config_open("gpu");
	void *p = map_filled(MOVED, new_tag());

	gate_open(moving, 1);
	/* Each may end early: to be frozen is a signal to it. */
	for (;;) {
		mockgpu_to_vram(dev, p, MOVED * PAGE);
		mockgpu_to_system(dev, p, MOVED * PAGE);
	}
}

/*
 * A link so slow that each page which a queue touches is on its way for up to a second, behind what
 * others move: the machine does not wait for that, and nobody is told of it.
 */
static void L2_suspend_does_not_wait_for_a_slow_link(void)
{
	struct drm_mockgpu_cmd cmd;
	pid_t movers[3];

	sleep_needs_tests();
	t.dev = gpu_open(0);
	config_begin();
	config_new("gpu", "64", gpu_has(t.dev, MOCKGPU_CAP_PRIVATE) ? "private" : "coherent");
	CHECK_EQ(config_set("gpu", "link_mbps", "2"), 0);
	config_on("gpu");
	moving = gate_new();
	for (unsigned int i = 0; i < ARRAY_SIZE(movers); i++) {
		movers[i] = spawn(move_without_end, NULL);
		gate_wait(moving);
	}
	t.dev = config_open("gpu");
	t.q = queue_new(t.dev);
	t.tag = new_tag();
	t.p = map_filled(MOVED, t.tag);
	CHECK_EQ(mockgpu_advise(t.dev, t.p, MOVED * PAGE, MOCKGPU_ADVICE_GRANULARITY, 0), 0);
	CHECK_EQ(mockgpu_advise(t.dev, t.p, MOVED * PAGE, MOCKGPU_ADVICE_MUST_VRAM, 1), 0);
	cmd = cmd_compare(t.p, t.p, MOVED * PAGE);
	t.seqno = submit(t.q, &cmd, 1, NULL);
	for (unsigned int i = 0; i < 3; i++) {
		sleep_ms(1000);
		CHECK_EQ(sleep_suspend(TO_FREEZER), 0);
	}
	CHECK(!is_finished(t.q, t.seqno));
	CHECK_EQ(config_set("gpu", "link_mbps", "0"), 0);
	FINISHES(t.q, t.seqno, 0);
	check_that_all_is_there();
	CHECK_FILL(t.p, MOVED, t.tag, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(movers); i++) {
		CHECK_SYS(kill(movers[i], SIGKILL));
		join_killed(movers[i], SIGKILL);
	}
	mockgpu_close(t.dev);
}

/* What a point holds it lets go; and who waits for the point goes on waiting. */
static void L2_suspend_lets_go_what_points_hold(void)
{
	struct drm_mockgpu_cmd nop = { .op = MOCKGPU_CMD_NOP };
	pthread_t waiting;
	uint64_t seqno;
	struct arm hold;

	sleep_needs_tests();
	set_up();
	t.arm = TALLY(t.dev, "command", .pid = getpid());
	hold = HOLD(t.dev, "command", .pid = getpid(), .time_ns = 60 * NS_PER_S);
	waiting = thread_start(wait_for_hits, NULL);
	seqno = submit(t.q, &nop, 1, NULL);
	AWAIT_HELD(hold);
	CHECK_EQ(sleep_suspend(TO_FREEZER), 0);
	FINISHES(t.q, seqno, 0);
	/* It holds again. */
	seqno = submit(t.q, &nop, 1, NULL);
	AWAIT_HELD(hold);
	CHECK(!is_finished(t.q, seqno));
	arm_release(hold);
	FINISHES(t.q, seqno, 0);
	begin_to_count();
	CHECK_EQ(result_of(waiting), 0);
	check_that_it_went_on(NULL);
}

static int survivor;

static void own_a_busy_queue(struct actor *self)
{
	struct mockgpu_device *dev = gpu_open(0);

	for (enum busy how = 0; how < BUSY_WAYS; how++)
		if (busy_is_possible(dev, how))
			keep_busy(queue_new(dev), how);
	if (!CHECK_SYS(fork())) {
		gate_wait(survivor);
		_exit(0);
	}
	cue(self);
}

/* Queues that wait to be taken away, as their process has died and a child has the file. */
static void L2_suspend_with_queues_of_the_dead(void)
{
	struct actor *actor = actor_new();

	sleep_needs_tests();
	survivor = gate_new();
	actor_start(actor, own_a_busy_queue);
	CHECK_SYS(kill(actor->pid, SIGKILL));
	join_killed(actor->pid, SIGKILL);
	CHECK_EQ(sleep_suspend(TO_FREEZER), 0);
	gate_open(survivor, 1);
}

/* One that sleeps does not keep a device, nor a queue, from leaving afterwards. */
static void L2_unbind_after_suspend(void)
{
	sleep_needs_tests();
	set_up();
	CHECK_EQ(sleep_suspend(TO_DEVICES), 0);
	keep_busy(t.q, CHASING);
	CHECK_EQ(device_unbind(0), 0);
	CHECK_FILL(t.p, N, t.tag, 0);
	CHECK_EQ(sleep_suspend(TO_DEVICES), 0);
	CHECK_EQ(device_bind(0), 0);
	mockgpu_close(t.dev);
	set_up();
	begin_to_count();
	check_that_it_went_on(NULL);
	check_that_all_is_there();
}

#define SCENARIO(name)	{ #name, name, 120, 0 }
#define RELOADING(name)	{ #name, name, 120, RELOADS }

const struct scenario scenarios[] = {
	SCENARIO(L2_suspend_with_running_commands),
	SCENARIO(L2_hibernation_with_running_commands),
	SCENARIO(L2_hibernation_saves_private_vram),
	SCENARIO(L2_hibernation_from_boot_to_boot),
	RELOADING(L2_hibernation_is_refused_with_coherent_vram),
	SCENARIO(L2_no_coherent_vram_while_a_program_hibernates_the_machine),
	RELOADING(L2_no_image_is_made_beside_coherent_vram),
	SCENARIO(L2_suspend_while_a_process_serves_a_queue),
	SCENARIO(L2_suspend_is_refused_while_a_queue_waits_for_a_page),
	SCENARIO(L2_suspend_does_not_wait_for_a_slow_link),
	SCENARIO(L2_suspend_lets_go_what_points_hold),
	SCENARIO(L2_suspend_with_queues_of_the_dead),
	RELOADING(L2_unbind_after_suspend),
	{ 0 }
};
