//! Which feeds of a step lost their numbers: the leader decides it, once, from what all ranks flagged.

use super::{Feed, Logits, Lost};

/// The feeds that lost their numbers. `bad` holds the rows that a rank flagged, ascending, counted over all feeds' tokens;
/// `logits` holds a row of `vocab` for each feed that wanted one, and those of lost feeds become NaN.
pub(super) fn losses(
    feeds: &[Feed<'_>],
    bad: &[usize],
    vocab: usize,
    logits: &mut [f32],
) -> Vec<Lost> {
    let mut lost: Vec<Lost> = Vec::new();
    let mut bad = bad.iter().copied().peekable();
    let mut wanted = logits.chunks_exact_mut(vocab.max(1));
    let mut begin = 0;
    for (index, feed) in feeds.iter().enumerate() {
        let Feed {
            slot,
            position,
            tokens,
            logits,
        } = *feed;
        let end = begin + tokens.len();
        let flagged = bad.peek().copied().filter(|row| *row < end);
        while bad.next_if(|row| *row < end).is_some() {}
        let row = match logits {
            Logits::Skip => None,
            Logits::Last => wanted.next(),
        };
        let infinite = row
            .as_deref()
            .is_some_and(|row| row.iter().any(|value| !value.is_finite()));
        // What comes after a lost position of its own sequence was computed from it.
        let before = lost
            .iter()
            .filter(|other| other.slot == slot && other.position < position)
            .map(|_| begin)
            .next();
        let first = before
            .or(flagged)
            .or_else(|| infinite.then(|| end.saturating_sub(1)));
        if let Some(first) = first {
            lost.push(Lost {
                feed: index,
                slot,
                position: position + (first - begin) as u32,
            });
            if let Some(row) = row {
                row.fill(f32::NAN);
            }
        }
        begin = end;
    }
    lost
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(feeds: &[Feed<'_>], bad: &[usize], infinite: &[usize], expected: &[(usize, u32)]) {
        let rows = feeds
            .iter()
            .filter(|feed| feed.logits == Logits::Last)
            .count();
        let mut logits = vec![1.0; 3 * rows];
        for row in infinite {
            logits[3 * row + 1] = f32::INFINITY;
        }
        let lost = losses(feeds, bad, 3, &mut logits);
        let found: Vec<_> = lost.iter().map(|lost| (lost.feed, lost.position)).collect();
        assert_eq!(found, expected);
        let wanted = feeds
            .iter()
            .enumerate()
            .filter(|(_, feed)| feed.logits == Logits::Last);
        for ((at, feed), row) in wanted.zip(logits.chunks(3)) {
            let is_lost = expected.iter().any(|(feed, _)| *feed == at);
            assert!(
                row.iter().all(|value| value.is_nan() == is_lost),
                "{at}: {row:?}"
            );
            let slots = lost.iter().filter(|lost| lost.feed == at);
            slots.for_each(|lost| assert_eq!(lost.slot, feed.slot));
        }
    }

    #[test]
    fn a_feed_is_lost_with_its_first_bad_row_and_no_other_feed_is() {
        let feed = |slot, position, count: usize, logits| Feed {
            slot,
            position,
            tokens: &[0; 8][..count],
            logits,
        };
        let feeds = [
            feed(3, 5, 2, Logits::Last),
            feed(1, 0, 4, Logits::Skip),
            feed(0, 9, 1, Logits::Last),
        ];
        check(&feeds, &[], &[], &[]);
        check(&feeds, &[0], &[], &[(0, 5)]);
        check(&feeds, &[1], &[], &[(0, 6)]);
        check(&feeds, &[3, 4, 5], &[], &[(1, 1)]);
        check(&feeds, &[5], &[0], &[(0, 6), (1, 3)]);
        check(&feeds, &[6], &[1], &[(2, 9)]);
        check(
            &feeds,
            &[0, 1, 2, 3, 4, 5, 6],
            &[],
            &[(0, 5), (1, 0), (2, 9)],
        );
        // What continues a lost sequence within the step is lost; what begins it again is not.
        let again = [
            feed(1, 0, 2, Logits::Skip),
            feed(1, 2, 2, Logits::Last),
            feed(2, 0, 1, Logits::Last),
            feed(1, 0, 1, Logits::Last),
        ];
        check(&again, &[1], &[], &[(0, 1), (1, 2)]);
    }
}
