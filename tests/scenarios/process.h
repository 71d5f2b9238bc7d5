/* SPDX-License-Identifier: MIT */
/* Children and threads of a scenario, and gates that they wait at. */
#ifndef PROCESS_H
#define PROCESS_H

#include <pthread.h>
#include <sys/types.h>

#include "harness.h"

/* A child that runs @fn and ends well; a failed assertion in it ends the scenario. */
pid_t spawn(void (*fn)(void *), void *arg);
/* Waits for a child, which must have ended well. */
void join(pid_t pid);
/* Waits for a child that must have died of @signal. */
void join_killed(pid_t pid, int signal);

/* A gate lets through as many as it was opened for; processes share it over fork(). */
int gate_new(void);
void gate_open(int gate, unsigned int times);
void gate_wait(int gate);

/* Hands a file to whoever receives it at the other end of a socket; its number there. */
void file_send(int socket, int fd);
int file_receive(int socket);

pthread_t thread_start(void *(*fn)(void *), void *arg);
void thread_join(pthread_t thread);
/* Whatever this thread and those it starts do from now on, they do on this CPU. */
void stay_on_cpu(int cpu);
/* From now on without CAP_SYS_ADMIN. */
void lose_capability(void);
/* Whether the kernel is older than this; for what is not the device's, and what no call tells. */
bool kernel_is_before(unsigned int version, unsigned int patchlevel);
/* Where in the kernel each thread of this process is, as diagnostics. */
void note_stacks(void);
/* The same of each that runs or waits without hearing a signal, and of the module's own. */
void note_busy(void);

#endif
