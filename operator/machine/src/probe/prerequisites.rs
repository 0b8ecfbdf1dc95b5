//! What the vendor's guides ask of a machine: the facts that `doctor` judges and nothing is planned by.
//!
//! Format: the kernel's and the system's files are documented (proc(5), group(5), os-release(5), DMI below `/sys/class/dmi`, the
//! UEFI variable); so are the SDK's files and the group `qaic`. What the vendor's operator leaves behind is observed in its
//! sources; by which names hypervisors call their machines, on machines that people published.
use std::collections::{BTreeMap, BTreeSet};

use crd::{
    Fact, Unknown,
    snapshot::{PciFunction, Prerequisites, Reader},
};

use super::{
    asked::of_soc,
    reach::{listed, of_processors, parsed, reason, text},
};
use crate::{machine::Machine, vendor::secure_boot};

/// `CAP_SYS_ADMIN`, by its number (linux/capability.h).
const SYS_ADMIN: u32 = 21;
/// Kernel modules that cards need, or that take SoCs for somebody else.
const MODULES: [&str; 6] = ["mhi", "qaic", "qrtr", "qrtr_mhi", "switchtec", "vfio_pci"];
/// The vendor's SDK.
const SDK: &str = "/opt/qti-aic";
/// Files of it that steps need: tools, what qmonitor reads, the test of P2P, and what that test's output is compared with.
const FILES: [(&str, &str); 7] = [
    ("exec", "qaic-runner"),
    ("firmware", "fw2_swe.json"),
    (
        "test-data/aic100/v2/qaic-compute-networks/factory-workload-bin",
        "2c-p2p-bw",
    ),
    (
        "test-data/aic100/v2/qaic-compute-networks/factory-workload-bin/2c-p2p-bw",
        "output.bin",
    ),
    ("tools", "qaic-monitor-grpc-server"),
    ("tools", "qaic-monitor-json"),
    ("tools", "qaic-util"),
];

pub(crate) fn prerequisites(machine: &Machine, socs: &[&PciFunction]) -> Prerequisites {
    let qaic_group = qaic_group(machine);
    let product = product(machine);
    Prerequisites {
        reader: reader(machine, &qaic_group),
        distribution: parsed(machine, "/etc/os-release", distribution),
        pythons: listed(machine, "/usr/bin", |names| pythons(&names)),
        disk_gib: match machine.capacity("/") {
            Ok(bytes) => Fact::known(bytes >> 30, "/"),
            Err(error) => Fact::unknown(reason(&error), "/"),
        },
        virtual_machine: virtual_machine(machine, &product),
        product,
        secure_boot: Some(secure_boot_fact(machine)),
        driver_parameters: driver_parameters(machine),
        iommus: listed(machine, "/sys/class/iommu", |names| {
            u32::try_from(names.len()).unwrap_or(u32::MAX)
        }),
        modules: listed(machine, "/sys/module", |mut names| {
            names.retain(|name| MODULES.contains(&name.as_str()));
            names
        }),
        driver_version: text(machine, "/sys/module/qaic/version"),
        installed: installed(machine),
        switchtec: match machine.locate("switchtec") {
            Some(path) => Fact::known(path, "switchtec"),
            None => Fact::unknown(Unknown::ToolMissing, "switchtec"),
        },
        qaic_group,
        vendor_operator: vendor_operator(machine),
        socs: socs
            .iter()
            .map(|soc| of_soc(machine, soc.address))
            .collect(),
    }
}

fn reader(machine: &Machine, qaic: &Fact<u32>) -> Reader {
    const STATUS: &str = "/proc/self/status";
    let in_qaic_group = match qaic.get() {
        Some(&id) => parsed(machine, STATUS, |text| {
            let of = |key: &str| -> Option<Vec<u32>> {
                let numbers = line(text, key)?.split_whitespace();
                numbers.map(|number| number.parse().ok()).collect()
            };
            Some(of("Groups:")?.contains(&id) || of("Gid:")?.get(1) == Some(&id))
        }),
        None => Fact::unknown(qaic.unknown.unwrap_or(Unknown::Absent), qaic.source.clone()),
    };
    Reader {
        // Real, effective, saved and of the file system.
        uid: parsed(machine, STATUS, |text| {
            line(text, "Uid:")?.split_whitespace().nth(1)?.parse().ok()
        }),
        sys_admin: parsed(machine, STATUS, |text| {
            let bits = u64::from_str_radix(line(text, "CapEff:")?.trim(), 16).ok()?;
            Some(bits >> SYS_ADMIN & 1 == 1)
        }),
        in_qaic_group,
    }
}

fn line<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key))
}

/// The group's id from the system's own list; a directory service may know it and this list not.
fn qaic_group(machine: &Machine) -> Fact<u32> {
    const GROUPS: &str = "/etc/group";
    match machine.read_text(GROUPS) {
        Ok(text) => {
            let id = text.lines().find_map(|line| {
                let mut fields = line.split(':');
                (fields.next() == Some("qaic")).then(|| fields.nth(1)?.parse().ok())
            });
            match id {
                Some(Some(id)) => Fact::known(id, GROUPS),
                Some(None) => Fact::unknown(Unknown::Malformed, GROUPS),
                None => Fact::unknown(Unknown::Absent, GROUPS),
            }
        }
        Err(error) => Fact::unknown(reason(&error), GROUPS),
    }
}

/// `ID` and `VERSION_ID` of os-release(5), without their quotes.
fn distribution(text: &str) -> Option<String> {
    let of = |key: &str| line(text, key).map(|value| value.trim_matches(['"', '\'']));
    let name = of("ID=").filter(|name| !name.is_empty())?;
    let whole = match of("VERSION_ID=") {
        Some(version) => format!("{name} {version}"),
        None => name.to_owned(),
    };
    (whole.len() <= 64).then_some(whole)
}

/// Versions among names such as `python3.10`, by number.
fn pythons(names: &[String]) -> Vec<String> {
    let minors: BTreeSet<u32> = names
        .iter()
        .filter_map(|name| name.strip_prefix("python3.")?.parse().ok())
        .collect();
    minors.iter().map(|minor| format!("3.{minor}")).collect()
}

/// Whether the first processor has the flag that hypervisors set; other architectures than x86 have none to tell.
fn is_virtual(cpuinfo: &str) -> Option<bool> {
    let flags = cpuinfo.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == "flags").then_some(value)
    })?;
    Some(flags.split_whitespace().any(|flag| flag == "hypervisor"))
}

/// Whether the machine is a virtual one. Either sign is enough: a hypervisor may hide its flag, and a name may be changed.
fn virtual_machine(machine: &Machine, product: &Fact<String>) -> Fact<bool> {
    let flag = of_processors(machine, is_virtual);
    let named = product.get().is_some_and(|product| is_emulated(product));
    if named && flag.get() != Some(&true) {
        return Fact::known(true, product.source.clone());
    }
    // Xen's privileged domain has it too, and the machine to itself.
    if flag.get() != Some(&true)
        && machine
            .read_text(HYPERVISOR)
            .is_ok_and(|name| !name.trim().is_empty())
        && !machine
            .read_text("/proc/xen/capabilities")
            .is_ok_and(|may| may.contains("control_d"))
    {
        return Fact::known(true, HYPERVISOR);
    }
    flag
}

/// What a guest of Xen says of what it runs on.
const HYPERVISOR: &str = "/sys/hypervisor/type";

/// Whether maker and product are those that hypervisors give their machines (as they are told apart by systemd-detect-virt).
/// Some makers have machines of both kinds: then the product tells.
fn is_emulated(product: &str) -> bool {
    const WORDS: [&str; 12] = [
        "bhyve",
        "bochs",
        "innotek",
        "kubevirt",
        "kvm",
        "openstack",
        "ovirt",
        "parallels",
        "qemu",
        "virtualbox",
        "vmware",
        "xen",
    ];
    const PHRASES: [&str; 7] = [
        "alibaba cloud ecs",
        "apple virtualization",
        "google compute engine",
        "standard pc (",
        "microsoft corporation virtual machine",
        "nutanix ahv",
        "rhev hypervisor",
    ];
    let product = product.to_ascii_lowercase();
    let named = product
        .split(|c: char| !c.is_ascii_alphanumeric())
        .any(|word| WORDS.contains(&word));
    let rented = product.starts_with("amazon ec2") && !product.contains(".metal");
    named || rented || PHRASES.iter().any(|phrase| product.contains(phrase))
}

fn product(machine: &Machine) -> Fact<String> {
    const FOLDER: &str = "/sys/class/dmi/id";
    let read = |name: &str| machine.read_text(&format!("{FOLDER}/{name}"));
    let whole = match (read("sys_vendor"), read("product_name")) {
        (Ok(maker), Ok(product)) => format!("{maker} {product}"),
        // Some firmware fills in one of the two.
        (Ok(one), Err(_)) | (Err(_), Ok(one)) => one,
        (Err(error), Err(_)) => return Fact::unknown(reason(&error), FOLDER),
    };
    Fact::known(whole.trim().chars().take(128).collect(), FOLDER)
}

fn installed(machine: &Machine) -> Fact<Vec<String>> {
    if let Err(error) = machine.list(&format!("{SDK}/tools")) {
        let why = match reason(&error) {
            Unknown::Absent => Unknown::ToolMissing,
            other => other,
        };
        return Fact::unknown(why, SDK);
    }
    let there = |folder: &str, name: &str| {
        let names = machine.list(&format!("{SDK}/{folder}"));
        let is_called = ["tools", "exec"].contains(&folder);
        names.is_ok_and(|names| names.iter().any(|found| found == name))
            && !(is_called && machine.is_program(&format!("{SDK}/{folder}/{name}")) == Some(false))
    };
    let found = FILES.iter().filter(|(folder, name)| there(folder, name));
    Fact::known(
        found
            .map(|(folder, name)| format!("{folder}/{name}"))
            .collect(),
        SDK,
    )
}

/// The vendor's operator marks a node that it has reset, and its device plugin listens in the kubelet's folder.
fn vendor_operator(machine: &Machine) -> Fact<Vec<String>> {
    const MARKS: [(&str, &str); 2] = [
        ("/var/lib", "qaic_soc_reset_done"),
        ("/var/lib/kubelet/device-plugins", "qaic"),
    ];
    let mut found = Vec::new();
    for (folder, part) in MARKS {
        match machine.list(folder) {
            Ok(names) => found.extend(
                names
                    .iter()
                    .filter(|name| name.contains(part))
                    .map(|name| format!("{folder}/{name}")),
            ),
            // A node without a kubelet has nothing of it.
            Err(error) if reason(&error) == Unknown::Absent => {}
            Err(error) => return Fact::unknown(reason(&error), folder),
        }
    }
    found.sort();
    Fact::known(found, "/var/lib")
}

fn secure_boot_fact(machine: &Machine) -> Fact<bool> {
    /// The variable by its name and the UEFI specification's own namespace.
    const VARIABLE: &str =
        "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    match machine.read(VARIABLE) {
        Ok(bytes) => match secure_boot(&bytes) {
            Some(on) => Fact::known(on, VARIABLE),
            None => Fact::unknown(Unknown::Malformed, VARIABLE),
        },
        Err(error) => Fact::unknown(reason(&error), VARIABLE),
    }
}

/// The driver's parameters by the names that it has; nothing where it is not loaded.
fn driver_parameters(machine: &Machine) -> Option<BTreeMap<String, Fact<String>>> {
    const FOLDER: &str = "/sys/module/qaic/parameters";
    let names = machine.list(FOLDER).ok()?;
    let read = |name: String| {
        let value = text(machine, &format!("{FOLDER}/{name}"));
        (name, value.map(|value| value.chars().take(64).collect()))
    };
    Some(names.into_iter().map(read).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_is_its_name_and_version() {
        for (text, expected) in [
            (
                "NAME=\"Ubuntu\"\nVERSION_ID=\"22.04\"\nID=ubuntu\nID_LIKE=debian\n",
                Some("ubuntu 22.04"),
            ),
            ("ID=\"rhel\"\nVERSION_ID='9.3'\n", Some("rhel 9.3")),
            ("ID=arch\n", Some("arch")),
            ("VERSION_ID=1\n", None),
            ("ID=\"\"\n", None),
            ("", None),
        ] {
            assert_eq!(distribution(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn pythons_are_told_by_number() {
        let names: Vec<String> = [
            "python3",
            "python3.9",
            "python3.10",
            "python3.x",
            "python3.9-config",
            "python2.7",
        ]
        .map(str::to_owned)
        .into();
        assert_eq!(pythons(&names), ["3.9", "3.10"]);
    }

    #[test]
    fn what_hypervisors_call_their_machines_is_known() {
        for (product, expected) in [
            ("QEMU Standard PC (Q35 + ICH9, 2009)", true),
            ("Red Hat KVM", true),
            ("VMware, Inc. VMware7,1", true),
            ("innotek GmbH VirtualBox", true),
            ("Xen HVM domU", true),
            ("Microsoft Corporation Virtual Machine", true),
            ("Google Google Compute Engine", true),
            ("Nutanix AHV", true),
            ("Nutanix NX-8155-G7", false),
            ("Alibaba Cloud Alibaba Cloud ECS", true),
            ("oVirt oVirt Node", true),
            ("Red Hat RHEV Hypervisor", true),
            ("OpenStack Foundation OpenStack Nova", true),
            ("Amazon EC2 m5.large", true),
            ("Amazon EC2 m5.metal", false),
            ("Microsoft Corporation Surface", false),
            ("Supermicro SYS-420GP-TNR", false),
            ("Dell Inc. PowerEdge R750xa", false),
            ("Lenovo XenSomething", false),
            ("", false),
        ] {
            assert_eq!(is_emulated(product), expected, "{product}");
        }
    }

    #[test]
    fn only_x86_says_whether_it_is_virtual() {
        assert_eq!(is_virtual("flags\t\t: fpu hypervisor sse\n"), Some(true));
        assert_eq!(is_virtual("flags\t\t: fpu nohypervisor\n"), Some(false));
        assert_eq!(is_virtual("Features\t: fp asimd\n"), None);
    }
}
