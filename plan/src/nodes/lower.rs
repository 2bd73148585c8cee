//! Relations of messages as DataFusion's logical plans.

use super::expressions::{Expressions, Scope, Sizes, malformed};
use super::literals::data_type;
use super::shared::{Readers, SharedTable, is_cheap};
use super::{Expression, Id, JoinKind, Key, Plan, Relation};
use crate::depth::{self, PLAN_LEVELS_MAX, PLAN_OPERATORS_MAX};
use crate::walk;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{
    Column, JoinType, NullEquality, NullHandling, ScalarValue, UnnestOptions,
};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionState;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, Filter, Join, JoinConstraint, LogicalPlan, LogicalPlanBuilder,
    Projection, Sort, Union, lit,
};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Operators up to which a relation that several others read is planned and run for each of them, if all of
/// them work row by row: reading files again costs less than storing what was read.
const REPEATED_OPERATORS_MAX: usize = 32;
/// Joins that are planned together. The time that DataFusion needs for them grows with the square of their
/// number, and with their columns, so that the result of this many becomes the input of another plan.
const JOINS_MAX: usize = 8;
/// Levels of expressions that are planned together, summed over the relations on a way down the plan. DataFusion
/// merges projections, and computes the type of each part of an expression from all that is below it.
const LEVELS_MAX: usize = 120;

/// Reductions of all rows that are planned together with the expressions over them.
const REDUCTIONS_MAX: usize = 32;

/// The parts of a relation that may be plans of their own, the inner one first.
#[derive(Clone, Copy)]
enum Part {
    Reductions,
    All,
}

impl Part {
    /// The number of this part of a relation.
    fn id(self, relation: Id) -> u32 {
        relation.saturating_mul(2).saturating_add(self as u32)
    }
}

/// What a plan reads that only the session knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Leaf<'a> {
    /// A table of the catalog, or files by their path or a request.
    Table(&'a str),
    /// A query in SQL.
    Query(&'a str),
}

/// What a plan reads, by the numbers of the relations.
pub fn leaves(plan: &Plan) -> Vec<(Id, Leaf<'_>)> {
    (0..).zip(&plan.relations).filter_map(|(id, one)| Some((id, leaf(one)?))).collect()
}

fn leaf(relation: &Relation) -> Option<Leaf<'_>> {
    match relation {
        Relation::Table(name) | Relation::Files(name) => Some(Leaf::Table(name)),
        Relation::Query(sql) => Some(Leaf::Query(sql)),
        _ => None,
    }
}

/// The logical plan of the last relation. `plans` has those of the [`leaves`].
///
/// # Errors
/// If the message is malformed or the plan too large, or DataFusion refuses a part of it.
pub fn lower(
    plan: &Plan,
    plans: &HashMap<Id, LogicalPlan>,
    state: &SessionState,
) -> Result<LogicalPlan> {
    let sizes = Sizes::of(plan)?;
    let types = plan.types.iter().map(|name| data_type(name)).collect::<Result<_>>()?;
    let expressions = Expressions { state, nodes: &plan.expressions, types };
    let uses = uses(plan)?;
    let mut lowering =
        Lowering { expressions, leaves: plans, plans: Vec::new(), costs: Vec::new() };
    let mut total = 0;
    for (id, relation) in (0..).zip(&plan.relations) {
        for expression in roots(relation) {
            sizes.count(expression, &mut total)?;
        }
        let cost = lowering.cost(id, relation, &sizes)?;
        let made = lowering.relation(id, relation)?;
        let is_last = id as usize + 1 == plan.relations.len();
        let is_used_again = uses.get(id as usize).is_some_and(|count| *count > 1);
        let is_repeated = cost.is_cheap && cost.operators <= REPEATED_OPERATORS_MAX;
        let is_large = cost.joins >= JOINS_MAX || cost.expressions >= LEVELS_MAX;
        let is_apart = is_used_again && !is_repeated || is_large && !is_last;
        let readers = if is_used_again { Readers::Several } else { Readers::One };
        let (made, cost) = match is_apart {
            true => {
                (SharedTable::scan_of(Part::All.id(id), readers, made, state)?, cost.of_a_part())
            }
            false => (made, cost),
        };
        lowering.plans.push(Arc::new(made));
        lowering.costs.push(cost);
    }
    let root = lowering.plans.pop().ok_or_else(|| malformed("no relations"))?;
    Ok(Arc::unwrap_or_clone(root))
}

/// How many relations read each relation.
fn uses(plan: &Plan) -> Result<Vec<usize>> {
    let mut uses = vec![0_usize; plan.relations.len()];
    for id in plan.relations.iter().flat_map(inputs) {
        let count = uses.get_mut(id as usize).ok_or_else(|| malformed("no such relation"))?;
        *count += 1;
    }
    Ok(uses)
}

/// The relations that one reads.
fn inputs(relation: &Relation) -> Vec<Id> {
    match relation {
        Relation::Table(_) | Relation::Files(_) | Relation::Query(_) | Relation::Values(..) => {
            Vec::new()
        }
        Relation::Project(input, _)
        | Relation::Filter(input, _)
        | Relation::Group(input, ..)
        | Relation::Distinct(input)
        | Relation::Sort(input, ..) => vec![*input],
        Relation::Join(left, right, ..) => vec![*left, *right],
        Relation::Union(parts) => parts.clone(),
    }
}

/// The expressions of a relation.
fn roots(relation: &Relation) -> Vec<Id> {
    let named = |columns: &[(String, Id)]| columns.iter().map(|(_, id)| *id).collect::<Vec<_>>();
    match relation {
        Relation::Table(_)
        | Relation::Files(_)
        | Relation::Query(_)
        | Relation::Distinct(_)
        | Relation::Union(_) => Vec::new(),
        Relation::Values(_, rows) => rows.concat(),
        Relation::Project(_, columns) => named(columns),
        Relation::Filter(_, conditions) => conditions.clone(),
        Relation::Group(_, keys, cells) => [named(keys), named(cells)].concat(),
        Relation::Sort(_, keys, _) => keys.iter().map(|key| key.0).collect(),
        Relation::Join(_, _, _, keys) => keys.iter().flat_map(|(a, b)| [*a, *b]).collect(),
    }
}

/// What it costs to plan a relation, with those that it reads and that are no plans of their own.
#[derive(Clone, Copy)]
struct Cost {
    operators: usize,
    joins: usize,
    /// Levels of expressions on the longest way down.
    expressions: usize,
    /// Levels of operators, also of plans of their own.
    levels: usize,
    /// Whether all of its operators work row by row, and give the same rows each time.
    is_cheap: bool,
}

impl Cost {
    /// That of reading the relation, where it is planned by itself.
    fn of_a_part(self) -> Self {
        Cost { operators: 1, joins: 0, expressions: 0, is_cheap: true, ..self }
    }
}

struct Lowering<'a> {
    expressions: Expressions<'a>,
    leaves: &'a HashMap<Id, LogicalPlan>,
    /// The plans of the relations so far.
    plans: Vec<Arc<LogicalPlan>>,
    costs: Vec<Cost>,
}

impl Lowering<'_> {
    fn leaf(&self, id: Id) -> Result<&LogicalPlan> {
        self.leaves.get(&id).ok_or_else(|| malformed("a query has no plan"))
    }

    fn plan(&self, id: Id) -> Result<Arc<LogicalPlan>> {
        let found = self.plans.get(id as usize).cloned();
        found.ok_or_else(|| malformed("a relation reads a later one"))
    }

    /// The cost of a relation.
    ///
    /// # Errors
    /// If the plan is too large.
    fn cost(&self, id: Id, relation: &Relation, sizes: &Sizes) -> Result<Cost> {
        let joins = usize::from(matches!(relation, Relation::Join(..)));
        let mut cost = Cost { operators: 1, joins, expressions: 0, levels: 1, is_cheap: false };
        match relation {
            Relation::Table(_) | Relation::Files(_) | Relation::Query(_) => {
                // A view is a plan of its own size.
                let leaf = self.leaf(id)?;
                let size = depth::check_plan(leaf)?;
                (cost.operators, cost.levels) = (size.operators, size.levels);
                cost.is_cheap = is_cheap(leaf)?;
            }
            Relation::Values(..) | Relation::Filter(..) | Relation::Project(..) => {
                cost.is_cheap = true;
            }
            _ => {}
        }
        let levels = roots(relation).into_iter().map(|id| sizes.levels(id)).max().unwrap_or(0);
        let mut below = 0;
        for input in inputs(relation) {
            let of = self.costs.get(input as usize);
            let of = of.ok_or_else(|| malformed("a relation reads a later one"))?;
            cost.operators = cost.operators.saturating_add(of.operators);
            cost.levels = cost.levels.max(of.levels + 1);
            cost.joins += of.joins;
            cost.is_cheap &= of.is_cheap;
            below = below.max(of.expressions);
        }
        cost.expressions = below + levels;
        let is_steady = |id: &Id| self.is_steady(*id);
        cost.is_cheap = cost.is_cheap && roots(relation).iter().all(is_steady);
        if cost.operators > PLAN_OPERATORS_MAX || cost.levels > PLAN_LEVELS_MAX {
            return Err(DataFusionError::Plan(format!(
                "the plan has more than {PLAN_LEVELS_MAX} nested steps or more than {PLAN_OPERATORS_MAX} steps in total; persist the frame after some of its operations"
            )));
        }
        Ok(cost)
    }

    /// Whether an expression gives the same values each time, from that row only.
    fn is_steady(&self, id: Id) -> bool {
        let all = |ids: &[Id]| ids.iter().all(|id| self.is_steady(*id));
        match self.expressions.nodes.get(id as usize) {
            Some(Expression::Column(_) | Expression::Literal(..)) => true,
            Some(Expression::Call(name, arguments)) => {
                !matches!(name.as_str(), "random" | "unnest") && all(arguments)
            }
            Some(Expression::Cast(value, ..)) => self.is_steady(*value),
            Some(Expression::Case { operand, branches, otherwise }) => {
                operand.iter().chain(otherwise).all(|id| self.is_steady(*id))
                    && branches.iter().all(|(a, b)| self.is_steady(*a) && self.is_steady(*b))
            }
            Some(Expression::Aggregate { .. } | Expression::Window { .. }) | None => false,
        }
    }

    fn relation(&self, id: Id, relation: &Relation) -> Result<LogicalPlan> {
        match relation {
            Relation::Table(_) | Relation::Files(_) | Relation::Query(_) => self.leaf(id).cloned(),
            Relation::Values(names, rows) => self.values(names, rows),
            Relation::Project(input, columns) => self.project(self.plan(*input)?, columns),
            Relation::Filter(input, conditions) => {
                let input = self.plan(*input)?;
                let scope = Scope::new([input.schema().as_ref()]);
                let all = self.exprs(conditions.iter().copied(), &scope)?;
                match conjunction(all) {
                    Some(all) => Ok(LogicalPlan::Filter(Filter::try_new(all, input)?)),
                    None => Ok(Arc::unwrap_or_clone(input)),
                }
            }
            Relation::Group(input, keys, cells) => self.group(id, self.plan(*input)?, keys, cells),
            Relation::Distinct(input) => {
                Ok(LogicalPlan::Distinct(Distinct::All(self.plan(*input)?)))
            }
            Relation::Sort(input, keys, limit) => self.sort(self.plan(*input)?, keys, *limit),
            Relation::Join(left, right, kind, keys) => {
                self.join(self.plan(*left)?, self.plan(*right)?, *kind, keys)
            }
            Relation::Union(parts) => {
                let parts = parts.iter().map(|id| self.plan(*id)).collect::<Result<_>>()?;
                Ok(LogicalPlan::Union(Union::try_new_with_loose_types(parts)?))
            }
        }
    }

    fn exprs(&self, ids: impl IntoIterator<Item = Id>, scope: &Scope) -> Result<Vec<Expr>> {
        ids.into_iter().map(|id| self.expressions.expr(id, scope)).collect()
    }

    fn values(&self, names: &[String], rows: &[Vec<Id>]) -> Result<LogicalPlan> {
        let scope = Scope::new([]);
        let (input, columns) = if rows.is_empty() {
            let null = lit(ScalarValue::Null);
            (LogicalPlanBuilder::empty(false).build()?, vec![null; names.len()])
        } else {
            let rows = rows.iter().map(|row| self.exprs(row.iter().copied(), &scope));
            let made = LogicalPlanBuilder::values(rows.collect::<Result<_>>()?)?.build()?;
            let columns = made.schema().columns().into_iter().map(Expr::Column).collect();
            (made, columns)
        };
        if columns.len() != names.len() {
            return Err(malformed("a row has another number of values than there are names"));
        }
        let columns = columns.into_iter().zip(names).map(|(column, name)| named(column, name));
        projected(Arc::new(input), columns.collect())
    }

    /// Expressions over each row. Window functions become columns below, and lists rows.
    fn project(&self, input: Arc<LogicalPlan>, columns: &[(String, Id)]) -> Result<LogicalPlan> {
        let scope = Scope::new([input.schema().as_ref()]);
        let mut lists = Vec::new();
        let mut ids = Vec::with_capacity(columns.len());
        for (name, id) in columns {
            match self.expressions.nodes.get(*id as usize) {
                Some(Expression::Call(function, arguments)) if function == "unnest" => {
                    lists.push(Column::from_name(name));
                    ids.extend(arguments.first());
                }
                _ => ids.push(*id),
            }
        }
        let exprs = self.exprs(ids, &scope)?;
        if exprs.len() != columns.len() {
            return Err(malformed("unnest takes one argument"));
        }
        let (input, exprs) = with_windows(input, exprs)?;
        let names = columns.iter().map(|(name, _)| name);
        let exprs = exprs.into_iter().zip(names).map(|(expr, name)| named(expr, name)).collect();
        let made = projected(input, exprs)?;
        if lists.is_empty() {
            return Ok(made);
        }
        // As UNNEST of SQL, a missing or empty list gives no row.
        let options = UnnestOptions::new().with_null_handling(NullHandling::Drop);
        LogicalPlanBuilder::from(made).unnest_columns_with_options(lists, options)?.build()
    }

    fn group(
        &self,
        id: Id,
        input: Arc<LogicalPlan>,
        keys: &[(String, Id)],
        cells: &[(String, Id)],
    ) -> Result<LogicalPlan> {
        let scope = Scope::new([input.schema().as_ref()]);
        let by = self.exprs(keys.iter().map(|(_, id)| *id), &scope)?;
        let values = self.exprs(cells.iter().map(|(_, id)| *id), &scope)?;
        let mut aggregates = found(&values, |expr| matches!(expr, Expr::AggregateFunction(_)))?;
        if aggregates.is_empty() && by.is_empty() {
            aggregates.push(self.expressions.count_rows()?);
        }
        let mut by_once = by.clone();
        let mut seen = HashSet::new();
        by_once.retain(|one| seen.insert(one.clone()));
        // DataFusion names an aggregate of a value like that of its conversion.
        let mut names = HashSet::new();
        let distinct = (0..).zip(&aggregates).map(|(at, one): (usize, _)| {
            match names.insert(one.schema_name().to_string()) {
                true => one.clone(),
                false => one.clone().alias(format!("__aggregate_{at}")),
            }
        });
        let distinct = distinct.collect();
        let mut made =
            LogicalPlan::Aggregate(Aggregate::try_new(input, by_once.clone(), distinct)?);
        if by_once.is_empty() && aggregates.len() > REDUCTIONS_MAX {
            // A stage of its own: workers would compute the equal columns of the projection anew.
            let id = Part::Reductions.id(id);
            made = SharedTable::scan_of(id, Readers::Several, made, self.expressions.state)?;
        }
        let columns = made.schema().columns().into_iter().map(Expr::Column);
        let known: HashMap<Expr, Expr> =
            by_once.into_iter().chain(aggregates).zip(columns).collect();
        let outputs = by.into_iter().chain(values).zip(keys.iter().chain(cells));
        let outputs = outputs.map(|(expr, (name, _))| Ok(named(replaced(expr, &known)?, name)));
        projected(Arc::new(made), outputs.collect::<Result<_>>()?)
    }

    fn sort(
        &self,
        input: Arc<LogicalPlan>,
        keys: &[Key],
        limit: Option<usize>,
    ) -> Result<LogicalPlan> {
        let scope = Scope::new([input.schema().as_ref()]);
        let expr = self.expressions.order(keys, &scope)?;
        let sorted = match expr.is_empty() {
            true => Arc::unwrap_or_clone(input),
            false => LogicalPlan::Sort(Sort { expr, input, fetch: None }),
        };
        match limit {
            Some(_) => LogicalPlanBuilder::from(sorted).limit(0, limit)?.build(),
            None => Ok(sorted),
        }
    }

    fn join(
        &self,
        left: Arc<LogicalPlan>,
        right: Arc<LogicalPlan>,
        kind: JoinKind,
        keys: &[(Id, Id)],
    ) -> Result<LogicalPlan> {
        let kind = match kind {
            JoinKind::Inner | JoinKind::Cross => JoinType::Inner,
            JoinKind::Left => JoinType::Left,
            JoinKind::Right => JoinType::Right,
            JoinKind::Outer => JoinType::Full,
            JoinKind::LeftSemi => JoinType::LeftSemi,
            JoinKind::LeftAnti => JoinType::LeftAnti,
        };
        let scopes = [&left, &right].map(|side| Scope::new([side.schema().as_ref()]));
        let on = keys.iter().map(|(a, b)| {
            let a = self.expressions.expr(*a, &scopes[0])?;
            Ok((a, self.expressions.expr(*b, &scopes[1])?))
        });
        let on = on.collect::<Result<Vec<_>>>()?;
        // A join that is not inner needs a condition.
        let filter = (on.is_empty() && kind != JoinType::Inner).then(|| lit(true));
        Ok(LogicalPlan::Join(Join::try_new(
            left,
            right,
            on,
            filter,
            kind,
            JoinConstraint::On,
            NullEquality::NullEqualsNull,
            false,
        )?))
    }
}

/// An expression under a name, without an alias for a column that has it.
fn named(expr: Expr, name: &str) -> Expr {
    match &expr {
        Expr::Column(column) if column.relation.is_none() && column.name == name => expr,
        _ => expr.alias(name),
    }
}

fn projected(input: Arc<LogicalPlan>, exprs: Vec<Expr>) -> Result<LogicalPlan> {
    let exprs = if exprs.is_empty() { vec![lit(1_i64).alias("one")] } else { exprs };
    Ok(LogicalPlan::Projection(Projection::try_new(exprs, input)?))
}

/// A relation with the window functions of expressions as columns, and the expressions over it.
fn with_windows(
    input: Arc<LogicalPlan>,
    exprs: Vec<Expr>,
) -> Result<(Arc<LogicalPlan>, Vec<Expr>)> {
    let mut windows = found(&exprs, |expr| matches!(expr, Expr::WindowFunction(_)))?;
    let (mut input, mut known) = (input, HashMap::new());
    while !windows.is_empty() {
        // DataFusion names a function of a value like that of its conversion: such ones come one after the other.
        let mut names = HashSet::new();
        let (now, later): (Vec<_>, Vec<_>) =
            windows.into_iter().partition(|one| names.insert(one.schema_name().to_string()));
        let before = input.schema().columns();
        let made = LogicalPlanBuilder::window_plan(Arc::unwrap_or_clone(input), now.clone())?;
        let first = known.len();
        let own = now.iter().map(|one| Column::from_name(one.schema_name().to_string()));
        let named = (first..).zip(own).map(|(at, own)| (own, format!("__window_{at}")));
        let named: Vec<(Column, String)> = named.collect();
        for (window, (_, name)) in now.into_iter().zip(&named) {
            known.insert(window, Expr::Column(Column::from_name(name)));
        }
        let carried = before.into_iter().map(Expr::Column);
        let added = named.into_iter().map(|(own, name)| Expr::Column(own).alias(name));
        input = Arc::new(projected(Arc::new(made), carried.chain(added).collect())?);
        windows = later;
    }
    if known.is_empty() {
        return Ok((input, exprs));
    }
    let exprs = exprs.into_iter().map(|expr| replaced(expr, &known)).collect::<Result<_>>()?;
    Ok((input, exprs))
}

/// The outermost parts of expressions for which something holds, each once.
fn found(exprs: &[Expr], holds: impl Fn(&Expr) -> bool) -> Result<Vec<Expr>> {
    let (mut seen, mut found) = (HashSet::new(), Vec::new());
    for expr in exprs {
        walk::visit_expr(expr, &mut |part| {
            if !holds(part) {
                return Ok(TreeNodeRecursion::Continue);
            }
            if seen.insert(part.clone()) {
                found.push(part.clone());
            }
            Ok(TreeNodeRecursion::Jump)
        })?;
    }
    Ok(found)
}

/// An expression with parts of it replaced.
fn replaced(expr: Expr, by: &HashMap<Expr, Expr>) -> Result<Expr> {
    let changed = walk::expr_down(expr, &mut |part| match by.get(&part) {
        Some(other) => Ok(Transformed::new(other.clone(), true, TreeNodeRecursion::Jump)),
        None => Ok(Transformed::no(part)),
    })?;
    Ok(changed.data)
}
