//! Statements that are being planned.
//!
//! A statement gets its number when its planning begins, and its job keeps it, so that listings and
//! cancellation see one object from beginning to end. A statement that does not become a job ends
//! here: it failed, it was cancelled, or the scheduler answered it without a worker. Each number is
//! listed until it is forgotten, so there are no gaps that look like lost jobs.

use crate::ending::end_planning;
use crate::event::{Effect, PlanningEnd, StatementSpec};
use crate::state::{Core, Planning};
use crate::telemetry;
use partita_shared::ids::JobId;
use partita_shared::limits;
use partita_shared::model::JobState;

pub(crate) fn on_begun(
    core: &mut Core,
    request: u64,
    mut spec: StatementSpec,
    effects: &mut Vec<Effect>,
) {
    let (all, max) = (core.planning.len(), limits::PLANNING_STATEMENTS_MAX);
    let own = core.planning.values().filter(|other| other.spec.owner == spec.owner).count();
    if !limits::has_room(own, all, max) {
        let error = format!(
            "{own} statements of this client and {all} of {max} of all clients are being planned or wait to be fetched, which is the limit; retry when some have ended"
        );
        effects.push(Effect::JobRefused { request, error });
        return;
    }
    spec.priority = spec.priority.max(1);
    let job = core.number_job();
    core.planning.insert(job, Planning { spec, since: core.now });
    telemetry::planning(core, job);
    effects.push(Effect::PlanningAccepted { request, job });
}

pub(crate) fn on_ended(core: &mut Core, job: JobId, ended: PlanningEnd, effects: &mut Vec<Effect>) {
    match ended {
        PlanningEnd::Answered { rows } => {
            end_planning(core, job, JobState::Done, String::new(), rows, effects);
        }
        PlanningEnd::Failed { error } => {
            end_planning(core, job, JobState::Failed, error, 0, effects)
        }
    }
}
