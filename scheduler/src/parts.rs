//! The parts of a scheduler. Each owns what belongs to it, and a function gets only those that it needs.

use crate::SchedulerConfig;
use crate::coordination::Coordination;
use crate::error::SchedulerError;
use crate::functions::Sharing;
use crate::hub::Hub;
use crate::planning::Planner;
use crate::query::{Acks, Catalog, JobRunner, Uploads};
use crate::telemetry::Telemetry;
use crate::web::Auth;
use axum::extract::FromRef;
use partita_core::Options;
use partita_net::peer::DataPlane;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// All parts, for where a scheduler is put together: this does not go into functions.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    /// The way to the core.
    pub(crate) hub: Hub,
    /// The way to the partitions of workers.
    pub(crate) plane: Arc<dyn DataPlane>,
    /// Client sessions and persisted tables.
    pub(crate) catalog: Arc<Catalog>,
    /// Tables that clients upload.
    pub(crate) uploads: Arc<Uploads>,
    /// The threads that plan.
    pub(crate) planner: Arc<Planner>,
    /// What clients say of partitions that they read from workers.
    pub(crate) acks: Arc<Acks>,
    /// Runs jobs and delivers their results.
    pub(crate) runner: Arc<JobRunner>,
    /// Results of functions that others need too.
    pub(crate) sharing: Arc<Sharing>,
    /// What clients coordinate themselves by.
    pub(crate) coordination: Arc<Coordination>,
    /// Who may connect.
    pub(crate) auth: Arc<Auth>,
    /// What the scheduler shows of itself, and the observer.
    pub(crate) telemetry: Arc<Telemetry>,
    /// Asks for the end of the scheduler.
    pub(crate) shutdown: CancellationToken,
}

impl Parts {
    /// Starts the threads and puts the parts together. `address` is the one that others are told.
    pub(crate) fn start(
        config: &SchedulerConfig,
        plane: Arc<dyn DataPlane>,
        token: String,
        address: String,
    ) -> Result<Self, SchedulerError> {
        let options = Options::new(config.name.clone());
        let telemetry = Arc::new(Telemetry::start(config, &options, address)?);
        let hub = Hub::start(options, telemetry.observer())?;
        let planner = Arc::new(Planner::new(hub.clone(), config.planning_timeout)?);
        let acks = Arc::<Acks>::default();
        let runner = JobRunner::new(
            hub.clone(),
            Arc::clone(&planner),
            Arc::clone(&plane),
            Arc::clone(&acks),
        );
        let sharing = Arc::new(Sharing::new(hub.clone()));
        Ok(Parts {
            coordination: Arc::new(Coordination::new(Arc::clone(&sharing))),
            sharing,
            catalog: Arc::new(Catalog::new(hub.clone())),
            uploads: Arc::new(Uploads::new(hub.clone())),
            auth: Arc::new(Auth::new(token, config.dashboard, &config.security)),
            shutdown: CancellationToken::new(),
            hub,
            plane,
            planner,
            acks,
            runner: Arc::new(runner),
            telemetry,
        })
    }
}

impl FromRef<Parts> for Hub {
    fn from_ref(parts: &Parts) -> Self {
        parts.hub.clone()
    }
}

impl FromRef<Parts> for Arc<Auth> {
    fn from_ref(parts: &Parts) -> Self {
        Arc::clone(&parts.auth)
    }
}

impl FromRef<Parts> for Arc<Telemetry> {
    fn from_ref(parts: &Parts) -> Self {
        Arc::clone(&parts.telemetry)
    }
}
