//! A boot writes ACS words anew: what `down` puts back is the word of the boot that it runs in.
use crate::lab::Lab;

/// A divergence port of the laboratory's pair.
const PORT: &str = "\"0000:24:00.0\"";
/// What somebody set before our first write: the kernel's word, with egress control and direct translation.
const OWN: &str = "0x007d";
/// What the kernel sets at boot.
const KERNEL: &str = "0x001d";

/// Runs the verbs over the word that somebody set, and returns the port's word after each.
fn course(verbs: &[&str]) -> Vec<String> {
    let lab = Lab::new();
    let set = ["rack", "set", "0000:24:00.0/acs", OWN];
    lab.run("state", &set).expect(0);
    let words = verbs.iter().map(|verb| {
        let arguments: &[&str] = match *verb {
            "apply" => &["apply", "-f", "declared"],
            "reboot" => &["rack", "reboot"],
            "down" => &["down", "--yes"],
            other => panic!("no such verb in this test: {other}"),
        };
        lab.run("state", arguments).expect(0);
        lab.registers("state").words[PORT].clone()
    });
    words.collect()
}

#[test]
fn the_word_of_the_boot_comes_back() {
    let cases: [(&[&str], &[&str]); 3] = [
        (&["apply", "down"], &["0x0051", OWN]),
        (&["apply", "reboot", "down"], &["0x0051", KERNEL, KERNEL]),
        (
            &["apply", "reboot", "apply", "down"],
            &["0x0051", KERNEL, "0x0011", KERNEL],
        ),
    ];
    for (verbs, words) in cases {
        assert_eq!(course(verbs), words, "{verbs:?}");
    }
}
