// SPDX-License-Identifier: MIT
/*
 * mockgpu top: what it shows, as lines and as JSON.
 *
 * How often something happened is asked of two samples.  Each device and each client has a
 * time of its own at which it was looked at, and what was not there before has no rate yet.
 */
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "top.h"

#define NS_PER_S 1e9

/* What is not known: never a rate. */
#define UNKNOWN (-1.0)

/* How much a number rose a second; one that is less than it was counts something else now. */
static double rate(uint64_t now, uint64_t before, uint64_t now_time, uint64_t before_time)
{
	if (now < before || now_time <= before_time)
		return UNKNOWN;
	return (double)(now - before) * NS_PER_S / (double)(now_time - before_time);
}

static const struct top_device *same_device(const struct top_sample *s,
					    const struct top_device *device)
{
	size_t i;

	for (i = 0; i < s->len; i++) {
		if (s->devices[i].node == device->node &&
		    s->devices[i].info.index == device->info.index)
			return &s->devices[i];
	}
	return NULL;
}

static double counter_rate(const struct top_device *now, const struct top_device *before,
			   const struct counter_desc *desc)
{
	if (!before)
		return UNKNOWN;
	return rate(counter_get(&now->counters, desc), counter_get(&before->counters, desc),
		    now->time_ns, before->time_ns);
}

/* Per cent of one queue's time; of several queues it is more than 100. */
static double busy_percent(const struct client *c, const struct top_sample *before)
{
	const struct client *then = clients_find(&before->clients, c->node, c->id);
	double ns = then ? rate(c->busy_ns, then->busy_ns, c->time_ns, then->time_ns) : UNKNOWN;

	return ns < 0 ? UNKNOWN : ns * 100 / NS_PER_S;
}

static unsigned int index_of(const struct top_sample *s, dev_t node)
{
	size_t i;

	for (i = 0; i < s->len && s->devices[i].node != node; i++)
		;
	return i < s->len ? s->devices[i].info.index : 0;
}

/* The busiest first, then who has most. */
static int compare_clients(const void *a, const void *b, void *arg)
{
	const struct client *one = a, *other = b;
	const double one_busy = busy_percent(one, arg), other_busy = busy_percent(other, arg);

	if (one_busy != other_busy)
		return one_busy > other_busy ? -1 : 1;
	if (one->resident_bytes != other->resident_bytes)
		return one->resident_bytes > other->resident_bytes ? -1 : 1;
	if (one->pid != other->pid)
		return one->pid < other->pid ? -1 : 1;
	return one->id < other->id ? -1 : one->id > other->id;
}

static void sort_clients(struct top_sample *now, const struct top_sample *before)
{
	/* qsort_r() only hands it on; nobody writes there. */
	if (now->clients.len)
		qsort_r(now->clients.clients, now->clients.len, sizeof(struct client),
			compare_clients, (void *)(uintptr_t)before);
}

#define NUMBER_MAX 32

static const char *number_str(char buf[NUMBER_MAX], double n, const char *unit)
{
	if (n < 0)
		return "-";
	snprintf(buf, NUMBER_MAX, "%.1f%s", n, unit);
	return buf;
}

/* The rate of a counter, by its name. */
static const char *rate_str(char buf[NUMBER_MAX], const struct top_device *now,
			    const struct top_device *before, const char *key)
{
	size_t i;

	for (i = 0; i < counter_descs_len && strcmp(counter_descs[i].key, key); i++)
		;
	return i < counter_descs_len ?
	       number_str(buf, counter_rate(now, before, &counter_descs[i]), "") : "-";
}

static void print_device(FILE *out, const struct top_device *now, const struct top_device *before)
{
	char used[BYTES_STR_MAX], size[BYTES_STR_MAX], backing[BYTES_STR_MAX];
	char a[NUMBER_MAX], b[NUMBER_MAX], c[NUMBER_MAX], d[NUMBER_MAX];

	fprintf(out, "device %u  %s  %s VRAM: %s of %s in use, %s %s\n",
		now->info.index, now->path, vram_type_key(now->info.vram_type),
		bytes_str(used, now->counters.vram_used_bytes),
		bytes_str(size, now->info.vram_bytes),
		/* Coherent VRAM is RAM itself. */
		now->info.vram_type == MOCKGPU_VRAM_COHERENT ? "blocks in use" : "RAM behind it",
		bytes_str(backing, now->counters.vram_backing_bytes));
	fprintf(out, "  faults/s  CPU %s, device %s\n", rate_str(a, now, before, "cpu_faults"),
		rate_str(b, now, before, "gpu_faults"));
	fprintf(out, "  pages/s   to VRAM %s; home by CPU faults %s, migrated %s, evicted %s\n",
		rate_str(a, now, before, "pages_to_vram"),
		rate_str(b, now, before, "pages_cpu_fault"),
		rate_str(c, now, before, "pages_to_system"),
		rate_str(d, now, before, "pages_evicted"));
}

/* A process gives itself its name: no terminal is to obey it. */
static void print_command(FILE *out, const struct client *c)
{
	size_t i;

	for (i = 0; i < COMMAND_MAX && c->command[i]; i++)
		fputc(c->command[i] >= ' ' && c->command[i] <= '~' ? c->command[i] : '?', out);
	if (c->processes > 1)
		fprintf(out, " (%u processes)", c->processes);
	fputc('\n', out);
}

static void print_client(FILE *out, const struct client *c, unsigned int device, double busy)
{
	const struct passwd *pw = getpwuid(c->uid);
	char vram[BYTES_STR_MAX], percent[NUMBER_MAX], uid[NUMBER_MAX];

	snprintf(uid, sizeof(uid), "%u", (unsigned int)c->uid);
	fprintf(out, "%7d %-10.10s %3u %13s %8s  ", (int)c->pid, pw ? pw->pw_name : uid, device,
		bytes_str(vram, c->resident_bytes), number_str(percent, busy, "%"));
	print_command(out, c);
}

int top_text(FILE *out, struct top_sample *now, const struct top_sample *before)
{
	const time_t seconds = time(NULL);
	char clock[16] = "";
	struct tm tm;
	size_t i;

	if (localtime_r(&seconds, &tm))
		strftime(clock, sizeof(clock), "%T", &tm);
	sort_clients(now, before);
	fprintf(out, "mockgpu top  %s  %zu device%s, %zu client%s\n", clock, now->len,
		now->len == 1 ? "" : "s", now->clients.len, now->clients.len == 1 ? "" : "s");
	for (i = 0; i < now->len; i++)
		print_device(out, &now->devices[i], same_device(before, &now->devices[i]));
	fputs("    PID USER       DEV          VRAM     BUSY  COMMAND\n", out);
	for (i = 0; i < now->clients.len; i++) {
		const struct client *c = &now->clients.clients[i];

		print_client(out, c, index_of(now, c->node), busy_percent(c, before));
	}
	return ferror(out) ? -EIO : 0;
}

static void put_key(struct json_file *out, bool *first, const char *key)
{
	json_text(out, *first ? "" : ",");
	*first = false;
	json_string(out, key, SIZE_MAX);
	json_text(out, ":");
}

static void put_u64(struct json_file *out, bool *first, const char *key, uint64_t n)
{
	put_key(out, first, key);
	json_u64(out, n);
}

static void put_string(struct json_file *out, bool *first, const char *key, const char *s,
		       size_t max)
{
	put_key(out, first, key);
	json_string(out, s, max);
}

/* With three decimals, as times have; null where it is not known. */
static void put_rate(struct json_file *out, bool *first, const char *key, double n)
{
	put_key(out, first, key);
	if (n < 0)
		json_text(out, "null");
	else
		json_us(out, (uint64_t)(n * 1000 + 0.5));
}

static void put_counters(struct json_file *out, const struct top_device *now)
{
	bool first = true;
	size_t i;

	json_text(out, "{");
	for (i = 0; i < counter_descs_len; i++)
		put_u64(out, &first, counter_descs[i].key,
			counter_get(&now->counters, &counter_descs[i]));
	json_text(out, "}");
}

static void put_rates(struct json_file *out, const struct top_device *now,
		      const struct top_device *before)
{
	bool first = true;
	size_t i;

	json_text(out, "{");
	for (i = 0; i < counter_descs_len; i++) {
		if (!counter_descs[i].gauge)
			put_rate(out, &first, counter_descs[i].key,
				 counter_rate(now, before, &counter_descs[i]));
	}
	json_text(out, "}");
}

static void put_device(struct json_file *out, const struct top_device *now,
		       const struct top_device *before)
{
	bool first = true;

	json_text(out, "{");
	put_u64(out, &first, "index", now->info.index);
	put_string(out, &first, "node", now->path, sizeof(now->path));
	put_string(out, &first, "vram_type", vram_type_key(now->info.vram_type), SIZE_MAX);
	put_u64(out, &first, "vram_bytes", now->info.vram_bytes);
	put_u64(out, &first, "time_ns", now->time_ns);
	put_key(out, &first, "counters");
	put_counters(out, now);
	put_key(out, &first, "per_second");
	put_rates(out, now, before);
	json_text(out, "}");
}

static void put_client(struct json_file *out, const struct client *c, unsigned int device,
		       double busy)
{
	bool first = true;

	json_text(out, "{");
	put_u64(out, &first, "device", device);
	put_u64(out, &first, "id", c->id);
	put_u64(out, &first, "pid", (uint64_t)c->pid);
	put_u64(out, &first, "processes", c->processes);
	put_u64(out, &first, "uid", c->uid);
	put_string(out, &first, "command", c->command, COMMAND_MAX);
	put_u64(out, &first, "vram_total_bytes", c->total_bytes);
	put_u64(out, &first, "vram_resident_bytes", c->resident_bytes);
	put_u64(out, &first, "time_ns", c->time_ns);
	put_u64(out, &first, "busy_ns", c->busy_ns);
	put_rate(out, &first, "busy_percent", busy);
	json_text(out, "}");
}

int top_json(struct json_file *out, struct top_sample *now, const struct top_sample *before)
{
	size_t i;

	sort_clients(now, before);
	json_text(out, "{\"devices\":[");
	for (i = 0; i < now->len; i++) {
		json_text(out, i ? "," : "");
		put_device(out, &now->devices[i], same_device(before, &now->devices[i]));
	}
	json_text(out, "],\"clients\":[");
	for (i = 0; i < now->clients.len; i++) {
		const struct client *c = &now->clients.clients[i];

		json_text(out, i ? "," : "");
		put_client(out, c, index_of(now, c->node), busy_percent(c, before));
	}
	json_text(out, "]}\n");
	return json_flush(out);
}
