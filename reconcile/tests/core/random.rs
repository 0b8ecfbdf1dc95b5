//! Random worlds: racks of roots, nested switches and cards in every state that a probe can report.
use crd::{id::PciAddress, snapshot::HardwareSnapshot};
use proptest::prelude::*;

use crate::{
    twist::{Twist, apply_twist, twist},
    world::Builder,
};

/// What sits in a slot of a root port or a switch.
#[derive(Clone, Debug)]
pub enum Slot {
    Ultra,
    Pro,
    Nic,
    Vfio,
    Empty,
    Switch(Vec<Self>),
}

#[derive(Clone, Debug)]
pub struct World {
    pub roots: Vec<Slot>,
    pub twists: Vec<Twist>,
}

pub fn build(world: &World, node: &str) -> HardwareSnapshot {
    let mut builder = Builder::new(node);
    for slot in &world.roots {
        let root = builder.root();
        fill(&mut builder, root, slot);
    }
    let mut snapshot = builder.build();
    for twist in &world.twists {
        apply_twist(&mut snapshot, *twist);
    }
    snapshot
}

fn fill(builder: &mut Builder, above: PciAddress, slot: &Slot) {
    match slot {
        Slot::Ultra => drop(builder.ultra(above)),
        Slot::Pro => drop(builder.soc(above, "PCIe Pro")),
        Slot::Nic => drop(builder.device(above, 0x15b3, "mlx5_core")),
        Slot::Vfio => drop(builder.device(above, 0x10de, "vfio-pci")),
        Slot::Empty => {}
        Slot::Switch(slots) => {
            let ports = builder.switch(above, slots.len(), 0x10b5);
            for (port, slot) in ports.into_iter().zip(slots) {
                fill(builder, port, slot);
            }
        }
    }
}

pub fn world() -> BoxedStrategy<World> {
    let device = prop_oneof![
        8 => Just(Slot::Ultra),
        4 => Just(Slot::Pro),
        2 => Just(Slot::Nic),
        2 => Just(Slot::Vfio),
        1 => Just(Slot::Empty),
    ];
    let nested = prop_oneof![
        5 => device.clone(),
        1 => proptest::collection::vec(device.clone(), 1..4).prop_map(Slot::Switch),
    ];
    let root = prop_oneof![
        1 => device,
        3 => proptest::collection::vec(nested, 1..4).prop_map(Slot::Switch),
    ];
    let roots = proptest::collection::vec(root, 1..3);
    let twists = proptest::collection::vec(twist(), 0..5);
    (roots, twists)
        .prop_map(|(roots, twists)| World { roots, twists })
        .boxed()
}
