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

# cannot WHY: the tests cannot be run, which is a failure
cannot()
{
	printf '1..1\nnot ok 1 - %s\n' "$*"
	return 1
}

# hmm_tests: runs them, and reports in this project's format.  What the kernel has, the
# devices say, whether there are nodes for them or not.
hmm_tests()
{
	local names name select=() has=() info pages
	info=$(mockgpu info --json || true)
	[[ $info = *'"vram_type": '* ]] || {
		cannot 'there is no device'
		return
	}
	[[ $info != *'"vram_type": "private"'* ]] || has+=(private)
	! grep -q '"capabilities": .*"exclusive"' <<<"$info" || has+=(exclusive)
	pages=$(cat /proc/sys/vm/nr_hugepages)
	[ "$pages" -ge $huge_pages ] || {
		cannot "there are $pages huge pages instead of $huge_pages"
		return
	}
	IFS=, read -ra names <<<"${MOCKGPU_T-}"
	for name in ${names[0]+"${names[@]}"}; do
		select+=(-t "$name")
	done
	if [ ${#select[@]} != 0 ] && ! grep -aq 'name  include test' "$program"; then
		echo '1..0 # SKIP of this age they can only be run all together'
		return
	fi
	"$program" ${select[0]+"${select[@]}"} 2>&1 |
		"$folder/report" ${has[0]+"${has[@]}"}
}

echo $huge_pages >/proc/sys/vm/nr_hugepages
