//! One job: what was asked, how far it is, where its time goes, what failed.

mod arrays;
mod failures;
mod graph;
mod head;
mod layout;
mod plan;
mod profile;
mod spent;
mod stages;

use crate::components::parts::{CopyButton, Panel, Status};
use crate::live::Live;
use crate::route::Route;
use arrays::Arrays;
use failures::Failures;
use graph::Graph;
use head::Head;
use partita_observe::frame::Topic;
use partita_shared::ids::JobId;
use plan::Plan;
use profile::Profile;
use spent::Spent;
use stages::Stages;
use yew::prelude::*;

/// What the page shows.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
    /// The job.
    pub id: JobId,
}

/// One job.
#[component]
pub fn Job(props: &Props) -> Html {
    let (live, id) = (&props.live, props.id);
    let is_unknown = matches!(live.job_texts.get(&id), Some(None));
    if is_unknown && !live.jobs.contains_key(&id) {
        return html! { <Unknown {id} /> };
    }
    // A statement that could not be planned has nothing but its text and the error.
    if live.jobs.get(&id).is_some_and(|row| row.state.is_final() && row.stages == 0) {
        return html! {
            <>
                <Head live={live.clone()} {id} />
                <Text live={live.clone()} {id} />
            </>
        };
    }
    html! {
        <>
            <Head live={live.clone()} {id} />
            <div class="columns">
                <Text live={live.clone()} {id} />
                <Spent live={live.clone()} {id} />
            </div>
            <Arrays live={live.clone()} {id} />
            <Profile live={live.clone()} {id} />
            <Graph live={live.clone()} {id} />
            <Stages live={live.clone()} {id} />
            <Failures live={live.clone()} {id} />
            <Plan live={live.clone()} {id} />
        </>
    }
}

/// What was asked, whole.
#[component]
fn Text(props: &Props) -> Html {
    let (live, id) = (&props.live, props.id);
    let whole = live.job_texts.get(&id).and_then(|text| text.as_ref()).map(|text| &text.text);
    // The row's text may be cut; it stands in until the whole one has come.
    let text = whole.or_else(|| live.jobs.get(&id).map(|row| &row.text)).cloned();
    let text = text.unwrap_or_default();
    let status = Status::of(live.has(Topic::Job(id)), text.is_empty(), "This job has no text.");
    let copied = {
        let text = text.clone();
        Callback::from(move |()| text.clone())
    };
    html! {
        <Panel title="Text" id="text" {status}
            tools={html! { <CopyButton label="copy" text={copied} /> }}>
            <pre class="text" tabindex="0"><code>{ text }</code></pre>
        </Panel>
    }
}

#[derive(PartialEq, Properties)]
struct UnknownProps {
    id: JobId,
}

/// Stands for a job that nobody remembers.
#[component]
fn Unknown(props: &UnknownProps) -> Html {
    html! {
        <section class="notice">
            <h1>{ props.id.to_string() }</h1>
            <p>
                { "The scheduler does not know this job. It may have been forgotten: only the latest \
                   are remembered. " }
                <a href={Route::Jobs.to_string()}>{ "All jobs" }</a>
            </p>
        </section>
    }
}

#[cfg(test)]
mod tests;
