//! Who holds which SoC, as an agent says it: in tables.
use crd::{
    id::PciAddress,
    snapshot::{HardwareSnapshot, Holder, HolderKind, PodName},
};

use super::tenants::{Allotment, Tenants, Word, is_of_socs};
use crate::cluster::controller::tests::ultra::machine_of;

fn address(snapshot: &HardwareSnapshot, index: usize) -> PciAddress {
    snapshot.socs[index].address
}

/// What an agent sees where the kubelet says this, a line a holder: SoC by index, kind, name.
fn seen(snapshot: &mut HardwareSnapshot, word: Word) -> Vec<String> {
    Tenants::Pods(word).join(snapshot);
    let index = |soc: PciAddress| {
        let mut socs = snapshot.socs.iter();
        socs.position(|found| found.address == soc).unwrap()
    };
    snapshot
        .holders
        .iter()
        .map(|holder| {
            let kind = match &holder.kind {
                HolderKind::Worker { .. } => "worker",
                HolderKind::Foreign => "foreign",
                HolderKind::Pod { named: Some(_) } => "pod",
                HolderKind::Pod { named: None } => "process of a pod",
                HolderKind::Unseen { .. } => "unseen",
            };
            format!("{} {kind} {}", index(holder.soc), holder.name)
        })
        .collect()
}

fn has(device: &str) -> Allotment {
    Allotment {
        pod: PodName {
            namespace: "models".into(),
            name: "a".into(),
        },
        of: "qualcomm.com/qaic".into(),
        device: device.into(),
    }
}

fn process(soc: PciAddress, pid: u32, pod: Option<&str>) -> Holder {
    Holder {
        soc,
        kind: HolderKind::Foreign,
        pid: Some(pid),
        name: "serve".into(),
        unit: None,
        container: None,
        pod: pod.map(str::to_owned),
    }
}

#[test]
fn a_device_names_a_soc_beyond_doubt_or_counts_as_all() {
    let snapshot = machine_of("n1");
    let soc = &snapshot.socs[1];
    let serial = soc.serial.get().unwrap().to_string();
    let accel = soc.accel.get().unwrap().0;
    let at = soc.address;
    for device in [
        at.to_string(),
        at.to_string().to_uppercase(),
        format!("qaic-{at}::2"),
        serial.clone(),
        serial.to_uppercase(),
        format!("accel{accel}"),
        format!("/dev/accel/accel{accel}"),
    ] {
        let word = Word::Said(vec![has(&device)]);
        assert_eq!(
            seen(&mut snapshot.clone(), word),
            ["1 pod models/a"],
            "{device}"
        );
    }
    for device in [
        "1".to_owned(),
        "qaic-1".to_owned(),
        String::new(),
        format!("1{at}"),
        format!("{at}0"),
    ] {
        let held = seen(&mut snapshot.clone(), Word::Said(vec![has(&device)]));
        assert_eq!(held.len(), snapshot.socs.len(), "{device}: {held:?}");
        let why =
            format!("unseen pod models/a has `{device}` of qualcomm.com/qaic, which names no SoC");
        assert!(held.iter().all(|line| line.ends_with(&why)), "{held:?}");
    }
}

#[test]
fn only_what_socs_are_given_under_counts() {
    for (of, counts) in [
        ("qualcomm.com/qaic", true),
        ("qualcomm.com/qaic-ultra", true),
        ("aic.qualcomm.com", true),
        ("shardplane.dev", true),
        ("nvidia.com/gpu", false),
        ("notqualcomm.com/qaic", false),
        ("cpu", false),
    ] {
        assert_eq!(is_of_socs(of), counts, "{of}");
        let mut allotment = has("7");
        allotment.of = of.to_owned();
        let held = seen(&mut machine_of("n1"), Word::Said(vec![allotment]));
        assert_eq!(held.is_empty(), !counts, "{of}");
    }
}

#[test]
fn a_kubelet_that_is_silent_leaves_every_soc_held() {
    let held = seen(&mut machine_of("n1"), Word::Silent("no answer".into()));
    assert_eq!(
        held,
        [0, 1, 2, 3].map(|soc| format!("{soc} unseen no answer"))
    );
}

#[test]
fn a_process_is_its_pods_and_one_without_a_pod_is_a_stranger() {
    let mut snapshot = machine_of("n1");
    let (first, second) = (address(&snapshot, 0), address(&snapshot, 1));
    snapshot.holders = vec![process(first, 7, Some("uid")), process(second, 8, None)];
    let local = snapshot.clone();
    let mut same = local.clone();
    Tenants::Strangers.join(&mut same);
    assert_eq!(same, local, "on one machine alone a pod is anybody else");

    let word = Word::Said(vec![has(&first.to_string())]);
    assert_eq!(
        seen(&mut snapshot, word),
        [
            "0 process of a pod serve",
            "0 pod models/a",
            "1 foreign serve"
        ]
    );
    // What a plan is made by: pods go, strangers do not.
    assert!(reconcile::judge::foreign_holders(first, &snapshot).is_empty());
    assert_eq!(
        reconcile::judge::foreign_holders(second, &snapshot),
        ["pid 8 (serve)"]
    );
    assert_eq!(
        reconcile::judge::held(first, &snapshot),
        "pid 7 (serve) of pod uid, pod models/a"
    );
}
