//! Requests for partitioning that no reset took up: firmware does not show them, the ledger alone knows of them.
use crd::{
    kind::{DeletionRule, MdpMode},
    snapshot::{LedgerEntry, LedgerTarget},
};

use crate::view::View;

/// The entry of a SoC whose partitioning is as its policy says by name and as it was before us, while a request of ours for
/// the other may still wait in its firmware: to be taken back whatever the rule for removals is, for no declaration asks for it.
pub(super) fn withdrawn(view: &View<'_>, entry: &LedgerEntry) -> Option<LedgerEntry> {
    let LedgerTarget::Mdp { soc } = entry.target else {
        return None;
    };
    let declared = match view.policy(soc)?.spec.mdp? {
        MdpMode::Enabled => true,
        MdpMode::Disabled => false,
        MdpMode::Groups => return None,
    };
    let now = *view.soc(soc)?.mdp.get()?;
    let was = entry.pre_image.parse() == Ok(now);
    (now == declared && was && entry.written != entry.pre_image).then(|| LedgerEntry {
        deletion: DeletionRule::Revert,
        ..entry.clone()
    })
}
