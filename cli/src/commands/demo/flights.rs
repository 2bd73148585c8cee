//! The tables of the demo: a made-up year of flights from three airports, with the weather there.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::fs::File;
use std::io::{BufWriter, Result, Write};
use std::path::Path;

/// Days of the year.
const DAYS: u32 = 365;
/// Flights of a day.
const DAILY_FLIGHTS: u32 = 920;
/// One of this number of flights is cancelled: it has no delays.
const CANCELLED_PART: u32 = 40;
/// The tables are the same every time.
const SEED: u64 = 20_250_101;
const AIRPORTS: [&str; 3] = ["EWR", "JFK", "LGA"];
/// The days of the months of a year.
const MONTHS: [u32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
/// Code, name, and mean delay in minutes of each airline.
const AIRLINES: [(&str, &str, f64); 8] = [
    ("AL", "Albatross Air", 4.0),
    ("CO", "Cormorant Lines", 9.0),
    ("EG", "Egret Express", 16.0),
    ("FU", "Fulmar", 2.0),
    ("GA", "Gannet Airways", 7.0),
    ("HE", "Heron Regional", 13.0),
    ("KI", "Kittiwake", 11.0),
    ("TE", "Tern Atlantic", 1.0),
];
/// Destinations.
const DESTINATIONS: u32 = 104;

/// The weather of an hour: visibility in miles, wind in miles per hour.
#[derive(Clone, Copy)]
struct Weather {
    visibility: f64,
    wind: f64,
}

/// A time that is exponentially distributed, in minutes.
fn exponential(random: &mut SmallRng, mean: f64) -> f64 {
    -mean * (1.0 - random.random::<f64>()).ln()
}

/// The date of a day of the year, as SQL writes it.
fn date(day: u32) -> String {
    let (mut month, mut left) = (1, day);
    for days in MONTHS {
        if left < days {
            break;
        }
        (month, left) = (month + 1, left - days);
    }
    format!("2025-{month:02}-{:02}", left + 1)
}

fn weather(random: &mut SmallRng) -> Weather {
    let is_bad = random.random_ratio(1, 12);
    let visibility = if is_bad { random.random_range(0.2..9.0) } else { 10.0 };
    Weather { visibility, wind: 4.0 + exponential(random, 6.0) }
}

/// Writes `flights.csv`, `airlines.csv` and `weather.csv` into a folder.
///
/// # Errors
/// If a file cannot be written.
pub(super) fn write(folder: &Path) -> Result<()> {
    let create = |name: &str| File::create(folder.join(name)).map(BufWriter::new);
    let mut airlines = create("airlines.csv")?;
    writeln!(airlines, "carrier,name")?;
    for (code, name, _) in AIRLINES {
        writeln!(airlines, "{code},{name}")?;
    }
    airlines.flush()?;
    let (mut hours, mut flights) = (create("weather.csv")?, create("flights.csv")?);
    writeln!(hours, "origin,time_hour,visib,wind_speed")?;
    writeln!(flights, "carrier,origin,dest,time_hour,hour,dep_delay,arr_delay")?;
    let mut random = SmallRng::seed_from_u64(SEED);
    for day in 0..DAYS {
        write_day(&date(day), &mut random, &mut hours, &mut flights)?;
    }
    hours.flush()?;
    flights.flush()
}

fn write_day(
    date: &str,
    random: &mut SmallRng,
    hours: &mut impl Write,
    flights: &mut impl Write,
) -> Result<()> {
    let weather: Vec<[Weather; 24]> =
        AIRPORTS.iter().map(|_| std::array::from_fn(|_| weather(random))).collect();
    for (airport, of_day) in AIRPORTS.iter().zip(&weather) {
        for (hour, Weather { visibility, wind }) in of_day.iter().enumerate() {
            writeln!(hours, "{airport},{date} {hour:02}:00:00,{visibility:.1},{wind:.1}")?;
        }
    }
    for _ in 0..DAILY_FLIGHTS {
        let at = random.random_range(0..AIRPORTS.len());
        let (carrier, _, mean) = AIRLINES[random.random_range(0..AIRLINES.len())];
        // Most flights leave in the morning and in the late afternoon.
        let peak = if random.random() { 8.0 } else { 17.0 };
        let spread = exponential(random, 2.0) - exponential(random, 2.0);
        let hour = (peak + spread).clamp(5.0, 23.0) as usize;
        let Weather { visibility, wind } = weather[at][hour];
        let late = mean + 0.8 * (hour as f64 - 5.0) + (10.0 - visibility) * 2.0 + wind * 0.4;
        let departure = exponential(random, late) - 6.0;
        let arrival = departure + random.random_range(-18.0..14.0);
        let (origin, dest) = (AIRPORTS[at], random.random_range(0..DESTINATIONS));
        write!(flights, "{carrier},{origin},D{dest:03},{date} {hour:02}:00:00,{hour}")?;
        match random.random_ratio(1, CANCELLED_PART) {
            true => writeln!(flights, ",,")?,
            false => writeln!(flights, ",{departure:.0},{arrival:.0}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last day of a year is there, and each month begins anew.
    #[test]
    fn dates_are_those_of_a_year() {
        assert_eq!(date(0), "2025-01-01");
        assert_eq!(date(31), "2025-02-01");
        assert_eq!(date(DAYS - 1), "2025-12-31");
    }

    /// The tables are the same every time, and have what the questions ask for.
    #[test]
    fn tables_are_the_same_every_time() {
        let made = || {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path()).unwrap();
            std::fs::read_to_string(folder.path().join("flights.csv")).unwrap()
        };
        let first = made();
        assert_eq!(first, made());
        assert_eq!(first.lines().count() as u32, 1 + DAYS * DAILY_FLIGHTS);
        assert!(first.lines().any(|line| line.ends_with(",,")));
    }
}
