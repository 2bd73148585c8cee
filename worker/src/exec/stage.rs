//! Stages as this worker knows them.

use datafusion::physical_plan::ExecutionPlan;
use partita_shared::message::{Fragment, Holder, Locations};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A stage as this worker knows it.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) fragment: Arc<Fragment>,
    locations: Mutex<BTreeMap<u32, Arc<Vec<Holder>>>>,
    /// The decoded plan, shared by the tasks of the stage here, so that the collected side of a
    /// join is read once for all of them.
    plan: Mutex<Option<Arc<dyn ExecutionPlan>>>,
}

impl Stage {
    pub(crate) fn new(fragment: Arc<Fragment>) -> Self {
        Stage { fragment, locations: Mutex::default(), plan: Mutex::default() }
    }

    pub(crate) fn set_locations(&self, locations: Locations) {
        let mut known = self.locations.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(locations.input, locations.holders);
    }

    pub(crate) fn locations(&self) -> BTreeMap<u32, Arc<Vec<Holder>>> {
        self.locations.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The plan for a task: the shared one, unless it must be the task's own.
    pub(crate) fn plan<E>(
        &self,
        own: bool,
        decode: impl FnOnce() -> Result<Arc<dyn ExecutionPlan>, E>,
    ) -> Result<Arc<dyn ExecutionPlan>, E> {
        if own {
            return decode();
        }
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = &*plan {
            return Ok(Arc::clone(plan));
        }
        let fresh = decode()?;
        *plan = Some(Arc::clone(&fresh));
        Ok(fresh)
    }

    /// Forgets the shared plan: a task failed in it, and what it shares may be broken.
    pub(crate) fn forget_plan(&self) {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
