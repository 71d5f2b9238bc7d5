/* SPDX-License-Identifier: MIT */
/* A CPU that adds to a word all the time. */
#ifndef ADDER_H
#define ADDER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct adder {
	uint64_t *word;
	uint64_t count;		/* so often it has, or once more */
	bool stop;
	pthread_t thread;
};

/* It has begun when this returns. */
void adder_start(struct adder *adder, uint64_t *word);
/* Waits until it has begun and ended another addition. */
void adder_goes_on(const struct adder *adder);
/* Returns how often it has added. */
uint64_t adder_stop(struct adder *adder);

#endif
