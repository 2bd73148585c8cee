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
                    let look = look::task(state);
                    if state == TaskState::Failed {
                        return figure(look, name(state), meaning(state), cluster.jobs_failed, "", &Route::Events);
                    }
                    let number = of_state(&cluster.row.tasks, state);
                    let filter = TaskFilter { state: Some(state), ..TaskFilter::default() };
                    figure(look, name(state), meaning(state), number, "", &Route::Tasks(filter))
                }) }
                { figure(
                    look::SPILLED,
                    "spilled",
                    "Partitions that are partly or fully on disk",
                    cluster.spilled_partitions,
                    "partitions",
                    &Route::Data,
                ) }
            </dl>
            <dl class="totals">
                { total("tasks per second", rate(cluster.tasks_per_s).into()) }
                { total("time left", left(cluster)) }
                { workers(cluster) }
                { total("failed attempts", html! {
                    <a href={Route::Events.to_string()}>{ grouped(cluster.attempts_failed) }</a>
                }) }
                { memory(cluster) }
            </dl>
        </section>
    }
}

/// Jobs that failed are counted, not tasks: those of a job that failed are tasks of no running job.
fn name(state: TaskState) -> &'static str {
    match state {
        TaskState::Waiting => "tasks waiting",
        TaskState::Ready => "tasks ready",
        TaskState::Running => "tasks running",
        TaskState::Done => "tasks done",
        TaskState::Failed => "jobs failed",
    }
}

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
        TaskState::Running => "Tasks assigned to a worker",
        TaskState::Done => "Finished tasks of running jobs",
        TaskState::Failed => "Jobs that failed since the scheduler started",
    }
}

fn figure(
    look: Look,
    name: &'static str,
    title: &'static str,
    number: u64,
    unit: &'static str,
    to: &Route,
) -> Html {
    let Look { glyph, class, .. } = look;
    let is_none = (number == 0).then_some("none");
    html! {
        <div key={name} class={classes!("state", class, is_none)} {title}>
            <dt><span class="glyph">{ icon(glyph) }</span>{ name }</dt>
            <dd>
                <a href={to.to_string()}>{ grouped(number) }</a>
                if !unit.is_empty() {
                    { " " }<span class="details">{ unit }</span>
                }
            </dd>
        </div>
    }
}

fn total(name: &'static str, value: Html) -> Html {
    html! { <div class="total"><dt>{ name }</dt><dd>{ value }</dd></div> }
}

fn left(cluster: &ClusterView) -> Html {
    let is_idle = cluster.row.jobs_live == 0;
    if is_idle {
        return NONE.into();
    }
    html! {
        <>
            { time_left(cluster.left) }
            if cluster.left.is_none() {
                { " " }<span class="details">{ "until more tasks are done" }</span>
            }
        </>
    }
}

fn workers(cluster: &ClusterView) -> Html {
    let row = &cluster.row;
    let slots =
        format!("{} of {} slots busy", grouped(row.tasks.running), grouped(row.slots.into()));
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
                { " " }
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
