//! The strip of counts: what the tasks of all live jobs do, and what the cluster has.

use crate::components::parts::look::{self, Look};
use crate::components::parts::{MemoryUse, Same, icon};
use crate::format::{NONE, bytes, counted, grouped, rate, time_left};
use crate::live::Live;
use crate::route::{Route, TaskFilter};
use partita_observe::view::ClusterView;
use partita_shared::model::{TaskCounts, TaskState};
use yew::prelude::*;

/// What the strip shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
}

/// The strip of counts.
#[component]
pub fn Strip(props: &Props) -> Html {
    match &props.live.cluster {
        Some(cluster) => html! { <Figures cluster={Same::of(cluster)} /> },
        None => html! {
            <section class="strip"><p class="empty loading" role="status">{ "Loading…" }</p></section>
        },
    }
}

#[derive(PartialEq, Properties)]
struct FiguresProps {
    cluster: Same<ClusterView>,
}

#[component]
fn Figures(props: &FiguresProps) -> Html {
    let cluster = &props.cluster;
    html! {
        <section class="strip" aria-label="Summary of the cluster">
            <dl class="states">
                { for TaskState::ALL.into_iter().map(|state| {
                    if state == TaskState::Failed {
                        return figure(FAILED_JOBS, meaning(state), cluster.jobs_failed, &Route::Events);
                    }
                    let number = of_state(&cluster.row.tasks, state);
                    let filter = TaskFilter { state: Some(state), ..TaskFilter::default() };
                    figure(look::task(state), meaning(state), number, &Route::Tasks(filter))
                }) }
                { figure(
                    look::SPILLED,
                    "Partitions of which a part is on disk",
                    cluster.spilled_partitions,
                    &Route::Data,
                ) }
            </dl>
            <dl class="totals">
                { total("tasks per second", rate(cluster.tasks_per_s).into()) }
                { total("time left", left(cluster)) }
                { workers(cluster) }
                { total("failed attempts", grouped(cluster.attempts_failed).into()) }
                { memory(cluster) }
            </dl>
        </section>
    }
}

/// Jobs are counted: tasks of a job that failed are those of no running job.
const FAILED_JOBS: Look = Look { word: "failed jobs", ..look::task(TaskState::Failed) };

fn of_state(tasks: &TaskCounts, state: TaskState) -> u64 {
    match state {
        TaskState::Waiting => tasks.waiting,
        TaskState::Ready => tasks.ready,
        TaskState::Running => tasks.running,
        TaskState::Done => tasks.done,
        TaskState::Failed => tasks.failed,
    }
}

fn meaning(state: TaskState) -> &'static str {
    match state {
        TaskState::Waiting => "Tasks whose inputs are incomplete",
        TaskState::Ready => "Tasks that can run and wait for a slot",
        TaskState::Running => "Tasks given to a worker",
        TaskState::Done => "Finished tasks of running jobs",
        TaskState::Failed => "Jobs that failed since the scheduler started",
    }
}

fn figure(look: Look, title: &'static str, number: u64, to: &Route) -> Html {
    let Look { glyph, class, word } = look;
    let is_none = (number == 0).then_some("none");
    html! {
        <div key={word} class={classes!("state", class, is_none)} {title}>
            <dt><span class="glyph">{ icon(glyph) }</span>{ word }</dt>
            <dd><a href={to.to_string()}>{ grouped(number) }</a></dd>
        </div>
    }
}

fn total(name: &'static str, value: AttrValue) -> Html {
    html! { <div class="total"><dt>{ name }</dt><dd>{ value }</dd></div> }
}

fn left(cluster: &ClusterView) -> AttrValue {
    let is_idle = cluster.row.jobs_live == 0;
    if is_idle { NONE.into() } else { time_left(cluster.left).into() }
}

fn workers(cluster: &ClusterView) -> Html {
    let row = &cluster.row;
    let slots =
        format!("{} of {} slots at work", grouped(row.tasks.running), grouped(row.slots.into()));
    html! {
        <div class="total">
            <dt>{ "workers" }</dt>
            <dd>
                <a href={Route::Workers.to_string()}>{ grouped(row.workers.into()) }</a>
                // For who reads or copies the text: the sign between the two numbers is drawn.
                { " " }
                <span class="details" title={slots.clone()}>
                    if row.workers_lost > 0 {
                        <span class="state failed">
                            <span class="glyph">{ icon("✖") }</span>
                            { format!("{} lost", grouped(row.workers_lost.into())) }
                        </span>
                    } else {
                        { counted(row.slots.into(), "slot", "slots") }
                    }
                </span>
            </dd>
        </div>
    }
}

fn memory(cluster: &ClusterView) -> Html {
    let memory = MemoryUse::of_cluster(cluster);
    let spilled = cluster.row.spilled_bytes;
    html! {
        <div class="total wide">
            <dt>{ "memory" }</dt>
            <dd>
                <span class={memory.is_near_limit().then_some("over")}>{ bytes(memory.resident) }</span>
                <span class="details">
                    { format!("of {}, {} reserved", bytes(memory.limit), bytes(memory.reserved)) }
                    if spilled > 0 {
                        { format!(" · {} on disk", bytes(spilled)) }
                    }
                </span>
                { memory.bar() }
            </dd>
        </div>
    }
}
