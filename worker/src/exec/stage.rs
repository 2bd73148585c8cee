//! Stages as this worker knows them.

use crate::exec::figures::Tellings;
use datafusion::physical_plan::ExecutionPlan;
use partita_shared::message::{Fragment, Holder, Locations, StageOperators};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A stage as this worker knows it.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) fragment: Arc<Fragment>,
    locations: Mutex<BTreeMap<u32, Arc<Vec<Holder>>>>,
    /// The decoded plan, shared by the tasks of the stage here, so that the collected side of a
    /// join is read once for all of them.
    plan: Mutex<Option<Arc<dyn ExecutionPlan>>>,
    /// How long its calls take.
    calls: Mutex<Calls>,
    /// What was told of its operators.
    tellings: Mutex<Tellings>,
}

/// Calls of a function after which their duration is known well enough.
const KNOWN_CALLS: u32 = 8;
/// The time that short calls may take together that a process gets at once, in microseconds.
const BATCH_US: u64 = 5_000;
/// Calls that a process gets at once.
const BATCH_CALLS_MAX: u64 = 128;
/// The part of a new duration in the mean, which the latest calls dominate.
const NEW_PART: u64 = 8;

/// How long the calls of a function take.
#[derive(Debug, Default)]
struct Calls {
    count: u32,
    mean_us: u64,
    /// Whether one waited for others, failed with its process, or was stopped: each needs a process of its own.
    is_single: bool,
}

impl Stage {
    pub(crate) fn new(fragment: Arc<Fragment>) -> Self {
        let (locations, plan, calls, tellings) = Default::default();
        Stage { fragment, locations, plan, calls, tellings }
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

    fn tellings(&self) -> MutexGuard<'_, Tellings> {
        self.tellings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A task of it ended, which had a plan of its own or the shared one.
    pub(crate) fn plan_ended(&self, own: Option<&Arc<dyn ExecutionPlan>>) {
        self.tellings().ended(own);
    }

    /// What its operators did since that was told last, if it is time to tell it. `is_last`: no task of it is left here for
    /// the moment.
    pub(crate) fn operators(&self, is_last: impl FnOnce() -> bool) -> Option<StageOperators> {
        if self.tellings().is_due(is_last) { self.take_operators() } else { None }
    }

    /// What is left to tell of its operators, when it is forgotten.
    pub(crate) fn last_operators(&self) -> Option<StageOperators> {
        if self.tellings().has_news() { self.take_operators() } else { None }
    }

    fn take_operators(&self) -> Option<StageOperators> {
        let plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let operators = self.tellings().take(plan.as_ref());
        let stage = self.fragment.stage;
        (!operators.is_empty()).then_some(StageOperators { stage, operators })
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call took so long.
    pub(crate) fn add_call(&self, us: u64) {
        let mut calls = self.calls();
        calls.count = calls.count.saturating_add(1);
        calls.mean_us = (calls.mean_us * (NEW_PART - 1) + us) / NEW_PART;
    }

    /// How many of its calls a process may get at once.
    pub(crate) fn batch_calls_max(&self) -> usize {
        let calls = self.calls();
        match calls.is_single || calls.count < KNOWN_CALLS {
            true => 1,
            false => (BATCH_US / calls.mean_us.max(1)).clamp(1, BATCH_CALLS_MAX) as usize,
        }
    }

    /// Each of its calls gets a process of its own from now on.
    pub(crate) fn call_singly(&self) {
        self.calls().is_single = true;
    }
}
