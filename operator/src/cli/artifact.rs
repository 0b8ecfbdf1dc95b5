//! `artifact`: programs as images in a registry.
use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `artifact`
#[derive(Debug, Args)]
pub struct ArtifactArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: ArtifactVerb,
}

/// What to do with a program and a registry.
#[derive(Debug, Subcommand)]
pub enum ArtifactVerb {
    /// Push a program's folder as an image that nodes mount, and print its digest; what the registry has is not sent again.
    Push {
        /// The program's folder.
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
        /// The image, `REGISTRY/PATH:TAG`.
        #[arg(value_name = "IMAGE")]
        name: String,
        #[command(flatten)]
        #[doc = "How the registry is asked."]
        reach: ReachArgs,
        /// Write the digest to this file, too.
        #[arg(long, value_name = "FILE")]
        digest_to: Option<PathBuf>,
    },
    /// Pull a program that was pushed so into a folder that is not there yet; one that is there is left as it is.
    Pull {
        /// The image, `REGISTRY/PATH@sha256:…`.
        #[arg(value_name = "IMAGE")]
        name: String,
        /// Where to put it.
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
        #[command(flatten)]
        #[doc = "How the registry is asked."]
        reach: ReachArgs,
    },
}

/// How a registry is asked.
#[derive(Clone, Debug, Default, Args)]
pub struct ReachArgs {
    /// A folder of credentials (`*.json`, as a secret of type kubernetes.io/dockerconfigjson has them) and of authorities
    /// that may have signed the registry's certificate (`*.crt`, in PEM).
    #[arg(long, value_name = "DIR")]
    pub credentials: Option<PathBuf>,
    /// Ask without TLS: on this machine or a private network only.
    #[arg(long)]
    pub plain_http: bool,
}
