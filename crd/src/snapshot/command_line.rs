//! Parameters on a kernel's command line, as kernels read them (`lib/cmdline.c`, `next_arg`; `kernel/params.c`, `parse_args`).

/// The parameters that are the kernel's, in their order, each with what stands behind its `=`: quotes hold blanks together and
/// are no part of either, and what comes after `--` is the first process's.
pub fn parameters(line: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let mut quoted = false;
    let words = line.split(move |c: char| {
        quoted ^= c == '"';
        c.is_ascii_whitespace() && !quoted
    });
    words
        .filter(|word| !word.is_empty())
        .take_while(|word| *word != "--")
        .map(|word| {
            let word = unquoted(word);
            match word.split_once('=') {
                Some((name, value)) => (name, Some(unquoted(value))),
                None => (word, None),
            }
        })
}

/// Without the quote that it begins with, and the one that it ends in.
fn unquoted(text: &str) -> &str {
    let text = text.strip_prefix('"').unwrap_or(text);
    text.strip_suffix('"').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::parameters;

    #[test]
    fn quotes_hold_together_and_two_dashes_end_it() {
        let read: Vec<_> = parameters(
            "  quiet pci=\"noaer,disable_acs_redir=a;b\"\t\"config_acs=1@x y\" empty= -- pci=late",
        )
        .collect();
        assert_eq!(
            read,
            [
                ("quiet", None),
                ("pci", Some("noaer,disable_acs_redir=a;b")),
                ("config_acs", Some("1@x y")),
                ("empty", Some("")),
            ]
        );
        assert_eq!(parameters("").count(), 0);
    }
}
