#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What a user sees of the module with the tools that every distribution has.

# shellcheck source=tests/tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"

tools_modinfo_describes_the_module()
{
	local field
	for field in filename license description author version; do
		expect "modinfo -F $field" "$(modinfo -F "$field" mockgpu | head -n 1)" '[^ ]'
	done
	expect filename "$(modinfo -F filename mockgpu)" '/updates/(dkms/)?mockgpu\.ko'
	expect license "$(modinfo -F license mockgpu)" GPL
}

tools_modinfo_states_the_range_of_each_parameter()
{
	local parameters
	parameters=$(modinfo -F parm mockgpu)
	expect devices "$(grep '^devices:' <<<"$parameters")" '0.*16'
	expect vram_mb "$(grep '^vram_mb:' <<<"$parameters")" '2.*1048576'
	expect vram "$(grep '^vram:' <<<"$parameters")" 'auto.*private.*coherent.*default'
	expect user_vram_percent "$(grep '^user_vram_percent:' <<<"$parameters")" '1.*100'
	expect coherent_source "$(grep '^coherent_source:' <<<"$parameters")" 'offline.*default'
}

tools_lsmod_shows_it_unused()
{
	expect lsmod "$(lsmod | grep '^mockgpu ')" '^mockgpu +[0-9]+ +0$'
}

tools_dkms_status_says_installed()
{
	[ -e /var/lib/dkms/mockgpu ] || skip 'the module of this guest was not built by DKMS'
	expect filename "$(modinfo -F filename mockgpu)" '/updates/dkms/mockgpu\.ko'
	expect 'dkms status' "$(dkms status -m mockgpu)" \
		"^mockgpu/[0-9.]+, $(uname -r | sed 's/[+.]/\\&/g'), x86_64: installed$"
}

tools_drmdevice_lists_the_node()
{
	local out
	out=$(drmdevice) || fail "drmdevice ended with $?"
	expect drmdevice "$out" 'renderD[0-9]+'
	expect drmdevice "$out" 'mockgpu'
}

# drm_info is about displays: of a device that only renders it says that it has
# none, and names it.
tools_drm_info_finds_the_node()
{
	expect drm_info "$(drm_info 2>&1)" '/dev/dri/card[0-9]+'
}

tools_mockgpu_info_names_kernel_and_sizes()
{
	local out
	out=$(mockgpu info) || fail "mockgpu info ended with $?"
	expect 'mockgpu info' "$out" "$(uname -r | sed 's/[+.]/\\&/g')"
	expect 'mockgpu info' "$out" '[Pp]rivate'
	expect 'mockgpu info' "$out" 'MiB'
}

run_tests \
	tools_modinfo_describes_the_module \
	tools_modinfo_states_the_range_of_each_parameter \
	tools_lsmod_shows_it_unused \
	tools_dkms_status_says_installed \
	tools_drmdevice_lists_the_node \
	tools_drm_info_finds_the_node \
	tools_mockgpu_info_names_kernel_and_sizes
