/* SPDX-License-Identifier: MIT */
/*
 * libmockgpu: drive a mockgpu device from user space.
 *
 * Every function returns 0 (or a count, where said) or a negative errno value,
 * prints nothing and keeps no global state.  Addresses and lengths are bytes;
 * ranges are whole pages of MOCKGPU_PAGE_SIZE unless said otherwise.  Only
 * anonymous memory moves to VRAM: mmap(), or aligned_alloc(4096, ...).  The
 * meaning of flags, results and errors is that of the ioctl of the same name,
 * in <drm/mockgpu_drm.h>, which this header includes.
 *
 * Threads: a device handle may be used by several threads at once; only
 * mockgpu_close() must be the last call on it.
 *
 * Signals: a call that a signal handler interrupted returns -EINTR and may
 * simply be made again.
 *
 * fork(): the child's copy of a handle is good for mockgpu_close(), for mockgpu_wait() and
 * mockgpu_queue_destroy(), and for the two queries; everything that takes an address is -EPERM there.  A child that
 * wants the device opens it anew.
 */
#ifndef MOCKGPU_H
#define MOCKGPU_H

#include <stddef.h>
#include <stdint.h>
#include <drm/mockgpu_drm.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mockgpu_device;

/**
 * mockgpu_open - open a device and attach the calling process's memory
 * @dev: the new handle; untouched on error
 * @index: number of the device, from 0
 *
 * Finds the render node by what the drivers say.  The file is close-on-exec.
 *
 * Returns 0, -ENOENT (no such device; is the module loaded?), -EACCES (the
 * node may not be opened; is the user in the group "render"?), or another
 * negative errno of open(2) or of the attach call.
 */
int mockgpu_open(struct mockgpu_device **dev, unsigned int index);

/**
 * mockgpu_open_path - open the device behind a node and attach
 * @dev: the new handle; untouched on error
 * @path: e.g. "/dev/dri/renderD128"
 *
 * Returns 0, -ENOTSUP (the node belongs to another driver), or a negative
 * errno as mockgpu_open().
 */
int mockgpu_open_path(struct mockgpu_device **dev, const char *path);

/** mockgpu_close - close a device; pages that are in VRAM stay there. NULL is allowed. */
void mockgpu_close(struct mockgpu_device *dev);

/** mockgpu_fd - the file descriptor of a device; it stays owned by the handle */
int mockgpu_fd(const struct mockgpu_device *dev);

/** mockgpu_path - the path of a device's render node, valid until mockgpu_close() */
const char *mockgpu_path(const struct mockgpu_device *dev);

/** mockgpu_count - how many mockgpu devices there are, or a negative errno */
int mockgpu_count(void);

/** mockgpu_info - what the device is and can do */
int mockgpu_info(struct mockgpu_device *dev, struct drm_mockgpu_device_info *info);

/** mockgpu_counters - the device's gauges and counters */
int mockgpu_counters(struct mockgpu_device *dev, struct drm_mockgpu_counters *counters);

/** struct mockgpu_migrated - what a migration did; the pages of the range by MOCKGPU_PAGE_* */
struct mockgpu_migrated {
	uint64_t count[MOCKGPU_PAGE_STATUS_MAX];
};

/**
 * mockgpu_migrate - move a range of the process's memory
 * @dev: the device
 * @addr: first byte, at a page boundary
 * @len: bytes, whole pages
 * @target: MOCKGPU_TARGET_SYSTEM or MOCKGPU_TARGET_VRAM
 * @flags: MOCKGPU_MIGRATE_*
 * @result: how many pages ended how, also where an error is returned, or NULL
 * @status: a byte for each page, MOCKGPU_PAGE_*, or NULL
 *
 * Returns 0 also where some pages stayed.  Errors: drm_mockgpu_migrate.
 */
int mockgpu_migrate(struct mockgpu_device *dev, void *addr, size_t len,
		    unsigned int target, unsigned int flags,
		    struct mockgpu_migrated *result, uint8_t *status);

/**
 * mockgpu_to_vram - move all of a range to VRAM
 *
 * Returns 0 if the whole range is in VRAM now, or was and has been evicted since, otherwise a
 * negative errno: that of mockgpu_migrate(), or -EBUSY where pages stayed without one.
 */
int mockgpu_to_vram(struct mockgpu_device *dev, void *addr, size_t len);

/** mockgpu_to_system - move all of a range to system memory; returns as mockgpu_to_vram() */
int mockgpu_to_system(struct mockgpu_device *dev, void *addr, size_t len);

/**
 * mockgpu_residency - where each page of a range is now
 * @dev: the device
 * @addr: first byte, at a page boundary
 * @len: bytes, whole pages
 * @pages: MOCKGPU_RES_* of each page
 *
 * Returns 0 or a negative errno (drm_mockgpu_residency).
 */
int mockgpu_residency(struct mockgpu_device *dev, const void *addr, size_t len,
		      uint32_t *pages);

/** struct mockgpu_access - details of a device access */
struct mockgpu_access {
	/** @done: bytes read or written, also where an error is returned */
	uint64_t done;
	/** @fault_addr: address that could not be accessed, or 0 */
	uint64_t fault_addr;
	/** @faults: entries that the device's page table lacked, of a page or of 2 MiB */
	uint64_t faults;
};

/**
 * mockgpu_read - have the device read memory of the process
 * @dev: the device
 * @buf: where the bytes go
 * @addr: where the device reads, any alignment
 * @len: bytes
 * @access: details, or NULL
 *
 * Returns 0 or a negative errno (drm_mockgpu_rw).
 */
int mockgpu_read(struct mockgpu_device *dev, void *buf, const void *addr, size_t len,
		 struct mockgpu_access *access);

/** mockgpu_write - have the device write memory of the process; as mockgpu_read() */
int mockgpu_write(struct mockgpu_device *dev, void *addr, const void *buf, size_t len,
		  struct mockgpu_access *access);

/** struct mockgpu_evicted - what an eviction did, in pages */
struct mockgpu_evicted {
	uint64_t evicted;
	uint64_t busy;
};

/**
 * mockgpu_evict - push the VRAM pages under a range out, as a full device does
 * @result: counts, also where an error is returned, or NULL
 *
 * Returns 0 or a negative errno (drm_mockgpu_evict).
 */
int mockgpu_evict(struct mockgpu_device *dev, void *addr, size_t len,
		  struct mockgpu_evicted *result);

/** mockgpu_evict_all - empty the device's VRAM, whoever's; needs CAP_SYS_ADMIN */
int mockgpu_evict_all(struct mockgpu_device *dev, struct mockgpu_evicted *result);

/**
 * mockgpu_queue_create - make a queue
 * @dev: the device
 * @queue: its number; untouched on error
 *
 * A queue executes what is submitted to it in order.  Several queues execute at the
 * same time.  mockgpu_close() ends them.
 *
 * Returns 0 or a negative errno (drm_mockgpu_queue).
 */
int mockgpu_queue_create(struct mockgpu_device *dev, uint32_t *queue);

/** mockgpu_queue_destroy - end a queue; what it has not finished is dropped */
int mockgpu_queue_destroy(struct mockgpu_device *dev, uint32_t queue);

/** struct mockgpu_submission - commands for a queue; what is not set is 0 */
struct mockgpu_submission {
	/** @cmds: the commands; free to change once mockgpu_submit() has returned */
	const struct drm_mockgpu_cmd *cmds;
	/** @results: the device writes what came of each command there, or NULL */
	struct drm_mockgpu_result *results;
	/** @fence: the device stores @fence_value there when all is done, or NULL */
	uint64_t *fence;
	/** @fence_value: what is stored */
	uint64_t fence_value;
	/** @seqno: out: number of this submission in its queue, for mockgpu_wait() */
	uint64_t seqno;
	/** @count: number of commands */
	unsigned int count;
	/** @eventfd: is signalled when all is done; 0 or -1: none */
	int eventfd;
	/** @failed: out: number of the command that is not valid, with -EINVAL */
	unsigned int failed;
};

/**
 * mockgpu_submit - give commands to a queue
 * @dev: the device
 * @queue: number of the queue
 * @submission: what to do, and where to say that it is done
 *
 * Returns at once.  @results and @fence have to stay mapped until all is done.
 *
 * Returns 0 or a negative errno (drm_mockgpu_submit).
 */
int mockgpu_submit(struct mockgpu_device *dev, uint32_t queue,
		   struct mockgpu_submission *submission);

/**
 * mockgpu_wait - wait until a submission, and all before it in its queue, are done
 * @dev: the device
 * @queue: number of the queue
 * @seqno: number of the submission
 * @timeout_ns: how long; 0 only looks, less than 0 is without end
 * @error: 0, or the negative errno of the first command of it that failed; or NULL
 *
 * Returns 0 when it is done, however it went, or a negative errno (drm_mockgpu_wait):
 * -ETIME where it is not.
 */
int mockgpu_wait(struct mockgpu_device *dev, uint32_t queue, uint64_t seqno,
		 int64_t timeout_ns, int *error);

/**
 * mockgpu_run - give commands to a queue and wait until they are done
 * @dev: the device
 * @queue: number of the queue
 * @cmds: the commands
 * @count: how many
 * @results: the device writes what came of each there, or NULL
 *
 * A signal's handler runs, and the wait goes on after it: the device writes to
 * @results until it is done.
 *
 * Returns 0, the negative errno of the first command that failed, or that of
 * mockgpu_submit() or mockgpu_wait().
 */
int mockgpu_run(struct mockgpu_device *dev, uint32_t queue, const struct drm_mockgpu_cmd *cmds,
		unsigned int count, struct drm_mockgpu_result *results);

/**
 * mockgpu_advise - advise the device about a range
 * @dev: the device
 * @addr: first byte, at a page boundary
 * @len: bytes, whole pages
 * @attr: MOCKGPU_ADVICE_*
 * @value: what it is to be
 *
 * Returns 0 or a negative errno (drm_mockgpu_advise).
 */
int mockgpu_advise(struct mockgpu_device *dev, void *addr, size_t len, unsigned int attr,
		   uint64_t value);

/** mockgpu_advise_reset - set every attribute of a range back to its default */
int mockgpu_advise_reset(struct mockgpu_device *dev, void *addr, size_t len);

/** struct mockgpu_advice - what was advised about a range */
struct mockgpu_advice {
	/** @mixed: bit MOCKGPU_ADVICE_* is set where not all pages have the same */
	uint64_t mixed;
	/** @value: what counts for the first page, by MOCKGPU_ADVICE_* */
	uint64_t value[MOCKGPU_ADVICE_MAX];
};

/**
 * mockgpu_get_advice - what was advised about a range
 * @dev: the device
 * @addr: first byte, at a page boundary
 * @len: bytes, whole pages
 * @advice: the answer
 *
 * Returns 0 or a negative errno (drm_mockgpu_advice).
 */
int mockgpu_get_advice(struct mockgpu_device *dev, const void *addr, size_t len,
		       struct mockgpu_advice *advice);

/** struct mockgpu_prefetched - what a prefetch did, in pages */
struct mockgpu_prefetched {
	/** @moved: pages that moved or were made where they should be */
	uint64_t moved;
	/** @stayed: pages that are elsewhere than they should be */
	uint64_t stayed;
	/** @mapped: pages that the device has in its page table now */
	uint64_t mapped;
};

/**
 * mockgpu_prefetch - have pages where the device will want them, and mapped
 * @dev: the device that will want them
 * @addr: first byte, at a page boundary
 * @len: bytes, whole pages
 * @place: MOCKGPU_PLACE_*; MOCKGPU_PLACE_ANY: as advised
 * @flags: MOCKGPU_PREFETCH_*
 * @target: handle of the device that @place names, if that is not @dev; or NULL
 * @result: counts, also where an error is returned, or NULL
 *
 * Returns 0 also where some pages stayed.  Errors: drm_mockgpu_prefetch.
 */
int mockgpu_prefetch(struct mockgpu_device *dev, void *addr, size_t len, unsigned int place,
		     unsigned int flags, struct mockgpu_device *target,
		     struct mockgpu_prefetched *result);

/**
 * mockgpu_point_info - what there is to know of a control point
 * @dev: any device
 * @point: number of the point, from 0
 * @info: the answer
 *
 * Returns 0, -ENOENT (there are not so many), or another negative errno.
 */
int mockgpu_point_info(struct mockgpu_device *dev, unsigned int point,
		       struct drm_mockgpu_point_info *info);

/** struct mockgpu_point - what to do at a control point; what is not set is 0 */
struct mockgpu_point {
	/** @name: such as "migrate-collected"; mockgpu-points(7) has them all */
	const char *name;
	/** @action: MOCKGPU_POINT_* */
	unsigned int action;
	/** @error: MOCKGPU_POINT_FAIL: with this negative errno, or 0 */
	int error;
	/** @pid: only what concerns this process's memory, or 0 */
	int pid;
	/** @addr: with @len: only what concerns this range */
	const void *addr;
	/** @len: bytes, or 0 */
	size_t len;
	/** @first: from which hit on; 0 and 1: the first */
	uint64_t first;
	/** @count: for how many hits; 0: all */
	uint64_t count;
	/** @time_ns: MOCKGPU_POINT_WAIT, _DELAY: how long at the most; 0: 10 s */
	uint64_t time_ns;
	/** @chance: in 65536ths, of every hit; 0: always */
	unsigned int chance;
	/** @seed: for @chance */
	uint64_t seed;
	/** @flags: MOCKGPU_POINT_THIS_DEVICE: only what happens at @dev; or 0 */
	unsigned int flags;
};

/**
 * mockgpu_point_arm - arm a control point
 * @dev: any device
 * @point: where, and what is to happen there
 * @id: number of the arm; untouched on error
 *
 * The arm goes with mockgpu_point_release(), and with the file.
 *
 * A thread that is held may keep its process from changing its mappings, and who waits
 * for that cannot release it.  So to hold a thread of the calling process at such a
 * point is refused; do it from another process, or let another process be held.
 *
 * Returns 0, -ENOENT (no such point), -EDEADLK (see above), -EACCES (needs
 * CAP_SYS_ADMIN, or a device that was opened with it), or another negative errno
 * (drm_mockgpu_point_arm).
 */
int mockgpu_point_arm(struct mockgpu_device *dev, const struct mockgpu_point *point,
		      uint64_t *id);

/**
 * mockgpu_point_wait - wait until an arm was hit
 * @dev: the device that it was armed with
 * @id: number of the arm
 * @hits: how many hits are waited for; 0: until a thread is held
 * @timeout_ns: how long; 0 only looks, less than 0 is without end
 * @report: how it is doing, also where an error is returned, or NULL
 *
 * Returns 0 or a negative errno (drm_mockgpu_point_wait): -ETIME where it did not come.
 */
int mockgpu_point_wait(struct mockgpu_device *dev, uint64_t id, uint64_t hits,
		       int64_t timeout_ns, struct drm_mockgpu_point_wait *report);

/** mockgpu_point_release - let threads go and disarm; or, with @stay, leave it armed */
int mockgpu_point_release(struct mockgpu_device *dev, uint64_t id, int stay);

/**
 * mockgpu_log_open - open a log of the events of a device
 * @dev: the device
 * @flags: MOCKGPU_LOG_*; 0: what concerns the calling process's memory
 * @kinds: bit MOCKGPU_EVENT_* is set for what is wanted; 0: everything
 * @entries: how many events fit in, a power of 2; 0: 65536
 * @fd: the log, for mockgpu_log_read(), poll() and close(); untouched on error
 *
 * It has what happens from now on, until it is closed; @dev may be closed before.  The
 * file is close-on-exec and O_NONBLOCK.
 *
 * Returns 0, -EACCES (MOCKGPU_LOG_ALL needs CAP_SYS_ADMIN, or a device that was opened
 * with it), or another negative errno (drm_mockgpu_log_open).
 */
int mockgpu_log_open(struct mockgpu_device *dev, unsigned int flags, uint64_t kinds,
		     unsigned int entries, int *fd);

/**
 * mockgpu_log_read - wait for events, and take them out of a log
 * @fd: the log
 * @events: where they go, in the order in which they were recorded
 * @count: how many fit there
 * @timeout_ns: how long to wait for the first; 0 only looks, less than 0 is without end
 *
 * Returns how many there are, at the most @count; 0 when the device has gone and all
 * was read; -ETIME where nothing happened in time; or another negative errno of read(2)
 * or poll(2).
 */
int mockgpu_log_read(int fd, struct drm_mockgpu_event *events, unsigned int count,
		     int64_t timeout_ns);

/** mockgpu_event_name - a word for MOCKGPU_EVENT_*, such as "gpu-fault"; never NULL */
const char *mockgpu_event_name(unsigned int kind);

/**
 * mockgpu_event_cause_name - a word for the cause of an event, such as "write"
 * @kind: MOCKGPU_EVENT_*
 * @cause: as in the event
 *
 * Never NULL; "" where the kind has no causes, and for a point: its cause is the point's
 * number, and mockgpu_point_info() has the name.
 */
const char *mockgpu_event_cause_name(unsigned int kind, unsigned int cause);

/** mockgpu_page_status_name - a word for MOCKGPU_PAGE_*, such as "moved"; never NULL */
const char *mockgpu_page_status_name(unsigned int status);

#ifdef __cplusplus
}
#endif

#endif
