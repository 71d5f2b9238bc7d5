// SPDX-License-Identifier: MIT
/*
 * Who has a device open, and what it uses of it: DRM fdinfo of all processes.
 *
 * The kernel's Documentation/gpu/drm-usage-stats.rst says what is in there.  Processes come
 * and go meanwhile, and most of them belong to others: whatever cannot be read is not there.
 * A file is not opened to find out what it is, nor is a file system asked that may not answer.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cmd.h"
#include "fdinfo.h"

/* All that one file's fdinfo has. */
#define FDINFO_MAX 4096

/* What is being scanned, and for what. */
struct scan {
	struct client_list *list;
	bool (*wanted)(dev_t node, void *arg);
	void *arg;
	int proc;		/* folders */
	int process;
	pid_t pid;
};

/* A folder that is read from its beginning; or NULL. */
static DIR *open_folder(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !dir)
		close(fd);
	return dir;
}

/* The beginning of a file, as a string; empty where it cannot be read. */
static void read_text(int at, const char *name, char *buf, size_t size)
{
	int fd = openat(at, name, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n = 1;

	while (fd >= 0 && n > 0 && used + 1 < size) {
		n = read(fd, buf + used, size - 1 - used);
		if (n > 0)
			used += (size_t)n;
	}
	if (fd >= 0)
		close(fd);
	buf[used] = '\0';
}

/* The value of a line "key: value", or NULL where it is another key's. */
static const char *value_of(const char *line, const char *key)
{
	size_t len = strlen(key);

	if (strncmp(line, key, len) || line[len] != ':')
		return NULL;
	line += len + 1;
	return line + strspn(line, " \t");
}

/* A number with a unit, which multiplies it. */
static void take_number(const char *line, const char *key, uint64_t *number)
{
	static const struct {
		const char *name;
		unsigned int shift;
	} units[] = { { " KiB", 10 }, { " MiB", 20 }, { " GiB", 30 } };
	const char *value = value_of(line, key);
	char *unit;
	size_t i;

	if (!value || *value < '0' || *value > '9')
		return;
	*number = strtoull(value, &unit, 10);
	for (i = 0; i < ARRAY_SIZE(units); i++) {
		if (!strncmp(unit, units[i].name, 4))
			*number <<= units[i].shift;
	}
}

/* What fdinfo says of a client; false where it is not about one. */
static bool parse_client(char *text, struct client *c)
{
	bool ours = false, has_id = false;
	const char *value;
	char *line, *rest;

	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		value = value_of(line, "drm-driver");
		if (value)
			ours = !strcmp(value, MOCKGPU_DRIVER_NAME);
		has_id |= !!value_of(line, "drm-client-id");
		take_number(line, "drm-client-id", &c->id);
		take_number(line, "drm-total-vram", &c->total_bytes);
		take_number(line, "drm-resident-vram", &c->resident_bytes);
		take_number(line, "drm-engine-compute", &c->busy_ns);
	}
	return ours && has_id;
}

/* Who the process is that is being looked at. */
static void name_client(const struct scan *s, struct client *c)
{
	struct stat st;

	c->pid = s->pid;
	c->uid = fstat(s->process, &st) ? (uid_t)-1 : st.st_uid;
	read_text(s->process, "comm", c->command, sizeof(c->command));
	c->command[strcspn(c->command, "\n")] = '\0';
}

/* A client that is new in the list; or NULL where there is no memory. */
static struct client *add_client(struct client_list *list, const struct client *c)
{
	if (list->len == list->room) {
		size_t room = list->room ? 2 * list->room : 16;
		struct client *more = realloc(list->clients, room * sizeof(*more));

		if (!more)
			return NULL;
		list->clients = more;
		list->room = room;
	}
	list->clients[list->len] = *c;
	return &list->clients[list->len++];
}

static struct client *find_client(const struct client_list *list, dev_t node, uint64_t id)
{
	size_t i;

	for (i = 0; i < list->len; i++) {
		if (list->clients[i].node == node && list->clients[i].id == id)
			return &list->clients[i];
	}
	return NULL;
}

const struct client *clients_find(const struct client_list *list, dev_t node, uint64_t id)
{
	return find_client(list, node, id);
}

/* File @name of the process, whose fdinfo is in the folder @fdinfo.  Returns 0 or -ENOMEM. */
static int scan_file(struct scan *s, int fdinfo, const char *name, dev_t node)
{
	struct client now = { .node = node }, *c;
	char text[FDINFO_MAX];

	now.time_ns = now_ns();
	read_text(fdinfo, name, text, sizeof(text));
	if (!parse_client(text, &now))
		return 0;
	c = find_client(s->list, node, now.id);
	if (!c) {
		c = add_client(s->list, &now);
		if (!c)
			return -ENOMEM;
		name_client(s, c);
	} else if (s->pid < c->pid) {
		name_client(s, c);
	}
	/* Once for each process, however often that has it. */
	c->processes += c->seen != s->pid;
	c->seen = s->pid;
	return 0;
}

/* The node behind file @name of the process, without waiting for anything; or 0. */
static dev_t node_of(int fd, const char *name)
{
	struct statx st;

	if (statx(fd, name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &st) ||
	    !S_ISCHR(st.stx_mode))
		return 0;
	return makedev(st.stx_rdev_major, st.stx_rdev_minor);
}

static int scan_files(struct scan *s, DIR *fdinfo, int fd)
{
	struct dirent *entry;
	int ret = 0;
	dev_t node;

	while (!ret && (entry = readdir(fdinfo))) {
		if (*entry->d_name < '0' || *entry->d_name > '9')
			continue;
		node = node_of(fd, entry->d_name);
		if (node && s->wanted(node, s->arg))
			ret = scan_file(s, dirfd(fdinfo), entry->d_name, node);
	}
	return ret;
}

static int scan_process(struct scan *s, const char *name)
{
	int fd, ret = 0;
	DIR *fdinfo;

	s->process = openat(s->proc, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->process < 0)
		return 0;
	fdinfo = open_folder(s->process, "fdinfo");
	fd = fdinfo ? openat(s->process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (fd >= 0) {
		ret = scan_files(s, fdinfo, fd);
		close(fd);
	}
	if (fdinfo)
		closedir(fdinfo);
	close(s->process);
	return ret;
}

int clients_scan(struct client_list *list, const char *proc, pid_t except,
		 bool (*wanted)(dev_t node, void *arg), void *arg)
{
	struct scan s = { .list = list, .wanted = wanted, .arg = arg };
	DIR *dir = opendir(proc);
	struct dirent *entry;
	int ret = 0;
	char *end;

	list->len = 0;
	if (!dir)
		return -errno;
	s.proc = dirfd(dir);
	while (!ret && (entry = readdir(dir))) {
		if (*entry->d_name < '1' || *entry->d_name > '9')
			continue;
		s.pid = (pid_t)strtol(entry->d_name, &end, 10);
		if (!*end && s.pid != except)
			ret = scan_process(&s, entry->d_name);
	}
	closedir(dir);
	return ret;
}

void clients_free(struct client_list *list)
{
	free(list->clients);
	*list = (struct client_list){ 0 };
}
