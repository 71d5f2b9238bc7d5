#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What goes on around the guests of several kernels, with something else in the place of
# what builds a guest and of what runs tests in it.

# shellcheck source=tests/tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
export MOCKGPU_CACHE=$copy/cache
mkdir -p "$copy/tests/vm"
cp "$(dirname "$0")"/../vm/{check-matrix,lib.sh} "$copy/tests/vm/"
vm=$copy/tests/vm

# Six kernels: all is well, a test fails, gone, not to be built, a crash, a bad end though
# no test failed.
cat >"$vm/kernels" <<'END'
# series  Debian    suite      VRAM
5.1       old       old        coherent
5.10      new       new        coherent
6.2       new       new        private coherent
6.3       new       new        private coherent
6.4       new       new        private coherent
6.5       new       new        coherent
END
cat >"$vm/guest" <<'END'
#!/bin/bash
[ "$MOCKGPU_KERNEL" != 6.2 ] || exit 3
[ "$MOCKGPU_KERNEL" != 6.3 ] || exit 1
mkdir -p "$MOCKGPU_CACHE/kernel"
echo "$MOCKGPU_KERNEL.7+deb-amd64" >"$MOCKGPU_CACHE/kernel/version"
echo "$MOCKGPU_CACHE/kernel"
END
cat >"$vm/check" <<'END'
#!/bin/bash
echo 'ok    unit a'
echo 'On private VRAM: ["private", "exclusive", "huge"],'
echo 'ok    x y'
[ "$MOCKGPU_KERNEL" != 6.4 ] || exit 123
echo 'On coherent VRAM: ["coherent"],'
echo 'skip  x z: why'
[ "$MOCKGPU_KERNEL" != 5.10 ] || echo 'FAIL  x broken'
failed=0
[ "$MOCKGPU_KERNEL" != 5.10 ] || failed=1
echo "check: 2 passed, $failed failed, 1 skipped"
[ "$MOCKGPU_KERNEL" != 6.5 ] || exit 5
exit $failed
END
chmod +x "$vm"/*
outdated_readme()
{
	printf '%s\n' before '<!-- the table of kernels, made by make check-matrix -->' outdated \
		'<!-- end of the table of kernels -->' after
}

matrix_has_a_line_for_each_kernel()
{
	local out status=0
	outdated_readme >"$copy/README.md"
	out=$("$vm/check-matrix") || status=$?
	[ $status = 1 ] || fail "status $status though tests failed"
	expect 'well' "$out" '^ok    5\.1, 5\.1\.7\+deb-amd64, coherent VRAM: 2 passed, 0 failed'
	expect 'a test fails' "$out" $'\nFAIL  x broken\nFAIL  5\.10, '
	expect 'gone' "$out" $'\nskip  6\.2: '
	expect 'not to be built' "$out" $'\nFAIL  6\.3: '
	expect 'a crash' "$out" $'\nFAIL  6\.4, .* private and coherent VRAM: no result, status 123'
	expect 'a bad end' "$out" $'\nFAIL  6\.5, .*: 2 passed, 0 failed, 1 skipped, status 5 '
	expect 'the last line' "$out" $'\ncheck-matrix: 6 passed, 4 failed, 4 skipped$'
}

matrix_writes_the_table()
{
	outdated_readme >"$copy/README.md"
	"$vm/check-matrix" || true
	diff - "$copy/README.md" <<'END' || fail 'it is another table'
before
<!-- the table of kernels, made by make check-matrix -->
| kernel | of Debian | VRAM | device-exclusive | 2 MiB whole | passed | failed | skipped |
|---|---|---|---|---|---|---|---|
| 5.1.7+deb | old | private | yes | yes | 1 | 0 | 0 |
| 5.1.7+deb | old | coherent | no | no | 0 | 0 | 1 |
| 5.10.7+deb | new | private | yes | yes | 1 | 0 | 0 |
| 5.10.7+deb | new | coherent | no | no | 0 | 1 | 1 |
| 6.2 | new | private | | | not run: new has it no more | | |
| 6.2 | new | coherent | | | not run: new has it no more | | |
| 6.3 | new | private | | | not run: the guest could not be built | | |
| 6.3 | new | coherent | | | not run: the guest could not be built | | |
| 6.4.7+deb | new | private | yes | yes | 1 | 1 | 0 |
| 6.4.7+deb | new | coherent | | | not run: the tests ended before it | | |
| 6.5.7+deb | new | private | yes | yes | 1 | 0 | 0 |
| 6.5.7+deb | new | coherent | no | no | 0 | 0 | 1 |
<!-- end of the table of kernels -->
after
END
}

# The last thing wrong may be a status alone.
matrix_fails_by_a_status_alone()
{
	local out status=0 few
	few=$(mktemp -d -p "$copy")
	cp -R "$copy/tests" "$few/"
	sed -i '/^5\.10\|^6\.[234]/d' "$few/tests/vm/kernels"
	outdated_readme >"$few/README.md"
	out=$("$few/tests/vm/check-matrix") || status=$?
	expect 'the last line' "$out" $'\ncheck-matrix: 4 passed, 1 failed, 2 skipped$'
	[ $status = 1 ] || fail "status $status"
}

matrix_of_some_tests_writes_no_table()
{
	outdated_readme >"$copy/README.md"
	"$vm/check-matrix" A1 || true
	outdated_readme | cmp - "$copy/README.md" || fail 'README.md changed'
}

matrix_knows_its_kernels()
{
	local out
	# shellcheck disable=SC2016 # for the other shell
	out=$(MOCKGPU_KERNEL=5.1 bash -c '. "$1"; choose_kernel; echo "$series $suite, $newest"' \
		- "$vm/lib.sh" 2>&1)
	expect 'a kernel' "$out" '^5\.1 old, $'
	# shellcheck disable=SC2016 # for the other shell
	out=$(MOCKGPU_KERNEL='' bash -c '. "$1"; choose_kernel; echo "$series $vram, $newest"' \
		- "$vm/lib.sh" 2>&1)
	expect 'no kernel named' "$out" '^6\.5 coherent, yes$'
	# shellcheck disable=SC2016 # for the other shell
	out=$(MOCKGPU_KERNEL=5 bash -c '. "$1"; choose_kernel' - "$vm/lib.sh" 2>&1) &&
		fail 'a kernel that there is not'
	expect 'not one' "$out" 'KERNEL=5: not one of 5\.1 5\.10 6\.2 6\.3 6\.4 6\.5'
}

# make_says ARGUMENT...: what make says in a copy, where all that it runs but says the kernel
make_says()
{
	local script
	if [ ! -e "$copy/make" ]; then
		mkdir -p "$copy/make/tests/vm"
		cp "$(dirname "$0")"/../../{Makefile,dkms.conf} "$copy/make/"
		for script in check check-matrix; do
			# shellcheck disable=SC2016 # for the script
			printf '#!/bin/sh\necho "$@, kernel $MOCKGPU_KERNEL"\n' \
				>"$copy/make/tests/vm/$script"
		done
		printf '#!/bin/sh\n' >"$copy/make/tests/vm/needs"
		chmod +x "$copy"/make/tests/vm/*
	fi
	make --no-print-directory -C "$copy/make" "$@" 2>&1
}

matrix_kernel_that_was_typed_counts()
{
	unset KERNEL MOCKGPU_KERNEL VRAM REPEAT MAKEFLAGS MAKEOVERRIDES
	expect 'typed' "$(make_says check KERNEL=5.1)" '^, kernel 5\.1$'
	expect 'typed, and another in the environment' \
		"$(MOCKGPU_KERNEL=6.2 make_says check KERNEL=5.1)" '^, kernel 5\.1$'
	expect 'in the environment' "$(MOCKGPU_KERNEL=6.2 make_says check)" '^, kernel 6\.2$'
	expect 'neither' "$(make_says check)" '^, kernel $'
	expect 'upstream' "$(make_says check-upstream KERNEL=5.1)" '^-u, kernel 5\.1$'
	expect 'upstream, all' "$(make_says -n check-upstream)" 'tests/vm/check-matrix -u '
	# A debug kernel takes a while to build: it is that of one kernel.
	expect 'upstream, debug' "$(make_says -n check-upstream DEBUG=1)" 'tests/vm/check -u -d '
	expect 'upstream, debug' "$(make_says check-upstream DEBUG=1 REPEAT=2 T=x)" \
		'^-u -d -r 2 x, kernel $'
}

# What a target does not go by, it refuses.
matrix_options_without_effect_are_refused()
{
	local target option out
	unset KERNEL MOCKGPU_KERNEL VRAM REPEAT MAKEFLAGS MAKEOVERRIDES
	for target in check-matrix check-deb; do
		for option in KERNEL=5.1 VRAM=private REPEAT=3; do
			out=$(make_says $target $option) && fail "make $target took $option"
			expect "$target" "$out" "^[^"$'\n'"]*make $target does not go by $option\."
		done
	done
	out=$(make_says coverage VRAM=coherent) && fail 'make coverage took VRAM='
	expect 'check-matrix' "$(make_says check-matrix T=A1)" '^A1, kernel $'
	expect 'check-deb' "$(make_says check-deb)" '^-p, kernel $'
	expect 'coverage' "$(make_says coverage KERNEL=6.2)" '^-g, kernel 6\.2$'
}

run_tests \
	matrix_has_a_line_for_each_kernel \
	matrix_writes_the_table \
	matrix_fails_by_a_status_alone \
	matrix_of_some_tests_writes_no_table \
	matrix_knows_its_kernels \
	matrix_kernel_that_was_typed_counts \
	matrix_options_without_effect_are_refused
