//! `x IN (select s ..)` where it may be unknown, and `EXISTS` over an aggregate.
//!
//! SQL has three answers to `x IN (select s ..)`: true where a row is equal, unknown where `x` or some `s` is
//! null and no row is equal, else false. DataFusion 55 makes joins of such a predicate in a filter, which have
//! two answers but for one form, `column NOT IN (a query that does not refer to the query around it)`. So it
//! keeps rows of `3 NOT IN (select ..)`, and of a `NOT IN` whose query refers to the outer one, that it must
//! not keep (apache/datafusion#25340, #25347, #25336), has no answer to `(x NOT IN (..)) IS NULL`, and plans
//! no such predicate in a select list.
//!
//! Here a predicate that is exact stays as it is: where nothing is null, or where unknown is as good as false
//! (a filter's conjuncts and disjuncts). A `NOT IN` that is a conjunct of a filter and refers to the outer
//! query becomes `NOT EXISTS (.. where (s = x) IS NOT FALSE)`. All others become a `CASE` over what
//! scalar subqueries say: how many rows are equal, whether there are any, whether some are null. So does
//! `EXISTS` in a select list.
//!
//! A query without GROUP BY that aggregates gives one row whatever it reads. DataFusion 55 takes it
//! for none where it refers to the outer query and reads nothing (apache/datafusion#24960), and
//! does the same to the empty set of GROUPING SETS (#25519). `EXISTS` over such a query is true,
//! `IN` compares with its value; more complex uses are refused.

use crate::walk;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ExprSchema, Result, ScalarValue, not_impl_err};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Expr, ExprSchemable, FetchType, Filter, Limit, LogicalPlan,
    LogicalPlanBuilder, Operator, SkipType, Subquery, case, exists, lit, not_exists,
    scalar_subquery, when,
};
use datafusion::optimizer::AnalyzerRule;
use std::cell::Cell;
use std::sync::Arc;

/// The rows of the query are none, none of them is null, or some are.
const NO_ROW: i64 = 0;
const NO_NULL: i64 = 1;
const SOME_NULL: i64 = 2;

/// Gives `IN` its three answers.
#[derive(Debug)]
pub(crate) struct MembershipRule;

impl AnalyzerRule for MembershipRule {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let names = Names::default();
        Ok(walk::plan_up(plan, &mut |node| rewritten(node, &names))?.data)
    }

    fn name(&self) -> &str {
        "membership"
    }
}

/// Names that nothing in a statement has.
#[derive(Debug, Default)]
struct Names(Cell<u32>);

impl Names {
    fn next(&self, what: &str) -> String {
        self.0.set(self.0.get() + 1);
        format!("__{what}_{}", self.0.get())
    }
}

fn rewritten(node: LogicalPlan, names: &Names) -> Result<Transformed<LogicalPlan>> {
    match node {
        LogicalPlan::Aggregate(aggregate) if computes_subquery(&aggregate)? => {
            Ok(Transformed::yes(with_subqueries_below(aggregate, names)?))
        }
        LogicalPlan::Filter(filter) if walk::has_part(&filter.predicate, &is_predicate)? => {
            let Filter { predicate, input, .. } = filter;
            let scope = Scope { schema: Arc::clone(input.schema()), in_filter: true, names };
            let parts = split_conjunction_owned(predicate).into_iter();
            let parts = parts.map(|part| scope.conjunct(part)).collect::<Result<Vec<_>>>()?;
            let predicate = conjunction(parts).unwrap_or_else(|| lit(true));
            Ok(Transformed::yes(LogicalPlan::Filter(Filter::try_new(predicate, input)?)))
        }
        LogicalPlan::Projection(projection) => {
            let schema = Arc::clone(projection.input.schema());
            let node = LogicalPlan::Projection(projection);
            let scope = Scope { schema, in_filter: false, names };
            walk::named_expressions(node, &is_predicate, &mut |expr| scope.exact(expr))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// Whether an expression asks something of a query.
fn is_predicate(part: &Expr) -> bool {
    matches!(part, Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_))
}

/// Whether an aggregate computes subqueries, for which DataFusion 55 has plans in filters and select lists only.
fn computes_subquery(aggregate: &Aggregate) -> Result<bool> {
    for expr in aggregate.group_expr.iter().chain(&aggregate.aggr_expr) {
        if matches!(expr, Expr::GroupingSet(_)) {
            return Ok(false);
        }
        if walk::has_part(expr, &walk::is_subquery)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// An aggregate of columns that a projection below it computes, where they have subqueries.
fn with_subqueries_below(aggregate: Aggregate, names: &Names) -> Result<LogicalPlan> {
    let preserver = NamePreserver::new_for_projection();
    let mut computed: Vec<Expr> =
        aggregate.input.schema().columns().into_iter().map(Expr::Column).collect();
    let mut below = |expr: Expr| -> Result<Expr> {
        if !walk::has_part(&expr, &walk::is_subquery)? {
            return Ok(expr);
        }
        let name = names.next("computed");
        computed.push(expr.unalias().alias(&name));
        Ok(Expr::Column(Column::from_name(name)))
    };
    let mut groups = Vec::new();
    for expr in aggregate.group_expr {
        let name = preserver.save(&expr);
        groups.push(name.restore(below(expr)?));
    }
    let mut aggregates = Vec::new();
    for expr in aggregate.aggr_expr {
        let name = preserver.save(&expr);
        let changed = walk::expr_down(expr, &mut |part| {
            let Expr::AggregateFunction(mut call) = part else { return Ok(Transformed::no(part)) };
            let args = std::mem::take(&mut call.params.args).into_iter();
            call.params.args = args.map(&mut below).collect::<Result<_>>()?;
            if let Some(filter) = call.params.filter.take() {
                call.params.filter = Some(Box::new(below(*filter)?));
            }
            let part = Expr::AggregateFunction(call);
            Ok(Transformed::new(part, true, TreeNodeRecursion::Jump))
        })?;
        aggregates.push(name.restore(changed.data));
    }
    let rows = LogicalPlanBuilder::from(aggregate.input).project(computed)?.build()?;
    let rows = rewritten(rows, names)?.data;
    Ok(LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(rows), groups, aggregates)?))
}

/// Where a predicate stands.
struct Scope<'a> {
    schema: Arc<DFSchema>,
    /// Whether it is one of a filter, where `EXISTS` has a plan.
    in_filter: bool,
    names: &'a Names,
}

impl Scope<'_> {
    /// A conjunct of a filter, in which unknown is as good as false.
    fn conjunct(&self, expr: Expr) -> Result<Expr> {
        let membership = match expr {
            Expr::Not(inner) => match *inner {
                Expr::InSubquery(of) => InSubquery { negated: !of.negated, ..of },
                other => return Ok(self.exact(Expr::Not(Box::new(other)))?.data),
            },
            Expr::InSubquery(of) => of,
            other => return self.either(other),
        };
        let is_plain = matches!(*membership.expr, Expr::Column(_)) && !is_correlated(&membership);
        let is_row = is_correlated(&membership) && is_single_row(&membership)?;
        if is_row || !membership.negated || is_plain || !self.may_be_unknown(&membership)? {
            return Ok(self.member(membership)?.data);
        }
        match is_correlated(&membership) && is_own(&membership) {
            true => {
                let plan = self.matches(&membership, |equal| Expr::IsNotFalse(Box::new(equal)))?;
                Ok(not_exists(Arc::new(plan)))
            }
            false => Ok(self.exact(Expr::InSubquery(membership))?.data),
        }
    }

    /// A part of a conjunct, of which unknown parts are as good as false ones.
    fn either(&self, expr: Expr) -> Result<Expr> {
        match expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right })
                if matches!(op, Operator::And | Operator::Or) =>
            {
                let (left, right) = (self.either(*left)?, self.either(*right)?);
                Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right))))
            }
            Expr::InSubquery(membership) if !membership.negated => {
                Ok(self.member(membership)?.data)
            }
            other => Ok(self.exact(other)?.data),
        }
    }

    /// An expression with the three answers of all memberships in it.
    fn exact(&self, expr: Expr) -> Result<Transformed<Expr>> {
        walk::expr_up(expr, &mut |expr| match expr {
            Expr::InSubquery(membership) => {
                let is_row = is_correlated(&membership) && is_single_row(&membership)?;
                if is_row || !is_own(&membership) || !self.is_inexact(&membership)? {
                    return self.member(membership);
                }
                let value = match is_correlated(&membership) && self.in_filter {
                    true => self.by_existence(&membership)?,
                    false => self.by_counts(&membership)?,
                };
                Ok(Transformed::yes(opposite_if(membership.negated, value)))
            }
            Expr::Exists(found) => {
                let is_correlated = !found.subquery.outer_ref_columns.is_empty();
                if is_correlated && let Some(limit) = skipping(&found.subquery.subquery) {
                    return Ok(Transformed::yes(opposite_if(found.negated, exists_beyond(limit)?)));
                }
                if is_correlated && single_row(&found.subquery.subquery)? {
                    return Ok(Transformed::yes(lit(!found.negated)));
                }
                if self.in_filter {
                    return Ok(Transformed::no(Expr::Exists(found)));
                }
                let rows = counted(LogicalPlanBuilder::from(found.subquery.subquery))?;
                Ok(Transformed::yes(opposite_if(found.negated, rows.gt(lit(0_i64)))))
            }
            Expr::SetComparison(mut comparison) => {
                let rows = self.named(&comparison.subquery)?.build()?;
                comparison.subquery.subquery = Arc::new(rows);
                Ok(Transformed::yes(Expr::SetComparison(comparison)))
            }
            other => Ok(Transformed::no(other)),
        })
    }

    /// Whether DataFusion's plan for it would be wrong here, or missing.
    fn is_inexact(&self, membership: &InSubquery) -> Result<bool> {
        Ok(!self.in_filter || self.may_be_unknown(membership)?)
    }

    fn may_be_unknown(&self, membership: &InSubquery) -> Result<bool> {
        let rows = membership.subquery.subquery.schema();
        Ok(membership.expr.nullable(self.schema.as_ref())?
            || rows.fields().first().is_none_or(|field| field.is_nullable()))
    }

    /// A membership that stays one, unless its query gives one row whatever it reads.
    fn member(&self, membership: InSubquery) -> Result<Transformed<Expr>> {
        if !is_correlated(&membership) || !is_single_row(&membership)? {
            return Ok(Transformed::no(Expr::InSubquery(membership)));
        }
        let InSubquery { expr, subquery, negated } = membership;
        let op = if negated { Operator::NotEq } else { Operator::Eq };
        let value = Box::new(Expr::ScalarSubquery(subquery));
        Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(expr, op, value))))
    }

    /// The rows of the query for which `condition` holds of `s = x`.
    fn matches(
        &self,
        membership: &InSubquery,
        condition: impl FnOnce(Expr) -> Expr,
    ) -> Result<LogicalPlan> {
        let (rows, value) = self.rows(membership)?;
        let sought = walk::expr_up(membership.expr.as_ref().clone(), &mut |expr| match expr {
            Expr::Column(column) => {
                let field = Arc::clone(self.schema.field_from_column(&column)?);
                Ok(Transformed::yes(Expr::OuterReferenceColumn(field, column)))
            }
            other => Ok(Transformed::no(other)),
        })?;
        rows.filter(condition(value.eq(sought.data)))?.build()
    }

    /// The query, and its column.
    fn rows(&self, membership: &InSubquery) -> Result<(LogicalPlanBuilder, Expr)> {
        let rows = self.named(&membership.subquery)?;
        let value = Expr::Column(rows.schema().qualified_field(0).into());
        Ok((rows, value))
    }

    /// The column of a query under a name of its own: the query around it may read the same table, and a condition that
    /// compares both would compare the column with itself.
    ///
    /// # Errors
    /// If it refers to the query around it, which it could not under another name, and has the name of a table there.
    fn named(&self, query: &Subquery) -> Result<LogicalPlanBuilder> {
        let rows = LogicalPlanBuilder::from(query.subquery.as_ref().clone());
        let (relation, field) = rows.schema().qualified_field(0);
        let value = Expr::Column((relation, field).into());
        if query.outer_ref_columns.is_empty() {
            let name = self.names.next("member");
            return rows.project([value.alias("value")])?.alias(name);
        }
        match relation.filter(|relation| self.schema.iter().any(|(of, _)| of == Some(*relation))) {
            Some(table) => not_impl_err!(
                "the table {table} is in a subquery and in the query around it, which the subquery refers to; give one of them an alias"
            ),
            None => Ok(rows),
        }
    }

    fn by_existence(&self, membership: &InSubquery) -> Result<Expr> {
        let equal = self.matches(membership, |equal| equal)?;
        let unknown = self.matches(membership, |equal| Expr::IsNull(Box::new(equal)))?;
        when(exists(Arc::new(equal)), lit(true))
            .when(exists(Arc::new(unknown)), lit(ScalarValue::Boolean(None)))
            .otherwise(lit(false))
    }

    fn by_counts(&self, membership: &InSubquery) -> Result<Expr> {
        let equal = LogicalPlanBuilder::from(self.matches(membership, |equal| equal)?);
        let (rows, value) = self.rows(membership)?;
        let counts = [count(lit(1_i64)).alias("all"), count(value).alias("present")];
        let all = || Expr::Column(Column::from_name("all"));
        let present = Expr::Column(Column::from_name("present"));
        let state = when(all().eq(lit(0_i64)), lit(NO_ROW))
            .when(present.lt(all()), lit(SOME_NULL))
            .otherwise(lit(NO_NULL))?;
        let state =
            rows.aggregate(Vec::<Expr>::new(), counts)?.project([state.alias("state")])?.build()?;
        let unknown = || lit(ScalarValue::Boolean(None));
        let mut of_null = when(membership.expr.as_ref().clone().is_null(), unknown());
        let otherwise = case(scalar_subquery(Arc::new(state)))
            .when(lit(SOME_NULL), unknown())
            .when(lit(NO_NULL), of_null.otherwise(lit(false))?)
            .otherwise(lit(false))?;
        when(counted(equal)?.gt(lit(0_i64)), lit(true)).otherwise(otherwise)
    }
}

fn opposite_if(negated: bool, value: Expr) -> Expr {
    if negated { Expr::Not(Box::new(value)) } else { value }
}

fn is_correlated(membership: &InSubquery) -> bool {
    !membership.subquery.outer_ref_columns.is_empty()
}

/// Whether the value on the left belongs to the outer query, which a subquery can refer to.
fn is_own(membership: &InSubquery) -> bool {
    let sought = &membership.expr;
    let other = |expr: &Expr| {
        Ok(matches!(
            expr,
            Expr::OuterReferenceColumn(..)
                | Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
        ))
    };
    !sought.is_volatile() && !sought.exists(other).unwrap_or(true)
}

fn is_single_row(membership: &InSubquery) -> Result<bool> {
    single_row(&membership.subquery.subquery)
}

/// How many rows a query has, as a value.
fn counted(rows: LogicalPlanBuilder) -> Result<Expr> {
    let rows = rows.aggregate(Vec::<Expr>::new(), [count(lit(1_i64)).alias("rows")])?;
    Ok(scalar_subquery(Arc::new(rows.build()?)))
}

/// The limit of a query that skips rows.
fn skipping(plan: &LogicalPlan) -> Option<&Limit> {
    match plan {
        LogicalPlan::Projection(node) => skipping(&node.input),
        LogicalPlan::SubqueryAlias(node) => skipping(&node.input),
        LogicalPlan::Sort(node) => skipping(&node.input),
        LogicalPlan::Limit(limit) => limit.skip.is_some().then_some(limit),
        _ => None,
    }
}

/// Whether there are rows beyond those that a limit skips, in a query that refers to the one around it: DataFusion 55 drops
/// `OFFSET` there (apache/datafusion#25283).
fn exists_beyond(limit: &Limit) -> Result<Expr> {
    let (SkipType::Literal(skip), Ok(fetch)) = (limit.get_skip_type()?, limit.get_fetch_type())
    else {
        return not_impl_err!("OFFSET of a subquery must be a number");
    };
    if matches!(fetch, FetchType::Literal(Some(0))) {
        return Ok(lit(false));
    }
    if single_row(&limit.input)? {
        return Ok(lit(skip == 0));
    }
    let rows = counted(LogicalPlanBuilder::from(limit.input.as_ref().clone()))?;
    Ok(rows.gt(lit(i64::try_from(skip).unwrap_or(i64::MAX))))
}

/// Whether a query that refers to the one around it gives one row whatever it reads.
///
/// # Errors
/// If it has such a query, or grouping sets, within it.
fn single_row(plan: &LogicalPlan) -> Result<bool> {
    let mut top = plan;
    loop {
        top = match top {
            LogicalPlan::Projection(node) => node.input.as_ref(),
            LogicalPlan::SubqueryAlias(node) => node.input.as_ref(),
            LogicalPlan::Sort(node) if node.fetch.is_none() => node.input.as_ref(),
            LogicalPlan::Aggregate(node) if node.group_expr.is_empty() => return Ok(true),
            _ => break,
        };
    }
    let mut refused = false;
    plan.apply(|node| {
        if let LogicalPlan::Aggregate(aggregate) = node {
            let has_empty_group = aggregate.group_expr.is_empty()
                || aggregate.group_expr.iter().any(|e| matches!(e, Expr::GroupingSet(_)));
            refused |= has_empty_group && refers_out(&aggregate.input)?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    match refused {
        true => not_impl_err!(
            "IN and EXISTS over an aggregate without GROUP BY, or with GROUPING SETS, that refers to the outer query are not supported; join with the aggregate instead"
        ),
        false => Ok(false),
    }
}

fn refers_out(plan: &LogicalPlan) -> Result<bool> {
    let mut refers = false;
    plan.apply(|node| {
        refers |= node.contains_outer_reference();
        Ok(if refers { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(refers)
}
