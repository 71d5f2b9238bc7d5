#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The tests of library and command that need no module, as one test here; what
# they print is shown when one fails.

# shellcheck source=tests/tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"

top=$(cd "$(dirname "$0")/../.." && pwd)

userspace_check()
{
	make --silent -C "$top/userspace" OUT=/mnt/build/unit-userspace check </dev/null
}

run_tests userspace_check
