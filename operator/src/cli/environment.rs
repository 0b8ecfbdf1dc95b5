//! What the environment says, read once in `main` and passed on as values.
use std::{ffi::OsString, path::PathBuf, time::Duration};

/// What the environment says.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// The user's home folder.
    pub home: Option<PathBuf>,
    /// `XDG_STATE_HOME`, where state is kept by those who say so.
    pub xdg_state_home: Option<PathBuf>,
    /// `KUBECONFIG`, which names the API server.
    pub kubeconfig: Option<PathBuf>,
    /// `PATH`, to find the worker and the vendor's tools.
    pub path: Option<OsString>,
    /// Whether `NO_COLOR` is set to anything.
    pub no_color: bool,
    /// Whether `TERM` is `dumb`.
    pub dumb_terminal: bool,
    /// Whether this is root.
    pub is_root: bool,
    /// The working folder, from which declared files are named.
    pub current: PathBuf,
    /// `NOTIFY_SOCKET`, where a service manager listens.
    pub notify_socket: Option<OsString>,
    /// `WATCHDOG_USEC`, where it is meant for this process.
    pub watchdog: Option<Duration>,
    /// The folder of our own executable.
    pub own_folder: Option<PathBuf>,
}

impl Environment {
    /// The folder under which each machine has its state directory.
    pub fn state_home(&self) -> Option<PathBuf> {
        if self.is_root && self.xdg_state_home.is_none() {
            return Some(PathBuf::from("/var/lib/shardplane"));
        }
        // The XDG specification: a relative path is invalid and ignored.
        let stated = self.xdg_state_home.clone().filter(|p| p.is_absolute());
        stated
            .or_else(|| self.home.as_ref().map(|home| home.join(".local/state")))
            .map(|folder| folder.join("shardplane"))
    }

    /// Where `program` is: beside our own executable, else on `PATH`.
    pub fn find(&self, program: &str) -> Option<PathBuf> {
        let listed = self.path.as_deref().map(std::env::split_paths);
        self.own_folder
            .iter()
            .cloned()
            .chain(listed.into_iter().flatten())
            .map(|folder| folder.join(program))
            .find(|file| file.is_file())
    }
}
