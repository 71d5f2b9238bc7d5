/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What travels through /dev/hmm_dmirrorN: numbers and layout are those of the test driver
 * in the kernel's tree, the same on all kernels.  Older ones have fewer calls.
 */
#ifndef MOCKGPU_DMIRROR_ABI_H
#define MOCKGPU_DMIRROR_ABI_H

#include <linux/bits.h>
#include <linux/ioctl.h>
#include <linux/types.h>

/* Its name in /proc/devices; nodes that programs make by hand go by that. */
#define DMIRROR_REGION		"HMM_DMIRROR"
#define DMIRROR_NODE_NAME	"hmm_dmirror%u"

/* Minor numbers: devices with private VRAM come first, then those with coherent VRAM. */
#define DMIRROR_PRIVATE		0U
#define DMIRROR_COHERENT	2U
#define DMIRROR_OF_A_TYPE	2U
#define DMIRROR_NODES		4U

/**
 * struct dmirror_args - arguments of every call
 * @addr: in: first address, at a page boundary
 * @ptr: in: where the data of the pages, or a byte for each, comes from or goes to
 * @npages: in: how many pages, at least 1; DMIRROR_FLAGS: the flags
 * @cpages: out: pages that were dealt with
 * @faults: out: how often the device had to fault
 */
struct dmirror_args {
	__u64 addr;
	__u64 ptr;
	__u64 npages;
	__u64 cpages;
	__u64 faults;
};

#define DMIRROR_CALL(nr)	_IOWR('H', nr, struct dmirror_args)

#define DMIRROR_READ		DMIRROR_CALL(0x00)	/* by the device */
#define DMIRROR_WRITE		DMIRROR_CALL(0x01)
#define DMIRROR_TO_DEVICE	DMIRROR_CALL(0x02)	/* and read what came there */
#define DMIRROR_TO_SYSTEM	DMIRROR_CALL(0x03)
#define DMIRROR_SNAPSHOT	DMIRROR_CALL(0x04)	/* DMIRROR_IS_* for each page */
#define DMIRROR_EXCLUSIVE	DMIRROR_CALL(0x05)	/* and read what is there */
#define DMIRROR_CHECK_EXCLUSIVE	DMIRROR_CALL(0x06)	/* fails where a page still is */
#define DMIRROR_RELEASE		DMIRROR_CALL(0x07)	/* empty the device */
#define DMIRROR_FLAGS		DMIRROR_CALL(0x08)
#define DMIRROR_READ_UNLOCKED	DMIRROR_CALL(0x09)	/* a fault may wait for user space */

/* The next time that memory is wanted, there is none. */
#define DMIRROR_FLAG_FAIL_ALLOC	BIT_ULL(0)

/* What a page is, and how it is mapped. */
#define DMIRROR_IS_ERROR		0xff	/* not accessible */
#define DMIRROR_IS_NONE			0x00
#define DMIRROR_IS_READ			0x01
#define DMIRROR_IS_WRITE		0x02
#define DMIRROR_IS_PMD			0x04
#define DMIRROR_IS_PUD			0x08
#define DMIRROR_IS_ZERO			0x10
#define DMIRROR_IS_PRIVATE_LOCAL	0x20
#define DMIRROR_IS_COHERENT_LOCAL	0x40
#define DMIRROR_IS_COHERENT_REMOTE	0x50

#endif
