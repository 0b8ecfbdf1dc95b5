//! `agent`, `controller` and `approve`: the verbs of a Kubernetes cluster.
use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand};

use super::{Place, digest};
use crate::cluster::{names::NAMESPACE, telemetry::log::LogFormat};

/// Which API server.
#[derive(Clone, Debug, Default, Args)]
pub struct ClusterArgs {
    /// The kubeconfig that names the API server [default: KUBECONFIG, else ~/.kube/config, else the pod's own].
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

/// What is told to those who watch.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct TelemetryArgs {
    /// Answer /metrics, /healthz and /readyz here, such as 127.0.0.1:9464 [default: nowhere].
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub metrics: Option<SocketAddr>,
    /// How lines on standard error are written.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// `agent`
#[derive(Debug, Args)]
pub struct AgentArgs {
    #[command(flatten)]
    #[doc = "Which machine."]
    pub place: Place,
    #[command(flatten)]
    #[doc = "Which API server."]
    pub cluster: ClusterArgs,
    /// Where the node's kubelet tells which pod has which device [default: the kubelet's own socket; none for a rack].
    #[arg(long, value_name = "SOCKET")]
    pub pod_resources: Option<PathBuf>,
    #[command(flatten)]
    #[doc = "What is told."]
    pub telemetry: TelemetryArgs,
    /// Seconds between two looks at the machine.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub interval: u64,
}

/// `controller`
#[derive(Debug, Args)]
pub struct ControllerArgs {
    #[command(flatten)]
    #[doc = "Which API server."]
    pub cluster: ClusterArgs,
    #[command(flatten)]
    #[doc = "What is told."]
    pub telemetry: TelemetryArgs,
    /// The namespace of the lease by which controllers agree who leads.
    #[arg(long, value_name = "NAME", default_value = NAMESPACE)]
    pub namespace: String,
    /// This controller's name among its like [default: the host's name and the process id].
    #[arg(long, value_name = "NAME")]
    pub identity: Option<String>,
    /// The image with shardplane-worker that builds and serves models for target CPU, best by digest: it is part of every
    /// program's key. Without it no model is built.
    #[arg(long, value_name = "IMAGE")]
    pub worker_image: Option<String>,
    /// Seconds after which a leader that says nothing has lost the lease.
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(2..=3600))]
    pub lease_seconds: u64,
}

/// `approve`
#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// A rollout's digest, or a node's, as the plan prints it.
    #[arg(value_name = "DIGEST", value_parser = digest)]
    pub digest: String,
    /// Approve it in the place of what was approved before and has not begun: a plan holds one approval.
    #[arg(long)]
    pub replace: bool,
    #[command(flatten)]
    #[doc = "Which API server."]
    pub cluster: ClusterArgs,
}

/// `installed`
#[derive(Debug, Args)]
pub struct InstalledArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: ClusterVerb,
}

/// What to do with what is installed.
#[derive(Debug, Subcommand)]
pub enum ClusterVerb {
    /// Bring the custom resource definitions to those of this version, and wait until the API server serves them: exit 12,
    /// with nothing written, where those that are served have a version or a field that this version's lack.
    Define {
        #[command(flatten)]
        #[doc = "Which API server."]
        cluster: ClusterArgs,
        /// Go ahead all the same: every object loses what it says in these fields, for good, and what is left of it is acted
        /// on. Each is named.
        #[arg(long)]
        give_up_fields: bool,
    },
    /// Say whether it may go: exit 12 while something is declared or left that would have to be put back, and name it.
    MayGo {
        #[command(flatten)]
        #[doc = "Which API server."]
        cluster: ClusterArgs,
    },
}
