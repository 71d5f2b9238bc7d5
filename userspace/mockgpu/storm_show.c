// SPDX-License-Identifier: MIT
/* What a storm did, in words, and for programs. */
#include <inttypes.h>

#include "cmd.h"
#include "storm.h"

#define MOVED MOCKGPU_PAGE_MOVED

/* Why a page that was there stayed where it was, in words; others are no failures. */
static const struct {
	unsigned int status;
	const char *why;
} reasons[] = {
	{ MOCKGPU_PAGE_BUSY, "in use by the kernel or the CPU at that moment" },
	{ MOCKGPU_PAGE_PINNED, "pinned for input or output" },
	{ MOCKGPU_PAGE_KSM, "merged with equal pages by the kernel (KSM)" },
	{ MOCKGPU_PAGE_NO_VRAM, "VRAM was full" },
	{ MOCKGPU_PAGE_NO_RAM, "there was no RAM to copy to" },
	{ MOCKGPU_PAGE_COPY_FAILED, "the copy failed" },
	{ MOCKGPU_PAGE_PEER, "in another device's VRAM" },
	{ MOCKGPU_PAGE_NOT_TRIED, "not reached before the end" },
};

static double gib(uint64_t pages)
{
	return (double)pages * MOCKGPU_PAGE_SIZE / (1 << 30);
}

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

static const char *s(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static uint64_t came_home(const struct drm_mockgpu_storm_look *l)
{
	return l->to_system[MOVED] + l->pages_cpu_fault + l->pages_evicted;
}

static void show_moves(FILE *out, const struct storm_result *r)
{
	const struct drm_mockgpu_storm_look *l = &r->look;

	fprintf(out, "  went to VRAM      %12" PRIu64 " pages  (%.2f GiB)\n",
		(uint64_t)l->to_vram[MOVED], gib(l->to_vram[MOVED]));
	fprintf(out, "  came home         %12" PRIu64 " pages  (%.2f GiB)\n", came_home(l),
		gib(came_home(l)));
	fprintf(out, "    by the storm    %12" PRIu64 "\n", (uint64_t)l->to_system[MOVED]);
	if (r->private)
		fprintf(out, "    by CPU faults   %12" PRIu64
			"  the program touched them in VRAM (%" PRIu64 " fault%s)\n",
			(uint64_t)l->pages_cpu_fault, (uint64_t)l->cpu_faults, s(l->cpu_faults));
	if (l->pages_evicted)
		fprintf(out, "    to make room    %12" PRIu64 "\n", (uint64_t)l->pages_evicted);
	if (l->gpu_reads || l->gpu_writes)
		fprintf(out, "  the device read   %12" PRIu64 " pages, and wrote %" PRIu64
			" words as they were\n", (uint64_t)l->gpu_reads, (uint64_t)l->gpu_writes);
}

static void show_stays(FILE *out, const struct drm_mockgpu_storm_look *l)
{
	uint64_t n, all = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(reasons); i++)
		all += l->to_vram[reasons[i].status] + l->to_system[reasons[i].status];
	if (!all)
		return;
	fprintf(out, "  stayed for once   %12" PRIu64 " pages, and the program went on\n", all);
	for (i = 0; i < ARRAY_SIZE(reasons); i++) {
		n = l->to_vram[reasons[i].status] + l->to_system[reasons[i].status];
		if (n)
			fprintf(out, "                    %12" PRIu64 "  %s\n", n, reasons[i].why);
	}
}

static void show_runs(FILE *out, const struct storm_result *r)
{
	if (!r->alone_ns) {
		fputs("  without a storm   not measured: --compare\n", out);
		return;
	}
	fprintf(out, "  without a storm   %12.1f s, so it was %.1f times as slow\n",
		(double)r->alone_ns / 1e9, (double)r->ns / (double)r->alone_ns);
	if (r->status == r->alone_status)
		fprintf(out, "  both runs ended with status %d\n", r->status);
	else
		fprintf(out, "  THE RUNS DIFFER: status %d in the storm, %d without\n", r->status,
			r->alone_status);
}

void storm_show(FILE *out, const struct storm_result *r)
{
	const struct drm_mockgpu_storm_look *l = &r->look;

	fprintf(out, "mockgpu storm: %.1f s, %" PRIu64 " process%s, %u device%s, seed %" PRIu64 "\n",
		(double)r->ns / 1e9, (uint64_t)l->followed, l->followed == 1 ? "" : "es",
		r->devices, s(r->devices), r->seed);
	show_moves(out, r);
	if (l->resident_pages)
		fprintf(out, "  of its memory     %12.1f %%      moved in the last round of each process"
			" (%" PRIu64 " of %" PRIu64 " pages)\n",
			percent(l->covered_pages, l->resident_pages), (uint64_t)l->covered_pages,
			(uint64_t)l->resident_pages);
	show_stays(out, l);
	if (r->arms)
		fprintf(out, "  %" PRIu64 " control points were armed, to hold the driver up or have it fail\n",
			r->arms);
	if (l->left)
		fprintf(out, "  %" PRIu64 " process%s became another user, and left the storm\n",
			(uint64_t)l->left, l->left == 1 ? "" : "es");
	if (l->missed)
		fprintf(out, "  %" PRIu64 " process%s not in the storm: there were too many\n",
			(uint64_t)l->missed, l->missed == 1 ? " was" : "es were");
	show_runs(out, r);
}

static void put_u64(FILE *out, const char *key, uint64_t n)
{
	fprintf(out, "\"%s\": %" PRIu64 ", ", key, n);
}

static void put_counts(FILE *out, const char *key, const __u64 *count)
{
	unsigned int i;

	fprintf(out, "\"%s\": {", key);
	for (i = 0; i <= MOCKGPU_PAGE_NOT_TRIED; i++)
		fprintf(out, "%s\"%s\": %" PRIu64, i ? ", " : "", mockgpu_page_status_name(i),
			(uint64_t)count[i]);
	fputs("}, ", out);
}

void storm_show_json(FILE *out, const struct storm_result *r)
{
	const struct drm_mockgpu_storm_look *l = &r->look;

	fputc('{', out);
	put_u64(out, "devices", r->devices);
	put_u64(out, "seed", r->seed);
	put_u64(out, "elapsed_ns", r->ns);
	put_u64(out, "followed", l->followed);
	put_u64(out, "left", l->left);
	put_u64(out, "missed", l->missed);
	put_u64(out, "rounds", l->rounds);
	put_u64(out, "resident_pages", l->resident_pages);
	put_u64(out, "covered_pages", l->covered_pages);
	put_u64(out, "pages_to_vram", l->to_vram[MOVED]);
	put_u64(out, "pages_home", came_home(l));
	put_u64(out, "pages_cpu_fault", l->pages_cpu_fault);
	put_u64(out, "pages_evicted", l->pages_evicted);
	put_u64(out, "cpu_faults", l->cpu_faults);
	put_u64(out, "gpu_reads", l->gpu_reads);
	put_u64(out, "gpu_writes", l->gpu_writes);
	put_u64(out, "points_armed", r->arms);
	put_counts(out, "to_vram", l->to_vram);
	put_counts(out, "to_system", l->to_system);
	if (r->alone_ns) {
		put_u64(out, "alone_ns", r->alone_ns);
		put_u64(out, "alone_status", (uint64_t)r->alone_status);
	}
	fprintf(out, "\"status\": %d}\n", r->status);
}
