//! Bridges that could not be read when a server was recorded: they stand where what hangs below them says, and tell nothing.
use crd::{
    Fact, Unknown,
    id::Word,
    snapshot::{Above, Gap, HardwareSnapshot, PciFunction, PortKind, gaps},
};

use crate::probe::pci::DEVICES;

/// The bridges that are not in the recording and without which what is in it would hang nowhere.
pub(super) fn bridges(snapshot: &HardwareSnapshot) -> Result<Vec<PciFunction>, String> {
    gaps(snapshot).iter().map(bridge).collect()
}

fn bridge(gap: &Gap) -> Result<PciFunction, String> {
    let Gap {
        bridge,
        path,
        below,
        above,
    } = gap;
    let parent = match above {
        Above::Nothing => None,
        Above::Bridge(parent) => Some(*parent),
        Above::Unknown => {
            return Err(format!(
                "its recording hangs {below} below {bridge}, which could not be read, and does not say what that hangs below: record it anew as root"
            ));
        }
    };
    let source = format!("{DEVICES}/{bridge}");
    Ok(PciFunction {
        address: *bridge,
        path: path.clone(),
        parent,
        // Nobody's: a device that answers has another.
        vendor: Word(0),
        device: Word(0),
        class: "0x060400".to_owned(),
        port: Some(PortKind::Bridge),
        acs: unread(&source),
        iommu_group: unread(&source),
        driver: unread(&source),
        bars: unread(&source),
        link: unread(&source),
        max_link: unread(&source),
        numa_node: unread(&source),
    })
}

fn unread<T>(source: &str) -> Fact<T> {
    Fact::unknown(Unknown::ReadFailed, source)
}
