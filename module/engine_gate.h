/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_ENGINE_GATE_H
#define MOCKGPU_ENGINE_GATE_H

struct engine_queue;

void engine_gate_enter(const struct engine_queue *queue);
void engine_gate_leave(void);
void engine_gate_pass(const struct engine_queue *queue);
int engine_gate_close(void);
void engine_gate_open(void);

#endif
