# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# What the programs in here share: which tests to run, and with what.
#
# MOCKGPU_HMM_TESTS is the program; MOCKGPU_T selects by the names that it has for its
# tests, of all devices.

folder=$(dirname "${BASH_SOURCE[0]}")
program=${MOCKGPU_HMM_TESTS-}
if [ -z "$program" ]; then
	program=/usr/lib/mockgpu/upstream/hmm-tests${MOCKGPU_SLOW:+-slow}
fi
# two for each copy that runs at once, and two to spare
huge_pages=6

capabilities()
{
	[ ! -e /dev/hmm_dmirror0 ] || echo private
	! mockgpu info --json | grep -q '"capabilities": .*"exclusive"' || echo exclusive
}

# hmm_tests: runs them, and reports in this project's format
hmm_tests()
{
	local names name select=() has
	IFS=, read -ra names <<<"${MOCKGPU_T-}"
	for name in ${names[0]+"${names[@]}"}; do
		select+=(-t "$name")
	done
	mapfile -t has < <(capabilities)
	"$program" ${select[0]+"${select[@]}"} 2>&1 |
		"$folder/report" ${has[0]+"${has[@]}"}
}

echo $huge_pages >/proc/sys/vm/nr_hugepages
