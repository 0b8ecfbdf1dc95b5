// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// A double of the driver qaic for the kernel lab: it binds AI 100 functions and has the one parameter that we
// set, by the name and in the unit that its generation has.
// It touches no device: firmware, MHI and accel nodes are the business of the doubled tools, or absent.
#include <linux/module.h>
#include <linux/pci.h>

#ifdef FIRST_GENERATION
static unsigned int control_resp_timeout = 60000;
module_param(control_resp_timeout, uint, 0644);
MODULE_PARM_DESC(control_resp_timeout, "Milliseconds that a SoC may take to answer");
#else
static unsigned int control_resp_timeout_s = 60;
module_param(control_resp_timeout_s, uint, 0644);
MODULE_PARM_DESC(control_resp_timeout_s, "Seconds that a SoC may take to answer");
#endif

static const struct pci_device_id ids[] = {
	{ PCI_DEVICE(0x17cb, 0xa080) },
	{ PCI_DEVICE(0x17cb, 0xa100) },
	{ }
};

static int bind(struct pci_dev *pdev, const struct pci_device_id *id)
{
	return 0;
}

static struct pci_driver qaic = {
	.name = "qaic",
	.id_table = ids,
	.probe = bind,
};
module_pci_driver(qaic);

MODULE_DESCRIPTION("Double of qaic for tests");
MODULE_LICENSE("GPL");
