//! What filters leave out, as statistics tell.

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::DFSchema;
use datafusion::common::pruning::PruningStatistics;
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use std::sync::Arc;

/// Of each part of a table that the statistics are of, whether all filters may hold in it. None if
/// nothing can be told.
///
/// # Errors
/// If the filters have another type than the columns.
pub fn kept(
    session: &dyn Session,
    schema: &SchemaRef,
    filters: &[Expr],
    statistics: &dyn PruningStatistics,
) -> Result<Option<Vec<bool>>> {
    let Some(filter) = conjunction(filters.iter().cloned()) else { return Ok(None) };
    let known = DFSchema::try_from(schema.as_ref().clone())?;
    let filter = session.create_physical_expr(filter, &known)?;
    let predicate = PruningPredicateBuilder::new().with_file_schema(Arc::clone(schema));
    let Ok(predicate) = predicate.try_build(filter) else { return Ok(None) };
    predicate.prune(statistics).map(Some)
}
