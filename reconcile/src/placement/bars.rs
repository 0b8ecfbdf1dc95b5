//! Which SoCs cannot be members of a set for their BAR 4, and in which words: too small, or not known.
use crd::{id::PciAddress, plan::ReportReason};

use crate::view::{P2P_BAR_KIB, View};

/// What to do about a BAR that could not be read.
pub(crate) const LOOK_AGAIN: &str =
    "look again; if it stays, look at the kernel's log for what is wrong with the device";

/// What to do where a BAR was given no addresses.
pub(crate) const GIVE_ROOM: &str = "turn above-4G decoding on in firmware and give large MMIO a window of 2 GiB and more for each SoC; pci=realloc on the kernel's command line helps where firmware cannot";

/// SoCs that are no members for one reason, and how that is told.
pub(super) struct Unfit {
    pub(super) reason: ReportReason,
    pub(super) socs: Vec<PciAddress>,
    pub(super) message: String,
    pub(super) hint: &'static str,
}

/// Those of the given SoCs whose BAR 4 is not known to be of 2 GiB or more; what cannot be read is not told as none.
pub(super) fn unfit(view: &View<'_>, socs: impl Iterator<Item = PciAddress>) -> Vec<Unfit> {
    let (mut small, mut unread, mut homeless) = (Vec::new(), Vec::new(), Vec::new());
    for soc in socs {
        match view.bar4_kib(soc) {
            Ok(_) if view.has_no_place(soc) => homeless.push((soc, soc.to_string())),
            Ok(kib) if kib >= P2P_BAR_KIB => {}
            Ok(size) => small.push((soc, format!("{soc} has {size} KiB"))),
            Err(why) => unread.push((soc, format!("{soc} ({why})"))),
        }
    }
    let told = |reason, found: Vec<(PciAddress, String)>, what: &str, hint| {
        let (socs, words): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        (!socs.is_empty()).then(|| Unfit {
            reason,
            socs,
            message: format!(
                "P2P needs BAR 4 of 2 GiB on every member: {what}{}",
                words.join(", ")
            ),
            hint,
        })
    };
    let small = told(
        ReportReason::BarTooSmall,
        small,
        "",
        "ask the system integrator for firmware with a 2 GiB BAR 4; no setting of the machine changes it",
    );
    let unread = told(
        ReportReason::Unread,
        unread,
        "how large it is could not be read of ",
        LOOK_AGAIN,
    );
    let homeless = told(
        ReportReason::BarTooSmall,
        homeless,
        "no addresses were given to that of ",
        GIVE_ROOM,
    );
    small.into_iter().chain(unread).chain(homeless).collect()
}
