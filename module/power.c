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
 * image.  So the machine does not hibernate while there is some, and there is none while it
 * hibernates, from when it is asked to, be it by opening /dev/snapshot, until that is over.
 *
 * Locking: the kernel calls here for one thing at a time, under lock_system_sleep().
 */
#include <linux/notifier.h>
#include <linux/printk.h>
#include <linux/suspend.h>

#include "control.h"
#include "engine_gate.h"
#include "power.h"
#include "vram.h"
#include "vram_coherent.h"

/* A machine that was asked to hibernate by way of /dev/snapshot can be suspended meanwhile. */
static unsigned int power_prepared;

static int power_prepare(void)
{
	int ret;

	if (power_prepared) {
		power_prepared++;
		return 0;
	}
	control_rest(true);
	ret = engine_gate_close();
	if (!ret) {
		power_prepared = 1;
		return 0;
	}
	control_rest(false);
	if (ret == -EBUSY)
		pr_err("mockgpu: the machine cannot sleep: a queue (a thread mockgpu/PID) waits for a page that nobody brings\n");
	return ret;
}

static int power_prepare_hibernation(void)
{
	int ret;

	if (coherent_bar()) {
		ret = power_prepare();
		if (ret)
			coherent_unbar();
		/* What nobody uses need not be in the image. */
		vram_release_kept();
		return ret;
	}
	pr_err("mockgpu: no hibernation with coherent VRAM, which would be lost: unload the module, or switch those devices off\n");
	return -EBUSY;
}

/* The module may have been loaded after it was prepared. */
static void power_post(void)
{
	if (!power_prepared || --power_prepared)
		return;
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
	case PM_POST_HIBERNATION:
		coherent_unbar();
		fallthrough;
	case PM_POST_SUSPEND:
	case PM_POST_RESTORE:
		power_post();
		return NOTIFY_OK;
	default:
		return NOTIFY_DONE;
	}
}

static struct notifier_block power_block = {
	.notifier_call = power_notify,
};

/*
 * The last look before an image is made, or takes the place of all there is: the module may not
 * have been there yet when the machine was asked to hibernate.
 */
static int power_freeze(struct device *dev)
{
	return coherent_is_held() ? -EBUSY : 0;
}

/* For the driver, of each device. */
const struct dev_pm_ops power_ops = {
	.freeze = power_freeze,
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
