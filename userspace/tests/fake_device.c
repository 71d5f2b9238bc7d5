// SPDX-License-Identifier: MIT
/*
 * A model of the driver, just true enough for the command to run against it: so
 * its options, its messages and above all its checks are tested without a kernel.
 *
 * Bytes stay in the process's own pages; only places are modelled.  A page "in
 * VRAM" is PROT_NONE, so that a CPU access faults and brings it home.
 *
 * FAKE_BREAK makes the model lie in one way, for which the demo must fail.  With
 * FAKE_HUGE everything is mapped 2 MiB at once.  For FAKE_LOG see fake_log.c.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <fcntl.h>

#include "fake_drm.h"
#include "mockgpu.h"

#define TABLE 8192
#define PAGE MOCKGPU_PAGE_SIZE

struct page {
	uintptr_t addr;
	int vram, gpu, gpu_write, shared;
};

static const struct fake_node nodes[] = {
	{ "renderD128", "vgem", 0, 0 },
	{ "renderD129", "mockgpu", 0, 0 },
};

static struct page table[TABLE];
static struct drm_mockgpu_counters *counters;	/* shared by all processes */
static const char *lie = "";
static int huge;

static int lies(const char *how)
{
	return !strcmp(lie, how);
}

static struct page *find(uintptr_t addr)
{
	size_t i = addr / PAGE % TABLE;

	while (table[i].addr && table[i].addr != addr)
		i = (i + 1) % TABLE;
	table[i].addr = addr;
	return &table[i];
}

static void protect(const struct page *p, int prot)
{
	if (mprotect((void *)p->addr, PAGE, prot))
		abort();
}

static void go_home(struct page *p)
{
	protect(p, PROT_READ | PROT_WRITE);
	counters->invalidations++;
	counters->invalidated_pages += !!p->gpu;
	p->vram = p->gpu = p->gpu_write = 0;
}

static void cpu_fault(int sig, siginfo_t *info, void *ctx)
{
	uintptr_t addr = (uintptr_t)info->si_addr / PAGE * PAGE;
	struct page *p = find(addr);

	(void)ctx;
	if (!p->vram) {
		signal(sig, SIG_DFL);	/* a true one: happens again, and kills */
		return;
	}
	go_home(p);
	/* Taken for a write: what is shared becomes the writer's own. */
	p->shared = 0;
	if (!lies("uncounted-fault")) {
		counters->cpu_faults++;
		counters->pages_cpu_fault++;
	}
	if (lies("lost-byte"))
		*(unsigned char *)(addr + 77) ^= 1;
}

static int present(uintptr_t addr)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (fd < 0 || pread(fd, &entry, 8, (off_t)(addr / PAGE * 8)) != 8)
		abort();
	close(fd);
	return !!(entry >> 63);
}

static int migrate(struct drm_mockgpu_migrate *m)
{
	uintptr_t a;

	for (a = m->start; a < m->start + m->len; a += PAGE) {
		int to_vram = m->target == MOCKGPU_TARGET_VRAM, here = present(a);
		struct page *p = find(a);

		if (p->vram == to_vram || (!to_vram && !here)) {
			m->count[to_vram || here ? MOCKGPU_PAGE_ALREADY : MOCKGPU_PAGE_ABSENT]++;
			continue;
		}
		m->count[MOCKGPU_PAGE_MOVED]++;
		if (!to_vram) {
			go_home(p);
			counters->pages_to_system++;
			continue;
		}
		counters->pages_to_vram++;
		counters->pages_hole += !here;
		if (!here)
			*(volatile char *)a = 0;
		if (lies("not-moved") && a == m->start + 5 * PAGE)
			continue;
		protect(p, PROT_NONE);
		p->vram = 1;
		p->gpu = p->gpu_write = 0;
	}
	return 0;
}

static int evict(struct drm_mockgpu_evict *e)
{
	uintptr_t a;

	if (e->scope == MOCKGPU_EVICT_ALL) {
		e->evicted = 3;
		e->busy = lies("busy") ? 2 : 0;
		return lies("no-capability") ? -EACCES : 0;
	}
	for (a = e->start; a < e->start + e->len; a += PAGE) {
		if (find(a)->vram) {
			go_home(find(a));
			counters->pages_evicted++;
			e->evicted++;
		}
	}
	return 0;
}

static int residency(struct drm_mockgpu_residency *r)
{
	uint32_t *out = (uint32_t *)(uintptr_t)r->pages_ptr;
	uintptr_t a;

	for (a = r->start; a < r->start + r->len; a += PAGE) {
		const struct page *p = find(a);

		*out = 0;
		if (p->vram || present(a)) {
			*out |= MOCKGPU_RES_PRESENT | MOCKGPU_RES_READ;
			*out |= p->shared ? 0 : MOCKGPU_RES_WRITE;
			*out |= p->vram ? MOCKGPU_RES_VRAM | MOCKGPU_RES_LOCAL : 0;
			*out |= p->gpu ? MOCKGPU_RES_GPU : 0;
			*out |= p->gpu && huge ? MOCKGPU_RES_GPU_HUGE : 0;
			*out |= huge ? 9 << 16 : 0;
			*out |= p->gpu_write ? MOCKGPU_RES_GPU_WRITE : 0;
		}
		out++;
	}
	r->done = r->len;
	return 0;
}

static void device_page(struct page *p, int write)
{
	if (!p->gpu || (write && !p->gpu_write))
		counters->gpu_faults++;
	p->gpu = 1;
	if (!write)
		return;
	p->gpu_write = 1;
	if (p->shared) {
		counters->gpu_cow_breaks++;
		p->shared = p->vram = 0;
	}
	if (lies("moves-on-write"))
		p->vram = 0;
}

static int rw(struct drm_mockgpu_rw *rw)
{
	char *buf = (char *)(uintptr_t)rw->buf_ptr;
	int write = !!(rw->flags & MOCKGPU_RW_WRITE);

	while (rw->done < rw->len) {
		uintptr_t a = (uintptr_t)(rw->addr + rw->done);
		size_t n = PAGE - a % PAGE;
		struct page *p = find(a / PAGE * PAGE);

		if (n > rw->len - rw->done)
			n = (size_t)(rw->len - rw->done);
		device_page(p, write);
		protect(p, PROT_READ | PROT_WRITE);
		if (write && !lies("write-dropped"))
			memcpy((char *)a, buf + rw->done, n);
		else if (!write)
			memcpy(buf + rw->done, (char *)a, n);
		if (p->vram)
			protect(p, PROT_NONE);
		rw->done += n;
	}
	if (write)
		counters->gpu_bytes_written += rw->len;
	else
		counters->gpu_bytes_read += rw->len;
	return 0;
}

static int query(struct drm_mockgpu_query *q)
{
	struct drm_mockgpu_device_info info = {
		.vram_type = lies("coherent") ? MOCKGPU_VRAM_COHERENT : MOCKGPU_VRAM_PRIVATE,
		.vram_bytes = 256 << 20,
		.vram_block_bytes = 2 << 20,
		.caps = (lies("coherent") ? MOCKGPU_CAP_COHERENT : MOCKGPU_CAP_PRIVATE) |
			(huge ? MOCKGPU_CAP_HUGE : 0),
		.atomic_max_bytes = 16 << 20,
		.page_bytes = PAGE,
	};
	struct drm_mockgpu_counters c = *counters;
	size_t i;

	for (i = 0; i < TABLE; i++)
		c.client_used_bytes += table[i].vram ? PAGE : 0;
	if (lies("vram-leak"))
		c.client_used_bytes += PAGE;
	memcpy((void *)(uintptr_t)q->ptr,
	       q->query == MOCKGPU_QUERY_DEVICE ? (void *)&info : (void *)&c, q->size);
	return 0;
}

static int points(struct drm_mockgpu_query *q)
{
	static const struct drm_mockgpu_point_info all[] = {
		{ "migrate-start", MOCKGPU_POINT_CAN_WAIT | MOCKGPU_POINT_HAS_MM },
		{ "copy", MOCKGPU_POINT_CAN_FAIL },
	};

	memcpy((void *)(uintptr_t)q->ptr, all, sizeof(all));
	return 0;
}

static int answer(int node, unsigned long request, void *arg)
{
	uint32_t what;

	if (node != 1)
		return -ENOTTY;
	switch (request) {
	case DRM_IOCTL_MOCKGPU_QUERY:
		what = ((struct drm_mockgpu_query *)arg)->query;
		if (lies("leaving") && what == MOCKGPU_QUERY_COUNTERS)
			return -ENODEV;
		return what == MOCKGPU_QUERY_POINTS ? points(arg) : query(arg);
	case DRM_IOCTL_MOCKGPU_ATTACH:
		return 0;
	case DRM_IOCTL_MOCKGPU_MIGRATE:
		return migrate(arg);
	case DRM_IOCTL_MOCKGPU_RESIDENCY:
		return residency(arg);
	case DRM_IOCTL_MOCKGPU_RW:
		return rw(arg);
	case DRM_IOCTL_MOCKGPU_EVICT:
		return evict(arg);
	case DRM_IOCTL_MOCKGPU_LOG_OPEN:
		return fake_log_open(arg);
	}
	return -ENOTTY;
}

/* In both processes: all is shared, and the notifier has emptied the page tables. */
static void forked(void)
{
	size_t i;

	for (i = 0; i < TABLE; i++) {
		table[i].shared = !!table[i].addr && !lies("fork-copies");
		table[i].gpu = table[i].gpu_write = 0;
	}
}

static void forked_child(void)
{
	forked();
	if (lies("child-dies"))
		_exit(3);
}

static void __attribute__((constructor)) set_up(void)
{
	struct sigaction sa = { .sa_sigaction = cpu_fault, .sa_flags = SA_SIGINFO };

	if (getenv("FAKE_BREAK"))
		lie = getenv("FAKE_BREAK");
	huge = !!getenv("FAKE_HUGE");
	counters = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counters == MAP_FAILED || sigaction(SIGSEGV, &sa, NULL) ||
	    pthread_atfork(NULL, forked, forked_child))
		abort();
	fake_nodes = nodes;
	fake_nodes_len = lies("no-device") ? 1 : 2;
	fake_ioctl = answer;
}
