# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# What the host side scripts of tests/vm share: where things live, how they are
# named after their contents, and how to become root of a namespace.

set -euo pipefail
# An ordinary user's path may lack what becomes root of a namespace here.
export PATH=$PATH:/usr/sbin:/sbin

vm_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top_dir=$(cd "$vm_dir/../.." && pwd)
cache_dir=${MOCKGPU_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mockgpu}
guest_dir=$cache_dir/guest
# Images are shared by all checkouts; what is built step by step is not.
build_top=$cache_dir/build/$(printf %s "$top_dir" | sha256sum | cut -c1-12)
build_dir=$build_top

mkdir -p "$guest_dir" "$build_dir"
cache_dir=$(cd "$cache_dir" && pwd)

say() { printf 'mockgpu: %s\n' "$*" >&2; }

die()
{
	say "$*"
	exit 1
}

# Sets what tests/vm/kernels says of the kernel that MOCKGPU_KERNEL names: series,
# debian, suite, vram (a list) and newest, which is empty for all but the last.  What is
# built step by step is built for one Debian.
choose_kernel()
{
	local wanted=${MOCKGPU_KERNEL-} last
	last=$(series_known | tail -n 1)
	wanted=${wanted:-$last}
	newest=''
	[ "$wanted" != "$last" ] || newest=yes
	while read -r series debian suite vram; do
		if [ "$series" = "$wanted" ]; then
			build_dir=$build_top/$debian
			mkdir -p "$build_dir"
			return
		fi
	done <"$vm_dir/kernels"
	die "KERNEL=$wanted: not one of $(series_known | paste -sd' '), see make kernels"
}

series_known() { sed '/^#/d; s/ .*//' "$vm_dir/kernels"; }

# root_of FOLDER...: the root made of these layers, lowest first, as overlays have it
root_of()
{
	local dir root=''
	for dir; do
		[ ! -d "$dir/root" ] || dir=$dir/root
		[ ! -d "$dir/changes" ] || dir=$dir/changes
		root=$dir${root:+:$root}
	done
	echo "$root"
}

# The files below the given paths that people write, as opposed to what a build
# by hand left there; paths relative to the top of the tree, sorted.
sources()
{
	(cd "$top_dir" && find "$@" -type f ! -name '.*' ! -name '*~' ! -name '*.o' \
		! -name '*.ko' ! -name '*.mod' ! -name '*.mod.c' ! -name '*.a' ! -name '*.so*' \
		! -name Module.symvers ! -name modules.order ! -name compat_probes.h -print | LC_ALL=C sort)
}

# A short name for the contents (and modes) of the given paths and for the words
# on standard input.
key_of()
{
	{
		cat
		sources "$@" | while IFS= read -r file; do
			printf '%s %s ' "$file" "$(stat -c %a "$top_dir/$file")"
			sha256sum <"$top_dir/$file"
		done
	} | sha256sum | cut -c1-16
}

# Runs a command as root in a mount namespace of its own, so that whatever it
# mounts is gone when it ends.  An ordinary user gets a user namespace for it
# where that works, and sudo elsewhere.
as_root()
{
	if [ "$(id -u)" = 0 ]; then
		unshare --mount --propagation private -- "$@"
	elif user_namespace_works; then
		unshare --user --map-root-user --map-auto --mount --propagation private -- "$@"
	else
		sudo --preserve-env=MOCKGPU_CACHE,MOCKGPU_T,MOCKGPU_REPEAT \
			unshare --mount --propagation private -- "$@"
	fi
}

user_namespace_works()
{
	# Overlays are what the oldest kernels lack in a user namespace.
	unshare --user --map-root-user --map-auto --mount --propagation private -- sh -c '
		mount -t tmpfs none /mnt && mkdir /mnt/l /mnt/u /mnt/w /mnt/m &&
		mount -t overlay -o userxattr,lowerdir=/mnt/l,upperdir=/mnt/u,workdir=/mnt/w \
			none /mnt/m' >/dev/null 2>&1
}

# Shows the last lines of a log and stops.
die_with_log()
{
	local log=$1
	shift
	tail -n 40 "$log" >&2
	die "$* (all of it: $log)"
}
