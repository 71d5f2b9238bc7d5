// SPDX-License-Identifier: MIT
/* See adder.h. */
#include <sched.h>

#include "adder.h"
#include "process.h"

static void *add(void *arg)
{
	struct adder *adder = arg;
	uint64_t count = 0;

	while (!__atomic_load_n(&adder->stop, __ATOMIC_RELAXED)) {
		__atomic_fetch_add(adder->word, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&adder->count, ++count, __ATOMIC_RELEASE);
	}
	return NULL;
}

void adder_start(struct adder *adder, uint64_t *word)
{
	*adder = (struct adder){ .word = word };
	adder->thread = thread_start(add, adder);
	adder_goes_on(adder);
}

void adder_goes_on(const struct adder *adder)
{
	uint64_t seen = __atomic_load_n(&adder->count, __ATOMIC_ACQUIRE), end = now_ns() + BOUND_NS;

	/* The next may be half done. */
	while (__atomic_load_n(&adder->count, __ATOMIC_ACQUIRE) < seen + 2) {
		if (now_ns() > end)
			FAIL("the CPU does not add any more");
		sched_yield();
	}
}

uint64_t adder_stop(struct adder *adder)
{
	__atomic_store_n(&adder->stop, true, __ATOMIC_RELAXED);
	thread_join(adder->thread);
	return adder->count;
}
