# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# What the campaigns share.  A row is a program that is run without a storm and in one, again and
# again, each time with other options, until so many of its pages have moved each way as make it
# count.  Its status and what it prints have to be the same each time, and each run has to have had
# what its options say: most of the memory moved, the device used it, pages were evicted.
#
# MOCKGPU_T            rows, by prefixes
# MOCKGPU_STORM_PAGES  pages that have to move each way (100000)
# MOCKGPU_STORM_TIME   seconds that a row has for that (400)
# MOCKGPU_STORM_SETS   how many of the sets of options a row goes through; all unless told
# MOCKGPU_STORM_TOTAL  file that the number of pages is added to
# MOCKGPU_SEED         repeat a run's choices

# shellcheck disable=SC2034 # used by those who read this file in, and by names made of names

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
programs=$here/programs
selftests=/usr/lib/mockgpu/storm
pages=${MOCKGPU_STORM_PAGES:-100000}
seconds=$((${MOCKGPU_STORM_TIME:-400} * ${MOCKGPU_SLOW:-1}))
seed=${MOCKGPU_SEED:-$RANDOM}
work=$(mktemp -d)
chmod 755 "$work"
number=0
total_to=0 total_home=0
excepted=0

# What a row may ask for besides: to run as another user, in a folder of its own; that pages are
# pinned meanwhile; how much of its memory has to have moved, per cent.
as=() in_folder='' pins=no least=90

# A second device; for --pressure it has less VRAM than any of the programs has memory.
second=/sys/kernel/config/mockgpu/storm
little_mb=2
# What a run leaves behind is found by its control group.
group=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)/storm

end_all()
{
	[ ! -d "$second" ] || rmdir "$second"
	[ ! -d "$group" ] || rmdir "$group"
	rm -rf "$work"
}
trap end_all EXIT

begin_all()
{
	mkdir -p "$group"
	mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
	mkdir "$second"
	begin_second $little_mb && return
	echo 'Bail out! there is no second device'
	exit 1
}

# begin_second MB: has the second device come up with so much VRAM, if it has not
begin_second()
{
	if [ "$(cat "$second/power")" = 1 ]; then
		[ "$(cat "$second/vram_mb")" != "$1" ] || return 0
		echo 0 >"$second/power"
	fi
	echo "$1" >"$second/vram_mb"
	# Coherent VRAM needs a block of memory with nothing of the kernel's in it.
	for _ in 1 2 3; do
		! echo 1 >"$second/power" || return 0
		echo 3 >/proc/sys/vm/drop_caches
		echo 1 >/proc/sys/vm/compact_memory
	done 2>/dev/null
	return 1
}

info=$(mockgpu info --device 0 --json)
[[ $info = *'"vram_type": "private"'* ]] && type=private || type=coherent
exclusive=
! grep -q '"capabilities": .*"exclusive"' <<<"$info" || exclusive=--exclusive
begin_all
two=$(cat "$second/index")

# Each run of a row has the next of these, and then the first again.
options_all=("--device 0 --rate 0" "--device 0,$two --random --sizes 1-16 --rate 0"
	"--device 0 --random --gpu $exclusive --rate 0" "--device 0 --points --rate 0"
	"--device $two --pressure --random --rate 0")
# What a device writes is seen by those who look at their page tables.
options_plain=("--device 0 --rate 0" "--device 0 --random --rate 0")
# Who is not root has the first device alone, and no control points.
options_user=("--device 0 --rate 0" "--device 0 --random --gpu $exclusive --rate 0")

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
		echo "ok $number - $2${3:+ # SKIP $3}"
	else
		echo "not ok $number - $2"
		echo "# $2 $3"
	fi
}

# figure KEY: of the summary of the last run, or 0
figure()
{
	local n
	n=$(sed -n "s/.*\"$1\": \([0-9][0-9]*\).*/\1/p" "$work/json")
	echo "${n:-0}"
}

# pinned: pages that were to go to VRAM in the last run, and were in use for input or output
pinned()
{
	local n
	n=$(sed -n 's/.*"to_vram": {[^}]*"pinned": \([0-9]*\).*/\1/p' "$work/json")
	echo "${n:-0}"
}

# run_once OUTPUT COMMAND...: what a row prints, without what changes from run to run
run_once()
{
	local output=$1 folder=${in_folder:-$work}/run status=0
	shift
	rm -rf "$folder"
	mkdir -m 777 "$folder"
	(cd "$folder" && echo "$BASHPID" >"$group/cgroup.procs" &&
		exec timeout --kill-after=5 $((seconds + 200)) "${as[@]}" "$@") \
		>"$output.all" 2>&1 </dev/null || status=$?
	# Nothing of it is left, also where it has groups and sessions of its own.
	echo 1 >"$group/cgroup.kill"
	while grep -q . "$group/cgroup.procs"; do
		sleep 0.05
	done
	"$filter" <"$output.all" >"$output"
	echo "status $status" >>"$output"
}

filter_all() { cat; }
filter_none() { cat >/dev/null; }
# Of tests that say what passed, that: what fails or is not run without a storm says nothing.  They
# have three ways to say it: TAP, and those that uffd-unit-tests and khugepaged had before.
filter_tap()
{
	sed 's/\x1b\[[0-9;]*m//g' | awk '
		/^(# )?ok [0-9]+ / { if (!/# SKIP/) { sub(/^(# )?ok [0-9]+ */, ""); print } next }
		/^Testing .*\.\.\. done$/ { sub(/\.\.\. done$/, ""); print; next }
		/^Run test: / { test = substr($0, 11); next }
		/\.+ OK$/ && test != "" { sub(/\.+ OK$/, ""); print test ": " $0 }'
}

# exceptions_of NAME: lines of a row that this kernel gets wrong by itself, see exceptions/list
exceptions_of()
{
	local row kernel program place line
	while IFS='|' read -r row kernel program place line; do
		# shellcheck disable=SC2053 # a pattern
		[[ $row = "$1" && "$(uname -r) $type" = $kernel ]] && echo "$line"
	done < <(grep -v '^#' "$here/exceptions/list")
	return 0
}

# has_given_up NAME: whether the last run ended early, and an exception says that it may
has_given_up()
{
	exceptions_of "$1" | grep '^Bail out! ' | grep -Fqf - "$work/storm.all"
}

# results: of a run of tests, how many there are
results() { grep -cE '^(# )?(not )?ok [0-9]'; }

# skipped_each_time: tests that pass without a storm, and have not been tried in any so far
skipped_each_time() { sort -u "$work/skipped" | grep -Fxv -f "$work/ever"; }

# same NAME: whether the last run is as the one without a storm, as far as it goes
same()
{
	cat "$work/storm" >>"$work/ever"
	if [ "$filter" = filter_tap ] && has_given_up "$1"; then
		# Nothing failed up to there that passes without.
		sed -n 's/^\(# \)\?not ok [0-9]* *//p' "$work/storm.all" | sort |
			comm -12 <(sort "$work/alone") - >"$work/found"
		given_up=$((given_up + 1))
		excepted=$((excepted + 1))
	elif [ "$filter" = filter_tap ]; then
		# What passed without has to pass with; where all did, the status is the same as well.
		grep -v '^status [1-9]' "$work/alone" | sort >"$work/passed"
		sort "$work/storm" | comm -23 "$work/passed" - >"$work/found"
	else
		diff "$work/alone" "$work/storm" >"$work/found" || true
	fi
	# What a test has not been able to prepare, such as a huge page, another run has to have.
	cp "$work/found" "$work/tried"
	if [ "$filter" = filter_tap ] && grep -q '^\(# \)\?ok [0-9]* # SKIP' "$work/storm.all" &&
		[ "$(results <"$work/alone.all")" = "$(results <"$work/storm.all")" ]; then
		sed -n 's/^\(# \)\?not ok [0-9]* *//p' "$work/storm.all" >"$work/failed"
		grep -Fxv -f "$work/failed" "$work/found" >>"$work/skipped" || true
		grep -Fx -f "$work/failed" "$work/found" >"$work/tried" || true
	fi
	exceptions_of "$1" | grep -Fxv -f - "$work/tried" >"$work/differs" || true
	excepted=$((excepted + $(wc -l <"$work/tried") - $(wc -l <"$work/differs")))
	[ ! -s "$work/differs" ]
}

# lacking: what the last run has not had, if anything
lacking()
{
	local resident
	resident=$(figure resident_pages)
	if [ "$resident" = 0 ]; then
		echo 'it had no memory'
	elif [ "$(figure missed)" != 0 ] || [ "$(figure left)" != 0 ]; then
		echo "$(figure missed) processes were not in the storm, $(figure left) left it"
	elif [ $(($(figure covered_pages) * 100)) -lt $((resident * least)) ]; then
		echo "$(figure covered_pages) of $resident pages had moved, less than $least %"
	fi
	case "${options[*]}" in
	*--gpu*) [ "$(figure gpu_reads)" != 0 ] && [ "$(figure gpu_writes)" != 0 ] ||
		echo 'the device used nothing of it' ;;
	*--pressure*) [ "$(figure pages_evicted)" != 0 ] || echo 'VRAM was never full' ;;
	*--points*) [ "$(figure points_armed)" != 0 ] || echo 'no control point was armed' ;;
	esac
}

# run_storms NAME COMMAND...: as often as needed; sets why if something is wrong
run_storms()
{
	local name=$1 wanted end options vram_mb
	shift
	wanted=${MOCKGPU_STORM_SETS:-${#sets[@]}}
	end=$((SECONDS + seconds))
	# With fewer sets than there are, each row begins with another.
	while [ "$runs" -lt "$wanted" ] || [ "$to" -lt "$pages" ] || [ "$home" -lt "$pages" ] ||
		[ $given_up = "$runs" ] || skipped_each_time >"$work/never"; do
		if [ $SECONDS -ge $end ]; then
			head -n 20 "$work/never" | sed 's/^/# skipped in each: /'
			why="in $seconds s $runs runs of $wanted, $to pages to VRAM and $home home"
			[ $given_up -lt "$runs" ] || why+=', all of which gave up'
			return
		fi
		read -ra options <<<"${sets[(number + runs) % ${#sets[@]}]}"
		[[ ${options[*]} = *--pressure* ]] && vram_mb=$little_mb || vram_mb=64
		begin_second $vram_mb || {
			why="there is no second device of $vram_mb MiB"
			return
		}
		: >"$work/json"
		chmod 666 "$work/json"
		run_once "$work/storm" mockgpu storm --seed $((seed + runs)) "${options[@]}" -j \
			-o "$work/json" -- "$@"
		if ! [ -s "$work/json" ]; then
			head -n 20 "$work/storm.all" | sed 's/^/# | /'
			why='there is no summary'
		elif grep -qx 'status 124' "$work/storm"; then
			why="had not ended after $((seconds + 200)) s"
		elif ! same "$name"; then
			head -n 20 "$work/differs" | sed 's/^/# /'
			tail -n 20 "$work/storm.all" | sed 's/^/# | /'
			why='differs in the storm'
		else
			why=$(lacking | head -n 1)
		fi
		if [ -n "$why" ]; then
			why+=" (seed $((seed + runs)), options ${options[*]})"
			return
		fi
		runs=$((runs + 1))
		to=$((to + $(figure pages_to_vram)))
		home=$((home + $(figure pages_home)))
		faults=$((faults + $(figure pages_cpu_fault)))
		pins_seen=$((pins_seen + $(pinned)))
	done
}

# row NAME OPTIONS FILTER COMMAND...: OPTIONS is all, plain or user
row()
{
	local name=$1 runs=0 to=0 home=0 faults=0 pins_seen=0 given_up=0 began=$SECONDS why=''
	local -n sets=options_$2
	filter=filter_$3
	shift 3
	selected "$name" || return 0
	: >"$work/ever"
	: >"$work/skipped"
	: >"$work/never"
	run_once "$work/alone" "$@"
	echo "# $((SECONDS - began)) s without a storm, $(tail -n 1 "$work/alone")"
	if [ "$filter" != filter_tap ] && ! grep -qx 'status 0' "$work/alone"; then
		why='fails without a storm'
	elif [ "$filter" = filter_tap ] && ! grep -qv '^status ' "$work/alone"; then
		why='nothing passes without a storm'
	fi
	if [ -n "$why" ]; then
		head -n 20 "$work/alone.all" | sed 's/^/# | /'
	else
		run_storms "$name" "$@"
	fi
	total_to=$((total_to + to)) total_home=$((total_home + home))
	echo "# $runs runs, $to pages to VRAM, $home home, $faults of them by CPU faults," \
		"$pins_seen pinned"
	if [ -z "$why" ] && [ $type = private ] && [ $((faults * 100)) -lt "$home" ]; then
		why="it touched $faults pages of $home in VRAM, less than 1 %"
	elif [ -z "$why" ] && [ "$pins" = yes ] && [ $pins_seen = 0 ]; then
		why='no page was pinned'
	fi
	if [ -z "$why" ]; then
		say_result ok "$name"
	else
		say_result bad "$name" "$why"
	fi
}

finish()
{
	[ -z "${MOCKGPU_STORM_TOTAL-}" ] ||
		echo "$total_to $total_home $excepted" >>"$MOCKGPU_STORM_TOTAL"
	if [ $number = 0 ]; then
		echo '1..0 # SKIP nothing selected'
	else
		echo "1..$number"
	fi
}
