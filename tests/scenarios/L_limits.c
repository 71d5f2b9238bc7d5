// SPDX-License-Identifier: MIT
/*
 * What one user can take: row L4.  Up to the limit and no further, by however many files and
 * processes; another user has as much; what is given back can be had again.  And what a memory
 * cgroup is charged for, so that its limit stops it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "events.h"
#include "memcg.h"
#include "module.h"
#include "process.h"
#include "queue.h"

#define ONE	65533
#define OTHER	65534

/*
 * From now on this user, who may open the node as a member of its group would, and become another;
 * and nothing more.
 */
static void become(uid_t uid)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	/* The last is for a check that fails, and ends them all. */
	const unsigned int caps = 1U << CAP_DAC_OVERRIDE | 1U << CAP_SETUID | 1U << CAP_SETGID |
				  1U << CAP_KILL;
	struct __user_cap_data_struct data[2] = { { .effective = caps, .permitted = caps } };

	CHECK_SYS(prctl(PR_SET_KEEPCAPS, 1));
	CHECK_SYS(setgid(uid));
	CHECK_SYS(setuid(uid));
	CHECK_SYS(syscall(SYS_capset, &header, data));
}

/* Processes that want the same, one after the other. */
struct demand {
	uid_t uid;
	void (*fn)(struct demand *demand);
	int had;	/* what came of it: 0 or a negative errno */
};

static void run_as(void *arg)
{
	struct demand *demand = arg;

	become(demand->uid);
	demand->fn(demand);
}

/* What a process of this user gets that wants it for a moment. */
static int get_as(uid_t uid, void (*fn)(struct demand *demand))
{
	struct demand *demand = map_shared(1);
	int had;

	*demand = (struct demand){ uid, fn, 1 };
	join(spawn(run_as, demand));
	had = demand->had;
	munmap(demand, PAGE);
	return had;
}

static void one_queue(struct demand *demand)
{
	uint32_t id;

	demand->had = mockgpu_queue_create(gpu_open(0), &id);
}

#define OF_A_FILE	16
#define FILES		(MOCKGPU_USER_QUEUES_MAX / OF_A_FILE)

/* All of a user's, and what happens then; gates[0] tells that they are there. */
static void take_all_queues(void *arg)
{
	struct mockgpu_device *dev[FILES + 1];
	uint32_t id = 12345, last = 0;
	int *gates = arg;

	become(ONE);
	for (unsigned int i = 0; i < FILES; i++) {
		dev[i] = gpu_open(0);
		for (unsigned int j = 0; j < OF_A_FILE; j++)
			CHECK_EQ(mockgpu_queue_create(dev[i], &last), 0);
	}
	dev[FILES] = gpu_open(0);
	CHECK_EQ(mockgpu_queue_create(dev[FILES], &id), -ENOSPC);
	CHECK_EQ(id, 12345);
	CHECK_EQ(mockgpu_queue_destroy(dev[3], last), 0);
	CHECK_EQ(mockgpu_queue_create(dev[FILES], &id), 0);
	CHECK_EQ(mockgpu_queue_create(dev[3], &last), -ENOSPC);
	/* All of a file's. */
	mockgpu_close(dev[7]);
	for (unsigned int j = 1; j < OF_A_FILE; j++)
		CHECK_EQ(mockgpu_queue_create(dev[FILES], &last), 0);
	CHECK_EQ(mockgpu_queue_create(dev[3], &last), 0);
	CHECK_EQ(mockgpu_queue_create(dev[FILES], &last), -ENOSPC);
	gate_open(gates[0], 1);
	gate_wait(gates[1]);
}

static void L4_queues_of_a_user(void)
{
	int gates[2] = { gate_new(), gate_new() };
	uint64_t end = now_ns() + 10 * BOUND_NS;
	pid_t pid = spawn(take_all_queues, gates);

	gate_wait(gates[0]);
	CHECK_EQ(get_as(ONE, one_queue), -ENOSPC);
	CHECK_EQ(get_as(OTHER, one_queue), 0);
	CHECK_EQ(get_as(0, one_queue), 0);
	CHECK_SYS(kill(pid, SIGKILL));
	join_killed(pid, SIGKILL);
	while (get_as(ONE, one_queue) == -ENOSPC)
		CHECK_LE(now_ns(), end);
	CHECK_EQ(get_as(ONE, one_queue), 0);
}

#define COMMANDS 65536U	/* of a submission */

static void one_command(struct demand *demand)
{
	struct drm_mockgpu_cmd nop = { .op = MOCKGPU_CMD_NOP };
	struct mockgpu_submission s = { .cmds = &nop, .count = 1 };
	struct queue q = queue_new(gpu_open(0));

	demand->had = mockgpu_submit(q.dev, q.id, &s);
	if (!demand->had)
		FINISHES(q, s.seqno, 0);
}

static void take_all_commands(void *arg)
{
	size_t pages = COMMANDS * sizeof(struct drm_mockgpu_cmd) / PAGE;
	struct drm_mockgpu_cmd *cmds, wait;
	struct mockgpu_submission s = { .count = COMMANDS };
	unsigned int left = MOCKGPU_USER_COMMANDS_MAX - 1;
	uint64_t *word = map_hole(1);
	struct queue q, other;
	uint64_t last;

	become(ONE);
	q = queue_new(gpu_open(0));
	other = queue_new(gpu_open(0));
	cmds = map_hole(pages);
	s.cmds = cmds;
	*word = 0;
	wait = cmd_wait(word, 8, MOCKGPU_WAIT_EQ, 1, 60 * NS_PER_S);
	submit(q, &wait, 1, NULL);
	while (left) {
		s.count = left < COMMANDS ? left : COMMANDS;
		CHECK_EQ(mockgpu_submit(q.dev, q.id, &s), 0);
		left -= s.count;
	}
	last = s.seqno;
	s.count = 1;
	CHECK_EQ(mockgpu_submit(q.dev, q.id, &s), -ENOSPC);
	CHECK_EQ(mockgpu_submit(other.dev, other.id, &s), -ENOSPC);
	CHECK_EQ(get_as(ONE, one_command), -ENOSPC);
	/* Executed, they are no more. */
	__atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
	FINISHES(q, last, 0);
	s.count = COMMANDS;
	CHECK_EQ(mockgpu_submit(other.dev, other.id, &s), 0);
	FINISHES(other, s.seqno, 0);
	/* Refused for another reason, or dropped with their queue, they count as little. */
	wait = cmd_wait(word, 8, MOCKGPU_WAIT_EQ, 2, 60 * NS_PER_S);
	for (unsigned int i = 0; i < 2 * MOCKGPU_USER_COMMANDS_MAX / COMMANDS; i++) {
		cmds[COMMANDS - 1].op = ~0U;
		CHECK_EQ(mockgpu_submit(other.dev, other.id, &s), -EINVAL);
		cmds[COMMANDS - 1].op = MOCKGPU_CMD_NOP;
		q = queue_new(q.dev);
		submit(q, &wait, 1, NULL);
		CHECK_EQ(mockgpu_submit(q.dev, q.id, &s), 0);
		queue_destroy(q);
	}
}

static void L4_commands_of_a_user(void)
{
	join(spawn(take_all_commands, NULL));
}

static void one_log(struct demand *demand)
{
	int fd;

	demand->had = mockgpu_log_open(gpu_open(0), 0, 0, 16, &fd);
}

static void take_all_entries(void *prepared)
{
	int fd[2], more = 77;
	struct mockgpu_device *dev;

	become(ONE);
	dev = gpu_open(0);
	for (unsigned int i = 0; i < 2; i++)
		CHECK_EQ(mockgpu_log_open(dev, 0, 0, MOCKGPU_LOG_ENTRIES_MAX / 2, &fd[i]), 0);
	CHECK_EQ(mockgpu_log_open(dev, 0, 0, 1, &more), -ENOSPC);
	CHECK_EQ(more, 77);
	CHECK_EQ(get_as(ONE, one_log), -ENOSPC);
	CHECK_EQ(get_as(OTHER, one_log), 0);
	/* By a file of who may have any number. */
	CHECK_EQ(mockgpu_log_open(prepared, MOCKGPU_LOG_ALL, 0, 16, &more), 0);
	CHECK_SYS(close(more));
	CHECK_SYS(close(fd[0]));
	CHECK_EQ(mockgpu_log_open(dev, 0, 0, MOCKGPU_LOG_ENTRIES_MAX, &more), -ENOSPC);
	CHECK_EQ(mockgpu_log_open(dev, 0, 0, MOCKGPU_LOG_ENTRIES_MAX / 2, &fd[0]), 0);
	/* The log is there without the file, and counts. */
	mockgpu_close(dev);
	CHECK_EQ(get_as(ONE, one_log), -ENOSPC);
}

static void take_all_entries_by_it(void *dev)
{
	int fd;

	become(OTHER);
	CHECK_EQ(mockgpu_log_open(dev, MOCKGPU_LOG_DESCENDANTS, 0, MOCKGPU_LOG_ENTRIES_MAX, &fd),
		 0);
	CHECK_EQ(get_as(ONE, one_log), -ENOSPC);
	CHECK_EQ(get_as(OTHER, one_log), 0);
}

static void share_a_file(void *unused)
{
	become(ONE);
	join(spawn(take_all_entries_by_it, gpu_open(0)));
	CHECK_EQ(get_as(ONE, one_log), 0);
}

/* As everything else: whose file it is counts, not who uses it. */
static void L4_entries_of_logs_by_the_file_of_another_user(void)
{
	join(spawn(share_a_file, NULL));
}

static void L4_entries_of_the_logs_of_a_user(void)
{
	CHECK_EQ(get_as(OTHER, one_log), 0);
	join(spawn(take_all_entries, gpu_open(0)));
	CHECK_EQ(get_as(ONE, one_log), 0);
}

/* Users that take all logs there are for who has not the right. */
#define USERS		2
#define LOGS_RESERVED	16

struct logs_of {
	uid_t uid;
	struct mockgpu_device *prepared;
	int gates[2];
};

static void take_all_logs(void *arg)
{
	const struct logs_of *logs = arg;
	int fd[MOCKGPU_USER_LOGS_MAX], one_more = 77;
	struct mockgpu_device *dev;

	become(logs->uid);
	dev = gpu_open(0);
	for (unsigned int i = 0; i < MOCKGPU_USER_LOGS_MAX; i++)
		CHECK_EQ(mockgpu_log_open(dev, 0, 0, 16, &fd[i]), 0);
	CHECK_EQ(mockgpu_log_open(dev, 0, 0, 16, &one_more), -ENOSPC);
	CHECK_EQ(one_more, 77);
	CHECK_EQ(get_as(logs->uid, one_log), -ENOSPC);
	CHECK_SYS(close(fd[7]));
	CHECK_EQ(get_as(logs->uid, one_log), 0);
	/* One that is refused as it has too many entries is none. */
	for (unsigned int i = 0; i < 2; i++)
		CHECK_EQ(mockgpu_log_open(dev, 0, 0, MOCKGPU_LOG_ENTRIES_MAX, &one_more), -ENOSPC);
	CHECK_EQ(mockgpu_log_open(dev, 0, 0, 16, &fd[7]), 0);
	gate_open(logs->gates[0], 1);
	gate_wait(logs->gates[1]);
	/* The last ones are for who has the right, be it by a file of who has. */
	for (unsigned int i = 0; i < LOGS_RESERVED; i++)
		CHECK_EQ(mockgpu_log_open(logs->prepared, MOCKGPU_LOG_ALL, 0, 16, &one_more), 0);
	CHECK_EQ(mockgpu_log_open(logs->prepared, MOCKGPU_LOG_ALL, 0, 16, &one_more), -ENOSPC);
	gate_open(logs->gates[0], 1);
	gate_wait(logs->gates[1]);
}

static void L4_logs_of_a_user(void)
{
	struct logs_of logs[USERS];
	pid_t pid[USERS];

	for (unsigned int i = 0; i < USERS; i++) {
		CHECK_EQ(get_as(ONE - i, one_log), 0);
		logs[i] = (struct logs_of){ ONE - i, gpu_open(0), { gate_new(), gate_new() } };
		pid[i] = spawn(take_all_logs, &logs[i]);
		gate_wait(logs[i].gates[0]);
	}
	CHECK_EQ(get_as(OTHER, one_log), -ENOSPC);
	gate_open(logs[0].gates[1], 1);
	gate_wait(logs[0].gates[0]);
	for (unsigned int i = 0; i < USERS; i++) {
		CHECK_SYS(kill(pid[i], SIGKILL));
		join_killed(pid[i], SIGKILL);
	}
	for (unsigned int i = 0; i < USERS; i++)
		CHECK_EQ(get_as(ONE - i, one_log), 0);
}

#define PERCENT 10
#define MORE	100	/* pages than there may be */

static void one_page(struct demand *demand)
{
	demand->had = mockgpu_to_vram(gpu_open(0), map_filled(1, new_tag()), PAGE);
}

/* So many pages of @pages go to VRAM, and those that stay are said to find none. */
static void check_share(struct mockgpu_device *dev, void *p, size_t pages, size_t go)
{
	struct mockgpu_migrated result;

	CHECK_EQ(mockgpu_migrate(dev, p, pages * PAGE, MOCKGPU_TARGET_VRAM, 0, &result, NULL),
		 go == pages ? 0 : -ENOMEM);
	CHECK_EQ(result.count[MOCKGPU_PAGE_MOVED], go);
	CHECK_EQ(result.count[MOCKGPU_PAGE_NO_VRAM], pages - go);
}

static void take_a_share(void *unused)
{
	struct mockgpu_device *dev, *second;
	uint16_t tag = new_tag();
	size_t share;
	char *p, *huge;

	become(ONE);
	dev = gpu_open(0);
	second = gpu_open(0);
	share = gpu_vram_pages(dev) * PERCENT / 100;
	p = map_filled(share + MORE, tag);
	check_share(dev, p, share + MORE, share);
	CHECK_EQ(gpu_counters(dev).vram_used_bytes, share * PAGE);
	huge = map_huge(new_tag());
	check_share(second, huge, HUGE / PAGE, 0);
	unmap(huge, HUGE / PAGE);
	CHECK_EQ(get_as(ONE, one_page), -ENOMEM);
	/* Another has as much, and nobody has to go for it. */
	CHECK_EQ(get_as(OTHER, one_page), 0);
	CHECK_EQ(gpu_counters(dev).pages_evicted, 0);
	/* What is given up can be had again, by whatever file. */
	CHECK_SYS(madvise(p, 7 * PAGE, MADV_DONTNEED));
	check_share(second, AT(p, share), 10, 7);
	/* The file that took them has gone, and they still count. */
	mockgpu_close(dev);
	check_share(second, AT(p, share + 20), 1, 0);
	CHECK_ZERO(p, 7);
	CHECK_FILL(AT(p, 7), share + MORE - 7, tag, 7);
	unmap(p, share + MORE);
	/* Blocks at once, up to where no whole one is left. */
	for (size_t had = 0; had < share; had += HUGE / PAGE)
		check_share(second, map_huge(new_tag()), HUGE / PAGE,
			    share - had < HUGE / PAGE ? share - had : HUGE / PAGE);
}

static void L4_share_of_vram_of_a_user(void)
{
	char parameters[80];

	snprintf(parameters, sizeof(parameters), "vram_mb=%u user_vram_percent=%u",
		 DEFAULT_VRAM_MB, PERCENT);
	module_reload_with(parameters);
	join(spawn(take_a_share, NULL));
	CHECK_EQ(get_as(ONE, one_page), 0);
	module_reload(DEFAULT_DEVICES, DEFAULT_VRAM_MB);
}

#define WINDOW	(16UL << 20)	/* of addresses, that one notifier is for */
#define WINDOWS	16384UL		/* that there are at once */

static void look_at(struct mockgpu_device *dev, size_t first, size_t windows)
{
	char *base = (char *)0x100000000000;

	for (size_t i = first; i < first + windows; i++) {
		uint32_t res;

		CHECK_EQ(mockgpu_residency(dev, base + i * WINDOW, PAGE, &res), 0);
		CHECK_EQ(res, MOCKGPU_RES_UNMAPPED);
	}
}

/* The device looks at no end of addresses, and what it has noted of them has an end. */
static void L4_notifiers_of_a_file(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint16_t tag = new_tag(), new = new_tag();
	void *p = map_filled(4, tag);
	struct memcg memcg;
	size_t charged;

	stay_on_cpu(sched_getcpu());
	GPU_CHECK_FILL(dev, p, 4, tag, 0);
	CHECK_RES(dev, p, 4, MOCKGPU_RES_GPU, MOCKGPU_RES_GPU);
	memcg = memcg_enter();
	look_at(dev, 2 * WINDOWS, WINDOWS);
	charged = memcg_charged(&memcg);
	/* An object for each, or it would not be them that are counted. */
	CHECK_GE(charged, WINDOWS * 96 / PAGE);
	/* Downwards, as they are given up upwards: so it is the turn of all. */
	look_at(dev, 0, 2 * WINDOWS);
	CHECK_LE(memcg_charged(&memcg), charged + charged / 8);
	/* What was given up is not used any more, and is looked at anew. */
	CHECK_RES(dev, p, 4, MOCKGPU_RES_GPU, 0);
	fill(p, 4, new, 0);
	GPU_CHECK_FILL(dev, p, 4, new, 0);
	CHECK_SYS(madvise(p, 2 * PAGE, MADV_DONTNEED));
	GPU_CHECK_ZERO(dev, p, 2);
	GPU_CHECK_FILL(dev, AT(p, 2), 2, new, 2);
	TO_VRAM(dev, p, 4);
	GPU_CHECK_FILL(dev, AT(p, 2), 2, new, 2);
	look_at(dev, 0, WINDOWS);
	CHECK_FILL(AT(p, 2), 2, new, 2);
	memcg_leave(&memcg);
	mockgpu_close(dev);
	memcg_remove(&memcg);
}

#define FILES_CHARGED 512

/* What was closed before may be charged until nobody can be looking at it any more. */
static size_t charged_in_the_end(const struct memcg *memcg)
{
	size_t was, now = memcg_charged(memcg);

	do {
		was = now;
		sleep_ms(100);
		now = memcg_charged(memcg);
	} while (now != was);
	return now;
}

/* What so many files are charged for being open, and then for having memory attached. */
static void charge_of_files(const struct memcg *memcg, const char *path, size_t pages[2])
{
	struct drm_mockgpu_attach attach = { 0 };
	size_t before = charged_in_the_end(memcg);
	int fd[FILES_CHARGED];

	for (unsigned int i = 0; i < FILES_CHARGED; i++)
		fd[i] = (int)CHECK_SYS(open(path, O_RDWR | O_CLOEXEC));
	pages[0] = memcg_charged(memcg) - before;
	/* Which /dev/null has not. */
	for (unsigned int i = 0; i < FILES_CHARGED; i++)
		ioctl(fd[i], DRM_IOCTL_MOCKGPU_ATTACH, &attach);
	pages[1] = memcg_charged(memcg) - before - pages[0];
	for (unsigned int i = 0; i < FILES_CHARGED; i++)
		close(fd[i]);
}

/*
 * Files are charged to who opens them, beside what any file is; and so is what belongs to memory
 * that is attached, to which DRM adds nothing, as it may to a file.
 */
static void L4_files_are_charged(void)
{
	const struct rlimit files = { 2 * FILES_CHARGED, 2 * FILES_CHARGED };
	struct mockgpu_device *dev = gpu_open(0);
	size_t any[2], ours[2];
	struct memcg memcg;

	CHECK_SYS(setrlimit(RLIMIT_NOFILE, &files));
	stay_on_cpu(sched_getcpu());
	memcg = memcg_enter();
	charge_of_files(&memcg, mockgpu_path(dev), ours);
	charge_of_files(&memcg, "/dev/null", any);
	charge_of_files(&memcg, mockgpu_path(dev), ours);
	note("%zu pages for files, %zu for any; %zu for memory", ours[0], any[0], ours[1]);
	CHECK_GE(ours[0], any[0] + FILES_CHARGED * 256 / PAGE);
	CHECK_GE(ours[1], FILES_CHARGED * 256 / PAGE);
	memcg_leave(&memcg);
	memcg_remove(&memcg);
}

#define TABLES 256	/* of page tables, each for 2 MiB */

/* What a queue's thread has the kernel make is charged to whose queue it is. */
static void L4_page_tables_of_a_queue_are_charged(void)
{
	struct drm_mockgpu_cmd cmds[TABLES];
	struct queue q = queue_new(gpu_open(0));
	char *p = mmap(NULL, (TABLES + 1) * HUGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct memcg memcg;
	struct queue ours;
	size_t charged;

	CHECK(p != MAP_FAILED);
	CHECK_SYS(madvise(p, (TABLES + 1) * HUGE, MADV_NOHUGEPAGE));
	stay_on_cpu(sched_getcpu());
	memcg = memcg_enter();
	ours = queue_new(q.dev);
	for (unsigned int i = 0; i < TABLES; i++)
		cmds[i] = cmd_load(p + i * HUGE, 8);
	charged = memcg_charged(&memcg);
	FINISHES(ours, submit(ours, cmds, TABLES, NULL), 0);
	/* One table of the device's and one of the process's for each. */
	CHECK_GE(memcg_charged(&memcg), charged + 2 * TABLES - TABLES / 8);
	memcg_leave(&memcg);
	queue_destroy(ours);
	mockgpu_close(q.dev);
	munmap(p, (TABLES + 1) * HUGE);
	memcg_remove(&memcg);
}

#define SCENARIO(name) { #name, name, 180, 0 }

const struct scenario scenarios[] = {
	SCENARIO(L4_queues_of_a_user),
	SCENARIO(L4_commands_of_a_user),
	SCENARIO(L4_entries_of_logs_by_the_file_of_another_user),
	SCENARIO(L4_entries_of_the_logs_of_a_user),
	SCENARIO(L4_logs_of_a_user),
	{ "L4_share_of_vram_of_a_user", L4_share_of_vram_of_a_user, 180, RELOADS },
	SCENARIO(L4_notifiers_of_a_file),
	SCENARIO(L4_files_are_charged),
	SCENARIO(L4_page_tables_of_a_queue_are_charged),
	{ 0 }
};
