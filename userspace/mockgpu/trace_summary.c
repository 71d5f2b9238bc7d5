// SPDX-License-Identifier: MIT
/*
 * mockgpu trace --summary: what there was of each kind and cause, and which ranges of
 * 2 MiB had most faults.  The table of ranges has a fixed size; faults for which it has no
 * room are counted as such.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "trace.h"

/* Causes of a kind; the last is for all that have no place of their own. */
#define CAUSES (TRACE_POINTS_MAX + 1)

#define RANGE_BYTES (2ULL << 20)
#define RANGES 16384
#define RANGES_SHOWN 10

struct sum {
	uint64_t events;
	uint64_t pages;
	uint64_t total_ns;
	uint64_t longest_ns;
	uint64_t errors;
};

/* Faults on 2 MiB of a process. */
struct range {
	uint64_t addr;
	int owner;
	bool used;
	char comm[TRACE_COMM_MAX];
	uint64_t gpu_faults;
	uint64_t cpu_faults;
};

struct trace_summary {
	const struct trace_points *points;
	struct sum sums[TRACE_KINDS][CAUSES];
	char words[TRACE_KINDS][CAUSES][32];
	uint64_t lost;
	struct range ranges[RANGES];
	size_t ranges_used;
	uint64_t elsewhere;	/* faults on ranges that there was no room for */
};

struct trace_summary *trace_summary_new(const struct trace_points *points)
{
	struct trace_summary *s = calloc(1, sizeof(*s));

	if (s)
		s->points = points;
	return s;
}

void trace_summary_free(struct trace_summary *s)
{
	free(s);
}

static void add(struct sum *sum, const struct drm_mockgpu_event *e)
{
	sum->events++;
	sum->pages += trace_pages(e);
	sum->total_ns += e->duration_ns;
	if (e->duration_ns > sum->longest_ns)
		sum->longest_ns = e->duration_ns;
	sum->errors += !!e->error;
}

/* The range that @e falls into, which is new if need be; NULL: there is no room. */
static struct range *find_range(struct trace_summary *s, const struct drm_mockgpu_event *e)
{
	uint64_t addr = e->addr / RANGE_BYTES * RANGE_BYTES;
	size_t i = (size_t)((addr / RANGE_BYTES * 2654435761U + (uint32_t)e->owner * 40503U) %
			    RANGES);
	struct range *r;

	while (s->ranges[i].used) {
		r = &s->ranges[i];
		if (r->addr == addr && r->owner == e->owner)
			return r;
		i = (i + 1) % RANGES;
	}
	/* Never full, so that a search ends. */
	if (s->ranges_used == RANGES / 4 * 3)
		return NULL;
	s->ranges_used++;
	r = &s->ranges[i];
	r->used = true;
	r->addr = addr;
	r->owner = e->owner;
	return r;
}

/* The owner's name, fit for a terminal; that of its first thread if it can be had. */
static void name_owner(struct range *r, const struct drm_mockgpu_event *e)
{
	char *c;

	if (e->tid != e->owner)
		trace_comm(e->owner, r->comm);
	if (!*r->comm && e->pid == e->owner)
		snprintf(r->comm, sizeof(r->comm), "%.15s", e->comm);
	for (c = r->comm; *c; c++)
		*c = *c < ' ' || *c > '~' ? '?' : *c;
}

static void add_fault(struct trace_summary *s, const struct drm_mockgpu_event *e)
{
	struct range *r = find_range(s, e);

	if (!r) {
		s->elsewhere++;
		return;
	}
	if (!*r->comm)
		name_owner(r, e);
	if (e->kind == MOCKGPU_EVENT_GPU_FAULT)
		r->gpu_faults++;
	else
		r->cpu_faults++;
}

void trace_summary_event(struct trace_summary *s, const struct drm_mockgpu_event *e)
{
	unsigned int cause = e->cause < CAUSES - 1 ? e->cause : CAUSES - 1;

	if (e->kind == MOCKGPU_EVENT_LOST) {
		s->lost += e->value;
		return;
	}
	if (e->kind >= TRACE_KINDS)
		return;
	add(&s->sums[e->kind][cause], e);
	snprintf(s->words[e->kind][cause], sizeof(s->words[0][0]), "%s",
		 trace_cause(s->points, e));
	if (e->kind == MOCKGPU_EVENT_GPU_FAULT || e->kind == MOCKGPU_EVENT_CPU_FAULT)
		add_fault(s, e);
}

static void print_sum(FILE *out, int indent, const char *word, const struct sum *sum)
{
	fprintf(out, "%*s%-*s %10" PRIu64 " %10" PRIu64 " %12.3f %12.3f %8" PRIu64 "\n", indent, "",
		22 - indent, word, sum->events, sum->pages, (double)sum->total_ns / 1e6,
		(double)sum->longest_ns / 1e6, sum->errors);
}

static void print_kind(const struct trace_summary *s, unsigned int kind, FILE *out)
{
	struct sum all = { 0 };
	unsigned int i;

	for (i = 0; i < CAUSES; i++) {
		const struct sum *one = &s->sums[kind][i];

		all.events += one->events;
		all.pages += one->pages;
		all.total_ns += one->total_ns;
		all.errors += one->errors;
		if (one->longest_ns > all.longest_ns)
			all.longest_ns = one->longest_ns;
	}
	if (!all.events)
		return;
	print_sum(out, 0, mockgpu_event_name(kind), &all);
	for (i = 0; i < CAUSES; i++) {
		if (s->sums[kind][i].events && *s->words[kind][i])
			print_sum(out, 2, s->words[kind][i], &s->sums[kind][i]);
	}
}

static uint64_t faults(const struct range *r)
{
	return r->gpu_faults + r->cpu_faults;
}

/* Most faults first; what is equal in the order of its addresses. */
static int compare(const void *a, const void *b)
{
	const struct range *x = *(const struct range *const *)a;
	const struct range *y = *(const struct range *const *)b;

	if (faults(x) != faults(y))
		return faults(x) < faults(y) ? 1 : -1;
	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static void print_ranges(const struct trace_summary *s, FILE *out)
{
	const struct range **sorted = calloc(s->ranges_used + 1, sizeof(*sorted));
	size_t i, n = 0;

	if (!sorted)
		return;
	for (i = 0; i < RANGES; i++) {
		if (s->ranges[i].used)
			sorted[n++] = &s->ranges[i];
	}
	qsort(sorted, n, sizeof(*sorted), compare);
	if (n)
		fprintf(out, "\nmost faults, by 2 MiB  %10s %10s  process\n", "GPU", "CPU");
	for (i = 0; i < n && i < RANGES_SHOWN; i++) {
		const struct range *r = sorted[i];

		fprintf(out, "  %#-20" PRIx64 " %10" PRIu64 " %10" PRIu64 "  %d", r->addr,
			r->gpu_faults, r->cpu_faults, r->owner);
		fprintf(out, *r->comm ? " %s\n" : "%s\n", r->comm);
	}
	if (n > i)
		fprintf(out, "  and %zu more\n", n - i);
	if (s->elsewhere)
		fprintf(out, "  and %" PRIu64 " faults elsewhere\n", s->elsewhere);
	free(sorted);
}

void trace_summary_print(const struct trace_summary *s, FILE *out)
{
	unsigned int kind;

	fprintf(out, "%-22s %10s %10s %12s %12s %8s\n", "kind, cause", "events", "pages",
		"total ms", "longest ms", "errors");
	for (kind = 0; kind < TRACE_KINDS; kind++)
		print_kind(s, kind, out);
	if (s->lost)
		fprintf(out, "%-22s %10" PRIu64 "\n", mockgpu_event_name(MOCKGPU_EVENT_LOST),
			s->lost);
	print_ranges(s, out);
	fflush(out);
}
