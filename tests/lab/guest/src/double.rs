//! Doubles of the vendor's tools: a rack made of the file that the machine was built from answers, after it was shown the
//! kernel's real registers.
//!
//! What is real: which functions are on the bus, and every port's ACS control word. What is doubled: the SoCs' firmware
//! (state, partitioning, resets), the tools' texts and exit codes, and whether data crosses a switch.
use std::{
    collections::BTreeSet,
    fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::{fs::symlink, process::CommandExt},
    path::Path,
    process::{Command, ExitCode, Stdio, abort},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use crd::{kind::rack::Rack, snapshot::Acs};
use machine::{
    Clock, Invocation, Machine, RackServer, Roots, ToolError, config::ConfigSpace,
    vendor::listens_on,
};

/// The room that this machine is a server of, and the server's name.
const RACK: &str = "/lab/rack.json";
const SERVER: &str = "/lab/server";
/// On the state disk where there is one: firmware keeps partitioning over a power loss.
const STATE: &str = "/state/firmware";
/// Every address that the rack gives a function at this boot.
const ADDRESSES: &str = "/run/addresses";
const DEVICES: &str = "/sys/bus/pci/devices";
/// The real tool's port.
const QMONITOR_PORT: u16 = 62472;
/// The test of P2P, with what its output is compared with.
const P2P_TEST: &str =
    "/opt/qti-aic/test-data/aic100/v2/qaic-compute-networks/factory-workload-bin/2c-p2p-bw";
/// What qmonitor reads: a file that only has to be there.
const FIRMWARE: &str = "/opt/qti-aic/firmware";
/// A call that the rack lets hang is ended by whoever waits for it, long before this.
const LONGEST: Duration = Duration::from_hours(1);

/// Makes the tools that this server has, and its SDK's records; to be called once a boot.
pub(crate) fn install() -> Result<()> {
    let known = Path::new(STATE).exists();
    let machine = rack()?;
    if known {
        server(&machine)?.reboot()?;
    }
    for folder in ["tools", "exec", "versions"] {
        fs::create_dir_all(format!("/opt/qti-aic/{folder}"))?;
    }
    for folder in ["tools", "exec"] {
        for name in machine.list(&format!("/opt/qti-aic/{folder}"))? {
            symlink("/bin/guest", format!("/opt/qti-aic/{folder}/{name}"))?;
        }
    }
    for name in machine.list(FIRMWARE).unwrap_or_default() {
        fs::create_dir_all(FIRMWARE)?;
        fs::write(format!("{FIRMWARE}/{name}"), "")?;
    }
    for name in machine.list(P2P_TEST).unwrap_or_default() {
        fs::create_dir_all(P2P_TEST)?;
        fs::write(format!("{P2P_TEST}/{name}"), "")?;
    }
    for name in ["switchtec", "systemd-run"] {
        if let Err(ToolError::Missing { .. }) = machine.run(&Invocation::new(name, &[], LONGEST)) {
            continue;
        }
        symlink("/bin/guest", format!("/usr/bin/{name}"))?;
        if name == "systemd-run" {
            // Its double works without, and is to be taken for the tool that does not.
            fs::create_dir_all("/run/systemd/system")?;
        }
    }
    for name in ["platform.xml", "apps.xml"] {
        let path = format!("/opt/qti-aic/versions/{name}");
        fs::write(&path, machine.read(&path)?)?;
    }
    fs::write(ADDRESSES, machine.list(DEVICES)?.join("\n"))?;
    Ok(())
}

/// Is a tool: shows the rack what the kernel has, asks it, and says what it says.
pub(crate) fn run(program: &str, arguments: &[String]) -> Result<ExitCode> {
    let name = program.rsplit('/').next().unwrap_or(program);
    if name == "qaic-monitor-grpc-server" {
        return listen();
    }
    let machine = rack()?;
    show_the_kernel(&machine, name)?;
    let program = if program.starts_with("/opt/") {
        program
    } else {
        name
    };
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = machine.run(&Invocation::new(program, &words, LONGEST))?;
    #[expect(
        clippy::print_stdout,
        clippy::print_stderr,
        reason = "a tool speaks on its own streams"
    )]
    {
        print!("{}", output.stdout);
        eprint!("{}", output.stderr);
    }
    match output.status {
        // Killed, as far as the caller can see.
        None => abort(),
        Some(0) if name == "systemd-run" => start_unit(arguments),
        Some(status) => Ok(ExitCode::from(u8::try_from(status).unwrap_or(1))),
    }
}

fn rack() -> Result<Machine> {
    let text = fs::read_to_string(RACK).context("reading the rack")?;
    let rack: Rack = serde_json::from_str(&text).context("reading the rack")?;
    let name = fs::read_to_string(SERVER).context("reading the server's name")?;
    let servers = machine::rack::open(&rack, "lab", Path::new(STATE), Clock::Wall)?;
    let machine = servers
        .into_iter()
        .map(Machine::Rack)
        .find(|machine| machine.name().as_str() == name.trim());
    machine.with_context(|| format!("the rack has no server {name}"))
}

fn server(machine: &Machine) -> Result<&RackServer> {
    match machine {
        Machine::Rack(server) => Ok(server),
        Machine::Linux(_) => bail!("a rack's server was opened as a machine"),
    }
}

/// Takes out of the rack what left the bus, puts back what came back, and copies every port's ACS control word where the
/// tool is one that depends on it.
fn show_the_kernel(rack: &Machine, tool: &str) -> Result<()> {
    let server = server(rack)?;
    let kernel = Machine::linux(Roots::default());
    let addresses = fs::read_to_string(ADDRESSES).context("reading the rack's addresses")?;
    let on_rack: BTreeSet<String> = rack.list(DEVICES)?.into_iter().collect();
    let words = matches!(tool, "qaic-runner" | "switchtec");
    for address in addresses.lines() {
        let here = Path::new(DEVICES).join(address).exists();
        let bridge = || {
            let class = rack.read_text(&format!("{DEVICES}/{address}/class"));
            class.is_ok_and(|class| class.starts_with("0x0604"))
        };
        match (here, on_rack.contains(address)) {
            (true, true) => {
                if words
                    && bridge()
                    && let Some(now) = word(&kernel, address)
                    && word(rack, address) != Some(now)
                {
                    server.set(&format!("{address}/acs"), &format!("0x{now:04x}"))?;
                }
            }
            // A port's absence shows below it.
            (false, true) => {
                if !bridge() {
                    server.unplug(address.parse()?)?;
                }
            }
            (true, false) => {
                // The kernel looked again; the SoC itself kept its power and stayed as it was.
                if server.replug(address).is_ok() {
                    let _ = server.set(&format!("{address}/state"), "ready");
                }
            }
            (false, false) => {}
        }
    }
    Ok(())
}

/// A function's ACS control word.
fn word(machine: &Machine, address: &str) -> Option<u16> {
    let bytes = machine
        .pread(&format!("{DEVICES}/{address}/config"), 0, 4096)
        .ok()?;
    match ConfigSpace(&bytes).acs() {
        Ok(Acs::Present { control, .. }) => Some(control.0),
        Ok(Acs::None) | Err(_) => None,
    }
}

/// qmonitor's server: somebody listens, which is all that can be seen of it from outside.
fn listen() -> Result<ExitCode> {
    let _listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, QMONITOR_PORT))
        .with_context(|| format!("listening on port {QMONITOR_PORT}"))?;
    loop {
        thread::park();
    }
}

/// Runs what `systemd-run` was given outside the caller's process group, and returns once it listens.
fn start_unit(arguments: &[String]) -> Result<ExitCode> {
    let program = arguments
        .iter()
        .find(|argument| argument.starts_with('/'))
        .context("no program is named")?;
    #[expect(
        clippy::disallowed_methods,
        reason = "starting programs is what systemd-run is for"
    )]
    Command::new(program)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("starting {program}"))?;
    // The real unit warms up for ten seconds, and whoever starts it looks every two: the lab has better uses for both.
    for _ in 0..200 {
        let table = fs::read_to_string("/proc/net/tcp").context("reading the kernel's sockets")?;
        if listens_on(&table, QMONITOR_PORT) {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(ExitCode::SUCCESS)
}
