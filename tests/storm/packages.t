#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Programs from the distribution's packages, unmodified, whose own result says whether memory was
# right.

# shellcheck source=tests/storm/lib.sh
. "$(dirname "$0")/lib.sh"

t=${MOCKGPU_STORM_RUN:-20}	# seconds of those that go by time

stress() { row "$1" all none stress-ng --quiet --timeout "$t" --verify "${@:2}"; }

stress Z1_stress_vm --vm 2 --vm-bytes 48M --vm-method all
stress Z2_stress_mmap --mmap 2 --mmap-bytes 32M
stress Z2_stress_mremap --mremap 2 --mremap-bytes 16M
stress Z2_stress_fork --fork 2 --fork-vm
stress Z2_stress_madvise --madvise 2
stress Z2_stress_numa --numa 2
stress Z2_stress_shm --shm 2
row Z3_memtester all none memtester 24M 1
row Z4_sqlite all all "$programs/sqlite"
row Z5_valkey all all "$programs/valkey"
row Z6_compiler all all "$programs/compiler"
row Z7_compressor all all "$programs/compressor"
row Z8_python all none python3 -m test -q test_list test_dict test_set test_sort test_bytes \
	test_array test_heapq test_json test_struct test_zlib test_re test_deque
row Z9_direct_io all none fio --name=verify --filename=data --size=24M --rw=randwrite --bs=4k-64k \
	--ioengine=io_uring --iodepth=16 --direct=1 --verify=crc32c --verify_fatal=1 --loops=2
row Z9_synchronous_io all none fio --name=verify --filename=data --size=24M --rw=randrw --bs=4k-64k \
	--ioengine=psync --direct=1 --verify=sha256 --verify_fatal=1
finish
