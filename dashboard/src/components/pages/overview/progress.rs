//! How far the running jobs are, and their stages.

use crate::components::parts::{Panel, Same, StateBar, Status, job_link, look, stage_link};
use crate::format::{counted, grouped, percent, time_left};
use crate::live::Live;
use crate::order;
use crate::route::Route;
use crate::topics::jobs_in_detail;
use partita_observe::frame::Topic;
use partita_observe::view::{Left, StageView, is_under_way};
use partita_shared::ids::JobId;
use partita_shared::model::{JobRow, JobState, TaskState};
use std::rc::Rc;
use yew::prelude::*;

/// Stages of one job that are drawn: those that move first.
const STAGES_SHOWN_MAX: usize = 8;

/// Jobs that are drawn; the rest is counted.
const JOBS_SHOWN_MAX: usize = 20;

/// What the panel shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
}

/// How far the jobs are that run or wait, the latest first.
#[component]
pub fn Progress(props: &Props) -> Html {
    let live = &props.live;
    let jobs: Vec<&Rc<JobRow>> =
        live.jobs.values().rev().filter(|job| is_under_way(job.state)).collect();
    let detailed = jobs_in_detail(live);
    let status = Status::of(live.has(Topic::Jobs), jobs.is_empty(), "No jobs are running.");
    let hidden = jobs.len().saturating_sub(JOBS_SHOWN_MAX);
    let note = counted(jobs.len() as u64, "job running or waiting", "jobs running or waiting");
    html! {
        <Panel title="Progress" id="progress" {status} {note}>
            <ul class="list">
                { for jobs.into_iter().take(JOBS_SHOWN_MAX).map(|job| {
                    let stages = if detailed.contains(&job.id) { stages_of(live, job.id) } else { Vec::new() };
                    html! {
                        <JobProgress key={job.id.0} job={Same::of(job)} {stages}
                            left={job_left(live, job.id)} />
                    }
                }) }
            </ul>
            <p class="key" aria-hidden="true">
                { for [TaskState::Done, TaskState::Running, TaskState::Ready].map(|state| html! {
                    <span key={look::task(state).word}>
                        <svg class="bar swatch"><rect class={look::task(state).class} width="100%" height="100%" /></svg>
                        { look::task(state).word }
                    </span>
                }) }
            </p>
            if hidden > 0 {
                <p class="empty">
                    { format!("{} more: ", grouped(hidden as u64)) }
                    <a href={Route::Jobs.to_string()}>{ "all jobs" }</a>
                </p>
            }
        </Panel>
    }
}

/// The stages that are drawn, in their order: those that move, then those that will, then those
/// that are done.
fn stages_of(live: &Live, job: JobId) -> Vec<Same<StageView>> {
    let Some(stages) = live.stages.get(&job) else { return Vec::new() };
    let mut chosen: Vec<&Rc<StageView>> = stages.values().collect();
    let rank = |stage: &StageView| {
        let tasks = &stage.tasks;
        let moves = tasks.running + tasks.ready + tasks.failed > 0;
        (!moves, tasks.waiting == 0, stage.id.index)
    };
    order::sort_by_key(&mut chosen, |stage| rank(stage));
    chosen.truncate(STAGES_SHOWN_MAX);
    order::sort_by_key(&mut chosen, |stage| stage.id.index);
    chosen.into_iter().map(Same::of).collect()
}

#[derive(PartialEq, Properties)]
struct JobProgressProps {
    job: Same<JobRow>,
    stages: Vec<Same<StageView>>,
    left: Option<Left>,
}

/// The time that a job still takes, as the observer estimates it: the page computes none itself.
pub fn job_left(live: &Live, job: JobId) -> Option<Left> {
    let cluster = live.cluster.as_ref()?;
    cluster.jobs_left.iter().find(|(id, _)| *id == job).map(|(_, left)| *left)
}

#[component]
fn JobProgress(props: &JobProgressProps) -> Html {
    let job = &props.job;
    let hidden = (job.stages as usize).saturating_sub(props.stages.len());
    html! {
        <li class="job">
            <p class="job-head">
                { job_link(job.id) }
                <code class="one-line" title={job.text.clone()}>{ job.text.clone() }</code>
                <span class="left">
                    <b>{ share(job.tasks.done, job.tasks.total()) }</b>
                    { format!(" · {}", left(job.state, props.left)) }
                </span>
            </p>
            <StateBar tasks={job.tasks} />
            if !props.stages.is_empty() {
                <ul class="stages">
                    { for props.stages.iter().map(|stage| html! {
                        <StageProgress key={stage.id.index} stage={stage.clone()} />
                    }) }
                    if hidden > 0 {
                        <li class="details">
                            { counted(hidden as u64, "more stage", "more stages") }
                        </li>
                    }
                </ul>
            }
        </li>
    }
}

fn left(state: JobState, left: Option<Left>) -> String {
    match state {
        JobState::Planning => "planning".to_string(),
        JobState::Queued => "queued".to_string(),
        _ => format!("time left {}", time_left(left)),
    }
}

fn share(done: u64, total: u64) -> String {
    format!("{}\u{202f}%", percent(done, total))
}

#[derive(PartialEq, Properties)]
struct StageProgressProps {
    stage: Same<StageView>,
}

#[component]
fn StageProgress(props: &StageProgressProps) -> Html {
    let stage = &props.stage;
    let (done, total) = (stage.tasks.done, stage.tasks.total());
    let left = match stage.left {
        Some(_) => time_left(stage.left),
        None if done == total => "done".to_string(),
        None => String::new(),
    };
    html! {
        <li class="stage">
            <span class="name">{ stage_link(stage.id, &stage.name) }</span>
            <StateBar tasks={stage.tasks} />
            <span class="number">{ share(done, total) }</span>
            <span class="number left">{ left }</span>
        </li>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::busy;

    /// The time left is the observer's, and one that is not known is said to be unknown.
    #[test]
    fn time_left_is_that_of_the_observer() {
        let live = busy();
        assert!(job_left(&live, JobId(7)).is_some() && job_left(&live, JobId(8)).is_none());
        assert_eq!(left(JobState::Running, None), "time left unknown");
        assert_eq!(left(JobState::Queued, None), "queued");
    }
}
