//! QEMU's command line: from a machine's order and its wiring to the program that is to be started.
use std::path::Path;

use crate::{
    place::Places,
    topology,
    vm::{Init, Order},
};

/// Kernel messages to a file, all of them, for whoever has to find out where one stood still; an end at a panic, no check
/// of a timer that emulation makes late, and no defence against a processor's flaws, which an emulated one does not have.
/// The emulated disk now and then loses an interrupt: its driver asks again after five seconds instead of thirty.
const COMMAND_LINE: &str =
    "console=ttyS0 panic=-1 no_timer_check mitigations=off nvme_core.io_timeout=5";
/// Each port's driver takes an interrupt vector, of which a processor has two hundred; the agent's serial port wants one too.
const PORTS_OF_A_PROCESSOR: u8 = 144;

/// The program that is the machine, not started yet.
pub(crate) fn command(
    places: &Places,
    order: &Order<'_>,
    wiring: &topology::Wiring,
    console: &Path,
    initrd: &Path,
) -> std::process::Command {
    let host = order.server.host.clone().unwrap_or_default();
    let line = topology::command_line(order.server);
    let lockdown = match host.lockdown {
        None | Some(crd::snapshot::Lockdown::None) => "",
        Some(crd::snapshot::Lockdown::Integrity) => "lab_lockdown=integrity",
        Some(crd::snapshot::Lockdown::Confidentiality) => "lab_lockdown=confidentiality",
    };
    let init = match order.init {
        Init::Agent => "",
        Init::Systemd => "rdinit=/lab/boot/init",
    };
    // A lab that is killed takes its machines along. What is preloaded is for QEMU alone.
    let mut qemu = host::tied("env");
    qemu.arg(format!(
        "LD_PRELOAD={}",
        places.built.join("libshim.so").display()
    ))
    .arg(format!("LAB_DEVICE_TYPES={}", wiring.types.join("\n")))
    .arg("qemu-system-x86_64")
    .args(["-machine", "q35,accel=tcg"])
    .args([
        "-smp",
        &(1 + wiring.ports / PORTS_OF_A_PROCESSOR).to_string(),
    ])
    // No source of randomness: what starts early in a boot must not wait for one.
    .args(["-cpu", "qemu64"])
    .args(["-m", "512", "-nodefaults", "-no-user-config", "-no-reboot"])
    .args(["-display", "none", "-vga", "none", "-monitor", "none"])
    .arg("-serial")
    .arg(format!("file:{}", console.display()))
    .args(["-serial", "stdio"])
    .arg("-kernel")
    .arg(places.kernel.join("vmlinuz"))
    .arg("-initrd")
    .arg(initrd)
    .arg("-append")
    .arg(format!(
        "{COMMAND_LINE} {init} {line} {lockdown} {}",
        order.command_line
    ));
    if topology::has_iommu(order.server) {
        qemu.args(["-device", "intel-iommu"]);
    }
    for device in &wiring.devices {
        qemu.arg("-device").arg(device);
    }
    if let Some(disk) = &order.disk {
        // A bus of its own place, behind everything that the rack's tree has.
        qemu.arg("-drive")
            .arg(format!(
                "file={},if=none,id=state,format=raw",
                disk.display()
            ))
            .args([
                "-device",
                "nvme,drive=state,serial=lab-state,bus=pcie.0,addr=1e.0",
            ]);
    }
    qemu
}
