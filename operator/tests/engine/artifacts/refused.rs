//! What is neither pushed nor pulled, and what little memory is enough for.
use super::*;

#[test]
fn what_is_no_program_or_no_name_is_refused_and_nothing_is_left() {
    let bench = Bench::new(Asks::Nothing);
    let digest = bench.pushed();
    let gone = format!("sha256:{}", "0".repeat(64));
    let ended = bench.pull(&gone, "pulled").expect(66);
    assert!(
        ended.stderr.contains("has no such thing"),
        "{}",
        ended.stderr
    );
    for (arguments, code, words) in [
        (["push", "program", "team/programs:t"], 64, "names no image"),
        (
            ["push", "program", "8.8.8.8:5000/team/programs:t"],
            64,
            "without TLS",
        ),
        (["push", "nowhere", &bench.image(":t")], 66, "nowhere"),
        (["push", "leave", &bench.image(":t")], 65, "it has no files"),
        (
            ["push", "program", &bench.image(&format!("@{digest}"))],
            64,
            "names no tag",
        ),
        (
            ["pull", &bench.image(":b3-00"), "pulled"],
            64,
            "names no digest",
        ),
    ] {
        let all = [&["artifact"][..], &arguments, &["--plain-http"]].concat();
        let ended = bench.lab.plain(&all).expect(code);
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
    symlink("/etc/passwd", bench.lab.path("program/link")).unwrap();
    let ended = bench.push().expect(65);
    assert!(
        ended.stderr.contains("neither a regular file"),
        "{}",
        ended.stderr
    );
    // An archive that leads out of its folder.
    let mut odd = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.as_gnu_mut().unwrap().name[..6].copy_from_slice(b"../odd");
    header.set_cksum();
    odd.append(&header, &b""[..]).unwrap();
    let odd = odd.into_inner().unwrap();
    let blob = registry::named(sha2::Digest::new_with_prefix(&odd));
    let layer = json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": blob, "size": odd.len() });
    let manifest = json!({ "layers": [layer] }).to_string();
    let name = registry::named(sha2::Digest::new_with_prefix(&manifest));
    let mut state = bench.registry.state();
    state.blobs.insert(format!("blobs/{blob}"), odd);
    state
        .blobs
        .insert(format!("manifests/{name}"), manifest.into());
    drop(state);
    let ended = bench.pull(&name, "pulled").expect(65);
    assert!(
        ended.stderr.contains("no program has ../odd"),
        "{}",
        ended.stderr
    );
    let left = fs::read_dir(bench.lab.path("")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    let is_ours = |name: &std::ffi::OsString| {
        let name = name.to_string_lossy();
        name.contains("pull") || name == "odd"
    };
    assert!(!left.iter().any(is_ours), "{left:?}");
}

/// Eight times the memory that it may have.
#[test]
fn a_large_file_goes_through_a_small_memory() {
    let bench = Bench::new(Asks::Nothing);
    let file = fs::File::create(bench.lab.path("program/large.bin")).unwrap();
    file.set_len(256 << 20).unwrap();
    #[expect(
        clippy::disallowed_methods,
        reason = "a test starts the command that it tests"
    )]
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", "ulimit -d 32768 && exec bin/shardplane \"$@\"", "sh"])
        .args([
            "artifact",
            "push",
            "program",
            &bench.image(":t"),
            "--plain-http",
        ])
        .current_dir(bench.lab.path(""))
        .env_clear()
        .stdin(Stdio::null());
    ended(command).expect(0);
    assert_eq!(bench.registry.asked("PUT manifests/t"), 1);
}
