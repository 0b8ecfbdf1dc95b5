//! A rack on the wall clock, and two openers of one rack at once.
use std::time::Duration;

use crd::{
    id::Word,
    kind::ResetScope,
    snapshot::{Acs, SocStatus},
    step::{Action, PortRef},
};
use machine::{Clock, Machine, perform, rack};

use crate::room::{Room, TWO_ULTRA, port, soc};

const PORTS: [&str; 4] = [
    "0000:24:00.0",
    "0000:24:01.0",
    "0000:24:02.0",
    "0000:24:03.0",
];
const SOC: &str = "0000:25:00.0";

/// The same rack on the wall clock: a reset takes its time, divided by the rack's speedup, and another opener sees it pass.
#[test]
fn time_passes_by_itself_on_the_wall_clock() {
    let text = TWO_ULTRA.replace("  seed: 3", "  seed: 3\n  speedup: 1000");
    let room = Room::of(&text);
    let snapshot = room.probe();
    let [server] = rack::open(&room.rack, "b3:test", room.state.path(), Clock::Wall)
        .unwrap()
        .try_into()
        .unwrap();
    let machine = Machine::Rack(server);
    let reset = Action::Reset {
        scope: ResetScope::SoC,
        socs: vec![soc(&snapshot, SOC)],
    };
    let before = machine.now();
    perform(&machine, &reset).unwrap();
    let wait = Action::WaitReady {
        socs: vec![soc(&snapshot, SOC)],
        timeout_seconds: 30,
    };
    perform(&machine, &wait).unwrap();
    let took = before.until(machine.now());
    // 48 s of the rack's time are 48 ms, and the looks between come as much faster.
    assert!(
        took >= Duration::from_millis(48) && took < Duration::from_secs(2),
        "{took:?}"
    );
    assert_eq!(room.probe().socs[0].status.get(), Some(&SocStatus::Ready));
}

/// Two openers write at the same time; neither loses the other's word.
#[test]
fn writers_do_not_lose_each_others_registers() {
    let room = Room::of(TWO_ULTRA);
    let ports: Vec<PortRef> = PORTS.iter().map(|at| port(&room.probe(), at)).collect();
    std::thread::scope(|scope| {
        for port in &ports {
            let machine = Machine::Rack(room.again());
            scope.spawn(move || {
                perform(
                    &machine,
                    &Action::ClearAcs {
                        port: port.clone(),
                        before: Word(0x001d),
                        mask: Word(0x000c),
                    },
                )
                .unwrap()
            });
        }
    });
    let after = room.probe();
    for port in &ports {
        let function = after
            .functions
            .iter()
            .find(|f| f.address == port.address)
            .unwrap();
        let Some(Acs::Present { control, .. }) = function.acs.get() else {
            panic!("the port has ACS")
        };
        assert_eq!(*control, Word(0x0011), "{}", port.address);
    }
}

/// On a full disk a wait ends as anywhere, and the time is written once there is room again.
#[test]
fn virtual_time_passes_though_it_cannot_be_written() {
    let room = Room::of(TWO_ULTRA);
    let machine = room.machine();
    let before = machine.now();
    machine.wait(Duration::from_secs(1));
    let lock = room.lock();
    std::fs::remove_file(&lock).unwrap();
    std::fs::create_dir(&lock).unwrap();
    machine.wait(Duration::from_secs(2));
    machine.pause(Duration::from_secs(4));
    assert_eq!(before.until(machine.now()), Duration::from_secs(7));
    std::fs::remove_dir(&lock).unwrap();
    machine.wait(Duration::from_secs(8));
    assert_eq!(before.until(machine.now()), Duration::from_secs(15));
    assert_eq!(Machine::Rack(room.again()).now(), machine.now());
}
