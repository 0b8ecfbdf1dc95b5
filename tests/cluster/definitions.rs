//! The generated definitions: taken without a warning, established, and printed with their columns.
use crate::control_plane::ControlPlane;

/// What stands above the quickstart's objects.
const HEADS: [(&str, &str); 3] = [
    (
        "cardpolicies",
        "NAME ENFORCEMENT APPROVAL NODES CONVERGED READY REASON AGE",
    ),
    ("p2pgroups", "NAME SIZE SETS VERIFIED READY REASON AGE"),
    (
        "shardedmodels",
        "NAME SHARDS CONNECTIVITY REPLICAS SERVING READY REASON AGE",
    ),
];

pub fn are_taken(plane: &ControlPlane) -> Vec<String> {
    let apply = ["apply", "--server-side", "-f", "charts/shardplane/crds"];
    let wait = [
        "wait",
        "--for=condition=Established",
        "crd",
        "--all",
        "--timeout=60s",
    ];
    [&apply[..], &wait[..]]
        .into_iter()
        .map(|arguments| plane.kubectl(arguments))
        // Warnings come on standard error too: a list without a bound, a format that it does not know.
        .filter(|answer| !answer.succeeded || !answer.stderr.is_empty())
        .map(|answer| answer.stderr)
        .collect()
}

pub fn print_their_columns(plane: &ControlPlane) -> Vec<String> {
    HEADS
        .iter()
        .filter_map(|(kind, head)| {
            let printed = plane.kubectl(&["get", kind]).expected();
            let first = printed.lines().next().unwrap_or_default();
            let found = first.split_whitespace().collect::<Vec<_>>().join(" ");
            (found != *head).then(|| format!("{kind}: {found}"))
        })
        .collect()
}
