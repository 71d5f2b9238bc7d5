/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#ifndef MOCKGPU_DEVICES_H
#define MOCKGPU_DEVICES_H

#include <linux/mod_devicetable.h>
#include <linux/types.h>

struct coherent_request;
struct platform_device;
struct vram_source;
struct vram_supply;

#define DEVICES_MAX		16U

/* Sizes of VRAM in MiB: even numbers. */
#define DEVICES_VRAM_MB_MIN	2U
#define DEVICES_VRAM_MB_MAX	1048576U

/* What type of VRAM is asked for. */
enum devices_type {
	DEVICES_AUTO,
	DEVICES_PRIVATE,
	DEVICES_COHERENT
};

extern const struct platform_device_id devices_ids[];

int devices_type(const char *text);
const char *devices_type_name(enum devices_type type);
bool devices_vram_mb_fits(unsigned int vram_mb);
int devices_source(const char *name, enum devices_type type,
		   const struct coherent_request *request, const struct vram_source **source);

int devices_reserve(void);
void devices_release(unsigned int index);
int devices_add(unsigned int index, const struct vram_supply *supply);
void devices_remove(unsigned int index);
void devices_set_link(unsigned int index, unsigned int mbps);
int devices_minor(unsigned int index);

int devices_find(const struct platform_device *pdev, const struct vram_supply **supply);
void devices_came(unsigned int index, int minor, int error);
void devices_leaves(unsigned int index);

#endif
