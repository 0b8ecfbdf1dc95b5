//! Why a step is there, in words.
use crd::step::StepReason;

/// Why a step is there, as the end of "because …".
pub fn reason(reason: StepReason) -> &'static str {
    match reason {
        StepReason::PathRedirectsP2P => {
            "this port stands between two members and redirects their traffic"
        }
        StepReason::GroupGone => "no declared group needs this any more",
        StepReason::SettingDiffers => "the declared value differs from what is there",
        StepReason::SettingGone => "nothing declares this any more",
        StepReason::SettingNotKept => "the next boot would lose the declared value",
        StepReason::PartitioningDiffers => {
            "multi-device partitioning differs from what is declared"
        }
        StepReason::ResetNeeded => "a partitioning request takes effect only at a reset",
        StepReason::BeforeReset => "a SoC must be free before it is reset",
        StepReason::BeforeChange => {
            "nothing may rely on the paths between these SoCs while they change or are proven"
        }
        StepReason::AfterReset => "a reset is over only when the SoC says Ready",
        StepReason::QmonitorNeeded => {
            "partitioning requests go through qmonitor, which is not running"
        }
        StepReason::NotVerified => "P2P was never proven in the state that will hold",
        StepReason::WorkDone => "the work on these SoCs is done",
        StepReason::OwnersDiffer => {
            "the ledger's owners or deletion rule differ from what is declared"
        }
        StepReason::MembersDiffer => "the ledger does not know these members for this group yet",
        StepReason::ProgramMissing => "a declared model has no program yet",
        StepReason::WorkerMissing => "a declared replica is not running",
        StepReason::WorkerUnplaced => "as its model is declared, it has no place here",
        StepReason::WorkerGone => "this worker is declared no more",
        StepReason::WorkerDiffers => "this worker was started from another declaration",
        StepReason::SurplusNeeded => {
            "no declared replica may be missing: one more serves while they are stopped in turn"
        }
        StepReason::SurplusDone => "every declared replica serves again",
    }
}
