// SPDX-License-Identifier: MIT
/*
 * Every ioctl with whatever may be in its structure, by several threads, by a process that has
 * inherited the files and lost the right to most, and beside changes of the memory it is about.
 *
 * Afterwards the device works, no byte has changed that none of the calls could name, and the kernel
 * has the memory back.  On a kernel that tells which of the module's code was reached (KCOV), calls
 * that reached something new are kept, and are changed for others.
 *
 * MOCKGPU_FUZZ=n  so many calls; 100000, or 10000 on a slow kernel, if it says nothing
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kcov.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <unistd.h>

#include "fuzz.h"
#include "gpu.h"
#include "module.h"
#include "process.h"

#define ARENA		2048	/* pages */
#define THREADS		3
#define DEVICES		2
#define CANARIES	256	/* pages */
#define PULSE_MS	20
#define KEPT		256	/* calls */
#define COVER_WORDS	(64UL << 10)
#define PLACES		(64UL << 10)

/* What all processes share. */
struct board {
	atomic_ulong begun;	/* calls */
	unsigned long limit;
	atomic_ulong worked[FUZZ_CALLS];
	/* Code that was reached, by a hash of where it is; and the calls that reached it first. */
	atomic_uint reached;
	atomic_uchar places[PLACES];
	atomic_uint nr_kept;
	struct {
		atomic_bool there;
		struct fuzz_call call;
	} kept[KEPT];
};

static struct {
	struct board *board;
	struct mockgpu_device *dev, *other;
	struct fuzz_arena arena;
	void *canary;
	uint16_t tag;
	int shared[2];	/* files of both devices, whose memory is this process's */
	int zero, memory;
	atomic_bool over;
} t;

struct worker {
	struct fuzz fuzz;
	int own;	/* a file of its own */
	uint64_t *cover;
	pthread_t thread;
};

static unsigned long wanted(void)
{
	const char *text = getenv("MOCKGPU_FUZZ");

	if (text && *text) {
		CHECK_GE(strtoul(text, NULL, 0), 1);
		return strtoul(text, NULL, 0);
	}
	return slowness() > 1 ? 10000 : 100000;
}

/* NULL where the kernel cannot tell. */
static uint64_t *cover_start(void)
{
	int fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
	void *p;

	if (fd < 0)
		return NULL;
	if (ioctl(fd, KCOV_INIT_TRACE, COVER_WORDS))
		return NULL;
	p = mmap(NULL, COVER_WORDS * 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return p == MAP_FAILED || ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC) ? NULL : p;
}

/* Whether something was reached that had not been. */
static bool cover_news(const uint64_t *cover)
{
	uint64_t n = __atomic_load_n(&cover[0], __ATOMIC_RELAXED), last = 0;
	unsigned int news = 0;

	for (uint64_t i = 1; i <= n && i < COVER_WORDS; i++) {
		/* From where to where. */
		uint64_t edge = cover[i] ^ last << 1;

		last = cover[i];
		edge = (edge * 0x9e3779b97f4a7c15ULL) >> 48;
		if (!atomic_load_explicit(&t.board->places[edge], memory_order_relaxed))
			news += !atomic_exchange(&t.board->places[edge], 1);
	}
	atomic_fetch_add(&t.board->reached, news);
	return news;
}

static void keep(const struct fuzz_call *call)
{
	unsigned int i = atomic_fetch_add(&t.board->nr_kept, 1);

	if (i >= KEPT)
		return;
	t.board->kept[i].call = *call;
	atomic_store(&t.board->kept[i].there, true);
}

static void choose(struct fuzz *f, struct fuzz_call *call)
{
	unsigned int n = atomic_load(&t.board->nr_kept), i;

	i = n ? (unsigned int)fuzz_below(f, n < KEPT ? n : KEPT) : 0;
	if (n && fuzz_below(f, 2) && atomic_load(&t.board->kept[i].there)) {
		*call = t.board->kept[i].call;
		call->fd = -1;
		fuzz_change(f, call);
	} else {
		fuzz_make(f, call);
	}
}

static void open_own(struct worker *w)
{
	struct drm_mockgpu_attach attach = { 0 };

	if (w->own > 0)
		close(w->own);
	w->own = open(mockgpu_path(fuzz_below(&w->fuzz, 2) ? t.dev : t.other), O_RDWR | O_CLOEXEC);
	/* An allocation may have been made to fail. */
	if (w->own >= 0 && fuzz_below(&w->fuzz, 4))
		ioctl(w->own, DRM_IOCTL_MOCKGPU_ATTACH, &attach);
}

static bool step(struct worker *w)
{
	unsigned long number = atomic_fetch_add(&t.board->begun, 1);
	struct fuzz *f = &w->fuzz;
	struct fuzz_call call;
	bool devices = true;
	int fd, err;

	if (number >= t.board->limit || t.over)
		return false;
	if (!fuzz_below(f, 256))
		open_own(w);
	choose(f, &call);
	switch (fuzz_below(f, 8)) {
	case 0:
		fd = f->fds[fuzz_below(f, FUZZ_FDS)];
		devices = false;
		break;
	case 1:
	case 2:
	case 3:
		fd = t.shared[fuzz_below(f, ARRAY_SIZE(t.shared))];
		break;
	default:
		fd = w->own;
	}
	if (devices && call.fd >= 0)
		fd = call.fd;
	if (w->cover)
		__atomic_store_n(&w->cover[0], 0, __ATOMIC_RELAXED);
	err = fuzz_run(f, fd, &call);
	if (w->cover && cover_news(w->cover))
		keep(&call);
	/* Nobody repeats a call for ever, and nobody sees what is the kernel's own. */
	if (devices && (err == EAGAIN || err >= 512))
		FAIL("call %lu, %s (%#lx): errno %d", number,
		     call.nr < 0 ? "DRM's" : fuzz_name(call.nr), call.request, err);
	if (devices && !err && call.nr >= 0)
		atomic_fetch_add(&t.board->worked[call.nr], 1);
	return true;
}

static void worker_init(struct worker *w)
{
	struct fuzz *f = &w->fuzz;
	int ends[2];

	memset(w, 0, sizeof(*w));
	f->random = random_u64();
	f->arena = t.arena;
	f->pid = getpid();
	f->cmds = map_filled((FUZZ_COMMANDS * sizeof(*f->cmds) + PAGE - 1) / PAGE, 1);
	f->arg = map_filled(FUZZ_ARG / PAGE, 1);
	CHECK_SYS(pipe2(ends, O_CLOEXEC | O_NONBLOCK));
	const int fds[FUZZ_FDS] = {
		t.shared[0], t.shared[1], mockgpu_fd(t.other), t.zero, ends[0], ends[1],
		(int)CHECK_SYS(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), t.memory,
		(int)CHECK_SYS(epoll_create1(EPOLL_CLOEXEC)), 1000, INT_MAX, -1,
	};
	memcpy(f->fds, fds, sizeof(fds));
}

static void *work(void *arg)
{
	struct worker *w = arg;

	w->cover = cover_start();
	open_own(w);
	while (step(w))
		;
	fuzz_end(&w->fuzz);
	if (w->own >= 0)
		close(w->own);
	return NULL;
}

static void no_more_than_interrupt(int signal)
{
}

/* It has all that its parent has, but the memory that the files are about, and the rights. */
static void be_a_stranger(void *unused)
{
	const struct itimerval pulse = { { 0, PULSE_MS * 1000 }, { 0, PULSE_MS * 1000 } };
	struct worker w;

	CHECK_SYS(prctl(PR_SET_PDEATHSIG, SIGKILL));
	lose_capability();
	random_u64();
	worker_init(&w);
	CHECK_SYS(setitimer(ITIMER_REAL, &pulse, NULL));
	work(&w);
	CHECK_FILL(t.canary, CANARIES, t.tag, 0);
}

/* A change of the arena by the CPU, or by who owns it. */
static void change_memory(struct fuzz *f)
{
	static const int protections[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };
	static const int advices[] = {
		MADV_DONTNEED, MADV_FREE, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_COLD, MADV_PAGEOUT,
	};
	size_t pages = 1 + fuzz_below(f, fuzz_below(f, 8) ? 16 : 512);
	size_t first = fuzz_below(f, (fuzz_below(f, 4) ? ARENA / 8 : ARENA) - 1);
	void *p = AT(t.arena.p, first), *q;

	if (pages > ARENA - first)
		pages = ARENA - first;
	switch (fuzz_below(f, 12)) {
	case 0:
		munmap(p, pages * PAGE);
		break;
	case 1:
	case 2:
	case 3:
		mmap(p, pages * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		break;
	case 4:
		mmap(p, pages * PAGE, PROT_READ | PROT_WRITE,
		     (fuzz_below(f, 2) ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED, t.memory,
		     (off_t)(first * PAGE));
		break;
	case 5:
	case 6:
		mprotect(p, pages * PAGE, protections[fuzz_below(f, ARRAY_SIZE(protections))]);
		break;
	case 7:
	case 8:
		madvise(p, pages * PAGE, advices[fuzz_below(f, ARRAY_SIZE(advices))]);
		break;
	case 9:
		q = AT(t.arena.p, (first + ARENA / 2) % (ARENA - pages + 1));
		mremap(p, pages * PAGE, pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q);
		break;
	default:
		/* As a CPU touches it, where there may be nothing. */
		(void)!pread(t.zero, p, pages * PAGE, 0);
	}
}

static void *change_memory_all_the_time(void *arg)
{
	struct fuzz *f = arg;

	while (!t.over) {
		change_memory(f);
		usleep(200);
	}
	return NULL;
}

static void set_up(void)
{
	struct drm_mockgpu_attach attach = { 0 };
	char *room;

	t.dev = gpu_open(0);
	t.other = mockgpu_count() > 1 ? gpu_open(1) : t.dev;
	t.zero = (int)CHECK_SYS(open("/dev/zero", O_RDWR | O_CLOEXEC));
	t.memory = make_memfd(ARENA, new_tag());
	t.tag = new_tag();
	t.canary = map_filled(CANARIES, t.tag);
	for (unsigned int i = 0; i < ARRAY_SIZE(t.shared); i++) {
		t.shared[i] = (int)CHECK_SYS(open(mockgpu_path(i ? t.other : t.dev),
						  O_RDWR | O_CLOEXEC));
		CHECK_SYS(ioctl(t.shared[i], DRM_IOCTL_MOCKGPU_ATTACH, &attach));
	}
	/* As much before it and behind it is no memory, whatever becomes of the arena itself. */
	room = map_arena(3 * ARENA);
	t.arena.p = room + ARENA * PAGE;
	CHECK_EQ((uintptr_t)t.arena.p % HUGE, 0);
	t.arena.pages = ARENA;
	map_fixed(t.arena.p, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	fill(t.arena.p, ARENA / 2, new_tag(), 0);
}

/* All calls, in a process of its own that has all of it. */
static void fuzz_all(void *unused)
{
	const struct sigaction interrupt = { .sa_handler = no_more_than_interrupt };
	static struct worker workers[THREADS];
	struct fuzz changes = { .random = random_u64() };
	pthread_t changer;
	unsigned int left;
	pid_t stranger;

	CHECK_SYS(prctl(PR_SET_PDEATHSIG, SIGKILL));
	CHECK_SYS(sigaction(SIGUSR1, &interrupt, NULL));
	CHECK_SYS(sigaction(SIGALRM, &interrupt, NULL));
	set_up();
	for (unsigned int i = 0; i < THREADS; i++)
		worker_init(&workers[i]);
	stranger = spawn(be_a_stranger, NULL);
	changer = thread_start(change_memory_all_the_time, &changes);
	for (unsigned int i = 0; i < THREADS; i++)
		workers[i].thread = thread_start(work, &workers[i]);
	/* Whoever waits is interrupted, again and again. */
	do {
		sleep_ms(PULSE_MS);
		left = 0;
		for (unsigned int i = 0; i < THREADS; i++) {
			if (!workers[i].thread)
				continue;
			if (!pthread_tryjoin_np(workers[i].thread, NULL))
				workers[i].thread = 0;
			else
				pthread_kill(workers[i].thread, SIGUSR1);
			left += !!workers[i].thread;
		}
	} while (left);
	t.over = true;
	thread_join(changer);
	join(stranger);
	CHECK_FILL(t.canary, CANARIES, t.tag, 0);
}

/* Memory that the kernel has for itself. */
static size_t kernel_kb(void)
{
	return meminfo_kb("SUnreclaim") + meminfo_kb("KernelStack") + meminfo_kb("PageTables") +
	       meminfo_kb("Percpu") + meminfo_kb("VmallocUsed");
}

static void fuzz_so_many(unsigned long calls)
{
	memset(t.board, 0, sizeof(*t.board));
	t.board->limit = calls;
	join(spawn(fuzz_all, NULL));
}

/* For whoever comes next, with nothing of those before. */
static void works_as_ever(unsigned int index)
{
	struct mockgpu_device *dev = gpu_open(index);
	struct drm_mockgpu_counters c = gpu_counters(dev);
	uint16_t tag = new_tag();
	void *p = map_filled(64, tag);

	CHECK_EQ(c.vram_used_bytes, 0);
	TO_VRAM(dev, p, 64);
	CHECK_PLACE(dev, p, 64, IN_VRAM);
	CHECK_COUNTED(dev, &c, .pages_to_vram = 64, .vram_used_bytes = 64 * PAGE);
	GPU_CHECK_FILL(dev, p, 64, tag, 0);
	CHECK_FILL(p, 64, tag, 0);
	unmap(p, 64);
	mockgpu_close(dev);
}

/*
 * Who migrates all that there is migrates also what it shares with those it was forked off, and
 * that is theirs: it comes home.  What nobody has any more would not.
 */
static void wait_for_empty_vram(unsigned int index)
{
	struct mockgpu_device *dev = gpu_open(index);
	uint64_t end = now_ns() + 5 * BOUND_NS;

	while (gpu_counters(dev).vram_used_bytes && now_ns() < end) {
		mockgpu_evict_all(dev, NULL);
		sleep_ms(5);
	}
	mockgpu_close(dev);
}

static void S1_fuzz(void)
{
	size_t before, most = slowness() > 1 ? 65536 : 4096;
	unsigned long calls = wanted();
	uint64_t start, end;

	module_reload(DEVICES, DEFAULT_VRAM_MB);
	t.board = map_shared((sizeof(*t.board) + PAGE - 1) / PAGE);
	/* What is kept for the next time is there after the first. */
	fuzz_so_many(calls / 10 + 1000);
	for (unsigned int i = 0; i < DEVICES; i++)
		wait_for_empty_vram(i);
	before = kernel_kb();
	start = now_ns();
	fuzz_so_many(calls);
	note("%lu calls in %llu ms", calls, (unsigned long long)(now_ns() - start) / 1000000);
	if (t.board->reached)
		note("KCOV: %u places reached, %u calls kept", t.board->reached,
		     t.board->nr_kept < KEPT ? t.board->nr_kept : KEPT);
	else
		note("no KCOV in this kernel, or none of the module");
	for (int i = 0; i < FUZZ_CALLS; i++) {
		note("%s worked %lu times", fuzz_name(i), t.board->worked[i]);
		if (calls >= 10000)
			CHECK_GE(t.board->worked[i], 1);
	}
	for (unsigned int i = 0; i < DEVICES; i++)
		wait_for_empty_vram(i);
	for (end = now_ns() + 5 * BOUND_NS; kernel_kb() > before + most && now_ns() < end;)
		sleep_ms(50);
	note("the kernel has %zu KiB for itself, %zu before", kernel_kb(), before);
	CHECK_LE(kernel_kb(), before + most);
	for (unsigned int i = 0; i < DEVICES; i++)
		works_as_ever(i);
}

/* Ctrl-C in the midst of it: all of it ends within a second. */
static void S1_fuzz_ends_when_it_is_interrupted(void)
{
	struct mockgpu_device *dev = gpu_open(0);
	uint64_t start, end;
	pid_t pid;

	t.board = map_shared((sizeof(*t.board) + PAGE - 1) / PAGE);
	for (unsigned int i = 0; i < 5; i++) {
		memset(t.board, 0, sizeof(*t.board));
		t.board->limit = ULONG_MAX / 2;
		pid = spawn(fuzz_all, NULL);
		for (end = now_ns() + 30 * NS_PER_S * slowness(); t.board->begun < 500 * (i + 1);) {
			CHECK_LE(now_ns(), end);
			sleep_ms(5);
		}
		start = now_ns();
		CHECK_SYS(kill(pid, SIGINT));
		join_killed(pid, SIGINT);
		while (gpu_counters(dev).vram_used_bytes &&
		       now_ns() - start < NS_PER_S * slowness())
			sleep_ms(5);
		note("ended after %llu ms", (unsigned long long)(now_ns() - start) / 1000000);
		CHECK_LE(now_ns() - start, NS_PER_S * slowness());
	}
	mockgpu_close(dev);
	works_as_ever(0);
}

const struct scenario scenarios[] = {
	{ "S1_fuzz", S1_fuzz, 3600, RELOADS },
	{ "S1_fuzz_ends_when_it_is_interrupted", S1_fuzz_ends_when_it_is_interrupted, 120, 0 },
	{ 0 }
};
