//! The pages of the navigation.

mod data;
#[cfg(test)]
mod drawings_tests;
mod events;
mod job;
mod jobs;
mod nowhere;
mod overview;
mod overview_extras;
mod scheduler;
mod tables;
mod task;
mod tasks;
mod timeline;
mod worker;
mod workers;

use crate::live::Live;
use crate::route::Route;
use yew::prelude::*;

/// What is shown.
#[derive(PartialEq, Properties)]
pub struct Props {
    /// The moment.
    pub live: Live,
    /// The page.
    pub route: Route,
}

/// The page of a route. The keys make a page of another job, task or worker a new one: nothing of
/// what was opened or typed for one is carried over to the next.
#[component]
pub fn Page(props: &Props) -> Html {
    let live = props.live.clone();
    match props.route.clone() {
        Route::Overview => html! { <overview::Overview {live} /> },
        Route::Jobs => html! { <jobs::Jobs {live} /> },
        Route::Job(id) => html! { <job::Job key={id.0} {live} {id} /> },
        Route::Tasks(filter) => html! { <tasks::Tasks {live} {filter} /> },
        Route::Task(id) => html! { <task::Task key={id.to_string()} {live} {id} /> },
        Route::Timeline(job) => html! { <timeline::Timeline {live} {job} /> },
        Route::Workers => html! { <workers::Workers {live} /> },
        Route::Worker(id) => html! { <worker::Worker key={id.0} {live} {id} /> },
        Route::Tables(job) => html! { <tables::Tables {live} {job} /> },
        Route::Data => html! { <data::Data {live} /> },
        Route::Events => html! { <events::Events {live} /> },
        Route::Scheduler => html! { <scheduler::Scheduler {live} /> },
        Route::Nowhere(address) => html! { <nowhere::Nowhere {address} /> },
    }
}
