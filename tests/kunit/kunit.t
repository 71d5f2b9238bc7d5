#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Runs the unit tests of the module's rooms (module/kunit), which the kernel does
# when mockgpu_kunit.ko is loaded, and says in TAP what came of each case.
#
# MOCKGPU_T selects by prefixes as everywhere; a case is named suite.case, without
# the mockgpu_ of the suite: T=advice, T=vram_alloc.takes.

# shellcheck source=tests/tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"

results=/sys/kernel/debug/kunit

# What the kernel's KTAP says of a suite's cases: it indents them by four columns;
# the diagnostics of a case come before its line.
cases()
{
	local suite=${1#mockgpu_} line notes='' name verdict rest
	while IFS= read -r line; do
		if [[ $line =~ ^\ {4}(not\ ok|ok)\ [0-9]+\ ([a-z0-9_]+)(.*)$ ]]; then
			verdict=${BASH_REMATCH[1]} name=$suite.${BASH_REMATCH[2]} rest=${BASH_REMATCH[3]}
			if selected "$name"; then
				number=$((number + 1))
				printf '%s%s %d - %s%s\n' "$notes" "$verdict" "$number" "$name" "$rest"
			fi
			notes=''
		elif [[ $line =~ ^\ {4}# && ! $line =~ 'Subtest:'|'module:' ]]; then
			notes+="${line#    }"$'\n'
		fi
	done <"$results/$1/results"
}

number=0
if ! modprobe mockgpu_kunit; then
	echo 'Bail out! mockgpu_kunit cannot be loaded'
	exit 1
fi
for suite in "$results"/mockgpu_*; do
	cases "${suite##*/}"
done
modprobe -r mockgpu_kunit
if [ $number = 0 ]; then
	echo '1..0 # SKIP nothing selected'
	exit
fi
echo "1..$number"
