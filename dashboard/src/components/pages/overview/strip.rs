//! The strip of counts: what the tasks of all live jobs do, and what the cluster has.

use crate::components::parts::look::{self, Look};
use crate::components::parts::{Bar, Part, Same};
use crate::format::{NONE, bytes, counted, duration_ms, grouped, percent, rate};
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
        TaskState::Waiting => "Tasks whose input is not there yet",
        TaskState::Ready => "Tasks that could run and wait for a slot",
        TaskState::Running => "Tasks given to a worker",
        TaskState::Done => "Tasks that are finished, of jobs that run",
        TaskState::Failed => "Tasks that will not be tried again",
    }
}

fn figure(look: Look, title: &'static str, number: u64, to: &Route) -> Html {
    let Look { glyph, class, word } = look;
    let is_none = (number == 0).then_some("none");
    html! {
        <div key={word} class={classes!("state", class, is_none)} {title}>
            <dt><span class="glyph" aria-hidden="true">{ glyph }</span>{ word }</dt>
            <dd><a href={to.to_string()}>{ grouped(number) }</a></dd>
        </div>
    }
}

fn total(name: &'static str, value: AttrValue) -> Html {
    html! { <div class="total"><dt>{ name }</dt><dd>{ value }</dd></div> }
}

fn left(cluster: &ClusterView) -> AttrValue {
    match cluster.left_ms {
        Some(left_ms) => format!("about {}", duration_ms(left_ms)).into(),
        None => NONE.into(),
    }
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
                <span class="details" title={slots.clone()}>
                    if row.workers_lost > 0 {
                        <span class="state failed">
                            <span class="glyph" aria-hidden="true">{ "✖\u{fe0e}" }</span>
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
    let row = &cluster.row;
    let operators = row.reserved_bytes.saturating_sub(row.stored_bytes);
    let parts =
        [Part { class: "stored", size: row.stored_bytes }, Part { class: "used", size: operators }];
    let label = format!(
        "{} % of {} reserved: partitions {}, operators {}",
        percent(row.reserved_bytes, row.memory_limit_bytes),
        bytes(row.memory_limit_bytes),
        bytes(row.stored_bytes),
        bytes(operators)
    );
    html! {
        <div class="total wide">
            <dt>{ "memory reserved" }</dt>
            <dd>
                { bytes(row.reserved_bytes) }
                <span class="details">
                    { format!("of {}", bytes(row.memory_limit_bytes)) }
                    if row.spilled_bytes > 0 {
                        { format!(" · {} on disk", bytes(row.spilled_bytes)) }
                    }
                </span>
                <Bar parts={parts.to_vec()} whole={row.memory_limit_bytes} {label} />
            </dd>
        </div>
    }
}
