//! What a script comes to, added up directly: no revisions, no bounds, no increments.

use partita_observe::event::{AttemptEnd, Ending, Observation, Seen, StageCounters, StageFacts};
use partita_observe::frame::JOB_TEXT_CHARS_MAX;
use partita_observe::view::Quartiles;
use partita_shared::ids::{JobId, StageId, WorkerId};
use partita_shared::model::{JobRow, TaskCounts, WorkerRow, WorkerState};
use std::collections::BTreeMap;

/// Everything that was seen, as it came.
#[derive(Default)]
pub(crate) struct Oracle {
    seen: Vec<Seen>,
}

/// What is compared of a stage.
#[derive(Debug, PartialEq)]
pub(crate) struct StageSum {
    pub(crate) name: String,
    pub(crate) counters: StageCounters,
    pub(crate) transfer_us: u64,
    pub(crate) disk_us: u64,
    pub(crate) failures: u64,
    pub(crate) started_ms: Option<u64>,
    pub(crate) ended_ms: Option<u64>,
    pub(crate) ends_of_time: (u64, u64),
}

fn short(text: &str) -> String {
    text.chars().take(JOB_TEXT_CHARS_MAX).collect()
}

impl Oracle {
    pub(crate) fn see(&mut self, seen: &Seen) {
        self.seen.push(seen.clone());
    }

    /// The workers, but for the times of their last heartbeats, which are rounded.
    pub(crate) fn workers(&self) -> BTreeMap<WorkerId, WorkerRow> {
        let mut rows: BTreeMap<WorkerId, WorkerRow> = BTreeMap::new();
        for seen in &self.seen {
            match &seen.what {
                Observation::Worker(row) => {
                    rows.insert(row.id, WorkerRow { last_seen_ms: 0, ..(**row).clone() });
                }
                Observation::Measured { worker, metrics, .. } => {
                    rows.entry(*worker).and_modify(|row| row.metrics = *metrics);
                }
                Observation::WorkerEnded { worker, state, cause } => {
                    rows.entry(*worker).and_modify(|row| {
                        (row.state, row.cause) = (*state, cause.clone());
                        if !matches!(state, WorkerState::Leaving) {
                            row.assigned = 0;
                        }
                    });
                }
                Observation::Counters(counters) => {
                    for (worker, assigned, finished) in &counters.workers {
                        rows.entry(*worker).and_modify(|row| {
                            (row.assigned, row.finished) = (*assigned, *finished);
                        });
                    }
                }
                _ => {}
            }
        }
        rows
    }

    fn ended(&self, id: JobId) -> Option<JobRow> {
        self.seen.iter().find_map(|seen| match &seen.what {
            Observation::JobEnded { row, .. } if row.id == id => Some((**row).clone()),
            _ => None,
        })
    }

    /// The jobs.
    pub(crate) fn jobs(&self) -> BTreeMap<JobId, JobRow> {
        let mut rows = BTreeMap::new();
        for (row, stages) in self.facts() {
            let last = self.ended(row.id).unwrap_or_else(|| {
                let mut last = row.clone();
                (last.tasks, last.rows, last.bytes) = (TaskCounts::default(), 0, 0);
                for index in 0..stages.len() as u32 {
                    let stage = self.last_counters(StageId { job: row.id, index }, stages);
                    last.tasks.add(&stage.tasks);
                    last.rows += stage.rows;
                    last.bytes += stage.bytes;
                }
                for seen in &self.seen {
                    let Observation::Counters(counters) = &seen.what else { continue };
                    for told in counters.jobs.iter().filter(|told| told.job == row.id) {
                        last.state = told.state;
                        last.started_ms = told.started_ms;
                        last.delivered_rows = told.delivered_rows;
                        last.retries = told.retries;
                    }
                }
                last
            });
            let (text, error) = (short(&row.text), short(&last.error));
            rows.insert(row.id, JobRow { text, error, ..last });
        }
        rows
    }

    fn facts(&self) -> impl Iterator<Item = (&JobRow, &Vec<StageFacts>)> {
        self.seen.iter().filter_map(|seen| match &seen.what {
            Observation::Job(facts) => Some((&facts.row, &facts.stages)),
            _ => None,
        })
    }

    fn last_counters(&self, id: StageId, stages: &[StageFacts]) -> StageCounters {
        let waiting = u64::from(stages[id.index as usize].tasks);
        let mut last = StageCounters {
            stage: id,
            tasks: TaskCounts { waiting, ..TaskCounts::default() },
            rows: 0,
            bytes: 0,
            busy_us: 0,
            held: 0,
            held_bytes: 0,
        };
        for seen in &self.seen {
            if let Observation::Counters(counters) = &seen.what {
                let told = counters.stages.iter().filter(|told| told.stage == id);
                told.for_each(|told| last = told.clone());
            }
        }
        last
    }

    fn attempts(&self, id: StageId) -> impl Iterator<Item = (u64, &AttemptEnd)> {
        self.seen.iter().filter_map(move |seen| match &seen.what {
            Observation::Attempt(end) if end.task.stage == id => Some((seen.at_us, &**end)),
            _ => None,
        })
    }

    /// The stages of a job.
    pub(crate) fn stages(&self, job: JobId) -> BTreeMap<u32, StageSum> {
        let is_over = self.ended(job).is_some();
        // A statement is told of twice: when its planning begins, and as a job.
        let Some((_, stages)) = self.facts().filter(|(row, _)| row.id == job).last() else {
            return BTreeMap::new();
        };
        let sum = |index: u32| {
            let id = StageId { job, index };
            let mut counters = self.last_counters(id, stages);
            if is_over {
                (counters.held, counters.held_bytes) = (0, 0);
            }
            let of =
                |is: fn(Ending) -> bool| self.attempts(id).filter(move |(_, end)| is(end.ending));
            let done = || of(|ending| ending == Ending::Finished);
            let began = |(at_us, end): (u64, &AttemptEnd)| (at_us - end.busy_us) / 1000;
            let times = || done().map(|(_, end)| end.busy_us);
            StageSum {
                name: stages[index as usize].name.clone(),
                counters,
                transfer_us: done().map(|(_, end)| end.transfer_us).sum(),
                disk_us: done().map(|(_, end)| end.disk_us).sum(),
                failures: of(|e| matches!(e, Ending::Failed(_) | Ending::Lost)).count() as u64,
                started_ms: of(|e| matches!(e, Ending::Failed(_) | Ending::Finished))
                    .map(began)
                    .min(),
                ended_ms: done().map(|(at_us, _)| at_us / 1000).max(),
                ends_of_time: (times().min().unwrap_or(0), times().max().unwrap_or(0)),
            }
        };
        (0..stages.len() as u32).map(|index| (index, sum(index))).collect()
    }

    /// Attempts that failed, workers that were lost, observations that were dropped.
    pub(crate) fn totals(&self) -> (u64, u32, u64) {
        let failed = self.seen.iter().filter(|seen| match &seen.what {
            Observation::Attempt(end) => matches!(end.ending, Ending::Failed(_)),
            _ => false,
        });
        let lost = self.workers().values().filter(|row| row.state == WorkerState::Lost).count();
        let dropped = self.seen.iter().map(|seen| match seen.what {
            Observation::Gap { dropped } => dropped,
            _ => 0,
        });
        (failed.count() as u64, lost as u32, dropped.sum())
    }
}

/// The ends of quartiles, which are exact, and that they are in order.
pub(crate) fn ends(of: &Quartiles) -> (u64, u64) {
    assert!(of.min <= of.q1 && of.q1 <= of.median && of.median <= of.q3 && of.q3 <= of.max);
    (of.min, of.max)
}
