# SPDX-License-Identifier: MIT
#
# Unit tests, which need no kernel module: `make -C userspace OUT=... check`.

T := $(OUT)/tests
UNIT_TESTS := $(addprefix $(T)/,test_open test_calls test_queue test_point test_log test_picture test_json \
	test_fdinfo test_top_show)
HAVE_CXX := $(shell command -v $(CXX) 2>/dev/null)
# The kernel's headers are the same for both word sizes, but found under one name.
M32 := -m32 $(addprefix -isystem ,/usr/include/$(shell $(CC) -print-multiarch 2>/dev/null))
IS_X86 := $(findstring x86_64,$(shell $(CC) -dumpmachine))

TEST_LINK = $(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(DRM_LIBS)

$(T)/test_open: $(T)/test_open.o $(T)/fake_drm.o $(STATIC)
	$(TEST_LINK)

$(T)/test_calls: $(T)/test_calls.o $(T)/fake_drm.o $(STATIC)
	$(TEST_LINK)

$(T)/test_queue: $(T)/test_queue.o $(T)/fake_drm.o $(STATIC)
	$(TEST_LINK)

$(T)/test_point: $(T)/test_point.o $(T)/fake_drm.o $(STATIC)
	$(TEST_LINK)

$(T)/test_log: $(T)/test_log.o $(T)/fake_drm.o $(STATIC)
	$(TEST_LINK)

$(T)/test_picture: $(T)/test_picture.o $(addprefix $(OUT)/mockgpu/,picture.o svg.o common.o) $(STATIC)
	$(TEST_LINK)

$(T)/test_json: $(T)/test_json.o $(OUT)/mockgpu/json.o
	$(TEST_LINK)

$(T)/test_fdinfo: $(T)/test_fdinfo.o $(OUT)/mockgpu/fdinfo.o
	$(TEST_LINK)

$(T)/test_top_show: $(T)/test_top_show.o $(addprefix $(OUT)/mockgpu/,top_show.o fdinfo.o json.o info.o common.o) $(STATIC)
	$(TEST_LINK)

$(T)/mockgpu-fake: $(CMD_OBJS) $(addprefix $(T)/,fake_drm.o fake_device.o fake_log.o) $(STATIC)
	$(TEST_LINK)

$(addprefix $(T)/,test_picture.o test_json.o test_fdinfo.o test_top_show.o): EXTRA := -I$(SRC)/mockgpu

# The headers: 64-bit, 32-bit and C++ see one layout.
.PHONY: check-headers check-install check-cxx
check-headers:
	@mkdir -p $(T)
	$(CC) $(CPPFLAGS_ALL) -std=gnu11 $(WARN) -fsyntax-only $(SRC)/tests/layout.c
ifneq ($(IS_X86),)
	$(CC) $(CPPFLAGS_ALL) -std=gnu11 $(WARN) $(M32) -fsyntax-only $(SRC)/tests/layout.c
endif

ifneq ($(HAVE_CXX),)
$(T)/cxx: $(SRC)/tests/cxx.cc $(STATIC) $(SRC)/libmockgpu/mockgpu.h $(UAPI)/drm/mockgpu_drm.h
	$(CXX) $(CPPFLAGS_ALL) -Wall -Wextra -Wold-style-cast -std=c++17 -o $@ $< $(STATIC) $(DRM_LIBS)

check-cxx: $(T)/cxx
	$(CXX) $(CPPFLAGS_ALL) -std=c++17 -x c++ -fsyntax-only $(SRC)/tests/layout.c
	$(T)/cxx
else
check-cxx:
	@echo "userspace: no C++ compiler here, the headers are not tried as C++" >&2
endif

# As a user would: install, then build the example by pkg-config, shared and static.
check-install: all
	rm -rf $(T)/root
	$(MAKE) -f $(SRC)/Makefile OUT=$(OUT) DESTDIR=$(T)/root prefix=/usr libdir=/usr/lib install >/dev/null
	CC='$(CC)' PKG_CONFIG='$(PKG_CONFIG)' sh $(SRC)/tests/test_install.sh $(T)/root

check: all check-headers check-cxx check-install $(UNIT_TESTS) $(T)/mockgpu-fake
	@set -e; for t in $(UNIT_TESTS); do \
		echo "== $${t##*/}"; $$t >$$t.tap || { grep -v '^ok' $$t.tap; exit 1; }; tail -1 $$t.tap; \
	done
	@echo "== test_symbols"; sh $(SRC)/tests/test_symbols.sh $(OUT)/$(SHARED) \
		$(SRC)/libmockgpu/mockgpu.h $(SRC)/libmockgpu/libmockgpu.map \
		$(T)/root/usr/share/man/man3
	@echo "== test_cmd"; sh $(SRC)/tests/test_cmd.sh $(T)/mockgpu-fake >$(T)/test_cmd.tap || \
		{ grep -v '^ok' $(T)/test_cmd.tap; exit 1; }; tail -1 $(T)/test_cmd.tap
	@echo "== test_trace"; sh $(SRC)/tests/test_trace.sh $(T)/mockgpu-fake >$(T)/test_trace.tap || \
		{ grep -v '^ok' $(T)/test_trace.tap; exit 1; }; tail -1 $(T)/test_trace.tap
	@echo "== test_top"; sh $(SRC)/tests/test_top.sh $(T)/mockgpu-fake >$(T)/test_top.tap || \
		{ grep -v '^ok' $(T)/test_top.tap; exit 1; }; tail -1 $(T)/test_top.tap

-include $(T)/*.d
