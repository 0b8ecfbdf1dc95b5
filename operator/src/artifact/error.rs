//! Why a program could not be pushed or pulled, and what to do about it.
use std::{io, path::PathBuf};

use crate::{exit::Exit, failure::Failure};

/// Why a program could not be pushed or pulled.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// It names no image that can be pushed or pulled.
    #[error("`{name}` names no {wanted}")]
    Name {
        /// What was given.
        name: String,
        /// What it should have been.
        wanted: &'static str,
    },
    /// It was to be asked without TLS, and is not on a private network.
    #[error(
        "asking {registry} without TLS: it is neither on this machine nor on a private network"
    )]
    Public {
        /// The registry.
        registry: String,
    },
    /// What lets somebody near a registry cannot be used.
    #[error("reading {file}: {why}")]
    Credentials {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A folder or file cannot be read.
    #[error("reading {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A folder has something that no program has.
    #[error("packing {path}: {why}")]
    Strange {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A folder or file cannot be written.
    #[error("writing {path}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The registry wants leave that was not given, or not enough.
    #[error("{doing}: {registry} does not permit it{said}")]
    Refused {
        /// What was done.
        doing: String,
        /// The registry.
        registry: String,
        /// Its words, after a colon.
        said: String,
        /// Whether it was told who asks.
        introduced: bool,
    },
    /// The registry does not have it.
    #[error("{doing}: {registry} has no such thing{said}")]
    Missing {
        /// What was done.
        doing: String,
        /// The registry.
        registry: String,
        /// Its words, after a colon.
        said: String,
    },
    /// The registry answered something else.
    #[error("{doing}: {registry} answers {status}{said}")]
    Answered {
        /// What was done.
        doing: String,
        /// The registry.
        registry: String,
        /// The status.
        status: u16,
        /// Its words, after a colon.
        said: String,
    },
    /// The registry's certificate is not one that we trust.
    #[error("{doing}: {registry} cannot be trusted")]
    Untrusted {
        /// What was done.
        doing: String,
        /// The registry.
        registry: String,
        /// Why.
        source: Box<ureq::Error>,
    },
    /// The registry does not answer, or not to the end.
    #[error("{doing}: {registry} does not answer")]
    Unreachable {
        /// What was done.
        doing: String,
        /// The registry.
        registry: String,
        /// Why.
        source: Box<ureq::Error>,
    },
    /// What came is not what was named.
    #[error("{doing}: expected {expected}, found {found}")]
    Differs {
        /// What was done.
        doing: String,
        /// What was named.
        expected: String,
        /// What came.
        found: String,
    },
    /// It is no image of a program.
    #[error("{doing}: {why}")]
    NoProgram {
        /// What was done.
        doing: String,
        /// What is wrong with it.
        why: String,
    },
}

impl ArtifactError {
    /// Whether it may be over by itself, so that it is worth another try.
    pub fn may_pass(&self) -> bool {
        match self {
            // Behind 408 and 429 the registry asks for another try.
            Self::Answered { status, .. } => *status >= 500 || matches!(status, 408 | 429),
            Self::Unreachable { .. } | Self::Differs { .. } => true,
            Self::Name { .. }
            | Self::Public { .. }
            | Self::Credentials { .. }
            | Self::Read { .. }
            | Self::Strange { .. }
            | Self::Write { .. }
            | Self::Refused { .. }
            | Self::Missing { .. }
            | Self::Untrusted { .. }
            | Self::NoProgram { .. } => false,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Name { .. } | Self::Public { .. } => Exit::Usage,
            Self::Read { .. } | Self::Missing { .. } => Exit::Missing,
            Self::Write { .. } => Exit::CannotWrite,
            Self::Refused { .. } => Exit::NoPermission,
            Self::Credentials { .. }
            | Self::Strange { .. }
            | Self::Untrusted { .. }
            | Self::NoProgram { .. } => Exit::Input,
            Self::Answered { .. } if !self.may_pass() => Exit::Input,
            Self::Answered { .. } | Self::Unreachable { .. } | Self::Differs { .. } => {
                Exit::Unavailable
            }
        }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::Name { .. } => {
                "write REGISTRY/PATH:TAG to push and REGISTRY/PATH@sha256:… to pull, the registry with a dot or a port"
            }
            Self::Public { .. } => {
                "leave plain HTTP to loopback and private addresses, names without a dot, and names below .local, .internal or .svc; give any other registry a certificate"
            }
            Self::Credentials { .. } => {
                "a secret of type kubernetes.io/dockerconfigjson has them (`kubectl create secret docker-registry`); authorities lie beside them in PEM, under the key ca.crt"
            }
            Self::Strange { .. } => "a program has regular files and folders alone; build it again",
            Self::Refused {
                introduced: true, ..
            } => {
                "the credentials that were given are not good for it: renew them, or have them permitted to push to this repository"
            }
            Self::Refused {
                introduced: false, ..
            } => {
                "no credentials were given for this registry: name a secret that has some, `pushSecret` of the store to push and `pod.imagePullSecrets` to pull, and see that it is there"
            }
            Self::Missing { .. } => {
                "make the repository where the registry wants that done first, or name another; what is gone from it is there again once the program is built again"
            }
            Self::Answered { .. } if !self.may_pass() => {
                "this is not about what was sent but about that registry: ask whoever runs it"
            }
            Self::Untrusted { .. } => {
                "put the authority that signed its certificate into the secret of its credentials, in PEM under the key ca.crt; a registry without TLS on a private network is asked with plainHttp: true"
            }
            Self::Answered { .. } | Self::Unreachable { .. } => {
                "is its name right, and can it be reached from here? Try again later"
            }
            Self::Differs { .. } => {
                "it came damaged, or the registry has something else: try again"
            }
            Self::NoProgram { .. } => "name what `shardplane artifact push` pushed",
            Self::Read { .. } | Self::Write { .. } => "",
        }
    }
}

impl From<ArtifactError> for Failure {
    fn from(error: ArtifactError) -> Self {
        let hint = match &error {
            ArtifactError::Read { source, .. } | ArtifactError::Write { source, .. } => {
                crate::failure::cure(source)
            }
            other => other.hint(),
        };
        Failure::said(error.exit(), crate::failure::chain(&error), hint)
    }
}
