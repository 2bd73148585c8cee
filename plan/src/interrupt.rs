//! The end of planning that takes too long, or that nobody waits for any more.
//!
//! The optimiser does not look up while it works. So each of its rules looks here before it does anything:
//! rules are called for each operator of a plan, or once for all.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::OptimizerConfig;
use datafusion::optimizer::optimizer::{ApplyOrder, OptimizerRule};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

tokio::task_local! {
    static INTERRUPT: Arc<Interrupt>;
}

/// When a planning ends, whether it is complete or not.
#[derive(Debug, Default)]
pub struct Interrupt {
    deadline: OnceLock<Instant>,
    is_unwanted: AtomicBool,
}

impl Interrupt {
    /// Ends the planning at this time. Only the first call counts.
    pub fn end_at(&self, deadline: Instant) {
        let _ = self.deadline.set(deadline);
    }

    /// Ends the planning as soon as it looks up.
    pub fn end(&self) {
        self.is_unwanted.store(true, Ordering::Relaxed);
    }

    /// Whether it shall end.
    pub fn is_due(&self) -> bool {
        let is_late = || self.deadline.get().is_some_and(|deadline| Instant::now() >= *deadline);
        self.is_unwanted.load(Ordering::Relaxed) || is_late()
    }

    /// Runs a planning that ends so.
    pub async fn scope<T>(self: Arc<Self>, planning: impl Future<Output = T>) -> T {
        INTERRUPT.scope(self, planning).await
    }
}

/// # Errors
/// If the planning that this is a part of shall end.
fn check() -> Result<()> {
    match INTERRUPT.try_with(|interrupt| interrupt.is_due()) {
        Ok(true) => Err(DataFusionError::ResourcesExhausted("planning was stopped".to_string())),
        Ok(false) | Err(_) => Ok(()),
    }
}

/// A rule for logical plans that looks up before it does anything.
#[derive(Debug)]
pub(crate) struct Logical(pub(crate) Arc<dyn OptimizerRule + Send + Sync>);

impl OptimizerRule for Logical {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        check()?;
        self.0.rewrite(plan, config)
    }
}

/// A rule for physical plans that looks up before it does anything.
#[derive(Debug)]
pub(crate) struct Physical(pub(crate) Arc<dyn PhysicalOptimizerRule + Send + Sync>);

impl PhysicalOptimizerRule for Physical {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        check()?;
        self.0.optimize(plan, config)
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}
