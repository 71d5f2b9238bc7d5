#!/bin/sh
# SPDX-License-Identifier: MIT
# What the shared library exports is what the header declares, no more, no less.
# Arguments: the library, the public header, the symbol map, the installed man3.
set -u
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

ok() { # NUMBER STATUS WORDS
	if [ "$2" -eq 0 ]; then
		echo "ok $1 - $3"
	else
		echo "not ok $1 - $3"
		sed 's/^/# /' "$dir/diff"
		failed=1
	fi
}

: >"$dir/diff"
echo "1..5"
nm -D --defined-only "$1" | sed -n 's/.* T \([a-z_0-9]*\)@.*/\1/p' | sort >"$dir/exported"
grep -Eo '\bmockgpu_[a-z_]+\(' "$2" | tr -d '(' | sort -u >"$dir/mentioned"
# A declaration begins its line; what comments mention does not.
grep -E '^[a-z].*\bmockgpu_[a-z_]+\(' "$2" | grep -Eo '\bmockgpu_[a-z_]+\(' | tr -d '(' |
	sort -u >"$dir/declared"
sed -n 's/^\t\t\(mockgpu_[a-z_]*\);$/\1/p' "$3" | sort >"$dir/mapped"

[ -s "$dir/declared" ] && diff "$dir/declared" "$dir/exported" >"$dir/diff"
ok 1 $? 'exported is what the header declares'
diff "$dir/declared" "$dir/mapped" >"$dir/diff"
ok 2 $? 'the symbol map names the same'
comm -13 "$dir/declared" "$dir/mentioned" >"$dir/diff"
[ ! -s "$dir/diff" ]
ok 3 $? 'comments mention no function that is not there'
readelf -d "$1" >"$dir/diff" 2>&1 && grep -q 'SONAME.*\[libmockgpu\.so\.0\]' "$dir/diff"
ok 4 $? 'the soname is libmockgpu.so.0'
if [ -d "$4" ]; then
	while read -r name; do
		[ -s "$4/$name.3" ] || echo "no page for $name"
	done <"$dir/declared" >"$dir/diff"
	[ ! -s "$dir/diff" ]
	ok 5 $? 'each function has a man page under its name'
else
	echo 'ok 5 - man pages # SKIP no scdoc here'
fi
exit $failed
