//! What the kernel tells of by itself: devices that come, go, get another driver or report an error.
//!
//! Format: documented in the kernel's `lib/kobject_uevent.c`; seen in the kernel lab. A register that changes raises none. What is
//! told of channels (`DBC_STATE`) is documented in the driver's source alone.
use std::{
    collections::BTreeSet,
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    time::Duration,
};

use crd::id::PciAddress;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{
        AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvfrom, socket,
    },
};

use crate::access::{Happening, KernelWords};

/// Subsystems whose devices matter to a probe: functions and ports, the cards' control channels, their device nodes.
const SUBSYSTEMS: [&str; 3] = ["pci", "mhi", "accel"];
/// The group that the kernel speaks to; udev's own messages go to another.
const KERNEL: u32 = 1;
/// The kernel's bound on a message's variables is 2 KiB, with the device's path before them.
const MESSAGE: usize = 8 << 10;
/// How long after a message more of the same cause are waited for: a reset tells of a dozen devices.
const SETTLE: Duration = Duration::from_millis(100);
/// Messages read at once at most: a storm ends the wait all the same.
const MOST: usize = 4096;

/// One device and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Uevent {
    /// `add`, `remove`, `bind`, `unbind`, `change` or a newer word.
    pub(crate) action: String,
    /// The device's last name in sysfs.
    pub(crate) device: String,
    /// The function that it is, or that it belongs to.
    pub(crate) function: Option<PciAddress>,
    /// What it speaks of.
    pub(crate) about: KernelWords,
    /// The kernel's own count.
    pub(crate) sequence: u64,
}

/// All that was told together, as one.
pub(crate) fn happening(told: &[Uevent]) -> Option<Happening> {
    let first = told.first()?;
    let functions: Option<BTreeSet<PciAddress>> = told.iter().map(|word| word.function).collect();
    Some(Happening::Kernel {
        action: first.action.clone(),
        device: first.device.clone(),
        more: told.len() - 1,
        about: if told.iter().all(|word| word.about == KernelWords::Channels) {
            KernelWords::Channels
        } else {
            KernelWords::Devices
        },
        functions: functions.unwrap_or_default().into_iter().collect(),
    })
}

/// An open ear.
#[derive(Debug)]
pub(crate) struct Uevents {
    socket: OwnedFd,
}

impl Uevents {
    /// Listens from now on.
    pub(crate) fn open() -> io::Result<Self> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Datagram,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::NetlinkKObjectUEvent,
        )?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, KERNEL))?;
        Ok(Self { socket })
    }

    /// What was told, once something was; empty where nothing was for so long. Words that were lost, because they came
    /// faster than they were read, are one of their own.
    pub(crate) fn wait(&self, most: Duration) -> Vec<Uevent> {
        let mut told = Vec::new();
        if !self.readable(most) {
            return told;
        }
        let mut read = 0;
        while read < MOST && (self.readable(Duration::ZERO) || self.readable(SETTLE)) {
            match self.receive() {
                Ok(event) => told.extend(event),
                Err(Errno::ENOBUFS) => told.push(Uevent {
                    action: "lost".to_owned(),
                    device: "some".to_owned(),
                    function: None,
                    about: KernelWords::Devices,
                    sequence: 0,
                }),
                Err(_) => break,
            }
            read += 1;
        }
        told
    }

    fn readable(&self, most: Duration) -> bool {
        let timeout = PollTimeout::try_from(most).unwrap_or(PollTimeout::MAX);
        let mut polled = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        matches!(poll(&mut polled, timeout), Ok(1..))
    }

    fn receive(&self) -> Result<Option<Uevent>, Errno> {
        let mut message = [0; MESSAGE];
        let (length, from) = recvfrom::<NetlinkAddr>(self.socket.as_raw_fd(), &mut message)?;
        // Anybody may write to a netlink socket; the kernel has no process.
        let kernels = from.is_some_and(|from| from.pid() == 0);
        let message = message.get(..length).unwrap_or_default();
        Ok(kernels.then(|| parse(message)).flatten())
    }
}

/// A message about a device that matters.
fn parse(message: &[u8]) -> Option<Uevent> {
    let text = String::from_utf8_lossy(message);
    let mut parts = text.split('\0');
    // `add@/devices/…`; udev's begin with `libudev`.
    parts.next()?.split_once('@')?;
    let (mut action, mut path, mut subsystem, mut sequence) = (None, None, None, 0);
    let mut about = KernelWords::Devices;
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        match name {
            "ACTION" => action = Some(value),
            "DEVPATH" => path = Some(value),
            "SUBSYSTEM" => subsystem = Some(value),
            "DBC_STATE" => about = KernelWords::Channels,
            "SEQNUM" => sequence = value.parse().unwrap_or_default(),
            _ => {}
        }
    }
    let path = path?;
    let device = path.rsplit('/').next()?;
    let function = path.rsplit('/').find_map(|part| part.parse().ok());
    SUBSYSTEMS.contains(&subsystem?).then(|| Uevent {
        action: action.unwrap_or_default().to_owned(),
        device: device.to_owned(),
        function,
        // Only a change of the node is about its channels: one that goes takes them along.
        about: if action == Some("change") {
            about
        } else {
            KernelWords::Devices
        },
        sequence,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_about_cards_and_their_bus_are_taken() {
        let bus = "remove@/devices/pci0000:20/0000:20:01.0/0000:21:00.0\0ACTION=remove\0DEVPATH=/devices/pci0000:20/0000:20:01.0/0000:21:00.0\0SUBSYSTEM=pci\0PCI_ID=17CB:A100\0SEQNUM=1729\0";
        let taken = |action: &str, device: &str, sequence, function: &str| {
            Some(Uevent {
                action: action.to_owned(),
                device: device.to_owned(),
                function: function.parse().ok(),
                about: KernelWords::Devices,
                sequence,
            })
        };
        for (message, expected) in [
            (bus, taken("remove", "0000:21:00.0", 1729, "0000:21:00.0")),
            (
                "bind@/d\0ACTION=bind\0DEVPATH=/devices/mhi0_QAIC_CONTROL\0SUBSYSTEM=mhi\0SEQNUM=x\0",
                taken("bind", "mhi0_QAIC_CONTROL", 0, ""),
            ),
            (
                "change@/d\0ACTION=change\0DEVPATH=/devices/virtual/net/lo\0SUBSYSTEM=net\0SEQNUM=1\0",
                None,
            ),
            ("libudev\0ACTION=add\0DEVPATH=/d\0SUBSYSTEM=pci\0", None),
            ("add@/d\0ACTION=add\0SUBSYSTEM=pci\0", None),
            ("add@/d\0ACTION=add\0DEVPATH=/d\0", None),
            ("\0\0=\0", None),
            ("", None),
        ] {
            assert_eq!(parse(message.as_bytes()), expected, "{message:?}");
        }
        assert_eq!(parse(b"\xff\xfe@\0SUBSYSTEM=pci\0"), None);
    }

    #[test]
    fn what_is_told_together_names_the_functions_whose_devices_they_are() {
        let word = |path: &str, subsystem: &str| {
            let text =
                format!("remove@{path}\0ACTION=remove\0DEVPATH={path}\0SUBSYSTEM={subsystem}\0");
            parse(text.as_bytes()).expect("it matters")
        };
        let soc = "/devices/pci0000:20/0000:20:01.0/0000:21:00.0/0000:22:00.0/0000:23:00.0";
        let other = soc.replace("0000:23:00.0", "0000:24:00.0");
        let channel = word(&format!("{soc}/mhi0/mhi0_QAIC_CONTROL"), "mhi");
        let node = word(&format!("{soc}/accel/accel3"), "accel");
        let functions = |told: &[Uevent]| match happening(told) {
            Some(Happening::Kernel {
                functions, more, ..
            }) => {
                assert_eq!(more + 1, told.len());
                functions.iter().map(ToString::to_string).collect()
            }
            _ => Vec::new(),
        };
        let reset = [channel.clone(), node.clone()];
        assert_eq!(functions(&reset), ["0000:23:00.0"]);
        let both = [node, word(&format!("{other}/mhi1"), "mhi"), channel.clone()];
        assert_eq!(functions(&both), ["0000:23:00.0", "0000:24:00.0"]);
        // A port is a function of its own, and a device of none explains nothing.
        assert_eq!(
            functions(&[word("/devices/pci0000:20/0000:20:01.0", "pci")]),
            ["0000:20:01.0"]
        );
        let none = [channel, word("/devices/virtual/accel/accel9", "accel")];
        assert_eq!(functions(&none), Vec::<String>::new());
        assert_eq!(happening(&[]), None);
    }

    #[test]
    fn words_of_channels_alone_are_told_apart() {
        let word = |action: &str, more: &str| {
            let path = "/devices/pci0000:20/0000:20:01.0/0000:23:00.0/accel/accel3";
            let text = format!(
                "{action}@{path}\0ACTION={action}\0DEVPATH={path}\0SUBSYSTEM=accel\0{more}SEQNUM=7\0"
            );
            parse(text.as_bytes()).expect("it matters")
        };
        let taken = word("change", "DBC_ID=3\0DBC_STATE=1\0");
        let given = word("change", "DBC_ID=3\0DBC_STATE=0\0");
        let gone = word("offline", "");
        for (told, expected) in [
            (vec![taken.clone(), given.clone()], KernelWords::Channels),
            (vec![taken.clone(), gone.clone()], KernelWords::Devices),
            (vec![gone], KernelWords::Devices),
            (
                vec![word("remove", "DBC_ID=3\0DBC_STATE=0\0")],
                KernelWords::Devices,
            ),
            (vec![word("change", "")], KernelWords::Devices),
        ] {
            match happening(&told) {
                Some(Happening::Kernel {
                    about, functions, ..
                }) => {
                    assert_eq!(about, expected, "{told:?}");
                    assert_eq!(functions.len(), 1);
                }
                other => unreachable!("{other:?}"),
            }
        }
    }

    #[test]
    fn an_ear_that_hears_nothing_waits_no_longer_than_asked() {
        let ear = Uevents::open().expect("anybody may listen");
        // Whatever this machine's devices do meanwhile ends the wait earlier.
        let _ = ear.wait(Duration::from_millis(1));
    }
}
