//! Stop strings: found wherever they fall across tokens, and never shown, not even in part.

/// Watches a text for stop strings as it arrives in pieces.
#[derive(Debug, Clone)]
pub struct StopScanner {
    stops: Vec<String>,
    /// Text that may yet turn out to begin a stop string.
    held: String,
}

/// What a piece of text amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scanned {
    /// Text that can be shown; more may follow.
    Open(String),
    /// A stop string was found: the text before it, and nothing may follow.
    Stopped(String),
}

impl StopScanner {
    /// Empty stop strings are passed over.
    pub fn new(mut stops: Vec<String>) -> Self {
        stops.retain(|stop| !stop.is_empty());
        Self {
            stops,
            held: String::new(),
        }
    }

    /// Takes the next piece.
    pub fn push(&mut self, piece: &str) -> Scanned {
        self.held.push_str(piece);
        // The one that is complete first counts, as it would if the text came letter by letter.
        let found = self
            .stops
            .iter()
            .filter_map(|stop| {
                self.held
                    .find(stop.as_str())
                    .map(|at| (at + stop.len(), at))
            })
            .min();
        if let Some((_, at)) = found {
            self.held.truncate(at);
            return Scanned::Stopped(std::mem::take(&mut self.held));
        }
        let doubtful = self
            .stops
            .iter()
            .map(|stop| overlap(&self.held, stop))
            .max();
        let rest = self.held.split_off(self.held.len() - doubtful.unwrap_or(0));
        Scanned::Open(std::mem::replace(&mut self.held, rest))
    }

    /// The text that was held back, when nothing more comes.
    pub fn finish(self) -> String {
        self.held
    }
}

/// The length in bytes of the longest end of `text` that begins `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    stop.char_indices()
        .map(|(at, _)| at)
        .rev()
        .find(|at| text.ends_with(&stop[..*at]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scan(stops: &[&str], pieces: &[&str]) -> (Vec<String>, &'static str) {
        let mut scanner = StopScanner::new(stops.iter().map(|s| (*s).to_owned()).collect());
        let mut shown = Vec::new();
        for piece in pieces {
            match scanner.push(piece) {
                Scanned::Open(text) => shown.push(text),
                Scanned::Stopped(text) => {
                    shown.push(text);
                    return (shown, "stopped");
                }
            }
        }
        shown.push(scanner.finish());
        (shown, "open")
    }

    #[test]
    fn stops_are_found_across_pieces_and_never_shown() {
        let check = |stops: &[&str], pieces: &[&str], shown: &[&str], end| {
            assert_eq!(
                scan(stops, pieces),
                (shown.iter().map(|s| (*s).to_owned()).collect(), end)
            );
        };
        check(&[], &["a", "b"], &["a", "b", ""], "open");
        check(&[""], &["a"], &["a", ""], "open");
        check(&["END"], &["xE", "N", "Dy"], &["x", "", ""], "stopped");
        check(&["END"], &["xE", "N", "x"], &["x", "", "ENx", ""], "open");
        check(&["END"], &["xEN"], &["x", "EN"], "open");
        check(
            &["\n\n"],
            &["a\n", "b\n", "\n"],
            &["a", "\nb", ""],
            "stopped",
        );
        // The stop that is complete first wins, whatever its place in the list.
        check(&["c", "ab"], &["xabc"], &["x"], "stopped");
        check(&["aab"], &["aa", "ab"], &["", "a"], "stopped");
        check(&["é!"], &["aé", "?"], &["a", "é?", ""], "open");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn pieces_do_not_matter(text in "[abé]{0,24}", stops in prop::collection::vec("[abé]{1,4}", 0..3), cuts in prop::collection::vec(0usize..25, 0..8)) {
            let stops: Vec<&str> = stops.iter().map(String::as_str).collect();
            let mut marks: Vec<usize> = text.char_indices().map(|(at, _)| at).filter(|at| cuts.contains(at)).collect();
            marks.extend([0, text.len()]);
            marks.sort_unstable();
            let pieces: Vec<&str> = marks.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            let first = stops.iter().filter_map(|stop| text.find(stop).map(|at| (at + stop.len(), at))).min();
            let expected = first.map_or(text.as_str(), |(_, at)| &text[..at]);
            prop_assert_eq!(scan(&stops, &pieces).0.concat(), expected);
        }
    }
}
