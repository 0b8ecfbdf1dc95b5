//! A machine as a container shows it: the kernel's folders are mounted elsewhere, and the host name is not the machine's.
use std::fs;

use serde_json::Value;

use crate::lab::Lab;

#[test]
fn a_machine_is_looked_at_where_a_container_has_it() {
    let lab = Lab::new();
    for (file, text) in [
        ("proc/sys/kernel/hostname", "a-pod\n"),
        (
            "proc/sys/kernel/random/boot_id",
            "6c1f2f6e-0000-4000-8000-000000000001\n",
        ),
        ("proc/sys/vm/max_map_count", "31337\n"),
        ("etc/sysctl.d/99-mine.conf", "vm.max_map_count = 1\n"),
    ] {
        let path = lab.path("mounted").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let probe = ["probe", "-o", "json", "--roots", "mounted"];
    let named = [&probe[..], &["--node", "aic-07"]].concat();
    let said = lab.plain(&named).expect(0).stdout;
    let seen: Value = serde_json::from_str(&said).unwrap();
    let node = seen.pointer("/nodes/0").unwrap_or(&seen);
    assert_eq!(node["metadata"]["name"], "aic-07", "{said}");
    for fact in ["6c1f2f6e-0000", "31337", "99-mine.conf"] {
        assert!(said.contains(fact), "{fact}: {said}");
    }
    // Unnamed it is called what the kernel calls the container.
    let said = lab.plain(&probe).expect(0).stdout;
    assert!(said.contains("a-pod"), "{said}");
    // A rack's servers are all its own.
    let both = [&probe[..], &["--rack", "rack.yaml"]].concat();
    lab.plain(&both).expect(64);
}
