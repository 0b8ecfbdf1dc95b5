//! A rack's server written out as files, as a kernel and an SDK lay them out: what Linux is to read alike.
use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    time::Duration,
};

use machine::{Invocation, Machine, Roots};

const DEVICES: &str = "/sys/bus/pci/devices";
/// Files of a function that stand for themselves.
const FILES: [&str; 13] = [
    "vendor",
    "device",
    "class",
    "resource",
    "current_link_speed",
    "current_link_width",
    "max_link_speed",
    "max_link_width",
    "numa_node",
    "ce_count",
    "ue_count",
    "ue_nonfatal_count",
    "config",
];
/// Files of the machine around the functions.
const AROUND: [&str; 21] = [
    "/etc/group",
    "/etc/os-release",
    "/opt/qti-aic/versions/apps.xml",
    "/opt/qti-aic/versions/platform.xml",
    "/proc/cmdline",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/1/net/tcp",
    "/proc/1/net/tcp6",
    "/proc/self/status",
    "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/osrelease",
    "/proc/sys/kernel/random/boot_id",
    "/proc/sys/vm/max_map_count",
    "/sys/class/dmi/id/product_name",
    "/sys/class/dmi/id/sys_vendor",
    "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
    "/sys/kernel/security/lockdown",
    "/sys/module/qaic/parameters/control_resp_timeout",
    "/sys/module/qaic/parameters/control_resp_timeout_s",
    "/sys/module/qaic/version",
];
/// Folders of which only the names matter.
const NAMED: [&str; 14] = [
    "/etc/modprobe.d",
    "/etc/sysctl.d",
    "/opt/qti-aic/exec",
    "/opt/qti-aic/firmware",
    "/opt/qti-aic/test-data/aic100/v2/qaic-compute-networks/factory-workload-bin/2c-p2p-bw",
    "/opt/qti-aic/test-data/aic100/v2/qaic-compute-networks/factory-workload-bin",
    "/opt/qti-aic/tools",
    "/run/modprobe.d",
    "/run/sysctl.d",
    "/run/systemd/system",
    "/sys/class/iommu",
    "/sys/module",
    "/usr/bin",
    "/var/lib",
];

/// A machine whose kernel files are these folders.
pub(crate) fn roots(folder: &Path) -> Roots {
    Roots {
        sys: folder.join("sys"),
        proc: folder.join("proc"),
        dev: folder.join("dev"),
        opt: folder.join("opt"),
        var: folder.join("var"),
        etc: folder.join("etc"),
        run: folder.join("run"),
        usr: folder.join("usr"),
        search: vec![folder.join("bin")],
        node: Some("fixture".into()),
    }
}

/// Writes a file, and the folders above it.
pub(crate) fn put(folder: &Path, path: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// The first process, in this PID namespace.
pub(crate) fn first_process(folder: &Path, namespace: &str) {
    let first = folder.join("proc/1");
    fs::create_dir_all(first.join("fd")).unwrap();
    fs::create_dir_all(first.join("ns")).unwrap();
    let _ = fs::remove_file(first.join("ns/pid"));
    symlink(namespace, first.join("ns/pid")).unwrap();
}

/// Puts a checked-in double where a tool is looked for.
pub(crate) fn double(folder: &Path, double: &str, tool: &str) {
    let place = folder.join(tool);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    let real = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/tools")
        .join(double);
    let _ = fs::remove_file(&place);
    symlink(real, place).unwrap();
}

/// The functions alone, each with the configuration space that `config` makes of its own.
pub(crate) fn functions(machine: &Machine, folder: &Path, config: &dyn Fn(&[u8]) -> Vec<u8>) {
    let devices = folder.join(DEVICES.trim_start_matches('/'));
    fs::create_dir_all(&devices).unwrap();
    first_process(folder, "pid:[4026531836]");
    for address in machine.list(DEVICES).unwrap() {
        let (link, real) = real(machine, &address);
        for file in FILES {
            let Ok(bytes) = machine.read(&format!("{DEVICES}/{address}/{file}")) else {
                continue;
            };
            let bytes = if file == "config" {
                config(&bytes)
            } else {
                bytes
            };
            put(folder, &format!("{real}/{file}"), bytes);
        }
        for file in ["driver", "iommu_group"] {
            if let Ok(target) = machine.readlink(&format!("{DEVICES}/{address}/{file}")) {
                symlink(target, folder.join(format!("{real}/{file}"))).unwrap();
            }
        }
        symlink(&link, devices.join(&address)).unwrap();
    }
}

/// Everything that a probe may look at: functions, nodes, MHI, hwmon, the machine around them, the SDK, and its query tool as
/// a double that says what the rack's says.
pub(crate) fn whole(machine: &Machine, folder: &Path) {
    functions(machine, folder, &<[u8]>::to_vec);
    for address in machine.list(DEVICES).unwrap() {
        let (_, real) = real(machine, &address);
        for class in ["accel", "qaic", "hwmon", "msi_irqs"] {
            below(
                machine,
                folder,
                &format!("{DEVICES}/{address}"),
                &real,
                class,
            );
        }
    }
    let mhi = "/sys/bus/mhi/devices";
    fs::create_dir_all(folder.join(&mhi[1..])).unwrap();
    for name in machine.list(mhi).unwrap() {
        let link = machine.readlink(&format!("{mhi}/{name}")).unwrap();
        let serial = machine.read(&format!("{mhi}/{name}/serialnumber")).unwrap();
        put(
            folder,
            &format!("sys/{}/serialnumber", link.trim_start_matches("../")),
            serial,
        );
        symlink(&link, folder.join(&mhi[1..]).join(&name)).unwrap();
    }
    for path in AROUND {
        if let Ok(bytes) = machine.read(path) {
            put(folder, path, bytes);
        }
    }
    for path in NAMED {
        let Ok(names) = machine.list(path) else {
            continue;
        };
        let below = folder.join(path.trim_start_matches('/'));
        fs::create_dir_all(&below).unwrap();
        for name in names {
            let place = below.join(name);
            match path {
                _ if place.exists() => {}
                "/sys/module" => fs::create_dir(place).unwrap(),
                _ => {
                    fs::write(&place, "").unwrap();
                    let tool = path.starts_with("/opt/qti-aic/");
                    let mode = if tool { 0o755 } else { 0o644 };
                    fs::set_permissions(place, Permissions::from_mode(mode)).unwrap();
                }
            }
        }
    }
    if machine.locate("systemd-run").is_some() {
        put(folder, "bin/systemd-run", "");
    }
    let tool = "opt/qti-aic/tools/qaic-util";
    let mut call = Invocation::new(
        &format!("/{tool}"),
        &["-q", "-j", "{dir}/json"],
        Duration::from_mins(1),
    );
    call.results = vec!["json".to_owned()];
    if let Ok(said) = machine.run(&call) {
        for (name, text) in said.files {
            put(folder, &format!("{tool}.answers/{name}"), text);
        }
        double(folder, "answers", tool);
        put(folder, &format!("{tool}.answers/stdout"), said.stdout);
        put(folder, &format!("{tool}.answers/calls"), "");
    }
}

/// A class folder of a function, with what is in it.
fn below(machine: &Machine, folder: &Path, device: &str, real: &str, class: &str) {
    let Ok(names) = machine.list(&format!("{device}/{class}")) else {
        return;
    };
    for name in names {
        let path = format!("{class}/{name}");
        // Names that a folder shows, and readings that are known by name alone.
        let mut files = machine
            .list(&format!("{device}/{path}"))
            .unwrap_or_default();
        if class == "hwmon" {
            files.extend(["temp2_input", "power1_input", "power1_max"].map(str::to_owned));
        }
        for file in &files {
            if let Ok(bytes) = machine.read(&format!("{device}/{path}/{file}")) {
                put(folder, &format!("{real}/{path}/{file}"), bytes);
            }
        }
        if files.is_empty() {
            match class {
                "msi_irqs" => put(folder, &format!("{real}/{path}"), "msi\n"),
                _ => fs::create_dir_all(folder.join(format!("{real}/{path}"))).unwrap(),
            }
        }
    }
}

/// Where a function's link leads, and its folder below the root.
fn real(machine: &Machine, address: &str) -> (String, String) {
    let link = machine.readlink(&format!("{DEVICES}/{address}")).unwrap();
    let real = PathBuf::from("sys").join(link.trim_start_matches("../"));
    (link, real.display().to_string())
}
