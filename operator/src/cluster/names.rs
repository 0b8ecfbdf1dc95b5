//! Names that several programs must agree on: labels, annotations, taints, field owners, the lease.

/// A Node with this label has cards, unless its value is `false`. The vendor's operator labels Nodes so.
pub const CARDS_LABEL: &str = "qualcomm.com/qaic";
/// Our taint on a Node while SoCs on it are drained: nothing new is placed there; what runs stays.
pub const DRAIN_TAINT: &str = "shardplane.dev/draining";
/// The effect of our taint.
pub const DRAIN_EFFECT: &str = "NoSchedule";
/// On a `CardNode` whose Node is gone: since when, RFC 3339.
pub const GONE_SINCE: &str = "shardplane.dev/node-gone-since";
/// On a policy or a group: that somebody wants it looked at now, and what failed tried again. Any new value will do.
pub const REQUESTED_AT: &str = "shardplane.dev/reconcile-requested-at";
/// Owner of the fields that the controller writes.
pub const CONTROLLER: &str = "shardplane-controller";
/// Owner of the fields that an agent writes.
pub const AGENT: &str = "shardplane-agent";
/// Owner of the field that `shardplane approve` writes.
pub const APPROVER: &str = "shardplane-approve";
/// The namespace that controller and agents live in, where none is named.
pub const NAMESPACE: &str = "shardplane-system";
/// The lease that the leading controller holds.
pub const LEASE: &str = "shardplane-controller";
