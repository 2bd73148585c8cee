//! Figures as text. Bytes, counts and durations are those of [`partita_shared::units`], so that
//! the page and the command line show the same.

use partita_shared::units::format_duration;
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
        0..=9 => format!("{seconds} s"),
        _ => format_duration(Duration::from_secs(seconds)),
    }
}

/// The time between two moments, in milliseconds since the epoch.
pub fn span(from_ms: u64, to_ms: u64) -> String {
    format_duration(Duration::from_millis(to_ms.saturating_sub(from_ms)))
}

/// How much of a whole is done, in percent, rounded down: 100 means that nothing is left.
pub fn percent(part: u64, whole: u64) -> u64 {
    if whole == 0 { 0 } else { (u128::from(part.min(whole)) * 100 / u128::from(whole)) as u64 }
}

/// Processor use in percent of one core, from thousandths of one.
pub fn cpu_percent(milli: u32) -> String {
    ((u64::from(milli) + 5) / 10).to_string()
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
        assert_eq!(age(5_900, 1_000), "4 s");
        assert_eq!(age(1_000, 5_000), "0 s");
        assert_eq!(age(250_000, 0), "4 m 10 s");
    }

    /// 100 % is shown only when all is done, and a job without tasks divides nothing by zero.
    #[test]
    fn percent_is_rounded_down() {
        assert_eq!(percent(999, 1000), 99);
        assert_eq!(percent(1000, 1000), 100);
        assert_eq!(percent(0, 0), 0);
        assert_eq!(percent(u64::MAX, u64::MAX), 100);
    }

    /// Thousandths of a core are rounded to percent.
    #[test]
    fn processor_use_is_in_percent() {
        assert_eq!(cpu_percent(1994), "199");
        assert_eq!(cpu_percent(1995), "200");
        assert_eq!(cpu_percent(u32::MAX), "429496730");
    }

    /// The noun follows the number.
    #[test]
    fn nouns_follow_their_number() {
        assert_eq!(counted(1, "worker", "workers"), "1 worker");
        assert_eq!(counted(0, "worker", "workers"), "0 workers");
    }
}
