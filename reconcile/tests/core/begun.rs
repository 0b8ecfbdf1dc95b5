//! What goes back is what stood there before our first write of this boot, however often it was written since; what a boot
//! itself set is not ours to take back, unless a file of ours had it set that.
use std::collections::BTreeMap;

use crd::{
    Fact,
    declaration::Declaration,
    id::{BootId, PciAddress},
    kind::{DriverPolicy, HostPolicy, Persistence, SpreadOver},
    snapshot::{HardwareSnapshot, PortKind},
    step::ACS_REDIRECT_MASK,
};
use proptest::prelude::*;

use crate::{
    declare::{automatic, object, policy},
    kept,
    properties::{config, settle},
    world::{acs, set_acs, two_ultras, word},
};

const TIMEOUT: &str = "control_resp_timeout_s";
const MAPS: &str = "vm.max_map_count";

/// What is declared: a group or none, and a value of each setting or none, which outlives boots or does not.
#[derive(Clone, Copy, Debug)]
struct Wish {
    group: bool,
    timeout: Option<u32>,
    maps: Option<u32>,
    persistence: Persistence,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    /// The YAML is edited, and what it says is carried out.
    Declare(Wish),
    /// Somebody writes another word into a port.
    Word(usize, u16),
    Timeout(u64),
    Maps(u64),
    /// An administrator edits what the machine sets at every boot, by files of their own.
    AtBoot(u64, u64),
    /// The machine boots: its firmware leaves this word in every port, and settings are what the administrator's files say
    /// and then ours.
    Boot(u16),
}

/// Words that differ in the bits which we clear, and in others.
fn any_word() -> impl Strategy<Value = u16> {
    prop::sample::select(vec![0x01, 0x11, 0x15, 0x19, 0x1d, 0x31, 0x3d, 0x5d, 0x7d])
}

fn wish() -> impl Strategy<Value = Wish> {
    (
        prop::bool::weighted(0.8),
        prop::option::weighted(0.8, prop::sample::select(vec![60, 300, 2600])),
        prop::option::weighted(0.8, prop::sample::select(vec![65_530, 131_060, 2_048_000])),
        prop::sample::select(vec![Persistence::Runtime, Persistence::Persist]),
    )
        .prop_map(|(group, timeout, maps, persistence)| Wish {
            group,
            timeout,
            maps,
            persistence,
        })
}

/// Values of which some are declared too: a boot that sets what is wanted sets it all the same.
fn any_timeout() -> impl Strategy<Value = u64> {
    prop::sample::select(vec![60, 120, 300, 2600])
}

fn any_maps() -> impl Strategy<Value = u64> {
    prop::sample::select(vec![65_530, 80_000, 131_060, 2_048_000])
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => wish().prop_map(Event::Declare),
        4 => (0_usize..16, any_word()).prop_map(|(at, word)| Event::Word(at, word)),
        1 => prop::sample::select(vec![60, 300, 900]).prop_map(Event::Timeout),
        1 => prop::sample::select(vec![65_530, 131_060, 99_999]).prop_map(Event::Maps),
        2 => (any_timeout(), any_maps()).prop_map(|(timeout, maps)| Event::AtBoot(timeout, maps)),
        3 => any_word().prop_map(Event::Boot),
    ]
}

fn declared(wish: Wish) -> Declaration {
    let mut spec = policy();
    spec.driver = wish.timeout.map(|seconds| DriverPolicy {
        control_response_timeout_seconds: Some(seconds),
        persistence: Some(wish.persistence),
    });
    spec.host = wish.maps.map(|count| HostPolicy {
        max_map_count: Some(count),
        persistence: Some(wish.persistence),
    });
    let quad = automatic(4, SpreadOver::Card, None);
    Declaration {
        policies: vec![object("CardPolicy", "cards", spec)],
        groups: if wish.group {
            vec![object("P2PGroup", "quad", quad)]
        } else {
            Vec::new()
        },
        ..Declaration::default()
    }
}

fn ports(node: &HardwareSnapshot) -> Vec<PciAddress> {
    let switched = |port| matches!(port, Some(PortKind::Root | PortKind::SwitchDownstream));
    let found = node.functions.iter().filter(|f| switched(f.port));
    found.map(|f| f.address).collect()
}

fn setting<'a>(node: &'a mut HardwareSnapshot, name: &str) -> &'a mut Fact<u64> {
    let settings = &mut node.settings;
    let found = settings.driver.get_mut(name);
    let found = found.or_else(|| settings.sysctl.get_mut(name));
    found.expect("this machine has both settings")
}

fn value(node: &mut HardwareSnapshot, name: &str) -> u64 {
    *setting(node, name).get().expect("settings can be read")
}

/// A setting that we changed.
struct Ours {
    /// Its value before our first write of this boot; of an earlier boot where only a file of ours has set it since.
    first: u64,
    written: u64,
    since_boot: bool,
}

/// A machine, and what the world began with; kept from looks at the machine alone, never from the ledger.
struct Story {
    nodes: Vec<HardwareSnapshot>,
    /// Settings as the administrator's files have them at every boot.
    at_boot: [(&'static str, u64); 2],
    /// The word that a port had before our first write of this boot.
    words: BTreeMap<PciAddress, u16>,
    /// Settings that we changed.
    settings: BTreeMap<&'static str, Ours>,
    /// What files of ours say, and what those said that this boot read and that we have not touched since.
    files: BTreeMap<&'static str, u64>,
    booted: BTreeMap<&'static str, u64>,
    boots: usize,
}

impl Story {
    fn new(words: &[u16], timeout: u64, maps: u64) -> Self {
        let mut node = two_ultras("lab");
        for (port, word) in ports(&node).into_iter().zip(words.iter().cycle()) {
            set_acs(&mut node, port, acs(*word));
        }
        let at_boot = [(TIMEOUT, timeout), (MAPS, maps)];
        for (name, value) in at_boot {
            *setting(&mut node, name) = Fact::known(value, "test");
        }
        Self {
            nodes: vec![node],
            at_boot,
            words: BTreeMap::new(),
            settings: BTreeMap::new(),
            files: BTreeMap::new(),
            booted: BTreeMap::new(),
            boots: 1,
        }
    }

    fn happen(&mut self, event: Event) -> Result<(), TestCaseError> {
        let node = &mut self.nodes[0];
        match event {
            Event::Declare(wish) => self.carry_out(&declared(wish), wish)?,
            Event::Word(at, word) => {
                let ports = ports(node);
                set_acs(node, ports[at % ports.len()], acs(word));
            }
            Event::Timeout(seconds) => *setting(node, TIMEOUT) = Fact::known(seconds, "somebody"),
            Event::Maps(count) => *setting(node, MAPS) = Fact::known(count, "somebody"),
            Event::AtBoot(timeout, maps) => self.at_boot = [(TIMEOUT, timeout), (MAPS, maps)],
            Event::Boot(word) => {
                self.boots += 1;
                node.boot_id = Fact::known(BootId(format!("boot-{}", self.boots)), "boot");
                for port in ports(node) {
                    set_acs(node, port, acs(word));
                }
                for (name, value) in self.at_boot {
                    *setting(node, name) = Fact::known(value, "boot");
                }
                kept::boot(node);
                self.booted.clone_from(&self.files);
                self.settings.retain(|name, ours| {
                    // A file of ours set again what we wrote; all else is the boot's.
                    let set = self.booted.get(name);
                    ours.written = set.copied().unwrap_or(ours.written);
                    ours.since_boot = false;
                    set.is_some()
                });
                // What stands in the ports now is this boot's own.
                self.words.clear();
            }
        }
        Ok(())
    }

    /// Nothing is declared any more.
    fn down(&mut self) -> Result<(), TestCaseError> {
        let wish = Wish {
            group: false,
            timeout: None,
            maps: None,
            persistence: Persistence::Runtime,
        };
        self.carry_out(&Declaration::default(), wish)
    }

    /// Carries a declaration out and compares: what is wanted is so, and what is not wanted any more is what it was.
    fn carry_out(&mut self, declaration: &Declaration, wish: Wish) -> Result<(), TestCaseError> {
        let mut before = self.nodes[0].clone();
        settle(declaration, &mut self.nodes, false)?;
        let node = &mut self.nodes[0];
        for port in ports(node) {
            let old = word(&before, port).expect("a port's word can be read");
            let new = word(node, port).expect("a port's word can be read");
            if wish.group {
                if old != new {
                    self.words.entry(port).or_insert(old);
                }
                let ours = self.words.contains_key(&port);
                prop_assert!(!ours || new & ACS_REDIRECT_MASK == 0, "{port}: {new:#06x}");
            } else {
                let back = self.words.remove(&port).map_or(old, |first| {
                    (old & !ACS_REDIRECT_MASK) | (first & ACS_REDIRECT_MASK)
                });
                prop_assert_eq!(new, back, "{}: {:#06x}, not {:#06x}", port, new, back);
            }
        }
        for (name, wanted) in [(TIMEOUT, wish.timeout), (MAPS, wish.maps)] {
            let old = value(&mut before, name);
            let new = value(node, name);
            let of_file = self.booted.get(name) == Some(&old);
            if self
                .settings
                .get(name)
                .is_some_and(|ours| !ours.since_boot && !of_file)
            {
                // The boot, or somebody since, set something else.
                self.settings.remove(name);
            }
            if let Some(wanted) = wanted.map(u64::from) {
                prop_assert_eq!(new, wanted, "{}", name);
                if old != new {
                    let ours = self.settings.entry(name).or_insert(Ours {
                        first: old,
                        written: new,
                        since_boot: true,
                    });
                    ours.written = new;
                    ours.since_boot = true;
                }
            } else {
                // What somebody else has written since is theirs.
                let ours = self.settings.remove(name);
                let ours = ours.filter(|ours| ours.written == old);
                let back = ours.map_or(old, |ours| ours.first);
                prop_assert_eq!(new, back, "{}: {}, not {}", name, new, back);
            }
            let said = match wish.persistence {
                Persistence::Persist => wanted.map(u64::from),
                Persistence::Runtime => None,
            };
            let before = match said {
                Some(value) => self.files.insert(name, value),
                None => self.files.remove(name),
            };
            if said != before {
                self.booted.remove(name);
                if let Some(ours) = self.settings.get_mut(name) {
                    ours.since_boot = true;
                }
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(config(1_000))]

    #[test]
    fn the_first_word_of_this_boot_comes_back(
        words in prop::collection::vec(any_word(), 1..12),
        timeout in any_timeout(),
        maps in any_maps(),
        events in prop::collection::vec(event(), 1..10),
    ) {
        let mut story = Story::new(&words, timeout, maps);
        for event in events {
            story.happen(event)?;
        }
        story.down()?;
        prop_assert_eq!(&story.nodes[0].ledger.entries, &Vec::new());
    }
}
