//! What a plan would say is blocked is not promised to be mended by it.
use crd::{
    diagnosis::Mender,
    kind::rack::VendorTool,
    snapshot::{Holder, HolderKind, Lockdown, PortOwner},
};

use super::*;

#[test]
fn apply_is_no_mender_where_somebody_has_to_do_something_first() {
    use Verdict::{Fail, Pass, Warn};
    let off = |s: &mut HardwareSnapshot| s.socs[0].mdp = known(false);
    let found = check(off, "mdp", Fail, "off", 1);
    assert_eq!(found.mender, Some(Mender::Apply));
    let held = |s: &mut HardwareSnapshot| {
        off(s);
        s.holders.push(Holder {
            soc: s.socs[0].address,
            kind: HolderKind::Foreign,
            pid: Some(4711),
            name: "python3".into(),
            unit: None,
            container: None,
            pod: None,
        });
    };
    let agent = |s: &mut HardwareSnapshot| {
        off(s);
        s.tools.qmonitor_owner = Some(known(PortOwner::Pod {
            pid: 7,
            name: "agent".into(),
            uid: "uid".into(),
        }));
    };
    let monitor = |s: &mut HardwareSnapshot| {
        off(s);
        s.tools.qmonitor_running = Fact::unknown(crd::Unknown::ToolMissing, "qaic-monitor-json");
    };
    let tool = |s: &mut HardwareSnapshot| {
        off(s);
        let looked = "/opt/qti-aic/tools".to_owned();
        (s.tools.missing).insert(VendorTool::QaicMonitorJson, looked);
    };
    let starter = |s: &mut HardwareSnapshot| {
        off(s);
        s.tools.qmonitor_running = known(false);
        let looked = "/run/systemd/system".to_owned();
        s.tools.missing.insert(VendorTool::SystemdRun, looked);
    };
    for (change, words) in [
        (
            &tool as &dyn Fn(&mut HardwareSnapshot),
            "`qaic-monitor-json`",
        ),
        (&starter, "systemd does not run this machine"),
        (&held, "pid 4711"),
        (&agent, "the vendor's operator's agent"),
        (&monitor, "install the Platform SDK"),
    ] {
        let found = check(change, "mdp", Fail, "off", 1);
        assert_eq!(found.mender, Some(Mender::Person), "{found:?}");
        assert!(found.fix.starts_with("first: "), "{found:?}");
        assert!(found.fix.contains(words), "{found:?}");
    }
    let stopped = check(starter, "qmonitor", Warn, "stopped", 0);
    assert_eq!(stopped.mender, Some(Mender::Person));
    check(
        starter,
        "vendor-tools",
        Fail,
        "`systemd-run` starts qmonitor",
        0,
    );
    let running = |s: &mut HardwareSnapshot| {
        starter(s);
        s.tools.qmonitor_running = known(true);
    };
    check(running, "vendor-tools", Pass, "all there", 0);
    for (tool, mender) in [
        (VendorTool::Switchtec, Mender::Apply),
        (VendorTool::QaicRunner, Mender::Person),
        (VendorTool::P2PTest, Mender::Person),
        (VendorTool::QaicMonitorJson, Mender::Person),
    ] {
        let mut snapshot = two_ultras("aic-07");
        snapshot.tools.missing.insert(tool, "elsewhere".to_owned());
        let findings = doctor(&snapshot, None);
        let redirects = of(&findings, "acs-redirect");
        let found: Vec<_> = redirects.iter().filter(|f| f.verdict == Fail).collect();
        assert!(!found.is_empty(), "{findings:#?}");
        assert!(found.iter().all(|f| f.mender == Some(mender)), "{found:?}");
    }
    for (lockdown, mender) in [
        (Lockdown::None, Mender::Apply),
        (Lockdown::Integrity, Mender::Person),
        (Lockdown::Confidentiality, Mender::Person),
    ] {
        let mut snapshot = two_ultras("aic-07");
        snapshot.host.lockdown = known(lockdown);
        let findings = doctor(&snapshot, None);
        let redirects = of(&findings, "acs-redirect");
        let found: Vec<_> = redirects.iter().filter(|f| f.verdict == Fail).collect();
        assert!(!found.is_empty(), "{findings:#?}");
        assert!(found.iter().all(|f| f.mender == Some(mender)), "{found:?}");
    }
}
