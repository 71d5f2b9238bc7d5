#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The tests of the kernel's own test driver, on this module.

# shellcheck source=tests/upstream/lib.sh
. "$(dirname "$0")/lib.sh"

hmm_tests
