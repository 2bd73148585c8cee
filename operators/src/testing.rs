//! A session for tests, which knows the functions of this crate.

use crate::functions::arithmetic::arithmetic;
use crate::functions::extreme::extremes;
use crate::functions::missing::{fill_null, nan_as_null};
use crate::functions::one_nan::one_nan;
use crate::functions::product::product;
use crate::functions::sums::checked_sum;
use crate::sliding::rolling;
use datafusion::prelude::{SessionConfig, SessionContext};

/// A session that plans for one partition, without filters that operators change while they run.
pub(crate) fn planning_context() -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(1);
    let optimizer = &mut config.options_mut().optimizer;
    optimizer.enable_dynamic_filter_pushdown = false;
    optimizer.enable_topk_dynamic_filter_pushdown = false;
    optimizer.enable_join_dynamic_filter_pushdown = false;
    optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    let context = SessionContext::new_with_config(config);
    let scalars = arithmetic().iter().cloned().chain([nan_as_null(), fill_null(), one_nan()]);
    scalars.for_each(|function| context.register_udf(function.as_ref().clone()));
    let aggregates = rolling().iter().cloned().chain([checked_sum(), product()]);
    aggregates.for_each(|function| context.register_udaf(function.as_ref().clone()));
    extremes().into_iter().for_each(|function| context.register_udaf(function));
    context
}
