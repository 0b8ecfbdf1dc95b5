//! What happens while a machine is looked at: a snapshot is of one boot, and knows of no program that nobody runs any more.
use crd::snapshot::HardwareSnapshot;
use machine::probe;

use crate::{
    linux::{fixture, record},
    room::{Room, TWO_ULTRA, known},
    tree::{double, put},
};

/// The snapshot of a machine with so many free cores a SoC, on which, as soon as its query tool has answered for the first time,
/// this happens.
fn seen(free: u32, happens: &str) -> HardwareSnapshot {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let room = Room::of(TWO_ULTRA);
    record(&room, root, &<[u8]>::to_vec);
    let blocks = room.probe().socs.into_iter().enumerate().map(|(qid, soc)| {
        format!(
            "QID {qid}\n\tStatus:Ready\n\tPCI Address:{}\n\tNsp Total:16\n\tNsp Free:{free}\n\tDevice Capabilities: HybridBoot+ MDP+\n",
            soc.address
        )
    });
    let text = format!(
        "Number of devices queried: 8\n{}",
        blocks.collect::<String>()
    );
    double(root, "answers", "opt/qti-aic/tools/qaic-util");
    let answers = "opt/qti-aic/tools/qaic-util.answers";
    for (name, text) in [("calls", ""), ("stdout", text.as_str()), ("after", happens)] {
        put(root, &format!("{answers}/{name}"), text);
    }
    put(root, "proc/sys/kernel/random/boot_id", "before\n");
    probe(&fixture(root), &known())
}

fn free(seen: &HardwareSnapshot) -> Vec<Option<u32>> {
    let socs = seen.socs.iter();
    socs.map(|soc| soc.cores_free.get().copied()).collect()
}

#[test]
fn a_program_that_left_while_we_looked_is_not_at_work() {
    let left = seen(0, "sed -i 's/Nsp Free:0/Nsp Free:16/' stdout\n");
    assert_eq!((left.holders.len(), free(&left)), (0, vec![Some(16); 8]));
    // One that stays and cannot be seen is no less at work for that.
    let unseen = seen(0, "");
    assert_eq!((unseen.holders.len(), free(&unseen)), (0, vec![Some(0); 8]));
}

#[test]
fn what_was_seen_before_a_boot_is_not_told_of_after_it() {
    let boots = "sed -i 's/ MDP+//' stdout\n\
                 echo after >../../../../proc/sys/kernel/random/boot_id\n";
    let booted = seen(16, boots);
    assert_eq!(booted.boot_id.get().map(|id| id.0.as_str()), Some("after"));
    for soc in &booted.socs {
        assert_eq!(soc.mdp.get(), Some(&false), "{}", soc.address);
    }
}
