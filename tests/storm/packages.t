#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Programs from the distribution's packages, unmodified, whose own result says whether memory was
# right.

# shellcheck source=tests/storm/lib.sh
. "$(dirname "$0")/lib.sh"

t=${MOCKGPU_STORM_RUN:-10}	# seconds of those that go by time
disk=/dev/nullb0

# It begins a worker anew that a signal has ended, and thinks nothing of it.
filter_deaths() { grep -oE 'child died: [^(]*|killed by SIG[A-Z]+' || true; }
stress() { row "$1" all deaths stress-ng --verbose --timeout "$t" --verify "${@:2}"; }
# Those that have little memory themselves, or little but what is shared, beside one that has some.
beside() { stress "$@" --vm 1 --vm-bytes 8M; }

# A disk in memory whose requests take 2 ms, so that what is read and written stays pinned, with a
# file system that does direct I/O.
begin_disk()
{
	local completion_ns=2000000
	mkdir -p "$work/disk"
	! mountpoint -q "$work/disk" || return
	{ modprobe null_blk nr_devices=1 gb=1 bs=512 memory_backed=1 irqmode=2 \
		completion_nsec=$completion_ns && busybox mke2fs -b 4096 $disk 65536 &&
		modprobe ext4 && mount -t ext2 $disk "$work/disk"; } >/dev/null
}

end_disk()
{
	umount "$work/disk" || say_result bad "$1" 'its disk is still in use'
	modprobe -r null_blk
}

# direct NAME OPTION...: fio, which checks what it has written, without the page cache
direct()
{
	local in_folder=$work/disk pins=yes
	selected "$1" || return 0
	begin_disk || {
		modprobe -r null_blk
		say_result bad "$1" 'there is no disk'
		return 0
	}
	row "$1" all none fio --name=verify --filename=data --bs=4k-64k --direct=1 \
		--verify_fatal=1 "${@:2}"
	end_disk "$1"
}

# As somebody who may open the node, and is nobody else.
ordinary_user()
{
	local as
	as=(setpriv --reuid=65534 --regid=65534 --inh-caps=-all
		--groups "$(stat -c %g /dev/dri/renderD128)")
	row "$1" user all "${@:2}"
}

short=test_heapq
modules=$short,test_dict,test_set,test_list,test_sort,test_bytes,test_array,test_json,test_struct,test_zlib,test_re,test_deque
[ -z "${MOCKGPU_STORM_SETS-}" ] || modules=$short

stress Z1_stress_vm --vm 2 --vm-bytes 16M --vm-method all
stress Z2_stress_mmap --mmap 2 --mmap-bytes 16M
stress Z2_stress_mremap --mremap 2 --mremap-bytes 16M
beside Z2_stress_fork --fork 1 --fork-vm
beside Z2_stress_madvise --madvise 1
beside Z2_stress_numa --numa 1
beside Z2_stress_shm --shm 1
row Z3_memtester all none memtester 3M 1
row Z4_sqlite all all "$programs/sqlite"
row Z5_valkey all all "$programs/valkey"
row Z6_compiler all all "$programs/compiler"
row Z7_compressor all all "$programs/compressor"
# shellcheck disable=SC2086 # words
filter_python() { grep -E '^Total tests?( files)?: '; }
row Z8_python all python python3 -m test -q ${modules//,/ }
direct Z9_direct_io --size=24M --rw=randwrite --ioengine=io_uring --iodepth=16 --verify=crc32c \
	--loops=2
direct Z9_synchronous_io --size=24M --rw=randrw --ioengine=psync --verify=sha256
ordinary_user Z10_ordinary_user "$programs/sqlite"
finish
