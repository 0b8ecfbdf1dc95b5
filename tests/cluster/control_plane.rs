//! etcd and kube-apiserver on loopback, for as long as a test runs.
use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    assets::Assets,
    kubectl::{self, Answer},
    raw, rights,
};

/// How long a server may take to answer; it takes about two seconds on a quiet machine.
const START: Duration = Duration::from_mins(2);

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

/// A process that ends with the test, whichever way the test ends.
pub struct Running(Child);

impl Running {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Waits until it has ended by itself.
    #[expect(
        clippy::disallowed_methods,
        reason = "it is a real process, so its deadline is wall clock"
    )]
    pub fn wait(&mut self) {
        let end = Instant::now() + START;
        while self.0.try_wait().expect("it can be asked").is_none() {
            assert!(Instant::now() < end, "it runs on");
        }
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("it can be asked").is_some()
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        let sent = command("kill").args(["-s", name, &pid]).status();
        assert!(
            sent.is_ok_and(|sent| sent.success()),
            "kill -s {name} {pid}"
        );
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test handles the processes that it tests"
)]
fn command(program: &str) -> Command {
    Command::new(program)
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _gone = self.0.kill().and_then(|()| self.0.wait());
    }
}

impl ControlPlane {
    /// Starts both and waits until the server is ready.
    pub fn start(assets: &Assets) -> Self {
        let folder = TempDir::new().expect("a folder for the servers");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let [secure] = free_ports();
        let store_program = assets.program("etcd");
        let (store, store_port) = start_store(folder.path(), "etcd", &store_program);
        let token = "a-token-of-this-test-alone";
        fs::write(
            at("tokens.csv"),
            format!("{token},admin,1,system:masters\n"),
        )
        .expect("the token is written");
        service_account_key(&folder.path().join("accounts.pem"));
        rights::policy(&folder.path().join("audit.yaml"));
        let program = assets.program("kube-apiserver");
        let arguments = vec![
            format!("--etcd-servers=http://127.0.0.1:{store_port}"),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            format!("--secure-port={secure}"),
            format!("--cert-dir={}", at("certificates")),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            "--service-account-issuer=https://localhost".to_owned(),
            format!("--service-account-key-file={}", at("accounts.pem")),
            format!("--service-account-signing-key-file={}", at("accounts.pem")),
            format!("--token-auth-file={}", at("tokens.csv")),
            "--authorization-mode=Node,RBAC".to_owned(),
            // As in any cluster that has device plugins.
            "--allow-privileged=true".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
            format!("--audit-policy-file={}", at("audit.yaml")),
            format!("--audit-log-path={}", at(rights::LOG)),
        ];
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

    #[expect(
        clippy::disallowed_methods,
        reason = "the server is a real process, so its deadline is wall clock"
    )]
    fn wait_until_ready(&mut self) {
        let end = Instant::now() + START;
        loop {
            let answer = self.kubectl(&["get", "--raw", "/readyz"]);
            if answer.succeeded && answer.stdout == "ok" {
                return;
            }
            let ended = [&mut self.server, &mut self.store]
                .into_iter()
                .find_map(|process| process.0.try_wait().ok().flatten());
            assert!(
                ended.is_none() && Instant::now() < end,
                "the API server did not become ready ({ended:?}, {}); it wrote:\n{}",
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
            .map(|path| {
                let text = fs::read_to_string(path).unwrap_or_default();
                let lines: Vec<&str> = text.lines().collect();
                let last = lines[lines.len().saturating_sub(25)..].join("\n");
                format!("== {}\n{last}\n", path.display())
            })
            .collect();
        last.concat()
    }

    /// The last lines of both logs.
    fn written(&self) -> String {
        let tail = |name: &str| {
            let text = fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(15)..].join("\n")
        };
        format!("{}\n{}", tail("etcd.log"), tail("kube-apiserver.log"))
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
        kubectl::run(&self.kubectl, kubeconfig, self.folder.path(), arguments)
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
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        let arguments = [
            format!("--kubeconfig={}", at("kubeconfig")),
            format!("--controllers={names}"),
            "--bind-address=127.0.0.1".to_owned(),
            // Nobody asks it anything, and several tests run one.
            "--secure-port=0".to_owned(),
            "--leader-elect=false".to_owned(),
        ];
        start(self.folder.path(), &self.controllers, &arguments)
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
        self.server.0.kill().expect("it runs");
        self.server.0.wait().expect("it ends");
        self.server = start(self.folder.path(), &self.program, &self.arguments);
        self.wait_until_ready();
    }
}

/// Starts an etcd; the port where it answers.
fn start_store(folder: &Path, name: &str, program: &Path) -> (Running, u16) {
    let [clients, peers] = free_ports();
    let address = format!("127.0.0.1:{clients}");
    let (client_url, peer_url) = (
        format!("http://{address}"),
        format!("http://127.0.0.1:{peers}"),
    );
    let arguments = [
        format!("--data-dir={}", folder.join(name).display()),
        format!("--listen-client-urls={client_url}"),
        format!("--advertise-client-urls={client_url}"),
        format!("--listen-peer-urls={peer_url}"),
        format!("--initial-advertise-peer-urls={peer_url}"),
        format!("--initial-cluster=default={peer_url}"),
        "--unsafe-no-fsync".to_owned(),
    ];
    (start_as(folder, name, program, &arguments), clients)
}

/// Starts a program that the kernel kills when the test's thread is gone, and that writes to a log beside the rest.
fn start(folder: &Path, program: &Path, arguments: &[String]) -> Running {
    let name = program.file_name().expect("a program has a name");
    start_as(folder, &name.to_string_lossy(), program, arguments)
}

/// The same, with a log of this name.
#[expect(
    clippy::disallowed_methods,
    reason = "a test starts the server that it tests against"
)]
pub fn start_as(folder: &Path, name: &str, program: &Path, arguments: &[String]) -> Running {
    let log = folder.join(name).with_extension("log");
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(log)
        .expect("a log beside the servers");
    let child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--"])
        .arg(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn();
    Running(child.expect("setpriv of util-linux starts the server"))
}

/// Ports that nobody listens on now.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let held: [TcpListener; N] = std::array::from_fn(|_| {
        TcpListener::bind("127.0.0.1:0").expect("loopback has a free port")
    });
    held.map(|listener| listener.local_addr().expect("it is bound").port())
}

/// A key that signs tokens of this one server.
#[expect(
    clippy::disallowed_methods,
    reason = "a test makes the key of the server that it tests against"
)]
fn service_account_key(path: &Path) {
    let made = Command::new("openssl")
        .args([
            "ecparam",
            "-genkey",
            "-name",
            "prime256v1",
            "-noout",
            "-out",
        ])
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .expect("openssl starts");
    assert!(made.status.success(), "openssl made no key: {made:?}");
}

fn kubeconfig(port: u16, token: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
         clusters: [{{name: test, cluster: {{server: 'https://127.0.0.1:{port}', insecure-skip-tls-verify: true}}}}]\n\
         users: [{{name: admin, user: {{token: {token}}}}}]\n\
         contexts: [{{name: test, context: {{cluster: test, user: admin}}}}]\n"
    )
}
