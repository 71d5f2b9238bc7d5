// SPDX-License-Identifier: MIT
/*
 * The layout of the ioctl structures, in numbers: compiled for 64-bit, for
 * 32-bit (i386 aligns a u64 to 4, so a hole shows) and as C++.  A number here
 * never changes once released; a structure that grows gets a line more.
 */
#include <drm/mockgpu_drm.h>

#ifdef __cplusplus
#define CHECK(e) static_assert(e, #e)
#else
#define CHECK(e) _Static_assert(e, #e)
#endif

#define SIZE(s, n) CHECK(sizeof(struct drm_mockgpu_##s) == (n))
#define AT(s, f, n) CHECK(__builtin_offsetof(struct drm_mockgpu_##s, f) == (n))

SIZE(query, 24);
AT(query, query, 0);
AT(query, flags, 4);
AT(query, ptr, 8);
AT(query, size, 16);
AT(query, pad, 20);

SIZE(device_info, 48);
AT(device_info, index, 0);
AT(device_info, vram_type, 4);
AT(device_info, vram_bytes, 8);
AT(device_info, vram_block_bytes, 16);
AT(device_info, caps, 24);
AT(device_info, atomic_max_bytes, 32);
AT(device_info, page_bytes, 40);
AT(device_info, pad, 44);

SIZE(counters, 31 * 8);
AT(counters, vram_used_bytes, 0);
AT(counters, vram_backing_bytes, 8);
AT(counters, vram_mapped_bytes, 16);
AT(counters, client_used_bytes, 24);
AT(counters, pages_to_vram, 32);
AT(counters, pages_hole, 40);
AT(counters, pages_to_system, 48);
AT(counters, pages_evicted, 56);
AT(counters, pages_cpu_fault, 64);
AT(counters, cpu_faults, 72);
AT(counters, cpu_faults_retried, 80);
AT(counters, cpu_faults_failed, 88);
AT(counters, gpu_faults, 96);
AT(counters, gpu_fault_retries, 104);
AT(counters, gpu_cow_breaks, 112);
AT(counters, gpu_bytes_read, 120);
AT(counters, gpu_bytes_written, 128);
AT(counters, invalidations, 136);
AT(counters, invalidated_pages, 144);
AT(counters, migrate_retries, 152);
AT(counters, copy_failures, 160);
AT(counters, no_vram, 168);
AT(counters, no_ram, 176);
AT(counters, pages_touched, 184);
AT(counters, cpu_faults_held, 192);
AT(counters, huge_to_vram, 200);
AT(counters, huge_to_system, 208);
AT(counters, pages_evicted_room, 216);
AT(counters, evict_passed_over, 224);
AT(counters, pages_to_peer, 232);
AT(counters, pages_from_peer, 240);

SIZE(attach, 8);
AT(attach, flags, 0);
AT(attach, pad, 4);

SIZE(migrate, 160);
AT(migrate, start, 0);
AT(migrate, len, 8);
AT(migrate, target, 16);
AT(migrate, flags, 20);
AT(migrate, status_ptr, 24);
AT(migrate, count, 32);

SIZE(residency, 40);
AT(residency, start, 0);
AT(residency, len, 8);
AT(residency, pages_ptr, 16);
AT(residency, flags, 24);
AT(residency, pad, 28);
AT(residency, done, 32);

SIZE(rw, 56);
AT(rw, addr, 0);
AT(rw, buf_ptr, 8);
AT(rw, len, 16);
AT(rw, flags, 24);
AT(rw, pad, 28);
AT(rw, done, 32);
AT(rw, fault_addr, 40);
AT(rw, faults, 48);

SIZE(evict, 40);
AT(evict, scope, 0);
AT(evict, flags, 4);
AT(evict, start, 8);
AT(evict, len, 16);
AT(evict, evicted, 24);
AT(evict, busy, 32);

SIZE(queue, 8);
AT(queue, flags, 0);
AT(queue, id, 4);

SIZE(cmd, 80);
AT(cmd, op, 0);
AT(cmd, flags, 4);
AT(cmd, addr, 8);
AT(cmd, addr2, 16);
AT(cmd, index, 24);
AT(cmd, len, 32);
AT(cmd, count, 40);
AT(cmd, stride, 48);
AT(cmd, value, 56);
AT(cmd, value2, 64);
AT(cmd, size, 72);
AT(cmd, atomic, 76);

SIZE(result, 48);
AT(result, value, 0);
AT(result, done, 8);
AT(result, fault_addr, 16);
AT(result, faults, 24);
AT(result, migrations, 32);
AT(result, error, 40);
AT(result, access, 44);

SIZE(submit, 64);
AT(submit, queue, 0);
AT(submit, flags, 4);
AT(submit, cmds_ptr, 8);
AT(submit, count, 16);
AT(submit, cmd_size, 20);
AT(submit, results, 24);
AT(submit, fence_addr, 32);
AT(submit, fence_value, 40);
AT(submit, eventfd, 48);
AT(submit, failed, 52);
AT(submit, seqno, 56);

SIZE(wait, 32);
AT(wait, queue, 0);
AT(wait, flags, 4);
AT(wait, seqno, 8);
AT(wait, deadline_ns, 16);
AT(wait, error, 24);
AT(wait, pad, 28);

SIZE(advise, 32);
AT(advise, start, 0);
AT(advise, len, 8);
AT(advise, attr, 16);
AT(advise, flags, 20);
AT(advise, value, 24);

SIZE(advice, 160);
AT(advice, start, 0);
AT(advice, len, 8);
AT(advice, flags, 16);
AT(advice, pad, 20);
AT(advice, mixed, 24);
AT(advice, value, 32);

SIZE(prefetch, 64);
AT(prefetch, start, 0);
AT(prefetch, len, 8);
AT(prefetch, place, 16);
AT(prefetch, flags, 20);
AT(prefetch, fd, 24);
AT(prefetch, pad, 28);
AT(prefetch, done, 32);
AT(prefetch, moved, 40);
AT(prefetch, stayed, 48);
AT(prefetch, mapped, 56);

SIZE(point_info, 32);
AT(point_info, name, 0);
AT(point_info, flags, 28);

SIZE(point_arm, 80);
AT(point_arm, point, 0);
AT(point_arm, action, 4);
AT(point_arm, flags, 8);
AT(point_arm, error, 12);
AT(point_arm, pid, 16);
AT(point_arm, chance, 20);
AT(point_arm, start, 24);
AT(point_arm, len, 32);
AT(point_arm, first, 40);
AT(point_arm, count, 48);
AT(point_arm, time_ns, 56);
AT(point_arm, seed, 64);
AT(point_arm, id, 72);

SIZE(point_wait, 64);
AT(point_wait, id, 0);
AT(point_wait, hits, 8);
AT(point_wait, deadline_ns, 16);
AT(point_wait, acted, 24);
AT(point_wait, held, 32);
AT(point_wait, tid, 36);
AT(point_wait, addr, 40);
AT(point_wait, comm, 48);

SIZE(point_release, 16);
AT(point_release, id, 0);
AT(point_release, flags, 8);
AT(point_release, pad, 12);

SIZE(event, 96);
AT(event, seqno, 0);
AT(event, time_ns, 8);
AT(event, duration_ns, 16);
AT(event, addr, 24);
AT(event, len, 32);
AT(event, pfn, 40);
AT(event, value, 48);
AT(event, pid, 56);
AT(event, tid, 60);
AT(event, owner, 64);
AT(event, error, 68);
AT(event, kind, 72);
AT(event, cause, 74);
AT(event, queue, 76);
AT(event, comm, 80);

SIZE(log_open, 24);
AT(log_open, flags, 0);
AT(log_open, entries, 4);
AT(log_open, kinds, 8);
AT(log_open, event_size, 16);
AT(log_open, fd, 20);

/* An ioctl number carries the structure's size, so this pins both. */
CHECK(DRM_IOCTL_MOCKGPU_QUERY == 0xc0186440);
CHECK(DRM_IOCTL_MOCKGPU_ATTACH == 0x40086441);
CHECK(DRM_IOCTL_MOCKGPU_MIGRATE == 0xc0a06442);
CHECK(DRM_IOCTL_MOCKGPU_RESIDENCY == 0xc0286443);
CHECK(DRM_IOCTL_MOCKGPU_RW == 0xc0386444);
CHECK(DRM_IOCTL_MOCKGPU_EVICT == 0xc0286445);
CHECK(DRM_IOCTL_MOCKGPU_QUEUE_CREATE == 0xc0086446);
CHECK(DRM_IOCTL_MOCKGPU_QUEUE_DESTROY == 0x40086447);
CHECK(DRM_IOCTL_MOCKGPU_SUBMIT == 0xc0406448);
CHECK(DRM_IOCTL_MOCKGPU_WAIT == 0xc0206449);
CHECK(DRM_IOCTL_MOCKGPU_ADVISE == 0x4020644a);
CHECK(DRM_IOCTL_MOCKGPU_ADVICE == 0xc0a0644b);
CHECK(DRM_IOCTL_MOCKGPU_PREFETCH == 0xc040644c);
CHECK(DRM_IOCTL_MOCKGPU_POINT_ARM == 0xc050644d);
CHECK(DRM_IOCTL_MOCKGPU_POINT_WAIT == 0xc040644e);
CHECK(DRM_IOCTL_MOCKGPU_POINT_RELEASE == 0x4010644f);
CHECK(DRM_IOCTL_MOCKGPU_LOG_OPEN == 0xc0186450);

/* Programs are compiled with these, too. */
CHECK(MOCKGPU_PLACE_DEVICE(3) == 0x103);
CHECK(MOCKGPU_ADVICE_TIME_SLICE == 7);
CHECK(MOCKGPU_RES_GPU_HUGE == 1 << 9);
