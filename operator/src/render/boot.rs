//! Kernel command lines as text: comments say what and why not, every other line can be copied as it is.
use std::fmt::Write as _;

use reconcile::BootParameters;

use super::words::counted;

/// The lines of every node.
pub fn text(nodes: &[BootParameters]) -> String {
    let texts: Vec<String> = nodes.iter().map(node).collect();
    texts.join("\n")
}

fn node(said: &BootParameters) -> String {
    let BootParameters {
        node,
        kernel,
        ports,
        disable_acs_redir,
        config_acs,
        known,
        caveats,
        left_out,
        none_because,
    } = said;
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "# {node}, kernel {}: {} between members of declared groups",
        kernel.as_deref().unwrap_or("unknown"),
        counted(ports.len(), "port"),
    );
    for group in left_out {
        let _ = writeln!(text, "# left out: {group}");
    }
    if let Some(why) = none_because {
        let _ = writeln!(text, "# none: {why}");
    }
    for (name, since, line) in [
        ("disable_acs_redir", "4.20", disable_acs_redir),
        ("config_acs", "6.11", config_acs),
    ] {
        let Some(line) = line else { continue };
        let here = match (kernel, known.contains(&name)) {
            (None, _) => "",
            (Some(_), true) => ", this one too",
            (Some(_), false) => ", not this one",
        };
        let _ = writeln!(text, "# for kernels from {since}{here}\n{line}");
    }
    for caveat in caveats {
        let _ = writeln!(text, "# note: {caveat}");
    }
    text
}
