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
	local suite=${1#mockgpu_} line notes='' name verdict rest planned=0 seen=0
	while IFS= read -r line; do
		case $line in
		'    KTAP '* | '    # Subtest:'* | '    # module:'*) continue ;;
		'    1..'*)
			planned=${line#    1..}
			continue
			;;
		'    '*) ;;
		*) continue ;;
		esac
		if ! [[ $line =~ ^\ {4}(not\ ok|ok)\ [0-9]+\ ([a-z0-9_]+)(.*)$ ]]; then
			line=${line#    }
			notes+="# ${line#\# }"$'\n'
			continue
		fi
		verdict=${BASH_REMATCH[1]} name=$suite.${BASH_REMATCH[2]} rest=${BASH_REMATCH[3]}
		seen=$((seen + 1))
		if selected "$name"; then
			number=$((number + 1))
			printf '%s%s %d - %s%s\n' "$notes" "$verdict" "$number" "$name" "$rest"
		fi
		notes=''
	done <"$results/$1/results"
	if [ $seen = 0 ] || [ $seen != "$planned" ]; then
		echo "Bail out! $suite ran $seen of $planned cases"
		exit 1
	fi
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
