//! Progress, on standard error: bars on a terminal, plain lines in a log, JSON for programs.

use crate::args::ProgressFormat;
use crate::cluster::JobChange;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use partita_shared::model::{JobRow, JobState, StageRow};
use partita_shared::units::{format_bytes, format_count, format_duration};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// A job that ends sooner shows nothing: a bar that flashes helps nobody.
const QUIET: Duration = Duration::from_millis(300);
/// The time between two plain lines.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);
/// How long the last change may take to come.
const LAST_CHANGE_TIMEOUT: Duration = Duration::from_millis(500);
/// Stages that have a bar at once.
const BARS_MAX: usize = 8;

/// Bars, and whether nothing is drawn any more: the task that draws may be in the middle of it when it is told to
/// end, and would leave what it draws behind.
#[derive(Clone)]
struct Bars {
    all: MultiProgress,
    is_over: Arc<Mutex<bool>>,
}

impl Default for Bars {
    fn default() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        Bars { all, is_over: Arc::default() }
    }
}

impl Bars {
    /// Draws, unless it is over.
    fn draw(&self, work: impl FnOnce(&MultiProgress)) {
        let is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_over {
            work(&self.all);
        }
    }

    /// Takes the bars away for good.
    fn end(&self) {
        *self.is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        let _ = self.all.clear();
    }
}

/// Shows the progress of one job.
pub(crate) struct Progress {
    bars: Bars,
    showing: Option<JoinHandle<()>>,
    /// Whether someone wants to see the last change: a program does; bars and lines are only of
    /// use while one waits.
    to_the_end: bool,
}

impl Progress {
    /// Begins to show the changes that come.
    pub(crate) fn start(
        format: ProgressFormat,
        changes: Option<mpsc::Receiver<JobChange>>,
    ) -> Self {
        let bars = Bars::default();
        let format = match format {
            ProgressFormat::Auto if std::io::stderr().is_terminal() => ProgressFormat::Bars,
            ProgressFormat::Auto => ProgressFormat::Plain,
            format => format,
        };
        let showing = changes.and_then(|changes| match format {
            ProgressFormat::Auto | ProgressFormat::None => None,
            ProgressFormat::Bars => Some(tokio::spawn(show_bars(bars.clone(), changes))),
            ProgressFormat::Plain => Some(tokio::spawn(show_lines(changes))),
            ProgressFormat::Json => Some(tokio::spawn(show_json(changes))),
        });
        Progress { bars, showing, to_the_end: format == ProgressFormat::Json }
    }

    /// Does something that prints, with the bars out of its way.
    pub(crate) fn suspend<T>(&self, work: impl FnOnce() -> T) -> T {
        self.bars.all.suspend(work)
    }

    /// Stops, for a program with the last change.
    pub(crate) async fn finish(&mut self) {
        if self.to_the_end
            && let Some(mut showing) = self.showing.take()
            && tokio::time::timeout(LAST_CHANGE_TIMEOUT, &mut showing).await.is_err()
        {
            showing.abort();
        }
        self.abandon();
    }

    /// Stops at once.
    pub(crate) fn abandon(&mut self) {
        if let Some(showing) = self.showing.take() {
            showing.abort();
        }
        self.bars.end();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.abandon();
    }
}

fn style() -> ProgressStyle {
    // The last part gets what a line has left, and is cut there: what wraps leaves lines behind.
    ProgressStyle::with_template("{prefix:16!} {bar:12} {pos:>6}/{len:<6} {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("█▓░")
}

async fn show_bars(bars: Bars, mut changes: mpsc::Receiver<JobChange>) {
    let start = Instant::now();
    let mut shown: BTreeMap<u32, ProgressBar> = BTreeMap::new();
    let mut note: Option<ProgressBar> = None;
    let mut ticks = tokio::time::interval(PLAIN_INTERVAL);
    ticks.tick().await;
    let mut last: Option<JobRow> = None;
    loop {
        let (row, stages) = tokio::select! {
            change = changes.recv() => match change {
                Some(change) => change,
                None => break,
            },
            _ = ticks.tick() => {
                if let Some(row) = last.as_ref().filter(|row| row.state == JobState::Queued) {
                    bars.draw(|bars| {
                        let bar = note.get_or_insert_with(|| {
                            bars.add(ProgressBar::no_length().with_style(note_style()))
                        });
                        bar.set_message(waiting(row, start.elapsed()));
                    });
                }
                continue;
            }
        };
        last = Some(row.clone());
        if row.state != JobState::Queued
            && let Some(note) = note.take()
        {
            bars.draw(|_| note.finish_and_clear());
        }
        if start.elapsed() < QUIET && shown.is_empty() {
            continue;
        }
        bars.draw(|bars| show_stages(bars, &mut shown, &stages, start.elapsed()));
        if row.state.is_final() {
            break;
        }
    }
    bars.end();
}

fn show_stages(
    bars: &MultiProgress,
    shown: &mut BTreeMap<u32, ProgressBar>,
    stages: &[StageRow],
    elapsed: Duration,
) {
    for stage in stages {
        let begun = stage.tasks.running > 0 || stage.tasks.done > 0;
        let room = shown.len() < BARS_MAX || shown.contains_key(&stage.id.index);
        if !begun || !room {
            continue;
        }
        let bar = shown.entry(stage.id.index).or_insert_with(|| {
            let bar = bars.add(ProgressBar::new(stage.tasks.total()).with_style(style()));
            bar.set_prefix(format!("{} {}", stage.id.index, stage.name));
            bar
        });
        bar.set_position(stage.tasks.done);
        bar.set_message(figures(stage, elapsed));
    }
}

fn note_style() -> ProgressStyle {
    ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn figures(stage: &StageRow, elapsed: Duration) -> String {
    let rate = stage.rows as f64 / elapsed.as_secs_f64().max(0.001);
    format!(
        "{} running, {}, {} rows/s",
        stage.tasks.running,
        format_bytes(stage.bytes),
        format_count(rate as u64)
    )
}

async fn show_lines(mut changes: mpsc::Receiver<JobChange>) {
    let start = Instant::now();
    let mut ticks = tokio::time::interval(PLAIN_INTERVAL);
    // The first one comes at once.
    ticks.tick().await;
    let mut last: Option<JobChange> = None;
    loop {
        tokio::select! {
            change = changes.recv() => match change {
                Some(change) => last = Some(change),
                None => return,
            },
            _ = ticks.tick() => match &last {
                Some((row, _)) if row.state == JobState::Queued => eprintln!("{}", waiting(row, start.elapsed())),
                Some((row, stages)) => eprintln!("{}", line(row, stages, start.elapsed())),
                None => {}
            },
        }
    }
}

fn waiting(row: &JobRow, elapsed: Duration) -> String {
    let since = format_duration(elapsed);
    format!("{} has waited {since} for a worker; `partita workers` lists the workers", row.id)
}

fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn line(row: &JobRow, stages: &[StageRow], elapsed: Duration) -> String {
    let done = stages.iter().filter(|stage| stage.tasks.done == stage.tasks.total()).count();
    let rate = row.rows as f64 / elapsed.as_secs_f64().max(0.001);
    format!(
        "{} {}: {} of {} done, {} running, {done} of {}, {}, {} rows/s, {}",
        row.id,
        row.state.as_str(),
        row.tasks.done,
        counted(row.tasks.total(), "task"),
        row.tasks.running,
        counted(row.stages.into(), "stage"),
        format_bytes(row.bytes),
        format_count(rate as u64),
        format_duration(elapsed)
    )
}

async fn show_json(mut changes: mpsc::Receiver<JobChange>) {
    while let Some((row, stages)) = changes.recv().await {
        let line = serde_json::json!({ "job": row, "stages": stages });
        eprintln!("{line}");
    }
}
