//! The end of planning that takes too long, or that nobody waits for any more.
//!
//! The planner does not look up while it works. So each rule of the analyzer and of the optimisers looks here
//! before it does anything, and so does each table when it plans its scan. Most rules of the optimiser are called
//! for each operator of a plan; those of the analyzer are called once. What waits, for files say, ends at once. One
//! rule that has begun ends when it is done: DataFusion's type coercion of one very large expression asks nobody.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::optimizer::{ApplyOrder, OptimizerRule};
use datafusion::optimizer::{Analyzer, AnalyzerRule, OptimizerConfig};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use tokio::sync::Notify;

tokio::task_local! {
    static INTERRUPT: Arc<Interrupt>;
}

/// When a planning ends, whether it is complete or not.
#[derive(Debug, Default)]
pub struct Interrupt {
    deadline: OnceLock<Instant>,
    is_unwanted: AtomicBool,
    /// Wakes what waits when it becomes unwanted.
    ended: Notify,
}

impl Interrupt {
    /// Ends the planning at this time. Only the first call counts.
    pub fn end_at(&self, deadline: Instant) {
        let _ = self.deadline.set(deadline);
    }

    /// Ends the planning as soon as it looks up, or at once where it waits.
    pub fn end(&self) {
        self.is_unwanted.store(true, Ordering::Relaxed);
        self.ended.notify_one();
    }

    /// Whether it shall end.
    pub fn is_due(&self) -> bool {
        let is_late = || self.deadline.get().is_some_and(|deadline| Instant::now() >= *deadline);
        self.is_unwanted.load(Ordering::Relaxed) || is_late()
    }

    /// Runs a planning that ends so. None if it ended while it waited for something.
    pub async fn scope<T>(self: Arc<Self>, planning: impl Future<Output = T>) -> Option<T> {
        let ended = Arc::clone(&self);
        let ending = async move {
            tokio::select! {
                biased;
                () = ended.due() => None,
                planned = planning => Some(planned),
            }
        };
        INTERRUPT.scope(self, ending).await
    }

    /// Resolves when it shall end.
    async fn due(&self) {
        while !self.is_due() {
            match self.deadline.get() {
                Some(deadline) => {
                    let late = tokio::time::sleep_until((*deadline).into());
                    tokio::select! {
                        () = self.ended.notified() => {}
                        () = late => {}
                    }
                }
                None => self.ended.notified().await,
            }
        }
    }
}

/// # Errors
/// If the planning that this is a part of shall end.
pub(crate) fn check() -> Result<()> {
    match INTERRUPT.try_with(|interrupt| interrupt.is_due()) {
        Ok(true) => Err(DataFusionError::ResourcesExhausted("planning was stopped".to_string())),
        Ok(false) | Err(_) => Ok(()),
    }
}

/// DataFusion's analyzer rules and these after them, each of which looks up before it does anything.
pub(crate) fn analyzer_rules(
    ours: Vec<Arc<dyn AnalyzerRule + Send + Sync>>,
) -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    let rules = Analyzer::new().rules.into_iter().chain(ours);
    rules.map(|rule| -> Arc<dyn AnalyzerRule + Send + Sync> { Arc::new(Analyzing(rule)) }).collect()
}

/// A rule of the analyzer that looks up before it does anything.
#[derive(Debug)]
struct Analyzing(Arc<dyn AnalyzerRule + Send + Sync>);

impl AnalyzerRule for Analyzing {
    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        check()?;
        self.0.analyze(plan, config)
    }

    fn name(&self) -> &str {
        self.0.name()
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

#[cfg(test)]
mod tests {
    use super::{INTERRUPT, Interrupt};
    use crate::session::planning_context;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    const SQL: &str = "select a from (values (1), (2)) as t(a) where a > 1";
    const ENDED: &str = "planning was stopped";

    /// Analysis, optimisation and the physical plan of a planning that is not wanted any more end with an error,
    /// whichever of them it has come to; one that is wanted comes to its end.
    #[tokio::test]
    async fn planning_ends_at_the_next_rule() {
        let state = planning_context().state();
        let plan = state.create_logical_plan(SQL).await.expect("a plan");
        let optimized = state.optimize(&plan).expect("a plan");
        for interrupt in [None, Some(Arc::<Interrupt>::default())] {
            let is_wanted = interrupt.is_none();
            interrupt.iter().for_each(|interrupt| interrupt.end());
            let planning = async {
                let analyzed = state.analyzer().execute_and_check(
                    plan.clone(),
                    state.config_options(),
                    |_, _| {},
                );
                let logical = state.optimizer().optimize(optimized.clone(), &state, |_, _| {});
                let physical = state.query_planner().create_physical_plan(&optimized, &state).await;
                let errors = [analyzed.err(), logical.err(), physical.err()]
                    .map(|error| error.map(|e| e.to_string()));
                assert!(
                    errors.iter().all(|error| match error {
                        Some(error) => !is_wanted && error.contains(ENDED),
                        None => is_wanted,
                    }),
                    "{errors:?}"
                );
            };
            match interrupt {
                Some(interrupt) => INTERRUPT.scope(interrupt, planning).await,
                None => planning.await,
            }
        }
    }

    /// A planning that waits ends at once, by its deadline or when nobody wants it any more.
    #[tokio::test]
    async fn planning_that_waits_ends() {
        let begun = Instant::now();
        let late = Arc::<Interrupt>::default();
        late.end_at(begun + Duration::from_millis(20));
        assert_eq!(Arc::clone(&late).scope(std::future::pending::<()>()).await, None);
        assert!(late.is_due());
        let unwanted = Arc::<Interrupt>::default();
        let waiting = tokio::spawn(Arc::clone(&unwanted).scope(std::future::pending::<()>()));
        unwanted.end();
        assert_eq!(waiting.await.expect("it ends"), None);
        assert_eq!(Arc::<Interrupt>::default().scope(async { 7 }).await, Some(7));
    }
}
