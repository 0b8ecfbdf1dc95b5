//! Tools that a machine is known to lack: what would call them is blocked before anything of it is touched.
use crd::{
    Fact,
    declaration::Declaration,
    kind::{
        DeletionPolicy, DeletionRule, GroupVerification, MdpMode, VerificationMode,
        rack::VendorTool,
    },
    plan::{Plan, ReportKind, ReportReason},
    snapshot::HardwareSnapshot,
    step::Action,
};

use crate::{
    declare::quickstart,
    simulate::{apply, plan_of},
    world::two_ultras,
};

const TOOLS: &str = "/opt/qti-aic/tools";

fn lacking(tool: VendorTool, looked: &str) -> HardwareSnapshot {
    let mut snapshot = two_ultras("lab");
    snapshot.tools.missing.insert(tool, looked.to_owned());
    snapshot
}

/// Steps that touch cards.
fn touching(plan: &Plan) -> Vec<&str> {
    let steps = plan.nodes.iter().flat_map(|node| &node.steps);
    steps
        .filter(|step| {
            !matches!(
                step.action,
                Action::SetDriver { .. } | Action::SetSysctl { .. } | Action::WriteFile { .. }
            )
        })
        .map(|step| step.id.0.as_str())
        .collect()
}

fn blocked(plan: &Plan) -> Vec<&str> {
    let lines = plan.report.iter();
    lines
        .filter(|line| line.kind == ReportKind::Blocked)
        .filter(|line| line.reason == ReportReason::ToolMissing)
        .map(|line| line.message.as_str())
        .collect()
}

fn check(declaration: &Declaration, snapshot: &HardwareSnapshot, words: Option<&str>) {
    let plan = plan_of(declaration, std::slice::from_ref(snapshot));
    let said = blocked(&plan);
    let Some(words) = words else {
        assert!(!touching(&plan).is_empty(), "{:#?}", plan.report);
        assert_eq!(said, [""; 0]);
        return;
    };
    assert_eq!(touching(&plan), [""; 0]);
    assert!(!said.is_empty(), "{:#?}", plan.report);
    assert!(said.iter().all(|line| line.contains(words)), "{said:?}");
}

#[test]
fn nothing_is_begun_that_a_missing_tool_would_end() {
    let declaration = quickstart();
    check(&declaration, &two_ultras("lab"), None);
    for (tool, looked, words) in [
        (
            VendorTool::QaicMonitorJson,
            TOOLS,
            "requested by `qaic-monitor-json`, which is not installed (not in /opt/qti-aic/tools)",
        ),
        (
            VendorTool::QaicMonitorGrpcServer,
            TOOLS,
            "stopped: it is started by `qaic-monitor-grpc-server`, which is not installed",
        ),
        (
            VendorTool::QmonitorFirmware,
            "/opt/qti-aic/firmware",
            "stopped: it reads `fw2_swe.json`, which is not installed (not in /opt/qti-aic/firmware)",
        ),
        (
            VendorTool::SystemdRun,
            "systemd-run",
            "stopped: it is started by `systemd-run`, which is not installed",
        ),
        (
            VendorTool::SystemdRun,
            "/run/systemd/system",
            "systemd does not run this machine (/run/systemd/system is not there)",
        ),
        (
            VendorTool::QaicRunner,
            "/opt/qti-aic/exec",
            "P2P is proven by `qaic-runner`, which is not installed",
        ),
        (
            VendorTool::P2PTest,
            "/opt/qti-aic/test-data",
            "P2P is proven by `2c-p2p-bw`, which is not installed",
        ),
    ] {
        check(&declaration, &lacking(tool, looked), Some(words));
    }
    for tool in [
        VendorTool::QaicExec,
        VendorTool::Switchtec,
        VendorTool::VersionTool,
    ] {
        check(&declaration, &lacking(tool, "elsewhere"), None);
    }
}

const MASK: &str = "/etc/systemd/system/qmonitor-proxy.service";

#[test]
fn a_masked_unit_is_not_to_be_started() {
    let mut snapshot = two_ultras("lab");
    snapshot.tools.qmonitor_masked = Some(MASK.to_owned());
    let words = format!("stopped: its unit is masked ({MASK})");
    check(&quickstart(), &snapshot, Some(&words));
    snapshot.tools.qmonitor_running = Fact::known(true, "test");
    check(&quickstart(), &snapshot, None);
}

#[test]
fn what_runs_has_not_to_be_started() {
    for tool in [
        VendorTool::QaicMonitorGrpcServer,
        VendorTool::QmonitorFirmware,
        VendorTool::SystemdRun,
    ] {
        let mut snapshot = lacking(tool, TOOLS);
        snapshot.tools.qmonitor_running = Fact::known(true, "test");
        check(&quickstart(), &snapshot, None);
    }
}

#[test]
fn what_is_not_to_be_proven_needs_no_test() {
    let mut declaration = quickstart();
    declaration.groups[0].spec.verification = Some(GroupVerification {
        mode: VerificationMode::None,
    });
    for tool in [VendorTool::QaicRunner, VendorTool::P2PTest] {
        check(&declaration, &lacking(tool, "elsewhere"), None);
    }
}

/// Each for itself: a policy's own partitioning, and the removal of what was switched.
#[test]
fn partitioning_alone_is_blocked_likewise() {
    let mut declaration = quickstart();
    declaration.groups.clear();
    declaration.models.clear();
    declaration.policies[0].spec.mdp = Some(MdpMode::Enabled);
    declaration.policies[0].spec.deletion_policy = Some(DeletionPolicy {
        rule: DeletionRule::Revert,
        mdp: Some(true),
        revert_timeout_seconds: None,
    });
    let words = "requested by `qaic-monitor-json`";
    let none = lacking(VendorTool::QaicMonitorJson, TOOLS);
    check(&declaration, &none, Some(words));

    let mut nodes = vec![two_ultras("lab")];
    let plan = plan_of(&declaration, &nodes);
    assert_eq!(apply(&plan, &mut nodes, false), [""; 0]);
    nodes[0].tools.missing = none.tools.missing;
    check(&Declaration::default(), &nodes[0], Some(words));
}

#[test]
fn what_is_as_declared_misses_nothing() {
    let declaration = quickstart();
    let mut nodes = vec![two_ultras("lab")];
    let plan = plan_of(&declaration, &nodes);
    assert_eq!(apply(&plan, &mut nodes, false), [""; 0]);
    for tool in [
        VendorTool::QaicMonitorJson,
        VendorTool::QaicMonitorGrpcServer,
        VendorTool::QmonitorFirmware,
        VendorTool::SystemdRun,
        VendorTool::QaicRunner,
        VendorTool::P2PTest,
    ] {
        nodes[0].tools.missing.insert(tool, TOOLS.to_owned());
    }
    let plan = plan_of(&declaration, &nodes);
    assert_eq!(touching(&plan), [""; 0]);
    assert_eq!(blocked(&plan), [""; 0]);
}

/// Nothing says in which state SoCs are where the tool is not installed: then it is the tool that is wanted.
#[test]
fn a_state_that_no_tool_tells_asks_for_the_tool() {
    for (why, wanted) in [
        (crd::Unknown::ToolMissing, "install the Platform SDK"),
        (crd::Unknown::ToolFailed, "look at the vendor's tool"),
    ] {
        let mut snapshot = two_ultras("lab");
        for soc in &mut snapshot.socs {
            soc.status = Fact::unknown(why, "qaic-util");
        }
        let plan = plan_of(&quickstart(), std::slice::from_ref(&snapshot));
        let mut lines = plan.report.iter();
        let line = lines.find(|line| line.reason == ReportReason::NotReady);
        let line = line.expect("it is in the way");
        assert!(line.hint.starts_with(wanted), "{line:?}");
    }
}
