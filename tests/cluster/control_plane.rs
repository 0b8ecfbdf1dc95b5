//! etcd and kube-apiserver on loopback, for as long as a test runs.
use std::{
    fs,
    path::{Path, PathBuf},
};

pub use host::Running;
use host::{Answer, LIMIT, free_ports, now, plane, tail, tied};
use tempfile::TempDir;

use crate::{assets::Assets, raw, rights};

/// A running API server with its store.
pub struct ControlPlane {
    // Stopped in this order: the server first, then what it stores in.
    server: Running,
    store: Running,
    store_program: PathBuf,
    program: PathBuf,
    arguments: Vec<String>,
    port: u16,
    store_port: u16,
    kubectl: PathBuf,
    controllers: PathBuf,
    folder: TempDir,
}

impl ControlPlane {
    /// Starts both and waits until the server is ready.
    pub fn start(assets: &Assets) -> Self {
        let folder = TempDir::new().expect("a folder for the servers");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let [secure] = ports();
        let store_program = assets.program("etcd");
        let (store, store_port) = start_store(folder.path(), "etcd", &store_program);
        let token = "a-token-of-this-test-alone";
        rights::policy(&folder.path().join("audit.yaml"));
        let program = assets.program("kube-apiserver");
        let whole = plane::server(
            folder.path(),
            store_port,
            secure,
            &format!("{token},admin,1,system:masters\n"),
        );
        let mut arguments = whole.expect("the server's files are written");
        arguments.extend([
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
            format!("--audit-policy-file={}", at("audit.yaml")),
            format!("--audit-log-path={}", at(rights::LOG)),
        ]);
        let server = start(folder.path(), &program, &arguments);
        fs::write(at("kubeconfig"), kubeconfig(secure, token)).expect("the kubeconfig is written");
        let mut plane = Self {
            server,
            store,
            store_program,
            program,
            arguments,
            port: secure,
            store_port,
            kubectl: assets.program("kubectl"),
            controllers: assets.program("kube-controller-manager"),
            folder,
        };
        plane.wait_until_ready();
        plane
    }

    fn wait_until_ready(&mut self) {
        let end = now() + LIMIT;
        loop {
            let answer = self.kubectl(&["get", "--raw", "/readyz"]);
            if answer.succeeded && answer.stdout == "ok" {
                return;
            }
            let ended = [&mut self.server, &mut self.store]
                .into_iter()
                .any(|process| process.has_ended().expect("it can be asked"));
            assert!(
                !ended && now() < end,
                "the API server did not become ready ({}); it wrote:\n{}",
                answer.stderr.trim(),
                self.written()
            );
        }
    }

    /// The last lines of every log of ours: agents and controllers.
    pub fn logs(&self) -> String {
        let names = fs::read_dir(self.folder.path()).expect("the folder is there");
        let mut logs: Vec<PathBuf> = names
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.ends_with(".log")
                    && (name.starts_with("agent") || name.starts_with("controller"))
            })
            .collect();
        logs.sort();
        let last: Vec<String> = logs
            .iter()
            .map(|path| format!("== {}\n{}\n", path.display(), tail(path, 25)))
            .collect();
        last.concat()
    }

    /// The last lines of both logs.
    fn written(&self) -> String {
        let last = |name: &str| tail(&self.folder.path().join(name), 15);
        format!("{}\n{}", last("etcd.log"), last("kube-apiserver.log"))
    }

    /// The administrator's kubeconfig.
    pub fn admin(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// Runs kubectl as an administrator.
    pub fn kubectl(&self, arguments: &[&str]) -> Answer {
        self.kubectl_with(&self.admin(), arguments)
    }

    /// Runs kubectl with another kubeconfig.
    pub fn kubectl_with(&self, kubeconfig: &Path, arguments: &[&str]) -> Answer {
        let mut kubectl = plane::kubectl(&self.kubectl, kubeconfig, self.folder.path());
        // It waits no longer for the server.
        host::answer(kubectl.arg("--request-timeout=30s").args(arguments))
    }

    /// Where the store answers, as address and port.
    pub fn store_address(&self) -> String {
        format!("127.0.0.1:{}", self.store_port)
    }

    /// Starts a store of the same kind that nobody else uses; where it answers.
    pub fn another_store(&self) -> (Running, String) {
        let (store, port) = start_store(self.folder.path(), "etcd-alone", &self.store_program);
        (store, format!("127.0.0.1:{port}"))
    }

    /// A folder that goes when the servers go.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a kubeconfig for somebody with a token.
    pub fn kubeconfig(&self, name: &str, token: &str) -> PathBuf {
        self.kubeconfig_at(name, token, None)
    }

    /// The same for somebody who finds the server at another port.
    pub fn kubeconfig_at(&self, name: &str, token: &str, port: Option<u16>) -> PathBuf {
        let path = self.folder.path().join(format!("{name}.kubeconfig"));
        let text = kubeconfig(port.unwrap_or(self.port), token);
        fs::write(&path, text).expect("the kubeconfig is written");
        path
    }

    /// Where the API server listens, on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts some of Kubernetes' own controllers, named with commas between.
    pub fn start_controllers(&self, names: &str) -> Running {
        self.start_client(&self.controllers, &[format!("--controllers={names}")])
    }

    /// Starts Kubernetes' own scheduler, which runs until it is dropped.
    pub fn start_scheduler(&self) -> Running {
        self.start_client(&self.controllers.with_file_name("kube-scheduler"), &[])
    }

    fn start_client(&self, program: &Path, more: &[String]) -> Running {
        let kubeconfig = self.folder.path().join("kubeconfig");
        let mut arguments = vec![
            format!("--kubeconfig={}", kubeconfig.display()),
            "--bind-address=127.0.0.1".to_owned(),
            // Nobody asks it anything, and several tests run one.
            "--secure-port=0".to_owned(),
            "--leader-elect=false".to_owned(),
        ];
        arguments.extend(more.iter().cloned());
        start(self.folder.path(), program, &arguments)
    }

    /// The command that people run.
    pub fn kubectl_path(&self) -> &Path {
        &self.kubectl
    }

    /// Has the store forget every version but the last of each object: a watch from an earlier one gets 410.
    pub fn compact(&self) {
        let ask = |path: &str, body: &str| raw::answer(self.store_port, "POST", path, body);
        let state =
            ask("/v3/kv/range", r#"{"key":"AA==","limit":"1"}"#).expect("the store answers");
        let revision = state
            .split(r#""revision":""#)
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .expect("the store tells its revision");
        let body = format!(r#"{{"revision":"{revision}","physical":true}}"#);
        let done = ask("/v3/kv/compaction", &body).expect("the store answers");
        assert!(done.contains(" 200 "), "{done}");
    }

    /// Stops the API server as a crash would, and starts it again on the same store and port.
    pub fn restart_server(&mut self) {
        self.server.crash().expect("it runs");
        self.server = start(self.folder.path(), &self.program, &self.arguments);
        self.wait_until_ready();
    }
}

/// Starts an etcd; the port where it answers.
fn start_store(folder: &Path, name: &str, program: &Path) -> (Running, u16) {
    let ports = ports();
    let store = plane::store(program, folder, name, ports);
    (store.expect("etcd starts"), ports[0])
}

/// Starts a program that the kernel kills when the test's thread is gone, and that writes to a log beside the rest.
fn start(folder: &Path, program: &Path, arguments: &[String]) -> Running {
    let name = program.file_name().expect("a program has a name");
    start_as(folder, &name.to_string_lossy(), program, arguments)
}

/// The same, with a log of this name.
pub fn start_as(folder: &Path, name: &str, program: &Path, arguments: &[String]) -> Running {
    let started = Running::start(tied(program).args(arguments), folder, name);
    started.expect("setpriv of util-linux starts the server")
}

/// Ports that nobody listens on now.
pub fn ports<const N: usize>() -> [u16; N] {
    free_ports().expect("loopback has free ports")
}

fn kubeconfig(port: u16, token: &str) -> String {
    plane::kubeconfig(&format!("127.0.0.1:{port}"), token)
}
