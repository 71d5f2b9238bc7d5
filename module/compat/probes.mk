# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# For a Kbuild file: makes compat_probes.h beside the objects, before the first of
# them, and again where the kernel, the compiler, its flags or the probes have changed.
# $(mockgpu-compat) is this folder, $(mockgpu-probed) are the objects.

targets += compat_probes.h
clean-files += compat_probes.h

quiet_cmd_mockgpu_probe = PROBE   $@
      cmd_mockgpu_probe = $(CONFIG_SHELL) $(mockgpu-compat)/probe.sh $(mockgpu-compat)/probes $@ \
	$(KERNELRELEASE) $(objtree) $(CC) $(NOSTDINC_FLAGS) $(LINUXINCLUDE) \
	-include $(srctree)/include/linux/compiler_types.h $(KBUILD_CPPFLAGS) $(KBUILD_CFLAGS) \
	$(KBUILD_CFLAGS_MODULE)

$(obj)/compat_probes.h: $(mockgpu-compat)/probes $(mockgpu-compat)/probe.sh \
		$(wildcard $(objtree)/Module.symvers) $(objtree)/include/generated/autoconf.h FORCE
	$(call if_changed,mockgpu_probe)

$(addprefix $(obj)/,$(mockgpu-probed)): $(obj)/compat_probes.h

ccflags-y += -I$(obj)
