//! Parquet statistics omit NaN, and DataFusion 55 takes them for whole.
//!
//! A column of a file in which every number but NaN is 2.25 has 2.25 as its least and as its greatest value:
//! DataFusion reads it as a constant, answers `max` from it, and rules the file out for `c > 3`, which holds
//! for NaN. So the ends of floating-point columns are not told to the planner ([`partita_files::statistics`]), and
//! a scan is only given conditions that never hold for NaN to choose row groups and pages by ([`PruningRule`]). A
//! comparison of `nan_as_null(c)`, which frames have, never does: statistics of `c` are all that it is about.

use datafusion::arrow::datatypes::Schema;
use datafusion::common::ScalarValue;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::physical_plan::{FileScanConfigBuilder, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, Literal, lit};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr, conjunction, split_conjunction};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use partita_files::statistics::has_floats;
use partita_operators::functions::missing::NAN_AS_NULL;
use std::sync::Arc;

/// Leaves to scans of Parquet files the conditions that no NaN fulfils. The filters above the scans are
/// whole.
#[derive(Debug)]
pub(crate) struct PruningRule;

impl PhysicalOptimizerRule for PruningRule {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(plan.transform_up(guarded)?.data)
    }

    fn name(&self) -> &str {
        "NanPruning"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn guarded(node: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let Some(exec) = node.downcast_ref::<DataSourceExec>() else {
        return Ok(Transformed::no(node));
    };
    let Some((config, source)) = exec.downcast_to_file_source::<ParquetSource>() else {
        return Ok(Transformed::no(node));
    };
    let Some(predicate) = source.filter() else { return Ok(Transformed::no(node)) };
    let schema = source.table_schema().table_schema();
    let parts = split_conjunction(&predicate);
    let safe: Vec<_> = parts.iter().filter_map(|part| safe_form(part, schema)).collect();
    if safe.len() == parts.len() && safe.iter().zip(&parts).all(|(safe, part)| safe == *part) {
        return Ok(Transformed::no(node));
    }
    let source: Arc<dyn FileSource> = if source.table_parquet_options().global.pushdown_filters {
        // Here the scan itself filters: it does so row by row, in all row groups.
        let mut options = source.table_parquet_options().clone();
        options.global.pruning = false;
        options.global.enable_page_index = false;
        Arc::new(source.clone().with_table_parquet_options(options))
    } else {
        Arc::new(source.with_predicate(if safe.is_empty() { lit(true) } else { conjunction(safe) }))
    };
    let config = FileScanConfigBuilder::from(config.clone()).with_source(source).build();
    Ok(Transformed::yes(DataSourceExec::from_data_source(config)))
}

/// The condition for statistics, if what they rule out for the other numbers does not hold for NaN either: it
/// compares floating-point numbers only as the lesser side of a constant, or as equal to one, or it compares
/// what is NULL for NaN; there the column itself takes its place.
fn safe_form(condition: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<Arc<dyn PhysicalExpr>> {
    if let Some(binary) = condition.downcast_ref::<BinaryExpr>() {
        let (left, op, right) = (binary.left(), binary.op(), binary.right());
        let of = |left, right| Some(Arc::new(BinaryExpr::new(left, *op, right)) as _);
        match op {
            Operator::And | Operator::Or => {
                return of(safe_form(left, schema)?, safe_form(right, schema)?);
            }
            Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq | Operator::Eq => {
                if let Some(left) = column_without_nan(left).filter(|_| is_number(right)) {
                    return of(left, Arc::clone(right));
                }
                if let Some(right) = column_without_nan(right).filter(|_| is_number(left)) {
                    return of(Arc::clone(left), right);
                }
                let is_lesser = !matches!(op, Operator::Gt | Operator::GtEq);
                let is_greater = !matches!(op, Operator::Lt | Operator::LtEq);
                if (is_lesser && left.is::<Column>() && is_number(right))
                    || (is_greater && right.is::<Column>() && is_number(left))
                {
                    return Some(Arc::clone(condition));
                }
            }
            _ => {}
        }
    }
    (!reads_floats(condition, schema)).then(|| Arc::clone(condition))
}

/// The column that an expression is, with NULL in the place of NaN.
fn column_without_nan(expr: &Arc<dyn PhysicalExpr>) -> Option<Arc<dyn PhysicalExpr>> {
    let call = expr.downcast_ref::<ScalarFunctionExpr>()?;
    match call.args() {
        [column] if call.name() == NAN_AS_NULL && column.is::<Column>() => Some(Arc::clone(column)),
        _ => None,
    }
}

/// Whether an expression is a constant other than NaN and zero, which statistics may have with either sign.
fn is_number(value: &Arc<dyn PhysicalExpr>) -> bool {
    let is_plain = |number: f64| !number.is_nan() && number != 0.0;
    value.downcast_ref::<Literal>().is_some_and(|literal| match literal.value() {
        ScalarValue::Float16(Some(number)) => is_plain(number.to_f64()),
        ScalarValue::Float32(Some(number)) => is_plain(f64::from(*number)),
        ScalarValue::Float64(Some(number)) => is_plain(*number),
        _ => true,
    })
}

fn reads_floats(condition: &Arc<dyn PhysicalExpr>, schema: &Schema) -> bool {
    let mut found = false;
    let walked = condition.apply(|node| {
        let column = node.downcast_ref::<Column>();
        let field = column.and_then(|column| schema.field_with_name(column.name()).ok());
        // A column that is not the file's cannot be judged.
        found |= column.is_some() && field.is_none_or(|field| has_floats(field.data_type()));
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    walked.is_err() || found
}

#[cfg(test)]
mod tests {
    use crate::session::planning_context;
    use datafusion::prelude::{ParquetReadOptions, SessionContext};

    async fn plan_of(context: &SessionContext, condition: &str) -> String {
        let frame = context.sql(&format!("select c from t where {condition}")).await.unwrap();
        let plan = frame.create_physical_plan().await.unwrap();
        datafusion::physical_plan::displayable(plan.as_ref()).indent(true).to_string()
    }

    /// Whether rows are sorted that are chosen by a column whose type in one of the files is not that of the table.
    async fn sorts(context: &SessionContext) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display().to_string();
        for (name, unit) in [("a", "ms"), ("b", "ns")] {
            let day = format!("arrow_cast(timestamp '2026-01-02', 'Timestamp({unit}, None)')");
            let copy = format!("copy (select 1 as n, {day} as t) to '{path}/{name}.parquet'");
            context.sql(&copy).await.unwrap().collect().await.unwrap();
        }
        let table = format!(
            "create external table d (n bigint, t timestamp) stored as parquet location '{path}/'"
        );
        context.sql(&table).await.unwrap();
        let sql = "select n from d where t >= timestamp '2026-01-02' order by t";
        let plan = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        let plan = datafusion::physical_plan::displayable(plan.as_ref()).indent(true).to_string();
        plan.contains("SortExec")
    }

    /// Ends that are not known are not those of other files. The guard can go when plain DataFusion sorts, too.
    #[tokio::test]
    async fn unknown_ends_are_not_those_of_other_files() {
        assert!(sorts(&planning_context()).await);
        assert!(!sorts(&SessionContext::new()).await);
    }

    /// Row groups are chosen by comparisons that NaN cannot meet: those of what is NULL for NaN, in both
    /// directions, and those that NaN, the greatest number, does not meet.
    #[tokio::test]
    async fn comparisons_without_nan_choose_row_groups() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        let context = planning_context();
        let rows = "values (1.0::double), ('NaN'::double), (null)";
        let copy = format!("copy (select column1 as c from ({rows})) to '{}'", path.display());
        context.sql(&copy).await.unwrap().collect().await.unwrap();
        let name = path.display().to_string();
        context.register_parquet("t", &name, ParquetReadOptions::default()).await.unwrap();
        for (condition, chooses) in [
            ("nan_as_null(c) > 3", "c_max@"),
            ("3 <= nan_as_null(c)", "c_max@"),
            ("coalesce(nan_as_null(c) > 3, false)", "c_max@"),
            ("nan_as_null(c) < 3 and nan_as_null(c) > 1.5", "c_min@"),
            ("c < 3", "c_min@"),
        ] {
            let plan = plan_of(&context, condition).await;
            assert!(plan.contains(chooses), "{condition}: {plan}");
        }
        for condition in ["c > 3", "nan_as_null(c) is null", "nan_as_null(c) > 'NaN'::double"] {
            let plan = plan_of(&context, condition).await;
            assert!(
                !plan.contains("c_max@") && !plan.contains("c_null_count@"),
                "{condition}: {plan}"
            );
        }
        let counted = "select count(*) as n from t where nan_as_null(c) is null";
        let rows = context.sql(counted).await.unwrap().collect().await.unwrap();
        let found = datafusion::arrow::util::pretty::pretty_format_batches(&rows).unwrap();
        assert!(found.to_string().contains("| 2 |"), "{found}");
    }
}
