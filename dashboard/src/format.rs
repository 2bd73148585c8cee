//! Figures as text. Bytes, counts and durations are those of [`partita_shared::units`], so that
//! the page and the command line show the same.

use partita_observe::view::Left;
use partita_shared::units::{format_bytes, format_count, format_duration, three_digits};
use std::time::Duration;

/// Stands for a figure that is not there.
pub const NONE: &str = "–";

/// A narrow space that does not break, between groups of three digits.
const GROUP_SEPARATOR: char = '\u{202f}';

/// A whole number with its digits in groups of three: `12 480`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(GROUP_SEPARATOR);
        }
        text.push(digit);
    }
    text
}

/// How long ago something was, in whole seconds at least, so that it does not flicker.
/// `now_ms` and `then_ms` are milliseconds since the epoch, of one clock.
pub fn age(now_ms: u64, then_ms: u64) -> String {
    let seconds = now_ms.saturating_sub(then_ms) / 1000;
    match seconds {
        0..=9 => format!("{seconds}\u{202f}s"),
        _ => bound(&format_duration(Duration::from_secs(seconds))),
    }
}

/// The time between two moments, in milliseconds since the epoch.
pub fn span(from_ms: u64, to_ms: u64) -> String {
    duration_ms(to_ms.saturating_sub(from_ms))
}

/// Bytes with three digits: `1.50 GiB`. The number never leaves its unit.
pub fn bytes(bytes: u64) -> String {
    bound(&format_bytes(bytes))
}

/// Bytes in a second, with three digits.
pub fn bytes_per_s(bytes_per_s: u64) -> String {
    format!("{}/s", bytes(bytes_per_s))
}

/// A count with three digits: `1.50 M`.
pub fn count(count: u64) -> String {
    bound(&format_count(count))
}

/// A duration in microseconds, in its two largest units: `4 m 10 s`.
pub fn duration_us(us: u64) -> String {
    bound(&format_duration(Duration::from_micros(us)))
}

/// A duration in milliseconds, in its two largest units.
pub fn duration_ms(ms: u64) -> String {
    bound(&format_duration(Duration::from_millis(ms)))
}

/// A time that something still takes: `12–18 min`, `40 s–1.5 min`, `under 2 s`, or `unknown`.
pub fn time_left(left: Option<Left>) -> String {
    let Some(Left { low_ms, high_ms }) = left else { return "unknown".to_string() };
    if high_ms <= 2_000 {
        return "under 2\u{202f}s".to_string();
    }
    let (low, low_unit) = rounded(low_ms);
    let (high, high_unit) = rounded(high_ms);
    match (low == high, low_unit == high_unit) {
        (true, true) => format!("about {high}\u{202f}{high_unit}"),
        (false, true) => format!("{low}–{high}\u{202f}{high_unit}"),
        (_, false) => format!("{low}\u{202f}{low_unit}–{high}\u{202f}{high_unit}"),
    }
}

/// A time in the unit in which it is read, with a tenth where the number is small.
fn rounded(ms: u64) -> (String, &'static str) {
    let (unit_ms, unit) = match ms {
        0..120_000 => (1_000, "s"),
        120_000..7_200_000 => (60_000, "min"),
        7_200_000..172_800_000 => (3_600_000, "h"),
        _ => (86_400_000, "d"),
    };
    let tenths = (ms * 10 + unit_ms / 2) / unit_ms;
    let text = if tenths >= 100 || tenths.is_multiple_of(10) || unit == "s" {
        ((tenths + 5) / 10).to_string()
    } else {
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    (text, unit)
}

/// A duration in nanoseconds, with three digits below a second: what the core costs is often less
/// than a microsecond.
pub fn duration_ns(ns: u64) -> String {
    match ns {
        0..=999 => format!("{ns}\u{202f}ns"),
        1_000..=999_999 => format!("{}\u{202f}µs", three_digits(ns as f64 / 1e3)),
        1_000_000..=999_999_999 => format!("{}\u{202f}ms", three_digits(ns as f64 / 1e6)),
        _ => duration_us(ns / 1_000),
    }
}

/// A rate, with three digits: `0.52`, `12.3`, `1 480`.
pub fn rate(per_s: f32) -> String {
    let per_s = if per_s.is_finite() { f64::from(per_s.max(0.0)) } else { 0.0 };
    if per_s >= 99.95 { grouped(per_s.round() as u64) } else { three_digits(per_s) }
}

/// Replaces spaces by narrow ones that do not break.
fn bound(text: &str) -> String {
    text.replace(' ', "\u{202f}")
}

/// The beginning and the end of a text that is too long, with what tells it apart mostly in both.
pub fn middle(text: &str, chars_max: usize) -> String {
    let length = text.chars().count();
    if length <= chars_max {
        return text.to_string();
    }
    let kept = chars_max.saturating_sub(1);
    let head: String = text.chars().take(kept - kept / 2).collect();
    let tail: String = text.chars().skip(length - kept / 2).collect();
    format!("{head}…{tail}")
}

/// Lines of comma-separated values. What has a comma, a quote or a line end in it is quoted.
pub fn csv<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut text = head.join(",");
    text.push('\n');
    for row in rows {
        text.push_str(&row.map(|cell| csv_cell(&cell)).join(","));
        text.push('\n');
    }
    text
}

fn csv_cell(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_string()
    }
}

/// How much of a whole is done, in percent, rounded down: 100 means that nothing is left.
pub fn percent(part: u64, whole: u64) -> u64 {
    part_of(part.min(whole), whole, 100).min(if part < whole { 99 } else { 100 })
}

/// A part of a whole in steps, rounded down; nothing of nothing.
pub fn part_of(part: u64, whole: u64, steps: u64) -> u64 {
    match part.checked_mul(steps) {
        Some(product) => product.checked_div(whole).unwrap_or(0),
        None => part / (whole / steps).max(1),
    }
}

/// Processor use in cores, from thousandths of one: `0.28`, `1.94`, `171`.
pub fn cores(milli: u64) -> String {
    three_digits(milli as f64 / 1e3)
}

/// One or many: `1 worker`, `2 workers`.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups of three from the right, for every length.
    #[test]
    fn digits_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(12_480), "12\u{202f}480");
        assert_eq!(grouped(1_000_000), "1\u{202f}000\u{202f}000");
        assert_eq!(grouped(u64::MAX).chars().filter(char::is_ascii_digit).count(), 20);
    }

    /// A clock that is behind shows no age instead of an absurd one, and seconds stay whole.
    #[test]
    fn ages_are_whole_seconds() {
        assert_eq!(age(5_900, 1_000), "4\u{202f}s");
        assert_eq!(age(1_000, 5_000), "0\u{202f}s");
        assert_eq!(age(250_000, 0), "4\u{202f}m\u{202f}10\u{202f}s");
    }

    /// Columns do not jitter: three digits at every size, and the unit stays with its number.
    #[test]
    fn figures_keep_their_digits() {
        assert_eq!(bytes(1 << 30), "1.00\u{202f}GiB");
        assert_eq!(count(336_776), "337\u{202f}k");
        assert_eq!(duration_us(4_200), "4\u{202f}ms");
        assert_eq!(duration_ns(870), "870\u{202f}ns");
        assert_eq!(duration_ns(1_840), "1.84\u{202f}µs");
        assert_eq!(duration_ns(12_340_000), "12.3\u{202f}ms");
        assert_eq!(duration_ns(2_000_000_000), "2.0\u{202f}s");
        assert_eq!(rate(0.523), "0.52");
        assert_eq!(rate(12.34), "12.3");
        assert_eq!(rate(1_480.4), "1\u{202f}480");
        assert_eq!(rate(f32::NAN), "0.00");
    }

    /// Long names keep both ends.
    #[test]
    fn long_texts_are_cut_in_the_middle() {
        assert_eq!(middle("short", 5), "short");
        assert_eq!(middle("0123456789", 7), "012…789");
        assert_eq!(middle("ääääöööö", 4), "ää…ö");
        assert_eq!(middle("abc", 0), "…");
    }

    /// A table survives its way through a spreadsheet, whatever stands in its cells.
    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let rows = [["a,b".to_string(), "say \"x\"\n".to_string()]];
        assert_eq!(csv(["one", "two"], rows), "one,two\n\"a,b\",\"say \"\"x\"\"\n\"\n");
    }

    /// 100 % is shown only when all is done, and a job without tasks divides nothing by zero.
    #[test]
    fn percent_is_rounded_down() {
        assert_eq!(percent(999, 1000), 99);
        assert_eq!(percent(1000, 1000), 100);
        assert_eq!(percent(0, 0), 0);
        assert_eq!(percent(u64::MAX, u64::MAX), 100);
    }

    /// Processor use is in cores, wherever it is shown.
    #[test]
    fn processor_use_is_in_cores() {
        assert_eq!(cores(1_944), "1.94");
        assert_eq!(cores(0), "0.00");
        assert_eq!(cores(171_400), "171");
    }

    /// The noun follows the number.
    #[test]
    fn nouns_follow_their_number() {
        assert_eq!(counted(1, "worker", "workers"), "1 worker");
        assert_eq!(counted(0, "worker", "workers"), "0 workers");
    }
}
