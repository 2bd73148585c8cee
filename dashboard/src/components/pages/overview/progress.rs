//! How far the running jobs are, and their stages.

use crate::components::parts::{Panel, Same, StateBar, Status, job_link, stage_link};
use crate::format::{counted, duration_ms, grouped, percent};
use crate::live::Live;
use crate::order;
use crate::route::Route;
use crate::topics::jobs_in_detail;
use partita_observe::frame::Topic;
use partita_observe::view::StageView;
use partita_shared::ids::JobId;
use partita_shared::model::{JobRow, JobState};
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
    let jobs: Vec<&Rc<JobRow>> = live.jobs.values().rev().filter(|j| !j.state.is_final()).collect();
    let detailed = jobs_in_detail(live);
    let status = Status::of(live.has(Topic::Jobs), jobs.is_empty(), "No job runs.");
    let hidden = jobs.len().saturating_sub(JOBS_SHOWN_MAX);
    let note = counted(jobs.len() as u64, "job runs or waits", "jobs run or wait");
    html! {
        <Panel title="Progress" id="progress" {status} {note}>
            <ul class="list">
                { for jobs.into_iter().take(JOBS_SHOWN_MAX).map(|job| {
                    let stages = if detailed.contains(&job.id) { stages_of(live, job.id) } else { Vec::new() };
                    html! {
                        <JobProgress key={job.id.0} job={Same::of(job)} {stages}
                            now_s={live.now_ms / 1_000} />
                    }
                }) }
            </ul>
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
    now_s: u64,
}

/// Time until a job is likely done, from the share that is done. It says nothing before a part
/// that can be told from chance.
pub fn left_ms(job: &JobRow, now_ms: u64) -> Option<u64> {
    const DONE_PERCENT_MIN: u64 = 2;
    let (done, total) = (job.tasks.done, job.tasks.total());
    let past_ms = now_ms.checked_sub(job.started_ms?)?;
    if percent(done, total) < DONE_PERCENT_MIN {
        return None;
    }
    u64::try_from(u128::from(past_ms) * u128::from(total - done) / u128::from(done)).ok()
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
                    { format!(" · {}", left(job, props.now_s * 1_000)) }
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

fn left(job: &JobRow, now_ms: u64) -> String {
    match (job.state, left_ms(job, now_ms)) {
        (JobState::Planning, _) => "planning".to_string(),
        (JobState::Queued, _) => "queued".to_string(),
        (_, Some(left_ms)) => format!("about {} left", duration_ms(left_ms)),
        (_, None) => "just started".to_string(),
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
    let left = match stage.left_ms {
        Some(left_ms) => duration_ms(left_ms),
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
    use crate::fixtures::{NOW_MS, busy};

    /// The time left goes by the share that is done, and is not guessed at from a handful.
    #[test]
    fn time_left_follows_the_share() {
        let live = busy();
        let mut job = JobRow::clone(&live.jobs[&JobId(7)]);
        job.started_ms = Some(NOW_MS - 60_000);
        (job.tasks.done, job.tasks.running) = (75, 0);
        (job.tasks.waiting, job.tasks.ready) = (25, 0);
        assert_eq!(left_ms(&job, NOW_MS), Some(20_000));
        (job.tasks.done, job.tasks.waiting) = (1, 99);
        assert_eq!(left_ms(&job, NOW_MS), None);
        assert_eq!(left_ms(&job, NOW_MS - 90_000), None);
        job.started_ms = None;
        assert_eq!(left_ms(&job, NOW_MS), None);
    }
}
