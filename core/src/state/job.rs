//! Jobs.

use crate::event::{JobSpec, Origin, TaskError, Time};
use crate::state::{ReadyStages, ReplicaGoal, Stage, Values};
use partita_shared::ids::{JobId, WorkerId};
use partita_shared::message::Holder;
use partita_shared::model::{JobRow, JobState, OperatorRow, StageRow};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The facts that are kept of a job that ended.
#[derive(Debug)]
pub(crate) struct EndedJob {
    pub(crate) row: JobRow,
    pub(crate) stages: Vec<StageRow>,
    pub(crate) operators: Vec<Vec<OperatorRow>>,
}

/// Why an attempt failed or was lost. With the lost worker, if a loss was the cause, so that a
/// cause that is learnt later replaces this one.
pub(crate) type Cause = (Option<WorkerId>, String);

#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) spec: JobSpec,
    pub(crate) state: JobState,
    /// Its place in the order in which jobs were submitted. A job reads results of jobs before it,
    /// which may have larger numbers: those are given when planning begins.
    pub(crate) order: u64,
    /// When its planning began, or when it came if it was not planned.
    pub(crate) submitted: Time,
    pub(crate) started: Option<Time>,
    pub(crate) stages: Vec<Stage>,
    /// Its attempts on workers.
    pub(crate) running: u32,
    /// Its virtual time among jobs with an equal share: each start advances it by a step that is
    /// inversely proportional to its priority. A job without ready tasks does not save up virtual
    /// time.
    pub(crate) turn: u64,
    /// Stages with ready tasks, in the order in which they are served: by priority, then of a query the
    /// latest first, of a graph the one with the lowest rank.
    pub(crate) ready: ReadyStages,
    /// Whether some stage has a priority other than 0.
    pub(crate) has_priorities: bool,
    /// Of a graph: the workers that hold inputs of ready tasks, each with these stages by rank.
    pub(crate) ready_near: BTreeMap<WorkerId, ReadyStages>,
    /// Its key in [`Core::by_share`](crate::state::Core), if it is there.
    pub(crate) share: Option<(u64, u64)>,
    /// Number of leading result partitions that the client has received.
    pub(crate) delivered: u32,
    pub(crate) delivered_rows: u64,
    /// The attempt of the partition at `delivered` whose delivery was requested, if it was.
    pub(crate) delivering: Option<Holder>,
    pub(crate) retries: u64,
    /// Workers that received a message about the job.
    pub(crate) touched: BTreeSet<WorkerId>,
    /// Why attempts of a task failed or were lost, for tasks where that happened.
    pub(crate) causes: BTreeMap<(u32, u32), Vec<Cause>>,
    /// Workers on which a task failed with an error that is worth a retry elsewhere.
    pub(crate) avoid: BTreeMap<(u32, u32), BTreeSet<WorkerId>>,
    /// Tasks that a worker had when it died, and that have not finished since. While there are any,
    /// no task of the job is read ahead on a worker: tasks that die together with them are not to
    /// blame.
    pub(crate) suspects: BTreeSet<(u32, u32)>,
    /// Number of workers that were given up because a task, which has not finished since, could not read from them.
    pub(crate) unreadable: BTreeMap<(u32, u32), u8>,
    /// The rank of the next task of a graph.
    pub(crate) next_rank: u32,
    /// Errors of an open job's tasks that have none of their output: their own or inherited ones.
    pub(crate) errors: BTreeMap<(u32, u32), Arc<TaskError>>,
    /// Bytes of the arguments of its calls.
    pub(crate) argument_bytes: usize,
    /// Small outputs of an open job's tasks that are held.
    pub(crate) values: Values,
    /// Workers that hold the output of a task, besides its holder, by stage and index.
    pub(crate) replicas: BTreeMap<(u32, u32), BTreeSet<WorkerId>>,
    /// Outputs that the client of an open job wants on several workers. It wants all of them.
    pub(crate) replica_goals: BTreeMap<(u32, u32), ReplicaGoal>,
    /// Additional state of a job whose result is persisted.
    pub(crate) persisted: Persistence,
    /// Whether its figures, or those of a stage of it, changed since the observer last received
    /// them.
    pub(crate) changed: bool,
}

/// A job whose result is persisted, and its readers.
#[derive(Debug, Default)]
pub(crate) struct Persistence {
    /// Whether the result was complete once: from then on lost partitions are recomputed only for
    /// jobs that want them.
    pub(crate) complete: bool,
    /// Whether only its readers still want it.
    pub(crate) released: bool,
    /// Whether its lineage was cut: lost partitions cannot be recomputed.
    pub(crate) cut: bool,
    /// The jobs that read it, each with the stage that mirrors it there.
    pub(crate) readers: BTreeSet<(JobId, u32)>,
    /// Partitions of it that are not held and that a reader waits for.
    pub(crate) wanted: BTreeSet<u32>,
}

impl Job {
    pub(crate) fn result(&self) -> usize {
        self.stages.len().saturating_sub(1)
    }

    /// Whether a stage is the result and is delivered to the client in order.
    pub(crate) fn is_delivered_result(&self, stage: usize) -> bool {
        !self.spec.persist && !self.spec.open && stage == self.result()
    }

    /// Whether a stage is the result and is persisted for other jobs.
    pub(crate) fn is_persisted_result(&self, stage: usize) -> bool {
        self.spec.persist && stage == self.result()
    }

    /// Why a task's attempts failed or were lost, in one line.
    pub(crate) fn causes_of(&self, stage: u32, index: u32) -> String {
        let found = self.causes.get(&(stage, index));
        let texts: Vec<_> = found.into_iter().flatten().map(|(_, text)| text.as_str()).collect();
        texts.join("; ")
    }

    /// The jobs whose persisted results it reads, each with the stage that mirrors it.
    pub(crate) fn sources(&self) -> Vec<(u32, JobId)> {
        let stages = self.stages.iter().enumerate().filter(|_| !self.persisted.cut);
        let persisted = stages.filter_map(|(number, stage)| match stage.origin {
            Origin::Persisted(source) => Some((number as u32, source)),
            Origin::Tasks | Origin::Upload => None,
        });
        persisted.collect()
    }

    /// Whether the client is reading that partition from there.
    pub(crate) fn is_delivering(&self, stage: usize, index: u32, holder: Holder) -> bool {
        self.is_delivered_result(stage)
            && index == self.delivered
            && self.delivering == Some(holder)
    }
}
