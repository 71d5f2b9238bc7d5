// SPDX-License-Identifier: MIT
/* See ksm.h. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

#include "harness.h"
#include "ksm.h"
#include "memory.h"

#define KSM_DIR		"/sys/kernel/mm/ksm/"
#define KPF_KSM		21	/* bit of /proc/kpageflags */

void ksmd_start(void)
{
	if (access(KSM_DIR "run", W_OK))
		skip("no KSM");
	write_number(KSM_DIR "pages_to_scan", 2000);
	write_number(KSM_DIR "sleep_millisecs", 5);
	write_number(KSM_DIR "run", 1);
}

void ksmd_stop(void)
{
	write_number(KSM_DIR "run", 0);
	write_number(KSM_DIR "pages_to_scan", 100);
	write_number(KSM_DIR "sleep_millisecs", 20);
}

bool is_merged(const void *p)
{
	struct pagemap map = pagemap_of(0, p);

	return map.present && page_has_flag(map.pfn, KPF_KSM);
}

void wait_for_merge(const void *a, const void *b, size_t pages)
{
	uint64_t start = now_ns();

	for (size_t i = 0; i < pages; i++)
		while (!is_merged(AT(a, i)) ||
		       pagemap_of(0, AT(a, i)).pfn != pagemap_of(0, AT(b, i)).pfn) {
			if (now_ns() - start > 15 * BOUND_NS)
				FAIL("ksmd did not merge page %zu", i);
			sleep_ms(10);
		}
}

void wait_for_scans(unsigned int times)
{
	long long until = read_number(KSM_DIR "full_scans") + times;
	uint64_t start = now_ns();

	while (read_number(KSM_DIR "full_scans") < until) {
		if (now_ns() - start > 15 * BOUND_NS)
			FAIL("ksmd does not scan");
		sleep_ms(10);
	}
}
