//! What a tool says where it was not permitted to do what it was told: there may be no error number to ask.
//!
//! Format: the words are the system's (`strerror`) and documented; that a tool prints them is inferred.
use super::log::{before_log, is_log, without_escapes};

/// Words of the system, and of tools that ask it first, for what whoever calls may not do. Those of `errno` and nothing looser:
/// `refused` is a connection's, and `denied` alone may be about a file of somebody else's.
const REFUSALS: [&str; 3] = [
    "permission denied",
    "operation not permitted",
    "must be root",
];

/// The first line in which a tool itself says that it was not permitted to do what it was told. What the runtime logs
/// meanwhile is none: its tools get over it.
pub fn refusal(text: &str) -> Option<String> {
    let text = without_escapes(text);
    let mut lines = text.lines().map(|line| before_log(line).trim());
    lines
        .find(|line| {
            let line = line.to_ascii_lowercase();
            !is_log(&line) && REFUSALS.iter().any(|words| line.contains(words))
        })
        .map(|line| line.chars().take(200).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_of_the_system_are_a_refusal() {
        for (text, refused) in [
            ("qaic-util: open /dev/mhi0: Permission denied\n", true),
            ("ok so far\r\nioctl: Operation not permitted\r\n", true),
            ("\u{1b}[31mError: must be root\u{1b}[0m\n", true),
            ("connection refused\n", false),
            ("access denied\n", false),
            ("Failed to open device\n", false),
            ("[15:58:55.536][error][x] Permission denied\n", false),
            (
                "0000:25:00.0 success[15:58:55.536][error][x] Permission denied\n",
                false,
            ),
            ("", false),
        ] {
            assert_eq!(refusal(text).is_some(), refused, "{text:?}");
        }
    }
}
