//! The PCI tree as facts: functions, their parents, ports, ACS words and BARs.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Fact,
    fact::{plain_or_fact, unrecorded},
    id::{PciAddress, PciPath, Word},
};

/// Index of the base address register that P2P needs at 2 GiB (vendor pre-requisite).
pub const BAR4: u8 = 4;

/// One PCI function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PciFunction {
    /// Where the kernel put it at this boot.
    pub address: PciAddress,
    /// Where it is wired, from its root port down.
    pub path: PciPath,
    /// The bridge above it; absent for what sits on a root bus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<PciAddress>,
    /// Vendor id, such as `0x17cb`.
    pub vendor: Word,
    /// Device id, such as `0xa100`.
    pub device: Word,
    /// Class code of 24 bits, `0x120000` form.
    pub class: String,
    /// The kind of port; absent for an endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<PortKind>,
    /// Access Control Services: known-and-absent (`none`), a pair of words, or unknown.
    pub acs: Fact<Acs>,
    /// The IOMMU group as the kernel computed it at enumeration; known `null` is written as an absent value with
    /// reason `Absent` when the kernel has no IOMMU.
    pub iommu_group: Fact<u32>,
    /// The bound driver; `Absent` when none is.
    pub driver: Fact<String>,
    /// Base address registers that decode something.
    #[serde(default = "unrecorded::<Vec<Bar>>", deserialize_with = "plain_or_fact")]
    #[schemars(with = "Fact<Vec<Bar>>")]
    pub bars: Fact<Vec<Bar>>,
    /// The PCIe link as it runs; `Absent` for what has none.
    #[serde(default = "unrecorded::<Link>", deserialize_with = "plain_or_fact")]
    #[schemars(with = "Fact<Link>")]
    pub link: Fact<Link>,
    /// The fastest and widest link that this end can have.
    #[serde(default = "unrecorded::<Link>", deserialize_with = "plain_or_fact")]
    #[schemars(with = "Fact<Link>")]
    pub max_link: Fact<Link>,
    /// NUMA node; `Absent` where the firmware names none.
    #[serde(default = "unrecorded::<u32>", deserialize_with = "plain_or_fact")]
    #[schemars(with = "Fact<u32>")]
    pub numa_node: Fact<u32>,
}

impl PciFunction {
    /// One base address register; none where it decodes nothing, or is unknown.
    pub fn bar(&self, index: u8) -> Option<&Bar> {
        let bars = self.bars.get()?;
        bars.iter().find(|bar| bar.index == index)
    }
}

/// What a bridge function is in a PCIe hierarchy.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum PortKind {
    /// Root port of the CPU.
    Root,
    /// Upstream port of a switch.
    SwitchUpstream,
    /// Downstream port of a switch.
    SwitchDownstream,
    /// Any other PCI-PCI bridge (conventional PCI, PCIe to PCI, or one whose capability could not be read).
    Bridge,
}

/// A port's Access Control Services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum Acs {
    /// The configuration space was read whole and holds no ACS capability.
    None,
    /// The capability is there.
    Present {
        /// Offset of the capability in configuration space, 0x100 to 0xffc.
        offset: u16,
        /// Capability word: which bits the port implements.
        capability: Word,
        /// Control word: which are on.
        control: Word,
    },
}

/// One base address register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bar {
    /// 0 to 5.
    pub index: u8,
    /// Size in KiB (4 for 4 KiB, 2097152 for 2 GiB).
    pub size_kib: u64,
    /// Whether it is prefetchable.
    pub prefetchable: bool,
    /// Whether it has a size and was given no addresses, so that nothing reaches it; absent where it was, as in recordings of
    /// versions that did not look.
    #[serde(default, skip_serializing_if = "is_somewhere")]
    pub unassigned: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes the field by reference"
)]
fn is_somewhere(unassigned: &bool) -> bool {
    !*unassigned
}

/// A PCIe link's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Link {
    /// Speed as the kernel writes it, such as `16.0 GT/s PCIe`.
    pub speed: String,
    /// Lanes in use.
    pub width: u32,
}

/// Whether a driver does nothing with a device but give it to somebody else: a virtual machine (VFIO, or Xen, whose backend
/// takes it first), or a program of its own (UIO).
///
/// Source: the kernel's `drivers/vfio`, `drivers/xen/xen-pciback` and `drivers/uio`; `pci-stub` keeps a device for any of them.
pub fn hands_on(driver: &str) -> bool {
    driver.starts_with("vfio")
        || driver.starts_with("uio")
        || ["pci-stub", "pciback", "xen-pciback", "igb_uio"].contains(&driver)
}
