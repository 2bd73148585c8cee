//! What a new journal file begins with.

use super::workers::is_there;
use super::{JobRecord, Model};
use crate::event::{Carried, Counters, JobCounters, JobFacts, Observation, StageFacts};
use partita_shared::ids::JobId;
use partita_shared::limits::TRAFFIC_PEERS_MAX;
use partita_shared::message::StageOperators;

impl Model {
    /// What a new journal file must begin with, so that a model made of it alone shows the same
    /// rows, events and texts. Attempts that ended, histories and estimates are not part of it:
    /// a timeline begins where the file does.
    pub fn snapshot(&self) -> Vec<Observation> {
        let mut seen = vec![
            Observation::Started(Box::new(self.facts.clone())),
            carried(Carried::Begin {
                workers_lost: self.workers_lost,
                attempts_failed: self.attempts_failed,
                dropped: self.dropped,
            }),
        ];
        for (id, row) in self.events.rows().iter() {
            let reason = self.events.reason(id).to_string();
            seen.push(carried(Carried::Event { row: row.clone(), reason }));
        }
        self.tell_workers(&mut seen);
        // Jobs that ended in the order in which they did, so that they are forgotten in it.
        let live = self.job_records.iter().filter(|(_, record)| !record.row.state.is_final());
        let ids: Vec<JobId> = self.ended.iter().copied().chain(live.map(|(id, _)| *id)).collect();
        for record in ids.iter().filter_map(|id| self.job_records.get(id)) {
            tell_job(record, &mut seen);
        }
        let tasks_finished = self.tasks_finished;
        let counters = Counters { tasks_finished, ..Counters::default() };
        seen.push(Observation::Counters(Box::new(counters)));
        seen.push(Observation::Tables(self.table_names().to_vec()));
        seen.push(Observation::Core(Box::new(self.core.clone())));
        seen.push(carried(Carried::End));
        seen
    }

    fn tell_workers(&self, seen: &mut Vec<Observation>) {
        let there = self.workers.iter().filter(|(_, row)| is_there(row.state)).map(|(id, _)| id);
        for id in self.gone.iter().copied().chain(there) {
            let (Some(row), Some(record)) = (self.workers.get(id), self.worker_records.get(&id))
            else {
                continue;
            };
            seen.push(Observation::Worker(Box::new(row.clone())));
            if !record.log.is_empty() {
                let lines = record.log.iter().cloned().collect();
                seen.push(Observation::LogLines { worker: id, lines });
            }
            if let Some(at_ms) = record.ended_ms {
                seen.push(carried(Carried::WorkerEnded { worker: id, at_ms }));
            }
            if !record.on_slots.is_empty() {
                let mut on_slots = record.on_slots.clone();
                // They have been there for longer by now.
                let passed_us = self.now_us.saturating_sub(record.measured_us);
                on_slots
                    .iter_mut()
                    .for_each(|on| on.since_us = on.since_us.saturating_add(passed_us));
                seen.push(Observation::Measured { worker: id, metrics: row.metrics, on_slots });
            }
            for fetched_from in record.fetched_from.chunks(TRAFFIC_PEERS_MAX) {
                let fetched_from = fetched_from.to_vec();
                seen.push(Observation::Traffic { worker: id, fetched_from });
            }
        }
    }
}

fn carried(carried: Carried) -> Observation {
    Observation::Carried(Box::new(carried))
}

fn tell_job(record: &JobRecord, seen: &mut Vec<Observation>) {
    let row = &record.row;
    let facts = |stage: &super::StageRecord| StageFacts {
        name: stage.name.clone(),
        plan: stage.plan.clone(),
        tasks: stage.size,
        inputs: stage.inputs.clone(),
        source: stage.source,
    };
    // A job that is told as ended would not take what follows.
    let mut begun = row.clone();
    if row.state.is_final() {
        begun.state = partita_shared::model::JobState::Running;
    }
    seen.push(Observation::Job(Box::new(JobFacts {
        row: begun,
        stages: record.stages.iter().map(facts).collect(),
    })));
    let jobs = if row.state.is_final() {
        Vec::new()
    } else {
        vec![JobCounters {
            job: row.id,
            state: row.state,
            started_ms: row.started_ms,
            delivered_rows: row.delivered_rows,
            retries: row.retries,
            persisted: record.persisted.clone(),
        }]
    };
    let stages = record.stages.iter().map(|stage| stage.counters.clone()).collect();
    let counters = Counters { jobs, stages, ..Counters::default() };
    seen.push(Observation::Counters(Box::new(counters)));
    for stage in &record.stages {
        let (stage, figures) = (stage.counters.stage, stage.seen.clone());
        seen.push(carried(Carried::Stage { stage, figures }));
    }
    for array in &record.arrays {
        seen.push(Observation::Array(Box::new(array.clone())));
    }
    if let Some(again) = record.again {
        seen.push(Observation::RunsAgain { job: row.id, again });
    }
    for failure in record.failures.iter().rev() {
        seen.push(carried(Carried::Failure(failure.clone())));
    }
    if !row.state.is_final() {
        for (stage, operators) in record.stages.iter().zip(&record.operators) {
            let (stage, operators) = (stage.counters.stage, operators.clone());
            seen.push(Observation::Operators(StageOperators { stage, operators }));
        }
    }
    if row.state.is_final() {
        let operators = record.operators.clone();
        seen.push(Observation::JobEnded { row: Box::new(row.clone()), operators });
    }
}
