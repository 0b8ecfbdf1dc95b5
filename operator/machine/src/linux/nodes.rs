//! Device nodes that stand for a SoC: `/dev/accel/accelN`, `/dev/qaic_aic100_N`, `/dev/vfio/GROUP`, and the numbers by which the
//! kernel knows them. A path is one mount namespace's name for a node; its number is the same in all of them.
//!
//! Format: documented (the kernel's accel, DRM and VFIO interfaces; `dev` files, sysfs(5)); the node of drivers before the accel
//! class is inferred. Seen as files alone.
use std::collections::BTreeMap;

use crd::id::PciAddress;

use super::{
    Linux,
    holders::{Gone, present},
};
use crate::access::AccessError;

/// Major and minor number.
pub(super) type Number = (u64, u64);

/// The nodes of some SoCs.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    by_path: BTreeMap<String, Node>,
    by_number: BTreeMap<Number, PciAddress>,
}

#[derive(Debug)]
struct Node {
    soc: PciAddress,
    /// Unknown where sysfs does not say it.
    number: Option<Number>,
}

impl Nodes {
    /// Reads from sysfs which nodes stand for these SoCs; those of which it does not say are left in `unseen_of`.
    pub(super) fn of(
        linux: &Linux,
        socs: &[PciAddress],
        unseen_of: &mut BTreeMap<PciAddress, AccessError>,
    ) -> Self {
        let mut nodes = Self::default();
        for &soc in socs {
            let mut unseen = None;
            let folder = format!("/sys/bus/pci/devices/{soc}");
            for (class, prefix) in [
                ("accel", "/dev/accel/"),
                ("qaic", "/dev/"),
                ("vfio-dev", "/dev/vfio/devices/"),
            ] {
                let class = format!("{folder}/{class}");
                let names = present(linux.list(&class), &mut unseen, Gone::Ended);
                for name in names.unwrap_or_default() {
                    let number = number(linux, &format!("{class}/{name}"));
                    nodes.put(format!("{prefix}{name}"), soc, number);
                }
            }
            let link = linux.readlink(&format!("{folder}/iommu_group"));
            let target = present(link, &mut unseen, Gone::Ended);
            if let Some(group) = target
                .as_deref()
                .and_then(|target| target.rsplit('/').next())
            {
                let number = number(linux, &format!("/sys/class/vfio/{group}"));
                nodes.put(format!("/dev/vfio/{group}"), soc, number);
            }
            unseen_of.extend(unseen.map(|error| (soc, error)));
        }
        nodes
    }

    fn put(&mut self, path: String, soc: PciAddress, number: Option<Number>) {
        if let Some(number) = number {
            self.by_number.insert(number, soc);
        }
        self.by_path.insert(path, Node { soc, number });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_path.is_empty()
    }

    /// The SoC that an open file stands for: by the number of the device that it is, or, where either is not known, by the
    /// name under which it was opened.
    pub(super) fn soc(&self, path: &str, number: Option<Number>) -> Option<PciAddress> {
        if let Some(soc) = number.and_then(|number| self.by_number.get(&number)) {
            return Some(*soc);
        }
        // Whoever made the node anew left those who have the old one open with a name that is gone.
        let node = self
            .by_path
            .get(path.strip_suffix(" (deleted)").unwrap_or(path))?;
        let another = number.is_some() && node.number.is_some();
        (!another).then_some(node.soc)
    }
}

/// What a device's `dev` file says.
fn number(linux: &Linux, folder: &str) -> Option<Number> {
    let bytes = linux.read(&format!("{folder}/dev")).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (major, minor) = text.trim().split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_tells_more_than_a_name() {
        let soc = |text: &str| text.parse::<PciAddress>().expect("an address");
        let (first, second, third) = (
            soc("0000:21:00.0"),
            soc("0000:22:00.0"),
            soc("0000:23:00.0"),
        );
        let mut nodes = Nodes::default();
        nodes.put("/dev/accel/accel0".into(), first, Some((261, 0)));
        nodes.put("/dev/accel/accel1".into(), second, Some((261, 1)));
        nodes.put("/dev/accel/accel2".into(), third, None);
        for (path, number, expected) in [
            ("/dev/accel/accel0", Some((261, 0)), Some(first)),
            ("/dev/accel/accel0", None, Some(first)),
            ("/host/dev/accel/accel0", Some((261, 0)), Some(first)),
            // A container's name for another's device.
            ("/dev/accel/accel1", Some((261, 0)), Some(first)),
            ("/dev/accel/accel0 (deleted)", Some((261, 0)), Some(first)),
            ("/dev/accel/accel0 (deleted)", None, Some(first)),
            ("/dev/accel/accel0", Some((1, 3)), None),
            ("/dev/accel/accel2", Some((261, 2)), Some(third)),
            ("/dev/null", Some((1, 3)), None),
        ] {
            assert_eq!(nodes.soc(path, number), expected, "{path} {number:?}");
        }
    }
}
