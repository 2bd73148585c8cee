//! The pages and their addresses.
//!
//! Addresses are fragments (`#/jobs/7`): a server never sees them, so every page has an address
//! below any path prefix without a rule in any proxy.

use partita_shared::ids::{JobId, StageId, TaskId, WorkerId};
use partita_shared::model::TaskState;
use std::fmt;

/// A page, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// The cluster at a glance.
    Overview,
    /// All jobs.
    Jobs,
    /// One job.
    Job(JobId),
    /// Tasks of a job.
    Tasks(TaskFilter),
    /// One task.
    Task(TaskId),
    /// Slots over time, of one job alone or of all.
    Timeline(Option<JobId>),
    /// All workers.
    Workers,
    /// One worker.
    Worker(WorkerId),
    /// Persisted tables, or the one that a job made.
    Tables(Option<JobId>),
    /// Where the memory goes.
    Data,
    /// What happened.
    Events,
    /// What the scheduler itself costs.
    Scheduler,
    /// No page has this address.
    Nowhere(String),
}

/// The name of a panel that is shown alone, and the address of its page, in `#/panel/NAME/PAGE`: what
/// a notebook puts in a frame of its own. Nothing if it is the address of a whole page.
pub fn split_panel(fragment: &str) -> Option<(&str, &str)> {
    let path = fragment.trim_start_matches('#').strip_prefix("/panel/")?;
    Some(path.split_once('/').unwrap_or((path, "")))
}

/// The address of a single panel of a page.
pub fn panel_address(panel: &str, page: &Route) -> String {
    format!("#/panel/{panel}{}", page.to_string().trim_start_matches('#'))
}

/// Which tasks are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// Of which job; the latest one if it is not said.
    pub job: Option<JobId>,
    /// Of which stage; of all if it is not said.
    pub stage: Option<u32>,
    /// In which state; in all if it is not said.
    pub state: Option<TaskState>,
}

/// A page of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    /// [`Route::Overview`].
    Overview,
    /// [`Route::Jobs`] and [`Route::Job`].
    Jobs,
    /// [`Route::Tasks`] and [`Route::Task`].
    Tasks,
    /// [`Route::Timeline`].
    Timeline,
    /// [`Route::Workers`] and [`Route::Worker`].
    Workers,
    /// [`Route::Tables`].
    Tables,
    /// [`Route::Data`].
    Data,
    /// [`Route::Events`].
    Events,
    /// [`Route::Scheduler`].
    Scheduler,
}

impl Tab {
    /// All of them, in the order of the navigation and of the keys 1, 2, 3 …
    pub const ALL: [Tab; 9] = [
        Tab::Overview,
        Tab::Jobs,
        Tab::Tasks,
        Tab::Timeline,
        Tab::Workers,
        Tab::Tables,
        Tab::Data,
        Tab::Events,
        Tab::Scheduler,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Tab::Overview => "Overview",
            Tab::Jobs => "Jobs",
            Tab::Tasks => "Tasks",
            Tab::Timeline => "Timeline",
            Tab::Workers => "Workers",
            Tab::Tables => "Tables",
            Tab::Data => "Data",
            Tab::Events => "Events",
            Tab::Scheduler => "Scheduler",
        }
    }

    /// Where it leads.
    pub fn route(self) -> Route {
        match self {
            Tab::Overview => Route::Overview,
            Tab::Jobs => Route::Jobs,
            Tab::Tasks => Route::Tasks(TaskFilter::default()),
            Tab::Timeline => Route::Timeline(None),
            Tab::Workers => Route::Workers,
            Tab::Tables => Route::Tables(None),
            Tab::Data => Route::Data,
            Tab::Events => Route::Events,
            Tab::Scheduler => Route::Scheduler,
        }
    }
}

impl Route {
    /// The page of a fragment, with or without its `#`. An empty one is the overview.
    pub fn parse(fragment: &str) -> Self {
        let whole = fragment.trim_start_matches('#');
        let (path, query) = whole.split_once('?').unwrap_or((whole, ""));
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let route = match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => Some(Route::Overview),
            (Some("jobs"), None, _) => Some(Route::Jobs),
            (Some("jobs"), Some(id), None) => id.parse().ok().map(Route::Job),
            (Some("tasks"), None, _) => TaskFilter::parse(query).map(Route::Tasks),
            (Some("tasks"), Some(id), None) => parse_task(id).map(Route::Task),
            (Some("timeline"), None, _) => parse_timeline(query),
            (Some("workers"), None, _) => Some(Route::Workers),
            (Some("workers"), Some(id), None) => id.parse().ok().map(Route::Worker),
            (Some("tables"), None, _) => Some(Route::Tables(None)),
            (Some("tables"), Some(id), None) => id.parse().ok().map(|id| Route::Tables(Some(id))),
            (Some("data"), None, _) => Some(Route::Data),
            (Some("events"), None, _) => Some(Route::Events),
            (Some("scheduler"), None, _) => Some(Route::Scheduler),
            _ => None,
        };
        route.unwrap_or_else(|| Route::Nowhere(whole.to_string()))
    }

    /// The page of the navigation that it belongs to.
    pub fn tab(&self) -> Option<Tab> {
        match self {
            Route::Overview => Some(Tab::Overview),
            Route::Jobs | Route::Job(_) => Some(Tab::Jobs),
            Route::Tasks(_) | Route::Task(_) => Some(Tab::Tasks),
            Route::Timeline(_) => Some(Tab::Timeline),
            Route::Workers | Route::Worker(_) => Some(Tab::Workers),
            Route::Tables(_) => Some(Tab::Tables),
            Route::Data => Some(Tab::Data),
            Route::Events => Some(Tab::Events),
            Route::Scheduler => Some(Tab::Scheduler),
            Route::Nowhere(_) => None,
        }
    }

    /// What it is called in the title of the tab.
    pub fn title(&self) -> String {
        match self {
            Route::Job(id) => id.to_string(),
            Route::Task(id) => format!("task {}", task_key(*id)),
            Route::Worker(id) => id.to_string(),
            Route::Nowhere(_) => "No such page".to_string(),
            other => other.tab().map_or("", Tab::name).to_string(),
        }
    }
}

/// The address, with its `#`.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Route::Overview => f.write_str("#/"),
            Route::Jobs => f.write_str("#/jobs"),
            Route::Job(id) => write!(f, "#/jobs/{}", id.0),
            Route::Tasks(filter) => write!(f, "#/tasks{filter}"),
            Route::Task(id) => write!(f, "#/tasks/{}", task_key(*id)),
            Route::Timeline(None) => f.write_str("#/timeline"),
            Route::Timeline(Some(job)) => write!(f, "#/timeline?job={}", job.0),
            Route::Workers => f.write_str("#/workers"),
            Route::Worker(id) => write!(f, "#/workers/{}", id.0),
            Route::Tables(None) => f.write_str("#/tables"),
            Route::Tables(Some(job)) => write!(f, "#/tables/{}", job.0),
            Route::Data => f.write_str("#/data"),
            Route::Events => f.write_str("#/events"),
            Route::Scheduler => f.write_str("#/scheduler"),
            Route::Nowhere(address) => write!(f, "#{address}"),
        }
    }
}

impl TaskFilter {
    /// All tasks of a job.
    pub fn of_job(job: JobId) -> Self {
        TaskFilter { job: Some(job), ..TaskFilter::default() }
    }

    /// All tasks of a stage.
    pub fn of_stage(stage: StageId) -> Self {
        TaskFilter { job: Some(stage.job), stage: Some(stage.index), state: None }
    }

    /// Unknown keys are passed over, so that a later build may have more; a known key with an
    /// invalid value is ignored.
    fn parse(query: &str) -> Option<Self> {
        let mut filter = TaskFilter::default();
        for (key, value) in pairs(query) {
            match key {
                "job" => filter.job = Some(value.parse().ok()?),
                "stage" => filter.stage = Some(value.parse().ok()?),
                "state" => filter.state = Some(parse_state(value)?),
                _ => {}
            }
        }
        Some(filter)
    }
}

impl fmt::Display for TaskFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let job = self.job.map(|job| format!("job={}", job.0));
        let stage = self.stage.map(|stage| format!("stage={stage}"));
        let state = self.state.map(|state| format!("state={}", state.as_str()));
        let parts: Vec<String> = [job, stage, state].into_iter().flatten().collect();
        if parts.is_empty() { Ok(()) } else { write!(f, "?{}", parts.join("&")) }
    }
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter_map(|pair| pair.split_once('='))
}

fn parse_timeline(query: &str) -> Option<Route> {
    match pairs(query).find(|(key, _)| *key == "job") {
        Some((_, job)) => job.parse().ok().map(|job| Route::Timeline(Some(job))),
        None => Some(Route::Timeline(None)),
    }
}

/// A task as addresses name it: `7.2.19`.
pub fn task_key(task: TaskId) -> String {
    format!("{}.{}.{}", task.stage.job.0, task.stage.index, task.index)
}

fn parse_task(text: &str) -> Option<TaskId> {
    let mut parts = text.split('.');
    let (job, stage, index) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let stage = StageId { job: job.parse().ok()?, index: stage.parse().ok()? };
    Some(TaskId { stage, index: index.parse().ok()? })
}

/// The state of a word.
pub fn parse_state(text: &str) -> Option<TaskState> {
    TaskState::ALL.into_iter().find(|state| state.as_str() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(job: u32, stage: u32, index: u32) -> TaskId {
        TaskId { stage: StageId { job: JobId(job), index: stage }, index }
    }

    /// Every page is found again under the address that it writes.
    #[test]
    fn addresses_lead_back_to_their_page() {
        let filter =
            TaskFilter { job: Some(JobId(7)), stage: Some(2), state: Some(TaskState::Running) };
        let routes = [
            Route::Overview,
            Route::Jobs,
            Route::Job(JobId(7)),
            Route::Tasks(TaskFilter::default()),
            Route::Tasks(filter),
            Route::Tasks(TaskFilter { state: Some(TaskState::Failed), ..TaskFilter::default() }),
            Route::Task(task(7, 2, 19)),
            Route::Timeline(None),
            Route::Timeline(Some(JobId(7))),
            Route::Workers,
            Route::Worker(WorkerId(3)),
            Route::Tables(None),
            Route::Tables(Some(JobId(4))),
            Route::Data,
            Route::Events,
            Route::Scheduler,
            Route::Nowhere("/no/such".to_string()),
        ];
        for route in routes {
            assert_eq!(Route::parse(&route.to_string()), route);
        }
        assert_eq!(Route::Tasks(filter).to_string(), "#/tasks?job=7&stage=2&state=running");
        assert_eq!(Route::Task(task(7, 2, 19)).to_string(), "#/tasks/7.2.19");
        for tab in Tab::ALL {
            assert_eq!(Route::parse(&tab.route().to_string()).tab(), Some(tab));
        }
    }

    /// A panel is found under its address, and its page behind it.
    #[test]
    fn panels_have_addresses() {
        let page = Route::Timeline(Some(JobId(7)));
        let address = panel_address("timeline", &page);
        assert_eq!(address, "#/panel/timeline/timeline?job=7");
        let (panel, rest) = split_panel(&address).expect("a panel");
        assert_eq!((panel, Route::parse(rest)), ("timeline", page));
        assert_eq!(split_panel("#/panel/attention"), Some(("attention", "")));
        assert_eq!(split_panel(&Route::Overview.to_string()), None);
    }

    /// People type addresses, and leave something out.
    #[test]
    fn addresses_are_read_kindly() {
        for overview in ["", "#", "#/", "/", "#//"] {
            assert_eq!(Route::parse(overview), Route::Overview, "{overview}");
        }
        assert_eq!(Route::parse("#/jobs/job-7"), Route::Job(JobId(7)));
        assert_eq!(Route::parse("#/jobs/"), Route::Jobs);
        assert_eq!(Route::parse("#/tasks?x=1&job=2"), Route::Tasks(TaskFilter::of_job(JobId(2))));
    }

    /// An unknown page is reported as such, and never guessed.
    #[test]
    fn nonsense_is_nowhere() {
        for address in [
            "#/nope",
            "#/jobs/x",
            "#/jobs/1/2",
            "#/tasks/1.2",
            "#/tasks/1.2.3.4",
            "#/tasks?state=lost",
            "#/tasks?job=x",
            "#/timeline?job=x",
            "#/workers/99999999999",
        ] {
            assert!(matches!(Route::parse(address), Route::Nowhere(_)), "{address}");
        }
    }
}
