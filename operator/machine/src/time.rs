//! Time as the machine tells it: readings, and the two clocks a rack can run on.
use std::{fmt, time::Duration};

/// A reading of a machine's clock: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This reading later by `duration`, saturating.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// How long from this reading to `later`; zero when that is not later.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }
}

impl Timestamp {
    /// The minute that it lies in, as people read one: `2026-11-29T22:26Z`.
    #[must_use]
    pub fn minute(self) -> String {
        let whole = self.to_string();
        let minute = whole.rsplit_once(':').map_or("", |(minute, _)| minute);
        format!("{minute}Z")
    }

    /// The reading that prints as `text`; `None` where none does.
    pub fn printed(text: &str) -> Option<Self> {
        let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let in_day =
            number(11, 13)? * 3_600_000 + number(14, 16)? * 60_000 + number(17, 19)? * 1000;
        // The day whose date it is lies within a year of this guess.
        let guess = year.checked_sub(1970)? * 365 + (year - 1968) / 4;
        let read = (guess.saturating_sub(366)..guess + 732)
            .find(|at| civil(*at) == (year, month, day))
            .map(|at| Self(at * 86_400_000 + in_day + number(20, 23).unwrap_or(0)))?;
        (read.to_string() == text).then_some(read)
    }
}

/// RFC 3339 in UTC with milliseconds, `2026-01-31T09:00:00.000Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY: u64 = 86_400_000;
        let (year, month, day) = civil(self.0 / DAY);
        let in_day = self.0 % DAY;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
            in_day / 3_600_000,
            in_day / 60_000 % 60,
            in_day / 1000 % 60,
            in_day % 1000
        )
    }
}

/// What drives a rack's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Waiting costs nothing: whoever waits moves the clock. For `apply` and tests.
    Virtual,
    /// The clock on the wall; the rack's durations are divided by its `speedup`. For `up` and `agent`.
    Wall,
}

/// The Gregorian date of a day counted from 1970-01-01: years begin in March so that the leap day comes last,
/// and 400 years are one era of 146097 days.
fn civil(day: u64) -> (u64, u64, u64) {
    let shifted = day + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (year_of_era + era * 400 + carry, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_print_as_dates() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_767_225_599_999, "2025-12-31T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(Timestamp(millis).to_string(), text);
            assert_eq!(Timestamp::printed(text), Some(Timestamp(millis)));
        }
        for wrong in [
            "",
            "2026-11-28",
            "2026-02-30T00:00:00.000Z",
            "1900-01-01T00:00:00.000Z",
        ] {
            assert_eq!(Timestamp::printed(wrong), None, "{wrong}");
        }
    }
}
