//! What runs jobs.

use crate::hub::Hub;
use crate::planning::Planner;
use crate::query::Acks;
use partita_net::peer::DataPlane;
use std::sync::Arc;

/// Runs jobs for clients: what it takes to plan one, to plan it again for little memory or other types, and to
/// deliver its result.
#[derive(Debug)]
pub(crate) struct JobRunner {
    /// Where jobs are submitted.
    pub(super) hub: Hub,
    /// Makes them of plans.
    pub(super) planner: Arc<Planner>,
    /// Reads their results from the workers.
    pub(super) plane: Arc<dyn DataPlane>,
    /// What clients say that read results themselves.
    pub(super) acks: Arc<Acks>,
}

impl JobRunner {
    pub(crate) fn new(
        hub: Hub,
        planner: Arc<Planner>,
        plane: Arc<dyn DataPlane>,
        acks: Arc<Acks>,
    ) -> Self {
        JobRunner { hub, planner, plane, acks }
    }
}
