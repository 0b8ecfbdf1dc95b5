//! A port that a worker cannot have, told in the words of whoever declared it.
use std::{fs, net::TcpListener};

use crate::{
    lab::Lab,
    supervision::{Up, workers},
};

/// A laboratory whose model asks for the port that the stand-in worker does not get.
fn lab() -> Lab {
    let lab = Lab::new();
    let model = lab.path("declared/model.yaml");
    let text = fs::read_to_string(&model).unwrap();
    let asks = text.replace("    slots: 1\n", "    slots: 1\n    port: 7979\n");
    assert_ne!(asks, text);
    fs::write(&model, asks).unwrap();
    lab
}

const DECLARED: &str = "spec.serving.port of ShardedModel/default/tiny (declared/model.yaml:16:11)";

#[test]
fn a_port_in_use_is_told_of_the_line_that_declares_it() {
    let lab = lab();
    let asked = ["up", "-f", "declared", "--ask", "hello"];
    let ended = lab.run("asked", &asked).expect(69);
    assert!(
        ended.stderr.contains(DECLARED)
            && ended.stderr.contains("Address already in use")
            && ended.stderr.contains("declare another port")
            && !ended.stderr.contains("--listen"),
        "{}",
        ended.stderr
    );
    let up = Up::start(&lab, &["up", "-f", "declared"]);
    up.hears(DECLARED);
    let status = lab.run("state", &["status"]).expect(0);
    assert!(
        status.stdout.contains(DECLARED) && !status.stdout.contains("--listen"),
        "{}",
        status.stdout
    );
}

/// Stopped for it, the only replica would not come back.
#[test]
fn a_worker_that_serves_goes_on_until_its_new_port_is_free() {
    let lab = Lab::new();
    let up = Up::start(&lab, &["up", "-f", "declared", "--interval", "1"]);
    up.hears("serves on");
    let somebody = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = somebody.local_addr().unwrap().port();
    let pid = workers(&lab)[0]["pid"].clone();
    let model = lab.path("declared/model.yaml");
    let text = fs::read_to_string(&model).unwrap();
    let asks = text.replace(
        "    slots: 1\n",
        &format!("    slots: 1\n    port: {port}\n"),
    );
    assert_ne!(asks, text);
    fs::write(&model, asks).unwrap();
    let (_, said) = up.listens("goes on as it was");
    assert!(
        said.contains(DECLARED) && said.contains(&format!("asks for port {port}")),
        "{said}"
    );
    assert_eq!(workers(&lab)[0]["pid"], pid);
    drop(somebody);
    up.hears("serves on");
    let served = workers(&lab);
    assert!(served.len() == 1 && served[0]["pid"] != pid, "{served:?}");
}
