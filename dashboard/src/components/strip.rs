//! The strip of counts: what the tasks of all live jobs are doing, and what the cluster has.

use super::bar::{Bar, Part};
use crate::format::grouped;
use crate::model::Frame;
use partita_shared::model::{ClusterRow, TaskState, WorkerState};
use partita_shared::units::format_bytes;
use yew::prelude::*;

/// The latest frame.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The frame that is drawn.
    pub frame: Frame,
}

/// Glyph, word and explanation of a state. The glyphs ask to be drawn as text, not as pictures.
fn legend(state: TaskState) -> (&'static str, &'static str, &'static str) {
    match state {
        TaskState::Waiting => ("○", "waiting", "Tasks whose input is not there yet"),
        TaskState::Ready => ("◔", "ready", "Tasks that could run and wait for a slot"),
        TaskState::Running => ("▶\u{fe0e}", "running", "Tasks given to a worker"),
        TaskState::Done => ("✔\u{fe0e}", "done", "Tasks that are finished, of jobs that run"),
        TaskState::Failed => ("✖\u{fe0e}", "failed", "Tasks that will not be tried again"),
    }
}

fn count(cluster: &ClusterRow, state: TaskState) -> u64 {
    match state {
        TaskState::Waiting => cluster.tasks.waiting,
        TaskState::Ready => cluster.tasks.ready,
        TaskState::Running => cluster.tasks.running,
        TaskState::Done => cluster.tasks.done,
        TaskState::Failed => cluster.tasks.failed,
    }
}

/// The strip of counts.
#[component]
pub fn Strip(props: &Props) -> Html {
    let cluster = &props.frame.cluster;
    html! {
        <section class="strip" aria-label="The cluster in a few figures">
            <dl class="states">
                { for TaskState::ALL.into_iter().map(|state| {
                    let (glyph, word, title) = legend(state);
                    let number = count(cluster, state);
                    html! {
                        <div key={word} class={classes!("state", word)} {title}>
                            <dt><span class="glyph" aria-hidden="true">{ glyph }</span>{ word }</dt>
                            <dd>{ grouped(number) }</dd>
                        </div>
                    }
                }) }
            </dl>
            <dl class="totals">
                { figure("workers", workers(&props.frame)) }
                { figure("slots in use", slots(&props.frame)) }
                { figure("tasks finished since the start", grouped(cluster.tasks_finished).into()) }
                { memory(cluster) }
            </dl>
        </section>
    }
}

fn figure(name: &'static str, value: AttrValue) -> Html {
    html! { <div class="total"><dt>{ name }</dt><dd>{ value }</dd></div> }
}

fn workers(frame: &Frame) -> AttrValue {
    match frame.cluster.workers_lost {
        0 => grouped(frame.cluster.workers.into()).into(),
        lost => format!("{} (lost: {lost})", grouped(frame.cluster.workers.into())).into(),
    }
}

fn slots(frame: &Frame) -> AttrValue {
    let is_there = |state| match state {
        WorkerState::Up | WorkerState::Leaving => true,
        WorkerState::Left | WorkerState::Lost => false,
    };
    let running: u64 = frame
        .workers
        .iter()
        .filter(|worker| is_there(worker.state))
        .map(|worker| u64::from(worker.metrics.running))
        .sum();
    format!("{} of {}", grouped(running), grouped(frame.cluster.slots.into())).into()
}

fn memory(cluster: &ClusterRow) -> Html {
    let limit = cluster.memory_limit_bytes;
    // What is stored is a part of what is reserved.
    let operators = cluster.reserved_bytes.saturating_sub(cluster.stored_bytes);
    let parts = [
        Part { class: "stored", size: cluster.stored_bytes },
        Part { class: "used", size: operators },
    ];
    let text = format!("{} of {}", format_bytes(cluster.reserved_bytes), format_bytes(limit));
    let details = format!(
        "stored {}, spilled {}",
        format_bytes(cluster.stored_bytes),
        format_bytes(cluster.spilled_bytes)
    );
    html! {
        <div class="total wide">
            <dt>{ "memory reserved" }</dt>
            <dd>
                { text.clone() }
                <span class="details">{ details }</span>
                <Bar parts={parts.to_vec()} whole={limit} label={format!("Memory reserved: {text}")} />
            </dd>
        </div>
    }
}
