//! Arithmetic of integers in SQL, which is an error where a result is too large.
//!
//! DataFusion 55 computes with wrap-around (apache/datafusion#17539). Operators are replaced where SQL is read, not in plans: frames of
//! the Python package have operators of their own, which wrap around as NumPy's do. Sums are
//! [`partita_operators::functions::sums`].

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, ScalarUDF, cast};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use partita_operators::functions::checked::{checked_of, operator_of};
use std::sync::Arc;

/// Plans `+`, `-` and `*` of integers.
#[derive(Debug)]
pub(crate) struct OverflowPlanner;

impl ExprPlanner for OverflowPlanner {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let operator = match expr.op {
            BinaryOperator::Plus => Operator::Plus,
            BinaryOperator::Minus => Operator::Minus,
            BinaryOperator::Multiply => Operator::Multiply,
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let (Some(left), Some(right)) = (kind(&expr.left, schema), kind(&expr.right, schema))
        else {
            return Ok(PlannerResult::Original(expr));
        };
        let is_whole = |kind: &DataType| kind.is_integer() || kind.is_null();
        if !is_whole(&left) || !is_whole(&right) {
            return Ok(PlannerResult::Original(expr));
        }
        let common = BinaryTypeCoercer::new(&left, &operator, &right).get_input_types();
        match (common, checked_of(operator)) {
            (Ok((one, other)), Some(function)) if one == other && one.is_integer() => {
                let operand = |expr: Expr, kind: DataType| match kind == one {
                    true => expr,
                    false => cast(expr, one.clone()),
                };
                let right = operand(expr.right, right);
                let sum = with_operand(operand(expr.left, left), right, operator, function);
                Ok(PlannerResult::Planned(sum))
            }
            _ => Ok(PlannerResult::Original(expr)),
        }
    }
}

/// Calls of one function within each other, after which operands are added to the outermost. An expression of `GROUP BY` is
/// found within others as long as these are nested as they are written; a deep tree takes long to plan.
const NESTED_MAX: usize = 16;

fn with_operand(left: Expr, right: Expr, operator: Operator, function: Arc<ScalarUDF>) -> Expr {
    let mut expr = &left;
    let mut nested = 0;
    while let Expr::ScalarFunction(call) = expr
        && operator_of(&call.func) == Some(operator)
        && let Some(first) = call.args.first()
    {
        (expr, nested) = (first, nested + 1);
    }
    match left {
        Expr::ScalarFunction(mut call) if nested >= NESTED_MAX => {
            call.args.push(right);
            Expr::ScalarFunction(call)
        }
        left => function.call(vec![left, right]),
    }
}

/// The type of an operand; none where it is not known yet.
///
/// A long sum is a deep tree, and this is called at each of its levels, so it only follows one of the operands.
fn kind(expr: &Expr, schema: &DFSchema) -> Option<DataType> {
    let mut expr = expr;
    while let Expr::ScalarFunction(call) = expr
        && operator_of(&call.func).is_some()
        && let Some(first) = call.args.first()
    {
        expr = first;
    }
    expr.get_type(schema).ok()
}

#[cfg(test)]
mod tests {
    use crate::session::planning_context;
    use crate::testing::answer;
    use datafusion::prelude::SessionContext;

    async fn session() -> SessionContext {
        let context = planning_context();
        let sql = "create table t as select arrow_cast(i, 'Int32') as i, big, arrow_cast(u, 'UInt64') as u,
             cast(big as decimal(38, 0)) * 10000000000000000000 as d, k
             from (values (2147483647, 9223372036854775807, 0, 1), (1, 9223372036854775807, 1, 1), (5, -3, 2, 2)) t(i, big, u, k)";
        context.sql(sql).await.unwrap().collect().await.unwrap();
        context
    }

    /// A result that is too large is an error, whichever operator, type and place it has.
    #[tokio::test]
    async fn large_results_are_errors() {
        let context = session().await;
        for sql in [
            "select 10000000000 * 10000000000",
            "select 9223372036854775807 + 1",
            "select big + 1 from t",
            "select i + i from t",
            "select i * big from t",
            "select -big - 10 from t",
            "select u - 1 + u from t where u < 2 and 1 - u > -5 and u - arrow_cast(1, 'UInt64') > 0",
            "select k from t group by k having sum(i) * big_int() > 0",
            "select sum(big) from t",
            "select k, sum(big) from t group by k",
            "select sum(distinct big + k) from (select 9223372036854775800 as big, 1 as k union all select 9223372036854775801, 2) s",
            "select sum(big) over (order by k, i) from t",
            "select sum(big) over (order by i rows between 1 preceding and current row) from t where k = 1",
            "select sum(distinct big) over (order by i rows between 2 preceding and current row) from (select big, i from t union all select 9, 6) s",
            "select sum(distinct d) over (order by i rows between 2 preceding and current row) from (select i, d from t union all select 3, d + 1 from t where k = 1) s",
            "select sum(d) from t where k = 1",
            "select k, sum(d) from t group by k",
            "select sum(arrow_cast(18446744073709551615, 'UInt64') - u) from t",
        ] {
            let sql = sql.replace("big_int()", "max(big)");
            let error = answer(&context, &sql).await.expect_err(&sql).to_string();
            assert!(error.contains("too large for"), "{sql}: {error}");
        }
    }

    /// Whatever fits is what it was, with its name and its type.
    #[tokio::test]
    async fn other_results_stay() {
        let context = session().await;
        for (sql, expected) in [
            (
                "select i + 1, arrow_typeof(i + 1), arrow_typeof(i + i) from t where i < 9 order by i",
                "2Int64Int32;6Int64Int32",
            ),
            ("select sum(i), arrow_typeof(sum(i)) from t", "2147483653Int64"),
            ("select sum(big) from t where k = 2 or i = 1", "9223372036854775804"),
            ("select k, sum(i) from t group by k order by k", "12147483648;25"),
            ("select sum(big) from t where i > 10 and k = 2", ""),
            ("select sum(distinct k), count(distinct i) from t", "33"),
            ("select k + 1 from t group by k + 1 order by k + 1", "2;3"),
            ("select k + 1 + 2 - 1 from t where k = 1 group by k + 1", "3"),
            ("select date '2024-01-31' + 1 + interval '1 day'", "2024-02-02"),
            ("select 1 + null, null * 2", ""),
            ("select 2 * (3 + 4) - 1, 7 - (3 - 2)", "136"),
            ("select sum(u) from t", "3"),
            ("select cast(big as decimal(38, 0)) + 1 from t where i = 1", "9223372036854775808"),
            ("select i + 0.5 from t where k = 2", "5.5"),
            ("select sum(i + 1) from t where i < 9", "8"),
        ] {
            assert_eq!(answer(&context, sql).await.expect(sql), expected, "{sql}");
        }
        let names = context.sql("select i + 1, 2 * (i - 1), sum(big) from t group by i").await;
        let schema = names.unwrap();
        let names: Vec<_> = schema.schema().fields().iter().map(|field| field.name()).collect();
        let plain = SessionContext::new();
        plain.sql("create table t(i int, big bigint)").await.unwrap().collect().await.unwrap();
        let plain = plain.sql("select i + 1, 2 * (i - 1), sum(big) from t group by i").await;
        let schema = plain.unwrap();
        let expected: Vec<_> = schema.schema().fields().iter().map(|field| field.name()).collect();
        assert_eq!(names, expected);
    }

    /// A long sum is not a deep tree.
    #[tokio::test]
    async fn long_sums_are_planned() {
        let context = session().await;
        let long = format!("select {} from t", vec!["k"; 300].join(" + "));
        assert_eq!(answer(&context, &long).await.unwrap(), "300;300;600");
    }

    /// The guard can go when plain DataFusion gives an error.
    #[tokio::test]
    async fn plain_datafusion_wraps_around() {
        for sql in [
            "select 9223372036854775807 + 1",
            "select sum(x) from (values (9223372036854775807), (1)) t(x)",
        ] {
            let found = answer(&SessionContext::new(), sql).await.unwrap();
            assert_eq!(found, "-9223372036854775808", "{sql}");
        }
    }
}
