/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_ENGINE_CMD_H
#define MOCKGPU_ENGINE_CMD_H

struct drm_mockgpu_cmd;
struct engine_exec;
struct engine_job;
struct engine_queue;
struct svm;

int engine_cmd_check(const struct drm_mockgpu_cmd *cmd);
struct engine_exec *engine_exec_create(struct engine_queue *queue, struct svm *svm);
void engine_exec_destroy(struct engine_exec *exec);
int engine_exec_job(struct engine_exec *exec, const struct engine_job *job);

#endif
