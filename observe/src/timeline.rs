//! Bars of slots over time: attempt by attempt where they are few, else pixel by pixel.

use crate::event::Ending;
use crate::spans::{Span, Spans};
use crate::view::{BARS_MAX, Bar, Lane, TimelineWindow};
use partita_shared::ids::{Attempt, JobId, StageId, TaskId, WorkerId};
use partita_shared::message::SlotTask;

/// Lanes of one timeline.
pub const LANES_MAX: u32 = 512;
/// Pixels that a timeline is wide at most.
pub const WIDTH_PX_MAX: u32 = 4_096;
/// Time that a timeline shows at least, in milliseconds.
pub const SPAN_MS_MIN: u64 = 1;
/// Time that a timeline shows at most, in milliseconds: thirty days.
pub const SPAN_MS_MAX: u64 = 30 * 86_400_000;

/// Shares of neighbouring pixels that differ by less than this (of 255) are drawn together.
const SHARE_STEP: u64 = 16;

/// A window within the bounds, with its edges in microseconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// The left edge.
    pub from_us: u64,
    /// The right edge.
    pub to_us: u64,
    /// Pixels between them.
    pub width_px: u32,
    /// Only this job.
    pub job: Option<JobId>,
}

impl Frame {
    /// What a window means now.
    pub fn new(window: &TimelineWindow, now_ms: u64) -> Self {
        let to_us = window.end_ms.unwrap_or(now_ms).clamp(SPAN_MS_MIN, u64::MAX / 1000) * 1000;
        let from_us = to_us.saturating_sub(window.span_ms.clamp(SPAN_MS_MIN, SPAN_MS_MAX) * 1000);
        // A pixel is a microsecond at least, so that none is empty.
        let px_max = u32::try_from(to_us - from_us).unwrap_or(u32::MAX).min(WIDTH_PX_MAX);
        Frame { from_us, to_us, width_px: window.width_px.clamp(1, px_max), job: window.job }
    }

    fn shows(&self, stage: StageId) -> bool {
        self.job.is_none_or(|job| job == stage.job)
    }
}

/// A slot that is to be drawn: its lane without bars, and the task that runs on it, with the moment
/// it began (microseconds since the epoch).
#[derive(Clone, Debug)]
pub struct Slot {
    /// The lane.
    pub lane: Lane,
    /// What runs on it.
    pub running: Option<(SlotTask, u64)>,
}

/// Draws slots: the lanes, and whether each bar is one attempt. At most [`BARS_MAX`] bars.
pub fn draw(spans: &Spans, slots: Vec<Slot>, frame: &Frame, now_us: u64) -> (Vec<Lane>, bool) {
    let all: usize = slots.iter().map(|slot| count(spans, slot, frame, now_us)).sum();
    if all <= BARS_MAX {
        let exact = |mut slot: Slot| {
            slot.lane.bars = exact_bars(spans, &slot, frame, now_us);
            slot.lane
        };
        return (slots.into_iter().map(exact).collect(), true);
    }
    let mut cells: Vec<Vec<Cell>> =
        slots.iter().map(|slot| cells_of(spans, slot, frame, now_us)).collect();
    // Where the runs are still too many, two pixels become one, until they are not.
    let mut width = 1;
    while cells.iter().map(|lane| runs(lane, frame).count()).sum::<usize>() > BARS_MAX {
        width *= 2;
        cells.iter_mut().for_each(|lane| widen(lane, width, frame));
    }
    let lanes = slots.into_iter().zip(cells).map(|(mut slot, cells)| {
        slot.lane.bars = runs(&cells, frame).map(|run| run.bar(frame)).collect();
        slot.lane
    });
    (lanes.collect(), false)
}

/// How many bars a slot has if each is one attempt.
fn count(spans: &Spans, slot: &Slot, frame: &Frame, now_us: u64) -> usize {
    let lane = spans.lane(slot.lane.worker, slot.lane.slot, frame.from_us, frame.to_us);
    let ended = match frame.job {
        Some(_) => lane.filter(|span| frame.shows(span.task.stage)).count(),
        None => lane.len(),
    };
    ended + usize::from(running_span(slot, frame, now_us).is_some())
}

/// The running task of a slot as if it had ended now, if it is in the window.
fn running_span(slot: &Slot, frame: &Frame, now_us: u64) -> Option<Span> {
    let (task, began_us) = slot.running?;
    let is_in_view = began_us < frame.to_us && now_us > frame.from_us;
    if !is_in_view || !frame.shows(task.task.stage) {
        return None;
    }
    Some(Span {
        task: task.task,
        worker: slot.lane.worker,
        slot: slot.lane.slot,
        attempt: task.attempt,
        ending: Ending::Finished,
        end_us: now_us.max(began_us),
        busy_us: now_us.saturating_sub(began_us),
        transfer_us: 0,
        disk_us: 0,
        queued_us: 0,
        rows: 0,
        bytes: 0,
        fetched_bytes: 0,
    })
}

fn exact_bars(spans: &Spans, slot: &Slot, frame: &Frame, now_us: u64) -> Vec<Bar> {
    let ended = spans
        .lane(slot.lane.worker, slot.lane.slot, frame.from_us, frame.to_us)
        .map(|span| (span, Some(span.ending)));
    let running = running_span(slot, frame, now_us);
    ended
        .chain(running.iter().map(|span| (span, None)))
        .filter(|(span, _)| frame.shows(span.task.stage))
        .map(|(span, ending)| {
            let start_us = span.start_us().max(frame.from_us);
            Bar {
                start_us: start_us - frame.from_us,
                length_us: span.end_us.min(frame.to_us).saturating_sub(start_us),
                task: span.task,
                attempt: span.attempt,
                ending,
                busy: u8::MAX,
                transfer: share(span.transfer_us, span.busy_us),
                disk: share(span.disk_us, span.busy_us),
            }
        })
        .collect()
}

/// A part of a whole, of 255.
fn share(part: u64, whole: u64) -> u8 {
    if whole == 0 {
        return 0;
    }
    let share = (part.min(whole).saturating_mul(255)).saturating_add(whole / 2) / whole;
    u8::try_from(share).unwrap_or(u8::MAX)
}

/// What happened on a slot in a pixel, or in several that are alike.
#[derive(Clone, Copy, Debug)]
struct Cell {
    /// The pixels: from this up to that.
    from_px: u32,
    to_px: u32,
    /// The time of them.
    whole_us: u64,
    busy_us: u64,
    transfer_us: u64,
    disk_us: u64,
    /// The stage that took most of it, with one task of it, and its time.
    leader: Share,
}

/// A stage's part of a pixel.
#[derive(Clone, Copy, Debug)]
struct Share {
    busy_us: u64,
    task: TaskId,
    attempt: Attempt,
    ending: Option<Ending>,
}

impl Share {
    /// Takes more of the same stage. That something failed stays to be seen.
    fn add(&mut self, other: &Share) {
        self.busy_us += other.busy_us;
        if !is_bad(self.ending) {
            (self.task, self.attempt) = (other.task, other.attempt);
            self.ending = other.ending;
        }
    }
}

fn is_bad(ending: Option<Ending>) -> bool {
    matches!(ending, Some(Ending::Failed(_) | Ending::Lost))
}

/// Where a pixel begins, in microseconds after the left edge.
fn edge_us(frame: &Frame, px: u32) -> u64 {
    // At most 2^42 microseconds times 2^12 pixels.
    (frame.to_us - frame.from_us) * u64::from(px) / u64::from(frame.width_px)
}

/// The pixels of a slot in which something ran.
fn cells_of(spans: &Spans, slot: &Slot, frame: &Frame, now_us: u64) -> Vec<Cell> {
    let mut cells = Cells { done: Vec::new(), stages: Vec::new(), frame: *frame };
    for span in spans.lane(slot.lane.worker, slot.lane.slot, frame.from_us, frame.to_us) {
        if frame.shows(span.task.stage) {
            cells.take(span, Some(span.ending));
        }
    }
    if let Some(span) = running_span(slot, frame, now_us) {
        cells.take(&span, None);
    }
    cells.finish();
    cells.done
}

/// Cells in the making: spans come in order, so only the last pixel is open.
struct Cells {
    done: Vec<Cell>,
    /// The stages of the last pixel.
    stages: Vec<Share>,
    frame: Frame,
}

impl Cells {
    fn take(&mut self, span: &Span, ending: Option<Ending>) {
        let frame = self.frame;
        let start = span.start_us().clamp(frame.from_us, frame.to_us) - frame.from_us;
        let end = span.end_us.clamp(frame.from_us, frame.to_us) - frame.from_us;
        let width = frame.to_us - frame.from_us;
        if start >= end {
            return;
        }
        let mut px = (start * u64::from(frame.width_px) / width) as u32;
        // Edges are rounded down, so the start may be at the next one.
        while edge_us(&frame, px + 1) <= start {
            px += 1;
        }
        let mut from = start;
        while from < end && px < frame.width_px {
            // Pixels that it fills are one cell: a long task costs no more than a short one.
            let mut to_px = px + 1;
            if from == edge_us(&frame, px) {
                let last = (end * u64::from(frame.width_px) / width) as u32;
                to_px = to_px.max(last.min(frame.width_px));
            }
            let to = edge_us(&frame, to_px).min(end);
            self.put(px, to_px, to - from, span, ending);
            (from, px) = (to, to_px);
        }
    }

    /// A part of a span, in one pixel or filling several.
    fn put(&mut self, px: u32, to_px: u32, part_us: u64, span: &Span, ending: Option<Ending>) {
        if self.done.last().is_none_or(|cell| cell.to_px <= px) {
            self.finish();
            let whole_us = edge_us(&self.frame, to_px) - edge_us(&self.frame, px);
            self.done.push(Cell {
                from_px: px,
                to_px,
                whole_us,
                busy_us: 0,
                transfer_us: 0,
                disk_us: 0,
                leader: Share { busy_us: 0, task: span.task, attempt: span.attempt, ending },
            });
        }
        let Some(cell) = self.done.last_mut() else { return };
        let of = |time: u64| {
            if time == 0 || part_us == span.busy_us {
                return time.min(part_us);
            }
            let part = u128::from(time.min(span.busy_us)) * u128::from(part_us);
            u64::try_from(part / u128::from(span.busy_us.max(1))).unwrap_or(u64::MAX)
        };
        cell.busy_us += part_us;
        cell.transfer_us += of(span.transfer_us);
        cell.disk_us += of(span.disk_us);
        let new = Share { busy_us: part_us, task: span.task, attempt: span.attempt, ending };
        match self.stages.iter_mut().find(|stage| stage.task.stage == span.task.stage) {
            Some(stage) => stage.add(&new),
            None => self.stages.push(new),
        }
    }

    /// The open pixel is over: the stage that took most of it stands for it.
    fn finish(&mut self) {
        if let Some(cell) = self.done.last_mut()
            && let Some(leader) = self.stages.iter().max_by_key(|stage| stage.busy_us)
        {
            cell.leader = *leader;
        }
        self.stages.clear();
    }
}

impl Cell {
    /// Takes the cell that follows it in time.
    fn join(&mut self, next: &Cell, frame: &Frame) {
        self.to_px = next.to_px;
        // Pixels between the two, if there are any, were empty.
        self.whole_us = edge_us(frame, self.to_px) - edge_us(frame, self.from_px);
        self.busy_us += next.busy_us;
        self.transfer_us += next.transfer_us;
        self.disk_us += next.disk_us;
        if self.leader.task.stage == next.leader.task.stage {
            self.leader.add(&next.leader);
        } else if next.leader.busy_us > self.leader.busy_us {
            self.leader = next.leader;
        }
    }

    fn shares(&self) -> [u8; 3] {
        [self.busy_us, self.transfer_us, self.disk_us].map(|part| share(part, self.whole_us))
    }

    /// Whether the next cell looks the same.
    fn is_like(&self, next: &Cell) -> bool {
        self.to_px == next.from_px
            && self.leader.task.stage == next.leader.task.stage
            && self.leader.ending.is_none() == next.leader.ending.is_none()
            && is_bad(self.leader.ending) == is_bad(next.leader.ending)
            && self
                .shares()
                .iter()
                .zip(next.shares())
                .all(|(a, b)| u64::from(a.abs_diff(b)) < SHARE_STEP)
    }

    fn bar(&self, frame: &Frame) -> Bar {
        let start_us = edge_us(frame, self.from_px);
        let [busy, transfer, disk] = self.shares();
        Bar {
            start_us,
            length_us: edge_us(frame, self.to_px) - start_us,
            task: self.leader.task,
            attempt: self.leader.attempt,
            ending: self.leader.ending,
            busy,
            transfer,
            disk,
        }
    }
}

/// Neighbours that look the same as one.
fn runs<'a>(cells: &'a [Cell], frame: &'a Frame) -> impl Iterator<Item = Cell> + 'a {
    let mut cells = cells.iter().copied().peekable();
    std::iter::from_fn(move || {
        let mut run = cells.next()?;
        while let Some(next) = cells.next_if(|next| run.is_like(next)) {
            run.join(&next, frame);
        }
        Some(run)
    })
}

/// Makes one of the pixels that lie in the same `width` of them.
fn widen(cells: &mut Vec<Cell>, width: u32, frame: &Frame) {
    let mut wide: Vec<Cell> = Vec::with_capacity(cells.len() / 2 + 1);
    for cell in cells.drain(..) {
        match wide.last_mut() {
            Some(last) if last.from_px / width == cell.from_px / width => last.join(&cell, frame),
            _ => wide.push(cell),
        }
    }
    *cells = wide;
}

/// A lane without bars.
pub fn lane(worker: WorkerId, name: &str, host: &str, slot: u16, is_there: bool) -> Lane {
    Lane { worker, name: name.into(), host: host.into(), slot, is_there, bars: Vec::new() }
}
