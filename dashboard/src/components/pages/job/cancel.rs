//! The button that cancels a job: it asks once more.

use crate::live::{Act, Live};
use partita_shared::ids::JobId;
use yew::prelude::*;

/// What is cancelled.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
    /// The job.
    pub id: JobId,
}

/// How far the user is.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    /// Nothing was pressed.
    Idle,
    /// It was pressed once.
    Asked,
    /// The scheduler was asked.
    Sent,
    /// It did not do it: why.
    Refused(String),
}

/// A button that cancels a job after a second press.
#[component]
pub fn Cancel(props: &Props) -> Html {
    let step = use_state(|| Step::Idle);
    let to = |next: Step| {
        let step = step.setter();
        Callback::from(move |_: MouseEvent| step.set(next.clone()))
    };
    let send = {
        let (actor, id, step) = (props.live.actor(), props.id, step.setter());
        Callback::from(move |_: MouseEvent| {
            step.set(Step::Sent);
            let step = step.clone();
            // When it is done, the job's own state says so, and this button goes.
            let on_result = Callback::from(move |result: Result<(), String>| {
                if let Err(why) = result {
                    step.set(Step::Refused(why));
                }
            });
            actor.emit(Act::Cancel(id, on_result));
        })
    };
    let first = |label: &'static str| {
        html! {
            <button type="button" class="danger" disabled={!props.live.can_act()}
                onclick={to(Step::Asked)}>{ label }</button>
        }
    };
    let content = match &*step {
        Step::Idle => first("Cancel…"),
        Step::Asked => html! {
            <>
                <span>{ format!("Cancel {}? What it made so far is lost.", props.id) }</span>
                <button type="button" class="danger" onclick={send}>{ "Cancel the job" }</button>
                <button type="button" onclick={to(Step::Idle)}>{ "Let it run" }</button>
            </>
        },
        Step::Sent => html! { <span role="status">{ "Cancelling…" }</span> },
        Step::Refused(why) => html! {
            <><span role="alert">{ why.clone() }</span>{ first("Try again…") }</>
        },
    };
    html! { <div class="filters">{ content }</div> }
}
