//! Racks and where their state is kept: by name, so that two files of one name are told apart in words.
use std::fs;

use crate::lab::Lab;

#[test]
fn another_rack_of_the_same_name_is_told_what_shares_its_state() {
    let lab = Lab::new();
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    let journal = fs::read(lab.journal("state")).unwrap();
    let name = fs::read_to_string(lab.path("rack.yaml")).unwrap();
    assert!(name.contains("  name: lab\n"), "{name}");
    lab.plain(&["rack", "new", "twin.yaml", "--name", "lab"])
        .expect(0);
    let show = ["--rack", "twin.yaml", "--state-dir", "state"];
    let said = lab
        .plain(&[&["rack", "show"], show.as_slice()].concat())
        .expect(65)
        .stderr;
    for part in [
        "state/lab/aic-01/rack",
        "the name lab",
        "metadata.name",
        "--state-dir",
        "rack reseed",
        "archives journal and ledger",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(fs::read(lab.journal("state")).unwrap(), journal);
    let elsewhere = ["--rack", "twin.yaml", "--state-dir", "elsewhere"];
    lab.plain(&[&["rack", "show"], elsewhere.as_slice()].concat())
        .expect(0);
}

#[test]
fn servers_of_another_rack_of_the_same_name_are_never_taken_for_its_own() {
    let lab = Lab::new();
    lab.run("state", &["apply", "-f", "declared"]).expect(0);
    let kept = |lab: &Lab| {
        let folder = lab.path("state/lab/aic-01");
        ["journal", "ledger.json", "rack/registers.json"]
            .map(|name| fs::read(folder.join(name)).unwrap())
    };
    let before = kept(&lab);
    lab.plain(&["rack", "new", "twin.yaml", "--name", "lab"])
        .expect(0);
    let twin = fs::read_to_string(lab.path("twin.yaml")).unwrap();
    let renamed = twin.replace("aic-01", "bench-7");
    assert_ne!(renamed, twin);
    fs::write(lab.path("twin.yaml"), renamed).unwrap();
    let twin = ["--rack", "twin.yaml", "--state-dir", "state"];
    for verb in [
        &["rack", "show"] as &[&str],
        &["rack", "reseed"],
        &["rack", "reboot"],
        &["probe"],
        &["plan", "-f", "declared"],
        &["apply", "-f", "declared"],
        &["down"],
    ] {
        let said = lab
            .plain(&[verb, twin.as_slice()].concat())
            .expect(65)
            .stderr;
        for part in [
            "state/lab/aic-01 is",
            "the name lab",
            "metadata.name",
            "--state-dir",
            "journal and ledger",
        ] {
            assert!(said.contains(part), "{verb:?}, {part}: {said}");
        }
    }
    assert_eq!(kept(&lab), before);
    // Its owner goes on, and so does whoever heeds what was said.
    lab.run("state", &["plan", "-f", "declared"]).expect(0);
    fs::rename(lab.path("state/lab/aic-01"), lab.path("aside")).unwrap();
    lab.plain(&[&["rack", "show"], twin.as_slice()].concat())
        .expect(0);
}

#[test]
fn a_new_rack_is_called_after_its_file() {
    let lab = Lab::new();
    for (arguments, name) in [
        (&["r1.yaml"] as &[&str], "r1"),
        (&["My_Rack.2.yaml"], "my-rack-2"),
        (&["_.yaml"], "rack"),
        (&["r2.yaml", "--name", "lab"], "lab"),
    ] {
        lab.plain(&[&["rack", "new"], arguments].concat()).expect(0);
        let text = fs::read_to_string(lab.path(arguments[0])).unwrap();
        assert!(text.contains(&format!("  name: {name}\n")), "{text}");
    }
    let text = lab.plain(&["rack", "new"]).expect(0).stdout;
    assert!(text.contains("  name: rack\n"), "{text}");
}

#[test]
fn help_says_where_state_is_and_what_a_seed_decides() {
    let lab = Lab::new();
    let said = lab.plain(&["plan", "--help"]).expect(0).stdout;
    for part in ["/var/lib/shardplane", "~/.local/state", "XDG_STATE_HOME"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = lab.plain(&["rack", "new", "--help"]).expect(0).stdout;
    for part in ["decimal text of bus", "at random"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
