//! Expressions give one NaN for all.
//!
//! `0.0 / 0.0` and `-x` make NaN of another sign than that of a file. Arrow's kernels, and so DataFusion 55, take NaN of unlike
//! bits for unlike values where they group, join, compare and sort ([`partita_operators::functions::one_nan`]). So what an
//! expression computes is put into `one_nan(..)`, unless it is an operand of arithmetic, to which all NaN are alike. Scans are
//! read with one NaN; what sums and moments make of infinities is not changed.

use crate::guards::zeros::is_float;
use crate::walk;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{Cast, TryCast};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator};
use datafusion::optimizer::AnalyzerRule;
use partita_operators::functions::missing::NAN_AS_NULL;
use partita_operators::functions::one_nan::{ONE_NAN, one_nan};

/// Functions that give one of their arguments, or no NaN.
const PASSING: [&str; 9] =
    [ONE_NAN, NAN_AS_NULL, "fill_null", "coalesce", "nvl", "nvl2", "nullif", "greatest", "least"];

/// Aggregates to which all NaN are alike.
const ARITHMETIC: [&str; 12] = [
    "sum",
    "avg",
    "mean",
    "count",
    "var",
    "var_pop",
    "var_samp",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "corr",
    "product",
];

/// Puts `one_nan` around what computes.
#[derive(Debug)]
pub(crate) struct OneNanRule;

impl AnalyzerRule for OneNanRule {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let rewritten = walk::plan_up(plan, &mut |node| {
            if !walk::has_expression(&node, &computes)? {
                return Ok(Transformed::no(node));
            }
            let schema = merge_schema(&node.inputs());
            walk::named_expressions(node, &computes, &mut |expr| wrapped(expr, &schema, false))
        })?;
        Ok(rewritten.data)
    }

    fn name(&self) -> &str {
        "one_nan"
    }
}

/// Whether an expression may give a NaN that is not one of its operands.
fn computes(expr: &Expr) -> bool {
    match expr {
        Expr::ScalarFunction(call) => !PASSING.contains(&call.name()),
        Expr::Cast(_) | Expr::TryCast(_) => true,
        _ => is_arithmetic(expr),
    }
}

fn is_arithmetic(expr: &Expr) -> bool {
    match expr {
        Expr::Negative(_) => true,
        Expr::BinaryExpr(binary) => matches!(
            binary.op,
            Operator::Plus
                | Operator::Minus
                | Operator::Multiply
                | Operator::Divide
                | Operator::Modulo
        ),
        _ => false,
    }
}

/// Whether all NaN are alike to an expression as its operands.
fn takes_any(expr: &Expr) -> bool {
    match expr {
        Expr::ScalarFunction(call) => call.name() == NAN_AS_NULL,
        Expr::AggregateFunction(call) => {
            !call.params.distinct && ARITHMETIC.contains(&call.func.name())
        }
        _ => is_arithmetic(expr),
    }
}

/// An expression with one NaN. `is_operand`: of an expression to which all NaN are alike.
fn wrapped(expr: Expr, schema: &DFSchema, is_operand: bool) -> Result<Transformed<Expr>> {
    let (takes_any, computes) = (takes_any(&expr), computes(&expr));
    let changed = expr.map_children(|part| wrapped(part, schema, takes_any))?;
    if is_operand || !computes || !may_be_nan(&changed.data, schema) {
        return Ok(changed);
    }
    Ok(Transformed::yes(one_nan().call(vec![changed.data])))
}

fn may_be_nan(expr: &Expr, schema: &DFSchema) -> bool {
    match expr {
        // Only texts have a sign that numbers of their type do not keep.
        Expr::Cast(Cast { expr, field }) | Expr::TryCast(TryCast { expr, field }) => {
            field.data_type().is_floating()
                && expr.get_type(schema).is_ok_and(|kind| kind.is_string())
        }
        other => is_float(other, schema),
    }
}

#[cfg(test)]
mod tests {
    use crate::session::planning_context;
    use crate::testing::answer;
    use datafusion::prelude::SessionContext;

    async fn rows(context: SessionContext, sql: &str) -> String {
        let table = "create table t as select * from (values
            (1, cast('nan' as double)), (2, -cast('nan' as double)), (3, 0.0 / 0.0), (4, 1.0), (5, null)) t(i, v)";
        context.sql(table).await.unwrap().collect().await.unwrap();
        answer(&context, sql).await.unwrap()
    }

    /// NaN of every sign is one value, greater than all numbers, wherever values are compared.
    #[tokio::test]
    async fn all_nan_are_one_value() {
        for (sql, expected) in [
            ("select count(*) from t where v < 0", "0"),
            ("select count(*) from t where v > 5", "3"),
            ("select count(*) from t where -v > 5", "3"),
            ("select count(distinct v) from t", "2"),
            ("select count(*) from (select v from t group by v)", "3"),
            ("select count(*) from (select distinct v / v from t)", "3"),
            ("select count(*) from (select v from t union select -v from t where i < 4)", "3"),
            ("select count(*) from t a join t b on a.v = b.v", "10"),
            ("select count(*) from t a join t b on a.v = -b.v", "9"),
            ("select i from t where v is not null order by v, i", "4;1;2;3"),
            ("select max(r) from (select rank() over (order by v nulls first) as r from t)", "3"),
            ("select count(*) from t where v in (0.0 / 0.0, 7)", "3"),
            ("select count(*) from t where nullif(v, -v) is null", "4"),
            ("select count(*) from t where v is not distinct from -v", "4"),
            ("select count(*) from t where greatest(v, 3) = 3", "2"),
            ("select count(*) from t where cast('-nan' as double) = v", "3"),
        ] {
            assert_eq!(rows(planning_context(), sql).await, expected, "{sql}");
        }
    }

    /// The guard can go when plain DataFusion takes all NaN for one.
    #[tokio::test]
    async fn plain_datafusion_takes_them_for_several() {
        let sql = "select count(distinct v) from t";
        assert_eq!(rows(SessionContext::new(), sql).await, "3");
    }

    /// Operands of arithmetic and of sums are left as they are, and names stay.
    #[tokio::test]
    async fn only_what_is_compared_is_changed() {
        let context = planning_context();
        context.sql("create table t(a double, b double, n bigint)").await.unwrap();
        for (sql, expected) in [
            ("select sum(a * b + 1.0) from t", 0),
            ("select a * b + a / b as c from t", 1),
            ("select n * 2 + 1, a, coalesce(a, b) from t", 0),
            ("select a from t where a > 3 and b between 1 and 2", 0),
            ("select a / b from t group by a / b", 1),
        ] {
            let plan = context.sql(sql).await.unwrap().into_optimized_plan().unwrap();
            let text = plan.display_indent().to_string();
            assert_eq!(text.matches("one_nan(").count(), expected, "{sql}: {text}");
        }
        let named = context.sql("select a / b from t").await.unwrap();
        let plan = named.into_optimized_plan().unwrap();
        assert_eq!(plan.schema().field(0).name(), "t.a / t.b");
    }
}
