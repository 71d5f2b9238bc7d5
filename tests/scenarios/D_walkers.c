// SPDX-License-Identifier: MIT
/*
 * Those who walk page tables meet device-exclusive entries: row D10.  Whatever they do, the value is
 * right, and the device can have the page again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "disk.h"
#include "events.h"
#include "ksm.h"
#include "memcg.h"
#include "process.h"
#include "queue.h"
#include "uffd.h"

#define N 32

/* Neither present nor in VRAM: that is what an exclusive entry looks like from outside. */
static bool is_exclusive(const void *p)
{
	struct pagemap map = pagemap_of(0, p);

	return !map.present && !map.vram && map.pfn;
}

static void check_exclusive(const void *p, bool want)
{
	for (unsigned int i = 0; i < N; i++)
		CHECK_EQ(is_exclusive(AT(p, i)), want);
}

/*
 * Of N pages with contents, the device makes each its own, adds 1 to the first word and takes it
 * away again.
 */
static void use_atomically(struct queue q, void *p, uint16_t tag)
{
	for (unsigned int i = 0; i < N; i++) {
		RUN(q, cmd_add(AT(p, i), 8, 1), .value = fill_word(tag, i, 0), .done = 1);
		RUN(q, cmd_atomic(MOCKGPU_ATOMIC_SUB, AT(p, i), 8, 1, 1),
		    .value = fill_word(tag, i, 0) + 1, .done = 1);
	}
}

/* The same, and nobody else is about who would take them back. */
static void make_exclusive(struct queue q, void *p, uint16_t tag)
{
	use_atomically(q, p, tag);
	check_exclusive(p, true);
	CHECK_RES(q.dev, p, N, MOCKGPU_RES_GPU | MOCKGPU_RES_GPU_WRITE,
		  MOCKGPU_RES_GPU | MOCKGPU_RES_GPU_WRITE);
}

/* Device and CPU can have the pages in turn, and nothing was lost. */
static void check_usable(struct queue q, void *p, uint16_t tag)
{
	make_exclusive(q, p, tag);
	CHECK_FILL(p, N, tag, 0);
	check_exclusive(p, false);
	make_exclusive(q, p, tag);
	GPU_CHECK_FILL(q.dev, p, N, tag, 0);
	CHECK_FILL(p, N, tag, 0);
}

/*
 * Whether the pages were changed since the log was read last.  What happens beside them does not
 * count: the device is told of all that changes within 16 MiB, and others use the device as well.
 */
static bool took_back(struct log *log, void *p)
{
	struct drm_mockgpu_event e;
	bool found = false;
	int n;

	while ((n = mockgpu_log_read(log->fd, &e, 1, 0)) == 1)
		found |= e.addr < addr_of(AT(p, N)) && addr_of(p) < e.addr + e.len;
	CHECK_EQ(n, -ETIME);
	return found;
}

/* Looking does not take the page back: pagemap, smaps, mincore(), residency. */
static void D10_those_who_only_look(void)
{
	struct queue q = queue_new(gpu_open_exclusive());
	uint16_t tag = new_tag();
	unsigned char core[N];
	void *p = map_filled(N, tag);
	struct log log;

	make_exclusive(q, p, tag);
	log = log_new(q.dev, 0, KIND(INVALIDATE), 0);
	CHECK_EQ(rss_of(p), N);
	CHECK_SYS(mincore(p, N * PAGE, core));
	for (unsigned int i = 0; i < N; i++)
		CHECK_EQ(core[i] & 1, 1);
	check_exclusive(p, true);
	CHECK_RES(q.dev, p, N, MOCKGPU_RES_GPU, MOCKGPU_RES_GPU);
	CHECK(!took_back(&log, p));
	CHECK_FILL(AT(p, N - 1), 1, tag, N - 1);
	CHECK(took_back(&log, p));
	check_usable(q, p, tag);
}

static void D10_mprotect(void)
{
	struct queue q = queue_new(gpu_open_exclusive());
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);

	make_exclusive(q, p, tag);
	CHECK_SYS(mprotect(p, N * PAGE, PROT_READ));
	RUN(q, cmd_add(p, 8, 1), .error = -EPERM, .access = MOCKGPU_ACCESS_ATOMIC,
	    .fault_addr = addr_of(p));
	CHECK(!can_write(p));
	CHECK_FILL(p, N, tag, 0);
	CHECK_SYS(mprotect(p, N * PAGE, PROT_READ | PROT_WRITE));
	check_usable(q, p, tag);
	CHECK_SYS(mprotect(p, N * PAGE, PROT_NONE));
	CHECK(!can_read(p));
	CHECK_SYS(mprotect(p, N * PAGE, PROT_READ | PROT_WRITE));
	check_usable(q, p, tag);
}

static void D10_mremap(void)
{
	struct queue q = queue_new(gpu_open_exclusive());
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag), *to = map_arena(N + 1);

	make_exclusive(q, p, tag);
	CHECK(mremap(p, N * PAGE, N * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, AT(to, 1)) == AT(to, 1));
	RUN(q, cmd_add(p, 8, 1), .error = -EFAULT, .access = MOCKGPU_ACCESS_ATOMIC,
	    .fault_addr = addr_of(p));
	CHECK_RES(q.dev, AT(to, 1), N, MOCKGPU_RES_GPU, 0);
	check_usable(q, AT(to, 1), tag);
}

static void D10_dontneed_and_free(void)
{
	struct queue q = queue_new(gpu_open_exclusive());
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);

	make_exclusive(q, p, tag);
	CHECK_SYS(madvise(p, N / 2 * PAGE, MADV_FREE));
	CHECK_SYS(madvise(p, N * PAGE, MADV_COLD));
	CHECK_FILL(p, N, tag, 0);
	make_exclusive(q, p, tag);
	CHECK_SYS(madvise(p, N / 2 * PAGE, MADV_DONTNEED));
	for (unsigned int i = 0; i < N / 2; i++)
		RUN(q, cmd_add(AT(p, i), 8, 1), .value = 0, .done = 1);
	for (unsigned int i = 0; i < N / 2; i++)
		CHECK_EQ(*(uint64_t *)AT(p, i), 1);
	CHECK_FILL(AT(p, N / 2), N / 2, tag, N / 2);
}

/* With somewhere to go: what the device wrote is in the page, wherever it went. */
static void D10_reclaim(void)
{
	struct queue q = queue_new(gpu_open_exclusive());
	struct memcg memcg = memcg_enter();
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);

	disk_new(0);
	disk_swap_on(4096);
	make_exclusive(q, p, tag);
	for (unsigned int i = 0; i < 5; i++)
		CHECK_SYS(madvise(p, N * PAGE, MADV_PAGEOUT));
	check_usable(q, p, tag);
	/* As when memory is short, which goes by the page. */
	make_exclusive(q, p, tag);
	memcg_reclaim(&memcg);
	check_usable(q, p, tag);
	memcg_leave(&memcg);
	memcg_remove(&memcg);
	disk_swap_off();
	disk_gone();
}

struct walker {
	atomic_bool stop;
	unsigned int times;
};

static void *compact(void *arg)
{
	struct walker *walker = arg;

	while (!atomic_load(&walker->stop)) {
		write_number("/proc/sys/vm/compact_memory", 1);
		walker->times++;
	}
	return NULL;
}

/*
 * Pages change places under the device's hands while it adds, and the CPU too.  A page that is
 * moved is exclusive no more, so that is not looked at meanwhile.
 */
static void D10_compaction(void)
{
	struct queue q = queue_new(gpu_open_exclusive());
	struct walker walker = { 0 };
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag), *holes[64];
	pthread_t thread;

	/* Something to compact: memory with holes. */
	for (unsigned int i = 0; i < ARRAY_SIZE(holes); i++) {
		holes[i] = map_filled(256, tag);
		for (unsigned int j = 0; j < 256; j += 2)
			CHECK_SYS(madvise(AT(holes[i], j), PAGE, MADV_DONTNEED));
	}
	thread = thread_start(compact, &walker);
	for (unsigned int i = 0; i < 10 || walker.times < 5; i++) {
		use_atomically(q, p, tag);
		CHECK_FILL(p, N, tag, 0);
	}
	atomic_store(&walker.stop, true);
	thread_join(thread);
	check_usable(q, p, tag);
}

/* There may be one node only: the pages are looked at, and asked to move to where they are. */
static void D10_move_pages_and_mbind(void)
{
	struct queue q = queue_new(gpu_open_exclusive());
	unsigned long nodes = 1;
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag), *pages[N];
	int to[N] = { 0 }, status[N];

	for (unsigned int i = 0; i < N; i++)
		pages[i] = AT(p, i);
	make_exclusive(q, p, tag);
	CHECK_SYS(syscall(SYS_move_pages, 0, (unsigned long)N, pages, NULL, status, 0));
	for (unsigned int i = 0; i < N; i++)
		CHECK_EQ(status[i], -ENOENT);
	check_exclusive(p, true);
	CHECK_SYS(syscall(SYS_move_pages, 0, (unsigned long)N, pages, to, status, MPOL_MF_MOVE));
	check_usable(q, p, tag);
	make_exclusive(q, p, tag);
	CHECK_SYS(syscall(SYS_mbind, p, N * PAGE, MPOL_BIND, &nodes, 64UL,
			  MPOL_MF_MOVE | MPOL_MF_STRICT));
	check_usable(q, p, tag);
}

/* A page that a userfaultfd write-protects may not be written, by atomics either, until it says. */
static void D10_userfaultfd_write_protect(void)
{
	struct queue q = queue_new(gpu_open_exclusive());
	uint16_t tag = new_tag();
	void *p = map_filled(N, tag);
	struct uffd u = uffd_new(0);
	struct drm_mockgpu_cmd add = cmd_add(AT(p, 3), 8, 1);
	struct drm_mockgpu_result result;
	uint64_t seqno;

	make_exclusive(q, p, tag);
	uffd_register(&u, p, N, UFFDIO_REGISTER_MODE_WP);
	uffd_protect(&u, p, N, true);
	CHECK_FILL(p, N, tag, 0);
	seqno = submit(q, &add, 1, &result);
	CHECK(uffd_wait(&u) == AT(p, 3));
	CHECK_EQ(u.flags, UFFD_PAGEFAULT_FLAG_WP | UFFD_PAGEFAULT_FLAG_WRITE);
	CHECK(!is_finished(q, seqno));
	CHECK_FILL(AT(p, 3), 1, tag, 3);
	uffd_protect(&u, AT(p, 3), 1, false);
	FINISHES(q, seqno, 0);
	CHECK_RESULT(&result, .value = fill_word(tag, 3, 0), .done = 1);
	CHECK_EQ(*(uint64_t *)AT(p, 3), fill_word(tag, 3, 0) + 1);
	*(uint64_t *)AT(p, 3) -= 1;
	/* The other way round: exclusive pages become protected. */
	uffd_protect(&u, p, N, false);
	check_usable(q, p, tag);
	make_exclusive(q, p, tag);
	uffd_protect(&u, p, N, true);
	seqno = submit(q, &add, 1, &result);
	CHECK(uffd_wait(&u) == AT(p, 3));
	CHECK(!is_finished(q, seqno));
	uffd_protect(&u, p, N, false);
	FINISHES(q, seqno, 0);
	*(uint64_t *)AT(p, 3) -= 1;
	check_usable(q, p, tag);
	uffd_close(&u);
}

/* Equal pages, exclusive, under ksmd: merged or not, each word is its owner's alone. */
static void D10_ksm(void)
{
	struct queue q = queue_new(gpu_open_exclusive());
	uint16_t tag = new_tag();
	void *a = map_filled(N, tag), *b = map_filled(N, tag);

	make_exclusive(q, a, tag);
	CHECK_SYS(madvise(a, N * PAGE, MADV_MERGEABLE));
	CHECK_SYS(madvise(b, N * PAGE, MADV_MERGEABLE));
	ksmd_start();
	wait_for_scans(3);
	/* What ksmd looks at meanwhile is exclusive no more. */
	use_atomically(q, a, tag);
	CHECK_FILL(a, N, tag, 0);
	for (unsigned int i = 0; i < 10; i++) {
		RUN(q, cmd_add(AT(a, i), 8, 5), .value = fill_word(tag, i, 0) + 4, .done = 5);
		sleep_ms(5);
		CHECK_FILL(b, N, tag, 0);
		RUN(q, cmd_atomic(MOCKGPU_ATOMIC_SUB, AT(a, i), 8, 1, 5),
		    .value = fill_word(tag, i, 0) + 1, .done = 5);
	}
	ksmd_stop();
	check_usable(q, a, tag);
	CHECK_FILL(b, N, tag, 0);
}

#define SCENARIO(name) { #name, name, 0, 0 }

const struct scenario scenarios[] = {
	SCENARIO(D10_those_who_only_look),
	SCENARIO(D10_mprotect),
	SCENARIO(D10_mremap),
	SCENARIO(D10_dontneed_and_free),
	SCENARIO(D10_reclaim),
	SCENARIO(D10_compaction),
	SCENARIO(D10_move_pages_and_mbind),
	SCENARIO(D10_userfaultfd_write_protect),
	SCENARIO(D10_ksm),
	{ 0 }
};
