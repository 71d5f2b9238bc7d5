# SPDX-License-Identifier: MIT
#
# `make help` lists what can be made.  Nothing is written into this tree: all
# that is built lives in the cache folder, see MOCKGPU_CACHE below.

# As they were typed: what looks like a variable of make is one of the shell's.
# First, as $(shell ...) exports variables, too.
export override CMD := $(value CMD)
export override SHARE := $(value SHARE)
export override HMM_TESTS := $(value HMM_TESTS)

# For another kernel than the running one: KVER=version, or KDIR=/path/to/headers
export KVER ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KVER)/build
# The guest's kernel: one of `make kernels`; what was typed goes before the environment's
export MOCKGPU_KERNEL := $(or $(KERNEL),$(MOCKGPU_KERNEL))
# Everything generated; may be moved, and may be deleted at any time.
export MOCKGPU_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/mockgpu
prefix ?= /usr/local

VERSION := $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"$$/\1/p' dkms.conf)
# Two checkouts never build in the same folder.
BUILD := $(MOCKGPU_CACHE)/build/$(shell printf %s '$(CURDIR)' | sha256sum | cut -c1-12)
DKMS_TREE := $(DESTDIR)/usr/src/mockgpu-$(VERSION)
DKMS_SOURCES := dkms.conf Kbuild module include

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := all
# For a recipe: variables that have a value, though the target does not go by them.
refuse = $(foreach name,$(1),$(if $($(name)),$(error make $@ does not go by \
	$(name:MOCKGPU_%=%)=$($(name)))))

##@ See it work, in a virtual machine

demo: guest-needs ## show mockgpu at work in a guest with a stock Debian kernel
	@tests/vm/demo

check: guest-needs ## run all tests; T=A1 or T=a1,b6: those of these rows; REPEAT=200: so many times
	@tests/vm/check $(if $(REPEAT),-r '$(REPEAT)') $(if $(VRAM),-v '$(VRAM)') $(T)

check-matrix: guest-needs ## check on every kernel of `make kernels`, and the README's table of them
	$(call refuse,MOCKGPU_KERNEL VRAM REPEAT)
	@tests/vm/check-matrix $(T)

kernels: guest-needs ## the kernels that KERNEL= can name, for check, bench, demo, vm and vm-run
	@tests/vm/list-kernels

check-debug: guest-needs ## all scenarios, and unit tests, on a kernel with all its checks on; T=, REPEAT= as well
	@tests/vm/check -d $(if $(REPEAT),-r '$(REPEAT)') $(if $(VRAM),-v '$(VRAM)') $(T)

check-upstream: guest-needs ## the kernel's own HMM tests, on every kernel or KERNEL=; HMM_TESTS=/kernel/tree: of that
	@tests/vm/$(if $(MOCKGPU_KERNEL)$(DEBUG),check,check-matrix) -u $(if $(DEBUG),-d) \
		$(if $(REPEAT),-r '$(REPEAT)') $(if $(VRAM),-v '$(VRAM)') $(T)

check-hibernate: guest-needs ## hibernate a guest, switch it off, boot it again: VRAM is as it was
	$(call refuse,REPEAT)
	@tests/vm/check -H $(if $(VRAM),-v '$(VRAM)') $(T)

check-long: guest-needs ## ten minutes of eviction, 1,000 devices that leave, a million wild calls; DEBUG=1: less
	$(call refuse,REPEAT)
	@tests/vm/check -l $(if $(DEBUG),-d) $(if $(VRAM),-v '$(VRAM)') $(T)

coverage: guest-needs ## check-debug, and which lines of the module it did not execute; T= as well
	$(call refuse,VRAM REPEAT)
	@tests/vm/check -g $(T)

bench: guest-needs ## speed, beside the kernel's own test driver; BENCH=icount: instructions; BENCH=points, BENCH=profile; T=
	@tests/vm/bench "$(BENCH)" "$(T)"

vm: ## a root shell in the guest; SHARE=folder is /host there, read-only
	@[ -t 0 ] || { echo "make vm needs a terminal; use make vm-run CMD='...'" >&2; exit 2; }
	@tests/vm/needs guest
	@tests/vm/run -i -s "$$SHARE" 'exec bash -l'

vm-run: ## run CMD='...' in the guest, fails where it fails; SHARE= as well
	@[ -n "$$CMD" ] || { echo "usage: make vm-run CMD='mockgpu info'" >&2; exit 2; }
	@tests/vm/needs guest
	@tests/vm/run -s "$$SHARE" "$$CMD"

lint: guest-needs ## checkpatch, sparse, W=1, gcc -fanalyzer, shellcheck, man pages
	@tests/lint/lint

##@ Use it on this machine

all: module userspace ## module and userspace; KVER=version or KDIR=/its/build

module: ## the kernel module alone
	@KDIR=$(KDIR) tests/vm/needs module
	@mkdir -p $(BUILD)/module && cp -Rpu $(DKMS_SOURCES) $(BUILD)/module/
	$(MAKE) -C $(KDIR) M=$(BUILD)/module modules
	@echo 'built $(BUILD)/module/module/mockgpu.ko'

userspace: ## library, command and man pages
	@tests/vm/needs userspace
	$(MAKE) -C userspace OUT=$(BUILD)/userspace prefix=$(prefix) all
	@echo 'built $(BUILD)/userspace'

install: userspace ## install library, command and man pages; prefix= and DESTDIR=
	$(MAKE) -C userspace OUT=$(BUILD)/userspace prefix=$(prefix) DESTDIR=$(DESTDIR) install

dkms-install: ## install the module by DKMS, rebuilt with each new kernel (as root)
	@KDIR=$(KDIR) tests/vm/needs module dkms
	@$(MAKE) dkms-remove
	@$(MAKE) dkms-tree
	dkms install -m mockgpu -v $(VERSION) -k $(KVER)
	@echo 'now: modprobe mockgpu'

dkms-remove: ## take it out again (as root)
	@if dkms status -m mockgpu 2>/dev/null | grep -q .; then \
		if grep -q '^mockgpu ' /proc/modules; then rmmod mockgpu || { \
			echo 'close what uses a device, and rmdir /sys/kernel/config/mockgpu/*' >&2; \
			exit 1; }; fi; \
		dkms status -m mockgpu | sed -n 's|^mockgpu/\([^,:]*\).*|\1|p' | sort -u | \
		while read -r version; do \
			dkms remove -m mockgpu -v "$$version" --all && \
			rm -rf "/usr/src/mockgpu-$$version"; \
		done; \
	fi

# What DKMS builds from.
dkms-tree:
	@rm -rf $(DKMS_TREE) && mkdir -p $(DKMS_TREE)
	@cp -R $(DKMS_SOURCES) $(DKMS_TREE)/

deb: guest-needs ## Debian's packages, built in the guest's Debian; TO=folder
	@tests/vm/deb "$${TO:-$(BUILD)/deb}"

check-deb: guest-needs ## install them in a guest by apt, upgrade its kernel, remove them
	$(call refuse,MOCKGPU_KERNEL VRAM REPEAT)
	@tests/vm/check -p $(T)

##@ Clean up

clean: ## remove what was built for this machine
	rm -rf $(BUILD)

distclean: ## remove the whole cache folder, the guest's images included
	@tests/vm/guest --clean
	rm -rf '$(MOCKGPU_CACHE)'

help: ## this list
	@awk -F ':.*## ' '/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile
	@printf '\nEverything generated is in %s (MOCKGPU_CACHE).\n' '$(MOCKGPU_CACHE)'

guest-needs:
	@tests/vm/needs guest

.PHONY: all module userspace install demo check check-long check-matrix kernels \
	check-debug check-upstream check-hibernate coverage bench vm vm-run lint \
	dkms-install dkms-remove dkms-tree deb check-deb clean distclean help guest-needs
