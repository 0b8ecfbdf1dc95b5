//! What a cluster needs to know of a model's pods: where programs lie, and what a pod may have and is let near.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rule;

/// Where programs lie in a cluster: exactly one of `pvc`, `oci`. On one machine they lie in the state folder.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rule::validations(&[&rule::ONE_STORE])))]
pub struct ProgramStore {
    /// A volume that the build writes and the workers read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pvc: Option<PvcStore>,
    /// A registry that the build pushes to and the nodes of the workers pull from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oci: Option<OciStore>,
}

/// A persistent volume that holds programs, each in a folder that is named by its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PvcStore {
    /// The claim, in the object's namespace.
    #[schemars(length(min = 1, max = 253))]
    pub claim: String,
}

/// A repository that holds programs, each as an image by its digest. It is also tagged with its key, for people and for
/// registries that take away what has no tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OciStore {
    /// Registry and repository, `registry.example/team/programs`, without tag or digest. A node must be able to pull from it:
    /// `pod.imagePullSecrets` are for that.
    #[schemars(schema_with = "super::shape::oci_repository")]
    pub repository: String,
    /// Secret of type `kubernetes.io/dockerconfigjson` in the object's namespace by which the build may push. A key `ca.crt`
    /// beside its own, in PEM, has authorities that the registry's certificate may be signed by. Absent means that anybody may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::shape::object_name")]
    pub push_secret: Option<String>,
    /// Whether the registry is asked without TLS: only on this machine or a private network (a loopback or private address, a
    /// name without a dot, or one below `.local`, `.internal` or `.svc`). Absent means with TLS. A node's container runtime
    /// must have been told the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain_http: Option<bool>,
}

/// What is asked for the pods of a build or of a model's workers. Has no meaning outside a cluster.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodOptions {
    /// Processor and memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<PodResources>,
    /// Taints of nodes that its pods may go to all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub tolerations: Vec<Toleration>,
    /// Secrets in the object's namespace for registries that its images are pulled from, an artifact's and a program's too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "super::shape::pull_secrets")]
    pub image_pull_secrets: Vec<PullSecret>,
    /// Account in the object's namespace that its pods run as; absent means `default`. No token of it is mounted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::shape::object_name")]
    pub service_account_name: Option<String>,
}

/// A taint that is no obstacle, as a pod says it.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rule::validations(&[&rule::TOLERATION])))]
pub struct Toleration {
    /// The taint's key; absent means every one, with `operator: Exists`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 317))]
    pub key: Option<String>,
    /// How the value is looked at; absent means `Equal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<TolerationOperator>,
    /// The taint's value, with `Equal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub value: Option<String>,
    /// The taint's effect; absent means every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<TaintEffect>,
    /// Seconds after which a pod goes all the same, with `NoExecute`; absent means never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub toleration_seconds: Option<u32>,
}

/// How a toleration looks at a taint's value.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum TolerationOperator {
    /// Any value.
    Exists,
    /// This one.
    Equal,
}

/// What a taint does to pods that do not tolerate it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum TaintEffect {
    /// New ones do not come.
    NoSchedule,
    /// New ones come where there is no other place.
    PreferNoSchedule,
    /// Those that are there go.
    NoExecute,
}

/// A secret for a registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PullSecret {
    /// Its name.
    #[schemars(schema_with = "super::shape::object_name")]
    pub name: String,
}

/// Processor and memory of each of a pod's containers, which work one after another.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodResources {
    /// What its node must have free for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Amounts>,
    /// What it never gets more of; above its memory it is killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Amounts>,
}

/// Amounts of what a node shares out.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Amounts {
    /// Processors, `2` or `500m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::shape::quantity")]
    pub cpu: Option<String>,
    /// Bytes of memory, `16Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::shape::quantity")]
    pub memory: Option<String>,
}
