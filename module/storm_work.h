/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_STORM_WORK_H
#define MOCKGPU_STORM_WORK_H

#include <linux/types.h>

struct storm_report;
struct storm_spec;
struct storm_tools;
struct storm_work;
struct svm;

struct storm_tools *storm_tools_create(const struct storm_spec *spec);
void storm_tools_destroy(struct storm_tools *tools);
struct storm_work *storm_work_create(const struct storm_spec *spec, u64 nth, u64 inherited,
				     struct svm *svm, struct storm_tools *tools);
void storm_work_destroy(struct storm_work *work);
bool storm_work_rests(const struct storm_work *work);
unsigned int storm_work_step(struct storm_work *work, struct storm_report *report,
			     const int *stopping);
void storm_work_finish(struct storm_work *work, struct storm_report *report);

#endif
