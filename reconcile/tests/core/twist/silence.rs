//! Ports whose registers do not answer, or answer with less than usual.
use crd::{
    Fact, Unknown,
    id::Word,
    snapshot::{Acs, HardwareSnapshot, PortKind, told_by_place},
};

use super::Twist;
use crate::world::{LINUX_ACS, acs};

pub fn of_port(snapshot: &mut HardwareSnapshot, twist: Twist) {
    let functions = &mut snapshot.functions;
    let silent = Fact::unknown(Unknown::ShortRead, "twist");
    match twist {
        Twist::UnknownAcs(at) => {
            let count = functions.len().max(1);
            if let Some(function) = functions.get_mut(at % count) {
                function.acs = silent;
            }
        }
        Twist::SilentPort(at) | Twist::SilentFunction(at) => {
            let mut ports: Vec<_> = functions.iter_mut().filter(|f| f.port.is_some()).collect();
            let count = ports.len().max(1);
            if let Some(port) = ports.get_mut(at % count) {
                port.acs = silent;
                port.port = matches!(twist, Twist::SilentPort(_)).then_some(PortKind::Bridge);
            }
        }
        Twist::Heard => {
            told_by_place(functions);
            for function in functions.iter_mut().filter(|f| f.acs.get().is_none()) {
                function.acs = match function.port {
                    Some(PortKind::SwitchDownstream) => acs(LINUX_ACS),
                    Some(PortKind::SwitchUpstream) | None => Fact::known(Acs::None, "twist"),
                    // Nobody knows what it is.
                    Some(PortKind::Root | PortKind::Bridge) => continue,
                };
            }
        }
        Twist::Capability(at, bits) => {
            let mut words: Vec<_> = functions
                .iter_mut()
                .filter_map(|function| match function.acs.value.as_mut()? {
                    Acs::Present {
                        capability,
                        control,
                        offset: _,
                    } => Some((capability, control)),
                    Acs::None => None,
                })
                .collect();
            let count = words.len().max(1);
            if let Some((capability, control)) = words.get_mut(at % count) {
                **capability = Word(bits);
                control.0 &= bits;
            }
        }
        _ => {}
    }
}
