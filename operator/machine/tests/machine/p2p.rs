//! P2P verification on a rack: it passes where data can go and fails with the vendor tool's words where it cannot.
use crd::{id::GroupId, snapshot::HardwareSnapshot, step::Action};
use machine::{StepError, perform};

use crate::room::{Room, TWO_ULTRA, port, soc};

const PORT: &str = "0000:24:00.0";
const SOC: &str = "0000:25:00.0";
const OTHER: &str = "0000:26:00.0";

/// The proof of a pair: data between these members, past these ports.
fn pair(snapshot: &HardwareSnapshot, members: [&str; 2], ports: &[&str]) -> Action {
    Action::VerifyP2P {
        group: GroupId {
            name: "pair".to_owned(),
            index: 0,
            node: "aic-01".into(),
        },
        members: members.map(|address| soc(snapshot, address)).to_vec(),
        ports: ports
            .iter()
            .map(|address| port(snapshot, address))
            .collect(),
    }
}

/// Partitions every SoC.
fn partition(room: &Room, snapshot: &HardwareSnapshot) {
    for soc in &snapshot.socs {
        let mdp = format!("{}/mdp", soc.address);
        room.server().set(&mdp, "on").unwrap();
    }
}

/// Partitions both SoCs and clears both ports, so that P2P works.
fn prepared() -> (Room, Action) {
    let room = Room::of(TWO_ULTRA);
    let snapshot = room.probe();
    for address in [SOC, OTHER] {
        room.server().set(&format!("{address}/mdp"), "on").unwrap();
    }
    for address in [PORT, "0000:24:01.0"] {
        room.server()
            .set(&format!("{address}/acs"), "0x0011")
            .unwrap();
    }
    let verify = pair(&snapshot, [SOC, OTHER], &[PORT, "0000:24:01.0"]);
    (room, verify)
}

#[test]
fn p2p_tells_the_truth_about_the_registers() {
    type Break = fn(&Room);
    let breaks: [(&str, Break, &str); 6] = [
        ("nothing", |_| {}, ""),
        (
            "redirect on a card port",
            |room| room.server().set("0000:24:01.0/acs", "0x001d").unwrap(),
            "Failed to access P2P device",
        ),
        (
            "completion redirect alone",
            |room| room.server().set("0000:24:00.0/acs", "0x0008").unwrap(),
            "Failed to access P2P device",
        ),
        (
            "partitioning off",
            |room| room.server().set("0000:25:00.0/mdp", "off").unwrap(),
            "Failed to access P2P device",
        ),
        (
            "fast and wrong",
            |room| {
                room.server()
                    .fault("p2p-corrupt:0000:26:00.0".parse().unwrap())
                    .unwrap();
            },
            "differ",
        ),
        (
            "above the divergence",
            |room| room.server().set("0000:22:00.0/acs", "0x007f").unwrap(),
            "",
        ),
    ];
    for (name, breaks, want) in breaks {
        let (room, verify) = prepared();
        breaks(&room);
        match perform(room.machine(), &verify) {
            Ok(_) => assert_eq!(want, "", "{name}"),
            Err(error) => assert!(
                !want.is_empty() && error.to_string().contains(want),
                "{name}: {error}"
            ),
        }
    }
}

/// A test that brings nothing to compare with proves that links carry it, and no more: asked for data, that is no pass.
#[test]
fn where_nothing_was_compared_data_is_not_proven() {
    let (room, verify) = prepared();
    perform(room.machine(), &verify).unwrap();
    let mut recorded = room.probe();
    let installed = &mut recorded.prerequisites.as_mut().unwrap().installed;
    let files = installed.value.as_mut().unwrap();
    assert!(files.iter().any(|file| file.ends_with("/output.bin")));
    files.retain(|file| !file.ends_with("/output.bin"));
    let server = serde_json::json!({ "name": "aic-01", "recorded": recorded, "rootPorts": [] });
    let text = serde_json::json!({
        "apiVersion": "shardplane.dev/v1alpha1",
        "kind": "Rack",
        "metadata": { "name": "twin" },
        "spec": { "seed": 1, "servers": [server] },
    });
    let twin = Room::of(&text.to_string());
    let error = perform(twin.machine(), &verify).unwrap_err();
    assert!(
        matches!(error, StepError::NotCompared { runs: 2, unsaid: 2 }),
        "{error}"
    );
    // What fails is told as that.
    twin.server().set("0000:24:00.0/acs", "0x001d").unwrap();
    let error = perform(twin.machine(), &verify).unwrap_err();
    assert!(matches!(error, StepError::NoP2P { .. }), "{error}");
}

#[test]
fn p2p_between_cards_and_without_a_switch() {
    let room = Room::of(TWO_ULTRA);
    let snapshot = room.probe();
    partition(&room, &snapshot);
    let verify = pair(
        &snapshot,
        [SOC, "0000:2b:00.0"],
        &["0000:22:00.0", "0000:22:01.0"],
    );
    // A redirecting host switch delivers fast and wrong: only the check of the data sees it.
    let error = perform(room.machine(), &verify).unwrap_err();
    assert!(error.to_string().contains("differ"), "{error}");
    for address in ["0000:22:00.0", "0000:22:01.0"] {
        room.server()
            .set(&format!("{address}/acs"), "0x0011")
            .unwrap();
    }
    perform(room.machine(), &verify).unwrap();

    let room = Room::example("eight-standard-root-ports");
    let snapshot = room.probe();
    partition(&room, &snapshot);
    for function in snapshot.functions.iter().filter(|f| f.port.is_some()) {
        room.server()
            .set(&format!("{}/acs", function.address), "0x0000")
            .unwrap();
    }
    let verify = pair(&snapshot, ["0000:21:00.0", "0000:22:00.0"], &[]);
    let error = perform(room.machine(), &verify).unwrap_err();
    assert!(
        error.to_string().contains("Failed to access P2P device"),
        "{error}"
    );
}
