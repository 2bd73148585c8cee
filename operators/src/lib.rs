//! What only workers run: operators beside those of DataFusion, and functions with the meaning that pandas has.
//!
//! - Windows: [`sliding`] computes them by columns, [`chunked`] a few partitions at a time, [`ranged`] has what
//!   the tasks of a window over sorted ranges run, [`windows`] what DataFusion's operators tell of themselves.
//! - Rows in order: [`sorting`] sorts what fits into memory at once, [`merging`] merges in levels, [`clustered`]
//!   brings equal rows together.
//! - Values: [`one_nan`] gives the scans one NaN, [`progress`] counts what they read, by other [`readers`]; [`functions`] has scalar functions and aggregates, by which queries may call them.
//!
//! The wire form of the operators that have one, and the rules that put them into plans, are in the crate `plan`.
//! The others are put in by the process that runs a plan.

pub mod chunked;
pub mod clustered;
pub mod compact;
pub mod functions;
pub mod merging;
pub mod one_nan;
pub mod progress;
pub mod ranged;
pub mod readers;
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

/// What operators over one input whose rows have its properties have in common: further methods of [`ExecutionPlan`], for an
/// operator with this name and a field `input`. The closure is called with the operator and its new input.
macro_rules! over_input {
    ($name:literal, $over:expr) => {
        fn name(&self) -> &'static str {
            $name
        }

        fn properties(&self) -> &::std::sync::Arc<::datafusion::physical_plan::PlanProperties> {
            self.input.properties()
        }

        fn children(&self) -> Vec<&$crate::Plan> {
            vec![&self.input]
        }

        $crate::plain_operator!(|this: &::std::sync::Arc<Self>, children| {
            let [input] = $crate::ranged::edge::children_of(children)?;
            Ok(::std::sync::Arc::new($over(this, input)) as $crate::Plan)
        });
    };
}

/// What operators that wrap another one have in common: methods of [`ExecutionPlan`] that ask it. `$inner` is the
/// field with the wrapped operator; the first closure gives it as a plan, the second wraps it again over other
/// children.
macro_rules! forward_to {
    ($inner:ident, $plan:expr, $rebuild:expr) => {
        fn properties(&self) -> &::std::sync::Arc<::datafusion::physical_plan::PlanProperties> {
            self.$inner.properties()
        }

        fn children(&self) -> Vec<&$crate::Plan> {
            self.$inner.children()
        }

        fn replace_children(
            self: ::std::sync::Arc<Self>,
            children: Vec<$crate::Plan>,
            options: ::datafusion::physical_plan::execution_plan::ReplaceChildrenOptions,
        ) -> ::datafusion::error::Result<$crate::Plan> {
            let inner: $crate::Plan = $plan(&self);
            Ok($rebuild(&self, inner.replace_children(children, options)?))
        }

        fn with_new_children(
            self: ::std::sync::Arc<Self>,
            children: Vec<$crate::Plan>,
        ) -> ::datafusion::error::Result<$crate::Plan> {
            use ::datafusion::physical_plan::execution_plan as plan;
            let mode = plan::ChildrenPropertiesMode::Recompute;
            self.replace_children(children, plan::ReplaceChildrenOptions::new(mode))
        }

        fn apply_expressions(
            &self,
            visit: &mut dyn FnMut(
                &::std::sync::Arc<dyn ::datafusion::physical_expr::PhysicalExpr>,
            ) -> ::datafusion::error::Result<
                ::datafusion::common::tree_node::TreeNodeRecursion,
            >,
        ) -> ::datafusion::error::Result<::datafusion::common::tree_node::TreeNodeRecursion> {
            self.$inner.apply_expressions(visit)
        }

        fn metrics(&self) -> Option<::datafusion::physical_plan::metrics::MetricsSet> {
            Some(self.metrics.clone_inner())
        }
    };
}

pub(crate) use {forward_to, over_input};
