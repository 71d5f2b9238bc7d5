#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the installed example against the installed library. Argument: the DESTDIR.
set -eu
root=$1
src=$root/usr/share/doc/mockgpu/examples/pingpong.c
if ! command -v "$PKG_CONFIG" >/dev/null; then
	echo "userspace: no pkg-config here, the .pc file is not tried" >&2
	exit 0
fi
# As if $root were /. (A sysroot given to pkg-config would move libdrm's folders, too.)
mkdir -p "$root/pkgconfig"
sed "s|^\([a-z]*=\)/|\1$root/|" "$root/usr/lib/pkgconfig/libmockgpu.pc" \
	>"$root/pkgconfig/libmockgpu.pc"
PKG_CONFIG_PATH=$root/pkgconfig
export PKG_CONFIG_PATH

set -x
# shellcheck disable=SC2046
$CC -Wall -Werror -o "$root/shared" "$src" $($PKG_CONFIG --cflags --libs libmockgpu)
# shellcheck disable=SC2046
$CC -Wall -Werror -o "$root/static" "$src" $($PKG_CONFIG --cflags libmockgpu) \
	"$root/usr/lib/libmockgpu.a" $($PKG_CONFIG --libs --static libmockgpu | sed 's/-lmockgpu//')
{ set +x; } 2>/dev/null
# Both run as far as this machine lets them: the loader finds every symbol.
for prog in shared static; do
	LD_BIND_NOW=1 LD_LIBRARY_PATH=$root/usr/lib "$root/$prog" >"$root/log" 2>&1 || {
		grep -q '^mockgpu_open: ' "$root/log" || { cat "$root/log"; exit 1; }
	}
done
