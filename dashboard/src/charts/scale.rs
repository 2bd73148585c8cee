//! Axes: where ticks stand and what they say. Plain arithmetic.

use crate::format::cores;
use partita_shared::units::{decimal, format_bytes, format_count, three_digits};

/// Steps between ticks of a time axis, in milliseconds.
const TIME_STEPS_MS: [u64; 26] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000,
    120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 14_400_000, 28_800_000,
    86_400_000,
];

/// Milliseconds of a minute.
const MINUTE_MS: u64 = 60_000;
/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

/// What the figures of an axis count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes, in powers of 1024.
    Bytes,
    /// Bytes in a second.
    BytesPerS,
    /// Thousandths of a processor core, shown in cores.
    CoreMilli,
    /// Things in a second.
    PerS,
}

impl Unit {
    /// A value with its unit: `1.50 GiB`.
    pub fn format(self, value: f64) -> String {
        match self {
            Unit::Bytes => format_bytes(whole(value)),
            Unit::BytesPerS => format!("{}/s", format_bytes(whole(value))),
            Unit::CoreMilli => format!("{} cores", cores(whole(value))),
            Unit::PerS if value < 10.0 && value.fract() > 0.05 => {
                format!("{}/s", decimal(value, 1))
            }
            Unit::PerS => format!("{}/s", format_count(whole(value))),
        }
    }

    /// What stands at a tick: shorter, since ticks are round.
    pub fn tick(self, value: f64) -> String {
        match self {
            Unit::Bytes | Unit::BytesPerS => {
                const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
                let (mut value, mut unit) = (value, 0);
                while value >= 1024.0 && unit < UNITS.len() - 1 {
                    value /= 1024.0;
                    unit += 1;
                }
                format!("{} {}", short(value), UNITS[unit])
            }
            Unit::CoreMilli => short(value / 1e3),
            Unit::PerS if value < 10.0 && value.fract() > 0.0 => short(value),
            Unit::PerS => format_count(whole(value)),
        }
    }
}

fn whole(value: f64) -> u64 {
    value.round().max(0.0) as u64
}

/// The step of an axis that reaches `top` in at most `most` steps.
fn step(top: f64, most: u32, unit: Unit) -> f64 {
    let rough = top / f64::from(most.max(1));
    match unit {
        // Halves and doubles of binary units are round.
        Unit::Bytes | Unit::BytesPerS => {
            let mut power = 1.0;
            while power < rough {
                power *= 2.0;
            }
            power
        }
        Unit::CoreMilli | Unit::PerS => {
            // Logarithms would bring their tables.
            let mut power = 0.1;
            while power * 10.0 <= rough {
                power *= 10.0;
            }
            let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= rough);
            power * factor.unwrap_or(10.0)
        }
    }
}

/// Ticks from zero to just above `top`, at most `most` of them besides zero. The last one is the
/// end of the axis.
pub fn ticks(top: f64, most: u32, unit: Unit) -> Vec<f64> {
    let least = match unit {
        Unit::Bytes | Unit::BytesPerS => 1024.0,
        Unit::CoreMilli => 1_000.0,
        Unit::PerS => 1.0,
    };
    let top = if top.is_finite() { top.max(least) } else { least };
    let step = step(top, most, unit);
    let count = ((top / step).ceil() as u32).max(1);
    (0..=count).map(|tick| f64::from(tick) * step).collect()
}

/// The step between ticks of a time axis, so that they are at least `apart_px` apart.
pub fn time_step_ms(span_ms: u64, width_px: f64, apart_px: f64) -> u64 {
    let least = span_ms as f64 * apart_px / width_px.max(1.0);
    let found = TIME_STEPS_MS.into_iter().find(|step| *step as f64 >= least);
    found.unwrap_or_else(|| (least as u64).div_ceil(DAY_MS).max(1) * DAY_MS)
}

/// Ticks of a time axis: round times of the wall clock. `offset_min` is what the local clock is
/// ahead of UTC, in minutes.
pub fn time_ticks(from_ms: u64, to_ms: u64, step_ms: u64, offset_min: i32) -> Vec<u64> {
    let step = step_ms.max(1);
    let offset_ms = i64::from(offset_min) * MINUTE_MS as i64;
    let local = from_ms.saturating_add_signed(offset_ms);
    let first = local.div_ceil(step).saturating_mul(step).saturating_add_signed(-offset_ms);
    // As many as fit: a step is never so small that this bound is met.
    std::iter::successors(Some(first), |at| at.checked_add(step))
        .take_while(|at| *at <= to_ms)
        .take(1_000)
        .collect()
}

/// The wall clock at a moment: as many parts of it as the step between ticks asks for.
pub fn clock(at_ms: u64, step_ms: u64, offset_min: i32) -> String {
    let local = at_ms.saturating_add_signed(i64::from(offset_min) * MINUTE_MS as i64);
    let in_day = local % DAY_MS;
    let (hours, minutes) = (in_day / 3_600_000, in_day / MINUTE_MS % 60);
    let (seconds, millis) = (in_day / 1_000 % 60, in_day % 1_000);
    match step_ms {
        DAY_MS.. => format!("{}, {hours:02}:{minutes:02}", day(local)),
        MINUTE_MS..DAY_MS => format!("{hours:02}:{minutes:02}"),
        1_000..MINUTE_MS => format!("{hours:02}:{minutes:02}:{seconds:02}"),
        _ => format!("{hours:02}:{minutes:02}:{seconds:02}.{millis:03}"),
    }
}

/// A number of a tick, without zeros at its end.
fn short(value: f64) -> String {
    let text = decimal(value, 3);
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// Day and month of a moment: `3 May`. The calendar is worked out from eras of 400 years.
fn day(local_ms: u64) -> String {
    const MONTHS: [&str; 12] =
        ["Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb"];
    // Days since 1 March of the year 0, so that a leap day is the last of its year.
    let days = local_ms / DAY_MS + 719_468;
    let of_era = days % 146_097;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    format!("{day} {}", MONTHS[month as usize % 12])
}

/// A time with three digits, from microseconds: `850 µs`, `12.4 ms`, `1.50 s`, `4 m 10 s`.
pub fn micros(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{} ms", three_digits(us as f64 / 1e3)),
        1_000_000..60_000_000 => format!("{} s", three_digits(us as f64 / 1e6)),
        _ => partita_shared::units::format_duration(std::time::Duration::from_secs(us / 1_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Axes begin at zero, end at or above the largest value, and have round, few ticks.
    #[test]
    fn ticks_are_round_and_reach_the_top() {
        assert_eq!(ticks(3_500.0, 4, Unit::CoreMilli), [0.0, 1_000.0, 2_000.0, 3_000.0, 4_000.0]);
        assert_eq!(ticks(0.0, 4, Unit::PerS), [0.0, 0.5, 1.0]);
        let gib = 1024.0 * 1024.0 * 1024.0;
        assert_eq!(ticks(3.2 * gib, 4, Unit::Bytes), [0.0, gib, 2.0 * gib, 3.0 * gib, 4.0 * gib]);
        for top in [0.3, 1.0, 17.0, 999.0, 123_456.0, 7e12] {
            for unit in [Unit::Bytes, Unit::CoreMilli, Unit::PerS] {
                let ticks = ticks(top, 4, unit);
                assert!(ticks.len() <= 6 && ticks.last().is_some_and(|last| *last >= top));
            }
        }
        assert_eq!(ticks(f64::NAN, 4, Unit::PerS).first(), Some(&0.0));
    }

    /// Values have units, ticks are short.
    #[test]
    fn values_have_units() {
        assert_eq!(Unit::Bytes.tick(1_610_612_736.0), "1.5 GiB");
        assert_eq!(Unit::BytesPerS.format(1_610_612_736.0), "1.50 GiB/s");
        assert_eq!(Unit::CoreMilli.format(1_994.0), "1.99 cores");
        assert_eq!(Unit::PerS.format(2.25), "2.2/s");
        assert_eq!(Unit::PerS.format(336_776.0), "337 k/s");
    }

    /// Ticks stand at round times of the local clock, whatever the zone.
    #[test]
    fn time_ticks_are_round_local_times() {
        let from = 1_700_000_123_456;
        assert_eq!(time_step_ms(60_000, 600.0, 80.0), 10_000);
        assert_eq!(time_step_ms(10, 600.0, 80.0), 2);
        assert_eq!(time_step_ms(86_400_000 * 30, 600.0, 80.0), 86_400_000 * 4);
        let ticks = time_ticks(from, from + 60_000, 10_000, 330);
        assert_eq!(ticks.len(), 6);
        assert!(ticks.iter().all(|tick| tick % 10_000 == 0 && *tick >= from));
        // An hour of a zone half an hour off is not an hour of UTC.
        let ticks = time_ticks(from, from + 7_200_000, 3_600_000, 330);
        assert!(ticks.iter().all(|tick| (tick + 330 * 60_000) % 3_600_000 == 0));
    }

    /// The clock says as much as the step needs, and knows the calendar.
    #[test]
    fn clocks_say_what_the_step_needs() {
        // 2023-11-14 22:13:20 UTC.
        let at = 1_700_000_000_000;
        assert_eq!(clock(at + 7, 5, 0), "22:13:20.007");
        assert_eq!(clock(at, 1_000, 60), "23:13:20");
        assert_eq!(clock(at, 60_000, -120), "20:13");
        assert_eq!(clock(at, DAY_MS, 120), "15 Nov, 00:13");
        // 2024-02-29 12:00:00 UTC.
        assert_eq!(clock(1_709_208_000_000, DAY_MS, 0), "29 Feb, 12:00");
        assert_eq!(clock(0, DAY_MS, 0), "1 Jan, 00:00");
    }

    /// Times keep three digits up to a minute.
    #[test]
    fn times_have_three_digits() {
        assert_eq!(micros(850), "850 µs");
        assert_eq!(micros(12_440), "12.4 ms");
        assert_eq!(micros(1_500_000), "1.50 s");
        assert_eq!(micros(250_000_000), "4 m 10 s");
    }
}
