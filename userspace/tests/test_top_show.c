// SPDX-License-Identifier: MIT
/* What mockgpu top shows of two samples, to the letter. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"
#include "top.h"

#define SECOND 1000000000ULL

static struct json_file json;
static char shown[65536];

static struct top_device device_of(unsigned int index, uint64_t time_ns)
{
	struct top_device d = {
		.node = 100 + index, .path = "/dev/dri/renderD128", .time_ns = time_ns,
		.info = { .index = index, .vram_type = MOCKGPU_VRAM_PRIVATE,
			  .vram_bytes = 256 << 20 },
	};

	return d;
}

static struct client client_of(uint64_t id, pid_t pid, uint64_t busy_ns, uint64_t time_ns)
{
	struct client c = {
		.node = 100, .id = id, .pid = pid, .processes = 1, .uid = 0, .command = "train",
		.total_bytes = 4096, .resident_bytes = 4096, .busy_ns = busy_ns,
		.time_ns = time_ns,
	};

	return c;
}

static void sample(struct top_sample *s, struct top_device *devices, size_t len,
		   struct client *clients, size_t clients_len)
{
	s->devices = devices;
	s->len = len;
	s->clients.clients = clients;
	s->clients.len = clients_len;
}

static const char *as_text(struct top_sample *now, const struct top_sample *before)
{
	FILE *f = fmemopen(shown, sizeof(shown), "w");

	ok(f && !top_text(f, now, before), "as text");
	if (f)
		fclose(f);
	return shown;
}

static const char *as_json(struct top_sample *now, const struct top_sample *before)
{
	int fd = memfd_create("top", MFD_CLOEXEC);
	ssize_t n;

	json_begin(&json, fd, "");
	ok(!top_json(&json, now, before), "as JSON");
	n = pread(fd, shown, sizeof(shown) - 1, 0);
	shown[n < 0 ? 0 : n] = '\0';
	close(fd);
	return shown;
}

static void expect(const char *text, const char *part, const char *words)
{
	if (!ok(strstr(text, part) != NULL, "%s", words))
		printf("# \"%s\" is not in:\n# %s\n", part, text);
}

/* Two and a half seconds, in which everything was 5 more. */
static void test_rates(void)
{
	struct top_device before[] = { device_of(0, SECOND) };
	struct top_device now[] = { device_of(0, SECOND * 7 / 2) };
	struct top_sample first = { 0 }, second = { 0 };

	before[0].counters.cpu_faults = 1000;
	now[0].counters.cpu_faults = 1005;
	now[0].counters.gpu_faults = 1;
	now[0].counters.pages_to_vram = 2500000;
	now[0].counters.vram_used_bytes = 5 << 10;
	now[0].counters.vram_backing_bytes = 2 << 20;
	sample(&first, before, 1, NULL, 0);
	sample(&second, now, 1, NULL, 0);

	expect(as_text(&second, &first), "  faults/s  CPU 2.0, device 0.4\n", "faults a second");
	expect(shown, "  pages/s   to VRAM 1000000.0; home by CPU faults 0.0, migrated 0.0, "
	       "evicted 0.0\n", "pages a second");
	expect(shown, "device 0  /dev/dri/renderD128  private VRAM: 5 KiB of 256 MiB in use, "
	       "RAM behind it 2 MiB\n", "what is used");
	expect(shown, "1 device, 0 clients\n", "how many");
	expect(as_json(&second, &first), "\"cpu_faults\":2.000,", "a rate in JSON");
	expect(shown, "\"gpu_faults\":0.400,", "another, with decimals");
	expect(shown, "\"vram_used_bytes\":5120,", "what is used, in JSON");
	ok(!strstr(strstr(shown, "per_second"), "_bytes\":5120"), "no rate of what only is");
}

static void test_unknown(void)
{
	struct top_device before[] = { device_of(1, SECOND) };
	struct top_device now[] = { device_of(0, 2 * SECOND), device_of(1, 2 * SECOND) };
	struct client then[] = { client_of(7, 1, 5, SECOND) };
	struct client clients[] = {
		client_of(7, 1, 4, 2 * SECOND), client_of(8, 2, 9, 2 * SECOND),
	};
	struct top_sample first = { 0 }, second = { 0 };

	sample(&first, before, 1, then, 1);
	sample(&second, now, 2, clients, 2);
	before[0].counters.cpu_faults = 6;
	now[1].counters.cpu_faults = 5;

	expect(as_text(&second, &first), "device 0  /dev/dri/renderD128  private VRAM: 0 B of "
	       "256 MiB in use, RAM behind it 0 B\n  faults/s  CPU -, device -\n",
	       "a device that is new");
	expect(shown, "  faults/s  CPU -, device 0.0\n", "a counter that went back");
	expect(shown, "4 KiB        -  train\n", "a client that is new, or another one");
	expect(as_json(&second, &first), "\"busy_percent\":null", "the same in JSON");
	expect(shown, "\"cpu_faults\":null", "a counter that went back, in JSON");
	first.len = 0;
	expect(as_json(&second, &first), "\"gpu_faults\":null", "everything new");
}

static void test_clients(void)
{
	struct top_device before[] = { device_of(0, SECOND) };
	struct top_device now[] = { device_of(0, 2 * SECOND) };
	struct client then[] = {
		client_of(1, 11, 0, SECOND), client_of(2, 12, 0, SECOND),
		client_of(3, 13, 0, SECOND),
	};
	struct client clients[] = {
		client_of(1, 11, 0, 2 * SECOND), client_of(2, 12, 250000000, 2 * SECOND),
		client_of(3, 13, 12 * SECOND, 2 * SECOND), client_of(4, 14, 0, 2 * SECOND),
	};
	struct top_sample first = { 0 }, second = { 0 };

	sample(&first, before, 1, then, 3);
	sample(&second, now, 1, clients, 4);
	clients[0].resident_bytes = 8192;
	memcpy(clients[2].command, "\033[2J\2330123456789", 15);
	clients[2].processes = 3;
	clients[3].uid = 4123456789;

	expect(as_text(&second, &first),
	       "    PID USER       DEV          VRAM     BUSY  COMMAND\n"
	       "     13 root         0         4 KiB  1200.0%  ?[2J?0123456789 (3 processes)\n"
	       "     12 root         0         4 KiB    25.0%  train\n"
	       "     11 root         0         8 KiB     0.0%  train\n"
	       "     14 4123456789   0         4 KiB        -  train\n", "a line each");
	ok(!strchr(shown, '\033') && !strchr(shown, '\x9b'), "a terminal is told nothing");
	expect(as_json(&second, &first),
	       "{\"device\":0,\"id\":3,\"pid\":13,\"processes\":3,\"uid\":0,"
	       "\"command\":\"\\u001b[2J\\ufffd0123456789\",\"vram_total_bytes\":4096,"
	       "\"vram_resident_bytes\":4096,\"time_ns\":2000000000,\"busy_ns\":12000000000,"
	       "\"busy_percent\":1200.000},{\"device\":0,\"id\":2,", "an object each");
	ok(shown[strlen(shown) - 1] == '\n' && strchr(shown, '\n') == shown + strlen(shown) - 1,
	   "one line");
}

static void test_errors(void)
{
	struct top_device now[] = { device_of(0, SECOND) };
	struct top_sample before = { 0 }, second = { 0 };
	FILE *full = fopen("/dev/full", "w");

	sample(&second, now, 1, NULL, 0);
	setbuf(full, NULL);
	ok(top_text(full, &second, &before) < 0, "text that cannot be written");
	json_begin(&json, fileno(full), "");
	ok(top_json(&json, &second, &before) < 0, "JSON that cannot be written");
	fclose(full);
}

int main(void)
{
	test_rates();
	test_unknown();
	test_clients();
	test_errors();
	return done();
}
