//! What cells of workers say. Plain arithmetic.

use crate::components::parts::look;
use crate::format::{bytes, cpu_percent, grouped, percent};
use crate::order::{sort_by, sort_by_key};
use partita_shared::model::{WorkerRow, WorkerState};
use std::cmp::Reverse;
use std::rc::Rc;

/// Steps of the ramp of magnitudes.
pub const LEVELS: usize = 9;

/// What a grid shows of each worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Processor time, as a share of one core for each slot.
    Cpu,
    /// Reserved memory, as a share of the limit.
    Memory,
    /// Tasks on slots, as a share of the slots.
    Tasks,
    /// Partitions on disk, as a share of the memory limit.
    Spilled,
}

impl Metric {
    /// All of them.
    pub const ALL: [Metric; 4] = [Metric::Cpu, Metric::Memory, Metric::Tasks, Metric::Spilled];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Cpu => "processor",
            Metric::Memory => "memory",
            Metric::Tasks => "tasks",
            Metric::Spilled => "spilled",
        }
    }

    /// What the ends of the ramp mean.
    pub fn ends(self) -> (&'static str, &'static str) {
        match self {
            Metric::Cpu => ("idle", "all slots busy"),
            Metric::Memory => ("empty", "at the limit"),
            Metric::Tasks => ("none", "all slots taken"),
            Metric::Spilled => ("none", "as much as its memory"),
        }
    }

    fn part(self, row: &WorkerRow) -> (u64, u64) {
        let metrics = &row.metrics;
        match self {
            Metric::Cpu => (metrics.cpu_milli.into(), u64::from(row.slots) * 1_000),
            Metric::Memory => (metrics.reserved_bytes, row.memory_limit_bytes),
            Metric::Tasks => (metrics.running.into(), row.slots.into()),
            Metric::Spilled => (metrics.spilled_bytes, row.memory_limit_bytes),
        }
    }

    /// The share of a worker that is used, in percent.
    pub fn percent(self, row: &WorkerRow) -> u64 {
        let (part, whole) = self.part(row);
        percent(part, whole)
    }

    /// The step of the ramp. Only nothing at all is the lowest.
    pub fn level(self, row: &WorkerRow) -> usize {
        let (part, whole) = self.part(row);
        level(part, whole)
    }

    /// The figure itself.
    pub fn text(self, row: &WorkerRow) -> String {
        let metrics = &row.metrics;
        let percent = self.percent(row);
        match self {
            Metric::Cpu => {
                format!("{} % of a core, {percent} % of its slots", cpu_percent(metrics.cpu_milli))
            }
            Metric::Memory => format!(
                "{} of {} reserved ({percent} %)",
                bytes(metrics.reserved_bytes),
                bytes(row.memory_limit_bytes)
            ),
            Metric::Tasks => format!(
                "{} of {} slots taken, {} queued",
                grouped(metrics.running.into()),
                grouped(row.slots.into()),
                grouped(metrics.queued.into())
            ),
            Metric::Spilled => {
                format!(
                    "{} on disk, {} in memory",
                    bytes(metrics.spilled_bytes),
                    bytes(metrics.stored_bytes)
                )
            }
        }
    }
}

/// The step of the ramp for a part of a whole. Only nothing at all is the lowest.
pub fn level(part: u64, whole: u64) -> usize {
    if part == 0 || whole == 0 {
        return 0;
    }
    let steps = LEVELS as u128 - 1;
    let level = (u128::from(part.min(whole)) * steps).div_ceil(u128::from(whole));
    (level as usize).clamp(1, LEVELS - 1)
}

/// Whether a worker has a cell: those that said good-bye have none.
pub fn has_cell(row: &WorkerRow) -> bool {
    row.state != WorkerState::Left
}

/// The glyph of a cell: what needs attention has one, what is well has none.
pub fn sign(row: &WorkerRow) -> &'static str {
    match row.state {
        WorkerState::Up if !row.metrics.above_mark => "",
        _ => look::worker(row).glyph,
    }
}

/// What a cell says, for those who do not see it and under the grid.
pub fn sentence(row: &WorkerRow, metric: Metric) -> String {
    match row.state {
        WorkerState::Lost | WorkerState::Left => {
            format!("{}: {}", row.name, look::worker(row).word)
        }
        WorkerState::Up | WorkerState::Leaving => {
            let state = match sign(row) {
                "" => String::new(),
                _ => format!(", {}", look::worker(row).word),
            };
            format!("{}{state}: {} {}", row.name, metric.name(), metric.text(row))
        }
    }
}

/// The cells of a host.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its workers.
    pub workers: Vec<Rc<WorkerRow>>,
}

/// Workers by host, hosts and workers by name; at most `most` workers, those that are there first.
pub fn by_host(rows: impl Iterator<Item = Rc<WorkerRow>>, most: usize) -> Vec<Host> {
    let mut rows: Vec<Rc<WorkerRow>> = rows.filter(|row| has_cell(row)).collect();
    sort_by_key(&mut rows, |row| (row.state == WorkerState::Lost, Reverse(row.joined_ms)));
    rows.truncate(most);
    sort_by(&mut rows, |one, other| {
        (natural(&one.host), natural(&one.name), one.id).cmp(&(
            natural(&other.host),
            natural(&other.name),
            other.id,
        ))
    });
    let mut hosts: Vec<Host> = Vec::new();
    for row in rows {
        match hosts.last_mut() {
            Some(host) if host.name == row.host => host.workers.push(row),
            _ => hosts.push(Host { name: row.host.clone(), workers: vec![row] }),
        }
    }
    hosts
}

/// A name as people order it: `n2` comes before `n10`.
pub fn natural(name: &str) -> Vec<(u64, char)> {
    let mut key = Vec::with_capacity(name.len());
    let mut number: Option<u64> = None;
    for letter in name.chars() {
        match (letter.to_digit(10), number) {
            (Some(digit), before) => {
                let before = before.unwrap_or(0);
                number = Some(before.saturating_mul(10).saturating_add(digit.into()));
            }
            (None, before) => {
                if let Some(before) = before {
                    key.push((before, '0'));
                    number = None;
                }
                key.push((0, letter));
            }
        }
    }
    if let Some(number) = number {
        key.push((number, '0'));
    }
    key
}

/// What a grid says in a sentence.
pub fn summary(rows: &[Rc<WorkerRow>], metric: Metric) -> String {
    let there: Vec<&Rc<WorkerRow>> =
        rows.iter().filter(|row| row.state != WorkerState::Lost).collect();
    let lost = rows.len() - there.len();
    let sum: u64 = there.iter().map(|row| metric.percent(row)).sum();
    let mean = sum / (there.len() as u64).max(1);
    let full = there.iter().filter(|row| metric.percent(row) >= 90).count();
    let mut text = format!(
        "{} by {}: {mean} % on average, {full} at 90 % or more",
        crate::format::counted(there.len() as u64, "worker", "workers"),
        metric.name()
    );
    if lost > 0 {
        text.push_str(&format!(", {lost} lost"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::worker;

    /// Nothing is the lowest step, a little is not, and too much is the highest.
    #[test]
    fn the_ramp_has_ends() {
        assert_eq!(level(0, 100), 0);
        assert_eq!(level(1, u64::MAX), 1);
        assert_eq!(level(50, 100), 4);
        assert_eq!(level(100, 100), LEVELS - 1);
        assert_eq!(level(u64::MAX, 1), LEVELS - 1);
        assert_eq!(level(5, 0), 0);
    }

    /// Names with numbers are ordered by the numbers.
    #[test]
    fn names_are_ordered_as_people_do() {
        let mut names = ["n10-1", "n2-10", "n2-9", "login", "n2"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["login", "n2", "n2-9", "n2-10", "n10-1"]);
    }

    /// Workers stand with their hosts, and those that are there win over those that are lost.
    #[test]
    fn workers_stand_by_host() {
        let rows = || (1..=24).map(|id| Rc::new(worker(id)));
        let hosts = by_host(rows(), 100);
        assert_eq!(hosts.len(), 6);
        assert!(hosts.iter().all(|host| host.workers.len() == 4));
        let few = by_host(rows(), 23);
        assert!(
            few.iter().flat_map(|host| &host.workers).all(|row| row.state != WorkerState::Lost)
        );
    }

    /// What needs attention has a sign and a word; what is lost says no figures of before.
    #[test]
    fn cells_say_what_is_wrong() {
        assert_eq!(sign(&worker(1)), "");
        assert_eq!(sign(&worker(9)), "▲");
        assert_eq!(sentence(&worker(17), Metric::Cpu), "n0417-0: lost");
        assert!(sentence(&worker(23), Metric::Tasks).starts_with("n0418-2, leaving: tasks "));
        let rows: Vec<_> = (1..=24).map(|id| Rc::new(worker(id))).collect();
        let said = summary(&rows, Metric::Memory);
        assert!(said.starts_with("23 workers by memory: ") && said.ends_with(", 1 lost"), "{said}");
    }
}
