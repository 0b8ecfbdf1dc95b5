//! What befalls one SoC.
use crd::{
    Fact, Unknown,
    id::{BootId, Word},
    snapshot::{
        HardwareSnapshot, Holder, HolderKind, LedgerEntry, LedgerTarget, PciFunction, SocStatus,
    },
};

use super::{
    Twist,
    past::{gone, one_entry_each},
};

/// What is about one SoC.
pub fn of_soc(snapshot: &mut HardwareSnapshot, twist: Twist) {
    let socs = snapshot.socs.len().max(1);
    let (Twist::Status(at, _)
    | Twist::Mdp(at, _)
    | Twist::SmallBar(at)
    | Twist::Cores(at, _)
    | Twist::Foreign(at)
    | Twist::Busy(at)
    | Twist::NoSerial(at)
    | Twist::Passed(at)
    | Twist::Beside(at)
    | Twist::FormerMdp(at, _)
    | Twist::Moved(at)) = twist
    else {
        return;
    };
    let HardwareSnapshot {
        functions,
        socs: there,
        holders,
        ledger,
        boot_id,
        ..
    } = snapshot;
    let Some(soc) = there.get_mut(at % socs) else {
        return;
    };
    let function = functions.iter_mut().find(|f| f.address == soc.address);
    match twist {
        Twist::Status(_, state) => {
            soc.status = match state % 4 {
                0 => Fact::known(SocStatus::Initializing, "twist"),
                1 => Fact::known(SocStatus::Error, "twist"),
                2 => Fact::known(SocStatus::Other("Busy".into()), "twist"),
                _ => Fact::unknown(Unknown::ToolFailed, "twist"),
            };
        }
        Twist::Mdp(_, value) => {
            soc.mdp = value.map_or_else(
                || Fact::unknown(Unknown::ToolFailed, "twist"),
                |value| Fact::known(value, "twist"),
            );
        }
        Twist::SmallBar(_) => {
            for bar in function
                .into_iter()
                .filter_map(|f| f.bars.value.as_mut())
                .flatten()
            {
                bar.size_kib = 64;
            }
        }
        Twist::Cores(_, cores) => {
            soc.cores = Fact::known(cores, "twist");
            soc.cores_free = Fact::known(cores, "twist");
        }
        Twist::Busy(_) => soc.cores_free = Fact::known(2, "twist"),
        Twist::Foreign(_) => holders.push(Holder {
            soc: soc.address,
            kind: HolderKind::Foreign,
            pid: Some(777),
            name: "tenant".into(),
            unit: Some("tenant-a.service".into()),
            container: Some("tenant-b".into()),
            pod: Some("tenant-c".into()),
        }),
        Twist::NoSerial(_) => soc.serial = Fact::unknown(Unknown::NoPermission, "twist"),
        Twist::Passed(_) => {
            if let Some(function) = function {
                function.driver = Fact::known("vfio-pci".into(), "twist");
            }
        }
        Twist::Moved(_) => soc.path = crd::id::PciPath(format!("{}/0f.0", soc.path)),
        Twist::FormerMdp(_, deletion) => ledger.entries.push(LedgerEntry {
            target: LedgerTarget::Mdp { soc: soc.address },
            owners: vec![gone("CardPolicy")],
            deletion,
            pre_image: "false".into(),
            written: "true".into(),
            boot_id: boot_id.get().cloned().unwrap_or(BootId(String::new())),
        }),
        Twist::Beside(_) => {
            let beside = function.map(|function| stranger(function));
            if let Some(beside) =
                beside.filter(|f| functions.iter().all(|g| g.address != f.address))
            {
                functions.push(beside);
            }
        }
        _ => {}
    }
    one_entry_each(snapshot);
}

/// A second function of a SoC's device, bound to VFIO.
fn stranger(function: &PciFunction) -> PciFunction {
    let mut beside = function.clone();
    beside.address.device = 1;
    beside.path = crd::id::PciPath(format!("{}x", function.path));
    beside.vendor = Word(0x10de);
    beside.driver = Fact::known("vfio-pci".into(), "twist");
    beside
}
