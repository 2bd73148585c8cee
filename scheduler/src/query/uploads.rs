//! Tables that clients upload, partition by partition, straight to the workers.
//!
//! A client asks for places, uploads each partition to the worker that it was given, and says that it
//! is through; the table has its name when all of it is there. What was begun in a session that ends
//! is given up.

use crate::hub::{Hub, JobNotice};
use crate::query::{Catalog, QueryError, RequestContext};
use datafusion::arrow::datatypes::SchemaRef;
use partita_core::{Core, Event, JobSpec, Origin, Requirement, StageSpec};
use partita_plan::persisted::Sorted;
use partita_shared::endpoint::Endpoint;
use partita_shared::ids::JobId;
use partita_shared::limits::STAGE_TASKS_MAX;
use partita_shared::message::Work;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long a client waits for a worker that can take its partitions.
const WORKERS_WAIT: Duration = Duration::from_mins(1);
/// How long the last partitions may be on their way when the client is through.
const ARRIVAL_WAIT: Duration = Duration::from_secs(30);
/// How long a client may take to upload a table, after which it is given up: one without a session may be
/// gone, and nobody would know.
const BEGUN_TIME_MAX: Duration = Duration::from_hours(6);

/// Copies of a table at most.
const REPLICAS_MAX: u32 = 8;

/// Uploads in progress.
#[derive(Debug)]
pub(crate) struct Uploads {
    hub: Hub,
    begun: Mutex<HashMap<JobId, Begun>>,
}

#[derive(Debug)]
struct Begun {
    session: String,
    name: String,
    since: Instant,
    notices: mpsc::Receiver<JobNotice>,
}

/// A table that was uploaded, as its client says it is.
pub(crate) struct UploadedTable {
    pub(crate) name: String,
    /// Whether it is everyone's.
    pub(crate) public: bool,
    pub(crate) schema: SchemaRef,
    /// The order of its rows, if they are in one.
    pub(crate) sorted: Option<Sorted>,
}

impl Uploads {
    pub(crate) fn new(hub: Hub) -> Self {
        Uploads { hub, begun: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Begun>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends what is not wanted any more, told from sessions and names, and what was begun too long ago.
    pub(crate) async fn give_up(&self, is_gone: impl Fn(&str, &str) -> bool) {
        let gone = |upload: &Begun| {
            upload.since.elapsed() > BEGUN_TIME_MAX || is_gone(&upload.session, &upload.name)
        };
        let jobs: Vec<JobId> =
            self.lock().extract_if(|_, upload| gone(upload)).map(|(job, _)| job).collect();
        for job in jobs {
            let reason = "its client cancelled it or disconnected".to_string();
            self.hub.tell(Event::JobCancelled { job, reason }).await;
        }
    }

    /// Begins: gives the job that stands for the table, and the address of a worker for each partition.
    pub(crate) async fn begin(
        &self,
        request_context: &RequestContext,
        name: &str,
        partitions: u32,
        replicas: u32,
    ) -> Result<(JobId, Vec<Endpoint>), QueryError> {
        if replicas == 0 || replicas > REPLICAS_MAX {
            let text =
                format!("invalid number of replicas {replicas}: expected 1 to {REPLICAS_MAX}");
            return Err(QueryError::Statement(text));
        }
        if partitions == 0 || partitions > STAGE_TASKS_MAX {
            let text = format!(
                "invalid number of partitions {partitions}: expected 1 to {STAGE_TASKS_MAX}"
            );
            return Err(QueryError::Statement(text));
        }
        self.give_up(|_, _| false).await;
        let addresses = workers(&self.hub).await?;
        let stage = StageSpec {
            name: format!("upload {name}"),
            plan: "uploaded by a client".to_string(),
            tasks: partitions,
            work: Work::Empty,
            inputs: Vec::new(),
            origin: Origin::Upload,
            ..StageSpec::default()
        };
        let spec = JobSpec {
            text: format!("upload {name}"),
            client: request_context.client.clone(),
            owner: request_context.owner.clone(),
            priority: request_context.priority,
            persist: true,
            replicas,
            stages: vec![stage],
            ..JobSpec::default()
        };
        let (job, notices) = self.hub.submit(spec).await.map_err(QueryError::Failed)?;
        let (session, name) = (request_context.session.clone(), name.to_string());
        self.lock().insert(job, Begun { session, name, since: Instant::now(), notices });
        // Neighbours lie together, as far as there are as many for every worker.
        let place = |index: u32| {
            let at = u64::from(index) * addresses.len() as u64 / u64::from(partitions);
            addresses.get(at as usize).cloned().unwrap_or_default()
        };
        Ok((job, (0..partitions).map(place).collect()))
    }

    /// Ends the upload: waits until all partitions are stored, and names the table. Gives its rows.
    pub(crate) async fn end(
        &self,
        catalog: &Catalog,
        request_context: &RequestContext,
        job: JobId,
        uploaded: UploadedTable,
    ) -> Result<u64, QueryError> {
        let UploadedTable { name, public, schema, sorted } = uploaded;
        let mut begun = Ending::of(self, job, &request_context.session)?;
        let arrived = async {
            match begun.notice().await {
                Some(JobNotice::Persisted) => Ok(()),
                Some(JobNotice::Ended { error, .. }) => Err(QueryError::Failed(error)),
                Some(JobNotice::Deliver { .. }) | None => Err(QueryError::Ending),
            }
        };
        match timeout(ARRIVAL_WAIT, arrived).await {
            Ok(arrived) => arrived?,
            Err(_) => {
                let so_far = self.hub.query(move |core| core.persisted_so_far(job)).await.flatten();
                let (there, all) = so_far.unwrap_or_default();
                let reason = format!("{} of {all} partitions did not arrive", all - there);
                self.hub.tell(Event::JobCancelled { job, reason: reason.clone() }).await;
                begun.forget();
                let text = format!(
                    "cannot upload {name}: {reason} because a worker was lost; upload it again"
                );
                return Err(QueryError::Failed(text));
            }
        }
        let owner = (!public).then(|| request_context.session.clone());
        let rows = catalog.register(job, name, owner, schema, sorted).await;
        // It is named: from here on it goes with its name.
        begun.forget();
        // A client that asked for copies has them when it goes on; those that take longer follow.
        let _ = timeout(ARRIVAL_WAIT, copied(&self.hub, job)).await;
        rows
    }
}

/// Where the workers listen that take partitions, one entry for each slot.
fn slots_that_take(core: &Core) -> Vec<Endpoint> {
    let rows = core.workers(false).into_iter();
    let up = rows.filter(|row| row.cause.is_empty() && !row.address.is_empty());
    up.filter_map(|row| Some((core.data_address(row.id)?.clone(), row.slots.max(1) as usize)))
        .flat_map(|(endpoint, slots)| std::iter::repeat_n(endpoint, slots))
        .collect()
}

/// The addresses of the workers that take partitions, one entry for each slot.
async fn workers(hub: &Hub) -> Result<Vec<Endpoint>, QueryError> {
    wait_for_workers(hub, slots_that_take).await.map_err(|waited| {
        let text =
            format!("no worker connected within {waited} s; start one with `partita worker`");
        QueryError::Failed(text)
    })?
}

/// The addresses of the workers that take values, as far as a requirement allows.
///
/// # Errors
/// If no worker does, for a while.
pub(crate) async fn workers_for(
    hub: &Hub,
    requirement: Requirement,
) -> Result<Vec<Endpoint>, QueryError> {
    let names = requirement.workers.iter().cloned().collect::<Vec<_>>().join(", ");
    let find = move |core: &Core| core.data_addresses(&requirement);
    wait_for_workers(hub, find).await.map_err(|waited| {
        let which = if names.is_empty() { String::new() } else { format!(" of {names}") };
        QueryError::Failed(format!("no worker{which} connected within {waited} s"))
    })?
}

/// Waits for workers. The outer error is the time in seconds after which none had connected.
async fn wait_for_workers(
    hub: &Hub,
    find: impl Fn(&Core) -> Vec<Endpoint> + Clone + Send + 'static,
) -> Result<Result<Vec<Endpoint>, QueryError>, u64> {
    let mut changes = hub.changes();
    let found = async {
        loop {
            changes.mark_unchanged();
            let found = hub.query(find.clone()).await.ok_or(QueryError::Ending)?;
            if !found.is_empty() {
                return Ok(found);
            }
            changes.changed().await.map_err(|_| QueryError::Ending)?;
        }
    };
    timeout(WORKERS_WAIT, found).await.map_err(|_| WORKERS_WAIT.as_secs())
}

/// Waits until a table has the replicas that were asked for, as far as workers can take them.
async fn copied(hub: &Hub, job: JobId) {
    let mut changes = hub.changes();
    loop {
        changes.mark_unchanged();
        if hub.query(move |core| core.has_replicas(job)).await.unwrap_or(true) {
            return;
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Guard for finishing an upload: if the client disconnects, the upload is open again and ends
/// with its session.
struct Ending<'a> {
    uploads: &'a Uploads,
    job: JobId,
    begun: Option<Begun>,
}

impl<'a> Ending<'a> {
    fn of(uploads: &'a Uploads, job: JobId, session: &str) -> Result<Self, QueryError> {
        let mut begun = uploads.lock();
        let is_own = begun.get(&job).is_some_and(|one| one.session == session);
        match begun.remove(&job) {
            Some(own) if is_own => Ok(Ending { uploads, job, begun: Some(own) }),
            other => {
                begun.extend(other.map(|other| (job, other)));
                let text = format!("{job} is not an upload in progress");
                Err(QueryError::Statement(text))
            }
        }
    }

    async fn notice(&mut self) -> Option<JobNotice> {
        match &mut self.begun {
            Some(begun) => begun.notices.recv().await,
            None => None,
        }
    }

    fn forget(&mut self) {
        self.begun = None;
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if let Some(begun) = self.begun.take() {
            self.uploads.lock().insert(self.job, begun);
        }
    }
}
