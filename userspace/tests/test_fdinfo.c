// SPDX-License-Identifier: MIT
/* Clients found in a folder that looks like /proc: two character devices stand for nodes. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fdinfo.h"
#include "open_files.h"
#include "tap.h"

#define NODE "/dev/null"
#define OTHER_NODE "/dev/zero"
#define FOREIGN_NODE "/dev/full"

static char proc[] = "/tmp/mockgpu-proc-XXXXXX";
static struct client_list list;

static const char *path_of(const char *fmt, va_list ap)
{
	static char path[256];
	int n = snprintf(path, sizeof(path), "%s/", proc);

	vsnprintf(path + n, sizeof(path) - (size_t)n, fmt, ap);
	return path;
}

static void __attribute__((format(printf, 1, 2))) folder(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (mkdir(path_of(fmt, ap), 0755))
		abort();
	va_end(ap);
}

static void __attribute__((format(printf, 2, 3))) file(const char *text, const char *fmt, ...)
{
	va_list ap;
	FILE *f;

	va_start(ap, fmt);
	f = fopen(path_of(fmt, ap), "w");
	va_end(ap);
	if (!f || fputs(text, f) < 0 || fclose(f))
		abort();
}

static void __attribute__((format(printf, 2, 3))) points_to(const char *to, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (symlink(to, path_of(fmt, ap)))
		abort();
	va_end(ap);
}

static void process(int pid, const char *comm)
{
	folder("%d", pid);
	folder("%d/fd", pid);
	folder("%d/fdinfo", pid);
	if (comm)
		file(comm, "%d/comm", pid);
}

static void has_open(int pid, int fd, const char *node, const char *fdinfo)
{
	points_to(node, "%d/fd/%d", pid, fd);
	if (fdinfo)
		file(fdinfo, "%d/fdinfo/%d", pid, fd);
}

#define CLIENT(id, rest) \
	"pos:\t0\nflags:\t02100002\nmnt_id:\t22\nino:\t250\n" \
	"drm-driver:\tmockgpu\ndrm-client-id:\t" id "\n" rest

static dev_t node_of(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		abort();
	return st.st_rdev;
}

static bool is_ours(dev_t node, void *arg)
{
	return node == *(dev_t *)arg || node == node_of(OTHER_NODE);
}

static size_t scan(void)
{
	dev_t node = node_of(NODE);
	int ret = clients_scan(&list, proc, 77, is_ours, &node);

	ok(!ret, "scanned: %d", ret);
	return list.len;
}

static const struct client *client(const char *node, uint64_t id)
{
	const struct client *c = clients_find(&list, node_of(node), id);
	static const struct client nobody = { .pid = -1 };

	ok(c != NULL, "%d of %s is there", (int)id, node);
	return c ? c : &nobody;
}

/* None of these is a client, and none of them is in the way. */
static void make_noise(void)
{
	file("", "uptime");
	file("", "12");
	folder("self");
	folder("1x");
	folder("13");
	process(14, "other\n");
	has_open(14, 0, NODE, "pos:\t0\nflags:\t02\n");
	has_open(14, 1, NODE, "");
	has_open(14, 2, NODE, "drm-driver:\tmockgpux\ndrm-client-id:\t1\n");
	has_open(14, 3, NODE, "drm-driver:\tmockgpu\n");
	has_open(14, 4, NODE, "drm-client-id:\t1\n");
	has_open(14, 5, FOREIGN_NODE, CLIENT("1", ""));
	has_open(14, 6, "/nonexistent", CLIENT("1", ""));
	has_open(14, 7, "/etc", CLIENT("1", ""));
	has_open(14, 8, NODE, NULL);
	points_to("/nonexistent", "14/fdinfo/9");
	points_to(NODE, "14/fd/9");
	file(CLIENT("1", ""), "14/fdinfo/10");
	file(CLIENT("1", ""), "14/fdinfo/x");
	points_to(NODE, "14/fd/x");
	process(77, "self\n");
	has_open(77, 3, NODE, CLIENT("1", ""));
}

static void test_values(void)
{
	const struct client *c;

	process(100, "train\n");
	has_open(100, 3, NODE,
		 CLIENT("5", "drm-engine-compute:\t123456789012 ns\n"
			"drm-engine-capacity-compute:\t16\ndrm-total-vram:\t3 MiB\n"
			"drm-shared-vram:\t0\ndrm-resident-vram:\t2052 KiB\n"));
	has_open(100, 4, OTHER_NODE,
		 CLIENT("6", "drm-total-vram:     4095\ndrm-resident-vram:\t1 GiB\n"
			"drm-total-vram-x:\t7\nxdrm-total-vram:\t7\n"));
	process(101, NULL);
	has_open(101, 3, OTHER_NODE, CLIENT("18446744073709551615", "drm-total-vram:\t-1\n"));

	ok(scan() == 3, "three clients: %zu", list.len);
	c = client(NODE, 5);
	ok(c->busy_ns == 123456789012, "time");
	ok(c->total_bytes == 3 << 20 && c->resident_bytes == 2052 << 10, "MiB and KiB");
	ok(c->pid == 100 && c->processes == 1 && c->uid == getuid(), "whose it is");
	ok(!strcmp(c->command, "train"), "what it is called: %s", c->command);
	c = client(OTHER_NODE, 6);
	ok(c->total_bytes == 4095 && c->resident_bytes == 1 << 30, "bytes and GiB");
	ok(!c->busy_ns, "no time");
	c = client(OTHER_NODE, UINT64_MAX);
	ok(!c->total_bytes && !*c->command, "a number that is none, and a process without a name");
}

/* One open file is one client; numbers are each device's own. */
static void test_shared(void)
{
	process(202, "child of a name that is too long\n");
	has_open(202, 9, NODE, CLIENT("20", "drm-total-vram:\t1\n"));
	process(200, "parent\n");
	has_open(200, 3, NODE, CLIENT("20", "drm-total-vram:\t1\n"));
	has_open(200, 4, NODE, CLIENT("20", "drm-total-vram:\t1\n"));
	has_open(200, 5, OTHER_NODE, CLIENT("20", ""));
	process(201, "child\n");
	has_open(201, 3, NODE, CLIENT("20", "drm-total-vram:\t1\n"));

	ok(scan() == 5, "two clients more: %zu", list.len);
	ok(client(NODE, 20)->processes == 3, "of three processes");
	ok(client(NODE, 20)->pid == 200, "of which the lowest is named: %d",
	   client(NODE, 20)->pid);
	ok(!strcmp(client(NODE, 20)->command, "parent"), "by its name");
	ok(client(NODE, 20)->total_bytes == 1, "counted once");
	ok(client(OTHER_NODE, 20)->processes == 1, "the same number on another device");
}

/* As many as there may be, and then none. */
static void test_growth(void)
{
	char text[256], remove[64];
	int i, before;

	process(300, "many\n");
	for (i = 0; i < 300; i++) {
		snprintf(text, sizeof(text), CLIENT("%d", ""), 1000 + i);
		has_open(300, i, NODE, text);
	}
	before = open_files();
	ok(scan() == 305, "three hundred more: %zu", list.len);
	ok(open_files() == before, "no file stays open");
	snprintf(remove, sizeof(remove), "rm -r %s/[123]*", proc);
	ok(!system(remove) && scan() == 0, "they are gone");
	clients_free(&list);
	ok(!list.clients && !list.len && !list.room, "freed");
}

int main(void)
{
	dev_t node = node_of(NODE);
	char remove[64];

	if (!mkdtemp(proc))
		return 1;
	snprintf(remove, sizeof(remove), "rm -r %s", proc);
	make_noise();
	ok(scan() == 0, "no client in noise: %zu", list.len);
	test_values();
	test_shared();
	test_growth();
	ok(!system(remove), "removed");
	ok(clients_scan(&list, proc, 0, is_ours, &node) == -ENOENT, "no /proc");
	return done();
}
