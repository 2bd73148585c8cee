//! Links from one thing to another.

use crate::live::Live;
use crate::route::{Route, TaskFilter, task_key};
use partita_observe::view::Place;
use partita_shared::ids::{JobId, StageId, TaskId, WorkerId};
use yew::prelude::*;

/// To a worker's page: its name, or its identifier where workers are not followed.
pub fn worker_link(live: &Live, id: WorkerId) -> Html {
    html! {
        <a href={Route::Worker(id).to_string()} title={id.to_string()}>{ worker_name(live, id) }</a>
    }
}

/// A worker's name, or its identifier where workers are not followed.
pub fn worker_name(live: &Live, id: WorkerId) -> String {
    live.workers.get(&id).map_or_else(|| id.to_string(), |row| row.name.clone())
}

/// To a job's page.
pub fn job_link(id: JobId) -> Html {
    html! { <a href={Route::Job(id).to_string()}>{ id.to_string() }</a> }
}

/// To a task's page: `2.19` would be enough on a job's page, but tasks are named alike everywhere.
pub fn task_link(id: TaskId) -> Html {
    let title = format!("task {} of stage {} of {}", id.index, id.stage.index, id.stage.job);
    html! { <a href={Route::Task(id).to_string()} {title}>{ task_key(id) }</a> }
}

/// To the tasks of a stage.
pub fn stage_link(id: StageId, name: &str) -> Html {
    let title = format!("tasks of stage {} of {}", id.index, id.job);
    html! {
        <a href={Route::Tasks(TaskFilter::of_stage(id)).to_string()} {title}>{ name.to_string() }</a>
    }
}

/// A link to the page that shows something, if there is one.
pub fn place_link(live: &Live, place: Place) -> Option<Html> {
    let page =
        |route: Route, word: &'static str| Some(html! { <a href={route.to_string()}>{ word }</a> });
    match place {
        Place::None => None,
        Place::Worker(id) => Some(worker_link(live, id)),
        Place::Workers => page(Route::Workers, "Workers"),
        Place::Job(id) => Some(job_link(id)),
        Place::Events => page(Route::Events, "Events"),
        Place::Scheduler => page(Route::Scheduler, "Scheduler"),
    }
}
