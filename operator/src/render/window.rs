//! What is said where steps wait for a window.
use machine::Timestamp;

/// That none is open before then.
pub fn closed_until(opens: Option<Timestamp>) -> String {
    opens.map_or_else(
        || "the windows of their policies are never open at once".to_owned(),
        |opens| {
            let minute = opens.minute();
            format!("no window of their policies is open before {minute}")
        },
    )
}
