//! What only workers run: operators beside those of DataFusion, and functions with the meaning that pandas has.
//!
//! - Windows: [`sliding`] computes them by columns, [`chunked`] a few partitions at a time, [`ranged`] has what
//!   the tasks of a window over sorted ranges run, [`windows`] what DataFusion's operators tell of themselves.
//! - Rows in order: [`sorting`] sorts what fits into memory at once, [`merging`] merges in levels, [`clustered`]
//!   brings equal rows together.
//! - Values: [`functions`] has scalar functions and aggregates, by which queries may call them.
//!
//! The wire form of the operators that have one, and the rules that put them into plans, are in the crate `plan`.
//! The others are put in by the process that runs a plan.

pub mod chunked;
pub mod clustered;
pub mod compact;
pub mod functions;
pub mod merging;
pub mod ranged;
pub mod sliding;
pub mod sorting;
#[cfg(test)]
mod testing;
pub mod width;
pub mod windows;

use datafusion::physical_plan::ExecutionPlan;
use std::sync::Arc;

type Plan = Arc<dyn ExecutionPlan>;

/// What operators without expressions that look only at their children have in common: methods of
/// [`ExecutionPlan`] by which such an operator is rebuilt over other children. The argument is called with the
/// operator and its children.
#[macro_export]
macro_rules! plain_operator {
    ($over:expr) => {
        fn replace_children(
            self: ::std::sync::Arc<Self>,
            children: Vec<::std::sync::Arc<dyn ::datafusion::physical_plan::ExecutionPlan>>,
            _: ::datafusion::physical_plan::execution_plan::ReplaceChildrenOptions,
        ) -> ::datafusion::error::Result<
            ::std::sync::Arc<dyn ::datafusion::physical_plan::ExecutionPlan>,
        > {
            $over(&self, children)
        }

        fn with_new_children(
            self: ::std::sync::Arc<Self>,
            children: Vec<::std::sync::Arc<dyn ::datafusion::physical_plan::ExecutionPlan>>,
        ) -> ::datafusion::error::Result<
            ::std::sync::Arc<dyn ::datafusion::physical_plan::ExecutionPlan>,
        > {
            $over(&self, children)
        }

        fn apply_expressions(
            &self,
            _: &mut dyn FnMut(
                &::std::sync::Arc<dyn ::datafusion::physical_expr::PhysicalExpr>,
            ) -> ::datafusion::error::Result<
                ::datafusion::common::tree_node::TreeNodeRecursion,
            >,
        ) -> ::datafusion::error::Result<::datafusion::common::tree_node::TreeNodeRecursion> {
            Ok(::datafusion::common::tree_node::TreeNodeRecursion::Continue)
        }
    };
}
