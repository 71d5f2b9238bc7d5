/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_ENGINE_GATE_H
#define MOCKGPU_ENGINE_GATE_H

#include <linux/types.h>

void engine_gate_enter(const int *stopping);
void engine_gate_leave(void);
void engine_gate_pass(const int *stopping);
bool engine_gate_is_closed(void);
int engine_gate_close(void);
void engine_gate_open(void);

#endif
