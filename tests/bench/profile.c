// SPDX-License-Identifier: MIT
/*
 * Where the time of a program goes in the kernel.
 *
 *	bench-profile PERIOD PROGRAM [ARGUMENT]...
 *
 * looks every PERIOD nanoseconds what each CPU is executing, and prints each function of the
 * kernel that it found, with its share of all looks, the largest first.  It takes root, and the
 * names of /proc/kallsyms.
 */
#define _GNU_SOURCE
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CPUS_MAX	64
#define RING		(8UL << 20)	/* bytes of what was seen on a CPU: half a million looks */
#define SHOWN		40U

struct symbol {
	uint64_t addr;
	uint64_t looks;
	char name[64];
};

static struct symbol *symbols;
static size_t symbols_len;
static uint64_t all, outside;

static int by_addr(const void *a, const void *b)
{
	uint64_t x = ((const struct symbol *)a)->addr, y = ((const struct symbol *)b)->addr;

	return (x > y) - (x < y);
}

static int by_looks(const void *a, const void *b)
{
	uint64_t x = ((const struct symbol *)a)->looks, y = ((const struct symbol *)b)->looks;

	return (x < y) - (x > y);
}

static void read_symbols(void)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	unsigned long long addr;
	char line[512], type, name[64], module[64];
	size_t room = 0;
	int n;

	while (f && fgets(line, sizeof(line), f)) {
		n = sscanf(line, "%llx %c %63s %63s", &addr, &type, name, module);
		if (n < 3 || (type != 't' && type != 'T'))
			continue;
		if (symbols_len == room) {
			room = room ? 2 * room : 1 << 16;
			symbols = realloc(symbols, room * sizeof(*symbols));
			if (!symbols)
				exit(1);
		}
		symbols[symbols_len] = (struct symbol){ .addr = addr };
		snprintf(symbols[symbols_len++].name, sizeof(symbols->name), "%.40s%s%.20s", name,
			 n == 4 ? " " : "", n == 4 ? module : "");
	}
	if (f)
		fclose(f);
	qsort(symbols, symbols_len, sizeof(*symbols), by_addr);
}

static void count(uint64_t ip)
{
	size_t low = 0, high = symbols_len;

	all++;
	if (!symbols_len || ip < symbols[0].addr) {
		outside++;
		return;
	}
	while (high - low > 1) {
		size_t middle = (low + high) / 2;

		if (symbols[middle].addr <= ip)
			low = middle;
		else
			high = middle;
	}
	symbols[low].looks++;
}

static int begin(int cpu, uint64_t period, char **ring)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE, .size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK, .sample_period = period,
		.sample_type = PERF_SAMPLE_IP, .exclude_idle = 1,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		return -1;
	*ring = mmap(NULL, 4096 + RING, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return *ring == MAP_FAILED ? -1 : fd;
}

static void read_ring(char *ring)
{
	struct perf_event_mmap_page *page = (struct perf_event_mmap_page *)ring;
	uint64_t head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE), at, ip;
	struct perf_event_header header;

	/* Each is a multiple of eight bytes; it was never read, so none has been overwritten. */
	for (at = 0; at < head; at += header.size) {
		memcpy(&header, ring + 4096 + at % RING, sizeof(header));
		memcpy(&ip, ring + 4096 + (at + sizeof(header)) % RING, sizeof(ip));
		if (header.type == PERF_RECORD_SAMPLE)
			count(ip);
	}
}

int main(int argc, char **argv)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	char *rings[CPUS_MAX];
	int fds[CPUS_MAX], status = 0;
	pid_t pid;

	if (argc < 3 || cpus > CPUS_MAX) {
		fprintf(stderr, "usage: %s PERIOD PROGRAM [ARGUMENT]...\n", argv[0]);
		return 2;
	}
	for (long cpu = 0; cpu < cpus; cpu++) {
		fds[cpu] = begin((int)cpu, strtoull(argv[1], NULL, 0), &rings[cpu]);
		if (fds[cpu] < 0) {
			perror("perf_event_open");
			return 1;
		}
	}
	pid = fork();
	if (!pid) {
		execvp(argv[2], argv + 2);
		perror(argv[2]);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	for (long cpu = 0; cpu < cpus; cpu++)
		ioctl(fds[cpu], PERF_EVENT_IOC_DISABLE, 0);
	/* While the module is still there. */
	read_symbols();
	for (long cpu = 0; cpu < cpus; cpu++)
		read_ring(rings[cpu]);
	qsort(symbols, symbols_len, sizeof(*symbols), by_looks);
	printf("%llu looks, of which %.1f %% were not in the kernel\n", (unsigned long long)all,
	       100.0 * (double)outside / (double)(all ? all : 1));
	for (size_t i = 0; i < symbols_len && i < SHOWN && symbols[i].looks; i++)
		printf("%6.2f %%  %s\n", 100.0 * (double)symbols[i].looks / (double)all,
		       symbols[i].name);
	return status != 0;
}
