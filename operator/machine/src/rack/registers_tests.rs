//! Register semantics of a rack's functions: which bits a write can change, and what a reader of the bytes finds.
use crd::{
    kind::rack::{Rack, Server},
    snapshot::{Acs, PortKind},
};

use super::*;
use crate::{config::ConfigSpace, rack::enumerate::enumerate};

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
              - { slot: "00.0", card: { sku: Ultra, socs: [{}, { bar4Kib: 64 }] } }
              - { slot: "01.0", acsCapability: "0x0000" }
"#;

fn server() -> Server {
    let rack: Rack = serde_yaml::from_str(RACK).unwrap();
    rack.spec.servers.into_iter().next().unwrap()
}

fn function(address: &str) -> Function {
    let world = enumerate(0, &server(), None).unwrap();
    world.functions[world.by_address[&address.parse().unwrap()]].clone()
}

#[test]
fn what_is_built_is_what_a_reader_finds() {
    for (address, kind, acs) in [
        (
            "0000:20:01.0",
            Some(PortKind::Root),
            Some((0x148, 0x005f, 0x001d)),
        ),
        ("0000:21:00.0", Some(PortKind::SwitchUpstream), None),
        (
            "0000:22:00.0",
            Some(PortKind::SwitchDownstream),
            Some((0xf24, 0x007f, 0x001d)),
        ),
        ("0000:22:01.0", Some(PortKind::SwitchDownstream), None),
        ("0000:23:00.0", Some(PortKind::SwitchUpstream), None),
        (
            "0000:24:00.0",
            Some(PortKind::SwitchDownstream),
            Some((0x1cc, 0x007f, 0x001d)),
        ),
        ("0000:25:00.0", None, None),
    ] {
        let bytes = image(&function(address), Iommu::On, None);
        let space = ConfigSpace(&bytes);
        assert_eq!(space.port_kind(), kind, "{address}");
        let want = acs.map_or(Acs::None, |(offset, capability, control)| Acs::Present {
            offset,
            capability: crd::id::Word(capability),
            control: crd::id::Word(control),
        });
        assert_eq!(space.acs(), Ok(want), "{address}");
    }
}

/// Writes bytes to a function and gives back what then stands in their place.
fn write(address: &str, at: usize, bytes: &[u8]) -> Vec<u8> {
    let function = function(address);
    let before = image(&function, Iommu::On, None);
    let left: Written = written(&function, &before, at, bytes).into_iter().collect();
    let after = image(&function, Iommu::On, Some(&left));
    for index in (0..SIZE).filter(|index| !(at..at + bytes.len()).contains(index)) {
        assert_eq!(before[index], after[index], "a write reached {index:#x}");
    }
    after[at..at + bytes.len()].to_vec()
}

#[test]
fn read_only_bits_stay() {
    /// Name, function, offset, bytes written, bytes that then stand there.
    type Case = (
        &'static str,
        &'static str,
        usize,
        &'static [u8],
        &'static [u8],
    );
    let cases: &[Case] = &[
        (
            "vendor and device",
            "0000:24:00.0",
            0x00,
            &[0; 4],
            &[0xf8, 0x11, 0x52, 0x40],
        ),
        (
            "ACS control takes what the capability has",
            "0000:24:00.0",
            0x1d2,
            &[0xff, 0xff],
            &[0x7f, 0x00],
        ),
        (
            "a root port has no egress control",
            "0000:20:01.0",
            0x14e,
            &[0xff, 0xff],
            &[0x5f, 0x00],
        ),
        (
            "all of it can be cleared",
            "0000:24:00.0",
            0x1d2,
            &[0, 0],
            &[0, 0],
        ),
        ("one byte of it", "0000:24:00.0", 0x1d2, &[0x11], &[0x11]),
        (
            "capability is read-only, control is not",
            "0000:24:00.0",
            0x1d0,
            &[0, 0, 0, 0],
            &[0x7f, 0, 0, 0],
        ),
        (
            "list headers",
            "0000:24:00.0",
            0x1cc,
            &[0; 4],
            &[0x0d, 0x00, 0x81, 0x14],
        ),
        (
            "no ACS, nothing to write",
            "0000:22:01.0",
            0xf2a,
            &[0xff, 0xff],
            &[0, 0],
        ),
        (
            "command",
            "0000:24:00.0",
            0x04,
            &[0xff, 0xff],
            &[0x47, 0x05],
        ),
        (
            "2 GiB register tells its size",
            "0000:25:00.0",
            0x20,
            &[0xff; 8],
            &[0x0c, 0, 0, 0x80, 0xff, 0xff, 0xff, 0xff],
        ),
        (
            "64 KiB register tells its size",
            "0000:26:00.0",
            0x20,
            &[0xff; 8],
            &[0x0c, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ),
        (
            "4 KiB register of 32 bits",
            "0000:25:00.0",
            0x10,
            &[0xff; 4],
            &[0, 0xf0, 0xff, 0xff],
        ),
    ];
    for &(name, address, at, bytes, want) in cases {
        assert_eq!(write(address, at, bytes), want, "{name}");
    }
}
