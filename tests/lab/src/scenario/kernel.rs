//! What a kernel refuses, hides or has done already: lockdown, a user without rights, a boot option that clears redirects.
use anyhow::{Context, Result, bail, ensure};
use crd::{kind::rack::VirtualHost, snapshot::Lockdown};
use serde_json::Value;

use super::{Stage, cleared, reasons, same, shardplane, words};
use crate::projection::list;

const FILE: &str = "/lab/declared/switch.yaml";
/// `nobody`.
const NOBODY: u32 = 65534;

/// A locked-down kernel lets registers be read and never written: the plan says so by name, and nothing is touched.
pub(super) fn lockdown(stage: &Stage) -> Result<()> {
    let mut rack = stage.rack("two-ultra")?;
    let server = rack
        .rack
        .spec
        .servers
        .first_mut()
        .context("the rack is empty")?;
    server.host = Some(VirtualHost {
        lockdown: Some(Lockdown::Integrity),
        ..VirtualHost::default()
    });
    let mut vm = stage.boot("lockdown", &rack, |_| {})?;
    let before = words(&mut vm)?;
    let refused = vm.run(&["setpci", "-s", "0000:24:00.0", "ECAP_ACS+6.w=0011"])?;
    ensure!(
        words(&mut vm)? == before,
        "the kernel took a write although it is locked down: {refused:?}"
    );
    let snapshot = shardplane(&mut vm, &["snapshot", "-o", "json"])?
        .with(0)?
        .json()?;
    same(
        "lockdown",
        &snapshot["host"]["lockdown"]["value"].as_str(),
        &Some("Integrity"),
    )?;
    let plan = shardplane(&mut vm, &["plan", "-o", "json", "-f", FILE])?.json()?;
    same("ports to clear", &cleared(&plan), &Vec::new())?;
    ensure!(
        reasons(&plan, "blocked")
            .iter()
            .any(|reason| reason == "Lockdown"),
        "nothing speaks of lockdown: {}",
        plan["report"]
    );
    shardplane(&mut vm, &["apply", "-f", FILE])?
        .with(12)
        .context("applying")?;
    same("registers", &words(&mut vm)?, &before)
}

/// A user gets 64 bytes of configuration space: ACS is then unknown, and not absent; sizes of BARs are there all the same.
pub(super) fn unprivileged(stage: &Stage) -> Result<()> {
    let rack = stage.rack("two-ultra")?;
    let mut vm = stage.boot("unprivileged", &rack, |_| {})?;
    let argv = [
        "shardplane",
        "probe",
        "-o",
        "json",
        "--state-dir",
        "/tmp/nobody",
    ];
    let seen = vm.run_as(Some(NOBODY), &argv)?.with(0)?.json()?;
    let mut express = 0;
    for function in list(&seen["functions"]) {
        let acs = &function["acs"];
        // A conventional function's whole header says that it has no list; none of the rack's is one.
        if function["path"]
            .as_str()
            .is_some_and(|path| path.starts_with("0000:20:"))
        {
            express += 1;
            same(
                &format!("ACS of {}", function["address"]),
                &acs["unknown"].as_str(),
                &Some("NoPermission"),
            )?;
        }
        if crate::projection::is_soc(function) {
            let large = list(&function["bars"]["value"])
                .any(|bar| bar["index"] == 4 && bar["sizeKib"] == 2 << 20);
            ensure!(large, "{} shows no BAR 4 of 2 GiB", function["address"]);
        }
    }
    same("functions of the rack's tree", &express, &22)?;
    let argv = [
        "shardplane",
        "plan",
        "-o",
        "json",
        "-f",
        FILE,
        "--state-dir",
        "/tmp/nobody",
    ];
    let plan = vm.run_as(Some(NOBODY), &argv)?.json()?;
    same("ports to clear", &cleared(&plan), &Vec::new())?;
    let blocked = reasons(&plan, "blocked");
    if blocked.is_empty() {
        bail!(
            "a plan that cannot see registers is not blocked: {}",
            plan["report"]
        );
    }
    Ok(())
}

/// What `plan --boot-parameters` prints is what this kernel takes: booted with each that it is said to know, it has left no
/// port to clear, and those that nobody named as they were.
pub(super) fn boot_parameters(stage: &Stage) -> Result<()> {
    let rack = stage.rack("two-ultra")?;
    let mut vm = stage.boot("boot-parameters/asked", &rack, |_| {})?;
    let before = words(&mut vm)?;
    let argv = ["plan", "--boot-parameters", "-o", "json", "-f", FILE];
    let said = shardplane(&mut vm, &argv)?.with(0)?.json()?;
    drop(vm);
    let node = &said[0];
    let named: Vec<&str> = list(&node["ports"])
        .filter_map(|port| port["address"].as_str())
        .collect();
    ensure!(named.len() == 10, "ports named are {named:?}");
    let known: Vec<&str> = list(&node["known"]).filter_map(Value::as_str).collect();
    ensure!(
        known.contains(&"disable_acs_redir"),
        "this kernel is said to know {known:?}"
    );
    for parameter in known {
        let (key, left) = match parameter {
            "disable_acs_redir" => ("disableAcsRedir", None),
            "config_acs" => ("configAcs", Some("0011")),
            other => bail!("{other} is a parameter that the lab has never heard of"),
        };
        let line = node[key].as_str().context("a parameter has no line")?;
        let mut vm = stage.boot(&format!("boot-parameters/{parameter}"), &rack, |order| {
            line.clone_into(&mut order.command_line);
        })?;
        for ((at, word), (_, before)) in words(&mut vm)?.iter().zip(&before) {
            match (named.contains(&at.as_str()), left) {
                (false, _) => same(at, word, before)?,
                (true, Some(left)) => same(at, &word.as_str(), &left)?,
                // Older kernels leave the rest of their own word, newer ones what firmware left.
                (true, None) => ensure!(
                    word == "0011" || word == "0000",
                    "{at} has {word} with {line}"
                ),
            }
        }
        let plan = shardplane(&mut vm, &["plan", "-o", "json", "-f", FILE])?
            .with(0)?
            .json()?;
        same("ports to clear", &cleared(&plan), &Vec::new())?;
        let group = reasons(&plan, "blocked");
        ensure!(group.is_empty(), "blocked by {group:?} after {line}");
    }
    Ok(())
}
