// SPDX-License-Identifier: MIT
/* mockgpu info: what the devices are and can do, and their counters. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/utsname.h>
#include <xf86drm.h>

#include "cmd.h"
#include "json.h"

#define COUNTER(field, is_gauge, words) \
	{ #field, words, offsetof(struct drm_mockgpu_counters, field), is_gauge }

const struct counter_desc counter_descs[] = {
	COUNTER(vram_used_bytes, true, "VRAM that holds data"),
	COUNTER(vram_backing_bytes, true, "RAM that stands behind VRAM"),
	COUNTER(vram_mapped_bytes, true, "VRAM that has page structures"),
	COUNTER(client_used_bytes, true, "VRAM that holds data of this file"),
	COUNTER(pages_to_vram, false, "pages moved to or made in VRAM"),
	COUNTER(pages_hole, false, "... which were holes or the zero page"),
	COUNTER(pages_from_peer, false, "... which came from another device's VRAM"),
	COUNTER(pages_touched, false, "... which touches of the device moved, as advised"),
	COUNTER(huge_to_vram, false, "2 MiB folios that went to VRAM whole"),
	COUNTER(pages_to_system, false, "pages migrated to system memory"),
	COUNTER(pages_evicted, false, "pages evicted to system memory"),
	COUNTER(pages_evicted_room, false, "... which made room for others"),
	COUNTER(evict_passed_over, false, "pages that were to make room and stayed"),
	COUNTER(pages_cpu_fault, false, "pages that CPU faults brought home"),
	COUNTER(pages_to_peer, false, "pages moved to another device's VRAM"),
	COUNTER(huge_to_system, false, "2 MiB folios that came to system memory whole"),
	COUNTER(cpu_faults, false, "CPU faults on VRAM"),
	COUNTER(cpu_faults_retried, false, "... which moved nothing and were tried again"),
	COUNTER(cpu_faults_held, false, "... of those, within a time slice"),
	COUNTER(cpu_faults_failed, false, "... which ended in an error"),
	COUNTER(gpu_faults, false, "entries that the device's page table lacked"),
	COUNTER(gpu_fault_retries, false, "device faults begun anew"),
	COUNTER(gpu_cow_breaks, false, "device writes that broke copy-on-write"),
	COUNTER(gpu_bytes_read, false, "bytes read by the device"),
	COUNTER(gpu_bytes_written, false, "bytes written by the device"),
	COUNTER(invalidations, false, "notifier calls"),
	COUNTER(invalidated_pages, false, "entries taken out of device page tables"),
	COUNTER(migrate_retries, false, "further attempts to move a page"),
	COUNTER(copy_failures, false, "pages whose copy failed"),
	COUNTER(no_vram, false, "pages that stayed as VRAM, or the user's share of it, was full"),
	COUNTER(no_ram, false, "pages that stayed for want of RAM"),
};

_Static_assert(sizeof(counter_descs) / sizeof(*counter_descs) * sizeof(uint64_t) ==
	       sizeof(struct drm_mockgpu_counters), "each counter is shown");

const size_t counter_descs_len = ARRAY_SIZE(counter_descs);

static const struct {
	uint64_t cap;
	const char *key;
	const char *text;
} caps[] = {
	{ MOCKGPU_CAP_PRIVATE, "private", "VRAM as device-private memory" },
	{ MOCKGPU_CAP_COHERENT, "coherent", "VRAM as device-coherent memory" },
	{ MOCKGPU_CAP_EXCLUSIVE, "exclusive", "device-exclusive atomics on system memory" },
	{ MOCKGPU_CAP_HUGE, "huge", "2 MiB folios that go to VRAM and back whole" },
};

#define CAPS_LEN (ARRAY_SIZE(caps))

static const char help[] =
	"Usage: mockgpu info [OPTION]...\n"
	"What the devices are and can do, and their counters.\n"
	"\n"
	"  -d, --device N|NODE   this device only\n"
	"  -j, --json            for programs\n"
	"  -h, --help\n";

/* Everything that is shown of one device. */
struct report {
	struct drm_mockgpu_device_info info;
	struct drm_mockgpu_counters counters;
	char path[64];
	char version[32];
	char desc[96];
};

static int get_report(struct mockgpu_device *dev, struct report *r)
{
	drmVersionPtr v;
	int ret;

	ret = mockgpu_info(dev, &r->info);
	if (!ret)
		ret = mockgpu_counters(dev, &r->counters);
	if (ret)
		return ret;
	v = drmGetVersion(mockgpu_fd(dev));
	if (!v)
		return -ENODEV;
	snprintf(r->path, sizeof(r->path), "%s", mockgpu_path(dev));
	snprintf(r->version, sizeof(r->version), "%d.%d.%d", v->version_major, v->version_minor,
		 v->version_patchlevel);
	snprintf(r->desc, sizeof(r->desc), "%s", v->desc ? v->desc : "");
	drmFreeVersion(v);
	return 0;
}

struct vram_type {
	const char *key;
	const char *text;
};

static const struct vram_type *vram_type(uint32_t type)
{
	static const struct vram_type types[] = {
		[0] = { "unknown", "of a kind that this program does not know" },
		[MOCKGPU_VRAM_PRIVATE] = { "private", "device-private: the CPU cannot reach it, "
					   "its access brings the page home" },
		[MOCKGPU_VRAM_COHERENT] = { "coherent",
					    "device-coherent: the CPU reaches it like RAM" },
	};

	return &types[type < ARRAY_SIZE(types) ? type : 0];
}

const char *vram_type_key(uint32_t type)
{
	return vram_type(type)->key;
}

static void print_caps(uint64_t have, bool wanted, const char *title)
{
	bool any = false;
	size_t i;

	for (i = 0; i < CAPS_LEN; i++) {
		if (!!(have & caps[i].cap) != wanted)
			continue;
		printf("  %-10s %s\n", any ? "" : title, caps[i].text);
		any = true;
	}
	if (!any)
		printf("  %-10s nothing that this program knows of\n", title);
}

static void print_counters(const struct drm_mockgpu_counters *c)
{
	char buf[BYTES_STR_MAX];
	size_t i;

	for (i = 0; i < counter_descs_len; i++) {
		const struct counter_desc *d = &counter_descs[i];
		uint64_t n = counter_get(c, d);

		if (d->gauge)
			printf("  %14s  %s\n", bytes_str(buf, n), d->text);
		else
			printf("  %14" PRIu64 "  %s\n", n, d->text);
	}
}

static void print_text(const struct report *r)
{
	const struct drm_mockgpu_device_info *i = &r->info;
	char size[BYTES_STR_MAX], block[BYTES_STR_MAX], page[BYTES_STR_MAX], atomic[BYTES_STR_MAX];

	printf("\ndevice %u  %s\n", i->index, r->path);
	printf("  %-10s %s of the driver %s, \"%s\"\n", "interface", r->version,
	       MOCKGPU_DRIVER_NAME, r->desc);
	printf("  %-10s %s\n", "VRAM", vram_type(i->vram_type)->text);
	printf("  %-10s %s, RAM behind it in blocks of %s, pages of %s\n", "size",
	       bytes_str(size, i->vram_bytes), bytes_str(block, i->vram_block_bytes),
	       bytes_str(page, i->page_bytes));
	printf("  %-10s all-or-nothing migration of up to %s\n", "limit",
	       bytes_str(atomic, i->atomic_max_bytes));
	print_caps(i->caps, true, "can do");
	print_caps(i->caps, false, "not here");
	printf("  now, and since the device came up:\n");
	print_counters(&r->counters);
}

static void print_json_string(const char *s)
{
	const char *end = s + strlen(s);
	char out[JSON_CHAR_MAX];
	size_t n;

	putchar('"');
	while ((n = json_char(&s, end, out)))
		fwrite(out, 1, n, stdout);
	putchar('"');
}

static void print_json_key(const char *indent, const char *key)
{
	printf("%s\"%s\": ", indent, key);
}

static void print_json(const struct report *r, bool first)
{
	const struct drm_mockgpu_device_info *d = &r->info;
	const char *sep = "";
	size_t i;

	printf("%s\n    {\n      \"index\": %u,\n", first ? "" : ",", d->index);
	print_json_key("      ", "node");
	print_json_string(r->path);
	printf(",\n");
	print_json_key("      ", "driver_version");
	print_json_string(r->version);
	printf(",\n      \"vram_type\": \"%s\",\n", vram_type_key(d->vram_type));
	printf("      \"vram_bytes\": %" PRIu64 ",\n", (uint64_t)d->vram_bytes);
	printf("      \"vram_block_bytes\": %" PRIu64 ",\n", (uint64_t)d->vram_block_bytes);
	printf("      \"page_bytes\": %u,\n", d->page_bytes);
	printf("      \"atomic_max_bytes\": %" PRIu64 ",\n", (uint64_t)d->atomic_max_bytes);
	printf("      \"capabilities\": [");
	for (i = 0; i < CAPS_LEN; i++) {
		if (d->caps & caps[i].cap) {
			printf("%s\"%s\"", sep, caps[i].key);
			sep = ", ";
		}
	}
	printf("],\n      \"counters\": {\n");
	for (i = 0; i < counter_descs_len; i++)
		printf("        \"%s\": %" PRIu64 "%s\n", counter_descs[i].key,
		       counter_get(&r->counters, &counter_descs[i]),
		       i + 1 < counter_descs_len ? "," : "");
	printf("      }\n    }");
}

/* How the devices are shown, whether only one is, and how many were already. */
struct listing {
	bool json;
	bool only;
	unsigned int shown;
};

static int report_one(struct mockgpu_device *dev, unsigned int index, void *arg)
{
	struct listing *l = arg;
	struct report r;
	int ret = get_report(dev, &r);

	(void)index;
	/* Of all devices, one that is leaving is as good as gone. */
	if (ret == -ENODEV && !l->only)
		return EXIT_FINE;
	if (ret) {
		complain("%s does not answer: %s", mockgpu_path(dev), strerror(-ret));
		return EXIT_FAILED;
	}
	if (l->json)
		print_json(&r, !l->shown);
	else
		print_text(&r);
	l->shown++;
	return EXIT_FINE;
}

static int report_that(const char *which, struct listing *l)
{
	struct mockgpu_device *dev;
	int code = open_or_explain(&dev, which);

	if (code)
		return code;
	code = report_one(dev, 0, l);
	mockgpu_close(dev);
	return code;
}

static int print_report(const char *which, bool json, int count)
{
	struct listing l = { .json = json, .only = which };
	struct utsname u;
	int ret;

	if (uname(&u)) {
		complain("uname: %s", strerror(errno));
		return EXIT_FAILED;
	}
	if (json) {
		printf("{\n  \"version\": \"%s\",\n  \"kernel\": ", MOCKGPU_VERSION);
		print_json_string(u.release);
		printf(",\n  \"machine\": ");
		print_json_string(u.machine);
		printf(",\n  \"devices\": [");
	} else {
		printf("mockgpu %s on Linux %s (%s), %d device%s\n", MOCKGPU_VERSION, u.release,
		       u.machine, count, count == 1 ? "" : "s");
	}
	ret = which ? report_that(which, &l) : each_device(report_one, &l);
	if (json)
		printf("\n  ]\n}\n");
	return ret;
}

int cmd_info(int argc, char **argv)
{
	const char *which = NULL;
	bool json = false;
	const struct opt opts[] = {
		{ .name = "device", .letter = 'd', .value = &which },
		{ .name = "json", .letter = 'j', .flag = &json },
		{ 0 },
	};
	int code, count;

	code = parse_options(argc, argv, opts, NULL, help);
	if (code >= 0)
		return code;
	count = mockgpu_count();
	if (!count)
		count = -ENOENT;
	if (count < 0)
		return explain_open(count, which ? which : "0");
	return print_report(which, json, count);
}
