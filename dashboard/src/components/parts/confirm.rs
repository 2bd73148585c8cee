//! A button that asks the scheduler to do something: it asks the user once more before.

use crate::live::{Act, Live};
use yew::prelude::*;

/// What is asked for.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
    /// What is done, on the first button.
    pub name: &'static str,
    /// What the user is asked.
    pub question: String,
    /// The button that does it.
    pub yes: &'static str,
    /// The button that does not.
    pub no: &'static str,
    /// The text while the scheduler works on it.
    pub sent: &'static str,
    /// The path of the REST API that is asked.
    pub path: String,
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

/// A button that does something after a second press. Pages that may only look have none.
#[component]
pub fn Confirm(props: &Props) -> Html {
    let step = use_state(|| Step::Idle);
    if !props.live.may_act() {
        return Html::default();
    }
    let to = |next: Step| {
        let step = step.setter();
        Callback::from(move |_: MouseEvent| step.set(next.clone()))
    };
    let send = {
        let (actor, path, step) = (props.live.actor(), props.path.clone(), step.setter());
        Callback::from(move |_: MouseEvent| {
            step.set(Step::Sent);
            let step = step.clone();
            // When it is done, the state of what it is about says so, and this button goes.
            let on_result = Callback::from(move |result: Result<(), String>| {
                if let Err(why) = result {
                    step.set(Step::Refused(why));
                }
            });
            actor.emit(Act::Post(path.clone(), on_result));
        })
    };
    let first = |label: String| {
        html! {
            <button type="button" class="danger" disabled={!props.live.can_act()}
                onclick={to(Step::Asked)}>{ label }</button>
        }
    };
    let content = match &*step {
        Step::Idle => first(format!("{}…", props.name)),
        Step::Asked => html! {
            <>
                <span>{ &props.question }</span>
                <button type="button" class="danger" onclick={send}>{ props.yes }</button>
                <button type="button" onclick={to(Step::Idle)}>{ props.no }</button>
            </>
        },
        Step::Sent => html! { <span role="status">{ props.sent }</span> },
        Step::Refused(why) => html! {
            <><span role="alert">{ why.clone() }</span>{ first("Try again…".into()) }</>
        },
    };
    html! { <div class="filters">{ content }</div> }
}
