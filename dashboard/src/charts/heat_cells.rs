//! What cells of workers say. Plain arithmetic.

use crate::components::parts::{MemoryUse, look};
use crate::format::{bytes, cores, grouped, percent};
use crate::order::{sort_by, sort_by_key};
use partita_shared::model::{WorkerRow, WorkerState};
use std::cmp::{Ordering, Reverse};
use std::rc::Rc;

/// Steps of the ramp of magnitudes.
pub const LEVELS: usize = 9;

/// What a grid shows of each worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// CPU time, as a share of one core for each slot.
    Cpu,
    /// Memory of the process, as a share of the limit.
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
            Metric::Cpu => "CPU",
            Metric::Memory => "memory",
            Metric::Tasks => "tasks",
            Metric::Spilled => "spilled",
        }
    }

    /// What the ends of the ramp mean.
    pub fn ends(self) -> (&'static str, &'static str) {
        match self {
            Metric::Cpu => ("idle", "a core per slot"),
            Metric::Memory => ("empty", "at the limit"),
            Metric::Tasks => ("none", "all slots busy"),
            Metric::Spilled => ("none", "as much as its memory"),
        }
    }

    fn part(self, row: &WorkerRow) -> (u64, u64) {
        let metrics = &row.metrics;
        match self {
            Metric::Cpu => (metrics.cpu_milli.into(), u64::from(row.slots) * 1_000),
            Metric::Memory => (metrics.resident_bytes, row.memory_limit_bytes),
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
        match self {
            Metric::Cpu => {
                format!(
                    "{} of {} cores",
                    cores(metrics.cpu_milli.into()),
                    grouped(row.slots.into())
                )
            }
            Metric::Memory => MemoryUse::of(row).in_words(),
            Metric::Tasks => format!(
                "{} of {} slots busy, {} tasks queued",
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
    let level = (part as f64 * (LEVELS - 1) as f64 / whole as f64).ceil();
    (level as usize).clamp(1, LEVELS - 1)
}

/// Whether a worker has a cell: those that said good-bye have none.
pub fn has_cell(row: &WorkerRow) -> bool {
    row.state != WorkerState::Left
}

/// The glyph of a cell: what needs attention has one, what is well has none.
pub fn sign(row: &WorkerRow) -> &'static str {
    match row.state {
        WorkerState::Up if !row.metrics.above_mark && !MemoryUse::of(row).is_near_limit() => "",
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

/// Workers by host, hosts and workers by name; at most `most` workers, connected ones first.
pub fn by_host(rows: impl Iterator<Item = Rc<WorkerRow>>, most: usize) -> Vec<Host> {
    let mut rows: Vec<Rc<WorkerRow>> = rows.filter(|row| has_cell(row)).collect();
    sort_by_key(&mut rows, |row| (row.state == WorkerState::Lost, Reverse(row.joined_ms)));
    rows.truncate(most);
    sort_by(&mut rows, |one, other| {
        let by_host = natural(&one.host).cmp(natural(&other.host));
        let by_name = || natural(&one.name).cmp(natural(&other.name));
        by_host.then_with(by_name).then(one.id.cmp(&other.id))
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

/// A name in the order of people: `n2` comes before `n10`. To be compared with another's; nothing is
/// allocated, since a table of thousands of rows compares often.
pub fn natural(name: &str) -> impl Iterator<Item = (u64, char)> {
    let mut letters = name.chars().peekable();
    std::iter::from_fn(move || {
        let letter = letters.next()?;
        let Some(digit) = letter.to_digit(10) else { return Some((0, letter)) };
        let mut number = u64::from(digit);
        while let Some(digit) = letters.peek().and_then(|letter| letter.to_digit(10)) {
            number = number.saturating_mul(10).saturating_add(digit.into());
            letters.next();
        }
        Some((number, '0'))
    })
}

/// Sides of cells that one grid or another has, in pixels: the largest with which all is seen at once.
const SIDES_PX: [f64; 5] = [18.0, 14.0, 11.0, 8.0, 6.0];
/// Between two cells, in pixels.
const GAP_PX: f64 = 2.0;
/// A grid is not made higher than this by cells that could be smaller, in pixels.
const HEIGHT_PX: f64 = 300.0;
/// Room for the name of a host above its cells, in pixels.
const NAME_PX: f64 = 14.0;
/// Between two hosts, in pixels: beside each other, and above each other.
const HOST_GAP_PX: (f64, f64) = (14.0, 8.0);
/// Cells of a host that stand in one line at most.
const HOST_CELLS: usize = 16;

/// How cells lie on their canvas.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CellsLayout {
    /// The side of a cell, in pixels.
    pub side_px: f64,
    /// The height of the whole, in pixels.
    pub height_px: f64,
    /// The upper left corners of cells, in pixels.
    pub cells: Vec<(f64, f64)>,
    /// The upper left corners of the names of hosts, if those are shown, and the room for each.
    pub names: Vec<(f64, f64, f64)>,
}

impl CellsLayout {
    /// For hosts with these numbers of workers on a width of `width_px`, with the names of hosts or
    /// without.
    pub fn new(hosts: &[usize], by_host: bool, width_px: f64) -> Self {
        let of = |side_px| match by_host {
            true => Self::by_host(hosts, width_px, side_px),
            false => Self::plain(hosts.iter().sum(), width_px, side_px),
        };
        let mut layout = CellsLayout::default();
        for side_px in SIDES_PX {
            layout = of(side_px);
            if layout.height_px <= HEIGHT_PX {
                break;
            }
        }
        layout
    }

    fn plain(count: usize, width_px: f64, side_px: f64) -> Self {
        let step = side_px + GAP_PX;
        let columns = ((width_px + GAP_PX) / step).max(1.0) as usize;
        let corner = |at: usize| ((at % columns) as f64 * step, (at / columns) as f64 * step);
        CellsLayout {
            side_px,
            height_px: count.div_ceil(columns) as f64 * step,
            cells: (0..count).map(corner).collect(),
            names: Vec::new(),
        }
    }

    fn by_host(hosts: &[usize], width_px: f64, side_px: f64) -> Self {
        let step = side_px + GAP_PX;
        let columns = HOST_CELLS.min((width_px / step).max(1.0) as usize);
        let widest = hosts.iter().copied().max().unwrap_or(1).clamp(1, columns);
        // All as wide as the widest, so that hosts stand in columns.
        let block = (widest as f64 * step).max(NAME_PX * 5.0);
        let beside = (((width_px + HOST_GAP_PX.0) / (block + HOST_GAP_PX.0)) as usize).max(1);
        let mut layout = CellsLayout { side_px, ..CellsLayout::default() };
        for line in hosts.chunks(beside) {
            let top = layout.height_px;
            for (at, count) in line.iter().enumerate() {
                let left = at as f64 * (block + HOST_GAP_PX.0);
                layout.names.push((left, top, block));
                layout.cells.extend((0..*count).map(|cell| {
                    let (column, row) = (cell % columns, cell / columns);
                    (left + column as f64 * step, top + NAME_PX + row as f64 * step)
                }));
            }
            let most = line.iter().copied().max().unwrap_or(0).div_ceil(columns);
            layout.height_px = top + NAME_PX + most as f64 * step + HOST_GAP_PX.1;
        }
        layout
    }

    /// The cell at a point.
    pub fn hit(&self, x: f64, y: f64) -> Option<usize> {
        let step = self.side_px + GAP_PX;
        self.cells
            .iter()
            .position(|(left, top)| x >= *left && x < left + step && y >= *top && y < top + step)
    }

    /// The cell above (-1) or below (1) one: the nearest of the next line.
    pub fn beside(&self, at: usize, step: f64) -> Option<usize> {
        let (x, y) = *self.cells.get(at)?;
        let away = |cell: &(f64, f64)| ((cell.1 - y) * step, (cell.0 - x).abs());
        let below = self.cells.iter().enumerate().filter(|(_, cell)| away(cell).0 > GAP_PX);
        below
            .min_by(|one, other| away(one.1).partial_cmp(&away(other.1)).unwrap_or(Ordering::Equal))
            .map(|(at, _)| at)
    }
}

/// What a grid says in a sentence.
pub fn summary<'a>(rows: impl Iterator<Item = &'a Rc<WorkerRow>>, metric: Metric) -> String {
    let (there, lost): (Vec<&Rc<WorkerRow>>, Vec<_>) =
        rows.partition(|row| row.state != WorkerState::Lost);
    let lost = lost.len();
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
        names.sort_by(|one, other| natural(one).cmp(natural(other)));
        assert_eq!(names, ["login", "n2", "n2-9", "n2-10", "n10-1"]);
    }

    /// Workers are placed with their hosts, and connected ones take precedence over lost ones.
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

    /// All cells are visible at once where that is possible, no two overlap, and each is found by
    /// the pointer and by keys.
    #[test]
    fn cells_lie_beside_each_other() {
        for (by_host, width) in [(false, 1_376.0), (false, 360.0), (true, 1_376.0), (true, 360.0)] {
            let hosts = [8, 3, 20, 1];
            let layout = CellsLayout::new(&hosts, by_host, width);
            assert_eq!(layout.cells.len(), 32);
            assert_eq!(layout.names.len(), if by_host { 4 } else { 0 });
            for (at, (x, y)) in layout.cells.iter().enumerate() {
                assert_eq!(layout.hit(x + 1.0, y + 1.0), Some(at), "{by_host} {width}");
                assert!(x + layout.side_px <= width && y + layout.side_px <= layout.height_px);
                if let Some(below) = layout.beside(at, 1.0) {
                    assert!(layout.cells[below].1 > *y);
                }
            }
            assert_eq!(layout.beside(0, -1.0), None);
        }
        let many = CellsLayout::new(&[8; 250], false, 1_376.0);
        assert!(many.height_px <= HEIGHT_PX && many.side_px >= 8.0, "{}", many.side_px);
        assert_eq!(CellsLayout::new(&[], false, 0.0).cells, []);
    }

    /// What needs attention has a sign and a word; what is lost says no figures of before.
    #[test]
    fn cells_say_what_is_wrong() {
        assert_eq!(sign(&worker(1)), "");
        assert_eq!(sign(&worker(9)), "▲");
        assert_eq!(sentence(&worker(17), Metric::Cpu), "n0417-0: lost");
        assert!(sentence(&worker(23), Metric::Tasks).starts_with("n0418-2, retiring: tasks "));
        let rows: Vec<_> = (1..=24).map(|id| Rc::new(worker(id))).collect();
        let said = summary(rows.iter(), Metric::Memory);
        assert!(said.starts_with("23 workers by memory: ") && said.ends_with(", 1 lost"), "{said}");
    }
}
