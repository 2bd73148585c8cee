//! Sizes and durations as people write and read them.

use std::time::Duration;

/// Why a size or a duration was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Invalid size.
    #[error(
        "invalid size `{0}`: expected a number of bytes, or a number with a unit such as 500MB or 8GiB"
    )]
    Size(String),
    /// Invalid memory limit.
    #[error(
        "invalid memory limit `{0}`: expected `auto`, a size such as 8GiB, or a fraction such as 0.4"
    )]
    Limit(String),
    /// Invalid duration.
    #[error(
        "invalid duration `{0}`: expected seconds, or a number with a unit such as 500ms, 90s, 5m, 2h or 1d"
    )]
    Duration(String),
}

/// A memory limit as `--memory-limit` takes it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum MemoryLimit {
    /// An equal share, among the workers started together, of what the process may use.
    #[default]
    Auto,
    /// A share of what the process may use, above 0 and at most 1.
    Share(f64),
    /// Bytes.
    Bytes(u64),
}

/// Splits `8GiB` into the number and the unit in lower case. The number may have an exponent, as in
/// `250e6`.
fn split(text: &str) -> Option<(f64, String)> {
    let text = text.trim();
    let mut end =
        text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '_'))).unwrap_or(text.len());
    if let Some(power) = text[end..].strip_prefix(['e', 'E']) {
        let digits =
            power.trim_start_matches(['+', '-']).trim_start_matches(|c: char| c.is_ascii_digit());
        end = text.len() - digits.len();
    }
    let number: f64 = text[..end].replace('_', "").parse().ok()?;
    Some((number, text[end..].trim().to_ascii_lowercase()))
}

/// Reads a size in bytes. `kB`, `MB`, `GB`, `TB`, `PB` and bare letters (`8G`) are powers of 1000,
/// `KiB` and so on of 1024, as for Dask.
///
/// # Errors
/// If `text` is not a size.
pub fn parse_bytes(text: &str) -> Result<u64, UnitError> {
    let error = || UnitError::Size(text.to_string());
    let (number, unit) = split(text).ok_or_else(error)?;
    let factor: u64 = match unit.as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "p" | "pb" => 1_000_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        "pib" => 1 << 50,
        _ => return Err(error()),
    };
    let bytes = number * factor as f64;
    if bytes.is_finite() && bytes < u64::MAX as f64 { Ok(bytes as u64) } else { Err(error()) }
}

/// Reads a memory limit: `auto`, a share above 0 and at most 1, or a size. `0` means `auto`.
///
/// # Errors
/// If `text` is not a memory limit.
pub fn parse_memory_limit(text: &str) -> Result<MemoryLimit, UnitError> {
    let trimmed = text.trim();
    if trimmed.eq_ignore_ascii_case("auto") {
        return Ok(MemoryLimit::Auto);
    }
    if let Ok(number) = trimmed.parse::<f64>() {
        if number == 0.0 {
            return Ok(MemoryLimit::Auto);
        }
        // `1` means the whole, as it does for Dask: nobody limits a worker to one byte.
        if number > 0.0 && number <= 1.0 {
            return Ok(MemoryLimit::Share(number));
        }
    }
    parse_bytes(trimmed).map(MemoryLimit::Bytes).map_err(|_| UnitError::Limit(text.to_string()))
}

/// Reads a duration: seconds, or a number with `ms`, `s`, `m` or `min`, `h`, `d`.
///
/// # Errors
/// If `text` is not a duration.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let error = || UnitError::Duration(text.to_string());
    let (number, unit) = split(text).ok_or_else(error)?;
    let seconds = match unit.as_str() {
        "ms" => number / 1000.0,
        "" | "s" | "sec" | "secs" | "second" | "seconds" => number,
        "m" | "min" | "mins" | "minute" | "minutes" => number * 60.0,
        "h" | "hr" | "hour" | "hours" => number * 3600.0,
        "d" | "day" | "days" => number * 86_400.0,
        _ => return Err(error()),
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| error())
}

/// A size with three digits: `1.50 GiB`.
pub fn format_bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit < UNITS.len() - 1 {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        return format!("{bytes} B");
    }
    format!("{} {}", three_digits(value), UNITS[unit])
}

/// A count with three digits: `1.50 M`.
pub fn format_count(count: u64) -> String {
    const UNITS: [&str; 5] = ["", " k", " M", " G", " T"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 999.5 && unit < UNITS.len() - 1 {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { count.to_string() } else { format!("{}{}", three_digits(value), UNITS[unit]) }
}

/// A figure below 1000 with three digits: `0.52`, `12.3`, `480`.
pub fn three_digits(value: f64) -> String {
    if value >= 99.95 {
        decimal(value, 0)
    } else if value >= 9.995 {
        decimal(value, 1)
    } else {
        decimal(value, 2)
    }
}

/// A number that is not negative, with this number of decimals. The library's way to write floats takes
/// more of the dashboard's size than a page of it.
pub fn decimal(value: f64, decimals: u32) -> String {
    let scale = 10_u64.pow(decimals);
    let scaled = (value * scale as f64).round_ties_even() as u64;
    let (whole, rest, width) = (scaled / scale, scaled % scale, decimals as usize);
    if decimals == 0 { whole.to_string() } else { format!("{whole}.{rest:0width$}") }
}

/// A duration in its two largest units: `4 m 10 s`.
pub fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 if duration.subsec_millis() == 0 => format!("{} µs", duration.subsec_micros()),
        0 => format!("{} ms", duration.subsec_millis()),
        1..=9 => format!("{} s", decimal(duration.as_secs_f64(), 1)),
        10..=59 => format!("{seconds} s"),
        60..=3599 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        3600..=86_399 => format!("{} h {:02} m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The forms that job scripts and Dask's users write.
    #[test]
    fn sizes_and_limits_are_read() {
        assert_eq!(parse_bytes("8GiB"), Ok(8 << 30));
        assert_eq!(parse_bytes("8G"), Ok(8_000_000_000));
        assert_eq!(parse_bytes("500 MB"), Ok(500_000_000));
        assert_eq!(parse_bytes("12 GB"), Ok(12_000_000_000));
        assert_eq!(parse_bytes("48.00GB"), Ok(48_000_000_000));
        assert_eq!(parse_bytes("600MiB"), Ok(600 << 20));
        for (text, bytes) in
            [("250e6", 250_000_000), ("2.5E+8", 250_000_000), ("1e3 kB", 1_000_000), ("5e-1k", 500)]
        {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        assert_eq!(parse_bytes("1.5kb"), Ok(1500));
        assert_eq!(parse_memory_limit("0.4"), Ok(MemoryLimit::Share(0.4)));
        assert_eq!(parse_memory_limit("1"), Ok(MemoryLimit::Share(1.0)));
        assert_eq!(parse_memory_limit("auto"), Ok(MemoryLimit::Auto));
        assert_eq!(parse_memory_limit("0"), Ok(MemoryLimit::Auto));
        assert_eq!(parse_memory_limit("1073741824"), Ok(MemoryLimit::Bytes(1 << 30)));
        assert_eq!(parse_memory_limit("4000000000.0"), Ok(MemoryLimit::Bytes(4_000_000_000)));
        assert_eq!(parse_memory_limit("1e-1"), Ok(MemoryLimit::Share(0.1)));
        for bad in [
            "", "x", "lots", "-1", "-5GB", "5XB", "1.5.2GB", "8 GiBs", "inf", "NaN", "e6", "1e",
            "1e6e6", "1e400", "1e+-3", "2e5é",
        ] {
            assert!(parse_memory_limit(bad).is_err(), "{bad}");
        }
    }

    /// Durations with and without a unit; nothing negative or endless.
    #[test]
    fn durations_are_read() {
        assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1.5 h"), Ok(Duration::from_secs(5400)));
        for bad in ["", "-1", "1y", "1e400"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    /// What is shown keeps its width, so that columns do not jitter.
    #[test]
    fn sizes_are_shown_with_three_digits() {
        assert_eq!(format_bytes(0), "0 B");
        assert_eq!(format_bytes(1023), "1.00 KiB");
        assert_eq!(format_bytes(1 << 30), "1.00 GiB");
        assert_eq!(format_bytes(u64::MAX), "16384 PiB");
        assert_eq!(format_count(999), "999");
        assert_eq!(format_count(336_776), "337 k");
        assert_eq!(format_duration(Duration::from_secs(250)), "4 m 10 s");
    }
}
