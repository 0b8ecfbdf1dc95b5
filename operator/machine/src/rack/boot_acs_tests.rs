//! What a kernel leaves in ports at a boot, by its command line and release.
use std::collections::BTreeMap;

use crd::kind::rack::{Rack, Server, VirtualHost};

use crate::rack::{enumerate::enumerate, world::Nature};

const RACK: &str = r#"
apiVersion: shardplane.dev/v1alpha1
kind: Rack
metadata: { name: room }
spec:
  servers:
    - name: aic-01
      rootPorts:
        - address: "0000:20:01.0"
          switch:
            ports:
              - { slot: "00.0", card: { sku: Pro } }
              - { slot: "01.0", acsCapability: "0x0013", card: { sku: Pro } }
              - { slot: "02.0", acsCapability: "0x0000", card: { sku: Pro } }
"#;

/// Words after a boot of the root port and of the three ports with and without ACS, and the group of the SoC below the first.
#[track_caller]
fn check(kernel: &str, line: &str, words: [u16; 4], alone: bool) {
    let rack: Rack = serde_yaml::from_str(RACK).unwrap();
    let mut server: Server = rack.spec.servers.into_iter().next().unwrap();
    server.host = Some(VirtualHost {
        kernel: Some(kernel.to_owned()),
        command_line: Some(line.to_owned()),
        ..VirtualHost::default()
    });
    let world = enumerate(0, &server, None).unwrap();
    let found: BTreeMap<String, u16> = world
        .functions
        .iter()
        .filter_map(|function| match &function.nature {
            Nature::Port(port) => Some((function.address.to_string(), port.acs_at_boot.0)),
            Nature::Soc(_) | Nature::Other => None,
        })
        .collect();
    let at = [
        "0000:20:01.0",
        "0000:22:00.0",
        "0000:22:01.0",
        "0000:22:02.0",
    ];
    assert_eq!(at.map(|at| found[at]), words, "{kernel} {line}");
    let soc = world.by_address[&"0000:23:00.0".parse().unwrap()];
    let others = world.groups.values();
    let beside = others.filter(|&&group| world.groups.get(&soc) == Some(&group));
    assert_eq!(beside.count() == 1, alone, "{kernel} {line}");
}

#[test]
fn an_iommu_makes_a_kernel_ask_for_acs() {
    check("6.1.0-56", "intel_iommu=on", [0x1d, 0x1d, 0x11, 0], true);
    for off in [
        "intel_iommu=off",
        "intel_iommu=on intel_iommu=off",
        "intel_iommu=on iommu=off",
        "iommu=pt,off intel_iommu=on",
        "iommu=pt",
        "quiet -- intel_iommu=on",
    ] {
        check("6.1.0-56", off, [0; 4], false);
    }
    for on in [
        "intel_iommu=off intel_iommu=on,strict",
        "\"intel_iommu=on\" -- intel_iommu=off",
        "iommu=pt intel_iommu=sm_off,on",
    ] {
        check("6.1.0-56", on, [0x1d, 0x1d, 0x11, 0], true);
    }
}

/// Seen on Debian's 6.1: without ATS translation is blocked as well, where ports can and an IOMMU asks for ACS at all.
#[test]
fn a_kernel_without_ats_blocks_translation_too() {
    let on = "intel_iommu=on pci=noaer,noats";
    check("6.1.0-56", on, [0x1f, 0x1f, 0x13, 0], true);
    check("5.10.0-32", on, [0x1d, 0x1d, 0x11, 0], true);
    let off = "intel_iommu=off pci=noats";
    check("6.1.0-56", off, [0; 4], false);
    let other = "intel_iommu=on pci=noats=1,nonoats";
    check("6.1.0-56", other, [0x1d, 0x1d, 0x11, 0], true);
    let relaxed = "intel_iommu=on pci=noats pci=disable_acs_redir=pci:0:0";
    check("6.1.0-56", relaxed, [0x13, 0x13, 0x13, 0], false);
}

/// Seen on Debian's 6.1: without the memory-mapped way to configuration space no kernel finds ACS.
#[test]
fn a_kernel_that_reaches_256_bytes_sets_nothing() {
    let line = "intel_iommu=on pci=nommconf,noats,disable_acs_redir=pci:0:0";
    check("6.1.0-56", line, [0; 4], false);
    check(
        "7.3.4",
        "intel_iommu=on pci=noaer pci=nommconf",
        [0; 4],
        false,
    );
}

#[test]
fn redirects_are_cleared_where_the_command_line_says_so() {
    let line = "intel_iommu=on pci=noaer,disable_acs_redir=0000:20:01.0/00.0/00.0;22:01.0";
    check("6.1.0-56", line, [0x1d, 0x11, 0x11, 0], false);
    // Newer kernels start from what firmware left.
    check("7.3.4", line, [0x1d, 0, 0, 0], false);
    for by_ids in [
        "pci:10b5:c010",
        "pci:0x10b5:0xC010",
        "0x20:0x01.0/00.0/00.0;22:ffffff01.8",
        "20:1.0x/00.0/0x.0;22:01.0x",
        "0:20:100000001.0/00.0/00.0;00000022:01.0",
        // What comes after the ids of a port that they name is not looked at.
        "pci:10b5:c010:1",
        "pci:10b5:c010rest;rubbish",
        "pci:10b5:c010:0:0",
    ] {
        let line = format!("intel_iommu=on pci=disable_acs_redir={by_ids}");
        check("6.1.0-56", &line, [0x1d, 0x11, 0x11, 0], false);
    }
    let any = "intel_iommu=on pci=disable_acs_redir=pci:0:0";
    check("6.1.0-56", any, [0x11, 0x11, 0x11, 0], false);
    // A list ends at what nobody can read; a path that leads elsewhere names nobody.
    for nothing in [
        "rubbish;22:00.0",
        "20:01.0/00.0/01.1",
        "pci:10b5",
        "0001:22:00.0",
        "0:0:20:01.0/00.0/00.0",
        "20:+1.0/00.0/00.0",
        "20:01.0g/00.0/00.0",
        "20:01./00.0/00.0",
        "pci:8086:1:2;22:01.0",
        "pci:8086:1rest;22:01.0",
        "pci:10b5:c010:1:1",
    ] {
        let line = format!("intel_iommu=on pci=disable_acs_redir={nothing}");
        check("6.1.0-56", &line, [0x1d, 0x1d, 0x11, 0], true);
    }
}

#[test]
fn words_are_set_where_the_kernel_knows_how() {
    let line = "intel_iommu=on pci=config_acs=x0100x1@20:01.0/00.0/00.0;xx111xx@22:01.0";
    check("6.1.0-56", line, [0x1d, 0x1d, 0x11, 0], true);
    check("6.11.0", line, [0x1d, 0x11, 0x10, 0], false);
    // Without an IOMMU too; a list ends at flags that nobody can read.
    let off = "intel_iommu=off pci=config_acs=xx111xx@22:00.0;xx2@20:01.0";
    check("7.3.4", off, [0, 0x1c, 0, 0], false);
}
