//! What is wrong with a rack file, all of it, each with the place in the file: what no schema can say of one field alone.
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
};

use crd::{
    id::PciPath,
    kind::rack::{Card, HostSwitch, Rack, Server},
};

use super::{
    parts::{Below, FIRST, bar4_kib, class, fits},
    recorded, tree, verbs,
};

/// One thing that makes a rack impossible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Where it stands, as a JSON pointer into the file.
    pub pointer: String,
    /// The server, or the rack where it is about that.
    pub server: String,
    /// What is wrong.
    pub what: String,
}

/// Everything that is wrong with a rack, in the order of its file; empty where it can be opened. What the file says must be
/// possible at once, absent cards included: a mistake must not wait for a replug.
pub fn flaws(rack: &Rack) -> Vec<Flaw> {
    let mut found = Vec::new();
    let name = &rack.metadata.name;
    let mut add = |server: &str, pointer: String, what: String| {
        found.push(Flaw {
            pointer,
            server: server.to_owned(),
            what,
        });
    };
    if let Some(what) = not_plain(name) {
        add(name, "/metadata/name".into(), what);
    }
    let mut names = BTreeSet::new();
    for (index, server) in rack.spec.servers.iter().enumerate() {
        let at = format!("/spec/servers/{index}");
        let name = server.name.as_str();
        let twice = (!names.insert(name)).then(|| "its name is given twice".to_owned());
        if let Some(what) = not_plain(name).or(twice) {
            add(name, format!("{at}/name"), what);
        }
        for (pointer, what) in of_server(rack.spec.seed, server) {
            add(name, format!("{at}{pointer}"), what);
        }
    }
    found
}

/// Names become folders: nothing in one may lead elsewhere.
fn not_plain(name: &str) -> Option<String> {
    let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    let ends = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let plain = name.len() <= 63
        && name.bytes().all(letters)
        && ends(name.bytes().next())
        && ends(name.bytes().last());
    (!plain).then(|| {
        format!(
            "`{name}` is no name: use up to 63 of a-z, 0-9, `-` and `.`, a letter or digit at both ends"
        )
    })
}

/// Places within a server, and what is wrong there.
type Places = Vec<(String, String)>;

fn of_server(seed: u32, server: &Server) -> Places {
    let server = match recorded::plain(server) {
        Ok(server) => server,
        Err(what) => return vec![(String::new(), what)],
    };
    let mut walk = Walk::default();
    walk.roots(&server);
    if !walk.found.is_empty() {
        return walk.found;
    }
    // Its parts are each possible; whether they are together is seen by numbering their buses.
    let whole = tree(seed, &server, Some(&BTreeSet::new()));
    let (whole, now) = match (whole, tree(seed, &server, None)) {
        (Ok(whole), Ok(now)) => (whole, now),
        (Err(what), _) | (_, Err(what)) => return vec![(String::new(), what)],
    };
    let mut found = Places::new();
    for (index, tenant) in server.tenants.iter().enumerate() {
        for (at, soc) in tenant.holds.iter().enumerate() {
            if !now.by_address.get(soc).is_some_and(|&at| now.is_soc(at)) {
                found.push((
                    format!("/tenants/{index}/holds/{at}"),
                    format!("tenant {} holds {soc}, where no SoC is", tenant.name),
                ));
            }
        }
    }
    for (index, fault) in server.faults.iter().enumerate() {
        let known = |address| now.by_address.contains_key(&address);
        if verbs::address_of(fault).is_some_and(|address| !known(address)) {
            found.push((
                format!("/faults/{index}"),
                format!("fault {fault} names a function that is not there"),
            ));
        }
    }
    // One that the file gives and another that was drawn.
    let mut serials: Vec<&str> = whole.serials().collect();
    serials.sort_unstable();
    for (one, other) in serials.iter().zip(serials.iter().skip(1)) {
        if one == other {
            found.push((String::new(), format!("two SoCs have the serial {one}")));
        }
    }
    found
}

/// A walk through the tree that a file describes.
#[derive(Default)]
struct Walk {
    found: Places,
    /// Where each serial that the file gives stands first.
    serials: BTreeMap<String, String>,
}

impl Walk {
    fn roots(&mut self, server: &Server) {
        let mut taken = BTreeSet::new();
        for (index, root) in server.root_ports.iter().enumerate() {
            let at = format!("/rootPorts/{index}");
            let address = root.address;
            if !taken.insert(address) {
                self.twice(&at, "address", address, "root port");
            }
            self.below(&at, &address.to_string(), root.into());
        }
    }

    fn twice(&mut self, at: &str, key: &str, value: impl Display, what: &str) {
        self.found.push((
            format!("{at}/{key}"),
            format!("another {what} has the {key} {value}; give one of them another"),
        ));
    }

    fn below(&mut self, at: &str, path: &str, parts: Below<'_>) {
        if let Some(what) = parts.too_many(path) {
            self.found.push((at.to_owned(), what));
        }
        let Below {
            switch,
            card,
            device,
        } = parts;
        if let Some(switch) = switch {
            self.switch(&format!("{at}/switch"), &format!("{path}/{FIRST}"), switch);
        }
        let inner = PciPath(format!("{path}/{FIRST}"));
        if let Some(card) = card {
            self.card(&format!("{at}/card"), &inner, card);
        }
        if let Some(device) = device {
            let wrong = class(&device.class, &inner).err();
            let place = format!("{at}/device/class");
            self.found.extend(wrong.map(|what| (place, what)));
        }
    }

    fn switch(&mut self, at: &str, path: &str, switch: &HostSwitch) {
        let mut taken = BTreeSet::new();
        for (index, port) in switch.ports.iter().enumerate() {
            let at = format!("{at}/ports/{index}");
            if !taken.insert(port.slot) {
                self.twice(&at, "slot", port.slot, "port of this switch");
            }
            self.below(&at, &format!("{path}/{}", port.slot), port.into());
        }
    }

    fn card(&mut self, at: &str, path: &PciPath, card: &Card) {
        let many = fits(card, path).err();
        self.found
            .extend(many.map(|what| (format!("{at}/socs"), what)));
        for (index, soc) in card.socs.iter().enumerate() {
            let at = format!("{at}/socs/{index}");
            if let Some(serial) = &soc.serial {
                let known = self.serials.insert(serial.0.clone(), at.clone());
                let what =
                    || format!("two SoCs have the serial {serial}; give one of them another");
                self.found
                    .extend(known.map(|_| (format!("{at}/serial"), what())));
            }
            let wrong = soc
                .class
                .as_deref()
                .and_then(|text| class(text, path).err());
            self.found
                .extend(wrong.map(|what| (format!("{at}/class"), what)));
            let wrong = bar4_kib(soc, path).err();
            self.found
                .extend(wrong.map(|what| (format!("{at}/bar4Kib"), what)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rack of two servers in which this and that is wrong.
    const FAULTY: &str = r#"
apiVersion: shardplane.dev/v1alpha1
kind: Rack
metadata: { name: room }
spec:
  servers:
    - name: a
      rootPorts:
        - address: "0000:20:01.0"
          card: { sku: Pro, socs: [{ serial: "7" }, {}] }
          device: { vendor: "0x1", device: "0x1", class: "0x010802" }
        - address: "0000:20:01.0"
          switch:
            ports:
              - { slot: "00.0", card: { sku: Ultra, socs: [{ bar4Kib: 65 }, { serial: "7" }] } }
              - { slot: "00.0", device: { vendor: "0x1", device: "0x1", class: "disk" } }
    - name: a
      tenants: [{ name: x, pid: 1, holds: ["0000:81:00.0", "0000:99:00.0"] }]
      faults: ["falls-off:0000:81:00.0", "falls-off:0000:99:00.0"]
      rootPorts:
        - { address: "0000:80:01.0", card: { sku: Pro } }
"#;

    #[test]
    fn all_that_is_wrong_is_told_each_at_its_place() {
        let rack: Rack = serde_yaml::from_str(FAULTY).unwrap();
        let found: Vec<(String, String)> = flaws(&rack)
            .into_iter()
            .map(|flaw| (flaw.pointer, flaw.what))
            .collect();
        let ports = "/spec/servers/0/rootPorts";
        let expected = [
            (
                format!("{ports}/0"),
                "more than one of switch, card and device",
            ),
            (format!("{ports}/0/card/socs"), "lists 2 SoCs"),
            (format!("{ports}/1/address"), "another root port"),
            (
                format!("{ports}/1/switch/ports/0/card/socs/0/bar4Kib"),
                "power of two",
            ),
            (
                format!("{ports}/1/switch/ports/0/card/socs/1/serial"),
                "two SoCs have the serial 7",
            ),
            (
                format!("{ports}/1/switch/ports/1/slot"),
                "another port of this switch",
            ),
            (
                format!("{ports}/1/switch/ports/1/device/class"),
                "six hexadecimal digits",
            ),
            ("/spec/servers/1/name".to_owned(), "given twice"),
            (
                "/spec/servers/1/tenants/0/holds/1".to_owned(),
                "0000:99:00.0, where no SoC is",
            ),
            (
                "/spec/servers/1/faults/1".to_owned(),
                "names a function that is not there",
            ),
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for ((pointer, what), (place, says)) in found.iter().zip(expected) {
            assert_eq!(*pointer, place, "{what}");
            assert!(what.contains(says), "{pointer}: {what}");
        }
    }
}
