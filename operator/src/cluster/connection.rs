//! The way to an API server: a kubeconfig that was named, the user's, or what a pod is given.
use std::path::{Path, PathBuf};

pub use kube_client::Client;
use kube_client::{
    Config,
    config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError},
};

use crate::{
    cli::Environment,
    exit::Exit,
    failure::{self, Failure},
};

/// Why there is no way to an API server.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The kubeconfig cannot be used.
    #[error("reading the kubeconfig {path}")]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KubeconfigError,
    },
    /// There is no kubeconfig, and this is no pod.
    #[error("looking for an API server: no kubeconfig is named, and this is no pod of a cluster")]
    Nowhere(#[source] InClusterError),
    /// The client cannot be made of it.
    #[error("making a client for {url}")]
    Client {
        /// The server.
        url: String,
        /// Why.
        source: Box<kube_client::Error>,
    },
}

impl From<ConnectionError> for Failure {
    fn from(error: ConnectionError) -> Self {
        let exit = match &error {
            ConnectionError::Kubeconfig { .. } | ConnectionError::Nowhere(_) => Exit::Missing,
            ConnectionError::Client { .. } => Exit::Unavailable,
        };
        Failure::said(
            exit,
            crate::failure::chain(&error),
            "name a kubeconfig with --kubeconfig or KUBECONFIG",
        )
    }
}

/// A client for the API server that the command line, the environment or the pod names. Must be called inside a runtime.
pub async fn client(
    named: Option<&Path>,
    environment: &Environment,
) -> Result<Client, ConnectionError> {
    let mut config = config(named, environment).await?;
    // Whoever asks has a rhythm of their own, and has to hear of a refusal: an eviction that a disruption budget forbids is
    // answered with 429, and would be asked for again and again without a word.
    config.default_retry = false;
    let url = config.cluster_url.to_string();
    Client::try_from(config).map_err(|source| ConnectionError::Client {
        url,
        source: Box::new(source),
    })
}

async fn config(
    named: Option<&Path>,
    environment: &Environment,
) -> Result<Config, ConnectionError> {
    let own = environment
        .home
        .as_ref()
        .map(|home| home.join(".kube/config"))
        .filter(|file| file.is_file());
    let named = named.map(Path::to_owned);
    let Some(path) = named.or_else(|| environment.kubeconfig.clone()).or(own) else {
        return Config::incluster().map_err(ConnectionError::Nowhere);
    };
    let failed = |source| ConnectionError::Kubeconfig {
        path: path.clone(),
        source,
    };
    let kubeconfig = Kubeconfig::read_from(&path).map_err(failed)?;
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(failed)
}

/// Does what one verb asks of an API server, and ends.
pub fn once<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::said(
                Exit::Unavailable,
                format!("starting a client: {error}"),
                failure::cure(&error),
            )
        })?;
    runtime.block_on(work)
}

/// Why a request failed: the API server's own sentence where it has one.
pub fn why(error: &kube_client::Error) -> String {
    match error {
        kube_client::Error::Api(status) => status.message.clone(),
        other => crate::failure::chain(other),
    }
}
