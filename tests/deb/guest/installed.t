#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Debian's packages, installed by apt, in a guest that boots the kernel that was there
# before them or the one that came later.

# shellcheck source=tests/tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"

kernel=$(uname -r)

deb_dkms_built_the_module_for_this_kernel()
{
	expect 'dkms status' "$(dkms status -m mockgpu -k "$kernel")" ': installed$'
	# the + of Debian's releases is one
	expect 'the module' "$(modinfo -F filename mockgpu)" \
		"^(/usr)?/lib/modules/${kernel//+/\\+}/updates/dkms/"
	grep -q '^mockgpu ' /proc/modules || fail 'the module is not loaded'
}

deb_the_command_finds_the_device()
{
	local out version
	expect 'where it is' "$(command -v mockgpu)" '^/usr/bin/mockgpu$'
	out=$(mockgpu info --json)
	version=$(dpkg-query --show --showformat '${Version}' mockgpu-dkms)
	expect 'mockgpu info' "$out" "\"version\": \"${version//./\\.}\""
	expect 'mockgpu info' "$out" "\"vram_bytes\": $((256 << 20)),"
}

# With libmockgpu-dev, linked with libmockgpu0.
deb_a_program_builds_and_runs()
{
	local program
	program=$(mktemp)
	# shellcheck disable=SC2046 # several words are meant
	gcc -Wall -Wextra -Werror -x c -o "$program" - -x none \
		$(pkg-config --cflags --libs libmockgpu) <<-'END'
		#include <mockgpu.h>
		#include <stdio.h>
		int main(void)
		{
			struct mockgpu_device *dev;
			if (mockgpu_open(&dev, 0))
				return 1;
			printf("%d: %s\n", mockgpu_count(), mockgpu_path(dev));
			mockgpu_close(dev);
		}
	END
	expect 'its library' "$(ldd "$program")" 'libmockgpu\.so\.0 => (/usr)?/lib/'
	expect 'what it prints' "$("$program")" '^1: /dev/dri/renderD'
	rm -f "$program"
}

run_tests \
	deb_dkms_built_the_module_for_this_kernel \
	deb_the_command_finds_the_device \
	deb_a_program_builds_and_runs
