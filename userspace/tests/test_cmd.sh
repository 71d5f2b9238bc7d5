#!/bin/sh
# SPDX-License-Identifier: MIT
# The command against the model of the driver: mockgpu-fake is the first argument.
# shellcheck disable=SC2016 # perl is to see the dollars
under=''
# shellcheck source=userspace/tests/cmd.sh
. "$(dirname "$0")/cmd.sh"

run 0 'Commands:' 'help' --help
run 2 'Commands:' 'no command'
run 2 "no command 'frob'" 'unknown command' frob
run 0 '^mockgpu [0-9]+\.' 'version' --version

run 0 'VRAM +device-private' 'info' info
run 0 '^  interface +[0-9.]+ of the driver mockgpu' 'info: the interface' info
run 0 '256 MiB, RAM behind it in blocks of 2 MiB' 'info: sizes' info
run 0 'not here +VRAM as device-coherent' 'info: what it cannot' info
run 0 "on Linux $(uname -r)" 'info: the kernel' info
run 3 'no device 7|not loaded' 'info of a device that is not there' info -d 7
run 3 'is not a mockgpu device' "info of another driver's node" info -d /dev/dri/renderD128
run 0 'device 0  /dev/dri/renderD129' 'info of a node' info -d /dev/dri/renderD129
run 2 'from 0 to 15 ' 'info of a nonsense device' info -d x
run 2 '^mockgpu info: .*frob' 'info: unknown option' info --frob
run 2 '^mockgpu map --help' 'map: unknown option' map --frob
run 2 '^mockgpu demo --help' 'demo: unknown option' demo --frob
run 2 "no argument 'x'" 'info: an argument' info x
run 0 '"vram_bytes": 268435456' 'info as JSON' info --json
# json WORDS PERL: what the last run printed is JSON, and PERL is true of it, $j
json() {
	perl -MJSON::PP -0777 -e 'my $j = decode_json(<STDIN>); exit !('"$2"')' \
		<"$dir/out" 2>"$dir/err"
	ok $? "$1"
}

json 'info as JSON: a parser agrees' '@{$j->{devices}} == 1 &&
	"@{$j->{devices}[0]{capabilities}}" eq "private" &&
	keys %{$j->{devices}[0]{counters}} == 31 && $j->{devices}[0]{counters}{no_ram} == 0'
run 0 '^/dev/dri/renderD129: 3 pages evicted, 0 stayed$' 'evict: every device' evict
run 0 '^/dev/dri/renderD129: 3 pages evicted, 0 stayed$' 'evict: that device' evict -d 0
run 2 "no argument 'x'" 'evict: an argument' evict x
FAKE_BREAK=busy
export FAKE_BREAK
run 1 '3 pages evicted, 2 stayed$' 'evict: pages that stay' evict
FAKE_BREAK=no-capability
run 4 'no permission to evict' 'evict: without the capability' evict
FAKE_BREAK=leaving
run 0 'on Linux .*, 1 device$' 'info: a device that leaves meanwhile is none' info
run 0 '"devices": \[' 'info as JSON: a device that leaves is none' info --json
json 'info as JSON: a parser agrees without a device, too' '@{$j->{devices}} == 0'
run 1 'renderD129 does not answer' 'info of a device that leaves' info -d 0
unset FAKE_BREAK
run 0 '^ +0  migrate-start +wait +process$' 'points: what they can' points
run 0 '^ +1  copy +fail$' 'points: the last' points
run 0 '"name": "copy", "wait": false, "fail": true' 'points as JSON' points --json
json 'points as JSON: a parser agrees' '@{$j->{points}} == 2'
run 2 "no argument 'x'" 'points: an argument' points x
run 2 "no row 'frob'" 'bench: an unknown row' bench --rows frob
run 2 'multiple of 2M' 'bench: a nonsense size' bench --size 3M
run 2 'number from 1 to 1000' 'bench: no rounds' bench --rounds 0
run 2 'more than the device' 'bench: more than VRAM' bench --size 1G
run 0 '^to-vram-4k +[0-9.]+ +[0-9.]+ +[0-9.]+  ns/page' 'bench: pages to VRAM' \
	bench --rows migrate-4k --size 2M --rounds 3
run 0 '"unit": "ns/page"' 'bench as JSON' bench --rows migrate-4k --size 2M --rounds 3 --json
json 'bench as JSON: a parser agrees' '@{$j->{figures}} == 2 &&
	$j->{figures}[1]{name} eq "to-system-4k" && @{$j->{figures}[1]{samples}} == 3'
FAKE_BREAK=no-device
export FAKE_BREAK
run 3 'no device' 'bench without a device' bench
run 3 'no device' 'info without a device' info
run 3 'no device' 'demo without a device' demo
unset FAKE_BREAK

run 0 '^ +\+0 sv\.$' 'map: three pages' \
	map --size 12K --cpu-write 0+8K --to-vram 4K+4K --color never
run 0 '^ +\+0 sVs\.$' 'map: in the order given, ranges before the size' \
	map --cpu-write 0+12K --to-vram 4K+8K --cpu-read 8K+4K --gpu-write 4K+4K --size 16K
run 0 'to-vram of 12 KiB at \+0, 1 moved, 2 already there' 'map: counts by reason' \
	map --size 12K --to-vram 0+8K --to-vram all
run 0 'cpu-read of 128 KiB at \+640 KiB' 'map: with nothing to do' map
! grep -q ' $' "$dir/out"
ok $? 'map: no blanks at the end of a line'
run 0 '^gpu-write of 4 KiB at \+0$' 'map: --write for short' map --size 8K --write 0+4K
run 0 '^gpu-read of 4 KiB at \+4 KiB$' 'map: --read for short' map --size 8K --read 4K+4K
run 2 'a range is OFFSET' 'map: beyond the end' map --size 8K --to-vram 4K+8K
run 2 'a range is OFFSET' 'map: not whole pages' map --size 8K --to-vram 1+4K
run 2 'a range is OFFSET' 'map: an empty range' map --size 8K --to-vram 0+0
run 2 'multiple of 4K' 'map: size 0' map --size 0
run 2 'multiple of 4K' 'map: a size that is none' map --size 4X
run 2 'was unmapped before' 'map: the CPU may not touch a hole' \
	map --size 16K --unmap 4K+4K --cpu-write all
run 2 'auto, always or never' 'map: colour' map --color blue
run 1 'cannot write' 'map: SVG to nowhere' map --svg /nonexistent/x.svg
run 0 'a cell is 16 KiB' 'map: a large range is drawn coarsely' map --size 16M --cpu-write 0+4K
run 0 '\+ mixed' 'map: mixed cells' map --size 16M --cpu-write 0+4K
"$cmd" map --svg "$dir/a.svg" --steps >"$dir/out" 2>"$dir/err" &&
	"$cmd" map --svg "$dir/b.svg" --steps >"$dir/out" 2>"$dir/err" &&
	cmp "$dir/a.svg" "$dir/b.svg" >>"$dir/err" && [ "$(grep -c 'class="c"' "$dir/a.svg")" -eq 5 ]
ok $? 'map: the SVG has a caption a step and is the same each time'
status=0
"$cmd" map >/dev/full 2>"$dir/err" || status=$?
ok $((status != 1)) 'map: output that is lost is a failure'

FAKE_HUGE=1
export FAKE_HUGE
run 0 '"huge"' 'info as JSON: what it can besides' info --json
run 0 '^ +mapped 2 MiB at once: 4 MiB by the CPU, 2 MiB by the device$' 'map: 2 MiB at once' \
	map --size 4M --cpu-write all --to-vram 0+2M --gpu-write 2M+2M
unset FAKE_HUGE
! "$cmd" map | grep -q 'at once'
ok $? 'map: nothing is mapped 2 MiB at once'

run 0 'all as told, [0-9]+ checks' 'demo' demo --svg "$dir/demo.svg"
[ "$(grep -c 'class="c"' "$dir/demo.svg")" -eq 8 ]
ok $? 'demo: the SVG has all eight steps'
# A demo that cannot fail shows nothing: each lie of the driver must be found.
for lie in lost-byte not-moved moves-on-write write-dropped uncounted-fault vram-leak \
	fork-copies child-dies; do
	FAKE_BREAK=$lie
	export FAKE_BREAK
	run 1 'NOT AS TOLD' "demo finds the driver out: $lie" demo
done
FAKE_BREAK=coherent
run 1 '^mockgpu: the tour is of private VRAM' 'no demo on coherent VRAM' demo
unset FAKE_BREAK
ended
