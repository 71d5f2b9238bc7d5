// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The machine goes to sleep and wakes up.
 *
 * All is done before processes are frozen and after they are thawed, for all devices at
 * once: nobody is held at a control point, and queues stop where they hold nothing.  A device
 * by itself has nothing to do then, as there is no hardware, so it has no calls for it.
 *
 * What is in RAM is there again afterwards: pages of private VRAM and their page structures,
 * also after hibernation.  Coherent VRAM is no RAM to the kernel, so it is in no image; and
 * memory that was taken out of the machine is in it again for the kernel that loads the
 * image.  So the machine does not hibernate while there is some.
 *
 * Locking: the kernel calls here for one thing at a time, under lock_system_sleep().
 */
#include <linux/notifier.h>
#include <linux/printk.h>
#include <linux/suspend.h>

#include "control.h"
#include "engine_gate.h"
#include "power.h"
#include "vram_coherent.h"

static int power_prepare(void)
{
	int ret;

	control_rest(true);
	ret = engine_gate_close();
	if (!ret)
		return 0;
	control_rest(false);
	if (ret == -EBUSY)
		pr_err("mockgpu: the machine cannot sleep: a queue waits for a page that nobody brings\n");
	return ret;
}

static int power_prepare_hibernation(void)
{
	if (!coherent_is_held())
		return power_prepare();
	pr_err("mockgpu: no hibernation with coherent VRAM, which it would lose: unload the module before\n");
	return -EBUSY;
}

static void power_post(void)
{
	engine_gate_open();
	control_rest(false);
}

static int power_notify(struct notifier_block *block, unsigned long event, void *unused)
{
	switch (event) {
	case PM_SUSPEND_PREPARE:
	case PM_RESTORE_PREPARE:
		return notifier_from_errno(power_prepare());
	case PM_HIBERNATION_PREPARE:
		return notifier_from_errno(power_prepare_hibernation());
	case PM_POST_SUSPEND:
	case PM_POST_RESTORE:
	case PM_POST_HIBERNATION:
		power_post();
		return NOTIFY_OK;
	default:
		return NOTIFY_DONE;
	}
}

static struct notifier_block power_block = {
	.notifier_call = power_notify,
};

/**
 * power_init() - be told when the machine goes to sleep
 *
 * Context: before memory is taken for coherent VRAM.
 * Return: 0 or a negative errno.
 */
int power_init(void)
{
	return register_pm_notifier(&power_block);
}

/**
 * power_exit() - undo power_init()
 *
 * Context: after that memory was given back.
 */
void power_exit(void)
{
	unregister_pm_notifier(&power_block);
}
