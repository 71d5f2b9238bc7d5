#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Finds out what a kernel has: which of the known forms each API of `probes` has
# there.  All forms are compiled at once, with the flags of the module, each under
# a file name of its own, which the compiler's errors then have.
#
# usage: probe.sh PROBES HEADER RELEASE OBJTREE COMPILER FLAG...
#
# Writes HEADER; or says in one line what does not fit, and fails.

set -eu
export LC_ALL=C

probes=$1 header=$2 release=$3 objtree=$4
shift 4

source=$header.tmp.c
trap 'rm -f "$source" "$header.tmp" "$header.tmp.log"' EXIT

# stop TEXT: says it of the kernel, and fails
stop()
{
	echo "mockgpu: kernel $release$1" >&2
	exit 1
}

sed -n 's/^config \([A-Z0-9_]*\)$/\1/p' "$probes" | while read -r name; do
	grep -q "^CONFIG_$name=[ym]" "$objtree/include/config/auto.conf" ||
		stop " is built without CONFIG_$name"
done

# A kernel that the module is built along with has no list of symbols yet.
symbols=
[ ! -e "$objtree/Module.symvers" ] || symbols=$objtree/Module.symvers

awk -v symvers="$symbols" '
BEGIN {
	while (symvers != "" && (getline line < symvers) > 0) {
		split(line, field, "\t")
		exported[field[2]] = 1
	}
}
/^#/ || NF == 0 || $1 == "config" || $1 == "api" { next }
$1 == "include" { print "#include <" $2 ">"; next }
$1 == "floor" {
	print "#include <linux/version.h>"
	print "#line 1 \"mockgpu-floor\""
	print "#if LINUX_VERSION_CODE < KERNEL_VERSION(" $2 ", " $3 ", 0)"
	print "#error too old"
	print "#endif"
	print "#line 1 \"mockgpu-include\""
	next
}
$1 == "form" { form++; next }
$1 == "symbol" {
	if (symvers != "" && !($2 in exported))
		body[form] = body[form] "#error not exported\n"
	next
}
# Any other declaration of the name is at odds with this one.  It has a compilation of
# its own, as the forms declare what they use and is not there, and what is declared
# twice is not looked at any more.
$1 == "absent" {
	absent = absent sprintf("#line 1 \"mockgpu-form-%d\"\n#ifdef %s\n#error\n#endif\n" \
		"extern struct mockgpu_absent %s;\n", form, $2, $2)
	next
}
# A second member of a name is an error, if there is a first.
$1 == "lacks" {
	body[form] = body[form] sprintf("struct { %s %s; int %s; } has; (void)&has;\n", $2, $3, $4)
	next
}
{ body[form] = body[form] $0 "\n" }
END {
	print "#ifdef MOCKGPU_ABSENT\n" absent "#else"
	for (i = 1; i <= form; i++) {
		printf "#line 1 \"mockgpu-form-%d\"\n", i
		printf "static void __attribute__((unused)) mockgpu_form_%d(void)\n{\n%s}\n", i, body[i]
	}
	print "#endif"
}
' "$probes" >"$source"

# The place of an error in a macro is where the macro is used.  The compiler may be called
# by another program, so all that is to be executed is asked.
case $("$@" --version) in
*clang*) set -- "$@" -ferror-limit=0 ;;
*) set -- "$@" -fmax-errors=0 -ftrack-macro-expansion=0 ;;
esac
for part in FORMS ABSENT; do
	"$@" -Wno-error -Werror=implicit-function-declaration -Werror=int-conversion \
		-Werror=incompatible-pointer-types -fms-extensions -fdiagnostics-color=never \
		-DKBUILD_MODNAME='"mockgpu"' -DKBUILD_BASENAME='"probe"' -DMODULE \
		-DMOCKGPU_$part -fsyntax-only -x c "$source" || true
done >"$header.tmp.log" 2>&1

grep -E '^[^ ]*: (fatal )?error: ' "$header.tmp.log" >"$header.tmp" || true
if grep -q '^mockgpu-floor:' "$header.tmp"; then
	stop " is older than $(sed -n 's/^floor \([0-9]*\) \([0-9]*\)$/\1.\2/p' "$probes")"
fi
# A header that is not there ends the compilation before the first form.
other=$(grep -v '^mockgpu-form-[0-9]' "$header.tmp" | head -n 1)
missing=$(echo "$other" | sed -En \
	"s/.*: fatal error: '?([^':]*)'?(: No such file or directory| file not found)\$/\1/p")
[ -z "$missing" ] || stop ": there is no header $missing"
[ -z "$other" ] || stop ": $other"
# The first form of the list is wrong, so that errors are known to be noticed.
grep -q '^mockgpu-form-1:' "$header.tmp" || {
	cat "$header.tmp.log" >&2
	stop ": the compiler's errors are not understood"
}

awk -v release="$release" -v errors="$header.tmp" '
BEGIN {
	while ((getline line < errors) > 0) {
		form = line
		sub(/^mockgpu-form-/, "", form)
		sub(/:.*/, "", form)
		wrong[form] = 1
		# That a function is not there is said of its first use alone.
		if (line ~ /implicit declaration of function|call to undeclared function/) {
			split(line, quoted, "\047")
			missing[quoted[2]] = 1
		}
	}
	form = 0
	printf "/* Made by probe.sh for kernel %s. */\n", release
}
function finish_form() {
	if (!open)
		return
	fitting += !(form in wrong)
	if (have != "")
		printf "#define %s %d\n", have, !(form in wrong)
	open = 0
}
function finish_api() {
	finish_form()
	if (api != "" && fitting != 1) {
		printf "mockgpu: kernel %s: %s has %s of the known forms\n", release, api,
			fitting ? "more than one" : "none" | "cat 1>&2"
		bad = 1
	}
	fitting = 0
}
/^#/ { next }
$1 == "api" {
	finish_api()
	api = substr($0, 5)
	next
}
$1 == "form" {
	finish_form()
	form++
	have = $2
	open = 1
	next
}
$1 != "absent" && $1 != "symbol" {
	for (name in missing) {
		if (index($0, name "("))
			wrong[form] = 1
	}
}
END {
	finish_api()
	exit bad
}
' "$probes" >"$source"
mv "$source" "$header"
