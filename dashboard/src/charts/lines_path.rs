//! Where lines over time run. Plain arithmetic.

use super::scale::Unit;
use std::fmt::Write;

/// Seconds that are shown.
pub const SPAN_S: u64 = 600;
/// Points farther apart than this are not joined, in seconds: what was not measured is not drawn.
/// Workers of a large cluster report every few seconds.
const GAP_S: u64 = 10;
/// The height of the drawing, in its own units; its width is [`SPAN_S`].
pub const HEIGHT: u64 = 1_000;

/// A value by the second.
pub type Values = [(u64, f64)];

/// The largest of some values.
pub fn top(values: &Values) -> f64 {
    values.iter().map(|(_, value)| *value).fold(0.0, f64::max)
}

fn x(at_s: u64, to_s: u64) -> u64 {
    SPAN_S.saturating_sub(to_s.saturating_sub(at_s))
}

/// Where a value stands, counted from above.
pub fn y(value: f64, top: f64) -> u64 {
    let share = if top > 0.0 { (value / top).clamp(0.0, 1.0) } else { 0.0 };
    ((1.0 - share) * HEIGHT as f64).round() as u64
}

/// Values that follow each other without a gap.
fn runs(values: &Values, to_s: u64) -> Vec<&Values> {
    let from_s = to_s.saturating_sub(SPAN_S);
    let from = values.partition_point(|(at, _)| *at < from_s);
    let to = values.partition_point(|(at, _)| *at <= to_s);
    let seen = &values[from..to.max(from)];
    seen.chunk_by(|one, next| next.0.saturating_sub(one.0) <= GAP_S).collect()
}

/// The line of some values up to a second, as a path of SVG.
pub fn line(values: &Values, to_s: u64, top: f64) -> String {
    let mut path = String::new();
    for run in runs(values, to_s) {
        for (place, (at, value)) in run.iter().enumerate() {
            let letter = if place == 0 { 'M' } else { 'L' };
            // Writing to a string does not fail.
            let _ = write!(path, "{letter}{} {}", x(*at, to_s), y(*value, top));
        }
        // A single point is a short line, or it would not be seen.
        if run.len() == 1 {
            path.push_str("h1");
        }
    }
    path
}

/// The area below the line, as a path of SVG.
pub fn area(values: &Values, to_s: u64, top: f64) -> String {
    let mut path = String::new();
    for run in runs(values, to_s) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        let _ = write!(path, "M{} {HEIGHT}", x(first.0, to_s));
        for (at, value) in run {
            let _ = write!(path, "L{} {}", x(*at, to_s), y(*value, top));
        }
        let _ = write!(path, "L{} {HEIGHT}Z", x(last.0, to_s));
    }
    path
}

/// The value at a second, or the last one shortly before it.
pub fn value_at(values: &Values, at_s: u64) -> Option<f64> {
    let next = values.partition_point(|(at, _)| *at <= at_s);
    let (at, value) = values.get(next.checked_sub(1)?)?;
    (at_s - at <= GAP_S).then_some(*value)
}

/// What lines say, for those who do not see them.
pub fn sentence(title: &str, unit: Unit, series: &[(&str, &Values)], to_s: u64) -> String {
    let mut text = format!("{title} over the last ten minutes");
    for (place, (name, values)) in series.iter().enumerate() {
        let joint = if place == 0 { ": " } else { "; " };
        let seen: Vec<(u64, f64)> = runs(values, to_s).concat();
        let said = match seen.last() {
            Some((_, last)) => {
                format!("{name} {} now, {} at most", unit.format(*last), unit.format(top(&seen)))
            }
            None => format!("{name} not measured"),
        };
        text.push_str(joint);
        text.push_str(&said);
    }
    text.push('.');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line runs from left to right and from bottom to top; it has a gap where nothing was
    /// measured.
    #[test]
    fn gaps_are_not_joined() {
        let values = [(400, 0.0), (401, 5.0), (500, 10.0), (1_000, 10.0), (1_001, 99.0)];
        assert_eq!(line(&values, 1_000, 10.0), "M0 1000L1 500M100 0h1M600 0h1");
        assert_eq!(area(&values[..2], 1_000, 10.0), "M0 1000L0 1000L1 500L1 1000Z");
        assert_eq!(line(&values, 5_000, 10.0), "");
        assert_eq!(line(&[], 0, 0.0), "");
    }

    /// Values above the axis and an axis of nothing stay inside the drawing.
    #[test]
    fn lines_stay_inside() {
        assert_eq!(line(&[(10, 7.0), (11, -3.0)], 11, 5.0), "M599 0L600 1000");
        assert_eq!(line(&[(10, 7.0)], 10, 0.0), "M600 1000h1");
    }

    /// A readout says what was measured, and nothing where nothing was.
    #[test]
    fn readouts_are_honest() {
        let values = [(100, 1.0), (102, 3.0)];
        assert_eq!(value_at(&values, 101), Some(1.0));
        assert_eq!(value_at(&values, 110), Some(3.0));
        assert_eq!(value_at(&values, 113), None);
        assert_eq!(value_at(&values, 99), None);
    }

    /// The sentence says what is now and what was the most.
    #[test]
    fn lines_are_said_in_words() {
        let values: &Values = &[(10, 4_000.0), (11, 2_000.0)];
        assert_eq!(
            sentence("Processor", Unit::CoreMilli, &[("used", values), ("idle", &[])], 20),
            "Processor over the last ten minutes: used 2.00 cores now, 4.00 cores at most; idle not measured."
        );
    }
}
