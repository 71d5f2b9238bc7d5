/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * The ioctl interface of mockgpu, a GPU without the hardware.
 *
 * Conventions, the same for every call:
 *
 * - All addresses are virtual addresses of the process that attached its
 *   memory to the file (DRM_MOCKGPU_ATTACH).  Unless said otherwise @start and
 *   @len of a range are multiples of MOCKGPU_PAGE_SIZE, @len is not 0, and the
 *   range ends within what a process can map; otherwise the call is -EINVAL.
 * - A pointer to user memory travels as a __u64.
 * - A structure only ever grows at its end.  The size travels in the call's
 *   number.  What a shorter structure lacks counts as 0; what a longer one has
 *   at its end must be 0 and comes back as it was, or else the call is -E2BIG.
 * - An unknown flag, an unknown enumerator, and a @pad or @reserved field that
 *   is not zero are -EINVAL and change nothing.
 * - Every structure has the same layout for 32-bit and 64-bit programs.
 * - No call returns EAGAIN.  A call that a signal interrupted returns EINTR;
 *   every call can simply be repeated after it: what was done stays done, and
 *   the result fields then count that repetition alone.  libdrm's drmIoctl()
 *   does so without end; a caller that wants to stop, or to go on at @done rather
 *   than begin anew, uses ioctl() itself.
 * - Result fields are written whether the call succeeds or not, except with
 *   -E2BIG for the structure, with -ENODEV for a device that had gone before the
 *   call, and where the structure cannot be written (-EFAULT).
 *
 * Who may call: whoever may open the render node (usually members of the group
 * "render").  Where more is needed the call says so.
 *
 * A user, which is a number, whatever the number of files and processes, can have so
 * many queues (MOCKGPU_USER_QUEUES_MAX), commands that were not executed yet
 * (MOCKGPU_USER_COMMANDS_MAX), logs and entries of them (MOCKGPU_USER_LOGS_MAX and
 * MOCKGPU_LOG_ENTRIES_MAX, without CAP_SYS_ADMIN) and so much of each device's VRAM (the
 * module's parameter user_vram_percent).  It is the user who opened the file that counts.
 * All other memory that the driver keeps for a caller, but what describes VRAM, is charged
 * to the caller's memory cgroup.
 *
 * Errors that every call can give:
 *
 * - -ENODEV: the device has gone (unplugged, unbound), or is about to.  A file that is open
 *   then can only be closed, also when the device comes back: that is another one.
 * - -EFAULT: the structure, or memory that it points to, cannot be accessed.
 * - -EINVAL: see above.
 * - -E2BIG: the structure asks for something that this version does not know.
 *   An unknown call is -EINVAL, a call that is not DRM's -ENOTTY.  DRM's own calls
 *   for buffer objects and sync objects, of which there are none, are -EOPNOTSUPP.
 *
 * Errors of every call that takes an address:
 *
 * - -ENXIO: no memory is attached to this file yet.
 * - -EPERM: the caller's memory is not the memory that is attached to the
 *   file.  That is what a child has after fork() or a process after execve()
 *   or a process that was handed the file over a socket: it may close the file,
 *   look up what QUERY tells, and wait for the file's queues and destroy them,
 *   as whoever holds a file may, but do nothing with it that takes an address.
 *   It opens the node anew.
 *
 * What happens on fork(): the child inherits the file but not the right to use
 * it (above).  Its pages are ordinary copy-on-write pages wherever they are,
 * and stay intact when the parent closes the file, exits, or is killed.
 */
#ifndef _UAPI_MOCKGPU_DRM_H_
#define _UAPI_MOCKGPU_DRM_H_

#include "drm.h"

#if defined(__cplusplus)
extern "C" {
#endif

/* The name under which drmGetVersion() and fdinfo know the driver. */
#define MOCKGPU_DRIVER_NAME	"mockgpu"

/* The unit of every range, and of VRAM: bytes. */
#define MOCKGPU_PAGE_SHIFT	12
#define MOCKGPU_PAGE_SIZE	(1ULL << MOCKGPU_PAGE_SHIFT)

/* What one user can have at once, of all devices. */
#define MOCKGPU_USER_QUEUES_MAX		256U
#define MOCKGPU_USER_COMMANDS_MAX	(1U << 20)
#define MOCKGPU_USER_LOGS_MAX		24U

#define DRM_MOCKGPU_QUERY	0x00
#define DRM_MOCKGPU_ATTACH	0x01
#define DRM_MOCKGPU_MIGRATE	0x02
#define DRM_MOCKGPU_RESIDENCY	0x03
#define DRM_MOCKGPU_RW		0x04
#define DRM_MOCKGPU_EVICT	0x05
#define DRM_MOCKGPU_QUEUE_CREATE 0x06
#define DRM_MOCKGPU_QUEUE_DESTROY 0x07
#define DRM_MOCKGPU_SUBMIT	0x08
#define DRM_MOCKGPU_WAIT	0x09
#define DRM_MOCKGPU_ADVISE	0x0a
#define DRM_MOCKGPU_ADVICE	0x0b
#define DRM_MOCKGPU_PREFETCH	0x0c
#define DRM_MOCKGPU_POINT_ARM	0x0d
#define DRM_MOCKGPU_POINT_WAIT	0x0e
#define DRM_MOCKGPU_POINT_RELEASE 0x0f
#define DRM_MOCKGPU_LOG_OPEN	0x10

#define DRM_IOCTL_MOCKGPU_QUERY \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_MOCKGPU_QUERY, struct drm_mockgpu_query)
#define DRM_IOCTL_MOCKGPU_ATTACH \
	DRM_IOW(DRM_COMMAND_BASE + DRM_MOCKGPU_ATTACH, struct drm_mockgpu_attach)
#define DRM_IOCTL_MOCKGPU_MIGRATE \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_MOCKGPU_MIGRATE, struct drm_mockgpu_migrate)
#define DRM_IOCTL_MOCKGPU_RESIDENCY \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_MOCKGPU_RESIDENCY, struct drm_mockgpu_residency)
#define DRM_IOCTL_MOCKGPU_RW \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_MOCKGPU_RW, struct drm_mockgpu_rw)
#define DRM_IOCTL_MOCKGPU_EVICT \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_MOCKGPU_EVICT, struct drm_mockgpu_evict)
#define DRM_IOCTL_MOCKGPU_QUEUE_CREATE \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_MOCKGPU_QUEUE_CREATE, struct drm_mockgpu_queue)
#define DRM_IOCTL_MOCKGPU_QUEUE_DESTROY \
	DRM_IOW(DRM_COMMAND_BASE + DRM_MOCKGPU_QUEUE_DESTROY, struct drm_mockgpu_queue)
#define DRM_IOCTL_MOCKGPU_SUBMIT \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_MOCKGPU_SUBMIT, struct drm_mockgpu_submit)
#define DRM_IOCTL_MOCKGPU_WAIT \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_MOCKGPU_WAIT, struct drm_mockgpu_wait)
#define DRM_IOCTL_MOCKGPU_ADVISE \
	DRM_IOW(DRM_COMMAND_BASE + DRM_MOCKGPU_ADVISE, struct drm_mockgpu_advise)
#define DRM_IOCTL_MOCKGPU_ADVICE \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_MOCKGPU_ADVICE, struct drm_mockgpu_advice)
#define DRM_IOCTL_MOCKGPU_PREFETCH \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_MOCKGPU_PREFETCH, struct drm_mockgpu_prefetch)
#define DRM_IOCTL_MOCKGPU_POINT_ARM \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_MOCKGPU_POINT_ARM, struct drm_mockgpu_point_arm)
#define DRM_IOCTL_MOCKGPU_POINT_WAIT \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_MOCKGPU_POINT_WAIT, struct drm_mockgpu_point_wait)
#define DRM_IOCTL_MOCKGPU_POINT_RELEASE \
	DRM_IOW(DRM_COMMAND_BASE + DRM_MOCKGPU_POINT_RELEASE, struct drm_mockgpu_point_release)
#define DRM_IOCTL_MOCKGPU_LOG_OPEN \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_MOCKGPU_LOG_OPEN, struct drm_mockgpu_log_open)

/* What drm_mockgpu_query can ask for. */
#define MOCKGPU_QUERY_DEVICE	1	/* struct drm_mockgpu_device_info */
#define MOCKGPU_QUERY_COUNTERS	2	/* struct drm_mockgpu_counters */
#define MOCKGPU_QUERY_POINTS	3	/* struct drm_mockgpu_point_info[] */

/**
 * struct drm_mockgpu_query - ask the device about itself
 *
 * With @size 0 nothing is written to @ptr and @size comes back as the size
 * that the answer has in this version of the driver.  Otherwise min(@size,
 * size of the answer) bytes are written to @ptr, the rest of the buffer is
 * zeroed, and @size comes back as the size of the answer.
 *
 * Needs no attached memory.  Errors: -EINVAL (unknown @query, non-zero @flags,
 * @size above 4096), -EFAULT.
 */
struct drm_mockgpu_query {
	/** @query: in: MOCKGPU_QUERY_* */
	__u32 query;
	/** @flags: in: 0 */
	__u32 flags;
	/** @ptr: in: user pointer to the buffer for the answer */
	__u64 ptr;
	/** @size: in: bytes at @ptr, or 0; out: bytes that the answer has */
	__u32 size;
	/** @pad: in: 0 */
	__u32 pad;
};

/* Where a device's VRAM comes from (drm_mockgpu_device_info.vram_type). */
#define MOCKGPU_VRAM_PRIVATE	1	/* the CPU faults, and the page comes home */
#define MOCKGPU_VRAM_COHERENT	2	/* the CPU reaches it like RAM */

/* What this device on this kernel can do (drm_mockgpu_device_info.caps). */
#define MOCKGPU_CAP_PRIVATE	(1ULL << 0)	/* device-private memory: CPU accesses fault */
#define MOCKGPU_CAP_COHERENT	(1ULL << 1)	/* device-coherent memory: they do not */
#define MOCKGPU_CAP_EXCLUSIVE	(1ULL << 2)	/* device-exclusive atomics on system memory */
#define MOCKGPU_CAP_HUGE	(1ULL << 3)	/* 2 MiB folios go to VRAM and back whole */

/**
 * struct drm_mockgpu_device_info - answer to MOCKGPU_QUERY_DEVICE
 *
 * All of it is fixed for as long as the device lives.
 */
struct drm_mockgpu_device_info {
	/** @index: the device's number, from 0; RESIDENCY names devices by it */
	__u32 index;
	/** @vram_type: MOCKGPU_VRAM_* */
	__u32 vram_type;
	/** @vram_bytes: size of VRAM in bytes; a hard limit */
	__u64 vram_bytes;
	/** @vram_block_bytes: unit in which RAM is put behind VRAM and given back */
	__u64 vram_block_bytes;
	/** @caps: MOCKGPU_CAP_* */
	__u64 caps;
	/** @atomic_max_bytes: longest range for MOCKGPU_MIGRATE_ALL_OR_NOTHING */
	__u64 atomic_max_bytes;
	/** @page_bytes: MOCKGPU_PAGE_SIZE */
	__u32 page_bytes;
	/** @pad: 0 */
	__u32 pad;
};

/**
 * struct drm_mockgpu_counters - answer to MOCKGPU_QUERY_COUNTERS
 *
 * The first four are gauges, in bytes; all others count since the device came
 * up and never go back.  Pages are MOCKGPU_PAGE_SIZE bytes.  Each is exact, but
 * they are not read at one instant.
 */
struct drm_mockgpu_counters {
	/** @vram_used_bytes: VRAM that holds somebody's data now, on this device */
	__u64 vram_used_bytes;
	/**
	 * @vram_backing_bytes: RAM that stands behind VRAM now; of coherent VRAM, which is
	 * RAM itself, the blocks in use
	 */
	__u64 vram_backing_bytes;
	/** @vram_mapped_bytes: VRAM that has page structures now */
	__u64 vram_mapped_bytes;
	/** @client_used_bytes: the part of @vram_used_bytes that this file brought there */
	__u64 client_used_bytes;
	/** @pages_to_vram: pages that moved from anywhere or were made in VRAM, holes included */
	__u64 pages_to_vram;
	/** @pages_hole: the part of @pages_to_vram that was a hole or the zero page before */
	__u64 pages_hole;
	/**
	 * @pages_to_system: pages that MIGRATE or PREFETCH, of any device, moved from this one's
	 * VRAM to system memory
	 */
	__u64 pages_to_system;
	/**
	 * @pages_evicted: pages that EVICT, unplug or unload moved to system memory, or that
	 * made room for others
	 */
	__u64 pages_evicted;
	/** @pages_cpu_fault: pages that CPU faults moved to system memory */
	__u64 pages_cpu_fault;
	/** @cpu_faults: CPU faults on VRAM that reached the driver */
	__u64 cpu_faults;
	/** @cpu_faults_retried: the part of @cpu_faults that moved nothing; the core tried again */
	__u64 cpu_faults_retried;
	/** @cpu_faults_failed: CPU faults that ended in an error */
	__u64 cpu_faults_failed;
	/**
	 * @gpu_faults: entries that the device did not find in its page table and made: of
	 * a page, or of 2 MiB where the CPU maps 2 MiB at once
	 */
	__u64 gpu_faults;
	/** @gpu_fault_retries: GPU faults begun anew as an invalidation came in between */
	__u64 gpu_fault_retries;
	/**
	 * @gpu_cow_breaks: pages in VRAM that the device wanted to write while they were
	 * read-only for copy-on-write, and that were made its own first
	 */
	__u64 gpu_cow_breaks;
	/** @gpu_bytes_read: bytes that the device read from attached memory */
	__u64 gpu_bytes_read;
	/** @gpu_bytes_written: bytes that the device wrote to attached memory */
	__u64 gpu_bytes_written;
	/** @invalidations: calls of the notifier by the memory manager */
	__u64 invalidations;
	/** @invalidated_pages: entries that those took out of device page tables */
	__u64 invalidated_pages;
	/** @migrate_retries: further attempts at pages that could not be moved at first */
	__u64 migrate_retries;
	/** @copy_failures: pages whose copy failed; each stayed where it was */
	__u64 copy_failures;
	/**
	 * @no_vram: pages that stayed where they were as VRAM was full, with no room to be made,
	 * or the user's share of it was
	 */
	__u64 no_vram;
	/** @no_ram: pages that stayed as there was no RAM to stand behind VRAM, or to return to */
	__u64 no_ram;
	/** @pages_touched: the part of @pages_to_vram that touches of the device moved */
	__u64 pages_touched;
	/** @cpu_faults_held: the part of @cpu_faults_retried that came within a time slice */
	__u64 cpu_faults_held;
	/** @huge_to_vram: folios of 2 MiB that went to VRAM whole; 512 of @pages_to_vram each */
	__u64 huge_to_vram;
	/** @huge_to_system: folios of 2 MiB that came home whole, for whatever reason */
	__u64 huge_to_system;
	/** @pages_evicted_room: the part of @pages_evicted that made room for others */
	__u64 pages_evicted_room;
	/** @evict_passed_over: pages that were to make room and stayed, each time */
	__u64 evict_passed_over;
	/** @pages_to_peer: pages that moved from this device's VRAM straight to another device's */
	__u64 pages_to_peer;
	/** @pages_from_peer: the part of @pages_to_vram that came from another device's VRAM */
	__u64 pages_from_peer;
};

/**
 * struct drm_mockgpu_attach - attach the calling process's memory to this file
 *
 * From now on the file works on the caller's address space and no other, until
 * it is closed.  Attaching the same address space again changes nothing.
 *
 * Errors: -EINVAL (non-zero @flags or @pad), -EPERM (another address space is
 * attached), -ENOMEM, -EINTR.
 */
struct drm_mockgpu_attach {
	/** @flags: in: 0 */
	__u32 flags;
	/** @pad: in: 0 */
	__u32 pad;
};

/* Where drm_mockgpu_migrate moves to. */
#define MOCKGPU_TARGET_SYSTEM	0
#define MOCKGPU_TARGET_VRAM	1	/* this device's VRAM */

/*
 * Move every page of the range or none.  Pages that are at the target already,
 * and for MOCKGPU_TARGET_SYSTEM also holes of a mapping, do not stand in the way.
 */
#define MOCKGPU_MIGRATE_ALL_OR_NOTHING	(1U << 0)

/* Nobody's pages are to make room: what VRAM has no room for now stays, as NO_VRAM. */
#define MOCKGPU_MIGRATE_NO_EVICT	(1U << 1)

/*
 * What became of a page (drm_mockgpu_migrate.status_ptr, one byte a page, and
 * index into drm_mockgpu_migrate.count).
 */
#define MOCKGPU_PAGE_MOVED	0	/* is now at the target */
#define MOCKGPU_PAGE_ALREADY	1	/* was at the target before */
/*
 * Target system: there is no page here to bring home.  Target VRAM: there is a
 * hole that cannot be filled: of a mapping of a file, one that a userfaultfd wants
 * to fill, or at the limit of a memory cgroup.
 */
#define MOCKGPU_PAGE_ABSENT	2
#define MOCKGPU_PAGE_UNMAPPED	3	/* nothing is mapped at this address */
#define MOCKGPU_PAGE_NO_ACCESS	4	/* mapped with PROT_NONE */
#define MOCKGPU_PAGE_FILE	5	/* page of a file or of shared memory */
#define MOCKGPU_PAGE_SPECIAL	6	/* hugetlb, DAX, memfd_secret() or a device's mapping */
#define MOCKGPU_PAGE_KSM	7	/* merged by KSM; stays in system memory */
#define MOCKGPU_PAGE_PINNED	8	/* pinned for I/O */
#define MOCKGPU_PAGE_BUSY	9	/* in use by somebody else through all attempts */
/*
 * In the VRAM of another device, and cannot come from there.  No call gives this on the kernels
 * that the driver is for: they all move pages between devices.
 */
#define MOCKGPU_PAGE_PEER	10
/* VRAM is full, and no room could be made; or the user's share of it is full. */
#define MOCKGPU_PAGE_NO_VRAM	11
#define MOCKGPU_PAGE_NO_RAM	12	/* no RAM to stand behind VRAM, or to return to */
#define MOCKGPU_PAGE_COPY_FAILED 13	/* the copy failed (memory error); the page stayed */
/* The call ended before this page; or, with ALL_OR_NOTHING, another page stood in the way. */
#define MOCKGPU_PAGE_NOT_TRIED	14
#define MOCKGPU_PAGE_STATUS_MAX	16	/* room in count[]; the rest is reserved and 0 */

/**
 * struct drm_mockgpu_migrate - move a range to VRAM or back
 *
 * Best effort by default: what can move does, and the call says what became of
 * the rest.  Pages that do not exist yet are made in VRAM, filled with zeroes.
 * Only anonymous private memory can live in VRAM.  Pages that are busy for a
 * moment are tried again for up to 100 ms.
 *
 * What lies in the VRAM of another device, of whichever type, comes straight from there:
 * it is copied once, and no page of system memory is wanted for it.
 *
 * Returns 0 also where pages stayed; @count and @status_ptr tell.  Once a range
 * was accepted, the sum of @count is the number of its pages; it is 0 with
 * -EINVAL, -E2BIG, -ENXIO, -EPERM, an @status_ptr that is no user address, and
 * where the driver lacked memory for itself.
 *
 * A page that is at the target already is left in peace: the memory manager is
 * not told of a change.
 *
 * Where VRAM is full, pages of whomever make room: they go to system memory, 2 MiB of
 * VRAM at a time, what the device used least recently first.  What has been moved may so
 * be evicted by the same call, if the range is larger than VRAM; with ALL_OR_NOTHING no page
 * of the range makes room for another.  Pages that are busy, or pinned in coherent VRAM,
 * are passed over; where no room is found within two looks at all of VRAM, or up to 1 s in
 * all while other calls hold what is free, pages stay as NO_VRAM.  So they do where the user
 * has all that user_vram_percent allows: nobody's pages make room then, the user's own neither.
 * PREFETCH, and a touch of the device that moves pages, make room in the same way.
 *
 * Errors:
 *
 * - -ENOMEM: at least one page stayed for want of VRAM or RAM (NO_VRAM,
 *   NO_RAM); what could move did, unless ALL_OR_NOTHING.  Nothing is lost, but others'
 *   pages may have been evicted.
 * - -EBUSY: ALL_OR_NOTHING, and at least one page could not move for another
 *   reason.  Nothing has moved.  Huge pages may have been split, and the memory
 *   manager has been told of a change as if pages had moved.  (Should it refuse
 *   a page at the last moment, others have moved and come back, to system memory;
 *   holes among them are then filled, what was in another device's VRAM is in system
 *   memory then, and a page that could not come back counts as MOVED.)
 * - -E2BIG: ALL_OR_NOTHING over more than drm_mockgpu_device_info
 *   .atomic_max_bytes.
 * - -EINTR: a signal came; pages after that are NOT_TRIED.
 * - -ENXIO, -EPERM, -EFAULT, -EINVAL, -ENODEV.
 */
struct drm_mockgpu_migrate {
	/** @start: in: address of the first page */
	__u64 start;
	/** @len: in: bytes */
	__u64 len;
	/** @target: in: MOCKGPU_TARGET_* */
	__u32 target;
	/** @flags: in: MOCKGPU_MIGRATE_* */
	__u32 flags;
	/**
	 * @status_ptr: in: user pointer to @len / MOCKGPU_PAGE_SIZE bytes, or 0; out:
	 * MOCKGPU_PAGE_* each
	 */
	__u64 status_ptr;
	/** @count: out: how many pages ended as MOCKGPU_PAGE_* */
	__u64 count[MOCKGPU_PAGE_STATUS_MAX];
};

/* What RESIDENCY says of a page, a __u32 each. */
#define MOCKGPU_RES_PRESENT	(1U << 0)	/* there is a page: in system memory or in VRAM */
#define MOCKGPU_RES_READ	(1U << 1)	/* can be read without a fault */
#define MOCKGPU_RES_WRITE	(1U << 2)	/* can be written without a fault */
#define MOCKGPU_RES_ZERO	(1U << 3)	/* is the shared zero page */
#define MOCKGPU_RES_VRAM	(1U << 4)	/* is in VRAM, of the device MOCKGPU_RES_DEVICE() */
#define MOCKGPU_RES_LOCAL	(1U << 5)	/* ... which is this device */
#define MOCKGPU_RES_UNMAPPED	(1U << 6)	/* nothing is mapped, or not accessible */
#define MOCKGPU_RES_GPU		(1U << 7)	/* the device has it in its page table */
#define MOCKGPU_RES_GPU_WRITE	(1U << 8)	/* ... with the right to write */
#define MOCKGPU_RES_GPU_HUGE	(1U << 9)	/* ... as part of an entry of 2 MiB */
/* Mapped by the CPU with pages of 2^n * 4096 bytes, 0 or 9 and more. */
#define MOCKGPU_RES_ORDER(r)	(((r) >> 16) & 0xff)
#define MOCKGPU_RES_DEVICE(r)	(((r) >> 24) & 0xff)

/**
 * struct drm_mockgpu_residency - where each page of a range is, now
 *
 * A look without touching: no page is faulted in or moved.  A page that is
 * swapped out, lies in the page cache without being mapped, or is exclusive to
 * a device, is not PRESENT.
 * The answer is a snapshot of 2 MiB at a time and may be old when it arrives.
 *
 * Errors: -EINTR (with @done up to there), -ENXIO, -EPERM, -EFAULT, -EINVAL,
 * -ENOMEM, -ENODEV, -EBUSY (the process changed its mappings, anywhere, all the
 * time: 1 s of attempts).
 */
struct drm_mockgpu_residency {
	/** @start: in: address of the first page */
	__u64 start;
	/** @len: in: bytes */
	__u64 len;
	/**
	 * @pages_ptr: in: user pointer to @len / MOCKGPU_PAGE_SIZE __u32; out:
	 * MOCKGPU_RES_* each
	 */
	__u64 pages_ptr;
	/** @flags: in: 0 */
	__u32 flags;
	/** @pad: in: 0 */
	__u32 pad;
	/** @done: out: bytes of the range that were looked at */
	__u64 done;
};

#define MOCKGPU_RW_WRITE	(1U << 0)	/* the device writes to @addr; otherwise it reads */

/**
 * struct drm_mockgpu_rw - the device reads or writes the attached memory
 *
 * The device translates @addr with its own page table, faulting in what is not
 * there, and copies between that memory and the caller's buffer.  @addr, @len
 * and the buffer may have any alignment; @len may be 0.  What lies in VRAM is
 * accessed there and stays there, except that a write to a page that is shared
 * after fork() first gives the writer a copy, in system memory.
 *
 * On an error the bytes before the failing one may have been read or written:
 * @done says how many; @fault_addr is the address of the first byte that
 * could not be accessed.
 *
 * Errors, of the access at @fault_addr: -EFAULT (nothing mapped there, or it
 * cannot be read, or is memory of memfd_secret(), which the kernel keeps from
 * itself), -EPERM (write to memory that is not writable), -ENOMEM,
 * -EBUSY (as for RESIDENCY), -EIO (memory error), -EOPNOTSUPP; for memory that must be in
 * VRAM what MOCKGPU_ADVICE_MUST_VRAM says.
 *
 * Errors of the call: -EFAULT (the buffer; @fault_addr is then 0),
 * -EPERM (foreign memory; @fault_addr 0), -EINTR (@done is valid), -ENXIO,
 * -EINVAL (also: @addr + @len or @buf_ptr + @len wraps), -ENODEV.
 */
struct drm_mockgpu_rw {
	/** @addr: in: address in the attached memory, any alignment */
	__u64 addr;
	/** @buf_ptr: in: user pointer to @len bytes */
	__u64 buf_ptr;
	/** @len: in: bytes */
	__u64 len;
	/** @flags: in: MOCKGPU_RW_* */
	__u32 flags;
	/** @pad: in: 0 */
	__u32 pad;
	/** @done: out: bytes read or written */
	__u64 done;
	/** @fault_addr: out: where it failed, or 0 */
	__u64 fault_addr;
	/** @faults: out: entries that the device's page table lacked, as counted in gpu_faults */
	__u64 faults;
};

/* What EVICT empties. */
#define MOCKGPU_EVICT_RANGE	0	/* pages in VRAM under a range of the caller's */
#define MOCKGPU_EVICT_ALL	1	/* the device's whole VRAM; needs CAP_SYS_ADMIN */

/**
 * struct drm_mockgpu_evict - move pages out of VRAM as a full or leaving device does
 *
 * Goes by the physical page, without the owner's address space: whoever maps
 * the page finds it in system memory afterwards.  Of a folio of 2 MiB that is whole,
 * all goes that any page of the range belongs to.  Pages that somebody is using
 * at this moment are tried again for up to 1 s in all, then left and counted in @busy.
 * A coherent page that is exclusive to another device is no page of the range;
 * MOCKGPU_EVICT_ALL finds it.
 *
 * Errors: -EACCES (MOCKGPU_EVICT_ALL without CAP_SYS_ADMIN), -ENOMEM (no RAM to return
 * to, or for the call itself; @evicted and @busy are valid), -EINTR (likewise), -EIO (memory
 * error; likewise), -EINVAL (with MOCKGPU_EVICT_ALL also: @start or @len not 0),
 * -ENXIO and -EPERM (MOCKGPU_EVICT_RANGE), -EBUSY (MOCKGPU_EVICT_RANGE: as for
 * RESIDENCY), -ENODEV (also in the middle of it: @evicted and @busy are valid).
 */
struct drm_mockgpu_evict {
	/** @scope: in: MOCKGPU_EVICT_* */
	__u32 scope;
	/** @flags: in: 0 */
	__u32 flags;
	/** @start: in: address of the first page */
	__u64 start;
	/** @len: in: bytes */
	__u64 len;
	/** @evicted: out: pages that went to system memory */
	__u64 evicted;
	/** @busy: out: pages that stayed */
	__u64 busy;
};

/**
 * struct drm_mockgpu_queue - make or take away a queue
 *
 * A queue executes submissions one after the other, on a thread of its own, and
 * several queues execute at the same time.  It belongs to the file; it works on
 * the memory that is attached to the file, for as long as that process lives.
 * Closing the file ends its queues.
 *
 * When that process dies its queues execute nothing any more, even if others hold
 * the file.  Until then those may wait for its queues, and destroy them.  When the device
 * leaves, its queues end as if they were destroyed; commands that are being executed stop
 * with -ENODEV, and whoever waits gets that.
 *
 * QUEUE_CREATE writes @id.  QUEUE_DESTROY waits until the command that is being
 * executed has come to a point where it can be left.  Submissions that are not
 * finished are dropped: their fences and results are not written, their eventfds
 * are signalled, and whoever waits for them gets -ENOENT.
 *
 * Errors: -EINVAL; CREATE: -ENXIO, -EPERM, -ENOSPC (16 queues are there already, or
 * MOCKGPU_USER_QUEUES_MAX), -ENOMEM, -EINTR, -ENODEV; DESTROY: -ENOENT, -ENODEV.
 */
struct drm_mockgpu_queue {
	/** @flags: in: 0 */
	__u32 flags;
	/** @id: CREATE: in: 0, out: number of the queue; DESTROY: in: the number */
	__u32 id;
};

/* What a command does (drm_mockgpu_cmd.op). */
#define MOCKGPU_CMD_NOP		0	/* nothing */
#define MOCKGPU_CMD_LOAD	1	/* value = *addr, @size bytes */
#define MOCKGPU_CMD_STORE	2	/* *addr = @value, @size bytes */
#define MOCKGPU_CMD_FILL	3	/* @len bytes from addr: @size bytes of @value, repeated */
#define MOCKGPU_CMD_COPY	4	/* @len bytes from addr2 to addr; they must not overlap */
#define MOCKGPU_CMD_COMPARE	5	/* value = offset of the first byte that differs, or @len */
#define MOCKGPU_CMD_CHECKSUM	6	/* value = FNV-1a, 64 bits, of @len bytes at addr */
#define MOCKGPU_CMD_ATOMIC	7	/* @count times @atomic on @size bytes, @stride apart */
#define MOCKGPU_CMD_GATHER	8	/* @count of @size: addr[i] = *(addr2 + index[i]) */
#define MOCKGPU_CMD_SCATTER	9	/* @count of @size: *(addr2 + index[i]) = addr[i] */
#define MOCKGPU_CMD_CHASE	10	/* from addr on, by the pointer @stride behind each node */
#define MOCKGPU_CMD_BARRIER	11	/* wait for what other queues were given before */
#define MOCKGPU_CMD_DELAY	12	/* @value nanoseconds, up to 10 s */
/*
 * Wait until *addr, @size bytes, compares to @value as @atomic says, for up to
 * @value2 nanoseconds (at most 60 s; 0 looks once); value = *addr.
 */
#define MOCKGPU_CMD_WAIT_VALUE	13

/* What ATOMIC does to the word w at the address; value = w as it was before the last time. */
#define MOCKGPU_ATOMIC_ADD	0
#define MOCKGPU_ATOMIC_SUB	1
#define MOCKGPU_ATOMIC_AND	2
#define MOCKGPU_ATOMIC_OR	3
#define MOCKGPU_ATOMIC_XOR	4
#define MOCKGPU_ATOMIC_MIN	5	/* unsigned */
#define MOCKGPU_ATOMIC_MAX	6	/* unsigned */
#define MOCKGPU_ATOMIC_XCHG	7
#define MOCKGPU_ATOMIC_CMPXCHG	8	/* w becomes @value if it is @value2 */

/* How WAIT_VALUE compares; unsigned. */
#define MOCKGPU_WAIT_EQ		0
#define MOCKGPU_WAIT_NE		1
#define MOCKGPU_WAIT_GE		2

/**
 * struct drm_mockgpu_cmd - a command of a submission
 *
 * All addresses are in the attached memory.  Fields that an operation does not
 * name are 0.  Elements and words have 1, 2, 4 or 8 bytes (@size) and, for ATOMIC
 * and WAIT_VALUE, their natural alignment; everything else may have any alignment.
 */
struct drm_mockgpu_cmd {
	/** @op: MOCKGPU_CMD_* */
	__u32 op;
	/** @flags: 0 */
	__u32 flags;
	/** @addr: where */
	__u64 addr;
	/** @addr2: the other address */
	__u64 addr2;
	/** @index: address of @count __u64, offsets in bytes from @addr2 */
	__u64 index;
	/** @len: bytes */
	__u64 len;
	/** @count: how often; CHASE: nodes at the most, 0 for 2^32 - 1 */
	__u64 count;
	/** @stride: bytes */
	__u64 stride;
	/** @value: operand */
	__u64 value;
	/** @value2: second operand */
	__u64 value2;
	/** @size: bytes of a word or an element: 1, 2, 4, 8 */
	__u32 size;
	/** @atomic: MOCKGPU_ATOMIC_* or MOCKGPU_WAIT_* */
	__u32 atomic;
};

/* What an access that failed wanted (drm_mockgpu_result.access). */
#define MOCKGPU_ACCESS_NONE	0
#define MOCKGPU_ACCESS_READ	1
#define MOCKGPU_ACCESS_WRITE	2
#define MOCKGPU_ACCESS_ATOMIC	3

/**
 * struct drm_mockgpu_result - what came of a command
 *
 * The device writes it to the attached memory after each command.
 */
struct drm_mockgpu_result {
	/** @value: see MOCKGPU_CMD_*; CHASE: address of the next node, 0 at the end of the list */
	__u64 value;
	/** @done: bytes read or written; ATOMIC, GATHER, SCATTER: elements; CHASE: nodes */
	__u64 done;
	/** @fault_addr: address that could not be accessed, or 0 */
	__u64 fault_addr;
	/** @faults: entries that the device's page table lacked, as counted in gpu_faults */
	__u64 faults;
	/**
	 * @migrations: pages that moved to VRAM for it, as was advised, and of those that it
	 * wrote how many left VRAM first, as they were shared after fork()
	 */
	__u64 migrations;
	/**
	 * @error: 0, or a negative errno: that of RW; -EOPNOTSUPP for an atomic operation
	 * on memory that cannot have one; -ETIME (WAIT_VALUE); -ECANCELED (a command
	 * before it failed, or the queue or the process came to its end)
	 */
	__s32 error;
	/** @access: MOCKGPU_ACCESS_* of what failed */
	__u32 access;
};

/**
 * struct drm_mockgpu_submit - give commands to a queue
 *
 * The commands are copied and checked before the call returns; if one is not
 * valid none is executed.  They are executed in order.  The first that fails ends
 * its submission: the rest is not executed (-ECANCELED), the fence is written all
 * the same, and the queue goes on with the next submission.
 *
 * Completion is a memory fence: when all is done, and all results are written that
 * can be, the device stores @fence_value at @fence_addr.  There is no dma_fence: a command may
 * take page faults, and a dma_fence must never wait for those.  WAIT waits for
 * it, and an eventfd tells of it, which poll() can wait for; both also when the
 * fence could not be stored.
 *
 * Errors: -EINVAL (also for a command: @failed is its number), -ENOENT (no such
 * queue), -EBADF (@eventfd), -ENOSPC (64 submissions are waiting in this queue, or
 * MOCKGPU_USER_COMMANDS_MAX commands would be), -E2BIG (more than 65536 commands), -ENOMEM,
 * -EFAULT, -ENXIO, -EPERM, -ENODEV.
 */
struct drm_mockgpu_submit {
	/** @queue: in: number of the queue */
	__u32 queue;
	/** @flags: in: 0 */
	__u32 flags;
	/** @cmds_ptr: in: user pointer to @count commands */
	__u64 cmds_ptr;
	/** @count: in: how many, at least 1 */
	__u32 count;
	/** @cmd_size: in: sizeof(struct drm_mockgpu_cmd) */
	__u32 cmd_size;
	/**
	 * @results: in: address of @count struct drm_mockgpu_result in the attached
	 * memory, aligned to 8, or 0
	 */
	__u64 results;
	/** @fence_addr: in: address of a __u64, aligned, in the attached memory, or 0 */
	__u64 fence_addr;
	/** @fence_value: in: what is stored there; 0 without @fence_addr */
	__u64 fence_value;
	/** @eventfd: in: an eventfd that is signalled, or -1 */
	__s32 eventfd;
	/** @failed: out: number of the command that is not valid, with -EINVAL */
	__u32 failed;
	/** @seqno: out: number of this submission in its queue, from 1 */
	__u64 seqno;
};

/**
 * struct drm_mockgpu_wait - wait for a submission
 *
 * Waits until submission @seqno of the queue, and all before it, are finished.
 *
 * Errors: -ETIME (not by @deadline_ns), -EINTR, -ENOENT (no such queue, or it went
 * while waiting), -EINVAL (also: @seqno was not submitted yet), -ENODEV (also where the
 * device went while waiting).
 */
struct drm_mockgpu_wait {
	/** @queue: in: number of the queue */
	__u32 queue;
	/** @flags: in: 0 */
	__u32 flags;
	/** @seqno: in: what SUBMIT gave */
	__u64 seqno;
	/** @deadline_ns: in: CLOCK_MONOTONIC, absolute; 0 only looks */
	__u64 deadline_ns;
	/**
	 * @error: out: 0, or the negative errno of the submission's first command that
	 * failed; 0 also when more than 256 submissions came after it
	 */
	__s32 error;
	/** @pad: in: 0 */
	__u32 pad;
};

/* Places (MOCKGPU_ADVICE_PLACE, drm_mockgpu_prefetch.place). */
#define MOCKGPU_PLACE_ANY	0
#define MOCKGPU_PLACE_SYSTEM	1
#define MOCKGPU_PLACE_DEVICE(n)	(0x100 + (n))	/* VRAM of the device with @index n, 0 to 15 */

/* What can be advised (drm_mockgpu_advise.attr): */

/*
 * Where the pages had better be; MOCKGPU_PLACE_*, MOCKGPU_PLACE_ANY by default.  If it
 * is this device, a touch of the device moves them there (MOCKGPU_ADVICE_TOUCH), from
 * system memory as well as from the VRAM of another device.
 * Otherwise the device uses them where they are, which may be another device's VRAM.
 */
#define MOCKGPU_ADVICE_PLACE		0
/*
 * Which touch of a page by the device moves it to VRAM, if it is advised to be there:
 * 1 (default) the first, n the n-th, up to 100; 0 none.  Each access of a command
 * that reaches the page is a touch: consecutive bytes, up to 64 KiB, are one access,
 * each element and each atomic operation is one.  Whatever takes the page out of the
 * device's page table begins the count anew.  A page that cannot move is used where
 * it is.
 */
#define MOCKGPU_ADVICE_TOUCH		1
/*
 * 1: the device uses the pages in its VRAM or not at all; its first touch moves them.
 * Where that cannot be, the command fails with the address: -ENOMEM (no VRAM, or no
 * RAM behind it), -EBUSY (held by somebody, or wanted by another device in the same way all
 * the time), -EOPNOTSUPP (memory that cannot move), -EIO (memory error).
 * A CPU that touches them is served as ever.  0 by default.
 */
#define MOCKGPU_ADVICE_MUST_VRAM	2
/* 1: reading is no touch, the device reads the pages where they are.  0 by default. */
#define MOCKGPU_ADVICE_READ_MOSTLY	3
/* What an atomic operation of the device on system memory does; MOCKGPU_ATOMICS_*. */
#define MOCKGPU_ADVICE_ATOMIC		4
/*
 * How much a CPU fault on VRAM brings home, and a touch of the device moves to VRAM:
 * the aligned piece of 2^n pages around the address, n from 0 (default) to 9, as far as
 * it is one mapping and, for the touch, has the same advice.  A folio that is mapped
 * by 2 MiB comes home whole in any case.  For the CPU fault, what was advised when the page
 * went to VRAM counts: the fault may come from a process that the device does not know.
 */
#define MOCKGPU_ADVICE_GRANULARITY	5
/*
 * How much a fault of the device maps: of the aligned piece of 2^n pages around the
 * address, n from 0 (default) to 6, whatever is there at that moment.
 */
#define MOCKGPU_ADVICE_FAULT_AROUND	6
/*
 * For how many milliseconds after it went to VRAM a page stays there though a CPU
 * touches it, 0 (default) to 500: against ping-pong.  The CPU tries again until then.
 * As with the granularity, what was advised when the page moved counts.  A page leaves
 * earlier with MIGRATE, EVICT, and when a page of the same piece comes home.
 */
#define MOCKGPU_ADVICE_TIME_SLICE	7
#define MOCKGPU_ADVICE_MAX		16	/* room in value[]; the rest is reserved and 0 */

/* Values of MOCKGPU_ADVICE_ATOMIC.  In VRAM atomic operations just happen. */
#define MOCKGPU_ATOMICS_EXCLUSIVE	0	/* default: make the page exclusive to the device */
/* Move it to VRAM, also from another device's; fails as MUST_VRAM does. */
#define MOCKGPU_ATOMICS_MIGRATE		1
#define MOCKGPU_ATOMICS_REFUSE		2	/* -EOPNOTSUPP */

/* Set every attribute of the range back to its default; @attr and @value are 0. */
#define MOCKGPU_ADVISE_RESET		(1U << 0)

/**
 * struct drm_mockgpu_advise - advise the device about a range
 *
 * Advice belongs to the addresses, to this file, and to no other.  It may be given
 * before anything is mapped there.  It is forgotten where something is unmapped, and
 * where it is moved away by mremap(); the new place does not have it.  A child does
 * not inherit it (nor the file; see above).  Nothing is moved by the call; the device
 * looks at each page anew when it uses it next.
 *
 * When there is hardly any memory, or there are as many pieces as there may be, what
 * remains beside an unmapped piece may be forgotten as well.
 *
 * Errors: -EINVAL (also: unknown @attr, @value out of range), -ENOSPC (the range would
 * have to be cut out of others, and there would be more than 16384 pieces, each the
 * same all through, those without advice between them included), -ENOMEM, -EINTR,
 * -ENXIO, -EPERM, -ENODEV.
 */
struct drm_mockgpu_advise {
	/** @start: in: address of the first page */
	__u64 start;
	/** @len: in: bytes */
	__u64 len;
	/** @attr: in: MOCKGPU_ADVICE_* */
	__u32 attr;
	/** @flags: in: MOCKGPU_ADVISE_* */
	__u32 flags;
	/** @value: in: see the attribute */
	__u64 value;
};

/**
 * struct drm_mockgpu_advice - what was advised about a range
 *
 * Errors: -EINVAL, -ENXIO, -EPERM, -ENODEV.
 */
struct drm_mockgpu_advice {
	/** @start: in: address of the first page */
	__u64 start;
	/** @len: in: bytes */
	__u64 len;
	/** @flags: in: 0 */
	__u32 flags;
	/** @pad: in: 0 */
	__u32 pad;
	/** @mixed: out: bit MOCKGPU_ADVICE_* is set where not all pages have the same */
	__u64 mixed;
	/** @value: out: what counts for the first page, by MOCKGPU_ADVICE_* */
	__u64 value[MOCKGPU_ADVICE_MAX];
};

#define MOCKGPU_PREFETCH_WRITE	(1U << 0)	/* for writing, too, where that is allowed */

/**
 * struct drm_mockgpu_prefetch - have pages where the device will want them
 *
 * Moves the range to @place, as MIGRATE does, best effort, makes pages that do not
 * exist, and maps what is there in the device's page table: so the device takes no
 * fault later, as long as nothing changes.  A page that is mapped without the right
 * to write, such as one that is shared after fork(), is made the caller's own if
 * MOCKGPU_PREFETCH_WRITE is given, and then is in system memory.
 *
 * MOCKGPU_PLACE_ANY moves each page to where it was advised to be, if that is system
 * memory or this device; other pages it only maps, and does not count in @stayed.
 * For the VRAM of another device, @fd is a file of that device with the same memory
 * attached.  Pages go straight from one device's VRAM to another's, as with MIGRATE.
 *
 * Returns 0 also where pages stayed elsewhere or could not be mapped; the counts tell.
 * All counts are in pages, and of @done.
 *
 * Errors: -EINVAL (also: @place is no place, or @fd is not of the device that @place
 * names), -EBADF (@fd is no file of a mockgpu device's render node, or there is none though
 * @place names another device), -ENOMEM (as MIGRATE; what could be done was), -EINTR; -ENXIO,
 * -EPERM and -ENODEV (each also of @fd).
 */
struct drm_mockgpu_prefetch {
	/** @start: in: address of the first page */
	__u64 start;
	/** @len: in: bytes */
	__u64 len;
	/** @place: in: MOCKGPU_PLACE_* */
	__u32 place;
	/** @flags: in: MOCKGPU_PREFETCH_* */
	__u32 flags;
	/** @fd: in: file of the device that @place names, if it is another; else -1 */
	__s32 fd;
	/** @pad: in: 0 */
	__u32 pad;
	/** @done: out: bytes of the range that were dealt with */
	__u64 done;
	/** @moved: out: pages that moved to @place, or were made in VRAM */
	__u64 moved;
	/** @stayed: out: pages that are elsewhere than they should be */
	__u64 stayed;
	/** @mapped: out: pages that the device has in its page table now */
	__u64 mapped;
};

/*
 * Control points: named steps of the driver, where another thread can come in
 * between.  A test arms a point and so makes happen on purpose what else happens by
 * luck: it holds a thread there, delays it, makes the step fail, or just counts.
 *
 * Points are the driver's, not a device's: an arm acts on all devices, narrowed by process
 * and range, or to the file's own device.  An arm belongs to the file that it was made with;
 * when the last holder closes that file, or its device leaves, the arm is gone and whoever it
 * held goes on.
 *
 * A thread that is held keeps what it has at that step, which may be mmap_lock for
 * reading, a page's lock, or the right to change a device's page table.  Who releases
 * it must not need that: do it from another process.  A thread that is held goes on by
 * itself at its deadline, when it gets a fatal signal, and when the machine is going to
 * sleep; one that exits is not held.
 */

/* What an arm does at its point (drm_mockgpu_point_arm.action). */
#define MOCKGPU_POINT_COUNT	0	/* count */
#define MOCKGPU_POINT_WAIT	1	/* hold the thread until it is released */
#define MOCKGPU_POINT_DELAY	2	/* hold the thread for a time */
#define MOCKGPU_POINT_FAIL	3	/* let the step fail */

/* What a point can do (drm_mockgpu_point_info.flags). */
#define MOCKGPU_POINT_CAN_WAIT	(1U << 0)	/* WAIT and DELAY */
#define MOCKGPU_POINT_CAN_FAIL	(1U << 1)	/* FAIL */
#define MOCKGPU_POINT_HAS_MM	(1U << 2)	/* knows whose memory it is about: @pid */
#define MOCKGPU_POINT_HAS_ADDR	(1U << 3)	/* knows the address: @start, @len */
#define MOCKGPU_POINT_HOLDS_MM	(1U << 4)	/* the process cannot change its mappings */
#define MOCKGPU_POINT_TAKES_ERROR (1U << 5)	/* FAIL: says what @error is */
#define MOCKGPU_POINT_HAS_DEVICE (1U << 6)	/* knows the device: MOCKGPU_POINT_THIS_DEVICE */

/**
 * struct drm_mockgpu_point_info - element of the answer to MOCKGPU_QUERY_POINTS
 *
 * A point's number is its place in the answer.  Numbers stay what they are; new points
 * are added at the end.
 */
struct drm_mockgpu_point_info {
	/** @name: such as "migrate-collected"; ends with a 0 */
	char name[28];
	/** @flags: MOCKGPU_POINT_CAN_*, MOCKGPU_POINT_HAS_* */
	__u32 flags;
};

#define MOCKGPU_POINT_ARMS_MAX	256	/* arms that there can be at once */

/* Only what happens at the device whose file this is (drm_mockgpu_point_arm.flags). */
#define MOCKGPU_POINT_THIS_DEVICE	(1U << 0)

/**
 * struct drm_mockgpu_point_arm - arm a point
 *
 * The hits of a point are those that @flags, @pid, @start and @len let through, counted from
 * the moment it was armed.  The arm acts on @count hits from the @first on; with
 * @chance on each of those with that probability, as @seed has it.  Several arms of a
 * point act one after the other, in the order in which they were made; the first that fails
 * the step ends that.
 *
 * Errors: -EINVAL (also: the point cannot do that), -EACCES (without CAP_SYS_ADMIN),
 * -ESRCH (@pid), -ENOSPC (MOCKGPU_POINT_ARMS_MAX), -ENOMEM, -ENODEV.
 */
struct drm_mockgpu_point_arm {
	/** @point: in: number of the point */
	__u32 point;
	/** @action: in: MOCKGPU_POINT_* */
	__u32 action;
	/** @flags: in: MOCKGPU_POINT_THIS_DEVICE */
	__u32 flags;
	/**
	 * @error: in: FAIL: what the step says, a negative errno, but -EAGAIN and -EINTR;
	 * 0: what it says by itself
	 */
	__s32 error;
	/** @pid: in: only what concerns this process's memory; 0: everybody's */
	__s32 pid;
	/** @chance: in: in 65536ths; 0: always */
	__u32 chance;
	/** @start: in: only what concerns an address of this range */
	__u64 start;
	/** @len: in: bytes; 0: every address */
	__u64 len;
	/** @first: in: from which hit on; 0 and 1: the first */
	__u64 first;
	/** @count: in: for how many hits; 0: all */
	__u64 count;
	/** @time_ns: in: DELAY: how long; WAIT: for how long at the most; up to 60 s */
	__u64 time_ns;
	/** @seed: in: for @chance */
	__u64 seed;
	/** @id: in: 0; out: number of the arm, from 1 */
	__u64 id;
};

/**
 * struct drm_mockgpu_point_wait - wait until an arm was hit
 *
 * Waits until the arm has had @hits hits, or, with 0, until it holds a thread.
 *
 * Errors: -ENOENT (no such arm of this file, or it went), -ETIME, -EINTR, -ENODEV.
 */
struct drm_mockgpu_point_wait {
	/** @id: in: number of the arm */
	__u64 id;
	/**
	 * @hits: in: how many are waited for, or 0; out: how many there were, but with -EINTR
	 * what it was, so that the call can be repeated
	 */
	__u64 hits;
	/** @deadline_ns: in: CLOCK_MONOTONIC, absolute; 0 only looks */
	__u64 deadline_ns;
	/** @acted: out: hits that the arm acted on */
	__u64 acted;
	/** @held: out: threads that it holds now */
	__u32 held;
	/** @tid: out: one of those, as the caller numbers threads; 0: none, or not visible */
	__s32 tid;
	/** @addr: out: address that this thread is about, or 0 */
	__u64 addr;
	/** @comm: out: its name */
	char comm[16];
};

/* Let the threads go that are held, and leave the arm as it is. */
#define MOCKGPU_POINT_STAY_ARMED	(1U << 0)

/**
 * struct drm_mockgpu_point_release - let threads go, and disarm
 *
 * Errors: -ENOENT, -EINVAL, -ENODEV.
 */
struct drm_mockgpu_point_release {
	/** @id: in: number of the arm */
	__u64 id;
	/** @flags: in: MOCKGPU_POINT_STAY_ARMED */
	__u32 flags;
	/** @pad: in: 0 */
	__u32 pad;
};

/*
 * The event log: what the driver did, step by step.  LOG_OPEN gives a file of its own,
 * to poll() and read(); it begins empty and holds what happens from then on.  As long
 * as no log is open, and no tracepoint of the driver is in use, nothing is recorded,
 * and a step costs a branch that is not taken; once there was one, a look at a number.
 */

/* What an event tells of (drm_mockgpu_event.kind). */

/*
 * Events are missing here, @value of them, as the log was full.  @seqno is that of the
 * first, @time_ns that of the event that follows, or of the last that is missing.
 */
#define MOCKGPU_EVENT_LOST		0
/*
 * The device did not find @addr in its page table.  @cause is MOCKGPU_ACCESS_*, @value how
 * many pages were mapped, @pfn the frame of @addr; @error if the access failed.
 */
#define MOCKGPU_EVENT_GPU_FAULT		1
/*
 * A CPU touched a page in VRAM, @pfn.  @cause is MOCKGPU_CPU_FAULT_*, @value how many pages
 * came home.
 */
#define MOCKGPU_EVENT_CPU_FAULT		2
/*
 * Pages moved to this device's VRAM, or were made there: those at @addr, @len bytes, are
 * in the frames from @pfn on.  @cause is MOCKGPU_CAUSE_*, @value is 1 where there was no
 * page before, MOCKGPU_PLACE_DEVICE(n) where they were in the VRAM of device n, whose own
 * log has nothing of it, else 0.  There is one event for each run of consecutive pages in
 * consecutive frames; of those that moved together, the first has the @duration_ns of all.
 */
#define MOCKGPU_EVENT_TO_VRAM		3
/* Pages moved from this device's VRAM to system memory; fields as above. */
#define MOCKGPU_EVENT_TO_SYSTEM		4
/*
 * Pages left VRAM that were chosen by their frames, @pfn and on, not by address: @len
 * bytes; runs as above.  @cause is MOCKGPU_EVICTED_*.
 */
#define MOCKGPU_EVENT_EVICT		5
/* The memory manager split a folio in VRAM, @pfn and on, of @len bytes. */
#define MOCKGPU_EVENT_SPLIT		6
/*
 * The memory manager changes its page table at @addr, @len bytes; @value entries went
 * from the device's.  @cause is MOCKGPU_INVALIDATED_*.
 */
#define MOCKGPU_EVENT_INVALIDATE	7
/*
 * The page at @addr, frame @pfn, was made exclusive to the device, and used; or, with
 * @error, it was not, and it may be tried again.  A CPU that wants it back takes it by an
 * INVALIDATE.
 */
#define MOCKGPU_EVENT_EXCLUSIVE		8
/*
 * A command of @queue is finished.  @cause is its MOCKGPU_CMD_*, @addr its address, @value
 * the number of its submission.  Those that are cancelled as one before them in the same
 * submission failed have none.
 */
#define MOCKGPU_EVENT_COMMAND		9
/*
 * A submission of @queue is finished, its number is @value, and its fence at @addr, if it
 * has one, was stored.  @error is that of the first command that failed, or of the fence;
 * -ECANCELED as well where the queue has gone before it was finished, -ENODEV where the
 * device has; one that had not begun by then has no event.
 */
#define MOCKGPU_EVENT_FENCE		10
/*
 * A thread came to an armed point, and the arm acted, if only by counting: @cause is the
 * point's number, @value the arm's, @duration_ns how long the thread was held, @error what
 * the step failed with, @addr and @len what it was about, if that is known.
 * Points are the driver's: logs of every device have these.
 */
#define MOCKGPU_EVENT_POINT		11

/* How a CPU fault on VRAM ended (MOCKGPU_EVENT_CPU_FAULT). */
#define MOCKGPU_CPU_FAULT_MOVED		1	/* the page came home */
#define MOCKGPU_CPU_FAULT_RETRIED	2	/* nothing moved; the CPU tries again */
#define MOCKGPU_CPU_FAULT_HELD		3	/* the same, as its time slice is not over */
#define MOCKGPU_CPU_FAULT_FAILED	4	/* memory is gone or there is none; @error */

/* Why pages moved (MOCKGPU_EVENT_TO_VRAM, MOCKGPU_EVENT_TO_SYSTEM). */
#define MOCKGPU_CAUSE_MIGRATE		1	/* MIGRATE */
#define MOCKGPU_CAUSE_PREFETCH		2	/* PREFETCH */
#define MOCKGPU_CAUSE_TOUCH		3	/* a touch of the device, as was advised */
#define MOCKGPU_CAUSE_CPU_FAULT		4	/* a CPU touched one of them */

/* Why pages were evicted (MOCKGPU_EVENT_EVICT). */
#define MOCKGPU_EVICTED_CALL		1	/* EVICT */
#define MOCKGPU_EVICTED_LEAVE		2	/* the device leaves */
#define MOCKGPU_EVICTED_ROOM		3	/* others need the room */

/* What the memory manager changed (MOCKGPU_EVENT_INVALIDATE). */
#define MOCKGPU_INVALIDATED_UNMAP	1	/* munmap() or mremap() */
#define MOCKGPU_INVALIDATED_CLEAR	2	/* madvise(), reclaim, migration by others, ... */
#define MOCKGPU_INVALIDATED_PROTECTION	3	/* mprotect(), fork() and the like */
#define MOCKGPU_INVALIDATED_SOFT_DIRTY	4	/* soft-dirty bits were cleared */
#define MOCKGPU_INVALIDATED_RELEASE	5	/* the process ended */
#define MOCKGPU_INVALIDATED_MIGRATE	6	/* migration to or from device memory */
#define MOCKGPU_INVALIDATED_EXCLUSIVE	7	/* a device asked for the page exclusively */

/**
 * struct drm_mockgpu_event - what read() of a log gives, one after the other
 *
 * What a kind does not mention is 0.
 */
struct drm_mockgpu_event {
	/** @seqno: number of the event in this log, from 1, without gaps; see LOST */
	__u64 seqno;
	/** @time_ns: when it was over, CLOCK_MONOTONIC; two threads' may be out of order */
	__u64 time_ns;
	/** @duration_ns: how long it took, or 0 */
	__u64 duration_ns;
	/** @addr: address in @owner's memory */
	__u64 addr;
	/** @len: bytes from there on */
	__u64 len;
	/** @pfn: page frame; 0 in a log that was not opened with CAP_SYS_ADMIN */
	__u64 pfn;
	/** @value: see the kind */
	__u64 value;
	/**
	 * @pid: process whose thread did it, as who opened the log numbers processes; 0 if it
	 * has no number there, or runs as another user or group, unless with CAP_SYS_ADMIN
	 */
	__s32 pid;
	/** @tid: this thread, likewise; a queue's is a thread of the kernel */
	__s32 tid;
	/** @owner: process whose memory it is about; 0: not known */
	__s32 owner;
	/** @error: 0 or a negative errno */
	__s32 error;
	/** @kind: MOCKGPU_EVENT_* */
	__u16 kind;
	/** @cause: see the kind */
	__u16 cause;
	/** @queue: number of the queue that it was done for, or 0 */
	__u32 queue;
	/** @comm: name of the thread; empty where @tid is 0, unless with CAP_SYS_ADMIN */
	char comm[16];
};

/* The events of the calling process and all its descendants, as long as they are that. */
#define MOCKGPU_LOG_DESCENDANTS	(1U << 0)
/* Everybody's.  Only with CAP_SYS_ADMIN, or with a file that was opened with it. */
#define MOCKGPU_LOG_ALL		(1U << 1)

#define MOCKGPU_LOG_ENTRIES_MAX	(1U << 20)

/**
 * struct drm_mockgpu_log_open - open a log of this device's events
 *
 * Without a flag it has what concerns the attached memory, whoever does it: its owner,
 * a queue, the memory manager on behalf of another process; and what its owner does where
 * it is not known whose memory that is about, such as EVICT.
 *
 * With MOCKGPU_LOG_DESCENDANTS it has what these processes do and what concerns their
 * memory, up to 256 generations on; no memory needs to be attached.  Unless it was opened
 * with CAP_SYS_ADMIN, it has nothing that concerns the memory of a process that runs as
 * another user or group, and what such a process does only where it concerns theirs.
 * Pages that were asked to move and stayed give no event: MIGRATE says why.
 *
 * read() gives whole events, as many as there are and fit, -EINVAL where not one would;
 * it waits for the first, unless the file is O_NONBLOCK.  A log that nobody reads fills
 * up; what happens then is lost, and a LOST event stands in its place.  When the device
 * has gone, read() gives what is left, and then 0, and poll() says POLLHUP.
 *
 * After fork() parent and child read from the same log: each event goes to one of them.
 * The log stays when the file that it was opened on is closed, and the module with it.
 *
 * Errors: -EINVAL (also: both flags, a kind that there is not, @event_size, @entries above
 * MOCKGPU_LOG_ENTRIES_MAX), -EACCES (MOCKGPU_LOG_ALL), -ENOSPC (64 logs are open; or,
 * without CAP_SYS_ADMIN, 48, or MOCKGPU_USER_LOGS_MAX of the user, or these would have more
 * than MOCKGPU_LOG_ENTRIES_MAX entries together), -EMFILE, -ENFILE, -ENOMEM, -ENODEV; -ENXIO
 * and -EPERM without flags.
 */
struct drm_mockgpu_log_open {
	/** @flags: in: MOCKGPU_LOG_* */
	__u32 flags;
	/** @entries: in: how many events fit in, a power of 2; 0: 65536 */
	__u32 entries;
	/** @kinds: in: bit MOCKGPU_EVENT_* is set for what is wanted; 0: everything */
	__u64 kinds;
	/** @event_size: in: sizeof(struct drm_mockgpu_event) */
	__u32 event_size;
	/** @fd: out: the log; closed by execve() */
	__s32 fd;
};

#if defined(__cplusplus)
}
#endif

#endif
