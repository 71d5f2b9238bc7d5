# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# What the campaigns share.  A row is a program that is run without a storm and with one, again
# and again, until so many of its pages have moved each way as make it count; its status and what
# it prints have to be the same each time.
#
# MOCKGPU_T            rows, by prefixes
# MOCKGPU_STORM_PAGES  pages that have to move each way (100000)
# MOCKGPU_STORM_TIME   seconds that a row has for that (400)
# MOCKGPU_SEED         repeat a run's choices

# shellcheck disable=SC2034 # used by those who read this file in, and by names made of names

programs=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/programs
selftests=/usr/lib/mockgpu/storm
pages=${MOCKGPU_STORM_PAGES:-100000}
seconds=$((${MOCKGPU_STORM_TIME:-400} * ${MOCKGPU_SLOW:-1}))
seed=${MOCKGPU_SEED:-$RANDOM}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
number=0
total_to=0 total_home=0

info=$(mockgpu info --json)
[[ $info = *'"vram_type": "private"'* ]] && private=yes || private=no
exclusive=
! grep -q '"capabilities": .*"exclusive"' <<<"$info" || exclusive=--exclusive

# Each run of a row has the next of these, and then the first again.
options_all=("--rate 0" "--random --sizes 1-16 --rate 0" "--random --gpu $exclusive --rate 0"
	"--points --rate 0" "--pressure --random --rate 0")
# What a device writes is seen by those who look at their page tables.
options_plain=("--rate 0" "--random --rate 0")

selected()
{
	local prefix prefixes
	IFS=, read -ra prefixes <<<"${MOCKGPU_T-}"
	[ ${#prefixes[@]} != 0 ] || return 0
	for prefix in "${prefixes[@]}"; do
		case ${1,,} in
		"${prefix,,}" | "${prefix,,}"[!0-9]*) return 0 ;;
		esac
		[[ $prefix =~ ^[a-zA-Z]$ && ${1,,} = "${prefix,,}"* ]] && return 0
	done
	return 1
}

say_result() { # OK NAME [WHY]
	number=$((number + 1))
	if [ "$1" = ok ]; then
		echo "ok $number - $2"
	else
		echo "not ok $number - $2"
		echo "# $3"
	fi
}

# figure FILE KEY: of a summary
figure() { sed -n "s/.*\"$2\": \([0-9]*\).*/\1/p" "$1"; }

# run_once OUTPUT COMMAND...: what a row prints, without what changes from run to run
run_once()
{
	local output=$1 status=0
	shift
	(cd "$work" && rm -rf run && mkdir run && cd run &&
		exec timeout --kill-after=5 $((seconds + 200)) "$@") >"$output.all" 2>&1 </dev/null || status=$?
	"$filter" <"$output.all" >"$output"
	echo "status $status" >>"$output"
}

filter_all() { cat; }
filter_none() { cat >/dev/null; }
# Of tests that say what passed: that; one that fails, or is not run, without a storm says nothing.
filter_tap() { sed -n 's/^\(# \)\{0,1\}\(ok\) [0-9]* *\(.*\)/\3/p' | grep -v '# SKIP' || true; }

# same NAME: whether the last run is as the one without a storm
same()
{
	if [ "$filter" = filter_tap ]; then
		# What passed without has to pass with; how all ended follows from that.
		grep -v '^status ' "$work/alone" | sort >"$work/passed"
		grep -v '^status ' "$work/storm" | sort | comm -23 "$work/passed" - >"$work/differs"
	else
		diff "$work/alone" "$work/storm" >"$work/differs" || true
	fi
	[ ! -s "$work/differs" ]
}

# row NAME OPTIONS FILTER COMMAND...: OPTIONS is all or plain
row()
{
	local name=$1 i=0 to=0 home=0 faults=0 resident=0 covered=0 began end why=''
	local -n sets=options_$2
	local options
	filter=filter_$3
	shift 3
	selected "$name" || return 0
	began=$SECONDS
	run_once "$work/alone" "$@"
	echo "# $name: $((SECONDS - began)) s without a storm, $(tail -n 1 "$work/alone")"
	if [ "$filter" != filter_tap ] && ! grep -qx 'status 0' "$work/alone"; then
		head -n 20 "$work/alone.all" | sed 's/^/# /'
		say_result bad "$name" 'fails without a storm'
		return 0
	fi
	end=$((SECONDS + seconds))
	while :; do
		read -ra options <<<"${sets[i % ${#sets[@]}]}"
		rm -f "$work/json"
		run_once "$work/storm" mockgpu storm --seed $((seed + i)) "${options[@]}" -j \
			-o "$work/json" -- "$@"
		if ! [ -s "$work/json" ]; then
			head -n 20 "$work/storm.all" | sed 's/^/# /'
			why="there is no summary, options ${options[*]}"
			break
		fi
		if ! same; then
			head -n 20 "$work/differs" | sed 's/^/# /'
			tail -n 20 "$work/storm.all" | sed 's/^/# | /'
			why="differs in the storm, seed $((seed + i)), options ${options[*]}"
			break
		fi
		i=$((i + 1))
		to=$((to + $(figure "$work/json" pages_to_vram)))
		home=$((home + $(figure "$work/json" pages_home)))
		faults=$((faults + $(figure "$work/json" pages_cpu_fault)))
		resident=$((resident + $(figure "$work/json" resident_pages)))
		covered=$((covered + $(figure "$work/json" covered_pages)))
		if [ $to -ge "$pages" ] && [ $home -ge "$pages" ] && [ $i -ge ${#sets[@]} ]; then
			break
		fi
		if [ $SECONDS -ge $end ]; then
			why="$to pages to VRAM and $home home in $seconds s do not count"
			[ $to -lt "$pages" ] || [ $home -lt "$pages" ] || why=''
			break
		fi
	done
	total_to=$((total_to + to)) total_home=$((total_home + home))
	echo "# $name: $i runs, $to pages to VRAM, $home home, $faults by CPU faults," \
		"$covered of $resident had moved"
	if [ -z "$why" ] && [ $((covered * 10)) -lt $((resident * 9)) ]; then
		why="less than 90 % of its memory has moved"
	fi
	if [ -z "$why" ] && [ "$private" = yes ] && [ $((faults * 100)) -lt "$pages" ]; then
		why="it has hardly touched what had moved"
	fi
	if [ -z "$why" ]; then
		say_result ok "$name"
	else
		say_result bad "$name" "$why"
	fi
}

finish()
{
	echo "# in all $total_to pages to VRAM, $total_home home"
	if [ $number = 0 ]; then
		echo '1..0 # SKIP no row is named so'
	else
		echo "1..$number"
	fi
}
