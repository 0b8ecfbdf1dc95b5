//! Names that several programs must agree on: labels, annotations, taints, field owners, the lease.

/// A Node with this label has cards, unless its value is `false`. The vendor's operator labels Nodes so.
pub const CARDS_LABEL: &str = "qualcomm.com/qaic";
/// Our taint on a Node while SoCs on it are drained: nothing new is placed there; what runs stays.
pub const DRAIN_TAINT: &str = "shardplane.dev/draining";
/// The effect of our taint.
pub const DRAIN_EFFECT: &str = "NoSchedule";
/// On a `CardNode` whose Node is gone: since when, RFC 3339.
pub const GONE_SINCE: &str = "shardplane.dev/node-gone-since";
/// On a `CardNode` whose agent had a step in hand when its grant was taken back: until when that is waited for, RFC 3339.
pub const IN_HAND_UNTIL: &str = "shardplane.dev/in-hand-until";
/// On a policy, a group or a build: that somebody wants it looked at now, and what failed tried again. Any new value will do.
pub const REQUESTED_AT: &str = "shardplane.dev/reconcile-requested-at";
/// On a policy with the deletion rule Revert: it stays until what it changed is put back.
pub const REVERTS: &str = "shardplane.dev/revert";
/// On a policy that is being deleted: that it goes at once. What is left is put back all the same. Any value will do.
pub const RELEASE: &str = "shardplane.dev/release";
/// Owner of the fields that the controller writes.
pub const CONTROLLER: &str = "shardplane-controller";
/// Owner of the fields that the controller writes for models: builds, jobs, deployments and what stands before them.
pub const MODELS: &str = "shardplane-models";
/// On whatever the controller makes for a build or a model, with [`MODELS`] as value: it follows no other such objects.
pub const MADE_BY: &str = "app.kubernetes.io/managed-by";
/// On the pods of a model: which.
pub const MODEL_LABEL: &str = "shardplane.dev/model";
/// On the pods of a build: which.
pub const BUILD_LABEL: &str = "shardplane.dev/build";
/// On a job and on a deployment: key of the program that it builds or serves.
pub const PROGRAM: &str = "shardplane.dev/program";
/// On a job: the claim or the repository that its program goes to.
pub const STORE: &str = "shardplane.dev/store";
/// On a job: the uid of that claim when the job was made.
pub const STORE_UID: &str = "shardplane.dev/store-uid";
/// On a pod that mounts a claim that one node alone may mount: which. All of them go to one node.
pub const STORE_LABEL: &str = "shardplane.dev/store";
/// On whatever the controller makes for a build or a model: digest of all that it wrote there.
pub const APPLIED: &str = "shardplane.dev/applied";
/// Owner of the fields that an agent writes.
pub const AGENT: &str = "shardplane-agent";
/// Owner of the field that `shardplane approve` writes.
pub const APPROVER: &str = "shardplane-approve";
/// The namespace that controller and agents live in, where none is named.
pub const NAMESPACE: &str = "shardplane-system";
/// The lease that the leading controller holds.
pub const LEASE: &str = "shardplane-controller";
